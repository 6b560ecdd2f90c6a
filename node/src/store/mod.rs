//! What the node keeps: `journal` its own facts, `ratings` the evidence, `blobs` the inputs and results of tasks.
//! `offline` looks after them while no node runs, `bundle` is the file they are moved in.
//! The first two stand behind `traits`, so that a trial (`gigmesh try`) and tests run on `memory`.

pub mod blobs;
pub mod bundle;
pub mod disk;
pub mod journal;
pub mod memory;
pub mod offline;
pub mod ratings;
pub mod traits;
