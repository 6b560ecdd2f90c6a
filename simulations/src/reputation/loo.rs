//! Leave-one-out: every rating predicted from all others, later ones too. For the means by arithmetic; for fairness and
//! goodness exactly, by solving again without the edge from where the whole solution was, node by node as far as the change
//! reaches.

use std::collections::BTreeMap;

use crate::data::{Node, Rating, Ratings};
use crate::metrics::Prediction;

/// A change that moves a node by less is not passed on; a tenth of what the whole solution stops at.
const STOP: f64 = 1e-7;

/// What the mean of all others is called.
pub const GLOBAL: &str = "global mean";

/// Name, what was published for Bitcoin OTC, and the predictions.
type Row = (&'static str, Option<&'static str>, Vec<Prediction>);

/// Every model that has a closed form or an exact re-solution.
pub fn all(ratings: &Ratings) -> Vec<Row> {
    let list = &ratings.list;
    let nodes = ratings.nodes();
    let n = list.len() as f64;
    let total: f64 = list.iter().map(|rating| rating.weight).sum();
    let mut received = vec![(0.0, 0.0); nodes];
    let mut said = BTreeMap::new();
    for rating in list {
        let of = &mut received[rating.subject as usize];
        *of = (of.0 + rating.weight, of.1 + 1.0);
        said.insert((rating.rater, rating.subject), rating.weight);
    }
    let with = |predict: &mut dyn FnMut(Node, Node, f64) -> f64| {
        let one = |rating: &Rating| Prediction {
            unit: rating.rater,
            truth: rating.weight,
            predicted: predict(rating.rater, rating.subject, rating.weight),
        };
        list.iter().map(one).collect::<Vec<_>>()
    };
    let global = |weight: f64| if n > 1.0 { (total - weight) / (n - 1.0) } else { 0.0 };
    let others = |subject: Node, weight: f64| {
        let (sum, count) = received[subject as usize];
        (sum - weight, count - 1.0)
    };
    let shrunk = |k: f64, subject: Node, weight: f64| {
        let (sum, count) = others(subject, weight);
        (sum + k * total / n) / (count + k)
    };
    let found = without_each(ratings);
    let of = |predicted: fn(&(f64, f64)) -> f64| {
        let one = |(rating, found): (&Rating, &(f64, f64))| Prediction {
            unit: rating.rater,
            truth: rating.weight,
            predicted: predicted(found),
        };
        list.iter().zip(&found).map(one).collect::<Vec<_>>()
    };
    let (good, both) = (of(|found| found.1), of(|found| found.0 * found.1));
    vec![
        (GLOBAL, None, with(&mut |_, _, weight| global(weight))),
        (
            "reciprocal, 0 if none",
            Some(".32 .46"),
            with(&mut |rater, subject, _| said.get(&(subject, rater)).copied().unwrap_or(0.0)),
        ),
        (
            "mean, 0 if none",
            None,
            with(&mut |_, subject, weight| {
                let (sum, count) = others(subject, weight);
                if count > 0.0 { sum / count } else { 0.0 }
            }),
        ),
        ("mean shrunk k=1", None, with(&mut |_, subject, weight| shrunk(1.0, subject, weight))),
        ("mean shrunk k=2", None, with(&mut |_, subject, weight| shrunk(2.0, subject, weight))),
        ("mean shrunk k=5", None, with(&mut |_, subject, weight| shrunk(5.0, subject, weight))),
        ("goodness", Some(".32 .48"), good),
        ("fairness x goodness", Some(".31 .49"), both),
    ]
}

/// Fairness of the rater and goodness of the subject without each rating, on every processor there is: what is found for
/// one does not depend on the others.
fn without_each(ratings: &Ratings) -> Vec<(f64, f64)> {
    let (whole, edges) = (Solution::new(ratings), ratings.list.len());
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let part = edges.div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let run = |from: usize| {
            let mut own = whole.clone();
            scope.spawn(move || (from..(from + part).min(edges)).map(|at| own.without(at)).collect::<Vec<_>>())
        };
        let threads: Vec<_> = (0..edges).step_by(part).map(run).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("arithmetic does not panic")).collect()
    })
}

/// The fixed point of fairness and goodness, with what is needed to take an edge out and put it back.
#[derive(Clone)]
struct Solution {
    /// (rater, subject, weight).
    edges: Vec<(usize, usize, f64)>,
    given: Vec<Vec<usize>>,
    received: Vec<Vec<usize>>,
    fairness: Vec<f64>,
    goodness: Vec<f64>,
    /// Sums of fairness times weight by subject, and of distances by rater.
    praise: Vec<f64>,
    distance: Vec<f64>,
}

impl Solution {
    fn new(ratings: &Ratings) -> Self {
        let nodes = ratings.nodes();
        let edges: Vec<_> =
            ratings.list.iter().map(|one| (one.rater as usize, one.subject as usize, one.weight)).collect();
        let (mut given, mut received) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
        for (at, (rater, subject, _)) in edges.iter().enumerate() {
            given[*rater].push(at);
            received[*subject].push(at);
        }
        let mut whole = Self {
            edges,
            given,
            received,
            fairness: vec![1.0; nodes],
            goodness: vec![0.0; nodes],
            praise: vec![0.0; nodes],
            distance: vec![0.0; nodes],
        };
        // Far below STOP, so that what is not passed on is the change alone.
        for _ in 0..crate::limits::ITERATIONS {
            let before = whole.goodness.clone();
            whole.sweep();
            let moved = whole.goodness.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
            if moved < 1e-13 {
                break;
            }
        }
        whole
    }

