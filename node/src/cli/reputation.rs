//! `gigmesh reputation`: what this node thinks of an agent, in three columns: my view, the view through whom I have pinned,
//! what is on record. Also the short forms of them, for lists.

use gigmesh_protocol::market::Skill;
use gigmesh_protocol::peer::io::RatingRow;
use gigmesh_protocol::reputation::{Columns, Criterion, Estimate, Facts, View};
use gigmesh_protocol::time::Timestamp;

use super::args::ReputationArgs;
use super::explain::explained_text;
use super::failure::{Exit, Failure};
use super::terminal::{Screen, Table, Tone, emit, emit_json, score, short, span, theirs, wrapped};
use crate::api::types::{Explanations, Reputation, ReputationParams};
use crate::limits::MODELS_TOLD;

const NO_VIEW: &str = "no view yet";

/// `gigmesh reputation`.
pub(super) async fn reputation(args: ReputationArgs) -> Result<Exit, Failure> {
    let ReputationArgs { agent, skill, explain, door } = args;
    let explain = explain.and_then(|aspect| serde_json::to_value(aspect).ok()?.as_str().map(str::to_owned));
    let params = ReputationParams { skill: skill.as_ref().map(ToString::to_string), explain };
    let seen: Reputation = door.client()?.get_with(&format!("/v1/reputation/{agent}"), &params).await?;
    if door.json {
        emit_json(&seen)?;
    } else {
        emit(&text(&seen, skill.as_ref(), &Screen::stdout()))?;
    }
    Ok(Exit::Done)
}

/// A view in a list: what to expect, and the end that is chosen by.
pub(super) fn brief(view: Option<&View>) -> String {
    view.map_or_else(
        || NO_VIEW.to_owned(),
        |View { overall: Estimate { mean, low, .. }, .. }| format!("{mean:.2} (>{low:.2})"),
    )
}

/// How many hires were accepted, of how many that both sides have closed.
pub(super) fn in_brief(Facts { hires, accepted, .. }: &Facts) -> String {
    if *hires == 0 { "none".to_owned() } else { format!("{accepted} of {hires}") }
}

fn text(seen: &Reputation, skill: Option<&Skill>, screen: &Screen) -> String {
    let Reputation { view, seeds, explained } = seen;
    let mut text = format!("agent {}\n", view.agent);
    if let Some(name) = &view.name {
        text += &format!("which calls itself {}\n", theirs(name));
    }
    let whole = "in all it did, as worker and as requester";
    let (at, columns) = match skill.map(|skill| (skill, view.skills.get(skill.as_str()))) {
        None => (whole.to_owned(), &view.overall),
        Some((skill, Some(columns))) => (format!("at {skill}"), columns),
        Some((skill, None)) => (format!("no rating is of just {skill}; {whole}"), &view.overall),
    };
    text += &format!("\n{}\n", screen.paint(Tone::Heading, &at));
    text += &details(columns).render(screen);
    text += &legend(columns, *seeds, screen);

    let mut table = Table::new(["SKILL", "MY VIEW", "MY SEEDS' VIEW", "HIRES ACCEPTED"]);
    for (path, Columns { mine, pinned, facts }) in &view.skills {
        if skill.is_none_or(|skill| skill.as_str() != path) {
            let cells = [path.clone(), brief(mine.as_ref()), brief(pinned.as_ref()), in_brief(facts)];
            table.row(cells.map(|cell| (Tone::Plain, cell)));
        }
    }
    if !table.is_empty() {
        text += &format!("\n{}", table.render(screen));
    }
    if let Some(Explanations { mine, pinned }) = explained {
        text += &format!("\n{}", explained_text("my view", mine.as_ref(), screen));
        if *seeds > 0 {
            text += &format!("\n{}", explained_text("my seeds' view", pinned.as_ref(), screen));
        }
    }
    let ratings = ratings(&view.ratings);
    let held = if ratings.is_empty() { "no ratings held\n".to_owned() } else { ratings.render(screen) };
    text + "\n" + &held
}

/// One opinion whole: a line for each thing that is known, in three columns.
fn details(Columns { mine, pinned, facts }: &Columns) -> Table {
    let (mine, pinned) = (mine.as_ref(), pinned.as_ref());
    let both =
        |say: &dyn Fn(&View) -> Option<String>| [mine, pinned].map(|view| view.and_then(say).unwrap_or_default());
    let whole = |view: Option<&View>| view.map_or_else(|| NO_VIEW.to_owned(), |view| estimate(&view.overall));
    let mut lines = vec![("overall", [whole(mine), whole(pinned)])];
    for criterion in Criterion::ALL {
        lines.push((named(criterion), both(&|view| view.criteria.get(&criterion).map(estimate))));
    }
    lines.push(("next rating", both(&|view| view.next.map(|next| format!("{:.2} to {:.2}", next.low, next.high)))));
    lines.push(("I would rate", both(&|view| view.expected.map(|expected| format!("{expected:.2}")))));
    lines.push(("ratings lie", both(&|view| view.spread.map(|spread| format!("{spread:.2} apart")))));
    lines.retain(|(_, cells)| cells.iter().any(|cell| !cell.is_empty()));

    let facts = record(facts);
    let mut table = Table::new(["", "MY VIEW", "MY SEEDS' VIEW", "ON RECORD"]);
    for line in 0..lines.len().max(facts.len()) {
        let (name, [mine, pinned]) = lines.get(line).cloned().unwrap_or_default();
        let fact = facts.get(line).cloned().unwrap_or_default();
        let cells = [name.to_owned(), mine, pinned, fact];
        table.row(cells.map(|cell| (if line == 0 { Tone::Heading } else { Tone::Plain }, cell)));
    }
    table
}

