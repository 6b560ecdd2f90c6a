//! Large inputs: they come whole, past kills and lies, in bounded memory, and nothing that was verified comes twice.
//!
//! `GIGMESH_BLOB_MIB=1024` says how large the largest is. What it measured is printed however the test runs.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::codec::{Ext, List, Text};
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::market::link::Link;
use gigmesh_protocol::market::{BlobRef, Brief, Input};
use gigmesh_protocol::merkle::{self, CHUNK_BYTES};
use gigmesh_protocol::record::Record;
use gigmesh_protocol::wire::{Item, Reply, Request, Response};
use gigmesh_tests::hostile::{Hostile, award_with, offer};
use gigmesh_tests::{Agent, Does, Market, Node, Setup, wait_until};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde_json::Value;

const SKILL: &str = "file/digest";
/// Unless the environment says otherwise: a few seconds of two busy cores.
const MIB: u64 = 24;
/// What a transfer may add to a node's memory, whatever its length.
const MEMORY: u64 = 48 << 20;

/// An agent that reads the whole of its input.
fn digester() -> Agent {
    let script = "printf '{\"sha256\": \"%s\"}' \"$(sha256sum < inputs/big | cut -c 1-64)\"";
    Agent { does: Does::Runs(["/bin/sh", "-c", script].map(str::to_owned).into()), ..Agent::printing(SKILL, "") }
}

/// A file that cannot be told before it is read.
fn noise(path: &Path, bytes: u64) {
    let (mut file, mut rng) = (File::create(path).unwrap(), ChaCha8Rng::seed_from_u64(bytes));
    let mut block = vec![0; 1 << 20];
    for _ in 0..bytes.div_ceil(1 << 20) {
        rng.fill_bytes(&mut block);
        file.write_all(&block).unwrap();
    }
    file.set_len(bytes).unwrap();
}

/// A task about a file of so many bytes.
fn task(market: &Market, bytes: u64) -> PathBuf {
    noise(&market.dir().join("big.bin"), bytes);
    let text = format!(
        "skill = {SKILL:?}\nsummary = \"What is its digest\"\n\
         [accept]\nchecks = [\"result.sha256 == sha256(input.big)\"]\n\
         [price]\nmax = \"0.05 USD\"\n[time]\nbids = \"500ms\"\ndone = \"30m\"\nexpires = \"5m\"\n\
         [brief]\ninputs = {{ big = \"big.bin\" }}\n"
    );
    market.file("task.toml", text)
}

/// How far the one blob on its way is, and the memory both nodes use meanwhile.
struct Gauge {
    bytes: u64,
    peak: [u64; 2],
}

impl Gauge {
    /// Bytes that have come to the worker, once they are at least so many; `None` if it has all of them, or is done.
    fn reaches(&mut self, market: &Market, wanted: u64) -> Option<u64> {
        wait_until("the blob to come", Duration::from_secs(600), || {
            self.sample(market);
            let door = market.workers[0].door();
            let moving: Value = door.get("/v1/transfers").ok()?;
            let over = door.get::<Value>("/v1/hires").ok()?["rows"][0]["closed"].is_object();
            let done = moving["rows"].as_array()?.iter().filter_map(|row| row["done"].as_u64()).max();
            match done {
                Some(done) if done >= wanted && done < self.bytes => Some(Some(done)),
                Some(done) if done < wanted => None,
                None if !over => None,
                _ => Some(None),
            }
        })
    }

    fn sample(&mut self, market: &Market) {
        for (peak, node) in self.peak.iter_mut().zip([&market.requester, &market.workers[0]]) {
            *peak = node.resident().max(*peak);
        }
    }
}

#[test]
fn a_large_input_comes_whole_past_a_kill_of_either_side_and_nothing_of_it_twice() {
    let mib: u64 = std::env::var("GIGMESH_BLOB_MIB").map_or(MIB, |text| text.parse().expect("a number of MiB"));
    // Where the blob is there before this test can hold it up, a larger one is not.
    assert!((0..5).any(|n| comes_past_kills(mib << n).is_some()), "whatever its size, it comes too soon");
}

