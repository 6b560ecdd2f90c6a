//! Being reached through others. A node that its peers cannot dial, as far as is known (driver/reach.rs), keeps a place at
//! bootstrap nodes; whoever dials the address it gets there is put through. It is given up when the node can be dialled.
//!
//! libp2p renews a place while the link to the relay lasts, and keeps that link. Here it is asked for, and asked for again
//! when it was refused or lost.

use std::collections::HashMap;
use std::time::Instant;

use libp2p::PeerId;
use libp2p::core::transport::ListenerId;
use libp2p::multiaddr::Protocol;
use libp2p::relay::client;

use super::Driver;
use crate::backoff::Backoff;
use crate::limits::{RELAY_RETRY_FIRST, RELAY_RETRY_LAST, RELAYS};
use crate::scope::is_relayed;

/// Places held or asked for.
pub(super) struct Relays {
    /// The operator wants them, whatever addresses we have.
    always: bool,
    /// As many as there are doors that we were told of.
    at: HashMap<PeerId, Place>,
}

struct Place {
    listener: Option<ListenerId>,
    held: bool,
    backoff: Backoff,
    ask_at: Instant,
}

impl Relays {
    pub fn new(always: bool) -> Self {
        Self { always, at: HashMap::new() }
    }

    /// Where places are held now.
    pub fn held(&self) -> impl Iterator<Item = &PeerId> {
        self.at.iter().filter(|(_, place)| place.held).map(|(peer, _)| peer)
    }
}

impl Driver {
    /// Asks for places that are wanted and not held; gives up those that are not wanted any more.
    pub(super) fn reserve(&mut self, now: Instant) {
        // A bootstrap can be reached, or is of no use.
        let is_node = self.swarm.behaviour().exchange.is_enabled();
        let reachable = self.swarm.external_addresses().any(|address| !is_relayed(address));
        if is_node && !self.relays.always && !reachable && self.may_prove_reachable(now) {
            return;
        }
        if !is_node || (reachable && !self.relays.always) {
            for listener in self.relays.at.drain().filter_map(|(_, place)| place.listener) {
                self.swarm.remove_listener(listener);
            }
            return;
        }
        let open: Vec<_> = self.doors.open().map(|(peer, address)| (peer, address.clone())).collect();
        for (peer, address) in open {
            let taken = self.relays.at.values().filter(|place| place.listener.is_some()).count();
            let place = self.relays.at.entry(peer).or_insert_with(|| Place {
                listener: None,
                held: false,
                backoff: Backoff::new(RELAY_RETRY_FIRST, RELAY_RETRY_LAST),
                ask_at: now,
            });
            if taken >= RELAYS || place.listener.is_some() || now < place.ask_at {
                continue;
            }
            place.ask_at = now + place.backoff.pause();
            match self.swarm.listen_on(address.with(Protocol::P2p(peer)).with(Protocol::P2pCircuit)) {
                Ok(listener) => place.listener = Some(listener),
                Err(error) => tracing::debug!(%error, "no place at a bootstrap node"),
            }
        }
    }

    pub(super) fn on_relayed(&mut self, event: &client::Event) {
        if let client::Event::ReservationReqAccepted { relay_peer_id, renewal, .. } = event
            && let Some(place) = self.relays.at.get_mut(relay_peer_id)
        {
            place.held = true;
            place.backoff.reset();
            if !renewal {
                tracing::info!(relay = %relay_peer_id, "reachable through a bootstrap node");
            }
        }
    }

    pub(super) fn on_listener_closed(&mut self, listener: ListenerId) {
        for place in self.relays.at.values_mut().filter(|place| place.listener == Some(listener)) {
            (place.listener, place.held) = (None, false);
        }
    }
}