/// What to expect, where it lies nine times in ten, and how much evidence is behind it.
fn estimate(Estimate { mean, low, high, n }: &Estimate) -> String {
    let n = if *n < 9.95 { format!("{n:.1}") } else { format!("{n:.0}") };
    format!("{mean:.2} ({low:.2}-{high:.2}) of {n}")
}

fn record(Facts { hires, accepted, counterparties, median_took }: &Facts) -> Vec<String> {
    if *hires == 0 {
        return vec!["no hires".to_owned()];
    }
    let others = if *counterparties == 1 { "1 other".to_owned() } else { format!("{counterparties} others") };
    let took = median_took.map(|took| format!("median {}", span(took)));
    [format!("{accepted} of {hires} accepted"), format!("with {others}")].into_iter().chain(took).collect()
}

/// How to read it, in a few lines.
fn legend(Columns { mine, pinned, .. }: &Columns, seeds: usize, screen: &Screen) -> String {
    let mut words = Vec::new();
    if let Some(view) = mine.as_ref().or(pinned.as_ref()) {
        let Estimate { mean, low, high, .. } = &view.overall;
        words.push(format!(
            "{}: a score of {mean:.2} on a scale from 0 to 1 is expected; it lies between {low:.2} and {high:.2} nine times \
             in ten; and behind it is as much evidence as so many fresh hires of my own would be. Workers are chosen by the \
             lower end.",
            estimate(&view.overall)
        ));
    } else {
        words.push(
            "No view yet is not a bad one: nobody whose word counts here has rated it. What is on record is counted whoever \
             says so, and friends could have made it up: it is shown, and nobody is chosen by it."
                .to_owned(),
        );
    }
    if seeds == 0 {
        words.push("Nobody is pinned: `gigmesh trust add AGENT` adds the view through somebody you trust.".to_owned());
    }
    words.iter().map(|words| quiet(words, screen)).collect()
}

/// Sentences that stand back.
pub(super) fn quiet(words: &str, screen: &Screen) -> String {
    wrapped(words, screen).lines().map(|line| screen.paint(Tone::Quiet, line) + "\n").collect()
}

fn ratings(ratings: &[RatingRow]) -> Table {
    let headings = ["DAY", "BY", "SKILL", "ACCURACY", "QUALITY", "SPEED", "COMMUNICATION", "SIGNED BY"];
    let mut table = Table::new(headings).yielding(["SIGNED BY", "SKILL"]);
    for rating in ratings {
        let given = |given: Option<u16>| (Tone::Plain, given.map_or_else(|| "-".to_owned(), score));
        table.row([
            (Tone::Plain, day(rating.day)),
            (Tone::Plain, short(Some(rating.by))),
            (Tone::Plain, rating.skill.to_string()),
            given(rating.scores.accuracy),
            given(rating.scores.quality),
            given(rating.scores.speed),
            given(rating.scores.communication),
            (Tone::Quiet, if rating.agreed { "both" } else { "one side" }.to_owned()),
        ]);
    }
    table
}

/// The models that a worker named over time, if it has changed: what was said of one may not hold for the next.
pub(super) fn models<'a>(named: impl Iterator<Item = (u32, Option<&'a str>)>) -> Option<String> {
    let mut by_day: Vec<(u32, &str)> = named.filter_map(|(day, model)| Some((day, model?))).collect();
    by_day.sort_unstable();
    by_day.dedup_by(|next, before| next.1 == before.1);
    let before = by_day.len().checked_sub(1).filter(|changes| *changes > 0)?;
    let newest = by_day.iter().rev().take(MODELS_TOLD).rev();
    let told: Vec<String> = newest.map(|(since, model)| format!("{} from {}", theirs(model), day(*since))).collect();
    let times = if before == 1 { "once".to_owned() } else { format!("{before} times") };
    Some(format!("Its model has changed {times} in these ratings: {}.", told.join(", ")))
}

pub(super) fn named(criterion: Criterion) -> &'static str {
    match criterion {
        Criterion::Accuracy => "accuracy",
        Criterion::Quality => "quality",
        Criterion::Speed => "speed",
        Criterion::Communication => "communication",
    }
}

