//! The market under strain: claimants that mean harm, records that come late, a requester that falls at the worst moment.

use std::collections::BTreeMap;

use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::hire::selection::Prefer;
use gigmesh_protocol::hire::task::Review;
use gigmesh_protocol::id::{Bytes32, Id};
use gigmesh_protocol::ledger::Balance;
use gigmesh_protocol::market::award::value_bucket;
use gigmesh_protocol::market::checks::Checks;
use gigmesh_protocol::market::price::Amount;
use gigmesh_protocol::market::{
    Award, Begin, BeginTerms, Claim, Contest, Countersign, Link as Place, Milestone, Offer, Outcome, Reason, Ruling,
    Scores, Terms, constraint,
};
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::peer::io::*;
use gigmesh_protocol::peer::query::*;
use gigmesh_protocol::record::{Beside, Payload, Record, Signer, Verified};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::wire::Reply;

use gigmesh_simulations::world::dice::Dice;
use gigmesh_simulations::world::{Chaos, Link, World, network, signer, worker};

fn amounts(text: &str) -> Vec<Amount> {
    vec![text.parse().unwrap()]
}

/// Somebody that is no node of the world.
fn stranger(n: u16) -> Signer {
    let mut seed = [200; 32];
    seed[..2].copy_from_slice(&n.to_be_bytes());
    Signer::new(&seed, network())
}

fn configure(world: &mut World, n: usize, change: impl FnOnce(&mut Config)) {
    change(&mut world.nodes[n].config);
    world.restart(n);
}

fn balances(world: &World, n: usize) -> Vec<Balance> {
    world.query(n, LedgerAfter::default()).unwrap().balances
}

fn owed(world: &World, n: usize) -> i64 {
    balances(world, n).iter().map(|balance| balance.micros).sum()
}

fn inbox(world: &World, n: usize) -> Vec<InboxRow> {
    world.query(n, Inbox).unwrap()
}

/// The records of a hire as peer `n` holds them.
fn records(world: &World, n: usize, hire: HireId) -> Vec<Record> {
    world.records(n, hire)
}

fn hires(world: &World, n: usize) -> Vec<HireRow> {
    world.rows(n).into_iter().filter(|row| row.hire.is_some()).collect()
}

/// A stranger's claim of peer 0's offer, for a day.
fn claim(world: &World, offer: Id<Offer>, by: &Signer, price: &str) -> Record {
    let shown = world.shown(0, HireId::from_bytes(offer.untyped().0));
    let nonce: Bytes32 = serde_json::from_value(shown.records[0].says.raw()["nonce"].clone()).unwrap();
    let claim = Claim {
        at: world.now,
        ext: Default::default(),
        model: None,
        nonce,
        offer,
        price: price.parse().unwrap(),
        until: world.now + Millis::hours(23),
        expect: Millis::secs(1),
        version: gigmesh_protocol::codec::Text::fit("1"),
        manifest: Id::from_bytes([1; 32]),
        requester: world.id(0),
    };
    by.sign(&claim).into()
}

/// An offer as strangers make it.
fn public_offer(world: &World) -> Offer {
    Offer {
        at: world.now,
        ext: Default::default(),
        max: None,
        seq: 1,
        bids: world.now,
        done: Millis::mins(5),
        agree: None,
        arbiter: None,
        case: None,
        nonce: Bytes32([7; 32]),
        skill: "text/count".parse().unwrap(),
        slots: 1,
        constraint: None,
        checks: Default::default(),
        review: Millis::mins(5),
        expires: world.now + Millis::hours(24),
        summary: "work".try_into().unwrap(),
        milestones: Default::default(),
        properties: Default::default(),
    }
}

/// A command of peer 0's user, who may get no answer because it falls.
fn tell(world: &mut World, command: Command) {
    world.input(0, Input::Command { caller: 1, command });
}

