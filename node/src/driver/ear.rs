//! Listens to the network. In: its events. Out: verified records and other inputs to the brain's queue, and tasks that
//! serve blobs and pages.
//!
//! Two threads: one reads all events and verifies parcels itself, so that a message of a hire waits for no other thread;
//! one verifies gossip, so that a flood of it delays no hire. Both keep the order in which a peer's messages came. What
//! must never happen: that a peer makes this queue without bound, or wait for another peer's disk.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use gigmesh_net::{Event, GossipToken, ResponseToken};
use gigmesh_protocol::codec::Text;
use gigmesh_protocol::gossip;
use gigmesh_protocol::id::{AgentId, Id};
use gigmesh_protocol::limits::{ADDRESS, ADDRESSES};
use gigmesh_protocol::peer::io::Input;
use gigmesh_protocol::peer::query::{RatingsAbout, RatingsBy};
use gigmesh_protocol::wire::{Request, Response};
use tokio::sync::mpsc;

use super::{Body, Task, Why, serve};
use crate::limits::{GOSSIP_QUEUE, REQUESTS_PER_PEER};
use crate::metrics::{Count, Way};

/// See the module.
pub(crate) struct Ear {
    body: Arc<Body>,
    gossip: SyncSender<Heard>,
}

/// A gossiped record, as bytes.
struct Heard {
    token: GossipToken,
    from: AgentId,
    bytes: Vec<u8>,
}

impl Ear {
    /// Starts listening. Both threads end when the network does.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(body: &Arc<Body>, events: mpsc::Receiver<Event>) -> io::Result<()> {
        let (gossip, heard) = sync_channel(GOSSIP_QUEUE);
        let judge = Arc::clone(body);
        thread::Builder::new().name("gossip".to_owned()).spawn(move || judge_gossip(&judge, &heard))?;
        let ear = Self { body: Arc::clone(body), gossip };
        thread::Builder::new().name("ear".to_owned()).spawn(move || ear.listen(events))?;
        Ok(())
    }

    fn listen(self, mut events: mpsc::Receiver<Event>) {
        let queue = &self.body.queue;
        queue.insist(Input::Addresses(contact_addresses(self.body.net.listen_addrs())));
        while let Some(event) = events.blocking_recv() {
            match event {
                Event::Request { token, from, bytes } => self.on_request(token, from, &bytes),
                Event::Gossip { token, from, bytes, .. } => {
                    // Too much to verify: dropped without a verdict it is not passed on.
                    if self.gossip.try_send(Heard { token, from, bytes }).is_err() {
                        queue.metrics().count(Count::DroppedUnverified);
                    }
                }
                Event::LinkUp { agent, .. } => queue.insist(Input::LinkUp(agent)),
                Event::RoomMember { room, agent } => queue.insist(Input::RoomMember { room, agent }),
                Event::Listening { addrs } => queue.insist(Input::Addresses(contact_addresses(addrs))),
                Event::LinkDown { .. } => {}
            }
        }
        queue.stop(Why::NetworkLost);
    }

    /// A request that is dropped here gets no answer, which its sender takes for not received: it asks again.
    fn on_request(&self, token: ResponseToken, from: AgentId, bytes: &[u8]) {
        let body = &self.body;
        let metrics = body.queue.metrics();
        let Some(share) = body.shares.take(from, REQUESTS_PER_PEER) else {
            return metrics.count(Count::DroppedOverShare);
        };
        let request = Request::decode(bytes);
        if let Ok(request) = &request {
            metrics.request(request);
        }
        let answer: Pin<Box<dyn Future<Output = Response> + Send>> = match request {
            Ok(Request::Parcel(items)) => {
                let admit = |item| {
                    let item = body.edge.admit(item);
                    metrics.record(Way::Parcel, item.as_ref());
                    item.inspect(|record| body.queue.clock().heard(record))
                };
                let items = items.iter().map(admit).collect();
                // Without room for it, too, the sender gets no answer.
                if !body.queue.offer(Task::Parcel { from, items, token, share }) {
                    metrics.count(Count::DroppedParcel);
                }
                return;
            }
            Ok(Request::Page { room, after }) => Box::pin(serve::page(Arc::clone(body), room.into(), after)),
            Ok(Request::Ratings { about, after }) => {
                let after = after.map(|after| Id::from_bytes(after.0));
                Box::pin(serve::ratings(Arc::clone(body), RatingsAbout { about, after }))
            }
            Ok(Request::RatingsBy { by, after }) => {
                let after = after.map(|after| Id::from_bytes(after.0));
                Box::pin(serve::ratings(Arc::clone(body), RatingsBy { by, after }))
            }
            Ok(Request::RatingsById(ids)) => Box::pin(serve::ratings_by_id(Arc::clone(body), ids.to_vec(), None)),
            Ok(Request::Leaves { hire, root }) => Box::pin(serve::leaves(Arc::clone(body), from, hire, root)),
            Ok(Request::Chunk { hire, root, index }) => {
                Box::pin(serve::chunk(Arc::clone(body), from, hire, root, index))
            }
            Err(error) => {
                // It may be a request of a later release.
                metrics.count(Count::AskedNonsense);
                tracing::debug!(%from, %error, "a request is not understood");
                let no = Response::No(Text::fit("this node does not understand the request"));
                let _ = body.net.respond(token, no.encode());
                return;
            }
        };
        serve::answer(body, answer, token, share);
    }
}

