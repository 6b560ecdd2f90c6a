//! Attacks that take time: one worker among honest people who hire it, day after day, and rate it as it deserves.
//!
//! The people are forty who have worked for each other for two months and rate each other well, so that any viewer among them
//! has standing to give. Nothing here is data.

use super::{RATING, named, share_below};
use crate::data::{DAY, Node, Rating};
use crate::dice::Dice;
use crate::metrics::mean;
use crate::models::{Kind, Model, Scale};
use crate::report::{Cell, Table};
use crate::threads::each;

const PEOPLE: Node = 40;
const WORKER: Node = PEOPLE;
const NOBODY: Node = PEOPLE + 1;
const GOOD: f64 = 0.8;
const BAD: f64 = -0.9;
/// Hires by which a worker has made its name.
const NAME: usize = 50;
/// What the score is, in a picture.
const SCORE: &str = "score, -1 to 1";

/// A worker's life, as one model sees it.
#[derive(Clone)]
struct Story {
    model: Box<dyn Model>,
    dice: Dice,
    day: f64,
    /// What stands behind the worker.
    edition: u8,
}

impl Story {
    fn begin(kind: &Kind, seed: u64) -> Self {
        let dice = Dice::new(seed, u64::from_be_bytes(*b"stories\0"));
        let mut story = Self { model: kind.build(GOOD), dice, day: 0.0, edition: 1 };
        for _ in 0..60 {
            for _ in 0..10 {
                let (requester, worker) = (story.person(), story.person());
                if requester != worker {
                    let weight = 0.6 + 0.4 * story.dice.unit();
                    story.model.learn(&Rating::new(story.day * DAY, requester, worker, weight));
                    story.model.learn(&Rating::new(story.day * DAY, worker, requester, weight));
                }
            }
            story.day += 1.0;
        }
        story
    }

    /// One with a good name.
    fn known(kind: &Kind, seed: u64) -> Self {
        let mut story = Self::begin(kind, seed);
        story.hires(NAME, GOOD);
        story
    }

    fn person(&mut self) -> Node {
        self.dice.below(PEOPLE as usize) as Node
    }

    /// The next day, somebody hires the worker and says how it was; it pays back in kind.
    fn hire(&mut self, weight: f64, value: u8, skill: u8) {
        let requester = self.person();
        let (time, edition) = (self.day * DAY, self.edition);
        self.model.learn(&Rating { value, skill, edition, ..Rating::new(time, requester, WORKER, weight) });
        self.model.learn(&Rating { value, skill, edition, ..Rating::new(time, WORKER, requester, GOOD) });
        self.day += 1.0;
    }

    fn hires(&mut self, count: usize, weight: f64) {
        (0..count).for_each(|_| self.hire(weight, 20, 0));
    }

    /// What everybody is told of somebody at a skill, on average: its score, or the share of the others ranked below.
    fn score_at(&mut self, of: Node, skill: u8) -> f64 {
        self.model.settle();
        let now = self.day * DAY;
        let everybody: Vec<Node> = (0..PEOPLE).collect();
        let told = everybody.iter().map(|viewer| {
            let score = self.model.skilled(*viewer, &[of], skill, now).first().copied().unwrap_or(0.0);
            match self.model.scale() {
                Scale::Rating => score,
                Scale::Rank => share_below(score, &self.model.skilled(*viewer, &everybody, skill, now)),
            }
        });
        mean(&told.collect::<Vec<_>>())
    }

    fn score(&mut self) -> f64 {
        self.score_at(WORKER, 0)
    }

    fn is_score(&self) -> bool {
        self.model.scale() == Scale::Rating
    }

    /// Scores after so many hires like this, counted from now.
    fn scores_after<const N: usize>(&mut self, hires: [usize; N], mut hire: impl FnMut(&mut Self)) -> [f64; N] {
        let mut done = 0;
        hires.map(|hires| {
            (done..hires).for_each(|_| hire(self));
            done = hires;
            self.score()
        })
    }
}

/// A table with a row for each model, whose cells after its name these are.
fn rows(mut table: Table, models: &[Kind], row: impl Fn(&Kind) -> Vec<Cell> + Sync) -> Table {
    let made = each("models", models, |kind| {
        let name = named(kind, kind.build(GOOD).scale());
        std::iter::once(name).chain(row(kind)).collect::<Vec<_>>()
    });
    made.into_iter().for_each(|row| table.row(row));
    if models.iter().any(|kind| kind.build(GOOD).scale() == Scale::Rank) {
        table.note("*: the share of the forty people ranked below, in [0, 1].");
    }
    table
}

