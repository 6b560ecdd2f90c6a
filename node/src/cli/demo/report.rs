//! What came of it: the tasks, the workers as the requester sees them now, and whether all went as it should.
//!
//! What must never happen: a failure that is told without its cause.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::market::price::Price;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::board::{Board, Posting};
use super::processes::Log;
use super::show::Show;
use super::{Hired, REQUESTER, cast};
use crate::api::client::Client;
use crate::cli::failure::{Exit, Failure};
use crate::cli::hire::last_words;
use crate::cli::hires::{checks, held_result, write};
use crate::cli::terminal::{Screen, Table, Tone, emit, emit_json, field, theirs};

/// The whole of it.
#[derive(Debug)]
pub(super) struct Report {
    tasks: Vec<TaskEnd>,
    workers: Vec<WorkerEnd>,
    took: Duration,
}

/// One task.
#[derive(Debug, Serialize)]
struct TaskEnd {
    task: &'static str,
    skill: String,
    worker: &'static str,
    hire: Option<HireId>,
    outcome: String,
    checks_passed: usize,
    checks: usize,
    price: Option<Price>,
    /// From the begin to the delivery, as the requester measured it.
    work_ms: Option<u64>,
    /// From the posting until both had rated.
    took_ms: u64,
    /// What the result says, in short.
    fact: Option<String>,
    /// Why it is not as it should be, if so.
    problem: Option<String>,
}

/// One worker.
#[derive(Debug, Serialize)]
struct WorkerEnd {
    name: &'static str,
    agent: AgentId,
    hires: usize,
    accepted: usize,
    /// The requester's own view, by criterion.
    view: BTreeMap<String, Estimate>,
}

/// A part of what the node answers about reputation.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Estimate {
    mean: f64,
    low: f64,
    high: f64,
}

impl Report {
    /// Asks the requester for everything that is told at the end, and puts the results into `dir`.
    pub async fn new(
        client: &Client,
        board: &Board,
        hired: &[Hired],
        dir: &Path,
        took: Duration,
    ) -> Result<Self, Failure> {
        let unwritten = |error| Failure::new(Exit::Ours, format!("cannot make {}: {error}", dir.display()));
        fs::create_dir_all(dir).map_err(unwritten)?;
        let mut tasks = Vec::new();
        for task in &board.tasks {
            let mut result = None;
            if let Some(blob) = held_result(&task.shown)? {
                let bytes = client.blob(blob.root).await?;
                write(&dir.join(format!("{}.json", task.name)), &bytes)?;
                result = serde_json::from_slice(&bytes).ok();
            }
            tasks.push(TaskEnd::new(task, result.as_ref())?);
        }
        let mut workers = Vec::new();
        for Hired { worker, agent } in hired {
            let seen: Value = client.get(&format!("/v1/reputation/{agent}")).await?;
            let theirs = board.tasks.iter().filter(|task| task.worker == Some(*agent));
            let view = match &seen["overall"]["mine"] {
                Value::Null => BTreeMap::new(),
                mine => field(mine, "criteria")?,
            };
            let (hires, accepted) = (theirs.clone().count(), theirs.filter(|task| task.accepted()).count());
            workers.push(WorkerEnd { name: worker.name, agent: *agent, hires, accepted, view });
        }
        Ok(Self { tasks, workers, took })
    }

    /// Prints it. Exit code 0 if nothing is wrong with any task, else 1.
    pub fn tell(&self, show: &Show, kept: Option<&Path>, logs: &[Log]) -> Result<Exit, Failure> {
        let problems: Vec<String> = self.tasks.iter().filter_map(TaskEnd::told_problem).collect();
        let failure = (!problems.is_empty()).then(|| {
            let (bad, all) = (problems.len(), self.tasks.len());
            Failure::new(
                Exit::Ours,
                format!("{bad} of {all} tasks did not end as they should: {}", problems.join("; ")),
            )
        });
        if show.json() {
            emit_json(&json!({
                "event": "summary",
                "accepted": failure.is_none(),
                "took_ms": millis(self.took),
                "tasks": self.tasks,
                "workers": self.workers,
                "kept": kept,
            }))?;
        } else {
            emit(&self.text(show.screen(), failure.is_none(), kept))?;
        }
        match failure {
            None => Ok(Exit::Done),
            Some(failure) => tell_failure(show, &failure, kept, logs).map(|()| failure.exit),
        }
    }

