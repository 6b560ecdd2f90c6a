//! What this node is part of: `hires`, `show`, `judge`, `stop`.

use std::path::Path;

use gigmesh_protocol::hire::selection::Why;
use gigmesh_protocol::hire::{Attempt, Closed, HireId, Side};
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::market::checks::Report;
use gigmesh_protocol::market::price::Price;
use gigmesh_protocol::market::{BlobRef, Offer, Outcome, Skill};
use gigmesh_protocol::time::Timestamp;
use serde_json::{Map, Value};

use super::args::{Door, HiresArgs, JudgeArgs, ShowArgs, StopArgs};
use super::failure::{Exit, Failure};
use super::run::now;
use super::terminal::{Screen, Table, Tone, emit, emit_json, field, rough, short, their_json_line, theirs, when};
use crate::api::types::{Done, JudgeRequest, Judged, PageParams, StopRequest};

/// `gigmesh hires`.
pub(super) async fn list(args: HiresArgs) -> Result<Exit, Failure> {
    let page: Value = args.door.client()?.get_with("/v1/hires", &PageParams { after: args.after }).await?;
    if args.door.json {
        emit_json(&page)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["ID", "I AM", "WITH", "SKILL", "STATE", "PRICE", "SINCE"]);
    let rows: Vec<Value> = field(&page, "rows")?;
    for row in &rows {
        let row = Row::read(row)?;
        let price = row.price.map_or_else(|| "-".to_owned(), |price| price.to_string());
        let (tone, state) = state(row.closed, &row.stage);
        table.row([
            (Tone::Plain, row.id.short()),
            (Tone::Plain, side(row.side).to_owned()),
            (Tone::Plain, short(row.with)),
            (Tone::Plain, row.skill.to_string()),
            (tone, state),
            (Tone::Plain, price),
            (Tone::Quiet, when(row.at, now())),
        ]);
    }
    let mut text = if table.is_empty() {
        "no hires yet; `gigmesh hire TASK.toml` posts a task\n".to_owned()
    } else {
        table.render(&Screen::stdout())
    };
    if let Some(next) = field::<Option<Bytes32>>(&page, "next")? {
        text.push_str(&format!("more: gigmesh hires --after {next}\n"));
    }
    emit(&text)?;
    Ok(Exit::Done)
}

/// A posting or hire in a list.
pub(super) struct Row {
    pub id: Bytes32,
    pub side: Side,
    pub with: Option<AgentId>,
    pub skill: Skill,
    pub stage: String,
    pub closed: Option<Closed>,
    pub price: Option<Price>,
    pub at: Timestamp,
}

impl Row {
    pub fn read(row: &Value) -> Result<Self, Failure> {
        let hire: Option<HireId> = field(row, "hire")?;
        Ok(Self {
            id: match hire {
                Some(hire) => hire.untyped(),
                None => field::<Id<Offer>>(row, "offer")?.untyped(),
            },
            side: field(row, "side")?,
            with: field(row, "with")?,
            skill: field(row, "skill")?,
            stage: field(row, "stage")?,
            closed: field(row, "closed")?,
            price: field(row, "price")?,
            at: field(row, "at")?,
        })
    }
}

fn side(side: Side) -> &'static str {
    match side {
        Side::Requester => "requester",
        Side::Worker => "worker",
    }
}

/// Where it stands, or how it ended.
pub(super) fn state(closed: Option<Closed>, stage: &str) -> (Tone, String) {
    let Some(Closed { outcome, agreed, .. }) = closed else { return (Tone::Plain, stage.to_owned()) };
    let tone = match outcome {
        Outcome::Accepted => Tone::Good,
        Outcome::Lapsed => Tone::Quiet,
        _ => Tone::Bad,
    };
    (tone, format!("{outcome}{}", if agreed { "" } else { " (one-sided)" }))
}

/// `gigmesh show`.
pub(super) async fn show(args: ShowArgs) -> Result<Exit, Failure> {
    let client = args.door.client()?;
    let shown: Value = client.get(&format!("/v1/hires/{}", args.id)).await?;
    if let Some(file) = &args.output {
        let Some(result) = held_result(&shown)? else {
            return Err(Failure::new(Exit::User, "its result is not here (yet)"));
        };
        write(file, &client.blob(result.root).await?)?;
    }
    if args.door.json {
        emit_json(&shown)?;
    } else {
        emit(&shown_text(&shown, &Screen::stdout(), now())?)?;
    }
    Ok(Exit::Done)
}

/// The result, if its bytes are in the node's store.
pub(super) fn held_result(shown: &Value) -> Result<Option<BlobRef>, Failure> {
    let held: bool = field(shown, "held")?;
    Ok(field::<Option<BlobRef>>(shown, "result")?.filter(|_| held))
}

