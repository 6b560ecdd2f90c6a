//! Words for people: what the brain says in values, in sentences. Used by the command line, the trial and the API's errors.
//!
//! In: enums of the protocol. Out: lowercase fragments without a full stop. Invariant: what another agent wrote is quoted.

use gigmesh_protocol::hire::selection::{ClaimOutcome, Considered, Criterion, Over, Unfit, Why, WhyChosen};
use gigmesh_protocol::hire::task::{TaskError, TaskFault};
use gigmesh_protocol::hire::{NoResult, Side};
use gigmesh_protocol::limits::{NAME, SEEDS, SUMMARY};
use gigmesh_protocol::market::Reason;
use gigmesh_protocol::market::constraint::Match;
use gigmesh_protocol::peer::io::{ClaimEnd, HireRow, HireStatus, Objection, Passed, PostingEnd, Refused, WaitsFor};
use gigmesh_protocol::peer::query::{IdKind, Missing};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::transcript::End;
use gigmesh_protocol::untrusted::Untrusted;
use serde_json::Value;

use crate::limits::QUOTE;

/// Where an offer, a claim or a hire stands, and what it waits for from a person.
pub(crate) fn standing(row: &HireRow) -> String {
    let waits = match row.waits_for {
        Some(WaitsFor::Approval) => "waits for your approval",
        Some(WaitsFor::Judgement) => "waits for your judgement",
        Some(WaitsFor::Rating) => "waits for your rating",
        Some(WaitsFor::Answer) => "waits for your answer",
        Some(WaitsFor::Begin) => "waits for you to begin",
        Some(WaitsFor::Contest) => "refused; waits for what you say",
        None => return stage(row.stage),
    };
    waits.to_owned()
}

/// Where an offer, a claim or a hire stands.
pub(crate) fn stage(status: HireStatus) -> String {
    match status {
        HireStatus::AwaitsClaims => "waiting for claims".to_owned(),
        HireStatus::AwaitsConsent => "waiting for its arbiter's consent".to_owned(),
        HireStatus::AwaitsApproval => "waits for your approval".to_owned(),
        HireStatus::Closed => "closed".to_owned(),
        HireStatus::Claimed => "claimed, not awarded".to_owned(),
        HireStatus::Awarded => "awarded".to_owned(),
        HireStatus::Withdrawn => "withdrawn".to_owned(),
        HireStatus::Declined => "declined".to_owned(),
        HireStatus::Begun => "begun".to_owned(),
        HireStatus::Working => "working".to_owned(),
        HireStatus::Delivered => "delivered".to_owned(),
        HireStatus::InReview => "in review".to_owned(),
        HireStatus::Accepted => "accepted".to_owned(),
        HireStatus::Refused => "refused".to_owned(),
        HireStatus::NotServed => "not served".to_owned(),
        HireStatus::Cancelled(Side::Requester) => "cancelled by the requester".to_owned(),
        HireStatus::Cancelled(Side::Worker) => "cancelled by the worker".to_owned(),
        HireStatus::Contested => "contested".to_owned(),
        HireStatus::Decided(outcome) => format!("decided by the arbiter: {outcome}"),
        HireStatus::Receipted(outcome) => format!("closed by the requester: {outcome}"),
        HireStatus::Settled(outcome) => format!("settled: {outcome}"),
    }
}

/// Why a row of an offer or hire is as it is, where that is not plain.
pub(crate) fn because(row: &HireRow) -> Option<String> {
    let ended = row.reason.as_ref().map(posting_end);
    ended.or_else(|| row.decide_by.map(|by| format!("its arbiter has until {by}")))
}

/// Why an offer takes no more claims.
pub(crate) fn posting_end(end: &PostingEnd) -> String {
    match end {
        PostingEnd::Filled => "every slot is filled".to_owned(),
        PostingEnd::NoConsent => "its arbiter did not consent before it expired".to_owned(),
        PostingEnd::OverBudget(budget) => over(budget),
        PostingEnd::Unclaimed => "nobody suitable claimed it before it expired".to_owned(),
        PostingEnd::NotApproved => "nobody approved its price before it expired".to_owned(),
        PostingEnd::Stopped(words) => words.clone(),
        PostingEnd::WorkerRefused(why) => format!("the worker does not want it: {}", reason(why)),
        PostingEnd::ArbiterRefused(why) => format!("its arbiter does not consent: {}", reason(why)),
    }
}

