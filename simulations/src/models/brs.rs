//! The filter of Whitby, Josang and Indulska 2004: a rater of a subject is left out when what the remaining raters agree on
//! lies outside the 1% and 99% quantiles of that rater's own Beta, again and again until nobody leaves. Holds while most are
//! honest.

use std::collections::BTreeMap;

use statrs::function::beta::inv_beta_reg;

use super::{ByNode, Model};
use crate::data::{Node, Rating};

/// Beta reputation over the raters that the filter leaves.
#[derive(Debug, Clone, Default)]
pub struct BrsFilter {
    /// By subject and rater: how many ratings, and the sum of their good parts.
    of: ByNode<BTreeMap<Node, (f64, f64)>>,
    /// Quantiles are slow, and raters with one rating out of few levels have few distinct ones.
    quantiles: BTreeMap<(u64, u64), (f64, f64)>,
}

impl BrsFilter {
    fn bounds(&mut self, n: f64, good: f64) -> (f64, f64) {
        *self.quantiles.entry((n.to_bits(), good.to_bits())).or_insert_with(|| {
            let (a, b) = (1.0 + good, 1.0 + (n - good).max(0.0));
            (inv_beta_reg(a, b, 0.01), inv_beta_reg(a, b, 0.99))
        })
    }

    fn one(&mut self, subject: Node) -> f64 {
        let mut left: Vec<(f64, f64)> =
            self.of.get(subject).map(|raters| raters.values().copied().collect()).unwrap_or_default();
        loop {
            let (n, good) = left.iter().fold((0.0, 0.0), |(n, good), rater| (n + rater.0, good + rater.1));
            let mean = (1.0 + good) / (2.0 + n);
            let before = left.len();
            left.retain(|(n, good)| {
                let (low, high) = self.bounds(*n, *good);
                (low..=high).contains(&mean)
            });
            if left.len() == before {
                return 2.0 * mean - 1.0;
            }
        }
    }
}

impl Model for BrsFilter {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        let held = self.of.at(rating.subject).entry(rating.rater).or_default();
        held.0 += 1.0;
        held.1 += (rating.weight + 1.0) / 2.0;
    }

    fn scores(&mut self, _: Node, subjects: &[Node], _: f64) -> Vec<f64> {
        subjects.iter().map(|subject| self.one(*subject)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{learn, near};
    use super::*;

    #[test]
    fn a_lone_slanderer_is_left_out_and_a_disagreement_of_two_is_not() {
        let mut praised: Vec<_> = (0..40).map(|rater| (rater, 100, 1.0)).collect();
        // 40 good: 41/42 = .976, and with one bad 41/43 = .953; the bad rater's 99% quantile is .9.
        praised.push((50, 100, -1.0));
        near(learn(BrsFilter::default(), &praised).score(0, 100, 0.0), 2.0 * 41.0 / 42.0 - 1.0);
        near(learn(BrsFilter::default(), &[(0, 1, 1.0), (2, 1, -1.0)]).score(0, 1, 0.0), 0.0);
    }
}
