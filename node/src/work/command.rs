//! The command executor: runs the operator's program for one task. In: a job. Out: the one JSON document it printed.
//!
//! ```text
//! work/<hire>-<attempt>-<random>/pid            for `leftovers`, should this node be killed
//! work/<hire>-<attempt>-<random>/agent/         the program's working directory, HOME and TMPDIR, fresh and its own
//! work/<hire>-<attempt>-<random>/agent/inputs/  read-only copies of the task's files
//! work/<hire>-<attempt>-<random>/agent/{report,answers}  what it says and is told meanwhile: see `dialogue`
//! work/kept-.../{stdout,stderr}                 what it printed, where the job asks to keep the directory
//! ```
//!
//! The program gets the request as JSON on its standard input and these environment variables, no others: PATH, HOME,
//! TMPDIR, LANG, GIGMESH_HIRE, GIGMESH_REPORT, GIGMESH_ANSWERS. It leads a process group; when it ends, takes too long, prints too much, is cancelled, or
//! the future is dropped, the whole group is killed and the directory removed. What must never happen: a process that
//! outlives its job, or one that reads the operator's secrets from the environment. A program that leaves its group
//! (setsid) escapes this; keeping it in takes confinement by the kernel.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Instant;

use rustix::process::{Pid, Signal, kill_process_group};
use tempfile::TempDir;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::{select, task, time};

use super::dialogue::{self, ANSWERS, Answers, Line, REPORT, Report, Told};
use super::job::{Job, Output, WorkError};
use super::leftovers::{AGENT_DIR, KEPT, note};
use super::quote;
use crate::limits::{DRAIN_WAIT, QUOTE, STDERR_QUOTE, STDERR_TAIL};
use crate::store::disk::{At, ensure_dir};

/// What is read from a pipe at once: its capacity on Linux.
const PIPE: usize = 64 << 10;

/// Runs a job below `work_dir` until its program ends, its time is over, or the other end of `line` is dropped, whichever is
/// first. When this returns, no process of the job's group is left, and all that the agent said is in `line`. Dropping the
/// future kills the group too.
///
/// # Errors
/// See [`WorkError`]; there is no result then.
pub async fn run(work_dir: &Path, job: Job, line: Line) -> Result<Output, WorkError> {
    job.check()?;
    let started = Instant::now();
    let Line { mut told, said: words } = line;
    let work_dir = work_dir.to_owned();
    // If this is dropped the preparation goes on until it is done, and then removes its directory itself.
    let (job, prepared) = blocking(move || Prepared::new(&work_dir, &job).map(|prepared| (job, prepared))).await??;
    if told.is_closed() {
        return Err(WorkError::Cancelled);
    }
    let (mut running, mut report, answers) = Running::start(&job, prepared)?;
    let mut said = Said::default();
    let ended = select! {
        ended = running.talk(&job, &mut said) => ended,
        why = lead(&mut told, &answers, &job, started) => Err(why),
        never = report.listen(&words) => match never {},
    };
    let dir = running.end(job.keep_dir).await;
    report.finish(&words).await;
    if let Some(dir) = dir.clone() {
        let (stdout, stderr) = (said.stdout.clone(), said.stderr.clone());
        blocking(move || {
            let left = [("stdout", stdout), ("stderr", stderr)];
            left.into_iter().try_for_each(|(name, bytes)| fs::write(dir.join(name), bytes).at(&dir.join(name)))
        })
        .await??;
    }

    let status = ended?;
    if !status.success() {
        return Err(WorkError::Failed { status, stderr: quote::tail(&said.stderr, STDERR_QUOTE) });
    }
    let Said { stdout, stderr } = said;
    let (bytes, result) = blocking(move || parse(stdout)).await??;
    Ok(Output { bytes, result, stderr, took: started.elapsed(), dir })
}

