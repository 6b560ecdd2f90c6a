//! The model: random markets of two or three peers, with everything going wrong that can, and what must hold all the same.
//!
//! `GIGMESH_CASES=1000000` plays so many, with a word of progress; `GIGMESH_CASE=seed` one again, told line by line; `GIGMESH_WITHOUT=falls,loss`
//! leaves troubles out. A case that fails is made smaller and told with the command that plays it.

mod case;
mod judge;
mod play;
mod tally;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use case::{Case, Trouble};
use tally::Tally;

/// What the normal run plays.
const CASES: u64 = 2_000;
/// How many cases there are to a word of progress.
const WORD: u64 = 10_000;
/// From so many cases on every path must have been taken.
const ENOUGH: u64 = 1_000;
/// The paths, as the tally calls them.
const PATHS: &[&str] = &[
    "closed: accepted, agreed",
    "closed: accepted, one-sided",
    "closed: refused, agreed",
    "closed: refused, one-sided",
    "closed: failed, agreed",
    "closed: failed, one-sided",
    "closed: cancelled by the requester, agreed",
    "closed: cancelled by the requester, one-sided",
    "closed: cancelled by the worker, agreed",
    "closed: cancelled by the worker, one-sided",
    "closed: lapsed, one-sided",
    "closed: contested, one-sided",
    "said begin/1",
    "said decline/1",
    "said withdraw/1",
    "said brief/1",
    "said progress/1",
    "said question/1",
    "said answer/1",
    "said delivery/1",
    "said ack/1",
    "said verdict/1",
    "said cancel/1",
    "said contest/1",
    "said receipt/1",
    "said countersign/1",
    "order hire, taken",
    "order stop, taken",
    "order judge, taken",
    "order judge: changes, taken",
    "order rate, taken",
    "order reply, taken",
    "order contest, taken",
    "order approve, taken",
    "order refuse, taken",
    "notice Unfilled",
    "notice ClaimEnded",
    "notice Asked",
    "notice Held",
    "notice Rated",
    "posted to one",
    "several slots",
    "that must agree",
    "with milestones",
    "sealed checks",
    "awarded again",
    "awards that never arrived",
    "messages lost",
    "messages that came twice",
    "links cut",
    "falls in the middle of a commit",
    "falls after a commit",
    "restarts between two turns",
    "runs that fell with their node",
    "runs again after a fall",
    "clocks set a little",
    "clocks set by more than a minute",
    "closed otherwise than thought",
    "agent failed",
];

#[expect(clippy::disallowed_methods, reason = "other forms are asked for by flag")]
fn flag(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn play(case: &Case) -> Result<Tally, String> {
    catch_unwind(AssertUnwindSafe(|| play::play(case, false))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        Err(text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default())
    })
}

/// The same failure with fewer troubles.
fn smaller(mut case: Case, mut why: String) -> (Case, String) {
    for trouble in Trouble::ALL {
        let mut less = case.clone();
        less.without.push(trouble);
        if let Err(still) = play(&less) {
            (case, why) = (less, still);
        }
    }
    (case, why)
}

fn fail(case: Case, why: String) -> ! {
    let (small, why) = smaller(case, why);
    let without: Vec<_> = small.without.iter().map(|trouble| format!("{trouble:?}").to_lowercase()).collect();
    panic!(
        "case {} breaks a rule: {why}\nplay it again:\n  GIGMESH_CASE={} GIGMESH_WITHOUT={} cargo test -p gigmesh-protocol --test it model::",
        small.seed,
        small.seed,
        without.join(",")
    );
}

#[test]
fn whatever_happens_both_sides_agree_and_everything_ends() {
    let without = flag("GIGMESH_WITHOUT").unwrap_or_default();
    let without: Vec<Trouble> = Trouble::ALL
        .into_iter()
        .filter(|trouble| without.split(',').any(|name| name == format!("{trouble:?}").to_lowercase()))
        .collect();
    if let Some(seed) = flag("GIGMESH_CASE") {
        let case = Case { seed: seed.parse().expect("GIGMESH_CASE is a number"), without };
        let tally = play::play(&case, true).unwrap_or_else(|why| panic!("case {} breaks a rule: {why}", case.seed));
        return println!("{tally}");
    }
    let cases = flag("GIGMESH_CASES").map_or(CASES, |cases| cases.parse().expect("GIGMESH_CASES is a number"));
    let first = flag("GIGMESH_FIRST").map_or(0, |first| first.parse().expect("GIGMESH_FIRST is a number"));
    let (next, stop) = (AtomicU64::new(first), AtomicBool::new(false));
    let (total, failed) = (Mutex::new(Tally::default()), Mutex::new(None::<(Case, String)>));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                let mut mine = Tally::default();
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + cases {
                        break;
                    }
                    let case = Case { seed, without: without.clone() };
                    match play(&case) {
                        Ok(tally) => mine.merge(&tally),
                        Err(why) => {
                            stop.store(true, Ordering::Relaxed);
                            failed.lock().unwrap().get_or_insert((case, why));
                        }
                    }
                    if seed > first && seed.is_multiple_of(WORD) {
                        eprintln!("{} of {cases} cases", seed - first);
                    }
                }
                total.lock().unwrap().merge(&mine);
            });
        }
    });
    if let Some((case, why)) = failed.into_inner().unwrap() {
        fail(case, why);
    }
    let total = total.into_inner().unwrap();
    println!("{total}");
    if cases >= ENOUGH && without.is_empty() {
        let missed: Vec<_> = PATHS.iter().filter(|path| total.count(path) == 0).collect();
        assert!(missed.is_empty(), "no case went there: {missed:?}");
    }
}
