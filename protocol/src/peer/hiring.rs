//! This peer as requester: postings, claims and awards. Whom it chooses is in [`super::choosing`], what its user commands in
//! [`super::orders`].

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::appeal::ASK_AGAIN;
use super::choosing::Choice;
use super::event::Event;
use super::io::{Answer, Notice, OrderToken, Outbox, Output, Refused};
use super::money::Budget;
use super::once::Order;
use super::{Peer, Wake};
use crate::hire::selection::{Over, Why};
use crate::hire::task::Task;
use crate::hire::{HireId, Side};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::award::value_bucket;
use crate::market::checks::Sealed;
use crate::market::price::Price;
use crate::market::{Award, Claim, ConsentBytes, Input, Offer, Reason, Reject, Terms};
use crate::record::{Beside, Payload as _, Record, Verified};
use crate::time::Timestamp;
use crate::wire::Reply;

/// Why an offer of mine takes no more claims.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PostingEnd {
    /// Every slot has begun.
    Filled,
    /// Its arbiter did not consent before it expired.
    NoConsent,
    /// It expired, and no claim was within this budget.
    OverBudget(Over),
    /// It expired, and no claim was suitable.
    Unclaimed,
    /// It expired before a person approved the price.
    NotApproved,
    /// A person stopped it, in these words.
    Stopped(String),
    /// The one worker it was for said no.
    WorkerRefused(Reason),
    /// Its arbiter said no.
    ArbiterRefused(Reason),
}

impl PostingEnd {
    /// The reason sent to the claimants.
    fn told(&self) -> Reason {
        match self {
            Self::Filled => Reason::Filled,
            Self::NoConsent | Self::ArbiterRefused(_) => Reason::NoConsent,
            // What there is to spend is nobody's business.
            Self::OverBudget(_) => Reason::OverBudget,
            Self::Unclaimed | Self::WorkerRefused(_) => Reason::OfferOver,
            Self::NotApproved => Reason::NotApproved,
            Self::Stopped(words) => Reason::said(words),
        }
    }
}

/// An award that costs more than may be awarded without a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Since when it waits.
    pub at: Timestamp,
    /// Who would be hired.
    pub with: AgentId,
    /// At what price.
    pub price: Price,
}

/// An offer of mine, with the task behind it.
#[derive(Debug, Clone, PartialEq)]
pub struct Posting {
    /// The offer.
    pub offer: Verified<Offer>,
    /// The task.
    pub task: Task,
    /// The one worker it is for.
    pub to: Option<AgentId>,
    /// Salt of the sealed checks.
    pub salt: Bytes32,
    /// The order with a token that it carries out.
    pub order: Option<Order>,
    /// The hires that came of it, oldest first.
    pub hires: Vec<HireId>,
    /// Why each was chosen.
    pub chosen: BTreeMap<HireId, Why>,
    /// The award that waits for a person.
    pub asked: Option<Asked>,
    /// Up to which price a person lets it be awarded.
    pub approved: Option<Price>,
    /// Why it takes no more claims, once it does not.
    pub closed: Option<PostingEnd>,
    /// How its claims compared then, if nobody was hired.
    pub passed: Option<Why>,
}

impl Posting {
    pub(super) fn new(offer: Verified<Offer>, task: Task, to: Option<AgentId>, salt: Bytes32) -> Self {
        Self {
            offer,
            task,
            to,
            salt,
            order: None,
            hires: Vec::new(),
            chosen: BTreeMap::new(),
            asked: None,
            approved: None,
            passed: None,
            closed: None,
        }
    }

    /// Whether it is closed and all its hires are gone, the one it calls an arbiter for among them: that is not called anew.
    pub(super) fn is_past(&self, gone: &dyn Fn(&HireId) -> bool) -> bool {
        let about = self.task.call.as_ref().map(|call| &call.of);
        self.closed.is_some() && self.hires.iter().chain(about).all(gone)
    }