/// A UTC day as a date.
pub(super) fn day(days: u32) -> String {
    Timestamp(u64::from(days) * 86_400_000).to_string().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::terminal::{PIPE, columns};

    fn three(mine: bool, pinned: bool) -> Value {
        let estimate = |mean: f64, n: f64| json!({ "mean": mean, "low": mean - 0.19, "high": mean + 0.08, "n": n });
        let view = json!({
            "overall": estimate(0.9, 12.3), "criteria": { "speed": estimate(0.5, 4.0) },
            "next": { "low": 0.8, "high": 1.0 }, "spread": 0.05, "expected": 0.93,
        });
        let column = |seen: bool| if seen { view.clone() } else { Value::Null };
        let facts = json!({ "hires": 6, "accepted": 5, "counterparties": 3, "median_took": 12_000 });
        json!({ "mine": column(mine), "pinned": column(pinned), "facts": facts })
    }

    fn seen(overall: Value, seeds: usize) -> Reputation {
        let seen = json!({
            "agent": "ab".repeat(32), "name": "desk\u{1b}[2J", "overall": overall, "seeds": seeds,
            "skills": { "a/b": three(false, true), "c": three(true, false) },
            "ratings": [{
                "hire": "cd".repeat(32), "by": "ef".repeat(32), "skill": "a/b", "day": 20_000,
                "scores": { "speed": 1000, "quality": 612 }, "agreed": true,
            }],
        });
        serde_json::from_value(seen).unwrap()
    }

    #[test]
    fn reputation_is_shown_in_three_columns_with_what_is_behind_it() {
        let expected = r#"agent abababababababababababababababababababababababababababababababab
which calls itself "desk\u{1b}[2J"

in all it did, as worker and as requester
               MY VIEW                MY SEEDS' VIEW  ON RECORD
overall        0.90 (0.71-0.98) of 12  no view yet     5 of 6 accepted
"#;
        let text = text(&seen(three(true, false), 1), None, &PIPE);
        let rows: Vec<Vec<&str>> = text
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        let first: Vec<Vec<&str>> = expected
            .lines()
            .map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect())
            .collect();
        assert_eq!(rows[..first.len()], first);
        for row in [
            &["speed", "0.50 (0.31-0.58) of 4.0", "with 3 others"][..],
            &["next rating", "0.80 to 1.00", "median 12s"],
            &["I would rate", "0.93"],
            &["ratings lie", "0.05 apart"],
            &["a/b", "no view yet", "0.90 (>0.71)", "5 of 6"],
            &["c", "0.90 (>0.71)", "no view yet", "5 of 6"],
            &["2024-10-04", "efefefef", "a/b", "-", "0.61", "1.00", "-", "both"],
        ] {
            assert!(rows.iter().any(|shown| shown == row), "{row:?} is not in\n{text}");
        }
    }

    #[test]
    fn without_history_it_says_no_view_yet_and_what_to_do_about_it() {
        let told = text(&seen(three(false, false), 0), None, &PIPE);
        assert!(told.contains("overall  no view yet  no view yet     5 of 6 accepted\n"), "{told}");
        assert!(told.contains("`gigmesh trust add AGENT`"), "{told}");
        let told = text(&seen(three(false, true), 1), Some(&"a/b".parse().unwrap()), &PIPE);
        assert!(told.contains("\nat a/b\n") && told.contains("0.90 (0.71-0.98) of 12"), "{told}");
        assert!(!told.contains("trust add"), "{told}");
        let told = text(&seen(three(false, true), 1), Some(&"x/y".parse().unwrap()), &PIPE);
        assert!(told.contains("\nno rating is of just x/y; in all it did, as worker and as requester\n"), "{told}");
    }

    #[test]
    fn it_fits_the_terminal() {
        for (width, seeds) in [(60, 0), (80, 1), (120, 1)] {
            let text = text(&seen(three(true, true), seeds), None, &columns(width));
            // The id is never cut.
            let long = text.lines().skip(1).find(|line| line.chars().count() > width);
            assert_eq!(long, None, "{text}");
            for words in ["MY VIEW", "MY SEEDS", "ON RECORD"] {
                assert!(width < 80 || text.contains(words), "{words} is not in\n{text}");
            }
            assert!(width < 80 || !text.contains('…'), "{text}");
        }
    }

    #[test]
    fn a_changed_model_shows() {
        let told = [(3, Some("m-2")), (1, Some("m-1")), (2, None), (2, Some("m-1")), (4, Some("m-2"))];
        let expected = "Its model has changed once in these ratings: \"m-1\" from 1970-01-02, \"m-2\" from 1970-01-04.";
        assert_eq!(models(told.into_iter()).unwrap(), expected);
        assert_eq!(models([(1, Some("m-1")), (2, Some("m-1"))].into_iter()), None);
        let many = ["a", "b", "c", "d", "e"].into_iter().zip(0..).map(|(model, day)| (day, Some(model)));
        assert!(models(many).unwrap().contains("changed 4 times in these ratings: \"c\" from "));
    }
}
