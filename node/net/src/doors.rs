//! Doors into the network: bootstrap nodes we were told of, and peers that mDNS finds on the LAN.
//!
//! In: what became of links and dials, what mDNS heard, the time. Out: whom to dial now, and how each door we were told
//! of fares. Nothing here dials or logs. Never: a peer of another network dialled twice because mDNS found it, a door
//! we were told of given up, more doors found than [`LAN_DOORS`].

use std::time::Instant;

use libp2p::multiaddr::Protocol;
use libp2p::{Multiaddr, PeerId};

use crate::backoff::Backoff;
use crate::handle::Door as Report;
use crate::limits::{BOOK_ADDRESSES, LAN_DOORS, REDIAL_FIRST, REDIAL_LAST};

/// See the module.
#[derive(Debug, Default)]
pub struct Doors(Vec<Door>);

#[derive(Debug)]
struct Door {
    peer: PeerId,
    addresses: Vec<Multiaddr>,
    /// The operator named it; otherwise mDNS found it.
    told: bool,
    backoff: Backoff,
    /// When to dial it next, if not connected; `None` while there is no need.
    knock_at: Option<Instant>,
    /// There is a link, and it is of our network.
    open: bool,
    /// It was open at least once.
    reached: bool,
    /// How often in a row it was not reached.
    failures: u32,
    /// Why, the last time.
    error: Option<String>,
    /// It said that it is of another network, the last time.
    foreign: bool,
}

impl Door {
    fn new(peer: PeerId, addresses: Vec<Multiaddr>, told: bool, knock_at: Option<Instant>) -> Self {
        let backoff = Backoff::new(REDIAL_FIRST, REDIAL_LAST);
        let (open, reached, failures, error, foreign) = (false, false, 0, None, false);
        Self { peer, addresses, told, backoff, knock_at, open, reached, failures, error, foreign }
    }

    /// Its addresses, with its name.
    fn named(&self) -> Vec<String> {
        self.addresses.iter().map(|address| address.clone().with(Protocol::P2p(self.peer)).to_string()).collect()
    }

    /// What mDNS finds is not dialled again once we know that it is none of ours.
    fn dismissed(&self) -> bool {
        self.foreign && !self.told
    }

    fn knock_later(&mut self, now: Instant) {
        self.knock_at = (!self.dismissed()).then(|| now + self.backoff.pause());
    }
}

/// A door that we were told of was not reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Where it should be, each with its `/p2p/` at the end.
    pub addresses: Vec<String>,
    /// How often in a row.
    pub times: u32,
    /// Whether any door we were told of is open, or was at its last trial.
    pub others: bool,
}

impl Doors {
    /// The doors of the configuration, to be dialled at once.
    pub fn told(doors: Vec<(PeerId, Vec<Multiaddr>)>, now: Instant) -> Self {
        Self(doors.into_iter().map(|(peer, addresses)| Door::new(peer, addresses, true, Some(now))).collect())
    }

    fn get(&mut self, peer: &PeerId) -> Option<&mut Door> {
        self.0.iter_mut().find(|door| door.peer == *peer)
    }

    /// Whether this peer is one.
    pub fn is_door(&self, peer: &PeerId) -> bool {
        self.0.iter().any(|door| door.peer == *peer)
    }

    /// Open ones that we were told of: those who may relay.
    pub fn open(&self) -> impl Iterator<Item = (PeerId, &Multiaddr)> {
        let open = self.0.iter().filter(|door| door.told && door.open);
        open.filter_map(|door| Some((door.peer, door.addresses.first()?)))
    }

    /// Whether this peer is one that we were told of.
    pub fn is_told(&self, peer: &PeerId) -> bool {
        self.0.iter().any(|door| door.told && door.peer == *peer)
    }

    /// Where one of them is, with its name.
    pub fn named(&self, peer: &PeerId) -> Option<String> {
        self.0.iter().find(|door| door.peer == *peer)?.named().into_iter().next()
    }

    /// One that we were told of is needed, though nothing else would have us dial it.
    pub fn wake(&mut self, now: Instant) {
        let mut told = self.0.iter_mut().filter(|door| door.told);
        if let Some(door) = told.find(|door| !door.open && door.knock_at.is_none()) {
            door.knock_at = Some(now);
        }
    }

