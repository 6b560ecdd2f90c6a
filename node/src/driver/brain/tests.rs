use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::peer::event::Filed;
use gigmesh_protocol::peer::io::{Answer, Command, Config};
use gigmesh_protocol::peer::query::Alive;
use gigmesh_protocol::record::{Network, Signer};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng as _;
use tokio::sync::oneshot;

use super::super::clock::tests::Set;
use super::super::{CallError, Why};
use super::*;
use crate::store::memory::{MemoryLog, MemoryRatings};
use crate::store::offline::tests::rating;
use crate::store::traits::StoredRating;

/// What happened, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Appended(Vec<u8>),
    Committed,
    Said(&'static str),
}

type Steps = Arc<Mutex<Vec<Step>>>;

/// A brain without a mind: to whatever happens it wants a word said, then an event kept, then another word said, which is
/// the order that tempts a driver to speak too early.
struct Scripted {
    deadline: Option<Timestamp>,
    /// For queries: it knows nothing.
    peer: Peer,
}

impl Scripted {
    fn waking(deadline: Timestamp) -> Self {
        Self { deadline: Some(deadline), ..Self::default() }
    }
}

impl Default for Scripted {
    fn default() -> Self {
        let (signer, rng) = (Signer::new(&[1; 32], Network::new("test")), ChaCha20Rng::from_seed([0; 32]));
        let (peer, _) = Peer::replay(Config::default(), signer, Box::new(rng), [], []).unwrap();
        Self { deadline: None, peer }
    }
}

impl Brain for Scripted {
    fn handle(&mut self, _: Timestamp, input: Input, out: &mut Outbox) {
        let (event, answer) = match input {
            Input::Command { caller, .. } => (b"command".to_vec(), Some(Output::Answer(caller, Ok(Answer::Done)))),
            Input::LinkUp(AgentId(key)) => (vec![key[0]], None),
            Input::Tick => {
                self.deadline = None;
                (b"tick".to_vec(), None)
            }
            other => panic!("not in this play: {other:?}"),
        };
        out.push(Output::Follow("before".to_owned()));
        out.push(Output::Persist(event));
        out.push(Output::StopWork(gigmesh_protocol::id::Id::from_bytes([0; 32])));
        out.extend(answer);
    }
    fn next_deadline(&self) -> Option<Timestamp> {
        self.deadline
    }
    fn peer(&self) -> &Peer {
        &self.peer
    }
    fn judge(&self, _: &BTreeSet<HireId>) -> Judge {
        Box::new(|event| if event[0].is_multiple_of(2) { Keep::Live } else { Keep::Archive(Filed::default()) })
    }
    fn past(&self, _: Timestamp) -> BTreeSet<HireId> {
        BTreeSet::new()
    }
    fn forget(&mut self, _: &BTreeSet<HireId>) {}
    fn live_blobs(&self, _: Timestamp) -> BTreeSet<Bytes32> {
        BTreeSet::new()
    }
}

/// Takes down what is said.
struct Recorder {
    steps: Steps,
    waiting: Vec<Option<oneshot::Sender<Result<Answer, CallError>>>>,
}

impl World for Recorder {
    fn sweep(&mut self, _: BTreeSet<Bytes32>) {}
    fn wait(&mut self, who: Waiting) -> u64 {
        let Waiting::Caller(caller) = who else { panic!("no network here") };
        self.waiting.push(Some(caller));
        self.waiting.len() as u64 - 1
    }
    fn carry_out(&mut self, output: Output) {
        let said = match output {
            Output::Follow(_) => "first",
            Output::StopWork(_) => "second",
            Output::Answer(caller, answer) => {
                let caller = self.waiting[caller as usize].take().expect("answered once");
                caller.send(answer.map_err(CallError::Refused)).unwrap();
                "answer"
            }
            other => panic!("not in this play: {other:?}"),
        };
        self.steps.lock().unwrap().push(Step::Said(said));
    }
    fn fail(&mut self, error: &StoreError) {
        for caller in self.waiting.drain(..).flatten() {
            caller.send(Err(CallError::Storage(error.to_string()))).unwrap();
        }
    }
}

/// A log that takes down what is done to it, and fails at the commit it is told to.
#[derive(Default)]
struct Recorded {
    log: MemoryLog,
    steps: Steps,
    commits_left: Option<usize>,
    closed: usize,
}

impl Log for Recorded {
    fn append(&mut self, event: &[u8]) -> Result<u64, LogError> {
        self.steps.lock().unwrap().push(Step::Appended(event.to_owned()));
        self.log.append(event)
    }
    fn commit(&mut self) -> Result<(), LogError> {
        match &mut self.commits_left {
            Some(0) => return Err(LogError::Poisoned),
            Some(left) => *left -= 1,
            None => {}
        }
        self.steps.lock().unwrap().push(Step::Committed);
        self.log.commit()
    }
}