/// Hands the agent its answers until its time is over or nobody wants its result any more.
async fn lead(told: &mut mpsc::Receiver<Told>, answers: &Answers, job: &Job, started: Instant) -> WorkError {
    let mut time = job.timeout.min(job.left);
    loop {
        select! {
            // What was granted in time counts.
            biased;
            told = told.recv() => match told {
                None => return WorkError::Cancelled,
                Some(told) => {
                    answers.write(&told).await;
                    time = time.max(job.timeout.min(started.elapsed().saturating_add(told.left)));
                }
            },
            () = time::sleep(time.saturating_sub(started.elapsed())) => return WorkError::Timeout(time),
        }
    }
}

fn parse(stdout: Vec<u8>) -> Result<(Vec<u8>, serde_json::Value), WorkError> {
    let bytes = stdout.trim_ascii();
    match serde_json::from_slice(bytes) {
        Ok(result) => Ok((bytes.to_owned(), result)),
        Err(error) => Err(WorkError::NotJson { why: error.to_string(), shown: quote::head(bytes, QUOTE) }),
    }
}

/// A directory with everything the program needs in it.
struct Prepared {
    dir: TempDir,
    request: Vec<u8>,
    command: Vec<String>,
    report: Report,
    answers: Answers,
}

impl Prepared {
    fn new(work_dir: &Path, job: &Job) -> Result<Self, WorkError> {
        ensure_dir(work_dir)?;
        let prefix = format!("{:.8}-{}-", job.hire, job.attempt);
        // Absolute, because the program is told its path and works elsewhere. Mode 0700 is tempfile's own.
        let work_dir = std::path::absolute(work_dir).at(work_dir)?;
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in(&work_dir).at(&work_dir)?;
        let inputs = dir.path().join(AGENT_DIR).join("inputs");
        fs::create_dir_all(&inputs).at(&inputs)?;
        let mut sizes = BTreeMap::new();
        for (name, input) in &job.inputs {
            let path = inputs.join(name);
            // A copy and not a link: the agent runs as the same user and could make a linked blob writable. Where the
            // file system can, this shares the blocks.
            let size = fs::copy(&input.path, &path).at(&input.path)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).at(&path)?;
            sizes.insert(name.clone(), size);
        }
        let request = job.request(&sizes).to_string().into_bytes();
        let (report, answers) = dialogue::open(&dir.path().join(AGENT_DIR), &job.hire)?;
        Ok(Self { dir, request, command: job.resolved()?, report, answers })
    }
}

