//! Reputation in the brain: whose word reaches whom, what is shown, and what nobody can slip in.

use gigmesh_protocol::id::{AgentId, Id};
use gigmesh_protocol::market::Rating;
use gigmesh_protocol::peer::io::*;
use gigmesh_protocol::peer::query::*;
use gigmesh_protocol::record::{Record, Verified};
use gigmesh_protocol::reputation::explain::Explained;
use gigmesh_protocol::reputation::{Aspect, Columns, Edition, Since};
use gigmesh_protocol::time::Millis;

use gigmesh_simulations::world::{World, network, signer, worker};

fn view(world: &World, n: usize, of: usize) -> ReputationView {
    view_at(world, n, of, None)
}

fn view_at(world: &World, n: usize, of: usize, skill: Option<&str>) -> ReputationView {
    let skill = skill.map(|skill| skill.parse().unwrap());
    world.query(n, ReputationOf { agent: world.id(of), skill }).unwrap()
}

fn columns(world: &World, n: usize, of: usize) -> Columns {
    view(world, n, of).overall
}

fn explain(world: &World, n: usize, of: usize, pinned: bool) -> Option<Explained> {
    world.query(n, Explain { agent: world.id(of), skill: None, aspect: Aspect::Overall, pinned }).unwrap()
}

/// Peer `n` hires `to` directly, and both close it.
fn hires(world: &mut World, n: usize, to: usize) {
    let task = world.task();
    world.nodes[n].blobs = world.nodes[0].blobs.clone();
    let to = Some(world.id(to));
    world.command(n, Command::Hire { task: Box::new(task), to, token: None }).unwrap();
    world.drive(Millis::mins(1));
}

fn shopper(world: &mut World, name: &str) -> usize {
    world.add(Config { name: name.into(), version: "1".into(), ..Config::default() })
}

fn pin(world: &mut World, n: usize, agent: AgentId, pinned: bool) -> Result<Answer, Refused> {
    world.command(n, Command::Pin { agent, pinned })
}

/// Peer 0 has hired the worker 1. Dave (2) has hired the worker as well, and is in nobody's directory.
fn acquainted() -> (World, usize) {
    let mut world = World::new(1);
    let dave = shopper(&mut world, "dave");
    hires(&mut world, dave, 1);
    hires(&mut world, 0, 1);
    (world, dave)
}

#[test]
fn whoever_the_walk_comes_to_is_asked_for_the_ratings_it_gave() {
    let (mut world, dave) = acquainted();
    world.drive(Millis::mins(2));
    // Nobody told peer 0 of Dave; the worker that it trusts has rated him.
    let seen = view(&world, 0, dave);
    assert_eq!(seen.ratings.iter().map(|rating| rating.by).collect::<Vec<_>>(), [world.id(1)]);
    assert!(seen.overall.mine.clone().is_some_and(|mine| mine.overall.n > 0.5 && mine.overall.mean > 0.5));
    let told = explain(&world, 0, dave, false).unwrap();
    let rater = &told.raters[0];
    assert_eq!((rater.rater, &rater.paths[0].agents), (world.id(1), &vec![world.id(0), world.id(1)]));
    let sum: f64 = told.raters.iter().map(|rater| rater.contribution).sum();
    assert!((told.prior + sum + told.others - told.score).abs() < 1e-12);
    // It is evidence like all other: there again after a fall.
    world.restart(0);
    assert_eq!(view(&world, 0, dave), seen);
}

