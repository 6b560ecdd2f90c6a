//! MeritRank (Nasrulin, Ishmaev, Pouwelse, BRAINS 2022, arXiv 2207.09950): how many of many random walks from the viewer come
//! by a node. A walk ends with some probability at every step (transitivity decay), and a node that nearly all walks reach by
//! way of one other node loses a part of its score (connectivity decay): false identities stand behind a bridge.
//!
//! Ages are left out: the paper finds that epoch decay can do harm. Every walk has dice of its own, so what a node says of
//! others changes nothing in its own score, and one seed makes one result.

use std::collections::{BTreeMap, BTreeSet};

use super::walk::Trust;
use super::{Model, Scale};
use crate::data::{Node, Rating};
use crate::dice::Dice;

/// Walks of a viewer.
const WALKS: u64 = 10_000;
/// How often a walk ends before its next step.
const END: f64 = 0.15;
/// The share of the walks to a node that one other node is on, from which on that is a bridge.
const BRIDGE: f64 = 0.9;
/// What a node behind a bridge loses.
const LOSS: f64 = 0.5;

/// The model, with the scores of the last viewer.
#[derive(Debug, Clone, Default)]
pub struct MeritRank {
    trust: Trust,
    cache: Option<(Node, BTreeMap<Node, f64>)>,
}

impl MeritRank {
    fn walk(&self, viewer: Node) -> BTreeMap<Node, f64> {
        // Sums of the shares up to each neighbour, so that one number chooses among them.
        let rows: BTreeMap<Node, Vec<(Node, f64)>> = self.trust.rows().collect();
        let mut hits: BTreeMap<Node, u32> = BTreeMap::new();
        let mut before: BTreeMap<(Node, Node), u32> = BTreeMap::new();
        for walk in 0..WALKS {
            let mut dice = Dice::new(u64::from(viewer), walk);
            let (mut at, mut seen, mut path) = (viewer, BTreeSet::from([viewer]), Vec::new());
            while let Some(row) = rows.get(&at)
                && !dice.chance(END)
            {
                let mut left = dice.unit();
                let chosen = row.iter().find(|(_, share)| {
                    left -= share;
                    left < 0.0
                });
                // Shares may add up to a little less than one.
                let Some((next, _)) = chosen.or(row.last()) else { break };
                at = *next;
                if seen.insert(at) {
                    *hits.entry(at).or_default() += 1;
                    path.iter().for_each(|by| *before.entry((at, *by)).or_default() += 1);
                    path.push(at);
                }
            }
        }
        let bridged = |node: Node, hits: u32| {
            let by = before.range((node, 0)..=(node, Node::MAX));
            by.map(|(_, count)| f64::from(*count)).any(|count| count >= BRIDGE * f64::from(hits))
        };
        let score = |(node, hits): (&Node, &u32)| {
            let kept = if bridged(*node, *hits) { 1.0 - LOSS } else { 1.0 };
            (*node, kept * f64::from(*hits) / WALKS as f64)
        };
        hits.iter().map(score).collect()
    }
}

impl Model for MeritRank {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        self.trust.learn(rating);
        self.cache = None;
    }

    fn scores(&mut self, viewer: Node, subjects: &[Node], _: f64) -> Vec<f64> {
        if self.cache.as_ref().is_none_or(|(whose, _)| *whose != viewer) {
            self.cache = Some((viewer, self.walk(viewer)));
        }
        let found = |subject: &Node| self.cache.as_ref().and_then(|(_, scores)| scores.get(subject)).copied();
        subjects.iter().map(|subject| found(subject).unwrap_or(0.0)).collect()
    }

    fn scale(&self) -> Scale {
        Scale::Rank
    }

    fn personal(&self) -> bool {
        true
    }

    fn slow(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::learn;
    use super::*;

    #[test]
    fn walks_end_and_what_lies_behind_a_bridge_loses_a_half() {
        // A chain: .85 of the walks take the first step, .85 of those the second; node 2 is behind node 1.
        let mut model = learn(MeritRank::default(), &[(0, 1, 1.0), (1, 2, 1.0), (2, 3, -1.0)]);
        let scores = model.scores(0, &[1, 2, 3], 0.0);
        assert!((scores[0] - 0.85).abs() < 0.015 && (scores[1] - 0.85 * 0.85 / 2.0).abs() < 0.015, "{scores:?}");
        assert_eq!(scores[2], 0.0);
        // By two ways there is no bridge.
        let two = [(0, 1, 1.0), (0, 4, 1.0), (1, 2, 1.0), (4, 2, 1.0)];
        let score = learn(MeritRank::default(), &two).score(0, 2, 0.0);
        assert!((score - 0.85 * 0.85).abs() < 0.015, "{score}");
    }

    #[test]
    fn nobody_rises_by_what_it_says_and_identities_have_a_bounded_share_together() {
        let honest = [(0, 1, 1.0), (0, 2, 1.0), (1, 2, 1.0), (2, 1, 1.0), (1, 9, 0.2)];
        let alone = learn(MeritRank::default(), &honest).score(0, 9, 0.0);
        let together = |identities: Node| {
            let ring =
                (10..10 + identities).flat_map(|node| [(9, node, 1.0), (node, 10 + (node - 9) % identities, 1.0)]);
            let all: Vec<_> = honest.into_iter().chain(ring).collect();
            let mut model = learn(MeritRank::default(), &all);
            assert_eq!(model.score(0, 9, 0.0), alone, "the very same walks come by");
            model.scores(0, &(10..10 + identities).collect::<Vec<_>>(), 0.0).iter().sum::<f64>()
        };
        // A walk that has come takes (1 - .15) / .15 more steps on average; node 9 is behind a bridge as well.
        for identities in [2, 10, 200] {
            let sum = together(identities);
            assert!(sum > 0.0 && sum <= alone * 0.85 / 0.15 * 1.1, "{identities}: {sum} of {alone}");
        }
    }
}
