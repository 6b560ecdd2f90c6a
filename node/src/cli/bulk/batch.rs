//! The files of a bulk hire. `OUTPUT` has a line for each row that is over. `OUTPUT.batch` says what it is the output of, and
//! gives each row the token by which the node knows it again: so there is nothing to note before a row is hired, and a fall
//! anywhere between the request and its line costs nothing. `OUTPUT.files/` has the results that are too large for a line.
//!
//! What must never happen: somebody else's file is overwritten, a line is counted that the disk may not have, or two runs
//! of one batch at once.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{AgentId, Bytes32, Id, sha256};
use gigmesh_protocol::limits::ORDER_LIFE;
use gigmesh_protocol::market::Offer;
use gigmesh_protocol::peer::io::OrderToken;
use gigmesh_protocol::time::{Millis, Timestamp};
use gigmesh_protocol::untrusted::Untrusted;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::cli::failure::{Exit, Failure};
use crate::limits::{BULK_HEAD, BULK_LINE};
use crate::store::disk;

/// What a batch is of. Two runs with the same are one batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// Whose node hires.
    pub agent: AgentId,
    /// The one worker.
    pub to: Option<AgentId>,
    /// SHA-256 of the task, with its inputs.
    pub task: Bytes32,
    /// SHA-256 of the rows.
    pub rows: Bytes32,
}

/// `OUTPUT.batch`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    /// Drawn once: the same rows hired anew, for another output, are hired anew.
    batch: Bytes32,
    begun: Timestamp,
    of: Of,
}

/// A line of the output: how a row ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finished {
    /// The row's line in the file of rows.
    pub row: u64,
    /// As `gigmesh show` says it, or [`UNFILLED`], or [`FORGOTTEN`].
    pub outcome: String,
    pub offer: Id<Offer>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hire: Option<HireId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub with: Option<AgentId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<String>,
    /// What is owed for it, if anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owed: Option<String>,
    /// From the award to the close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_ms: Option<Millis>,
    /// Why, where it was not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The checks that failed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Untrusted>,
    /// What was delivered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<Untrusted<Value>>,
    /// Or where it is: a path, from the output's directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result_file: Option<String>,
}

/// Nobody began.
pub const UNFILLED: &str = "unfilled";
/// The node holds nothing of it any more: it was over long ago.
pub const FORGOTTEN: &str = "forgotten";

/// A batch at work: its files are this process's alone.
#[derive(Debug)]
pub struct Batch {
    head: Head,
    output: PathBuf,
    lines: File,
    /// Locked while it is open.
    _head: File,
}

fn beside(output: &Path, what: &str) -> PathBuf {
    let mut name = output.as_os_str().to_owned();
    name.push(what);
    name.into()
}

fn about(path: &Path, error: impl std::fmt::Display) -> Failure {
    Failure::new(Exit::User, format!("{}: {error}", path.display()))
}

/// The worker that an earlier run had found for the same words, if there was one.
pub fn worker_before(output: &Path, given: &str) -> Result<Option<AgentId>, Failure> {
    let Some((_, head)) = read_head(output)? else { return Ok(None) };
    Ok(head.of.to.filter(|to| to.to_string().starts_with(given)))
}

/// Finds out before anything else whether an output may be written: it is new, or an earlier run's.
pub fn may_write(output: &Path) -> Result<(), Failure> {
    let ours = beside(output, ".batch").exists();
    match output.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(about(output, error)),
        Ok(found) if !found.is_file() => Err(about(output, "is no file; name one, for the results")),
        Ok(found) if found.len() > 0 && !ours => {
            let error = "exists, and is no output of this command: there is no .batch beside it";
            Err(about(output, error).hint("it is not overwritten; name another file with --output"))
        }
        Ok(_) => Ok(()),
    }
}

fn read_head(output: &Path) -> Result<Option<(File, Head)>, Failure> {
    let path = beside(output, ".batch");
    let mut text = Vec::new();
    let file = match File::open(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| about(&path, error))?,
    };
    (&file).take(BULK_HEAD).read_to_end(&mut text).map_err(|error| about(&path, error))?;
    let head = serde_json::from_slice(&text).map_err(|error| {
        about(&path, format!("is not as this command writes it ({error})")).hint("name another file with --output")
    })?;
    Ok(Some((file, head)))
}

