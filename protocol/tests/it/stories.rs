//! Hires as stories: what a user would tell of them, on a virtual clock.

use std::collections::BTreeSet;

use gigmesh_protocol::hire::NoResult;
use gigmesh_protocol::hire::selection::Prefer;
use gigmesh_protocol::hire::task::Review;
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::market::{Outcome, Reason, Ruling};
use gigmesh_protocol::peer::io::*;
use gigmesh_protocol::peer::query::*;
use gigmesh_protocol::peer::{Peer, Retain};
use gigmesh_protocol::time::Millis;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

use gigmesh_simulations::world::{Agent, World, honest, signer, worker};

const DAYS: Millis = Millis::days(2);

#[test]
fn strangers_hire_deliver_and_rate() {
    let mut world = World::pair();
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
    for n in [0, 1] {
        assert_eq!(world.nodes[n].ratings.len(), 2, "each side holds both ratings");
        assert!(world.nodes[n].ratings.values().all(|rating| rating.opening.is_some()), "both were sealed");
        assert_eq!(world.nodes[n].blamed, Vec::<String>::new());
    }
    let id = world.hire_of(0).hire.unwrap();
    assert_eq!(world.nodes[1].runs[&id], 1);
    let kinds: Vec<String> = world.shown(0, id).records.into_iter().map(|record| record.kind).collect();
    assert_eq!(
        kinds,
        [
            "offer/1",
            "claim/1",
            "award/1",
            "begin/1",
            "brief/1",
            "progress/1",
            "delivery/1",
            "ack/1",
            "verdict/1",
            "receipt/1",
            "countersign/1"
        ]
    );
}

#[test]
fn a_direct_hire_has_no_bid_window() {
    let mut world = World::new(2);
    let task = world.task();
    world.hire(task, Some(2));
    world.drive(Millis(100));
    assert_eq!(world.rows(0)[0].stage, HireStatus::Working);
    assert_eq!(world.rows(1), [], "nobody else hears of it");
    world.drive(Millis::mins(1));
    assert_eq!(world.rows(2)[0].closed.map(|closed| closed.outcome), Some(Outcome::Accepted));
}

