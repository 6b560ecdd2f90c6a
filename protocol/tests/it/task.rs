//! The rules of a task: each fault has its place, and no task that keeps them makes an offer that others refuse.

use gigmesh_protocol::codec::{List, Text};
use gigmesh_protocol::hire::selection::{Lane, Prefer};
use gigmesh_protocol::hire::task::{Call, Pointer, Task, TaskFault};
use gigmesh_protocol::id::{AgentId, Bytes32, Id};
use gigmesh_protocol::limits;
use gigmesh_protocol::market::checks::{Assert, Checks, Invalid as CheckError, Schema};
use gigmesh_protocol::market::{Arbiter, BlobRef, Consent, Input, Milestone, decision};
use gigmesh_protocol::record::{Network, Payload as _, Record, Signer};
use gigmesh_protocol::time::{Millis, Timestamp};
use gigmesh_simulations::world::signer;
use proptest::prelude::*;

const ONE_MS: Millis = Millis(1);

fn me() -> Signer {
    signer(0)
}

fn agent(n: usize) -> AgentId {
    signer(n).agent()
}

fn plain() -> Task {
    Task::new("text/count".parse().unwrap(), "Count the words", Checks::default())
}

fn assert(text: &str) -> Assert {
    text.parse().unwrap()
}

/// It parses, and takes more memory than a pattern may when it is compiled.
fn heavy() -> Assert {
    assert("result.name matches /(((a{99}){99}){99}){99}/")
}

fn asserts(n: usize) -> Vec<Assert> {
    (0..n).map(|n| assert(&format!("result.n == {n}"))).collect()
}

