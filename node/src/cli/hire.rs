//! `gigmesh hire`: the task's files into the node's store, the task onto the market, and with `--wait` the way to its end.
//!
//! Waiting changes nothing: the node carries the hire on whoever watches, and `gigmesh show` tells later.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::Path;

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::market::{Offer, Outcome};
use gigmesh_protocol::peer::io::Shown;
use gigmesh_protocol::time::Timestamp;
use gigmesh_protocol::untrusted::Untrusted;
use serde_json::json;
use tokio::time::Instant;

use super::args::HireArgs;
use super::bulk;
use super::failure::{Exit, Failure};
use super::hires::{checks, held_result, may_write, on_its_way, state, write_result};
use super::terminal::{Screen, Tone, command, emit, emit_json, short};
use super::up::Stop;
use crate::api::client::follow::{Followed, Follower, Progress, Update};
use crate::api::client::{Client, ClientError};
use crate::api::types::{HireRequest, Posted};
use crate::config::Source;
use crate::limits::{QUOTE, WATCH_PAUSE};
use crate::node::{Transfer, Trouble};
use crate::task::{self, TaskFile};
use crate::words;

/// `gigmesh hire`.
pub(super) async fn hire(args: HireArgs) -> Result<Exit, Failure> {
    if let (Some(each), Some(output)) = (&args.each, &args.output) {
        return bulk::hire(&args, each, output).await;
    }
    let file = task::read(&args.task)?;
    let direct = args.to.is_some();
    let slots = if direct { 1 } else { usize::from(file.task.slots) };
    if let Some(output) = &args.output {
        has_place(output, slots, args.force)?;
    }
    let client = args.door.client()?;
    let mut stop = Stop::listen()?;
    let follower = if args.wait { Some(Follower::new(client.clone()).await?) } else { None };
    let task = with_inputs(&client, file).await?;
    let posted = client.post("/v1/hires", &HireRequest { task, to: args.to, token: None }).await;
    let Posted { offer, .. } = posted.map_err(|error| in_file(&args.task, error))?;
    let Some(follower) = follower else {
        if args.door.json {
            emit_json(&json!({ "offer": offer }))?;
        } else {
            let show = command(format_args!("show {}", offer.short()));
            emit(&format!("posted as {offer}\n{show} tells how it goes\n"))?;
        }
        return Ok(Exit::Done);
    };
    let watch = Watch {
        offer,
        told: BTreeMap::new(),
        moved: BTreeMap::new(),
        waits: None,
        quiet: args.door.json,
        began: Instant::now(),
    };
    let end = tokio::select! {
        end = watch.follow(follower.follow(offer, WATCH_PAUSE)) => end?,
        () = stop.wanted() => {
            let id = offer.short();
            let failure = Failure::new(Exit::Ours, "no longer waiting; the hire goes on");
            let [show, stop] = ["show", "stop"].map(|verb| command(format_args!("{verb} {id}")));
            return Err(failure.advise(format!("{show} tells how it is, {stop} ends it")));
        }
    };
    let output = args.output.as_deref().map(|output| (output, args.force));
    end.report(&client, slots, output, args.door.json).await
}

/// The node's complaint about a place in a task, said of the line in its file.
fn in_file(file: &Path, error: ClientError) -> Failure {
    match error {
        ClientError::Refused { error, at: Some(at), .. } if at != "/to" => {
            Source::read(file).map_or_else(Failure::from, |source| source.at_pointer(&at, error).into())
        }
        error => error.into(),
    }
}

/// Finds out before the hire, and not after it, whether its result can be written where it is wanted.
fn has_place(output: &Path, slots: usize, force: bool) -> Result<(), Failure> {
    let place = output.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let problem = match slots {
        1 if output.is_dir() => "is a directory: name a file".to_owned(),
        2.. if output.exists() && !output.is_dir() => {
            format!("is a file: for {slots} results name a directory")
        }
        _ if !place.is_dir() => format!("has no place: there is no directory {}", place.display()),
        1 => return may_write(output, force),
        _ => return Ok(()),
    };
    Err(Failure::new(Exit::User, format!("--output {} {problem}", output.display())))
}

/// The task with its files in the node's store.
pub(super) async fn with_inputs(client: &Client, file: TaskFile) -> Result<Task, Failure> {
    Ok(client.put_inputs(file).await?)
}

/// Follows one posting.
struct Watch {
    offer: Id<Offer>,
    /// What was last said of each hire.
    told: BTreeMap<HireId, String>,
    /// How far a blob was when it was last spoken of.
    moved: BTreeMap<Bytes32, (u64, Option<Trouble>)>,
    /// What was last said of the offer itself.
    waits: Option<String>,
    quiet: bool,
    began: Instant,
}