/// Signs variants of a payload until the record's id is below `than`.
fn below<T: Payload>(than: Bytes32, mut make: impl FnMut(u8) -> Verified<T>) -> Verified<T> {
    (0..=u8::MAX).map(&mut make).find(|record| record.id().untyped() < than).expect("one in so many is lower")
}

/// What is owed at a close is the amount of the price, once: for ever so many rows it is not cheaper.
#[test]
fn a_price_for_more_rows_is_not_below_a_ceiling_or_an_approval() {
    for (ceiling, ask) in [(true, false), (false, true)] {
        let mut world = World::new(0);
        world.add(worker("honest", "0.02 USD per 1000 rows", 1));
        if ask {
            configure(&mut world, 0, |config| config.buy.ask_above = amounts("0.01 USD"));
        }
        let mut task = world.task();
        task.max = ceiling.then(|| "0.05 USD per 1000 rows".parse().unwrap());
        task.choosing.prefer = vec![Prefer::Price];
        task.slots = 2;
        let offer = world.hire(task, None);
        world.drive(Millis::secs(5));
        if ask {
            assert_eq!(inbox(&world, 0)[0].price.to_string(), "0.02 USD per 1000 rows");
            world.command(0, Command::Approve { id: offer.untyped(), note: String::new() }).unwrap();
        }
        let sly = stranger(1);
        let record = claim(&world, offer, &sly, "1000 USD per 4000000000 rows");
        let replies = world.slip(sly.agent(), 0, &[record]);
        assert!(matches!(&replies[..], [Reply::Ignored(_)]) || !ceiling, "{replies:?}");
        world.drive(Millis::secs(30));
        let with: Vec<_> = hires(&world, 0).iter().map(|row| row.with).collect();
        assert_eq!(with, [Some(world.id(1))]);
    }
}

/// Both sides sign a close once: a worker that takes its countersign's place again and again is owed no more.
#[test]
fn a_close_is_booked_once_whatever_takes_the_place_of_its_countersign() {
    let mut world = World::new(1);
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    let hire = world.hire_of(0).hire.unwrap();
    assert_eq!(owed(&world, 0), -20_000);
    let signed = records(&world, 1, hire).into_iter().find_map(|record| match record {
        Record::Countersign(sign) => Some(sign),
        _ => None,
    });
    let signed = signed.unwrap();
    let (worker, link) = (signer(1), signed.private().unwrap().link);
    let contest = below(signed.id().untyped(), |n| {
        let statement = Reason::said(&n.to_string());
        worker.sign(&Contest { ext: Default::default(), hire, link, statement })
    });
    let again = below(contest.id().untyped(), |n| {
        let beside = Beside { body: signed.private().unwrap().clone(), salt: Bytes32([n; 32]) };
        worker.sign_with(&Countersign { body: beside.commitment::<Countersign>(), ..(*signed).clone() }, beside)
    });
    world.slip(worker.agent(), 0, &[contest.into()]);
    world.slip(worker.agent(), 0, &[again.into()]);
    assert_eq!(owed(&world, 0), -20_000);
    world.restart(0);
    assert_eq!(owed(&world, 0), -20_000);
}

/// Work accepted in silence, or said to be accepted and never closed, is owed for: credit is for requesters like that.
#[test]
fn a_requester_that_never_closes_uses_up_its_credit() {
    let mut world = World::new(1);
    configure(&mut world, 1, |config| config.credit = amounts("0.05 USD"));
    for hire in 0..4 {
        (world.cut, world.cut_after) = (false, None);
        let task = world.task();
        world.hire(task, Some(1));
        // The result is fetched, and nothing is heard of the requester any more.
        while world.rows(1).first().is_none_or(|row| row.stage != HireStatus::InReview || row.closed.is_some()) {
            if !world.step(world.now + Millis::mins(1)) {
                assert_eq!(hire, 2, "two fit into the credit");
                return;
            }
        }
        world.cut = true;
        world.fall(0, false);
        world.nodes[0].journal.clear();
        world.rise(0);
        world.drive(Millis::mins(40));
        assert_eq!(
            world.rows(1)[0].closed.map(|closed| (closed.outcome, closed.agreed)),
            Some((Outcome::Accepted, false))
        );
    }
    panic!("it works on and on");
}

