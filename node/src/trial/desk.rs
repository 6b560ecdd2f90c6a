//! The hands of one side of a trial. In: what its brain wants. Out: the same bytes that a node would send, given to the
//! other side's queue; the agent, run and checked as in a node. What it runs is noted for the report.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::codec::List;
use gigmesh_protocol::gossip::Verdict;
use gigmesh_protocol::hire::{HireId, Side};
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::limits::PARCEL_ITEMS;
use gigmesh_protocol::market::{BlobRef, Question, Rating, Skill};
use gigmesh_protocol::peer::effects::{self, Effects};
use gigmesh_protocol::peer::io::{
    Answer, Caller, CaseJob, CheckJob, Input, Notice, Origin, Output, Refused, Token, Wanted, WorkJob,
};
use gigmesh_protocol::peer::query::MayRead;
use gigmesh_protocol::record::Record;
use gigmesh_protocol::time::Timestamp;
use gigmesh_protocol::wire::{Item, Reply, Request, Response};
use serde::Serialize;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use crate::driver::{
    CallError, Edge, Judge, Ledger, Queue, Rest, RunError, StoreError, Task, Waiting, Work, World, blocking, input,
    plan, run_checks,
};
use crate::limits::{NOTICES, STDERR_QUOTE, TALK};
use crate::node::CommandSpec;
use crate::store::blobs::BlobStore;
use crate::store::journal::Compacted;
use crate::store::memory::MemoryLog;
use crate::store::traits::LogError;
use crate::work::command;
use crate::work::dialogue::{Line, Said, Told};
use crate::work::quote;

/// A network of its own: nothing signed here is worth anything elsewhere.
pub(super) const NETWORK: &str = "trial";

/// One run of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The program and its arguments, as they were started.
    pub command: Vec<String>,
    /// How long it took.
    pub took_ms: u64,
    /// Why there is no result. Quotes what the agent printed, escaped and bounded.
    pub failed: Option<String>,
    /// The end of what it printed on standard error, escaped and bounded, if it made a result.
    pub stderr: String,
    /// What the agent said while it worked, as it was passed on.
    pub said: Vec<String>,
}

/// What both sides share.
pub(super) struct Bench {
    pub blobs: Arc<BlobStore>,
    executors: BTreeMap<Skill, CommandSpec>,
    work_dir: PathBuf,
    keep: bool,
    edge: Edge,
    noted: Mutex<Noted>,
    notices: mpsc::Sender<(Side, Notice)>,
    runtime: Handle,
    /// Closed when the last task that holds this is gone.
    _alive: mpsc::Sender<Infallible>,
}

#[derive(Default)]
struct Noted {
    /// Parcels on their way, by token: what is in them.
    parcels: BTreeMap<u64, Vec<Bytes32>>,
    sent: u64,
    runs: Vec<Run>,
}

impl Bench {
    pub fn new(
        blobs: Arc<BlobStore>,
        executors: BTreeMap<Skill, CommandSpec>,
        work_dir: PathBuf,
        keep: bool,
        alive: mpsc::Sender<Infallible>,
    ) -> (Self, mpsc::Receiver<(Side, Notice)>) {
        let (notices, heard) = mpsc::channel(NOTICES);
        let (edge, runtime) = (Edge::new(NETWORK), Handle::current());
        let noted = Mutex::default();
        (Self { blobs, executors, work_dir, keep, edge, noted, notices, runtime, _alive: alive }, heard)
    }

    // Each change is a whole one, so a panic elsewhere leaves nothing half done.
    fn noted(&self) -> MutexGuard<'_, Noted> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn runs(&self) -> Vec<Run> {
        self.noted().runs.clone()
    }
}

/// See the module.
pub(super) struct Desk {
    bench: Arc<Bench>,
    side: Side,
    me: AgentId,
    mine: Queue,
    other: AgentId,
    theirs: Queue,
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    /// Agents at work, and the way to answer them: dropping it stops one.
    agents: BTreeMap<HireId, mpsc::Sender<Told>>,
}

impl Desk {
    pub fn new(
        bench: &Arc<Bench>,
        side: Side,
        (me, mine): (AgentId, &Queue),
        (other, theirs): (AgentId, &Queue),
    ) -> Self {
        let (bench, mine, theirs) = (Arc::clone(bench), mine.clone(), theirs.clone());
        Self { bench, side, me, mine, other, theirs, waiting: BTreeMap::new(), next: 0, agents: BTreeMap::new() }
    }

