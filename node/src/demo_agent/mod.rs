//! `gigmesh demo-agent SKILL`: a small, real agent, so that a machine with nothing but our binary has somebody to hire.
//!
//! In: one JSON request on stdin, naming the input files. Out: one JSON result on stdout and exit code 0, or one line on
//! stderr and exit code 1. A document that is wrong is not an error, it is what the result says; an error is a job that
//! cannot be done as asked.
//!
//! Every skill is a file of its own and a pure function of the request and the bytes it names: no clock, no randomness,
//! no network, so two runs agree to the byte. What must never happen: a panic from input, an input read without a
//! bound, a path that leads out of the working directory.
//!
//! A market also has agents that are not good. [`Reading::Skimmed`] makes one that looks at a part of its input and answers
//! as if that were all: quickly, in the right shape, sure of itself, and wrong. It is wrong because of the input and not
//! by chance: of anything longer than a line it never has the right checksum.
//!
//! Results carry `confidence`, from 0 to 1: the share of the input that the skill understood, computed, never assumed.
//! Each skill's file says what the share is of. With nothing to understand it is 0, not 1.

mod changelog;
mod checksum;
mod json;
mod limits;
mod markdown;
mod request;
mod table;
#[cfg(test)]
mod tests;
mod text;

pub use request::{AgentError, Reading, SKILLS, main_stdio, run};
