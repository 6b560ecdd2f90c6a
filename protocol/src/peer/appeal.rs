//! This peer and arbiters: as requester it gets an arbiter's consent before it awards, as either side it calls the arbiter
//! once a hire is contested, and as an arbiter it consents and decides.
//!
//! In: offers that name this peer as their arbiter, consents, decisions, cases put together outside. Out: the same from this
//! side. Must never happen: an award without the consent its offer promised; a decision that its own records do not allow.

use super::event::Event;
use super::hiring::Posting;
use super::io::{Answer, CaseJob, Notice, Outbox, Output, Refused};
use super::query::hire_records;
use super::{Peer, pause};
use crate::arbitration;
use crate::codec::Text;
use crate::hire::chain::Misfit;
use crate::hire::stage::{self, Facts, Stage};
use crate::hire::task::{Call, Task};
use crate::hire::{Hire, HireId, Side, Wish, worker};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::decision;
use crate::market::price::Price;
use crate::market::{BlobRef, Consent, ConsentBytes, Decision, Input, Offer, Reason, Skill};
use crate::record::{Record, Verified};
use crate::time::{Millis, Timestamp};
use crate::wire::{Item, Reply};

/// How often an arbiter is asked for its consent again: it may have fallen after it took the question.
pub(super) const ASK_AGAIN: Millis = Millis::secs(30);

impl Peer {
    // ---- before the award ----

    /// Whether an offer of mine waits for its arbiter.
    pub(super) fn lacks_consent(&self, posting: &Posting) -> bool {
        posting.offer.arbiter.is_some() && self.auction(&posting.offer.id()).consent.is_none()
    }

    /// Lets go of a consent that would end before what is awarded now could be decided on: another is asked for.
    pub(super) fn drop_old_consent(&mut self, now: Timestamp, id: Id<Offer>) {
        if let (Some(posting), Some(auction)) = (self.durable.posting(&id), self.auctions.get_mut(&id)) {
            let lasts = |bytes: &ConsentBytes| {
                decision::read(bytes).is_some_and(|(_, consent)| consent.lasts(&posting.offer, now))
            };
            auction.consent = auction.consent.take().filter(lasts);
        }
    }

    /// Asks the arbiter of an offer of mine, by sending it the offer.
    pub(super) fn ask_consent(&mut self, now: Timestamp, id: Id<Offer>) {
        let Some(posting) = self.durable.posting(&id).filter(|posting| self.lacks_consent(posting)) else { return };
        if let Some(arbiter) = posting.offer.arbiter {
            let (offer, until) = (posting.offer.clone(), posting.offer.expires);
            self.letters.push(now, arbiter.agent, offer.into(), until);
        }
    }

    /// As an arbiter: somebody wants me to decide the hires of its offer. The consent is all that is to be remembered of
    /// it, and who calls brings it along; so asked again, I give another.
    pub(super) fn on_consent_asked(&mut self, now: Timestamp, offer: &Verified<Offer>) -> Reply {
        let Some(price) = self.serving_arbitration().map(|serving| serving.entry.price.clone()) else {
            return Reply::Ignored(Reason::NoSuchSkill);
        };
        if !self.config.from.allows(&offer.issuer()) {
            return Reply::Ignored(Reason::NotServed);
        }
        if offer.slots == 0 || now >= offer.expires {
            return Reply::Ignored(Reason::OfferOver);
        }
        let asker = offer.issuer();
        let waiting = self.letters.to(&asker).filter_map(|record| match record {
            Record::Consent(consent) => Some(consent.offer),
            _ => None,
        });
        let waiting: Vec<Id<Offer>> = waiting.collect();
        if waiting.contains(&offer.id()) {
            return Reply::Kept;
        }
        if waiting.len() >= limits::CONSENTS {
            return Reply::Later;
        }
        // For the longest life of a claim, and twice the time agreed: changes may be wanted. Whoever has it is served past
        // `serve.from`, so not for ever.
        let within = offer.arbiter.map_or(Millis(0), |arbiter| arbiter.within);
        let agreed = Millis(offer.done.0 + offer.review.0);
        let until = offer.expires + limits::CLAIM_LIFE + agreed + agreed + within + limits::GRACE;
        let until = until.min(now + limits::CONSENT_LIFE);
        let consent = Consent { at: now, ext: Default::default(), offer: offer.id(), price, until };
        let consent = self.signer.sign(&consent);
        // By then I am asked again.
        self.letters.push(now, asker, consent.into(), offer.expires.min(now + ASK_AGAIN));
        Reply::Kept
    }

