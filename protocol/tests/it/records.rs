//! What may be believed: every kind goes out and comes in as the same bytes, and nothing else comes in.

use ciborium::Value;
use gigmesh_protocol::codec::{self, DecodeError};
use gigmesh_protocol::gossip;
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::limits;
use gigmesh_protocol::market::*;
use gigmesh_protocol::record::{Network, Record, Refusal, Signer, Verified};
use gigmesh_protocol::wire::{Request, Response};
use proptest::prelude::*;
use proptest::sample::Index;

use crate::forge::{by_requester, entry, payload, signed, value, with};
use crate::samples::{self, all, network, samples};

fn admit(envelope: &[u8]) -> Result<Record, Refusal> {
    Record::admit(envelope, None, &network())
}

fn sample(kind: &str, full: bool) -> Record {
    samples(full).into_iter().find(|record| record.kind() == kind).unwrap()
}

/// RFC 8949 section 4.2.1: keys in the bytewise order of their encodings; and of our own: no tags, floats or null.
fn assert_deterministic(value: &Value, place: &str) {
    match value {
        Value::Map(entries) => {
            let keys: Vec<_> = entries.iter().map(|(key, _)| codec::encode(key)).collect();
            assert!(keys.is_sorted_by(|a, b| a < b), "the keys of {place} are out of order: {entries:?}");
            entries.iter().for_each(|(key, value)| assert_deterministic(value, &format!("{place} {key:?}")));
        }
        Value::Array(items) => items.iter().for_each(|item| assert_deterministic(item, place)),
        Value::Integer(_) | Value::Bytes(_) | Value::Text(_) | Value::Bool(_) => {}
        other => panic!("{place} holds {other:?}"),
    }
}

#[test]
fn there_is_a_sample_of_every_kind() {
    for full in [false, true] {
        let made: Vec<_> = samples(full).iter().map(Record::kind).collect();
        let kinds: Vec<_> = Record::KINDS.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(made.len(), kinds.len());
        assert!(kinds.iter().all(|kind| made.contains(kind)), "{made:?}");
    }
}

#[test]
fn keys_are_in_the_order_of_the_deterministic_encoding() {
    for (name, record) in all() {
        assert_deterministic(&value(record.envelope()), &name);
        assert_deterministic(&value(&payload(record.envelope())), &name);
        record.beside().iter().for_each(|beside| assert_deterministic(&value(beside), &name));
    }
    samples::requests().iter().for_each(|request| assert_deterministic(&value(&request.encode()), "request"));
    samples::responses().iter().for_each(|response| assert_deterministic(&value(&response.encode()), "response"));
}

#[test]
fn what_was_signed_is_admitted_as_it_was() {
    for (name, record) in all() {
        let admitted = Record::admit(record.envelope(), record.beside(), &network()).expect(&name);
        let replayed = Record::from_journal(record.envelope(), record.beside(), &network()).expect(&name);
        for back in [admitted, replayed] {
            assert_eq!(back, record);
            assert_eq!((back.id(), back.issuer()), (record.id(), record.issuer()), "{name}");
            assert_eq!((back.to_json(), back.private_json()), (record.to_json(), record.private_json()), "{name}");
        }
        let alone = admit(record.envelope()).expect("a record is believed without its private part");
        assert_eq!((alone.beside(), alone.private_json()), (None, None));
        assert!(record.envelope().len() <= payload(record.envelope()).len() + limits::ENVELOPE_OVERHEAD);
    }
}

#[test]
fn the_longest_payload_of_every_kind_fits_an_envelope() {
    for (kind, max) in Record::KINDS {
        let envelope = by_requester(kind, &vec![0; *max]);
        assert!(envelope.len() <= limits::RECORD && envelope.len() <= max + limits::ENVELOPE_OVERHEAD, "{kind}");
        assert!(kind.len() <= limits::KIND_NAME);
        let longer = admit(&by_requester(kind, &vec![0; max + 1]));
        assert!(matches!(longer, Err(Refusal::Decode(DecodeError::TooLong { .. }))), "{kind}: {longer:?}");
    }
}

