//! `gigmesh work`: what this node does as a worker, and with `--why` why it does no more.

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::Side;
use gigmesh_protocol::peer::io::{ClaimRow, HireRow, PassedRow};
use gigmesh_protocol::time::Timestamp;
use serde_json::json;

use super::args::WorkArgs;
use super::failure::{Exit, Failure};
use super::hires::{some, state};
use super::terminal::{Screen, Table, Tone, clock, emit, emit_json, short, when};
use crate::api::types::Rows;
use crate::limits::QUOTE;
use crate::words;

/// `gigmesh work`.
pub(super) async fn work(args: WorkArgs) -> Result<Exit, Failure> {
    let client = args.door.client()?;
    // What is open may be older than much that is closed.
    let mut doing = some(&client, None, usize::MAX, false).await?.rows;
    doing.retain(|row| row.side == Side::Worker && row.closed.is_none());
    let Rows { rows: claims, .. } = client.get::<Rows<ClaimRow>>("/v1/claims").await?;
    let passed = match args.why {
        true => Some(client.get::<Rows<PassedRow>>("/v1/passed").await?.rows),
        false => None,
    };
    if args.door.json {
        let mut document = json!({ "doing": doing, "claims": claims });
        if let Some(passed) = passed {
            document["passed"] = json!(passed);
        }
        emit_json(&document)?;
    } else {
        emit(&text(&doing, &claims, passed.as_deref(), &Screen::stdout(), wall_clock()))?;
    }
    Ok(Exit::Done)
}

fn text(
    doing: &[HireRow],
    claims: &[ClaimRow],
    passed: Option<&[PassedRow]>,
    screen: &Screen,
    now: Timestamp,
) -> String {
    let mut text = String::new();
    let mut table = Table::new(["HIRE", "FOR", "SKILL", "STATE", "PRICE", "SINCE"]).yielding(["SINCE", "PRICE"]);
    for row in doing {
        let (tone, state) = state(row);
        table.row([
            (Tone::Plain, row.id().short()),
            (Tone::Plain, short(row.with)),
            (Tone::Plain, row.skill.to_string()),
            (tone, state),
            (Tone::Plain, row.price.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string)),
            (Tone::Quiet, when(row.at, now)),
        ]);
    }
    section(&mut text, &table, screen, "no work under way");

    let mut table = Table::new(["CLAIM", "FOR", "SKILL", "PRICE", "BINDS", "SUMMARY"]).yielding(["SUMMARY"]);
    for row in claims {
        table.row([
            (Tone::Plain, row.claim.short()),
            (Tone::Plain, short(Some(row.requester))),
            (Tone::Plain, row.skill.to_string()),
            (Tone::Plain, row.price.to_string()),
            (Tone::Quiet, when(row.until, now)),
            (Tone::Plain, row.summary.quoted(QUOTE)),
        ]);
    }
    text.push('\n');
    section(&mut text, &table, screen, "no claims out");

    let Some(passed) = passed else { return text };
    let mut table = Table::new(["AT (UTC)", "OFFER", "FOR", "SKILL", "CLAIMED AT", "WHY NOT", "SUMMARY"]).yielding([
        "SUMMARY",
        "FOR",
        "CLAIMED AT",
        "SKILL",
        "OFFER",
        "WHY NOT",
    ]);
    for row in passed {
        let claimed = row.claimed.as_ref().map_or_else(|| "no".to_owned(), ToString::to_string);
        table.row([
            (Tone::Quiet, clock(row.at, now)),
            (Tone::Plain, row.offer.short()),
            (Tone::Plain, short(Some(row.requester))),
            (Tone::Plain, row.skill.to_string()),
            (Tone::Plain, claimed),
            (Tone::Plain, words::passed(&row.reason)),
            (Tone::Quiet, row.summary.quoted(QUOTE)),
        ]);
    }
    text.push('\n');
    section(&mut text, &table, screen, "nothing was passed over since this node started");
    text
}

fn section(text: &mut String, table: &Table, screen: &Screen, nothing: &str) {
    text.push_str(&if table.is_empty() { format!("{nothing}\n") } else { table.render(screen) });
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::{AgentId, Id};
    use gigmesh_protocol::market::Reason;
    use gigmesh_protocol::peer::io::{ClaimEnd, Objection, Passed};
    use serde_json::Value;

    use super::*;
    use crate::cli::hires::tests::hire;
    use crate::cli::terminal::{PIPE, columns};
    use crate::forged;

    #[test]
    fn a_worker_sees_what_it_does_what_it_waits_for_and_why_there_is_no_more() {
        let nothing = text(&[], &[], None, &PIPE, Timestamp(0));
        assert_eq!(nothing, "no work under way\n\nno claims out\n");
        let claim = ClaimRow {
            claim: Id::from_bytes([1; 32]),
            offer: Id::from_bytes([2; 32]),
            requester: AgentId([3; 32]),
            skill: "a/b".parse().unwrap(),
            summary: "count".into(),
            price: "2 USD".parse().unwrap(),
            at: Timestamp(0),
            until: Timestamp(90_000),
        };
        let passed = |claimed: Option<&str>, reason: Passed| PassedRow {
            at: Timestamp(1_000),
            offer: Id::from_bytes([2; 32]),
            requester: AgentId([3; 32]),
            skill: "a/b".parse().unwrap(),
            summary: "count".into(),
            claimed: claimed.map(|price| price.parse().unwrap()),
            reason,
        };
        let passed = [
            passed(Some("2 USD"), Passed::Claim(ClaimEnd::TurnedDown(Reason::said("a lower price\u{202e}")))),
            passed(None, Passed::Objection(Objection::Early { bids: Timestamp(60_000) })),
        ];
        let doing = [hire(Value::Null).row];
        let told = text(&doing, std::slice::from_ref(&claim), Some(&passed), &PIPE, Timestamp(30_000));
        for words in [
            "abababab  efefefef  a/b    working  0.02 USD per task",
            "01010101  03030303  a/b    2 USD per task  in 1m  \"count\"",
            r#"a/b    2 USD per task  the requester says: "a lower price "  "#,
            "02020202  03030303  a/b    no              claims are collected until ",
        ] {
            assert!(told.contains(words), "{words}\nis not in\n{told}");
        }
        for width in [60, 80, 120] {
            let told = text(&doing, std::slice::from_ref(&claim), Some(&passed), &columns(width), Timestamp(30_000));
            assert!(told.lines().all(|line| line.chars().count() <= width), "{told}");
        }
    }

    #[test]
    fn what_requesters_write_is_quoted() {
        let (at, skill) = (Timestamp(0), "a/b".parse::<gigmesh_protocol::market::Skill>().unwrap());
        let (offer, requester) = (Id::from_bytes([2; 32]), AgentId([3; 32]));
        let price: gigmesh_protocol::market::price::Price = "2 USD".parse().unwrap();
        let claim = ClaimRow {
            claim: Id::from_bytes([1; 32]),
            offer,
            requester,
            skill: skill.clone(),
            summary: forged::words(),
            price: price.clone(),
            at,
            until: at,
        };
        let passed = PassedRow {
            at,
            offer,
            requester,
            skill,
            summary: forged::words(),
            claimed: Some(price),
            reason: Passed::Claim(ClaimEnd::TurnedDown(Reason::said(&forged::text()))),
        };
        forged::assert_quoted(&text(&[], &[claim], Some(&[passed]), &PIPE, at), 3);
    }
}