/// A result goes where the user said.
pub(super) fn write(file: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let failed = |error| Failure::new(Exit::User, format!("cannot write {}: {error}", file.display()));
    std::fs::write(file, bytes).map_err(failed)
}

fn shown_text(shown: &Value, screen: &Screen, now: Timestamp) -> Result<String, Failure> {
    let head: Value = field(shown, "row")?;
    let row = Row::read(&head)?;
    let (tone, state) = state(row.closed, &row.stage);
    let offer: Id<Offer> = field(&head, "offer")?;
    let mut lines = vec![match field::<Option<HireId>>(&head, "hire")? {
        Some(hire) => format!("hire {hire}\nof offer {offer}"),
        None => format!("offer {offer}"),
    }];
    lines.push(format!("{} as {}: {}", row.skill, side(row.side), screen.paint(tone, &state)));
    if let Some(with) = row.with {
        lines.push(format!("with agent {with}"));
    }
    if let Some(price) = row.price {
        lines.push(format!("price {price}"));
    }
    lines.push(format!("since {} ({})", row.at, when(row.at, now)));
    if let Some(deadline) = field::<Option<Timestamp>>(shown, "deadline")? {
        lines.push(format!("silence ends it at {deadline} ({})", when(deadline, now)));
    }
    let chosen = field::<Option<Why>>(shown, "why")?.map(|why| why.reason);
    if let Some(reason) = field::<Option<String>>(&head, "reason")?.or(chosen) {
        lines.push(format!("why: {reason}"));
    }
    let hires: Vec<HireId> = field(shown, "hires")?;
    if hires.len() > 1 || (row.id == offer.untyped() && !hires.is_empty()) {
        lines.push(format!("hires: {}", hires.iter().map(Id::short).collect::<Vec<_>>().join(", ")));
    }
    if row.id == offer.untyped() {
        lines.push(format!("claims held: {}", field::<usize>(shown, "claims")?));
    }
    let mut text = lines.join("\n") + "\n";

    let mut table = Table::new(["AT", "BY", "RECORD", "ID", "SAYS"]);
    for record in field::<Vec<Value>>(shown, "records")? {
        let at: Option<Timestamp> = field(&record, "at")?;
        table.row([
            (Tone::Quiet, at.map_or_else(|| "-".to_owned(), |at| at.to_string())),
            (Tone::Plain, short(Some(field(&record, "by")?))),
            (Tone::Plain, field(&record, "kind")?),
            (Tone::Plain, field::<Bytes32>(&record, "id")?.short()),
            (Tone::Quiet, says(&record)?),
        ]);
    }
    section(&mut text, &table, screen);

    let mut table = Table::new(["CHECK", "", "WHAT WAS FOUND"]);
    for (passed, check, detail) in checks(shown)? {
        let tone = if passed { Tone::Good } else { Tone::Bad };
        let verdict = if passed { "passed" } else { "failed" };
        let detail = if detail.is_empty() { detail } else { theirs(&detail) };
        table.row([(Tone::Plain, theirs(&check)), (tone, verdict.to_owned()), (Tone::Plain, detail)]);
    }
    section(&mut text, &table, screen);

    let mut table = Table::new(["RUN", "STARTED", "CAME TO"]);
    for (number, attempt) in (1..).zip(field::<Vec<Attempt>>(shown, "attempts")?) {
        let (tone, end) = match attempt.ended {
            None => (Tone::Quiet, "not known".to_owned()),
            Some((at, Ok(_))) => (Tone::Good, format!("a result after {}", rough(at.since(attempt.started)))),
            Some((_, Err(why))) => (Tone::Bad, theirs(&why)),
        };
        table.row([(Tone::Plain, format!("{number}")), (Tone::Quiet, attempt.started.to_string()), (tone, end)]);
    }
    section(&mut text, &table, screen);

    if let Some(result) = field::<Option<BlobRef>>(shown, "result")? {
        let held: bool = field(shown, "held")?;
        let how = if held { "`--output FILE` writes it" } else { "not here (yet)" };
        text.push_str(&format!("\nresult: {} bytes, {}; {how}\n", result.size, result.root.short()));
    }
    Ok(text)
}

fn section(text: &mut String, table: &Table, screen: &Screen) {
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.render(screen));
    }
}

/// What a record says beside its place in the hire. Most of it is another agent's.
fn says(record: &Value) -> Result<String, Failure> {
    let said: Map<String, Value> = field(record, "says")?;
    let told = said
        .iter()
        .filter(|(key, _)| !["at", "body", "day", "ext", "hire", "link", "nonce", "seq"].contains(&key.as_str()));
    let told = told.map(|(key, value)| match value {
        Value::String(text) => match text.parse::<Bytes32>() {
            Ok(id) => format!("{key} {}", id.short()),
            Err(_) => format!("{key} {}", theirs(text)),
        },
        other => format!("{key} {}", their_json_line(other)),
    });
    Ok(told.collect::<Vec<_>>().join(", "))
}

