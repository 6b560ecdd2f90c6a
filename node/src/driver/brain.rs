//! The brain's own thread: takes what waits, lets the brain think about all of it, makes durable what it decided with one
//! commit, and only then carries out the rest, in order. *Log first, then speak.*
//!
//! In: tasks from the queue, the time. Out: events to the log, ratings to their store, everything else to the [`World`].
//! What must never happen: a word that rests on an event that is not on disk. So a store that fails ends the thread, and what
//! was to be said in that batch is never said; whoever started it may start anew from what the disk holds.
//!
//! While the clocks have parted there is no time, and the brain is told nothing: what peers sent is left unanswered, which
//! they take for not received; commands are refused; what the node has to report waits; questions are answered as of the
//! last good time.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::peer::io::{Input, Origin, Outbox, Output};
use gigmesh_protocol::peer::{Peer, Retain};
use gigmesh_protocol::record::Record;
use gigmesh_protocol::time::Timestamp;

use super::clock::{Clock, Clocks};
use super::queue::{Answered, Queue, Task};
use super::{CallError, Waiting};
use crate::limits::{BATCH, CLOCKS_LOOK, COMPACT_SEGMENTS, IDLE, NEWS_HELD, SHORTEST_WAIT, SWEEP_EVERY};
use crate::metrics::{Count, Metrics};
use crate::store::journal::{Compacted, Journal, Keep, Prepared};
use crate::store::traits::{Log, LogError, Ratings, RatingsError};

/// Says what becomes of an event, on whatever thread.
pub(crate) type Judge = Box<dyn Fn(&[u8]) -> Keep + Send>;

/// What decides. [`Peer`] in a node; a test has one that says what it is told to.
pub(crate) trait Brain: Send {
    /// See [`Peer::handle`].
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outbox);
    /// See [`Peer::next_deadline`].
    fn next_deadline(&self) -> Option<Timestamp>;
    /// What queries are answered from.
    fn peer(&self) -> &Peer;
    /// See [`Peer::retention`].
    fn judge(&self, past: &BTreeSet<HireId>) -> Judge;
    /// See [`Peer::past`].
    fn past(&self, now: Timestamp) -> BTreeSet<HireId>;
    /// See [`Peer::forget`].
    fn forget(&mut self, past: &BTreeSet<HireId>);
    /// See [`Peer::live_blobs`].
    fn live_blobs(&self, now: Timestamp) -> BTreeSet<Bytes32>;
}

impl Brain for Peer {
    fn handle(&mut self, now: Timestamp, input: Input, out: &mut Outbox) {
        Self::handle(self, now, input, out);
    }
    fn next_deadline(&self) -> Option<Timestamp> {
        Self::next_deadline(self)
    }
    fn peer(&self) -> &Peer {
        self
    }
    fn judge(&self, past: &BTreeSet<HireId>) -> Judge {
        let retention = self.retention(past);
        Box::new(move |event| match retention.of(event) {
            Retain::Live => Keep::Live,
            Retain::Archive(filed) => Keep::Archive(filed),
        })
    }
    fn past(&self, now: Timestamp) -> BTreeSet<HireId> {
        Self::past(self, now)
    }
    fn forget(&mut self, past: &BTreeSet<HireId>) {
        Self::forget(self, past);
    }
    fn live_blobs(&self, now: Timestamp) -> BTreeSet<Bytes32> {
        Self::live_blobs(self, now)
    }
}

/// A store failed. What the brain holds is ahead of the disk.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error(transparent)]
    Ratings(#[from] RatingsError),
}

/// Who carries out what the brain wants.
pub(crate) trait World {
    /// Remembers who waits for an answer; the number names it to the brain.
    fn wait(&mut self, who: Waiting) -> u64;
    /// Carries out an output. Must not wait.
    fn carry_out(&mut self, output: Output);
    /// Hands over the answer to a query.
    fn answer(&mut self, answered: Answered) {
        answered();
    }
    /// Frees the room of all blobs but these.
    fn sweep(&mut self, live: BTreeSet<Bytes32>);
    /// How many bytes of inputs have room, if that is known. Looked at before each batch.
    fn room(&self) -> Option<u64> {
        None
    }
    /// A store failed: tells whoever waits.
    fn fail(&mut self, error: &StoreError);
}

