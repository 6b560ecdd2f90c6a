//! A task as its owner writes it, private part included: `task.toml`, or the same keys in JSON with everything inline
//! (module [`inline`]). In: either. Out: the protocol's [`Task`], still without its inputs, and what is to become these.
//! Reads only. What must hold of a task is the protocol's to say ([`Task::check`]); it is asked here, so that a fault is
//! told with its place, and not later by the node.
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
use gigmesh_protocol::hire::task::{Pointer, Review, Task, TaskError, TaskFault, check};
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::limits as bounds;
use gigmesh_protocol::market::checks::{Assert, Checks, Invalid as CheckError, Schema};
use gigmesh_protocol::market::constraint::{Constraint, Properties};
use gigmesh_protocol::market::price::Price;
use gigmesh_protocol::market::{Arbiter, BlobRef, Input, Milestone, Milestones, Skill};
use gigmesh_protocol::time::Millis;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::config::{FileError, Parsed, Source, to_json};
use crate::words;

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

impl From<TaskError> for Wrong {
    fn from(error: TaskError) -> Self {
        Self::new(error.at.as_str(), words::task(&error))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = ""))]
struct Written<F: Form> {
    skill: Parsed<Skill>,
    summary: String,
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
    let span = |given: Option<Parsed<Millis>>, default| given.map_or(default, |given| given.0);
    let clock = Millis::mins(10);
    let expires = span(time.expires, clock);
    let schema = accept.schema.map(|given| form.schema(given)).transpose();
    let task = Task {
        skill: skill.0,
        summary,
        slots: slots.unwrap_or(1),
        agree,
        compare: accept.compare,
        milestones: milestones(form, milestone)?,
        // Within a day unless said.
        arbiter: arbiter
            .map(|Judge { agent, within }| Arbiter { agent: agent.0, within: span(within, Millis::days(1)) }),
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
        choosing: choosing(choose.prefer, choose.bar, choose.newcomers),
        // A task that is looked at for less than the usual window has half of its time for bids.
        bids: span(time.bids, Millis::secs(3).min(Millis(expires.0 / 2))),
        begin: span(time.begin, clock),
        done: span(time.done, clock),
        review: span(time.review, clock),
        expires,
        inputs: Vec::new(),
        params: brief.params.map(|given| params(form, given)).transpose()?,
    };
    let inputs = inputs(form, brief.inputs)?;
    let sized = |(input, size): &(TaskInput, u64)| {
        // Its root is known once its bytes are in the store.
        let blob = BlobRef { root: Bytes32::default(), size: *size };
        Input { blob, name: input.name.clone(), media: input.media.clone() }
    };
    Task { inputs: inputs.iter().map(sized).collect(), ..task.clone() }.check(None, None)?;
    Ok(TaskFile { task, inputs: inputs.into_iter().map(|(input, _)| input).collect() })
}

fn milestones<F: Form>(form: &F, parts: Vec<Part<F>>) -> Result<Milestones, Wrong> {
    let mut milestones = Vec::new();
    for (index, part) in parts.into_iter().enumerate() {
        let at = |key: &str| format!("/milestone/{index}/{key}");
        let schema = part.schema.map(|given| form.schema(given)).transpose();
        milestones.push(Milestone {
            title: part.title,
            share: per_mille(part.share),
            checks: Checks {
                schema: schema.map_err(|error| Wrong::new(at("schema"), error))?,
                asserts: asserts(&at("checks"), part.checks)?,
            },
        });
    }
    let fault = TaskFault::TooMany { given: milestones.len(), most: bounds::MILESTONES };
    Milestones::try_from(milestones).map_err(|_| fault.at("/milestone").into())
}

/// A part of a whole in per mille; what is no such part becomes one that is too large.
fn per_mille(part: f64) -> u16 {
    let share = (part * 1000.0).round();
    if (0.0..=f64::from(u16::MAX)).contains(&share) { share as u16 } else { u16::MAX }
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

fn choosing(prefer: Vec<Prefer>, bar: Option<f64>, newcomers: Option<Newcomers>) -> Choosing {
    let (share, up_to) = match newcomers {
        None => (if bar.is_some() { 0.0 } else { NEWCOMERS }, None),
        Some(Newcomers::Share(share)) => (share, None),
        Some(Newcomers::Lane(lane)) => (lane.share, lane.up_to.map(|price| price.0)),
    };
    // Without a word: who is known to be good, then who is cheap. Else anybody could win by making many claims.
    let prefer = if prefer.is_empty() { vec![Prefer::ReputationLow, Prefer::Price] } else { prefer };
    Choosing { prefer, bar: bar.map(per_mille), newcomers: Lane { share: per_mille(share), up_to } }
}

/// Read as texts, because an error within a list has the list's place.
fn asserts(at: &str, written: Vec<String>) -> Result<Vec<Assert>, Wrong> {
    let read = |(index, text): (usize, String)| {
        text.parse().map_err(|error: CheckError| Wrong::new(format!("{at}/{index}"), format!("{text:?}: {error}")))
    };
    written.into_iter().enumerate().map(read).collect()
}

fn params<F: Form>(form: &F, given: F::Params) -> Result<String, Wrong> {
    let wrong = |error| Wrong::new("/brief/params", error);
    form.params(given).map(|params| params.to_string()).map_err(wrong)
}

fn inputs<F: Form>(form: &F, written: BTreeMap<String, F::Input>) -> Result<Vec<(TaskInput, u64)>, Wrong> {
    let read = |(name, given): (String, F::Input)| {
        let at = Pointer::to(&[&"brief", &"inputs", &name]);
        let wrong = |message: String| Wrong::new(at.as_str(), format!("input {name:?}: {message}"));
        let (content, size, media) = form.input(given).map_err(wrong)?;
        let named = named(&name, size).map_err(|fault| fault.at(at.clone()))?;
        let media = media_type(&media).map_err(wrong)?;
        Ok((TaskInput { name: named, content, media }, size))
    };
    written.into_iter().map(read).collect()
}

/// The name of an input that has so many bytes.
fn named(name: &str, size: u64) -> Result<Text<{ bounds::NAME }>, TaskFault> {
    check::input(name, size)?;
    Text::try_from(name).map_err(|_| TaskFault::InputName(name.to_owned()))
}

fn media_type(media: &str) -> Result<Text<{ bounds::NAME }>, String> {
    Text::try_from(media).map_err(|_| format!("a media type has at most {} bytes", bounds::NAME))
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
    let given = file(path.to_owned()).map_err(|message| format!("input {name:?}: {message}"));
    let (content, size, media) = given?;
    let named = named(name, size).map_err(|fault| words::task(&fault.at(Pointer::default())))?;
    Ok(TaskInput { name: named, content, media: media_type(&media)? })
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