/// It is JSON and no schema.
fn schema() -> Schema {
    Schema::parse(r#"{"type":3}"#).unwrap()
}

fn input(name: &str, size: u64) -> Input {
    let blob = BlobRef { root: Bytes32::default(), size };
    Input { blob, name: Text::fit(name), media: Text::fit("text/plain") }
}

fn part(share: u16) -> Milestone {
    Milestone { share, title: Text::fit("part"), checks: Checks::default() }
}

fn consent(by: &Signer) -> gigmesh_protocol::market::ConsentBytes {
    let (at, offer) = (Timestamp(1), Id::from_bytes([7; 32]));
    let price = "1 USD".parse().unwrap();
    let consent = by.sign(&Consent { at, ext: Default::default(), offer, price, until: at + Millis::days(1) });
    consent.envelope().to_vec().try_into().unwrap()
}

fn case(by: &Signer) -> Task {
    let call = Call { of: Id::from_bytes([8; 32]), consent: consent(by) };
    Task { call: Some(call), skill: decision::SKILL.parse().unwrap(), ..plain() }
}

#[test]
fn every_rule_of_a_task_is_told_with_its_place() {
    let span = |given, least, most| TaskFault::Span { given, least, most };
    let large = |given: usize, most: usize| TaskFault::TooLarge { given: given as u64, most: most as u64 };
    let many = |given, most| TaskFault::TooMany { given, most };
    let check = |assert: &Assert| {
        let error = Checks { schema: None, asserts: vec![assert.clone()] }.compile().unwrap_err();
        assert!(matches!(error, CheckError::Pattern { .. }), "{error}");
        TaskFault::Check(error)
    };
    let unfit_schema = || TaskFault::Check(schema().compile().map(drop).unwrap_err());
    let (hour, day) = (Millis::hours(1), Millis::days(1));
    let market: Vec<(Task, &str, TaskFault)> = vec![
        (Task { skill: decision::SKILL.parse().unwrap(), ..plain() }, "/skill", TaskFault::Arbitration),
        (Task { skill: plain().skill, ..case(&signer(2)) }, "/skill", TaskFault::Arbitration),
        (Task { summary: "x".repeat(501), ..plain() }, "/summary", large(501, 500)),
        (Task { summary: "\u{7}".to_owned(), ..plain() }, "/summary", TaskFault::Control),
        (Task { slots: 0, ..plain() }, "/slots", TaskFault::Slots { given: 0, most: 64 }),
        (Task { slots: 65, ..plain() }, "/slots", TaskFault::Slots { given: 65, most: 64 }),
        (Task { slots: 3, agree: Some(1), ..plain() }, "/agree", TaskFault::Agree { given: 1, slots: 3 }),
        (Task { slots: 3, agree: Some(4), ..plain() }, "/agree", TaskFault::Agree { given: 4, slots: 3 }),
        (
            Task { inputs: (0..17).map(|n| input(&format!("i{n}"), 1)).collect(), ..plain() },
            "/brief/inputs",
            many(17, limits::INPUTS),
        ),
        (
            Task { inputs: vec![input("a/b~", 1)], ..plain() },
            "/brief/inputs/a~1b~0",
            TaskFault::InputName("a/b~".to_owned()),
        ),
        (
            Task { inputs: vec![input("a", 1), input("b", 1), input("a", 2)], ..plain() },
            "/brief/inputs/a",
            TaskFault::SameName,
        ),
        (
            Task { inputs: vec![input("a", limits::BLOB + 1)], ..plain() },
            "/brief/inputs/a",
            TaskFault::TooLarge { given: limits::BLOB + 1, most: limits::BLOB },
        ),
        (
            Task { inputs: vec![input("a", limits::BLOB), input("b", 1)], ..plain() },
            "/brief/inputs",
            TaskFault::TooLarge { given: limits::BLOB + 1, most: limits::BLOB },
        ),
        (Task { params: Some("{".to_owned()), ..plain() }, "/brief/params", TaskFault::NotJson),
        (Task { params: Some("\"\u{202e}\"".to_owned()), ..plain() }, "/brief/params", TaskFault::Control),
        (
            Task { params: Some("1".repeat(limits::PARAMS + 1)), ..plain() },
            "/brief/params",
            large(limits::PARAMS + 1, limits::PARAMS),
        ),
        (
            Task { checks: Checks { schema: Some(schema()), asserts: Vec::new() }, ..plain() },
            "/accept/schema",
            unfit_schema(),
        ),
        (
            Task { checks: Checks { schema: None, asserts: asserts(33) }, ..plain() },
            "/accept/checks",
            many(33, limits::ASSERTS),
        ),
        (
            Task { checks: Checks { schema: None, asserts: [asserts(2), vec![heavy()]].concat() }, ..plain() },
            "/accept/checks/2",
            check(&heavy()),
        ),
        (Task { sealed: asserts(33), ..plain() }, "/accept/sealed", many(33, limits::ASSERTS)),
        (Task { sealed: [asserts(1), vec![heavy()]].concat(), ..plain() }, "/accept/sealed/1", check(&heavy())),
        (
            Task { compare: Some("result of all".to_owned()), ..plain() },
            "/accept/compare",
            TaskFault::Compare("result of all".to_owned()),
        ),
        (
            Task { compare: Some("result..a".to_owned()), ..plain() },
            "/accept/compare",
            TaskFault::Compare("result..a".to_owned()),
        ),
        (Task { milestones: List::fit([part(1), part(0)]), ..plain() }, "/milestone/1/share", TaskFault::Share(0)),
        (Task { milestones: List::fit([part(1000)]), ..plain() }, "/milestone/0/share", TaskFault::Share(1000)),
        (Task { milestones: List::fit([part(500), part(500)]), ..plain() }, "/milestone", TaskFault::Shares(1000)),
        (
            Task {
                milestones: List::fit([Milestone {
                    checks: Checks { schema: None, asserts: vec![heavy()] },
                    ..part(1)
                }]),
                ..plain()
            },
            "/milestone/0/checks/0",
            check(&heavy()),
        ),
        (
            Task {
                milestones: List::fit([Milestone {
                    checks: Checks { schema: Some(schema()), asserts: Vec::new() },
                    ..part(1)
                }]),
                ..plain()
            },
            "/milestone/0/schema",
            unfit_schema(),
        ),
        (
            Task { arbiter: Some(Arbiter { agent: agent(0), within: day }), ..plain() },
            "/arbiter/agent",
            TaskFault::NotThird,
        ),
        (
            Task { arbiter: Some(Arbiter { agent: agent(2), within: Millis::secs(59) }), ..plain() },
            "/arbiter/within",
            span(Millis::secs(59), Millis::mins(1), Millis::days(30)),
        ),
        (
            Task { arbiter: Some(Arbiter { agent: agent(2), within: Millis::days(31) }), ..plain() },
            "/arbiter/within",
            span(Millis::days(31), Millis::mins(1), Millis::days(30)),
        ),
        (Task { expires: Millis(0), ..plain() }, "/time/expires", span(Millis(0), ONE_MS, day)),
        (Task { expires: day + ONE_MS, ..plain() }, "/time/expires", span(day + ONE_MS, ONE_MS, day)),
        (Task { bids: Millis(0), ..plain() }, "/time/bids", span(Millis(0), ONE_MS, day)),
        (Task { bids: hour, expires: hour, ..plain() }, "/time/bids", TaskFault::Bids { bids: hour, expires: hour }),
        (Task { begin: Millis(0), ..plain() }, "/time/begin", span(Millis(0), ONE_MS, limits::CLAIM_LIFE)),
        (Task { begin: day + ONE_MS, ..plain() }, "/time/begin", span(day + ONE_MS, ONE_MS, limits::CLAIM_LIFE)),
        (Task { done: Millis(0), ..plain() }, "/time/done", span(Millis(0), ONE_MS, limits::WORK)),
        (Task { done: Millis::days(31), ..plain() }, "/time/done", span(Millis::days(31), ONE_MS, limits::WORK)),
        (Task { review: Millis(0), ..plain() }, "/time/review", span(Millis(0), ONE_MS, limits::REVIEW)),
        (Task { review: Millis::days(15), ..plain() }, "/time/review", span(Millis::days(15), ONE_MS, limits::REVIEW)),
        (
            {
                let mut task = plain();
                task.choosing.prefer = vec![Prefer::Price; 5];
                task
            },
            "/choose/prefer",
            many(5, 4),
        ),
        (
            {
                let mut task = plain();
                task.choosing.bar = Some(1001);
                task
            },
            "/choose/bar",
            TaskFault::Fraction(1001),
        ),
        (
            {
                let mut task = plain();
                task.choosing.newcomers = Lane { share: 1001, up_to: None };
                task
            },
            "/choose/newcomers",
            TaskFault::Fraction(1001),
        ),
    ];
    let by = Some((me().agent(), me().network()));
    for (task, at, fault) in market {
        assert_eq!(task.check(by, None), Err(fault.at(at)));
    }

    let worker = Some(agent(1));
    let direct = [
        (Task { slots: 2, ..plain() }, worker, "/slots", TaskFault::OneWorker),
        (Task { agree: Some(2), ..plain() }, worker, "/agree", TaskFault::OneWorker),
        (
            Task { arbiter: Some(Arbiter { agent: agent(1), within: day }), ..plain() },
            worker,
            "/arbiter/agent",
            TaskFault::NotThird,
        ),
        (plain(), Some(agent(0)), "/to", TaskFault::Oneself),
    ];
    for (task, to, at, fault) in direct {
        assert_eq!(task.check(by, to), Err(fault.at(at)));
    }
    let windowless = Task { bids: hour, expires: Millis::mins(1), ..plain() };
    assert_eq!(windowless.check(by, worker), Ok(()), "an offer to one worker has no bid window");

    assert_eq!(case(&signer(2)).check(by, worker), Ok(()));
    let other = Signer::new(&[9; 32], Network::new("another"));
    let error = case(&other).check(by, worker).unwrap_err();
    assert!(error.at == Pointer::from("/call/consent") && matches!(error.fault, TaskFault::Consent(_)), "{error}");
}

#[test]
fn what_depends_on_the_requester_waits_until_it_is_known() {
    let mine = Task { arbiter: Some(Arbiter { agent: agent(0), within: Millis::days(1) }), ..plain() };
    assert_eq!(mine.check(None, None), Ok(()));
    assert!(mine.check(Some((me().agent(), me().network())), None).is_err());
}

#[test]
fn a_public_part_that_cannot_be_gossiped_is_a_fault_of_the_whole() {
    let long = assert(&format!("result.name == \"{}\"", "x".repeat(480)));
    let checks = Checks { schema: None, asserts: vec![long; 31] };
    let whole = |part: usize| Task {
        checks: checks.clone(),
        summary: "x".repeat(part),
        ..Task::new("text/count".parse().unwrap(), "", Checks::default())
    };
    assert_eq!(whole(0).check(None, None), Ok(()));
    let error = whole(500).check(None, None).unwrap_err();
    assert_eq!(error.at, Pointer::default());
    assert!(matches!(error.fault, TaskFault::TooLarge { most, .. } if most == limits::OFFER as u64), "{error}");
}

/// A length of time at or around the bounds of it.
fn around(most: Millis) -> impl Strategy<Value = Millis> {
    prop_oneof![
        30 => 1..=most.0,
        1 => Just(most.0),
        1 => most.0 - 1..=most.0 + 1,
        1 => 0..=1u64,
    ]
    .prop_map(Millis)
}

fn some_checks() -> impl Strategy<Value = Checks> {
    let name = prop_oneof![9 => "[a-z]{1,30}", 1 => "[a-z]{100,200}"];
    let assert = name.prop_map(|name| assert(&format!("result.{name} == \"{name}\"")));
    let schema = proptest::option::of(Just(Schema::parse(r#"{"type":"object"}"#).unwrap()));
    (schema, proptest::collection::vec(assert, 0..=limits::ASSERTS))
        .prop_map(|(schema, asserts)| Checks { schema, asserts })
}

fn some_task() -> impl Strategy<Value = Task> {
    let slots = prop_oneof![8 => Just(1), 8 => 1..=limits::SLOTS, 1 => Just(0), 1 => Just(limits::SLOTS + 1)];
    let agree = proptest::option::weighted(0.3, 1..=4u16);
    let milestone = (0..=300u16, some_checks()).prop_map(|(share, checks)| Milestone { checks, ..part(share) });
    let milestones = proptest::collection::vec(milestone, 0..3).prop_map(List::fit);
    let arbiter = proptest::option::weighted(0.3, (0..9usize, around(limits::ARBITRATION)));
    let arbiter = arbiter.prop_map(|one| one.map(|(n, within)| Arbiter { agent: agent(n), within }));
    let times = (
        around(limits::OFFER_LIFE),
        around(limits::OFFER_LIFE),
        around(limits::CLAIM_LIFE),
        around(limits::WORK),
        around(limits::REVIEW),
    );
    let what = ("\\PC{0,200}", slots, agree, milestones, arbiter, some_checks(), any::<bool>());
    (what, times).prop_map(|((summary, slots, agree, milestones, arbiter, checks, case), times)| {
        let (bids, expires, begin, done, review) = times;
        let from = if case { self::case(&signer(2)) } else { plain() };
        Task { summary, slots, agree, milestones, arbiter, checks, bids, expires, begin, done, review, ..from }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, max_global_rejects: 9_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// One rule has two readers: what a requester lets pass, others admit.
    #[test]
    fn a_task_that_is_good_makes_an_offer_that_others_admit(
        task in some_task(), to in proptest::option::of(1..3usize), at in 0..=u64::from(u32::MAX) << 20, nonce: [u8; 32],
    ) {
        let (me, to) = (me(), to.map(agent));
        prop_assume!(task.check(Some((me.agent(), me.network())), to).is_ok());
        let offer = task.offer(Timestamp(at), at, Bytes32(nonce), to.is_some());
        prop_assert_eq!(offer.check(&me.agent(), &me.network()), Ok(()));
        prop_assert_eq!(&*offer.summary, &task.summary);
        let signed = me.sign(&offer);
        prop_assert!(signed.envelope().len() <= limits::GOSSIP_RECORD);
        prop_assert!(Record::admit(signed.envelope(), None, &me.network()).is_ok());
    }
}
