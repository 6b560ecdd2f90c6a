//! A walk that starts at a viewer, follows edges, and starts again: `p = e * o + (1 - e) * P' * p`.
//!
//! Computed by forward push over whole numbers. What a row keeps back (its smoothing, or everything if it is empty) goes back
//! to the start; since a walk begun anew is the same walk, that is left out of the sum and made good by dividing by what is
//! left: `p = reached / total`.
//!
//! - [`reach`] is **canonical**: from scratch, in rounds in which everybody that holds enough passes it on, one after the other
//!   in the order of their keys. (What is passed on to a later one goes on in the same round: half as many are needed as if
//!   all took their turn at once.) All sums are of whole numbers, so the result depends on the edges alone: the same bits in any
//!   order of arrival, on any machine.
//! - [`Live`] is **incremental**: when a row changes, the residues are corrected by what it would have passed on
//!   differently, and pushed on. Its result is provisional; both say how far off they are at most.

use std::collections::VecDeque;

use super::book::Who;
use super::graph::{Graph, Ordered};

/// The whole mass. Sums and products stay within 64 and 128 bits, and a unit is 3.5e-18.
pub(super) const MASS: u64 = 1 << 58;

/// The finest threshold of the canonical walk, in binary digits. With 35,000 edges the certificate is some 1e-8.
pub(super) const FINEST: u32 = 40;
/// How often a walk starts again, in whole numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Restart {
    /// `1 - e` in units of 2^-63.
    on: u64,
    /// `(1 - e) / e` in units of 2^-56.
    gain: u64,
}

impl Restart {
    pub(super) fn new(e: f64) -> Self {
        // Below 0.05 walks are long, and what is passed on in all would not fit.
        let e = e.clamp(0.05, 1.0);
        Self { on: ((1.0 - e) * (1u64 << 63) as f64) as u64, gain: ((1.0 - e) / e * (1u64 << 56) as f64) as u64 }
    }

    /// What is passed on of a mass.
    fn onward(self, mass: u64) -> u64 {
        ((u128::from(mass) * u128::from(self.on)) >> 63) as u64
    }

    /// What has been passed on by somebody that has kept so much.
    fn passed(self, kept: u64) -> u64 {
        ((u128::from(kept) * u128::from(self.gain)) >> 56) as u64
    }
}

/// How far a walk has come.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// By agent number, in units of 1 / [`MASS`].
    pub(super) mass: Vec<i64>,
    pub(super) total: i64,
}

/// The most by which normalised masses differ from the exact ones, all together, if so much was not passed on, or lost by rounding.
///
/// With `d` the error before normalising, `|m / M - m' / M'| <= |m - m'| / M + m' / M' * |M' - M| / M`, whose sum over
/// all agents is at most `2 d / M`.
fn certificate(left: u64, total: i64) -> f64 {
    if total <= 0 { 2.0 } else { 2.0 * left as f64 / total as f64 }
}

impl Reached {
    /// The mass of one agent.
    pub(super) fn of(&self, who: Who) -> u64 {
        self.mass.get(who as usize).map_or(0, |mass| u64::try_from(*mass).unwrap_or(0))
    }

    /// The whole; never nothing.
    pub(super) fn total(&self) -> u64 {
        u64::try_from(self.total).unwrap_or(0).max(1)
    }
}

/// The canonical walk among so many agents, from these, each with a share of [`MASS`]; and its certificate.
pub(super) fn reach(
    graph: &Ordered,
    agents: usize,
    restart: Restart,
    bits: u32,
    starts: &[(Who, u64)],
) -> (Reached, f64) {
    let least = MASS >> bits.min(FINEST);
    let (mut kept, mut residue, mut lost) = (vec![0u64; agents], vec![0u64; agents], 0u64);
    for (who, share) in starts {
        if let Some(residue) = residue.get_mut(graph.rank(*who)) {
            *residue += share;
        }
    }
    let mut moved = true;
    while moved {
        moved = false;
        for at in 0..agents {
            let held = residue[at];
            if held < least || held < least * (graph.width(at) as u64 + 1) {
                continue;
            }
            moved = true;
            residue[at] = 0;
            let onward = restart.onward(held);
            kept[at] += held - onward;
            lost += graph.rounding(at);
            for (to, share) in graph.shares(at, onward) {
                residue[to as usize] += share;
            }
        }
    }
    let mass: Vec<i64> = (0..agents as Who).map(|who| kept[graph.rank(who)] as i64).collect(); // at most MASS each
    let total = mass.iter().sum();
    (Reached { mass, total }, certificate(residue.iter().sum::<u64>() + lost, total))
}

