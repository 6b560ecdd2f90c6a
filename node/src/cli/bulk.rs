//! `gigmesh hire --each`: one hire for each row of a file, so many at once, to the end of all. In: a task, rows, and what an
//! earlier run left. Out: a line of results for each row, in the order of their ends.
//!
//! What is over is on disk, what is not is asked for again: each row is ordered with its own token, by which the node knows it
//! if it has it already ([`batch`]). So the way on after an interruption is the way itself, and there is no other.
//!
//! What must never happen: a row that is hired twice, or any row hired before every row was read and found good.

mod batch;
mod board;
mod rows;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Instant;

use futures::{TryStreamExt, stream};
use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::id::{Id, sha256};
use gigmesh_protocol::market::Offer;
use gigmesh_protocol::peer::io::{ReputationView, Shown};
use hyper::StatusCode;
use tokio::time::{interval, sleep};

use self::batch::{Batch, FORGOTTEN, Finished, Of, UNFILLED};
use self::board::{Board, Standing};
use self::rows::{Mould, Row, Rows};
use super::args::HireArgs;
use super::failure::{Exit, Failure};
use super::hire::waits;
use super::hires::{checks, held_result, state};
use super::terminal::{Tone, runnable};
use super::up::Stop;
use crate::api::client::follow::{Follower, Progress};
use crate::api::client::{Client, ClientError};
use crate::api::types::{HireRequest, Identity, Posted};
use crate::limits::{BULK_AWAY, BULK_DRAW, BULK_PAUSE, BULK_RESULT, WATCH_PAUSE};
use crate::task::{self, TaskFile};
use crate::words;

const RESUME: &str = "the same command goes on where this one stopped; no row is hired twice";

/// `gigmesh hire --each`.
pub(super) async fn hire(args: &HireArgs, each: &Path, output: &Path) -> Result<Exit, Failure> {
    let file = task::read(&args.task)?;
    if file.task.slots != 1 {
        let error = format!("{}: a row is one hire, and this task has {} slots", args.task.display(), file.task.slots);
        return Err(Failure::new(Exit::User, error).hint("leave `slots` and `agree` out of it"));
    }
    batch::may_write(output)?;
    let rows = read_rows(&file, each, output).map_err(|failure| failure.hint("nothing was hired"))?;
    let client = args.door.client()?;
    let agent = client.get::<Identity>("/v1/id").await?.agent;
    let to = match &args.to {
        None => None,
        Some(given) => match batch::worker_before(output, given)? {
            Some(worker) => Some(worker),
            None => Some(client.get::<ReputationView>(&format!("/v1/reputation/{given}")).await?.agent),
        },
    };
    let mut stop = Stop::listen()?;
    let task = client.put_inputs(file).await?;
    let (mut done, mut board) = (BTreeSet::new(), Board::new(rows.sum.count, args.door.json));
    let of = Of { agent, to, task: digest(&task)?, rows: rows.sum.digest };
    let batch = Batch::open(output, of, wall_clock(), |finished| {
        if done.insert(finished.row) {
            board.was_over(&finished);
        }
    })?;
    if batch.is_too_old(wall_clock()) && (done.len() as u64) < rows.sum.count {
        let error = "the batch was begun so long ago that the node may have forgotten which of its rows it hired";
        let hint =
            format!("put the rows without a line in {} into a new file, with another --output", output.display());
        return Err(Failure::new(Exit::User, error).advise(hint));
    }
    let to = to.map(|to| to.to_string());
    let follower = Follower::new(client.clone()).await?;
    let bulk =
        Bulk { client, source: &args.task, task, to, batch: RefCell::new(batch), board: RefCell::new(board), follower };
    bulk.board.borrow().draw();
    let left = stream::try_unfold((rows, done), |(mut rows, done)| async move {
        Ok(rows.next(&done)?.map(|row| (row, (rows, done))))
    });
    let work = left.map_ok(|row| bulk.row(row)).try_buffer_unordered(args.parallel);
    let over = tokio::select! {
        over = work.try_for_each(|()| async { Ok(()) }) => over,
        never = bulk.redraw() => match never {},
        () = stop.wanted() => {
            Err(Failure::new(Exit::Ours, "nothing more is hired; what is at work goes on without being watched"))
        }
    };
    let board = bulk.board.borrow();
    board.end();
    over.map_err(|failure| if failure.has_hint() { failure } else { failure.hint(RESUME) })?;
    board.report(output, args.door.json)
}

