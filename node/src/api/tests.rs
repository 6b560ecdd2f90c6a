//! The door of a real node that is alone in the world: every route, every kind of answer.

use std::fs;
use std::path::Path;
use std::time::Duration;

use gigmesh_protocol::codec::{List, Text};
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::market::{BlobRef, Input, Milestone, Milestones};
use gigmesh_protocol::time::Millis;
use hyper::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::client::{Client, ClientError};
use super::types::{
    Done, FindParams, HireRequest, Identity, JudgeRequest, Judged, Posted, Readiness, StopRequest, TrustRequest,
    Trusted,
};
use super::{server, socket};
use crate::config::{self, Overrides};
use crate::node::{self, NodeHandle};
use crate::task;

pub(super) struct Alone {
    pub dir: TempDir,
    node: NodeHandle,
    pub client: Client,
    _door: socket::Door,
    served: JoinHandle<std::io::Result<()>>,
}

impl Alone {
    pub async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let over = Overrides {
            data_dir: Some(dir.path().to_owned()),
            listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
            ..Overrides::default()
        };
        let config = config::load(None, over).unwrap().node;
        let identity = |node: &NodeHandle| Identity {
            agent: node.agent(),
            network: "main".to_owned(),
            version: "0".to_owned(),
            listen: Vec::new(),
            data_dir: dir.path().to_owned(),
        };
        let node = node::start(config).await.unwrap();
        let (listener, door) = socket::open(dir.path(), None).unwrap();
        let served = tokio::spawn(server::serve(listener, node.clone(), identity(&node), true));
        let client = Client::new(socket::locate(dir.path()));
        Self { dir, node, client, _door: door, served }
    }

    pub async fn stop(self) {
        self.node.shutdown();
        timeout(Duration::from_secs(20), self.served).await.expect("the server ends with the node").unwrap().unwrap();
    }
}

pub(super) fn a_task(dir: &Path) -> Task {
    let file = dir.join("task.toml");
    fs::write(&file, "skill = \"table/summarise\"\nsummary = \"one\"\n").unwrap();
    task::read(&file).unwrap().task
}

fn refused<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> (StatusCode, String, Option<String>) {
    match answer.unwrap_err() {
        ClientError::Refused { status, error, hint, .. } => (status, error, hint),
        other => panic!("{other:?}"),
    }
}

