//! What an agent states: values under names.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Invalid, Value};
use crate::limits::{PROPERTIES, PROPERTY_KEY};

/// The words of the constraint language.
const RESERVED: [&str; 9] = ["and", "or", "not", "in", "has", "prefix", "exists", "true", "false"];

/// The name of a property: `a-z`, then `a-z`, `0-9` and `_`. Ordered as in deterministic CBOR, shorter first.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Key(String);

/// At most [`PROPERTIES`] named values, each within its bounds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Key, Value>")]
pub struct Properties(BTreeMap<Key, Value>);

impl Key {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Ord for Key {
    /// RFC 8949 4.2.1 for short text keys: by length, then bytewise, so a map in this order is a canonical one.
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}
impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl TryFrom<String> for Key {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        let fits = text.len() <= PROPERTY_KEY
            && text.starts_with(|first: char| first.is_ascii_lowercase())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            && !RESERVED.contains(&text.as_str());
        if fits { Ok(Self(text)) } else { Err(Invalid::Key(text.chars().take(PROPERTY_KEY + 1).collect())) }
    }
}
impl FromStr for Key {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::try_from(text.to_owned())
    }
}
impl From<Key> for String {
    fn from(key: Key) -> Self {
        key.0
    }
}
impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Properties {
    /// State a property, replacing what was stated under the same key.
    pub fn insert(&mut self, key: Key, value: Value) -> Result<(), Invalid> {
        value.check()?;
        if self.0.len() >= PROPERTIES && !self.0.contains_key(&key) {
            return Err(Invalid::TooMany);
        }
        self.0.insert(key, value);
        Ok(())
    }

    /// Properties of a plain JSON object, as a configuration or an API gives it.
    pub fn from_json(json: &serde_json::Map<String, serde_json::Value>) -> Result<Self, Invalid> {
        let mut properties = Self::default();
        for (key, value) in json {
            properties.insert(key.parse()?, Value::from_json(value)?)?;
        }
        Ok(properties)
    }

    /// What is stated under `key`.
    pub fn get(&self, key: &Key) -> Option<&Value> {
        self.0.get(key)
    }

    /// All of them, in canonical order.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.0.iter()
    }

    /// Whether nothing is stated.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl TryFrom<BTreeMap<Key, Value>> for Properties {
    type Error = Invalid;
    fn try_from(map: BTreeMap<Key, Value>) -> Result<Self, Invalid> {
        if map.len() > PROPERTIES {
            return Err(Invalid::TooMany);
        }
        map.values().try_for_each(Value::check)?;
        Ok(Self(map))
    }
}
