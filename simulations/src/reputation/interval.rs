//! Intervals: whether nine in ten of the next ratings fall where they are expected, and what false identities do to the lower
//! end.

use serde_json::json;

use super::attack::scenes::Stage;
use super::predict::{Settings, before_each};
use crate::data::Ratings;
use crate::dice::Dice;
use crate::metrics::{Bootstrap, Figure, mean};
use crate::models::{Face, Model, Ours};
use crate::report::{Cell, Report, Table};

/// One interval and what came.
struct Case {
    rater: u32,
    low: f64,
    truth: f64,
    high: f64,
}

/// A tenth of a step of the ratings: ends that are written alike are alike.
const ROUNDING: f64 = 1e-9;

/// Both tables.
pub fn check(ratings: &Ratings, settings: Settings) -> Report {
    Report {
        settings: vec![("half", json!(settings.half.name()))],
        tables: vec![coverage(ratings, settings), sybils(ratings, settings)],
    }
}

fn coverage(ratings: &Ratings, settings: Settings) -> Table {
    let places = settings.places(ratings);
    let ours = Ours::new(Ours::params(ratings.typical()), Face::Mean);
    let cases: Vec<Case> = before_each(&ours, ratings, &places, |ours, rating| {
        let (low, high) = ours.next(rating.rater, rating.subject, rating.time).unwrap_or((-1.0, 1.0));
        Case { rater: rating.rater, low, truth: rating.weight, high }
    });
    let mut table = Table::new(
        format!("90% intervals for the next rating, from those before it; {} of {}", places.len(), ratings.list.len()),
        &["part", "ratings", "covered %", "below %", "above %", "width"],
    );
    let middle = places.partition_point(|place| *place < ratings.list.len() / 2);
    for (part, cases) in [("first half", &cases[..middle]), ("second half", &cases[middle..]), ("all", &cases[..])] {
        if cases.is_empty() {
            continue;
        }
        let mut raters: Vec<u32> = cases.iter().map(|case| case.rater).collect();
        raters.sort_unstable();
        raters.dedup();
        let bootstrap = Bootstrap::new(&raters, settings.resamples, settings.seed);
        let share = |of: &dyn Fn(&Case) -> bool| {
            let figure = bootstrap.figure(|weight| {
                let whole: f64 = cases.iter().map(|case| weight(case.rater)).sum();
                cases.iter().filter(|case| of(case)).map(|case| weight(case.rater)).sum::<f64>() / whole
            });
            Figure { value: figure.value * 100.0, low: figure.low * 100.0, high: figure.high * 100.0 }
        };
        let below = share(&|case| case.truth < case.low - ROUNDING);
        let above = share(&|case| case.truth > case.high + ROUNDING);
        let inside = share(&|case| (case.low - ROUNDING..=case.high + ROUNDING).contains(&case.truth));
        let widths: Vec<f64> = cases.iter().map(|case| case.high - case.low).collect();
        table.row([
            Cell::text(part),
            Cell::Count(cases.len() as u64),
            Cell::Figure(inside, 1),
            Cell::Number(below.value, 1),
            Cell::Number(above.value, 1),
            Cell::Number(mean(&widths), 3),
        ]);
    }
    table.note("Width on the scale of [-1, 1]: 2 says nothing. Intervals of the shares: 95%, bootstrap over raters.");
    table
}

fn sybils(ratings: &Ratings, settings: Settings) -> Table {
    let mut dice = Dice::new(settings.seed, u64::from_be_bytes(*b"scenes\0\0"));
    let stage = Stage::set(ratings, 12, 8, &mut dice);
    let mut table = Table::new(
        "By how much false identities move the lower end of the bad node they praise",
        &["fooled", "by the fooled", "sybils 10", "100", "1000", "worst of all"],
    );
    let mut honest = Ours::new(Ours::params(ratings.typical()), Face::Low);
    ratings.list.iter().for_each(|rating| honest.learn(rating));
    for fooled in [0, 1, 5] {
        let mut moved = vec![Vec::new(); 4];
        let mut worst = 0.0f64;
        for target in &stage.bad {
            let told = |sybils, fooled| -> Vec<f64> {
                let mut ours = honest.clone();
                stage.promotion(*target, sybils, fooled).iter().for_each(|rating| ours.learn(rating));
                stage.viewers.iter().map(|viewer| ours.score(*viewer, *target, stage.now)).collect()
            };
            let (calm, deceived) = (told(0, 0), told(0, fooled));
            moved[0].extend(deceived.iter().zip(&calm).map(|(now, then)| now - then));
            for (at, sybils) in [10, 100, 1_000].into_iter().enumerate() {
                for (now, then) in told(sybils, fooled).iter().zip(&deceived) {
                    moved[at + 1].push(now - then);
                    worst = worst.max(now - then);
                }
            }
        }
        let cells = moved.iter().map(|moved| Cell::Number(mean(moved), 5));
        table.row(std::iter::once(Cell::Count(fooled as u64)).chain(cells).chain([Cell::Number(worst, 5)]));
    }
    table.note(format!(
        "In [-1, 1]; {} targets and {} viewers. The identities' part is beside what the fooled alone had moved.",
        stage.bad.len(),
        stage.viewers.len()
    ));
    table
}
