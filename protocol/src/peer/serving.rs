//! This peer as worker: what it tells of itself, which offers it claims, which awards it takes.

use serde::{Deserialize, Serialize};

use super::event::Event;
use super::io::{Notice, Outbox, Output, PassedRow, Serving};
use super::objections::Objection;
use super::{Peer, Wake};
use crate::codec::{List, Text};
use crate::hire::rule::Rule;
use crate::hire::{HireId, Side};
use crate::id::{AgentId, Id};
use crate::limits;
use crate::market::award;
use crate::market::{Award, Claim, Contact, Manifest, Offer, Reason, Reject, Skill};
use crate::record::{Payload as _, Verified};
use crate::reputation::Model as _;
use crate::time::{Millis, Timestamp};
use crate::untrusted::Untrusted;
use crate::wire::Reply;

/// A claim of mine that binds me.
#[derive(Debug, Clone, PartialEq)]
pub struct Bid {
    /// The claim.
    pub claim: Verified<Claim>,
    /// What it claims.
    pub offer: Verified<Offer>,
}

/// How a claim of mine came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimEnd {
    /// Its time ended without an award.
    NotAwarded,
    /// The requester turned it down, and says why.
    TurnedDown(Reason),
}

/// Why nothing came of an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Passed {
    /// It is not claimed.
    Objection(Objection),
    /// There was no capacity when it came; it is claimed as soon as there is, if it still stands.
    NoCapacity,
    /// The claim on it ended.
    Claim(ClaimEnd),
}

/// How long a claim stays binding after the bid window: time to choose, to tell, and for one award that falls through.
const BINDING: Millis = Millis::mins(2);
/// How often a claim is repeated while it is neither awarded nor lost: the requester keeps claims in memory only.
const REPEAT: Millis = Millis::secs(30);
/// How long to wait to be told why, when an offer is taken back.
const TOLD: Millis = Millis::secs(2);

impl Peer {
    /// The skill of mine that does `skill`: of those that cover it, the most specific.
    pub(super) fn serving(&self, skill: &Skill) -> Option<&Serving> {
        let covering = self.config.skills.iter().filter(|serving| serving.entry.path.covers(skill));
        covering.max_by_key(|serving| serving.entry.path.as_str().len())
    }

    // ---- what I tell of myself ----

    /// Makes manifest and contact anew at half their life, and gossips them.
    pub(super) fn renew(&mut self, now: Timestamp, out: &mut Outbox) {
        if !self.config.skills.is_empty() {
            let manifest = Manifest {
                at: now,
                ext: Default::default(),
                seq: self.next_seq(now),
                name: Text::fit(&self.config.name),
                model: self.config.model.as_deref().map(Text::fit),
                skills: List::fit(self.config.skills.iter().map(|serving| serving.entry.clone())),
                expires: now + limits::MANIFEST_LIFE,
                version: Text::fit(&self.config.version),
                recovery: None,
                principal: None,
            };
            debug_assert_eq!(
                manifest.check(&self.agent(), &self.signer.network()),
                Ok(()),
                "the configuration was checked"
            );
            let manifest = self.signer.sign(&manifest);
            self.directory.insert_manifest(now, manifest.clone());
            for room in self.rooms.clone() {
                out.push(Output::Publish { room, record: manifest.clone().into() });
            }
            self.manifest = Some(manifest);
        }
        self.renew_contact(now, out);
        self.wake(Wake::Renew, Some(now + Millis(limits::MANIFEST_LIFE.0 / 2)));
    }

    pub(super) fn renew_contact(&mut self, now: Timestamp, out: &mut Outbox) {
        let addrs = List::fit(self.addresses.iter().filter_map(|address| Text::try_from(address.as_str()).ok()));
        if addrs.is_empty() {
            return;
        }
        let contact = Contact {
            at: now,
            ext: Default::default(),
            seq: self.next_seq(now),
            addrs,
            expires: now + limits::CONTACT_LIFE,
        };
        let contact = self.signer.sign(&contact);
        self.directory.insert_contact(now, contact.clone());
        out.push(Output::Announce(contact.clone().into()));
        for room in self.rooms.clone() {
            out.push(Output::Publish { room, record: contact.clone().into() });
        }
        self.contact = Some(contact);
    }

