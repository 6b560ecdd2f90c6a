//! What one peer thinks of another, from the ratings it holds.
//!
//! In come verified ratings, each with the permit that proves its hire; out come estimates for one viewer, with the
//! interval that goes with so much evidence. There is no score that is the same for everybody, and a rating without a
//! permit never counts. The same ratings give the same numbers in whatever order they came.
//!
//! [`Model`] is what the rest of the brain knows of it; [`BetaMean`] is the first model behind it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use statrs::function::beta::inv_beta_reg;

use crate::hire::HireId;
use crate::id::{AgentId, Id};
use crate::limits;
use crate::market::{Outcome, Rating, Scores, Skill};
use crate::record::Verified;
use crate::time::Millis;

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

/// How good somebody is, between 0 and 1, and how sure that is.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The expected score.
    pub mean: f64,
    /// One in twenty lies below: the end to choose by, for it rises only with evidence.
    pub low: f64,
    /// One in twenty lies above.
    pub high: f64,
    /// Ratings behind it, the prior not counted.
    pub n: f64,
}

impl Estimate {
    /// Of a uniform prior and `n` ratings whose scores add up to `good`: the mean and the 5% and 95% quantiles of
    /// Beta(1 + good, 1 + n - good). Needs `0 <= good <= n`.
    fn new(good: f64, n: f64) -> Self {
        let (a, b) = (1.0 + good, 1.0 + n - good);
        Self { mean: a / (a + b), low: inv_beta_reg(a, b, 0.05), high: inv_beta_reg(a, b, 0.95), n }
    }
}

/// One opinion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Over all criteria.
    pub overall: Estimate,
    /// By criterion, those that were judged at all.
    pub criteria: BTreeMap<Criterion, Estimate>,
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

/// The first model: the mean of a Beta distribution over the viewer's **own** ratings, from a uniform prior.
///
/// The word of others counts nothing here, since what it should count is standing, which this model does not have; their
/// ratings are held, listed and counted as facts. So nobody can talk a viewer into anything, and a viewer without
/// experience has no view. There are no pinned seeds either.
///
/// A rating is one unit of evidence for each criterion it scores and **one** unit overall, worth the mean of its scores and
/// at most its quality: four scores of one piece of work are not four independent experiences, and would narrow the
/// interval as if they were.
///
/// Of two ratings for one hire and direction the sealed one counts, else the lower id. When full, the oldest day leaves.
#[derive(Debug)]
pub struct BetaMean {
    max: usize,
    held: BTreeMap<About, Evidence>,
    /// The same ratings, the first to leave first.
    oldest: BTreeSet<(u32, About)>,
    gone: Vec<(AgentId, Id<Rating>)>,
}

impl Default for BetaMean {
    fn default() -> Self {
        Self::bounded(limits::RATINGS)
    }
}

impl Evidence {
    /// The lower of two counts.
    fn rank(&self) -> (bool, Id<Rating>) {
        (!self.sealed, self.id)
    }

    /// The mean of its scores, and at most the verdict on the whole: work that was refused is worth nothing, however many
    /// of its checks passed, or refusals would narrow the interval and so raise its lower end. In 1/12000: whole, as there
    /// are one to four scores of 1/1000, so that sums are exact.
    fn overall(&self) -> u64 {
        let whole = self.scores.quality.map_or(u64::MAX, |quality| u64::from(quality) * 12);
        let scores = || Criterion::ALL.into_iter().filter_map(|criterion| criterion.of(&self.scores)).map(u64::from);
        match scores().count() {
            0 => 0, // refused at admission
            n => (scores().sum::<u64>() * 12 / n as u64).min(whole),
        }
    }
}

/// Mean of whole scores, each at most `unit`.
fn estimate(scores: impl Iterator<Item = u64>, unit: u32) -> Estimate {
    let (n, sum) = scores.fold((0u32, 0u64), |(n, sum), score| (n + 1, sum + score));
    Estimate::new(sum as f64 / f64::from(unit), f64::from(n))
}

impl BetaMean {
    fn bounded(max: usize) -> Self {
        Self { max, held: BTreeMap::new(), oldest: BTreeSet::new(), gone: Vec::new() }
    }

    /// Ratings of `subject`: all, or one rater's.
    fn about(&self, subject: &AgentId, rater: Option<&AgentId>) -> impl Iterator<Item = (&About, &Evidence)> + Clone {
        let end = |rater: Option<&AgentId>, byte| About {
            subject: *subject,
            rater: rater.copied().unwrap_or(AgentId([byte; 32])),
            hire: HireId::from_bytes([byte; 32]),
        };
        self.held.range(end(rater, 0)..=end(rater, u8::MAX))
    }