impl Ledger for Recorded {
    type Prepared = usize;
    fn closed_segments(&self) -> usize {
        self.closed
    }
    fn compaction(&self, judge: Judge) -> Work<usize> {
        let events = self.log.events().to_vec();
        Box::new(move |_| Ok(Some(events.iter().filter(|event| judge(event) == Keep::Live).count())))
    }
    fn adopt(&mut self, kept: usize) -> Result<(Compacted, Rest), LogError> {
        self.closed = kept;
        self.steps.lock().unwrap().push(Step::Said("compacted"));
        Ok((Compacted { live: kept as u64, ..Compacted::default() }, Box::new(|| {})))
    }
}

struct Stage {
    queue: Queue,
    steps: Steps,
    thread: JoinHandle<Result<(), StoreError>>,
}

/// Raises the curtain over a brain that finds `tasks` waiting.
fn play(brain: Scripted, log: Recorded, tasks: Vec<Task>) -> Stage {
    play_by(&Set::default(), brain, log, tasks)
}

/// The same by these clocks.
fn play_by(clocks: &Set, brain: Scripted, log: Recorded, tasks: Vec<Task>) -> Stage {
    let steps = Arc::clone(&log.steps);
    let world = Recorder { steps: Arc::clone(&steps), waiting: Vec::new() };
    let (queue, receiver) = Queue::new();
    assert!(tasks.into_iter().all(|task| queue.offer(task)));
    let (clocks, receiver) = (Box::new(clocks.clone()), (queue.clone(), receiver));
    let driver = Driver::new((brain, vec![]), log, MemoryRatings::default(), world, receiver, clocks);
    Stage { queue, steps, thread: thread::spawn(move || driver.run()) }
}

impl Stage {
    /// Waits until everything put in so far is done.
    fn settle(&self) {
        let (task, answer) = Task::query(Alive);
        assert!(self.queue.offer(task));
        answer.blocking_recv().unwrap();
    }

    fn end(self) -> (Vec<Step>, Result<(), StoreError>) {
        self.queue.stop(Why::Asked);
        let ended = self.thread.join().unwrap();
        let steps = self.steps.lock().unwrap().clone();
        (steps, ended)
    }
}

fn link(n: u8) -> Task {
    Task::Input(Input::LinkUp(AgentId([n; 32])))
}

fn command() -> (Task, oneshot::Receiver<Result<Answer, CallError>>) {
    let (caller, answer) = oneshot::channel();
    let command = Command::Stop { id: Bytes32::default(), reason: String::new() };
    (Task::Command { command, caller }, answer)
}

#[test]
fn nothing_is_said_before_what_was_decided_with_it_is_on_disk() {
    let stage = play(Scripted::default(), Recorded::default(), vec![link(1), link(2)]);
    stage.settle();
    let (steps, ended) = stage.end();
    assert!(ended.is_ok());
    let words = [Step::Said("first"), Step::Said("second")];
    let mut expected = vec![Step::Appended(vec![1]), Step::Appended(vec![2]), Step::Committed];
    expected.extend(words.clone());
    expected.extend(words);
    assert_eq!(steps, expected, "and what waits together is committed together");
}

#[test]
fn a_failed_commit_lets_nothing_out_and_tells_whoever_waits() {
    let (task, mut taken) = command();
    let log = Recorded { commits_left: Some(1), ..Recorded::default() };
    let stage = play(Scripted::default(), log, vec![link(1)]);
    stage.settle();
    let spoken = stage.steps.lock().unwrap().len();
    let Stage { queue, steps, thread } = stage;
    assert!(queue.offer(task));
    assert!(matches!(thread.join().unwrap(), Err(StoreError::Log(LogError::Poisoned))));
    assert_eq!(steps.lock().unwrap()[spoken..], [Step::Appended(b"command".to_vec())]);
    assert!(matches!(taken.try_recv(), Ok(Err(CallError::Storage(_)))));
    assert!(!queue.offer(link(1)), "a brain that has ended takes nothing");
}

/// A store of ratings that has failed.
struct Failed;

