//! What the worker of a hire does next.
//!
//! In: the hire, what this peer can take on, the time. Out: at most one step, the most urgent; asked again after each.
//! Must never happen: a second start of an agent that was not declared restartable.

use crate::hire::requester::{OUTVOTED, rate_by, waits_for_rating};
use crate::hire::stage::{self, Facts, Stage};
use crate::hire::task::Review;
use crate::hire::{Checked, Hire, Say, Step, Todo, Wish};
use crate::limits;
use crate::market::{BlobRef, Brief, Outcome, Reason, Ruling, Scores};
use crate::record::Verified;
use crate::time::Timestamp;

/// What the machine must know beside the hire.
#[derive(Debug, Clone, Copy)]
pub struct Means {
    /// Whether there is room for one more hire.
    pub capacity: bool,
    /// Whether there is room for the inputs.
    pub room: bool,
    /// Whether the agent may be started again after the node fell while it ran.
    pub restartable: bool,
    /// Who rates the requester.
    pub rating_by: Review,
    /// Who takes an award.
    pub begin_by: Review,
    /// Who decides whether to contest a refusal.
    pub contest_by: Review,
    /// Whether nothing is under way for this hire (a fetch, a run, a check).
    pub idle: bool,
    /// Whether the arbiter has been called.
    pub called: bool,
}

/// The next step of the worker.
pub fn next(hire: &Hire, means: Means, now: Timestamp) -> Option<Step> {
    let facts = hire.facts();
    let decline = |is_final, reason| Some(Step::Say(Say::Decline { is_final, reason }));
    match facts.stage {
        Stage::Awarded if now > hire.terms().until => decline(false, Reason::ClaimEnded),
        Stage::Awarded if !means.capacity => decline(false, Reason::NoCapacity),
        Stage::Awarded if !means.room => decline(true, Reason::NoSpace),
        Stage::Awarded => match &hire.wish {
            Some(Wish::Stop(words)) => decline(true, Reason::said(words)),
            None if means.begin_by == Review::Person => None,
            _ => Some(Step::Say(Say::Begin)),
        },
        Stage::Withdrawn => decline(true, Reason::Withdrawn),
        Stage::Begun | Stage::Working => work(hire, &facts, means, now),
        Stage::Judged(Ruling::Unserved) => contest(Reason::WasServed),
        Stage::Judged(Ruling::Refused) => match disputes(hire, &facts, means, now) {
            Agreement::Agrees | Agreement::Open(None) => None,
            Agreement::Open(step) => step,
            Agreement::Disagrees(statement) => contest(statement),
        },
        Stage::Receipted(_) if waits_for_rating(hire, &facts, means.rating_by, now) => None,
        Stage::Receipted(outcome) => close(hire, &facts, outcome, means, now),
        // Whoever contests has the arbiter called.
        Stage::Contested if !means.called => appeal(hire, &facts, means.idle, now),
        _ => None,
    }
}

/// Puts the case together while there is an arbiter with time to decide it.
pub(super) fn appeal(hire: &Hire, facts: &Facts, idle: bool, now: Timestamp) -> Option<Step> {
    let by = stage::decide_by(facts, hire.terms())?;
    (idle && now < by).then_some(Step::Do(Todo::Appeal))
}

fn contest(statement: Reason) -> Option<Step> {
    Some(Step::Say(Say::Contest { statement }))
}

fn cancel(reason: Reason) -> Option<Step> {
    Some(Step::Say(Say::Cancel { reason }))
}

/// The brief of a hire, once it is here.
pub fn brief(hire: &Hire) -> Option<&Verified<Brief>> {
    hire.chain.of(crate::hire::Side::Requester).iter().find_map(|entry| match entry {
        crate::hire::chain::Entry::Brief(brief) => Some(brief),
        _ => None,
    })
}

fn work(hire: &Hire, facts: &Facts, means: Means, now: Timestamp) -> Option<Step> {
    if let Some(Wish::Stop(words)) = &hire.wish {
        return cancel(Reason::said(words));
    }
    if now > facts.due {
        return None;
    }
    let brief = brief(hire)?;
    if facts.stage == Stage::Begun {
        return Some(Step::Say(Say::Progress { percent: 0, note: None }));
    }
    let missing: Vec<BlobRef> =
        brief.inputs.iter().map(|input| input.blob).filter(|blob| !hire.fetched.contains(&blob.root)).collect();
    if !missing.is_empty() {
        return means.idle.then_some(Step::Do(Todo::Fetch(missing)));
    }
    let done: Vec<BlobRef> =
        hire.attempts.iter().filter_map(|attempt| attempt.ended.as_ref()?.1.as_ref().ok().copied()).collect();
    // One good run for each delivery asked for.
    let Some(result) = done.get(facts.deliveries).copied() else {
        return run(hire, means);
    };
    let part = facts.accepted;
    match hire.checked_as(&result.root, part) {
        None => means.idle.then_some(Step::Do(Todo::Check { blob: result, part, sealed: false })),
        Some(Checked { decided: Some(Err(_)), .. }) => cancel(Reason::NoRuling),
        Some(checked) if checked.public.passed() => {
            Some(Step::Say(Say::Deliver { blob: result, checked: checked.share(), part }))
        }
        Some(_) => cancel(Reason::ChecksFailed),
    }
}

