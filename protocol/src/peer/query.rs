//! Answers to queries: see [`Query`]. Every answer is bounded, with a cursor where there is more.

mod kinds;
mod reputation;

pub use self::kinds::*;
use super::choosing::Choice;
use super::io::{
    AgentRow, CheckedView, ClaimRow, HireRecords, HireRow, HireStatus, InboxRow, LedgerPage, Page, Shown, ShownRecord,
    Status, WaitsFor,
};
use super::objections::too_dear;
use super::{Peer, dated};
use crate::hire::chain::Entry;
use crate::hire::selection::{Why, WhyChosen};
use crate::hire::stage::{self, Stage};
use crate::hire::task::Review;
use crate::hire::{Hire, HireId, Side, requester, worker};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::constraint::Match;
use crate::market::price::{Amount, Price};
use crate::market::{Manifest, Offer, Rating, SkillEntry};
use crate::peer::hiring::{Posting, PostingEnd};
use crate::peer::serving::Bid;
use crate::record::{Record, Verified};
use crate::reputation::{About, Model as _};
use crate::time::Timestamp;
use crate::untrusted::{Untrusted, Words};
use crate::wire::Item;

impl Peer {
    fn find(&self, now: Timestamp, find: &Find) -> Vec<AgentRow> {
        let me = self.agent();
        let fits = self.directory.agents(now, find.skill.as_ref()).filter_map(|(manifest, entry)| {
            let missing = fit(entry, find)?;
            let low = self.reputation.low(&me, &manifest.issuer(), Some(&entry.path), now.day());
            Some((low, manifest, entry, missing))
        });
        let mut rows: Vec<_> = fits.collect();
        rows.sort_by(|(low_a, a, entry_a, _), (low_b, b, entry_b, _)| {
            low_b
                .total_cmp(low_a)
                .then_with(|| entry_a.price.amount().micros().cmp(&entry_b.price.amount().micros()))
                .then_with(|| a.issuer().cmp(&b.issuer()))
        });
        rows.truncate(find.limit.clamp(1, limits::ANSWER_ROWS));
        // What is not shown is not looked at closely.
        rows.into_iter().map(|(_, manifest, entry, missing)| self.row(now, manifest, entry, missing)).collect()
    }

    fn row(&self, now: Timestamp, manifest: &Verified<Manifest>, entry: &SkillEntry, missing: Vec<String>) -> AgentRow {
        let agent = manifest.issuer();
        let reputation = self.reputation.view(&self.agent(), &agent, Some(&entry.path), now.day());
        AgentRow {
            agent,
            name: Untrusted::from(&manifest.name),
            version: Untrusted::from(&manifest.version),
            skill: entry.path.clone(),
            price: entry.price.clone(),
            expect: entry.expect,
            missing,
            demands: entry.constraint.clone().map(Untrusted::new),
            no_view: self.no_view(now, &agent, &reputation),
            reputation,
            manifest: manifest.id(),
            expires: manifest.expires,
        }
    }

    fn list(&self, now: Timestamp, after: Option<Bytes32>) -> Page<HireRow> {
        let postings = self.durable.postings().values().filter(|posting| posting.hires.is_empty());
        let hires = self.durable.hires().values().map(|hire| self.hire_row(now, hire));
        let mut rows: Vec<HireRow> = postings.map(|posting| self.posting_row(posting)).chain(hires).collect();
        rows.sort_by(|a, b| b.at.cmp(&a.at).then_with(|| a.id().cmp(&b.id())));
        let start = after.and_then(|after| rows.iter().position(|row| row.id() == after)).map_or(0, |index| index + 1);
        let more = rows.len() > start + limits::ANSWER_ROWS;
        let rows: Vec<HireRow> = rows.into_iter().skip(start).take(limits::ANSWER_ROWS).collect();
        let next = rows.last().map(HireRow::id).filter(|_| more);
        Page { rows, next }
    }

    fn hire_ids(&self) -> impl Iterator<Item = Bytes32> {
        self.durable.hires().keys().map(|id| id.untyped())
    }

    fn posting_ids(&self) -> impl Iterator<Item = Bytes32> {
        self.durable.postings().keys().map(|id| id.untyped())
    }

    fn offer_or_hire(&self, text: &str) -> Result<Bytes32, Missing> {
        resolve(IdKind::OfferOrHire, text, self.hire_ids().chain(self.posting_ids()))
    }

