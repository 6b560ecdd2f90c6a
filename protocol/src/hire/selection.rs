//! Which claim is awarded: small policies in the order the task names them. The order of arrival never matters.

use std::cmp::Ordering;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::market::Claim;
use crate::record::Verified;

/// One way to tell two claims apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Prefer {
    /// The lower price.
    Price,
    /// The shorter expected time.
    Time,
    /// The higher lower end of the reputation interval, in steps of a twentieth so that a trifle does not outweigh the
    /// policies after it.
    ReputationLow,
}

/// A word that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no way to choose; use \"price\", \"time\" or \"reputation.low\"")]
pub struct UnknownPrefer(String);

impl FromStr for Prefer {
    type Err = UnknownPrefer;
    fn from_str(text: &str) -> Result<Self, UnknownPrefer> {
        match text {
            "price" => Ok(Self::Price),
            "time" => Ok(Self::Time),
            "reputation.low" => Ok(Self::ReputationLow),
            other => Err(UnknownPrefer(other.chars().take(40).collect())),
        }
    }
}
impl TryFrom<String> for Prefer {
    type Error = UnknownPrefer;
    fn try_from(text: String) -> Result<Self, UnknownPrefer> {
        text.parse()
    }
}
impl From<Prefer> for String {
    fn from(prefer: Prefer) -> Self {
        match prefer {
            Prefer::Price => "price",
            Prefer::Time => "time",
            Prefer::ReputationLow => "reputation.low",
        }
        .to_owned()
    }
}

/// A claim and what the policies look at.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The claim.
    pub claim: &'a Verified<Claim>,
    /// Lower end of the claimant's reputation at the task's skill, 0 to 1.
    pub low: f64,
}

/// Compares two candidates: `Less` is the better one. Total, by the claim's id at last.
pub fn compare(a: &Candidate<'_>, b: &Candidate<'_>, prefer: &[Prefer]) -> Ordering {
    let step = |low: f64| (low * 20.0).floor() as i64;
    let by = |policy: &Prefer| match policy {
        // Prices of another unit or currency were not admitted as candidates.
        Prefer::Price => a.claim.price.amount().micros().cmp(&b.claim.price.amount().micros()),
        Prefer::Time => a.claim.expect.cmp(&b.claim.expect),
        Prefer::ReputationLow => step(b.low).cmp(&step(a.low)),
    };
    prefer
        .iter()
        .map(by)
        .find(|order| order.is_ne())
        .unwrap_or(Ordering::Equal)
        .then_with(|| a.claim.id().cmp(&b.claim.id()))
}

/// Why this candidate was chosen, in words.
pub fn reason(chosen: &Candidate<'_>, among: usize, prefer: &[Prefer]) -> String {
    let names: Vec<String> = prefer.iter().map(|policy| String::from(*policy)).collect();
    format!(
        "best of {among} by {}: price {}, expected time {}, reputation.low {:.2}",
        if names.is_empty() { "claim id".to_owned() } else { names.join(", then ") },
        chosen.claim.price,
        chosen.claim.expect,
        chosen.low,
    )
}
