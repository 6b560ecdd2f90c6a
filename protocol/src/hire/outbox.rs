//! What waits to be sent, by recipient.
//!
//! Soft state: after a restart it is filled again from the chains. A record leaves it when the other side has answered
//! for it, or when it can be of no use any more; until then it is sent again with growing pauses, at once when a link
//! to the recipient comes up. Within one hire order is kept: a record waits while an earlier one is on its way, for whoever
//! gets the later one first does not know the hire, and would put it aside for good.

use std::collections::{BTreeMap, BTreeSet};

use crate::hire::HireId;
use crate::hire::chain::Entry;
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::record::Record;
use crate::time::{Millis, Timestamp};
use crate::wire::Reply;

#[derive(Debug, Clone)]
struct Letter {
    record: Record,
    /// The hire it is about.
    hire: Option<HireId>,
    until: Timestamp,
    flying: bool,
}

impl Letter {
    fn waits(&self, under_way: &BTreeSet<HireId>) -> bool {
        !self.flying && self.hire.is_none_or(|hire| !under_way.contains(&hire))
    }
}

#[derive(Debug, Clone)]
struct Box {
    letters: Vec<Letter>,
    next: Timestamp,
    pause: Millis,
    /// Whether it is there, and asked for patience.
    patient: bool,
}

impl Box {
    /// Hires of which something is on its way.
    fn under_way(&self) -> BTreeSet<HireId> {
        self.letters.iter().filter(|letter| letter.flying).filter_map(|letter| letter.hire).collect()
    }

    /// What can be sent now, in order.
    fn waiting(&mut self) -> impl Iterator<Item = &mut Letter> {
        let under_way = self.under_way();
        self.letters.iter_mut().filter(move |letter| letter.waits(&under_way))
    }

    /// Whether anything can.
    fn can_send(&self) -> bool {
        let under_way = self.under_way();
        self.letters.iter().any(|letter| letter.waits(&under_way))
    }
}

/// The hire a record is about, if that began with an award.
fn hire_of(record: &Record) -> Option<HireId> {
    match record {
        Record::Award(award) => Some(award.id()),
        Record::Rating(rating) => Some(rating.judgement.hire),
        other => Entry::try_from(other.clone()).ok().map(|entry| entry.hire()),
    }
}

/// The outbox of one peer.
#[derive(Debug, Clone, Default)]
pub struct Outbox {
    boxes: BTreeMap<AgentId, Box>,
}

impl Outbox {
    /// Adds a record to be sent until `until`. Twice the same is once; with no room left for a new recipient the record
    /// is not taken, and its machine will offer it again.
    pub fn push(&mut self, now: Timestamp, to: AgentId, record: Record, until: Timestamp) {
        if !self.boxes.contains_key(&to) && self.boxes.len() >= limits::OUTBOX_PEERS {
            return;
        }
        let fresh = Box { letters: Vec::new(), next: now, pause: limits::RETRY_MIN, patient: false };
        let entry = self.boxes.entry(to).or_insert(fresh);
        if entry.letters.iter().all(|letter| letter.record.id() != record.id()) {
            entry.letters.push(Letter { hire: hire_of(&record), record, until, flying: false });
            if entry.patient {
                // It may be what the others wait for.
                entry.next = now;
            }
        }
    }

    /// What to send now: at most one parcel a recipient.
    pub fn due(&mut self, now: Timestamp) -> Vec<(AgentId, Vec<Record>)> {
        let mut parcels = Vec::new();
        self.boxes.retain(|to, entry| {
            entry.letters.retain(|letter| letter.flying || letter.until >= now);
            if entry.next <= now {
                let mut bytes = 0;
                let waiting = entry.waiting().take(limits::PARCEL_ITEMS);
                let fits = waiting.take_while(|letter| {
                    bytes += letter.record.envelope().len() + letter.record.beside().map_or(0, <[u8]>::len) + 64;
                    bytes <= limits::PARCEL
                });
                let records: Vec<Record> = fits
                    .map(|letter| {
                        letter.flying = true;
                        letter.record.clone()
                    })
                    .collect();
                if !records.is_empty() {
                    parcels.push((*to, records));
                }
            }
            !entry.letters.is_empty()
        });
        parcels
    }

