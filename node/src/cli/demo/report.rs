//! What came of it: every posting, the workers as the requesters see them now, and whether all went as it should.
//!
//! What must never happen: a failure that is told without its cause.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::hire::selection::Why;
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::market::Outcome;
use gigmesh_protocol::market::price::{Amount, Price};
use gigmesh_protocol::peer::view::ReputationView;
use gigmesh_protocol::reputation::Columns;
use gigmesh_protocol::untrusted::Untrusted;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::board::{Board, Desk, Posting};
use super::processes::Log;
use super::show::Show;
use super::{Hired, told};
use crate::cli::failure::{Exit, Failure};
use crate::cli::hire::last_words;
use crate::cli::hires::{held_result, write_result};
use crate::cli::terminal::{Tone, emit, emit_json};
use crate::limits::QUOTE;

/// The whole of it.
#[derive(Debug)]
pub(super) struct Report {
    pub hires: Vec<HireEnd>,
    pub workers: Vec<WorkerEnd>,
    pub desks: Vec<Desk>,
    pub took: Duration,
    /// The bootstrap node's addresses.
    pub doors: Vec<String>,
    /// This program.
    pub binary: String,
    /// Where everything is.
    pub dir: PathBuf,
}

/// One posting and what came of it.
#[derive(Debug, Serialize)]
pub(super) struct HireEnd {
    pub task: &'static str,
    pub requester: &'static str,
    pub skill: String,
    /// 1 for the first time that the task was posted.
    pub posting: usize,
    pub worker: &'static str,
    pub hire: Option<HireId>,
    pub outcome: String,
    #[serde(skip)]
    pub tone: Tone,
    /// The claims, and why this one.
    pub why: Option<Why>,
    pub checks: usize,
    pub failed: Vec<Failed>,
    pub price: Option<Price>,
    /// What the receipt says is owed.
    pub owed: Amount,
    /// From the begin to the delivery, as the requester measured it.
    pub work_ms: Option<u64>,
    /// From the posting until both had rated.
    pub took_ms: u64,
    /// What the result says, in short.
    pub fact: Option<String>,
    /// Why it is not as it should be, if so.
    pub problem: Option<String>,
}

/// A check that a result failed.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Failed {
    pub check: Untrusted,
    pub found: Untrusted,
    /// Whether the worker could not see it before.
    pub sealed: bool,
}

/// One worker.
#[derive(Debug, Serialize)]
pub(super) struct WorkerEnd {
    pub name: &'static str,
    pub about: &'static str,
    pub agent: AgentId,
    pub accepted: usize,
    pub refused: usize,
    /// Hires that it was given as a newcomer.
    pub as_newcomer: usize,
    /// The sum of its receipts.
    pub earned: Amount,
    /// How each requester sees it.
    pub seen_by: BTreeMap<&'static str, Columns>,
}

impl Report {
    /// Asks the requesters for everything that is told at the end, and puts the results into `dir`.
    pub async fn new(
        board: &Board,
        desks: Vec<Desk>,
        hired: &[Hired],
        doors: Vec<String>,
        binary: &str,
        dir: &Path,
        took: Duration,
    ) -> Result<Self, Failure> {
        let results = dir.join("results");
        let unwritten = |error| Failure::new(Exit::Ours, format!("cannot make {}: {error}", results.display()));
        fs::create_dir_all(&results).map_err(unwritten)?;
        let mut hires = Vec::new();
        for (index, posting) in board.postings.iter().enumerate() {
            let desk = &desks[posting.piece.desk];
            let last = !board.postings[index + 1..].iter().any(|later| later.name() == posting.name());
            let mut result = None;
            if let Some(blob) = posting.shown.as_ref().and_then(held_result) {
                let bytes = desk.client.blob(blob.root).await?;
                // Of a task that was posted again, the last result is the one to have.
                let file = if last { format!("{}.json", posting.name()) } else { refused(posting) };
                write_result(&results.join(file), &bytes, false)?;
                result = bytes.json();
            }
            hires.push(HireEnd::new(posting, desk.name, result.as_ref(), last));
        }
        let mut workers = Vec::new();
        for Hired { worker, agent } in hired {
            let mut seen_by = BTreeMap::new();
            for desk in &desks {
                let seen: ReputationView = desk.client.get(&format!("/v1/reputation/{agent}")).await?;
                seen_by.insert(desk.name, seen.overall);
            }
            let theirs = || board.postings.iter().zip(&hires).filter(|(posting, _)| posting.worker == Some(*agent));
            let ended = |outcome| {
                let so = |posting: &Posting| posting.closed.is_some_and(|closed| closed.outcome == outcome);
                theirs().filter(|(posting, _)| so(posting)).count()
            };
            workers.push(WorkerEnd {
                name: worker.name,
                about: worker.about,
                agent: *agent,
                accepted: ended(Outcome::Accepted),
                refused: ended(Outcome::Refused),
                as_newcomer: theirs().filter(|(_, end)| end.why.as_ref().is_some_and(|why| why.lane)).count(),
                earned: theirs().fold(Amount::NOTHING, |sum, (_, end)| sum.checked_add(&end.owed).unwrap_or(sum)),
                seen_by,
            });
        }
        Ok(Self { hires, workers, desks, took, doors, binary: binary.to_owned(), dir: dir.to_owned() })
    }

