//! Both sides of a hire on this machine: does my agent take this task, does its result pass, what would it look like?
//!
//! In: a worker's configuration, a task, a directory to work in. Out: a [`Report`]. Two brains with keys that nobody keeps,
//! each on the driver that a node has, around one table: what a node would send goes to the other side as the same
//! bytes, the agent runs as it would for a stranger, and the checks are the market's. So the outcome is the market's own,
//! and nothing is judged here; `points` only explains beforehand what the worker's brain will say. What must never
//! happen: a socket; a byte written outside the directory; an agent left running.

mod desk;
mod points;
mod report;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::thread;

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::task::Review;
use gigmesh_protocol::hire::{HireId, Side};
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::market::{Input as BriefInput, Offer, Question};
use gigmesh_protocol::peer::io::{Answer, Command, Config as PeerConfig, From, Notice, Shown};
use gigmesh_protocol::peer::query::{GetStatus, Query, Show};
use gigmesh_protocol::peer::{Objection, Peer, RestoreError};
use gigmesh_protocol::record::{Network, Payload, Signer};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use crate::config::Config;
use crate::driver::{CallError, Driver, Queue, SystemClocks, Task, Why, blocking};
use crate::limits::{BLOB_QUOTA, STOP_WAIT, TRIAL_PAUSE, TRIAL_REST};
use crate::store::blobs::{BlobError, BlobStore};
use crate::store::memory::{MemoryLog, MemoryRatings};
use crate::task::{Content, TaskFile, TaskInput};
use crate::words;
use desk::{Bench, Desk};

pub use desk::Run;
pub use points::{Mark, Point};
pub use report::{Check, Rated, Report};

/// What an agent is told that asks: a trial waits for no person.
const ANSWER: &str = "this is a trial and nobody answers; do what you think is meant";

