//! A peer that asks and does not finish its question, in bulk and again and again.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::io;

use futures::future::pending;
use futures::{AsyncRead, AsyncWrite, AsyncWriteExt, StreamExt};
use gigmesh_net::limits::{EXCHANGE_BYTES, EXCHANGES_PER_CONNECTION, REQUESTS_PER_AGENT};
use libp2p::request_response::{self as exchange, ProtocolSupport};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, StreamProtocol, SwarmBuilder, noise, tcp, yamux};
use tokio::task::JoinHandle;

use crate::harness::{Node, wait_until};

/// Declares the largest request, and sends none of it.
#[derive(Clone, Default)]
struct Unfinished;

impl exchange::Codec for Unfinished {
    type Protocol = StreamProtocol;
    type Request = ();
    type Response = ();

    async fn read_request<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<()> {
        Ok(())
    }

    async fn read_response<T: AsyncRead + Unpin + Send>(&mut self, _: &StreamProtocol, _: &mut T) -> io::Result<()> {
        Ok(())
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, (): ()) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&u32::try_from(EXCHANGE_BYTES).unwrap().to_be_bytes()).await?;
        io.flush().await?;
        pending().await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, _: &mut T, (): ()) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        Ok(())
    }
}

/// As many unfinished requests on one connection as it carries, each renewed when it fails.
fn attack(victim: &Node) -> JoinHandle<()> {
    let address: Multiaddr = victim.net.listen_addrs()[0].parse().unwrap();
    let protocols = [(StreamProtocol::new("/gigmesh/test/exchange/1"), ProtocolSupport::Full)];
    let settings = exchange::Config::default().with_max_concurrent_streams(EXCHANGES_PER_CONNECTION);
    let mut swarm = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)
        .unwrap()
        .with_behaviour(|_| exchange::Behaviour::<Unfinished>::new(protocols, settings))
        .unwrap()
        .build();
    swarm.dial(address).unwrap();
    tokio::spawn(async move {
        loop {
            let (peer_id, count) = match swarm.select_next_some().await {
                SwarmEvent::ConnectionEstablished { peer_id, .. } => (peer_id, EXCHANGES_PER_CONNECTION),
                SwarmEvent::Behaviour(exchange::Event::OutboundFailure { peer, .. }) => (peer, 1),
                _ => continue,
            };
            for _ in 0..count {
                swarm.behaviour_mut().send_request(&peer_id, ());
            }
        }
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_finishes_no_request_keeps_nobody_from_being_heard_and_is_blamed() {
    let victim = Node::knowing(1, &[]).await;
    let honest = Node::knowing(2, &[]).await;
    let (net, hints) = (victim.net.clone(), victim.net.listen_addrs());
    let attacking = attack(&victim);
    let answering = victim.answering();
    wait_until("the attack is under way", async || {
        net.stats().await.requests_broken >= (EXCHANGES_PER_CONNECTION - REQUESTS_PER_AGENT) as u64
    })
    .await;
    // Small ones and the largest, until the attack's first requests have timed out and long after it took all it can.
    wait_until("the attack is counted and blamed", async || {
        for size in [1, EXCHANGE_BYTES - 32] {
            let answer = honest.net.request(net.agent(), hints.clone(), vec![7; size]).await;
            assert_eq!(answer.map(|answer| answer.len()), Ok(size + 32));
        }
        let peers = net.peers().await;
        let attacker = peers.iter().find(|peer| peer.agent != honest.agent());
        net.stats().await.requests_stalled >= REQUESTS_PER_AGENT as u64 && attacker.is_none_or(|peer| peer.score < 0.0)
    })
    .await;
    assert!(net.peers().await.iter().all(|peer| peer.agent != honest.agent() || peer.score >= 0.0));
    attacking.abort();
    answering.abort();
}
