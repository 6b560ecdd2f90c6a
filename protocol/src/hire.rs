//! The life of a hire.
//!
//! Both sides hold the same two chains of signed records ([`chain`]). Where a hire stands is a pure function of them
//! ([`stage`]), so sides that hold the same records agree, whatever was lost, repeated or reordered on the way.
//! What a side does next is a function of that stage, the time and its own notes ([`requester`], [`worker`]): it is
//! asked after every change and after every restart, so there is no timer and no pending step to restore.
//!
//! ```text
//!            requester                            worker
//!  Awarded   award ------------------------------> begin | decline      until: claim's valid_until
//!  Begun     brief ------------------------------> progress 0           until: due
//!  Working   (answer) <-------------------------- (question) progress   until: due
//!  Delivered <------------------------------------ delivery             until: due + review
//!  Reviewing ack, fetch, check ------------------> serves the bytes     until: ack's until
//!  Judged    verdict, receipt -------------------> countersign|contest  until: verdict + CLOSE
//!  Settled   ratings open on both sides
//!  Contested the arbiter, if the terms name one, decides for both  until: contest + within
//! ```
//! Every stage has a deadline; past it (and a grace of two minutes) the outcome follows from the records held.

pub mod chain;
pub mod outbox;
pub mod requester;
pub mod rule;
pub mod selection;
pub mod stage;
pub mod task;
pub mod worker;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::arbitration::{CaseError, Decided};
use crate::id::{AgentId, Bytes32, Id};
use crate::market::checks::Report;
use crate::market::{
    Award, BlobRef, Claim, Decision, Judgement, Offer, Outcome, Question, Rating, Reason, Ruling, Scores, Terms,
};
use crate::record::Verified;
use crate::time::{Millis, Timestamp};
use chain::Chain;
use stage::{Facts, Stage};

/// The name of a hire: the id of its award.
pub type HireId = Id<Award>;

/// Which side of a hire.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Who hires.
    Requester,
    /// Who is hired.
    Worker,
}

impl Side {
    /// The counterparty.
    pub fn other(self) -> Self {
        match self {
            Self::Requester => Self::Worker,
            Self::Worker => Self::Requester,
        }
    }
}

/// How a hire ended, for one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// When this side closed it.
    pub at: Timestamp,
    /// How.
    pub outcome: Outcome,
    /// Whether both signed the close.
    pub agreed: bool,
}

/// One run of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it was started. Logged before the agent is.
    pub started: Timestamp,
    /// When it ended and with what: a result, or why there is none. Absent while it runs, or if the node fell.
    pub ended: Option<(Timestamp, Result<BlobRef, NoResult>)>,
}

/// Why a run made no result. For the operator alone: the other side gets [`Reason::AgentFailed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoResult {
    /// The configuration no longer has the skill.
    SkillGone,
    /// What the node says of the agent, which may quote what it printed.
    Failed(String),
}

/// What running the checks over a result found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checked {
    /// The public checks.
    pub public: Report,
    /// The sealed checks, where this side can open them.
    pub sealed: Option<Report>,
    /// Which part of the task it was checked as.
    pub part: usize,
    /// What of the result is compared with the results of others, as a hash of its canonical JSON.
    pub compared: Option<Bytes32>,
    /// Of an arbitration, as its worker ran it: what is decided of the case, or why nothing can be.
    pub decided: Option<Result<Box<Decided>, CaseError>>,
}

impl Checked {
    /// Whether every check that was run passed.
    pub fn passed(&self) -> bool {
        self.public.passed() && self.sealed.as_ref().is_none_or(Report::passed)
    }

    /// Per mille of the checks passed, public and sealed together.
    pub fn share(&self) -> u16 {
        let all = || self.public.outcomes.iter().chain(self.sealed.iter().flat_map(|report| &report.outcomes));
        match all().count() {
            0 => 1000,
            n => u16::try_from(all().filter(|outcome| outcome.passed).count() * 1000 / n).unwrap_or(1000),
        }
    }
}

/// One hire as one side knows it. Changed by events only; everything here is rebuilt by replaying them.
#[derive(Debug, Clone, PartialEq)]
pub struct Hire {
    /// Which side this peer is.
    pub side: Side,
    /// The records of both sides.
    pub chain: Chain,
    /// What was offered.
    pub offer: Verified<Offer>,
    /// What was claimed.
    pub claim: Verified<Claim>,
    /// Runs of the agent (worker).
    pub attempts: Vec<Attempt>,
    /// Blobs of the other side that are held whole.
    pub fetched: Vec<Bytes32>,
    /// Check results by the blob they are of.
    pub checked: BTreeMap<Bytes32, Checked>,
    /// What a person ruled on the delivery under review (requester), or the cancellation asked for (either).
    pub wish: Option<Wish>,
    /// My own judgement and the opening of its seal, made with the receipt or countersign.
    pub judgement: Option<(Judgement, Option<Bytes32>)>,
    /// A person's scores of the other side, to be given in place of the derived ones.
    pub scored: Option<Scores>,
    /// How it ended, once it has. A late record that counts may change it.
    pub closed: Option<Closed>,
    /// How much of its agreed close is in the ledger, in millionths.
    pub booked: u64,
    /// As an arbiter: my decision of the case it is about.
    pub decision: Option<Verified<Decision>>,
    /// Whether my rating was issued.
    pub rated: bool,
    /// My rating, until the other side has it.
    pub rating: Option<Verified<Rating>>,
    /// Whether it is closed and the other side is known to hold my whole chain: nothing is left to send.
    pub through: bool,
}

