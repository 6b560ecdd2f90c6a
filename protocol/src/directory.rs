//! Who is here now: the live manifests, offers and contacts, an index over them, and what can be asked of it.
//!
//! In come verified records and the time; out come borrowed records in a stable order. It is a soft cache: all of it can
//! be had again from the network, so none of it is ever written down. It is bounded by `limits.rs` whoever sends what,
//! and no answer contains a record that has expired by the time asked about.

mod rooms;
mod shelf;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::{Contact, Manifest, Offer, Skill, SkillEntry};
use crate::record::{Record, Verified};
use crate::time::Timestamp;
use rooms::Rooms;
use shelf::Shelf;

/// What became of a record handed to the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Insert {
    /// It is held now, in place of what it replaces.
    New,
    /// Held already, superseded, expired, or dated more than [`limits::AHEAD`] ahead.
    Stale,
    /// There is no place, and it would have been the first to leave.
    Full,
}

/// The soft cache of the market's public records.
///
/// Of an issuer's records with one key (a manifest and a contact have one, an offer its nonce) the highest `seq` is held,
/// of equals the lower id. A record is remembered until it expires and no longer: whoever replaces or takes back a record
/// gives the newer one at least the life of the older, or an old copy may come back.
#[derive(Debug)]
pub struct Directory {
    manifests: Shelf<Manifest>,
    offers: Shelf<Offer>,
    contacts: Shelf<Contact>,
    /// Who names this path in its manifest.
    skills: BTreeMap<String, BTreeSet<AgentId>>,
    offer_ids: BTreeMap<Id<Offer>, Verified<Offer>>,
    rooms: Rooms,
}

impl Default for Directory {
    fn default() -> Self {
        Self::bounded(limits::MANIFESTS, limits::OFFERS, limits::OFFERS_PER_ISSUER, limits::CONTACTS)
    }
}

impl Directory {
    fn bounded(manifests: usize, offers: usize, offers_per_issuer: usize, contacts: usize) -> Self {
        Self {
            manifests: Shelf::new(manifests, 1),
            offers: Shelf::new(offers, offers_per_issuer),
            contacts: Shelf::new(contacts, 1),
            skills: BTreeMap::new(),
            offer_ids: BTreeMap::new(),
            rooms: Rooms::default(),
        }
    }

    /// Takes a manifest; when full, what expires soonest makes place.
    pub fn insert_manifest(&mut self, now: Timestamp, manifest: Verified<Manifest>) -> Insert {
        match self.manifests.insert(now, &manifest) {
            Ok(gone) => {
                gone.iter().for_each(|gone| self.unlist_manifest(gone));
                for entry in manifest.skills.iter() {
                    self.skills.entry(entry.path.as_str().to_owned()).or_default().insert(manifest.issuer());
                }
                for room in rooms_of(&manifest) {
                    self.enter(room, manifest.clone().into());
                }
                Insert::New
            }
            Err(refused) => refused,
        }
    }

    /// Takes an offer; one without slots takes the older ones of its nonce back and is remembered as such.
    pub fn insert_offer(&mut self, now: Timestamp, offer: Verified<Offer>) -> Insert {
        match self.offers.insert(now, &offer) {
            Ok(gone) => {
                gone.iter().for_each(|gone| self.unlist_offer(gone));
                self.offer_ids.insert(offer.id(), offer.clone());
                self.enter(offer.skill.room(limits::ROOM_DEPTH), offer.into());
                Insert::New
            }
            Err(refused) => refused,
        }
    }

    /// Takes a contact, whether or not anything else of its issuer is held.
    pub fn insert_contact(&mut self, now: Timestamp, contact: Verified<Contact>) -> Insert {
        match self.contacts.insert(now, &contact) {
            Ok(gone) => {
                gone.iter().for_each(|gone| self.rooms.hang_up(gone));
                self.rooms.reach(&contact);
                Insert::New
            }
            Err(refused) => refused,
        }
    }

    /// Forgets what has expired by `now`.
    pub fn expire(&mut self, now: Timestamp) {
        while let Some(gone) = self.manifests.pop_expired(now) {
            self.unlist_manifest(&gone);
        }
        while let Some(gone) = self.offers.pop_expired(now) {
            self.unlist_offer(&gone);
        }
        while let Some(gone) = self.contacts.pop_expired(now) {
            self.rooms.hang_up(&gone);
        }
    }

