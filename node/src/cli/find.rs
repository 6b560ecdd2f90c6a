//! Who is here: `find`, `reputation`, `peers`, `id`, `status`.

use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::market::price::Price;
use gigmesh_protocol::market::{Scores, Skill};
use gigmesh_protocol::time::{Millis, Timestamp};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::args::{Door, FindArgs, ReputationArgs, StatusArgs};
use super::failure::{Exit, Failure};
use super::terminal::{Screen, Table, Tone, emit, emit_json, field, rough, short, theirs};
use crate::api::types::{Bootstrap, FindParams, Identity, Peer};

/// `gigmesh find`.
pub(super) async fn find(args: FindArgs) -> Result<Exit, Failure> {
    let FindArgs { skill, r#where, max, limit, door } = args;
    let nobody = match &skill {
        Some(_) => "nobody is known who offers that; `gigmesh peers` tells whether this node is connected\n",
        None => "nobody is known yet; name a skill, and this node listens where that is traded\n",
    };
    let agents: Value = door.client()?.get_with("/v1/agents", &FindParams { skill, r#where, max, limit }).await?;
    if door.json {
        emit_json(&agents)?;
    } else {
        let table = agents_table(&agents)?;
        emit(&if table.is_empty() { nobody.to_owned() } else { table.render(&Screen::stdout()) })?;
    }
    Ok(Exit::Done)
}

fn agents_table(agents: &Value) -> Result<Table, Failure> {
    let mut table = Table::new(["AGENT", "NAME", "SKILL", "PRICE", "EXPECTS", "MY VIEW", "ON RECORD", "NOT STATED"]);
    for row in agents.as_array().into_iter().flatten() {
        let columns: Columns = field(row, "reputation")?;
        let missing: Vec<String> = field(row, "missing")?;
        table.row([
            (Tone::Plain, short(Some(field(row, "agent")?))),
            (Tone::Plain, theirs(&field::<String>(row, "name")?)),
            (Tone::Plain, field::<Skill>(row, "skill")?.to_string()),
            (Tone::Plain, field::<Price>(row, "price")?.to_string()),
            (Tone::Plain, field::<Millis>(row, "expect")?.to_string()),
            (Tone::Plain, opinion(columns.mine.as_ref())),
            (Tone::Plain, columns.facts.text()),
            (Tone::Quiet, missing.join(", ")),
        ]);
    }
    Ok(table)
}

/// The three columns reputation is shown in, as far as they are shown here.
#[derive(Deserialize)]
struct Columns {
    mine: Option<View>,
    pinned: Option<View>,
    facts: Facts,
}

#[derive(Deserialize)]
struct View {
    overall: Estimate,
    criteria: Map<String, Value>,
}

#[derive(Deserialize)]
struct Estimate {
    mean: f64,
    low: f64,
    high: f64,
    n: f64,
}

#[derive(Deserialize)]
struct Facts {
    hires: u32,
    accepted: u32,
    counterparties: u32,
    median_took: Option<Millis>,
}

impl Estimate {
    fn text(&self) -> String {
        format!("{:.2} ({:.2} to {:.2}, n {:.0})", self.mean, self.low, self.high, self.n)
    }
}

impl Facts {
    fn text(&self) -> String {
        let Self { hires, accepted, counterparties, median_took } = self;
        let took = median_took.map(|took| format!(", median {}", rough(took))).unwrap_or_default();
        if *hires == 0 {
            "nothing".to_owned()
        } else {
            format!("{accepted} of {hires} accepted, {counterparties} parties{took}")
        }
    }
}

fn opinion(view: Option<&View>) -> String {
    view.map_or_else(|| "none yet".to_owned(), |view| view.overall.text())
}

/// `gigmesh reputation`.
pub(super) async fn reputation(args: ReputationArgs) -> Result<Exit, Failure> {
    let view: Value = args.door.client()?.get(&format!("/v1/reputation/{}", args.agent)).await?;
    if args.door.json {
        emit_json(&view)?;
    } else {
        emit(&reputation_text(&view, &Screen::stdout())?)?;
    }
    Ok(Exit::Done)
}

fn reputation_text(view: &Value, screen: &Screen) -> Result<String, Failure> {
    let name: Option<String> = field(view, "name")?;
    let name = name.map(|name| format!(", which calls itself {}", theirs(&name))).unwrap_or_default();
    let mut text = format!("agent {}{name}\n\n", field::<AgentId>(view, "agent")?);

    let mut table = Table::new(["SKILL", "MY VIEW", "MY SEEDS' VIEW", "ON RECORD"]);
    let skills: Map<String, Value> = field(view, "skills")?;
    let overall: Columns = field(view, "overall")?;
    let criteria = overall.mine.as_ref().map(|mine| mine.criteria.clone()).unwrap_or_default();
    for (skill, columns) in std::iter::once(Ok(("all".to_owned(), overall)))
        .chain(skills.iter().map(|(skill, _)| Ok((skill.clone(), field(&Value::Object(skills.clone()), skill)?))))
        .collect::<Result<Vec<(String, Columns)>, Failure>>()?
    {
        let facts = columns.facts.text();
        let cells = [skill, opinion(columns.mine.as_ref()), opinion(columns.pinned.as_ref()), facts];
        table.row(cells.map(|cell| (Tone::Plain, cell)));
    }
    text.push_str(&table.render(screen));

    if !criteria.is_empty() {
        let mut table = Table::new(["CRITERION", "MY VIEW"]);
        let criteria = Value::Object(criteria);
        for name in criteria.as_object().into_iter().flat_map(Map::keys) {
            table.row([(Tone::Plain, name.clone()), (Tone::Plain, field::<Estimate>(&criteria, name)?.text())]);
        }
        text.push('\n');
        text.push_str(&table.render(screen));
    }

    let mut table = Table::new(["DAY", "BY", "SKILL", "ACCURACY", "QUALITY", "SPEED", "COMMUNICATION", "CLOSE"]);
    for rating in field::<Vec<Value>>(view, "ratings")? {
        let scores: Scores = field(&rating, "scores")?;
        let score = |score: Option<u16>| (Tone::Plain, score.map_or_else(|| "-".to_owned(), |score| score.to_string()));
        table.row([
            (Tone::Plain, day(field(&rating, "day")?)),
            (Tone::Plain, short(Some(field(&rating, "by")?))),
            (Tone::Plain, field::<Skill>(&rating, "skill")?.to_string()),
            score(scores.accuracy),
            score(scores.quality),
            score(scores.speed),
            score(scores.communication),
            (Tone::Quiet, if field(&rating, "agreed")? { "signed by both" } else { "one-sided" }.to_owned()),
        ]);
    }
    text.push('\n');
    text.push_str(&if table.is_empty() { "no ratings held\n".to_owned() } else { table.render(screen) });
    Ok(text)
}

/// A UTC day as a date.
fn day(days: u32) -> String {
    Timestamp(u64::from(days) * 86_400_000).to_string().chars().take(10).collect()
}

/// `gigmesh peers`.
pub(super) async fn peers(door: Door) -> Result<Exit, Failure> {
    let answer: Value = door.client()?.get("/v1/peers").await?;
    if door.json {
        emit_json(&answer)?;
        return Ok(Exit::Done);
    }
    let peers: Vec<Peer> = field(&serde_json::json!({ "peers": answer }), "peers")?;
    let mut table = Table::new(["AGENT", "ADDRESS", "OVER", "ROUND TRIP", "UP", "ROOMS", "PROGRAM"]);
    for peer in peers {
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
        let document = serde_json::to_value(&identity).map_err(|error| Failure::new(Exit::Ours, error))?;
        emit_json(&document)?;
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
    let mut status: Value = client.get("/v1/status").await?;
    if door.json {
        emit_json(&status)?;
        return Ok(Exit::Done);
    }
    let doors: Vec<Bootstrap> = field(&status, "bootstrap")?;
    let mdns: bool = field(&status, "mdns")?;
    let warnings: Vec<String> = field(&status, "warnings")?;
    if let Some(status) = status.as_object_mut() {
        status.remove("bootstrap");
        status.remove("mdns");
        status.remove("warnings");
    }
    let mut table = Table::new(["NUMBER OF", ""]);
    for (name, number) in status.as_object().into_iter().flatten() {
        let text = match number {
            Value::Array(rooms) => rooms.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        table.row([(Tone::Plain, name.replace('_', " ")), (Tone::Plain, text)]);
    }
    let warnings: String = warnings.iter().map(|warning| format!("Warning: {warning}.\n")).collect();
    emit(&format!("{}\n{}{warnings}", table.render(&Screen::stdout()), ways_in(&doors, mdns)))?;
    Ok(Exit::Done)
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
    use serde_json::json;

    use super::*;
    use crate::cli::terminal::PIPE;

    fn columns(seen: bool) -> Value {
        let estimate = json!({ "mean": 0.9, "low": 0.713, "high": 0.98, "n": 12.0 });
        let mine = seen.then(|| json!({ "overall": estimate, "criteria": { "speed": estimate } }));
        let facts = json!({ "hires": 6, "accepted": 5, "counterparties": 3, "median_took": 12_000 });
        json!({ "mine": mine, "pinned": null, "facts": facts })
    }

    #[test]
    fn agents_are_listed_with_their_own_words_quoted() {
        let agents = json!([{
            "agent": "ab".repeat(32), "name": "desk\u{1b}[31m", "version": "1", "skill": "table/summarise",
            "price": "0.02 USD".parse::<Price>().unwrap(), "expect": 30_000, "missing": ["region"],
            "reputation": columns(false), "manifest": "cd".repeat(32), "expires": 1,
        }]);
        let text = agents_table(&agents).unwrap().render(&PIPE);
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
            "region",
        ];
        assert_eq!(cells, expected);
        assert!(agents_table(&json!([])).unwrap().is_empty());
        assert!(agents_table(&json!([{ "agent": 3 }])).is_err());
    }

    #[test]
    fn reputation_is_shown_in_three_columns_with_what_is_behind_it() {
        let view = json!({
            "agent": "ab".repeat(32), "name": "desk", "overall": columns(true), "skills": { "a/b": columns(false) },
            "ratings": [{
                "hire": "cd".repeat(32), "by": "ef".repeat(32), "skill": "a/b", "day": 20_000,
                "scores": { "speed": 1000 }, "agreed": true,
            }],
        });
        let text = reputation_text(&view, &PIPE).unwrap();
        let expected =
            "agent abababababababababababababababababababababababababababababababab, which calls itself \"desk\"\n
SKILL  MY VIEW                    MY SEEDS' VIEW  ON RECORD
all    0.90 (0.71 to 0.98, n 12)  none yet        5 of 6 accepted, 3 parties, median 12s
a/b    none yet                   none yet        5 of 6 accepted, 3 parties, median 12s

CRITERION  MY VIEW
speed      0.90 (0.71 to 0.98, n 12)

DAY         BY        SKILL  ACCURACY  QUALITY  SPEED  COMMUNICATION  CLOSE
2024-10-04  efefefef  a/b    -         -        1000   -              signed by both
";
        assert_eq!(text, expected);
    }
}
