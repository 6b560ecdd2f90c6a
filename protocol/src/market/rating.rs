//! One side's signed judgement of the other, with the permit that shows there was a hire.

use serde::{Deserialize, Serialize};

use crate::codec::{self, Bytes, Ext, Text};
use crate::id::{AgentId, Bytes32, Id, sha256};
use crate::limits;
use crate::market::award::Award;
use crate::market::begin::Begin;
use crate::market::manifest::Manifest;
use crate::market::receipt::{Countersign, Outcome, Receipt};
use crate::market::skill::Skill;
use crate::record::{Invalid, Network, Nothing, Payload, Refusal, Verified, ensure, peek, verify_as};

type Part = Bytes<{ limits::PERMIT_PART }>;

/// Scores from 0 (worst) to 1000, each absent if there was nothing to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scores {
    /// In time, measured: expected time over time taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub speed: Option<u16>,
    /// The verdict on the whole, revisions counted off.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quality: Option<u16>,
    /// Share of the checks passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accuracy: Option<u16>,
    /// Answered, acknowledged and closed as agreed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub communication: Option<u16>,
}

/// What is judged: the part that a seal commits to before either side has seen the other's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Judgement {
    /// The hire.
    pub hire: Id<Award>,
    /// The work judged.
    pub skill: Skill,
    /// How it was.
    pub scores: Scores,
    /// Who is judged.
    pub subject: AgentId,
}

impl Judgement {
    /// `SHA-256("gigmesh/seal\0" || opening || CBOR of this)`, with 32 random bytes as the opening.
    pub fn seal(&self, opening: &Bytes32) -> Bytes32 {
        sha256(&[b"gigmesh/seal\0", &opening.0, &codec::encode(self)])
    }
}

/// Envelopes that prove the hire: award and begin; at a close signed by both, the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Permit {
    /// The award.
    pub award: Part,
    /// The begin.
    pub begin: Part,
    /// The receipt, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<Part>,
    /// Its countersign, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub countersign: Option<Part>,
}

/// A rating. One counts for each hire and direction: the sealed one, else the one with the lower id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rating {
    /// The day it was made, UTC, in days since the epoch.
    pub day: u32,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The model behind the worker, as it said in its claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Text<{ limits::NAME }>>,
    /// The proof of the hire.
    pub permit: Permit,
    /// Opens the issuer's seal in the receipt or countersign; absent if it had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opening: Option<Bytes32>,
    /// The worker's version, as it said in its claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Text<{ limits::NAME }>>,
    /// The worker's manifest, as claimed with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Id<Manifest>>,
    /// The judgement.
    pub judgement: Judgement,
}

/// What a permit proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proven {
    /// Who hired.
    pub requester: AgentId,
    /// Who was hired.
    pub worker: AgentId,
    /// [`crate::market::award::value_bucket`] of the price.
    pub value: u8,
    /// The outcome that both signed, and the measured time in milliseconds.
    pub agreed: Option<(Outcome, u64)>,
}

impl Permit {
    fn open<T: Payload>(part: &Part, network: &Network) -> Result<Verified<T>, Invalid> {
        verify_as(part, network).map_err(|e: Refusal| Invalid(format!("a part of the permit: {e}")))
    }

    /// Verifies every part and that they belong to one hire.
    pub fn verify(&self, hire: &Id<Award>, network: &Network) -> Result<Proven, Invalid> {
        self.parts(hire, network).map(|parts| parts.proven)
    }

    /// What [`Permit::verify`] proved when the rating was admitted, read again without checking a signature: for a rating
    /// that is [`Verified`], never for bytes from outside.
    pub fn read(&self) -> Option<Proven> {
        let (requester, award) = Self::peek::<Award>(&self.award)?;
        let agreed = match (&self.receipt, &self.countersign) {
            (Some(receipt), Some(_)) => Some(Self::peek::<Receipt>(receipt)?.1),
            _ => None,
        };
        let agreed = agreed.map(|receipt| (receipt.outcome, receipt.took.0));
        Some(Proven { requester, worker: award.worker, value: award.value, agreed })
    }

    fn peek<T: Payload>(part: &Part) -> Option<(AgentId, T)> {
        peek(part, limits::PERMIT_PART)
    }

    fn parts(&self, hire: &Id<Award>, network: &Network) -> Result<Parts, Invalid> {
        let award = Self::open::<Award>(&self.award, network)?;
        let begin = Self::open::<Begin>(&self.begin, network)?;
        ensure(award.id() == *hire && begin.hire == *hire, "the permit is of another hire")?;
        ensure(begin.issuer() == award.worker, "the begin is not the hired worker's")?;
        let receipt = self.receipt.as_ref().map(|part| Self::open::<Receipt>(part, network)).transpose()?;
        let countersign = self.countersign.as_ref().map(|part| Self::open::<Countersign>(part, network)).transpose()?;
        if let Some(receipt) = &receipt {
            ensure(receipt.hire == *hire && receipt.issuer() == award.issuer(), "the receipt is of another hire")?;
        }
        let mut agreed = None;
        if let Some(countersign) = &countersign {
            let receipt = receipt.as_ref().ok_or_else(|| Invalid("a countersign without its receipt".to_owned()))?;
            ensure(
                countersign.hire == *hire && countersign.issuer() == award.worker,
                "the countersign is of another hire",
            )?;
            ensure(countersign.receipt == receipt.id(), "the countersign is of another receipt")?;
            agreed = Some((receipt.outcome, receipt.took.0));
        }
        let proven = Proven { requester: award.issuer(), worker: award.worker, value: award.value, agreed };
        let seals = (receipt.and_then(|receipt| receipt.seal), countersign.and_then(|sign| sign.seal));
        Ok(Parts { proven, day: award.day, skill: award.skill.clone(), seals })
    }
}

/// What the parts of a permit say together.
struct Parts {
    proven: Proven,
    /// The award's.
    day: u32,
    skill: Skill,
    /// The requester's in the receipt, the worker's in the countersign.
    seals: (Option<Bytes32>, Option<Bytes32>),
}

impl Payload for Rating {
    const KIND: &'static str = "rating/1";
    const MAX: usize = limits::RATING;
    type Private = Nothing;

    fn check(&self, issuer: &AgentId, network: &Network) -> Result<(), Invalid> {
        let scores = self.judgement.scores;
        let all = [scores.speed, scores.quality, scores.accuracy, scores.communication];
        ensure(all.iter().flatten().all(|score| *score <= 1000), "a score over 1000")?;
        ensure(all.iter().any(Option::is_some), "a rating without a score")?;
        let Parts { proven, day, skill, seals } = self.permit.parts(&self.judgement.hire, network)?;
        // A day early is within what clocks may differ by around midnight.
        let window = day.saturating_sub(1)..=day.saturating_add(limits::RATED_WITHIN);
        ensure(window.contains(&self.day), "the rating is dated before its hire, or long after any hire has ended")?;
        let (subject, seal) = if *issuer == proven.requester {
            (proven.worker, seals.0)
        } else {
            ensure(*issuer == proven.worker, "the rater took no part in the hire")?;
            (proven.requester, seals.1)
        };
        ensure(self.judgement.skill == skill, "the skill is not the one awarded")?;
        ensure(self.judgement.subject == subject, "the subject is not the other side of the hire")?;
        if let Some(opening) = &self.opening {
            ensure(seal == Some(self.judgement.seal(opening)), "the opening does not fit the seal")?;
        }
        Ok(())
    }
}
