//! Queries whose answers no story looks at: what text names, and what is followed.

use std::collections::BTreeSet;

use gigmesh_protocol::hire::task::{Review, Task};
use gigmesh_protocol::id::Id;
use gigmesh_protocol::market::{Offer, Outcome};
use gigmesh_protocol::peer::io::{Command, PostingEnd};
use gigmesh_protocol::peer::query::*;
use gigmesh_protocol::time::Millis;
use gigmesh_simulations::world::World;

#[test]
fn an_offer_stands_for_its_hires_and_a_beginning_for_either() {
    let mut world = World::pair();
    let task = world.task();
    let offer = world.hire(task, None);
    let hires = |world: &World, text: &str| world.query(0, ResolveHires(text.to_owned())).unwrap();
    assert_eq!(hires(&world, &offer.short()), Ok(vec![]), "nobody has been found yet");
    world.drive(Millis::mins(1));
    let hire = world.hire_of(0).hire.unwrap();
    for id in [hire.untyped(), offer.untyped()] {
        for text in [id.to_string(), id.short(), id.short().to_uppercase()] {
            assert_eq!(hires(&world, &text), Ok(vec![hire]), "{text}");
            assert_eq!(world.query(0, ResolveOfferOrHire(text.clone())).unwrap(), Ok(id), "{text}");
            assert_eq!(world.query(0, Show(text)).unwrap().unwrap().row.hire, Some(hire));
        }
    }
    assert_eq!(world.query(1, ResolveOfferOrHire(hire.short())).unwrap(), Ok(hire.untyped()));
    let unknown = |kind| Missing::Unknown { kind, text: offer.short() };
    let posted = world.query(1, ResolveOfferOrHire(offer.short())).unwrap();
    assert_eq!(posted, Err(unknown(IdKind::OfferOrHire)), "by the other side");
    assert_eq!(world.query(0, Records(offer.short())).unwrap(), Err(unknown(IdKind::Hire)), "it is no hire");
}

/// Whether peer 0's offer is over, and what it says of why nobody began.
fn over(world: &World, offer: Id<Offer>) -> (bool, Option<PostingEnd>) {
    let shown = world.query(0, Show(offer.to_string())).unwrap().unwrap();
    assert_eq!(shown.id, offer.untyped());
    (shown.over, shown.unfilled)
}

#[test]
fn an_offer_is_over_when_its_hires_are_and_nobody_is_looked_for() {
    let mut world = World::pair();
    let task = world.task();
    let offer = world.hire(Task { slots: 2, expires: Millis::mins(10), ..task }, None);
    assert_eq!(over(&world, offer), (false, None), "nobody has been found yet");
    world.nodes[1].work_takes = Millis::mins(1);
    world.drive(Millis::secs(30));
    let hire = world.hire_of(0).hire.unwrap();
    assert!(!world.shown(0, hire).over && !world.shown(1, hire).over, "it is under way");
    world.drive(Millis::mins(5));
    assert_eq!(world.hire_of(0).closed.unwrap().outcome, Outcome::Accepted);
    assert!(world.shown(0, hire).over && world.shown(1, hire).over);
    assert_eq!(over(&world, offer), (false, None), "a second worker may be found");
    world.drive(Millis::mins(10));
    assert_eq!(over(&world, offer), (true, None), "nobody is looked for any more");
}

#[test]
fn a_hire_outlasts_the_search_for_others() {
    let mut world = World::pair();
    world.nodes[1].work_takes = Millis::mins(20);
    let task = world.task();
    let task = Task { slots: 2, done: Millis::mins(30), expires: Millis::mins(10), ..task };
    let offer = world.hire(task, None);
    world.drive(Millis::mins(15));
    assert_eq!(world.query(0, GetStatus).unwrap().postings_open, 0);
    assert_eq!(over(&world, offer), (false, None), "one goes on beyond the offer");
    world.drive(Millis::mins(15));
    assert_eq!(over(&world, offer), (true, None));
}

#[test]
fn an_offer_that_was_declined_is_over_only_when_nobody_else_may_take_it() {
    let mut world = World::pair();
    world.nodes[1].config.begin_by = Review::Person;
    world.restart(1);
    let task = world.task();
    let offer = world.hire(Task { expires: Millis::mins(10), ..task }, None);
    world.drive(Millis::mins(1));
    let hire = world.hire_of(1).hire.unwrap();
    let reason = "not today".to_owned();
    world.command(1, Command::Refuse { id: hire.untyped(), reason }).unwrap();
    world.drive(Millis::mins(1));
    assert!(world.shown(0, hire).over);
    assert_eq!(over(&world, offer), (false, None), "another may take its place");
    world.drive(Millis::mins(10));
    assert_eq!(over(&world, offer), (true, Some(PostingEnd::Unclaimed)));
    assert_eq!(world.shown(0, hire).unfilled, None, "it is about the offer");
}

#[test]
fn an_offer_that_nobody_takes_is_over_with_why() {
    let mut world = World::new(0);
    let task = world.task();
    let (stopped, lapsed) = (world.hire(task.clone(), None), world.hire(task, None));
    world.command(0, Command::Stop { id: stopped.untyped(), reason: "enough".to_owned() }).unwrap();
    assert!(matches!(over(&world, stopped), (true, Some(PostingEnd::Stopped(..)))));
    assert_eq!(over(&world, lapsed), (false, None));
    world.drive(Millis::hours(2));
    assert_eq!(over(&world, lapsed), (true, Some(PostingEnd::Unclaimed)));
}

#[test]
fn a_notice_is_about_the_ids_that_it_names() {
    let mut world = World::pair();
    let task = world.task();
    world.hire(task, None);
    world.drive(Millis::mins(5));
    let mut names = BTreeSet::new();
    for notice in world.nodes.iter().flat_map(|node| &node.notices) {
        let json = serde_json::to_value(notice).unwrap();
        let named = ["offer", "claim", "hire"].into_iter().filter_map(|key| Some(json[key].as_str()?.to_owned()));
        assert_eq!(notice.about().map(|id| id.to_string()).collect::<Vec<_>>(), named.collect::<Vec<_>>(), "{json}");
        names.insert(json["event"].as_str().unwrap().to_owned());
    }
    assert!(names.len() >= 6, "{names:?}");
}

#[test]
fn a_skill_is_followed_by_who_serves_or_asks_for_it() {
    let mut world = World::pair();
    let follows = |world: &World, n, skill: &str| world.query(n, Follows(skill.parse().unwrap())).unwrap();
    assert!(follows(&world, 1, "text/count"));
    assert!(!follows(&world, 1, "sound"));
    assert!(!follows(&world, 0, "text/count"), "it has asked for nothing yet");
    let task = world.task();
    world.hire(task, None);
    assert!(follows(&world, 0, "text/count"));
}
