//! What waits for a person, and what the person says to it: `inbox`, `approve`, `refuse`, `rate`, `reply`, `contest`, `appeal`; and
//! `ask`, which puts something into the other side's inbox.

use std::collections::BTreeSet;

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::peer::io::{InboxRow, WaitsFor};
use gigmesh_protocol::time::Timestamp;

use super::args::{AppealArgs, ApproveArgs, AskArgs, ContestArgs, Door, RateArgs, RefuseArgs, ReplyArgs};
use super::failure::{Exit, Failure};
use super::hires::told;
use super::terminal::{Screen, Table, Tone, emit, emit_json, short, when};
use crate::api::types::{RateRequest, ReplyRequest, Rows, SettleRequest, TextRequest};
use crate::limits::QUOTE;

/// `gigmesh inbox`.
pub(super) async fn inbox(door: Door) -> Result<Exit, Failure> {
    let page: Rows<InboxRow> = door.client()?.get("/v1/inbox").await?;
    if door.json {
        emit_json(&page)?;
    } else {
        emit(&text(&page.rows, &Screen::stdout(), wall_clock()))?;
    }
    Ok(Exit::Done)
}

fn text(rows: &[InboxRow], screen: &Screen, now: Timestamp) -> String {
    if rows.is_empty() {
        return "nothing waits for you\n".to_owned();
    }
    let mut table =
        Table::new(["ID", "WAITS FOR", "WITH", "SKILL", "PRICE", "SINCE", "DECIDED", "SUMMARY", "THEY SAY"])
            .yielding(["SUMMARY", "SINCE", "WITH", "SKILL", "PRICE", "THEY SAY"]);
    for row in rows {
        table.row([
            (Tone::Plain, row.id.short()),
            (Tone::Plain, name(row.waits_for).to_owned()),
            (Tone::Plain, short(Some(row.with))),
            (Tone::Plain, row.skill.to_string()),
            (Tone::Plain, row.price.to_string()),
            (Tone::Quiet, when(row.since, now)),
            (Tone::Plain, when(row.until, now)),
            (Tone::Quiet, row.summary.quoted(QUOTE)),
            (Tone::Plain, row.says.as_ref().map(|says| says.quoted(QUOTE)).unwrap_or_default()),
        ]);
    }
    let mut text = table.render(screen);
    text.push('\n');
    let mut told = BTreeSet::new();
    for row in rows.iter().filter(|row| told.insert(row.waits_for)) {
        text.push_str(&answers(row.waits_for, &row.id.short()));
    }
    text
}

fn name(waits_for: WaitsFor) -> &'static str {
    match waits_for {
        WaitsFor::Approval => "approval",
        WaitsFor::Judgement => "judgement",
        WaitsFor::Rating => "rating",
        WaitsFor::Answer => "answer",
        WaitsFor::Begin => "begin",
        WaitsFor::Contest => "contest",
    }
}

/// How it is answered, and what happens otherwise.
fn answers(waits_for: WaitsFor, id: &str) -> String {
    let (how, otherwise) = match waits_for {
        WaitsFor::Approval => (format!("approve {id}, or refuse {id}"), "nobody is hired"),
        WaitsFor::Judgement => {
            (format!("show {id}, then judge {id} accept, refuse or changes"), "the public checks decide")
        }
        WaitsFor::Rating => (format!("rate {id} --quality 0.8"), "the derived rating stands"),
        WaitsFor::Answer => (format!("reply {id} 'your answer'"), "the worker does without, and its time goes on"),
        WaitsFor::Begin => (format!("approve {id} to begin, or refuse {id}"), "the award lapses"),
        WaitsFor::Contest => {
            (format!("contest {id} 'what you say', or approve {id} to agree to the refusal"), "the checks decide")
        }
    };
    format!("{}: gigmesh {how}; without you {otherwise}\n", name(waits_for))
}

/// `gigmesh approve`.
pub(super) async fn approve(args: ApproveArgs) -> Result<Exit, Failure> {
    let ApproveArgs { id, note, door } = args;
    let done = door.client()?.post(&format!("/v1/hires/{id}/approve"), &SettleRequest { note }).await?;
    told(door.json, done, "approved; it goes on")
}

/// `gigmesh refuse`.
pub(super) async fn refuse(args: RefuseArgs) -> Result<Exit, Failure> {
    let RefuseArgs { id, reason, door } = args;
    let done = door.client()?.post(&format!("/v1/hires/{id}/refuse"), &SettleRequest { note: reason }).await?;
    told(door.json, done, "refused")
}