    fn serving_arbitration(&self) -> Option<&super::io::Serving> {
        let skill: Skill = decision::SKILL.parse().ok()?;
        self.serving(&skill)
    }

    pub(super) fn on_consent(&mut self, now: Timestamp, consent: &Verified<Consent>, out: &mut Outbox) -> Reply {
        let id = consent.offer;
        let Some(posting) = self.durable.posting(&id).filter(|posting| posting.closed.is_none()) else {
            return Reply::Ignored(Reason::NoSuchOffer);
        };
        let arbiter = consent.issuer();
        if posting.offer.arbiter.is_none_or(|named| named.agent != arbiter) {
            return Reply::Refused(Reason::OtherArbiter);
        }
        if !consent.lasts(&posting.offer, now) {
            return Reply::Refused(Reason::ConsentTooShort);
        }
        let Ok(bytes) = ConsentBytes::try_from(consent.envelope().to_vec()) else {
            return Reply::Refused(Reason::TooLong);
        };
        self.auction_mut(id).consent.get_or_insert(bytes);
        self.letters.withdraw(&arbiter, &id.untyped());
        self.advance_posting(now, id, out);
        Reply::Kept
    }

    // ---- calling the arbiter ----

    /// Whether the arbiter of a contested hire was called by this peer. A call that came to nothing is made again only if
    /// the user wants it.
    pub(super) fn has_called(&self, hire: &Hire) -> bool {
        let again = hire.wish == Some(Wish::Appeal);
        hire.terms().arbiter.is_some() && self.calls(hire).any(|call| !again || self.stands(call))
    }

    fn calls(&self, hire: &Hire) -> impl Iterator<Item = &Posting> {
        let of = hire.id();
        self.durable
            .postings()
            .values()
            .filter(move |posting| posting.task.call.as_ref().is_some_and(|call| call.of == of))
    }

    /// Whether a posting may still bring, or has brought, a hire that begins.
    fn stands(&self, posting: &Posting) -> bool {
        let begun = |id: &HireId| self.durable.hires().get(id).is_some_and(|hire| hire.facts().begin.is_some());
        posting.closed.is_none() || posting.hires.iter().any(begun)
    }

    pub(super) fn case_job(hire: &Hire) -> CaseJob {
        CaseJob { hire: hire.id(), records: hire_records(hire).iter().map(Item::of).collect() }
    }

    /// The case is in the store: hires the arbiter to decide it.
    pub(super) fn on_cased(&mut self, now: Timestamp, id: HireId, result: Result<BlobRef, String>, out: &mut Outbox) {
        let called = match (result, self.durable.hire(&id)) {
            (Ok(case), Some(hire)) if !self.has_called(hire) => match self.call(now, hire, case) {
                Some((task, arbiter)) => self.post(now, task, Some(arbiter), None, out).map(drop).map_err(drop),
                None => Ok(()),
            },
            (Ok(_), _) => Ok(()),
            (Err(_), _) => Err(()),
        };
        match (called, self.busy.get_mut(&id)) {
            (Ok(()), _) => drop(self.busy.remove(&id)),
            (Err(_), Some(busy)) => busy.again = Some(now + pause(busy.tries)),
            (Err(_), None) => {}
        }
        self.advance(now, id, out);
    }

