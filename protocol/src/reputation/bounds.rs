//! What leaves when there is no place: what moves the least.
//!
//! Two bounds. Of one subject, a few ratings by raters whose word counts nothing for anybody who is watching: enough to see a
//! pattern, and those stay that are nearest to counting. Of everything, as many as memory is given: first leaves what counts
//! nothing, then what counts little, for it is old, one of many of a pair, or of a rater that counts little. What a viewer has
//! said itself, or was said of it (it had a part in each such hire), leaves after everything else. What must never happen: that strangers push out what counts.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::book::{Held, Which, Who};
use super::evidence::About;
use super::walk_beta::WalkBeta;
use crate::id::Id;
use crate::market::Rating;

/// Ratings that are looked at whenever one has to leave: a look at everything would stop all else. After as many as a book holds,
/// divided by this, everything has been looked at once.
const LOOK: usize = 64;
/// Those that are remembered as moving least.
const LEAST: usize = 4_096;

/// How late something leaves: what is a viewer's own last, then what moves much, then what is new.
type Rank = (bool, u64, u32, Id<Rating>, Which);

/// What is known of what may leave.
#[derive(Debug, Clone, Default)]
pub(super) struct Room {
    /// Of what has been looked at, that which moves least.
    least: BTreeSet<Rank>,
    /// Where to look next: at a subject, from this of its ratings on.
    next: (Who, usize),
    /// Of subjects with many ratings those by strangers, since what is usual was looked at.
    pub(super) strangers: BTreeMap<Who, BTreeSet<Which>>,
}

impl WalkBeta {
    /// The most that a rater's word counts for anybody who is watching; everybody's does when nobody is, or has just begun to.
    fn counts(&self, rater: Who) -> f64 {
        let weight = |watched: &super::walk_beta::Watched| {
            let reached = watched.reached();
            self.scale().weight(reached.of(rater), reached.total())
        };
        self.watched.values().filter(|watched| watched.is_grown()).map(weight).reduce(f64::max).unwrap_or(1.0)
    }

    /// Whether somebody is watching, and nobody's walk is under way.
    pub fn is_settled(&self) -> bool {
        !self.watched.is_empty() && self.watched.values().all(|watched| watched.is_settled())
    }

    /// Whether it is known who is a stranger.
    fn knows_strangers(&self) -> bool {
        !self.watched.is_empty() && self.watched.values().all(|watched| watched.is_grown())
    }

    fn is_viewer(&self, agent: Who) -> bool {
        let key = self.book.agent(agent).key;
        self.watched.keys().any(|(viewer, _)| *viewer == key)
    }

