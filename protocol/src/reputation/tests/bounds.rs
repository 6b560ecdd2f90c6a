//! What leaves a book that is full.

use super::*;

/// Agent 0 watches, and knows 1 and 2 to be good; they have judged agent 9.
fn watched(params: Params) -> WalkBeta {
    let mut model = WalkBeta::new(params);
    let known = [said(0, 1, 1000), said(0, 2, 1000), said(1, 9, 700), said(2, 9, 900), said(0, 9, 800)];
    for said in known {
        assert!(model.add(said.about(), &said.evidence()));
    }
    model.watch(agent(0), &[]);
    model.settle(TODAY);
    model
}

fn put(model: &mut WalkBeta, said: Said) -> bool {
    model.add(said.about(), &said.evidence())
}

fn view(model: &WalkBeta) -> Option<View> {
    model.standing(&agent(0), &[], TODAY).view(&agent(9), None)
}

#[test]
fn of_strangers_words_about_one_subject_a_few_are_held_the_nearest_to_counting() {
    let mut model = watched(Params { strangers: Some(8), ..Params::default() });
    // Somebody is known to somebody who is known to somebody, and so on: not near enough to count, nearer than anybody else.
    let chain: Vec<u32> = (40..60).collect();
    put(&mut model, said(1, chain[0], 520));
    for pair in chain.windows(2) {
        put(&mut model, said(pair[0], pair[1], 520));
    }
    model.settle(TODAY);
    let far = *chain.iter().find(|n| model.live(&agent(0), &[], TODAY).unwrap().weight(&agent(**n)) == 0.0).unwrap();
    assert!(model.live(&agent(0), &[], TODAY).unwrap().mass(&agent(far)) > 0.0);
    let then = view(&model);
    assert!(put(&mut model, Said { day: TODAY - 300, ..said(far, 9, 0) }));
    let stayed: Vec<bool> =
        (100..150).map(|n| put(&mut model, Said { day: TODAY - 200 + n, ..said(n, 9, 0) })).collect();
    // Each newer one takes the place of the oldest, and the one that is known of stays.
    assert!(stayed.iter().all(|stayed| *stayed));
    assert_eq!(Model::count(&model, &agent(9)), 3 + 8);
    assert!(model.rating(&said(far, 9, 0).about()).is_some());
    assert_eq!(model.take_gone().len(), 50 - 7);
    assert!(!put(&mut model, Said { day: TODAY - 301, ..said(99, 9, 0) }), "an older one finds no place");
    assert!(model.take_gone().is_empty(), "what never came has not gone");
    assert_eq!(view(&model), then);
    // What is said of the viewer itself was said by those it had to do with: that is not cut.
    assert!((200..230).all(|n| put(&mut model, said(n, 0, 1000))));
}

#[test]
fn a_full_book_lets_go_of_what_moves_the_least() {
    let mut model = watched(Params { ratings: 64, strangers: None, ..Params::default() });
    let then = view(&model);
    // Strangers push out strangers; what counts stays, old as it is.
    for n in 0..500 {
        put(&mut model, Said { day: TODAY, ..said(1_000 + n, 2_000 + n % 7, 900) });
        assert!(model.len() <= 64);
    }
    assert_eq!(view(&model), then);
    assert!(model.take_gone().len() > 64, "of equals any may leave, the one that has just come as well");
    // Of one pair, what is buried under newer ones goes before what is not: a book without bounds says much the same.
    let mut whole = watched(Params::default());
    for hire in 0..200 {
        let said = Said { hire: 10 + hire, day: TODAY, ..said(1, 9, 700) };
        put(&mut model, said);
        put(&mut whole, said);
    }
    let [now, exact] = [&model, &whole].map(|model| view(model).unwrap().overall.mean);
    assert!((now - exact).abs() < 0.005, "{now} is not {exact}");
    assert_eq!(Model::experience(&model, &agent(0), &agent(9), TODAY).0, 1, "what I said myself stays");
    assert!(model.rating(&said(2, 9, 900).about()).is_some());
}

#[test]
fn names_of_those_that_have_left_are_forgotten() {
    let mut model = watched(Params { ratings: 64, strangers: None, ..Params::default() });
    let then = view(&model);
    for n in 0..6_000 {
        put(&mut model, said(10_000 + 2 * n, 10_001 + 2 * n, 900));
    }
    assert!(model.book().known() <= 2 * 64, "{} names for {} ratings", model.book().known(), model.len());
    assert!(model.book().agents.len() <= 2 * 64 + 4);
    model.settle(TODAY);
    assert_eq!(view(&model), then);
    let live = model.live(&agent(0), &[], TODAY).unwrap().view(&agent(9), None).unwrap();
    assert!((live.overall.mean - then.unwrap().overall.mean).abs() < 1e-6);
}

#[test]
fn a_viewer_that_is_deceived_does_not_wait_to_be_looked_at() {
    let mut model = watched(Params::default());
    for n in 0..300 {
        put(&mut model, said(2_000 + n, 3_000 + n, 900));
    }
    model.settle(TODAY);
    let hears = |model: &WalkBeta| {
        model.live(&agent(0), &[], TODAY).unwrap().opinion(&agent(9), None, Aspect::Overall).unwrap()
    };
    assert!(hears(&model).evidence > 2.9);
    // Agent 1 fails three times; its word on agent 9 is worth nothing with the next bit of work.
    for hire in 1..4 {
        put(&mut model, Said { hire, ..said(0, 1, 0) });
    }
    while model.work(TODAY, 50) {}
    assert!(hears(&model).evidence < 2.1);
}

#[test]
fn however_much_is_held_no_step_does_more_than_it_may() {
    let mut model = watched(Params { ratings: 3_000, strangers: None, ..Params::default() });
    for known in 10..60 {
        put(&mut model, said(0, known, 1000));
    }
    for n in 0..6_000u32 {
        put(&mut model, Said { hire: n, ..said(10 + n % 50, 100 + n % 37, 900) });
        model.work(TODAY, 200);
    }
    assert_eq!(model.len(), 3_000);
    // A new day: everything that was said is summed up again, in steps.
    let steps = (1..).take_while(|_| model.work(TODAY + 1, 400)).count();
    assert!(steps > 10, "{steps}");
    assert!(!model.work(TODAY + 1, 400));
    let (live, canonical) = (model.live(&agent(0), &[], TODAY + 1).unwrap(), model.standing(&agent(0), &[], TODAY + 1));
    let (seen, exact) = [live, canonical].map(|eyes| eyes.expect(&agent(9), None, Aspect::Overall).mean).into();
    assert!((seen - exact).abs() < 1e-3, "{seen} is not {exact}");
}
