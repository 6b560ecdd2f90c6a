//! What a node does for its brain, in memory: carries out its outputs in their order.

use gigmesh_protocol::arbitration::{CASE, Case, Seat};
use gigmesh_protocol::codec::List;
use gigmesh_protocol::hire::Checked;
use gigmesh_protocol::id::{AgentId, Bytes32, Id, sha256};
use gigmesh_protocol::market::checks::{Checks, Inputs};
use gigmesh_protocol::market::{BlobRef, Input as BriefInput, Rating};
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::peer::io::{Found, Input, Origin, Output, Query, Wanted};
use gigmesh_protocol::record::{Record, Verified};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::transcript::Transcript;
use gigmesh_protocol::wire::{Item, Request, Response};

use super::World;
use super::node::{blob, network};
use super::wire::{HOP, Mail};

impl World {
    pub(super) fn carry_out(&mut self, n: usize, out: Vec<Output>) {
        let life = self.nodes[n].lives;
        for output in out {
            let who = |id: &AgentId| self.node_of(*id);
            let line = self.story.is_some().then(|| match &output {
                Output::Persist(event) => match Logged::decode(event, &network()).map(|logged| logged.event) {
                    Ok(Event::Said { record, .. }) => format!("{n} logs {} {}", record.kind(), record.id()),
                    Ok(other) => format!("{n} logs {}", format!("{other:?}").chars().take(150).collect::<String>()),
                    Err(error) => format!("{n} logs {error}"),
                },
                Output::Send { to, records, .. } => {
                    let kinds: Vec<_> = records.iter().map(Record::kind).collect();
                    format!("{n} sends {:?} {kinds:?}", who(to))
                }
                other => format!("{n} {}", format!("{other:?}").chars().take(150).collect::<String>()),
            });
            line.into_iter().for_each(|line| self.tell(|| line));
            if self.nodes[n].lives != life {
                return; // It fell in the middle: what was not carried out never is.
            }
            match output {
                Output::Persist(event) => {
                    if self.nodes[n].journals {
                        self.nodes[n].journal.push(event);
                    }
                    if self.crash_at == Some((n, self.nodes[n].journal.len())) {
                        self.crash_at = None;
                        // More was decided than is on the disk.
                        self.fall(n, false);
                        self.rise(n);
                    }
                }
                Output::Keep(record) => {
                    if let Record::Rating(rating) = *record {
                        self.nodes[n].ratings.insert(rating.id(), rating);
                    }
                }
                Output::Send { to, records, .. } => {
                    let ids = records.iter().map(Record::id).collect();
                    let bytes = Request::Parcel(List::fit(records.iter().map(Item::of))).encode();
                    match self.node_of(to) {
                        Some(to) => self.transmit(n, to, Mail::Request { from: n, to, ids, bytes }),
                        None => self.post(HOP, Mail::Reply { to: n, life, from: n, ids, replies: None }),
                    }
                }
                Output::Respond(token, replies) => {
                    let Some((from, life, ids)) = self.tokens.remove(&(n, token)) else {
                        panic!("a parcel answered twice")
                    };
                    let bytes = Response::Replies(List::fit(replies)).encode();
                    let Ok(Response::Replies(replies)) = Response::decode(&bytes) else {
                        panic!("replies survive the wire")
                    };
                    let replies = (!self.cut).then(|| replies.to_vec());
                    self.transmit(n, from, Mail::Reply { to: from, life, from: n, ids, replies });
                }
                Output::Publish { record, .. } => {
                    // Each would verify it at its own edge, and find the same.
                    let record = self.admit(record.envelope(), None).expect("published records are good");
                    let offer = matches!(record, Record::Offer(_));
                    let heard = self.audience.clone().filter(|_| offer);
                    let hears = |other: &usize| {
                        let told = heard.as_ref().is_none_or(|heard| heard.contains(other));
                        *other != n && told && (offer || self.nodes[*other].asks)
                    };
                    for other in (0..self.nodes.len()).filter(|other| !self.cut && hears(other)).collect::<Vec<_>>() {
                        let (from, record) = (self.id(n), record.clone());
                        let input = Input::Record { from, origin: Origin::Gossip(0), record };
                        let life = self.nodes[other].lives;
                        self.transmit(n, other, Mail::Input(other, life, input));
                    }
                }
                Output::AskRatings { to, wanted, .. } => {
                    let asks = self.nodes[n].asks;
                    let server = self.node_of(to).filter(|server| asks && self.reaches(n, *server));
                    let (ratings, next) =
                        server.map_or_else(Default::default, |server| self.ratings_for(server, &wanted));
                    self.post(HOP, Mail::Input(n, life, Input::Ratings { from: to, wanted, ratings, next }));
                }
                Output::Fetch { hire, from, blobs, .. } => {
                    let server = self.node_of(from);
                    let lost = self.chaos.as_mut().is_some_and(|chaos| {
                        let link = server.map(|server| (server, n));
                        let link = link.and_then(|link| chaos.links.get(&link)).copied().unwrap_or_default();
                        chaos.dice.roll(100) < link.lost
                    });
                    let server = server.filter(|server| !lost && self.reaches(n, *server));
                    let reader = self.id(n);
                    let read = |blob: &BlobRef| {
                        let server = &self.nodes[server?];
                        let query = Query::MayRead { hire, who: reader, root: blob.root };
                        let found = server.peer.as_ref()?.query(server.clock.read(self.now), &query);
                        let Found::MayRead(Some(size)) = found else { return None };
                        assert_eq!(size, blob.size);
                        server.blobs.get(&blob.root).cloned()
                    };
                    let got: Option<Vec<Vec<u8>>> = blobs.iter().map(read).collect();
                    let result = got.ok_or_else(|| "not served".to_owned()).map(|got| {
                        blobs
                            .iter()
                            .zip(got)
                            .for_each(|(blob, bytes)| drop(self.nodes[n].blobs.insert(blob.root, bytes)));
                        blobs.iter().map(|blob| blob.root).collect()
                    });
                    self.post(HOP, Mail::Input(n, life, Input::Fetched { hire, result }));
                }
                Output::Drop { rating, .. } => drop(self.nodes[n].ratings.remove(&rating)),
                Output::Tell { text, .. } => self.nodes[n].told.push(text),
                Output::Work(job) => {
                    *self.nodes[n].runs.entry(job.hire).or_default() += 1;
                    let inputs: Vec<Vec<u8>> =
                        job.inputs.iter().map(|input| self.nodes[n].blobs[&input.blob.root].clone()).collect();
                    let case = job.seat.map(|seat| self.case(n, &seat, &job.inputs)).transpose();
                    let made = case.and_then(|_| (self.nodes[n].agent)(&job, &inputs));
                    let result = made.map(|bytes| {
                        let blob = blob(&bytes);
                        self.nodes[n].blobs.insert(blob.root, bytes);
                        blob
                    });
                    let takes = self.nodes[n].work_takes;
                    self.post(
                        takes,
                        Mail::Input(n, life, Input::Worked { hire: job.hire, attempt: job.attempt, result }),
                    );
                }
                Output::Check(job) => {
                    let bytes = self.nodes[n].blobs[&job.blob.root].clone();
                    let inputs = Stored(&job.inputs);
                    let run = |checks: Checks| checks.compile().expect("checks were validated").run(&bytes, &inputs);
                    let sealed = job.sealed.clone().map(|asserts| run(Checks { schema: None, asserts }));
                    let compared = job.compare.as_ref().map(|_| sha256(&[&bytes]));
                    let decided = job.seat.map(|seat| self.case(n, &seat, &job.inputs)?.decide(&bytes));
                    let checked =
                        Checked { public: run(job.public.clone()), sealed, part: job.part, compared, decided };
                    self.post(
                        Millis(1),
                        Mail::Input(n, life, Input::Checked { hire: job.hire, root: job.blob.root, checked }),
                    );
                }
                Output::Case(job) => {
                    let transcript = Transcript::new("test", job.records).expect("a chain fits").to_json();
                    let case = blob(&transcript);
                    self.nodes[n].blobs.insert(case.root, transcript);
                    self.post(HOP, Mail::Input(n, life, Input::Cased { hire: job.hire, result: Ok(case) }));
                }
                Output::Answer(_, answer) => self.nodes[n].answers.push(answer),
                Output::Notice(notice) => self.nodes[n].notices.push(notice),
                Output::Blame(who, why) => self.nodes[n].blamed.push(format!("{who:?}: {why}")),
                Output::Verdict(..) | Output::Announce(_) | Output::Follow(_) | Output::AskPage { .. } => {}
                Output::StopWork(hire) => {
                    let works = |mail: &Mail| matches!(mail, Mail::Input(who, _, Input::Worked { hire: at, .. }) if (*who, *at) == (n, hire));
                    let killed: Vec<_> =
                        self.queue.iter().filter(|(_, mail)| works(mail)).map(|(key, _)| *key).collect();
                    for key in killed {
                        if let Some(Mail::Input(_, life, Input::Worked { hire, attempt, .. })) = self.queue.remove(&key)
                        {
                            let result = Err("stopped".to_owned());
                            self.post(HOP, Mail::Input(n, life, Input::Worked { hire, attempt, result }));
                        }
                    }
                }
            }
        }
    }

