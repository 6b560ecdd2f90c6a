//! The tasks and how far each is. In: what the requesters' nodes show, asked for when an event says that something has
//! happened, and every so often in case one was missed. A posting is over when it is accepted and rated by both sides,
//! or closed otherwise; a task whose posting ended otherwise is handed back, to be posted again.

use std::path::PathBuf;
use std::time::Duration;

use gigmesh_protocol::hire::selection::Why;
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::hire::{Closed, HireId};
use gigmesh_protocol::id::{AgentId, Id};
use gigmesh_protocol::market::{Offer, Outcome, Skill};
use gigmesh_protocol::peer::io::{ReputationView, Shown};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::processes::Processes;
use super::show::Show;
use super::{Hired, limits};
use crate::api::client::follow::{Followed, Follower, Progress};
use crate::api::client::{Client, ClientError};
use crate::api::types::{HireRequest, Posted};
use crate::cli::failure::{Exit, Failure};
use crate::cli::hires::state;
use crate::cli::terminal::Tone;

/// A requester, and the door to its node.
#[derive(Debug, Clone)]
pub(super) struct Desk {
    pub name: &'static str,
    pub agent: AgentId,
    /// Where its node keeps everything.
    pub data: PathBuf,
    pub client: Client,
}

/// A task as one of the desks posts it.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    pub name: &'static str,
    pub desk: usize,
    pub task: Task,
    /// Postings of it that came to nothing good.
    pub before: usize,
}

/// All postings, in their order.
#[derive(Debug)]
pub(super) struct Board {
    desks: Vec<Desk>,
    /// Of each desk's node.
    followers: Vec<Follower>,
    workers: Vec<Hired>,
    pub postings: Vec<Posting>,
}

/// One posting.
#[derive(Debug)]
pub(super) struct Posting {
    pub piece: Piece,
    offer: Id<Offer>,
    posted: Instant,
    /// How long it took from the posting until it was over, once it is.
    took: Option<Duration>,
    /// Who has it; the last one, if it was awarded again.
    pub worker: Option<AgentId>,
    pub worker_name: &'static str,
    pub hire: Option<HireId>,
    pub tone: Tone,
    pub state: String,
    /// Why this worker.
    pub why: Option<Why>,
    pub closed: Option<Closed>,
    /// Ratings held: the requester's of the worker, the worker's of the requester.
    pub rated: (bool, bool),
    /// Whether nothing more can come of it, as its node says.
    ended: bool,
    /// Everything the node shows of it.
    pub shown: Option<Shown>,
}

impl Posting {
    /// Just posted: nothing is known of it yet.
    pub fn new(piece: Piece, offer: Id<Offer>) -> Self {
        Self {
            piece,
            offer,
            posted: Instant::now(),
            took: None,
            worker: None,
            worker_name: "",
            hire: None,
            tone: Tone::Plain,
            state: String::new(),
            why: None,
            closed: None,
            rated: (false, false),
            ended: false,
            shown: None,
        }
    }

    pub fn name(&self) -> &'static str {
        self.piece.name
    }

    pub fn skill(&self) -> &Skill {
        &self.piece.task.skill
    }

    pub fn accepted(&self) -> bool {
        self.closed.is_some_and(|closed| closed.outcome == Outcome::Accepted)
    }

    /// Whether nothing more is awaited: it has ended, and those it concerns know what came of it, before anything
    /// else is posted.
    fn over(&self) -> bool {
        let known = match self.closed.map(|closed| closed.outcome) {
            Some(Outcome::Accepted) => self.rated == (true, true),
            Some(Outcome::Refused) => self.rated.0,
            _ => true,
        };
        self.ended && known
    }

    /// How long it took, or has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.took.unwrap_or_else(|| self.posted.elapsed())
    }
}

impl Board {
    /// Listens to the desks from now on, so that nothing is missed of what is posted later.
    pub async fn new(desks: &[Desk], workers: &[Hired]) -> Result<Self, Failure> {
        let mut followers = Vec::new();
        for desk in desks {
            followers.push(Follower::new(desk.client.clone()).await?);
        }
        Ok(Self { desks: desks.to_vec(), followers, workers: workers.to_vec(), postings: Vec::new() })
    }

    /// One more worker may be hired from now on.
    pub fn joined(&mut self, worker: Hired) {
        self.workers.push(worker);
    }

