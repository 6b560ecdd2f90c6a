//! Whole-system tests: a market of real processes on loopback. Each file is a group of stories; the harness is the library.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod arbiter;
mod blobs;
mod bulk;
mod conditions;
mod demo;
mod dialogue;
mod hire;
mod hostile;
mod kill;
mod kills;
mod lan;
mod market;
mod mcp;
mod nat;
mod network;
mod order;
mod refusal;
mod relay;
mod reputation;
mod stop;
mod store;
mod tasks;
mod trial;
