//! The command executor: runs the operator's program for one task. In: a job. Out: the one JSON document it printed.
//!
//! ```text
//! work/<hire>-<attempt>-<random>/pid            for `leftovers`, should this node be killed
//! work/<hire>-<attempt>-<random>/agent/         the program's working directory, HOME and TMPDIR, fresh and its own
//! work/<hire>-<attempt>-<random>/agent/inputs/  read-only copies of the task's files
//! ```
//!
//! The program gets the request as JSON on its standard input and these environment variables, no others: PATH, HOME,
//! TMPDIR, LANG, GIGMESH_HIRE. It leads a process group; when it ends, takes too long, prints too much, is cancelled, or
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
use tokio::{select, task, time};

use super::job::{Job, Output, WorkError};
use super::leftovers::{AGENT_DIR, KEPT, note};
use super::quote;
use crate::limits::{DRAIN_WAIT, QUOTE, STDERR_QUOTE, STDERR_TAIL};
use crate::store::disk::{At, ensure_dir};

/// What is read from a pipe at once: its capacity on Linux.
const PIPE: usize = 64 << 10;

/// Runs a job below `work_dir` until its program ends, its time is over, or `cancel` completes, whichever is first.
/// When this returns, no process of the job's group is left. Dropping the future kills the group too.
///
/// # Errors
/// See [`WorkError`]; there is no result then.
pub async fn run(work_dir: &Path, job: Job, cancel: impl Future<Output = ()>) -> Result<Output, WorkError> {
    job.check()?;
    let started = Instant::now();
    let (timeout, keep) = (job.timeout, job.keep_dir);
    let work_dir = work_dir.to_owned();
    let mut stop = std::pin::pin!(async {
        select! {
            () = cancel => WorkError::Cancelled,
            () = time::sleep(timeout) => WorkError::Timeout(timeout),
        }
    });

    // A dropped preparation goes on until it is done, and then removes its directory itself.
    let (job, prepared) = select! {
        prepared = blocking(move || Prepared::new(&work_dir, &job).map(|prepared| (job, prepared))) => prepared??,
        why = &mut stop => return Err(why),
    };
    let mut running = Running::start(&job, prepared)?;
    let mut said = Said::default();
    let ended = select! {
        ended = running.talk(&job, &mut said) => ended,
        why = &mut stop => Err(why),
    };
    let dir = running.end(keep).await;

    let status = ended?;
    if !status.success() {
        return Err(WorkError::Failed { status, stderr: quote::tail(&said.stderr, STDERR_QUOTE) });
    }
    let Said { stdout, stderr } = said;
    let (bytes, result) = blocking(move || parse(stdout)).await??;
    Ok(Output { bytes, result, stderr, took: started.elapsed(), dir })
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
        Ok(Self { dir, request, command: job.resolved()? })
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
    fn start(job: &Job, prepared: Prepared) -> Result<Self, WorkError> {
        let Prepared { dir, request, command } = prepared;
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
        Ok(running)
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
mod tests {
    use std::future::pending;
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;
    use crate::work::job::Input;

    const SOON: Duration = Duration::from_secs(20);

    fn job(config_dir: &Path, script: &str) -> Job {
        fs::write(config_dir.join("agent.sh"), script).unwrap();
        Job {
            command: ["sh", "agent.sh"].map(str::to_owned).into(),
            config_dir: config_dir.to_owned(),
            hire: "ab".repeat(32),
            skill: "text/count".to_owned(),
            attempt: 1,
            params: json!({ "unit": "words" }),
            inputs: BTreeMap::new(),
            feedback: None,
            timeout: SOON,
            result_cap: 10_000,
            keep_dir: false,
        }
    }

    struct Bench {
        dir: TempDir,
        work: PathBuf,
    }

    impl Bench {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let work = dir.path().join("work");
            Self { dir, work }
        }

        fn job(&self, script: &str) -> Job {
            job(self.dir.path(), script)
        }

        async fn run(&self, job: Job) -> Result<Output, WorkError> {
            let done = run(&self.work, job, pending()).await;
            assert_eq!(self.left(), 0, "a job's directory is removed");
            done
        }

        fn left(&self) -> usize {
            fs::read_dir(&self.work).map_or(0, Iterator::count)
        }

        /// A script's first lines: start a grandchild that runs on, and tell its number.
        fn grandchild(&self) -> String {
            format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}\n", self.dir.path().join("grandchild").display())
        }

        async fn grandchild_started(&self) -> String {
            let path = self.dir.path().join("grandchild");
            until(|| path.exists()).await;
            fs::read_to_string(path).unwrap().trim().to_owned()
        }

        async fn grandchild_is_gone(&self) {
            let id = self.grandchild_started().await;
            // Gone, or dead and not yet reaped by whoever inherited it.
            until(|| {
                let stat = fs::read_to_string(format!("/proc/{id}/stat"));
                stat.map_or(true, |stat| stat.rsplit_once(')').unwrap().1.trim_start().starts_with('Z'))
            })
            .await;
        }
    }

    async fn until(condition: impl Fn() -> bool) {
        let deadline = Instant::now() + SOON;
        while !condition() {
            assert!(Instant::now() < deadline, "it did not happen in time");
            time::sleep(Duration::from_millis(2)).await;
        }
    }

    #[tokio::test]
    async fn the_program_reads_the_request_and_its_one_document_is_the_result() {
        let bench = Bench::new();
        let mut job = bench.job("cat; echo; printf 'note' >&2");
        fs::write(bench.dir.path().join("a.csv"), "1,2\n").unwrap();
        let input = Input { path: bench.dir.path().join("a.csv"), media: Some("text/csv".to_owned()) };
        job.inputs.insert("table".to_owned(), input);
        job.feedback = Some(json!(["rows"]));
        let output = bench.run(job).await.unwrap();
        let expected = json!({
            "hire": "ab".repeat(32), "skill": "text/count", "attempt": 1, "params": { "unit": "words" },
            "inputs": { "table": { "path": "inputs/table", "media": "text/csv", "size": 4 } }, "feedback": ["rows"],
        });
        assert_eq!(output.result, expected);
        assert_eq!(serde_json::from_slice::<Value>(&output.bytes).unwrap(), expected);
        assert_eq!(output.stderr, b"note");
    }

    #[tokio::test]
    async fn inputs_are_copies_that_are_read_only() {
        let bench = Bench::new();
        let original = bench.dir.path().join("original");
        fs::write(&original, "17").unwrap();
        let mut job = bench.job("chmod u+w inputs/n; cat inputs/n; echo 99 > inputs/n; [ -d inputs ] || exit 1");
        job.inputs.insert("n".to_owned(), Input { path: original.clone(), media: None });
        job.keep_dir = true;
        let output = run(&bench.work, job, pending()).await.unwrap();
        assert_eq!(output.result, json!(17));
        assert_eq!(fs::read(original).unwrap(), b"17");
        let kept = output.dir.unwrap();
        assert!(kept.join("agent/inputs/n").exists());
        super::super::leftovers::reap_leftovers(&bench.work).unwrap();
        assert!(kept.exists(), "what is kept for people stays");

        let mut job = bench.job("ls -l inputs/n | grep -q '^-r--r--r--' && echo true");
        job.inputs.insert("n".to_owned(), Input { path: bench.dir.path().join("original"), media: None });
        assert_eq!(run(&bench.work, job, pending()).await.unwrap().result, json!(true));
    }

    #[tokio::test]
    async fn the_environment_is_stripped_and_the_directory_is_its_own() {
        let bench = Bench::new();
        let script = r#"cd "$HOME"; printf '["%s", "%s", %s]' "$(pwd -P)" "$TMPDIR" "$(env | sed 's/=.*//' | sort | tr '\n' ' ' | sed 's/.*/"&"/')""#;
        let output = bench.run(bench.job(script)).await.unwrap();
        let names: Vec<_> = output.result[2].as_str().unwrap().split_whitespace().collect();
        // The shell itself adds the last four.
        let known = ["GIGMESH_HIRE", "HOME", "LANG", "PATH", "TMPDIR", "OLDPWD", "PWD", "SHLVL", "_"];
        let secret = |name: &std::ffi::OsString| name.to_str().is_none_or(|name| !known.contains(&name));
        assert!(std::env::vars_os().any(|(name, _)| secret(&name)), "there is nothing to keep from the agent");
        assert!(names.iter().all(|name| known.contains(name)), "{names:?}");
        assert!(known[..5].iter().all(|name| names.contains(name)), "{names:?}");
        let own = Path::new(output.result[1].as_str().unwrap());
        assert!(own.starts_with(&bench.work) && own.ends_with("agent"), "{}", own.display());
    }

    #[tokio::test]
    async fn anything_but_one_document_is_an_error_that_shows_it_safely() {
        let bench = Bench::new();
        for (script, shown) in [
            ("printf 'Hello \\033[31m'", "Hello \\u{1b}[31m"),
            ("echo '{} {}'", "{} {}"),
            ("true", ""),
            ("printf '\\377'", "\u{fffd}"),
        ] {
            match bench.run(bench.job(script)).await {
                Err(WorkError::NotJson { shown: said, .. }) => assert_eq!(said, shown),
                other => panic!("{script}: {other:?}"),
            }
        }
        let long = bench.run(bench.job("yes | head -c 5000")).await;
        assert!(matches!(long, Err(WorkError::NotJson { shown, .. }) if shown.chars().count() <= 2 * QUOTE));
    }

    #[tokio::test]
    async fn a_failure_tells_the_code_and_the_last_words() {
        let bench = Bench::new();
        let script = "echo '{}'; yes | head -c 200000 >&2; printf '\\ncannot \\033[2J read' >&2; exit 3";
        let error = bench.run(bench.job(script)).await.unwrap_err();
        let WorkError::Failed { status, stderr } = &error else { panic!("{error}") };
        assert_eq!(status.code(), Some(3));
        assert!(stderr.ends_with("\\ncannot \\u{1b}[2J read") && stderr.len() < 3 * STDERR_QUOTE);
        assert!(error.to_string().contains("exit status: 3"));
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_says_so() {
        let bench = Bench::new();
        for program in ["./missing", "no-such-program-anywhere"] {
            let job = Job { command: vec![program.to_owned()], ..bench.job("") };
            assert!(matches!(bench.run(job).await, Err(WorkError::Start { .. })));
        }
        let job = Job { command: Vec::new(), ..bench.job("") };
        assert!(matches!(bench.run(job).await, Err(WorkError::Job(_))));
    }

    #[tokio::test]
    async fn too_much_output_ends_the_group() {
        let bench = Bench::new();
        let job = bench.job(&format!("{}yes", bench.grandchild()));
        assert!(matches!(bench.run(job).await, Err(WorkError::TooMuch(10_000))));
        bench.grandchild_is_gone().await;
    }

    #[tokio::test]
    async fn a_timeout_ends_the_group() {
        let bench = Bench::new();
        let job = bench.job(&format!("{}wait", bench.grandchild()));
        // On a busy machine the grandchild may need longer to start; a run without one proves nothing.
        for timeout in [200, 1_000, 5_000].map(Duration::from_millis) {
            let done = bench.run(Job { timeout, ..job.clone() }).await;
            assert!(matches!(done, Err(WorkError::Timeout(told)) if told == timeout));
            if bench.dir.path().join("grandchild").exists() {
                break;
            }
        }
        bench.grandchild_is_gone().await;
    }

    #[tokio::test]
    async fn cancelling_and_dropping_end_the_group() {
        let bench = Bench::new();
        let job = bench.job(&format!("{}wait", bench.grandchild()));
        let cancelled = run(&bench.work, job.clone(), async { drop(bench.grandchild_started().await) }).await;
        assert!(matches!(cancelled, Err(WorkError::Cancelled)));
        assert_eq!(bench.left(), 0);
        bench.grandchild_is_gone().await;

        fs::remove_file(bench.dir.path().join("grandchild")).unwrap();
        select! {
            done = run(&bench.work, job, pending()) => panic!("{done:?}"),
            _ = bench.grandchild_started() => {}
        }
        bench.grandchild_is_gone().await;
        assert_eq!(bench.left(), 0);
    }

    #[tokio::test]
    async fn a_grandchild_that_holds_the_pipes_does_not_hold_the_result() {
        let bench = Bench::new();
        let job = bench.job(&format!("{}echo 1", bench.grandchild()));
        assert_eq!(bench.run(job).await.unwrap().result, json!(1));
        bench.grandchild_is_gone().await;
    }

    #[tokio::test]
    async fn a_program_may_ignore_a_long_request() {
        let bench = Bench::new();
        let job = Job { params: json!("x".repeat(1 << 20)), ..bench.job("echo 1") };
        assert_eq!(bench.run(job).await.unwrap().result, json!(1));
    }

    #[tokio::test]
    async fn inputs_have_names_that_stay_in_their_directory() {
        let bench = Bench::new();
        for name in ["", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a b", "é", &"x".repeat(65)] {
            let mut job = bench.job("echo 1");
            job.inputs.insert(name.to_owned(), Input { path: bench.dir.path().join("agent.sh"), media: None });
            assert!(matches!(bench.run(job).await, Err(WorkError::Job(_))), "{name:?}");
        }
    }

    #[test]
    fn what_the_operator_wrote_relative_to_the_configuration_is_found_from_elsewhere() {
        let dir = tempfile::tempdir().unwrap();
        let here = |path: &str| dir.path().join(path).to_str().unwrap().to_owned();
        let command = ["bin/agent", "agent.sh", "--fast", "missing.py", "", "/etc/hostname", "."];
        let job = Job { command: command.map(str::to_owned).into(), ..job(dir.path(), "") };
        let expected = [&here("bin/agent"), &here("agent.sh"), "--fast", "missing.py", "", "/etc/hostname", "."];
        assert_eq!(job.resolved().unwrap(), expected);
    }
}
