//! This peer as requester: whom it hires. Looks at the claims held for an offer of mine with the task's policies, the
//! operator's rules and the budgets; decides nothing else and changes nothing but which claims are held.

use super::money::{Budget, Spent};
use super::{Peer, Posting};
use crate::hire::selection::{self, Candidate, ClaimOutcome, Unfit, Why};
use crate::id::{AgentId, Id};
use crate::limits;
use crate::market::constraint::Match;
use crate::market::{Claim, Offer, Reason, Skill};
use crate::record::Verified;
use crate::reputation::{Known, Model as _};
use crate::time::Timestamp;

/// What a look at the claims of an offer found.
pub(super) struct Choice {
    /// The claim to award now, with the reasons.
    pub chosen: Option<(Verified<Claim>, Why)>,
    /// The claims that cannot be chosen.
    pub left_out: Vec<LeftOut>,
}

/// A claim that cannot be chosen.
pub(super) struct LeftOut {
    pub agent: AgentId,
    pub why: Unfit,
}

impl Peer {
    /// Keeps the best claims of an offer: the worst goes when there is one too many.
    pub(super) fn trim_claims(&mut self, now: Timestamp, id: Id<Offer>) {
        let (Some(posting), claims) = (self.durable.posting(&id), &self.auction(&id).claims) else { return };
        if claims.len() <= limits::CLAIMS_PER_OFFER {
            return;
        }
        // A few places are the newcomers': among many claims of the proven, none of theirs would be looked at.
        let all: Vec<_> = claims.values().map(|claim| self.candidate(&posting.offer.skill, claim, now)).collect();
        let spare_newcomers = all.iter().filter(|one| one.newcomer).count() <= limits::CLAIMS_NEWCOMERS;
        let droppable = all.iter().filter(|one| !(spare_newcomers && one.newcomer));
        let worst = droppable.max_by(|a, b| selection::compare(a, b, &posting.task.choosing));
        // What cannot be chosen anyway goes before all of them: it may be as cheap as it likes.
        let spent = self.spent_today(now);
        let unfit = claims.values().find(|claim| self.unfit(posting, claim, now, &spent).is_some());
        let worst = unfit.or(worst.map(|worst| worst.claim)).map(Verified::issuer);
        if let Some(worst) = worst {
            self.auction_mut(id).claims.remove(&worst);
        }
    }

    pub(super) fn candidate<'a>(&self, skill: &Skill, claim: &'a Verified<Claim>, now: Timestamp) -> Candidate<'a> {
        let (me, worker) = (self.agent(), claim.issuer());
        // Not by one's own experience alone: whoever is well known to others has a history, and so has whoever has failed them.
        let Known { low, units, good } = self.reputation.known(&me, &worker, skill, now.day());
        let (bad, newcomer) = (good < 0.5, units < limits::NEWCOMER && good >= 0.5);
        let entry = self.directory.manifest_of(&worker).and_then(|manifest| manifest.entry_for(skill));
        let fit = entry.map_or(0, |entry| entry.path.as_str().split('/').count());
        Candidate { claim, low: (low * 1000.0).clamp(0.0, 1000.0) as u16, bad, newcomer, fit }
    }

    /// Why I do not hire this worker for this skill; `None` if my rules let me.
    pub(super) fn shuns(&self, worker: &AgentId, skill: &Skill) -> Option<Reason> {
        let rules = || self.config.buy.rules.iter().filter(|rule| rule.skill.covers(skill));
        if rules().any(|rule| rule.block.contains(worker)) {
            return Some(Reason::Blocked);
        }
        let allowed = rules().filter(|rule| !rule.allow.is_empty()).max_by_key(|rule| rule.skill.as_str().len());
        let shunned = allowed.is_some_and(|rule| !rule.allow.contains(worker));
        shunned.then_some(Reason::OthersOnly)
    }

    /// The claim to award now, and the claims left out.
    pub(super) fn choose(&self, posting: &Posting, now: Timestamp) -> Choice {
        let (mut candidates, mut left_out) = (Vec::new(), Vec::new());
        let spent = self.spent_today(now);
        let claims = &self.auction(&posting.offer.id()).claims;
        for claim in claims.values() {
            match self.unfit(posting, claim, now, &spent) {
                None => candidates.push(self.candidate(&posting.offer.skill, claim, now)),
                Some(why) => left_out.push(LeftOut { agent: claim.issuer(), why }),
            }
        }
        let lane = posting.task.choosing.newcomers.is_due(self.durable.awards().iter().rev().map(|(_, lane)| *lane));
        let chosen = selection::choose(&candidates, &posting.task.choosing, lane).map(|(chosen, mut why)| {
            why.claims = claims.len();
            let out = left_out.iter().filter_map(|LeftOut { agent, why }| {
                let candidate = self.candidate(&posting.offer.skill, claims.get(agent)?, now);
                Some(candidate.considered(ClaimOutcome::LeftOut(why.clone())))
            });
            why.considered.extend(out);
            (chosen.claim.clone(), why)
        });
        Choice { chosen, left_out }
    }

    /// Why a claim cannot be chosen now.
    pub(super) fn unfit(
        &self,
        posting: &Posting,
        claim: &Verified<Claim>,
        now: Timestamp,
        spent: &Spent,
    ) -> Option<Unfit> {
        if claim.until <= now {
            return Some(Unfit::Ended);
        }
        if claim.until > posting.offer.bids.max(claim.at) + posting.task.begin {
            return Some(Unfit::BindsTooLong { until: claim.until, begin: posting.task.begin });
        }
        if let Some(constraint) = &posting.task.constraint {
            let manifest = self.directory.manifest_of(&claim.issuer());
            let Some(entry) = manifest.and_then(|manifest| manifest.entry_for(&posting.offer.skill)) else {
                return Some(Unfit::NoManifest);
            };
            let found = constraint.evaluate(&entry.properties);
            if found != Match::Yes {
                return Some(Unfit::Constraint(found));
            }
        }
        match self.budget(posting, &claim.price, spent) {
            Budget::Over(over) => Some(Unfit::Budget(over)),
            Budget::Within | Budget::Ask => None,
        }
    }

    /// Remembers what to tell those that were not chosen.
    pub(super) fn note_lost(&mut self, id: Id<Offer>, told: impl Iterator<Item = (AgentId, Reason)>) {
        if self.durable.posting(&id).is_some() {
            self.auction_mut(id).lost = told.collect();
        }
    }
}
