//! Requests and answers. Ours wait in a bounded map for their outcome; those of others are handed on at once.

use std::io;
use std::time::Instant;

use gigmesh_protocol::id::AgentId;
use libp2p::PeerId;
use libp2p::request_response::{self as exchange, Message, OutboundFailure};
use tokio::sync::oneshot;

use super::Driver;
use super::links::Link;
use crate::codec;
use crate::handle::{Answer, Event, Question, RequestError, ResponseToken, Severity};
use crate::limits;
use crate::names::{agent_of, peer_of};

impl Driver {
    pub(super) fn request(&mut self, to: AgentId, hints: &[String], question: Question) {
        let peer = peer_of(&to);
        if self.requests.len() + self.searches.waiting() >= limits::REQUESTS {
            self.fail(question.answer, RequestError::Busy);
        } else if peer == *self.swarm.local_peer_id() {
            self.fail(question.answer, RequestError::Unreachable);
        } else if self.links.contains_key(&peer) {
            self.send(&peer, question);
        } else {
            self.search(peer, hints, question);
        }
    }

    /// Sends to a connected peer.
    pub(super) fn send(&mut self, peer: &PeerId, Question { bytes, direct, answer }: Question) {
        if direct && self.links.get(peer).is_some_and(Link::is_relayed) {
            return self.fail(answer, RequestError::Relayed);
        }
        if self.requests.values().filter(|(to, _)| to == peer).count() >= limits::REQUESTS_PER_AGENT {
            return self.fail(answer, RequestError::Busy);
        }
        let Some(exchange) = self.swarm.behaviour_mut().exchange.as_mut() else {
            return self.fail(answer, RequestError::Unsupported);
        };
        let Some(id) = exchange.send_request(peer, bytes) else {
            return self.fail(answer, RequestError::NoAnswer);
        };
        self.stats.requests_out += 1;
        self.requests.insert(id, (*peer, answer));
    }

    pub(super) fn fail(&mut self, answer: Answer, error: RequestError) {
        self.stats.requests_failed += 1;
        // The caller may have stopped waiting.
        let _ = answer.send(Err(error));
    }

    pub(super) fn on_exchange(&mut self, event: crate::exchange::Event) {
        match event {
            exchange::Event::Message { peer, message: Message::Request { request, channel, .. }, .. } => {
                self.on_request(&peer, request, channel);
            }
            exchange::Event::Message { message: Message::Response { request_id, response }, .. } => {
                let Some((_, answer)) = self.requests.remove(&request_id) else { return };
                match response {
                    codec::Answer::Here(bytes) => drop(answer.send(Ok(bytes))),
                    // Made on the answering side only, never read from a stream.
                    codec::Answer::Coming(_) => self.fail(answer, RequestError::NoAnswer),
                }
            }
            exchange::Event::OutboundFailure { request_id, error, .. } => {
                if let Some((_, answer)) = self.requests.remove(&request_id) {
                    self.fail(answer, reason(&error));
                }
            }
            exchange::Event::InboundFailure { .. } => self.stats.requests_unanswered += 1,
            exchange::Event::ResponseSent { .. } => {}
        }
    }

    fn on_request(
        &mut self,
        peer: &PeerId,
        request: codec::Request,
        channel: exchange::ResponseChannel<codec::Answer>,
    ) {
        self.stats.requests_in += 1;
        let Some(from) = agent_of(peer) else { return };
        let (answer, coming) = oneshot::channel();
        let token = ResponseToken { answer, _ration: request.ration };
        if !self.outlet.offer(Event::Request { token, from, bytes: request.bytes }) {
            // The dropped channel tells the asker.
            self.stats.requests_refused += 1;
            return;
        }
        if let Some(exchange) = self.swarm.behaviour_mut().exchange.as_mut() {
            exchange.send_response(channel, codec::Answer::Coming(coming));
        }
    }
}

impl Driver {
    /// Whoever has requests time out, or too many on their way, has done so in bulk or will do it again: it is one act for
    /// as long as an exchange may last. A link that died with all its streams is one act, too, and no more.
    pub(super) fn blame_abusers(&mut self, now: Instant) {
        let Some(exchange) = self.swarm.behaviour_mut().exchange.as_mut() else { return };
        for peer in exchange.abusers() {
            let Some(link) = self.links.get_mut(&peer) else { continue };
            if link.blamed_at.is_none_or(|at| now >= at + limits::EXCHANGE_TIMEOUT) {
                link.blamed_at = Some(now);
                let agent = link.agent;
                self.penalize(&agent, Severity::Mid);
            }
        }
    }
}

fn reason(failure: &OutboundFailure) -> RequestError {
    match failure {
        OutboundFailure::DialFailure => RequestError::Unreachable,
        OutboundFailure::Timeout => RequestError::Timeout,
        OutboundFailure::UnsupportedProtocols => RequestError::Unsupported,
        OutboundFailure::Io(error) if error.kind() == io::ErrorKind::InvalidData => RequestError::TooLarge,
        OutboundFailure::ConnectionClosed | OutboundFailure::Io(_) => RequestError::NoAnswer,
    }
}
