//! Ranking the labelled users of Bitcoin OTC by how little they should be trusted, without the ratings that made the labels.

use std::collections::BTreeMap;

use gigmesh_protocol::reputation::{Params, Prior};
use serde_json::json;

use crate::data::{Node, Ratings};
use crate::dice::Dice;
use crate::metrics::{Bootstrap, Figure, Ranking, mean, quantile};
use crate::models::{Face, Kind, Model, Named};
use crate::report::{Cell, Report, Table};

/// The models compared when none is named.
pub const MODELS: [Kind; 24] = [
    Kind::Named(Named::RawMeanZero),
    Kind::Named(Named::Shrunk),
    Kind::Named(Named::Beta),
    Kind::Named(Named::BetaWeight),
    Kind::Named(Named::BetaDecay),
    Kind::Named(Named::Brs),
    Kind::Named(Named::FairnessGoodness),
    Kind::Named(Named::EigenTrust),
    Kind::Named(Named::EigenTrustMine),
    Kind::Named(Named::PageRank),
    Kind::Ours("mean D0 20", Face::Mean, |params| params.d0 = 20.0),
    Kind::MEAN,
    Kind::Ours("mean D0 500", Face::Mean, |params| params.d0 = 500.0),
    Kind::Ours("mean D0 2000", Face::Mean, |params| params.d0 = 2_000.0),
    Kind::Ours("low D0 20", Face::Low, |params| params.d0 = 20.0),
    Kind::LOW,
    Kind::Ours("low D0 500", Face::Low, |params| params.d0 = 500.0),
    Kind::Ours("low D0 2000", Face::Low, |params| params.d0 = 2_000.0),
    Kind::Ours("static D0 20", Face::Mean, |params| fixed(params, 20.0)),
    Kind::Ours("static D0 100", Face::Mean, |params| fixed(params, 100.0)),
    Kind::Ours("static D0 500", Face::Mean, |params| fixed(params, 500.0)),
    Kind::Ours("static D0 2000", Face::Mean, |params| fixed(params, 2_000.0)),
    Kind::Ours("static low 100", Face::Low, |params| fixed(params, 100.0)),
    Kind::Ours("static low 2000", Face::Low, |params| fixed(params, 2_000.0)),
];

/// For data whose end is looked at long after most of it: nothing ages, and nobody is expected to be like the rest.
fn fixed(params: &mut Params, d0: f64) {
    params.prior = Prior::Fixed(0.5);
    (params.good_half_life, params.bad_half_life, params.fast_half_life) = (None, None, None);
    params.d0 = d0;
}

/// What a run depends on besides the data.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How many viewers are asked, where a model has viewers.
    pub viewers: usize,
    /// How many positive ratings a viewer has given at least.
    pub given: usize,
    /// Of the choice of viewers and of the bootstrap.
    pub seed: u64,
    /// Of the bootstrap.
    pub resamples: u32,
}

/// The ranking of the labelled that one viewer's scores make: the least trusted first.
fn ranking(model: &mut dyn Model, viewer: Node, labels: &[(Node, bool)], now: f64) -> Ranking {
    let subjects: Vec<Node> = labels.iter().map(|(node, _)| *node).collect();
    let scores = model.scores(viewer, &subjects, now);
    Ranking::new(labels.iter().zip(scores).map(|((node, fraud), score)| (-score, *fraud, *node)))
}

/// Whom to ask: raters who have given so many positive ratings, so that a walk from them gets anywhere; none that is labelled.
pub fn viewers(ratings: &Ratings, labels: &[(Node, bool)], settings: Settings) -> Vec<Node> {
    let mut given = BTreeMap::<Node, usize>::new();
    for rating in ratings.list.iter().filter(|rating| rating.weight > 0.0) {
        *given.entry(rating.rater).or_default() += 1;
    }
    let mut raters: Vec<Node> =
        given.into_iter().filter(|(_, count)| *count >= settings.given).map(|(rater, _)| rater).collect();
    raters.retain(|rater| labels.binary_search_by_key(rater, |(node, _)| *node).is_err());
    Dice::new(settings.seed, u64::from_be_bytes(*b"viewers\0")).sample(&raters, settings.viewers)
}

