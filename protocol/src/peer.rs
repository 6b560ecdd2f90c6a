//! The brain: one market peer, composed of the directory, the reputation model, the hires and the outbox.
//!
//! In: [`io::Input`]. Out: [`io::Output`], in the order in which they must be carried out. Durable state is a type of its
//! own, [`Durable`], changed only by the events that live and replayed peers apply alike. Everything else (directory,
//! outbox, what is under way) is soft and found again by asking the machines what they would do next.
//!
//! ```text
//!  Input --> handle --> machines decide --> commit(event) --> Persist + apply --> sends, work, notices
//!                          ^                                        |
//!                          '------------- asked again -------------'
//! ```

mod appeal;
mod choosing;
mod durable;
pub mod effects;
pub mod event;
mod hearing;
mod held;
mod hiring;
pub mod io;
mod life;
mod money;
mod objections;
pub mod once;
mod orders;
mod pull;
pub mod query;
mod refused;
mod retention;
mod serving;
pub mod view;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use rand_core::CryptoRng;

use crate::directory::Directory;
use crate::hire::chain::Entry;
use crate::hire::outbox::Outbox as Letters;
use crate::hire::{Hire, HireId, Side};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::{Claim, Contact, Manifest, Offer, Rating, Skill};
use crate::record::{Record, Refusal, Signer, Verified};
use crate::reputation::{Model, WalkBeta};
use crate::time::{Millis, Timestamp};
use event::Event;
use io::{Config, Input, Origin, Outbox, Output, PassedRow};
use pull::Pull;

pub use durable::Durable;
pub use held::Held;
pub use hiring::{Asked, Posting, PostingEnd};
pub use objections::Objection;
pub use retention::{Retain, Retention};
pub use serving::Bid;

use durable::Applied;
use hiring::Auction;

/// Why a journal cannot be replayed: it was written by another release, or is not this peer's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {number} of the journal cannot be read: {why}")]
pub struct RestoreError {
    /// Which event, from 1.
    pub number: u64,
    /// Why.
    pub why: Refusal,
}

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    Hire(HireId),
    Posting(Id<Offer>),
    Bid(Id<Claim>),
    Renew,
    Look,
    /// Walks are not at their end.
    Walk,
    /// Whom walks reach is to be looked at.
    Frontier,
}

/// Work under way outside the brain for one hire, or a pause before it is tried again. Soft.
#[derive(Debug, Clone, Copy)]
struct Busy {
    again: Option<Timestamp>,
    tries: u32,
}

/// One market peer.
pub struct Peer {
    config: Config,
    signer: Signer,
    rng: Box<dyn CryptoRng + Send>,
    /// What the journal rebuilds: [`Durable::commit`] and [`Durable::forget`] alone change it.
    durable: Durable,
    // Soft.
    reputation: WalkBeta,
    /// Claims received on postings of mine.
    auctions: BTreeMap<Id<Offer>, Auction>,
    directory: Directory,
    letters: Letters,
    busy: BTreeMap<HireId, Busy>,
    /// Hires whose agent has, or will have, work to do: they count against `parallel`.
    load: BTreeSet<HireId>,
    open: usize,
    wakes: BTreeSet<(Timestamp, Wake)>,
    wake_of: BTreeMap<Wake, Timestamp>,
    rooms: BTreeSet<String>,
    /// Whom we are catching up with: the last cursor, and how many pages we still ask for.
    paging: BTreeMap<(AgentId, String), (Bytes32, u32)>,
    /// Ratings of others that we ask for.
    pull: Pull,
    /// Offers and claims that came to nothing, the newest last.
    passed: VecDeque<PassedRow>,
    /// Offers whose checks cannot be run; `limits::OFFERS` at most.
    unrunnable: BTreeSet<Id<Offer>>,
    /// Offers whose requester did not want my claim; `limits::OFFERS` at most.
    turned_down: BTreeSet<Id<Offer>>,
    manifest: Option<Verified<Manifest>>,
    contact: Option<Verified<Contact>>,
    addresses: Vec<String>,
    last_seq: u64,
    /// Bytes that the body has room for, for inputs; any number until it says.
    room: u64,
    hungry: bool,
    /// Hires to be asked again because of what became of others.
    restless: BTreeSet<HireId>,
}

impl Peer {
    /// Rebuilds a peer from its journal and the ratings it keeps, and says what must be done first.
    ///
    /// `events` are the journal's, in order; `ratings` may come in any order.
    pub fn restore(
        config: Config,
        signer: Signer,
        rng: Box<dyn CryptoRng + Send>,
        now: Timestamp,
        events: impl IntoIterator<Item = Vec<u8>>,
        ratings: impl IntoIterator<Item = Verified<Rating>>,
    ) -> Result<(Self, Outbox), RestoreError> {
        let (mut peer, mut out) = Self::replay(config, signer, rng, events, ratings)?;
        peer.resume(now, &mut out);
        Ok((peer, out))
    }

