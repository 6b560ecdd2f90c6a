//! A TOML file that a person wrote: read within a bound, and every complaint about it points at a line and a column.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use gigmesh_protocol::market::checks::Schema;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::limits::{MAX_SCHEMA_FILE, MAX_TOML_FILE};

/// Something for the author of a file to put right: one message, with the place if there is one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct FileError {
    path: PathBuf,
    /// Line and column, in characters from 1.
    place: Option<(usize, usize)>,
    message: String,
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// The text of a file, and where it lies: paths in it are relative to its directory.
#[derive(Debug)]
pub struct Source {
    path: PathBuf,
    text: String,
}

impl Source {
    /// Reads a file of at most [`MAX_TOML_FILE`] bytes.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let wrong = |message| FileError { path: path.to_owned(), place: None, message };
        let text = read_text(path, MAX_TOML_FILE).map_err(wrong)?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// The directory that paths in the file are relative to.
    pub fn dir(&self) -> PathBuf {
        let dir = self.path.parent().unwrap_or(Path::new("")).join(".");
        // Fails only without a current directory; what is in it is not found then, which is said when it is opened.
        std::path::absolute(&dir).unwrap_or(dir)
    }

    /// What the file says.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, FileError> {
        toml::from_str(&self.text).map_err(|error| {
            let message = explain(error.message());
            match error.span() {
                Some(span) => self.at(span, message),
                None => FileError { path: self.path.clone(), place: None, message },
            }
        })
    }

    /// A complaint about these bytes of the file.
    pub fn at(&self, span: Range<usize>, message: impl fmt::Display) -> FileError {
        let before = self.text.get(..span.start).unwrap_or(&self.text);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        FileError { path: self.path.clone(), place: Some((line, column)), message: message.to_string() }
    }

    /// A complaint about these bytes, unless the rule holds.
    pub fn ensure(&self, rule: bool, span: Range<usize>, message: impl fmt::Display) -> Result<(), FileError> {
        if rule { Ok(()) } else { Err(self.at(span, message)) }
    }

    /// A path in the file, from the directory the file is in.
    pub fn resolve(&self, path: &Path) -> PathBuf {
        self.dir().join(path)
    }

    /// A complaint about the value that a JSON pointer (RFC 6901) names, or about the nearest one around it.
    pub fn at_pointer(&self, pointer: &str, message: impl fmt::Display) -> FileError {
        let mut span = 0..0;
        if let Ok(table) = DeTable::parse(&self.text) {
            let mut here = DeValue::Table(table.into_inner());
            for step in pointer.split('/').skip(1) {
                let step = step.replace("~1", "/").replace("~0", "~");
                let below = match here {
                    DeValue::Table(mut table) => table.remove(step.as_str()),
                    DeValue::Array(items) => step.parse().ok().and_then(|index: usize| items.into_iter().nth(index)),
                    _ => None,
                };
                let Some(below) = below else { break };
                span = below.span();
                here = below.into_inner();
            }
        }
        self.at(span, message)
    }

    /// The JSON Schema in the file that `path` names.
    pub fn schema(&self, path: &Spanned<PathBuf>) -> Result<Schema, FileError> {
        self.read_schema(path.get_ref()).map_err(|error| self.at(path.span(), error))
    }

    /// The same for whoever knows the place better.
    pub fn read_schema(&self, path: &Path) -> Result<Schema, String> {
        let read = || {
            let text = read_text(&self.resolve(path), MAX_SCHEMA_FILE)?;
            understood_schema(&text)
        };
        read().map_err(|error| format!("schema {path:?}: {error}"))
    }
}

/// A JSON Schema that can be run.
pub fn understood_schema(text: &str) -> Result<Schema, String> {
    let schema = Schema::parse(text).map_err(|error| error.to_string())?;
    schema.compile().map_err(|error| error.to_string())?;
    Ok(schema)
}

/// A whole text file, unless it is longer than `max` bytes; says why not.
fn read_text(path: &Path, max: u64) -> Result<String, String> {
    let cannot = |error: std::io::Error| format!("cannot be read: {error}");
    let mut bytes = Vec::new();
    File::open(path).map_err(cannot)?.take(max + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > max {
        return Err(format!("is longer than {max} bytes; that is not what it is meant for"));
    }
    String::from_utf8(bytes).map_err(|_| "is not UTF-8 text".to_owned())
}

/// The parser's words, with what to do about them. Of its sentences serde fixes two: ``unknown field `x`, expected one
/// of `a`, `b` `` and ``missing field `x` ``.
pub fn explain(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    if message.starts_with("unknown field") {
        let unknown = quoted.next().unwrap_or_default();
        let known: Vec<_> = quoted.collect();
        return format!("unknown key `{unknown}`; {}", suggest(unknown, &known));
    }
    if message.starts_with("unknown variant") {
        let given = quoted.next().unwrap_or_default();
        let known: Vec<_> = quoted.map(|word| format!("\"{word}\"")).collect();
        return format!("{given:?} is none of those that are known here: {}", known.join(", "));
    }
    let unfit = message.strip_prefix("invalid type: ").or_else(|| message.strip_prefix("invalid value: "));
    if let Some((given, wanted)) = unfit.and_then(|rest| rest.trim().split_once(", expected ")) {
        return format!("{} is wanted here, not {}", wanted_here(wanted), given.replace('`', ""));
    }
    match (message.strip_prefix("missing field"), quoted.next()) {
        (Some(_), Some(missing)) => format!("the key `{missing}` is missing here"),
        _ => message.trim().replace('\n', "; "),
    }
}

/// What serde calls a type, as an author of a file calls it.
fn wanted_here(wanted: &str) -> String {
    let name = match wanted {
        "a string" => "a text in quotation marks",
        "a boolean" => "true or false",
        "a map" => "a table",
        "a sequence" => "a list in square brackets",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number, not below 0 and not too large,",
        "i64" => "a whole number",
        other if other.starts_with("struct ") => "a table of keys",
        other => other,
    };
    name.to_owned()
}

fn suggest(unknown: &str, known: &[&str]) -> String {
    let likeness = |key: &&str| strsim::damerau_levenshtein(unknown, key);
    // A typing mistake or two, fewer in a short word.
    let close = |key: &&str| likeness(key) <= (unknown.len().max(key.len()) / 3).max(1);
    match known.iter().copied().filter(close).min_by_key(likeness) {
        Some(nearest) => format!("did you mean `{nearest}`?"),
        None => format!("known here: {}", known.join(", ")),
    }
}

/// A value written as text in its own notation: a skill, a price, a length of time.
#[derive(Debug, Clone)]
pub struct Parsed<T>(pub T);

impl<'de, T: FromStr<Err: fmt::Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// TOML as JSON: dates become text, and a number that is none (`nan`, `inf`) is refused.
pub fn to_json(value: toml::Value) -> Result<serde_json::Value, String> {
    use serde_json::Value as Json;
    Ok(match value {
        toml::Value::String(text) => Json::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => {
            Json::Number(serde_json::Number::from_f64(number).ok_or_else(|| format!("{number} is no number in JSON"))?)
        }
        toml::Value::Boolean(truth) => Json::Bool(truth),
        toml::Value::Datetime(moment) => Json::String(moment.to_string()),
        toml::Value::Array(items) => Json::Array(items.into_iter().map(to_json).collect::<Result<_, _>>()?),
        toml::Value::Table(table) => Json::Object(
            table.into_iter().map(|(key, value)| Ok((key, to_json(value)?))).collect::<Result<_, String>>()?,
        ),
    })
}