impl Ratings for Failed {
    fn put(&self, _: [u8; 32], _: [u8; 32], _: &[u8]) -> Result<bool, RatingsError> {
        Err(RatingsError::Store("the disk is full".to_owned()))
    }
    fn remove(&self, _: [u8; 32], _: [u8; 32]) -> Result<bool, RatingsError> {
        Ok(false)
    }
    fn flush(&self) -> Result<(), RatingsError> {
        Ok(())
    }
    fn get(&self, _: [u8; 32]) -> Result<Option<Vec<u8>>, RatingsError> {
        Ok(None)
    }
    fn by_subject(&self, _: [u8; 32], _: usize) -> Result<Vec<StoredRating>, RatingsError> {
        Ok(vec![])
    }
    fn count(&self) -> u64 {
        0
    }
    fn iter(&self) -> Box<dyn Iterator<Item = Result<StoredRating, RatingsError>> + '_> {
        Box::new(std::iter::empty())
    }
}

#[test]
fn ratings_that_cannot_be_kept_end_it_as_a_failed_commit_does() {
    let steps = Steps::default();
    let world = Recorder { steps: Arc::clone(&steps), waiting: Vec::new() };
    let restored = vec![Output::Follow("before".to_owned()), Output::Keep(Box::new(rating(1, 2, 3).into()))];
    let clocks = Box::new(Set::default());
    let driver =
        Driver::new((Scripted::default(), restored), MemoryLog::default(), Failed, world, Queue::new(), clocks);
    assert!(matches!(driver.run(), Err(StoreError::Ratings(RatingsError::Store(_)))));
    assert_eq!(*steps.lock().unwrap(), []);
}

#[test]
fn an_answer_comes_after_its_commit() {
    let stage = play(Scripted::default(), Recorded::default(), vec![]);
    let (task, answer) = command();
    assert!(stage.queue.offer(task));
    assert_eq!(answer.blocking_recv().unwrap(), Ok(Answer::Done));
    let (steps, _) = stage.end();
    let words = [Step::Said("first"), Step::Said("second"), Step::Said("answer")];
    let expected = [&[Step::Appended(b"command".to_vec()), Step::Committed][..], &words].concat();
    assert_eq!(steps, expected);
}

#[test]
fn the_brain_is_told_when_its_time_has_come() {
    let brain = Scripted::waking(wall_clock());
    let stage = play(brain, Recorded::default(), vec![]);
    stage.settle();
    let (steps, _) = stage.end();
    assert_eq!(steps[..2], [Step::Appended(b"tick".to_vec()), Step::Committed]);
}

#[test]
fn the_journal_is_compacted_when_that_is_worth_it_and_not_again_at_once() {
    let log = Recorded { closed: COMPACT_SEGMENTS, ..Recorded::default() };
    let stage = play(Scripted::default(), log, vec![link(2), link(3), link(4)]);
    // It is done on another thread, which wakes the brain.
    while !stage.steps.lock().unwrap().contains(&Step::Said("compacted")) {
        stage.settle();
    }
    stage.settle();
    let (steps, _) = stage.end();
    assert_eq!(steps.iter().filter(|step| **step == Step::Said("compacted")).count(), 1);
    assert_eq!(steps.last(), Some(&Step::Said("compacted")), "after what the batch had to say");
}

const HOUR: i64 = 3_600_000;

#[test]
fn while_the_clocks_have_parted_nothing_is_decided_and_afterwards_nothing_is_lost() {
    let clocks = Set::default();
    let brain = Scripted::waking(wall_clock() + SWEEP_EVERY);
    let stage = play_by(&clocks, brain, Recorded::default(), vec![]);
    stage.settle();
    clocks.off(HOUR);
    // The deadline would have passed, by that clock.
    assert!(stage.queue.offer(link(1)));
    let (task, answer) = command();
    assert!(stage.queue.offer(task));
    stage.settle();
    let refused = answer.blocking_recv().unwrap();
    assert!(matches!(&refused, Err(CallError::Clock(why)) if why.contains("clock was set")), "{refused:?}");
    assert_eq!(*stage.steps.lock().unwrap(), [], "questions are answered all the same");
    clocks.off(0);
    assert!(stage.queue.offer(Task::Wake));
    stage.settle();
    let (steps, _) = stage.end();
    let words = [Step::Said("first"), Step::Said("second")];
    assert_eq!(steps, [&[Step::Appended(vec![1]), Step::Committed][..], &words].concat());
}

#[test]
fn a_time_that_the_operator_confirms_counts() {
    let clocks = Set::default();
    let brain = Scripted::waking(wall_clock() + SWEEP_EVERY);
    let stage = play_by(&clocks, brain, Recorded::default(), vec![]);
    stage.settle();
    clocks.off(HOUR);
    stage.settle();
    assert!(stage.queue.clock().parted().is_some());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(stage.queue.confirm_clock());
    stage.settle();
    let (steps, _) = stage.end();
    assert_eq!(steps[..2], [Step::Appended(b"tick".to_vec()), Step::Committed]);
}
