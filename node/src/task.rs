//! A task as its owner writes it, private part included: `task.toml`, or the same keys in JSON with everything inline
//! (module [`inline`]). In: either. Out: the protocol's [`Task`], still without its inputs, and what is to become these.
//! Reads only; what breaks a bound of the market is said here, with its place, and not later by the node.
//!
//! ```toml
//! skill = "table/summarise"
//! summary = "Mean and trend of a monthly table"     # public
//! slots = 1                                         # how many workers; 1 unless said
//! agree = 2                                         # how many of their results must say the same
//! properties = { rows = 820 }                       # public: typed facts that workers may ask for
//! [brief]                                           # private, for the winner
//! inputs = { table = "co2.csv" }                    # paths are relative to this file
//! params = { column = "Average" }                   # any TOML; the agent gets it as JSON
//! [accept]
//! schema = "out.schema.json"
//! checks = ["result.rows == 820"]                   # public
//! compare = "result.mean"                           # what must agree; the whole result unless said
//! sealed = ["result.mean in [355.0, 361.0]"]        # shown with the verdict
//! review = "auto"                                   # or "person"
//! rating = "auto"                                   # or "person", who then has five minutes after the verdict
//! [[milestone]]                                     # parts before the last, which [accept] is of
//! title = "rows"
//! share = 0.25                                      # of the price, owed once it is accepted
//! checks = ["result.rows == 820"]                   # also `schema`
//! [arbiter]                                         # who decides a contested hire; nobody unless said
//! agent = "8a88e3dd..."                             # one that serves market/arbitrate; asked before anybody is hired
//! within = "1d"                                     # of the worker's contest
//! [price]
//! max = "0.05 USD"
//! [time]
//! bids = "3s"                                       # how long claims are collected
//! begin = "10m"                                     # how long a chosen worker may take to begin
//! done = "5m"                                       # from the begin to the delivery
//! review = "10m"                                    # from the acknowledged delivery to the verdict
//! expires = "10m"                                   # how long to look for a worker
//! [choose]
//! where = "retention_days = 0"
//! prefer = ["reputation.low", "price"]              # also "time", "fit"; the first that differs decides
//! bar = 0.6                                         # who is known to be this good has first call
//! newcomers = { share = 0.1, up_to = "0.10 USD" }   # of my hires, that go to agents without history; or 0.1
//! ```

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use gigmesh_protocol::codec::Text;
use gigmesh_protocol::hire::selection::{Choosing, Lane, Prefer};
use gigmesh_protocol::hire::task::{Review, Task};
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::limits as bounds;
use gigmesh_protocol::market::checks::{Assert, Checks, Schema};
use gigmesh_protocol::market::constraint::{Constraint, Properties};
use gigmesh_protocol::market::price::Price;
use gigmesh_protocol::market::{Arbiter, Input, Milestone, Milestones, Skill};
use gigmesh_protocol::time::Millis;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::{FileError, Parsed, Source, to_json};

pub mod inline;

/// What becomes an input of the task.
#[derive(Debug)]
pub struct TaskInput {
    /// How the task calls it.
    pub name: Text<{ bounds::NAME }>,
    /// Its bytes.
    pub content: Content,
    /// Its media type: as said, or by the file's extension.
    pub media: Text<{ bounds::NAME }>,
}

/// Where the bytes of an input are.
#[derive(Debug)]
pub enum Content {
    /// In the file at this path.
    Path(PathBuf),
    /// In this file.
    Open(File),
    /// Here.
    Bytes(Vec<u8>),
}

/// A task, understood.
#[derive(Debug)]
pub struct TaskFile {
    /// The task; its `inputs` are empty until their bytes are in the node's store.
    pub task: Task,
    /// What they are made of.
    pub inputs: Vec<TaskInput>,
}

/// How a task is written down.
trait Form {
    type Schema: DeserializeOwned;
    type Input: DeserializeOwned;
    type Params: DeserializeOwned;

    fn schema(&self, given: Self::Schema) -> Result<Schema, String>;
    fn params(&self, given: Self::Params) -> Result<serde_json::Value, String>;
    /// The input's content, its size in bytes, and its media type.
    fn input(&self, given: Self::Input) -> Result<(Content, u64, String), String>;
}

/// A complaint about the value that a JSON pointer (RFC 6901) names.
#[derive(Debug)]
struct Wrong {
    at: String,
    message: String,
}

