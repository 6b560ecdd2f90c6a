//! Predicting ratings: each from those before it (the honest way), and each from all others (the published way).

use std::collections::BTreeMap;

use gigmesh_protocol::reputation::{Params, Prior};
use serde_json::json;

use super::{Half, loo};
use crate::data::{Rating, Ratings};
use crate::metrics::{Bootstrap, Prediction, Predictions};
use crate::models::{COARSE, Face, Kind, Model, Named, Ours};
use crate::report::{Cell, Report, Table};

/// The models compared when none is named: those whose scores are ratings.
pub const MODELS: [Kind; 11] = [
    Kind::Named(Named::GlobalMean),
    Kind::Named(Named::RawMean),
    Kind::Named(Named::Shrunk),
    Kind::Named(Named::Beta),
    Kind::Named(Named::BetaDecay),
    Kind::Named(Named::Brs),
    Kind::Named(Named::FairnessGoodness),
    Kind::Named(Named::Anchor),
    Kind::Named(Named::AnchorDecay),
    Kind::OURS,
    Kind::OR_RECORD,
];

/// Ours with one thing changed at a time.
pub const ABLATION: [Kind; 19] = [
    Kind::OURS,
    Kind::Ours("no leniency", Face::Mean, |_| ()),
    Kind::Ours("no ageing", Face::Expected, |params| {
        (params.good_half_life, params.bad_half_life) = (None, None);
    }),
    Kind::Ours("bad 360 days", Face::Expected, |params| params.bad_half_life = Some(360)),
    Kind::Ours("nothing lasts", Face::Expected, |params| params.lasting = 0.0),
    Kind::Ours("ageing alike", Face::Expected, |params| params.bad_half_life = params.good_half_life),
    Kind::Ours("no guard", Face::Expected, |params| params.fast_half_life = None),
    Kind::Ours("no distrust", Face::Expected, |params| params.distrust = false),
    Kind::Ours("good edges only", Face::Expected, |params| params.net = false),
    Kind::Ours("no smoothing", Face::Expected, |params| params.smoothing = 0.0),
    Kind::Ours("prior one half", Face::Expected, |params| params.prior = Prior::Fixed(0.5)),
    Kind::Ours("prior 2 units", Face::Expected, |params| params.n0 = 2.0),
    Kind::Ours("restart .15", Face::Expected, |params| params.restart = 0.15),
    Kind::Ours("restart .5", Face::Expected, |params| params.restart = 0.5),
    Kind::Ours("D0 20", Face::Expected, |params| params.d0 = 20.0),
    Kind::Ours("D0 500", Face::Expected, |params| params.d0 = 500.0),
    Kind::Ours("no floor", Face::Expected, |params| params.floor = 0.0),
    Kind::Ours("floor .02", Face::Expected, |params| params.floor = 0.02),
    Kind::Ours("no pair discount", Face::Expected, |params| params.pair = 1.0),
];

/// What a run depends on besides the ratings.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// Which ratings are predicted.
    pub half: Half,
    /// Of these, each so many-th.
    pub every: usize,
    /// Of the bootstrap.
    pub seed: u64,
    /// Of the bootstrap.
    pub resamples: u32,
}

impl Settings {
    /// The places of the ratings that are predicted.
    pub fn places(&self, ratings: &Ratings) -> Vec<usize> {
        self.half.of(ratings.list.len()).step_by(self.every.max(1)).collect()
    }
}

/// Asks a model about some ratings, each before it is learned, in order. On every processor there is: each goes through all
/// ratings and asks about some, which changes nothing in the answers.
pub fn before_each<M, T>(
    model: &M,
    ratings: &Ratings,
    places: &[usize],
    ask: impl Fn(&mut M, &Rating) -> T + Sync,
) -> Vec<T>
where
    M: Model + Clone,
    T: Send,
{
    let threads = if model.slow() { std::thread::available_parallelism().map_or(1, std::num::NonZero::get) } else { 1 };
    let one = |thread: usize| {
        let mut model = model.clone();
        let mut due =
            places.iter().enumerate().filter(|(turn, _)| turn % threads == thread).map(|(_, at)| *at).peekable();
        let mut answers = Vec::with_capacity(places.len() / threads + 1);
        for (at, rating) in ratings.list.iter().enumerate() {
            let Some(next) = due.peek() else { break };
            if *next == at {
                answers.push(ask(&mut model, rating));
                due.next();
            }
            model.learn(rating);
        }
        answers
    };
    let parts: Vec<Vec<T>> = std::thread::scope(|scope| {
        let one = &one;
        let spawned: Vec<_> = (0..threads).map(|thread| scope.spawn(move || one(thread))).collect();
        spawned.into_iter().map(|thread| thread.join().expect("arithmetic does not panic")).collect()
    });
    let mut parts: Vec<_> = parts.into_iter().map(Vec::into_iter).collect();
    (0..places.len()).filter_map(|turn| parts[turn % threads].next()).collect()
}

