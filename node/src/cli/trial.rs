//! `gigmesh try`: a worker's file and a task's file tried on each other, without a network, told as a story.

use std::path::{Path, PathBuf};

use gigmesh_protocol::hire::Side;
use gigmesh_protocol::market::Scores;
use gigmesh_protocol::peer::io::Notice;
use gigmesh_protocol::untrusted::Untrusted;
use serde_json::{Value, json};

use super::args::TryArgs;
use super::demo::place;
use super::failure::{Exit, Failure};
use super::hires::{may_write, write_result};
use super::terminal::{Screen, Table, Tone, emit, emit_json, fit, quoted, score};
use super::up::Stop;
use crate::config::{self, Overrides};
use crate::limits::{QUOTE, TRIAL_LINES};
use crate::task;
use crate::trial::{self, Mark, Report, Run};

/// `gigmesh try`.
pub(super) async fn trial(args: TryArgs) -> Result<Exit, Failure> {
    // What the file says of a node's data and network is not looked at.
    let over = Overrides { data_dir: Some(PathBuf::new()), ..Overrides::default() };
    let config = match config::load(Some(&args.worker), over) {
        Ok(config) => config.runnable()?,
        Err(error) if task::read(&args.worker).is_ok() => {
            let hint = "the worker's file comes first, then the task's: gigmesh try worker.toml task.toml";
            return Err(Failure::new(Exit::User, error).hint(hint));
        }
        Err(error) => return Err(error.into()),
    };
    let file = task::read(&args.task)?;
    args.result.as_deref().map_or(Ok(()), |file| may_write(file, args.force))?;
    let mut stop = Stop::listen()?;
    let passing = match &args.keep {
        Some(dir) => Err(place::named(dir)?),
        None => Ok(tempfile::Builder::new().prefix("gigmesh-try-").tempdir().map_err(|error| {
            let text = format!("cannot make a directory in {}: {error}", std::env::temp_dir().display());
            Failure::new(Exit::User, text).hint("name a place for temporary files in TMPDIR")
        })?),
    };
    let dir = passing.as_ref().map_or_else(PathBuf::as_path, tempfile::TempDir::path);
    let quiet = args.json;
    let heard = |side, notice: &Notice| {
        if let (Side::Worker, Notice::Started { .. }, false) = (side, notice, quiet) {
            eprintln!("{}", Screen::stderr().paint(Tone::Quiet, "the agent is at work ..."));
        }
    };
    let tried = trial::run(&config, file, dir, args.keep.is_some(), heard, stop.wanted()).await;
    let kept = passing.err();
    let report = tried.map_err(|error| {
        let text = if matches!(error, trial::TrialError::NoSkill) {
            format!("{}: {error}", args.worker.display())
        } else {
            error.to_string()
        };
        Failure::new(if error.is_users() { Exit::User } else { Exit::Ours }, text)
    })?;
    if let (Some(file), Some(bytes)) = (&args.result, &report.bytes) {
        write_result(file, bytes, args.force)?;
    }
    if args.json {
        emit_json(&document(&report, kept.as_deref()))?;
    } else {
        emit(&told(&report, kept.as_deref(), args.result.as_deref(), &Screen::stdout()))?;
    }
    Ok(if report.accepted() { Exit::Done } else { Exit::NotAccepted })
}

fn document(report: &Report, kept: Option<&Path>) -> Value {
    let mut document = json!(report);
    document["claimed"] = json!(report.claimed.is_ok());
    document["not_claimed_because"] = json!(report.claimed.as_ref().err());
    document["accepted"] = json!(report.accepted());
    document["kept"] = json!(kept);
    document
}

