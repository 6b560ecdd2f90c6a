//! Trust as a walk: EigenTrust (Kamvar, Schlosser, Garcia-Molina, WWW 2003) and personalised PageRank. Both walk along
//! positive ratings only, each rater's shares adding up to one; what arrives at a rater without any goes back to where walks
//! begin.

use std::collections::BTreeMap;

use super::{ByNode, Model, Scale};
use crate::data::{Node, Rating};
use crate::limits;

/// A vector is found when it moves by less, all entries added up.
const STOP: f64 = 1e-10;

/// Who trusts whom, by how much: sums over each pair.
#[derive(Debug, Clone, Default)]
pub(super) struct Trust {
    sums: ByNode<BTreeMap<Node, f64>>,
    /// How many nodes there are.
    pub(super) nodes: usize,
}

impl Trust {
    pub(super) fn learn(&mut self, rating: &Rating) {
        *self.sums.at(rating.rater).entry(rating.subject).or_default() += rating.weight;
        self.nodes = self.nodes.max(rating.rater.max(rating.subject) as usize + 1);
    }

    /// Who trusts whom, and by how much.
    pub(super) fn positive(&self) -> impl Iterator<Item = (Node, Node, f64)> {
        let of = |node: Node| self.sums.get(node).into_iter().flatten().map(move |(to, sum)| (node, *to, *sum));
        (0..self.nodes as Node).flat_map(of).filter(|(.., sum)| *sum > 0.0)
    }

    /// By node that trusts anybody, the shares it gives, which add up to one.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Node, Vec<(Node, f64)>)> {
        (0..self.nodes as Node).filter_map(|node| {
            let sums = self.sums.get(node)?;
            let total: f64 = sums.values().map(|sum| sum.max(0.0)).sum();
            let positive = sums.iter().filter(|(_, sum)| **sum > 0.0);
            (total > 0.0).then(|| (node, positive.map(|(to, sum)| (*to, sum / total)).collect()))
        })
    }

    /// The stationary vector of a walk that starts over with this probability, at the start's places.
    fn walk(&self, restart: f64, start: &[f64]) -> Vec<f64> {
        let nodes = self.nodes.max(start.len());
        let rows: Vec<(Node, Vec<(Node, f64)>)> = self.rows().collect();
        let mut dangles = vec![true; nodes];
        rows.iter().for_each(|(node, _)| dangles[*node as usize] = false);
        let start = |node: usize| start.get(node).copied().unwrap_or(0.0);
        let mut now: Vec<f64> = (0..nodes).map(start).collect();
        for _ in 0..limits::ITERATIONS {
            let lost: f64 = now.iter().zip(&dangles).filter(|(_, dangles)| **dangles).map(|(mass, _)| mass).sum();
            let back = restart + (1.0 - restart) * lost;
            let mut next: Vec<f64> = (0..nodes).map(|node| back * start(node)).collect();
            for (from, row) in &rows {
                let mass = (1.0 - restart) * now[*from as usize];
                row.iter().for_each(|(to, share)| next[*to as usize] += mass * share);
            }
            let moved: f64 = next.iter().zip(&now).map(|(a, b)| (a - b).abs()).sum();
            now = next;
            if moved < STOP {
                break;
            }
        }
        now
    }
}

/// The vector of the last walk, and whose it was.
type Cache = Option<(Option<Node>, Vec<f64>)>;

/// EigenTrust, a = 0.15.
#[derive(Debug, Clone)]
pub struct EigenTrust {
    trust: Trust,
    mine: bool,
    cache: Cache,
}

impl EigenTrust {
    /// Everybody is trusted beforehand, equally.
    pub fn uniform() -> Self {
        Self { trust: Trust::default(), mine: false, cache: None }
    }

    /// The viewer is.
    pub fn mine() -> Self {
        Self { mine: true, ..Self::uniform() }
    }
}

impl Model for EigenTrust {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        self.trust.learn(rating);
        self.cache = None;
    }

    fn scores(&mut self, viewer: Node, subjects: &[Node], _: f64) -> Vec<f64> {
        let whose = self.mine.then_some(viewer);
        let start = match whose {
            Some(viewer) => alone(viewer),
            None => vec![1.0 / self.trust.nodes.max(1) as f64; self.trust.nodes],
        };
        read(&mut self.cache, whose, subjects, || self.trust.walk(0.15, &start))
    }

    fn scale(&self) -> Scale {
        Scale::Rank
    }

    fn personal(&self) -> bool {
        self.mine
    }
}

