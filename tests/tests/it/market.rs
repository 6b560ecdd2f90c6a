//! The market's money, quality and reasons, through the commands that people use.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::time::Timestamp;
use gigmesh_tests::{Agent, Market, Node, Process, SOON, Setup, Signal, home, wait_until};
use serde_json::{Value, json};

use crate::tasks::{SKILL, counter, quick, task};

/// A requester with these lines in its file, in a market of its own making.
fn buyer(market: &Market, name: &str, lines: &str) -> Node {
    let config = market.file(&format!("{name}.toml"), lines);
    let doors = vec![market.bootstrap.address.clone()];
    Node::start(&home(market.dir(), name), name, &Setup { config: Some(config), doors, ..Setup::default() })
}

/// The one row of a list, once there is one.
fn only_row(node: &Node, args: &[&str]) -> Value {
    let rows =
        wait_until(&format!("a row of {args:?}"), SOON, || Some(node.rows(args)).filter(|rows| !rows.is_empty()));
    assert_eq!(rows.len(), 1, "{rows:?}");
    rows[0].clone()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("a text is wanted, not {value}"))
}

fn done(node: &Node, args: &[&str]) {
    assert_eq!(node.ask(args), json!({ "done": true }), "{args:?}");
}

/// The task of [`task`] with this in place of that.
fn changed(market: &Market, review: &str, bids: &str, that: &str, this: &str) -> PathBuf {
    let file = task(market, review, bids);
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains(that), "{text}");
    fs::write(&file, text.replacen(that, this, 1)).unwrap();
    file
}

#[test]
fn what_costs_more_than_i_may_spend_alone_waits_in_the_inbox_until_it_is_approved() {
    let market = Market::create(&[counter()]);
    let buyer = buyer(&market, "buyer", "[buy]\nask_above = \"0.01 USD\"\n");
    let offer = buyer.post(&quick(&market), None);
    let row = only_row(&buyer, &["inbox"]);
    assert_eq!((&row["waits_for"], &row["id"]), (&json!("approval"), &json!(offer)));
    assert_eq!(row["with"], json!(market.workers[0].agent));
    let told = buyer.cli(&["inbox"]);
    assert!(told.stdout.contains(&format!("gigmesh approve {}", &offer[..8])), "{told:?}");
    assert_eq!(buyer.hires(), Vec::<Value>::new(), "nobody is hired meanwhile");
    done(&buyer, &["approve", &offer[..8]]);
    let hire = buyer.first_hire();
    assert_eq!(buyer.settled(&hire)["row"]["closed"]["outcome"], "accepted");
    assert_eq!(buyer.rows(&["inbox"]), Vec::<Value>::new());
}

#[test]
fn what_is_refused_in_the_inbox_is_never_hired_and_says_why() {
    let market = Market::create(&[counter()]);
    let buyer = buyer(&market, "buyer", "[buy]\nask_above = \"0.01 USD\"\n");
    let offer = buyer.post(&quick(&market), None);
    only_row(&buyer, &["inbox"]);
    done(&buyer, &["refuse", &offer[..8], "--reason", "too dear this week"]);
    let shown = buyer.when(&offer, "the posting closed", |shown| shown["row"]["stage"] == "closed");
    assert_eq!(shown["row"]["reason"], json!({ "stopped": "too dear this week" }), "{shown}");
    let told = buyer.cli(&["hires"]);
    assert!(told.stdout.contains("closed") && told.stdout.contains("too dear this week"), "{told:?}");
    assert!(buyer.cli(&["show", &offer]).stdout.contains("because: "), "it says so, too");
    assert_eq!(buyer.hires(), Vec::<Value>::new());
}

#[test]
fn a_budget_for_one_hire_is_not_exceeded_and_the_reason_is_told() {
    let market = Market::create(&[counter()]);
    let buyer = buyer(&market, "buyer", "[buy]\nper_hire = \"0.01 USD\"\n");
    let offer = buyer.post(&quick(&market), None);
    let shown =
        buyer.when(&offer, "a claim that is held", |shown| !shown["why"]["reason"]["none_fits"]["budget"].is_null());
    let over = &shown["why"]["reason"]["none_fits"]["budget"]["per_hire"];
    assert_eq!(over["most"], json!({ "currency": "USD", "micros": 10_000 }), "{shown}");
    let told = buyer.cli(&["show", &offer, "--why"]).stdout;
    assert!(told.contains("so far: ") && told.contains("budget"), "{told}");
    assert_eq!(buyer.hires(), Vec::<Value>::new());
}

