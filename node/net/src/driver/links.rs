//! Links to peers: up and down, who they are, where they and we can be reached, doors into the network.
//!
//! Two connections to one peer are one link. Which of our own addresses we tell is decided in driver/reach.rs.

use std::time::{Duration, Instant};

use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::untrusted::Untrusted;
use libp2p::core::ConnectedPoint;
use libp2p::kad;
use libp2p::multiaddr::Protocol;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{ConnectionError, ConnectionId, DialError, ListenError};
use libp2p::{Multiaddr, PeerId, identify, ping};

use super::Driver;
use crate::handle::{Event, PeerInfo, Severity, Stats};
use crate::lan::{self, Lan};
use crate::limits;
use crate::names::{agent_of, peer_of};
use crate::reach::server::Server;
use crate::scope::{Scope, is_relayed, plausible, scope_of, without_peer};

/// A connected peer.
pub(super) struct Link {
    pub agent: AgentId,
    connections: Vec<Way>,
    outbound: bool,
    since: Instant,
    rtt: Option<Duration>,
    agent_version: Untrusted,
    /// It has said who it is, at least once: identify repeats itself.
    identified: bool,
    /// It is of another network, and will be sent away.
    foreign: bool,
    /// When it was last blamed for requests that did not come whole.
    pub blamed_at: Option<Instant>,
}

/// A connection.
pub(super) struct Way {
    pub id: ConnectionId,
    /// Where it ends.
    pub remote: Multiaddr,
    /// Whether we made it.
    pub outbound: bool,
    since: Instant,
}

impl Link {
    /// Where the peer is, as its first connection shows.
    pub fn remote(&self) -> Option<&Multiaddr> {
        self.connections.first().map(|way| &way.remote)
    }

    /// Whether there is no way to the peer but a relay.
    pub fn is_relayed(&self) -> bool {
        self.connections.iter().all(|way| is_relayed(&way.remote))
    }

    /// TCP connections that no relay is between, and where they end.
    pub fn direct_tcp(&self) -> impl Iterator<Item = (ConnectionId, &Multiaddr)> {
        self.connections.iter().filter(|way| transport(&way.remote) == "tcp").map(|way| (way.id, &way.remote))
    }

    /// Connections that the peer made besides the first, and that have been up for as long as a handshake may take: if they
    /// were there to try whether it can, that has been done.
    pub fn more_inbound(&self, now: Instant) -> impl Iterator<Item = ConnectionId> {
        let spent = move |way: &&Way| !way.outbound && now >= way.since + limits::HANDSHAKE_TIMEOUT;
        self.connections.iter().skip(1).filter(spent).map(|way| way.id)
    }
}

impl Driver {
    pub(super) fn on_established(&mut self, peer: PeerId, connection: ConnectionId, endpoint: &ConnectedPoint) {
        let address = endpoint.get_remote_address().clone();
        let Some(agent) = agent_of(&peer) else {
            // Our handshake knows ed25519 alone; should that change, such a peer is nobody we can name.
            let _ = self.swarm.disconnect_peer_id(peer);
            return;
        };
        let link = self.links.entry(peer).or_insert_with(|| Link {
            agent,
            connections: Vec::new(),
            outbound: endpoint.is_dialer(),
            since: Instant::now(),
            rtt: None,
            agent_version: Untrusted::default(),
            identified: false,
            foreign: false,
            blamed_at: None,
        });
        let now = Instant::now();
        // Nobody dials whom it is linked to, but for a moment when both dial, and for a door that tries whether it can. So a
        // peer that comes again has lost what we still hold for up.
        let again =
            endpoint.is_listener() && !self.doors.is_told(&peer) && self.swarm.behaviour().exchange.is_enabled();
        let (dead, mut live): (Vec<_>, Vec<_>) =
            link.connections.iter().partition(|way| again && now >= way.since + limits::HANDSHAKE_TIMEOUT);
        let way = Way { id: connection, remote: address.clone(), outbound: endpoint.is_dialer(), since: now };
        live.push(&way);
        let direct = live.iter().any(|way| !is_relayed(&way.remote));
        // If there is a better way now, the relay's is not ours to waste.
        let wasted = live.iter().filter(|way| direct && is_relayed(&way.remote)).copied();
        for way in wasted.chain(dead) {
            self.swarm.close_connection(way.id);
        }
        link.connections.push(way);
        if link.connections.len() > 1 {
            return;
        }
        self.doors.linked(&peer);
        self.apply_penalty(&peer);
        self.update_reach();
        self.tell(Event::LinkUp { agent, addr: address.to_string() });
        self.found(&peer);
    }

