//! The processes: this very binary, started as an operator would start it. Each has its log in a file.
//!
//! What must never happen: one that outlives the demo. Whoever leaves early drops this, which kills them; whoever has the
//! time calls [`Processes::stop`], which lets them end well and reaps them; and if the demo itself is killed, the system
//! tells each of them to end, as they have asked it to ([`end_with_parent`]).

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use gigmesh_protocol::id::AgentId;
use rustix::process::{Pid, Signal, getpid, getppid, kill_process, set_parent_process_death_signal};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Take};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout, timeout_at};

use super::{cast, limits};
use crate::cli::failure::{Exit, Failure};

/// In the environment of a process that is to end when its parent does, however that ends: the parent's id. Not a variable
/// for users.
const ENDS_WITH: &str = "GIGMESH_ENDS_WITH";

/// Has the system end this process when its parent ends, if the parent wants that. To be called before there are threads.
pub(in crate::cli) fn end_with_parent() {
    let Some(parent) = std::env::var(ENDS_WITH).ok().and_then(|id| Pid::from_raw(id.parse().ok()?)) else { return };
    // Linux tells when the thread ends that started this process: the demo's first, which is there to the end. Where it
    // cannot be asked for, the demo's own ways out still end everything.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    // It may have ended before it could be asked about.
    if getppid() != Some(parent) {
        std::process::exit(1);
    }
}

/// The door into the network.
pub(super) const BOOTSTRAP: &str = "bootstrap";

/// All that were started, in this order.
#[derive(Debug)]
pub(super) struct Processes {
    binary: String,
    all: Vec<Process>,
}

#[derive(Debug)]
struct Process {
    name: &'static str,
    child: Child,
    /// Where it says that it is ready. Held to the end: a closed pipe would be an error to the writer.
    out: BufReader<Take<ChildStdout>>,
    /// Whether it has said so.
    ready: bool,
    log: PathBuf,
}

/// The end of a process's log.
#[derive(Debug)]
pub(super) struct Log {
    pub name: &'static str,
    pub path: PathBuf,
    pub lines: Vec<String>,
}

impl Processes {
    /// Of this binary.
    pub fn new() -> Result<Self, Failure> {
        let binary = std::env::current_exe()
            .map_err(|error| Failure::new(Exit::Ours, format!("cannot find this program's own file: {error}")))?;
        let unfit =
            |path: PathBuf| Failure::new(Exit::User, format!("{} is not UTF-8; move the program", path.display()));
        let binary = binary.into_os_string().into_string().map_err(|path| unfit(path.into()))?;
        Ok(Self { binary, all: Vec::new() })
    }

    pub fn binary(&self) -> &str {
        &self.binary
    }

