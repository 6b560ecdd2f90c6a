//! What an agent says while it works, and what it is answered. Out: progress and questions, bounded and slow enough for
//! records. In: the requester's answers.
//!
//! ```text
//! agent/report    a named pipe, in GIGMESH_REPORT: the agent writes lines of JSON,
//!                 {"percent": 40, "note": "half of the pages"} or {"ask": "bytes or characters?"}
//! agent/answers   a file, in GIGMESH_ANSWERS: the node appends lines of JSON, in the order of the questions,
//!                 {"question": "<id>", "answer": "characters", "due": "2026-03-01T12:00:00.000Z"}
//! ```
//!
//! Both are made and opened before the agent starts, anew for each run, and never opened again: whatever the agent puts in
//! their place is its own affair. A pipe takes `>` and `>>` alike and grows nowhere; its writer waits while it is full. What
//! must never happen: a line of the agent's that harms its node, or a last word that is lost.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fs::File;
use std::future::pending;
use std::io::{self, Read, Write};
use std::mem;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gigmesh_protocol::codec::Text;
use gigmesh_protocol::id::Id;
use gigmesh_protocol::limits::{NOTE, PROGRESS, QUESTIONS};
use gigmesh_protocol::market::Question;
use gigmesh_protocol::time::Timestamp;
use rustix::fs::{CWD, Mode, OFlags, mkfifoat};
use serde::Deserialize;
use tokio::net::unix::pipe::Receiver;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until};
use tokio::{select, task};

use super::quote;
use crate::limits::{PROGRESS_PAUSE, PROGRESS_STEPS, QUOTE, REPORT_LINE, REPORT_PAUSE, REPORT_READ, REPORT_REST};
use crate::store::disk::{At, DiskError};

/// The pipe's name in the agent's directory.
pub(super) const REPORT: &str = "report";
/// The answers' name there.
pub(super) const ANSWERS: &str = "answers";

/// An agent's line to its node.
#[derive(Debug)]
pub struct Line {
    /// What it is answered. When the other end is dropped, nobody wants its result any more.
    pub told: mpsc::Receiver<Told>,
    /// What it says; closed when it has said all.
    pub said: mpsc::Sender<Said>,
}

/// Something the agent says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// How far it is.
    Progress {
        /// 0 to 100.
        percent: u8,
        /// For people.
        note: Option<String>,
    },
    /// It asks the requester.
    Question(String),
}

/// What the requester answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// To which question.
    pub question: Id<Question>,
    /// The answer. Another agent's text: untrusted.
    pub text: String,
    /// When the work clock ends now.
    pub due: Timestamp,
    /// How long that is from now.
    pub left: Duration,
}

/// Makes both ways in a fresh directory of the agent's.
///
/// # Errors
/// The operating system refused, or something is there already.
pub(super) fn open(agent_dir: &Path, hire: &str) -> Result<(Report, Answers), DiskError> {
    let (report, answers) = (agent_dir.join(REPORT), agent_dir.join(ANSWERS));
    mkfifoat(CWD, &report, Mode::RUSR | Mode::WUSR).map_err(io::Error::from).at(&report)?;
    // Written to by us, too, so that it does not end whenever the agent closes it.
    let flags = OFlags::RDWR | OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let pipe = rustix::fs::open(&report, flags, Mode::empty()).map_err(io::Error::from).at(&report)?;
    let pipe = Receiver::from_owned_fd(pipe).at(&report)?;
    let file = File::options().append(true).create_new(true).open(&answers).at(&answers)?;
    Ok((Report { pipe, heard: Heard::new(hire) }, Answers(Arc::new(file))))
}

/// Where answers are written.
pub(super) struct Answers(Arc<File>);

impl Answers {
    /// Appends an answer.
    pub async fn write(&self, told: &Told) {
        let Told { question, text, due, .. } = told;
        let answer = serde_json::json!({ "question": question, "answer": text, "due": due.to_string() });
        let (line, file) = (format!("{answer}\n"), Arc::clone(&self.0));
        let written = task::spawn_blocking(move || (&*file).write_all(line.as_bytes())).await;
        if let Err(error) = written.map_err(io::Error::other).flatten() {
            tracing::error!(%error, "an agent's answer cannot be written");
        }
    }
}

/// The agent's words.
pub(super) struct Report {
    pipe: Receiver,
    heard: Heard,
}

impl Report {
    /// Passes on what the agent says until it is dropped, and loses nothing then.
    pub async fn listen(&mut self, said: &mpsc::Sender<Said>) -> Infallible {
        let mut bytes = vec![0; REPORT_READ];
        loop {
            if !self.heard.pass_on(said, false).await {
                return pending().await;
            }
            let due = self.heard.due();
            select! {
                ready = self.pipe.readable() => {
                    match ready.and_then(|()| self.pipe.try_read(&mut bytes)) {
                        Ok(n) => self.heard.hear(&bytes[..n]),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                        Err(error) => self.heard.blame(b"", &format!("cannot be read: {error}")),
                    }
                    // Whoever writes without end waits.
                    sleep(REPORT_PAUSE).await;
                }
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            }
        }
    }

