//! Nodes that listen nowhere, as good as behind NAT: they are reached through the bootstrap node.

use gigmesh_net::{RequestError, Role};

use crate::harness::{Node, config, contact, wait_until};

/// A node that cannot be dialled and knows one door.
async fn hidden(seed: u8, door: &str) -> Node {
    let mut settings = config(Role::Node, seed);
    settings.listen = Vec::new();
    settings.bootstrap = vec![door.to_owned()];
    Node::start(settings).await
}

/// Waits until it has an address through a relay.
async fn placed(node: &Node) {
    wait_until("a place at the relay", async || {
        node.net.stats().await.relays == 1 && node.net.listen_addrs().iter().any(|addr| addr.contains("/p2p-circuit/"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_be_dialled_is_reached_through_the_door_and_again_after_a_restart_of_each() {
    let door = Node::bootstrap(9).await;
    let address = door.net.listen_addrs()[0].clone();
    let asker = hidden(2, &address).await;
    let worker = hidden(1, &address).await;
    let (agent, net) = (worker.agent(), worker.net.clone());
    placed(&worker).await;
    assert!(!net.stats().await.dht_server);
    net.announce(contact(&net)).unwrap();
    let answering = worker.answering();
    // Nothing is told: the contact in the DHT leads there.
    let ask = async |bytes: &[u8]| asker.net.request(agent, vec![], bytes.to_vec()).await;
    wait_until("an answer", async || ask(b"?").await == Ok([&asker.agent().0[..], b"?"].concat())).await;
    let over = async || {
        let peers = asker.net.peers().await;
        peers.into_iter().find(|peer| peer.agent == agent).map(|peer| peer.transports)
    };
    assert_eq!(over().await, Some(vec!["relay"]));
    assert_eq!(asker.net.request_direct(agent, vec![], b"?".to_vec()).await, Err(RequestError::Relayed));
    assert!(asker.net.stats().await.requests_failed >= 1);

    net.shutdown().await;
    answering.abort();
    let worker = hidden(1, &address).await;
    placed(&worker).await;
    worker.net.announce(contact(&worker.net)).unwrap();
    let net = worker.net.clone();
    let answering = worker.answering();
    wait_until("an answer after the worker's restart", async || ask(b"?").await.is_ok()).await;

    door.net.clone().shutdown().await;
    wait_until("the place to be lost", async || net.stats().await.relays == 0).await;
    let mut settings = config(Role::Bootstrap, 9);
    settings.listen = vec![address.split("/p2p/").next().unwrap().to_owned()];
    let door = Node::start(settings).await;
    wait_until("a place after the door's restart", async || net.stats().await.relays == 1).await;
    net.announce(contact(&net)).unwrap();
    wait_until("an answer after the door's restart", async || ask(b"?").await.is_ok()).await;
    answering.abort();
    drop(door);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_can_be_dialled_takes_no_place_unless_told() {
    let door = Node::bootstrap(9).await;
    let address = door.net.listen_addrs()[0].clone();
    let mut settings = config(Role::Node, 1);
    settings.bootstrap = vec![address.clone()];
    settings.relay = true;
    let worker = Node::start(settings).await;
    placed(&worker).await;
    let (agent, addrs) = (worker.agent(), worker.net.listen_addrs());
    let (relayed, direct): (Vec<_>, Vec<_>) = addrs.into_iter().partition(|addr| addr.contains("/p2p-circuit/"));
    assert_eq!((direct.len(), relayed.len()), (1, 1));
    let answering = worker.answering();
    let asker = Node::knowing(2, &[]).await;
    assert!(asker.net.request(agent, relayed, vec![]).await.is_ok());
    assert_eq!(asker.net.stats().await.relays, 0);
    let other = Node::knowing(3, &[&door]).await;
    wait_until("the other to have met the door", async || other.net.stats().await.doors[0].open).await;
    assert!(other.net.request(agent, direct, vec![]).await.is_ok());
    let stats = other.net.stats().await;
    assert_eq!((stats.relays, stats.dht_server), (0, true));
    answering.abort();
}
