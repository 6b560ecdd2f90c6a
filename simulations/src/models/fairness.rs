//! Fairness and goodness (Kumar, Spezzano, Subrahmanian, Faloutsos, ICDM 2016): the goodness of a subject is the mean of its
//! ratings weighted by the fairness of their raters; the fairness of a rater is how near its ratings lie to the goodness of
//! what it rated. Global, and wholly open to false identities.

use super::{ByNode, Model};
use crate::data::{Node, Rating};
use crate::limits;

/// A fixed point is reached when nothing moves by more.
const STOP: f64 = 1e-6;

/// Fairness and goodness, solved anew after so many ratings and from where it was.
#[derive(Debug, Clone)]
pub struct FairnessGoodness {
    every: usize,
    edges: Vec<(Node, Node, f64)>,
    solved: usize,
    fairness: Vec<f64>,
    goodness: Vec<f64>,
    given: ByNode<f64>,
    received: ByNode<f64>,
}

impl FairnessGoodness {
    /// Solved whenever it is asked and has so many ratings more than last time. With 1 always up to date.
    pub fn every(every: usize) -> Self {
        Self {
            every: every.max(1),
            edges: Vec::new(),
            solved: 0,
            fairness: Vec::new(),
            goodness: Vec::new(),
            given: ByNode::default(),
            received: ByNode::default(),
        }
    }

    /// How good a subject is; 0 for one that nobody rated.
    pub fn goodness(&self, subject: Node) -> f64 {
        self.goodness.get(subject as usize).copied().unwrap_or(0.0)
    }

    /// How fair a rater is; 1 for one that rated nobody.
    pub fn fairness(&self, rater: Node) -> f64 {
        self.fairness.get(rater as usize).copied().unwrap_or(1.0)
    }

    /// Solves for what was learned.
    pub fn solve(&mut self) {
        let nodes = self.edges.iter().map(|edge| edge.0.max(edge.1) as usize + 1).max().unwrap_or(0);
        self.fairness.resize(nodes, 1.0);
        self.goodness.resize(nodes, 0.0);
        for _ in 0..limits::ITERATIONS {
            let mut good = vec![0.0; nodes];
            for &(rater, subject, weight) in &self.edges {
                good[subject as usize] += self.fairness[rater as usize] * weight;
            }
            for (good, node) in good.iter_mut().zip(0..) {
                *good /= self.received.get(node).copied().unwrap_or(0.0).max(1.0);
            }
            let mut away = vec![0.0; nodes];
            for &(rater, subject, weight) in &self.edges {
                away[rater as usize] += (weight - good[subject as usize]).abs() / 2.0;
            }
            for (away, node) in away.iter_mut().zip(0..) {
                *away = 1.0 - *away / self.given.get(node).copied().unwrap_or(0.0).max(1.0);
            }
            let moved = |new: &[f64], old: &[f64]| new.iter().zip(old).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            let most = moved(&good, &self.goodness).max(moved(&away, &self.fairness));
            (self.goodness, self.fairness) = (good, away);
            if most < STOP {
                break;
            }
        }
        self.solved = self.edges.len();
    }
}

impl Model for FairnessGoodness {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        self.edges.push((rating.rater, rating.subject, rating.weight));
        *self.given.at(rating.rater) += 1.0;
        *self.received.at(rating.subject) += 1.0;
        if self.edges.len() - self.solved >= self.every && self.every > 1 {
            self.solve();
        }
    }

    fn settle(&mut self) {
        if self.solved < self.edges.len() {
            self.solve();
        }
    }

    fn scores(&mut self, viewer: Node, subjects: &[Node], _: f64) -> Vec<f64> {
        if self.every == 1 {
            self.settle();
        }
        subjects.iter().map(|subject| self.fairness(viewer) * self.goodness(*subject)).collect()
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
    fn two_raters_by_hand() {
        // One subject, rated +1 by 0 and by 1, and -1 by 2. With f for the first two and h for the third:
        // g = (2f - h)/3, f = 1 - (1 - g)/2, h = 1 - (1 + g)/2; so g = (1 + 3g)/6 and g = 1/3.
        let mut model = learn(FairnessGoodness::every(1), &[(0, 9, 1.0), (1, 9, 1.0), (2, 9, -1.0)]);
        let said = model.score(7, 9, 0.0);
        assert!((said - 1.0 / 3.0).abs() < 1e-5, "{said}");
        assert!((model.fairness(0) - 2.0 / 3.0).abs() < 1e-5);
        assert!((model.fairness(2) - 1.0 / 3.0).abs() < 1e-5);
        near(model.score(7, 3, 0.0), 0.0);
    }

    #[test]
    fn it_is_solved_anew_only_so_often() {
        let mut model = learn(FairnessGoodness::every(2), &[(0, 9, 1.0)]);
        near(model.score(7, 9, 0.0), 0.0);
        model.learn(&Rating::new(1.0, 1, 9, 1.0));
        near(model.score(7, 9, 0.0), 1.0);
    }
}