#[test]
fn a_bad_delivery_is_refused_and_the_worker_sees_why() {
    let mut world = World::pair();
    world.nodes[1].agent = |_, _| Ok(br#"{"bytes": 12}"#.to_vec());
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(
        world.ends(),
        [Some((Outcome::Refused, true)); 2],
        "it passes the public checks and fails the sealed one"
    );
    let shown = world.shown(1, world.hire_of(1).hire.unwrap());
    assert!(shown.checks.values().any(|checked| checked.sealed.as_ref().is_some_and(|report| !report.passed())));
    let rating = world.nodes[0].ratings.values().find(|rating| rating.issuer() == world.id(0)).unwrap();
    assert_eq!(rating.judgement.scores.quality, Some(0));
    let view = world.query(0, ReputationOf { agent: world.id(1), skill: None }).unwrap();
    assert!(view.overall.mine.is_some_and(|mine| mine.overall.mean < 0.5), "worse than a stranger now");
}

#[test]
fn a_refusal_without_a_failed_check_is_contested() {
    let mut world = World::pair();
    let mut task = world.task();
    task.review_by = Review::Person;
    world.hire(task, None);
    world.drive(Millis::mins(1));
    let id = world.hire_of(0).hire.unwrap();
    let rows = [0, 1].map(|n| world.hire_of(n));
    assert_eq!(rows.clone().map(|row| row.stage), [HireStatus::InReview; 2]);
    assert_eq!(rows.map(|row| row.waits_for), [Some(WaitsFor::Judgement), None]);
    world.command(0, Command::Judge { hire: id, ruling: Ruling::Refused, note: "I do not like it".into() }).unwrap();
    world.drive(DAYS);
    assert_eq!(world.ends(), [Some((Outcome::Contested, false)); 2]);
}

#[test]
fn changes_are_made_and_delivered_again() {
    let mut world = World::pair();
    let mut task = world.task();
    task.review_by = Review::Person;
    world.hire(task, None);
    world.drive(Millis::mins(1));
    let id = world.hire_of(0).hire.unwrap();
    let due = world.now + Millis::mins(20);
    world.command(0, Command::Judge { hire: id, ruling: Ruling::Changes(due), note: "once more".into() }).unwrap();
    world.drive(Millis::mins(1));
    assert_eq!(world.nodes[1].runs[&id], 2);
    world.command(0, Command::Judge { hire: id, ruling: Ruling::Accepted, note: String::new() }).unwrap();
    world.drive(Millis::mins(1));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
}

#[test]
fn a_silent_review_is_decided_by_the_public_checks() {
    let mut world = World::pair();
    let mut task = world.task();
    task.review_by = Review::Person;
    world.hire(task, None);
    world.drive(Millis::hours(1));
    assert_eq!(
        world.ends(),
        [Some((Outcome::Accepted, true)); 2],
        "the receipt follows the checks, and the worker agrees"
    );
}

#[test]
fn an_agent_that_fails_is_cancelled_and_what_it_printed_stays_with_its_operator() {
    let mut world = World::pair();
    world.nodes[1].agent = |_, _| Err("exit code 3: no such table".to_owned());
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(world.ends(), [Some((Outcome::CancelledByWorker, true)); 2]);
    let hire = world.hire_of(0).hire.unwrap();
    let shown = world.shown(0, hire);
    assert!(shown.records.iter().any(|record| record.says.raw()["reason"] == "agent_failed"));
    let ended = world.shown(1, hire).attempts[0].ended.clone().unwrap().1;
    assert_eq!(ended, Err(NoResult::Failed("exit code 3: no such table".to_owned())));
}

#[test]
fn a_result_that_fails_the_public_checks_is_not_delivered() {
    let mut world = World::pair();
    world.nodes[1].agent = |_, _| Ok(br#"{"bytes": -1}"#.to_vec());
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(world.ends(), [Some((Outcome::CancelledByWorker, true)); 2]);
}

#[test]
fn work_that_takes_too_long_has_failed() {
    let mut world = World::pair();
    world.nodes[1].work_takes = Millis::hours(2);
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::hours(3));
    assert_eq!(world.ends(), [Some((Outcome::Failed, true)); 2]);
}

#[test]
fn the_requester_stops_before_and_after_the_begin() {
    for (wait, outcome) in [(Millis(3_002), Outcome::Lapsed), (Millis(3_500), Outcome::CancelledByRequester)] {
        let mut world = World::pair();
        world.nodes[1].work_takes = Millis::mins(1);
        let task = world.task();
        let offer = world.hire(task, None);
        world.drive(wait);
        world.command(0, Command::Stop { id: offer.untyped(), reason: "changed my mind".into() }).unwrap();
        world.drive(Millis::hours(1));
        let ends = world.ends().map(|end| end.map(|(outcome, _)| outcome));
        // The award is begun before the withdrawal can arrive: then a begin dated in time beats it, and work goes on.
        let begun =
            world.shown(1, world.hire_of(1).hire.unwrap()).records.iter().any(|record| record.kind == "begin/1");
        if outcome == Outcome::Lapsed && begun {
            assert_eq!(ends, [Some(Outcome::Accepted); 2]);
        } else {
            assert_eq!(ends, [Some(outcome); 2]);
        }
    }
}

/// Found by drawing the life of a hire from the code.
#[test]
fn a_stop_that_a_delivery_beat_may_be_followed_by_another() {
    let mut world = World::pair();
    world.nodes[1].work_takes = Millis::mins(1);
    let mut task = world.task();
    task.review_by = Review::Person;
    let offer = world.hire(task, None).untyped();
    let stop = || Command::Stop { id: offer, reason: "changed my mind".into() };
    let soon = world.now + Millis::mins(2);
    while world.rows(1).iter().all(|row| row.stage != HireStatus::Delivered) && world.step(soon) {}
    world.command(0, stop()).unwrap();
    world.drive(Millis::secs(30));
    let row = world.hire_of(0);
    assert_eq!(row.waits_for, Some(WaitsFor::Judgement), "the delivery was on its way before the stop had come");
    let changes = Ruling::Changes(world.now + Millis::mins(20));
    world.command(0, Command::Judge { hire: row.hire.unwrap(), ruling: changes, note: String::new() }).unwrap();
    world.drive(Millis::secs(1));
    world.command(0, stop()).unwrap();
    world.drive(Millis::mins(5));
    assert_eq!(world.ends(), [Some((Outcome::CancelledByRequester, true)); 2]);
}

#[test]
fn capacity_is_kept_and_every_task_is_done() {
    let mut world = World::new(1);
    for _ in 0..5 {
        let task = world.task();
        world.hire(task, None);
    }
    for _ in 0..600 {
        world.drive(Millis::secs(1));
        let working =
            world.rows(1).iter().filter(|row| matches!(row.stage, HireStatus::Begun | HireStatus::Working)).count();
        assert!(working <= 2, "no more at once than `parallel`");
    }
    let rows = world.rows(0);
    assert_eq!(rows.len(), 5);
    assert!(rows.iter().all(|row| row.closed.is_some_and(|closed| closed.outcome == Outcome::Accepted)), "{rows:?}");
}

#[test]
fn the_cheaper_of_two_is_chosen_and_the_other_is_free_again() {
    let mut world = World::new(0);
    world.add(worker("dear", "0.04 USD per task", 1));
    world.add(worker("cheap", "0.01 USD per task", 1));
    let mut task = world.task();
    task.choosing.prefer = vec![Prefer::Price];
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(world.hire_of(0).with, Some(world.id(2)));
    assert_eq!(world.rows(1), []);
    let ended = world.nodes[1].notices.iter().any(|notice| matches!(notice, Notice::ClaimEnded { .. }));
    assert!(ended, "the loser is told");
}

#[test]
fn a_price_above_the_ceiling_is_not_claimed() {
    let mut world = World::new(0);
    world.add(worker("dear", "0.06 USD per task", 1));
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(20));
    assert!(world.rows(0)[0].hire.is_none());
    assert!(world.nodes[0].notices.iter().any(|notice| matches!(notice, Notice::Unfilled { .. })));
}

