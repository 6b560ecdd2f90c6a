//! Many hires in flight while both sides fall again and again, at moments that nobody chose: nothing is lost, nothing is done
//! twice that may be done once, nothing stays open, and both sides tell the same of every hire.
//!
//! A requester keeps [`IN_FLIGHT`] hires under way with two workers, by gossip and directly: one whose agent may be started again,
//! one whose agent may not. A thread posts; meanwhile the test kills nodes and starts them again at once on the same data and
//! port:
//!
//! | moment | who falls, and when |
//! |---|---|
//! | alone | one node, when the journals have grown by so many bytes |
//! | together | a requester and one of its workers, or everybody, at such a moment |
//! | starting | a node that fell, again before it is ready: while it replays its journal, opens its stores, looks for its port |
//! | compacting | a node whose journal is being rewritten, and again while it does that anew after its start |
//!
//! Who falls, after how many bytes, and what is posted follow from the seed; the moments themselves are the machine's, so a seed
//! brings back the circumstances of a failure, not each instant. Between two looks at the journals some milliseconds pass, so
//! that no step of a hire is favoured.
//!
//! A journal is compacted when four segments of it are full, which hires alone do once in many thousands. So the node that is
//! to fall then is filled with [`BALLAST`] meanwhile: postings that nobody takes, each withdrawn at once.
//!
//! `GIGMESH_KILLS=10000` says how many hires, `GIGMESH_SEED=...` repeats a seed. How far it is, and the counts, are printed
//! however the test runs.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fmt;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::hire::task::{Review, Task};
use gigmesh_protocol::id::{AgentId, Id};
use gigmesh_protocol::ledger::{Direction, Entry, Subject};
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::market::{Offer, Outcome};
use gigmesh_protocol::peer::io::{HireRow, Status};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::transcript::Transcript;
use gigmesh_tests::{
    Bootstrap, Door, Node, Setup, Transport, binary, free_port, home, sleep_until, temp_dir, wait_until,
};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Hires of the normal run.
const HIRES: usize = 100;
/// Hires on the same nodes; more are made by more of them, for a node forgets closed hires at last.
const ROUND: usize = 2_500;
/// Hires under way at once.
const IN_FLIGHT: usize = 32;
/// Bytes by which the journals of all grow at most between two blows: a hire writes some 10 KB.
const SPAN: u64 = 96 << 10;
/// How long it may take until all that is open is closed. No deadline of a hire is this short.
const HEAL: Duration = Duration::from_secs(240);

/// Hires from one journal that is filled, and falls some times while it is compacted, to the next: filling costs more than
/// many blows.
const FILL_EVERY: usize = 500;
/// The skill of postings that nobody takes.
const BALLAST: &str = "ballast/none";
/// How much such a posting weighs: nearly all that the parameters of a task may.
const BALLAST_BYTES: usize = 60 << 10;
/// The longest that a compaction goes on before its blow: about the time it takes.
const COMPACTS: Duration = Duration::from_millis(150);
/// About how long a start takes.
const START: Duration = Duration::from_millis(100);
/// How often it is said how far the test is.
const TOLD_EVERY: Duration = Duration::from_secs(20);

/// What the workers serve, in their order.
const SKILLS: [&str; 2] = ["kill/again", "kill/once"];
const AGAIN: &str = SKILLS[0];
const PRICE: &str = "0.02 USD";

/// A requester, and the workers after it.
struct Players {
    nodes: Vec<Node>,
    _bootstrap: Bootstrap,
}

impl Players {
    fn start(dir: &Path) -> Self {
        let bootstrap = Bootstrap::start(&home(dir, "bootstrap"), &Transport::Tcp.address(free_port()), &[]);
        let start = |name: &str, skill: Option<&str>| {
            let home = home(dir, name);
            let config = skill.map(|skill| worker(&home, name, skill));
            let (doors, listen) = (vec![bootstrap.address.clone()], vec![Transport::Tcp.address(free_port())]);
            Node::start(&home, name, &Setup { config, doors, listen, ..Setup::default() })
        };
        let nodes = vec![start("requester", None), start("again", Some(SKILLS[0])), start("once", Some(SKILLS[1]))];
        Self { nodes, _bootstrap: bootstrap }
    }

