//! What an attacker can make: envelopes put together by hand, signed over whatever bytes.

use ciborium::Value;
use ed25519_dalek::{Signer as _, SigningKey};
use gigmesh_protocol::codec;
use gigmesh_protocol::id::sha256;

use crate::samples;

pub fn value(bytes: &[u8]) -> Value {
    ciborium::from_reader(bytes).unwrap()
}

/// The entry of a map, by its key.
pub fn entry<'v>(map: &'v mut Value, key: &str) -> &'v mut Value {
    let entries = map.as_map_mut().unwrap();
    &mut entries.iter_mut().find(|(name, _)| name.as_text() == Some(key)).unwrap().1
}

pub fn payload(envelope: &[u8]) -> Vec<u8> {
    entry(&mut value(envelope), "payload").as_bytes().unwrap().clone()
}

/// The envelope with one of its parts exchanged, and the old signature.
pub fn with(envelope: &[u8], key: &str, part: Value) -> Vec<u8> {
    let mut envelope = value(envelope);
    *entry(&mut envelope, key) = part;
    codec::encode(&envelope)
}

/// An envelope around any bytes, with a signature that verifies: laid out as `protocol/README.md` says, by other code
/// than the crate's own.
pub fn signed(seed: &[u8; 32], network: &str, kind: &str, payload: &[u8]) -> Vec<u8> {
    let key = SigningKey::from_bytes(seed);
    let issuer = key.verifying_key().to_bytes();
    let bytes = [b"gigmesh/", kind.as_bytes(), b"\0", &sha256(&[network.as_bytes()]).0, &issuer, payload].concat();
    let text = |text: &str| Value::Text(text.to_owned());
    codec::encode(&Value::Map(vec![
        (text("kind"), text(kind)),
        (text("issuer"), Value::Bytes(issuer.to_vec())),
        (text("payload"), Value::Bytes(payload.to_vec())),
        (text("signature"), Value::Bytes(key.sign(&bytes).to_bytes().to_vec())),
    ]))
}

/// A record of the samples' network and requester.
pub fn by_requester(kind: &str, payload: &[u8]) -> Vec<u8> {
    signed(&samples::REQUESTER, samples::NETWORK, kind, payload)
}