    fn hires_of(&self, text: &str) -> Result<Vec<HireId>, Missing> {
        let id = self.offer_or_hire(text)?;
        let posting = self.durable.posting(&Id::from_bytes(id.0));
        Ok(posting.map_or_else(|| vec![Id::from_bytes(id.0)], |posting| posting.hires.clone()))
    }

    fn show(&self, now: Timestamp, text: &str) -> Result<Shown, Missing> {
        let bids = self.durable.bids().keys().map(|id| id.untyped());
        let ids = self.hire_ids().chain(self.posting_ids()).chain(bids);
        let full = resolve(IdKind::OfferClaimOrHire, text, ids)?;
        if let Some(hire) = self.durable.hire(&Id::from_bytes(full.0)) {
            return Ok(self.shown_hire(now, hire));
        }
        if let Some(posting) = self.durable.posting(&Id::from_bytes(full.0)) {
            // A posting with one hire is that hire.
            if let ([only], Some(hire)) =
                (&posting.hires[..], posting.hires.last().and_then(|id| self.durable.hires().get(id)))
            {
                debug_assert_eq!(*only, hire.id());
                let (over, unfilled) = (self.is_over(posting), self.unfilled(posting));
                return Ok(Shown { id: full, over, unfilled, ..self.shown_hire(now, hire) });
            }
            return Ok(self.shown_posting(now, posting));
        }
        match self.durable.bid(&Id::from_bytes(full.0)) {
            Some(bid) => Ok(Shown {
                row: HireRow {
                    hire: None,
                    offer: bid.offer.id(),
                    side: Side::Worker,
                    with: Some(bid.offer.issuer()),
                    skill: bid.offer.skill.clone(),
                    stage: HireStatus::Claimed,
                    waits_for: None,
                    reason: None,
                    decide_by: None,
                    closed: None,
                    price: Some(bid.claim.price.clone()),
                    at: bid.claim.at,
                },
                deadline: Some(bid.claim.until),
                records: [Record::from(bid.offer.clone()), bid.claim.clone().into()].iter().map(shown_record).collect(),
                id: full,
                ..empty(bid.offer.id(), &bid.offer)
            }),
            None => Err(Missing::Unknown { kind: IdKind::OfferClaimOrHire, text: text.to_owned() }),
        }
    }

    fn shown_posting(&self, now: Timestamp, posting: &Posting) -> Shown {
        let open = posting.closed.is_none();
        let held = self.auction(&posting.offer.id()).claims.len();
        // The same comparison that will be made when the window ends, over the claims held by now.
        let why = open.then(|| match self.choose(posting, now) {
            Choice { chosen: Some((_, why)), .. } if self.lacks_consent(posting) => {
                Why { reason: WhyChosen::AwaitsArbiter, ..why }
            }
            Choice { chosen: Some((_, why)), .. } => why,
            Choice { chosen: None, left_out } => {
                let first = left_out.into_iter().next();
                let reason = first.map_or(WhyChosen::NoClaims, |one| WhyChosen::NoneFits(one.why));
                Why { reason, claims: held, ..Why::default() }
            }
        });
        let bids_end = posting.offer.bids;
        Shown {
            over: self.is_over(posting),
            unfilled: self.unfilled(posting),
            row: self.posting_row(posting),
            deadline: Some(if now < bids_end { bids_end } else { posting.offer.expires }).filter(|_| open),
            hires: posting.hires.clone(),
            open,
            claims: posting.passed.as_ref().map_or(held, |why| why.claims),
            why: why.or_else(|| posting.passed.clone()),
            records: vec![shown_record(&posting.offer.clone().into())],
            ..empty(posting.offer.id(), &posting.offer)
        }
    }

    /// Whether nothing more can come of a posting. A hire that was compacted away is closed.
    fn is_over(&self, posting: &Posting) -> bool {
        let is_closed = |id| self.durable.hire(id).is_none_or(|hire| hire.closed.is_some());
        posting.closed.is_some() && posting.hires.iter().all(is_closed)
    }

    /// Why a posting for which nobody began was closed, once it is.
    fn unfilled(&self, posting: &Posting) -> Option<PostingEnd> {
        posting.closed.clone().filter(|_| !self.has_begun(posting))
    }

