//! Hires in motion: asks the machines for their next step, makes it durable, carries it out, and closes what is over.

use super::event::Event;
use super::io::{CheckJob, Config, Notice, Outbox, Output, WorkJob};
use super::{Busy, Peer, Posting, Wake, pause};
use crate::arbitration::{Seat, is_arbitration};
use crate::codec::{Ext, List, Text};
use crate::hire::chain::Entry;
use crate::hire::requester::Consent;
use crate::hire::stage::{self, Facts, Stage};
use crate::hire::worker::{self, Means};
use crate::hire::{Checked, Hire, HireId, NoResult, Say, Side, Step, Todo, requester};
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::market::checks::Sealed;
use crate::market::{
    Ack, Answer, Begin, BeginTerms, BlobRef, Brief, Cancel, CloseTerms, Contest, Countersign, Decline, Delivery,
    Judgement, Permit, Progress, Question, Rating, Reason, Receipt, ReceiptTerms, Ruling, Scores, Verdict, Withdraw,
};
use crate::record::{Beside, Record};
use crate::reputation::About;
use crate::time::{Millis, Timestamp};

/// Where a rating's `ext` holds a number of no meaning, that gives it a lower id than the one it takes the place of.
const REVISION: u64 = 0;

impl Peer {
    /// Lets a hire do all it can do now.
    pub(super) fn advance(&mut self, now: Timestamp, id: HireId, out: &mut Outbox) {
        // Every step changes the stage or makes the hire busy, so this ends long before its bound.
        for _ in 0..limits::STEPS {
            match self.next_step(now, id) {
                Some(Step::Say(say)) => self.say(now, id, say, out),
                Some(Step::Do(todo)) => self.start(now, id, todo, out),
                None => break,
            }
        }
        self.settle(now, id, out);
    }

    fn next_step(&self, now: Timestamp, id: HireId) -> Option<Step> {
        let hire = self.durable.hire(&id)?;
        let idle = self.busy.get(&id).is_none_or(|busy| busy.again.is_some_and(|at| at <= now));
        match hire.side {
            Side::Requester => {
                // The worker shows a result to whom it knows to have acknowledged it: a fetch must not overtake the ack.
                let answered = !self.letters.holds(&hire.other(), &last_of_mine(hire));
                let posting = self.durable.posting(&hire.offer.id())?;
                let (consent, called) = (self.consent(posting, hire), self.has_called(hire));
                match requester::next(hire, &posting.task, now, idle && answered, consent, called) {
                    Some(Step::Say(Say::Brief)) if self.overtaken(now, hire) => {
                        Some(Step::Say(Say::Cancel { reason: Reason::BeginLate }))
                    }
                    step => step,
                }
            }
            Side::Worker => {
                let others = self.load.len() - usize::from(self.load.contains(&id));
                let capacity = others < self.config.parallel && self.open <= limits::OPEN_HIRES;
                let restartable = self.serving(&hire.chain.award().skill).is_some_and(|serving| serving.restartable);
                let Config { rating_by, begin_by, contest_by, .. } = self.config;
                let called = self.has_called(hire);
                let room = hire.terms().inputs <= self.room_beside(id);
                let means = Means { capacity, room, restartable, rating_by, begin_by, contest_by, idle, called };
                worker::next(hire, means, now)
            }
        }
    }

    /// Room for inputs, less what is promised to other hires and has not begun to come: from then on it is taken.
    fn room_beside(&self, id: HireId) -> u64 {
        let awaited = |other: &&HireId| **other != id && !self.busy.contains_key(*other);
        let others = self.load.iter().filter(awaited).filter_map(|other| self.durable.hires().get(other));
        let others = others.filter(|hire| hire.facts().begin.is_some() && hire.fetched.is_empty());
        self.room.saturating_sub(others.fold(0, |sum, hire| sum.saturating_add(hire.terms().inputs)))
    }

