//! The event loop: one task that owns the swarm and everything the node knows about its links.
//!
//! In: commands of the handle, events of libp2p, a tick. Out: events for the receiver, answers to callers. One file a
//! subject under `driver/`, each an `impl Driver`. Never: an `await` on anything but the next input, an unbounded
//! queue, a panic from what a peer sent.

mod announce;
mod dht;
mod exchange;
mod gossip;
mod links;
mod reach;
mod relay;
mod search;

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::{Duration, Instant};

use futures::StreamExt;
use libp2p::core::transport::{ListenerId, TransportError};
use libp2p::gossipsub::TopicHash;
use libp2p::request_response::OutboundRequestId;
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, Swarm, SwarmBuilder, noise, tcp, yamux};
use tokio::sync::{mpsc, watch};
use tokio::time::MissedTickBehavior;

use crate::behaviour::{Behaviour, BehaviourEvent};
use crate::book::Book;
use crate::claims::Claims;
use crate::config::{Checked, Config, ContactFilter, Role, StartError, probe};
use crate::doors::Doors;
use crate::handle::{Answer, Command, Event, Net, Stats};
use crate::limits;
use crate::names::{Names, agent_of};
use crate::penalties::Penalties;
use crate::reach::Trials;

use announce::Announcements;
use gossip::{Room, Unsent};
use links::Link;
use relay::Relays;
use search::Searches;

/// See the module.
struct Driver {
    swarm: Swarm<Behaviour>,
    names: Names,
    contacts: ContactFilter,
    commands: mpsc::Receiver<Command>,
    outlet: Outlet,
    addresses: watch::Sender<Vec<String>>,
    stats: Stats,
    links: HashMap<PeerId, Link>,
    doors: Doors,
    book: Book,
    penalties: Penalties,
    rooms: HashMap<TopicHash, Room>,
    unsent: Unsent,
    announcements: Announcements,
    claims: Claims,
    searches: Searches,
    relays: Relays,
    trials: Trials,
    requests: HashMap<OutboundRequestId, (PeerId, Answer)>,
    /// When slow housekeeping is due.
    chores_at: Instant,
}

/// How often penalties are forgiven and the DHT store is swept.
const CHORES: Duration = Duration::from_secs(30);

/// A tick of zero would be a busy loop.
const SHORTEST_TICK: Duration = Duration::from_millis(10);

/// Starts a node; the loop runs as a task of the current runtime.
pub(crate) async fn start(config: Config) -> Result<(Net, mpsc::Receiver<Event>), StartError> {
    let Checked { keys, names, listen, doors, lan } = config.check()?;
    let peer = keys.public().to_peer_id();
    let agent = agent_of(&peer).expect("our own key is ed25519");
    let told = doors.iter().map(|(peer, _)| *peer).collect();
    let swarm = swarm(&config, keys, &names, told, lan)?;
    let (command_sender, commands) = mpsc::channel(limits::COMMANDS);
    let (event_sender, events) = mpsc::channel(limits::EVENTS);
    let (address_sender, addresses) = watch::channel(Vec::new());
    let now = Instant::now();
    let mut driver = Driver {
        swarm,
        names: names.clone(),
        contacts: config.contacts,
        commands,
        outlet: Outlet { sender: event_sender },
        addresses: address_sender,
        stats: Stats::default(),
        links: HashMap::new(),
        doors: Doors::told(doors, now),
        book: Book::default(),
        penalties: Penalties::default(),
        rooms: HashMap::new(),
        unsent: Unsent::default(),
        announcements: Announcements::default(),
        claims: Claims::default(),
        searches: Searches::default(),
        relays: Relays::new(config.relay),
        trials: Trials::default(),
        requests: HashMap::new(),
        chores_at: now + CHORES,
    };
    driver.listen(listen).await?;
    driver.update_reach();
    let _ = driver.addresses.send_replace(driver.usable_addresses());
    driver.knock(now);
    tokio::spawn(driver.run((config.heartbeat / 2).max(SHORTEST_TICK)));
    Ok((Net { agent, names, commands: command_sender, addresses }, events))
}

