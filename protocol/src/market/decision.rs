//! A third party's word: the arbiter's consent before a hire, and its decision once one is contested.

use serde::{Deserialize, Serialize};

use crate::codec::{Bytes, Ext, Text};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::award::Award;
use crate::market::offer::Offer;
use crate::market::price::Price;
use crate::market::skill::Skill;
use crate::market::verdict::Ruling;
use crate::record::{Invalid, Network, Nothing, Payload, Verified, ensure, peek, verify_as};
use crate::time::{Millis, Timestamp};

/// The skill an arbiter serves, and is hired for once a hire is contested.
pub const SKILL: &str = "market/arbitrate";

/// Whether a skill is [`SKILL`].
pub fn is_arbitration(skill: &Skill) -> bool {
    skill.as_str() == SKILL
}

/// Who decides if the hires of an offer are contested, and how soon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Arbiter {
    /// Neither the requester nor the worker.
    pub agent: AgentId,
    /// How long after the contest it may be dated.
    pub within: Millis,
}

/// An arbiter's word, before the work starts, that it will decide the hires of an offer if it is called. It is the only
/// record of its promise: who calls brings it along.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// When it was made.
    pub at: Timestamp,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The offer.
    pub offer: Id<Offer>,
    /// What a decision costs whoever calls it.
    pub price: Price,
    /// Until when it may be called; at most `limits::CONSENT_LIFE` after `at`. It serves whoever brings this, so it has an end.
    pub until: Timestamp,
}

impl Consent {
    /// Whether a hire awarded at `at` can still be contested and decided while this binds, if nothing takes longer than is
    /// agreed. More time, for changes say, is the parties' own risk.
    pub fn lasts(&self, offer: &Offer, at: Timestamp) -> bool {
        let within = offer.arbiter.map_or(Millis(0), |arbiter| arbiter.within);
        at + offer.done + offer.review + within <= self.until
    }
}

/// A consent's envelope, as awards and calls carry it.
pub type ConsentBytes = Bytes<{ limits::CONSENT }>;

/// Verifies a consent found inside another record.
pub(crate) fn verify(bytes: &ConsentBytes, network: &Network) -> Result<(), Invalid> {
    let consent = verify_as::<Consent>(bytes, network).map_err(|e| Invalid(format!("the arbiter's consent: {e}")))?;
    drop(consent);
    Ok(())
}

/// Who gave a consent that was verified when the record around it was admitted, and what it says.
pub fn read(bytes: &ConsentBytes) -> Option<(AgentId, Consent)> {
    peek(bytes, limits::CONSENT)
}

/// How a contested hire is to end. It counts if it has seen the contest and what was contested, and is dated in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// When it was made.
    pub at: Timestamp,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The contested hire.
    pub hire: Id<Award>,
    /// Accepted or refused.
    pub ruling: Ruling,
    /// The last record of the worker that the arbiter had seen.
    pub worker: Bytes32,
    /// The last record of the requester that the arbiter had seen.
    pub requester: Bytes32,
    /// Why, for both sides.
    pub statement: Text<{ limits::NOTE }>,
}

impl Payload for Consent {
    const KIND: &'static str = "consent/1";
    const MAX: usize = limits::CONSENT - limits::ENVELOPE_OVERHEAD;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(self.until > self.at, "it ends before it begins")?;
        ensure(self.until <= self.at + limits::CONSENT_LIFE, "a consent binds for 90 days at most")
    }
}
impl Payload for Decision {
    const KIND: &'static str = "decision/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(matches!(self.ruling, Ruling::Accepted | Ruling::Refused), "a decision accepts or refuses")
    }
}

/// Whether a consent is the arbiter's for this offer, and lasts for a hire awarded at `at`.
pub(crate) fn consents(bytes: &ConsentBytes, arbiter: &Arbiter, offer: &Verified<Offer>, at: Timestamp) -> bool {
    let fits = |consent: &Consent| consent.offer == offer.id() && consent.lasts(offer, at);
    read(bytes).is_some_and(|(who, consent)| who == arbiter.agent && fits(&consent))
}
