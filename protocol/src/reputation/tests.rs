//! Evidence without signatures, for the tests of this folder; and what holds of the walk.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::hire::HireId;
use crate::id::sha256;
use crate::market::{Outcome, Scores};

mod bounds;
mod opinions;

pub(super) const TODAY: u32 = 20_000;

pub(super) fn agent(n: u32) -> AgentId {
    // Keys in another order than numbers.
    AgentId(sha256(&[b"agent", &n.to_be_bytes()]).0)
}

/// Somebody's word on somebody.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Said {
    pub rater: u32,
    pub subject: u32,
    pub hire: u32,
    pub quality: u16,
    pub day: u32,
    pub value: u8,
}

pub(super) fn said(rater: u32, subject: u32, quality: u16) -> Said {
    Said { rater, subject, hire: 0, quality, day: TODAY, value: 20 }
}

impl Said {
    pub(super) fn about(&self) -> About {
        let id = sha256(&[&self.rater.to_be_bytes(), &self.subject.to_be_bytes(), &self.hire.to_be_bytes()]);
        About { subject: agent(self.subject), rater: agent(self.rater), hire: HireId::from_bytes(id.0) }
    }

    pub(super) fn evidence(&self) -> Evidence {
        let scores = Scores { quality: Some(self.quality), ..Scores::default() };
        let said = [self.rater, self.subject, self.hire, u32::from(self.quality), self.day].map(u32::to_be_bytes);
        Evidence {
            id: Id::from_bytes(sha256(&[said.as_flattened()]).0),
            skill: "table/sort".parse().unwrap(),
            day: self.day,
            scores,
            value: self.value,
            agreed: Some((Outcome::Accepted, Millis(5))),
            sealed: true,
            worked: true,
            edition: Edition::default(),
        }
    }
}

pub(super) fn model(all: &[Said]) -> WalkBeta {
    let mut model = WalkBeta::new(Params::default());
    for said in all {
        model.add(said.about(), &said.evidence());
    }
    model
}

/// Up to 40 ratings among 12 agents.
pub(super) fn market() -> impl Strategy<Value = Vec<Said>> {
    let one = (0..12u32, 0..12u32, 0..3u32, 0..=1000u16, TODAY - 400..=TODAY, 0..30u8);
    vec(one, 0..40).prop_map(|all| {
        let said = |(rater, subject, hire, quality, day, value)| Said { rater, subject, hire, quality, day, value };
        all.into_iter().map(said).filter(|said| said.rater != said.subject).collect()
    })
}

