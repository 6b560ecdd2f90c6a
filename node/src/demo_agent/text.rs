//! `text/statistics`: counts of a text. `text/statistics/markdown`: of one that is Markdown.
//!
//! Input `document`. Parameter `markdown` (bool): look for headings; by default when the media type is `text/markdown`, or
//! the skill says so.
//! Counts are of the source as it stands, markup included. What is counted, precisely:
//!
//! - *character*: a Unicode scalar value. *Line*: what a newline ends, and the rest after the last newline if any.
//! - *word*: a run of alphanumeric characters (Unicode's sense); an apostrophe (' or ’) between two of them belongs to it:
//!   `don't` is one word, `well-known` two. Words are compared in lower case, with ' for ’.
//! - *paragraph*: lines with something on them, up to a blank line.
//! - *sentence*: inside a paragraph, up to a piece ending in `.` `!` `?` or `…` (closing quotes and brackets may follow),
//!   or to the paragraph's end; it holds a word. A full stop ends nothing after a single letter, after one of
//!   `ABBREVIATIONS`, after a number that is all there is so far (a list marker), or before a word that begins in lower
//!   case.
//!
//! `confidence`: the share of characters that are text: neither control characters nor bytes that are not UTF-8.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::limits;
use super::markdown::{self, Block};
use super::request::{AgentError, Job, decimals, share};

const ABBREVIATIONS: [&str; 10] = ["mr", "mrs", "ms", "dr", "st", "prof", "vs", "cf", "e.g", "i.e"];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    markdown: Option<bool>,
}

#[derive(Serialize)]
pub(super) struct Statistics {
    sha256: String,
    bytes: usize,
    characters: usize,
    lines: usize,
    words: usize,
    distinct_words: usize,
    sentences: usize,
    paragraphs: usize,
    /// In characters; the first in the alphabet of those with the most.
    longest_word: String,
    /// In characters, to four decimals.
    mean_word_length: f64,
    top_words: Vec<Frequency>,
    headings: Vec<Heading>,
    confidence: f64,
}

#[derive(Serialize)]
struct Frequency {
    word: String,
    count: usize,
}

#[derive(Serialize)]
struct Heading {
    level: u8,
    text: String,
    line: usize,
}

pub(super) fn statistics(job: &Job<'_>, markdown: bool) -> Result<Statistics, AgentError> {
    let params: Params = job.params()?;
    let document = job.input("document")?;
    let text = String::from_utf8_lossy(&document.bytes);
    let paragraphs = paragraphs(&text);
    let markdown = params.markdown.unwrap_or(markdown || document.media.as_deref() == Some("text/markdown"));

    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for word in words(&text) {
        *counts.entry(word.to_lowercase().replace('’', "'")).or_default() += 1;
    }
    let total: usize = counts.values().sum();
    let letters: usize = counts.iter().map(|(word, count)| word.chars().count() * count).sum();
    let longest = counts.keys().min_by_key(|word| Reverse(word.chars().count()));
    let mut top: Vec<_> = counts.iter().map(|(word, &count)| Frequency { word: word.clone(), count }).collect();
    // The sort is stable and the map ordered, so ties stay in alphabetical order.
    top.sort_by_key(|entry| Reverse(entry.count));
    top.truncate(limits::TOP_WORDS);

    let characters = text.chars().count();
    let is_text = |c: char| !(c == char::REPLACEMENT_CHARACTER || c.is_control() && !c.is_whitespace());
    Ok(Statistics {
        sha256: document.sha256(),
        bytes: document.bytes.len(),
        characters,
        lines: text.lines().count(),
        words: total,
        distinct_words: counts.len(),
        sentences: paragraphs.iter().map(|paragraph| sentences(paragraph)).sum(),
        paragraphs: paragraphs.len(),
        longest_word: longest.cloned().unwrap_or_default(),
        mean_word_length: if total == 0 { 0.0 } else { decimals(letters as f64 / total as f64, 4) },
        top_words: top,
        headings: if markdown { headings(&text) } else { Vec::new() },
        confidence: share(text.chars().filter(|&c| is_text(c)).count(), characters),
    })
}

fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut start = None;
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let joins =
            start.is_some() && matches!(c, '\'' | '’') && chars.peek().is_some_and(|(_, next)| next.is_alphanumeric());
        if c.is_alphanumeric() || joins {
            start.get_or_insert(at);
        } else if let Some(from) = start.take() {
            words.push(&text[from..at]);
        }
    }
    words.extend(start.map(|from| &text[from..]));
    words
}

fn paragraphs(text: &str) -> Vec<String> {
    let mut paragraphs = Vec::new();
    let mut open = String::new();
    for line in text.lines().chain([""]) {
        if !line.trim().is_empty() {
            open.push_str(line);
            open.push('\n');
        } else if !open.is_empty() {
            paragraphs.push(std::mem::take(&mut open));
        }
    }
    paragraphs
}

fn sentences(paragraph: &str) -> usize {
    let has_word = |piece: &str| piece.chars().any(char::is_alphanumeric);
    let mut ended = 0;
    // The pieces with words in them since the last end.
    let mut pieces = 0;
    let mut rest = paragraph.split_whitespace().peekable();
    while let Some(piece) = rest.next() {
        pieces += usize::from(has_word(piece));
        let lower_follows =
            rest.peek().and_then(|next| next.chars().find(|c| c.is_alphanumeric())).is_some_and(char::is_lowercase);
        let last = rest.peek().is_none();
        if pieces > 0 && (last || ends(piece, pieces, lower_follows)) {
            ended += 1;
            pieces = 0;
        }
    }
    ended
}

/// Whether `piece`, the `pieces`-th with a word in its sentence, ends that sentence.
fn ends(piece: &str, pieces: usize, lower_follows: bool) -> bool {
    let closed = piece.trim_end_matches(['"', '\'', '”', '’', ')', ']', '}', '*', '_']);
    if closed.ends_with(['!', '?', '…']) {
        return !lower_follows;
    }
    let Some(stem) = closed.strip_suffix('.') else { return false };
    let stem = stem.trim_start_matches(|c: char| !c.is_alphanumeric());
    let initial = stem.chars().count() == 1 && stem.chars().all(char::is_alphabetic);
    let marker = pieces == 1 && !stem.is_empty() && stem.chars().all(|c| c.is_ascii_digit());
    !(lower_follows || initial || marker || ABBREVIATIONS.contains(&stem.to_lowercase().as_str()))
}

fn headings(text: &str) -> Vec<Heading> {
    let heading = |block| match block {
        Block::Heading { level, text, line } => Some(Heading { level, text, line }),
        Block::Paragraph(_) | Block::Item(_) => None,
    };
    markdown::blocks(text).into_iter().filter_map(heading).collect()
}
