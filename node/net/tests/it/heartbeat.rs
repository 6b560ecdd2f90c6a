//! gossipsub's heartbeat goes on while nothing happens.

use std::time::Duration;

use gigmesh_net::Event;
use gigmesh_protocol::gossip::Verdict;

use crate::harness::Node;

/// gossipsub forgets a record after five heartbeats, so a verdict that comes late shows that they happened. Without the
/// driver's tick they stop at the first, and the verdict finds the record whenever it comes.
#[tokio::test(flavor = "multi_thread")]
async fn an_idle_node_keeps_its_heartbeat() {
    let other = Node::knowing(1, &[]).await;
    let mut idle = Node::knowing(2, &[&other]).await;
    other.net.follow("room").unwrap();
    idle.net.follow("room").unwrap();
    other.meets(&idle, "room").await;
    idle.meets(&other, "room").await;
    other.net.publish("room", b"record".to_vec()).unwrap();
    let token = idle
        .event("gossip", |event| match event {
            Event::Gossip { token, .. } => Some(token),
            _ => None,
        })
        .await;
    // Not waiting for a condition: idleness is what is under test, and asking the node anything would end it. Twenty
    // heartbeats of these tests.
    tokio::time::sleep(Duration::from_secs(2)).await;
    idle.net.verdict(token, Verdict::Accept).unwrap();
    let stats = idle.net.stats().await;
    assert_eq!((stats.gossip_accepted, stats.gossip_late), (1, 1));
}
