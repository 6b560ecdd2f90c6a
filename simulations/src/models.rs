//! What turns ratings into scores: our model and the baselines, behind one trait, chosen by name.
//!
//! A model learns ratings in order of time and is asked what one participant may expect of others. The baselines are global
//! (everybody is told the same) unless they say otherwise, and open to any number of false identities; that is what they are
//! here to show.

mod beta;
mod brs;
mod fairness;
mod flow;
mod means;
mod merit;
mod ours;
mod walk;

pub use beta::{Beta, Evidence};
pub use brs::BrsFilter;
pub use fairness::FairnessGoodness;
pub use flow::MaxFlow;
pub use means::{Anchor, GlobalMean, ShrunkMean, TargetMean};
pub use merit::MeritRank;
pub use ours::{COARSE, Face, Ours, day};
pub use walk::{EigenTrust, PersonalisedPageRank};

use gigmesh_protocol::reputation::Params;

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
pub trait Model: std::fmt::Debug + Send + Sync {
    /// Takes one rating in. They come in order of time.
    fn learn(&mut self, rating: &Rating);

    /// What `viewer` may expect of each subject at a time no earlier than the last rating's, in their order.
    fn scores(&mut self, viewer: Node, subjects: &[Node], now: f64) -> Vec<f64>;

    /// The same at one skill, for a model that tells skills apart.
    fn skilled(&mut self, viewer: Node, subjects: &[Node], _skill: u8, now: f64) -> Vec<f64> {
        self.scores(viewer, subjects, now)
    }

    /// How many models (of the worker's own making) the evidence behind a subject's score names, for a model that keeps that.
    fn editions(&mut self, _viewer: Node, _subject: Node, _now: f64) -> Option<usize> {
        None
    }

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

    /// Whether asking it costs much more than teaching it.
    fn slow(&self) -> bool {
        false
    }

    /// The same model with the same memory, to go another way with.
    fn fork(&self) -> Box<dyn Model>;

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

    fn skilled(&mut self, viewer: Node, subjects: &[Node], skill: u8, now: f64) -> Vec<f64> {
        (**self).skilled(viewer, subjects, skill, now)
    }

    fn editions(&mut self, viewer: Node, subject: Node, now: f64) -> Option<usize> {
        (**self).editions(viewer, subject, now)
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

    fn slow(&self) -> bool {
        (**self).slow()
    }

    fn fork(&self) -> Box<dyn Model> {
        (**self).fork()
    }
}

impl Clone for Box<dyn Model> {
    fn clone(&self) -> Self {
        self.fork()
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
    /// MeritRank.
    MeritRank,
    /// As much as can flow to each rater.
    MaxFlow,
    /// As much as can flow to all raters at once.
    JointFlow,
}

impl Named {
    /// Every model.
    pub const ALL: [Self; 17] = [
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
        Self::MeritRank,
        Self::MaxFlow,
        Self::JointFlow,
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
            Self::MeritRank => "meritrank",
            Self::MaxFlow => "max-flow",
            Self::JointFlow => "joint-flow",
        }
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
            Self::MeritRank => Box::new(MeritRank::default()),
            Self::MaxFlow => Box::new(MaxFlow::new(false)),
            Self::JointFlow => Box::new(MaxFlow::new(true)),
        }
    }
}

/// A model that can be chosen: a baseline, or ours with something changed.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// A baseline.
    Named(Named),
    /// Ours: its name, what of an opinion is the score, and what is changed of what ships.
    Ours(&'static str, Face, fn(&mut Params)),
}

impl Kind {
    /// Ours as it ships, with the viewer's own leniency: for predicting what the viewer will say.
    pub const OURS: Self = Self::Ours("ours", Face::Expected, |_| ());
    /// The same, and for a viewer that has rated nobody, and so has no view, the mean on record.
    pub const OR_RECORD: Self = Self::Ours("ours-or-record", Face::OrRecord, |_| ());
    /// The same without: for ranking others.
    pub const MEAN: Self = Self::Ours("ours-mean", Face::Mean, |_| ());
    /// By its lower end: for choosing.
    pub const LOW: Self = Self::Ours("ours-low", Face::Low, |_| ());

    /// Every model with a name of its own.
    pub fn all() -> Vec<Self> {
        Named::ALL.map(Self::Named).into_iter().chain([Self::OURS, Self::OR_RECORD, Self::MEAN, Self::LOW]).collect()
    }

    /// By its name.
    pub fn find(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|kind| kind.name() == name)
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Named(named) => named.name(),
            Self::Ours(name, ..) => name,
        }
    }

    /// A fresh one, for data whose typical positive rating is this.
    pub fn build(&self, typical: f64) -> Box<dyn Model> {
        match self {
            Self::Named(named) => named.build(),
            Self::Ours(_, face, change) => {
                let mut params = Params { bits: COARSE, ..Ours::params(typical) };
                change(&mut params);
                Box::new(Ours::new(params, *face))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A model that has learned these (rater, subject, weight), all at once.
    pub(super) fn learn<M: Model>(mut model: M, ratings: &[(Node, Node, f64)]) -> M {
        for &(rater, subject, weight) in ratings {
            model.learn(&Rating::new(0.0, rater, subject, weight));
        }
        model
    }

    pub(super) fn near(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-9, "{a} is not {b}");
    }

    #[test]
    fn every_model_has_a_name_of_its_own_and_an_answer_about_strangers() {
        for model in Kind::all() {
            assert_eq!(Kind::find(model.name()).map(|found| found.name()), Some(model.name()));
            let mut built = model.build(0.5);
            assert_eq!(built.scores(3, &[1, 2], 0.0).len(), 2);
            built.learn(&Rating::new(0.0, 0, 1, 0.5));
            let scores = built.scores(7, &[0, 1, 9], 1.0);
            assert!(scores.iter().all(|score| (-1.0..=1.0).contains(score)), "{}: {scores:?}", model.name());
        }
        assert!(Kind::find("none").is_none());
    }
}
