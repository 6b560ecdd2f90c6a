//! The rows of a bulk hire. In: a file of JSON objects, one a line, and the task that each is laid over. Out: what differs from
//! the task, row by row; or the first mistake, with its line and column, before anything is hired.
//!
//! The file is read once, checked as a whole, and kept on the disk meanwhile, where it has no name: what is hired is what
//! was checked, whatever becomes of the file, and a pipe will do. What must never happen: more than one row in memory.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use gigmesh_protocol::hire::task::{Task, check};
use gigmesh_protocol::id::Bytes32;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::cli::failure::{Exit, Failure};
use crate::limits::{BULK_ROW, BULK_ROWS};
use crate::task::{self, TaskFile, TaskInput};
use crate::words;

/// What every row is laid over: a key that names one of the task's inputs is another file for it, any other key a parameter.
#[derive(Debug)]
pub struct Mould {
    inputs: BTreeSet<String>,
    params: Option<Value>,
    /// What relative paths in rows start from.
    dir: PathBuf,
}

/// One row, laid over the task.
#[derive(Debug)]
pub struct Row {
    /// Its line, from 1.
    pub line: u64,
    /// All parameters, JSON text.
    pub params: Option<String>,
    /// Inputs in place of the task's.
    pub inputs: Vec<TaskInput>,
}

/// What a whole file of rows comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// Rows.
    pub count: u64,
    /// SHA-256 of all bytes.
    pub digest: Bytes32,
}

