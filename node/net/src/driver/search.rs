//! Reaching agents we are not connected to. In: requests that wait for a link. Out: the link, or `Unreachable`.
//!
//! First the hints and the addresses we remember, together; then the contact in the DHT. Every valid contact the query
//! brings is tried, since the first may be an older one. Any link that comes up meanwhile, for whatever reason, ends
//! the search.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use libp2p::kad::{QueryId, Record};
use libp2p::swarm::DialError;
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::{Multiaddr, PeerId};

use super::Driver;
use crate::handle::{Question, RequestError};
use crate::limits;
use crate::names::{Names, agent_of};
use crate::scope::{scope_of, without_peer};

/// The searches under way.
#[derive(Default)]
pub(super) struct Searches(HashMap<PeerId, Search>);

struct Search {
    /// Requests to send once the agent is found.
    waiting: Vec<Question>,
    /// Addresses not yet tried.
    fresh: Vec<Multiaddr>,
    tried: HashSet<Multiaddr>,
    stage: Stage,
    dialling: bool,
    deadline: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Nobody has been asked.
    Known,
    /// The DHT is being asked.
    Asking(QueryId),
    /// The DHT has said all it knows.
    Asked,
}

impl Searches {
    /// Requests waiting in all searches.
    pub fn waiting(&self) -> usize {
        self.0.values().map(|search| search.waiting.len()).sum()
    }
}

impl Search {
    fn learn(&mut self, addresses: impl Iterator<Item = Multiaddr>) {
        for address in addresses.filter(|address| scope_of(address).is_some()) {
            let room = self.tried.len() + self.fresh.len() < limits::DIAL_ADDRESSES * 2;
            if room && !self.tried.contains(&address) && !self.fresh.contains(&address) {
                self.fresh.push(address);
            }
        }
    }
}

impl Driver {
    /// Looks for `peer`, to send it `bytes`.
    pub(super) fn search(&mut self, peer: PeerId, hints: &[String], question: Question) {
        let full = self.searches.0.len() >= limits::SEARCHES;
        let search = match self.searches.0.entry(peer) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(_) if full => {
                return self.fail(question.answer, RequestError::Busy);
            }
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(Search {
                waiting: Vec::new(),
                fresh: Vec::new(),
                tried: HashSet::new(),
                stage: Stage::Known,
                dialling: false,
                deadline: Instant::now() + limits::SEARCH_TIMEOUT,
            }),
        };
        search.waiting.push(question);
        search.learn(addresses(&peer, hints));
        search.learn(self.book.get(&peer).iter().cloned());
        self.step(&peer, true);
    }

    /// Takes the next step of a search that is not waiting for a dial. `known_to_kad`: its table has not been tried.
    fn step(&mut self, peer: &PeerId, known_to_kad: bool) {
        let Some(search) = self.searches.0.get_mut(peer) else { return };
        if search.dialling {
            return;
        }
        if !search.fresh.is_empty() || known_to_kad {
            let addresses: Vec<_> = search.fresh.iter().take(limits::DIAL_ADDRESSES).cloned().collect();
            let dial = DialOpts::peer_id(*peer).addresses(addresses).extend_addresses_through_behaviour().build();
            match self.swarm.dial(dial) {
                Ok(()) => {
                    search.dialling = true;
                    let rest = search.fresh.split_off(search.fresh.len().min(limits::DIAL_ADDRESSES));
                    search.tried.extend(std::mem::replace(&mut search.fresh, rest));
                    return;
                }
                // Somebody else's dial is under way; ours follows if it fails.
                Err(DialError::DialPeerConditionFalse(_)) => {
                    search.dialling = true;
                    return;
                }
                // Too many dials; the tick tries again.
                Err(DialError::Denied { .. }) => return,
                Err(_) => search.tried.extend(search.fresh.drain(..)),
            }
        }
        match search.stage {
            Stage::Asking(_) => {}
            Stage::Known => self.ask_dht(peer),
            Stage::Asked => self.give_up(peer),
        }
    }

    fn ask_dht(&mut self, peer: &PeerId) {
        let Some(agent) = agent_of(peer).filter(|_| self.dht_peers() > 0) else { return self.give_up(peer) };
        if !self.may_query() {
            return;
        }
        let query = self.swarm.behaviour_mut().kad.get_record(Names::contact_key(&agent));
        if let Some(search) = self.searches.0.get_mut(peer) {
            search.stage = Stage::Asking(query);
        }
    }

    fn give_up(&mut self, peer: &PeerId) {
        let Some(search) = self.end(peer) else { return };
        for question in search.waiting {
            self.fail(question.answer, RequestError::Unreachable);
        }
    }

    /// Removes a search, with its query.
    fn end(&mut self, peer: &PeerId) -> Option<Search> {
        let search = self.searches.0.remove(peer)?;
        if let Stage::Asking(id) = search.stage
            && let Some(mut query) = self.swarm.behaviour_mut().kad.query_mut(&id)
        {
            query.finish();
        }
        Some(search)
    }

    /// A link is up: whatever waited for it goes out.
    pub(super) fn found(&mut self, peer: &PeerId) {
        let Some(search) = self.end(peer) else { return };
        for question in search.waiting {
            self.send(peer, question);
        }
    }

    pub(super) fn search_dial_failed(&mut self, peer: &PeerId) {
        if let Some(search) = self.searches.0.get_mut(peer) {
            search.dialling = false;
            self.step(peer, false);
        }
    }

    /// A contact came in. It counts if the owner's filter says so, whoever sent it.
    pub(super) fn on_contact(&mut self, query: QueryId, record: &Record) {
        let Some(peer) = self.searched_by(query) else { return };
        let Some(agent) = agent_of(&peer).filter(|agent| record.key == Names::contact_key(agent)) else { return };
        if record.value.len() > limits::CONTACT_BYTES {
            return;
        }
        let Some(found) = (self.contacts)(&agent, &record.value) else { return };
        if let Some(search) = self.searches.0.get_mut(&peer) {
            search.learn(addresses(&peer, &found));
        }
        self.step(&peer, false);
    }

    pub(super) fn on_contacts_done(&mut self, query: QueryId) {
        let Some(peer) = self.searched_by(query) else { return };
        if let Some(search) = self.searches.0.get_mut(&peer) {
            search.stage = Stage::Asked;
        }
        self.step(&peer, false);
    }

    fn searched_by(&self, query: QueryId) -> Option<PeerId> {
        self.searches.0.iter().find(|(_, search)| search.stage == Stage::Asking(query)).map(|(peer, _)| *peer)
    }

    /// Ends searches whose time is over; gives the others a push, should they have waited for a free place.
    pub(super) fn search_on(&mut self, now: Instant) {
        let peers: Vec<_> = self.searches.0.iter().map(|(peer, search)| (*peer, search.deadline <= now)).collect();
        for (peer, over) in peers {
            if over { self.give_up(&peer) } else { self.step(&peer, false) }
        }
    }
}

/// The addresses in `texts` that parse and may be `peer`'s.
fn addresses<'a>(peer: &'a PeerId, texts: &'a [String]) -> impl Iterator<Item = Multiaddr> + 'a {
    texts.iter().take(limits::DIAL_ADDRESSES).filter_map(|text| without_peer(&text.parse().ok()?, peer))
}
