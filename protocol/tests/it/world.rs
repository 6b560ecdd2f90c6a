//! A market in a test: peers, a virtual clock, and a network that can lose, cut and crash.
//!
//! It does what a node's driver does, in memory: journals before it speaks, admits bytes at the edge, serves blobs, is deaf
//! while its clocks have parted. A [`World::pair`] of a requester (peer 0) and a worker (peer 1) is enough for most stories.
//! Whenever a peer comes up again, what its journal says is compared with what it was when it fell.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use gigmesh_protocol::arbitration::{CASE, Case, Seat};
use gigmesh_protocol::codec::List;
use gigmesh_protocol::hire::{Checked, HireId};
use gigmesh_protocol::id::{AgentId, Bytes32, Id, sha256};
use gigmesh_protocol::market::checks::{Checks, Inputs};
use gigmesh_protocol::market::{BlobRef, Input as BriefInput, Offer, Outcome, Rating, SkillEntry};
use gigmesh_protocol::merkle::{self, CHUNK_BYTES};
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::peer::io::*;
use gigmesh_protocol::peer::{Peer, RestoreError, Retain};
use gigmesh_protocol::record::{Network, Record, Refusal, Signer, Verified};
use gigmesh_protocol::time::{Millis, Timestamp};
use gigmesh_protocol::transcript::Transcript;
use gigmesh_protocol::wire::{Item, Reply, Request, Response};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use crate::dice::Dice;

pub const START: Timestamp = Timestamp(1_800_000_000_000);
const HOP: Millis = Millis(5);
/// A drive that handles more than this never goes quiet.
const BOUND: usize = 200_000;

pub fn network() -> Network {
    Network::new("test")
}

pub fn signer(n: u8) -> Signer {
    Signer::new(&[n + 1; 32], network())
}

pub fn blob(bytes: &[u8]) -> BlobRef {
    let leaves: Vec<_> = bytes.chunks(CHUNK_BYTES).map(merkle::leaf).collect();
    BlobRef { root: Bytes32(merkle::root(&leaves)), size: bytes.len() as u64 }
}

/// What an agent makes of a job.
pub type Agent = fn(&WorkJob, &[Vec<u8>]) -> Result<Vec<u8>, String>;

/// Counts the bytes of its first input: the honest agent of these tests.
pub fn honest(job: &WorkJob, inputs: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    Ok(format!(r#"{{"bytes": {}, "run": {}}}"#, inputs.first().map_or(0, Vec::len), job.attempt).into_bytes())
}

pub struct Node {
    /// Absent while it is down.
    pub peer: Option<Peer>,
    id: AgentId,
    pub clock: Clock,
    /// What it will fall over.
    pub fall: Option<Fall>,
    /// The brain as it fell, if all it had decided was on the disk.
    fallen: Option<Peer>,
    pub config: Config,
    pub agent: Agent,
    pub work_takes: Millis,
    pub journal: Vec<Vec<u8>>,
    pub ratings: Vec<Verified<Rating>>,
    pub blobs: BTreeMap<Bytes32, Vec<u8>>,
    pub notices: Vec<Notice>,
    pub answers: Vec<Result<Answer, Refused>>,
    pub blamed: Vec<String>,
    /// What the agent was told in answer to its questions.
    pub told: Vec<String>,
    /// How often the agent was started, by hire.
    pub runs: BTreeMap<HireId, usize>,
    seed: u8,
    pub lives: u8,
}

/// What a node's clock says, and what its driver makes of it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// By how much it is ahead of the world's.
    pub ahead: i64,
    /// The last time that was given out: it never goes back while the node runs.
    last: Timestamp,
    /// What is to be told once there is a time again, while there is none.
    held: Option<Vec<Input>>,
}

impl Clock {
    fn read(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add_signed(self.ahead)).max(self.last)
    }
}

/// A fall while a turn is committed and carried out, as a driver does it: all events first, then the rest.
#[derive(Debug, Clone, Copy)]
pub struct Fall {
    /// Over which of its turns that have events, from 0.
    pub turn: usize,
    /// How many of them reach the disk. Taken modulo what there is, as is the next.
    pub events: usize,
    /// If all of them do, how much of the rest is carried out.
    pub outputs: usize,
    /// How long it is down.
    pub down: Millis,
}

