//! The two chains of a hire: every record of both sides, in the order their issuers gave them.
//!
//! In: verified records. Out: whether each fits, judged by what its own issuer knew when it made it; so both sides come
//! to the same answer. Must never happen: a record in the chain that its issuer was not allowed to make.

use crate::hire::Side;
use crate::hire::rule::Rule;
use crate::hire::stage::{self, Facts};
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::market::*;
use crate::record::{Record, Verified};
use crate::time::Timestamp;

macro_rules! links {
    ($($name:ident: $side:ident, $link:expr;)*) => {
        /// A record that belongs to a hire's chains. The award itself is their root.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each variant is the record of its name")]
        pub enum Entry { $($name(Verified<$name>)),* }

        impl Entry {
            /// The hire it belongs to.
            pub fn hire(&self) -> crate::hire::HireId {
                match self { $(Self::$name(record) => record.hire),* }
            }
            /// The record in general form.
            pub fn record(&self) -> Record {
                match self { $(Self::$name(record) => record.clone().into()),* }
            }
            /// Its id.
            pub fn id(&self) -> Bytes32 {
                match self { $(Self::$name(record) => record.id().untyped()),* }
            }
            /// Who signed it.
            pub fn issuer(&self) -> AgentId {
                match self { $(Self::$name(record) => record.issuer()),* }
            }
            /// Its place; absent where the private part that holds it did not come along.
            pub fn link(&self) -> Option<&Link> {
                match self { $(Self::$name(record) => {
                    let link: fn(&Verified<$name>) -> Option<&Link> = $link;
                    link(record)
                }),* }
            }
            /// Which side makes records of this kind; absent for those that either may.
            fn side(&self) -> Option<Side> {
                match self { $(Self::$name(_) => $side),* }
            }
        }

        impl TryFrom<Record> for Entry {
            type Error = Record;
            fn try_from(record: Record) -> Result<Self, Record> {
                match record {
                    $(Record::$name(record) => Ok(Self::$name(record)),)*
                    other => Err(other),
                }
            }
        }
    };
}

const REQUESTER: Option<Side> = Some(Side::Requester);
const WORKER: Option<Side> = Some(Side::Worker);
const EITHER: Option<Side> = None;

links! {
    Begin: WORKER, |r| r.private().map(|p| &p.link);
    Decline: WORKER, |r| Some(&r.link);
    Withdraw: REQUESTER, |r| Some(&r.link);
    Brief: REQUESTER, |r| Some(&r.link);
    Progress: WORKER, |r| Some(&r.link);
    Question: WORKER, |r| Some(&r.link);
    Answer: REQUESTER, |r| Some(&r.link);
    Delivery: WORKER, |r| Some(&r.link);
    Ack: REQUESTER, |r| Some(&r.link);
    Verdict: REQUESTER, |r| Some(&r.link);
    Cancel: EITHER, |r| Some(&r.link);
    Contest: WORKER, |r| Some(&r.link);
    Receipt: REQUESTER, |r| r.private().map(|p| &p.link);
    Countersign: WORKER, |r| r.private().map(|p| &p.link);
}

/// Why a record does not join the chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Misfit {
    /// Held already: nothing to do, and nothing wrong.
    #[error("already held")]
    Duplicate,
    /// Something between is missing; it fits once that has come.
    #[error("record {expected} of the chain is missing")]
    Gap {
        /// The position wanted next.
        expected: u32,
    },
    /// Another record of the same position counts.
    #[error("another record holds this place in the chain")]
    Superseded,
    /// Its issuer could not make it then.
    #[error("breaks the rule {0}")]
    NotAllowed(Rule),
}

/// The records of one hire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    award: Verified<Award>,
    requester: Vec<Entry>,
    worker: Vec<Entry>,
    /// The arbiter's, which is in neither chain.
    decision: Option<Verified<Decision>>,
    /// How many of them there were.
    decisions: usize,
}

/// What somebody who held the first so many records of each side would see.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The root.
    pub award: &'a Verified<Award>,
    /// The requester's records after the award.
    pub requester: &'a [Entry],
    /// The worker's records.
    pub worker: &'a [Entry],
    /// The arbiter's decision.
    pub decision: Option<&'a Verified<Decision>>,
}

impl Chain {
    /// The chain of a new hire. The award must carry its terms.
    pub fn new(award: Verified<Award>) -> Self {
        assert!(award.private().is_some(), "an award without terms never becomes a hire: `Peer` refuses it on arrival");
        Self { award, requester: Vec::new(), worker: Vec::new(), decision: None, decisions: 0 }
    }

    /// The root.
    pub fn award(&self) -> &Verified<Award> {
        &self.award
    }