/// What a side says about an end or a no. It is that side's claim.
pub(crate) fn reason(reason: &Reason) -> String {
    let words = match reason {
        Reason::ClaimEnded => "the claim had ended",
        Reason::NoCapacity => "no capacity left",
        Reason::NoSpace => "no room for the inputs",
        Reason::Withdrawn => "the award was withdrawn",
        Reason::BeginLate => "the begin came after its time",
        Reason::AgentFailed => "its agent gave no result",
        Reason::NodeStopped => "its node stopped while the agent ran, and the agent may not be started twice",
        Reason::ChecksFailed => "the result does not pass the public checks",
        Reason::NoRuling => "the case is not one to decide",
        Reason::ChecksPass => "every check that was shown passes on what was delivered",
        Reason::WasServed => "the result was ready to be fetched",
        Reason::OfferOver => "the offer is over",
        Reason::Filled => "every slot is filled",
        Reason::NotApproved => "nobody approved the price in time",
        Reason::OverBudget => "more than the requester may spend now",
        Reason::AboveCeiling => "the price is above the ceiling, or in another unit",
        Reason::Blocked => "the requester does not hire this agent",
        Reason::OthersOnly => "the requester hires others only for this skill",
        Reason::HadSlot => "the agent had a slot of this offer",
        Reason::IsArbiter => "the arbiter of a task cannot do its work",
        Reason::BindsTooLong => "it could take longer to begin than the task allows",
        Reason::NoManifest => "the claimant's manifest is not there, and the task makes demands",
        Reason::UnmetByWorker => "the worker does not meet what the task demands",
        Reason::NewcomersTurn => "it was a newcomer's turn",
        Reason::LessSpecific => "another worker's skill is more specific to the task",
        Reason::KnownBad => "most of what is known of its work is bad",
        Reason::LessReputed => "another worker is better known to be good",
        Reason::ByIds => "equal in all that was asked for; decided by the claims' ids",
        Reason::NoSuchSkill => "it has not the skill",
        Reason::NotServed => "the requester is not among those that it serves",
        Reason::UnmetByTask => "the task does not meet what the worker demands",
        Reason::ChecksNotRunnable => "its checks cannot be run",
        Reason::NoCredit => "the requester's credit is used up",
        Reason::TurnedDown => "an earlier claim on it was turned down",
        Reason::ArbiterNotAccepted => "the worker does not accept its arbiter",
        Reason::NoConsent => "the arbiter has not consented, or not for so long",
        Reason::OtherChecks => "the checks of an arbitration are its own, and it has one part",
        Reason::OwnOffer => "it is the agent's own offer",
        Reason::TooEarly => "its bid window is open for long",
        Reason::NotIssuer => "only its issuer may say that",
        Reason::NotSent => "records of this kind are not sent",
        Reason::OwnRecord => "the record is the receiver's own",
        Reason::Superseded => "another record holds its place",
        Reason::NoSuchHire => "there is no such hire",
        Reason::NoSuchOffer => "there is no such offer",
        Reason::NoSuchClaim => "there is no such claim",
        Reason::OtherOffer => "the claim is for another offer",
        Reason::NotForYou => "the offer was made to another",
        Reason::OtherArbiter => "the arbiter is another",
        Reason::ConsentTooShort => "the consent ends before the work could be decided on",
        Reason::TooLong => "the record is too long to travel with an award",
        Reason::Outbid(price) => return format!("dearer; {price} was chosen"),
        Reason::Slower(time) => return format!("slower; {time} was chosen"),
        Reason::BelowBar(bar) => return format!("its reputation is below the bar of {}", share(*bar)),
        Reason::Asks(price) => return format!("it asks {price}, more than is offered"),
        Reason::BreaksRule(rule) => return format!("the record breaks the rule {}", rule.words().quoted(QUOTE)),
        Reason::Malformed(why) => return format!("the record is malformed: {}", why.words().quoted(QUOTE)),
        Reason::Said(words) => return words.words().quoted(QUOTE),
        Reason::Unknown(code) => return format!("the code {}", code.words().quoted(QUOTE)),
    };
    words.to_owned()
}

