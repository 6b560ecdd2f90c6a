use super::*;
use crate::id::AgentId;
use crate::market::Arbiter;
use crate::market::checks::Checks;
use crate::time::Millis;

const AT: Timestamp = Timestamp(1_000_000);

fn terms() -> Terms {
    Terms {
        at: AT,
        done: Millis::mins(5),
        offer: Id::from_bytes([1; 32]),
        price: "1 USD per task".parse().unwrap(),
        until: AT + Millis::mins(1),
        checks: Checks::default(),
        inputs: 0,
        review: Millis::mins(10),
        sealed: None,
        agree: None,
        arbiter: None,
        consent: None,
        milestones: Default::default(),
    }
}

fn facts(stage: Stage) -> Facts {
    Facts {
        stage,
        begin: Some(AT),
        due: AT + Millis::mins(5),
        briefed: true,
        delivery: None,
        deliveries: 0,
        accepted: 0,
        review_until: Some(AT + Millis::mins(20)),
        since: Some(AT + Millis::mins(6)),
        contested: matches!(stage, Stage::Contested | Stage::Decided(_)).then(|| AT + Millis::mins(7)),
        opened: false,
        receipt: None,
        progress: 1,
        questions: (0, 0),
    }
}

/// Every stage there is. A new one does not compile until it is named here.
fn every() -> Vec<Stage> {
    let outcomes = [
        Outcome::Accepted,
        Outcome::Refused,
        Outcome::Failed,
        Outcome::CancelledByRequester,
        Outcome::CancelledByWorker,
    ];
    let rulings = [Ruling::Accepted, Ruling::Refused, Ruling::Unserved, Ruling::Changes(AT)];
    let mut stages = vec![
        Stage::Awarded,
        Stage::Withdrawn,
        Stage::Declined,
        Stage::Begun,
        Stage::Working,
        Stage::Delivered,
        Stage::Reviewing,
        Stage::Contested,
    ];
    stages.extend(rulings.map(Stage::Judged));
    stages.extend([Side::Requester, Side::Worker].map(Stage::Cancelled));
    stages.extend(outcomes.map(Stage::Receipted));
    stages.extend(outcomes.map(Stage::Settled));
    stages.extend([Outcome::Accepted, Outcome::Refused].map(Stage::Decided));
    for stage in &stages {
        match stage {
            Stage::Awarded | Stage::Withdrawn | Stage::Declined | Stage::Begun | Stage::Working | Stage::Delivered => {}
            Stage::Reviewing | Stage::Contested => {}
            Stage::Judged(_) | Stage::Cancelled(_) | Stage::Receipted(_) | Stage::Settled(_) | Stage::Decided(_) => {}
        }
    }
    stages
}

#[test]
fn no_stage_is_without_an_exit() {
    let arbiter = Some(Arbiter { agent: AgentId([9; 32]), within: Millis::hours(1) });
    for (stage, terms) in
        every().into_iter().flat_map(|stage| [(stage, terms()), (stage, Terms { arbiter, ..terms() })])
    {
        let facts = facts(stage);
        for checks in [None, Some(true), Some(false)] {
            match deadline(&facts, &terms) {
                Some(by) => {
                    assert_eq!(
                        outcome(&facts, &terms, by, checks, checks),
                        None,
                        "{stage:?} is open until its deadline"
                    );
                    let after = outcome(&facts, &terms, by + Millis(1), checks, checks);
                    assert!(after.is_some_and(|(_, agreed)| !agreed), "{stage:?} closes by silence, one-sidedly");
                }
                None => assert!(
                    outcome(&facts, &terms, AT, checks, checks).is_some(),
                    "{stage:?} is final and has an outcome"
                ),
            }
        }
    }
}

#[test]
fn silence_blames_only_who_had_signed_for_it() {
    let terms = terms();
    let late = AT + Millis::days(1);
    let by_silence =
        |stage, public, opened| outcome(&facts(stage), &terms, late, public, opened).map(|(outcome, _)| outcome);
    assert_eq!(by_silence(Stage::Awarded, None, None), Some(Outcome::Lapsed));
    assert_eq!(by_silence(Stage::Begun, None, None), Some(Outcome::Lapsed), "no sign that the brief was seen");
    assert_eq!(by_silence(Stage::Working, None, None), Some(Outcome::Failed));
    assert_eq!(
        by_silence(Stage::Delivered, Some(true), Some(true)),
        Some(Outcome::Lapsed),
        "nobody acknowledged the header"
    );
    assert_eq!(by_silence(Stage::Reviewing, Some(true), None), Some(Outcome::Accepted));
    assert_eq!(by_silence(Stage::Reviewing, Some(false), None), Some(Outcome::Refused));
    assert_eq!(by_silence(Stage::Judged(Ruling::Refused), Some(true), Some(false)), Some(Outcome::Refused));
    assert_eq!(by_silence(Stage::Judged(Ruling::Refused), Some(true), Some(true)), Some(Outcome::Contested));
    assert_eq!(by_silence(Stage::Judged(Ruling::Unserved), None, None), Some(Outcome::Contested));
    assert_eq!(by_silence(Stage::Cancelled(Side::Worker), None, None), Some(Outcome::CancelledByWorker));
}

#[test]
fn only_accepted_work_is_owed_for() {
    let blob = BlobRef { root: Bytes32([7; 32]), size: 1 };
    let delivered = |part, accepted| Facts {
        delivery: Some(Delivered { id: Id::from_bytes([1; 32]), at: AT, blob, part }),
        accepted,
        ..facts(Stage::Reviewing)
    };
    assert_eq!(owed(Outcome::Accepted, &delivered(0, 0), &terms()), 1_000_000);
    assert_eq!(owed(Outcome::Refused, &delivered(0, 0), &terms()), 0);
    let part = |share| crate::market::Milestone { share, title: Default::default(), checks: Checks::default() };
    let terms = Terms { milestones: crate::codec::List::fit([part(250), part(333)]), ..terms() };
    for (outcome, part, accepted, micros) in [
        (Outcome::Accepted, 0, 0, 250_000),
        (Outcome::Accepted, 1, 1, 583_000),
        (Outcome::Accepted, 2, 3, 1_000_000),
        (Outcome::Refused, 2, 2, 583_000),
        (Outcome::Failed, 0, 1, 250_000),
        (Outcome::CancelledByRequester, 0, 0, 0),
    ] {
        assert_eq!(owed(outcome, &delivered(part, accepted), &terms), micros, "{outcome} {part} {accepted}");
    }
}
