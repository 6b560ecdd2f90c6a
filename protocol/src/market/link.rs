//! The place of a record in its side's chain of one hire.

use serde::{Deserialize, Serialize};

use crate::id::Bytes32;
use crate::time::Timestamp;

/// Order within a hire. Each side's records form a chain: the requester's starts with the award (`n` = 0), the worker's
/// with its begin or decline (`n` = 0). A record that has seen another comes after it, whatever the clocks say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// Position in the issuer's own chain, from 0.
    pub n: u32,
    /// When the issuer made the record.
    pub at: Timestamp,
    /// The issuer's record before this one; absent at the start of a chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prev: Option<Bytes32>,
    /// The last record of the other side that the issuer had processed.
    pub seen: Bytes32,
}
