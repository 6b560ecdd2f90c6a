//! The bodies of the fuzz targets, one for each way in from outside. Bytes in; a panic is a bug.
//!
//! The protocol's own tests include this file and replay every corpus file through it (`tests/it/fuzz_corpus.rs`), so that
//! what was found once stays found, on a stable compiler too.

use ed25519_dalek::{Signer as _, SigningKey};
use gigmesh_protocol::codec;
use gigmesh_protocol::id::{Bytes32, sha256};
use gigmesh_protocol::market::Skill;
use gigmesh_protocol::market::checks::{Assert, Checks, Inputs, Report, Schema};
use gigmesh_protocol::market::constraint::{Constraint, Match, Properties};
use gigmesh_protocol::market::price::Price;
use gigmesh_protocol::peer::event::Logged;
use gigmesh_protocol::record::{Network, Record};
use gigmesh_protocol::wire::{Request, Response};

const NETWORK: &str = "vectors";

/// An envelope as it comes; and a payload of any kind (the first byte says which) under a signature that verifies.
pub fn admit(data: &[u8]) {
    let network = Network::new(NETWORK);
    let _ = Record::admit(data, None, &network);
    let Some((kind, payload)) = data.split_first() else { return };
    let (kind, _) = Record::KINDS[usize::from(*kind) % Record::KINDS.len()];
    let key = SigningKey::from_bytes(&[1; 32]);
    let issuer = key.verifying_key().to_bytes();
    let signed = [b"gigmesh/", kind.as_bytes(), b"\0", &sha256(&[NETWORK.as_bytes()]).0, &issuer, payload].concat();
    // The envelope, written out: four entries with these heads.
    let length = |major: u8, len: usize| match u8::try_from(len) {
        Ok(len @ 0..24) => vec![major | len],
        Ok(len) => vec![major | 24, len],
        Err(_) => [&[major | 26][..], &(len as u32).to_be_bytes()].concat(),
    };
    let length = |major, len: usize| match u16::try_from(len) {
        Ok(short @ 256..) => [&[major | 25][..], &short.to_be_bytes()].concat(),
        _ => length(major, len),
    };
    let envelope = [
        &b"\xa4\x64kind"[..],
        &length(0x60, kind.len()),
        kind.as_bytes(),
        b"\x66issuer\x58\x20",
        &issuer,
        b"\x67payload",
        &length(0x40, payload.len()),
        payload,
        b"\x69signature\x58\x40",
        &key.sign(&signed).to_bytes(),
    ]
    .concat();
    if let Ok(record) = Record::admit(&envelope, None, &network) {
        assert_eq!(record.envelope(), envelope);
        assert_eq!(Record::from_journal(&envelope, None, &network), Ok(record.clone()));
        let _ = (record.to_json(), format!("{record:?}"));
    }
}

/// A message of a peer.
pub fn wire(data: &[u8]) {
    if let Ok(request) = Request::decode(data) {
        assert_eq!(request.encode(), data);
        if let Request::Parcel(items) = request {
            for item in items {
                let _ = Record::admit(&item.record, item.beside.as_deref(), &Network::new(NETWORK));
            }
        }
    }
    if let Ok(response) = Response::decode(data) {
        assert_eq!(response.encode(), data);
    }
}

/// Inputs as a test has them.
struct NoInputs;
impl Inputs for NoInputs {
    fn sha256(&self, name: &str) -> Option<Bytes32> {
        (name == "table").then(Bytes32::default)
    }
    fn size(&self, name: &str) -> Option<u64> {
        (name == "table").then_some(3)
    }
}

/// First line an assertion, second a schema, then the result they are run over.
pub fn checks(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || parts.next().and_then(|line| std::str::from_utf8(line).ok()).unwrap_or_default();
    let (assert, schema) = (line().parse::<Assert>(), Schema::parse(line()));
    let result = parts.next().unwrap_or_default();
    if let Ok(schema) = &schema {
        assert_eq!(Schema::try_from(schema.as_str().to_owned()).as_ref(), Ok(schema));
    }
    let checks = Checks { schema: schema.ok(), asserts: assert.into_iter().collect() };
    let bytes = codec::encode(&checks);
    assert_eq!(codec::decode::<Checks>(&bytes, bytes.len()), Ok(checks.clone()));
    let Ok(compiled) = checks.compile() else { return };
    let report = compiled.run(result, &NoInputs);
    let bytes = codec::encode(&report);
    assert_eq!(codec::decode::<Report>(&bytes, bytes.len()), Ok(report));
}

/// First line a constraint, a skill or a price; then properties as JSON.
pub fn market(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (line, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Ok(price) = line.parse::<Price>() {
        assert_eq!(price.to_string().parse(), Ok(price));
    }
    if let Ok(skill) = line.parse::<Skill>() {
        assert_eq!(skill.to_string(), line);
    }
    let Ok(constraint) = line.parse::<Constraint>() else { return };
    assert_eq!(constraint.to_string().parse(), Ok(constraint.clone()));
    let Ok(json) = serde_json::from_str(rest) else { return };
    let Ok(properties) = Properties::from_json(&json) else { return };
    let answer = match constraint.evaluate(&properties) {
        Match::Yes => Some(true),
        Match::No(_) => Some(false),
        Match::Unknown(_) => None,
    };
    assert_eq!(constraint.holds(&properties), answer);
    let bytes = codec::encode(&properties);
    assert_eq!(codec::decode::<Properties>(&bytes, bytes.len()), Ok(properties));
}

/// An entry of the journal, whose checksum was right.
pub fn journal(data: &[u8]) {
    let network = Network::new(NETWORK);
    if let Ok(logged) = Logged::decode(data, &network) {
        let _ = logged.event.subject();
        assert_eq!(Logged::decode(&logged.encode(), &network), Ok(logged));
    }
}
