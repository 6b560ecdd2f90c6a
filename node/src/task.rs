//! `task.toml`: a task as its owner writes it, private part included. In: the file. Out: the protocol's [`Task`], still
//! without its inputs, and the files that are to become these. Reads only; what breaks a bound of the market is said here,
//! with its place, and not later by the node.
//!
//! ```toml
//! skill = "table/summarise"
//! summary = "Mean and trend of a monthly table"     # public
//! slots = 1                                         # how many workers; 1 unless said
//! [brief]                                           # private, for the winner
//! inputs = { table = "co2.csv" }                    # paths are relative to this file
//! params = { column = "Average" }                   # any TOML; the agent gets it as JSON
//! [accept]
//! schema = "out.schema.json"
//! checks = ["result.rows == 820"]                   # public
//! sealed = ["result.mean in [355.0, 361.0]"]        # shown with the verdict
//! review = "auto"                                   # or "person"
//! [price]
//! max = "0.05 USD"
//! [time]
//! bids = "3s"                                       # how long claims are collected
//! done = "5m"                                       # from the begin to the delivery
//! review = "10m"                                    # from the acknowledged delivery to the verdict
//! expires = "10m"                                   # how long to look for a worker
//! [choose]
//! where = "retention_days = 0"
//! prefer = ["reputation.low", "price"]
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gigmesh_protocol::codec::Text;
use gigmesh_protocol::hire::selection::Prefer;
use gigmesh_protocol::limits as bounds;
use gigmesh_protocol::market::checks::{Assert, Checks};
use gigmesh_protocol::market::constraint::Constraint;
use gigmesh_protocol::market::price::Price;
use gigmesh_protocol::market::{Input, Skill};
use gigmesh_protocol::peer::io::{Review, Task};
use gigmesh_protocol::time::Millis;
use serde::Deserialize;
use toml::Spanned;

use crate::config::{FileError, Parsed, Source, to_json};

/// A file that becomes an input of the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputFile {
    /// How the task calls it.
    pub name: Text<{ bounds::NAME }>,
    /// Where it is.
    pub path: PathBuf,
    /// Its media type, by the name's extension.
    pub media: Text<{ bounds::NAME }>,
}

