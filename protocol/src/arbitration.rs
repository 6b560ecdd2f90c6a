//! A contested hire before its arbiter: the case, and what is made of it.
//!
//! In: the file that the caller brought (a transcript of the hire), and what the arbiter's agent made of it. Out: the case
//! for the agent to read, and what the decision is to say. What must never happen: a decision in a hire that did not name
//! this arbiter, for a caller that is no party to it, or on words that nobody signed.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::hire::HireId;
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::market::checks::{Checks, Schema};
use crate::market::{Outcome, Ruling};
use crate::record::Network;
use crate::transcript::Transcript;

pub use crate::market::decision::{SKILL, is_arbitration};

/// The input that holds the case: a transcript, as JSON.
pub const CASE: &str = "case";
/// The input that holds the bytes that were delivered.
pub const RESULT: &str = "result";

/// Who decides, on which network, at whose call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    /// The market.
    pub network: Network,
    /// The arbiter: this peer.
    pub arbiter: AgentId,
    /// Who hired it for this case.
    pub caller: AgentId,
}

/// A contested hire, proven.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    hire: HireId,
    requester: AgentId,
    worker: AgentId,
    /// The last record of each side, the requester's first.
    seen: (Bytes32, Bytes32),
    records: Vec<Value>,
}

/// What the decision is to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// The contested hire.
    pub hire: HireId,
    /// Its parties, the requester first.
    pub parties: (AgentId, AgentId),
    /// The last record seen of each, in the same order.
    pub seen: (Bytes32, Bytes32),
    /// Accepted or refused.
    pub ruling: Ruling,
    /// Why.
    pub statement: String,
}

/// What an arbiter's agent must make: `{"ruling": "accepted" | "refused", "statement": "why"}`.
#[derive(Deserialize)]
struct Ruled {
    ruling: Word,
    statement: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Accepted,
    Refused,
}

/// The public checks of an arbitration: that its result is a ruling with a reason.
pub fn checks() -> Checks {
    let schema = json!({
        "type": "object",
        "required": ["ruling", "statement"],
        "properties": {
            "ruling": { "enum": ["accepted", "refused"] },
            "statement": { "type": "string", "minLength": 1, "maxLength": limits::NOTE },
        },
    });
    let schema = Schema::from_json(schema).expect("the schema is a constant, and a test compiles it");
    Checks { schema: Some(schema), asserts: Vec::new() }
}

/// Why a case cannot be decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum CaseError {
    /// No input is a case of at most `limits::CASE` bytes.
    #[error("no input is a case of at most {} bytes", limits::CASE)]
    Missing,
    /// The store cannot read it.
    #[error("the case cannot be read: {0}")]
    Unreadable(String),
    /// It is no transcript.
    #[error("the case is no transcript: {0}")]
    Format(String),
    /// It does not verify.
    #[error("the case does not verify: {0}")]
    Unproven(String),
    /// It is of another network.
    #[error("the case is of another network")]
    Network,
    /// The hire names another arbiter, or none.
    #[error("the hire names another arbiter, or none")]
    Arbiter,
    /// The caller took no part in the hire.
    #[error("the caller took no part in the hire")]
    Caller,
    /// The hire is not contested, or is decided.
    #[error("the hire is not contested, or is decided")]
    NotContested,
    /// The agent's result is no ruling.
    #[error("the result is no ruling: {0}")]
    NoRuling(String),
}

impl Seat {
    /// Verifies the case that the caller brought.
    ///
    /// # Errors
    /// It is not a transcript of a hire of this network that is contested, named this arbiter and had this caller as a
    /// party.
    pub fn open(&self, case: &[u8]) -> Result<Case, CaseError> {
        let transcript = Transcript::from_json(case).map_err(|fault| CaseError::Format(fault.to_string()))?;
        let found = transcript.verify().map_err(|fault| CaseError::Unproven(fault.to_string()))?;
        let rule = |holds: bool, otherwise| if holds { Ok(()) } else { Err(otherwise) };
        rule(transcript.network() == self.network, CaseError::Network)?;
        let arbiter = found.terms.as_ref().and_then(|terms| terms.arbiter).map(|arbiter| arbiter.agent);
        rule(arbiter == Some(self.arbiter), CaseError::Arbiter)?;
        rule([found.requester, found.worker].contains(&self.caller), CaseError::Caller)?;
        rule(found.contested && found.outcome == Some(Outcome::Contested), CaseError::NotContested)?;
        Ok(Case {
            hire: found.hire,
            requester: found.requester,
            worker: found.worker,
            seen: found.ends,
            records: transcript.read(),
        })
    }
}

impl Case {
    /// The case for whoever decides it: who is who, and every record of the hire in plain JSON. The texts in it are the
    /// parties': untrusted.
    pub fn readable(&self) -> Value {
        json!({ "hire": self.hire, "requester": self.requester, "worker": self.worker, "records": self.records })
    }

    /// What follows from the agent's result.
    ///
    /// # Errors
    /// The result is not a ruling with a reason.
    pub fn decide(&self, result: &[u8]) -> Result<Box<Decided>, CaseError> {
        let ruled: Ruled = serde_json::from_slice(result).map_err(|error| CaseError::NoRuling(error.to_string()))?;
        let ruling = match ruled.ruling {
            Word::Accepted => Ruling::Accepted,
            Word::Refused => Ruling::Refused,
        };
        let parties = (self.requester, self.worker);
        Ok(Box::new(Decided { hire: self.hire, parties, seen: self.seen, ruling, statement: ruled.statement }))
    }
}