/// What the program has printed so far.
#[derive(Default)]
struct Said {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

/// A program at work. Dropping it kills its group; the runtime then reaps the leader.
struct Running {
    child: Child,
    /// `None` once the group was ended: its number may be somebody else's then.
    group: Option<Pid>,
    request: Vec<u8>,
    dir: Option<TempDir>,
}

impl Running {
    fn start(job: &Job, prepared: Prepared) -> Result<(Self, Report, Answers), WorkError> {
        let Prepared { dir, request, command, report, answers } = prepared;
        let own = dir.path().join(AGENT_DIR);
        let Some((program, arguments)) = command.split_first() else {
            return Err(WorkError::Job("the command is empty".to_owned()));
        };
        let child = Command::new(program)
            .args(arguments)
            .current_dir(&own)
            .env_clear()
            .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
            .envs([("HOME", &own), ("TMPDIR", &own)])
            .envs([("GIGMESH_REPORT", own.join(REPORT)), ("GIGMESH_ANSWERS", own.join(ANSWERS))])
            .envs([("LANG", "C.UTF-8"), ("GIGMESH_HIRE", &job.hire)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|source| WorkError::Start { program: program.clone(), source })?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let running = Self { child, group, request, dir: Some(dir) };
        // Before the request: a program that waits for it cannot be running without a note.
        if let (Some(group), Some(dir)) = (group, &running.dir) {
            note(dir.path(), group)?;
        }
        Ok((running, report, answers))
    }

    /// Hands over the request and listens until the program has ended.
    async fn talk(&mut self, job: &Job, said: &mut Said) -> Result<ExitStatus, WorkError> {
        let (stdin, stdout, stderr) = (self.child.stdin.take(), self.child.stdout.take(), self.child.stderr.take());
        let (Some(mut stdin), Some(stdout), Some(stderr)) = (stdin, stdout, stderr) else {
            return Err(WorkError::Watch(io::Error::other("the agent's pipes are taken")));
        };
        let request = &self.request;
        let tell = async move {
            // A program that does not read its input may still print a result.
            let _ = stdin.write_all(request).await;
            Ok(())
        };
        let Said { stdout: printed, stderr: words } = said;
        let mut pipes = std::pin::pin!(async {
            tokio::try_join!(tell, read_result(stdout, job.result_cap, printed), read_tail(stderr, words)).map(|_| ())
        });
        let status = select! {
            done = &mut pipes => {
                done?;
                self.child.wait().await.map_err(WorkError::Watch)?
            }
            status = self.child.wait() => {
                let status = status.map_err(WorkError::Watch)?;
                // Whatever the program left running would hold its pipes open.
                kill(self.group);
                if let Ok(done) = time::timeout(DRAIN_WAIT, &mut pipes).await {
                    done?;
                }
                status
            }
        };
        Ok(status)
    }

    /// Kills what is left of the group, reaps the leader, and removes the directory or says where it is kept.
    async fn end(mut self, keep: bool) -> Option<PathBuf> {
        kill(self.group.take());
        if let Err(error) = self.child.wait().await {
            tracing::warn!(%error, "cannot wait for an agent that was killed");
        }
        let dir = self.dir.take()?;
        blocking(move || leave(dir, keep)).await.ok()?
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        kill(self.group.take());
    }
}

/// Kills the group. Its number cannot have gone to somebody else: it is taken while any member lives, a zombie leader
/// included, and when all are gone and reaped this comes at once, before the kernel has gone through all other numbers.
fn kill(group: Option<Pid>) {
    if let Some(group) = group {
        // "No such process" is what one hopes for; nothing else can happen to one's own children.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Removes a job's directory, or renames it so that no later start removes it.
fn leave(dir: TempDir, keep: bool) -> Option<PathBuf> {
    let path = dir.path().to_owned();
    if keep {
        let from = dir.keep();
        // Whoever looks through it would wait for somebody to write.
        let _ = fs::remove_file(from.join(AGENT_DIR).join(REPORT));
        let to = from.with_file_name(format!("{KEPT}{}", from.file_name()?.to_string_lossy()));
        return fs::rename(&from, &to).map(|()| to).ok();
    }
    // Killed grandchildren may take a moment to be gone; the next start removes what is left.
    if let Err(error) = dir.close() {
        tracing::warn!(%error, dir = %path.display(), "an agent's directory is not removed yet");
    }
    None
}

async fn read_result(mut pipe: impl AsyncRead + Unpin, cap: usize, out: &mut Vec<u8>) -> Result<(), WorkError> {
    let mut limited = (&mut pipe).take(cap as u64 + 1);
    limited.read_to_end(out).await.map_err(WorkError::Watch)?;
    if out.len() > cap { Err(WorkError::TooMuch(cap)) } else { Ok(()) }
}

async fn read_tail(mut pipe: impl AsyncRead + Unpin, out: &mut Vec<u8>) -> Result<(), WorkError> {
    let mut bytes = vec![0; PIPE];
    loop {
        let n = pipe.read(&mut bytes).await.map_err(WorkError::Watch)?;
        if n == 0 {
            return Ok(());
        }
        out.extend_from_slice(&bytes[..n]);
        out.drain(..out.len().saturating_sub(STDERR_TAIL));
    }
}

/// Runs what blocks off the async threads.
async fn blocking<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> Result<T, WorkError> {
    task::spawn_blocking(run).await.map_err(|error| WorkError::Watch(io::Error::other(error)))
}

#[cfg(test)]
mod tests;