    /// Passes on what the agent, which has ended, said last.
    pub async fn finish(self, said: &mpsc::Sender<Said>) {
        let Self { pipe, mut heard } = self;
        // Not through the runtime, which may not have been told yet that there is something to read.
        if let Ok(pipe) = pipe.into_nonblocking_fd() {
            let mut bytes = Vec::new();
            // "Would block" is the end of it, unless a process that left the group goes on writing.
            let _ = File::from(pipe).take(REPORT_REST).read_to_end(&mut bytes);
            heard.hear(&bytes);
        }
        // A last line may do without its end.
        heard.hear(b"\n");
        heard.pass_on(said, true).await;
    }
}

/// What was heard and is not passed on yet. Bounded, whatever is said.
struct Heard {
    hire: String,
    line: Vec<u8>,
    questions: VecDeque<String>,
    asked: usize,
    /// The newest only.
    progress: Option<(u8, Option<String>)>,
    percent: u8,
    passed: Option<(u8, Option<String>)>,
    count: u32,
    /// No progress is passed on before.
    next: Instant,
    blamed: bool,
}

/// A line of the agent's. Fields that a later release may know are no fault.
#[derive(Deserialize)]
struct Words {
    percent: Option<f64>,
    note: Option<String>,
    ask: Option<String>,
}

impl Heard {
    fn new(hire: &str) -> Self {
        Self {
            hire: hire.to_owned(),
            line: Vec::new(),
            questions: VecDeque::new(),
            asked: 0,
            progress: None,
            percent: 0,
            passed: None,
            count: 0,
            next: Instant::now(),
            blamed: false,
        }
    }

    fn hear(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            // One more byte than a line may have shows that it is too long; the rest of it is let go.
            let room = (REPORT_LINE + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                let line = mem::take(&mut self.line);
                if let Err(fault) = self.understand(&line) {
                    self.blame(&line, &fault);
                }
            }
        }
    }

    fn understand(&mut self, line: &[u8]) -> Result<(), String> {
        if line.len() > REPORT_LINE {
            return Err(format!("a line has at most {REPORT_LINE} bytes"));
        }
        if line.trim_ascii().is_empty() {
            return Ok(());
        }
        let Words { percent, note, ask } = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        if (&percent, &note, &ask) == (&None, &None, &None) {
            return Err("it has none of \"percent\", \"note\" and \"ask\"".to_owned());
        }
        if percent.is_some() || note.is_some() {
            let percent = percent.unwrap_or(self.percent.into());
            if !(0.0..=100.0).contains(&percent) {
                return Err("a percentage is from 0 to 100".to_owned());
            }
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is between 0 and 100")]
            let whole = percent as u8;
            self.percent = whole;
            let note = note.map(|note| Text::<NOTE>::fit(&note).to_string());
            self.progress = Some((whole, note)).filter(|now| Some(now) != self.passed.as_ref());
        }
        if let Some(ask) = ask {
            // Cut, it might be another question.
            if ask.len() > NOTE || ask.trim().is_empty() {
                return Err(format!("a question has 1 to {NOTE} bytes"));
            }
            if self.asked >= QUESTIONS {
                return Err(format!("it has asked {QUESTIONS} questions; there are no more in a hire"));
            }
            self.asked += 1;
            self.questions.push_back(Text::<NOTE>::fit(&ask).to_string());
        }
        Ok(())
    }

    /// The first time it is said whose fault it is.
    fn blame(&mut self, line: &[u8], fault: &str) {
        if !mem::replace(&mut self.blamed, true) {
            let line = quote::head(line, QUOTE);
            tracing::warn!(hire = self.hire, fault, line, "the agent's report is not understood; said once a run");
        }
    }

    /// When there is something to pass on.
    fn due(&self) -> Option<Instant> {
        let progress = self.progress.as_ref().map(|_| self.next);
        if self.questions.is_empty() { progress } else { Some(Instant::now()) }
    }

    /// Passes on what is due, or `all`, questions last: what they are about was said before. False if nobody listens.
    async fn pass_on(&mut self, said: &mpsc::Sender<Said>, all: bool) -> bool {
        while self.due().is_some_and(|due| all || due <= Instant::now()) {
            let Ok(room) = said.reserve().await else { return false };
            // Nothing is awaited from here, so nothing is taken and then lost.
            if let Some(words) = self.take(Instant::now(), all) {
                room.send(words);
            }
        }
        true
    }

    fn take(&mut self, now: Instant, all: bool) -> Option<Said> {
        if let Some((percent, note)) = self.progress.take_if(|_| all || self.next <= now) {
            self.passed = Some((percent, note.clone()));
            // A hire has room for so many records of this kind: the longer it works, the rarer they are.
            self.next = now + PROGRESS_PAUSE * (1 << (self.count / PROGRESS_STEPS).min(16));
            self.count += 1;
            return Some(Said::Progress { percent, note });
        }
        self.questions.pop_front().map(Said::Question)
    }
}

const _: () = assert!(PROGRESS_STEPS as usize * 8 == PROGRESS);

#[cfg(test)]
mod tests;
