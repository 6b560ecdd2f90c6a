//! Every file of the fuzz corpora, through the same code as the fuzz targets.
//!
//! A crash that fuzzing finds is kept by moving its file from `fuzz/artifacts/` to the corpus of its target. The seeds are
//! written by `GIGMESH_BLESS=1 cargo test -p gigmesh-protocol fuzz_corpus`.

use std::path::PathBuf;

use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::hire::{Checked, Side, Wish};
use gigmesh_protocol::market::checks::{Outcome as CheckOutcome, Report};
use gigmesh_protocol::market::{BlobRef, Outcome};
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::record::Record;

use crate::forge::payload;
use crate::samples;

#[path = "../../fuzz/src/lib.rs"]
mod targets;

fn corpus(target: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "fuzz", "corpus", target].iter().collect()
}

#[expect(clippy::disallowed_methods, reason = "the protocol has no files; its tests do")]
fn replay(target: &str, body: fn(&[u8]), seeds: Vec<(String, Vec<u8>)>) {
    if std::env::var_os("GIGMESH_BLESS").is_some() {
        std::fs::create_dir_all(corpus(target)).unwrap();
        for (name, seed) in &seeds {
            std::fs::write(corpus(target).join(name), seed).unwrap();
        }
    }
    let mut files = 0;
    for entry in std::fs::read_dir(corpus(target)).unwrap() {
        body(&std::fs::read(entry.unwrap().path()).unwrap());
        files += 1;
    }
    assert!(files >= seeds.len(), "the corpus of {target} is there");
    // Cut short and with a byte changed: what the fuzzer would try first.
    for (_, seed) in &seeds {
        for at in (0..seed.len()).step_by(seed.len() / 16 + 1) {
            body(&seed[..at]);
            let mut changed = seed.clone();
            changed[at] ^= 0x20;
            body(&changed);
        }
    }
}

#[test]
fn the_corpus_of_admit_is_replayed() {
    let seed = |(n, record): (usize, Record)| {
        let name = record.kind().replace('/', "-");
        (name, [&[n as u8], &payload(record.envelope())[..]].concat())
    };
    // In the order of `Record::KINDS`: the first byte names the kind by it.
    let place = |record: &Record| Record::KINDS.iter().position(|(kind, _)| *kind == record.kind()).unwrap();
    let mut seeds: Vec<_> = samples::samples(true).into_iter().map(|record| seed((place(&record), record))).collect();
    seeds.push(("envelope".to_owned(), samples::samples(false)[3].envelope().to_vec()));
    replay("admit", targets::admit, seeds);
}

#[test]
fn the_corpus_of_wire_is_replayed() {
    let requests = samples::requests().into_iter().enumerate().map(|(n, m)| (format!("request-{n}"), m.encode()));
    let responses = samples::responses().into_iter().enumerate().map(|(n, m)| (format!("response-{n}"), m.encode()));
    replay("wire", targets::wire, requests.chain(responses).collect());
}

#[test]
fn the_corpus_of_checks_is_replayed() {
    let seeds = [
        ("compare", "result.rows == 820\n{\"type\":\"object\"}\n{\"rows\": 820}"),
        ("within", "result.mean in [355.0, 361.0]\n\n{\"mean\": 360.39}"),
        ("matches", "result.name matches /^[a-z]+\\d{2}$/\n{\"pattern\":\"^a\"}\n{\"name\": \"co22\"}"),
        ("sum", "sum(result.items[].n) == 0.3\n\n{\"items\": [{\"n\": 0.1}, {\"n\": 0.2}]}"),
        ("inputs", "result.digest == sha256(input.table)\n\n{\"digest\": \"00\"}"),
        (
            "ref",
            "len(result) > 0\n{\"$defs\":{\"a\":{\"type\":\"number\"}},\"items\":{\"$ref\":\"#/$defs/a\"}}\n[1, 2]",
        ),
    ];
    replay("checks", targets::checks, seeds.map(|(name, text)| (name.to_owned(), text.into())).to_vec());
}

#[test]
fn the_corpus_of_market_is_replayed() {
    let seeds = [
        ("constraint", "region = \"eu\" and langs = \"de\"\n{\"region\":\"eu\",\"langs\":[\"de\",\"en\"]}"),
        ("numbers", "retention_days = 0 and load = 0.5\n{\"retention_days\":0,\"load\":0.5}"),
        (
            "operators",
            "not (a < 1.5 or b in [1, \"x\"]) and c has true and d prefix \"e\" and exists f\n{\"a\":2,\"c\":[true],\"d\":\"ef\"}",
        ),
        ("kinds", "a >= v1.4.0 and b < 2026-11-21T10:00:00Z\n{\"a\":\"v1.4.1\",\"b\":\"2026-11-21\"}"),
        ("skill", "document/verify/passport"),
        ("price", "1.5 USD per 1000 rows"),
        ("free", "free"),
    ];
    replay("market", targets::market, seeds.map(|(name, text)| (name.to_owned(), text.into())).to_vec());
}

#[test]
fn the_corpus_of_journal_is_replayed() {
    let records = samples::samples(true);
    let record = |kind: &str| records.iter().find(|record| record.kind() == kind).unwrap().clone();
    let Record::Award(award) = record("award/1") else { unreachable!() };
    let hire = award.id();
    let blob = BlobRef { root: samples::random("result"), size: 300 };
    let outcome = CheckOutcome { check: "schema".into(), detail: "".into(), passed: true };
    let report = Report { outcomes: vec![outcome] };
    let task = Task::new(award.skill.clone(), "Rows of a table", Default::default());
    let (offer, claim) = (record("offer/1"), record("claim/1"));
    let said = Some((samples::judgement(hire), samples::random("opening")));
    let events = [
        Event::Posted {
            offer: offer.clone(),
            task: Box::new(task),
            to: None,
            salt: samples::random("salt"),
            order: None,
        },
        Event::Claimed { claim: claim.clone(), offer: offer.clone() },
        Event::Awarded { side: Side::Worker, award: award.into(), claim, offer, why: Box::default() },
        Event::Said { record: record("receipt/1"), judgement: said },
        Event::Ended { hire, attempt: 0, result: Ok(blob) },
        Event::Checked {
            hire,
            root: blob.root,
            checked: Box::new(Checked { public: report, sealed: None, part: 0, compared: None, decided: None }),
        },
        Event::Wished { hire, wish: Wish::Stop("enough".to_owned()) },
        Event::Closed { hire, outcome: Outcome::Accepted, agreed: true },
        Event::Rated { rating: record("rating/1") },
    ];
    let seed = |(n, event)| (format!("event-{n}"), Logged { at: samples::AT, event }.encode());
    replay("journal", targets::journal, events.into_iter().enumerate().map(seed).collect());
}
