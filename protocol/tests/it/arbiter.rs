//! Contested hires and their arbiters: consent before the work, the call, the decision that binds both.

use std::collections::BTreeSet;

use gigmesh_protocol::arbitration::{self, SKILL};
use gigmesh_protocol::hire::HireId;
use gigmesh_protocol::hire::chain::{Chain, Entry};
use gigmesh_protocol::hire::rule::Rule;
use gigmesh_protocol::hire::selection::WhyChosen;
use gigmesh_protocol::hire::task::{Call, Review, Task};
use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::limits;
use gigmesh_protocol::market::{
    Arbiter, Award, Consent, ConsentBytes, Contest, Decision, Link, Offer, Outcome, Reason, Receipt, ReceiptTerms,
    Ruling, Terms,
};
use gigmesh_protocol::peer::event::{Event, Logged};
use gigmesh_protocol::peer::io::*;
use gigmesh_protocol::peer::query::*;
use gigmesh_protocol::record::{Beside, Payload, Record, Verified};
use gigmesh_protocol::time::Millis;
use gigmesh_protocol::wire::Reply;

use gigmesh_simulations::world::{Agent, World, network, signer, worker};

const REQUESTER: usize = 0;
const WORKER: usize = 1;
const ARBITER: usize = 2;
const WITHIN: Millis = Millis::hours(1);

