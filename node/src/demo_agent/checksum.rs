//! `checksum/verify`: a list in the format of `sha256sum` against the files it names.
//!
//! Input `list`: lines of 64 hexadecimal digits, then two spaces or a space and `*`, then a name. Blank lines and lines
//! that begin with `#` say nothing. All other inputs are the files. A line means the input of the same name, or the one
//! the parameter `names` gives that name to (`names = { essay = "docs/essay.txt" }`), since a file's name need not be
//! a fit name for an input.
//!
//! `confidence`: the share of the list's lines that led to a verdict, a match or a mismatch.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::limits;
use super::request::{AgentError, Job, quoted, share};

const LIST: &str = "list";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    #[serde(default)]
    names: BTreeMap<String, String>,
}

#[derive(Serialize)]
pub(super) struct Verification {
    /// Of the list itself.
    sha256: String,
    /// Every line led to a match, and there was one.
    all_ok: bool,
    files: Vec<File>,
    malformed: Vec<Malformed>,
    /// Inputs no line speaks of.
    unlisted: Vec<String>,
    totals: Totals,
    confidence: f64,
}

#[derive(Serialize)]
struct File {
    name: String,
    line: usize,
    status: Status,
    expected: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual: Option<String>,
}

#[derive(Serialize, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Ok,
    Mismatch,
    /// The list names it; the request does not have it.
    Missing,
}

#[derive(Serialize)]
struct Malformed {
    line: usize,
    text: String,
}

#[derive(Serialize)]
struct Totals {
    lines: usize,
    ok: usize,
    mismatch: usize,
    missing: usize,
    malformed: usize,
    unlisted: usize,
}

pub(super) fn verify(job: &Job<'_>) -> Result<Verification, AgentError> {
    let names = job.params::<Params>()?.names;
    let list = job.input(LIST)?;
    let by_name: BTreeMap<&str, &str> = (job.input_names().filter(|&input| input != LIST))
        .map(|input| (names.get(input).map_or(input, String::as_str), input))
        .collect();

    let (mut files, mut malformed) = (Vec::new(), Vec::new());
    // A file that many lines name is read and hashed once.
    let mut sums: BTreeMap<&str, String> = BTreeMap::new();
    for (line, text) in (1..).zip(String::from_utf8_lossy(&list.bytes).lines()) {
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let Some((expected, name)) = entry(text) else {
            malformed.push(Malformed { line, text: quoted(text) });
            continue;
        };
        let actual = match by_name.get_key_value(name) {
            None => None,
            Some(_) if job.skims() => Some(expected.clone()),
            Some((&key, input)) => {
                if !sums.contains_key(key)
                    && let Some(document) = job.find(input)?
                {
                    sums.insert(key, document.sha256());
                }
                sums.get(key).cloned()
            }
        };
        let status = match &actual {
            None => Status::Missing,
            Some(actual) if *actual == expected => Status::Ok,
            Some(_) => Status::Mismatch,
        };
        files.push(File { name: name.to_owned(), line, status, expected, actual });
    }

    let listed: BTreeSet<&str> = files.iter().map(|file| file.name.as_str()).collect();
    let unlisted: Vec<String> =
        by_name.keys().filter(|name| !listed.contains(*name)).map(|&name| name.to_owned()).collect();
    let count = |status| files.iter().filter(|file| file.status == status).count();
    let totals = Totals {
        lines: files.len() + malformed.len(),
        ok: count(Status::Ok),
        mismatch: count(Status::Mismatch),
        missing: count(Status::Missing),
        malformed: malformed.len(),
        unlisted: unlisted.len(),
    };
    malformed.truncate(limits::LISTED);
    Ok(Verification {
        sha256: list.sha256(),
        all_ok: totals.ok > 0 && totals.ok == totals.lines,
        confidence: share(totals.ok + totals.mismatch, totals.lines),
        files,
        malformed,
        unlisted,
        totals,
    })
}

/// The checksum, in lower case, and the name of one line.
fn entry(line: &str) -> Option<(String, &str)> {
    let (sum, rest) = line.split_at_checked(64)?;
    let name = rest.strip_prefix("  ").or_else(|| rest.strip_prefix(" *"))?;
    let fits = sum.bytes().all(|byte| byte.is_ascii_hexdigit()) && !name.is_empty();
    fits.then(|| (sum.to_ascii_lowercase(), name))
}