fn swarm(
    config: &Config,
    keys: libp2p::identity::Keypair,
    names: &Names,
    doors: HashSet<PeerId>,
    lan: bool,
) -> Result<Swarm<Behaviour>, StartError> {
    let setup = |e: &dyn std::fmt::Display| StartError::Setup(e.to_string());
    let mut behaviour = Behaviour::new(config, &keys, names, doors, lan)?;
    let idle = match config.role {
        Role::Node => limits::IDLE_TIMEOUT,
        Role::Bootstrap => limits::IDLE_TIMEOUT_BOOTSTRAP,
    };
    Ok(SwarmBuilder::with_existing_identity(keys)
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .map_err(|e| setup(&e))?
        .with_quic_config(|mut quic| {
            // Buffers a peer may make us fill; the defaults are several times that.
            quic.max_stream_data = limits::QUIC_STREAM_BYTES;
            quic.max_connection_data = limits::QUIC_CONNECTION_BYTES;
            quic
        })
        .with_relay_client(noise::Config::new, yamux::Config::default)
        .map_err(|e| setup(&e))?
        .with_behaviour(|_, relayed| {
            behaviour.relayed = Some(relayed).into();
            behaviour
        })
        .map_err(|e| setup(&e))?
        // Addresses of one peer are tried in order of promise, so that TCP and QUIC do not race into two connections.
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(idle).with_smart_dial())
        .with_connection_timeout(limits::HANDSHAKE_TIMEOUT)
        .build())
}

impl Driver {
    async fn run(mut self, beat: Duration) {
        // gossipsub 0.50.1 resets its heartbeat timer without registering a waker: on an idle node the heartbeat
        // stalls until something else has the swarm polled. The tick is that something (tests/it/heartbeat.rs).
        let mut tick = tokio::time::interval(beat);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let farewell = loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                command = self.commands.recv() => match command {
                    Some(Command::Shutdown(done)) => break Some(done),
                    Some(command) => self.on_command(command),
                    None => break None,
                },
                _ = tick.tick() => self.on_tick(Instant::now()),
            }
        };
        self.say_farewell().await;
        drop(self);
        if let Some(done) = farewell {
            let _ = done.send(());
        }
    }

    /// Closes every connection, so that peers learn of it now and not by a timeout.
    async fn say_farewell(&mut self) {
        for peer in self.links.keys().copied().collect::<Vec<_>>() {
            // An error means that it is closed already.
            let _ = self.swarm.disconnect_peer_id(peer);
        }
        let closed = async {
            while self.swarm.connected_peers().next().is_some() {
                self.swarm.select_next_some().await;
            }
        };
        let _ = tokio::time::timeout(limits::FAREWELL, closed).await;
    }

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Follow(room) => self.follow(room),
            Command::Unfollow(room) => self.unfollow(&room),
            Command::Publish { room, bytes } => self.publish(&room, bytes),
            Command::Verdict(token, verdict) => self.on_verdict(&token, verdict),
            Command::Request { to, hints, question } => self.request(to, &hints, question),
            Command::Announce(contact) => self.announce_contact(contact),
            Command::Penalize(agent, severity) => self.penalize(&agent, severity),
            Command::Peers(reply) => drop(reply.send(self.peers())),
            Command::Stats(reply) => drop(reply.send(self.stats())),
            Command::Shutdown(_) => unreachable!("the loop ends on it"),
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(event) => self.on_behaviour(event),
            SwarmEvent::ConnectionEstablished { peer_id, connection_id, endpoint, .. } => {
                self.on_established(peer_id, connection_id, &endpoint);
            }
            SwarmEvent::ConnectionClosed { peer_id, connection_id, num_established, cause, .. } => {
                self.on_closed(peer_id, connection_id, num_established, cause.as_ref());
            }
            SwarmEvent::OutgoingConnectionError { peer_id, error, .. } => self.on_dial_failed(peer_id, &error),
            SwarmEvent::IncomingConnectionError { error, .. } => self.on_accept_failed(&error),
            SwarmEvent::NewListenAddr { .. }
            | SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ExternalAddrConfirmed { .. }
            | SwarmEvent::ExternalAddrExpired { .. } => self.on_listeners_changed(),
            SwarmEvent::ListenerClosed { listener_id, .. } => {
                self.on_listener_closed(listener_id);
                self.on_listeners_changed();
            }
            SwarmEvent::ListenerError { error, .. } => tracing::warn!(%error, "a listener reports an error"),
            // Candidates are what peers claim to see, ephemeral ports included. Never confirmed on their word.
            SwarmEvent::NewExternalAddrCandidate { .. } => {}
            _ => {}
        }
    }

    fn on_behaviour(&mut self, event: BehaviourEvent) {
        match event {
            BehaviourEvent::Identify(event) => self.on_identify(event),
            BehaviourEvent::Ping(event) => self.on_ping(event),
            BehaviourEvent::Kad(event) => self.on_kad(event),
            // What a bootstrap does for others is bounded, and nobody's business.
            BehaviourEvent::Relay(_) => {}
            BehaviourEvent::Relayed(event) => self.on_relayed(&event),
            BehaviourEvent::Punch(event) => self.on_punch(&event),
            BehaviourEvent::Probe(event) => self.on_probed(&event),
            BehaviourEvent::Lan(event) => self.on_lan(event),
            BehaviourEvent::Gossip(event) => self.on_gossip(event),
            BehaviourEvent::Exchange(event) => self.on_exchange(event),
            BehaviourEvent::Connections(never)
            | BehaviourEvent::Callers(never)
            | BehaviourEvent::Memory(never)
            | BehaviourEvent::Banned(never)
            | BehaviourEvent::Prober(never) => match never {},
        }
    }

    fn on_tick(&mut self, now: Instant) {
        self.send_strangers_away();
        self.blame_abusers(now);
        self.knock(now);
        self.probe(now);
        self.reserve(now);
        self.announce(now);
        self.look_for_members(now);
        self.search_on(now);
        self.retry_unsent(now);
        if now >= self.chores_at {
            self.chores_at = now + CHORES;
            self.forgive(now);
            self.claims.prune(self.swarm.behaviour_mut().kad.store_mut(), now);
        }
    }

    /// Listens on every address, or on none: the first failure is the caller's answer.
    async fn listen(&mut self, addresses: Vec<Multiaddr>) -> Result<(), StartError> {
        let mut awaited: HashMap<ListenerId, Multiaddr> = HashMap::new();
        for address in addresses {
            probe(&address)?;
            let listener = self.swarm.listen_on(address.clone()).map_err(|e| match e {
                TransportError::MultiaddrNotSupported(address) => StartError::Unsupported(address.to_string()),
                TransportError::Other(source) => StartError::listen(&address, source),
            })?;
            awaited.insert(listener, address);
        }
        let deadline = tokio::time::sleep(limits::LISTEN_TIMEOUT);
        tokio::pin!(deadline);
        while !awaited.is_empty() {
            let event = tokio::select! {
                event = self.swarm.select_next_some() => event,
                () = &mut deadline => {
                    let address = awaited.values().next().map(ToString::to_string).unwrap_or_default();
                    return Err(StartError::Listen { address, source: io::ErrorKind::TimedOut.into() });
                }
            };
            match event {
                SwarmEvent::NewListenAddr { listener_id, .. } => drop(awaited.remove(&listener_id)),
                SwarmEvent::ListenerClosed { listener_id, reason: Err(source), .. } => {
                    let address = awaited.remove(&listener_id).map(|a| a.to_string()).unwrap_or_default();
                    return Err(StartError::Listen { address, source });
                }
                event => self.on_swarm(event),
            }
        }
        Ok(())
    }
}

