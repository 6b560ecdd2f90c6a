//! Requests and answers.

use gigmesh_net::limits::{EXCHANGE_BYTES, REQUESTS_PER_AGENT};
use gigmesh_net::{CommandError, Event, Net, RequestError, Role};

use crate::harness::{Node, QUIC, TCP, config, wait_until};

async fn pair(listen: &str) -> (Node, Node) {
    let mut settings = config(Role::Node, 1);
    settings.listen = vec![listen.to_owned()];
    let server = Node::start(settings).await;
    (server, Node::knowing(2, &[]).await)
}

async fn asks(client: &Net, server: &Net, bytes: Vec<u8>) -> Result<Vec<u8>, RequestError> {
    client.request(server.agent(), server.listen_addrs(), bytes).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_answered_over_tcp_and_over_quic() {
    for (listen, transport) in [(TCP, "tcp"), (QUIC, "quic")] {
        let (server, client) = pair(listen).await;
        let net = server.net.clone();
        let answering = server.answering();
        let answer = asks(&client.net, &net, b"how much?".to_vec()).await;
        assert_eq!(answer, Ok([&client.agent().0[..], b"how much?"].concat()), "{transport}");
        let peers = client.net.peers().await;
        assert_eq!(peers[0].transports, [transport]);
        assert!(peers[0].outbound);
        answering.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_largest_request_passes_and_one_byte_more_is_an_error_that_leaves_the_link_alone() {
    let (server, client) = pair(TCP).await;
    let net = server.net.clone();
    let answering = server.answering();
    // The answer is the asker's id longer than the request.
    let largest = vec![7; EXCHANGE_BYTES - 32];
    assert_eq!(asks(&client.net, &net, largest).await.map(|answer| answer.len()), Ok(EXCHANGE_BYTES));
    assert_eq!(asks(&client.net, &net, vec![7; EXCHANGE_BYTES + 1]).await, Err(RequestError::TooLarge));
    assert_eq!(asks(&client.net, &net, vec![]).await.map(|answer| answer.len()), Ok(32));
    assert_eq!(client.net.stats().await.connections, 1);
    answering.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_too_large_is_refused_and_a_dropped_request_tells_the_asker() {
    let (mut server, client) = pair(TCP).await;
    let (net, server_net) = (client.net.clone(), server.net.clone());
    let asking = tokio::spawn(async move { asks(&net, &server_net, b"?".to_vec()).await });
    let token = server.event("a request", request).await;
    let refused = server.net.respond(token, vec![0; EXCHANGE_BYTES + 1]);
    assert!(matches!(refused, Err(CommandError::TooLarge { .. })));
    assert_eq!(asking.await.unwrap(), Err(RequestError::NoAnswer));
    assert_eq!(server.net.stats().await.connections, 1);
}

fn request(event: Event) -> Option<gigmesh_net::ResponseToken> {
    match event {
        Event::Request { token, .. } => Some(token),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_requests_to_one_agent_are_refused_here_and_the_others_are_answered() {
    let (mut server, client) = pair(TCP).await;
    let asking: Vec<_> = (0..REQUESTS_PER_AGENT + 9)
        .map(|_| {
            let (client, server) = (client.net.clone(), server.net.clone());
            tokio::spawn(async move { asks(&client, &server, b"?".to_vec()).await })
        })
        .collect();
    let mut tokens = Vec::new();
    for _ in 0..REQUESTS_PER_AGENT {
        tokens.push(server.event("a request", request).await);
    }
    wait_until("the rest is refused", async || client.net.stats().await.requests_failed == 9).await;
    tokens.into_iter().for_each(|token| server.net.respond(token, b"!".to_vec()).unwrap());
    let mut outcomes = Vec::new();
    for asked in asking {
        outcomes.push(asked.await.unwrap());
    }
    let answered = outcomes.iter().filter(|outcome| outcome.as_deref() == Ok(b"!")).count();
    let busy = outcomes.iter().filter(|outcome| **outcome == Err(RequestError::Busy)).count();
    assert_eq!((answered, busy), (REQUESTS_PER_AGENT, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_unreachable_at_once() {
    let (server, client) = pair(TCP).await;
    let (gone, hints) = (server.agent(), server.net.listen_addrs());
    server.net.shutdown().await;
    assert_eq!(client.net.request(gone, hints, vec![]).await, Err(RequestError::Unreachable));
    assert_eq!(client.net.request(client.agent(), vec![], vec![]).await, Err(RequestError::Unreachable));
    // Hints are a stranger's words.
    let nonsense = ["", "x", "/ip4/0.0.0.0/tcp/1", "/ip4/127.0.0.1/tcp/1/p2p/12D3KooWB"].map(str::to_owned).to_vec();
    assert_eq!(client.net.request(gone, nonsense, vec![]).await, Err(RequestError::Unreachable));
}
