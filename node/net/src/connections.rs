//! How many connections there may be: under way and up, each way, in all, and with one peer.
//!
//! In: connections that begin, come up and end. Out: a refusal for one too many. Never: a word kept of a peer that is not
//! connected. libp2p's own `connection_limits` (0.7) keeps an entry for every peer it ever saw, so whoever comes with a
//! fresh key each time makes it grow.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};

use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, DialFailure, FromSwarm, ListenFailure, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

use crate::limits::{CONNECTIONS_PER_PEER, Capacity};

/// See the module.
pub struct Connections {
    capacity: Capacity,
    /// Handshakes from outside that are under way.
    accepting: HashSet<ConnectionId>,
    /// Dials under way.
    dialling: HashSet<ConnectionId>,
    /// Up, from outside.
    inbound: HashSet<ConnectionId>,
    /// Up, made by us.
    outbound: HashSet<ConnectionId>,
    /// Up, by peer and by whether they go through a relay: none that is zero.
    with: HashMap<(PeerId, bool), u32>,
}

/// Why one is refused.
#[derive(Debug)]
struct TooMany {
    limit: u32,
    of: &'static str,
}

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are {} {} already, and there is room for no more", self.limit, self.of)
    }
}

impl std::error::Error for TooMany {}

fn room(count: usize, limit: u32, of: &'static str) -> Result<(), ConnectionDenied> {
    if count < limit as usize { Ok(()) } else { Err(ConnectionDenied::new(TooMany { limit, of })) }
}

impl Connections {
    /// None is up, and as many may be as `capacity` says.
    pub fn new(capacity: Capacity) -> Self {
        let (accepting, dialling, inbound, outbound) = Default::default();
        Self { capacity, accepting, dialling, inbound, outbound, with: HashMap::new() }
    }

    /// Whether one more may come up with this peer.
    fn one_more(&self, peer: PeerId, relayed: bool) -> Result<(), ConnectionDenied> {
        room(self.inbound.len() + self.outbound.len(), self.capacity.total, "connections")?;
        let with = self.with.get(&(peer, relayed)).copied().unwrap_or_default();
        room(with as usize, CONNECTIONS_PER_PEER, "connections with this peer")
    }
}

