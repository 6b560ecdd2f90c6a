//! The door for language models: a session over stdin and stdout, spoken by hand and by the official Python client.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::{Duration, Instant};
use std::{fs, thread};

use gigmesh_tests::hostile::Hostile;
use gigmesh_tests::{Market, SOON, binary, home, python_with, wait_until};
use serde_json::{Value, json};

use crate::tasks::{SKILL, counter};

/// A server, and this test as its client.
struct Session {
    server: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    calls: u64,
}

impl Session {
    /// Starts `gigmesh mcp` and shakes hands.
    fn open(home: &Path, args: &[&str]) -> Self {
        let log = fs::File::create(home.join(format!("mcp.{}.stderr", args.len()))).unwrap();
        let mut server = Command::new(binary())
            .arg("mcp")
            .args(args)
            .current_dir(home)
            .env_clear()
            .env("HOME", home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let (stdin, stdout) = (server.stdin.take(), server.stdout.take().unwrap());
        // A line at a time: the server waits for whoever reads.
        let (send, lines) = sync_channel(64);
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let mut session = Self { server, stdin, lines, calls: 0 };
        let hello = session.ask(
            "initialize",
            &json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" } }),
        );
        assert_eq!(
            (&hello["serverInfo"]["name"], &hello["protocolVersion"]),
            (&json!("gigmesh"), &json!("2025-06-18"))
        );
        assert!(hello["instructions"].as_str().unwrap().contains("untrusted"), "{hello}");
        session.write(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }).to_string());
        session
    }

    fn write(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().expect("it is open"), "{line}").unwrap();
    }

    /// The whole answer to a request. Every line on stdout is the protocol's.
    fn answer(&mut self, method: &str, params: &Value) -> Value {
        self.calls += 1;
        let id = self.calls;
        self.write(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        let until = Instant::now() + SOON;
        loop {
            let line = self.lines.recv_timeout(until.saturating_duration_since(Instant::now()));
            let line = line.unwrap_or_else(|error| panic!("no answer to {method}: {error}"));
            let message: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} on stdout: {line}"));
            assert_eq!(message["jsonrpc"], "2.0", "{line}");
            if message["id"] == id {
                return message;
            }
        }
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.answer(method, params);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn tool(&mut self, name: &str, arguments: &Value) -> Value {
        self.ask("tools/call", &json!({ "name": name, "arguments": arguments }))
    }

    /// The structured content of a call that went well.
    fn call(&mut self, name: &str, arguments: &Value) -> Value {
        let result = self.tool(name, arguments);
        assert_eq!(result["isError"], false, "{name}: {result}");
        let text = result["content"][1]["text"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Value>(text).unwrap(), result["structuredContent"], "text says the same");
        result["structuredContent"].clone()
    }

    /// What is to be put right, and what to do next.
    fn refused(&mut self, name: &str, arguments: &Value) -> (String, String) {
        let result = self.tool(name, arguments);
        assert_eq!(result["isError"], true, "{name}: {result}");
        let text = |key: &str| result["structuredContent"][key].as_str().unwrap().to_owned();
        (text("error"), text("next"))
    }

    fn until(&mut self, what: &str, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_until(what, SOON, || {
            let answer = self.call("wait", &json!({ "ids": [id], "timeout_s": 20 }));
            Some(answer["standings"][0].clone()).filter(&wanted)
        })
    }

    /// Closes its stdin, as a client that is done does, and waits until it ends well.
    fn close(mut self) -> Duration {
        let began = Instant::now();
        self.stdin = None;
        let status = wait_until("the end of gigmesh mcp", SOON, || self.server.try_wait().unwrap());
        assert_eq!(status.code(), Some(0));
        began.elapsed()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // An error means that it has ended already.
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

fn a_task(text: Value) -> Value {
    json!({
        "skill": SKILL, "summary": "Count the words", "brief": { "inputs": { "text": text }, "params": { "unit": "word" } },
        "accept": { "checks": ["result.words >= 1"], "sealed": ["result.words == 3"], "review": "person" },
        "price": { "max": "0.05 USD" }, "time": { "bids": "500ms", "done": "5m" },
    })
}

fn found(session: &mut Session) -> Value {
    wait_until("an agent", SOON, || {
        let found = session.call("find_agents", &json!({ "skill": SKILL }));
        found["agents"].as_array().unwrap().first().cloned()
    })
}

#[test]
fn the_words_of_a_peer_reach_a_model_only_with_a_mark() {
    let market = Market::create(&[]);
    let requester = &market.requester;
    let hostile = Hostile::forging(requester, SKILL);
    let text = market.file("input.txt", "one two three\n");
    let (data, dir) = (requester.data_dir().display().to_string(), market.dir().display().to_string());
    let mut session = Session::open(requester.home(), &["--data-dir", &data, "--allow-dir", &dir]);
    let mut task = a_task(json!({ "path": text }));
    task["to"] = json!(hostile.agent());
    let offer = session.call("hire", &task)["offer"].as_str().unwrap().to_owned();
    session.until("the refusal", &offer, |standing| standing["over"] == true);
    for (tool, arguments) in [
        ("find_agents", json!({ "skill": SKILL })),
        ("agent_details", json!({ "agent": hostile.agent() })),
        ("wait", json!({ "ids": [offer], "timeout_s": 0 })),
        ("show", json!({ "id": offer })),
    ] {
        let answer = session.tool(tool, &arguments);
        let told = &answer["structuredContent"];
        assert!(is_said(told) && !is_said(&unmarked(told)), "{tool}: {told:#}");
        assert!(!is_said(&answer["content"][0]), "{tool}: {answer:#}");
    }
    session.close();
}

/// Whether the forged words are anywhere in it.
fn is_said(told: &Value) -> bool {
    told.to_string().contains("accepted: hire 7c1d")
}

/// The same without what is marked as untrusted.
fn unmarked(told: &Value) -> Value {
    match told {
        Value::Object(object) if object.get("untrusted") == Some(&json!(true)) => Value::Null,
        Value::Object(object) => object.iter().map(|(key, value)| (key.clone(), unmarked(value))).collect(),
        Value::Array(items) => items.iter().map(unmarked).collect(),
        other => other.clone(),
    }
}

#[test]
fn a_language_model_hires_waits_reads_and_judges_and_what_others_say_is_marked() {
    let market = Market::create(&[counter()]);
    let (requester, worker) = (&market.requester, &market.workers[0]);
    let file = market.file("input.txt", "one two three\n");
    let (data, dir) = (requester.data_dir().display().to_string(), market.dir().display().to_string());
    let mut session = Session::open(requester.home(), &["--data-dir", &data, "--allow-dir", &dir]);
    let listed = session.ask("tools/list", &json!({}));
    let names: Vec<&str> =
        listed["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect();
    let all = ["find_agents", "agent_details", "hire", "wait", "show", "judge", "rate", "reply", "inbox", "stop"];
    assert_eq!(names, all, "and none that approves spending");

    let agent = found(&mut session);
    assert_eq!((&agent["agent"], &agent["price"]), (&json!(worker.agent), &json!("0.02 USD per task")));
    assert_eq!(agent["name"], json!({ "untrusted": true, "from": worker.agent, "text": "worker-0 1.0.0" }));
    let details = session.call("agent_details", &json!({ "agent": &worker.agent[..8] }));
    assert_eq!((&details["agent"], &details["offers"][0]["skill"]), (&json!(worker.agent), &json!(SKILL)));

    let mut task = a_task(json!({ "path": file }));
    task["accept"]["rating"] = json!("person");
    task["token"] = json!("the report of today");
    let offer = session.call("hire", &task)["offer"].as_str().unwrap().to_owned();
    let again = session.call("hire", &task);
    assert_eq!((&again["offer"], &again["before"]), (&json!(offer), &json!(true)), "a call may be repeated");
    let waiting = session.until("the delivery", &offer, |standing| standing["needs_you"] == "judge");
    assert_eq!((&waiting["over"], &waiting["hires"][0]["with"]), (&json!(false), &json!(worker.agent)));
    let delivery = session.call("show", &json!({ "id": offer }));
    let result = &delivery["result"];
    assert_eq!((&result["untrusted"], &result["from"]), (&json!(true), &json!(worker.agent)));
    assert_eq!(
        (&result["json"], &delivery["checks"]["failed"]),
        (&json!({ "words": 3, "note": "counted" }), &json!([]))
    );
    session.call("judge", &json!({ "id": offer, "ruling": "accept", "note": "thank you" }));
    session.until("the moment to rate", &offer, |standing| standing["needs_you"] == "rate");
    let inbox = session.call("inbox", &json!({}));
    let hire = inbox["waiting"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(
        (&inbox["waiting"][0]["needs_you"], &inbox["waiting"][0]["with"]),
        (&json!("rate"), &json!(worker.agent))
    );
    session.call("rate", &json!({ "id": hire, "quality": 0.25 }));
    let over = session.until("the end", &offer, |standing| standing["over"] == true);
    assert_eq!((&over["hires"][0]["closed"]["outcome"], &over["needs_you"]), (&json!("accepted"), &Value::Null));
    // What has been told is no change; what is over is not waited for.
    let again = session.call("wait", &json!({ "ids": [offer], "timeout_s": 45 }));
    assert_eq!(again["standings"][0]["over"], true);

    assert_eq!(over["hires"][0]["hire"], hire);
    for node in [requester, worker] {
        assert_eq!(node.settled(&hire)["row"]["closed"]["outcome"], "accepted");
    }
    assert_eq!(session.call("show", &json!({}))["rows"][0]["id"], hire);
    let details = session.call("agent_details", &json!({ "agent": worker.agent, "explain": true }));
    assert_eq!(details["ratings"][0]["scores"], json!({ "quality": 250 }), "the model's own rating: {details}");
    let why = &details["explained"];
    assert_eq!((&why["mine"]["raters"][0]["rater"], &why["pinned"]), (&json!(requester.agent), &Value::Null));
    assert_eq!((&details["reputation"]["pinned"], &details["pinned_seeds"]), (&Value::Null, &json!(0)));
    let (late, _) = session.refused("rate", &json!({ "id": hire, "quality": 1 }));
    assert!(!late.is_empty());
    session.close();
    assert_eq!(requester.ask(&["id"])["agent"], json!(requester.agent), "a node that was there before stays");
}

#[test]
fn what_a_model_does_wrong_is_told_with_the_next_step() {
    let market = Market::create(&[]);
    let data = market.requester.data_dir().display().to_string();
    let mut session = Session::open(market.requester.home(), &["--data-dir", &data]);
    let text = json!({ "text": "a" });
    let mut task = a_task(text.clone());
    task["accept"]["checks"][0] = json!("result.words = 1");
    for (tool, arguments, error, next) in [
        ("hire", task, "/accept/checks/0: ", "Put the argument right"),
        ("hire", a_task(json!({ "path": "/etc/passwd" })), "/brief/inputs/text: ", "Put the argument right"),
        ("hire", json!({ "skill": SKILL }), "the key `summary` is missing", "Put the argument right"),
        ("hire", json!({ "to": "no-id" }), "/to: an id is 64 hex", "Put that argument right"),
        ("wait", json!({ "ids": [] }), "/ids: from 1 to 16", "Put that argument right"),
        ("wait", json!({ "ids": ["abcd"], "timeout_s": 46 }), "/timeout_s: at most 45", "Put that argument right"),
        ("wait", json!({ "id": "abcd" }), "/id: unknown key `id`; ", "Put the argument right"),
        ("wait", json!({ "ids": ["../id"] }), "/ids: an id is 64 hex", "Put that argument right"),
        ("show", json!({ "id": "abcdef" }), "no offer, claim or hire abcdef", "show without an id lists"),
        (
            "judge",
            json!({ "id": "abcdef", "ruling": "perfect" }),
            "/ruling: \"perfect\" is none of those that are known here",
            "Put the argument",
        ),
        ("rate", json!({ "id": "abcdef" }), "say at least one of accuracy", "Put that argument right"),
        ("inbox", json!({ "all": true }), "/all: unknown key `all`", "Put the argument right"),
        ("find_agents", json!({ "max": "5 cents" }), "max: ", "Put right what the error names"),
    ] {
        let (told, advice) = session.refused(tool, &arguments);
        assert!(told.starts_with(error) && advice.contains(next), "{tool} {arguments}\n{told}\n{advice}");
    }
    // Nothing of this was an offer.
    assert_eq!(session.call("show", &json!({}))["rows"], json!([]));
    let answer = session.answer("tools/call", &json!({ "name": "approve", "arguments": {} }));
    assert_eq!(answer["error"]["code"], -32602, "what is no tool is no tool's error: {answer}");

    // An offer that nobody takes: a wait ends in its time, and its end is a change.
    let offer = session.call("hire", &a_task(text))["offer"].clone();
    let waited = session.call("wait", &json!({ "ids": [offer], "timeout_s": 1 }));
    assert_eq!((&waited["changed"], &waited["standings"][0]["over"]), (&json!([]), &json!(false)));
    session.call("stop", &json!({ "id": offer }));
    let waited = session.call("wait", &json!({ "ids": [offer], "timeout_s": 45 }));
    assert_eq!((&waited["changed"], &waited["standings"][0]["over"]), (&json!([offer]), &json!(true)));
    assert_eq!(waited["standings"][0]["unfilled"], json!({ "stopped": "no longer wanted" }));
    session.close();
}

#[test]
fn a_node_started_for_a_session_serves_others_too_and_ends_with_the_last() {
    let market = Market::create(&[]);
    let home = home(market.dir(), "model");
    let data = home.join("data");
    let socket = data.join("api.sock");
    let data = data.display().to_string();
    let mut without = Session::open(&home, &["--data-dir", &data]);
    let (error, next) = without.refused("show", &json!({}));
    assert!(error.starts_with("no node is running") && next.contains("--up"), "{error}\n{next}");
    without.close();
    assert!(!Path::new(&data).exists(), "who only asks writes nothing");

    let up =
        ["--up", "--data-dir", &data, "--listen", "/ip4/127.0.0.1/tcp/0", "--bootstrap", &market.bootstrap.address];
    let mut first = Session::open(&home, &up);
    first.call("show", &json!({}));
    let mut second = Session::open(&home, &up);
    second.call("show", &json!({}));
    assert!(socket.exists());
    // Clients kill what has not ended two seconds after they closed its stdin; on a busy machine that is not the question here.
    first.close();
    wait_until("the second session to have a node", SOON, || {
        (second.tool("show", &json!({}))["isError"] == false).then_some(())
    });
    second.close();
    assert!(!socket.exists(), "no node is left behind");
}

#[test]
fn the_official_client_carries_a_whole_hire_through_two_nodes() {
    let Some(python) = python_with("mcp") else { return };
    let market = Market::create(&[counter()]);
    let worker = &market.workers[0];
    let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("mcp/hire.py");
    for mode in ["legacy", "auto"] {
        let home = home(market.dir(), mode);
        let data = home.join("data");
        let output = Command::new(&python)
            .arg(&script)
            .arg(mode)
            .arg(binary())
            .args(["mcp", "--up", "--listen", "/ip4/127.0.0.1/tcp/0", "--bootstrap", &market.bootstrap.address])
            .arg("--data-dir")
            .arg(&data)
            .env("HOME", &home)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{log}");
        let seen: Value = serde_json::from_slice(&output.stdout).unwrap();
        for tool in ["find_agents", "agent_details", "hire", "wait", "show", "judge"] {
            assert_eq!(seen["tools"][tool]["type"], "object", "{tool}");
        }
        assert_eq!(seen["agents"][0]["name"]["untrusted"], true);
        assert_eq!((&seen["mistake"]["is_error"], &seen["no_tool"]), (&json!(true), &json!(-32602)));
        assert!(seen["hire_took"].as_f64().unwrap() < 10.0, "an id at once: {seen}");
        assert_eq!(seen["delivery"]["result"]["json"], json!({ "words": 3, "note": "counted" }));
        assert_eq!(seen["delivery"]["result"]["from"], json!(worker.agent));
        assert_eq!(seen["inbox"]["waiting"][0]["needs_you"], "judge");
        assert_eq!(seen["over"]["hires"][0]["closed"]["outcome"], "accepted");
        let hire = seen["over"]["hires"][0]["hire"].as_str().unwrap();
        assert_eq!(worker.show(hire)["row"]["closed"]["outcome"], "accepted");
        assert!(!data.join("api.sock").exists(), "no node is left behind: {log}");
    }
    assert_eq!(worker.runs().len(), 2);
}
