//! The transcript of a hire: what both sides signed, from the offer to the ratings, for anybody to check without a network,
//! a key or a data directory.
//!
//! In: envelopes with the private parts beside them, and the network's name. Out: what they prove, or the first thing that
//! is wrong. What must never happen: that something is found proven which no signature covers. So no field of the file
//! is believed: ids, kinds and dates are read from the signed bytes.
//!
//! A transcript is *full* if the award brings its terms: then every record is admitted to the chain as a peer would. A
//! *public* one holds headers only (award, begin, receipt, countersign, ratings): who hired whom, for what kind of work,
//! and how it ended.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::codec::{Bytes, List, Text};
use crate::hire::chain::{Chain, Entry};
use crate::hire::stage::Stage;
use crate::hire::{HireId, Side};
use crate::id::{AgentId, Bytes32, Id};
use crate::limits;
use crate::market::award;
use crate::market::{Award, BlobRef, Claim, Decision, Offer, Outcome, Permit, Rating, Receipt, Scores, Skill, Terms};
use crate::merkle::{self, CHUNK_BYTES, RootBuilder};
use crate::record::{Network, Record, Verified};
use crate::time::Millis;
use crate::untrusted::Untrusted;
use crate::wire::Item;

/// A hire's records in a file: JSON, with bytes in hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Transcript {
    /// [`Transcript::FORMAT`].
    format: Text<{ limits::NAME }>,
    /// The network's name: part of what is signed.
    network: Text<{ limits::SUMMARY }>,
    /// Every record after those that it names.
    records: List<Item, { limits::TRANSCRIPT }>,
    /// The result's bytes, if they were added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    result: Option<Bytes<{ limits::RESULT as usize }>>,
}

/// What is wrong with a transcript.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It is no transcript, or one of another version. The reason may name what is in the file.
    #[error("this is not a transcript: {}", .0.quoted(limits::LINE))]
    Format(Untrusted),
    /// One record is not what it should be.
    #[error("record {number}: {why}")]
    Record {
        /// Which, from 1.
        number: usize,
        /// Why.
        why: String,
    },
    /// Something that must be there is missing, or what is beside the records does not fit them.
    #[error("{0}")]
    Whole(String),
}

/// What a transcript proves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Findings {
    /// The hire.
    pub hire: HireId,
    /// Who hired.
    pub requester: AgentId,
    /// Who was hired.
    pub worker: AgentId,
    /// For what.
    pub skill: Skill,
    /// [`award::value_bucket`] of the price.
    pub value: u8,
    /// Whether the worker took the hire.
    pub begun: bool,
    /// What both were bound by; absent from a public transcript.
    pub terms: Option<Terms>,
    /// What was asked for, if the offer is there.
    pub summary: Option<Untrusted>,
    /// The outcome, if the records settle it.
    pub outcome: Option<Outcome>,
    /// Whether both signed it.
    pub agreed: bool,
    /// Where the records end.
    pub state: End,
    /// From begin to the last delivery as the receipt says.
    pub took: Option<Millis>,
    /// Every record, as the file has them.
    pub records: Vec<Row>,
    /// The ratings.
    pub ratings: Vec<Rated>,
    /// The result last delivered, by its header.
    pub result: Option<BlobRef>,
    /// Whether its bytes are in the transcript (and are those of the header).
    pub held: bool,
    /// Whether the worker contested.
    pub contested: bool,
    /// The last record of each side, the requester's first.
    pub ends: (Bytes32, Bytes32),
}

/// Where the records of a transcript end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Neither side has closed.
    Open,
    /// The worker declined the award.
    Declined,
    /// The worker contests.
    Contested,
    /// The arbiter has decided.
    Decided(Outcome),
    /// The requester alone has closed.
    Receipted(Outcome),
    /// Both have closed.
    Settled(Outcome),
}

/// A record of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    /// Its kind.
    pub kind: &'static str,
    /// Its id.
    pub id: Bytes32,
    /// Who signed it.
    pub by: AgentId,
    /// Whether its private part is there.
    pub private: bool,
}

