//! Words that another agent wrote, as a type.
//!
//! In: text or JSON from a record, a reply or a result of another agent. Out: the same, quoted for a person's terminal or
//! marked for a language model. Must never happen: such words printed as if this node had written them.
//!
//! [`Untrusted`] is neither `Display` nor `Deref`. A face can only quote it, mark it, or take from it what holds no text
//! ([`Textless`]); [`Untrusted::raw`] is for code that stores, compares or checks it, and the faces do not call it (a
//! test looks for that).

use std::fmt;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::codec::Text;
use crate::id::AgentId;
use crate::market::price::Price;
use crate::market::{Outcome, Reason, Ruling};
use crate::time::{Millis, Timestamp};

/// Something that another agent wrote. Its JSON and CBOR forms are those of `T`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Untrusted<T = String>(T);

impl<T> Untrusted<T> {
    /// Marks `words` as another agent's.
    pub fn new(words: T) -> Self {
        Self(words)
    }

    /// The words without quotation or mark: to store, compare or check, never to show.
    pub fn raw(&self) -> &T {
        &self.0
    }
}

impl<const MAX: usize> From<&Text<MAX>> for Untrusted {
    fn from(text: &Text<MAX>) -> Self {
        Self(text.to_string())
    }
}

impl From<&str> for Untrusted {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// Quoted, so that a log line or a failed assertion cannot be forged either.
impl<T: fmt::Debug> fmt::Debug for Untrusted<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: fmt::Display> Untrusted<T> {
    /// The words that it is written in, still untrusted.
    pub fn words(&self) -> Untrusted {
        Untrusted(self.0.to_string())
    }
}

/// A type that holds no text of its author's choice except as [`Untrusted`], so that its values need no mark.
pub trait Textless: DeserializeOwned {}

impl Textless for bool {}
impl Textless for u64 {}
impl Textless for f64 {}
impl Textless for Timestamp {}
impl Textless for Millis {}
impl Textless for Price {}
impl Textless for Ruling {}
impl Textless for Outcome {}
impl Textless for Reason {}

/// Words of this agent or of another, where a row may have either.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Words {
    /// What this agent or its operator wrote.
    Mine(String),
    /// What the other agent wrote.
    Theirs(Untrusted),
}

impl Words {
    /// As [`Untrusted::quoted`]; one's own words may hold control characters as well.
    pub fn quoted(&self, most: usize) -> String {
        match self {
            Self::Mine(words) => Untrusted::from(words.as_str()).quoted(most),
            Self::Theirs(words) => words.quoted(most),
        }
    }

    /// `{"mine": ...}`, or as [`Untrusted::marked`].
    pub fn marked(&self, from: Option<&AgentId>, most: usize) -> Value {
        match self {
            Self::Mine(words) => json!({ "mine": words }),
            Self::Theirs(words) => words.marked(from, most),
        }
    }
}

impl<B: AsRef<[u8]>> Untrusted<B> {
    /// The JSON that these bytes are, if they are.
    pub fn json(&self) -> Option<Untrusted<Value>> {
        serde_json::from_slice(self.0.as_ref()).ok().map(Untrusted)
    }

    /// The text that these bytes are; what is not UTF-8 is replaced.
    pub fn text(&self) -> Untrusted {
        Untrusted(String::from_utf8_lossy(self.0.as_ref()).into_owned())
    }

    /// How many bytes there are.
    pub fn size(&self) -> usize {
        self.0.as_ref().len()
    }
}

impl Untrusted {
    /// Whether nothing was written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What follows the first `count` characters.
    pub fn skip(&self, count: usize) -> Self {
        Self(self.0.chars().skip(count).collect())
    }

    /// All of `parts`, with `between` between them.
    pub fn join<'a>(parts: impl IntoIterator<Item = &'a Self>, between: &str) -> Self {
        let parts: Vec<&str> = parts.into_iter().map(|part| part.0.as_str()).collect();
        Self(parts.join(between))
    }

    /// For a terminal: in quotation marks, on one line, at most `most` characters, and with every character escaped that
    /// a terminal could act upon or hide.
    pub fn quoted(&self, most: usize) -> String {
        let mut cut: String = self.0.chars().take(most).collect();
        if cut.len() < self.0.len() {
            cut.push('…');
        }
        format!("{cut:?}")
    }

    /// For a language model: `{"untrusted": true, "from": agent, "text": ...}` with at most `most` characters, and
    /// `"cut": true` if there are more. Characters that a reader would not see are written out, like `\u{202e}`.
    pub fn marked(&self, from: Option<&AgentId>, most: usize) -> Value {
        let mut marked = json!({ "untrusted": true, "from": from, "text": visible(&self.0, most) });
        if self.0.chars().nth(most).is_some() {
            marked["cut"] = json!(true);
        }
        marked
    }
}

