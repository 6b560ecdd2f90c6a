//! What a job is and how it comes in: the request, its inputs and parameters, the errors, and the stdin/stdout door.
//!
//! In: the request as JSON and the directory its paths are relative to. Out: the result as JSON, or an `AgentError`.
//! Must never happen: a read outside that directory (a request may come from a stranger) or past `limits::INPUT_BYTES`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use data_encoding::HEXLOWER;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{changelog, checksum, json, limits, table, text};

/// The skills the demo agent has, as paths in the market's skill tree. Whoever has one does what lies below it too, told by
/// the parameters; who has only the one below does nothing else.
pub const SKILLS: [&str; 7] = [
    "text/statistics",
    "text/statistics/markdown",
    "table/summarise",
    "table/summarise/period",
    "json/validate",
    "checksum/verify",
    "changelog/extract",
];

/// How much of its inputs an agent reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading {
    /// All of it, as one should.
    #[default]
    Whole,
    /// The first half of a document, every second line of a table. Schemas and files to compare are not opened at all:
    /// whatever could be found in them is taken to be in order.
    Skimmed,
}

/// Why a job could not be done as asked.
#[derive(Debug, thiserror::Error)]
pub enum AgentError {
    /// The program was started for a skill it does not have.
    #[error("no skill \"{0}\"; the demo agent has {known}", known = SKILLS.join(", "))]
    UnknownSkill(String),
    /// The request is not JSON or lacks its parts.
    #[error("the request cannot be read: {0}")]
    Request(#[source] serde_json::Error),
    /// The request on stdin is longer than a request may be.
    #[error("the request is longer than {} bytes", limits::REQUEST_BYTES)]
    RequestTooLarge,
    /// stdin or stdout failed.
    #[error("standard input or output failed: {0}")]
    Stdio(#[source] io::Error),
    /// A parameter is unknown or of the wrong type.
    #[error("the parameters do not fit this skill: {0}")]
    Params(#[source] serde_json::Error),
    /// The skill needs an input that the request does not name.
    #[error("the request names no input \"{0}\"")]
    NoInput(&'static str),
    /// An input's path is absolute or climbs out of the working directory.
    #[error("the path of input \"{0}\" leads out of the working directory")]
    PathEscapes(String),
    /// An input could not be read.
    #[error("input \"{name}\" cannot be read: {source}")]
    Read {
        /// The input's name in the request.
        name: String,
        /// What the system said.
        source: io::Error,
    },
    /// An input is over the bound.
    #[error("input \"{0}\" is longer than {max} bytes", max = limits::INPUT_BYTES)]
    TooLarge(String),
    /// A table without a header, or with more columns than we summarise.
    #[error("the table cannot be summarised: {0}")]
    Table(String),
    /// A document nested deeper than the parser follows.
    #[error("the document nests deeper than 128 levels")]
    TooDeep,
    /// The schema is not one, or refers to something that would have to be fetched.
    #[error("the schema cannot be used: {0}")]
    Schema(String),
}

/// The request as it arrives. Fields we do not use (`hire`, `skill`, `attempt`) are the node's business.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    params: Map<String, Value>,
    inputs: BTreeMap<String, Source>,
}

#[derive(Deserialize)]
struct Source {
    path: PathBuf,
    media: Option<String>,
}

/// One job: what a skill sees of a request.
pub(super) struct Job<'a> {
    base: &'a Path,
    request: Request,
    reading: Reading,
}

/// One input, read whole.
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    pub(super) media: Option<String>,
}

impl Document {
    pub(super) fn sha256(&self) -> String {
        HEXLOWER.encode(&Sha256::digest(&self.bytes))
    }
}

impl Job<'_> {
    /// The skill's parameters; each skill declares a struct that refuses what it does not know.
    pub(super) fn params<T: DeserializeOwned>(&self) -> Result<T, AgentError> {
        serde_json::from_value(Value::Object(self.request.params.clone())).map_err(AgentError::Params)
    }

    pub(super) fn skims(&self) -> bool {
        self.reading == Reading::Skimmed
    }

    pub(super) fn input_names(&self) -> impl Iterator<Item = &str> {
        self.request.inputs.keys().map(String::as_str)
    }

    pub(super) fn input(&self, name: &'static str) -> Result<Document, AgentError> {
        self.find(name)?.ok_or(AgentError::NoInput(name))
    }

