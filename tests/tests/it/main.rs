//! Whole-system tests: a market of real processes on loopback. Each file is a group of stories; the harness is the library.

mod hire;
mod kill;
mod network;
mod refusal;
mod stop;
mod tasks;