fn code<T: std::fmt::Debug>(answer: Result<T, ClientError>) -> String {
    match answer.unwrap_err() {
        ClientError::Refused { code, .. } => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_error_has_a_code() {
    let alone = Alone::start().await;
    let client = &alone.client;
    let wrong = FindParams { max: Some("5 cents".to_owned()), ..FindParams::default() };
    let hire = "ab".repeat(32);
    let judge = JudgeRequest { ruling: Judged::Accept, note: String::new(), within: None };
    let me = TrustRequest { agent: alone.node.agent().to_string(), pinned: true };
    for (answered, wanted) in [
        (code(client.get::<Value>("/v1/nothing").await), "no_such_path"),
        (code(client.post::<Value>("/v1/id", &json!({})).await), "no_such_method"),
        (code(client.get_with::<Value>("/v1/agents", &wrong).await), "invalid_field"),
        (code(client.get::<Value>("/v1/agents?limit=many").await), "invalid_query"),
        (code(client.post::<Value>("/v1/hires", &json!({ "tusk": 1 })).await), "invalid_body"),
        (code(client.get::<Value>(&format!("/v1/blobs/{hire}")).await), "unknown_blob"),
        (code(client.post::<Value>(&format!("/v1/hires/{hire}/judge"), &judge).await), "unknown_id"),
        (code(client.post::<Value>("/v1/trust", &me).await), "pin_self"),
        (code(client.post::<Value>("/v1/clock/confirm", &json!({})).await), "clock_right"),
    ] {
        assert_eq!(answered, wanted);
    }
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_says_who_it_is_and_that_it_knows_nobody() {
    let alone = Alone::start().await;
    let client = &alone.client;
    let identity: Identity = client.get("/v1/id").await.unwrap();
    assert_eq!((identity.agent, identity.listen.len()), (alone.node.agent(), 1));
    assert_eq!(client.get::<Value>("/v1/status").await.unwrap()["peers"], 0);
    assert_eq!(client.get::<Value>("/v1/peers").await.unwrap(), json!({ "rows": [] }));
    assert_eq!(client.get::<Value>("/v1/hires").await.unwrap(), json!({ "rows": [] }));
    assert_eq!(client.get_with::<Value>("/v1/agents", &FindParams::default()).await.unwrap(), json!({ "rows": [] }));
    assert!(client.get::<Readiness>("/livez").await.unwrap().ready);
    let (status, body, _) = refused(client.get::<Readiness>("/readyz").await);
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(body.contains("no peer is connected"), "{body}");
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_was_not_set_needs_no_word_of_the_operator() {
    let alone = Alone::start().await;
    assert_eq!(alone.client.get::<Value>("/v1/status").await.unwrap()["warnings"], json!([]));
    let (status, error, _) = refused(alone.client.post::<Done>("/v1/clock/confirm", &json!({})).await);
    assert!(status == StatusCode::BAD_REQUEST && error.contains("nothing to confirm"), "{status} {error}");
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_told_with_a_status_and_in_json() {
    let alone = Alone::start().await;
    let client = &alone.client;
    let (status, ..) = refused(client.get::<Value>("/v1/nothing").await);
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, ..) = refused(client.post::<Value>("/v1/id", &json!({})).await);
    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    let (status, _, hint) = refused(client.get::<Value>("/v1/hires/abcdef").await);
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(hint.unwrap().contains("gigmesh hires"));
    let wrong = FindParams { max: Some("5 cents".to_owned()), ..FindParams::default() };
    let (status, error, _) = refused(client.get_with::<Value>("/v1/agents", &wrong).await);
    assert!(status == StatusCode::BAD_REQUEST && error.starts_with("max: "), "{status} {error}");
    let (status, error, _) = refused(client.post::<Value>("/v1/hires", &json!({ "tusk": 1 })).await);
    assert!(status.is_client_error() && error.contains("tusk"), "{status} {error}");
    let long = json!({ "reason": "x".repeat(crate::limits::MAX_API_BODY) });
    let (status, ..) = refused(client.post::<Value>("/v1/hires/abcdef/stop", &long).await);
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    let judge = JudgeRequest { ruling: Judged::Changes, note: String::new(), within: None };
    let (status, error, _) = refused(client.post::<Done>("/v1/hires/abcdef/judge", &judge).await);
    assert!(status == StatusCode::BAD_REQUEST && error.contains("within"), "{status} {error}");
    alone.stop().await;
}

/// A task in both of its written forms.
const WRITTEN: &str = r#"
skill = "table/summarise"
summary = "one"
slots = 2
agree = 2
[accept]
checks = ["result.rows == 1"]
compare = "result.rows"
[[milestone]]
title = "rows"
share = 0.25
[arbiter]
agent = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"
within = "1d"
[time]
bids = "3s"
expires = "10m"
[choose]
bar = 0.5
"#;

/// What an author writes instead, the same in the task, and where every door says that it is.
type Mistake = (&'static str, &'static str, fn(&mut Task), &'static str, &'static str);

const MISTAKES: [Mistake; 7] = [
    ("slots = 2", "slots = 65", |task| task.slots = 65, "/slots", "4:9"),
    ("agree = 2", "agree = 3", |task| task.agree = Some(3), "/agree", "5:9"),
    ("\"result.rows\"", "\"rows\"", |task| task.compare = Some("rows".to_owned()), "/accept/compare", "8:11"),
    ("0.25", "1.0", |task| task.milestones = one_part(1000), "/milestone/0/share", "11:9"),
    ("\"1d\"", "\"1s\"", |task| task.arbiter.as_mut().unwrap().within = Millis::secs(1), "/arbiter/within", "14:10"),
    ("\"3s\"", "\"10m\"", |task| task.bids = task.expires, "/time/bids", "16:8"),
    ("bar = 0.5", "bar = 2.0", |task| task.choosing.bar = Some(2000), "/choose/bar", "19:7"),
];

fn one_part(share: u16) -> Milestones {
    List::fit([Milestone { share, title: Text::fit("rows"), checks: Default::default() }])
}

#[tokio::test(flavor = "multi_thread")]
async fn every_door_says_the_same_of_a_task_at_the_same_place() {
    let alone = Alone::start().await;
    let file = alone.dir.path().join("task.toml");
    let read = |text: &str| {
        fs::write(&file, text).unwrap();
        task::read(&file)
    };
    let good = read(WRITTEN).unwrap().task;
    for (written, instead, change, at, line) in MISTAKES {
        let text = WRITTEN.replacen(written, instead, 1);
        let mut broken = good.clone();
        change(&mut broken);
        let request = HireRequest { task: broken, to: None, token: None };
        let answer = alone.client.post::<Posted>("/v1/hires", &request).await.unwrap_err();
        let ClientError::Refused { status, error, code, at: place, .. } = answer else { panic!("{answer:?}") };
        assert_eq!((status, code.as_str(), place.as_deref()), (StatusCode::BAD_REQUEST, "task_invalid", Some(at)));

        let told = read(&text).unwrap_err().to_string();
        assert_eq!(told, format!("{}:{line}: {error}", file.display()));
        let document = config::to_json(toml::from_str(&text).unwrap()).unwrap();
        let told = task::inline::read(document, &[]).unwrap_err();
        assert_eq!((told.at(), told.to_string()), (at, format!("{at}: {error}")));
    }
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn text_that_names_no_one_id_is_told_with_a_code() {
    let alone = Alone::start().await;
    let client = &alone.client;
    for first in ["ab", "cd"] {
        let request = TrustRequest { agent: format!("ffff{}", first.repeat(30)), pinned: true };
        client.post::<Trusted>("/v1/trust", &request).await.unwrap();
    }
    for (path, wanted, code, error, hint) in [
        ("hires/abcdef", StatusCode::NOT_FOUND, "unknown_id", "no offer, claim or hire abcdef here", "gigmesh hires"),
        ("hires/abcdef/records", StatusCode::NOT_FOUND, "unknown_id", "no hire abcdef here", "gigmesh hires"),
        ("hires/abc", StatusCode::BAD_REQUEST, "not_an_id", "64 hexadecimal digits", "gigmesh hires"),
        ("reputation/abcdef", StatusCode::NOT_FOUND, "unknown_id", "no agent abcdef here", "gigmesh find"),
        ("reputation/agent", StatusCode::BAD_REQUEST, "not_an_id", "64 hexadecimal digits", "gigmesh find"),
        ("reputation/FFFF", StatusCode::BAD_REQUEST, "ambiguous_id", "ffffabababab, ffffcdcdcdcd", "more digits"),
    ] {
        let answer = client.get::<Value>(&format!("/v1/{path}")).await.unwrap_err();
        let ClientError::Refused { status, error: said, hint: hinted, code: coded, .. } = answer else {
            panic!("{answer:?}")
        };
        assert_eq!((status, coded.as_str()), (wanted, code), "{path}: {said}");
        assert!(said.contains(error) && hinted.unwrap().contains(hint), "{path}: {said}");
    }
    let stop = StopRequest::default();
    let (status, error, _) = refused(client.post::<Done>("/v1/hires/abcdef/stop", &stop).await);
    assert!(status == StatusCode::NOT_FOUND && error.contains("no offer or hire abcdef"), "{status} {error}");
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whom_it_trusts_is_pinned_listed_and_let_go() {
    let alone = Alone::start().await;
    let client = &alone.client;
    let pin = |agent: &str, pinned| TrustRequest { agent: agent.to_owned(), pinned };
    let (friend, other) = ("ab".repeat(32), format!("abab{}", "cd".repeat(30)));
    assert_eq!(client.get::<Value>("/v1/trust").await.unwrap(), json!({ "rows": [] }));
    let (status, _, hint) = refused(client.post::<Trusted>("/v1/trust", &pin("abab", true)).await);
    assert!(status == StatusCode::NOT_FOUND && hint.unwrap().contains("gigmesh find"));
    let (status, error, _) =
        refused(client.post::<Trusted>("/v1/trust", &pin(&alone.node.agent().to_string(), true)).await);
    assert!(status == StatusCode::BAD_REQUEST && error.contains("this is you"), "{status} {error}");

    let pinned: Value = client.post("/v1/trust", &pin(&friend, true)).await.unwrap();
    assert_eq!(pinned, json!({ "agent": friend, "name": null, "ratings": 0, "pinned": true, "seeds": 1 }));
    client.post::<Trusted>("/v1/trust", &pin(&other, true)).await.unwrap();
    let (status, error, _) = refused(client.post::<Trusted>("/v1/trust", &pin("abab", false)).await);
    assert!(status == StatusCode::BAD_REQUEST && error.contains("several"), "{status} {error}");
    let seen: Value = client.get(&format!("/v1/reputation/{friend}?explain=overall&skill=a/b")).await.unwrap();
    assert_eq!((&seen["seeds"], &seen["overall"]["pinned"]), (&json!(2), &Value::Null));
    assert_eq!(seen["explained"], json!({ "mine": null, "pinned": null }));
    let (status, error, _) = refused(client.get::<Value>(&format!("/v1/reputation/{friend}?explain=colour")).await);
    assert!(status == StatusCode::BAD_REQUEST && error.contains("`speed`"), "{status} {error}");

    let trusted: Trusted = client.post("/v1/trust", &pin("ABABAB", false)).await.unwrap();
    assert_eq!((trusted.seed.agent.to_string(), trusted.pinned, trusted.seeds), (friend.clone(), false, 1));
    let (status, _, hint) = refused(client.post::<Trusted>("/v1/trust", &pin(&friend, false)).await);
    assert!(status == StatusCode::NOT_FOUND && hint.unwrap().contains("gigmesh trust list"));
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_posted_with_its_inputs_watched_and_stopped() {
    let alone = Alone::start().await;
    let client = &alone.client;
    let file = alone.dir.path().join("input");
    fs::write(&file, vec![7; 300_000]).unwrap();
    let blob = client.put_blob(&file).await.unwrap();
    assert_eq!(blob.size, 300_000);
    assert_eq!(*client.blob(blob.root).await.unwrap().raw(), vec![7; 300_000]);

    let mut task = a_task(alone.dir.path());
    let gone = BlobRef { root: Bytes32([1; 32]), size: 1 };
    let input = |blob| Input { blob, name: "table".try_into().unwrap(), media: "text/csv".try_into().unwrap() };
    task.inputs = vec![input(gone)];
    let (status, _, hint) =
        refused(client.post::<Posted>("/v1/hires", &HireRequest { task: task.clone(), to: None, token: None }).await);
    assert!(status == StatusCode::NOT_FOUND && hint.unwrap().contains("/v1/blobs"));

    task.inputs = vec![input(blob)];
    let mut events = client.events().await.unwrap();
    let Posted { offer, .. } = client.post("/v1/hires", &HireRequest { task, to: None, token: None }).await.unwrap();
    let event = timeout(Duration::from_secs(10), events.next()).await.expect("the loss is reported").unwrap().unwrap();
    assert_eq!((&event["event"], &event["offer"]), (&json!("posted"), &json!(offer)));
    let metrics = client.text("/metrics").await.unwrap();
    assert!(metrics.contains("\ngigmesh_journal_commits_total 1\n"), "one command, one commit: {metrics}");
    assert!(metrics.contains("\ngigmesh_postings_open 1\n"), "{metrics}");
    let short = &offer.to_string()[..8];
    let shown: Value = client.get(&format!("/v1/hires/{short}")).await.unwrap();
    assert_eq!(shown["row"]["offer"], json!(offer));
    let stop = StopRequest { reason: "enough".to_owned() };
    let done: Done = client.post(&format!("/v1/hires/{short}/stop"), &stop).await.unwrap();
    assert!(done.done);
    let event = timeout(Duration::from_secs(10), events.next()).await.expect("the loss is reported").unwrap().unwrap();
    assert_eq!((&event["event"], &event["reason"]), (&json!("unfilled"), &json!({ "stopped": "enough" })));

    let socket = socket::locate(alone.dir.path());
    alone.stop().await;
    assert_eq!(events.next().await.unwrap(), None, "the stream ends with the node");
    assert!(matches!(Client::new(socket).get::<Value>("/v1/id").await, Err(ClientError::NoNode(_))));
}