/// Whether records of this kind say why in a [`Reason`]; others do in free text.
pub(crate) fn has_reason(kind: &str) -> bool {
    let name = kind.split('/').next().unwrap_or_default();
    matches!(name, "decline" | "withdraw" | "cancel" | "reject" | "contest")
}

/// A reason, note or statement of a record of this kind, as it is in JSON.
pub(crate) fn said(kind: &str, value: &Untrusted<Value>) -> Option<String> {
    if has_reason(kind) {
        return value.read_at("").map(|why| reason(&why));
    }
    value.text_at("").map(|text| text.quoted(QUOTE))
}

/// Why a command is not carried out, and what to do about it where that is not said.
pub(crate) fn refused(refused: &Refused) -> (String, Option<&'static str>) {
    (refusal(refused), refusal_hint(refused))
}

fn refusal(refused: &Refused) -> String {
    let words = match refused {
        Refused::Unknown(id) => return format!("no offer or hire {id} here"),
        Refused::Task(error) => return task(error),
        Refused::OffersFull => "too many offers are open; wait until some of them close",
        Refused::HiresFull => "too many hires are open; wait until some of them close",
        Refused::RoomsFull => "too many rooms are followed; they are left when the node is started again",
        Refused::EmptyToken => "an empty token names no order; leave it out, or give one",
        Refused::TokenTaken(offer) => {
            return format!(
                "the token was given before, with another task (offer {offer}); give this one a token of its own"
            );
        }
        Refused::PinSelf => "this is you; your own judgement counts anyway",
        Refused::PinsFull => return format!("{SEEDS} agents are pinned, which is the most"),
        Refused::NotStoppable => "it is delivered or over; only what is still at work can be stopped",
        Refused::NoScores => "give at least one score, each from 0 to 1",
        Refused::RatingSealed => "the rating is sealed already; a sealed rating is final",
        Refused::NotBegun => "it has not begun; there is nothing to rate",
        Refused::Closed => "it is closed, and what there was to rate is rated",
        Refused::NothingWaits => "nothing of this offer waits for you",
        Refused::NoRefusal => "there is no refusal of it to answer",
        Refused::NotWorking => "questions are asked by the worker while it works",
        Refused::QuestionsFull => "no more questions can be asked in this hire",
        Refused::NoQuestion => "it has no open question",
        Refused::NoDelivery => "there is no delivery of it under review here",
        Refused::ReviewOver => "the review clock has ended; the public checks decide",
        Refused::ResultMissing => "the result has not arrived yet",
        Refused::ChangesPast => "changes need a deadline that lies ahead",
        Refused::ChangesFull => "changes were wanted too often; accept or refuse it",
        Refused::ResultHere => "the result is here; accept or refuse it",
        Refused::Words(error) => return format!("the text is {error}"),
        Refused::NoAmount => "a payment is of something; name an amount like \"5 USD\"",
        Refused::NoteTooLong => return format!("the note is too long; {SUMMARY} bytes are kept"),
        Refused::NotContested => "it is not contested; an arbiter decides what both sides have spoken on",
        Refused::NoArbiter => "it has no arbiter; name one under [arbiter] of a task before it is hired for",
        Refused::ArbiterLate => "the arbiter's time is over; it stays contested",
        Refused::ArbiterCalled => "its arbiter is called already",
    };
    words.to_owned()
}

fn refusal_hint(refused: &Refused) -> Option<&'static str> {
    match refused {
        Refused::Unknown(_) => Some("`gigmesh hires` lists them"),
        Refused::PinsFull => Some("`gigmesh trust remove` one"),
        Refused::NothingWaits | Refused::NoRefusal => Some("`gigmesh inbox` lists what waits for you"),
        Refused::ResultMissing => Some("judge it when `gigmesh show` lists its checks"),
        _ => None,
    }
}