    fn sweep(&mut self) {
        for subject in 0..self.goodness.len() {
            let sum = self.received[subject].iter().map(|at| self.fairness[self.edges[*at].0] * self.edges[*at].2);
            self.praise[subject] = sum.sum();
            self.goodness[subject] = self.praise[subject] / (self.received[subject].len().max(1)) as f64;
        }
        for rater in 0..self.fairness.len() {
            let sum = self.given[rater].iter().map(|at| (self.edges[*at].2 - self.goodness[self.edges[*at].1]).abs());
            self.distance[rater] = sum.sum();
            self.fairness[rater] = 1.0 - self.distance[rater] / 2.0 / (self.given[rater].len().max(1)) as f64;
        }
    }

    /// The rater's fairness and the subject's goodness without this edge. Subjects and raters take turns, as in the whole
    /// solution, but only those whose neighbours moved.
    fn without(&mut self, out: usize) -> (f64, f64) {
        let (rater, subject, weight) = self.edges[out];
        let (mut raters, mut subjects) = (Touched::new(self.fairness.len()), Touched::new(self.goodness.len()));
        raters.touch(rater, (self.fairness[rater], self.distance[rater]));
        subjects.touch(subject, (self.goodness[subject], self.praise[subject]));
        self.praise[subject] -= self.fairness[rater] * weight;
        self.distance[rater] -= (weight - self.goodness[subject]).abs();
        while !(raters.due.is_empty() && subjects.due.is_empty()) {
            for node in subjects.take() {
                let count = self.received[node].len() - usize::from(node == subject);
                let new = if count == 0 { 0.0 } else { self.praise[node] / count as f64 };
                let old = self.goodness[node];
                if (new - old).abs() < STOP {
                    continue;
                }
                self.goodness[node] = new;
                for &at in self.received[node].iter().filter(|at| **at != out) {
                    let (from, _, weight) = self.edges[at];
                    raters.touch(from, (self.fairness[from], self.distance[from]));
                    self.distance[from] += (weight - new).abs() - (weight - old).abs();
                }
            }
            for node in raters.take() {
                let count = self.given[node].len() - usize::from(node == rater);
                let new = if count == 0 { 1.0 } else { 1.0 - self.distance[node] / 2.0 / count as f64 };
                let moved = new - self.fairness[node];
                if moved.abs() < STOP {
                    continue;
                }
                self.fairness[node] = new;
                for &at in self.given[node].iter().filter(|at| **at != out) {
                    let (_, to, weight) = self.edges[at];
                    subjects.touch(to, (self.goodness[to], self.praise[to]));
                    self.praise[to] += moved * weight;
                }
            }
        }
        let found = (self.fairness[rater], self.goodness[subject]);
        for (node, (fairness, distance)) in raters.before {
            (self.fairness[node], self.distance[node]) = (fairness, distance);
        }
        for (node, (goodness, praise)) in subjects.before {
            (self.goodness[node], self.praise[node]) = (goodness, praise);
        }
        found
    }
}

/// Nodes whose value may have moved, and what every node was that was touched at all.
struct Touched {
    due: Vec<usize>,
    is_due: Vec<bool>,
    before: Vec<(usize, (f64, f64))>,
    is_before: Vec<bool>,
}

impl Touched {
    fn new(nodes: usize) -> Self {
        Self { due: Vec::new(), is_due: vec![false; nodes], before: Vec::new(), is_before: vec![false; nodes] }
    }

    fn touch(&mut self, node: usize, before: (f64, f64)) {
        if !std::mem::replace(&mut self.is_before[node], true) {
            self.before.push((node, before));
        }
        if !std::mem::replace(&mut self.is_due[node], true) {
            self.due.push(node);
        }
    }

    fn take(&mut self) -> Vec<usize> {
        let due = std::mem::take(&mut self.due);
        due.iter().for_each(|node| self.is_due[*node] = false);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dice::Dice;

    #[test]
    fn taking_an_edge_out_is_solving_without_it() {
        let mut dice = Dice::new(3, 0);
        let list: Vec<Rating> = (0..60)
            .map(|at| {
                let (rater, subject) = (dice.below(8) as Node, 8 + dice.below(6) as Node);
                Rating::new(f64::from(at), rater, subject, dice.unit() * 2.0 - 1.0)
            })
            .collect();
        let whole = Ratings { list: list.clone(), names: (0..14).collect() };
        let mut solution = Solution::new(&whole);
        for (at, rating) in list.iter().enumerate() {
            let mut rest = whole.clone();
            rest.list.remove(at);
            let again = Solution::new(&rest);
            let (fair, good) = solution.without(at);
            assert!((fair - again.fairness[rating.rater as usize]).abs() < 1e-6);
            assert!((good - again.goodness[rating.subject as usize]).abs() < 1e-6);
        }
    }
}
