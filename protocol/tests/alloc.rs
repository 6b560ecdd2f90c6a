//! What bytes from outside may cost before they are believed or refused: heap in proportion to their length.
//!
//! A binary of its own, for the allocator counts everything in the process.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use ciborium::Value;
use gigmesh_protocol::codec;
use gigmesh_protocol::limits;
use gigmesh_protocol::record::{Network, Record};
use gigmesh_protocol::wire::{Request, Response};
use peak_alloc::PeakAlloc;

#[path = "it/forge.rs"]
mod forge;
#[path = "it/samples.rs"]
mod samples;

#[global_allocator]
static HEAP: PeakAlloc = PeakAlloc;

/// Reading a message may take this much whatever it says: patterns are parsed one by one, each into at most a megabyte.
const BASE: usize = 2 << 20;
/// Times its length: an item of a list of pairs is that much larger in memory than the fewest bytes it can be sent in.
const TIMES: usize = 40;

fn assert_bounded(what: &str, bytes: &[u8]) {
    HEAP.reset_peak_usage();
    let before = HEAP.current_usage();
    let _ = Record::admit(bytes, None, &Network::new(samples::NETWORK));
    let _ = Request::decode(bytes);
    let _ = Response::decode(bytes);
    let peak = HEAP.peak_usage().saturating_sub(before);
    assert!(peak <= BASE + TIMES * bytes.len(), "{what}: {} bytes took {peak}", bytes.len());
}

/// The head of an array, map or string that claims more than anybody can send.
fn head(major: u8) -> Vec<u8> {
    [&[major << 5 | 27], &u64::MAX.to_be_bytes()[..]].concat()
}

// One test: its neighbours would be counted too.
#[test]
fn heap_stays_in_proportion_to_what_was_sent() {
    for (name, record) in samples::all() {
        assert_bounded(&name, record.envelope());
        let unsigned = forge::with(record.envelope(), "signature", Value::Bytes(vec![0; limits::MESSAGE]));
        assert_bounded(&name, &unsigned);
        // Every place of the payload where a longer string, array or map may be claimed.
        let payload = forge::payload(record.envelope());
        for at in 0..payload.len() {
            for major in 2..6 {
                let claimed = [&payload[..at], &head(major), &payload[at..]].concat();
                if claimed.len() <= limits::SMALL && at % 5 == 0 {
                    assert_bounded(&name, &forge::by_requester(record.kind(), &claimed));
                }
            }
        }
    }
    let requests = samples::requests().into_iter().map(|request| request.encode());
    let responses = samples::responses().into_iter().map(|response| response.encode());
    requests.chain(responses).for_each(|message| assert_bounded("a message", &message));
    for major in 2..6 {
        assert_bounded("a head", &head(major));
        let many = [vec![major << 5 | 1; limits::MESSAGE - 1], vec![0]].concat();
        assert_bounded("nesting", &many);
    }
    let text = |text: &str| Value::Text(text.to_owned());
    let parcel = |items: Value| codec::encode(&Value::Map(vec![(text("parcel"), items)]));
    assert_bounded("empty items", &parcel(Value::Array(vec![Value::Map(Vec::new()); 100_000])));
    let full = vec![0; limits::MESSAGE / limits::PARCEL_ITEMS - 32];
    let item = Value::Map(vec![(text("record"), Value::Bytes(full))]);
    assert_bounded("a full parcel", &parcel(Value::Array(vec![item; limits::PARCEL_ITEMS])));
    let offer = samples::samples(true).into_iter().find(|record| record.kind() == "offer/1").unwrap();
    let offer_of = |key: &str, value: Value| {
        let mut payload = forge::value(&forge::payload(offer.envelope()));
        *forge::entry(forge::entry(&mut payload, "checks"), key) = value;
        forge::by_requester("offer/1", &codec::encode(&payload))
    };
    for piece in ["\\W", "\\p{L}", "\\P{Lu}", "[\\p{L}\\p{N}]", "\\cA", "(a|b)*", "(", "a{9}"] {
        for len in [limits::PATTERN, limits::PATTERN / 2, 8 * 1024] {
            let pattern = piece.repeat(len / piece.len());
            let one = serde_json::json!({ "pattern": pattern }).to_string();
            let count = (limits::OFFER - 2048) / (one.len() + 1);
            let schema =
                serde_json::json!({"allOf": vec![serde_json::json!({ "pattern": pattern }); count.clamp(1, 64)]});
            assert_bounded(piece, &offer_of("schema", text(&schema.to_string())));
            let assert = text(&format!("result matches /{pattern}/"));
            assert_bounded(piece, &offer_of("asserts", Value::Array(vec![assert; limits::ASSERTS])));
        }
    }
}
