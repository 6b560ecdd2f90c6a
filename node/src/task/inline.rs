//! A task in JSON, as a program or a language model writes it: the keys of `task.toml`, but the schema stands there itself,
//! and an input is its content, or the path of a file that the operator lets be sent.
//!
//! What must never happen: a file is read that is not below an allowed directory, whatever links or `..` its path goes by.

use std::fs::File;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gigmesh_protocol::market::checks::Schema;
use rustix::fs::{Mode, OFlags, ResolveFlags, open, openat2};
use serde::Deserialize;
use serde_json::Value;

use super::{Content, Form, TaskFile, Wrong, media, understand};
use crate::config::{explain, understood_schema};
use crate::limits::MAX_INLINE;

/// Something for whoever wrote a JSON document to put right: one message, with the place in it as a JSON pointer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}{between}{message}", between = if at.is_empty() { "" } else { ": " })]
pub struct JsonError {
    at: String,
    message: String,
}

impl JsonError {
    /// The place.
    pub fn at(&self) -> &str {
        &self.at
    }
}

/// Reads a task; files that are its inputs lie below one of these directories.
///
/// # Errors
/// The first thing its author has to put right.
pub fn read(task: Value, allowed: &[PathBuf]) -> Result<TaskFile, JsonError> {
    understand(&InJson(allowed), parse(task)?).map_err(|Wrong { at, message }| JsonError { at, message })
}

/// A document with a fixed form.
///
/// # Errors
/// The first thing in it that does not fit.
pub fn parse<T: serde::de::DeserializeOwned>(document: Value) -> Result<T, JsonError> {
    serde_path_to_error::deserialize(document).map_err(|error| {
        let at = error.path().iter().map(|step| match step {
            serde_path_to_error::Segment::Seq { index } => format!("/{index}"),
            serde_path_to_error::Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            _ => String::new(),
        });
        JsonError { at: at.collect(), message: explain(&error.inner().to_string()) }
    })
}

struct InJson<'a>(&'a [PathBuf]);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Given {
    text: Option<String>,
    json: Option<Value>,
    base64: Option<String>,
    path: Option<PathBuf>,
    media: Option<String>,
}

impl Form for InJson<'_> {
    type Schema = Value;
    type Input = Given;
    type Params = Value;

    fn schema(&self, schema: Value) -> Result<Schema, String> {
        understood_schema(&schema.to_string())
    }

    fn params(&self, params: Value) -> Result<Value, String> {
        Ok(params)
    }

    fn input(&self, given: Given) -> Result<(Content, u64, String), String> {
        let (bytes, kind) = match given {
            Given { text: Some(text), json: None, base64: None, path: None, .. } => (text.into_bytes(), "text/plain"),
            Given { text: None, json: Some(value), base64: None, path: None, .. } => {
                (value.to_string().into_bytes(), "application/json")
            }
            Given { text: None, json: None, base64: Some(text), path: None, .. } => {
                let bytes = STANDARD.decode(text.trim()).map_err(|error| format!("is not standard base64: {error}"))?;
                (bytes, "application/octet-stream")
            }
            Given { text: None, json: None, base64: None, path: Some(path), .. } => {
                let (file, size) = open_below(self.0, &path)?;
                return Ok((Content::Open(file), size, given.media.unwrap_or_else(|| media(&path).to_owned())));
            }
            _ => return Err("is given by exactly one of `text`, `json`, `base64` and `path`".to_owned()),
        };
        if bytes.len() > MAX_INLINE {
            let rule = format!("has {} bytes, at most {MAX_INLINE} are given inline", bytes.len());
            return Err(format!("{rule}: put it into a file below an allowed directory, and give its `path`"));
        }
        let size = bytes.len() as u64;
        Ok((Content::Bytes(bytes), size, given.media.unwrap_or_else(|| kind.to_owned())))
    }
}

