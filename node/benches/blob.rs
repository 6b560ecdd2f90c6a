//! How fast an input comes beside what the transport can do. `cargo bench -p gigmesh --bench blob`, on an otherwise quiet
//! machine.
//!
//! Ours: two real nodes on loopback, in one process, each with its own data directory on disk; a direct hire with one large
//! input, from the moment that the requester's brief is out until the worker starts its agent. In between each chunk is
//! read from a disk and hashed, sent, hashed again and written to a disk, and all of them are made durable.
//!
//! Beside it, after each hire: one bare libp2p stream over the same transport between two peers that have nothing else, in
//! one process too: as many bytes from memory, read and thrown away. `meanwhile`: what an offer to the same worker takes, over
//! the same link, until the worker's no is here; and the same with nothing else on the link. Then `sha256` and `disk`: the bytes hashed twice, and
//! written and made durable, each alone on one core; so that it can be told what the difference is made of.
//!
//! Medians of alternating pairs with their spread. `BLOB_BENCH_MIB` says how much (default 256).

use std::collections::BTreeMap;
use std::error::Error;
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use gigmesh::node::{self, CommandSpec, NodeConfig, NodeHandle};
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::market::constraint::Properties;
use gigmesh_protocol::market::{Input, Skill, SkillEntry};
use gigmesh_protocol::merkle::{self, CHUNK_BYTES};
use gigmesh_protocol::peer::io::{Answer, Command, Config as PeerConfig, From, Notice, Serving};
use gigmesh_protocol::time::Millis;
use libp2p::request_response::{self, Message, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::broadcast::Receiver;
use tokio::time::{sleep, timeout};

const ROUNDS: usize = 5;
const TRANSPORTS: [(&str, &str); 2] = [("tcp", "/ip4/127.0.0.1/tcp/0"), ("quic", "/ip4/127.0.0.1/udp/0/quic-v1")];
/// Far beyond what anything here takes: the bench is broken.
const STUCK: Duration = Duration::from_secs(600);

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> Outcome<()> {
    let mib = std::env::var("BLOB_BENCH_MIB").ok().and_then(|n| n.parse().ok()).unwrap_or(256);
    println!("an input of {mib} MiB, {ROUNDS} rounds, MiB/s");
    for (name, listen) in TRANSPORTS {
        let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?;
        let market = Market::open(dir.path(), listen).await?;
        let (mut bare, peer) = bare_pair(listen, mib << 20).await?;
        let (mut rounds, mut meanwhile, mut at_rest) = (Vec::new(), Vec::new(), Vec::new());
        // One to warm up.
        for round in 0..=ROUNDS {
            let (ours, busy) = market.hire(dir.path(), mib << 20, round).await?;
            let mut rest = Vec::new();
            for _ in 0..busy.len().max(20) {
                rest.push(market.refused().await?);
            }
            if round > 0 {
                meanwhile.extend(busy);
                at_rest.extend(rest);
            }
            let theirs = bare_stream(&mut bare, &peer).await?;
            let (hashed, written) = alone(&dir.path().join("alone"), mib << 20)?;
            rounds.push([ours, theirs, hashed, written].map(|took| mib as f64 / took.as_secs_f64()));
        }
        let rounds = &rounds[1..];
        let of = |n: usize| spread(rounds.iter().map(|round| round[n]));
        println!("  {name:5} ours {}, bare stream {}, sha256 {}, disk {}", of(0), of(1), of(2), of(3));
        println!("        ours / bare stream {}", spread(rounds.iter().map(|round| round[0] / round[1])));
        println!("        an offer to the same worker meanwhile: {}; at rest: {}", worst(meanwhile), worst(at_rest));
        market.close().await;
    }
    Ok(())
}

fn worst(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    match times.len() {
        0 => "none".to_owned(),
        n => format!("{n}, p50 {:?}, p95 {:?}, most {:?}", times[n / 2], times[n * 95 / 100], times[n - 1]),
    }
}

fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    format!("{:.2} ({:.2}..{:.2})", values[values.len() / 2], values[0], values[values.len() - 1])
}

/// A worker and a requester that is connected to it.
struct Market {
    worker: NodeHandle,
    requester: NodeHandle,
}