/// What the user wants of a hire that the machine would not do by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// Stop it, in the words of a person.
    Stop(String),
    /// Judge the delivery so, with a note.
    Rule(Ruling, String),
    /// Begin: a person takes the award.
    Begin,
    /// Agree to a refusal, or not, with a statement.
    Contest(Option<String>),
    /// Call the arbiter.
    Appeal,
}

/// What a side does next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Make, log and send this record.
    Say(Say),
    /// Do this, and come back with an input.
    Do(Todo),
}

/// A record to be made: what its machine decides of it. Links, dates, salts and signatures are added when it is signed.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "each is the record of its name; its fields are documented there")]
pub enum Say {
    Begin,
    Decline { is_final: bool, reason: Reason },
    Withdraw { reason: Reason },
    Brief,
    Progress { percent: u8, note: Option<String> },
    Question { text: String },
    Answer { question: Id<Question>, text: String, due: Option<Timestamp> },
    Ack,
    Deliver { blob: BlobRef, checked: u16, part: usize },
    Verdict { ruling: Ruling, failed: Vec<String>, note: String },
    Cancel { reason: Reason },
    Contest { statement: Reason },
    Receipt { outcome: Outcome, scores: Option<Scores> },
    Countersign { scores: Option<Scores> },
}

/// Work outside the brain.
#[derive(Debug, Clone, PartialEq)]
pub enum Todo {
    /// Get these blobs from the other side.
    Fetch(Vec<BlobRef>),
    /// Run the agent.
    Work,
    /// Run the checks over this result, the sealed ones too where `sealed`.
    Check {
        /// The result.
        blob: BlobRef,
        /// As which part of the task.
        part: usize,
        /// Whether the sealed checks are run as well.
        sealed: bool,
    },
    /// Put together the case, to call the arbiter with.
    Appeal,
}

impl Hire {
    /// A hire that has just come to be.
    pub fn new(side: Side, award: Verified<Award>, claim: Verified<Claim>, offer: Verified<Offer>) -> Self {
        Self {
            side,
            chain: Chain::new(award),
            offer,
            claim,
            attempts: Vec::new(),
            fetched: Vec::new(),
            checked: BTreeMap::new(),
            wish: None,
            judgement: None,
            scored: None,
            closed: None,
            booked: 0,
            decision: None,
            rated: false,
            rating: None,
            through: false,
        }
    }

    /// Its id.
    pub fn id(&self) -> HireId {
        self.chain.award().id()
    }
    /// What both are bound by.
    pub fn terms(&self) -> &Terms {
        self.chain.terms()
    }
    /// Who hires.
    pub fn requester(&self) -> AgentId {
        self.chain.award().issuer()
    }
    /// Who is hired.
    pub fn worker(&self) -> AgentId {
        self.chain.award().worker
    }
    /// The counterparty.
    pub fn other(&self) -> AgentId {
        match self.side {
            Side::Requester => self.worker(),
            Side::Worker => self.requester(),
        }
    }
    /// Where it stands, by the records.
    pub fn facts(&self) -> Facts {
        self.chain.facts()
    }

    /// Whether the other side may still need something of this side: a record, or the bytes of an open dispute.
    pub fn is_owed(&self) -> bool {
        !(self.through && self.closed.is_some_and(|closed| closed.agreed))
    }

    /// The worker's oldest question without an answer.
    pub fn open_question(&self) -> Option<&Verified<Question>> {
        let answered = |id: Id<Question>| {
            let of = |entry: &chain::Entry| matches!(entry, chain::Entry::Answer(answer) if answer.question == id);
            self.chain.of(Side::Requester).iter().any(of)
        };
        self.chain.of(Side::Worker).iter().find_map(|entry| match entry {
            chain::Entry::Question(question) if !answered(question.id()) => Some(question),
            _ => None,
        })
    }

    /// What the checks say of the delivery under discussion, as far as this side ran them.
    pub fn checks(&self, facts: &Facts) -> Option<&Checked> {
        let delivery = facts.delivery.as_ref()?;
        self.checked_as(&delivery.blob.root, delivery.part)
    }

    /// What the checks say of a result as a part of the task.
    pub fn checked_as(&self, root: &Bytes32, part: usize) -> Option<&Checked> {
        self.checked.get(root).filter(|checked| checked.part == part)
    }

    /// The public checks of a part of the task.
    pub fn checks_of(&self, part: usize) -> &crate::market::checks::Checks {
        let terms = self.terms();
        terms.milestones.get(part).map_or(&terms.checks, |milestone| &milestone.checks)
    }

    /// What is owed by the requester, as it ended or else as it may still end at most, in millionths.
    pub fn owed(&self) -> u64 {
        match self.closed {
            Some(closed) => stage::owed(closed.outcome, &self.facts(), self.terms()),
            None => self.terms().price.amount().micros(),
        }
    }

    /// The outcome at `now`, if it is settled by records or by silence.
    pub fn outcome(&self, facts: &Facts, now: Timestamp) -> Option<(Outcome, bool)> {
        let checked = self.checks(facts);
        let public = checked.map(|checked| checked.public.passed());
        // A requester's own run of the sealed checks says nothing until they are opened.
        let opened = match (&facts.stage, checked) {
            (Stage::Judged(Ruling::Refused), Some(checked)) if facts.opened => Some(checked.passed()),
            _ => public,
        };
        stage::outcome(facts, self.terms(), now, public, opened)
    }

    /// When [`Hire::outcome`] may next change by itself.
    pub fn deadline(&self, facts: &Facts) -> Option<Timestamp> {
        stage::deadline(facts, self.terms())
    }

    /// From begin to the last delivery, as dated by the worker.
    pub fn took(&self, facts: &Facts) -> Millis {
        match (&facts.begin, &facts.delivery) {
            (Some(begin), Some(delivery)) => delivery.at.since(*begin),
            _ => Millis(0),
        }
    }
}
