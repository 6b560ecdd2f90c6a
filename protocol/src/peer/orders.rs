//! What the user of this peer orders. In: a command. Out: its answer, and what follows from it; a command that is refused
//! has changed nothing.

use super::event::Event;
use super::io::{Answer, Command, Outbox, Refused};
use super::{Peer, PostingEnd};
use crate::codec::Text;
use crate::hire::stage::Stage;
use crate::hire::{HireId, Say, Side, Wish};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::{Outcome, Ruling, Scores};
use crate::record::Verified;
use crate::time::{Millis, Timestamp};

impl Peer {
    pub(super) fn on_command(&mut self, now: Timestamp, command: Command, out: &mut Outbox) -> Result<Answer, Refused> {
        match command {
            Command::Hire { task, to, token } => self.post(now, *task, to, token, out),
            Command::Follow(skill) => {
                if self.rooms.len() >= limits::ROOMS && !self.rooms.contains(&skill.room(limits::ROOM_DEPTH)) {
                    return Err(Refused::RoomsFull);
                }
                self.follow(&skill, out);
                Ok(Answer::Done)
            }
            Command::Stop { id, reason } => self.stop(now, id, &reason, out),
            Command::Judge { hire, ruling, note } => self.rule(now, hire, ruling, note, out),
            Command::Rate { hire, scores } => self.score(now, hire, scores, out),
            Command::Ask { hire, text } => self.ask_requester(now, hire, text, out),
            Command::Reply { hire, text, later } => self.reply(now, hire, text, later, out),
            Command::Contest { hire, statement } => self.contest(now, hire, Some(statement), out),
            Command::Appeal { hire } => self.appeal(now, hire, out),
            Command::Approve { id, note } => self.approve(now, id, note, out),
            Command::Refuse { id, reason } => self.refuse(now, id, reason, out),
            Command::Pin { agent, pinned } => self.pin(now, agent, pinned, out),
            Command::Book { with, amount, direction, note } => {
                self.book_payment(now, with, amount, direction, note, out)
            }
        }
    }

    fn pin(&mut self, now: Timestamp, agent: AgentId, pinned: bool, out: &mut Outbox) -> Result<Answer, Refused> {
        if agent == self.agent() {
            return Err(Refused::PinSelf);
        }
        if pinned && !self.durable.seeds().contains(&agent) && self.durable.seeds().len() >= limits::SEEDS {
            return Err(Refused::PinsFull);
        }
        if self.durable.seeds().contains(&agent) != pinned {
            self.commit(now, Event::Pinned { agent, pinned }, out);
        }
        Ok(Answer::Done)
    }

    fn stop(&mut self, now: Timestamp, id: Bytes32, reason: &str, out: &mut Outbox) -> Result<Answer, Refused> {
        let offer = Id::from_bytes(id.0);
        let hires = match self.durable.posting(&offer) {
            Some(posting) => posting.hires.clone(),
            None => vec![Id::from_bytes(id.0)],
        };
        let stoppable = |hire: &HireId| {
            let stage =
                self.durable.hires().get(hire).filter(|hire| hire.closed.is_none()).map(|hire| hire.facts().stage);
            matches!(stage, Some(Stage::Awarded | Stage::Begun | Stage::Working))
        };
        let stoppable: Vec<HireId> = hires.iter().copied().filter(stoppable).collect();
        let open = self.durable.posting(&offer).is_some_and(|posting| posting.closed.is_none());
        if !open && stoppable.is_empty() {
            let known = self.durable.postings().contains_key(&offer)
                || hires.iter().any(|id| self.durable.hires().contains_key(id));
            return Err(if known { Refused::NotStoppable } else { Refused::Unknown(id) });
        }
        self.close_posting(now, offer, PostingEnd::Stopped(reason.to_owned()), out);
        for hire in stoppable {
            self.commit(now, Event::Wished { hire, wish: Wish::Stop(reason.to_owned()) }, out);
            self.advance(now, hire, out);
        }
        Ok(Answer::Done)
    }

