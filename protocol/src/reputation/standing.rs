//! How much a rater's word counts for one viewer.
//!
//! In: a walk from the viewer. Out: for every agent a mass, and of it a weight between 0 and 1. What must never happen: that
//! agents whom nobody the walk reaches has ever dealt with have any.

use std::borrow::Cow;
use std::cell::OnceCell;
use std::collections::BTreeSet;

use super::book::{Held, Who};
use super::evidence::{Aspect, SCORE};
use super::interval::quantile;
use super::network::Network;
use super::opinion::{END, Sum};
use super::params::Params;
use super::walk::{Live, MASS, Reached};
use super::walk_beta::WalkBeta;
use crate::id::AgentId;

/// From mass to weight, in whole numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scale {
    /// `t = e (1 - e) / D0`: the mass of one of `D0` equal direct partners; in units of 2^-40.
    full: u64,
    /// In units of 2^-32.
    floor: u64,
}

const WEIGHT: u32 = 32;

impl Scale {
    pub(super) fn new(params: &Params) -> Self {
        let full = params.restart * (1.0 - params.restart) / params.d0.max(1.0);
        Self {
            full: ((full * (1u64 << 40) as f64) as u64).max(1),
            floor: (params.floor.clamp(0.0, 0.5) * (1u64 << WEIGHT) as f64) as u64,
        }
    }

    /// `max(0, (min(1, p / t) - floor) / (1 - floor))` of the mass `of` so much.
    pub(super) fn weight(self, mass: u64, total: u64) -> f64 {
        let full = ((u128::from(total) * u128::from(self.full)) >> 40).max(1);
        let share = ((u128::from(mass) << WEIGHT) / full).min(1 << WEIGHT) as u64;
        let above = share.saturating_sub(self.floor);
        let weight = (u128::from(above) << WEIGHT) / u128::from((1 << WEIGHT) - self.floor);
        weight as f64 / (1u64 << WEIGHT) as f64 // at most 2^32: exact
    }
}

/// Everybody's standing with one viewer, over the ratings that a model holds.
#[derive(Debug, Clone)]
pub struct Standing<'m> {
    pub(super) model: &'m WalkBeta,
    pub(super) viewer: AgentId,
    /// The viewer's number; it may be one that the book does not know.
    pub(super) place: Who,
    /// As of which day.
    pub(super) day: u32,
    pub(super) reached: Cow<'m, Reached>,
    pub(super) off: Off<'m>,
    /// Where the walk starts, and how often.
    pub(super) starts: Vec<(Who, f64)>,
    /// Made when it is first needed.
    pub(super) eyes: OnceCell<Cow<'m, Eyes>>,
    pub(super) leniency: OnceCell<f64>,
}

/// By how much masses may be off.
#[derive(Debug, Clone, Copy)]
pub(super) enum Off<'m> {
    /// By this.
    By(f64),
    /// By what this walk has left, which it says when it is asked.
    As(&'m Live),
}

/// What else a viewer looks at others with.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Eyes {
    /// What is usual.
    pub(super) network: Network,
    /// Whose word counts nothing, by the viewer's own experience of them.
    pub(super) distrusted: BTreeSet<Who>,
}

impl<'m> Standing<'m> {
    /// Whose eyes these are.
    pub fn viewer(&self) -> &AgentId {
        &self.viewer
    }

    /// Where the walk is found: the share of its time it spends with an agent. All together are one.
    pub fn mass(&self, agent: &AgentId) -> f64 {
        self.who(agent).map_or(0.0, |who| self.share(who))
    }

    /// How much an agent's word counts, from 0 to 1.
    pub fn weight(&self, agent: &AgentId) -> f64 {
        self.who(agent).map_or(0.0, |who| self.weight_of(who))
    }

    /// By how much all masses together may differ from the exact ones.
    pub fn certificate(&self) -> f64 {
        match self.off {
            Off::By(certificate) => certificate,
            Off::As(walk) => walk.certificate(),
        }
    }

    /// Whom the walk reaches, in the order of their keys, with mass and weight.
    pub fn iter(&self) -> impl Iterator<Item = (AgentId, f64, f64)> {
        self.everybody().map(|(agent, who)| (agent, self.share(who), self.weight_of(who)))
    }

    /// The same as whole numbers: mass in units of 2^-58, before it is divided by their sum. For comparing bits.
    pub fn bits(&self) -> Vec<(AgentId, u64)> {
        self.everybody().map(|(agent, who)| (agent, self.reached.of(who))).collect()
    }

