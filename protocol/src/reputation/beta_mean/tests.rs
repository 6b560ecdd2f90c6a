use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::codec::Ext;
use crate::id::Bytes32;
use crate::market::{Award, Begin, Countersign, Judgement, Outcome, Permit, Receipt, Scores};
use crate::record::{Network, Payload, Record, Signer};
use crate::time::Millis;

const TODAY: u32 = 20_000;

fn network() -> Network {
    Network::new("test")
}
fn signer(agent: u8) -> Signer {
    Signer::new(&[agent; 32], network())
}
fn agent(agent: u8) -> AgentId {
    signer(agent).agent()
}
fn skill(path: &str) -> Skill {
    path.parse().unwrap()
}

/// A hire and what one side says of it.
#[derive(Debug, Clone)]
struct Story {
    requester: u8,
    worker: u8,
    nonce: u8,
    /// Whether the worker judges the requester instead.
    back: bool,
    skill: &'static str,
    day: u32,
    quality: u16,
    accuracy: Option<u16>,
    /// Milliseconds taken, if both signed the close.
    agreed: Option<(Outcome, u64)>,
    sealed: bool,
}

const GOOD: Story = Story {
    requester: 1,
    worker: 2,
    nonce: 0,
    back: false,
    skill: "table/sort",
    day: TODAY,
    quality: 1000,
    accuracy: None,
    agreed: Some((Outcome::Accepted, 5)),
    sealed: true,
};

fn part<T: Payload + Clone>(by: u8, payload: &T) -> (Id<T>, crate::codec::Bytes<{ limits::PERMIT_PART }>) {
    let record = signer(by).sign(payload);
    (record.id(), record.envelope().to_vec().try_into().unwrap())
}

impl Story {
    fn tell(&self) -> Verified<Rating> {
        let (ext, body) = (Ext::default(), Bytes32::default());
        let award = Award {
            day: TODAY,
            ext: ext.clone(),
            slot: 0,
            claim: Id::from_bytes([7; 32]),
            nonce: Bytes32([self.nonce; 32]),
            round: 0,
            skill: skill(self.skill),
            terms: body,
            value: 9,
            worker: agent(self.worker),
            replaces: None,
        };
        let (hire, award) = part(self.requester, &award);
        let (_, begin) = part(self.worker, &Begin { day: TODAY, ext: ext.clone(), body, hire });
        let (rater, subject) = if self.back { (self.worker, self.requester) } else { (self.requester, self.worker) };
        let scores = Scores { quality: Some(self.quality), accuracy: self.accuracy, ..Scores::default() };
        let judgement = Judgement { hire, skill: skill(self.skill), scores, subject: agent(subject) };
        let opening = Bytes32([3; 32]);
        let seal = |back| (self.sealed && self.back == back).then(|| judgement.seal(&opening));
        let close = self.agreed.map(|(outcome, took)| {
            let receipt =
                Receipt { day: TODAY, ext: ext.clone(), body, hire, seal: seal(false), took: Millis(took), outcome };
            let (id, receipt) = part(self.requester, &receipt);
            let countersign = Countersign { day: TODAY, ext: ext.clone(), body, hire, seal: seal(true), receipt: id };
            (receipt, part(self.worker, &countersign).1)
        });
        let (receipt, countersign) = close.unzip();
        signer(rater).sign(&Rating {
            day: self.day,
            ext,
            model: None,
            permit: Permit { award, begin, receipt, countersign },
            opening: (self.sealed && self.agreed.is_some()).then_some(opening),
            version: None,
            manifest: None,
            judgement,
        })
    }
}

fn model(stories: &[Story]) -> BetaMean {
    let mut model = BetaMean::default();
    for story in stories {
        model.insert(&story.tell());
    }
    model
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-9, "{a} is not {b}");
}

