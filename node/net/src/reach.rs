//! Whether we can be dialled from afar, as far as doors could tell: which addresses to try, and what came of it.
//!
//! In: what doors see of us, where we listen, what their dials came to, the time. Out: addresses to try now, addresses
//! that were dialled lately. Never: an address that only somebody's word speaks for, more addresses than
//! [`PROBE_CANDIDATES`], one that was confirmed once and for all.
//!
//! Under it are libp2p's protocols, each with the bounds it lacks: `client` asks a door to dial us, `server` is the door
//! that does, `punch` makes a relayed connection a direct one.

pub mod client;
pub mod punch;
pub mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Instant;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::limits::{
    PROBE_AGAIN, PROBE_CANDIDATES, PROBE_EXPIRY, PROBE_GRACE, PROBE_INTERVAL, PROBE_INTERVAL_REFUSED, PROBE_PAUSE,
};
use crate::scope::{Scope, is_relayed, scope_of};

/// See the module.
#[derive(Debug, Default)]
pub struct Trials {
    /// Where each door saw us last by IPv4 and by IPv6; twice as many as there are doors that we were told of.
    seen: BTreeMap<Sight, Multiaddr>,
    /// What is tried, and what came of it.
    tried: BTreeMap<Multiaddr, Trial>,
    /// When the first round began, and the last.
    began: Option<(Instant, Instant)>,
    /// When the next is due, if nothing changes.
    due: Option<Instant>,
}

/// A door, and whether it saw us by IPv6: who has both is in two places, and has moved from neither.
type Sight = (PeerId, bool);

fn sight(door: PeerId, address: &Multiaddr) -> Sight {
    (door, ip_of(address).is_some_and(|ip| ip.is_ipv6()))
}

#[derive(Debug, Clone, Copy, Default)]
struct Trial {
    /// When a door dialled it last.
    dialled: Option<Instant>,
    /// How often in a row a door could not.
    failures: u32,
}

impl Trials {
    /// A door to which we made a connection says where that came from.
    pub fn seen(&mut self, door: PeerId, address: Multiaddr) {
        if !is_relayed(&address) && scope_of(&address) == Some(Scope::Global) {
            self.seen.insert(sight(door, &address), address);
        }
    }

    /// Whether that door saw us at another IP before.
    pub fn moved(&self, door: &PeerId, address: &Multiaddr) -> bool {
        self.seen.get(&sight(*door, address)).is_some_and(|seen| ip_of(seen) != ip_of(address))
    }

    /// Where doors saw us last.
    pub fn sights(&self) -> impl Iterator<Item = &Multiaddr> {
        self.seen.values()
    }

    /// Whether it is time to try: there is something new, or the last round was long ago.
    pub fn is_due<'a>(&self, listeners: impl Iterator<Item = &'a Multiaddr>, now: Instant) -> bool {
        let new = || candidates(&self.seen, listeners).iter().any(|address| !self.tried.contains_key(address));
        let paused = self.began.is_none_or(|(_, last)| now >= last + PROBE_PAUSE);
        paused && (self.due.is_some_and(|due| due <= now) || new())
    }

    /// Begins a round: what to try.
    pub fn round<'a>(&mut self, listeners: impl Iterator<Item = &'a Multiaddr>, now: Instant) -> Vec<Multiaddr> {
        let candidates = candidates(&self.seen, listeners);
        self.tried.retain(|address, _| candidates.contains(address));
        for address in &candidates {
            self.tried.entry(address.clone()).or_default();
        }
        self.began = Some((self.began.map_or(now, |(first, _)| first), now));
        let interval = if self.dialled().next().is_some() { PROBE_INTERVAL } else { PROBE_INTERVAL_REFUSED };
        self.due = Some(now + interval);
        candidates.into_iter().collect()
    }

    /// A door dialled this address, or could not. One failure after success is asked about again soon: it may have been
    /// the door's, or the way's.
    pub fn tested(&mut self, address: &Multiaddr, dialled: bool, now: Instant) {
        let Some(trial) = self.tried.get_mut(address) else { return };
        if dialled {
            *trial = Trial { dialled: Some(now), failures: 0 };
            self.due = self.due.map(|due| due.min(now + PROBE_INTERVAL));
            return;
        }
        trial.failures = trial.failures.saturating_add(1);
        if trial.failures > 1 {
            trial.dialled = None;
        } else if trial.dialled.is_some() {
            self.due = self.due.map(|due| due.min(now + PROBE_AGAIN));
        }
    }

    /// Forgets what nobody has confirmed for long.
    pub fn expire(&mut self, now: Instant) {
        for trial in self.tried.values_mut() {
            trial.dialled = trial.dialled.filter(|at| now < *at + PROBE_EXPIRY);
        }
    }

    /// The addresses that doors dialled lately.
    pub fn dialled(&self) -> impl Iterator<Item = &Multiaddr> {
        self.tried.iter().filter(|(_, trial)| trial.dialled.is_some()).map(|(address, _)| address)
    }

    /// Whether a round was held and all of it failed, or had nothing to try.
    pub fn refused(&self) -> bool {
        self.began.is_some() && self.tried.values().all(|trial| trial.dialled.is_none() && trial.failures > 0)
    }

    /// Whether it is too early to say. A node without a global address of its own will hardly be dialled and need not wait
    /// for the doors to say so.
    pub fn undecided<'a>(&self, mut listeners: impl Iterator<Item = &'a Multiaddr>, now: Instant) -> bool {
        let early = self.began.is_none_or(|(first, _)| now < first + PROBE_GRACE);
        early && !self.refused() && listeners.any(|address| scope_of(address) == Some(Scope::Global))
    }
}

