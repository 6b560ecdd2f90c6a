//! The whole of it, as a newcomer sees it first.

use std::fs;
use std::path::Path;

use gigmesh_tests::{Output, Process, SOON, Signal, is_running, run, temp_dir, wait_until};
use serde_json::Value;

/// The lines of JSON a demo printed.
fn lines(text: &str) -> Vec<Value> {
    // The last one may be half written.
    text.split_inclusive('\n')
        .filter(|line| line.ends_with('\n'))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The process ids of those who are ready.
fn processes(lines: &[Value]) -> Vec<i32> {
    let ready = lines.iter().filter(|line| line["event"] == "ready");
    ready.map(|line| i32::try_from(line["process"].as_i64().unwrap()).unwrap()).collect()
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

#[test]
fn the_demo_ends_with_accepted_tasks_whose_results_are_those_computed_elsewhere() {
    let dir = temp_dir();
    let Output { code, stdout, stderr } = run(dir.path(), &["demo", "--json", "--keep", "kept"]);
    assert_eq!(code, Some(0), "{stderr}");
    let lines = lines(&stdout);
    let summary = lines.last().unwrap();
    assert_eq!((&summary["event"], &summary["accepted"]), (&"summary".into(), &true.into()));
    let tasks = summary["tasks"].as_array().unwrap();
    assert_eq!(tasks.len(), 24);

    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("../node/demo/expected.json");
    let expected: Value = serde_json::from_slice(&fs::read(expected).unwrap()).unwrap();
    for task in tasks {
        assert_eq!(task["outcome"], "accepted", "{task}");
        let name = task["task"].as_str().unwrap();
        let result = fs::read(dir.path().join(format!("kept/results/{name}.json"))).unwrap();
        let result: Value = serde_json::from_slice(&result).unwrap();
        let expected = &expected[format!("{name}.toml")];
        assert!(holds(&result, expected), "{name}: {result}\nexpected {expected}");
    }
    assert_eq!(processes(&lines).len(), 5);
    assert!(!processes(&lines).into_iter().any(is_running), "the demo's processes end with it");
}

#[test]
fn an_interrupted_demo_leaves_neither_processes_nor_files() {
    let dir = temp_dir();
    let mut demo = Process::start(dir.path(), "demo", &["demo", "--json"]);
    let started = wait_until("five processes", SOON, || {
        let started = processes(&lines(&demo.stdout()));
        (started.len() == 5).then_some(started)
    });
    demo.signal(Signal::INT);
    assert_eq!(demo.ended(SOON).code(), Some(1));
    assert!(!started.into_iter().any(is_running));
    leaves_nothing(dir.path());
}
