//! Everything a peer can be asked: a type for each query, which names the type of its answer.
//!
//! In: what is looked for; ids as text only where a person may have typed them. Out: values of [`super::super::view`],
//! or [`Missing`] where text names nothing. Invariant: an answer changes nothing, and every list in one is bounded.

use std::collections::BTreeSet;
use std::fmt::Debug;

use crate::hire::HireId;
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::constraint::Constraint;
use crate::market::price::Price;
use crate::market::{Rating, Skill};
use crate::peer::Peer;
use crate::peer::view::{
    AgentRow, ClaimRow, HireRecords, HireRow, InboxRow, LedgerPage, Page, PassedRow, ReputationView, SeedRow, Shown,
    Status,
};
use crate::reputation::explain::Explained;
use crate::reputation::{Aspect, Model as _};
use crate::time::Timestamp;

/// A query about what is. Query and answer cross threads in a node.
pub trait Query: Debug + Send + 'static {
    /// What it is answered with.
    type Answer: Send + 'static;

    /// Reads the answer from what the peer holds.
    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer;
}

impl Peer {
    /// Answers a query.
    pub fn query<Q: Query>(&self, now: Timestamp, query: Q) -> Q::Answer {
        query.answer(self, now)
    }
}

/// What kind of thing an id was looked up as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdKind {
    /// An agent: in the directory, met in a hire, rated, a rater, or pinned.
    Agent,
    /// A hire of this peer's.
    Hire,
    /// An offer that this peer posted, or a hire of its.
    OfferOrHire,
    /// An offer that this peer posted, a claim it made, or a hire of its.
    OfferClaimOrHire,
}

/// Why text names no one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Missing {
    /// It is not 4 to 64 hexadecimal digits.
    NotAnId {
        /// What was looked for.
        kind: IdKind,
    },
    /// No id of the kind is that, or begins so.
    Unknown {
        /// What was looked for.
        kind: IdKind,
        /// The text, in lower case.
        text: String,
    },
    /// Several ids begin so.
    Ambiguous {
        /// The text, in lower case.
        text: String,
        /// How many do.
        count: usize,
        /// Longer beginnings of the first [`limits::AMBIGUOUS`] of them, by which they can be told apart.
        longer: Vec<String>,
    },
}

/// The one id among these that is `text`, or begins with it.
pub(super) fn resolve(kind: IdKind, text: &str, ids: impl Iterator<Item = Bytes32>) -> Result<Bytes32, Missing> {
    let text = text.to_ascii_lowercase();
    // The least and the greatest id that begin so.
    let end = |digit: &str| format!("{text}{}", digit.repeat(64_usize.saturating_sub(text.len()))).parse();
    let (4.., Ok(least), Ok(greatest)) = (text.len(), end("0"), end("f")) else {
        return Err(Missing::NotAnId { kind });
    };
    let found: BTreeSet<Bytes32> = ids.filter(|id| (least..=greatest).contains(id)).collect();
    match (found.len(), found.first()) {
        (1, Some(only)) => Ok(*only),
        (0, _) => Err(Missing::Unknown { kind, text }),
        (count, _) => {
            let longer = |id: &Bytes32| id.to_string().chars().take(text.len() + 8).collect();
            let longer = found.iter().take(limits::AMBIGUOUS).map(longer).collect();
            Err(Missing::Ambiguous { text, count, longer })
        }
    }
}

/// The agent with this id, or the one known whose id begins so. A whole id need not be known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveAgent(pub String);

impl Query for ResolveAgent {
    type Answer = Result<AgentId, Missing>;

    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer {
        peer.known(now, &self.0)
    }
}

/// The id of the offer or hire that has this id, or whose id begins so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveOfferOrHire(pub String);

impl Query for ResolveOfferOrHire {
    type Answer = Result<Bytes32, Missing>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.offer_or_hire(&self.0)
    }
}

/// The hire with this id or beginning; of an offer, all its hires in the order of their awards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveHires(pub String);

