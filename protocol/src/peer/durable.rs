//! What a peer holds: what its journal gives back, whole, for whoever compares a living peer with its replay; and counts of
//! all the rest, for whoever watches its memory.
//!
//! Living and replaying are one path, so the two are equal. What is soft (directory, outbox, claims of others, timers) is no
//! part of it, nor are ratings, which have a store of their own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::once::{Order, Orders};
use super::{Asked, Bid, Peer, Posting};
use crate::hire::selection::Why;
use crate::hire::task::Task;
use crate::hire::{Hire, HireId};
use crate::id::{AgentId, Bytes32, Id};
use crate::ledger::Ledger;
use crate::market::price::Price;
use crate::market::{Claim, Offer};
use crate::record::Verified;

/// The durable state of a peer. Two are equal if not a bit differs.
#[derive(Debug, PartialEq)]
pub struct Durable<'a> {
    postings: Vec<Posted<'a>>,
    bids: &'a BTreeMap<Id<Claim>, Bid>,
    hires: &'a BTreeMap<HireId, Hire>,
    taken: &'a BTreeSet<(AgentId, Bytes32)>,
    awards: &'a VecDeque<(HireId, bool)>,
    ledger: &'a Ledger,
    orders: &'a Orders,
    seeds: &'a BTreeSet<AgentId>,
}

/// A [`Posting`] without what is soft in it.
#[derive(Debug, PartialEq)]
struct Posted<'a> {
    offer: &'a Verified<Offer>,
    task: &'a Task,
    to: Option<AgentId>,
    salt: Bytes32,
    order: Option<&'a Order>,
    hires: &'a [HireId],
    chosen: &'a BTreeMap<HireId, Why>,
    asked: Option<&'a Asked>,
    approved: Option<&'a Price>,
    closed: Option<&'a str>,
    passed: Option<&'a Why>,
}

impl<'a> Posted<'a> {
    fn of(posting: &'a Posting) -> Self {
        let Posting {
            offer,
            task,
            to,
            salt,
            order,
            claims: _,
            hires,
            chosen,
            asked,
            approved,
            held: _,
            lost: _,
            consent: _,
            closed,
            passed,
        } = posting;
        let (asked, approved, closed) = (asked.as_ref(), approved.as_ref(), closed.as_deref());
        let (to, salt, order, passed) = (*to, *salt, order.as_ref(), passed.as_ref());
        Self { offer, task, to, salt, order, hires, chosen, asked, approved, closed, passed }
    }
}

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
            postings: self.postings.len(),
            claims: self.postings.values().map(|posting| posting.claims.len()).sum(),
            bids: self.bids.len(),
            hires: self.hires.len(),
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
            && self.bids.is_empty()
            && self.hires.values().all(|hire| hire.closed.is_some())
            && self.postings.values().all(|posting| posting.closed.is_some())
    }

    /// Everything that replaying the journal gives back.
    pub fn durable(&self) -> Durable<'_> {
        Durable {
            postings: self.postings.values().map(Posted::of).collect(),
            bids: &self.bids,
            hires: &self.hires,
            taken: &self.taken,
            awards: &self.awards,
            ledger: &self.ledger,
            orders: &self.orders,
            seeds: &self.seeds,
        }
    }
}
