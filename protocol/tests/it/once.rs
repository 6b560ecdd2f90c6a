//! A token makes an order one that is carried out once, whatever falls between the request and its answer.

use gigmesh_protocol::hire::task::Task;
use gigmesh_protocol::id::sha256;
use gigmesh_protocol::market::Outcome;
use gigmesh_protocol::peer::io::*;
use gigmesh_protocol::time::Millis;

use gigmesh_simulations::world::World;

fn order(world: &mut World, task: &Task, token: &str) -> Result<Answer, Refused> {
    let token = Some(OrderToken::try_from(token).unwrap());
    world.command(0, Command::Hire { task: Box::new(task.clone()), to: None, token })
}

/// How often the agent was started, over all hires.
fn runs(world: &World) -> usize {
    world.nodes[1].runs.values().sum()
}

#[test]
fn an_order_that_is_repeated_is_the_same_order() {
    let mut world = World::pair();
    let task = world.task();
    let Ok(Answer::Posted(offer)) = order(&mut world, &task, "row 1") else { panic!("it is posted") };
    let written = world.nodes[0].journal.len();
    assert_eq!(order(&mut world, &task, "row 1"), Ok(Answer::PostedBefore(offer)));
    assert_eq!(world.nodes[0].journal.len(), written, "a repetition changes nothing");
    let Ok(Answer::Posted(second)) = order(&mut world, &task, "row 2") else { panic!("another token, another order") };
    assert_ne!(offer, second);

    let other = Task { summary: "Something else".to_owned(), ..task.clone() };
    assert_eq!(order(&mut world, &other, "row 1"), Err(Refused::TokenTaken(offer)));
    assert_eq!(order(&mut world, &task, ""), Err(Refused::EmptyToken));
    let to = Some(world.id(1));
    let token = Some(OrderToken::try_from("row 1").unwrap());
    let told = world.command(0, Command::Hire { task: Box::new(task.clone()), to, token });
    assert!(matches!(told, Err(Refused::TokenTaken(_))), "whom it is for is part of the order: {told:?}");

    world.drive(Millis::mins(30));
    assert_eq!((world.rows(0).len(), runs(&world)), (2, 2));
    assert_eq!(order(&mut world, &task, "row 1"), Ok(Answer::PostedBefore(offer)), "when it is over as well");
}

/// Whoever was not answered asks again, wherever the requester fell once the order was on disk.
#[test]
fn a_fall_after_any_event_leaves_one_hire() {
    let mut falls = 0;
    for event in 1.. {
        let mut world = World::pair();
        let task = world.task();
        world.crash_at = Some((0, event));
        let token = OrderToken::try_from("once").unwrap();
        let command = || Command::Hire { task: Box::new(task.clone()), to: None, token: Some(token.clone()) };
        world.input(0, Input::Command { caller: 1, command: command() });
        world.drive(Millis::mins(30));
        falls += usize::from(world.crash_at.is_none());
        let answer = world.command(0, command());
        world.drive(Millis::mins(30));
        assert!(matches!(answer, Ok(Answer::PostedBefore(_))), "event {event}: {answer:?}");
        assert_eq!((world.rows(0).len(), runs(&world)), (1, 1), "event {event}");
        assert_eq!(world.ends(), [Some((Outcome::Accepted, true)); 2], "event {event}");
        if world.crash_at.is_some() {
            break;
        }
    }
    assert!(falls > 10, "the requester fell in every part of its hire: {falls}");
}

/// What was hired is archived long before the token is forgotten.
#[test]
fn a_token_outlives_its_hire() {
    let mut world = World::pair();
    let task = world.task();
    let Ok(Answer::Posted(offer)) = order(&mut world, &task, "once") else { panic!("it is posted") };
    let nobody = Task { max: Some("0.001 USD".parse().unwrap()), ..task.clone() };
    let Ok(Answer::Posted(unfilled)) = order(&mut world, &nobody, "nobody") else { panic!("it is posted") };
    world.drive(Millis::days(31));
    for _ in 0..2 {
        assert!(world.compact(0) > 0 || world.rows(0).is_empty());
        world.restart(0);
        assert!(world.rows(0).is_empty(), "nothing else is known of it");
        assert_eq!(order(&mut world, &task, "once"), Ok(Answer::PostedBefore(offer)));
        assert_eq!(order(&mut world, &nobody, "nobody"), Ok(Answer::PostedBefore(unfilled)));
    }
    world.drive(Millis::days(60));
    let Ok(Answer::Posted(later)) = order(&mut world, &task, "much later") else { panic!("it is posted") };
    world.drive(Millis::mins(30));
    let again: Result<Answer, Refused> = order(&mut world, &task, "once");
    assert!(matches!(again, Ok(Answer::Posted(id)) if id != offer && id != later), "after 90 days: {again:?}");
    world.compact(0);
    world.restart(0);
    assert!(matches!(order(&mut world, &nobody, "nobody"), Ok(Answer::Posted(_))), "it is gone from the disk, too");
}

#[test]
fn the_journal_holds_no_token_but_its_hash() {
    let mut world = World::pair();
    let task = world.task();
    let token = "customer-4711-secret";
    order(&mut world, &task, token).unwrap();
    let journal = world.nodes[0].journal.concat();
    let holds = |bytes: &[u8]| journal.windows(bytes.len()).any(|window| window == bytes);
    assert!(!holds(token.as_bytes()) && holds(&sha256(&[token.as_bytes()]).0));
}
