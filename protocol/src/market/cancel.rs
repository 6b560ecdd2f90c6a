//! Stopping early, and disagreeing.

use serde::{Deserialize, Serialize};

use crate::codec::Ext;
use crate::id::{AgentId, Id};
use crate::limits;
use crate::market::award::Award;
use crate::market::link::Link;
use crate::market::reason::Reason;
use crate::record::{Invalid, Network, Nothing, Payload};

/// Either side ends the hire after the begin and before a delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Cancel {
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

/// The worker does not agree with a refusing verdict. Both statements stay on record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contest {
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place.
    pub link: Link,
    /// What the worker says.
    pub statement: Reason,
}

impl Payload for Cancel {
    const KIND: &'static str = "cancel/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
}
impl Payload for Contest {
    const KIND: &'static str = "contest/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
}