/// The same by plain linear algebra in floats: 400 rounds of `p = e o + (1 - e) P' p`, what rows keep back going to `o`.
fn dense(model: &WalkBeta, viewer: &AgentId) -> BTreeMap<AgentId, f64> {
    let e = model.params().restart;
    let edges: Vec<_> = model.edges().collect();
    let mut p = BTreeMap::from([(*viewer, 1.0)]);
    for _ in 0..400 {
        let mut next = BTreeMap::from([(*viewer, e)]);
        let mut kept: BTreeMap<AgentId, f64> = p.iter().map(|(agent, mass)| (*agent, (1.0 - e) * mass)).collect();
        for (from, to, part) in &edges {
            let passed = (1.0 - e) * part * p.get(from).unwrap_or(&0.0);
            *next.entry(*to).or_default() += passed;
            *kept.entry(*from).or_default() -= passed;
        }
        *next.entry(*viewer).or_default() += kept.values().sum::<f64>();
        p = next;
    }
    p
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_canonical_walk_is_the_stationary_distribution(market in market()) {
        let model = model(&market);
        for viewer in (0..3).map(agent) {
            let standing = model.standing(&viewer, &[], TODAY);
            let exact = dense(&model, &viewer);
            let off: f64 = exact.iter().map(|(agent, mass)| (standing.mass(agent) - mass).abs()).sum();
            prop_assert!(standing.certificate() < 1e-8);
            prop_assert!(off <= standing.certificate() + 1e-12, "{off} is over {}", standing.certificate());
        }
    }

    #[test]
    fn standings_have_the_same_bits_whatever_the_order_of_arrival(
        (market, shuffled) in market().prop_flat_map(|market| (Just(market.clone()), Just(market).prop_shuffle())),
    ) {
        let (one, other) = (model(&market), model(&shuffled));
        for viewer in (0..4).map(agent) {
            for day in [TODAY, TODAY - 100] {
                let seeds = [agent(5), agent(6)];
                prop_assert_eq!(
                    one.standing(&viewer, &seeds, day).bits(),
                    other.standing(&viewer, &seeds, day).bits()
                );
            }
        }
    }

    #[test]
    fn what_is_kept_up_to_date_lies_within_its_certificate(market in market(), gone in 0..20usize, budget in 1..20usize) {
        let mut model = WalkBeta::new(Params::default());
        let viewers = [0, 1, 2].map(agent);
        for viewer in &viewers {
            model.watch(*viewer, &[agent(7)]);
        }
        for (n, said) in market.iter().enumerate() {
            model.add(said.about(), &said.evidence());
            if n % 3 == 0 {
                model.work(TODAY, budget);
            }
        }
        for said in market.iter().take(gone) {
            model.remove(&said.about());
        }
        model.settle(TODAY);
        for viewer in &viewers {
            let (live, canonical) = (model.live(viewer, &[agent(7)], TODAY).unwrap(), model.standing(viewer, &[agent(7)], TODAY));
            let agents = (0..12).map(agent);
            let off: f64 = agents.map(|agent| (live.mass(&agent) - canonical.mass(&agent)).abs()).sum();
            prop_assert!(off <= live.certificate() + canonical.certificate() + 1e-12, "{off} {}", live.certificate());
            // A settled walk leaves less than 2^-live_bits at each agent and for each of its edges, of a mass that is at
            // least the restart's share.
            let places = (model.edges().count() + 12) as f64;
            let left = places / 2f64.powi(model.params().live_bits as i32);
            let most = 2.0 * left / (model.params().restart - left);
            prop_assert!(live.certificate() < most, "{} of {most}", live.certificate());
        }
    }

    #[test]
    fn sybils_that_nobody_has_dealt_with_move_nothing_and_others_no_more_than_what_they_were_given(
        market in market(), sybils in 1..30u32, fooled in vec((0..12u32, 0..30u32, 0..=1000u16), 0..4),
    ) {
        let honest = model(&market);
        let mut attacked = model(&market);
        let mut attack = Vec::new();
        for n in 100..100 + sybils {
            // A ring, praise for all and by all, and slander.
            attack.push(said(n, 100 + (n + 1) % sybils, 1000));
            attack.extend((0..12).map(|honest| said(n, honest, (n % 2 * 1000) as u16)));
        }
        for said in &attack {
            attacked.add(said.about(), &said.evidence());
        }
        for viewer in (0..12).map(agent) {
            prop_assert_eq!(
                honest.standing(&viewer, &[], TODAY).bits(),
                attacked.standing(&viewer, &[], TODAY).bits()
            );
        }
        for (honest, sybil, quality) in fooled {
            let said = said(honest, 100 + sybil % sybils, quality);
            attacked.add(said.about(), &said.evidence());
        }
        let region: Vec<AgentId> = (100..100 + sybils).map(agent).collect();
        for viewer in (0..12).map(agent) {
            let standing = attacked.standing(&viewer, &[], TODAY);
            let crossing = attacked.edges().filter(|(from, to, _)| !region.contains(from) && region.contains(to));
            let f: f64 = crossing.map(|(from, _, part)| standing.mass(&from) * part).sum();
            let mass: f64 = region.iter().map(|sybil| standing.mass(sybil)).sum();
            let e = attacked.params().restart;
            prop_assert!(mass <= (1.0 - e) / e * f + standing.certificate(), "{mass} of {f}");
            let full = e * (1.0 - e) / attacked.params().d0;
            let weight: f64 = region.iter().map(|sybil| standing.weight(sybil)).sum();
            prop_assert!(weight <= (1.0 - e) / (e * full) * f + standing.certificate() / full, "{weight} of {f}");
        }
    }
}

