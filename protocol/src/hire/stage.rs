//! Where a hire stands, as a pure function of the records held, and what follows from silence.
//!
//! In: a view of the two chains. Out: the stage with its facts; which record may be made in it, by whom; the outcome
//! when a deadline has passed. This is the one table that both machines, the diagrams and the tests go by.

use crate::hire::Side;
use crate::hire::chain::{Entry, View};
use crate::hire::rule::Rule;
use crate::id::{Bytes32, Id};
use crate::limits::{self, CLOSE, GRACE};
use crate::market::milestone;
use crate::market::{BlobRef, Delivery, Input, Link, Outcome, Receipt, Ruling, Terms, Verdict};
use crate::record::Verified;
use crate::time::Timestamp;

/// The stages of a hire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Awarded; the worker may begin or decline.
    Awarded,
    /// Taken back before a begin; a begin that had not seen it still counts.
    Withdrawn,
    /// The worker does not begin. Final.
    Declined,
    /// Begun; the brief is on its way, or not yet answered.
    Begun,
    /// The worker has the brief (or changes are wanted).
    Working,
    /// A header is held, without an acknowledgement.
    Delivered,
    /// Acknowledged; the verdict is awaited.
    Reviewing,
    /// Judged; the close is awaited.
    Judged(Ruling),
    /// Stopped after the begin; the close is awaited.
    Cancelled(Side),
    /// The worker does not agree. The arbiter's decision is awaited; final without an arbiter.
    Contested,
    /// The arbiter has decided. Final.
    Decided(Outcome),
    /// The requester has closed; the countersign is awaited.
    Receipted(Outcome),
    /// Closed by both. Final.
    Settled(Outcome),
}

/// The delivery under discussion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Delivered {
    /// The header's id.
    pub id: Id<Delivery>,
    /// When it was made.
    pub at: Timestamp,
    /// The bytes it promises.
    pub blob: BlobRef,
    /// Which part of the task it is of, from 0: the last has the number of milestones before it.
    pub part: usize,
}

/// What the records say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The stage.
    pub stage: Stage,
    /// When the worker began.
    pub begin: Option<Timestamp>,
    /// When the work clock ends, with all extensions.
    pub due: Timestamp,
    /// Whether the brief was sent.
    pub briefed: bool,
    /// The last delivery.
    pub delivery: Option<Delivered>,
    /// How many deliveries there were.
    pub deliveries: usize,
    /// How many parts of the task are accepted; without milestones it has one.
    pub accepted: usize,
    /// When the review clock ends, once it runs.
    pub review_until: Option<Timestamp>,
    /// When the verdict on the last delivery, the cancellation or the receipt was made: the close is awaited from then.
    pub since: Option<Timestamp>,
    /// When the worker contested.
    pub contested: Option<Timestamp>,
    /// Whether the verdict opened the sealed checks.
    pub opened: bool,
    /// The receipt that counts.
    pub receipt: Option<Id<Receipt>>,
    /// How often the worker has reported.
    pub progress: usize,
    /// How many questions were asked and answered.
    pub questions: (usize, usize),
}

impl Facts {
    /// Reads the chains.
    pub fn of(view: &View<'_>) -> Self {
        let mut facts = Self {
            stage: Stage::Awarded,
            begin: None,
            due: view.terms().until,
            briefed: false,
            delivery: None,
            deliveries: 0,
            accepted: 0,
            review_until: None,
            since: None,
            contested: None,
            opened: false,
            receipt: None,
            progress: 0,
            questions: (0, 0),
        };
        match view.worker.first() {
            Some(Entry::Decline(_)) => facts.stage = Stage::Declined,
            Some(Entry::Begin(begin)) => {
                facts.stage = Stage::Begun;
                if let Some(terms) = begin.private() {
                    (facts.begin, facts.due) = (Some(terms.link.at), terms.due);
                }
                facts.read_work(view);
            }
            // A withdrawal counts only while there is no begin: one dated in time beats it.
            _ if view.requester.iter().any(|entry| matches!(entry, Entry::Withdraw(_))) => {
                facts.stage = Stage::Withdrawn
            }
            _ => {}
        }
        facts
    }

