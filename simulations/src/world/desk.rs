//! What the users of a world's peers do and see.

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::id::{AgentId, Id};
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::market::{Input as BriefInput, Offer, Outcome};
use gigmesh_protocol::peer::io::{Answer, Command, HireRow, Input, Output, Refused, Shown};
use gigmesh_protocol::peer::query::{Hires, Query, Records, Show};
use gigmesh_protocol::peer::{Peer, RestoreError, Retain};
use gigmesh_protocol::record::Record;
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::wire::{Item, Reply};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use super::World;
use super::node::{blob, network, signer};
use super::wire::Mail;

impl World {
    /// Something happens to peer `n`.
    pub fn input(&mut self, n: usize, input: Input) {
        let life = self.nodes[n].lives;
        self.post(Millis(0), Mail::Input(n, life, input));
    }

    /// A command of peer `n`'s user, handled at once; its answer.
    pub fn command(&mut self, n: usize, command: Command) -> Result<Answer, Refused> {
        let before = self.nodes[n].answers.len();
        self.handle(n, Input::Command { caller: 1, command });
        self.nodes[n].answers.get(before).cloned().expect("a command is answered at once")
    }

    /// A command that may get no answer: the peer is down, or falls over it.
    pub fn say(&mut self, n: usize, command: Command) {
        self.handle(n, Input::Command { caller: 1, command });
    }

    /// Posts `task` from peer 0, to everyone or to one.
    pub fn hire(&mut self, task: Task, to: Option<usize>) -> Id<Offer> {
        for input in &task.inputs {
            assert!(self.nodes[0].blobs.contains_key(&input.blob.root), "store the input first");
        }
        let to = to.map(|n| self.id(n));
        match self.command(0, Command::Hire { task: Box::new(task), to, token: None }) {
            Ok(Answer::Posted(id)) => id,
            other => panic!("not posted: {other:?}"),
        }
    }

    /// Posts a task where the requester may fall while it does: then the user, who got no answer, looks and asks again.
    pub fn hire_or_crash(&mut self, task: Task) {
        self.say(0, Command::Hire { task: Box::new(task.clone()), to: None, token: None });
        if self.rows(0).is_empty() {
            self.hire(task, None);
        }
    }

    /// Records that anybody sends peer `to`, admitted there like all others; its replies.
    pub fn slip(&mut self, from: AgentId, to: usize, records: &[Record]) -> Vec<Reply> {
        let items = records.iter().map(|record| Record::admit(record.envelope(), record.beside(), &network()));
        let (mut out, mut replies) = (Vec::new(), Vec::new());
        let input = Input::Parcel { from, token: 0, items: items.collect() };
        let now = self.time(to);
        self.nodes[to].peer.as_mut().expect("it is up").handle(now, input, &mut out);
        out.retain(|output| match output {
            Output::Respond(0, said) => {
                replies.clone_from(said);
                false
            }
            _ => true,
        });
        self.carry_out(to, out);
        replies
    }

    /// What peer `n` answers, if it is up.
    pub fn query<Q: Query>(&self, n: usize, query: Q) -> Option<Q::Answer> {
        self.nodes[n].peer.as_ref().map(|peer| peer.query(self.time(n), query))
    }

    /// Its newest postings and hires.
    pub fn rows(&self, n: usize) -> Vec<HireRow> {
        self.query(n, Hires::default()).map(|page| page.rows).unwrap_or_default()
    }

    /// The one hire of a story, as peer `n` sees it.
    pub fn hire_of(&self, n: usize) -> HireRow {
        let rows: Vec<HireRow> = self.rows(n).into_iter().filter(|row| row.hire.is_some()).collect();
        assert_eq!(rows.len(), 1, "one hire expected: {rows:?}");
        rows[0].clone()
    }

    /// Everything about one of its hires.
    pub fn shown(&self, n: usize, id: HireId) -> Shown {
        self.query(n, Show(id.to_string())).expect("it is up").expect("it has this hire")
    }

    /// The records of a hire as peer `n` holds them: offer, claim, award, then both chains.
    pub fn records(&self, n: usize, hire: HireId) -> Vec<Record> {
        let held = self.query(n, Records(hire.to_string())).expect("it is up").expect("it has this hire");
        let admit = |item: &Item| self.admit(&item.record, item.beside.as_deref()).expect("it was admitted before");
        held.records.iter().map(admit).collect()
    }

    /// How the one hire of a story ended for both sides: outcome and whether both signed.
    pub fn ends(&self) -> [Option<(Outcome, bool)>; 2] {
        [0, 1].map(|n| self.hire_of(n).closed.map(|closed| (closed.outcome, closed.agreed)))
    }

    /// Puts bytes into peer 0's store and names them as an input.
    pub fn store(&mut self, name: &str, bytes: &[u8]) -> BriefInput {
        let blob = blob(bytes);
        self.nodes[0].blobs.insert(blob.root, bytes.to_vec());
        BriefInput {
            blob,
            name: name.try_into().expect("a name"),
            media: "text/plain".try_into().expect("a media type"),
        }
    }

    /// A task about one document of eleven bytes.
    pub fn task(&mut self) -> Task {
        let input = self.store("document", b"hello world");
        let checks = Checks { schema: None, asserts: vec!["result.bytes >= 0".parse().expect("an assertion")] };
        Task {
            sealed: vec!["result.bytes == 11".parse().expect("an assertion")],
            max: Some("0.05 USD".parse().expect("a price")),
            done: Millis::mins(5),
            inputs: vec![input],
            ..Task::new("text/count".parse().expect("a skill"), "Count the bytes", checks)
        }
    }

    /// Has peer `n` compact its journal, as a node does when it has grown; how many events were archived.
    pub fn compact(&mut self, n: usize) -> usize {
        let journal = std::mem::take(&mut self.nodes[n].journal);
        let peer = self.nodes[n].peer.as_mut().expect("it is up");
        let (past, before) = (peer.past(self.now), journal.len());
        let retention = peer.retention(&past);
        let live: Vec<Vec<u8>> = journal.into_iter().filter(|event| retention.of(event) == Retain::Live).collect();
        peer.forget(&past);
        self.nodes[n].journal = live;
        before - self.nodes[n].journal.len()
    }

    /// Peer `n` as its journal alone has it.
    pub fn replay(&self, n: usize) -> Result<Peer, RestoreError> {
        let node = &self.nodes[n];
        let rng = Box::new(ChaCha20Rng::from_seed([0; 32]));
        let (config, events) = (node.config.clone(), node.journal.iter().cloned());
        Peer::replay(config, signer(node.n), rng, events, node.ratings.values().cloned()).map(|(peer, _)| peer)
    }
}