    // ---- claiming ----

    /// How many more claims may be made on offers of this requester. Whom I have worked for to our mutual satisfaction
    /// is not kept waiting by claims on offers of strangers: those cost nothing to make, and would lock me up.
    fn capacity(&self, now: Timestamp, requester: &AgentId) -> usize {
        let free = self.config.parallel.saturating_sub(self.load.len());
        if free <= self.durable.bids().len() && self.is_client(now, requester) {
            let clients = self.durable.bids().values().filter(|bid| self.is_client(now, &bid.claim.requester)).count();
            return free.saturating_sub(clients);
        }
        free.saturating_sub(self.durable.bids().len())
    }

    /// Whether I think well of a requester that I know.
    fn is_client(&self, now: Timestamp, requester: &AgentId) -> bool {
        let (n, mean) = self.reputation.experience(&self.agent(), requester, now.day());
        n > 0 && mean >= 0.5
    }

    /// Claims a public offer if it suits and there is room.
    pub(super) fn consider(&mut self, now: Timestamp, offer: &Verified<Offer>, out: &mut Outbox) {
        if offer.slots == 0 {
            return self.taken_back(now, offer);
        }
        match self.objection(now, offer) {
            // Of no interest to whoever asks why there is no work.
            Some(Objection::Own | Objection::Skill | Objection::Over | Objection::Claimed | Objection::TurnedDown) => {}
            Some(Objection::Early { bids }) => self.look_again(now, bids),
            Some(objection) => self.pass(now, offer, None, Passed::Objection(objection)),
            None if self.capacity(now, &offer.issuer()) == 0 => {
                if !self.config.skills.is_empty() {
                    self.pass(now, offer, None, Passed::NoCapacity);
                }
            }
            None => drop(self.claim(now, offer, out)),
        }
    }

    /// Remembers why nothing came of an offer.
    fn pass(&mut self, now: Timestamp, offer: &Verified<Offer>, claimed: Option<&Verified<Claim>>, reason: Passed) {
        let row = PassedRow {
            at: now,
            offer: offer.id(),
            requester: offer.issuer(),
            skill: offer.skill.clone(),
            summary: Untrusted::from(&offer.summary),
            claimed: claimed.map(|claim| claim.price.clone()),
            reason,
        };
        // What was said of it before is overtaken.
        self.passed.retain(|earlier| earlier.offer != row.offer);
        if self.passed.len() >= limits::PASSED {
            self.passed.pop_front();
        }
        self.passed.push_back(row);
    }

    /// Goes through the directory for offers that there is room for now.
    pub(super) fn look_for_work(&mut self, now: Timestamp, out: &mut Outbox) {
        let free = self.config.parallel.saturating_sub(self.load.len());
        if free == 0 || self.config.skills.is_empty() {
            return;
        }
        let (mut offers, mut early) = (Vec::new(), None::<Timestamp>);
        for offer in self.directory.offers(now) {
            match self.objection(now, offer) {
                None => offers.push(offer.clone()),
                Some(Objection::Early { bids }) => early = Some(early.map_or(bids, |first| first.min(bids))),
                Some(_) => {}
            }
            if offers.len() >= limits::CLAIMS_OUT {
                break;
            }
        }
        if let Some(bids) = early {
            self.look_again(now, bids);
        }
        for offer in offers {
            // Some of those that suit may have to wait for others' claims.
            if self.capacity(now, &offer.issuer()) == 0 {
                continue;
            }
            if !self.claim(now, &offer, out) {
                // Compiling checks takes long: the rest of what others put there is for another turn.
                self.wake(Wake::Look, Some(now + Millis(1)));
            }
        }
    }

    /// Looks for work again when an offer whose window ends at `bids` may be claimed; not more often than claims are
    /// repeated, whoever makes how many offers.
    fn look_again(&mut self, now: Timestamp, bids: Timestamp) {
        let at = (bids - limits::BID_AHEAD).max(now + REPEAT);
        if self.wake_of.get(&Wake::Look).is_none_or(|held| at < *held) {
            self.wake(Wake::Look, Some(at));
        }
    }