    /// When [`Directory::expire`] next has something to forget.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        let soonest = [self.manifests.next_expiry(), self.offers.next_expiry(), self.contacts.next_expiry()];
        soonest.into_iter().flatten().min()
    }

    /// The manifest held of an agent; expired at most since the last [`Directory::expire`].
    pub fn manifest_of(&self, agent: &AgentId) -> Option<&Verified<Manifest>> {
        self.manifests.get(agent)
    }

    /// Whether an agent takes part in the market as far as we know: it has a manifest or an offer here.
    pub fn has(&self, agent: &AgentId) -> bool {
        self.manifests.has(agent) || self.offers.has(agent)
    }

    /// Addresses of an agent, best first; none if it is not known how to reach it.
    pub fn contact_of(&self, agent: &AgentId, now: Timestamp) -> Vec<String> {
        let live = self.contacts.get(agent).filter(|contact| contact.expires > now);
        live.map(|contact| contact.addrs.iter().map(ToString::to_string).collect()).unwrap_or_default()
    }

    /// The live offers, without those taken back: by expiry, then id.
    pub fn offers(&self, now: Timestamp) -> impl Iterator<Item = &Verified<Offer>> {
        self.offers.live(now).filter(|offer| offer.slots > 0)
    }

    /// The offer of this id, even one taken back; expired at most since the last [`Directory::expire`].
    pub fn offer(&self, id: &Id<Offer>) -> Option<&Verified<Offer>> {
        self.offer_ids.get(id)
    }

    /// Entries of live manifests that lie at, above or below `skill` (all without one): the wider path first, then by
    /// path and agent. An agent is met once for each entry that fits. Costs what it yields, not what is held.
    pub fn agents<'a>(
        &'a self,
        now: Timestamp,
        skill: Option<&Skill>,
    ) -> impl Iterator<Item = (&'a Verified<Manifest>, &'a SkillEntry)> + use<'a> {
        let mut upwards: Vec<_> = std::iter::successors(skill.cloned(), Skill::parent)
            .filter_map(|path| self.skills.get_key_value(path.as_str()))
            .collect();
        upwards.reverse();
        // Everything below `a/b` starts with `a/b/`, and '0' is the character after '/'.
        let ends = skill.map(|skill| (format!("{skill}/"), format!("{skill}0")));
        let below = self.skills.range::<str, _>(match &ends {
            Some((from, to)) => (Bound::Included(from.as_str()), Bound::Excluded(to.as_str())),
            None => (Bound::Unbounded, Bound::Unbounded),
        });
        upwards.into_iter().chain(below).flat_map(move |(path, agents)| {
            agents.iter().filter_map(move |agent| {
                let manifest = self.manifests.get(agent).filter(|manifest| manifest.expires > now)?;
                Some((manifest, manifest.skills.iter().find(|entry| entry.path.as_str() == path)?))
            })
        })
    }

    /// One page of what is known of a room, in order of record id, for a peer that catches up: manifests with a skill in
    /// it, its offers (those taken back too, or the reader would believe an older copy), and contacts of their issuers.
    ///
    /// Ends at `max_rows` or before `max_bytes` of envelopes, but has at least one row if any is left. The cursor is the
    /// last id of the page, absent at the end; it stays good whatever comes and goes in between.
    pub fn page(
        &self,
        now: Timestamp,
        room: &str,
        after: Option<Bytes32>,
        max_bytes: usize,
        max_rows: usize,
    ) -> (Vec<Record>, Option<Bytes32>) {
        let (mut page, mut bytes) = (Vec::new(), 0);
        for record in self.rooms.after(room, after).filter(|record| rooms::expires(record) > now) {
            bytes += record.envelope().len();
            if !page.is_empty() && (bytes > max_bytes || page.len() >= max_rows) {
                let cursor = page.last().map(Record::id);
                return (page, cursor);
            }
            page.push(record.clone());
        }
        (page, None)
    }

    /// How many manifests, offers (those taken back included) and contacts are held.
    pub fn counts(&self) -> (usize, usize, usize) {
        (self.manifests.len(), self.offers.len(), self.contacts.len())
    }

    fn enter(&mut self, room: String, record: Record) {
        self.rooms.enter(room, &record, self.contacts.get(&record.issuer()));
    }

    fn unlist_manifest(&mut self, gone: &Verified<Manifest>) {
        for entry in gone.skills.iter() {
            if let Some(agents) = self.skills.get_mut(entry.path.as_str()) {
                agents.remove(&gone.issuer());
                if agents.is_empty() {
                    self.skills.remove(entry.path.as_str());
                }
            }
        }
        for room in rooms_of(gone) {
            self.rooms.leave(&room, &gone.issuer(), gone.id().untyped(), self.contacts.get(&gone.issuer()));
        }
    }

    fn unlist_offer(&mut self, gone: &Verified<Offer>) {
        self.offer_ids.remove(&gone.id());
        let room = gone.skill.room(limits::ROOM_DEPTH);
        self.rooms.leave(&room, &gone.issuer(), gone.id().untyped(), self.contacts.get(&gone.issuer()));
    }
}

fn rooms_of(manifest: &Manifest) -> BTreeSet<String> {
    manifest.skills.iter().map(|entry| entry.path.room(limits::ROOM_DEPTH)).collect()
}

#[cfg(test)]
mod tests;