impl NetworkBehaviour for Connections {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        room(self.accepting.len(), self.capacity.pending_in, "handshakes under way")?;
        self.accepting.insert(id);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.accepting.remove(&id);
        room(self.inbound.len(), self.capacity.inbound, "connections from outside")?;
        let point = ConnectedPoint::Listener { local_addr: local.clone(), send_back_addr: remote.clone() };
        self.one_more(peer, point.is_relayed())?;
        Ok(dummy::ConnectionHandler)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: Option<PeerId>,
        _: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        room(self.dialling.len(), self.capacity.pending_out, "dials under way")?;
        self.dialling.insert(id);
        Ok(Vec::new())
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role_override: Endpoint,
        port_use: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.dialling.remove(&id);
        room(self.outbound.len(), self.capacity.outbound, "connections made by us")?;
        let point = ConnectedPoint::Dialer { address: address.clone(), role_override, port_use };
        self.one_more(peer, point.is_relayed())?;
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                let side = if endpoint.is_dialer() { &mut self.outbound } else { &mut self.inbound };
                side.insert(connection_id);
                *self.with.entry((peer_id, endpoint.is_relayed())).or_default() += 1;
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, endpoint, .. }) => {
                self.inbound.remove(&connection_id);
                self.outbound.remove(&connection_id);
                let key = (peer_id, endpoint.is_relayed());
                if let Some(count) = self.with.get_mut(&key) {
                    *count -= 1;
                    if *count == 0 {
                        self.with.remove(&key);
                    }
                }
            }
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => {
                self.dialling.remove(&connection_id);
            }
            FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) => {
                self.accepting.remove(&connection_id);
            }
            _ => {}
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIRECT: &str = "/ip4/192.0.2.1/tcp/1";
    const RELAYED: &str = "/ip4/192.0.2.1/tcp/1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN/p2p-circuit";

    /// A swarm's part: takes connections through their lives.
    struct Swarm {
        connections: Connections,
        next: usize,
    }

    impl Swarm {
        /// A dial that comes up, if it is let.
        fn dial(&mut self, peer: PeerId, address: &str) -> Option<ConnectionId> {
            self.next += 1;
            let (id, address): (_, Multiaddr) = (ConnectionId::new_unchecked(self.next), address.parse().unwrap());
            self.connections.handle_pending_outbound_connection(id, Some(peer), &[], Endpoint::Dialer).ok()?;
            let up = |c: &mut Connections| {
                c.handle_established_outbound_connection(id, peer, &address, Endpoint::Dialer, PortUse::Reuse).is_ok()
            };
            if !up(&mut self.connections) {
                return None;
            }
            let endpoint = point(&address);
            self.connections.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: peer,
                connection_id: id,
                endpoint: &endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
            Some(id)
        }

        fn close(&mut self, peer: PeerId, id: ConnectionId, address: &str) {
            let endpoint = point(&address.parse().unwrap());
            self.connections.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id: peer,
                connection_id: id,
                endpoint: &endpoint,
                cause: None,
                remaining_established: 0,
            }));
        }
    }

    fn point(address: &Multiaddr) -> ConnectedPoint {
        let (role_override, port_use) = (Endpoint::Dialer, PortUse::Reuse);
        ConnectedPoint::Dialer { address: address.clone(), role_override, port_use }
    }

    #[test]
    fn nothing_is_kept_of_those_who_have_gone() {
        let mut swarm = Swarm { connections: Connections::new(Capacity::NODE), next: 0 };
        for _ in 0..10 * Capacity::NODE.total {
            let peer = PeerId::random();
            for address in [DIRECT, RELAYED] {
                let id = swarm.dial(peer, address).expect("there is room");
                swarm.close(peer, id, address);
            }
        }
        let Connections { accepting, dialling, inbound, outbound, with, .. } = swarm.connections;
        assert_eq!((accepting.len(), dialling.len(), inbound.len(), outbound.len(), with.len()), (0, 0, 0, 0, 0));
    }

    #[test]
    fn a_peer_has_so_many_connections_and_as_many_through_relays() {
        let mut swarm = Swarm { connections: Connections::new(Capacity::NODE), next: 0 };
        let peer = PeerId::random();
        let up: Vec<_> = [RELAYED, DIRECT].into_iter().flat_map(|way| (0..9).map(move |_| way)).collect::<Vec<_>>();
        let up: Vec<_> = up.into_iter().filter_map(|way| Some((way, swarm.dial(peer, way)?))).collect();
        assert_eq!(up.len(), 2 * CONNECTIONS_PER_PEER as usize);
        let (way, id) = up[0];
        swarm.close(peer, id, way);
        assert!(swarm.dial(peer, DIRECT).is_none());
        assert!(swarm.dial(peer, RELAYED).is_some());
    }

    #[test]
    fn each_bound_holds_by_itself() {
        let small = Capacity { pending_in: 1, pending_out: 2, inbound: 9, outbound: 3, total: 9, ..Capacity::NODE };
        let mut swarm = Swarm { connections: Connections::new(small.clone()), next: 0 };
        assert_eq!((0..5).filter(|_| swarm.dial(PeerId::random(), DIRECT).is_some()).count(), 3);
        let connections = &mut swarm.connections;
        let mut dial = |id| {
            let id = ConnectionId::new_unchecked(id);
            connections.handle_pending_outbound_connection(id, None, &[], Endpoint::Dialer).is_ok()
        };
        assert_eq!([dial(100), dial(101), dial(102)], [true, true, false]);
        let (local, remote) = (Multiaddr::empty(), DIRECT.parse().unwrap());
        let mut accept = |id| {
            connections.handle_pending_inbound_connection(ConnectionId::new_unchecked(id), &local, &remote).is_ok()
        };
        assert_eq!([accept(200), accept(201)], [true, false]);
        let mut full = Connections::new(Capacity { total: 0, ..small });
        let came = full.handle_established_inbound_connection(
            ConnectionId::new_unchecked(1),
            PeerId::random(),
            &local,
            &remote,
        );
        assert!(came.is_err());
    }
}