/// `gigmesh rate`.
pub(super) async fn rate(args: RateArgs) -> Result<Exit, Failure> {
    let RateArgs { id, accuracy, quality, speed, communication, door } = args;
    let request = RateRequest { accuracy, quality, speed, communication };
    let done = door.client()?.post(&format!("/v1/hires/{id}/rate"), &request).await?;
    told(door.json, done, "rated; these scores take the place of the derived ones")
}

/// `gigmesh ask`.
pub(super) async fn ask(args: AskArgs) -> Result<Exit, Failure> {
    let AskArgs { id, text, door } = args;
    let done = door.client()?.post(&format!("/v1/hires/{id}/ask"), &TextRequest { text }).await?;
    told(door.json, done, "asked; `gigmesh show` has the answer when it comes")
}

/// `gigmesh reply`.
pub(super) async fn reply(args: ReplyArgs) -> Result<Exit, Failure> {
    let ReplyArgs { id, text, later, door } = args;
    let request = ReplyRequest { text, later: later.map(|later| later.to_string()) };
    let done = door.client()?.post(&format!("/v1/hires/{id}/reply"), &request).await?;
    told(door.json, done, "answered; the worker is told")
}

/// `gigmesh contest`.
pub(super) async fn contest(args: ContestArgs) -> Result<Exit, Failure> {
    let ContestArgs { id, statement, door } = args;
    let done = door.client()?.post(&format!("/v1/hires/{id}/contest"), &TextRequest { text: statement }).await?;
    told(door.json, done, "contested; the requester is told")
}

/// `gigmesh appeal`.
pub(super) async fn appeal(args: AppealArgs) -> Result<Exit, Failure> {
    let AppealArgs { id, door } = args;
    let done = door.client()?.post(&format!("/v1/hires/{id}/appeal"), &serde_json::json!({})).await?;
    told(door.json, done, "the arbiter is called; `gigmesh watch` tells when it has decided")
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::{AgentId, Bytes32};
    use gigmesh_protocol::untrusted::Words;

    use super::*;
    use crate::cli::terminal::{PIPE, columns};
    use crate::forged;

    #[test]
    fn each_matter_says_how_it_is_answered_and_what_happens_otherwise() {
        let row = |waits_for, id| InboxRow {
            waits_for,
            id: Bytes32([id; 32]),
            with: AgentId([7; 32]),
            skill: "a/b".parse().unwrap(),
            price: "2 USD".parse().unwrap(),
            summary: Words::Theirs("count\u{1b}[2J".into()),
            since: Timestamp(0),
            until: Timestamp(400_000),
            says: (waits_for == WaitsFor::Answer).then(|| "which\u{7}?".into()),
        };
        let rows = [row(WaitsFor::Approval, 1), row(WaitsFor::Judgement, 2), row(WaitsFor::Answer, 3)];
        let told = text(&rows, &PIPE, Timestamp(100_000));
        for words in [
            r#"01010101  approval   07070707  a/b    2 USD per task  1m ago  in 5m    "count\u{1b}[2J""#,
            r#""count\u{1b}[2J"  "which\u{7}?""#,
            "approval: gigmesh approve 01010101, or refuse 01010101; without you nobody is hired",
            "judgement: gigmesh show 02020202, then judge 02020202 accept, refuse or changes; without you the public checks",
            "answer: gigmesh reply 03030303 'your answer'; without you the worker does without",
        ] {
            assert!(told.contains(words), "{words}\nis not in\n{told}");
        }
        for width in [60, 80, 120] {
            let narrow = text(&rows, &columns(width), Timestamp(100_000));
            let table = narrow.split("\n\n").next().unwrap();
            assert!(table.lines().all(|line| line.chars().count() <= width), "{narrow}");
            assert!(table.contains("01010101") && table.contains("approval"), "{narrow}");
        }
        assert_eq!(text(&[], &PIPE, Timestamp(0)), "nothing waits for you\n");
    }

    #[test]
    fn what_the_other_side_writes_is_quoted() {
        let row = |summary| InboxRow {
            waits_for: WaitsFor::Contest,
            id: Bytes32([1; 32]),
            with: AgentId([7; 32]),
            skill: "a/b".parse().unwrap(),
            price: "2 USD".parse().unwrap(),
            summary,
            since: Timestamp(0),
            until: Timestamp(1),
            says: Some(forged::words()),
        };
        let rows = [row(Words::Theirs(forged::words())), row(Words::Mine(forged::text()))];
        forged::assert_quoted(&text(&rows, &PIPE, Timestamp(0)), 4);
    }
}