/// A task file, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskFile {
    /// The task; its `inputs` are empty until the files are in the node's store.
    pub task: Task,
    /// What they are made of.
    pub inputs: Vec<InputFile>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    skill: Parsed<Skill>,
    summary: Text<{ bounds::SUMMARY }>,
    slots: Option<Spanned<u16>>,
    #[serde(default)]
    brief: Brief,
    #[serde(default)]
    accept: Accept,
    #[serde(default)]
    price: Ceiling,
    #[serde(default)]
    time: Time,
    #[serde(default)]
    choose: Choose,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Brief {
    #[serde(default)]
    inputs: BTreeMap<String, Spanned<PathBuf>>,
    params: Option<Spanned<toml::Value>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Accept {
    schema: Option<Spanned<PathBuf>>,
    #[serde(default)]
    checks: Vec<Spanned<String>>,
    #[serde(default)]
    sealed: Vec<Spanned<String>>,
    #[serde(default)]
    review: Review,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ceiling {
    max: Option<Parsed<Price>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    bids: Option<Spanned<Parsed<Millis>>>,
    done: Option<Spanned<Parsed<Millis>>>,
    review: Option<Spanned<Parsed<Millis>>>,
    expires: Option<Spanned<Parsed<Millis>>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choose {
    r#where: Option<Parsed<Constraint>>,
    #[serde(default)]
    prefer: Vec<Prefer>,
}

/// Reads a task file.
///
/// # Errors
/// The first thing its author has to put right.
pub fn read(path: &Path) -> Result<TaskFile, FileError> {
    let source = Source::read(path)?;
    let File { skill, summary, slots, brief, accept, price, time, choose } = source.parse()?;
    if let Some(slots) = &slots {
        let rule = (1..=bounds::SLOTS).contains(slots.get_ref());
        source.ensure(rule, slots.span(), format!("from 1 to {} workers", bounds::SLOTS))?;
    }
    let span = |given: Option<Spanned<Parsed<Millis>>>, default: Millis, longest: Millis| {
        let Some(given) = given else { return Ok(default) };
        let length = given.get_ref().0;
        let rule = (1..=longest.0).contains(&length.0);
        source.ensure(rule, given.span(), format!("more than nothing and at most {longest}"))?;
        Ok(length)
    };
    let bids_at = time.bids.as_ref().map(Spanned::span);
    let expires = span(time.expires, Millis::mins(10), bounds::OFFER_LIFE)?;
    let bids = span(time.bids, Millis::secs(3).min(Millis(expires.0 / 2)), bounds::OFFER_LIFE)?;
    let message =
        format!("claims are collected for {bids}, and after {expires} nobody is looked for any more (`expires`)");
    source.ensure(bids < expires, bids_at.unwrap_or_default(), message)?;

    let schema = accept.schema.as_ref().map(|path| source.schema(path)).transpose()?;
    let task = Task {
        skill: skill.0,
        summary: summary.into(),
        slots: slots.map_or(1, Spanned::into_inner),
        constraint: choose.r#where.map(|parsed| parsed.0),
        checks: Checks { schema, asserts: asserts(&source, accept.checks)? },
        sealed: asserts(&source, accept.sealed)?,
        review_by: accept.review,
        max: price.max.map(|parsed| parsed.0),
        prefer: choose.prefer,
        bids,
        done: span(time.done, Millis::mins(10), bounds::WORK)?,
        review: span(time.review, Millis::mins(10), bounds::REVIEW)?,
        expires,
        inputs: Vec::new(),
        params: brief.params.map(|params| json(&source, params)).transpose()?,
    };
    Ok(TaskFile { task, inputs: inputs(&source, brief.inputs)? })
}

/// Assertions, each found to be one that can run. Read as texts, because an error within a list has the list's place.
fn asserts(source: &Source, written: Vec<Spanned<String>>) -> Result<Vec<Assert>, FileError> {
    let read = |text: Spanned<String>| {
        let wrong = |error| source.at(text.span(), format!("{:?}: {error}", text.get_ref()));
        let assert: Assert = text.get_ref().parse().map_err(wrong)?;
        Checks { schema: None, asserts: vec![assert.clone()] }.compile().map_err(wrong)?;
        Ok(assert)
    };
    written.into_iter().map(read).collect()
}

fn json(source: &Source, params: Spanned<toml::Value>) -> Result<String, FileError> {
    let span = params.span();
    let text = to_json(params.into_inner()).map_err(|error| source.at(span.clone(), error))?.to_string();
    let message =
        format!("parameters of {} bytes, at most {} go into a brief: make them an input", text.len(), bounds::PARAMS);
    source.ensure(text.len() <= bounds::PARAMS, span, message)?;
    Ok(text)
}

fn inputs(source: &Source, written: BTreeMap<String, Spanned<PathBuf>>) -> Result<Vec<InputFile>, FileError> {
    if let Some(extra) = written.values().nth(bounds::INPUTS) {
        return Err(source.at(extra.span(), format!("a task has at most {} inputs", bounds::INPUTS)));
    }
    let mut files = Vec::new();
    for (name, given) in written {
        let wrong = |message: String| source.at(given.span(), format!("input {name:?}: {message}"));
        let named = Text::try_from(name.as_str()).ok().filter(|name| Input::is_name(name));
        let rule = format!("is to be named with at most {} of a-z, 0-9, '_' and '-'", bounds::NAME);
        let named = named.ok_or_else(|| wrong(rule))?;
        let path = source.resolve(given.get_ref());
        let found = path.metadata().map_err(|error| wrong(format!("{} cannot be read: {error}", path.display())))?;
        if !found.is_file() {
            return Err(wrong(format!("{} is not a file", path.display())));
        }
        if found.len() > bounds::BLOB {
            return Err(wrong(format!(
                "{} has {} bytes, at most {} are sent",
                path.display(),
                found.len(),
                bounds::BLOB
            )));
        }
        files.push(InputFile { name: named, media: Text::fit(media(&path)), path });
    }
    Ok(files)
}

/// The media type that a file's extension stands for.
fn media(path: &Path) -> &'static str {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "csv" => "text/csv",
        "gif" => "image/gif",
        "htm" | "html" => "text/html",
        "jpeg" | "jpg" => "image/jpeg",
        "json" => "application/json",
        "jsonl" | "ndjson" => "application/x-ndjson",
        "md" => "text/markdown",
        "pdf" => "application/pdf",
        "png" => "image/png",
        "toml" => "application/toml",
        "tsv" => "text/tab-separated-values",
        "txt" => "text/plain",
        "xml" => "application/xml",
        "yaml" | "yml" => "application/yaml",
        "zip" => "application/zip",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const GOOD: &str = r#"
skill = "table/summarise"
summary = "Mean and trend"
slots = 2
[brief]
inputs = { table = "co2.CSV" }
params = { column = "Average", since = 2026-01-01, missing = [-1, -9.99] }
[accept]
schema = "out.schema.json"
checks = ["result.rows == 820", "result.sha256 == sha256(input.table)"]
sealed = ["result.mean in [355.0, 361.0]"]
review = "person"
[price]
max = "0.05 USD"
[time]
bids = "3s"
done = "5m"
[choose]
where = "retention_days = 0"
prefer = ["reputation.low", "price"]
"#;

    fn read_text(text: &str) -> Result<TaskFile, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("task.toml");
        fs::write(&file, text).unwrap();
        fs::write(dir.path().join("co2.CSV"), "a,b\n1,2\n").unwrap();
        fs::write(dir.path().join("out.schema.json"), "{ \"type\": \"object\" }").unwrap();
        read(&file).map_err(|error| error.to_string().replace(&format!("{}/", dir.path().display()), ""))
    }

    #[test]
    fn every_key_of_a_task_file_is_understood() {
        let TaskFile { task, inputs } = read_text(GOOD).unwrap();
        assert_eq!((task.skill.as_str(), task.summary.as_str(), task.slots), ("table/summarise", "Mean and trend", 2));
        assert_eq!(task.checks.schema.unwrap().as_str(), r#"{"type":"object"}"#);
        assert_eq!((task.checks.asserts.len(), task.sealed.len(), task.review_by), (2, 1, Review::Person));
        assert_eq!(task.max.unwrap().to_string(), "0.05 USD per task");
        assert_eq!(
            (task.bids, task.done, task.review, task.expires),
            (Millis::secs(3), Millis::mins(5), Millis::mins(10), Millis::mins(10))
        );
        assert_eq!(task.constraint.unwrap().to_string(), "retention_days = 0");
        assert_eq!(task.prefer, [Prefer::ReputationLow, Prefer::Price]);
        let params: serde_json::Value = serde_json::from_str(&task.params.unwrap()).unwrap();
        let expected = serde_json::json!({ "column": "Average", "since": "2026-01-01", "missing": [-1, -9.99] });
        assert_eq!(params, expected);
        let [table] = &inputs[..] else { panic!("{inputs:?}") };
        assert_eq!((&*table.name, &*table.media), ("table", "text/csv"));
        assert!(table.path.ends_with("co2.CSV"));
    }

    #[test]
    fn what_is_not_said_has_a_default_that_keeps_the_bounds() {
        let task = read_text("skill = \"a/b\"\nsummary = \"\"").unwrap().task;
        assert_eq!((task.slots, task.bids, task.done), (1, Millis::secs(3), Millis::mins(10)));
        let hasty = read_text("skill = \"a/b\"\nsummary = \"\"\n[time]\nexpires = \"2s\"").unwrap().task;
        assert_eq!((hasty.bids, hasty.expires), (Millis::secs(1), Millis::secs(2)));
    }

    #[test]
    fn every_mistake_is_told_with_its_place_and_what_to_do() {
        let cases = [
            ("sealed =", "seeled =", "11:1: unknown key `seeled`; did you mean `sealed`?"),
            ("skill = \"table/summarise\"\n", "", "1:1: the key `skill` is missing here"),
            ("slots = 2", "slots = 0", "4:9: from 1 to 64 workers"),
            ("slots = 2", "slots = -1", "4:9: invalid value: integer `-1`, expected u16"),
            (
                "{ table =",
                "{ Table =",
                "6:20: input \"Table\": is to be named with at most 64 of a-z, 0-9, '_' and '-'",
            ),
            (
                "co2.CSV",
                "gone.csv",
                "6:20: input \"table\": gone.csv cannot be read: No such file or directory (os error 2)",
            ),
            ("co2.CSV", ".", "6:20: input \"table\": . is not a file"),
            ("-9.99", "inf", "7:10: inf is no number in JSON"),
            (
                "\"out.schema.json\"",
                "\"no.json\"",
                "9:10: schema \"no.json\": cannot be read: No such file or directory (os error 2)",
            ),
            ("result.rows == 820", "result.rows = 820", "10:11: "),
            ("result.mean in [355.0, 361.0]", "result.name matches /(/", "11:11: "),
            ("\"person\"", "\"nobody\"", "12:10: unknown variant `nobody`, expected `auto` or `person`"),
            (
                "\"0.05 USD\"",
                "\"5 cents\"",
                "14:7: \"cents\" is not a currency; write three to 8 capital letters, like USD",
            ),
            ("\"5m\"", "\"31d\"", "17:8: more than nothing and at most 30d"),
            (
                "\"3s\"",
                "\"11m\"",
                "16:8: claims are collected for 11m, and after 10m nobody is looked for any more (`expires`)",
            ),
            ("retention_days = 0", "retention_days =", "19:9: "),
            (
                "\"reputation.low\"",
                "\"luck\"",
                "20:10: \"luck\" is no way to choose; use \"price\", \"time\" or \"reputation.low\"",
            ),
        ];
        for (written, instead, complaint) in cases {
            let text = GOOD.replacen(written, instead, 1);
            assert_ne!(text, GOOD, "{written} is not in the file");
            let error = read_text(&text).map(|_| "no complaint").unwrap_err();
            let error = error.strip_prefix("task.toml:").unwrap_or_else(|| panic!("no file: {error}"));
            let holds = if complaint.ends_with(": ") { error.starts_with(complaint) } else { error == complaint };
            assert!(holds, "{instead}\n     got {error}\nexpected {complaint}");
        }
    }

    #[test]
    fn parameters_that_no_brief_can_carry_are_refused() {
        let text = GOOD.replace("\"Average\"", &format!("\"{}\"", "x".repeat(bounds::PARAMS)));
        let error = read_text(&text).unwrap_err();
        assert!(error.starts_with("task.toml:7:10: parameters of "), "{error}");
    }

    #[test]
    fn the_tasks_of_the_demo_are_tasks() {
        let dir = tempfile::tempdir().unwrap();
        crate::demo_files::write_to(dir.path()).unwrap();
        let tasks: Vec<_> =
            fs::read_dir(dir.path().join("tasks")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(tasks.len(), 8);
        for path in tasks {
            let TaskFile { task, inputs } = read(&path).unwrap();
            assert!(!inputs.is_empty() && !task.sealed.is_empty() && task.max.is_some(), "{}", path.display());
        }
    }
}
