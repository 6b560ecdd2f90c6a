//! Two bodies without brains: the test says what a brain would want, and reads what a brain would be told.

use std::any::Any;
use std::sync::mpsc::Receiver;
use std::time::Instant;

use gigmesh_bootstrap::wall_clock;
use gigmesh_net::{Config, Role};
use gigmesh_protocol::codec::{Ext, List, Text};
use gigmesh_protocol::id::{Bytes32, Id};
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::market::{BlobRef, Contact, Input as BriefInput};
use gigmesh_protocol::peer::io::{CheckJob, Input, Origin, Output, Page, WorkJob};
use gigmesh_protocol::peer::query::{MayRead, Query, RoomPage};
use gigmesh_protocol::record::{Network, Record, Signer};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::wire::Reply;
use tempfile::TempDir;
use tokio::sync::broadcast;

use super::brain::World;
use super::queue::Call;
use super::*;
use crate::node::contact_filter;
use crate::store::memory::MemoryRatings;
use crate::wait::{SOON, wait_until};

/// The query of this type that a task is, if it is one.
fn asked<Q: Query>(task: Task) -> Option<Call<Q>> {
    let Task::Query(query) = task else { return None };
    let query: Box<dyn Any> = query;
    Some(*query.downcast().ok()?)
}

struct Side {
    hands: Hands,
    body: Arc<Body>,
    tasks: Receiver<Task>,
    signer: Signer,
    dir: TempDir,
}

async fn side(secret: u8) -> Side {
    let dir = tempfile::tempdir().unwrap();
    let (secret, name) = ([secret; 32], "test");
    let config = Config {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        ..Config::new(Role::Node, name, secret, contact_filter(name))
    };
    let (net, events) = Net::start(config).await.unwrap();
    let (queue, tasks) = Queue::new();
    let blobs = Arc::new(BlobStore::open_dir(&dir.path().join("blobs"), 8 << 20).unwrap());
    let command =
        ["sh", "-c", "cat inputs/* >&2; sleep $(sed 's/.*\"params\":\\([0-9]*\\).*/\\1/'); echo '{\"done\": true}'"];
    let spec = CommandSpec { command: command.map(str::to_owned).into(), dir: dir.path().to_owned(), timeout: SOON };
    let executors = BTreeMap::from([("text/count".parse().unwrap(), spec)]);
    let ratings = Arc::new(MemoryRatings::default());
    let network = Network::new(name);
    let (alive, _) = mpsc::channel(1);
    let work_dir = dir.path().join("work");
    let body = Arc::new(Body::new(net, queue, Edge::new(name), (blobs, ratings), executors, work_dir, alive));
    Ear::start(&body, events).unwrap();
    let (notices, _) = broadcast::channel(8);
    let hands = Hands::new(Arc::clone(&body), notices);
    Side { hands, body, tasks, signer: Signer::new(&secret, network), dir }
}

impl Side {
    fn agent(&self) -> gigmesh_protocol::id::AgentId {
        self.body.net.agent()
    }

    fn hints(&self) -> Vec<String> {
        self.body.net.listen_addrs()
    }

    fn contact(&self) -> Record {
        let at = wall_clock();
        let addrs = List::fit(self.hints().iter().map(|address| Text::fit(address)));
        self.signer.sign(&Contact { at, ext: Ext::default(), seq: at.0, addrs, expires: at + Millis::hours(1) }).into()
    }

    /// The next task that `wanted` makes something of.
    fn next<T>(&self, mut wanted: impl FnMut(Task) -> Option<T>) -> T {
        let deadline = Instant::now() + SOON;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if let Some(found) = wanted(self.tasks.recv_timeout(left).expect("it comes in time")) {
                return found;
            }
        }
    }

    fn told<T>(&self, mut wanted: impl FnMut(Input) -> Option<T>) -> T {
        self.next(|task| match task {
            Task::Input(input) => wanted(input),
            _ => None,
        })
    }

    fn put(&self, bytes: &[u8]) -> BlobRef {
        self.body.blobs.put_reader(bytes).unwrap()
    }
}