/// Losers learn what told them from the winner, not what the requester has to spend.
#[test]
fn nobody_is_told_the_budgets() {
    for slots in [1, 2] {
        let mut world = World::new(0);
        world.add(worker("cheap", "0.01 USD per task", 1));
        world.add(worker("dear", "0.04 USD per task", 1));
        configure(&mut world, 0, |config| {
            config.buy.per_hire = amounts("0.037 USD");
            config.buy.per_day = amounts("0.038 USD");
        });
        let mut task = world.task();
        task.slots = slots;
        world.hire(task, None);
        world.drive(Millis::mins(20));
        let rows = world.query(2, ListPassed).unwrap();
        assert!(!rows.is_empty());
        for row in rows {
            let told = serde_json::to_string(&row.reason).unwrap();
            assert!(!told.contains("37") && !told.contains("38"), "{told}");
        }
    }
}

/// Claims that cannot be chosen do not drive out those that can.
#[test]
fn a_flood_of_claims_without_manifests_keeps_nobody_out() {
    let mut world = World::new(0);
    let mut honest = worker("honest", "0.02 USD per task", 1);
    honest.skills[0].entry.properties =
        constraint::Properties::from_json(serde_json::json!({"fine": true}).as_object().unwrap()).unwrap();
    world.add(honest);
    let mut task = world.task();
    task.choosing.prefer = vec![Prefer::Price];
    task.constraint = Some("fine = true".parse().unwrap());
    let offer = world.hire(task, None);
    world.drive(Millis(500));
    for n in 0..300 {
        let sybil = stranger(n);
        let record = claim(&world, offer, &sybil, "0.000001 USD");
        world.slip(sybil.agent(), 0, &[record]);
    }
    world.drive(Millis::secs(20));
    assert_eq!(hires(&world, 0).first().map(|row| row.with), Some(Some(world.id(1))));
}

/// A person is not always there within the two minutes that a claim binds.
#[test]
fn a_direct_hire_can_be_approved_as_long_as_its_offer_stands() {
    for minutes in 1..9 {
        let mut world = World::new(1);
        configure(&mut world, 0, |config| config.buy.ask_above = amounts("0.01 USD"));
        let task = world.task();
        let offer = world.hire(task, Some(1));
        world.drive(Millis::mins(minutes));
        world.command(0, Command::Approve { id: offer.untyped(), note: String::new() }).unwrap();
        world.drive(Millis::mins(20));
        let ends: Vec<_> = hires(&world, 0).iter().map(|row| row.closed.map(|closed| closed.outcome)).collect();
        assert_eq!(ends, [Some(Outcome::Accepted)], "approved after {minutes} minutes");
    }
}

/// What waited for a person and was overtaken by what did not need one waits no more.
#[test]
fn nothing_waits_for_a_person_once_another_has_the_slot() {
    let mut world = World::new(0);
    world.add(worker("dear", "0.04 USD per task", 1));
    configure(&mut world, 0, |config| config.buy.ask_above = amounts("0.03 USD"));
    let mut task = world.task();
    (task.choosing.prefer, task.begin) = (vec![Prefer::Price], Millis::hours(24));
    let offer = world.hire(task, None);
    world.drive(Millis::secs(5));
    assert_eq!(inbox(&world, 0).len(), 1);
    world.add(worker("cheap", "0.01 USD per task", 1));
    let shown = world.shown(0, HireId::from_bytes(offer.untyped().0));
    assert_eq!(shown.records.len(), 1);
    let sly = stranger(1);
    let record = claim(&world, offer, &sly, "0.01 USD");
    world.slip(sly.agent(), 0, &[record]);
    assert_eq!(hires(&world, 0).len(), 1);
    assert_eq!(inbox(&world, 0), []);
    assert!(world.command(0, Command::Refuse { id: offer.untyped(), reason: "too dear".into() }).is_err());
    assert_eq!(hires(&world, 0)[0].stage, HireStatus::Awarded, "refusing what does not wait stops nothing");
}