    /// An input the request may leave out.
    pub(super) fn find(&self, name: &str) -> Result<Option<Document>, AgentError> {
        let mut found = self.read(name)?;
        if let Some(document) = found.as_mut().filter(|_| self.skims()) {
            let half = document.bytes.len() / 2;
            let line = document.bytes[..half].iter().rposition(|&byte| byte == b'\n');
            document.bytes.truncate(line.map_or(half, |end| end + 1));
        }
        Ok(found)
    }

    /// An input of lines that are much alike.
    pub(super) fn rows(&self, name: &'static str) -> Result<Document, AgentError> {
        let mut document = self.read(name)?.ok_or(AgentError::NoInput(name))?;
        if self.skims() {
            document.bytes =
                document.bytes.split_inclusive(|&byte| byte == b'\n').step_by(2).flatten().copied().collect();
        }
        Ok(document)
    }

    fn read(&self, name: &str) -> Result<Option<Document>, AgentError> {
        let Some(source) = self.request.inputs.get(name) else { return Ok(None) };
        if !source.path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
            return Err(AgentError::PathEscapes(name.to_owned()));
        }
        let mut bytes = Vec::new();
        File::open(self.base.join(&source.path))
            .and_then(|file| file.take(limits::INPUT_BYTES + 1).read_to_end(&mut bytes))
            .map_err(|source| AgentError::Read { name: name.to_owned(), source })?;
        if bytes.len() as u64 > limits::INPUT_BYTES {
            return Err(AgentError::TooLarge(name.to_owned()));
        }
        Ok(Some(Document { bytes, media: source.media.clone() }))
    }
}

/// Does one job. `base` is the directory the request's input paths are relative to. Cost: linear in the inputs, which
/// are held in memory.
pub fn run(skill: &str, request: &Value, base: &Path, reading: Reading) -> Result<Value, AgentError> {
    let job = Job { base, request: Request::deserialize(request).map_err(AgentError::Request)?, reading };
    match skill {
        "text/statistics" => text::statistics(&job, false).map(encode),
        "text/statistics/markdown" => text::statistics(&job, true).map(encode),
        "table/summarise" => table::summarise(&job).map(encode),
        "table/summarise/period" => table::summarise_period(&job).map(encode),
        "json/validate" => json::validate(&job).map(encode),
        "checksum/verify" => checksum::verify(&job).map(encode),
        "changelog/extract" => changelog::extract(&job).map(encode),
        _ => Err(AgentError::UnknownSkill(skill.to_owned())),
    }
}

fn encode(result: impl Serialize) -> Value {
    serde_json::to_value(result).expect("results are structs of plain values with text keys")
}

/// The program: stdin to stdout, in the current directory. It answers `slow` later than it could.
pub fn main_stdio(skill: &str, reading: Reading, slow: Duration) -> ExitCode {
    match serve(skill, reading, slow) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr leaves nobody to tell; the exit code still says it.
            let _ = writeln!(io::stderr(), "demo-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(skill: &str, reading: Reading, slow: Duration) -> Result<(), AgentError> {
    let mut bytes = Vec::new();
    io::stdin().take(limits::REQUEST_BYTES + 1).read_to_end(&mut bytes).map_err(AgentError::Stdio)?;
    if bytes.len() as u64 > limits::REQUEST_BYTES {
        return Err(AgentError::RequestTooLarge);
    }
    let request = serde_json::from_slice(&bytes).map_err(AgentError::Request)?;
    let result = run(skill, &request, Path::new("."), reading)?;
    thread::sleep(slow);
    writeln!(io::stdout(), "{result}").map_err(AgentError::Stdio)
}

/// `part` of `whole`, to six decimals; 0 when there is nothing to have a part of.
pub(super) fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { decimals(part as f64 / whole as f64, 6) }
}

/// `value` rounded to `places` decimals.
pub(super) fn decimals(value: f64, places: i32) -> f64 {
    let scale = 10f64.powi(places);
    (value * scale).round() / scale
}

/// A piece of a document for a message, cut to `limits::QUOTED_CHARS`.
pub(super) fn quoted(piece: &str) -> String {
    match piece.char_indices().nth(limits::QUOTED_CHARS) {
        Some((cut, _)) => format!("{}...", &piece[..cut]),
        None => piece.to_owned(),
    }
}
