//! What the requester of a hire does next.
//!
//! In: the hire, the task it is for, the time. Out: at most one step, the most urgent; asked again after each. Must never
//! happen: a step that depends on anything but what is durable (`idle` aside, which only says that work is under way).

use crate::hire::stage::{Facts, Stage};
use crate::hire::task::{Review, Task};
use crate::hire::{Hire, Say, Side, Step, Todo, Wish, worker};
use crate::limits::{CLOSE, GRACE, SERVED};
use crate::market::{Outcome, Reason, Ruling, Scores};
use crate::time::{Millis, Timestamp};

/// What a verdict names as failed when the results of others agree on another.
pub const OUTVOTED: &str = "agree: outvoted";

/// What the results of others say to this one, where a task asks for several that agree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// It stands for itself.
    Unasked,
    /// Enough say the same.
    Given,
    /// Enough cannot say the same any more.
    Refused,
    /// It is not known yet.
    Awaited,
}

/// The next step of the requester. `called` says whether it has called the arbiter.
pub fn next(hire: &Hire, task: &Task, now: Timestamp, idle: bool, consent: Consent, called: bool) -> Option<Step> {
    let facts = hire.facts();
    let stop = match &hire.wish {
        Some(Wish::Stop(words)) => Some(Reason::said(words)),
        _ => None,
    };
    match (facts.stage, stop) {
        (Stage::Awarded, stop) => return stop.map(|reason| Step::Say(Say::Withdraw { reason })),
        (Stage::Begun | Stage::Working, Some(reason)) => {
            return Some(Step::Say(Say::Cancel { reason }));
        }
        _ => {}
    }
    match facts.stage {
        Stage::Begun if !facts.briefed && now <= facts.due => Some(Step::Say(Say::Brief)),
        Stage::Working if now > facts.due + GRACE => Some(receipt(hire, &facts, Outcome::Failed)),
        Stage::Delivered if now <= facts.due + hire.terms().review => Some(Step::Say(Say::Ack)),
        Stage::Reviewing => review(hire, &facts, task, now, idle, consent),
        Stage::Judged(_) | Stage::Cancelled(_) if waits_for_rating(hire, &facts, task.rating_by, now) => None,
        Stage::Judged(Ruling::Accepted) => Some(receipt(hire, &facts, Outcome::Accepted)),
        Stage::Judged(Ruling::Refused) => Some(receipt(hire, &facts, Outcome::Refused)),
        Stage::Cancelled(Side::Requester) => Some(receipt(hire, &facts, Outcome::CancelledByRequester)),
        Stage::Cancelled(Side::Worker) => Some(receipt(hire, &facts, Outcome::CancelledByWorker)),
        Stage::Contested if hire.wish == Some(Wish::Appeal) && !called => worker::appeal(hire, &facts, idle, now),
        _ => None,
    }
}

/// When a review no longer waits for the results of others: with an eighth of the clock left.
pub fn alone_at(hire: &Hire, facts: &Facts) -> Option<Timestamp> {
    let until = facts.review_until.filter(|_| facts.stage == Stage::Reviewing)?;
    Some(until - Millis(hire.terms().review.0 / 8))
}

/// When a review without the bytes is given up: with an eighth of the clock left, so that the verdict is dated in time.
pub fn unserved_at(hire: &Hire, facts: &Facts) -> Option<Timestamp> {
    let until = facts.review_until.filter(|_| facts.stage == Stage::Reviewing)?;
    let held = facts.delivery.as_ref().is_some_and(|delivery| hire.fetched.contains(&delivery.blob.root));
    (!held).then(|| Timestamp(until.0 - hire.terms().review.0.min(until.0) / 8))
}

/// Until when a person may rate before the close is signed with derived scores: half of the time for the close.
pub fn rate_by(facts: &Facts) -> Option<Timestamp> {
    facts.since.map(|since| since + Millis(CLOSE.0 / 2))
}

/// Whether the close waits for a person to rate.
pub fn waits_for_rating(hire: &Hire, facts: &Facts, rating_by: Review, now: Timestamp) -> bool {
    let due = rate_by(facts).is_some_and(|by| now < by);
    rating_by == Review::Person && hire.scored.is_none() && due
}

