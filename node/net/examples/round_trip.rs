//! Measures a warm round trip of 500 bytes on loopback: ours beside bare libp2p request-response with its CBOR codec's
//! framing left out, alternating, over TCP and over QUIC. Prints p50, p95 and p99 in microseconds.
//!
//! `cargo run --release -p gigmesh-net --example round_trip`

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, StreamExt};
use gigmesh_net::{Config, Event, Net, Role};
use libp2p::request_response::{self, Message};
use libp2p::swarm::SwarmEvent;
use libp2p::{Multiaddr, PeerId, StreamProtocol, Swarm, SwarmBuilder, noise, tcp, yamux};

const ROUNDS: usize = 7;
const TRIPS: usize = 1000;
const BYTES: usize = 500;

#[derive(Clone, Default)]
struct Bare;

impl request_response::Codec for Bare {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut bytes = Vec::new();
        io.read_to_end(&mut bytes).await.map(|_| bytes)
    }

    async fn read_response<T>(&mut self, protocol: &StreamProtocol, io: &mut T) -> std::io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        self.read_request(protocol, io).await
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&bytes).await
    }

    async fn write_response<T>(&mut self, protocol: &StreamProtocol, io: &mut T, bytes: Vec<u8>) -> std::io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        self.write_request(protocol, io, bytes).await
    }
}

type BareSwarm = Swarm<request_response::Behaviour<Bare>>;

fn bare() -> Outcome<BareSwarm> {
    Ok(SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(tcp::Config::default(), noise::Config::new, yamux::Config::default)?
        .with_quic()
        .with_behaviour(|_| {
            let protocols = [(StreamProtocol::new("/bare"), request_response::ProtocolSupport::Full)];
            request_response::Behaviour::new(protocols, request_response::Config::default())
        })?
        .with_swarm_config(|swarm| swarm.with_idle_connection_timeout(Duration::from_secs(600)))
        .build())
}

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// A bare pair: the server runs in a task, the client here.
async fn bare_pair(listen: &str) -> Outcome<(BareSwarm, PeerId)> {
    let mut server = bare()?;
    server.listen_on(listen.parse()?)?;
    let address: Multiaddr = loop {
        if let SwarmEvent::NewListenAddr { address, .. } = server.select_next_some().await {
            break address;
        }
    };
    let peer = *server.local_peer_id();
    tokio::spawn(async move {
        loop {
            if let SwarmEvent::Behaviour(request_response::Event::Message {
                message: Message::Request { request, channel, .. },
                ..
            }) = server.select_next_some().await
            {
                let _ = server.behaviour_mut().send_response(channel, request);
            }
        }
    });
    let mut client = bare()?;
    client.dial(address)?;
    while !client.is_connected(&peer) {
        client.select_next_some().await;
    }
    Ok((client, peer))
}

async fn bare_trip(client: &mut BareSwarm, peer: &PeerId) {
    client.behaviour_mut().send_request(peer, vec![7; BYTES]);
    loop {
        if let SwarmEvent::Behaviour(request_response::Event::Message { message: Message::Response { .. }, .. }) =
            client.select_next_some().await
        {
            return;
        }
    }
}

/// Our pair: the server answers from a task of its own, as an owner of events does.
async fn our_pair(listen: &str) -> Outcome<(Net, Net)> {
    let config = |seed| {
        let mut config = Config::new(Role::Node, "bench", [seed; 32], Arc::new(|_, _| None));
        config.listen = vec![listen.to_owned()];
        config
    };
    let (server, mut events) = Net::start(config(1)).await?;
    let answering = server.clone();
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Event::Request { token, bytes, .. } = event {
                let _ = answering.respond(token, bytes);
            }
        }
    });
    let (client, mut events) = Net::start(config(2)).await?;
    tokio::spawn(async move { while events.recv().await.is_some() {} });
    Ok((client, server))
}

fn percentiles(mut times: Vec<Duration>) -> [u128; 3] {
    times.sort_unstable();
    [50, 95, 99].map(|p| times[times.len() * p / 100].as_micros())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    for (name, listen) in [("tcp", "/ip4/127.0.0.1/tcp/0"), ("quic", "/ip4/127.0.0.1/udp/0/quic-v1")] {
        let (mut bare, peer) = bare_pair(listen).await?;
        let (client, server) = our_pair(listen).await?;
        client.request(server.agent(), server.listen_addrs(), vec![]).await?;
        for round in 0..ROUNDS {
            let (mut theirs, mut ours) = (Vec::new(), Vec::new());
            for _ in 0..TRIPS {
                let start = Instant::now();
                bare_trip(&mut bare, &peer).await;
                theirs.push(start.elapsed());
            }
            for _ in 0..TRIPS {
                let start = Instant::now();
                client.request(server.agent(), vec![], vec![7; BYTES]).await?;
                ours.push(start.elapsed());
            }
            println!("{name} {round}: bare {:?} us, ours {:?} us", percentiles(theirs), percentiles(ours));
        }
    }
    Ok(())
}
