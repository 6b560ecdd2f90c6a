//! One process of the binary: what it prints goes to files, it takes signals, and it ends with its owner.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

pub use rustix::process::Signal;
use rustix::process::{Pid, kill_process};
use serde_json::Value;

use crate::{Host, SOON, binary, wait_until};

/// Lines of each process that a failed test shows.
const TAIL: usize = 40;

/// A running process. Dropping it kills it; in a test that fails it then shows how its output ended.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Process {
    /// Starts the binary with these arguments in `dir`. Its output goes to files there, named after `name` and a number.
    ///
    /// # Panics
    /// If it cannot be started.
    pub fn start<S: AsRef<str>>(dir: &Path, name: &str, args: &[S]) -> Self {
        Self::start_on(None, &[], dir, name, args)
    }

    /// The same on a host of a LAN, and under the program with arguments that `under` names, which becomes it.
    pub(crate) fn start_on<S: AsRef<str>>(
        host: Option<&Host>,
        under: &[String],
        dir: &Path,
        name: &str,
        args: &[S],
    ) -> Self {
        static STARTS: AtomicU64 = AtomicU64::new(1);
        let number = STARTS.fetch_add(1, Ordering::Relaxed);
        let file = |kind| dir.join(format!("{name}.{number}.{kind}"));
        let create = |path: &PathBuf| File::create(path).expect("the test's own directory can be written to");
        let (stdout, stderr) = (file("stdout"), file("stderr"));
        let program = binary().to_str().expect("cargo's target directory has a name in UTF-8");
        let mut words = under.iter().map(String::as_str).chain([program]);
        let first = words.next().unwrap_or(program);
        let mut command = host.map_or_else(|| Command::new(first), |host| host.command(first));
        let child = command
            .args(words)
            .args(args.iter().map(AsRef::as_ref))
            .current_dir(dir)
            // Whatever the caller's environment says to gigmesh, or of a home to write to, is not meant here.
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([("HOME", dir), ("TMPDIR", dir)])
            .stdin(Stdio::null())
            .stdout(create(&stdout))
            .stderr(create(&stderr))
            .spawn()
            .unwrap_or_else(|error| panic!("{} does not start: {error}", binary().display()));
        Self { name: name.to_owned(), child, stdout, stderr }
    }

    /// Its id.
    pub fn id(&self) -> i32 {
        self.pid().as_raw_nonzero().get()
    }

    fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// What it printed so far.
    pub fn stdout(&self) -> String {
        read(&self.stdout)
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        read(&self.stderr)
    }

    /// Waits for its first complete line.
    ///
    /// # Panics
    /// If it ends before, or prints none in time.
    pub fn first_line(&mut self) -> String {
        wait_until(&format!("the first line of {}", self.name), SOON, || {
            let text = read(&self.stdout);
            if let Some((line, _)) = text.split_once('\n') {
                return Some(line.to_owned());
            }
            let ended = self.child.try_wait().expect("one's own child can be waited for");
            assert!(ended.is_none(), "{} ended before it was ready: {}", self.name, read(&self.stderr));
            None
        })
    }

    /// Sends a signal.
    ///
    /// # Panics
    /// If the process has ended.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap_or_else(|error| panic!("{} takes no signal: {error}", self.name));
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// If it does not in time.
    pub fn ended(&mut self, deadline: Duration) -> ExitStatus {
        wait_until(&format!("the end of {}", self.name), deadline, || {
            self.child.try_wait().expect("one's own child can be waited for")
        })
    }

    /// Kills it as a power cut would, and waits until it is gone.
    pub fn kill9(&mut self) {
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill9();
        if thread::panicking() {
            for path in [&self.stdout, &self.stderr] {
                let text = read(path);
                let lines: Vec<&str> = text.lines().collect();
                eprintln!("---- {}", path.display());
                for line in &lines[lines.len().saturating_sub(TAIL)..] {
                    eprintln!("{line}");
                }
            }
        }
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}

/// How a command ended, and what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// For whoever asked.
    pub stdout: String,
    /// For people.
    pub stderr: String,
}

impl Output {
    /// The one JSON document on standard output.
    ///
    /// # Panics
    /// If there is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("no JSON ({error}): {self:?}"))
    }
}

/// Runs a command of the binary to its end.
///
/// # Panics
/// If it does not end in time.
pub fn run<S: AsRef<str>>(dir: &Path, args: &[S]) -> Output {
    let name = args.first().map_or("gigmesh", AsRef::as_ref);
    let mut process = Process::start(dir, name, args);
    let code = process.ended(2 * SOON).code();
    let output = Output { code, stdout: process.stdout(), stderr: process.log() };
    // Polled commands would fill the directory.
    for path in [&process.stdout, &process.stderr] {
        fs::remove_file(path).expect("the test's own directory can be written to");
    }
    output
}
