//! The forms in which queries are answered: rows and pages for programs and people.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::hire::selection::Why;
use crate::hire::stage::Stage;
use crate::hire::{Attempt, Closed, HireId, Side};
use crate::id::{AgentId, Bytes32, Id};
use crate::ledger::{Balance, Entry};
use crate::market::checks::Report;
use crate::market::constraint::Constraint;
use crate::market::price::{Amount, Price};
use crate::market::{BlobRef, Claim, Manifest, Offer, Outcome, Rating, Ruling, Skill};
use crate::peer::hiring::PostingEnd;
use crate::peer::serving::Passed;
use crate::reputation::{Changed, Columns, Edition};
use crate::time::{Millis, Timestamp};
use crate::untrusted::{Untrusted, Words};
use crate::wire::Item;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, C = Bytes32> {
    /// Its rows.
    pub rows: Vec<T>,
    /// The cursor of the next page; `None` at the end.
    pub next: Option<C>,
}

/// A page of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerPage {
    /// What is not settled, by counterparty and currency.
    pub balances: Vec<Balance>,
    /// Lines, newest first.
    pub rows: Vec<Entry>,
    /// How many lines to skip for the next page; `None` at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<usize>,
}

/// Everything signed in a hire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HireRecords {
    /// Offer, claim, award, then the chains in causal order.
    pub records: Vec<Item>,
    /// Ids of its ratings; their envelopes are in the store.
    pub ratings: Vec<Id<Rating>>,
}

/// An agent in the directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AgentRow {
    /// Who.
    pub agent: AgentId,
    /// What it calls itself.
    pub name: Untrusted,
    /// Its version.
    pub version: Untrusted,
    /// The skill that fits.
    pub skill: Skill,
    /// Its price for it.
    pub price: Price,
    /// How long it expects to take.
    pub expect: Millis,
    /// What its manifest does not say of the constraint's demands; empty if it meets them.
    pub missing: Vec<String>,
    /// What it demands of an offer. Its form is ours, the texts in it are the agent's.
    pub demands: Option<Untrusted<Constraint>>,
    /// What I think of it at that skill.
    pub reputation: Columns,
    /// Why I think nothing of it, if I do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_view: Option<NoView>,
    /// The manifest.
    pub manifest: Id<Manifest>,
    /// When it leaves the directory unless renewed.
    pub expires: Timestamp,
}

/// A posting or hire in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Where it stands.
    pub stage: HireStatus,
    /// What it waits for from a person of this peer's.
    pub waits_for: Option<WaitsFor>,
    /// Why an offer without a hire takes no more claims, once it does not.
    pub reason: Option<PostingEnd>,
    /// Until when the arbiter of a contested hire may decide it.
    pub decide_by: Option<Timestamp>,
    /// How it ended, once it has.
    pub closed: Option<Closed>,
    /// The price agreed.
    pub price: Option<Price>,
    /// When it came to be.
    pub at: Timestamp,
}

/// Where an offer, a claim or a hire stands. What it waits for from a person is in [`HireRow::waits_for`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HireStatus {
    /// An offer without a hire that may still be claimed.
    AwaitsClaims,
    /// An offer whose arbiter has not consented.
    AwaitsConsent,
    /// An offer that would be awarded if a person approved the price.
    AwaitsApproval,
    /// An offer without a hire that takes no more claims.
    Closed,
    /// A claim that is neither awarded nor lost.
    Claimed,
    /// See [`Stage::Awarded`], as those below.
    Awarded,
    /// Taken back before a begin.
    Withdrawn,
    /// Not begun by the worker.
    Declined,
    /// Begun; the brief is on its way.
    Begun,
    /// The worker has the brief.
    Working,
    /// A result is announced.
    Delivered,
    /// A result is under review.
    InReview,
    /// The result is what was asked for; the close is awaited.
    Accepted,
    /// The result is not what was asked for; the close is awaited.
    Refused,
    /// The result was never served; the close is awaited.
    NotServed,
    /// Stopped by this side, before the close.
    Cancelled(Side),
    /// The worker does not agree.
    Contested,
    /// The arbiter has decided.
    Decided(Outcome),
    /// Closed by the requester.
    Receipted(Outcome),
    /// Closed by both.
    Settled(Outcome),
}

impl From<Stage> for HireStatus {
    fn from(stage: Stage) -> Self {
        match stage {
            Stage::Awarded => Self::Awarded,
            Stage::Withdrawn => Self::Withdrawn,
            Stage::Declined => Self::Declined,
            Stage::Begun => Self::Begun,
            // With changes wanted the stage is `Working`.
            Stage::Working | Stage::Judged(Ruling::Changes(_)) => Self::Working,
            Stage::Delivered => Self::Delivered,
            Stage::Reviewing => Self::InReview,
            Stage::Judged(Ruling::Accepted) => Self::Accepted,
            Stage::Judged(Ruling::Refused) => Self::Refused,
            Stage::Judged(Ruling::Unserved) => Self::NotServed,
            Stage::Cancelled(side) => Self::Cancelled(side),
            Stage::Contested => Self::Contested,
            Stage::Decided(outcome) => Self::Decided(outcome),
            Stage::Receipted(outcome) => Self::Receipted(outcome),
            Stage::Settled(outcome) => Self::Settled(outcome),
        }
    }
}

impl HireRow {
    /// The id it goes by: the hire's, or before there is one the offer's.
    pub fn id(&self) -> Bytes32 {
        self.hire.map_or(self.offer.untyped(), |hire| hire.untyped())
    }
}

