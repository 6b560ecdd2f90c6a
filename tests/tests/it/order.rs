//! *Log first, then speak*, on the system calls of two real nodes: strace takes down what they write, sync, send and start during
//! a hire, on one clock, and makes each fdatasync take 20 ms at least.
//!
//! What peers say to each other is encrypted, so what a call sends to a peer cannot be read off it. What can:
//!
//! | rule | what it shows |
//! |---|---|
//! | the thread that has written to the journal makes no call before it has synced it | nobody is woken between |
//! | a record is not in the other side's journal before its maker's sync of it has ended | it was not sent before |
//! | what is left to acknowledge is nothing, by the sender's journal, only after the other's sync of it | no ack came before |
//! | a notice, or the answer to a command, on the local socket (not encrypted) comes after the sync of what it tells | |
//! | the agent's program is started after the sync of its event | |
//!
//! The second and third say when something arrived at the latest, and could miss a message that was sent too early and took
//! longer than the sync: hence the 20 ms. What leaves the brain, message by message, is watched in the node's own tests
//! (`node/src/node/tests/order.rs`).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gigmesh_protocol::hire::{HireId, Side};
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::record::{Network, Record};
use gigmesh_protocol::wire::Item;
use gigmesh_tests::{
    Bootstrap, Call, Node, Process, SOON, Setup, Transport, calls, free_port, home, temp_dir, traced, wait_until,
};
use serde_json::Value;

use crate::tasks::{counter, quick_in};

/// One side's calls, and what it told whoever watched it.
struct Traced {
    agent: AgentId,
    calls: Vec<Call>,
}

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// How the journal's event of this name about a hire begins: a map with one entry, whose first field is the hire.
fn event(name: &str, fields: u8, hire: &[u8; 32]) -> Vec<u8> {
    let name = [&[0x60 + u8::try_from(name.len()).unwrap()], name.as_bytes()].concat();
    [&name, &[0xa0 + fields][..], b"\x64hire\x58\x20", hire].concat()
}

impl Traced {
    /// Where in the journal something was first written: which call, and when the sync of it had ended.
    fn durable(&self, what: &[u8], late: u128) -> Option<(&Call, u128)> {
        let into_journal = |call: &&Call| call.name == "write" && call.file.contains("/journal/");
        let write = self.calls.iter().filter(into_journal).find(|call| holds(&call.bytes, what))?;
        let syncs = |call: &&Call| call.name == "fdatasync" && call.file == write.file && call.result == Some(0);
        let sync = self.calls.iter().filter(syncs).find(|call| call.began > write.began)?;
        Some((write, sync.ended + late))
    }

    /// What it wrote to sockets that can be read there, with the time.
    fn told(&self) -> impl Iterator<Item = (u128, String)> {
        let sockets =
            self.calls.iter().filter(|call| call.file.starts_with("socket:") || call.file.contains("api.sock"));
        sockets.map(|call| (call.began, String::from_utf8_lossy(&call.bytes).into_owned()))
    }
}

