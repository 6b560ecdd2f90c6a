//! The private part of a task, for the worker that has begun.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, List, Text};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::award::Award;
use crate::market::link::Link;
use crate::record::{Invalid, Network, Nothing, Payload, ensure};

/// Bytes by name of their content: served inside their hire only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BlobRef {
    /// Merkle root over chunks of 256 KiB (see [`crate::merkle`]).
    pub root: Bytes32,
    /// Length in bytes.
    pub size: u64,
}

/// One input of a task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Input {
    /// Its content.
    pub blob: BlobRef,
    /// How the task calls it: lower case letters, digits, `_` and `-`, so that it is safe as a file name.
    pub name: Text<{ limits::NAME }>,
    /// Media type, such as `text/csv`.
    pub media: Text<{ limits::NAME }>,
}

/// Inputs and parameters of the work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Brief {
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// The hire.
    pub hire: Id<Award>,
    /// Its place.
    pub link: Link,
    /// Files, served as blobs.
    #[serde(default, skip_serializing_if = "List::is_empty")]
    pub inputs: List<Input, { limits::INPUTS }>,
    /// Parameters: JSON text, for the agent to interpret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub params: Option<Text<{ limits::PARAMS }>>,
}

impl Input {
    /// How many bytes these have together.
    pub fn total(inputs: &[Self]) -> u64 {
        inputs.iter().fold(0, |sum, input| sum.saturating_add(input.blob.size))
    }

    /// Whether `name` may name an input: it becomes a file name in the agent's directory.
    pub fn is_name(name: &str) -> bool {
        let safe = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
        (1..=limits::NAME).contains(&name.len()) && name.chars().all(safe)
    }
}

impl Payload for Brief {
    const KIND: &'static str = "brief/1";
    const MAX: usize = limits::BRIEF;
    type Private = Nothing;

    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        let names: std::collections::BTreeSet<_> = self.inputs.iter().map(|input| &input.name).collect();
        ensure(names.len() == self.inputs.len(), "two inputs of one name")?;
        ensure(names.iter().all(|name| Input::is_name(name)), "an input's name is not a plain file name")?;
        ensure(Input::total(&self.inputs) <= limits::BLOB, "the inputs are too large")?;
        let json = self.params.as_ref().is_none_or(|text| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok());
        ensure(json, "the parameters are not JSON")
    }
}
