//! *Log first, then speak*, watched on a whole node: around its brain, around its hands, and under its journal, at the two calls
//! that reach the disk, stands a recorder that takes down in one sequence what was decided, written, synced and said. Everything
//! between is what runs in production.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs::File;
use std::io;
use std::iter::repeat_n;
use std::sync::Mutex;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::hire::chain::Entry;
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::peer::io::{Input, Output, Token};
use gigmesh_protocol::time::Timestamp;
use gigmesh_protocol::wire::Reply;

use super::*;
use crate::driver::{Answered, Judge, Waiting};

/// What happened, in order.
#[derive(Debug, Clone)]
enum Step {
    /// The brain was told something: the events it decided, and how many other things it wanted.
    Thought {
        events: Vec<Vec<u8>>,
        words: usize,
    },
    /// Records came in a parcel that wants this answer.
    Came(Token, Vec<Option<Record>>),
    Wrote(Vec<u8>),
    Synced,
    /// The disk said no.
    Failed,
    Said(Word),
}

/// What leaves the brain's thread.
#[derive(Debug, Clone)]
enum Word {
    Sent(Vec<Record>),
    /// The answer to a parcel, by which its sender knows what it need not send again.
    Acked(Token, Vec<Reply>),
    /// To a command.
    Answered,
    /// To a query.
    Found,
    Started(HireId),
    Stopped,
    /// Notices, gossip, requests to the network, checks.
    Other,
}

/// What a disk does with the syncs after so many.
#[derive(Debug, Clone, Copy, Default)]
enum Fault {
    #[default]
    None,
    /// Says that it has done it, and does it when it is next called.
    Early,
    /// Fails, once and for all.
    Fails { after: usize },
}

/// Takes everything down.
#[derive(Debug, Clone, Default)]
struct Recorder {
    steps: Arc<Mutex<Vec<Step>>>,
    fault: Fault,
}

impl Recorder {
    fn faulty(fault: Fault) -> Self {
        Self { fault, ..Self::default() }
    }

    fn note(&self, step: Step) {
        self.steps.lock().unwrap().push(step);
    }

    fn thought(&self, outputs: &[Output]) {
        let events: Vec<Vec<u8>> = outputs
            .iter()
            .filter_map(|output| if let Output::Persist(event) = output { Some(event.clone()) } else { None })
            .collect();
        let kept = outputs.iter().filter(|output| matches!(output, Output::Keep(_) | Output::Drop { .. })).count();
        self.note(Step::Thought { words: outputs.len() - kept - events.len(), events });
    }

    fn steps(&self) -> Vec<Step> {
        self.steps.lock().unwrap().clone()
    }
}

impl Machine for Recorder {
    type Brain = Watched<Peer>;
    type World = Watched<Hands>;
    fn disk(&self) -> Box<dyn Disk> {
        Box::new(Recording { recorder: self.clone(), owed: false, syncs: 0 })
    }
    fn brain(&self, peer: Peer, first: &Outbox) -> Watched<Peer> {
        self.thought(first);
        Watched(self.clone(), peer)
    }
    fn world(&self, hands: Hands) -> Watched<Hands> {
        Watched(self.clone(), hands)
    }
}

/// Something of a node, and who takes down what it does.
struct Watched<T>(Recorder, T);

impl Brain for Watched<Peer> {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outbox) {
        if let Input::Parcel { token, items, .. } = &input {
            self.0.note(Step::Came(*token, items.iter().map(|item| item.clone().ok()).collect()));
        }
        let before = out.len();
        self.1.handle(now, input, out);
        self.0.thought(&out[before..]);
    }
    fn next_deadline(&self) -> Option<Timestamp> {
        self.1.next_deadline()
    }
    fn peer(&self) -> &Peer {
        &self.1
    }
    fn judge(&self, past: &BTreeSet<HireId>) -> Judge {
        self.1.judge(past)
    }
    fn past(&self, now: Timestamp) -> BTreeSet<HireId> {
        self.1.past(now)
    }
    fn forget(&mut self, past: &BTreeSet<HireId>) {
        self.1.forget(past);
    }
    fn live_blobs(&self, now: Timestamp) -> BTreeSet<Bytes32> {
        self.1.live_blobs(now)
    }
}

/// Takes each word down before it is said.
impl World for Watched<Hands> {
    fn wait(&mut self, who: Waiting) -> u64 {
        self.1.wait(who)
    }
    fn carry_out(&mut self, output: Output) {
        self.0.note(Step::Said(match &output {
            Output::Send { records, .. } => Word::Sent(records.clone()),
            Output::Respond(token, replies) => Word::Acked(*token, replies.clone()),
            Output::Answer(..) => Word::Answered,
            Output::Work(job) => Word::Started(job.hire),
            Output::StopWork(_) => Word::Stopped,
            _ => Word::Other,
        }));
        self.1.carry_out(output);
    }
    fn answer(&mut self, answered: Answered) {
        self.0.note(Step::Said(Word::Found));
        self.1.answer(answered);
    }
    fn sweep(&mut self, live: BTreeSet<Bytes32>) {
        self.1.sweep(live);
    }
    fn room(&self) -> Option<u64> {
        self.1.room()
    }
    fn fail(&mut self, error: &StoreError) {
        self.1.fail(error);
    }
}