/// `None` if a kill came too late.
fn comes_past_kills(mib: u64) -> Option<()> {
    let mut market = Market::create(&[digester()]);
    let bytes = mib << 20;
    let task = task(&market, bytes);
    let rest = [&market.requester, &market.workers[0]].map(Node::resident);
    let mut gauge = Gauge { bytes, peak: rest };
    let begun = Instant::now();
    market.requester.post(&task, None);
    gauge.sample(&market);
    let posted = begun.elapsed();

    let there = gauge.reaches(&market, bytes / 5)?;
    market.workers[0].kill9();
    market.workers[0].restart();
    let began_again = Instant::now();
    let held = gauge.reaches(&market, bytes / 5)?;
    assert!(held >= there, "what was verified before the kill is held after it");
    gauge.reaches(&market, bytes / 2)?;
    market.requester.kill9();
    market.requester.restart();

    let hire = market.workers[0].first_hire();
    wait_until("the hire to be closed", Duration::from_secs(600), || {
        gauge.sample(&market);
        (market.workers[0].show(&hire)["row"]["closed"]["agreed"] == true).then_some(())
    });
    let took = began_again.elapsed();
    for node in [&market.requester, &market.workers[0]] {
        assert_eq!(node.settled(&hire)["row"]["closed"]["outcome"], "accepted");
    }
    let fetched = market.workers[0].metrics()["gigmesh_chunks_fetched_total"];
    let chunk = CHUNK_BYTES as u64;
    let added = [0, 1].map(|n| gauge.peak[n].saturating_sub(rest[n]) >> 20);
    eprintln!(
        "{mib} MiB: posted in {posted:?}; {} MiB held when the worker was killed, {} fetched after it; closed {took:?} after \
         its return; memory at rest {} and {} MiB, at most {} and {} more",
        there >> 20,
        (fetched * chunk) >> 20,
        rest[0] >> 20,
        rest[1] >> 20,
        added[0],
        added[1],
    );
    assert!(fetched * chunk <= bytes - there, "{fetched} chunks came again that were held: {there} of {bytes} bytes");
    assert!(fetched > 0 && added.iter().all(|added| *added < MEMORY >> 20), "{added:?} MiB");
    Some(())
}

/// What a requester of the test's own making serves.
struct Served {
    bytes: Vec<u8>,
    /// The chunks asked for, in order.
    asked: Mutex<Vec<u32>>,
    /// Whether it lies about one of them.
    lies: AtomicBool,
}

const LIE: u32 = 9;

impl Served {
    fn answer(&self, request: Request) -> Option<Vec<u8>> {
        let chunks = || self.bytes.chunks(CHUNK_BYTES);
        let answer = match request {
            Request::Parcel(items) => Response::Replies(List::fit(items.iter().map(|_| Reply::Kept))),
            Request::Page { .. } => Response::Page { next: None, records: List::default() },
            Request::Leaves { .. } => {
                let leaves: Vec<u8> = chunks().flat_map(merkle::leaf).collect();
                Response::Leaves(leaves.try_into().unwrap())
            }
            Request::Chunk { index, .. } => {
                self.asked.lock().unwrap().push(index);
                let mut chunk = chunks().nth(index as usize).unwrap().to_vec();
                if index == LIE && self.lies.swap(false, Ordering::Relaxed) {
                    chunk[7] ^= 1;
                }
                Response::Chunk(chunk.try_into().unwrap())
            }
            _ => Response::No(Text::fit("no")),
        };
        Some(answer.encode())
    }
}