    /// What both are bound by.
    pub fn terms(&self) -> &Terms {
        self.award.private().expect("checked by `new`, and records do not change")
    }

    /// One side's records (the requester's after the award).
    pub fn of(&self, side: Side) -> &[Entry] {
        match side {
            Side::Requester => &self.requester,
            Side::Worker => &self.worker,
        }
    }

    /// Everything held.
    pub fn view(&self) -> View<'_> {
        View { award: &self.award, requester: &self.requester, worker: &self.worker, decision: self.decision.as_ref() }
    }

    /// Where the hire stands.
    pub fn facts(&self) -> Facts {
        Facts::of(&self.view())
    }

    /// The id of `side`'s last record; the award's before there is one.
    pub fn last_of(&self, side: Side) -> Bytes32 {
        self.of(side).last().map_or(self.award.id().untyped(), Entry::id)
    }

    /// How many of `side`'s records `seen` covers; absent if it is none of them. The award counts as the requester's
    /// zeroth.
    fn covered(&self, side: Side, seen: &Bytes32) -> Option<usize> {
        if *seen == self.award.id().untyped() {
            return Some(0);
        }
        self.of(side).iter().position(|entry| entry.id() == *seen).map(|index| index + 1)
    }

    /// How many of `side`'s records its counterparty is known to have processed.
    pub fn seen_of(&self, side: Side) -> usize {
        let seen = self.of(side.other()).last().and_then(Entry::link).map(|link| link.seen);
        seen.and_then(|seen| self.covered(side, &seen)).unwrap_or(0)
    }

    /// All records after the award, causes before effects: a record comes after what its issuer had seen; of two that
    /// had not seen each other, the earlier dated first.
    pub fn in_order(&self) -> Vec<&Entry> {
        let (mut requester, mut worker) = (self.requester.iter().peekable(), self.worker.iter().peekable());
        let (mut requesters, mut workers) = (0, 0);
        let at = |entry: &Entry| entry.link().map(|link| link.at);
        let had_seen =
            |entry: &Entry, of: Side| entry.link().and_then(|link| self.covered(of, &link.seen)).unwrap_or(0);
        let mut order = Vec::with_capacity(self.requester.len() + self.worker.len());
        while let (Some(ours), Some(theirs)) = (requester.peek(), worker.peek()) {
            let ready = (had_seen(ours, Side::Worker) <= workers, had_seen(theirs, Side::Requester) <= requesters);
            if ready == (true, false) || (ready == (true, true) && at(ours) < at(theirs)) {
                order.extend(requester.next());
                requesters += 1;
            } else {
                order.extend(worker.next());
                workers += 1;
            }
        }
        order.extend(requester);
        order.extend(worker);
        order
    }

    /// The place of `side`'s next record.
    pub fn next_link(&self, side: Side, at: Timestamp) -> Link {
        let root = self.award.id().untyped();
        let last = |side: Side| self.of(side).last().map(Entry::id);
        let count = u32::try_from(self.of(side).len()).unwrap_or(u32::MAX);
        let seen = last(side.other()).unwrap_or(root);
        match side {
            Side::Requester => Link { n: count + 1, at, prev: last(side).or(Some(root)), seen },
            Side::Worker => Link { n: count, at, prev: last(side), seen },
        }
    }

    /// Whether `entry` may be pushed: right side, next in its chain, and allowed by what its issuer had seen.
    pub fn admit(&self, entry: &Entry) -> Result<(), Misfit> {
        let side = match entry.issuer() {
            issuer if issuer == self.award.issuer() => Side::Requester,
            issuer if issuer == self.award.worker => Side::Worker,
            _ => return Err(Misfit::NotAllowed(Rule::Party)),
        };
        if entry.side().is_some_and(|only| only != side) {
            return Err(Misfit::NotAllowed(Rule::Side));
        }
        let link = entry.link().ok_or(Misfit::NotAllowed(Rule::PrivatePart))?;
        let own = self.of(side);
        let first = u32::from(side == Side::Requester);
        let index = usize::try_from(link.n.checked_sub(first).ok_or(Misfit::NotAllowed(Rule::FirstPosition))?)
            .map_err(|_| Misfit::NotAllowed(Rule::Position))?;
        if index >= limits::CHAIN {
            return Err(Misfit::NotAllowed(Rule::ChainLength));
        }
        if let Some(held) = own.get(index) {
            if held.id() == entry.id() {
                return Err(Misfit::Duplicate);
            }
            // Of two records with one n: the one that the other side, or the arbiter, has seen, else the lower id.
            if self.seen_of(side).max(self.decided_of(side)) > index || held.id() < entry.id() {
                return Err(Misfit::Superseded);
            }
        }
        let before = own.get(..index).ok_or(Misfit::Gap { expected: first + own.len() as u32 })?;
        let expected = match (before.last(), side) {
            (Some(last), _) => Some(last.id()),
            (None, Side::Requester) => Some(self.award.id().untyped()),
            (None, Side::Worker) => None,
        };
        if link.prev != expected {
            return Err(Misfit::NotAllowed(Rule::Previous));
        }
        let seen = self.covered(side.other(), &link.seen).ok_or(Misfit::NotAllowed(Rule::Seen))?;
        let seen_before = before.last().and_then(Entry::link).and_then(|link| self.covered(side.other(), &link.seen));
        if seen_before.is_some_and(|before| before > seen) {
            return Err(Misfit::NotAllowed(Rule::SeenOrder));
        }
        let theirs = &self.of(side.other())[..seen];
        let (requester, worker) = match side {
            Side::Requester => (before, theirs),
            Side::Worker => (theirs, before),
        };
        let view = View { award: &self.award, requester, worker, decision: None };
        stage::allows(&view, side, entry, link).map_err(Misfit::NotAllowed)
    }

    /// How many of `side`'s records the arbiter had seen when it decided.
    fn decided_of(&self, side: Side) -> usize {
        let seen = self.decision.as_ref().map(|decision| match side {
            Side::Requester => decision.requester,
            Side::Worker => decision.worker,
        });
        seen.and_then(|seen| self.covered(side, &seen)).unwrap_or(0)
    }

    /// The arbiter's decision, if one is held.
    pub fn decision(&self) -> Option<&Verified<Decision>> {
        self.decision.as_ref()
    }

    /// Whether a decision counts here: the arbiter's own, dated in time, by one who had seen the contest and what was
    /// contested. Of two the one with the lower id. What else it had seen of the requester's need not be here: another
    /// record may have taken its place.
    pub fn admit_decision(&self, decision: &Verified<Decision>) -> Result<(), Misfit> {
        let Some(arbiter) = self.terms().arbiter else { return Err(Misfit::NotAllowed(Rule::NoArbiter)) };
        if decision.issuer() != arbiter.agent || decision.hire != self.award.id() {
            return Err(Misfit::NotAllowed(Rule::Arbiter));
        }
        match &self.decision {
            Some(held) if held.id() == decision.id() => return Err(Misfit::Duplicate),
            Some(held) if held.id() < decision.id() => return Err(Misfit::Superseded),
            _ if self.decisions >= limits::DECISIONS => return Err(Misfit::Superseded),
            _ => {}
        }
        // Nothing follows a contest: if one is here and another was decided on, there is nothing to wait for.
        let missing = match self.worker.last() {
            Some(Entry::Contest(_)) => Misfit::Superseded,
            _ => Misfit::Gap { expected: self.worker.len() as u32 },
        };
        let workers = self.covered(Side::Worker, &decision.worker).ok_or(missing)?;
        let requesters = self.covered(Side::Requester, &decision.requester).unwrap_or(usize::MAX);
        let contest = self.worker.iter().take(workers).find(|entry| matches!(entry, Entry::Contest(_)));
        let Some(link) = contest.and_then(Entry::link) else {
            return Err(Misfit::NotAllowed(Rule::DecisionContest));
        };
        if self.covered(Side::Requester, &link.seen).is_none_or(|contested| requesters < contested) {
            return Err(Misfit::NotAllowed(Rule::DecisionSeen));
        }
        if decision.at < link.at || decision.at > link.at + arbiter.within {
            return Err(Misfit::NotAllowed(Rule::DecisionDate));
        }
        Ok(())
    }

    /// Adds a decision that [`Chain::admit_decision`] let through.
    pub fn decide(&mut self, decision: Verified<Decision>) {
        self.decision = Some(decision);
        self.decisions += 1;
    }

    /// Adds a record that [`Chain::admit`] let through; one that takes another's place ends what followed it.
    pub fn push(&mut self, entry: Entry) {
        let side = if entry.issuer() == self.award.worker { Side::Worker } else { Side::Requester };
        let Some(link) = entry.link() else { return };
        let index = (link.n as usize).saturating_sub(usize::from(side == Side::Requester));
        let own = match side {
            Side::Requester => &mut self.requester,
            Side::Worker => &mut self.worker,
        };
        own.truncate(index);
        own.push(entry);
    }
}

impl View<'_> {
    /// The terms of the hire.
    pub fn terms(&self) -> &Terms {
        self.award.private().expect("`Chain::new` takes no award without terms")
    }
}
