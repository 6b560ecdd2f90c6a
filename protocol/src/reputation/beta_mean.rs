//! The viewer's own experience and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use statrs::function::beta::inv_beta_reg;

use super::evidence::SCORE;
use super::{About, Aspect, Columns, Criterion, Estimate, Evidence, Facts, Known, Model, View};
use crate::hire::HireId;
use crate::id::{AgentId, Id};
use crate::limits;
use crate::market::{Rating, Skill};
use crate::record::Verified;

impl Estimate {
    /// Of a uniform prior and `n` ratings whose scores add up to `good`: the mean and the 5% and 95% quantiles of
    /// Beta(1 + good, 1 + n - good). Needs `0 <= good <= n`.
    fn new(good: f64, n: f64) -> Self {
        let (a, b) = (1.0 + good, 1.0 + n - good);
        Self { mean: a / (a + b), low: inv_beta_reg(a, b, 0.05), high: inv_beta_reg(a, b, 0.95), n }
    }
}

/// A baseline: the mean of a Beta distribution over the viewer's **own** ratings, from a uniform prior.
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
        let held = self.about(subject, None).filter(|(_, held)| counts(held, skill, day));
        Facts::of(held.map(|(about, held)| (about.rater, held.agreed, held.worked)))
    }
}

/// What it says overall, in 1/12000.
fn overall(held: &Evidence) -> u64 {
    Aspect::Overall.score(&held.scores).map_or(0, u64::from) // without any score: refused at admission
}

fn counts(held: &Evidence, skill: Option<&Skill>, day: u32) -> bool {
    held.day <= day && skill.is_none_or(|skill| skill.covers(&held.skill))
}

impl Model for BetaMean {
    fn insert(&mut self, rating: &Verified<Rating>) -> bool {
        let Some((about, evidence)) = Evidence::of(rating) else { return false };
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
            overall: estimate(own.clone().map(overall), SCORE),
            criteria: Criterion::ALL.into_iter().filter_map(criterion).collect(),
            next: None,
            spread: None,
            expected: None,
            trend: None,
            basis: None,
        });
        Columns { mine, pinned: None, facts: self.facts(subject, skill, day) }
    }

    fn low(&self, viewer: &AgentId, subject: &AgentId, skill: Option<&Skill>, day: u32) -> f64 {
        estimate(self.own(viewer, subject, skill, day).map(overall), SCORE).low
    }

    fn known(&self, viewer: &AgentId, subject: &AgentId, skill: &Skill, day: u32) -> Known {
        let own = self.own(viewer, subject, None, day).filter(|held| held.worked).map(overall);
        let (n, sum) = own.fold((0u32, 0u64), |(n, sum), score| (n + 1, sum + score));
        let good = if n > 0 { sum as f64 / (f64::from(SCORE) * f64::from(n)) } else { 0.5 };
        Known { low: self.low(viewer, subject, Some(skill), day), units: f64::from(n), good }
    }

    fn take_gone(&mut self) -> Vec<(AgentId, Id<Rating>)> {
        std::mem::take(&mut self.gone)
    }

    fn experience(&self, viewer: &AgentId, subject: &AgentId, day: u32) -> (usize, f64) {
        let own = self.own(viewer, subject, None, day).map(overall);
        let (n, sum) = own.fold((0usize, 0u64), |(n, sum), score| (n + 1, sum + score));
        (n, (1.0 + sum as f64 / f64::from(SCORE)) / (2.0 + n as f64))
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
