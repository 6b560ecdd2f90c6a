//! What a constraint costs beside the same demand written by hand. `cargo bench -p gigmesh-protocol --bench constraint`,
//! on an otherwise quiet machine.
//!
//! One demand of six terms over the properties of many agents: those that meet it, those that do not, and those that leave
//! something out. The baseline is a closure over the same `Properties`, with the keys made beforehand. Both give yes, no
//! or unknown, without the reasons; what the reasons add is the last row. Each figure is the median of alternating batches
//! with its spread; the ratio is taken batch by batch.

#![expect(clippy::disallowed_methods, reason = "the protocol has no clock; who measures it does")]

use std::hint::black_box;
use std::time::Instant;

use gigmesh_protocol::market::constraint::{Constraint, Key, Properties, Value, Version};
use serde_json::json;

const BATCHES: usize = 31;
const ROUNDS: usize = 40;
const AGENTS: usize = 500;
const DEMAND: &str = "region in [\"ch\", \"eu\"] and retention_days <= 30 and runtime >= v1.4.0 and languages has \"de\" \
                      and not (shared = true or audited < 2026-01-01)";

/// What an agent states: ten properties, of which `vary` changes one.
fn agents(vary: impl Fn(usize, &mut serde_json::Map<String, serde_json::Value>)) -> Vec<Properties> {
    let one = |n: usize| {
        let json = json!({
            "region": if n.is_multiple_of(2) { "eu" } else { "ch" },
            "retention_days": n % 31,
            "runtime": format!("v1.{}.0", 4 + n % 9),
            "languages": ["en", "fr", "de"],
            "shared": false,
            "audited": format!("2026-0{}-01", 1 + n % 9),
            "gpu": true,
            "cores": 8,
            "licence": "MIT",
            "load": 0.5,
        });
        let serde_json::Value::Object(mut stated) = json else { unreachable!("it is an object") };
        vary(n, &mut stated);
        Properties::from_json(&stated).expect("they are properties")
    };
    (0..AGENTS).map(one).collect()
}

/// Whether a value fits; one that is not stated does until more is known.
fn holds(value: Option<&Value>, unknown: &mut bool, fits: impl Fn(&Value) -> bool) -> bool {
    *unknown |= value.is_none();
    value.is_none_or(fits)
}

/// The demand as one would write it for this purpose alone.
fn by_hand() -> impl Fn(&Properties) -> Option<bool> {
    let key = |name: &str| name.parse::<Key>().expect("a key");
    let (region, retention, runtime) = (key("region"), key("retention_days"), key("runtime"));
    let (languages, shared, audited) = (key("languages"), key("shared"), key("audited"));
    let since = match Value::from_json(&json!("2026-01-01")) {
        Ok(Value::Time(since)) => since,
        other => unreachable!("{other:?}"),
    };
    move |stated| {
        let mut unknown = false;
        let yes = holds(
            stated.get(&region),
            &mut unknown,
            |value| matches!(value, Value::Text(text) if text == "ch" || text == "eu"),
        ) && holds(stated.get(&retention), &mut unknown, |value| match value {
            Value::Int(days) => *days <= 30,
            Value::Dec(micros) => *micros <= 30_000_000,
            _ => false,
        }) && holds(
            stated.get(&runtime),
            &mut unknown,
            |value| matches!(value, Value::Version(version) if *version >= Version(1, 4, 0)),
        ) && holds(stated.get(&languages), &mut unknown, |value| match value {
            Value::Text(text) => text == "de",
            Value::List(items) => items.iter().any(|item| matches!(item, Value::Text(text) if text == "de")),
            _ => false,
        }) && holds(stated.get(&shared), &mut unknown, |value| *value != Value::Bool(true))
            && holds(
                stated.get(&audited),
                &mut unknown,
                |value| !matches!(value, Value::Time(moment) if *moment < since),
            );
        (!yes || !unknown).then_some(yes)
    }
}

/// Nanoseconds an agent.
fn time<T>(agents: &[Properties], mut work: impl FnMut(&Properties) -> T) -> f64 {
    let start = Instant::now();
    for _ in 0..ROUNDS {
        agents.iter().for_each(|stated| drop(black_box(work(black_box(stated)))));
    }
    start.elapsed().as_secs_f64() * 1e9 / (ROUNDS * agents.len()) as f64
}

/// Median, and from the least to the most.
fn spread(mut numbers: Vec<f64>, digits: usize) -> String {
    numbers.sort_by(f64::total_cmp);
    let (least, most) = (numbers[0], numbers[numbers.len() - 1]);
    format!("{:.digits$} ({least:.digits$}..{most:.digits$})", numbers[numbers.len() / 2])
}

fn main() {
    println!("{BATCHES} pairs of batches of {ROUNDS} x {AGENTS}; ns an agent, median (least..most)");
    let demand: Constraint = DEMAND.parse().expect("it is a constraint");
    let by_hand = by_hand();
    let of = |n: usize, key: &[&'static str]| key[n % key.len()];
    let spoil = |n: usize, stated: &mut serde_json::Map<String, serde_json::Value>| {
        let (key, value) = match n % 4 {
            0 => ("region", json!("us")),
            1 => ("retention_days", json!(90)),
            2 => ("languages", json!(["en"])),
            _ => ("shared", json!(true)),
        };
        stated.insert(key.to_owned(), value);
    };
    let rows = [
        ("met", Some(true), agents(|_, _| {})),
        ("not met, for one of four reasons", Some(false), agents(spoil)),
        (
            "unknown, one of six left out",
            None,
            agents(|n, stated| {
                let gone = of(n, &["region", "retention_days", "runtime", "languages", "shared", "audited"]);
                stated.remove(gone);
            }),
        ),
    ];
    for (what, answer, agents) in rows {
        for stated in &agents {
            assert_eq!((demand.holds(stated), by_hand(stated)), (answer, answer), "{stated:?}");
        }
        let holds = || time(&agents, |stated| demand.holds(stated));
        let hand = || time(&agents, &by_hand);
        let explained = || time(&agents, |stated| demand.evaluate(stated));
        let _ = (holds(), hand(), explained()); // To warm up.
        let runs: Vec<_> = (0..BATCHES).map(|_| (holds(), hand(), explained())).collect();
        let column = |of: fn(&(f64, f64, f64)) -> f64| runs.iter().map(of).collect::<Vec<_>>();
        println!("{what}");
        println!("  holds      {}", spread(column(|run| run.0), 1));
        println!("  by hand    {}", spread(column(|run| run.1), 1));
        println!("  ratio      {}", spread(column(|run| run.0 / run.1), 2));
        println!("  evaluate   {}", spread(column(|run| run.2), 1));
    }
}