fn hire() -> gigmesh_protocol::hire::HireId {
    Id::from_bytes([9; 32])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parcel_is_verified_at_the_edge_and_answered_by_the_brain() {
    let (mut here, mut there) = (side(1).await, side(2).await);
    let (good, to, hints) = (here.contact(), there.agent(), there.hints());
    here.hands.carry_out(Output::Send { to, hints, records: vec![good.clone()] });
    let (from, items, waiting) = there.next(|task| match task {
        Task::Parcel { from, items, token, share } => Some((from, items, Waiting::Parcel(token, share))),
        _ => None,
    });
    assert_eq!((from, items), (here.agent(), vec![Ok(good.clone())]));
    let token = there.hands.wait(waiting);
    there.hands.carry_out(Output::Respond(token, vec![Reply::Kept]));
    let sent = here.told(|input| match input {
        Input::Sent { to, ids, replies } => Some((to, ids, replies)),
        _ => None,
    });
    assert_eq!(sent, (to, vec![good.id()], Some(vec![Reply::Kept])));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parcel_that_is_not_answered_was_not_brought() {
    let (mut here, there) = (side(3).await, side(4).await);
    here.hands.carry_out(Output::Send { to: there.agent(), hints: there.hints(), records: vec![here.contact()] });
    there.next(|task| matches!(task, Task::Parcel { .. }).then_some(()));
    assert_eq!(here.told(|input| if let Input::Sent { replies, .. } = input { Some(replies) } else { None }), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn blobs_come_whole_and_only_with_the_brains_leave() {
    let (mut here, there) = (side(5).await, side(6).await);
    let long: Vec<u8> = (0..900_000_u32).map(|n| (n % 251) as u8).collect();
    let blobs = vec![there.put(&long), there.put(b"short"), there.put(b"")];
    let fetch = || Output::Fetch { hire: hire(), from: there.agent(), hints: there.hints(), blobs: blobs.clone() };
    let fetched = |input| if let Input::Fetched { result, .. } = input { Some(result) } else { None };
    for leave in [None, Some(1)] {
        here.hands.carry_out(fetch());
        // Without leave the first question is the last; with it there is one a blob, and an empty one needs nobody's.
        for _ in 0..if leave.is_some() { 2 } else { 1 } {
            there.next(|task| {
                let Call { query, caller } = asked::<MayRead>(task)?;
                assert_eq!((query.hire, query.who), (hire(), here.agent()));
                caller.send(leave).ok()
            });
        }
        let result = here.told(fetched);
        match leave {
            None => assert!(result.unwrap_err().contains("not for you")),
            Some(_) => assert_eq!(result, Ok(blobs.iter().map(|blob| blob.root).collect())),
        }
    }
    assert_eq!(std::fs::read(here.body.blobs.path_of(blobs[0].root).unwrap()).unwrap(), long);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_comes_record_by_record_and_what_is_forged_is_left_out() {
    let (mut here, there) = (side(7).await, side(8).await);
    // A page needs a link, as the brain knows of members by their links only.
    here.hands.carry_out(Output::Send { to: there.agent(), hints: there.hints(), records: vec![here.contact()] });
    there.next(|task| matches!(task, Task::Parcel { .. }).then_some(()));

    let (good, cursor) = (there.contact(), Bytes32([3; 32]));
    let mut forged = good.envelope().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    here.hands.carry_out(Output::AskPage { to: there.agent(), room: "text".to_owned(), after: None });
    there.next(|task| {
        let Call { query, caller } = asked::<RoomPage>(task)?;
        assert_eq!(query, RoomPage { room: "text".to_owned(), after: None });
        let rows = vec![forged.clone(), good.envelope().to_vec()];
        caller.send(Page { rows, next: Some(cursor) }).ok()
    });
    let mut heard = Vec::new();
    let next = here.told(|input| match input {
        Input::Record { origin: Origin::Page, record, .. } => {
            heard.push(record);
            None
        }
        Input::Page { next, .. } => Some(next),
        _ => None,
    });
    assert_eq!((heard, next), (vec![good.clone()], Some(cursor)));
    assert!(here.body.edge.admit_once(good.envelope()).unwrap().is_none(), "it is not verified again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_makes_a_result_or_is_stopped() {
    let mut here = side(10).await;
    let input = BriefInput { blob: here.put(b"a,b\n1,2\n"), name: Text::fit("table"), media: Text::fit("text/csv") };
    let job = |params: &str, attempt| {
        Output::Work(Box::new(WorkJob {
            hire: hire(),
            attempt,
            skill: "text/count/words".parse().unwrap(),
            serving: "text/count".parse().unwrap(),
            inputs: vec![input.clone()],
            params: Some(params.to_owned()),
            part: None,
            feedback: None,
            due: wall_clock() + Millis::mins(1),
            seat: None,
        }))
    };
    let worked = |input| if let Input::Worked { attempt, result, .. } = input { Some((attempt, result)) } else { None };
    here.hands.carry_out(job("0", 0));
    let (attempt, result) = here.told(worked);
    let bytes = std::fs::read(here.body.blobs.path_of(result.unwrap().root).unwrap()).unwrap();
    assert_eq!((attempt, &bytes[..]), (0, &b"{\"done\": true}"[..]));

    here.hands.carry_out(job("600", 1));
    here.hands.carry_out(Output::StopWork(hire()));
    let (attempt, result) = here.told(worked);
    assert_eq!((attempt, result), (1, Err("the work was cancelled".to_owned())));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_run_over_the_bytes_and_know_the_inputs() {
    let mut here = side(11).await;
    let table = b"a,b\n1,2\n";
    let input = BriefInput { blob: here.put(table), name: Text::fit("table"), media: Text::fit("text/csv") };
    let digest = gigmesh_protocol::id::sha256(&[table]);
    let blob = here.put(format!("{{\"rows\": 1, \"of\": \"{digest}\", \"size\": 8}}").as_bytes());
    let asserts = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<_>>();
    let public = asserts(&["result.of == sha256(input.table)", "result.size == input.table.size"]);
    here.hands.carry_out(Output::Check(Box::new(CheckJob {
        hire: hire(),
        blob,
        part: 2,
        compare: Some("result.of".to_owned()),
        public: Checks { schema: None, asserts: public },
        sealed: Some(asserts(&["result.rows == 2"])),
        inputs: vec![input],
        seat: None,
    })));
    let (root, checked) = here.told(|input| match input {
        Input::Checked { root, checked, .. } => Some((root, checked)),
        _ => None,
    });
    assert_eq!(root, blob.root);
    assert!(checked.public.passed(), "{checked:?}");
    assert!(!checked.sealed.unwrap().passed());
    let of = gigmesh_protocol::id::sha256(&[format!("\"{digest}\"").as_bytes()]);
    assert_eq!((checked.part, checked.compared), (2, Some(of)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_node_leaves_no_agent_running() {
    let mut here = side(12).await;
    here.hands.carry_out(Output::Work(Box::new(WorkJob {
        hire: hire(),
        attempt: 0,
        skill: "text/count".parse().unwrap(),
        serving: "text/count".parse().unwrap(),
        inputs: vec![],
        params: Some("600".to_owned()),
        part: None,
        feedback: None,
        due: wall_clock() + Millis::mins(20),
        seat: None,
    })));
    let work = here.dir.path().join("work");
    let jobs = || std::fs::read_dir(&work).map_or(0, Iterator::count);
    wait_until("the agent to work", || jobs() == 1);
    here.body.queue.stop(Why::Asked);
    wait_until("its directory to be gone", || jobs() == 0);
}
