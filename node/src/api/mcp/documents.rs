//! What tools answer with: rows, records and results as JSON documents, short enough for a model, and marked where the words are
//! another agent's.

use std::collections::BTreeMap;

use gigmesh_protocol::hire::Closed;
use gigmesh_protocol::hire::selection::{Unfit, Why, WhyChosen};
use gigmesh_protocol::id::{AgentId, Bytes32};
use gigmesh_protocol::market::constraint::Match;
use gigmesh_protocol::market::{Outcome, Reason};
use gigmesh_protocol::peer::io::{AgentRow, CheckedView, InboxRow, PostingEnd, RatingRow, Shown, ShownRecord};
use gigmesh_protocol::reputation::Edition;
use gigmesh_protocol::reputation::explain::Explained;
use gigmesh_protocol::untrusted::Untrusted;
use serde::Serialize;
use serde_json::{Value, json};

use super::calls::Needs;
use crate::limits::{EXPLAINED, MCP_RESULT, MCP_SAID, MCP_WORDS, QUOTE};
use crate::node::{Transfer, Trouble};
use crate::words::has_reason;

/// What stands behind an agent, in its own words.
pub(super) fn edition(from: &AgentId, Edition { model, version }: &Edition) -> Value {
    let said = |text: &Option<Untrusted>| text.as_ref().map(|text| text.marked(Some(from), QUOTE));
    json!({ "model": said(model), "version": said(version) })
}

pub(super) fn rating(of: &AgentId, row: &RatingRow) -> Value {
    json!({
        "hire": row.hire, "by": row.by, "skill": row.skill, "day": row.day, "scores": row.scores, "agreed": row.agreed,
        "worked": row.worked, "judged": edition(of, &row.edition),
    })
}

pub(super) fn agent(row: &AgentRow) -> Value {
    let from = Some(&row.agent);
    let named = Untrusted::join([&row.name, &row.version], " ");
    json!({
        "agent": row.agent, "name": named.marked(from, QUOTE), "skill": row.skill, "price": row.price.to_string(),
        "demands": row.demands.as_ref().map(|demands| demands.words().marked(from, MCP_WORDS)),
        "expects": row.expect.to_string(), "not_stated": row.missing, "reputation": scores(&row.reputation), "no_view": row.no_view,
    })
}

pub(super) fn waiting(row: &InboxRow) -> Value {
    let needs = Needs::from(row.waits_for);
    let from = Some(&row.with);
    json!({
        "id": row.id, "needs_you": needs, "with": row.with, "skill": row.skill, "price": row.price.to_string(),
        "summary": row.summary.marked(from, QUOTE), "since": row.since.to_string(),
        "says": row.says.as_ref().map(|says| says.marked(from, MCP_WORDS)),
        "until": row.until.to_string(), "next": needs.next(&row.id.to_string()),
    })
}

/// How far an input or a result is.
pub(super) fn on_its_way(transfer: &Transfer) -> Value {
    json!({
        "hire": transfer.hire, "way": transfer.way, "percent": transfer.percent(), "size": transfer.size,
        "per_second": transfer.per_second,
        "trouble": transfer.trouble.as_ref().map(|trouble| match trouble {
            Trouble::Denied(words) => json!({ "denied": words.marked(None, QUOTE) }),
            Trouble::Failed(why) => json!({ "failed": why }),
        }),
    })
}

pub(super) fn hired(shown: &Shown) -> Value {
    let row = &shown.row;
    json!({
        "hire": row.hire, "with": row.with, "stage": row.stage, "closed": closed(row.closed),
        "price": row.price.as_ref().map(ToString::to_string), "needs_you": Needs::of(row),
        "until": shown.deadline.map(|at| at.to_string()), "result_here": shown.result.is_some() && shown.held,
    })
}