/// Why a text names no one thing, and what to do about it.
pub(crate) fn missing(missing: &Missing) -> (String, &'static str) {
    let lister = |kind: &IdKind| match kind {
        IdKind::Agent => "`gigmesh find` lists them",
        IdKind::Hire | IdKind::OfferOrHire | IdKind::OfferClaimOrHire => "`gigmesh hires` lists them",
    };
    match missing {
        Missing::NotAnId { kind } => {
            ("an id is 64 hexadecimal digits, or at least its first four".to_owned(), lister(kind))
        }
        Missing::Unknown { kind, text } => {
            let what = match kind {
                IdKind::Agent => "agent",
                IdKind::Hire => "hire",
                IdKind::OfferOrHire => "offer or hire",
                IdKind::OfferClaimOrHire => "offer, claim or hire",
            };
            (format!("no {what} {text} here"), lister(kind))
        }
        Missing::Ambiguous { text, count, longer } => {
            let more = if *count > longer.len() { ", ..." } else { "" };
            (format!("{count} ids begin with {text}: {}{more}", longer.join(", ")), "give more digits")
        }
    }
}

/// Why a run of the agent made no result.
pub(crate) fn no_result(why: &NoResult) -> String {
    match why {
        NoResult::SkillGone => "the configuration no longer has the skill".to_owned(),
        NoResult::Failed(words) => Untrusted::from(&**words).quoted(QUOTE),
    }
}

/// Where the records of a transcript end.
pub(crate) fn records_end(end: End) -> String {
    match end {
        End::Open => "not closed by either".to_owned(),
        End::Declined => "declined by the worker".to_owned(),
        End::Contested => "contested by the worker".to_owned(),
        End::Decided(outcome) => format!("decided by the arbiter: {outcome}"),
        End::Receipted(outcome) => format!("closed by the requester alone: {outcome}"),
        End::Settled(outcome) => format!("closed by both: {outcome}"),
    }
}

/// Which budget a price is over.
pub(crate) fn over(over: &Over) -> String {
    match over {
        Over::PerHire { price, most } => format!("{price} is more than the budget of {most} for one hire"),
        Over::PerDay { price, most, spent } => {
            let spent = if spent.micros() == 0 { String::new() } else { format!(", of which {spent} are spent") };
            format!("{price} is more than is left of the day's budget of {most}{spent}")
        }
        Over::Currency { price, per_day } => {
            let budget = if *per_day { "per_day" } else { "per_hire" };
            format!("{price}: there is no `{budget}` budget in that currency")
        }
    }
}

/// Why a claim cannot be chosen.
pub(crate) fn unfit(unfit: &Unfit) -> String {
    match unfit {
        Unfit::Ended => "the claim has ended".to_owned(),
        Unfit::BindsTooLong { until, begin } => {
            format!("it could take until {until} to begin, and the task allows {begin}")
        }
        Unfit::NoManifest => "its manifest is not here, and the task has a `where`".to_owned(),
        Unfit::Constraint(found) => unmet(found, "task", "worker"),
        Unfit::Budget(budget) => over(budget),
    }
}

/// Why a claim was chosen, or how the claims compare so far.
pub(crate) fn chosen(why: &Why) -> String {
    match &why.reason {
        WhyChosen::NoClaims => "no claims yet".to_owned(),
        WhyChosen::Only => "the only claim that fits".to_owned(),
        WhyChosen::NewcomersTurn => match why.considered.get(1) {
            Some(best) => format!("the newcomers' turn: new here, and no dearer than {}", best.price),
            None => "the newcomers' turn".to_owned(),
        },
        WhyChosen::Better { of, .. } => match better(why) {
            Some(better) => format!("before the next of {of}: {better}"),
            None => format!("before the next of {of}"),
        },
        WhyChosen::NoneFits(first) => unfit(first),
        WhyChosen::AwaitsArbiter => "its arbiter has not consented yet".to_owned(),
    }
}

/// By what the chosen claim is better than the next.
pub(crate) fn better(why: &Why) -> Option<String> {
    let WhyChosen::Better { by, .. } = why.reason else { return None };
    let [chosen, next, ..] = &why.considered[..] else { return None };
    Some(match by {
        Criterion::Bar(bar) => format!("at or above the bar of {}, the other below it", share(bar)),
        Criterion::Price => format!("cheaper, {} against {}", chosen.price, next.price),
        Criterion::Time => format!("faster, {} against {}", chosen.expect, next.expect),
        Criterion::Fit => "more specific to the skill".to_owned(),
        Criterion::Bad => "not known to be bad".to_owned(),
        Criterion::Reputation => {
            let (low, against) = (share(chosen.low), share(next.low));
            format!("better known to be good, reputation.low {low} against {against}")
        }
        Criterion::Ids => "equal in all that was asked for, decided by the claims' ids".to_owned(),
    })
}

