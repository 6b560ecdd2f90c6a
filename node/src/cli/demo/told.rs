//! The report as text: tables that fit the terminal, and what can be done next.

use std::path::Path;

use gigmesh_protocol::market::price::{Amount, Price};
use gigmesh_protocol::reputation::{Facts, View};

use super::board::Desk;
use super::cast;
use super::report::{HireEnd, Report};
use crate::cli::terminal::{Screen, Table, Tone, short};
use crate::limits::QUOTE;
use crate::words;

/// All of it. `left`: the directory, if it is still there; `stays`: whether the market still runs.
pub(super) fn text(report: &Report, screen: &Screen, good: bool, left: Option<&Path>, stays: bool) -> String {
    let mut text = String::new();
    let mut part = |heading: &str, table: &Table| {
        if !table.is_empty() {
            text.push_str(&format!("\n{}\n{}", screen.paint(Tone::Heading, heading), table.render(screen)));
        }
    };
    for Desk { name, .. } in &report.desks {
        let hires = || report.hires.iter().filter(|hire| hire.requester == *name);
        part(&format!("what {name} has had done"), &done(hires()));
        part("and why by whom", &chosen(hires()));
    }
    part("the workers", &workers(report));
    part("their reputation: the mean, and the interval it lies in 9 times out of 10", &reputation(report));
    for hire in report.hires.iter().filter(|hire| !hire.failed.is_empty()) {
        let HireEnd { worker, task, failed, checks, .. } = hire;
        part(&format!("what {worker} did wrong in {task}: {} of {checks} checks failed", failed.len()), &wrong(hire));
    }
    let took = report.took.as_secs_f64();
    if good {
        let tasks = report.hires.iter().filter(|hire| hire.posting == 1).count();
        let line = format!("all {tasks} tasks are accepted and rated by both sides, after {took:.1} s");
        text.push_str(&format!("\n{}\n", screen.paint(Tone::Good, &line)));
    }
    text.push_str(&match left {
        Some(_) if stays => staying(report),
        Some(dir) => kept(report, dir),
        None => "every process is stopped and its data removed\n`gigmesh demo --keep` leaves it to look at, \
                 `gigmesh demo --stay` leaves the market running\n"
            .to_owned(),
    });
    text
}

fn amount(price: Option<&Price>) -> String {
    price.map_or_else(String::new, |price| price.amount().to_string())
}

fn done<'a>(hires: impl Iterator<Item = &'a HireEnd>) -> Table {
    let mut table = Table::new(["TASK", "WORKER", "PRICE", "TIME", "OUTCOME", "RESULT"]);
    for hire in hires {
        let result = match (&hire.fact, hire.failed.len()) {
            (_, failed @ 1..) => format!("{failed} checks failed"),
            (fact, 0) => fact.clone().unwrap_or_default(),
        };
        table.row([
            (Tone::Plain, hire.task.to_owned()),
            (Tone::Plain, hire.worker.to_owned()),
            (Tone::Plain, amount(hire.price.as_ref())),
            (Tone::Quiet, format!("{:.1}s", hire.took_ms as f64 / 1000.0)),
            (hire.tone, hire.outcome.clone()),
            (Tone::Plain, result),
        ]);
    }
    table
}

fn chosen<'a>(hires: impl Iterator<Item = &'a HireEnd>) -> Table {
    let mut table = Table::new(["TASK", "CHOSEN", "OF", "WHY"]);
    for (hire, why) in hires.filter_map(|hire| Some((hire, hire.why.as_ref()?))) {
        // How many claims there were is said beside it, and all prices of the demo are per task.
        let reason = words::better(why).unwrap_or_else(|| words::chosen(why)).replace(" per task", "");
        table.row([
            (Tone::Plain, hire.task.to_owned()),
            (Tone::Plain, hire.worker.to_owned()),
            (Tone::Quiet, why.claims.to_string()),
            (Tone::Plain, reason),
        ]);
    }
    table
}

