//! Patterns of ECMA 262, translated to an engine that runs in linear time, and how many steps a byte may cost them.

use regex_syntax::hir::{Hir, HirKind};

use crate::limits::{PATTERN, PATTERN_ESCAPES};

/// A pattern in the engine's dialect.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    pub(super) regex: String,
    pub(super) places: u64,
}

impl Pattern {
    /// None if it is no such pattern, or too long a one to be translated.
    pub(super) fn parse(source: &str) -> Option<Self> {
        let rewritten = |pair: &&[u8]| pair[0] == b'\\' && b"dDsSwWc".contains(&pair[1]);
        let escapes = source.as_bytes().windows(2).filter(rewritten).count();
        if source.len() > PATTERN || escapes > PATTERN_ESCAPES {
            return None;
        }
        let regex = jsonschema_regex::to_rust_regex(source).ok()?.into_owned();
        let places = places(&regex_syntax::parse(&regex).ok()?);
        Some(Self { regex, places })
    }
}

/// How many places of a pattern can be matching at once, with its repetitions written out.
fn places(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) | HirKind::Class(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Capture(capture) => places(&capture.sub),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            places(&repetition.sub).saturating_mul(times.into())
        }
        HirKind::Concat(parts) | HirKind::Alternation(parts) => parts.iter().map(places).fold(1, u64::saturating_add),
    }
}
