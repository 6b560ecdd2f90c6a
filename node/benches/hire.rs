//! What a warm direct hire costs beside what it cannot do without. `cargo bench -p gigmesh --bench hire`, on an otherwise
//! quiet machine.
//!
//! A hire: two real nodes on loopback, in one process, each with its own data directory on disk; from the command until
//! the requester's node tells of the worker's begin, which is on its disk then. On the way lie four messages (offer,
//! claim, award, begin), each signed, verified and answered, and five commits. Each hire runs to its end before the next.
//!
//! Beside it, after each hire: two request-response round trips of the same sizes between two peers that have a network
//! and nothing else, and five commits of the very same events to a journal. Sizes and events are read from the journals
//! of a first hire; if what lies on the way ever changes, this stops and says so.
//!
//! Each figure is the median of alternating batches with its spread, a batch counting as the median of its rounds; the
//! ratio is taken batch by batch. `HIRE_BENCH_ROUNDS` sets the rounds of a batch (default 20).

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gigmesh::node::{self, CommandSpec, NodeConfig, NodeHandle};
use gigmesh::store::journal::Journal;
use gigmesh::store::traits::Log;
use gigmesh_net::{Config as NetConfig, Event as NetEvent, Net, Role};
use gigmesh_protocol::codec::List;
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::market::constraint::Properties;
use gigmesh_protocol::market::{Skill, SkillEntry};
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::peer::io::{Command, Config as PeerConfig, From, Notice, Serving};
use gigmesh_protocol::peer::query::GetStatus;
use gigmesh_protocol::record::{Network, Record};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::wire::{Item, Request};
use tokio::sync::broadcast::Receiver;
use tokio::time::{sleep, timeout};

const BATCHES: usize = 9;
const NETWORK: &str = "bench";
const LISTEN: &str = "/ip4/127.0.0.1/tcp/0";
/// Far beyond what anything here takes: the bench is broken.
const STUCK: Duration = Duration::from_secs(30);

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let rounds = std::env::var("HIRE_BENCH_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
    let first = Market::open(dir.path()).await?;
    first.hire().await?;
    first.close().await;
    let way = Way::read(dir.path())?;

    let market = Market::open(dir.path()).await?;
    let mut bare = Bare::new(&way, &dir.path().join("bare")).await?;
    let mut batches = Vec::new();
    // One to warm up.
    for _ in 0..=BATCHES {
        let mut batch = [Vec::new(), Vec::new(), Vec::new()];
        for _ in 0..rounds {
            batch[0].push(market.hire().await?);
            batch[1].push(bare.trips(&way).await?);
            batch[2].push(bare.commits(&way)?);
        }
        batches.push(batch.map(|mut times| {
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64() * 1e6
        }));
    }
    let batches = &batches[1..];
    market.close().await;

    let [offer, claim, award, begin] = way.messages;
    println!("a direct hire from command to begin, warm, {BATCHES} batches of {rounds}");
    println!("  hire               {} us", spread(batches.iter().map(|[hire, ..]| *hire)));
    println!(
        "  two round trips    {} us ({offer} + {claim} B, {award} + {begin} B)",
        spread(batches.iter().map(|[_, trips, _]| *trips))
    );
    let bytes: usize = way.commits.iter().flatten().map(Vec::len).sum();
    println!(
        "  {} journal commits  {} us ({bytes} B)",
        way.commits.len(),
        spread(batches.iter().map(|[.., commits]| *commits))
    );
    println!("  hire / their sum   {}", spread(batches.iter().map(|[hire, trips, commits]| hire / (trips + commits))));
    Ok(())
}

fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    format!("{:8.2} ({:.2}..{:.2})", values[values.len() / 2], values[0], values[values.len() - 1])
}

/// A worker and a requester that is connected to it.
struct Market {
    worker: NodeHandle,
    requester: NodeHandle,
}

impl Market {
    async fn open(dir: &Path) -> Outcome<Self> {
        let skill: Skill = "text/count".parse()?;
        let entry = SkillEntry {
            path: skill.clone(),
            input: None,
            price: "0.02 USD per task".parse()?,
            constraint: None,
            expect: Millis::secs(1),
            output: None,
            properties: Properties::default(),
        };
        let node = |name: &str, peer| NodeConfig {
            data_dir: dir.join(name),
            network: NETWORK.to_owned(),
            listen: vec![LISTEN.to_owned()],
            bootstrap: vec![],
            mdns: false,
            relay: false,
            peer,
            executors: BTreeMap::new(),
            blob_quota: 64 << 20,
        };
        let serving = PeerConfig {
            name: "counter".to_owned(),
            version: "1".to_owned(),
            from: From::Anyone,
            parallel: 1,
            skills: vec![Serving { entry, restartable: true }],
            ..PeerConfig::default()
        };
        let command = ["echo", "{}"].map(str::to_owned).into();
        let executor = CommandSpec { command, dir: dir.to_owned(), timeout: STUCK };
        let executors = BTreeMap::from([(skill, executor)]);
        let worker = node::start(NodeConfig { executors, ..node("worker", serving) }).await?;
        let shopping = NodeConfig { bootstrap: worker.listen_addrs(), ..node("requester", PeerConfig::default()) };
        let requester = node::start(shopping).await?;
        Ok(Self { worker, requester })
    }