fn workers(report: &Report) -> Table {
    let mut table = Table::new(["WORKER", "ACCEPTED", "REFUSED", "AS NEWCOMER", "EARNED", "WHAT IT IS"]);
    for worker in &report.workers {
        table.row([
            (Tone::Plain, worker.name.to_owned()),
            (Tone::Plain, worker.accepted.to_string()),
            (if worker.refused > 0 { Tone::Bad } else { Tone::Plain }, worker.refused.to_string()),
            (Tone::Plain, worker.as_newcomer.to_string()),
            (
                Tone::Plain,
                if worker.earned == Amount::NOTHING { "nothing".to_owned() } else { worker.earned.to_string() },
            ),
            (Tone::Quiet, worker.about.to_owned()),
        ]);
    }
    table
}

fn reputation(report: &Report) -> Table {
    let mut table = Table::new(["WORKER", "SEEN BY", "OWN VIEW", "SEEDS", "ON RECORD"]);
    for worker in &report.workers {
        for (requester, seen) in &worker.seen_by {
            table.row([
                (Tone::Plain, worker.name.to_owned()),
                (Tone::Plain, (*requester).to_owned()),
                (Tone::Plain, opinion(seen.mine.as_ref())),
                (Tone::Quiet, opinion(seen.pinned.as_ref())),
                (Tone::Plain, record(&seen.facts)),
            ]);
        }
    }
    table
}

fn opinion(view: Option<&View>) -> String {
    view.map_or_else(
        || "none".to_owned(),
        |View { overall: seen, .. }| format!("{:.2} ({:.2}-{:.2}) of {:.0}", seen.mean, seen.low, seen.high, seen.n),
    )
}

fn record(Facts { hires, accepted, counterparties, .. }: &Facts) -> String {
    match hires {
        0 => "nothing".to_owned(),
        _ => format!("{accepted} of {hires} accepted, by {counterparties}"),
    }
}

fn wrong(hire: &HireEnd) -> Table {
    let mut table = Table::new(["CHECK", "", "WHAT WAS FOUND"]);
    for failed in &hire.failed {
        table.row([
            (Tone::Plain, failed.check.quoted(QUOTE)),
            (Tone::Quiet, if failed.sealed { "sealed" } else { "public" }.to_owned()),
            (Tone::Bad, failed.found.quoted(QUOTE)),
        ]);
    }
    table
}

/// How to hire from the market that still runs.
fn staying(report: &Report) -> String {
    let (program, dir) = (quoted(Path::new(&report.binary)), &report.dir);
    let mut text = "\nthe market stays, until Ctrl-C; to hire from it, in another terminal:\n".to_owned();
    if let Some(desk) = report.desks.first() {
        let task = quoted(&dir.join("demo/tasks/03-stations.toml"));
        text.push_str(&format!(
            "    export GIGMESH_DATA_DIR={}\n    {program} find json\n    {program} hire {task} --wait\n    {program} hires\n",
            quoted(&desk.data)
        ));
    }
    let others: Vec<String> =
        report.desks.iter().skip(1).map(|desk| format!("{}'s is {}", desk.name, quoted(&desk.data))).collect();
    text.push_str(&format!(
        "that data directory is {}'s; {}\n",
        report.desks.first().map_or("", |desk| desk.name),
        others.join(", ")
    ));
    if let Some(door) = report.doors.first() {
        text.push_str(&format!(
            "to join with a node of your own:\n    {program} up --network {} --listen {} --bootstrap {door} --data-dir DIR\n",
            cast::NETWORK,
            cast::LISTEN[0],
        ));
    }
    text.push_str(&format!("everything is in {}: results, and of each process its files and its log\n", quoted(dir)));
    text
}

