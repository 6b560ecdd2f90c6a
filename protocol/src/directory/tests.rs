use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::codec::{Ext, List, Text};
use crate::market::checks::Checks;
use crate::market::constraint::Properties;
use crate::market::price::Price;
use crate::record::{Network, Signer};
use crate::time::Millis;

const NOW: Timestamp = Timestamp(1_000_000);

fn signer(agent: u8) -> Signer {
    Signer::new(&[agent; 32], Network::new("test"))
}

fn skill(path: &str) -> Skill {
    path.parse().unwrap()
}

fn manifest(agent: u8, seq: u64, expires: u64, skills: &[&str]) -> Verified<Manifest> {
    let entry = |path: &&str| SkillEntry {
        path: skill(path),
        input: None,
        price: Price::free(),
        constraint: None,
        expect: Millis(1),
        output: None,
        properties: Properties::default(),
    };
    signer(agent).sign(&Manifest {
        at: NOW,
        ext: Ext::default(),
        seq,
        name: Text::fit("agent"),
        model: None,
        skills: List::fit(skills.iter().map(entry)),
        expires: NOW + Millis(expires),
        version: Text::default(),
        recovery: None,
        principal: None,
    })
}

fn offer(agent: u8, nonce: u8, seq: u64, expires: u64, slots: u16, path: &str) -> Verified<Offer> {
    signer(agent).sign(&Offer {
        at: NOW,
        ext: Ext::default(),
        max: None,
        seq,
        bids: NOW,
        done: Millis(1),
        agree: None,
        arbiter: None,
        case: None,
        nonce: Bytes32([nonce; 32]),
        skill: skill(path),
        slots,
        constraint: None,
        checks: Checks::default(),
        review: Millis(1),
        expires: NOW + Millis(expires),
        summary: Text::default(),
        milestones: Default::default(),
        properties: Properties::default(),
    })
}

fn contact(agent: u8, seq: u64, expires: u64, addr: &str) -> Verified<Contact> {
    signer(agent).sign(&Contact {
        at: NOW,
        ext: Ext::default(),
        seq,
        addrs: List::fit([Text::fit(addr)]),
        expires: NOW + Millis(expires),
    })
}

fn found(directory: &Directory, wanted: &str) -> Vec<String> {
    directory.agents(NOW, Some(&skill(wanted))).map(|(_, entry)| entry.path.to_string()).collect()
}

#[test]
fn the_higher_seq_counts_and_of_equals_the_lower_id_in_any_order() {
    let (old, a, b) = (manifest(1, 1, 50, &["x"]), manifest(1, 2, 50, &["x"]), manifest(1, 2, 60, &["x"]));
    let winner = if a.id() < b.id() { &a } else { &b };
    for order in [[&old, &a, &b], [&b, &a, &old], [&a, &old, &b], [&old, &b, &a]] {
        let mut directory = Directory::default();
        for manifest in order {
            directory.insert_manifest(NOW, manifest.clone());
        }
        assert_eq!(directory.manifest_of(&old.issuer()), Some(winner));
        assert_eq!(directory.insert_manifest(NOW, winner.clone()), Insert::Stale);
        assert_eq!(directory.counts(), (1, 0, 0));
    }
}

#[test]
fn what_is_expired_or_dated_ahead_is_stale() {
    let mut directory = Directory::default();
    let contact = contact(1, 1, 50, "here");
    assert_eq!(directory.insert_contact(NOW + Millis(50), contact.clone()), Insert::Stale);
    assert_eq!(directory.insert_contact(NOW - limits::AHEAD - Millis(1), contact.clone()), Insert::Stale);
    assert_eq!(directory.insert_contact(NOW - limits::AHEAD, contact), Insert::New);
}

#[test]
fn what_has_expired_is_not_shown_and_then_forgotten() {
    let mut directory = Directory::default();
    directory.insert_manifest(NOW, manifest(1, 1, 10, &["x"]));
    directory.insert_offer(NOW, offer(1, 1, 1, 20, 1, "x"));
    directory.insert_contact(NOW, contact(1, 1, 30, "here"));
    let later = NOW + Millis(30);
    assert_eq!(directory.agents(later, None).count() + directory.offers(later).count(), 0);
    assert_eq!(directory.page(later, "x", None, 9_999, 9).0, []);
    assert!(directory.contact_of(&signer(1).agent(), later).is_empty());
    for end in [10, 20, 30] {
        assert_eq!(directory.next_expiry(), Some(NOW + Millis(end)));
        directory.expire(NOW + Millis(end));
    }
    assert_eq!((directory.counts(), directory.next_expiry()), ((0, 0, 0), None));
    assert!(directory.skills.is_empty() && directory.offer_ids.is_empty());
    assert_eq!(format!("{:?}", directory.rooms), format!("{:?}", Rooms::default()));
}

