//! What one peer thinks of another, from the ratings it holds.
//!
//! In come verified ratings, each with the permit that proves its hire; out come estimates for one viewer, with the
//! interval that goes with so much evidence. There is no score that is the same for everybody, and a rating without a
//! permit never counts. The same ratings give the same numbers in whatever order they came.
//!
//! [`Model`] is what the rest of the brain knows of it. [`WalkBeta`] is the model that is used; [`BetaMean`] knows a viewer's
//! own experience only, and is there to be compared with.
//!
//! ```text
//!  ratings --> book ---> graph (net edges) --> walk --> standing: how much a rater's word counts for a viewer
//!               |                                          |
//!               '--> evidence about a subject -------------+--> opinion: mean, lower end, next rating; explanation
//! ```

mod beta_mean;
mod book;
mod bounds;
mod changed;
mod columns;
pub mod evidence;
pub mod explain;
mod fixed;
mod graph;
mod interval;
mod network;
pub mod opinion;
mod params;
mod standing;
mod walk;
mod walk_beta;

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::id::{AgentId, Id};
use crate::market::{Outcome, Rating, Skill};
use crate::record::Verified;
use crate::time::Millis;

pub use beta_mean::BetaMean;
pub use changed::{Changed, Since};
pub use evidence::{About, Aspect, Criterion, Edition, Evidence};
pub use interval::Range;
pub use opinion::Opinion;
pub use params::{Params, Prior};
pub use standing::Standing;
pub use walk_beta::WalkBeta;

/// How good somebody is, between 0 and 1, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The expected score.
    pub mean: f64,
    /// One in twenty lies below: the end to choose by, for it rises only with evidence.
    pub low: f64,
    /// One in twenty lies above.
    pub high: f64,
    /// Evidence behind it, the prior not counted: one is a fresh rating by somebody whose word counts in full.
    pub n: f64,
}

/// What became of somebody lately.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// The score by everything, the last weeks included.
    pub slow: f64,
    /// The score by the last weeks, starting from what was known before. If it is the lower one, it decides.
    pub fast: f64,
}

/// What a score rests on: shares of its weight, which make one together.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Basis {
    /// Ratings of just what was asked for.
    pub here: f64,
    /// Borrowed from what else is known of the agent: of the skill's parents, and of its other work.
    pub wider: f64,
    /// Nothing that is known of the agent: what is usual.
    pub usual: f64,
}

/// What is known of somebody's work, to choose by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Known {
    /// See [`Model::low`].
    pub low: f64,
    /// Units of evidence, by the viewer itself and by others whose word counts, each of them counted for one at most.
    pub units: f64,
    /// How much of them is good: from 0 to 1, one half where there is nothing.
    pub good: f64,
}

/// One opinion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Over all criteria.
    pub overall: Estimate,
    /// By criterion, those that were judged at all. Where nobody judged just this skill, of what is wider, with `n` of 0.
    pub criteria: BTreeMap<Criterion, Estimate>,
    /// Where the next rating falls, nine times in ten. Not to be taken for the interval in which the mean lies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Range>,
    /// How far ratings lie from each other (standard deviation, 0 to 0.5): little is consistency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<f64>,
    /// What the viewer itself may be expected to give: the mean, and the viewer's own leniency. For its eyes alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
    /// Whether it was better or worse lately, if enough was said of the last weeks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<Trend>,
    /// How much of the overall score is of just this skill, and how much is borrowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub basis: Option<Basis>,
}

/// What both sides signed, counted without asking who they are. Cheap to fake among friends: shown, never chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Facts {
    /// Hires, as either side, whose close both signed.
    pub hires: u32,
    /// Of those, the ones whose work was accepted.
    pub accepted: u32,
    /// With how many others.
    pub counterparties: u32,
    /// The median time from begin to delivery, where it was the worker and delivered.
    pub median_took: Option<Millis>,
}

impl Facts {
    /// Of ratings of one subject: by whom, what both signed, and whether the subject was the worker.
    fn of(ratings: impl Iterator<Item = (AgentId, Option<(Outcome, Millis)>, bool)>) -> Self {
        let mut facts = Self::default();
        let (mut others, mut took) = (BTreeSet::new(), Vec::new());
        for (rater, agreed, worked) in ratings {
            let Some((outcome, time)) = agreed else { continue };
            facts.hires += 1;
            facts.accepted += u32::from(outcome == Outcome::Accepted);
            others.insert(rater);
            if worked && time > Millis(0) {
                took.push(time);
            }
        }
        facts.counterparties = u32::try_from(others.len()).unwrap_or(u32::MAX);
        took.sort_unstable();
        facts.median_took = took.get(took.len().saturating_sub(1) / 2).copied();
        facts
    }
}

/// The three columns in which reputation is always shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Columns {
    /// The viewer's own; `None` is "no view yet", which is not the same as a bad one.
    pub mine: Option<View>,
    /// Through the seeds that the viewer has pinned.
    pub pinned: Option<View>,
    /// What is on record whoever looks.
    pub facts: Facts,
}

/// A way to turn ratings into opinions.
pub trait Model {
    /// Takes a rating in; false if it changes nothing: held already, outranked for its hire and direction, or older than
    /// all that are held when there is no place. Ratings dated ahead are the caller's to refuse: they would leave last.
    fn insert(&mut self, rating: &Verified<Rating>) -> bool;

    /// Ratings that others took the place of since this was last asked, with their subjects: whoever keeps envelopes may
    /// let theirs go. Else a rater that makes many of one hire, each outranking the last, would fill a disk.
    fn take_gone(&mut self) -> Vec<(AgentId, Id<Rating>)>;

    /// What `viewer` may think of `subject` at `skill` and below (at anything without one), as of a UTC day: ratings
    /// dated after it do not count yet.
    fn view(&self, viewer: &AgentId, subject: &AgentId, skill: Option<&Skill>, day: u32) -> Columns;

    /// The lower end to choose by: of [`Model::view`]'s own overall, or of the prior for one without a view.
    fn low(&self, viewer: &AgentId, subject: &AgentId, skill: Option<&Skill>, day: u32) -> f64;

    /// What `viewer` knows of the work of `subject`, at `skill` and at anything else, as of a UTC day: to choose by.
    fn known(&self, viewer: &AgentId, subject: &AgentId, skill: &Skill, day: u32) -> Known;

    /// The viewer's own experience with `subject` at anything: how many ratings, and the expected score. Cheap.
    fn experience(&self, viewer: &AgentId, subject: &AgentId, day: u32) -> (usize, f64);

    /// The ratings of `subject`, newest first, at most `limit`.
    fn ratings_of(&self, subject: &AgentId, limit: usize) -> Vec<(About, Evidence)>;

    /// Ratings of `subject` in order of their ids, after one of them: at most `limit`.
    fn ids_of(&self, subject: &AgentId, after: Option<Id<Rating>>, limit: usize) -> Vec<Id<Rating>>;

    /// Whether this rating of `subject` by `rater` is held.
    fn holds(&self, subject: &AgentId, rater: &AgentId, rating: &Id<Rating>) -> bool;

    /// The rating of this direction of a hire, if it is held.
    fn rating(&self, about: &About) -> Option<Id<Rating>>;

    /// How many ratings of `subject` are held.
    fn count(&self, subject: &AgentId) -> usize;

    /// How many ratings are held.
    fn len(&self) -> usize;

    /// Whether none is.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