#[test]
fn a_newcomer_has_no_view_until_it_pins_somebody_whose_judgement_it_trusts() {
    let (mut world, dave) = acquainted();
    let eve = shopper(&mut world, "eve");
    // It hears of the worker when its manifest is renewed.
    world.drive(Millis::mins(31));
    let Columns { mine, pinned, facts } = columns(&world, eve, 1);
    assert_eq!((mine, pinned, facts.hires), (None, None, 2), "what is on record is no view");
    assert_eq!(explain(&world, eve, 1, false), None);
    assert!(explain(&world, 0, 1, false).is_some());
    assert_eq!(explain(&world, 0, 1, true), None, "its own view is not one through seeds, of which it has none");

    let friend = world.id(0);
    pin(&mut world, eve, friend, true).unwrap();
    pin(&mut world, eve, friend, true).unwrap();
    world.drive(Millis::mins(2));
    for restarted in [false, true] {
        if restarted {
            world.restart(eve);
        }
        let Columns { mine, pinned, .. } = columns(&world, eve, 1);
        assert_eq!(mine, None);
        assert!(pinned.is_some_and(|pinned| pinned.overall.mean > 0.7), "through the seed, and whom it trusts");
        assert!(columns(&world, eve, dave).pinned.is_some(), "two steps from the seed");
        let seeds = world.query(eve, Seeds).unwrap();
        assert_eq!(seeds.iter().map(|seed| (seed.agent, seed.ratings)).collect::<Vec<_>>(), [(friend, 1)]);
        let told = explain(&world, eve, 1, true).unwrap();
        let of_friend = told.raters.iter().find(|rater| rater.rater == friend).unwrap();
        assert_eq!(of_friend.paths[0].agents, [friend], "the walk starts there");
    }
    pin(&mut world, eve, friend, false).unwrap();
    world.drive(Millis::secs(1));
    assert_eq!(columns(&world, eve, 1).pinned, None);

    let me = world.id(eve);
    assert_eq!(pin(&mut world, eve, me, true), Err(Refused::PinSelf));
    let others = (100..116).map(|n| signer(n).agent()).collect::<Vec<_>>();
    for other in &others {
        pin(&mut world, eve, *other, true).unwrap();
    }
    assert_eq!(pin(&mut world, eve, friend, true), Err(Refused::PinsFull));
}

#[test]
fn nothing_forged_replayed_self_dealt_or_dated_ahead_is_ever_held() {
    let (mut world, dave) = acquainted();
    world.drive(Millis::mins(2));
    let eve = shopper(&mut world, "eve");
    let good = world.nodes[1].ratings.values().find(|rating| rating.issuer() == world.id(dave)).unwrap().clone();
    let other = world.nodes[1].ratings.values().find(|rating| rating.issuer() == world.id(0)).unwrap().clone();
    // As the edge does it: what does not verify never gets as far as the brain.
    let slip = |world: &mut World, envelope: &[u8], wanted: Wanted| {
        let ratings = match Record::admit(envelope, None, &network()) {
            Ok(Record::Rating(rating)) => vec![rating],
            _ => Vec::new(),
        };
        let from = match &wanted {
            Wanted::By(agent, _) | Wanted::About(agent, _) => *agent,
            Wanted::These(_) => signer(77).agent(),
        };
        world.input(eve, Input::Ratings { from, wanted, ratings, next: None });
        world.drive(Millis::secs(1));
        world.nodes[eve].ratings.len()
    };
    let held = world.nodes[eve].ratings.len();
    // Not asked for.
    assert_eq!(slip(&mut world, good.envelope(), Wanted::By(signer(77).agent(), None)), held);
    let sign = |by: usize, change: &dyn Fn(&mut Rating)| -> Verified<Rating> {
        let mut rating: Rating = (*good).clone();
        change(&mut rating);
        signer(by).sign(&rating)
    };
    let mut unsigned = good.envelope().to_vec();
    let last = unsigned.len() - 1;
    unsigned[last] ^= 1;
    let forged = [
        unsigned,
        sign(0, &|_| {}).envelope().to_vec(),
        sign(77, &|_| {}).envelope().to_vec(),
        sign(dave, &|rating| rating.permit = other.permit.clone()).envelope().to_vec(),
        sign(dave, &|rating| rating.judgement.subject = signer(0).agent()).envelope().to_vec(),
        sign(dave, &|rating| rating.judgement.subject = signer(dave).agent()).envelope().to_vec(),
    ];
    for (n, envelope) in forged.iter().enumerate() {
        assert!(Record::admit(envelope, None, &network()).is_err(), "forgery {n}");
    }
    // The worker, whose hire it was, is sent a rating of the very hire dated a week ahead, and the same one again.
    let ahead = sign(dave, &|rating| (rating.day, rating.opening) = (rating.day + 7, None));
    let before = world.nodes[1].ratings.len();
    let replies = world.slip(signer(dave).agent(), 1, &[ahead.into(), good.clone().into(), good.clone().into()]);
    assert!(matches!(replies[0], gigmesh_protocol::wire::Reply::Later));
    world.drive(Millis::secs(1));
    assert_eq!(world.nodes[1].ratings.len(), before);
    let ids: Vec<Id<Rating>> = view(&world, 1, 1).ratings.iter().map(|_| good.id()).collect();
    assert_eq!(ids.len(), 2, "one each of Dave and of peer 0, however often they are sent");
}

