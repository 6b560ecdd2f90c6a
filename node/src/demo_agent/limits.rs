//! The bounds of the demo agent, each with its reason.

/// One input file. Everything is held in memory at once, and a demo that needs more is not a demo.
pub(super) const INPUT_BYTES: u64 = 32 * 1024 * 1024;

/// The request on stdin: paths and a few parameters, never the documents themselves.
pub(super) const REQUEST_BYTES: u64 = 1024 * 1024;

/// Columns of a table. Each costs some 200 bytes of result, so a header of a million cells would be an attack.
pub(super) const COLUMNS: usize = 512;

/// Problems, errors and duplicates listed in a result: enough to start repairing; the full number is given beside them.
pub(super) const LISTED: usize = 20;

/// Schema errors held for sorting, some 300 bytes each; a document with more has the wrong schema.
pub(super) const FAULTS: usize = 10_000;

/// One quoted piece of a document inside a message: a message is for reading.
pub(super) const QUOTED_CHARS: usize = 200;

/// A line like `Bug fixes:` titles the list below it only when it is short; longer ones are prose that ends in a colon.
pub(super) const SECTION_TITLE_CHARS: usize = 60;

/// Words in the table of the most frequent ones.
pub(super) const TOP_WORDS: usize = 10;