    /// Hires the worker and lets it finish. How long it took until the begin.
    async fn hire(&self) -> Outcome<Duration> {
        let task = Task::new("text/count".parse()?, "Count the words", Checks::default());
        let command = Command::Hire { task: Box::new(task), to: Some(self.worker.agent()), token: None };
        let mut heard = self.requester.notices();
        let start = Instant::now();
        self.requester.command(command).await?;
        wait_for(&mut heard, |notice| matches!(notice, Notice::Said { kind, .. } if kind == "begin/1")).await?;
        let took = start.elapsed();

        // The worker's rating is the last that is said; then it is still to be acknowledged.
        let worker = self.worker.agent();
        wait_for(&mut heard, |notice| matches!(notice, Notice::Rated { by, .. } if *by == worker)).await?;
        let at_rest = async {
            for node in [&self.requester, &self.worker] {
                while node.query(GetStatus).await.map(|status| status.outbox + status.hires_open)? > 0 {
                    sleep(Duration::from_millis(1)).await;
                }
            }
            Ok(took)
        };
        timeout(STUCK, at_rest).await?
    }

    async fn close(self) {
        for node in [self.requester, self.worker] {
            node.shutdown();
            node.stopped().await;
        }
    }
}

async fn wait_for(heard: &mut Receiver<Notice>, wanted: impl Fn(&Notice) -> bool) -> Outcome<()> {
    let found = async {
        while !wanted(&heard.recv().await?) {}
        Ok(())
    };
    timeout(STUCK, found).await?
}

/// What lies between the command and the begin.
struct Way {
    /// Bytes of offer, claim, award and begin, as they are sent.
    messages: [usize; 4],
    /// Events by commit.
    commits: Vec<Vec<Vec<u8>>>,
}

impl Way {
    /// Reads it from the journals of two nodes that have had one hire.
    fn read(dir: &Path) -> Outcome<Self> {
        let [requester, worker] = [replay(&dir.join("requester/journal"))?, replay(&dir.join("worker/journal"))?];
        let events = |from: &[(Vec<u8>, Event<Record>)]| from.iter().map(|(bytes, _)| bytes.clone()).collect();
        match (&requester[..], &worker[..]) {
            (
                [
                    (_, Event::Posted { offer, .. }),
                    (_, Event::Awarded { award, claim, .. }),
                    (_, Event::Said { record: begin, .. }),
                    // Said in the same breath: the brief, and that no more claims are taken.
                    (_, Event::Said { record: brief, .. }),
                    (_, Event::Unposted { .. }),
                    ..,
                ],
                [(_, Event::Claimed { .. }), (_, Event::Awarded { .. }), (_, Event::Said { record: same, .. }), ..],
            ) if begin.kind() == "begin/1" && brief.kind() == "brief/1" && same == begin => Ok(Self {
                messages: [offer, claim, award, begin]
                    .map(|record| Request::Parcel(List::fit([Item::of(record)])).encode().len()),
                commits: vec![
                    events(&requester[..1]),
                    events(&worker[..1]),
                    events(&requester[1..2]),
                    events(&worker[1..3]),
                    events(&requester[2..5]),
                ],
            }),
            _ => Err("a hire takes another way than this bench was written for; look at what is beside it".into()),
        }
    }
}

fn replay(journal: &Path) -> Outcome<Vec<(Vec<u8>, Event<Record>)>> {
    let (network, mut events) = (Network::new(NETWORK), Vec::new());
    Journal::open(journal, |_, bytes| {
        events.push((bytes.to_vec(), Logged::decode(bytes, &network)?.event));
        Ok(())
    })?;
    Ok(events)
}

/// Two peers with a network and nothing else, and a journal with nobody behind it.
struct Bare {
    client: Net,
    server: Net,
    journal: Journal,
}

impl Bare {
    async fn new(way: &Way, journal: &Path) -> Outcome<Self> {
        let config = |seed, listen: &[&str]| NetConfig {
            listen: listen.iter().map(|&address| address.to_owned()).collect(),
            ..NetConfig::new(Role::Node, NETWORK, [seed; 32], Arc::new(|_, _| None))
        };
        let (server, mut events) = Net::start(config(1, &[LISTEN])).await?;
        let [_, claim, _, begin] = way.messages;
        let answering = server.clone();
        tokio::spawn(async move {
            let mut sizes = [claim, begin].into_iter().cycle();
            while let Some(event) = events.recv().await {
                if let (NetEvent::Request { token, .. }, Some(size)) = (event, sizes.next()) {
                    // Whoever asked sees that there is no answer.
                    let _ = answering.respond(token, vec![7; size]);
                }
            }
        });
        let (client, mut events) = Net::start(config(2, &[])).await?;
        tokio::spawn(async move { while events.recv().await.is_some() {} });
        let (journal, _) = Journal::open(journal, |_, _| Ok(()))?;
        Ok(Self { client, server, journal })
    }

    async fn trips(&self, way: &Way) -> Outcome<Duration> {
        let [offer, _, award, _] = way.messages;
        let (to, hints) = (self.server.agent(), self.server.listen_addrs());
        let start = Instant::now();
        for size in [offer, award] {
            self.client.request(to, hints.clone(), vec![7; size]).await?;
        }
        Ok(start.elapsed())
    }

    fn commits(&mut self, way: &Way) -> Outcome<Duration> {
        let start = Instant::now();
        for events in &way.commits {
            for event in events {
                self.journal.append(event)?;
            }
            self.journal.commit()?;
        }
        Ok(start.elapsed())
    }
}
