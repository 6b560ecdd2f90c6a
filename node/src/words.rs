//! What the brain says, in words for people. In: its enums. Out: lowercase fragments, in the terms of the files that
//! people write. Nothing is decided here.

use gigmesh_protocol::hire::Side;
use gigmesh_protocol::market::constraint::Match;
use gigmesh_protocol::peer::Objection;

/// Why an offer is not claimed, and what to change where that helps.
pub fn objection(objection: &Objection) -> String {
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
        Match::No(reasons) => format!("the {whose}'s `where` is not met: {}", reasons.join("; ")),
        Match::Unknown(missing) => {
            let keys: Vec<String> = missing.iter().map(ToString::to_string).collect();
            format!("the {whose}'s `where`: not said by the {other}: {}; say it in its `properties`", keys.join(", "))
        }
    }
}