/// A record as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShownRecord {
    /// Name and version of its kind.
    pub kind: String,
    /// Its id.
    pub id: Bytes32,
    /// Who signed it.
    pub by: AgentId,
    /// When, as its signer dated it.
    pub at: Option<Timestamp>,
    /// What it says. A record of one's own may quote the other side, so it is marked as well.
    pub says: Untrusted<Value>,
    /// What it says in private.
    pub private: Option<Untrusted<Value>>,
}

/// Everything about one offer, claim or hire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shown {
    /// The offer, claim or hire that is shown. An offer with one hire has the same row, records and so on as that.
    pub id: Bytes32,
    /// The summary line.
    pub row: HireRow,
    /// Whether nothing more can come of it: a hire is closed; of an offer all hires are, and no worker is looked for any more.
    pub over: bool,
    /// Of an offer for which nobody began: why nobody is looked for any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfilled: Option<PostingEnd>,
    /// When silence would close it.
    pub deadline: Option<Timestamp>,
    /// The hires of an offer (more than one if it has several slots or was awarded again).
    pub hires: Vec<HireId>,
    /// Whether the offer is this peer's and may still be awarded: to the first worker, or to another.
    pub open: bool,
    /// How many claims are held for the offer.
    pub claims: usize,
    /// Why the worker was chosen; of an offer that is still open, how the claims compare so far.
    pub why: Option<Why>,
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
    /// What the requester owes for it as it ended.
    pub owed: Option<Amount>,
}

/// What a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WaitsFor {
    /// Whether to award at this price: it is above `ask_above`.
    Approval,
    /// Whether a delivery is good.
    Judgement,
    /// How it was.
    Rating,
    /// An answer to the worker's question.
    Answer,
    /// Whether to take an award.
    Begin,
    /// Whether to agree to a refusal.
    Contest,
}

/// Something that waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InboxRow {
    /// What is asked.
    pub waits_for: WaitsFor,
    /// By which id it is answered: an offer's or a hire's.
    pub id: Bytes32,
    /// Who is concerned.
    pub with: AgentId,
    /// The skill.
    pub skill: Skill,
    /// The price.
    pub price: Price,
    /// The task's summary: the requester's words.
    pub summary: Words,
    /// Since when.
    pub since: Timestamp,
    /// When it is decided without a person.
    pub until: Timestamp,
    /// What the other side asks or says.
    pub says: Option<Untrusted>,
}

/// A claim that waits for its answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimRow {
    /// The claim.
    pub claim: Id<Claim>,
    /// What it claims.
    pub offer: Id<Offer>,
    /// Whose offer it is.
    pub requester: AgentId,
    /// The skill.
    pub skill: Skill,
    /// What it is about.
    pub summary: Untrusted,
    /// At what price.
    pub price: Price,
    /// When it was made.
    pub at: Timestamp,
    /// Until when it binds.
    pub until: Timestamp,
}

/// An offer that was not claimed, or a claim that was not awarded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PassedRow {
    /// When it was settled.
    pub at: Timestamp,
    /// The offer.
    pub offer: Id<Offer>,
    /// Whose it is.
    pub requester: AgentId,
    /// The skill.
    pub skill: Skill,
    /// What it is about.
    pub summary: Untrusted,
    /// The claim's price, if it was claimed.
    pub claimed: Option<Price>,
    /// Why nothing came of it.
    pub reason: Passed,
}

/// A check report as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckedView {
    /// Public checks.
    pub public: Report,
    /// Sealed checks.
    pub sealed: Option<Report>,
}

/// Why there is no view of somebody, neither of one's own nor through the pinned seeds. None of these is a bad view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoView {
    /// The viewer's own matter: it has rated nobody and pinned nobody, so it can have a view of no one.
    NoHistory,
    /// Nobody has rated the agent, as far as is known here: it is new.
    Newcomer,
    /// It was rated, and by nobody whose word counts here.
    Strangers,
    /// It was rated as who hires, not at this work.
    NotAtThis,
}

/// What this peer thinks of an agent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReputationView {
    /// Who.
    pub agent: AgentId,
    /// Its name, if its manifest is held.
    pub name: Option<Untrusted>,
    /// What stands behind it now, if its manifest is held.
    #[serde(flatten)]
    pub edition: Edition,
    /// What that does to the ratings, if some judged something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Changed>,
    /// Why there is no view of it at what was asked for, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_view: Option<NoView>,
    /// Over all skills.
    pub overall: Columns,
    /// By skill: that and what lies below it.
    pub skills: BTreeMap<String, Columns>,
    /// The ratings behind it, newest first, bounded.
    pub ratings: Vec<RatingRow>,
}

/// Somebody whose judgement is taken for one's own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SeedRow {
    /// Who.
    pub agent: AgentId,
    /// Its name, if its manifest is held.
    pub name: Option<Untrusted>,
    /// How many ratings by it are held.
    pub ratings: usize,
}

/// One rating in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether it was judged as a worker.
    pub worked: bool,
    /// What stood behind the worker.
    #[serde(flatten)]
    pub edition: Edition,
}

/// How much this peer sees of others.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Sight {
    /// Agents whose judgement is taken for one's own.
    pub seeds: usize,
    /// Agents whose word counts, oneself left out: through the seeds, if there are any.
    pub raters: usize,
    /// Whether their standings are settled: else they are provisional, and follow what was heard last within moments.
    pub settled: bool,
    /// By how much all standings together may be off: the whole of them is one.
    pub certificate: f64,
}

/// Numbers for the operator.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
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
    pub sight: Sight,
    pub outbox: usize,
    pub inbox: usize,
    pub rooms: Vec<String>,
}
