//! What goes into the brain and what comes out: plain values, so that a test can hold and compare them all.

use serde::{Deserialize, Serialize};

use crate::arbitration::Seat;
use crate::codec::Text;
use crate::hire::selection::Over;
use crate::hire::task::{Review, Task};
use crate::hire::{Checked, Closed, HireId, Side};
use crate::id::{AgentId, Bytes32, Id};
use crate::ledger::Direction;
use crate::limits;
use crate::market::checks::{Assert, Checks};
use crate::market::price::{Amount, Price};
use crate::market::{BlobRef, Claim, Input as BriefInput, Offer, Question, Rating, Ruling, Scores, Skill, SkillEntry};
use crate::record::{Record, Refusal, Verified};
use crate::time::{Millis, Timestamp};
use crate::wire::{Item, Reply};

pub use super::hiring::PostingEnd;
pub use super::objections::Objection;
pub use super::refused::Refused;
pub use super::serving::{ClaimEnd, Passed};
pub use super::view::{
    AgentRow, CheckedView, ClaimRow, HireRecords, HireRow, HireStatus, InboxRow, LedgerPage, NoView, Page, PassedRow,
    RatingRow, ReputationView, SeedRow, Shown, ShownRecord, Sight, Status, WaitsFor,
};

/// Names a caller waiting for an [`Answer`]; the driver's own number.
pub type Caller = u64;
/// Names a message that wants a verdict or a reply; the driver's own number.
pub type Token = u64;
/// The user's own name for an order, by which a repeated request is known: see [`Command::Hire`].
pub type OrderToken = Text<{ limits::ORDER_TOKEN }>;

/// Who may hire this peer.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum From {
    /// Nobody: this peer only shops.
    #[default]
    Nobody,
    /// These agents.
    Allowlist(std::collections::BTreeSet<AgentId>),
    /// Anyone.
    Anyone,
}

impl From {
    /// Whether it names this agent.
    pub fn allows(&self, agent: &AgentId) -> bool {
        match self {
            Self::Nobody => false,
            Self::Anyone => true,
            Self::Allowlist(list) => list.contains(agent),
        }
    }
}

/// A skill this peer offers, and what of it concerns only itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serving {
    /// What the manifest says.
    pub entry: SkillEntry,
    /// Whether the agent may be started again after the node fell while it ran.
    pub restartable: bool,
}

/// Whom this peer hires for a skill. Of the rules whose skill covers a task's, each blocks; the most specific one that
/// names anybody allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// The skill, and everything below it.
    pub skill: Skill,
    /// If not empty, nobody else is hired.
    pub allow: std::collections::BTreeSet<AgentId>,
    /// Never hired.
    pub block: std::collections::BTreeSet<AgentId>,
}

/// What this peer may spend, and on whom. Amounts: one a currency; with any, work in another currency is not bought.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Buying {
    /// The most that one hire may cost.
    pub per_hire: Vec<Amount>,
    /// The most that the hires of one UTC day may cost together, as awarded.
    pub per_day: Vec<Amount>,
    /// A hire that costs more waits for a person.
    pub ask_above: Vec<Amount>,
    /// Whom it hires.
    pub rules: Vec<Rule>,
}

/// What the operator wrote.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config {
    /// The agent's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The model behind it, if it says.
    pub model: Option<String>,
    /// Who may hire it.
    pub from: From,
    /// Whom it lets decide a hire that it contests: other offers that name an arbiter it does not claim.
    pub arbiters: From,
    /// How many hires it works on at once.
    pub parallel: usize,
    /// Its skills; none for a peer that only shops.
    pub skills: Vec<Serving>,
    /// How much one requester may owe before no more work is done for it; one amount a currency, no limit in others.
    pub credit: Vec<Amount>,
    /// Who rates requesters: `Person` leaves half of the time for the close to a person.
    pub rating_by: Review,
    /// Who takes an award: `Person` leaves the claim's time to a person.
    pub begin_by: Review,
    /// Who decides whether a refusal is contested: `Person` leaves half of the time for the close to a person.
    pub contest_by: Review,
    /// How long a claim binds after the bid window; two minutes without.
    pub binding: Option<Millis>,
    /// What it may spend, and on whom.
    pub buy: Buying,
}

