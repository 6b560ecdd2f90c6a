//! What a job is and how it comes in: the request, its inputs and parameters, the errors, and the stdin/stdout door.
//!
//! In: the request as JSON and the directory its paths are relative to. Out: the result as JSON, or an `AgentError`.
//! Must never happen: a read outside that directory (a request may come from a stranger) or past `limits::INPUT_BYTES`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::{changelog, checksum, json, limits, table, text};

/// The skills the demo agent has, as paths in the market's skill tree.
pub const SKILLS: [&str; 5] =
    ["text/statistics", "table/summarise", "json/validate", "checksum/verify", "changelog/extract"];

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
}

/// One input, read whole.
pub(super) struct Document {
    pub(super) bytes: Vec<u8>,
    pub(super) media: Option<String>,
}

impl Document {
    pub(super) fn sha256(&self) -> String {
        Sha256::digest(&self.bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl Job<'_> {
    /// The skill's parameters; each skill declares a struct that refuses what it does not know.
    pub(super) fn params<T: DeserializeOwned>(&self) -> Result<T, AgentError> {
        serde_json::from_value(Value::Object(self.request.params.clone())).map_err(AgentError::Params)
    }

    pub(super) fn input_names(&self) -> impl Iterator<Item = &str> {
        self.request.inputs.keys().map(String::as_str)
    }

    pub(super) fn input(&self, name: &'static str) -> Result<Document, AgentError> {
        self.find(name)?.ok_or(AgentError::NoInput(name))
    }

    /// An input the request may leave out.
    pub(super) fn find(&self, name: &str) -> Result<Option<Document>, AgentError> {
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
pub fn run(skill: &str, request: &Value, base: &Path) -> Result<Value, AgentError> {
    let job = Job { base, request: Request::deserialize(request).map_err(AgentError::Request)? };
    match skill {
        "text/statistics" => text::statistics(&job).map(encode),
        "table/summarise" => table::summarise(&job).map(encode),
        "json/validate" => json::validate(&job).map(encode),
        "checksum/verify" => checksum::verify(&job).map(encode),
        "changelog/extract" => changelog::extract(&job).map(encode),
        _ => Err(AgentError::UnknownSkill(skill.to_owned())),
    }
}

fn encode(result: impl Serialize) -> Value {
    serde_json::to_value(result).expect("results are structs of plain values with text keys")
}

/// The program: stdin to stdout, in the current directory.
pub fn main_stdio(skill: &str) -> ExitCode {
    match serve(skill) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A closed stderr leaves nobody to tell; the exit code still says it.
            let _ = writeln!(io::stderr(), "demo-agent: {error}");
            ExitCode::FAILURE
        }
    }
}

fn serve(skill: &str) -> Result<(), AgentError> {
    let mut bytes = Vec::new();
    io::stdin().take(limits::REQUEST_BYTES + 1).read_to_end(&mut bytes).map_err(AgentError::Stdio)?;
    if bytes.len() as u64 > limits::REQUEST_BYTES {
        return Err(AgentError::RequestTooLarge);
    }
    let request = serde_json::from_slice(&bytes).map_err(AgentError::Request)?;
    let result = run(skill, &request, Path::new("."))?;
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
