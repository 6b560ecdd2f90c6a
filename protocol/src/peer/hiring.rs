//! This peer as requester: postings, claims, awards, and what its user commands.

use std::collections::BTreeMap;

use super::event::Event;
use super::io::{Answer, Command, Notice, Outbox, Output, Refused, Task};
use super::money::{Budget, Spent};
use super::{Peer, Wake, ignored};
use crate::codec::Text;
use crate::hire::selection::{self, Candidate, Considered, Why};
use crate::hire::stage::Stage;
use crate::hire::{HireId, Say, Side, Wish};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::award::value_bucket;
use crate::market::checks::Sealed;
use crate::market::constraint::Match;
use crate::market::price::Price;
use crate::market::{Award, Claim, Input, Offer, Outcome, Reject, Ruling, Scores, Skill, Terms};
use crate::record::{Beside, Payload as _, Record, Verified};
use crate::reputation::Model as _;
use crate::time::{Millis, Timestamp};
use crate::wire::Reply;

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
#[derive(Debug, Clone)]
pub struct Posting {
    /// The offer.
    pub offer: Verified<Offer>,
    /// The task.
    pub task: Task,
    /// The one worker it is for.
    pub to: Option<AgentId>,
    /// Salt of the sealed checks.
    pub salt: Bytes32,
    /// Claims held, one an issuer. Soft: workers repeat theirs.
    pub claims: BTreeMap<AgentId, Verified<Claim>>,
    /// The hires that came of it, oldest first.
    pub hires: Vec<HireId>,
    /// Why each was chosen.
    pub chosen: BTreeMap<HireId, Why>,
    /// The award that waits for a person.
    pub asked: Option<Asked>,
    /// Up to which price a person lets it be awarded.
    pub approved: Option<Price>,
    /// For want of which budget it is not awarded. Soft.
    pub held: Option<String>,
    /// Why claims that are held were not chosen so far. Soft.
    pub lost: BTreeMap<AgentId, String>,
    /// Why it takes no more claims, once it does not.
    pub closed: Option<String>,
}

impl Posting {
    pub(super) fn new(offer: Verified<Offer>, task: Task, to: Option<AgentId>, salt: Bytes32) -> Self {
        Self {
            offer,
            task,
            to,
            salt,
            claims: BTreeMap::new(),
            hires: Vec::new(),
            chosen: BTreeMap::new(),
            asked: None,
            approved: None,
            held: None,
            lost: BTreeMap::new(),
            closed: None,
        }
    }

    /// Whether it is closed and all its hires are gone.
    pub(super) fn is_past(&self, gone: &dyn Fn(&HireId) -> bool) -> bool {
        self.closed.is_some() && self.hires.iter().all(gone)
    }

    /// The sealed checks, if there are any.
    pub fn sealed(&self) -> Option<Sealed> {
        (!self.task.sealed.is_empty()).then(|| Sealed { salt: self.salt, checks: self.task.sealed.clone() })
    }
}

enum Slot {
    Open { slot: u16, round: u16, replaces: Option<HireId> },
    Pending,
    Filled,
}

impl Peer {
    pub(super) fn on_command(&mut self, now: Timestamp, command: Command, out: &mut Outbox) -> Result<Answer, Refused> {
        match command {
            Command::Hire { task, to } => self.post(now, *task, to, out).map(Answer::Posted),
            Command::Follow(skill) => {
                if self.rooms.len() >= limits::ROOMS && !self.rooms.contains(&skill.room(limits::ROOM_DEPTH)) {
                    return Err(Refused::Full("rooms"));
                }
                self.follow(&skill, out);
                Ok(Answer::Done)
            }
            Command::Stop { id, reason } => self.stop(now, id, &reason, out),
            Command::Judge { hire, ruling, note } => self.rule(now, hire, ruling, note, out),
            Command::Rate { hire, scores } => self.score(now, hire, scores, out),
            Command::Ask { hire, text } => self.ask_requester(now, hire, text, out),
            Command::Reply { hire, text, later } => self.reply(now, hire, text, later, out),
            Command::Contest { hire, statement } => self.contest(now, hire, Some(statement), out),
            Command::Approve { id, note } => self.approve(now, id, note, out),
            Command::Refuse { id, reason } => self.refuse(now, id, reason, out),
            Command::Book { with, amount, direction, note } => {
                self.book_payment(now, with, amount, direction, note, out)
            }
        }
    }