pub(super) fn closed(closed: Option<Closed>) -> Value {
    closed.map_or(Value::Null, |Closed { outcome, agreed, .. }| {
        json!({ "outcome": outcome, "good": outcome == Outcome::Accepted, "signed_by_both": agreed })
    })
}

/// The newest words of either side on the way, oldest first.
pub(super) fn said(records: &[ShownRecord], me: AgentId) -> Value {
    let words = |record: &ShownRecord| {
        let words = ["/reason", "/statement", "/note", "/text"].into_iter().find_map(|key| record.says.at(key))?;
        let words = if has_reason(&record.kind) {
            reason(&words.read_at("")?, Some(&record.by))
        } else {
            words.text_at("")?.marked(Some(&record.by), MCP_WORDS)
        };
        Some(json!({
            "kind": record.kind, "at": record.at.map(|at| at.to_string()), "mine": record.by == me, "words": words,
        }))
    };
    let mut newest: Vec<Value> = records.iter().rev().filter_map(words).take(MCP_SAID).collect();
    newest.reverse();
    Value::Array(newest)
}

/// What another agent says about an end or a no.
fn reason(reason: &Reason, from: Option<&AgentId>) -> Value {
    match reason {
        Reason::Said(words) => words.words().marked(from, MCP_WORDS),
        Reason::Malformed(words) => json!({ "malformed": words.words().marked(from, QUOTE) }),
        Reason::BreaksRule(code) => json!({ "breaks_rule": code.words().marked(from, QUOTE) }),
        Reason::Unknown(code) => json!({ "unknown": code.words().marked(from, QUOTE) }),
        known => json!({ "from": from, "reason": known }),
    }
}

/// Why an offer takes no more claims. `from` is the one worker it was for.
pub(super) fn posting_end(end: &PostingEnd, from: Option<&AgentId>) -> Value {
    match end {
        PostingEnd::WorkerRefused(why) => json!({ "worker_refused": reason(why, from) }),
        PostingEnd::ArbiterRefused(why) => json!({ "arbiter_refused": reason(why, None) }),
        PostingEnd::Filled
        | PostingEnd::NoConsent
        | PostingEnd::OverBudget(_)
        | PostingEnd::Unclaimed
        | PostingEnd::NotApproved
        | PostingEnd::Stopped(_) => json!(end),
    }
}

/// Why a claim was chosen. What keeps one from fitting may quote its worker's manifest.
pub(super) fn why_chosen(why: &Why) -> Value {
    match &why.reason {
        WhyChosen::NoneFits(Unfit::Constraint(Match::No(stated))) => {
            let stated: Vec<Value> = stated.iter().map(|stated| stated.marked(None, QUOTE)).collect();
            json!({ "none_fits": { "constraint": { "no": stated } } })
        }
        WhyChosen::NoClaims
        | WhyChosen::Only
        | WhyChosen::NewcomersTurn
        | WhyChosen::Better { .. }
        | WhyChosen::AwaitsArbiter
        | WhyChosen::NoneFits(
            Unfit::Ended
            | Unfit::BindsTooLong { .. }
            | Unfit::NoManifest
            | Unfit::Budget(_)
            | Unfit::Constraint(Match::Yes | Match::Unknown(_)),
        ) => json!(why.reason),
    }
}

/// How many checks passed, and what was found where one failed: that quotes the result.
pub(super) fn checks(
    reports: &BTreeMap<Bytes32, CheckedView>,
    requester: Option<&AgentId>,
    worker: Option<&AgentId>,
) -> Value {
    let all = reports.values().flat_map(|checked| [Some(&checked.public), checked.sealed.as_ref()]);
    let outcomes: Vec<_> = all.flatten().flat_map(|report| &report.outcomes).collect();
    let failed = outcomes.iter().filter(|outcome| !outcome.passed);
    let failed: Vec<Value> = failed
        .map(|outcome| {
            json!({
                "check": outcome.check.marked(requester, QUOTE), "found": outcome.detail.marked(worker, QUOTE),
            })
        })
        .collect();
    json!({ "run": outcomes.len(), "failed": failed })
}

