//! What a record costs beyond its signature. `cargo bench -p gigmesh-protocol --bench record`, on an otherwise quiet machine.
//!
//! Admission (`Record::admit`, then the directory) beside parsing the key and `verify_strict` over the same signed bytes;
//! `Signer::sign` beside bare signing of the same bytes. Every record of a batch is another one and the directory of a
//! batch starts empty, so nothing is found held already. Each figure is the median of alternating batches with its
//! spread, an operation counting as the mean of its batch; the ratio is taken batch by batch.

#![expect(clippy::disallowed_methods, reason = "the protocol has no clock; who measures it does")]

use std::hint::black_box;
use std::time::Instant;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use gigmesh_protocol::codec::{self, List, Text};
use gigmesh_protocol::directory::{Directory, Insert};
use gigmesh_protocol::id::{Bytes32, sha256};
use gigmesh_protocol::market::checks::{Checks, Schema};
use gigmesh_protocol::market::{Manifest, Offer, SkillEntry};
use gigmesh_protocol::record::{Network, Payload, Record, Signer, Verified};
use gigmesh_protocol::time::{Millis, Timestamp};

const BATCHES: usize = 15;
const BATCH: u64 = 250;
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const NETWORK: &str = "bench";

fn seed(n: u64) -> [u8; 32] {
    sha256(&[b"bench", &n.to_be_bytes()]).0
}

fn offer(n: u64, checks: Checks) -> Offer {
    Offer {
        at: NOW,
        ext: Default::default(),
        max: "0.05 USD per task".parse().ok(),
        seq: n,
        bids: NOW + Millis::secs(3),
        done: Millis::mins(5),
        agree: None,
        arbiter: None,
        case: None,
        nonce: Bytes32(seed(n)),
        skill: "table/summarise".parse().expect("a skill"),
        slots: 1,
        constraint: "region = \"eu\" and retention_days = 0".parse().ok(),
        checks,
        review: Millis::mins(10),
        expires: NOW + Millis::mins(10),
        summary: Text::fit(
            "Rows, mean and the last month of a table of monthly readings: comma-separated, one header line, a month and a \
             reading in each row. Name the months that are missing, and say how the mean was rounded. The result is JSON.",
        ),
        milestones: Default::default(),
        properties: Default::default(),
    }
}

/// As people write them: two short assertions.
fn small(n: u64) -> Offer {
    let asserts = ["result.rows == 820", "result.mean in [355.0, 361.0]"];
    offer(n, Checks { schema: None, asserts: asserts.map(|text| text.parse().expect("an assertion")).to_vec() })
}

/// A schema of many properties and a dozen assertions.
fn large(n: u64) -> Offer {
    let property = |i: u32| (format!("column_{i}"), serde_json::json!({"type": "number", "minimum": 0, "maximum": i}));
    let properties: serde_json::Map<_, _> = (0..40).map(property).collect();
    let schema = serde_json::json!({"type": "object", "properties": properties});
    let assert = |i: u32| format!("result.column_{i} in [{i}.25, 1{i}.75]").parse().expect("an assertion");
    offer(n, Checks { schema: Schema::from_json(schema).ok(), asserts: (0..20).map(assert).collect() })
}

fn manifest(n: u64) -> Manifest {
    let entry = |i: u32| SkillEntry {
        path: format!("table/summarise/kind-{i}").parse().expect("a skill"),
        input: None,
        price: "0.02 USD per 1000 rows".parse().expect("a price"),
        constraint: None,
        expect: Millis::secs(20),
        output: None,
        properties: Default::default(),
    };
    Manifest {
        at: NOW,
        ext: Default::default(),
        seq: n,
        name: Text::fit("counter"),
        model: None,
        skills: List::fit((0..32).map(entry)),
        expires: NOW + Millis::hours(1),
        version: Text::fit("1.0.0"),
        recovery: None,
        principal: None,
    }
}

/// Microseconds each of `work`, over the batch.
fn time<T>(items: &[T], mut work: impl FnMut(&T)) -> f64 {
    let start = Instant::now();
    items.iter().for_each(&mut work);
    start.elapsed().as_secs_f64() * 1e6 / items.len() as f64
}

