//! Who is here: `find`, `reputation`, `peers`, `id`, `status`.

use gigmesh_protocol::limits::ROOM_DEPTH;
use gigmesh_protocol::market::Skill;
use gigmesh_protocol::peer::io::{AgentRow, ReputationView};
use gigmesh_protocol::reputation::{Columns, Criterion, Estimate, Facts, View};
use gigmesh_protocol::time::{Millis, Timestamp};
use serde_json::Value;

use super::args::{Door, FindArgs, ReputationArgs, StatusArgs};
use super::failure::{Exit, Failure};
use super::terminal::{Screen, Table, Tone, emit, emit_json, rough, score, short, span, theirs};
use crate::api::client::Client;
use crate::api::types::{Bootstrap, FindParams, Identity, NodeStatus, Peer, Reach, Rows};

/// `gigmesh find`.
pub(super) async fn find(args: FindArgs) -> Result<Exit, Failure> {
    let FindArgs { skill, r#where, max, limit, door } = args;
    let client = door.client()?;
    let params = FindParams {
        skill: skill.as_ref().map(ToString::to_string),
        r#where: r#where.map(|constraint| constraint.to_string()),
        max: max.map(|max| max.to_string()),
        limit,
    };
    let agents: Rows<AgentRow> = client.get_with("/v1/agents", &params).await?;
    if door.json {
        emit_json(&agents)?;
        return Ok(Exit::Done);
    }
    let mut text = agents_table(&agents.rows).render(&Screen::stdout());
    match skill {
        Some(skill) if agents.rows.is_empty() => text = nobody(&skill),
        Some(_) => {}
        None => text = rooms_only(&client, &agents.rows, text).await?,
    }
    emit(&text)?;
    Ok(Exit::Done)
}

fn nobody(skill: &Skill) -> String {
    let room = skill.room(ROOM_DEPTH);
    format!(
        "nobody who fits is known\nthis node listens in the room `{room}` now, until it stops: ask again in a moment; \
         `gigmesh peers` tells whether it is connected\n"
    )
}

/// A search without a skill sees no further than the rooms that the node follows, and says so.
async fn rooms_only(client: &Client, agents: &[AgentRow], table: String) -> Result<String, Failure> {
    let NodeStatus { market, .. } = client.get("/v1/status").await?;
    let found = if agents.is_empty() { "nobody is known\n" } else { &table };
    let rooms = market.rooms.join(", ");
    Ok(if rooms.is_empty() {
        format!(
            "{found}this node follows no room yet: `gigmesh find SKILL` follows the room of a skill, until the node stops\n"
        )
    } else {
        format!(
            "{found}these are the rooms that this node follows: {rooms}; `gigmesh find SKILL` follows one more, until the node stops\n"
        )
    })
}

fn agents_table(agents: &[AgentRow]) -> Table {
    let headings = ["AGENT", "NAME", "SKILL", "PRICE", "EXPECTS", "MY VIEW", "ON RECORD", "DEMANDS", "NOT STATED"];
    let mut table = Table::new(headings).yielding(["NAME", "ON RECORD", "DEMANDS", "NOT STATED", "EXPECTS"]);
    for row in agents {
        table.row([
            (Tone::Plain, short(Some(row.agent))),
            (Tone::Plain, theirs(&row.name)),
            (Tone::Plain, row.skill.to_string()),
            (Tone::Plain, row.price.to_string()),
            (Tone::Plain, span(row.expect)),
            (Tone::Plain, opinion(row.reputation.mine.as_ref())),
            (Tone::Plain, facts(&row.reputation.facts)),
            (Tone::Quiet, row.demands.as_ref().map(|demands| theirs(&demands.to_string())).unwrap_or_default()),
            (Tone::Quiet, row.missing.join(", ")),
        ]);
    }
    table
}

fn estimate(estimate: &Estimate) -> String {
    let Estimate { mean, low, high, n } = estimate;
    format!("{mean:.2} ({low:.2} to {high:.2}, n {n:.0})")
}

fn facts(facts: &Facts) -> String {
    let Facts { hires, accepted, counterparties, median_took } = facts;
    let took = median_took.map(|took| format!(", median {}", span(took))).unwrap_or_default();
    if *hires == 0 {
        "nothing".to_owned()
    } else {
        format!("{accepted} of {hires} accepted, {counterparties} parties{took}")
    }
}

fn opinion(view: Option<&View>) -> String {
    view.map_or_else(|| "none yet".to_owned(), |view| estimate(&view.overall))
}

/// `gigmesh reputation`.
pub(super) async fn reputation(args: ReputationArgs) -> Result<Exit, Failure> {
    let view: ReputationView = args.door.client()?.get(&format!("/v1/reputation/{}", args.agent)).await?;
    if args.door.json {
        emit_json(&view)?;
    } else {
        emit(&reputation_text(&view, &Screen::stdout()))?;
    }
    Ok(Exit::Done)
}

fn reputation_text(view: &ReputationView, screen: &Screen) -> String {
    let name = view.name.as_ref().map(|name| format!(", which calls itself {}", theirs(name))).unwrap_or_default();
    let mut text = format!("agent {}{name}\n\n", view.agent);

    let mut table = Table::new(["SKILL", "MY VIEW", "MY SEEDS' VIEW", "ON RECORD"]);
    let mut row = |skill: &str, columns: &Columns| {
        let Columns { mine, pinned, facts: record } = columns;
        let cells = [skill.to_owned(), opinion(mine.as_ref()), opinion(pinned.as_ref()), facts(record)];
        table.row(cells.map(|cell| (Tone::Plain, cell)));
    };
    row("all", &view.overall);
    view.skills.iter().for_each(|(skill, columns)| row(skill, columns));
    text.push_str(&table.render(screen));

    if let Some(mine) = view.overall.mine.as_ref().filter(|mine| !mine.criteria.is_empty()) {
        let mut table = Table::new(["CRITERION", "MY VIEW"]);
        for (criterion, seen) in &mine.criteria {
            table.row([(Tone::Plain, named(*criterion).to_owned()), (Tone::Plain, estimate(seen))]);
        }
        text.push('\n');
        text.push_str(&table.render(screen));
    }

    let headings = ["DAY", "BY", "SKILL", "ACCURACY", "QUALITY", "SPEED", "COMMUNICATION", "CLOSE"];
    let mut table = Table::new(headings).yielding(["CLOSE", "SKILL"]);
    for rating in &view.ratings {
        let given = |given: Option<u16>| (Tone::Plain, given.map_or_else(|| "-".to_owned(), score));
        table.row([
            (Tone::Plain, day(rating.day)),
            (Tone::Plain, short(Some(rating.by))),
            (Tone::Plain, rating.skill.to_string()),
            given(rating.scores.accuracy),
            given(rating.scores.quality),
            given(rating.scores.speed),
            given(rating.scores.communication),
            (Tone::Quiet, if rating.agreed { "signed by both" } else { "one-sided" }.to_owned()),
        ]);
    }
    text.push('\n');
    text.push_str(&if table.is_empty() { "no ratings held\n".to_owned() } else { table.render(screen) });
    text
}

fn named(criterion: Criterion) -> &'static str {
    match criterion {
        Criterion::Accuracy => "accuracy",
        Criterion::Quality => "quality",
        Criterion::Speed => "speed",
        Criterion::Communication => "communication",
    }
}

