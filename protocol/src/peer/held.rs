//! Counts of all that a peer holds, durable and soft, to watch its memory by; and read access to the durable part.

use super::{Durable, Peer};

/// How much a peer holds of what, soft and durable. Each has its bound in `limits`, or follows from one that has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(missing_docs, reason = "counts of what their names say")]
pub struct Held {
    pub postings: usize,
    /// Claims of others on offers of mine.
    pub claims: usize,
    /// Claims of mine.
    pub bids: usize,
    pub hires: usize,
    /// Work under way outside, or waiting to be tried again.
    pub busy: usize,
    /// Hires that count against `parallel`.
    pub load: usize,
    /// Hires to be asked again at once.
    pub restless: usize,
    pub timers: usize,
    /// Records that wait to be sent.
    pub letters: usize,
    /// Rooms asked of peers.
    pub pages: usize,
    /// Offers and claims that came to nothing.
    pub passed: usize,
    /// Offers whose checks cannot be run.
    pub unrunnable: usize,
    /// Offers on which my claim was turned down.
    pub turned_down: usize,
}

impl Peer {
    /// How much is held of what.
    pub fn held(&self) -> Held {
        Held {
            postings: self.durable.postings().len(),
            claims: self.auctions.values().map(|auction| auction.claims.len()).sum(),
            bids: self.durable.bids().len(),
            hires: self.durable.hires().len(),
            busy: self.busy.len(),
            load: self.load.len(),
            restless: self.restless.len(),
            timers: self.wakes.len(),
            letters: self.letters.len(),
            pages: self.paging.len(),
            passed: self.passed.len(),
            unrunnable: self.unrunnable.len(),
            turned_down: self.turned_down.len(),
        }
    }

    /// Whether nothing is open, under way or waiting to be sent: nothing would be lost if the peer slept.
    pub fn is_quiet(&self) -> bool {
        self.letters.is_empty()
            && self.busy.is_empty()
            && self.durable.bids().is_empty()
            && self.durable.hires().values().all(|hire| hire.closed.is_some())
            && self.durable.postings().values().all(|posting| posting.closed.is_some())
    }

    /// Everything that replaying the journal gives back.
    pub fn durable(&self) -> &Durable {
        &self.durable
    }
}
