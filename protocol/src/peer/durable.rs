//! The durable state of a peer: what its journal rebuilds.
//!
//! In: events, in the order of the journal; what compaction forgets. Out: read access. Must never happen: a change that
//! no logged event describes. The compiler holds that: the fields are private to this module, which holds nothing else;
//! a [`Durable`] is made by replaying a journal, and changed by `commit`, which persists the event first, and by
//! `forget`. Soft state (directory, outbox, claims of others, timers) is in [`super::Peer`]; ratings have a store of
//! their own.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::event::{Event, Logged};
use super::io::{Outbox, Output};
use super::once::Orders;
use super::{Asked, Bid, Posting, RestoreError};
use crate::hire::chain::Entry;
use crate::hire::selection::Why;
use crate::hire::{Attempt, Closed, Hire, HireId, Side};
use crate::id::{AgentId, Bytes32, Id};
use crate::ledger::{self, Ledger};
use crate::limits;
use crate::market::{Award, Claim, Judgement, Offer, Rating};
use crate::record::{Network, Record, Verified};
use crate::time::Timestamp;

/// The durable state of a peer. Two are equal if not a bit differs.
#[derive(Debug, PartialEq)]
pub struct Durable {
    postings: BTreeMap<Id<Offer>, Posting>,
    bids: BTreeMap<Id<Claim>, Bid>,
    hires: BTreeMap<HireId, Hire>,
    /// Requester and nonce of every offer that this peer has claimed or was hired for: none is claimed twice.
    taken: BTreeSet<(AgentId, Bytes32)>,
    /// The last awards, newest last, and whether each went to a newcomer as such.
    awards: VecDeque<(HireId, bool)>,
    ledger: Ledger,
    orders: Orders,
    /// Agents whose judgement this peer takes for its own.
    seeds: BTreeSet<AgentId>,
}

/// What an event asks of the state that is not durable.
#[derive(Debug)]
pub(super) enum Applied {
    /// Nothing.
    Nothing,
    /// A rating of this peer's belongs into the evidence.
    Rated(Verified<Rating>),
    /// The seeds changed; these were the seeds before.
    Pinned(Vec<AgentId>),
    /// A posting takes no more claims.
    Unposted(Id<Offer>),
    /// A claim on a posting of this peer's was awarded.
    Awarded(Id<Offer>, AgentId),
}

impl Durable {
    /// What a journal says. `rated` is given each rating of this peer's in it.
    pub(super) fn replay(
        network: &Network,
        events: impl IntoIterator<Item = Vec<u8>>,
        mut rated: impl FnMut(Verified<Rating>),
    ) -> Result<Self, RestoreError> {
        let mut durable = Self {
            postings: BTreeMap::new(),
            bids: BTreeMap::new(),
            hires: BTreeMap::new(),
            taken: BTreeSet::new(),
            awards: VecDeque::new(),
            ledger: Ledger::default(),
            orders: Orders::default(),
            seeds: BTreeSet::new(),
        };
        for (number, bytes) in (1..).zip(events) {
            let Logged { at, event } = Logged::decode(&bytes, network).map_err(|why| RestoreError { number, why })?;
            if let Applied::Rated(rating) = durable.apply(at, event) {
                rated(rating);
            }
        }
        Ok(durable)
    }

    /// Has an event persisted and applies it: there is no other way to apply one to a living peer.
    pub(super) fn commit(&mut self, at: Timestamp, event: Event<Record>, out: &mut Outbox) -> Applied {
        let logged = Logged { at, event };
        out.push(Output::Persist(logged.encode()));
        self.apply(logged.at, logged.event)
    }

    /// Postings of this peer, open and closed, by offer.
    pub fn postings(&self) -> &BTreeMap<Id<Offer>, Posting> {
        &self.postings
    }

    /// One posting.
    pub fn posting(&self, id: &Id<Offer>) -> Option<&Posting> {
        self.postings.get(id)
    }

    /// Claims of this peer that are neither awarded nor lost.
    pub fn bids(&self) -> &BTreeMap<Id<Claim>, Bid> {
        &self.bids
    }

    /// One claim of this peer.
    pub fn bid(&self, id: &Id<Claim>) -> Option<&Bid> {
        self.bids.get(id)
    }