    /// Where they are.
    pub fn addresses(&self) -> impl Iterator<Item = &Multiaddr> {
        self.0.iter().filter(|door| !door.dismissed()).flat_map(|door| &door.addresses)
    }

    /// mDNS found a peer at an address. When there are enough, one that is no use to us makes room, or it is let be.
    pub fn found(&mut self, peer: PeerId, address: Multiaddr, now: Instant) {
        if let Some(door) = self.get(&peer) {
            if !door.told && !door.addresses.contains(&address) && door.addresses.len() < BOOK_ADDRESSES {
                door.addresses.push(address);
            }
            return;
        }
        if self.0.iter().filter(|door| !door.told).count() >= LAN_DOORS {
            let useless = |door: &Door| !door.told && !door.open && (door.foreign || door.failures > 0);
            let Some(n) = self.0.iter().position(useless) else { return };
            self.0.remove(n);
        }
        // Both sides hear of each other in one moment; the pause has one of them dial first.
        let mut door = Door::new(peer, vec![address], false, None);
        door.knock_later(now);
        self.0.push(door);
    }

    /// mDNS has not heard of this address for long.
    pub fn lost(&mut self, peer: &PeerId, address: &Multiaddr) {
        if let Some(door) = self.get(peer).filter(|door| !door.told) {
            door.addresses.retain(|known| known != address);
        }
        self.0.retain(|door| door.told || !door.addresses.is_empty());
    }

    /// A link to this peer is up. Whether it is a door, identify will tell.
    pub fn linked(&mut self, peer: &PeerId) {
        if let Some(door) = self.get(peer) {
            door.knock_at = None;
        }
    }

    /// It speaks our network's protocols. If that is news of a door we were told of: how often in a row it had not been
    /// reached.
    pub fn opened(&mut self, peer: &PeerId) -> Option<u32> {
        let door = self.get(peer)?;
        door.backoff.reset();
        let news = door.told && (!door.reached || door.failures > 0);
        (door.open, door.reached, door.error, door.foreign) = (true, true, None, false);
        let failures = std::mem::take(&mut door.failures);
        news.then_some(failures)
    }

    /// The link is gone. A door that we let go for idleness is still there. One that went away by itself has
    /// restarted, and must be told of us again.
    pub fn closed(&mut self, peer: &PeerId, idle: bool, now: Instant) {
        if let Some(door) = self.get(peer) {
            door.open = false;
            if !idle {
                door.knock_later(now);
            }
        }
    }

    /// A dial led nowhere, or to a link that is no use. Tells of doors we were told of.
    pub fn failed(&mut self, peer: &PeerId, why: String, foreign: bool, now: Instant) -> Option<Failure> {
        let door = self.get(peer).filter(|door| !door.open)?;
        door.failures = door.failures.saturating_add(1);
        door.error = Some(why);
        door.foreign = foreign;
        if door.knock_at.is_none() {
            door.knock_later(now);
        }
        let (told, times, addresses) = (door.told, door.failures, door.named());
        let others = self.0.iter().any(|door| door.told && door.failures == 0);
        told.then_some(Failure { addresses, times, others })
    }

    /// Whom to dial now: doors that are not linked and whose time has come. One gets a time when it went away, or if
    /// we know nobody (`lonely`).
    pub fn due(
        &mut self,
        now: Instant,
        lonely: bool,
        linked: impl Fn(&PeerId) -> bool,
    ) -> Vec<(PeerId, Vec<Multiaddr>)> {
        let mut due = Vec::new();
        for door in self.0.iter_mut().filter(|door| !linked(&door.peer)) {
            match door.knock_at {
                None if lonely => door.knock_later(now),
                Some(at) if at <= now => {
                    door.knock_later(now);
                    due.push((door.peer, door.addresses.clone()));
                }
                _ => {}
            }
        }
        due
    }

