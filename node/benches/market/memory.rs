//! What a node takes of memory: idle, and with a directory full of manifests, which one peer gives it page by page as peers
//! do when somebody joins their room. That peer is a network with nothing behind it, in this process.
//!
//! Beside it: the bytes of the manifests as they travel.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gigmesh::api::types::FindParams;
use gigmesh_bootstrap::wall_clock;
use gigmesh_net::{Config, Event, Net, Role};
use gigmesh_protocol::codec::{List, Text};
use gigmesh_protocol::gossip::Verdict;
use gigmesh_protocol::id::{Bytes32, sha256};
use gigmesh_protocol::limits::{ANSWER_ROWS, MANIFEST_LIFE, PAGE_BYTES};
use gigmesh_protocol::market::{Manifest, SkillEntry};
use gigmesh_protocol::record::{Network, Signer};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::wire::{Reply, Request, Response};
use serde_json::Value;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;

use super::Outcome;
use super::processes::{LISTEN, NETWORK, Process, directory, until};

const ROOM: &str = "text";

/// Prints both, and what one manifest adds.
pub async fn measure(manifests: usize) -> Outcome<()> {
    let envelopes = made(manifests)?;
    let bytes: usize = envelopes.iter().map(|(_, envelope)| envelope.len()).sum();
    println!("memory of a node, resident");
    let (idle, ..) = node_with(Vec::new()).await?;
    println!("  idle                      {:.1} MB", idle as f64 / 1e6);
    let (full, took, agents) = node_with(envelopes).await?;
    let each = full.saturating_sub(idle) as f64 / manifests as f64;
    let size = bytes as f64 / manifests as f64;
    println!(
        "  with {manifests} manifests     {:.1} MB, all there after {:.1} s",
        full as f64 / 1e6,
        took.as_secs_f64()
    );
    println!("  a manifest of {size:.0} B     {each:.0} B, {:.2} times its envelope", each / size);
    println!("  a search among them       {:.1} ms", agents.as_secs_f64() * 1e3);
    Ok(())
}

/// A node that has heard of these: its memory, how long it took to get them, and to search them.
async fn node_with(envelopes: Vec<(Bytes32, Vec<u8>)>) -> Outcome<(u64, Duration, Duration)> {
    let (dir, count) = (directory()?, envelopes.len() as u64);
    let feeder = Feeder::start(envelopes).await?;
    let node = Process::requester(dir.path(), &feeder.address()?).await?;
    let begun = Instant::now();
    // Whoever searches in a room follows it from then on.
    let search = FindParams { skill: Some(ROOM.to_owned()), limit: Some(1), ..FindParams::default() };
    let _: Value = node.client.get_with("/v1/agents", &search).await?;
    until("the manifests to be there", Duration::from_millis(20), async || {
        Ok(node.count("manifests").await? == count && node.count("peers").await? > 0)
    })
    .await?;
    let took = begun.elapsed();
    let memory = node.settled().await?;
    let begun = Instant::now();
    let _: Value = node.client.get_with("/v1/agents", &search).await?;
    let searched = begun.elapsed();
    node.stop().await?;
    Ok((memory, took, searched))
}

/// Manifests of as many agents in the order of their ids, with schemas as people write them.
fn made(manifests: usize) -> Outcome<Vec<(Bytes32, Vec<u8>)>> {
    let at = wall_clock();
    let field =
        |name: &str| format!("\"{name}\":{{\"type\":\"string\",\"description\":\"what it says of the {name}\"}}");
    let schema = |fields: &[&str]| {
        let fields: Vec<String> = fields.iter().map(|name| field(name)).collect();
        Text::fit(&format!("{{\"type\":\"object\",\"properties\":{{{}}}}}", fields.join(",")))
    };
    let mut made = Vec::new();
    for number in 0..manifests {
        let secret = sha256(&[b"a manifest's agent", &number.to_le_bytes()]).0;
        let entry = SkillEntry {
            path: format!("{ROOM}/extract/kind-{}", number % 100).parse()?,
            input: Some(schema(&["document", "language", "pages", "deadline"])),
            price: format!("0.{:02} USD per task", number % 90 + 10).parse()?,
            constraint: None,
            expect: Millis::secs(30),
            output: Some(schema(&["title", "author", "date", "parties", "amount", "currency", "place", "signature"])),
            properties: Default::default(),
        };
        let manifest = Manifest {
            at,
            ext: Default::default(),
            seq: at.0,
            name: Text::fit(&format!("agent number {number}")),
            model: None,
            skills: List::fit([entry]),
            expires: at + MANIFEST_LIFE,
            version: Text::fit("1.0.0"),
            recovery: None,
            principal: None,
        };
        let manifest = Signer::new(&secret, Network::new(NETWORK)).sign(&manifest);
        made.push((manifest.id().untyped(), manifest.envelope().to_vec()));
    }
    made.sort_unstable();
    Ok(made)
}

/// A peer that has nothing but pages.
struct Feeder {
    net: Net,
    answering: JoinHandle<()>,
}

impl Feeder {
    async fn start(envelopes: Vec<(Bytes32, Vec<u8>)>) -> Outcome<Self> {
        let listen = vec![LISTEN.to_owned()];
        let config = Config { listen, ..Config::new(Role::Node, NETWORK, [7; 32], Arc::new(|_, _| None)) };
        let (net, events) = Net::start(config).await?;
        net.follow(ROOM)?;
        let answering = tokio::spawn(answer(net.clone(), events, envelopes));
        Ok(Self { net, answering })
    }

    fn address(&self) -> Outcome<String> {
        Ok(self.net.listen_addrs().into_iter().next().ok_or("the feeder listens nowhere")?)
    }
}

impl Drop for Feeder {
    fn drop(&mut self) {
        // It holds the network open.
        self.answering.abort();
    }
}

async fn answer(net: Net, mut events: Receiver<Event>, envelopes: Vec<(Bytes32, Vec<u8>)>) {
    while let Some(event) = events.recv().await {
        match event {
            Event::Gossip { token, .. } => drop(net.verdict(token, Verdict::Accept)),
            Event::Request { token, bytes, .. } => {
                let answer = match Request::decode(&bytes) {
                    Ok(Request::Parcel(items)) => Response::Replies(List::fit(items.iter().map(|_| Reply::Kept))),
                    Ok(Request::Page { after, .. }) => page(&envelopes, after),
                    Ok(Request::Ratings { .. } | Request::RatingsById(_)) => {
                        Response::Ratings { next: None, ratings: List::default() }
                    }
                    _ => Response::No(Text::fit("there is nothing of that here")),
                };
                // Whoever asked may have gone.
                let _ = net.respond(token, answer.encode());
            }
            _ => {}
        }
    }
}

fn page(envelopes: &[(Bytes32, Vec<u8>)], after: Option<Bytes32>) -> Response {
    let rest = &envelopes[envelopes.partition_point(|(id, _)| Some(*id) <= after)..];
    let mut bytes = 0;
    let fits = |(_, envelope): &&(Bytes32, Vec<u8>)| {
        bytes += envelope.len();
        bytes <= PAGE_BYTES
    };
    let page: Vec<_> = rest.iter().take(ANSWER_ROWS).take_while(fits).collect();
    let next = page.last().map(|(id, _)| *id).filter(|_| page.len() < rest.len());
    let records = page.iter().filter_map(|(_, envelope)| envelope.clone().try_into().ok());
    Response::Page { next, records: List::fit(records) }
}
