//! Connections of one peer, and bans.

use std::net::SocketAddr;

use futures::StreamExt;
use gigmesh_net::{Capacity, Event, Role, Severity};
use libp2p::swarm::dial_opts::DialOpts;
use libp2p::swarm::{SwarmEvent, dummy};
use libp2p::{Multiaddr, SwarmBuilder, noise, tcp, yamux};
use tokio::net::TcpSocket;

use crate::harness::{DEADLINE, Node, config, wait_until};

#[tokio::test(flavor = "multi_thread")]
async fn the_fifth_connection_of_one_peer_is_refused_and_four_are_one_link() {
    let mut node = Node::knowing(1, &[]).await;
    let address: Multiaddr = node.net.listen_addrs()[0].parse().unwrap();
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| dummy::Behaviour)
        .unwrap()
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(DEADLINE))
        .build();
    for _ in 0..5 {
        // Whoever is not named is dialled whether connected or not.
        swarm.dial(DialOpts::unknown_peer_id().address(address.clone()).build()).unwrap();
    }
    let driving = tokio::spawn(async move {
        loop {
            if let SwarmEvent::ConnectionClosed { num_established, .. } = swarm.select_next_some().await {
                assert_eq!(num_established, 4);
            }
        }
    });
    wait_until("one refused", async || {
        let stats = node.net.stats().await;
        (stats.links, stats.connections, stats.connections_refused) == (1, 4, 1)
    })
    .await;
    let mut ups = 0;
    while let Ok(event) = node.events.try_recv() {
        ups += usize::from(matches!(event, Event::LinkUp { .. }));
    }
    assert_eq!(ups, 1);
    driving.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fatal_act_ends_the_link_and_bars_the_way_back() {
    let mut node = Node::knowing(1, &[]).await;
    let mut villain = Node::knowing(2, &[&node]).await;
    node.linked(villain.agent()).await;
    villain.linked(node.agent()).await;
    node.net.penalize(villain.agent(), Severity::Fatal).unwrap();
    let down = |who| move |event| matches!(event, Event::LinkDown { agent } if agent == who).then_some(());
    node.event("link down", down(villain.agent())).await;
    villain.event("link down", down(node.agent())).await;
    let hints = node.net.listen_addrs();
    assert!(villain.net.request(node.agent(), hints, vec![]).await.is_err());
    assert_eq!(node.net.stats().await.links, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_of_another_network_is_sent_away() {
    let mut node = Node::knowing(1, &[]).await;
    let mut config = config(Role::Node, 2);
    config.network = "other".to_owned();
    config.bootstrap = node.net.listen_addrs();
    let stranger = Node::start(config).await;
    node.linked(stranger.agent()).await;
    let down = |event| matches!(event, Event::LinkDown { agent } if agent == stranger.agent()).then_some(());
    node.event("link down", down).await;
    assert_eq!(node.net.stats().await.dht_peers, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn silent_sockets_of_one_address_keep_nobody_else_out_and_not_for_long() {
    let node = Node::knowing(1, &[]).await;
    let newcomer = Node::knowing(2, &[]).await;
    let (net, hints) = (node.net.clone(), node.net.listen_addrs());
    let port = hints[0].split('/').nth(4).and_then(|port| port.parse().ok()).expect("a TCP address has a port");
    let mut silent = Vec::new();
    for _ in 0..Capacity::NODE.pending_in {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
        silent.push(socket.connect(SocketAddr::from(([127, 0, 0, 1], port))).await.unwrap());
    }
    let held = u64::from(Capacity::NODE.pending_in / 4);
    let refused = u64::from(Capacity::NODE.pending_in) - held;
    wait_until("the rest is refused", async || net.stats().await.connections_refused == refused).await;
    let answering = node.answering();
    assert!(newcomer.net.request(net.agent(), hints, vec![]).await.is_ok());
    assert_eq!(net.stats().await.handshakes_failed, 0, "they still hold their places");
    wait_until("they are let go", async || net.stats().await.handshakes_failed == held).await;
    answering.abort();
}
