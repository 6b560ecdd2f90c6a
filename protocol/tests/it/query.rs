//! Queries whose answers no story looks at: what text names, and what is followed.

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