    /// Signs what a machine decided to say, logs it, and hands it to the outbox.
    pub(super) fn say(&mut self, now: Timestamp, id: HireId, say: Say, out: &mut Outbox) {
        let Some((record, judgement)) = self.draft(now, id, say) else { return };
        let Some(hire) = self.durable.hire(&id) else { return };
        let (side, other) = (hire.side, hire.other());
        debug_assert_eq!(
            Entry::try_from(record.clone()).map(|entry| hire.chain.admit(&entry)),
            Ok(Ok(())),
            "the machines only say what the table allows",
        );
        let notice = Notice::Said { hire: id, by: side, kind: record.kind().to_owned() };
        self.commit(now, Event::Said { record: record.clone(), judgement }, out);
        out.push(Output::Notice(notice));
        self.letters.push(now, other, record, now + limits::WORK + limits::SERVED);
    }

    fn draft(&mut self, now: Timestamp, id: HireId, say: Say) -> Option<(Record, Option<(Judgement, Bytes32)>)> {
        let (salt, opening) = (self.draw(), self.draw());
        let hire = self.durable.hire(&id)?;
        let (facts, terms) = (hire.facts(), hire.terms());
        let (hire_id, link, ext, day) = (id, hire.chain.next_link(hire.side, now), Default::default(), now.day());
        let signer = &self.signer;
        let judged = |scores: Option<Scores>| {
            let skill = hire.chain.award().skill.clone();
            scores.map(|scores| Judgement { hire: id, skill, scores, subject: hire.other() })
        };
        let record: Record = match say {
            Say::Begin => {
                let beside = Beside { body: BeginTerms { due: now + terms.done, link }, salt };
                signer.sign_with(&Begin { day, ext, body: beside.commitment::<Begin>(), hire: hire_id }, beside).into()
            }
            Say::Decline { is_final, reason } => {
                signer.sign(&Decline { ext, hire: hire_id, link, is_final, reason }).into()
            }
            Say::Withdraw { reason } => signer.sign(&Withdraw { ext, hire: hire_id, link, reason }).into(),
            Say::Brief => {
                let task = &self.durable.posting(&hire.offer.id())?.task;
                let params = task.params.as_deref().map(Text::fit);
                let inputs = List::fit(task.inputs.iter().cloned());
                signer.sign(&Brief { ext, hire: hire_id, link, inputs, params }).into()
            }
            Say::Progress { percent, note } => {
                let note = note.as_deref().map(Text::fit);
                signer.sign(&Progress { ext, head: None, hire: hire_id, link, note, percent }).into()
            }
            Say::Question { text } => {
                signer.sign(&Question { ext, hire: hire_id, link, text: Text::fit(&text) }).into()
            }
            Say::Answer { question, text, due } => {
                signer.sign(&Answer { due, ext, hire: hire_id, link, text: Text::fit(&text), question }).into()
            }
            Say::Ack => {
                let delivery = facts.delivery.as_ref()?.id;
                signer.sign(&Ack { ext, hire: hire_id, link, until: now + terms.review, delivery }).into()
            }
            Say::Deliver { blob, checked, part } => {
                let milestone = (!terms.milestones.is_empty()).then(|| u16::try_from(part).unwrap_or(u16::MAX));
                let header =
                    Delivery { ext, blob, hire: hire_id, link, trace: None, checked, milestone, statement: None };
                signer.sign(&header).into()
            }
            Say::Verdict { ruling, failed, note } => {
                let posting = self.durable.posting(&hire.offer.id())?;
                // Sealed checks are of the last part. Changes may still be made: they stay sealed for the next delivery.
                let last = facts.delivery.as_ref()?.part + 1 == stage::parts(terms);
                let opens = last && matches!(ruling, Ruling::Refused | Ruling::Accepted);
                let opened = posting.sealed().filter(|_| opens);
                let accepted = ruling == Ruling::Accepted;
                let failed = List::fit(failed.iter().filter(|_| !accepted).map(|check| Text::fit(check)));
                let note = (!note.is_empty()).then(|| Text::fit(&note));
                let delivery = facts.delivery.as_ref()?.id;
                signer.sign(&Verdict { ext, hire: hire_id, link, note, failed, opened, ruling, delivery }).into()
            }
            Say::Cancel { reason } => signer.sign(&Cancel { ext, hire: hire_id, link, reason }).into(),
            Say::Contest { statement } => signer.sign(&Contest { ext, hire: hire_id, link, statement }).into(),
            Say::Receipt { outcome, scores } => {
                let judgement = judged(scores);
                let amount = stage::owed(outcome, &facts, terms);
                let beside = Beside { body: ReceiptTerms { link, amount }, salt };
                let seal = judgement.as_ref().map(|judgement| judgement.seal(&opening));
                let took = hire.took(&facts);
                let body = beside.commitment::<Receipt>();
                let receipt = Receipt { day, ext, body, hire: hire_id, seal, took, outcome };
                return Some((
                    signer.sign_with(&receipt, beside).into(),
                    judgement.map(|judgement| (judgement, opening)),
                ));
            }
            Say::Countersign { scores } => {
                let judgement = judged(scores);
                let beside = Beside { body: CloseTerms { link }, salt };
                let seal = judgement.as_ref().map(|judgement| judgement.seal(&opening));
                let body = beside.commitment::<Countersign>();
                let sign = Countersign { day, ext, body, hire: hire_id, seal, receipt: facts.receipt? };
                return Some((signer.sign_with(&sign, beside).into(), judgement.map(|judgement| (judgement, opening))));
            }
        };
        Some((record, None))
    }