impl Batch {
    /// Opens an earlier run's batch, or makes a new one. What is over already is told line by line.
    pub fn open(output: &Path, of: Of, now: Timestamp, over: impl FnMut(Finished)) -> Result<Self, Failure> {
        may_write(output)?;
        let path = beside(output, ".batch");
        let (file, head) = match read_head(output)? {
            Some(found) => found,
            None => {
                let mut batch = [0; 32];
                getrandom::fill(&mut batch).map_err(|error| Failure::new(Exit::Ours, error))?;
                let head = Head { batch: Bytes32(batch), begun: now, of };
                disk::write_new(&path, |out| {
                    serde_json::to_writer(out, &head).map_err(|error| Failure::new(Exit::Ours, error))
                })?;
                (File::open(&path).map_err(|error| about(&path, error))?, head)
            }
        };
        file.try_lock().map_err(|_| about(&path, "another run of this batch is at work; wait for its end"))?;
        same(&path, &head.of, &of)?;
        let lines = OpenOptions::new().read(true).append(true).create(true).open(output);
        let lines = lines.map_err(|error| about(output, error))?;
        let whole = read_lines(output, &lines, over)?;
        // What a fall has torn is no line.
        lines.set_len(whole).and_then(|()| lines.sync_all()).map_err(|error| about(output, error))?;
        disk::sync_dir(place(output))?;
        Ok(Self { head, output: output.to_owned(), lines, _head: file })
    }

    /// Whether the node may have forgotten by now which rows it was asked to hire.
    pub fn is_too_old(&self, now: Timestamp) -> bool {
        now > self.head.begun + ORDER_LIFE
    }

    /// By what the node knows a row.
    pub fn token(&self, row: u64) -> OrderToken {
        // A hash in hexadecimal digits is a token's length, and nothing that is cut away.
        OrderToken::fit(&sha256(&[b"gigmesh bulk\0", &self.head.batch.0, &row.to_be_bytes()]).to_string())
    }

    /// Puts a row among those that are over. When this returns, it is on disk.
    pub fn record(&mut self, finished: &Finished) -> Result<(), Failure> {
        let failed = |error: String| {
            Failure::new(Exit::User, format!("cannot write {}: {error}", self.output.display()))
                .hint("make room; the same command goes on where this one stopped")
        };
        let mut text = serde_json::to_vec(finished).map_err(|error| failed(error.to_string()))?;
        text.push(b'\n');
        (&self.lines).write_all(&text).and_then(|()| self.lines.sync_data()).map_err(|error| failed(error.to_string()))
    }

    /// Keeps a large result in a file of its own; the path from the output's directory.
    pub fn keep(&self, row: u64, bytes: &Untrusted<impl AsRef<[u8]>>) -> Result<String, Failure> {
        let (dir, bytes) = (beside(&self.output, ".files"), bytes.raw().as_ref());
        disk::ensure_dir(&dir)?;
        let file = dir.join(format!("{row}.json"));
        // A fall between this file and its line leaves it as it is to be.
        if fs::read(&file).is_ok_and(|held| held == bytes) {
            return Ok(named(&dir, &file));
        }
        disk::write_new(&file, |out| {
            out.write_all(bytes).map_err(|error| Failure::new(Exit::User, format!("{}: {error}", file.display())))
        })?;
        Ok(named(&dir, &file))
    }
}

fn named(dir: &Path, file: &Path) -> String {
    let names = [dir.file_name(), file.file_name()].into_iter().flatten();
    names.map(|name| name.to_string_lossy()).collect::<Vec<_>>().join("/")
}