    pub(super) fn on_closed(
        &mut self,
        peer: PeerId,
        connection: ConnectionId,
        remaining: u32,
        cause: Option<&ConnectionError>,
    ) {
        if let Some(link) = self.links.get_mut(&peer) {
            link.connections.retain(|way| way.id != connection);
        }
        if remaining > 0 {
            return;
        }
        let Some(link) = self.links.remove(&peer) else { return };
        let now = Instant::now();
        if !link.identified {
            let why = "the link ended before it said who it is: it may be full, or refuse us";
            self.on_door_failed(&peer, why.to_owned(), false);
        }
        self.doors.closed(&peer, matches!(cause, Some(ConnectionError::KeepAliveTimeout)), now);
        self.update_reach();
        self.tell(Event::LinkDown { agent: link.agent });
    }

    /// Dials doors whose time has come.
    pub(super) fn knock(&mut self, now: Instant) {
        let lonely = self.links.is_empty() || self.dht_peers() == 0;
        for (peer, addresses) in self.doors.due(now, lonely, |peer| self.links.contains_key(peer)) {
            // Refused if a dial is under way or limits are reached; the next knock will tell.
            if let Err(error) = self.swarm.dial(DialOpts::peer_id(peer).addresses(addresses).build()) {
                tracing::debug!(%error, "door not dialled");
            }
        }
    }