#[test]
fn a_person_rates_in_place_of_the_checks() {
    let market = Market::create(&[counter()]);
    let requester = &market.requester;
    let file = changed(&market, "auto", "500ms", "[price]", "rating = \"person\"\n[price]");
    requester.post(&file, None);
    let row = only_row(requester, &["inbox"]);
    assert_eq!(row["waits_for"], "rating");
    let hire = text(&row["id"]);
    done(requester, &["rate", hire, "--quality", "0.25", "--communication", "1"]);
    requester.settled(hire);
    let worker = &market.workers[0];
    let rating = wait_until("the rating at the worker", SOON, || {
        worker.ask(&["reputation", &worker.agent])["ratings"].as_array()?.first().cloned()
    });
    assert_eq!(rating["scores"], json!({ "quality": 250, "communication": 1000 }));
    let told = requester.cli(&["reputation", &worker.agent]).stdout;
    assert!(told.contains("0.25") && told.contains("1.00"), "people see scores from 0 to 1: {told}");
    assert_eq!(requester.rows(&["inbox"]), Vec::<Value>::new());
}

#[test]
fn who_was_not_chosen_is_told_why_and_the_requester_shows_what_it_compared() {
    let dear = Agent { price: "0.04 USD per task".to_owned(), ..counter() };
    let market = Market::create(&[counter(), dear]);
    let requester = &market.requester;
    for worker in &market.workers {
        wait_until("both workers to be known", SOON, || {
            requester.rows(&["find", SKILL]).iter().any(|row| row["agent"] == json!(worker.agent)).then_some(())
        });
    }
    let file = changed(&market, "auto", "4s", "[time]", "[choose]\nprefer = [\"price\"]\n[time]");
    let offer = requester.post(&file, None);
    // While the window is open the claims are compared as they come.
    requester.when(&offer, "two claims compared", |shown| {
        shown["why"]["considered"].as_array().is_some_and(|all| all.len() == 2) && shown["row"]["hire"].is_null()
    });
    let told = requester.cli(&["show", &offer]).stdout;
    assert!(told.contains("claims are collected until ") && told.contains("claims held: 2; so far: "), "{told}");
    let waiting = market.workers[1].ask(&["work"]);
    assert_eq!(waiting["claims"][0]["offer"], json!(offer), "{waiting}");

    let hire = requester.first_hire();
    let shown = requester.settled(&hire);
    let considered = shown["why"]["considered"].as_array().unwrap();
    let outcomes: Vec<_> = considered.iter().map(|claim| (text(&claim["agent"]), &claim["outcome"])).collect();
    assert_eq!(outcomes[0], (&*market.workers[0].agent, &json!("chosen")), "{considered:?}");
    assert_eq!(outcomes[1], (&*market.workers[1].agent, &json!({ "lost": "price" })));
    let told = requester.cli(&["show", &hire, "--why"]).stdout;
    for words in ["REPUTATION", "chosen: ", "0.04 USD per task", "dearer: ", &market.workers[1].agent[..8]] {
        assert!(told.contains(words), "{words} is not in\n{told}");
    }

    let lost = wait_until("the reason at who was not chosen", SOON, || {
        let work = market.workers[1].ask(&["work", "--why"]);
        work["passed"].as_array()?.iter().find(|row| row["offer"] == json!(offer) && !row["claimed"].is_null()).cloned()
    });
    let chosen = &lost["reason"]["claim"]["turned_down"]["outbid"];
    assert!(chosen["micros"].is_u64(), "{lost}");
    let told = market.workers[1].cli(&["work", "--why"]).stdout;
    assert!(told.contains("no claims out") && told.contains("the requester says: dearer; "), "{told}");
}

/// What an export says each line moved, in millionths, by its amounts' signs.
fn exported(file: &Path) -> Vec<(String, i64)> {
    let mut reader = csv::Reader::from_path(file).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["at", "with", "amount", "currency", "kind", "subject"]);
    let row = |row: csv::StringRecord| {
        let (whole, fraction) = row[2].split_once('.').unwrap_or((&row[2], ""));
        let micros: i64 = format!("{whole}{fraction:0<6}").parse().unwrap();
        assert_eq!(&row[3], "USD");
        (row[4].to_owned(), micros)
    };
    reader.records().map(|record| row(record.unwrap())).collect()
}