    fn shown_hire(&self, now: Timestamp, hire: &Hire) -> Shown {
        let facts = hire.facts();
        let posting = self.durable.posting(&hire.offer.id());
        let result = facts.delivery.as_ref().map(|delivery| delivery.blob);
        let held = result.is_some_and(|blob| hire.side == Side::Worker || hire.fetched.contains(&blob.root));
        let view = |checked: &crate::hire::Checked| CheckedView {
            public: checked.public.clone(),
            sealed: checked.sealed.clone(),
        };
        Shown {
            id: hire.id().untyped(),
            row: self.hire_row(now, hire),
            over: hire.closed.is_some(),
            unfilled: None,
            deadline: hire.deadline(&facts).filter(|_| hire.closed.is_none()),
            hires: posting.map_or_else(|| vec![hire.id()], |posting| posting.hires.clone()),
            open: posting.is_some_and(|posting| posting.closed.is_none()),
            claims: posting.map_or(0, |posting| self.auction(&posting.offer.id()).claims.len()),
            why: posting.and_then(|posting| posting.chosen.get(&hire.id()).cloned()),
            records: hire_records(hire).iter().map(shown_record).collect(),
            attempts: hire.attempts.clone(),
            checks: hire.checked.iter().map(|(root, checked)| (*root, view(checked))).collect(),
            result,
            held,
            owed: hire.closed.and_then(|_| amount(hire.owed(), &hire.terms().price)),
        }
    }

    fn hire_row(&self, now: Timestamp, hire: &Hire) -> HireRow {
        let facts = hire.facts();
        let waits_for = self.waits_for(now, hire).map(|(waits_for, ..)| waits_for);
        HireRow {
            hire: Some(hire.id()),
            offer: hire.offer.id(),
            side: hire.side,
            with: Some(hire.other()),
            skill: hire.chain.award().skill.clone(),
            stage: facts.stage.into(),
            waits_for,
            reason: None,
            decide_by: stage::decide_by(&facts, hire.terms())
                .filter(|_| facts.stage == Stage::Contested && hire.closed.is_none()),
            closed: hire.closed,
            price: Some(hire.terms().price.clone()),
            at: hire.terms().at,
        }
    }

    fn posting_row(&self, posting: &Posting) -> HireRow {
        HireRow {
            hire: None,
            offer: posting.offer.id(),
            side: Side::Requester,
            with: posting.to,
            skill: posting.offer.skill.clone(),
            stage: match (&posting.closed, &posting.asked) {
                (Some(_), _) => HireStatus::Closed,
                (None, Some(_)) => HireStatus::AwaitsApproval,
                (None, None) if self.lacks_consent(posting) => HireStatus::AwaitsConsent,
                (None, None) => HireStatus::AwaitsClaims,
            },
            waits_for: posting.asked.as_ref().filter(|_| posting.closed.is_none()).map(|_| WaitsFor::Approval),
            reason: posting.closed.clone(),
            decide_by: None,
            closed: None,
            price: posting.task.max.clone(),
            at: posting.offer.at,
        }
    }

    /// What a hire waits for from a person, since when, until when, and what the other side says.
    fn waits_for(&self, now: Timestamp, hire: &Hire) -> Option<(WaitsFor, Timestamp, Timestamp, Option<Untrusted>)> {
        let facts = hire.facts();
        if hire.closed.is_some() {
            return None;
        }
        let (person, rates) = (Review::Person, |by| requester::waits_for_rating(hire, &facts, by, now));
        let rating = || Some((WaitsFor::Rating, facts.since?, requester::rate_by(&facts)?, None));
        let last = |side: Side, says: fn(&Entry) -> Option<Untrusted>| hire.chain.of(side).iter().rev().find_map(says);
        match hire.side {
            Side::Requester => {
                let task = &self.durable.posting(&hire.offer.id())?.task;
                let question = hire.open_question().filter(|_| matches!(facts.stage, Stage::Begun | Stage::Working));
                if let Some(question) = question {
                    return Some((
                        WaitsFor::Answer,
                        question.link.at,
                        facts.due,
                        Some(Untrusted::from(&question.text)),
                    ));
                }
                let judges = task.review_by == person && facts.stage == Stage::Reviewing && hire.wish.is_none();
                if judges && hire.checks(&facts).is_some() {
                    let until = facts.review_until?;
                    return Some((WaitsFor::Judgement, until - hire.terms().review, until, None));
                }
                let closing = matches!(facts.stage, Stage::Judged(_) | Stage::Cancelled(_));
                rating().filter(|_| closing && rates(task.rating_by))
            }
            Side::Worker => {
                if facts.stage == Stage::Awarded && self.config.begin_by == person && hire.wish.is_none() {
                    return Some((WaitsFor::Begin, hire.terms().at, hire.terms().until, None));
                }
                if worker::waits_for_contest(&facts, self.config.contest_by, now) && hire.wish.is_none() {
                    let says = last(Side::Requester, |entry| match entry {
                        Entry::Verdict(verdict) => {
                            let failed = verdict.failed.iter().map(Untrusted::from);
                            let lines: Vec<Untrusted> =
                                verdict.note.iter().map(Untrusted::from).chain(failed).collect();
                            Some(Untrusted::join(&lines, "; "))
                        }
                        _ => None,
                    });
                    return Some((WaitsFor::Contest, facts.since?, requester::rate_by(&facts)?, says));
                }
                let closing = matches!(facts.stage, Stage::Receipted(_));
                rating().filter(|_| closing && rates(self.config.rating_by))
            }
        }
    }

