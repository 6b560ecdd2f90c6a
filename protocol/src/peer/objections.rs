//! What speaks against claiming an offer. Each rule is written here once, in the order in which the brain asks.
//!
//! In: an offer and this peer's state. Out: objections, made one at a time: a caller that needs only the first does no
//! more work than that.

use serde::{Deserialize, Serialize};

use super::Peer;
use crate::arbitration;
use crate::hire::Side;
use crate::id::AgentId;
use crate::limits;
use crate::market::constraint::{Constraint, Match, Properties};
use crate::market::price::{Amount, Price};
use crate::market::{Offer, Reason, SkillEntry};
use crate::record::Verified;
use crate::time::Timestamp;

/// A reason not to claim an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objection {
    /// No skill of mine covers it.
    Skill,
    /// I made it.
    Own,
    /// I do not serve its requester.
    NotServed,
    /// I am its arbiter.
    MyDispute,
    /// I do not let its arbiter decide.
    Arbiter(AgentId),
    /// It asks me to decide a case, and I have not consented, or no longer.
    NoConsent,
    /// It asks me to decide a case under checks that are not an arbitration's.
    CaseChecks,
    /// It is taken back or has expired.
    Over,
    /// I have claimed it.
    Claimed,
    /// My claim on it was turned down.
    TurnedDown,
    /// A hire at my price could cost more than its ceiling.
    Price {
        /// What I ask.
        asks: Price,
        /// Its ceiling.
        most: Price,
    },
    /// One side does not meet the other's constraint.
    Unmet {
        /// Whose constraint.
        by: Side,
        /// What it says; never [`Match::Yes`].
        found: Match,
    },
    /// Its checks do not compile.
    Checks,
    /// Its requester would owe me more than this.
    Credit {
        /// The requester's limit.
        most: Amount,
    },
    /// It is too early: a claim would hold a place of mine until its bid window ends.
    Early {
        /// When the window ends.
        bids: Timestamp,
    },
}

impl Objection {
    /// The reason sent to the requester of an offer made to this peer alone.
    pub(super) fn told(&self) -> Reason {
        match self {
            Self::Own => Reason::OwnOffer,
            Self::Skill => Reason::NoSuchSkill,
            Self::NotServed => Reason::NotServed,
            Self::MyDispute => Reason::IsArbiter,
            Self::Arbiter(_) => Reason::ArbiterNotAccepted,
            Self::NoConsent => Reason::NoConsent,
            Self::CaseChecks => Reason::OtherChecks,
            Self::Over => Reason::OfferOver,
            Self::Claimed | Self::TurnedDown => Reason::TurnedDown,
            Self::Price { asks, .. } => Reason::Asks(asks.clone()),
            Self::Unmet { by: Side::Requester, .. } => Reason::UnmetByWorker,
            Self::Unmet { by: Side::Worker, .. } => Reason::UnmetByTask,
            Self::Checks => Reason::ChecksNotRunnable,
            Self::Credit { .. } => Reason::NoCredit,
            Self::Early { .. } => Reason::TooEarly,
        }
    }
}

/// The price rule, for offers, claims and searches alike: a hire may not cost more than the ceiling.
pub(super) fn too_dear(asks: &Price, most: Option<&Price>) -> Option<Objection> {
    let most = most.filter(|most| !asks.within(most))?;
    Some(Objection::Price { asks: asks.clone(), most: most.clone() })
}

/// The constraint rule. The reasons are made only where there is something to explain.
fn unmet(by: Side, constraint: Option<&Constraint>, stated: &Properties) -> Option<Objection> {
    let constraint = constraint.filter(|constraint| constraint.holds(stated) != Some(true))?;
    Some(Objection::Unmet { by, found: constraint.evaluate(stated) })
}

/// An offer, and what its rules are about.
struct Considered<'a> {
    peer: &'a Peer,
    now: Timestamp,
    offer: &'a Verified<Offer>,
    /// The skill of mine that does it.
    entry: &'a SkillEntry,
    /// The price at which I have consented to decide the case that it brings.
    promised: Option<Price>,
}

type Rule = fn(&Considered<'_>) -> Option<Objection>;

/// Cheap rules first, except that reasons which an operator looks for come before those that only time decides.
const RULES: [Rule; 12] = [
    |it| (it.offer.issuer() == it.peer.agent()).then_some(Objection::Own),
    |it| it.not_served(),
    |it| it.arbiter(),
    |it| (it.offer.slots == 0 || it.now >= it.offer.expires).then_some(Objection::Over),
    |it| it.peer.durable.taken().contains(&(it.offer.issuer(), it.offer.nonce)).then_some(Objection::Claimed),
    |it| it.peer.turned_down.contains(&it.offer.id()).then_some(Objection::TurnedDown),
    |it| too_dear(it.price(), it.offer.max.as_ref()),
    |it| unmet(Side::Requester, it.offer.constraint.as_ref(), &it.entry.properties),
    |it| unmet(Side::Worker, it.entry.constraint.as_ref(), &it.offer.properties),
    |it| it.peer.unrunnable.contains(&it.offer.id()).then_some(Objection::Checks),
    |it| it.peer.over_credit(&it.offer.issuer(), it.price()).map(|most| Objection::Credit { most }),
    |it| it.early(),
];

impl Considered<'_> {
    fn price(&self) -> &Price {
        self.promised.as_ref().unwrap_or(&self.entry.price)
    }

    /// A requester that has my consent is served, at the price I gave it for.
    fn not_served(&self) -> Option<Objection> {
        let served = self.promised.is_some() || self.peer.config.from.allows(&self.offer.issuer());
        (!served).then_some(Objection::NotServed)
    }

    fn arbiter(&self) -> Option<Objection> {
        let offer = self.offer;
        match offer.arbiter.map(|arbiter| arbiter.agent) {
            Some(agent) if agent == self.peer.agent() => Some(Objection::MyDispute),
            Some(agent) if !self.peer.config.arbiters.allows(&agent) => Some(Objection::Arbiter(agent)),
            _ if offer.case.is_none() => None,
            _ if self.promised.is_none() => Some(Objection::NoConsent),
            // Others would let through the ruling that the caller wants.
            _ if offer.checks != arbitration::checks() || !offer.milestones.is_empty() => Some(Objection::CaseChecks),
            _ => None,
        }
    }

    /// A claim takes a place of mine until the bid window ends, and an offer costs nothing.
    fn early(&self) -> Option<Objection> {
        let bids = self.offer.bids;
        (bids > self.now + limits::BID_AHEAD).then_some(Objection::Early { bids })
    }
}

impl Peer {
    /// Everything that speaks against claiming this offer now, what decides first.
    pub fn objections<'a>(
        &'a self,
        now: Timestamp,
        offer: &'a Verified<Offer>,
    ) -> impl Iterator<Item = Objection> + 'a {
        let entry = self.serving(&offer.skill).map(|serving| &serving.entry);
        let considered =
            entry.map(|entry| Considered { peer: self, now, offer, entry, promised: self.consented(now, offer) });
        let unskilled = considered.is_none().then_some(Objection::Skill);
        let rules = considered.into_iter().flat_map(|it| RULES.iter().filter_map(move |rule| rule(&it)));
        unskilled.into_iter().chain(rules)
    }

    /// Why I do not claim this offer; `None` if I do.
    pub(super) fn objection(&self, now: Timestamp, offer: &Verified<Offer>) -> Option<Objection> {
        self.objections(now, offer).next()
    }
}