#[test]
fn the_ledgers_of_both_sides_sum_to_nothing_and_payments_settle_them() {
    let market = Market::create(&[counter()]);
    let (requester, worker) = (&market.requester, &market.workers[0]);
    for _ in 0..2 {
        assert_eq!(requester.hire(&quick(&market), &[]).code, Some(0));
    }
    let owed = |node: &Node| node.rows(&["balance"]).first().map_or(0, |row| row["micros"].as_i64().unwrap());
    wait_until("both to have booked both hires", SOON, || {
        (owed(requester) == -40_000 && owed(worker) == 40_000).then_some(())
    });
    assert!(requester.cli(&["balance"]).stdout.contains("you owe 0.04 USD"));
    assert!(worker.cli(&["balance", &requester.agent]).stdout.contains("owes you 0.04 USD"));

    done(requester, &["ledger", "paid", &worker.agent, "0.03 USD", "--note", "by bank, \"Tuesday\""]);
    done(worker, &["ledger", "received", &requester.agent, "0.03 USD"]);
    assert_eq!((owed(requester), owed(worker)), (-10_000, 10_000));
    let listed = requester.ask(&["ledger", "--limit", "1"]);
    assert_eq!((&listed["rows"].as_array().unwrap().len(), &listed["next"]), (&1, &json!(1)));
    let told = requester.cli(&["ledger"]).stdout;
    assert!(told.contains("+0.03 USD  you paid: ") && told.contains("-0.02 USD  bought, hire "), "{told}");

    let mut sums = Vec::new();
    for (node, name) in [(requester, "requester.csv"), (worker, "worker.csv")] {
        let file = market.dir().join(name);
        let path = file.display().to_string();
        let output = node.cli(&["ledger", "export", &path]);
        assert!(output.code == Some(0) && output.stdout.starts_with("3 lines written to "), "{output:?}");
        let lines = exported(&file);
        let kinds: Vec<&str> = lines.iter().map(|(kind, _)| kind.as_str()).collect();
        assert_eq!(kinds, ["hire", "hire", "payment"], "the oldest first");
        sums.push(lines.iter().map(|(_, micros)| micros).sum::<i64>());
        let all = node.ask(&["ledger", "export"]);
        assert_eq!(all["rows"].as_array().unwrap().len(), 3);
    }
    assert_eq!(sums, [-10_000, 10_000]);
    assert!(worker.cli(&["ledger", "export", "--format", "csv"]).stdout.lines().count() == 4);
}

/// When `node` said in its stream of events that `rater` had rated.
fn rated_at(watch: &Process, rater: &str) -> Option<u64> {
    let events = watch.stdout();
    let mut events = events.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    events.find(|event| event["event"] == "rated" && event["by"] == rater)?["at"].as_u64()
}

#[test]
fn a_third_node_that_knows_the_subject_has_its_rating_within_five_seconds() {
    let market = Market::create(&[counter()]);
    let (requester, worker) = (&market.requester, &market.workers[0]);
    let third = buyer(&market, "third", "");
    wait_until("the third node to know the worker", SOON, || (!third.rows(&["find", SKILL]).is_empty()).then_some(()));
    let data = requester.data_dir().display().to_string();
    let mut watch = Process::start(market.dir(), "watch", &["watch", "--json", "--data-dir", &data]);
    assert!(watch.first_line().contains("\"watching\""));

    let file = quick(&market);
    assert_eq!(requester.hire(&file, &[]).code, Some(0));
    let opened = wait_until("the requester to rate", SOON, || rated_at(&watch, &requester.agent));
    let seen = wait_until("the rating at the third node", SOON, || {
        let view = third.ask(&["reputation", &worker.agent]);
        let ratings = view["ratings"].as_array()?;
        ratings.iter().any(|rating| rating["by"] == json!(requester.agent)).then(wall_clock)
    });
    let took = Duration::from_millis(seen.since(Timestamp(opened)).0);
    eprintln!("a rating was seen at a third node {took:?} after it was opened");
    assert!(took < Duration::from_secs(5), "{took:?}");

    watch.signal(Signal::INT);
    assert_eq!(watch.ended(SOON).code(), Some(0), "Ctrl-C ends it well");
    let events: Vec<Value> = watch.stdout().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for event in ["posted", "awarded", "said", "closed", "rated"] {
        assert!(events.iter().any(|told| told["event"] == event), "{event}: {events:?}");
    }
}

#[test]
fn watching_in_words_tells_what_happens_and_ends_with_the_node() {
    let mut market = Market::create(&[counter()]);
    let data = market.requester.data_dir().display().to_string();
    let mut watch = Process::start(market.dir(), "watch", &["watch", "--data-dir", &data]);
    assert!(watch.first_line().contains("watching agent "));
    let hire = market.requester.hire(&quick(&market), &[]).json()["hires"][0]["hire"].clone();
    let short = &text(&hire)[..8];
    let line = format!("hire {short}: accepted");
    wait_until("its end to be told", SOON, || watch.stdout().contains(&line).then_some(()));
    assert!(!watch.stdout().contains('\u{1b}'), "a pipe gets plain lines");
    market.requester.stop();
    assert_eq!(watch.ended(SOON).code(), Some(4));
    assert!(watch.log().contains("the node stopped"), "{}", watch.log());
}

