//! The body around the brain: feeds it inputs, carries out its outputs in order. Decides nothing about the market.
//!
//! ```text
//!             net events   ┌───────┐ parcels, verified               ┌───────┐ append, commit ┌─────────┐
//!  ┌───────┐ ─────────────►│  ear  ├────────────────────────────┐    │ brain ├───────────────►│ journal │
//!  │  net  │               └───┬───┘ gossip ┌────────┐ verified ▼    │       │ put, flush     │ ratings │
//!  │       │                   └───────────►│ gossip ├──────► queue ►│       ├───────────────►└─────────┘
//!  │       │◄──────────────────────┐        └────────┘          ▲    └───┬───┘
//!  └───────┘ requests, answers, …  │   ┌──────────────────┐     │        │ everything else, after the commit
//!                                  ├───┤ tasks: sends,    ├─────┘    ┌───▼───┐
//!                                  │   │ fetches, agents, │◄─────────┤ hands │
//!                                  │   │ checks, pages    │          └───┬───┘
//!                                  │   └──────────────────┘              │
//!                                  └─────────────────────────────────────┘
//! ```
//!
//! Three threads of our own (ear, gossip, brain), the rest are tasks of the runtime. A message that is answered at once
//! passes the ear and the brain and goes straight back to its connection. Every arrow has a bound, and a full one is
//! told to whoever can wait best: see `limits`.

mod brain;
mod catch_up;
mod clock;
mod ear;
mod edge;
mod fetch;
mod hands;
mod queue;
mod serve;
mod shares;
mod transfers;
mod work;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::Arc;

use gigmesh_net::{GossipToken, Net, ResponseToken};
use gigmesh_protocol::market::Skill;
use gigmesh_protocol::peer::io::{Answer, Refused};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc, oneshot};

pub(crate) use brain::{Brain, Driver, Judge, Ledger, Rest, StoreError, Work, World};
#[cfg(test)]
pub(crate) use clock::tests::Set as SetClocks;
pub(crate) use clock::{CONFIRM, Clocks, SystemClocks};
pub(crate) use ear::Ear;
pub(crate) use edge::Edge;
pub(crate) use hands::Hands;
#[cfg(test)]
pub(crate) use queue::Answered;
pub(crate) use queue::{Queue, Task, Why};
pub use transfers::{Transfer, Trouble, Way};
pub(crate) use work::{Held, RunError, input, plan, run_checks};

use crate::limits::{CHUNKS_AHEAD, CRUNCHES, FETCHES, SENDS, SERVES};
use crate::node::CommandSpec;
use crate::store::blobs::BlobStore;
use crate::store::traits::Ratings;
use crate::words;
use shares::{Share, Shares};

/// Why a command or a question got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The brain said no. Nothing was changed.
    #[error("{}", words::refused(.0).0)]
    Refused(Refused),
    /// A store could not be written. Whether the command is in the journal will show when the node is started again.
    #[error("the node stopped because its data cannot be written: {0}")]
    Storage(String),
    /// There is no time to date it with. Nothing was changed.
    #[error("{0}")]
    Clock(String),
    /// The node is shutting down. A command may or may not have been carried out.
    #[error("the node has stopped")]
    Stopped,
}

/// Who waits for the brain's answer.
#[derive(Debug)]
pub(crate) enum Waiting {
    /// The gossip layer, for a verdict.
    Gossip(GossipToken),
    /// A peer, for replies to its parcel.
    Parcel(ResponseToken, Share),
    /// The user.
    Caller(oneshot::Sender<Result<Answer, CallError>>),
}

/// What every thread and task of a node works with.
pub(crate) struct Body {
    pub net: Net,
    pub queue: Queue,
    pub edge: Edge,
    pub blobs: Arc<BlobStore>,
    pub ratings: Arc<dyn Ratings>,
    pub executors: BTreeMap<Skill, CommandSpec>,
    /// Where agents work.
    pub work_dir: PathBuf,
    shares: Shares,
    granted: serve::Granted,
    runtime: Handle,
    rations: Rations,
    /// Closed when the last task that holds this is gone.
    _alive: mpsc::Sender<Infallible>,
}

/// How much of each kind is done at once.
struct Rations {
    sends: Arc<Semaphore>,
    serves: Arc<Semaphore>,
    fetches: Semaphore,
    /// Chunks asked for and not here yet.
    chunks: Semaphore,
    crunches: Semaphore,
}

impl Body {
    /// `alive` is closed when nothing works with it any more. Must be called within a runtime.
    pub fn new(
        net: Net,
        queue: Queue,
        edge: Edge,
        (blobs, ratings): (Arc<BlobStore>, Arc<dyn Ratings>),
        executors: BTreeMap<Skill, CommandSpec>,
        work_dir: PathBuf,
        alive: mpsc::Sender<Infallible>,
    ) -> Self {
        let rations = Rations {
            sends: Arc::new(Semaphore::new(SENDS)),
            serves: Arc::new(Semaphore::new(SERVES)),
            fetches: Semaphore::new(FETCHES),
            chunks: Semaphore::new(CHUNKS_AHEAD),
            crunches: Semaphore::new(CRUNCHES),
        };
        let (shares, granted, runtime) = (Shares::default(), serve::Granted::default(), Handle::current());
        Self { net, queue, edge, blobs, ratings, executors, work_dir, shares, granted, runtime, rations, _alive: alive }
    }

    /// Runs a task until it is done or the node stops; then it is dropped where it waits.
    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let body = Arc::clone(self);
        self.runtime.spawn(async move {
            tokio::select! {
                () = body.queue.stopped() => {}
                () = task => {}
            }
        });
    }
}

/// Runs what blocks or takes long off the async threads. `None` if it panicked or the runtime ends.
pub(crate) async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let done = tokio::task::spawn_blocking(run).await;
    done.inspect_err(|error| tracing::error!(%error, "a task did not end by itself")).ok()
}

#[cfg(test)]
mod tests;