    /// An offer sent to me alone, or taken back.
    pub(super) fn on_direct_offer(
        &mut self,
        now: Timestamp,
        from: AgentId,
        offer: &Verified<Offer>,
        out: &mut Outbox,
    ) -> Reply {
        if offer.issuer() != from {
            return Reply::Ignored(Reason::NotIssuer);
        }
        if offer.slots == 0 {
            self.taken_back(now, offer);
            return Reply::Kept;
        }
        // Asked again after my claim has ended, as when a person took their time: the next one is as good.
        self.turned_down.remove(&offer.id());
        let ended = |bid: &Bid| bid.offer.id() == offer.id() && bid.claim.until < now;
        if let Some(id) = self.durable.bids().iter().find(|(_, bid)| ended(bid)).map(|(id, _)| *id) {
            self.end_bid(now, id, ClaimEnd::NotAwarded, out);
        }
        match self.objection(now, offer) {
            Some(Objection::Claimed) => Reply::Kept,
            Some(objection) => {
                let told = objection.told();
                self.pass(now, offer, None, Passed::Objection(objection));
                Reply::Ignored(told)
            }
            None if self.capacity(now, &from) == 0 => Reply::Later,
            None if self.claim(now, offer, out) => Reply::Kept,
            None => Reply::Ignored(Objection::Checks.told()),
        }
    }

    /// Until when a claim made now binds: long enough to be chosen, and within what a claim may live.
    fn binds_until(&self, now: Timestamp, offer: &Verified<Offer>) -> Timestamp {
        let binding = self.config.binding.unwrap_or(BINDING).max(BINDING);
        (offer.bids.max(now) + binding).min(now + limits::CLAIM_LIFE)
    }

    /// Claims an offer; false if its checks cannot be run. They are compiled here, once for each offer, for they may be
    /// made to take a thousand times as long as the rest.
    fn claim(&mut self, now: Timestamp, offer: &Verified<Offer>, out: &mut Outbox) -> bool {
        let (Some(manifest), Some(serving)) = (&self.manifest, self.serving(&offer.skill)) else { return true };
        if self.durable.bids().len() >= limits::CLAIMS_OUT {
            return true;
        }
        let all = std::iter::once(&offer.checks).chain(offer.milestones.iter().map(|part| &part.checks));
        if all.map(crate::market::checks::Checks::compile).any(|compiled| compiled.is_err()) {
            if self.unrunnable.len() >= limits::OFFERS {
                self.unrunnable.clear();
            }
            self.unrunnable.insert(offer.id());
            self.pass(now, offer, None, Passed::Objection(Objection::Checks));
            return false;
        }
        let claim = Claim {
            at: now,
            ext: Default::default(),
            model: manifest.model.clone(),
            nonce: offer.nonce,
            offer: offer.id(),
            price: self.consented(now, offer).unwrap_or_else(|| serving.entry.price.clone()),
            until: self.binds_until(now, offer),
            expect: serving.entry.expect,
            version: manifest.version.clone(),
            manifest: manifest.id(),
            requester: offer.issuer(),
        };
        let (claim, manifest) = (self.signer.sign(&claim), manifest.clone());
        let id = claim.id();
        let event = Event::Claimed { claim: claim.into(), offer: offer.clone().into() };
        self.commit(now, event, out);
        out.push(Output::Notice(Notice::Claimed { claim: id, offer: offer.id(), skill: offer.skill.clone() }));
        // The requester matches its constraint against the manifest, which it may not hold.
        if offer.constraint.is_some() {
            let until = manifest.expires;
            self.letters.push(now, offer.issuer(), manifest.into(), until);
        }
        self.repeat_bid(now, id, out);
        true
    }

    /// Sends a claim (again), or ends it when its time is over.
    pub(super) fn repeat_bid(&mut self, now: Timestamp, id: Id<Claim>, out: &mut Outbox) {
        let Some(Bid { claim, .. }) = self.durable.bid(&id) else { return self.wake(Wake::Bid(id), None) };
        let (to, until, record) = (claim.requester, claim.until, claim.clone().into());
        // An award made in time may still be on its way when the claim ends.
        if now > until + limits::GRACE {
            return self.end_bid(now, id, ClaimEnd::NotAwarded, out);
        }
        if now <= until {
            self.letters.push(now, to, record, until);
        }
        self.wake(Wake::Bid(id), Some((now + REPEAT).min(until + limits::GRACE + Millis(1)).max(now + Millis(1))));
    }