#[test]
fn a_verdict_can_hold_all_that_may_fail_and_was_sealed() {
    let Record::Verdict(verdict) = sample("verdict/1", true) else { unreachable!() };
    let line = |n: usize| format!("result == \"{n:0500}\"");
    let asserts = (0..limits::ASSERTS).map(|n| line(n).parse().unwrap()).collect();
    let longest = Verdict {
        failed: codec::List::fit((0..limits::FAILED_CHECKS).map(|n| codec::Text::fit(&line(n)))),
        opened: Some(checks::Sealed { salt: Bytes32([9; 32]), checks: asserts }),
        note: Some(codec::Text::fit(&"x".repeat(limits::NOTE))),
        ..(*verdict).clone()
    };
    let longest = samples::requester().sign(&longest);
    assert_eq!(admit(longest.envelope()), Ok(longest.into()));
}

#[test]
fn no_bit_of_an_envelope_can_be_flipped() {
    let record = samples(false).into_iter().min_by_key(|record| record.envelope().len()).unwrap();
    for bit in 0..record.envelope().len() * 8 {
        let mut flipped = record.envelope().to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(admit(&flipped).is_err(), "bit {bit} of {record:?}");
    }
}

#[test]
fn no_bit_of_a_private_part_can_be_flipped() {
    for record in samples(false) {
        let Some(beside) = record.beside() else { continue };
        for bit in 0..beside.len() * 8 {
            let mut flipped = beside.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let refusal = Record::admit(record.envelope(), Some(&flipped), &network());
            assert_eq!(refusal, Err(Refusal::Beside), "bit {bit} beside {record:?}");
        }
    }
}

#[test]
fn a_private_part_belongs_to_its_own_record() {
    let (award, begin) = (sample("award/1", true), sample("begin/1", true));
    assert_eq!(Record::admit(award.envelope(), begin.beside(), &network()), Err(Refusal::Beside));
    let cancel = sample("cancel/1", true);
    assert_eq!(Record::admit(cancel.envelope(), award.beside(), &network()), Err(Refusal::Beside), "it has none");
}

#[test]
fn an_envelope_is_whole_and_alone() {
    for (name, record) in all() {
        let envelope = record.envelope();
        assert!((0..envelope.len()).step_by(7).all(|end| admit(&envelope[..end]).is_err()), "{name}");
        assert_eq!(admit(&[envelope, &[0]].concat()), Err(Refusal::Decode(DecodeError::NotCanonical)), "{name}");
    }
    assert!(admit(&[]).is_err());
    let vast = vec![0; limits::RECORD + 1];
    assert!(matches!(admit(&vast), Err(Refusal::Decode(DecodeError::TooLong { .. }))));
}

#[test]
fn a_record_of_one_network_kind_or_issuer_is_none_of_another() {
    for (name, record) in all() {
        let elsewhere = Record::admit(record.envelope(), None, &Network::new("elsewhere"));
        assert_eq!(elsewhere, Err(Refusal::Signature), "{name}");
        let other = if record.kind() == "cancel/1" { "contest/1" } else { "cancel/1" };
        let renamed = with(record.envelope(), "kind", Value::Text(other.to_owned()));
        let known = Record::KINDS.iter().find(|(kind, _)| *kind == other).unwrap();
        if payload(record.envelope()).len() <= known.1 {
            assert_eq!(admit(&renamed), Err(Refusal::Signature), "{name}");
        }
        let stranger = Signer::new(&[77; 32], network()).agent();
        let taken = with(record.envelope(), "issuer", Value::Bytes(stranger.0.to_vec()));
        assert_eq!(admit(&taken), Err(Refusal::Signature), "{name}");
    }
}