#[test]
fn praise_within_one_house_counts_nothing_whenever_that_is_learnt() {
    let mut model = model(&[said(0, 1, 1000), said(1, 2, 1000)]);
    assert!(model.standing(&agent(0), &[], TODAY).mass(&agent(2)) > 0.0);
    model.belongs(agent(1), Some(agent(9)));
    assert!(model.standing(&agent(0), &[], TODAY).mass(&agent(2)) > 0.0);
    model.belongs(agent(2), Some(agent(9)));
    assert_eq!(model.standing(&agent(0), &[], TODAY).mass(&agent(2)), 0.0);
    let more = [said(2, 1, 900), said(9, 1, 900), said(1, 9, 900), said(3, 3, 900), said(3, 3, 0)];
    assert!(more.iter().all(|said| !model.add(said.about(), &said.evidence())));
}

#[test]
fn nobody_gets_rid_of_a_bad_rating_by_moving_in_with_the_rater() {
    let mut model = model(&[said(0, 1, 1000), said(1, 2, 0), said(1, 3, 1000)]);
    for house in [None, Some(agent(1))] {
        model.belongs(agent(2), house);
        model.belongs(agent(3), house);
        let standing = model.standing(&agent(0), &[], TODAY);
        let [bad, good] = [2, 3].map(|subject| standing.opinion(&agent(subject), None, Aspect::Overall));
        assert!(bad.is_some_and(|bad| bad.evidence == 1.0));
        assert_eq!(good.is_some(), house.is_none());
    }
    let bad = Said { hire: 7, ..said(1, 2, 100) };
    assert!(model.add(bad.about(), &bad.evidence()));
}

#[test]
fn a_dear_betrayal_is_not_washed_away_by_trifles() {
    let edge = |all: &[Said]| model(all).standing(&agent(0), &[], TODAY).weight(&agent(1));
    let at = |hire, quality, value| Said { hire, quality, value, day: TODAY + hire - 20, ..said(0, 1, 0) };
    let betrayed: Vec<Said> =
        (0..6).map(|hire| at(hire, 1000, 20)).chain([at(6, 0, 20), at(7, 0, 20), at(8, 0, 20)]).collect();
    assert_eq!(edge(&betrayed), 0.0);
    let trifles = |value| betrayed.iter().copied().chain((9..13).map(|hire| at(hire, 1000, value))).collect::<Vec<_>>();
    assert!(edge(&trifles(20)) > 0.0, "real work makes good");
    assert_eq!(edge(&trifles(1)), 0.0);
}

#[test]
fn only_what_both_signed_and_was_paid_adds_standing_and_bad_experience_takes_it_away() {
    let weight = |evidence: &dyn Fn(Evidence) -> Evidence| {
        let mut model = model(&[]);
        let said = said(0, 1, 900);
        model.add(said.about(), &evidence(said.evidence()));
        model.standing(&agent(0), &[], TODAY).weight(&agent(1))
    };
    assert!(weight(&|it| it) > 0.9);
    assert_eq!(weight(&|it| Evidence { agreed: None, ..it }), 0.0);
    assert_eq!(weight(&|it| Evidence { value: 0, ..it }), 0.0);
    let mut model = model(&[said(0, 1, 900)]);
    let bad = Said { hire: 1, quality: 0, day: TODAY + 1, ..said(0, 1, 0) };
    model.add(bad.about(), &Evidence { agreed: None, ..bad.evidence() });
    assert_eq!(model.standing(&agent(0), &[], TODAY + 1).weight(&agent(1)), 0.0);
    assert!(model.standing(&agent(0), &[], TODAY).weight(&agent(1)) > 0.9, "as of the day before");
}

/// A history of a market of 40: hires, outranked and taken back ratings, houses. Every so often somebody looks.
fn history(model: &mut WalkBeta, mut look: impl FnMut(&mut WalkBeta, u32)) {
    let mut state = 11u64;
    let mut roll = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut all: Vec<Said> = Vec::new();
    for n in 0..600u32 {
        let day = TODAY - 300 + n / 2;
        let (rater, subject) = ((roll(40) * roll(40) / 40) as u32, (roll(40) * roll(40) / 40) as u32);
        let quality = if subject % 7 == 3 { roll(400) } else { 600 + roll(400) } as u16;
        let said = Said { hire: n, quality, day, value: 15 + roll(8) as u8, ..said(rater, subject, 0) };
        if model.add(said.about(), &said.evidence()) {
            all.push(said);
        }
        if n % 9 == 8 {
            let at = roll(all.len() as u64) as usize;
            assert!(model.remove(&all.swap_remove(at).about()));
        }
        if n % 50 == 20 {
            model.belongs(agent(roll(40) as u32), Some(agent(90 + roll(3) as u32)));
        }
        model.work(day, 40);
        if n % 60 == 59 {
            look(model, day);
        }
    }
}