/// What was compared, by rule, and what was wrong.
type Found = (BTreeMap<&'static str, usize>, Vec<String>);

/// Holds the rules against the calls. `late`: as if each sync of the journal had ended so many nanoseconds later.
fn judge(sides: [&Traced; 2], hire: &HireId, offer: &str, records: &[Record], late: u128) -> Found {
    let (mut compared, mut wrong) = (BTreeMap::new(), Vec::new());
    let mut rule = |name, holds: bool, what: String| {
        *compared.entry(name).or_default() += 1;
        if !holds {
            wrong.push(format!("{name}: {what}"));
        }
    };
    for (n, side) in sides.into_iter().enumerate() {
        let other = sides[1 - n];
        let writes = side.calls.iter().filter(|call| call.name == "write" && call.file.contains("/journal/"));
        for write in writes {
            let next = side.calls.iter().find(|call| call.thread == write.thread && call.began > write.began);
            let synced =
                |call: &&Call| call.name.ends_with("sync") && call.file == write.file && call.result == Some(0);
            rule("sync", next.filter(synced).is_some(), format!("after {} bytes: {next:?}", write.bytes.len()));
        }
        let (mut last, mut said) = (0, BTreeMap::<_, Vec<u128>>::new());
        for record in records {
            let Some((_, synced)) = side.durable(record.envelope(), late) else { continue };
            let by = if record.issuer() == sides[0].agent { Side::Requester } else { Side::Worker };
            said.entry((by, record.kind().to_owned())).or_default().push(synced);
            if record.issuer() == other.agent {
                last = last.max(synced);
            } else if let Some((write, _)) = other.durable(record.envelope(), 0) {
                rule("send", write.began > synced, format!("a {} arrived before its maker's sync", record.kind()));
            }
        }
        if let Some((through, _)) = other.durable(&event("Through", 1, hire.as_bytes()), 0) {
            rule("ack", through.began > last, "all was acknowledged before it was synced".to_owned());
        }
        let mut heard = BTreeMap::<_, usize>::new();
        for (at, text) in side.told() {
            let notices = text.lines().filter_map(|line| serde_json::from_str(line.strip_prefix("data:")?.trim()).ok());
            for notice in notices.filter(|notice: &Value| notice["hire"] == hire.to_string()) {
                if notice["event"] == "said" {
                    let by = serde_json::from_value(notice["by"].clone()).unwrap();
                    let of = (by, notice["kind"].as_str().unwrap().to_owned());
                    let nth = heard.entry(of.clone()).or_default();
                    if let Some(synced) = said.get(&of).and_then(|synced| synced.get(*nth)) {
                        rule("notice", at > *synced, format!("a {} is told before its sync", of.1));
                    }
                    *nth += 1;
                }
                if notice["event"] == "closed"
                    && let Some((_, synced)) = side.durable(&event("Closed", 3, hire.as_bytes()), late)
                {
                    rule("closed", at > synced, "the end is told before its sync".to_owned());
                }
            }
            if text.contains(&format!("{{\"offer\":\"{offer}\",")) {
                let (_, synced) =
                    side.durable(records[0].envelope(), late).expect("what is answered is in the journal");
                rule("answer", at > synced, "a posting is answered before its sync".to_owned());
            }
        }
        // The first is the node.
        let mut started = side.calls.iter().filter(|call| call.name == "execve" && call.result == Some(0)).skip(1);
        if let Some(agent) = started.next() {
            let (_, synced) = side.durable(&event("Started", 1, hire.as_bytes()), late).expect("a start is an event");
            rule("start", agent.began > synced, "the agent is started before the sync".to_owned());
        }
    }
    (compared, wrong)
}

#[test]
fn by_the_system_calls_of_a_hire_every_word_comes_after_the_sync_of_what_it_rests_on() {
    let dir = temp_dir();
    let traces = ["requester", "worker"].map(|name| dir.path().join(format!("{name}.trace")));
    let [Some(under_requester), Some(under_worker)] = traces.each_ref().map(|trace| traced(trace)) else { return };
    let bootstrap = Bootstrap::start(&home(dir.path(), "bootstrap"), &Transport::Tcp.address(free_port()), &[]);
    let doors = vec![bootstrap.address.clone()];
    let start = |name: &str, agent, under| {
        let setup = Setup { agent, doors: doors.clone(), under, ..Setup::default() };
        Node::start(&home(dir.path(), name), name, &setup)
    };
    let mut nodes = [start("requester", None, under_requester), start("worker", Some(counter()), under_worker)];
    let watches = nodes.each_ref().map(|node| {
        let data = node.data_dir().display().to_string();
        let mut watch = Process::start(node.home(), "watch", &["watch", "--json", "--data-dir", &data]);
        watch.first_line();
        watch
    });
    let offer = nodes[0].post(&quick_in(dir.path()), None);
    let id = nodes[0].first_hire();
    let hire: HireId = id.parse().unwrap();
    let done = event("Through", 1, hire.as_bytes());
    for node in &nodes {
        assert_eq!(node.settled(&id)["row"]["closed"]["outcome"], "accepted");
        let journal = node.data_dir().join("journal/00000000000000000001.log");
        wait_until("nothing left to send", SOON, || holds(&fs::read(&journal).ok()?, &done).then_some(()));
    }
    let transcript: Value = nodes[0].door().get(&format!("/v1/hires/{id}/records")).unwrap();
    let network = Network::new(transcript["network"].as_str().unwrap());
    let items: Vec<Item> = serde_json::from_value(transcript["records"].clone()).unwrap();
    let record = |item: &Item| Record::from_journal(&item.record, item.beside.as_deref(), &network).unwrap();
    let records: Vec<Record> = items.iter().map(record).collect();
    assert_eq!(records[0].kind(), "offer/1");
    drop(watches);
    nodes.iter_mut().for_each(Node::stop);

    let read = |n: usize| Traced { agent: nodes[n].agent.parse().unwrap(), calls: whole(&traces[n]) };
    let (requester, worker) = (read(0), read(1));
    let sides = [&requester, &worker];
    let (compared, wrong) = judge(sides, &hire, &offer, &records, 0);
    println!("compared: {compared:?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    // Offer, claim, award, begin, brief, progress, header, ack, verdict, receipt, countersign.
    let least = [("sync", 16), ("send", 11), ("ack", 2), ("notice", 8), ("closed", 2), ("answer", 1), ("start", 1)];
    for (rule, least) in least {
        assert!(compared.get(rule).is_some_and(|count| *count >= least), "{rule}: {compared:?}");
    }
    // Had the syncs ended two seconds later, none of the rules but the first would have been kept: they are no idle words.
    let (_, wrong) = judge(sides, &hire, &offer, &records, 2_000_000_000);
    for (rule, _) in &least[1..] {
        assert!(wrong.iter().any(|wrong| wrong.starts_with(rule)), "{rule}: {wrong:#?}");
    }
}

/// The calls, once the tracer has seen the end of the process.
fn whole(trace: &Path) -> Vec<Call> {
    let over = || fs::read_to_string(trace).ok()?.trim_end().ends_with("+++ exited with 0 +++").then_some(());
    wait_until("the end of the trace", SOON, over);
    calls(trace)
}
