//! What this node is part of: `hires`, and `stop` and `judge` for one of them.

use std::path::Path;

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::{Closed, Side};
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::market::checks;
use gigmesh_protocol::market::{BlobRef, Outcome};
use gigmesh_protocol::peer::io::{HireRow, Shown};
use gigmesh_protocol::untrusted::Untrusted;

use super::args::{Door, HiresArgs, JudgeArgs, StopArgs};
use super::failure::{Exit, Failure};
use super::terminal::{Screen, Table, Tone, command, emit, emit_json, runnable, short, size, when};
use crate::api::client::Client;
use crate::api::types::{Done, JudgeRequest, Judged, PageParams, Rows, StopRequest};
use crate::limits::QUOTE;
use crate::node::{Transfer, Trouble, Way};
use crate::words;

/// `gigmesh hires`.
pub(super) async fn list(args: HiresArgs) -> Result<Exit, Failure> {
    let client = args.door.client()?;
    let page = match args.limit {
        Some(limit) => some(&client, args.after, limit, args.all).await?,
        None => client.get_with("/v1/hires", &params(args.after, None, args.all)).await?,
    };
    if args.door.json {
        emit_json(&page)?;
        return Ok(Exit::Done);
    }
    let mut text = if page.rows.is_empty() {
        runnable("no hires yet; `gigmesh hire TASK.toml` posts a task\n")
    } else {
        table(&page.rows).render(&Screen::stdout())
    };
    if let Some(next) = page.next {
        let all = if args.all { " --all" } else { "" };
        let more = command(format_args!("hires{all} --after {next}"));
        text.push_str(&format!("{more} goes on\n"));
    }
    emit(&text)?;
    Ok(Exit::Done)
}

/// The newest `limit` postings and hires after this one, over as many pages as that takes.
pub(super) async fn some(
    client: &Client,
    after: Option<Bytes32>,
    limit: usize,
    archived: bool,
) -> Result<Rows<HireRow>, Failure> {
    let mut all: Rows<HireRow> = client.get_with("/v1/hires", &params(after, Some(limit), archived)).await?;
    while let (Some(next), true) = (all.next, all.rows.len() < limit) {
        let rest = limit - all.rows.len();
        let page: Rows<HireRow> = client.get_with("/v1/hires", &params(Some(next), Some(rest), archived)).await?;
        all.rows.extend(page.rows);
        all.next = page.next;
    }
    Ok(all)
}

fn params(after: Option<Bytes32>, limit: Option<usize>, all: bool) -> PageParams {
    PageParams { after: after.map(|after| after.to_string()), limit, all }
}

fn table(rows: &[HireRow]) -> Table {
    let mut table = Table::new(["ID", "I AM", "WITH", "SKILL", "STATE", "PRICE", "SINCE", "WHY"])
        .yielding(["WHY", "SINCE", "I AM", "PRICE"]);
    for row in rows {
        let (tone, state) = state(row);
        table.row([
            (Tone::Plain, row.id().short()),
            (Tone::Plain, side(row.side).to_owned()),
            (Tone::Plain, short(row.with)),
            (Tone::Plain, row.skill.to_string()),
            (tone, state),
            (Tone::Plain, row.price.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)),
            (Tone::Quiet, when(row.at, wall_clock())),
            (Tone::Quiet, words::because(row).unwrap_or_default()),
        ]);
    }
    table
}

/// What this node is in it, in words.
pub(super) fn side(side: Side) -> &'static str {
    match side {
        Side::Requester => "requester",
        Side::Worker => "worker",
    }
}

/// Where it stands, or how it ended.
pub(super) fn state(row: &HireRow) -> (Tone, String) {
    row.closed.map_or_else(|| (Tone::Plain, words::standing(row)), ended)
}

/// How it ended.
pub(super) fn ended(Closed { outcome, agreed, .. }: Closed) -> (Tone, String) {
    let tone = match outcome {
        Outcome::Accepted => Tone::Good,
        Outcome::Lapsed => Tone::Quiet,
        _ => Tone::Bad,
    };
    (tone, format!("{outcome}{}", if agreed { "" } else { " (one-sided)" }))
}