#[test]
fn who_stops_waiting_for_a_hire_is_told_that_it_goes_on() {
    let market = Market::create(&[counter().held()]);
    let data = market.requester.data_dir().display().to_string();
    let file = quick(&market).display().to_string();
    let mut waiting = Process::start(market.dir(), "hire", &["hire", &file, "--wait", "--data-dir", &data]);
    let hire = market.requester.first_hire();
    wait_until("it to be under way", SOON, || waiting.log().contains(&hire[..8]).then_some(()));
    waiting.signal(Signal::INT);
    assert_eq!(waiting.ended(SOON).code(), Some(1));
    assert!(waiting.log().contains("the hire goes on"), "{}", waiting.log());
    assert!(waiting.log().contains(&format!(" --data-dir {data}` tells how it is")), "{}", waiting.log());
    market.workers[0].let_agent_go();
    assert_eq!(market.requester.settled(&hire)["row"]["closed"]["outcome"], "accepted");
}

#[test]
fn long_lists_come_in_pages_of_the_size_that_is_asked_for() {
    let market = Market::create(&[]);
    let file = quick(&market);
    let offers: Vec<String> = (0..3).map(|_| market.requester.post(&file, None)).collect();
    let first = market.requester.ask(&["hires", "--limit", "2"]);
    assert_eq!(first["rows"].as_array().unwrap().len(), 2);
    let second = market.requester.ask(&["hires", "--limit", "2", "--after", text(&first["next"])]);
    assert!(second["rows"].as_array().unwrap().len() == 1 && second["next"].is_null(), "{second}");
    let mut listed: Vec<&str> = [&first, &second]
        .into_iter()
        .flat_map(|page| page["rows"].as_array().unwrap())
        .map(|row| text(&row["offer"]))
        .collect();
    listed.sort_unstable();
    let mut offers: Vec<&str> = offers.iter().map(String::as_str).collect();
    offers.sort_unstable();
    assert_eq!(listed, offers);
}

#[test]
fn a_search_says_what_it_sees_and_a_node_that_only_shops_says_so() {
    let mut market = Market::create(&[]);
    let alone = market.requester.cli(&["find"]);
    assert!(alone.stdout.contains("follows no room yet") && alone.stdout.contains("gigmesh find SKILL"), "{alone:?}");
    let nobody = market.requester.cli(&["find", "text/count"]);
    assert!(nobody.stdout.contains("listens in the room `text`"), "{nobody:?}");
    let rooms = market.requester.cli(&["find"]);
    assert!(rooms.stdout.contains("rooms that this node follows: text"), "{rooms:?}");
    let data = home(market.dir(), "shopper").display().to_string();
    let listen = "/ip4/127.0.0.1/tcp/0";
    let mut shopper = Process::start(market.dir(), "shopper", &["up", "--data-dir", &data, "--listen", listen]);
    shopper.first_line();
    wait_until("its word", SOON, || shopper.stdout().contains("it only shops").then_some(()));
    assert!(shopper.stdout().contains("under [serve]"), "{}", shopper.stdout());
    market.requester.stop();
}