    /// The sealed checks, if there are any.
    pub fn sealed(&self) -> Option<Sealed> {
        (!self.task.sealed.is_empty()).then(|| Sealed { salt: self.salt, checks: self.task.sealed.clone() })
    }
}

/// The claims received on one posting, and what choosing among them waits for. Soft: workers repeat their claims, and an
/// arbiter is asked again.
#[derive(Debug)]
pub(super) struct Auction {
    /// One an issuer.
    pub claims: BTreeMap<AgentId, Verified<Claim>>,
    /// The budget for want of which nothing is awarded.
    pub held: Option<Over>,
    /// The reason for each claimant not chosen so far; kept when the posting closes, for those that ask later.
    pub lost: BTreeMap<AgentId, Reason>,
    /// The consent of the posting's arbiter.
    pub consent: Option<ConsentBytes>,
}

impl Auction {
    const NEW: Self = Self { claims: BTreeMap::new(), held: None, lost: BTreeMap::new(), consent: None };
}

/// What a posting has on which nothing was received.
static EMPTY: Auction = Auction::NEW;

enum Slot {
    Open { slot: u16, round: u16, replaces: Option<HireId> },
    Pending,
    Filled,
}

impl Peer {
    /// The claims received on a posting.
    pub(super) fn auction(&self, id: &Id<Offer>) -> &Auction {
        self.auctions.get(id).unwrap_or(&EMPTY)
    }

    /// The same, to add to it. Only for a posting of this peer's, or nothing would ever remove it.
    pub(super) fn auction_mut(&mut self, id: Id<Offer>) -> &mut Auction {
        debug_assert!(self.durable.posting(&id).is_some(), "an auction is of a posting");
        self.auctions.entry(id).or_insert(Auction::NEW)
    }

    pub(super) fn post(
        &mut self,
        now: Timestamp,
        task: Task,
        to: Option<AgentId>,
        token: Option<OrderToken>,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        let order = token.map(|token| Order::new(&token, &task, to, now)).transpose()?;
        if let Some(before) = order.map(|order| self.durable.orders().find(&order)).transpose()?.flatten() {
            return Ok(Answer::PostedBefore(before));
        }
        if self.durable.postings().values().filter(|posting| posting.closed.is_none()).count() >= limits::POSTINGS {
            return Err(Refused::OffersFull);
        }
        if self.open >= limits::OPEN_HIRES {
            return Err(Refused::HiresFull);
        }
        let (me, network) = (self.agent(), self.signer.network());
        task.check(Some((me, network)), to).map_err(Refused::Task)?;
        let salt = self.draw();
        let offer = task.offer(now, self.next_seq(now), self.draw(), to.is_some());
        debug_assert_eq!(offer.check(&me, &network), Ok(()), "the task was checked");
        let offer = self.signer.sign(&offer);
        let id = offer.id();
        let skill = task.skill.clone();
        let event = Event::Posted { offer: offer.into(), task: Box::new(task), to, salt, order };
        self.commit(now, event, out);
        out.push(Output::Notice(Notice::Posted { offer: id, skill }));
        self.announce_posting(now, id, out);
        self.advance_posting(now, id, out);
        Ok(Answer::Posted(id))
    }

    /// Makes a posting known: in its room, or to the one worker it is for.
    pub(super) fn announce_posting(&mut self, now: Timestamp, id: Id<Offer>, out: &mut Outbox) {
        let Some(posting) = self.durable.posting(&id) else { return };
        let (offer, to) = (posting.offer.clone(), posting.to);
        if now >= offer.expires {
            return;
        }
        match to {
            Some(worker) => {
                if posting.hires.is_empty() {
                    let until = offer.expires;
                    self.letters.push(now, worker, offer.into(), until);
                }
            }
            None => {
                self.follow(&offer.skill, out);
                self.directory.insert_offer(now, offer.clone());
                out.push(Output::Publish { room: offer.skill.room(limits::ROOM_DEPTH), record: offer.into() });
            }
        }
        self.ask_consent(now, id);
    }