/// For data that is looked at as if all of it were of today.
fn nothing_ages(params: &mut Params) {
    (params.good_half_life, params.bad_half_life, params.fast_half_life) = (None, None, None);
}

/// Predicts ratings, each from those before it.
pub fn run(model: &dyn Model, ratings: &Ratings, places: &[usize]) -> Vec<Prediction> {
    before_each(&model.fork(), ratings, places, |model, rating| Prediction {
        unit: rating.rater,
        truth: rating.weight,
        predicted: model.score(rating.rater, rating.subject, rating.time),
    })
}

/// The same with one thing more to go by: half the way to what the subject had said of the rater before, if it had. A signal
/// that sealed ratings take away; shown to measure how much of a prediction it is.
fn with_reciprocal(predictions: &[Prediction], ratings: &Ratings, places: &[usize]) -> Vec<Prediction> {
    let mut said = BTreeMap::new();
    let mut due = places.iter().zip(predictions).peekable();
    let mut all = Vec::with_capacity(predictions.len());
    for (at, rating) in ratings.list.iter().enumerate() {
        if let Some((_, prediction)) = due.next_if(|(place, _)| **place == at) {
            let mut prediction = *prediction;
            if let Some(said) = said.get(&(rating.subject, rating.rater)) {
                prediction.predicted += 0.5 * (said - prediction.predicted);
            }
            all.push(prediction);
        }
        said.insert((rating.rater, rating.subject), rating.weight);
    }
    all
}

/// The table of errors, for the best also with what the subject had said of the rater before.
pub fn prequential(ratings: &Ratings, models: &[Kind], settings: Settings) -> Report {
    let places = settings.places(ratings);
    let mut table = Table::new(
        format!("Each rating predicted from those before it; {} of {}", places.len(), ratings.list.len()),
        &["model", "rmse", "pcc", "sign-auc", "rmse - anchor"],
    );
    let typical = ratings.typical();
    let first = run(&*Named::Anchor.build(), ratings, &places);
    let bootstrap = Bootstrap::of(&first, settings.resamples, settings.seed);
    let anchor = Predictions::new(&first);
    let mut row = |name: &str, predictions: &[Prediction]| {
        let predictions = Predictions::new(predictions);
        let fit = bootstrap.fit(&predictions);
        let worse = bootstrap.rmse_difference(&predictions, &anchor);
        table.row([
            Cell::text(name),
            Cell::Number(fit.rmse.value, 4),
            Cell::Figure(fit.pcc, 4),
            Cell::Figure(fit.sign_auc, 4),
            Cell::Figure(worse, 4),
        ]);
    };
    let mut reciprocal = vec![("anchor +r".to_owned(), with_reciprocal(&first, ratings, &places))];
    for model in models {
        let predictions = run(&*model.build(typical), ratings, &places);
        row(model.name(), &predictions);
        if [Kind::OURS, Kind::OR_RECORD].iter().any(|ours| ours.name() == model.name()) {
            reciprocal.push((format!("{} +r", model.name()), with_reciprocal(&predictions, ratings, &places)));
        }
    }
    reciprocal.iter().for_each(|(name, predictions)| row(name, predictions));
    table.note("Ratings are in [-1, 1]. Intervals: 95%, bootstrap over raters, the same draws for every model.");
    table.note(
        "or-record: a viewer that has rated nobody has no view, and ours says one half; here it gets the mean on record, \
         which the other models go by as well, and which anybody can fake.",
    );
    table.note("+r: with what the subject had said of the rater, where it had; sealed ratings take that away.");
    Report {
        settings: vec![("half", json!(settings.half.name())), ("scored", json!(places.len()))],
        tables: vec![table],
    }
}

