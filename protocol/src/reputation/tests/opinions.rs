//! What holds of opinions, whatever the market.

use std::borrow::Cow;
use std::cell::OnceCell;

use super::*;
use crate::reputation::opinion::Weighing;
use crate::reputation::standing::Off;
use crate::reputation::walk::{MASS, Reached};

const NAMES: [&str; 4] = ["table", "table/sort", "table/sort/stable", "text"];

/// Who judges, whom, and how, at what.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Word {
    said: Said,
    skill: usize,
    accuracy: Option<u16>,
    worked: bool,
    /// Perfect, but for its id the same.
    perfect: bool,
}

impl Word {
    fn put(&self, model: &mut WalkBeta) {
        let evidence = self.said.evidence();
        let as_it_is = Scores { accuracy: self.accuracy, ..evidence.scores };
        let perfect = Scores { accuracy: self.accuracy.map(|_| 1000), quality: Some(1000), ..as_it_is };
        let scores = if self.perfect { perfect } else { as_it_is };
        let skill = NAMES[self.skill].parse().unwrap();
        assert!(model.add(self.said.about(), &Evidence { skill, scores, worked: self.worked, ..evidence }));
    }
}

fn filled(words: &[Word]) -> WalkBeta {
    let mut model = WalkBeta::default();
    words.iter().for_each(|word| word.put(&mut model));
    model
}

/// Words of agents 0 to 8 on agents 0 to 11, so that 9, 10 and 11 only work; each in a hire of its own.
fn words() -> impl Strategy<Value = Vec<Word>> {
    let one = (0..9u32, 0..12u32, 0..=1000u16, TODAY - 60..TODAY, 1..30u8);
    let more = (0..NAMES.len(), prop::option::of(0..=1000u16), prop::bool::weighted(0.9));
    vec((one, more), 0..60).prop_map(|all| {
        let word = |(hire, ((rater, subject, quality, day, value), (skill, accuracy, worked))): (
            u32,
            ((_, _, _, _, _), (_, _, _)),
        )| {
            Word { said: Said { rater, subject, hire, quality, day, value }, skill, accuracy, worked, perfect: false }
        };
        (0..).zip(all).map(word).filter(|word| word.said.rater != word.said.subject).collect()
    })
}

/// Standings out of thin air, so that only opinions differ: agent 0 looks, and the others have these masses of a million.
fn thin<'m>(model: &'m WalkBeta, masses: &[u32]) -> Standing<'m> {
    let mut mass = vec![0; model.book().agents.len() + 1];
    for (n, share) in (0..).zip(masses) {
        if let Some(who) = model.book().who(&agent(n)) {
            mass[who as usize] = i64::from(*share) * (MASS / 1_000_000) as i64;
        }
    }
    let place = model.book().who(&agent(0)).unwrap_or(model.book().agents.len() as u32);
    mass[place as usize] = (MASS / 2) as i64;
    Standing {
        model,
        viewer: agent(0),
        place,
        day: TODAY,
        reached: Cow::Owned(Reached { mass, total: MASS as i64 }),
        off: Off::By(0.0),
        starts: vec![(place, 1.0)],
        eyes: OnceCell::new(),
        leniency: OnceCell::new(),
    }
}

fn masses() -> impl Strategy<Value = Vec<u32>> {
    vec(prop_oneof![Just(0u32), 0..2_200u32, Just(5_000u32)], 9)
}