#[test]
fn a_permit_reads_without_its_signatures_as_it_was_verified() {
    for agreed in [None, GOOD.agreed, Some((Outcome::CancelledByWorker, 0))] {
        for back in [false, true] {
            let rating = Story { agreed, back, ..GOOD }.tell();
            assert!(Record::admit(rating.envelope(), None, &network()).is_ok());
            let proven = rating.permit.verify(&rating.judgement.hire, &network()).unwrap();
            assert_eq!(rating.permit.read(), Some(proven));
        }
    }
}

#[test]
fn intervals_are_the_known_quantiles_of_beta_distributions() {
    // Closed forms: Beta(1, 1) is uniform, Beta(a, 1) has the quantile p^(1/a), Beta(1, b) the mirror image.
    let prior = Estimate::new(0.0, 0.0);
    close(prior.mean, 0.5);
    close(prior.low, 0.05);
    close(prior.high, 0.95);
    close(Estimate::new(9.0, 9.0).low, 0.05f64.powf(0.1));
    close(Estimate::new(0.0, 3.0).high, 1.0 - 0.05f64.powf(0.25));
    // Beta(2, 2) has the distribution function 3x^2 - 2x^3.
    let x = Estimate::new(1.0, 2.0).low;
    close(3.0 * x * x - 2.0 * x * x * x, 0.05);
    // Beta(6, 3) at x: the chance of at least 6 heads in 8 throws of a coin that shows heads with x.
    let x = Estimate::new(5.0, 7.0).low;
    close(28.0 * x.powi(6) * (1.0 - x).powi(2) + 8.0 * x.powi(7) * (1.0 - x) + x.powi(8), 0.05);
    let many = Estimate::new(500_000.0, 1_000_000.0);
    assert!(many.low > 0.499 && many.high < 0.501);
}

#[test]
fn a_stranger_has_no_view_and_the_lower_end_of_the_prior() {
    let model = model(&[GOOD]);
    for (viewer, subject) in [(1, 3), (3, 2), (2, 1)] {
        let (viewer, subject) = (agent(viewer), agent(subject));
        assert_eq!(model.view(&viewer, &subject, None, TODAY).mine, None);
        close(model.low(&viewer, &subject, None, TODAY), 0.05);
    }
}

#[test]
fn only_the_viewers_own_ratings_make_its_view_and_everybodys_make_the_facts() {
    let others = |requester, quality| Story { requester, quality, ..GOOD };
    let model = model(&[GOOD, others(3, 0), others(4, 0), Story { nonce: 1, agreed: None, ..GOOD }]);
    let columns = model.view(&agent(1), &agent(2), None, TODAY);
    let mine = columns.mine.unwrap();
    close(mine.overall.mean, 3.0 / 4.0);
    close(mine.overall.n, 2.0);
    assert_eq!(columns.pinned, None);
    let facts = Facts { hires: 3, accepted: 3, counterparties: 3, median_took: Some(Millis(5)) };
    assert_eq!(columns.facts, facts);
    close(mine.overall.low, model.low(&agent(1), &agent(2), None, TODAY));
}

#[test]
fn a_rating_is_one_unit_overall_and_one_for_each_criterion_it_scores() {
    let model = model(&[Story { accuracy: Some(500), ..GOOD }, Story { nonce: 1, quality: 0, ..GOOD }]);
    let mine = model.view(&agent(1), &agent(2), None, TODAY).mine.unwrap();
    close(mine.overall.mean, (1.0 + 0.75) / (2.0 + 2.0));
    close(mine.overall.n, 2.0);
    let means: Vec<_> =
        mine.criteria.iter().map(|(criterion, estimate)| (*criterion, estimate.mean, estimate.n)).collect();
    assert_eq!(means, [(Criterion::Accuracy, 0.5, 1.0), (Criterion::Quality, 0.5, 2.0)]);
}