#[test]
fn nobody_serves_strangers_by_default() {
    let mut world = World::new(0);
    let mut config = worker("shy", "free", 1);
    config.from = From::Nobody;
    world.add(config);
    let task = world.task();
    world.hire(task, Some(1));
    world.drive(Millis::mins(1));
    assert_eq!(world.rows(0)[0].reason, Some(PostingEnd::WorkerRefused(Reason::NotServed)));
}

#[test]
fn a_slot_that_was_declined_is_awarded_again() {
    let mut world = World::new(2);
    let mut task = world.task();
    task.choosing.prefer = vec![Prefer::Price];
    world.hire(task, None);
    world.drive(Millis(2_990));
    // Whoever is chosen loses its capacity in the meantime.
    for n in [1, 2] {
        world.nodes[n].config.parallel = usize::from(n == 2);
    }
    world.restart(1);
    world.drive(Millis::mins(6));
    let done = world.rows(0).into_iter().filter_map(|row| row.closed).any(|closed| closed.outcome == Outcome::Accepted);
    assert!(done, "{:?}", world.rows(0));
}

#[test]
fn a_worker_without_room_for_the_inputs_declines_and_one_with_room_does_the_work() {
    let mut world = World::new(0);
    world.add(worker("full", "0.01 USD per task", 1));
    world.add(worker("roomy", "0.02 USD per task", 1));
    let mut task = world.task();
    task.choosing.prefer = vec![Prefer::Price];
    let bytes: u64 = task.inputs.iter().map(|input| input.blob.size).sum();
    world.input(1, Input::Room(bytes - 1));
    world.input(2, Input::Room(bytes));
    world.hire(task, None);
    world.drive(Millis::mins(6));
    let rows = world.rows(0);
    let done: Vec<_> = rows.iter().filter_map(|row| Some((row.with?, row.closed?.outcome))).collect();
    assert!(done.contains(&(world.id(2), Outcome::Accepted)), "{rows:?}");
    assert!(done.contains(&(world.id(1), Outcome::Lapsed)), "it was chosen first, and nobody is blamed: {rows:?}");
}