#[test]
fn the_own_rating_of_a_worker_is_chosen_by_at_once() {
    let mut world = World::new(1);
    world.add(worker("other", "0.02 USD per task", 1));
    let low = |world: &World| columns(world, 0, 1).mine.map(|mine| mine.overall.low);
    assert_eq!(low(&world), None);
    let mut last = 0.0;
    for n in 1..4 {
        hires(&mut world, 0, 1);
        let now = low(&world).unwrap();
        assert!(now > last, "{n}: {now} after {last}");
        last = now;
    }
}

#[test]
fn a_changed_model_shows_and_what_was_found_since() {
    let mut world = World::new(1);
    let named = |model: &str, version: &str| Edition { model: Some(model.into()), version: Some(version.into()) };
    let become_ = |world: &mut World, Edition { model, version }: Edition| {
        let config = &mut world.nodes[1].config;
        config.model = model.map(|model| model.raw().clone());
        config.version = version.unwrap().raw().clone();
        world.restart(1);
        // Everybody has heard of it once its manifest was renewed.
        world.drive(Millis::mins(31));
    };
    become_(&mut world, named("m-1", "1"));
    // Who hires directly may never have seen the manifest.
    let dave = shopper(&mut world, "dave");
    hires(&mut world, dave, 1);
    hires(&mut world, 0, 1);
    let seen = view(&world, 0, 1);
    assert_eq!((seen.edition, seen.changed), (named("m-1", "1"), None));
    become_(&mut world, named("m-2", "1"));
    let changed = view(&world, 0, 1).changed.unwrap();
    assert_eq!((changed.ratings, changed.earlier, changed.before), (2, 2, vec![named("m-1", "1")]));
    assert_eq!(changed.since, Since::default());

    hires(&mut world, 0, 1);
    let seen = view(&world, 0, 1);
    let changed = seen.changed.unwrap();
    assert_eq!((changed.now, changed.ratings, changed.earlier), (named("m-2", "1"), 3, 2));
    assert_eq!((changed.since.ratings, changed.since.heard), (1, 1));
    assert!(changed.since.score.is_some_and(|score| score > 0.9));
    let mut rows: Vec<_> = seen.ratings.iter().map(|row| (row.by, row.edition.model.clone(), row.worked)).collect();
    rows.sort();
    let mut expected = vec![
        (world.id(0), Some("m-1".into()), true),
        (world.id(0), Some("m-2".into()), true),
        (world.id(dave), Some("m-1".into()), true),
    ];
    expected.sort();
    assert_eq!(rows, expected);
    let told = explain(&world, 0, 1, false).unwrap();
    let mine = told.raters.iter().find(|rater| rater.rater == world.id(0)).unwrap();
    assert!(mine.ratings.iter().any(|rating| rating.edition == named("m-2", "1")));
    // A version says less than a model, and shows as well.
    become_(&mut world, named("m-2", "2"));
    assert_eq!(view(&world, 0, 1).changed.unwrap().earlier, 3);
}

#[test]
fn a_skill_that_nobody_judged_borrows_from_the_other_work() {
    let (world, _) = acquainted();
    let seen = view_at(&world, 0, 1, Some("text/translate"));
    let at = |skill: &str| seen.skills.get(skill).and_then(|columns| columns.mine.clone());
    assert_eq!(seen.skills.keys().collect::<Vec<_>>(), ["text/translate"]);
    let borrowed = at("text/translate").unwrap();
    assert!(borrowed.basis.is_some_and(|basis| basis.here == 0.0 && basis.wider > 0.0));
    assert!(borrowed.overall.low < seen.overall.mine.clone().unwrap().overall.low, "and is less sure");
    assert_eq!((seen.ratings.len(), seen.skills["text/translate"].facts.hires), (0, 0), "none is of it");
    // What is asked for covers what lies below it.
    let seen = view_at(&world, 0, 1, Some("text"));
    assert_eq!(seen.skills.keys().collect::<Vec<_>>(), ["text", "text/count"]);
    assert_eq!((seen.ratings.len(), seen.skills["text"].facts.hires), (2, 2), "of both that hired it");
}

