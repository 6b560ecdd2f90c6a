//! Asks doors to dial us: libp2p's client of autonat v2, a new one each round.
//!
//! In: addresses to try. Out: which of them a door dialled, and which it could not. libp2p's client tries an address once
//! and never again, keeps whatever address any peer names, and believes any peer that calls itself a server. So it gets
//! only what it is given here, from nobody but doors that we were told of, and is made anew for each round; the new one
//! is told of the connections that are up.

use std::collections::{HashMap, HashSet};
use std::task::{Context, Poll};

use either::Either;
use libp2p::autonat::v2::client;
use libp2p::core::transport::PortUse;
use libp2p::core::{ConnectedPoint, Endpoint};
use libp2p::swarm::behaviour::{ConnectionClosed, ConnectionEstablished};
use libp2p::swarm::{
    ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, NewExternalAddrCandidate, THandler, THandlerInEvent,
    THandlerOutEvent, ToSwarm,
};
use libp2p::{Multiaddr, PeerId};

use crate::limits::{PROBE_CANDIDATES, PROBE_PULSE, PROBES_PER_ROUND};

/// What its connections tell: that the peer answers probes or what a probe came to on one side, a dial of the peer's on
/// the other.
type Told = THandlerOutEvent<client::Behaviour>;
type Report = <Told as Sides>::Left;

trait Sides {
    type Left;
}

impl<L, R> Sides for Either<L, R> {
    type Left = L;
}

/// A door dialled an address of ours, or could not.
#[derive(Debug)]
pub struct Event {
    /// Which.
    pub address: Multiaddr,
    /// Whether it could.
    pub dialled: bool,
}

/// See the module.
pub struct Client {
    doors: HashSet<PeerId>,
    inner: client::Behaviour,
    /// All that are up.
    up: HashMap<ConnectionId, (PeerId, ConnectedPoint)>,
    /// Those on which a door said that it dials.
    asked: HashSet<ConnectionId>,
    /// Probes that this round may still send.
    left: usize,
}

impl Client {
    /// Only these are asked.
    pub fn new(doors: HashSet<PeerId>) -> Self {
        Self { doors, inner: inner(), up: HashMap::new(), asked: HashSet::new(), left: 0 }
    }

    /// Whether there is a door to ask.
    pub fn may_ask(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Tries these, and nothing else any more.
    pub fn round(&mut self, addresses: &[Multiaddr]) {
        self.inner = inner();
        self.left = PROBES_PER_ROUND;
        for (id, (peer, endpoint)) in &self.up {
            self.inner.on_swarm_event(FromSwarm::ConnectionEstablished(ConnectionEstablished {
                peer_id: *peer,
                connection_id: *id,
                endpoint,
                failed_addresses: &[],
                other_established: 0,
            }));
            if self.asked.contains(id) {
                self.inner.on_connection_handler_event(*peer, *id, Either::Left(Report::PeerHasServerSupport));
            }
        }
        for addr in addresses {
            self.inner.on_swarm_event(FromSwarm::NewExternalAddrCandidate(NewExternalAddrCandidate { addr }));
        }
    }
}

fn inner() -> client::Behaviour {
    let config = client::Config::default().with_max_candidates(PROBE_CANDIDATES).with_probe_interval(PROBE_PULSE);
    client::Behaviour::new(rand::make_rng(), config)
}

impl NetworkBehaviour for Client {
    type ConnectionHandler = THandler<client::Behaviour>;
    type ToSwarm = Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        self.inner.handle_established_inbound_connection(id, peer, local, remote)
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
        match event {
            FromSwarm::ConnectionEstablished(ConnectionEstablished { peer_id, connection_id, endpoint, .. }) => {
                self.up.insert(connection_id, (peer_id, endpoint.clone()));
            }
            FromSwarm::ConnectionClosed(ConnectionClosed { connection_id, .. }) => {
                self.up.remove(&connection_id);
                self.asked.remove(&connection_id);
            }
            _ => return,
        }
        self.inner.on_swarm_event(event);
    }

