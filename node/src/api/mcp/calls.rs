//! What each tool does: its arguments, the requests to the node that they become, and its answer as a document whose every
//! word is ours, or marked as another agent's.

use futures::future::select_all;
use gigmesh_protocol::hire::Side;
use gigmesh_protocol::peer::io::{AgentRow, HireRow, InboxRow, OrderToken, WaitsFor};
use gigmesh_protocol::reputation::Changed;
use gigmesh_protocol::reputation::explain::Explained;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Duration, Instant, timeout, timeout_at};

use super::documents::{
    agent, checks, closed, edition, hired, on_its_way, posting_end, rating, reasons, said, scores, slice, waiting,
    why_chosen,
};
use super::server::{Done, Door, Home, Trouble};
use crate::api::client::follow::{Followed, Follower, Progress};
use crate::api::error::TASK_INVALID;
use crate::api::types::{
    self, FindParams, HireRequest, Identity, JudgeRequest, Judged, Posted, RateRequest, ReplyRequest, Reputation,
    ReputationParams, Rows, StopRequest, id_prefix,
};
use crate::limits::{MCP_FOUND, MCP_IDS, MCP_RATINGS, MCP_ROWS, MCP_START, MCP_TOLD, MCP_WAIT, QUOTE, WATCH_PAUSE};
use crate::node::Transfer;
use crate::task::inline::{self, JsonError};
use crate::words;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FindAgents {
    skill: Option<String>,
    r#where: Option<String>,
    max: Option<String>,
    limit: Option<usize>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AgentDetails {
    agent: String,
    skill: Option<String>,
    #[serde(default)]
    explain: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wait {
    ids: Vec<String>,
    timeout_s: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Show {
    id: Option<String>,
    #[serde(default)]
    offset: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judge {
    id: String,
    ruling: Judged,
    #[serde(default)]
    note: String,
    within: Option<String>,
}

/// Scores from 0 to 1.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rate {
    id: String,
    accuracy: Option<f64>,
    quality: Option<f64>,
    speed: Option<f64>,
    communication: Option<f64>,
}

/// An answer to the worker's question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Reply {
    id: String,
    text: String,
    later: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Inbox {}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Stop {
    id: String,
    reason: Option<String>,
}

/// Where an offer or hire stands.
struct Standing {
    /// For the client.
    document: Value,
    /// What of it makes a wait end when it changes.
    mark: Value,
    over: bool,
    /// What it waits for, if it is something of a person's or of the model's.
    needs: Option<Needs>,
}

/// What an offer or hire waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Needs {
    /// The `judge` tool.
    Judge,
    /// The `rate` tool.
    Rate,
    /// The `reply` tool.
    Reply,
    /// A person's word on what binds or costs: there is no tool for it.
    Approval,
}

impl From<WaitsFor> for Needs {
    fn from(waits_for: WaitsFor) -> Self {
        match waits_for {
            WaitsFor::Judgement => Self::Judge,
            WaitsFor::Rating => Self::Rate,
            WaitsFor::Answer => Self::Reply,
            WaitsFor::Approval | WaitsFor::Begin | WaitsFor::Contest => Self::Approval,
        }
    }
}

impl Needs {
    pub(super) fn of(row: &HireRow) -> Option<Self> {
        row.waits_for.map(Self::from)
    }

    /// What to do about it.
    pub(super) fn next(self, id: &str) -> String {
        match self {
            Self::Judge => format!("show {id}, then judge it"),
            Self::Rate => format!("rate {id}, or let it be: after five minutes the derived rating stands"),
            Self::Reply => format!("show {id}, then reply to the worker's question"),
            Self::Approval => format!(
                "it needs a person's word: ask the operator to look at `gigmesh inbox` and decide with \
                 `gigmesh approve {id}` or `gigmesh refuse {id}`. Then wait"
            ),
        }
    }
}

impl Door {
    pub(super) async fn call(&self, tool: &str, arguments: Value) -> Result<Done, Trouble> {
        self.ready().await?;
        match tool {
            "find_agents" => self.find_agents(read(arguments)?).await,
            "agent_details" => self.agent_details(read(arguments)?).await,
            "hire" => self.hire(arguments).await,
            "wait" => self.wait(read(arguments)?).await,
            "show" => self.show(read(arguments)?).await,
            "judge" => self.judge(read(arguments)?).await,
            "rate" => self.rate(read(arguments)?).await,
            "reply" => self.reply(read(arguments)?).await,
            "inbox" => {
                let Inbox {} = read(arguments)?;
                self.inbox().await
            }
            "stop" => self.stop(read(arguments)?).await,
            other => Err(Trouble::new(
                format!("{other} is listed and not there"),
                "tell the operator: it is a fault of gigmesh",
            )),
        }
    }

    /// Waits a little for a node that is being started.
    async fn ready(&self) -> Result<(), Trouble> {
        let mut home = self.home.clone();
        let later = "nothing was done. Call again in some seconds; if it stays so, tell the operator";
        let home = timeout(MCP_START, home.wait_for(|home| *home != Home::Starting)).await;
        match home {
            Ok(Ok(home)) => match &*home {
                Home::Failed(why) => Err(Trouble::new(format!("the node does not start: {why}"), later)),
                Home::Foreign | Home::Here | Home::Starting => Ok(()),
            },
            // Whoever starts it has ended: so will this process.
            Ok(Err(_)) => Ok(()),
            Err(_) => Err(Trouble::new("the node is still being started", later)),
        }
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.client().get(path).await.map_err(|error| self.trouble(error))
    }

    async fn find_agents(&self, find: FindAgents) -> Result<Done, Trouble> {
        let FindAgents { skill, r#where, max, limit } = find;
        let limit = within("/limit", limit.unwrap_or(10), 1, MCP_FOUND)?;
        let params = FindParams { skill, r#where, max, limit: Some(limit) };
        let Rows { rows, .. }: Rows<AgentRow> =
            self.client().get_with("/v1/agents", &params).await.map_err(|error| self.trouble(error))?;
        let next = match rows.len() {
            0 => {
                "nobody is known who fits. Ask with a shorter skill or without `where` and `max`; a node that has just \
                  started hears of agents within some seconds"
            }
            _ => "agent_details for more about one, or hire",
        };
        let text = format!("{} found; {next}", count(rows.len(), "agent"));
        let agents: Vec<Value> = rows.iter().map(agent).collect();
        Ok(Done { text, document: json!({ "agents": agents, "next": next }) })
    }

    async fn agent_details(&self, asked: AgentDetails) -> Result<Done, Trouble> {
        let id = prefix("/agent", &asked.agent)?;
        let params = ReputationParams { skill: asked.skill, explain: asked.explain.then(|| "overall".to_owned()) };
        let path = format!("/v1/reputation/{id}");
        let seen: Reputation = self.client().get_with(&path, &params).await.map_err(|error| self.trouble(error))?;
        let Reputation { view, seeds, explained } = seen;
        let from = &view.agent;
        let Rows { rows, .. }: Rows<AgentRow> = self.get("/v1/agents").await?;
        let offers: Vec<Value> = rows.iter().filter(|row| row.agent == view.agent).map(agent).collect();
        let next = if offers.is_empty() {
            "it offers nothing here now: find_agents with the skill you want shows who does"
        } else {
            "hire, with `to` for this agent alone, or without it for the market"
        };
        let text = format!("agent {}: {}; {next}", view.agent, count(offers.len(), "offered skill"));
        let name = view.name.map(|name| name.marked(Some(from), QUOTE));
        let ratings: Vec<Value> = view.ratings.iter().take(MCP_RATINGS).map(|row| rating(from, row)).collect();
        let mut document = json!({
            "agent": view.agent, "name": name, "offers": offers, "now": edition(from, &view.edition),
            "reputation": scores(&view.overall), "no_view": view.no_view, "by_skill": scores(&view.skills),
            "pinned_seeds": seeds, "ratings": ratings, "ratings_held": view.ratings.len(), "next": next,
        });
        if let Some(Changed { ratings, earlier, before, since, .. }) = &view.changed {
            let before: Vec<Value> = before.iter().map(|before| edition(from, before)).collect();
            document["changed"] =
                json!({ "ratings": ratings, "judged_earlier": earlier, "before": before, "since": scores(since) });
        }
        if let Some(types::Explanations { mine, pinned }) = explained {
            let reasons = |explained: Option<Explained>| explained.as_ref().map(reasons);
            document["explained"] = json!({ "mine": reasons(mine), "pinned": reasons(pinned) });
        }
        Ok(Done { text, document })
    }

    async fn hire(&self, mut task: Value) -> Result<Done, Trouble> {
        let to = task.as_object_mut().and_then(|task| task.remove("to"));
        let to = match to {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => Some(prefix("/to", &text)?),
            Some(_) => return Err(wrong("/to", "an agent's id is a text")),
        };
        let token = task.as_object_mut().and_then(|task| task.remove("token"));
        let token = match token {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) => {
                Some(OrderToken::try_from(text).map_err(|error| wrong("/token", format!("the token is {error}")))?)
            }
            Some(_) => return Err(wrong("/token", "a token is a text")),
        };
        let invalid = |error: JsonError| {
            let (code, at) = (Some(TASK_INVALID.to_owned()), Some(error.at().to_owned()));
            Trouble { code, at, ..asked_wrongly(error) }
        };
        let task = inline::read(task, &self.allowed).map_err(invalid)?;
        let task = self.client().put_inputs(task).await.map_err(|error| self.trouble(error))?;
        let (skill, done) = (task.skill.to_string(), task.done);
        let posted = self.client().post("/v1/hires", &HireRequest { task, to, token }).await;
        let Posted { offer, before } = posted.map_err(|error| self.trouble(error))?;
        let next = format!("wait with ids [\"{offer}\"]; do not hire again for this");
        let how = if before { "it was posted before, under this token:" } else { "posted as" };
        let text = format!("{how} offer {offer}. Next: {next}");
        Ok(Done {
            text,
            document: json!({ "offer": offer, "before": before, "skill": skill, "done_within": done.to_string(), "next": next }),
        })
    }

    async fn wait(&self, wait: Wait) -> Result<Done, Trouble> {
        let ids: Vec<String> = wait.ids.iter().map(|id| prefix("/ids", id)).collect::<Result<_, _>>()?;
        within("/ids", ids.len(), 1, MCP_IDS)?;
        let longest = MCP_WAIT.as_secs();
        let length = wait.timeout_s.unwrap_or(30);
        if length > longest {
            return Err(wrong("/timeout_s", format!("at most {longest}: call again for longer")));
        }
        let until = Instant::now() + Duration::from_secs(length);
        let follower = Follower::new(self.client()).await.map_err(|error| self.trouble(error))?;
        let mut followed: Vec<Followed> = ids.iter().map(|id| follower.follow(id, WATCH_PAUSE)).collect();
        let mut standings = Vec::new();
        for one in &mut followed {
            let progress = one.progress().await.map_err(|error| self.trouble(error))?;
            standings.push(self.standing(&progress).await?);
        }
        loop {
            let changed = self.changed(&ids, &standings);
            let settled = standings.iter().all(|standing| standing.over || standing.needs.is_some());
            if !changed.is_empty() || settled || Instant::now() >= until {
                return Ok(self.waited(&ids, standings, changed));
            }
            let any = select_all(followed.iter_mut().map(|one| Box::pin(one.progress())));
            if let Ok((progress, at, _)) = timeout_at(until, any).await {
                standings[at] = self.standing(&progress.map_err(|error| self.trouble(error))?).await?;
            }
        }
    }

    /// The ids that stand elsewhere than the client was told last; of one that it was told nothing of, whether it has to
    /// know at once. The others stand from now on where they are.
    fn changed(&self, ids: &[String], standings: &[Standing]) -> Vec<String> {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut changed = Vec::new();
        for (id, standing) in ids.iter().zip(standings) {
            let differs = match told.get(id) {
                Some(mark) => *mark != standing.mark,
                None => standing.over || standing.needs.is_some(),
            };
            if differs {
                changed.push(id.clone());
            }
            told.insert(id.clone(), standing.mark.clone());
        }
        while told.len() > MCP_TOLD {
            told.pop_first();
        }
        changed
    }

    fn waited(&self, ids: &[String], standings: Vec<Standing>, changed: Vec<String>) -> Done {
        let over: Vec<&String> =
            ids.iter().zip(&standings).filter(|(_, standing)| standing.over).map(|(id, _)| id).collect();
        let needs = ids.iter().zip(&standings).find_map(|(id, standing)| Some(standing.needs?.next(id)));
        let next = match (needs, over.first(), over.len() < ids.len()) {
            (Some(next), ..) => next,
            (None, Some(id), false) => format!("all is over: show {id} tells how, and has the result if there is one"),
            (None, Some(id), true) => format!("{id} is over: show has its result; wait again for the others"),
            (None, None, _) => "wait again".to_owned(),
        };
        let text = format!("{} changed, {} over of {}. Next: {next}", changed.len(), over.len(), ids.len());
        let standings: Vec<Value> = ids
            .iter()
            .zip(standings)
            .map(|(id, standing)| {
                let mut document = standing.document;
                document["id"] = json!(id);
                document
            })
            .collect();
        Done { text, document: json!({ "changed": changed, "standings": standings, "next": next }) }
    }

    async fn standing(&self, progress: &Progress) -> Result<Standing, Trouble> {
        let Progress { shown, hires: all } = progress;
        let (mut hires, mut mark) = (Vec::new(), Vec::new());
        let mut needs = Needs::of(&shown.row).filter(|_| all.is_empty());
        for (hire, one) in all {
            needs = needs.or(Needs::of(&one.row));
            mark.push(json!([hire, one.row.stage, one.row.closed]));
            hires.push(hired(one));
        }
        let over = shown.over;
        let mut document = json!({
            "offer": shown.row.offer, "skill": shown.row.skill, "over": over, "needs_you": needs,
            "hires": hires,
        });
        let Rows { rows, .. }: Rows<Transfer> = self.get("/v1/transfers").await?;
        let of_these = rows.iter().filter(|transfer| all.iter().any(|(hire, _)| *hire == transfer.hire));
        let moving: Vec<Value> = of_these.map(on_its_way).collect();
        if !moving.is_empty() {
            document["on_its_way"] = json!(moving);
        }
        if all.is_empty() {
            document["stage"] = json!(shown.row.stage);
            document["claims"] = json!(shown.claims);
            document["until"] = json!(shown.deadline.map(|at| at.to_string()));
        }
        if let Some(reason) = &shown.unfilled {
            document["unfilled"] = posting_end(reason, shown.row.with.as_ref());
        }
        Ok(Standing { document, mark: json!([mark, over, needs]), over, needs })
    }

    async fn show(&self, show: Show) -> Result<Done, Trouble> {
        let Some(id) = show.id else { return self.list().await };
        let id = prefix("/id", &id)?;
        let progress = Progress::of(&self.client(), &id).await.map_err(|error| self.trouble(error))?;
        let Standing { mut document, over, needs, .. } = self.standing(&progress).await?;
        let shown = progress.shown;
        let me = self.get::<Identity>("/v1/id").await?.agent;
        let (mine, with) = (Some(&me), shown.row.with.as_ref());
        let (requester, worker) = match shown.row.side {
            Side::Requester => (mine, with),
            Side::Worker => (with, mine),
        };
        document["side"] = json!(shown.row.side);
        document["since"] = json!(shown.row.at.to_string());
        document["why_chosen"] = json!(shown.why.as_ref().map(why_chosen));
        document["said"] = said(&shown.records, me);
        if shown.row.hire.is_some() {
            document["checks"] = checks(&shown.checks, requester, worker);
        }
        let mut next = match (needs, over) {
            (Some(Needs::Judge), _) => "judge this delivery: accept, changes or refuse".to_owned(),
            (Some(needs), _) => needs.next(&id),
            (None, true) => "nothing more will come of it".to_owned(),
            (None, false) => "wait with this id".to_owned(),
        };
        match shown.result {
            Some(result) if shown.held => {
                let bytes = self.client().blob(result.root).await.map_err(|error| self.trouble(error))?;
                document["result"] = slice(worker, &bytes, show.offset);
                if let Some(offset) = document["result"]["next_offset"].as_u64() {
                    next = format!("{next}; show with offset {offset} has the rest of the result");
                }
            }
            Some(result) => document["result"] = json!({ "size": result.size, "here": false }),
            None => {}
        }
        if shown.hires.len() > 1 && shown.row.hire.is_none() {
            next = format!("{next}; show each of its hires for its result");
        }
        document["next"] = json!(next);
        let state = shown.row.closed.map_or_else(|| words::stage(shown.row.stage), |closed| closed.outcome.to_string());
        let text = format!("{id}: {state}. Next: {next}");
        Ok(Done { text, document })
    }

    async fn list(&self) -> Result<Done, Trouble> {
        let page: Rows<HireRow> = self.get("/v1/hires").await?;
        let more = page.next.is_some() || page.rows.len() > MCP_ROWS;
        let rows: Vec<Value> = page
            .rows
            .iter()
            .take(MCP_ROWS)
            .map(|row| {
                json!({
                    "id": row.hire.map_or(row.offer.untyped(), |hire| hire.untyped()), "side": row.side, "skill": row.skill,
                    "with": row.with, "stage": row.stage, "closed": closed(row.closed),
                    "price": row.price.as_ref().map(ToString::to_string), "since": row.at.to_string(),
                })
            })
            .collect();
        let text = format!("{} of offers and hires, newest first", count(rows.len(), "row"));
        Ok(Done { text, document: json!({ "rows": rows, "more": more, "next": "show with one of these ids" }) })
    }

    async fn judge(&self, judge: Judge) -> Result<Done, Trouble> {
        let Judge { id, ruling, note, within } = judge;
        let id = prefix("/id", &id)?;
        let within = within.or_else(|| (ruling == Judged::Changes).then(|| "10m".to_owned()));
        let request = JudgeRequest { ruling, note, within };
        self.done(&format!("/v1/hires/{id}/judge"), &request).await?;
        let next = format!("wait with ids [\"{id}\"]: the close follows, or with changes the next delivery");
        Ok(Done {
            text: format!("judged; the worker is told. Next: {next}"),
            document: json!({ "judged": true, "next": next }),
        })
    }

    async fn rate(&self, rate: Rate) -> Result<Done, Trouble> {
        let Rate { id, accuracy, quality, speed, communication } = rate;
        let id = prefix("/id", &id)?;
        if [accuracy, quality, speed, communication].iter().all(Option::is_none) {
            return Err(wrong("", "say at least one of accuracy, quality, speed and communication, from 0 to 1"));
        }
        let request = RateRequest { accuracy, quality, speed, communication };
        self.done(&format!("/v1/hires/{id}/rate"), &request).await?;
        let next = format!("wait with ids [\"{id}\"] until it is over");
        let text = format!("your rating takes the place of the derived one. Next: {next}");
        Ok(Done { text, document: json!({ "rated": true, "next": next }) })
    }

    async fn reply(&self, reply: Reply) -> Result<Done, Trouble> {
        let Reply { id, text, later } = reply;
        let id = prefix("/id", &id)?;
        self.done(&format!("/v1/hires/{id}/reply"), &ReplyRequest { text, later }).await?;
        let next = format!("wait with ids [\"{id}\"]: the worker goes on");
        Ok(Done {
            text: format!("answered; the worker is told. Next: {next}"),
            document: json!({ "answered": true, "next": next }),
        })
    }

    async fn inbox(&self) -> Result<Done, Trouble> {
        let Rows { rows, .. }: Rows<InboxRow> = self.get("/v1/inbox").await?;
        let next = if rows.is_empty() { "nothing waits for you" } else { "each says in `next` what to do" };
        let text = format!("{} waiting. Next: {next}", count(rows.len(), "matter"));
        let rows: Vec<Value> = rows.iter().take(MCP_ROWS).map(waiting).collect();
        Ok(Done { text, document: json!({ "waiting": rows, "next": next }) })
    }

    async fn stop(&self, stop: Stop) -> Result<Done, Trouble> {
        let id = prefix("/id", &stop.id)?;
        let reason = stop.reason.unwrap_or_else(|| "no longer wanted".to_owned());
        self.done(&format!("/v1/hires/{id}/stop"), &StopRequest { reason }).await?;
        let next = format!("show {id} tells how it ended");
        Ok(Done {
            text: format!("stopped; the other side is told. Next: {next}"),
            document: json!({ "stopped": true, "next": next }),
        })
    }

    async fn done(&self, path: &str, request: &impl Serialize) -> Result<(), Trouble> {
        let types::Done { .. } = self.client().post(path, request).await.map_err(|error| self.trouble(error))?;
        Ok(())
    }
}

/// The arguments of a call.
fn read<T: DeserializeOwned>(arguments: Value) -> Result<T, Trouble> {
    inline::parse(arguments).map_err(asked_wrongly)
}

fn asked_wrongly(error: JsonError) -> Trouble {
    Trouble::new(error, "nothing was done. Put the argument right that the error names, and call again")
}

fn wrong(at: &str, message: impl std::fmt::Display) -> Trouble {
    let between = if at.is_empty() { "" } else { ": " };
    Trouble::new(format!("{at}{between}{message}"), "nothing was done. Put that argument right, and call again")
}

fn within(at: &str, number: usize, least: usize, most: usize) -> Result<usize, Trouble> {
    let rule = (least..=most).contains(&number);
    if rule { Ok(number) } else { Err(wrong(at, format!("from {least} to {most}"))) }
}

/// It becomes part of a URL, so nothing else may be in it.
fn prefix(at: &str, id: &str) -> Result<String, Trouble> {
    id_prefix(id).map_err(|error| wrong(at, error))
}

fn count(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