    fn read_work(&mut self, view: &View<'_>) {
        let order = Order(view);
        // What the requester did, up to judging; deliveries are named by id, so their order needs no merging.
        let deliveries: Vec<_> =
            view.worker.iter().enumerate().filter_map(|(n, e)| as_delivery(e).map(|d| (n, d))).collect();
        self.deliveries = deliveries.len();
        self.progress = view.worker.iter().filter(|entry| matches!(entry, Entry::Progress(_))).count();
        self.questions.0 = view.worker.iter().filter(|entry| matches!(entry, Entry::Question(_))).count();
        let last = deliveries.last().map(|(_, delivery)| *delivery);
        if let Some(delivery) = last {
            let part = part_of(delivery);
            self.delivery = Some(Delivered { id: delivery.id(), at: delivery.link.at, blob: delivery.blob, part });
        }
        let latest = self.begin.unwrap_or(self.due) + limits::WORK;
        let mut ruling: Option<&Verified<Verdict>> = None;
        for (n, entry) in view.requester.iter().enumerate() {
            match entry {
                Entry::Brief(_) => {
                    self.briefed = true;
                    if order.worker_has_seen(n) {
                        self.stage = Stage::Working;
                    }
                }
                Entry::Answer(answer) => {
                    self.questions.1 += 1;
                    self.due = self.due.max(answer.due.unwrap_or(self.due)).min(latest);
                }
                Entry::Ack(ack) if last.is_some_and(|d| d.id() == ack.delivery) => self.review_until = Some(ack.until),
                Entry::Verdict(verdict) => {
                    if let Ruling::Changes(due) = verdict.ruling {
                        self.due = self.due.max(due).min(latest);
                    }
                    let of = deliveries.iter().find(|(_, delivery)| delivery.id() == verdict.delivery);
                    if let (Ruling::Accepted, Some((_, delivery))) = (verdict.ruling, of) {
                        self.accepted = part_of(delivery) + 1;
                        // The next part has a work clock of its own.
                        if self.accepted < parts(view.terms()) {
                            self.due = self.due.max(verdict.link.at + view.terms().done).min(latest);
                        }
                    }
                    if last.is_some_and(|d| d.id() == verdict.delivery) {
                        ruling = Some(verdict);
                    }
                }
                _ => {}
            }
        }
        if last.is_some() {
            self.stage = match (self.review_until, ruling) {
                (None, _) => Stage::Delivered,
                (Some(_), None) => Stage::Reviewing,
                (Some(_), Some(verdict)) if matches!(verdict.ruling, Ruling::Changes(_)) => Stage::Working,
                (Some(_), Some(verdict))
                    if verdict.ruling == Ruling::Accepted && self.accepted < parts(view.terms()) =>
                {
                    Stage::Working
                }
                (Some(_), Some(verdict)) => {
                    self.since = Some(verdict.link.at);
                    self.opened = verdict.opened.is_some();
                    Stage::Judged(verdict.ruling)
                }
            };
        }
        self.read_cancel(view, &order, &deliveries);
        self.read_close(view, &order, &deliveries);
    }

    /// The fixed table for a cancellation: a header dated within the grace after a requester's cancel it had not seen
    /// beats it; of two cancels that had not seen each other the one with the lower id counts.
    fn read_cancel(&mut self, view: &View<'_>, order: &Order<'_>, deliveries: &[(usize, &Verified<Delivery>)]) {
        let cancels = |entries: &[Entry]| {
            let cancel = |(n, entry): (usize, &Entry)| match entry {
                Entry::Cancel(cancel) => Some((n, cancel.id(), cancel.link.at)),
                _ => None,
            };
            entries.iter().enumerate().filter_map(cancel).collect::<Vec<_>>()
        };
        // One that a header beat may be followed by another, should changes be wanted.
        let by_requester = cancels(view.requester).into_iter().find(|(n, _, at)| {
            let crossing = deliveries.iter().any(|(d, delivery)| {
                let concurrent = !order.saw_requesters(*d, *n) && !order.saw_workers(*n, *d);
                concurrent && delivery.link.at <= *at + GRACE
            });
            !crossing
        });
        let by_worker = cancels(view.worker).into_iter().next();
        let (side, at) = match (by_requester, by_worker) {
            (None, None) => return,
            (Some((_, _, at)), None) => (Side::Requester, at),
            (None, Some((_, _, at))) => (Side::Worker, at),
            (Some((_, a, at)), Some((_, b, _))) if a < b => (Side::Requester, at),
            (Some(_), Some((_, _, at))) => (Side::Worker, at),
        };
        self.stage = Stage::Cancelled(side);
        self.since = Some(at);
    }