    fn who(&self, agent: &AgentId) -> Option<Who> {
        if *agent == self.viewer { Some(self.place) } else { self.model.book().who(agent) }
    }

    fn everybody(&self) -> impl Iterator<Item = (AgentId, Who)> {
        let mut all: Vec<(AgentId, Who)> = self
            .model
            .book()
            .in_order()
            .map(|(agent, who)| (*agent, who))
            .filter(|(_, who)| *who != self.place)
            .collect();
        let at = all.partition_point(|(agent, _)| *agent < self.viewer);
        all.insert(at, (self.viewer, self.place));
        all.into_iter().filter(|(_, who)| self.reached.of(*who) > 0)
    }

    fn eyes(&self) -> &Eyes {
        self.eyes.get_or_init(|| Cow::Owned(self.look()))
    }

    /// Finds out what is usual, and who is not to be trusted. Costs a look at everything that raters with standing have said.
    pub(super) fn look(&self) -> Eyes {
        let (model, book) = (self.model, self.model.book());
        let distrusted = if model.params().distrust { self.distrusted() } else { BTreeSet::new() };
        let mut raters = self.raters();
        raters.retain(|who| !distrusted.contains(who));
        raters.sort_unstable_by_key(|who| book.agent(*who).key);
        let said = raters.iter().map(|who| (self.weight_of(*who), model.said(*who, self.day)));
        Eyes { network: Network::new(model.params(), said), distrusted }
    }

    /// Those whose word may count.
    pub(super) fn raters(&self) -> Vec<Who> {
        let known = self.model.book().agents.len();
        let with_mass = (0..).zip(&self.reached.mass).take(known).filter(|(_, mass)| **mass > 0).map(|(who, _)| who);
        with_mass.filter(|who| self.weight_of(*who) > 0.0).collect()
    }

    /// Whom the viewer's own experience puts below one half, nineteen times in twenty.
    fn distrusted(&self) -> BTreeSet<Who> {
        let (model, book) = (self.model, self.model.book());
        let Some(viewer) = book.who(&self.viewer) else { return BTreeSet::new() };
        let weighing = model.weighing();
        let bad = |newest: &[&Held]| {
            let mut sum = Sum { good: 0.5, bad: 0.5 };
            for (held, weight) in weighing.pair(newest) {
                let x = f64::from(held.score(Aspect::Overall).unwrap_or(0)) / f64::from(SCORE);
                let age = self.day - held.day;
                let (good, bad) = weighing.aged(x, age);
                sum.add(Sum { good: good * x, bad: bad * (1.0 - x) }, weight);
            }
            sum.bad > sum.good && quantile(sum.good, sum.bad, 1.0 - END) < 0.5
        };
        let said = book.said(viewer, self.day).into_iter();
        said.filter(|(_, newest)| bad(newest)).map(|(subject, _)| subject).collect()
    }

    pub(super) fn network(&self) -> &Network {
        &self.eyes().network
    }

    /// What a rater's word counts for the viewer: its weight, or nothing if the viewer knows better.
    pub(super) fn voice_of(&self, who: Who) -> f64 {
        let weight = self.weight_of(who);
        if weight > 0.0 && self.eyes().distrusted.contains(&who) { 0.0 } else { weight }
    }

    pub(super) fn share(&self, who: Who) -> f64 {
        self.reached.of(who) as f64 / self.reached.total() as f64
    }

    pub(super) fn weight_of(&self, who: Who) -> f64 {
        self.model.scale().weight(self.reached.of(who), self.reached.total())
    }
}

/// Shares of [`MASS`] as fractions.
pub(super) fn shares(starts: &[(Who, u64)]) -> Vec<(Who, f64)> {
    starts.iter().map(|(who, share)| (*who, *share as f64 / MASS as f64)).collect()
}

/// Where the walk of a viewer starts: at itself, or half at itself and half at the seeds it has pinned.
pub(super) fn starts(viewer: Who, seeds: &[Who], seed_share: f64) -> Vec<(Who, u64)> {
    let n = seeds.len() as u64;
    let each = ((seed_share.clamp(0.0, 1.0) * MASS as f64) as u64).checked_div(n).unwrap_or(0);
    let mut starts = vec![(viewer, MASS - each * n)];
    starts.extend(seeds.iter().map(|seed| (*seed, each)));
    starts
}
