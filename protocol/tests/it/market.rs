//! The market as stories: who is chosen and why, what may be spent, what is owed, what third parties learn.

use std::collections::BTreeSet;

use gigmesh_protocol::codec::List;
use gigmesh_protocol::hire::Side;
use gigmesh_protocol::hire::selection::{ClaimOutcome, Criterion, Lane, Over, Prefer, Unfit, Why, WhyChosen};
use gigmesh_protocol::hire::task::{Review, Task};
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::ledger::{Direction, Subject};
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::market::constraint::{Match, Properties};
use gigmesh_protocol::market::price::{Amount, Price};
use gigmesh_protocol::market::{Milestone, Outcome, Rating, Reason, Scores};
use gigmesh_protocol::peer::io::*;
use gigmesh_protocol::peer::query::*;
use gigmesh_protocol::record::Verified;
use gigmesh_protocol::time::Millis;

use gigmesh_simulations::world::{Agent, World, worker};

const TWENTY: Millis = Millis::mins(20);

fn amounts(text: &str) -> Vec<Amount> {
    vec![text.parse().unwrap()]
}

fn properties(json: serde_json::Value) -> Properties {
    Properties::from_json(json.as_object().unwrap()).unwrap()
}

/// Changes what peer `n`'s operator wrote.
fn configure(world: &mut World, n: usize, change: impl FnOnce(&mut Config)) {
    change(&mut world.nodes[n].config);
    world.restart(n);
}

/// Hires worker `n` directly, `times`.
fn befriend(world: &mut World, n: usize, times: usize) {
    for _ in 0..times {
        let task = world.task();
        world.hire(task, Some(n));
        world.drive(Millis::mins(1));
    }
}

fn winner(world: &World) -> Option<usize> {
    let with = world.rows(0)[0].with?;
    (0..world.nodes.len()).find(|n| world.id(*n) == with)
}

fn why(world: &World) -> Why {
    world.shown(0, world.rows(0)[0].hire.unwrap()).why.unwrap()
}

fn inbox(world: &World, n: usize) -> Vec<InboxRow> {
    world.query(n, Inbox).unwrap()
}

fn passed(world: &World, n: usize) -> Vec<PassedRow> {
    world.query(n, ListPassed).unwrap()
}

/// What peer `n` is owed by all (negative: owes), in millionths of a dollar.
fn balance(world: &World, n: usize) -> i64 {
    world.query(n, LedgerAfter::default()).unwrap().balances.iter().map(|balance| balance.micros).sum()
}

fn ratings_of(world: &World, viewer: usize, subject: usize) -> usize {
    world.query(viewer, ReputationOf { agent: world.id(subject), skill: None }).unwrap().ratings.len()
}

#[test]
fn the_proven_have_first_call_however_cheap_the_others_are() {
    let mut world = World::new(0);
    world.add(worker("proven", "0.04 USD per task", 1));
    world.add(worker("cheap", "0.01 USD per task", 1));
    befriend(&mut world, 1, 4);
    let mut task = world.task();
    task.choosing.prefer = vec![Prefer::Price];
    world.hire(task.clone(), None);
    world.drive(Millis::mins(1));
    assert_eq!(winner(&world), Some(2), "without a bar the price decides");
    task.choosing.bar = Some(500);
    world.hire(task.clone(), None);
    world.drive(Millis::mins(1));
    assert_eq!(winner(&world), Some(1));
    let why = why(&world);
    assert_eq!(why.claims, 2);
    assert_eq!(why.reason, WhyChosen::Better { by: Criterion::Bar(500), of: 2 });
    assert_eq!(why.considered[1].outcome, ClaimOutcome::Lost(Criterion::Bar(500)));
    // Nobody above it claims: then whoever does is looked at.
    configure(&mut world, 1, |config| config.skills.clear());
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(winner(&world), Some(2));
}

