//! What reaches this peer from others: gossip, parcels, and the fate of its own letters.
//!
//! Everything here was verified at the edge. What is public goes to the directory; what belongs to a hire joins its chain
//! if the chain admits it, and is logged before it is acknowledged.

use super::event::Event;
use super::io::{Notice, Outbox, Output, Token};
use super::{Peer, PostingEnd, dated};
use crate::directory::Insert;
use crate::gossip::Verdict;
use crate::hire::chain::{Entry, Misfit};
use crate::id::{AgentId, Bytes32};
use crate::limits;
use crate::market::{Rating, Reason};
use crate::record::{Record, Refusal, Verified};
use crate::time::Timestamp;
use crate::wire::Reply;

impl Peer {
    /// A public record, by gossip, page or parcel.
    pub(super) fn hear(&mut self, now: Timestamp, from: AgentId, record: Record, out: &mut Outbox) -> Verdict {
        let inserted = match record {
            Record::Manifest(manifest) => {
                let who = manifest.issuer();
                let (known, principal) = (self.directory.has(&who), manifest.principal);
                let inserted = self.directory.insert_manifest(now, manifest);
                if inserted == Insert::New {
                    self.reputation.belongs(who, principal);
                    if !known {
                        self.on_newcomer(from, who);
                    }
                    self.on_manifest(now, who, out);
                }
                inserted
            }
            Record::Offer(offer) => {
                let known = self.directory.has(&offer.issuer());
                let inserted = self.directory.insert_offer(now, offer.clone());
                if inserted == Insert::New {
                    if !known {
                        self.on_newcomer(from, offer.issuer());
                    }
                    self.consider(now, &offer, out);
                }
                inserted
            }
            Record::Contact(contact) => self.directory.insert_contact(now, contact),
            Record::Opened(news) => return self.on_news(now, &news),
            // Nothing else is gossiped: whoever passes it on should have known.
            _ => return Verdict::Reject,
        };
        match inserted {
            Insert::New => Verdict::Accept,
            Insert::Stale | Insert::Full => Verdict::Ignore,
        }
    }

    pub(super) fn on_parcel(
        &mut self,
        now: Timestamp,
        from: AgentId,
        token: Token,
        items: Vec<Result<Record, Refusal>>,
        out: &mut Outbox,
    ) {
        let replies = items
            .into_iter()
            .map(|item| match item {
                Ok(record) => self.receive(now, from, record, out),
                Err(refusal) => {
                    if !refusal.is_innocent() {
                        out.push(Output::Blame(from, refusal.to_string()));
                    }
                    Reply::Refused(Reason::malformed(&refusal))
                }
            })
            .collect();
        out.push(Output::Respond(token, replies));
    }

    /// A record sent to us in particular.
    fn receive(&mut self, now: Timestamp, from: AgentId, record: Record, out: &mut Outbox) -> Reply {
        if dated(&record).is_some_and(|at| at > now + limits::AHEAD) {
            return Reply::Later;
        }
        match record {
            Record::Manifest(_) | Record::Contact(_) => {
                self.hear(now, from, record, out);
                Reply::Kept
            }
            Record::Offer(offer) if offer.arbiter.is_some_and(|arbiter| arbiter.agent == self.agent()) => {
                if offer.issuer() == from {
                    self.on_consent_asked(now, &offer)
                } else {
                    Reply::Ignored(Reason::NotIssuer)
                }
            }
            Record::Offer(offer) => self.on_direct_offer(now, from, &offer, out),
            Record::Consent(consent) => self.on_consent(now, &consent, out),
            Record::Decision(decision) => self.on_decision(now, from, decision, out),
            Record::Claim(claim) => self.on_claim(now, claim, out),
            Record::Award(award) => self.on_award(now, award, out),
            Record::Rating(rating) => self.on_rating(now, rating, out),
            Record::Reject(reject) => self.on_reject(now, &reject, out),
            other => match Entry::try_from(other) {
                Ok(entry) => self.on_entry(now, from, entry, out),
                Err(_) => Reply::Ignored(Reason::NotSent),
            },
        }
    }

    fn on_entry(&mut self, now: Timestamp, from: AgentId, entry: Entry, out: &mut Outbox) -> Reply {
        let id = entry.hire();
        let Some(hire) = self.durable.hire(&id) else { return Reply::Ignored(Reason::NoSuchHire) };
        // My own records come back from nobody but somebody who plays with them.
        if entry.issuer() == self.agent() {
            return Reply::Ignored(Reason::OwnRecord);
        }
        match hire.chain.admit(&entry) {
            Ok(()) => {}
            Err(Misfit::Duplicate) => return Reply::Kept,
            Err(Misfit::Gap { .. }) => return Reply::Later,
            Err(Misfit::Superseded) => return Reply::Ignored(Reason::Superseded),
            Err(Misfit::NotAllowed(rule)) => {
                out.push(Output::Blame(from, rule.to_string()));
                return Reply::Refused(rule.into());
            }
        }
        let (by, record) = (hire.side.other(), entry.record());
        let notice = Notice::Said { hire: id, by, kind: record.kind().to_owned() };
        let answer = match &entry {
            Entry::Answer(answer) => Some((answer.question, answer.text.to_string())),
            _ => None,
        };
        self.commit(now, Event::Said { record, judgement: None }, out);
        out.push(Output::Notice(notice));
        if let (Some((question, text)), Some(hire)) = (answer, self.durable.hire(&id)) {
            let due = hire.facts().due;
            out.push(Output::Tell { hire: id, question, text, due });
        }
        self.advance(now, id, out);
        Reply::Kept
    }

    /// The other side of a hire of mine has rated me. Ratings of others are asked for, never taken unasked: anybody can
    /// make any number of them.
    fn on_rating(&mut self, now: Timestamp, rating: Verified<Rating>, out: &mut Outbox) -> Reply {
        if rating.judgement.subject != self.agent() || !self.durable.hires().contains_key(&rating.judgement.hire) {
            return Reply::Ignored(Reason::NoSuchHire);
        }
        if rating.day > (now + limits::AHEAD).day() {
            return Reply::Later;
        }
        if self.learn(&rating) {
            let (hire, subject) = (rating.judgement.hire, rating.judgement.subject);
            out.push(Output::Notice(Notice::Rated { hire, by: rating.issuer(), subject }));
            out.push(Output::Keep(Box::new(rating.into())));
        }
        Reply::Kept
    }

    pub(super) fn on_sent(
        &mut self,
        now: Timestamp,
        to: AgentId,
        ids: &[Bytes32],
        replies: Option<&[Reply]>,
        out: &mut Outbox,
    ) {
        for (record, reply) in self.letters.sent(now, to, ids, replies) {
            match record {
                Record::Offer(offer) => {
                    if let Reply::Ignored(reason) | Reply::Refused(reason) = reply {
                        let arbiter = offer.arbiter.is_some_and(|arbiter| arbiter.agent == to);
                        let end = if arbiter {
                            PostingEnd::ArbiterRefused(reason)
                        } else {
                            PostingEnd::WorkerRefused(reason)
                        };
                        self.close_posting(now, offer.id(), end, out);
                    }
                }
                Record::Claim(claim) => {
                    if let Reply::Ignored(reason) | Reply::Refused(reason) = reply {
                        self.turn_down(now, claim.id(), reason, out);
                    }
                }
                Record::Rating(rating) => self.advance(now, rating.judgement.hire, out),
                Record::Decision(decision) => self.on_decision_sent(now, &decision, out),
                other => {
                    if let Ok(entry) = Entry::try_from(other) {
                        self.advance(now, entry.hire(), out);
                    }
                }
            }
        }
    }
}
