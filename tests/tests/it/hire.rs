//! Strangers find each other, hire, deliver, judge and rate.

use std::fs;
use std::path::Path;

use gigmesh_tests::{Agent, Does, Market, SOON, Transport, tool, wait_until};
use serde_json::{Value, json};

use crate::tasks::{RIGHT, SKILL, WRONG, counter, quick, task};

/// The result document of a task that was waited for.
fn the_hire(document: &Value) -> &Value {
    let hires = document["hires"].as_array().expect("hires are listed");
    assert_eq!(hires.len(), 1, "{document}");
    &hires[0]
}

/// What a node holds against, or in favour of, an agent: who said so, and whether both had signed the close.
fn ratings(view: &Value) -> Vec<(Value, bool)> {
    let ratings = view["ratings"].as_array().expect("ratings are listed").iter();
    ratings.map(|rating| (rating["by"].clone(), rating["agreed"] == true)).collect()
}

#[test]
fn strangers_who_know_one_door_hire_by_gossip_and_both_sides_tell_the_same_story() {
    let market = Market::create(&[counter()]);
    let (requester, worker) = (&market.requester, &market.workers[0]);
    let output = requester.hire(&quick(&market), &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let document = output.json();
    assert_eq!((&document["accepted"], &document["unfilled"]), (&json!(true), &Value::Null));
    let hire = the_hire(&document);
    let id = hire["hire"].as_str().unwrap();
    assert_eq!(hire["result"], serde_json::from_str::<Value>(RIGHT).unwrap());
    assert_eq!(hire["with"], json!(worker.agent));
    assert_eq!(hire["closed"]["outcome"], "accepted");
    assert_eq!(worker.runs().len(), 1);
    let request: Value = serde_json::from_slice(&fs::read(worker.home().join("request")).unwrap()).unwrap();
    assert_eq!((&request["params"], &request["skill"]), (&json!({ "unit": "word" }), &json!(SKILL)));

    // The bytes are the agent's, not a re-encoding.
    let file = market.dir().join("result");
    requester.ask(&["show", id, "--output", &file.display().to_string()]);
    assert_eq!(fs::read_to_string(&file).unwrap(), RIGHT);

    let sides = [(requester, "requester", &worker.agent), (worker, "worker", &requester.agent)];
    for (node, side, other) in sides {
        assert_eq!(node.ask(&["id"])["agent"], json!(node.agent));
        let shown = node.settled(id);
        assert_eq!(shown["row"]["side"], side);
        assert_eq!(shown["row"]["with"], json!(other));
        assert_eq!(shown["row"]["closed"]["outcome"], "accepted");
        let kinds: Vec<&str> =
            shown["records"].as_array().unwrap().iter().map(|r| r["kind"].as_str().unwrap()).collect();
        for kind in ["offer/1", "claim/1", "award/1", "begin/1", "brief/1", "delivery/1", "verdict/1", "receipt/1"] {
            assert!(kinds.contains(&kind), "{side} lacks {kind}: {kinds:?}");
        }
        assert_eq!(node.hires().len(), 1);
        assert_eq!(node.hires()[0]["hire"], id);
        // Each has rated the other, and holds what was said of itself.
        for subject in [&requester.agent, &worker.agent] {
            let rater = if subject == &worker.agent { &requester.agent } else { &worker.agent };
            let view = wait_until("the rating", SOON, || {
                let view = node.ask(&["reputation", subject]);
                (!ratings(&view).is_empty()).then_some(view)
            });
            assert_eq!(ratings(&view), [(json!(rater), true)], "{side} of {subject}");
            assert_eq!(view["overall"]["facts"]["accepted"], 1);
        }
        let peers = node.rows(&["peers"]);
        assert!(peers.iter().any(|peer| peer["agent"] == **other), "{side}: {peers:?}");
        let status = node.ask(&["status"]);
        assert_eq!((&status["hires_open"], &status["hires_closed"]), (&json!(0), &json!(1)));
    }
    let found = requester.rows(&["find", SKILL]);
    assert_eq!((&found[0]["agent"], &found[0]["name"]), (&json!(worker.agent), &json!("worker-0")));
    assert_eq!(found[0]["reputation"]["facts"]["accepted"], 1);
    assert_eq!(requester.ask(&["find", "another/skill"]), json!({ "rows": [] }));
    // A beginning of an id will do.
    assert_eq!(requester.show(&id[..8])["row"]["hire"], id);
}

#[test]
fn the_demos_own_task_is_done_by_the_demos_own_agent() {
    let market = Market::create(&[Agent::demo("text/statistics")]);
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/demo");
    let output = market.requester.hire(&demo.join("tasks/01-essay.toml"), &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let document = output.json();
    let result = &the_hire(&document)["result"];
    assert_eq!((&result["words"], &result["paragraphs"]), (&json!(1253), &json!(12)));
}

#[test]
fn an_agent_in_python_reads_its_input_and_is_paid_for_what_it_says() {
    if !tool("python3") {
        return;
    }
    let mut market = Market::create(&[]);
    let script = "import json, sys\n\
                  request = json.load(sys.stdin)\n\
                  text = open(request['inputs']['text']['path']).read()\n\
                  print(json.dumps({'words': len(text.split()), 'note': 'counted'}))\n";
    market.file("agent.py", script);
    let command = vec!["python3".to_owned(), market.dir().join("agent.py").display().to_string()];
    market.join("python", Agent { does: Does::Runs(command), ..counter() });
    let output = market.requester.hire(&quick(&market), &[]);
    assert_eq!((output.code, &output.json()["accepted"]), (Some(0), &json!(true)), "{output:?}");
}

#[test]
fn a_direct_hire_goes_to_the_one_worker_it_names() {
    let market = Market::create(&[counter(), counter(), counter()]);
    let chosen = &market.workers[1];
    let output = market.requester.hire(&quick(&market), &["--to", &chosen.agent]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(the_hire(&output.json())["with"], json!(chosen.agent));
    let runs: Vec<usize> = market.workers.iter().map(|worker| worker.runs().len()).collect();
    assert_eq!(runs, [0, 1, 0], "nobody else heard of it");
}

#[test]
fn a_market_over_quic_alone_works() {
    let market = Market::over(Transport::Quic, &[counter()]);
    let output = market.requester.hire(&quick(&market), &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    for node in [&market.requester, &market.workers[0]] {
        let peers = node.rows(&["peers"]);
        // Two that dial each other at once have two connections.
        let mut transports = peers.iter().flat_map(|peer| peer["transports"].as_array().unwrap());
        assert!(transports.all(|transport| transport == "quic"), "{peers:?}");
    }
}

#[test]
fn several_slots_are_filled_by_as_many_workers() {
    let market = Market::create(&[counter(), counter()]);
    let file = market.dir().join("task.toml");
    quick(&market);
    let text = fs::read_to_string(&file).unwrap().replace("skill =", "slots = 2\nskill =").replace("500ms", "2s");
    fs::write(&file, text).unwrap();
    let output = market.requester.hire(&file, &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let document = output.json();
    let mut with: Vec<&str> =
        document["hires"].as_array().unwrap().iter().map(|hire| hire["with"].as_str().unwrap()).collect();
    let mut workers: Vec<&str> = market.workers.iter().map(|worker| worker.agent.as_str()).collect();
    with.sort_unstable();
    workers.sort_unstable();
    assert_eq!(with, workers);
}

#[test]
fn a_delivery_that_fails_a_sealed_check_is_refused_and_the_worker_sees_why_and_agrees() {
    let market = Market::create(&[Agent::printing(SKILL, WRONG)]);
    let output = market.requester.hire(&quick(&market), &[]);
    assert_eq!(output.code, Some(3), "{output:?}");
    let document = output.json();
    assert_eq!(document["accepted"], false);
    let hire = the_hire(&document);
    assert_eq!(hire["closed"]["outcome"], "refused");
    let id = hire["hire"].as_str().unwrap();
    let worker = &market.workers[0];
    let shown = worker.settled(id);
    assert_eq!(shown["row"]["closed"]["outcome"], "refused");
    let records = shown["records"].as_array().unwrap();
    let verdict = records.iter().find(|record| record["kind"] == "verdict/1").unwrap();
    let why = verdict["says"]["failed"].to_string();
    assert!(why.contains("result.words == 3"), "the verdict names the check that failed: {why}");
    // Both signed: the worker has run the opened check itself.
    assert_eq!(market.requester.settled(id)["row"]["closed"]["outcome"], "refused");
    let checks = shown["checks"].to_string();
    assert!(checks.contains("\"sealed\":{"), "the worker ran the opened check: {checks}");
    let view = market.requester.ask(&["reputation", &worker.agent]);
    assert_eq!(view["overall"]["facts"]["accepted"], 0);
    assert!(view["overall"]["mine"]["overall"]["mean"].as_f64().unwrap() < 0.5, "{view}");
    assert_eq!(worker.runs().len(), 1);
}

#[test]
fn a_result_that_fails_a_public_check_is_not_even_delivered() {
    let market = Market::create(&[Agent::printing(SKILL, "{\"words\": 0, \"note\": \"counted\"}")]);
    let output = market.requester.hire(&quick(&market), &[]);
    assert_eq!(output.code, Some(3), "{output:?}");
    assert_eq!(the_hire(&output.json())["closed"]["outcome"], "cancelled_by_worker");
}

#[test]
fn a_person_may_want_changes_and_then_accept() {
    let market = Market::create(&[counter()]);
    let (requester, worker) = (&market.requester, &market.workers[0]);
    requester.post(&task(&market, "person", "500ms"), None);
    let id = requester.first_hire();
    let checked = |shown: &Value| shown["row"]["waits_for"] == "judgement";
    requester.when(&id, "the first delivery", checked);
    assert!(requester.ask(&["judge", &id, "changes", "--note", "once more"])["done"] == true);
    let second = |shown: &Value| {
        let records = shown["records"].as_array().expect("records are listed");
        checked(shown) && records.iter().filter(|record| record["kind"] == "delivery/1").count() == 2
    };
    requester.when(&id, "the second delivery", second);
    requester.ask(&["judge", &id, "accept"]);
    for node in [requester, worker] {
        assert_eq!(node.settled(&id)["row"]["closed"]["outcome"], "accepted");
    }
    assert_eq!(worker.runs().len(), 2);
    let request = fs::read_to_string(worker.home().join("request")).unwrap();
    assert!(request.contains("once more"), "the agent is told what was wanted: {request}");
}

#[test]
fn a_task_that_nobody_claims_ends_unfilled() {
    let market = Market::create(&[Agent { price: "0.06 USD per task".to_owned(), ..counter() }]);
    let file = quick(&market);
    let text = fs::read_to_string(&file).unwrap().replace("expires = \"5m\"", "expires = \"2s\"");
    // What only the node knows has its line as well.
    fs::write(&file, format!("{text}\n[arbiter]\nagent = {:?}\n", market.requester.agent)).unwrap();
    let told = market.requester.hire(&file, &[]);
    let line = text.lines().count() + 3;
    assert_eq!(told.code, Some(2), "{told:?}");
    assert!(told.stderr.contains(&format!("task.toml:{line}:9: an arbiter is a third party")), "{told:?}");
    fs::write(&file, text).unwrap();
    let output = market.requester.hire(&file, &[]);
    assert_eq!(output.code, Some(3), "{output:?}");
    let document = output.json();
    assert_eq!((&document["accepted"], &document["hires"]), (&json!(false), &json!([])));
}

#[test]
fn a_search_with_a_ceiling_lists_only_whom_that_ceiling_would_hire() {
    // A close is owed the amount once: the lower price for a row is the dearer hire.
    let by_the_million = "90 USD per 1000000 rows";
    let market = Market::create(&[Agent { price: by_the_million.to_owned(), ..counter() }]);
    let found = |max: &str| market.requester.rows(&["find", SKILL, "--max", max]).len();
    wait_until("the worker to be known", SOON, || (found(by_the_million) == 1).then_some(()));
    assert_eq!(found("1 USD per 1000 rows"), 0);
}
