//! Running the operator's agent: `job` says what and what came of it, `command` runs it as a process, `dialogue` is
//! what it says and is told meanwhile, `leftovers` ends what a killed node left running, `quote` makes an agent's output
//! fit for a log.

pub mod command;
pub mod dialogue;
pub mod job;
pub mod leftovers;
pub(crate) mod quote;
