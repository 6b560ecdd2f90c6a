//! `gigmesh show`: one offer, claim or hire, record by record; with `--why` the claims it was chosen from.
//!
//! Key facts for people; everything is in `--json`. What is thought of the claimants is as of now; the number that was chosen by
//! is as of then.

use std::collections::BTreeMap;

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::hire::selection::{ClaimOutcome, Why};
use gigmesh_protocol::hire::{HireId, Side};
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::market::price::Price;
use gigmesh_protocol::market::{Outcome, Ruling};
use gigmesh_protocol::peer::io::{Shown, ShownRecord};
use gigmesh_protocol::reputation::Columns;
use gigmesh_protocol::time::Timestamp;
use gigmesh_protocol::untrusted::Untrusted;
use serde_json::{Value, json};

use super::args::ShowArgs;
use super::failure::{Exit, Failure};
use super::hires::{checks, held_result, may_write, on_its_way, side, state, write_result};
use super::reputation::{brief, in_brief};
use super::terminal::{Screen, Table, Tone, clock, emit, emit_json, runnable, score, short, span, when};
use crate::api::client::Client;
use crate::api::types::{Reputation, ReputationParams, Rows};
use crate::limits::QUOTE;
use crate::node::Transfer;
use crate::words;

/// `gigmesh show`.
pub(super) async fn show(args: ShowArgs) -> Result<Exit, Failure> {
    args.output.as_deref().map_or(Ok(()), |file| may_write(file, args.force))?;
    let client = args.door.client()?;
    let shown: Shown = client.get(&format!("/v1/hires/{}", args.id)).await?;
    if let Some(file) = &args.output {
        let Some(result) = held_result(&shown) else {
            return Err(Failure::new(Exit::User, "its result is not here (yet); leave out --output"));
        };
        write_result(file, &client.blob(result.root).await?, args.force)?;
    }
    let transfers: Rows<Transfer> = client.get("/v1/transfers").await?;
    let of_it = |transfer: &&Transfer| shown.row.hire == Some(transfer.hire) || shown.hires.contains(&transfer.hire);
    let transfers: Vec<_> = transfers.rows.iter().filter(of_it).collect();
    let seen = if args.why { Some(seen(&client, &shown).await?) } else { None };
    if args.door.json {
        let mut document = serde_json::to_value(&shown).map_err(|error| Failure::new(Exit::Ours, error))?;
        document["transfers"] = json!(transfers);
        if let Some(seen) = seen {
            document["reputation"] = json!(seen);
        }
        emit_json(&document)?;
    } else if let Some(seen) = seen {
        emit(&why_text(&shown, &seen, &Screen::stdout(), wall_clock()))?;
    } else {
        let screen = Screen::stdout();
        let mut text = text(&shown, &screen, wall_clock());
        for transfer in transfers {
            let (tone, line) = on_its_way(transfer);
            text.push_str(&format!("on its way: {}\n", screen.paint(tone, &line)));
        }
        emit(&text)?;
    }
    Ok(Exit::Done)
}

/// What is thought now of those who were considered, at the skill they were wanted for.
async fn seen(client: &Client, shown: &Shown) -> Result<BTreeMap<AgentId, Columns>, Failure> {
    let skill = shown.row.skill.to_string();
    let params = ReputationParams { skill: Some(skill.clone()), explain: None };
    let mut seen = BTreeMap::new();
    for claim in shown.why.iter().flat_map(|why| &why.considered) {
        let mut of: Reputation = client.get_with(&format!("/v1/reputation/{}", claim.agent), &params).await?;
        let at_skill = of.view.skills.remove(&skill);
        seen.insert(claim.agent, at_skill.unwrap_or(of.view.overall));
    }
    Ok(seen)
}

/// Whether nobody has been hired for it yet and somebody may be.
fn is_open(shown: &Shown) -> bool {
    shown.row.hire.is_none() && shown.row.side == Side::Requester && shown.deadline.is_some()
}

