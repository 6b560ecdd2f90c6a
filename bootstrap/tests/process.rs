//! The real binary: what it prints, how it stops, what it refuses.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Duration;

const LOCALHOST: &str = "/ip4/127.0.0.1/tcp/0";
const DEADLINE: Duration = Duration::from_secs(30);

fn command(dir: &Path, listen: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gigmesh-bootstrap"));
    command.args(["--listen", listen, "--data-dir"]).arg(dir).env_clear();
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Ends its process whatever becomes of the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts a node and returns the first address it prints.
fn start(dir: &Path) -> (Running, String) {
    let mut running = Running(command(dir, LOCALHOST).spawn().expect("the binary starts"));
    let stdout = running.0.stdout.take().expect("stdout is piped");
    let (sender, line) = sync_channel(1);
    thread::spawn(move || sender.send(BufReader::new(stdout).lines().next()));
    let line = line.recv_timeout(DEADLINE).expect("a line in time").expect("a line").expect("text");
    let address = line.strip_prefix("listening on ").expect("the promised words").to_owned();
    (running, address)
}

fn signal(running: &Running, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_child(&running.0);
    rustix::process::kill_process(pid, signal).expect("our own child takes signals");
}

fn refused(command: &mut Command) -> String {
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(output.stdout.is_empty());
    let message = String::from_utf8(output.stderr).expect("text");
    assert_eq!(message.trim_end().lines().count(), 1, "{message}");
    message
}

#[test]
fn it_keeps_its_name_and_stops_cleanly_on_both_signals() {
    let dir = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for stop in [rustix::process::Signal::INT, rustix::process::Signal::TERM] {
        let (mut running, address) = start(dir.path());
        names.push(address.split_once("/p2p/").unwrap().1.to_owned());
        signal(&running, stop);
        assert_eq!(running.0.wait().unwrap().code(), Some(0));
        let mut logs = String::new();
        running.0.stderr.take().unwrap().read_to_string(&mut logs).unwrap();
        assert!(logs.contains("shutting down"), "{logs}");
    }
    assert_eq!(names[0], names[1]);
}

#[test]
fn a_data_directory_in_use_is_refused_with_the_process_that_holds_it() {
    let dir = tempfile::tempdir().unwrap();
    let (running, _) = start(dir.path());
    let message = refused(&mut command(dir.path(), LOCALHOST));
    assert!(message.contains(&format!("in use by process {}", running.0.id())), "{message}");
}

#[test]
fn what_is_wrong_is_said_once_and_nothing_is_written() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("data");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = format!("/ip4/127.0.0.1/tcp/{}", listener.local_addr().unwrap().port());
    for (listen, word) in [(taken.as_str(), "in use"), ("nonsense", "multiaddress")] {
        assert!(refused(&mut command(&dir, listen)).contains(word));
    }
    assert!(refused(command(&dir, LOCALHOST).args(["--network", "a/b"])).contains("network name"));
    assert!(refused(command(&dir, LOCALHOST).args(["--bootstrap", "/ip4/127.0.0.1/tcp/1"])).contains("/p2p/"));
    assert!(!dir.exists());
}

#[test]
fn a_damaged_key_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    drop(start(dir.path()));
    let key = dir.path().join("identity.key");
    let whole = fs::read_to_string(&key).unwrap();
    fs::write(&key, &whole[..10]).unwrap();
    assert!(refused(&mut command(dir.path(), LOCALHOST)).contains("not a key"));
    assert_eq!(fs::read_to_string(&key).unwrap(), whole[..10]);
}