fn questions() -> impl Iterator<Item = Option<Skill>> {
    [None].into_iter().chain(NAMES.into_iter().map(|name| Some(name.parse().unwrap())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn opinions_have_the_same_bits_whatever_the_order_of_arrival(
        (words, shuffled) in words().prop_flat_map(|words| (Just(words.clone()), Just(words).prop_shuffle())),
    ) {
        let (one, other) = (filled(&words), filled(&shuffled));
        for viewer in [0, 11].map(agent) {
            for subject in [1, 2, 9, 10].map(agent) {
                for skill in questions() {
                    let view = |model: &WalkBeta| model.standing(&viewer, &[agent(2)], TODAY - 1).view(&subject, skill.as_ref());
                    prop_assert_eq!(view(&one), view(&other));
                    let told = |model: &WalkBeta| {
                        model.standing(&viewer, &[], TODAY).explain(&subject, skill.as_ref(), Aspect::Overall, 20)
                    };
                    prop_assert_eq!(told(&one), told(&other));
                }
            }
        }
    }

    #[test]
    fn contributions_add_up_to_the_score_less_the_prior(words in words(), masses in masses(), most in 0..5usize) {
        let model = filled(&words);
        let standing = thin(&model, &masses);
        for subject in (0..12).map(agent) {
            for skill in questions() {
                for aspect in Aspect::ALL {
                    let Some(told) = standing.explain(&subject, skill.as_ref(), aspect, most) else { continue };
                    let named: f64 = told.raters.iter().map(|rater| rater.contribution).sum();
                    prop_assert!((told.prior + named + told.others - told.score).abs() < 1e-12);
                    prop_assert_eq!(told.levels.last().map(|level| level.mean), Some(told.prior));
                    for rater in &told.raters {
                        let single: f64 = rater.ratings.iter().map(|rating| rating.contribution).sum();
                        prop_assert!((single - rater.contribution).abs() < 1e-12);
                    }
                    let opinion = standing.opinion(&subject, skill.as_ref(), aspect).unwrap();
                    prop_assert_eq!(opinion.mean, told.score);
                    let Opinion { low, mean, high, .. } = opinion;
                    prop_assert!(0.0 <= low && low <= mean && mean <= high && high <= 1.0);
                }
            }
        }
    }

    #[test]
    fn with_standing_as_it_is_no_refusal_raises_the_lower_end_and_a_better_rating_never_lowers_the_mean(
        words in words(), masses in masses(), (rater, skill, value, accuracy) in (0..9u32, 0..NAMES.len(), 1..30u8, 0..=1000u16),
        better in any::<prop::sample::Index>(),
    ) {
        // Nobody with a word of its own is judged: else its standing is judged as well.
        let before = filled(&words);
        let refusal = Said { rater, subject: 11, hire: 1_000, quality: 0, day: TODAY, value };
        let refusal = Word { said: refusal, skill, accuracy: Some(accuracy), worked: true, perfect: false };
        let mut after = before.clone();
        refusal.put(&mut after);
        let mut improved = words.clone();
        if let Some(word) = improved.get_mut(better.index(words.len().max(1))).filter(|word| word.said.subject > 8) {
            word.perfect = true;
        }
        let improved = filled(&improved);
        let (then, now, better) = (thin(&before, &masses), thin(&after, &masses), thin(&improved, &masses));
        for skill in questions() {
            let low = |standing: &Standing<'_>| standing.expect(&agent(11), skill.as_ref(), Aspect::Overall).low;
            prop_assert!(low(&now) <= low(&then), "{:?}: {} after {}", skill, low(&now), low(&then));
            for subject in (9..12).map(agent) {
                let mean = |standing: &Standing<'_>| standing.expect(&subject, skill.as_ref(), Aspect::Overall).mean;
                prop_assert!(mean(&better) >= mean(&then) - 1e-12, "{:?}: {} after {}", skill, mean(&better), mean(&then));
            }
        }
    }

    #[test]
    fn sybils_whom_nobody_has_dealt_with_move_no_opinion_by_a_bit(words in words(), sybils in 1..20u32, ring in 1..4u32) {
        let honest = filled(&words);
        let mut attacked = honest.clone();
        for n in 100..100 + sybils {
            let praise = |subject, quality, hire| said_at(n, subject, quality, hire);
            for (hire, subject) in (0..12).chain((1..=ring).map(|step| 100 + (n + step) % sybils)).enumerate() {
                if subject != n {
                    let said = praise(subject, (n % 2 * 1000) as u16, hire as u32);
                    attacked.add(said.about(), &said.evidence());
                }
            }
        }
        for viewer in [0, 1, 9].map(agent) {
            let (then, now) = (honest.standing(&viewer, &[], TODAY), attacked.standing(&viewer, &[], TODAY));
            for subject in [0, 2, 9, 11].map(agent) {
                for skill in questions() {
                    prop_assert_eq!(then.view(&subject, skill.as_ref()), now.view(&subject, skill.as_ref()));
                    let low = |standing: &Standing<'_>| standing.expect(&subject, skill.as_ref(), Aspect::Overall).low.to_bits();
                    prop_assert_eq!(low(&then), low(&now));
                }
            }
        }
    }

    #[test]
    fn evidence_of_anybody_is_bounded_by_its_standing_and_time_only_forgets(words in words(), masses in masses()) {
        let model = filled(&words);
        let mut last = BTreeMap::new();
        for day in [TODAY, TODAY + 1, TODAY + 30, TODAY + 400, TODAY + 5_000] {
            let standing = Standing { day, ..thin(&model, &masses) };
            for subject in (0..12).map(agent) {
                for skill in questions() {
                    let Some(told) = standing.explain(&subject, skill.as_ref(), Aspect::Overall, 20) else { continue };
                    for rater in &told.raters {
                        prop_assert!(rater.evidence <= 3.3334 * rater.weight, "{} of {}", rater.evidence, rater.weight);
                        let key = (subject, skill.clone(), rater.rater);
                        prop_assert!(last.insert(key, rater.evidence).is_none_or(|before| rater.evidence <= before));
                    }
                }
            }
        }
    }
}

fn said_at(rater: u32, subject: u32, quality: u16, hire: u32) -> Said {
    Said { hire, ..said(rater, subject, quality) }
}

/// One rater's word on another, so many days ago.
fn ago(rater: u32, subject: u32, hire: u32, quality: u16, days: u32) -> Word {
    let said = Said { day: TODAY - days, ..said_at(rater, subject, quality, hire) };
    Word { said, skill: 1, accuracy: None, worked: true, perfect: false }
}

fn overall(words: &[Word], viewer: u32, subject: u32, skill: Option<&str>) -> Opinion {
    let skill = skill.map(|skill| skill.parse().unwrap());
    filled(words).standing(&agent(viewer), &[], TODAY).expect(&agent(subject), skill.as_ref(), Aspect::Overall)
}

fn near(found: f64, exact: f64) {
    assert!((found - exact).abs() < 1e-6, "{found} is not {exact}");
}

/// The viewer 0 knows the agents 1, 2 and 3 to be good.
fn friends() -> Vec<Word> {
    (1..4).map(|friend| ago(0, friend, 0, 1000, 9)).collect()
}

#[test]
fn a_newcomer_is_expected_to_be_as_usual_and_relied_upon_for_nothing() {
    let words = friends();
    let newcomer = overall(&words, 0, 9, None);
    assert!(newcomer.mean > 0.6 && newcomer.evidence == 0.0, "{newcomer:?}");
    assert_eq!(newcomer.low, 0.0, "whatever everybody else is like");
    assert_eq!(filled(&words).standing(&agent(0), &[], TODAY).opinion(&agent(9), None, Aspect::Overall), None);
    let once = overall(&[friends(), vec![ago(0, 9, 5, 1000, 0)]].concat(), 0, 9, None);
    assert!(once.low > 0.05, "{once:?}");
}

#[test]
fn a_pair_is_worth_three_and_a_third_hires_and_a_betrayal_is_felt_at_once() {
    let good: Vec<Word> = (0..60).map(|hire| ago(0, 9, hire, 1000, 0)).collect();
    let then = overall(&good, 0, 9, None);
    assert!((3.3333..3.333334).contains(&then.evidence), "{then:?}");
    let betrayed = Word { said: Said { day: TODAY + 1, ..ago(0, 9, 99, 0, 0).said }, ..ago(0, 9, 99, 0, 0) };
    let model = filled(&[good, vec![betrayed]].concat());
    let now = model.standing(&agent(0), &[], TODAY + 1).expect(&agent(9), None, Aspect::Overall);
    assert!(now.mean < then.mean - 0.2 && now.low < then.low - 0.15, "{now:?} after {then:?}");
    near(now.evidence, 10.0 / 3.0 - 7.0 / 3.0 * (1.0 - 2f64.powf(-1.0 / 180.0)));
}

proptest! {
    #[test]
    fn nobody_gains_by_leaving_a_bad_name_behind(
        words in words(), masses in masses(), age in 0..2_000u32, (refusals, skill) in (1..5u32, 0..NAMES.len()),
    ) {
        // What is known of 11 is bad, however well others are thought of and however long ago it was.
        let mut words = words;
        words.retain(|word| word.said.subject != 11);
        let refusal = |n| Word { skill, ..ago(n, 11, 900 + n, 0, age) };
        words.extend((0..refusals).map(refusal));
        let model = filled(&words);
        let standing = thin(&model, &masses);
        for skill in questions() {
            let low = |n| standing.expect(&agent(n), skill.as_ref(), Aspect::Overall).low;
            prop_assert_eq!((low(11), low(99)), (0.0, 0.0));
        }
    }
}

#[test]
fn the_worse_a_rating_the_longer_it_lasts_and_something_lasts_for_good() {
    let aged = |x, age| Weighing::new(&Params::default()).aged(x, age);
    for age in [0, 1, 90, 400, 3_000] {
        let (good, bad) = (aged(1.0, age).0, aged(0.0, age).1);
        // The better a rating the more good and the less bad there is in it, at any age.
        let parts =
            (0..=20).map(|step| f64::from(step) / 20.0).map(|x| (x * aged(x, age).0, (1.0 - x) * aged(x, age).1));
        let parts: Vec<(f64, f64)> = parts.collect();
        assert!(parts.windows(2).all(|pair| pair[1].0 > pair[0].0 && pair[1].1 < pair[0].1), "{age}: {parts:?}");
        assert!([0.5, 0.8, 1.0].iter().all(|x| aged(*x, age) == (good, good)) && good >= 0.05 && bad >= good);
    }
    near(aged(0.0, 270).1, 0.5);
    assert_eq!(aged(0.0, 3_000), (0.05, 0.05));
}

#[test]
fn ten_hires_of_one_stranger_are_not_ten_witnesses() {
    let one = overall(&[friends(), (0..10).map(|hire| ago(1, 9, hire, 1000, 0)).collect()].concat(), 0, 9, None);
    let three = overall(&[friends(), (1..4).map(|friend| ago(friend, 9, 5, 1000, 0)).collect()].concat(), 0, 9, None);
    assert!(one.evidence > three.evidence);
    assert_eq!((one.n, three.n), (1.0, 3.0));
    assert!(one.low < three.low);
    let own = overall(&(0..10).map(|hire| ago(0, 9, hire, 1000, 0)).collect::<Vec<_>>(), 0, 9, None);
    assert!(own.n > 3.2, "what I have seen myself, I have seen ten times");
}

#[test]
fn whom_i_have_found_bad_has_no_say() {
    let praise = || vec![ago(1, 9, 5, 1000, 0)];
    assert!(overall(&[friends(), praise()].concat(), 0, 9, None).evidence > 0.9);
    // It has standing through another all the same.
    let bad = (10..18).map(|hire| ago(0, 1, hire, 0, 0));
    let known = vec![ago(2, 1, 5, 1000, 0), ago(2, 1, 6, 1000, 0)];
    let words = [friends(), praise(), known, bad.collect()].concat();
    let model = filled(&words);
    assert!(model.standing(&agent(0), &[], TODAY).weight(&agent(1)) > 0.5);
    assert_eq!(model.standing(&agent(0), &[], TODAY).opinion(&agent(9), None, Aspect::Overall), None);
    let trusting = WalkBeta::new(Params { distrust: false, ..Params::default() });
    let mut trusting = trusting;
    words.iter().for_each(|word| word.put(&mut trusting));
    assert!(trusting.standing(&agent(0), &[], TODAY).opinion(&agent(9), None, Aspect::Overall).is_some());
}

#[test]
fn excellence_at_one_thing_is_a_beginning_at_another_and_no_more() {
    let at = |skill, word: Word| Word { skill, ..word };
    // Excellent at sorting tables; of text nothing is known, then bad.
    let tables: Vec<Word> = (1..4).flat_map(|friend| (0..5).map(move |n| ago(friend, 9, 10 + n, 1000, 0))).collect();
    let words = [friends(), tables].concat();
    let [sort, table, text] = ["table/sort", "table", "text"].map(|skill| overall(&words, 0, 9, Some(skill)));
    assert!(sort.low > 0.5 && sort.evidence == table.evidence, "{sort:?}");
    assert_eq!(text.evidence, 0.0);
    assert!(text.mean > 0.9 && text.low < 0.35, "{text:?}");
    let now =
        overall(&[words, vec![at(3, ago(1, 9, 50, 0, 0)), at(3, ago(2, 9, 51, 0, 0))]].concat(), 0, 9, Some("text"));
    assert!(now.mean < 0.4, "{now:?}");
}

#[test]
fn a_view_of_a_skill_without_ratings_of_just_that_says_how_much_of_it_is_borrowed() {
    let judged = |n, word: Word| Word { accuracy: Some(800), said: Said { hire: n, ..word.said }, ..word };
    // Three units at sorting tables, nothing at anything else.
    let words = [friends(), (1..4).map(|friend| judged(10, ago(friend, 9, 0, 1000, 0))).collect()].concat();
    let model = filled(&words);
    let standing = model.standing(&agent(0), &[], TODAY);
    let view =
        |skill: Option<&str>| standing.view(&agent(9), skill.map(|skill| skill.parse().unwrap()).as_ref()).unwrap();
    let [all, sort, stable, text] = [None, Some("table/sort"), Some("table/sort/stable"), Some("text")].map(view);
    let shares = |view: &View| view.basis.map(|basis| (basis.here, basis.wider, basis.usual));
    assert_eq!(shares(&all), Some((0.75, 0.0, 0.25)));
    assert_eq!(shares(&sort), Some((0.75, 0.0, 0.25)));
    assert_eq!(shares(&stable), Some((0.0, 0.75, 0.25)));
    assert_eq!(shares(&text), shares(&stable));
    for borrowed in [stable, text] {
        near(borrowed.overall.mean, sort.overall.mean);
        assert_eq!((borrowed.overall.n, borrowed.criteria.len()), (0.0, 2), "{borrowed:?}");
        near(borrowed.criteria[&Criterion::Accuracy].mean, sort.criteria[&Criterion::Accuracy].mean);
        assert!(borrowed.overall.low < sort.overall.low, "what is borrowed is relied upon less");
    }
}

#[test]
fn what_somebody_is_like_to_work_for_says_nothing_of_its_work() {
    let paid: Vec<Word> = (1..4).map(|friend| Word { worked: false, ..ago(friend, 9, 10, 1000, 0) }).collect();
    let words = [friends(), paid].concat();
    assert_eq!(overall(&words, 0, 9, Some("table/sort")).evidence, 0.0);
    assert!(overall(&words, 0, 9, None).evidence > 2.9);
}

#[test]
fn the_last_weeks_count_when_they_were_worse() {
    let good = (0..6).flat_map(|n| (1..4).map(move |friend| ago(friend, 9, 10 + n, 1000, 90)));
    let words: Vec<Word> = friends().into_iter().chain(good).collect();
    let then = overall(&words, 0, 9, None);
    assert_eq!((then.fast, then.mean), (None, then.slow));
    let bad: Vec<Word> = (1..4).map(|friend| ago(friend, 9, 50, 0, 0)).collect();
    let now = overall(&[words.clone(), bad.clone()].concat(), 0, 9, None);
    assert!(now.fast.is_some_and(|fast| fast == now.mean && fast < now.slow - 0.1), "{now:?}");
    let view = |words: &[Word]| filled(words).standing(&agent(0), &[], TODAY).view(&agent(9), None).unwrap();
    assert_eq!(view(&words).trend, None);
    let trend = view(&[words.clone(), bad.clone()].concat()).trend.unwrap();
    assert_eq!((trend.slow, Some(trend.fast)), (now.slow, now.fast));
    // Who was good lately loses nothing by it.
    let more: Vec<Word> = (1..4).map(|friend| ago(friend, 9, 50, 1000, 0)).collect();
    let better = overall(&[words, more].concat(), 0, 9, None);
    assert!(better.fast.is_some() && better.mean == better.slow, "{better:?}");
}

#[test]
fn refused_work_is_worth_nothing_overall_whatever_checks_it_passed() {
    let refused = |n| Word { accuracy: Some(900), ..ago(0, 9, n, 0, 0) };
    let lows: Vec<f64> = (0..8).map(|n| overall(&(0..n).map(refused).collect::<Vec<_>>(), 0, 9, None).low).collect();
    assert!(lows.windows(2).all(|pair| pair[1] < pair[0] || pair[1] == 0.0), "{lows:?}");
}

#[test]
fn the_next_rating_is_expected_where_ratings_have_fallen_and_the_spread_is_how_far_they_lie() {
    let at = |scores: &[u16]| -> Vec<Word> {
        (0..).zip(scores).map(|(n, score)| ago(1 + n % 3, 9, 10 + n, *score, 0)).chain(friends()).collect()
    };
    let steady = overall(&at(&[800; 12]), 0, 9, None);
    let erratic = overall(&at(&[1000, 1000, 1000, 400, 400, 400, 1000, 1000, 1000, 400, 400, 400]), 0, 9, None);
    near(steady.spread.unwrap(), 0.0);
    assert!(erratic.spread.unwrap() > 0.25);
    let width = |opinion: &Opinion| opinion.next.map(|next| next.high - next.low).unwrap();
    assert!(width(&steady) < width(&erratic), "{:?} {:?}", steady.next, erratic.next);
    assert_eq!(overall(&at(&[800; 12]), 0, 9, None).next, steady.next);
}

#[test]
fn a_viewer_that_rates_higher_than_others_expects_to() {
    // Everybody finds 9, 10 and 11 middling; the viewer found two of them good.
    let middling = (9..12).flat_map(|subject| (1..4).map(move |friend| ago(friend, subject, 10, 500, 0)));
    let words: Vec<Word> =
        friends().into_iter().chain(middling).chain([ago(0, 9, 60, 900, 0), ago(0, 10, 60, 900, 0)]).collect();
    let model = filled(&words);
    let standing = model.standing(&agent(0), &[], TODAY);
    assert!(standing.leniency() > 0.05, "{}", standing.leniency());
    let view = standing.view(&agent(11), None).unwrap();
    near(view.expected.unwrap(), view.overall.mean + standing.leniency());
    assert_eq!(model.standing(&agent(7), &[], TODAY).leniency(), 0.0);
}

#[test]
fn an_explanation_names_the_way_to_each_rater() {
    // 0 -> 1 -> 4 and 0 -> 2 -> 4, the second heavier; 4 judges 9.
    let words = [
        ago(0, 1, 0, 1000, 0),
        ago(0, 2, 0, 1000, 0),
        ago(0, 2, 1, 1000, 0),
        ago(1, 4, 0, 1000, 0),
        ago(2, 4, 0, 1000, 0),
        ago(4, 9, 0, 700, 3),
    ];
    let model = filled(&words);
    let told = model.standing(&agent(0), &[], TODAY).explain(&agent(9), None, Aspect::Overall, 5).unwrap();
    assert_eq!(told.raters.len(), 1);
    let rater = &told.raters[0];
    let ways: Vec<_> = rater.paths.iter().map(|way| way.agents.clone()).collect();
    assert_eq!(ways, [[0, 2, 4].map(agent).to_vec(), [0, 1, 4].map(agent).to_vec()]);
    // What comes by all ways is the walk itself, but for what begins anew.
    let sum: f64 = rater.paths.iter().map(|way| way.share).sum();
    assert!(sum <= rater.mass && sum > 0.2 * rater.mass, "{sum} of {}", rater.mass);
    assert_eq!((rater.ratings[0].day, rater.ratings[0].x, rater.ratings[0].pair), (TODAY - 3, 0.7, 1.0));
    assert_eq!(rater.ratings[0].decay_bad, rater.ratings[0].decay_good, "better than one half");
}

#[test]
fn many_who_watch_see_what_they_would_alone_and_pinned_seeds_open_eyes() {
    let words: Vec<Word> = friends().into_iter().chain((1..4).map(|friend| ago(friend, 9, 10, 900, 2))).collect();
    let mut model = filled(&words);
    // 7 has no history of its own.
    let (me, newcomer) = (agent(0), agent(7));
    model.watch(me, &[]);
    model.watch(newcomer, &[]);
    model.watch(newcomer, &[me]);
    model.settle(TODAY);
    let columns = |viewer: &AgentId, day| Model::view(&model, viewer, &agent(9), None, day);
    assert_eq!(columns(&me, TODAY).mine, model.standing(&me, &[], TODAY).view(&agent(9), None));
    assert_eq!(columns(&me, TODAY + 9).mine, model.standing(&me, &[], TODAY + 9).view(&agent(9), None));
    let seen = columns(&newcomer, TODAY);
    assert_eq!((seen.mine, columns(&me, TODAY).pinned), (None, None));
    assert!(seen.pinned.is_some_and(|view| view.overall.n > 2.0));
    let low = model.low(&newcomer, &agent(9), None, TODAY);
    assert!(low > 0.3, "the seeds' word is chosen by: {low}");
    assert!(model.low(&agent(8), &agent(9), None, TODAY) < 0.01);
}

#[test]
fn the_example_in_the_documentation_is_what_the_model_says() {
    const TEXT: &str = include_str!("../../../REPUTATION.md");
    // Ana, Bo, Cy, Di.
    let words =
        [ago(0, 1, 0, 1000, 0), ago(0, 1, 1, 1000, 0), ago(0, 2, 2, 800, 0), ago(1, 3, 3, 900, 0), ago(2, 3, 4, 0, 0)];
    let model = filled(&words);
    let standing = model.standing(&agent(0), &[], TODAY);
    for (n, share) in [(0, "0.6994"), (1, "0.1936"), (2, "0.0683"), (3, "0.0387")] {
        assert_eq!((format!("{:.4}", standing.mass(&agent(n))), standing.weight(&agent(n))), (share.to_owned(), 1.0));
        assert!(TEXT.contains(&format!("| {share} | 1 |")), "{share}");
    }
    let skill = "table/sort".parse().unwrap();
    let told = standing.explain(&agent(3), Some(&skill), Aspect::Overall, 5).unwrap();
    let figures = [told.prior, told.score, told.raters[0].contribution.abs(), told.raters[1].contribution, told.low];
    let figures = figures.map(|figure| format!("{figure:.4}"));
    assert_eq!(figures, ["0.6842", "0.5281", "0.2281", "0.0719", "0.0788"]);
    for text in [" = 0.6842", "**0.5281**", " = 0.2281", " = 0.0719", "**0.0788**"] {
        assert!(TEXT.contains(text), "{text}");
    }
    // Half a year later.
    let later =
        model.standing(&agent(0), &[], TODAY + 180).explain(&agent(3), Some(&skill), Aspect::Overall, 5).unwrap();
    let ratings: Vec<_> = later.raters.iter().flat_map(|rater| &rater.ratings).collect();
    let [cy, bo] = ratings[..] else { panic!("{ratings:?}") };
    assert_eq!((bo.x, bo.decay_good, bo.decay_bad), (0.9, 0.5, 0.5));
    near(cy.decay_bad, 0.5f64.powf(180.0 / 270.0));
    assert!(TEXT.contains(&format!("**{:.2}**", cy.decay_bad)));
}
