//! What can be asked of the brain, and the forms in which it answers: rows and pages for programs and people.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::hire::{Attempt, Closed, HireId, Side};
use crate::id::{AgentId, Bytes32, Id};
use crate::market::checks::Report;
use crate::market::constraint::Constraint;
use crate::market::price::Price;
use crate::market::{BlobRef, Manifest, Offer, Skill};
use crate::reputation::Columns;
use crate::time::{Millis, Timestamp};

/// A question about what is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// Live manifests, best first.
    Find(Find),
    /// My postings and hires, newest first.
    Hires {
        /// Only from this id on (exclusive), for the next page.
        after: Option<Bytes32>,
    },
    /// Everything about an offer of mine, a claim of mine or a hire, by id or a unique beginning of its hexadecimal form.
    Show(String),
    /// What I think of an agent, by id or unique beginning.
    Reputation(String),
    /// One page of a room's records for a peer that catches up.
    Page {
        /// The room.
        room: String,
        /// After which record.
        after: Option<Bytes32>,
    },
    /// Whether `who` may read a blob of ours within a hire.
    MayRead {
        /// The hire.
        hire: HireId,
        /// Who asks.
        who: AgentId,
        /// The blob.
        root: Bytes32,
    },
    /// Numbers for the operator.
    Status,
}

/// A search of the directory.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Find {
    /// The skill wanted: agents whose skills lie at, below or above it.
    pub skill: Option<Skill>,
    /// What their properties must say.
    pub constraint: Option<Constraint>,
    /// The highest price.
    pub max: Option<Price>,
    /// How many at most.
    pub limit: usize,
}

/// What a [`Query`] finds.
#[derive(Debug, Clone, PartialEq)]
pub enum Found {
    /// To [`Query::Find`].
    Agents(Vec<AgentRow>),
    /// To [`Query::Hires`].
    Hires {
        /// Postings without an award, and hires, newest first.
        rows: Vec<HireRow>,
        /// Where to go on.
        next: Option<Bytes32>,
    },
    /// To [`Query::Show`].
    Shown(Shown),
    /// To [`Query::Reputation`].
    Reputation(ReputationView),
    /// To [`Query::Page`].
    Page {
        /// Envelopes.
        records: Vec<Vec<u8>>,
        /// Where to go on.
        next: Option<Bytes32>,
    },
    /// To [`Query::MayRead`]: the blob's size if so.
    MayRead(Option<u64>),
    /// To [`Query::Status`].
    Status(Status),
    /// Nothing fits; the text says what to do.
    Nothing(String),
}

/// An agent in the directory.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AgentRow {
    /// Who.
    pub agent: AgentId,
    /// What it calls itself. Another agent's text: untrusted.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The skill that fits.
    pub skill: Skill,
    /// Its price for it.
    pub price: Price,
    /// How long it expects to take.
    pub expect: Millis,
    /// Whether the constraint is met: `yes`, or `unknown` with what its manifest does not say.
    pub missing: Vec<String>,
    /// What I think of it at that skill.
    pub reputation: Columns,
    /// The manifest.
    pub manifest: Id<Manifest>,
    /// When it leaves the directory unless renewed.
    pub expires: Timestamp,
}

/// A posting or hire in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HireRow {
    /// The hire, once there is one.
    pub hire: Option<HireId>,
    /// The offer.
    pub offer: Id<Offer>,
    /// Which side this peer is.
    pub side: Side,
    /// The counterparty, once there is one.
    pub with: Option<AgentId>,
    /// The skill.
    pub skill: Skill,
    /// Stage in words.
    pub stage: String,
    /// How it ended, once it has.
    pub closed: Option<Closed>,
    /// The price agreed.
    pub price: Option<Price>,
    /// When it came to be.
    pub at: Timestamp,
}

/// A record as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShownRecord {
    /// Name and version of its kind.
    pub kind: String,
    /// Its id.
    pub id: Bytes32,
    /// Who signed it.
    pub by: AgentId,
    /// When, as its signer dated it.
    pub at: Option<Timestamp>,
    /// What it says. Other agents' text in it is untrusted.
    pub says: serde_json::Value,
    /// What it says in private.
    pub private: Option<serde_json::Value>,
}

/// Everything about one offer, claim or hire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The summary line.
    pub row: HireRow,
    /// When silence would close it.
    pub deadline: Option<Timestamp>,
    /// The hires of an offer (more than one if it has several slots or was awarded again).
    pub hires: Vec<HireId>,
    /// How many claims are held for the offer.
    pub claims: usize,
    /// Why it ended without a hire, or why the winner was chosen.
    pub reason: Option<String>,
    /// All records in order of their dates.
    pub records: Vec<ShownRecord>,
    /// Runs of the agent.
    pub attempts: Vec<Attempt>,
    /// Reports of the checks this side ran, by result.
    pub checks: BTreeMap<Bytes32, CheckedView>,
    /// The result, once delivered: its bytes are in the blob store when `held`.
    pub result: Option<BlobRef>,
    /// Whether this node holds the result.
    pub held: bool,
}

/// A check report as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckedView {
    /// Public checks.
    pub public: Report,
    /// Sealed checks.
    pub sealed: Option<Report>,
}

/// What this peer thinks of an agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReputationView {
    /// Who.
    pub agent: AgentId,
    /// Its name, if its manifest is held. Untrusted.
    pub name: Option<String>,
    /// Over all skills.
    pub overall: Columns,
    /// By skill.
    pub skills: BTreeMap<String, Columns>,
    /// The ratings behind it, newest first, bounded.
    pub ratings: Vec<RatingRow>,
}

/// One rating in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RatingRow {
    /// The hire.
    pub hire: HireId,
    /// Who rates.
    pub by: AgentId,
    /// The skill.
    pub skill: Skill,
    /// The day, days since the epoch.
    pub day: u32,
    /// The scores.
    pub scores: crate::market::Scores,
    /// Whether both had signed the close.
    pub agreed: bool,
}

/// Numbers for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[expect(missing_docs, reason = "counts of what their names say")]
pub struct Status {
    pub manifests: usize,
    pub offers: usize,
    pub contacts: usize,
    pub postings_open: usize,
    pub claims_out: usize,
    pub hires_open: usize,
    pub hires_closed: usize,
    pub ratings: usize,
    pub outbox: usize,
    pub rooms: Vec<String>,
}
