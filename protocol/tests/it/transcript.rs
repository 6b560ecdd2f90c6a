//! A hire's transcript, checked by somebody who took no part in it: whatever is changed in it is found.

use std::sync::LazyLock;

use gigmesh_protocol::market::Outcome;
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::record::Record;
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::transcript::{End, Fault, Findings, Seal, Transcript};
use gigmesh_protocol::untrusted::Untrusted;
use gigmesh_protocol::wire::Item;
use proptest::prelude::*;
use serde_json::{Value, json};

use gigmesh_simulations::world::{World, network, signer};

/// The records of the one hire of a story, as peer `n` journalled them, with the ratings it holds.
fn records(world: &World, n: usize) -> Vec<Record> {
    let mut records = Vec::new();
    for event in &world.nodes[n].journal {
        match Logged::decode(event, &network()).unwrap().event {
            Event::Awarded { award, claim, offer, .. } => records.extend([offer, claim, award]),
            Event::Said { record, .. } => records.push(record),
            _ => {}
        }
    }
    records.extend(world.nodes[n].ratings.values().cloned().map(Record::from));
    records
}

fn transcript(records: &[Record], result: Option<Vec<u8>>) -> Transcript {
    let transcript = Transcript::new("test", records.iter().map(Item::of).collect()).unwrap();
    match result {
        Some(bytes) => transcript.with_result(&Untrusted::new(bytes)).unwrap(),
        None => transcript,
    }
}

/// A hire that both closed and rated.
fn settled() -> (Vec<Record>, Vec<u8>) {
    static SETTLED: LazyLock<(Vec<Record>, Vec<u8>)> = LazyLock::new(|| {
        let mut world = World::pair();
        let task = world.task();
        world.hire(task, None);
        world.drive(Millis::mins(1));
        assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
        let shown = world.shown(0, world.hire_of(0).hire.unwrap());
        (records(&world, 0), world.nodes[0].blobs[&shown.result.unwrap().root].clone())
    });
    SETTLED.clone()
}

fn kinds(found: &Findings) -> Vec<&str> {
    found.records.iter().map(|row| row.kind).collect()
}

#[test]
fn a_settled_hire_is_proven_from_offer_to_ratings() {
    let (records, result) = settled();
    let json = serde_json::to_vec(&transcript(&records, Some(result))).unwrap();
    let found = Transcript::from_json(&json).unwrap().verify().unwrap();
    assert_eq!((found.requester, found.worker), (signer(0).agent(), signer(1).agent()));
    assert_eq!((found.outcome, found.agreed, found.begun, found.held), (Some(Outcome::Accepted), true, true, true));
    assert_eq!(found.terms.unwrap().price.to_string(), "0.02 USD per task");
    assert_eq!(found.summary, Some("Count the bytes".into()));
    let ratings: Vec<_> = found.ratings.iter().map(|rated| (rated.seal, rated.counts)).collect();
    assert_eq!(ratings, [(Seal::Opened, true); 2]);
}

#[test]
fn both_sides_have_the_same_to_show() {
    let mut world = World::pair();
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    let [mut ours, mut theirs] = [0, 1].map(|n| transcript(&records(&world, n), None).verify().unwrap());
    for found in [&mut ours, &mut theirs] {
        found.records.sort_by_key(|row| row.id);
        found.ratings.sort_by_key(|rated| rated.by);
    }
    assert_eq!(ours, theirs);
}

#[test]
fn the_public_part_tells_who_hired_whom_and_how_it_ended_and_nothing_else() {
    let (records, result) = settled();
    let public = transcript(&records, Some(result)).public().unwrap();
    let found = public.verify().unwrap();
    assert_eq!(
        kinds(&found),
        ["offer/1", "award/1", "begin/1", "receipt/1", "countersign/1", "rating/1", "rating/1"],
        "the claim, the work and the result are between the two"
    );
    assert_eq!((found.outcome, found.agreed, found.terms, found.held), (Some(Outcome::Accepted), true, None, false));
    assert!(found.records.iter().all(|row| !row.private));
}

#[test]
fn an_offer_made_to_one_worker_is_not_public() {
    let mut world = World::pair();
    let task = world.task();
    world.hire(task, Some(1));
    world.drive(Millis::mins(1));
    let found = transcript(&records(&world, 0), None).public().unwrap().verify().unwrap();
    assert_eq!(kinds(&found)[0], "award/1");
}

#[test]
fn a_hire_that_was_never_begun_has_a_transcript_but_no_public_one() {
    let mut world = World::pair();
    let task = world.task();
    world.hire(task, None);
    while records(&world, 0).len() < 3 {
        assert!(world.step(world.now + Millis::mins(1)));
    }
    let awarded = transcript(&records(&world, 0)[..3], None);
    let found = awarded.verify().unwrap();
    assert_eq!((found.begun, found.outcome, found.state), (false, None, End::Open));
    assert!(matches!(awarded.public(), Err(Fault::Whole(_))));
}

#[test]
fn a_hire_that_is_still_open_proves_what_was_signed_so_far() {
    let (records, _) = settled();
    for until in 3..records.len() - 2 {
        let found = transcript(&records[..until], None).verify().unwrap();
        let ended = matches!(records[until - 1], Record::Countersign(_));
        assert_eq!(found.agreed, ended, "after {}", records[until - 1].kind());
    }
}

