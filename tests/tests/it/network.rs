//! Coming early, coming late, coming through another door.

use gigmesh_bootstrap::wall_clock;
use gigmesh_tests::{Bootstrap, Market, Node, SOON, Setup, Transport, free_port, home, temp_dir, wait_until};
use serde_json::{Value, json};

use crate::tasks::{counter, quick};

/// Whether it is linked to anybody.
fn linked(node: &Node) -> Option<()> {
    (!node.rows(&["peers"]).is_empty()).then_some(())
}

/// Waits until an offer's bid window, which `shown` tells of, is over and still nobody has claimed it.
fn unclaimed(node: &Node, offer: &str) {
    let shown = node.show(offer);
    let closes = shown["records"][0]["says"]["bids"].as_u64().expect("an offer says when its bid window ends");
    wait_until("the end of the bid window", SOON, || (wall_clock().0 > closes).then_some(()));
    let shown = node.show(offer);
    assert_eq!((&shown["claims"], &shown["row"]["hire"]), (&json!(0), &Value::Null));
}

fn accepted(node: &Node, hire: &str) {
    assert_eq!(node.settled(hire)["row"]["closed"]["outcome"], "accepted");
}

#[test]
fn a_requester_that_is_there_before_the_door_is_found_by_a_worker_that_comes_after_it() {
    let mut market = Market::create(&[]);
    market.bootstrap.stop();
    market.requester.stop();
    market.requester.restart();
    let offer = market.requester.post(&quick(&market), None);
    unclaimed(&market.requester, &offer);
    assert!(market.requester.rows(&["peers"]).is_empty());
    market.bootstrap.restart();
    wait_until("the requester to find the door", SOON, || linked(&market.requester));
    // The offer was made when nobody was there: the worker can only have it from a page of what is open.
    market.join("latecomer", counter());
    let hire = market.workers[0].first_hire();
    accepted(&market.requester, &hire);
    accepted(&market.workers[0], &hire);
}

#[test]
fn a_door_that_was_away_is_found_again_by_those_who_knew_it() {
    let mut market = Market::create(&[]);
    wait_until("the requester to find the door", SOON, || linked(&market.requester));
    market.bootstrap.stop();
    wait_until("the requester to lose the door", SOON, || linked(&market.requester).is_none().then_some(()));
    market.bootstrap.restart();
    wait_until("the requester to find the door again", SOON, || linked(&market.requester));
    market.join("latecomer", counter());
    let output = market.requester.hire(&quick(&market), &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
}

#[test]
fn those_who_know_each_other_need_no_door() {
    let mut market = Market::create(&[counter()]);
    let (requester, worker) = (&market.requester, &market.workers[0]);
    let knows = || requester.ask(&["peers"]).to_string().contains(&worker.agent).then_some(());
    wait_until("the two to be linked", SOON, knows);
    market.bootstrap.stop();
    let output = market.requester.hire(&quick(&market), &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
}

// On loopback a network this small is soon fully linked by the DHT's own upkeep, so that one side reaches the other by its
// Contact record alone cannot be held still here; the tests of gigmesh-net do that. This is the nearest from outside.
#[test]
fn those_who_came_through_different_doors_find_each_other() {
    let dir = temp_dir();
    let door =
        |name, doors: &[String]| Bootstrap::start(&home(dir.path(), name), &Transport::Tcp.address(free_port()), doors);
    let first = door("first", &[]);
    let second = door("second", std::slice::from_ref(&first.address));
    let node = |name: &str, door: &Bootstrap, agent| {
        let setup = Setup { agent, doors: vec![door.address.clone()], ..Setup::default() };
        Node::start(&home(dir.path(), name), name, &setup)
    };
    let requester = node("requester", &first, None);
    let worker = node("worker", &second, Some(counter()));
    let output = requester.hire(&crate::tasks::quick_in(dir.path()), &["--to", &worker.agent]);
    assert_eq!(output.code, Some(0), "{output:?}");
    accepted(&worker, &worker.first_hire());
}

#[test]
fn a_door_that_does_not_answer_is_named_with_what_to_do_and_its_answer_at_last_is_told() {
    let mut market = Market::create(&[]);
    let door = market.bootstrap.address.clone();
    market.bootstrap.stop();
    market.requester.stop();
    market.requester.restart();
    let log = wait_until("a warning", SOON, || Some(market.requester.log()).filter(|log| log.contains("WARN")));
    let warning = log.lines().find(|line| line.contains("WARN")).unwrap();
    for said in ["no bootstrap node answers", &door, "Connection refused", "again", "check that it runs"] {
        assert!(warning.contains(said), "{said:?} is not said: {log}");
    }
    assert!(!log.contains("libp2p"), "libraries speak for themselves: {log}");
    let bootstrap = |node: &Node| node.ask(&["status"])["bootstrap"][0].clone();
    let told = bootstrap(&market.requester);
    assert_eq!(
        (&told["addresses"], &told["connected"], &told["reached"]),
        (&json!([door]), &json!(false), &json!(false))
    );
    assert!(told["failures"].as_u64().unwrap() >= 1 && told["error"].as_str().unwrap().contains("refused"), "{told}");
    let status = market.requester.cli(&["status"]).stdout;
    assert!(status.contains("No bootstrap node answers") && status.contains(&door), "{status}");

    market.bootstrap.restart();
    wait_until("the door to be open", SOON, || (bootstrap(&market.requester)["connected"] == true).then_some(()));
    assert!(market.requester.log().contains("bootstrap node reached"), "{}", market.requester.log());
    let status = market.requester.cli(&["status"]).stdout;
    assert!(status.contains(&format!("{door}: connected")) && !status.contains("No bootstrap"), "{status}");
}
