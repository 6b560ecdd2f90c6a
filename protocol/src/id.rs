//! Names of things: agents by their public key, records by the hash of what was signed.
//!
//! Every id is 32 bytes and prints as 64 lowercase hexadecimal digits. An id of one kind is not an id of another:
//! `Id<Offer>` and `Id<Award>` do not mix, and nothing but a record's own bytes makes one.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use data_encoding::HEXLOWER;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};
use sha2::{Digest, Sha256};

/// 32 bytes: a key, a hash, a nonce. A CBOR byte string on the wire, hexadecimal in JSON and in print.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes32(pub [u8; 32]);

/// A market participant: its ed25519 public key. The libp2p peer id is the same key in another dress.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AgentId(pub [u8; 32]);

/// The SHA-256 of a record's signed bytes (`protocol/README.md`), typed by the payload it names.
pub struct Id<T>(Bytes32, PhantomData<fn() -> T>);

/// Text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected 64 hexadecimal digits, got {0:?}")]
pub struct ParseIdError(String);

/// SHA-256 of the concatenation of `parts`.
pub fn sha256(parts: &[&[u8]]) -> Bytes32 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
    }
    Bytes32(hasher.finalize().into())
}

impl<T> Id<T> {
    /// The id made of these bytes. Ids come from records; this is for reading them back.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Bytes32(bytes), PhantomData)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0.0
    }

    /// The same bytes without the type, for maps that hold ids of every kind.
    pub const fn untyped(&self) -> Bytes32 {
        self.0
    }
}

impl Bytes32 {
    /// The first eight hexadecimal digits, for people. Not unique: never an argument to a machine.
    pub fn short(&self) -> String {
        self.to_string()[..8].to_owned()
    }
}

impl AgentId {
    /// The first eight hexadecimal digits, for people. Not unique: never an argument to a machine.
    pub fn short(&self) -> String {
        Bytes32(self.0).short()
    }
}

impl<T> Id<T> {
    /// The first eight hexadecimal digits, for people. Not unique: never an argument to a machine.
    pub fn short(&self) -> String {
        self.0.short()
    }
}

// Derives would bound `T`, which is only a label.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<T> Copy for Id<T> {}
impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl<T> Eq for Id<T> {}
impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }
}
impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Bytes32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", HEXLOWER.encode_display(&self.0))
    }
}
impl fmt::Debug for Bytes32 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.short())
    }
}
impl FromStr for Bytes32 {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let bytes = HEXLOWER.decode(text.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).ok_or_else(|| ParseIdError(text.chars().take(80).collect()))
    }
}

impl fmt::Display for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Bytes32(self.0).fmt(f)
    }
}
impl fmt::Debug for AgentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "agent:{}", self.short())
    }
}
impl FromStr for AgentId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(|Bytes32(bytes)| Self(bytes))
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
impl<T> FromStr for Id<T> {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse().map(|Bytes32(bytes)| Self::from_bytes(bytes))
    }
}

impl Serialize for Bytes32 {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() { serializer.collect_str(self) } else { serializer.serialize_bytes(&self.0) }
    }
}

impl<'de> Deserialize<'de> for Bytes32 {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl Visitor<'_> for Either {
            type Value = Bytes32;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("32 bytes")
            }
            fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<Bytes32, E> {
                bytes.try_into().map(Bytes32).map_err(|_| E::invalid_length(bytes.len(), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Bytes32, E> {
                text.parse().map_err(E::custom)
            }
        }
        if deserializer.is_human_readable() {
            deserializer.deserialize_str(Either)
        } else {
            deserializer.deserialize_bytes(Either)
        }
    }
}

impl Serialize for AgentId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Bytes32(self.0).serialize(serializer)
    }
}
impl<'de> Deserialize<'de> for AgentId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes32::deserialize(deserializer).map(|bytes| Self(bytes.0))
    }
}
impl<T> Serialize for Id<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}
impl<'de, T> Deserialize<'de> for Id<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Bytes32::deserialize(deserializer).map(|bytes| Self(bytes, PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_hex_and_parse_back() {
        let id = sha256(&[b"gig", b"mesh"]);
        assert_eq!(id, sha256(&[b"gigmesh"]));
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().len(), 64);
    }

    #[test]
    fn only_64_lowercase_digits_are_an_id() {
        let digits = "0123456789abcdef".repeat(4);
        assert!(digits.parse::<Bytes32>().is_ok());
        let upper = digits.to_uppercase();
        let (signed, spaced) = (format!("+{}", &digits[1..]), format!("{} ", &digits[1..]));
        for bad in
            ["", "abcd", &digits[1..], &digits.repeat(2), &upper, &signed, &spaced, &"g".repeat(64), &"é".repeat(32)]
        {
            assert!(bad.parse::<Bytes32>().is_err(), "{bad}");
        }
    }
}