#[test]
fn a_skill_counts_what_lies_below_it_and_a_day_what_lies_before_it() {
    let model = model(&[
        GOOD,
        Story { nonce: 1, skill: "table", ..GOOD },
        Story { nonce: 2, skill: "text", ..GOOD },
        Story { nonce: 3, day: TODAY + 1, ..GOOD },
    ]);
    let n = |wanted: Option<&str>, day| {
        let wanted = wanted.map(skill);
        model.view(&agent(1), &agent(2), wanted.as_ref(), day).mine.map_or(0.0, |view| view.overall.n)
    };
    assert_eq!([n(None, TODAY), n(Some("table"), TODAY), n(Some("table/sort"), TODAY)], [3.0, 2.0, 1.0]);
    assert_eq!([n(None, TODAY + 1), n(None, TODAY - 1), n(Some("tab"), TODAY)], [4.0, 0.0, 0.0]);
}

#[test]
fn of_two_ratings_for_one_hire_and_direction_the_sealed_one_counts_else_the_lower_id() {
    let (sealed, open) = (GOOD, Story { sealed: false, quality: 0, ..GOOD });
    let (a, b) = (Story { quality: 1, ..open.clone() }, Story { quality: 2, ..open.clone() });
    let lower = if a.tell().id() < b.tell().id() { &a } else { &b };
    for (pair, winner) in
        [([&sealed, &open], &sealed), ([&open, &sealed], &sealed), ([&a, &b], lower), ([&b, &a], lower)]
    {
        let mut model = BetaMean::default();
        assert!(model.insert(&pair[0].tell()));
        assert_eq!(model.insert(&pair[1].tell()), pair[1].tell().id() == winner.tell().id());
        assert!(!model.insert(&winner.tell()));
        assert_eq!(model.ratings_of(&agent(2), 9)[0].1.id, winner.tell().id());
        assert_eq!(model.len(), 1);
    }
    // The other direction is a rating of its own.
    assert_eq!(model(&[GOOD, Story { back: true, ..GOOD }]).len(), 2);
}

#[test]
fn work_that_is_refused_never_raises_what_is_chosen_by() {
    let low = |stories: &[Story]| model(stories).low(&agent(1), &agent(2), None, TODAY);
    let refused = |nonce| Story { nonce, quality: 0, accuracy: Some(900), ..GOOD };
    let (mut stories, mut last) = (Vec::new(), low(&[]));
    for nonce in 0..6 {
        stories.push(refused(nonce));
        let now = low(&stories);
        assert!(now < last, "{nonce}: {now} after {last}");
        last = now;
    }
}

#[test]
fn whatever_leaves_is_told_once() {
    let rating = |day| Story { day, quality: 500, ..GOOD }.tell();
    let mut all: Vec<_> = (TODAY - 9..TODAY).map(rating).collect();
    all.sort_by_key(|rating| std::cmp::Reverse(rating.id()));
    let mut model = BetaMean::default();
    for (n, rating) in all.iter().enumerate() {
        assert!(model.insert(rating));
        let outranked = n.checked_sub(1).map(|n| (agent(2), all[n].id()));
        assert_eq!(model.take_gone(), outranked.into_iter().collect::<Vec<_>>());
    }
    assert_eq!((model.len(), model.take_gone()), (1, Vec::new()));
}

#[test]
fn facts_count_both_sides_and_time_the_worker_alone() {
    let stories =
        [(0, Outcome::Accepted, 10), (1, Outcome::Refused, 30), (2, Outcome::Failed, 0), (3, Outcome::Accepted, 20)];
    let told = stories.map(|(nonce, outcome, took)| Story { nonce, agreed: Some((outcome, took)), ..GOOD });
    let mut model = model(&told);
    let facts = |model: &BetaMean, of| model.view(&agent(9), &agent(of), None, TODAY).facts;
    let expected = Facts { hires: 4, accepted: 2, counterparties: 1, median_took: Some(Millis(20)) };
    assert_eq!(facts(&model, 2), expected);
    assert_eq!(facts(&model, 1), Facts::default());
    model.insert(&Story { back: true, ..GOOD }.tell());
    assert_eq!(facts(&model, 1), Facts { hires: 1, accepted: 1, counterparties: 1, median_took: None });
}