/// What the user of this peer asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Post a task: on the market, or to one worker.
    Hire {
        /// The task.
        task: Box<Task>,
        /// The one worker, for a direct hire.
        to: Option<AgentId>,
        /// With a token the task is posted once, however often the command is given: again, it is answered with the same
        /// offer. Remembered for [`limits::ORDER_LIFE`], the newest [`limits::ORDERS`].
        token: Option<OrderToken>,
    },
    /// Shop in the room of a skill: hear of its agents and offers until the next restart.
    Follow(Skill),
    /// Stop a posting or a hire.
    Stop {
        /// Offer or hire.
        id: Bytes32,
        /// Why.
        reason: String,
    },
    /// Judge the delivery under review.
    Judge {
        /// The hire.
        hire: HireId,
        /// The ruling.
        ruling: Ruling,
        /// For the other side.
        note: String,
    },
    /// Rate the other side of a hire with these scores in place of the derived ones; until my close is signed.
    Rate {
        /// The hire.
        hire: HireId,
        /// The scores.
        scores: Scores,
    },
    /// As the worker: ask the requester.
    Ask {
        /// The hire.
        hire: HireId,
        /// The question.
        text: String,
    },
    /// As the requester: answer the oldest open question.
    Reply {
        /// The hire.
        hire: HireId,
        /// The answer.
        text: String,
        /// How much longer the worker has.
        later: Option<Millis>,
    },
    /// As the worker: contest a refusal.
    Contest {
        /// The hire.
        hire: HireId,
        /// What I say.
        statement: String,
    },
    /// As either side of a contested hire: call its arbiter.
    Appeal {
        /// The hire.
        hire: HireId,
    },
    /// Let go on what waits for a person: as requester an award above `ask_above` or a delivery under review, as worker
    /// an award, or a refusal that I agree to.
    Approve {
        /// Offer or hire.
        id: Bytes32,
        /// For the other side of a hire.
        note: String,
    },
    /// The opposite.
    Refuse {
        /// Offer or hire.
        id: Bytes32,
        /// Why.
        reason: String,
    },
    /// Take an agent's judgement for one's own, or no longer.
    Pin {
        /// Whose.
        agent: AgentId,
        /// Whether it is pinned from now on.
        pinned: bool,
    },
    /// Note a payment made outside.
    Book {
        /// The counterparty.
        with: AgentId,
        /// How much.
        amount: Amount,
        /// `Credit`: I have paid; `Debit`: I was paid.
        direction: Direction,
        /// For people.
        note: String,
    },
}

/// What is wanted of a peer's ratings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wanted {
    /// Those of one subject, after this one.
    About(AgentId, Option<Bytes32>),
    /// Those by one rater, after this one.
    By(AgentId, Option<Bytes32>),
    /// These.
    These(Vec<Id<Rating>>),
}

/// Where a record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Gossip: wants a verdict.
    Gossip(Token),
    /// A page of a room's records, asked for.
    Page,
}

/// What happens to the brain.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A public record by gossip or catch-up, already admitted at the edge.
    Record {
        /// The neighbour it came from.
        from: AgentId,
        /// How.
        origin: Origin,
        /// The record.
        record: Record,
    },
    /// Records sent to this peer, each admitted at the edge or refused there.
    Parcel {
        /// The sender, authenticated by the link.
        from: AgentId,
        /// Answer with [`Output::Respond`].
        token: Token,
        /// In the order sent.
        items: Vec<Result<Record, Refusal>>,
    },
    /// A parcel of ours was answered, in its order, or could not be brought.
    Sent {
        /// To whom.
        to: AgentId,
        /// What was in it.
        ids: Vec<Bytes32>,
        /// Replies in the same order; `None` if it did not arrive.
        replies: Option<Vec<Reply>>,
    },
    /// A link to this agent is up.
    LinkUp(AgentId),
    /// So many bytes of inputs have room now.
    Room(u64),
    /// Somebody we are linked to is in a room that we follow.
    RoomMember {
        /// The room.
        room: String,
        /// Who.
        agent: AgentId,
    },
    /// A page we asked for.
    Page {
        /// Whom we asked.
        from: AgentId,
        /// About which room.
        room: String,
        /// Where to go on; `None` at the end or on failure.
        next: Option<Bytes32>,
    },
    /// Ratings that we asked for.
    Ratings {
        /// Whom we asked.
        from: AgentId,
        /// For what.
        wanted: Wanted,
        /// What came and was admitted.
        ratings: Vec<Verified<Rating>>,
        /// Where to go on; `None` at the end or on failure.
        next: Option<Bytes32>,
    },
    /// Our own addresses, best first.
    Addresses(Vec<String>),
    /// The user wants something.
    Command {
        /// Who is waiting.
        caller: Caller,
        /// What.
        command: Command,
    },
    /// Blobs of a hire are held now, whole and durable, or could not be had.
    Fetched {
        /// The hire.
        hire: HireId,
        /// Why not; tried again later while the hire lives.
        result: Result<Vec<Bytes32>, String>,
    },
    /// The agent is done. A result is a blob, durable in the store.
    Worked {
        /// The hire.
        hire: HireId,
        /// Which run.
        attempt: usize,
        /// The result, or why there is none.
        result: Result<BlobRef, String>,
    },
    /// The agent asks.
    Asked {
        /// The hire.
        hire: HireId,
        /// The question.
        text: String,
    },
    /// The agent says how far it is.
    Working {
        /// The hire.
        hire: HireId,
        /// 0 to 100.
        percent: u8,
        /// For people.
        note: Option<String>,
    },
    /// The case of a contested hire is in the store.
    Cased {
        /// The hire.
        hire: HireId,
        /// The transcript, or why there is none.
        result: Result<BlobRef, String>,
    },
    /// Checks have been run over a blob.
    Checked {
        /// The hire.
        hire: HireId,
        /// Over which result.
        root: Bytes32,
        /// What was found.
        checked: Checked,
    },
    /// Time has passed: at least as often as [`super::Peer::next_deadline`] says.
    Tick,
}