    fn text(&self, screen: &Screen, good: bool, kept: Option<&Path>) -> String {
        let mut text = format!("\n{}", self.tasks_table(screen));
        text.push_str(
            "\nhow the requester sees the workers now: the mean, and the interval it lies in 9 times out of 10\n",
        );
        text.push_str(&self.workers_table(screen));
        let took = self.took.as_secs_f64();
        if good {
            let all = self.tasks.len();
            let line = format!("all {all} tasks are accepted and rated by both sides, after {took:.1} s");
            text.push_str(&format!("\n{}\n", screen.paint(Tone::Good, &line)));
            text.push_str(&match kept {
                Some(dir) => next_steps(dir, &self.tasks, &self.workers),
                None => "every process is stopped and its data removed; `gigmesh demo --keep` leaves it to look at\n"
                    .to_owned(),
            });
        }
        text
    }

    fn tasks_table(&self, screen: &Screen) -> String {
        let mut table = Table::new(["TASK", "WORKER", "OUTCOME", "CHECKS", "PRICE", "WORK", "RESULT"]);
        for task in &self.tasks {
            let tone = if task.problem.is_none() { Tone::Good } else { Tone::Bad };
            let all_passed = task.checks_passed == task.checks;
            table.row([
                (Tone::Plain, task.task.to_owned()),
                (Tone::Plain, task.worker.to_owned()),
                (tone, task.outcome.clone()),
                (if all_passed { tone } else { Tone::Bad }, format!("{}/{}", task.checks_passed, task.checks)),
                (Tone::Plain, task.price.as_ref().map_or_else(String::new, |price| price.amount().to_string())),
                (Tone::Quiet, task.work_ms.map_or_else(String::new, |ms| format!("{ms} ms"))),
                (Tone::Plain, task.fact.clone().unwrap_or_default()),
            ]);
        }
        table.render(screen)
    }

    fn workers_table(&self, screen: &Screen) -> String {
        let mut table = Table::new(["WORKER", "ACCEPTED", "ACCURACY", "QUALITY", "SPEED", "COMMUNICATION"]);
        for worker in &self.workers {
            let seen = |criterion| (Tone::Plain, worker.view.get(criterion).map_or_else(String::new, Estimate::text));
            table.row([
                (Tone::Plain, worker.name.to_owned()),
                (Tone::Plain, format!("{} of {}", worker.accepted, worker.hires)),
                seen("accuracy"),
                seen("quality"),
                seen("speed"),
                seen("communication"),
            ]);
        }
        table.render(screen)
    }
}

impl TaskEnd {
    fn new(task: &Posting, result: Option<&Value>) -> Result<Self, Failure> {
        let found = checks(&task.shown)?;
        let row: Value = field(&task.shown, "row")?;
        let records: Vec<Value> = field(&task.shown, "records")?;
        let receipt =
            records.iter().find(|record| record["kind"].as_str().is_some_and(|kind| kind.starts_with("receipt/")));
        let failed = found.iter().find(|(passed, ..)| !passed);
        let problem = match (task.accepted(), task.rated) {
            (true, (true, true)) => None,
            (true, (false, _)) => Some("the requester has not rated it".to_owned()),
            (true, (_, false)) => Some("the worker has not rated it".to_owned()),
            (false, _) => {
                let because = failed.map(|(_, check, found)| format!(": {} failed, {}", theirs(check), theirs(found)));
                let said = last_words(&task.shown)?.map(|(_, words)| format!(", with the words {}", theirs(&words)));
                Some(format!("{}{}{}", task.state, because.unwrap_or_default(), said.unwrap_or_default()))
            }
        };
        let outcome = task.state.split(", rated").next().unwrap_or_default().to_owned();
        Ok(Self {
            task: task.name,
            skill: task.skill.to_string(),
            worker: task.worker_name,
            hire: task.hire,
            outcome,
            checks_passed: found.iter().filter(|(passed, ..)| *passed).count(),
            checks: found.len(),
            // Before an award it is the ceiling, which nobody has agreed to.
            price: if task.worker.is_some() { field(&row, "price")? } else { None },
            work_ms: receipt.and_then(|receipt| receipt["says"]["took"].as_u64()),
            took_ms: millis(task.elapsed()),
            fact: result.and_then(|result| fact(task.skill.as_str(), result)),
            problem,
        })
    }

