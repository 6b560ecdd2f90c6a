//! Strict CBOR: one value, one byte string.
//!
//! In: bytes from outside and the longest length they may have. Out: a value, or the reason why not. The form is
//! RFC 8949 section 4.2.1 (core deterministic encoding) without tags, floats and null. `ciborium` alone accepts trailing
//! bytes, long integers, unsorted and duplicate keys; so what was decoded is encoded again and must come out the same.
//! Never hash or verify a re-encoding: it only serves this comparison.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;
use std::ops::Deref;

use data_encoding::{HEXLOWER, HEXLOWER_PERMISSIVE};
use serde::de::{self, DeserializeOwned, Deserializer, SeqAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};
use serde_bytes::ByteBuf;

use crate::limits;

/// Why bytes are not one strictly encoded value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than its kind may be.
    #[error("{len} bytes, at most {max} are allowed")]
    TooLong {
        /// The length that came.
        len: usize,
        /// The bound.
        max: usize,
    },
    /// Not CBOR, not of the right shape, or over a bound inside.
    #[error("malformed: {0}")]
    Malformed(String),
    /// A second form of the same value.
    #[error("not in deterministic encoding (RFC 8949 section 4.2.1)")]
    NotCanonical,
}

/// The one encoding of `value`.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    ciborium::into_writer(value, &mut bytes)
        .expect("writing to memory cannot fail and our types have no failing serializers");
    bytes
}

/// Reads one value that fills `bytes` exactly and is encoded as [`encode`] would.
///
/// Memory use is bounded by `max`: lists and strings grow with the bytes that are really there.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    let value: T = decode_loose(bytes, max)?;
    let mut rest = Expected(bytes);
    match ciborium::into_writer(&value, &mut rest) {
        Ok(()) if rest.0.is_empty() => Ok(value),
        _ => Err(DecodeError::NotCanonical),
    }
}

/// What is still to be written. Takes that and nothing else, so that an encoding is compared without being kept.
struct Expected<'a>(&'a [u8]);

impl std::io::Write for Expected<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 = self.0.strip_prefix(bytes).ok_or(std::io::ErrorKind::InvalidData)?;
        Ok(bytes.len())
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// [`decode`] without the canonical check: for bytes that this peer wrote itself (its journal).
pub fn decode_loose<T: DeserializeOwned>(bytes: &[u8], max: usize) -> Result<T, DecodeError> {
    if bytes.len() > max {
        return Err(DecodeError::TooLong { len: bytes.len(), max });
    }
    ciborium::de::from_reader_with_recursion_limit(bytes, limits::DEPTH)
        .map_err(|e| DecodeError::Malformed(describe(&e)))
}

fn describe(error: &ciborium::de::Error<std::io::Error>) -> String {
    use ciborium::de::Error;
    match error {
        Error::Io(_) => "the bytes end early".to_owned(),
        Error::Syntax(at) => format!("bad CBOR at byte {at}"),
        Error::Semantic(_, why) => why.chars().filter(|c| !c.is_control()).take(200).collect(),
        Error::RecursionLimitExceeded => "nested too deeply".to_owned(),
    }
}

/// A string of at most `MAX` bytes without control characters other than newline and tab: it may be printed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Text<const MAX: usize>(String);

/// A text that may not be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Too long.
    #[error("{0} bytes long, at most {1} are allowed")]
    TooLong(usize, usize),
    /// Something that a terminal would act upon.
    #[error("control characters are not allowed")]
    Control,
}

impl<const MAX: usize> Text<MAX> {
    /// The text, cut at a character boundary and freed of control characters so that it fits.
    pub fn fit(text: &str) -> Self {
        let mut fitted: String = text.chars().map(|c| if forbidden(c) { ' ' } else { c }).collect();
        if fitted.len() > MAX {
            let end = (0..=MAX).rev().find(|end| fitted.is_char_boundary(*end)).unwrap_or(0);
            fitted.truncate(end);
        }
        Self(fitted)
    }
}

// Bidirectional overrides are not control characters to Unicode, but they let a text look like another.
fn forbidden(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t') || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl<const MAX: usize> TryFrom<String> for Text<MAX> {
    type Error = TextError;
    fn try_from(text: String) -> Result<Self, TextError> {
        if text.len() > MAX {
            return Err(TextError::TooLong(text.len(), MAX));
        }
        if text.chars().any(forbidden) {
            return Err(TextError::Control);
        }
        Ok(Self(text))
    }
}
impl<const MAX: usize> TryFrom<&str> for Text<MAX> {
    type Error = TextError;
    fn try_from(text: &str) -> Result<Self, TextError> {
        text.to_owned().try_into()
    }
}
impl<const MAX: usize> From<Text<MAX>> for String {
    fn from(text: Text<MAX>) -> Self {
        text.0
    }
}
impl<const MAX: usize> Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}
impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// More items than a list may have: how many, and the maximum.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} items, at most {1} are allowed")]
pub struct TooMany(usize, usize);

/// A list of at most `MAX` items: decoding stops at the first one too many.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// The first `MAX` of `items`.
    pub fn fit(items: impl IntoIterator<Item = T>) -> Self {
        Self(items.into_iter().take(MAX).collect())
    }
    /// Whether the list is empty: such a field is left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        Self(Vec::new())
    }
}
impl<T, const MAX: usize> Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}
impl<T, const MAX: usize> TryFrom<Vec<T>> for List<T, MAX> {
    type Error = TooMany;
    fn try_from(items: Vec<T>) -> Result<Self, TooMany> {
        if items.len() > MAX { Err(TooMany(items.len(), MAX)) } else { Ok(Self(items)) }
    }
}
impl<T, const MAX: usize> IntoIterator for List<T, MAX> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounded<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Bounded<T, MAX> {
            type Value = Vec<T>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX} items")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vec<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() == MAX {
                        return Err(de::Error::invalid_length(MAX + 1, &self));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(Bounded::<T, MAX>(PhantomData)).map(Self)
    }
}