/// What became of a claim of a comparison.
pub(crate) fn considered(why: &Why, claim: &Considered) -> String {
    let chosen = why.considered.first().unwrap_or(claim);
    match &claim.outcome {
        ClaimOutcome::Chosen => "chosen".to_owned(),
        ClaimOutcome::NewcomersTurn => "it was a newcomer's turn".to_owned(),
        ClaimOutcome::LeftOut(why) => format!("left out: {}", unfit(why)),
        ClaimOutcome::Lost(by) => match by {
            Criterion::Bar(bar) => {
                let (low, bar) = (share(claim.low), share(*bar));
                format!("reputation {low} is below the bar of {bar}, and others are above it")
            }
            Criterion::Price => format!("dearer: {}, and {} was chosen", claim.price, chosen.price),
            Criterion::Time => format!("slower: {}, and {} was chosen", claim.expect, chosen.expect),
            Criterion::Fit => "another worker's skill is more specific to the task".to_owned(),
            Criterion::Bad => "most of what is known of its work is bad".to_owned(),
            Criterion::Reputation => {
                format!("reputation.low {}, and {} was chosen", share(claim.low), share(chosen.low))
            }
            Criterion::Ids => "equal in all that was asked for; decided by the claims' ids".to_owned(),
        },
    }
}

/// Why nothing came of an offer.
pub(crate) fn passed(passed: &Passed) -> String {
    match passed {
        Passed::Objection(why) => objection(why),
        Passed::NoCapacity => {
            "no capacity left when it came; claimed as soon as there is, if it still stands".to_owned()
        }
        Passed::Claim(end) => claim_end(end),
    }
}

/// How a claim came to nothing.
pub(crate) fn claim_end(end: &ClaimEnd) -> String {
    match end {
        ClaimEnd::NotAwarded => "not awarded in time".to_owned(),
        ClaimEnd::TurnedDown(why) => format!("the requester says: {}", reason(why)),
    }
}

/// Why an offer is not claimed, and what to change where that helps.
pub(crate) fn objection(objection: &Objection) -> String {
    match objection {
        Objection::Skill => "no skill that is offered covers it".to_owned(),
        Objection::Own => "it is this agent's own offer".to_owned(),
        Objection::NotServed => "the requester is not among those that `serve.from` names".to_owned(),
        Objection::MyDispute => "this agent is its arbiter".to_owned(),
        Objection::Arbiter(agent) => format!("`serve.arbiters` does not name its arbiter {agent}"),
        Objection::NoConsent => "it brings a case without this agent's consent, or the consent has run out".to_owned(),
        Objection::CaseChecks => "it brings a case, with other checks than an arbitration has".to_owned(),
        Objection::Over => "the offer is over".to_owned(),
        Objection::Claimed => "it is claimed already".to_owned(),
        Objection::TurnedDown => "the claim on it was turned down".to_owned(),
        Objection::Price { asks, most } if asks.per() != most.per() || asks.compare(most).is_none() => {
            format!("{asks} cannot be compared with the task's ceiling of {most}; use the same unit and currency")
        }
        Objection::Price { asks, most } => format!("{asks} is above the task's ceiling of {most}"),
        Objection::Unmet { by: Side::Requester, found } => unmet(found, "task", "worker"),
        Objection::Unmet { by: Side::Worker, found } => unmet(found, "worker", "task"),
        Objection::Checks => "its checks cannot be run".to_owned(),
        Objection::Credit { most } => format!("it would owe more than its `serve.credit` of {most}"),
        Objection::Early { bids } => format!("claims are collected until {bids}; it is claimed near that time"),
    }
}

/// What keeps the constraint of one side from being met by the other.
fn unmet(found: &Match, whose: &str, other: &str) -> String {
    match found {
        Match::Yes => format!("the {whose}'s `where` holds"),
        Match::No(reasons) => {
            let reasons: Vec<String> = reasons.iter().map(|reason| reason.quoted(QUOTE)).collect();
            format!("the {whose}'s `where` is not met: {}", reasons.join("; "))
        }
        Match::Unknown(missing) => {
            let keys: Vec<String> = missing.iter().map(ToString::to_string).collect();
            format!("the {whose}'s `where`: not said by the {other}: {}; say it in its `properties`", keys.join(", "))
        }
    }
}

