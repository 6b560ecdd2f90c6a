//! `gigmesh try`: the first thing a developer runs, without a network and without leaving anything behind.

use std::fs;
use std::path::Path;

use gigmesh_tests::{Process, SOON, Signal, is_running, run, snapshot, temp_dir, wait_until};

use crate::tasks::{RIGHT, SKILL, WRONG, quick_in};

/// A worker's file whose agent is this script.
fn worker(dir: &Path, script: &str) {
    fs::write(dir.join("agent.sh"), script).unwrap();
    let text = format!(
        "[agent]\nname = \"counter\"\nversion = \"1\"\n[[skill]]\npath = {SKILL:?}\nprice = \"0.02 USD per task\"\n\
         expect = \"30s\"\n[skill.run]\ncommand = [\"/bin/sh\", \"agent.sh\"]\ntimeout = \"2m\"\n"
    );
    fs::write(dir.join("worker.toml"), text).unwrap();
}

#[test]
fn an_agent_is_tried_on_a_task_and_nothing_is_left_behind() {
    let dir = temp_dir();
    quick_in(dir.path());
    worker(dir.path(), &format!("echo '{RIGHT}'"));
    let before = snapshot(dir.path());
    let told = run(dir.path(), &["try", "worker.toml", "task.toml"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    for words in [
        "it would serve nobody",
        "accepted; 0.02 USD per task to pay",
        "\"result.words is 3\"",
        "\"note\": \"counted\"",
    ] {
        assert!(told.stdout.contains(words), "{words:?} is not in {}", told.stdout);
    }
    assert_eq!(snapshot(dir.path()), before, "home, temporary files and the directory are as they were");

    let told =
        run(dir.path(), &["try", "worker.toml", "task.toml", "--json", "--result", "out.json", "--keep", "kept"]);
    let document = told.json();
    assert_eq!((told.code, told.stderr.as_str()), (Some(0), ""));
    assert_eq!((&document["accepted"], &document["outcome"]), (&true.into(), &"accepted".into()), "{document}");
    assert_eq!(document["checks"].as_array().unwrap().len(), 3);
    assert_eq!(document["ratings"].as_array().unwrap().len(), 2);
    assert_eq!(fs::read_to_string(dir.path().join("out.json")).unwrap(), RIGHT);
    assert_eq!(document["kept"], dir.path().join("kept").canonicalize().unwrap().display().to_string());
}

#[test]
fn what_would_not_be_accepted_ends_with_3_and_what_to_do() {
    let dir = temp_dir();
    quick_in(dir.path());
    worker(dir.path(), &format!("echo '{WRONG}'"));
    let told = run(dir.path(), &["try", "worker.toml", "task.toml"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.stdout.contains("fails a sealed check"), "{}", told.stdout);

    // Nobody can pass this public check: the worker would be blamed for it.
    let task = fs::read_to_string(dir.path().join("task.toml")).unwrap();
    fs::write(dir.path().join("task.toml"), task.replace("result.words >= 1", "result.words >= 1000")).unwrap();
    let told = run(dir.path(), &["try", "worker.toml", "task.toml"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.stdout.contains("your own public check failed on the worker's result"), "{}", told.stdout);

    worker(dir.path(), "echo 'it broke' >&2\nexit 7");
    let told = run(dir.path(), &["try", "worker.toml", "task.toml"]);
    assert_eq!(told.code, Some(3), "{told:?}");
    assert!(told.stdout.contains("exit status: 7") && told.stdout.contains("it broke"), "{}", told.stdout);
}

#[test]
fn what_is_wrong_with_the_files_ends_with_2_and_its_place() {
    let dir = temp_dir();
    quick_in(dir.path());
    worker(dir.path(), "true");
    let text = fs::read_to_string(dir.path().join("worker.toml")).unwrap();
    fs::write(dir.path().join("bad.toml"), text.replace("/bin/sh", "no-such-program")).unwrap();
    let before = snapshot(dir.path());
    let cases: [(&[&str], &str); 4] = [
        (&["bad.toml", "task.toml"], "bad.toml:9:11: the program \"no-such-program\" is not on PATH"),
        (&["task.toml", "worker.toml"], "the worker's file comes first"),
        (&["worker.toml", "gone.toml"], "gone.toml: cannot be read"),
        (&["worker.toml", "task.toml", "--keep", "."], "is not empty"),
    ];
    for (args, words) in cases {
        let told = run(dir.path(), &[&["try"], args].concat());
        assert_eq!((told.code, told.stdout.as_str()), (Some(2), ""), "{told:?}");
        assert!(told.stderr.contains(words), "{words:?} is not in {}", told.stderr);
    }
    assert_eq!(snapshot(dir.path()), before);
}

#[test]
fn a_trial_that_is_interrupted_takes_its_agent_with_it() {
    let dir = temp_dir();
    quick_in(dir.path());
    let pid = dir.path().join("pid");
    worker(dir.path(), &format!("echo $$ > '{}'\nsleep 600", pid.display()));
    let mut trial = Process::start(dir.path(), "try", &["try", "worker.toml", "task.toml"]);
    let agent = wait_until("the agent to run", SOON, || fs::read_to_string(&pid).ok()?.trim().parse().ok());
    trial.signal(Signal::INT);
    assert_eq!(trial.ended(SOON).code(), Some(1), "{}", trial.log());
    assert!(!is_running(agent), "the agent is gone");
    let left = fs::read_dir(dir.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().starts_with("gigmesh-try-"));
    assert_eq!(left.count(), 0, "and so is its directory");
}