/// Every encoding of a point of small order (the eight points, and the forms that reduce to one of them): a signature
/// by such a key can be made by anybody, for any message.
const WEAK: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

#[test]
fn a_key_that_anybody_can_sign_for_is_no_issuer() {
    let record = sample("contact/1", false);
    for key in WEAK {
        let key: Bytes32 = key.parse().unwrap();
        // R = the key's own bytes or the identity, s = 0: what passes a lenient check of a small-order key.
        for r in [key, WEAK[0].parse().unwrap()] {
            let weak = with(record.envelope(), "issuer", Value::Bytes(key.0.to_vec()));
            let forged = with(&weak, "signature", Value::Bytes([r.0, [0; 32]].concat()));
            assert_eq!(admit(&forged), Err(Refusal::Key), "{key}");
        }
    }
    let no_point = with(record.envelope(), "issuer", Value::Bytes(vec![2; 32]));
    assert_eq!(admit(&no_point), Err(Refusal::Key));
}

#[test]
fn a_signature_has_one_form() {
    // s + the group order is the same scalar to a lenient check.
    let order: Bytes32 = "edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010".parse().unwrap();
    for (name, record) in all() {
        let mut signature = entry(&mut value(record.envelope()), "signature").as_bytes().unwrap().clone();
        let mut carry = 0;
        for (byte, more) in signature[32..].iter_mut().zip(order.0) {
            let sum = u16::from(*byte) + u16::from(more) + carry;
            (*byte, carry) = (sum as u8, sum >> 8);
        }
        let again = with(record.envelope(), "signature", Value::Bytes(signature));
        assert_eq!(admit(&again), Err(Refusal::Signature), "{name}");
    }
}

#[test]
fn kinds_and_versions_of_later_releases_are_ignored_without_blame() {
    let offer = sample("offer/1", true);
    for kind in ["offer/2", "succession/1", "Offer/1", "", "offer"] {
        let refusal = admit(&by_requester(kind, &payload(offer.envelope()))).unwrap_err();
        assert_eq!(refusal, Refusal::UnknownKind(kind.to_owned()));
        assert!(refusal.is_innocent());
        assert_eq!(gossip::Verdict::of(&refusal), gossip::Verdict::Ignore);
    }
    let long = "x".repeat(limits::KIND_NAME + 1);
    assert!(matches!(admit(&by_requester(&long, &[])), Err(Refusal::Decode(_))));
    let forged = admit(&with(offer.envelope(), "issuer", Value::Bytes(vec![2; 32]))).unwrap_err();
    assert_eq!(gossip::Verdict::of(&forged), gossip::Verdict::Reject);
}

#[test]
fn a_signature_does_not_excuse_a_second_form() {
    let good = payload(sample("cancel/1", true).envelope());
    let Value::Map(entries) = value(&good) else { unreachable!() };
    let resigned = |payload: &[u8]| admit(&by_requester("cancel/1", payload));
    assert!(resigned(&good).is_ok());
    let map = |entries: Vec<(Value, Value)>| codec::encode(&Value::Map(entries));
    let changed = |change: fn(&mut Vec<(Value, Value)>)| {
        let mut entries = entries.clone();
        change(&mut entries);
        map(entries)
    };
    let n = good.windows(3).position(|bytes| bytes == b"an\x02").unwrap() + 2;
    for (what, payload) in [
        ("keys out of order", changed(|entries| entries.swap(0, 1))),
        ("a key twice", changed(|entries| entries.push(entries[3].clone()))),
        ("an unknown key", changed(|entries| entries.push((Value::Text("severity".to_owned()), 1.into())))),
        ("a missing key", changed(|entries| entries.truncate(3))),
        ("null for absent", changed(|entries| entries[0].1 = Value::Null)),
        ("an empty map that should be absent", changed(|entries| entries[0].1 = Value::Map(Vec::new()))),
        ("a text for bytes", changed(|entries| entries[1].1 = Value::Text("00".repeat(32)))),
        ("bytes as an array", changed(|entries| entries[1].1 = Value::Array(vec![1.into(); 32]))),
        ("a tag", changed(|entries| entries[1].1 = Value::Tag(2, Box::new(entries[1].1.clone())))),
        ("a long integer", [&good[..n], &[0x18, 2], &good[n + 1..]].concat()),
        ("a float", [&good[..n], &[0xf9, 0x40, 0x00], &good[n + 1..]].concat()),
        ("an indefinite map", [&[0xbf], &good[1..], &[0xff]].concat()),
        ("something after it", [&good[..], &[0xf6]].concat()),
        ("nothing", Vec::new()),
    ] {
        let refusal = resigned(&payload);
        assert!(matches!(refusal, Err(Refusal::Decode(_))), "{what}: {refusal:?}");
        assert!(!refusal.unwrap_err().is_innocent());
    }
}