/// A begin that comes after its slot was awarded again is not worked for, however it is dated: one slot, one price.
#[test]
fn a_slot_is_paid_once_though_an_award_that_lapsed_is_begun_at_last() {
    for per_day in ["0.03 USD", "9 USD"] {
        let mut world = World::new(0);
        configure(&mut world, 0, |config| config.buy.per_day = amounts(per_day));
        let mut task = world.task();
        (task.choosing.prefer, task.begin) = (vec![Prefer::Price], Millis::hours(24));
        (task.expires, task.done) = (Millis::hours(2), Millis::hours(1));
        let offer = world.hire(task, None);
        let late = stranger(1);
        let at = world.now;
        let record = claim(&world, offer, &late, "0.02 USD");
        let Record::Claim(bid) = &record else { panic!() };
        let bid = Claim { until: at + Millis::mins(2), ..(**bid).clone() };
        world.slip(late.agent(), 0, &[late.sign(&bid).into()]);
        world.drive(Millis::secs(5));
        let first = world.hire_of(0).hire.unwrap();
        world.drive(Millis::mins(5));
        world.add(worker("second", "0.021 USD", 1));
        let second = stranger(2);
        let record = claim(&world, offer, &second, "0.021 USD");
        world.slip(second.agent(), 0, &[record]);
        assert_eq!(hires(&world, 0).len(), 2, "awarded again");
        let awarded = records(&world, 0, first).into_iter().find_map(|record| match record {
            Record::Award(award) => Some(award),
            _ => None,
        });
        let (award, dated) = (awarded.unwrap(), at + Millis::mins(1));
        let link = Place { n: 0, at: dated, prev: None, seen: award.id().untyped() };
        let beside = Beside { body: BeginTerms { due: dated + Millis::hours(1), link }, salt: Bytes32([1; 32]) };
        let body = beside.commitment::<Begin>();
        let begin = Begin { day: dated.day(), ext: Default::default(), body, hire: first };
        let replies = world.slip(late.agent(), 0, &[late.sign_with(&begin, beside).into()]);
        assert_eq!(replies, [Reply::Kept], "a begin dated in time counts whenever it comes");
        let kinds: Vec<_> = records(&world, 0, first).iter().map(|record| record.kind().to_owned()).collect();
        assert!(!kinds.contains(&"brief/1".to_owned()), "{kinds:?}");
        world.drive(Millis::days(1));
        assert!(hires(&world, 0).iter().all(|row| row.closed.is_some()), "{:?}", hires(&world, 0));
    }
}

/// A worker that was thought to have failed may still deliver what is dated in time: until both have signed, its price is
/// not free for another.
#[test]
fn what_may_still_be_owed_is_spent() {
    let mut world = World::new(1);
    configure(&mut world, 0, |config| config.buy.per_day = amounts("0.03 USD"));
    let mut task = world.task();
    task.review = Millis::hours(1);
    world.hire(task, None);
    while hires(&world, 0).first().is_none_or(|row| row.stage != HireStatus::Working) {
        assert!(world.step(world.now + Millis::mins(1)));
    }
    world.cut = true;
    world.drive(Millis::mins(20));
    assert_eq!(hires(&world, 0)[0].closed.map(|closed| closed.agreed), Some(false));
    let (task, second) = (world.task(), stranger(2));
    let offer = world.hire(task, None);
    let record = claim(&world, offer, &second, "0.02 USD");
    world.slip(second.agent(), 0, &[record]);
    world.drive(Millis::secs(10));
    assert_eq!(hires(&world, 0).len(), 1);
    world.cut = false;
    world.input(0, Input::LinkUp(world.id(1)));
    world.input(1, Input::LinkUp(world.id(0)));
    world.drive(Millis::mins(5));
    assert_eq!(owed(&world, 0), -20_000);
}