/// A JSON object in which no key stands twice: of two values one would be lost without a word.
struct Object(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Keys;
        impl<'de> Visitor<'de> for Keys {
            type Value = Object;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one JSON object a line, like {\"column\": \"Average\"}")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object, A::Error> {
                let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
                while let Some(key) = map.next_key::<String>()? {
                    if !seen.insert(key.clone()) {
                        return Err(A::Error::custom(format!("the key {key:?} stands there twice")));
                    }
                    entries.push((key, map.next_value()?));
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Keys)
    }
}

impl Mould {
    /// For this task; paths in the rows start from `dir`.
    pub fn of(file: &TaskFile, dir: &Path) -> Result<Self, Failure> {
        let params = file.task.params.as_deref().map(serde_json::from_str).transpose();
        Ok(Self {
            inputs: file.inputs.iter().map(|input| input.name.to_string()).collect(),
            params: params.map_err(|error| Failure::new(Exit::Ours, error))?,
            dir: dir.to_owned(),
        })
    }

    /// Lays a row over the task. A mistake is told with the column it is at.
    fn lay(&self, line: u64, text: &[u8]) -> Result<Row, (usize, String)> {
        let Object(entries) = serde_json::from_slice(text).map_err(|error| {
            let (message, at) = (error.to_string(), format!(" at line {} column {}", error.line(), error.column()));
            (error.column().max(1), message.strip_suffix(&at).unwrap_or(&message).to_owned())
        })?;
        let (mut params, mut inputs) = (self.params.clone(), Vec::new());
        for (key, value) in entries {
            let at = |message: String| (column(text, &key), message);
            if self.inputs.contains(&key) {
                let Value::String(path) = value else {
                    return Err(at(format!("{key:?} is an input of the task: name a file here, as a text")));
                };
                inputs.push(task::file_input(&key, &self.dir.join(path)).map_err(at)?);
                continue;
            }
            match params.get_or_insert_with(|| Value::Object(Map::new())) {
                Value::Object(table) => drop(table.insert(key, value)),
                _ => return Err(at(format!("the task's `params` are no table, so {key:?} cannot be laid over them"))),
            }
        }
        let params = params.map(|params| params.to_string());
        let checked = params.as_deref().map_or(Ok(()), check::params);
        checked.map_err(|fault| (1, words::task(&fault.at("/brief/params"))))?;
        Ok(Row { line, params, inputs })
    }
}

/// Where a key stands in a line, from 1: near enough where the same text stands there before it.
fn column(text: &[u8], key: &str) -> usize {
    let quoted = Value::from(key).to_string();
    text.windows(quoted.len()).position(|window| window == quoted.as_bytes()).map_or(1, |index| index + 1)
}

impl Row {
    /// The task of this row: `task` with what differs.
    pub fn task(self, task: &Task) -> TaskFile {
        let mut task = task.clone();
        task.inputs.retain(|input| !self.inputs.iter().any(|own| own.name == input.name));
        task.params = self.params;
        TaskFile { task, inputs: self.inputs }
    }
}

/// Rows that were checked, to be hired from the first on.
#[derive(Debug)]
pub struct Rows {
    lines: Lines<BufReader<File>>,
    mould: Mould,
    /// What they come to.
    pub sum: Sum,
}

impl Rows {
    /// Reads all rows and checks each. `name` is for complaints, in `place` they lie meanwhile.
    pub fn check(source: impl Read, name: &str, mould: Mould, place: &Path) -> Result<Self, Failure> {
        let kept = |error| Failure::new(Exit::User, format!("cannot keep the rows in {}: {error}", place.display()));
        let mut copy = BufWriter::new(tempfile::tempfile_in(place).map_err(kept)?);
        let (mut hasher, mut count) = (Sha256::new(), 0);
        let mut lines = Lines { reader: BufReader::new(source), name: name.to_owned(), line: 0 };
        while let Some(raw) = lines.next()? {
            hasher.update(&raw);
            copy.write_all(&raw).map_err(kept)?;
            let text = raw.trim_ascii();
            if text.is_empty() {
                continue;
            }
            count += 1;
            if count > BULK_ROWS {
                return Err(lines.wrong(1, format!("a batch has at most {BULK_ROWS} rows; split the file")));
            }
            // Of a line, columns count from its own beginning.
            let indent = raw.len() - raw.trim_ascii_start().len();
            mould.lay(lines.line, text).map_err(|(column, message)| lines.wrong(indent + column, message))?;
        }
        if count == 0 {
            return Err(Failure::new(Exit::User, format!("{name}: there are no rows in it")));
        }
        let mut copy = copy.into_inner().map_err(|error| kept(error.into_error()))?;
        copy.seek(SeekFrom::Start(0)).map_err(kept)?;
        let lines = Lines { reader: BufReader::new(copy), name: name.to_owned(), line: 0 };
        Ok(Self { lines, mould, sum: Sum { count, digest: Bytes32(hasher.finalize().into()) } })
    }

    /// The next row, but for those whose lines are `done`.
    pub fn next(&mut self, done: &BTreeSet<u64>) -> Result<Option<Row>, Failure> {
        while let Some(raw) = self.lines.next()? {
            let text = raw.trim_ascii();
            if !text.is_empty() && !done.contains(&self.lines.line) {
                let row = self.mould.lay(self.lines.line, text);
                return row.map(Some).map_err(|(column, message)| self.lines.wrong(column, message));
            }
        }
        Ok(None)
    }
}

/// The lines of a file, one at a time.
#[derive(Debug)]
struct Lines<R> {
    reader: R,
    name: String,
    /// The number of the last, from 1.
    line: u64,
}

impl<R: BufRead> Lines<R> {
    fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut raw = Vec::new();
        self.line += 1;
        match self.reader.by_ref().take(BULK_ROW as u64 + 1).read_until(b'\n', &mut raw) {
            Ok(0) => Ok(None),
            Ok(_) if raw.len() > BULK_ROW => {
                Err(self.wrong(BULK_ROW, format!("a row has at most {BULK_ROW} bytes: make what is longer an input")))
            }
            Ok(_) => Ok(Some(raw)),
            Err(error) => Err(Failure::new(Exit::User, format!("cannot read {}: {error}", self.name))),
        }
    }

    fn wrong(&self, column: usize, message: impl fmt::Display) -> Failure {
        Failure::new(Exit::User, format!("{}:{}:{column}: {message}", self.name, self.line))
    }
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::codec::Text;
    use gigmesh_protocol::market::checks::Checks;

    use super::*;
    use crate::task::Content;

    fn mould(dir: &Path, params: Option<&str>) -> Mould {
        let task = Task::new("a/b".parse().unwrap(), "", Checks { schema: None, asserts: Vec::new() });
        let task = Task { params: params.map(str::to_owned), ..task };
        let input = TaskInput { name: Text::fit("text"), content: Content::Bytes(Vec::new()), media: Text::fit("a/b") };
        Mould::of(&TaskFile { task, inputs: vec![input] }, dir).unwrap()
    }

    fn check(dir: &Path, params: Option<&str>, text: &str) -> Result<Rows, Failure> {
        Rows::check(text.as_bytes(), "rows.jsonl", mould(dir, params), dir)
    }

    #[test]
    fn a_row_says_what_differs_from_the_task() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("b.md"), "other").unwrap();
        let text = "{\"column\": \"Trend\"}\r\n\n  {\"text\": \"b.md\", \"n\": 18446744073709551615}";
        let mut rows = check(dir.path(), Some(r#"{"column":"Average","unit":"ppm"}"#), text).unwrap();
        assert_eq!(rows.sum.count, 2);
        let first = rows.next(&BTreeSet::new()).unwrap().unwrap();
        assert_eq!((first.line, first.inputs.len()), (1, 0));
        assert_eq!(first.params.as_deref(), Some(r#"{"column":"Trend","unit":"ppm"}"#));
        let second = rows.next(&BTreeSet::new()).unwrap().unwrap();
        assert_eq!((second.line, &*second.inputs[0].name, &*second.inputs[0].media), (3, "text", "text/markdown"));
        assert_eq!(second.params.as_deref(), Some(r#"{"column":"Average","n":18446744073709551615,"unit":"ppm"}"#));
        assert!(rows.next(&BTreeSet::new()).unwrap().is_none());

        let rows = |text: &str| check(dir.path(), None, text).unwrap();
        let done = BTreeSet::from([1, 2]);
        assert_eq!(rows("{}\n{}\n{\"a\": 1}\n").next(&done).unwrap().unwrap().params.as_deref(), Some("{\"a\":1}"));
        assert_eq!(rows("{}\n").next(&BTreeSet::new()).unwrap().unwrap().params, None, "no parameters stay none");
        assert_ne!(rows("{}").sum.digest, rows("{} ").sum.digest);
    }

    #[test]
    fn a_mistake_is_told_with_its_line_and_column() {
        let dir = tempfile::tempdir().unwrap();
        let long = format!("{{\"a\": \"{}\"}}", "x".repeat(gigmesh_protocol::limits::PARAMS));
        let longer = format!("{{}}\n{{\"a\": \"{}\"}}", "x".repeat(BULK_ROW));
        for (params, text, complaint) in [
            (None, "{\"a\": 1}\n{\"a\": }", "2:7: expected value"),
            (None, "{\"a\": 1}\n  [1]\n", "2:3: invalid type: sequence, expected one JSON object a line"),
            (None, "{} {}\n", "1:4: trailing characters"),
            (None, "{\"a\": 1, \"a\": 2}\n", "1:12: the key \"a\" stands there twice"),
            (None, "\n\n {\"b\": 1, \"text\": 3}\n", "3:11: \"text\" is an input of the task: name a file"),
            (None, "{\"text\": \"gone\"}\n", "1:2: input \"text\": "),
            (None, "{\"text\": \".\"}\n", "1:2: input \"text\": "),
            (Some("[1]"), "{\"a\": 1}\n", "1:2: the task's `params` are no table"),
            (None, &long, "1:1: parameters of 65544 bytes"),
            (None, &longer, "2:1048576: a row has at most"),
            (None, "\n", " there are no rows in it"),
        ] {
            let failure = check(dir.path(), params, text).unwrap_err();
            let told = failure.error.strip_prefix("rows.jsonl:").unwrap_or_else(|| panic!("{failure:?}"));
            assert!(told.starts_with(complaint) && failure.exit == Exit::User, "{told}\n  is not {complaint}");
        }
        let bytes = [b"{\"a\": \"\xff\"}".as_slice(), b"\n"].concat();
        let failure = Rows::check(&*bytes, "rows.jsonl", mould(dir.path(), None), dir.path()).unwrap_err();
        assert!(failure.error.starts_with("rows.jsonl:1:"), "{failure:?}");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "nothing is left behind");
    }
}
