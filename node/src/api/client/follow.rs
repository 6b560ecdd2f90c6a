//! Follows postings and hires to their ends, for every command that waits.
//!
//! In: a node's events. Out: how each of the followed stands, as the node says, and its blobs on the way. Invariant: no end
//! is missed. An event only says when to ask: the node is asked as well after each pause, after events were lost, and after
//! the connection was.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::peer::io::Shown;
use tokio::sync::broadcast::{self, error::RecvError, error::TryRecvError};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout_at};

use super::{Client, ClientError, Events};
use crate::api::types::{Event, NodeEvent};
use crate::limits::{FOLLOW_AGAIN, FOLLOW_QUEUE};
use crate::node::Transfer;

/// One connection to a node's events, shared by all that is followed there.
#[derive(Debug)]
pub struct Follower {
    client: Client,
    heard: broadcast::Sender<Heard>,
    reader: JoinHandle<()>,
}

#[derive(Debug, Clone)]
enum Heard {
    Event(Arc<Event>),
    /// The connection is lost.
    Lost,
}

impl Follower {
    /// Connects: nothing is missed of what happens from now on.
    ///
    /// # Errors
    /// The node cannot be reached.
    pub async fn new(client: Client) -> Result<Self, ClientError> {
        let events = client.events().await?;
        let (heard, _) = broadcast::channel(FOLLOW_QUEUE);
        let reader = tokio::spawn(read(client.clone(), events, heard.clone()));
        Ok(Self { client, heard, reader })
    }

    /// Follows the posting, claim or hire of this id. Without an event it is asked for after each `pause`.
    pub fn follow(&self, id: impl Display, pause: Duration) -> Followed {
        Followed {
            client: self.client.clone(),
            heard: self.heard.subscribe(),
            id: id.to_string(),
            pause,
            about: BTreeSet::new(),
            moved: VecDeque::new(),
            lost: false,
            ask_at: Instant::now(),
        }
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.reader.abort();
    }
}

/// Passes on what the node tells, over one connection after the other.
async fn read(client: Client, mut events: Events, heard: broadcast::Sender<Heard>) {
    // An error of sending means that nothing is followed now.
    let tell = |word| drop(heard.send(word));
    loop {
        while let Ok(Some(event)) = events.next().await {
            tell(Heard::Event(Arc::new(event.into())));
        }
        tell(Heard::Lost);
        events = loop {
            sleep(FOLLOW_AGAIN).await;
            if let Ok(events) = client.events().await {
                break events;
            }
        };
        tell(Heard::Event(Arc::new(Event::Node(NodeEvent::Missed { count: 0 }))));
    }
}

/// Something that is followed.
#[derive(Debug)]
pub struct Followed {
    client: Client,
    heard: broadcast::Receiver<Heard>,
    id: String,
    pause: Duration,
    /// The ids that an event about it names.
    about: BTreeSet<Bytes32>,
    /// Told and not yet handed on: never more than the queue holds.
    moved: VecDeque<Transfer>,
    /// The connection was lost, and nobody was told.
    lost: bool,
    ask_at: Instant,
}

/// What is new of something followed.
#[derive(Debug)]
pub enum Update {
    /// How it stands; perhaps as before.
    Progress(Box<Progress>),
    /// A blob of one of its hires is on its way.
    Moved(Transfer),
}

impl Followed {
    /// What is new; the first is how it stands. Cancelling this loses nothing.
    ///
    /// # Errors
    /// See [`ClientError`]: [`ClientError::Stopped`] once if the connection to the events was lost. Called again, it asks the
    /// node again.
    pub async fn next(&mut self) -> Result<Update, ClientError> {
        loop {
            loop {
                let heard = match self.heard.try_recv() {
                    Ok(heard) => Ok(heard),
                    Err(TryRecvError::Empty) => break,
                    Err(TryRecvError::Lagged(count)) => Err(RecvError::Lagged(count)),
                    Err(TryRecvError::Closed) => return Err(ClientError::Stopped),
                };
                self.take(heard);
            }
            if let Some(moved) = self.moved.pop_front() {
                return Ok(Update::Moved(moved));
            }
            if std::mem::take(&mut self.lost) {
                return Err(ClientError::Stopped);
            }
            if self.ask_at <= Instant::now() {
                let progress = Progress::of(&self.client, &self.id).await?;
                self.about = progress.ids();
                self.ask_at = Instant::now() + self.pause;
                return Ok(Update::Progress(Box::new(progress)));
            }
            if let Ok(heard) = timeout_at(self.ask_at, self.heard.recv()).await {
                self.take(heard);
            }
        }
    }

    /// How it stands, as soon as that is to be asked for; the same errors.
    ///
    /// # Errors
    /// See [`Followed::next`].
    pub async fn progress(&mut self) -> Result<Progress, ClientError> {
        loop {
            if let Update::Progress(progress) = self.next().await? {
                return Ok(*progress);
            }
        }
    }

    fn take(&mut self, heard: Result<Heard, RecvError>) {
        let is_news = match heard {
            Ok(Heard::Event(event)) => match &*event {
                Event::Node(NodeEvent::Transfer(transfer)) => {
                    if self.about.contains(&transfer.hire.untyped()) {
                        self.moved.push_back(transfer.clone());
                    }
                    false
                }
                Event::Node(NodeEvent::Missed { .. }) => true,
                Event::Market(notice) => notice.about().any(|id| self.about.contains(&id)),
                Event::Node(NodeEvent::Clock { .. }) | Event::Unknown(_) => false,
            },
            Ok(Heard::Lost) | Err(RecvError::Closed) => {
                self.lost = true;
                true
            }
            Err(RecvError::Lagged(_)) => true,
        };
        if is_news {
            self.ask_at = Instant::now();
        }
    }
}

/// How a posting, claim or hire stands.
#[derive(Debug)]
pub struct Progress {
    /// What the node shows of it.
    pub shown: Shown,
    /// The hires of a posting in the order of their awards; of a hire, itself.
    pub hires: Vec<(HireId, Shown)>,
}

impl Progress {
    /// Asks the node.
    ///
    /// # Errors
    /// See [`ClientError`].
    pub async fn of(client: &Client, id: &str) -> Result<Self, ClientError> {
        let shown: Shown = client.get(&format!("/v1/hires/{id}")).await?;
        let ids = match shown.row.hire {
            Some(hire) if hire.untyped() == shown.id => vec![hire],
            _ => shown.hires.clone(),
        };
        let mut hires = Vec::new();
        for hire in ids {
            let one = if shown.row.hire == Some(hire) {
                let over = shown.row.closed.is_some();
                Shown { id: hire.untyped(), over, unfilled: None, ..shown.clone() }
            } else {
                client.get(&format!("/v1/hires/{hire}")).await?
            };
            hires.push((hire, one));
        }
        Ok(Self { shown, hires })
    }

    fn ids(&self) -> BTreeSet<Bytes32> {
        let own = [self.shown.id, self.shown.row.offer.untyped()];
        own.into_iter().chain(self.hires.iter().map(|(hire, _)| hire.untyped())).collect()
    }
}

#[cfg(test)]
mod tests;