/// A rating of a transcript.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rated {
    /// Who rates.
    pub by: AgentId,
    /// Who is rated.
    pub subject: AgentId,
    /// How.
    pub scores: Scores,
    /// Whether it was committed to before the other's was seen.
    pub seal: Seal,
    /// Whether it is the one of this rater that counts.
    pub counts: bool,
}

/// What is known of a rating's seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Seal {
    /// It opens the seal in its rater's close.
    Opened,
    /// Its rater had sealed nothing that is known of.
    None,
    /// Its rater had sealed a judgement, and this one does not open it.
    Unopened,
}

impl Transcript {
    /// Format and version.
    pub const FORMAT: &str = "gigmesh-transcript/1";

    /// Of these records, in an order in which each comes after those it names.
    ///
    /// # Errors
    /// More records than a hire can have, a name that is too long.
    pub fn new(network: &str, records: Vec<Item>) -> Result<Self, Fault> {
        if records.len() > limits::TRANSCRIPT {
            return Err(Fault::Whole(format!("a hire has at most {} records", limits::TRANSCRIPT)));
        }
        Ok(Self {
            format: Text::fit(Self::FORMAT),
            network: Text::try_from(network).map_err(|error| Fault::Whole(error.to_string()))?,
            records: List::fit(records),
            result: None,
        })
    }

    /// With the bytes of the result.
    ///
    /// # Errors
    /// More than a result may have.
    pub fn with_result(self, bytes: &Untrusted<impl AsRef<[u8]>>) -> Result<Self, Fault> {
        let result = Bytes::try_from(bytes.raw().as_ref().to_vec()).map_err(|error| Fault::Whole(error.to_string()))?;
        Ok(Self { result: Some(result), ..self })
    }

