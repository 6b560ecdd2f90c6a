//! A peer in a world: its brain, its memory, its clock, and the agent behind it.

use std::collections::BTreeMap;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::market::{BlobRef, Rating, SkillEntry};
use gigmesh_protocol::merkle::{self, CHUNK_BYTES};
use gigmesh_protocol::peer::Peer;
use gigmesh_protocol::peer::io::{Answer, Config, From, Input, Notice, Refused, Serving, WorkJob};
use gigmesh_protocol::record::{Network, Signer, Verified};
use gigmesh_protocol::time::{Millis, Timestamp};

/// When worlds begin.
pub const START: Timestamp = Timestamp(1_800_000_000_000);

/// The network they are in.
pub fn network() -> Network {
    Network::new("test")
}

/// Peer `n`'s key.
pub fn signer(n: usize) -> Signer {
    let mut key = [(n as u8).wrapping_add(1); 32];
    key.iter_mut().zip((n as u64 >> 8).to_be_bytes()).for_each(|(byte, more)| *byte ^= more);
    Signer::new(&key, network())
}

/// What bytes are called in a store.
pub fn blob(bytes: &[u8]) -> BlobRef {
    let leaves: Vec<_> = bytes.chunks(CHUNK_BYTES).map(merkle::leaf).collect();
    BlobRef { root: Bytes32(merkle::root(&leaves)), size: bytes.len() as u64 }
}

/// What an agent makes of a job.
pub type Agent = fn(&WorkJob, &[Vec<u8>]) -> Result<Vec<u8>, String>;

/// Counts the bytes of its first input: the honest agent of these tests.
pub fn honest(job: &WorkJob, inputs: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    Ok(format!(r#"{{"bytes": {}, "run": {}}}"#, inputs.first().map_or(0, Vec::len), job.attempt).into_bytes())
}

/// A peer and what is around it.
pub struct Node {
    /// Absent while it is down.
    pub peer: Option<Peer>,
    pub(super) id: AgentId,
    /// What time it has.
    pub clock: Clock,
    /// What it will fall over.
    pub fall: Option<Fall>,
    /// The brain as it fell, if all it had decided was on the disk.
    pub(super) fallen: Option<Peer>,
    /// What its operator wrote; it is read when it comes up.
    pub config: Config,
    /// Who works.
    pub agent: Agent,
    /// How long that takes.
    pub work_takes: Millis,
    /// Its events, unless [`super::World::journals`] says that it keeps none.
    pub journal: Vec<Vec<u8>>,
    /// The ratings it keeps.
    pub ratings: BTreeMap<Id<Rating>, Verified<Rating>>,
    /// The blobs it has.
    pub blobs: BTreeMap<Bytes32, Vec<u8>>,
    /// What its user was told.
    pub notices: Vec<Notice>,
    /// What its user was answered.
    pub answers: Vec<Result<Answer, Refused>>,
    /// What it holds against others.
    pub blamed: Vec<String>,
    /// What the agent was told in answer to its questions.
    pub told: Vec<String>,
    /// How often the agent was started, by hire.
    pub runs: BTreeMap<HireId, usize>,
    /// Which it is.
    pub(super) n: usize,
    /// How often it has come up.
    pub lives: u8,
    /// Whether it writes a journal.
    pub journals: bool,
    /// Whether it asks others for ratings, and listens to who is there: whoever cares for nobody's name hears of offers alone.
    pub asks: bool,
    /// Which ratings it shows to whoever asks.
    pub shows: fn(&Rating) -> bool,
    /// When its brain next wants to be asked.
    pub(super) due: Option<Timestamp>,
}

/// What a node's clock says, and what its driver makes of it.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// By how much it is ahead of the world's.
    pub ahead: i64,
    /// The last time that was given out: it never goes back while the node runs.
    pub(super) last: Timestamp,
    /// What is to be told once there is a time again, while there is none.
    pub(super) held: Option<Vec<Input>>,
}

impl Clock {
    pub(super) fn read(&self, now: Timestamp) -> Timestamp {
        Timestamp(now.0.saturating_add_signed(self.ahead)).max(self.last)
    }
}

/// A fall while a turn is committed and carried out, as a driver does it: all events first, then the rest.
#[derive(Debug, Clone, Copy)]
pub struct Fall {
    /// Over which of its turns that have events, from 0.
    pub turn: usize,
    /// How many of them reach the disk. Taken modulo what there is, as is the next.
    pub events: usize,
    /// If all of them do, how much of the rest is carried out.
    pub outputs: usize,
    /// How long it is down.
    pub down: Millis,
}

/// A worker at anything to do with texts, for anybody.
pub fn worker(name: &str, price: &str, parallel: usize) -> Config {
    let entry = SkillEntry {
        path: "text".parse().expect("a skill"),
        input: None,
        price: price.parse().expect("a price"),
        constraint: None,
        expect: Millis::secs(10),
        output: None,
        properties: Default::default(),
    };
    Config {
        name: name.into(),
        version: "1".into(),
        model: None,
        from: From::Anyone,
        parallel,
        skills: vec![Serving { entry, restartable: true }],
        ..Config::default()
    }
}
