//! What an agent is asked to do, and what can come of it. No IO but looking for files.

use std::collections::BTreeMap;
use std::fs::{self, Metadata};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::limits::{MAX_INPUT_NAME, MAX_INPUTS, MAX_RESULT};
use crate::store::disk::DiskError;

/// One run of an agent.
#[derive(Debug, Clone)]
pub struct Job {
    /// The program and its arguments, as the operator wrote them; [`Job::resolved`] says how they are read.
    pub command: Vec<String>,
    /// Where the operator wrote them: the directory of the configuration file.
    pub config_dir: PathBuf,
    /// The hire, in hexadecimal digits.
    pub hire: String,
    /// The skill it was hired for.
    pub skill: String,
    /// 1, and one more each time it starts anew or changes were wanted.
    pub attempt: u32,
    /// The brief's parameters; null if there are none, and then the agent is told of none.
    pub params: Value,
    /// The brief's input files by name.
    pub inputs: BTreeMap<String, Input>,
    /// Which part of the task is wanted, from 0, and its title; where there are several.
    pub part: Option<(usize, String)>,
    /// What the requester said about the attempt before.
    pub feedback: Option<Value>,
    /// How long it may take, from the first file copied to the last byte printed, whatever the requester grants.
    pub timeout: Duration,
    /// How long it is until the requester's deadline. An answer may set a later one.
    pub left: Duration,
    /// How much it may print; at most [`MAX_RESULT`].
    pub result_cap: usize,
    /// Leaves the agent's directory in place, for people who look for a fault.
    pub keep_dir: bool,
}

/// An input file, as a whole blob on this disk.
#[derive(Debug, Clone)]
pub struct Input {
    /// Where it is. It is copied, so the agent cannot change the original.
    pub path: PathBuf,
    /// Its media type, as the requester says.
    pub media: Option<String>,
}

/// What an agent delivered.
#[derive(Debug, Clone)]
pub struct Output {
    /// What it printed without the white space around it: the bytes to deliver.
    pub bytes: Vec<u8>,
    /// The same, parsed.
    pub result: Value,
    /// The end of its standard error. Untrusted, not escaped.
    pub stderr: Vec<u8>,
    /// How long it took.
    pub took: Duration,
    /// The agent's directory, if the job asked to keep it.
    pub dir: Option<PathBuf>,
}

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    /// The job itself is not one that can be run.
    #[error("the job cannot be run: {0}")]
    Job(String),
    /// The program did not start.
    #[error("cannot start {program:?}: {source}; check the skill's run.command")]
    Start {
        /// The program, resolved.
        program: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It took too long and was killed.
    #[error("the agent did not finish within {0:?} and was stopped")]
    Timeout(Duration),
    /// The node no longer wanted the result.
    #[error("the work was cancelled")]
    Cancelled,
    /// It printed more than it may and was killed.
    #[error("the agent printed more than {0} bytes and was stopped")]
    TooMuch(usize),
    /// It ended by itself, with a failure.
    #[error("the agent failed with {status}; its last words: {stderr:?}", stderr = Shown(stderr))]
    Failed {
        /// The exit code or the signal.
        status: std::process::ExitStatus,
        /// The end of its standard error, escaped and bounded.
        stderr: String,
    },
    /// It ended well and did not print one JSON document.
    #[error("the agent must print one JSON document and nothing else ({why}); it printed: {shown}")]
    NotJson {
        /// Where it stops being JSON.
        why: String,
        /// The beginning of what it printed, escaped and bounded.
        shown: String,
    },
    /// The operating system refused.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The agent's process could not be watched.
    #[error("the agent could not be watched: {0}")]
    Watch(#[source] std::io::Error),
}

fn is_executable(file: &Metadata) -> bool {
    file.permissions().mode() & 0o111 != 0
}

/// Text that was escaped already.
struct Shown<'a>(&'a str);

impl std::fmt::Debug for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_empty() { "(none)" } else { self.0 })
    }
}

/// Where a program without a slash is.
fn on_path(program: &str) -> Option<String> {
    // Without the variable the system looks in these two.
    let path = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
    let is_program = |file: &PathBuf| fs::metadata(file).is_ok_and(|found| found.is_file() && is_executable(&found));
    let found = std::env::split_paths(&path).map(|dir| dir.join(program)).find(is_program)?;
    std::path::absolute(found).ok()?.into_os_string().into_string().ok()
}