    /// Prints it. Exit code 0 if nothing is wrong with any task, else 1. `left`: the directory, if it is still there.
    pub fn tell(&self, show: &Show, left: Option<&Path>, stays: bool, logs: &[Log]) -> Result<Exit, Failure> {
        let problems: Vec<String> = self.hires.iter().filter_map(HireEnd::told_problem).collect();
        let failure = (!problems.is_empty())
            .then(|| Failure::new(Exit::Ours, format!("not all went as it should: {}", problems.join("; "))));
        if show.json() {
            let requester = |desk: &Desk| json!({ "name": desk.name, "agent": desk.agent, "data_dir": desk.data });
            emit_json(&json!({
                "accepted": failure.is_none(),
                "error": failure.as_ref().map(|failure| &failure.error),
                "took_ms": millis(self.took),
                "hires": self.hires,
                "workers": self.workers,
                "requesters": self.desks.iter().map(requester).collect::<Vec<_>>(),
                "bootstrap": self.doors,
                "stays": stays,
                "dir": left,
            }))?;
        } else {
            emit(&told::text(self, show.screen(), failure.is_none(), left, stays))?;
        }
        match failure {
            None => Ok(Exit::Done),
            Some(failure) => tell_failure(show, &failure, left, logs, true).map(|()| failure.exit),
        }
    }
}

/// The file of a result that was not the last of its task.
fn refused(posting: &Posting) -> String {
    format!("{}.not-accepted-{}.json", posting.name(), posting.piece.before + 1)
}

impl HireEnd {
    fn new(posting: &Posting, requester: &'static str, result: Option<&Untrusted<Value>>, last: bool) -> Self {
        let shown = posting.shown.as_ref();
        let mut records = shown.into_iter().flat_map(|shown| &shown.records);
        let receipt = records.find(|record| record.kind.starts_with("receipt/"));
        // Before an award it is the ceiling, which nobody has agreed to.
        let price: Option<Price> = posting.worker.and(shown).and_then(|shown| shown.row.price.clone());
        let owed = receipt.and_then(|receipt| {
            let currency = price.as_ref()?.amount().currency()?.clone();
            Amount::new(receipt.private.as_ref()?.read_at("/amount")?, currency).ok()
        });
        let (mut checks, mut failed) = (0, Vec::new());
        for checked in shown.into_iter().flat_map(|shown| shown.checks.values().cloned()) {
            for (report, sealed) in [(checked.public, false), (checked.sealed.unwrap_or_default(), true)] {
                checks += report.outcomes.len();
                let wrong = report.outcomes.into_iter().filter(|outcome| !outcome.passed);
                failed.extend(wrong.map(|one| Failed { check: one.check, found: one.detail, sealed }));
            }
        }
        let problem = match (posting.accepted(), posting.rated) {
            (true, (true, true)) => None,
            (true, (false, _)) => Some("the requester has not rated it".to_owned()),
            (true, (_, false)) => Some("the worker has not rated it".to_owned()),
            (false, _) => {
                let because = failed.first().map(|failed| {
                    let Failed { check, found, .. } = failed;
                    format!(": {} failed, {}", check.quoted(QUOTE), found.quoted(QUOTE))
                });
                let said = shown.and_then(last_words).map(|(_, words)| format!(", with the words {words}"));
                Some(format!("{}{}{}", posting.state, because.unwrap_or_default(), said.unwrap_or_default()))
            }
        };
        Self {
            task: posting.name(),
            requester,
            skill: posting.skill().to_string(),
            posting: posting.piece.before + 1,
            worker: posting.worker_name,
            hire: posting.hire,
            outcome: posting.state.split(", rated").next().unwrap_or_default().to_owned(),
            tone: posting.tone,
            why: posting.why.clone(),
            checks,
            failed,
            price,
            owed: owed.unwrap_or(Amount::NOTHING),
            work_ms: receipt.and_then(|receipt| receipt.says.read_at("/took")),
            took_ms: millis(posting.elapsed()),
            fact: result.and_then(|result| fact(posting.skill().as_str(), result)),
            // One that was posted again is judged by what came of that.
            problem: problem.filter(|_| last),
        }
    }

    fn told_problem(&self) -> Option<String> {
        let by = if self.worker.is_empty() { String::new() } else { format!(" by {}", self.worker) };
        self.problem.as_ref().map(|problem| format!("{}{by}: {problem}", self.task))
    }
}

