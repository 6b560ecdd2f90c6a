//! Following against a real node that is alone, and against nothing but a channel of events.

use futures::FutureExt as _;
use gigmesh_protocol::id::Id;
use gigmesh_protocol::peer::io::{Notice, PostingEnd};
use serde_json::json;
use tokio::time::timeout;

use super::*;
use crate::api::tests::{Alone, a_task};
use crate::api::types::{Done, HireRequest, Posted, StopRequest};
use crate::node::Way;

/// Longer than any test: only an event makes it ask.
const NEVER: Duration = Duration::from_secs(3_600);
const SOON: Duration = Duration::from_secs(20);

/// Posts a task that nobody will take.
async fn post(alone: &Alone) -> String {
    let request = HireRequest { task: a_task(alone.dir.path()), to: None, token: None };
    alone.client.post::<Posted>("/v1/hires", &request).await.unwrap().offer.to_string()
}

async fn stop(alone: &Alone, offer: &str) {
    let request = StopRequest { reason: "enough".to_owned() };
    alone.client.post::<Done>(&format!("/v1/hires/{offer}/stop"), &request).await.unwrap();
}

/// Reads on until it is over.
async fn end(followed: &mut Followed) -> Progress {
    let end = async {
        loop {
            let progress = followed.progress().await.unwrap();
            if progress.shown.over {
                return progress;
            }
        }
    };
    timeout(SOON, end).await.expect("the end is not missed")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_tells_the_end_at_once_and_the_pause_tells_it_without_one() {
    let alone = Alone::start().await;
    let follower = Follower::new(alone.client.clone()).await.unwrap();
    for (pause, events) in [(NEVER, true), (Duration::from_millis(50), false)] {
        if !events {
            follower.reader.abort();
        }
        let offer = post(&alone).await;
        let mut followed = follower.follow(&offer[..16], pause);
        let first = followed.progress().await.unwrap();
        assert_eq!((first.shown.id.to_string(), first.shown.over, first.hires.len()), (offer.clone(), false, 0));
        stop(&alone, &offer).await;
        let last = end(&mut followed).await;
        assert_eq!(last.shown.unfilled, Some(PostingEnd::Stopped("enough".to_owned())));
    }
    alone.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_is_told_once_and_asked_when_it_is_asked_for() {
    let alone = Alone::start().await;
    let offer = post(&alone).await;
    let follower = Follower::new(alone.client.clone()).await.unwrap();
    let mut followed = follower.follow(&offer, NEVER);
    followed.progress().await.unwrap();
    alone.stop().await;
    let lost = timeout(SOON, followed.progress()).await.expect("the loss is reported");
    assert!(matches!(lost, Err(ClientError::Stopped)), "{lost:?}");
    for _ in 0..2 {
        let asked = timeout(SOON, followed.progress()).await.expect("it asks");
        assert!(matches!(asked, Err(ClientError::NoNode(_))), "{asked:?}");
    }
}

#[tokio::test]
async fn what_concerns_it_or_may_have_been_missed_makes_it_ask() {
    let (own, other) = (Id::from_bytes([1; 32]), Id::from_bytes([2; 32]));
    let follower = Follower {
        client: Client::new("nowhere".into()),
        heard: broadcast::channel(4).0,
        reader: tokio::spawn(std::future::pending()),
    };
    let mut followed = follower.follow("ab", NEVER);
    followed.about.insert(own.untyped());
    let started = |hire| Event::Market(Notice::Started { hire, attempt: 0 });
    let moved = |hire| Transfer {
        hire,
        blob: Bytes32([3; 32]),
        way: Way::Served,
        done: 1,
        size: 2,
        per_second: 1,
        trouble: None,
    };
    let transfer = |hire| Event::Node(NodeEvent::Transfer(moved(hire)));
    let unknown = || Event::Unknown(json!({ "event": "invented", "hire": own }));
    let missed = Event::Node(NodeEvent::Missed { count: 7 });
    for (events, asks, told) in [
        (vec![started(other)], false, None),
        (vec![started(own)], true, None),
        (vec![transfer(other)], false, None),
        (vec![transfer(own), unknown()], false, Some(moved(own))),
        (vec![unknown()], false, None),
        (vec![missed], true, None),
        (vec![unknown(), unknown(), unknown(), unknown(), unknown()], true, None),
    ] {
        followed.ask_at = Instant::now() + NEVER;
        let what = format!("{events:?}");
        events.into_iter().for_each(|event| drop(follower.heard.send(Heard::Event(Arc::new(event)))));
        let update = followed.next().now_or_never();
        assert_eq!(followed.ask_at <= Instant::now(), asks, "{what}");
        let moved = update.and_then(|update| if let Ok(Update::Moved(moved)) = update { Some(moved) } else { None });
        assert_eq!(moved, told, "{what}");
    }
}