    /// Has something done outside.
    fn start(&mut self, now: Timestamp, id: HireId, todo: Todo, out: &mut Outbox) {
        let tries = self.busy.get(&id).map_or(0, |busy| busy.tries.saturating_add(1));
        self.busy.insert(id, Busy { again: None, tries });
        let Some(hire) = self.durable.hire(&id) else { return };
        match todo {
            Todo::Fetch(blobs) => {
                let from = hire.other();
                out.push(Output::Fetch { hire: id, from, hints: self.directory.contact_of(&from, now), blobs });
            }
            Todo::Work => {
                let Some(brief) = worker::brief(hire) else { return };
                let Some(serving) = self.serving(&hire.chain.award().skill) else {
                    return self.skill_gone(now, id, out);
                };
                let facts = hire.facts();
                let job = WorkJob {
                    hire: id,
                    attempt: hire.attempts.len(),
                    skill: hire.chain.award().skill.clone(),
                    serving: serving.entry.path.clone(),
                    inputs: brief.inputs.to_vec(),
                    params: brief.params.as_ref().map(ToString::to_string),
                    part: (!hire.terms().milestones.is_empty()).then(|| {
                        let title = hire.terms().milestones.get(facts.accepted).map(|part| part.title.to_string());
                        (facts.accepted, title.unwrap_or_default())
                    }),
                    feedback: feedback(hire),
                    due: facts.due,
                    seat: self.seat(hire),
                };
                self.commit(now, Event::Started { hire: id }, out);
                out.push(Output::Notice(Notice::Started { hire: id, attempt: job.attempt }));
                out.push(Output::Work(Box::new(job)));
            }
            Todo::Check { blob, part, sealed } => {
                let Some(job) = self.check_job(hire, blob, part, sealed) else { return };
                out.push(Output::Check(Box::new(job)));
            }
            Todo::Appeal => out.push(Output::Case(Box::new(Self::case_job(hire)))),
        }
    }

    /// A run that cannot be started ends at once.
    fn skill_gone(&mut self, now: Timestamp, id: HireId, out: &mut Outbox) {
        let attempt = self.durable.hire(&id).map_or(0, |hire| hire.attempts.len());
        self.commit(now, Event::Started { hire: id }, out);
        self.busy.remove(&id);
        self.commit(now, Event::Ended { hire: id, attempt, result: Err(NoResult::SkillGone) }, out);
    }

