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
    ///
    /// What an edge of weight one gets is cut to 32 bits, so that the loop needs no more than 64: see [`Row::rounding`].
    pub(super) fn shares(&self, mass: u64) -> impl Iterator<Item = (Who, u64)> {
        let scaled = ((u128::from(mass) * u128::from(self.reciprocal)) >> 62) as u64;
        let cut = (u64::BITS - scaled.leading_zeros()).saturating_sub(u32::BITS);
        let (unit, down, up) = (scaled >> cut, self.shift.saturating_sub(cut), cut.saturating_sub(self.shift));
        self.edges.iter().map(move |edge| (edge.to, (unit * u64::from(edge.weight)) >> down << up))
    }

    /// The most that rounding takes of a mass that is passed on: a unit an edge and one more, and what was cut off.
    pub(super) fn rounding(&self, mass: u64) -> u64 {
        if self.edges.is_empty() { 1 } else { 2 * self.edges.len() as u64 + 2 + (mass >> 31) }
    }

    /// Which part of what is passed on goes to each.
    pub(super) fn parts(&self, smoothing: u64) -> impl Iterator<Item = (Who, f64)> {
        let whole = (self.sum + smoothing).max(1) as f64;
        self.edges.iter().map(move |edge| (edge.to, f64::from(edge.weight) / whole))
    }
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