/// Every check that was run, public ones first: whether it passed, what it is, what was found.
pub(super) fn checks(shown: &Value) -> Result<Vec<(bool, String, String)>, Failure> {
    let mut all = Vec::new();
    for (_, of_result) in field::<Map<String, Value>>(shown, "checks")? {
        let reports = [Some(field::<Report>(&of_result, "public")?), field::<Option<Report>>(&of_result, "sealed")?];
        let outcomes = reports.into_iter().flatten().flat_map(|report| report.outcomes);
        all.extend(outcomes.map(|outcome| (outcome.passed, outcome.check, outcome.detail)));
    }
    Ok(all)
}

/// `gigmesh judge`.
pub(super) async fn judge(args: JudgeArgs) -> Result<Exit, Failure> {
    let within = args.within.or_else(|| (args.ruling == Judged::Changes).then(|| "10m".to_owned()));
    let request = JudgeRequest { ruling: args.ruling, note: args.note, within };
    let done: Done = args.door.client()?.post(&format!("/v1/hires/{}/judge", args.id), &request).await?;
    told(args.door.json, done, "judged; the worker is told\n")
}

/// `gigmesh stop`.
pub(super) async fn stop(args: StopArgs) -> Result<Exit, Failure> {
    let request = StopRequest { reason: args.reason };
    let done: Done = args.door.client()?.post(&format!("/v1/hires/{}/stop", args.id), &request).await?;
    told(args.door.json, done, "stopped; the other side is told\n")
}

/// `gigmesh clock confirm`.
pub(super) async fn confirm_clock(door: Door) -> Result<Exit, Failure> {
    let done: Done = door.client()?.post("/v1/clock/confirm", &serde_json::json!({})).await?;
    told(door.json, done, "confirmed; the node goes on by it\n")
}

fn told(json: bool, done: Done, text: &str) -> Result<Exit, Failure> {
    if json {
        emit_json(&serde_json::json!({ "done": done.done }))?
    } else {
        emit(text)?
    }
    Ok(Exit::Done)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::terminal::PIPE;

    /// A hire as the node shows it.
    pub fn hire(closed: Value) -> Value {
        let outcome = |check: &str, passed| json!({ "check": check, "detail": "result.rows is 3", "passed": passed });
        json!({
            "row": {
                "hire": "ab".repeat(32), "offer": "cd".repeat(32), "side": "requester", "with": "ef".repeat(32),
                "skill": "a/b", "stage": "working", "closed": closed, "price": "free".parse::<Price>().unwrap(), "at": 1_000,
            },
            "deadline": 400_000, "hires": ["ab".repeat(32)], "claims": 2,
            "why": { "reason": "best of 2 by price", "lane": false, "claims": 2, "considered": [] },
            "records": [
                { "kind": "begin/1", "id": "12".repeat(32), "by": "ef".repeat(32), "at": 2_000,
                  "says": { "hire": "ab".repeat(32), "note": "I\u{1b}[2Jbegin" }, "private": null },
            ],
            "attempts": [{ "started": 2_000, "ended": [5_000, { "Err": "it\u{7} broke" }] }],
            "checks": { "34": { "public": { "outcomes": [outcome("result.rows == 4", false)] }, "sealed": null } },
            "result": { "root": "56".repeat(32), "size": 20 }, "held": false,
        })
    }

    #[test]
    fn a_hire_is_shown_whole_and_the_words_of_others_cannot_act() {
        let text = shown_text(&hire(Value::Null), &PIPE, Timestamp(100_000)).unwrap();
        for line in [
            "a/b as requester: working",
            "silence ends it at 1970-01-01T00:06:40.000Z (in 5m)",
            "why: best of 2 by price",
            r#"1970-01-01T00:00:02.000Z  efefefef  begin/1  12121212  note "I\u{1b}[2Jbegin""#,
            r#""result.rows == 4"  failed  "result.rows is 3""#,
            r#"1    1970-01-01T00:00:02.000Z  "it\u{7} broke""#,
            "result: 20 bytes, 56565656; not here (yet)",
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n is not in\n{text}");
        }
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }

    #[test]
    fn how_a_hire_ended_is_told_in_words() {
        let closed = |outcome, agreed| state(Some(Closed { at: Timestamp(1), outcome, agreed }), "settled").1;
        assert_eq!(closed(Outcome::Accepted, true), "accepted");
        assert_eq!(closed(Outcome::CancelledByWorker, false), "cancelled by the worker (one-sided)");
        assert_eq!(state(None, "in review").1, "in review");
    }

    #[test]
    fn a_result_is_offered_only_where_its_bytes_are() {
        let mut shown = hire(Value::Null);
        assert_eq!(held_result(&shown).unwrap(), None);
        shown["held"] = json!(true);
        assert_eq!(held_result(&shown).unwrap().unwrap().size, 20);
    }
}