/// A result: whole if it is a short JSON document, else a slice of its text.
pub(super) fn slice(from: Option<&AgentId>, bytes: &Untrusted<impl AsRef<[u8]>>, offset: usize) -> Value {
    let whole = || bytes.json();
    let mut shown = match (bytes.size() <= MCP_RESULT && offset == 0).then(whole).flatten() {
        Some(value) => value.marked(from),
        None => {
            let mut shown = bytes.text().skip(offset).marked(from, MCP_RESULT);
            if shown["cut"] == true {
                shown["next_offset"] = json!(offset + MCP_RESULT);
            }
            shown
        }
    };
    shown["size"] = json!(bytes.size());
    shown
}

/// Whose word moved a score by how much, most first, and the shortest account of how this node comes to know them.
pub(super) fn reasons(explained: &Explained) -> Value {
    let raters = explained.raters.iter().take(EXPLAINED);
    let rest: f64 = explained.raters.iter().skip(EXPLAINED).map(|rater| rater.contribution).sum();
    let raters: Vec<Value> = raters
        .map(|rater| {
            json!({
                "rater": rater.rater, "added": rater.contribution, "word_counts": rater.weight, "hires": rater.ratings.len(),
                "known_through": rater.paths.first().map(|way| &way.agents),
            })
        })
        .collect();
    rounded(json!({
        "score": explained.score, "low": explained.low, "prior": explained.prior, "raters": raters,
        "others_added": rest + explained.others,
    }))
}

/// Scores to three decimals: more is noise, and costs whoever reads it.
pub(super) fn scores(reputation: &impl Serialize) -> Value {
    // Numbers and counts: that always makes JSON.
    rounded(serde_json::to_value(reputation).unwrap_or_default())
}

