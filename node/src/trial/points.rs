//! Would this worker claim this task? What its brain asks, point by point, in words that say what to change.
//!
//! An explanation, no decision: that is the brain's, whose word the report has too.

use std::cmp::Ordering;

use gigmesh_protocol::hire::task::{Review, Task};
use gigmesh_protocol::market::SkillEntry;
use gigmesh_protocol::market::checks::Sealed;
use gigmesh_protocol::market::constraint::{Constraint, Match, Properties};
use gigmesh_protocol::peer::io::{Config, From};
use serde::Serialize;

/// What a point comes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mark {
    /// It speaks for a claim.
    Yes,
    /// There is no claim for that alone.
    No,
    /// It is not known, and there is no claim for that alone.
    Unknown,
    /// Worth knowing, and no obstacle here.
    Note,
}

/// One thing that is looked at before a claim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// What.
    pub about: &'static str,
    /// What it comes to.
    pub mark: Mark,
    /// Why, and what to do.
    pub says: String,
}

/// The points for this worker and this task.
pub(super) fn of(worker: &Config, task: &Task) -> Vec<Point> {
    let point = |about, (mark, says)| Point { about, mark, says };
    let covering = worker.skills.iter().map(|serving| &serving.entry).filter(|entry| entry.path.covers(&task.skill));
    // The most specific does it, as in the brain.
    let entry = covering.max_by_key(|entry| entry.path.as_str().len());
    let mut points = vec![point("skill", skill(worker, task, entry))];
    if let Some(entry) = entry {
        points.push(point("price", price(task, entry)));
        points.push(point("where", constraint(task, entry)));
        if let Some(theirs) = &entry.constraint {
            points.push(point("the worker's where", demanded(theirs, &task.properties, "task")));
        }
        points.push(point("time", time(task, entry)));
    }
    points.push(point("checks", checks(task)));
    points.push(point("who may hire", clients(worker)));
    if task.review_by == Review::Person {
        let says = "review = \"person\": on the market a person judges the delivery; here the checks do";
        points.push(point("review", (Mark::Note, says.to_owned())));
    }
    if [task.rating_by, worker.rating_by].contains(&Review::Person) {
        let says = "rating = \"person\": on the market a person may rate; here the ratings are those derived";
        points.push(point("rating", (Mark::Note, says.to_owned())));
    }
    points
}

fn skill(worker: &Config, task: &Task, entry: Option<&SkillEntry>) -> (Mark, String) {
    match entry {
        Some(entry) if entry.path == task.skill => (Mark::Yes, format!("{} is offered", task.skill)),
        Some(entry) => (Mark::Yes, format!("{} is covered by {}", task.skill, entry.path)),
        None => {
            let offered: Vec<String> = worker.skills.iter().map(|serving| serving.entry.path.to_string()).collect();
            (Mark::No, format!("{} is not covered by what is offered: {}", task.skill, offered.join(", ")))
        }
    }
}

fn price(task: &Task, entry: &SkillEntry) -> (Mark, String) {
    let price = &entry.price;
    let Some(max) = &task.max else { return (Mark::Yes, format!("{price}; the task names no ceiling")) };
    match price.compare(max) {
        Some(Ordering::Greater) => (Mark::No, format!("{price} is above the task's ceiling of {max}")),
        Some(_) => (Mark::Yes, format!("{price}; the task's ceiling is {max}")),
        None => (Mark::No, format!("{price} cannot be compared with the task's ceiling of {max}; use the same unit")),
    }
}

fn constraint(task: &Task, entry: &SkillEntry) -> (Mark, String) {
    let Some(constraint) = &task.constraint else { return (Mark::Yes, "the task demands nothing".to_owned()) };
    demanded(constraint, &entry.properties, "worker")
}

/// What one side's constraint says to what the other, `whose`, says of itself.
fn demanded(constraint: &Constraint, properties: &Properties, whose: &str) -> (Mark, String) {
    match constraint.evaluate(properties) {
        Match::Yes => (Mark::Yes, format!("{constraint} holds")),
        Match::No(reasons) => (Mark::No, reasons.join("; ")),
        Match::Unknown(missing) => {
            let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
            let says =
                format!("{constraint}: not said by the {whose}: {}; say it in its `properties`", missing.join(", "));
            (Mark::Unknown, says)
        }
    }
}

fn time(task: &Task, entry: &SkillEntry) -> (Mark, String) {
    let (expect, done) = (entry.expect, task.done);
    if expect <= done {
        return (Mark::Yes, format!("{expect} expected; the task allows {done}"));
    }
    (Mark::Note, format!("{expect} expected and the task allows {done}: claimed all the same, and probably late"))
}

fn checks(task: &Task) -> (Mark, String) {
    let sealed = Sealed { salt: Default::default(), checks: task.sealed.clone() };
    if let Err(error) = task.checks.compile().and_then(|_| sealed.compile()) {
        return (Mark::No, format!("they cannot be run: {error}"));
    }
    let public = task.checks.asserts.len() + usize::from(task.checks.schema.is_some());
    if public + task.sealed.len() == 0 {
        return (Mark::Note, "none: any JSON would be accepted".to_owned());
    }
    (Mark::Yes, format!("{public} public and {} sealed, all can be run", task.sealed.len()))
}

fn clients(worker: &Config) -> (Mark, String) {
    match &worker.from {
        From::Anyone => (Mark::Yes, "anyone".to_owned()),
        From::Nobody => {
            let says = "as written it would serve nobody: say who with `from` in [serve]; for this trial anyone";
            (Mark::Note, says.to_owned())
        }
        From::Allowlist(agents) => {
            let count = agents.len();
            (Mark::Note, format!("as written only the {count} agents of its list; for this trial anyone"))
        }
    }
}