/// How it all ended.
struct End {
    offer: Id<Offer>,
    unfilled: Option<String>,
    /// What the node shows of each hire, in the order of the awards.
    hires: Vec<(HireId, Shown)>,
}

impl Watch {
    async fn follow(mut self, mut followed: Followed) -> Result<End, Failure> {
        self.say(Tone::Quiet, &format!("posted as {}", self.offer));
        loop {
            let update = followed.next().await.map_err(|error| match error {
                ClientError::Stopped => {
                    let text = format!("the node stopped; the hire goes on when it runs again, as {}", self.offer);
                    Failure::new(Exit::Ours, text).hint("`gigmesh up`, then `gigmesh show`")
                }
                error => error.into(),
            })?;
            match update {
                Update::Moved(transfer) => self.tell_transfer(transfer),
                // The end is the report's to tell.
                Update::Progress(progress) if progress.shown.over => {
                    let Progress { shown, hires } = *progress;
                    let unfilled = shown.unfilled.as_ref().map(words::posting_end);
                    return Ok(End { offer: self.offer, unfilled, hires });
                }
                Update::Progress(progress) => {
                    self.tell_posting(&progress.shown);
                    progress.hires.iter().for_each(|(id, shown)| self.tell(*id, shown));
                }
            }
        }
    }

    /// A line for what an offer waits for: without one, looking for a worker would be ten silent minutes.
    fn tell_posting(&mut self, posting: &Shown) {
        if !posting.hires.is_empty() || posting.row.closed.is_some() {
            return;
        }
        let id = self.offer.short();
        let waits = match (posting.row.waits_for, waits(posting)) {
            (Some(_), _) => {
                let [approve, refuse] = ["approve", "refuse"].map(|verb| command(format_args!("{verb} {id}")));
                format!("waits for your approval: {approve} or {refuse}")
            }
            (None, None) => return,
            (None, Some(why)) if posting.claims == 0 => {
                format!("{why}, {} how long it stands", command(format_args!("show {id}")))
            }
            (None, Some(why)) => why,
        };
        if self.waits.as_ref() != Some(&waits) {
            self.say(Tone::Plain, &waits);
            self.waits = Some(waits);
        }
    }

    /// A line for each tenth of a blob that has come or gone, and for what holds it up.
    fn tell_transfer(&mut self, transfer: Transfer) {
        let step = (transfer.percent() / 10, transfer.trouble.clone());
        if self.moved.get(&transfer.blob) != Some(&step) {
            let (tone, line) = on_its_way(&transfer);
            self.say(tone, &format!("{}: {line}", transfer.hire.short()));
            self.moved.insert(transfer.blob, step);
        }
    }

    /// A line for each stage that a hire reaches.
    fn tell(&mut self, id: HireId, shown: &Shown) {
        let (tone, mut state) = state(&shown.row);
        // A contested hire may wait for its arbiter for days.
        if let (Some(reason), None) = (words::because(&shown.row), shown.row.closed) {
            state = format!("{state}; {reason}");
        }
        if self.told.get(&id) != Some(&state) {
            self.say(tone, &format!("{} by {}: {state}", id.short(), short(shown.row.with)));
            self.told.insert(id, state);
        }
    }

    fn say(&self, tone: Tone, line: &str) {
        if !self.quiet {
            let line = Screen::stderr().paint(tone, line);
            // Progress is a courtesy: nobody reading it is no failure.
            let _ = writeln!(io::stderr(), "{:6.1}s  {line}", self.began.elapsed().as_secs_f64());
        }
    }
}

/// Why nobody is hired for an open offer whose bid window has ended.
pub(super) fn waits(posting: &Shown) -> Option<String> {
    let bids = posting.records.first().and_then(|offer| offer.says.read_at::<Timestamp>("/bids"));
    if posting.row.reason.is_some() || bids.is_none_or(|bids| wall_clock() <= bids) {
        return None;
    }
    Some(match posting.claims {
        0 => {
            let find = command(format_args!("find {}", posting.row.skill));
            format!("nobody has claimed it yet; {find} shows who could")
        }
        _ => {
            let why = posting.why.as_ref().map(words::chosen).unwrap_or_default();
            format!("claimed, and nobody chosen yet: {why}")
        }
    })
}

/// The last reason, note or statement that either side gave on the way to the end, and whose it is.
pub(super) fn last_words(shown: &Shown) -> Option<(AgentId, String)> {
    shown.records.iter().rev().find_map(|record| {
        let said = ["/reason", "/statement", "/note"].into_iter().find_map(|key| record.says.at(key))?;
        Some((record.by, words::said(&record.kind, &said)?))
    })
}

