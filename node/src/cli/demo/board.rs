//! The tasks and how far each is. In: what the requester's node shows, asked for when an event says that something has
//! happened, and every so often in case one was missed. A task is over when it is accepted and rated by both sides,
//! or closed otherwise.

use std::time::Duration;

use gigmesh_protocol::hire::selection::Why;
use gigmesh_protocol::hire::{Closed, HireId};
use gigmesh_protocol::id::{AgentId, Id};
use gigmesh_protocol::market::{Offer, Outcome, Skill};
use serde_json::Value;
use tokio::time::{Instant, timeout_at};

use super::processes::Processes;
use super::show::Show;
use super::{Hired, limits};
use crate::api::client::{Client, Events};
use crate::cli::failure::{Exit, Failure};
use crate::cli::hires::{Row, state};
use crate::cli::terminal::{Tone, field};

/// All tasks, in their order.
#[derive(Debug)]
pub(super) struct Board {
    client: Client,
    me: AgentId,
    workers: Vec<Hired>,
    pub tasks: Vec<Posting>,
}

/// One task.
#[derive(Debug)]
pub(super) struct Posting {
    pub name: &'static str,
    pub skill: Skill,
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
    pub reason: Option<String>,
    pub closed: Option<Closed>,
    /// Ratings held: the requester's of the worker, the worker's of the requester.
    pub rated: (bool, bool),
    /// Everything the node shows of it.
    pub shown: Value,
}

impl Posting {
    /// Just posted: nothing is known of it yet.
    pub fn new(name: &'static str, skill: Skill, offer: Id<Offer>) -> Self {
        Self {
            name,
            skill,
            offer,
            posted: Instant::now(),
            took: None,
            worker: None,
            worker_name: "",
            hire: None,
            tone: Tone::Plain,
            state: String::new(),
            reason: None,
            closed: None,
            rated: (false, false),
            shown: Value::Null,
        }
    }

    pub fn accepted(&self) -> bool {
        self.closed.is_some_and(|closed| closed.outcome == Outcome::Accepted)
    }

    /// Whether nothing more is awaited. What has lapsed may still be taken by somebody else.
    fn over(&self) -> bool {
        match self.closed.map(|closed| closed.outcome) {
            None | Some(Outcome::Lapsed) => false,
            Some(Outcome::Accepted) => self.rated == (true, true),
            Some(_) => true,
        }
    }

    /// How long it took, or has taken so far.
    pub fn elapsed(&self) -> Duration {
        self.took.unwrap_or_else(|| self.posted.elapsed())
    }
}

impl Board {
    pub fn new(client: Client, me: AgentId, workers: &[Hired]) -> Self {
        Self { client, me, workers: workers.to_vec(), tasks: Vec::new() }
    }

    /// A task that has just been posted.
    pub fn add(&mut self, name: &'static str, skill: Skill, offer: Id<Offer>) {
        self.tasks.push(Posting::new(name, skill, offer));
    }

    /// Watches until every task is over, or the time is up.
    pub async fn follow(
        &mut self,
        mut events: Events,
        processes: &mut Processes,
        show: &mut Show,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + limits::TASKS_WAIT;
        let mut tick = Instant::now();
        loop {
            // A finished tick comes before the next event, so that a stream of them cannot hold up the clock.
            let heard = if tick <= Instant::now() { None } else { timeout_at(tick, events.next()).await.ok() };
            let mut about = None;
            if let Some(event) = heard {
                let stopped = || Failure::new(Exit::Ours, "the requester stopped before its tasks were done");
                let event = event?.ok_or_else(stopped)?;
                show.event(&event)?;
                about = Some(event);
            } else {
                processes.check()?;
                tick = Instant::now() + limits::TICK;
            }
            for index in 0..self.tasks.len() {
                let task = &self.tasks[index];
                if !task.over() && about.as_ref().is_none_or(|event| concerns(event, task)) {
                    self.refresh(index).await?;
                }
            }
            show.tasks(&self.tasks)?;
            if self.tasks.iter().all(Posting::over) || Instant::now() >= deadline {
                return Ok(());
            }
        }
    }

    async fn refresh(&mut self, index: usize) -> Result<(), Failure> {
        let mut shown: Value = self.client.get(&format!("/v1/hires/{}", self.tasks[index].offer)).await?;
        let hires: Vec<HireId> = field(&shown, "hires")?;
        let mut row = Row::read(&field(&shown, "row")?)?;
        if let (Some(last), true) = (hires.last(), hires.len() > 1) {
            shown = self.client.get(&format!("/v1/hires/{last}")).await?;
            row = Row::read(&field(&shown, "row")?)?;
        }
        let worker = row.with;
        let name = |worker: AgentId| self.workers.iter().find(|hired| hired.agent == worker);
        let worker_name = worker.and_then(name).map_or("", |hired| hired.worker.name);
        let rated = match (hires.last(), worker, row.closed) {
            (Some(hire), Some(worker), Some(_)) => {
                (self.has_rated(self.me, worker, *hire).await?, self.has_rated(worker, self.me, *hire).await?)
            }
            _ => (false, false),
        };
        let (mut tone, mut state) = state(row.closed, &row.stage);
        match (worker, field::<usize>(&shown, "claims")?) {
            (None, 0) => tone = Tone::Quiet,
            (None, 1) => state = "1 claim".to_owned(),
            (None, claims) => state = format!("{claims} claims"),
            (Some(_), _) if rated == (true, true) => state.push_str(", rated by both"),
            _ => {}
        }
        let reason = field::<Option<Why>>(&shown, "why")?.map(|why| why.reason);
        let task = &mut self.tasks[index];
        (task.hire, task.worker, task.worker_name) = (hires.last().copied(), worker, worker_name);
        (task.closed, task.rated, task.reason) = (row.closed, rated, reason);
        (task.tone, task.state, task.shown) = (tone, state, shown);
        if task.over() {
            task.took = Some(task.posted.elapsed());
        }
        Ok(())
    }

    /// Whether the requester holds the rating of `subject` by `rater` for this hire.
    async fn has_rated(&self, rater: AgentId, subject: AgentId, hire: HireId) -> Result<bool, Failure> {
        let view: Value = self.client.get(&format!("/v1/reputation/{subject}")).await?;
        for rating in field::<Vec<Value>>(&view, "ratings")? {
            if field::<HireId>(&rating, "hire")? == hire && field::<AgentId>(&rating, "by")? == rater {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

/// Whether an event is about this task.
fn concerns(event: &Value, task: &Posting) -> bool {
    let offer = task.offer.to_string();
    let hire = task.hire.map(|hire| hire.to_string());
    let named = |value: &Value| value.as_str().is_some_and(|text| text == offer || Some(text) == hire.as_deref());
    event.as_object().is_some_and(|event| event.values().any(named))
}
