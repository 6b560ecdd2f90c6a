//! On a LAN nobody needs an address of anybody.

use gigmesh_tests::{Agent, Host, Lan, Node, SOON, Setup, home, temp_dir, wait_until};
use serde_json::{Value, json};

use crate::tasks::{counter, quick_in};

/// The agents a node is linked to.
fn linked(node: &Node) -> Vec<String> {
    let peers = node.rows(&["peers"]);
    peers.iter().map(|peer| peer["agent"].as_str().expect("a peer has a name").to_owned()).collect()
}

#[test]
fn two_hosts_on_a_lan_find_each_other_and_hire_and_a_node_of_another_network_is_let_be() {
    let Some(lan) = Lan::create() else { return };
    let dir = temp_dir();
    let start = |name: &str, host: &Host, agent: Option<Agent>, network: Option<&str>| {
        let network = network.map(str::to_owned);
        let setup = Setup { agent, listen: vec![host.listen()], host: Some(host.clone()), network, ..Setup::default() };
        Node::start(&home(dir.path(), name), name, &setup)
    };
    let stranger = start("stranger", &lan.left, None, Some("elsewhere"));
    let requester = start("requester", &lan.left, None, None);
    let mut worker = start("worker", &lan.right, Some(counter()), None);
    for node in [&stranger, &requester, &worker] {
        let status = node.ask(&["status"]);
        assert_eq!((&status["mdns"], &status["bootstrap"]), (&json!(true), &json!([])));
    }
    let meet = |requester: &Node, worker: &Node| {
        wait_until("requester and worker alone to be linked", SOON, || {
            (linked(requester) == [worker.agent.as_str()] && linked(worker) == [requester.agent.as_str()]).then_some(())
        });
    };
    meet(&requester, &worker);
    let output = requester.hire(&quick_in(dir.path()), &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    assert_eq!(worker.settled(&worker.first_hire())["row"]["closed"]["outcome"], "accepted");
    // It is on another port now, and nobody has told anybody.
    worker.stop();
    worker.restart();
    meet(&requester, &worker);
    wait_until("the stranger to be alone", SOON, || linked(&stranger).is_empty().then_some(()));
}

#[test]
fn loopback_is_no_lan() {
    let dir = temp_dir();
    let node = Node::start(&home(dir.path(), "node"), "node", &Setup::default());
    assert_eq!(node.ask(&["status"])["mdns"], Value::Bool(false));
    assert!(node.log().contains("no bootstrap node is known"), "{}", node.log());
}