#[test]
fn what_breaks_a_rule_of_its_kind_is_refused_whoever_signed_it() {
    fn refused<T: record::Payload + Clone>(good: &Verified<T>, breaks: &[fn(&mut T)]) {
        for (n, change) in breaks.iter().enumerate() {
            let mut bad: T = (**good).clone();
            change(&mut bad);
            let refusal = admit(Signer::new(&samples::REQUESTER, network()).sign(&bad).envelope());
            assert!(matches!(refusal, Err(Refusal::Invalid(_))), "{} {n}: {refusal:?}", T::KIND);
        }
    }
    use gigmesh_protocol::record;
    use gigmesh_protocol::time::{Millis, Timestamp};
    for record in samples(true) {
        match &record {
            Record::Manifest(manifest) => refused(
                manifest,
                &[
                    |m| m.skills = codec::List::default(),
                    |m| m.expires = m.at,
                    |m| m.expires = m.at + limits::MANIFEST_LIFE + Millis(1),
                    |m| m.skills = codec::List::fit([m.skills[0].clone(), m.skills[0].clone()]),
                ],
            ),
            Record::Offer(offer) => refused(
                offer,
                &[
                    |o| o.slots = limits::SLOTS + 1,
                    |o| o.expires = o.at,
                    |o| o.expires = o.at + limits::OFFER_LIFE + Millis(1),
                    |o| o.bids = o.at - Millis(1),
                    |o| o.bids = o.expires,
                    |o| o.done = Millis(0),
                    |o| o.done = limits::WORK + Millis(1),
                    |o| o.review = Millis(0),
                    |o| o.review = limits::REVIEW + Millis(1),
                    |o| (o.at, o.expires) = (Timestamp(u64::MAX), Timestamp(0)),
                ],
            ),
            Record::Contact(contact) => {
                refused(contact, &[|c| c.expires = c.at, |c| c.expires = c.at + limits::CONTACT_LIFE + Millis(1)])
            }
            Record::Claim(claim) => {
                let mine = Signer::new(&samples::REQUESTER, network())
                    .sign(&Claim { requester: samples::worker().agent(), ..(**claim).clone() });
                let own = |c: &mut Claim| c.requester = Signer::new(&samples::REQUESTER, network()).agent();
                refused(&mine, &[own, |c| c.until = c.at, |c| c.until = c.at + limits::CLAIM_LIFE + Millis(1)]);
            }
            Record::Award(award) => refused(
                award,
                &[
                    |a| a.worker = Signer::new(&samples::REQUESTER, network()).agent(),
                    |a| a.slot = limits::SLOTS,
                    |a| a.round = limits::ROUNDS,
                    |a| a.round = 0,
                    |a| a.replaces = None,
                ],
            ),
            Record::Brief(brief) => refused(
                brief,
                &[
                    |b| b.params = Some("{".try_into().unwrap()),
                    |b| b.inputs = codec::List::fit([b.inputs[0].clone(), b.inputs[0].clone()]),
                    |b| {
                        b.inputs = codec::List::fit([Input { name: "../x".try_into().unwrap(), ..b.inputs[0].clone() }])
                    },
                    |b| b.inputs = codec::List::fit([Input { name: "".try_into().unwrap(), ..b.inputs[0].clone() }]),
                    |b| {
                        let blob = BlobRef { size: limits::BLOB + 1, ..b.inputs[0].blob };
                        b.inputs = codec::List::fit([Input { blob, ..b.inputs[0].clone() }]);
                    },
                ],
            ),
            Record::Progress(progress) => refused(progress, &[|p| p.percent = 101]),
            Record::Delivery(delivery) => {
                refused(delivery, &[|d| d.checked = 1001, |d| d.blob.size = limits::RESULT + 1])
            }
            Record::Verdict(verdict) => refused(verdict, &[|v| v.ruling = Ruling::Accepted]),
            Record::Decision(decision) => {
                refused(decision, &[|d| d.ruling = Ruling::Unserved, |d| d.ruling = Ruling::Changes(samples::AT)])
            }
            Record::Receipt(receipt) => {
                refused(receipt, &[|r| r.outcome = Outcome::Lapsed, |r| r.outcome = Outcome::Contested])
            }
            // Below, with the permits.
            Record::Rating(_) => {}
            Record::Opened(news) => refused(news, &[|n| n.ratings = codec::List::default()]),
            Record::Begin(_)
            | Record::Decline(_)
            | Record::Withdraw(_)
            | Record::Question(_)
            | Record::Answer(_)
            | Record::Ack(_)
            | Record::Cancel(_)
            | Record::Contest(_)
            | Record::Reject(_)
            | Record::Consent(_)
            | Record::Countersign(_) => {} // Their types say all there is to say.
        }
    }
}

