//! What the gigmesh market *is*.
//!
//! This crate decides everything about the market and does nothing: no IO, no clock, no randomness, no threads, no async
//! of its own. Time, random bytes and events come in as arguments; what should be done goes out as values. The node and
//! the simulator run the very same code.
//!
//! Reading order: [`record`] (how bytes become something that may be believed), [`market`] (the nouns), [`hire`] (the
//! life of a hire), [`peer`] (the brain that composes them all). The wire format is specified in `protocol/README.md`.
#![deny(missing_docs)]

pub mod arbitration;
pub mod codec;
pub mod directory;
pub mod gossip;
pub mod hire;
pub mod id;
pub mod ledger;
pub mod limits;
pub mod market;
pub mod merkle;
pub mod peer;
pub mod record;
pub mod reputation;
pub mod time;
pub mod transcript;
pub mod untrusted;
pub mod wire;
