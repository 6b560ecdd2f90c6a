//! What there is to tell of each room, by record id: manifests and offers in it, and the contacts of their issuers.
//!
//! A contact names no room. It is listed wherever its issuer has something else, so for every issuer we count how much
//! it has in each room; whichever of the two comes first, the other finds it.

use std::collections::BTreeMap;
use std::ops::Bound;

use crate::id::{AgentId, Bytes32};
use crate::market::Contact;
use crate::record::{Record, Verified};
use crate::time::Timestamp;

#[derive(Debug, Default)]
pub(super) struct Rooms {
    rows: BTreeMap<String, BTreeMap<Bytes32, Record>>,
    /// How many manifests and offers an agent has in each room.
    presence: BTreeMap<AgentId, BTreeMap<String, usize>>,
}

/// When a record of a room expires.
pub(super) fn expires(record: &Record) -> Timestamp {
    match record {
        Record::Manifest(manifest) => manifest.expires,
        Record::Offer(offer) => offer.expires,
        Record::Contact(contact) => contact.expires,
        _ => Timestamp(0), // never listed
    }
}

impl Rooms {
    /// Lists a manifest or an offer, and the contact of its issuer with its first.
    pub fn enter(&mut self, room: String, record: &Record, contact: Option<&Verified<Contact>>) {
        let present = self.presence.entry(record.issuer()).or_default().entry(room.clone()).or_insert(0);
        *present += 1;
        let rows = self.rows.entry(room).or_default();
        rows.insert(record.id(), record.clone());
        if let (1, Some(contact)) = (*present, contact) {
            rows.insert(contact.id().untyped(), contact.clone().into());
        }
    }

    /// Takes a manifest or an offer off the list, and the contact of its issuer with its last.
    pub fn leave(&mut self, room: &str, issuer: &AgentId, id: Bytes32, contact: Option<&Verified<Contact>>) {
        self.unlist(room, id);
        let Some(rooms) = self.presence.get_mut(issuer) else { return };
        let Some(present) = rooms.get_mut(room) else { return };
        *present -= 1;
        if *present == 0 {
            rooms.remove(room);
            if rooms.is_empty() {
                self.presence.remove(issuer);
            }
            if let Some(contact) = contact {
                self.unlist(room, contact.id().untyped());
            }
        }
    }

    /// Lists a contact in the rooms its issuer is in.
    pub fn reach(&mut self, contact: &Verified<Contact>) {
        for room in self.presence.get(&contact.issuer()).into_iter().flat_map(BTreeMap::keys) {
            if let Some(rows) = self.rows.get_mut(room) {
                rows.insert(contact.id().untyped(), contact.clone().into());
            }
        }
    }

    /// Takes a contact off the list everywhere.
    pub fn hang_up(&mut self, contact: &Verified<Contact>) {
        for room in self.presence.get(&contact.issuer()).into_iter().flat_map(BTreeMap::keys) {
            if let Some(rows) = self.rows.get_mut(room) {
                rows.remove(&contact.id().untyped());
            }
        }
    }

    /// What is listed in `room` after this id.
    pub fn after(&self, room: &str, after: Option<Bytes32>) -> impl Iterator<Item = &Record> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.rows
            .get(room)
            .into_iter()
            .flat_map(move |rows| rows.range((from, Bound::Unbounded)))
            .map(|(_, record)| record)
    }

    fn unlist(&mut self, room: &str, id: Bytes32) {
        if let Some(rows) = self.rows.get_mut(room) {
            rows.remove(&id);
            if rows.is_empty() {
                self.rows.remove(room);
            }
        }
    }
}
