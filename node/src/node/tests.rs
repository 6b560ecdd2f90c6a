mod order;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gigmesh_protocol::hire::Side;
use gigmesh_protocol::hire::task::Task as Assignment;
use gigmesh_protocol::market::constraint::Properties;
use gigmesh_protocol::market::{Outcome, SkillEntry};
use gigmesh_protocol::peer::io::{Config as PeerConfig, From, Notice, Serving};
use gigmesh_protocol::peer::query::{Alive, GetStatus, Hires};
use gigmesh_protocol::time::Millis;

use super::*;
use crate::driver::SetClocks;
use crate::store::traits::Log;
use crate::wait::wait_until;

fn config(data_dir: &Path, listen: &str) -> NodeConfig {
    NodeConfig {
        data_dir: data_dir.to_owned(),
        network: "test".to_owned(),
        listen: vec![listen.to_owned()],
        bootstrap: vec![],
        mdns: false,
        relay: false,
        peer: PeerConfig::default(),
        executors: BTreeMap::new(),
        blob_quota: 64 << 20,
    }
}

const FREE: &str = "/ip4/127.0.0.1/tcp/0";

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_node_keeps_its_key_and_frees_its_directory_when_it_stops() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(config(dir.path(), FREE)).await.unwrap();
    assert_eq!(node.query(Alive).await, Ok(()));
    assert_eq!(node.ended(), None);
    let second = start(config(dir.path(), FREE)).await.unwrap_err();
    assert!(matches!(second, StartError::Lock(_)) && second.is_users(), "{second}");

    node.shutdown();
    node.stopped().await;
    assert_eq!(node.ended(), Some(Ok(())));
    assert_eq!(node.query(Alive).await, Err(CallError::Stopped));
    let again = start(config(dir.path(), FREE)).await.unwrap();
    assert_eq!(again.agent(), node.agent());
    again.shutdown();
    again.stopped().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_nobody_holds_stops() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(config(dir.path(), FREE)).await.unwrap();
    assert!(lock::check(dir.path()).is_err());
    drop(node);
    wait_until("the directory to be free", || lock::check(dir.path()).is_ok());
}

#[tokio::test]
async fn a_start_that_cannot_succeed_writes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("data");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("/ip4/127.0.0.1/tcp/{}", taken.local_addr().unwrap().port());
    for bad in [&*address, "/ip4/127.0.0.1/tcp/port"] {
        let error = start(config(&dir, bad)).await.unwrap_err();
        assert!(matches!(error, StartError::Network(_)) && error.is_users(), "{bad}: {error}");
        assert!(!dir.exists(), "{bad}");
    }

    fs::create_dir(&dir).unwrap();
    let key = dir.join("identity.key");
    fs::write(&key, "not a key").unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let error = start(config(&dir, FREE)).await.unwrap_err();
    assert!(matches!(error, StartError::Identity(_)) && error.is_users(), "{error}");
    assert_eq!(names(&dir), ["identity.key"]);
}

#[tokio::test]
async fn a_journal_without_its_key_gets_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _) = Journal::open(&dir.path().join("journal"), |_, _| Ok(())).unwrap();
    journal.append(b"an event of somebody").unwrap();
    journal.commit().unwrap();
    drop(journal);
    let error = start(config(dir.path(), FREE)).await.unwrap_err();
    assert!(matches!(error, StartError::KeyMissing(_)) && error.is_users(), "{error}");
    assert_eq!(names(dir.path()), ["journal", "lock"]);
}

fn worker(data_dir: &Path) -> NodeConfig {
    let path: Skill = "text/count".parse().unwrap();
    let entry = SkillEntry {
        path: path.clone(),
        input: None,
        price: "0.02 USD per task".parse().unwrap(),
        constraint: None,
        expect: Millis::secs(1),
        output: None,
        properties: Properties::default(),
    };
    let command = ["sh", "-c", "echo '{\"words\": 3}'"].map(str::to_owned).into();
    let spec = CommandSpec { command, dir: data_dir.to_owned(), timeout: Duration::from_secs(20) };
    NodeConfig {
        peer: PeerConfig {
            name: "counter".to_owned(),
            version: "1".to_owned(),
            model: None,
            from: From::Anyone,
            parallel: 1,
            skills: vec![Serving { entry, restartable: true }],
            ..PeerConfig::default()
        },
        executors: BTreeMap::from([(path, spec)]),
        ..config(data_dir, FREE)
    }
}

fn assignment() -> Assignment {
    let asserts = vec!["result.words == 3".parse().unwrap()];
    let checks = gigmesh_protocol::market::checks::Checks { schema: None, asserts };
    Assignment { bids: Millis::secs(1), ..Assignment::new("text/count".parse().unwrap(), "Count the words", checks) }
}