    /// A receipt counts if it has seen every delivery: one made in their absence is overtaken by a header that counts.
    fn read_close(&mut self, view: &View<'_>, order: &Order<'_>, deliveries: &[(usize, &Verified<Delivery>)]) {
        let receipt = view.requester.iter().enumerate().rev().find_map(|(n, entry)| match entry {
            Entry::Receipt(receipt) => Some((n, receipt)),
            _ => None,
        });
        let receipt = receipt.filter(|(n, _)| deliveries.iter().all(|(d, _)| order.saw_workers(*n, *d)));
        if let Some((_, receipt)) = receipt {
            self.receipt = Some(receipt.id());
            self.since = receipt.private().map(|terms| terms.link.at);
            self.stage = Stage::Receipted(receipt.outcome);
            let signed = |entry: &Entry| matches!(entry, Entry::Countersign(sign) if sign.receipt == receipt.id());
            if view.worker.iter().any(signed) {
                self.stage = Stage::Settled(receipt.outcome);
                return;
            }
        }
        let contest = view.worker.iter().find_map(|entry| match entry {
            Entry::Contest(contest) => Some(contest),
            _ => None,
        });
        if let Some(contest) = contest {
            self.contested = Some(contest.link.at);
            self.stage = match view.decision.map(|decision| decision.ruling) {
                None => Stage::Contested,
                Some(Ruling::Accepted) => Stage::Decided(Outcome::Accepted),
                Some(_) => Stage::Decided(Outcome::Refused),
            };
        }
    }
}

/// Who had seen what: positions in the chains, by the `seen` of each record.
struct Order<'a>(&'a View<'a>);

impl Order<'_> {
    fn covers(entries: &[Entry], n: usize, seen: &Bytes32) -> bool {
        entries.iter().skip(n).any(|entry| entry.id() == *seen)
    }
    /// Whether the worker's record `w` had seen the requester's record `r`.
    fn saw_requesters(&self, w: usize, r: usize) -> bool {
        self.0.worker.get(w).and_then(Entry::link).is_some_and(|link| Self::covers(self.0.requester, r, &link.seen))
    }
    /// Whether the requester's record `r` had seen the worker's record `w`.
    fn saw_workers(&self, r: usize, w: usize) -> bool {
        self.0.requester.get(r).and_then(Entry::link).is_some_and(|link| Self::covers(self.0.worker, w, &link.seen))
    }
    /// Whether any record of the worker had seen the requester's record `r`; what one has seen, later ones have.
    fn worker_has_seen(&self, r: usize) -> bool {
        self.0.worker.len().checked_sub(1).is_some_and(|last| self.saw_requesters(last, r))
    }
}

/// How many parts a task has.
pub fn parts(terms: &Terms) -> usize {
    terms.milestones.len() + 1
}

/// Which part a delivery is of. That it is the one at work is checked when it is admitted.
fn part_of(delivery: &Delivery) -> usize {
    delivery.milestone.map_or(0, usize::from)
}

fn as_delivery(entry: &Entry) -> Option<&Verified<Delivery>> {
    match entry {
        Entry::Delivery(delivery) => Some(delivery),
        _ => None,
    }
}