    /// The viewer's own experience with `subject`.
    fn own<'a>(
        &'a self,
        viewer: &AgentId,
        subject: &AgentId,
        skill: Option<&'a Skill>,
        day: u32,
    ) -> impl Iterator<Item = &'a Evidence> + Clone {
        self.about(subject, Some(viewer)).map(|(_, held)| held).filter(move |held| counts(held, skill, day))
    }

    fn facts(&self, subject: &AgentId, skill: Option<&Skill>, day: u32) -> Facts {
        let mut facts = Facts::default();
        let (mut others, mut took) = (BTreeSet::new(), Vec::new());
        for (about, held) in self.about(subject, None).filter(|(_, held)| counts(held, skill, day)) {
            let Some((outcome, time)) = held.agreed else { continue };
            facts.hires += 1;
            facts.accepted += u32::from(outcome == Outcome::Accepted);
            others.insert(about.rater);
            if held.worked && time > Millis(0) {
                took.push(time);
            }
        }
        facts.counterparties = u32::try_from(others.len()).unwrap_or(u32::MAX);
        took.sort_unstable();
        facts.median_took = took.get(took.len().saturating_sub(1) / 2).copied();
        facts
    }
}

fn counts(held: &Evidence, skill: Option<&Skill>, day: u32) -> bool {
    held.day <= day && skill.is_none_or(|skill| skill.covers(&held.skill))
}

impl Model for BetaMean {
    fn insert(&mut self, rating: &Verified<Rating>) -> bool {
        let Some(proven) = rating.permit.read() else { return false };
        let judgement = &rating.judgement;
        let about = About { subject: judgement.subject, rater: rating.issuer(), hire: judgement.hire };
        let evidence = Evidence {
            id: rating.id(),
            skill: judgement.skill.clone(),
            day: rating.day,
            scores: judgement.scores,
            value: proven.value,
            agreed: proven.agreed.map(|(outcome, took)| (outcome, Millis(took))),
            sealed: rating.opening.is_some(),
            worked: judgement.subject == proven.worker,
        };
        let place = (evidence.day, about);
        let gone = match self.held.get(&about) {
            Some(held) if held.rank() <= evidence.rank() => return false,
            Some(held) => Some((held.day, about)),
            None if self.held.len() < self.max => None,
            None => match self.oldest.first() {
                Some(oldest) if *oldest < place => Some(*oldest),
                _ => return false,
            },
        };
        if let Some(gone) = gone {
            self.oldest.remove(&gone);
            self.gone.extend(self.held.remove(&gone.1).map(|held| (gone.1.subject, held.id)));
        }
        self.oldest.insert(place);
        self.held.insert(about, evidence);
        true
    }

    fn view(&self, viewer: &AgentId, subject: &AgentId, skill: Option<&Skill>, day: u32) -> Columns {
        let own = self.own(viewer, subject, skill, day);
        let criterion = |criterion: Criterion| {
            let scores = own.clone().filter_map(move |held| criterion.of(&held.scores)).map(u64::from);
            Some((criterion, estimate(scores, 1_000))).filter(|(_, estimate)| estimate.n > 0.0)
        };
        let mine = own.clone().next().map(|_| View {
            overall: estimate(own.clone().map(Evidence::overall), 12_000),
            criteria: Criterion::ALL.into_iter().filter_map(criterion).collect(),
        });
        Columns { mine, pinned: None, facts: self.facts(subject, skill, day) }
    }

    fn low(&self, viewer: &AgentId, subject: &AgentId, skill: Option<&Skill>, day: u32) -> f64 {
        estimate(self.own(viewer, subject, skill, day).map(Evidence::overall), 12_000).low
    }

    fn take_gone(&mut self) -> Vec<(AgentId, Id<Rating>)> {
        std::mem::take(&mut self.gone)
    }

    fn experience(&self, viewer: &AgentId, subject: &AgentId, day: u32) -> (usize, f64) {
        let own = self.own(viewer, subject, None, day).map(Evidence::overall);
        let (n, sum) = own.fold((0usize, 0u64), |(n, sum), score| (n + 1, sum + score));
        (n, (1.0 + sum as f64 / 12_000.0) / (2.0 + n as f64))
    }

    fn ratings_of(&self, subject: &AgentId, limit: usize) -> Vec<(About, Evidence)> {
        let mut newest: Vec<_> = self.about(subject, None).collect();
        newest.sort_unstable_by_key(|(_, held)| (std::cmp::Reverse(held.day), held.id));
        newest.into_iter().take(limit).map(|(about, held)| (*about, held.clone())).collect()
    }

    fn ids_of(&self, subject: &AgentId, after: Option<Id<Rating>>, limit: usize) -> Vec<Id<Rating>> {
        let ids = self.about(subject, None).map(|(_, held)| held.id);
        let mut ids: Vec<_> = ids.filter(|id| after.is_none_or(|after| *id > after)).collect();
        ids.sort_unstable();
        ids.truncate(limit);
        ids
    }

    fn holds(&self, subject: &AgentId, rater: &AgentId, rating: &Id<Rating>) -> bool {
        self.about(subject, Some(rater)).any(|(_, held)| held.id == *rating)
    }

    fn rating(&self, about: &About) -> Option<Id<Rating>> {
        self.held.get(about).map(|held| held.id)
    }

    fn count(&self, subject: &AgentId) -> usize {
        self.about(subject, None).count()
    }

    fn len(&self) -> usize {
        self.held.len()
    }
}

#[cfg(test)]
mod tests;
