//! Agents that say how far they are and ask, and people who answer, begin and contest.

use std::fs;

use gigmesh_tests::{Agent, Does, Market, Node, SOON, run, temp_dir, wait_until};
use serde_json::{Value, json};

use crate::tasks::{SKILL, WRONG, counter, quick, quick_in};

/// Says how far it is, asks, and does what the answer says.
const ASKING: &str = r#"
cat > /dev/null
echo '{"percent": 40, "note": "half of the pages"}' >> "$GIGMESH_REPORT"
echo '{"ask": "bytes or words?"}' >> "$GIGMESH_REPORT"
until [ -s "$GIGMESH_ANSWERS" ]; do sleep 0.02; done
echo '{"percent": 90}' >> "$GIGMESH_REPORT"
if grep -q '"answer":"words"' "$GIGMESH_ANSWERS"; then words=3; else words=13; fi
echo "{\"words\": $words, \"note\": \"counted\"}"
"#;

fn asking() -> Agent {
    let command = ["/bin/sh", "-c", ASKING].map(str::to_owned).into();
    Agent { does: Does::Runs(command), ..counter() }
}

/// What the records of this kind say, in order.
fn said(shown: &Value, kind: &str) -> Vec<Value> {
    let records = shown["records"].as_array().unwrap().iter();
    records.filter(|record| record["kind"] == kind).map(|record| record["says"].clone()).collect()
}

/// The one row of a node's inbox, when there is one.
fn waiting(node: &Node, for_what: &str) -> Value {
    let row = wait_until("something to wait for a person", SOON, || {
        let rows = node.ask(&["inbox"])["rows"].as_array().unwrap().clone();
        assert!(rows.len() <= 1, "{rows:?}");
        rows.into_iter().next()
    });
    assert_eq!(row["waits_for"], for_what, "{row}");
    row
}

/// Waits until both sides see this outcome, and returns what each shows.
fn both(market: &Market, hire: &str, outcome: &str) -> [Value; 2] {
    [&market.requester, &market.workers[0]]
        .map(|node| node.when(hire, outcome, |shown| shown["row"]["closed"]["outcome"] == outcome))
}

#[test]
fn an_agent_asks_and_works_by_the_answer_though_the_requester_falls_in_between() {
    let mut market = Market::create(&[asking()]);
    market.requester.post(&quick(&market), None);
    let hire = market.requester.first_hire();
    let shown = market.requester.when(&hire, "the question", |shown| !said(shown, "question/1").is_empty());
    let progress = said(&shown, "progress/1").pop().unwrap();
    assert_eq!((&progress["percent"], &progress["note"]), (&40.into(), &"half of the pages".into()));
    let row = waiting(&market.requester, "answer");
    assert_eq!((&row["id"], &row["says"]), (&hire.as_str().into(), &"bytes or words?".into()));
    let inbox = market.requester.cli(&["inbox"]);
    assert!(inbox.stdout.contains("\"bytes or words?\""), "their words are in quotation marks: {inbox:?}");

    market.requester.kill9();
    market.requester.restart();
    assert_eq!(waiting(&market.requester, "answer"), row);
    market.requester.ask(&["reply", &hire, "words", "--later", "5m"]);

    for shown in both(&market, &hire, "accepted") {
        let percents: Vec<Value> = said(&shown, "progress/1").iter().map(|says| says["percent"].clone()).collect();
        assert_eq!(percents, [0, 40, 90], "the last word is there, too");
        let answer = said(&shown, "answer/1").pop().unwrap();
        // Of the task's five minutes almost all were left, and as many were granted on top.
        let granted = answer["due"].as_u64().zip(answer["link"]["at"].as_u64()).map(|(due, at)| due - at);
        assert!(granted.is_some_and(|ms| (540_000..=600_000).contains(&ms)), "{answer}");
    }
    let late = market.requester.cli(&["reply", &hire, "bytes"]);
    assert_eq!(late.code, Some(2), "{late:?}");
}

#[test]
fn an_agent_that_is_started_again_asks_again() {
    let mut market = Market::create(&[asking()]);
    market.requester.post(&quick(&market), None);
    let hire = market.requester.first_hire();
    let asked = |times| move |shown: &Value| said(shown, "question/1").len() == times;
    market.requester.when(&hire, "the question", asked(1));
    market.workers[0].kill9();
    market.workers[0].restart();
    market.requester.when(&hire, "the question again", asked(2));
    market.requester.ask(&["reply", &hire, "words"]);
    both(&market, &hire, "accepted");
    assert_eq!(market.requester.ask(&["inbox"])["rows"], json!([]), "nobody waits for an answer any more");
}

#[test]
fn a_trial_shows_what_the_agent_says_and_does_not_keep_it_waiting() {
    let dir = temp_dir();
    quick_in(dir.path());
    fs::write(dir.path().join("agent.sh"), ASKING).unwrap();
    let worker = format!(
        "[agent]\nname = \"counter\"\nversion = \"1\"\n[[skill]]\npath = {SKILL:?}\nprice = \"0.02 USD per task\"\n\
         expect = \"30s\"\n[skill.run]\ncommand = [\"/bin/sh\", \"agent.sh\"]\ntimeout = \"2m\"\n"
    );
    fs::write(dir.path().join("worker.toml"), worker).unwrap();
    let told = run(dir.path(), &["try", "worker.toml", "task.toml"]);
    for words in ["40 %: half of the pages", "asks: bytes or words?", "90 %"] {
        let line = format!("  it said {words:?}");
        assert!(told.stdout.lines().any(|told| told == line), "{line} is not in {}", told.stdout);
    }
    // It was told that nobody answers, and guessed wrong.
    assert_eq!(told.code, Some(3), "{told:?}");
}

#[test]
fn a_person_takes_an_award_or_declines_it() {
    let market = Market::create(&[counter().serving("begin = \"person\"")]);
    let worker = &market.workers[0];
    for (answer, outcome) in [("approve", Some("accepted")), ("refuse", None)] {
        market.requester.post(&quick(&market), None);
        let row = waiting(worker, "begin");
        assert_eq!((&row["summary"]["theirs"], &row["skill"]), (&"Count the words".into(), &SKILL.into()));
        let hire = row["id"].as_str().unwrap();
        worker.ask(&[answer, hire]);
        match outcome {
            Some(outcome) => drop(both(&market, hire, outcome)),
            None => drop(market.requester.when(hire, "the decline", |shown| !said(shown, "decline/1").is_empty())),
        }
        assert_eq!(worker.ask(&["inbox"])["rows"], json!([]));
    }
    assert_eq!(worker.runs().len(), 1);
}

#[test]
fn a_person_contests_a_refusal_and_both_statements_are_on_record() {
    let market = Market::create(&[Agent::printing(SKILL, WRONG).serving("contest = \"person\"")]);
    let worker = &market.workers[0];
    market.requester.post(&quick(&market), None);
    let row = waiting(worker, "contest");
    let hire = row["id"].as_str().unwrap();
    worker.ask(&["contest", hire, "the title is counted, too"]);
    for shown in both(&market, hire, "contested") {
        assert_eq!(
            said(&shown, "contest/1").pop().unwrap()["statement"],
            json!({ "said": "the title is counted, too" })
        );
        let verdict = said(&shown, "verdict/1").pop().unwrap();
        assert_eq!(verdict["failed"], json!(["result.words == 3: result.words is 4"]));
    }
}
