//! A walk that starts at a viewer, follows edges, and starts again: `p = e * o + (1 - e) * P' * p`.
//!
//! Computed by forward push over whole numbers. What a row keeps back (its smoothing, or everything if it is empty) goes back
//! to the start; since a walk begun anew is the same walk, that is left out of the sum and made good by dividing by what is
//! left: `p = reached / total`.
//!
//! - [`reach`] is **canonical**: from scratch, in rounds in which everybody that holds enough passes on what it held when the
//!   round began. All sums are of whole numbers, so the order within a round does not matter, and the result depends on
//!   the edges alone: the same bits in any order of arrival, on any machine.
//! - [`Live`] is **incremental**: when a row changes, the residues are corrected by what it would have passed on
//!   differently, and pushed on. Its result is provisional; both say how far off they are at most.

use std::collections::VecDeque;

use super::book::Who;
use super::graph::{Graph, Row};

/// The whole mass. Sums and products stay within 64 and 128 bits, and a unit is 3.5e-18.
pub(super) const MASS: u64 = 1 << 58;

/// The finest threshold of the canonical walk, in binary digits. With 35,000 edges the certificate is some 1e-8.
pub(super) const FINEST: u32 = 40;
/// The same of the live one: with 35,000 edges some 1e-6. Standing in full is 2e-3.
const LIVE: u64 = MASS >> 33;

/// Whether so much is passed on through a row.
fn enough(held: u64, least: u64, row: &Row) -> bool {
    held >= least * (row.edges.len() as u64 + 1)
}

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

/// How far a walk has come. Where it ends is off by what is `left` at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Reached {
    /// By agent number, in units of 1 / [`MASS`].
    pub(super) mass: Vec<i64>,
    pub(super) total: i64,
    /// The sum of the residues, and of all that rounding may have lost.
    pub(super) left: u64,
}

impl Reached {
    /// The most by which the normalised masses differ from the exact ones, all together.
    ///
    /// With `d` the error before normalising, `|m / M - m' / M'| <= |m - m'| / M + m' / M' * |M' - M| / M`, whose sum over
    /// all agents is at most `2 d / M`.
    pub(super) fn certificate(&self) -> f64 {
        if self.total <= 0 { 2.0 } else { 2.0 * self.left as f64 / self.total as f64 }
    }

    /// The mass of one agent.
    pub(super) fn of(&self, who: Who) -> u64 {
        self.mass.get(who as usize).map_or(0, |mass| u64::try_from(*mass).unwrap_or(0))
    }

    /// The whole; never nothing.
    pub(super) fn total(&self) -> u64 {
        u64::try_from(self.total).unwrap_or(0).max(1)
    }
}

/// The canonical walk under way: can be taken up where it was left, as long as the graph has not changed.
#[derive(Debug, Clone)]
pub(super) struct Canonical {
    restart: Restart,
    /// What is passed on at least, for each edge.
    least: u64,
    mass: Vec<i64>,
    /// What each holds and has not passed on.
    residue: Vec<u64>,
    /// What has come to each in this round.
    coming: Vec<u64>,
    round: Vec<Who>,
    /// How many of the round have had their turn.
    turn: usize,
    reached: Vec<Who>,
    lost: u64,
}

impl Canonical {
    /// A walk among `agents` that starts at these, each with a share of [`MASS`].
    pub(super) fn new(restart: Restart, bits: u32, agents: usize, starts: &[(Who, u64)]) -> Self {
        let mut walk = Self {
            restart,
            least: MASS >> bits.min(FINEST),
            mass: vec![0; agents],
            residue: vec![0; agents],
            coming: vec![0; agents],
            round: Vec::new(),
            turn: 0,
            reached: Vec::new(),
            lost: 0,
        };
        for (who, share) in starts {
            if let Some(residue) = walk.residue.get_mut(*who as usize) {
                *residue += share;
                walk.round.push(*who);
            }
        }
        walk.round.sort_unstable();
        walk.round.dedup();
        walk
    }

    /// Goes on until about `budget` edges have been followed; whether it is done.
    pub(super) fn step(&mut self, graph: &Graph, mut budget: usize) -> bool {
        while !self.round.is_empty() {
            while let Some(who) = self.round.get(self.turn).map(|who| *who as usize) {
                self.turn += 1;
                let row = graph.row(who as Who);
                let held = std::mem::take(&mut self.residue[who]);
                let onward = self.restart.onward(held);
                self.mass[who] += (held - onward) as i64; // at most MASS, which is below 2^63
                self.lost += row.rounding(held);
                for (to, share) in row.shares(onward) {
                    let coming = &mut self.coming[to as usize];
                    if *coming == 0 && share > 0 {
                        self.reached.push(to);
                    }
                    *coming += share;
                }
                match budget.checked_sub(row.edges.len() + 1) {
                    Some(left) => budget = left,
                    None => return false,
                }
            }
            self.round.clear();
            self.turn = 0;
            for who in self.reached.drain(..) {
                let residue = &mut self.residue[who as usize];
                *residue += std::mem::take(&mut self.coming[who as usize]);
                if enough(*residue, self.least, graph.row(who)) {
                    self.round.push(who);
                }
            }
        }
        true
    }