/// What to try: our own global addresses; where doors see us, which is right behind a NAT that maps one to one; and
/// there the ports that we listen on, which is right behind one whose owner forwards them.
fn candidates<'a>(
    seen: &BTreeMap<Sight, Multiaddr>,
    listeners: impl Iterator<Item = &'a Multiaddr>,
) -> BTreeSet<Multiaddr> {
    let far = |address: &&Multiaddr| !is_relayed(address) && scope_of(address) > Some(Scope::Loopback);
    let listeners: Vec<&Multiaddr> = listeners.filter(far).collect();
    let mut found: Vec<Multiaddr> = Vec::new();
    found.extend(listeners.iter().filter(|a| scope_of(a) == Some(Scope::Global)).map(|a| (*a).clone()));
    for sight in seen.values() {
        if listeners.iter().any(|own| transport(own) == transport(sight)) {
            found.push(sight.clone());
        }
        found.extend(listeners.iter().filter_map(|own| at_ip_of(own, sight)));
    }
    // By promise, then cut.
    let mut kept = BTreeSet::new();
    for address in found {
        if kept.len() < PROBE_CANDIDATES {
            kept.insert(address);
        }
    }
    kept
}

/// `own` with the IP of `sight`, if that is of the same kind.
fn at_ip_of(own: &Multiaddr, sight: &Multiaddr) -> Option<Multiaddr> {
    match (own.iter().next()?, sight.iter().next()?) {
        (Protocol::Ip4(_), ip @ Protocol::Ip4(_)) | (Protocol::Ip6(_), ip @ Protocol::Ip6(_)) => {
            own.replace(0, |_| Some(ip))
        }
        _ => None,
    }
}

/// Whether it is TCP, as opposed to QUIC.
fn transport(address: &Multiaddr) -> bool {
    address.iter().any(|part| matches!(part, Protocol::Tcp(_)))
}

