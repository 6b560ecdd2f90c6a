//! The close, signed by both. Agreed closes alone move money.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::Ext;
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::award::Award;
use crate::market::link::Link;
use crate::record::{Invalid, Network, Payload, ensure};
use crate::time::Millis;

/// How a hire ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Delivered and found good.
    Accepted,
    /// Delivered and found wanting.
    Refused,
    /// The brief was seen and nothing was delivered in time.
    Failed,
    /// The requester stopped it after the begin.
    CancelledByRequester,
    /// The worker stopped it after the begin.
    CancelledByWorker,
    /// It never came to work, or to review; nobody is blamed.
    Lapsed,
    /// The sides disagree, or the bytes never came; visible in both histories.
    Contested,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::CancelledByRequester => "cancelled by the requester",
            Self::CancelledByWorker => "cancelled by the worker",
            Self::Lapsed => "lapsed",
            Self::Contested => "contested",
        })
    }
}

/// The requester's close: the public header. Link and amount travel beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The day it was made, UTC, in days since the epoch.
    pub day: u32,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// Commitment to the [`ReceiptTerms`].
    pub body: Bytes32,
    /// The hire.
    pub hire: Id<Award>,
    /// Seal of the requester's rating, if it rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Bytes32>,
    /// From begin to the last delivery, as dated by the worker; zero without one.
    pub took: Millis,
    /// How it ended.
    pub outcome: Outcome,
}

/// The private part of a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiptTerms {
    /// Its place.
    pub link: Link,
    /// What is owed, in millionths of the terms' currency.
    pub amount: u64,
}

/// The worker's agreement to a receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countersign {
    /// The day it was made, UTC, in days since the epoch.
    pub day: u32,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// Commitment to the [`CloseTerms`].
    pub body: Bytes32,
    /// The hire.
    pub hire: Id<Award>,
    /// Seal of the worker's rating, if it rates.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seal: Option<Bytes32>,
    /// The receipt agreed to.
    pub receipt: Id<Receipt>,
}

/// The private part of a countersign.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CloseTerms {
    /// Its place.
    pub link: Link,
}

impl Payload for Receipt {
    const KIND: &'static str = "receipt/1";
    const MAX: usize = limits::SMALL;
    type Private = ReceiptTerms;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        let closable = !matches!(self.outcome, Outcome::Lapsed | Outcome::Contested);
        ensure(closable, "a lapsed or contested hire has no receipt")
    }
    fn commitment(&self) -> Option<Bytes32> {
        Some(self.body)
    }
}
impl Payload for Countersign {
    const KIND: &'static str = "countersign/1";
    const MAX: usize = limits::SMALL;
    type Private = CloseTerms;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
    fn commitment(&self) -> Option<Bytes32> {
        Some(self.body)
    }
}
