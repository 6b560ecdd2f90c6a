//! Bad conditions: disks that are full, stores that are broken, bytes that the disk has changed, clocks that are wrong. Each is
//! said plainly, and retried or refused; nothing is said that is not on disk.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use gigmesh_protocol::time::Millis;
use gigmesh_tests::hostile::{Hostile, manifest};
use gigmesh_tests::{
    Bootstrap, Market, Node, SOON, Setup, Transport, failing_sync, faked_clock, free_port, home, namespaces, run,
    temp_dir, tool, wait_until,
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use serde_json::Value;

use crate::tasks::{RIGHT, counter, quick, quick_in, task};

/// Under this a process learns from an error that a file may not grow, and not from a signal that ends it; what it prints
/// goes through pipes, so that its log may.
const LIMITED: &str = "trap '' XFSZ; exec \"$@\" > >(exec cat) 2> >(exec cat >&2)";

fn limited() -> Vec<String> {
    ["bash", "-c", LIMITED, "bash"].map(str::to_owned).into()
}

/// Lets no file of a process grow over so many bytes.
fn limit_files(node: &mut Node, bytes: Option<u64>) {
    let limits = Rlimit { current: bytes, maximum: None };
    prlimit(Pid::from_raw(node.process().id()), Resource::Fsize, limits).unwrap();
}

/// The one file of a directory whose name ends so.
fn the_file(dir: &Path, suffix: &str) -> PathBuf {
    let mut found = files(dir, suffix);
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn files(dir: &Path, suffix: &str) -> Vec<PathBuf> {
    let paths = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(suffix)).collect()
}

fn stage(shown: &Value) -> &str {
    shown["row"]["stage"].as_str().expect("a row has a stage")
}

fn says(node: &Node, words: &str) {
    wait_until(&format!("{words:?} in the log"), SOON, || node.log().contains(words).then_some(()));
}

/// Whether a node answers its owner.
fn answers(node: &Node) -> bool {
    node.cli(&["status"]).code == Some(0)
}

#[test]
fn a_worker_whose_disk_takes_nothing_begins_nothing_and_goes_on_by_itself_when_it_does() {
    if !tool("bash") {
        return;
    }
    let mut market = Market::create(&[]);
    let offer = {
        market.join_as("worker", Setup { agent: Some(counter()), under: limited(), ..Setup::default() });
        let offer = market.requester.post(&task(&market, "auto", "5s"), None);
        market.requester.when(&offer, "the claim", |shown| shown["claims"] == 1);
        offer
    };
    let worker = &mut market.workers[0];
    let id = worker.process().id();
    let journal = the_file(&worker.data_dir().join("journal"), ".log");
    let length = journal.metadata().unwrap().len();
    limit_files(worker, Some(length));

    let hire = market.requester.when(&offer, "the award", |shown| shown["row"]["hire"].is_string());
    says(&market.workers[0], "File too large");
    says(&market.workers[0], "nobody is told anything until it can be written again");
    // Tried again, and in vain.
    says(&market.workers[0], "The next try is in 4s");
    assert_eq!(market.workers[0].cli(&["status"]).code, Some(4), "its door is closed");
    assert_eq!(stage(&market.requester.show(&offer)), "awarded", "nothing was begun");
    assert_eq!(market.requester.metrics()["gigmesh_outbox_records"], 1, "nor was the award acknowledged");

    limit_files(&mut market.workers[0], None);
    let hire = hire["row"]["hire"].as_str().unwrap();
    for node in [&market.requester, &market.workers[0]] {
        wait_until("both to answer", SOON, || answers(node).then_some(()));
        assert_eq!(node.settled(hire)["row"]["closed"]["outcome"], "accepted");
    }
    assert_eq!((market.workers[0].runs().len(), market.workers[0].process().id()), (1, id));
    market.workers[0].stop();
}

/// A process of its own mounts; nobody else sees it but through that process.
const OWN_DISK: &str = "mount -t tmpfs -o size=4m none \"$0\" && exec \"$@\"";

#[test]
fn on_a_full_disk_nothing_is_acknowledged_and_what_was_stays() {
    if !namespaces() {
        return;
    }
    let dir = temp_dir();
    let place = home(dir.path(), "node");
    let journal = place.join("data/journal");
    fs::create_dir_all(&journal).unwrap();
    let enter = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", OWN_DISK, journal.to_str().unwrap()];
    let setup = Setup { under: enter.map(str::to_owned).into(), ..Setup::default() };
    let mut node = Node::start(&place, "node", &setup);
    let id = node.process().id();
    let inside = PathBuf::from(format!("/proc/{id}/root{}", journal.display()));
    let filler = inside.join("filler");
    let task = quick_in(dir.path()).display().to_string();
    let hire = |node: &Node| node.cli(&["hire", &task, "--json"]);

    let mut acknowledged = vec![hire(&node).json()["offer"].clone()];
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[1; 512]).is_ok() {}
    // A page of the journal that is there already may hold a few more.
    let refused = loop {
        let output = hire(&node);
        if output.code != Some(0) {
            break output;
        }
        acknowledged.push(output.json()["offer"].clone());
        assert!(acknowledged.len() < 64, "the disk is full");
    };
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("No space left on device"), "{refused:?}");
    says(&node, "The next try is in 2s");
    assert_eq!(hire(&node).code, Some(4), "nothing is taken in that cannot be kept");

    fs::remove_file(&filler).unwrap();
    drop(file);
    wait_until("the node to be back", SOON, || answers(&node).then_some(()));
    let posted = |node: &Node| -> Vec<Value> {
        let page = node.ask(&["hires"]);
        page["rows"].as_array().unwrap().iter().rev().map(|row| row["offer"].clone()).collect()
    };
    let there = posted(&node);
    assert!(acknowledged.iter().all(|offer| there.contains(offer)), "{acknowledged:?} {there:?}");
    let more = hire(&node).json()["offer"].clone();
    assert!(posted(&node).contains(&more));
    assert_eq!(node.process().id(), id, "nobody had to start it");
    node.stop();
}