/// How bad one way of a link is.
#[derive(Debug, Clone, Copy, Default)]
pub struct Link {
    /// Per cent of messages lost, and of messages that arrive twice.
    pub lost: u64,
    pub twice: u64,
    /// The longest delay.
    pub delay: Millis,
    /// Nothing arrives.
    pub cut: bool,
}

/// A bad network, by its own dice. Links that are not named are good.
pub struct Chaos {
    pub dice: Dice,
    pub links: BTreeMap<(usize, usize), Link>,
}

#[derive(Clone)]
enum Mail {
    Rise(usize),
    Input(usize, u8, Input),
    Request { from: usize, to: usize, ids: Vec<Bytes32>, bytes: Vec<u8> },
    Reply { to: usize, life: u8, from: usize, ids: Vec<Bytes32>, replies: Option<Vec<Reply>> },
}

pub struct World {
    pub now: Timestamp,
    pub nodes: Vec<Node>,
    queue: BTreeMap<(Timestamp, u64), Mail>,
    count: u64,
    pub cut: bool,
    /// Parcels delivered so far; with `cut_after` the network falls silent after so many.
    pub delivered: usize,
    pub cut_after: Option<usize>,
    /// Events journalled so far, and who falls when the count is reached.
    pub crash_at: Option<(usize, usize)>,
    tokens: BTreeMap<(usize, Token), (usize, u8, Vec<Bytes32>)>,
    pub chaos: Option<Chaos>,
    pub stages: BTreeSet<String>,
    /// Whether stages are noted at every turn.
    pub watches: bool,
    /// What was said and done, line by line, if somebody wants to read it.
    pub story: Option<Vec<String>>,
    /// What of all this is random: peers draw differently in another world.
    pub luck: u64,
    /// How many events were compared with their replay.
    pub replayed: usize,
    pub lost: usize,
    pub doubled: usize,
    /// Falls in the middle of a commit, and after it.
    pub torn: [usize; 2],
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
        let mut world = Self {
            now: START,
            nodes: Vec::new(),
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
            luck: 0,
            replayed: 0,
            lost: 0,
            doubled: 0,
            torn: [0; 2],
            admitted: RefCell::default(),
        };
        world.add(Config { name: "shopper".into(), version: "1".into(), ..Config::default() });
        for n in 0..workers {
            world.add(worker(&format!("worker-{n}"), "0.02 USD per task", 2));
        }
        world
    }

    pub fn add(&mut self, config: Config) -> usize {
        let seed = self.nodes.len() as u8;
        self.nodes.push(Node {
            peer: None,
            id: signer(seed).agent(),
            clock: Clock::default(),
            fall: None,
            fallen: None,
            config,
            agent: honest,
            work_takes: Millis::secs(1),
            journal: Vec::new(),
            ratings: Vec::new(),
            blobs: BTreeMap::new(),
            notices: Vec::new(),
            answers: Vec::new(),
            blamed: Vec::new(),
            told: Vec::new(),
            runs: BTreeMap::new(),
            seed,
            lives: 0,
        });
        self.restart(seed as usize);
        seed as usize
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
        let mut seed = [node.seed.wrapping_add(node.lives.wrapping_mul(31)); 32];
        seed[..8].iter_mut().zip(self.luck.to_be_bytes()).for_each(|(byte, luck)| *byte ^= luck);
        let (mut peer, mut out) = Peer::replay(
            node.config.clone(),
            signer(node.seed),
            Box::new(ChaCha20Rng::from_seed(seed)),
            node.journal.iter().cloned(),
            node.ratings.iter().cloned(),
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

    pub fn id(&self, n: usize) -> AgentId {
        self.nodes[n].id
    }

    fn node_of(&self, agent: AgentId) -> Option<usize> {
        (0..self.nodes.len()).find(|n| self.id(*n) == agent)
    }

    /// Whether the way from one peer to another is open.
    fn reaches(&self, from: usize, to: usize) -> bool {
        let cut = self.chaos.as_ref().and_then(|chaos| chaos.links.get(&(from, to))).is_some_and(|link| link.cut);
        !self.cut && !cut && self.nodes[to].peer.is_some() && self.nodes[to].clock.held.is_none()
    }

    fn admit(&self, envelope: &[u8], beside: Option<&[u8]>) -> Result<Record, Refusal> {
        let key = sha256(&[envelope, beside.unwrap_or(b"-")]);
        let mut admitted = self.admitted.borrow_mut();
        admitted.entry(key).or_insert_with(|| Record::admit(envelope, beside, &network())).clone()
    }

    /// The records of a hire as peer `n` holds them: offer, claim, award, then both chains.
    pub fn records(&self, n: usize, hire: HireId) -> Vec<Record> {
        let Some(Found::Records { records, .. }) = self.query(n, &Query::Records(hire.to_string())) else {
            panic!("peer {n} knows nothing of {hire}")
        };
        let admit = |(record, beside): &(Vec<u8>, Option<Vec<u8>>)| self.admit(record, beside.as_deref()).unwrap();
        records.iter().map(admit).collect()
    }

    /// Sends something over the network, such as it is.
    fn transmit(&mut self, from: usize, to: usize, mail: Mail) {
        let Some(chaos) = &mut self.chaos else { return self.post(HOP, mail) };
        let link = chaos.links.get(&(from, to)).copied().unwrap_or_default();
        let lost = link.cut || chaos.dice.roll(100) < link.lost;
        let copies = 1 + usize::from(chaos.dice.roll(100) < link.twice);
        self.lost += usize::from(lost);
        self.doubled += copies - 1;
        let delays: Vec<Millis> = (0..copies).map(|_| Millis(1 + chaos.dice.roll(link.delay.0))).collect();
        match mail {
            // The sender of a request that is lost learns it from a timeout; a lost reply looks the same to it.
            Mail::Request { from, to, ids, .. } if lost => {
                let life = self.nodes[from].lives;
                self.post(Millis::secs(10), Mail::Reply { to: from, life, from: to, ids, replies: None });
            }
            Mail::Reply { to, life, from, ids, .. } if lost => {
                self.post(Millis::secs(10), Mail::Reply { to, life, from, ids, replies: None });
            }
            Mail::Input(..) if lost => {}
            mail => delays.into_iter().for_each(|delay| self.post(delay, mail.clone())),
        }
    }

    fn post(&mut self, after: Millis, mail: Mail) {
        self.count += 1;
        self.queue.insert((self.now + after, self.count), mail);
    }

    pub fn input(&mut self, n: usize, input: Input) {
        let life = self.nodes[n].lives;
        self.post(Millis(0), Mail::Input(n, life, input));
    }

    /// A command of peer `n`'s user, handled at once; its answer.
    pub fn command(&mut self, n: usize, command: Command) -> Result<Answer, Refused> {
        let before = self.nodes[n].answers.len();
        self.handle(n, Input::Command { caller: 1, command });
        self.nodes[n].answers.get(before).cloned().expect("a command is answered at once")
    }

    /// Posts `task` from peer 0, to everyone or to one.
    pub fn hire(&mut self, task: Task, to: Option<usize>) -> Id<Offer> {
        for input in &task.inputs {
            assert!(self.nodes[0].blobs.contains_key(&input.blob.root), "store the input first");
        }
        let to = to.map(|n| self.id(n));
        match self.command(0, Command::Hire { task: Box::new(task), to, token: None }) {
            Ok(Answer::Posted(id)) => id,
            other => panic!("not posted: {other:?}"),
        }
    }

    /// Records that anybody sends peer `to`, admitted there like all others; its replies.
    pub fn slip(&mut self, from: AgentId, to: usize, records: &[Record]) -> Vec<Reply> {
        let items = records.iter().map(|record| Record::admit(record.envelope(), record.beside(), &network()));
        let (mut out, mut replies) = (Vec::new(), Vec::new());
        let input = Input::Parcel { from, token: 0, items: items.collect() };
        let now = self.time(to);
        self.nodes[to].peer.as_mut().expect("it is up").handle(now, input, &mut out);
        out.retain(|output| match output {
            Output::Respond(0, said) => {
                replies.clone_from(said);
                false
            }
            _ => true,
        });
        self.carry_out(to, out);
        replies
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

    fn carry_out(&mut self, n: usize, out: Vec<Output>) {
        let life = self.nodes[n].lives;
        for output in out {
            let who = |id: &AgentId| self.nodes.iter().position(|node| node.id == *id);
            let line = self.story.is_some().then(|| match &output {
                Output::Persist(event) => match Logged::decode(event, &network()).map(|logged| logged.event) {
                    Ok(Event::Said { record, .. }) => format!("{n} logs {} {}", record.kind(), record.id()),
                    Ok(other) => format!("{n} logs {}", format!("{other:?}").chars().take(150).collect::<String>()),
                    Err(error) => format!("{n} logs {error}"),
                },
                Output::Send { to, records, .. } => {
                    let kinds: Vec<_> = records.iter().map(Record::kind).collect();
                    format!("{n} sends {:?} {kinds:?}", who(to))
                }
                other => format!("{n} {}", format!("{other:?}").chars().take(150).collect::<String>()),
            });
            line.into_iter().for_each(|line| self.tell(|| line));
            if self.nodes[n].lives != life {
                return; // It fell in the middle: what was not carried out never is.
            }
            match output {
                Output::Persist(event) => {
                    self.nodes[n].journal.push(event);
                    if self.crash_at == Some((n, self.nodes[n].journal.len())) {
                        self.crash_at = None;
                        // More was decided than is on the disk.
                        self.fall(n, false);
                        self.rise(n);
                    }
                }
                Output::Keep(record) => {
                    if let Record::Rating(rating) = *record {
                        self.nodes[n].ratings.push(rating);
                    }
                }
                Output::Send { to, records, .. } => {
                    let ids = records.iter().map(Record::id).collect();
                    let bytes = Request::Parcel(List::fit(records.iter().map(Item::of))).encode();
                    match self.node_of(to) {
                        Some(to) => self.transmit(n, to, Mail::Request { from: n, to, ids, bytes }),
                        None => self.post(HOP, Mail::Reply { to: n, life, from: n, ids, replies: None }),
                    }
                }
                Output::Respond(token, replies) => {
                    let Some((from, life, ids)) = self.tokens.remove(&(n, token)) else {
                        panic!("a parcel answered twice")
                    };
                    let bytes = Response::Replies(List::fit(replies)).encode();
                    let Ok(Response::Replies(replies)) = Response::decode(&bytes) else {
                        panic!("replies survive the wire")
                    };
                    let replies = (!self.cut).then(|| replies.to_vec());
                    self.transmit(n, from, Mail::Reply { to: from, life, from: n, ids, replies });
                }
                Output::Publish { record, .. } => {
                    let cut = self.cut;
                    for other in (0..self.nodes.len()).filter(|other| *other != n && !cut) {
                        let record = self.admit(record.envelope(), None).expect("published records are good");
                        let input = Input::Record { from: self.id(n), origin: Origin::Gossip(0), record };
                        let life = self.nodes[other].lives;
                        self.transmit(n, other, Mail::Input(other, life, input));
                    }
                }
                Output::AskRatings { to, wanted, .. } => {
                    let server = self.node_of(to).filter(|server| self.reaches(n, *server));
                    let (ratings, next) =
                        server.map_or_else(Default::default, |server| self.ratings_for(server, &wanted));
                    self.post(HOP, Mail::Input(n, life, Input::Ratings { from: to, wanted, ratings, next }));
                }
                Output::Fetch { hire, from, blobs, .. } => {
                    let lost = self.chaos.as_mut().is_some_and(|chaos| {
                        let link = self.nodes.iter().position(|node| node.id == from).map(|server| (server, n));
                        let link = link.and_then(|link| chaos.links.get(&link)).copied().unwrap_or_default();
                        chaos.dice.roll(100) < link.lost
                    });
                    let server = self.node_of(from).filter(|server| !lost && self.reaches(n, *server));
                    let reader = self.id(n);
                    let read = |blob: &BlobRef| {
                        let server = &self.nodes[server?];
                        let query = Query::MayRead { hire, who: reader, root: blob.root };
                        let found = server.peer.as_ref()?.query(server.clock.read(self.now), &query);
                        let Found::MayRead(Some(size)) = found else { return None };
                        assert_eq!(size, blob.size);
                        server.blobs.get(&blob.root).cloned()
                    };
                    let got: Option<Vec<Vec<u8>>> = blobs.iter().map(read).collect();
                    let result = got.ok_or_else(|| "not served".to_owned()).map(|got| {
                        blobs
                            .iter()
                            .zip(got)
                            .for_each(|(blob, bytes)| drop(self.nodes[n].blobs.insert(blob.root, bytes)));
                        blobs.iter().map(|blob| blob.root).collect()
                    });
                    self.post(HOP, Mail::Input(n, life, Input::Fetched { hire, result }));
                }
                Output::Drop { rating, .. } => self.nodes[n].ratings.retain(|held| held.id() != rating),
                Output::Tell { text, .. } => self.nodes[n].told.push(text),
                Output::Work(job) => {
                    *self.nodes[n].runs.entry(job.hire).or_default() += 1;
                    let inputs: Vec<Vec<u8>> =
                        job.inputs.iter().map(|input| self.nodes[n].blobs[&input.blob.root].clone()).collect();
                    let case = job.seat.map(|seat| self.case(n, &seat, &job.inputs)).transpose();
                    let made = case.and_then(|_| (self.nodes[n].agent)(&job, &inputs));
                    let result = made.map(|bytes| {
                        let blob = blob(&bytes);
                        self.nodes[n].blobs.insert(blob.root, bytes);
                        blob
                    });
                    let takes = self.nodes[n].work_takes;
                    self.post(
                        takes,
                        Mail::Input(n, life, Input::Worked { hire: job.hire, attempt: job.attempt, result }),
                    );
                }
                Output::Check(job) => {
                    let bytes = self.nodes[n].blobs[&job.blob.root].clone();
                    let inputs = Stored(&job.inputs);
                    let run = |checks: Checks| checks.compile().expect("checks were validated").run(&bytes, &inputs);
                    let sealed = job.sealed.clone().map(|asserts| run(Checks { schema: None, asserts }));
                    let compared = job.compare.as_ref().map(|_| sha256(&[&bytes]));
                    let decided = job.seat.map(|seat| self.case(n, &seat, &job.inputs)?.decide(&bytes));
                    let checked =
                        Checked { public: run(job.public.clone()), sealed, part: job.part, compared, decided };
                    self.post(
                        Millis(1),
                        Mail::Input(n, life, Input::Checked { hire: job.hire, root: job.blob.root, checked }),
                    );
                }
                Output::Case(job) => {
                    let transcript = Transcript::new("test", job.records).expect("a chain fits").to_json();
                    let case = blob(&transcript);
                    self.nodes[n].blobs.insert(case.root, transcript);
                    self.post(HOP, Mail::Input(n, life, Input::Cased { hire: job.hire, result: Ok(case) }));
                }
                Output::Answer(_, answer) => self.nodes[n].answers.push(answer),
                Output::Notice(notice) => self.nodes[n].notices.push(notice),
                Output::Blame(who, why) => self.nodes[n].blamed.push(format!("{who:?}: {why}")),
                Output::Verdict(..) | Output::Announce(_) | Output::Follow(_) | Output::AskPage { .. } => {}
                Output::StopWork(hire) => {
                    let works = |mail: &Mail| matches!(mail, Mail::Input(who, _, Input::Worked { hire: at, .. }) if (*who, *at) == (n, hire));
                    let killed: Vec<_> =
                        self.queue.iter().filter(|(_, mail)| works(mail)).map(|(key, _)| *key).collect();
                    for key in killed {
                        if let Some(Mail::Input(_, life, Input::Worked { hire, attempt, .. })) = self.queue.remove(&key)
                        {
                            let result = Err("stopped".to_owned());
                            self.post(HOP, Mail::Input(n, life, Input::Worked { hire, attempt, result }));
                        }
                    }
                }
            }
        }
    }

    /// The case before an arbiter, as its driver opens it.
    fn case(&self, n: usize, seat: &Seat, inputs: &[BriefInput]) -> Result<Case, String> {
        let case = inputs.iter().find(|input| &*input.name == CASE).ok_or("no case")?;
        seat.open(&self.nodes[n].blobs[&case.blob.root])
    }

    fn mail(&mut self, mail: Mail) {
        match mail {
            Mail::Rise(n) => {
                self.tell(|| format!("{n} comes up"));
                self.rise(n);
            }
            Mail::Input(n, life, input) => {
                if self.nodes[n].lives == life {
                    self.handle(n, input);
                }
            }
            Mail::Request { from, to, ids, bytes } => {
                let life = self.nodes[from].lives;
                if self.cut {
                    return self.post(HOP, Mail::Reply { to: from, life, from: to, ids, replies: None });
                }
                if !self.reaches(from, to) {
                    return self.post(Millis::secs(10), Mail::Reply { to: from, life, from: to, ids, replies: None });
                }
                self.delivered += 1;
                self.cut = self.cut_after.is_some_and(|after| self.delivered >= after);
                let Ok(Request::Parcel(items)) = Request::decode(&bytes) else { panic!("parcels survive the wire") };
                let items = items.iter().map(|item| self.admit(&item.record, item.beside.as_deref())).collect();
                self.count += 1;
                let token = self.count;
                self.tokens.insert((to, token), (from, life, ids));
                let from = self.id(from);
                self.handle(to, Input::Parcel { from, token, items });
            }
            Mail::Reply { to, life, from, ids, replies } => {
                if self.nodes[to].lives == life {
                    self.tell(|| format!("{to} hears from {from}: {replies:?}"));
                    let from = self.id(from);
                    self.handle(to, Input::Sent { to: from, ids, replies });
                }
            }
        }
    }

    /// When the world's clock will be at what peer `n` waits for.
    fn wakes(&self, n: usize) -> Option<Timestamp> {
        let node = &self.nodes[n];
        let due = node.peer.as_ref()?.next_deadline().filter(|_| node.clock.held.is_none())?;
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

    /// What peer `n` answers, if it is up.
    pub fn query(&self, n: usize, query: &Query) -> Option<Found> {
        self.nodes[n].peer.as_ref().map(|peer| peer.query(self.time(n), query))
    }

    pub fn rows(&self, n: usize) -> Vec<HireRow> {
        match self.query(n, &Query::Hires { after: None }) {
            Some(Found::Hires { rows, .. }) => rows,
            _ => Vec::new(),
        }
    }

    /// The one hire of a story, as peer `n` sees it.
    pub fn hire_of(&self, n: usize) -> HireRow {
        let rows: Vec<HireRow> = self.rows(n).into_iter().filter(|row| row.hire.is_some()).collect();
        assert_eq!(rows.len(), 1, "one hire expected: {rows:?}");
        rows[0].clone()
    }

    pub fn shown(&self, n: usize, id: HireId) -> Shown {
        match self.query(n, &Query::Show(id.to_string())) {
            Some(Found::Shown(shown)) => *shown,
            other => panic!("not shown: {other:?}"),
        }
    }

    /// What peer `n` answers to a request for ratings.
    fn ratings_for(&self, n: usize, wanted: &Wanted) -> (Vec<Verified<Rating>>, Option<Bytes32>) {
        let (ids, next) = match wanted {
            Wanted::These(ids) => (ids.clone(), None),
            Wanted::About(agent, after) | Wanted::By(agent, after) => {
                let after = after.map(|after| Id::from_bytes(after.0));
                let query = match wanted {
                    Wanted::By(..) => Query::RatingsBy { by: *agent, after },
                    _ => Query::Ratings { about: *agent, after },
                };
                match self.query(n, &query) {
                    Some(Found::Ratings { ids, next }) => (ids, next.map(|id| id.untyped())),
                    other => panic!("no ratings: {other:?}"),
                }
            }
        };
        let held = self.nodes[n].ratings.iter().filter(|rating| ids.contains(&rating.id()));
        (held.cloned().collect(), next)
    }

    /// How the one hire of a story ended for both sides: outcome and whether both signed.
    pub fn ends(&self) -> [Option<(Outcome, bool)>; 2] {
        [0, 1].map(|n| self.hire_of(n).closed.map(|closed| (closed.outcome, closed.agreed)))
    }

    /// Puts bytes into peer 0's store and names them as an input.
    pub fn store(&mut self, name: &str, bytes: &[u8]) -> BriefInput {
        let blob = blob(bytes);
        self.nodes[0].blobs.insert(blob.root, bytes.to_vec());
        BriefInput { blob, name: name.try_into().unwrap(), media: "text/plain".try_into().unwrap() }
    }

    /// A task about one document of eleven bytes.
    pub fn task(&mut self) -> Task {
        let input = self.store("document", b"hello world");
        let checks = Checks { schema: None, asserts: vec!["result.bytes >= 0".parse().unwrap()] };
        Task {
            sealed: vec!["result.bytes == 11".parse().unwrap()],
            max: Some("0.05 USD".parse().unwrap()),
            done: Millis::mins(5),
            inputs: vec![input],
            ..Task::new("text/count".parse().unwrap(), "Count the bytes", checks)
        }
    }
}

struct Stored<'a>(&'a [BriefInput]);
impl Inputs for Stored<'_> {
    fn sha256(&self, _: &str) -> Option<Bytes32> {
        None
    }
    fn size(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|input| &*input.name == name).map(|input| input.blob.size)
    }
}

