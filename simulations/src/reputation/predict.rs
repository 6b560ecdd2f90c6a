//! Predicting ratings: each from those before it (the honest way), and each from all others (the published way).

use std::ops::Range;

use serde_json::json;

use super::{Half, loo};
use crate::data::Ratings;
use crate::metrics::{Bootstrap, Prediction, Predictions};
use crate::models::{Model, Named, Reciprocal};
use crate::report::{Cell, Report, Table};

/// The models compared when none is named: those whose scores are ratings.
pub const MODELS: [Named; 9] = [
    Named::GlobalMean,
    Named::RawMean,
    Named::Shrunk,
    Named::Beta,
    Named::BetaDecay,
    Named::Brs,
    Named::FairnessGoodness,
    Named::Anchor,
    Named::AnchorDecay,
];

/// What a run depends on besides the ratings.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Which ratings are predicted.
    pub half: Half,
    /// Of the bootstrap.
    pub seed: u64,
    /// Of the bootstrap.
    pub resamples: u32,
}

/// Predicts the ratings of a range, each from those before it, which are learned in order.
pub fn run(model: &mut dyn Model, ratings: &Ratings, scored: Range<usize>) -> Vec<Prediction> {
    let mut predictions = Vec::with_capacity(scored.len());
    for (at, rating) in ratings.list.iter().enumerate().take(scored.end) {
        if scored.contains(&at) {
            let predicted = model.score(rating.rater, rating.subject, rating.time);
            predictions.push(Prediction { unit: rating.rater, truth: rating.weight, predicted });
        }
        model.learn(rating);
    }
    predictions
}

/// The table of errors, without and with what the subject had said of the rater before.
pub fn prequential(ratings: &Ratings, models: &[Named], settings: Settings) -> Report {
    let scored = settings.half.of(ratings.list.len());
    let mut table = Table::new(
        format!("Each rating predicted from those before it; {} of {}", scored.len(), ratings.list.len()),
        &["model", "rmse", "pcc", "sign-auc", "rmse - anchor"],
    );
    let anchor = run(&mut *Named::Anchor.build(), ratings, scored.clone());
    let bootstrap = Bootstrap::of(&anchor, settings.resamples, settings.seed);
    let anchor = Predictions::new(&anchor);
    let mut row = |name: String, mut model: Box<dyn Model>| {
        let predictions = Predictions::new(&run(&mut *model, ratings, scored.clone()));
        let fit = bootstrap.fit(&predictions);
        let worse = bootstrap.rmse_difference(&predictions, &anchor);
        table.row([
            Cell::Text(name),
            Cell::Number(fit.rmse.value, 4),
            Cell::Figure(fit.pcc, 4),
            Cell::Figure(fit.sign_auc, 4),
            Cell::Figure(worse, 4),
        ]);
    };
    for model in models {
        row(model.name().to_owned(), model.build());
    }
    row("anchor +r".to_owned(), Box::new(Reciprocal::new(Named::Anchor.build())));
    table.note("Ratings are in [-1, 1]. Intervals: 95%, bootstrap over raters, the same draws for every model.");
    table.note("+r: with what the subject had said of the rater, where it had; sealed ratings take that away.");
    Report {
        settings: vec![("half", json!(settings.half.name())), ("scored", json!(scored.len()))],
        tables: vec![table],
    }
}

/// The table beside Kumar et al. 2016, table IV.
pub fn leave_one_out(ratings: &Ratings) -> Table {
    let mut table = Table::new("Each rating predicted from all others", &["model", "rmse", "pcc", "published"]);
    for (name, published, predictions) in loo::all(ratings) {
        let fit = Predictions::new(&predictions).fit(|_| 1.0);
        let published = published.map_or(Cell::None, Cell::text);
        // What everything else averages is the higher the lower this one is: its correlation of -1 says nothing.
        let pcc = if name == loo::GLOBAL { Cell::None } else { Cell::Number(fit.pcc, 4) };
        table.row([Cell::text(name), Cell::Number(fit.rmse, 4), pcc, published]);
    }
    table.note(
        "Published: Kumar et al., ICDM 2016, table IV, Bitcoin OTC. Leave-one-out flatters: the future is known.",
    );
    table
}
