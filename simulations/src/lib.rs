//! The researchers' door: the market's own models on real data and under attack, beside what was published before them.
//!
//! [`data`] reads who rated whom; [`models`] are what turns ratings into scores, ours and the baselines, behind one trait;
//! [`metrics`] says how well; [`reputation`] puts them together, a command each; [`report`] prints the tables and [`chart`] draws them. Everything
//! is a function of its arguments and a seed: a command run twice prints the same.

pub mod chart;
pub mod cli;
pub mod data;
pub mod dice;
pub mod limits;
pub mod metrics;
pub mod models;
pub mod progress;
pub mod report;
pub mod reputation;
pub mod threads;
pub mod world;
