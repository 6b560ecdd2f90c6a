//! A whole market in a temporary directory.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU16, Ordering};

use tempfile::TempDir;

use crate::{Agent, Bootstrap, Node, Setup};

/// One door, one requester, some workers. They know the door only.
#[derive(Debug)]
pub struct Market {
    /// The requester.
    pub requester: Node,
    /// The workers.
    pub workers: Vec<Node>,
    /// The door.
    pub bootstrap: Bootstrap,
    /// Dropped last, when nobody writes to it any more.
    dir: TempDir,
}

/// What links go over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// QUIC over UDP.
    Quic,
}

impl Transport {
    /// An address on loopback. Port 0 is any free port.
    pub fn address(self, port: u16) -> String {
        match self {
            Self::Tcp => format!("/ip4/127.0.0.1/tcp/{port}"),
            Self::Quic => format!("/ip4/127.0.0.1/udp/{port}/quic-v1"),
        }
    }
}

impl Market {
    /// Starts a market over TCP; returns when all are ready, which is before they have found each other.
    pub fn create(workers: &[Agent]) -> Self {
        Self::over(Transport::Tcp, workers)
    }

    /// The same over one transport alone.
    pub fn over(transport: Transport, workers: &[Agent]) -> Self {
        let dir = temp_dir();
        // A port of its own, so that the others find the door again after a restart.
        let bootstrap = Bootstrap::start(&home(dir.path(), "bootstrap"), &transport.address(free_port()), &[]);
        let spawn = |name: &str, agent: Option<Agent>| {
            let (doors, listen) = (vec![bootstrap.address.clone()], vec![transport.address(0)]);
            let setup = Setup { agent, doors, listen, ..Setup::default() };
            Node::spawn(&home(dir.path(), name), name, &setup)
        };
        let mut requester = spawn("requester", None);
        let numbered = workers.iter().enumerate();
        let mut workers: Vec<Node> =
            numbered.map(|(n, agent)| spawn(&format!("worker-{n}"), Some(agent.clone()))).collect();
        requester.ready();
        workers.iter_mut().for_each(Node::ready);
        Self { requester, workers, bootstrap, dir }
    }

    /// Starts one more worker.
    pub fn join(&mut self, name: &str, agent: Agent) -> &mut Node {
        self.join_as(name, Setup { agent: Some(agent), ..Setup::default() })
    }

    /// Starts one more node of the test's own making, which knows the door too.
    pub fn join_as(&mut self, name: &str, setup: Setup) -> &mut Node {
        let setup = Setup { doors: vec![self.bootstrap.address.clone()], ..setup };
        self.workers.push(Node::start(&home(self.dir.path(), name), name, &setup));
        self.workers.last_mut().expect("it was just added")
    }

    /// The market's directory.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Writes a file into the market's directory.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).expect("the test's own directory can be written to");
        path
    }
}

/// A directory that goes with the test.
pub fn temp_dir() -> TempDir {
    tempfile::Builder::new().prefix("gigmesh-tests-").tempdir().expect("there is room for temporary files")
}

/// A new directory for one process.
pub fn home(dir: &Path, name: &str) -> PathBuf {
    let home = dir.join(name);
    fs::create_dir(&home).expect("the test's own directory can be written to");
    home
}

/// A port that is free now, over TCP and UDP, and is not given to anybody who asks for any port, so that it stays free while the
/// process that is to have it again is down.
pub fn free_port() -> u16 {
    /// Below the ports that Linux and macOS give out.
    const RANGE: std::ops::Range<u16> = 20_000..32_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let span = u32::from(RANGE.end - RANGE.start);
    // Test programs that run at once begin at different places.
    let start = process::id().wrapping_mul(97);
    let candidates = (0..span).map(|_| start.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed).into()) % span);
    let mut ports = candidates.filter_map(|offset| Some(RANGE.start + u16::try_from(offset).ok()?));
    let free =
        |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok() && UdpSocket::bind(("127.0.0.1", *port)).is_ok();
    ports.find(free).expect("a port between 20000 and 32000 is free")
}