#[test]
fn whoever_failed_somebody_whose_word_counts_comes_after_the_unknown_however_cheap() {
    let wrong: Agent = |_, _| Ok(br#"{"bytes": 0}"#.to_vec());
    for pinned in [false, true] {
        let mut world = World::new(0);
        let failed = world.add(worker("failed", "0.01 USD per task", 1));
        let unknown = world.add(worker("unknown", "0.02 USD per task", 1));
        let friend = world.add(Config { name: "friend".into(), version: "1".into(), ..Config::default() });
        world.nodes[failed].agent = wrong;
        let task = Box::new(world.task());
        world.nodes[friend].blobs = world.nodes[0].blobs.clone();
        let to = Some(world.id(failed));
        world.command(friend, Command::Hire { task, to, token: None }).unwrap();
        world.drive(Millis::mins(2));
        if pinned {
            let agent = world.id(friend);
            world.command(0, Command::Pin { agent, pinned }).unwrap();
            world.drive(Millis::mins(2));
        }
        let mut task = world.task();
        task.choosing.prefer = vec![Prefer::ReputationLow, Prefer::Price];
        task.choosing.newcomers = Lane { share: 1000, up_to: None };
        world.hire(task, None);
        world.drive(Millis::secs(10));
        // To whoever has no view of either, both are new, and the price decides.
        assert_eq!(winner(&world), Some(if pinned { unknown } else { failed }));
        let other = &why(&world).considered[1];
        assert_eq!(
            (other.newcomer, other.outcome == ClaimOutcome::Lost(Criterion::Bad)),
            (!pinned, pinned),
            "{other:?}"
        );
    }
}

#[test]
fn newcomers_get_their_share_and_no_more_and_cost_no_more() {
    let mut world = World::new(0);
    world.add(worker("proven", "0.02 USD per task", 1));
    world.add(worker("new", "0.02 USD per task", 1));
    befriend(&mut world, 1, 3);
    let mut task = world.task();
    task.choosing.prefer = vec![Prefer::ReputationLow];
    task.choosing.newcomers = Lane { share: 250, up_to: Some("0.02 USD".parse().unwrap()) };
    let mut winners = Vec::new();
    for _ in 0..5 {
        world.hire(task.clone(), None);
        world.drive(Millis::mins(1));
        winners.push((winner(&world), why(&world).lane));
    }
    let (proven, new) = ((Some(1), false), (Some(2), true));
    assert_eq!(winners, [new, proven, proven, proven, new], "one in four, the three before counted");
    assert_eq!(why(&world).considered[1].outcome, ClaimOutcome::NewcomersTurn);
    // Dearer work, and dearer newcomers, are not the lane's.
    for price in ["0.01 USD", "0.05 USD"] {
        task.choosing.newcomers.up_to = Some(price.parse().unwrap());
        if price == "0.05 USD" {
            configure(&mut world, 2, |config| config.skills[0].entry.price = "0.03 USD".parse().unwrap());
        }
        for _ in 0..4 {
            world.hire(task.clone(), None);
            world.drive(Millis::mins(1));
            assert_eq!(winner(&world), Some(1), "{price}");
        }
    }
}

#[test]
fn whoever_does_just_this_goes_before_whoever_does_anything_of_the_kind() {
    let mut world = World::new(0);
    world.add(worker("generalist", "0.02 USD per task", 1));
    let mut specialist = worker("specialist", "0.02 USD per task", 1);
    specialist.skills[0].entry.path = "text/count".parse().unwrap();
    world.add(specialist);
    for order in [vec![Prefer::Fit], vec![Prefer::Price, Prefer::Fit]] {
        let mut task = world.task();
        task.choosing.prefer = order;
        world.hire(task, None);
        world.drive(Millis::mins(1));
        assert_eq!(winner(&world), Some(2));
        assert_eq!(why(&world).reason, WhyChosen::Better { by: Criterion::Fit, of: 2 });
    }
}

#[test]
fn the_losers_are_told_why_and_can_say_so() {
    let mut world = World::new(0);
    world.add(worker("cheap", "0.01 USD per task", 1));
    world.add(worker("dear", "0.04 USD per task", 1));
    let mut task = world.task();
    task.choosing.prefer = vec![Prefer::Price];
    let offer = world.hire(task, None);
    world.drive(Millis(2_000));
    let so_far = world.shown(0, gigmesh_protocol::id::Id::from_bytes(offer.untyped().0));
    assert_eq!((so_far.claims, so_far.why.unwrap().considered.len()), (2, 2), "the claims so far, while they come in");
    world.drive(Millis::mins(1));
    assert_eq!(winner(&world), Some(1));
    let [row] = &passed(&world, 2)[..] else { panic!("{:?}", passed(&world, 2)) };
    let outbid = Reason::Outbid("0.01 USD per task".parse().unwrap());
    assert_eq!(row.reason, Passed::Claim(ClaimEnd::TurnedDown(outbid)));
    assert_eq!((row.offer, row.claimed.as_ref().map(ToString::to_string)), (offer, Some("0.04 USD per task".into())));
    assert_eq!(passed(&world, 1), []);
}

#[test]
fn rules_say_whom_a_peer_hires_for_a_skill() {
    let mut world = World::new(3);
    let rule = |skill: &str, allow: &[usize], block: &[usize], world: &World| {
        let ids = |of: &[usize]| of.iter().map(|n| world.id(*n)).collect::<BTreeSet<_>>();
        Rule { skill: skill.parse().unwrap(), allow: ids(allow), block: ids(block) }
    };
    let rules = [
        (vec![rule("text", &[], &[1, 2], &world)], 3),
        (vec![rule("text", &[2, 3], &[], &world), rule("text/count", &[1], &[], &world)], 1),
        (vec![rule("text", &[2], &[], &world), rule("table", &[3], &[], &world)], 2),
    ];
    for (rules, expected) in rules {
        configure(&mut world, 0, |config| config.buy.rules = rules.clone());
        let task = world.task();
        world.hire(task, None);
        world.drive(Millis::mins(1));
        assert_eq!(winner(&world), Some(expected), "{rules:?}");
    }
    configure(&mut world, 0, |config| config.buy.rules[0].skill = "text/count".parse().unwrap());
    let (task, to) = (world.task(), Some(1));
    world.hire(task, to);
    world.drive(Millis::mins(1));
    let shunned = passed(&world, 1).into_iter().next().unwrap();
    let others_only = Passed::Claim(ClaimEnd::TurnedDown(Reason::OthersOnly));
    assert_eq!(shunned.reason, others_only, "a direct hire keeps the rules too");
}

#[test]
fn a_worker_asks_of_tasks_what_it_needs_to_know() {
    let mut world = World::new(1);
    configure(&mut world, 1, |config| config.skills[0].entry.constraint = Some("rows = 820".parse().unwrap()));
    for (stated, taken, told) in [
        (serde_json::json!({}), false, Match::Unknown(vec!["rows".parse().unwrap()])),
        (serde_json::json!({"rows": 821}), false, Match::No(vec!["rows is 821, wanted = 820".into()])),
        (serde_json::json!({"rows": 820}), true, Match::Yes),
    ] {
        let mut task = world.task();
        task.properties = properties(stated.clone());
        world.hire(task, None);
        world.drive(Millis::mins(1));
        assert_eq!(winner(&world).is_some(), taken, "{stated}");
        if !taken {
            assert_eq!(
                passed(&world, 1)[0].reason,
                Passed::Objection(Objection::Unmet { by: Side::Worker, found: told })
            );
        }
        world.drive(TWENTY);
    }
    let agents = world.query(0, Find { limit: 9, ..Find::default() }).unwrap();
    assert_eq!(agents[0].demands.as_ref().map(|demands| demands.raw().to_string()).as_deref(), Some("rows = 820"));
}

#[test]
fn no_award_goes_over_a_budget() {
    let mut world = World::new(1);
    // Each hire costs 0.02 USD.
    let price: Price = "0.02 USD per task".parse().unwrap();
    let amount = |text: &str| text.parse::<Amount>().unwrap();
    let per_hire = Over::PerHire { price: price.clone(), most: amount("0.019999 USD") };
    let currency = Over::Currency { price: price.clone(), per_day: false };
    let (most, spent) = (amount("0.039999 USD"), amount("0.02 USD"));
    let per_day = Over::PerDay { price, most, spent };
    for (change, over) in [
        ((|buy: &mut Buying| buy.per_hire = amounts("0.019999 USD")) as fn(&mut Buying), Some(per_hire)),
        (|buy| buy.per_hire = amounts("5 EUR"), Some(currency)),
        (|buy| buy.per_hire = amounts("0.02 USD"), None),
        (|buy| (buy.per_hire.clear(), buy.per_day = amounts("0.039999 USD")).1, Some(per_day)),
        (|buy| buy.per_day = amounts("0.04 USD"), None),
    ] {
        configure(&mut world, 0, |config| change(&mut config.buy));
        let task = world.task();
        world.hire(task, None);
        world.drive(Millis::mins(1));
        assert_eq!(winner(&world).is_some(), over.is_none(), "{over:?}");
        if over.is_some() {
            let held = world.nodes[0].notices.iter().rev().find_map(|notice| match notice {
                Notice::Held { over, .. } => Some(over.clone()),
                _ => None,
            });
            assert_eq!(held, over);
            world.drive(TWENTY);
            assert_eq!(world.rows(0)[0].reason, over.map(PostingEnd::OverBudget));
        }
    }
    world.drive(Millis::days(1));
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert!(winner(&world).is_some(), "another day, another budget");
}

#[test]
fn what_costs_more_than_a_person_lets_go_waits_for_it_through_a_restart() {
    let mut world = World::new(1);
    configure(&mut world, 0, |config| config.buy.ask_above = amounts("0.01 USD"));
    let task = world.task();
    let offer = world.hire(task.clone(), None);
    world.drive(Millis::mins(1));
    assert_eq!(winner(&world), None);
    world.restart(0);
    world.drive(Millis::mins(1));
    let [row] = &inbox(&world, 0)[..] else { panic!("{:?}", inbox(&world, 0)) };
    assert_eq!((row.waits_for, row.id, row.with), (WaitsFor::Approval, offer.untyped(), world.id(1)));
    assert_eq!(row.price.to_string(), "0.02 USD per task");
    world.command(0, Command::Approve { id: row.id, note: String::new() }).unwrap();
    world.drive(Millis::mins(5));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
    assert_eq!(inbox(&world, 0), []);
    assert!(world.command(0, Command::Approve { id: offer.untyped(), note: String::new() }).is_err(), "once is enough");

    // Refused by a person, and by nobody.
    let second = world.hire(task.clone(), None);
    world.drive(Millis::mins(1));
    world.command(0, Command::Refuse { id: second.untyped(), reason: "too dear".into() }).unwrap();
    world.drive(Millis::mins(1));
    assert_eq!(world.rows(0)[0].reason, Some(PostingEnd::Stopped("too dear".to_owned())));
    world.hire(task, None);
    world.drive(TWENTY);
    assert_eq!(world.rows(0)[0].reason, Some(PostingEnd::NotApproved));
    assert_eq!(inbox(&world, 0), []);
}

#[test]
fn receipts_move_both_ledgers_alike_and_payments_settle_them() {
    let mut world = World::new(1);
    befriend(&mut world, 1, 3);
    assert_eq!((balance(&world, 0), balance(&world, 1)), (-60_000, 60_000));
    for n in [0, 1] {
        world.restart(n);
        let with = world.id(1 - n);
        let direction = [Direction::Credit, Direction::Debit][n];
        let amount: Amount = "0.06 USD".parse().unwrap();
        let note = String::from("bank transfer");
        world.command(n, Command::Book { with, amount, direction, note }).unwrap();
        assert_eq!(balance(&world, n), 0);
        let entries = world.query(n, LedgerAfter::default()).unwrap().rows;
        assert_eq!(entries.len(), 4, "a restart books nothing twice");
        assert_eq!(entries[0].subject, Subject::Payment("bank transfer".into()));
    }
}

#[test]
fn work_that_is_refused_moves_no_ledger() {
    let mut world = World::new(1);
    world.nodes[1].agent = |_, _| Ok(br#"{"bytes": 12}"#.to_vec());
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(world.ends(), [Some((Outcome::Refused, true)); 2]);
    assert_eq!((balance(&world, 0), balance(&world, 1)), (0, 0));
}

#[test]
fn nobody_works_on_beyond_the_credit_it_gives() {
    let mut world = World::new(1);
    configure(&mut world, 1, |config| config.credit = amounts("0.05 USD"));
    befriend(&mut world, 1, 3);
    assert_eq!(balance(&world, 1), 40_000, "the third would make it 0.06");
    let refused = passed(&world, 1).into_iter().next().unwrap();
    assert_eq!(refused.reason, Passed::Objection(Objection::Credit { most: "0.05 USD".parse().unwrap() }));
    let (with, amount) = (world.id(0), "0.04 USD".parse().unwrap());
    world.command(1, Command::Book { with, amount, direction: Direction::Debit, note: String::new() }).unwrap();
    befriend(&mut world, 1, 1);
    assert_eq!(balance(&world, 1), 20_000, "paid, and trusted again");
}

#[test]
fn a_person_rates_in_place_of_the_derived_scores() {
    let mut world = World::new(1);
    configure(&mut world, 1, |config| config.rating_by = Review::Person);
    let mut task = world.task();
    task.rating_by = Review::Person;
    world.hire(task.clone(), None);
    world.drive(Millis::secs(30));
    let hire = world.hire_of(0).hire.unwrap();
    assert_eq!(inbox(&world, 0)[0].waits_for, WaitsFor::Rating);
    let low = Scores { quality: Some(120), ..Scores::default() };
    assert!(world.command(0, Command::Rate { hire, scores: Scores::default() }).is_err(), "a rating says something");
    world.command(0, Command::Rate { hire, scores: low }).unwrap();
    world.drive(Millis::secs(30));
    assert!(world.command(0, Command::Rate { hire, scores: low }).is_err(), "sealed is final");
    assert_eq!(inbox(&world, 1)[0].waits_for, WaitsFor::Rating);
    // The worker's person stays away: half of the time for the close later it is derived.
    world.drive(Millis::mins(10));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
    let scores = |by: usize| {
        let of = |rating: &&Verified<Rating>| rating.issuer() == world.id(by);
        world.nodes[0].ratings.values().find(of).unwrap().judgement.scores
    };
    assert_eq!(scores(0), low);
    assert!(scores(1).quality == Some(1000), "{:?}", scores(1));
}

#[test]
fn a_third_peer_that_knows_the_subject_has_the_rating_within_five_seconds() {
    let mut world = World::new(0);
    let third = world.add(Config { name: "third".into(), version: "1".into(), ..Config::default() });
    let hired = world.add(worker("hired", "0.02 USD per task", 1));
    let task = world.task();
    world.hire(task, Some(hired));
    while world.nodes[0].ratings.is_empty() {
        assert!(world.step(world.now + Millis::mins(1)), "a hire goes on");
    }
    assert_eq!(ratings_of(&world, third, hired), 0);
    world.drive(Millis::secs(5));
    assert_eq!(ratings_of(&world, third, hired), 1, "of the worker");
    assert_eq!(ratings_of(&world, third, 0), 0, "a requester that offers nothing to all is in no directory");
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::secs(20));
    assert_eq!(ratings_of(&world, third, 0), 2, "now it is, and what was said before is asked for");
    // Whoever comes later asks when it hears of the subject.
    let late = world.add(Config { name: "late".into(), version: "1".into(), ..Config::default() });
    world.drive(Millis::mins(31));
    assert_eq!(ratings_of(&world, late, hired), 2);
}

#[test]
fn ratings_nobody_asked_for_are_not_kept() {
    let mut world = World::new(0);
    let third = world.add(Config { name: "third".into(), version: "1".into(), ..Config::default() });
    let hired = world.add(worker("hired", "0.02 USD per task", 1));
    let task = world.task();
    world.hire(task, Some(hired));
    world.drive(Millis::secs(20));
    let rating = world.nodes[0].ratings.values().find(|rating| rating.issuer() == world.id(0)).unwrap().clone();
    let fourth = world.add(Config { name: "fourth".into(), version: "1".into(), ..Config::default() });
    let wanted = Wanted::These(vec![rating.id()]);
    world.input(
        fourth,
        Input::Ratings { from: world.id(third), wanted, ratings: vec![rating], next: Some(Bytes32([9; 32])) },
    );
    world.drive(Millis::secs(1));
    assert!(world.nodes[fourth].ratings.is_empty());
}

#[test]
fn a_person_lets_a_delivery_pass_by_approving_it() {
    let mut world = World::new(1);
    let mut task = world.task();
    task.review_by = Review::Person;
    world.hire(task, None);
    world.drive(Millis::secs(30));
    let row = inbox(&world, 0).remove(0);
    assert_eq!(row.waits_for, WaitsFor::Judgement);
    world.command(0, Command::Approve { id: row.id, note: "good".into() }).unwrap();
    world.drive(Millis::mins(1));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
}

#[test]
fn a_question_waits_for_an_answer_that_may_move_the_deadline() {
    let mut world = World::new(1);
    world.nodes[1].work_takes = Millis::mins(8);
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::secs(10));
    let hire = world.hire_of(1).hire.unwrap();
    let due = world.shown(1, hire).deadline.unwrap();
    let reply = |text: &str, later| Command::Reply { hire, text: text.into(), later };
    assert!(world.command(0, reply("nobody asked", None)).is_err());
    assert!(world.command(0, Command::Ask { hire, text: "me?".into() }).is_err(), "the worker asks");
    world.command(1, Command::Ask { hire, text: "bytes or characters?".into() }).unwrap();
    world.drive(Millis::secs(10));
    let row = inbox(&world, 0).remove(0);
    assert_eq!((row.waits_for, row.says), (WaitsFor::Answer, Some("bytes or characters?".into())));
    world.restart(0);
    world.command(0, reply("bytes", Some(Millis::mins(5)))).unwrap();
    world.drive(Millis::secs(10));
    assert_eq!(world.nodes[1].told, ["bytes"], "the agent is told");
    assert!(world.command(0, reply("again", None)).is_err(), "every question is answered once");
    for n in [0, 1] {
        assert_eq!(world.shown(n, hire).deadline, Some(due + Millis::mins(5)), "both know the later deadline");
    }
    world.drive(Millis::mins(15));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2], "eight minutes of work under a clock of five");
}