    fn check_job(&self, hire: &Hire, blob: BlobRef, part: usize, sealed: bool) -> Option<CheckJob> {
        let mut compare = None;
        let (inputs, known) = match hire.side {
            Side::Requester => {
                let posting = self.durable.posting(&hire.offer.id())?;
                compare = posting.task.agree.map(|_| posting.task.compare.clone().unwrap_or_default());
                (posting.task.inputs.clone(), posting.sealed())
            }
            Side::Worker => (worker::brief(hire)?.inputs.to_vec(), opened(hire)),
        };
        // Sealed checks are of the last part.
        let last = part + 1 == stage::parts(hire.terms());
        let sealed = known.filter(|_| sealed && last).map(|sealed| sealed.checks);
        let (public, seat) = (hire.checks_of(part).clone(), self.seat(hire));
        Some(CheckJob { hire: hire.id(), blob, part, compare, public, sealed, inputs, seat })
    }

    /// What this peer is to decide in a hire, if it is hired as an arbiter.
    fn seat(&self, hire: &Hire) -> Option<Seat> {
        let arbiter = hire.side == Side::Worker && is_arbitration(&hire.chain.award().skill);
        arbiter.then(|| Seat { network: self.signer.network(), arbiter: self.agent(), caller: hire.requester() })
    }

    // ---- what comes back ----

    pub(super) fn on_fetched(
        &mut self,
        now: Timestamp,
        id: HireId,
        result: Result<Vec<Bytes32>, String>,
        out: &mut Outbox,
    ) {
        match result {
            Ok(roots) => {
                self.busy.remove(&id);
                self.commit(now, Event::Fetched { hire: id, roots }, out);
            }
            Err(_) => {
                let over = self.durable.hire(&id).is_some_and(|hire| hire.closed.is_some());
                if let Some(busy) = self.busy.get_mut(&id) {
                    busy.again = Some(now + if over { limits::RETRY_MAX } else { pause(busy.tries) });
                }
            }
        }
        self.advance(now, id, out);
    }

    /// Somebody is back: blobs that could not be had of it are asked for at once.
    pub(super) fn fetch_again(&mut self, now: Timestamp, agent: AgentId, out: &mut Outbox) {
        let waits = |(id, busy): &(&HireId, &Busy)| {
            busy.again.is_some() && self.durable.hires().get(id).is_some_and(|hire| hire.other() == agent)
        };
        let waiting: Vec<HireId> = self.busy.iter().filter(waits).map(|(id, _)| *id).collect();
        for id in waiting {
            if let Some(busy) = self.busy.get_mut(&id) {
                busy.again = Some(now);
            }
            self.advance(now, id, out);
        }
    }

    pub(super) fn on_worked(
        &mut self,
        now: Timestamp,
        id: HireId,
        attempt: usize,
        result: Result<BlobRef, String>,
        out: &mut Outbox,
    ) {
        let Some(hire) = self.durable.hire(&id) else { return };
        // Only the run that is under way can end: a report twice changes nothing.
        if hire.attempts.len() != attempt + 1 || hire.attempts.last().is_none_or(|last| last.ended.is_some()) {
            return;
        }
        self.busy.remove(&id);
        let failed = result.as_ref().err().cloned();
        let result = result.map_err(NoResult::Failed);
        self.commit(now, Event::Ended { hire: id, attempt, result }, out);
        out.push(Output::Notice(Notice::Worked { hire: id, attempt, failed }));
        self.advance(now, id, out);
    }

    pub(super) fn on_working(
        &mut self,
        now: Timestamp,
        id: HireId,
        percent: u8,
        note: Option<String>,
        out: &mut Outbox,
    ) {
        let Some(facts) = self.durable.hire(&id).filter(|hire| hire.side == Side::Worker).map(Hire::facts) else {
            return;
        };
        if facts.stage == Stage::Working && facts.progress < limits::PROGRESS {
            self.say(now, id, Say::Progress { percent: percent.min(100), note }, out);
        }
    }