/// The IP address that an address begins with.
pub fn ip_of(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(IpAddr::V6(ip).to_canonical()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn addresses(texts: &[&str]) -> Vec<Multiaddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    fn texts(addresses: impl IntoIterator<Item = Multiaddr>) -> Vec<String> {
        addresses.into_iter().map(|address| address.to_string()).collect()
    }

    #[test]
    fn what_is_tried_is_where_doors_see_us_and_the_ports_we_listen_on_there() {
        let (mut trials, now) = (Trials::default(), Instant::now());
        let own = addresses(&[
            "/ip4/127.0.0.1/tcp/7",
            "/ip4/192.168.0.2/tcp/7",
            "/ip4/192.168.0.2/udp/8/quic-v1",
            "/ip6/fd00::2/tcp/7",
        ]);
        assert!(!trials.is_due(own.iter(), now), "nobody has seen us");
        trials.seen(PeerId::random(), "/ip4/10.0.0.1/tcp/9".parse().unwrap());
        assert!(!trials.is_due(own.iter(), now), "seen from nearby");
        trials.seen(PeerId::random(), "/ip4/198.51.100.1/tcp/9".parse().unwrap());
        assert!(trials.is_due(own.iter(), now));
        let expected = ["/ip4/198.51.100.1/tcp/7", "/ip4/198.51.100.1/tcp/9", "/ip4/198.51.100.1/udp/8/quic-v1"];
        assert_eq!(texts(trials.round(own.iter(), now)), expected);
        assert!(
            trials.undecided(addresses(&["/ip4/198.51.100.9/tcp/7"]).iter(), now) && !trials.undecided(own.iter(), now)
        );
        assert_eq!(trials.dialled().count(), 0, "nobody has dialled them");
        for door in 0..99 {
            trials.seen(PeerId::random(), format!("/ip4/198.51.100.{door}/tcp/9").parse().unwrap());
        }
        assert_eq!(trials.round(own.iter(), now).len(), PROBE_CANDIDATES);
    }

    #[test]
    fn an_address_lasts_while_it_is_confirmed_and_one_failure_is_asked_about_again() {
        let (mut trials, mut now) = (Trials::default(), Instant::now());
        let own = addresses(&["/ip4/198.51.100.1/tcp/7"]);
        let minute = Duration::from_secs(60);
        trials.round(own.iter(), now);
        trials.tested(&own[0], true, now);
        assert_eq!(trials.dialled().collect::<Vec<_>>(), [&own[0]]);
        assert!(!trials.is_due(own.iter(), now + minute), "it was tried");
        now += PROBE_INTERVAL;
        assert!(trials.is_due(own.iter(), now));
        trials.round(own.iter(), now);
        trials.tested(&own[0], false, now);
        assert_eq!((trials.dialled().count(), trials.refused()), (1, false), "may be the way's fault");
        assert!(trials.is_due(own.iter(), now + minute));
        now += minute;
        trials.round(own.iter(), now);
        trials.tested(&own[0], false, now);
        assert_eq!((trials.dialled().count(), trials.refused()), (0, true));
        assert!(!trials.is_due(own.iter(), now + minute));
        trials.tested(&own[0], true, now);
        trials.expire(now + PROBE_EXPIRY - minute);
        assert_eq!(trials.dialled().count(), 1);
        trials.expire(now + PROBE_EXPIRY);
        assert_eq!(trials.dialled().count(), 0, "no door could be asked");
    }

    #[test]
    fn an_address_that_is_ours_no_longer_is_dropped_and_a_new_one_tried_at_once() {
        let (mut trials, now, door) = (Trials::default(), Instant::now(), PeerId::random());
        let own = addresses(&["/ip4/192.168.0.2/tcp/7"]);
        trials.seen(door, "/ip4/198.51.100.1/tcp/7".parse().unwrap());
        let [first] = trials.round(own.iter(), now).try_into().unwrap();
        trials.tested(&first, true, now);
        trials.seen(door, "/ip4/198.51.100.2/tcp/7".parse().unwrap());
        assert!(!trials.is_due(own.iter(), now), "not twice in a moment");
        let now = now + PROBE_PAUSE;
        assert!(trials.is_due(own.iter(), now));
        let ip6: Multiaddr = "/ip6/2606:4700::1/tcp/7".parse().unwrap();
        assert!(!trials.moved(&door, &ip6), "the same door by another way");
        assert!(trials.moved(&door, &first) && !trials.moved(&door, &"/ip4/198.51.100.2/tcp/9".parse().unwrap()));
        assert_eq!(texts(trials.round(own.iter(), now)), ["/ip4/198.51.100.2/tcp/7"]);
        assert_eq!(trials.dialled().count(), 0);
        trials.tested(&first, true, now);
        assert_eq!(trials.dialled().count(), 0, "a late word about what is not ours");
        trials.seen(door, ip6);
        assert!(trials.moved(&door, &first), "what it saw the other way is not forgotten");
    }
}