fn head(shown: &Shown, screen: &Screen, now: Timestamp) -> Vec<String> {
    let row = &shown.row;
    let (tone, state) = state(row);
    let mut lines = vec![match row.hire {
        Some(hire) => format!("hire {hire}\nof offer {}", row.offer),
        None => format!("offer {}", row.offer),
    }];
    lines.push(format!("{} as {}: {}", row.skill, side(row.side), screen.paint(tone, &state)));
    if let Some(reason) = words::because(row) {
        lines.push(format!("because: {reason}"));
    }
    if let Some(with) = row.with {
        lines.push(format!("with agent {with}"));
    }
    if let Some(price) = &row.price {
        let at_most = if row.hire.is_none() && row.side == Side::Requester { "at most " } else { "" };
        lines.push(format!("price {at_most}{price}"));
    }
    lines.push(format!("since {} UTC ({})", clock(row.at, now), when(row.at, now)));
    if let Some(deadline) = shown.deadline {
        let what = if !is_open(shown) {
            "silence ends it at"
        } else if bids_end(shown) == Some(deadline) {
            "claims are collected until"
        } else {
            "a worker is looked for until"
        };
        lines.push(format!("{what} {} UTC ({})", clock(deadline, now), when(deadline, now)));
    }
    lines
}

fn bids_end(shown: &Shown) -> Option<Timestamp> {
    let offer = shown.records.iter().find(|record| record.kind.starts_with("offer/"))?;
    offer.says.read_at("/bids")
}

fn text(shown: &Shown, screen: &Screen, now: Timestamp) -> String {
    let row = &shown.row;
    let mut lines = head(shown, screen, now);
    if let (Some(why), false) = (&shown.why, is_open(shown)) {
        let more = if why.considered.len() > 1 { "; --why compares the claims" } else { "" };
        lines.push(format!("chosen: {}{more}", words::chosen(why)));
    }
    if shown.hires.len() > 1 || (row.hire.is_none() && !shown.hires.is_empty()) {
        lines.push(format!("hires: {}", shown.hires.iter().map(HireId::short).collect::<Vec<_>>().join(", ")));
    }
    if is_open(shown) {
        lines.push(so_far(shown));
    }
    let mut text = lines.join("\n") + "\n";
    if let (Some(why), true) = (&shown.why, is_open(shown)) {
        section(&mut text, &considered(why), screen);
    }

    let mut table = Table::new(["AT (UTC)", "BY", "RECORD", "ID", "SAYS"]).yielding(["SAYS", "ID"]);
    for record in &shown.records {
        table.row([
            (Tone::Quiet, record.at.map_or_else(|| "-".to_owned(), |at| clock(at, now))),
            (Tone::Plain, short(Some(record.by))),
            (Tone::Plain, record.kind.clone()),
            (Tone::Plain, record.id.short()),
            (Tone::Quiet, says(record, now)),
        ]);
    }
    section(&mut text, &table, screen);

    let mut table = Table::new(["CHECK", "", "WHAT WAS FOUND"]).yielding(["WHAT WAS FOUND"]);
    for outcome in checks(shown) {
        let (tone, verdict) = if outcome.passed { (Tone::Good, "passed") } else { (Tone::Bad, "failed") };
        let detail = if outcome.detail.is_empty() { String::new() } else { outcome.detail.quoted(QUOTE) };
        table.row([(Tone::Plain, outcome.check.quoted(QUOTE)), (tone, verdict.to_owned()), (Tone::Plain, detail)]);
    }
    section(&mut text, &table, screen);

    let mut table = Table::new(["RUN", "STARTED (UTC)", "CAME TO"]);
    for (number, attempt) in (1..).zip(&shown.attempts) {
        let (tone, end) = match &attempt.ended {
            None => (Tone::Quiet, "not known".to_owned()),
            Some((at, Ok(_))) => (Tone::Good, format!("a result after {}", span(at.since(attempt.started)))),
            Some((_, Err(why))) => (Tone::Bad, words::no_result(why)),
        };
        table.row([(Tone::Plain, format!("{number}")), (Tone::Quiet, clock(attempt.started, now)), (tone, end)]);
    }
    section(&mut text, &table, screen);

    if let Some(result) = shown.result {
        let how = if shown.held { "`--output FILE` writes it" } else { "not here (yet)" };
        text.push_str(&format!("\nresult: {} bytes, {}; {how}\n", result.size, result.root.short()));
    }
    text
}

