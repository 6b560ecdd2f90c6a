//! What a node does for its brain, in memory: carries out its outputs in their order.

use gigmesh_protocol::arbitration::{CASE, Case, CaseError, Seat};
use gigmesh_protocol::codec::List;
use gigmesh_protocol::gossip::Verdict;
use gigmesh_protocol::hire::{Checked, HireId};
use gigmesh_protocol::id::{AgentId, Bytes32, Id, sha256};
use gigmesh_protocol::market::checks::{Checks, Inputs};
use gigmesh_protocol::market::{BlobRef, Input as BriefInput, Question, Rating};
use gigmesh_protocol::peer::effects::{self, Effects};
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::peer::io::{
    Answer, Caller, CaseJob, CheckJob, Input, Notice, Origin, Output, Page, Refused, Token, Wanted, WorkJob,
};
use gigmesh_protocol::peer::query::{MayRead, RatingsAbout, RatingsBy};
use gigmesh_protocol::record::{Record, Verified};
use gigmesh_protocol::time::{Millis, Timestamp};
use gigmesh_protocol::transcript::Transcript;
use gigmesh_protocol::wire::{Item, Reply, Request, Response};

use super::World;
use super::node::{Node, blob, network};
use super::wire::{HOP, Mail};

impl World {
    pub(super) fn carry_out(&mut self, n: usize, out: Vec<Output>) {
        let life = self.nodes[n].lives;
        for output in out {
            if self.story.is_some() {
                let line = self.line(n, &output);
                self.tell(|| line);
            }
            if self.nodes[n].lives != life {
                return; // It fell in the middle: what was not carried out never is.
            }
            effects::run(output, &mut Runner { world: self, n, life });
        }
    }

    /// What an output looks like in the story.
    fn line(&self, n: usize, output: &Output) -> String {
        let short = |text: String| text.chars().take(150).collect::<String>();
        match output {
            Output::Persist(event) => match Logged::decode(event, &network()).map(|logged| logged.event) {
                Ok(Event::Said { record, .. }) => format!("{n} logs {} {}", record.kind(), record.id()),
                Ok(other) => format!("{n} logs {}", short(format!("{other:?}"))),
                Err(error) => format!("{n} logs {error}"),
            },
            Output::Send { to, records, .. } => {
                let kinds: Vec<_> = records.iter().map(Record::kind).collect();
                format!("{n} sends {:?} {kinds:?}", self.node_of(*to))
            }
            other => format!("{n} {}", short(format!("{other:?}"))),
        }
    }

    /// The case before an arbiter, as its driver opens it.
    fn case(&self, n: usize, seat: &Seat, inputs: &[BriefInput]) -> Result<Case, CaseError> {
        let case = inputs.iter().find(|input| &*input.name == CASE).ok_or(CaseError::Missing)?;
        seat.open(&self.nodes[n].blobs[&case.blob.root])
    }

    /// What peer `n` answers to a request for ratings.
    fn ratings_for(&self, n: usize, wanted: &Wanted) -> (Vec<Verified<Rating>>, Option<Bytes32>) {
        let typed = |after: &Option<Bytes32>| after.map(|after| Id::from_bytes(after.0));
        let page = match wanted {
            Wanted::These(ids) => Some(Page { rows: ids.clone(), next: None }),
            Wanted::About(about, after) => self.query(n, RatingsAbout { about: *about, after: typed(after) }),
            Wanted::By(by, after) => self.query(n, RatingsBy { by: *by, after: typed(after) }),
        };
        let Page { rows: ids, next } = page.expect("it is up");
        let next = next.map(|id| id.untyped());
        let shows = self.nodes[n].shows;
        (
            ids.iter().filter_map(|id| self.nodes[n].ratings.get(id)).filter(|rating| shows(rating)).cloned().collect(),
            next,
        )
    }
}

/// Carries out the outputs of peer `n`.
struct Runner<'a> {
    world: &'a mut World,
    n: usize,
    /// How often the peer had fallen when it put them out.
    life: u8,
}

