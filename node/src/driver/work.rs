//! Runs the operator's agent, and the checks over what an agent delivered. In: jobs of the brain. Out: a result in the
//! blob store, or why there is none; reports.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::arbitration::{CASE, Case, CaseError, Seat};
use gigmesh_protocol::hire::{Checked, HireId};
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::limits::{self as bounds, RESULT};
use gigmesh_protocol::market::checks::{Checks, Inputs, Outcome, Report};
use gigmesh_protocol::market::{BlobRef, Input as BriefInput, Skill};
use gigmesh_protocol::merkle::CHUNK_BYTES;
use gigmesh_protocol::peer::io::{CaseJob, CheckJob, Input, WorkJob};
use gigmesh_protocol::transcript::Transcript;
use gigmesh_protocol::untrusted::Untrusted;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{Body, blocking};
use crate::limits::{MAX_RESULT, TALK};
use crate::node::CommandSpec;
use crate::store::blobs::{BlobError, BlobStore};
use crate::store::disk::At;
use crate::work::command;
use crate::work::dialogue::{Line, Said, Told};
use crate::work::job::{self, Job, WorkError};

/// Why there is no result.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    #[error("no program is configured for {0}")]
    NoExecutor(String),
    #[error("the input {0:?} is not here")]
    NoInput(String),
    #[error("an input cannot be used: {0}")]
    Input(BlobError),
    #[error("the parameters are not JSON")]
    Params,
    #[error("{0}")]
    Case(CaseError),
    #[error("the time is over")]
    Late,
    #[error(transparent)]
    Work(#[from] WorkError),
    #[error("the result cannot be kept: {0}")]
    Keep(#[from] BlobError),
    #[error("the node is stopping")]
    Stopping,
}

/// Runs the agent until it is done or the other end of `told` is dropped. Always ends with [`Input::Worked`], unless the node
/// stops; then the agent is killed and the brain knows at the next start that it was at work.
pub(super) async fn run(body: Arc<Body>, job: WorkJob, told: mpsc::Receiver<Told>) {
    let (hire, attempt) = (job.hire, job.attempt);
    let (said, mut heard) = mpsc::channel(TALK);
    let pass_on = async {
        while let Some(said) = heard.recv().await {
            body.queue.deliver(input(hire, said)).await;
        }
    };
    // The second ends when the first has dropped its end, so all that was said is there before the result.
    let (result, ()) = tokio::join!(produce(&body, job, Line { told, said }), pass_on);
    let result = result.map_err(|error| error.to_string());
    if let Err(error) = &result {
        tracing::warn!(%hire, attempt, error, "the agent made no result");
    }
    body.queue.deliver(Input::Worked { hire, attempt, result }).await;
}

/// What an agent says, as the brain hears it.
pub(crate) fn input(hire: HireId, said: Said) -> Input {
    match said {
        Said::Progress { percent, note } => Input::Working { hire, percent, note },
        Said::Question(text) => Input::Asked { hire, text },
    }
}

async fn produce(body: &Body, job: WorkJob, line: Line) -> Result<BlobRef, RunError> {
    let (blobs, roots) = (Arc::clone(&body.blobs), job.inputs.iter().map(|input| input.blob.root).collect::<Vec<_>>());
    let sound = blocking(move || roots.into_iter().try_for_each(|root| blobs.check(root).map(drop))).await;
    sound.ok_or(RunError::Stopping)?.map_err(RunError::Input)?;
    let job = blocking({
        let body_blobs = Arc::clone(&body.blobs);
        move || with_case(&body_blobs, job)
    });
    let run = plan(&body.blobs, &body.executors, job.await.ok_or(RunError::Stopping)??)?;
    let output = command::run(&body.work_dir, run, line).await?;
    let blobs = Arc::clone(&body.blobs);
    Ok(blocking(move || blobs.put_reader(&output.bytes[..])).await.ok_or(RunError::Stopping)??)
}

/// The case that an arbiter is hired for, opened: whoever brought it may have made it up.
fn open_case(blobs: &BlobStore, seat: &Seat, inputs: &[BriefInput]) -> Result<Case, CaseError> {
    let case = inputs.iter().find(|input| &*input.name == CASE && input.blob.size <= bounds::CASE);
    let case = case.ok_or(CaseError::Missing)?;
    let unread = |error: &dyn std::fmt::Display| CaseError::Unreadable(error.to_string());
    let mut bytes = Vec::new();
    let file = blobs.open_checked(case.blob.root).map_err(|error| unread(&error))?;
    file.take(bounds::CASE).read_to_end(&mut bytes).map_err(|error| unread(&error))?;
    seat.open(&bytes)
}

/// The job with the case in plain JSON as its parameters, if it is to decide one.
fn with_case(blobs: &BlobStore, job: WorkJob) -> Result<WorkJob, RunError> {
    let Some(seat) = &job.seat else { return Ok(job) };
    let case = open_case(blobs, seat, &job.inputs).map_err(RunError::Case)?;
    Ok(WorkJob { params: Some(case.readable().to_string()), ..job })
}

/// Puts the case of a contested hire into the store.
pub(super) async fn case(body: Arc<Body>, job: CaseJob) {
    let (hire, blobs, name) = (job.hire, Arc::clone(&body.blobs), body.edge.name.clone());
    let put = move || {
        let transcript = Transcript::new(&name, job.records).map_err(|fault| fault.to_string())?;
        blobs.put_reader(&transcript.to_json()[..]).map_err(|error| error.to_string())
    };
    let Some(result) = blocking(put).await else { return };
    if let Err(error) = &result {
        tracing::error!(%hire, error, "the case cannot be put together");
    }
    body.queue.deliver(Input::Cased { hire, result }).await;
}

/// The run that a job of the brain asks for: which program, with what, for how long.
pub(crate) fn plan(blobs: &BlobStore, executors: &BTreeMap<Skill, CommandSpec>, job: WorkJob) -> Result<Job, RunError> {
    let spec = executors.get(&job.serving).ok_or_else(|| RunError::NoExecutor(job.serving.to_string()))?;
    let left = Duration::from_millis(job.due.since(wall_clock()).0);
    if left.is_zero() {
        return Err(RunError::Late);
    }
    let mut inputs = BTreeMap::new();
    for input in &job.inputs {
        let path = blobs.path_of(input.blob.root).ok_or_else(|| RunError::NoInput(input.name.to_string()))?;
        inputs.insert(input.name.to_string(), job::Input { path, media: Some(input.media.to_string()) });
    }
    Ok(Job {
        command: spec.command.clone(),
        config_dir: spec.dir.clone(),
        hire: job.hire.to_string(),
        skill: job.skill.to_string(),
        attempt: u32::try_from(job.attempt).unwrap_or(u32::MAX).saturating_add(1),
        params: job.params.as_deref().map_or(Ok(Value::Null), serde_json::from_str).map_err(|_| RunError::Params)?,
        inputs,
        part: job.part,
        feedback: job.feedback.map(Value::String),
        timeout: spec.timeout,
        left,
        result_cap: MAX_RESULT.min(usize::try_from(RESULT).unwrap_or(usize::MAX)),
        keep_dir: false,
    })
}

/// Runs checks and reports them. If this node cannot read what it should check, nobody else is to be blamed: it says so
/// in its log and reports nothing.
pub(super) async fn check(body: Arc<Body>, job: CheckJob) {
    let Ok(_core) = body.rations.crunches.acquire().await else { return };
    let (blobs, hire, root) = (Arc::clone(&body.blobs), job.hire, job.blob.root);
    match blocking(move || run_checks(&blobs, &job)).await {
        Some(Ok(checked)) => body.queue.deliver(Input::Checked { hire, root, checked }).await,
        Some(Err(error)) => tracing::error!(%hire, %error, "a delivery cannot be checked"),
        None => {}
    }
}

/// Runs the checks of a job over its blob.
pub(crate) fn run_checks(blobs: &BlobStore, job: &CheckJob) -> Result<Checked, BlobError> {
    let inputs = Held::new(blobs, &job.inputs);
    let result = if job.blob.size <= RESULT {
        let mut bytes = Vec::new();
        blobs.open_checked(job.blob.root)?.take(RESULT).read_to_end(&mut bytes).at(Path::new("a delivered result"))?;
        Some(bytes)
    } else {
        None
    };
    let run = |checks: &Checks| match (&result, checks.compile()) {
        (Some(bytes), Ok(compiled)) => compiled.run(bytes, &inputs),
        (None, _) => failed("size", format!("the result has {} bytes, at most {RESULT} are checked", job.blob.size)),
        (_, Err(invalid)) => failed("checks", format!("they cannot be run: {invalid}")),
    };
    // Sealed checks that cannot be run show nothing: no fault of the delivery, and no ground for a refusal.
    let sealed = job.sealed.clone().map(|asserts| Checks { schema: None, asserts });
    let sealed = sealed.map(|checks| if checks.compile().is_ok() { run(&checks) } else { Report::default() });
    let compared = job.compare.as_deref().and_then(|path| compared(result.as_deref()?, path));
    let decided = job
        .seat
        .as_ref()
        .map(|seat| open_case(blobs, seat, &job.inputs)?.decide(result.as_deref().unwrap_or_default()));
    let checked = Checked { public: run(&job.public), sealed, part: job.part, compared, decided };
    // A check that asked for an input that the disk has changed says nothing of the delivery.
    inputs.damaged.take().map_or(Ok(checked), Err)
}

/// A hash of the part of a result that is compared with those of others. Objects are written with their keys in order, so
/// that how a result is laid out tells nothing.
fn compared(result: &[u8], path: &str) -> Option<Bytes32> {
    let result: Value = serde_json::from_slice(result).ok()?;
    let steps = path.strip_prefix("result").unwrap_or(path).replace(['.', '['], "/").replace(']', "");
    let part = result.pointer(&steps)?;
    Some(Bytes32(Sha256::digest(part.to_string()).into()))
}

fn failed(check: &str, detail: String) -> Report {
    Report { outcomes: vec![Outcome { check: check.into(), detail: Untrusted::new(detail), passed: false }] }
}

/// The inputs of a hire as checks see them: hashed when a check asks for it, a block in memory at a time, and once.
pub(crate) struct Held<'a> {
    blobs: &'a BlobStore,
    inputs: &'a [BriefInput],
    hashes: RefCell<BTreeMap<String, Option<Bytes32>>>,
    damaged: Cell<Option<BlobError>>,
}