    /// The bytes in everybody's journals but this one's.
    fn journalled(&self, but: Option<usize>) -> u64 {
        let others = self.nodes.iter().enumerate().filter(|(n, _)| Some(*n) != but);
        others.map(|(_, node)| size(&node.data_dir().join("journal"))).sum()
    }

    /// How often each hire was done by this worker.
    fn runs(&self, worker: usize) -> BTreeMap<String, usize> {
        let mut runs = BTreeMap::new();
        for hire in fs::read_to_string(self.nodes[worker].home().join("runs")).unwrap_or_default().lines() {
            *runs.entry(hire.to_owned()).or_default() += 1;
        }
        runs
    }
}

/// Writes a worker's file and its agent, which notes each run by its hire.
fn worker(home: &Path, name: &str, skill: &str) -> PathBuf {
    let restartable = skill == AGAIN;
    let runs = home.join("runs").display().to_string();
    let script = format!("cat > /dev/null\necho $GIGMESH_HIRE >> '{runs}'\nsleep 0.05\necho '{{\"done\": true}}'\n");
    fs::write(home.join("agent.sh"), script).unwrap();
    let file = home.join("worker.toml");
    let text = format!(
        "[agent]\nname = {name:?}\nversion = \"1\"\n[serve]\nfrom = \"anyone\"\nparallel = {IN_FLIGHT}\n\
         [[skill]]\npath = {skill:?}\nprice = \"{PRICE} per task\"\nexpect = \"1s\"\n\
         [skill.run]\ncommand = [\"/bin/sh\", \"agent.sh\"]\ntimeout = \"2m\"\nrestartable = {restartable}\n"
    );
    fs::write(&file, text).unwrap();
    file
}

/// The bytes below a directory. Files come and go while it is looked at.
fn size(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.metadata().map_or(0, |meta| if meta.is_dir() { size(&entry.path()) } else { meta.len() }))
        .sum()
}

/// A task that a worker closes in a moment, with hours for each of its steps.
fn task(skill: &str) -> Task {
    Task {
        skill: skill.parse().unwrap(),
        summary: "Be done once".into(),
        slots: 1,
        agree: None,
        compare: None,
        milestones: Default::default(),
        arbiter: None,
        call: None,
        constraint: None,
        properties: Default::default(),
        checks: Checks { schema: None, asserts: vec!["result.done == true".parse().unwrap()] },
        sealed: Vec::new(),
        review_by: Review::Auto,
        rating_by: Review::Auto,
        max: Some(PRICE.parse().unwrap()),
        choosing: Default::default(),
        bids: Millis(200),
        begin: Millis::hours(1),
        done: Millis::hours(1),
        review: Millis::hours(1),
        expires: Millis::hours(1),
        inputs: Vec::new(),
        params: None,
    }
}

#[derive(Deserialize)]
struct Posted {
    offer: Id<Offer>,
}

#[derive(Deserialize)]
struct Page<T, N> {
    rows: Vec<T>,
    next: Option<N>,
}

/// Posts until so many are acknowledged; returns those. What is posted while the requester falls may count or not.
fn post(door: &Door, workers: &[String], hires: usize, rng: &mut ChaCha8Rng, done: &AtomicUsize) -> Vec<Id<Offer>> {
    let mut posted = Vec::new();
    while posted.len() < hires {
        let room = wait_until("room for one more hire", HEAL, || {
            let status: Status = door.get("/v1/status").ok()?;
            IN_FLIGHT.checked_sub(status.hires_open + status.postings_open).filter(|room| *room > 0)
        });
        for _ in 0..room.min(hires - posted.len()) {
            let which = below(rng, 2) as usize;
            let to = (below(rng, 2) == 0).then(|| &workers[which]);
            match door.post("/v1/hires", &json!({ "task": task(SKILLS[which]), "to": to })) {
                Ok(Posted { offer }) => {
                    posted.push(offer);
                    done.store(posted.len(), Ordering::Relaxed);
                }
                Err(error) if error.kind() == io::ErrorKind::Other => panic!("a posting is refused: {error}"),
                Err(_) => break,
            }
        }
    }
    posted
}

