//! What a trial found, as one document: for people it is laid out by the command line, for programs it is JSON.

use std::io::Read;

use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::hire::{HireId, Side};
use gigmesh_protocol::limits::RESULT;
use gigmesh_protocol::market::checks::{Assert, Outcome as Checked};
use gigmesh_protocol::market::{BlobRef, Outcome, Scores, Skill};
use gigmesh_protocol::peer::io::{CheckedView, Config, Shown};
use gigmesh_protocol::peer::query::ReputationOf;
use gigmesh_protocol::untrusted::Untrusted;
use serde::Serialize;
use serde_json::Value;

use super::desk::Run;
use super::points::{Mark, Point};
use super::{End, Market, TrialError};
use crate::driver::{Held, blocking};
use crate::store::blobs::BlobError;
use crate::store::disk::At;

/// What a trial found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What the agent calls itself.
    pub agent: String,
    /// Its version.
    pub version: String,
    /// The task's skill.
    pub skill: Skill,
    /// The task's public line.
    pub summary: String,
    /// What is looked at before a claim.
    pub points: Vec<Point>,
    /// Whether it was claimed and begun; if not, why.
    pub claimed: Result<(), String>,
    /// Runs of the agent.
    pub runs: Vec<Run>,
    /// Checks in the order they are written, public ones first.
    pub checks: Vec<Check>,
    /// How the hire ended, if there was one.
    pub outcome: Option<Outcome>,
    /// The price agreed.
    pub price: Option<String>,
    /// Whether it would have to be paid.
    pub owed: bool,
    /// What the sides say of each other.
    pub ratings: Vec<Rated>,
    /// What to make of it.
    pub advice: Vec<String>,
    /// What the agent delivered, or would have.
    pub result: Option<Untrusted<Value>>,
    /// The same, as the bytes they are.
    #[serde(skip)]
    pub bytes: Option<Untrusted<Vec<u8>>>,
}

/// One check over the result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// The assertion, or `schema`.
    pub check: Untrusted,
    /// Whether the worker cannot see it before the verdict.
    pub sealed: bool,
    /// Whether it passed; `None` if it was not run because the result never came to the requester.
    pub passed: Option<bool>,
    /// What was found. Quotes the result.
    pub found: Untrusted,
}

/// A rating of one side by the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rated {
    /// Who rates.
    pub by: Side,
    /// How.
    pub scores: Scores,
}

impl Report {
    /// Whether the result was accepted.
    pub fn accepted(&self) -> bool {
        self.outcome == Some(Outcome::Accepted)
    }
}

pub(super) async fn read(
    market: &Market,
    worker: &Config,
    task: &Task,
    points: Vec<Point>,
    end: End,
) -> Result<Report, TrialError> {
    let mut report = Report {
        agent: worker.name.clone(),
        version: worker.version.clone(),
        skill: task.skill.clone(),
        summary: task.summary.clone(),
        points,
        claimed: Ok(()),
        runs: market.bench.runs(),
        checks: Vec::new(),
        outcome: None,
        price: None,
        owed: false,
        ratings: Vec::new(),
        advice: Vec::new(),
        result: None,
        bytes: None,
    };
    match end {
        End::Unclaimed(why) => {
            report.advice.push(
                match report.points.iter().any(|point| matches!(point.mark, Mark::No | Mark::Unknown)) {
                    true => {
                        "change what speaks against it, in the worker's file or in the task's, and try again".to_owned()
                    }
                    false => format!("it was not claimed: {why}"),
                },
            );
            report.claimed = Err(why);
        }
        End::Closed { hire, requester, worker } => {
            let last = worker.attempts.iter().rev().find_map(|run| run.ended.as_ref()?.1.as_ref().ok().copied());
            if let Some(blob) = last {
                let bytes = bytes(market, blob).await?;
                report.result = bytes.json();
                report.checks =
                    checks(market, task, report.result.as_ref(), requester.checks.get(&blob.root), &worker, blob);
                report.bytes = Some(bytes);
            }
            report.outcome = requester.row.closed.map(|closed| closed.outcome);
            report.price = requester.row.price.map(|price| price.to_string());
            report.owed = report.accepted();
            report.ratings = ratings(market, hire).await?;
            report.advice = advice(&report, &worker);
        }
    }
    Ok(report)
}