    pub(super) fn on_checked(&mut self, now: Timestamp, id: HireId, root: Bytes32, checked: Checked, out: &mut Outbox) {
        if !self.durable.hires().contains_key(&id) {
            return;
        }
        self.busy.remove(&id);
        self.commit(now, Event::Checked { hire: id, root, checked: Box::new(checked) }, out);
        self.wake_siblings(id);
        self.advance(now, id, out);
    }

    /// What the results of others say to the one under review.
    fn consent(&self, posting: &Posting, hire: &Hire) -> Consent {
        let Some(agree) = posting.task.agree.map(usize::from) else { return Consent::Unasked };
        let compared = |hire: &Hire| {
            let facts = hire.facts();
            hire.checks(&facts).filter(|checked| checked.passed()).and_then(|checked| checked.compared)
        };
        let Some(mine) = compared(hire) else { return Consent::Unasked };
        let others = || posting.hires.iter().filter_map(|id| self.durable.hires().get(id));
        let same = others().filter(|other| compared(other) == Some(mine)).count();
        let pending = others().filter(|other| other.closed.is_none() && compared(other).is_none()).count();
        // Slots without a hire may still bring one.
        let begun = others().filter(|other| other.facts().begin.is_some() || other.closed.is_none()).count();
        let unfilled = match posting.closed {
            Some(_) => 0,
            None => usize::from(posting.offer.slots).saturating_sub(begun),
        };
        if same >= agree {
            Consent::Given
        } else if same + pending + unfilled < agree {
            Consent::Refused
        } else {
            Consent::Awaited
        }
    }

    /// What one hire of a posting came to may decide others.
    fn wake_siblings(&mut self, id: HireId) {
        let Some(offer) =
            self.durable.hire(&id).filter(|hire| hire.side == Side::Requester).map(|hire| hire.offer.id())
        else {
            return;
        };
        if let Some(posting) = self.durable.posting(&offer).filter(|posting| posting.task.agree.is_some()) {
            self.restless.extend(posting.hires.iter().filter(|other| **other != id));
        }
    }

    // ---- closing ----

    /// Closes a hire whose outcome is settled, opens one that a late record changed, and sets its timer.
    fn settle(&mut self, now: Timestamp, id: HireId, out: &mut Outbox) {
        let Some(hire) = self.durable.hire(&id) else { return };
        let facts = hire.facts();
        let was = hire.closed.map(|closed| (closed.outcome, closed.agreed));
        let is = hire.outcome(&facts, now);
        if was != is {
            match is {
                Some((outcome, agreed)) => {
                    self.commit(now, Event::Closed { hire: id, outcome, agreed }, out);
                    if let Some(closed) = self.durable.hire(&id).and_then(|hire| hire.closed) {
                        out.push(Output::Notice(Notice::Closed { hire: id, closed }));
                    }
                    self.wake_siblings(id);
                }
                None => self.commit(now, Event::Reopened { hire: id }, out),
            }
            match (was, is) {
                (None, Some(_)) => self.open = self.open.saturating_sub(1),
                (Some(_), None) => self.open += 1,
                _ => {}
            }
        }
        // Asked each time: a fall may have come between the close and what follows from it.
        self.decide(now, id, &facts, out);
        self.book_close(now, id, out);
        self.rate(now, id, &facts, out);
        self.update_load(id, &facts, out);
        // A hire that is over has nothing done but what may still change how it ended.
        let unsettled = matches!(facts.stage, Stage::Reviewing | Stage::Contested);
        let idle = |busy: &Busy| busy.again.is_some_and(|at| !unsettled || at <= now);
        if is.is_some() && self.busy.get(&id).is_some_and(idle) {
            self.busy.remove(&id);
        }
        self.set_timer(now, id, &facts);
        let Some(hire) = self.durable.hire(&id) else { return };
        let (side, offer, other) = (hire.side, hire.offer.id(), hire.other());
        // Nothing is on its way any more: the other side has answered for my chain, and for my rating.
        let rating = hire.rating.as_ref().map(|rating| rating.id().untyped());
        let waits = std::iter::once(last_of_mine(hire)).chain(rating).any(|id| self.letters.holds(&other, &id))
            || self.decision_waits(hire)
            || self.busy.contains_key(&id);
        if hire.closed.is_some() && !hire.through && !waits {
            self.commit(now, Event::Through { hire: id }, out);
        }
        if side == Side::Requester && (was.is_none() || is.is_none()) {
            self.advance_posting(now, offer, out);
        }
    }

