//! Who plays: six workers that differ in what they can do, how well, how fast and for how much, and two requesters; and
//! which of them posts which task when. Out: their configuration files, as an operator would write them.
//!
//! The play is written so that what it shows follows from the rules and not from luck. Nobody is known at first, so the
//! lowest price wins where price is asked for, and it is the wrong one's. Beside it goes a task that asks for a specialist,
//! who is thereby proven, and has first call from then on.

use std::fmt::Write as _;
use std::path::Path;

/// The configuration file in each node's directory.
pub(super) const CONFIG: &str = "worker.toml";
/// The data directory beside it.
pub(super) const DATA: &str = "data";
/// The market network. Not the default one, so that nobody mixes the two.
pub(super) const NETWORK: &str = "demo";
/// Free ports of the loopback interface, over both transports.
pub(super) const LISTEN: [&str; 2] = ["/ip4/127.0.0.1/tcp/0", "/ip4/127.0.0.1/udp/0/quic-v1"];
/// A claim binds, so a worker takes no more claims than it could serve: here enough for a whole wave.
const PARALLEL: usize = 16;

/// A requester.
#[derive(Debug)]
pub(super) struct Requester {
    /// Also its directory.
    pub name: &'static str,
    pub about: &'static str,
    /// The numbers of its tasks, in waves: what is learnt in one is known in the next. Between the first two the newcomer
    /// comes.
    pub waves: [&'static [usize]; WAVES],
}

pub(super) const WAVES: usize = 4;

/// Both of them need one skill below another, which [`BARGAIN`] offers for the least.
pub(super) static REQUESTERS: [Requester; 2] = [
    Requester {
        name: "archive",
        about: "has texts, changelogs and JSON documents looked at",
        waves: [&[3, 6, 10], &[5, 8, 12], &[1, 14, 18], &[16, 21, 24]],
    },
    Requester {
        name: "observatory",
        about: "has tables of measurements looked at, and checksums",
        waves: [&[4, 9, 15], &[2, 13, 17], &[7, 11, 20], &[19, 22, 23]],
    },
];

/// A worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub name: &'static str,
    pub about: &'static str,
    pub skills: &'static [Offered],
    /// What its program is started with beside the skill.
    arguments: &'static [&'static str],
    /// What it says of its skills, as TOML.
    properties: &'static str,
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

/// The one that is cheap and wrong.
pub(super) const BARGAIN: &str = "bargain";
/// The one that joins last.
pub(super) const NEWCOMER: &str = "fresh";

pub(super) static WORKERS: [Worker; 6] = [
    Worker {
        name: "all-round",
        about: "good, and does most things",
        skills: &[
            offered("text/statistics", "0.01 USD per task", "4s"),
            offered("table/summarise", "0.035 USD per task", "4s"),
            offered("json/validate", "0.02 USD per task", "4s"),
            offered("checksum/verify", "0.01 USD per task", "3s"),
        ],
        arguments: &[],
        properties: "",
    },
    Worker {
        name: "careful",
        about: "good, slow, and forgets what it was given",
        skills: &[
            offered("checksum/verify", "0.01 USD per task", "8s"),
            offered("changelog/extract", "0.02 USD per task", "8s"),
            offered("json/validate", "0.03 USD per task", "8s"),
        ],
        arguments: &["--slow", "700"],
        properties: "retention_days = 0",
    },
    Worker {
        name: BARGAIN,
        about: "cheap, quick and wrong",
        skills: &[
            offered("text/statistics", "0.005 USD per task", "2s"),
            offered("table/summarise", "0.01 USD per task", "2s"),
        ],
        arguments: &["--wrong"],
        properties: "",
    },
    Worker {
        name: "tables",
        about: "a specialist for tables, and dear",
        skills: &[
            offered("table/summarise/period", "0.04 USD per task", "4s"),
            offered("table/summarise", "0.03 USD per task", "4s"),
        ],
        arguments: &[],
        properties: "",
    },
    Worker {
        name: "papers",
        about: "a specialist for documents",
        skills: &[
            offered("text/statistics/markdown", "0.02 USD per task", "4s"),
            offered("text/statistics", "0.015 USD per task", "4s"),
            offered("changelog/extract", "0.03 USD per task", "4s"),
        ],
        arguments: &[],
        properties: "",
    },
    // At the price of those who are hired by then, so that without its lane it would get nothing.
    Worker {
        name: NEWCOMER,
        about: "good, and comes when the others are known",
        skills: &[
            offered("json/validate", "0.02 USD per task", "4s"),
            offered("table/summarise", "0.03 USD per task", "4s"),
        ],
        arguments: &[],
        properties: "",
    },
];

