//! The experiments, a file each. In come ratings and a seed, out comes a report; no file is read and nothing printed here.

pub mod attack;
pub mod bounds;
pub mod brains;
pub mod correctness;
pub mod fraud;
pub mod interval;
pub mod loo;
pub mod market;
pub mod predict;

use std::ops::Range;

/// Which ratings are predicted. Everything before them is learned either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Half {
    /// The first half but its first tenth of all: where constants are chosen.
    First,
    /// The second half: looked at when they are.
    Second,
    /// All but the first tenth.
    All,
}

impl Half {
    /// Of so many ratings in order of time.
    pub fn of(self, ratings: usize) -> Range<usize> {
        let (warm, half) = (ratings / 10, ratings / 2);
        match self {
            Self::First => warm..half,
            Self::Second => half..ratings,
            Self::All => warm..ratings,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::First => "first",
            Self::Second => "second",
            Self::All => "all",
        }
    }
}