    fn inbox(&self, now: Timestamp) -> Vec<InboxRow> {
        let asked = self.durable.postings().iter().filter(|(_, posting)| posting.closed.is_none()).filter_map(
            |(id, posting)| {
                let asked = posting.asked.as_ref()?;
                Some(InboxRow {
                    waits_for: WaitsFor::Approval,
                    id: id.untyped(),
                    with: asked.with,
                    skill: posting.offer.skill.clone(),
                    price: asked.price.clone(),
                    summary: Words::Mine(posting.offer.summary.to_string()),
                    since: asked.at,
                    until: posting.offer.expires,
                    says: None,
                })
            },
        );
        let hires = self.durable.hires().iter().filter_map(|(id, hire)| {
            let (waits_for, since, until, says) = self.waits_for(now, hire)?;
            Some(InboxRow {
                waits_for,
                id: id.untyped(),
                with: hire.other(),
                skill: hire.offer.skill.clone(),
                price: hire.terms().price.clone(),
                summary: match hire.side {
                    Side::Requester => Words::Mine(hire.offer.summary.to_string()),
                    Side::Worker => Words::Theirs(Untrusted::from(&hire.offer.summary)),
                },
                since,
                until,
                says,
            })
        });
        let mut rows: Vec<InboxRow> = asked.chain(hires).filter(|row| row.until > now).collect();
        rows.sort_by_key(|row| (row.until, row.id));
        rows.truncate(limits::ANSWER_ROWS);
        rows
    }

    fn claims(&self) -> Vec<ClaimRow> {
        let row = |bid: &Bid| ClaimRow {
            claim: bid.claim.id(),
            offer: bid.offer.id(),
            requester: bid.offer.issuer(),
            skill: bid.offer.skill.clone(),
            summary: Untrusted::from(&bid.offer.summary),
            price: bid.claim.price.clone(),
            at: bid.claim.at,
            until: bid.claim.until,
        };
        let mut rows: Vec<ClaimRow> = self.durable.bids().values().map(row).collect();
        rows.sort_by_key(|row| (row.until, row.claim));
        rows.truncate(limits::ANSWER_ROWS);
        rows
    }

    fn ledger_page(&self, skip: usize) -> LedgerPage {
        let mut rows: Vec<_> =
            self.durable.ledger().entries().skip(skip).take(limits::ANSWER_ROWS + 1).cloned().collect();
        let more = rows.len() > limits::ANSWER_ROWS;
        rows.truncate(limits::ANSWER_ROWS);
        let balances =
            self.durable.ledger().balances().filter(|balance| balance.micros != 0).take(limits::LEDGER).collect();
        LedgerPage { balances, next: more.then_some(skip + rows.len()), rows }
    }

    fn records(&self, text: &str) -> Result<HireRecords, Missing> {
        let id = Id::from_bytes(resolve(IdKind::Hire, text, self.hire_ids())?.0);
        let unknown = || Missing::Unknown { kind: IdKind::Hire, text: text.to_owned() };
        let hire = self.durable.hire(&id).ok_or_else(unknown)?;
        Ok(HireRecords {
            records: hire_records(hire).iter().map(Item::of).collect(),
            ratings: self.ratings_of_hire(hire.id(), hire.requester(), hire.worker()),
        })
    }

    fn ratings_of_hire(&self, hire: HireId, requester: AgentId, worker: AgentId) -> Vec<Id<Rating>> {
        let sides = [(requester, worker), (worker, requester)];
        let abouts = sides.map(|(subject, rater)| About { subject, rater, hire });
        abouts.iter().filter_map(|about| self.reputation.rating(about)).collect()
    }

