//! A part of a task that is delivered, judged and owed for by itself, before the last.

use serde::{Deserialize, Serialize};

use crate::codec::{List, Text};
use crate::limits;
use crate::market::checks::Checks;
use crate::market::price::Price;
use crate::record::{Invalid, ensure};

/// One of the parts before the last; the last is what the offer's own checks are of, and costs what is left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Milestone {
    /// What of the price is owed once it is accepted, in per mille.
    pub share: u16,
    /// What it is, for people and for the agent.
    pub title: Text<{ limits::NAME }>,
    /// Public checks of what is delivered for it.
    #[serde(default, skip_serializing_if = "crate::market::is_default")]
    pub checks: Checks,
}

/// The parts of a task before the last, in the order in which they are delivered.
pub type Milestones = List<Milestone, { limits::MILESTONES }>;

/// Whether the shares leave something for the last part.
pub(crate) fn check(milestones: &Milestones) -> Result<(), Invalid> {
    let sum: u32 = milestones.iter().map(|milestone| u32::from(milestone.share)).sum();
    ensure(milestones.iter().all(|milestone| milestone.share > 0), "a milestone without a share of the price")?;
    ensure(sum < 1000, "the milestones' shares leave nothing for the last part")
}

/// What is owed of `price` once `done` parts are accepted, in millionths: the shares of the milestones, rounded down, and
/// the whole price with the last part.
pub fn owed(price: &Price, milestones: &Milestones, done: usize) -> u64 {
    let micros = price.amount().micros();
    if done > milestones.len() {
        return micros;
    }
    let share: u64 = milestones.iter().take(done).map(|milestone| u64::from(milestone.share)).sum();
    // An amount is at most 10^15 millionths, so this stays within 64 bits.
    micros.saturating_mul(share) / 1000
}