async fn bytes(market: &Market, blob: BlobRef) -> Result<Untrusted<Vec<u8>>, TrialError> {
    let blobs = market.bench.blobs.clone();
    let read = move || -> Result<Vec<u8>, BlobError> {
        let mut bytes = Vec::new();
        blobs.open(blob.root)?.take(RESULT).read_to_end(&mut bytes).at(std::path::Path::new("the result"))?;
        Ok(bytes)
    };
    Ok(Untrusted::new(blocking(read).await.ok_or(TrialError::Ended)??))
}

/// The checks with what each found: as the requester ran them or, if the result never got there, as the worker did.
fn checks(
    market: &Market,
    task: &Task,
    result: Option<&Untrusted<Value>>,
    requester: Option<&CheckedView>,
    worker: &Shown,
    blob: BlobRef,
) -> Vec<Check> {
    let Some(view) = requester.or(worker.checks.get(&blob.root)) else { return Vec::new() };
    let inputs = Held::new(&market.bench.blobs, &task.inputs);
    let found = |asserts: &[Assert], outcome: &Checked| {
        let assert = asserts.iter().find(|assert| assert.to_string() == *outcome.check.raw());
        let found = assert.zip(result).map(|(assert, result)| Untrusted::new(assert.found(result.raw(), &inputs)));
        if outcome.detail.is_empty() { found.unwrap_or_default() } else { outcome.detail.clone() }
    };
    let row = |asserts: &[Assert], outcome: &Checked, sealed| Check {
        check: outcome.check.clone(),
        sealed,
        passed: Some(outcome.passed),
        found: found(asserts, outcome),
    };
    let mut rows: Vec<Check> =
        view.public.outcomes.iter().map(|outcome| row(&task.checks.asserts, outcome, false)).collect();
    match &view.sealed {
        Some(sealed) => rows.extend(sealed.outcomes.iter().map(|outcome| row(&task.sealed, outcome, true))),
        None => rows.extend(task.sealed.iter().map(|assert| Check {
            check: Untrusted::new(assert.to_string()),
            sealed: true,
            passed: None,
            found: "not run: nothing was delivered".into(),
        })),
    }
    rows
}

/// What each side has said of the other, asked of whoever said it.
async fn ratings(market: &Market, hire: HireId) -> Result<Vec<Rated>, TrialError> {
    let (requester, worker) = market.agents;
    let mut ratings = Vec::new();
    for (by, rater, subject) in [(Side::Requester, requester, worker), (Side::Worker, worker, requester)] {
        let view = market.ask(by, ReputationOf { agent: subject, skill: None }).await?;
        let own = view.ratings.iter().find(|row| row.hire == hire && row.by == rater);
        ratings.extend(own.map(|row| Rated { by, scores: row.scores }));
    }
    Ok(ratings)
}

fn advice(report: &Report, worker: &Shown) -> Vec<String> {
    let failed = |sealed| report.checks.iter().any(|check| check.sealed == sealed && check.passed == Some(false));
    let no_result = worker.attempts.last().is_some_and(|run| matches!(run.ended, Some((_, Err(_)))));
    let says = match report.outcome {
        Some(Outcome::Accepted) => return Vec::new(),
        _ if no_result => "the agent made no result, so its node cancels the hire and is rated for that",
        Some(Outcome::CancelledByWorker) if failed(false) => {
            "your own public check failed on the worker's result, so its node does not deliver it: it cancels and is \
             rated for that. If the result is right, no honest worker will ever deliver: mend the check; otherwise mend \
             the agent"
        }
        Some(Outcome::Refused) if failed(true) && !failed(false) => {
            "the result passes all that the worker can see and fails a sealed check, so it is delivered, refused and not \
             paid. If the result is right, no honest worker can pass: mend the check; otherwise mend the agent"
        }
        _ => "it was not accepted; `--json` has all that is known",
    };
    vec![says.to_owned()]
}