/// The journal's disk.
#[derive(Debug)]
struct Recording {
    recorder: Recorder,
    /// A sync was said to be done that was not.
    owed: bool,
    syncs: usize,
}

impl Recording {
    fn really(&mut self, file: &File) -> io::Result<()> {
        self.owed = false;
        SystemDisk.sync(file)?;
        self.recorder.note(Step::Synced);
        Ok(())
    }
}

impl Disk for Recording {
    fn write(&mut self, file: &File, bytes: &[u8]) -> io::Result<()> {
        if self.owed {
            self.really(file)?;
        }
        SystemDisk.write(file, bytes)?;
        self.recorder.note(Step::Wrote(bytes.to_owned()));
        Ok(())
    }
    fn sync(&mut self, file: &File) -> io::Result<()> {
        self.syncs += 1;
        match self.recorder.fault {
            Fault::Early => {
                self.owed = true;
                Ok(())
            }
            Fault::Fails { after } if self.syncs > after => {
                self.recorder.note(Step::Failed);
                Err(io::Error::from_raw_os_error(rustix::io::Errno::IO.raw_os_error()))
            }
            _ => self.really(file),
        }
    }
}

/// How much was said of what.
#[derive(Debug, Default, PartialEq, Eq)]
struct Said {
    sent: usize,
    acked: usize,
    answered: usize,
    found: usize,
    started: usize,
    stopped: usize,
}

/// Whether bytes hold others somewhere.
fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Whether the rule was kept, by two accounts.
///
/// By the brain's: when something is said, all events are on disk that were decided before it or with it. By the content's
/// alone: a record of a hire that is sent, or acknowledged as kept, is on disk byte by byte, and an agent that is started has
/// its event there.
fn judge(steps: &[Step]) -> (Said, Vec<String>) {
    let (mut said, mut faults) = (Said::default(), Vec::new());
    let (mut written, mut synced) = (Vec::new(), 0);
    let (mut decided, mut durable, mut at) = (Vec::new(), 0, 0);
    let (mut needs, mut came) = (VecDeque::new(), BTreeMap::new());
    for step in steps {
        match step {
            Step::Thought { events, words } => {
                decided.extend(events);
                needs.extend(repeat_n(decided.len(), *words));
            }
            Step::Came(token, items) => drop(came.insert(*token, items)),
            Step::Wrote(bytes) => written.extend(bytes),
            Step::Synced => {
                synced = written.len();
                // Each behind a short head of the journal's.
                let begins = |at: usize, event: &Vec<u8>| {
                    (at..at + 64).find(|at| written[..synced].get(*at..).is_some_and(|rest| rest.starts_with(event)))
                };
                while let Some(begins) = decided.get(durable).and_then(|event: &&Vec<u8>| begins(at, event)) {
                    at = begins + decided[durable].len();
                    durable += 1;
                }
            }
            Step::Failed => {}
            Step::Said(word) => {
                let disk = &written[..synced];
                let on_disk = |record: &Record| holds(disk, record.envelope());
                let need = if let Word::Found = word { Some(decided.len()) } else { needs.pop_front() };
                let need = need.expect("nobody speaks but the brain");
                if durable < need {
                    faults.push(format!("{} of {need} events are on disk, and it says {word:?}", durable));
                }
                match word {
                    Word::Sent(records) => {
                        said.sent += 1;
                        let soft = |record: &&Record| matches!(record, Record::Manifest(_) | Record::Contact(_));
                        for record in records.iter().filter(|record| !soft(record) && !on_disk(record)) {
                            faults.push(format!("a {} is sent that is not on disk", record.kind()));
                        }
                    }
                    Word::Acked(token, replies) => {
                        said.acked += 1;
                        for (item, reply) in came[token].iter().zip(replies) {
                            let Some(record) = item else { continue };
                            let of_a_hire =
                                matches!(record, Record::Award(_)) || Entry::try_from(record.clone()).is_ok();
                            if of_a_hire && *reply == Reply::Kept && !on_disk(record) {
                                faults.push(format!("a {} is acknowledged that is not on disk", record.kind()));
                            }
                        }
                    }
                    Word::Started(hire) => {
                        said.started += 1;
                        let started =
                            |event: &&Vec<u8>| match Logged::decode(event, &Network::new("test")).unwrap().event {
                                Event::Started { hire: of } => of == *hire,
                                _ => false,
                            };
                        if !decided[..durable].iter().any(started) {
                            faults.push(format!("the agent is started for {hire}, of which the disk does not know"));
                        }
                    }
                    Word::Stopped => said.stopped += 1,
                    Word::Answered => said.answered += 1,
                    Word::Found => said.found += 1,
                    Word::Other => {}
                }
            }
        }
    }
    (said, faults)
}

/// A worker that is told how to behave, and a requester that knows it.
struct Pair {
    worker: NodeHandle,
    requester: NodeHandle,
    heard: broadcast::Receiver<Notice>,
    _dirs: [tempfile::TempDir; 2],
}

