//! Which claim is awarded: small policies, composed as the task says. The order of arrival never matters.
//!
//! First call for the proven: with a `bar`, claims below it are considered only if none above it is there. A way in for
//! newcomers: a bounded share of awards goes to the best of them, where that costs no more than the best claim. Within
//! that, claims are told apart by the task's `prefer`, in its order, and at last by their ids.

use std::cmp::Ordering;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::AgentId;
use crate::limits;
use crate::market::constraint::Match;
use crate::market::price::{Amount, Price};
use crate::market::{Claim, Reason};
use crate::record::Verified;
use crate::time::{Millis, Timestamp};

/// One way to tell two claims apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Prefer {
    /// The lower price.
    Price,
    /// The shorter expected time.
    Time,
    /// The more specific skill: who does just this before who does anything of the kind.
    Fit,
    /// The higher lower end of the reputation interval, in steps of a twentieth so that a trifle does not outweigh the
    /// policies after it; in the lowest step, where the unknown are, those known to be bad last.
    ReputationLow,
}

/// A word that is no policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no way to choose; use \"price\", \"time\", \"fit\" or \"reputation.low\"")]
pub struct UnknownPrefer(String);

impl FromStr for Prefer {
    type Err = UnknownPrefer;
    fn from_str(text: &str) -> Result<Self, UnknownPrefer> {
        match text {
            "price" => Ok(Self::Price),
            "time" => Ok(Self::Time),
            "fit" => Ok(Self::Fit),
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
            Prefer::Fit => "fit",
            Prefer::ReputationLow => "reputation.low",
        }
        .to_owned()
    }
}

/// How a task chooses among claims.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Choosing {
    /// How claims are ordered; the first that tells two apart decides.
    pub prefer: Vec<Prefer>,
    /// The lower end of the reputation interval, in per mille, from which on a claimant has first call.
    pub bar: Option<u16>,
    /// The newcomers' lane.
    pub newcomers: Lane,
}

/// The newcomers' lane: how much of the work goes to agents without history.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lane {
    /// At most this share of the requester's awards, in per mille.
    pub share: u16,
    /// Only for work that costs no more.
    pub up_to: Option<Price>,
}

impl Lane {
    /// Whether the next award may go to a newcomer: with a share of a quarter, if none of the last three did. `recent` are
    /// this peer's awards, the newest first, true where one went to a newcomer as such. So a share that was not used is
    /// not made up for by a rush.
    pub fn is_due(&self, recent: impl Iterator<Item = bool>) -> bool {
        let Some(gap) = 1000usize.div_ceil(usize::from(self.share).max(1)).checked_sub(1).filter(|_| self.share > 0)
        else {
            return false;
        };
        let mut last = recent.take(gap);
        (0..gap).all(|_| last.next() == Some(false))
    }
}

/// A claim and what the policies look at.
#[derive(Debug, Clone)]
pub struct Candidate<'a> {
    /// The claim.
    pub claim: &'a Verified<Claim>,
    /// Lower end of the claimant's reputation at the task's skill, in per mille.
    pub low: u16,
    /// Whether most of what is known of it is bad.
    pub bad: bool,
    /// Whether this peer knows too little of it to judge.
    pub newcomer: bool,
    /// Segments of the claimant's skill that covers the task's; 0 if its manifest is not here.
    pub fit: usize,
}

/// A claim as it was looked at when the choice was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Considered {
    /// Who claimed.
    pub agent: AgentId,
    /// At what price.
    pub price: Price,
    /// How long it expected to take.
    pub expect: Millis,
    /// See [`Candidate::low`].
    pub low: u16,
    /// See [`Candidate::newcomer`].
    pub newcomer: bool,
    /// See [`Candidate::fit`].
    pub fit: usize,
    /// What became of it.
    pub outcome: ClaimOutcome,
}

/// What became of a claim that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimOutcome {
    /// It was chosen.
    Chosen,
    /// It was better than the chosen one, and it was a newcomer's turn.
    NewcomersTurn,
    /// The chosen one was better by this.
    Lost(Criterion),
    /// It could not be chosen.
    LeftOut(Unfit),
}

/// What tells two claims apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Criterion {
    /// One of them reaches this bar, in per mille of reputation, and the other does not.
    Bar(u16),
    /// The price.
    Price,
    /// The expected time.
    Time,
    /// How specific the skill is.
    Fit,
    /// Most of what is known of one of them is bad.
    Bad,
    /// The lower end of the reputation interval.
    Reputation,
    /// Nothing that was asked for: the ids.
    Ids,
}