    /// The task for the arbiter of a contested hire: the case, what was delivered, and what the work was on.
    fn call(&self, now: Timestamp, hire: &Hire, case: BlobRef) -> Option<(Task, AgentId)> {
        let facts = hire.facts();
        let by = stage::decide_by(&facts, hire.terms()).filter(|by| now < *by)?;
        let (arbiter, consent) = (hire.terms().arbiter?.agent, hire.terms().consent.clone()?);
        let (_, promised) = decision::read(&consent)?;
        let left = by.since(now);
        let named = |name: &str, blob| {
            Some(Input { blob, name: Text::try_from(name).ok()?, media: Text::try_from("application/json").ok()? })
        };
        let delivered = facts.delivery.filter(|delivery| self.holds_blob(hire, &delivery.blob.root));
        let mut inputs: Vec<Input> = named(arbitration::CASE, case).into_iter().collect();
        inputs.extend(delivered.and_then(|delivery| named(arbitration::RESULT, delivery.blob)));
        let worked_on = match hire.side {
            Side::Requester => self.durable.posting(&hire.offer.id()).map(|posting| posting.task.inputs.clone()),
            Side::Worker => worker::brief(hire).map(|brief| brief.inputs.to_vec()),
        };
        // What a task has no room for beside the case and the delivery stays away: a call that cannot be made helps nobody.
        for input in worked_on.unwrap_or_default() {
            let free = inputs.iter().all(|held| held.name != input.name) && inputs.len() < limits::INPUTS;
            if free && Input::total(&inputs).saturating_add(input.blob.size) <= limits::BLOB {
                inputs.push(input);
            }
        }
        let skill = decision::SKILL.parse().ok()?;
        let summary = hire.chain.award().skill.to_string();
        Some((
            Task {
                call: Some(Call { of: hire.id(), consent }),
                max: Some(promised.price),
                // An eighth is for the decision to be dated in time.
                done: Millis(left.0 - left.0 / 8),
                expires: Millis(left.0.clamp(1, limits::OFFER_LIFE.0)),
                inputs,
                ..Task::new(skill, &summary, arbitration::checks())
            },
            arbiter,
        ))
    }

    /// Whether the bytes of a hire's delivery are here: the worker's own, or those the requester fetched.
    fn holds_blob(&self, hire: &Hire, root: &Bytes32) -> bool {
        hire.side == Side::Worker || hire.fetched.contains(root)
    }

