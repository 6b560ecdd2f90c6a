//! What is kept of a rating: who judged whom, for what, how, and what the permit behind it proved.
//!
//! In: verified ratings, or the same facts from data that knows no signatures. A rating without a permit has no form here.

use serde::{Deserialize, Serialize};

use crate::hire::HireId;
use crate::id::{AgentId, Id};
use crate::market::{Outcome, Rating, Scores, Skill};
use crate::record::Verified;
use crate::time::Millis;
use crate::untrusted::Untrusted;

/// What is judged of a piece of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// Share of the checks passed.
    Accuracy,
    /// The verdict on the whole.
    Quality,
    /// In time, measured.
    Speed,
    /// Answered, acknowledged and closed as agreed.
    Communication,
}

impl Criterion {
    /// Every criterion.
    pub const ALL: [Self; 4] = [Self::Accuracy, Self::Quality, Self::Speed, Self::Communication];

    /// Its score in per mille, if there was something to judge.
    pub fn of(self, scores: &Scores) -> Option<u16> {
        match self {
            Self::Accuracy => scores.accuracy,
            Self::Quality => scores.quality,
            Self::Speed => scores.speed,
            Self::Communication => scores.communication,
        }
    }
}

/// What an opinion is of: the whole, by which is chosen, or one criterion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// All criteria together.
    Overall,
    /// One of them.
    #[serde(untagged)]
    Of(Criterion),
}

/// Scores are counted in 1/12000: whole, as an overall score is the mean of one to four scores of 1/1000.
pub(super) const SCORE: u32 = 12_000;

impl Aspect {
    /// Every aspect.
    pub const ALL: [Self; 5] = [
        Self::Overall,
        Self::Of(Criterion::Accuracy),
        Self::Of(Criterion::Quality),
        Self::Of(Criterion::Speed),
        Self::Of(Criterion::Communication),
    ];

    /// What these scores say of it, in 1/12000.
    ///
    /// Overall: the mean of the scores, and at most the verdict on the whole. Work that was refused is worth nothing, however
    /// many of its checks passed and however fast it came.
    pub(super) fn score(self, scores: &Scores) -> Option<u32> {
        match self {
            Self::Of(criterion) => criterion.of(scores).map(|score| u32::from(score) * 12),
            Self::Overall => {
                let judged = || Criterion::ALL.into_iter().filter_map(|criterion| criterion.of(scores)).map(u32::from);
                let whole = scores.quality.map_or(u32::MAX, |quality| u32::from(quality) * 12);
                let n = u32::try_from(judged().count()).ok().filter(|n| *n > 0)?;
                Some((judged().sum::<u32>() * 12 / n).min(whole))
            }
        }
    }
}

/// Who is judged, by whom, for what. Field order is the order in which ratings are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct About {
    /// Who is judged.
    pub subject: AgentId,
    /// Who judges.
    pub rater: AgentId,
    /// The hire. It has one requester and one worker, so this and the subject are a hire's direction.
    pub hire: HireId,
}

/// What stood behind the worker, as it said itself: a change shows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Edition {
    /// The model it named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Untrusted>,
    /// Its own version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Untrusted>,
}

impl Edition {
    /// Whether it says nothing.
    pub fn is_unknown(&self) -> bool {
        self.model.is_none() && self.version.is_none()
    }
}

/// What is kept of a rating; its envelope is in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// The rating.
    pub id: Id<Rating>,
    /// The work judged.
    pub skill: Skill,
    /// When, in days since the epoch.
    pub day: u32,
    /// How it was.
    pub scores: Scores,
    /// [`crate::market::award::value_bucket`] of the price.
    pub value: u8,
    /// The outcome both signed, and the time from begin to delivery (zero without one).
    pub agreed: Option<(Outcome, Millis)>,
    /// Whether it was committed to before the other side's was seen.
    pub sealed: bool,
    /// Whether the subject was the worker.
    pub worked: bool,
    /// What stood behind the worker.
    pub edition: Edition,
}

impl Evidence {
    /// Of two ratings for one hire and direction the one with the lower rank counts: the sealed one, else the lower id.
    pub(super) fn rank(&self) -> (bool, Id<Rating>) {
        (!self.sealed, self.id)
    }

    /// What a verified rating says, and its permit; `None` if that cannot be read, which no admitted rating's cannot.
    pub fn of(rating: &Verified<Rating>) -> Option<(About, Self)> {
        let proven = rating.permit.read()?;
        let judgement = &rating.judgement;
        let about = About { subject: judgement.subject, rater: rating.issuer(), hire: judgement.hire };
        let evidence = Self {
            id: rating.id(),
            skill: judgement.skill.clone(),
            day: rating.day,
            scores: judgement.scores,
            value: proven.value,
            agreed: proven.agreed.map(|(outcome, took)| (outcome, Millis(took))),
            sealed: rating.opening.is_some(),
            worked: judgement.subject == proven.worker,
            edition: Edition {
                model: rating.model.as_ref().map(Untrusted::from),
                version: rating.version.as_ref().map(Untrusted::from),
            },
        };
        Some((about, evidence))
    }
}