/// A UTC day as a date.
fn day(days: u32) -> String {
    Timestamp(u64::from(days) * 86_400_000).to_string().chars().take(10).collect()
}

/// `gigmesh peers`.
pub(super) async fn peers(door: Door) -> Result<Exit, Failure> {
    let peers: Rows<Peer> = door.client()?.get("/v1/peers").await?;
    if door.json {
        emit_json(&peers)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["AGENT", "ADDRESS", "OVER", "ROUND TRIP", "UP", "ROOMS", "PROGRAM"])
        .yielding(["PROGRAM", "ADDRESS", "ROOMS"]);
    for peer in peers.rows {
        let rtt = peer.rtt_ms.map_or_else(|| "-".to_owned(), |rtt| format!("{rtt:.1} ms"));
        let cells = [
            short(Some(peer.agent)),
            peer.addresses.join(" "),
            peer.transports.join(" "),
            rtt,
            rough(Millis::secs(peer.connected_s)),
            peer.rooms.join(" "),
            theirs(&peer.agent_version),
        ];
        table.row(cells.map(|cell| (Tone::Plain, cell)));
    }
    emit(&if table.is_empty() {
        "no peers; is the bootstrap node's address right, and does it run?\n".to_owned()
    } else {
        table.render(&Screen::stdout())
    })?;
    Ok(Exit::Done)
}

