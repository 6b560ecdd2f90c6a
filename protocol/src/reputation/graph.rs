//! Who passes standing on to whom: for every agent a row of edges, from the ratings it has given.
//!
//! An edge is what a pair's hires were worth to the rater, good less bad, newest first, and never less than nothing. It does
//! not age: rows are normalised, so ageing all of one would change nothing but noise. In: a book. Out: rows in whole numbers,
//! which depend on the ratings alone.

use super::book::{Book, Held, Which, Who};
use super::evidence::{Aspect, SCORE};
use super::fixed::{ONE, Powers};
use super::params::Params;

/// An edge of one: two of these are the default smoothing. An edge has at most 1 / (1 - pair) of them and fits 32 bits.
pub(super) const EDGE: u64 = 1 << 28;
/// Bits behind the point of a rating's weight within its pair.
const WEIGHT: u32 = 32;

/// What a rating weighs in its pair, newest first: each takes the share `1 - pair` of what the newer ones have left over, for
/// a hire of the usual value, less for a smaller one.
///
/// By value, not by number: else a handful of tiny hires would wash a dear betrayal away.
#[derive(Debug, Clone)]
pub(super) struct Discount {
    /// Of the share that a usual hire leaves; `None` if nothing is discounted.
    powers: Option<Powers>,
    /// `1 / (1 - pair)` in units of 2^-32.
    total: u64,
}

impl Discount {
    pub(super) fn new(pair: f64) -> Self {
        // At most 10: an edge must fit into its 32 bits.
        let total = (1.0 / (1.0 - pair.clamp(0.0, 0.9)) * (1u64 << WEIGHT) as f64) as u64;
        Self { powers: (pair < 1.0).then(|| Powers::new(pair.clamp(0.0, 0.9))), total }
    }

    /// What is left for hires after those that were worth `spent` together, in units of 2^-32.
    fn left(&self, spent: u64) -> u64 {
        match &self.powers {
            Some(powers) => {
                let share = powers.at(spent << 16);
                ((u128::from(self.total) * u128::from(share)) >> ONE.trailing_zeros()) as u64
            }
            None => (10u64 << WEIGHT).saturating_sub(spent << (WEIGHT - 16)),
        }
    }

    /// Weights of these ratings of one pair, newest first, in units of 2^-32. Together at most `1 / (1 - pair)`.
    pub(super) fn weights<'a>(&self, newest_first: &[&'a Held], value: bool) -> impl Iterator<Item = (&'a Held, u64)> {
        let mut spent = 0u64;
        newest_first.iter().map(move |held| {
            let before = self.left(spent);
            spent += if value { u64::from(held.worth()) } else { 1 << 16 };
            (*held, before - self.left(spent).min(before))
        })
    }
}

/// One edge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edge {
    pub(super) to: Who,
    /// In units of 1 / [`EDGE`].
    pub(super) weight: u32,
}

/// What one agent passes on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Row {
    /// Sorted by `to`.
    pub(super) edges: Vec<Edge>,
    sum: u64,
    /// `2^(62 + shift) / (smoothing + sum)`, between 2^62 and 2^63, so that a share is one multiplication.
    reciprocal: u64,
    shift: u32,
}

impl Row {
    fn set(&mut self, to: Who, weight: u32, smoothing: u64) {
        match self.edges.binary_search_by_key(&to, |edge| edge.to) {
            Ok(at) if weight == 0 => drop(self.edges.remove(at)),
            Ok(at) => self.edges[at].weight = weight,
            Err(_) if weight == 0 => return,
            Err(at) => self.edges.insert(at, Edge { to, weight }),
        }
        self.sum = self.edges.iter().map(|edge| u64::from(edge.weight)).sum();
        let whole = self.sum + smoothing;
        self.shift = u64::BITS - whole.leading_zeros();
        self.reciprocal = ((1u128 << (62 + self.shift)) / u128::from(whole.max(1))) as u64;
    }

    /// The edge to somebody.
    pub(super) fn to(&self, to: Who) -> u32 {
        self.edges.binary_search_by_key(&to, |edge| edge.to).map_or(0, |at| self.edges[at].weight)
    }