/// Past the test's own capture: what is said is wanted of a run that passes, too.
fn say(text: &str) {
    io::stderr().write_all(text.as_bytes()).unwrap();
}

/// A number below a bound.
fn below(rng: &mut ChaCha8Rng, bound: u64) -> u64 {
    rng.next_u64() % bound
}

/// A number from nothing to one.
fn share(rng: &mut ChaCha8Rng) -> f64 {
    below(rng, 1_000) as f64 / 1_000.0
}

/// All rows of a list of hires.
fn hires(door: &Door) -> BTreeMap<String, HireRow> {
    let mut found = BTreeMap::new();
    let mut after = String::new();
    loop {
        let page: Page<HireRow, String> = ask(door, &format!("/v1/hires{after}"));
        found.extend(page.rows.into_iter().map(|row| (row.id().to_string(), row)));
        let Some(next) = page.next else { return found };
        after = format!("?after={next}");
    }
}

/// The hires in a ledger, each with its lines.
fn ledger(door: &Door) -> BTreeMap<HireId, Vec<Entry>> {
    let mut found = BTreeMap::<_, Vec<Entry>>::new();
    let mut skip = 0;
    loop {
        let page: Page<Entry, usize> = ask(door, &format!("/v1/ledger?skip={skip}"));
        for entry in page.rows {
            if let Subject::Hire(hire) = entry.subject {
                found.entry(hire).or_default().push(entry);
            }
        }
        let Some(next) = page.next else { return found };
        skip = next;
    }
}