    pub(super) fn on_claim(&mut self, now: Timestamp, claim: Verified<Claim>, out: &mut Outbox) -> Reply {
        let Some(posting) = self.durable.posting(&claim.offer) else { return Reply::Ignored(Reason::NoSuchOffer) };
        let worker = claim.issuer();
        if posting.hires.iter().any(|id| self.durable.hires().get(id).is_some_and(|hire| hire.claim.id() == claim.id()))
        {
            return Reply::Kept;
        }
        if posting.closed.is_some() {
            let lost = self.auction(&claim.offer).lost.get(&worker).cloned();
            return Reply::Ignored(lost.unwrap_or(Reason::OfferOver));
        }
        if claim.requester != self.agent() || claim.nonce != posting.offer.nonce {
            return Reply::Ignored(Reason::OtherOffer);
        }
        if posting.to.is_some_and(|to| to != worker) {
            return Reply::Ignored(Reason::NotForYou);
        }
        if posting.hires.iter().any(|id| self.durable.hires().get(id).is_some_and(|hire| hire.worker() == worker)) {
            return Reply::Ignored(Reason::HadSlot);
        }
        if posting.offer.arbiter.is_some_and(|arbiter| arbiter.agent == worker) {
            return Reply::Ignored(Reason::IsArbiter);
        }
        if claim.until <= now {
            return Reply::Ignored(Reason::ClaimEnded);
        }
        if let Some(reason) = self.shuns(&worker, &posting.offer.skill) {
            return Reply::Ignored(reason);
        }
        if posting.task.max.as_ref().is_some_and(|max| !claim.price.within(max)) {
            return Reply::Ignored(Reason::AboveCeiling);
        }
        let offer = claim.offer;
        let held = self.auction(&offer).claims.get(&worker);
        if held.is_none_or(|held| claim.id() < held.id() || held.until <= now) {
            self.auction_mut(offer).claims.insert(worker, claim);
        }
        self.trim_claims(now, offer);
        self.advance_posting(now, offer, out);
        Reply::Kept
    }

    /// A claimant's manifest is here now: a claim that waited for it may be chosen.
    pub(super) fn on_manifest(&mut self, now: Timestamp, who: AgentId, out: &mut Outbox) {
        let waiting: Vec<_> =
            self.auctions.iter().filter(|(_, auction)| auction.claims.contains_key(&who)).map(|(id, _)| *id).collect();
        for id in waiting {
            self.advance_posting(now, id, out);
        }
    }

    /// Awards open slots, closes what is filled or has expired, sets the timer.
    pub(super) fn advance_posting(&mut self, now: Timestamp, id: Id<Offer>, out: &mut Outbox) {
        // One award for each slot at most; each pass awards one or ends.
        self.drop_old_consent(now, id);
        for _ in 0..=limits::SLOTS {
            let Some(posting) = self.durable.posting(&id).filter(|posting| posting.closed.is_none()) else {
                return self.wake(Wake::Posting(id), None);
            };
            if now < posting.offer.bids {
                return self.wake(Wake::Posting(id), Some(posting.offer.bids));
            }
            let expires = posting.offer.expires;
            let slots: Vec<Slot> = (0..posting.offer.slots).map(|slot| self.slot(posting, slot)).collect();
            if slots.iter().all(|slot| matches!(slot, Slot::Filled)) {
                return self.close_posting(now, id, PostingEnd::Filled, out);
            }
            let open = slots.iter().find_map(|slot| match slot {
                Slot::Open { slot, round, replaces } => Some((*slot, *round, *replaces)),
                _ => None,
            });
            let pending = slots.iter().any(|slot| matches!(slot, Slot::Pending));
            let Some((slot, round, replaces)) = open else { return self.wake(Wake::Posting(id), None) };
            if self.lacks_consent(posting) {
                if now >= expires && !pending {
                    return self.close_posting(now, id, PostingEnd::NoConsent, out);
                }
                self.ask_consent(now, id);
                return self.wake(Wake::Posting(id), Some((now + ASK_AGAIN).min(expires)).filter(|at| now < *at));
            }
            let Choice { chosen, left_out } = self.choose(posting, now);
            let over = left_out.iter().find_map(|one| one.why.over()).cloned();
            let Some((claim, why)) = chosen else {
                self.note_lost(id, left_out.iter().map(|one| (one.agent, one.why.told())));
                if now >= expires && !pending {
                    let end = over.map_or(PostingEnd::Unclaimed, PostingEnd::OverBudget);
                    return self.close_posting(now, id, end, out);
                }
                if self.auction(&id).held != over {
                    self.auction_mut(id).held.clone_from(&over);
                    out.extend(over.map(|over| Output::Notice(Notice::Held { offer: id, over })));
                }
                return self.wake(Wake::Posting(id), Some(expires).filter(|at| now < *at));
            };
            if self.budget(posting, &claim.price, &self.spent_today(now)) == Budget::Ask {
                return self.ask(now, id, &claim, expires, pending, out);
            }
            self.note_lost(id, why.told());
            self.award(now, id, &claim, (slot, round, replaces), why, out);
        }
    }