#[test]
fn ratings_are_listed_newest_first_up_to_the_limit() {
    let model = model(&[5, 9, 7].map(|nonce| Story { nonce, day: u32::from(nonce), ..GOOD }));
    let days = |limit| model.ratings_of(&agent(2), limit).iter().map(|(_, held)| held.day).collect::<Vec<_>>();
    assert_eq!((days(9), days(2)), (vec![9, 7, 5], vec![9, 7]));
    assert!(model.ratings_of(&agent(1), 9).is_empty());
}

#[test]
fn when_full_the_oldest_day_leaves() {
    let mut model = BetaMean::bounded(2);
    let mut insert = |nonce, day| model.insert(&Story { nonce, day, ..GOOD }.tell());
    assert_eq!([insert(0, 10), insert(1, 20), insert(2, 5), insert(3, 15)], [true, true, false, true]);
    let days: Vec<_> = model.ratings_of(&agent(2), 9).iter().map(|(_, held)| held.day).collect();
    assert_eq!((days, model.oldest.len()), (vec![20, 15], 2));
}

fn story() -> impl Strategy<Value = Story> {
    let skills = prop::sample::select(vec!["table", "table/sort", "text"]);
    let scores = (0..=1000u16, prop::option::of(0..=1000u16));
    let outcome = prop::sample::select(vec![Outcome::Accepted, Outcome::Refused, Outcome::Failed]);
    let agreed = prop::option::of((outcome, 0..100u64));
    (1..4u8, 0..4u8, any::<bool>(), skills, TODAY - 2..TODAY + 2, scores, agreed, any::<bool>()).prop_map(
        |(requester, nonce, back, skill, day, (quality, accuracy), agreed, sealed)| Story {
            requester,
            worker: 4,
            nonce,
            back,
            skill,
            day,
            quality,
            accuracy,
            agreed,
            sealed,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_order_of_arrival_does_not_matter(
        (stories, shuffled) in vec(story(), 0..24).prop_flat_map(|stories| (Just(stories.clone()), Just(stories).prop_shuffle())),
    ) {
        let (one, other) = (model(&stories), model(&shuffled));
        prop_assert_eq!(&one.held, &other.held);
        prop_assert_eq!(&one.oldest, &other.oldest);
        for viewer in 1..5 {
            for wanted in [None, Some(skill("table"))] {
                let view = |model: &BetaMean| model.view(&agent(viewer), &agent(4), wanted.as_ref(), TODAY);
                prop_assert_eq!(view(&one), view(&other));
            }
        }
    }

    #[test]
    fn estimates_lie_in_their_interval_and_one_more_perfect_rating_never_lowers_them(stories in vec(story(), 0..24)) {
        let mut model = model(&stories);
        let (viewer, subject) = (agent(1), agent(4));
        for nonce in 100..104 {
            let before = model.low(&viewer, &subject, None, TODAY);
            if let Some(mine) = model.view(&viewer, &subject, None, TODAY).mine {
                for Estimate { mean, low, high, n } in mine.criteria.into_values().chain([mine.overall]) {
                    prop_assert!(0.0 <= low && low <= mean && mean <= high && high <= 1.0 && n >= 1.0);
                }
            }
            model.insert(&Story { worker: 4, nonce, ..GOOD }.tell());
            prop_assert!(model.low(&viewer, &subject, None, TODAY) >= before);
        }
    }

    #[test]
    fn every_amount_of_evidence_has_an_interval(share in 0.0..=1.0f64, exponent in 0.0..6.0f64) {
        let n = 10f64.powf(exponent).round();
        let Estimate { mean, low, high, .. } = Estimate::new(share * n, n);
        prop_assert!(0.0 <= low && low <= mean && mean <= high && high <= 1.0, "{low} {mean} {high}");
    }
}
