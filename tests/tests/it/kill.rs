//! Either side falls at every stage of a hire, as in a power cut, and is started again on the same data: the hire goes on
//! to its end, the agent runs as often as its operator allows, and both are who they were.
//!
//! Each stage is one that lasts until the test lets it go on, so that the blow falls exactly there:
//!
//! | killed after | what holds the hire there |
//! |---|---|
//! | the claim | the bid window |
//! | the award | the worker is frozen once it has claimed |
//! | the begin | the requester's inputs are out of reach, so the work cannot start |
//! | the start of the work | the agent waits for a file |
//! | the ack | the review waits for a person |
//!
//! Two moments cannot be told apart from outside. A worker that takes an award begins in the same commit; so the worker
//! that is killed "after the award" had not read it. And a requester answers a begin with its brief at once; so who is
//! killed "after the begin" has sent, or received, the brief too.

use std::fs;

use gigmesh_tests::{Agent, Market, Node, SOON, is_running, wait_until};
use serde_json::{Value, json};

use crate::tasks::{counter, quick, task};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Requester,
    Worker,
}
use Side::{Requester, Worker};

/// Kills that side and starts it again.
fn fell(market: &mut Market, side: Side) {
    let node = node(market, side);
    node.kill9();
    node.restart();
}

fn node(market: &mut Market, side: Side) -> &mut Node {
    match side {
        Requester => &mut market.requester,
        Worker => &mut market.workers[0],
    }
}

/// Posts a task and waits until its claim has come.
fn claimed(market: &Market) -> String {
    let offer = market.requester.post(&task(market, "auto", "3s"), None);
    market.requester.when(&offer, "the claim", |shown| shown["claims"] == 1);
    offer
}

fn stage(shown: &Value) -> &str {
    shown["row"]["stage"].as_str().expect("a row has a stage")
}

/// Waits until both sides have closed it as accepted and hold both ratings; returns what each then says of the other.
fn accepted(market: &Market) -> [Value; 2] {
    let hire = market.workers[0].first_hire();
    [&market.requester, &market.workers[0]].map(|node| {
        let shown = node.settled(&hire);
        assert_eq!(shown["row"]["closed"]["outcome"], "accepted", "{shown}");
        let of = |agent: &str| {
            wait_until("the rating of each by the other", SOON, || {
                let view = node.ask(&["reputation", agent]);
                let rated = view["ratings"].as_array().expect("ratings are listed").len() == 1;
                // The name is what the agent says of itself, and heard again after a start.
                rated.then(|| json!([view["agent"], view["overall"], view["skills"], view["ratings"]]))
            })
        };
        assert_eq!(node.hires().len(), 1, "one hire came of it");
        json!([node.hires(), of(&market.requester.agent), of(&market.workers[0].agent)])
    })
}

fn killed_after_the_claim(side: Side) {
    let mut market = Market::create(&[counter()]);
    claimed(&market);
    fell(&mut market, side);
    accepted(&market);
    assert_eq!(market.workers[0].runs().len(), 1);
}

#[test]
fn a_requester_killed_after_the_claim_hears_it_again_and_awards() {
    killed_after_the_claim(Requester);
}

#[test]
fn a_worker_killed_after_the_claim_stands_by_it() {
    killed_after_the_claim(Worker);
}

fn killed_after_the_award(side: Side) {
    let mut market = Market::create(&[counter()]);
    let offer = claimed(&market);
    market.workers[0].freeze();
    let shown = market.requester.when(&offer, "the award", |shown| shown["row"]["hire"].is_string());
    assert_eq!(stage(&shown), "awarded");
    fell(&mut market, side);
    if side == Requester {
        market.workers[0].thaw();
    }
    assert_eq!(market.workers[0].first_hire(), shown["row"]["hire"], "the award stands");
    accepted(&market);
    assert_eq!(market.workers[0].runs().len(), 1);
}

#[test]
fn a_requester_killed_after_the_award_stands_by_it() {
    killed_after_the_award(Requester);
}

#[test]
fn a_worker_killed_after_the_award_begins_when_it_is_back() {
    killed_after_the_award(Worker);
}

fn killed_after_the_begin(side: Side) {
    let mut market = Market::create(&[counter()]);
    market.requester.post(&quick(&market), None);
    let data = market.requester.data_dir();
    let (here, away) = (data.join("blobs"), data.join("blobs.away"));
    fs::rename(&here, &away).unwrap();
    let hire = market.workers[0].first_hire();
    for node in [&market.requester, &market.workers[0]] {
        let shown = node.when(&hire, "work that cannot start", |shown| stage(shown) == "working");
        assert_eq!(shown["attempts"], json!([]));
    }
    node(&mut market, side).kill9();
    fs::rename(&away, &here).unwrap();
    assert_eq!(market.workers[0].runs(), [0; 0], "it was killed before the work");
    node(&mut market, side).restart();
    accepted(&market);
    assert_eq!(market.workers[0].runs().len(), 1);
}

