//! `gigmesh reputation`: what this node thinks of an agent, in three columns: my view, the view through whom I have pinned,
//! what is on record. Also the short forms of them, for lists.

use gigmesh_protocol::market::Skill;
use gigmesh_protocol::peer::io::{NoView, RatingRow};
use gigmesh_protocol::reputation::{Basis, Changed, Columns, Criterion, Edition, Estimate, Facts, Trend, View};
use gigmesh_protocol::time::Timestamp;

use super::args::ReputationArgs;
use super::explain::explained_text;
use super::failure::{Exit, Failure};
use super::terminal::{Screen, Table, Tone, emit, emit_json, runnable, score, short, span, wrapped};
use crate::api::types::{Explanations, Reputation, ReputationParams};
use crate::limits::{EDITIONS_TOLD, QUOTE};

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
        text += &format!("which calls itself {}\n", name.quoted(QUOTE));
    }
    if let Some(edition) = edition(&view.edition) {
        text += &format!("and is now {edition}\n");
    }
    text += &view.changed.as_ref().map(|changed| wrapped(&change(changed), screen)).unwrap_or_default();
    let whole = "in all it did, as worker and as requester";
    let (at, columns) = match skill.map(|skill| (skill, view.skills.get(skill.as_str()))) {
        Some((skill, Some(columns))) if is_borrowed(columns) => {
            (format!("at {skill}, where nobody has judged it yet: by its other work"), columns)
        }
        Some((skill, Some(columns))) => (format!("at {skill}"), columns),
        _ => (whole.to_owned(), &view.overall),
    };
    text += &format!("\n{}\n", screen.paint(Tone::Heading, &at));
    text += &details(columns).render(screen);
    text += &legend(columns, view.no_view, skill.is_some(), *seeds, screen);

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
    let held = match skill {
        _ if !ratings.is_empty() => ratings.render(screen),
        Some(skill) => format!("no ratings of its work at {skill} held\n"),
        None => "no ratings held\n".to_owned(),
    };
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
    let trend = |Trend { slow, fast }: Trend| format!("{fast:.2}, in all {slow:.2}");
    lines.push(("lately", both(&|view| view.trend.map(trend))));
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
fn legend(columns: &Columns, no_view: Option<NoView>, at_skill: bool, seeds: usize, screen: &Screen) -> String {
    let mut words = Vec::new();
    if let Some(view) = columns.mine.as_ref().or(columns.pinned.as_ref()) {
        let Estimate { mean, low, high, .. } = &view.overall;
        words.push(format!(
            "{}: a score of {mean:.2} on a scale from 0 to 1 is expected; it lies between {low:.2} and {high:.2} nine times \
             in ten; and behind it is as much evidence as so many fresh hires of my own would be. Workers are chosen by the \
             lower end.",
            estimate(&view.overall)
        ));
        if let Some(Basis { here, wider, usual }) = view.basis.filter(|_| at_skill) {
            words.push(format!(
                "Of that, {:.0}% is what was found at this skill, {:.0}% is borrowed from its other work, and {:.0}% is \
                 what is usual here.",
                here * 100.0,
                wider * 100.0,
                usual * 100.0
            ));
        }
        if view.trend.is_some_and(|Trend { slow, fast }| fast < slow) {
            words.push("Lately it was worse than before: the lower of the two scores counts.".to_owned());
        }
    } else {
        words.push(runnable(why_no_view(no_view)));
    }
    if seeds == 0 && no_view != Some(NoView::NoHistory) {
        words.push(runnable("Nobody is pinned: `gigmesh trust add AGENT` adds the view through somebody you trust."));
    }
    words.iter().map(|words| quiet(words, screen)).collect()
}

/// What it means that there is no view: a newcomer and a viewer that has seen nothing are two things.
pub(super) fn why_no_view(why: Option<NoView>) -> &'static str {
    match why {
        Some(NoView::NoHistory) => {
            "No view yet, of this agent or of any other: this node has rated nobody and pinned nobody. Hire somebody and see for \
             yourself, or pin whom you trust with `gigmesh trust add AGENT`. What is on record is counted whoever says so, and \
             friends could have made it up: it is shown, and nobody is chosen by it."
        }
        Some(NoView::Newcomer) => {
            "No view yet: the agent is new. Nobody has rated it, as far as is known here, which is not bad; a task may keep a \
             share for newcomers, with `newcomers` under [choose]."
        }
        Some(NoView::NotAtThis) => {
            "No view of its work yet: it is known here as one that hires, and that says nothing of how it works."
        }
        Some(NoView::Strangers) | None => {
            "No view yet, which is not a bad one: the agent was rated, but by nobody whose word counts here. What is on record is \
             counted whoever says so, and friends could have made it up: it is shown, and nobody is chosen by it."
        }
    }
}

