//! A claim that is not awarded: its issuer is told, with the reason, once every slot has begun.

use serde::{Deserialize, Serialize};

use crate::codec::Ext;
use crate::id::{AgentId, Id};
use crate::limits;
use crate::market::claim::Claim;
use crate::market::reason::Reason;
use crate::record::{Invalid, Network, Nothing, Payload};
use crate::time::Timestamp;

/// The requester's word that a claim binds nobody any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reject {
    /// When it was made.
    pub at: Timestamp,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The claim.
    pub claim: Id<Claim>,
    /// Why. Never what may be spent.
    pub reason: Reason,
}

impl Payload for Reject {
    const KIND: &'static str = "reject/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
}