    fn update_load(&mut self, id: HireId, facts: &Facts, out: &mut Outbox) {
        let Some(hire) = self.durable.hire(&id).filter(|hire| hire.side == Side::Worker) else { return };
        let working = matches!(facts.stage, Stage::Awarded | Stage::Withdrawn | Stage::Begun | Stage::Working);
        if working && hire.closed.is_none() {
            self.load.insert(id);
        } else if self.load.remove(&id) {
            self.hungry = true;
            if self.busy.contains_key(&id) && facts.stage != Stage::Delivered {
                out.push(Output::StopWork(id));
            }
        }
    }

    fn set_timer(&mut self, now: Timestamp, id: HireId, facts: &Facts) {
        let Some(hire) = self.durable.hire(&id) else { return };
        let after = Millis(1);
        let silence = hire.deadline(facts).map(|at| at + after);
        let unserved = requester::unserved_at(hire, facts).filter(|_| hire.side == Side::Requester);
        let again = self.busy.get(&id).and_then(|busy| busy.again);
        // A person may rate, or contest, until then.
        let rate_by = requester::rate_by(facts);
        let alone = requester::alone_at(hire, facts).filter(|_| hire.terms().agree.is_some());
        // What is past has been acted upon, or is of no more use: a retry after the deadline, say.
        let next = [silence, unserved, again, rate_by, alone].into_iter().flatten().filter(|at| *at > now).min();
        let open = hire.closed.is_none();
        let next = if open { next } else { again.filter(|at| *at > now) };
        self.wake(Wake::Hire(id), next);
    }

    /// Issues my rating of a closed hire, once; and again if the arbiter's decision that it followed was replaced. Of two for one
    /// hire and direction without a seal the one with the lower id counts, everywhere: so the new one gets a lower id.
    fn rate(&mut self, now: Timestamp, id: HireId, facts: &Facts, out: &mut Outbox) {
        let Some(rating) = self.rating(now, id, facts) else { return };
        let other = rating.judgement.subject;
        let signed = match self.reputation.held(&About { subject: other, rater: self.agent(), hire: id }) {
            None => Some(self.signer.sign(&rating)),
            Some(held) => (0..limits::REVISION_TRIES).find_map(|n| {
                let ext = Ext::one(REVISION, &n.to_be_bytes())?;
                Some(self.signer.sign(&Rating { ext, ..rating.clone() })).filter(|signed| signed.id() < held.id)
            }),
        };
        let Some(signed) = signed else { return };
        let record = Record::from(signed.clone());
        self.commit(now, Event::Rated { rating: record.clone() }, out);
        out.push(Output::Keep(Box::new(record.clone())));
        out.push(Output::Notice(Notice::Rated { hire: id, by: self.agent(), subject: other }));
        self.publish_news(now, &signed, &rating.judgement.skill, out);
        self.letters.push(now, other, record, now + limits::SERVED);
    }

