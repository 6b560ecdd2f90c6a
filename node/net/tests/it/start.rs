//! Starting: what is wrong is said, in one message, before anything runs.

use std::net::{TcpListener, UdpSocket};

use gigmesh_net::{Net, Role, StartError};

use crate::harness::{Node, QUIC, config};

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_named() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    // libp2p would share a port with another libp2p node of the same user.
    let gigmesh = Node::knowing(9, &[]).await;
    let shared = gigmesh.net.listen_addrs()[0].split("/p2p/").next().unwrap().to_owned();
    for taken in [
        format!("/ip4/127.0.0.1/tcp/{}", tcp.local_addr().unwrap().port()),
        format!("/ip4/127.0.0.1/udp/{}/quic-v1", udp.local_addr().unwrap().port()),
        shared,
    ] {
        let mut config = config(Role::Node, 1);
        config.listen.push(taken.clone());
        let error = Net::start(config).await.unwrap_err();
        assert!(matches!(&error, StartError::InUse(address) if *address == taken), "{error}");
        assert!(error.to_string().contains(&taken));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nonsense_in_the_configuration_is_refused() {
    let start = async |change: &dyn Fn(&mut gigmesh_net::Config)| {
        let mut config = config(Role::Node, 1);
        change(&mut config);
        Net::start(config).await.unwrap_err()
    };
    assert!(matches!(start(&|c| c.network = "a/b".into()).await, StartError::Network(_)));
    assert!(matches!(start(&|c| c.listen = vec!["tcp://x".into()]).await, StartError::Address(_)));
    assert!(matches!(start(&|c| c.listen = vec!["/ip4/127.0.0.1/udp/0".into()]).await, StartError::Unsupported(_)));
    assert!(matches!(start(&|c| c.bootstrap = vec!["/ip4/127.0.0.1/tcp/1".into()]).await, StartError::NoPeer(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_listens_when_start_returns_and_is_silent_after_shutdown() {
    let mut config = config(Role::Node, 1);
    config.listen.push(QUIC.to_owned());
    assert!(!format!("{config:?}").contains("[1, 1"), "the secret is not printed");
    let node = Node::start(config).await;
    let addresses = node.net.listen_addrs();
    assert_eq!(addresses.len(), 2);
    assert!(addresses.iter().all(|address| address.contains("/p2p/12D3KooW") && !address.contains("/0/")));
    let other = Node::knowing(2, &[&node]).await;
    other.net.clone().shutdown().await;
    assert!(other.net.peers().await.is_empty());
    assert!(other.net.follow("room").is_err());
}