#[test]
fn on_disks_whose_syncs_fail_again_and_again_a_hire_still_comes_to_its_end() {
    let dir = temp_dir();
    let Some(under) = failing_sync(4) else { return };
    let bootstrap = Bootstrap::start(&home(dir.path(), "bootstrap"), &Transport::Tcp.address(free_port()), &[]);
    let start = |name: &str, agent| {
        // The same port after each failure, so that the other side finds it.
        let (doors, listen) = (vec![bootstrap.address.clone()], vec![Transport::Tcp.address(free_port())]);
        let setup = Setup { agent, doors, listen, under: under.clone(), ..Setup::default() };
        Node::start(&home(dir.path(), name), name, &setup)
    };
    let (requester, worker) = (start("requester", None), start("worker", Some(counter())));
    let offer = requester.post(&quick_in(dir.path()), None);
    let sides = [&requester, &worker];
    let settled = |node: &Node| {
        let output = node.cli(&["hires", "--json"]);
        let row = (output.code == Some(0)).then(|| output.json()["rows"][0].take())?;
        (row["offer"] == *offer && row["closed"]["agreed"] == true).then(|| row["closed"]["outcome"].clone())
    };
    for node in sides {
        assert_eq!(wait_until("both to have closed it", 2 * SOON, || settled(node)), "accepted");
        says(node, "Input/output error");
        says(node, "the node is up again, from what its disk holds");
    }
}

#[test]
fn a_data_directory_that_cannot_be_written_is_refused_in_one_message() {
    let dir = temp_dir();
    fs::write(dir.path().join("file"), "").unwrap();
    let below = dir.path().join("file/data").display().to_string();
    for data in [&*below, "/proc/gigmesh"] {
        let output = run(dir.path(), &["up", "--listen", "/ip4/127.0.0.1/tcp/0", "--data-dir", data]);
        assert_eq!((output.code, output.stdout.as_str()), (Some(2), ""), "{output:?}");
        assert!(output.stderr.starts_with("error: ") && output.stderr.contains(data), "{output:?}");
        assert_eq!(output.stderr.lines().count(), 1, "{output:?}");
    }
}

#[test]
fn ratings_that_cannot_be_read_are_set_aside_said_and_made_anew_from_the_journal() {
    let mut market = Market::create(&[counter()]);
    assert_eq!(market.requester.hire(&quick(&market), &[]).code, Some(0));
    let worker = market.workers[0].agent.clone();
    let rated = |node: &Node| {
        wait_until("my rating of the worker", SOON, || {
            let view = node.ask(&["reputation", &worker]);
            (view["ratings"].as_array()?.len() == 1).then(|| view["ratings"].clone())
        })
    };
    let before = rated(&market.requester);
    market.requester.stop();
    let data = market.requester.data_dir();
    fs::write(data.join("ratings/db"), vec![0; 1 << 20]).unwrap();
    market.requester.restart();
    says(&market.requester, "the ratings database could not be read; it is set aside");
    assert!(data.join("ratings.broken-1").is_dir());
    assert_eq!(rated(&market.requester), before);
}