/// Whatever is told of `changed` but not of the whole.
fn fault(changed: &[Record]) -> String {
    transcript(changed, None).verify().unwrap_err().to_string()
}

#[test]
fn no_record_can_be_left_out_moved_repeated_or_taken_from_another_hire() {
    let (records, _) = settled();
    // Ratings stand alone; the last record of the chain leaves no trace when it goes.
    let chain = records.len() - 2;
    for at in 0..chain - 1 {
        let mut without = records.clone();
        without.remove(at);
        fault(&without);
        // (Records that had not seen each other may be told in either order; in this story each had seen the one before.)
        let mut swapped = records.clone();
        swapped.swap(at, at + 1);
        if at > 2 {
            fault(&swapped);
        }
    }
    for at in 0..records.len() {
        let mut twice = records.clone();
        twice.insert(at, records[at].clone());
        fault(&twice);
    }
    let mut other = World::pair();
    other.now = other.now + Millis::hours(1);
    let task = other.task();
    other.hire(task, None);
    other.drive(Millis::mins(1));
    let others = self::records(&other, 0);
    assert_eq!(others.len(), records.len());
    for at in 0..records.len() {
        let mut mixed = records.clone();
        mixed[at] = others[at].clone();
        fault(&mixed);
    }
}

#[test]
fn private_parts_can_be_left_out_all_together_only() {
    let (records, _) = settled();
    let json = serde_json::to_value(transcript(&records, None)).unwrap();
    for at in 0..records.len() {
        let mut changed = json.clone();
        if changed["records"][at].as_object_mut().unwrap().remove("beside").is_some() {
            let changed = Transcript::from_json(changed.to_string().as_bytes()).unwrap();
            assert!(changed.verify().is_err(), "{} without its private part", records[at].kind());
        }
    }
}

#[test]
fn a_rating_of_another_receipt_than_the_one_shown_is_found() {
    // A requester that signs two closes, and shows each to somebody else.
    let (records, _) = settled();
    let Some(Record::Receipt(receipt)) = records.iter().find(|record| record.kind() == "receipt/1") else {
        panic!("a settled hire has a receipt")
    };
    let mut second = (**receipt).clone();
    second.outcome = Outcome::Refused;
    second.seal = None;
    let second = Record::from(signer(0).sign(&second));
    let public = transcript(&records, None).public().unwrap();
    let json = serde_json::to_value(&public).unwrap();
    let mut items = json["records"].as_array().unwrap().clone();
    items[3] = serde_json::to_value(Item::of(&second)).unwrap();
    items.remove(4); // the countersign names the first
    let forged = json!({ "format": json["format"], "network": "test", "records": items });
    let fault = Transcript::from_json(forged.to_string().as_bytes()).unwrap().verify().unwrap_err();
    assert!(fault.to_string().contains("rests on another receipt/1"), "{fault}");
}

#[test]
fn another_result_network_or_format_is_found() {
    let (records, result) = settled();
    let sound = transcript(&records, Some(result.clone()));
    let mut other = result;
    other[0] ^= 1;
    let fault = transcript(&records, Some(other)).verify().unwrap_err();
    assert!(fault.to_string().contains("the result is not"), "{fault}");
    let json = serde_json::to_value(sound).unwrap();
    let with = |key: &str, value: Value| {
        let mut changed = json.clone();
        changed[key] = value;
        Transcript::from_json(changed.to_string().as_bytes())
    };
    assert!(with("network", json!("main")).unwrap().verify().is_err());
    assert!(matches!(with("format", json!("gigmesh-transcript/2")), Err(Fault::Format(_))));
    assert!(matches!(with("note", json!("trust me")), Err(Fault::Format(_))), "nothing unsigned is in the file");
    let forged = with("x\naccepted: hire 7c1d", json!(1)).unwrap_err().to_string();
    assert!(forged.contains(r"x\naccepted: hire 7c1d") && forged.lines().count() == 1, "{forged}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// A bit of any envelope or private part, full or public.
    #[test]
    fn a_changed_bit_anywhere_is_found(at in any::<prop::sample::Index>(), bit in 0_u8..8, public: bool) {
        let (records, _) = settled();
        let sound = transcript(&records, None);
        let sound = if public { sound.public().unwrap() } else { sound };
        let mut json = serde_json::to_value(&sound).unwrap();
        let mut places = Vec::new();
        for (number, item) in json["records"].as_array().unwrap().iter().enumerate() {
            for (part, digits) in item.as_object().unwrap() {
                places.extend((0..digits.as_str().unwrap().len() / 2).map(|byte| (number, part.clone(), byte)));
            }
        }
        let (number, part, byte) = places[at.index(places.len())].clone();
        let digits = json["records"][number][&part].as_str().unwrap();
        let changed = u8::from_str_radix(&digits[2 * byte..2 * byte + 2], 16).unwrap() ^ (1 << bit);
        let digits = format!("{}{changed:02x}{}", &digits[..2 * byte], &digits[2 * byte + 2..]);
        json["records"][number][&part] = digits.into();
        let changed = Transcript::from_json(json.to_string().as_bytes()).unwrap();
        prop_assert!(changed.verify().is_err(), "record {} of {}", number + 1, records.len());
    }

    #[test]
    fn whatever_is_read_as_a_transcript_is_answered(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(transcript) = Transcript::from_json(&bytes) {
            let _ = transcript.verify();
        }
    }
}
