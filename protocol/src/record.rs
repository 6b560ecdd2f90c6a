//! The signed envelope: how bytes from outside become something that may be believed.
//!
//! In: an envelope, and where there is one the private part that travels beside it. Out: a [`Record`] whose
//! [`Verified`] payload can have come from nowhere but a signature that was checked. Nothing is verified twice, nothing
//! is re-encoded: envelopes are stored and forwarded as they came.
//!
//! Signed bytes: `"gigmesh/<kind>\0" || SHA-256(network name) || issuer || payload`; the record's id is their SHA-256.
//! Signatures are not part of the id, for a malicious signer can make many of one message.

use std::fmt;
use std::sync::Arc;

use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::codec::{self, Bytes, DecodeError, Text};
use crate::id::{AgentId, Bytes32, Id, sha256};
use crate::limits;
use crate::market::*;

/// Which market: SHA-256 of its name. A record of one network is no record of another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network(Bytes32);

impl Network {
    /// The network of this name.
    pub fn new(name: &str) -> Self {
        Self(sha256(&[name.as_bytes()]))
    }
}

/// A payload that breaks a rule of its kind, though its bytes are well formed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Invalid(pub String);

/// Shorthand for the rules in `Payload::check`.
pub(crate) fn ensure(rule: bool, otherwise: &str) -> Result<(), Invalid> {
    if rule { Ok(()) } else { Err(Invalid(otherwise.to_owned())) }
}

/// What a record says. One type a kind; the kind's name carries its version.
pub trait Payload: Serialize + DeserializeOwned + fmt::Debug {
    /// Name and version on the wire, such as `offer/1`.
    const KIND: &'static str;
    /// The longest payload, in bytes.
    const MAX: usize;
    /// What travels beside the record, committed to but not contained; [`Nothing`] for most kinds.
    type Private: Serialize + DeserializeOwned + fmt::Debug;

    /// The rules a payload must keep whatever else is known: ranges, order of dates, parts that must agree.
    fn check(&self, issuer: &AgentId, network: &Network) -> Result<(), Invalid>;

    /// The commitment to the private part, for kinds that have one.
    fn commitment(&self) -> Option<Bytes32> {
        None
    }

    /// The rules the private part must keep whatever else is known.
    fn check_private(_: &Self::Private, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
}

/// The private part of kinds that have none: there is no value of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Nothing {}

/// A private part and the salt that keeps its commitment from being guessed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beside<P> {
    /// What is said in private.
    pub body: P,
    /// 32 random bytes.
    pub salt: Bytes32,
}

impl<P: Serialize> Beside<P> {
    /// `SHA-256("gigmesh/<kind>/beside\0" || CBOR of this)`.
    pub fn commitment<T: Payload<Private = P>>(&self) -> Bytes32 {
        commitment(T::KIND, &codec::encode(self))
    }
}

fn commitment(kind: &str, beside: &[u8]) -> Bytes32 {
    sha256(&[b"gigmesh/", kind.as_bytes(), b"/beside\0", beside])
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    kind: Text<{ limits::KIND_NAME }>,
    issuer: AgentId,
    payload: Bytes<{ limits::RECORD }>,
    signature: Bytes<64>,
}

/// A payload whose signature, encoding and rules were checked. Cheap to clone.
pub struct Verified<T: Payload>(Arc<Inner<T>>);

struct Inner<T: Payload> {
    id: Id<T>,
    issuer: AgentId,
    payload: T,
    private: Option<T::Private>,
    envelope: Box<[u8]>,
    beside: Option<Box<[u8]>>,
}

impl<T: Payload> Verified<T> {
    /// The record's id: SHA-256 of its signed bytes.
    pub fn id(&self) -> Id<T> {
        self.0.id
    }
    /// Who signed it.
    pub fn issuer(&self) -> AgentId {
        self.0.issuer
    }
    /// The private part, if it came along (it then matches the commitment).
    pub fn private(&self) -> Option<&T::Private> {
        self.0.private.as_ref()
    }
    /// The envelope as it came.
    pub fn envelope(&self) -> &[u8] {
        &self.0.envelope
    }
    /// The encoded private part as it came.
    pub fn beside(&self) -> Option<&[u8]> {
        self.0.beside.as_deref()
    }
}

impl<T: Payload> std::ops::Deref for Verified<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0.payload
    }
}
impl<T: Payload> Clone for Verified<T> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}
impl<T: Payload> PartialEq for Verified<T> {
    fn eq(&self, other: &Self) -> bool {
        self.0.envelope == other.0.envelope && self.0.beside == other.0.beside
    }
}
impl<T: Payload> Eq for Verified<T> {}
impl<T: Payload> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?} by {:?} {:?}", T::KIND, self.0.id, self.0.issuer, self.0.payload)
    }
}