/// A run of checks to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct CheckJob {
    /// The hire.
    pub hire: HireId,
    /// The result.
    pub blob: BlobRef,
    /// As which part of the task: for [`Checked::part`].
    pub part: usize,
    /// What of it is compared with the results of others, for [`Checked::compared`]: a path, empty for the whole.
    pub compare: Option<String>,
    /// The public checks.
    pub public: Checks,
    /// The sealed ones, where known.
    pub sealed: Option<Vec<Assert>>,
    /// The inputs that checks may refer to.
    pub inputs: Vec<BriefInput>,
    /// If the result is to decide a case: for whom, for [`Checked::decided`].
    pub seat: Option<Seat>,
}

/// The case of a contested hire, to be put into the store as a [`crate::transcript::Transcript`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseJob {
    /// The hire.
    pub hire: HireId,
    /// Its records.
    pub records: Vec<Item>,
}

/// A run of the agent to be made.
#[derive(Debug, Clone, PartialEq)]
pub struct WorkJob {
    /// The hire.
    pub hire: HireId,
    /// Counted from 0; the agent is told attempt + 1.
    pub attempt: usize,
    /// The skill asked for.
    pub skill: Skill,
    /// The entry of ours that does it: names the executor.
    pub serving: Skill,
    /// Inputs, held whole.
    pub inputs: Vec<BriefInput>,
    /// Parameters, JSON text.
    pub params: Option<String>,
    /// Which part of the task is wanted, from 0, and its title, where there are several.
    pub part: Option<(usize, String)>,
    /// What the requester wants changed, on a repeated run.
    pub feedback: Option<String>,
    /// When it must be done.
    pub due: Timestamp,
    /// If it is to decide a case: for whom. The agent is given the case as [`crate::arbitration::Case::readable`].
    pub seat: Option<Seat>,
}

/// Something the user should know. Also the event stream of a watching program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the moment of its name; fields are the ids it is about")]
pub enum Notice {
    Posted {
        offer: Id<Offer>,
        skill: Skill,
    },
    Unfilled {
        offer: Id<Offer>,
        reason: PostingEnd,
    },
    Claimed {
        claim: Id<Claim>,
        offer: Id<Offer>,
        skill: Skill,
    },
    ClaimEnded {
        claim: Id<Claim>,
        reason: ClaimEnd,
    },
    Awarded {
        hire: HireId,
        offer: Id<Offer>,
        side: Side,
        with: AgentId,
        skill: Skill,
    },
    Said {
        hire: HireId,
        by: Side,
        kind: String,
    },
    Started {
        hire: HireId,
        attempt: usize,
    },
    Worked {
        hire: HireId,
        attempt: usize,
        failed: Option<String>,
    },
    Closed {
        hire: HireId,
        closed: Closed,
    },
    Rated {
        hire: HireId,
        by: AgentId,
        subject: AgentId,
    },
    /// An award waits for a person: it costs more than `ask_above`.
    Asked {
        offer: Id<Offer>,
        with: AgentId,
        price: Price,
    },
    /// An offer has claims, but no budget for them.
    Held {
        offer: Id<Offer>,
        over: Over,
    },
    Decided {
        hire: HireId,
        by: AgentId,
        ruling: Ruling,
    },
}

