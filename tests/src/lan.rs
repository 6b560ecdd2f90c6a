//! Hosts that are network namespaces: a LAN of two, joined by a cable that multicast passes; or two that reach a third and
//! not each other. Nobody else is there.
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

/// Two hosts that reach a third and not each other, as those behind two NATs do. They are gone as those of a LAN are.
#[derive(Debug)]
pub struct Apart {
    /// One of them; it has a private address only.
    pub left: Host,
    /// The other, likewise.
    pub right: Host,
    /// The one both reach, at a public address.
    pub door: Host,
    _holders: [Holder; 3],
}

impl Apart {
    /// Makes them, or what [`Lan::create`] does where that is not possible.
    pub fn create() -> Option<Self> {
        Self::try_create().map_err(|reason| missing("namespaces", &format!("no namespaces can be made: {reason}"))).ok()
    }

    fn try_create() -> Result<Self, String> {
        let outer = Holder::start(Command::new("unshare").args(["--user", "--map-root-user", "--net", "cat"]))?;
        let door = Host { ip: "203.0.113.1".to_owned(), holder: outer.0.id() };
        door.ip("link set lo up")?;
        door.ip(&format!("addr add {}/32 dev lo", door.ip))?;
        let behind = |name: &str, net: u8| {
            let holder = Holder::start(door.command("unshare").args(["--net", "cat"]))?;
            let host = Host { ip: format!("192.168.{net}.2"), holder: holder.0.id() };
            door.ip(&format!("link add {name} type veth peer name cable netns {}", host.holder))?;
            door.ip(&format!("addr add 192.168.{net}.1/24 dev {name}"))?;
            door.ip(&format!("link set {name} up"))?;
            host.ip("link set lo up")?;
            host.ip(&format!("addr add {}/24 dev cable", host.ip))?;
            host.ip("link set cable up")?;
            // There is no way to the other one.
            host.ip(&format!("route add {} via 192.168.{net}.1", door.ip))?;
            Ok::<_, String>((host, holder))
        };
        let ((left, first), (right, second)) = (behind("left", 1)?, behind("right", 2)?);
        Ok(Self { left, right, door, _holders: [outer, first, second] })
    }
}

/// Where a process can run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its IPv4 address.
    pub ip: String,
    /// A process that is there.
    pub(crate) holder: u32,
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

    /// Any free TCP port of its address.
    pub fn listen(&self) -> String {
        format!("/ip4/{}/tcp/0", self.ip)
    }

    pub(crate) fn ip(&self, words: &str) -> Result<(), String> {
        let output = self.command("ip").args(words.split(' ')).output();
        let Output { status, stderr, .. } = output.map_err(|error| format!("nsenter: {error}"))?;
        status.success().then_some(()).ok_or_else(|| format!("ip {words}: {}", String::from_utf8_lossy(&stderr).trim()))
    }
}

/// A `cat` that keeps a namespace alive: it ends when nobody holds its input any more.
#[derive(Debug)]
pub(crate) struct Holder(pub(crate) Child);

impl Holder {
    /// Starts it and waits until it is where it should be: it echoes.
    pub(crate) fn start(command: &mut Command) -> Result<Self, String> {
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
