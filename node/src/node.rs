//! The front door: a running node as a value. In: a configuration. Out: a handle that takes commands, answers questions
//! and tells what happens. What must never happen: a start that fails for a reason that could be known, and has written
//! something; two nodes in one data directory.
//!
//! ```text
//! <data_dir>/lock, identity.key     whose directory this is
//! <data_dir>/journal/               own facts
//! <data_dir>/ratings/               evidence
//! <data_dir>/blobs/                 inputs and results
//! <data_dir>/work/                  agents at work
//! ```

mod past;

use std::collections::BTreeMap;
use std::io;
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

pub use gigmesh_bootstrap::contact_filter;
use gigmesh_bootstrap::lock::{self, DirLock, LockError};
use gigmesh_bootstrap::wall_clock;
use gigmesh_net::{Net, PeerInfo, Role, Stats};
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::market::{Rating, Skill};
use gigmesh_protocol::peer::io::{Answer, Command, HireRecords, HireRow, Notice, Outbox, Page, Shown};
use gigmesh_protocol::peer::query::{Missing, Query, Records, Show};
use gigmesh_protocol::peer::{Peer, RestoreError};
use gigmesh_protocol::record::{Network, Record, Signer, Verified};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::timeout;

use self::past::Past;
use crate::driver::{
    Body, Brain, CONFIRM, Clocks, Driver, Ear, Edge, Hands, Queue, StoreError, SystemClocks, Task, Why, World, blocking,
};
pub use crate::driver::{CallError, Transfer, Trouble, Way};
use crate::identity::{self, IdentityError};
use crate::limits::{NOTICES, STOP_WAIT};
use crate::metrics::Metrics;
use crate::store::blobs::{BlobError, BlobStore};
use crate::store::disk::DiskError;
use crate::store::journal::Journal;
use crate::store::ratings::{Opened, SledRatings};
use crate::store::traits::{Disk, LogError, Ratings, RatingsError, SystemDisk};
use crate::work::leftovers::reap_leftovers;

/// What a node needs to know.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Where everything is kept. Made if missing.
    pub data_dir: PathBuf,
    /// The market network's name.
    pub network: String,
    /// Where to listen, as multiaddresses; port 0 takes a free one.
    pub listen: Vec<String>,
    /// Doors into the network, as multiaddresses that end in `/p2p/` and the peer's id.
    pub bootstrap: Vec<String>,
    /// Whether to look for peers on the LAN and to be seen there, by mDNS; not done when it listens on loopback alone.
    pub mdns: bool,
    /// Whether to be reached through its doors in any case; a node whose own addresses do not reach its peers is anyhow.
    pub relay: bool,
    /// What the operator wrote about the agent.
    pub peer: gigmesh_protocol::peer::io::Config,
    /// The program behind each skill that is served.
    pub executors: BTreeMap<Skill, CommandSpec>,
    /// What inputs and results may take of the disk, in bytes.
    pub blob_quota: u64,
}

/// A program that does the work of a skill.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandSpec {
    /// The program and its arguments; see [`crate::work::job::Job::resolved`].
    pub command: Vec<String>,
    /// What relative paths in it start from: the configuration file's directory.
    pub dir: PathBuf,
    /// How long one run may take.
    pub timeout: Duration,
}

