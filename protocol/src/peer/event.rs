//! What the journal holds: everything that changed durable state, in order.
//!
//! An event says what was decided, never why or how it was checked: replay neither decides, draws nor verifies. Events
//! of one hire (or of its offer and claim) share a subject, by which the journal's compaction keeps or archives them.

use serde::{Deserialize, Serialize};

use crate::codec::{self, DecodeError};
use crate::hire::selection::Why;
use crate::hire::task::Task;
use crate::hire::{Checked, HireId, NoResult, Side, Wish};
use crate::id::{AgentId, Bytes32, Id};
use crate::ledger;
use crate::limits;
use crate::market::price::Price;
use crate::market::{BlobRef, Claim, Judgement, Offer, Outcome, Scores};
use crate::peer::hiring::PostingEnd;
use crate::peer::once::Order;
use crate::peer::serving::ClaimEnd;
use crate::record::{Network, Record, Refusal};
use crate::time::Timestamp;
use crate::wire::Item;

/// One change. `R` is [`Record`] in memory and [`Item`] in the journal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Event<R> {
    /// I posted a task.
    Posted {
        /// The offer.
        offer: R,
        /// The task with its private part.
        task: Box<Task>,
        /// The one worker it is for.
        to: Option<AgentId>,
        /// Salt of the sealed checks.
        salt: Bytes32,
        /// The order with a token that it carries out. In this event and no other, so that no fall parts the two.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Order>,
    },
    /// A posting takes no more claims.
    Unposted {
        /// The offer.
        offer: Id<Offer>,
        /// Why.
        reason: PostingEnd,
        /// The order with a token that it carried out: remembered when the rest is archived.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        order: Option<Order>,
        /// How its claims compared, if nobody was hired.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<Box<Why>>,
    },
    /// I claimed.
    Claimed {
        /// My claim.
        claim: R,
        /// The offer.
        offer: R,
    },
    /// A claim of mine came to nothing.
    Unclaimed {
        /// The claim.
        claim: Id<Claim>,
        /// Why.
        reason: ClaimEnd,
    },
    /// A hire came to be.
    Awarded {
        /// Which side I am.
        side: Side,
        /// The award with its terms.
        award: R,
        /// The claim.
        claim: R,
        /// The offer.
        offer: R,
        /// Why this claim was chosen (requester).
        why: Box<Why>,
    },
    /// An award waits for a person.
    Asked {
        /// The offer.
        offer: Id<Offer>,
        /// Who would be hired.
        with: AgentId,
        /// At what price.
        price: Price,
    },
    /// A person lets an offer be awarded.
    Approved {
        /// The offer.
        offer: Id<Offer>,
        /// At this price or below.
        up_to: Price,
    },
    /// A person has rated, in place of the scores that would be derived.
    Scored {
        /// The hire.
        hire: HireId,
        /// The scores.
        scores: Scores,
    },
    /// An agent's judgement is taken for mine from now on, or no longer.
    Pinned {
        /// Whose.
        agent: AgentId,
        /// Whether it is pinned now.
        pinned: bool,
    },
    /// A line of the ledger.
    Booked {
        /// The line.
        entry: ledger::Entry,
    },
    /// A record joined a chain: mine, before it is sent; the other's, before it is acknowledged.
    Said {
        /// The record.
        record: R,
        /// With a receipt or countersign of mine: my judgement, and the opening of its seal.
        judgement: Option<(Judgement, Bytes32)>,
    },
    /// An arbiter's decision: of this hire, or mine of the case that this hire is about.
    Decided {
        /// The hire.
        hire: HireId,
        /// The decision.
        record: R,
    },
    /// Blobs of the other side are in the store.
    Fetched {
        /// The hire.
        hire: HireId,
        /// Which.
        roots: Vec<Bytes32>,
    },
    /// The agent is about to be started.
    Started {
        /// The hire.
        hire: HireId,
    },
    /// The agent has ended.
    Ended {
        /// The hire.
        hire: HireId,
        /// Which run.
        attempt: usize,
        /// Its result, in the store.
        result: Result<BlobRef, NoResult>,
    },
    /// Checks were run.
    Checked {
        /// The hire.
        hire: HireId,
        /// Over which result.
        root: Bytes32,
        /// What was found.
        checked: Box<Checked>,
    },
    /// The user wants something.
    Wished {
        /// The hire.
        hire: HireId,
        /// What.
        wish: Wish,
    },
    /// A hire ended, or ended otherwise than thought.
    Closed {
        /// The hire.
        hire: HireId,
        /// How.
        outcome: Outcome,
        /// Whether both signed.
        agreed: bool,
    },
    /// A late record that counts opened a closed hire again.
    Reopened {
        /// The hire.
        hire: HireId,
    },
    /// I rated.
    Rated {
        /// My rating.
        rating: R,
    },
    /// A closed hire whose records the other side holds: nothing is left to send.
    Through {
        /// The hire.
        hire: HireId,
    },
}

/// An event and when it happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Logged<R> {
    /// This peer's clock at the time.
    pub at: Timestamp,
    /// What.
    pub event: Event<R>,
}

/// What an event is about, for compaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// A hire.
    Hire(HireId),
    /// An offer of mine.
    Offer(Id<Offer>),
    /// A claim of mine.
    Claim(Id<Claim>),
    /// My own ratings and ledger: kept for ever, for they can be had from nowhere else.
    Own,
}

