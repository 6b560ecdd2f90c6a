//! Handshakes under way from outside, by where they come from: no address may hold the places of all.
//!
//! In: connections that begin and become or fail. Out: a refusal for one too many. Whoever only opens sockets and says
//! nothing keeps out those who come from its own address, and nobody else.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, ListenFailure, NetworkBehaviour, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm, dummy,
};
use libp2p::{Multiaddr, PeerId};

/// See the module.
pub struct Callers {
    /// Handshakes that one address may have under way.
    each: usize,
    /// As many as the limit of all together lets in.
    pending: HashMap<ConnectionId, IpAddr>,
}

/// Why one is refused.
#[derive(Debug)]
struct TooMany(IpAddr);

impl fmt::Display for TooMany {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "too many handshakes are under way from {}", self.0)
    }
}

impl std::error::Error for TooMany {}

impl Callers {
    /// Of `all` places an address may hold a quarter: a machine with a few nodes comes in at once, one that floods us
    /// leaves most to others.
    pub fn new(all: u32) -> Self {
        Self { each: (all as usize / 4).max(1), pending: HashMap::new() }
    }
}

/// Who a connection comes from: an IPv4 address, or an IPv6 network of the size that a customer gets (RFC 6177).
pub fn source(address: &Multiaddr) -> Option<IpAddr> {
    match address.iter().next()? {
        Protocol::Ip4(ip) => Some(ip.into()),
        Protocol::Ip6(ip) => Some(match IpAddr::V6(ip).to_canonical() {
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64).into(),
            ip => ip,
        }),
        _ => None,
    }
}

impl NetworkBehaviour for Callers {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Infallible;

    fn handle_pending_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<(), ConnectionDenied> {
        let Some(source) = source(remote) else { return Ok(()) };
        if self.pending.values().filter(|other| **other == source).count() >= self.each {
            return Err(ConnectionDenied::new(TooMany(source)));
        }
        self.pending.insert(id, source);
        Ok(())
    }

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.pending.remove(&id);
        Ok(dummy::ConnectionHandler)
    }

    fn handle_established_outbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: Endpoint,
        _: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        Ok(dummy::ConnectionHandler)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        if let FromSwarm::ListenFailure(ListenFailure { connection_id, .. }) = event {
            self.pending.remove(&connection_id);
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

    #[test]
    fn an_address_holds_a_quarter_of_the_places_and_an_ipv6_network_is_one_address() {
        let mut callers = Callers::new(8);
        let mut next = 0;
        let mut begin = |callers: &mut Callers, from: &str| {
            next += 1;
            let (id, remote) = (ConnectionId::new_unchecked(next), from.parse().unwrap());
            callers.handle_pending_inbound_connection(id, &Multiaddr::empty(), &remote).map(|()| id).ok()
        };
        let first = begin(&mut callers, "/ip4/192.0.2.1/tcp/1").unwrap();
        assert!(begin(&mut callers, "/ip6/::ffff:192.0.2.1/udp/2/quic-v1").is_some());
        assert!(begin(&mut callers, "/ip4/192.0.2.1/tcp/3").is_none());
        for remote in ["/ip6/2001:db8::1/tcp/1", "/ip6/2001:db8::ffff:0:0:2/tcp/1"] {
            assert!(begin(&mut callers, remote).is_some());
        }
        assert!(begin(&mut callers, "/ip6/2001:db8::3/tcp/1").is_none());
        assert!(begin(&mut callers, "/ip6/2001:db8:0:1::3/tcp/1").is_some());
        let remote = "/ip4/192.0.2.1/tcp/1".parse().unwrap();
        callers
            .handle_established_inbound_connection(first, PeerId::random(), &Multiaddr::empty(), &remote)
            .map(drop)
            .unwrap();
        assert!(begin(&mut callers, "/ip4/192.0.2.1/tcp/4").is_some());
    }
}
