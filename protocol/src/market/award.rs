//! The requester's acceptance of one claim. Its id is the hire's id.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, List};
use crate::hire::rule::Rule;
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::checks::Checks;
use crate::market::claim::Claim;
use crate::market::decision::{self, Arbiter, ConsentBytes};
use crate::market::milestone::Milestones;
use crate::market::offer::Offer;
use crate::market::price::Price;
use crate::market::skill::Skill;
use crate::record::{Invalid, Network, Payload, Verified, ensure};
use crate::time::{Millis, Timestamp};

/// The public header of an award: enough for a permit, and for a proof of equivocation (two awards of one issuer with
/// one nonce, slot and round). The terms travel beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Award {
    /// The day it was made, UTC, in days since the epoch.
    pub day: u32,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// Which slot of the offer.
    pub slot: u16,
    /// The claim accepted.
    pub claim: Id<Claim>,
    /// The offer's nonce.
    pub nonce: Bytes32,
    /// How often this slot was awarded before.
    pub round: u16,
    /// What is to be done.
    pub skill: Skill,
    /// Commitment to the [`Terms`].
    pub terms: Bytes32,
    /// [`value_bucket`] of the price.
    pub value: u8,
    /// Who is hired.
    pub worker: AgentId,
    /// After round 0: the award that this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Id<Award>>,
}

/// The private part of an award: what both sides are bound by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Terms {
    /// When the award was made.
    pub at: Timestamp,
    /// The work clock, started by the begin.
    pub done: Millis,
    /// How many of the offer's results must say the same, as offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agree: Option<u16>,
    /// The offer.
    pub offer: Id<Offer>,
    /// The price, as claimed.
    pub price: Price,
    /// The claim's `until`: a begin dated later does not count.
    pub until: Timestamp,
    /// The public checks, as offered.
    #[serde(default, skip_serializing_if = "crate::market::is_default")]
    pub checks: Checks,
    /// What the brief's inputs have together at most, in bytes: a worker looks for room before it begins. Absent for none.
    #[serde(default, skip_serializing_if = "crate::market::is_default")]
    pub inputs: u64,
    /// The review clock, started by the acknowledgement.
    pub review: Millis,
    /// Commitment to the sealed checks, if there are any; opened with the verdict.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<Bytes32>,
    /// Who decides if the hire is contested, as offered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub arbiter: Option<Arbiter>,
    /// Its consent: an award without it hires nobody whose offer names an arbiter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent: Option<ConsentBytes>,
    /// Parts that are delivered before the last, as offered.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub milestones: Milestones,
}

/// The size of a price as the public may know it: the number of binary digits of its micro-units, 0 for a free task.
pub fn value_bucket(price: &Price) -> u8 {
    let bits = u64::BITS - price.amount().micros().leading_zeros();
    u8::try_from(bits).unwrap_or(u8::MAX)
}

/// Whether an award and its terms say what was offered and claimed, and the claim is of that offer: what a worker asks of an
/// award before it begins, and anybody of a transcript.
///
/// # Errors
/// The rule that is broken.
pub fn follows(
    award: &Verified<Award>,
    terms: &Terms,
    offer: &Verified<Offer>,
    claim: &Verified<Claim>,
) -> Result<(), Rule> {
    let rule = |holds: bool, rule: Rule| rule.ensure(holds);
    rule((claim.offer, claim.nonce, claim.requester) == (offer.id(), offer.nonce, offer.issuer()), Rule::ClaimOffer)?;
    rule(
        award.issuer() == offer.issuer()
            && (award.nonce, &award.skill) == (offer.nonce, &offer.skill)
            && award.slot < offer.slots,
        Rule::AwardOffer,
    )?;
    rule((award.claim, award.worker) == (claim.id(), claim.issuer()), Rule::AwardClaim)?;
    rule(
        terms.offer == offer.id()
            && (terms.agree, terms.arbiter, &terms.milestones) == (offer.agree, offer.arbiter, &offer.milestones)
            && (terms.done, terms.review, &terms.checks) == (offer.done, offer.review, &offer.checks),
        Rule::TermsOffered,
    )?;
    let consents = match (&terms.arbiter, &terms.consent) {
        (None, None) => true,
        (Some(arbiter), Some(consent)) => {
            arbiter.agent != award.worker && decision::consents(consent, arbiter, offer, terms.at)
        }
        _ => false,
    };
    rule(consents, Rule::TermsConsent)?;
    rule(terms.inputs <= limits::BLOB, Rule::TermsInputs)?;
    rule(
        (&terms.price, terms.until, award.value) == (&claim.price, claim.until, value_bucket(&claim.price)),
        Rule::TermsClaimed,
    )
}

impl Payload for Award {
    const KIND: &'static str = "award/1";
    const MAX: usize = limits::SMALL;
    type Private = Terms;

    fn check(&self, issuer: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(*issuer != self.worker, "nobody hires itself")?;
        ensure(self.slot < limits::SLOTS && self.round < limits::ROUNDS, "slot or round out of range")?;
        ensure((self.round > 0) == self.replaces.is_some(), "an award after round 0 names the one it replaces")
    }

    fn commitment(&self) -> Option<Bytes32> {
        Some(self.terms)
    }

    fn check_private(terms: &Terms, network: &Network) -> Result<(), Invalid> {
        terms.consent.as_ref().map_or(Ok(()), |consent| decision::verify(consent, network))
    }
}
