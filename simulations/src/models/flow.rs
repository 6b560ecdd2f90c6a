//! Trust as a flow, as in Advogato (Levien, "Attack-resistant trust metrics", 2004) and Bazaar (Post, Shah, Mislove, NSDI
//! 2011): a rater counts for as much as can flow to it from the viewer through what each found of the next, one whole rating
//! at most. What raters say then goes into a Beta, the hires of a pair discounted as in ours, with one unit of prior.
//!
//! To each rater by itself what flows is bounded by the honest ratings of attackers, but any number of false identities may each have
//! that much. **Together** a flow to all raters of a subject at once is shared among them, and so is the bound.

use std::collections::{BTreeMap, VecDeque};

use super::walk::Trust;
use super::{ByNode, Model};
use crate::data::{Node, Rating};

/// One whole rating.
const WHOLE: i64 = 1_000;
/// What is left of a pair's weight after one more hire.
const PAIR: f64 = 0.7;

/// A pipe and the way back through it.
#[derive(Debug, Clone)]
struct Pipe {
    to: u32,
    left: i64,
    back: u32,
}

/// Pipes by the node they begin at.
#[derive(Debug, Clone, Default)]
struct Pipes(Vec<Vec<Pipe>>);

impl Pipes {
    fn of(trust: &Trust) -> Self {
        let mut pipes = Self(vec![Vec::new(); trust.nodes]);
        for (from, to, sum) in trust.positive() {
            let (a, b) = (from as usize, to as usize);
            let (there, back) = (pipes.0[a].len() as u32, pipes.0[b].len() as u32);
            pipes.0[a].push(Pipe { to, left: (sum * WHOLE as f64).round() as i64, back });
            pipes.0[b].push(Pipe { to: from, left: 0, back: there });
        }
        pipes
    }

    /// What flows into each of these sinks, which take so much each: along shortest ways (Edmonds and Karp), as if all sinks led
    /// into one. Afterwards the pipes are as they were.
    fn fill(&mut self, source: Node, sinks: &mut BTreeMap<Node, i64>) -> BTreeMap<Node, i64> {
        let mut got = BTreeMap::new();
        let mut used: Vec<(usize, usize, i64)> = Vec::new();
        while let Some((sink, way)) = self.way(source, sinks) {
            let Some(room) = sinks.get_mut(&sink) else { break };
            let amount = way.iter().map(|(node, pipe)| self.0[*node][*pipe].left).min().unwrap_or(0).min(*room);
            *room -= amount;
            *got.entry(sink).or_default() += amount;
            for (node, pipe) in way {
                self.push(node, pipe, amount);
                used.push((node, pipe, amount));
            }
        }
        used.into_iter().for_each(|(node, pipe, amount)| self.push(node, pipe, -amount));
        got
    }

    fn push(&mut self, node: usize, pipe: usize, amount: i64) {
        let Pipe { to, back, .. } = self.0[node][pipe];
        self.0[node][pipe].left -= amount;
        self.0[to as usize][back as usize].left += amount;
    }

    /// The shortest way with room to a sink with room: nodes and which of their pipes.
    fn way(&self, source: Node, sinks: &BTreeMap<Node, i64>) -> Option<(Node, Vec<(usize, usize)>)> {
        let mut came: Vec<Option<(usize, usize)>> = vec![None; self.0.len()];
        let mut due = VecDeque::from([source as usize]);
        while let Some(node) = due.pop_front() {
            for (at, pipe) in self.0.get(node)?.iter().enumerate().filter(|(_, pipe)| pipe.left > 0) {
                let next = pipe.to as usize;
                if next == source as usize || came[next].is_some() {
                    continue;
                }
                came[next] = Some((node, at));
                if sinks.get(&pipe.to).is_some_and(|room| *room > 0) {
                    let back = |step: &(usize, usize)| came[step.0];
                    return Some((pipe.to, std::iter::successors(came[next], back).collect()));
                }
                due.push_back(next);
            }
        }
        None
    }
}

/// The model.
#[derive(Debug, Clone)]
pub struct MaxFlow {
    together: bool,
    trust: Trust,
    /// By subject and rater: the weight of its hires and what was good of it.
    said: ByNode<BTreeMap<Node, (f64, f64)>>,
    pipes: Option<Pipes>,
}

impl MaxFlow {
    /// To each rater by itself, or to all of a subject together.
    pub fn new(together: bool) -> Self {
        Self { together, trust: Trust::default(), said: ByNode::default(), pipes: None }
    }

