//! The brain under virtual time: peers, a clock that nobody waits for, and a network that can lose, cut and crash.
//!
//! It does what a node's driver does, in memory: journals before it speaks, admits bytes at the edge, serves blobs, is deaf
//! while its clocks have parted. The protocol's stories and this crate's markets are played in it. A [`World::pair`] of a
//! requester (peer 0) and a worker (peer 1) is enough for most stories.
//! Whenever a peer comes up again, what its journal says is compared with what it was when it fell.
//!
//! What must never happen in it: a decision of the market's. It panics where a test is to fail: when a peer cannot read its own
//! journal, when something does not survive the wire, when the market never goes quiet.

mod desk;
pub mod dice;
mod hands;
mod node;
mod wire;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::peer::Peer;
use gigmesh_protocol::peer::io::{Config, HireStatus, Input, Output, Token};
use gigmesh_protocol::record::{Record, Refusal};
use gigmesh_protocol::time::{Millis, Timestamp};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

pub use node::{Agent, Clock, Fall, Node, START, blob, honest, network, signer, worker};
use wire::Mail;
pub use wire::{Chaos, Link};

/// A drive that handles more than this never goes quiet.
const BOUND: usize = 200_000;

/// Peers, time, and what is under way between them.
pub struct World {
    /// The time.
    pub now: Timestamp,
    /// The peers, by number.
    pub nodes: Vec<Node>,
    /// The same by their names.
    places: BTreeMap<AgentId, usize>,
    queue: BTreeMap<(Timestamp, u64), Mail>,
    count: u64,
    /// Nothing arrives any more.
    pub cut: bool,
    /// Parcels delivered so far; with `cut_after` the network falls silent after so many.
    pub delivered: usize,
    /// See [`World::delivered`].
    pub cut_after: Option<usize>,
    /// Events journalled so far, and who falls when the count is reached.
    pub crash_at: Option<(usize, usize)>,
    tokens: BTreeMap<(usize, Token), (usize, u8, Vec<Bytes32>)>,
    /// How bad the network is; good without.
    pub chaos: Option<Chaos>,
    /// Stages that hires were seen in.
    pub stages: BTreeSet<HireStatus>,
    /// Whether stages are noted at every turn.
    pub watches: bool,
    /// What was said and done, line by line, if somebody wants to read it.
    pub story: Option<Vec<String>>,
    /// What of all this is random: peers draw differently in another world.
    pub luck: u64,
    /// How many events were compared with their replay.
    pub replayed: usize,
    /// Messages that were lost, and that came twice.
    pub lost: usize,
    /// See [`World::lost`].
    pub doubled: usize,
    /// Falls in the middle of a commit, and after it.
    pub torn: [usize; 2],
    /// Whether peers that are added write a journal. Whoever has none forgets all when it falls; a market of hundreds, in which
    /// nobody falls, would fill the memory with journals that nobody reads.
    pub journals: bool,
    /// Who hears of offers, as others are away or busy; all without.
    pub audience: Option<BTreeSet<usize>>,
    /// Admission is a pure function: each envelope is verified once, whoever receives it how often.
    admitted: RefCell<BTreeMap<Bytes32, Result<Record, Refusal>>>,
}

impl World {
    /// A requester (0) and a worker (1) that serves anyone.
    pub fn pair() -> Self {
        Self::new(1)
    }

    /// A requester (0) and so many workers.
    pub fn new(workers: usize) -> Self {
        let mut world = Self::empty(0);
        world.add(Config { name: "shopper".into(), version: "1".into(), ..Config::default() });
        for n in 0..workers {
            world.add(worker(&format!("worker-{n}"), "0.02 USD per task", 2));
        }
        world
    }

    /// Nobody yet.
    pub fn empty(luck: u64) -> Self {
        Self {
            now: START,
            nodes: Vec::new(),
            places: BTreeMap::new(),
            queue: BTreeMap::new(),
            count: 0,
            cut: false,
            delivered: 0,
            cut_after: None,
            crash_at: None,
            tokens: BTreeMap::new(),
            chaos: None,
            stages: BTreeSet::new(),
            watches: true,
            story: None,
            luck,
            replayed: 0,
            lost: 0,
            doubled: 0,
            torn: [0; 2],
            journals: true,
            audience: None,
            admitted: RefCell::default(),
        }
    }