/// A log that grows shorter, beside its work.
pub(crate) trait Ledger: Log {
    /// See [`Prepared`].
    type Prepared: Send + 'static;
    /// See [`Journal::closed_segments`].
    fn closed_segments(&self) -> usize;
    /// See [`Journal::compaction`]. It runs on a thread of its own, until it is done or not to go on.
    fn compaction(&self, judge: Judge) -> Work<Self::Prepared>;
    /// See [`Journal::adopt`]. What is given back takes its time, too.
    fn adopt(&mut self, prepared: Self::Prepared) -> Result<(Compacted, Rest), LogError>;
}

/// What takes its time, as long as it may go on.
pub(crate) type Work<T> = Box<dyn FnOnce(&dyn Fn() -> bool) -> Result<Option<T>, LogError> + Send>;

/// What is left to be done once it has taken effect.
pub(crate) type Rest = Box<dyn FnOnce() + Send>;

impl Ledger for Journal {
    type Prepared = Prepared;
    fn closed_segments(&self) -> usize {
        Self::closed_segments(self)
    }
    fn compaction(&self, judge: Judge) -> Work<Prepared> {
        let compaction = Self::compaction(self);
        Box::new(move |go_on| compaction.run(judge, go_on))
    }
    fn adopt(&mut self, prepared: Prepared) -> Result<(Compacted, Rest), LogError> {
        let (done, leftovers) = Self::adopt(self, prepared)?;
        Ok((done, Box::new(move || leftovers.remove())))
    }
}

/// What is under way beside the brain.
enum Compacting<P> {
    Nothing,
    /// A generation without these hires is being written.
    Writing(BTreeSet<HireId>, JoinHandle<Result<Option<P>, LogError>>),
    /// Files are being removed.
    Removing(JoinHandle<()>),
}

/// See the module.
pub(crate) struct Driver<B, L: Ledger, R, W> {
    brain: B,
    log: L,
    ratings: R,
    world: W,
    queue: Queue,
    tasks: Receiver<Task>,
    clock: Clock,
    /// What waits for the clocks to agree.
    held: Vec<Input>,
    outbox: Outbox,
    /// Answers to queries of this batch.
    answered: Vec<Answered>,
    /// Closed segments that the last compaction left, which the next would only copy.
    compacted: usize,
    compacting: Compacting<L::Prepared>,
    /// What the brain was last told of the room for inputs.
    room: Option<u64>,
    /// When blobs that nobody may ask for any more are next removed.
    sweep: Timestamp,
}

impl<B: Brain, L: Ledger, R: Ratings, W: World> Driver<B, L, R, W> {
    /// `outbox` is what the restored brain wants done.
    pub fn new(
        (brain, outbox): (B, Outbox),
        log: L,
        ratings: R,
        world: W,
        (queue, tasks): (Queue, Receiver<Task>),
        clocks: Box<dyn Clocks>,
    ) -> Self {
        let clock = Clock::new(clocks, Arc::clone(queue.clock()));
        let (held, answered, compacted, compacting) = (Vec::new(), Vec::new(), 0, Compacting::Nothing);
        let (room, sweep) = (None, Timestamp(0));
        Self {
            brain,
            log,
            ratings,
            world,
            queue,
            tasks,
            clock,
            held,
            outbox,
            answered,
            compacted,
            compacting,
            room,
            sweep,
        }
    }

    /// Runs until it is time to stop. When it returns, all it said is durable and the stores are closed.
    ///
    /// # Errors
    /// A store failed; nothing that rested on what it did not take was said.
    pub fn run(mut self) -> Result<(), StoreError> {
        let ended = self.live();
        // It looks whether it is time to stop, and nobody else may write where it does.
        match std::mem::replace(&mut self.compacting, Compacting::Nothing) {
            Compacting::Writing(_, thread) => drop(thread.join()),
            Compacting::Removing(thread) => drop(thread.join()),
            Compacting::Nothing => {}
        }
        if let Err(error) = &ended {
            tracing::error!(%error, "a store failed; the node stops and says nothing more");
            for task in self.tasks.try_iter() {
                if let Task::Command { caller, .. } = task {
                    self.world.wait(Waiting::Caller(caller));
                }
            }
            self.world.fail(error);
        }
        if let Err(error) = self.ratings.flush() {
            tracing::warn!(%error, "the ratings may have to be rebuilt at the next start");
        }
        ended
    }

