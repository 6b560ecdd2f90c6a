//! What the node keeps: `journal` its own facts, `ratings` the evidence, `blobs` the inputs and results of tasks.
//! The first two stand behind `traits`, so that tests and simulations run on `memory`.

pub mod blobs;
pub mod disk;
pub mod journal;
pub mod memory;
pub mod ratings;
pub mod traits;