#[test]
fn an_input_that_the_disk_has_changed_is_noticed_and_served_to_nobody() {
    let market = Market::create(&[counter()]);
    let offer = market.requester.post(&task(&market, "auto", "5s"), None);
    market.requester.when(&offer, "the claim", |shown| shown["claims"] == 1);
    let input = the_file(&market.requester.data_dir().join("blobs"), ".blob");
    let good = fs::read(&input).unwrap();
    let mut bad = good.clone();
    bad[4] ^= 1;
    fs::write(&input, &bad).unwrap();
    says(&market.requester, "the disk has changed it");
    assert_eq!(fs::read(input.with_extension("damaged")).unwrap(), bad);
    assert!(!input.exists());
    let hire = market.workers[0].first_hire();
    let shown = market.workers[0].when(&hire, "an input that does not come", |shown| stage(shown) == "working");
    assert_eq!(shown["attempts"], serde_json::json!([]), "no agent is run on what was not asked for");
    // Stored again it is as good as before.
    fs::write(&input, &good).unwrap();
    assert_eq!(market.requester.settled(&hire)["row"]["closed"]["outcome"], "accepted");
    assert!(!market.workers[0].log().contains("misbehaved"), "nobody is blamed: {}", market.workers[0].log());
}

#[test]
fn a_result_that_the_disk_has_changed_is_given_to_nobody() {
    let market = Market::create(&[counter()]);
    let output = market.requester.hire(&quick(&market), &[]);
    assert_eq!(output.code, Some(0), "{output:?}");
    let hire = market.requester.first_hire();
    let blobs = files(&market.requester.data_dir().join("blobs"), ".blob");
    let result = blobs.iter().find(|blob| fs::read(blob).unwrap() == RIGHT.as_bytes()).expect("the result is kept");
    fs::write(result, RIGHT.replace('3', "4")).unwrap();
    let file = market.dir().join("result.json");
    let output = market.requester.cli(&["show", &hire, "--output", file.to_str().unwrap()]);
    assert_eq!(output.code, Some(1), "{output:?}");
    assert!(output.stderr.contains("the disk has changed it"), "{output:?}");
    assert!(!file.exists());
    says(&market.requester, ".damaged");
}

#[test]
fn a_clock_that_is_set_stops_a_hire_where_it_is_until_it_is_right_again() {
    let mut market = Market::create(&[]);
    let (file, new) = (market.dir().join("clock"), market.dir().join("clock.new"));
    let set = |by: &str| {
        fs::write(&new, by).unwrap();
        // Whoever reads it reads the one or the other.
        fs::rename(&new, &file).unwrap();
    };
    set("+0");
    let Some(under) = faked_clock(&file) else { return };
    market.join_as("worker", Setup { agent: Some(counter().held()), under, ..Setup::default() });
    market.requester.post(&quick(&market), None);
    let worker = &market.workers[0];
    wait_until("the agent at work", SOON, || worker.runs().first().copied());
    let hire = market.requester.first_hire();

    // Beyond every deadline of the hire.
    set("+2d");
    says(worker, "the system's clock was set forward by 2d");
    worker.let_agent_go();
    let warnings = worker.ask(&["status"])["warnings"].clone();
    assert!(warnings[0].as_str().unwrap().contains("clock confirm"), "{warnings}");
    let refused = worker.cli(&["hire", &quick(&market).display().to_string()]);
    assert!(refused.code == Some(1) && refused.stderr.contains("clock confirm"), "{refused:?}");
    assert_eq!(stage(&market.requester.show(&hire)), "working", "nothing is signed by that clock");
    set("+0");
    says(worker, "the clocks agree; the node goes on");
    for node in [&market.requester, worker] {
        assert_eq!(node.settled(&hire)["row"]["closed"]["outcome"], "accepted");
    }
    assert_eq!(worker.runs().len(), 1);

    set("-2d");
    says(worker, "the system's clock was set back by 2d");
    assert_eq!(worker.cli(&["clock", "confirm"]).code, Some(0));
    assert_eq!(worker.ask(&["status"])["warnings"], serde_json::json!([]));
}

#[test]
fn a_clock_that_several_agents_contradict_is_said_to_be_behind() {
    let dir = temp_dir();
    let node = Node::start(&home(dir.path(), "node"), "node", &Setup::default());
    for told in 0..3 {
        assert_eq!(node.ask(&["status"])["warnings"], serde_json::json!([]), "{told} may be wrong together");
        let peer = Hostile::start();
        let mut manifest = manifest("text/count");
        manifest.at = manifest.at + Millis::mins(10);
        manifest.expires = manifest.expires + Millis::mins(10);
        let manifest = peer.signer.sign(&manifest);
        peer.send(&node, &[manifest.envelope()]).unwrap();
    }
    let words = "clock seems to be behind: 3 agents";
    assert!(node.ask(&["status"])["warnings"][0].as_str().unwrap().contains(words));
    let output = node.cli(&["status"]);
    assert!(output.stdout.contains("Warning: ") && output.stdout.contains(words), "{output:?}");
    says(&node, words);
}