    fn told_problem(&self) -> Option<String> {
        let by = if self.worker.is_empty() { String::new() } else { format!(" by {}", self.worker) };
        self.problem.as_ref().map(|problem| format!("{}{by}: {problem}", self.task))
    }
}

impl Estimate {
    fn text(&self) -> String {
        let end = |end: f64| format!("{end:.2}").trim_start_matches('0').to_owned();
        format!("{:.2} {}-{}", self.mean, end(self.low), end(self.high))
    }
}

/// What a result says, in a few words. It is another agent's, so of texts nothing is taken over, only numbers.
fn fact(skill: &str, result: &Value) -> Option<String> {
    let count = |pointer| result.pointer(pointer).and_then(Value::as_u64);
    match skill {
        "text/statistics" => Some(format!("{} words", count("/words")?)),
        "table/summarise" => {
            Some(format!("{} rows, mean {:.2}", count("/rows")?, result.pointer("/mean").and_then(Value::as_f64)?))
        }
        "json/validate" if result.pointer("/valid")?.as_bool()? => {
            Some(format!("valid, {} numbers", count("/counts/numbers")?))
        }
        "json/validate" => Some(format!("{} errors", count("/error_count")?)),
        "checksum/verify" => Some(format!("{} of {} files match", count("/totals/ok")?, count("/totals/lines")?)),
        "changelog/extract" => Some(format!("{} releases", count("/totals/dated")?)),
        _ => None,
    }
}