/// How the claims of an open offer compare.
fn so_far(shown: &Shown) -> String {
    let reason = shown.why.as_ref().map(|why| format!("; so far: {}", words::chosen(why))).unwrap_or_default();
    format!("claims held: {}{reason}", shown.claims)
}

fn why_text(shown: &Shown, seen: &BTreeMap<AgentId, Columns>, screen: &Screen, now: Timestamp) -> String {
    let mut lines = head(shown, screen, now);
    lines.push(match (&shown.why, shown.row.side) {
        (_, Side::Requester) if is_open(shown) => so_far(shown),
        (Some(why), Side::Requester) if shown.row.hire.is_none() => {
            format!("nobody was chosen; at the end, of {} claims: {}", why.claims, words::chosen(why))
        }
        (Some(why), _) => format!("chosen: {}; of {} claims", words::chosen(why), why.claims),
        (None, Side::Worker) => {
            runnable("the reasons are the requester's; `gigmesh work --why` has those that it told")
        }
        (None, Side::Requester) => "nobody was chosen".to_owned(),
    });
    let mut text = lines.join("\n") + "\n";
    if let Some(why) = &shown.why {
        section(&mut text, &considered(why), screen);
        section(&mut text, &opinions(why, seen), screen);
    }
    text
}

/// What I think of them now.
fn opinions(why: &Why, seen: &BTreeMap<AgentId, Columns>) -> Table {
    let mut table = Table::new(["AGENT", "MY VIEW NOW", "MY SEEDS' VIEW", "HIRES ACCEPTED"]);
    for claim in &why.considered {
        if let Some(Columns { mine, pinned, facts }) = seen.get(&claim.agent) {
            let cells = [short(Some(claim.agent)), brief(mine.as_ref()), brief(pinned.as_ref()), in_brief(facts)];
            table.row(cells.map(|cell| (Tone::Plain, cell)));
        }
    }
    table
}

/// The claims as they were compared, the chosen one first.
fn considered(why: &Why) -> Table {
    let mut table = Table::new(["AGENT", "PRICE", "TIME", "REPUTATION", "FIT", "NEWCOMER", "OUTCOME"])
        .yielding(["FIT", "NEWCOMER", "OUTCOME"]);
    for claim in &why.considered {
        let tone = if claim.outcome == ClaimOutcome::Chosen { Tone::Good } else { Tone::Plain };
        table.row([
            (tone, short(Some(claim.agent))),
            (Tone::Plain, claim.price.to_string()),
            (Tone::Plain, span(claim.expect)),
            (Tone::Plain, score(claim.low)),
            (Tone::Plain, claim.fit.to_string()),
            (Tone::Plain, if claim.newcomer { "yes" } else { "no" }.to_owned()),
            (tone, words::considered(why, claim)),
        ]);
    }
    table
}

fn section(text: &mut String, table: &Table, screen: &Screen) {
    if !table.is_empty() {
        text.push('\n');
        text.push_str(&table.render(screen));
    }
}

/// The facts of a record that are shown, by their keys.
const FACTS: [&str; 21] = [
    "bids",
    "blob",
    "done",
    "due",
    "expect",
    "expires",
    "failed",
    "inputs",
    "max",
    "note",
    "outcome",
    "percent",
    "price",
    "reason",
    "ruling",
    "slots",
    "statement",
    "summary",
    "text",
    "took",
    "until",
];

/// The key facts of a record, those between the two sides included. Words are its issuer's.
fn says(record: &ShownRecord, now: Timestamp) -> String {
    let parts = [Some(&record.says), record.private.as_ref()];
    let facts = parts.into_iter().flatten().flat_map(|said| {
        let fact = |key: &&str| fact(&record.kind, key, said, now);
        FACTS.iter().filter_map(fact)
    });
    facts.collect::<Vec<_>>().join(", ")
}