    /// How those fare that we were told of.
    pub fn report(&self) -> Vec<Report> {
        let told = self.0.iter().filter(|door| door.told);
        told.map(|door| Report {
            addresses: door.named(),
            open: door.open,
            reached: door.reached,
            failures: door.failures,
            error: door.error.clone(),
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn address(port: u16) -> Multiaddr {
        format!("/ip4/10.0.0.1/tcp/{port}").parse().unwrap()
    }

    /// How many dials `doors` want until `end`, looked at as often as the event loop does.
    fn dials(
        doors: &mut Doors,
        from: Instant,
        end: Duration,
        mut on_dial: impl FnMut(&mut Doors, PeerId, Instant),
    ) -> usize {
        let (mut count, mut at) = (0, from);
        while at < from + end {
            for (peer, _) in doors.due(at, true, |_| false) {
                count += 1;
                on_dial(doors, peer, at);
            }
            at += Duration::from_millis(500);
        }
        count
    }

    #[test]
    fn a_peer_of_another_network_that_mdns_found_is_dialled_once_and_one_we_were_told_of_ever_more_seldom() {
        let (now, hour) = (Instant::now(), Duration::from_secs(3600));
        let another = |doors: &mut Doors, peer, at| {
            doors.linked(&peer);
            let _ = doors.failed(&peer, "another network".to_owned(), true, at);
            doors.closed(&peer, false, at);
        };
        let mut doors = Doors::default();
        doors.found(PeerId::random(), address(1), now);
        assert_eq!(dials(&mut doors, now, hour, another), 1);
        assert_eq!(doors.addresses().count(), 0);
        let mut doors = Doors::told(vec![(PeerId::random(), vec![address(1)])], now);
        let count = dials(&mut doors, now, hour, another);
        assert!((60..140).contains(&count), "{count} dials in an hour");
    }

    #[test]
    fn a_lan_has_as_many_doors_as_there_is_room_for_and_the_useless_make_way() {
        let (mut doors, now) = (Doors::default(), Instant::now());
        let peers: Vec<PeerId> = (0..LAN_DOORS + 2).map(|_| PeerId::random()).collect();
        for peer in &peers[..=LAN_DOORS] {
            for port in 0..99 {
                doors.found(*peer, address(port), now);
            }
        }
        assert_eq!(doors.addresses().count(), LAN_DOORS * BOOK_ADDRESSES);
        assert!(!doors.is_door(&peers[LAN_DOORS]));
        let _ = doors.opened(&peers[0]);
        let _ = doors.failed(&peers[1], "refused".to_owned(), false, now);
        doors.found(peers[LAN_DOORS], address(1), now);
        assert!(doors.is_door(&peers[0]) && !doors.is_door(&peers[1]) && doors.is_door(&peers[LAN_DOORS]));
        doors.lost(&peers[LAN_DOORS], &address(1));
        assert!(!doors.is_door(&peers[LAN_DOORS]));
    }

    #[test]
    fn how_a_door_fares_is_told_until_it_opens() {
        let (first, second, now) = (PeerId::random(), PeerId::random(), Instant::now());
        let mut doors = Doors::told(vec![(first, vec![address(1)]), (second, vec![address(2)])], now);
        let fail = |doors: &mut Doors, peer: &PeerId| {
            let failure = doors.failed(peer, "refused".to_owned(), false, now).unwrap();
            (failure.times, failure.others)
        };
        assert_eq!(fail(&mut doors, &first), (1, true));
        assert_eq!(fail(&mut doors, &second), (1, false));
        assert_eq!(fail(&mut doors, &first), (2, false));
        let report = &doors.report()[0];
        assert_eq!((report.open, report.failures, report.error.as_deref()), (false, 2, Some("refused")));
        assert_eq!(report.addresses, [format!("/ip4/10.0.0.1/tcp/1/p2p/{first}")]);
        assert_eq!(doors.opened(&first), Some(2));
        assert_eq!(doors.opened(&first), None, "identify repeats itself");
        let report = &doors.report()[0];
        assert_eq!((report.open, report.reached, report.failures, &report.error), (true, true, 0, &None));
        doors.closed(&first, true, now);
        let report = &doors.report()[0];
        assert_eq!((report.open, report.reached), (false, true));
    }
}