/// How far a blob is, in words.
pub(super) fn on_its_way(transfer: &Transfer) -> (Tone, String) {
    let way = match transfer.way {
        Way::Fetched => "here",
        Way::Served => "sent",
    };
    let line = format!("{}: {}% of {} {way}", transfer.blob.short(), transfer.percent(), size(transfer.size));
    match &transfer.trouble {
        Some(trouble) => {
            let why = match trouble {
                Trouble::Denied(words) => format!("the peer does not give it: {}", words.quoted(QUOTE)),
                Trouble::Failed(why) => why.clone(),
            };
            (Tone::Bad, format!("{line}; it stands still, and is tried again: {why}"))
        }
        None => (Tone::Plain, format!("{line}, {}/s", size(transfer.per_second))),
    }
}

/// The result, if its bytes are in the node's store.
pub(super) fn held_result(shown: &Shown) -> Option<BlobRef> {
    shown.result.filter(|_| shown.held)
}

/// Whether something may be written there: a file that is there is replaced only by `force`. What is no file, say a pipe or a
/// terminal, takes what comes.
pub(super) fn may_write(file: &Path, force: bool) -> Result<(), Failure> {
    if force || !file.metadata().is_ok_and(|found| found.is_file()) {
        return Ok(());
    }
    let failure = Failure::new(Exit::User, format!("{} exists, and is not overwritten", file.display()));
    Err(failure.hint("name another file, or replace this one with --force"))
}

/// A result goes where the user said, as it is.
pub(super) fn write_result(file: &Path, bytes: &Untrusted<impl AsRef<[u8]>>, force: bool) -> Result<(), Failure> {
    write(file, bytes.raw().as_ref(), force)
}

/// Bytes go where the user said.
pub(super) fn write(file: &Path, bytes: &[u8], force: bool) -> Result<(), Failure> {
    may_write(file, force)?;
    let failed = |error| Failure::new(Exit::User, format!("cannot write {}: {error}", file.display()));
    std::fs::write(file, bytes).map_err(failed)
}

/// Every check that was run, public ones first.
pub(super) fn checks(shown: &Shown) -> impl Iterator<Item = &checks::Outcome> {
    let reports = shown.checks.values().flat_map(|checked| [Some(&checked.public), checked.sealed.as_ref()]);
    reports.flatten().flat_map(|report| &report.outcomes)
}

/// `gigmesh judge`.
pub(super) async fn judge(args: JudgeArgs) -> Result<Exit, Failure> {
    let within = match (args.ruling, args.within) {
        (Judged::Changes, within) => Some(within.map_or_else(|| "10m".to_owned(), |within| within.to_string())),
        (_, None) => None,
        (_, Some(_)) => {
            let error = "--within is how long the worker has for changes, and none are wanted";
            return Err(Failure::new(Exit::User, error).hint("leave it out, or judge with `changes`"));
        }
    };
    let request = JudgeRequest { ruling: args.ruling, note: args.note, within };
    let done: Done = args.door.client()?.post(&format!("/v1/hires/{}/judge", args.id), &request).await?;
    told(args.door.json, done, "judged; the worker is told")
}

/// `gigmesh stop`.
pub(super) async fn stop(args: StopArgs) -> Result<Exit, Failure> {
    let (client, request) = (args.door.client()?, StopRequest { reason: args.reason });
    let shown: Shown = client.get(&format!("/v1/hires/{}", args.id)).await?;
    let done: Done = client.post(&format!("/v1/hires/{}/stop", args.id), &request).await?;
    let hired = shown.row.hire.is_some() || !shown.hires.is_empty();
    let text = match (hired, shown.claims) {
        (true, _) => "stopped; the other side is told",
        (false, 0) => "stopped; nobody had claimed it",
        (false, _) => "stopped; whoever claimed it is told",
    };
    told(args.door.json, done, text)
}

/// `gigmesh clock confirm`.
pub(super) async fn confirm_clock(door: Door) -> Result<Exit, Failure> {
    let done: Done = door.client()?.post("/v1/clock/confirm", &serde_json::json!({})).await?;
    told(door.json, done, "confirmed; the node goes on by it")
}

/// A request was carried out.
pub(super) fn told(json: bool, done: Done, text: &'static str) -> Result<Exit, Failure> {
    if json {
        emit_json(&done)?
    } else {
        emit(&(runnable(text) + "\n"))?
    }
    Ok(Exit::Done)
}

#[cfg(test)]
pub(super) mod tests {
    use gigmesh_protocol::market::Reason;
    use gigmesh_protocol::market::price::Price;
    use gigmesh_protocol::peer::io::{HireStatus, PostingEnd};
    use gigmesh_protocol::time::Timestamp;
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::terminal::{PIPE, columns};
    use crate::forged;