/// The public value of an award is what its rating weighs by: a worker begins nothing that overstates it.
#[test]
fn an_award_says_what_it_is_worth() {
    for overstated in [0, 9] {
        let mut world = World::new(1);
        let requester = stranger(1);
        let offer = public_offer(&world);
        let offer = requester.sign(&offer);
        world.slip(requester.agent(), 1, &[offer.clone().into()]);
        let claims = world.nodes[1].journal.iter().map(|event| Logged::decode(event, &network()).unwrap().event);
        let mut claim = claims.filter_map(|event| match event {
            Event::Claimed { claim: Record::Claim(claim), .. } => Some(claim),
            _ => None,
        });
        let claim = claim.next_back().unwrap();
        let terms = Terms {
            agree: None,
            arbiter: None,
            consent: None,
            milestones: Default::default(),
            at: world.now,
            done: offer.done,
            offer: offer.id(),
            price: claim.price.clone(),
            until: claim.until,
            checks: Default::default(),
            inputs: 0,
            review: offer.review,
            sealed: None,
        };
        let beside = Beside { body: terms, salt: Bytes32([1; 32]) };
        let award = Award {
            day: world.now.day(),
            ext: Default::default(),
            slot: 0,
            claim: claim.id(),
            nonce: offer.nonce,
            round: 0,
            skill: offer.skill.clone(),
            terms: beside.commitment::<Award>(),
            value: value_bucket(&claim.price) + overstated,
            worker: world.id(1),
            replaces: None,
        };
        world.slip(requester.agent(), 1, &[requester.sign_with(&award, beside).into()]);
        assert_eq!(hires(&world, 1).len(), usize::from(overstated == 0));
    }
}

/// A bid binds its worker, so it is made near the end of the window: offers that nobody means occupy no one for a day.
#[test]
fn an_offer_with_a_long_window_is_claimed_near_its_end() {
    let mut world = World::new(1);
    for n in 0..2 {
        let idle = stranger(n);
        let offer = Offer { bids: world.now + Millis::hours(20), ..public_offer(&world) };
        let record = idle.sign(&offer).into();
        world.input(1, Input::Record { from: idle.agent(), origin: Origin::Gossip(0), record });
    }
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2], "there is capacity for those who want work done");
    world.restart(1);
    let mut task = world.task();
    (task.bids, task.expires) = (Millis::hours(2), Millis::hours(3));
    world.hire(task, None);
    world.drive(Millis::hours(1));
    let status = world.query(1, GetStatus).unwrap();
    assert_eq!(status.claims_out, 0);
    world.drive(Millis::mins(90));
    assert_eq!(world.rows(1).len(), 2, "claimed in time");
    assert!(world.rows(1).iter().all(|row| row.closed.is_some()));
}

/// Checks that cannot be run are compiled once, however often there is capacity, and keep nobody from other work.
#[test]
fn offers_whose_checks_cannot_be_run_are_passed_once() {
    let mut world = World::new(1);
    let sly = stranger(1);
    for n in 0..20 {
        let asserts = vec!["result.a matches /^[\\p{L}a-z]{1,20}$/".parse().unwrap()];
        let checks = Checks { schema: None, asserts };
        let offer = Offer { nonce: Bytes32([n; 32]), checks, ..public_offer(&world) };
        let record = sly.sign(&offer).into();
        world.input(1, Input::Record { from: sly.agent(), origin: Origin::Gossip(0), record });
    }
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
    let rows = world.query(1, ListPassed).unwrap();
    assert_eq!(rows.iter().filter(|row| row.reason == Passed::Objection(Objection::Checks)).count(), 20, "{rows:?}");
}

