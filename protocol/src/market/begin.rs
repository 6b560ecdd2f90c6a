//! How a hire starts, or does not: the worker begins or declines, the requester may withdraw before.

use serde::{Deserialize, Serialize};

use crate::codec::Ext;
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::award::Award;
use crate::market::link::Link;
use crate::market::reason::Reason;
use crate::record::{Invalid, Network, Nothing, Payload};
use crate::time::Timestamp;

/// The worker's acknowledgement of the award. It starts the work clock; award and begin are the permit to rate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Begin {
    /// The day it was made, UTC, in days since the epoch.
    pub day: u32,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// Commitment to the [`BeginTerms`].
    pub body: Bytes32,
    /// The hire.
    pub hire: Id<Award>,
}

/// The private part of a begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BeginTerms {
    /// When the work clock ends: `link.at` plus the terms' `done`.
    pub due: Timestamp,
    /// Its place: the first of the worker's chain, dated by the claim's `until`.
    pub link: Link,
}

/// The worker does not begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decline {
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place: the first and last of the worker's chain.
    pub link: Link,
    /// Whether asking again is useless.
    #[serde(rename = "final")]
    pub is_final: bool,
    /// Why.
    pub reason: Reason,
}

/// The requester takes the award back before the worker began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Withdraw {
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place.
    pub link: Link,
    /// Why.
    pub reason: Reason,
}

impl Payload for Begin {
    const KIND: &'static str = "begin/1";
    const MAX: usize = limits::SMALL;
    type Private = BeginTerms;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
    fn commitment(&self) -> Option<Bytes32> {
        Some(self.body)
    }
}
impl Payload for Decline {
    const KIND: &'static str = "decline/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
}
impl Payload for Withdraw {
    const KIND: &'static str = "withdraw/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
}
