//! The requester's judgement of a delivery.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, List, Text};
use crate::id::{AgentId, Id};
use crate::limits;
use crate::market::award::Award;
use crate::market::checks::Sealed;
use crate::market::delivery::Delivery;
use crate::market::link::Link;
use crate::record::{Invalid, Network, Nothing, Payload, ensure};
use crate::time::Timestamp;

/// How it was judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It is what was asked for.
    Accepted,
    /// It is not, and may be mended until this later deadline.
    Changes(Timestamp),
    /// It is not.
    Refused,
    /// The bytes behind the header were never served.
    Unserved,
}

/// A verdict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place.
    pub link: Link,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text<{ limits::NOTE }>>,
    /// The checks that failed, by their text.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub failed: List<Text<{ limits::SUMMARY }>, { limits::FAILED_CHECKS }>,
    /// The sealed checks, opened: the worker can run them too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<Sealed>,
    /// The judgement.
    pub ruling: Ruling,
    /// What is judged.
    pub delivery: Id<Delivery>,
}

impl Payload for Verdict {
    const KIND: &'static str = "verdict/1";
    const MAX: usize = limits::VERDICT;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(self.ruling != Ruling::Accepted || self.failed.is_empty(), "accepted with failed checks")
    }
}
