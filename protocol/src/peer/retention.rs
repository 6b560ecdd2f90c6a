//! What of the journal is still live, as of one moment: what its compaction goes by. It is a value of its own, so that a
//! compaction may take its time beside the brain. What comes to be meanwhile is in segments that it does not touch.

use std::collections::BTreeSet;

use super::Peer;
use super::event::{Event, Filed, Logged, Subject};
use super::once::Orders;
use crate::hire::HireId;
use crate::id::Id;
use crate::market::{Claim, Offer};
use crate::record::Network;

/// What compaction may do with an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retain {
    /// It is part of the live state.
    Live,
    /// It belongs to something closed long ago, and is found by these.
    Archive(Filed),
}

/// Says of any event whether it is live.
#[derive(Debug, Clone)]
pub struct Retention {
    network: Network,
    hires: BTreeSet<HireId>,
    claims: BTreeSet<Id<Claim>>,
    offers: BTreeSet<Id<Offer>>,
    orders: Orders,
}

impl Retention {
    /// What becomes of an event. One that cannot be read stays.
    pub fn of(&self, event: &[u8]) -> Retain {
        let Ok(logged) = Logged::decode(event, &self.network) else { return Retain::Live };
        let live = match logged.event.subject() {
            Subject::Own => true,
            Subject::Hire(id) => self.hires.contains(&id),
            Subject::Claim(id) => self.claims.contains(&id),
            Subject::Offer(id) => self.offers.contains(&id),
        };
        let live =
            live || matches!(&logged.event, Event::Unposted { order: Some(order), .. } if self.orders.holds(order));
        if live { Retain::Live } else { Retain::Archive(logged.event.filed()) }
    }
}

impl Peer {
    /// What is live once the hires of `past` are forgotten.
    pub fn retention(&self, past: &BTreeSet<HireId>) -> Retention {
        let gone = |id: &HireId| past.contains(id) || !self.durable.hires().contains_key(id);
        let offers = self.durable.postings().iter().filter(|(_, posting)| !posting.is_past(&gone));
        Retention {
            network: self.signer.network(),
            hires: self.durable.hires().keys().filter(|id| !past.contains(id)).copied().collect(),
            claims: self.durable.bids().keys().copied().collect(),
            offers: offers.map(|(id, _)| *id).collect(),
            orders: self.durable.orders().clone(),
        }
    }
}
