//! The way to the brain: one bounded queue, and the word that it is time to stop. Everything that reaches the brain goes
//! through here, so this is where a flood ends: whoever may be refused is refused, whoever may not waits.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use gigmesh_net::{GossipToken, ResponseToken};
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::peer::Peer;
use gigmesh_protocol::peer::io::{Answer, Command, Input};
use gigmesh_protocol::peer::query::Query;
use gigmesh_protocol::record::{Record, Refusal};
use gigmesh_protocol::time::Timestamp;
use tokio::sync::{oneshot, watch};

use super::CallError;
use super::clock::ClockState;
use super::shares::Share;
use super::transfers::Transfers;
use crate::limits::QUEUE;
use crate::metrics::Metrics;

/// Something for the brain.
#[derive(Debug)]
pub(crate) enum Task {
    /// An input that nobody waits on.
    Input(Input),
    /// A gossiped record that was admitted.
    Gossip { from: AgentId, record: Record, token: GossipToken },
    /// A parcel whose records were admitted or refused.
    Parcel { from: AgentId, items: Vec<Result<Record, Refusal>>, token: ResponseToken, share: Share },
    /// A command of the user.
    Command { command: Command, caller: oneshot::Sender<Result<Answer, CallError>> },
    /// A query. Answered when everything before it is on disk.
    Query(Box<dyn AnyQuery>),
    /// Nothing: look whether it is time to stop.
    Wake,
}

impl Task {
    /// Puts a query, and says where its answer will come.
    pub fn query<Q: Query>(query: Q) -> (Self, oneshot::Receiver<Q::Answer>) {
        let (caller, answer) = oneshot::channel();
        (Self::Query(Box::new(Call { query, caller })), answer)
    }
}

/// A query with its caller.
pub(crate) struct Call<Q: Query> {
    pub query: Q,
    pub caller: oneshot::Sender<Q::Answer>,
}

impl<Q: Query> fmt::Debug for Call<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.query.fmt(f)
    }
}

/// A [`Call`] whose type the queue does not know.
pub(crate) trait AnyQuery: Any + fmt::Debug + Send {
    /// Reads the answer now, to be handed over later.
    fn answer(self: Box<Self>, peer: &Peer, now: Timestamp) -> Answered;
}

impl<Q: Query> AnyQuery for Call<Q> {
    fn answer(self: Box<Self>, peer: &Peer, now: Timestamp) -> Answered {
        let Self { query, caller } = *self;
        let answer = peer.query(now, query);
        // The caller may have gone.
        Box::new(move || drop(caller.send(answer)))
    }
}

/// Hands an answer to its caller.
pub(crate) type Answered = Box<dyn FnOnce() + Send>;

/// Why the node stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// Somebody asked it to, or nobody holds it any more.
    Asked,
    /// The network's task ended by itself.
    NetworkLost,
}

/// The sending end. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Queue {
    tasks: SyncSender<Task>,
    stop: Arc<watch::Sender<Option<Why>>>,
    metrics: Arc<Metrics>,
    clock: Arc<ClockState>,
    transfers: Arc<Transfers>,
}

impl Queue {
    pub fn new() -> (Self, Receiver<Task>) {
        let (tasks, receiver) = sync_channel(QUEUE);
        (
            Self {
                tasks,
                stop: Arc::new(watch::Sender::new(None)),
                metrics: Arc::default(),
                clock: Arc::default(),
                transfers: Arc::default(),
            },
            receiver,
        )
    }

    /// The node's counters: whoever works for the brain holds its queue.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// What is on its way.
    pub fn transfers(&self) -> &Transfers {
        &self.transfers
    }

    /// What is known of the clock.
    pub fn clock(&self) -> &Arc<ClockState> {
        &self.clock
    }

    /// Takes the wall clock at its word, and waits until the brain does.
    pub async fn confirm_clock(&self) {
        let mut parted = self.clock.changes();
        self.clock.confirm();
        // A full queue wakes the brain just as well.
        self.offer(Task::Wake);
        tokio::select! {
            // The sender lives as long as `self`.
            _ = parted.wait_for(Option::is_none) => {}
            () = self.stopped() => {}
        }
    }

    /// Puts it in if there is room, and says whether. Otherwise it is dropped, and whoever waits for its answer learns
    /// that there will be none. Never waits.
    pub fn offer(&self, task: Task) -> bool {
        self.tasks.try_send(task).is_ok()
    }

    /// Puts it in, waiting for room. Not for async tasks, and never for the brain's own thread.
    pub fn insist(&self, input: Input) {
        // An error means that the brain has ended; then nobody needs to know.
        let _ = self.tasks.send(Task::Input(input));
    }

    /// Puts it in, waiting for room.
    pub async fn put(&self, task: Task) {
        if let Err(TrySendError::Full(task)) = self.tasks.try_send(task) {
            let tasks = self.tasks.clone();
            let _ = tokio::task::spawn_blocking(move || drop(tasks.send(task))).await;
        }
    }

    /// Tells the brain what came of something, waiting for room.
    pub async fn deliver(&self, input: Input) {
        self.put(Task::Input(input)).await;
    }

    /// Asks the brain; `None` if it is overloaded or has ended.
    pub async fn ask<Q: Query>(&self, query: Q) -> Option<Q::Answer> {
        let (task, answer) = Task::query(query);
        // Not taken, it is dropped with its caller.
        self.offer(task);
        answer.await.ok()
    }

    /// Says that it is time to stop. The first reason stands.
    pub fn stop(&self, why: Why) {
        self.stop.send_if_modified(|stop| stop.is_none() && stop.replace(why).is_none());
        // A full queue wakes the brain just as well.
        self.offer(Task::Wake);
    }

    /// Why it is time to stop, if it is.
    pub fn stopping(&self) -> Option<Why> {
        *self.stop.borrow()
    }

    /// Completes when it is time to stop.
    pub async fn stopped(&self) {
        // The sender lives as long as `self`.
        let _ = self.stop.subscribe().wait_for(Option::is_some).await;
    }
}