#[test]
fn every_flag_that_makes_no_sense_is_named_and_nothing_is_written() {
    let market = Market::create(&[]);
    let file = quick(&market).display().to_string();
    let long = "x".repeat(3_000);
    let id = "ab".repeat(32);
    let cases: &[(&[&str], &[&str])] = &[
        (&["show", "xyz"], &["<ID>", "64 hexadecimal digits"]),
        (&["show", "ab"], &["<ID>", "64 hexadecimal digits"]),
        (&["show", &id, "--why", "--output", "f"], &["--why", "--output"]),
        (&["hire", &file, "--to", "bob"], &["--to", "64 hexadecimal digits"]),
        (&["hire", &file, "--output", "f"], &["--wait"]),
        (&["hire", &file, "--wait", "--output", "no/where/f"], &["--output", "no/where"]),
        (&["hire", &file, "--wait", "--output", "."], &["--output", "directory"]),
        (&["hires", "--after", "ab12"], &["--after"]),
        (&["hires", "--limit", "0"], &["--limit", "from 1 up"]),
        (&["hires", "--limit", "many"], &["--limit", "from 1 up"]),
        (&["find", "A B"], &["[SKILL]"]),
        (&["find", "a", "--max", "5 cents"], &["--max"]),
        (&["find", "a", "--where", "retention_days ="], &["--where"]),
        (&["find", "a", "--limit", "-1"], &["--limit", "from 1 up"]),
        (&["judge", &id, "maybe"], &["<RULING>", "accept, refuse, changes"]),
        (&["judge", &id, "accept", "--within", "5m"], &["--within", "changes"]),
        (&["judge", &id, "changes", "--within", "soon"], &["--within", "30s"]),
        (&["judge", &id, "refuse", "--note", &long], &["--note", "2000"]),
        (&["stop", &id, "--reason", &long], &["--reason", "2000"]),
        (&["approve", "nobody"], &["<ID>"]),
        (&["approve", &id, "--note", &long], &["--note", "2000"]),
        (&["refuse", &id, "--reason", &long], &["--reason", "2000"]),
        (&["rate", &id], &["--accuracy", "--quality"]),
        (&["rate", &id, "--quality", "80"], &["--quality", "from 0 to 1"]),
        (&["rate", &id, "--speed", "-0.5"], &["--speed", "from 0 to 1"]),
        (&["rate", &id, "--speed", "NaN"], &["--speed", "from 0 to 1"]),
        (&["reply", &id, ""], &["<TEXT>", "say something"]),
        (&["reply", &id, "yes", "--later", "1"], &["--later"]),
        (&["ask", &id, &long], &["<TEXT>", "2000"]),
        (&["contest", &id, " "], &["<STATEMENT>"]),
        (&["reputation", "somebody"], &["<AGENT>"]),
        (&["reputation", &id, "--skill", "A B"], &["--skill"]),
        (&["reputation", &id, "--explain=colour"], &["--explain", "`speed`"]),
        (&["trust", "add", "somebody"], &["<AGENT>"]),
        (&["trust", "remove", &id], &["not pinned"]),
        (&["balance", "somebody"], &["[AGENT]"]),
        (&["ledger", "--limit", "0"], &["--limit"]),
        (&["ledger", "paid", &id, "five"], &["<AMOUNT>"]),
        (&["ledger", "paid", &id, "free"], &["<AMOUNT>", "5 USD"]),
        (&["ledger", "paid", "me", "5 USD"], &["<AGENT>"]),
        (&["ledger", "received", &id, "5 USD", "--note", &long], &["--note", "500"]),
        (&["ledger", "export", "--format", "xml"], &["--format", "csv, json"]),
        (&["ledger", "export", "--format", "csv", "--json"], &["--format", "--json"]),
        (&["ledger", "export", "no/where.csv"], &["no/where.csv"]),
        (&["status", "--metrics", "--json"], &["--metrics", "--json"]),
        (&["status", "--log", "a=b=c"], &["--log"]),
        (&["status", "--colour"], &["--colour"]),
    ];
    let before = market.requester.rows(&["hires"]);
    for (args, words) in cases {
        let output = market.requester.cli(args);
        assert_eq!((output.code, &*output.stdout), (Some(2), ""), "{args:?}: {output:?}");
        assert_eq!(output.stderr.matches("error: ").count(), 1, "{args:?}: {output:?}");
        for words in *words {
            assert!(output.stderr.contains(words), "{args:?}: {words} is not in {}", output.stderr);
        }
        // A program is told the same, in one document.
        let output = market.requester.cli(&[args, &["--json"][..]].concat());
        let complaint: Value =
            serde_json::from_str(&output.stderr).unwrap_or_else(|error| panic!("{args:?}: {error}: {output:?}"));
        assert_eq!((output.code, &complaint["exit"]), (Some(2), &json!(2)), "{args:?}");
    }
    assert_eq!(market.requester.rows(&["hires"]), before);
    assert_eq!(market.requester.ask(&["ledger"])["rows"], json!([]));
    let long = market.dir().join("s".repeat(130)).display().to_string();
    let data = market.dir().join("never-made");
    let up = ["up", "--listen", "/ip4/127.0.0.1/tcp/0", "--api", &long, "--data-dir", &data.display().to_string()];
    let output = gigmesh_tests::run(market.dir(), &up);
    assert!(output.code == Some(2) && output.stderr.contains("--api") && !data.exists(), "{output:?}");
    for shell in ["bash", "zsh", "fish"] {
        let script = gigmesh_tests::run(market.dir(), &["completions", shell]);
        assert!(script.code == Some(0) && script.stdout.contains("ledger"), "{shell}: {script:?}");
    }
}