fn review(hire: &Hire, facts: &Facts, task: &Task, now: Timestamp, idle: bool, consent: Consent) -> Option<Step> {
    let (delivery, until) = (facts.delivery.as_ref()?, facts.review_until?);
    let checked = hire.checks(facts);
    // Whoever was away during the review fetches the bytes all the same, for they decide, and they stay served.
    if now > until + SERVED {
        return None;
    }
    if !hire.fetched.contains(&delivery.blob.root) {
        if now <= until && unserved_at(hire, facts).is_some_and(|at| now >= at) {
            return Some(verdict(Ruling::Unserved, None, ""));
        }
        return idle.then(|| Step::Do(Todo::Fetch(vec![delivery.blob])));
    }
    let Some(checked) = checked else {
        return idle.then_some(Step::Do(Todo::Check { blob: delivery.blob, part: delivery.part, sealed: true }));
    };
    if now > until {
        // Too late for a verdict; after the grace the public checks have decided.
        let (outcome, _) = hire.outcome(facts, now)?;
        return (outcome != Outcome::Contested).then(|| receipt(hire, facts, outcome));
    }
    match (&hire.wish, task.review_by) {
        (Some(Wish::Rule(ruling, note)), _) => Some(verdict(*ruling, Some(checked), note)),
        (_, Review::Auto) if checked.passed() => match consent {
            Consent::Refused => Some(Step::Say(Say::Verdict {
                ruling: Ruling::Refused,
                failed: vec![OUTVOTED.to_owned()],
                note: String::new(),
            })),
            Consent::Awaited if alone_at(hire, facts).is_some_and(|at| now < at) => None,
            _ => Some(verdict(Ruling::Accepted, Some(checked), "")),
        },
        (_, Review::Auto) => Some(verdict(Ruling::Refused, Some(checked), "")),
        (_, Review::Person) => None,
    }
}

fn verdict(ruling: Ruling, checked: Option<&crate::hire::Checked>, note: &str) -> Step {
    let reports = checked.into_iter().flat_map(|checked| std::iter::once(&checked.public).chain(&checked.sealed));
    let failed = reports.flat_map(|report| &report.outcomes).filter(|outcome| !outcome.passed);
    let failed = failed.map(|outcome| outcome.line()).collect();
    Step::Say(Say::Verdict { ruling, failed, note: note.to_owned() })
}

fn receipt(hire: &Hire, facts: &Facts, outcome: Outcome) -> Step {
    Step::Say(Say::Receipt { outcome, scores: hire.scored.or_else(|| judge(hire, facts, outcome)) })
}

/// What the requester thinks of the worker, from what was measured; `None` where the worker is not to be judged.
///
/// Speed is the expected time over the time taken, at most 1. Each round of changes takes a quarter off the quality.
pub fn judge(hire: &Hire, facts: &Facts, outcome: Outcome) -> Option<Scores> {
    let share = hire.checks(facts).map(crate::hire::Checked::share);
    let took = hire.took(facts).0.max(1);
    let speed = (hire.claim.expect.0.saturating_mul(1000) / took).min(1000);
    let speed = u16::try_from(speed).ok().filter(|_| facts.delivery.is_some());
    let revisions = u16::try_from(facts.deliveries.saturating_sub(1)).unwrap_or(u16::MAX);
    match outcome {
        Outcome::Accepted => Some(Scores {
            speed,
            quality: Some(1000u16.saturating_sub(revisions.saturating_mul(250))),
            accuracy: share,
            communication: Some(1000),
        }),
        // Being quick and polite does not make up for work that was not what was asked for.
        Outcome::Refused => Some(Scores { speed: None, quality: Some(0), accuracy: share, communication: None }),
        Outcome::Failed => Some(Scores { speed: Some(0), quality: Some(0), accuracy: None, communication: Some(0) }),
        // It said so: better than silence, and no work to judge.
        Outcome::CancelledByWorker => {
            Some(Scores { speed: None, quality: Some(0), accuracy: None, communication: Some(500) })
        }
        Outcome::CancelledByRequester | Outcome::Lapsed | Outcome::Contested => None,
    }
}