/// The directory that a file is in.
pub fn place(file: &Path) -> &Path {
    file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Whether a run goes on with what an earlier one began.
fn same(path: &Path, before: &Of, now: &Of) -> Result<(), Failure> {
    let (what, mend) = match () {
        () if before.agent != now.agent => {
            let node = format!("of another node, that of agent {}", before.agent);
            (node, "ask that one, with --data-dir")
        }
        () if before.to != now.to => ("for another --to".to_owned(), "give the same as before"),
        () if before.rows != now.rows => ("of other rows".to_owned(), "put the file back as it was"),
        () if before.task != now.task => {
            ("of another task".to_owned(), "put the file and its inputs back as they were")
        }
        () => return Ok(()),
    };
    let error = format!("is a batch {what}; nothing was hired");
    Err(about(path, error).advise(format!("{mend}, or begin a new batch with another --output")))
}

/// Reads the whole lines of an output. How many bytes they take.
fn read_lines(path: &Path, file: &File, mut each: impl FnMut(Finished)) -> Result<u64, Failure> {
    let (mut reader, mut whole, mut bytes, mut number) = (BufReader::new(file), 0, Vec::new(), 0);
    loop {
        bytes.clear();
        number += 1;
        let read = (&mut reader).take(BULK_LINE).read_until(b'\n', &mut bytes).map_err(|error| about(path, error))?;
        if !bytes.ends_with(b"\n") && (read as u64) < BULK_LINE {
            return Ok(whole);
        }
        each(serde_json::from_slice(&bytes).map_err(|error| {
            about(path, format!("line {number} is not as this command writes it: {error}"))
                .hint("take the line out: its row is looked up at the node, and not hired again")
        })?);
        whole += read as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn of(n: u8) -> Of {
        Of { agent: AgentId([1; 32]), to: None, task: Bytes32([n; 32]), rows: Bytes32([3; 32]) }
    }

    fn line(row: u64) -> Finished {
        Finished {
            row,
            outcome: "accepted".to_owned(),
            offer: Id::from_bytes([7; 32]),
            hire: None,
            with: None,
            price: Some("0.02 USD per task".to_owned()),
            owed: None,
            took_ms: Some(Millis(1_500)),
            reason: None,
            failed: Vec::new(),
            result: Some(Untrusted::new(serde_json::json!({ "words": 3 }))),
            result_file: None,
        }
    }

    fn open(output: &Path, of: Of) -> Result<(Batch, Vec<Finished>), Failure> {
        let mut over = Vec::new();
        Ok((Batch::open(output, of, NOW, |line| over.push(line))?, over))
    }

    #[test]
    fn a_batch_goes_on_with_its_own_tokens_wherever_it_fell() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.jsonl");
        let (mut batch, over) = open(&output, of(2)).unwrap();
        assert_eq!(over, []);
        let token = batch.token(1);
        assert_eq!(token.len(), 64);
        assert_ne!(token, batch.token(2));
        assert!(open(&output, of(2)).unwrap_err().error.contains("another run"));
        batch.record(&line(1)).unwrap();
        batch.record(&line(3)).unwrap();
        drop(batch);
        let whole = fs::read(&output).unwrap();
        // A fall anywhere in a line.
        for cut in 1..=whole.len() / 2 {
            fs::write(&output, [&whole[..], &whole[..cut - 1]].concat()).unwrap();
            let (mut batch, over) = open(&output, of(2)).unwrap();
            assert_eq!((over, batch.token(1)), (vec![line(1), line(3)], token.clone()));
            if cut == 20 {
                batch.record(&line(4)).unwrap();
                drop(batch);
                assert_eq!(open(&output, of(2)).unwrap().1.len(), 3, "the next line stands on its own");
            }
        }
        let (other, _) = open(&dir.path().join("other.jsonl"), of(2)).unwrap();
        assert_ne!(other.token(1), token, "the same rows for another output are hired anew");
        assert!(!other.is_too_old(NOW + ORDER_LIFE) && other.is_too_old(NOW + ORDER_LIFE + Millis(1)));
    }

    #[test]
    fn nobodys_file_is_overwritten_and_what_changed_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.jsonl");
        fs::write(&output, "mine").unwrap();
        let failure = open(&output, of(2)).unwrap_err();
        assert!(failure.exit == Exit::User && failure.text(false).contains("name another file"), "{failure:?}");
        assert_eq!(fs::read_to_string(&output).unwrap(), "mine");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was made");
        assert!(open(dir.path(), of(2)).unwrap_err().error.contains("is no file"));

        let output = dir.path().join("new.jsonl");
        drop(open(&output, of(2)).unwrap());
        let to = Some(AgentId([9; 32]));
        for (of, complaint) in [
            (of(1), "of another task"),
            (Of { rows: Bytes32([4; 32]), ..of(2) }, "of other rows"),
            (Of { agent: AgentId([2; 32]), ..of(2) }, "of another node"),
            (Of { to, ..of(2) }, "for another --to"),
        ] {
            let failure = open(&output, of).unwrap_err();
            assert!(failure.error.contains(complaint), "{failure:?}");
            assert!(failure.text(false).contains("another --output"), "{failure:?}");
        }
        fs::write(&output, "{\"row\": 1}\n").unwrap();
        let failure = open(&output, of(2)).unwrap_err();
        assert!(failure.error.contains("line 1 is not as this command writes it"), "{failure:?}");
    }

    #[test]
    fn a_large_result_has_a_file_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let output = dir.path().join("out.jsonl");
        let (batch, _) = open(&output, of(2)).unwrap();
        let name = batch.keep(4, &Untrusted::new("[1]")).unwrap();
        assert_eq!(
            (name.as_str(), batch.keep(4, &Untrusted::new("[1]")).unwrap()),
            ("out.jsonl.files/4.json", name.clone())
        );
        assert_eq!(fs::read(dir.path().join(&name)).unwrap(), b"[1]");
        assert!(batch.keep(4, &Untrusted::new("[2]")).unwrap_err().error.contains("not replaced"));
    }
}