/// Sixty-four slots at once, each award within the last.
#[test]
fn every_slot_of_the_largest_offer_is_awarded_at_once() {
    let mut world = World::new(0);
    let mut task = world.task();
    (task.slots, task.begin) = (64, Millis::hours(24));
    let offer = world.hire(task, None);
    for n in 0..100 {
        let one = stranger(n);
        let record = claim(&world, offer, &one, "0.02 USD");
        world.slip(one.agent(), 0, &[record]);
    }
    world.drive(Millis::secs(4));
    assert_eq!(hires(&world, 0).len(), 64);
}

/// The requester falls after each of its events in turn, of a story with everything on: a person that approves and rates,
/// two slots, budgets. Never over a budget, the ledgers agree, everything closes, every hire is rated.
#[test]
fn a_fall_after_any_event_of_the_whole_market_loses_no_money() {
    for n in [0, 1] {
        for at in 1.. {
            let mut world = World::new(3);
            configure(&mut world, 0, |config| {
                config.buy = Buying {
                    per_hire: amounts("0.02 USD"),
                    per_day: amounts("0.05 USD"),
                    ask_above: amounts("0.01 USD"),
                    rules: Vec::new(),
                }
            });
            world.crash_at = Some((n, at));
            let mut task = world.task();
            (task.slots, task.rating_by) = (2, Review::Person);
            task.expires = Millis::mins(10);
            world.hire_or_crash(task.clone());
            world.hire_or_crash(task.clone());
            for _ in 0..60 {
                world.drive(Millis::secs(30));
                for row in inbox(&world, 0) {
                    match row.waits_for {
                        WaitsFor::Approval => tell(&mut world, Command::Approve { id: row.id, note: "go".into() }),
                        WaitsFor::Rating => {
                            let scores = Scores { quality: Some(700), ..Scores::default() };
                            tell(&mut world, Command::Rate { hire: HireId::from_bytes(row.id.0), scores });
                        }
                        WaitsFor::Judgement | WaitsFor::Answer | WaitsFor::Begin | WaitsFor::Contest => {}
                    }
                }
                let spent: u64 = hires(&world, 0)
                    .iter()
                    .filter(|row| row.closed.is_none_or(|closed| closed.outcome == Outcome::Accepted))
                    .filter_map(|row| Some(row.price.as_ref()?.amount().micros()))
                    .sum();
                assert!(spent <= 50_000, "peer {n} fell after event {at}: {spent}");
            }
            world.drive(Millis::hours(1));
            let fallen = world.crash_at.is_none();
            let mut accepted = BTreeMap::new();
            for row in hires(&world, 0) {
                let closed = row.closed.unwrap_or_else(|| panic!("peer {n} fell after event {at}: {row:?}"));
                if closed.outcome == Outcome::Accepted {
                    assert!(closed.agreed, "peer {n} fell after event {at}: {row:?}");
                    *accepted.entry(row.with.unwrap()).or_insert(0) += 20_000;
                    let (me, hire) = (world.id(0), row.hire.unwrap());
                    let rated = world.nodes[0].ratings.values();
                    let mut rated = rated.filter(|rating| rating.issuer() == me && rating.judgement.hire == hire);
                    assert!(rated.next().is_some(), "peer {n} fell after event {at}: {hire} was never rated");
                }
            }
            assert_eq!(
                accepted.values().sum::<i64>(),
                40_000,
                "peer {n} fell after event {at}: {:?}",
                hires(&world, 0)
            );
            assert_eq!(owed(&world, 0), -40_000, "peer {n} fell after event {at}");
            for worker in 1..4 {
                let earned = accepted.get(&world.id(worker)).copied().unwrap_or(0);
                assert_eq!(owed(&world, worker), earned, "peer {n} fell after event {at}, as {worker} has it");
            }
            assert!(world.rows(0).iter().all(|row| row.hire.is_some() || row.reason.is_some()), "{:?}", world.rows(0));
            if !fallen {
                assert!(at > [40, 8][n], "{at}: there are more events than that");
                break;
            }
        }
    }
}

