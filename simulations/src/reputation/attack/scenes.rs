//! Scenes: who attacks whom with which ratings. In: a network and dice; out: ratings to add. Nothing is scored here.
//!
//! An attacker makes as many identities as it likes and has any of them rate any other; an honest node's rating it has to
//! earn, or get by fooling somebody.

use crate::data::{Node, Rating, Ratings};
use crate::dice::Dice;

/// A stage set with honest people: whose eyes, who is rated badly and who well by everybody before the attack.
#[derive(Debug, Clone)]
pub struct Stage {
    /// Who looks.
    pub viewers: Vec<Node>,
    /// Well connected raters that nobody distrusts, in random order; no viewer is among them.
    pub established: Vec<Node>,
    /// Rated badly by at least [`KNOWN`] raters; where nobody is, the tenth that is thought least of.
    pub bad: Vec<Node>,
    /// Rated well by as many.
    pub good: Vec<Node>,
    /// The first number that belongs to nobody.
    pub free: Node,
    /// When the attack begins: after all that is on record.
    pub now: f64,
}

/// Raters that make somebody known.
pub const KNOWN: usize = 5;
/// Ratings given that make somebody established.
const ESTABLISHED: usize = 20;

impl Stage {
    /// So many viewers and targets of each kind.
    pub fn set(ratings: &Ratings, viewers: usize, targets: usize, dice: &mut Dice) -> Self {
        let mut received = vec![(0usize, 0.0); ratings.nodes()];
        let mut given = vec![0usize; ratings.nodes()];
        for rating in &ratings.list {
            let of = &mut received[rating.subject as usize];
            *of = (of.0 + 1, of.1 + rating.weight);
            given[rating.rater as usize] += usize::from(rating.weight > 0.0);
        }
        let mean = |node: Node| {
            let (count, sum) = received[node as usize];
            if count < KNOWN { 0.0 } else { sum / count as f64 }
        };
        let nodes = || 0..ratings.nodes() as Node;
        let mut bad: Vec<Node> = nodes().filter(|node| mean(*node) < -0.3).collect();
        if bad.is_empty() {
            // A network without bad words: the tenth of the known that is thought least of.
            bad = nodes().filter(|node| received[*node as usize].0 >= KNOWN).collect();
            bad.sort_by(|a, b| mean(*a).total_cmp(&mean(*b)));
            bad.truncate(bad.len().div_ceil(10));
        }
        let good: Vec<Node> = nodes().filter(|node| mean(*node) > 0.15).collect();
        let mut trusted: Vec<Node> =
            nodes().filter(|node| given[*node as usize] >= ESTABLISHED && mean(*node) > 0.1).collect();
        dice.shuffle(&mut trusted);
        let viewers = trusted.split_off(trusted.len().saturating_sub(viewers).max(trusted.len() / 2));
        let good: Vec<Node> = good.into_iter().filter(|node| !viewers.contains(node)).collect();
        Self {
            established: trusted,
            bad: dice.sample(&bad, targets),
            good: dice.sample(&good, targets),
            viewers,
            free: ratings.nodes() as Node,
            now: ratings.end(),
        }
    }

    fn says(&self, rater: Node, subject: Node, weight: f64) -> Rating {
        Rating::new(self.now, rater, subject, weight)
    }

    /// So many false identities praise `target`, who praises them back; `fooled` honest nodes each give it one good rating,
    /// half as good as can be. The fooled are the same ones whatever else is chosen.
    pub fn promotion(&self, target: Node, sybils: Node, fooled: usize) -> Vec<Rating> {
        let deceived = self.established.iter().filter(|node| **node != target).take(fooled);
        let mut all: Vec<Rating> = deceived.map(|node| self.says(*node, target, 0.5)).collect();
        for sybil in self.free..self.free + sybils {
            all.push(self.says(sybil, target, 1.0));
            all.push(self.says(target, sybil, 1.0));
        }
        all
    }

    /// So many false identities, praising each other in a ring, condemn `target`; `fooled` honest nodes have found one of them
    /// good, each another as far as there are others.
    pub fn slander(&self, target: Node, sybils: Node, fooled: usize) -> Vec<Rating> {
        let deceived = self.established.iter().filter(|node| **node != target).take(fooled);
        let names = (0..sybils).cycle();
        let mut all: Vec<Rating> =
            deceived.zip(names).map(|(node, sybil)| self.says(*node, self.free + sybil, 0.5)).collect();
        for sybil in 0..sybils {
            let next = (sybil + 1) % sybils;
            if next != sybil {
                all.push(self.says(self.free + sybil, self.free + next, 1.0));
            }
            all.push(self.says(self.free + sybil, target, -1.0));
        }
        all
    }