fn numbers(numbers: impl IntoIterator<Item = f64>) -> Vec<Cell> {
    numbers.into_iter().map(|number| Cell::Number(number, 3)).collect()
}

/// What a worker gains by leaving its name behind after so many bad hires.
pub fn whitewash(models: &[Kind], seed: u64) -> Table {
    let mut table = Table::new(
        "Whitewashing: a newcomer's score less that of a worker after so many bad hires",
        &["model", "1", "2", "5", "10", "20", "newcomer", "20 good"],
    );
    table.curve("bad hires under the old name", "gain of leaving it", &[1.0, 2.0, 5.0, 10.0, 20.0], None);
    let mut table = rows(table, models, |kind| {
        let gain = |hires: usize, weight: f64| {
            let mut story = Story::begin(kind, seed);
            story.hires(hires, weight);
            let newcomer = story.score_at(NOBODY, 0);
            newcomer - story.score()
        };
        let newcomer = Story::begin(kind, seed).score_at(NOBODY, 0);
        let bad = [1, 2, 5, 10, 20].map(|hires| gain(hires, BAD));
        numbers(bad.into_iter().chain([newcomer, gain(20, GOOD)]))
    });
    table.note("Above 0: leaving pays. The last column is what a good name is worth: it should be well below 0.");
    table
}

/// Good hires, then bad ones; and by turns, of several lengths and shares.
pub fn on_off(models: &[Kind], seed: u64) -> Vec<Table> {
    let mut sudden = Table::new(
        "On-off: fifty good hires, then so many bad ones",
        &["model", "0", "1", "2", "5", "10", "20", "50", "to 0"],
    );
    sudden.curve("bad hires", SCORE, &[0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0], RATING);
    let mut sudden = rows(sudden, models, |kind| {
        let mut story = Story::known(kind, seed);
        let ranks = !story.is_score();
        let mut scores = vec![story.score()];
        for _ in 0..60 {
            story.hires(1, BAD);
            scores.push(story.score());
        }
        let below =
            scores.iter().position(|score| *score < 0.0).map_or(Cell::text("> 60"), |at| Cell::Count(at as u64));
        let shown = [0, 1, 2, 5, 10, 20, 50].map(|hires: usize| scores[hires]);
        numbers(shown).into_iter().chain([if ranks { Cell::None } else { below }]).collect()
    });
    sudden.note("To 0: bad hires until the score is below 0, which is what somebody loses who hires by it.");

    let mut lengths = Table::new(
        "On-off by turns: as many good as bad hires, so many at a time; bad ones got of 100 in 200 days",
        &["model", "1", "2", "5", "10", "25", "50"],
    );
    lengths.curve("hires a turn", "bad hires got", &[1.0, 2.0, 5.0, 10.0, 25.0, 50.0], None);
    let mut lengths =
        rows(lengths, models, |kind| [1, 2, 5, 10, 25, 50].map(|length| got(kind, seed, 2 * length, length)).to_vec());
    lengths.note("After fifty good hires. People hire while the score is above 0, and a day passes in either case. A rank has no 0.");

    let mut shares = Table::new(
        "On-off by turns of twenty, bad in so many percent; bad hires got in 200 days",
        &["model", "10", "30", "50", "70", "90"],
    );
    shares.curve("bad, in %", "bad hires got", &[10.0, 30.0, 50.0, 70.0, 90.0], None);
    let shares = rows(shares, models, |kind| [2, 6, 10, 14, 18].map(|bad| got(kind, seed, 20, bad)).to_vec());
    vec![sudden, lengths, shares]
}

/// How many bad hires a worker with a good name gets in 200 days that works badly on the last `bad` of every `turn` days, from
/// people who hire it while its score is above 0.
fn got(kind: &Kind, seed: u64, turn: usize, bad: usize) -> Cell {
    let mut story = Story::known(kind, seed);
    if !story.is_score() {
        return Cell::None;
    }
    let mut damage = 0;
    for day in 0..200 {
        let is_bad = day % turn >= turn - bad;
        if story.score() > 0.0 {
            story.hires(1, if is_bad { BAD } else { GOOD });
            damage += u64::from(is_bad);
        } else {
            story.day += 1.0;
        }
    }
    Cell::Count(damage)
}