/// Median, and from the least to the most.
fn spread(mut numbers: Vec<f64>, digits: usize) -> String {
    numbers.sort_by(f64::total_cmp);
    let (least, most) = (numbers[0], numbers[numbers.len() - 1]);
    format!("{:.digits$} ({least:.digits$}..{most:.digits$})", numbers[numbers.len() / 2])
}

fn report(what: &str, with: &str, bare: &str, pairs: &[(f64, f64)]) {
    let ours = spread(pairs.iter().map(|pair| pair.0).collect(), 1);
    let base = spread(pairs.iter().map(|pair| pair.1).collect(), 1);
    let ratio = spread(pairs.iter().map(|(ours, base)| ours / base).collect(), 3);
    println!("{what}\n  {with:<20} {ours} us\n  {bare:<20} {base} us\n  {:<20} {ratio}", "ratio");
}

struct Bare {
    issuer: [u8; 32],
    signed: Vec<u8>,
    signature: [u8; 64],
}

fn bench<T: Payload + Clone>(name: &str, make: impl Fn(u64) -> T, insert: impl Fn(&mut Directory, Record) -> Insert) {
    let network = Network::new(NETWORK);
    let signers: Vec<_> = (0..BATCH).map(|n| Signer::new(&seed(n), network)).collect();
    let keys: Vec<_> = (0..BATCH).map(|n| SigningKey::from_bytes(&seed(n))).collect();
    let payloads: Vec<T> = (0..BATCH).map(make).collect();
    let records: Vec<Verified<T>> =
        signers.iter().zip(&payloads).map(|(signer, payload)| signer.sign(payload)).collect();
    let bare: Vec<Bare> = records
        .iter()
        .zip(&keys)
        .map(|(record, key)| {
            let (issuer, network) = (record.issuer().0, sha256(&[NETWORK.as_bytes()]).0);
            let payload = codec::encode(&**record);
            let signed = [b"gigmesh/", T::KIND.as_bytes(), b"\0", &network, &issuer, &payload].concat();
            let signature = key.sign(&signed).to_bytes();
            assert!(record.envelope().ends_with(&signature), "the same bytes are signed");
            Bare { issuer, signed, signature }
        })
        .collect();
    let envelopes: Vec<_> = records.iter().map(|record| record.envelope()).collect();

    let admit = || {
        let mut directory = Directory::default();
        time(&envelopes, |envelope| {
            let record = Record::admit(envelope, None, &network).expect("it was signed");
            assert_eq!(insert(&mut directory, record), Insert::New);
        })
    };
    let verify = || {
        time(&bare, |bare| {
            let key = VerifyingKey::from_bytes(&bare.issuer).expect("a key");
            let signature = Signature::from_bytes(&bare.signature);
            black_box(key.verify_strict(&bare.signed, &signature)).expect("it was signed");
        })
    };
    let sign = || {
        let items: Vec<_> = signers.iter().zip(&payloads).collect();
        time(&items, |(signer, payload)| drop(black_box(signer.sign(*payload))))
    };
    let sign_bare = || {
        let items: Vec<_> = keys.iter().zip(&bare).collect();
        time(&items, |(key, bare)| {
            black_box(key.sign(&bare.signed));
        })
    };
    let _ = (admit(), verify(), sign(), sign_bare()); // To warm up.
    let admissions: Vec<_> = (0..BATCHES).map(|_| (admit(), verify())).collect();
    let signings: Vec<_> = (0..BATCHES).map(|_| (sign(), sign_bare())).collect();
    let size = envelopes[0].len();
    report(&format!("{name}, {size} bytes: admission"), "admit and insert", "key and verify_strict", &admissions);
    report(&format!("{name}, {size} bytes: signing"), "Signer::sign", "bare sign", &signings);
}

fn main() {
    println!("{BATCHES} pairs of batches of {BATCH}; median (least..most)");
    let offer = |directory: &mut Directory, record| match record {
        Record::Offer(offer) => directory.insert_offer(NOW, offer),
        other => unreachable!("{other:?}"),
    };
    bench("offer", small, offer);
    bench("offer", large, offer);
    bench("manifest", manifest, |directory, record| match record {
        Record::Manifest(manifest) => directory.insert_manifest(NOW, manifest),
        other => unreachable!("{other:?}"),
    });
}
