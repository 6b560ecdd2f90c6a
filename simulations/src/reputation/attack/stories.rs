//! Attacks that take time: one worker among honest people who hire it, day after day, and rate it as it deserves.
//!
//! The people are forty who have worked for each other for two months and rate each other well, so that any viewer among them
//! has standing to give. Nothing here is data.

use crate::data::{DAY, Node, Rating};
use crate::dice::Dice;
use crate::metrics::mean;
use crate::models::{Kind, Model, Scale};
use crate::report::{Cell, Table};

const PEOPLE: Node = 40;
const WORKER: Node = PEOPLE;
const NOBODY: Node = PEOPLE + 1;
const GOOD: f64 = 0.8;
const BAD: f64 = -0.9;

/// A worker's life, as one model sees it.
struct Story {
    model: Box<dyn Model>,
    dice: Dice,
    day: f64,
}

impl Story {
    fn begin(kind: &Kind, seed: u64) -> Self {
        let mut story =
            Self { model: kind.build(GOOD), dice: Dice::new(seed, u64::from_be_bytes(*b"stories\0")), day: 0.0 };
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

    fn person(&mut self) -> Node {
        self.dice.below(PEOPLE as usize) as Node
    }

    /// The next day, somebody hires the worker and says how it was; it pays back in kind.
    fn hire(&mut self, weight: f64, value: u8, skill: u8) {
        let requester = self.person();
        let time = self.day * DAY;
        self.model.learn(&Rating { value, skill, ..Rating::new(time, requester, WORKER, weight) });
        self.model.learn(&Rating { value, skill, ..Rating::new(time, WORKER, requester, GOOD) });
        self.day += 1.0;
    }

    fn hires(&mut self, count: usize, weight: f64) {
        (0..count).for_each(|_| self.hire(weight, 20, 0));
    }

    /// What everybody is told of somebody at a skill, on average.
    fn score_at(&mut self, of: Node, skill: u8) -> f64 {
        self.model.settle();
        let now = self.day * DAY;
        let told: Vec<f64> = (0..PEOPLE)
            .map(|viewer| self.model.skilled(viewer, &[of], skill, now).first().copied().unwrap_or(0.0))
            .collect();
        mean(&told)
    }

    fn score(&mut self) -> f64 {
        self.score_at(WORKER, 0)
    }
}

/// What a worker gains by leaving its name behind after so many bad hires.
pub fn whitewash(models: &[Kind], seed: u64) -> Table {
    let mut table = Table::new(
        "Whitewashing: a newcomer's score less that of a worker after so many bad hires",
        &["model", "newcomer", "1 bad", "2 bad", "5 bad", "20 bad", "20 good"],
    );
    for kind in ratings_only(models) {
        let mut story = Story::begin(kind, seed);
        let newcomer = story.score_at(NOBODY, 0);
        let gain = |hires: usize, weight: f64| {
            let mut story = Story::begin(kind, seed);
            story.hires(hires, weight);
            let newcomer = story.score_at(NOBODY, 0);
            newcomer - story.score()
        };
        let bad = [1, 2, 5, 20].map(|hires| Cell::Number(gain(hires, BAD), 3));
        let cells = [Cell::text(kind.name()), Cell::Number(newcomer, 3)].into_iter().chain(bad);
        table.row(cells.chain([Cell::Number(gain(20, GOOD), 3)]));
    }
    table.note("Above 0: leaving pays. The last column is what a good name is worth: it should be well below 0.");
    table
}

/// Fifty good hires, then bad ones; and by turns.
pub fn on_off(models: &[Kind], seed: u64) -> Table {
    let mut table = Table::new(
        "On-off: fifty good hires, then bad ones; and ten good and ten bad by turns",
        &["model", "before", "1 bad", "5 bad", "20 bad", "hires to 0", "turns: hired bad"],
    );
    for kind in ratings_only(models) {
        let mut story = Story::begin(kind, seed);
        story.hires(50, GOOD);
        let mut row = vec![Cell::text(kind.name()), Cell::Number(story.score(), 3)];
        let (mut scores, mut below) = (Vec::new(), None);
        for hire in 1..=60u64 {
            story.hires(1, BAD);
            let score = story.score();
            scores.push(score);
            if score < 0.0 && below.is_none() {
                below = Some(hire);
            }
        }
        row.extend([1, 5, 20].map(|hires: usize| Cell::Number(scores[hires - 1], 3)));
        row.push(below.map_or_else(|| Cell::text("> 60"), Cell::Count));
        // Whoever looks hires it as long as its score is above 0; bad hires it gets in this way of a hundred tried.
        let mut story = Story::begin(kind, seed);
        let mut damage = 0;
        for turn in 0..200 {
            let bad = turn % 20 >= 10;
            if story.score() > 0.0 || turn == 0 {
                story.hires(1, if bad { BAD } else { GOOD });
                damage += u64::from(bad);
            } else {
                story.day += 1.0;
            }
        }
        row.push(Cell::Count(damage));
        table.row(row);
    }
    table.note(
        "Hires to 0: bad hires until the score is below 0. Turns: of 100 bad hires offered, those made while above.",
    );
    table
}

/// Cheap hires done well, dear ones badly; and the other way round.
pub fn value(models: &[Kind], seed: u64) -> Table {
    let mut table = Table::new(
        "Value: fifty cheap hires done well, then five a thousand times as dear done badly",
        &["model", "before", "after 1", "after 5", "cheap again: 20", "the reverse"],
    );
    let (cheap, dear) = (14, 24);
    for kind in ratings_only(models) {
        let mut story = Story::begin(kind, seed);
        (0..50).for_each(|_| story.hire(GOOD, cheap, 0));
        let before = story.score();
        story.hire(BAD, dear, 0);
        let one = story.score();
        (0..4).for_each(|_| story.hire(BAD, dear, 0));
        let five = story.score();
        (0..20).for_each(|_| story.hire(GOOD, cheap, 0));
        let again = story.score();
        let mut reverse = Story::begin(kind, seed);
        (0..50).for_each(|_| reverse.hire(GOOD, dear, 0));
        (0..5).for_each(|_| reverse.hire(BAD, cheap, 0));
        let numbers = [before, one, five, again, reverse.score()];
        table.row(std::iter::once(Cell::text(kind.name())).chain(numbers.map(|number| Cell::Number(number, 3))));
    }
    table.note("The reverse: fifty dear hires done well, then five cheap ones badly. A model that knows no value has one number for both.");
    table
}

/// Excellent at one skill, hired for another.
pub fn skill(models: &[Kind], seed: u64) -> Table {
    let mut table = Table::new(
        "Skill transfer: fifty good translations, then bad code",
        &["model", "translation", "code: 0 bad", "1 bad", "3 bad", "10 bad", "translation then"],
    );
    for kind in ratings_only(models) {
        let mut story = Story::begin(kind, seed);
        story.hires(50, GOOD);
        let mut numbers = vec![story.score(), story.score_at(WORKER, 1)];
        for hires in [1, 2, 7] {
            (0..hires).for_each(|_| story.hire(BAD, 20, 1));
            numbers.push(story.score_at(WORKER, 1));
        }
        numbers.push(story.score());
        let cells = numbers.into_iter().map(|number| Cell::Number(number, 3));
        table.row(std::iter::once(Cell::text(kind.name())).chain(cells));
    }
    table
}

/// A rank among forty people says nothing about one worker's life.
fn ratings_only(models: &[Kind]) -> impl Iterator<Item = &Kind> {
    models.iter().filter(|kind| kind.build(GOOD).scale() == Scale::Rating)
}
