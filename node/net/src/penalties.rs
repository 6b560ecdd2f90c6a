//! What agents have done wrong lately. In: severities. Out: a number for gossipsub's score, and bans.
//!
//! Penalties halve every ten minutes; at a hundred, or for one fatal act, an agent is banned for an hour. Memory is
//! bounded: the smallest penalty is forgotten first, the ban that ends first is lifted first.

use std::collections::HashMap;
use std::time::Instant;

use libp2p::PeerId;

use crate::handle::Severity;
use crate::limits::{BAN, PENALISED_AGENTS, PENALTY_HALF_LIFE};

const BANNED_AT: f64 = 100.0;
/// Below this a penalty is forgotten.
const NEGLIGIBLE: f64 = 0.5;

fn weight(severity: Severity) -> f64 {
    match severity {
        Severity::Low => 2.0,
        Severity::Mid => 10.0,
        Severity::High => 40.0,
        Severity::Fatal => BANNED_AT,
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct Penalties {
    given: HashMap<PeerId, (f64, Instant)>,
    bans: HashMap<PeerId, Instant>,
}

impl Penalties {
    /// Counts one act. True if the agent must be banned now.
    pub fn add(&mut self, peer: PeerId, severity: Severity, now: Instant) -> bool {
        let sum = self.of(&peer, now) + weight(severity);
        // A hair under the mark, because a decaying sum of exact parts is never exact.
        if sum >= BANNED_AT - NEGLIGIBLE {
            self.given.remove(&peer);
            evict(&mut self.bans, &peer, |end| *end);
            return self.bans.insert(peer, now + BAN).is_none();
        }
        evict(&mut self.given, &peer, |(sum, since)| decayed(*sum, *since, now).to_bits());
        self.given.insert(peer, (sum, now));
        false
    }

    /// The agent's penalty now.
    pub fn of(&self, peer: &PeerId, now: Instant) -> f64 {
        self.given.get(peer).map_or(0.0, |(sum, since)| decayed(*sum, *since, now))
    }

    /// Ends bans whose hour is over and forgets negligible penalties.
    pub fn expire(&mut self, now: Instant) {
        self.given.retain(|_, (sum, since)| decayed(*sum, *since, now) >= NEGLIGIBLE);
        self.bans.retain(|_, end| *end > now);
    }

    /// Whether a ban of this agent stands.
    pub fn is_banned(&self, peer: &PeerId) -> bool {
        self.bans.contains_key(peer)
    }
}

fn decayed(sum: f64, since: Instant, now: Instant) -> f64 {
    sum * 0.5f64.powf(now.saturating_duration_since(since).as_secs_f64() / PENALTY_HALF_LIFE.as_secs_f64())
}

/// Makes room for `peer` by dropping the entry that `rank` puts first.
fn evict<V, R: Ord>(map: &mut HashMap<PeerId, V>, peer: &PeerId, rank: impl Fn(&V) -> R) {
    if map.len() >= PENALISED_AGENTS && !map.contains_key(peer) {
        let first = map.iter().min_by_key(|(_, value)| rank(value)).map(|(peer, _)| *peer);
        first.and_then(|peer| map.remove(&peer));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_high_acts_or_one_fatal_ban_for_an_hour() {
        let (mut penalties, now, peer) = (Penalties::default(), Instant::now(), PeerId::random());
        assert!(!penalties.add(peer, Severity::High, now));
        assert!(!penalties.add(peer, Severity::High, now));
        assert!(penalties.add(peer, Severity::High, now));
        assert!(penalties.is_banned(&peer));
        penalties.expire(now + BAN / 2);
        assert!(penalties.is_banned(&peer));
        penalties.expire(now + BAN);
        assert!(!penalties.is_banned(&peer));
        assert!(penalties.add(PeerId::random(), Severity::Fatal, now));
    }

    #[test]
    fn a_penalty_halves_and_is_forgotten() {
        let (mut penalties, now, peer) = (Penalties::default(), Instant::now(), PeerId::random());
        penalties.add(peer, Severity::Mid, now);
        assert!((penalties.of(&peer, now + PENALTY_HALF_LIFE) - 5.0).abs() < 1e-9);
        penalties.expire(now + PENALTY_HALF_LIFE * 5);
        assert!(penalties.given.is_empty());
    }

    #[test]
    fn memory_for_misconduct_is_bounded() {
        let (mut penalties, now) = (Penalties::default(), Instant::now());
        for _ in 0..PENALISED_AGENTS * 2 {
            penalties.add(PeerId::random(), Severity::Low, now);
            penalties.add(PeerId::random(), Severity::Fatal, now);
        }
        assert_eq!((penalties.given.len(), penalties.bans.len()), (PENALISED_AGENTS, PENALISED_AGENTS));
    }
}