impl Runner<'_> {
    fn node(&mut self) -> &mut Node {
        &mut self.world.nodes[self.n]
    }

    /// Reports to the peer, if it has not fallen by then.
    fn report(&mut self, after: Millis, input: Input) {
        self.world.post(after, Mail::Input(self.n, self.life, input));
    }

    /// What `server` shows this peer of a hire; all or nothing.
    fn read(&self, server: usize, hire: HireId, blobs: &[BlobRef]) -> Option<Vec<Vec<u8>>> {
        let (server, who) = (&self.world.nodes[server], self.world.id(self.n));
        let (peer, now) = (server.peer.as_ref()?, server.clock.read(self.world.now));
        let read = |blob: &BlobRef| {
            let size = peer.query(now, MayRead { hire, who, root: blob.root })?;
            assert_eq!(size, blob.size);
            server.blobs.get(&blob.root).cloned()
        };
        blobs.iter().map(read).collect()
    }
}

impl Effects for Runner<'_> {
    fn persist(&mut self, event: Vec<u8>) {
        let (n, node) = (self.n, self.node());
        if node.journals {
            node.journal.push(event);
        }
        let written = node.journal.len();
        if self.world.crash_at == Some((n, written)) {
            self.world.crash_at = None;
            // More was decided than is on the disk.
            self.world.fall(n, false);
            self.world.rise(n);
        }
    }

    fn keep_rating(&mut self, rating: Record) {
        if let Record::Rating(rating) = rating {
            self.node().ratings.insert(rating.id(), rating);
        }
    }

    fn drop_rating(&mut self, _: AgentId, rating: Id<Rating>) {
        self.node().ratings.remove(&rating);
    }

    fn send(&mut self, to: AgentId, _: Vec<String>, records: Vec<Record>) {
        let (n, life) = (self.n, self.life);
        let ids = records.iter().map(Record::id).collect();
        let bytes = Request::Parcel(List::fit(records.iter().map(Item::of))).encode();
        match self.world.node_of(to) {
            Some(to) => self.world.transmit(n, to, Mail::Request { from: n, to, ids, bytes }),
            None => self.world.post(HOP, Mail::Reply { to: n, life, from: n, ids, replies: None }),
        }
    }

    fn respond(&mut self, token: Token, replies: Vec<Reply>) {
        let n = self.n;
        let Some((from, life, ids)) = self.world.tokens.remove(&(n, token)) else { panic!("a parcel answered twice") };
        let bytes = Response::Replies(List::fit(replies)).encode();
        let Ok(Response::Replies(replies)) = Response::decode(&bytes) else { panic!("replies survive the wire") };
        let replies = (!self.world.cut).then(|| replies.to_vec());
        self.world.transmit(n, from, Mail::Reply { to: from, life, from: n, ids, replies });
    }

    fn publish(&mut self, _: String, record: Record) {
        let (n, world) = (self.n, &mut *self.world);
        // Each would verify it at its own edge, and find the same.
        let record = world.admit(record.envelope(), None).expect("published records are good");
        let offer = matches!(record, Record::Offer(_));
        let heard = world.audience.clone().filter(|_| offer);
        let hears = |other: &usize| {
            let told = heard.as_ref().is_none_or(|heard| heard.contains(other));
            *other != n && told && (offer || world.nodes[*other].asks)
        };
        for other in (0..world.nodes.len()).filter(|other| !world.cut && hears(other)).collect::<Vec<_>>() {
            let input = Input::Record { from: world.id(n), origin: Origin::Gossip(0), record: record.clone() };
            let life = world.nodes[other].lives;
            world.transmit(n, other, Mail::Input(other, life, input));
        }
    }

    // `publish` reaches every peer at once: there is no gossip to judge, no room to join and nothing to catch up with.
    fn verdict(&mut self, _: Token, _: Verdict) {}
    fn follow(&mut self, _: String) {}
    fn ask_page(&mut self, _: AgentId, _: String, _: Option<Bytes32>) {}
    // A peer is found by its id, so nobody needs its address.
    fn announce(&mut self, _: Record) {}

    fn ask_ratings(&mut self, to: AgentId, _: Vec<String>, wanted: Wanted) {
        let asks = self.node().asks;
        let server = self.world.node_of(to).filter(|server| asks && self.world.reaches(self.n, *server));
        let (ratings, next) = server.map_or_else(Default::default, |server| self.world.ratings_for(server, &wanted));
        self.report(HOP, Input::Ratings { from: to, wanted, ratings, next });
    }

    fn fetch(&mut self, hire: HireId, from: AgentId, _: Vec<String>, blobs: Vec<BlobRef>) {
        let n = self.n;
        let server = self.world.node_of(from);
        let lost = self.world.chaos.as_mut().is_some_and(|chaos| {
            let link = server.and_then(|server| chaos.links.get(&(server, n))).copied().unwrap_or_default();
            chaos.dice.roll(100) < link.lost
        });
        let server = server.filter(|server| !lost && self.world.reaches(n, *server));
        let got = server.and_then(|server| self.read(server, hire, &blobs));
        let result = got.ok_or_else(|| "not served".to_owned()).map(|got| {
            let roots: Vec<Bytes32> = blobs.iter().map(|blob| blob.root).collect();
            self.node().blobs.extend(roots.iter().copied().zip(got));
            roots
        });
        self.report(HOP, Input::Fetched { hire, result });
    }

    fn work(&mut self, job: WorkJob) {
        let world = &mut *self.world;
        *world.nodes[self.n].runs.entry(job.hire).or_default() += 1;
        let node = &world.nodes[self.n];
        let inputs: Vec<Vec<u8>> = job.inputs.iter().map(|input| node.blobs[&input.blob.root].clone()).collect();
        let case = job.seat.map(|seat| world.case(self.n, &seat, &job.inputs)).transpose();
        let result = case.map_err(|error| error.to_string()).and_then(|_| (node.agent)(&job, &inputs)).map(|bytes| {
            let blob = blob(&bytes);
            self.node().blobs.insert(blob.root, bytes);
            blob
        });
        let takes = self.node().work_takes;
        self.report(takes, Input::Worked { hire: job.hire, attempt: job.attempt, result });
    }

    fn tell(&mut self, _: HireId, _: Id<Question>, text: String, _: Timestamp) {
        self.node().told.push(text);
    }

    fn stop_work(&mut self, hire: HireId) {
        let n = self.n;
        let works = |mail: &Mail| match mail {
            Mail::Input(who, _, Input::Worked { hire: at, .. }) => (*who, *at) == (n, hire),
            _ => false,
        };
        let killed: Vec<_> = self.world.queue.iter().filter(|(_, mail)| works(mail)).map(|(key, _)| *key).collect();
        for key in killed {
            if let Some(Mail::Input(_, life, Input::Worked { hire, attempt, .. })) = self.world.queue.remove(&key) {
                let result = Err("stopped".to_owned());
                self.world.post(HOP, Mail::Input(n, life, Input::Worked { hire, attempt, result }));
            }
        }
    }

    fn check(&mut self, job: CheckJob) {
        let bytes = self.node().blobs[&job.blob.root].clone();
        let inputs = Stored(&job.inputs);
        let run = |checks: Checks| checks.compile().expect("checks were validated").run(&bytes, &inputs);
        let sealed = job.sealed.clone().map(|asserts| run(Checks { schema: None, asserts }));
        let compared = job.compare.as_ref().map(|_| sha256(&[&bytes]));
        let decided = job.seat.map(|seat| self.world.case(self.n, &seat, &job.inputs)?.decide(&bytes));
        let checked = Checked { public: run(job.public.clone()), sealed, part: job.part, compared, decided };
        self.report(Millis(1), Input::Checked { hire: job.hire, root: job.blob.root, checked });
    }

    fn case(&mut self, job: CaseJob) {
        let transcript = Transcript::new("test", job.records).expect("a chain fits").to_json();
        let case = blob(&transcript);
        self.node().blobs.insert(case.root, transcript);
        self.report(HOP, Input::Cased { hire: job.hire, result: Ok(case) });
    }

    fn answer(&mut self, _: Caller, answer: Result<Answer, Refused>) {
        self.node().answers.push(answer);
    }

    fn notice(&mut self, notice: Notice) {
        self.node().notices.push(notice);
    }

    fn blame(&mut self, agent: AgentId, what: String) {
        self.node().blamed.push(format!("{agent:?}: {what}"));
    }
}

/// What checks may ask of inputs.
struct Stored<'a>(&'a [BriefInput]);
impl Inputs for Stored<'_> {
    fn sha256(&self, _: &str) -> Option<Bytes32> {
        None
    }
    fn size(&self, name: &str) -> Option<u64> {
        self.0.iter().find(|input| &*input.name == name).map(|input| input.blob.size)
    }
}