/// What a result says, in a few words. It is another agent's, so of texts nothing is taken over, only numbers.
fn fact(skill: &str, result: &Untrusted<Value>) -> Option<String> {
    let count = |pointer| result.read_at::<u64>(pointer);
    let within = |prefix| skill.starts_with(prefix);
    match skill {
        _ if within("text/statistics") => Some(format!("{} words", count("/words")?)),
        _ if within("table/summarise") => {
            Some(format!("{} rows, mean {:.1}", count("/rows")?, result.read_at::<f64>("/mean")?))
        }
        "json/validate" if result.read_at::<bool>("/valid")? => {
            Some(format!("valid, {} numbers", count("/counts/numbers")?))
        }
        "json/validate" => Some(format!("{} errors", count("/error_count")?)),
        "checksum/verify" => Some(format!("{} of {} files match", count("/totals/ok")?, count("/totals/lines")?)),
        "changelog/extract" => Some(format!("{} items", count("/totals/items")?)),
        _ => None,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Says on standard error what went wrong, with what the processes logged last; to a program also on standard output,
/// unless it has its document.
pub(super) fn tell_failure(
    show: &Show,
    failure: &Failure,
    left: Option<&Path>,
    logs: &[Log],
    told: bool,
) -> Result<(), Failure> {
    let mut text = String::new();
    for log in logs.iter().filter(|log| !log.lines.is_empty() && !show.json()) {
        let at = if left.is_some() { format!(" ({})", log.path.display()) } else { String::new() };
        text.push_str(&format!("--- the end of {}'s log{at}\n{}\n", log.name, log.lines.join("\n")));
    }
    if show.json() && !told {
        let lines: Map<String, Value> = logs.iter().map(|log| (log.name.to_owned(), json!(log.lines))).collect();
        emit_json(&json!({ "accepted": false, "error": failure.error, "logs": lines, "dir": left }))?;
    }
    text.push_str(&failure.text(show.json()));
    // Where nobody reads, the exit code still tells.
    let _ = writeln!(io::stderr(), "{text}");
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use gigmesh_protocol::hire::task::Task;
    use gigmesh_protocol::id::Id;

    use super::*;
    use crate::cli::demo::board::Piece;
    use crate::cli::hires::tests::hire;
    use crate::{demo_files, task};

    fn task() -> Task {
        let dir = tempfile::tempdir().unwrap();
        demo_files::write_to(dir.path()).unwrap();
        task::read(&dir.path().join("tasks/02-co2-monthly.toml")).unwrap().task
    }

    fn posting(closed: Value, rated: (bool, bool)) -> Posting {
        let shown = hire(closed.clone());
        let state = if closed.is_null() { "working" } else { "accepted" };
        let piece = Piece { name: "02-co2-monthly", desk: 1, task: task(), before: 0 };
        let mut posting = Posting::new(piece, Id::from_bytes([2; 32]));
        (posting.worker, posting.worker_name) = (Some(AgentId([1; 32])), "tables");
        (posting.rated, posting.state, posting.shown) = (rated, state.to_owned(), Some(shown));
        posting.closed = serde_json::from_value(closed).unwrap();
        posting
    }

    /// How an accepted posting is told.
    pub fn end() -> HireEnd {
        let accepted = json!({ "at": 1, "outcome": "accepted", "agreed": true });
        let result = Untrusted::new(json!({ "rows": 820, "mean": 361.2 }));
        HireEnd::new(&posting(accepted, (true, true)), "observatory", Some(&result), true)
    }

    #[test]
    fn a_task_is_as_it_should_be_only_if_accepted_in_the_end_and_rated_by_both() {
        let accepted = json!({ "at": 1, "outcome": "accepted", "agreed": true });
        let problem = |closed: &Value, rated, last| {
            HireEnd::new(&posting(closed.clone(), rated), "observatory", None, last).told_problem()
        };
        assert_eq!(problem(&accepted, (true, true), true), None);
        let told = |rated| problem(&accepted, rated, true).unwrap();
        assert_eq!(told((false, true)), "02-co2-monthly by tables: the requester has not rated it");
        assert_eq!(told((true, false)), "02-co2-monthly by tables: the worker has not rated it");
        let stuck = problem(&Value::Null, (true, true), true).unwrap();
        assert!(stuck.starts_with("02-co2-monthly by tables: working: \"result.rows == 4\" failed"), "{stuck}");
        assert!(!stuck.contains('\u{1b}'), "{stuck:?}");
        assert_eq!(problem(&Value::Null, (true, true), false), None, "it was posted again");
    }

    #[test]
    fn of_a_result_only_numbers_are_told() {
        let told = |skill, result: Value| fact(skill, &Untrusted::new(result));
        assert_eq!(told("table/summarise", json!({ "rows": 3, "mean": 2.0 })).unwrap(), "3 rows, mean 2.0");
        assert_eq!(told("text/statistics/markdown", json!({ "words": 7 })).unwrap(), "7 words");
        assert_eq!(told("json/validate", json!({ "valid": false, "error_count": 10 })).unwrap(), "10 errors");
        assert_eq!(told("text/statistics", json!({ "words": "\u{1b}[2J" })), None);
        assert_eq!(told("a/b", json!({})), None);
    }
}
