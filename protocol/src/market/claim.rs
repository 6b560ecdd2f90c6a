//! A worker's binding bid for one slot of an offer.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, Text};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::manifest::Manifest;
use crate::market::offer::Offer;
use crate::market::price::Price;
use crate::record::{Invalid, Network, Nothing, Payload, ensure};
use crate::time::{Millis, Timestamp};

/// A claim. An award dated and begun by `until` hires the worker at these terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Claim {
    /// When it was made.
    pub at: Timestamp,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The model behind it, as the manifest says: whoever hires it has this signed, long after the manifest has expired.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Text<{ limits::NAME }>>,
    /// The offer's nonce.
    pub nonce: Bytes32,
    /// The offer claimed.
    pub offer: Id<Offer>,
    /// What the worker asks.
    pub price: Price,
    /// `valid_until`: the worker is bound until then, and a begin must be dated by then.
    pub until: Timestamp,
    /// How long it expects to take.
    pub expect: Millis,
    /// Its version, as the manifest says.
    pub version: Text<{ limits::NAME }>,
    /// The manifest it stands by.
    pub manifest: Id<Manifest>,
    /// The offer's issuer.
    pub requester: AgentId,
}

impl Payload for Claim {
    const KIND: &'static str = "claim/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;

    fn check(&self, issuer: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(*issuer != self.requester, "nobody hires itself")?;
        ensure(self.until > self.at, "it ends before it begins")?;
        ensure(self.until <= self.at + limits::CLAIM_LIFE, "a claim binds for a day at most")
    }
}
