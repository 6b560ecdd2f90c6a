//! Behind a NAT nobody can be dialled; the door puts through.

use std::fs;
use std::path::Path;

use gigmesh_tests::{Agent, Apart, Bootstrap, Host, Node, SOON, Setup, home, temp_dir, wait_until};
use serde_json::{Value, json};

use crate::tasks::{counter, quick_in};

/// What the link between a node and an agent goes over. Both may have dialled through the relay in one moment.
fn transports(node: &Node, agent: &str) -> Option<Value> {
    let peers = node.rows(&["peers"]);
    let mut over: Vec<Value> =
        peers.iter().find(|peer| peer["agent"] == agent)?["transports"].as_array().cloned().unwrap_or_default();
    over.dedup();
    Some(over.into())
}

#[test]
fn two_that_cannot_dial_each_other_hire_through_the_door_and_the_worker_is_found_again_after_a_kill() {
    let Some(apart) = Apart::create() else { return };
    let dir = temp_dir();
    let listen = format!("/ip4/{}/tcp/4747", apart.door.ip);
    let mut door = Bootstrap::start_on(Some(&apart.door), &home(dir.path(), "door"), &listen, &[]);
    let start = |name: &str, host: &Host, agent: Option<Agent>| {
        let (listen, doors) = (vec![host.listen()], vec![door.address.clone()]);
        Node::start(
            &home(dir.path(), name),
            name,
            &Setup { agent, doors, listen, host: Some(host.clone()), ..Setup::default() },
        )
    };
    let requester = start("requester", &apart.left, None);
    let mut worker = start("worker", &apart.right, Some(counter()));
    let hire = |worker: &Node, task: &Path, how: &[&str]| {
        let output = requester.hire(task, how);
        assert_eq!(output.code, Some(0), "{output:?}");
        assert_eq!(transports(&requester, &worker.agent), Some(json!(["relay"])));
    };
    let task = quick_in(dir.path());
    // The largest that a relay carries.
    fs::write(dir.path().join("input.txt"), vec![b'x'; 1024 * 1024]).unwrap();
    hire(&worker, &task, &[]);
    assert_eq!(worker.settled(&worker.first_hire())["row"]["closed"]["outcome"], "accepted");

    worker.kill9();
    worker.restart();
    let agent = worker.agent.clone();
    let task = quick_in(dir.path());
    hire(&worker, &task, &["--to", &agent]);

    door.stop();
    wait_until("the way to be lost", SOON, || transports(&requester, &agent).is_none().then_some(()));
    door.restart();
    hire(&worker, &task, &["--to", &agent]);
}