/// The file at `path` if it lies below one of the directories. The kernel resolves it beneath the directory, so that
/// neither `..` nor a link, nor one that is put there at this moment, leads out of it.
fn open_below(allowed: &[PathBuf], path: &Path) -> Result<(File, u64), String> {
    let shown = path.display();
    if allowed.is_empty() {
        return Err("files are not allowed here (the operator may allow a directory with --allow-dir): give the \
                    content itself as `text`, `json` or `base64`"
            .to_owned());
    }
    let below = |dir: &PathBuf| Some((dir.clone(), path.strip_prefix(dir).ok()?.to_owned()));
    let Some((dir, rest)) = allowed.iter().find_map(below) else {
        let dirs: Vec<String> = allowed.iter().map(|dir| dir.display().to_string()).collect();
        return Err(format!("{shown} is not an absolute path below {}", dirs.join(" or ")));
    };
    let failed = |error: rustix::io::Errno| match error {
        rustix::io::Errno::XDEV => format!("{shown} leads out of {}", dir.display()),
        other => format!("{shown} cannot be read: {}", std::io::Error::from(other)),
    };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC;
    let root = open(&dir, flags | OFlags::DIRECTORY, Mode::empty()).map_err(failed)?;
    // Opening a pipe must not wait for somebody at its other end.
    let file = openat2(&root, &rest, flags | OFlags::NONBLOCK, Mode::empty(), ResolveFlags::BENEATH).map_err(failed)?;
    let file = File::from(file);
    let found = file.metadata().map_err(|error| format!("{shown} cannot be read: {error}"))?;
    if found.is_file() { Ok((file, found.len())) } else { Err(format!("{shown} is not a file")) }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Read;

    use serde_json::json;

    use super::*;

    fn good() -> Value {
        json!({
            "skill": "table/summarise", "summary": "Mean and trend", "slots": 2,
            "brief": {
                "inputs": {
                    "csv": { "text": "a,b\n1,2\n", "media": "text/csv" }, "json": { "json": [1, { "a": null }] },
                    "raw": { "base64": "AAH/" },
                },
                "params": { "column": "a" },
            },
            "accept": {
                "schema": { "type": "object" }, "checks": ["result.rows == 820"], "sealed": ["result.mean in [355.0, 361.0]"],
                "review": "person",
            },
            "price": { "max": "0.05 USD" }, "time": { "bids": "3s", "done": "5m" },
            "choose": { "where": "retention_days = 0", "prefer": ["price"] },
        })
    }

    #[test]
    fn a_task_in_json_says_what_a_file_says() {
        let TaskFile { task, inputs } = read(good(), &[]).unwrap();
        assert_eq!((task.skill.as_str(), task.slots, task.sealed.len()), ("table/summarise", 2, 1));
        assert_eq!(task.checks.schema.unwrap().as_str(), r#"{"type":"object"}"#);
        assert_eq!(
            (task.max.unwrap().to_string().as_str(), task.params.as_deref()),
            ("0.05 USD per task", Some(r#"{"column":"a"}"#))
        );
        let inputs = inputs.into_iter().map(|input| match input.content {
            Content::Bytes(bytes) => (input.name.to_string(), input.media.to_string(), bytes),
            other => panic!("{other:?}"),
        });
        let expected = [
            ("csv", "text/csv", &b"a,b\n1,2\n"[..]),
            ("json", "application/json", br#"[1,{"a":null}]"#),
            ("raw", "application/octet-stream", &[0, 1, 255]),
        ];
        let expected = expected.map(|(name, media, bytes)| (name.to_owned(), media.to_owned(), bytes.to_vec()));
        assert_eq!(inputs.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn every_mistake_is_told_with_its_pointer_and_what_to_do() {
        let cases = [
            ("/skill", json!("Table"), "/skill: "),
            ("/slots", json!(0), "/slots: from 1 to 64 workers"),
            (
                "/slots",
                json!("two"),
                "/slots: a whole number, not below 0 and not too large, is wanted here, not string \"two\"",
            ),
            ("/brief/inputs", json!({ "A": { "text": "" } }), "/brief/inputs/A: input \"A\": is to be named with "),
            (
                "/brief/inputs/csv",
                json!("a,b"),
                "/brief/inputs/csv: a table of keys is wanted here, not string \"a,b\"",
            ),
            ("/brief/inputs/csv", json!({}), "/brief/inputs/csv: input \"csv\": is given by exactly one of "),
            (
                "/brief/inputs/csv",
                json!({ "text": "", "json": 1 }),
                "/brief/inputs/csv: input \"csv\": is given by exactly ",
            ),
            (
                "/brief/inputs/csv",
                json!({ "base64": "?" }),
                "/brief/inputs/csv: input \"csv\": is not standard base64: ",
            ),
            (
                "/brief/inputs/csv",
                json!({ "path": "/etc/passwd" }),
                "/brief/inputs/csv: input \"csv\": files are not allowed here",
            ),
            ("/accept/schema", json!({ "type": 3 }), "/accept/schema: "),
            ("/accept/checks/0", json!("result.rows = 820"), "/accept/checks/0: \"result.rows = 820\": "),
            ("/price/max", json!("5 cents"), "/price/max: \"cents\" is not a currency; "),
            ("/time/bids", json!("11m"), "/time/bids: claims are collected for 11m, and after 10m nobody "),
            ("/choose/prefer", json!(["luck"]), "/choose/prefer/0: \"luck\" is no way to choose; "),
        ];
        for (at, instead, complaint) in cases {
            let mut task = good();
            *task.pointer_mut(at).unwrap() = instead;
            let error = read(task, &[]).map(|_| "no complaint").unwrap_err().to_string();
            assert!(error.starts_with(complaint), "\n     got {error}\nexpected {complaint}");
        }
        let mut task = good();
        task["accept"]["seeled"] = json!([]);
        let error = read(task, &[]).map(|_| "no complaint").unwrap_err().to_string();
        assert!(error.ends_with("unknown key `seeled`; did you mean `sealed`?"), "{error}");
        assert_eq!(read(json!({ "skill": "a/b" }), &[]).unwrap_err().to_string(), "the key `summary` is missing here");
    }

    #[test]
    fn files_are_sent_from_allowed_directories_only() {
        let dir = tempfile::tempdir().unwrap();
        let allowed = dir.path().join("allowed");
        fs::create_dir(&allowed).unwrap();
        fs::write(allowed.join("a.csv"), "1,2").unwrap();
        fs::write(dir.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink("../secret", allowed.join("link")).unwrap();
        std::os::unix::fs::symlink("a.csv", allowed.join("inside")).unwrap();
        let given = |path: PathBuf| {
            let given = Given { text: None, json: None, base64: None, path: Some(path), media: None };
            InJson(std::slice::from_ref(&allowed)).input(given)
        };
        for name in ["a.csv", "inside"] {
            let (content, size, _) = given(allowed.join(name)).unwrap();
            let Content::Open(mut file) = content else { panic!("{content:?}") };
            let mut text = String::new();
            file.read_to_string(&mut text).unwrap();
            assert_eq!((text.as_str(), size), ("1,2", 3));
        }
        for (path, complaint) in [
            (dir.path().join("secret"), "is not an absolute path below"),
            (allowed.join("../secret"), "leads out of"),
            (allowed.join("link"), "leads out of"),
            (allowed.join("gone"), "cannot be read"),
            (allowed.clone(), "cannot be read"),
            (PathBuf::from("a.csv"), "is not an absolute path below"),
        ] {
            let error = given(path).map(|_| "sent").unwrap_err();
            assert!(error.contains(complaint), "{error}");
        }
    }
}