    fn post(
        &mut self,
        now: Timestamp,
        task: Task,
        to: Option<AgentId>,
        out: &mut Outbox,
    ) -> Result<Id<Offer>, Refused> {
        let invalid = |text: String| Refused::Invalid(text);
        if self.postings.values().filter(|posting| posting.closed.is_none()).count() >= limits::POSTINGS {
            return Err(Refused::Full("offers"));
        }
        if self.open >= limits::OPEN_HIRES {
            return Err(Refused::Full("hires"));
        }
        if to == Some(self.agent()) {
            return Err(invalid("an agent cannot hire itself; name another worker".to_owned()));
        }
        check_task(&task, to.is_some()).map_err(invalid)?;
        let salt = self.draw();
        let offer = Offer {
            at: now,
            ext: Default::default(),
            max: task.max.clone(),
            seq: self.next_seq(now),
            bids: if to.is_some() { now } else { now + task.bids },
            done: task.done,
            nonce: self.draw(),
            skill: task.skill.clone(),
            agree: task.agree,
            milestones: task.milestones.clone(),
            slots: if to.is_some() { 1 } else { task.slots },
            constraint: task.constraint.clone(),
            checks: task.checks.clone(),
            review: task.review,
            expires: now + task.expires,
            summary: Text::try_from(task.summary.as_str()).map_err(|e| invalid(format!("the summary is {e}")))?,
            properties: task.properties.clone(),
        };
        offer.check(&self.agent(), &self.signer.network()).map_err(|e| invalid(e.to_string()))?;
        let offer = self.signer.sign(&offer);
        if offer.envelope().len() > limits::OFFER {
            let (len, max) = (offer.envelope().len(), limits::OFFER);
            return Err(invalid(format!(
                "the public part of the task takes {len} bytes, at most {max} can be gossiped; shorten its schema or checks"
            )));
        }
        let id = offer.id();
        let skill = task.skill.clone();
        let event = Event::Posted { offer: offer.into(), task: Box::new(task), to, salt };
        self.commit(now, event, out);
        out.push(Output::Notice(Notice::Posted { offer: id, skill }));
        self.announce_posting(now, id, out);
        self.advance_posting(now, id, out);
        Ok(id)
    }

    /// Makes a posting known: in its room, or to the one worker it is for.
    pub(super) fn announce_posting(&mut self, now: Timestamp, id: Id<Offer>, out: &mut Outbox) {
        let Some(posting) = self.postings.get(&id) else { return };
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
    }

    pub(super) fn on_claim(&mut self, now: Timestamp, claim: Verified<Claim>, out: &mut Outbox) -> Reply {
        let Some(posting) = self.postings.get(&claim.offer) else { return ignored("no such offer of mine") };
        let worker = claim.issuer();
        if posting.hires.iter().any(|id| self.hires.get(id).is_some_and(|hire| hire.claim.id() == claim.id())) {
            return Reply::Kept;
        }
        if posting.closed.is_some() {
            // Why it was closed may be about budgets.
            return ignored(posting.lost.get(&worker).map_or("it takes no more claims", String::as_str));
        }
        if claim.requester != self.agent() || claim.nonce != posting.offer.nonce {
            return ignored("the claim is for another offer");
        }
        if posting.to.is_some_and(|to| to != worker) {
            return ignored("the offer was not made to you");
        }
        if posting.hires.iter().any(|id| self.hires.get(id).is_some_and(|hire| hire.worker() == worker)) {
            return ignored("you had a slot of this offer");
        }
        if claim.until <= now {
            return ignored("the claim has ended");
        }
        if let Some(why) = self.shuns(&worker, &posting.offer.skill) {
            return ignored(why);
        }
        if posting.task.max.as_ref().is_some_and(|max| !claim.price.within(max)) {
            return ignored("the price is above the ceiling, or in another unit");
        }
        let offer = claim.offer;
        if let Some(posting) = self.postings.get_mut(&offer) {
            let held = posting.claims.get(&worker);
            if held.is_none_or(|held| claim.id() < held.id() || held.until <= now) {
                posting.claims.insert(worker, claim);
            }
        }
        self.trim_claims(now, offer);
        self.advance_posting(now, offer, out);
        Reply::Kept
    }