impl Wrong {
    fn new(at: impl Into<String>, message: impl ToString) -> Self {
        Self { at: at.into(), message: message.to_string() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = ""))]
struct Written<F: Form> {
    skill: Parsed<Skill>,
    summary: Text<{ bounds::SUMMARY }>,
    slots: Option<u16>,
    agree: Option<u16>,
    properties: Option<F::Params>,
    #[serde(default)]
    brief: Brief<F>,
    #[serde(default)]
    accept: Accept<F>,
    #[serde(default = "Vec::new")]
    milestone: Vec<Part<F>>,
    arbiter: Option<Judge>,
    #[serde(default)]
    price: Ceiling,
    #[serde(default)]
    time: Time,
    #[serde(default)]
    choose: Choose,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = ""))]
struct Brief<F: Form> {
    #[serde(default = "BTreeMap::new")]
    inputs: BTreeMap<String, F::Input>,
    params: Option<F::Params>,
}

impl<F: Form> Default for Brief<F> {
    fn default() -> Self {
        Self { inputs: BTreeMap::new(), params: None }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = ""))]
struct Accept<F: Form> {
    schema: Option<F::Schema>,
    #[serde(default)]
    checks: Vec<String>,
    #[serde(default)]
    sealed: Vec<String>,
    compare: Option<String>,
    #[serde(default)]
    review: Review,
    #[serde(default)]
    rating: Review,
}

impl<F: Form> Default for Accept<F> {
    fn default() -> Self {
        let (review, rating) = (Review::default(), Review::default());
        Self { schema: None, checks: Vec::new(), sealed: Vec::new(), compare: None, review, rating }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = ""))]