/// The table of rankings.
pub fn rank(ratings: &Ratings, labels: &[(Node, bool)], models: &[Kind], settings: Settings) -> Report {
    let labellers = ratings.labellers();
    let honest = ratings.without(&labellers);
    let (now, frauds) = (honest.end(), labels.iter().filter(|(_, fraud)| *fraud).count());
    let viewers = viewers(&honest, labels, settings);
    let units: Vec<u32> = labels.iter().map(|(node, _)| *node).collect();
    let bootstrap = Bootstrap::new(&units, settings.resamples, settings.seed);
    let mut table = Table::new(
        format!("{frauds} fraudulent among {} labelled, ranked from {} ratings", labels.len(), honest.list.len()),
        &["model", "auc", "ap", "worst auc", "viewers"],
    );
    for kind in models {
        let mut model = kind.build(honest.typical());
        honest.list.iter().for_each(|rating| model.learn(rating));
        model.settle();
        if model.personal() && !matches!(kind, Kind::Named(Named::FairnessGoodness)) {
            let rankings: Vec<Ranking> =
                viewers.iter().map(|viewer| ranking(&mut *model, *viewer, labels, now)).collect();
            table.row(through_eyes(kind.name().to_owned(), &rankings, &bootstrap));
        } else {
            // Fairness scales everything a viewer is told alike, so one viewer's ranking is everybody's.
            let ranking = ranking(&mut *model, viewers.first().copied().unwrap_or(0), labels, now);
            table.row([
                Cell::text(kind.name()),
                Cell::Figure(bootstrap.figure(|weight| ranking.auc(weight)), 4),
                Cell::Figure(bootstrap.figure(|weight| ranking.average_precision(weight)), 4),
                Cell::None,
                Cell::None,
            ]);
        }
    }
    table.note(format!(
        "Ratings by the {} users whose ratings are the labels were dropped. With them a raw mean reaches {:.4}: void.",
        labellers.len(),
        leak(ratings, labels),
    ));
    table.note(
        "Ours: as it ships. Static: nothing ages and the prior is one half, for data looked at long after its time. \
         D0: how many equal partners count in full; what an attacker can put in grows with it.",
    );
    table.note(format!(
        "Viewers have given at least {} positive ratings: a walk from whoever trusts one dead end sees nothing.",
        settings.given
    ));
    table.note("Intervals: 95%, bootstrap over the labelled.");
    Report { settings: vec![("viewers", json!(viewers.len())), ("given", json!(settings.given))], tables: vec![table] }
}

/// A row for a model that tells every viewer something else: means over viewers, and the worst of them.
pub fn through_eyes(name: String, rankings: &[Ranking], bootstrap: &Bootstrap) -> Vec<Cell> {
    let over = |measure: &dyn Fn(&Ranking) -> f64| mean(&rankings.iter().map(measure).collect::<Vec<_>>());
    let auc: Figure = bootstrap.figure(|weight| over(&|ranking| ranking.auc(weight)));
    let ap: Figure = bootstrap.figure(|weight| over(&|ranking| ranking.average_precision(weight)));
    let mut each: Vec<f64> = rankings.iter().map(|ranking| ranking.auc(|_| 1.0)).collect();
    each.sort_by(f64::total_cmp);
    let worst = quantile(&each, 0.0).map_or(Cell::None, |worst| Cell::Number(worst, 4));
    vec![Cell::Text(name), Cell::Figure(auc, 4), Cell::Figure(ap, 4), worst, Cell::Count(each.len() as u64)]
}

/// What a mean reaches that has seen the answer.
fn leak(ratings: &Ratings, labels: &[(Node, bool)]) -> f64 {
    let mut model = Named::RawMeanZero.build();
    ratings.list.iter().for_each(|rating| model.learn(rating));
    ranking(&mut *model, 0, labels, ratings.end()).auc(|_| 1.0)
}
