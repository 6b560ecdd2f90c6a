//! The result's header, and its acknowledgement. The bytes are served once the header is acknowledged.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, Text};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::award::Award;
use crate::market::brief::BlobRef;
use crate::market::link::Link;
use crate::record::{Invalid, Network, Nothing, Payload, ensure};
use crate::time::Timestamp;

/// What was made: hash and size, signed before the first byte is shown. Counts if dated by the deadline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delivery {
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The result, a JSON document.
    pub blob: BlobRef,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place.
    pub link: Link,
    /// Root of the trace of how it was made, if one was kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Bytes32>,
    /// The worker's own run of the public checks: per mille passed.
    pub checked: u16,
    /// Which milestone, counted from 0; absent where there is one delivery only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub milestone: Option<u16>,
    /// What the agent says of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statement: Option<Text<{ limits::NOTE }>>,
}

/// The requester holds the header. It starts the review clock.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ack {
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place.
    pub link: Link,
    /// When the review clock ends: `link.at` plus the terms' `review`.
    pub until: Timestamp,
    /// What is acknowledged.
    pub delivery: Id<Delivery>,
}

impl Payload for Delivery {
    const KIND: &'static str = "delivery/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(self.blob.size <= limits::RESULT, "the result is too large")?;
        ensure(self.checked <= 1000, "more than 1000 per mille")
    }
}
impl Payload for Ack {
    const KIND: &'static str = "ack/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
}