    /// One established node praises `target` for so many hires.
    pub fn stuffing(&self, target: Node, hires: usize) -> Vec<Rating> {
        let friend = self.established.iter().find(|node| **node != target);
        friend.into_iter().flat_map(|friend| vec![self.says(*friend, target, 1.0); hires]).collect()
    }

    /// So many established nodes praise `target` and, in a ring, each other.
    pub fn ring(&self, target: Node, members: usize) -> Vec<Rating> {
        let ring: Vec<Node> = self.established.iter().filter(|node| **node != target).take(members).copied().collect();
        let next = ring.iter().cycle().skip(1);
        let pairs = ring.iter().zip(next).filter(|(one, other)| one != other);
        let mutual = pairs.map(|(one, other)| self.says(*one, *other, 1.0));
        ring.iter().map(|node| self.says(*node, target, 1.0)).chain(mutual).collect()
    }

    /// A newcomer pays so many honest workers, one hire each, who rate it well for paying; then it praises `target`.
    /// Returns the buyer with the ratings.
    pub fn bought(&self, target: Node, hires: usize) -> (Node, Vec<Rating>) {
        let workers: Vec<Node> = self.established.iter().filter(|node| **node != target).take(hires).copied().collect();
        let mut all = self.thanked(&workers);
        all.push(self.says(self.free, target, 1.0));
        (self.free, all)
    }

    /// A newcomer (the first number that is free) pays each of these workers for a hire, and all rate each other well.
    pub fn thanked(&self, workers: &[Node]) -> Vec<Rating> {
        workers.iter().flat_map(|one| [self.says(*one, self.free, 1.0), self.says(self.free, *one, 1.0)]).collect()
    }

    /// Whoever the attacker of [`Stage::promotion`] is: the target and its false identities.
    pub fn region(&self, target: Node, sybils: Node) -> Vec<Node> {
        std::iter::once(target).chain(self.free..self.free + sybils).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage() -> Stage {
        Stage { viewers: vec![0], established: vec![1, 2, 3, 4], bad: vec![5], good: vec![6], free: 10, now: 7.0 }
    }

    fn pairs(ratings: &[Rating]) -> Vec<(Node, Node, f64)> {
        ratings.iter().map(|rating| (rating.rater, rating.subject, rating.weight)).collect()
    }

    #[test]
    fn honest_nodes_rate_an_attacker_only_where_they_were_fooled() {
        let stage = stage();
        let all = stage.promotion(5, 2, 1);
        let said = [(1, 5, 0.5), (10, 5, 1.0), (5, 10, 1.0), (11, 5, 1.0), (5, 11, 1.0)];
        assert_eq!(pairs(&all), said);
        assert_eq!(stage.region(5, 2), [5, 10, 11]);
        assert!(all.iter().all(|rating| rating.time == 7.0));
        assert_eq!(pairs(&stage.promotion(1, 0, 2)), [(2, 1, 0.5), (3, 1, 0.5)], "nobody rates itself");
    }

    #[test]
    fn the_other_scenes_by_hand() {
        let stage = stage();
        assert_eq!(pairs(&stage.slander(6, 1, 0)), [(10, 6, -1.0)]);
        assert_eq!(pairs(&stage.slander(6, 1, 1)), [(1, 10, 0.5), (10, 6, -1.0)]);
        assert_eq!(pairs(&stage.slander(6, 2, 3)).len(), 4 + 3);
        assert!(stage.slander(6, 0, 5).is_empty());
        assert_eq!(pairs(&stage.stuffing(5, 3)), [(1, 5, 1.0); 3]);
        assert_eq!(pairs(&stage.ring(5, 2)), [(1, 5, 1.0), (2, 5, 1.0), (1, 2, 1.0), (2, 1, 1.0)]);
        let (buyer, all) = stage.bought(5, 1);
        assert_eq!((buyer, pairs(&all)), (10, vec![(1, 10, 1.0), (10, 1, 1.0), (10, 5, 1.0)]));
    }

    #[test]
    fn a_stage_is_set_with_people_of_their_kind() {
        let mut list = Vec::new();
        for rater in 0..30u32 {
            for subject in 0..30u32 {
                if rater != subject {
                    let weight = if subject >= 25 { -0.8 } else { 0.5 };
                    list.push(Rating::new(f64::from(rater), rater, subject, weight));
                }
            }
        }
        let ratings = Ratings { list, names: (0..30).collect() };
        let stage = Stage::set(&ratings, 4, 3, &mut Dice::new(1, 0));
        assert_eq!((stage.viewers.len(), stage.bad.len(), stage.good.len()), (4, 3, 3));
        assert!(stage.bad.iter().all(|node| *node >= 25));
        assert!(stage.established.iter().all(|node| *node < 25 && !stage.viewers.contains(node)));
        assert_eq!((stage.free, stage.now), (30, 29.0));
    }
}