/// `gigmesh id`.
pub(super) async fn id(door: Door) -> Result<Exit, Failure> {
    let identity: Identity = door.client()?.get("/v1/id").await?;
    if door.json {
        emit_json(&identity)?;
    } else {
        emit(&format!("{}\n", identity.agent))?;
    }
    Ok(Exit::Done)
}

/// `gigmesh status`.
pub(super) async fn status(StatusArgs { metrics, door }: StatusArgs) -> Result<Exit, Failure> {
    let client = door.client()?;
    if metrics {
        emit(&client.text("/metrics").await?)?;
        return Ok(Exit::Done);
    }
    let status: NodeStatus = client.get("/v1/status").await?;
    if door.json {
        emit_json(&status)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["NUMBER OF", ""]);
    table.row([(Tone::Plain, "peers".to_owned()), (Tone::Plain, status.peers.to_string())]);
    // Each number is named once, where the brain counts it.
    let market = serde_json::to_value(&status.market).map_err(|error| Failure::new(Exit::Ours, error))?;
    for (name, number) in market.as_object().into_iter().flatten() {
        let text = match number {
            Value::Array(rooms) => rooms.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        table.row([(Tone::Plain, name.replace('_', " ")), (Tone::Plain, text)]);
    }
    let warnings: String = status.warnings.iter().map(|warning| format!("Warning: {warning}.\n")).collect();
    let (reach, ways_in) = (reach(status.reach, &status.relays), ways_in(&status.bootstrap, status.mdns));
    emit(&format!("{}\n{reach}{ways_in}{warnings}", table.render(&Screen::stdout())))?;
    Ok(Exit::Done)
}

/// How others come to this node, or that they do not.
fn reach(reach: Reach, relays: &[String]) -> String {
    let through = match relays {
        [] => "no bootstrap node relays for it".to_owned(),
        relays => format!("others come through the relay {}", relays.join(", ")),
    };
    match reach {
        Reach::Public if relays.is_empty() => "reach: public; a bootstrap node has dialled this node\n".to_owned(),
        Reach::Public => format!("reach: public; a bootstrap node has dialled this node, and {through}, too\n"),
        Reach::Local => "reach: this machine or network, where all its peers are\n".to_owned(),
        Reach::BehindNat if relays.is_empty() => format!("reach: none; behind a NAT or a firewall, and {through}\n"),
        Reach::BehindNat => format!("reach: behind a NAT or a firewall; {through}\n"),
        Reach::Unknown => "reach: not known yet; no bootstrap node has said whether it can dial this node\n".to_owned(),
    }
}

/// How this node finds others, or why it does not.
fn ways_in(doors: &[Bootstrap], mdns: bool) -> String {
    let mut text = format!("mDNS {}\n", if mdns { "on: peers on the LAN are found" } else { "off" });
    for door in doors {
        let how = match &door.error {
            _ if door.connected => "connected".to_owned(),
            Some(error) => format!("does not answer: {error}; failures in a row: {}", door.failures),
            None if door.reached => "reached before, and let go while there was nothing to say".to_owned(),
            None => "being dialled".to_owned(),
        };
        text += &format!("bootstrap node {}: {how}\n", door.addresses.join(", "));
    }
    if !doors.is_empty() && doors.iter().all(|door| door.error.is_some()) {
        text += "No bootstrap node answers. This node keeps trying, with pauses of up to a minute; check that they run, that \
                 their addresses are right, and that no firewall is between.\n";
    }
    text
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::market::constraint::Constraint;
    use gigmesh_protocol::market::price::Price;
    use serde_json::json;

    use super::*;
    use crate::cli::terminal::{self, PIPE};

    fn columns(seen: bool) -> Value {
        let estimate = json!({ "mean": 0.9, "low": 0.713, "high": 0.98, "n": 12.0 });
        let mine = seen.then(|| json!({ "overall": estimate, "criteria": { "speed": estimate } }));
        let facts = json!({ "hires": 6, "accepted": 5, "counterparties": 3, "median_took": 12_000 });
        json!({ "mine": mine, "pinned": null, "facts": facts })
    }

    fn agent() -> AgentRow {
        let row = json!({
            "agent": "ab".repeat(32), "name": "desk\u{1b}[31m", "version": "1", "skill": "table/summarise",
            "price": "0.02 USD".parse::<Price>().unwrap(), "expect": 30_000, "missing": ["region"],
            "demands": "rows <= 1000".parse::<Constraint>().unwrap(),
            "reputation": columns(false), "manifest": "cd".repeat(32), "expires": 1,
        });
        serde_json::from_value(row).unwrap()
    }

    #[test]
    fn agents_are_listed_with_their_own_words_quoted_and_with_what_they_demand() {
        let text = agents_table(&[agent()]).render(&PIPE);
        let row = text.lines().nth(1).unwrap();
        let cells: Vec<&str> = row.split("  ").filter(|cell| !cell.is_empty()).map(str::trim).collect();
        let expected = [
            "abababab",
            r#""desk\u{1b}[31m""#,
            "table/summarise",
            "0.02 USD per task",
            "30s",
            "none yet",
            "5 of 6 accepted, 3 parties, median 12s",
            r#""rows <= 1000""#,
            "region",
        ];
        assert_eq!(cells, expected);
        assert!(agents_table(&[]).is_empty());
        for width in [60, 80, 120] {
            let text = agents_table(&[agent()]).render(&terminal::columns(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            for kept in ["abababab", "table/summarise", "0.02", "none yet"] {
                assert!(text.contains(kept), "{kept} is not in\n{text}");
            }
        }
    }

    #[test]
    fn reputation_is_shown_in_three_columns_with_what_is_behind_it() {
        let view = json!({
            "agent": "ab".repeat(32), "name": "desk", "overall": columns(true), "skills": { "a/b": columns(false) },
            "ratings": [{
                "hire": "cd".repeat(32), "by": "ef".repeat(32), "skill": "a/b", "day": 20_000,
                "scores": { "speed": 1000, "quality": 612 }, "agreed": true,
            }],
        });
        let text = reputation_text(&serde_json::from_value(view).unwrap(), &PIPE);
        let expected =
            "agent abababababababababababababababababababababababababababababababab, which calls itself \"desk\"\n
SKILL  MY VIEW                    MY SEEDS' VIEW  ON RECORD
all    0.90 (0.71 to 0.98, n 12)  none yet        5 of 6 accepted, 3 parties, median 12s
a/b    none yet                   none yet        5 of 6 accepted, 3 parties, median 12s

CRITERION  MY VIEW
speed      0.90 (0.71 to 0.98, n 12)

DAY         BY        SKILL  ACCURACY  QUALITY  SPEED  COMMUNICATION  CLOSE
2024-10-04  efefefef  a/b    -         0.61     1.00   -              signed by both
";
        assert_eq!(text, expected);
    }
}