/// Why an envelope was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A kind or version this release does not speak: ignored, never punished.
    #[error("unknown kind {0:?}")]
    UnknownKind(String),
    /// The bytes are not an envelope, or its payload is not what its kind says.
    #[error("{0}")]
    Decode(#[from] DecodeError),
    /// The key is one that anybody can sign for, or no key at all.
    #[error("the issuer is not a usable ed25519 key")]
    Key,
    /// The signature does not fit: forged, altered, or made for another network.
    #[error("the signature does not verify")]
    Signature,
    /// Well formed and signed, but against the rules of its kind.
    #[error("{0}")]
    Invalid(#[from] Invalid),
    /// The private part is not the one committed to.
    #[error("the private part does not match its commitment")]
    Beside,
}

impl Refusal {
    /// Whether an honest peer may have passed this on: then it is ignored. Everything else is held against the sender.
    pub fn is_innocent(&self) -> bool {
        matches!(self, Self::UnknownKind(_))
    }
}

fn signed_bytes(kind: &str, network: &Network, issuer: &AgentId, payload: &[u8]) -> Vec<u8> {
    [b"gigmesh/", kind.as_bytes(), b"\0", &network.0.0, &issuer.0, payload].concat()
}

fn verify(issuer: &AgentId, signed: &[u8], signature: &[u8]) -> Result<(), Refusal> {
    let key = VerifyingKey::from_bytes(&issuer.0).map_err(|_| Refusal::Key)?;
    let verified = Signature::from_slice(signature).and_then(|signature| key.verify_strict(signed, &signature));
    // `verify_strict` refuses weak keys too; asking again only tells why.
    verified.map_err(|_| if key.is_weak() { Refusal::Key } else { Refusal::Signature })
}

/// Whether `signature` is made.
enum Trust<'a> {
    /// From outside: verify for this network.
    Verify(&'a Network),
    /// From this peer's own checksummed journal, where it was written after it verified.
    Journal(&'a Network),
}

fn open<T: Payload>(
    envelope: &Envelope,
    bytes: &[u8],
    beside: Option<&[u8]>,
    trust: &Trust<'_>,
) -> Result<Verified<T>, Refusal> {
    let (Trust::Verify(network) | Trust::Journal(network)) = *trust;
    if envelope.payload.len() > T::MAX {
        return Err(DecodeError::TooLong { len: envelope.payload.len(), max: T::MAX }.into());
    }
    let signed = signed_bytes(T::KIND, network, &envelope.issuer, &envelope.payload);
    let payload: T = match trust {
        Trust::Verify(_) => {
            verify(&envelope.issuer, &signed, &envelope.signature)?;
            let payload: T = codec::decode(&envelope.payload, T::MAX)?;
            payload.check(&envelope.issuer, network)?;
            payload
        }
        Trust::Journal(_) => codec::decode_loose(&envelope.payload, T::MAX)?,
    };
    let private = match beside {
        None => None,
        Some(beside) => {
            if payload.commitment() != Some(commitment(T::KIND, beside)) {
                return Err(Refusal::Beside);
            }
            let Beside { body, .. } = codec::decode::<Beside<T::Private>>(beside, limits::BESIDE)?;
            if let Trust::Verify(network) = trust {
                T::check_private(&body, network)?;
            }
            Some(body)
        }
    };
    let inner = Inner {
        id: Id::from_bytes(sha256(&[&signed]).0),
        issuer: envelope.issuer,
        payload,
        private,
        envelope: bytes.into(),
        beside: beside.map(Into::into),
    };
    Ok(Verified(Arc::new(inner)))
}

fn open_envelope(bytes: &[u8]) -> Result<Envelope, Refusal> {
    Ok(codec::decode(bytes, limits::RECORD)?)
}

/// Verifies one envelope of a known kind, as found inside another record.
pub(crate) fn verify_as<T: Payload>(bytes: &[u8], network: &Network) -> Result<Verified<T>, Refusal> {
    let envelope = open_envelope(bytes)?;
    if *envelope.kind != *T::KIND {
        return Err(Refusal::UnknownKind(envelope.kind.to_string()));
    }
    open(&envelope, bytes, None, &Trust::Verify(network))
}

/// Who signed an envelope found inside a record that was admitted, and what it says: verified then, and not again.
pub(crate) fn peek<T: Payload>(envelope: &[u8], max: usize) -> Option<(AgentId, T)> {
    /// Of an envelope, what is needed here; the rest is skipped.
    #[derive(Deserialize)]
    struct Signed {
        issuer: AgentId,
        payload: Bytes<{ limits::RECORD }>,
    }
    let signed: Signed = codec::decode_loose(envelope, max).ok()?;
    Some((signed.issuer, codec::decode_loose(&signed.payload, T::MAX).ok()?))
}

/// This peer's pen: its key and the network it signs for.
#[derive(Clone)]
pub struct Signer {
    key: SigningKey,
    network: Network,
}

impl Signer {
    /// Signs with the ed25519 key of this 32-byte seed.
    pub fn new(secret: &[u8; 32], network: Network) -> Self {
        Self { key: SigningKey::from_bytes(secret), network }
    }

    /// Whose signature it is.
    pub fn agent(&self) -> AgentId {
        AgentId(self.key.verifying_key().to_bytes())
    }

    /// The network signed for.
    pub fn network(&self) -> Network {
        self.network
    }

    /// Signs a payload that has no private part.
    pub fn sign<T: Payload + Clone>(&self, payload: &T) -> Verified<T> {
        self.finish(payload.clone(), None, None)
    }

    /// Signs a payload whose private part is `beside`; `payload` must hold its commitment.
    pub fn sign_with<T: Payload + Clone>(&self, payload: &T, beside: Beside<T::Private>) -> Verified<T> {
        let encoded = codec::encode(&beside);
        debug_assert_eq!(payload.commitment(), Some(commitment(T::KIND, &encoded)));
        self.finish(payload.clone(), Some(beside.body), Some(encoded.into()))
    }

    fn finish<T: Payload>(&self, payload: T, private: Option<T::Private>, beside: Option<Box<[u8]>>) -> Verified<T> {
        let encoded = codec::encode(&payload);
        let issuer = self.agent();
        let signed = signed_bytes(T::KIND, &self.network, &issuer, &encoded);
        let signature = self.key.sign(&signed).to_bytes();
        let envelope = codec::encode(&Envelope {
            kind: Text::fit(T::KIND),
            issuer,
            payload: encoded.try_into().expect("drafts are bounded by their types, below the longest record"),
            signature: signature.to_vec().try_into().expect("an ed25519 signature has 64 bytes"),
        });
        let id = Id::from_bytes(sha256(&[&signed]).0);
        Verified(Arc::new(Inner { id, issuer, payload, private, envelope: envelope.into(), beside }))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({:?})", self.agent())
    }
}

macro_rules! records {
    ($($name:ident),* $(,)?) => {
        /// A verified record of any kind.
        #[derive(Clone, PartialEq, Eq, Debug)]
        #[expect(missing_docs, reason = "each variant is the type of its name, documented there")]
        pub enum Record { $($name(Verified<$name>)),* }

        impl Record {
            /// Every kind this release speaks, with the longest payload of each.
            pub const KINDS: &'static [(&'static str, usize)] = &[$(($name::KIND, $name::MAX)),*];

            fn open(bytes: &[u8], beside: Option<&[u8]>, trust: &Trust<'_>) -> Result<Self, Refusal> {
                let envelope = open_envelope(bytes)?;
                match &*envelope.kind {
                    $($name::KIND => open(&envelope, bytes, beside, trust).map(Record::$name),)*
                    unknown => Err(Refusal::UnknownKind(unknown.to_owned())),
                }
            }
            /// The record's id, whatever its kind.
            pub fn id(&self) -> Bytes32 {
                match self { $(Self::$name(record) => record.id().untyped()),* }
            }
            /// Who signed it.
            pub fn issuer(&self) -> AgentId {
                match self { $(Self::$name(record) => record.issuer()),* }
            }
            /// The envelope as it came.
            pub fn envelope(&self) -> &[u8] {
                match self { $(Self::$name(record) => record.envelope()),* }
            }
            /// The encoded private part as it came.
            pub fn beside(&self) -> Option<&[u8]> {
                match self { $(Self::$name(record) => record.beside()),* }
            }
            /// Name and version of its kind.
            pub fn kind(&self) -> &'static str {
                match self { $(Self::$name(_) => $name::KIND),* }
            }
            /// The payload as JSON, for people and programs that look on.
            pub fn to_json(&self) -> serde_json::Value {
                match self { $(Self::$name(record) => serde_json::to_value(&**record)),* }.unwrap_or_default()
            }
            /// The private part as JSON.
            pub fn private_json(&self) -> Option<serde_json::Value> {
                match self { $(Self::$name(record) => record.private().map(serde_json::to_value)),* }.and_then(Result::ok)
            }
        }

        $(impl From<Verified<$name>> for Record {
            fn from(record: Verified<$name>) -> Self { Self::$name(record) }
        })*
    };
}

records!(
    Manifest,
    Offer,
    Contact,
    Claim,
    Award,
    Begin,
    Decline,
    Withdraw,
    Brief,
    Progress,
    Question,
    Answer,
    Delivery,
    Ack,
    Verdict,
    Cancel,
    Contest,
    Receipt,
    Countersign,
    Rating,
    Reject,
    Opened,
    Consent,
    Decision,
);

impl Record {
    /// Admits bytes from outside: length, strict envelope, kind, `verify_strict`, strict payload, rules, private part.
    ///
    /// A pure function: any thread may run it. Costs one signature check (a rating: one for each part of its permit
    /// besides).
    pub fn admit(envelope: &[u8], beside: Option<&[u8]>, network: &Network) -> Result<Self, Refusal> {
        Self::open(envelope, beside, &Trust::Verify(network))
    }

    /// Reads back what [`Record::admit`] or [`Signer`] made and this peer's own journal kept. Verifies nothing.
    pub fn from_journal(envelope: &[u8], beside: Option<&[u8]>, network: &Network) -> Result<Self, Refusal> {
        Self::open(envelope, beside, &Trust::Journal(network))
    }
}