    /// Has an award wait for a person.
    fn ask(
        &mut self,
        now: Timestamp,
        id: Id<Offer>,
        claim: &Verified<Claim>,
        expires: Timestamp,
        pending: bool,
        out: &mut Outbox,
    ) {
        if now >= expires {
            if !pending {
                self.close_posting(now, id, PostingEnd::NotApproved, out);
            }
            return;
        }
        let (with, price) = (claim.issuer(), claim.price.clone());
        // Who waits for a person waits on, while its claim stands: what is approved is what was shown, and a stream of
        // ever better claims is not a stream of questions.
        let stands = |posting: &Posting| {
            let asked = posting.asked.as_ref()?;
            let claim = self.auction(&id).claims.get(&asked.with).filter(|claim| claim.price == asked.price)?;
            self.unfit(posting, claim, now, &self.spent_today(now)).is_none().then_some(())
        };
        if self.durable.posting(&id).and_then(stands).is_none() {
            self.commit(now, Event::Asked { offer: id, with, price: price.clone() }, out);
            out.push(Output::Notice(Notice::Asked { offer: id, with, price }));
        }
        self.wake(Wake::Posting(id), Some(expires));
    }

    fn slot(&self, posting: &Posting, slot: u16) -> Slot {
        let last = posting
            .hires
            .iter()
            .rev()
            .filter_map(|id| self.durable.hires().get(id))
            .find(|hire| hire.chain.award().slot == slot);
        let Some(hire) = last else { return Slot::Open { slot, round: 0, replaces: None } };
        let round = hire.chain.award().round + 1;
        match (hire.facts().begin, hire.closed) {
            (Some(_), _) => Slot::Filled,
            (None, None) => Slot::Pending,
            // Declined or never begun: another may have it.
            (None, Some(_)) if round < limits::ROUNDS => Slot::Open { slot, round, replaces: Some(hire.id()) },
            (None, Some(_)) => Slot::Filled,
        }
    }