struct Part<F: Form> {
    title: Text<{ bounds::NAME }>,
    share: f64,
    schema: Option<F::Schema>,
    #[serde(default)]
    checks: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Judge {
    agent: Parsed<AgentId>,
    within: Option<Parsed<Millis>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ceiling {
    max: Option<Parsed<Price>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Time {
    bids: Option<Parsed<Millis>>,
    begin: Option<Parsed<Millis>>,
    done: Option<Parsed<Millis>>,
    review: Option<Parsed<Millis>>,
    expires: Option<Parsed<Millis>>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choose {
    r#where: Option<Parsed<Constraint>>,
    #[serde(default)]
    prefer: Vec<Prefer>,
    bar: Option<f64>,
    newcomers: Option<Newcomers>,
}

/// The newcomers' lane: a share, or a share with a ceiling.
#[derive(Deserialize)]
#[serde(untagged, expecting = "a share like 0.1, or { share = 0.1, up_to = \"0.10 USD\" }")]
enum Newcomers {
    Share(f64),
    Lane(NewcomersLane),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NewcomersLane {
    share: f64,
    up_to: Option<Parsed<Price>>,
}

/// Reads a task file.
///
/// # Errors
/// The first thing its author has to put right.
pub fn read(path: &Path) -> Result<TaskFile, FileError> {
    let source = Source::read(path)?;
    let written = source.parse()?;
    understand(&InToml(&source), written).map_err(|Wrong { at, message }| source.at_pointer(&at, message))
}

fn understand<F: Form>(form: &F, written: Written<F>) -> Result<TaskFile, Wrong> {
    let Written { skill, summary, slots, agree, properties, brief, accept, milestone, arbiter, price, time, choose } =
        written;
    if agree.is_some_and(|agree| agree < 2 || agree > slots.unwrap_or(1)) {
        return Err(Wrong::new("/agree", "from 2 to as many as there are `slots`"));
    }
    if slots.is_some_and(|slots| !(1..=bounds::SLOTS).contains(&slots)) {
        return Err(Wrong::new("/slots", format!("from 1 to {} workers", bounds::SLOTS)));
    }
    let expires = span("/time/expires", time.expires, Millis::mins(10), bounds::OFFER_LIFE)?;
    let bids = span("/time/bids", time.bids, Millis::secs(3).min(Millis(expires.0 / 2)), bounds::OFFER_LIFE)?;
    if bids >= expires {
        let message =
            format!("claims are collected for {bids}, and after {expires} nobody is looked for any more (`expires`)");
        return Err(Wrong::new("/time/bids", message));
    }
    let schema = accept.schema.map(|given| form.schema(given)).transpose();
    let task = Task {
        skill: skill.0,
        summary: summary.into(),
        slots: slots.unwrap_or(1),
        agree,
        compare: accept.compare.map(compared).transpose()?,
        milestones: milestones(form, milestone)?,
        arbiter: arbiter.map(third_party).transpose()?,
        call: None,
        constraint: choose.r#where.map(|parsed| parsed.0),
        properties: properties.map(|given| facts(form, given)).transpose()?.unwrap_or_default(),
        checks: Checks {
            schema: schema.map_err(|error| Wrong::new("/accept/schema", error))?,
            asserts: asserts("/accept/checks", accept.checks)?,
        },
        sealed: asserts("/accept/sealed", accept.sealed)?,
        review_by: accept.review,
        rating_by: accept.rating,
        max: price.max.map(|parsed| parsed.0),
        choosing: choosing(choose.prefer, choose.bar, choose.newcomers)?,
        bids,
        begin: span("/time/begin", time.begin, Millis::mins(10), bounds::CLAIM_LIFE)?,
        done: span("/time/done", time.done, Millis::mins(10), bounds::WORK)?,
        review: span("/time/review", time.review, Millis::mins(10), bounds::REVIEW)?,
        expires,
        inputs: Vec::new(),
        params: brief.params.map(|given| params(form, given)).transpose()?,
    };
    Ok(TaskFile { task, inputs: inputs(form, brief.inputs)? })
}

/// The path of what is compared, found to be one.
fn compared(path: String) -> Result<String, Wrong> {
    let wrong = |error| Wrong::new("/accept/compare", format!("{path:?}: {error}"));
    // An assertion that always can be read, with this path in it.
    let step = |byte: u8| byte.is_ascii_alphanumeric() || b"_.[]-".contains(&byte);
    let plain = path.starts_with("result") && path.bytes().all(step);
    let rule = || Wrong::new("/accept/compare", format!("{path:?}: a path into the result, like \"result.mean\""));
    if !plain {
        return Err(rule());
    }
    format!("{path} == 0").parse::<Assert>().map_err(wrong)?;
    Ok(path)
}

fn milestones<F: Form>(form: &F, parts: Vec<Part<F>>) -> Result<Milestones, Wrong> {
    if parts.len() > bounds::MILESTONES {
        return Err(Wrong::new("/milestone", format!("at most {} milestones", bounds::MILESTONES)));
    }
    let mut milestones = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        let at = |key: &str| format!("/milestone/{index}/{key}");
        let schema = part.schema.map(|given| form.schema(given)).transpose();
        let share = (part.share * 1000.0).round();
        if !(1.0..1000.0).contains(&share) {
            return Err(Wrong::new(at("share"), "a share of the price between 0 and 1, like 0.25"));
        }
        milestones.push(Milestone {
            title: part.title,
            share: share as u16,
            checks: Checks {
                schema: schema.map_err(|error| Wrong::new(at("schema"), error))?,
                asserts: asserts(&at("checks"), part.checks)?,
            },
        });
    }
    if milestones.iter().map(|part| u32::from(part.share)).sum::<u32>() >= 1000 {
        return Err(Wrong::new("/milestone", "the shares leave nothing for the last part; together they are below 1"));
    }
    Ok(Milestones::fit(milestones))
}

/// Who decides, and how soon: within a day unless said.
fn third_party(Judge { agent, within }: Judge) -> Result<Arbiter, Wrong> {
    let within = span("/arbiter/within", within, Millis::days(1), bounds::ARBITRATION)?;
    if within < bounds::ARBITRATION_MIN {
        return Err(Wrong::new("/arbiter/within", format!("at least {}", bounds::ARBITRATION_MIN)));
    }
    Ok(Arbiter { agent: agent.0, within })
}

fn facts<F: Form>(form: &F, given: F::Params) -> Result<Properties, Wrong> {
    let wrong = |error: String| Wrong::new("/properties", error);
    match form.params(given).map_err(wrong)? {
        serde_json::Value::Object(object) => Properties::from_json(&object).map_err(|error| wrong(error.to_string())),
        _ => Err(wrong("properties are a table, like { rows = 820 }".to_owned())),
    }
}

/// Of every ten hires one goes to a newcomer unless the task says otherwise; none where a `bar` asks for the proven.
const NEWCOMERS: f64 = 0.1;

fn choosing(prefer: Vec<Prefer>, bar: Option<f64>, newcomers: Option<Newcomers>) -> Result<Choosing, Wrong> {
    let per_mille = |at: &str, share: f64| {
        let fits = (0.0..=1.0).contains(&share);
        fits.then(|| (share * 1000.0).round() as u16).ok_or_else(|| Wrong::new(at, "from 0 to 1"))
    };
    let default = if bar.is_some() { 0.0 } else { NEWCOMERS };
    let (at, share, up_to) = match newcomers {
        None => ("/choose/newcomers", default, None),
        Some(Newcomers::Share(share)) => ("/choose/newcomers", share, None),
        Some(Newcomers::Lane(lane)) => ("/choose/newcomers/share", lane.share, lane.up_to.map(|price| price.0)),
    };
    let newcomers = Lane { share: per_mille(at, share)?, up_to };
    // Without a word: who is known to be good, then who is cheap. Else anybody could win by making many claims.
    let prefer = if prefer.is_empty() { vec![Prefer::ReputationLow, Prefer::Price] } else { prefer };
    Ok(Choosing { prefer, bar: bar.map(|bar| per_mille("/choose/bar", bar)).transpose()?, newcomers })
}

fn span(at: &str, given: Option<Parsed<Millis>>, default: Millis, longest: Millis) -> Result<Millis, Wrong> {
    let length = given.map_or(default, |given| given.0);
    if (1..=longest.0).contains(&length.0) {
        Ok(length)
    } else {
        Err(Wrong::new(at, format!("more than nothing and at most {longest}")))
    }
}

/// Assertions, each found to be one that can run. Read as texts, because an error within a list has the list's place.
fn asserts(at: &str, written: Vec<String>) -> Result<Vec<Assert>, Wrong> {
    let read = |(index, text): (usize, String)| {
        let wrong = |error| Wrong::new(format!("{at}/{index}"), format!("{text:?}: {error}"));
        let assert: Assert = text.parse().map_err(wrong)?;
        Checks { schema: None, asserts: vec![assert.clone()] }.compile().map_err(wrong)?;
        Ok(assert)
    };
    written.into_iter().enumerate().map(read).collect()
}

fn params<F: Form>(form: &F, given: F::Params) -> Result<String, Wrong> {
    let wrong = |error| Wrong::new("/brief/params", error);
    let text = form.params(given).map_err(wrong)?.to_string();
    if text.len() <= bounds::PARAMS {
        return Ok(text);
    }
    let message =
        format!("parameters of {} bytes, at most {} go into a brief: make them an input", text.len(), bounds::PARAMS);
    Err(wrong(message))
}

fn inputs<F: Form>(form: &F, written: BTreeMap<String, F::Input>) -> Result<Vec<TaskInput>, Wrong> {
    let at = |name: &str| format!("/brief/inputs/{}", name.replace('~', "~0").replace('/', "~1"));
    let read = |(name, given): (String, F::Input)| {
        let understood = form.input(given).and_then(|given| input(&name, given));
        understood.map_err(|message| Wrong::new(at(&name), format!("input {name:?}: {message}")))
    };
    if let Some(extra) = written.keys().nth(bounds::INPUTS) {
        return Err(Wrong::new(at(extra), format!("a task has at most {} inputs", bounds::INPUTS)));
    }
    written.into_iter().map(read).collect()
}

/// An input of this name, from its content, size and media type.
fn input(name: &str, (content, size, media): (Content, u64, String)) -> Result<TaskInput, String> {
    let named = Text::try_from(name).ok().filter(|_| Input::is_name(name));
    let rule = || format!("is to be named with at most {} of a-z, 0-9, '_' and '-'", bounds::NAME);
    let named = named.ok_or_else(rule)?;
    if size > bounds::BLOB {
        return Err(format!("has {size} bytes, at most {} are sent", bounds::BLOB));
    }
    let media =
        Text::try_from(media.as_str()).map_err(|_| format!("a media type has at most {} bytes", bounds::NAME))?;
    Ok(TaskInput { name: named, content, media })
}

/// The file at `path`, with its size and media type.
fn file(path: PathBuf) -> Result<(Content, u64, String), String> {
    let found = path.metadata().map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    if !found.is_file() {
        return Err(format!("{} is not a file", path.display()));
    }
    let media = media(&path).to_owned();
    Ok((Content::Path(path), found.len(), media))
}

/// The file at `path` as the input of this name.
///
/// # Errors
/// What is to be put right.
pub fn file_input(name: &str, path: &Path) -> Result<TaskInput, String> {
    file(path.to_owned()).and_then(|given| input(name, given)).map_err(|message| format!("input {name:?}: {message}"))
}

/// `task.toml`: schema and inputs are named by their paths, from the file's directory.
struct InToml<'a>(&'a Source);

impl Form for InToml<'_> {
    type Schema = PathBuf;
    type Input = PathBuf;
    type Params = toml::Value;

    fn schema(&self, path: PathBuf) -> Result<Schema, String> {
        self.0.read_schema(&path)
    }

    fn params(&self, params: toml::Value) -> Result<serde_json::Value, String> {
        to_json(params)
    }

    fn input(&self, path: PathBuf) -> Result<(Content, u64, String), String> {
        file(self.0.resolve(&path))
    }
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
        assert_eq!(task.choosing.prefer, [Prefer::ReputationLow, Prefer::Price]);
        let params: serde_json::Value = serde_json::from_str(&task.params.unwrap()).unwrap();
        let expected = serde_json::json!({ "column": "Average", "since": "2026-01-01", "missing": [-1, -9.99] });
        assert_eq!(params, expected);
        let [TaskInput { name, content: Content::Path(path), media }] = &inputs[..] else { panic!("{inputs:?}") };
        assert_eq!((&**name, &**media), ("table", "text/csv"));
        assert!(path.ends_with("co2.CSV"));
    }

    /// What a task of the full market says besides.
    const MORE: &str = r#"
skill = "table/summarise"
summary = ""
slots = 3
agree = 2
properties = { rows = 820 }
[accept]
compare = "result.means[0]"
rating = "person"
[[milestone]]
title = "rows"
share = 0.25
checks = ["result.rows == 820"]
[time]
begin = "1h"
[choose]
bar = 0.6
newcomers = { share = 0.2, up_to = "0.10 USD" }
"#;

    #[test]
    fn competition_milestones_and_agreement_are_understood() {
        let task = read_text(MORE).unwrap().task;
        assert_eq!((task.slots, task.agree, task.compare.as_deref()), (3, Some(2), Some("result.means[0]")));
        assert_eq!((task.rating_by, task.begin), (Review::Person, Millis::hours(1)));
        let [part] = &task.milestones[..] else { panic!("{:?}", task.milestones) };
        assert_eq!((&*part.title, part.share, part.checks.asserts.len()), ("rows", 250, 1));
        assert_eq!(task.properties.iter().count(), 1);
        let lane = Lane { share: 200, up_to: "0.10 USD".parse().ok() };
        let prefer = vec![Prefer::ReputationLow, Prefer::Price];
        assert_eq!(task.choosing, Choosing { prefer, bar: Some(600), newcomers: lane });
        let plain = read_text("skill = \"a/b\"\nsummary = \"\"").unwrap().task.choosing;
        assert_eq!(
            (plain.bar, plain.newcomers.share),
            (None, 100),
            "newcomers have a way in unless the task says otherwise"
        );
        for (written, instead, complaint) in [
            ("agree = 2", "agree = 4", "from 2 to as many as there are `slots`"),
            ("agree = 2", "agree = 1", "from 2 to as many as there are `slots`"),
            ("\"result.means[0]\"", "\"means of all\"", "a path into the result, like \"result.mean\""),
            ("share = 0.25", "share = 1", "a share of the price between 0 and 1, like 0.25"),
            ("bar = 0.6", "bar = 60", "from 0 to 1"),
            ("share = 0.2,", "share = -0.2,", "from 0 to 1"),
            ("{ share = 0.2, up_to = \"0.10 USD\" }", "\"some\"", "a share like 0.1, or { share = 0.1"),
            ("{ rows = 820 }", "\"820\"", "properties are a table, like { rows = 820 }"),
        ] {
            let text = MORE.replacen(written, instead, 1);
            assert_ne!(text, MORE, "{written} is not in the file");
            let error = read_text(&text).map(|_| "no complaint").unwrap_err();
            assert!(error.contains(complaint), "{instead}: {error}");
        }
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
            (
                "slots = 2",
                "slots = -1",
                "4:9: a whole number, not below 0 and not too large, is wanted here, not integer -1",
            ),
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
            (
                "\"person\"",
                "\"nobody\"",
                "12:10: \"nobody\" is none of those that are known here: \"auto\", \"person\"",
            ),
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
                "20:10: \"luck\" is no way to choose; use \"price\", \"time\", \"fit\" or \"reputation.low\"",
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
        assert_eq!(tasks.len(), 24);
        for path in tasks {
            let TaskFile { task, inputs } = read(&path).unwrap();
            assert!(!inputs.is_empty() && !task.sealed.is_empty() && task.max.is_some(), "{}", path.display());
        }
    }
}