    /// As a file.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("its parts have no failing serializers")
    }

    /// Reads a file.
    ///
    /// # Errors
    /// It is not one of this version. Nothing in it is verified yet.
    pub fn from_json(json: &[u8]) -> Result<Self, Fault> {
        let transcript: Self =
            serde_json::from_slice(json).map_err(|error| Fault::Format(Untrusted::new(error.to_string())))?;
        if *transcript.format != *Self::FORMAT {
            let why = format!("its format is {}, not {}", transcript.format, Self::FORMAT);
            return Err(Fault::Format(Untrusted::new(why)));
        }
        Ok(transcript)
    }

    /// The same without what is between the two sides: headers and ratings, and the offer if it was made to all.
    ///
    /// # Errors
    /// A record that does not verify; a hire that never began, of which nothing is public.
    pub fn public(&self) -> Result<Self, Fault> {
        let mut records = Vec::new();
        let mut begun = false;
        for (number, item) in (1..).zip(self.records.iter()) {
            let record = self.admit(number, item)?;
            begun |= matches!(record, Record::Begin(_));
            let public = match &record {
                // An offer without a bid window went to one worker.
                Record::Offer(offer) => offer.bids > offer.at,
                Record::Award(_) | Record::Begin(_) | Record::Receipt(_) | Record::Countersign(_) => true,
                Record::Rating(_) => true,
                _ => false,
            };
            if public {
                records.push(Item { beside: None, record: item.record.clone() });
            }
        }
        if !begun {
            return Err(Fault::Whole("the hire never began, so nothing of it is public".to_owned()));
        }
        Ok(Self { records: List::fit(records), result: None, ..self.clone() })
    }

    fn admit(&self, number: usize, item: &Item) -> Result<Record, Fault> {
        let network = self.network();
        Record::admit(&item.record, item.beside.as_deref(), &network)
            .map_err(|refusal| Fault::Record { number, why: refusal.to_string() })
    }

    /// Verifies every signature, commitment and seal, that the award is of the claim and the claim of the offer, and that
    /// each record may follow those before it.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn verify(&self) -> Result<Findings, Fault> {
        let mut parts = Parts::default();
        let mut rows = Vec::with_capacity(self.records.len());
        for (number, item) in (1..).zip(self.records.iter()) {
            let record = self.admit(number, item)?;
            let private = record.beside().is_some();
            rows.push(Row { kind: record.kind(), id: record.id(), by: record.issuer(), private });
            parts.take(number, record)?;
        }
        let Some(award) = parts.award.clone() else {
            return Err(Fault::Whole("there is no award, so this is no hire".to_owned()));
        };
        let (ends, terms) = match award.private() {
            Some(terms) => (parts.follow(&award, terms)?, Some(terms.clone())),
            None => (parts.headers(&award)?, None),
        };
        let ratings = parts.ratings(&award, &self.network())?;
        self.check_result(ends.result)?;
        Ok(Findings {
            hire: award.id(),
            requester: award.issuer(),
            worker: award.worker,
            skill: award.skill.clone(),
            value: award.value,
            begun: ends.begun,
            terms,
            summary: parts.offer.map(|offer| Untrusted::from(&offer.summary)),
            outcome: ends.outcome,
            agreed: ends.agreed,
            state: ends.state,
            took: ends.took,
            records: rows,
            ratings,
            result: ends.result,
            held: self.result.is_some(),
            contested: ends.contested,
            ends: ends.last,
        })
    }

    /// The network that its records are of.
    pub fn network(&self) -> Network {
        Network::new(&self.network)
    }

    /// Its records in plain JSON, private parts included; those that do not verify are left out.
    pub fn read(&self) -> Vec<serde_json::Value> {
        let admitted = (1..).zip(self.records.iter()).filter_map(|(number, item)| self.admit(number, item).ok());
        let plain = admitted.map(|record| {
            serde_json::json!({
                "kind": record.kind(), "id": record.id(), "by": record.issuer(),
                "says": record.to_json(), "in_private": record.private_json(),
            })
        });
        plain.collect()
    }

    fn check_result(&self, delivered: Option<BlobRef>) -> Result<(), Fault> {
        let Some(bytes) = &self.result else { return Ok(()) };
        let mut builder = RootBuilder::default();
        bytes.chunks(CHUNK_BYTES).for_each(|chunk| builder.push(merkle::leaf(chunk)));
        let blob = BlobRef { root: Bytes32(builder.root()), size: bytes.len() as u64 };
        if delivered == Some(blob) {
            return Ok(());
        }
        Err(Fault::Whole("the result is not the one whose header was delivered".to_owned()))
    }
}

/// The records by what they are; with their numbers, for messages.
#[derive(Default)]
struct Parts {
    offer: Option<Verified<Offer>>,
    claim: Option<Verified<Claim>>,
    award: Option<Verified<Award>>,
    entries: Vec<(usize, Entry)>,
    ratings: Vec<(usize, Verified<Rating>)>,
    decision: Option<(usize, Verified<Decision>)>,
}

/// How the records end.
struct Ends {
    begun: bool,
    outcome: Option<Outcome>,
    agreed: bool,
    state: End,
    took: Option<Millis>,
    result: Option<BlobRef>,
    contested: bool,
    last: (Bytes32, Bytes32),
}

