//! How much a rater's word counts for one viewer.
//!
//! In: a walk from the viewer. Out: for every agent a mass, and of it a weight between 0 and 1. What must never happen: that
//! agents whom nobody the walk reaches has ever dealt with have any.

use std::borrow::Cow;

use super::book::Who;
use super::params::Params;
use super::walk::{MASS, Reached};
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
    pub(super) reached: Cow<'m, Reached>,
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
        self.reached.certificate()
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

    fn share(&self, who: Who) -> f64 {
        self.reached.of(who) as f64 / self.reached.total() as f64
    }

    pub(super) fn weight_of(&self, who: Who) -> f64 {
        self.model.scale().weight(self.reached.of(who), self.reached.total())
    }
}

/// Where the walk of a viewer starts: at itself, or half at itself and half at the seeds it has pinned.
pub(super) fn starts(viewer: Who, seeds: &[Who], seed_share: f64) -> Vec<(Who, u64)> {
    let n = seeds.len() as u64;
    let each = ((seed_share.clamp(0.0, 1.0) * MASS as f64) as u64).checked_div(n).unwrap_or(0);
    let mut starts = vec![(viewer, MASS - each * n)];
    starts.extend(seeds.iter().map(|seed| (*seed, each)));
    starts
}