    /// The process of this name, for people.
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.all.iter().find(|process| process.name == name)?.child.id()
    }

    /// Starts the bootstrap node.
    pub fn bootstrap(&mut self, home: &Path) -> Result<(), Failure> {
        let data = home.join(cast::DATA);
        let mut command = Command::new(&self.binary);
        command.args(["bootstrap", "--network", cast::NETWORK, "--data-dir"]).arg(data);
        for address in cast::LISTEN {
            command.args(["--listen", address]);
        }
        self.start(BOOTSTRAP, home, command)
    }

    /// Starts a node with this configuration.
    pub fn node(&mut self, name: &'static str, home: &Path, config: &str) -> Result<(), Failure> {
        let file = cast::config(home);
        let unwritten = |error| Failure::new(Exit::Ours, format!("cannot write {}: {error}", file.display()));
        fs::create_dir_all(home).and_then(|()| fs::write(&file, config)).map_err(unwritten)?;
        let mut command = Command::new(&self.binary);
        command.args(["up", "--json", "--config"]).arg(&file);
        self.start(name, home, command)
    }

    fn start(&mut self, name: &'static str, home: &Path, mut command: Command) -> Result<(), Failure> {
        let failed = |error: io::Error| Failure::new(Exit::Ours, format!("cannot start {name}: {error}"));
        let log = home.join("log");
        fs::create_dir_all(home).map_err(failed)?;
        let file = File::create(&log).map_err(failed)?;
        // What the user has set for nodes of their own is not meant for these; how much is logged is.
        let theirs = std::env::vars_os().map(|(key, _)| key);
        for key in
            theirs.filter(|key| key.to_str().is_some_and(|key| key.starts_with("GIGMESH_") && key != "GIGMESH_LOG"))
        {
            command.env_remove(key);
        }
        command.env(ENDS_WITH, getpid().as_raw_nonzero().to_string());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(file).kill_on_drop(true);
        // Ctrl-C is for the demo, which stops the processes in its own way; a second signal would cut that short.
        command.process_group(0);
        let mut child = command.spawn().map_err(failed)?;
        let out = child.stdout.take().ok_or_else(|| failed(io::ErrorKind::BrokenPipe.into()))?;
        let out = BufReader::new(out.take(limits::READY_LINE));
        self.all.push(Process { name, child, out, ready: false, log });
        Ok(())
    }

    /// The addresses of the bootstrap node, once it listens: one for each transport.
    pub async fn doors(&mut self) -> Result<Vec<String>, Failure> {
        let mut doors = Vec::new();
        for _ in cast::LISTEN {
            let line = self.line(BOOTSTRAP).await?;
            let address = line.strip_prefix("listening on ").ok_or_else(|| unexpected(BOOTSTRAP, &line))?;
            doors.push(address.to_owned());
        }
        Ok(doors)
    }

    /// Whose node this is, once it is ready.
    pub async fn agent(&mut self, name: &'static str) -> Result<AgentId, Failure> {
        let line = self.line(name).await?;
        let ready: Value = serde_json::from_str(&line).map_err(|_| unexpected(name, &line))?;
        ready["agent"].as_str().and_then(|agent| agent.parse().ok()).ok_or_else(|| unexpected(name, &line))
    }

    async fn line(&mut self, name: &'static str) -> Result<String, Failure> {
        let none = || Failure::new(Exit::Ours, format!("{name} was not started"));
        let process = self.all.iter_mut().find(|process| process.name == name).ok_or_else(none)?;
        let mut line = String::new();
        let read = timeout(limits::READY_WAIT, process.out.read_line(&mut line)).await;
        match read {
            Ok(Ok(bytes)) if bytes > 0 => {
                process.ready = true;
                Ok(line.trim_end().to_owned())
            }
            // Its output is closed, so it has ended or is about to.
            Ok(_) => {
                let status = timeout(limits::STOP_WAIT, process.child.wait()).await;
                Err(process.fell(status.ok().and_then(Result::ok)))
            }
            Err(_) => Err(Failure::new(Exit::Ours, format!("{name} was not ready within {:?}", limits::READY_WAIT))),
        }
    }

    /// Whether all of them still run.
    pub fn check(&mut self) -> Result<(), Failure> {
        for process in &mut self.all {
            if let Ok(Some(status)) = process.child.try_wait() {
                return Err(process.fell(Some(status)));
            }
        }
        Ok(())
    }

    /// Lets all of them end well, nodes before the door they came through; kills whoever takes longer. None is left.
    pub async fn stop(&mut self, patience: Duration) {
        for process in self.all.iter().rev() {
            // Those that ended already have no id any more, so no stranger is hit.
            let pid = process.child.id().and_then(|id| Pid::from_raw(id.try_into().ok()?));
            if let Some(pid) = pid {
                let _ = kill_process(pid, Signal::TERM);
            }
        }
        let deadline = Instant::now() + patience;
        for process in self.all.iter_mut().rev() {
            if timeout_at(deadline, process.child.wait()).await.is_err() {
                let _ = process.child.kill().await;
            }
        }
    }

    /// What each of them logged last, if all of them were ready once: of one that could not even start, the failure says
    /// all there is to know.
    pub fn logs(&self) -> Vec<Log> {
        if !self.all.iter().all(|process| process.ready) {
            return Vec::new();
        }
        let log = |process: &Process| Log {
            name: process.name,
            path: process.log.clone(),
            lines: tail(&process.log).unwrap_or_else(|error| vec![format!("cannot read it: {error}")]),
        };
        self.all.iter().map(log).collect()
    }
}