fn ask<T: DeserializeOwned>(door: &Door, path: &str) -> T {
    door.get(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Blows, by the moment at which they fell.
#[derive(Default, Clone, Copy)]
struct Kills {
    alone: usize,
    /// Two or three at once; each counts.
    together: usize,
    starting: usize,
    compacting: usize,
}

impl fmt::Display for Kills {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { alone, together, starting, compacting } = self;
        let all = alone + together + starting + compacting;
        write!(
            f,
            "{all} kills ({alone} alone, {together} together, {starting} while starting, {compacting} while compacting)"
        )
    }
}

/// What came of it all: hires by outcome, and everything that must not be, with the hires concerned.
#[derive(Default)]
struct Tally {
    posted: usize,
    kills: Kills,
    hires: BTreeMap<String, usize>,
    runs: usize,
    lost: Vec<String>,
    duplicated: Vec<String>,
    stuck: Vec<String>,
    disagreements: Vec<String>,
    unrated: Vec<String>,
    /// Ends that neither the checks nor the agent's declaration account for.
    astray: Vec<String>,
}

impl Tally {
    fn wrongs(&self) -> [(&str, &Vec<String>); 6] {
        [
            ("lost", &self.lost),
            ("duplicated executions", &self.duplicated),
            ("stuck", &self.stuck),
            ("disagreements", &self.disagreements),
            ("not rated by both", &self.unrated),
            ("ended otherwise than declared", &self.astray),
        ]
    }

    fn look(&mut self, players: &Players, posted: &[Id<Offer>]) {
        let doors: Vec<Door> = players.nodes.iter().map(Node::door).collect();
        let agents: Vec<AgentId> = players.nodes.iter().map(|node| node.agent.parse().unwrap()).collect();
        let mut mine = hires(&doors[0]);
        mine.retain(|_, row| row.skill.to_string() != BALLAST);
        let offers: BTreeSet<Id<Offer>> = mine.values().map(|row| row.offer).collect();
        let lost = posted.iter().filter(|offer| !offers.contains(offer));
        self.lost.extend(lost.map(|offer| format!("offer {offer}: it was acknowledged")));
        let unfilled = mine.values().filter(|row| row.hire.is_none());
        self.stuck.extend(unfilled.map(|row| format!("offer {}: {:?} after all", row.offer, row.stage)));
        let mut filled = BTreeSet::new();
        for row in mine.values().filter(|row| row.hire.is_some() && !filled.insert(row.offer)) {
            self.duplicated.push(format!("offer {}: two hires for one slot", row.offer));
        }
        let my_ledger = ledger(&doors[0]);
        for (n, theirs) in doors.iter().enumerate().skip(1) {
            let (rows, runs, books) = (hires(theirs), players.runs(n), ledger(theirs));
            self.runs += runs.values().sum::<usize>();
            let once = SKILLS[n - 1] != AGAIN;
            let with = |row: &&HireRow| row.hire.is_some() && row.with == Some(agents[n]);
            let ours: BTreeMap<HireId, &HireRow> =
                mine.values().filter(with).filter_map(|row| Some((row.hire?, row))).collect();
            let alone = rows.values().filter_map(|row| row.hire).filter(|hire| !ours.contains_key(hire));
            self.lost.extend(alone.map(|hire| format!("hire {hire}: the requester has none of it")));
            let booked: BTreeSet<&HireId> = books.keys().collect();
            let mut accepted = BTreeSet::new();
            for (hire, row) in &ours {
                let Some(other) = rows.get(&hire.to_string()) else {
                    self.lost.push(format!("hire {hire}: the worker has none of it"));
                    continue;
                };
                let (Some(closed), Some(theirs_closed)) = (row.closed, other.closed) else {
                    self.stuck.push(format!("hire {hire}: {:?} here, {:?} there", row.stage, other.stage));
                    continue;
                };
                *self.hires.entry(closed.outcome.to_string()).or_default() += 1;
                if closed.outcome != theirs_closed.outcome || !closed.agreed || !theirs_closed.agreed {
                    self.disagreements.push(format!("hire {hire}: {closed:?} here, {theirs_closed:?} there"));
                    continue;
                }
                let runs = runs.get(&hire.to_string()).copied().unwrap_or_default();
                if once && runs > 1 {
                    self.duplicated.push(format!("hire {hire}: {runs} runs"));
                }
                match closed.outcome {
                    Outcome::Accepted if runs > 0 => {
                        accepted.insert(hire);
                        self.compare(*hire, [&doors[0], theirs], [agents[0], agents[n]]);
                        let line = |ledger: &BTreeMap<_, Vec<Entry>>| match ledger.get(hire).map(Vec::as_slice) {
                            Some([one]) => Some((one.with, one.amount.to_string(), one.direction)),
                            _ => None,
                        };
                        let debit = Some((agents[n], PRICE.to_owned(), Direction::Debit));
                        let credit = Some((agents[0], PRICE.to_owned(), Direction::Credit));
                        if line(&my_ledger) != debit || line(&books) != credit {
                            self.disagreements.push(format!("hire {hire}: the ledgers are not of one mind"));
                        }
                    }
                    Outcome::CancelledByWorker if once => {}
                    outcome => self.astray.push(format!("hire {hire}: {outcome} after {runs} runs")),
                }
            }
            for hire in booked.difference(&accepted) {
                self.disagreements.push(format!("hire {hire}: it is in the worker's ledger, and was not accepted"));
            }
        }
    }

    /// What both can prove of an accepted hire to a stranger, ratings included.
    fn compare(&mut self, hire: HireId, doors: [&Door; 2], agents: [AgentId; 2]) {
        for door in doors {
            let text = door.bytes(&format!("/v1/hires/{hire}/records")).unwrap();
            match Transcript::from_json(&text).and_then(|transcript| transcript.verify()) {
                Ok(found) => {
                    let raters = found.ratings.iter().filter(|rating| rating.counts).map(|rating| rating.by);
                    if raters.collect::<BTreeSet<_>>() != BTreeSet::from(agents) {
                        self.unrated.push(format!("hire {hire}: {:?}", found.ratings));
                    }
                    if !found.agreed || found.outcome != Some(Outcome::Accepted) {
                        self.disagreements.push(format!("hire {hire}: the records say {:?}", found.state));
                    }
                }
                Err(fault) => self.disagreements.push(format!("hire {hire}: {fault}")),
            }
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} hires posted, {}, {} runs of agents", self.posted, self.kills, self.runs)?;
        self.hires.iter().try_for_each(|(outcome, count)| write!(f, ", {count} {outcome}"))?;
        self.wrongs().iter().try_for_each(|(wrong, hires)| write!(f, ", {} {wrong}", hires.len()))
    }
}

/// Starts a node, which sometimes falls again before it is ready. Does not wait for it.
fn start(node: &mut Node, rng: &mut ChaCha8Rng, kills: &mut Kills) {
    let mut began = Instant::now();
    node.launch();
    while below(rng, 3) == 0 {
        let moment = START.mul_f64(share(rng));
        sleep_until(began + moment);
        // With its first line it is ready.
        kills.starting += usize::from(node.process().stdout().is_empty());
        node.kill9();
        began = Instant::now();
        node.launch();
    }
}

/// The generations that a compacted journal has now: while it is being rewritten, one more than it had.
fn generations(journal: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(journal).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.into_string().ok()).filter(|name| name.starts_with("compacted-")).collect()
}