    /// Hires of either side, until compaction forgets them.
    pub fn hires(&self) -> &BTreeMap<HireId, Hire> {
        &self.hires
    }

    /// One hire.
    pub fn hire(&self, id: &HireId) -> Option<&Hire> {
        self.hires.get(id)
    }

    pub(super) fn taken(&self) -> &BTreeSet<(AgentId, Bytes32)> {
        &self.taken
    }

    pub(super) fn awards(&self) -> &VecDeque<(HireId, bool)> {
        &self.awards
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    pub(super) fn orders(&self) -> &Orders {
        &self.orders
    }

    pub(super) fn seeds(&self) -> &BTreeSet<AgentId> {
        &self.seeds
    }

    /// Makes an event so. Living and replaying are this one path.
    fn apply(&mut self, at: Timestamp, event: Event<Record>) -> Applied {
        match event {
            Event::Posted { offer: Record::Offer(offer), task, to, salt, order } => {
                if let Some(call) = &task.call {
                    self.with_hire(call.of, |hire| hire.wish = None);
                }
                if let Some(order) = order {
                    self.orders.remember(at, order, offer.id());
                }
                self.postings.insert(offer.id(), Posting { order, ..Posting::new(offer, *task, to, salt) });
            }
            Event::Unposted { offer, reason, order, why } => {
                // Of a posting that is archived, this is all that the journal still says.
                if let Some(order) = order {
                    self.orders.remember(at, order, offer);
                }
                self.with_posting(offer, |posting| {
                    posting.closed = Some(reason);
                    posting.passed = why.map(|why| *why);
                });
                return Applied::Unposted(offer);
            }
            Event::Claimed { claim: Record::Claim(claim), offer: Record::Offer(offer) } => {
                self.taken.insert((claim.requester, claim.nonce));
                self.bids.insert(claim.id(), Bid { claim, offer });
            }
            Event::Unclaimed { claim, .. } => {
                if let Some(bid) = self.bids.remove(&claim) {
                    self.taken.remove(&(bid.claim.requester, bid.claim.nonce));
                }
            }
            Event::Awarded {
                side,
                award: Record::Award(award),
                claim: Record::Claim(claim),
                offer: Record::Offer(offer),
                why,
            } => return self.awarded(side, award, claim, offer, *why),
            Event::Said { record, judgement } => self.record_added(record, judgement),
            Event::Decided { hire, record: Record::Decision(decision) } => self.with_hire(hire, |hire| {
                hire.through = false;
                if decision.hire == hire.id() {
                    hire.chain.decide(decision);
                } else {
                    hire.decision = Some(decision);
                }
            }),
            Event::Fetched { hire, roots } => self.with_hire(hire, |hire| hire.fetched.extend(roots)),
            Event::Started { hire } => {
                self.with_hire(hire, |hire| hire.attempts.push(Attempt { started: at, ended: None }));
            }
            Event::Ended { hire, attempt, result } => self.with_hire(hire, |hire| {
                if let Some(attempt) = hire.attempts.get_mut(attempt) {
                    attempt.ended = Some((at, result));
                }
            }),
            Event::Checked { hire, root, checked } => self.with_hire(hire, |hire| {
                hire.checked.insert(root, *checked);
            }),
            Event::Wished { hire, wish } => self.with_hire(hire, |hire| hire.wish = Some(wish)),
            Event::Closed { hire, outcome, agreed } => {
                self.with_hire(hire, |hire| hire.closed = Some(Closed { at, outcome, agreed }));
            }
            Event::Reopened { hire } => self.with_hire(hire, |hire| (hire.closed, hire.through) = (None, false)),
            Event::Through { hire } => self.with_hire(hire, |hire| (hire.through, hire.rating) = (true, None)),
            Event::Asked { offer, with, price } => {
                self.with_posting(offer, |posting| posting.asked = Some(Asked { at, with, price }));
            }
            Event::Approved { offer, up_to } => {
                self.with_posting(offer, |posting| (posting.asked, posting.approved) = (None, Some(up_to)));
            }
            Event::Scored { hire, scores } => self.with_hire(hire, |hire| hire.scored = Some(scores)),
            Event::Pinned { agent, pinned } => return self.pinned(agent, pinned),
            Event::Booked { entry } => self.booked(entry),
            Event::Rated { rating: Record::Rating(rating) } => {
                self.with_hire(rating.judgement.hire, |hire| {
                    (hire.rated, hire.rating) = (true, Some(rating.clone()));
                });
                return Applied::Rated(rating);
            }
            // An event whose record is of another kind than its name says: nobody writes it, nothing follows from it.
            Event::Posted { .. }
            | Event::Claimed { .. }
            | Event::Awarded { .. }
            | Event::Rated { .. }
            | Event::Decided { .. } => {}
        }
        Applied::Nothing
    }

    fn awarded(
        &mut self,
        side: Side,
        award: Verified<Award>,
        claim: Verified<Claim>,
        offer: Verified<Offer>,
        why: Why,
    ) -> Applied {
        let id = award.id();
        let mut applied = Applied::Nothing;
        if let Some(posting) = self.postings.get_mut(&offer.id()).filter(|_| side == Side::Requester) {
            // A person's word is for one award. What waited for it is looked at again, for the slots left.
            (posting.asked, posting.approved) = (None, None);
            self.awards.push_back((id, why.lane));
            if self.awards.len() > limits::AWARDS {
                self.awards.pop_front();
            }
            posting.hires.push(id);
            posting.chosen.insert(id, why);
            applied = Applied::Awarded(offer.id(), claim.issuer());
        }
        self.bids.remove(&claim.id());
        if side == Side::Worker {
            self.taken.insert((claim.requester, claim.nonce));
        }
        self.hires.insert(id, Hire::new(side, award, claim, offer));
        applied
    }

    fn record_added(&mut self, record: Record, judgement: Option<(Judgement, Bytes32)>) {
        let Ok(entry) = Entry::try_from(record) else { return };
        self.with_hire(entry.hire(), |hire| {
            // A ruling is of one delivery, a stop is done once it is said.
            let settles = matches!(
                entry,
                Entry::Verdict(_)
                    | Entry::Cancel(_)
                    | Entry::Withdraw(_)
                    | Entry::Decline(_)
                    | Entry::Begin(_)
                    | Entry::Contest(_)
                    | Entry::Countersign(_)
            );
            if settles {
                hire.wish = None;
            }
            hire.chain.push(entry);
            // A record that joins a closed hire may have to be answered or sent.
            hire.through = false;
            let judged = judgement.map(|(judgement, opening)| (judgement, Some(opening)));
            hire.judgement = judged.or(hire.judgement.take());
        });
    }

    fn pinned(&mut self, agent: AgentId, pinned: bool) -> Applied {
        let before = Vec::from_iter(self.seeds.iter().copied());
        if pinned {
            self.seeds.insert(agent);
        } else {
            self.seeds.remove(&agent);
        }
        Applied::Pinned(before)
    }

    fn booked(&mut self, entry: ledger::Entry) {
        let micros = entry.amount.micros();
        match entry.subject {
            ledger::Subject::Hire(id) => self.with_hire(id, |hire| hire.booked += micros),
            ledger::Subject::Correction(id) => {
                self.with_hire(id, |hire| hire.booked -= hire.booked.min(micros));
            }
            ledger::Subject::Payment(_) => {}
        }
        self.ledger.book(entry);
    }

    /// Forgets hires that compaction has archived, as if they had never been: so has the journal.
    pub(super) fn forget(&mut self, past: &BTreeSet<HireId>) {
        let gone = past.iter().filter_map(|id| self.hires.remove(id));
        for hire in gone.filter(|hire| hire.side == Side::Worker) {
            self.taken.remove(&(hire.claim.requester, hire.claim.nonce));
        }
        self.awards.retain(|(id, _)| !past.contains(id));
        let hires = &self.hires;
        self.postings.retain(|_, posting| !posting.is_past(&|id: &HireId| !hires.contains_key(id)));
        for posting in self.postings.values_mut() {
            posting.hires.retain(|id| !past.contains(id));
            posting.chosen.retain(|id, _| !past.contains(id));
        }
    }

    fn with_hire(&mut self, id: HireId, change: impl FnOnce(&mut Hire)) {
        if let Some(hire) = self.hires.get_mut(&id) {
            change(hire);
        }
    }

    fn with_posting(&mut self, id: Id<Offer>, change: impl FnOnce(&mut Posting)) {
        if let Some(posting) = self.postings.get_mut(&id) {
            change(posting);
        }
    }
}