/// What can be done with what is left.
fn next_steps(dir: &Path, tasks: &[TaskEnd], workers: &[WorkerEnd]) -> String {
    let home = dir.join(REQUESTER);
    let (config, data) = (cast::config(&home), home.join(cast::DATA));
    let (config, data) = (quoted(&config), quoted(&data));
    let mut text = format!(
        "everything is kept in {}: results/ holds the results, each process has its files and its log\n\
         to look around as the requester, start its node again:\n\
         \x20   gigmesh up --config {config} &\n\
         \x20   export GIGMESH_DATA_DIR={data}\n\
         \x20   gigmesh hires\n",
        quoted(dir)
    );
    if let Some(hire) = tasks.iter().find_map(|task| task.hire) {
        text.push_str(&format!("    gigmesh show {}\n", hire.short()));
    }
    if let Some(worker) = workers.first() {
        text.push_str(&format!("    gigmesh reputation {}\n", crate::cli::terminal::short(Some(worker.agent))));
    }
    text
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// Says on standard error what went wrong, with what the processes logged last.
pub(super) fn tell_failure(show: &Show, failure: &Failure, kept: Option<&Path>, logs: &[Log]) -> Result<(), Failure> {
    let mut text = String::new();
    for log in logs.iter().filter(|log| !log.lines.is_empty() && !show.json()) {
        let at = if kept.is_some() { format!(" ({})", log.path.display()) } else { String::new() };
        text.push_str(&format!("--- the end of {}'s log{at}\n{}\n", log.name, log.lines.join("\n")));
    }
    if show.json() {
        let lines: Map<String, Value> = logs.iter().map(|log| (log.name.to_owned(), json!(log.lines))).collect();
        emit_json(&json!({ "event": "failed", "error": failure.error, "logs": lines, "kept": kept }))?;
    }
    text.push_str(&failure.text(show.json()));
    // Where nobody reads, the exit code still tells.
    let _ = writeln!(io::stderr(), "{text}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::Id;
    use gigmesh_protocol::market::Skill;

    use super::*;
    use crate::cli::hires::tests::hire;
    use crate::cli::terminal::PIPE;

    fn posting(closed: Value, rated: (bool, bool)) -> Posting {
        let skill: Skill = "table/summarise".parse().unwrap();
        let shown = hire(closed.clone());
        let state = if closed.is_null() { "working" } else { "accepted" };
        let mut posting = Posting::new("2-co2-monthly", skill, Id::from_bytes([2; 32]));
        (posting.worker, posting.worker_name) = (Some(AgentId([1; 32])), "ledger");
        (posting.rated, posting.state, posting.shown) = (rated, state.to_owned(), shown);
        posting.closed = serde_json::from_value(closed).unwrap();
        posting
    }

    #[test]
    fn a_task_is_as_it_should_be_only_if_accepted_and_rated_by_both() {
        let accepted = json!({ "at": 1, "outcome": "accepted", "agreed": true });
        let problem =
            |closed: &Value, rated| TaskEnd::new(&posting(closed.clone(), rated), None).unwrap().told_problem();
        assert_eq!(problem(&accepted, (true, true)), None);
        let told = |rated| problem(&accepted, rated).unwrap();
        assert_eq!(told((false, true)), "2-co2-monthly by ledger: the requester has not rated it");
        assert_eq!(told((true, false)), "2-co2-monthly by ledger: the worker has not rated it");
        let stuck = problem(&Value::Null, (true, true)).unwrap();
        assert!(stuck.starts_with("2-co2-monthly by ledger: working: \"result.rows == 4\" failed"), "{stuck}");
        assert!(!stuck.contains('\u{1b}'), "{stuck:?}");
    }

    #[test]
    fn of_a_result_only_numbers_are_told() {
        let told = |skill, result: Value| fact(skill, &result);
        assert_eq!(told("table/summarise", json!({ "rows": 3, "mean": 2.0 })).unwrap(), "3 rows, mean 2.00");
        assert_eq!(told("json/validate", json!({ "valid": false, "error_count": 10 })).unwrap(), "10 errors");
        assert_eq!(told("text/statistics", json!({ "words": "\u{1b}[2J" })), None);
        assert_eq!(told("a/b", json!({})), None);
    }

    #[test]
    fn the_tables_fit_a_terminal_of_eighty_columns() {
        let accepted = json!({ "at": 1, "outcome": "accepted", "agreed": true });
        let result = json!({ "rows": 820, "mean": 361.2 });
        let tasks = vec![TaskEnd::new(&posting(accepted, (true, true)), Some(&result)).unwrap()];
        let estimate = Estimate { mean: 0.83, low: 0.55, high: 0.99 };
        let view = ["accuracy", "quality", "speed", "communication"].map(|name| (name.to_owned(), estimate)).into();
        let workers = vec![WorkerEnd { name: "magpie", agent: AgentId([1; 32]), hires: 2, accepted: 2, view }];
        let report = Report { tasks, workers, took: Duration::from_secs(3) };
        for table in [report.tasks_table(&PIPE), report.workers_table(&PIPE)] {
            assert!(table.lines().all(|line| line.chars().count() <= 80), "{table}");
        }
        assert!(report.workers_table(&PIPE).contains("2 of 2    0.83 .55-.99"));
    }

    #[test]
    fn a_path_is_written_as_a_shell_takes_it() {
        assert_eq!(quoted(Path::new("/tmp/a-b_c.d/1")), "/tmp/a-b_c.d/1");
        assert_eq!(quoted(Path::new("/tmp/it's here")), r"'/tmp/it'\''s here'");
    }
}
