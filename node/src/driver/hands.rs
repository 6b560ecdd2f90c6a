//! Carries out what the brain wants, on the brain's thread and in its order. What takes time becomes a task that reports
//! back through the queue; nothing here waits.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use gigmesh_bootstrap::wall_clock;
use gigmesh_net::{CommandError, Net, Severity};
use gigmesh_protocol::codec::List;
use gigmesh_protocol::gossip::Verdict;
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::limits::PARCEL_ITEMS;
use gigmesh_protocol::market::{BlobRef, Question, Rating};
use gigmesh_protocol::peer::effects::{self, Effects};
use gigmesh_protocol::peer::io::{
    Answer, Caller, CaseJob, CheckJob, Input, Notice, Output, Refused, Token, Wanted, WorkJob,
};
use gigmesh_protocol::record::Record;
use gigmesh_protocol::time::Timestamp;
use gigmesh_protocol::wire::{Item, Reply, Request, Response};
use tokio::sync::{broadcast, mpsc, oneshot};

use super::brain::{StoreError, World};
use super::{Body, CallError, Waiting, blocking, catch_up, fetch, work};
use crate::limits::{NETWORK_PAUSE, NETWORK_TRIES, SWEEP_AGE, TALK, WAITING};
use crate::work::dialogue::Told;

/// See the module.
pub(crate) struct Hands {
    body: Arc<Body>,
    notices: broadcast::Sender<Notice>,
    /// Who waits, by number; the lowest has waited longest.
    waiting: BTreeMap<u64, Waiting>,
    next: u64,
    /// Agents at work, and the way to answer them: dropping it stops one. Ended ones leave when the next begins.
    agents: BTreeMap<HireId, mpsc::Sender<Told>>,
    /// Fetches under way: dropping one stops it. Ended ones leave when the next begins.
    fetches: BTreeMap<HireId, oneshot::Sender<Infallible>>,
}

impl Hands {
    pub fn new(body: Arc<Body>, notices: broadcast::Sender<Notice>) -> Self {
        Self { body, notices, waiting: BTreeMap::new(), next: 0, agents: BTreeMap::new(), fetches: BTreeMap::new() }
    }

    /// Puts a command to the network, again for a while if that is overloaded.
    fn insist(&self, what: &'static str, command: impl Fn(&Net) -> Result<(), CommandError> + Send + 'static) {
        match command(&self.body.net) {
            Ok(()) | Err(CommandError::Stopped) => {}
            Err(CommandError::Busy) => {
                let body = Arc::clone(&self.body);
                let Ok(permit) = Arc::clone(&body.rations.sends).try_acquire_owned() else {
                    return tracing::warn!(what, "the network is overloaded; given up");
                };
                self.body.spawn(async move {
                    let _permit = permit;
                    for _ in 0..NETWORK_TRIES {
                        tokio::time::sleep(NETWORK_PAUSE).await;
                        if command(&body.net) != Err(CommandError::Busy) {
                            return;
                        }
                    }
                    tracing::warn!(what, "the network stays overloaded; given up");
                });
            }
            Err(error) => tracing::error!(what, %error, "the network does not take it"),
        }
    }
}

impl Effects for Hands {
    // The driver keeps events and ratings in its stores before anything else is carried out.
    fn persist(&mut self, _: Vec<u8>) {}
    fn keep_rating(&mut self, _: Record) {}
    fn drop_rating(&mut self, _: AgentId, _: Id<Rating>) {}

    fn send(&mut self, to: AgentId, hints: Vec<String>, records: Vec<Record>) {
        let records = &records[..records.len().min(PARCEL_ITEMS)];
        let ids: Vec<Bytes32> = records.iter().map(Record::id).collect();
        let body = Arc::clone(&self.body);
        let Ok(permit) = Arc::clone(&body.rations.sends).try_acquire_owned() else {
            self.body.spawn(async move { body.queue.deliver(Input::Sent { to, ids, replies: None }).await });
            return;
        };
        let bytes = Request::Parcel(List::fit(records.iter().map(Item::of))).encode();
        let net = body.net.clone();
        let mut asked = Box::pin(async move { net.request(to, hints, bytes).await });
        // The first poll hands the request to the network from this very thread; the task only awaits the answer.
        let first = asked.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.body.spawn(async move {
            let answer = match first {
                Poll::Ready(answer) => answer,
                Poll::Pending => asked.await,
            };
            drop(permit);
            let replies = match answer {
                Ok(bytes) => replies(&bytes, ids.len()),
                Err(error) => {
                    tracing::debug!(%to, %error, "a parcel was not brought");
                    None
                }
            };
            body.queue.deliver(Input::Sent { to, ids, replies }).await;
        });
    }

    fn respond(&mut self, token: Token, replies: Vec<Reply>) {
        if let Some(Waiting::Parcel(token, _share)) = self.waiting.remove(&token) {
            // An error means that the asker has gone.
            let _ = self.body.net.respond(token, Response::Replies(List::fit(replies)).encode());
        }
    }