/// Why a claim cannot be chosen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unfit {
    /// It has ended.
    Ended,
    /// It lets its worker begin until `until`, later than the task's `begin` allows.
    BindsTooLong {
        /// Until when it binds.
        until: Timestamp,
        /// How long the task lets a worker take to begin.
        begin: Millis,
    },
    /// The claimant's manifest is not here, and the task has a constraint.
    NoManifest,
    /// The claimant does not meet the task's constraint.
    Constraint(Match),
    /// It costs more than a budget allows.
    Budget(Over),
}

/// Which budget a price is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Over {
    /// What one hire may cost.
    PerHire {
        /// The price.
        price: Price,
        /// The budget.
        most: Amount,
    },
    /// What the hires of a day may cost together.
    PerDay {
        /// The price.
        price: Price,
        /// The budget.
        most: Amount,
        /// How much of it is spent.
        spent: Amount,
    },
    /// There is such a budget in other currencies only.
    Currency {
        /// The price.
        price: Price,
        /// Whether it is the budget of a day, or else of one hire.
        per_day: bool,
    },
}

/// Why a claim was chosen, or how the claims compare so far.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WhyChosen {
    /// There was none to choose.
    #[default]
    NoClaims,
    /// It was the only one that fits.
    Only,
    /// It was a newcomer's turn: new here, and no dearer than the best.
    NewcomersTurn,
    /// It is better than the next.
    Better {
        /// By what.
        by: Criterion,
        /// How many claims fit.
        of: usize,
    },
    /// None fits; the first of them because of this.
    NoneFits(Unfit),
    /// One would be chosen, and the arbiter has not consented.
    AwaitsArbiter,
}

/// Why a claim was chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Why {
    /// In short. Its figures are in the first rows of `considered`.
    pub reason: WhyChosen,
    /// Whether it was given to a newcomer as such.
    pub lane: bool,
    /// How many claims there were, those left out included.
    pub claims: usize,
    /// The claims, the chosen one first, at most `limits::CONSIDERED`.
    pub considered: Vec<Considered>,
}

/// Compares two candidates: `Less` is the better one. Total, by the claim's id at last.
pub fn compare(a: &Candidate<'_>, b: &Candidate<'_>, choosing: &Choosing) -> Ordering {
    let below = |candidate: &Candidate<'_>| choosing.bar.is_some_and(|bar| candidate.low < bar);
    below(a)
        .cmp(&below(b))
        .then_with(|| {
            choosing.prefer.iter().map(|policy| by(*policy, a, b)).find(|o| o.is_ne()).unwrap_or(Ordering::Equal)
        })
        .then_with(|| a.claim.id().cmp(&b.claim.id()))
}

fn unit(price: &Price) -> (Option<String>, String, u32) {
    let currency = price.amount().currency().map(|currency| currency.as_str().to_owned());
    (currency, price.per().name().to_owned(), price.per().count())
}

/// By what a hire costs: prices of different counts do not compare here, see [`Price::within`].
fn by_price(a: &Price, b: &Price) -> Ordering {
    match a.compare(b) {
        Some(order) if a.per() == b.per() || a.is_free() || b.is_free() => order,
        // As only a task without a ceiling can have them. Put apart by what they are in, so that the order stays total.
        _ => unit(a).cmp(&unit(b)),
    }
}

fn by(policy: Prefer, a: &Candidate<'_>, b: &Candidate<'_>) -> Ordering {
    let step = |candidate: &Candidate<'_>| candidate.low / 50;
    match policy {
        Prefer::Price => by_price(&a.claim.price, &b.claim.price),
        Prefer::Time => a.claim.expect.cmp(&b.claim.expect),
        Prefer::Fit => b.fit.cmp(&a.fit),
        Prefer::ReputationLow => step(b).cmp(&step(a)).then_with(|| a.bad.cmp(&b.bad)),
    }
}