/// Why a node did not start. Nothing is left running.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The data directory is in use, or cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A journal without the key whose hires are in it.
    #[error(
        "{dir} holds a journal but no identity.key: its hires belong to a key that is missing. Put the key back, or move \
         the journal directory away to start as a new agent",
        dir = .0.display()
    )]
    KeyMissing(PathBuf),
    /// The listen addresses, the bootstrap addresses or the network's name.
    #[error(transparent)]
    Network(#[from] gigmesh_net::StartError),
    /// The journal cannot be read.
    #[error(transparent)]
    Journal(#[from] LogError),
    /// The journal's events make no state.
    #[error("the journal in {dir} cannot be replayed: {source}", dir = dir.display())]
    Restore {
        /// The data directory.
        dir: PathBuf,
        /// Which event, and why.
        source: RestoreError,
    },
    /// The ratings cannot be opened.
    #[error(transparent)]
    Ratings(#[from] RatingsError),
    /// The blobs cannot be opened.
    #[error(transparent)]
    Blobs(#[from] BlobError),
    /// What a node before this one left cannot be removed.
    #[error(transparent)]
    Leftovers(#[from] DiskError),
    /// The system gives no threads or no randomness.
    #[error("cannot {0}: {1}")]
    System(&'static str, io::Error),
}

impl StartError {
    /// Whether the operator can put it right: exit code 2. Otherwise the fault is the system's or ours: exit code 1.
    pub fn is_users(&self) -> bool {
        match self {
            Self::Lock(_) | Self::Identity(_) | Self::KeyMissing(_) | Self::Restore { .. } => true,
            Self::Network(error) => !matches!(error, gigmesh_net::StartError::Setup(_)),
            Self::Journal(error) => matches!(error, LogError::Damaged { .. } | LogError::Disk(_)),
            Self::Ratings(error) => matches!(error, RatingsError::Locked(_) | RatingsError::Disk(_)),
            Self::Blobs(_) | Self::Leftovers(_) => true,
            Self::System(..) => false,
        }
    }

    /// Whether a node that has run in this directory may start there later, with nothing put right but the disk's room.
    pub fn passes(&self) -> bool {
        match self {
            Self::Journal(error) => matches!(error, LogError::Disk(_)),
            Self::Lock(error) => matches!(error, LockError::Io { .. }),
            Self::Network(_) | Self::Ratings(_) | Self::Blobs(_) | Self::Leftovers(_) | Self::System(..) => true,
            Self::Identity(_) | Self::KeyMissing(_) | Self::Restore { .. } => false,
        }
    }
}

/// Why a node stopped by itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StopError {
    /// The journal or the ratings could not be written. Nothing that rested on it was said. Started again, the node goes on
    /// from what the disk holds.
    #[error("the node's data cannot be written: {0}")]
    Storage(String),
    /// The network's task ended.
    #[error("the network stopped by itself; its log may say why")]
    Network,
    /// A fault of ours.
    #[error("the node's brain panicked; please report it with the log")]
    Panicked,
}

/// Starts a node on the current tokio runtime. When this returns, it listens and takes commands.
///
/// # Errors
/// Whatever can be known beforehand (a taken port, a directory in use, a malformed key, journal or address) is found
/// before anything is written.
pub async fn start(config: NodeConfig) -> Result<NodeHandle, StartError> {
    start_on(config, Real).await
}

/// Where a node's thread meets everything else. A test stands there: sets the clock, or takes down what passes.
trait Machine: Send + 'static {
    /// What decides.
    type Brain: Brain + 'static;
    /// Who carries it out.
    type World: World + Send + 'static;
    fn clocks(&self) -> Box<dyn Clocks> {
        Box::new(SystemClocks)
    }
    fn disk(&self) -> Box<dyn Disk> {
        Box::new(SystemDisk)
    }
    /// `first` is what the restored peer wants done.
    fn brain(&self, peer: Peer, first: &Outbox) -> Self::Brain;
    fn world(&self, hands: Hands) -> Self::World;
}

/// Nothing stands between.
struct Real;

impl Machine for Real {
    type Brain = Peer;
    type World = Hands;
    fn brain(&self, peer: Peer, _: &Outbox) -> Peer {
        peer
    }
    fn world(&self, hands: Hands) -> Hands {
        hands
    }
}

async fn start_on(config: NodeConfig, machine: impl Machine) -> Result<NodeHandle, StartError> {
    let mut network = gigmesh_net::Config {
        listen: config.listen.clone(),
        bootstrap: config.bootstrap.clone(),
        mdns: config.mdns,
        relay: config.relay,
        // The key does not matter yet.
        ..gigmesh_net::Config::new(Role::Node, config.network.clone(), [0; 32], contact_filter(&config.network))
    };
    let NodeConfig { data_dir, network: name, peer, executors, blob_quota, .. } = config;
    lock::check(&data_dir)?;
    network.probe()?;
    let work_dir = data_dir.join("work");
    let past = Past::of(&data_dir.join("journal"), &name);
    let disk = machine.disk();
    let opened = tokio::task::spawn_blocking(move || open(data_dir, &name, peer, disk, blob_quota));
    let Home { lock, secret, journal, ratings, blobs, brain: (peer, first), edge } = match opened.await {
        Ok(opened) => opened?,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => resume_unwind(panic),
            Err(error) => return Err(StartError::System("open the data directory", error.into())),
        },
    };
    network.secret = secret;
    let agent = peer.agent();

    let (net, events) = Net::start(network).await?;
    let (queue, tasks) = Queue::new();
    let (alive, dead) = mpsc::channel(1);
    let (blobs, ratings) = (Arc::new(blobs), Arc::new(ratings));
    let body =
        Body::new(net.clone(), queue.clone(), edge, (Arc::clone(&blobs), ratings.clone()), executors, work_dir, alive);
    let body = Arc::new(body);
    let (notices, _) = broadcast::channel(NOTICES);
    let world = machine.world(Hands::new(Arc::clone(&body), notices.clone()));
    let brain = (machine.brain(peer, &first), first);
    let driver = Driver::new(brain, journal, Arc::clone(&ratings), world, (queue.clone(), tasks), machine.clocks());

    let lock = Arc::new(lock);
    let (brain_ends, brain_ended) = oneshot::channel();
    let held = Arc::clone(&lock);
    let think = move || {
        let ended = driver.run();
        drop(held);
        // Nobody listens if the runtime is gone.
        let _ = brain_ends.send(ended);
    };
    let no_thread = |error| StartError::System("start a thread", error);
    thread::Builder::new().name("brain".to_owned()).spawn(think).map_err(no_thread)?;
    let listening = Ear::start(&body, events);
    drop(body);
    let (ends, ended) = watch::channel(None);
    tokio::spawn(wind_up(queue.clone(), net.clone(), brain_ended, dead, lock, ends));
    let ratings = Arc::downgrade(&ratings);
    let handle = NodeHandle(Arc::new(Inner { agent, net, queue, notices, blobs, past, ratings, ended }));
    // From here on dropping the handle stops what runs.
    listening.map_err(no_thread)?;
    tracing::info!(%agent, "the node is up");
    Ok(handle)
}

/// What the data directory holds, ready to be worked with.
struct Home {
    lock: DirLock,
    secret: [u8; 32],
    journal: Journal,
    ratings: SledRatings,
    blobs: BlobStore,
    brain: (Peer, Outbox),
    edge: Edge,
}

fn open(
    dir: PathBuf,
    name: &str,
    peer: gigmesh_protocol::peer::io::Config,
    disk: Box<dyn Disk>,
    blob_quota: u64,
) -> Result<Home, StartError> {
    let network = Network::new(name);
    // Found out before the lock's file is made.
    let new = match identity::load(&dir) {
        Err(IdentityError::Missing(_)) => true,
        loaded => loaded.map(|_| false)?,
    };
    let lock = lock::lock(&dir)?;
    let mut events = Vec::new();
    let (journal, _) = Journal::open_on(disk, &dir.join("journal"), |_, event| {
        events.push(event.to_owned());
        Ok(())
    })?;
    if new && !events.is_empty() {
        return Err(StartError::KeyMissing(dir));
    }
    let Opened { ratings, .. } = SledRatings::open(&dir.join("ratings"))?;
    let evidence = evidence(&ratings, &network)?;
    let blobs = BlobStore::open_dir(&dir.join("blobs"), blob_quota)?;
    let ended = reap_leftovers(&dir.join("work"))?;
    if ended > 0 {
        tracing::warn!(ended, "agents that an earlier run of this node had left were stopped");
    }
    let secret = identity::load_or_create(&dir)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| StartError::System("draw randomness", error.into()))?;
    let rng = Box::new(ChaCha20Rng::from_seed(seed));
    let signer = Signer::new(&secret, network);
    let brain = Peer::restore(peer, signer, rng, wall_clock(), events, evidence)
        .map_err(|source| StartError::Restore { dir, source })?;
    Ok(Home { lock, secret, journal, ratings, blobs, brain, edge: Edge::new(name) })
}

/// The ratings as records. They verified before they were put there; that each still has its id says that no byte of it
/// has changed.
fn evidence(ratings: &SledRatings, network: &Network) -> Result<Vec<Verified<Rating>>, RatingsError> {
    let mut evidence = Vec::new();
    for entry in ratings.iter() {
        let (id, envelope) = entry?;
        match Record::from_journal(&envelope, None, network) {
            Ok(Record::Rating(rating)) if *rating.id().as_bytes() == id => evidence.push(rating),
            _ => tracing::warn!(id = %Bytes32(id), "a kept rating is not as it was; left out"),
        }
    }
    Ok(evidence)
}

/// Waits for the brain to end and takes everything else down after it.
async fn wind_up(
    queue: Queue,
    net: Net,
    brain_ended: oneshot::Receiver<Result<(), StoreError>>,
    mut dead: mpsc::Receiver<std::convert::Infallible>,
    lock: Arc<DirLock>,
    ends: watch::Sender<Option<Result<(), StopError>>>,
) {
    let ended = match brain_ended.await {
        Ok(Ok(())) if queue.stopping() == Some(Why::NetworkLost) => Err(StopError::Network),
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(StopError::Storage(error.to_string())),
        // The sender went down with its thread.
        Err(_) => Err(StopError::Panicked),
    };
    // If the brain ended by itself, the rest does not know yet. Agents are killed by this.
    queue.stop(Why::Asked);
    net.shutdown().await;
    if timeout(STOP_WAIT, dead.recv()).await.is_err() {
        tracing::warn!("some tasks are still at work on files; left alone");
    }
    drop(lock);
    ends.send_replace(Some(ended));
}

/// A running node. Cloning shares it; it stops when told to, or when the last clone is gone.
#[derive(Debug, Clone)]
pub struct NodeHandle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    agent: AgentId,
    net: Net,
    queue: Queue,
    notices: broadcast::Sender<Notice>,
    blobs: Arc<BlobStore>,
    past: Past,
    /// The running node's: whoever holds a handle must not hold the directory of a node that has stopped.
    ratings: Weak<SledRatings>,
    ended: watch::Receiver<Option<Result<(), StopError>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.queue.stop(Why::Asked);
    }
}

