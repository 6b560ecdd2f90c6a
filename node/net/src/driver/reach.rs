//! From where we can be dialled: which of our addresses are worth telling, whether we serve the DHT, and whether doors
//! must be asked.
//!
//! Among peers on this machine or network, an address that reaches as far as the farthest of them is good. Beyond it
//! nothing is believed but a door's dial: not the address that an interface has, for a firewall may be in front of it, and
//! not what others see, for that may be a NAT's.
//!
//! UPnP is left out: libp2p's drags in two HTTP clients and an XML parser (18 crates) to read what anybody on the LAN
//! answers. A port that is forwarded by hand is found here, and most NATs let a direct connection be made off a relay.

use std::collections::BTreeSet;
use std::time::Instant;

use libp2p::{Multiaddr, PeerId, dcutr, kad};

use super::Driver;
use super::links::Link;
use crate::handle::Reach;
use crate::reach::client;
use crate::scope::{Scope, is_relayed, plausible, scope_of};

impl Driver {
    /// How far the farthest of our peers is, or of those we mean to meet.
    fn farthest(&self) -> Option<Scope> {
        let linked = self.links.values().filter_map(Link::remote);
        linked.filter_map(scope_of).max().or_else(|| self.doors.addresses().filter_map(scope_of).max())
    }

    /// Whether doors must be asked what reaches us.
    fn must_be_dialled(&self) -> bool {
        self.swarm.behaviour().exchange.is_enabled() && self.farthest() == Some(Scope::Global)
    }

    /// Decides which of our addresses are worth telling, and so whether we serve the DHT.
    ///
    /// Those become libp2p's external addresses: they travel with our room entries and make kad a server; with none it
    /// stays a client, so that nobody is sent to an address that cannot work, and we are reached through relays.
    pub(super) fn update_reach(&mut self) {
        let Some(farthest) = self.farthest() else { return };
        // Those through relays come and go by themselves; see driver/relay.rs.
        let ours = |address: &&Multiaddr| !is_relayed(address);
        let is_node = self.swarm.behaviour().exchange.is_enabled();
        let reaching = |address: &&Multiaddr| match scope_of(address) {
            Some(scope) if is_node => scope == farthest,
            // A door tells whoever comes to it of wider ways, too: it relays, and the others may be anywhere.
            scope => scope >= Some(farthest),
        };
        let usable: BTreeSet<Multiaddr> = if self.must_be_dialled() {
            self.trials.dialled().cloned().collect()
        } else {
            self.swarm.listeners().filter(ours).filter(reaching).cloned().collect()
        };
        let told: BTreeSet<Multiaddr> = self.swarm.external_addresses().filter(ours).cloned().collect();
        self.serve_dht_if(!usable.is_empty());
        if usable == told {
            return;
        }
        told.difference(&usable).for_each(|address| self.swarm.remove_external_address(address));
        usable.difference(&told).for_each(|address| self.swarm.add_external_address(address.clone()));
        self.publish_addresses();
    }

    /// kad alone would have whoever listens at a relay serve the DHT through it.
    fn serve_dht_if(&mut self, reachable: bool) {
        if self.swarm.behaviour().exchange.is_enabled() {
            let mode = if reachable { kad::Mode::Server } else { kad::Mode::Client };
            let kad = &mut self.swarm.behaviour_mut().kad;
            if kad.mode() != mode {
                kad.set_mode(Some(mode));
            }
        }
    }

    /// A peer says where it sees a connection that we made to it. Doors that we were told of are heard.
    pub(super) fn on_sight(&mut self, peer: PeerId, sight: &Multiaddr, remote: &Multiaddr) {
        if !self.doors.is_told(&peer) {
            return;
        }
        // A door in our own network sees us as nobody beyond it does.
        let Some(sight) = plausible(peer, [sight], remote).next().filter(|sight| !is_relayed(sight)) else { return };
        if self.trials.moved(&peer, &sight) {
            self.drop_what_the_old_address_held();
        }
        self.trials.seen(peer, sight);
        let sights = self.trials.sights().cloned().collect();
        if let Some(punch) = self.swarm.behaviour_mut().punch.as_mut() {
            punch.seen(sights);
        }
        self.probe(Instant::now());
    }