#[test]
fn extensions_are_carried_and_ignored_up_to_their_bound() {
    let Record::Question(question) = sample("question/1", false) else { unreachable!() };
    let with_ext = |entries: usize, len| {
        let more = Question { ext: samples::ext(entries as u64, len), ..(*question).clone() };
        samples::worker().sign(&more)
    };
    let full = with_ext(limits::EXT_ENTRIES, limits::EXT_VALUE);
    assert_eq!(admit(full.envelope()), Ok(full.clone().into()));
    assert_ne!(full.id(), question.id());
    assert_eq!(full.text, question.text);
    let oversized = |entries: usize, len: usize| {
        let mut payload = value(&payload(full.envelope()));
        let map = (0..entries as u64).map(|n| (n.into(), Value::Bytes(vec![7; len]))).collect();
        *entry(&mut payload, "ext") = Value::Map(map);
        admit(&by_requester("question/1", &codec::encode(&payload)))
    };
    assert!(oversized(limits::EXT_ENTRIES, 0).is_ok());
    assert!(matches!(oversized(limits::EXT_ENTRIES + 1, 0), Err(Refusal::Decode(_))));
    assert!(matches!(oversized(1, limits::EXT_VALUE + 1), Err(Refusal::Decode(_))));
}

#[test]
fn a_rating_needs_the_permit_of_its_own_hire() {
    let Record::Rating(rating) = sample("rating/1", true) else { unreachable!() };
    let (requester, worker) = (samples::requester(), samples::worker());
    let part = |record: &Record| record.envelope().to_vec().try_into().unwrap();
    let refused = |what: &str, signer: &Signer, change: &dyn Fn(&mut Rating)| {
        let mut bad: Rating = (*rating).clone();
        change(&mut bad);
        let refusal = admit(signer.sign(&bad).envelope());
        assert!(matches!(refusal, Err(Refusal::Invalid(_))), "{what}: {refusal:?}");
    };
    let accepted = |what: &str, signer: &Signer, change: &dyn Fn(&mut Rating)| {
        let mut good: Rating = (*rating).clone();
        change(&mut good);
        let signed = signer.sign(&good);
        assert_eq!(admit(signed.envelope()), Ok(signed.into()), "{what}");
    };

    accepted("as it is", &requester, &|_| {});
    let day = rating.day;
    accepted("as the day began elsewhere", &requester, &|r| r.day = day - 1);
    refused("of before the hire", &requester, &|r| r.day = day - 2);
    accepted("as late as can be", &requester, &|r| r.day = day + limits::RATED_WITHIN);
    refused("freshened up", &requester, &|r| r.day = day + limits::RATED_WITHIN + 1);
    accepted("before a close", &requester, &|r| {
        (r.permit.receipt, r.permit.countersign, r.opening) = (None, None, None);
    });
    accepted("of a vanished requester, by the worker", &worker, &|r| {
        (r.permit.receipt, r.permit.countersign, r.opening) = (None, None, None);
        r.judgement.subject = samples::requester().agent();
    });

    // The same hire's other award, with nothing optional: another id.
    let foreign = samples(false);
    let foreign = |kind: &str| part(foreign.iter().find(|record| record.kind() == kind).unwrap());
    refused("a foreign award", &requester, &|r| r.permit.award = foreign("award/1"));
    refused("a foreign begin", &requester, &|r| r.permit.begin = foreign("begin/1"));
    refused("a foreign receipt", &requester, &|r| r.permit.receipt = Some(foreign("receipt/1")));
    refused("a foreign countersign", &requester, &|r| r.permit.countersign = Some(foreign("countersign/1")));
    refused("a foreign hire", &requester, &|r| r.judgement.hire = HireId::from_bytes([3; 32]));
    refused("an award for a begin", &requester, &|r| r.permit.begin = r.permit.award.clone());
    refused("no begin", &requester, &|r| r.permit.begin = Vec::new().try_into().unwrap());
    refused("no award", &requester, &|r| r.permit.award = Vec::new().try_into().unwrap());
    refused("a countersign without its receipt", &requester, &|r| {
        (r.permit.receipt, r.opening) = (None, None);
    });
    refused("a part with a broken signature", &requester, &|r| {
        let mut broken = r.permit.begin.to_vec();
        let last = broken.len() - 1;
        broken[last] ^= 1;
        r.permit.begin = broken.try_into().unwrap();
    });
    refused("a begin by the requester", &requester, &|r| {
        let begin: Begin = codec::decode(&payload(&r.permit.begin), limits::SMALL).unwrap();
        r.permit.begin = samples::requester().sign(&begin).envelope().to_vec().try_into().unwrap();
    });
    refused("a receipt by the worker", &requester, &|r| {
        let receipt: Receipt = codec::decode(&payload(r.permit.receipt.as_ref().unwrap()), limits::SMALL).unwrap();
        r.permit.receipt = Some(samples::worker().sign(&receipt).envelope().to_vec().try_into().unwrap());
        (r.permit.countersign, r.opening) = (None, None);
    });
    refused("a stranger", &Signer::new(&[9; 32], network()), &|_| {});
    refused("the subject is the rater", &requester, &|r| r.judgement.subject = samples::requester().agent());
    refused("the subject is nobody", &requester, &|r| r.judgement.subject = AgentId([5; 32]));
    refused("the wrong opening", &requester, &|r| r.opening = Some(Bytes32([4; 32])));
    refused("another judgement than was sealed", &requester, &|r| r.judgement.scores.quality = Some(0));
    refused("an opening of no seal", &worker, &|r| r.judgement.subject = samples::requester().agent());
    refused("a score over 1000", &requester, &|r| {
        (r.judgement.scores.speed, r.opening) = (Some(1001), None);
    });
    refused("no score", &requester, &|r| (r.judgement.scores, r.opening) = (Scores::default(), None));

    let elsewhere = Signer::new(&samples::REQUESTER, Network::new("elsewhere")).sign(&*rating);
    let refusal = Record::admit(elsewhere.envelope(), None, &Network::new("elsewhere"));
    assert!(matches!(refusal, Err(Refusal::Invalid(_))), "a permit of one network proves nothing in another");
}

