//! A contested hire and its arbiter, in four processes.

use std::fs;

use gigmesh_tests::{Agent, Market, run};
use serde_json::Value;

use crate::tasks::{counter, task};

const DECIDED: &str = r#"{"ruling": "accepted", "statement": "Three words were counted, and three there are."}"#;

fn agent(node: &gigmesh_tests::Node) -> String {
    node.ask(&["id"])["agent"].as_str().unwrap().to_owned()
}

/// A task judged by a person, with this arbiter.
fn disputed(market: &Market, arbiter: &str) -> std::path::PathBuf {
    let file = task(market, "person", "500ms");
    let text = fs::read_to_string(&file).unwrap() + &format!("[arbiter]\nagent = {arbiter:?}\nwithin = \"1h\"\n");
    fs::write(&file, text).unwrap();
    file
}

#[test]
fn an_arbiter_decides_though_everybody_falls_meanwhile() {
    let arbiter = Agent::printing("market/arbitrate", DECIDED).held();
    let mut market = Market::create(&[counter().serving("arbiters = \"anyone\""), arbiter]);
    let judge = agent(&market.workers[1]);
    market.requester.post(&disputed(&market, &judge), None);
    let hire = market.requester.first_hire();
    let reviewed = |shown: &Value| shown["row"]["waits_for"] == "judgement";
    market.requester.when(&hire, "the delivery", reviewed);
    market.requester.ask(&["judge", &hire, "refuse", "--note", "I see two words"]);
    // The worker contests and has the arbiter called; nobody needs to do anything.
    let called = market.workers[1].first_hire();
    market.workers[1].when(&called, "the agent at work", |shown| !shown["attempts"].as_array().unwrap().is_empty());
    market.workers[1].kill9();
    market.workers[0].kill9();
    market.requester.kill9();
    market.requester.restart();
    market.workers[0].restart();
    market.workers[1].restart();
    market.workers[1].let_agent_go();
    for node in [&market.requester, &market.workers[0]] {
        let shown = node.when(&hire, "the decision", |shown| shown["row"]["closed"]["outcome"] == "accepted");
        assert_eq!(shown["row"]["closed"]["agreed"], true, "both had agreed to be bound");
        let decision =
            shown["records"].as_array().unwrap().iter().find(|record| record["kind"] == "decision/1").unwrap();
        assert_eq!(decision["by"], judge.as_str());
        assert_eq!(decision["says"]["statement"], "Three words were counted, and three there are.");
    }
    let request: Value = serde_json::from_slice(&fs::read(market.workers[1].home().join("request")).unwrap()).unwrap();
    let records = request["params"]["records"].as_array().unwrap();
    let says = |kind: &str| records.iter().find(|record| record["kind"] == kind).unwrap()["says"].clone();
    assert_eq!(says("verdict/1")["note"], "I see two words", "it reads what both have to say");
    assert!(says("contest/1")["statement"].is_string());
    assert_eq!(records.iter().find(|record| record["kind"] == "award/1").unwrap()["in_private"]["review"], 600_000);
    for input in ["case", "result", "text"] {
        assert!(request["inputs"][input]["size"].is_u64(), "{input} is there: {}", request["inputs"]);
    }
    // The file that anybody can check says so, too.
    let file = market.dir().join("hire.json");
    market.requester.ask(&["export", &hire, file.to_str().unwrap()]);
    let verified = run(market.dir(), &["verify", "--json", file.to_str().unwrap()]);
    let verified: Value = serde_json::from_str(&verified.stdout).unwrap();
    assert_eq!((&verified["outcome"], &verified["agreed"]), (&"accepted".into(), &true.into()), "{verified}");
}
