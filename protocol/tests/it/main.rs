//! The protocol's integration tests, in one binary.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod arbiter;
mod codes;
mod diagram;

mod forge;
mod fuzz_corpus;
mod market;
mod model;
mod once;
mod query;
mod records;
mod reputation;
mod samples;
mod stories;
mod strain;
mod task;
mod transcript;
mod vectors;