impl Worker {
    /// Its `worker.toml`; the agent is the binary itself.
    pub fn toml(&self, binary: &str, doors: &[String]) -> String {
        let mut text = node_toml(doors);
        let Self { name, properties, .. } = self;
        let version = env!("CARGO_PKG_VERSION");
        let _ = write!(
            text,
            "\n[agent]\nname = \"{name}\"\nversion = \"{version}\"\n\n[serve]\nfrom = \"anyone\"\nparallel = {PARALLEL}\n"
        );
        for Offered { skill, price, expect } in self.skills {
            let command = list(&[&[binary, "demo-agent", skill], self.arguments].concat());
            // What is done below a skill looks as what is done at it.
            let schema = skill.splitn(3, '/').take(2).collect::<Vec<_>>().join("-");
            let _ = write!(
                text,
                r#"
[[skill]]
path = "{skill}"
output = "../demo/schemas/{schema}.json"
price = "{price}"
expect = "{expect}"
properties = {{ {properties} }}
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

impl Requester {
    /// Its file: a node that only hires.
    pub fn toml(&self, doors: &[String]) -> String {
        node_toml(doors)
    }
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
    use std::cmp::Ordering;

    use gigmesh_protocol::hire::task::Task;
    use gigmesh_protocol::market::Skill;
    use gigmesh_protocol::market::price::Price;

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
                assert_eq!(run.command[..3], ["/a b/\"gig\"mesh", "demo-agent", skill.as_str()]);
                assert_eq!(run.command[3..], *worker.arguments);
                assert!(demo_agent::SKILLS.contains(&skill.as_str()), "{skill}");
            }
        }
        assert!(REQUESTERS[0].toml(&[door]).contains("12D3"));
    }

    /// The tasks by number.
    fn tasks() -> Vec<(usize, Task)> {
        let dir = tempfile::tempdir().unwrap();
        demo_files::write_to(dir.path()).unwrap();
        let paths = demo_files::FILES.iter().map(|(path, _)| path).filter(|path| path.starts_with("tasks/"));
        paths.map(|path| (path[6..8].parse().unwrap(), task::read(&dir.path().join(path)).unwrap().task)).collect()
    }

    /// What a worker asks for a task, and how specific its skill is.
    fn price(worker: &Worker, task: &Task) -> Option<(Price, usize)> {
        let skill = |offered: &Offered| offered.skill.parse::<Skill>().unwrap();
        let covering = worker.skills.iter().filter(|offered| skill(offered).covers(&task.skill));
        let offered = covering.max_by_key(|offered| offered.skill.len())?;
        let price: Price = offered.price.parse().unwrap();
        let affordable = price.compare(task.max.as_ref()?).is_some_and(Ordering::is_le);
        affordable.then(|| (price, offered.skill.split('/').count()))
    }

    #[test]
    fn every_task_is_posted_once_and_claims_compete() {
        let mut posted: Vec<usize> = REQUESTERS.iter().flat_map(|one| one.waves.concat()).collect();
        posted.sort_unstable();
        let numbers: Vec<usize> = tasks().iter().map(|(number, _)| *number).collect();
        assert_eq!(posted, numbers);
        for (number, task) in tasks() {
            let claims = WORKERS.iter().filter(|worker| price(worker, &task).is_some()).count();
            assert!(claims >= 2, "task {number} has {claims} claims");
        }
    }

    #[test]
    fn the_wrong_one_is_hired_by_each_requester_once_and_only_while_nobody_is_known() {
        let tasks: std::collections::BTreeMap<usize, Task> = tasks().into_iter().collect();
        let bargain = WORKERS.iter().find(|worker| worker.name == BARGAIN).unwrap();
        for requester in &REQUESTERS {
            let tempted = |wave: &[usize]| -> Vec<usize> {
                wave.iter().copied().filter(|number| price(bargain, &tasks[number]).is_some()).collect()
            };
            // In the first wave there is a task that goes to the cheapest until somebody is proven, and one at the same
            // skill that goes to the specialist, who is proven thereby.
            let [by_price, by_fit] = tempted(requester.waves[0])[..] else { panic!("two are tempting") };
            let (by_price, by_fit) = match tasks[&by_price].choosing.bar {
                Some(_) => (&tasks[&by_price], &tasks[&by_fit]),
                None => (&tasks[&by_fit], &tasks[&by_price]),
            };
            assert_eq!(by_price.skill, by_fit.skill);
            let offers = |task| WORKERS.iter().filter_map(move |worker| Some((worker.name, price(worker, task)?)));
            let cheapest = offers(by_price).min_by(|a, b| a.1.0.compare(&b.1.0).unwrap()).unwrap();
            let specialist = offers(by_fit).max_by_key(|(_, (_, fit))| *fit).unwrap();
            assert_eq!(cheapest.0, BARGAIN);
            assert_ne!(specialist.0, BARGAIN);
            assert!(offers(by_price).any(|(name, _)| name == specialist.0), "it has the first call the next time");
            // Later whatever tempts it looks at who is proven before it looks at the price.
            for number in requester.waves[1..].iter().flat_map(|wave| tempted(wave)) {
                let choosing: serde_json::Value = serde_json::to_value(&tasks[&number].choosing).unwrap();
                let first = choosing["prefer"][0].as_str().unwrap();
                assert!(choosing["bar"].is_u64() || ["reputation.low", "fit"].contains(&first), "task {number}");
            }
        }
    }
}