    /// Keeps the best claims of an offer: the worst goes when there is one too many.
    fn trim_claims(&mut self, now: Timestamp, id: Id<Offer>) {
        let Some(posting) = self.postings.get(&id).filter(|posting| posting.claims.len() > limits::CLAIMS_PER_OFFER)
        else {
            return;
        };
        // A few places are the newcomers': among many claims of the proven, none of theirs would be looked at.
        let all: Vec<_> =
            posting.claims.values().map(|claim| self.candidate(&posting.offer.skill, claim, now)).collect();
        let spare_newcomers = all.iter().filter(|one| one.newcomer).count() <= limits::CLAIMS_NEWCOMERS;
        let droppable = all.iter().filter(|one| !(spare_newcomers && one.newcomer));
        let worst = droppable.max_by(|a, b| selection::compare(a, b, &posting.task.choosing));
        // What cannot be chosen anyway goes before all of them: it may be as cheap as it likes.
        let spent = self.spent_today(now);
        let unfit = posting.claims.values().find(|claim| self.unfit(posting, claim, now, &spent).is_some());
        let worst = unfit.or(worst.map(|worst| worst.claim)).map(Verified::issuer);
        if let (Some(worst), Some(posting)) = (worst, self.postings.get_mut(&id)) {
            posting.claims.remove(&worst);
        }
    }