fn run(hire: &Hire, means: Means) -> Option<Step> {
    if !means.idle {
        return None;
    }
    match hire.attempts.last().map(|last| &last.ended) {
        Some(Some((_, Err(_)))) => return cancel(Reason::AgentFailed),
        Some(None) if !means.restartable => return cancel(Reason::NodeStopped),
        _ => {}
    }
    if hire.attempts.len() >= (limits::DELIVERIES + hire.terms().milestones.len()) * 2 {
        return cancel(Reason::AgentFailed);
    }
    Some(Step::Do(Todo::Work))
}

enum Agreement {
    Agrees,
    /// With what it says.
    Disagrees(Reason),
    /// Not known before this is done, or before a person has decided.
    Open(Option<Step>),
}

/// Whether the worker disputes a refusal: as a person says, else as its own run of the checks does.
fn disputes(hire: &Hire, facts: &Facts, means: Means, now: Timestamp) -> Agreement {
    match &hire.wish {
        Some(Wish::Contest(None)) => return Agreement::Agrees,
        Some(Wish::Contest(Some(statement))) => return Agreement::Disagrees(Reason::said(statement)),
        _ if waits_for_contest(facts, means.contest_by, now) => return Agreement::Open(None),
        _ => {}
    }
    recheck(hire, facts, means.idle)
}

/// Whether a refusal waits for a person of the worker's: for half of the time for the close.
pub fn waits_for_contest(facts: &Facts, contest_by: Review, now: Timestamp) -> bool {
    let refused = matches!(facts.stage, Stage::Judged(Ruling::Refused) | Stage::Receipted(Outcome::Refused));
    contest_by == Review::Person && refused && rate_by(facts).is_some_and(|by| now < by)
}

/// Whether the worker's own run of the public and opened checks finds a fault in what it delivered.
fn recheck(hire: &Hire, facts: &Facts, idle: bool) -> Agreement {
    let disagrees = || Agreement::Disagrees(Reason::ChecksPass);
    let Some(delivery) = &facts.delivery else { return disagrees() };
    // That others agree on another result is what it let itself in for; no check of its own can tell.
    if hire.terms().agree.is_some() && outvoted(hire) {
        return Agreement::Agrees;
    }
    // Sealed checks are of the last part; shown with another, they say nothing of it.
    let shown = facts.opened && delivery.part + 1 == stage::parts(hire.terms());
    match hire.checked_as(&delivery.blob.root, delivery.part) {
        Some(checked) if checked.sealed.is_some() || !shown => {
            if checked.passed() {
                disagrees()
            } else {
                Agreement::Agrees
            }
        }
        _ => Agreement::Open(idle.then_some(Step::Do(Todo::Check {
            blob: delivery.blob,
            part: delivery.part,
            sealed: true,
        }))),
    }
}

/// Whether the requester's verdict says that the results of others agree on another.
fn outvoted(hire: &Hire) -> bool {
    hire.chain.of(crate::hire::Side::Requester).iter().rev().find_map(|entry| match entry {
        crate::hire::chain::Entry::Verdict(verdict) => Some(verdict.failed.iter().any(|line| **line == *OUTVOTED)),
        _ => None,
    }) == Some(true)
}

fn close(hire: &Hire, facts: &Facts, outcome: Outcome, means: Means, now: Timestamp) -> Option<Step> {
    if outcome == Outcome::Refused {
        match disputes(hire, facts, means, now) {
            Agreement::Agrees => {}
            Agreement::Disagrees(statement) => return contest(statement),
            Agreement::Open(step) => return step,
        }
    }
    Some(Step::Say(Say::Countersign { scores: hire.scored.or_else(|| judge(hire, facts, outcome)) }))
}

/// What the worker thinks of the requester: judged on whether it ruled in time and kept to what its checks say.
pub fn judge(hire: &Hire, facts: &Facts, outcome: Outcome) -> Option<Scores> {
    let silent = facts.delivery.is_some() && facts.since.is_none();
    let verdict_at = facts.since.filter(|_| facts.review_until.is_some());
    let speed = match (verdict_at, facts.review_until) {
        (Some(at), Some(until)) => {
            let used = hire.terms().review.0.saturating_sub(until.since(at).0);
            let left = 1000 - used.saturating_mul(1000).checked_div(hire.terms().review.0).unwrap_or(0).min(1000);
            u16::try_from(left).ok()
        }
        _ => None,
    };
    match outcome {
        // It refused what had to be accepted.
        Outcome::Accepted if facts.contested.is_some() => {
            Some(Scores { speed, quality: Some(0), accuracy: None, communication: Some(500) })
        }
        Outcome::Accepted | Outcome::Refused if silent => {
            Some(Scores { speed: Some(0), quality: None, accuracy: None, communication: Some(0) })
        }
        Outcome::Accepted | Outcome::Refused => {
            Some(Scores { speed, quality: Some(1000), accuracy: None, communication: Some(1000) })
        }
        Outcome::Contested => Some(Scores { speed, quality: Some(0), accuracy: None, communication: Some(500) }),
        Outcome::CancelledByRequester => {
            Some(Scores { speed: None, quality: Some(250), accuracy: None, communication: Some(500) })
        }
        Outcome::Failed | Outcome::CancelledByWorker | Outcome::Lapsed => None,
    }
}