/// A share of a thousand, as people read it: 0.61.
fn share(per_mille: u16) -> String {
    format!("{:.2}", f64::from(per_mille) / 1000.0)
}

/// What is wrong at a place of a task, and what to do about it. The place stands beside it.
pub(crate) fn task(TaskError { at, fault }: &TaskError) -> String {
    match fault {
        TaskFault::Span { least, most, .. } if *least == Millis(1) => format!("more than nothing and at most {most}"),
        TaskFault::Span { least, most, .. } => format!("from {least} to {most}"),
        TaskFault::Bids { bids, expires } => {
            format!("claims are collected for {bids}, and after {expires} nobody is looked for any more (`expires`)")
        }
        TaskFault::Slots { most, .. } => format!("from 1 to {most} workers"),
        TaskFault::Agree { .. } => "from 2 to as many as there are `slots`".to_owned(),
        TaskFault::OneWorker => "a task for one named worker has one result: leave this out, or `to`".to_owned(),
        TaskFault::TooMany { given, most } => format!("has {given} items, at most {most} are allowed"),
        TaskFault::TooLarge { given, most } => match at.as_str() {
            "" => format!(
                "the public part of the task takes {given} bytes, at most {most} can be gossiped; shorten its schema or \
                 checks"
            ),
            "/summary" => format!("a summary has at most {most} bytes, this one {given}"),
            "/brief/params" => {
                format!("parameters of {given} bytes, at most {most} go into a brief: make them an input")
            }
            _ => format!("has {given} bytes, at most {most} are sent"),
        },
        TaskFault::Control => "holds a control character, which is not sent".to_owned(),
        TaskFault::InputName(name) => {
            format!("input {name:?}: is to be named with at most {NAME} of a-z, 0-9, '_' and '-'")
        }
        TaskFault::SameName => "two inputs have this name; give each its own".to_owned(),
        TaskFault::NotJson => "the parameters are not JSON".to_owned(),
        TaskFault::Check(error) => error.to_string(),
        TaskFault::Compare(path) => format!("{path:?}: a path into the result, like \"result.mean\""),
        TaskFault::Share(_) => "a share of the price between 0 and 1, like 0.25".to_owned(),
        TaskFault::Shares(_) => "the shares leave nothing for the last part; together they are below 1".to_owned(),
        TaskFault::Fraction(_) => "from 0 to 1".to_owned(),
        TaskFault::NotThird => "an arbiter is a third party: neither who orders the task nor its worker".to_owned(),
        TaskFault::Oneself => "an agent cannot hire itself; name another worker".to_owned(),
        TaskFault::Arbitration => {
            "work of this skill is ordered by `gigmesh appeal`, and no other work brings a case".to_owned()
        }
        TaskFault::Consent(error) => format!("the case brings no consent of its arbiter: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use gigmesh_protocol::market::Outcome;
    use gigmesh_protocol::time::Millis;

    use super::*;

    #[test]
    fn words_of_others_are_quoted_and_codes_are_not() {
        assert_eq!(reason(&Reason::NoCapacity), "no capacity left");
        assert_eq!(reason(&Reason::said("too dear\n\u{202e}")), r#""too dear\n ""#);
        assert_eq!(reason(&Reason::Slower(Millis::secs(30))), "slower; 30s was chosen");
        let unknown: Reason = serde_json::from_str(r#""on\nstrike""#).unwrap();
        assert_eq!(reason(&unknown), r#"the code "on\nstrike""#);
        let end = PostingEnd::WorkerRefused(Reason::said("no\nagent ab accepted"));
        assert_eq!(posting_end(&end), r#"the worker does not want it: "no\nagent ab accepted""#);
        let turned_down = ClaimEnd::TurnedDown(Reason::Outbid("0.01 USD per task".parse().unwrap()));
        assert_eq!(claim_end(&turned_down), "the requester says: dearer; 0.01 USD per task was chosen");
        let found = Match::No(vec!["region is \"us\u{1b}\"".into()]);
        let unmet = objection(&Objection::Unmet { by: Side::Requester, found });
        assert_eq!(unmet, r#"the task's `where` is not met: "region is \"us\u{1b}\"""#);
        assert_eq!(stage(HireStatus::Settled(Outcome::Accepted)), "settled: accepted");
    }
}