/// Waits for a notice that `wanted` makes something of.
async fn notice<T>(notices: &mut broadcast::Receiver<Notice>, mut wanted: impl FnMut(Notice) -> Option<T>) -> T {
    let found = async {
        loop {
            if let Some(found) = wanted(notices.recv().await.unwrap()) {
                return found;
            }
        }
    };
    timeout(Duration::from_secs(30), found).await.expect("it happens in time")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_direct_hire_goes_from_the_command_to_ratings_that_outlive_the_node() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let worker = start(worker(there.path())).await.unwrap();
    let requester = NodeConfig { bootstrap: worker.listen_addrs(), ..config(here.path(), FREE) };
    let node = start(requester.clone()).await.unwrap();
    let mut heard = node.notices();
    let command = Command::Hire { task: Box::new(assignment()), to: Some(worker.agent()), token: None };
    assert!(matches!(node.command(command).await, Ok(Answer::Posted(_))));
    let closed = notice(&mut heard, |notice| match notice {
        Notice::Closed { closed, .. } => Some(closed),
        Notice::Unfilled { reason, .. } => panic!("{reason:?}"),
        _ => None,
    });
    let closed = closed.await;
    assert_eq!((closed.outcome, closed.agreed), (Outcome::Accepted, true));
    // The other side's rating comes last.
    let other = worker.agent();
    notice(&mut heard, |notice| matches!(notice, Notice::Rated { by, .. } if by == other).then_some(())).await;
    node.shutdown();
    node.stopped().await;

    let again = start(NodeConfig { bootstrap: vec![], ..requester }).await.unwrap();
    let rows = again.query(Hires::default()).await.unwrap().rows;
    assert_eq!(rows.iter().map(|row| (row.side, row.with)).collect::<Vec<_>>(), [(Side::Requester, Some(other))]);
    let status = again.query(GetStatus).await.unwrap();
    assert_eq!(status.ratings, 2);
}

impl Machine for SetClocks {
    type Brain = Peer;
    type World = Hands;
    fn clocks(&self) -> Box<dyn Clocks> {
        Box::new(self.clone())
    }
    fn brain(&self, peer: Peer, _: &Outbox) -> Peer {
        peer
    }
    fn world(&self, hands: Hands) -> Hands {
        hands
    }
}

/// Has it looked at its clocks, and waits until they are as wanted.
async fn parted(node: &NodeHandle, wanted: bool) {
    let looked = async {
        while node.clock_parted().is_some() != wanted {
            node.query(GetStatus).await.unwrap();
        }
    };
    timeout(Duration::from_secs(20), looked).await.expect("each question makes it look");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_whose_clock_was_set_binds_itself_to_nothing_and_takes_the_hire_when_it_is_right_again() {
    let (here, there) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let clocks = SetClocks::default();
    let worker = start_on(worker(there.path()), clocks.clone()).await.unwrap();
    let node = start(NodeConfig { bootstrap: worker.listen_addrs(), ..config(here.path(), FREE) }).await.unwrap();
    clocks.off(3_600_000);
    parted(&worker, true).await;
    assert!(worker.warnings()[0].contains("forward by 1h"), "{:?}", worker.warnings());
    let refused = worker.command(Command::Follow("a/b".parse().unwrap())).await;
    assert!(matches!(&refused, Err(CallError::Clock(why)) if why.contains("clock was set")), "{refused:?}");

    let mut heard = node.notices();
    let command = Command::Hire { task: Box::new(assignment()), to: Some(worker.agent()), token: None };
    assert!(matches!(node.command(command).await, Ok(Answer::Posted(_))));
    let metrics = || worker.metrics().render(&Default::default(), &Default::default());
    let none = "\ngigmesh_dropped_without_time_total 0\n";
    wait_until("the offer to arrive", || !metrics().contains(none));
    assert!(worker.query(Hires::default()).await.is_ok_and(|page| page.rows.is_empty()));
    clocks.off(0);
    let closed = notice(&mut heard, |notice| match notice {
        Notice::Closed { closed, .. } => Some(closed),
        Notice::Unfilled { reason, .. } => panic!("{reason:?}"),
        _ => None,
    });
    assert_eq!(closed.await.outcome, Outcome::Accepted);
    assert_eq!((worker.clock_parted(), worker.warnings()), (None, vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_operator_says_of_the_clock_holds() {
    let dir = tempfile::tempdir().unwrap();
    let clocks = SetClocks::default();
    let node = start_on(config(dir.path(), FREE), clocks.clone()).await.unwrap();
    let mut changes = node.clock_changes();
    clocks.off(-86_400_000);
    parted(&node, true).await;
    changes.changed().await.unwrap();
    assert!(node.warnings()[0].contains("back by 1d"), "{:?}", node.warnings());
    timeout(Duration::from_secs(20), node.confirm_clock()).await.expect("it is taken in at once");
    assert_eq!(node.warnings(), [""; 0]);
    assert_eq!(node.command(Command::Follow("a/b".parse().unwrap())).await, Ok(Answer::Done));
    clocks.off(0);
    parted(&node, true).await;
}