impl Notice {
    /// The ids of the offer, claim and hire that it is about.
    pub fn about(&self) -> impl Iterator<Item = Bytes32> + use<> {
        let (offer, claim, hire) = match self {
            Self::Posted { offer, .. }
            | Self::Unfilled { offer, .. }
            | Self::Asked { offer, .. }
            | Self::Held { offer, .. } => (Some(offer), None, None),
            Self::Claimed { claim, offer, .. } => (Some(offer), Some(claim), None),
            Self::ClaimEnded { claim, .. } => (None, Some(claim), None),
            Self::Awarded { hire, offer, .. } => (Some(offer), None, Some(hire)),
            Self::Said { hire, .. }
            | Self::Started { hire, .. }
            | Self::Worked { hire, .. }
            | Self::Closed { hire, .. }
            | Self::Rated { hire, .. }
            | Self::Decided { hire, .. } => (None, None, Some(hire)),
        };
        [offer.map(Id::untyped), claim.map(Id::untyped), hire.map(Id::untyped)].into_iter().flatten()
    }
}

/// What the brain wants done, in this order. Nothing after a `Persist` may be done before it is on disk.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Append this event to the journal.
    Persist(Vec<u8>),
    /// Keep this rating with the evidence.
    Keep(Box<Record>),
    /// A rating kept earlier counts nothing any more: it need not be kept.
    Drop {
        /// Whom it is about.
        subject: AgentId,
        /// Which.
        rating: Id<Rating>,
    },
    /// Send these records to that agent, and say how it went with [`Input::Sent`].
    Send {
        /// To whom.
        to: AgentId,
        /// Addresses its contact gives, if we hold one.
        hints: Vec<String>,
        /// What.
        records: Vec<Record>,
    },
    /// Answer a parcel.
    Respond(Token, Vec<Reply>),
    /// Gossip this record of ours in a room.
    Publish {
        /// The room.
        room: String,
        /// What.
        record: Record,
    },
    /// Tell the gossip layer what to do with a message.
    Verdict(Token, crate::gossip::Verdict),
    /// Put our contact where those that do not know us look.
    Announce(Record),
    /// Take part in a room.
    Follow(String),
    /// Ask a room's member for what it holds, and report [`Input::Page`] after its records.
    AskPage {
        /// Whom.
        to: AgentId,
        /// Which room.
        room: String,
        /// After which record.
        after: Option<Bytes32>,
    },
    /// Ask an agent for ratings, and report [`Input::Ratings`].
    AskRatings {
        /// Whom.
        to: AgentId,
        /// Addresses its contact gives.
        hints: Vec<String>,
        /// Which.
        wanted: Wanted,
    },
    /// Get these blobs of a hire from that agent.
    Fetch {
        /// The hire.
        hire: HireId,
        /// From whom.
        from: AgentId,
        /// Addresses its contact gives.
        hints: Vec<String>,
        /// Which.
        blobs: Vec<BlobRef>,
    },
    /// Run the agent.
    Work(Box<WorkJob>),
    /// Tell the agent, if it runs for this hire, what the requester answered.
    Tell {
        /// The hire.
        hire: HireId,
        /// The question it answers.
        question: Id<Question>,
        /// The answer. Another agent's text: untrusted.
        text: String,
        /// When the work clock ends now.
        due: Timestamp,
    },
    /// Stop the agent, if it runs for this hire.
    StopWork(HireId),
    /// Run checks.
    Check(Box<CheckJob>),
    /// Put a case together.
    Case(Box<CaseJob>),
    /// Answer a caller.
    Answer(Caller, Result<Answer, Refused>),
    /// Tell whoever watches.
    Notice(Notice),
    /// A peer misbehaved: hold it against it.
    Blame(AgentId, String),
}

/// Where the brain puts what it wants done.
pub type Outbox = Vec<Output>;

/// What a command came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The task is posted under this id.
    Posted(Id<Offer>),
    /// It had been, by an earlier command with the same token. Nothing was changed.
    PostedBefore(Id<Offer>),
    /// It is done, or will be as soon as the records allow.
    Done,
}
