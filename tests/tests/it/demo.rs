//! The whole of it, as a newcomer sees it first.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use gigmesh_tests::{Process, SOON, Signal, is_running, run, temp_dir, wait_until};
use serde_json::Value;

/// Bootstrap node, workers, requesters.
const PROCESSES: usize = 9;

/// The ids of the processes that a demo said are ready.
fn processes(told: &str) -> Vec<i32> {
    let ids = told.lines().filter_map(|line| line.split_once(" process ")?.1.split_whitespace().next());
    ids.map(|id| id.parse().unwrap()).collect()
}

/// Whether a result says all that is expected; it may say more. Sums taken in another order may round apart in the last
/// of nine digits.
fn holds(result: &Value, expected: &Value) -> bool {
    match (result, expected) {
        (Value::Object(result), Value::Object(expected)) => {
            expected.iter().all(|(key, value)| result.get(key).is_some_and(|said| holds(said, value)))
        }
        (Value::Array(result), Value::Array(expected)) => {
            result.len() == expected.len() && result.iter().zip(expected).all(|(said, value)| holds(said, value))
        }
        (Value::Number(result), Value::Number(expected)) => {
            let (result, expected) = (result.as_f64().unwrap(), expected.as_f64().unwrap());
            (result - expected).abs() <= 1e-8 * expected.abs()
        }
        _ => result == expected,
    }
}

fn leaves_nothing(dir: &Path) {
    let left = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("gigmesh-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().unwrap_or_else(|| panic!("no list {key} in {value}"))
}

/// Every task is accepted in the end, with the result that is computed elsewhere, and what became of the workers follows
/// from what they did.
fn is_as_it_should_be(report: &Value, results: &Path) {
    assert_eq!((&report["accepted"], &report["error"]), (&true.into(), &Value::Null));
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/demo/expected.json");
    let expected: Value = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    let hires = list(report, "hires");
    let accepted = || hires.iter().filter(|hire| hire["outcome"] == "accepted");
    assert_eq!(accepted().map(|hire| hire["task"].as_str().unwrap()).collect::<BTreeSet<_>>().len(), 24);
    for hire in accepted() {
        let name = hire["task"].as_str().unwrap();
        let result: Value = serde_json::from_slice(&fs::read(results.join(format!("{name}.json"))).unwrap()).unwrap();
        assert!(holds(&result, &expected[format!("{name}.toml")]), "{name}: {result}");
    }

    let worker = |name: &str| list(report, "workers").iter().find(|worker| worker["name"] == name).unwrap();
    let bargain = worker("bargain");
    assert_eq!((&bargain["accepted"], &bargain["earned"]["micros"]), (&0.into(), &0.into()));
    for refused in hires.iter().filter(|hire| hire["outcome"] == "refused") {
        assert_eq!(refused["worker"], "bargain");
        let failed = list(refused, "failed");
        assert!(!failed.is_empty() && failed.iter().all(|check| check["sealed"] == true && check["found"] != ""));
    }
    // What is chosen follows from the claims that came in time, which on a machine under load may not be all of them.
    let claimed = |hire: &Value, name: &str| {
        list(&hire["why"], "considered").iter().any(|claim| claim["agent"] == worker(name)["agent"])
    };
    let fooled = |hire: &Value| hire["outcome"] == "refused";
    for (requester, tempting) in [("archive", "06-manual"), ("observatory", "15-since-2000")] {
        let theirs: Vec<&Value> = hires.iter().filter(|hire| hire["requester"] == requester).collect();
        let (first, later) = theirs.split_at(3);
        let by_price = first.iter().find(|hire| hire["task"] == tempting).unwrap();
        assert_eq!(fooled(by_price), claimed(by_price, "bargain"), "nobody was known, and it is the cheapest");
        // Once it is known, it is hired by nobody who has a claim of one that has been good.
        for hire in later.iter().filter(|hire| hire["worker"] == "bargain" && first.iter().any(|hire| fooled(hire))) {
            let mut others = list(&hire["why"], "considered").iter().skip(1);
            assert!(others.all(|other| other["low"].as_u64() < Some(150)), "{hire}");
        }
    }
    assert!(hires.iter().any(fooled));
    assert!(worker("fresh")["as_newcomer"].as_u64() > Some(0), "{}", worker("fresh"));
    let earned: u64 = list(report, "workers").iter().filter_map(|worker| worker["earned"]["micros"].as_u64()).sum();
    let prices: u64 = accepted().filter_map(|hire| hire["price"]["micros"].as_u64()).sum();
    assert_eq!(earned, prices, "what was accepted is owed, and nothing else");
}

#[test]
fn every_task_is_done_well_in_the_end_and_the_market_stays_to_be_hired_from() {
    let dir = temp_dir();
    let mut demo = Process::start(dir.path(), "demo", &["demo", "--json", "--stay", "--keep", "kept"]);
    // Well or not, it prints one line.
    let told = wait_until("the report", 3 * SOON, || demo.stdout().split_once('\n').map(|(line, _)| line.to_owned()));
    let report: Value = serde_json::from_str(&told).unwrap();
    let kept = dir.path().join("kept");
    is_as_it_should_be(&report, &kept.join("results"));

    let task = kept.join("demo/tasks/03-stations.toml");
    let data = list(&report, "requesters")[1]["data_dir"].as_str().unwrap();
    let hired = run(dir.path(), &["hire", task.to_str().unwrap(), "--wait", "--json", "--data-dir", data]);
    assert_eq!((hired.code, &hired.json()["accepted"]), (Some(0), &true.into()), "{}", hired.stderr);

    demo.signal(Signal::INT);
    assert_eq!(demo.ended(SOON).code(), Some(0), "{}", demo.log());
    assert_eq!(demo.stdout().lines().count(), 1, "one document");
    let gone = run(dir.path(), &["id", "--data-dir", data]);
    assert_eq!(gone.code, Some(4), "the processes end with it");
    leaves_nothing(dir.path());
}

#[test]
fn an_interrupted_demo_leaves_neither_processes_nor_files() {
    let dir = temp_dir();
    let mut demo = Process::start(dir.path(), "demo", &["demo"]);
    let started = all_but_the_newcomer(&demo);
    demo.signal(Signal::INT);
    assert_eq!(demo.ended(SOON).code(), Some(1));
    assert!(!started.into_iter().any(is_running));
    leaves_nothing(dir.path());
}

#[test]
fn of_a_demo_that_is_killed_no_process_stays_and_the_next_takes_its_files_away() {
    let dir = temp_dir();
    let mut demo = Process::start(dir.path(), "demo", &["demo"]);
    let started = all_but_the_newcomer(&demo);
    demo.kill9();
    wait_until("the end of its processes", SOON, || (!started.iter().copied().any(is_running)).then_some(()));
    let left = |dir: &Path| {
        let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("gigmesh-demo-")).collect::<BTreeSet<_>>()
    };
    let before = left(dir.path());
    assert_eq!(before.len(), 1, "{before:?}");
    let mut next = Process::start(dir.path(), "demo", &["demo"]);
    wait_until("the next to take its place", SOON, || left(dir.path()).is_disjoint(&before).then_some(()));
    next.signal(Signal::INT);
    next.ended(SOON);
    leaves_nothing(dir.path());
}

fn all_but_the_newcomer(demo: &Process) -> Vec<i32> {
    wait_until("the processes", SOON, || {
        let started = processes(&demo.stdout());
        (started.len() == PROCESSES - 1).then_some(started)
    })
}
