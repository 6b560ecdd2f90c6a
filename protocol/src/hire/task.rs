//! A task as its owner knows it: what an offer is made of, and what stays private.

pub mod check;

use serde::{Deserialize, Serialize};

pub use check::{Pointer, TaskError, TaskFault};

use super::HireId;
use super::selection::Choosing;
use crate::codec::{Ext, Text};
use crate::id::Bytes32;
use crate::market::checks::{Assert, Checks};
use crate::market::constraint::{Constraint, Properties};
use crate::market::price::Price;
use crate::market::{Arbiter, ConsentBytes, Input, Milestones, Offer, Skill};
use crate::time::{Millis, Timestamp};

/// Who judges deliveries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Review {
    /// The checks.
    #[default]
    Auto,
    /// A person; when the review clock ends without one, the public checks decide.
    Person,
}

/// A call for an arbiter's decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The contested hire.
    pub of: HireId,
    /// What the arbiter promised before it began.
    pub consent: ConsentBytes,
}

/// A task as its owner knows it, the private part included. Input blobs are in the store already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What has to be done.
    pub skill: Skill,
    /// One public line.
    pub summary: String,
    /// How many workers.
    pub slots: u16,
    /// How many of their results must say the same.
    pub agree: Option<u16>,
    /// What of a result is compared then, as the path of an assertion; the whole without one.
    pub compare: Option<String>,
    /// Parts that are delivered before the last.
    pub milestones: Milestones,
    /// Who decides if a hire of it is contested.
    pub arbiter: Option<Arbiter>,
    /// If it is to decide a contested hire: which.
    pub call: Option<Call>,
    /// What a worker's properties must say.
    pub constraint: Option<Constraint>,
    /// What workers may ask of it: typed facts, public.
    pub properties: Properties,
    /// Public checks.
    pub checks: Checks,
    /// Checks shown only with the verdict.
    pub sealed: Vec<Assert>,
    /// Who judges.
    pub review_by: Review,
    /// Who rates: `Person` leaves half of the time for the close to a person.
    pub rating_by: Review,
    /// The price ceiling.
    pub max: Option<Price>,
    /// How claims are chosen.
    pub choosing: Choosing,
    /// The bid window.
    pub bids: Millis,
    /// How long a chosen worker may take to begin: claims that bind longer are not chosen, for they would hold a slot.
    pub begin: Millis,
    /// The work clock.
    pub done: Millis,
    /// The review clock.
    pub review: Millis,
    /// How long the offer stands if nobody is found.
    pub expires: Millis,
    /// Inputs.
    pub inputs: Vec<Input>,
    /// Parameters, JSON text.
    pub params: Option<String>,
}

impl Task {
    /// A task with one slot and no more demands than `checks`: three seconds for bids, ten minutes for each clock, judged
    /// and rated by its checks, free choice among claims.
    pub fn new(skill: Skill, summary: &str, checks: Checks) -> Self {
        let clock = Millis::mins(10);
        Self {
            skill,
            summary: summary.to_owned(),
            slots: 1,
            agree: None,
            compare: None,
            milestones: Milestones::default(),
            arbiter: None,
            call: None,
            constraint: None,
            properties: Properties::default(),
            checks,
            sealed: Vec::new(),
            review_by: Review::Auto,
            rating_by: Review::Auto,
            max: None,
            choosing: Choosing::default(),
            bids: Millis::secs(3),
            begin: clock,
            done: clock,
            review: clock,
            expires: clock,
            inputs: Vec::new(),
            params: None,
        }
    }

    /// The public part, for the market or for one worker. A summary that is too long is cut.
    pub fn offer(&self, at: Timestamp, seq: u64, nonce: Bytes32, direct: bool) -> Offer {
        Offer {
            at,
            ext: Ext::default(),
            max: self.max.clone(),
            seq,
            bids: if direct { at } else { at + self.bids },
            done: self.done,
            nonce,
            skill: self.skill.clone(),
            agree: self.agree,
            arbiter: self.arbiter,
            case: self.call.as_ref().map(|call| call.consent.clone()),
            milestones: self.milestones.clone(),
            slots: if direct { 1 } else { self.slots },
            constraint: self.constraint.clone(),
            checks: self.checks.clone(),
            review: self.review,
            expires: at + self.expires,
            summary: Text::fit(&self.summary),
            properties: self.properties.clone(),
        }
    }
}