#[test]
fn an_offer_taken_back_stays_away() {
    let mut directory = Directory::default();
    let (first, back) = (offer(1, 1, 1, 50, 2, "x"), offer(1, 1, 2, 50, 0, "x"));
    let other = offer(1, 2, 1, 40, 1, "x");
    for offer in [&first, &other, &back] {
        assert_eq!(directory.insert_offer(NOW, offer.clone()), Insert::New);
    }
    assert_eq!(directory.insert_offer(NOW, first.clone()), Insert::Stale);
    assert_eq!(directory.offers(NOW).collect::<Vec<_>>(), [&other]);
    assert_eq!((directory.offer(&first.id()), directory.offer(&back.id())), (None, Some(&back)));
    // Whoever catches up hears of it too.
    assert!(directory.page(NOW, "x", None, 9_999, 9).0.contains(&back.into()));
}

#[test]
fn when_full_the_first_to_expire_leaves_unless_it_is_the_new_one() {
    let mut directory = Directory::bounded(2, 2, 2, 2);
    for (agent, expires) in [(1, 30), (2, 20)] {
        assert_eq!(directory.insert_manifest(NOW, manifest(agent, 1, expires, &["x"])), Insert::New);
    }
    assert_eq!(directory.insert_manifest(NOW, manifest(3, 1, 10, &["x"])), Insert::Full);
    assert_eq!(directory.insert_manifest(NOW, manifest(3, 1, 25, &["x"])), Insert::New);
    assert_eq!(directory.manifest_of(&signer(2).agent()), None);
    // A successor needs no place of its own.
    assert_eq!(directory.insert_manifest(NOW, manifest(3, 2, 5, &["x"])), Insert::New);
    assert_eq!(directory.counts().0, 2);
}

#[test]
fn one_issuer_fills_its_own_share_only() {
    let mut directory = Directory::bounded(9, 9, 2, 9);
    let others = offer(2, 1, 1, 1, 1, "x");
    directory.insert_offer(NOW, others.clone());
    for nonce in 1..=3 {
        assert_eq!(directory.insert_offer(NOW, offer(1, nonce, 1, 10 + u64::from(nonce), 1, "x")), Insert::New);
    }
    assert_eq!(directory.insert_offer(NOW, offer(1, 4, 1, 5, 1, "x")), Insert::Full);
    let nonces: Vec<_> =
        directory.offers(NOW).map(|offer| (offer.issuer() == others.issuer(), offer.nonce.0[0])).collect();
    assert_eq!(nonces, [(true, 1), (false, 2), (false, 3)]);
}

#[test]
fn a_search_meets_entries_above_at_and_below_but_no_longer_word() {
    let mut directory = Directory::default();
    directory.insert_manifest(NOW, manifest(1, 1, 50, &["table", "table/sort/fast", "tables", "table-tennis", "text"]));
    directory.insert_manifest(NOW, manifest(2, 1, 50, &["table/sort", "table/sort2", "table/join"]));
    assert_eq!(found(&directory, "table/sort"), ["table", "table/sort", "table/sort/fast"]);
    assert_eq!(found(&directory, "table"), ["table", "table/join", "table/sort", "table/sort/fast", "table/sort2"]);
    assert_eq!(found(&directory, "text/any/thing"), ["text"]);
    assert_eq!(found(&directory, "tab"), [""; 0]);
    assert_eq!(directory.agents(NOW, None).count(), 8);
    // A new manifest takes the old one's skills away.
    directory.insert_manifest(NOW, manifest(1, 2, 50, &["text"]));
    assert_eq!(found(&directory, "table/sort"), ["table/sort"]);
}