#[test]
fn a_chunk_that_is_not_what_was_promised_is_blamed_and_what_came_before_it_is_kept() {
    let market = Market::create(&[digester()]);
    let worker = &market.workers[0];
    let path = market.dir().join("big.bin");
    noise(&path, 5 << 20);
    let bytes = fs::read(path).unwrap();
    let leaves: Vec<_> = bytes.chunks(CHUNK_BYTES).map(merkle::leaf).collect();
    let blob = BlobRef { root: Bytes32(merkle::root(&leaves)), size: bytes.len() as u64 };
    let served = Arc::new(Served { bytes, asked: Mutex::default(), lies: AtomicBool::new(true) });
    let serving = Arc::clone(&served);
    let hostile = Hostile::answering(move |request| serving.answer(request));

    let posted = hostile.signer.sign(&offer(SKILL));
    assert_eq!(hostile.send(worker, &[posted.envelope()]).unwrap(), [Reply::Kept]);
    let claimed = hostile.hears("the worker's claim", |record| match record {
        Record::Claim(claim) if claim.offer == posted.id() => Some(claim.clone()),
        _ => None,
    });
    let award = award_with(&hostile.signer, &posted, &claimed, blob.size);
    let send = |record: Record| hostile.send_items(worker, [Item::of(&record)].into_iter()).unwrap();
    assert_eq!(send(award.clone().into()), [Reply::Kept]);
    let seen = hostile.hears("the worker's begin", |record| match record {
        Record::Begin(begin) if begin.hire == award.id() => Some(begin.id().untyped()),
        _ => None,
    });
    let link = Link { n: 1, at: wall_clock(), prev: Some(award.id().untyped()), seen };
    let brief = |size| {
        let blob = BlobRef { size, ..blob };
        let input = Input { blob, name: Text::fit("big"), media: Text::fit("application/octet-stream") };
        let brief = Brief { ext: Ext::default(), hire: award.id(), link, inputs: List::fit([input]), params: None };
        hostile.signer.sign(&brief).into()
    };
    let more = send(brief(blob.size + 1));
    assert!(!more.contains(&Reply::Kept), "more than the terms say is not taken: {more:?}");
    assert_eq!(send(brief(blob.size)), [Reply::Kept]);

    hostile.hears("the delivery", |record| matches!(record, Record::Delivery(_)).then_some(()));
    let metrics = worker.metrics();
    assert_eq!(metrics["gigmesh_blames_total{in=\"blob\"}"], 1);
    assert_eq!(metrics["gigmesh_chunks_fetched_total"], leaves.len() as u64, "each was taken once");
    let asked = served.asked.lock().unwrap();
    let times = |index: u32| asked.iter().filter(|asked| **asked == index).count();
    assert_eq!((times(0), times(LIE)), (1, 2), "{asked:?}");
}

#[test]
fn what_has_no_room_is_refused_before_a_byte_is_sent() {
    let mut market = Market::create(&[digester()]);
    let config = market.file("small.toml", "[node]\nblobs = \"1 MiB\"\n");
    let task = task(&market, 2 << 20);
    let node = market.join_as("small", Setup { config: Some(config), ..Setup::default() });
    let refused = node.cli(&["hire", &task.display().to_string()]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for words in ["the inputs have 2097152 bytes, and the node has room for 1048576", "`blobs` in [node]"] {
        assert!(refused.stderr.contains(words), "{refused:?}");
    }
    let room: Value = node.door().get("/v1/blobs").unwrap();
    assert_eq!((&room["used"], &room["quota"]), (&Value::from(0), &Value::from(1 << 20)));
    assert!(node.rows(&["hires"]).is_empty(), "nothing was posted");
}

#[test]
fn a_worker_without_room_says_so_before_it_begins() {
    let mut market = Market::create(&[]);
    let worker = format!(
        "[node]\nblobs = \"1 MiB\"\n[agent]\nname = \"small\"\nversion = \"1\"\n[serve]\nfrom = \"anyone\"\n\
         [[skill]]\npath = {SKILL:?}\nprice = \"0.02 USD per task\"\nexpect = \"1s\"\n\
         [skill.run]\ncommand = [\"/bin/true\"]\n"
    );
    let config = market.file("worker.toml", worker);
    market.join_as("small", Setup { config: Some(config), ..Setup::default() });
    let task = task(&market, 2 << 20);
    market.requester.post(&task, Some(&market.workers[0]));
    let hire = market.requester.first_hire();
    let declined = |shown: &Value| {
        shown["records"].as_array().unwrap().iter().any(|record| record["says"]["reason"] == "no_space")
    };
    market.requester.when(&hire, "the worker decline", declined);
    let asked = market.requester.metrics();
    assert_eq!(asked["gigmesh_requests_total{kind=\"leaves\"}"], 0, "nothing was fetched");
}