/// Whether `side`, having seen `view`, may make `entry`; otherwise the rule that it breaks.
pub fn allows(view: &View<'_>, side: Side, entry: &Entry, link: &Link) -> Result<(), Rule> {
    let facts = Facts::of(view);
    let terms = view.terms();
    let rule = |holds: bool, rule: Rule| rule.ensure(holds);
    let at_work = matches!(facts.stage, Stage::Begun | Stage::Working);
    let under_discussion = |id: &Id<Delivery>| facts.delivery.as_ref().is_some_and(|delivery| delivery.id == *id);
    match entry {
        Entry::Begin(begin) => {
            rule(facts.stage == Stage::Awarded && link.n == 0, Rule::BeginStage)?;
            rule(link.at <= terms.until, Rule::BeginDate)?;
            let due = begin.private().map(|terms| terms.due);
            rule(due == Some(link.at + terms.done), Rule::BeginDue)
        }
        Entry::Decline(_) => {
            let open = matches!(facts.stage, Stage::Awarded | Stage::Withdrawn) && link.n == 0;
            rule(open, Rule::DeclineStage)
        }
        Entry::Withdraw(_) => rule(facts.stage == Stage::Awarded, Rule::WithdrawStage),
        Entry::Brief(brief) => {
            rule(facts.stage == Stage::Begun && !facts.briefed, Rule::BriefStage)?;
            rule(Input::total(&brief.inputs) <= terms.inputs, Rule::BriefInputs)
        }
        Entry::Progress(_) => {
            rule(at_work && facts.briefed, Rule::ProgressStage)?;
            rule(facts.progress < limits::PROGRESS, Rule::ProgressCount)
        }
        Entry::Question(_) => {
            rule(at_work && facts.briefed, Rule::QuestionStage)?;
            rule(facts.questions.0 < limits::QUESTIONS, Rule::QuestionCount)
        }
        Entry::Answer(answer) => {
            let asked = |entry: &Entry| matches!(entry, Entry::Question(question) if question.id() == answer.question);
            rule(at_work && view.worker.iter().any(asked), Rule::AnswerStage)?;
            rule(facts.questions.1 < facts.questions.0, Rule::AnswerCount)
        }
        Entry::Delivery(delivery) => {
            rule(facts.stage == Stage::Working, Rule::DeliveryStage)?;
            let part = (!terms.milestones.is_empty()).then_some(facts.accepted);
            rule(delivery.milestone.map(usize::from) == part, Rule::DeliveryPart)?;
            rule(facts.deliveries < limits::DELIVERIES + terms.milestones.len(), Rule::DeliveryCount)?;
            rule(link.at <= facts.due, Rule::DeliveryDate)
        }
        Entry::Ack(ack) => {
            rule(facts.stage == Stage::Delivered && under_discussion(&ack.delivery), Rule::AckStage)?;
            rule(link.at <= ack_by(&facts, terms), Rule::AckDate)?;
            rule(ack.until == link.at + terms.review, Rule::AckUntil)
        }
        Entry::Verdict(verdict) => {
            rule(facts.stage == Stage::Reviewing && under_discussion(&verdict.delivery), Rule::VerdictStage)?;
            rule(facts.review_until.is_some_and(|until| link.at <= until), Rule::VerdictDate)?;
            if let Some(sealed) = &verdict.opened {
                rule(terms.sealed == Some(sealed.commitment()), Rule::OpenedSealed)?;
                let last = facts.delivery.as_ref().is_some_and(|delivery| delivery.part + 1 == parts(terms));
                let early = verdict.ruling == Ruling::Accepted && !last;
                rule(!early, Rule::OpenedLast)?;
            }
            match verdict.ruling {
                Ruling::Changes(due) => {
                    rule(due > link.at, Rule::ChangesDue)?;
                    let most = limits::DELIVERIES + terms.milestones.len();
                    rule(facts.deliveries < most, Rule::ChangesCount)
                }
                Ruling::Accepted | Ruling::Refused | Ruling::Unserved => Ok(()),
            }
        }
        Entry::Cancel(_) => rule(at_work, Rule::CancelStage),
        Entry::Contest(_) => {
            let open = matches!(facts.stage, Stage::Judged(Ruling::Refused | Ruling::Unserved) | Stage::Receipted(_));
            rule(open && side == Side::Worker, Rule::ContestStage)
        }
        Entry::Receipt(receipt) => {
            let fits = match facts.stage {
                Stage::Judged(Ruling::Accepted) => receipt.outcome == Outcome::Accepted,
                Stage::Judged(Ruling::Refused) => receipt.outcome == Outcome::Refused,
                Stage::Cancelled(Side::Requester) => receipt.outcome == Outcome::CancelledByRequester,
                Stage::Cancelled(Side::Worker) => receipt.outcome == Outcome::CancelledByWorker,
                Stage::Working => receipt.outcome == Outcome::Failed && link.at > facts.due + GRACE,
                Stage::Reviewing => {
                    let late = facts.review_until.is_some_and(|until| link.at > until + GRACE);
                    late && matches!(receipt.outcome, Outcome::Accepted | Outcome::Refused)
                }
                _ => false,
            };
            rule(fits, Rule::ReceiptOutcome)?;
            let owed = owed(receipt.outcome, &facts, terms);
            rule(receipt.private().is_some_and(|terms| terms.amount == owed), Rule::ReceiptAmount)
        }
        Entry::Countersign(sign) => {
            let open = matches!(facts.stage, Stage::Receipted(_)) && facts.receipt == Some(sign.receipt);
            rule(open, Rule::CountersignReceipt)
        }
    }
}