/// What an agent names of itself, in its own words.
fn edition(Edition { model, version }: &Edition) -> Option<String> {
    let model = model.as_ref().map(|model| format!("model {}", model.quoted(QUOTE)));
    let version = version.as_ref().map(|version| format!("version {}", version.quoted(QUOTE)));
    let parts: Vec<String> = model.into_iter().chain(version).collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// That what was rated is not what there is now.
fn change(Changed { now, ratings, earlier, before, since }: &Changed) -> String {
    let model = before.iter().any(|edition| edition.model != now.model);
    let named = |edition: &Edition| match (&edition.model, model) {
        (Some(name), true) => name.quoted(QUOTE),
        (None, true) => "one that was not named".to_owned(),
        (_, false) => {
            edition.version.as_ref().map_or_else(|| "one that was not named".to_owned(), |name| name.quoted(QUOTE))
        }
    };
    let mut names: Vec<String> =
        before.iter().filter(|edition| !model || edition.model != now.model).map(named).collect();
    names.dedup();
    let what = if model { "model" } else { "version" };
    let found = match (since.ratings, since.score) {
        (0, _) => "no ratings yet".to_owned(),
        (n, None) => format!("{}, none of them by anybody whose word counts here", times(n, "rating")),
        (n, Some(score)) if n == since.heard => {
            format!("{} by raters whose word counts here, {score:.2} on average", times(n, "rating"))
        }
        (n, Some(score)) => {
            format!(
                "{}, {} of them by raters whose word counts here, {score:.2} on average",
                times(n, "rating"),
                since.heard
            )
        }
    };
    let names = names.join(", ");
    format!("{earlier} of {} judged an earlier {what} ({names}); since the change: {found}.", times(*ratings, "rating"))
}

fn times(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// Whether there is a view, and nothing of it is of just what was asked for.
fn is_borrowed(columns: &Columns) -> bool {
    let views = || columns.mine.iter().chain(&columns.pinned);
    views().next().is_some() && views().all(|view| view.basis.is_some_and(|basis| basis.here == 0.0))
}

/// Sentences that stand back.
pub(super) fn quiet(words: &str, screen: &Screen) -> String {
    wrapped(words, screen).lines().map(|line| screen.paint(Tone::Quiet, line) + "\n").collect()
}

fn ratings(ratings: &[RatingRow]) -> Table {
    let headings = ["DAY", "BY", "SKILL", "ACCURACY", "QUALITY", "SPEED", "COMMUNICATION", "SIGNED BY", "JUDGED"];
    let mut table = Table::new(headings).yielding(["JUDGED", "SIGNED BY", "SKILL"]);
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
            (Tone::Quiet, if rating.worked { judged(&rating.edition) } else { "as requester".to_owned() }),
        ]);
    }
    table
}

/// What a rating judged, in short.
pub(super) fn judged(Edition { model, version }: &Edition) -> String {
    let said: Vec<String> = model.iter().chain(version).map(|name| name.quoted(QUOTE)).collect();
    if said.is_empty() { "-".to_owned() } else { said.join(" ") }
}