    /// What the journal says, and nothing that follows from it: no time passes, nothing is decided, drawn or signed, and
    /// the peer does nothing before it is resumed. The outputs are ratings of its own that the store has lost.
    pub fn replay(
        config: Config,
        signer: Signer,
        rng: Box<dyn CryptoRng + Send>,
        events: impl IntoIterator<Item = Vec<u8>>,
        ratings: impl IntoIterator<Item = Verified<Rating>>,
    ) -> Result<(Self, Outbox), RestoreError> {
        let mut reputation = WalkBeta::default();
        for rating in ratings {
            reputation.insert(&rating);
        }
        let mut out = Outbox::new();
        let durable = Durable::replay(&signer.network(), events, |rating| {
            // A rating of mine that the store has lost goes back into it.
            if reputation.insert(&rating) {
                out.push(Output::Keep(Box::new(rating.into())));
            }
        })?;
        let peer = Self {
            config,
            signer,
            rng,
            durable,
            reputation,
            auctions: BTreeMap::new(),
            directory: Directory::default(),
            letters: Letters::default(),
            busy: BTreeMap::new(),
            load: BTreeSet::new(),
            open: 0,
            wakes: BTreeSet::new(),
            wake_of: BTreeMap::new(),
            rooms: BTreeSet::new(),
            paging: BTreeMap::new(),
            pull: Pull::default(),
            passed: VecDeque::new(),
            unrunnable: BTreeSet::new(),
            turned_down: BTreeSet::new(),
            manifest: None,
            contact: None,
            addresses: Vec::new(),
            last_seq: 0,
            room: u64::MAX,
            hungry: true,
            restless: BTreeSet::new(),
        };
        Ok((peer, out))
    }

    /// Starts what a replayed state asks for: rooms, timers, letters, work. Once, after [`Peer::replay`].
    pub fn resume(&mut self, now: Timestamp, out: &mut Outbox) {
        // Only now is somebody watching: what was read in any order is looked at once.
        self.watch();
        self.reputation.settle(now.day());
        let skills: Vec<Skill> = self.config.skills.iter().map(|serving| serving.entry.path.clone()).collect();
        for skill in skills {
            self.follow(&skill, out);
        }
        self.renew(now, out);
        let hires: Vec<HireId> =
            self.durable.hires().iter().filter(|(_, hire)| !hire.through).map(|(id, _)| *id).collect();
        for id in hires {
            self.open += usize::from(self.durable.hire(&id).is_some_and(|hire| hire.closed.is_none()));
            self.resend(now, id);
            self.advance(now, id, out);
        }
        let postings: Vec<_> =
            self.durable.postings().iter().filter(|(_, p)| p.closed.is_none()).map(|(id, _)| *id).collect();
        for id in postings {
            self.announce_posting(now, id, out);
            self.advance_posting(now, id, out);
        }
        let bids: Vec<_> = self.durable.bids().keys().copied().collect();
        for id in bids {
            self.repeat_bid(now, id, out);
        }
        self.finish(now, out);
    }

    /// This peer's name.
    pub fn agent(&self) -> AgentId {
        self.signer.agent()
    }