    /// After this rating has come in: whether it may stay.
    pub(super) fn make_room(&mut self, new: &About, id: Id<Rating>) -> bool {
        self.trim_strangers(new);
        let most = self.params().ratings.max(1);
        if self.len() > most {
            self.look_for_least();
            if let Some(which) = self.book.find(new) {
                let held = self.book.get(which);
                self.weigh_pair(held.rater, held.subject);
            }
            while self.len() > most {
                self.drop_least();
            }
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
        let Some(most) = self.params().strangers.filter(|_| self.knows_strangers()) else { return };
        let Some(which) = self.book.find(new) else { return };
        let Held { subject, rater, .. } = *self.book.get(which);
        if self.book.agent(subject).of.len() <= most || !self.is_strange(rater) || self.is_viewer(subject) {
            return;
        }
        let known = match self.room.strangers.remove(&subject) {
            Some(known) => known,
            None => {
                let of = self.book.raters(subject).filter(|(rater, _)| self.is_strange(*rater));
                of.flat_map(|(_, group)| group).copied().collect()
            }
        };
        let still = |which: &Which| {
            let held = self.book.get(*which);
            held.subject == subject && self.book.holds(*which) && self.is_strange(held.rater)
        };
        let known = known.into_iter().chain([which]).filter(still);
        let mass = |rater: Who| self.watched.values().map(|watched| watched.reached().of(rater)).max();
        let rank = |which: Which| {
            let held = self.book.get(which);
            (Reverse(mass(held.rater)), held.newest(), which)
        };
        let mut strangers: Vec<_> = known.map(rank).collect();
        strangers.sort_unstable();
        strangers.dedup();
        let gone: Vec<Which> = strangers.drain(most.min(strangers.len())..).map(|(.., which)| which).collect();
        self.room.strangers.insert(subject, strangers.into_iter().map(|(.., which)| which).collect());
        for which in gone {
            self.drop(which);
        }
    }

    fn is_strange(&self, rater: Who) -> bool {
        self.counts(rater) == 0.0 && !self.is_viewer(rater)
    }

    /// Looks at a few more ratings, and remembers those that move least.
    fn look_for_least(&mut self) {
        let mut left = LOOK;
        // Once round at most: those that nothing is held of are passed by quickly, and there are not many.
        for _ in 0..=self.book.agents.len() {
            let (subject, from) = self.room.next;
            let of = self.book.agents.get(subject as usize).map_or(&[][..], |agent| &agent.of);
            let Some(which) = of.get(from) else {
                let next = subject + 1;
                self.room.next = if (next as usize) < self.book.agents.len() { (next, 0) } else { (0, 0) };
                if left == 0 {
                    return;
                }
                continue;
            };
            let rater = self.book.get(*which).rater;
            let looked = self.weigh_pair(rater, subject);
            self.room.next = (subject, from + looked.max(1));
            left = left.saturating_sub(looked.max(1));
            if left == 0 {
                return;
            }
        }
    }

    /// Remembers of a pair's ratings those that move little; how many there are.
    fn weigh_pair(&mut self, rater: Who, subject: Who) -> usize {
        let ranks = self.ranks(rater, subject);
        for rank in &ranks {
            if self.room.least.len() < LEAST || self.room.least.last().is_some_and(|last| rank < last) {
                self.room.least.insert(*rank);
            }
        }
        while self.room.least.len() > LEAST {
            self.room.least.pop_last();
        }
        ranks.len()
    }

    /// How late the ratings of a pair leave.
    fn ranks(&self, rater: Who, subject: Who) -> Vec<Rank> {
        let own = self.is_viewer(rater) || self.is_viewer(subject);
        let weight = self.counts(rater);
        let latest = self.latest();
        let mut newest: Vec<(&Held, Which)> =
            self.book.pair(rater, subject).iter().map(|which| (self.book.get(*which), *which)).collect();
        newest.sort_unstable_by_key(|(held, _)| held.newest());
        let only: Vec<&Held> = newest.iter().map(|(held, _)| *held).collect();
        let pairs = self.weighing().pair(&only).zip(&newest);
        let rank = |((held, pair), (_, which)): ((&Held, f64), &(&Held, Which))| {
            // Never negative, so its bits are in its order.
            let moves = weight * pair * self.weighing().bad.at(latest.saturating_sub(held.day));
            (own, moves.to_bits(), held.day, held.id, *which)
        };
        pairs.map(rank).collect()
    }

    /// Lets go of what moves least, of what has been looked at; of anything, if that has all gone.
    fn drop_least(&mut self) {
        while let Some(rank) = self.room.least.pop_first() {
            let (.., id, which) = rank;
            if !self.book.holds(which) || self.book.get(which).id != id {
                continue;
            }
            let Held { rater, subject, .. } = *self.book.get(which);
            let now = self.ranks(rater, subject).into_iter().find(|rank| rank.4 == which);
            // What has come to count more since has to wait again, unless it still is the least.
            match now.filter(|now| self.room.least.first().is_some_and(|next| now > next)) {
                Some(now) if now > rank => drop(self.room.least.insert(now)),
                _ => return self.drop(which),
            }
        }
        let any = self.book.agents.iter().find_map(|agent| agent.of.first().copied());
        any.into_iter().for_each(|which| self.drop(which));
    }
}