/// A node whose journal is being filled until it is compacted.
struct Filling {
    whom: usize,
    journal: PathBuf,
    /// The generations it had before.
    before: BTreeSet<String>,
    over: Arc<AtomicBool>,
}

impl Filling {
    /// Fills it from a thread of its own, whatever becomes of the node meanwhile.
    fn start<'scope>(whom: usize, node: &Node, scope: &'scope thread::Scope<'scope, '_>) -> Self {
        let journal = node.data_dir().join("journal");
        let (before, over, door) = (generations(&journal), Arc::new(AtomicBool::new(false)), node.door());
        let ended = Arc::clone(&over);
        scope.spawn(move || {
            let task = Task {
                params: Some(format!("\"{}\"", "x".repeat(BALLAST_BYTES))),
                // Should the node fall before it is withdrawn.
                expires: Millis(10_000),
                ..task(BALLAST)
            };
            let begun = Instant::now();
            while !ended.load(Ordering::Relaxed) && begun.elapsed() < 2 * HEAL {
                // Refused by a node that has just fallen.
                let Ok(Posted { offer }) = door.post("/v1/hires", &json!({ "task": task })) else { continue };
                let _ = door.post::<Value>(&format!("/v1/hires/{offer}/stop"), &json!({ "reason": "" }));
            }
        });
        Self { whom, journal, before, over }
    }

    /// The generation that is being made, or was.
    fn begun(&self) -> Option<String> {
        generations(&self.journal).difference(&self.before).next().cloned()
    }

    /// Lets the node fall while it compacts; then again, some times, while it does that anew.
    fn strike(self, node: &mut Node, rng: &mut ChaCha8Rng, kills: &mut Kills) {
        let manifest = || fs::read(self.journal.join("manifest")).unwrap_or_default();
        // At once for the first time, so that it does not come too late.
        let mut moment = Duration::ZERO;
        loop {
            let new = wait_until("the journal to be compacted", HEAL, || self.begun());
            let (begun, old) = (Instant::now(), manifest());
            wait_until("a moment of it", HEAL, || (begun.elapsed() >= moment || manifest() != old).then_some(()));
            moment = COMPACTS.mul_f64(share(rng));
            node.kill9();
            // Its end is the new manifest.
            let within = manifest() == old && generations(&self.journal).contains(&new);
            kills.compacting += usize::from(within);
            self.over.store(true, Ordering::Relaxed);
            start(node, rng, kills);
            node.back();
            if !within || below(rng, 5) == 0 {
                return;
            }
        }
    }
}

