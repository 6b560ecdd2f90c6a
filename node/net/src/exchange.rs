//! libp2p's requests and answers, with an account of what each peer has under way.
//!
//! In: what the event loop and the swarm say to libp2p's behaviour. Out: its events, and who misused the memory or the
//! time that is there for requests: libp2p tells nobody of requests that do not come whole.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};

use libp2p::core::Endpoint;
use libp2p::core::transport::PortUse;
use libp2p::request_response::{self, OutboundRequestId, ProtocolSupport};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent, THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId, StreamProtocol};

use crate::codec::{Account, Answer, Codec, Inbound, Request};
use crate::limits::{EXCHANGE_TIMEOUT, EXCHANGES_PER_CONNECTION};

/// What libp2p reports.
pub type Event = request_response::Event<Request, Answer>;

/// See the module.
pub struct Exchange {
    protocol: StreamProtocol,
    requests: request_response::Behaviour<Codec>,
    inbound: Arc<Inbound>,
    /// Of connected peers, and a few that were.
    accounts: HashMap<PeerId, Arc<Account>>,
}

impl Exchange {
    /// Nobody is connected.
    pub fn new(protocol: StreamProtocol) -> Self {
        let inbound = Arc::new(Inbound::default());
        let requests = behaviour(&protocol, &Account::new(&inbound));
        Self { protocol, requests, inbound, accounts: HashMap::new() }
    }

    /// Sends to a connected peer. None if it is not connected any more, which the event loop may hear of a moment later.
    pub fn send_request(&mut self, peer: &PeerId, bytes: Vec<u8>) -> Option<OutboundRequestId> {
        let connected = self.requests.is_connected(peer);
        connected.then(|| self.requests.send_request(peer, Request { bytes, ration: None }))
    }

    /// Hands an answer to the connection's task. If the connection is gone the answer goes nowhere, as it should.
    pub fn send_response(&mut self, channel: request_response::ResponseChannel<Answer>, answer: Answer) {
        let _ = self.requests.send_response(channel, answer);
    }

    /// What did not come whole, since start.
    pub fn inbound(&self) -> &Inbound {
        &self.inbound
    }

    /// Who let a request time out, or had more under way than we would, since this was last asked.
    pub fn abusers(&mut self) -> Vec<PeerId> {
        self.accounts.iter().filter(|(_, account)| account.take_abuse()).map(|(peer, _)| *peer).collect()
    }

    /// libp2p's codec is not told whose stream it reads, and is the same for every connection. So a connection's handler
    /// comes from a behaviour that is made for its peer, and whose codec holds that peer's account.
    fn behaviour_for(&mut self, peer: PeerId) -> request_response::Behaviour<Codec> {
        self.accounts.retain(|_, account| Arc::strong_count(account) > 1);
        let account = self.accounts.entry(peer).or_insert_with(|| Account::new(&self.inbound));
        behaviour(&self.protocol, account)
    }
}

fn behaviour(protocol: &StreamProtocol, account: &Arc<Account>) -> request_response::Behaviour<Codec> {
    request_response::Behaviour::with_codec(
        Codec::new(Arc::clone(account)),
        [(protocol.clone(), ProtocolSupport::Full)],
        request_response::Config::default()
            .with_request_timeout(EXCHANGE_TIMEOUT)
            .with_max_concurrent_streams(EXCHANGES_PER_CONNECTION),
    )
}

impl NetworkBehaviour for Exchange {
    type ConnectionHandler = THandler<request_response::Behaviour<Codec>>;
    type ToSwarm = Event;

    // In both of these libp2p's own handler is let go: all it could hold is requests that waited for the connection, and
    // `send_request` lets none wait.
    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.requests.handle_established_inbound_connection(id, peer, local, remote)?;
        self.behaviour_for(peer).handle_established_inbound_connection(id, peer, local, remote)
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        remote: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.requests.handle_established_outbound_connection(id, peer, remote, role, port)?;
        self.behaviour_for(peer).handle_established_outbound_connection(id, peer, remote, role, port)
    }

    fn on_swarm_event(&mut self, event: FromSwarm<'_>) {
        self.requests.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: THandlerOutEvent<Self>) {
        self.requests.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        self.requests.poll(cx)
    }
}