impl Job {
    /// The program and arguments as they are run. The agent works in a directory of its own, so what the operator wrote
    /// relative to the configuration file is made absolute: a program with a slash in it, and every argument that is a
    /// relative path of a file that exists there (`agent.py` in `["python", "agent.py"]`). A program without a slash is
    /// looked up in `PATH`. Nothing else is touched.
    ///
    /// # Errors
    /// No program.
    pub fn resolved(&self) -> Result<Vec<String>, WorkError> {
        let base = std::path::absolute(&self.config_dir).map_err(|error| WorkError::Job(error.to_string()))?;
        let beside = |path: &str| {
            let path = base.join(path);
            path.to_str().map(str::to_owned).ok_or_else(|| WorkError::Job("the path is not UTF-8".to_owned()))
        };
        let Some((program, arguments)) = self.command.split_first() else {
            return Err(WorkError::Job("the command is empty".to_owned()));
        };
        // Named by its path even so: a program that the system has to look for is started by copying this whole process
        // first (measured: 31 ms a run at 150 MB, 0.1 ms by path).
        let program =
            if program.contains('/') { beside(program)? } else { on_path(program).unwrap_or_else(|| program.clone()) };
        let mut resolved = vec![program];
        for argument in arguments {
            // Joining an absolute path would return it, so that is left alone too.
            let is_file = !argument.is_empty() && base.join(argument).is_file();
            resolved.push(if is_file { beside(argument)? } else { argument.clone() });
        }
        Ok(resolved)
    }

    /// Why the program of a command cannot be started, in words for whoever wrote it; nothing if it is there. Reads the
    /// command as [`Job::resolved`] does.
    pub fn unrunnable(command: &[String], config_dir: &Path) -> Option<String> {
        let program = command.first()?;
        let beside = config_dir.join(program);
        if program.contains('/') {
            return match fs::metadata(&beside) {
                Err(error) => Some(format!("the program {} cannot be started: {error}", beside.display())),
                Ok(found) if !found.is_file() => Some(format!("the program {} is not a file", beside.display())),
                Ok(found) if !is_executable(&found) => {
                    Some(format!("the program {0} is not executable; `chmod +x {0}`", beside.display()))
                }
                Ok(_) => None,
            };
        }
        if on_path(program).is_some() {
            return None;
        }
        let instead = if beside.is_file() { "write \"./" } else { "install it, or write its path, like \"/opt/bin/" };
        Some(format!("the program {program:?} is not on PATH; {instead}{program}\""))
    }

    /// Refuses what would not be a file in the agent's directory, or more than it may be.
    pub(super) fn check(&self) -> Result<(), WorkError> {
        if self.inputs.len() > MAX_INPUTS {
            return Err(WorkError::Job(format!("{} inputs, at most {MAX_INPUTS} are allowed", self.inputs.len())));
        }
        if self.result_cap > MAX_RESULT {
            return Err(WorkError::Job(format!("a result has at most {MAX_RESULT} bytes")));
        }
        // It becomes part of a directory's name.
        if self.hire.is_empty() || !self.hire.chars().all(|c| c.is_ascii_hexdigit()) {
            return Err(WorkError::Job("the hire is not named in hexadecimal digits".to_owned()));
        }
        let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
        match self.inputs.keys().find(|name| {
            name.is_empty() || name.len() > MAX_INPUT_NAME || name.starts_with('.') || !name.chars().all(sound)
        }) {
            Some(bad) => Err(WorkError::Job(format!(
                "an input is named {:?}; a name has 1 to {MAX_INPUT_NAME} letters, digits, '_', '-' or '.', not first",
                super::quote::head(bad.as_bytes(), MAX_INPUT_NAME)
            ))),
            None => Ok(()),
        }
    }

    /// What the agent reads on its standard input; `sizes` are those of its input files.
    pub(super) fn request(&self, sizes: &BTreeMap<String, u64>) -> Value {
        let inputs: serde_json::Map<_, _> = (self.inputs.iter())
            .map(|(name, input)| {
                let path = Path::new("inputs").join(name);
                let mut entry = serde_json::json!({ "path": path, "size": sizes.get(name) });
                if let Some(media) = &input.media {
                    entry["media"] = media.as_str().into();
                }
                (name.clone(), entry)
            })
            .collect();
        let mut request = serde_json::json!({
            "hire": self.hire, "skill": self.skill, "attempt": self.attempt, "inputs": inputs,
        });
        if !self.params.is_null() {
            request["params"] = self.params.clone();
        }
        if let Some((index, title)) = &self.part {
            request["part"] = serde_json::json!({ "index": index, "title": title });
        }
        if let Some(feedback) = &self.feedback {
            request["feedback"] = feedback.clone();
        }
        request
    }
}