    /// Runs a task until it is done or the trial stops; then it is dropped where it waits.
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let (bench, mine) = (Arc::clone(&self.bench), self.mine.clone());
        self.bench.runtime.spawn(async move {
            tokio::select! {
                () = mine.stopped() => {}
                () = task => {}
            }
            drop(bench);
        });
    }

    /// Two queues between two sides that wait for each other's answers never fill.
    fn enqueue(queue: &Queue, input: Input) {
        if !queue.offer(Task::Input(input)) {
            tracing::debug!("a side of the trial has ended");
        }
    }
}

/// Runs the agent as a node does, and notes how that went.
async fn produce(bench: &Bench, job: WorkJob, line: Line) -> Result<BlobRef, RunError> {
    let mut job = plan(&bench.blobs, &bench.executors, job)?;
    job.keep_dir = bench.keep;
    let (command, began) = (job.resolved().unwrap_or_else(|_| job.command.clone()), Instant::now());
    let ended = command::run(&bench.work_dir, job, line).await;
    let took_ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
    let failed = ended.as_ref().err().map(ToString::to_string);
    let stderr = ended.as_ref().map_or_else(|_| String::new(), |output| quote::tail(&output.stderr, STDERR_QUOTE));
    bench.noted().runs.push(Run { command, took_ms, failed, stderr, said: Vec::new() });
    let (blobs, bytes) = (Arc::clone(&bench.blobs), ended?.bytes);
    Ok(blocking(move || blobs.put_reader(&bytes[..])).await.ok_or(RunError::Stopping)??)
}

fn in_words(said: &Said) -> String {
    match said {
        Said::Progress { percent, note: None } => format!("{percent} %"),
        Said::Progress { percent, note: Some(note) } => format!("{percent} %: {note}"),
        Said::Question(text) => format!("asks: {text}"),
    }
}

impl Effects for Desk {
    // The driver keeps events and ratings in its stores before anything else is carried out.
    fn persist(&mut self, _: Vec<u8>) {}
    fn keep_rating(&mut self, _: Record) {}
    fn drop_rating(&mut self, _: AgentId, _: Id<Rating>) {}

    fn send(&mut self, _: AgentId, _: Vec<String>, records: Vec<Record>) {
        let records = &records[..records.len().min(PARCEL_ITEMS)];
        let bytes = Request::Parcel(List::fit(records.iter().map(Item::of))).encode();
        let Ok(Request::Parcel(items)) = Request::decode(&bytes) else {
            return tracing::error!("a parcel cannot be read by who would get it");
        };
        let items = items.iter().map(|item| self.bench.edge.admit(item)).collect();
        let token = {
            let mut noted = self.bench.noted();
            noted.sent += 1;
            let token = noted.sent;
            noted.parcels.insert(token, records.iter().map(Record::id).collect());
            token
        };
        Self::enqueue(&self.theirs, Input::Parcel { from: self.me, token, items });
    }

    fn respond(&mut self, token: Token, replies: Vec<Reply>) {
        let Some(ids) = self.bench.noted().parcels.remove(&token) else { return };
        let replies = match Response::decode(&Response::Replies(List::fit(replies)).encode()) {
            Ok(Response::Replies(replies)) => Some(replies.into_iter().collect()),
            _ => None,
        };
        Self::enqueue(&self.theirs, Input::Sent { to: self.me, ids, replies });
    }

    fn publish(&mut self, _: String, record: Record) {
        match self.bench.edge.admit_once(record.envelope()) {
            Ok(Some((record, _))) => {
                Self::enqueue(&self.theirs, Input::Record { from: self.me, origin: Origin::Page, record });
            }
            Ok(None) => {}
            Err(refusal) => tracing::error!(%refusal, "a record of ours would not be admitted"),
        }
    }

    // There is no gossip layer, and no third peer: nobody to judge for, to be found by, or to ask.
    fn verdict(&mut self, _: Token, _: Verdict) {}
    fn announce(&mut self, _: Record) {}
    fn follow(&mut self, _: String) {}
    fn ask_page(&mut self, _: AgentId, _: String, _: Option<Bytes32>) {}
    // Neither side has rated anybody before.
    fn ask_ratings(&mut self, _: AgentId, _: Vec<String>, _: Wanted) {}

