//! Rooms: members find each other and gossip.

use gigmesh_net::{Event, GossipToken, Role, Severity};
use gigmesh_protocol::gossip::Verdict;

use crate::harness::{Node, config, wait_until};

const ROOM: &str = "table/summarise";

fn gossip(event: Event) -> Option<(GossipToken, Vec<u8>)> {
    match event {
        Event::Gossip { token, room, bytes, .. } if room == ROOM => Some((token, bytes)),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_nodes_that_know_only_a_bootstrap_meet_in_a_room() {
    let door = Node::bootstrap(1).await;
    let mut nodes = Vec::new();
    for seed in 2..5 {
        let node = Node::knowing(seed, &[&door]).await;
        node.net.follow(ROOM).unwrap();
        nodes.push(node);
    }
    for (n, m) in [(0, 1), (1, 2), (2, 0)] {
        nodes[n].meets(&nodes[m], ROOM).await;
    }
    nodes[0].net.publish(ROOM, b"offer".to_vec()).unwrap();
    for node in &mut nodes[1..] {
        let (token, bytes) = node.event("gossip", gossip).await;
        assert_eq!(bytes, b"offer");
        node.net.verdict(token, Verdict::Accept).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_accepted_is_passed_on() {
    let first = Node::knowing(1, &[]).await;
    let mut middle = Node::knowing(2, &[&first]).await;
    let mut last = Node::knowing(3, &[&middle]).await;
    // The ends may not link, so that everything goes through the middle.
    first.net.penalize(last.agent(), Severity::Fatal).unwrap();
    for node in [&first, &middle, &last] {
        node.net.follow(ROOM).unwrap();
    }
    first.meets(&middle, ROOM).await;
    middle.meets(&first, ROOM).await;
    middle.meets(&last, ROOM).await;
    last.meets(&middle, ROOM).await;
    for (record, verdict) in [("bad", Verdict::Reject), ("stale", Verdict::Ignore), ("good", Verdict::Accept)] {
        first.net.publish(ROOM, record.into()).unwrap();
        let (token, bytes) = middle.event("gossip", gossip).await;
        assert_eq!(bytes, record.as_bytes());
        middle.net.verdict(token, verdict).unwrap();
    }
    let (_, bytes) = last.event("gossip", gossip).await;
    assert_eq!(bytes, b"good", "the others would have come first");
    assert!(first.net.peers().await.iter().all(|peer| peer.agent != last.agent()));

    let stats = middle.net.stats().await;
    assert_eq!((stats.gossip_accepted, stats.gossip_ignored, stats.gossip_rejected), (1, 1, 1));
    let score =
        |peers: Vec<gigmesh_net::PeerInfo>, who| peers.into_iter().find(|peer| peer.agent == who).unwrap().score;
    assert!(score(middle.net.peers().await, first.agent()) < 0.0, "an invalid record costs its carrier");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_published_to_an_empty_room_waits_for_its_first_member() {
    let early = Node::knowing(1, &[]).await;
    early.net.follow(ROOM).unwrap();
    early.net.publish(ROOM, b"first".to_vec()).unwrap();
    assert_eq!(early.net.stats().await.gossip_unsent, 1);
    let mut late = Node::knowing(2, &[&early]).await;
    late.net.follow(ROOM).unwrap();
    assert_eq!(late.event("gossip", gossip).await.1, b"first");
    assert_eq!(early.net.stats().await.gossip_unsent, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_is_announced_whoever_came_first() {
    let mut host = Node::knowing(1, &[]).await;
    let mut guest = Node::knowing(2, &[&host]).await;
    host.linked(guest.agent()).await;
    guest.linked(host.agent()).await;
    // The host hears of the guest's subscription before it follows the room itself.
    guest.net.follow(ROOM).unwrap();
    let member = |who| {
        move |event| matches!(event, Event::RoomMember { room, agent } if room == ROOM && agent == who).then_some(())
    };
    // A request behind the subscription on the same link shows that it has arrived.
    let asked = guest.net.request(host.agent(), vec![], vec![]);
    let (_, ()) = tokio::join!(asked, host.event("a request", |e| matches!(e, Event::Request { .. }).then_some(())));
    host.net.follow(ROOM).unwrap();
    host.event("member", member(guest.agent())).await;
    guest.event("member", member(host.agent())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_record_arrives_whole() {
    let mut node = Node::knowing(1, &[]).await;
    let other = Node::knowing(2, &[&node]).await;
    node.net.follow(ROOM).unwrap();
    other.net.follow(ROOM).unwrap();
    other.meets(&node, ROOM).await;
    let limit = gigmesh_net::limits::GOSSIP_BYTES;
    assert!(other.net.publish(ROOM, vec![0; limit + 1]).is_err());
    // Several in a row, so that one frame's read buffer holds the start of the next.
    for n in 0..8 {
        other.net.publish(ROOM, vec![n; limit]).unwrap();
    }
    for n in 0..8 {
        assert_eq!(node.event("gossip", gossip).await.1, vec![n; limit]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_bootstrap_restarts_empty_newcomers_still_find_the_members() {
    let door = Node::bootstrap(1).await;
    let address = door.net.listen_addrs()[0].clone();
    let member = Node::knowing(2, &[&door]).await;
    member.net.follow(ROOM).unwrap();
    wait_until("listed", async || door.net.stats().await.providers_stored > 0).await;
    door.net.shutdown().await;

    let mut again = config(Role::Bootstrap, 1);
    again.listen = vec![address.split("/p2p/").next().unwrap().to_owned()];
    let door = Node::start(again).await;
    let newcomer = Node::knowing(3, &[&door]).await;
    newcomer.net.follow(ROOM).unwrap();
    newcomer.meets(&member, ROOM).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_a_room_is_no_longer_in_it() {
    let mut stays = Node::knowing(1, &[]).await;
    let leaves = Node::knowing(2, &[&stays]).await;
    for node in [&stays, &leaves] {
        node.net.follow(ROOM).unwrap();
        node.net.follow("other").unwrap();
    }
    stays.meets(&leaves, ROOM).await;
    leaves.net.unfollow(ROOM).unwrap();
    wait_until("gone", async || stays.net.peers().await.iter().all(|peer| peer.rooms == ["other"])).await;
    // And can come back.
    leaves.net.follow(ROOM).unwrap();
    stays.meets(&leaves, ROOM).await;
    leaves.net.publish(ROOM, b"back".to_vec()).unwrap();
    assert_eq!(stays.event("gossip", gossip).await.1, b"back");
}