#[test]
fn a_person_takes_an_award_or_declines_it() {
    for takes in [Some(true), Some(false), None] {
        let mut world = World::new(1);
        configure(&mut world, 1, |config| {
            (config.begin_by, config.binding) = (Review::Person, Some(Millis::mins(6)));
        });
        let task = world.task();
        world.hire(task, None);
        world.drive(Millis::mins(4));
        let row = inbox(&world, 1).remove(0);
        assert_eq!((row.waits_for, row.with), (WaitsFor::Begin, world.id(0)));
        let (id, text) = (row.id, String::from("too much to do"));
        match takes {
            Some(true) => world.command(1, Command::Approve { id, note: String::new() }).map(drop).unwrap(),
            Some(false) => world.command(1, Command::Refuse { id, reason: text }).map(drop).unwrap(),
            None => {}
        }
        world.drive(TWENTY);
        let end = match takes {
            Some(true) => (Outcome::Accepted, true),
            _ => (Outcome::Lapsed, false),
        };
        assert_eq!(world.ends(), [Some(end); 2], "{takes:?}");
        assert_eq!(inbox(&world, 1), []);
    }
}

#[test]
fn a_person_agrees_to_a_refusal_or_contests_it_or_leaves_it_to_the_checks() {
    // The public checks pass; the requester's person refuses all the same.
    for (answer, end) in [
        (Some(None), (Outcome::Refused, true)),
        (Some(Some("it counts bytes, as asked")), (Outcome::Contested, false)),
        (None, (Outcome::Contested, false)),
    ] {
        let mut world = World::new(1);
        configure(&mut world, 1, |config| config.contest_by = Review::Person);
        let mut task = world.task();
        task.review_by = Review::Person;
        world.hire(task, None);
        world.drive(Millis::secs(30));
        let hire = world.hire_of(0).hire.unwrap();
        world.command(0, Command::Refuse { id: hire.untyped(), reason: "I wanted words".into() }).unwrap();
        world.drive(Millis::mins(1));
        let row = inbox(&world, 1).remove(0);
        assert_eq!((row.waits_for, row.says), (WaitsFor::Contest, Some("I wanted words".into())));
        match answer {
            Some(None) => {
                world.command(1, Command::Approve { id: hire.untyped(), note: String::new() }).unwrap();
            }
            Some(Some(statement)) => {
                world.command(1, Command::Contest { hire, statement: statement.into() }).unwrap();
            }
            None => {}
        }
        world.drive(TWENTY);
        assert_eq!(world.ends(), [Some(end); 2], "{answer:?}");
        let statement = world.shown(0, hire).records.into_iter().find(|record| record.kind == "contest/1");
        let statement = statement.map(|record| record.says.raw()["statement"].clone());
        if let Some(Some(said)) = answer {
            assert_eq!(statement, Some(serde_json::json!({ "said": said })), "both statements are on record");
        }
    }
}