impl Pair {
    async fn start(requester: &Recorder, worker: &Recorder) -> Self {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let mut serving = super::worker(dirs[1].path());
        let spec = serving.executors.values_mut().next().unwrap();
        let script = "case $(cat) in *forever*) exec sleep 600 ;; *) echo '{\"words\": 3}' ;; esac";
        spec.command = ["sh", "-c", script].map(str::to_owned).into();
        let worker = start_on(serving, worker.clone()).await.unwrap();
        let shopping = NodeConfig { bootstrap: worker.listen_addrs(), ..config(dirs[0].path(), FREE) };
        let requester = start_on(shopping, requester.clone()).await.unwrap();
        Self { heard: requester.notices(), worker, requester, _dirs: dirs }
    }

    async fn hire(&self, params: &str) {
        let task = Assignment { params: Some(format!("{params:?}")), ..assignment() };
        let command = Command::Hire { task: Box::new(task), to: Some(self.worker.agent()), token: None };
        assert!(matches!(self.requester.command(command).await, Ok(Answer::Posted(_))));
    }

    /// Waits until the requester has closed a hire, by both accounts, and the worker has rated it.
    async fn closed(&mut self) -> Outcome {
        let found = notice(&mut self.heard, |notice| match notice {
            Notice::Closed { closed, .. } if closed.agreed => Some(closed.outcome),
            Notice::Unfilled { reason, .. } => panic!("{reason:?}"),
            _ => None,
        });
        let outcome = found.await;
        let other = self.worker.agent();
        notice(&mut self.heard, |notice| matches!(notice, Notice::Rated { by, .. } if by == other).then_some(())).await;
        outcome
    }

    async fn end(self) {
        for node in [self.worker, self.requester] {
            node.shutdown();
            node.stopped().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_node_says_or_starts_rests_on_what_was_synced_before() {
    let (mine, theirs) = (Recorder::default(), Recorder::default());
    let mut pair = Pair::start(&mine, &theirs).await;
    pair.hire("once").await;
    assert_eq!(pair.closed().await, Outcome::Accepted);
    // The second time the agent is stopped at work.
    let mut at_work = pair.worker.notices();
    pair.hire("forever").await;
    let started = |notice| if let Notice::Started { hire, .. } = notice { Some(hire) } else { None };
    let hire = notice(&mut at_work, started).await;
    let stop = Command::Stop { id: hire.untyped(), reason: "enough".to_owned() };
    assert_eq!(pair.requester.command(stop).await, Ok(Answer::Done));
    assert_eq!(pair.closed().await, Outcome::CancelledByRequester);
    for node in [&pair.requester, &pair.worker] {
        node.query(GetStatus).await.unwrap();
    }
    pair.end().await;
    for (recorder, starts, answers) in [(mine, 0, 3), (theirs, 2, 0)] {
        let (said, faults) = judge(&recorder.steps());
        assert!(faults.is_empty(), "{faults:#?}");
        // Each side has signed five records and more, and got as many.
        assert!(said.sent >= 8 && said.acked >= 8 && said.found >= 1, "{said:?}");
        assert_eq!((said.started, said.answered), (starts, answers), "{said:?}");
        assert!(starts == 0 || said.stopped >= 1, "{said:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_that_returns_before_it_is_done_is_seen_at_every_word() {
    let (mine, theirs) = (Recorder::faulty(Fault::Early), Recorder::faulty(Fault::Early));
    let mut pair = Pair::start(&mine, &theirs).await;
    pair.hire("once").await;
    assert_eq!(pair.closed().await, Outcome::Accepted);
    pair.end().await;
    for (recorder, words) in [
        (mine, &["says Sent", "says Acked", "says Answered", "award/1 is sent", "delivery/1 is acknowledged"][..]),
        (theirs, &["says Sent", "says Acked", "claim/1 is sent", "award/1 is acknowledged", "agent is started"]),
    ] {
        let (_, faults) = judge(&recorder.steps());
        for word in words {
            assert!(faults.iter().any(|fault| fault.contains(word)), "{word}: {faults:#?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_sync_that_failed_not_a_word_is_said_and_no_agent_is_started() {
    // The claim; the award and the begin; what comes after.
    for after in 0..5 {
        let (mine, theirs) = (Recorder::default(), Recorder::faulty(Fault::Fails { after }));
        let pair = Pair::start(&mine, &theirs).await;
        pair.hire("once").await;
        timeout(Duration::from_secs(30), pair.worker.stopped()).await.expect("it stops by itself");
        assert!(matches!(pair.worker.ended(), Some(Err(StopError::Storage(_)))), "{:?}", pair.worker.ended());
        pair.end().await;
        let steps = theirs.steps();
        let (_, faults) = judge(&steps);
        assert!(faults.is_empty(), "after {after}: {faults:#?}");
        let failed = steps.iter().position(|step| matches!(step, Step::Failed)).unwrap();
        let later: Vec<&Step> = steps[failed..].iter().filter(|step| matches!(step, Step::Said(_))).collect();
        assert!(later.is_empty(), "after {after}: {later:?}");
    }
}