impl End {
    /// Prints the outcome and the results, or puts these into `output`.
    async fn report(
        self,
        client: &Client,
        slots: usize,
        output: Option<(&Path, bool)>,
        as_json: bool,
    ) -> Result<Exit, Failure> {
        let screen = Screen::stdout();
        let (mut good, mut documents, mut text) = (0, Vec::new(), String::new());
        for (id, shown) in &self.hires {
            let row = &shown.row;
            let result = match held_result(shown) {
                Some(result) => Some(client.blob(result.root).await?),
                None => None,
            };
            good += usize::from(row.closed.is_some_and(|closed| closed.outcome == Outcome::Accepted));
            if let (Some(bytes), Some((output, force))) = (&result, output) {
                if slots == 1 {
                    write_result(output, bytes, force)?;
                } else {
                    let failed = |error| Failure::new(Exit::User, format!("cannot make {}: {error}", output.display()));
                    std::fs::create_dir_all(output).map_err(failed)?;
                    write_result(&output.join(format!("{id}.json")), bytes, force)?;
                }
            }
            let value = result.as_ref().and_then(Untrusted::json);
            let (with, closed, price) = (row.with, row.closed, &row.price);
            documents.push(json!({ "hire": id, "with": with, "closed": closed, "price": price, "result": value }));

            let (tone, state) = state(row);
            let price = row.price.as_ref().map(|price| format!(" for {price}")).unwrap_or_default();
            text.push_str(&format!("{}: hire {id} by {}{price}\n", screen.paint(tone, &state), short(row.with)));
            for failed in checks(shown).filter(|outcome| !outcome.passed) {
                let (check, found) = (failed.check.quoted(QUOTE), failed.detail.quoted(QUOTE));
                text.push_str(&format!("  failed: {check}: {found}\n"));
            }
            if let Some((by, words)) = last_words(shown) {
                text.push_str(&format!("  {} says: {words}\n", short(Some(by))));
            }
            match (value, output) {
                (Some(value), None) => text.push_str(&format!("{}\n", value.pretty())),
                (Some(_), Some((output, _))) => text.push_str(&format!("result written to {}\n", output.display())),
                (None, _) => text.push_str("no result\n"),
            }
        }
        if let Some(reason) = &self.unfilled {
            text.push_str(&format!("nobody began: {reason}\n"));
        } else if self.hires.is_empty() {
            text.push_str("nobody began before the offer expired\n");
        }
        let accepted = good >= slots;
        if as_json {
            let hires = documents;
            emit_json(
                &json!({ "offer": self.offer, "accepted": accepted, "unfilled": self.unfilled, "hires": hires }),
            )?;
        } else {
            emit(&text)?;
        }
        Ok(if accepted { Exit::Done } else { Exit::NotAccepted })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::cli::hires::tests::hire as shown;
    use crate::forged;

    #[test]
    fn a_result_without_a_place_is_found_out_before_the_hire() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, "").unwrap();
        assert_eq!(has_place(&file, 1, true), Ok(()));
        assert!(has_place(&file, 1, false).unwrap_err().error.contains("is not overwritten"));
        assert_eq!(has_place(&dir.path().join("new"), 2, false), Ok(()));
        assert_eq!(has_place(Path::new("new"), 1, false), Ok(()));
        for (bad, slots) in [(dir.path(), 1), (&file, 2), (&dir.path().join("no/where"), 1)] {
            let failure = has_place(bad, slots, false).unwrap_err();
            assert!(failure.exit == Exit::User && failure.error.starts_with("--output "), "{failure:?}");
        }
    }

    #[test]
    fn the_last_reason_given_is_told_with_whose_it_is() {
        let shown = shown(Value::Null);
        let (by, words) = last_words(&shown).unwrap();
        assert_eq!((by.to_string(), words), ("ef".repeat(32), r#""I\u{1b}[2Jbegin""#.to_owned()));
    }

    #[test]
    fn the_last_words_of_a_peer_are_quoted() {
        let mut shown = shown(Value::Null);
        for (kind, says) in [
            ("decline/1", json!({ "reason": { "said": forged::text() } })),
            ("progress/1", json!({ "note": forged::text() })),
        ] {
            let last = shown.records.last_mut().unwrap();
            (last.kind, last.says) = (kind.to_owned(), Untrusted::new(says));
            forged::assert_quoted(&last_words(&shown).unwrap().1, 1);
        }
    }
}
