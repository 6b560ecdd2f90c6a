//! Why a score is what it is, for people: a sum that can be added up by hand, who is behind each part, and how the viewer
//! comes to know them.

use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::reputation::Aspect;
use gigmesh_protocol::reputation::explain::{Explained, LevelShare, RaterShare, RatingShare, Way};

use super::reputation::{day, editions, named, quiet};
use super::terminal::{Screen, Tone, short, wrapped};
use crate::limits::EXPLAINED;

/// Why `column` says what it says.
pub(super) fn explained_text(column: &str, explained: Option<&Explained>, screen: &Screen) -> String {
    let Some(explained) = explained else {
        return wrapped(&format!("why {column} says nothing: nobody whose word counts there has rated it"), screen);
    };
    let raters = explained.raters.iter().take(EXPLAINED);
    let rest: f64 = explained.raters.iter().skip(EXPLAINED).map(|rater| rater.contribution).sum();
    let rest = rest + explained.others;
    let parts = std::iter::once(explained.prior).chain(raters.clone().map(|rater| rater.contribution)).chain([rest]);
    let (parts, whole) = thousandths(parts);

    let aspect = match explained.aspect {
        Aspect::Overall => "overall",
        Aspect::Of(criterion) => named(criterion),
    };
    let at = explained.skill.as_ref().map(|skill| format!(" at {skill}")).unwrap_or_default();
    let title = format!("why {column}{at}, {aspect}, is {}, as of {}", plain(whole), day(explained.day));
    let mut text = format!("{}\n", screen.paint(Tone::Heading, &title));
    let mut parts = parts.into_iter();
    let mut line = |sign: &str, what: &str| {
        let part = parts.next().unwrap_or_default();
        let sign = if sign.is_empty() { if part < 0 { "-" } else { "+" } } else { sign };
        text_line(sign, &plain(part.abs()), what)
    };
    text += &line(" ", "what there would be to expect without these ratings:");
    explained.levels.iter().for_each(|level| text += &below(&level_text(level)));
    for rater in raters {
        text += &line("", &rater_text(rater, &explained.viewer));
        text += &below(&hires(&rater.ratings));
        rater.paths.iter().for_each(|way| text += &below(&path(way, &explained.viewer)));
    }
    if rest != 0.0 || explained.raters.len() > EXPLAINED {
        let more = explained.raters.len().saturating_sub(EXPLAINED);
        let who = if more > 0 {
            format!("{more} more raters and all others; --json names more")
        } else {
            "all others".to_owned()
        };
        text += &line("", &who);
    }
    text += &text_line("=", &plain(whole), &format!("of which {:.3} is sure, nineteen times in twenty", explained.low));
    if explained.guarded {
        text += &wrapped("Its last weeks were worse than before: the lower score of the two counts.", screen);
    }
    let ratings = explained.raters.iter().flat_map(|rater| &rater.ratings);
    if let Some(changed) = editions(ratings.map(|rating| (rating.day, &rating.edition))) {
        text += &wrapped(&changed, screen);
    }
    let exact = format!("All weights together are off by at most {:.0e}.", explained.certificate);
    text + &quiet(&exact, screen)
}

fn text_line(sign: &str, number: &str, what: &str) -> String {
    format!("{sign} {number}  {what}\n")
}

fn below(what: &str) -> String {
    format!("           {what}\n")
}

/// Rounded so that they still add up: what one loses, the next gains. With them what they add up to.
fn thousandths(parts: impl Iterator<Item = f64>) -> (Vec<i64>, i64) {
    let (mut sum, mut told) = (0.0, 0);
    let parts = parts.map(|part| {
        sum += part;
        let rounded = (sum * 1000.0).round() as i64;
        rounded - std::mem::replace(&mut told, rounded)
    });
    let parts: Vec<i64> = parts.collect();
    let whole = parts.iter().sum();
    (parts, whole)
}

fn plain(thousandths: i64) -> String {
    format!("{}.{:03}", thousandths / 1000, thousandths % 1000)
}

fn level_text(LevelShare { skill, network, mean, evidence }: &LevelShare) -> String {
    match (network, skill) {
        (true, _) => format!("{mean:.3} is what is usual here"),
        (false, None) => format!("{mean:.3} with what else it did ({evidence:.1} of evidence)"),
        (false, Some(skill)) => format!("{mean:.3} with what else it did at {skill} ({evidence:.1} of evidence)"),
    }
}

fn rater_text(rater: &RaterShare, viewer: &AgentId) -> String {
    match rater.rater == *viewer {
        true => "my own experience".to_owned(),
        false => format!("{}, whose word counts {:.2} of mine", short(Some(rater.rater)), rater.weight),
    }
}

/// The hires of one rater: how many, and how much of their weight time has left.
fn hires(ratings: &[RatingShare]) -> String {
    let left = |rating: &RatingShare| rating.x * rating.decay_good + (1.0 - rating.x) * rating.decay_bad;
    let whole: f64 = ratings.iter().map(|rating| rating.pair).sum();
    let left: f64 = ratings.iter().map(|rating| rating.pair * left(rating)).sum();
    let newest = ratings.iter().map(|rating| rating.day).max().unwrap_or_default();
    let left = if whole > 0.0 { 100.0 * left / whole } else { 0.0 };
    let count = if ratings.len() == 1 { "1 hire".to_owned() } else { format!("{} hires", ratings.len()) };
    format!("{count}, the newest of {}; time has left {left:.0}% of their weight", day(newest))
}

