//! One hire for each row of a file, whoever falls meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::market::checks::Checks;
use gigmesh_tests::{Agent, Does, Market, Node, Process, SOON, Setup, Signal, wait_until};
use serde_json::{Value, json};

use crate::tasks::{RIGHT, SKILL, WRONG, counter, quick};

/// The rows of the long story.
const ROWS: usize = 16;

/// The whole lines of a file.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    whole.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn numbers(lines: &[Value]) -> BTreeSet<u64> {
    lines.iter().map(|line| line["row"].as_u64().unwrap()).collect()
}

/// An agent that notes what it was asked, and may never be started twice for a hire.
fn noting(market: &Market, script: &str) -> Agent {
    let dir = market.dir().display();
    let script = format!("cat > $$.request; cat $$.request >> '{dir}/requests'; echo >> '{dir}/requests'; {script}");
    let does = Does::Runs(vec!["/bin/sh".to_owned(), "-c".to_owned(), script]);
    Agent { does, ..counter().run_once() }
}

/// How often each row was worked on, by its `id`.
fn runs(market: &Market) -> BTreeMap<u64, usize> {
    let mut runs = BTreeMap::new();
    for request in fs::read_to_string(market.dir().join("requests")).unwrap_or_default().lines() {
        let request: Value = serde_json::from_str(request).unwrap();
        *runs.entry(request["params"]["id"].as_u64().unwrap()).or_default() += 1;
    }
    runs
}

/// A batch as its user starts it.
struct Batch {
    home: PathBuf,
    output: PathBuf,
    args: Vec<String>,
}

impl Batch {
    fn of(node: &Node, task: &Path, rows: &Path, more: &[&str]) -> Self {
        let output = node.home().join("results.jsonl");
        let text = |path: &Path| path.display().to_string();
        let args = [&text(task), "--each", &text(rows), "-o", &text(&output), "--data-dir", &text(&node.data_dir())];
        let args = ["hire"].iter().chain(&args).chain(more).map(ToString::to_string).collect();
        Self { home: node.home().to_owned(), output, args }
    }

    fn start(&self) -> Process {
        Process::start(&self.home, "batch", &self.args)
    }

    fn lines(&self) -> Vec<Value> {
        lines(&self.output)
    }

    fn grows_to(&self, wanted: usize) {
        wait_until(&format!("{wanted} rows to be over"), SOON, || (self.lines().len() >= wanted).then_some(()));
    }
}

/// A kill of the command, a loss of what it had written, an interruption, and a kill of the node under it: each row is hired,
/// worked on and owed for once.
#[test]
fn whatever_falls_every_row_is_hired_once() {
    let mut market = Market::create(&[]);
    market.join("worker", noting(&market, &format!("sleep 0.2; echo '{RIGHT}'")));
    let task = quick(&market);
    let rows: String = (1..=ROWS).map(|n| format!("{{\"id\": {n}}}\n")).collect();
    let rows = market.file("rows.jsonl", rows);
    let batch = Batch::of(&market.requester, &task, &rows, &["--parallel", "2", "--json"]);

    let mut first = batch.start();
    batch.grows_to(3);
    first.kill9();
    // As if it had fallen before it wrote what it had seen, and in the middle of a line.
    let text = fs::read_to_string(&batch.output).unwrap();
    let line = text.find('\n').unwrap() + 1;
    fs::write(&batch.output, &text[..line + 20]).unwrap();

    let mut second = batch.start();
    batch.grows_to(6);
    second.signal(Signal::INT);
    assert_eq!(second.ended(SOON).code(), Some(1));
    assert!(second.log().contains("the same command goes on"), "{}", second.log());
    assert!(second.stdout().is_empty(), "{}", second.stdout());

    let mut third = batch.start();
    batch.grows_to(9);
    market.requester.kill9();
    market.requester.restart();
    assert_eq!(third.ended(2 * SOON).code(), Some(0), "{}", third.log());
    let told: Value = serde_json::from_str(&third.stdout()).unwrap();
    assert_eq!((&told["accepted"], &told["outcomes"]), (&json!(true), &json!({ "accepted": ROWS })), "{told}");
    assert_eq!(told["to_pay"], json!(["0.32 USD"]));

    let results = batch.lines();
    assert_eq!((results.len(), numbers(&results)), (ROWS, (1..=ROWS as u64).collect()));
    let right: Value = serde_json::from_str(RIGHT).unwrap();
    for line in &results {
        assert_eq!((&line["outcome"], &line["result"]), (&json!("accepted"), &right), "{line}");
        assert_eq!((&line["price"], &line["owed"]), (&json!("0.02 USD per task"), &json!("0.02 USD")));
    }
    let hires: BTreeSet<&str> = results.iter().map(|line| line["hire"].as_str().unwrap()).collect();
    assert_eq!((hires.len(), market.requester.hires().len(), market.workers[0].hires().len()), (ROWS, ROWS, ROWS));
    assert_eq!(runs(&market), (1..=ROWS as u64).map(|row| (row, 1)).collect(), "each row was worked on once");
    wait_until("every close to be booked", SOON, || {
        let balances = market.requester.rows(&["balance"]);
        (balances.first()?["micros"] == -20_000 * ROWS as i64).then_some(())
    });

    // All is over: nothing more happens, and it is told again.
    let mut fourth = batch.start();
    assert_eq!(fourth.ended(SOON).code(), Some(0), "{}", fourth.log());
    assert_eq!((batch.lines().len(), market.requester.hires().len()), (ROWS, ROWS));

    // Another batch of the same rows is another batch; one whose rows changed is none of this.
    fs::write(&rows, "{\"id\": 1}\n{\"id\": 99}\n").unwrap();
    let mut fifth = batch.start();
    assert_eq!(fifth.ended(SOON).code(), Some(2));
    assert!(fifth.log().contains("of other rows") && fifth.log().contains("another --output"), "{}", fifth.log());
    assert_eq!((batch.lines().len(), market.requester.hires().len()), (ROWS, ROWS));
}

