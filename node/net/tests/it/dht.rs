//! Contacts in the DHT.

use std::time::Duration;

use futures::StreamExt;
use gigmesh_net::limits::CONTACT_BYTES;
use gigmesh_net::{Event, Role};
use libp2p::kad::store::MemoryStore;
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, kad, noise, tcp, yamux};

use crate::harness::{Node, config, contact, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_is_reached_through_its_contact_without_any_hint() {
    let door = Node::bootstrap(1).await;
    let worker = Node::knowing(2, &[&door]).await;
    worker.net.announce(contact(&worker.net)).unwrap();
    wait_until("the contact is stored", async || door.net.stats().await.contacts_stored > 0).await;
    let agent = worker.agent();
    let answering = worker.answering();

    let requester = Node::knowing(3, &[&door]).await;
    wait_until("the DHT is there", async || requester.net.stats().await.dht_peers > 0).await;
    let answer = requester.net.request(agent, vec![], b"claim".to_vec()).await.unwrap();
    assert_eq!(answer, [&requester.agent().0[..], b"claim"].concat());
    answering.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_seen_before_is_reached_again_without_hint_or_dht() {
    let server = Node::knowing(1, &[]).await;
    let (agent, hints, net) = (server.agent(), server.net.listen_addrs(), server.net.clone());
    let answering = server.answering();
    let mut client = Node::knowing(2, &[]).await;
    client.net.request(agent, hints.clone(), vec![]).await.unwrap();
    wait_until("identified", async || !client.net.peers().await[0].agent_version.raw().is_empty()).await;
    net.shutdown().await;
    answering.abort();
    let down = |event| matches!(event, Event::LinkDown { agent: gone } if gone == agent).then_some(());
    client.event("link down", down).await;

    let mut again = config(Role::Node, 1);
    again.listen = vec![hints[0].split("/p2p/").next().unwrap().to_owned()];
    let answering = Node::start(again).await.answering();
    assert!(client.net.request(agent, vec![], vec![]).await.is_ok());
    answering.abort();
}

/// A peer that speaks our DHT's protocol and nothing else of ours.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_stranger_puts_into_the_dht_is_judged_in_both_arms() {
    let door = Node::bootstrap(1).await;
    let address: Multiaddr = door.net.listen_addrs()[0].parse().unwrap();
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|keys| {
            let peer = keys.public().to_peer_id();
            let config = kad::Config::new(StreamProtocol::new("/gigmesh/test/kad/1"));
            kad::Behaviour::with_config(peer, MemoryStore::new(peer), config)
        })
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(60)))
        .build();
    let door_peer = address.iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::P2p(peer) => Some(peer),
        _ => None,
    });
    let own = swarm.local_peer_id().to_bytes();
    let kad = swarm.behaviour_mut();
    kad.add_address(&door_peer.unwrap(), address);
    let put = |key: &[u8], value: Vec<u8>| kad::Record::new(key.to_vec(), value);
    let own_key = &own[own.len() - 32..];
    let own_hex: String = own_key.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut refused = 0;
    for record in [
        put(b"anything", b"anything".to_vec()),
        put(own_key, b"not a contact".to_vec()),
        put(own_key, [own_hex.as_bytes(), &[b'\n'; CONTACT_BYTES]].concat()),
        put(&[9; 32], format!("{}\n", "09".repeat(32)).into_bytes()), // valid, but another agent's
    ] {
        kad.put_record(record, kad::Quorum::One).unwrap();
        refused += 1;
    }
    for key in ["anything", "gigmesh/other/room/table/1", "gigmesh/test/room/table/1"] {
        kad.start_providing(kad::RecordKey::new(&key)).unwrap();
    }
    let driving = tokio::spawn(async move {
        loop {
            swarm.select_next_some().await;
        }
    });
    wait_until("all refused", async || {
        let stats = door.net.stats().await;
        // The third key is fine, but an entry without an address leads nowhere.
        (stats.contacts_refused, stats.providers_refused) == (refused, 3)
    })
    .await;
    let stats = door.net.stats().await;
    assert_eq!((stats.contacts_stored, stats.providers_stored), (0, 0));
    driving.abort();
}