/// A walk that is kept up to date.
#[derive(Debug, Clone)]
pub(super) struct Live {
    restart: Restart,
    /// What is pushed on at least, for each edge.
    least: u64,
    reached: Reached,
    /// What rounding may have lost.
    lost: u64,
    nodes: Vec<Node>,
    /// Who holds enough to push, each once.
    queue: VecDeque<Who>,
    /// Whether it has come to its end once: before, it says nothing of those it has not reached.
    pub(super) grown: bool,
}

/// What a push touches of an agent.
#[derive(Debug, Clone, Copy)]
struct Node {
    residue: i64,
    /// How many edges its row has.
    width: u32,
    queued: bool,
}

impl Live {
    pub(super) fn new(restart: Restart, bits: u32, graph: &Graph, starts: &[(Who, u64)]) -> Self {
        let mut live = Self {
            restart,
            least: MASS >> bits.min(FINEST),
            reached: Reached::default(),
            lost: 0,
            nodes: Vec::new(),
            queue: VecDeque::new(),
            grown: false,
        };
        for (who, share) in starts {
            live.know(*who, graph);
            live.add(*who, *share as i64);
        }
        live
    }

    /// What is reached by now.
    pub(super) fn reached(&self) -> &Reached {
        &self.reached
    }

    /// The most by which all masses together are off. Looks at everybody.
    pub(super) fn certificate(&self) -> f64 {
        let left: u64 = self.nodes.iter().map(|node| node.residue.unsigned_abs()).sum();
        certificate(left + self.lost, self.reached.total)
    }

    /// Whether nothing waits to be pushed.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.is_empty()
    }

    /// Has a place for everybody up to `who`.
    fn know(&mut self, who: Who, graph: &Graph) {
        let node = |who| Node { residue: 0, width: graph.row(who).edges.len() as u32, queued: false };
        if self.nodes.len() <= who as usize {
            self.nodes.extend((self.nodes.len() as Who..=who).map(node));
            self.reached.mass.resize(self.nodes.len(), 0);
        }
    }

    /// Adds to what somebody holds, who is queued if that is enough to push.
    fn add(&mut self, who: Who, share: i64) {
        let node = &mut self.nodes[who as usize];
        node.residue += share;
        if !node.queued && enough(node.residue, self.least, node.width) {
            node.queued = true;
            self.queue.push_back(who);
        }
    }

    /// The row of `who` has changed so: what was passed on through it is taken back and passed on anew.
    pub(super) fn revise(&mut self, who: Who, changes: &[(Who, i64)], graph: &Graph) {
        if let Some(node) = self.nodes.get_mut(who as usize) {
            node.width = graph.row(who).edges.len() as u32;
        }
        let kept = self.reached.mass.get(who as usize).copied().unwrap_or(0);
        let passed = self.restart.passed(kept.unsigned_abs()) as i64 * kept.signum(); // below 2^63
        let Some((last, _)) = changes.last().filter(|_| passed != 0) else { return };
        self.know(*last, graph);
        // Each part is cut off, and was made of two shares that were.
        self.lost += 8 * changes.len() as u64;
        for (to, by) in changes {
            self.add(*to, ((i128::from(passed) * i128::from(*by)) >> 62) as i64);
        }
    }

    /// Pushes until about `budget` edges have been followed; what is left of the budget, `None` if there is more to do.
    pub(super) fn step(&mut self, graph: &Graph, mut budget: usize) -> Option<usize> {
        while let Some(who) = self.queue.pop_front() {
            let node = &mut self.nodes[who as usize];
            node.queued = false;
            let held = node.residue;
            if !enough(held, self.least, node.width) {
                continue;
            }
            node.residue = 0;
            let (size, sign) = (held.unsigned_abs(), held.signum());
            let onward = self.restart.onward(size);
            let kept = (size - onward) as i64 * sign; // at most MASS, which is below 2^63
            self.reached.mass[who as usize] += kept;
            self.reached.total += kept;
            let row = graph.row(who);
            self.lost += row.rounding();
            if let Some(last) = row.edges.last() {
                self.know(last.to, graph);
            }
            for (to, share) in row.shares(onward) {
                self.add(to, share as i64 * sign);
            }
            match budget.checked_sub(row.edges.len() + 1) {
                Some(left) => budget = left,
                None => return None,
            }
        }
        self.grown = true;
        Some(budget)
    }
}

/// Whether so much is pushed on by an agent with so many edges.
fn enough(held: i64, least: u64, width: u32) -> bool {
    held.unsigned_abs() >= least * (u64::from(width) + 1)
}