/// Cheap hires done well, dear ones badly; and the other way round.
pub fn value(models: &[Kind], seed: u64) -> Vec<Table> {
    let (cheap, dear) = (14, 24);
    let cheaply = |kind: &Kind| {
        let mut story = Story::begin(kind, seed);
        (0..NAME).for_each(|_| story.hire(GOOD, cheap, 0));
        story
    };
    let mut many = Table::new(
        "Value: fifty cheap hires done well, then so many a thousand times as dear done badly",
        &["model", "0", "1", "2", "5", "10", "20 cheap", "reverse"],
    );
    many.curve("dear hires done badly", SCORE, &[0.0, 1.0, 2.0, 5.0, 10.0], RATING);
    let mut many = rows(many, models, |kind| {
        let mut story = cheaply(kind);
        let scores = story.scores_after([0, 1, 2, 5, 10], |story| story.hire(BAD, dear, 0));
        (0..20).for_each(|_| story.hire(GOOD, cheap, 0));
        let mut reverse = Story::begin(kind, seed);
        (0..NAME).for_each(|_| reverse.hire(GOOD, dear, 0));
        (0..10).for_each(|_| reverse.hire(BAD, cheap, 0));
        numbers(scores.into_iter().chain([story.score(), reverse.score()]))
    });
    many.note(
        "20 cheap: after twenty cheap ones done well. Reverse: fifty dear hires done well, then ten cheap ones badly.",
    );

    let mut ratio = Table::new(
        "Value: fifty hires done well, then three so many times as dear done badly",
        &["model", "1", "4", "16", "64", "256", "1024"],
    );
    ratio.curve("times as dear", SCORE, &[1.0, 4.0, 16.0, 64.0, 256.0, 1_024.0], RATING);
    let mut ratio = rows(ratio, models, |kind| {
        let before = cheaply(kind);
        numbers([0, 2, 4, 6, 8, 10].map(|more| {
            let mut story = before.clone();
            (0..3).for_each(|_| story.hire(BAD, cheap + more, 0));
            story.score()
        }))
    });
    ratio.note("A model that knows no value has a flat line.");
    vec![many, ratio]
}

/// Excellent at one skill, hired for another.
pub fn skill(models: &[Kind], seed: u64) -> Table {
    let mut table = Table::new(
        "Skill transfer: fifty good translations, then so many bad pieces of code; score at code",
        &["model", "0", "1", "2", "3", "5", "10", "translation", "then"],
    );
    table.curve("bad pieces of code", SCORE, &[0.0, 1.0, 2.0, 3.0, 5.0, 10.0], RATING);
    let mut table = rows(table, models, |kind| {
        let mut story = Story::known(kind, seed);
        let before = story.score();
        let mut done = 0;
        let code = [0, 1, 2, 3, 5, 10].map(|hires| {
            (done..hires).for_each(|_| story.hire(BAD, 20, 1));
            done = hires;
            story.score_at(WORKER, 1)
        });
        numbers(code.into_iter().chain([before, story.score()]))
    });
    table.note("Translation: the score at it before the first piece of code, and then after the last.");
    table
}

/// A good name made with one model, used with another.
pub fn swapped(models: &[Kind], seed: u64) -> Vec<Table> {
    let one = |(other, fails): (&str, f64)| {
        let mut table = Table::new(
            format!("Swapped model: fifty good hires, then so many with {other}"),
            &["model", "0", "1", "2", "5", "10", "20", "50", "shows"],
        );
        table.curve("hires with the other model", SCORE, &[0.0, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0], RATING);
        let mut table = rows(table, models, |kind| {
            let mut story = Story::known(kind, seed);
            story.edition = 2;
            let (mut hires, mut shows) = (0, None);
            let scores = story.scores_after([0, 1, 2, 5, 10, 20, 50], |story| {
                let weight = if story.dice.chance(fails) { BAD } else { GOOD };
                story.hires(1, weight);
                hires += 1;
                let now = story.day * DAY;
                if shows.is_none() && story.model.editions(0, WORKER, now).is_some_and(|named| named > 1) {
                    shows = Some(hires);
                }
            });
            numbers(scores).into_iter().chain([shows.map_or(Cell::None, Cell::Count)]).collect()
        });
        table.note(
            "Shows: hires after which the reasons for the score name two models; - where a model keeps no such thing. No score \
             starts anew with a model: then whoever was found bad would only have to name another.",
        );
        table
    };
    [("one that always fails", 1.0), ("one that fails every second time", 0.5)].map(one).to_vec()
}