#[test]
fn what_is_chosen_by_is_what_is_explained_within_the_certificate() {
    let viewers = [0, 1, 2, 5, 9].map(agent);
    let mut model = WalkBeta::new(Params::default());
    viewers.iter().for_each(|viewer| model.watch(*viewer, &[agent(3)]));
    let mut opinions = 0;
    history(&mut model, |model, day| {
        model.settle(day);
        for viewer in &viewers {
            let (live, canonical) =
                (model.live(viewer, &[agent(3)], day).unwrap(), model.standing(viewer, &[agent(3)], day));
            let within = live.certificate() + canonical.certificate();
            let agents = || (0..40).map(agent);
            let off: f64 = agents().map(|agent| (live.mass(&agent) - canonical.mass(&agent)).abs()).sum();
            assert!(off <= within + 1e-12, "{off} is over {within}");
            // No weight is further off than the mass is, by what counts in full.
            let full = model.params().restart * (1.0 - model.params().restart) / model.params().d0;
            for agent in agents() {
                let off = (live.weight(&agent) - canonical.weight(&agent)).abs();
                assert!(off <= within / full / (1.0 - model.params().floor) + 1e-9, "{off}");
                let chosen = live.opinion(&agent, None, Aspect::Overall);
                let explained = canonical.opinion(&agent, None, Aspect::Overall);
                assert_eq!(chosen.is_some(), explained.is_some());
                if let Some((chosen, explained)) = chosen.zip(explained) {
                    opinions += 1;
                    assert!((chosen.low - explained.low).abs() < 1e-3, "{} is not {}", chosen.low, explained.low);
                }
            }
        }
    });
    assert!(opinions > 500, "{opinions}");
}

#[test]
fn an_explanation_has_the_same_bits_at_another_node_whatever_it_has_been_through() {
    let mut one = WalkBeta::new(Params::default());
    one.watch(agent(0), &[]);
    history(&mut one, |_, _| ());
    // The other has the same ratings backwards, and names and ratings came and left that the first never heard of.
    let mut other = WalkBeta::new(Params::default());
    other.watch(agent(70), &[agent(71)]);
    let strange: Vec<Said> =
        (50..60).map(|n| said(n, n + 20, 900)).chain([said(50, 1, 0), said(0, 51, 1000)]).collect();
    let mut held: Vec<_> = one.evidence().collect();
    held.reverse();
    for (n, (about, evidence)) in held.iter().enumerate() {
        if let Some(said) = strange.get(n / 20).filter(|_| n % 20 == 3) {
            assert!(other.add(said.about(), &said.evidence()));
        }
        assert!(other.add(*about, evidence));
    }
    other.work(TODAY, 100);
    assert!(strange.iter().all(|said| other.remove(&said.about())));
    for agent in (0..40).map(agent) {
        other.belongs(agent, one.book().who(&agent).and_then(|who| one.book().agent(who).principal));
    }
    let mut told = 0;
    for (viewer, subject) in (0..6).flat_map(|viewer| (0..40).map(move |subject| (agent(viewer), agent(subject)))) {
        for seeds in [&[][..], &[agent(4)]] {
            let explain = |model: &WalkBeta| {
                let standing = model.standing(&viewer, seeds, TODAY);
                let explained = standing.explain(&subject, None, Aspect::Overall, 8)?;
                Some(serde_json::to_string(&explained).unwrap())
            };
            let explained = explain(&one);
            told += usize::from(explained.is_some());
            assert_eq!(explained, explain(&other));
        }
    }
    assert!(told > 200, "{told}");
}
