//! Would this worker claim this task? The brain's objections, and what nothing speaks against, point by point.
//!
//! An explanation, no decision: that is the brain's, whose word the report has too.

use std::fmt::Display;

use gigmesh_protocol::hire::Side;
use gigmesh_protocol::hire::task::{Review, Task};
use gigmesh_protocol::market::SkillEntry;
use gigmesh_protocol::market::constraint::{Constraint, Match};
use gigmesh_protocol::peer::Objection;
use gigmesh_protocol::peer::io::{Config, From};
use serde::Serialize;

use crate::words;

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

/// The points for this worker and this task: what its brain says to the task's offer, beside what suits.
pub(super) fn of(worker: &Config, task: &Task, objections: &[Objection]) -> Vec<Point> {
    let mut points: Vec<Point> = suits(worker, task)
        .into_iter()
        .map(|(about, (mark, says))| match objections.iter().find(|objection| self::about(objection) == about) {
            Some(objection) => against(worker, task, objection),
            None => Point { about, mark, says },
        })
        .collect();
    for objection in objections {
        if !points.iter().any(|point| point.about == about(objection)) {
            points.push(against(worker, task, objection));
        }
    }
    points
}

/// What a point would say if nothing spoke against it, and what is worth knowing besides.
fn suits(worker: &Config, task: &Task) -> Vec<(&'static str, (Mark, String))> {
    let covering = worker.skills.iter().map(|serving| &serving.entry).filter(|entry| entry.path.covers(&task.skill));
    // The most specific does it, as in the brain.
    let entry = covering.max_by_key(|entry| entry.path.as_str().len());
    let yes = |says: String| (Mark::Yes, says);
    let mut points = vec![("skill", yes(entry.map_or_else(String::new, |entry| skill(task, entry))))];
    if let Some(entry) = entry {
        points.push(("price", yes(price(task, entry))));
        let holds = |constraint: &Constraint| format!("{constraint} holds");
        let demand = task.constraint.as_ref().map_or_else(|| "the task demands nothing".to_owned(), holds);
        points.push(("where", yes(demand)));
        points.extend(entry.constraint.as_ref().map(|theirs| ("the worker's where", yes(holds(theirs)))));
        points.push(("time", time(task, entry)));
    }
    points.push(("checks", checks(task)));
    points.push(("who may hire", clients(worker)));
    let mut note = |about, says: &str| points.push((about, (Mark::Note, says.to_owned())));
    if task.review_by == Review::Person {
        note("review", "review = \"person\": on the market a person judges the delivery; here the checks do");
    }
    if [task.rating_by, worker.rating_by].contains(&Review::Person) {
        note("rating", "rating = \"person\": on the market a person may rate; here the ratings are those derived");
    }
    points
}

/// Which point an objection is made at.
fn about(objection: &Objection) -> &'static str {
    match objection {
        Objection::Skill => "skill",
        Objection::Price { .. } => "price",
        Objection::Unmet { by: Side::Requester, .. } => "where",
        Objection::Unmet { by: Side::Worker, .. } => "the worker's where",
        Objection::Checks => "checks",
        Objection::Own | Objection::NotServed => "who may hire",
        Objection::MyDispute | Objection::Arbiter(_) | Objection::NoConsent | Objection::CaseChecks => "arbiter",
        Objection::Credit { .. } => "credit",
        Objection::Over | Objection::Claimed | Objection::TurnedDown | Objection::Early { .. } => "offer",
    }
}

/// The point that an objection makes.
fn against(worker: &Config, task: &Task, objection: &Objection) -> Point {
    let about = about(objection);
    let (mark, says) = match objection {
        Objection::Skill => {
            let offered = listed(worker.skills.iter().map(|serving| &serving.entry.path));
            (Mark::No, format!("{} is not covered by what is offered: {offered}", task.skill))
        }
        // A trial leaves out who may hire and who decides disputes.
        Objection::NotServed => clients(worker),
        Objection::Arbiter(_) => (Mark::Note, format!("{}; in this trial there is none", words::objection(objection))),
        Objection::Unmet { found: Match::Unknown(_), .. } => (Mark::Unknown, words::objection(objection)),
        _ => (Mark::No, words::objection(objection)),
    };
    Point { about, mark, says }
}

fn listed(items: impl Iterator<Item = impl Display>) -> String {
    items.map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

fn skill(task: &Task, entry: &SkillEntry) -> String {
    match entry.path == task.skill {
        true => format!("{} is offered", task.skill),
        false => format!("{} is covered by {}", task.skill, entry.path),
    }
}

fn price(task: &Task, entry: &SkillEntry) -> String {
    match &task.max {
        Some(max) => format!("{}; the task's ceiling is {max}", entry.price),
        None => format!("{}; the task names no ceiling", entry.price),
    }
}

fn time(task: &Task, entry: &SkillEntry) -> (Mark, String) {
    let (expect, done) = (entry.expect, task.done);
    if expect <= done {
        return (Mark::Yes, format!("{expect} expected; the task allows {done}"));
    }
    (Mark::Note, format!("{expect} expected and the task allows {done}: claimed all the same, and probably late"))
}

/// They compile: the file was refused otherwise.
fn checks(task: &Task) -> (Mark, String) {
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