/// What a worker named over time, if it has changed: what was said of one may not hold for the next.
pub(super) fn editions<'a>(named: impl Iterator<Item = (u32, &'a Edition)>) -> Option<String> {
    let mut by_day: Vec<(u32, &Edition)> = named.filter(|(_, edition)| !edition.is_unknown()).collect();
    by_day.sort_unstable();
    by_day.dedup_by(|next, before| next.1 == before.1);
    let changes = by_day.len().checked_sub(1).filter(|changes| *changes > 0)?;
    let newest = by_day.iter().rev().take(EDITIONS_TOLD).rev();
    let told: Vec<String> =
        newest.map(|(since, edition)| format!("{} from {}", judged(edition), day(*since))).collect();
    let often = if changes == 1 { "once".to_owned() } else { format!("{changes} times") };
    Some(format!("What they judged has changed {often}: {}.", told.join(", ")))
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
    use gigmesh_protocol::reputation::Since;
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::terminal::{PIPE, columns};
    use crate::forged;

    fn three(mine: bool, pinned: bool) -> Value {
        let estimate = |mean: f64, n: f64| json!({ "mean": mean, "low": mean - 0.19, "high": mean + 0.08, "n": n });
        let view = json!({
            "overall": estimate(0.9, 12.3), "criteria": { "speed": estimate(0.5, 4.0) },
            "next": { "low": 0.8, "high": 1.0 }, "spread": 0.05, "expected": 0.93, "trend": { "slow": 0.9, "fast": 0.95 },
            "basis": { "here": 0.6, "wider": 0.3, "usual": 0.1 },
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
                "scores": { "speed": 1000, "quality": 612 }, "agreed": true, "worked": true, "version": "1.0",
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
            &["2024-10-04", "efefefef", "a/b", "-", "0.61", "1.00", "-", "both", "\"1.0\""],
            &["lately", "0.95, in all 0.90"],
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
    }

    #[test]
    fn at_a_skill_that_nobody_judged_it_is_said_what_is_borrowed() {
        let skill = "x/y".parse().unwrap();
        let mut seen = seen(three(true, true), 1);
        seen.view.skills.insert("x/y".to_owned(), seen.view.overall.clone());
        let told = text(&seen, Some(&skill), &PIPE).replace('\n', " ");
        assert!(told.contains(" at x/y  ") || told.contains(" at x/y "), "{told}");
        assert!(told.contains("60% is what was found at this skill, 30% is borrowed from its other work"), "{told}");
        let columns = seen.view.skills.get_mut("x/y").unwrap();
        for view in columns.mine.iter_mut().chain(&mut columns.pinned) {
            view.basis = Some(Basis { here: 0.0, wider: 0.9, usual: 0.1 });
        }
        let told = text(&seen, Some(&skill), &PIPE).replace('\n', " ");
        assert!(told.contains("at x/y, where nobody has judged it yet: by its other work"), "{told}");
    }

    #[test]
    fn a_viewer_without_history_is_told_another_thing_than_of_a_newcomer() {
        let told = |why: NoView| {
            let mut seen = seen(three(false, false), 0);
            seen.view.no_view = Some(why);
            text(&seen, None, &PIPE).replace('\n', " ")
        };
        assert!(told(NoView::NoHistory).contains("this node has rated nobody and pinned nobody"));
        assert!(told(NoView::Newcomer).contains("the agent is new"));
        assert!(told(NoView::Strangers).contains("by nobody whose word counts here"));
        assert!(told(NoView::NotAtThis).contains("known here as one that hires"));
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
        let now = |model: &str, version: &str| json!({ "model": model, "version": version });
        let mut seen = seen(three(true, false), 0);
        let mut changed = json!({
            "now": now("m-2", "1.1"), "ratings": 5, "earlier": 3, "before": [now("m-1", "1.1"), now("m-1", "1.0")],
            "since": { "ratings": 2, "heard": 1, "score": 0.934 },
        });
        seen.view.edition = serde_json::from_value(now("m-2", "1.1")).unwrap();
        seen.view.changed = serde_json::from_value(changed.clone()).unwrap();
        let told = text(&seen, None, &PIPE).replace('\n', " ");
        for words in [
            "and is now model \"m-2\", version \"1.1\"",
            "3 of 5 ratings judged an earlier model (\"m-1\"); since the change: 2 ratings, 1 of them by raters whose word counts \
             here, 0.93 on average.",
        ] {
            assert!(told.contains(words), "{words} is not in\n{told}");
        }
        changed["before"] = json!([now("m-2", "1.0")]);
        changed["since"] = json!({ "ratings": 0, "heard": 0 });
        seen.view.changed = serde_json::from_value(changed).unwrap();
        let told = text(&seen, None, &PIPE).replace('\n', " ");
        let words = "3 of 5 ratings judged an earlier version (\"1.0\"); since the change: no ratings yet.";
        assert!(told.contains(words), "{told}");
    }

    #[test]
    fn what_was_judged_over_time_is_told_newest_last() {
        let of = |model: &str| Edition { model: Some(model.into()), version: Some("1".into()) };
        let (one, two, unknown) = (of("m-1"), of("m-2"), Edition::default());
        let told = [(3, &two), (1, &one), (2, &unknown), (2, &one), (4, &two)];
        let expected =
            "What they judged has changed once: \"m-1\" \"1\" from 1970-01-02, \"m-2\" \"1\" from 1970-01-04.";
        assert_eq!(editions(told.into_iter()).unwrap(), expected);
        assert_eq!(editions([(1, &one), (2, &one)].into_iter()), None);
        let many = ["a", "b", "c", "d", "e"].map(of);
        let told = editions(many.iter().zip(0..).map(|(edition, day)| (day, edition))).unwrap();
        assert!(told.contains("changed 4 times: \"c\" \"1\" from "), "{told}");
    }

    #[test]
    fn what_agents_call_themselves_is_quoted() {
        let edition = Edition { model: Some(forged::words()), version: Some(forged::words()) };
        forged::assert_quoted(&judged(&edition), 2);
        forged::assert_quoted(&super::edition(&edition).unwrap(), 2);
        let other = Edition { model: Some("m".into()), version: None };
        let since = Since { ratings: 0, heard: 0, score: None };
        let changed = Changed { now: other.clone(), ratings: 1, earlier: 1, before: vec![edition.clone()], since };
        forged::assert_quoted(&change(&changed), 1);
        forged::assert_quoted(&editions([(1, &edition), (2, &other)].into_iter()).unwrap(), 2);
    }
}