fn read_rows(file: &TaskFile, each: &Path, output: &Path) -> Result<Rows, Failure> {
    let stdin = each == Path::new("-");
    let (source, name, dir): (Box<dyn Read>, _, _) = if stdin {
        (Box::new(io::stdin()), "stdin".to_owned(), Path::new(""))
    } else {
        let name = each.display().to_string();
        let opened = File::open(each).map_err(|error| Failure::new(Exit::User, format!("cannot read {name}: {error}")));
        (Box::new(opened?), name, batch::place(each))
    };
    Rows::check(source, &name, Mould::of(file, dir)?, batch::place(output))
}

fn digest(task: &Task) -> Result<gigmesh_protocol::id::Bytes32, Failure> {
    let json = serde_json::to_vec(task).map_err(|error| Failure::new(Exit::Ours, error))?;
    Ok(sha256(&[&json]))
}

/// There is no value of it: a loop that returns none never returns.
enum Never {}

struct Bulk<'a> {
    client: Client,
    source: &'a Path,
    /// What every row is laid over, its inputs in the node's store.
    task: Task,
    to: Option<String>,
    batch: RefCell<Batch>,
    board: RefCell<Board>,
    follower: Follower,
}

impl Bulk<'_> {
    /// One row to its end.
    async fn row(&self, row: Row) -> Result<(), Failure> {
        let line = row.line;
        self.board.borrow_mut().stands(line, Standing::Looking, None);
        let offer = self.order(row).await?;
        let finished = self.follow(line, offer).await?;
        self.batch.borrow_mut().record(&finished)?;
        self.board.borrow_mut().is_over(&finished);
        Ok(())
    }

    /// Orders a row, as often as it takes: the node carries it out once.
    async fn order(&self, row: Row) -> Result<Id<Offer>, Failure> {
        let line = row.line;
        let wrong = |failure: Failure| failure.of(format!("row {line}"));
        let file = row.task(&self.task);
        let (own, inputs) = (file.task, file.inputs);
        let mut stored = own.clone();
        for input in inputs {
            let blob = self.patiently(async || self.client.put_input(&input).await).await.map_err(wrong)?;
            stored.inputs.push(blob);
        }
        let request = HireRequest { task: stored, to: self.to.clone(), token: Some(self.batch.borrow().token(line)) };
        loop {
            let posted =
                self.patiently_or(StatusCode::NOT_FOUND, async || self.client.post("/v1/hires", &request).await);
            match posted.await.map_err(wrong)? {
                Some(Posted { offer, .. }) => return Ok(offer),
                // An input that lay unused for long was swept away.
                None => self.store_again().await.map_err(wrong)?,
            }
        }
    }

    /// Puts the task's inputs into the node's store again.
    async fn store_again(&self) -> Result<(), Failure> {
        let task = self.client.put_inputs(task::read(self.source)?).await?;
        if task == self.task {
            return Ok(());
        }
        Err(Failure::new(Exit::User, "the task or one of its inputs changed meanwhile")
            .hint("put them back as they were and give the same command again, or begin anew with another --output"))
    }

    /// Waits for the end of an offer.
    async fn follow(&self, row: u64, offer: Id<Offer>) -> Result<Finished, Failure> {
        let mut followed = self.follower.follow(offer, WATCH_PAUSE);
        let mut finished = Finished {
            row,
            outcome: UNFILLED.to_owned(),
            offer,
            hire: None,
            with: None,
            price: None,
            owed: None,
            took_ms: None,
            reason: None,
            failed: Vec::new(),
            result: None,
            result_file: None,
        };
        let shown = loop {
            // A lost connection is no trouble of its own: the node is asked, and that may have to wait.
            let ask = async || loop {
                match followed.progress().await {
                    Err(ClientError::Stopped) => {}
                    answer => return answer,
                }
            };
            let Some(Progress { shown, hires }) = self.patiently_or(StatusCode::NOT_FOUND, ask).await? else {
                finished.outcome = FORGOTTEN.to_owned();
                finished.reason = Some("it was over so long ago that the node has archived it".to_owned());
                break None;
            };
            let (over, looking) = (shown.over, hires.is_empty());
            let shown = hires.into_iter().last().map_or(shown, |(_, last)| last);
            if over {
                break Some(shown);
            }
            let (standing, why) = match (shown.row.waits_for, looking) {
                (Some(_), _) => (Standing::Person, Some(runnable("some rows wait for your word; see `gigmesh inbox`"))),
                (None, true) => (Standing::Looking, waits(&shown)),
                (None, false) => (Standing::AtWork, None),
            };
            self.board.borrow_mut().stands(row, standing, why);
        };
        if let Some(shown) = shown {
            self.tell(&mut finished, &shown).await?;
        }
        Ok(finished)
    }

    /// What came of an offer that is over.
    async fn tell(&self, finished: &mut Finished, shown: &Shown) -> Result<(), Failure> {
        let row = &shown.row;
        finished.reason = words::because(row);
        let Some(closed) = row.closed else { return Ok(()) };
        finished.outcome = closed.outcome.to_string();
        (finished.hire, finished.with) = (row.hire, row.with);
        finished.price = row.price.as_ref().map(ToString::to_string);
        finished.owed = shown.owed.as_ref().filter(|owed| owed.micros() > 0).map(ToString::to_string);
        finished.took_ms = Some(closed.at.since(row.at));
        if !closed.agreed {
            finished.reason = Some(state(row).1);
        }
        finished.failed =
            checks(shown).filter(|outcome| !outcome.passed).map(|outcome| outcome.check.clone()).collect();
        let Some(blob) = held_result(shown) else { return Ok(()) };
        let bytes = self.patiently_or(StatusCode::NOT_FOUND, async || self.client.blob(blob.root).await).await?;
        match bytes {
            None => finished.reason = Some("its result is no longer in the node's store".to_owned()),
            Some(bytes) => match bytes.json() {
                Some(value) if blob.size <= BULK_RESULT => finished.result = Some(value),
                _ => finished.result_file = Some(self.batch.borrow().keep(finished.row, &bytes)?),
            },
        }
        Ok(())
    }

    /// Asks until the node answers; an answer of this status is none.
    async fn patiently_or<T>(
        &self,
        none: StatusCode,
        mut ask: impl AsyncFnMut() -> Result<T, ClientError>,
    ) -> Result<Option<T>, Failure> {
        let ask = async || match ask().await {
            Err(ClientError::Refused { status, .. }) if status == none => Ok(None),
            answer => answer.map(Some),
        };
        self.patiently(ask).await
    }

    /// Asks until the node answers: it may be down for a moment, or have no room before something closes.
    async fn patiently<T>(&self, mut ask: impl AsyncFnMut() -> Result<T, ClientError>) -> Result<T, Failure> {
        let mut away: Option<Instant> = None;
        loop {
            let error = match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            let is_full = matches!(error, ClientError::Refused { status: StatusCode::TOO_MANY_REQUESTS, .. });
            let passes = match &error {
                ClientError::NoNode(_) | ClientError::Lost(_) | ClientError::Stopped => true,
                ClientError::Refused { status, .. } => is_full || status.is_server_error(),
                ClientError::Malformed(_) | ClientError::File { .. } => false,
            };
            let since = *away.get_or_insert_with(Instant::now);
            if !passes || (!is_full && since.elapsed() > BULK_AWAY) {
                return Err(error.into());
            }
            self.board.borrow_mut().say(Tone::Bad, format!("{error}; asking again"));
            sleep(BULK_PAUSE).await;
        }
    }

    /// Lets the bar's clock go on.
    async fn redraw(&self) -> Never {
        let mut tick = interval(BULK_DRAW);
        loop {
            tick.tick().await;
            self.board.borrow().draw();
        }
    }
}