    /// What was reached, once it is done.
    pub(super) fn end(self) -> Reached {
        let left = self.residue.iter().sum::<u64>() + self.lost;
        Reached { total: self.mass.iter().sum(), mass: self.mass, left }
    }
}

/// The canonical walk at once.
pub(super) fn reach(graph: &Graph, agents: usize, restart: Restart, bits: u32, starts: &[(Who, u64)]) -> Reached {
    let mut walk = Canonical::new(restart, bits, agents, starts);
    while !walk.step(graph, usize::MAX) {}
    walk.end()
}

/// A walk that is kept up to date.
#[derive(Debug, Clone)]
pub(super) struct Live {
    restart: Restart,
    reached: Reached,
    residue: Vec<i64>,
    /// Who holds enough to push, each once.
    queue: VecDeque<Who>,
    queued: Vec<bool>,
}

impl Live {
    pub(super) fn new(restart: Restart, starts: &[(Who, u64)]) -> Self {
        let mut live = Self {
            restart,
            reached: Reached::default(),
            residue: Vec::new(),
            queue: VecDeque::new(),
            queued: Vec::new(),
        };
        for (who, share) in starts {
            live.add(*who, *share as i64);
            live.enqueue(*who);
        }
        live
    }

    /// What is reached by now.
    pub(super) fn reached(&self) -> &Reached {
        &self.reached
    }

    /// Whether nothing waits to be pushed.
    pub(super) fn is_settled(&self) -> bool {
        self.queue.is_empty()
    }

    fn add(&mut self, who: Who, share: i64) {
        let at = who as usize;
        if self.residue.len() <= at {
            self.residue.resize(at + 1, 0);
            self.reached.mass.resize(at + 1, 0);
            self.queued.resize(at + 1, false);
        }
        let before = self.residue[at];
        self.residue[at] += share;
        self.reached.left += self.residue[at].unsigned_abs();
        self.reached.left -= before.unsigned_abs();
    }

    fn enqueue(&mut self, who: Who) {
        if !std::mem::replace(&mut self.queued[who as usize], true) {
            self.queue.push_back(who);
        }
    }

    /// Queues whoever holds enough to push.
    fn look(&mut self, who: Who, graph: &Graph) {
        let held = self.residue.get(who as usize).map_or(0, |held| held.unsigned_abs());
        if held >= LIVE && enough(held, LIVE, graph.row(who)) {
            self.enqueue(who);
        }
    }

    /// Passes on through a row: `mass`, which is negative if it is taken back.
    fn spread(&mut self, row: &Row, mass: i64, graph: Option<&Graph>) {
        self.reached.left += row.rounding(mass.unsigned_abs());
        for (to, share) in row.shares(mass.unsigned_abs()) {
            self.add(to, share as i64 * mass.signum()); // below 2^63
            if let Some(graph) = graph {
                self.look(to, graph);
            }
        }
    }

    /// What `who` has passed on.
    fn passed(&self, who: Who) -> i64 {
        let kept = self.reached.mass.get(who as usize).copied().unwrap_or(0);
        self.restart.passed(kept.unsigned_abs()) as i64 * kept.signum()
    }

    /// Takes back what `who` has passed on through its row, before the row changes.
    pub(super) fn take_back(&mut self, who: Who, row: &Row) {
        let passed = self.passed(who);
        if passed != 0 {
            self.spread(row, -passed, None);
        }
    }

    /// Passes it on again, after. `former` are those that the row led to before.
    pub(super) fn give_again(&mut self, who: Who, graph: &Graph, former: &[Who]) {
        let passed = self.passed(who);
        if passed != 0 {
            self.spread(graph.row(who), passed, Some(graph));
            former.iter().for_each(|who| self.look(*who, graph));
        }
    }

    /// Pushes until about `budget` edges have been followed; what is left of the budget, `None` if there is more to do.
    pub(super) fn step(&mut self, graph: &Graph, mut budget: usize) -> Option<usize> {
        while let Some(who) = self.queue.pop_front() {
            let at = who as usize;
            self.queued[at] = false;
            let (held, row) = (self.residue[at], graph.row(who));
            if !enough(held.unsigned_abs(), LIVE, row) {
                continue;
            }
            self.add(who, -held);
            let onward = self.restart.onward(held.unsigned_abs()) as i64 * held.signum();
            self.reached.mass[at] += held - onward;
            self.reached.total += held - onward;
            self.spread(row, onward, Some(graph));
            match budget.checked_sub(row.edges.len() + 1) {
                Some(left) => budget = left,
                None => return None,
            }
        }
        Some(budget)
    }
}