/// What an outcome costs the requester, in millionths of the terms' currency: the parts accepted, and with the outcome
/// "accepted" the one under discussion.
pub fn owed(outcome: Outcome, facts: &Facts, terms: &Terms) -> u64 {
    let under_discussion = facts.delivery.as_ref().map_or(0, |delivery| delivery.part + 1);
    let done = if outcome == Outcome::Accepted { under_discussion.max(facts.accepted) } else { facts.accepted };
    milestone::owed(&terms.price, &terms.milestones, done)
}

/// By when a header must be acknowledged to start a review.
fn ack_by(facts: &Facts, terms: &Terms) -> Timestamp {
    facts.due + terms.review
}

/// By when a decision must be dated, if the hire is contested and has an arbiter.
pub fn decide_by(facts: &Facts, terms: &Terms) -> Option<Timestamp> {
    Some(facts.contested? + terms.arbiter?.within)
}

/// When silence decides the stage: absent for those that are final.
pub fn deadline(facts: &Facts, terms: &Terms) -> Option<Timestamp> {
    let since = facts.since.map(|since| since + CLOSE);
    let by = match facts.stage {
        Stage::Declined | Stage::Decided(_) | Stage::Settled(_) => None,
        Stage::Contested => decide_by(facts, terms),
        Stage::Awarded | Stage::Withdrawn => Some(terms.until),
        Stage::Begun | Stage::Working => Some(facts.due),
        Stage::Delivered => Some(ack_by(facts, terms)),
        Stage::Reviewing => facts.review_until,
        Stage::Judged(_) | Stage::Cancelled(_) | Stage::Receipted(_) => since,
    };
    by.map(|by| by + GRACE)
}

/// The outcome at `now` and whether both signed it; absent while the hire is open.
///
/// `public` is what the public checks say of the delivered bytes, `opened` the same with the sealed checks that a
/// verdict opened; both absent if this side does not hold the bytes.
pub fn outcome(
    facts: &Facts,
    terms: &Terms,
    now: Timestamp,
    public: Option<bool>,
    opened: Option<bool>,
) -> Option<(Outcome, bool)> {
    match facts.stage {
        // Both had agreed to be bound by the arbiter.
        Stage::Settled(outcome) | Stage::Decided(outcome) => return Some((outcome, true)),
        Stage::Declined => return Some((Outcome::Lapsed, false)),
        Stage::Contested if terms.arbiter.is_none() => return Some((Outcome::Contested, false)),
        _ if deadline(facts, terms).is_none_or(|by| now <= by) => return None,
        _ => {}
    }
    let outcome = match facts.stage {
        Stage::Working => Outcome::Failed,
        Stage::Reviewing => match public {
            Some(true) => Outcome::Accepted,
            Some(false) => Outcome::Refused,
            None => Outcome::Contested,
        },
        Stage::Judged(Ruling::Accepted) => Outcome::Accepted,
        Stage::Judged(Ruling::Refused) if opened == Some(false) => Outcome::Refused,
        Stage::Judged(_) | Stage::Contested => Outcome::Contested,
        Stage::Cancelled(Side::Requester) => Outcome::CancelledByRequester,
        Stage::Cancelled(Side::Worker) => Outcome::CancelledByWorker,
        Stage::Receipted(outcome) => outcome,
        _ => Outcome::Lapsed,
    };
    Some((outcome, false))
}

#[cfg(test)]
mod tests;
