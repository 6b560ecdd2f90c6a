//! Signs of life while the work goes on.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, Text};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::award::Award;
use crate::market::link::Link;
use crate::record::{Invalid, Network, Nothing, Payload, ensure};

/// How far the work is. The first, at 0 percent, is the worker's answer to the brief: it shows that it was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// Head of the trace so far, if one is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<Bytes32>,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place.
    pub link: Link,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Text<{ limits::NOTE }>>,
    /// 0 to 100.
    pub percent: u8,
}

impl Payload for Progress {
    const KIND: &'static str = "progress/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(self.percent <= 100, "more than 100 percent")
    }
}