    /// The agent with this id, or the one known whose id begins so.
    fn known(&self, now: Timestamp, agent: &str) -> Result<AgentId, Missing> {
        if let Ok(whole) = agent.parse::<AgentId>() {
            return Ok(whole);
        }
        // Agents are known from the directory, from hires, and from ratings: an explanation names raters by their first digits.
        let listed = self.directory.agents(now, None).map(|(manifest, _)| Bytes32(manifest.issuer().0));
        let met = self.durable.hires().values().map(|hire| Bytes32(hire.other().0));
        let rated = self.reputation.agents().map(|agent| Bytes32(agent.0));
        let pinned = self.durable.seeds().iter().map(|agent| Bytes32(agent.0));
        resolve(IdKind::Agent, agent, listed.chain(met).chain(rated).chain(pinned)).map(|id| AgentId(id.0))
    }

    /// The size of a blob that `who` may read: inputs for a worker that holds the brief, a result once it is acked.
    fn may_read(&self, id: &HireId, who: &AgentId, root: &Bytes32) -> Option<u64> {
        let hire = self.durable.hires().get(id).filter(|hire| hire.other() == *who)?;
        let facts = hire.facts();
        match hire.side {
            Side::Requester => {
                let brief = worker::brief(hire)?;
                brief.inputs.iter().find(|input| input.blob.root == *root).map(|input| input.blob.size)
            }
            Side::Worker => {
                facts.review_until?;
                facts.delivery.filter(|delivery| delivery.blob.root == *root).map(|delivery| delivery.blob.size)
            }
        }
    }

    fn status(&self, now: Timestamp) -> Status {
        let (manifests, offers, contacts) = self.directory.counts();
        let open = self.durable.hires().values().filter(|hire| hire.closed.is_none()).count();
        Status {
            manifests,
            offers,
            contacts,
            postings_open: self.durable.postings().values().filter(|posting| posting.closed.is_none()).count(),
            claims_out: self.durable.bids().len(),
            hires_open: open,
            hires_closed: self.durable.hires().len() - open,
            ratings: self.reputation.len(),
            sight: self.sight(now),
            outbox: self.letters.len(),
            inbox: self.inbox(now).len(),
            rooms: self.rooms.iter().cloned().collect(),
        }
    }
}

/// What an entry leaves open of what is looked for; `None` if it does not fit.
fn fit(entry: &SkillEntry, find: &Find) -> Option<Vec<String>> {
    if too_dear(&entry.price, find.max.as_ref()).is_some() {
        return None;
    }
    match find.constraint.as_ref().map(|constraint| constraint.evaluate(&entry.properties)) {
        None | Some(Match::Yes) => Some(Vec::new()),
        Some(Match::Unknown(missing)) => Some(missing.iter().map(ToString::to_string).collect()),
        Some(Match::No(_)) => None,
    }
}

/// So many millionths in the currency of a price.
fn amount(micros: u64, price: &Price) -> Option<Amount> {
    match price.amount().currency() {
        Some(currency) => Amount::new(micros, currency.clone()).ok(),
        None => Some(Amount::NOTHING),
    }
}

/// Offer, claim, award, then what both said of it, causes before effects.
pub(super) fn hire_records(hire: &Hire) -> Vec<Record> {
    let roots = [Record::from(hire.offer.clone()), hire.claim.clone().into(), hire.chain.award().clone().into()];
    let decision = hire.chain.decision().cloned().map(Record::from);
    roots.into_iter().chain(hire.chain.in_order().into_iter().map(Entry::record)).chain(decision).collect()
}

fn empty(id: Id<Offer>, offer: &Verified<Offer>) -> Shown {
    Shown {
        id: id.untyped(),
        over: false,
        unfilled: None,
        row: HireRow {
            hire: None,
            offer: id,
            side: Side::Requester,
            with: None,
            skill: offer.skill.clone(),
            stage: HireStatus::AwaitsClaims,
            waits_for: None,
            reason: None,
            decide_by: None,
            closed: None,
            price: None,
            at: offer.at,
        },
        deadline: None,
        hires: Vec::new(),
        open: false,
        claims: 0,
        why: None,
        records: Vec::new(),
        attempts: Vec::new(),
        checks: Default::default(),
        result: None,
        held: false,
        owed: None,
    }
}

fn shown_record(record: &Record) -> ShownRecord {
    ShownRecord {
        kind: record.kind().to_owned(),
        id: record.id(),
        by: record.issuer(),
        at: dated(record),
        says: Untrusted::new(record.to_json()),
        private: record.private_json().map(Untrusted::new),
    }
}
