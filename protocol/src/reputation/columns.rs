//! The model as the brain asks it: three columns, the end to choose by, lists.

use super::book::{Held, Who};
use super::evidence::{About, Aspect, Criterion, Evidence, SCORE};
use super::opinion::{Level, Opinion, judge, judge_all, known, levels};
use super::standing::Standing;
use super::walk_beta::WalkBeta;
use super::{Basis, Columns, Estimate, Facts, Known, Model, Trend, View};
use crate::id::{AgentId, Id};
use crate::market::{Rating, Skill};
use crate::record::Verified;

impl From<&Opinion> for Estimate {
    fn from(opinion: &Opinion) -> Self {
        Self { mean: opinion.mean, low: opinion.low, high: opinion.high, n: opinion.evidence }
    }
}

impl WalkBeta {
    /// A viewer's eyes: kept up to date if it is watched, else made for the occasion.
    fn eyes_of(&self, viewer: &AgentId, day: u32) -> Standing<'_> {
        self.live(viewer, &[], day).unwrap_or_else(|| self.standing(viewer, &[], day))
    }

    /// Through the seeds it has pinned, if it has and is watched.
    fn pinned_eyes_of(&self, viewer: &AgentId, day: u32) -> Option<Standing<'_>> {
        let pinned = |key: &&super::walk_beta::Watch| key.0 == *viewer && !key.1.is_empty();
        self.watched.keys().find(pinned).and_then(|(viewer, seeds)| self.live(viewer, seeds, day))
    }

    /// The rating of this direction of a hire that counts, if one is held.
    pub fn held(&self, about: &About) -> Option<Evidence> {
        self.book().find(about).map(|which| self.book().evidence(self.book().get(which)).1)
    }

    /// Everybody known from ratings, as rater or subject.
    pub fn agents(&self) -> impl Iterator<Item = AgentId> {
        self.book().agents.iter().map(|agent| agent.key)
    }

    /// The eyes to choose by: through the pinned seeds, if there are any, else one's own.
    pub fn best_eyes_of(&self, viewer: &AgentId, day: u32) -> Standing<'_> {
        self.pinned_eyes_of(viewer, day).unwrap_or_else(|| self.eyes_of(viewer, day))
    }

    pub(super) fn held_of(&self, subject: &AgentId) -> impl Iterator<Item = &Held> {
        let of = self.book().who(subject).map_or(&[][..], |who| &self.book().agent(who).of);
        of.iter().map(|which| self.book().get(*which))
    }

    /// The viewer's own ratings of `subject`.
    fn own(&self, viewer: &AgentId, subject: &AgentId, day: u32) -> impl Iterator<Item = &Held> {
        let pair: Option<(Who, Who)> = self.book().who(viewer).zip(self.book().who(subject));
        let held = pair.map_or(&[][..], |(viewer, subject)| self.book().pair(viewer, subject));
        held.iter().map(|which| self.book().get(*which)).filter(move |held| held.day <= day)
    }

    fn facts(&self, subject: &AgentId, skill: Option<&Skill>, day: u32) -> Facts {
        // What somebody was like to work for says nothing of its work.
        let fits = |skill: &Skill, held: &Held| held.worked() && skill.covers(self.book().skill(held));
        let counts = |held: &&Held| held.day <= day && skill.is_none_or(|skill| fits(skill, held));
        let key = |held: &Held| self.book().agent(held.rater).key;
        Facts::of(self.held_of(subject).filter(counts).map(|held| (key(held), held.agreed(), held.worked())))
    }
}

/// What the mean of these levels rests on: each level starts from the next wider one, which counts `n0`.
fn basis(levels: &[Level<'_>], n0: f64) -> Basis {
    let mut left = 1.0;
    let mut shares = levels.iter().map(|level| {
        let evidence = level.slow().whole();
        let share = if evidence > 0.0 { left * evidence / (n0 + evidence) } else { 0.0 };
        left -= share;
        share
    });
    let (here, wider) = (shares.next().unwrap_or(0.0), shares.sum());
    Basis { here, wider, usual: left }
}

impl Standing<'_> {
    /// Whose word counts, the viewer's own included, and how much.
    pub fn voices(&self) -> impl Iterator<Item = (AgentId, f64)> {
        let voices = self.raters().into_iter().map(|who| (self.model.book().agent(who).key, self.voice_of(who)));
        voices.filter(|(_, weight)| *weight > 0.0)
    }

    /// Everything at once, for people.
    pub fn view(&self, subject: &AgentId, skill: Option<&Skill>) -> Option<View> {
        let who = self.model.book().who(subject)?;
        let known = levels(self, who, skill, Aspect::Overall, None, self.day);
        let overall = judge(self, &known, Aspect::Overall)?;
        let criterion = |criterion: Criterion| {
            let aspect = Aspect::Of(criterion);
            Some((criterion, Estimate::from(&judge(self, &levels(self, who, skill, aspect, None, self.day), aspect)?)))
        };
        Some(View {
            overall: Estimate::from(&overall),
            criteria: Criterion::ALL.into_iter().filter_map(criterion).collect(),
            next: overall.next,
            spread: overall.spread,
            expected: Some((overall.mean + self.leniency()).clamp(0.0, 1.0)),
            trend: overall.fast.map(|fast| Trend { slow: overall.slow, fast }),
            basis: Some(basis(&known, self.model.params().n0)),
        })
    }
}