    fn fetch(&mut self, hire: HireId, _: AgentId, _: Vec<String>, blobs: Vec<BlobRef>) {
        let (who, mine, theirs) = (self.me, self.mine.clone(), self.theirs.clone());
        self.spawn(async move {
            let mut roots = Vec::new();
            for BlobRef { root, .. } in &blobs {
                // The bytes are in the one store; whether they may be read is the other brain's to say.
                if let Some(Some(_)) = theirs.ask(MayRead { hire, who, root: *root }).await {
                    roots.push(*root);
                }
            }
            let all = roots.len() == blobs.len();
            let result = if all { Ok(roots) } else { Err("the other side does not show it".to_owned()) };
            mine.deliver(Input::Fetched { hire, result }).await;
        });
    }

    fn work(&mut self, job: WorkJob) {
        let (agent, told) = mpsc::channel(TALK);
        self.agents.insert(job.hire, agent);
        let (bench, mine) = (Arc::clone(&self.bench), self.mine.clone());
        // Not dropped when the trial stops but told, so that its directory is gone when it has ended.
        self.bench.runtime.spawn(async move {
            let (hire, attempt) = (job.hire, job.attempt);
            let (said, mut heard) = mpsc::channel(TALK);
            let mut words = Vec::new();
            let pass_on = async {
                while let Some(said) = heard.recv().await {
                    words.push(in_words(&said));
                    mine.deliver(input(hire, said)).await;
                }
            };
            let (result, ()) = tokio::join!(produce(&bench, job, Line { told, said }), pass_on);
            // Nothing is said without a run.
            if let Some(run) = bench.noted().runs.last_mut().filter(|_| !words.is_empty()) {
                run.said = words;
            }
            let result = result.map_err(|error| error.to_string());
            mine.deliver(Input::Worked { hire, attempt, result }).await;
        });
    }

    fn tell(&mut self, hire: HireId, question: Id<Question>, text: String, due: Timestamp) {
        let left = Duration::from_millis(due.since(wall_clock()).0);
        if let Some(agent) = self.agents.get(&hire) {
            let _ = agent.try_send(Told { question, text, due, left });
        }
    }

    fn stop_work(&mut self, hire: HireId) {
        self.agents.remove(&hire);
    }

    fn check(&mut self, job: CheckJob) {
        let (blobs, mine) = (Arc::clone(&self.bench.blobs), self.mine.clone());
        self.spawn(async move {
            let (hire, root) = (job.hire, job.blob.root);
            match blocking(move || run_checks(&blobs, &job)).await {
                Some(Ok(checked)) => mine.deliver(Input::Checked { hire, root, checked }).await,
                Some(Err(error)) => tracing::error!(%error, "a delivery cannot be checked"),
                None => {}
            }
        });
    }

    // A case is for an arbiter, and the task of a trial names none.
    fn case(&mut self, _: CaseJob) {}

    fn answer(&mut self, caller: Caller, answer: Result<Answer, Refused>) {
        if let Some(Waiting::Caller(caller)) = self.waiting.remove(&caller) {
            let _ = caller.send(answer.map_err(CallError::Refused));
        }
    }

    fn notice(&mut self, notice: Notice) {
        // A listener that is too slow for this queue asks the brain instead.
        let _ = self.bench.notices.try_send((self.side, notice));
    }

    fn blame(&mut self, agent: AgentId, what: String) {
        tracing::error!(who = %agent, other = %self.other, ?what, "a side of the trial misbehaved");
    }
}

impl World for Desk {
    fn wait(&mut self, who: Waiting) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, who);
        self.next
    }

    fn carry_out(&mut self, output: Output) {
        effects::run(output, self);
    }

    fn sweep(&mut self, _: BTreeSet<Bytes32>) {}

    fn fail(&mut self, _: &StoreError) {}
}

/// A trial is over long before its log would be shortened.
impl Ledger for MemoryLog {
    type Prepared = ();
    fn closed_segments(&self) -> usize {
        0
    }
    fn compaction(&self, _: Judge) -> Work<()> {
        Box::new(|_| Ok(None))
    }
    fn adopt(&mut self, (): ()) -> Result<(Compacted, Rest), LogError> {
        Ok((Compacted::default(), Box::new(|| {})))
    }
}
