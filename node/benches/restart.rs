//! What a long life costs: a start with 10,000 open hires out of a journal of 1,000,000 events, its compaction beside the brain, and
//! the bytes that a closed hire takes before and after. `cargo bench -p gigmesh --bench restart`; `RESTART_BENCH_EVENTS` and
//! `RESTART_BENCH_OPEN` set the numbers.
//!
//! The journal is a requester's, of hires as they go when nothing goes wrong, signed for one by one; it was never compacted, which is
//! the worst that a start can find. Beside it: reading and checksumming the same bytes; bare writes of a commit's size on the same disk
//! while it is compacted; the bytes of the signed records themselves.

use std::error::Error;
use std::fs;
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use gigmesh::store::journal::{Journal, Keep};
use gigmesh::store::traits::Log;
use gigmesh_protocol::codec::{self, List};
use gigmesh_protocol::hire::chain::{Chain, Entry};
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::hire::{Checked, HireId, Side};
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::market::award::value_bucket;
use gigmesh_protocol::market::*;
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::peer::io::{Config, PostingEnd};
use gigmesh_protocol::peer::query::GetStatus;
use gigmesh_protocol::peer::{Peer, Retain};
use gigmesh_protocol::record::{Beside, Network, Record, Signer, Verified};
use gigmesh_protocol::time::{Millis, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;

type Done<T = ()> = Result<T, Box<dyn Error>>;

const ROUNDS: usize = 5;
const START: Timestamp = Timestamp(1_800_000_000_000);

fn main() -> Done {
    let number = |name, otherwise| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let (events, open) = (number("RESTART_BENCH_EVENTS", 1_000_000), number("RESTART_BENCH_OPEN", 10_000));
    let dir = tempfile::tempdir_in(std::env::current_dir()?)?;
    let journal = dir.path().join("journal");
    let written = write(&journal, events, open)?;
    println!("{events} events, {open} hires open and {} closed, {:.0} MB", written.closed, mega(size(&journal)?));

    let mut pairs = Vec::new();
    for _ in 0..ROUNDS {
        let restart = timed(|| restore(&journal).map(drop))?;
        pairs.push((restart, timed(|| read(&journal))?));
    }
    print("restart", &pairs, "read + crc32c");

    let (peer, mut log) = restore(&journal)?;
    let now = written.now;
    let (past, listed) = clock(|| peer.past(now));
    let (retention, judged) = clock(|| peer.retention(&past));
    let compaction = log.compaction();
    log.close_segment()?;
    // What the brain does meanwhile: commits of an event each.
    let writing = std::thread::spawn(move || {
        let begun = Instant::now();
        let done = compaction.run(
            |event| match retention.of(event) {
                Retain::Live => Keep::Live,
                Retain::Archive(filed) => Keep::Archive(filed),
            },
            || true,
        );
        (done, begun.elapsed())
    });
    let mut commits = Vec::new();
    while !writing.is_finished() {
        let begun = Instant::now();
        log.append(&[7; 700])?;
        log.commit()?;
        commits.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    let (prepared, took) = writing.join().map_err(|_| "the compaction panicked")?;
    let prepared = prepared?.ok_or("it was not stopped")?;
    let (adopted, adopting) = clock(|| log.adopt(prepared));
    let (done, leftovers) = adopted?;
    let ((), removing) = clock(|| leftovers.remove());
    let mut quiet = Vec::new();
    for _ in 0..commits.len().min(500) {
        let begun = Instant::now();
        log.append(&[7; 700])?;
        log.commit()?;
        quiet.push(begun.elapsed());
        std::thread::sleep(Duration::from_millis(1));
    }
    println!(
        "compaction: {took:.1?} beside the brain, {} events live, {} archived, {removing:.1?} for what is left over",
        done.live, done.archived
    );
    println!("  the brain stands still for {:.1?} before it and {adopting:.1?} after", listed + judged);
    println!("  a commit meanwhile {}, else {}", times(&mut commits), times(&mut quiet));

    drop((peer, log));
    let mut pairs = Vec::new();
    for _ in 0..ROUNDS {
        // What the bench itself has committed is no event of a peer's.
        let restart = timed(|| restore(&journal).map(drop))?;
        pairs.push((restart, timed(|| read(&journal))?));
    }
    print("restart after it", &pairs, "read + crc32c");

    bytes(&dir.path().join("bytes"))
}

/// What a closed hire takes.
fn bytes(dir: &Path) -> Done {
    const HIRES: usize = 2_000;
    let written = write(dir, HIRES * EVENTS, 0)?;
    let (peer, mut log) = restore(dir)?;
    log.close_segment()?;
    let before = size(dir)?;
    let retention = peer.retention(&peer.past_but(written.now, 0));
    log.compact(|event| match retention.of(event) {
        Retain::Live => Keep::Live,
        Retain::Archive(filed) => Keep::Archive(filed),
    })?;
    let archive = size(&dir.join("archive"))?;
    let compacted: u64 = fs::read_dir(dir)?
        .filter_map(Result::ok)
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("compacted-"))
        .map(|entry| size(&entry.path()))
        .sum::<Done<u64>>()?;
    let each = |bytes: u64| bytes as f64 / written.closed as f64;
    let records = each(written.records);
    println!("bytes of a closed hire: {records:.0} in its {} signed records", written.signed);
    println!("  before compaction {:.0} ({:.2} times)", each(before), each(before) / records);
    let after = each(archive + compacted);
    println!(
        "  after it {after:.0} ({:.2} times): {:.0} live, {:.0} archived",
        after / records,
        each(compacted),
        each(archive)
    );
    Ok(())
}

/// What was written.
struct Written {
    closed: usize,
    now: Timestamp,
    /// Bytes of the closed hires' signed records with what is beside them, and how many each has.
    records: u64,
    signed: usize,
}

/// Events of a closed hire in the requester's journal.
const EVENTS: usize = 17;
/// Of one that is being worked on.
const OPEN_EVENTS: usize = 6;

fn network() -> Network {
    Network::new("bench")
}

fn requester() -> Signer {
    Signer::new(&[1; 32], network())
}

/// A journal of so many events: open hires come last, as they would.
fn write(dir: &Path, events: usize, open: usize) -> Done<Written> {
    let (mut log, _) = Journal::open(dir, |_, _| Ok(()))?;
    let closed = events.saturating_sub(open * OPEN_EVENTS) / EVENTS;
    let mut written = Written { closed, now: START, records: 0, signed: 0 };
    for n in 0..closed + open {
        // A hire a minute.
        let at = START + Millis::mins(n as u64);
        let hire = Life::of(n as u64, at);
        let events = if n < closed { hire.closed() } else { hire.open() };
        assert_eq!(events.len(), if n < closed { EVENTS } else { OPEN_EVENTS });
        for (second, event) in (0..).zip(events) {
            if let (true, Event::Posted { offer, .. } | Event::Rated { rating: offer }) = (n < closed, &event) {
                written.add(offer);
            }
            if let (true, Event::Awarded { award, claim, .. }) = (n < closed, &event) {
                written.add(award);
                written.add(claim);
            }
            if let (true, Event::Said { record, .. }) = (n < closed, &event) {
                written.add(record);
            }
            log.append(&Logged { at: at + Millis::secs(second), event }.encode())?;
        }
        written.now = at + Millis::mins(1);
        if n % 50 == 0 {
            log.commit()?;
        }
    }
    log.commit()?;
    written.signed /= closed.max(1);
    Ok(written)
}

impl Written {
    fn add(&mut self, record: &Record) {
        self.signed += 1;
        self.records += (record.envelope().len() + record.beside().map_or(0, <[u8]>::len)) as u64;
    }
}

/// One hire, as it goes when nothing goes wrong.
struct Life {
    task: Task,
    offer: Verified<Offer>,
    claim: Verified<Claim>,
    chain: Chain,
    worker: Signer,
    at: Timestamp,
}

impl Life {
    fn of(n: u64, at: Timestamp) -> Self {
        let mut key = [2; 32];
        // A hundred workers.
        key[..8].copy_from_slice(&(n % 100).to_le_bytes());
        let worker = Signer::new(&key, network());
        let mut nonce = [3; 32];
        nonce[..8].copy_from_slice(&n.to_le_bytes());
        let checks =
            checks::Checks { schema: None, asserts: vec!["result.rows == 820".parse().expect("an assertion")] };
        let skill: Skill = "table/summarise".parse().expect("a skill");
        let task = Task::new(skill.clone(), "Rows and mean of a monthly table", checks.clone());
        let offer = requester().sign(&Offer {
            at,
            ext: Default::default(),
            max: None,
            seq: at.0,
            bids: at + task.bids,
            // Open hires stay open while the bench runs.
            done: Millis::days(29),
            agree: None,
            nonce: Bytes32(nonce),
            skill: skill.clone(),
            slots: 1,
            constraint: None,
            checks: checks.clone(),
            review: task.review,
            expires: at + task.expires,
            summary: codec::Text::fit(&task.summary),
            milestones: Default::default(),
            properties: Default::default(),
            arbiter: None,
            case: None,
        });
        let claim = worker.sign(&Claim {
            at,
            ext: Default::default(),
            model: None,
            nonce: offer.nonce,
            offer: offer.id(),
            price: "0.02 USD per task".parse().expect("a price"),
            until: at + Millis::mins(5),
            expect: Millis::secs(20),
            version: codec::Text::fit("1"),
            manifest: gigmesh_protocol::id::Id::from_bytes([4; 32]),
            requester: requester().agent(),
        });
        let terms = Terms {
            at,
            done: offer.done,
            offer: offer.id(),
            price: claim.price.clone(),
            until: claim.until,
            checks,
            review: offer.review,
            sealed: None,
            agree: None,
            arbiter: None,
            consent: None,
            milestones: Default::default(),
            inputs: 0,
        };
        let beside = Beside { body: terms, salt: Bytes32([5; 32]) };
        let award = Award {
            day: at.day(),
            ext: Default::default(),
            slot: 0,
            claim: claim.id(),
            nonce: offer.nonce,
            round: 0,
            skill,
            terms: beside.commitment::<Award>(),
            value: value_bucket(&claim.price),
            worker: worker.agent(),
            replaces: None,
        };
        let chain = Chain::new(requester().sign_with(&award, beside));
        Self { task, offer, claim, chain, worker, at }
    }

    fn hire(&self) -> HireId {
        self.chain.award().id()
    }

    /// The next record of a side, which the chain must admit.
    fn say(&mut self, side: Side, make: impl FnOnce(&Signer, Link, &Self) -> Record) -> Event<Record> {
        let count = self.chain.of(Side::Requester).len() + self.chain.of(Side::Worker).len();
        let link = self.chain.next_link(side, self.at + Millis::secs(1 + count as u64));
        let by = if side == Side::Requester { requester() } else { self.worker.clone() };
        let record = make(&by, link, self);
        let entry = Entry::try_from(record.clone()).expect("it belongs to a chain");
        assert_eq!(self.chain.admit(&entry), Ok(()), "{}", record.kind());
        self.chain.push(entry);
        Event::Said { record, judgement: None }
    }

    fn begun(&mut self) -> Vec<Event<Record>> {
        let (ext, hire) = (codec::Ext::default, self.hire());
        let (offer, claim, award) = (self.offer.clone(), self.claim.clone(), self.chain.award().clone());
        vec![
            Event::Posted {
                offer: offer.clone().into(),
                task: Box::new(self.task.clone()),
                to: None,
                salt: Bytes32([6; 32]),
                order: None,
            },
            Event::Awarded {
                side: Side::Requester,
                award: award.into(),
                claim: claim.into(),
                offer: offer.into(),
                why: Box::default(),
            },
            Event::Unposted { offer: self.offer.id(), reason: PostingEnd::Filled, order: None, why: None },
            self.say(Side::Worker, |by, link, life| {
                let due = link.at + life.chain.terms().done;
                let beside = Beside { body: BeginTerms { due, link }, salt: Bytes32([7; 32]) };
                let begin = Begin { day: link.at.day(), ext: ext(), body: beside.commitment::<Begin>(), hire };
                by.sign_with(&begin, beside).into()
            }),
            self.say(Side::Requester, |by, link, _| {
                let params = Some(codec::Text::fit(r#"{"column": "average", "months": 820}"#));
                by.sign(&Brief { ext: ext(), hire, link, inputs: List::default(), params }).into()
            }),
            self.say(Side::Worker, |by, link, _| {
                by.sign(&Progress { ext: ext(), head: None, hire, link, note: None, percent: 0 }).into()
            }),
        ]
    }

    fn open(mut self) -> Vec<Event<Record>> {
        self.begun()
    }

    fn closed(mut self) -> Vec<Event<Record>> {
        let (ext, hire) = (codec::Ext::default, self.hire());
        let mut events = self.begun();
        let blob = BlobRef { root: Bytes32([8; 32]), size: 300 };
        events.push(self.say(Side::Worker, |by, link, _| {
            by.sign(&Delivery {
                ext: ext(),
                blob,
                hire,
                link,
                trace: None,
                checked: 1000,
                milestone: None,
                statement: None,
            })
            .into()
        }));
        let delivery = self.chain.facts().delivery.expect("it was delivered").id;
        events.push(self.say(Side::Requester, |by, link, life| {
            by.sign(&Ack { ext: ext(), hire, link, until: link.at + life.chain.terms().review, delivery }).into()
        }));
        events.push(Event::Fetched { hire, roots: vec![blob.root] });
        let outcome = checks::Outcome { check: "result.rows == 820".into(), passed: true, detail: "".into() };
        let public = checks::Report { outcomes: vec![outcome] };
        let checked = Checked { public, sealed: None, part: 0, compared: None, decided: None };
        events.push(Event::Checked { hire, root: blob.root, checked: Box::new(checked) });
        events.push(self.say(Side::Requester, |by, link, _| {
            let ruling = Ruling::Accepted;
            by.sign(&Verdict {
                ext: ext(),
                hire,
                link,
                note: None,
                failed: List::default(),
                opened: None,
                ruling,
                delivery,
            })
            .into()
        }));
        let scores = Scores { speed: Some(900), quality: Some(1000), accuracy: Some(1000), communication: Some(1000) };
        let skill = self.offer.skill.clone();
        let judgement = Judgement { hire, skill, scores, subject: self.worker.agent() };
        let opening = Bytes32([9; 32]);
        events.push(self.say(Side::Requester, |by, link, _| {
            let beside = Beside { body: ReceiptTerms { link, amount: 20_000 }, salt: opening };
            let (day, body, seal) = (link.at.day(), beside.commitment::<Receipt>(), Some(judgement.seal(&opening)));
            let receipt =
                Receipt { day, ext: ext(), body, hire, seal, took: Millis::secs(20), outcome: Outcome::Accepted };
            by.sign_with(&receipt, beside).into()
        }));
        let receipt = self.chain.facts().receipt.expect("it was receipted");
        events.push(self.say(Side::Worker, |by, link, _| {
            let beside = Beside { body: CloseTerms { link }, salt: opening };
            let (day, body) = (link.at.day(), beside.commitment::<Countersign>());
            by.sign_with(&Countersign { day, ext: ext(), body, hire, seal: None, receipt }, beside).into()
        }));
        events.push(Event::Closed { hire, outcome: Outcome::Accepted, agreed: true });
        let entry = gigmesh_protocol::ledger::Entry {
            at: self.at,
            with: self.worker.agent(),
            amount: self.claim.price.amount().clone(),
            direction: gigmesh_protocol::ledger::Direction::Debit,
            subject: gigmesh_protocol::ledger::Subject::Hire(hire),
        };
        events.push(Event::Booked { entry });
        let part = |record: Record| record.envelope().to_vec().try_into().expect("short enough for a permit");
        let of = |kind: &str| {
            let all = [Side::Requester, Side::Worker].map(|side| self.chain.of(side)).concat();
            part(all.iter().map(Entry::record).find(|record| record.kind() == kind).expect("it was said"))
        };
        let permit = Permit {
            award: part(self.chain.award().clone().into()),
            begin: of("begin/1"),
            receipt: Some(of("receipt/1")),
            countersign: Some(of("countersign/1")),
        };
        let rating = Rating {
            day: self.at.day(),
            ext: ext(),
            model: None,
            permit,
            opening: Some(opening),
            version: None,
            manifest: None,
            judgement,
        };
        events.push(Event::Rated { rating: requester().sign(&rating).into() });
        events.push(Event::Through { hire });
        events
    }
}

/// What a node does with its journal when it starts.
fn restore(journal: &Path) -> Done<(Peer, Journal)> {
    let mut events = Vec::new();
    let (log, _) = Journal::open(journal, |_, event| {
        // The bench's own commits are no events of a peer's.
        if event.len() != 700 || event[0] != 7 {
            events.push(event.to_owned());
        }
        Ok(())
    })?;
    let rng = Box::new(ChaCha20Rng::from_seed([0; 32]));
    let (peer, out) = Peer::restore(Config::default(), requester(), rng, START + Millis::days(1), events, Vec::new())?;
    black_box(out);
    let status = peer.query(START, GetStatus);
    assert!(status.hires_open + status.hires_closed > 0 || status.ratings > 0, "it knows of its hires");
    Ok((peer, log))
}

fn read(dir: &Path) -> Done {
    for file in files(dir)? {
        black_box(crc32c::crc32c(&fs::read(file)?));
    }
    Ok(())
}

/// The files of the live journal.
fn files(dir: &Path) -> Done<Vec<std::path::PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() && !path.ends_with("archive") {
            files.extend(self::files(&path)?);
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(files)
}

/// All files of a directory, the archive's in the archive's own.
fn size(dir: &Path) -> Done<u64> {
    Ok(files(dir)?.iter().map(|file| fs::metadata(file).map(|metadata| metadata.len())).sum::<Result<_, _>>()?)
}

fn clock<T>(run: impl FnOnce() -> T) -> (T, Duration) {
    let begun = Instant::now();
    (run(), begun.elapsed())
}

fn timed(run: impl FnOnce() -> Done) -> Done<Duration> {
    let (done, took) = clock(run);
    done.map(|()| took)
}

fn mega(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}

fn print(what: &str, pairs: &[(Duration, Duration)], beside: &str) {
    let seconds = |times: Vec<Duration>| spread(times.iter().map(Duration::as_secs_f64));
    println!("{what}: {} s", seconds(pairs.iter().map(|(time, _)| *time).collect()));
    println!("  {beside}: {} s", seconds(pairs.iter().map(|(_, time)| *time).collect()));
    println!("  ratio: {}", spread(pairs.iter().map(|(time, bare)| time.div_duration_f64(*bare))));
}

/// Median and the longest.
fn times(all: &mut [Duration]) -> String {
    all.sort_unstable();
    match all {
        [] => "was not made".to_owned(),
        &mut [.., longest] => format!("{:.1?} (at most {longest:.1?}, {} of them)", all[all.len() / 2], all.len()),
    }
}

fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    format!("{:.3} ({:.3}..{:.3})", values[values.len() / 2], values[0], values[values.len() - 1])
}