/// Cuts the network after every possible number of messages, for good: each side must close by its own clock.
#[test]
fn every_stage_closes_by_ticks_alone() {
    let mut stages = BTreeSet::new();
    for review_by in [Review::Auto, Review::Person] {
        let mut after = 1;
        loop {
            let mut world = World::pair();
            world.cut_after = Some(after);
            let mut task = world.task();
            task.review_by = review_by;
            world.hire(task, None);
            world.drive(DAYS);
            for n in [0, 1] {
                for row in world.rows(n).iter().filter(|row| row.hire.is_some()) {
                    assert!(row.closed.is_some(), "cut after {after}: peer {n} is stuck in {row:?}");
                }
                let status = world.query(n, GetStatus).unwrap();
                assert_eq!(
                    (status.postings_open, status.claims_out, status.hires_open),
                    (0, 0, 0),
                    "cut after {after}, peer {n}"
                );
            }
            stages.extend(world.stages.clone());
            if !world.cut {
                break;
            }
            after += 1;
        }
        assert!(after > 5, "the hire takes several messages");
    }
    // The others are passed within one message; the table itself is walked in `hire::stage`.
    use HireStatus::{Awarded, Begun, Delivered, InReview, NotServed, Working};
    for stage in [Awarded, Begun, Working, Delivered, InReview, NotServed] {
        assert!(stages.contains(&stage), "{stage:?} was not reached: {stages:?}");
    }
}

/// The same cuts, healed after the deadlines have passed: sides that hold the same records agree.
#[test]
fn sides_that_meet_again_agree() {
    for wait in [Millis::mins(1), Millis::mins(9), Millis::hours(1)] {
        for after in 1..14 {
            let mut world = World::pair();
            world.cut_after = Some(after);
            let task = world.task();
            world.hire(task, None);
            world.drive(wait);
            (world.cut, world.cut_after) = (false, None);
            for n in [0, 1] {
                let other = world.id(1 - n);
                world.input(n, Input::LinkUp(other));
            }
            world.drive(DAYS);
            let [a, b] = [0, 1].map(|n| {
                world
                    .rows(n)
                    .into_iter()
                    .find(|row| row.hire.is_some())
                    .and_then(|row| row.closed)
                    .map(|closed| (closed.outcome, closed.agreed))
            });
            // An award that never arrived is a hire on one side only.
            if b.is_some() || a.is_none_or(|(outcome, _)| outcome != Outcome::Lapsed) {
                assert_eq!(a, b, "cut after {after} for {wait}");
            }
        }
    }
}

/// A side falls right after each of its events in turn: the hire goes on, and the agent runs once.
#[test]
fn a_fall_after_any_event_loses_nothing() {
    for n in [0, 1] {
        for at in 1.. {
            let mut world = World::pair();
            world.crash_at = Some((n, at));
            let task = world.task();
            world.hire_or_crash(task);
            world.drive(Millis::mins(30));
            if world.crash_at.is_some() {
                assert!(at > 8, "there are more events than that");
                break;
            }
            let closed = world
                .hire_of(0)
                .closed
                .unwrap_or_else(|| panic!("peer {n} fell after event {at}: {:?}", world.hire_of(0)));
            assert_eq!(closed.outcome, Outcome::Accepted, "peer {n} fell after event {at}");
            assert_eq!(world.ends()[0], world.ends()[1]);
        }
    }
}