impl Process {
    /// It ended by itself; its own complaint says why, or else its last words may.
    fn fell(&self, status: Option<ExitStatus>) -> Failure {
        let how = status.map_or_else(|| "closed its output".to_owned(), |status| format!("ended ({status})"));
        let lines = tail(&self.log).unwrap_or_default();
        let complaint = |line: &String| {
            let json: Value = serde_json::from_str(line).unwrap_or_default();
            json["error"].as_str().or_else(|| line.strip_prefix("error: ")).map(str::to_owned)
        };
        let why = lines.iter().rev().find_map(complaint).or_else(|| lines.last().cloned());
        let why = why.map(|why| format!(": {why}")).unwrap_or_default();
        Failure::new(Exit::Ours, format!("{} {how}{why}", self.name))
    }
}

fn unexpected(name: &str, line: &str) -> Failure {
    Failure::new(Exit::Ours, format!("{name} said {line:?} instead of that it is ready"))
}

/// The last lines of a log. Colours and other control characters are left out.
fn tail(log: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(log)?;
    let start = file.metadata()?.len().saturating_sub(limits::LOG_BYTES);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(limits::LOG_BYTES).read_to_end(&mut bytes)?;
    let text = String::from_utf8_lossy(&bytes);
    // The first line of a part of a file is itself a part.
    let lines: Vec<&str> = text.lines().skip(usize::from(start > 0)).collect();
    let last = &lines[lines.len().saturating_sub(limits::LOG_LINES)..];
    Ok(last.iter().map(|line| line.chars().filter(|c| !c.is_control()).collect()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_log_the_last_whole_lines_are_shown() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("log");
        let lines: Vec<String> = (0..5_000).map(|n| format!("line\u{1b}\u{7} {n}")).collect();
        fs::write(&log, lines.join("\n")).unwrap();
        let shown = tail(&log).unwrap();
        assert_eq!(shown.len(), limits::LOG_LINES);
        assert_eq!(shown.last().unwrap(), "line 4999");
        fs::write(&log, "x".repeat(100_000)).unwrap();
        assert_eq!(tail(&log).unwrap(), Vec::<String>::new(), "half a line is none");
        assert!(tail(&dir.path().join("none")).is_err());
    }

    #[tokio::test]
    async fn a_process_that_falls_at_the_start_is_named_with_its_own_complaint() {
        let dir = tempfile::tempdir().unwrap();
        let mut processes = Processes { binary: "/bin/sh".to_owned(), all: Vec::new() };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "echo 'error: no loopback here' >&2; exit 2"]);
        processes.start("quill", dir.path(), command).unwrap();
        let failure = processes.agent("quill").await.unwrap_err().text(false);
        assert_eq!(failure, "error: quill ended (exit status: 2): no loopback here");
    }

    #[tokio::test]
    async fn a_process_that_does_not_want_to_end_is_killed_and_reaped() {
        let dir = tempfile::tempdir().unwrap();
        let mut processes = Processes { binary: "/bin/sh".to_owned(), all: Vec::new() };
        let mut command = Command::new("/bin/sh");
        command.args(["-c", r#"trap '' TERM; echo '{"agent":1}'; exec sleep 60"#]);
        processes.start("quill", dir.path(), command).unwrap();
        assert!(processes.agent("quill").await.unwrap_err().text(false).contains("agent"));
        processes.check().unwrap();
        processes.stop(Duration::from_millis(10)).await;
        assert!(processes.check().is_err());
    }
}