impl Model for WalkBeta {
    fn insert(&mut self, rating: &Verified<Rating>) -> bool {
        Evidence::of(rating).is_some_and(|(about, evidence)| self.add(about, &evidence))
    }

    fn take_gone(&mut self) -> Vec<(AgentId, Id<Rating>)> {
        std::mem::take(&mut self.gone)
    }

    fn view(&self, viewer: &AgentId, subject: &AgentId, skill: Option<&Skill>, day: u32) -> Columns {
        Columns {
            mine: self.eyes_of(viewer, day).view(subject, skill),
            pinned: self.pinned_eyes_of(viewer, day).and_then(|eyes| eyes.view(subject, skill)),
            facts: self.facts(subject, skill, day),
        }
    }

    /// Through the pinned seeds, if there are any: the viewer's own experience counts there as well.
    fn low(&self, viewer: &AgentId, subject: &AgentId, skill: Option<&Skill>, day: u32) -> f64 {
        let eyes = self.best_eyes_of(viewer, day);
        let opinion = eyes.opinion(subject, skill, Aspect::Overall);
        opinion.unwrap_or_else(|| judge_all(&eyes, &[], Aspect::Overall)).low
    }

    /// Through the same eyes as [`Model::low`].
    fn known(&self, viewer: &AgentId, subject: &AgentId, skill: &Skill, day: u32) -> Known {
        let eyes = self.best_eyes_of(viewer, day);
        let who = self.book().who(subject);
        let levels = who.map_or_else(Vec::new, |who| levels(&eyes, who, Some(skill), Aspect::Overall, None, day));
        let sum = known(&eyes, &levels);
        let good = if sum.whole() > 0.0 { sum.good / sum.whole() } else { 0.5 };
        Known { low: judge_all(&eyes, &levels, Aspect::Overall).low, units: sum.whole(), good }
    }

    fn experience(&self, viewer: &AgentId, subject: &AgentId, day: u32) -> (usize, f64) {
        let scores = self.own(viewer, subject, day).map(|held| held.score(Aspect::Overall).unwrap_or(0));
        let (n, sum) = scores.fold((0usize, 0u64), |(n, sum), score| (n + 1, sum + u64::from(score)));
        (n, (1.0 + sum as f64 / f64::from(SCORE)) / (2.0 + n as f64))
    }

    fn ratings_of(&self, subject: &AgentId, limit: usize) -> Vec<(About, Evidence)> {
        let mut newest: Vec<&Held> = self.held_of(subject).collect();
        newest.sort_unstable_by_key(|held| (std::cmp::Reverse(held.day), held.id));
        newest.into_iter().take(limit).map(|held| self.book().evidence(held)).collect()
    }

    fn ids_of(&self, subject: &AgentId, after: Option<Id<Rating>>, limit: usize) -> Vec<Id<Rating>> {
        let ids = self.held_of(subject).map(|held| held.id);
        let mut ids: Vec<_> = ids.filter(|id| after.is_none_or(|after| *id > after)).collect();
        ids.sort_unstable();
        ids.truncate(limit);
        ids
    }

    fn holds(&self, subject: &AgentId, rater: &AgentId, rating: &Id<Rating>) -> bool {
        self.own(rater, subject, u32::MAX).any(|held| held.id == *rating)
    }

    fn rating(&self, about: &About) -> Option<Id<Rating>> {
        self.book().find(about).map(|which| self.book().get(which).id)
    }

    fn count(&self, subject: &AgentId) -> usize {
        self.book().who(subject).map_or(0, |who| self.book().agent(who).of.len())
    }

    fn len(&self) -> usize {
        self.book().len()
    }
}
