//! The programs behind a worker's skills, as a test wants them: a shell script that counts its runs and can be held up.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, test_kill_process};

use crate::binary;

/// Who does an agent's work.
#[derive(Debug, Clone)]
pub enum Does {
    /// A script that prints this at each run: one JSON document, byte for byte.
    Prints(String),
    /// The binary's own demo agent.
    Demo,
    /// This program with these arguments.
    Runs(Vec<String>),
}

/// What a worker serves, and how.
#[derive(Debug, Clone)]
pub struct Agent {
    /// The skill's path.
    pub skill: String,
    /// Who does it.
    pub does: Does,
    /// Whether the runs wait until [`crate::Node::let_agent_go`].
    pub held: bool,
    /// Whether it may be started again if its node fell while it ran.
    pub restartable: bool,
    /// Its price.
    pub price: String,
    /// More lines of `[serve]`.
    pub serve: String,
}

impl Agent {
    /// A script for `skill` that prints this.
    pub fn printing(skill: &str, prints: &str) -> Self {
        Self {
            skill: skill.to_owned(),
            does: Does::Prints(prints.to_owned()),
            held: false,
            restartable: true,
            price: "0.02 USD per task".to_owned(),
            serve: String::new(),
        }
    }

    /// The demo agent's work.
    pub fn demo(skill: &str) -> Self {
        Self { does: Does::Demo, ..Self::printing(skill, "") }
    }

    /// The same, held up at each run.
    pub fn held(self) -> Self {
        Self { held: true, ..self }
    }

    /// The same, with this line in `[serve]`.
    pub fn serving(self, line: &str) -> Self {
        Self { serve: format!("{}{line}\n", self.serve), ..self }
    }

    /// The same, never to be started twice for a hire.
    pub fn run_once(self) -> Self {
        Self { restartable: false, ..self }
    }

    /// Writes `worker.toml`, and the script, into a node's home.
    pub(crate) fn write(&self, home: &Path, name: &str) -> PathBuf {
        let Self { skill, price, restartable, serve, .. } = self;
        let command = match &self.does {
            Does::Demo => format!("[{:?}, \"demo-agent\", {skill:?}]", binary()),
            Does::Runs(command) => format!("{command:?}"),
            Does::Prints(prints) => {
                // The environment is stripped, so paths are written out. A run tells its process id: one line each.
                let script = format!(
                    "cat > '{0}/request'\necho $$ >> '{0}/runs'\n\
                     while [ ! -e '{0}/go' ]; do sleep 0.02; done\ncat '{0}/prints'\n",
                    home.display()
                );
                put(&home.join("agent.sh"), &script);
                put(&home.join("prints"), prints);
                "[\"/bin/sh\", \"agent.sh\"]".to_owned()
            }
        };
        if !self.held {
            put(&home.join("go"), "");
        }
        let file = home.join("worker.toml");
        let text = format!(
            "[agent]\nname = {name:?}\nversion = \"1.0.0\"\n[serve]\nfrom = \"anyone\"\nparallel = 2\n{serve}\
             [[skill]]\npath = {skill:?}\nprice = {price:?}\nexpect = \"30s\"\n\
             [skill.run]\ncommand = {command}\ntimeout = \"2m\"\nrestartable = {restartable}\n"
        );
        put(&file, &text);
        file
    }
}

fn put(path: &Path, text: &str) {
    fs::write(path, text).expect("the test's own directory can be written to");
}

/// Whether a process runs: one that has ended and waits for its parent does not.
pub fn is_running(id: i32) -> bool {
    let there = Pid::from_raw(id).is_some_and(|id| test_kill_process(id).is_ok());
    let state = fs::read_to_string(format!("/proc/{id}/stat")).ok();
    let ended = state.and_then(|stat| Some(stat.rsplit_once(')')?.1.trim_start().starts_with('Z')));
    there && ended != Some(true)
}
