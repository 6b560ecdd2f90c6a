//! A worker's question and the requester's answer, which may move the deadline.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, Text};
use crate::id::{AgentId, Id};
use crate::limits;
use crate::market::award::Award;
use crate::market::link::Link;
use crate::record::{Invalid, Network, Nothing, Payload};
use crate::time::Timestamp;

/// Something the worker must know. The work clock does not stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Question {
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place.
    pub link: Link,
    /// The question.
    pub text: Text<{ limits::NOTE }>,
}

/// The requester's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// A later deadline, absolute; an earlier one has no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place.
    pub link: Link,
    /// The answer.
    pub text: Text<{ limits::NOTE }>,
    /// What it answers.
    pub question: Id<Question>,
}

impl Payload for Question {
    const KIND: &'static str = "question/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
}
impl Payload for Answer {
    const KIND: &'static str = "answer/1";
    const MAX: usize = limits::SMALL;
    type Private = Nothing;
    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        Ok(())
    }
}