#[test]
fn offers_with_a_far_end_of_bids_hold_no_place_of_a_worker() {
    let mut world = World::new(1);
    let hostile = world.add(Config { name: "hostile".into(), version: "1".into(), ..Config::default() });
    let mut task = world.task();
    (task.bids, task.expires, task.inputs) = (Millis::hours(20), Millis::hours(23), Vec::new());
    for _ in 0..3 {
        world.command(hostile, Command::Hire { task: Box::new(task.clone()), to: None, token: None }).unwrap();
    }
    world.drive(Millis::mins(1));
    let honest = world.task();
    world.hire(honest, None);
    world.drive(Millis::mins(1));
    assert_eq!(winner(&world), Some(1));
    assert_eq!(world.rows(0)[0].closed.map(|closed| closed.outcome), Some(Outcome::Accepted));
    // They are claimed when their time comes.
    world.drive(Millis::hours(20));
    assert!(world.rows(hostile).iter().any(|row| row.hire.is_some()), "{:?}", world.rows(hostile));
}

#[test]
fn strangers_claims_do_not_keep_a_client_waiting() {
    let mut world = World::new(1);
    configure(&mut world, 1, |config| config.parallel = 1);
    befriend(&mut world, 1, 1);
    let stranger = world.add(Config { name: "stranger".into(), version: "1".into(), ..Config::default() });
    let mut task = world.task();
    (task.bids, task.inputs) = (Millis::secs(100), Vec::new());
    world.command(stranger, Command::Hire { task: Box::new(task), to: None, token: None }).unwrap();
    world.drive(Millis::secs(1));
    let honest = world.task();
    world.hire(honest, None);
    world.drive(Millis::mins(1));
    assert_eq!(world.rows(0)[0].closed.map(|closed| closed.outcome), Some(Outcome::Accepted));
}

