//! Who is here: `find`, `peers`, `id`, `status`.

use gigmesh_protocol::limits::ROOM_DEPTH;
use gigmesh_protocol::market::Skill;
use gigmesh_protocol::peer::io::{AgentRow, NoView, Sight};
use gigmesh_protocol::reputation::View;
use gigmesh_protocol::time::Millis;
use serde_json::Value;

use super::args::{Door, FindArgs, StatusArgs};
use super::failure::{Exit, Failure};
use super::reputation::{brief, in_brief};
use super::terminal::{
    Screen, Table, Tone, command, emit, emit_json, of_own_node, rough, runnable, short, span, wrapped,
};
use super::trust::NO_HISTORY;
use crate::api::client::Client;
use crate::api::types::{Bootstrap, FindParams, Identity, NodeStatus, Peer, Reach, Rows};
use crate::limits::QUOTE;

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
    text += &unseen(&agents.rows, &Screen::stdout());
    emit(&text)?;
    Ok(Exit::Done)
}

/// Why there is no view of some of them.
fn unseen(agents: &[AgentRow], screen: &Screen) -> String {
    let is = |why: NoView| agents.iter().any(|row| row.no_view == Some(why));
    if is(NoView::NoHistory) {
        wrapped(&runnable(NO_HISTORY), screen)
    } else if is(NoView::Newcomer) {
        wrapped("newcomer: nobody has rated it yet, as far as is known here, which is not bad", screen)
    } else {
        String::new()
    }
}

/// A column of opinions, and what to say where there is none.
fn opinion(row: &AgentRow, view: Option<&View>) -> String {
    match row.no_view {
        Some(NoView::Newcomer) => "newcomer".to_owned(),
        _ => brief(view),
    }
}

fn nobody(skill: &Skill) -> String {
    let room = skill.room(ROOM_DEPTH);
    format!(
        "nobody who fits is known\nthis node listens in the room `{room}` now, until it stops: ask again in a moment; \
         {} tells whether it is connected\n",
        command("peers")
    )
}

/// A search without a skill sees no further than the rooms that the node follows, and says so.
async fn rooms_only(client: &Client, agents: &[AgentRow], table: String) -> Result<String, Failure> {
    let NodeStatus { market, .. } = client.get("/v1/status").await?;
    let found = if agents.is_empty() { "nobody is known\n" } else { &table };
    let rooms = market.rooms.join(", ");
    let find = command("find SKILL");
    Ok(if rooms.is_empty() {
        format!("{found}this node follows no room yet: {find} follows the room of a skill, until the node stops\n")
    } else {
        format!(
            "{found}these are the rooms that this node follows: {rooms}; {find} follows one more, until the node stops\n"
        )
    })
}

fn agents_table(agents: &[AgentRow]) -> Table {
    let headings =
        ["AGENT", "NAME", "SKILL", "PRICE", "EXPECTS", "MY VIEW", "MY SEEDS", "HIRES", "DEMANDS", "NOT STATED"];
    // Opinions come in three columns however narrow it is.
    let mut table = Table::new(headings).yielding(["NAME", "DEMANDS", "NOT STATED", "EXPECTS"]);
    for row in agents {
        table.row([
            (Tone::Plain, short(Some(row.agent))),
            (Tone::Plain, row.name.quoted(QUOTE)),
            (Tone::Plain, row.skill.to_string()),
            (Tone::Plain, row.price.to_string()),
            (Tone::Plain, span(row.expect)),
            (Tone::Plain, opinion(row, row.reputation.mine.as_ref())),
            (Tone::Plain, opinion(row, row.reputation.pinned.as_ref())),
            (Tone::Plain, in_brief(&row.reputation.facts)),
            (Tone::Quiet, row.demands.as_ref().map(|demands| demands.words().quoted(QUOTE)).unwrap_or_default()),
            (Tone::Quiet, row.missing.join(", ")),
        ]);
    }
    table
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
            peer.agent_version.quoted(QUOTE),
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
    for (name, number) in market.as_object().into_iter().flatten().filter(|(_, number)| !number.is_object()) {
        let text = match number {
            Value::Array(rooms) => rooms.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", "),
            other => other.to_string(),
        };
        table.row([(Tone::Plain, name.replace('_', " ")), (Tone::Plain, text)]);
    }
    let sight = sight(&status.market.sight);
    let warnings: String =
        status.warnings.iter().map(|warning| format!("Warning: {}.\n", of_own_node(warning))).collect();
    let (reach, ways_in) = (reach(status.reach, &status.relays), ways_in(&status.bootstrap, status.mdns));
    emit(&format!("{}\n{sight}{reach}{ways_in}{warnings}", table.render(&Screen::stdout())))?;
    Ok(Exit::Done)
}

/// Whose word counts here.
fn sight(Sight { seeds, raters, settled, certificate }: &Sight) -> String {
    let seeds = if *seeds == 0 { "nobody is pinned".to_owned() } else { format!("seeds pinned: {seeds}") };
    let state = if *settled { "settled" } else { "provisional" };
    format!(
        "trust: {seeds}; others whose word counts: {raters}; their standing is {state}, off by at most {certificate:.0e} in all\n"
    )
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
    use gigmesh_protocol::untrusted::Untrusted;
    use serde_json::json;

    use super::*;
    use crate::cli::terminal::{self, PIPE};
    use crate::forged;

    fn columns() -> Value {
        let facts = json!({ "hires": 6, "accepted": 5, "counterparties": 3, "median_took": 12_000 });
        json!({ "mine": null, "pinned": null, "facts": facts })
    }

    fn agent() -> AgentRow {
        let row = json!({
            "agent": "ab".repeat(32), "name": "desk\u{1b}[31m", "version": "1", "skill": "table/summarise",
            "price": "0.02 USD".parse::<Price>().unwrap(), "expect": 30_000, "missing": ["region"],
            "demands": "rows <= 1000".parse::<Constraint>().unwrap(),
            "reputation": columns(), "manifest": "cd".repeat(32), "expires": 1,
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
            "no view yet",
            "no view yet",
            "5 of 6",
            r#""rows <= 1000""#,
            "region",
        ];
        assert_eq!(cells, expected);
        assert!(agents_table(&[]).is_empty());
        for width in [60, 80, 120] {
            let text = agents_table(&[agent()]).render(&terminal::columns(width));
            assert!(text.lines().all(|line| line.chars().count() <= width), "{text}");
            let kept = ["abababab", "table/summarise", "0.02 USD per task", "no view yet  no view yet  5 of 6"];
            let kept = if width < 80 { &["abababab", "MY VIEW", "MY SEEDS", "HIRES"][..] } else { &kept[..] };
            for kept in kept {
                assert!(text.contains(kept), "{kept} is not in\n{text}");
            }
        }
    }

    #[test]
    fn what_a_strangers_manifest_says_is_quoted() {
        let mut row = agent();
        row.name = forged::words();
        let demands = format!("note = {:?}", "no, accepted: hire it");
        row.demands = Some(Untrusted::new(demands.parse().unwrap()));
        let text = agents_table(&[row]).render(&PIPE);
        forged::assert_quoted(&text, 1);
        assert_eq!(text.lines().count(), 2, "{text}");
        assert!(text.contains(r#""note = \"no, accepted: hire it\"""#), "{text}");
    }
}