    /// Posts all of them at once, and watches until every one is over or the time is up. Returns what is to be posted
    /// again.
    pub async fn wave(
        &mut self,
        pieces: Vec<Piece>,
        processes: &mut Processes,
        show: &mut Show,
    ) -> Result<Vec<Piece>, Failure> {
        let first = self.postings.len();
        for piece in pieces {
            let request = HireRequest { task: piece.task.clone(), to: None, token: None };
            let Posted { offer, .. } = self.desks[piece.desk].client.post("/v1/hires", &request).await?;
            self.postings.push(Posting::new(piece, offer));
        }
        self.follow(first, processes, show).await?;
        let unfinished = self.postings[first..].iter().filter(|posting| posting.over() && !posting.accepted());
        let again = unfinished.map(|posting| Piece { before: posting.piece.before + 1, ..posting.piece.clone() });
        Ok(again.filter(|piece| piece.before < limits::POSTINGS).collect())
    }

    async fn follow(&mut self, first: usize, processes: &mut Processes, show: &mut Show) -> Result<(), Failure> {
        let deadline = Instant::now() + limits::WAVE_WAIT;
        let (tell, mut told) = mpsc::channel(limits::HEARD);
        // Dropped at the end, which stops them.
        let mut following = JoinSet::new();
        for (index, posting) in self.postings.iter().enumerate().skip(first) {
            let followed = self.followers[posting.piece.desk].follow(posting.offer, limits::TICK);
            following.spawn(pass_on(index, followed, tell.clone()));
        }
        let mut tick = Instant::now();
        loop {
            // A finished tick comes before the next news, so that a stream of them cannot hold up the clock.
            let news = if tick <= Instant::now() { None } else { timeout_at(tick, told.recv()).await.ok().flatten() };
            if let Some((index, progress)) = news {
                let stopped = |error| match error {
                    ClientError::Stopped => {
                        let desk = &self.desks[self.postings[index].piece.desk];
                        Failure::new(Exit::Ours, format!("{} stopped before its tasks were done", desk.name))
                    }
                    error => error.into(),
                };
                let progress = progress.map_err(stopped)?;
                if !self.postings[index].over() {
                    self.refresh(index, progress).await?;
                }
            } else {
                processes.check()?;
                tick = Instant::now() + limits::TICK;
            }
            show.postings(&self.postings[first..])?;
            if self.postings[first..].iter().all(Posting::over) || Instant::now() >= deadline {
                return Ok(());
            }
        }
    }

    async fn refresh(&mut self, index: usize, Progress { shown, hires }: Progress) -> Result<(), Failure> {
        let desk = &self.desks[self.postings[index].piece.desk];
        let (ended, last) = (shown.over, hires.last().map(|(hire, _)| *hire));
        let shown = hires.into_iter().last().map_or(shown, |(_, last)| last);
        let row = &shown.row;
        let worker = row.with;
        let name = |worker: AgentId| self.workers.iter().find(|hired| hired.agent == worker);
        let worker_name = worker.and_then(name).map_or("", |hired| hired.worker.name);
        let rated = match (last, worker, row.closed) {
            (Some(hire), Some(worker), Some(_)) => {
                (has_rated(desk, desk.agent, worker, hire).await?, has_rated(desk, worker, desk.agent, hire).await?)
            }
            _ => (false, false),
        };
        let (mut tone, mut state) = state(row);
        match (worker, shown.claims) {
            (None, 0) => tone = Tone::Quiet,
            (None, 1) => state = "1 claim".to_owned(),
            (None, claims) => state = format!("{claims} claims"),
            (Some(_), _) if rated == (true, true) => state.push_str(", rated by both"),
            _ => {}
        }
        let (closed, why) = (row.closed, shown.why.clone().filter(|_| worker.is_some()));
        let posting = &mut self.postings[index];
        (posting.hire, posting.worker, posting.worker_name) = (last, worker, worker_name);
        (posting.closed, posting.rated, posting.why) = (closed, rated, why);
        (posting.tone, posting.state, posting.shown, posting.ended) = (tone, state, Some(shown), ended);
        if posting.over() {
            posting.took = Some(posting.posted.elapsed());
        }
        Ok(())
    }
}

/// Passes on how a posting stands, until that cannot be known or nobody listens.
async fn pass_on(index: usize, mut followed: Followed, tell: mpsc::Sender<(usize, Result<Progress, ClientError>)>) {
    loop {
        let progress = followed.progress().await;
        let more = progress.is_ok();
        if tell.send((index, progress)).await.is_err() || !more {
            return;
        }
    }
}

/// Whether the requester holds the rating of `subject` by `rater` for this hire.
async fn has_rated(desk: &Desk, rater: AgentId, subject: AgentId, hire: HireId) -> Result<bool, Failure> {
    let view: ReputationView = desk.client.get(&format!("/v1/reputation/{subject}")).await?;
    Ok(view.ratings.iter().any(|rating| rating.hire == hire && rating.by == rater))
}