#[test]
fn a_mistake_in_a_row_is_told_with_its_place_and_changes_nothing() {
    let market = Market::create(&[]);
    let task = quick(&market);
    let rows = market.file("rows.jsonl", "{\"id\": 1}\n{\"id\": 2,}\n");
    let batch = Batch::of(&market.requester, &task, &rows, &[]);
    let mut process = batch.start();
    assert_eq!(process.ended(SOON).code(), Some(2));
    assert!(process.log().contains("rows.jsonl:2:10: "), "{}", process.log());

    // Nor does a file that is somebody's become a batch.
    fs::write(&rows, "{\"id\": 1}\n").unwrap();
    fs::write(&batch.output, "mine").unwrap();
    let mut process = batch.start();
    assert_eq!(process.ended(SOON).code(), Some(2));
    assert!(process.log().contains("is not overwritten"), "{}", process.log());
    assert_eq!(fs::read_to_string(&batch.output).unwrap(), "mine");
    assert!(market.requester.rows(&["hires"]).is_empty());
    let beside = fs::read_dir(market.requester.home()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(beside.into_iter().all(|name| !name.to_string_lossy().contains("batch.json")), "nothing was made");
}

/// What is not accepted is told and does not stop the rest; a row may bring a file of its own; a worker may be named.
#[test]
fn rows_may_end_otherwise_and_each_way_is_told() {
    let mut market = Market::create(&[]);
    // Wrong for whoever asks in French. The answer is what the input holds.
    let script = format!(
        "if grep -q '\"fr\"' $$.request; then echo '{WRONG}'; else echo \"{{\\\"words\\\": 3, \\\"note\\\": \\\"counted\\\", \
         \\\"is\\\": \\\"$(cat inputs/text)\\\"}}\"; fi"
    );
    market.join("worker", noting(&market, &script));
    let task = quick(&market);
    market.file("other.txt", "four words are here");
    let rows = "{\"id\": 1}\n\n{\"id\": 3, \"lang\": \"fr\"}\n{\"id\": 4, \"text\": \"other.txt\"}\n";
    let rows = market.file("rows.jsonl", rows);
    let worker = market.workers[0].agent.clone();
    let batch = Batch::of(&market.requester, &task, &rows, &["--to", &worker[..16]]);
    // Direct hires need an agent that is known.
    wait_until("the worker to be known", SOON, || {
        market.requester.rows(&["find", SKILL]).iter().any(|row| row["agent"] == json!(worker)).then_some(())
    });
    let mut process = batch.start();
    assert_eq!(process.ended(SOON).code(), Some(3), "{}", process.log());
    let (told, log) = (process.stdout(), process.log());
    assert!(told.contains("accepted  2     0.04 USD") && told.contains("refused   1     -"), "{told}");
    assert!(told.contains("3 rows in ") && told.contains("results.jsonl"), "{told}");
    assert!(log.contains("row 3: refused") && log.contains("result.words == 3"), "{log}");
    let results = batch.lines();
    assert_eq!(numbers(&results), BTreeSet::from([1, 3, 4]));
    let of = |row: u64| results.iter().find(|line| line["row"] == row).unwrap();
    assert_eq!(of(3)["failed"], json!(["result.words == 3"]));
    assert_eq!(of(1)["result"]["is"], "one two three");
    assert_eq!(of(4)["result"]["is"], "four words are here");
    assert!(results.iter().all(|line| line["with"] == json!(worker)));
    let requests = fs::read_to_string(market.dir().join("requests")).unwrap();
    assert!(
        requests.lines().all(|line| line.contains("\"unit\":\"word\"")),
        "the task's own parameters stay: {requests}"
    );
}

/// A budget, and a person's word, hold up a batch as they do a hire.
#[test]
fn what_waits_for_a_person_is_told_and_let_go_on_one_by_one() {
    let mut market = Market::create(&[]);
    market.join("worker", noting(&market, &format!("echo '{RIGHT}'")));
    let config =
        market.file("buyer.toml", "[agent]\nname = \"buyer\"\nversion = \"1\"\n[buy]\nask_above = \"0.01 USD\"\n");
    market.join_as("buyer", Setup { config: Some(config), ..Setup::default() });
    let buyer = market.workers.pop().unwrap();
    let task = quick(&market);
    let rows = market.file("rows.jsonl", "{\"id\": 1}\n{\"id\": 2}\n");
    let batch = Batch::of(&buyer, &task, &rows, &[]);
    let mut process = batch.start();
    let waiting = wait_until("both rows to wait", SOON, || {
        let rows = buyer.rows(&["inbox"]);
        (rows.len() == 2).then_some(rows)
    });
    wait_until("the user to be told", SOON, || process.log().contains("gigmesh inbox").then_some(()));
    assert!(batch.lines().is_empty() && runs(&market).is_empty());
    buyer.ask(&["approve", waiting[0]["id"].as_str().unwrap()]);
    buyer.ask(&["refuse", waiting[1]["id"].as_str().unwrap(), "--reason", "too dear this week"]);
    assert_eq!(process.ended(SOON).code(), Some(3), "{}", process.log());
    let results = batch.lines();
    let outcomes: BTreeSet<&str> = results.iter().map(|line| line["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, BTreeSet::from(["accepted", "unfilled"]));
    assert!(results.iter().any(|line| line["reason"].to_string().contains("too dear this week")), "{results:?}");
    assert_eq!(runs(&market).values().sum::<usize>(), 1);
}

/// The token is anybody's who asks over the local door.
#[test]
fn a_request_with_a_token_may_be_repeated_across_a_fall_of_the_node() {
    let mut market = Market::create(&[counter()]);
    let checks = Checks { schema: None, asserts: vec!["result.words == 3".parse().unwrap()] };
    let task = Task { bids: gigmesh_protocol::time::Millis(500), ..Task::new(SKILL.parse().unwrap(), "Count", checks) };
    let order = json!({ "task": task, "token": "order-4711" });
    let door = market.requester.door();
    let first: Value = door.post("/v1/hires", &order).unwrap();
    assert_eq!(first["before"], false);
    market.requester.kill9();
    market.requester.restart();
    for _ in 0..2 {
        let again: Value = door.post("/v1/hires", &order).unwrap();
        assert_eq!((&again["offer"], &again["before"]), (&first["offer"], &json!(true)));
    }
    let hire = market.requester.first_hire();
    market.requester.settled(&hire);
    let other = json!({ "task": Task { summary: "Count again".to_owned(), ..task }, "token": "order-4711" });
    let told = door.post::<Value>("/v1/hires", &other).unwrap_err().to_string();
    assert!(told.contains("another task"), "{told}");
    let long = door.post::<Value>("/v1/hires", &json!({ "task": order["task"], "token": "x".repeat(65) }));
    assert!(long.is_err());
    assert_eq!((market.requester.rows(&["hires"]).len(), market.workers[0].runs().len()), (1, 1));
}

#[test]
fn results_and_exports_replace_no_file_unless_told_to() {
    let market = Market::create(&[counter()]);
    let (requester, task) = (&market.requester, quick(&market).display().to_string());
    let mine = market.file("mine", "mine").display().to_string();
    let refused = |args: &[&str]| {
        let told = requester.cli(args);
        assert_eq!(told.code, Some(2), "{args:?}: {told:?}");
        assert!(told.stderr.contains("--force"), "{told:?}");
        assert_eq!(fs::read_to_string(&mine).unwrap(), "mine");
    };
    refused(&["hire", &task, "--wait", "-o", &mine]);
    assert!(requester.rows(&["hires"]).is_empty(), "nobody was hired for a result that has no place");
    let told = requester.cli(&["hire", &task, "--wait", "--json", "-o", &mine, "--force"]);
    assert_eq!((told.code, told.stdout.lines().count(), told.stderr.as_str()), (Some(0), 1, ""), "{told:?}");
    assert_eq!(told.json()["accepted"], true);
    assert_eq!(fs::read_to_string(&mine).unwrap(), RIGHT);
    fs::write(&mine, "mine").unwrap();
    let hire = requester.first_hire();
    requester.settled(&hire);
    refused(&["show", &hire, "-o", &mine]);
    refused(&["ledger", "export", &mine]);
    requester.ask(&["show", &hire, "-o", &mine, "--force"]);
    assert_eq!(fs::read_to_string(&mine).unwrap(), RIGHT);
    requester.ask(&["ledger", "export", &mine, "--force"]);
    assert!(fs::read_to_string(&mine).unwrap().contains(&hire));
    let worker = market.workers[0].home().join("worker.toml").display().to_string();
    fs::write(&mine, "mine").unwrap();
    let told = gigmesh_tests::run(market.dir(), &["try", &worker, &task, "--result", &mine]);
    assert_eq!((told.code, fs::read_to_string(&mine).unwrap().as_str()), (Some(2), "mine"), "{told:?}");
}