#[test]
fn a_requester_killed_after_the_begin_serves_its_inputs_when_it_is_back() {
    killed_after_the_begin(Requester);
}

#[test]
fn a_worker_killed_after_the_begin_fetches_and_works_when_it_is_back() {
    killed_after_the_begin(Worker);
}

/// A market in which the agent is at work, held, and the process id of its run.
fn at_work(agent: Agent) -> (Market, i32) {
    let market = Market::create(&[agent.held()]);
    market.requester.post(&quick(&market), None);
    let run = wait_until("the agent at work", SOON, || market.workers[0].runs().first().copied());
    assert!(is_running(run));
    (market, run)
}

/// What a killed node left running is ended at its next start. It is nobody's child, so it may take a moment to be gone.
fn gone(run: i32) {
    wait_until("the end of a run that was left behind", SOON, || (!is_running(run)).then_some(()));
}

#[test]
fn a_requester_killed_during_the_work_takes_the_delivery_when_it_is_back() {
    let (mut market, run) = at_work(counter());
    fell(&mut market, Requester);
    market.workers[0].let_agent_go();
    accepted(&market);
    assert_eq!(market.workers[0].runs(), [run]);
}

#[test]
fn a_requester_that_is_down_when_the_work_is_done_gets_it_later() {
    let (mut market, run) = at_work(counter());
    market.requester.kill9();
    market.workers[0].let_agent_go();
    let hire = market.workers[0].first_hire();
    market.workers[0].when(&hire, "the delivery", |shown| stage(shown) == "delivered");
    market.requester.restart();
    accepted(&market);
    assert_eq!(market.workers[0].runs(), [run]);
}

#[test]
fn a_restartable_agent_is_run_again_after_its_node_was_killed_and_the_first_run_is_ended() {
    let (mut market, first) = at_work(counter());
    fell(&mut market, Worker);
    let runs = wait_until("the second run", SOON, || {
        let runs = market.workers[0].runs();
        (runs.len() == 2).then_some(runs)
    });
    gone(first);
    assert!(is_running(runs[1]));
    market.workers[0].let_agent_go();
    accepted(&market);
    assert_eq!(market.workers[0].runs(), runs);
}

#[test]
fn an_agent_that_is_not_restartable_never_runs_twice_and_its_hire_is_cancelled() {
    let (mut market, run) = at_work(counter().run_once());
    fell(&mut market, Worker);
    gone(run);
    market.workers[0].let_agent_go();
    let hire = market.workers[0].first_hire();
    for node in [&market.requester, &market.workers[0]] {
        assert_eq!(node.settled(&hire)["row"]["closed"]["outcome"], "cancelled_by_worker");
    }
    assert_eq!(market.workers[0].runs(), [run]);
}

fn killed_after_the_ack(side: Side) {
    let mut market = Market::create(&[counter()]);
    market.requester.post(&task(&market, "person", "500ms"), None);
    let hire = market.requester.first_hire();
    let waits = |shown: &Value| shown["row"]["waits_for"] == "judgement";
    market.requester.when(&hire, "a checked delivery", waits);
    market.workers[0].when(&hire, "the ack", |shown| stage(shown) == "in_review");
    fell(&mut market, side);
    market.requester.when(&hire, "a delivery that waits for a person", waits);
    market.requester.ask(&["judge", &hire, "accept"]);
    accepted(&market);
    assert_eq!(market.workers[0].runs().len(), 1);
}

#[test]
fn a_requester_killed_after_the_ack_still_has_the_delivery_to_judge() {
    killed_after_the_ack(Requester);
}

#[test]
fn a_worker_killed_after_the_ack_hears_the_verdict_when_it_is_back() {
    killed_after_the_ack(Worker);
}

#[test]
fn what_both_hold_of_a_closed_hire_is_the_same_after_both_were_killed() {
    let mut market = Market::create(&[counter()]);
    market.requester.post(&quick(&market), None);
    let before = accepted(&market);
    market.requester.kill9();
    market.workers[0].kill9();
    market.requester.restart();
    market.workers[0].restart();
    assert_eq!(accepted(&market), before);
    assert_eq!(market.workers[0].runs().len(), 1);
}

#[test]
fn when_everybody_falls_at_once_during_the_work_the_hire_still_comes_to_its_end() {
    let (mut market, _) = at_work(counter());
    market.requester.kill9();
    market.workers[0].kill9();
    market.bootstrap.process().kill9();
    market.workers[0].restart();
    market.requester.restart();
    market.bootstrap.restart();
    market.workers[0].let_agent_go();
    accepted(&market);
    assert_eq!(market.workers[0].runs().len(), 2);
}