/// Ours for each rating, from all others: every standing, opinion and leniency without it. As of the last day, as one who has
/// all of it sees it.
fn ours_without_each(ratings: &Ratings, change: fn(&mut Params)) -> Vec<Prediction> {
    let mut params = Params { bits: COARSE, ..Ours::params(ratings.typical()) };
    change(&mut params);
    let mut ours = Ours::new(params, Face::Expected);
    for rating in &ratings.list {
        ours.add_once(rating);
    }
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let part = ratings.list.len().div_ceil(threads).max(1);
    let one = |ours: &mut Ours, rating: &Rating| Prediction {
        unit: rating.rater,
        truth: rating.weight,
        predicted: ours.without(rating, ratings.end()),
    };
    std::thread::scope(|scope| {
        let run = |part: &'_ [Rating]| {
            let (mut ours, part) = (ours.clone(), part.to_vec());
            scope.spawn(move || part.iter().map(|rating| one(&mut ours, rating)).collect::<Vec<_>>())
        };
        let threads: Vec<_> = ratings.list.chunks(part).map(run).collect();
        threads.into_iter().flat_map(|thread| thread.join().expect("arithmetic does not panic")).collect()
    })
}

/// The table beside Kumar et al. 2016, table IV.
pub fn leave_one_out(ratings: &Ratings) -> Table {
    let mut table = Table::new("Each rating predicted from all others", &["model", "rmse", "pcc", "published"]);
    let ours = [
        ("ours, as it ships", None, ours_without_each(ratings, |_| ())),
        ("ours, nothing ages", None, ours_without_each(ratings, nothing_ages)),
    ];
    for (name, published, predictions) in loo::all(ratings).into_iter().chain(ours) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_predicted_from_itself_or_from_later_ratings() {
        let list = (0..40u32).map(|at| Rating::new(f64::from(at), 0, 1, f64::from(at))).collect();
        let ratings = Ratings { list, names: vec![0, 1] };
        let settings = Settings { half: Half::All, every: 1, seed: 1, resamples: 1 };
        let places = settings.places(&ratings);
        assert_eq!(places, (4..40).collect::<Vec<_>>());
        // Weights are their own numbers here, so the mean of those before rating n is (n - 1) / 2.
        let told = run(&*Named::GlobalMean.build(), &ratings, &places);
        assert!(told.iter().all(|one| one.predicted == (one.truth - 1.0) / 2.0));
        let model: Box<dyn Model> = Kind::OURS.build(0.5);
        let list = (0..40u32)
            .map(|at| Rating::new(f64::from(at) * 9e4, at % 5, (at + 1) % 7, 0.5))
            .filter(|r| r.rater != r.subject);
        let ratings = Ratings { list: list.collect(), names: (0..7).collect() };
        let places = settings.places(&ratings);
        let alone: Vec<f64> = places
            .iter()
            .map(|place| {
                let mut model = model.fork();
                ratings.list[..*place].iter().for_each(|rating| model.learn(rating));
                let next = &ratings.list[*place];
                model.score(next.rater, next.subject, next.time)
            })
            .collect();
        let told: Vec<f64> = run(&*model, &ratings, &places).iter().map(|one| one.predicted).collect();
        assert_eq!(told, alone, "threads change nothing");
    }

    #[test]
    fn what_the_subject_said_before_pulls_half_way() {
        let pairs = [(1, 0, 1.0), (0, 1, 0.2), (2, 3, 0.0)];
        let list: Vec<Rating> =
            pairs.iter().map(|&(rater, subject, weight)| Rating::new(0.0, rater, subject, weight)).collect();
        let ratings = Ratings { list, names: (0..4).collect() };
        let blank = |unit| Prediction { unit, truth: 0.0, predicted: 0.5 };
        let told = with_reciprocal(&[blank(0), blank(2)], &ratings, &[1, 2]);
        assert_eq!(told.iter().map(|one| one.predicted).collect::<Vec<_>>(), [0.75, 0.5]);
    }
}
