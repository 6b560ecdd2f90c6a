//! libp2p's mDNS within bounds. In: what is announced on the LAN. Out: who was seen where, and who is gone.
//!
//! libp2p's own behaviour would hand every address that anybody on the LAN announces for a peer to every dial of that
//! peer, and remember any number of them. This one hands over none, and stops when there are too many: whoever can send
//! to the LAN can announce as much as it likes.

use std::task::{Context, Poll, ready};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
    dummy,
};
use libp2p::{Multiaddr, PeerId, mdns};

use crate::limits::LAN_ADDRESSES;

/// See the module.
pub struct Lan {
    /// None when it was too much.
    mdns: Option<mdns::tokio::Behaviour>,
}

/// What became known.
#[derive(Debug)]
pub enum Event {
    /// These are on the LAN, at addresses that nobody has checked.
    Seen(Vec<(PeerId, Multiaddr)>),
    /// These have not been announced for long.
    Gone(Vec<(PeerId, Multiaddr)>),
    /// There were too many. From now on nobody is seen, and we are not.
    Flooded,
}

impl Lan {
    /// Begins to look and to be seen, on every interface but loopback. Must be called within a runtime.
    pub fn new(own: PeerId) -> std::io::Result<Self> {
        Ok(Self { mdns: Some(mdns::tokio::Behaviour::new(mdns::Config::default(), own)?) })
    }

    /// Whether it looks.
    pub fn is_on(&self) -> bool {
        self.mdns.is_some()
    }
}

impl NetworkBehaviour for Lan {
    type ConnectionHandler = dummy::ConnectionHandler;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        _: ConnectionId,
        _: PeerId,
        _: &Multiaddr,
        _: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
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
        // It keeps our listen addresses by this.
        if let Some(mdns) = &mut self.mdns {
            mdns.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(&mut self, _: PeerId, _: ConnectionId, event: THandlerOutEvent<Self>) {
        match event {}
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            let Some(mdns) = &mut self.mdns else { return Poll::Pending };
            let event = match ready!(mdns.poll(cx)) {
                // Would have other behaviours believe it.
                ToSwarm::NewExternalAddrOfPeer { .. } => continue,
                ToSwarm::GenerateEvent(mdns::Event::Discovered(seen)) => Event::Seen(seen),
                ToSwarm::GenerateEvent(mdns::Event::Expired(gone)) => Event::Gone(gone),
                _ => continue,
            };
            if mdns.discovered_nodes().len() <= LAN_ADDRESSES {
                return Poll::Ready(ToSwarm::GenerateEvent(event));
            }
            self.mdns = None;
            return Poll::Ready(ToSwarm::GenerateEvent(Event::Flooded));
        }
    }
}