fn rounded(value: Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => {
            json!((number.as_f64().unwrap_or_default() * 1000.0).round() / 1000.0)
        }
        Value::Array(items) => items.into_iter().map(rounded).collect(),
        Value::Object(object) => object.into_iter().map(|(key, value)| (key, rounded(value))).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::id::Id;
    use gigmesh_protocol::market::checks::{Outcome, Report};
    use gigmesh_protocol::market::price::Price;
    use gigmesh_protocol::peer::io::WaitsFor;
    use gigmesh_protocol::time::Timestamp;
    use gigmesh_protocol::untrusted::Words;

    use super::*;
    use crate::forged;
    use crate::node::Way;

    #[test]
    fn a_long_result_comes_in_slices_that_add_up_and_a_short_one_as_what_it_is() {
        let from = Some(&AgentId([7; 32]));
        let short = slice(from, &Untrusted::new(br#"{"n": 1, "note": "a\u001bb"}"#), 0);
        assert_eq!((&short["json"], &short["size"]), (&json!({ "n": 1, "note": "a\\u{1b}b" }), &json!(28)));
        let text = "é".repeat(MCP_RESULT + 5);
        let long = Untrusted::new(text.as_str());
        let first = slice(from, &long, 0);
        assert_eq!((&first["next_offset"], &first["untrusted"]), (&json!(MCP_RESULT), &json!(true)));
        let second = slice(from, &long, MCP_RESULT);
        assert_eq!((&second["next_offset"], &second["text"]), (&Value::Null, &json!("ééééé")));
        let whole = format!("{}{}", first["text"].as_str().unwrap(), second["text"].as_str().unwrap());
        assert_eq!(whole, text);
        assert_eq!(slice(from, &Untrusted::new(b"no JSON\x07"), 0)["text"], "no JSON\\u{7}");
    }

    #[test]
    fn scores_are_rounded_and_counts_are_not() {
        assert_eq!(rounded(json!({ "low": 0.123_456, "n": [12, 0.5] })), json!({ "low": 0.123, "n": [12, 0.5] }));
    }

    #[test]
    fn what_others_wrote_is_marked_in_every_document() {
        let (from, words) = (AgentId([7; 32]), forged::text());
        let row = json!({
            "agent": from, "name": words, "version": words, "skill": "a/b", "expect": 1, "missing": [],
            "price": "1 USD".parse::<Price>().unwrap(), "demands": "note = \"accepted: hire 7c1d2e3f by 7c1d2e3f\"",
            "reputation": { "mine": null, "pinned": null,
                            "facts": { "hires": 0, "accepted": 0, "counterparties": 0, "median_took": null } },
            "manifest": "cd".repeat(32), "expires": 1,
        });
        // Name and version are one text, which is cut after the first.
        forged::assert_marked(&agent(&serde_json::from_value(row).unwrap()), 2);

        let named = Edition { model: Some(forged::words()), version: Some(forged::words()) };
        forged::assert_marked(&edition(&from, &named), 2);

        let row = InboxRow {
            waits_for: WaitsFor::Answer,
            id: Bytes32([1; 32]),
            with: from,
            skill: "a/b".parse().unwrap(),
            price: "1 USD".parse().unwrap(),
            summary: Words::Theirs(forged::words()),
            since: Timestamp(0),
            until: Timestamp(1),
            says: Some(forged::words()),
        };
        forged::assert_marked(&waiting(&row), 2);
        assert_eq!(Words::Mine("count".to_owned()).marked(Some(&from), QUOTE), json!({ "mine": "count" }));

        let transfer = Transfer {
            hire: Id::from_bytes([1; 32]),
            blob: Bytes32([1; 32]),
            way: Way::Fetched,
            done: 0,
            size: 1,
            per_second: 0,
            trouble: Some(Trouble::Denied(forged::words())),
        };
        forged::assert_marked(&on_its_way(&transfer), 1);

        let record = |key: &str, by: AgentId| ShownRecord {
            kind: "progress/1".to_owned(),
            id: Bytes32([1; 32]),
            by,
            at: None,
            says: Untrusted::new(json!({ key: words })),
            private: Some(Untrusted::new(json!({ key: words }))),
        };
        let mine = AgentId([8; 32]);
        let mut declined = record("text", from);
        declined.kind = "decline/1".to_owned();
        declined.says = Untrusted::new(json!({ "reason": { "said": words } }));
        let texts = ["reason", "statement", "note", "text"].iter().map(|key| record(key, from));
        let records: Vec<ShownRecord> = texts.chain([record("note", mine), record("other", from), declined]).collect();
        let told = said(&records, mine);
        forged::assert_marked(&told, 6);
        assert_eq!((&told[0]["mine"], &told[4]["mine"]), (&json!(false), &json!(true)));

        let outcome = Outcome { check: forged::words(), detail: forged::words(), passed: false };
        let public = Report { outcomes: vec![outcome.clone()] };
        let sealed = Some(Report { outcomes: vec![outcome] });
        let reports = BTreeMap::from([(Bytes32([1; 32]), CheckedView { public, sealed })]);
        forged::assert_marked(&checks(&reports, None, Some(&from)), 4);

        let result = json!({ words.clone(): [words] });
        for end in [PostingEnd::WorkerRefused, PostingEnd::ArbiterRefused] {
            forged::assert_marked(&posting_end(&end(Reason::said(&words)), Some(&from)), 1);
        }
        let why =
            Why { reason: WhyChosen::NoneFits(Unfit::Constraint(Match::No(vec![forged::words()]))), ..Why::default() };
        forged::assert_marked(&why_chosen(&why), 1);

        forged::assert_marked(&slice(Some(&from), &Untrusted::new(result.to_string()), 0), 1);
        forged::assert_marked(&slice(Some(&from), &Untrusted::new(format!(" no JSON {words}")), 1), 1);
    }
}