/// Personalised PageRank: how often a walk from the viewer is at the subject.
#[derive(Debug, Clone)]
pub struct PersonalisedPageRank {
    trust: Trust,
    restart: f64,
    cache: Cache,
}

impl PersonalisedPageRank {
    /// Starting over with this probability at each step.
    pub fn new(restart: f64) -> Self {
        Self { trust: Trust::default(), restart, cache: None }
    }
}

impl Model for PersonalisedPageRank {
    fn fork(&self) -> Box<dyn Model> {
        Box::new(self.clone())
    }

    fn learn(&mut self, rating: &Rating) {
        self.trust.learn(rating);
        self.cache = None;
    }

    fn scores(&mut self, viewer: Node, subjects: &[Node], _: f64) -> Vec<f64> {
        read(&mut self.cache, Some(viewer), subjects, || self.trust.walk(self.restart, &alone(viewer)))
    }

    fn scale(&self) -> Scale {
        Scale::Rank
    }

    fn personal(&self) -> bool {
        true
    }
}

fn alone(viewer: Node) -> Vec<f64> {
    let mut start = vec![0.0; viewer as usize + 1];
    start[viewer as usize] = 1.0;
    start
}

fn read(cache: &mut Cache, whose: Option<Node>, subjects: &[Node], walk: impl FnOnce() -> Vec<f64>) -> Vec<f64> {
    if cache.as_ref().is_none_or(|(held, _)| *held != whose) {
        *cache = Some((whose, walk()));
    }
    let vector = cache.as_ref().map(|(_, vector)| vector.as_slice()).unwrap_or_default();
    subjects.iter().map(|subject| vector.get(*subject as usize).copied().unwrap_or(0.0)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{learn, near};
    use super::*;

    #[test]
    fn a_walk_there_and_back_by_hand() {
        // 0 trusts 1, 1 trusts nobody: p0 = e + (1-e) p1, p1 = (1-e) p0; so p0 = e / (1 - (1-e)^2) = 1/(2-e).
        let mut model = learn(PersonalisedPageRank::new(0.3), &[(0, 1, 1.0), (1, 2, -1.0)]);
        near(model.score(0, 0, 0.0), 1.0 / 1.7);
        near(model.score(0, 1, 0.0), 0.7 / 1.7);
        near(model.score(0, 2, 0.0), 0.0);
        // Nobody trusts node 0, so from 1 it is not reached.
        near(model.score(1, 0, 0.0), 0.0);
        near(model.score(1, 1, 0.0), 1.0);
    }

    #[test]
    fn a_bad_experience_takes_back_a_good_one_and_shares_are_of_the_sums() {
        let ratings = [(0, 1, 1.0), (0, 1, -0.5), (0, 2, 1.0), (0, 3, 0.5), (0, 3, -0.5)];
        let mut model = learn(PersonalisedPageRank::new(0.5), &ratings);
        let p = model.scores(0, &[0, 1, 2, 3], 0.0);
        near(p[0], 2.0 / 3.0);
        near(p[1], p[0] / 2.0 / 3.0);
        near(p[2], p[0] / 2.0 * 2.0 / 3.0);
        near(p[3], 0.0);
    }

    #[test]
    fn eigentrust_by_hand() {
        // 0 and 1 trust 2, who trusts nobody: t2 = .15/3 + .85 (t0 + t1 + t2/3), t0 = t1 = .05 + .85 t2/3.
        let mut model = learn(EigenTrust::uniform(), &[(0, 2, 1.0), (1, 2, 0.2)]);
        let t = model.scores(5, &[0, 1, 2], 0.0);
        near(t[0] + t[1] + t[2], 1.0);
        near(t[0], 0.05 + 0.85 * t[2] / 3.0);
        near(t[2], 0.05 + 0.85 * (t[0] + t[1] + t[2] / 3.0));
        near(learn(EigenTrust::mine(), &[(0, 2, 1.0)]).score(0, 0, 0.0), 1.0 / 1.85);
    }
}