#[test]
fn a_claim_that_binds_for_long_holds_no_slot() {
    let mut world = World::new(0);
    let mut slow = worker("slow", "0.01 USD per task", 1);
    (slow.binding, slow.begin_by) = (Some(Millis::hours(20)), Review::Person);
    world.add(slow);
    world.add(worker("ready", "0.04 USD per task", 1));
    let mut task = world.task();
    task.choosing.prefer = vec![Prefer::Price];
    world.hire(task.clone(), None);
    world.drive(Millis::mins(1));
    assert_eq!(winner(&world), Some(2));
    let slow = &why(&world).considered[1].outcome;
    assert!(matches!(slow, ClaimOutcome::LeftOut(Unfit::BindsTooLong { .. })), "{slow:?}");
    // Unless the task gives the time.
    task.begin = Millis::hours(20);
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(winner(&world), Some(1));
}

/// Two parts of a quarter of the price each, then the last.
fn in_three_parts(world: &mut World) -> Task {
    let part = |title: &str| Milestone {
        share: 250,
        title: title.try_into().unwrap(),
        checks: Checks { schema: None, asserts: vec!["result.bytes == 11".parse().unwrap()] },
    };
    Task { milestones: List::fit([part("first"), part("second")]), ..world.task() }
}

#[test]
fn milestones_are_delivered_judged_and_owed_for_in_order() {
    let mut world = World::new(1);
    let task = in_three_parts(&mut world);
    world.hire(task, None);
    world.drive(Millis::mins(2));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
    let hire = world.hire_of(0).hire.unwrap();
    assert_eq!(world.nodes[1].runs[&hire], 3, "the agent makes each part");
    let records = world.shown(0, hire).records;
    let parts: Vec<_> = records
        .iter()
        .filter(|record| record.kind == "delivery/1")
        .map(|r| r.says.raw()["milestone"].clone())
        .collect();
    assert_eq!(parts, [0, 1, 2]);
    let opened = |record: &&ShownRecord| record.says.raw().get("opened").is_some_and(|opened| !opened.is_null());
    let verdicts: Vec<_> = records.iter().filter(|record| record.kind == "verdict/1").collect();
    assert_eq!(verdicts.iter().map(opened).collect::<Vec<_>>(), [false, false, true], "sealed until the last");
    assert_eq!((balance(&world, 0), balance(&world, 1)), (-20_000, 20_000));
}

