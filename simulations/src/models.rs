//! What turns ratings into scores: our model and the baselines, behind one trait, chosen by name.
//!
//! A model learns ratings in order of time and is asked what one participant may expect of others. The baselines are global
//! (everybody is told the same) unless they say otherwise, and open to any number of false identities; that is what they are
//! here to show.

mod beta;
mod brs;
mod fairness;
mod means;
mod walk;

pub use beta::{Beta, Evidence};
pub use brs::BrsFilter;
pub use fairness::FairnessGoodness;
pub use means::{Anchor, GlobalMean, Reciprocal, ShrunkMean, TargetMean};
pub use walk::{EigenTrust, PersonalisedPageRank};

use crate::data::{Node, Rating};

/// What a score means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// An expected rating, from -1 to 1.
    Rating,
    /// A share of trust: only its order means something.
    Rank,
}

/// A way to turn ratings into scores.
pub trait Model {
    /// Takes one rating in. They come in order of time.
    fn learn(&mut self, rating: &Rating);

    /// What `viewer` may expect of each subject at a time no earlier than the last rating's, in their order.
    fn scores(&mut self, viewer: Node, subjects: &[Node], now: f64) -> Vec<f64>;

    /// Digests what was learned, for a model that does so only now and then.
    fn settle(&mut self) {}

    /// What the scores mean.
    fn scale(&self) -> Scale {
        Scale::Rating
    }

    /// Whether different viewers are told different things.
    fn personal(&self) -> bool {
        false
    }

    /// What `viewer` may expect of one subject.
    fn score(&mut self, viewer: Node, subject: Node, now: f64) -> f64 {
        self.scores(viewer, &[subject], now).first().copied().unwrap_or(0.0)
    }
}

impl Model for Box<dyn Model> {
    fn learn(&mut self, rating: &Rating) {
        (**self).learn(rating);
    }

    fn scores(&mut self, viewer: Node, subjects: &[Node], now: f64) -> Vec<f64> {
        (**self).scores(viewer, subjects, now)
    }

    fn settle(&mut self) {
        (**self).settle();
    }

    fn scale(&self) -> Scale {
        (**self).scale()
    }

    fn personal(&self) -> bool {
        (**self).personal()
    }
}

/// A list indexed by node that grows when a node is first seen.
#[derive(Debug, Clone, Default)]
pub(crate) struct ByNode<T>(Vec<T>);

impl<T: Default + Clone> ByNode<T> {
    /// What belongs to a node.
    pub fn at(&mut self, node: Node) -> &mut T {
        let at = node as usize;
        if self.0.len() <= at {
            self.0.resize(at + 1, T::default());
        }
        &mut self.0[at]
    }

    /// The same without growing.
    pub fn get(&self, node: Node) -> Option<&T> {
        self.0.get(node as usize)
    }
}

/// A model by its name on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Named {
    /// The running mean of all ratings.
    GlobalMean,
    /// The running mean of the subject's.
    RawMean,
    /// The same with 0 for a subject without ratings.
    RawMeanZero,
    /// The running mean, shrunk to the global mean by two.
    Shrunk,
    /// The same with the rater's leniency.
    Anchor,
    /// The same with ageing.
    AnchorDecay,
    /// Beta reputation.
    Beta,
    /// Beta reputation where a rating counts by its weight.
    BetaWeight,
    /// Beta reputation with ageing.
    BetaDecay,
    /// Beta reputation without raters who disagree with the rest.
    Brs,
    /// Fairness and goodness.
    FairnessGoodness,
    /// EigenTrust with uniform pre-trust.
    EigenTrust,
    /// EigenTrust whose pre-trusted peer is the viewer.
    EigenTrustMine,
    /// Personalised PageRank.
    PageRank,
}

impl Named {
    /// Every model.
    pub const ALL: [Self; 14] = [
        Self::GlobalMean,
        Self::RawMean,
        Self::RawMeanZero,
        Self::Shrunk,
        Self::Anchor,
        Self::AnchorDecay,
        Self::Beta,
        Self::BetaWeight,
        Self::BetaDecay,
        Self::Brs,
        Self::FairnessGoodness,
        Self::EigenTrust,
        Self::EigenTrustMine,
        Self::PageRank,
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::GlobalMean => "global-mean",
            Self::RawMean => "raw-mean",
            Self::RawMeanZero => "raw-mean-0",
            Self::Shrunk => "shrunk-mean",
            Self::Anchor => "anchor",
            Self::AnchorDecay => "anchor-decay",
            Self::Beta => "beta",
            Self::BetaWeight => "beta-weight",
            Self::BetaDecay => "beta-decay",
            Self::Brs => "brs-filter",
            Self::FairnessGoodness => "fairness",
            Self::EigenTrust => "eigentrust",
            Self::EigenTrustMine => "eigentrust-mine",
            Self::PageRank => "pagerank",
        }
    }

    /// By its name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|model| model.name() == name)
    }

    /// A fresh one.
    pub fn build(self) -> Box<dyn Model> {
        match self {
            Self::GlobalMean => Box::new(GlobalMean::default()),
            Self::RawMean => Box::new(TargetMean::default()),
            Self::RawMeanZero => Box::new(TargetMean::unknown_is(0.0)),
            Self::Shrunk => Box::new(ShrunkMean::new(2.0)),
            Self::Anchor => Box::new(Anchor::new(None)),
            Self::AnchorDecay => Box::new(Anchor::new(Some(180.0))),
            Self::Beta => Box::new(Beta::new(Evidence::Unit, None)),
            Self::BetaWeight => Box::new(Beta::new(Evidence::Weight, None)),
            Self::BetaDecay => Box::new(Beta::new(Evidence::Unit, Some(180.0))),
            Self::Brs => Box::new(BrsFilter::default()),
            Self::FairnessGoodness => Box::new(FairnessGoodness::every(100)),
            Self::EigenTrust => Box::new(EigenTrust::uniform()),
            Self::EigenTrustMine => Box::new(EigenTrust::mine()),
            Self::PageRank => Box::new(PersonalisedPageRank::new(0.3)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model that has learned these (rater, subject, weight), all at once.
    pub(super) fn learn<M: Model>(mut model: M, ratings: &[(Node, Node, f64)]) -> M {
        for &(rater, subject, weight) in ratings {
            model.learn(&Rating { time: 0.0, rater, subject, weight });
        }
        model
    }

    pub(super) fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn every_model_has_a_name_of_its_own_and_an_answer_about_strangers() {
        for model in Named::ALL {
            assert_eq!(Named::find(model.name()), Some(model));
            let mut built = model.build();
            assert_eq!(built.scores(3, &[1, 2], 0.0).len(), 2);
            built.learn(&Rating { time: 0.0, rater: 0, subject: 1, weight: 0.5 });
            let scores = built.scores(7, &[0, 1, 9], 1.0);
            assert!(scores.iter().all(|score| (-1.0..=1.0).contains(score)), "{}: {scores:?}", model.name());
        }
        assert_eq!(Named::find("none"), None);
    }
}