    fn publish(&mut self, room: String, record: Record) {
        self.insist("publish", move |net| net.publish(&room, record.envelope().to_vec()));
    }

    fn verdict(&mut self, token: Token, verdict: Verdict) {
        if let Some(Waiting::Gossip(token)) = self.waiting.remove(&token) {
            // Not taken means not passed on, which is all that an overloaded network can do.
            let _ = self.body.net.verdict(token, verdict);
        }
    }

    fn announce(&mut self, contact: Record) {
        self.insist("announce", move |net| net.announce(contact.envelope().to_vec()));
    }

    fn follow(&mut self, room: String) {
        self.insist("follow", move |net| net.follow(&room));
    }

    fn ask_page(&mut self, to: AgentId, room: String, after: Option<Bytes32>) {
        self.body.spawn(catch_up::ask(Arc::clone(&self.body), to, room, after));
    }

    fn ask_ratings(&mut self, to: AgentId, hints: Vec<String>, wanted: Wanted) {
        self.body.spawn(catch_up::ask_ratings(Arc::clone(&self.body), to, hints, wanted));
    }

    fn fetch(&mut self, hire: HireId, from: AgentId, hints: Vec<String>, blobs: Vec<BlobRef>) {
        self.fetches.retain(|_, fetch| !fetch.is_closed());
        let (until, wanted) = oneshot::channel();
        self.fetches.insert(hire, until);
        let source = fetch::Source { from, hints };
        self.body.spawn(fetch::fetch(Arc::clone(&self.body), hire, source, blobs, wanted));
    }

    fn work(&mut self, job: WorkJob) {
        self.agents.retain(|_, agent| !agent.is_closed());
        let (agent, told) = mpsc::channel(TALK);
        // Drops the sender of a run before this one: of that nothing is wanted any more.
        self.agents.insert(job.hire, agent);
        self.body.spawn(work::run(Arc::clone(&self.body), job, told));
    }

    fn tell(&mut self, hire: HireId, question: Id<Question>, text: String, due: Timestamp) {
        let left = Duration::from_millis(due.since(wall_clock()).0);
        let agent = self.agents.get(&hire);
        let told = agent.is_some_and(|agent| agent.try_send(Told { question, text, due, left }).is_ok());
        tracing::info!(%hire, told, "the requester has answered");
    }

    fn stop_work(&mut self, hire: HireId) {
        drop((self.agents.remove(&hire), self.fetches.remove(&hire)));
    }

    fn check(&mut self, job: CheckJob) {
        self.body.spawn(work::check(Arc::clone(&self.body), job));
    }

    fn case(&mut self, job: CaseJob) {
        self.body.spawn(work::case(Arc::clone(&self.body), job));
    }

    fn answer(&mut self, caller: Caller, answer: Result<Answer, Refused>) {
        if let Some(Waiting::Caller(caller)) = self.waiting.remove(&caller) {
            // An error means that the caller has gone.
            let _ = caller.send(answer.map_err(CallError::Refused));
        }
    }

    fn notice(&mut self, notice: Notice) {
        // An error means that nobody listens.
        let _ = self.notices.send(notice);
    }

    fn blame(&mut self, agent: AgentId, what: String) {
        tracing::warn!(who = %agent, ?what, "a peer misbehaved");
        let _ = self.body.net.penalize(agent, Severity::Mid);
    }
}

impl World for Hands {
    fn wait(&mut self, who: Waiting) -> u64 {
        self.next += 1;
        self.waiting.insert(self.next, who);
        if self.waiting.len() > WAITING {
            self.waiting.pop_first();
        }
        self.next
    }

    fn carry_out(&mut self, output: Output) {
        effects::run(output, self);
    }

    fn sweep(&mut self, live: BTreeSet<Bytes32>) {
        let body = Arc::clone(&self.body);
        self.body.spawn(async move {
            match blocking(move || body.blobs.gc(&|root| live.contains(root), SWEEP_AGE)).await {
                Some(Ok(freed)) if freed > 0 => tracing::info!(freed, "removed blobs of hires that are over"),
                Some(Err(error)) => tracing::warn!(%error, "blobs of hires that are over cannot be removed"),
                _ => {}
            }
        });
    }

    fn room(&self) -> Option<u64> {
        // A disk that does not say will say so when something is fetched.
        self.body.blobs.input_room().ok()
    }

    fn fail(&mut self, error: &StoreError) {
        for waiting in std::mem::take(&mut self.waiting).into_values() {
            if let Waiting::Caller(caller) = waiting {
                let _ = caller.send(Err(CallError::Storage(error.to_string())));
            }
            // The others are told by the drop of their tokens that there will be no answer.
        }
    }
}

/// The replies, if there is one for each record sent.
fn replies(bytes: &[u8], sent: usize) -> Option<Vec<Reply>> {
    match Response::decode(bytes) {
        Ok(Response::Replies(replies)) if replies.len() == sent => Some(replies.into_iter().collect()),
        _ => None,
    }
}
