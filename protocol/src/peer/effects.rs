//! What carries out the outputs of the brain. In: one [`Output`]. Out: one call of an [`Effects`] method.
//!
//! The node, the trial and the simulator each implement [`Effects`]. No method has a default and
//! [`run`] has no wildcard arm, so a new output does not compile until all three say what they do.

use super::io::{Answer, Caller, CaseJob, CheckJob, Notice, Output, Refused, Token, Wanted, WorkJob};
use crate::gossip::Verdict;
use crate::hire::HireId;
use crate::id::{AgentId, Bytes32, Id};
use crate::market::{BlobRef, Question, Rating};
use crate::record::Record;
use crate::time::Timestamp;
use crate::wire::Reply;

/// One method for each variant of [`Output`], which says what is to be done.
#[expect(missing_docs, reason = "each method is described by the output it carries out")]
pub trait Effects {
    fn persist(&mut self, event: Vec<u8>);
    fn keep_rating(&mut self, rating: Record);
    fn drop_rating(&mut self, subject: AgentId, rating: Id<Rating>);
    fn send(&mut self, to: AgentId, hints: Vec<String>, records: Vec<Record>);
    fn respond(&mut self, token: Token, replies: Vec<Reply>);
    fn publish(&mut self, room: String, record: Record);
    fn verdict(&mut self, token: Token, verdict: Verdict);
    fn announce(&mut self, contact: Record);
    fn follow(&mut self, room: String);
    fn ask_page(&mut self, to: AgentId, room: String, after: Option<Bytes32>);
    fn ask_ratings(&mut self, to: AgentId, hints: Vec<String>, wanted: Wanted);
    fn fetch(&mut self, hire: HireId, from: AgentId, hints: Vec<String>, blobs: Vec<BlobRef>);
    fn work(&mut self, job: WorkJob);
    fn tell(&mut self, hire: HireId, question: Id<Question>, text: String, due: Timestamp);
    fn stop_work(&mut self, hire: HireId);
    fn check(&mut self, job: CheckJob);
    fn case(&mut self, job: CaseJob);
    fn answer(&mut self, caller: Caller, answer: Result<Answer, Refused>);
    fn notice(&mut self, notice: Notice);
    fn blame(&mut self, agent: AgentId, what: String);
}

/// Carries out one output.
pub fn run(output: Output, effects: &mut impl Effects) {
    match output {
        Output::Persist(event) => effects.persist(event),
        Output::Keep(rating) => effects.keep_rating(*rating),
        Output::Drop { subject, rating } => effects.drop_rating(subject, rating),
        Output::Send { to, hints, records } => effects.send(to, hints, records),
        Output::Respond(token, replies) => effects.respond(token, replies),
        Output::Publish { room, record } => effects.publish(room, record),
        Output::Verdict(token, verdict) => effects.verdict(token, verdict),
        Output::Announce(contact) => effects.announce(contact),
        Output::Follow(room) => effects.follow(room),
        Output::AskPage { to, room, after } => effects.ask_page(to, room, after),
        Output::AskRatings { to, hints, wanted } => effects.ask_ratings(to, hints, wanted),
        Output::Fetch { hire, from, hints, blobs } => effects.fetch(hire, from, hints, blobs),
        Output::Work(job) => effects.work(*job),
        Output::Tell { hire, question, text, due } => effects.tell(hire, question, text, due),
        Output::StopWork(hire) => effects.stop_work(hire),
        Output::Check(job) => effects.check(*job),
        Output::Case(job) => effects.case(*job),
        Output::Answer(caller, answer) => effects.answer(caller, answer),
        Output::Notice(notice) => effects.notice(notice),
        Output::Blame(agent, what) => effects.blame(agent, what),
    }
}
