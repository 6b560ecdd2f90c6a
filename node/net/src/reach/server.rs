//! Dials those who ask whether they can be dialled: libp2p's server of autonat v2, for a bootstrap.
//!
//! In: what peers ask. Out: dials to them, within bounds. libp2p's server dials any address for anybody, as often as it is
//! asked. Here it dials an address only at the IP that the asker comes from, so that it cannot be sent to others, nor to
//! what is private to this machine's network; so often from one IP, and so many at once. Who asks too often gets no
//! answer, which says nothing of its address.
//!
//! A node that has IPv4 and IPv6 learns of the one it came by; it does so from another door for the other.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::net::IpAddr;
use std::task::{Context, Poll};
use std::time::Instant;

use either::Either;
use libp2p::autonat::v2::server;
use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, DialFailure, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use crate::callers::source;
use crate::limits::{PROBE_DIALS, PROBE_SOURCES, PROBE_WINDOW, PROBES_PER_SOURCE};
use crate::reach::ip_of;
use crate::scope::is_relayed;

/// See the module.
#[derive(Default)]
pub struct Server {
    inner: server::Behaviour,
    /// Where those who may ask come from; connections that are up.
    from: HashMap<PeerId, Vec<(ConnectionId, Multiaddr)>>,
    /// Dials under way.
    dialling: HashMap<ConnectionId, PeerId>,
    /// Since when, and how often, each IP has asked.
    asked: HashMap<IpAddr, (Instant, u32)>,
    /// Dials made.
    made: u64,
    /// Requests that got no answer.
    refused: u64,
}

/// Why one is not dialled.
#[derive(Debug)]
struct Elsewhere;

impl fmt::Display for Elsewhere {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("who asks to be dialled does not come from there")
    }
}

impl std::error::Error for Elsewhere {}

impl Server {
    /// Dials made for others, and requests that got no answer, since start.
    pub fn counts(&self) -> (u64, u64) {
        (self.made, self.refused)
    }

    /// Counts a request against the IP it comes from. False if it shall get no answer.
    fn admit(&mut self, peer: &PeerId, id: ConnectionId, now: Instant) -> bool {
        let ways = self.from.get(peer).into_iter().flatten();
        let Some(source) = ways.filter(|(way, _)| *way == id).find_map(|(_, address)| source(address)) else {
            return false;
        };
        if self.dialling.len() >= PROBE_DIALS {
            return false;
        }
        if self.asked.len() >= PROBE_SOURCES && !self.asked.contains_key(&source) {
            self.asked.retain(|_, (since, _)| now < *since + PROBE_WINDOW);
            if self.asked.len() >= PROBE_SOURCES {
                return false;
            }
        }
        let (since, count) = self.asked.entry(source).or_insert((now, 0));
        if now >= *since + PROBE_WINDOW {
            (*since, *count) = (now, 0);
        }
        *count += 1;
        *count <= PROBES_PER_SOURCE
    }
}

impl NetworkBehaviour for Server {
    type ConnectionHandler = THandler<server::Behaviour>;
    type ToSwarm = Infallible;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let Some(peer) = self.dialling.get(&id) else { return Ok(Vec::new()) };
        let ways = self.from.get(peer).map_or(&[][..], Vec::as_slice);
        let there = |ip| ways.iter().any(|(_, way)| ip_of(way) == Some(ip));
        let own = |address: &Multiaddr| !is_relayed(address) && ip_of(address).is_some_and(there);
        if addresses.iter().all(own) { Ok(Vec::new()) } else { Err(ConnectionDenied::new(Elsewhere)) }
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, address, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                self.dialling.remove(connection_id);
                if endpoint.is_listener() && !endpoint.is_relayed() {
                    let way = (*connection_id, endpoint.get_remote_address().clone());
                    self.from.entry(*peer_id).or_default().push(way);
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { peer_id, connection_id, .. }) => {
                if let Some(ways) = self.from.get_mut(peer_id) {
                    ways.retain(|(id, _)| id != connection_id);
                    if ways.is_empty() {
                        self.from.remove(peer_id);
                    }
                }
            }
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => drop(self.dialling.remove(connection_id)),
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        // A request to dial; its asker is told of an inner error if it goes no further.
        if matches!(event, Either::Right(Either::Left(_))) && !self.admit(&peer, id, Instant::now()) {
            self.refused += 1;
            return;
        }
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Infallible, THandlerInEvent<Self>>> {
        loop {
            return Poll::Ready(match std::task::ready!(self.inner.poll(cx)) {
                ToSwarm::Dial { opts } => {
                    if let Some(peer) = opts.get_peer_id() {
                        self.dialling.insert(opts.connection_id(), peer);
                    }
                    self.made += 1;
                    ToSwarm::Dial { opts }
                }
                // What came of it is the asker's business; and it does nothing else.
                _ => continue,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use libp2p::core::ConnectedPoint;

    fn up(server: &mut Server, peer: PeerId, id: usize, address: &str) -> ConnectionId {
        let id = ConnectionId::new_unchecked(id);
        let endpoint =
            ConnectedPoint::Listener { local_addr: Multiaddr::empty(), send_back_addr: address.parse().unwrap() };
        server.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
            peer_id: peer,
            connection_id: id,
            endpoint: &endpoint,
            failed_addresses: &[],
            other_established: 0,
        }));
        id
    }

    #[test]
    fn an_ip_asks_so_often_whatever_keys_it_comes_with_and_again_later() {
        let (mut server, now) = (Server::default(), Instant::now());
        let mut next = 0;
        let mut admitted = |server: &mut Server, ip: &str, now| {
            let ask = |_: &u32| {
                next += 1;
                let peer = PeerId::random();
                let id = up(server, peer, next, &format!("/ip4/{ip}/tcp/1"));
                server.admit(&peer, id, now)
            };
            (0..2 * PROBES_PER_SOURCE).filter(ask).count()
        };
        assert_eq!(admitted(&mut server, "192.0.2.1", now), PROBES_PER_SOURCE as usize);
        assert_eq!(admitted(&mut server, "192.0.2.1", now), 0);
        assert_eq!(admitted(&mut server, "192.0.2.2", now), PROBES_PER_SOURCE as usize);
        assert_eq!(admitted(&mut server, "192.0.2.1", now + PROBE_WINDOW), PROBES_PER_SOURCE as usize);
    }

    #[test]
    fn memory_for_those_who_ask_is_bounded() {
        let (mut server, now) = (Server::default(), Instant::now());
        let asks = |server: &mut Server, n: usize, now| {
            let peer = PeerId::random();
            let id = up(server, peer, n, &format!("/ip4/10.{}.{}.{}/tcp/1", n >> 16, n >> 8 & 255, n & 255));
            let admitted = server.admit(&peer, id, now);
            let endpoint =
                ConnectedPoint::Listener { local_addr: Multiaddr::empty(), send_back_addr: Multiaddr::empty() };
            server.on_swarm_event(FromSwarm::ConnectionClosed(ConnectionClosed {
                peer_id: peer,
                connection_id: id,
                endpoint: &endpoint,
                cause: None,
                remaining_established: 0,
            }));
            admitted
        };
        assert_eq!((0..2 * PROBE_SOURCES).filter(|n| asks(&mut server, *n, now)).count(), PROBE_SOURCES);
        assert_eq!((server.asked.len(), server.from.len()), (PROBE_SOURCES, 0));
        assert!(asks(&mut server, 3 * PROBE_SOURCES, now + PROBE_WINDOW));
        assert_eq!(server.asked.len(), 1);
    }
}
