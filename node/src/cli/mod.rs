//! The command line. In: arguments, the environment, a node behind its socket. Out: answers on stdout, for people or with
//! `--json` for programs; everything else on stderr; an exit code of `failure::Exit`.
//!
//! Two stages: `args` says what can be written, the files beside it what it means. Everything that other agents wrote is
//! quoted and escaped before a person sees it (`terminal`).

mod args;
mod bulk;
mod check;
pub mod demo;
mod explain;
mod export;
mod failure;
mod find;
mod hire;
mod hires;
mod id;
mod inbox;
mod ledger;
mod mcp;
mod offer;
mod reputation;
mod run;
mod show;
mod store;
mod terminal;
mod trial;
mod trust;
mod up;
mod verify;
mod watch;
mod work;

pub use run::main;
