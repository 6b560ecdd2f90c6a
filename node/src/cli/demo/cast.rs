//! Who plays: three workers that differ in what they can do and what they ask for it, and one requester. Out: their
//! configuration files, as an operator would write them.

use std::fmt::Write as _;
use std::path::Path;

/// The requester's name, which is also its directory's.
pub(super) const REQUESTER: &str = "requester";
/// The configuration file in each node's directory.
pub(super) const CONFIG: &str = "worker.toml";
/// The data directory beside it.
pub(super) const DATA: &str = "data";
/// The market network. Not the default one, so that nobody mixes the two.
pub(super) const NETWORK: &str = "demo";
/// Free ports of the loopback interface, over both transports.
pub(super) const LISTEN: [&str; 2] = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub name: &'static str,
    pub skills: &'static [Offered],
}

/// A skill, and its terms.
#[derive(Debug)]
pub(super) struct Offered {
    pub skill: &'static str,
    price: &'static str,
    expect: &'static str,
}

const fn offered(skill: &'static str, price: &'static str, expect: &'static str) -> Offered {
    Offered { skill, price, expect }
}

/// Two specialists, and one that does most things: four of the five skills are offered twice.
pub(super) static WORKERS: [Worker; 3] = [
    Worker {
        name: "quill",
        skills: &[
            offered("text/statistics", "0.01 USD per task", "2s"),
            offered("changelog/extract", "0.03 USD per task", "2s"),
            offered("checksum/verify", "0.01 USD per task", "1s"),
        ],
    },
    Worker {
        name: "ledger",
        skills: &[
            offered("table/summarise", "0.02 USD per task", "3s"),
            offered("json/validate", "0.03 USD per task", "1s"),
        ],
    },
    Worker {
        name: "magpie",
        skills: &[
            offered("json/validate", "0.02 USD per task", "2s"),
            offered("table/summarise", "0.03 USD per task", "2s"),
            offered("text/statistics", "0.02 USD per task", "1s"),
            offered("changelog/extract", "0.04 USD per task", "1s"),
        ],
    },
];

impl Worker {
    /// What it does, in a line.
    pub fn trade(&self) -> String {
        self.skills.iter().map(|offered| offered.skill).collect::<Vec<_>>().join(", ")
    }

    /// Its `worker.toml`; the agent is the binary itself.
    pub fn toml(&self, binary: &str, doors: &[String]) -> String {
        let mut text = node_toml(doors);
        let name = self.name;
        let _ = write!(
            text,
            "\n[agent]\nname = \"{name}\"\nversion = \"{}\"\n\n[serve]\nfrom = \"anyone\"\nparallel = 2\n",
            env!("CARGO_PKG_VERSION")
        );
        for Offered { skill, price, expect } in self.skills {
            let command = list(&[binary, "demo-agent", skill]);
            let schema = skill.replace('/', "-");
            let _ = write!(
                text,
                r#"
[[skill]]
path = "{skill}"
output = "../demo/schemas/{schema}.json"
price = "{price}"
expect = "{expect}"
[skill.run]
command = {command}
timeout = "30s"
restartable = true
"#
            );
        }
        text
    }
}

/// The requester's file: a node that only hires.
pub(super) fn requester_toml(doors: &[String]) -> String {
    node_toml(doors)
}

fn node_toml(doors: &[String]) -> String {
    let (listen, bootstrap) = (list(&LISTEN), list(doors));
    format!("[node]\ndata_dir = \"{DATA}\"\nnetwork = \"{NETWORK}\"\nlisten = {listen}\nbootstrap = {bootstrap}\n")
}

/// A list of strings in TOML: what is in a path or an address is escaped.
fn list(items: &[impl AsRef<str>]) -> String {
    toml::Value::Array(items.iter().map(|item| item.as_ref().into()).collect()).to_string()
}

/// Where a node's files are: its configuration, and its data beside it.
pub(super) fn config(home: &Path) -> std::path::PathBuf {
    home.join(CONFIG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{self, Overrides};
    use crate::{demo_agent, demo_files, task};

    #[test]
    fn every_file_is_one_that_a_node_takes_and_every_skill_is_one_that_the_agent_has() {
        let dir = tempfile::tempdir().unwrap();
        demo_files::write_to(&dir.path().join("demo")).unwrap();
        let door = "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWDXo2B87BcqdYGiyrAbK5szohj1iLKMSM8aesQkjN2QL2".to_owned();
        for worker in &WORKERS {
            let home = dir.path().join(worker.name);
            std::fs::create_dir(&home).unwrap();
            std::fs::write(config(&home), worker.toml("/a b/\"gig\"mesh", std::slice::from_ref(&door))).unwrap();
            let loaded = config::load(Some(&config(&home)), Overrides::default()).unwrap();
            assert_eq!(loaded.doubt(), None);
            assert_eq!(loaded.node.data_dir, home.join(DATA));
            assert_eq!(loaded.node.bootstrap, [door.as_str()]);
            for (skill, run) in &loaded.node.executors {
                assert_eq!(run.command, ["/a b/\"gig\"mesh", "demo-agent", skill.as_str()]);
                assert!(demo_agent::SKILLS.contains(&skill.as_str()), "{skill}");
            }
        }
        assert!(requester_toml(&[door]).contains("12D3"));
    }

    #[test]
    fn every_task_has_a_worker_that_can_afford_it() {
        let dir = tempfile::tempdir().unwrap();
        demo_files::write_to(dir.path()).unwrap();
        for (path, _) in demo_files::FILES.iter().filter(|(path, _)| path.starts_with("tasks/")) {
            let task = task::read(&dir.path().join(path)).unwrap().task;
            let max = task.max.unwrap();
            let suits = |offered: &&Offered| {
                offered.skill.parse::<gigmesh_protocol::market::Skill>().is_ok_and(|skill| skill.covers(&task.skill))
                    && offered.price.parse().is_ok_and(|price: gigmesh_protocol::market::price::Price| {
                        price.compare(&max).is_some_and(std::cmp::Ordering::is_le)
                    })
            };
            assert!(WORKERS.iter().any(|worker| worker.skills.iter().any(|offered| suits(&offered))), "{path}");
        }
    }
}