    /// Has the arbiter called, as the user of either side wants.
    pub(super) fn appeal(&mut self, now: Timestamp, id: HireId, out: &mut Outbox) -> Result<Answer, Refused> {
        let hire = self.durable.hire(&id).ok_or_else(|| Refused::Unknown(id.untyped()))?;
        let facts = hire.facts();
        match stage::decide_by(&facts, hire.terms()) {
            _ if facts.stage != Stage::Contested => return Err(Refused::NotContested),
            None => return Err(Refused::NoArbiter),
            Some(by) if now >= by => return Err(Refused::ArbiterLate),
            Some(_) if self.calls(hire).any(|call| self.stands(call)) => {
                return Err(Refused::ArbiterCalled);
            }
            Some(_) => {}
        }
        self.commit(now, Event::Wished { hire: id, wish: Wish::Appeal }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    // ---- being the arbiter ----

    /// At what price I decide the case that an offer brings, if I have consented to it and am still bound.
    pub(super) fn consented(&self, now: Timestamp, offer: &Offer) -> Option<Price> {
        let (who, consent) = decision::read(offer.case.as_ref()?)?;
        (who == self.agent() && now <= consent.until).then_some(consent.price)
    }

    /// Signs what my agent decided, once it is delivered, and sends it to both parties. Whoever calls me again in the same
    /// case, if only because it lost, has the ruling that there is; in the same words, unless the worker has shown the two of
    /// us different contests.
    pub(super) fn decide(&mut self, now: Timestamp, id: HireId, facts: &Facts, out: &mut Outbox) {
        let Some(hire) = self.durable.hire(&id).filter(|hire| hire.decision.is_none() && hire.side == Side::Worker)
        else {
            return;
        };
        let Some(Ok(decided)) = hire.checks(facts).and_then(|checked| checked.decided.clone()) else { return };
        let made = self.durable.hires().values().filter_map(|hire| hire.decision.as_ref());
        let made: Vec<_> = made.filter(|made| made.hire == decided.hire).collect();
        let (ruling, statement) = made.first().map_or_else(
            || (decided.ruling, Text::fit(&decided.statement)),
            |first| (first.ruling, first.statement.clone()),
        );
        let (requester, worker) = decided.seen;
        let decision = made.iter().find(|made| made.worker == worker).map_or_else(
            || {
                let (at, ext, hire) = (now, Default::default(), decided.hire);
                self.signer.sign(&Decision { at, ext, hire, ruling, worker, requester, statement })
            },
            |made| (*made).clone(),
        );
        let (by, hire, ruling) = (self.agent(), decided.hire, decision.ruling);
        self.commit(now, Event::Decided { hire: id, record: decision.into() }, out);
        out.push(Output::Notice(Notice::Decided { hire, by, ruling }));
        self.tell_parties(now, id);
    }

    /// The arbiter's decision goes to both parties; each passes it on to the other besides.
    pub(super) fn tell_parties(&mut self, now: Timestamp, id: HireId) {
        let Some(hire) = self.durable.hire(&id) else { return };
        let (Some(decision), Some((requester, worker))) = (hire.decision.clone(), parties(hire)) else { return };
        for party in [requester, worker] {
            self.letters.push(now, party, decision.clone().into(), now + limits::SERVED);
        }
    }

    /// Whether a decision is still on its way to somebody.
    pub(super) fn decision_waits(&self, hire: &Hire) -> bool {
        let mine = hire.decision.as_ref().zip(parties(hire)).is_some_and(|(decision, (requester, worker))| {
            [requester, worker].iter().any(|party| self.letters.holds(party, &decision.id().untyped()))
        });
        let others = hire.chain.decision();
        mine || others.is_some_and(|decision| self.letters.holds(&hire.other(), &decision.id().untyped()))
    }

    /// A decision of mine, or one I passed on, has arrived: that may have been the last that its hire waited for.
    pub(super) fn on_decision_sent(&mut self, now: Timestamp, decision: &Verified<Decision>, out: &mut Outbox) {
        let about = |hire: &&Hire| {
            let mine = hire.decision.as_ref().is_some_and(|mine| mine.id() == decision.id());
            mine || hire.id() == decision.hire
        };
        let hires: Vec<HireId> = self.durable.hires().values().filter(about).map(Hire::id).collect();
        for id in hires {
            self.advance(now, id, out);
        }
    }

    // ---- being bound ----

    /// The arbiter, or the other side, shows a decision of a hire of mine.
    pub(super) fn on_decision(
        &mut self,
        now: Timestamp,
        from: AgentId,
        decision: Verified<Decision>,
        out: &mut Outbox,
    ) -> Reply {
        let id = decision.hire;
        let Some(hire) = self.durable.hire(&id) else { return Reply::Ignored(Reason::NoSuchHire) };
        match hire.chain.admit_decision(&decision) {
            Ok(()) => {}
            Err(Misfit::Duplicate) => return Reply::Kept,
            Err(Misfit::Gap { .. }) => return Reply::Later,
            Err(Misfit::Superseded) => return Reply::Ignored(Reason::Superseded),
            // No fault of the arbiter's: who called it may have told it of the case too late, or of more time than there was.
            Err(Misfit::NotAllowed(rule)) => return Reply::Refused(rule.into()),
        }
        let (other, by, ruling) = (hire.other(), decision.issuer(), decision.ruling);
        let record = Record::from(decision);
        self.commit(now, Event::Decided { hire: id, record: record.clone() }, out);
        out.push(Output::Notice(Notice::Decided { hire: id, by, ruling }));
        if from != other {
            self.letters.push(now, other, record, now + limits::SERVED);
        }
        self.advance(now, id, out);
        Reply::Kept
    }
}

/// The parties to the case that an arbiter was hired for, the requester first.
fn parties(hire: &Hire) -> Option<(AgentId, AgentId)> {
    let decided = |checked: &crate::hire::Checked| checked.decided.as_ref()?.as_ref().ok().map(|it| it.parties);
    hire.checked.values().find_map(decided)
}
