//! Nodes that listen on free ports of loopback, and waiting for conditions under a deadline.

use std::sync::Arc;
use std::time::Duration;

use gigmesh_net::{Config, ContactFilter, Event, Net, Role};
use gigmesh_protocol::id::AgentId;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Generous: reached only by what will never happen.
pub const DEADLINE: Duration = Duration::from_secs(30);

pub const TCP: &str = "/ip4/127.0.0.1/tcp/0";
pub const QUIC: &str = "/ip4/127.0.0.1/udp/0/quic-v1";

/// A contact, for these tests: the agent's id, then an address a line.
pub fn contact(net: &Net) -> Vec<u8> {
    let lines: Vec<String> = [net.agent().to_string()].into_iter().chain(net.listen_addrs()).collect();
    lines.join("\n").into_bytes()
}

pub fn contacts() -> ContactFilter {
    Arc::new(|agent, bytes| {
        let mut lines = std::str::from_utf8(bytes).ok()?.lines().map(str::to_owned);
        (lines.next()? == agent.to_string()).then(|| lines.collect())
    })
}

pub fn config(role: Role, seed: u8) -> Config {
    let mut config = Config::new(role, "test", [seed; 32], contacts());
    config.listen = vec![TCP.to_owned()];
    config.heartbeat = Duration::from_millis(100);
    config
}

/// A running node and its events.
pub struct Node {
    pub net: Net,
    pub events: mpsc::Receiver<Event>,
}

impl Node {
    pub async fn start(config: Config) -> Self {
        let (net, events) = Net::start(config).await.expect("a node starts");
        Self { net, events }
    }

    /// A node that knows these others.
    pub async fn knowing(seed: u8, others: &[&Node]) -> Self {
        let mut config = config(Role::Node, seed);
        config.bootstrap = others.iter().flat_map(|other| other.net.listen_addrs()).collect();
        Self::start(config).await
    }

    pub async fn bootstrap(seed: u8) -> Self {
        Self::start(config(Role::Bootstrap, seed)).await
    }

    pub fn agent(&self) -> AgentId {
        self.net.agent()
    }

    /// The first event that `pick` takes; those before it are dropped.
    pub async fn event<T>(&mut self, what: &str, mut pick: impl FnMut(Event) -> Option<T>) -> T {
        let found = async {
            loop {
                let event = self.events.recv().await.expect("the node stopped");
                if let Some(found) = pick(event) {
                    return found;
                }
            }
        };
        timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("waited in vain: {what}"))
    }

    pub async fn linked(&mut self, to: AgentId) {
        self.event("link up", |event| matches!(event, Event::LinkUp { agent, .. } if agent == to).then_some(())).await;
    }

    /// Answers every request with the asker's id and the request, until aborted.
    pub fn answering(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            while let Some(event) = self.events.recv().await {
                if let Event::Request { token, from, bytes } = event {
                    let _ = self.net.respond(token, [&from.0[..], &bytes].concat());
                }
            }
        })
    }

    /// Waits until this node sees `other` in `room`.
    pub async fn meets(&self, other: &Node, room: &str) {
        wait_until("members of a room meet", async || {
            let peers = self.net.peers().await;
            peers.iter().any(|peer| peer.agent == other.agent() && peer.rooms.iter().any(|name| name == room))
        })
        .await;
    }
}

/// Looks until `condition` holds.
pub async fn wait_until(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !condition().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}