impl Query for ResolveHires {
    type Answer = Result<Vec<HireId>, Missing>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.hires_of(&self.0)
    }
}

/// Live manifests, best first.
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

impl Query for Find {
    type Answer = Vec<AgentRow>;

    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer {
        peer.find(now, &self)
    }
}

/// Postings without an award, and hires, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Hires {
    /// Only from this id on (exclusive), for the next page.
    pub after: Option<Bytes32>,
}

impl Query for Hires {
    type Answer = Page<HireRow>;

    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer {
        peer.list(now, self.after)
    }
}

/// Everything about an offer of this peer's, a claim of its or a hire, by id or a unique beginning of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Show(pub String);

impl Query for Show {
    type Answer = Result<Shown, Missing>;

    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer {
        peer.show(now, &self.0)
    }
}

/// The signed records of a hire, by id or a unique beginning of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Records(pub String);

impl Query for Records {
    type Answer = Result<HireRecords, Missing>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.records(&self.0)
    }
}

/// What this peer thinks of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReputationOf {
    /// The agent.
    pub agent: AgentId,
    /// In `skills` this one, whether or not anything was rated at just it, and what was rated below it; and only ratings
    /// that it covers. Without one, all of them.
    pub skill: Option<Skill>,
}

impl Query for ReputationOf {
    type Answer = ReputationView;

    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer {
        peer.reputation_of(now, self.agent, self.skill.as_ref())
    }
}

/// Why this peer thinks so of an agent; `None` if it has no view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explain {
    /// The agent.
    pub agent: AgentId,
    /// At what; at anything without one.
    pub skill: Option<Skill>,
    /// Which aspect.
    pub aspect: Aspect,
    /// Whether as seen through the pinned seeds. Without any there is no such view.
    pub pinned: bool,
}

impl Query for Explain {
    type Answer = Option<Explained>;

    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer {
        peer.explain(now, &self)
    }
}

/// The agents whose judgement this peer takes for its own, in the order of their keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seeds;

impl Query for Seeds {
    type Answer = Vec<SeedRow>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.durable.seeds().iter().map(|agent| peer.seed_row(agent)).collect()
    }
}

/// One page of a room's records, as envelopes, for a peer that catches up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomPage {
    /// The room.
    pub room: String,
    /// After which record.
    pub after: Option<Bytes32>,
}

impl Query for RoomPage {
    type Answer = Page<Vec<u8>>;

    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer {
        let (bytes, rows) = (limits::PAGE_BYTES, limits::ANSWER_ROWS);
        let (records, next) = peer.directory.page(now, &self.room, self.after, bytes, rows);
        Page { rows: records.iter().map(|record| record.envelope().to_vec()).collect(), next }
    }
}

/// The size of a blob, if `who` may read it within a hire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MayRead {
    /// The hire.
    pub hire: HireId,
    /// The agent that wants to read.
    pub who: AgentId,
    /// The blob.
    pub root: Bytes32,
}

impl Query for MayRead {
    type Answer = Option<u64>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.may_read(&self.hire, &self.who, &self.root)
    }
}

/// What waits for a person, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inbox;

impl Query for Inbox {
    type Answer = Vec<InboxRow>;

    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer {
        peer.inbox(now)
    }
}

/// Claims of this peer's that are neither awarded nor lost, the first to expire first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claims;

impl Query for Claims {
    type Answer = Vec<ClaimRow>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.claims()
    }
}

/// Offers and claims of this run that came to nothing, and why, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPassed;

impl Query for ListPassed {
    type Answer = Vec<PassedRow>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.passed.iter().rev().take(limits::ANSWER_ROWS).cloned().collect()
    }
}

/// Balances, and a page of the ledger's lines, newest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LedgerAfter {
    /// How many lines to skip.
    pub skip: usize,
}

impl Query for LedgerAfter {
    type Answer = LedgerPage;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.ledger_page(self.skip)
    }
}