#[test]
fn what_was_accepted_before_the_end_is_owed_for_however_it_ends() {
    fn spoils_the_second(job: &WorkJob, _: &[Vec<u8>]) -> Result<Vec<u8>, String> {
        let part = job.part.as_ref().unwrap().0;
        if part == 1 { Err("it broke".into()) } else { Ok(br#"{"bytes": 11}"#.to_vec()) }
    }
    fn spoils_the_last(job: &WorkJob, _: &[Vec<u8>]) -> Result<Vec<u8>, String> {
        let part = job.part.as_ref().unwrap().0;
        Ok(if part == 2 { br#"{"bytes": 12}"#.to_vec() } else { br#"{"bytes": 11}"#.to_vec() })
    }
    for (agent, outcome, owed) in [
        (spoils_the_second as Agent, Outcome::CancelledByWorker, 5_000),
        (spoils_the_last as Agent, Outcome::Refused, 10_000),
    ] {
        let mut world = World::new(1);
        world.nodes[1].agent = agent;
        let task = in_three_parts(&mut world);
        world.hire(task, None);
        world.drive(TWENTY);
        assert_eq!(world.ends(), [Some((outcome, true)); 2]);
        assert_eq!((balance(&world, 0), balance(&world, 1)), (-owed, owed), "{outcome}");
    }
}

#[test]
fn a_hire_in_parts_survives_a_fall_after_every_event_of_either_side() {
    for side in [0, 1] {
        let mut events = 1;
        loop {
            let mut world = World::new(1);
            let task = in_three_parts(&mut world);
            let before = world.nodes[side].journal.len();
            world.crash_at = Some((side, before + events));
            world.hire_or_crash(task);
            world.drive(Millis::mins(30));
            let fell = world.crash_at.is_none();
            assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2], "side {side}, event {events}");
            assert_eq!((balance(&world, 0), balance(&world, 1)), (-20_000, 20_000), "side {side}, event {events}");
            for n in [0, 1] {
                let ids: BTreeSet<_> = world.nodes[n].ratings.values().map(|rating| rating.id()).collect();
                assert_eq!(ids.len(), 2, "both ratings at {n} after a fall of {side} at event {events}");
            }
            if !fell {
                break;
            }
            events += 1;
        }
        assert!(events > 15, "{events}");
    }
}

/// Three workers, of whom two must say the same.
fn by_three(world: &mut World) -> Task {
    Task { slots: 3, agree: Some(2), ..world.task() }
}

#[test]
fn of_three_results_two_that_agree_are_accepted_and_the_odd_one_out_is_not() {
    let mut world = World::new(3);
    // It passes every check, the sealed one too.
    world.nodes[2].agent = |_, _| Ok(br#"{"bytes": 11, "note": "odd"}"#.to_vec());
    let task = by_three(&mut world);
    world.hire(task, None);
    world.drive(Millis::mins(5));
    let ends: Vec<_> = [1, 2, 3].map(|n| world.hire_of(n).closed.map(|closed| (closed.outcome, closed.agreed))).into();
    let (good, odd) = (Some((Outcome::Accepted, true)), Some((Outcome::Refused, true)));
    assert_eq!(ends, [good, odd, good]);
    assert_eq!(balance(&world, 0), -40_000, "two are paid");
    assert_eq!(ratings_of(&world, 0, 2), 1, "and the odd one is rated");
}

#[test]
fn results_wait_for_each_other_only_as_long_as_they_can_agree() {
    // Nobody agrees with anybody: all are refused as soon as that is plain.
    let mut world = World::new(3);
    world.nodes[1].agent = |_, _| Ok(br#"{"bytes": 11, "by": 1}"#.to_vec());
    world.nodes[2].agent = |_, _| Ok(br#"{"bytes": 11, "by": 2}"#.to_vec());
    world.nodes[3].agent = |_, _| Ok(br#"{"bytes": 11, "by": 3}"#.to_vec());
    let task = by_three(&mut world);
    world.hire(task, None);
    world.drive(Millis::mins(5));
    let outcomes =
        |world: &World| -> Vec<_> { world.rows(0).iter().map(|row| row.closed.map(|closed| closed.outcome)).collect() };
    assert_eq!(outcomes(&world), [Some(Outcome::Refused); 3]);

    // One is slow: the two that agree do not wait for it, and it is measured by them when it comes.
    let mut world = World::new(3);
    world.nodes[3].work_takes = Millis::mins(4);
    let task = by_three(&mut world);
    world.hire(task, None);
    world.drive(Millis::mins(1));
    let done = outcomes(&world).into_iter().filter(|outcome| *outcome == Some(Outcome::Accepted)).count();
    assert_eq!(done, 2);
    world.drive(Millis::mins(10));
    assert_eq!(outcomes(&world), [Some(Outcome::Accepted); 3]);

    // Only one ever comes: with the review nearly over it stands for itself.
    let mut world = World::new(1);
    let task = by_three(&mut world);
    world.hire(task, None);
    world.drive(Millis::mins(8));
    assert_eq!(outcomes(&world), [None], "it waits");
    world.drive(Millis::mins(10));
    assert_eq!(outcomes(&world), [Some(Outcome::Accepted)]);
}

#[test]
fn a_persons_word_is_for_the_award_it_was_shown() {
    let mut world = World::new(0);
    world.add(worker("first", "0.04 USD per task", 1));
    configure(&mut world, 0, |config| config.buy.ask_above = amounts("0.01 USD"));
    let mut task = world.task();
    (task.slots, task.choosing.prefer) = (2, vec![Prefer::Time]);
    let offer = world.hire(task, None);
    world.drive(Millis::secs(10));
    assert_eq!(inbox(&world, 0)[0].with, world.id(1));
    let asked =
        |world: &World| world.nodes[0].notices.iter().filter(|notice| matches!(notice, Notice::Asked { .. })).count();
    // One that would be chosen before it, and costs more, does not slip under the person's hand.
    let mut faster = worker("faster", "0.05 USD per task", 1);
    faster.skills[0].entry.expect = Millis::secs(1);
    world.add(faster);
    let posted = world.shown(0, gigmesh_protocol::id::Id::from_bytes(offer.untyped().0));
    assert_eq!(posted.row.waits_for, Some(WaitsFor::Approval));
    world.drive(Millis::mins(1));
    assert_eq!((inbox(&world, 0)[0].with, asked(&world)), (world.id(1), 1));
    world.command(0, Command::Approve { id: offer.untyped(), note: String::new() }).unwrap();
    world.drive(Millis::mins(1));
    assert_eq!(world.rows(0).iter().filter(|row| row.hire.is_some()).count(), 1, "the second slot is another question");
}
