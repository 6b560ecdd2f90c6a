//! Two hosts, each in a home of its own behind a NAT that masquerades, and a door on the internet between them.
//!
//! ```text
//!  left            router          the internet           router           right
//!  192.168.1.2 --- NAT 198.51.100.2 --- door 203.0.113.1 --- NAT 198.51.100.130 --- 192.168.1.2
//! ```
//!
//! In: what becomes of the lines. Out: hosts to run processes on. The NATs are the kernel's, as those in most homes are; what
//! nobody inside has asked for is dropped. `nft` of nftables is needed besides what a LAN needs.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::lan::{Holder, Host};
use crate::require::{missing, tool};

/// See the module. All of it is gone as a LAN is.
#[derive(Debug)]
pub struct Nats {
    /// One host.
    pub left: Host,
    /// The other.
    pub right: Host,
    /// The one that both can dial.
    pub door: Host,
    /// The NAT of the left, and of the right.
    routers: [Host; 2],
    _holders: [Holder; 5],
}

/// What a NAT does with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// It keeps them where it can, so that who knows one from one connection knows it for another.
    Kept,
    /// It draws a new one for each connection.
    Drawn,
}

/// Which home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The left one.
    Left,
    /// The right one.
    Right,
}

/// The door's address.
const DOOR: &str = "203.0.113.1";

impl Nats {
    /// Makes them, or does what [`crate::Lan::create`] does where that is not possible; the name of the tool is `nft`.
    pub fn create(ports: Ports) -> Option<Self> {
        if !tool("nft") {
            return None;
        }
        Self::try_create(ports).map_err(|reason| missing("namespaces", &format!("no NAT can be made: {reason}"))).ok()
    }

    fn try_create(ports: Ports) -> Result<Self, String> {
        let outer = Holder::start(Command::new("unshare").args(["--user", "--map-root-user", "--net", "cat"]))?;
        let door = Host { ip: DOOR.to_owned(), holder: outer.0.id() };
        door.ip("link set lo up")?;
        door.ip(&format!("addr add {DOOR}/32 dev lo"))?;
        door.forward()?;
        let space = |ip: &str| {
            let holder = Holder::start(door.command("unshare").args(["--net", "cat"]))?;
            let host = Host { ip: ip.to_owned(), holder: holder.0.id() };
            host.ip("link set lo up")?;
            Ok::<_, String>((host, holder))
        };
        let home = |name: &str, side: Side| {
            let ((router, first), (host, second)) = (space(&line(side, 2))?, space("192.168.1.2")?);
            door.ip(&format!("link add {name} type veth peer name wan netns {}", router.holder))?;
            door.ip(&format!("addr add {}/25 dev {name}", line(side, 1)))?;
            door.ip(&format!("link set {name} up"))?;
            router.ip(&format!("link add lan type veth peer name cable netns {}", host.holder))?;
            router.ip("addr add 192.168.1.1/24 dev lan")?;
            router.ip("link set lan up")?;
            router.ip(&format!("addr add {}/25 dev wan", router.ip))?;
            router.ip("link set wan up")?;
            router.ip(&format!("route add default via {}", line(side, 1)))?;
            router.forward()?;
            let drawn = if ports == Ports::Drawn { " random,fully-random" } else { "" };
            router.nft(&[
                "add table ip gate",
                "add chain ip gate leaving { type nat hook postrouting priority 100; }",
                &format!("add rule ip gate leaving oifname wan masquerade{drawn}"),
                "add chain ip gate coming { type filter hook input priority 0; }",
                "add rule ip gate coming iifname wan ct state new drop",
                "add chain ip gate passing { type filter hook forward priority 0; }",
                "add rule ip gate passing iifname wan ct state new drop",
            ])?;
            host.ip(&format!("addr add {}/24 dev cable", host.ip))?;
            host.ip("link set cable up")?;
            host.ip("route add default via 192.168.1.1")?;
            Ok::<_, String>((host, router, first, second))
        };
        let (left, left_router, a, b) = home("left", Side::Left)?;
        let (right, right_router, c, d) = home("right", Side::Right)?;
        Ok(Self { left, right, door, routers: [left_router, right_router], _holders: [outer, a, b, c, d] })
    }

    fn router(&self, side: Side) -> &Host {
        &self.routers[usize::from(side == Side::Right)]
    }

    /// The NAT gets another public address; whatever went through the old one is broken without a word.
    pub fn rebind(&self, side: Side) {
        let router = self.router(side);
        for words in [
            format!("addr del {}/25 dev wan", router.ip),
            format!("addr add {}/25 dev wan", line(side, 3)),
            format!("route add default via {}", line(side, 1)),
        ] {
            router.ip(&words).expect("a router's address can be changed");
        }
    }

    /// Of the packets that go through this NAT, either way, so many in a hundred are lost.
    pub fn lose(&self, side: Side, percent: u8) {
        self.drop(side, &format!("numgen random mod 100 < {percent} drop"));
    }

    /// Nothing goes through this NAT any more, until [`Nats::mend`].
    pub fn cut(&self, side: Side) {
        self.drop(side, "drop");
    }

    fn drop(&self, side: Side, what: &str) {
        let rules = [
            "add table ip bad",
            "add chain ip bad passing { type filter hook forward priority -10; }",
            &format!("add rule ip bad passing {what}"),
        ];
        self.router(side).nft(&rules).expect("a rule can be made where others were");
    }

    /// All that was lost or cut goes through again.
    pub fn mend(&self, side: Side) {
        self.router(side).nft(&["delete table ip bad"]).expect("a rule that was made can be deleted");
    }
}

/// The end of a home's line: 1 is the internet's, the others are the router's.
fn line(side: Side, end: u8) -> String {
    let net = if side == Side::Left { 0 } else { 128 };
    format!("198.51.100.{}", net + end)
}

impl Host {
    /// Lets it pass on what is for others.
    fn forward(&self) -> Result<(), String> {
        let mut shell = self.command("sh");
        shell.args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]).stderr(Stdio::null());
        let status = shell.status().map_err(|error| format!("nsenter: {error}"))?;
        status.success().then_some(()).ok_or_else(|| "no host forwards packets here".to_owned())
    }

    /// Gives rules to its kernel.
    fn nft(&self, rules: &[&str]) -> Result<(), String> {
        let rules = rules.join("\n") + "\n";
        let mut nft = self.command("nft");
        nft.args(["-f", "-"]).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = nft.spawn().map_err(|error| format!("nsenter: {error}"))?;
        let written = child.stdin.take().map(|mut stdin| stdin.write_all(rules.as_bytes()));
        let output = child.wait_with_output().map_err(|error| format!("nft: {error}"))?;
        let ok = output.status.success() && matches!(written, Some(Ok(())));
        ok.then_some(()).ok_or_else(|| format!("nft: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}