    /// A peer more, with a key of its own; its number.
    pub fn add(&mut self, config: Config) -> usize {
        let n = self.nodes.len();
        let id = signer(n).agent();
        self.places.insert(id, n);
        self.nodes.push(Node {
            peer: None,
            id,
            clock: Clock::default(),
            fall: None,
            fallen: None,
            config,
            agent: honest,
            work_takes: Millis::secs(1),
            journal: Vec::new(),
            ratings: BTreeMap::new(),
            blobs: BTreeMap::new(),
            notices: Vec::new(),
            answers: Vec::new(),
            blamed: Vec::new(),
            told: Vec::new(),
            runs: BTreeMap::new(),
            n,
            lives: 0,
            journals: self.journals,
            asks: true,
            shows: |_| true,
            due: None,
        });
        self.restart(n);
        n
    }

    /// The peer falls (everything not in the journal is gone) and comes up again.
    pub fn restart(&mut self, n: usize) {
        self.fall(n, true);
        self.rise(n);
    }

    /// The peer falls; `whole` if all it had decided is on the disk.
    pub fn fall(&mut self, n: usize, whole: bool) {
        // Whoever waits for an answer of the fallen learns from a timeout that there is none.
        let unanswered: Vec<_> = self.tokens.keys().filter(|(who, _)| *who == n).copied().collect();
        for key in unanswered {
            if let Some((to, life, ids)) = self.tokens.remove(&key) {
                self.post(Millis::secs(10), Mail::Reply { to, life, from: n, ids, replies: None });
            }
        }
        let node = &mut self.nodes[n];
        node.fallen = node.peer.take().filter(|_| whole);
        node.lives = node.lives.wrapping_add(1);
        node.clock.held = None;
    }

    /// A peer that is down comes up: as it was, says its journal.
    pub fn rise(&mut self, n: usize) {
        let node = &mut self.nodes[n];
        // Nothing is there yet to compare the wall clock with.
        node.clock.last = Timestamp(0);
        node.clock.last = node.clock.read(self.now);
        let now = node.clock.last;
        let mut seed = [(node.n as u8).wrapping_add(node.lives.wrapping_mul(31)); 32];
        let luck = [self.luck, node.n as u64 >> 8].map(u64::to_be_bytes);
        seed.iter_mut().zip(luck.as_flattened()).for_each(|(byte, luck)| *byte ^= luck);
        let (mut peer, mut out) = Peer::replay(
            node.config.clone(),
            signer(node.n),
            Box::new(ChaCha20Rng::from_seed(seed)),
            node.journal.iter().cloned(),
            node.ratings.values().cloned(),
        )
        .expect("a peer can read its own journal");
        if let Some(fallen) = node.fallen.take() {
            assert!(
                peer.durable() == fallen.durable(),
                "replayed {:#?}, fallen {:#?}",
                peer.durable(),
                fallen.durable()
            );
            self.replayed += node.journal.len();
        }
        peer.resume(now, &mut out);
        node.due = peer.next_deadline();
        node.peer = Some(peer);
        self.turn(n, out);
    }

    /// The time as peer `n` has it.
    pub fn time(&self, n: usize) -> Timestamp {
        self.nodes[n].clock.read(self.now)
    }

    /// Somebody sets the clock of `n`: its driver finds that the clocks have parted, and there is no time.
    pub fn part_clocks(&mut self, n: usize) {
        self.nodes[n].clock.held.get_or_insert_default();
    }

    /// The clock of `n` is right again.
    pub fn agree_clocks(&mut self, n: usize) {
        for input in self.nodes[n].clock.held.take().unwrap_or_default() {
            self.handle(n, input);
        }
    }

    /// The name of peer `n`.
    pub fn id(&self, n: usize) -> AgentId {
        self.nodes[n].id
    }

    fn handle(&mut self, n: usize, input: Input) {
        let now = self.time(n);
        let node = &mut self.nodes[n];
        if let Some(held) = &mut node.clock.held {
            // A command is refused and a parcel left unanswered while there is no time; the rest waits.
            if !matches!(input, Input::Command { .. } | Input::Parcel { .. } | Input::Tick) {
                held.push(input);
            }
            return;
        }
        let Some(peer) = node.peer.as_mut() else { return };
        node.clock.last = now;
        let mut out = Vec::new();
        peer.handle(now, input, &mut out);
        node.due = peer.next_deadline();
        self.turn(n, out);
        for row in self.watches.then(|| self.rows(n)).into_iter().flatten() {
            self.stages.insert(row.stage);
        }
    }

