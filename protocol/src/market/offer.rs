//! A task that somebody wants done: the public part. Inputs and sealed checks stay with the requester until a begin.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, List, Text};
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::market::checks::Checks;
use crate::market::constraint::{Constraint, Properties};
use crate::market::decision::{self, Arbiter, ConsentBytes};
use crate::market::milestone::{self, Milestones};
use crate::market::price::Price;
use crate::market::skill::Skill;
use crate::record::{Invalid, Network, Nothing, Payload, ensure};
use crate::time::{Millis, Timestamp};

/// A task offer. An issuer's offers are told apart by `nonce`; the highest `seq` of one nonce counts, and one with no
/// slots takes the offer back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// When it was made.
    pub at: Timestamp,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The highest price, if the requester wants it known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Price>,
    /// `max(last + 1, unix ms)`.
    pub seq: u64,
    /// Until when claims are collected before one is chosen. An offer to one worker has no window: it equals `at`.
    pub bids: Timestamp,
    /// If it is to decide a contested hire: the consent that the arbiter gave to the offer behind that hire.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub case: Option<ConsentBytes>,
    /// The work clock: how long after its begin a worker has to deliver.
    pub done: Millis,
    /// If the same work is given to several workers: how many results must say the same. Those that do are accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agree: Option<u16>,
    /// 32 random bytes: which of the issuer's offers this is.
    pub nonce: Bytes32,
    /// What has to be done.
    pub skill: Skill,
    /// How many workers are wanted.
    pub slots: u16,
    /// What a worker's properties must say.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Constraint>,
    /// Public checks of the result.
    #[serde(default, skip_serializing_if = "crate::market::is_default")]
    pub checks: Checks,
    /// The review clock: how long after its acknowledgement a delivery may wait for its verdict.
    pub review: Millis,
    /// Who decides if one of its hires is contested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arbiter: Option<Arbiter>,
    /// When to forget it; at most `limits::OFFER_LIFE` after `at`.
    pub expires: Timestamp,
    /// One line for people.
    pub summary: Text<{ limits::SUMMARY }>,
    /// Parts that are delivered before the last.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub milestones: Milestones,
    /// Typed facts about the task and its requester, which a worker's own `where` is matched against.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

impl Payload for Offer {
    const KIND: &'static str = "offer/1";
    const MAX: usize = limits::OFFER;
    type Private = Nothing;

    fn check(&self, issuer: &AgentId, network: &Network) -> Result<(), Invalid> {
        if let Some(arbiter) = &self.arbiter {
            let within = (limits::ARBITRATION_MIN..=limits::ARBITRATION).contains(&arbiter.within);
            ensure(arbiter.agent != *issuer && within, "the arbiter is the requester, or its time is out of range")?;
        }
        let rule = decision::is_arbitration(&self.skill) == self.case.is_some();
        ensure(rule, "an arbitration is of a case that the arbiter has consented to, and no other work has one")?;
        self.case.as_ref().map_or(Ok(()), |consent| decision::verify(consent, network))?;
        ensure(self.slots <= limits::SLOTS, "too many slots")?;
        // An offer that is taken back has no slots left to agree.
        let agree = self.agree.is_none_or(|agree| agree >= 2 && (agree <= self.slots || self.slots == 0));
        ensure(agree, "as many results must agree as there are slots at most, and two at least")?;
        milestone::check(&self.milestones)?;
        ensure(self.expires > self.at, "it expires before it begins")?;
        ensure(self.expires <= self.at + limits::OFFER_LIFE, "an offer lives a day at most")?;
        ensure(self.at <= self.bids && self.bids < self.expires, "bids end between the start and the expiry")?;
        ensure((1..=limits::WORK.0).contains(&self.done.0), "the work clock is out of range")?;
        ensure((1..=limits::REVIEW.0).contains(&self.review.0), "the review clock is out of range")
    }
}