    /// Ends links to peers of other networks, a moment after they came up: the other side shall hear that we are none of
    /// its own, or it would try again.
    pub(super) fn send_strangers_away(&mut self) {
        let strangers = self.links.iter().filter(|(_, link)| link.foreign && link.since.elapsed() >= limits::STRANGER);
        for peer in strangers.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            let _ = self.swarm.disconnect_peer_id(peer);
        }
    }

    /// What mDNS hears. Anybody on the LAN may say anything there: an address is dialled if it can be on a LAN, and the
    /// handshake shows whose it is.
    pub(super) fn on_lan(&mut self, event: lan::Event) {
        let now = Instant::now();
        match event {
            lan::Event::Seen(seen) => {
                for (peer, address) in seen {
                    let near =
                        without_peer(&address, &peer).filter(|a| !is_relayed(a) && scope_of(a) >= Some(Scope::Private));
                    if let (Some(_), Some(address)) = (agent_of(&peer), near) {
                        self.doors.found(peer, address, now);
                    }
                }
                self.update_reach();
            }
            lan::Event::Gone(gone) => {
                for (peer, address) in gone {
                    if let Some(address) = without_peer(&address, &peer) {
                        self.doors.lost(&peer, &address);
                    }
                }
            }
            lan::Event::Flooded => tracing::warn!(
                limit = limits::LAN_ADDRESSES,
                "too many addresses are announced on this LAN; mDNS is off until the next start"
            ),
        }
    }

    fn on_door_failed(&mut self, peer: &PeerId, why: String, foreign: bool) {
        let Some(failure) = self.doors.failed(peer, why.clone(), foreign, Instant::now()) else { return };
        // At once, then after about a minute, then ever more seldom.
        if failure.times > 1 && (failure.times < 8 || !failure.times.is_power_of_two()) {
            return;
        }
        tracing::warn!(
            "{}: {}: {why}; tried {}, and again with pauses of up to a minute; check that it runs, that the address is right, \
             and that no firewall is between",
            if failure.others { "a bootstrap node does not answer" } else { "no bootstrap node answers" },
            failure.addresses.join(", "),
            if failure.times == 1 { "once".to_owned() } else { format!("{} times", failure.times) },
        );
    }

    pub(super) fn on_dial_failed(&mut self, peer: Option<PeerId>, error: &DialError) {
        self.stats.dials_failed += 1;
        if matches!(error, DialError::Denied { .. }) {
            self.stats.connections_refused += 1;
        }
        let Some(peer) = peer else { return };
        if let DialError::Transport(failures) = error {
            for (address, _) in failures {
                if let Some(address) = without_peer(address, &peer) {
                    self.book.failed(&peer, &address);
                }
            }
        }
        self.on_door_failed(&peer, reason(error), false);
        self.search_dial_failed(&peer);
    }

    pub(super) fn on_accept_failed(&mut self, error: &ListenError) {
        if matches!(error, ListenError::Denied { .. }) {
            self.stats.connections_refused += 1;
        } else {
            self.stats.handshakes_failed += 1;
        }
    }

    pub(super) fn on_identify(&mut self, event: identify::Event) {
        let identify::Event::Received { peer_id: peer, connection_id, info } = event else { return };
        if info.protocol_version != self.names.identify() {
            tracing::debug!("a peer of another network");
            let Some(link) = self.links.get_mut(&peer) else { return };
            link.identified = true;
            if !std::mem::replace(&mut link.foreign, true) {
                self.on_door_failed(
                    &peer,
                    "it belongs to another network: see --network here and there".to_owned(),
                    true,
                );
            }
            return;
        }
        let Some(link) = self.links.get_mut(&peer) else { return };
        link.agent_version = sanitised(&info.agent_version);
        let first = !std::mem::replace(&mut link.identified, true);
        let Some(Way { remote, outbound, .. }) = link.connections.iter().find(|way| way.id == connection_id) else {
            return;
        };
        let (remote, outbound) = (remote.clone(), *outbound);
        let addresses: Vec<Multiaddr> =
            plausible(peer, &info.listen_addrs, &remote).take(limits::BOOK_ADDRESSES).collect();
        if info.protocols.contains(&self.names.kad()) {
            for address in &addresses {
                self.swarm.behaviour_mut().kad.add_address(&peer, address.clone());
            }
        }
        self.book.put(peer, addresses.into_iter(), Instant::now());
        if let Some(failures) = self.doors.opened(&peer) {
            tracing::info!(%remote, failures, "bootstrap node reached");
        }
        if outbound {
            self.on_sight(peer, &info.observed_addr, &remote);
        }
        if first && self.doors.is_door(&peer) {
            self.announce_again(Instant::now());
        }
    }

    pub(super) fn on_ping(&mut self, event: ping::Event) {
        match event.result {
            Ok(rtt) => {
                if let Some(link) = self.links.get_mut(&event.peer) {
                    link.rtt = Some(rtt);
                }
            }
            // TCP alone may take a quarter of an hour to notice that the other side is gone.
            Err(ping::Failure::Timeout) => {
                self.swarm.close_connection(event.connection);
            }
            Err(_) => {}
        }
    }

    pub(super) fn on_listeners_changed(&mut self) {
        self.update_reach();
        self.publish_addresses();
    }

    pub(super) fn publish_addresses(&mut self) {
        let addrs = self.usable_addresses();
        let changed = self.addresses.send_if_modified(|told| {
            let changed = *told != addrs;
            told.clone_from(&addrs);
            changed
        });
        if changed {
            self.tell(Event::Listening { addrs });
            self.announce_rooms_again(Instant::now());
        }
    }

    /// What we told peers, or everything we listen on while we told nothing. Widest scope first, relays last.
    pub(super) fn usable_addresses(&self) -> Vec<String> {
        let mut addresses: Vec<&Multiaddr> = self.swarm.external_addresses().collect();
        if addresses.is_empty() {
            addresses = self.swarm.listeners().collect();
        }
        addresses
            .sort_by_key(|address| (is_relayed(address), std::cmp::Reverse(scope_of(address)), address.to_string()));
        let own = *self.swarm.local_peer_id();
        // A relay's ends so already.
        let named = |address: &Multiaddr| address.clone().with_p2p(own).unwrap_or_else(|address| address);
        addresses.into_iter().map(|address| named(address).to_string()).collect()
    }

    pub(super) fn penalize(&mut self, agent: &AgentId, severity: Severity) {
        let peer = peer_of(agent);
        if self.penalties.add(peer, severity, Instant::now()) {
            tracing::info!(%agent, "banned for misconduct");
            // Closes its connections, too.
            self.swarm.behaviour_mut().banned.block_peer(peer);
        }
        self.apply_penalty(&peer);
    }

    fn apply_penalty(&mut self, peer: &PeerId) {
        let penalty = self.penalties.of(peer, Instant::now());
        if let Some(gossip) = self.swarm.behaviour_mut().gossip.as_mut() {
            gossip.set_application_score(peer, -penalty);
        }
    }

    /// Time heals: penalties fade and bans end.
    pub(super) fn forgive(&mut self, now: Instant) {
        self.penalties.expire(now);
        let banned = &mut self.swarm.behaviour_mut().banned;
        let over: Vec<PeerId> =
            banned.blocked_peers().iter().filter(|peer| !self.penalties.is_banned(peer)).copied().collect();
        for peer in over {
            banned.unblock_peer(peer);
        }
        for peer in self.links.keys().copied().collect::<Vec<_>>() {
            self.apply_penalty(&peer);
        }
    }

    pub(super) fn peers(&self) -> Vec<PeerInfo> {
        let gossip = self.swarm.behaviour().gossip.as_ref();
        let mut peers: Vec<PeerInfo> = self
            .links
            .iter()
            .map(|(peer, link)| PeerInfo {
                agent: link.agent,
                addresses: link.connections.iter().map(|way| way.remote.to_string()).collect(),
                transports: link.connections.iter().map(|way| transport(&way.remote)).collect(),
                outbound: link.outbound,
                rtt: link.rtt,
                agent_version: link.agent_version.clone(),
                rooms: self.rooms_with(peer),
                score: gossip.and_then(|gossip| gossip.peer_score(peer)).unwrap_or(0.0),
                connected_for: link.since.elapsed(),
            })
            .collect();
        peers.sort_by_key(|peer| peer.agent);
        peers
    }

    pub(super) fn stats(&mut self) -> Stats {
        let exchange = self.swarm.behaviour().exchange.as_ref();
        let (stalled, broken) = exchange.map_or((0, 0), |e| (e.inbound().stalled(), e.inbound().broken()));
        let prober = self.swarm.behaviour().prober.as_ref();
        let (probes_made, probes_refused) = prober.map_or((0, 0), Server::counts);
        Stats {
            requests_stalled: stalled,
            requests_broken: broken,
            doors: self.doors.report(),
            reach: self.reach(),
            relays: self.relays.held().count() as u64,
            relayed_by: self.relayed_by(),
            probes_made,
            probes_refused,
            mdns: self.swarm.behaviour().lan.as_ref().is_some_and(Lan::is_on),
            links: self.links.len() as u64,
            connections: u64::from(self.swarm.network_info().connection_counters().num_established()),
            dht_peers: self.dht_peers() as u64,
            dht_server: self.swarm.behaviour().kad.mode() == kad::Mode::Server,
            gossip_unsent: self.unsent.len() as u64,
            ..self.stats.clone()
        }
    }
}