    /// A hire as the node shows it, closed like this.
    pub fn hire(closed: Value) -> Shown {
        let outcome = |check: &str, passed| json!({ "check": check, "detail": "result.rows is 3", "passed": passed });
        let price = "0.02 USD per task".parse::<Price>().unwrap();
        let dearer = "0.03 USD per task".parse::<Price>().unwrap();
        let considered = |agent: &str, price: &Price, outcome: Value| {
            json!({ "agent": agent.repeat(32), "price": price, "expect": 30_000, "low": 613, "newcomer": false, "fit": 2,
                    "outcome": outcome })
        };
        let shown = json!({
            "id": "ab".repeat(32), "over": !closed.is_null(),
            "row": {
                "hire": "ab".repeat(32), "offer": "cd".repeat(32), "side": "requester", "with": "ef".repeat(32),
                "skill": "a/b", "stage": "working", "closed": closed, "price": price, "at": 1_000,
            },
            "deadline": 400_000, "hires": ["ab".repeat(32)], "open": true, "claims": 2,
            "why": { "reason": { "better": { "by": "price", "of": 2 } }, "lane": false, "claims": 2,
                     "considered": [considered("ef", &price, json!("chosen")), considered("12", &dearer, json!({ "lost": "price" }))] },
            "records": [
                { "kind": "claim/1", "id": "11".repeat(32), "by": "ef".repeat(32), "at": 1_500, "private": null,
                  "says": { "price": price, "expect": 30_000, "until": 90_000, "nonce": "00".repeat(32), "seq": 12 } },
                { "kind": "begin/1", "id": "12".repeat(32), "by": "ef".repeat(32), "at": 2_000,
                  "says": { "hire": "ab".repeat(32), "note": "I\u{1b}[2Jbegin" }, "private": { "due": 302_000 } },
            ],
            "attempts": [{ "started": 2_000, "ended": [5_000, { "Err": { "failed": "it\u{7} broke" } }] }],
            "checks": { "34".repeat(32): { "public": { "outcomes": [outcome("result.rows == 4", false)] }, "sealed": null } },
            "result": { "root": "56".repeat(32), "size": 20 }, "held": false, "owed": null,
        });
        serde_json::from_value(shown).unwrap()
    }

    #[test]
    fn how_a_hire_ended_is_told_in_words() {
        let closed = |outcome, agreed| ended(Closed { at: Timestamp(1), outcome, agreed }).1;
        assert_eq!(closed(Outcome::Accepted, true), "accepted");
        assert_eq!(closed(Outcome::CancelledByWorker, false), "cancelled by the worker (one-sided)");
        assert_eq!(state(&hire(Value::Null).row).1, "working");
    }

    #[test]
    fn what_is_there_is_replaced_only_by_force() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("result");
        write(&file, b"first", false).unwrap();
        let failure = write(&file, b"second", false).unwrap_err();
        assert!(failure.exit == Exit::User && failure.text(false).contains("--force"), "{failure:?}");
        assert_eq!(std::fs::read(&file).unwrap(), b"first");
        write(&file, b"second", true).unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"second");
        write(Path::new("/dev/null"), b"third", false).unwrap();
    }

    #[test]
    fn a_result_is_offered_only_where_its_bytes_are() {
        let mut shown = hire(Value::Null);
        assert_eq!(held_result(&shown), None);
        shown.held = true;
        assert_eq!(held_result(&shown).unwrap().size, 20);
    }

    #[test]
    fn a_posting_that_was_stopped_says_why_and_a_narrow_terminal_leaves_that_out_first() {
        let row = HireRow {
            hire: None,
            with: None,
            stage: HireStatus::Closed,
            reason: Some(PostingEnd::Stopped("no longer wanted".to_owned())),
            ..hire(Value::Null).row
        };
        let text = table(std::slice::from_ref(&row)).render(&PIPE);
        assert!(text.contains("closed") && text.contains("no longer wanted"), "{text}");
        for width in [60, 80, 120] {
            let text = table(&[row.clone(), hire(Value::Null).row]).render(&columns(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            assert!(text.contains("abababab") && text.contains("closed"), "{text}");
            assert_eq!(text.contains("no longer wanted"), width == 120, "{text}");
        }
    }

    #[test]
    fn what_a_worker_refuses_with_is_quoted() {
        let reason = Some(PostingEnd::WorkerRefused(Reason::said(&forged::text())));
        let row = HireRow { hire: None, with: None, stage: HireStatus::Closed, reason, ..hire(Value::Null).row };
        forged::assert_quoted(&table(&[row]).render(&PIPE), 1);
    }
}