    fn on_connection_handler_event(&mut self, peer: PeerId, id: ConnectionId, event: Told) {
        if matches!(event, Either::Left(Report::PeerHasServerSupport)) {
            if !self.doors.contains(&peer) {
                return;
            }
            self.asked.insert(id);
        }
        self.inner.on_connection_handler_event(peer, id, event);
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<ToSwarm<Event, THandlerInEvent<Self>>> {
        loop {
            return Poll::Ready(match std::task::ready!(self.inner.poll(cx)) {
                ToSwarm::GenerateEvent(client::Event { tested_addr, result, .. }) => {
                    ToSwarm::GenerateEvent(Event { address: tested_addr, dialled: result.is_ok() })
                }
                // The event above says so, too; what is made of it is decided elsewhere.
                ToSwarm::ExternalAddrConfirmed(_) => continue,
                ToSwarm::NotifyHandler { peer_id, handler, event } => {
                    // An answer that does not come is asked for again, at each pulse: not for ever.
                    let Some(left) = self.left.checked_sub(1) else { continue };
                    self.left = left;
                    ToSwarm::NotifyHandler { peer_id, handler, event }
                }
                // It does nothing else.
                _ => continue,
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reach::server::Server;
    use futures::StreamExt;
    use libp2p::swarm::{SwarmEvent, dial_opts::DialOpts};
    use libp2p::{Swarm, SwarmBuilder, identify, identity::Keypair, noise, tcp, yamux};
    use std::time::Duration;

    #[derive(NetworkBehaviour)]
    struct Asking {
        identify: identify::Behaviour,
        client: Client,
    }

    #[derive(NetworkBehaviour)]
    struct Answering {
        identify: identify::Behaviour,
        server: Server,
    }

    fn swarm<B: NetworkBehaviour>(behaviour: impl FnOnce(identify::Behaviour) -> B) -> Swarm<B> {
        SwarmBuilder::with_new_identity()
            .with_tokio()
            .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
            .unwrap()
            .with_behaviour(|keys: &Keypair| {
                behaviour(identify::Behaviour::new(identify::Config::new("/test/1".to_owned(), keys.public())))
            })
            .unwrap()
            .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(60)))
            .build()
    }

    async fn listening<B: NetworkBehaviour>(swarm: &mut Swarm<B>, ip: &str) -> Multiaddr {
        swarm.listen_on(format!("/ip4/{ip}/tcp/0").parse().unwrap()).unwrap();
        loop {
            if let SwarmEvent::NewListenAddr { address, .. } = swarm.select_next_some().await {
                return address;
            }
        }
    }

    /// Runs both until the client has heard of so many addresses.
    async fn heard(
        asking: &mut Swarm<Asking>,
        answering: &mut Swarm<Answering>,
        count: usize,
    ) -> Vec<(Multiaddr, bool)> {
        let mut heard = Vec::new();
        let all = async {
            while heard.len() < count {
                tokio::select! {
                    event = asking.select_next_some() => {
                        if let SwarmEvent::Behaviour(AskingEvent::Client(Event { address, dialled })) = event {
                            heard.push((address, dialled));
                        }
                    }
                    _ = answering.select_next_some() => {}
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(30), all).await.expect("a door answers in time");
        heard
    }

    /// Runs both for a few pulses in which nothing may be heard.
    async fn silent(asking: &mut Swarm<Asking>, answering: &mut Swarm<Answering>) {
        let quiet = async {
            loop {
                tokio::select! {
                    event = asking.select_next_some() => {
                        if let SwarmEvent::Behaviour(AskingEvent::Client(event)) = event {
                            return event;
                        }
                    }
                    _ = answering.select_next_some() => {}
                }
            }
        };
        assert!(tokio::time::timeout(PROBE_PULSE * 4, quiet).await.is_err(), "something was heard");
    }

    #[tokio::test]
    async fn a_round_tries_again_what_an_earlier_one_tried_and_a_door_dials_whoever_asks_at_its_own_ip_alone() {
        let mut door = swarm(|identify| Answering { identify, server: Server::default() });
        let address = listening(&mut door, "127.0.0.1").await;
        let name = *door.local_peer_id();
        let mut node = swarm(|identify| Asking { identify, client: Client::new([name].into()) });
        let own = listening(&mut node, "127.0.0.1").await;
        node.dial(DialOpts::peer_id(name).addresses(vec![address]).build()).unwrap();
        // Somebody listens there, but it is not where the one who asks comes from.
        let elsewhere = listening(&mut node, "127.0.0.2").await;
        node.behaviour_mut().client.round(&[own.clone(), elsewhere.clone()]);
        let mut first = heard(&mut node, &mut door, 2).await;
        first.sort();
        let mut expected = vec![(own.clone(), true), (elsewhere, false)];
        expected.sort();
        assert_eq!(first, expected);
        silent(&mut node, &mut door).await;
        node.behaviour_mut().client.round(std::slice::from_ref(&own));
        assert_eq!(heard(&mut node, &mut door, 1).await, [(own.clone(), true)]);
        let nobody: Multiaddr = "/ip4/127.0.0.1/tcp/1".parse().unwrap();
        node.behaviour_mut().client.round(std::slice::from_ref(&nobody));
        assert_eq!(heard(&mut node, &mut door, 1).await, [(nobody, false)]);
    }

    #[tokio::test]
    async fn who_is_no_door_of_ours_is_not_asked() {
        let mut stranger = swarm(|identify| Answering { identify, server: Server::default() });
        let address = listening(&mut stranger, "127.0.0.1").await;
        let mut node = swarm(|identify| Asking { identify, client: Client::new([PeerId::random()].into()) });
        let own = listening(&mut node, "127.0.0.1").await;
        node.dial(address).unwrap();
        node.behaviour_mut().client.round(&[own]);
        silent(&mut node, &mut stranger).await;
        assert!(!node.behaviour().client.may_ask() && node.is_connected(stranger.local_peer_id()));
    }
}
