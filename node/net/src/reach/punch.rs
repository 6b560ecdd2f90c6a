//! Makes a relayed connection a direct one, where the NATs let it: libp2p's dcutr.
//!
//! In: where doors see us; relayed connections. Out: dials that both sides make in one moment. libp2p's behaviour never
//! forgets a dial, tells others of whatever address any peer names, dials whatever it is told, and keeps the relayed
//! connection until the relay ends it if the other side never asks for a dial. So it is made anew now and then, gets only
//! what doors see, dials only addresses that reach as far as the relay, and lets idle connections be idle.

use std::collections::HashMap;
use std::fmt;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::handler::{ConnectionEvent, ConnectionHandlerEvent};
use libp2p::swarm::{
    ConnectionDenied, ConnectionHandler, ConnectionId, DialFailure, FromSwarm, NetworkBehaviour,
    NewExternalAddrCandidate, SubstreamProtocol, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, dcutr};

use crate::limits::{PUNCH_ADDRESSES, PUNCHES};
use crate::scope::{Scope, is_relayed, scope_of};

/// See the module.
pub struct Punch {
    own: PeerId,
    inner: dcutr::Behaviour,
    /// Where doors see us.
    seen: Vec<Multiaddr>,
    /// Direct connections that are up.
    direct: HashMap<ConnectionId, PeerId>,
    /// Relayed ones, and how far the relay reaches.
    relayed: HashMap<ConnectionId, (PeerId, Option<Scope>)>,
    /// Dials under way.
    dialling: HashMap<ConnectionId, PeerId>,
    /// Dials since `inner` was made.
    dials: usize,
}

/// Why one is not dialled.
#[derive(Debug)]
struct Implausible;

impl fmt::Display for Implausible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the peer behind the relay names addresses that cannot be its own")
    }
}

impl std::error::Error for Implausible {}

impl Punch {
    /// Nobody has seen us.
    pub fn new(own: PeerId) -> Self {
        let (seen, direct, relayed, dialling) = Default::default();
        Self { own, inner: dcutr::Behaviour::new(own), seen, direct, relayed, dialling, dials: 0 }
    }

    /// Where doors see us now: what peers are told to dial.
    pub fn seen(&mut self, addresses: Vec<Multiaddr>) {
        if self.seen != addresses {
            self.seen = addresses;
            self.renew();
        }
    }

    /// Begins anew with what is up. Dials under way go on, and are nobody's: if they fail they are not made again.
    fn renew(&mut self) {
        self.inner = dcutr::Behaviour::new(self.own);
        self.dials = 0;
        let nowhere = Multiaddr::empty();
        for (id, peer) in &self.direct {
            // It takes note of the connection; the handler is there already.
            let _ = self.inner.handle_established_inbound_connection(*id, *peer, &nowhere, &nowhere);
        }
        for addr in &self.seen {
            self.inner.on_swarm_event(FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }));
        }
    }
}

impl NetworkBehaviour for Punch {
    type ConnectionHandler = Idle<THandler<dcutr::Behaviour>>;
    type ToSwarm = dcutr::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote).map(Idle)
    }

    fn handle_pending_outbound_connection(
        &mut self,
        id: ConnectionId,
        _: Option<PeerId>,
        addresses: &[Multiaddr],
        _: Endpoint,
    ) -> Result<Vec<Multiaddr>, ConnectionDenied> {
        let Some(peer) = self.dialling.get(&id) else { return Ok(Vec::new()) };
        let relays = self.relayed.values().filter(|(behind, _)| behind == peer);
        let far = relays.map(|(_, scope)| *scope).max().flatten();
        let its_own = |address: &Multiaddr| !is_relayed(address) && far.is_some() && scope_of(address) >= far;
        if addresses.len() <= PUNCH_ADDRESSES && addresses.iter().all(its_own) {
            Ok(Vec::new())
        } else {
            Err(ConnectionDenied::new(Implausible))
        }
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_outbound_connection(id, peer, address, role, port).map(Idle)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        match &event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                self.dialling.remove(connection_id);
                if endpoint.is_relayed() {
                    let relay = match endpoint {
                        libp2p::core::ConnectedPoint::Dialer { address, .. } => address,
                        libp2p::core::ConnectedPoint::Listener { local_addr, .. } => local_addr,
                    };
                    self.relayed.insert(*connection_id, (*peer_id, scope_of(relay)));
                } else {
                    self.direct.insert(*connection_id, *peer_id);
                }
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.direct.remove(connection_id);
                self.relayed.remove(connection_id);
            }
            FromSwarm::DialFailure(DialFailure { connection_id, .. }) => drop(self.dialling.remove(connection_id)),
            // Any peer's word; see `seen`.
            FromSwarm::NewExternalAddrCandidate(_) => return,
            _ => {}
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<dcutr::Event, THandlerInEvent<Self>>> {
        let action = std::task::ready!(self.inner.poll(cx));
        if let ToSwarm::Dial { opts } = &action {
            if let Some(peer) = opts.get_peer_id() {
                self.dialling.insert(opts.connection_id(), peer);
            }
            self.dials += 1;
            if self.dials >= PUNCHES {
                self.renew();
            }
        }
        Poll::Ready(action)
    }
}

/// A handler that keeps no connection by itself. What is under way on it does.
pub struct Idle<H>(H);

impl<H: ConnectionHandler> ConnectionHandler for Idle<H> {
    type FromBehaviour = H::FromBehaviour;
    type ToBehaviour = H::ToBehaviour;
    type InboundProtocol = H::InboundProtocol;
    type OutboundProtocol = H::OutboundProtocol;
    type InboundOpenInfo = H::InboundOpenInfo;
    type OutboundOpenInfo = H::OutboundOpenInfo;

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol, Self::InboundOpenInfo> {
        self.0.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        false
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Self::OutboundProtocol, Self::OutboundOpenInfo, Self::ToBehaviour>> {
        self.0.poll(cx)
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.0.poll_close(cx)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        self.0.on_behaviour_event(event);
    }

    fn on_connection_event(
        &mut self,
        event: ConnectionEvent<
            '_,
            Self::InboundProtocol,
            Self::OutboundProtocol,
            Self::InboundOpenInfo,
            Self::OutboundOpenInfo,
        >,
    ) {
        self.0.on_connection_event(event);
    }
}