#[test]
fn pages_tell_a_room_once_each_in_order_with_the_contacts_of_its_people() {
    let mut directory = Directory::default();
    // Contacts before, after and without anything in the room.
    directory.insert_contact(NOW, contact(1, 1, 50, "one"));
    directory.insert_contact(NOW, contact(9, 1, 50, "nine"));
    for agent in 1..=5 {
        directory.insert_manifest(NOW, manifest(agent, 1, 50, &["x/a", "x/b", "y"]));
    }
    directory.insert_offer(NOW, offer(6, 1, 1, 50, 1, "x/c"));
    directory.insert_contact(NOW, contact(6, 1, 50, "old"));
    directory.insert_contact(NOW, contact(6, 2, 50, "new"));
    let (whole, end) = directory.page(NOW, "x", None, usize::MAX, usize::MAX);
    assert_eq!((whole.len(), end), (5 + 1 + 2, None));
    assert!(whole.is_sorted_by_key(Record::id));
    for (bytes, rows) in [(usize::MAX, 3), (1, 9), (600, 9), (usize::MAX, 8), (0, 0)] {
        let (mut walked, mut cursor) = (Vec::new(), None);
        loop {
            let (page, next) = directory.page(NOW, "x", cursor, bytes, rows);
            assert!(page.len() == 1 || page.iter().map(|record| record.envelope().len()).sum::<usize>() <= bytes);
            walked.extend(page);
            cursor = next;
            if cursor.is_none() {
                break;
            }
        }
        assert_eq!(walked, whole);
    }
    assert_eq!(directory.page(NOW, "z", None, 9_999, 9), (Vec::new(), None));
    // The contact stays as long as its issuer has anything there.
    directory.insert_offer(NOW, offer(6, 1, 2, 50, 0, "y"));
    assert_eq!(directory.page(NOW, "x", None, usize::MAX, 99).0.len(), 5 + 1);
    assert_eq!(directory.page(NOW, "y", None, usize::MAX, 99).0.len(), 5 + 1 + 2);
}

/// The directory as one would write it without an index: the records, and rules in words.
#[derive(Default)]
struct Naive(Vec<Record>);

const BOUNDS: (usize, usize, usize, usize) = (3, 5, 2, 2);

