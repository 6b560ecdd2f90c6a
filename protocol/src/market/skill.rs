//! What can be done for hire, as a path: `document/verify/passport`. A prefix covers everything below it.
//!
//! In comes text from people and from the wire, out come only paths that keep the bounds. The same string is the
//! wire form, the printed form and the form in a configuration: nothing is normalised, so equal bytes are equal skills.

use std::fmt;
use std::str::FromStr;

use crate::limits::{SKILL, SKILL_SEGMENT, SKILL_SEGMENTS};
use serde::{Deserialize, Serialize};

/// A path of one to six segments of `a-z`, `0-9` and `-`, joined by `/`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Skill(String);

/// Why a text is not a skill.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// Nothing, or nothing between two slashes.
    #[error("a skill has no empty segment; write it like document/verify, without a slash at either end")]
    EmptySegment,
    /// A character outside the alphabet.
    #[error("{0:?} is not allowed in a skill; use a-z, 0-9 and '-', with '/' between segments")]
    Character(char),
    /// One segment is too long.
    #[error("a segment of a skill has at most {SKILL_SEGMENT} characters, this one has {0}")]
    SegmentTooLong(usize),
    /// Too many segments.
    #[error("a skill has at most {SKILL_SEGMENTS} segments")]
    TooDeep,
    /// The path as a whole is too long.
    #[error("a skill has at most {SKILL} characters, this one has {0}")]
    TooLong(usize),
}

impl Skill {
    /// Whether work in `other` is work in `self`: the same path, or one below it.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.strip_prefix(&self.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The room this skill is traded in: its first `depth` segments, all of them if it has fewer. A room has at
    /// least one segment, so depth 0 means 1.
    pub fn room(&self, depth: usize) -> String {
        match self.0.match_indices('/').nth(depth.saturating_sub(1)) {
            Some((end, _)) => self.0[..end].to_owned(),
            None => self.0.clone(),
        }
    }

    /// The skill one level up, if there is one.
    pub fn parent(&self) -> Option<Self> {
        self.0.rsplit_once('/').map(|(parent, _)| Self(parent.to_owned()))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Skill {
    type Error = Invalid;
    fn try_from(text: String) -> Result<Self, Invalid> {
        if text.len() > SKILL {
            return Err(Invalid::TooLong(text.chars().count()));
        }
        if let Some(bad) = text.chars().find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '-' | '/')) {
            return Err(Invalid::Character(bad));
        }
        for (index, segment) in text.split('/').enumerate() {
            match segment.len() {
                _ if index == SKILL_SEGMENTS => return Err(Invalid::TooDeep),
                0 => return Err(Invalid::EmptySegment),
                1..=SKILL_SEGMENT => {}
                long => return Err(Invalid::SegmentTooLong(long)),
            }
        }
        Ok(Self(text))
    }
}

impl FromStr for Skill {
    type Err = Invalid;
    fn from_str(text: &str) -> Result<Self, Invalid> {
        Self::try_from(text.to_owned())
    }
}
impl From<Skill> for String {
    fn from(skill: Skill) -> Self {
        skill.0
    }
}
impl fmt::Display for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl fmt::Debug for Skill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skill:{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn skill(text: &str) -> Skill {
        text.parse().unwrap()
    }

    #[test]
    fn only_plain_bounded_paths_are_skills() {
        for good in ["a", "document/verify/passport", "0-9/-", "a/b/c/d/e/f", &"x".repeat(32)] {
            assert_eq!(skill(good).to_string(), good);
        }
        for (bad, why) in [
            ("", Invalid::EmptySegment),
            ("/a", Invalid::EmptySegment),
            ("a/", Invalid::EmptySegment),
            ("a//b", Invalid::EmptySegment),
            ("a b", Invalid::Character(' ')),
            ("Table", Invalid::Character('T')),
            ("café", Invalid::Character('é')),
            ("a\0", Invalid::Character('\0')),
            ("a/b/c/d/e/f/g", Invalid::TooDeep),
            (&"x".repeat(33), Invalid::SegmentTooLong(33)),
            (&["x".repeat(32), "y".repeat(32), "z".repeat(31)].join("/"), Invalid::TooLong(97)),
        ] {
            assert_eq!(bad.parse::<Skill>(), Err(why), "{bad:?}");
        }
        assert!(Invalid::Character('T').to_string().contains("use a-z, 0-9 and '-'"));
    }

    #[test]
    fn a_prefix_covers_itself_and_everything_below_it_but_no_longer_word() {
        let table = skill("table");
        assert!(table.covers(&table));
        assert!(table.covers(&skill("table/summarise")));
        assert!(!table.covers(&skill("tables/summarise")));
        assert!(!skill("table/summarise").covers(&table));
    }

    #[test]
    fn a_room_is_the_first_segments_and_a_parent_one_less() {
        let passport = skill("document/verify/passport");
        let rooms: Vec<_> = (0..5).map(|depth| passport.room(depth)).collect();
        assert_eq!(
            rooms,
            ["document", "document", "document/verify", "document/verify/passport", "document/verify/passport"]
        );
        assert_eq!(passport.parent(), Some(skill("document/verify")));
        assert_eq!(skill("document").parent(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_kept_as_it_is(text in "\\PC{0,100}|[a-c/-]{0,20}") {
            if let Ok(skill) = text.parse::<Skill>() {
                prop_assert_eq!(skill.as_str(), &text);
                let mut bytes = Vec::new();
                ciborium::into_writer(&skill, &mut bytes).unwrap();
                prop_assert_eq!(ciborium::from_reader::<Skill, _>(&bytes[..]).unwrap(), skill);
            }
        }
    }

    #[test]
    fn the_wire_is_as_strict_as_the_parser() {
        let mut bytes = Vec::new();
        ciborium::into_writer("Not/A skill", &mut bytes).unwrap();
        assert!(ciborium::from_reader::<Skill, _>(&bytes[..]).is_err());
    }
}