#[test]
fn it_is_said_why_there_is_no_view() {
    let mut world = World::new(2);
    let (eve, dave) = (shopper(&mut world, "eve"), shopper(&mut world, "dave"));
    hires(&mut world, eve, 2);
    hires(&mut world, dave, 2);
    let why = |world: &World, n: usize, of: usize, skill| view_at(world, n, of, skill).no_view;
    assert_eq!(why(&world, 0, 1, None), Some(NoView::NoHistory), "that is the viewer's own matter");
    assert_eq!(why(&world, 0, 2, None), Some(NoView::NoHistory));
    hires(&mut world, 0, 1);
    world.drive(Millis::mins(31));
    assert_eq!(why(&world, 0, 1, None), None);
    assert_eq!(why(&world, 0, 2, None), Some(NoView::Strangers));
    let nobody = shopper(&mut world, "nobody");
    assert_eq!(why(&world, 0, nobody, None), Some(NoView::Newcomer));
    // The worker knows who hired it, as that.
    assert_eq!(why(&world, 1, 0, None), None);
    assert_eq!(why(&world, 1, 0, Some("text")), Some(NoView::NotAtThis));
    let rows = world.query(0, Find { limit: 9, ..Find::default() }).unwrap();
    let whys: Vec<_> = rows.iter().map(|row| (row.agent, row.no_view)).collect();
    assert!(whys.contains(&(world.id(1), None)) && whys.contains(&(world.id(2), Some(NoView::Strangers))), "{whys:?}");
}

#[test]
fn a_rater_is_known_by_its_first_digits_and_several_are_told_apart() {
    let (mut world, dave) = acquainted();
    world.drive(Millis::mins(2));
    let agent = |text: &str| world.query(0, ResolveAgent(text.to_owned())).unwrap();
    let id = world.id(dave).to_string();
    assert_eq!(agent(&id[..8]), Ok(world.id(dave)));
    assert_eq!(agent(&id[..8].to_uppercase()), Ok(world.id(dave)));
    let unknown = Missing::Unknown { kind: IdKind::Agent, text: "0000000000".to_owned() };
    assert_eq!(agent("0000000000"), Err(unknown));
    let status = world.query(0, GetStatus).unwrap();
    assert_eq!((status.sight.seeds, status.sight.settled), (0, true));
    assert_eq!(status.sight.raters, 2, "the worker, and Dave through it");
    assert!(status.sight.certificate < 1e-5);
}

#[test]
fn what_a_rater_that_is_away_has_said_comes_from_others_of_the_room() {
    let mut world = World::new(2);
    let dave = shopper(&mut world, "dave");
    // Whatever peer 0 asks for in the beginning it does not get.
    world.nodes[0].asks = false;
    hires(&mut world, dave, 1);
    hires(&mut world, dave, 2);
    world.fall(dave, true);
    hires(&mut world, 0, 1);
    world.drive(Millis::mins(2));
    let by_dave = |world: &World| view(world, 0, 2).ratings.iter().filter(|row| row.by == world.id(dave)).count();
    assert_eq!(by_dave(&world), 0);
    // The worker tells what it thinks of Dave, so his word counts; he is away, and worker 2 has what he said of it.
    world.nodes[0].asks = true;
    let other = world.id(2);
    world.input(0, Input::RoomMember { room: "text".to_owned(), agent: other });
    hires(&mut world, 0, 1);
    world.drive(Millis::days(1) + Millis::mins(2));
    hires(&mut world, 0, 1);
    world.drive(Millis::mins(2));
    assert_eq!(by_dave(&world), 1);
    assert!(columns(&world, 0, 2).mine.is_some(), "and it counts");
}

#[test]
fn a_rater_that_was_away_is_asked_when_it_is_back() {
    let mut world = World::new(2);
    let dave = shopper(&mut world, "dave");
    world.nodes[0].asks = false;
    hires(&mut world, dave, 1);
    hires(&mut world, dave, 2);
    hires(&mut world, 0, 1);
    let friend = world.id(dave);
    pin(&mut world, 0, friend, true).unwrap();
    world.drive(Millis::mins(2));
    world.nodes[0].asks = true;
    let count = |world: &World| view(world, 0, 2).ratings.iter().filter(|row| row.by == friend).count();
    assert_eq!(count(&world), 0);
    world.input(0, Input::LinkUp(friend));
    world.drive(Millis::secs(10));
    assert_eq!(count(&world), 1);
}