    fn live(&mut self) -> Result<(), StoreError> {
        self.settle()?;
        while self.queue.stopping().is_none() {
            let patience = self.patience();
            let first = match self.tasks.recv_timeout(patience) {
                Ok(task) => Some(task),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let now = self.clock.read();
            if let Some(now) = now {
                let room = self.world.room();
                if let Some(room) = room.filter(|_| room != self.room) {
                    self.room = Some(room);
                    self.brain.handle(now, Input::Room(room), &mut self.outbox);
                }
                for input in std::mem::take(&mut self.held) {
                    self.tell(now, input);
                }
            }
            let rest = (1..BATCH).map_while(|_| self.tasks.try_recv().ok());
            for task in first.into_iter().chain(rest.collect::<Vec<_>>()) {
                match now {
                    Some(now) => self.take(now, task),
                    None => self.put_off(task),
                }
            }
            if let Some(now) = now
                && self.brain.next_deadline().is_some_and(|deadline| deadline <= now)
            {
                self.brain.handle(now, Input::Tick, &mut self.outbox);
            }
            self.settle()?;
            let Some(now) = now else { continue };
            self.compact(now);
            if self.sweep <= now {
                self.sweep = now + SWEEP_EVERY;
                self.world.sweep(self.brain.live_blobs(now));
            }
        }
        Ok(())
    }

    fn patience(&mut self) -> Duration {
        let Some(now) = self.clock.read() else { return CLOCKS_LOOK };
        let left = |deadline: Timestamp| Duration::from_millis(deadline.since(now).0);
        self.brain.next_deadline().map_or(IDLE, left).clamp(SHORTEST_WAIT, IDLE)
    }

    /// Takes a task for which there is no time.
    fn put_off(&mut self, task: Task) {
        match task {
            Task::Input(input) => {
                let news = matches!(
                    input,
                    Input::Record { .. } | Input::LinkUp(_) | Input::RoomMember { .. } | Input::Working { .. }
                );
                if !news || self.held.len() < NEWS_HELD {
                    self.held.push(input);
                }
            }
            Task::Command { caller, .. } => {
                let trouble = self.queue.clock().parted().unwrap_or_default();
                // Whoever asked may have gone.
                let _ = caller.send(Err(CallError::Clock(trouble)));
            }
            Task::Query(query) => self.answered.push(query.answer(self.brain.peer(), self.clock.last())),
            // Dropped, which tells their senders that there is no answer.
            Task::Gossip { .. } | Task::Parcel { .. } => self.queue.metrics().count(Count::DroppedNoTime),
            Task::Wake => {}
        }
    }

    fn take(&mut self, now: Timestamp, task: Task) {
        let input = match task {
            Task::Input(input) => input,
            Task::Gossip { from, record, token } => {
                let token = self.world.wait(Waiting::Gossip(token));
                Input::Record { from, origin: Origin::Gossip(token), record }
            }
            Task::Parcel { from, items, token, share } => {
                Input::Parcel { from, token: self.world.wait(Waiting::Parcel(token, share)), items }
            }
            Task::Command { command, caller } => {
                Input::Command { caller: self.world.wait(Waiting::Caller(caller)), command }
            }
            Task::Query(query) => return self.answered.push(query.answer(self.brain.peer(), now)),
            Task::Wake => return,
        };
        self.tell(now, input);
    }

    fn tell(&mut self, now: Timestamp, input: Input) {
        self.queue.metrics().count(Count::Inputs);
        self.brain.handle(now, input, &mut self.outbox);
    }

    /// Makes durable what the brain decided, then lets it speak.
    fn settle(&mut self) -> Result<(), StoreError> {
        let mut events = self.outbox.iter().filter_map(|output| match output {
            Output::Persist(event) => Some(event),
            _ => None,
        });
        if let Some(first) = events.next() {
            let metrics = self.queue.metrics();
            for event in [first].into_iter().chain(events) {
                self.log.append(event)?;
                metrics.count(Count::Events);
                metrics.add(Count::EventBytes, event.len() as u64);
            }
            let begun = Instant::now();
            self.log.commit()?;
            metrics.count(Count::Commits);
            metrics.took(Count::CommitMicros, begun.elapsed());
        }
        // Evidence may be had again, but from a store that has failed nothing more: only opening it anew mends it.
        self.keep_ratings()?;
        for output in self.outbox.drain(..) {
            if !matches!(output, Output::Persist(_) | Output::Keep(_) | Output::Drop { .. }) {
                count(self.queue.metrics(), &output);
                self.world.carry_out(output);
            }
        }
        for answered in self.answered.drain(..) {
            self.world.answer(answered);
        }
        Ok(())
    }

    fn keep_ratings(&self) -> Result<(), RatingsError> {
        let mut kept = false;
        for output in &self.outbox {
            if let Output::Drop { subject, rating } = output {
                kept |= self.ratings.remove(*rating.as_bytes(), subject.0)?;
            }
            let Output::Keep(record) = output else { continue };
            let Record::Rating(rating) = &**record else { continue };
            match self.ratings.put(*rating.id().as_bytes(), rating.judgement.subject.0, rating.envelope()) {
                Err(error @ RatingsError::Size(_)) => tracing::error!(%error, "a rating is not kept"),
                put => kept |= put?,
            }
            self.queue.metrics().count(Count::RatingsKept);
        }
        if kept { self.ratings.flush() } else { Ok(()) }
    }

    /// Has the journal compacted when that is worth it, and goes on with what came of it.
    fn compact(&mut self, now: Timestamp) {
        match std::mem::replace(&mut self.compacting, Compacting::Nothing) {
            Compacting::Nothing => {
                if self.log.closed_segments() >= self.compacted + COMPACT_SEGMENTS {
                    let past = self.brain.past(now);
                    let (work, queue) = (self.log.compaction(self.brain.judge(&past)), self.queue.clone());
                    let stopping = self.queue.clone();
                    let run = move || {
                        let prepared = work(&|| stopping.stopping().is_none());
                        // A full queue wakes the brain just as well.
                        queue.offer(Task::Wake);
                        prepared
                    };
                    self.compacting = beside("compaction", run)
                        .map_or(Compacting::Nothing, |thread| Compacting::Writing(past, thread));
                }
            }
            Compacting::Writing(past, thread) if thread.is_finished() => {
                match thread.join() {
                    Ok(Ok(Some(prepared))) => self.adopt(now, &past, prepared),
                    Ok(Ok(None)) => {}
                    Ok(Err(error)) => tracing::error!(%error, "cannot compact the journal"),
                    Err(_) => tracing::error!("the journal's compaction panicked; please report it with the log"),
                }
                self.compacted = self.log.closed_segments();
            }
            Compacting::Removing(thread) if thread.is_finished() => drop(thread.join()),
            busy => self.compacting = busy,
        }
    }

    fn adopt(&mut self, now: Timestamp, past: &BTreeSet<HireId>, prepared: L::Prepared) {
        // What is archived and what is forgotten must be the same. A late record may have brought one back to life.
        if !past.is_subset(&self.brain.past(now)) {
            tracing::info!("the journal is compacted later: a hire that was over goes on");
            return;
        }
        match self.log.adopt(prepared) {
            Ok((done, remove)) => {
                self.brain.forget(past);
                self.queue.metrics().count(Count::Compactions);
                tracing::info!(live = done.live, archived = done.archived, "compacted the journal");
                self.compacting = beside("compaction", remove).map_or(Compacting::Nothing, Compacting::Removing);
            }
            // Either nothing has happened, or the journal takes no more and the next commit says so.
            Err(error) => tracing::error!(%error, "cannot compact the journal"),
        }
    }
}

/// Runs what takes long on a thread of its own.
fn beside<T: Send + 'static>(name: &str, run: impl FnOnce() -> T + Send + 'static) -> Option<JoinHandle<T>> {
    let thread = thread::Builder::new().name(name.to_owned()).spawn(run);
    thread.inspect_err(|error| tracing::error!(%error, "the system gives no thread")).ok()
}

/// What the brain made of what others sent.
fn count(metrics: &Metrics, output: &Output) {
    match output {
        Output::Verdict(_, verdict) => metrics.verdict(*verdict),
        Output::Respond(_, replies) => metrics.replies(replies),
        Output::Blame(..) => metrics.count(Count::BlamedParcel),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