impl Market {
    async fn open(dir: &Path, listen: &str) -> Outcome<Self> {
        let skill: Skill = "file/take".parse()?;
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
            network: "bench".to_owned(),
            listen: vec![listen.to_owned()],
            bootstrap: vec![],
            mdns: false,
            relay: false,
            peer,
            executors: BTreeMap::new(),
            blob_quota: 8 << 30,
        };
        let serving = PeerConfig {
            name: "taker".to_owned(),
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

    /// Offers the worker what it does not do. How long its no takes.
    async fn refused(&self) -> Outcome<Duration> {
        let task = Task::new("other/thing".parse()?, "Not this", Checks::default());
        let mut heard = self.requester.notices();
        let begun = Instant::now();
        let command = Command::Hire { task: Box::new(task), to: Some(self.worker.agent()), token: None };
        let Answer::Posted(posted) = self.requester.command(command).await? else { return Err("not posted".into()) };
        wait_for(&mut heard, |notice| matches!(notice, Notice::Unfilled { offer, .. } if *offer == posted)).await?;
        Ok(begun.elapsed())
    }

    /// Hires the worker for an input of so many bytes. How long that was on its way, and what offers took meanwhile.
    async fn hire(&self, dir: &Path, bytes: u64, round: usize) -> Outcome<(Duration, Vec<Duration>)> {
        let path = dir.join("input");
        noise(&path, bytes, round as u64)?;
        let (requester, from) = (self.requester.blobs().clone(), path.clone());
        let blob = tokio::task::spawn_blocking(move || requester.put_file(&from)).await??;
        std::fs::remove_file(path)?;
        let mut task = Task::new("file/take".parse()?, "Take this", Checks::default());
        task.inputs = vec![Input { blob, name: "input".try_into()?, media: "application/octet-stream".try_into()? }];
        let command = Command::Hire { task: Box::new(task), to: Some(self.worker.agent()), token: None };
        let (mut asking, mut working) = (self.requester.notices(), self.worker.notices());
        self.requester.command(command).await?;
        wait_for(&mut asking, |notice| matches!(notice, Notice::Said { kind, .. } if kind == "brief/1")).await?;
        let begun = Instant::now();
        let mut meanwhile = Vec::new();
        let started = wait_for(&mut working, |notice| matches!(notice, Notice::Started { .. }));
        tokio::pin!(started);
        let took = loop {
            tokio::select! {
                biased;
                done = &mut started => {
                    done?;
                    break begun.elapsed();
                }
                refused = async {
                    sleep(Duration::from_millis(20)).await;
                    self.refused().await
                } => meanwhile.push(refused?),
            }
        };
        wait_for(&mut asking, |notice| matches!(notice, Notice::Closed { .. })).await?;
        for node in [&self.worker, &self.requester] {
            let blobs = node.blobs().clone();
            tokio::task::spawn_blocking(move || blobs.gc(&|_| false, Duration::ZERO)).await??;
        }
        Ok((took, meanwhile))
    }

    async fn close(self) {
        for node in [self.requester, self.worker] {
            node.shutdown();
            node.stopped().await;
        }
    }
}

/// Bytes that are not those of another round.
fn noise(path: &Path, bytes: u64, seed: u64) -> Outcome<()> {
    let mut file = File::create(path)?;
    let mut block: Vec<u8> = (0..1_u32 << 20).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for at in 0..bytes >> 20 {
        block[..8].copy_from_slice(&(seed << 32 | at).to_le_bytes());
        file.write_all(&block)?;
    }
    Ok(())
}

async fn wait_for(heard: &mut Receiver<Notice>, wanted: impl Fn(&Notice) -> bool) -> Outcome<()> {
    let found = async {
        while !wanted(&heard.recv().await?) {}
        Ok(())
    };
    timeout(STUCK, found).await?
}

/// What hashing twice, and writing once, take without anything else.
fn alone(path: &Path, bytes: u64) -> Outcome<(Duration, Duration)> {
    let chunk = vec![7; CHUNK_BYTES];
    let chunks = bytes / CHUNK_BYTES as u64;
    let begun = Instant::now();
    for _ in 0..2 * chunks {
        std::hint::black_box(merkle::leaf(std::hint::black_box(&chunk)));
    }
    let hashed = begun.elapsed();
    let begun = Instant::now();
    let mut file = File::create(path)?;
    for _ in 0..chunks {
        file.write_all(&chunk)?;
    }
    file.sync_all()?;
    let written = begun.elapsed();
    std::fs::remove_file(path)?;
    Ok((hashed, written))
}

/// So many bytes, on one stream.
#[derive(Clone, Default)]
struct Bare(u64);

impl request_response::Codec for Bare {
    type Protocol = StreamProtocol;
    type Request = ();
    type Response = ();

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<()>
    where
        T: AsyncRead + Unpin + Send,
    {
        io.read_exact(&mut [0]).await
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<()>
    where
        T: AsyncRead + Unpin + Send,
    {
        let (mut block, mut left) = (vec![0; CHUNK_BYTES], self.0);
        while left > 0 {
            match io.read(&mut block).await? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => left -= n as u64,
            }
        }
        Ok(())
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, (): ()) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&[1]).await?;
        io.flush().await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, (): ()) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let block = vec![7; CHUNK_BYTES];
        for _ in 0..self.0 / CHUNK_BYTES as u64 {
            io.write_all(&block).await?;
        }
        io.flush().await
    }
}

type BareSwarm = Swarm<request_response::Behaviour<Bare>>;

fn bare(bytes: u64) -> Outcome<BareSwarm> {
    Ok(SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
        .with_quic()
        .with_behaviour(|_| {
            let protocols = [(StreamProtocol::new("/bare"), ProtocolSupport::Full)];
            let config = request_response::Config::default().with_request_timeout(STUCK);
            request_response::Behaviour::with_codec(Bare(bytes), protocols, config)
        })?
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(STUCK))
        .build())
}

/// The server runs in a task, the client here.
async fn bare_pair(listen: &str, bytes: u64) -> Outcome<(BareSwarm, PeerId)> {
    let mut server = bare(bytes)?;
    server.listen_on(listen.parse()?)?;
    let address: Multiaddr = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = server.select_next_some().await {
            break address;
        }
    };
    let peer = *server.local_peer_id();
    tokio::spawn(async move {
        loop {
            if let SwarmEvent::Behaviour(request_response::Event::Message {
                message: Message::Request { channel, .. },
                ..
            }) = server.select_next_some().await
            {
                let _ = server.behaviour_mut().send_response(channel, ());
            }
        }
    });
    let mut client = bare(bytes)?;
    client.dial(address)?;
    while !client.is_connected(&peer) {
        client.select_next_some().await;
    }
    Ok((client, peer))
}

async fn bare_stream(client: &mut BareSwarm, peer: &PeerId) -> Outcome<Duration> {
    let begun = Instant::now();
    client.behaviour_mut().send_request(peer, ());
    loop {
        match client.select_next_some().await {
            SwarmEvent::Behaviour(request_response::Event::Message { message: Message::Response { .. }, .. }) => {
                return Ok(begun.elapsed());
            }
            SwarmEvent::Behaviour(request_response::Event::OutboundFailure { error, .. }) => return Err(error.into()),
            _ => {}
        }
    }
}
