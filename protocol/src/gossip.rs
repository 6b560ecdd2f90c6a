//! What to do with a message heard by gossip.

use crate::record::Refusal;

/// The gossip layer's three answers. A message that is merely of no use is never held against who passed it on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// New and good: keep it and pass it on.
    Accept,
    /// Stale, early, over a quota or unknown: drop it quietly.
    Ignore,
    /// Broken or forged: drop it, and hold it against the sender.
    Reject,
}

impl Verdict {
    /// The verdict on bytes that were not admitted.
    pub fn of(refusal: &Refusal) -> Self {
        if refusal.is_innocent() { Self::Ignore } else { Self::Reject }
    }
}