    fn turn(&mut self, n: usize, out: Vec<Output>) {
        match self.falls_over(n, &out) {
            Some(fall) => self.stumble(n, out, fall),
            None => self.carry_out(n, out),
        }
    }

    /// Whether it is this turn that a peer falls over.
    fn falls_over(&mut self, n: usize, out: &[Output]) -> Option<Fall> {
        let fall = self.nodes[n].fall.as_mut()?;
        if !out.iter().any(|output| matches!(output, Output::Persist(_))) {
            return None;
        }
        match fall.turn.checked_sub(1) {
            Some(turn) => {
                fall.turn = turn;
                None
            }
            None => self.nodes[n].fall.take(),
        }
    }

    /// Some of a turn's events reach the disk. If all do, so do the ratings in it, and some of the rest is carried out.
    fn stumble(&mut self, n: usize, out: Vec<Output>, fall: Fall) {
        let (events, rest): (Vec<_>, Vec<_>) =
            out.into_iter().partition(|output| matches!(output, Output::Persist(_) | Output::Keep(_)));
        let written = fall.events % (events.len() + 1);
        let whole = written == events.len();
        self.torn[usize::from(whole)] += 1;
        self.carry_out(n, events.into_iter().take(written).collect());
        if whole {
            let some = fall.outputs % (rest.len() + 1);
            self.carry_out(n, rest.into_iter().take(some).collect());
        }
        self.tell(|| format!("{n} falls, for {}", fall.down));
        self.fall(n, whole);
        self.post(fall.down, Mail::Rise(n));
    }

    /// Adds a line to the story.
    pub fn tell(&mut self, line: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(format!("{} {}", self.now, line()));
        }
    }

    /// When the world's clock will be at what peer `n` waits for.
    fn wakes(&self, n: usize) -> Option<Timestamp> {
        let node = &self.nodes[n];
        let due = node.due.filter(|_| node.peer.is_some() && node.clock.held.is_none())?;
        let due =
            if due <= self.time(n) { self.now } else { Timestamp(due.0.saturating_add_signed(-node.clock.ahead)) };
        Some(due.max(self.now))
    }

    /// Does the next thing that happens by `end`: a message arrives, or a deadline passes. False if nothing does.
    pub fn step(&mut self, end: Timestamp) -> bool {
        let mail = self.queue.first_key_value().map(|((at, _), _)| *at);
        let tick = (0..self.nodes.len()).filter_map(|n| self.wakes(n)).min();
        let Some(next) = [mail, tick].into_iter().flatten().min().filter(|next| *next <= end) else { return false };
        self.now = next.max(self.now);
        if mail.is_some_and(|at| at <= self.now) {
            if let Some((_, mail)) = self.queue.pop_first() {
                self.mail(mail);
            }
            return true;
        }
        for n in 0..self.nodes.len() {
            if self.wakes(n).is_some_and(|at| at <= self.now) {
                self.handle(n, Input::Tick);
            }
        }
        true
    }

    /// Runs for `span` of virtual time, through every deadline on the way.
    pub fn drive(&mut self, span: Millis) {
        self.drive_bounded(span, BOUND);
    }

    /// [`World::drive`] in at most so many steps: a market that never goes quiet fails the test.
    pub fn drive_bounded(&mut self, span: Millis, steps: usize) {
        let end = self.now + span;
        for _ in 0..steps {
            if !self.step(end) {
                self.now = end;
                return;
            }
        }
        let due: Vec<_> = self.nodes.iter().map(|node| node.peer.as_ref().and_then(Peer::next_deadline)).collect();
        panic!("the market never goes quiet: it is {}, the next deadlines are {due:?}", self.now);
    }

    /// Everybody's machine sleeps for `span`: what was under way arrives, nothing is done at its time, and all wake at
    /// once.
    pub fn sleep(&mut self, span: Millis) {
        let end = self.now + span;
        while let Some((at, _)) = self.queue.keys().next().copied() {
            self.step(at);
        }
        self.now = end.max(self.now);
        // What was sent before is not sent again.
        self.admitted.get_mut().clear();
    }
}
