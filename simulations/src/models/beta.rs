//! Beta reputation (Josang and Ismail 2002): one good and one bad rating to begin with, each rating part good and part
//! bad, all of it fading. No defence against whoever makes many ratings.

use super::{ByNode, Model};
use crate::data::{DAY, Node, Rating};

/// What a rating is evidence of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Evidence {
    /// One unit, divided between good and bad: a middling rating is evidence of middling work.
    Unit,
    /// As many units as its weight is from 0, all on one side: a middling rating says nothing.
    Weight,
}

impl Evidence {
    fn of(self, weight: f64) -> (f64, f64) {
        match self {
            Self::Unit => ((1.0 + weight) / 2.0, (1.0 - weight) / 2.0),
            Self::Weight => (weight.max(0.0), (-weight).max(0.0)),
        }
    }
}

/// Beta reputation, with or without forgetting.
#[derive(Debug, Clone)]
pub struct Beta {
    evidence: Evidence,
    half_life: Option<f64>,
    of: ByNode<(f64, f64, f64)>,
}

impl Beta {
    /// With a half-life in days, or none.
    pub fn new(evidence: Evidence, half_life: Option<f64>) -> Self {
        Self { evidence, half_life, of: ByNode::default() }
    }

    fn at(&self, subject: Node, now: f64) -> (f64, f64) {
        let Some((good, bad, at)) = self.of.get(subject).copied() else { return (0.0, 0.0) };
        let fade = self.half_life.map_or(1.0, |days| (-(now - at) / (days * DAY)).exp2());
        (good * fade, bad * fade)
    }
}

impl Model for Beta {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        let (good, bad) = self.at(rating.subject, rating.time);
        let (more_good, more_bad) = self.evidence.of(rating.weight);
        *self.of.at(rating.subject) = (good + more_good, bad + more_bad, rating.time);
    }

    fn scores(&mut self, _: Node, subjects: &[Node], now: f64) -> Vec<f64> {
        let one = |subject: &Node| {
            let (good, bad) = self.at(*subject, now);
            2.0 * (1.0 + good) / (2.0 + good + bad) - 1.0
        };
        subjects.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::near;
    use super::*;

    #[test]
    fn evidence_halves_in_a_half_life() {
        let mut beta = Beta::new(Evidence::Unit, Some(180.0));
        beta.learn(&Rating::new(0.0, 0, 1, 1.0));
        near(beta.score(0, 1, 0.0), 2.0 * 2.0 / 3.0 - 1.0);
        near(beta.score(0, 1, 180.0 * DAY), 2.0 * 1.5 / 2.5 - 1.0);
        beta.learn(&Rating::new(180.0 * DAY, 0, 1, -0.5));
        near(beta.score(0, 1, 180.0 * DAY), 2.0 * (1.0 + 0.5 + 0.25) / (2.0 + 0.5 + 1.0) - 1.0);
        near(beta.score(0, 7, 1.0), 0.0);
        let mut beta = Beta::new(Evidence::Weight, None);
        beta.learn(&Rating::new(0.0, 0, 1, -0.5));
        near(beta.score(0, 1, 1.0), 2.0 / 2.5 - 1.0);
    }
}