impl NodeHandle {
    /// Whose node this is.
    pub fn agent(&self) -> AgentId {
        self.0.agent
    }

    /// Has a command carried out. When this returns well, what it changed is on disk. Waits while the node is overloaded.
    ///
    /// # Errors
    /// See [`CallError`].
    pub async fn command(&self, command: Command) -> Result<Answer, CallError> {
        let (caller, answer) = oneshot::channel();
        self.0.queue.put(Task::Command { command, caller }).await;
        answer.await.unwrap_or(Err(CallError::Stopped))
    }

    /// Asks what is. The answer tells nothing that is not on disk.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn query<Q: Query>(&self, query: Q) -> Result<Q::Answer, CallError> {
        let (task, answer) = Task::query(query);
        self.0.queue.put(task).await;
        answer.await.map_err(|_| CallError::Stopped)
    }

    /// [`Show`], also of a hire or offer that is archived.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn show(&self, id: String) -> Result<Result<Shown, Missing>, CallError> {
        match self.query(Show(id.clone())).await? {
            Err(unknown @ Missing::Unknown { .. }) => Ok(self.recall(move |past| past.show(&id)).await.ok_or(unknown)),
            found => Ok(found),
        }
    }

    /// [`Records`], also of a hire that is archived.
    ///
    /// # Errors
    /// The node has stopped.
    pub async fn records(&self, id: String) -> Result<Result<HireRecords, Missing>, CallError> {
        let unknown = match self.query(Records(id.clone())).await? {
            Err(unknown @ Missing::Unknown { .. }) => unknown,
            found => return Ok(found),
        };
        let Some((mut found, ratings)) = self.recall(move |past| past.records(&id)).await else {
            return Ok(Err(unknown));
        };
        if let Some(ratings) = ratings {
            found.ratings = self.query(ratings).await?;
        }
        Ok(Ok(found))
    }

    /// Archived hires, the last that was archived first: those after this one, and which is the last of them if there are more.
    /// `None` if there is no such hire in the archive.
    ///
    /// # Errors
    /// The archive cannot be read, in words.
    pub async fn archived(&self, after: Option<Bytes32>, limit: usize) -> Result<Option<Page<HireRow>>, String> {
        let past = self.0.past.clone();
        let read = blocking(move || past.rows(after, limit)).await;
        read.ok_or_else(|| "the node has stopped".to_owned())?.map_err(|error| error.to_string())
    }

    /// Looks into the archive, off the brain's thread.
    async fn recall<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Past) -> Result<Option<T>, LogError> + Send + 'static,
    ) -> Option<T> {
        let past = self.0.past.clone();
        blocking(move || look(&past)).await?.unwrap_or_else(|error| {
            tracing::error!(%error, "the archive cannot be read; `gigmesh store check` tells more");
            None
        })
    }

    /// What happens from now on. Whoever reads too slowly misses some and is told how many.
    pub fn notices(&self) -> broadcast::Receiver<Notice> {
        self.0.notices.subscribe()
    }

    /// Blobs on their way, in and out.
    pub fn transfers(&self) -> Vec<Transfer> {
        self.0.queue.transfers().list()
    }

    /// What of them moves from now on: each is told of about once a second, and when it is whole.
    pub fn transfer_news(&self) -> broadcast::Receiver<Transfer> {
        self.0.queue.transfers().news()
    }

    /// Connected agents.
    pub async fn peers(&self) -> Vec<PeerInfo> {
        self.0.net.peers().await
    }

    /// The network's counters and gauges.
    pub async fn network_stats(&self) -> Stats {
        self.0.net.stats().await
    }

    /// What it has counted since it started.
    pub(crate) fn metrics(&self) -> &Metrics {
        self.0.queue.metrics()
    }

    /// What the operator should look after now.
    pub fn warnings(&self) -> Vec<String> {
        let clock = self.0.queue.clock();
        let parted = clock.parted().map(|trouble| format!("{trouble}; {CONFIRM}"));
        parted.into_iter().chain(clock.behind()).collect()
    }

    /// Why nothing can be signed, if that is so: the system's clock was set while the node ran.
    pub fn clock_parted(&self) -> Option<String> {
        self.0.queue.clock().parted()
    }

    /// Changes when [`NodeHandle::clock_parted`] does.
    pub fn clock_changes(&self) -> watch::Receiver<Option<i64>> {
        self.0.queue.clock().changes()
    }

    /// Says that the system's clock is right as it is now. When this returns, the node goes by it.
    pub async fn confirm_clock(&self) {
        self.0.queue.confirm_clock().await;
    }

    /// Where peers can reach this node as far as it knows, widest scope first.
    pub fn listen_addrs(&self) -> Vec<String> {
        self.0.net.listen_addrs()
    }

    /// Inputs and results.
    pub fn blobs(&self) -> &Arc<BlobStore> {
        &self.0.blobs
    }

    /// The ratings held, signed as they came, while the node runs. Reads go to the disk.
    pub fn ratings(&self) -> Option<Arc<dyn Ratings>> {
        Some(self.0.ratings.upgrade()?)
    }

    /// Begins to stop: what was taken in is made durable, agents are stopped, links are closed. Returns at once.
    pub fn shutdown(&self) {
        self.0.queue.stop(Why::Asked);
    }

    /// Completes when the node has stopped and its data directory is free.
    pub async fn stopped(&self) {
        // An error means that the runtime went down before the node: that is stopped, too.
        let _ = self.0.ended.clone().wait_for(Option::is_some).await;
    }

    /// How it ended, once it has: as it was told to, or by itself.
    pub fn ended(&self) -> Option<Result<(), StopError>> {
        self.0.ended.borrow().clone()
    }
}

#[cfg(test)]
mod tests;
