//! Where an agent can be reached, for those that are not connected to it.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, List, Text};
use crate::id::AgentId;
use crate::limits;
use crate::record::{Invalid, Network, Nothing, Payload, ensure};
use crate::time::Timestamp;

/// At most four addresses, opaque to the protocol. Gossiped, and in the DHT under the agent's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contact {
    /// When it was made.
    pub at: Timestamp,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// `max(last + 1, unix ms)`: newer contacts replace older ones.
    pub seq: u64,
    /// Addresses as the transport writes them, best first.
    pub addrs: List<Text<{ limits::ADDRESS }>, { limits::ADDRESSES }>,
    /// When to forget it; at most `limits::CONTACT_LIFE` after `at`.
    pub expires: Timestamp,
}

impl Payload for Contact {
    const KIND: &'static str = "contact/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;

    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(self.expires > self.at, "it expires before it begins")?;
        ensure(self.expires <= self.at + limits::CONTACT_LIFE, "a contact lives two hours at most")
    }
}