    /// Our way out has another address: TCP connections that went by the old one are dead, and nobody will say so. Those in
    /// our own network did not leave it, QUIC's move along, and the door's are new.
    fn drop_what_the_old_address_held(&mut self) {
        let dead = self.links.iter().filter(|(peer, _)| !self.doors.is_told(peer));
        let dead =
            dead.flat_map(|(_, link)| link.direct_tcp()).filter(|(_, remote)| scope_of(remote) == Some(Scope::Global));
        let dead: Vec<_> = dead.map(|(id, _)| id).collect();
        if !dead.is_empty() {
            tracing::info!(
                connections = dead.len(),
                "this node is seen at another address; connections by the old one are let go"
            );
        }
        for connection in dead {
            self.swarm.close_connection(connection);
        }
    }

    /// Asks doors to dial us, if it is time to.
    pub(super) fn probe(&mut self, now: Instant) {
        if !self.must_be_dialled() {
            return;
        }
        // The next probe will want their places.
        let tried = self.links.iter().filter(|(peer, _)| self.doors.is_told(peer));
        for connection in tried.flat_map(|(_, link)| link.more_inbound(now)).collect::<Vec<_>>() {
            self.swarm.close_connection(connection);
        }
        self.trials.expire(now);
        if self.trials.is_due(self.swarm.listeners(), now) {
            let may_ask = self.swarm.behaviour().probe.as_ref().is_some_and(client::Client::may_ask);
            if may_ask {
                let addresses = self.trials.round(self.swarm.listeners(), now);
                if let Some(probe) = self.swarm.behaviour_mut().probe.as_mut() {
                    probe.round(&addresses);
                }
            } else {
                // We let it go when there was nothing to say.
                self.doors.wake(now);
            }
        }
        self.update_reach();
    }

    pub(super) fn on_probed(&mut self, client::Event { address, dialled }: &client::Event) {
        let was = self.reach();
        self.trials.tested(address, *dialled, Instant::now());
        tracing::debug!(%address, dialled, "a bootstrap node tried to dial us");
        self.update_reach();
        match self.reach() {
            reach if reach == was => {}
            Reach::Public => tracing::info!(%address, "bootstrap nodes can dial this node"),
            Reach::BehindNat => {
                tracing::info!("bootstrap nodes cannot dial this node: it is behind a NAT or a firewall")
            }
            Reach::Unknown | Reach::Local => {}
        }
    }

    pub(super) fn on_punch(&mut self, dcutr::Event { remote_peer_id, result }: &dcutr::Event) {
        match result {
            Ok(_) => self.stats.punched += 1,
            Err(error) => {
                tracing::debug!(peer = %remote_peer_id, %error, "the way through the relay stays the only one");
                self.stats.punches_failed += 1;
            }
        }
    }

    /// Whether the doors may yet say that we can be dialled, so that no relay is needed.
    pub(super) fn may_prove_reachable(&self, now: Instant) -> bool {
        self.must_be_dialled() && self.trials.undecided(self.swarm.listeners(), now)
    }

    /// See [`Reach`].
    pub(super) fn reach(&self) -> Reach {
        let own = self.swarm.external_addresses().any(|address| !is_relayed(address));
        if self.farthest().is_none() {
            Reach::Unknown
        } else if !self.must_be_dialled() {
            // A door is not asked: it can be dialled from as far as its addresses say, or is of no use.
            if own { Reach::Local } else { Reach::BehindNat }
        } else if own {
            Reach::Public
        } else if self.trials.refused() || !self.trials.undecided(self.swarm.listeners(), Instant::now()) {
            Reach::BehindNat
        } else {
            Reach::Unknown
        }
    }

    /// The bootstrap nodes that keep a place for us.
    pub(super) fn relayed_by(&self) -> Vec<String> {
        let mut relays: Vec<String> = self.relays.held().filter_map(|peer| self.doors.named(peer)).collect();
        relays.sort();
        relays
    }
}