    /// Takes one input and appends what is to be done to `out`.
    pub fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outbox) {
        match input {
            Input::Record { from, origin, record } => {
                let verdict = self.hear(now, from, record, out);
                if let Origin::Gossip(token) = origin {
                    out.push(Output::Verdict(token, verdict));
                }
            }
            Input::Parcel { from, token, items } => self.on_parcel(now, from, token, items, out),
            Input::Sent { to, ids, replies } => self.on_sent(now, to, &ids, replies.as_deref(), out),
            Input::LinkUp(agent) => {
                self.letters.link_up(now, &agent);
                self.ask_again(agent);
                self.fetch_again(now, agent, out);
                // A requester that was away has lost the claims it held in memory.
                let bids = self.durable.bids().iter().filter(|(_, bid)| bid.claim.requester == agent);
                for id in bids.map(|(id, _)| *id).collect::<Vec<_>>() {
                    self.repeat_bid(now, id, out);
                }
            }
            Input::Room(bytes) => self.room = bytes,
            Input::RoomMember { room, agent } => {
                if self.rooms.contains(&room) {
                    self.pull.meet(agent);
                }
                let asked = self.paging.len() < limits::LINKS || self.paging.contains_key(&(agent, room.clone()));
                if asked && self.rooms.contains(&room) {
                    self.paging.insert((agent, room.clone()), (Bytes32::default(), limits::PAGES));
                    out.push(Output::AskPage { to: agent, room, after: None });
                }
            }
            Input::Page { from, room, next } => {
                // Cursors rise, and a room has an end: who says otherwise is not asked on.
                let asked = self.paging.remove(&(from, room.clone()));
                if let (Some((last, left)), Some(next)) = (asked, next)
                    && next > last
                    && left > 0
                {
                    self.paging.insert((from, room.clone()), (next, left - 1));
                    out.push(Output::AskPage { to: from, room, after: Some(next) });
                }
            }
            Input::Ratings { from, wanted, ratings, next } => {
                self.on_ratings(now, from, wanted, ratings, next, out);
            }
            Input::Addresses(addresses) => {
                self.addresses = addresses;
                self.renew_contact(now, out);
            }
            Input::Command { caller, command } => {
                let answer = self.on_command(now, command, out);
                out.push(Output::Answer(caller, answer));
            }
            Input::Fetched { hire, result } => self.on_fetched(now, hire, result, out),
            Input::Worked { hire, attempt, result } => self.on_worked(now, hire, attempt, result, out),
            Input::Asked { hire, text } => {
                // The agent that asks when it may not is told nothing: it goes on without.
                let _ = self.ask_requester(now, hire, text, out);
            }
            Input::Working { hire, percent, note } => self.on_working(now, hire, percent, note, out),
            Input::Cased { hire, result } => self.on_cased(now, hire, result, out),
            Input::Checked { hire, root, checked } => self.on_checked(now, hire, root, checked, out),
            Input::Tick => {}
        }
        self.finish(now, out);
    }

    /// When [`Input::Tick`] is wanted at the latest.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let wake = self.wakes.first().map(|(at, _)| *at);
        [wake, self.letters.next(), self.directory.next_expiry()].into_iter().flatten().min()
    }

    /// Hires that are past: nobody is owed their records any more. Closed longer ago than they are served, or agreed and
    /// known to both sides and not among the newest `limits::CLOSED_KEPT`.
    pub fn past(&self, now: Timestamp) -> BTreeSet<HireId> {
        self.past_but(now, limits::CLOSED_KEPT)
    }

    /// [`Peer::past`] with so many of the newest kept.
    pub fn past_but(&self, now: Timestamp, kept: usize) -> BTreeSet<HireId> {
        let closed = |hire: &Hire| hire.closed.filter(|_| !hire.is_owed());
        let mut done: Vec<(Timestamp, HireId)> =
            self.durable.hires().iter().filter_map(|(id, hire)| Some((closed(hire)?.at, *id))).collect();
        done.sort_unstable_by(|a, b| b.cmp(a));
        let old = |hire: &Hire| hire.closed.is_some_and(|closed| now > closed.at + limits::SERVED);
        let served_long = self.durable.hires().iter().filter(|(_, hire)| old(hire)).map(|(id, _)| *id);
        // What was spent today is counted from the hires themselves.
        let counted = |id: &HireId| {
            let today = |hire: &Hire| hire.side == Side::Requester && hire.terms().at.day() >= now.day();
            !self.config.buy.per_day.is_empty() && self.durable.hires().get(id).is_some_and(today)
        };
        let done = done.iter().skip(kept).map(|(_, id)| *id).chain(served_long);
        done.filter(|id| !counted(id)).collect()
    }

    /// Forgets what compaction has archived.
    pub fn forget(&mut self, past: &BTreeSet<HireId>) {
        self.durable.forget(past);
        self.auctions.retain(|id, _| self.durable.posting(id).is_some());
    }

    /// Blobs that somebody may still ask for: of open postings, and of hires whose records are still served.
    pub fn live_blobs(&self, now: Timestamp) -> BTreeSet<Bytes32> {
        let served = |hire: &&Hire| hire.closed.is_none_or(|closed| now <= closed.at + limits::SERVED);
        let mut roots = BTreeSet::new();
        for hire in self.durable.hires().values().filter(served) {
            roots.extend(&hire.fetched);
            roots
                .extend(hire.attempts.iter().filter_map(|attempt| Some(attempt.ended.as_ref()?.1.as_ref().ok()?.root)));
            if let Some(posting) = self.durable.posting(&hire.offer.id()) {
                roots.extend(posting.task.inputs.iter().map(|input| input.blob.root));
            }
        }
        for posting in self.durable.postings().values().filter(|posting| posting.closed.is_none()) {
            roots.extend(posting.task.inputs.iter().map(|input| input.blob.root));
        }
        roots
    }

    // ---- durable state ----

    /// Logs an event and applies it: to the durable state, then to what follows it. Outputs that it justifies come after
    /// it in `out`.
    fn commit(&mut self, now: Timestamp, event: Event<Record>, out: &mut Outbox) {
        match self.durable.commit(now, event, out) {
            Applied::Nothing => {}
            Applied::Rated(rating) => {
                self.reputation.insert(&rating);
            }
            Applied::Pinned(before) => {
                self.reputation.unwatch(&self.signer.agent(), &before);
                self.watch();
            }
            Applied::Unposted(offer) => {
                if let Some(auction) = self.auctions.get_mut(&offer) {
                    auction.claims.clear();
                }
            }
            Applied::Awarded(offer, worker) => {
                if let Some(auction) = self.auctions.get_mut(&offer) {
                    auction.claims.remove(&worker);
                }
            }
        }
    }

    /// My own eyes, and those through which the pinned seeds see, are kept up to date.
    fn watch(&mut self) {
        let me = self.agent();
        for seeds in [Vec::new(), Vec::from_iter(self.durable.seeds().iter().copied())] {
            if !self.reputation.is_watched(&me, &seeds) {
                self.reputation.watch(me, &seeds);
            }
        }
    }

    // ---- timers and housekeeping ----

    /// Sets or clears the one timer of `wake`.
    fn wake(&mut self, wake: Wake, at: Option<Timestamp>) {
        if let Some(old) = self.wake_of.remove(&wake) {
            self.wakes.remove(&(old, wake));
        }
        if let Some(at) = at {
            self.wakes.insert((at, wake));
            self.wake_of.insert(wake, at);
        }
    }

    /// What follows every input: timers that are due, work for free capacity, letters to send.
    fn finish(&mut self, now: Timestamp, out: &mut Outbox) {
        self.directory.expire(now);
        // Each timer that fires is set anew later than `now` or cleared, so this ends; the bound is for the case that
        // one is not.
        for _ in 0..=self.wakes.len() {
            let Some((at, wake)) = self.wakes.first().copied().filter(|(at, _)| *at <= now) else { break };
            self.wakes.remove(&(at, wake));
            self.wake_of.remove(&wake);
            match wake {
                Wake::Hire(id) => self.advance(now, id, out),
                Wake::Posting(id) => self.advance_posting(now, id, out),
                Wake::Bid(id) => self.repeat_bid(now, id, out),
                Wake::Renew => self.renew(now, out),
                Wake::Look => self.hungry = true,
                Wake::Walk => {} // goes on below
                Wake::Frontier => self.look_around(now),
            }
        }
        // Each of these may wake others, but only when it closes: this ends with the hires of the offer.
        while let Some(id) = self.restless.pop_first() {
            self.advance(now, id, out);
        }
        if std::mem::take(&mut self.hungry) {
            self.look_for_work(now, out);
        }
        let gone = self.reputation.take_gone().into_iter();
        out.extend(gone.map(|(subject, rating)| Output::Drop { subject, rating }));
        let unfinished = self.reputation.work(now.day(), limits::PUSH);
        self.wake(Wake::Walk, unfinished.then_some(now));
        if self.pull.is_behind(self.reputation.changes()) && !self.wake_of.contains_key(&Wake::Frontier) {
            self.wake(Wake::Frontier, Some(now + limits::FRONTIER_PAUSE));
        }
        self.ask_for_ratings(now, out);
        for (to, records) in self.letters.due(now) {
            let hints = self.directory.contact_of(&to, now);
            out.push(Output::Send { to, hints, records });
        }
    }

    fn follow(&mut self, skill: &Skill, out: &mut Outbox) {
        let room = skill.room(limits::ROOM_DEPTH);
        if self.rooms.len() < limits::ROOMS && self.rooms.insert(room.clone()) {
            out.push(Output::Follow(room));
        }
    }

    /// `max(last + 1, unix ms)`: a restored backup does not fall behind.
    fn next_seq(&mut self, now: Timestamp) -> u64 {
        self.last_seq = now.0.max(self.last_seq + 1);
        self.last_seq
    }

    fn draw(&mut self) -> Bytes32 {
        let mut bytes = [0; 32];
        self.rng.fill_bytes(&mut bytes);
        Bytes32(bytes)
    }
}

/// Pauses between attempts at the same work: 2 s, doubling up to a minute.
fn pause(tries: u32) -> Millis {
    Millis(2_000u64.saturating_mul(1 << tries.min(5)).min(60_000))
}

/// When a record says it was made, if it says so in what we hold of it.
fn dated(record: &Record) -> Option<Timestamp> {
    match record {
        Record::Manifest(manifest) => Some(manifest.at),
        Record::Contact(contact) => Some(contact.at),
        Record::Offer(offer) => Some(offer.at),
        Record::Claim(claim) => Some(claim.at),
        Record::Reject(reject) => Some(reject.at),
        Record::Opened(news) => Some(news.at),
        Record::Consent(consent) => Some(consent.at),
        Record::Decision(decision) => Some(decision.at),
        Record::Award(award) => award.private().map(|terms| terms.at),
        other => Entry::try_from(other.clone()).ok().and_then(|entry| entry.link().map(|link| link.at)),
    }
}