    /// How `mass` (below 2^62) is passed on: to whom, how much, rounded down. The rest is kept back.
    pub(super) fn shares(&self, mass: u64) -> impl Iterator<Item = (Who, u64)> {
        shares(&self.edges, self.reciprocal, self.shift, mass)
    }

    /// The most that rounding takes of a mass that is passed on.
    pub(super) fn rounding(&self) -> u64 {
        rounding(self.edges.len())
    }

    /// Which part of what is passed on goes to each.
    pub(super) fn parts(&self, smoothing: u64) -> impl Iterator<Item = (Who, f64)> {
        let whole = (self.sum + smoothing).max(1) as f64;
        self.edges.iter().map(move |edge| (edge.to, f64::from(edge.weight) / whole))
    }
}

/// What changed of a row: whom it leads to, and how much more of what is passed on they get, in units of 2^-62.
pub(super) fn changes(former: &Row, row: &Row) -> Vec<(Who, i64)> {
    let (mut old, mut new) = (former.shares(1 << 62).peekable(), row.shares(1 << 62).peekable());
    let mut changes = Vec::with_capacity(row.edges.len() + 1);
    // Both are sorted.
    loop {
        let to = match (old.peek(), new.peek()) {
            (Some((a, _)), Some((b, _))) => *a.min(b),
            (Some((to, _)), None) | (None, Some((to, _))) => *to,
            (None, None) => return changes,
        };
        let before = old.next_if(|(at, _)| *at == to).map_or(0, |(_, share)| share as i64); // at most 2^62
        let after = new.next_if(|(at, _)| *at == to).map_or(0, |(_, share)| share as i64);
        changes.push((to, after - before));
    }
}

/// See [`Row::shares`]: one multiplication a row, and one an edge.
fn shares(edges: &[Edge], reciprocal: u64, shift: u32, mass: u64) -> impl Iterator<Item = (Who, u64)> {
    // The mass by the whole, in units of 2^-shift. Every weight is below 2^shift, so it can be moved up by the rest.
    let unit = (u128::from(mass) * u128::from(reciprocal)) >> 62;
    let up = u64::BITS.saturating_sub(shift);
    edges.iter().map(move |edge| (edge.to, ((unit * u128::from(u64::from(edge.weight) << up)) >> 64) as u64))
}

/// At most a unit an edge for what is cut off there, and two together for what was cut off the mass by the whole.
fn rounding(edges: usize) -> u64 {
    edges as u64 + 3
}

/// How edges are made of ratings.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) discount: Discount,
    pub(super) smoothing: u64,
    net: bool,
    value: bool,
    count_free: bool,
}

impl Rules {
    pub(super) fn new(params: &Params) -> Self {
        Self {
            discount: Discount::new(params.pair),
            smoothing: (params.smoothing.max(0.0) * EDGE as f64) as u64,
            net: params.net,
            value: params.value,
            count_free: params.count_free,
        }
    }

    /// The edge that these ratings of one pair, dated by `day`, make.
    pub(super) fn edge(&self, book: &Book, pair: &[Which], day: u32) -> u32 {
        // What cannot add to an edge does not take the weight of what can.
        let counts = |held: &&Held| held.day <= day && self.part(held) != 0 && book.counts(held);
        let mut newest: Vec<&Held> = pair.iter().map(|which| book.get(*which)).filter(counts).collect();
        newest.sort_unstable_by_key(|held| held.newest());
        let weights = self.discount.weights(&newest, self.value);
        let sum: i128 = weights.map(|(held, weight)| i128::from(self.part(held)) * i128::from(weight)).sum();
        let sum = u128::try_from(sum).unwrap_or(0) * u128::from(EDGE) / (u128::from(SCORE) << WEIGHT);
        u32::try_from(sum).unwrap_or(u32::MAX)
    }

