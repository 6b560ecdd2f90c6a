//! `gigmesh config check`: what a worker or task file says, as the node would understand it.

use std::path::Path;

use gigmesh_protocol::market::Milestone;
use gigmesh_protocol::market::constraint::Properties;
use gigmesh_protocol::market::price::Amount;
use gigmesh_protocol::peer::io::{From as ServeFrom, Rule};
use serde_json::{Value, json};

use super::failure::{Exit, Failure};
use super::terminal::{Screen, Table, Tone, emit, emit_json};
use crate::config::{self, Config, Overrides, Source};
use crate::task::{self, Content, TaskFile, TaskInput};

/// `gigmesh config check`.
pub(super) fn check(file: &Path, as_json: bool) -> Result<Exit, Failure> {
    // Both kinds have keys that the other knows nothing of; a skill is a text in a task and a list in a worker's file.
    let keys: toml::Table = Source::read(file)?.parse()?;
    let is_task = keys.get("skill").is_some_and(toml::Value::is_str) || keys.contains_key("summary");
    let understood = if is_task {
        of_task(&task::read(file)?)?
    } else {
        of_worker(&config::load(Some(file), Overrides::default())?.runnable()?)?
    };
    if as_json {
        emit_json(&understood)?;
        return Ok(Exit::Done);
    }
    let mut table = Table::new(["KEY", "UNDERSTOOD AS"]);
    flatten("", &understood, &mut table);
    emit(&table.render(&Screen::stdout()))?;
    Ok(Exit::Done)
}

fn of_task(file: &TaskFile) -> Result<Value, Failure> {
    let TaskFile { task, inputs } = file;
    let of_input = |input: &TaskInput| {
        let Content::Path(file) = &input.content else { return Value::Null };
        json!({ "name": input.name, "file": file, "media": input.media })
    };
    let inputs: Vec<Value> = inputs.iter().map(of_input).collect();
    let params: Option<Value> = task.params.as_deref().and_then(|params| serde_json::from_str(params).ok());
    let schema: Option<Value> =
        task.checks.schema.as_ref().and_then(|schema| serde_json::from_str(schema.as_str()).ok());
    let milestone = |part: &Milestone| {
        let schema: Option<Value> =
            part.checks.schema.as_ref().and_then(|schema| serde_json::from_str(schema.as_str()).ok());
        json!({ "title": part.title, "share": f64::from(part.share) / 1000.0, "schema": schema, "checks": part.checks.asserts })
    };
    let milestones: Vec<Value> = task.milestones.iter().map(milestone).collect();
    Ok(json!({
        "kind": "task",
        "skill": task.skill,
        "summary": task.summary,
        "slots": task.slots,
        "agree": task.agree,
        "brief": { "inputs": inputs, "params": params },
        "accept": { "schema": schema, "checks": task.checks.asserts, "sealed": task.sealed, "review": task.review_by,
            "compare": task.compare, "rating": task.rating_by },
        "milestone": milestones,
        "arbiter": task.arbiter.map(|arbiter| json!({ "agent": arbiter.agent, "within": arbiter.within.to_string() })),
        "price": { "max": task.max.as_ref().map(ToString::to_string) },
        "time": {
            "bids": task.bids.to_string(),
            "begin": task.begin.to_string(),
            "done": task.done.to_string(),
            "review": task.review.to_string(),
            "expires": task.expires.to_string(),
        },
        "properties": properties(&task.properties),
        "choose": {
            "where": task.constraint,
            "prefer": task.choosing.prefer,
            "bar": task.choosing.bar.map(|bar| f64::from(bar) / 1000.0),
            "newcomers": {
                "share": f64::from(task.choosing.newcomers.share) / 1000.0,
                "up_to": task.choosing.newcomers.up_to.as_ref().map(ToString::to_string),
            },
        },
    }))
}

fn of_worker(config: &Config) -> Result<Value, Failure> {
    let Config { node, api, .. } = config;
    let peer = &node.peer;
    let named = |who: &ServeFrom| match who {
        ServeFrom::Nobody => json!("nobody"),
        ServeFrom::Anyone => json!("anyone"),
        ServeFrom::Allowlist(agents) => json!(agents),
    };
    let skills: Vec<Value> = peer
        .skills
        .iter()
        .map(|serving| {
            let entry = &serving.entry;
            let run = node.executors.get(&entry.path);
            json!({
                "path": entry.path,
                "price": entry.price.to_string(),
                "expect": entry.expect.to_string(),
                "input": entry.input.is_some(),
                "output": entry.output.is_some(),
                "properties": properties(&entry.properties),
                "where": entry.constraint,
                "run": {
                    "command": run.map(|run| &run.command),
                    "dir": run.map(|run| &run.dir),
                    "timeout_s": run.map(|run| run.timeout.as_secs_f64()),
                    "restartable": serving.restartable,
                },
            })
        })
        .collect();
    let rule = |rule: &Rule| json!({ "skill": rule.skill, "allow": rule.allow, "block": rule.block });
    let rules: Vec<Value> = peer.buy.rules.iter().map(rule).collect();
    Ok(json!({
        "kind": "worker",
        "doubt": config.doubt(),
        "node": {
            "data_dir": node.data_dir,
            "network": node.network,
            "listen": node.listen,
            "bootstrap": node.bootstrap,
            "mdns": node.mdns,
            "relay": node.relay,
            "api": api,
        },
        "agent": { "name": peer.name, "version": peer.version, "model": peer.model },
        "serve": { "from": named(&peer.from), "parallel": peer.parallel, "credit": amounts(&peer.credit), "rating": peer.rating_by,
            "begin": peer.begin_by, "contest": peer.contest_by,
            "arbiters": named(&peer.arbiters),
            "binding": peer.binding.map(|binding| binding.to_string()) },
        "buy": {
            "per_hire": amounts(&peer.buy.per_hire),
            "per_day": amounts(&peer.buy.per_day),
            "ask_above": amounts(&peer.buy.ask_above),
            "rule": rules,
        },
        "trust": { "seed": config.seeds },
        "skill": skills,
    }))
}

fn properties(properties: &Properties) -> Value {
    properties.iter().map(|(key, value)| (key.to_string(), json!(value.to_string()))).collect()
}

fn amounts(amounts: &[Amount]) -> Vec<String> {
    amounts.iter().map(ToString::to_string).collect()
}

/// A row for each value, under the path of its keys.
fn flatten(path: &str, value: &Value, table: &mut Table) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(object) if path != "accept.schema" => {
            object.iter().for_each(|(key, value)| flatten(&below(key), value, table));
        }
        Value::Array(items) if items.iter().any(Value::is_object) => {
            items.iter().enumerate().for_each(|(index, value)| flatten(&format!("{path}[{index}]"), value, table));
        }
        Value::Null => {}
        Value::String(text) => table.row([(Tone::Plain, path.to_owned()), (Tone::Plain, text.clone())]),
        other => table.row([(Tone::Plain, path.to_owned()), (Tone::Plain, other.to_string())]),
    }
}