fn accepts(job: &WorkJob, inputs: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    assert_eq!(job.skill.as_str(), SKILL);
    let names: Vec<&str> = job.inputs.iter().map(|input| &*input.name).collect();
    assert_eq!(names, ["case", "result", "document"], "terms and statements, the delivery, what it was made from");
    let case = String::from_utf8_lossy(&inputs[0]);
    assert!(case.contains("gigmesh-transcript/1"));
    Ok(br#"{"ruling": "accepted", "statement": "It is what was asked for."}"#.to_vec())
}

fn refuses(_: &WorkJob, _: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    Ok(br#"{"ruling": "refused", "statement": "It is not."}"#.to_vec())
}

fn is_silent(_: &WorkJob, _: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    Err("out of office".to_owned())
}

/// A requester, a worker that accepts the arbiter, and the arbiter.
fn court(agent: Agent) -> World {
    let mut world = World::new(0);
    let arbiter = signer(ARBITER).agent();
    world.add(Config {
        arbiters: From::Allowlist(BTreeSet::from([arbiter])),
        ..worker("worker", "0.02 USD per task", 2)
    });
    let mut config = worker("judge", "0.10 USD per task", 4);
    config.skills[0].entry.path = SKILL.parse().unwrap();
    // Whoever has its consent may call it, whom it serves otherwise or not.
    config.from = From::Allowlist(BTreeSet::from([world.id(REQUESTER)]));
    world.add(config);
    world.nodes[ARBITER].agent = agent;
    world
}

fn disputed(world: &mut World) -> Task {
    let arbiter = Some(Arbiter { agent: world.id(ARBITER), within: WITHIN });
    Task { arbiter, review_by: Review::Person, ..world.task() }
}

fn row(world: &World, n: usize, skill: &str) -> HireRow {
    let of = |row: &HireRow| row.hire.is_some() && row.skill.as_str() == skill;
    world.rows(n).into_iter().find(of).unwrap_or_else(|| panic!("peer {n} has no hire for {skill}"))
}

fn ends(world: &World) -> [Option<(Outcome, bool)>; 2] {
    [REQUESTER, WORKER].map(|n| row(world, n, "text/count").closed.map(|closed| (closed.outcome, closed.agreed)))
}

/// Up to a refusal that no check supports; the hire.
fn refuse(world: &mut World) -> HireId {
    let task = disputed(world);
    world.hire(task, None);
    world.drive(Millis::mins(1));
    let id = row(world, REQUESTER, "text/count").hire.unwrap();
    world.command(REQUESTER, Command::Judge { hire: id, ruling: Ruling::Refused, note: "No.".into() }).unwrap();
    id
}

fn balance(world: &World, n: usize, with: usize) -> i64 {
    let page = world.query(n, LedgerAfter::default()).unwrap();
    page.balances.into_iter().filter(|balance| balance.with == world.id(with)).map(|balance| balance.micros).sum()
}

#[test]
fn an_arbiter_that_both_agreed_to_decides_a_contested_hire() {
    for (agent, outcome, owed) in [(accepts as Agent, Outcome::Accepted, 20_000), (refuses, Outcome::Refused, 0)] {
        let mut world = court(agent);
        let id = refuse(&mut world);
        world.drive(Millis::mins(5));
        assert_eq!(ends(&world), [Some((outcome, true)); 2]);
        assert_eq!((balance(&world, WORKER, REQUESTER), balance(&world, REQUESTER, WORKER)), (owed, -owed));
        assert_eq!(balance(&world, ARBITER, WORKER), 100_000, "whoever calls the arbiter pays it what it asked");
        let kinds: Vec<String> = world.shown(REQUESTER, id).records.into_iter().map(|record| record.kind).collect();
        assert_eq!(kinds.last().map(String::as_str), Some("decision/1"));
        let quality = |by: usize| {
            let of = |rating: &&Verified<_>| {
                let rating: &Verified<gigmesh_protocol::market::Rating> = rating;
                rating.judgement.hire == id && rating.issuer() == world.id(by)
            };
            world.nodes[by].ratings.values().find(of).and_then(|rating| rating.judgement.scores.quality)
        };
        let fair = if outcome == Outcome::Accepted { (1000, 0) } else { (0, 1000) };
        assert_eq!(
            (quality(REQUESTER), quality(WORKER)),
            (Some(fair.0), Some(fair.1)),
            "who was wrong pays with its name"
        );
        for n in [REQUESTER, WORKER, ARBITER] {
            assert_eq!(world.nodes[n].blamed, Vec::<String>::new());
        }
    }
}

#[test]
fn nothing_is_awarded_before_the_arbiter_consents() {
    let mut world = court(accepts);
    // It does not serve this requester.
    world.nodes[ARBITER].config.from = From::Nobody;
    world.restart(ARBITER);
    let task = disputed(&mut world);
    world.hire(task, None);
    world.drive(Millis::mins(1));
    let rows = world.rows(REQUESTER);
    assert!(rows.iter().all(|row| row.hire.is_none()), "{rows:?}");
    assert_eq!(rows[0].reason, Some(PostingEnd::ArbiterRefused(Reason::NotServed)));

    // It is away: the offer waits for it, and is awarded when it is back.
    let mut world = court(accepts);
    world.nodes[ARBITER].peer = None;
    let task = disputed(&mut world);
    world.hire(task, None);
    world.drive(Millis::mins(2));
    assert!(world.rows(REQUESTER).iter().all(|row| row.hire.is_none()));
    let waits = world.rows(REQUESTER)[0].clone();
    assert_eq!(waits.stage, HireStatus::AwaitsConsent);
    let shown = world.query(REQUESTER, Show(waits.offer.to_string())).unwrap().unwrap();
    assert_eq!(shown.why.unwrap().reason, WhyChosen::AwaitsArbiter, "though there is a claim to award");
    world.restart(ARBITER);
    world.drive(Millis::mins(3));
    let hire = row(&world, REQUESTER, "text/count").hire.unwrap();
    let award = world.shown(WORKER, hire).records.into_iter().find(|record| record.kind == "award/1").unwrap();
    assert!(award.private.unwrap().raw()["consent"].is_string(), "the worker began with the consent in its hands");
}

#[test]
fn a_worker_does_not_work_under_an_arbiter_it_has_not_named() {
    let mut world = court(accepts);
    world.nodes[WORKER].config.arbiters = From::Nobody;
    world.restart(WORKER);
    let task = disputed(&mut world);
    world.hire(task, None);
    world.drive(Millis::mins(1));
    assert!(world.rows(WORKER).iter().all(|row| row.hire.is_none()));
    let passed = world.query(WORKER, ListPassed).unwrap();
    assert_eq!(passed[0].reason, Passed::Objection(Objection::Arbiter(world.id(ARBITER))));
}

#[test]
fn an_arbiter_that_does_not_decide_leaves_the_hire_contested() {
    let mut world = court(is_silent);
    refuse(&mut world);
    world.drive(Millis::mins(30));
    assert_eq!(ends(&world), [None; 2], "it still has time");
    assert!(row(&world, WORKER, "text/count").decide_by.is_some_and(|by| by > world.now));
    world.drive(WITHIN);
    assert_eq!(ends(&world), [Some((Outcome::Contested, false)); 2]);
    assert_eq!(balance(&world, WORKER, REQUESTER), 0);
}

#[test]
fn a_decision_made_in_time_counts_however_late_it_comes() {
    let mut world = court(accepts);
    refuse(&mut world);
    // The arbiter decides and is cut off before it can tell anybody.
    let decided = |world: &World| {
        let decided = |notice: &Notice| matches!(notice, Notice::Decided { .. });
        world.nodes[ARBITER].notices.iter().any(decided)
    };
    let end = world.now + Millis::mins(10);
    while !decided(&world) {
        assert!(world.step(end), "it decides");
    }
    world.cut = true;
    world.drive(Millis::hours(3));
    assert_eq!(ends(&world), [Some((Outcome::Contested, false)); 2]);
    world.cut = false;
    world.drive(Millis::hours(1));
    assert_eq!(ends(&world), [Some((Outcome::Accepted, true)); 2]);
    assert_eq!(balance(&world, WORKER, REQUESTER), 20_000);
}

#[test]
fn the_requester_may_call_the_arbiter_too() {
    let mut world = court(accepts);
    // The worker has nothing to spend on arbiters.
    world.nodes[WORKER].config.buy.per_hire = vec!["0.01 USD".parse().unwrap()];
    world.restart(WORKER);
    let id = refuse(&mut world);
    world.drive(Millis::mins(5));
    assert_eq!(ends(&world), [None; 2]);
    world.command(REQUESTER, Command::Appeal { hire: id }).unwrap();
    world.drive(Millis::mins(5));
    assert_eq!(ends(&world), [Some((Outcome::Accepted, true)); 2]);
    assert_eq!(balance(&world, REQUESTER, ARBITER), -100_000);
    let again = world.command(REQUESTER, Command::Appeal { hire: id });
    assert!(matches!(again, Err(Refused::NotContested)));
}

#[test]
fn a_call_that_came_to_nothing_is_made_again_when_the_user_wants_it() {
    let mut world = court(accepts);
    let id = refuse(&mut world);
    // The arbiter has no skill left to serve when it is called.
    let skills = std::mem::take(&mut world.nodes[ARBITER].config.skills);
    world.restart(ARBITER);
    world.drive(Millis::mins(5));
    assert_eq!(ends(&world), [None; 2]);
    let calls = world.rows(WORKER).into_iter().filter(|row| row.skill.as_str() == SKILL).count();
    assert_eq!(calls, 1, "it is not called over and over");
    world.nodes[ARBITER].config.skills = skills;
    world.restart(ARBITER);
    world.command(WORKER, Command::Appeal { hire: id }).unwrap();
    world.drive(Millis::mins(5));
    assert_eq!(ends(&world), [Some((Outcome::Accepted, true)); 2]);
    assert_eq!(world.nodes[ARBITER].runs.values().sum::<usize>(), 1);
}

/// Any of the three falls right after each of its events in turn: both sides end as the arbiter decided, its agent ran once.
#[test]
fn a_fall_after_any_event_loses_no_decision() {
    for n in [REQUESTER, WORKER, ARBITER] {
        for at in 1.. {
            let mut world = court(accepts);
            world.crash_at = Some((n, at));
            let task = disputed(&mut world);
            world.hire_or_crash(task);
            world.drive(Millis::mins(2));
            let id = row(&world, REQUESTER, "text/count").hire.unwrap();
            let refusal = Command::Judge { hire: id, ruling: Ruling::Refused, note: String::new() };
            world.input(REQUESTER, Input::Command { caller: 1, command: refusal });
            world.drive(Millis::mins(20));
            if world.crash_at.is_some() {
                assert!(at > 4, "there are more events than that");
                break;
            }
            assert_eq!(ends(&world), [Some((Outcome::Accepted, true)); 2], "peer {n} fell after event {at}");
            assert_eq!(world.nodes[ARBITER].runs.values().sum::<usize>(), 1, "peer {n} fell after event {at}");
            assert_eq!(balance(&world, WORKER, REQUESTER), 20_000, "peer {n} fell after event {at}");
        }
    }
}

/// What a contested hire's chain makes of decisions that are not what they should be.
#[test]
fn a_decision_binds_only_from_the_arbiter_in_time_and_with_the_contest_before_it() {
    let mut world = court(is_silent);
    let id = refuse(&mut world);
    world.drive(WITHIN + Millis::mins(5));
    assert_eq!(ends(&world), [Some((Outcome::Contested, false)); 2], "the arbiter has let its time pass");
    let shown = world.shown(WORKER, id).records;
    let last = |kind: &str| shown.iter().rev().find(|record| record.kind == kind).unwrap().id;
    let at = shown.iter().find(|record| record.kind == "contest/1").and_then(|record| record.at).unwrap();
    let good = Decision {
        at,
        ext: Default::default(),
        hire: id,
        ruling: Ruling::Accepted,
        worker: last("contest/1"),
        requester: last("receipt/1"),
        statement: "so be it".try_into().unwrap(),
    };
    let arbiter = signer(ARBITER);
    let mut hand = |decision: &Decision, by: usize| {
        let record = Record::from(signer(by).sign(decision));
        world.slip(arbiter.agent(), WORKER, &[record])[0].clone()
    };
    let refused = |reply: Reply, rule: Rule| assert_eq!(reply, Reply::Refused(rule.into()));
    refused(hand(&good, REQUESTER), Rule::Arbiter);
    refused(hand(&Decision { at: at + WITHIN + Millis(1), ..good.clone() }, ARBITER), Rule::DecisionDate);
    refused(hand(&Decision { at: at - Millis(1), ..good.clone() }, ARBITER), Rule::DecisionDate);
    refused(hand(&Decision { worker: last("delivery/1"), ..good.clone() }, ARBITER), Rule::DecisionContest);
    refused(hand(&Decision { requester: last("ack/1"), ..good.clone() }, ARBITER), Rule::DecisionSeen);
    let unknown = Decision { worker: last("offer/1"), ..good.clone() };
    assert!(matches!(hand(&unknown, ARBITER), Reply::Ignored(_)), "nothing more will come of the worker's");
    // Of two that count, the one with the lower id, in whatever order they come.
    let other = Decision { ruling: Ruling::Refused, ..good.clone() };
    let (a, b) = (arbiter.sign(&good), arbiter.sign(&other));
    let (lower, higher) = if a.id() < b.id() { (&good, &other) } else { (&other, &good) };
    assert_eq!(hand(higher, ARBITER), Reply::Kept);
    assert_eq!(hand(lower, ARBITER), Reply::Kept);
    assert!(matches!(hand(higher, ARBITER), Reply::Ignored(_)));
    let outcome = if lower.ruling == Ruling::Accepted { Outcome::Accepted } else { Outcome::Refused };
    world.drive(Millis::mins(1));
    assert_eq!(ends(&world), [Some((outcome, true)); 2], "and it was passed on to the other side");
    assert_eq!(world.nodes[WORKER].blamed, Vec::<String>::new(), "it may have been told of too late");
}

/// A requester that forges a consent, or leaves it out, hires nobody.
#[test]
fn an_award_without_its_consent_is_refused() {
    let mut world = court(accepts);
    let task = disputed(&mut world);
    let offer_id = world.hire(task, None);
    world.drive(Millis::mins(1));
    let events = |n: usize| {
        let decode = |event: &Vec<u8>| Logged::decode(event, &network()).unwrap().event;
        world.nodes[n].journal.iter().map(decode).collect::<Vec<_>>()
    };
    let awarded = events(REQUESTER).into_iter().find_map(|event| match event {
        Event::Awarded {
            award: Record::Award(award),
            claim: Record::Claim(claim),
            offer: Record::Offer(offer),
            ..
        } => Some((award, claim, offer)),
        _ => None,
    });
    let (award, claim, offer) = awarded.expect("awarded with the consent");
    assert_eq!(offer.id(), offer_id);
    let forged = signer(REQUESTER).sign(&Consent {
        at: world.now,
        ext: Default::default(),
        offer: offer.id(),
        price: "free".parse().unwrap(),
        until: world.now + Millis::days(1),
    });
    let terms = award.private().unwrap();
    // The arbiter's own, that ends before the hire could be contested and decided.
    let given = gigmesh_protocol::market::decision::read(terms.consent.as_ref().unwrap()).unwrap().1;
    assert!(given.lasts(&offer, terms.at) && given.until < world.now + limits::CONSENT_LIFE);
    let until = terms.at + offer.done + offer.review + WITHIN;
    let short = signer(ARBITER).sign(&Consent { until: until - Millis(1), ..given.clone() });
    let just = signer(ARBITER).sign(&Consent { until, ..given });
    let brought = |consent: &Verified<Consent>| Some(consent.envelope().to_vec().try_into().unwrap());
    let with = Terms { consent: brought(&just), ..terms.clone() };
    assert_eq!(gigmesh_protocol::market::award::follows(&award, &with, &offer, &claim), Ok(()));
    for consent in [None, brought(&forged), brought(&short)] {
        let mut terms = terms.clone();
        terms.consent = consent;
        let follows = gigmesh_protocol::market::award::follows(&award, &terms, &offer, &claim);
        assert_eq!(follows, Err(Rule::TermsConsent));
    }
    // Spoilt so that it does not verify, it is not even admitted.
    let mut terms = terms.clone();
    let mut bytes = terms.consent.as_ref().unwrap().to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    terms.consent = Some(bytes.try_into().unwrap());
    let beside = Beside { body: terms, salt: Default::default() };
    let spoilt = Award { terms: beside.commitment::<Award>(), ..(*award).clone() };
    let spoilt = signer(REQUESTER).sign_with(&spoilt, beside);
    assert!(Record::admit(spoilt.envelope(), spoilt.beside(), &network()).is_err());
}

/// The file that is handed to the arbiter proves the contest and, later, the decision.
#[test]
fn the_case_must_be_what_it_says() {
    use gigmesh_protocol::arbitration::{CaseError, Seat};
    use gigmesh_protocol::transcript::Transcript;
    use gigmesh_protocol::wire::Item;

    let mut world = court(is_silent);
    let id = refuse(&mut world);
    world.drive(Millis::mins(1));
    let events = world.nodes[WORKER].journal.iter().map(|event| Logged::decode(event, &network()).unwrap().event);
    let mut chain: Option<Chain> = None;
    let mut roots = Vec::new();
    for event in events {
        match event {
            Event::Awarded { award: Record::Award(award), claim, offer, .. } if award.id() == id => {
                roots = vec![offer, claim, award.clone().into()];
                chain = Some(Chain::new(award));
            }
            Event::Said { record, .. } => {
                if let (Ok(entry), Some(chain)) = (Entry::try_from(record), chain.as_mut())
                    && entry.hire() == id
                {
                    chain.push(entry);
                }
            }
            _ => {}
        }
    }
    let chain = chain.unwrap();
    let file = |name: &str, keep: usize| {
        let records = roots.iter().cloned().chain(chain.in_order().into_iter().map(Entry::record)).take(keep);
        Transcript::new(name, records.map(|record| Item::of(&record)).collect()).unwrap().to_json()
    };
    let all = 3 + chain.in_order().len();
    let seat = Seat { network: network(), arbiter: world.id(ARBITER), caller: world.id(WORKER) };
    let case = seat.open(&file("test", all)).unwrap();
    assert_eq!(case.readable()["hire"], id.to_string());
    assert!(case.decide(br#"{"ruling": "maybe", "statement": "?"}"#).is_err());
    assert_eq!(case.decide(br#"{"ruling": "refused", "statement": "no"}"#).unwrap().parties.1, world.id(WORKER));
    let caller = Seat { caller: world.id(ARBITER), ..seat };
    assert_eq!(caller.open(&file("test", all)), Err(CaseError::Caller));
    let arbiter = Seat { arbiter: world.id(WORKER), ..seat };
    assert_eq!(arbiter.open(&file("test", all)), Err(CaseError::Arbiter));
    assert_eq!(seat.open(&file("test", all - 1)), Err(CaseError::NotContested));
    assert!(matches!(seat.open(&file("other", all)), Err(CaseError::Unproven(_))));
    assert!(matches!(seat.open(b"{}"), Err(CaseError::Format(_))));
}

/// A decision of a contested hire that has seen all of it, with this statement.
fn decision(world: &World, id: HireId, ruling: Ruling, statement: &str) -> Decision {
    let shown = world.shown(WORKER, id).records;
    let last = |by: usize| {
        let of = |record: &&ShownRecord| record.by == world.id(by) && record.kind != "rating/1";
        shown.iter().rfind(of).unwrap().id
    };
    Decision {
        at: shown.iter().find(|record| record.kind == "contest/1").and_then(|record| record.at).unwrap(),
        ext: Default::default(),
        hire: id,
        ruling,
        worker: last(WORKER),
        requester: last(REQUESTER),
        statement: statement.try_into().unwrap(),
    }
}

/// The first of many alike whose id is below another.
fn below<T: Payload>(id: Bytes32, make: impl Fn(u8) -> Verified<T>) -> Verified<T> {
    (0..=u8::MAX).map(make).find(|made| made.id().untyped() < id).expect("many are")
}

/// The quality given to `of` for a hire, as peer `n` has it.
fn rated(world: &World, n: usize, of: usize, id: HireId) -> Option<u16> {
    let view = world.query(n, ReputationOf { agent: world.id(of), skill: None }).unwrap();
    view.ratings.iter().find(|row| row.hire == id).and_then(|row| row.scores.quality)
}

/// An arbiter that says one thing, then another: what counts at last is what the books say, on both sides.
#[test]
fn the_books_follow_the_decision_that_counts() {
    for (first, then) in [(Ruling::Accepted, Ruling::Refused), (Ruling::Refused, Ruling::Accepted)] {
        let mut world = court(is_silent);
        let id = refuse(&mut world);
        world.drive(Millis::mins(2));
        let arbiter = signer(ARBITER);
        let said = (0..=u8::MAX).map(|n| arbiter.sign(&decision(&world, id, first, &n.to_string())));
        let said = said.max_by_key(|said| said.id()).unwrap();
        let other = below(said.id().untyped(), |n| arbiter.sign(&decision(&world, id, then, &n.to_string())));
        for (record, ruling) in [(said, first), (other, then)] {
            assert_eq!(world.slip(arbiter.agent(), WORKER, &[record.into()]), [Reply::Kept]);
            world.drive(Millis::mins(1));
            let owed = if ruling == Ruling::Accepted { 20_000 } else { 0 };
            let quality = if ruling == Ruling::Accepted { [Some(1000), Some(0)] } else { [Some(0), Some(1000)] };
            for _ in 0..2 {
                // What the requester says of the worker and the worker of the requester, as both see it, and whoever asks them.
                for n in [REQUESTER, WORKER] {
                    assert_eq!(
                        [WORKER, REQUESTER].map(|of| rated(&world, n, of, id)),
                        quality,
                        "seen by {n}, {ruling:?}"
                    );
                }
                assert_eq!((balance(&world, WORKER, REQUESTER), balance(&world, REQUESTER, WORKER)), (owed, -owed));
                [REQUESTER, WORKER].into_iter().for_each(|n| world.restart(n));
            }
        }
    }
}

/// An arbiter cannot fill a journal by outranking itself.
#[test]
fn a_decision_is_outranked_a_few_times_at_most() {
    let mut world = court(is_silent);
    let id = refuse(&mut world);
    world.drive(Millis::mins(2));
    let arbiter = signer(ARBITER);
    let mut all: Vec<_> =
        (0..50).map(|n| arbiter.sign(&decision(&world, id, Ruling::Accepted, &n.to_string()))).collect();
    all.sort_by_key(|decision| std::cmp::Reverse(decision.id()));
    let replies: Vec<Reply> =
        all.into_iter().flat_map(|decision| world.slip(arbiter.agent(), WORKER, &[decision.into()])).collect();
    assert_eq!(replies.iter().filter(|reply| **reply == Reply::Kept).count(), limits::DECISIONS);
    world.drive(Millis::mins(1));
    assert_eq!(ends(&world), [Some((Outcome::Accepted, true)); 2]);
}

/// The requester may put another record in the place of one that the worker has not seen. The decision binds all the same,
/// and what it has seen of the worker's stays.
#[test]
fn nobody_escapes_a_decision_by_taking_a_record_back() {
    let mut world = court(is_silent);
    // Its receipt waits for a person, and the worker contests the verdict.
    let task = Task { rating_by: Review::Person, ..disputed(&mut world) };
    world.hire(task, None);
    world.drive(Millis::mins(1));
    let id = row(&world, REQUESTER, "text/count").hire.unwrap();
    world.command(REQUESTER, Command::Judge { hire: id, ruling: Ruling::Refused, note: "No.".into() }).unwrap();
    world.drive(Millis::mins(1));
    let records = world.records(WORKER, id);
    let verdict = records.iter().find_map(|record| match record {
        Record::Verdict(verdict) => Some(verdict.clone()),
        _ => None,
    });
    let verdict = verdict.unwrap();
    let link = Link { n: verdict.link.n + 1, prev: Some(verdict.id().untyped()), ..verdict.link };
    let requester = signer(REQUESTER);
    let receipt = |n: u8| {
        let beside = Beside { body: ReceiptTerms { link, amount: 0 }, salt: Bytes32([n; 32]) };
        let (day, body, outcome) = (world.now.day(), beside.commitment::<Receipt>(), Outcome::Refused);
        let (ext, seal, took) = (Default::default(), None, Millis(0));
        requester.sign_with(&Receipt { day, ext, body, hire: id, seal, took, outcome }, beside)
    };
    let first = (0..9).map(receipt).max_by_key(|receipt| receipt.id()).unwrap();
    let other = below(first.id().untyped(), receipt);
    let shown = first.id().untyped();
    for record in [first, other] {
        assert_eq!(world.slip(requester.agent(), WORKER, &[record.into()]), [Reply::Kept]);
    }
    let decided = Decision { requester: shown, ..decision(&world, id, Ruling::Accepted, "so be it") };
    let arbiter = signer(ARBITER);
    let decided = arbiter.sign(&decided);
    for n in [WORKER, REQUESTER] {
        assert_eq!(world.slip(arbiter.agent(), n, &[decided.clone().into()]), [Reply::Kept]);
    }
    assert_eq!(ends(&world), [Some((Outcome::Accepted, true)); 2]);
    let other = another_contest(&world, id);
    let replies = world.slip(world.id(WORKER), REQUESTER, &[other.into()]);
    assert!(matches!(&replies[..], [Reply::Ignored(_)]), "{replies:?}");
}

fn sides_with_its_caller(job: &WorkJob, _: &[Vec<u8>]) -> Result<Vec<u8>, String> {
    let worker = job.seat.unwrap().caller == signer(WORKER).agent();
    let ruling = if worker { "accepted" } else { "refused" };
    Ok(format!(r#"{{"ruling": "{ruling}", "statement": "You called."}}"#).into_bytes())
}

/// Whoever lost could call again until a decision with a lower id says otherwise.
#[test]
fn an_arbiter_that_is_called_twice_decides_once() {
    for forked in [false, true] {
        let mut world = court(sides_with_its_caller);
        world.nodes[ARBITER].work_takes = Millis::mins(2);
        let id = refuse(&mut world);
        world.drive(Millis::mins(1));
        if forked {
            // The worker shows the requester another contest than the arbiter, whose decision would never fit.
            let other = another_contest(&world, id);
            assert_eq!(world.slip(world.id(WORKER), REQUESTER, &[other.into()]), [Reply::Kept]);
        }
        world.command(REQUESTER, Command::Appeal { hire: id }).unwrap();
        world.drive(Millis::mins(10));
        assert_eq!(world.nodes[ARBITER].runs.len(), 2, "both called");
        let decided = world.nodes[ARBITER].journal.iter().filter_map(|event| {
            match Logged::decode(event, &network()).unwrap().event {
                Event::Decided { record, .. } => Some(record.id()),
                _ => None,
            }
        });
        assert_eq!(decided.collect::<BTreeSet<_>>().len(), 1 + usize::from(forked));
        assert_eq!(ends(&world), [Some((Outcome::Accepted, true)); 2], "as the first call had it");
    }
}

/// A contest that takes the place of the worker's, at whoever has not answered it.
fn another_contest(world: &World, id: HireId) -> Verified<Contest> {
    let contest = world.records(WORKER, id).into_iter().find_map(|record| match record {
        Record::Contest(contest) => Some(contest),
        _ => None,
    });
    let (contest, worker) = (contest.unwrap(), signer(WORKER));
    below(contest.id().untyped(), |n| {
        worker.sign(&Contest { statement: Reason::said(&n.to_string()), ..(*contest).clone() })
    })
}

fn consent_of(world: &World, id: HireId) -> ConsentBytes {
    let award = world.records(WORKER, id).into_iter().find_map(|record| match record {
        Record::Award(award) => award.private().unwrap().consent.clone(),
        _ => None,
    });
    award.unwrap()
}

/// A caller's own checks would let only the ruling through that it wants, however often it has to call.
#[test]
fn an_arbiter_takes_no_case_with_checks_of_the_callers() {
    let mut world = court(refuses);
    let id = refuse(&mut world);
    world.drive(Millis::mins(5));
    assert_eq!(world.nodes[ARBITER].runs.len(), 1);
    let consent = consent_of(&world, id);
    let mut checks = arbitration::checks();
    checks.asserts.push("result.ruling == \"accepted\"".parse().unwrap());
    let task = Task { call: Some(Call { of: id, consent }), ..Task::new(SKILL.parse().unwrap(), "Again", checks) };
    let to = Some(world.id(ARBITER));
    world.command(WORKER, Command::Hire { task: Box::new(task), to, token: None }).unwrap();
    world.drive(Millis::mins(1));
    let reason = world.rows(WORKER).into_iter().find(|row| row.hire.is_none()).and_then(|row| row.reason).unwrap();
    assert_eq!(reason, PostingEnd::WorkerRefused(Reason::OtherChecks));
}

/// Whoever has a consent is served past `serve.from`: for as long as it says, and no longer.
#[test]
fn a_consent_has_an_end() {
    for (wait, taken) in [(Millis::mins(5), true), (Millis::days(3), false)] {
        let mut world = court(refuses);
        let id = refuse(&mut world);
        world.drive(wait);
        let consent = consent_of(&world, id);
        let (_, said) = gigmesh_protocol::market::decision::read(&consent).unwrap();
        assert_eq!(world.now <= said.until, taken);
        let task = Task {
            call: Some(Call { of: id, consent }),
            ..Task::new(SKILL.parse().unwrap(), "Again", arbitration::checks())
        };
        let to = Some(world.id(ARBITER));
        world.command(WORKER, Command::Hire { task: Box::new(task), to, token: None }).unwrap();
        world.drive(Millis::mins(1));
        let reasons: Vec<_> = world.rows(WORKER).into_iter().filter_map(|row| row.reason).collect();
        assert_eq!(reasons.iter().any(|reason| matches!(reason, PostingEnd::WorkerRefused(_))), !taken, "{reasons:?}");
    }
}

/// An offer costs nothing to make, and each could ask for a consent.
#[test]
fn consents_that_nobody_takes_do_not_pile_up() {
    let mut world = court(accepts);
    world.nodes[ARBITER].config.from = From::Anyone;
    world.restart(ARBITER);
    let task = disputed(&mut world);
    let id = world.hire(task, None);
    let like = world.nodes[REQUESTER].journal.iter().find_map(|event| {
        match Logged::decode(event, &network()).unwrap().event {
            Event::Posted { offer: Record::Offer(offer), .. } if offer.id() == id => Some(offer),
            _ => None,
        }
    });
    let (like, stranger) = (like.unwrap(), signer(9));
    let letters = |world: &World| world.nodes[ARBITER].peer.as_ref().unwrap().held().letters;
    let offer = |n: u8| Record::from(stranger.sign(&Offer { nonce: Bytes32([n; 32]), ..(*like).clone() }));
    world.slip(stranger.agent(), ARBITER, &[offer(0)]);
    world.drive(Millis(1));
    let one = letters(&world);
    world.slip(stranger.agent(), ARBITER, &[offer(0)]);
    assert_eq!(letters(&world), one, "asked twice, it says so once");
    let replies: Vec<Reply> = (1..=u8::MAX).flat_map(|n| world.slip(stranger.agent(), ARBITER, &[offer(n)])).collect();
    assert!(letters(&world) <= limits::CONSENTS + one);
    assert_eq!(replies.last(), Some(&Reply::Later), "whoever means it asks again");
}

/// What compaction archives of a call: nothing, while the hire that it is about is there.
#[test]
fn a_call_that_came_to_nothing_is_remembered_by_a_compacted_journal() {
    let mut world = court(accepts);
    world.nodes[WORKER].config.buy.per_hire = vec!["0.01 USD".parse().unwrap()];
    world.restart(WORKER);
    let id = refuse(&mut world);
    let skills = std::mem::take(&mut world.nodes[ARBITER].config.skills);
    world.restart(ARBITER);
    world.drive(Millis::mins(1));
    world.command(REQUESTER, Command::Appeal { hire: id }).unwrap();
    world.drive(Millis::mins(5));
    world.nodes[ARBITER].config.skills = skills;
    world.restart(ARBITER);
    for n in [REQUESTER, WORKER] {
        world.compact(n);
        assert_eq!(world.replay(n).unwrap().durable(), world.nodes[n].peer.as_ref().unwrap().durable());
        world.restart(n);
    }
    world.drive(Millis::mins(5));
    assert!(world.nodes[ARBITER].runs.is_empty(), "nobody wanted it called again");
}