#[test]
fn an_agent_that_may_not_be_restarted_is_not() {
    let mut world = World::new(0);
    let mut config = worker("once", "free", 1);
    config.skills[0].restartable = false;
    world.add(config);
    world.nodes[1].work_takes = Millis::mins(1);
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::secs(10));
    let id = world.hire_of(1).hire.unwrap();
    assert_eq!(world.nodes[1].runs[&id], 1);
    world.restart(1);
    world.drive(Millis::mins(30));
    assert_eq!(world.nodes[1].runs[&id], 1, "never a second time");
    assert_eq!(world.ends(), [Some((Outcome::CancelledByWorker, true)); 2]);
}

/// Replay is living: what is shown after a restart is what was shown before it.
#[test]
fn replay_rebuilds_the_same_hires() {
    for agent in [honest as Agent, |_, _| Err("broken".into())] {
        let mut world = World::pair();
        world.nodes[1].agent = agent;
        let task = world.task();
        world.hire(task, None);
        world.drive(Millis::hours(1));
        let id = world.hire_of(0).hire.unwrap();
        for n in [0, 1] {
            let before = world.shown(n, id);
            let (journal, ratings) = (world.nodes[n].journal.len(), world.nodes[n].ratings.len());
            world.restart(n);
            assert_eq!(world.shown(n, id), before);
            assert_eq!(world.nodes[n].journal.len(), journal, "a settled past writes nothing new");
            assert_eq!(world.nodes[n].ratings.len(), ratings);
        }
    }
}

/// What compaction archives is missed by nobody: the rest replays, open hires go on, reputation stays.
#[test]
fn a_compacted_journal_replays() {
    let mut world = World::pair();
    let task = world.task();
    let offer = world.hire(task, None).untyped();
    world.drive(Millis::days(31));
    world.nodes[1].work_takes = Millis::mins(2);
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::secs(10));
    for n in [0, 1] {
        let past = world.nodes[n].peer.as_ref().unwrap().past(world.now);
        assert_eq!(past.len(), 1, "the first hire is long over, the second is at work");
        let first = past.first().unwrap().untyped();
        let peer = world.nodes[n].peer.as_ref().unwrap();
        let retention = peer.retention(&past);
        let of_first = |event: &&Vec<u8>| match retention.of(event) {
            Retain::Archive(filed) => filed.ids.contains(&first) || filed.ids.contains(&offer),
            Retain::Live => false,
        };
        let filed = world.nodes[n].journal.iter().filter(of_first).cloned();
        let rng = Box::new(ChaCha20Rng::from_seed([0; 32]));
        let (recalled, _) = Peer::replay(Config::default(), signer(9), rng, filed, []).unwrap();
        let ask = |peer: &Peer, id: Bytes32| peer.query(world.now, Show(id.to_string())).unwrap();
        assert_eq!(ask(&recalled, first), ask(peer, first), "the archive tells what the peer did");
        if n == 0 {
            assert_eq!(ask(&recalled, offer), ask(peer, offer), "an offer with one hire is that hire");
        }
        assert!(world.compact(n) > 0);
        assert_eq!(world.rows(n).len(), 1);
        world.restart(n);
        assert_eq!(world.rows(n).len(), 1);
    }
    world.drive(Millis::mins(30));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
    let view = world.query(0, ReputationOf { agent: world.id(1), skill: None }).unwrap();
    assert_eq!(view.ratings.len(), 2, "the rating of the archived hire still counts");
}

/// Two runs of one seed are the same, byte for byte.
#[test]
fn the_brain_is_deterministic() {
    let run = || {
        let mut world = World::new(3);
        for _ in 0..3 {
            let task = world.task();
            world.hire(task, None);
        }
        world.drive(Millis::hours(1));
        world.nodes.into_iter().map(|node| (node.journal, node.notices)).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}