/// A byte string of at most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Bytes<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> TryFrom<Vec<u8>> for Bytes<MAX> {
    type Error = TextError;
    fn try_from(bytes: Vec<u8>) -> Result<Self, TextError> {
        if bytes.len() > MAX { Err(TextError::TooLong(bytes.len(), MAX)) } else { Ok(Self(bytes)) }
    }
}
impl<const MAX: usize> Deref for Bytes<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}
impl<const MAX: usize> fmt::Debug for Bytes<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
impl<const MAX: usize> Serialize for Bytes<MAX> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // In JSON as ids are: hexadecimal.
        if serializer.is_human_readable() {
            serializer.collect_str(&HEXLOWER.encode_display(&self.0))
        } else {
            serializer.serialize_bytes(&self.0)
        }
    }
}
impl<'de, const MAX: usize> Deserialize<'de> for Bytes<MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = if deserializer.is_human_readable() {
            HEXLOWER_PERMISSIVE
                .decode(String::deserialize(deserializer)?.as_bytes())
                .map_err(|_| de::Error::custom("expected hexadecimal digits"))?
        } else {
            ByteBuf::deserialize(deserializer)?.into_vec()
        };
        Self::try_from(bytes).map_err(de::Error::custom)
    }
}

/// What later releases may add to a payload: number to bytes, carried and ignored by those that do not know it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Ext(BTreeMap<u64, Bytes<{ limits::EXT_VALUE }>>);

impl Ext {
    /// One entry.
    pub(crate) fn one(key: u64, value: &[u8]) -> Option<Self> {
        Some(Self(BTreeMap::from([(key, Bytes::try_from(value.to_vec()).ok()?)])))
    }

    /// Whether there is none: the field is then left out.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
impl<'de> Deserialize<'de> for Ext {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = BTreeMap::deserialize(deserializer)?;
        if map.len() > limits::EXT_ENTRIES {
            return Err(de::Error::custom("the extension map is too large"));
        }
        Ok(Self(map))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        at: u64,
        #[serde(default, skip_serializing_if = "Ext::is_empty")]
        ext: Ext,
        name: Text<8>,
        list: List<u8, 3>,
    }

    fn refuses(bytes: &[u8]) {
        assert!(decode::<Sample>(bytes, 64).is_err(), "{bytes:02x?}");
    }

    #[test]
    fn a_bound_names_what_it_counts() {
        let items = List::<u64, 2>::try_from(vec![1, 2, 3]).unwrap_err();
        assert_eq!(items.to_string(), "3 items, at most 2 are allowed");
        let text = Text::<2>::try_from("abc").unwrap_err();
        assert_eq!(text.to_string(), "3 bytes long, at most 2 are allowed");
    }

    #[test]
    fn only_the_one_encoding_is_read() {
        let sample = Sample { at: 5, ext: Ext::default(), name: "ab".try_into().unwrap(), list: List::fit([1]) };
        let good = encode(&sample);
        assert_eq!(decode::<Sample>(&good, 64), Ok(sample));
        assert_eq!(decode::<Sample>(&good, 5), Err(DecodeError::TooLong { len: good.len(), max: 5 }));
        refuses(&[&good[..], &[0]].concat()); // something after it
        let at = good.windows(3).position(|w| w == b"at\x05").unwrap() + 2;
        refuses(&[&good[..at], &[0x18, 5], &good[at + 1..]].concat()); // a longer integer than needed
        refuses(&[&good[..at], &[0xf9, 0x45, 0x00], &good[at + 1..]].concat()); // a float
        refuses(&[&good[..at], &[0xc1, 5], &good[at + 1..]].concat()); // a tag
        refuses(&[&[0xbf], &good[1..], &[0xff]].concat()); // indefinite length
        refuses(&good[..good.len() - 1]);
        refuses(&[]);
    }

    #[test]
    fn lists_and_texts_stop_at_their_bound() {
        assert!(decode::<List<u8, 3>>(&encode(&[1u8, 2, 3]), 9).is_ok());
        assert!(decode::<List<u8, 3>>(&encode(&[1u8, 2, 3, 4]), 9).is_err());
        // An array that claims 2^64 - 1 items and has none costs nothing.
        assert!(decode::<List<u8, 3>>(&[0x9b, 255, 255, 255, 255, 255, 255, 255, 255], 9).is_err());
        assert!(Text::<3>::try_from("abcd").is_err());
        assert!(Text::<9>::try_from("a\u{1b}[2J").is_err());
        assert_eq!(&*Text::<4>::fit("aé\u{7}éé"), "aé ");
    }

    #[test]
    fn bytes_are_hexadecimal_in_json() {
        let bytes = Bytes::<2>::try_from(vec![0, 0xfe]).unwrap();
        assert_eq!(serde_json::to_string(&bytes).unwrap(), r#""00fe""#);
        assert_eq!(serde_json::from_str::<Bytes<2>>(r#""00fe""#).unwrap(), bytes);
        assert_eq!(serde_json::from_str::<Bytes<2>>(r#""00FE""#).unwrap(), bytes);
        for bad in [r#""00f""#, r#""zz""#, r#""000000""#, "[0]"] {
            assert!(serde_json::from_str::<Bytes<2>>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        let mut deep = vec![0x81; 40];
        deep.push(0);
        assert!(matches!(decode_loose::<ciborium::Value>(&deep, 64), Err(DecodeError::Malformed(_))));
    }
}