impl<'a> Held<'a> {
    pub fn new(blobs: &'a BlobStore, inputs: &'a [BriefInput]) -> Self {
        Self { blobs, inputs, hashes: RefCell::default(), damaged: Cell::default() }
    }

    fn input(&self, name: &str) -> Option<&BriefInput> {
        self.inputs.iter().find(|input| &*input.name == name)
    }

    fn hash(&self, name: &str) -> Option<Bytes32> {
        let mut file = match self.blobs.open_checked(self.input(name)?.blob.root) {
            Err(error @ BlobError::Damaged(_)) => {
                self.damaged.set(Some(error));
                return None;
            }
            opened => opened.ok()?,
        };
        let (mut hasher, mut block) = (Sha256::new(), vec![0; CHUNK_BYTES]);
        loop {
            match file.read(&mut block).ok()? {
                0 => return Some(Bytes32(hasher.finalize().into())),
                n => hasher.update(&block[..n]),
            }
        }
    }
}

impl Inputs for Held<'_> {
    fn sha256(&self, name: &str) -> Option<Bytes32> {
        *self.hashes.borrow_mut().entry(name.to_owned()).or_insert_with(|| self.hash(name))
    }

    fn size(&self, name: &str) -> Option<u64> {
        self.input(name).map(|input| input.blob.size)
    }
}
