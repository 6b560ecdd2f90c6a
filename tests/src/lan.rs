//! A LAN of two hosts: network namespaces joined by a cable. Multicast passes it, and nobody else is on it.
//!
//! No privilege is needed where the system lets users make namespaces. The tools are those of every Linux: `unshare` and
//! `nsenter` of util-linux, `ip` of iproute2.

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};

use crate::require::missing;

/// Two hosts. They are gone when this is dropped, or when the test's process ends in whatever way.
#[derive(Debug)]
pub struct Lan {
    /// One of them, `10.77.0.1`.
    pub left: Host,
    /// The other, `10.77.0.2`.
    pub right: Host,
    _holders: [Holder; 2],
}

/// Where a process can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its IPv4 address on the LAN.
    pub ip: String,
    /// A process that is there.
    holder: u32,
}

impl Lan {
    /// Makes one. Where that is not possible the caller returns early and the test is skipped, with a word on stderr;
    /// where `GIGMESH_REQUIRE` names `namespaces`, it fails instead.
    pub fn create() -> Option<Self> {
        Self::try_create().map_err(|reason| missing("namespaces", &format!("no namespaces can be made: {reason}"))).ok()
    }

    fn try_create() -> Result<Self, String> {
        let first = Holder::start(Command::new("unshare").args(["--user", "--map-root-user", "--net", "cat"]))?;
        let left = Host { ip: "10.77.0.1".to_owned(), holder: first.0.id() };
        let second = Holder::start(left.command("unshare").args(["--net", "cat"]))?;
        let right = Host { ip: "10.77.0.2".to_owned(), holder: second.0.id() };
        left.ip(&format!("link add cable0 type veth peer name cable1 netns {}", right.holder))?;
        for (host, cable) in [(&left, "cable0"), (&right, "cable1")] {
            host.ip("link set lo up")?;
            host.ip(&format!("addr add {}/24 dev {cable}", host.ip))?;
            host.ip(&format!("link set {cable} up"))?;
        }
        Ok(Self { left, right, _holders: [first, second] })
    }
}

impl Host {
    /// A command that will run there. It keeps its process id.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let holder = self.holder.to_string();
        command.args(["--preserve-credentials", "--user", "--net", "--target", &holder, "--", program]);
        command
    }

    /// Any free TCP port of its address on the LAN.
    pub fn listen(&self) -> String {
        format!("/ip4/{}/tcp/0", self.ip)
    }

    fn ip(&self, words: &str) -> Result<(), String> {
        let output = self.command("ip").args(words.split(' ')).output();
        let Output { status, stderr, .. } = output.map_err(|error| format!("nsenter: {error}"))?;
        status.success().then_some(()).ok_or_else(|| format!("ip {words}: {}", String::from_utf8_lossy(&stderr).trim()))
    }
}

/// A `cat` that keeps a namespace alive: it ends when nobody holds its input any more.
#[derive(Debug)]
struct Holder(Child);

impl Holder {
    /// Starts it and waits until it is where it should be: it echoes.
    fn start(command: &mut Command) -> Result<Self, String> {
        let spawned = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut holder = Self(spawned.map_err(|error| format!("{:?}: {error}", command.get_program()))?);
        let Child { stdin: Some(stdin), stdout: Some(stdout), stderr: Some(stderr), .. } = &mut holder.0 else {
            return Err("no pipes".to_owned());
        };
        // If it has ended, its answer says so.
        let _ = stdin.write_all(b"\n");
        if stdout.read_exact(&mut [0]).is_err() {
            let mut why = String::new();
            let _ = stderr.read_to_string(&mut why);
            return Err(why.trim().to_owned());
        }
        Ok(holder)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