    fn rating(&self, now: Timestamp, id: HireId, facts: &Facts) -> Option<Rating> {
        let hire = self.durable.hire(&id)?;
        let outcome = hire.closed?.outcome;
        // What was sealed stays as it was committed to.
        let decided = matches!(facts.stage, Stage::Decided(_));
        let about = About { subject: hire.other(), rater: self.agent(), hire: id };
        let held = || self.reputation.held(&about).filter(|held| decided && !held.sealed);
        let held = if hire.rated { Some(held()?) } else { None };
        let find = |side: Side, kind: fn(&Entry) -> bool| {
            hire.chain.of(side).iter().find(|entry| kind(entry)).map(Entry::record)
        };
        let begin = find(Side::Worker, |entry| matches!(entry, Entry::Begin(_)))?;
        let receipt = hire.chain.of(Side::Requester).iter().find_map(|entry| match entry {
            Entry::Receipt(receipt) if facts.receipt == Some(receipt.id()) => Some(Record::from(receipt.clone())),
            _ => None,
        });
        let countersign =
            find(Side::Worker, |entry| matches!(entry, Entry::Countersign(_))).filter(|_| receipt.is_some());
        let (judgement, opening) = match (&hire.judgement, &receipt) {
            // What the arbiter overruled stays sealed.
            (Some((judgement, opening)), Some(_)) if !decided => (judgement.clone(), *opening),
            _ => {
                let derived = || match hire.side {
                    Side::Requester => requester::judge(hire, facts, outcome),
                    Side::Worker => worker::judge(hire, facts, outcome),
                };
                let scores = hire.scored.or_else(derived)?;
                let skill = hire.chain.award().skill.clone();
                (Judgement { hire: id, skill, scores, subject: hire.other() }, None)
            }
        };
        if held.is_some_and(|held| held.scores == judgement.scores) {
            return None;
        }
        let part = |record: &Record| record.envelope().to_vec().try_into().ok();
        let permit = Permit {
            award: part(&hire.chain.award().clone().into())?,
            begin: part(&begin)?,
            receipt: receipt.as_ref().and_then(part),
            countersign: countersign.as_ref().and_then(part),
        };
        Some(Rating {
            day: now.day(),
            ext: Default::default(),
            model: hire.claim.model.clone(),
            permit,
            opening,
            version: Some(hire.claim.version.clone()),
            manifest: Some(hire.claim.manifest),
            judgement,
        })
    }

    /// After a restart: offers again to the outbox what the other side is not known to have processed.
    pub(super) fn resend(&mut self, now: Timestamp, id: HireId) {
        let Some(hire) = self.durable.hire(&id) else { return };
        let (side, other) = (hire.side, hire.other());
        let seen = hire.chain.seen_of(side);
        let entries: Vec<Record> = hire.chain.of(side).iter().skip(seen).map(Entry::record).collect();
        if side == Side::Requester && hire.chain.of(Side::Worker).is_empty() {
            let (award, until) = (Record::from(hire.chain.award().clone()), hire.terms().until + limits::GRACE);
            self.letters.push(now, other, award, until);
        }
        let rating = hire.rating.clone().map(Record::from);
        let decision = hire.chain.decision().cloned().map(Record::from);
        for record in entries.into_iter().chain(decision).chain(rating) {
            self.letters.push(now, other, record, now + limits::WORK + limits::SERVED);
        }
        self.tell_parties(now, id);
    }
}

/// The id of the last record of this side, the award being the requester's first.
fn last_of_mine(hire: &Hire) -> Bytes32 {
    hire.chain.last_of(hire.side)
}

fn last_verdict(hire: &Hire) -> Option<&Verdict> {
    hire.chain.of(Side::Requester).iter().rev().find_map(|entry| match entry {
        Entry::Verdict(verdict) => Some(&**verdict),
        _ => None,
    })
}

/// The sealed checks, as a verdict opened them.
fn opened(hire: &Hire) -> Option<Sealed> {
    last_verdict(hire)?.opened.clone()
}

/// What the requester wants changed.
fn feedback(hire: &Hire) -> Option<String> {
    let verdict = last_verdict(hire)?;
    let lines = verdict.note.iter().map(ToString::to_string).chain(verdict.failed.iter().map(ToString::to_string));
    Some(lines.collect::<Vec<_>>().join("\n"))
}
