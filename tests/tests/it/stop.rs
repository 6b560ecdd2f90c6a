//! Ending well: on either signal, idle or at work, within seconds, and without leaving an agent behind.

use std::time::Duration;

use gigmesh_tests::{Market, SOON, Signal, is_running, wait_until};

use crate::tasks::{counter, quick};

/// How long a process may take to end.
const STOP: Duration = Duration::from_secs(5);

const SIGNALS: [Signal; 2] = [Signal::TERM, Signal::INT];

#[test]
fn nodes_and_doors_end_well_on_either_signal() {
    let mut market = Market::create(&[counter()]);
    for signal in SIGNALS {
        market.requester.process().signal(signal);
        assert_eq!(market.requester.process().ended(STOP).code(), Some(0), "{signal:?}");
        market.requester.restart();
        market.bootstrap.process().signal(signal);
        assert_eq!(market.bootstrap.process().ended(STOP).code(), Some(0), "{signal:?}");
        let before = market.bootstrap.address.clone();
        market.bootstrap.restart();
        assert_eq!(market.bootstrap.address, before, "its key is its own");
    }
}

#[test]
fn a_node_that_is_stopped_at_work_ends_its_agent_and_goes_on_with_the_hire_later() {
    for signal in SIGNALS {
        let mut market = Market::create(&[counter().held()]);
        market.requester.post(&quick(&market), None);
        let worker = &mut market.workers[0];
        let run = wait_until("the agent at work", SOON, || worker.runs().first().copied());
        worker.process().signal(signal);
        assert_eq!(worker.process().ended(STOP).code(), Some(0), "{signal:?}");
        assert!(!is_running(run), "no agent outlives its node");
        worker.let_agent_go();
        worker.restart();
        let hire = worker.first_hire();
        for node in [&market.requester, &market.workers[0]] {
            assert_eq!(node.settled(&hire)["row"]["closed"]["outcome"], "accepted");
        }
        assert_eq!(market.workers[0].runs().len(), 2);
    }
}

#[test]
fn a_requester_that_is_stopped_while_others_work_for_it_ends_well() {
    let mut market = Market::create(&[counter().held()]);
    market.requester.post(&quick(&market), None);
    wait_until("the agent at work", SOON, || market.workers[0].runs().first().copied());
    market.requester.stop();
    market.bootstrap.stop();
    market.workers[0].stop();
}

#[test]
fn a_stopped_node_leaves_no_socket_and_its_commands_say_what_to_do() {
    let mut market = Market::create(&[]);
    let requester = &mut market.requester;
    assert!(requester.data_dir().join("api.sock").exists());
    requester.stop();
    assert!(!requester.data_dir().join("api.sock").exists());
    let output = requester.cli(&["hires"]);
    assert_eq!((output.code, output.stdout.as_str()), (Some(4), ""));
    assert!(output.stderr.contains("gigmesh up"), "{output:?}");
}
