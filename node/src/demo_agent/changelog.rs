//! `changelog/extract`: the releases of a changelog, as data.
//!
//! Input `document`, Markdown. Understood are Keep a Changelog (`## [1.2.0] - 2024-05-01`, `### Added`), release-please
//! (`## [1.2.0](link) (2024-05-01)`, `### Bug Fixes`) and the plain style (an underlined `1.2.0 (2024-05-01)`, then
//! `Bug fixes:` above each list). They need no switch: a release is a heading that begins with a version; a section is a
//! heading below it, or a short line ending in a colon right above a list. Items come without markup, links as what they
//! show; a nested item is an item of its own.
//!
//! `confidence`: the share of the document's list items that were found under a release.

use std::iter::Peekable;

use serde::{Deserialize, Serialize};

use super::limits;
use super::markdown::{Block, blocks};
use super::request::{AgentError, Job, share};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {}

#[derive(Serialize)]
pub(super) struct Changelog {
    sha256: String,
    /// The first version that has been released.
    #[serde(skip_serializing_if = "Option::is_none")]
    latest: Option<String>,
    entries: Vec<Entry>,
    totals: Totals,
    confidence: f64,
}

#[derive(Serialize)]
struct Entry {
    /// As written, without a leading `v`; or `Unreleased`.
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<String>,
    /// Prose that belongs to the release and to no list.
    notes: Vec<String>,
    sections: Vec<Section>,
}

#[derive(Serialize)]
struct Section {
    /// Empty for items that stand under no title.
    title: String,
    items: Vec<String>,
}

#[derive(Serialize)]
struct Totals {
    entries: usize,
    dated: usize,
    sections: usize,
    items: usize,
}

pub(super) fn extract(job: &Job<'_>) -> Result<Changelog, AgentError> {
    let Params {} = job.params()?;
    let document = job.input("document")?;
    let blocks = blocks(&String::from_utf8_lossy(&document.bytes));
    let all_items = blocks.iter().filter(|block| matches!(block, Block::Item(_))).count();
    let entries = entries(blocks.into_iter().peekable());

    let sections = || entries.iter().flat_map(|entry| &entry.sections);
    let items = sections().map(|section| section.items.len()).sum();
    Ok(Changelog {
        sha256: document.sha256(),
        latest: entries.iter().map(|entry| &entry.version).find(|version| *version != UNRELEASED).cloned(),
        totals: Totals {
            entries: entries.len(),
            dated: entries.iter().filter(|entry| entry.date.is_some()).count(),
            sections: sections().count(),
            items,
        },
        confidence: share(items, all_items),
        entries,
    })
}

fn entries(mut blocks: Peekable<impl Iterator<Item = Block>>) -> Vec<Entry> {
    let mut entries: Vec<Entry> = Vec::new();
    // The level of the release we are under; none before the first, and after a heading that is its equal or above.
    let mut under: Option<u8> = None;
    while let Some(block) = blocks.next() {
        if let Block::Heading { level, text, .. } = &block {
            if let Some((version, date)) = release(text) {
                entries.push(Entry { version, date, notes: Vec::new(), sections: Vec::new() });
                under = Some(*level);
                continue;
            }
            under = under.filter(|release| level > release);
        }
        let Some(entry) = entries.last_mut().filter(|_| under.is_some()) else { continue };
        match block {
            Block::Heading { text, .. } => entry.sections.push(Section { title: text, items: Vec::new() }),
            Block::Paragraph(text) => match text.strip_suffix(':') {
                Some(title)
                    if title.chars().count() <= limits::SECTION_TITLE_CHARS
                        && matches!(blocks.peek(), Some(Block::Item(_))) =>
                {
                    entry.sections.push(Section { title: title.to_owned(), items: Vec::new() });
                }
                _ => entry.notes.push(text),
            },
            Block::Item(text) => match entry.sections.last_mut() {
                Some(section) => section.items.push(text),
                None => entry.sections.push(Section { title: String::new(), items: vec![text] }),
            },
        }
    }
    entries
}

const UNRELEASED: &str = "Unreleased";

/// The version and date of a heading that announces a release: a version first, then nothing but a date, or something
/// set off by a bracket or a dash (`[YANKED]`, `- codename`).
fn release(heading: &str) -> Option<(String, Option<String>)> {
    let bare = |piece: &str| piece.trim_matches(['[', ']', '(', ')', ',', ':']).to_owned();
    let mut pieces = heading.split_whitespace();
    let first = bare(pieces.next()?);
    let version = if first.eq_ignore_ascii_case(UNRELEASED) {
        UNRELEASED.to_owned()
    } else {
        let plain = first.strip_prefix(['v', 'V']).unwrap_or(&first);
        is_version(plain).then(|| plain.to_owned())?
    };
    let mut date = None;
    for (position, piece) in pieces.enumerate() {
        if date.is_none() && is_date(&bare(piece)) {
            date = Some(bare(piece));
        } else if position == 0 && !piece.starts_with(['[', '(', '-', '–', '—']) {
            return None;
        }
    }
    Some((version, date))
}

/// Numbers with dots between, then perhaps a pre-release or build after `-` or `+`.
fn is_version(text: &str) -> bool {
    let (numbers, suffix) = text.split_at(text.find(['-', '+']).unwrap_or(text.len()));
    let number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    numbers.contains('.')
        && numbers.split('.').all(number)
        && suffix.chars().all(|c| c.is_ascii_alphanumeric() || "-+.".contains(c))
}

/// `2024-05-01`.
fn is_date(text: &str) -> bool {
    text.len() == 10
        && text
            .bytes()
            .enumerate()
            .all(|(at, byte)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() })
}