#[test]
fn peers_speak_in_one_form() {
    for request in samples::requests() {
        let bytes = request.encode();
        assert_eq!(Request::decode(&bytes), Ok(request));
        assert!(Response::decode(&bytes).is_err() && Request::decode(&[&bytes[..], &[0]].concat()).is_err());
    }
    for response in samples::responses() {
        let bytes = response.encode();
        assert_eq!(Response::decode(&bytes), Ok(response));
        assert!((0..bytes.len()).all(|end| Response::decode(&bytes[..end]).is_err()));
    }
    let item = samples::requests()[0].clone();
    let Request::Parcel(items) = item else { unreachable!() };
    let many = Value::Array(vec![value(&codec::encode(&items[0])); limits::PARCEL_ITEMS + 1]);
    let parcel = Value::Map(vec![(Value::Text("parcel".to_owned()), many)]);
    assert!(Request::decode(&codec::encode(&parcel)).is_err());
}

/// Bytes changed, cut out, doubled: what a careless or hostile sender makes of good ones.
fn mutate(bytes: &[u8], changes: &[(Index, u8, u8)]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for (at, how, byte) in changes {
        if bytes.is_empty() {
            break;
        }
        let at = at.index(bytes.len());
        match how % 4 {
            0 => bytes[at] = *byte,
            1 => drop(bytes.remove(at)),
            2 => bytes.insert(at, *byte),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

fn changes() -> impl Strategy<Value = Vec<(Index, u8, u8)>> {
    prop::collection::vec(any::<(Index, u8, u8)>(), 1..6)
}

proptest! {
    #[test]
    fn any_flipped_bit_is_refused(which: Index, bit: Index) {
        let all = all();
        let (name, record) = which.get(&all);
        let mut flipped = record.envelope().to_vec();
        let bit = bit.index(flipped.len() * 8);
        flipped[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(admit(&flipped).is_err(), "bit {} of {}", bit, name);
    }

    #[test]
    fn bytes_that_are_anything_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(admit(&bytes).is_err());
        let _ = Request::decode(&bytes);
        let _ = Response::decode(&bytes);
        for (kind, _) in Record::KINDS {
            prop_assert!(admit(&by_requester(kind, &bytes)).is_err());
        }
    }

    #[test]
    fn a_changed_envelope_never_panics_and_is_refused(which: Index, changes in changes()) {
        let all = all();
        let (_, record) = which.get(&all);
        let changed = mutate(record.envelope(), &changes);
        prop_assert!(changed == record.envelope() || admit(&changed).is_err());
    }

    /// A signature over anything: what is admitted all the same is in the one form, within its bounds.
    #[test]
    fn a_changed_payload_signed_anew_is_refused_or_means_what_it_says(which: Index, changes in changes()) {
        let all = all();
        let (_, record) = which.get(&all);
        let changed = mutate(&payload(record.envelope()), &changes);
        let envelope = signed(&samples::REQUESTER, samples::NETWORK, record.kind(), &changed);
        if let Ok(admitted) = admit(&envelope) {
            assert_deterministic(&value(&changed), record.kind());
            prop_assert_eq!(admitted.envelope(), &envelope[..]);
        }
    }

    #[test]
    fn a_changed_message_never_panics_and_has_one_form(which: Index, changes in changes()) {
        let requests = samples::requests();
        let bytes = mutate(&which.get(&requests).encode(), &changes);
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.encode(), bytes);
        }
        let responses = samples::responses();
        let bytes = mutate(&which.get(&responses).encode(), &changes);
        if let Ok(response) = Response::decode(&bytes) {
            prop_assert_eq!(response.encode(), bytes);
        }
    }
}