/// Ids of the ratings by a rater, in their order, after this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatingsBy {
    /// The rater.
    pub by: AgentId,
    /// After which.
    pub after: Option<Id<Rating>>,
}

impl Query for RatingsBy {
    type Answer = Page<Id<Rating>, Id<Rating>>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        page_of(peer.reputation.ids_by(&self.by, self.after, limits::STRANGERS + 1))
    }
}

/// Ids of the ratings of a subject, in their order, after this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatingsAbout {
    /// The subject.
    pub about: AgentId,
    /// After which.
    pub after: Option<Id<Rating>>,
}

impl Query for RatingsAbout {
    type Answer = Page<Id<Rating>, Id<Rating>>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        page_of(peer.reputation.ids_of(&self.about, self.after, limits::STRANGERS + 1))
    }
}

/// A page of `limits::STRANGERS` ids, where one more was asked for.
fn page_of(mut rows: Vec<Id<Rating>>) -> Page<Id<Rating>, Id<Rating>> {
    let more = rows.len() > limits::STRANGERS;
    rows.truncate(limits::STRANGERS);
    Page { next: rows.last().copied().filter(|_| more), rows }
}

/// Ids of the ratings of one hire, by its parties: also of one that is archived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RatingsOfHire {
    /// The hire.
    pub hire: HireId,
    /// Its requester.
    pub requester: AgentId,
    /// Its worker.
    pub worker: AgentId,
}

impl Query for RatingsOfHire {
    type Answer = Vec<Id<Rating>>;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.ratings_of_hire(self.hire, self.requester, self.worker)
    }
}

/// Whether the room of a skill is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Follows(pub Skill);

impl Query for Follows {
    type Answer = bool;

    fn answer(self, peer: &Peer, _: Timestamp) -> Self::Answer {
        peer.rooms.contains(&self.0.room(limits::ROOM_DEPTH))
    }
}

/// Nothing: that it is answered says that the peer still works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alive;

impl Query for Alive {
    type Answer = ();

    fn answer(self, _: &Peer, _: Timestamp) -> Self::Answer {}
}

/// Numbers for the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GetStatus;

impl Query for GetStatus {
    type Answer = Status;

    fn answer(self, peer: &Peer, now: Timestamp) -> Self::Answer {
        peer.status(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(text: &str, ids: &[Bytes32]) -> Result<Bytes32, Missing> {
        resolve(IdKind::Hire, text, ids.iter().copied())
    }

    #[test]
    fn an_id_is_named_by_itself_or_a_unique_beginning_of_at_least_four_digits() {
        let ids: Vec<Bytes32> =
            (0..6).map(|n| Bytes32([[0xab; 4], [0xab, 0xcd, n, 7]].concat().repeat(4).try_into().unwrap())).collect();
        let other = Bytes32([0xfe; 32]);
        let all = [&ids[..], &[other, other]].concat();
        assert_eq!(look("fefe", &all), Ok(other), "the same id twice is one");
        assert_eq!(look("FEFEF", &all), Ok(other));
        for id in &all {
            assert_eq!(look(&id.to_string(), &all), Ok(*id));
        }
        for text in ["", "fef", "no id", "fefg", "äääää", &"fe".repeat(33), &format!("+{}", "f".repeat(63))] {
            assert_eq!(look(text, &all), Err(Missing::NotAnId { kind: IdKind::Hire }), "{text}");
        }
        let unknown = Missing::Unknown { kind: IdKind::Hire, text: "fefd".to_owned() };
        assert_eq!(look("FeFd", &all), Err(unknown), "ids before and after it are others");
        let Err(Missing::Ambiguous { text, count, longer }) = look("abab", &all) else { panic!("it names six") };
        assert_eq!((text.as_str(), count, longer.len()), ("abab", 6, limits::AMBIGUOUS));
        assert!(longer.iter().all(|longer| longer.len() == 12 && longer.starts_with("abab")));
    }
}