/// The claim to award, and why; with `lane`, a newcomer may be preferred.
pub fn choose<'a, 'c>(
    candidates: &'a [Candidate<'c>],
    choosing: &Choosing,
    lane: bool,
) -> Option<(&'a Candidate<'c>, Why)> {
    let mut ranked: Vec<&Candidate<'_>> = candidates.iter().collect();
    ranked.sort_by(|a, b| compare(a, b, choosing));
    let best = *ranked.first()?;
    let cheap = |candidate: &Candidate<'_>| {
        let below = |price: &Price| candidate.claim.price.within(price);
        below(&best.claim.price) && choosing.newcomers.up_to.as_ref().is_none_or(below)
    };
    let newcomer = ranked.iter().position(|candidate| candidate.newcomer && cheap(candidate));
    let by_lane = newcomer.filter(|_| lane && !best.newcomer);
    let chosen = ranked.remove(by_lane.unwrap_or(0));
    let reason = match (by_lane, ranked.first()) {
        (Some(_), Some(_)) => WhyChosen::NewcomersTurn,
        (_, None) => WhyChosen::Only,
        (_, Some(next)) => WhyChosen::Better { by: told_apart(chosen, next, choosing), of: candidates.len() },
    };
    let lost = |candidate: &&Candidate<'_>| match by_lane {
        Some(_) if compare(candidate, chosen, choosing).is_lt() => ClaimOutcome::NewcomersTurn,
        _ => ClaimOutcome::Lost(told_apart(chosen, candidate, choosing)),
    };
    let others = ranked.iter().map(|candidate| candidate.considered(lost(candidate)));
    let all = std::iter::once(chosen.considered(ClaimOutcome::Chosen)).chain(others);
    let why = Why {
        reason,
        lane: by_lane.is_some(),
        claims: candidates.len(),
        considered: all.take(limits::CLAIMS_PER_OFFER).collect(),
    };
    Some((chosen, why))
}

impl Candidate<'_> {
    /// The row of this candidate in a comparison.
    pub fn considered(&self, outcome: ClaimOutcome) -> Considered {
        Considered {
            agent: self.claim.issuer(),
            price: self.claim.price.clone(),
            expect: self.claim.expect,
            low: self.low,
            newcomer: self.newcomer,
            fit: self.fit,
            outcome,
        }
    }
}

/// What told `chosen` from `other`.
fn told_apart(chosen: &Candidate<'_>, other: &Candidate<'_>, choosing: &Choosing) -> Criterion {
    if let Some(bar) = choosing.bar
        && (chosen.low < bar) != (other.low < bar)
    {
        return Criterion::Bar(bar);
    }
    match choosing.prefer.iter().find(|policy| by(**policy, chosen, other).is_ne()) {
        Some(Prefer::Price) => Criterion::Price,
        Some(Prefer::Time) => Criterion::Time,
        Some(Prefer::Fit) => Criterion::Fit,
        Some(Prefer::ReputationLow) if chosen.bad != other.bad && chosen.low / 50 == other.low / 50 => Criterion::Bad,
        Some(Prefer::ReputationLow) => Criterion::Reputation,
        None => Criterion::Ids,
    }
}

impl Why {
    /// The reason sent to each claimant that was not chosen. It says of a budget only that there is one.
    pub fn told(&self) -> impl Iterator<Item = (AgentId, Reason)> {
        let chosen = self.considered.first();
        self.considered.iter().filter_map(move |one| Some((one.agent, one.outcome.told(chosen?)?)))
    }
}

impl ClaimOutcome {
    fn told(&self, chosen: &Considered) -> Option<Reason> {
        Some(match self {
            Self::Chosen => return None,
            Self::NewcomersTurn => Reason::NewcomersTurn,
            Self::Lost(Criterion::Bar(bar)) => Reason::BelowBar(*bar),
            Self::Lost(Criterion::Price) => Reason::Outbid(chosen.price.clone()),
            Self::Lost(Criterion::Time) => Reason::Slower(chosen.expect),
            Self::Lost(Criterion::Fit) => Reason::LessSpecific,
            Self::Lost(Criterion::Bad) => Reason::KnownBad,
            Self::Lost(Criterion::Reputation) => Reason::LessReputed,
            Self::Lost(Criterion::Ids) => Reason::ByIds,
            Self::LeftOut(unfit) => unfit.told(),
        })
    }
}

impl Unfit {
    /// The reason sent to the claimant.
    pub fn told(&self) -> Reason {
        match self {
            Self::Ended => Reason::ClaimEnded,
            Self::BindsTooLong { .. } => Reason::BindsTooLong,
            Self::NoManifest => Reason::NoManifest,
            Self::Constraint(_) => Reason::UnmetByWorker,
            // What there is to spend is nobody's business.
            Self::Budget(_) => Reason::OverBudget,
        }
    }

    /// Which budget it is for want of, if it is.
    pub fn over(&self) -> Option<&Over> {
        match self {
            Self::Budget(over) => Some(over),
            _ => None,
        }
    }
}