    /// The case before an arbiter, as its driver opens it.
    fn case(&self, n: usize, seat: &Seat, inputs: &[BriefInput]) -> Result<Case, String> {
        let case = inputs.iter().find(|input| &*input.name == CASE).ok_or("no case")?;
        seat.open(&self.nodes[n].blobs[&case.blob.root])
    }

    /// What peer `n` answers to a request for ratings.
    fn ratings_for(&self, n: usize, wanted: &Wanted) -> (Vec<Verified<Rating>>, Option<Bytes32>) {
        let (ids, next) = match wanted {
            Wanted::These(ids) => (ids.clone(), None),
            Wanted::About(agent, after) | Wanted::By(agent, after) => {
                let after = after.map(|after| Id::from_bytes(after.0));
                let query = match wanted {
                    Wanted::By(..) => Query::RatingsBy { by: *agent, after },
                    _ => Query::Ratings { about: *agent, after },
                };
                match self.query(n, &query) {
                    Some(Found::Ratings { ids, next }) => (ids, next.map(|id| id.untyped())),
                    other => panic!("no ratings: {other:?}"),
                }
            }
        };
        let shows = self.nodes[n].shows;
        (
            ids.iter().filter_map(|id| self.nodes[n].ratings.get(id)).filter(|rating| shows(rating)).cloned().collect(),
            next,
        )
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