impl Parts {
    fn take(&mut self, number: usize, record: Record) -> Result<(), Fault> {
        fn only<T>(place: &mut Option<T>, record: T) -> Result<(), &'static str> {
            if place.replace(record).is_some() { Err("a hire has one record of this kind") } else { Ok(()) }
        }
        let taken = match record {
            Record::Offer(offer) => only(&mut self.offer, offer),
            Record::Claim(claim) => only(&mut self.claim, claim),
            Record::Award(award) => only(&mut self.award, award),
            Record::Rating(rating) => {
                self.ratings.push((number, rating));
                Ok(())
            }
            Record::Decision(decision) => only(&mut self.decision, (number, decision)),
            record => match Entry::try_from(record) {
                Ok(entry) => {
                    self.entries.push((number, entry));
                    Ok(())
                }
                Err(_) => Err("a record of this kind is no part of a hire"),
            },
        };
        taken.map_err(|why| Fault::Record { number, why: why.to_owned() })
    }

    /// With the terms: the hire as the two sides hold it.
    fn follow(&self, award: &Verified<Award>, terms: &Terms) -> Result<Ends, Fault> {
        let missing = |what: &str| Fault::Whole(format!("the {what} is missing; a full transcript has it"));
        let offer = self.offer.as_ref().ok_or_else(|| missing("offer"))?;
        let claim = self.claim.as_ref().ok_or_else(|| missing("claim"))?;
        award::follows(award, terms, offer, claim)
            .map_err(|rule| Fault::Whole(format!("the award breaks the rule {rule}")))?;
        let mut chain = Chain::new(award.clone());
        for (number, entry) in &self.entries {
            let fault = |why: &dyn fmt::Display| Fault::Record { number: *number, why: why.to_string() };
            if entry.hire() != award.id() {
                return Err(fault(&"it is of another hire"));
            }
            chain.admit(entry).map_err(|misfit| fault(&misfit))?;
            chain.push(entry.clone());
        }
        if let Some((number, decision)) = &self.decision {
            let fault = |why: &dyn fmt::Display| Fault::Record { number: *number, why: why.to_string() };
            chain.admit_decision(decision).map_err(|misfit| fault(&misfit))?;
            chain.decide(decision.clone());
        }
        let facts = chain.facts();
        let (outcome, agreed, state) = match facts.stage {
            Stage::Settled(outcome) => (Some(outcome), true, End::Settled(outcome)),
            Stage::Declined => (Some(Outcome::Lapsed), false, End::Declined),
            Stage::Contested => (Some(Outcome::Contested), false, End::Contested),
            Stage::Decided(outcome) => (Some(outcome), true, End::Decided(outcome)),
            Stage::Receipted(outcome) => (None, false, End::Receipted(outcome)),
            _ => (None, false, End::Open),
        };
        let receipt = chain.of(Side::Requester).iter().find_map(|entry| match entry {
            Entry::Receipt(receipt) if facts.receipt == Some(receipt.id()) => Some(receipt.took),
            _ => None,
        });
        let result = facts.delivery.as_ref().map(|delivery| delivery.blob);
        let (begun, contested) = (facts.begin.is_some(), facts.contested.is_some());
        let last = (chain.last_of(Side::Requester), chain.last_of(Side::Worker));
        Ok(Ends { begun, outcome, agreed, state, took: receipt, result, contested, last })
    }

    /// Without the terms: what the public headers say.
    fn headers(&self, award: &Verified<Award>) -> Result<Ends, Fault> {
        if let Some(offer) = &self.offer
            && (award.issuer(), award.nonce, &award.skill) != (offer.issuer(), offer.nonce, &offer.skill)
        {
            return Err(Fault::Whole("the award is not of this offer".to_owned()));
        }
        if self.claim.is_some() {
            return Err(Fault::Whole("there is a claim and no terms that it could be compared with".to_owned()));
        }
        let mut ends = Ends {
            begun: false,
            outcome: None,
            agreed: false,
            state: End::Open,
            took: None,
            result: None,
            contested: false,
            last: (award.id().untyped(), award.id().untyped()),
        };
        if self.decision.is_some() {
            return Err(Fault::Whole("there is a decision and no terms that name an arbiter".to_owned()));
        }
        let mut receipts: Vec<&Verified<Receipt>> = Vec::new();
        for (number, entry) in &self.entries {
            let rule = |holds: bool, why: &str| {
                if holds { Ok(()) } else { Err(Fault::Record { number: *number, why: why.to_owned() }) }
            };
            rule(entry.hire() == award.id(), "it is of another hire")?;
            match entry {
                Entry::Begin(begin) => {
                    rule(begin.issuer() == award.worker && !ends.begun, "the begin is not the hired worker's")?;
                    ends.begun = true;
                }
                Entry::Receipt(receipt) => {
                    rule(receipt.issuer() == award.issuer() && ends.begun, "the receipt is not the requester's")?;
                    rule(!ends.agreed, "a receipt after the close")?;
                    ends.state = End::Receipted(receipt.outcome);
                    ends.took = Some(receipt.took);
                    receipts.push(receipt);
                }
                Entry::Countersign(sign) => {
                    rule(sign.issuer() == award.worker && !ends.agreed, "the countersign is not the worker's")?;
                    let signed = receipts.iter().find(|receipt| receipt.id() == sign.receipt);
                    let receipt = signed.ok_or_else(|| Fault::Record {
                        number: *number,
                        why: "the receipt it agrees to is not before it".to_owned(),
                    })?;
                    (ends.outcome, ends.agreed, ends.took) = (Some(receipt.outcome), true, Some(receipt.took));
                    ends.state = End::Settled(receipt.outcome);
                }
                _ => rule(false, "without the award's terms there is no telling whether it could be made")?,
            }
        }
        if ends.begun {
            return Ok(ends);
        }
        Err(Fault::Whole("there is no begin, so nothing shows that the worker took the hire".to_owned()))
    }

    /// The ratings. Each brought and proved its own permit; here they must be of this hire and of these records.
    fn ratings(&self, award: &Verified<Award>, network: &Network) -> Result<Vec<Rated>, Fault> {
        let mut rated: Vec<(Id<Rating>, Rated)> = Vec::new();
        for (number, rating) in &self.ratings {
            let fault = |why: &str| Fault::Record { number: *number, why: why.to_owned() };
            if rating.judgement.hire != award.id() {
                return Err(fault("the rating is of another hire"));
            }
            self.rests_on(&rating.permit, network).map_err(|why| fault(&why))?;
            if rated.iter().any(|(id, _)| *id == rating.id()) {
                return Err(fault("the rating is here twice"));
            }
            let seal = match rating.opening {
                Some(_) => Seal::Opened,
                None if self.has_sealed(rating.issuer()) => Seal::Unopened,
                None => Seal::None,
            };
            let (by, subject, scores) = (rating.issuer(), rating.judgement.subject, rating.judgement.scores);
            rated.push((rating.id(), Rated { by, subject, scores, seal, counts: false }));
        }
        // Of two for one direction the sealed one counts, else the one with the lower id.
        let rank = |(id, rated): &(Id<Rating>, Rated)| (rated.seal != Seal::Opened, *id);
        let best: Vec<bool> = rated
            .iter()
            .map(|one| rated.iter().filter(|other| other.1.by == one.1.by).all(|other| rank(one) <= rank(other)))
            .collect();
        Ok(rated.into_iter().zip(best).map(|((_, rated), counts)| Rated { counts, ..rated }).collect())
    }

    /// Whether the records in a permit are those of the transcript, where that has any of their kind.
    fn rests_on(&self, permit: &Permit, network: &Network) -> Result<(), String> {
        let parts = [Some(&permit.begin), permit.receipt.as_ref(), permit.countersign.as_ref()];
        for part in parts.into_iter().flatten() {
            let part = Record::admit(part, None, network).map_err(|refusal| refusal.to_string())?;
            let mut alike = self.entries.iter().filter(|(_, entry)| entry.record().kind() == part.kind()).peekable();
            if alike.peek().is_some() && !alike.any(|(_, entry)| entry.id() == part.id()) {
                return Err(format!("the rating rests on another {} than is here", part.kind()));
            }
        }
        Ok(())
    }

    /// Whether an agent committed to a rating in its close.
    fn has_sealed(&self, agent: AgentId) -> bool {
        self.entries.iter().any(|(_, entry)| match entry {
            Entry::Receipt(receipt) => receipt.issuer() == agent && receipt.seal.is_some(),
            Entry::Countersign(sign) => sign.issuer() == agent && sign.seal.is_some(),
            _ => false,
        })
    }
}