/// What can be done with what is left.
fn kept(report: &Report, dir: &Path) -> String {
    let program = quoted(Path::new(&report.binary));
    let mut text =
        format!("everything is kept in {}: results, and of each process its files and its log\n", quoted(dir));
    let Some(desk) = report.desks.first() else { return text };
    text.push_str(&format!(
        "to look around as {}, start its node again:\n    {program} up --config {} &\n    export GIGMESH_DATA_DIR={}\n    {program} hires\n",
        desk.name,
        quoted(&cast::config(&dir.join(desk.name))),
        quoted(&desk.data),
    ));
    if let Some(hire) = report.hires.iter().find_map(|hire| hire.hire) {
        text.push_str(&format!("    {program} show {}\n", hire.short()));
    }
    if let Some(worker) = report.workers.first() {
        text.push_str(&format!("    {program} reputation {}\n", short(Some(worker.agent))));
    }
    text
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    if plain { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gigmesh_protocol::id::AgentId;
    use gigmesh_protocol::reputation::{Columns, Estimate};

    use super::*;
    use crate::api::client::Client;
    use crate::cli::demo::report::tests::end;
    use crate::cli::demo::report::{Failed, WorkerEnd};
    use crate::cli::terminal::PIPE;
    use crate::forged;

    fn report() -> Report {
        let overall = Estimate { mean: 0.83, low: 0.55, high: 0.99, n: 3.0 };
        let criteria = Default::default();
        let mine = Some(View { overall, criteria, next: None, spread: None, expected: None, trend: None, basis: None });
        let facts = Facts { hires: 12, accepted: 11, counterparties: 2, median_took: None };
        let worker = WorkerEnd {
            name: "all-round",
            about: "good, and does most things",
            agent: AgentId([1; 32]),
            accepted: 11,
            refused: 1,
            as_newcomer: 0,
            earned: Amount::NOTHING,
            seen_by: [("observatory", Columns { mine, pinned: None, facts })].into(),
        };
        let failed = Failed { check: "result.rows == 4".into(), found: "it is \u{1b}[2J 3".into(), sealed: true };
        let bad = HireEnd { worker: "bargain", outcome: "refused".into(), failed: vec![failed], ..end() };
        let good = HireEnd { posting: 2, failed: Vec::new(), ..end() };
        let data = "/tmp/it's here/data".into();
        let client = Client::new("nowhere".into());
        Report {
            hires: vec![bad, good],
            workers: vec![worker],
            desks: vec![Desk { name: "observatory", agent: AgentId([2; 32]), data, client }],
            took: Duration::from_secs(3),
            doors: vec!["/ip4/127.0.0.1/tcp/1/p2p/12D3".to_owned()],
            binary: "/bin/gigmesh".to_owned(),
            dir: "/tmp/it's here".into(),
        }
    }

    #[test]
    fn the_tables_fit_a_terminal_of_eighty_columns_and_the_words_of_others_cannot_act() {
        let report = report();
        let hires = || report.hires.iter();
        for table in [done(hires()), chosen(hires()), workers(&report), reputation(&report), wrong(&report.hires[0])] {
            let text = table.render(&PIPE);
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            assert!(!text.contains('\u{1b}'), "{text:?}");
        }
        let text = text(&report, &PIPE, true, None, false);
        for line in [
            "what bargain did wrong in 02-co2-monthly: 1 of 1 checks failed",
            r#""result.rows == 4"  sealed  "it is \u{1b}[2J 3""#,
            "all-round  observatory  0.83 (0.55-0.99) of 3  none   11 of 12 accepted, by 2",
            "all 1 tasks are accepted and rated by both sides, after 3.0 s",
        ] {
            assert!(text.lines().any(|written| written == line), "{line}\n is not in\n{text}");
        }
    }

    #[test]
    fn what_can_be_done_next_is_written_as_a_shell_takes_it() {
        let report = report();
        let stays = text(&report, &PIPE, true, Some(&report.dir), true);
        assert!(stays.contains("    export GIGMESH_DATA_DIR='/tmp/it'\\''s here/data'\n"), "{stays}");
        assert!(
            stays.contains("    /bin/gigmesh hire '/tmp/it'\\''s here/demo/tasks/03-stations.toml' --wait\n"),
            "{stays}"
        );
        let kept = text(&report, &PIPE, true, Some(&report.dir), false);
        assert!(
            kept.contains("    /bin/gigmesh up --config '/tmp/it'\\''s here/observatory/worker.toml' &\n"),
            "{kept}"
        );
        assert_eq!(quoted(Path::new("/tmp/a-b_c.d/1")), "/tmp/a-b_c.d/1");
    }

    #[test]
    fn what_a_worker_delivered_is_quoted() {
        let failed = Failed { check: forged::words(), found: forged::words(), sealed: false };
        forged::assert_quoted(&wrong(&HireEnd { failed: vec![failed], ..end() }).render(&PIPE), 2);
    }
}