/// A record does not overtake the award it needs: one way for both, and the second parcel is faster.
#[test]
fn a_withdrawal_sent_after_an_award_arrives_after_it() {
    for seed in 0..20 {
        let mut world = World::new(1);
        let link = Link { delay: Millis::secs(30), ..Link::default() };
        world.chaos = Some(Chaos { dice: Dice::new(seed, 0), links: [((0, 1), link)].into() });
        let task = world.task();
        let offer = world.hire(task, None);
        while hires(&world, 0).is_empty() {
            assert!(world.step(world.now + Millis::mins(1)), "nobody is awarded");
        }
        world.command(0, Command::Stop { id: offer.untyped(), reason: "never mind".into() }).unwrap();
        world.drive(Millis::hours(2));
        let [ours, theirs] = [0, 1].map(|n| {
            let hire = world.hire_of(0).hire.unwrap();
            world.records(n, hire).iter().map(Record::kind).collect::<Vec<_>>()
        });
        assert_eq!(ours, theirs, "both hold both chains whole");
        assert!(ours.contains(&"withdraw/1"));
        assert_eq!(world.ends()[0], world.ends()[1]);
        let status = world.query(0, GetStatus).unwrap();
        assert_eq!(status.outbox, 0);
    }
}

/// Whoever hears no does not ask again as fast as it can.
#[test]
fn a_claim_that_was_turned_down_is_not_made_again() {
    let mut world = World::new(1);
    let worker = world.id(1);
    configure(&mut world, 0, |config| {
        let rule = Rule { skill: "text".parse().unwrap(), allow: Default::default(), block: [worker].into() };
        config.buy.rules = vec![rule];
    });
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(9));
    let claims = world.nodes[1].notices.iter().filter(|notice| matches!(notice, Notice::Claimed { .. })).count();
    assert_eq!(claims, 1);
}

/// A requester that was away during the review gets the bytes all the same, and both sides come to what the checks say.
#[test]
fn a_review_that_was_slept_through_is_decided_by_the_bytes() {
    let mut world = World::new(1);
    let task = world.task();
    world.hire(task, None);
    while hires(&world, 1).first().is_none_or(|row| row.stage != HireStatus::InReview) {
        assert!(world.step(world.now + Millis::mins(1)));
    }
    // It is down as soon as it has acknowledged, before it has the bytes.
    assert!(!world.shown(0, world.hire_of(0).hire.unwrap()).held);
    world.fall(0, true);
    world.drive(Millis::mins(30));
    assert_eq!(world.hire_of(1).closed.map(|closed| (closed.outcome, closed.agreed)), Some((Outcome::Accepted, false)));
    world.restart(0);
    world.drive(Millis::mins(10));
    assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2]);
}

/// Sealed checks are of the last part: whoever refuses another does not show them, and the worker looks once.
#[test]
fn a_milestone_that_is_refused_is_checked_once_by_its_worker() {
    let mut world = World::new(1);
    let mut task = world.task();
    task.review_by = Review::Person;
    let part = Milestone { checks: Checks::default(), share: 300, title: "first".try_into().unwrap() };
    task.milestones = vec![part].try_into().unwrap();
    world.hire(task, None);
    world.drive(Millis::mins(1));
    let hire = world.hire_of(0).hire.unwrap();
    world.command(0, Command::Judge { hire, ruling: Ruling::Refused, note: "no".into() }).unwrap();
    world.drive_bounded(Millis::hours(1), 1_000);
    let shown = world.records(1, hire).into_iter().filter_map(|record| match record {
        Record::Verdict(verdict) => verdict.opened.clone(),
        _ => None,
    });
    assert_eq!(shown.count(), 0);
    assert_eq!(world.ends(), [Some((Outcome::Contested, false)); 2]);
}