    /// The requester has said no: the same claim again would hear the same, as fast as the two can talk. A claim that ends
    /// anyway, by a clock that may be a little ahead of mine, was not turned down: the next one is as good.
    pub(super) fn turn_down(&mut self, now: Timestamp, id: Id<Claim>, reason: Reason, out: &mut Outbox) {
        let Some(bid) = self.durable.bid(&id) else { return };
        let (offer, stands) = (bid.offer.id(), bid.claim.until > now + limits::AHEAD);
        if self.turned_down.len() >= limits::OFFERS {
            self.turned_down.clear();
        }
        if stands {
            self.turned_down.insert(offer);
        }
        self.end_bid(now, id, ClaimEnd::TurnedDown(reason), out);
    }

    fn end_bid(&mut self, now: Timestamp, id: Id<Claim>, reason: ClaimEnd, out: &mut Outbox) {
        let Some(bid) = self.durable.bid(&id).cloned() else { return };
        let to = bid.claim.requester;
        self.pass(now, &bid.offer, Some(&bid.claim), Passed::Claim(reason.clone()));
        self.letters.withdraw(&to, &id.untyped());
        self.commit(now, Event::Unclaimed { claim: id, reason: reason.clone() }, out);
        out.push(Output::Notice(Notice::ClaimEnded { claim: id, reason }));
        self.wake(Wake::Bid(id), None);
        self.hungry = true;
    }

    fn taken_back(&mut self, now: Timestamp, offer: &Verified<Offer>) {
        let mine = |bid: &Bid| bid.claim.requester == offer.issuer() && bid.claim.nonce == offer.nonce;
        let lost: Vec<_> = self.durable.bids().iter().filter(|(_, bid)| mine(bid)).map(|(id, _)| *id).collect();
        // The requester says so itself, with the reason; if that is lost on the way, the repeated claim asks for it.
        for id in lost {
            self.wake(Wake::Bid(id), Some(now + TOLD));
        }
    }

    /// The requester has chosen others.
    pub(super) fn on_reject(&mut self, now: Timestamp, reject: &Verified<Reject>, out: &mut Outbox) -> Reply {
        let Some(bid) = self.durable.bid(&reject.claim) else { return Reply::Ignored(Reason::NoSuchClaim) };
        if bid.claim.requester != reject.issuer() {
            return Reply::Refused(Reason::NotIssuer);
        }
        self.turn_down(now, reject.claim, reject.reason.clone(), out);
        Reply::Kept
    }

    // ---- being hired ----

    pub(super) fn on_award(&mut self, now: Timestamp, award: Verified<Award>, out: &mut Outbox) -> Reply {
        let id: HireId = award.id();
        if self.durable.hires().contains_key(&id) {
            return Reply::Kept;
        }
        let Some(bid) = self.durable.bid(&award.claim) else { return Reply::Ignored(Reason::NoSuchClaim) };
        let Some(terms) = award.private() else { return Reply::Refused(Rule::PrivatePart.into()) };
        let (claim, offer) = (&bid.claim, &bid.offer);
        if let Err(rule) = award::follows(&award, terms, offer, claim) {
            return Reply::Refused(rule.into());
        }
        let (claim, offer, with, skill) = (claim.clone(), offer.clone(), award.issuer(), award.skill.clone());
        self.wake(Wake::Bid(claim.id()), None);
        self.letters.withdraw(&with, &claim.id().untyped());
        self.passed.retain(|earlier| earlier.offer != offer.id());
        self.open += 1;
        let (offer_id, side) = (offer.id(), Side::Worker);
        let event =
            Event::Awarded { side, award: award.into(), claim: claim.into(), offer: offer.into(), why: Box::default() };
        self.commit(now, event, out);
        out.push(Output::Notice(Notice::Awarded { hire: id, offer: offer_id, side, with, skill }));
        self.advance(now, id, out);
        Reply::Kept
    }
}