/// How the walk comes to somebody, drawn: from me, or from a seed of mine, with the middle of a long way left out.
fn path(way: &Way, viewer: &AgentId) -> String {
    let name = |at: usize, agent: &AgentId| match (at, agent == viewer) {
        (_, true) => "me".to_owned(),
        (0, false) => format!("my seed {}", short(Some(*agent))),
        (_, false) => short(Some(*agent)),
    };
    let mut steps: Vec<String> = way.agents.iter().enumerate().map(|(at, agent)| name(at, agent)).collect();
    if steps.len() > 5 {
        let between = steps.len() - 4;
        steps.splice(2..2 + between, [format!("({between} more)")]);
    }
    format!("{:>5.2}% of the walk: {}", way.share * 100.0, steps.join(" -> "))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::cli::terminal::{PIPE, columns};

    const ME: &str = "00";

    fn rater(id: &str, contribution: f64, ways: &[&[&str]]) -> Value {
        let agent = |id: &str| id.repeat(32);
        let way =
            |way: &&[&str]| json!({ "agents": way.iter().map(|id| agent(id)).collect::<Vec<_>>(), "share": 0.105 });
        let rating = |day: u32, model: &str| {
            json!({
                "hire": agent("cc"), "rating": agent("dd"), "skill": "a/b", "day": day, "model": model, "x": 1.0,
                "pair": 1.0, "decay_good": 0.9, "decay_bad": 0.95, "contribution": contribution / 2.0,
            })
        };
        json!({
            "rater": agent(id), "mass": 0.1, "weight": 0.831, "evidence": 1.5, "contribution": contribution,
            "ratings": [rating(20_001, "m-2"), rating(20_000, "m-1")], "paths": ways.iter().map(way).collect::<Vec<_>>(),
        })
    }

    fn explained(raters: Vec<Value>, others: f64) -> Explained {
        let sum: f64 = raters.iter().map(|rater| rater["contribution"].as_f64().unwrap()).sum();
        let levels = json!([
            { "skill": null, "network": true, "mean": 0.6, "evidence": 0.0 },
            { "skill": "a", "network": false, "mean": 0.6004, "evidence": 2.0 },
        ]);
        let explained = json!({
            "viewer": ME.repeat(32), "subject": "ff".repeat(32), "skill": "a/b", "aspect": "overall", "day": 20_002,
            "score": 0.6004 + sum + others, "low": 0.5, "prior": 0.6004, "levels": levels, "guarded": true,
            "raters": raters, "others": others, "certificate": 3.2e-10,
        });
        serde_json::from_value(explained).unwrap()
    }

    #[test]
    fn a_reason_is_a_sum_with_who_is_behind_each_part_and_how_they_are_known() {
        let long: &[&str] = &[ME, "11", "22", "33", "44", "55", "aa"];
        let raters = vec![rater(ME, 0.2004, &[]), rater("aa", -0.0504, &[&["11", "aa"], &[ME, "aa"], long])];
        let text = explained_text("my view", Some(&explained(raters, 0.0004)), &PIPE);
        let expected = "\
why my view at a/b, overall, is 0.751, as of 2024-10-06
  0.600  what there would be to expect without these ratings:
           0.600 is what is usual here
           0.600 with what else it did at a (2.0 of evidence)
+ 0.201  my own experience
           2 hires, the newest of 2024-10-05; time has left 90% of their weight
- 0.051  aaaaaaaa, whose word counts 0.83 of mine
           2 hires, the newest of 2024-10-05; time has left 90% of their weight
           10.50% of the walk: my seed 11111111 -> aaaaaaaa
           10.50% of the walk: me -> aaaaaaaa
           10.50% of the walk: me -> 11111111 -> (3 more) -> 55555555 -> aaaaaaaa
+ 0.001  all others
= 0.751  of which 0.500 is sure, nineteen times in twenty
Its last weeks were worse than before: the lower score of the two counts.
What they judged has changed once: \"m-1\" from 2024-10-04, \"m-2\" from 2024-10-05.
All weights together are off by at most 3e-10.
";
        assert_eq!(text, expected);
    }

    #[test]
    fn what_is_printed_adds_up_whatever_is_rounded_and_fits() {
        let ids = ["a1", "a2", "a3", "a4", "a5", "a6", "a7"];
        let raters: Vec<Value> = ids.iter().map(|id| rater(id, 0.0304, &[&[ME, "11", id]])).collect();
        let explained = explained(raters, -0.0123);
        let text = explained_text("my view", Some(&explained), &columns(80));
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        let mut sum = 0.0;
        for line in text.lines() {
            let (sign, rest) = line.split_at(1);
            let number = || rest.trim_start().split(' ').next().unwrap().parse::<f64>().unwrap();
            match sign {
                "+" => sum += number(),
                "-" => sum -= number(),
                "=" => assert!((number() - sum).abs() < 1e-9 && (number() - explained.score).abs() <= 0.0005, "{text}"),
                _ if line.starts_with("  0") => sum += number(),
                _ => {}
            }
        }
        assert_eq!(text.matches("whose word counts").count(), EXPLAINED, "the rest is one line: {text}");
        assert!(text.contains("2 more raters and all others"), "{text}");
        assert!(explained_text("my view", None, &PIPE).contains("says nothing"));
    }
}