/// One set of nodes, so many hires, kills as the seed says.
fn play(dir: &Path, seed: u64, count: usize, tally: &mut Tally) {
    let mut players = Players::start(dir);
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut posters_rng = ChaCha8Rng::seed_from_u64(rng.next_u64());
    let door = players.nodes[0].door();
    let workers: Vec<String> = players.nodes[1..].iter().map(|node| node.agent.clone()).collect();
    let (done, mut told) = (AtomicUsize::new(0), Instant::now());
    let mut fill_at = 0;
    let posted = thread::scope(|scope| {
        let poster = scope.spawn(|| post(&door, &workers, count, &mut posters_rng, &done));
        let mut filling: Option<Filling> = None;
        while !poster.is_finished() || filling.is_some() {
            let posted = done.load(Ordering::Relaxed);
            if filling.is_none() && posted >= fill_at {
                fill_at += FILL_EVERY;
                let whom = below(&mut rng, players.nodes.len() as u64) as usize;
                filling = Some(Filling::start(whom, &players.nodes[whom], scope));
            }
            let full = filling.as_ref().map(|filling| filling.whom);
            let (mut grown, mut before) = (0, players.journalled(full));
            let (much, whom) = (below(&mut rng, SPAN), below(&mut rng, 16));
            let compacting = wait_until("the journals to grow", HEAL, || {
                let now = players.journalled(full);
                // Compaction makes them shorter.
                grown += now.saturating_sub(before);
                before = now;
                let compacting = filling.as_ref().is_some_and(|filling| filling.begun().is_some());
                let over = poster.is_finished();
                (compacting || over && full.is_none() || grown >= much && !over).then_some(compacting)
            });
            let kills = &mut tally.kills;
            if let Some(filling) = filling.take_if(|_| compacting) {
                let node = &mut players.nodes[filling.whom];
                filling.strike(node, &mut rng, kills);
                continue;
            }
            let mut fallen: &[usize] = match whom {
                0 => &[0, 1, 2],
                1 => &[0, 1],
                2 => &[0, 2],
                3..=7 => &[0],
                8..=11 => &[1],
                _ => &[2],
            };
            // A node with a journal that large takes its time to start: it falls with others, and when it is full.
            if full.is_some_and(|full| fallen == [full]) {
                fallen = if full == Some(0) { &[1] } else { &[0] };
            }
            *(if fallen.len() > 1 { &mut kills.together } else { &mut kills.alone }) += fallen.len();
            fallen.iter().for_each(|&whom| players.nodes[whom].kill9());
            for &whom in fallen {
                start(&mut players.nodes[whom], &mut rng, kills);
            }
            fallen.iter().for_each(|&whom| players.nodes[whom].back());
            if told.elapsed() > TOLD_EVERY {
                told = Instant::now();
                say(&format!("kills: seed {seed}: {posted} of {count} hires posted, {kills}\n"));
            }
        }
        poster.join().unwrap()
    });
    tally.posted += posted.len();
    let started = Instant::now();
    let doors: Vec<Door> = players.nodes.iter().map(Node::door).collect();
    // What is open after that is counted as stuck, not only waited for in vain.
    wait_until("everything to close", 2 * HEAL, || {
        let quiet = |door: &Door| {
            let status: Status = ask(door, "/v1/status");
            status.hires_open + status.postings_open + status.outbox == 0
        };
        (doors.iter().all(quiet) || started.elapsed() > HEAL).then_some(())
    });
    tally.look(&players, &posted);
}

#[test]
fn no_hire_is_lost_done_twice_left_open_or_told_differently_whoever_is_killed_whenever() {
    let given = |name| {
        env::var(name).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{name}: a number is wanted")))
    };
    let hires = given("GIGMESH_KILLS").map_or(HIRES, |hires| usize::try_from(hires).unwrap());
    let first = given("GIGMESH_SEED").unwrap_or_else(|| wall_clock().0);
    // Built before the time is taken.
    binary();
    let started = Instant::now();
    let mut tally = Tally::default();
    for seed in first.. {
        let count = ROUND.min(hires - tally.posted);
        let dir = temp_dir();
        play(dir.path(), seed, count, &mut tally);
        let mut said = format!("kills: seed {seed}, {} s: {tally}\n", started.elapsed().as_secs());
        let wrongs = tally.wrongs();
        let hires_wrong = wrongs.iter().flat_map(|(wrong, hires)| hires.iter().map(move |hire| (wrong, hire)));
        hires_wrong.for_each(|(wrong, hire)| said += &format!("  {wrong}: {hire}\n"));
        say(&said);
        if wrongs.iter().any(|(_, hires)| !hires.is_empty()) {
            let data = dir.keep();
            panic!("see above and {}; again with GIGMESH_KILLS={count} GIGMESH_SEED={seed}", data.display());
        }
        if tally.posted >= hires {
            return;
        }
    }
}
