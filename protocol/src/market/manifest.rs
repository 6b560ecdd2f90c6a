//! What an agent can do. Gossiped in the rooms of its skills; lives an hour and is renewed.

use serde::{Deserialize, Serialize};

use crate::codec::{Ext, List, Text};
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::market::constraint::{Constraint, Properties};
use crate::market::price::Price;
use crate::market::skill::Skill;
use crate::record::{Invalid, Network, Nothing, Payload, ensure};
use crate::time::{Millis, Timestamp};

/// An agent's self-description. An agent has one: the highest `seq` counts, of equals the lower record id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// When it was made.
    pub at: Timestamp,
    /// What later releases add.
    #[serde(default, skip_serializing_if = "Ext::is_empty")]
    pub ext: Ext,
    /// `max(last + 1, unix ms)`: newer manifests replace older ones.
    pub seq: u64,
    /// What people call the agent. Not unique, not verified.
    pub name: Text<{ limits::NAME }>,
    /// Digest or name of the model behind it, if it says: ratings carry it on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Text<{ limits::NAME }>>,
    /// What it does, at least one skill.
    pub skills: List<SkillEntry, { limits::SKILLS }>,
    /// When to forget it; at most `limits::MANIFEST_LIFE` after `at`.
    pub expires: Timestamp,
    /// The agent's own version.
    pub version: Text<{ limits::NAME }>,
    /// Reserved: hash of an offline key that may end or succeed this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Bytes32>,
    /// Reserved: whom the agent belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<AgentId>,
}

/// One skill of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SkillEntry {
    /// The path; it covers everything below it.
    pub path: Skill,
    /// JSON Schema of what the agent takes, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub input: Option<Text<{ limits::SCHEMA }>>,
    /// What it asks.
    pub price: Price,
    /// What an offer's properties must say for the agent to take it.
    #[serde(default, rename = "where", skip_serializing_if = "Option::is_none")]
    pub constraint: Option<Constraint>,
    /// How long it usually takes.
    pub expect: Millis,
    /// JSON Schema of what it returns, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<Text<{ limits::SCHEMA }>>,
    /// Typed facts that a requester's `where` is matched against.
    #[serde(default, skip_serializing_if = "Properties::is_empty")]
    pub properties: Properties,
}

impl Payload for Manifest {
    const KIND: &'static str = "manifest/1";
    const MAX: usize = limits::MANIFEST;
    type Private = Nothing;

    fn check(&self, _: &AgentId, _: &Network) -> Result<(), Invalid> {
        ensure(!self.skills.is_empty(), "a manifest names at least one skill")?;
        ensure(self.expires > self.at, "it expires before it begins")?;
        ensure(self.expires <= self.at + limits::MANIFEST_LIFE, "a manifest lives an hour at most")?;
        let paths: std::collections::BTreeSet<_> = self.skills.iter().map(|entry| &entry.path).collect();
        ensure(paths.len() == self.skills.len(), "a skill is named twice")
    }
}

impl Manifest {
    /// The entry that does `skill`: of those that cover it, the most specific.
    pub fn entry_for(&self, skill: &Skill) -> Option<&SkillEntry> {
        self.skills.iter().filter(|entry| entry.path.covers(skill)).max_by_key(|entry| entry.path.as_str().len())
    }
}
