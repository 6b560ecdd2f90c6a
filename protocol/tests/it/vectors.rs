//! Golden vectors: the bytes of every kind and every message, frozen in `tests/vectors/`.
//!
//! They are what other implementations test against. `GIGMESH_BLESS=1 cargo test -p gigmesh-protocol vectors` writes them
//! anew: to commit the difference is to approve a new wire format.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use gigmesh_protocol::record::{Network, Record, Signer};
use gigmesh_protocol::wire::{Request, Response};
use serde_json::{Value, json};

use crate::forge::payload;
use crate::samples;

fn hex(bytes: &[u8]) -> String {
    HEXLOWER.encode(bytes)
}

fn unhex(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn path(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "tests", "vectors", &format!("{name}.json")].iter().collect()
}

fn blessing() -> bool {
    std::env::var_os("GIGMESH_BLESS").is_some()
}

#[expect(clippy::disallowed_methods, reason = "the protocol has no files; its tests do")]
fn assert_frozen(name: &str, vectors: &Value) {
    let made = serde_json::to_string_pretty(vectors).unwrap() + "\n";
    if blessing() {
        std::fs::create_dir_all(path(name).parent().unwrap()).unwrap();
        std::fs::write(path(name), &made).unwrap();
    }
    let frozen = std::fs::read_to_string(path(name)).unwrap_or_default();
    assert!(made == frozen, "{name}.json is not what this code makes; if the wire format is meant to change, bless it");
}

fn frozen(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(path(name)).unwrap()).unwrap()
}

fn vector(name: &str, record: &Record) -> Value {
    let seeds = [samples::REQUESTER, samples::WORKER, samples::ARBITER];
    let signs = |seed: &&[u8; 32]| Signer::new(seed, samples::network()).agent() == record.issuer();
    let seed = seeds.iter().find(signs).unwrap();
    let mut vector = json!({
        "name": name,
        "network": samples::NETWORK,
        "seed": hex(seed),
        "issuer": record.issuer(),
        "says": record.to_json(),
        "payload": hex(&payload(record.envelope())),
        "id": record.id(),
        "envelope": hex(record.envelope()),
    });
    if let Some(beside) = record.beside() {
        vector["private"] = record.private_json().unwrap();
        vector["beside"] = hex(beside).into();
    }
    vector
}

#[test]
fn vectors_of_every_kind_are_frozen() {
    let (least, full) = (samples::samples(false), samples::samples(true));
    for (least, full) in least.iter().zip(&full) {
        let (kind, _) = least.kind().split_once('/').unwrap();
        let vectors = json!({"kind": least.kind(), "vectors": [vector("least", least), vector("full", full)]});
        assert_frozen(kind, &vectors);
    }
}

#[test]
fn vectors_of_messages_are_frozen() {
    let messages = |bytes: Vec<(Value, Vec<u8>)>| -> Vec<Value> {
        bytes.into_iter().map(|(says, bytes)| json!({"says": says, "bytes": hex(&bytes)})).collect()
    };
    let requests = samples::requests().into_iter().map(|m| (serde_json::to_value(&m).unwrap(), m.encode())).collect();
    let responses = samples::responses().into_iter().map(|m| (serde_json::to_value(&m).unwrap(), m.encode())).collect();
    assert_frozen("wire", &json!({"requests": messages(requests), "responses": messages(responses)}));
}

/// The vectors by themselves, without the samples they were made of: what a reader of the files can rely on.
#[test]
fn vectors_verify_and_can_be_signed_again() {
    if blessing() {
        return; // They are being written.
    }
    for (kind, _) in Record::KINDS {
        let file = frozen(kind.split_once('/').unwrap().0);
        assert_eq!(file["kind"], *kind);
        for vector in file["vectors"].as_array().unwrap() {
            let network = vector["network"].as_str().unwrap();
            let (envelope, beside) = (unhex(&vector["envelope"]), vector.get("beside").map(unhex));
            let record = Record::admit(&envelope, beside.as_deref(), &Network::new(network)).unwrap();
            assert_eq!(json!(record.id()), vector["id"]);
            assert_eq!(record.to_json(), vector["says"]);
            assert_eq!(record.private_json().as_ref(), vector.get("private"));
            let seed: [u8; 32] = unhex(&vector["seed"]).try_into().unwrap();
            let issuer = Signer::new(&seed, Network::new(network)).agent();
            assert_eq!((json!(issuer), issuer), (vector["issuer"].clone(), record.issuer()));
            // ed25519 is deterministic: the same key and bytes make the same signature.
            assert_eq!(crate::forge::signed(&seed, network, kind, &unhex(&vector["payload"])), envelope);
        }
    }
    let wire = frozen("wire");
    for message in wire["requests"].as_array().unwrap() {
        assert!(Request::decode(&unhex(&message["bytes"])).is_ok());
    }
    for message in wire["responses"].as_array().unwrap() {
        assert!(Response::decode(&unhex(&message["bytes"])).is_ok());
    }
}
