//! Behind NATs: a whole hire by real processes, and what becomes of it when the lines are bad.

use std::fs;
use std::path::Path;

use gigmesh_tests::{Agent, Bootstrap, Host, Nats, Node, Ports, SOON, Setup, Side, home, temp_dir, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tasks::{counter, quick_in};

/// A requester on the left, a worker on the right, a door that both know.
struct Homes {
    requester: Node,
    worker: Node,
    door: Bootstrap,
    nats: Nats,
    dir: TempDir,
}

impl Homes {
    fn create(ports: Ports, agent: Agent) -> Option<Self> {
        let nats = Nats::create(ports)?;
        let dir = temp_dir();
        let listen = format!("/ip4/{}/tcp/4747", nats.door.ip);
        let door = Bootstrap::start_on(Some(&nats.door), &home(dir.path(), "door"), &listen, &[]);
        let start = |name: &str, host: &Host, agent: Option<Agent>| {
            let (listen, doors, host) = (vec![host.listen()], vec![door.address.clone()], Some(host.clone()));
            Node::start(&home(dir.path(), name), name, &Setup { agent, doors, listen, host, ..Setup::default() })
        };
        let (requester, worker) = (start("requester", &nats.left, None), start("worker", &nats.right, Some(agent)));
        Some(Self { requester, worker, door, nats, dir })
    }

    /// A task whose input has so many bytes.
    fn task(&self, bytes: usize) -> std::path::PathBuf {
        let task = quick_in(self.dir.path());
        fs::write(self.dir.path().join("input.txt"), vec![b'x'; bytes]).unwrap();
        task
    }

    /// Begins a hire whose agent is held up, and waits until it runs.
    fn begin(&self, task: &Path) -> String {
        self.requester.post(task, Some(&self.worker));
        let hire = self.worker.first_hire();
        wait_until("the agent to run", SOON, || (!self.worker.runs().is_empty()).then_some(()));
        hire
    }

    /// Both hold the hire for accepted, and the agent ran once.
    fn accepted(&self, hire: &str) {
        for node in [&self.worker, &self.requester] {
            assert_eq!(node.settled(hire)["row"]["closed"]["outcome"], "accepted");
        }
        assert_eq!(self.worker.runs().len(), 1);
    }

    /// What the link between the two goes over. Both may have dialled through the relay in one moment.
    fn transports(&self) -> Vec<Value> {
        let peers = self.requester.rows(&["peers"]);
        let found = peers.iter().find(|peer| peer["agent"] == self.worker.agent);
        let mut over = found.and_then(|peer| peer["transports"].as_array().cloned()).unwrap_or_default();
        over.dedup();
        over
    }

    /// Waits until both know that they cannot be dialled, and have a place at the door.
    fn placed(&self) {
        wait_until("both to know that they cannot be dialled, and to have a place", SOON, || {
            let placed = (json!("behind_nat"), json!([self.door.address]));
            (reach(&self.requester) == placed && reach(&self.worker) == placed).then_some(())
        });
    }
}

/// What a node says of its reach.
fn reach(node: &Node) -> (Value, Value) {
    let status = node.ask(&["status"]);
    (status["reach"].clone(), status["relays"].clone())
}

#[test]
fn two_behind_nats_hire_and_what_a_relay_does_not_carry_goes_through_the_hole_they_make() {
    let Some(homes) = Homes::create(Ports::Kept, counter()) else { return };
    homes.placed();
    let status = homes.worker.cli(&["status"]).stdout;
    assert!(status.contains("behind a NAT or a firewall; others come through the relay"), "{status}");
    let output = homes.requester.hire(&homes.task(2 * 1024 * 1024), &["--to", &homes.worker.agent]);
    assert_eq!(output.code, Some(0), "{output:?}");
    homes.accepted(&homes.worker.first_hire());
    assert_eq!(homes.transports(), ["tcp"]);
}

#[test]
fn a_node_that_the_door_can_dial_says_so_and_takes_no_place() {
    let Some(homes) = Homes::create(Ports::Kept, counter()) else { return };
    let (host, doors) = (homes.nats.door.clone(), vec![homes.door.address.clone()]);
    let setup = Setup { doors, listen: vec![host.listen()], host: Some(host), ..Setup::default() };
    let public = Node::start(&home(homes.dir.path(), "public"), "public", &setup);
    wait_until("the door to have dialled it", SOON, || (reach(&public) == (json!("public"), json!([]))).then_some(()));
    assert!(!public.log().contains("reachable through a bootstrap node"), "{}", public.log());
    let metrics = public.metrics();
    assert_eq!((metrics["gigmesh_reach{is=\"public\"}"], metrics["gigmesh_dht_server"]), (1, 1));
    let status = public.cli(&["status"]).stdout;
    assert!(status.contains("reach: public"), "{status}");
    // The others learn where it is, and need no relay to it.
    let output = public.hire(&homes.task(16), &["--to", &homes.worker.agent]);
    assert_eq!(output.code, Some(0), "{output:?}");
}

#[test]
fn a_worker_whose_address_changes_in_mid_hire_is_found_again() {
    let Some(homes) = Homes::create(Ports::Kept, counter().held()) else { return };
    let hire = homes.begin(&homes.task(16));
    homes.nats.rebind(Side::Right);
    homes.worker.let_agent_go();
    homes.accepted(&hire);
}

#[test]
fn a_hire_outlives_its_relay_where_no_hole_can_be_made() {
    let Some(mut homes) = Homes::create(Ports::Drawn, counter().held()) else { return };
    let hire = homes.begin(&homes.task(16));
    homes.door.stop();
    homes.worker.let_agent_go();
    wait_until("the way to be lost", SOON, || homes.transports().is_empty().then_some(()));
    homes.door.restart();
    homes.accepted(&hire);
    assert_eq!(homes.transports(), ["relay"]);
}

#[test]
fn a_hire_is_done_over_a_line_that_loses_every_seventh_packet() {
    let Some(homes) = Homes::create(Ports::Kept, counter()) else { return };
    homes.nats.lose(Side::Right, 15);
    let output = homes.requester.hire(&homes.task(64 * 1024), &["--to", &homes.worker.agent]);
    assert_eq!(output.code, Some(0), "{output:?}");
    homes.accepted(&homes.worker.first_hire());
}

#[test]
fn a_delivery_that_found_the_line_cut_is_made_when_it_is_mended() {
    let Some(homes) = Homes::create(Ports::Kept, counter().held()) else { return };
    let hire = homes.begin(&homes.task(16));
    let failed = || homes.worker.metrics()["gigmesh_requests_failed_total"];
    let before = failed();
    homes.nats.cut(Side::Right);
    homes.worker.let_agent_go();
    wait_until("the delivery to fail", SOON, || (failed() > before).then_some(()));
    assert!(homes.requester.show(&hire)["row"]["closed"].is_null());
    homes.nats.mend(Side::Right);
    homes.accepted(&hire);
}