/// Why there was no trial.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The worker's file offers nothing.
    #[error("it offers no [[skill]], so there is nothing to try")]
    NoSkill,
    /// No offer can be made of the task.
    #[error(transparent)]
    Task(CallError),
    /// The inputs cannot be kept, or the result not be read.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// A brain does not start.
    #[error(transparent)]
    Brain(#[from] RestoreError),
    /// The system gives no threads or no randomness.
    #[error("cannot {0}: {1}")]
    System(&'static str, io::Error),
    /// It was to end before its end.
    #[error("the trial was stopped before it came to an end")]
    Stopped,
    /// A fault of ours.
    #[error("the trial ended by itself; please report it with the output of `--log debug`")]
    Ended,
}

impl TrialError {
    /// Whether the user can put it right.
    pub fn is_users(&self) -> bool {
        matches!(self, Self::NoSkill | Self::Task(CallError::Refused(_)) | Self::Blobs(_))
    }
}

/// Hires the worker of `config` for the task and follows it to its end. Everything is written below `dir`, which the
/// caller removes; the agent's own directory stays there if `keep`. `heard` is told what happens, by whose account. When
/// this returns nothing is at work, also if `stop` completed before the end.
///
/// # Errors
/// See [`TrialError`]. A task that is not claimed, or not well done, is no error.
pub async fn run(
    config: &Config,
    file: TaskFile,
    dir: &Path,
    keep: bool,
    mut heard: impl FnMut(Side, &Notice),
    stop: impl Future<Output = ()>,
) -> Result<Report, TrialError> {
    if config.node.peer.skills.is_empty() {
        return Err(TrialError::NoSkill);
    }
    let points = points::of(&config.node.peer, &file.task, &objections(&config.node.peer, &file.task)?);
    let root = dir.join("blobs");
    let blobs = Arc::new(blocking(move || BlobStore::open_dir(&root, BLOB_QUOTA)).await.ok_or(TrialError::Ended)??);
    let mut task = file.task;
    for input in file.inputs {
        let TaskInput { name, content, media } = input;
        let store = Arc::clone(&blobs);
        let keep = move || match content {
            Content::Path(path) => store.put_file(&path),
            Content::Open(file) => store.put_reader(file),
            Content::Bytes(bytes) => store.put_reader(&bytes[..]),
        };
        let blob = blocking(keep).await.ok_or(TrialError::Ended)??;
        task.inputs.push(BriefInput { blob, name, media });
    }
    // There is one worker, and nobody to ask.
    (task.slots, task.review_by, task.rating_by) = (1, Review::Auto, Review::Auto);
    task.arbiter = None;

    let (alive, dead) = mpsc::channel(1);
    let executors = config.node.executors.clone();
    let (bench, mut notices) = Bench::new(blobs, executors, dir.join("work"), keep, alive);
    let bench = Arc::new(bench);
    let shopper = PeerConfig { name: "trial".to_owned(), version: "1".to_owned(), ..PeerConfig::default() };
    // Whom it serves is told beforehand; the key that hires it here is nobody's.
    let server = PeerConfig { from: From::Anyone, rating_by: Review::Auto, ..config.node.peer.clone() };
    let market = Market::open(&bench, shopper, server, dead)?;
    drop(bench);
    let tried = async {
        let offer = market.post(task.clone()).await?;
        let end = market.follow(offer, &mut notices, &mut heard).await?;
        report::read(&market, &config.node.peer, &task, points, end).await
    };
    let report = tokio::select! {
        report = tried => report,
        () = stop => Err(TrialError::Stopped),
    };
    market.close().await;
    report
}

/// How a posting ended.
enum End {
    /// Nobody began; why.
    Unclaimed(String),
    /// A hire came of it and is closed for both sides: as each of them sees it.
    Closed { hire: HireId, requester: Box<Shown>, worker: Box<Shown> },
}

/// Both brains at work. Dropping it stops them, and everything they have begun.
struct Market {
    bench: Arc<Bench>,
    /// The requester and the worker.
    agents: (AgentId, AgentId),
    requester: Queue,
    worker: Queue,
    threads: Vec<thread::JoinHandle<()>>,
    dead: mpsc::Receiver<Infallible>,
}

impl Market {
    fn open(
        bench: &Arc<Bench>,
        shopper: PeerConfig,
        server: PeerConfig,
        dead: mpsc::Receiver<Infallible>,
    ) -> Result<Self, TrialError> {
        let (here, there) = (Queue::new(), Queue::new());
        let (requester, worker) = (here.0.clone(), there.0.clone());
        let (shopper, server) = (brain(shopper)?, brain(server)?);
        let (me, other) = (shopper.0.agent(), server.0.agent());
        let (agents, threads) = ((me, other), Vec::new());
        let mut market = Self { bench: Arc::clone(bench), agents, requester, worker, threads, dead };
        let desk = Desk::new(bench, Side::Requester, (me, &market.requester), (other, &market.worker));
        market.threads.push(think(shopper, desk, here)?);
        let desk = Desk::new(bench, Side::Worker, (other, &market.worker), (me, &market.requester));
        market.threads.push(think(server, desk, there)?);
        Ok(market)
    }

    fn queue(&self, side: Side) -> &Queue {
        match side {
            Side::Requester => &self.requester,
            Side::Worker => &self.worker,
        }
    }

    async fn ask<Q: Query>(&self, side: Side, query: Q) -> Result<Q::Answer, TrialError> {
        self.queue(side).ask(query).await.ok_or(TrialError::Ended)
    }

    async fn show(&self, side: Side, id: String) -> Result<Option<Box<Shown>>, TrialError> {
        Ok(self.ask(side, Show(id)).await?.ok().map(Box::new))
    }

    /// Offers the task to the worker alone: there is no bid window to wait for.
    async fn post(&self, task: gigmesh_protocol::hire::task::Task) -> Result<Id<Offer>, TrialError> {
        let (caller, answer) = oneshot::channel();
        let command = Command::Hire { task: Box::new(task), to: Some(self.agents.1), token: None };
        self.requester.put(Task::Command { command, caller }).await;
        match answer.await.unwrap_or(Err(CallError::Stopped)).map_err(TrialError::Task)? {
            Answer::Posted(offer) => Ok(offer),
            _ => Err(TrialError::Ended),
        }
    }

    /// Waits until nothing more comes of the posting.
    async fn follow(
        &self,
        offer: Id<Offer>,
        notices: &mut mpsc::Receiver<(Side, Notice)>,
        heard: &mut impl FnMut(Side, &Notice),
    ) -> Result<End, TrialError> {
        let (mut refused, mut closed) = (None, None);
        loop {
            if self.threads.iter().any(thread::JoinHandle::is_finished) {
                return Err(TrialError::Ended);
            }
            let mine = self.show(Side::Requester, offer.to_string()).await?.ok_or(TrialError::Ended)?;
            match mine.row.hire {
                None => {
                    // A posting says why it was closed; a claim that the requester did not take ends at the worker.
                    if let Some(why) = words::because(&mine.row).or(refused.take()) {
                        return Ok(End::Unclaimed(why));
                    }
                }
                Some(hire) => {
                    let theirs = self.show(Side::Worker, hire.to_string()).await?;
                    if let Some(theirs) = theirs.filter(|theirs| theirs.row.closed.is_some())
                        && mine.row.closed.is_some()
                    {
                        // The ratings may still be under way.
                        let since = *closed.get_or_insert_with(Instant::now);
                        if self.is_at_rest().await? || since.elapsed() > TRIAL_REST {
                            return Ok(End::Closed { hire, requester: mine, worker: theirs });
                        }
                    }
                }
            }
            // Asked again after a while even if nothing is heard: a notice comes before what it tells is sent.
            if let Ok(Some((side, notice))) = timeout(TRIAL_PAUSE, notices.recv()).await {
                if let (Side::Worker, Notice::ClaimEnded { reason, .. }) = (side, &notice) {
                    refused = Some(format!("the requester did not take the claim: {}", words::claim_end(reason)));
                }
                if let (Side::Requester, Notice::Said { hire, by: Side::Worker, kind }) = (side, &notice)
                    && kind == Question::KIND
                {
                    let (caller, _) = oneshot::channel();
                    let command = Command::Reply { hire: *hire, text: ANSWER.to_owned(), later: None };
                    self.requester.put(Task::Command { command, caller }).await;
                }
                heard(side, &notice);
            }
        }
    }

    /// Whether neither side has anything left to send.
    async fn is_at_rest(&self) -> Result<bool, TrialError> {
        for side in [Side::Requester, Side::Worker] {
            if self.ask(side, GetStatus).await?.outbox > 0 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Stops it and waits until nothing of it is at work.
    async fn close(mut self) {
        self.stop();
        let threads = std::mem::take(&mut self.threads);
        blocking(move || threads.into_iter().for_each(|thread| drop(thread.join()))).await;
        let mut dead = std::mem::replace(&mut self.dead, mpsc::channel(1).1);
        drop(self);
        if timeout(STOP_WAIT, dead.recv()).await.is_err() {
            tracing::warn!("some tasks are still at work on files; left alone");
        }
    }

    fn stop(&self) {
        self.requester.stop(Why::Asked);
        self.worker.stop(Why::Asked);
    }
}

impl Drop for Market {
    fn drop(&mut self) {
        self.stop();
    }
}

/// What the worker, as it is configured, says to the task when a stranger offers it directly.
fn objections(worker: &PeerConfig, task: &gigmesh_protocol::hire::task::Task) -> Result<Vec<Objection>, TrialError> {
    let (now, (worker, _)) = (wall_clock(), brain(worker.clone())?);
    let offer = signer()?.sign(&task.offer(now, 1, Bytes32(random()?), true));
    Ok(worker.objections(now, &offer).collect())
}

fn random() -> Result<[u8; 32], TrialError> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| TrialError::System("draw randomness", error.into()))?;
    Ok(bytes)
}

/// A key that nobody has had and nobody will have.
fn signer() -> Result<Signer, TrialError> {
    Ok(Signer::new(&random()?, Network::new(desk::NETWORK)))
}

/// A peer with such a key.
fn brain(config: PeerConfig) -> Result<(Peer, gigmesh_protocol::peer::io::Outbox), TrialError> {
    let rng = Box::new(ChaCha20Rng::from_seed(random()?));
    Ok(Peer::restore(config, signer()?, rng, wall_clock(), [], [])?)
}

fn think(
    brain: (Peer, gigmesh_protocol::peer::io::Outbox),
    desk: Desk,
    queue: (Queue, Receiver<Task>),
) -> Result<thread::JoinHandle<()>, TrialError> {
    let driver =
        Driver::new(brain, MemoryLog::default(), MemoryRatings::default(), desk, queue, Box::new(SystemClocks));
    let run = move || {
        // A log in memory does not fail.
        let _ = driver.run();
    };
    thread::Builder::new().name("brain".to_owned()).spawn(run).map_err(|e| TrialError::System("start a thread", e))
}