/// The event channel, seen from the loop.
struct Outlet {
    sender: mpsc::Sender<Event>,
}

impl Outlet {
    /// For what may be dropped: false if only reserved places are left.
    fn offer(&self, event: Event) -> bool {
        self.sender.capacity() > limits::EVENTS_RESERVED && self.sender.try_send(event).is_ok()
    }
}

impl Driver {
    /// For what must not be dropped: takes a reserved place if need be.
    fn tell(&mut self, event: Event) {
        if self.outlet.sender.try_send(event).is_err() {
            self.stats.events_lost += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gigmesh_protocol::id::AgentId;

    #[test]
    fn what_may_be_dropped_leaves_places_for_what_may_not() {
        let (sender, mut events) = mpsc::channel(limits::EVENTS);
        let outlet = Outlet { sender };
        let request = || Event::LinkDown { agent: AgentId([0; 32]) };
        let taken = (0..limits::EVENTS).take_while(|_| outlet.offer(request())).count();
        assert_eq!(taken, limits::EVENTS - limits::EVENTS_RESERVED);
        assert!(outlet.sender.try_send(request()).is_ok());
        assert!(!outlet.offer(request()));
        events.try_recv().unwrap();
        events.try_recv().unwrap();
        assert!(outlet.offer(request()));
    }
}