pub fn worker(name: &str, price: &str, parallel: usize) -> Config {
    let entry = SkillEntry {
        path: "text".parse().unwrap(),
        input: None,
        price: price.parse().unwrap(),
        constraint: None,
        expect: Millis::secs(10),
        output: None,
        properties: Default::default(),
    };
    Config {
        name: name.into(),
        version: "1".into(),
        model: None,
        from: From::Anyone,
        parallel,
        skills: vec![Serving { entry, restartable: true }],
        ..Config::default()
    }
}

impl World {
    /// Posts a task where the requester may fall while it does: then the user, who got no answer, looks and asks again.
    pub fn hire_or_crash(&mut self, task: Task) {
        self.say(0, Command::Hire { task: Box::new(task.clone()), to: None, token: None });
        if self.rows(0).is_empty() {
            self.hire(task, None);
        }
    }

    /// Has peer `n` compact its journal, as a node does when it has grown; how many events were archived.
    pub fn compact(&mut self, n: usize) -> usize {
        let journal = std::mem::take(&mut self.nodes[n].journal);
        let peer = self.nodes[n].peer.as_mut().expect("it is up");
        let (past, before) = (peer.past(self.now), journal.len());
        let retention = peer.retention(&past);
        let live: Vec<Vec<u8>> = journal.into_iter().filter(|event| retention.of(event) == Retain::Live).collect();
        peer.forget(&past);
        self.nodes[n].journal = live;
        before - self.nodes[n].journal.len()
    }

    /// A command that may get no answer: the peer is down, or falls over it.
    pub fn say(&mut self, n: usize, command: Command) {
        self.handle(n, Input::Command { caller: 1, command });
    }

    /// Peer `n` as its journal alone has it.
    pub fn replay(&self, n: usize) -> Result<Peer, RestoreError> {
        let node = &self.nodes[n];
        let rng = Box::new(ChaCha20Rng::from_seed([0; 32]));
        let (config, events) = (node.config.clone(), node.journal.iter().cloned());
        Peer::replay(config, signer(node.seed), rng, events, node.ratings.iter().cloned()).map(|(peer, _)| peer)
    }
}