    fn award(
        &mut self,
        now: Timestamp,
        id: Id<Offer>,
        claim: &Verified<Claim>,
        place: (u16, u16, Option<HireId>),
        mut why: Why,
        out: &mut Outbox,
    ) {
        why.considered.truncate(limits::CONSIDERED);
        let salt = self.draw();
        let Some(posting) = self.durable.posting(&id) else { return };
        let offer = posting.offer.clone();
        let terms = Terms {
            at: now,
            done: offer.done,
            offer: id,
            price: claim.price.clone(),
            until: claim.until,
            checks: offer.checks.clone(),
            inputs: Input::total(&posting.task.inputs),
            review: offer.review,
            sealed: posting.sealed().map(|sealed| sealed.commitment()),
            agree: offer.agree,
            arbiter: offer.arbiter,
            consent: self.auction(&id).consent.clone(),
            milestones: offer.milestones.clone(),
        };
        let beside = Beside { body: terms, salt };
        let (slot, round, replaces) = place;
        let award = Award {
            day: now.day(),
            ext: Default::default(),
            slot,
            claim: claim.id(),
            nonce: offer.nonce,
            round,
            skill: offer.skill.clone(),
            terms: beside.commitment::<Award>(),
            value: value_bucket(&claim.price),
            worker: claim.issuer(),
            replaces,
        };
        let award = self.signer.sign_with(&award, beside);
        let (hire, worker, skill, until) =
            (award.id(), claim.issuer(), offer.skill.clone(), claim.until + limits::GRACE);
        let record = Record::from(award);
        self.open += 1;
        self.commit(
            now,
            Event::Awarded {
                side: Side::Requester,
                award: record.clone(),
                claim: claim.clone().into(),
                offer: offer.into(),
                why: Box::new(why),
            },
            out,
        );
        out.push(Output::Notice(Notice::Awarded { hire, offer: id, side: Side::Requester, with: worker, skill }));
        self.letters.push(now, worker, record, until);
        self.advance(now, hire, out);
    }

    /// Whether the worker of any of its hires has begun.
    pub(super) fn has_begun(&self, posting: &Posting) -> bool {
        let begun = |id| self.durable.hire(id).is_some_and(|hire| hire.facts().begin.is_some());
        posting.hires.iter().any(begun)
    }

    /// Ends a posting and tells those who wait for it: a newer version of the offer, without slots, takes it back.
    pub(super) fn close_posting(&mut self, now: Timestamp, id: Id<Offer>, reason: PostingEnd, out: &mut Outbox) {
        let Some(posting) = self.durable.posting(&id).filter(|posting| posting.closed.is_none()) else { return };
        let (offer, to, order) = (posting.offer.clone(), posting.to, posting.order);
        let auction = self.auction(&id);
        let told = |(worker, claim): (&AgentId, &Verified<Claim>)| {
            let reason = auction.lost.get(worker).cloned().unwrap_or_else(|| reason.told());
            (*worker, Reject { at: now, ext: Default::default(), claim: claim.id(), reason })
        };
        let claimants: Vec<(AgentId, Reject)> = auction.claims.iter().map(told).collect();
        let unfilled = !self.has_begun(posting);
        let compared = posting.hires.is_empty() && !auction.claims.is_empty();
        let why = compared.then(|| self.choose(posting, now).chosen).flatten().map(|(_, why)| why);
        self.wake(Wake::Posting(id), None);
        let unposted = Event::Unposted { offer: id, reason: reason.clone(), order, why: why.map(Box::new) };
        self.commit(now, unposted, out);
        if unfilled {
            out.push(Output::Notice(Notice::Unfilled { offer: id, reason }));
        }
        for told in to.into_iter().chain(offer.arbiter.map(|arbiter| arbiter.agent)) {
            self.letters.withdraw(&told, &id.untyped());
        }
        let nobody_waits = to.is_some() && claimants.is_empty();
        if now >= offer.expires || nobody_waits {
            return;
        }
        let taken_back =
            self.signer.sign(&Offer { seq: self.last_seq.max(now.0).max(offer.seq + 1), slots: 0, ..(*offer).clone() });
        self.last_seq = taken_back.seq;
        for (worker, reject) in claimants {
            let reject = self.signer.sign(&reject);
            // Whoever cannot be reached now asks by repeating its claim.
            self.letters.push(now, worker, reject.into(), (now + limits::GRACE).min(offer.expires));
        }
        if to.is_none() {
            self.directory.insert_offer(now, taken_back.clone());
            out.push(Output::Publish { room: offer.skill.room(limits::ROOM_DEPTH), record: taken_back.into() });
        }
    }
}