    /// `2x - 1` of a rating in 1/12000, as far as it counts for standing.
    fn part(&self, held: &Held) -> i64 {
        let score = held.score(Aspect::Overall).map_or(0, |score| 2 * i64::from(score) - i64::from(SCORE));
        match score {
            bad if bad < 0 => bad * i64::from(self.net),
            good if self.count_free || held.agreed().is_some() && held.value > 0 => good,
            _ => 0,
        }
    }
}

/// All rows, by agent number.
#[derive(Debug, Clone, Default)]
pub(super) struct Graph {
    rows: Vec<Row>,
}

/// The row of an agent that has rated nobody.
static NOTHING: Row = Row { edges: Vec::new(), sum: 0, reciprocal: 0, shift: 0 };

impl Graph {
    /// Of the ratings dated by `day`.
    pub(super) fn of(book: &Book, rules: &Rules, day: u32) -> Self {
        let mut graph = Self::default();
        for subject in 0..book.agents.len() as Who {
            for (rater, pair) in book.raters(subject) {
                let edge = rules.edge(book, pair, day);
                graph.set(rater, subject, edge, rules);
            }
        }
        graph
    }

    pub(super) fn row(&self, from: Who) -> &Row {
        self.rows.get(from as usize).unwrap_or(&NOTHING)
    }

    pub(super) fn set(&mut self, from: Who, to: Who, weight: u32, rules: &Rules) {
        if self.rows.len() <= from as usize {
            self.rows.resize_with(from as usize + 1, Row::default);
        }
        self.rows[from as usize].set(to, weight, rules.smoothing);
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = (Who, &Row)> {
        (0..).zip(&self.rows)
    }
}

/// All rows end to end, agents in the order of their keys: for walking over all of it, in an order that everybody has.
#[derive(Debug, Clone, Default)]
pub(super) struct Ordered {
    /// Where an agent is in that order, by its number.
    rank: Vec<Who>,
    rows: Vec<Span>,
    /// Leading to ranks.
    edges: Vec<Edge>,
}

/// A row in there.
#[derive(Debug, Clone, Copy)]
struct Span {
    start: u32,
    end: u32,
    shift: u32,
    reciprocal: u64,
}

impl Ordered {
    pub(super) fn new(graph: &Graph, book: &Book) -> Self {
        // Numbers that nobody has at the moment come after all that somebody has.
        let mut rank = vec![Who::MAX; book.agents.len()];
        let vacant = book.vacant().iter().copied();
        for (at, who) in (0..).zip(book.in_order().map(|(_, who)| who).chain(vacant)) {
            rank[who as usize] = at;
        }
        let (mut rows, mut edges) = (Vec::with_capacity(rank.len()), Vec::new());
        for (_, who) in book.in_order() {
            let row = graph.row(who);
            let start = edges.len() as u32; // one pair an edge, and a rating at least a pair: far below 2^32
            edges.extend(row.edges.iter().map(|edge| Edge { to: rank[edge.to as usize], ..*edge }));
            rows.push(Span { start, end: edges.len() as u32, shift: row.shift, reciprocal: row.reciprocal });
        }
        Self { rank, rows, edges }
    }

    /// Where an agent is; one that the book does not know, after all that it does.
    pub(super) fn rank(&self, who: Who) -> usize {
        self.rank.get(who as usize).copied().unwrap_or(who) as usize
    }

    /// How many edges the row at a rank has.
    pub(super) fn width(&self, rank: usize) -> usize {
        self.rows.get(rank).map_or(0, |row| (row.end - row.start) as usize)
    }

    /// How mass is passed on by whoever is at a rank: [`Row::shares`].
    pub(super) fn shares(&self, rank: usize, mass: u64) -> impl Iterator<Item = (Who, u64)> {
        const NONE: Span = Span { start: 0, end: 0, shift: 0, reciprocal: 0 };
        let row = self.rows.get(rank).copied().unwrap_or(NONE);
        shares(&self.edges[row.start as usize..row.end as usize], row.reciprocal, row.shift, mass)
    }

    /// The most that rounding takes there.
    pub(super) fn rounding(&self, rank: usize) -> u64 {
        rounding(self.width(rank))
    }
}
