//! What must hold of a task before an offer is made of it: each rule once, with the place of what breaks it.
//!
//! In: a task, and who orders it from whom, as far as that is known. Out: the first fault. Invariant: of a task without
//! one an offer can be made that every peer admits.

use std::collections::BTreeSet;
use std::fmt::{self, Display, Write as _};

use super::Task;
use crate::codec::{self, Text, TextError};
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::market::checks::{Assert, Checks, Invalid as CheckError};
use crate::market::decision;
use crate::market::{Input, Milestone};
use crate::record::{Invalid, Network};
use crate::time::{Millis, Timestamp};

/// A JSON pointer (RFC 6901) into the document of a task, like `/time/bids` or `/accept/checks/2`; empty for the whole.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pointer(String);

impl Pointer {
    /// The value at the end of these steps: keys, or indices of lists.
    pub fn to(steps: &[&dyn Display]) -> Self {
        let mut pointer = String::new();
        for step in steps {
            // A write into a text does not fail.
            let _ = write!(pointer, "/{}", step.to_string().replace('~', "~0").replace('/', "~1"));
        }
        Self(pointer)
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Pointer {
    fn from(pointer: &str) -> Self {
        Self(pointer.to_owned())
    }
}

impl Display for Pointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What is wrong with a task, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {fault:?}")]
pub struct TaskError {
    /// The place.
    pub at: Pointer,
    /// What is wrong there.
    pub fault: TaskFault,
}

/// A rule that a task breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskFault {
    /// A length of time out of its range.
    Span {
        /// As given.
        given: Millis,
        /// The shortest.
        least: Millis,
        /// The longest.
        most: Millis,
    },
    /// The bid window does not end before the offer expires.
    Bids {
        /// The window.
        bids: Millis,
        /// The life of the offer.
        expires: Millis,
    },
    /// No slot, or too many.
    Slots {
        /// As given.
        given: u16,
        /// The most.
        most: u16,
    },
    /// Fewer than two results are to agree, or more than there are slots.
    Agree {
        /// As given.
        given: u16,
        /// How many slots there are.
        slots: u16,
    },
    /// Something that needs several workers, in a task for one.
    OneWorker,
    /// More items than a list may have.
    TooMany {
        /// How many.
        given: usize,
        /// The most.
        most: usize,
    },
    /// More bytes than there may be.
    TooLarge {
        /// How many.
        given: u64,
        /// The most.
        most: u64,
    },
    /// Control characters in a text.
    Control,
    /// Not a name of an input; see [`Input::is_name`].
    InputName(String),
    /// Two inputs of one name.
    SameName,
    /// Not JSON.
    NotJson,
    /// A check that cannot be run.
    Check(CheckError),
    /// Not a path into a result.
    Compare(String),
    /// A milestone's share of the price, in per mille, is nothing or all of it.
    Share(u16),
    /// The milestones' shares, in per mille, leave nothing for the last part.
    Shares(u32),
    /// A part of the whole, in per mille, that is more than the whole.
    Fraction(u16),
    /// The arbiter is a party.
    NotThird,
    /// The worker is the requester.
    Oneself,
    /// The skill is an arbitration's and no case is brought, or the other way round.
    Arbitration,
    /// The case brings no consent of an arbiter.
    Consent(Invalid),
}

impl TaskFault {
    /// The same, with its place.
    pub fn at(self, at: impl Into<Pointer>) -> TaskError {
        TaskError { at: at.into(), fault: self }
    }
}

fn rule(holds: bool, at: impl Into<Pointer>, fault: TaskFault) -> Result<(), TaskError> {
    if holds { Ok(()) } else { Err(fault.at(at)) }
}

fn span(at: &str, given: Millis, least: Millis, most: Millis) -> Result<(), TaskError> {
    rule((least..=most).contains(&given), at, TaskFault::Span { given, least, most })
}

fn at_most(at: &str, given: usize, most: usize) -> Result<(), TaskError> {
    rule(given <= most, at, TaskFault::TooMany { given, most })
}

/// What is sent as it is or not at all.
fn text<const MAX: usize>(text: &str) -> Result<(), TaskFault> {
    match Text::<MAX>::try_from(text) {
        Ok(_) => Ok(()),
        Err(TextError::TooLong(given, most)) => Err(TaskFault::TooLarge { given: given as u64, most: most as u64 }),
        Err(TextError::Control) => Err(TaskFault::Control),
    }
}

/// What must hold of the parameters of a task.
pub fn params(params: &str) -> Result<(), TaskFault> {
    text::<{ limits::PARAMS }>(params)?;
    serde_json::from_str::<serde::de::IgnoredAny>(params).map(drop).map_err(|_| TaskFault::NotJson)
}

/// What must hold of one input of a task.
pub fn input(name: &str, size: u64) -> Result<(), TaskFault> {
    if !Input::is_name(name) {
        return Err(TaskFault::InputName(name.to_owned()));
    }
    if size > limits::BLOB {
        return Err(TaskFault::TooLarge { given: size, most: limits::BLOB });
    }
    Ok(())
}

fn inputs(inputs: &[Input]) -> Result<(), TaskError> {
    let at = "/brief/inputs";
    at_most(at, inputs.len(), limits::INPUTS)?;
    let mut names = BTreeSet::new();
    for one in inputs {
        let at = || Pointer::to(&[&"brief", &"inputs", &one.name]);
        input(&one.name, one.blob.size).map_err(|fault| fault.at(at()))?;
        rule(names.insert(&one.name), at(), TaskFault::SameName)?;
    }
    let given = Input::total(inputs);
    rule(given <= limits::BLOB, at, TaskFault::TooLarge { given, most: limits::BLOB })
}

fn asserts(at: &str, asserts: &[Assert]) -> Result<(), TaskError> {
    at_most(at, asserts.len(), limits::ASSERTS)?;
    for (index, assert) in asserts.iter().enumerate() {
        assert.compile().map_err(|error| TaskFault::Check(error).at(&*format!("{at}/{index}")))?;
    }
    Ok(())
}

fn checks(at: &str, checks: &Checks) -> Result<(), TaskError> {
    if let Some(schema) = &checks.schema {
        schema.compile().map_err(|error| TaskFault::Check(error).at(&*format!("{at}/schema")))?;
    }
    asserts(&format!("{at}/checks"), &checks.asserts)
}

fn milestones(parts: &[Milestone]) -> Result<(), TaskError> {
    for (index, part) in parts.iter().enumerate() {
        let at = format!("/milestone/{index}");
        rule((1..1000).contains(&part.share), &*format!("{at}/share"), TaskFault::Share(part.share))?;
        checks(&at, &part.checks)?;
    }
    let sum = parts.iter().map(|part| u32::from(part.share)).sum();
    rule(sum < 1000, "/milestone", TaskFault::Shares(sum))
}

/// A path of which an assertion can be made.
fn compare(path: &str) -> Result<(), TaskError> {
    let step = |byte: u8| byte.is_ascii_alphanumeric() || b"_.[]-".contains(&byte);
    let plain = path.starts_with("result") && path.bytes().all(step);
    let reads = plain && format!("{path} == 0").parse::<Assert>().is_ok();
    rule(reads, "/accept/compare", TaskFault::Compare(path.to_owned()))
}

impl Task {
    /// Finds the first rule that the task breaks, as ordered from `to`, if from one worker. `by` is who orders it; what
    /// depends on that is left out where it is not known yet.
    ///
    /// # Errors
    /// What is wrong, and where.
    pub fn check(&self, by: Option<(AgentId, Network)>, to: Option<AgentId>) -> Result<(), TaskError> {
        let (direct, me) = (to.is_some(), by.map(|(me, _)| me));
        let instant = Millis(1);
        rule(!direct || to != me, "/to", TaskFault::Oneself)?;
        rule(decision::is_arbitration(&self.skill) == self.call.is_some(), "/skill", TaskFault::Arbitration)?;
        if let (Some(call), Some((_, network))) = (&self.call, by) {
            decision::verify(&call.consent, &network).map_err(|e| TaskFault::Consent(e).at("/call/consent"))?;
        }
        text::<{ limits::SUMMARY }>(&self.summary).map_err(|fault| fault.at("/summary"))?;

        let slots = TaskFault::Slots { given: self.slots, most: limits::SLOTS };
        rule((1..=limits::SLOTS).contains(&self.slots), "/slots", slots)?;
        rule(!direct || self.slots == 1, "/slots", TaskFault::OneWorker)?;
        if let Some(given) = self.agree {
            rule(!direct, "/agree", TaskFault::OneWorker)?;
            let agree = TaskFault::Agree { given, slots: self.slots };
            rule((2..=self.slots).contains(&given), "/agree", agree)?;
        }

        inputs(&self.inputs)?;
        self.params.as_deref().map_or(Ok(()), params).map_err(|fault| fault.at("/brief/params"))?;

        checks("/accept", &self.checks)?;
        asserts("/accept/sealed", &self.sealed)?;
        self.compare.as_deref().map_or(Ok(()), compare)?;
        milestones(&self.milestones)?;

        if let Some(arbiter) = &self.arbiter {
            let third = Some(arbiter.agent) != me && Some(arbiter.agent) != to;
            rule(third, "/arbiter/agent", TaskFault::NotThird)?;
            span("/arbiter/within", arbiter.within, limits::ARBITRATION_MIN, limits::ARBITRATION)?;
        }

        span("/time/expires", self.expires, instant, limits::OFFER_LIFE)?;
        span("/time/bids", self.bids, instant, limits::OFFER_LIFE)?;
        // An offer to one worker has no bid window.
        let bids = TaskFault::Bids { bids: self.bids, expires: self.expires };
        rule(direct || self.bids < self.expires, "/time/bids", bids)?;
        span("/time/begin", self.begin, instant, limits::CLAIM_LIFE)?;
        span("/time/done", self.done, instant, limits::WORK)?;
        span("/time/review", self.review, instant, limits::REVIEW)?;

        let choosing = &self.choosing;
        at_most("/choose/prefer", choosing.prefer.len(), limits::PREFER)?;
        for (at, share) in [("/choose/bar", choosing.bar), ("/choose/newcomers", Some(choosing.newcomers.share))] {
            let share = share.unwrap_or_default();
            rule(share <= 1000, at, TaskFault::Fraction(share))?;
        }
        self.size(direct)
    }

    /// The offer as large as it can be: with dates and numbers of full length.
    fn size(&self, direct: bool) -> Result<(), TaskError> {
        let offer = self.offer(Timestamp(u64::MAX / 2), u64::MAX, Bytes32([u8::MAX; 32]), direct);
        let (given, most) = (codec::encode(&offer).len() as u64, limits::OFFER as u64);
        rule(given <= most, Pointer::default(), TaskFault::TooLarge { given, most })
    }
}