impl Untrusted<Value> {
    /// What this JSON Pointer (RFC 6901) leads to.
    pub fn at(&self, pointer: &str) -> Option<Self> {
        self.0.pointer(pointer).cloned().map(Self)
    }

    /// The text at this JSON Pointer.
    pub fn text_at(&self, pointer: &str) -> Option<Untrusted> {
        self.0.pointer(pointer)?.as_str().map(Untrusted::from)
    }

    /// The value at this JSON Pointer, if it is of a type without texts.
    pub fn read_at<T: Textless>(&self, pointer: &str) -> Option<T> {
        T::deserialize(self.0.pointer(pointer)?).ok()
    }

    /// The items of the array at this JSON Pointer; none if it leads to no array.
    pub fn items_at(&self, pointer: &str) -> Vec<Self> {
        let items = self.0.pointer(pointer).and_then(Value::as_array);
        items.into_iter().flatten().cloned().map(Self).collect()
    }

    /// For a terminal: indented JSON that parses to the same value, with only visible characters in it.
    pub fn pretty(&self) -> String {
        let mut out = String::new();
        for c in format!("{:#}", self.0).chars() {
            if matches!(c, '\n' | '"' | '\'' | '\\') || c.escape_debug().len() == 1 {
                out.push(c);
            } else {
                c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| out.push_str(&format!("\\u{unit:04x}")));
            }
        }
        out
    }

    /// For a language model: `{"untrusted": true, "from": agent, "json": ...}`, with its texts and keys made visible.
    pub fn marked(&self, from: Option<&AgentId>) -> Value {
        json!({ "untrusted": true, "from": from, "json": all_visible(&self.0) })
    }
}

fn all_visible(value: &Value) -> Value {
    match value {
        Value::String(text) => Value::String(visible(text, usize::MAX)),
        Value::Array(items) => items.iter().map(all_visible).collect(),
        Value::Object(object) => {
            let entries = object.iter().map(|(key, value)| (visible(key, usize::MAX), all_visible(value)));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        other => other.clone(),
    }
}

/// At most `most` characters, with control, format and combining characters and tags written out: text can be hidden in
/// all of them.
fn visible(text: &str, most: usize) -> String {
    let mut out = String::new();
    for c in text.chars().take(most) {
        if c.is_alphanumeric() || matches!(c, '\n' | '\t' | '"' | '\'' | '\\') {
            out.push(c);
        } else {
            out.extend(c.escape_debug());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HIDDEN: &str = "a\u{1b}[2J\u{202e}\u{e0041}\u{fe0f}\u{9b}é\n\"\\";

    #[test]
    fn quoted_words_stay_on_one_line_within_their_marks() {
        let quoted = Untrusted::from(HIDDEN).quoted(100);
        assert_eq!(quoted, r#""a\u{1b}[2J\u{202e}\u{e0041}\u{fe0f}\u{9b}é\n\"\\""#);
        assert_eq!(Untrusted::from("abcd").quoted(3), "\"abc…\"");
    }

    #[test]
    fn marked_words_say_whose_they_are_and_whether_they_are_cut() {
        let from = AgentId([7; 32]);
        let marked = Untrusted::from(HIDDEN).marked(Some(&from), 100);
        let shown = "a\\u{1b}[2J\\u{202e}\\u{e0041}\\u{fe0f}\\u{9b}é\n\"\\";
        assert_eq!(marked, json!({ "untrusted": true, "from": from, "text": shown }));
        let cut = Untrusted::from("abcd").marked(None, 3);
        assert_eq!(cut, json!({ "untrusted": true, "from": null, "text": "abc", "cut": true }));
        let document = Untrusted::new(json!({ "k\u{200b}": [1, "v\u{7}"] })).marked(None);
        assert_eq!(document["json"], json!({ "k\\u{200b}": [1, "v\\u{7}"] }));
    }

    #[test]
    fn pretty_json_is_the_same_json_without_hidden_characters() {
        let value = json!({ "a": "\u{1b}[2J\u{202e}\u{e0041}" });
        let pretty = Untrusted::new(value.clone()).pretty();
        assert!(pretty.chars().all(|c| c == '\n' || !c.is_control() && c.is_ascii()));
        assert_eq!(serde_json::from_str::<Value>(&pretty).unwrap(), value);
    }
}