fn fact(kind: &str, key: &str, said: &Untrusted<Value>, now: Timestamp) -> Option<String> {
    let place = format!("/{key}");
    let at = || said.read_at(&place).map(|at| clock(at, now));
    let time = || said.read_at(&place).map(span);
    let price = || said.read_at::<Price>(&place);
    let number = || said.read_at::<u64>(&place);
    let list = |texts: Vec<Option<Untrusted>>| {
        let texts: Vec<String> = texts.into_iter().flatten().map(|text| text.quoted(QUOTE)).collect();
        Some(texts.join(", ")).filter(|all| !all.is_empty())
    };
    Some(match key {
        "price" => price()?.to_string(),
        "max" => format!("at most {}", price()?),
        "bids" => format!("claims until {}", at()?),
        "expires" => format!("stands until {}", at()?),
        "until" => format!("until {}", at()?),
        "due" => format!("due {}", at()?),
        "expect" => format!("expects {}", time()?),
        "done" => format!("{} for the work", time()?),
        "took" => format!("took {}", time()?),
        "slots" => format!("{} slots", number().filter(|slots| *slots > 1)?),
        "percent" => format!("{}%", number()?),
        "blob" => format!("{} bytes", said.read_at::<u64>("/blob/size")?),
        "inputs" => {
            let inputs = said.items_at(&place);
            format!("with {}", list(inputs.iter().map(|input| input.text_at("/name")).collect())?)
        }
        "failed" => {
            let failed = said.items_at(&place);
            format!("failed: {}", list(failed.iter().map(|line| line.text_at("")).collect())?)
        }
        "ruling" => match said.read_at(&place)? {
            Ruling::Accepted => "accepted".to_owned(),
            Ruling::Refused => "refused".to_owned(),
            Ruling::Unserved => "the bytes never came".to_owned(),
            Ruling::Changes(until) => format!("changes wanted by {}", clock(until, now)),
        },
        "outcome" => said.read_at::<Outcome>(&place)?.to_string(),
        _ => words::said(kind, &said.at(&place)?)?,
    })
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::hire::selection::{Unfit, WhyChosen};
    use gigmesh_protocol::market::Reason;
    use gigmesh_protocol::market::constraint::Match;
    use gigmesh_protocol::peer::io::{HireStatus, PostingEnd};

    use super::*;
    use crate::cli::hires::tests::hire;
    use crate::cli::terminal::{PIPE, columns};
    use crate::forged;

    const NOW: Timestamp = Timestamp(100_000);

    fn seen() -> BTreeMap<AgentId, Columns> {
        let overall = json!({ "mean": 0.9, "low": 0.71, "high": 0.98, "n": 4.0 });
        let columns = json!({
            "mine": { "overall": overall, "criteria": {} }, "pinned": null,
            "facts": { "hires": 6, "accepted": 5, "counterparties": 3, "median_took": null },
        });
        BTreeMap::from([(AgentId([0xef; 32]), serde_json::from_value(columns).unwrap())])
    }

    fn has(text: &str, line: &str) {
        assert!(text.lines().any(|written| written == line), "{line}\n is not in\n{text}");
    }

    #[test]
    fn a_hire_is_shown_whole_and_the_words_of_others_cannot_act() {
        let text = text(&hire(Value::Null), &PIPE, NOW);
        for line in [
            "a/b as requester: working",
            "since 00:00:01 UTC (1m ago)",
            "silence ends it at 00:06:40 UTC (in 5m)",
            "chosen: before the next of 2: cheaper, 0.02 USD per task against 0.03 USD per task; --why compares the claims",
            "00:00:01  efefefef  claim/1  11111111  expects 30s, 0.02 USD per task, until 00:01:30",
            r#"00:00:02  efefefef  begin/1  12121212  "I\u{1b}[2Jbegin", due 00:05:02"#,
            r#""result.rows == 4"  failed  "result.rows is 3""#,
            r#"1    00:00:02       "it\u{7} broke""#,
            "result: 20 bytes, 56565656; not here (yet)",
        ] {
            has(&text, line);
        }
        assert!(!text.contains(['\u{1b}', '\u{7}']), "{text:?}");
    }

    #[test]
    fn why_compares_the_claims_with_reputation_from_nought_to_one() {
        let text = why_text(&hire(Value::Null), &seen(), &PIPE, NOW);
        has(&text, "chosen: before the next of 2: cheaper, 0.02 USD per task against 0.03 USD per task; of 2 claims");
        has(&text, "efefefef  0.02 USD per task  30s   0.61        2    no        chosen");
        has(
            &text,
            "12121212  0.03 USD per task  30s   0.61        2    no        dearer: 0.03 USD per task, and 0.02 USD per task was chosen",
        );
        has(&text, "efefefef  0.90 (>0.71)  no view yet     5 of 6");
    }

    #[test]
    fn an_open_posting_shows_its_claims_and_when_no_more_are_taken() {
        let mut shown = hire(Value::Null);
        (shown.row.hire, shown.row.with, shown.hires) = (None, None, Vec::new());
        shown.row.stage = HireStatus::AwaitsClaims;
        let offer = json!({ "kind": "offer/1", "id": "cd".repeat(32), "by": "ab".repeat(32), "at": 1_000,
                            "says": { "bids": 400_000, "slots": 1, "summary": "count" }, "private": null });
        shown.records = vec![serde_json::from_value(offer).unwrap()];
        let told = text(&shown, &PIPE, NOW);
        has(&told, "claims are collected until 00:06:40 UTC (in 5m)");
        has(
            &told,
            "claims held: 2; so far: before the next of 2: cheaper, 0.02 USD per task against 0.03 USD per task",
        );
        has(&told, "efefefef  0.02 USD per task  30s   0.61        2    no        chosen");
        has(&told, r#"00:00:01  abababab  offer/1  cdcdcdcd  claims until 00:06:40, "count""#);
        shown.deadline = Some(Timestamp(500_000));
        has(&text(&shown, &PIPE, NOW), "a worker is looked for until 00:08:20 UTC (in 6m)");
        (shown.deadline, shown.why, shown.row.reason) =
            (None, None, Some(PostingEnd::Stopped("no longer wanted".to_owned())));
        has(&text(&shown, &PIPE, NOW), "because: no longer wanted");
    }

    #[test]
    fn tables_fit_the_terminal() {
        for width in [60, 80, 120] {
            let why = why_text(&hire(Value::Null), &seen(), &columns(width), NOW);
            let all = text(&hire(Value::Null), &columns(width), NOW) + &why;
            // Ids by which something is addressed are never cut.
            let tables =
                all.lines().filter(|line| !line.contains(&"abab".repeat(16)) && !line.contains(&"efef".repeat(16)));
            let tables = tables.filter(|line| !line.contains(&"cdcd".repeat(16)));
            let mut tables = tables.filter(|line| !line.starts_with("chosen: "));
            assert!(tables.all(|line| line.chars().count() <= width), "{width}: {all}");
        }
    }

    #[test]
    fn what_the_other_side_signed_is_quoted() {
        let mut shown = hire(Value::Null);
        let words = forged::text();
        let said = json!({
            "summary": words, "reason": words, "statement": words, "note": words, "text": words,
            "inputs": [{ "name": words }], "failed": [words], "price": words, "ruling": words, "unknown": words,
        });
        shown.records.truncate(1);
        shown.records[0].says = Untrusted::new(said.clone());
        shown.records[0].private = Some(Untrusted::new(said));
        for outcome in shown.checks.values_mut().flat_map(|checked| &mut checked.public.outcomes) {
            (outcome.check, outcome.detail) = (forged::words(), forged::words());
        }
        // Seven of the fields are texts, in each part.
        forged::assert_quoted(&text(&shown, &PIPE, NOW), 14 + 2);

        shown.records[0].kind = "decline/1".to_owned();
        shown.records[0].says = Untrusted::new(json!({ "reason": { "said": words } }));
        shown.records[0].private = None;
        shown.row.reason = Some(PostingEnd::WorkerRefused(Reason::said(&words)));
        forged::assert_quoted(&text(&shown, &PIPE, NOW), 2 + 2);
        let demand = Unfit::Constraint(Match::No(vec![forged::words()]));
        shown.why = Some(Why { reason: WhyChosen::NoneFits(demand), ..Why::default() });
        forged::assert_quoted(&why_text(&shown, &BTreeMap::new(), &PIPE, NOW), 2);
    }
}
