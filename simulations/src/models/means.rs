//! Means: of everything, of a subject, shrunk, and corrected for who gives high marks. The anchor among them is what any
//! model has to beat in predicting, though it has no defence at all.

use super::{ByNode, Model};
use crate::data::{DAY, Node, Rating};

/// A sum of weights and how many there were; with a half-life both fade.
#[derive(Debug, Clone, Copy, Default)]
struct Sum {
    sum: f64,
    count: f64,
    at: f64,
}

impl Sum {
    /// As of a time.
    fn at(&self, now: f64, half_life: Option<f64>) -> Self {
        let Some(days) = half_life else { return *self };
        let fade = (-(now - self.at) / (days * DAY)).exp2();
        Self { sum: self.sum * fade, count: self.count * fade, at: now }
    }

    fn add(&mut self, value: f64, now: f64, half_life: Option<f64>) {
        *self = self.at(now, half_life);
        self.sum += value;
        self.count += 1.0;
        self.at = now;
    }

    fn mean(&self) -> Option<f64> {
        (self.count > 0.0).then(|| self.sum / self.count)
    }
}

/// The running mean of all ratings, whoever is asked about.
#[derive(Debug, Clone, Default)]
pub struct GlobalMean(Sum);

impl Model for GlobalMean {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        self.0.add(rating.weight, rating.time, None);
    }

    fn scores(&mut self, _: Node, subjects: &[Node], _: f64) -> Vec<f64> {
        vec![self.0.mean().unwrap_or(0.0); subjects.len()]
    }
}

/// The running mean of the subject's ratings; for one without, the global mean or what is said here.
#[derive(Debug, Clone, Default)]
pub struct TargetMean {
    unknown: Option<f64>,
    all: Sum,
    of: ByNode<Sum>,
}

impl TargetMean {
    /// With a score of its own for those without ratings.
    pub fn unknown_is(score: f64) -> Self {
        Self { unknown: Some(score), ..Self::default() }
    }
}

impl Model for TargetMean {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        self.all.add(rating.weight, rating.time, None);
        self.of.at(rating.subject).add(rating.weight, rating.time, None);
    }

    fn scores(&mut self, _: Node, subjects: &[Node], _: f64) -> Vec<f64> {
        let all = self.unknown.or(self.all.mean()).unwrap_or(0.0);
        subjects.iter().map(|subject| self.of.get(*subject).and_then(Sum::mean).unwrap_or(all)).collect()
    }
}

/// The subject's mean shrunk to the global one: as if there were `k` ratings more, all of them average.
#[derive(Debug, Clone)]
pub struct ShrunkMean {
    k: f64,
    half_life: Option<f64>,
    all: Sum,
    of: ByNode<Sum>,
}

impl ShrunkMean {
    /// Shrunk by so many ratings.
    pub fn new(k: f64) -> Self {
        Self { k, half_life: None, all: Sum::default(), of: ByNode::default() }
    }

    fn one(&self, subject: Node, now: f64) -> f64 {
        let all = self.all.mean().unwrap_or(0.0);
        let of = self.of.get(subject).map_or_else(Sum::default, |of| of.at(now, self.half_life));
        (of.sum + self.k * all) / (of.count + self.k)
    }
}

impl Model for ShrunkMean {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        self.all.add(rating.weight, rating.time, None);
        self.of.at(rating.subject).add(rating.weight, rating.time, self.half_life);
    }

    fn scores(&mut self, _: Node, subjects: &[Node], now: f64) -> Vec<f64> {
        subjects.iter().map(|subject| self.one(*subject, now)).collect()
    }
}

/// The subject's shrunk mean plus the viewer's leniency: by how much the viewer's ratings have lain above what the shrunk
/// mean said just before each, summed and divided by their number plus five.
#[derive(Debug, Clone)]
pub struct Anchor {
    mean: ShrunkMean,
    leniency: ByNode<Sum>,
}

impl Anchor {
    /// With or without a half-life, in days, of both the subject's ratings and the leniency.
    pub fn new(half_life: Option<f64>) -> Self {
        Self { mean: ShrunkMean { half_life, ..ShrunkMean::new(2.0) }, leniency: ByNode::default() }
    }
}

impl Model for Anchor {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        let said = self.mean.one(rating.subject, rating.time);
        let half_life = self.mean.half_life;
        self.leniency.at(rating.rater).add(rating.weight - said, rating.time, half_life);
        self.mean.learn(rating);
    }

    fn scores(&mut self, viewer: Node, subjects: &[Node], now: f64) -> Vec<f64> {
        let of = self.leniency.get(viewer).map_or_else(Sum::default, |of| of.at(now, self.mean.half_life));
        let leniency = of.sum / (of.count + 5.0);
        subjects.iter().map(|subject| (self.mean.one(*subject, now) + leniency).clamp(-1.0, 1.0)).collect()
    }

    fn personal(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{learn, near};
    use super::*;

    #[test]
    fn means_by_hand() {
        let ratings = [(0, 1, 1.0), (0, 2, 0.0), (2, 1, 0.5)];
        near(learn(GlobalMean::default(), &ratings).score(9, 9, 10.0), 0.5);
        near(learn(TargetMean::default(), &ratings).score(9, 1, 10.0), 0.75);
        near(learn(TargetMean::default(), &ratings).score(9, 3, 10.0), 0.5);
        near(learn(TargetMean::unknown_is(0.0), &ratings).score(9, 3, 10.0), 0.0);
        near(learn(ShrunkMean::new(2.0), &ratings).score(9, 1, 10.0), (1.5 + 2.0 * 0.5) / 4.0);
    }

    #[test]
    fn leniency_is_what_a_rater_gave_above_what_was_known_then() {
        let mut anchor = learn(Anchor::new(None), &[(0, 1, 1.0), (0, 2, 0.0)]);
        // Of node 1 nothing was known: 0; so +1. Of node 2 the global mean, 1: so -1. The leniency is 0 of 7.
        near(anchor.score(0, 1, 10.0), (1.0 + 2.0 * 0.5) / 3.0);
        anchor.learn(&Rating::new(10.0, 0, 1, 1.0));
        // 1 - 2/3 above, of three ratings and five.
        near(anchor.score(9, 3, 10.0), 2.0 / 3.0);
        near(anchor.score(0, 3, 10.0), 2.0 / 3.0 + (1.0 / 3.0) / 8.0);
    }
}