fn transport(address: &Multiaddr) -> &'static str {
    match address {
        relayed if is_relayed(relayed) => "relay",
        quic if quic.iter().any(|part| part == Protocol::QuicV1) => "quic",
        _ => "tcp",
    }
}

/// Why a dial failed, in a few words: libp2p's own are a chain of every layer's, for every address.
fn reason(error: &DialError) -> String {
    match error {
        DialError::Transport(failures) => {
            let mut reasons: Vec<String> = failures.iter().map(|(_, error)| root(error)).collect();
            reasons.dedup();
            reasons.join(", ")
        }
        DialError::WrongPeerId { obtained, .. } => format!("another node answers there, {obtained}"),
        DialError::Denied { .. } => "our own limits of connections or memory are reached".to_owned(),
        other => other.to_string(),
    }
}

/// What is at the bottom of an error.
fn root(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string().trim_end_matches('.').to_owned(), root)
}

/// What a peer calls itself may be anything: a bounded number of printable ASCII characters is kept.
fn sanitised(text: &str) -> Untrusted {
    let printable = text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ');
    Untrusted::new(printable.take(limits::AGENT_VERSION_CHARS).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_calls_itself_cannot_reach_a_terminal() {
        assert_eq!(sanitised("gigmesh/1.0\u{1b}[31m\n\u{202e}x").raw(), "gigmesh/1.0[31mx");
        assert_eq!(sanitised(&"x".repeat(5000)).raw().len(), limits::AGENT_VERSION_CHARS);
    }
}
