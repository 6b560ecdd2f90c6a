//! What leaves when there is no place: what moves the least.
//!
//! Two bounds. Of one subject, a few ratings by raters whose word counts nothing for anybody who is watching: enough to see a
//! pattern, and those stay that are nearest to counting. Of everything, as many as memory is given: first leaves what counts
//! nothing, then what counts little, for it is old, one of many of a pair, or of a rater that counts little. What a viewer has
//! said itself, or was said of it (it had a part in each such hire), leaves after everything else. What must never happen: that strangers push out what counts.

use std::cmp::Reverse;

use super::book::{Held, Which, Who};
use super::evidence::About;
use super::walk_beta::WalkBeta;
use crate::id::Id;
use crate::market::Rating;

/// How much of a full book leaves at once: looking for the least is a look at everything.
const SLICE: usize = 16;
/// Names of agents, skills and models that may be remembered without need before the book is made anew.
const WASTE: usize = 10_000;

impl WalkBeta {
    /// The most that a rater's word counts for anybody who is watching; everybody's does when nobody is.
    fn counts(&self, rater: Who) -> f64 {
        let weight = |watched: &super::walk_beta::Watched| {
            let reached = watched.reached();
            self.scale().weight(reached.of(rater), reached.total())
        };
        self.watched.values().map(weight).reduce(f64::max).unwrap_or(1.0)
    }

    /// Whether somebody is watching, and nobody's walk is under way: before, everybody looks like a stranger.
    pub fn is_settled(&self) -> bool {
        !self.watched.is_empty() && self.watched.values().all(|watched| watched.is_settled())
    }

    fn is_viewer(&self, agent: Who) -> bool {
        let key = self.book.agent(agent).key;
        self.watched.keys().any(|(viewer, _)| *viewer == key)
    }

    /// After this rating has come in: whether it may stay.
    pub(super) fn make_room(&mut self, new: &About, id: Id<Rating>) -> bool {
        self.trim_strangers(new);
        if self.len() > self.params().ratings.max(1) {
            self.trim();
        }
        let stays = self.book.find(new).is_some();
        if !stays {
            // Nobody has been told that it came.
            self.gone.retain(|gone| *gone != (new.subject, id));
        }
        stays
    }

    /// Of the subject's ratings by strangers, the ones too many.
    fn trim_strangers(&mut self, new: &About) {
        let Some(most) = self.params().strangers.filter(|_| self.is_settled()) else { return };
        let Some((subject, rater)) = self.book.who(&new.subject).zip(self.book.who(&new.rater)) else { return };
        if self.book.agent(subject).of.len() <= most
            || self.counts(rater) > 0.0
            || self.is_viewer(rater)
            || self.is_viewer(subject)
        {
            return;
        }
        let mass = |rater: Who| self.watched.values().map(|watched| watched.reached().of(rater)).max();
        let mut strangers: Vec<(Reverse<Option<u64>>, _, Which)> = Vec::new();
        for (rater, group) in self.book.raters(subject) {
            if self.counts(rater) == 0.0 && !self.is_viewer(rater) {
                let mass = mass(rater);
                strangers.extend(group.iter().map(|which| (Reverse(mass), self.book.get(*which).newest(), *which)));
            }
        }
        strangers.sort_unstable();
        for (.., which) in strangers.into_iter().skip(most) {
            self.drop(which);
        }
    }

    /// A slice of everything, that which moves least.
    fn trim(&mut self) {
        // Before a walk has come to its end everybody looks like a stranger.
        self.walk_on(usize::MAX);
        let latest = self.book.all().map(|held| held.day).max().unwrap_or(0);
        let mut all: Vec<(bool, f64, _, Which)> = Vec::with_capacity(self.len());
        for (_, subject) in self.book.in_order() {
            for (rater, group) in self.book.raters(subject) {
                let own = self.is_viewer(rater) || self.is_viewer(subject);
                let weight = self.counts(rater);
                let mut newest: Vec<(&Held, Which)> =
                    group.iter().map(|which| (self.book.get(*which), *which)).collect();
                newest.sort_unstable_by_key(|(held, _)| held.newest());
                let only: Vec<&Held> = newest.iter().map(|(held, _)| *held).collect();
                for ((held, pair), (_, which)) in self.weighing().pair(&only).zip(&newest) {
                    let moves = weight * pair * self.weighing().bad.at(latest - held.day);
                    all.push((own, moves, held.newest(), *which));
                }
            }
        }
        // The last to leave comes first.
        all.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(b.1.total_cmp(&a.1)).then(a.2.cmp(&b.2)));
        let most = self.params().ratings.max(1);
        for (.., which) in all.into_iter().skip(most - most / SLICE) {
            self.drop(which);
        }
        if self.book.waste() > WASTE + self.len() {
            self.rebuild();
        }
    }
}