    fn candidate<'a>(&self, skill: &Skill, claim: &'a Verified<Claim>, now: Timestamp) -> Candidate<'a> {
        let (me, worker) = (self.agent(), claim.issuer());
        let low = self.reputation.low(&me, &worker, Some(skill), now.day());
        let (n, mean) = self.reputation.experience(&me, &worker, now.day());
        let newcomer = n < limits::NEWCOMER && mean >= 0.5;
        let entry = self.directory.manifest_of(&worker).and_then(|manifest| manifest.entry_for(skill));
        let fit = entry.map_or(0, |entry| entry.path.as_str().split('/').count());
        Candidate { claim, low: (low * 1000.0).clamp(0.0, 1000.0) as u16, newcomer, fit }
    }

    /// Why I do not hire this worker for this skill; `None` if my rules let me.
    fn shuns(&self, worker: &AgentId, skill: &Skill) -> Option<&'static str> {
        let rules = || self.config.buy.rules.iter().filter(|rule| rule.skill.covers(skill));
        if rules().any(|rule| rule.block.contains(worker)) {
            return Some("this requester does not hire you");
        }
        let allowed = rules().filter(|rule| !rule.allow.is_empty()).max_by_key(|rule| rule.skill.as_str().len());
        let shunned = allowed.is_some_and(|rule| !rule.allow.contains(worker));
        shunned.then_some("this requester hires others only for this skill")
    }

    /// A claimant's manifest is here now: a claim that waited for it may be chosen.
    pub(super) fn on_manifest(&mut self, now: Timestamp, who: AgentId, out: &mut Outbox) {
        let waiting: Vec<_> = self
            .postings
            .iter()
            .filter(|(_, posting)| posting.closed.is_none() && posting.claims.contains_key(&who))
            .map(|(id, _)| *id)
            .collect();
        for id in waiting {
            self.advance_posting(now, id, out);
        }
    }

    /// Awards open slots, closes what is filled or has expired, sets the timer.
    pub(super) fn advance_posting(&mut self, now: Timestamp, id: Id<Offer>, out: &mut Outbox) {
        // One award for each slot at most; each pass awards one or ends.
        for _ in 0..=limits::SLOTS {
            let Some(posting) = self.postings.get(&id).filter(|posting| posting.closed.is_none()) else {
                return self.wake(Wake::Posting(id), None);
            };
            if now < posting.offer.bids {
                return self.wake(Wake::Posting(id), Some(posting.offer.bids));
            }
            let expires = posting.offer.expires;
            let slots: Vec<Slot> = (0..posting.offer.slots).map(|slot| self.slot(posting, slot)).collect();
            if slots.iter().all(|slot| matches!(slot, Slot::Filled)) {
                return self.close_posting(now, id, "every slot is filled", out);
            }
            let open = slots.iter().find_map(|slot| match slot {
                Slot::Open { slot, round, replaces } => Some((*slot, *round, *replaces)),
                _ => None,
            });
            let pending = slots.iter().any(|slot| matches!(slot, Slot::Pending));
            let Some((slot, round, replaces)) = open else { return self.wake(Wake::Posting(id), None) };
            let (chosen, left_out) = self.choose(posting, now);
            let over = left_out.iter().find(|(_, _, over)| *over).map(|(_, reason, _)| reason.clone());
            let Some((claim, why)) = chosen else {
                self.note_lost(id, &Why::default(), left_out);
                if now >= expires && !pending {
                    let reason = over.unwrap_or_else(|| "nobody suitable claimed it before it expired".to_owned());
                    return self.close_posting(now, id, &reason, out);
                }
                if let Some(posting) = self.postings.get_mut(&id).filter(|posting| posting.held != over) {
                    posting.held.clone_from(&over);
                    out.extend(over.map(|reason| Output::Notice(Notice::Held { offer: id, reason })));
                }
                return self.wake(Wake::Posting(id), Some(expires).filter(|at| now < *at));
            };
            if self.budget(posting, &claim.price, &self.spent_today(now)) == Budget::Ask {
                return self.ask(now, id, &claim, expires, pending, out);
            }
            self.note_lost(id, &why, left_out);
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
                self.close_posting(now, id, "nobody approved its price before it expired", out);
            }
            return;
        }
        let (with, price) = (claim.issuer(), claim.price.clone());
        // Who waits for a person waits on, while its claim stands: what is approved is what was shown, and a stream of
        // ever better claims is not a stream of questions.
        let stands = |posting: &Posting| {
            let asked = posting.asked.as_ref()?;
            let claim = posting.claims.get(&asked.with).filter(|claim| claim.price == asked.price)?;
            self.unfit(posting, claim, now, &self.spent_today(now)).is_none().then_some(())
        };
        if self.postings.get(&id).and_then(stands).is_none() {
            self.commit(now, Event::Asked { offer: id, with, price: price.clone() }, out);
            out.push(Output::Notice(Notice::Asked { offer: id, with, price }));
        }
        self.wake(Wake::Posting(id), Some(expires));
    }

    /// Remembers what to tell those that were not chosen.
    fn note_lost(&mut self, id: Id<Offer>, why: &Why, left_out: Vec<(AgentId, String, bool)>) {
        if let Some(posting) = self.postings.get_mut(&id) {
            let lost = why.considered.iter().skip(1).map(|one| (one.agent, one.outcome.clone()));
            // What there is to spend is nobody's business.
            let told = |over, reason| if over { "more than this requester may spend now".to_owned() } else { reason };
            let left_out = left_out.into_iter().map(|(agent, reason, over)| (agent, told(over, reason)));
            posting.lost = lost.chain(left_out).collect();
        }
    }

    fn slot(&self, posting: &Posting, slot: u16) -> Slot {
        let last =
            posting.hires.iter().rev().filter_map(|id| self.hires.get(id)).find(|hire| hire.chain.award().slot == slot);
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

    /// The claim to award now with the reasons, and the claims left out: whose, why, and whether for want of budget.
    #[expect(clippy::type_complexity, reason = "two lists that belong together, used in one place")]
    pub(super) fn choose(
        &self,
        posting: &Posting,
        now: Timestamp,
    ) -> (Option<(Verified<Claim>, Why)>, Vec<(AgentId, String, bool)>) {
        let (mut candidates, mut left_out) = (Vec::new(), Vec::new());
        let spent = self.spent_today(now);
        for claim in posting.claims.values() {
            match self.unfit(posting, claim, now, &spent) {
                None => candidates.push(self.candidate(&posting.offer.skill, claim, now)),
                Some((reason, over)) => left_out.push((claim.issuer(), reason, over)),
            }
        }
        let lane = posting.task.choosing.newcomers.is_due(self.awards.iter().rev().copied());
        let chosen = selection::choose(&candidates, &posting.task.choosing, lane).map(|(chosen, mut why)| {
            why.claims = posting.claims.len();
            let out = left_out.iter().filter_map(|(agent, reason, _)| {
                let claim = posting.claims.get(agent)?;
                let Candidate { low, newcomer, fit, .. } = self.candidate(&posting.offer.skill, claim, now);
                let (agent, price, outcome) = (*agent, claim.price.clone(), format!("left out: {reason}"));
                Some(Considered { agent, price, expect: claim.expect, low, newcomer, fit, outcome })
            });
            why.considered.extend(out);
            (chosen.claim.clone(), why)
        });
        (chosen, left_out)
    }

    /// Why a claim cannot be chosen now, and whether that is for want of budget.
    fn unfit(
        &self,
        posting: &Posting,
        claim: &Verified<Claim>,
        now: Timestamp,
        spent: &Spent,
    ) -> Option<(String, bool)> {
        if claim.until <= now {
            return Some(("the claim has ended".to_owned(), false));
        }
        if claim.until > posting.offer.bids.max(claim.at) + posting.task.begin {
            let most = posting.task.begin;
            return Some((format!("it could take until {} to begin, and the task allows {most}", claim.until), false));
        }
        if let Some(constraint) = &posting.task.constraint {
            let manifest = self.directory.manifest_of(&claim.issuer());
            let Some(entry) = manifest.and_then(|manifest| manifest.entry_for(&posting.offer.skill)) else {
                return Some(("its manifest is not here, and the task has a `where`".to_owned(), false));
            };
            let found = constraint.evaluate(&entry.properties);
            if found != Match::Yes {
                return Some((super::serving::unmet(&found), false));
            }
        }
        match self.budget(posting, &claim.price, spent) {
            Budget::Over(reason) => Some((reason, true)),
            Budget::Within | Budget::Ask => None,
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
        let Some(posting) = self.postings.get(&id) else { return };
        let offer = posting.offer.clone();
        let terms = Terms {
            at: now,
            done: offer.done,
            offer: id,
            price: claim.price.clone(),
            until: claim.until,
            checks: offer.checks.clone(),
            review: offer.review,
            sealed: posting.sealed().map(|sealed| sealed.commitment()),
            agree: offer.agree,
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

    /// Ends a posting and tells those who wait for it: a newer version of the offer, without slots, takes it back.
    pub(super) fn close_posting(&mut self, now: Timestamp, id: Id<Offer>, reason: &str, out: &mut Outbox) {
        let Some(posting) = self.postings.get(&id).filter(|posting| posting.closed.is_none()) else { return };
        let (offer, to) = (posting.offer.clone(), posting.to);
        let told = |(worker, claim): (&AgentId, &Verified<Claim>)| {
            let why = posting.lost.get(worker).map_or(reason, String::as_str);
            (*worker, Reject { at: now, ext: Default::default(), claim: claim.id(), reason: Text::fit(why) })
        };
        let claimants: Vec<(AgentId, Reject)> = posting.claims.iter().map(told).collect();
        let unfilled =
            !posting.hires.iter().any(|id| self.hires.get(id).is_some_and(|hire| hire.facts().begin.is_some()));
        self.wake(Wake::Posting(id), None);
        self.commit(now, Event::Unposted { offer: id, reason: reason.to_owned() }, out);
        if unfilled {
            out.push(Output::Notice(Notice::Unfilled { offer: id, reason: reason.to_owned() }));
        }
        if let Some(worker) = to {
            self.letters.withdraw(&worker, &id.untyped());
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

    fn stop(&mut self, now: Timestamp, id: Bytes32, reason: &str, out: &mut Outbox) -> Result<Answer, Refused> {
        let offer = Id::from_bytes(id.0);
        let hires = match self.postings.get(&offer) {
            Some(posting) => posting.hires.clone(),
            None => vec![Id::from_bytes(id.0)],
        };
        let stoppable = |hire: &HireId| {
            let stage = self.hires.get(hire).filter(|hire| hire.closed.is_none()).map(|hire| hire.facts().stage);
            matches!(stage, Some(Stage::Awarded | Stage::Begun | Stage::Working))
        };
        let stoppable: Vec<HireId> = hires.iter().copied().filter(stoppable).collect();
        let open = self.postings.get(&offer).is_some_and(|posting| posting.closed.is_none());
        if !open && stoppable.is_empty() {
            let known = self.postings.contains_key(&offer) || hires.iter().any(|id| self.hires.contains_key(id));
            return Err(if known {
                Refused::Invalid("it is delivered or over; only what is still at work can be stopped".to_owned())
            } else {
                Refused::Unknown(id.to_string())
            });
        }
        self.close_posting(now, offer, reason, out);
        for hire in stoppable {
            self.commit(now, Event::Wished { hire, wish: Wish::Stop(reason.to_owned()) }, out);
            self.advance(now, hire, out);
        }
        Ok(Answer::Done)
    }

    fn score(&mut self, now: Timestamp, id: HireId, scores: Scores, out: &mut Outbox) -> Result<Answer, Refused> {
        let hire = self.hires.get(&id).ok_or_else(|| Refused::Unknown(id.to_string()))?;
        let all = [scores.speed, scores.quality, scores.accuracy, scores.communication];
        if all.iter().flatten().any(|score| *score > 1000) || all.iter().all(Option::is_none) {
            return Err(Refused::Invalid("give at least one score, each from 0 to 1".to_owned()));
        }
        if hire.judgement.is_some() || hire.rated {
            return Err(Refused::Invalid("the rating is sealed already; a sealed rating is final".to_owned()));
        }
        if hire.facts().begin.is_none() {
            return Err(Refused::Invalid("it has not begun; there is nothing to rate".to_owned()));
        }
        if hire.closed.is_some() {
            return Err(Refused::Invalid("it is closed, and what there was to rate is rated".to_owned()));
        }
        self.commit(now, Event::Scored { hire: id, scores }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    fn approve(&mut self, now: Timestamp, id: Bytes32, note: String, out: &mut Outbox) -> Result<Answer, Refused> {
        let offer = Id::from_bytes(id.0);
        let Some(posting) = self.postings.get(&offer) else {
            let hire = Id::from_bytes(id.0);
            return match self.hires.get(&hire) {
                Some(held) if held.side == Side::Worker => self.take_or_agree(now, hire, out),
                _ => self.rule(now, hire, Ruling::Accepted, note, out),
            };
        };
        let Some(asked) = posting.asked.as_ref().filter(|_| posting.closed.is_none()) else {
            return Err(Refused::Invalid("nothing of this offer waits for you; see `gigmesh inbox`".to_owned()));
        };
        let (up_to, direct) = (asked.price.clone(), posting.to.is_some());
        self.commit(now, Event::Approved { offer, up_to }, out);
        self.advance_posting(now, offer, out);
        if direct {
            // The claim may have ended meanwhile; nobody but this worker can make another.
            self.announce_posting(now, offer, out);
        }
        Ok(Answer::Done)
    }

    fn refuse(&mut self, now: Timestamp, id: Bytes32, reason: String, out: &mut Outbox) -> Result<Answer, Refused> {
        let offer = Id::from_bytes(id.0);
        match self.postings.get(&offer) {
            Some(posting) if posting.asked.is_some() => self.stop(now, id, &reason, out),
            Some(_) => Err(Refused::Invalid("nothing of this offer waits for you; see `gigmesh inbox`".to_owned())),
            None => {
                let hire = Id::from_bytes(id.0);
                match self.hires.get(&hire) {
                    Some(held) if held.side == Side::Worker && held.facts().stage == Stage::Awarded => {
                        self.stop(now, id, &reason, out)
                    }
                    Some(held) if held.side == Side::Worker => self.contest(now, hire, Some(reason), out),
                    _ => self.rule(now, hire, Ruling::Refused, reason, out),
                }
            }
        }
    }

    /// A person of the worker's takes an award, or agrees to a refusal.
    fn take_or_agree(&mut self, now: Timestamp, id: HireId, out: &mut Outbox) -> Result<Answer, Refused> {
        let stage = self.hires.get(&id).map(|hire| hire.facts().stage);
        if stage != Some(Stage::Awarded) {
            return self.contest(now, id, None, out);
        }
        self.commit(now, Event::Wished { hire: id, wish: Wish::Begin }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    /// The worker contests a refusal with a statement, or agrees to it without one.
    fn contest(
        &mut self,
        now: Timestamp,
        id: HireId,
        statement: Option<String>,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        let hire = self.hires.get(&id).ok_or_else(|| Refused::Unknown(id.to_string()))?;
        let stage = hire.facts().stage;
        let refused = matches!(stage, Stage::Judged(Ruling::Refused) | Stage::Receipted(Outcome::Refused));
        if hire.side != Side::Worker || !refused || hire.closed.is_some() {
            return Err(Refused::Invalid("there is no refusal of it to answer; see `gigmesh inbox`".to_owned()));
        }
        said(statement.as_deref().unwrap_or_default())?;
        self.commit(now, Event::Wished { hire: id, wish: Wish::Contest(statement) }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    pub(super) fn ask_requester(
        &mut self,
        now: Timestamp,
        id: HireId,
        text: String,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        let hire = self.hires.get(&id).ok_or_else(|| Refused::Unknown(id.to_string()))?;
        let facts = hire.facts();
        if hire.side != Side::Worker || facts.stage != Stage::Working {
            return Err(Refused::Invalid("questions are asked by the worker while it works".to_owned()));
        }
        if facts.questions.0 >= limits::QUESTIONS {
            return Err(Refused::Invalid("no more questions can be asked in this hire".to_owned()));
        }
        said(&text)?;
        self.say(now, id, Say::Question { text }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    fn reply(
        &mut self,
        now: Timestamp,
        id: HireId,
        text: String,
        later: Option<Millis>,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        let hire = self.hires.get(&id).ok_or_else(|| Refused::Unknown(id.to_string()))?;
        let facts = hire.facts();
        let at_work = matches!(facts.stage, Stage::Begun | Stage::Working) && hire.side == Side::Requester;
        let Some(question) = hire.open_question().filter(|_| at_work).map(Verified::id) else {
            return Err(Refused::Invalid("it has no open question".to_owned()));
        };
        said(&text)?;
        // What is past cannot be extended to a time that is past as well.
        let due = later.map(|later| facts.due.max(now) + later);
        self.say(now, id, Say::Answer { question, text, due }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    fn rule(
        &mut self,
        now: Timestamp,
        id: HireId,
        ruling: Ruling,
        note: String,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        let hire = self.hires.get(&id).ok_or_else(|| Refused::Unknown(id.to_string()))?;
        let facts = hire.facts();
        if hire.side != Side::Requester || facts.stage != Stage::Reviewing {
            return Err(Refused::Invalid("there is no delivery of it under review here".to_owned()));
        }
        if facts.review_until.is_none_or(|until| now > until) {
            return Err(Refused::Invalid("the review clock has ended; the public checks decide".to_owned()));
        }
        if hire.checks(&facts).is_none() {
            return Err(Refused::Invalid(
                "the result has not arrived yet; judge it when `gigmesh show` lists its checks".to_owned(),
            ));
        }
        match ruling {
            Ruling::Changes(due) if due <= now => {
                return Err(Refused::Invalid("changes need a deadline that lies ahead".to_owned()));
            }
            Ruling::Changes(_) if facts.deliveries >= limits::DELIVERIES + hire.terms().milestones.len() => {
                return Err(Refused::Invalid("changes were wanted too often; accept or refuse it".to_owned()));
            }
            Ruling::Unserved => return Err(Refused::Invalid("the result is here; accept or refuse it".to_owned())),
            _ => {}
        }
        self.commit(now, Event::Wished { hire: id, wish: Wish::Rule(ruling, note) }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }
}

/// What goes to the other side as it is, or not at all.
fn said(text: &str) -> Result<(), Refused> {
    let fits = Text::<{ limits::NOTE }>::try_from(text);
    fits.map(drop).map_err(|error| Refused::Invalid(format!("the text is {error}")))
}

/// What must hold of a task before an offer is made of it. The texts say what to do.
fn check_task(task: &Task, direct: bool) -> Result<(), String> {
    let rule = |holds: bool, otherwise: &str| if holds { Ok(()) } else { Err(otherwise.to_owned()) };
    rule((1..=limits::SLOTS).contains(&task.slots), "slots must be between 1 and 64")?;
    rule(!direct || task.slots == 1, "a task for one worker has one slot; leave out `slots` or `--to`")?;
    rule(direct || task.bids < task.expires, "the bid window must end before the offer expires; shorten `bids`")?;
    rule(task.expires <= limits::OFFER_LIFE, "an offer stands for a day at most; shorten `expires`")?;
    rule(task.inputs.len() <= limits::INPUTS, "a task has 16 inputs at most")?;
    rule(
        task.inputs.iter().all(|input| Input::is_name(&input.name)),
        "an input's name may hold a-z, 0-9, _ and - only",
    )?;
    let names: std::collections::BTreeSet<_> = task.inputs.iter().map(|input| &input.name).collect();
    rule(names.len() == task.inputs.len(), "two inputs have one name; give each its own")?;
    rule(task.inputs.iter().all(|input| input.blob.size <= limits::BLOB), "an input may have 64 MiB at most")?;
    let params = task.params.as_deref().unwrap_or("null");
    rule(params.len() <= limits::PARAMS, "the parameters may take 64 KiB at most")?;
    rule(serde_json::from_str::<serde::de::IgnoredAny>(params).is_ok(), "the parameters are not JSON")?;
    // They are sent as they are or not at all.
    Text::<{ limits::PARAMS }>::try_from(params).map_err(|e| format!("the parameters cannot be sent: {e}"))?;
    task.checks.compile().map_err(|e| format!("a check cannot be run: {e}"))?;
    for part in task.milestones.iter() {
        part.checks.compile().map_err(|e| format!("a check of the milestone {:?} cannot be run: {e}", &*part.title))?;
    }
    rule(task.agree.is_none() || !direct, "several results are compared, and one worker makes one; leave out `agree`")?;
    let sealed = Sealed { salt: Bytes32::default(), checks: task.sealed.clone() };
    sealed.compile().map_err(|e| format!("a sealed check cannot be run: {e}"))?;
    Ok(())
}