/// Under which ids people will look for an archived event.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filed {
    /// Of its hire, of its offer, or both.
    pub ids: Vec<Bytes32>,
    /// Whether the first of them is a hire that it begins.
    pub begins: bool,
}

impl<R> Event<R> {
    /// The same event with its records in another form.
    pub fn map<S, E>(self, mut form: impl FnMut(R) -> Result<S, E>) -> Result<Event<S>, E> {
        Ok(match self {
            Self::Posted { offer, task, to, salt, order } => {
                Event::Posted { offer: form(offer)?, task, to, salt, order }
            }
            Self::Unposted { offer, reason, order, why } => Event::Unposted { offer, reason, order, why },
            Self::Claimed { claim, offer } => Event::Claimed { claim: form(claim)?, offer: form(offer)? },
            Self::Unclaimed { claim, reason } => Event::Unclaimed { claim, reason },
            Self::Awarded { side, award, claim, offer, why } => {
                Event::Awarded { side, award: form(award)?, claim: form(claim)?, offer: form(offer)?, why }
            }
            Self::Asked { offer, with, price } => Event::Asked { offer, with, price },
            Self::Approved { offer, up_to } => Event::Approved { offer, up_to },
            Self::Scored { hire, scores } => Event::Scored { hire, scores },
            Self::Pinned { agent, pinned } => Event::Pinned { agent, pinned },
            Self::Booked { entry } => Event::Booked { entry },
            Self::Said { record, judgement } => Event::Said { record: form(record)?, judgement },
            Self::Decided { hire, record } => Event::Decided { hire, record: form(record)? },
            Self::Fetched { hire, roots } => Event::Fetched { hire, roots },
            Self::Started { hire } => Event::Started { hire },
            Self::Ended { hire, attempt, result } => Event::Ended { hire, attempt, result },
            Self::Checked { hire, root, checked } => Event::Checked { hire, root, checked },
            Self::Wished { hire, wish } => Event::Wished { hire, wish },
            Self::Closed { hire, outcome, agreed } => Event::Closed { hire, outcome, agreed },
            Self::Reopened { hire } => Event::Reopened { hire },
            Self::Rated { rating } => Event::Rated { rating: form(rating)? },
            Self::Through { hire } => Event::Through { hire },
        })
    }
}

impl Event<Record> {
    /// What it is about.
    pub fn subject(&self) -> Subject {
        match self {
            Self::Posted { offer: Record::Offer(offer), .. } => Subject::Offer(offer.id()),
            Self::Unposted { offer, .. } | Self::Asked { offer, .. } | Self::Approved { offer, .. } => {
                Subject::Offer(*offer)
            }
            Self::Claimed { claim: Record::Claim(claim), .. } => Subject::Claim(claim.id()),
            Self::Unclaimed { claim, .. } => Subject::Claim(*claim),
            Self::Awarded { award: Record::Award(award), .. } => Subject::Hire(award.id()),
            Self::Said { record, .. } => match crate::hire::chain::Entry::try_from(record.clone()) {
                Ok(entry) => Subject::Hire(entry.hire()),
                Err(_) => Subject::Own,
            },
            Self::Fetched { hire, .. }
            | Self::Decided { hire, .. }
            | Self::Started { hire }
            | Self::Ended { hire, .. }
            | Self::Checked { hire, .. }
            | Self::Wished { hire, .. }
            | Self::Scored { hire, .. }
            | Self::Closed { hire, .. }
            | Self::Reopened { hire }
            | Self::Through { hire } => Subject::Hire(*hire),
            // A record of another kind than the event's name says is written by nobody; such an event is kept.
            Self::Posted { .. } | Self::Claimed { .. } | Self::Awarded { .. } => Subject::Own,
            Self::Rated { .. } | Self::Booked { .. } | Self::Pinned { .. } => Subject::Own,
        }
    }
}

impl Event<Record> {
    /// Where it is to be found in an archive. Claims that came to nothing are looked for by nobody.
    pub fn filed(&self) -> Filed {
        match (self, self.subject()) {
            (Self::Awarded { offer, .. }, Subject::Hire(id)) => {
                Filed { ids: vec![id.untyped(), offer.id()], begins: true }
            }
            (_, Subject::Hire(id)) => Filed { ids: vec![id.untyped()], begins: false },
            (_, Subject::Offer(id)) => Filed { ids: vec![id.untyped()], begins: false },
            (_, Subject::Claim(_) | Subject::Own) => Filed::default(),
        }
    }
}

impl Logged<Record> {
    /// The bytes for the journal.
    pub fn encode(&self) -> Vec<u8> {
        let items = self.event.clone().map(|record| Ok::<_, std::convert::Infallible>(Item::of(&record)));
        let Ok(event) = items;
        codec::encode(&Logged { at: self.at, event })
    }

    /// Reads what [`Logged::encode`] wrote. Verifies nothing: the journal's own checksums have been checked.
    pub fn decode(bytes: &[u8], network: &Network) -> Result<Self, Refusal> {
        let logged: Logged<Item> =
            codec::decode_loose(bytes, limits::EVENT).map_err(|e: DecodeError| Refusal::Decode(e))?;
        let event = logged.event.map(|item| Record::from_journal(&item.record, item.beside.as_deref(), network))?;
        Ok(Self { at: logged.at, event })
    }
}