    fn one(&mut self, viewer: Node, subject: Node) -> f64 {
        let Some(said) = self.said.get(subject) else { return 0.0 };
        let pipes = self.pipes.get_or_insert_with(|| Pipes::of(&self.trust));
        let mut raters: BTreeMap<Node, i64> = said.keys().map(|rater| (*rater, WHOLE)).collect();
        raters.remove(&viewer);
        let mut counts = if self.together {
            pipes.fill(viewer, &mut raters)
        } else {
            let alone = raters.keys().flat_map(|rater| pipes.fill(viewer, &mut BTreeMap::from([(*rater, WHOLE)])));
            alone.collect()
        };
        counts.insert(viewer, WHOLE);
        let (mut n, mut good) = (1.0, 0.5);
        for (rater, (weight, of_it)) in said {
            let counts = counts.get(rater).copied().unwrap_or(0) as f64 / WHOLE as f64;
            (n, good) = (n + counts * weight, good + counts * of_it);
        }
        2.0 * good / n - 1.0
    }
}

impl Model for MaxFlow {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        self.trust.learn(rating);
        let (n, good) = self.said.at(rating.subject).entry(rating.rater).or_default();
        (*n, *good) = (PAIR * *n + 1.0, PAIR * *good + (1.0 + rating.weight) / 2.0);
        self.pipes = None;
    }

    fn scores(&mut self, viewer: Node, subjects: &[Node], _: f64) -> Vec<f64> {
        subjects.iter().map(|subject| self.one(viewer, *subject)).collect()
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
    use super::super::tests::{learn, near};
    use super::*;

    /// 0 can send .5 to 3 by way of 1, and .3 by way of 2 only if what 1 gets is not spent on 2 (a way back through a pipe).
    const NETWORK: [(Node, Node, f64); 5] = [(0, 1, 0.8), (1, 2, 0.9), (1, 3, 0.5), (2, 3, 0.3), (3, 4, 1.0)];

    #[test]
    fn a_flow_is_a_cut_and_leaves_no_trace() {
        let model = learn(MaxFlow::new(true), &NETWORK);
        let mut pipes = Pipes::of(&model.trust);
        let flow = |pipes: &mut Pipes, to: Node, room: i64| {
            pipes.fill(0, &mut BTreeMap::from([(to, room)])).get(&to).copied().unwrap_or(0)
        };
        assert_eq!([flow(&mut pipes, 3, 5_000), flow(&mut pipes, 3, 200), flow(&mut pipes, 3, 5_000)], [800, 200, 800]);
        assert_eq!((flow(&mut pipes, 2, 5_000), flow(&mut pipes, 4, 5_000), flow(&mut pipes, 9, 1)), (800, 800, 0));
        // Both at once share what the first pipe carries.
        let both = pipes.fill(0, &mut BTreeMap::from([(2, 1_000), (3, 1_000)]));
        assert_eq!(both.values().sum::<i64>(), 800);
        // Greed takes 0 -> 1 -> 3 first; the rest has to go round by 2, and back through 3 -> 1 if 2 comes to 3 first.
        let cross = [(0, 1, 1.0), (0, 2, 1.0), (1, 3, 1.0), (1, 4, 1.0), (2, 3, 1.0), (3, 5, 1.0), (4, 5, 1.0)];
        let mut pipes = Pipes::of(&learn(MaxFlow::new(true), &cross).trust);
        assert_eq!(flow(&mut pipes, 5, 5_000), 2_000);
    }

    #[test]
    fn identities_each_have_the_bound_alone_and_share_it_together() {
        let said = |together, identities: Node| {
            let sybils = (10..10 + identities).flat_map(|node| [(9, node, 1.0), (node, 8, 1.0)]);
            let all: Vec<_> = [(0, 1, 1.0), (1, 9, 0.4), (1, 8, -1.0)].into_iter().chain(sybils).collect();
            learn(MaxFlow::new(together), &all).score(0, 8, 0.0)
        };
        near(said(true, 0), 2.0 * 0.5 / 2.0 - 1.0);
        // Honest node 1 passes on .4: one identity, or all together, say 1.0 with so much.
        near(said(false, 1), 2.0 * 0.9 / 2.4 - 1.0);
        near(said(false, 50), 2.0 * 20.5 / 22.0 - 1.0);
        for together in [2, 50] {
            // Together with node 1, who gets its own in full first, 0 has 1.0 to send; the identities share what is left.
            assert!(said(true, together) <= said(true, 1) + 1e-9);
        }
    }
}