fn told(report: &Report, kept: Option<&Path>, result: Option<&Path>, screen: &Screen) -> String {
    let heading = |text: &str| format!("\n{}\n", screen.paint(Tone::Heading, text));
    let (agent, skill) = (format!("{} {}", report.agent, report.version), &report.skill);
    let mut text = format!("{agent} tried on {skill}: {}\n", quoted(&report.summary));
    text.push_str("both sides are on this machine, with keys for this trial alone; nothing goes over a network\n");

    text.push_str(&heading("WOULD IT CLAIM?"));
    let mut table = Table::new(["POINT", "", "WHY"]);
    for point in &report.points {
        let (tone, mark) = match point.mark {
            Mark::Yes => (Tone::Good, "yes"),
            Mark::No => (Tone::Bad, "no"),
            Mark::Unknown => (Tone::Bad, "unknown"),
            Mark::Note => (Tone::Quiet, "note"),
        };
        table.row([(Tone::Plain, point.about.into()), (tone, mark.into()), (Tone::Plain, point.says.clone())]);
    }
    text.push_str(&table.render(&screen.uncut()));
    text.push_str(&match &report.claimed {
        Ok(()) => format!("{}\n", screen.paint(Tone::Good, "it claims the task, is hired and begins")),
        Err(why) => format!("{}: {why}\n", screen.paint(Tone::Bad, "it does not claim the task")),
    });

    if !report.runs.is_empty() {
        text.push_str(&heading("THE RUN"));
        report.runs.iter().for_each(|run| text.push_str(&ran(run, screen)));
    }
    if !report.checks.is_empty() {
        text.push_str(&heading("THE CHECKS"));
        let mut table = Table::new(["CHECK", "", "", "WHAT WAS FOUND"]);
        for check in &report.checks {
            let (tone, passed) = match check.passed {
                Some(true) => (Tone::Good, "passed"),
                Some(false) => (Tone::Bad, "failed"),
                None => (Tone::Quiet, "not run"),
            };
            let sealed = if check.sealed { "sealed" } else { "public" };
            let found = if check.found.is_empty() { String::new() } else { check.found.quoted(QUOTE) };
            table.row([
                (Tone::Plain, check.check.quoted(QUOTE)),
                (Tone::Quiet, sealed.to_owned()),
                (tone, passed.to_owned()),
                (Tone::Plain, found),
            ]);
        }
        text.push_str(&table.render(&screen.uncut()));
    }
    if let Some(outcome) = report.outcome {
        text.push_str(&heading("THE END"));
        let tone = if report.accepted() { Tone::Good } else { Tone::Bad };
        let price = report.price.as_deref().unwrap_or("-");
        let owed = if report.owed { format!("{price} to pay") } else { format!("nothing to pay (price {price})") };
        text.push_str(&format!("{}; {owed}\n", screen.paint(tone, &outcome.to_string())));
        for (by, rates) in
            [(Side::Requester, "the requester rates the worker"), (Side::Worker, "the worker rates the requester")]
        {
            let rated = report.ratings.iter().find(|rated| rated.by == by);
            let scores = rated.map_or_else(|| "not at all".to_owned(), |rated| scores(&rated.scores));
            text.push_str(&format!("{rates}: {scores}\n"));
        }
    }
    if let Some(value) = &report.result {
        text.push_str(&heading(if report.accepted() { "THE RESULT" } else { "WHAT THE AGENT MADE" }));
        text.push_str(&shown(value, result));
    }
    if !report.advice.is_empty() {
        text.push_str(&heading("WHAT TO DO"));
        report.advice.iter().for_each(|advice| text.push_str(&format!("{advice}\n")));
    }
    match kept {
        Some(dir) => {
            let work = dir.join("work");
            let what = if work.exists() { "; below work/ is the agent's directory with what it printed" } else { "" };
            text.push_str(&format!("\nkept: {}{what}\n", dir.display()));
        }
        None if report.runs.iter().any(|run| run.failed.is_some()) => {
            text.push_str("`--keep DIR` keeps the agent's directory and all that it printed\n");
        }
        None => {}
    }
    text
}

/// The agent's words are escaped already; `\n` in them is where its lines end.
fn ran(run: &Run, screen: &Screen) -> String {
    let command: Vec<String> = run.command.iter().map(|part| format!("{part:?}")).collect();
    let (tone, ended) = match &run.failed {
        None => (Tone::Good, "made a result"),
        Some(_) => (Tone::Bad, "made no result"),
    };
    let took = format!("{}.{:03} s", run.took_ms / 1_000, run.took_ms % 1_000);
    let mut text = format!("{}\n{} after {took}\n", command.join(" "), screen.paint(tone, ended));
    run.said.iter().for_each(|line| text.push_str(&format!("  it said {}\n", quoted(line))));
    let words = run.failed.as_deref().unwrap_or_default();
    words.split("\\n").filter(|line| !line.is_empty()).for_each(|line| text.push_str(&format!("  {line}\n")));
    text
}

fn scores(scores: &Scores) -> String {
    let all = [
        ("quality", scores.quality),
        ("accuracy", scores.accuracy),
        ("speed", scores.speed),
        ("communication", scores.communication),
    ];
    let told = all.into_iter().filter_map(|(name, value)| Some((name, value?)));
    told.map(|(name, value)| format!("{name} {}", score(value))).collect::<Vec<_>>().join(", ")
}

/// The result's first lines, none of them too long.
fn shown(value: &Untrusted<Value>, written: Option<&Path>) -> String {
    let laid_out = value.pretty();
    let lines: Vec<&str> = laid_out.lines().collect();
    let mut text = String::new();
    lines.iter().take(TRIAL_LINES).for_each(|line| text.push_str(&format!("{}\n", fit(line, QUOTE))));
    let cut = lines.len() > TRIAL_LINES || lines.iter().any(|line| line.chars().count() > QUOTE);
    match written {
        Some(file) => text.push_str(&format!("written to {}\n", file.display())),
        None if cut => text.push_str(&format!("... {} lines in all; `--result FILE` writes it whole\n", lines.len())),
        None => {}
    }
    text
}