fn judge_gossip(body: &Body, heard: &Receiver<Heard>) {
    let metrics = body.queue.metrics();
    while let Ok(Heard { token, from, bytes }) = heard.recv() {
        let verdict = match body.edge.admit_once(&bytes) {
            Ok(Some((record, hash))) => {
                metrics.record(Way::Gossip, Ok(&record));
                body.queue.clock().heard(&record);
                if body.queue.offer(Task::Gossip { from, record, token }) {
                    body.edge.remember(hash);
                } else {
                    metrics.count(Count::DroppedVerified);
                }
                continue;
            }
            Ok(None) => {
                metrics.known(Way::Gossip);
                gossip::Verdict::Ignore
            }
            Err(refusal) => {
                tracing::debug!(%from, %refusal, "gossip is not admitted");
                metrics.record(Way::Gossip, Err(&refusal));
                gossip::Verdict::of(&refusal)
            }
        };
        metrics.verdict(verdict);
        // Not taken means not passed on.
        let _ = body.net.verdict(token, verdict);
    }
}

/// What of our addresses, which come widest scope first, a contact should say. Loopback only if there is nothing else,
/// as in a demo on one machine: for anybody elsewhere it would be a wasted dial.
fn contact_addresses(mut all: Vec<String>) -> Vec<String> {
    let is_loopback = |address: &String| address.starts_with("/ip4/127.") || address.starts_with("/ip6/::1/");
    for address in &mut all {
        // Whose it is, a contact says itself; with it an address through a relay would be too long.
        if let Some((relay, _)) = address.split_once("/p2p-circuit/") {
            *address = format!("{relay}/p2p-circuit");
        }
    }
    all.retain(|address| address.len() <= ADDRESS);
    if !all.iter().all(is_loopback) {
        all.retain(|address| !is_loopback(address));
    }
    all.truncate(ADDRESSES);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_contact_says_the_widest_addresses_and_loopback_only_where_there_is_no_other() {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let wide = ["/ip4/198.51.100.7/tcp/1", "/ip6/2001:db8::7/tcp/1", "/ip4/10.0.0.7/tcp/1"];
        let near = ["/ip4/127.0.0.1/tcp/1", "/ip6/::1/udp/1/quic-v1"];
        assert_eq!(contact_addresses(owned(&[&wide[..], &near].concat())), wide);
        assert_eq!(contact_addresses(owned(&near)), near);
        let peer = "x".repeat(52);
        let relayed = format!("/ip4/198.51.100.100/udp/65535/quic-v1/p2p/{peer}/p2p-circuit");
        assert_eq!(contact_addresses(vec![format!("{relayed}/p2p/{peer}")]), [relayed]);
        assert_eq!(contact_addresses(owned(&[wide[0]; 9])).len(), ADDRESSES);
        assert_eq!(contact_addresses(vec!["/ip4/198.51.100.7".repeat(ADDRESS)]), [""; 0]);
    }
}