impl Naive {
    /// Kind, issuer and nonce; seq; when it leaves.
    fn facts(record: &Record) -> ((&'static str, AgentId, Bytes32), u64, (Timestamp, Bytes32)) {
        let (nonce, seq) = match record {
            Record::Manifest(manifest) => (Bytes32::default(), manifest.seq),
            Record::Offer(offer) => (offer.nonce, offer.seq),
            Record::Contact(contact) => (Bytes32::default(), contact.seq),
            _ => unreachable!(),
        };
        ((record.kind(), record.issuer(), nonce), seq, (rooms::expires(record), record.id()))
    }

    fn insert(&mut self, now: Timestamp, record: Record) -> Insert {
        let (key, seq, leaves) = Self::facts(&record);
        if leaves.0 <= now {
            return Insert::Stale;
        }
        let rival = self.0.iter().position(|held| Self::facts(held).0 == key);
        if let Some(rival) = rival {
            let (_, held, (_, id)) = Self::facts(&self.0[rival]);
            if held > seq || (held == seq && id <= record.id()) {
                return Insert::Stale;
            }
            self.0.remove(rival);
        } else {
            let kind: Vec<_> = self.0.iter().filter(|held| held.kind() == record.kind()).cloned().collect();
            let own: Vec<_> = kind.iter().filter(|held| held.issuer() == record.issuer()).cloned().collect();
            let (max, share) = match record {
                Record::Manifest(_) => (BOUNDS.0, 1),
                Record::Offer(_) => (BOUNDS.1, BOUNDS.2),
                _ => (BOUNDS.3, 1),
            };
            let crowd = if own.len() >= share {
                own
            } else {
                kind.into_iter().filter(|_| self.count(&record) >= max).collect()
            };
            if let Some(first) = crowd.into_iter().min_by_key(|held| Self::facts(held).2) {
                if leaves < Self::facts(&first).2 {
                    return Insert::Full;
                }
                self.0.retain(|held| *held != first);
            }
        }
        self.0.push(record);
        Insert::New
    }

    fn count(&self, like: &Record) -> usize {
        self.0.iter().filter(|held| held.kind() == like.kind()).count()
    }

    fn room(&self, now: Timestamp, room: &str) -> Vec<Record> {
        let inside = |record: &Record| match record {
            Record::Manifest(manifest) => manifest.skills.iter().any(|entry| entry.path.room(1) == room),
            Record::Offer(offer) => offer.skill.room(1) == room,
            _ => false,
        };
        // Whoever has something there, even if it has expired but was not yet forgotten.
        let people: BTreeSet<_> = self.0.iter().filter(|record| inside(record)).map(Record::issuer).collect();
        let listed = |record: &&Record| match record {
            Record::Contact(contact) => people.contains(&contact.issuer()),
            other => inside(other),
        };
        let mut rows: Vec<_> =
            self.0.iter().filter(listed).filter(|record| rooms::expires(record) > now).cloned().collect();
        rows.sort_by_key(Record::id);
        rows
    }
}

#[derive(Debug, Clone)]
enum Step {
    Insert(Record),
    Pass(u64),
    Expire,
}

fn step() -> impl Strategy<Value = Step> {
    let path = || prop::sample::select(vec!["x", "x/a", "x/a/b", "x-a", "y", "y/a"]);
    let common = || (1..5u8, 0..4u64, 1..60u64);
    prop_oneof![
        4 => (common(), vec(path(), 1..4)).prop_map(|((agent, seq, expires), mut skills)| {
            skills.sort();
            skills.dedup();
            Step::Insert(manifest(agent, seq, expires, &skills).into())
        }),
        4 => (common(), 0..4u8, 0..3u16, path()).prop_map(|((agent, seq, expires), nonce, slots, path)| {
            Step::Insert(offer(agent, nonce, seq, expires, slots, path).into())
        }),
        3 => common().prop_map(|(agent, seq, expires)| Step::Insert(contact(agent, seq, expires, "here").into())),
        1 => (1..15u64).prop_map(Step::Pass),
        1 => Just(Step::Expire),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_index_answers_as_a_plain_list_would(steps in vec(step(), 1..60)) {
        let mut directory = Directory::bounded(BOUNDS.0, BOUNDS.1, BOUNDS.2, BOUNDS.3);
        let (mut naive, mut now) = (Naive::default(), NOW);
        for step in steps {
            match step {
                Step::Insert(record) => {
                    let answer = match record.clone() {
                        Record::Manifest(manifest) => directory.insert_manifest(now, manifest),
                        Record::Offer(offer) => directory.insert_offer(now, offer),
                        Record::Contact(contact) => directory.insert_contact(now, contact),
                        _ => unreachable!(),
                    };
                    prop_assert_eq!(answer, naive.insert(now, record));
                }
                Step::Pass(span) => now = now + Millis(span),
                Step::Expire => {
                    directory.expire(now);
                    naive.0.retain(|record| rooms::expires(record) > now);
                }
            }
            prop_assert_eq!(directory.next_expiry(), naive.0.iter().map(rooms::expires).min());
            for room in ["x", "x-a", "y"] {
                prop_assert_eq!(directory.page(now, room, None, usize::MAX, usize::MAX).0, naive.room(now, room));
            }

            let mut offers: Vec<_> = naive.0.iter().filter_map(|record| match record {
                Record::Offer(offer) if offer.expires > now && offer.slots > 0 => Some(offer),
                _ => None,
            }).collect();
            offers.sort_by_key(|offer| (offer.expires, offer.id()));
            prop_assert_eq!(directory.offers(now).collect::<Vec<_>>(), offers);

            for wanted in [None, Some("x"), Some("x/a"), Some("x/a/b/c"), Some("y/b")] {
                let wanted = wanted.map(skill);
                let fits = |path: &Skill| wanted.as_ref().is_none_or(|wanted| wanted.covers(path) || path.covers(wanted));
                let mut agents: Vec<_> = naive.0.iter().filter_map(|record| match record {
                    Record::Manifest(manifest) if manifest.expires > now => Some(manifest),
                    _ => None,
                }).flat_map(|manifest| manifest.skills.iter().filter(|entry| fits(&entry.path)).map(move |entry| {
                    (entry.path.clone(), manifest.issuer())
                })).collect();
                agents.sort();
                let met: Vec<_> = directory.agents(now, wanted.as_ref()).map(|(manifest, entry)| (entry.path.clone(), manifest.issuer())).collect();
                prop_assert_eq!(met, agents);
            }
        }
    }
}
