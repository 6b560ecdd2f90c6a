//! Doors that do not open: who they are and why is told, and that they opened at last.

use std::net::TcpListener;

use gigmesh_net::{Door, Net, Role};

use crate::harness::{Node, config, wait_until};

/// The first door of a node, once it is as wanted.
async fn door(net: &Net, what: &str, wanted: impl Fn(&Door) -> bool) -> Door {
    let mut found = None;
    wait_until(what, async || {
        found = net.stats().await.doors.into_iter().next().filter(&wanted);
        found.is_some()
    })
    .await;
    found.expect("it was seen")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_does_not_answer_is_reported_until_it_does() {
    // Nobody listens on the port of a listener that was dropped.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut bootstrap = config(Role::Bootstrap, 1);
    bootstrap.listen = vec![format!("/ip4/127.0.0.1/tcp/{port}")];
    let name = Node::knowing(1, &[]).await.net.listen_addrs()[0].split("/p2p/").nth(1).unwrap().to_owned();
    let mut node = config(Role::Node, 2);
    node.bootstrap = vec![format!("/ip4/127.0.0.1/tcp/{port}/p2p/{name}")];
    let addresses = node.bootstrap.clone();
    let node = Node::start(node).await;
    let away = door(&node.net, "two failures", |door| door.failures >= 2).await;
    assert_eq!((away.open, away.reached, &away.addresses), (false, false, &addresses));
    assert_eq!(away.error.as_deref(), Some("Connection refused (os error 111)"));
    let _bootstrap = Node::start(bootstrap).await;
    let open = door(&node.net, "the door open", |door| door.open).await;
    assert_eq!((open.reached, open.failures, open.error), (true, 0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_with_another_key_or_of_another_network_is_told_as_such() {
    let bootstrap = Node::bootstrap(1).await;
    let mut stranger = config(Role::Node, 2);
    stranger.network = "other".to_owned();
    stranger.bootstrap = bootstrap.net.listen_addrs();
    let stranger = Node::start(stranger).await;
    let failed = |door: &Door| door.failures >= 2;
    let another = door(&stranger.net, "another network", failed).await;
    assert!(another.error.unwrap().contains("another network"));
    assert!(!another.open && !another.reached);

    let other = Node::bootstrap(3).await;
    let place = bootstrap.net.listen_addrs()[0].split("/p2p/").next().unwrap().to_owned();
    let name = other.net.listen_addrs()[0].split("/p2p/").nth(1).unwrap().to_owned();
    let mut mistaken = config(Role::Node, 4);
    mistaken.bootstrap = vec![format!("{place}/p2p/{name}")];
    let mistaken = Node::start(mistaken).await;
    let wrong = door(&mistaken.net, "another key", failed).await;
    let found = bootstrap.net.listen_addrs()[0].split("/p2p/").nth(1).unwrap().to_owned();
    assert_eq!(wrong.error, Some(format!("another node answers there, {found}")));
}