    fn score(&mut self, now: Timestamp, id: HireId, scores: Scores, out: &mut Outbox) -> Result<Answer, Refused> {
        let hire = self.durable.hire(&id).ok_or_else(|| Refused::Unknown(id.untyped()))?;
        let all = [scores.speed, scores.quality, scores.accuracy, scores.communication];
        if all.iter().flatten().any(|score| *score > 1000) || all.iter().all(Option::is_none) {
            return Err(Refused::NoScores);
        }
        if hire.judgement.is_some() || hire.rated {
            return Err(Refused::RatingSealed);
        }
        if hire.facts().begin.is_none() {
            return Err(Refused::NotBegun);
        }
        if hire.closed.is_some() {
            return Err(Refused::Closed);
        }
        self.commit(now, Event::Scored { hire: id, scores }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    fn approve(&mut self, now: Timestamp, id: Bytes32, note: String, out: &mut Outbox) -> Result<Answer, Refused> {
        let offer = Id::from_bytes(id.0);
        let Some(posting) = self.durable.posting(&offer) else {
            let hire = Id::from_bytes(id.0);
            return match self.durable.hire(&hire) {
                Some(held) if held.side == Side::Worker => self.take_or_agree(now, hire, out),
                _ => self.rule(now, hire, Ruling::Accepted, note, out),
            };
        };
        let Some(asked) = posting.asked.as_ref().filter(|_| posting.closed.is_none()) else {
            return Err(Refused::NothingWaits);
        };
        let (up_to, direct) = (asked.price.clone(), posting.to.is_some());
        self.commit(now, Event::Approved { offer, up_to }, out);
        self.advance_posting(now, offer, out);
        if direct {
            // The claim may have ended meanwhile; nobody but this worker can make another.
            self.announce_posting(now, offer, out);
        }
        Ok(Answer::Done)
    }

    fn refuse(&mut self, now: Timestamp, id: Bytes32, reason: String, out: &mut Outbox) -> Result<Answer, Refused> {
        let offer = Id::from_bytes(id.0);
        match self.durable.posting(&offer) {
            Some(posting) if posting.asked.is_some() => self.stop(now, id, &reason, out),
            Some(_) => Err(Refused::NothingWaits),
            None => {
                let hire = Id::from_bytes(id.0);
                match self.durable.hire(&hire) {
                    Some(held) if held.side == Side::Worker && held.facts().stage == Stage::Awarded => {
                        self.stop(now, id, &reason, out)
                    }
                    Some(held) if held.side == Side::Worker => self.contest(now, hire, Some(reason), out),
                    _ => self.rule(now, hire, Ruling::Refused, reason, out),
                }
            }
        }
    }

    /// A person of the worker's takes an award, or agrees to a refusal.
    fn take_or_agree(&mut self, now: Timestamp, id: HireId, out: &mut Outbox) -> Result<Answer, Refused> {
        let stage = self.durable.hire(&id).map(|hire| hire.facts().stage);
        if stage != Some(Stage::Awarded) {
            return self.contest(now, id, None, out);
        }
        self.commit(now, Event::Wished { hire: id, wish: Wish::Begin }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    /// The worker contests a refusal with a statement, or agrees to it without one.
    fn contest(
        &mut self,
        now: Timestamp,
        id: HireId,
        statement: Option<String>,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        let hire = self.durable.hire(&id).ok_or_else(|| Refused::Unknown(id.untyped()))?;
        let stage = hire.facts().stage;
        let refused = matches!(stage, Stage::Judged(Ruling::Refused) | Stage::Receipted(Outcome::Refused));
        if hire.side != Side::Worker || !refused || hire.closed.is_some() {
            return Err(Refused::NoRefusal);
        }
        said(statement.as_deref().unwrap_or_default())?;
        self.commit(now, Event::Wished { hire: id, wish: Wish::Contest(statement) }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    pub(super) fn ask_requester(
        &mut self,
        now: Timestamp,
        id: HireId,
        text: String,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        let hire = self.durable.hire(&id).ok_or_else(|| Refused::Unknown(id.untyped()))?;
        let facts = hire.facts();
        if hire.side != Side::Worker || facts.stage != Stage::Working {
            return Err(Refused::NotWorking);
        }
        if facts.questions.0 >= limits::QUESTIONS {
            return Err(Refused::QuestionsFull);
        }
        said(&text)?;
        self.say(now, id, Say::Question { text }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    fn reply(
        &mut self,
        now: Timestamp,
        id: HireId,
        text: String,
        later: Option<Millis>,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        let hire = self.durable.hire(&id).ok_or_else(|| Refused::Unknown(id.untyped()))?;
        let facts = hire.facts();
        let at_work = matches!(facts.stage, Stage::Begun | Stage::Working) && hire.side == Side::Requester;
        let Some(question) = hire.open_question().filter(|_| at_work).map(Verified::id) else {
            return Err(Refused::NoQuestion);
        };
        said(&text)?;
        // What is past cannot be extended to a time that is past as well.
        let due = later.map(|later| facts.due.max(now) + later);
        self.say(now, id, Say::Answer { question, text, due }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }

    fn rule(
        &mut self,
        now: Timestamp,
        id: HireId,
        ruling: Ruling,
        note: String,
        out: &mut Outbox,
    ) -> Result<Answer, Refused> {
        let hire = self.durable.hire(&id).ok_or_else(|| Refused::Unknown(id.untyped()))?;
        let facts = hire.facts();
        if hire.side != Side::Requester || facts.stage != Stage::Reviewing {
            return Err(Refused::NoDelivery);
        }
        if facts.review_until.is_none_or(|until| now > until) {
            return Err(Refused::ReviewOver);
        }
        if hire.checks(&facts).is_none() {
            return Err(Refused::ResultMissing);
        }
        match ruling {
            Ruling::Changes(due) if due <= now => {
                return Err(Refused::ChangesPast);
            }
            Ruling::Changes(_) if facts.deliveries >= limits::DELIVERIES + hire.terms().milestones.len() => {
                return Err(Refused::ChangesFull);
            }
            Ruling::Unserved => return Err(Refused::ResultHere),
            _ => {}
        }
        self.commit(now, Event::Wished { hire: id, wish: Wish::Rule(ruling, note) }, out);
        self.advance(now, id, out);
        Ok(Answer::Done)
    }
}

/// What goes to the other side as it is, or not at all.
fn said(text: &str) -> Result<(), Refused> {
    let fits = Text::<{ limits::NOTE }>::try_from(text);
    fits.map(drop).map_err(Refused::Words)
}