    /// A parcel was answered (`Some`), or did not arrive. Returns the records that are settled, with their replies.
    pub fn sent(
        &mut self,
        now: Timestamp,
        to: AgentId,
        ids: &[Bytes32],
        replies: Option<&[Reply]>,
    ) -> Vec<(Record, Reply)> {
        let Some(entry) = self.boxes.get_mut(&to) else { return Vec::new() };
        let reply = |id: &Bytes32| replies.and_then(|replies| replies.get(ids.iter().position(|other| other == id)?));
        let mut settled = Vec::new();
        let mut again = false;
        entry.letters.retain_mut(|letter| {
            let id = letter.record.id();
            if !ids.contains(&id) {
                return true;
            }
            letter.flying = false;
            match reply(&id) {
                None | Some(Reply::Later) => {
                    again = true;
                    true
                }
                Some(reply) => {
                    settled.push((letter.record.clone(), reply.clone()));
                    false
                }
            }
        });
        // One that is there and asks for patience is asked again sooner, and not for ever at the same pace.
        let (was, is) = (entry.patient, again && replies.is_some());
        let longest = if is { limits::LATER_MAX } else { limits::RETRY_MAX };
        entry.patient = is;
        if again {
            if !settled.is_empty() || is != was {
                entry.pause = if is { limits::RETRY_MIN } else { entry.pause };
            }
            entry.next = now + entry.pause;
            entry.pause = Millis(entry.pause.0.saturating_mul(2).min(longest.0));
        } else {
            (entry.next, entry.pause) = (now, limits::RETRY_MIN);
        }
        if entry.letters.is_empty() {
            self.boxes.remove(&to);
        }
        settled
    }

    /// A link to `to` is up: what waits for it need not wait longer.
    pub fn link_up(&mut self, now: Timestamp, to: &AgentId) {
        if let Some(entry) = self.boxes.get_mut(to) {
            (entry.next, entry.pause) = (now, limits::RETRY_MIN);
        }
    }

    /// Takes back what no longer needs to be said.
    pub fn withdraw(&mut self, to: &AgentId, id: &Bytes32) {
        if let Some(entry) = self.boxes.get_mut(to) {
            entry.letters.retain(|letter| letter.record.id() != *id);
        }
    }

    /// What waits for, or is on its way to, `to`.
    pub fn to(&self, to: &AgentId) -> impl Iterator<Item = &Record> {
        self.boxes.get(to).into_iter().flat_map(|entry| entry.letters.iter().map(|letter| &letter.record))
    }

    /// Whether a record still waits for, or is on its way to, `to`.
    pub fn holds(&self, to: &AgentId, id: &Bytes32) -> bool {
        self.to(to).any(|record| record.id() == *id)
    }

    /// When something may next be due.
    pub fn next(&self) -> Option<Timestamp> {
        self.boxes.values().filter(|entry| entry.can_send()).map(|entry| entry.next).min()
    }

    /// Records waiting or on their way.
    pub fn len(&self) -> usize {
        self.boxes.values().map(|entry| entry.letters.len()).sum()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.boxes.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::List;
    use crate::market::Contact;
    use crate::record::{Network, Signer};

    fn signer() -> Signer {
        Signer::new(&[7; 32], Network::new("test"))
    }

    fn letter(seq: u64) -> Record {
        let contact =
            Contact { at: Timestamp(1), ext: Default::default(), seq, addrs: List::default(), expires: Timestamp(2) };
        signer().sign(&contact).into()
    }

    #[test]
    fn one_that_asks_for_patience_for_ever_is_asked_ever_less_often_and_a_new_letter_does_not_wait() {
        let (mut outbox, to) = (Outbox::default(), AgentId([9; 32]));
        let until = Timestamp(u64::MAX);
        outbox.push(Timestamp(0), to, letter(1), until);
        let mut pauses = Vec::new();
        let mut now = Timestamp(0);
        for _ in 0..9 {
            let due = outbox.due(now);
            let ids: Vec<Bytes32> = due[0].1.iter().map(Record::id).collect();
            assert_eq!(outbox.sent(now, to, &ids, Some(&[Reply::Later])), []);
            let next = outbox.next().expect("it waits");
            pauses.push(next.since(now).0 / 1000);
            now = next;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        outbox.push(now, to, letter(2), until);
        assert_eq!(outbox.next(), Some(now), "it may be what the other waits for");
        let ids: Vec<Bytes32> = outbox.due(now)[0].1.iter().map(Record::id).collect();
        assert_eq!(ids.len(), 2);
        let settled = outbox.sent(now, to, &ids, Some(&[Reply::Later, Reply::Kept]));
        assert_eq!(settled.len(), 1);
        assert_eq!(outbox.next(), Some(now + limits::RETRY_MIN), "something moves: soon again");
        // Out of reach it is another matter.
        now = now + limits::RETRY_MIN;
        for _ in 0..12 {
            let ids: Vec<Bytes32> = outbox.due(now)[0].1.iter().map(Record::id).collect();
            outbox.sent(now, to, &ids, None);
            now = outbox.next().expect("it waits");
        }
        let ids: Vec<Bytes32> = outbox.due(now)[0].1.iter().map(Record::id).collect();
        outbox.sent(now, to, &ids, None);
        assert_eq!(outbox.next(), Some(now + limits::RETRY_MAX));
    }
}
