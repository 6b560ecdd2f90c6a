//! What one side tells the other about an end or a "no": a code, or a person's own words.
//!
//! In: the decisions of either side. Out: the wire form, which any node can put into words of its own. What comes from
//! another node is that agent's claim, not a fact. Invariant: no reason carries a budget, a balance or what an agent
//! printed.

use std::fmt;

use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use crate::codec::Text;
use crate::limits;
use crate::market::price::Price;
use crate::time::Millis;
use crate::untrusted::Untrusted;

macro_rules! reasons {
    (
        codes { $($(#[$doc:meta])* $name:ident = $code:literal,)* }
        with { $($(#[$with_doc:meta])* $with:ident($data:ty) = $with_code:literal,)* }
    ) => {
        /// Why a side ended something or says no. The code is stable, and the same on the wire and in JSON.
        ///
        /// The wire form is the code as a text, or `{code: data}` for the few that carry some. A code that this release
        /// does not know is kept; it never carries data.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Reason {
            $($(#[$doc])* $name,)*
            $($(#[$with_doc])* $with($data),)*
            /// A code of a later release.
            Unknown(Untrusted<Text<{ limits::REASON_CODE }>>),
        }

        impl Reason {
            /// Every code of this release: those without data, then those with.
            pub const CODES: (&[&str], &[&str]) = (&[$($code),*], &[$($with_code),*]);

            /// The stable code; of an unknown one what was sent.
            pub(crate) fn code(&self) -> &str {
                match self {
                    $(Self::$name => $code,)*
                    $(Self::$with(_) => $with_code,)*
                    Self::Unknown(code) => code.raw(),
                }
            }

            fn plain(code: &str) -> Option<Self> {
                match code {
                    $($code => Some(Self::$name),)*
                    _ => None,
                }
            }
        }

        impl Serialize for Reason {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match self {
                    $(Self::$with(data) => serializer.collect_map([(self.code(), data)]),)*
                    _ => serializer.serialize_str(self.code()),
                }
            }
        }

        impl<'de> Deserialize<'de> for Reason {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Form;
                impl<'de> Visitor<'de> for Form {
                    type Value = Reason;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("a code, or a map of one code and its data")
                    }
                    fn visit_str<E: de::Error>(self, code: &str) -> Result<Reason, E> {
                        let unknown = || Text::try_from(code).map(|code| Reason::Unknown(Untrusted::new(code)));
                        Reason::plain(code).map_or_else(unknown, Ok).map_err(E::custom)
                    }
                    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Reason, A::Error> {
                        let code: String = map.next_key()?.ok_or_else(|| de::Error::invalid_length(0, &self))?;
                        let reason = match code.as_str() {
                            $($with_code => Reason::$with(map.next_value()?),)*
                            _ => return Err(de::Error::custom("a code that carries no data")),
                        };
                        match map.next_key::<String>()? {
                            None => Ok(reason),
                            Some(_) => Err(de::Error::invalid_length(2, &self)),
                        }
                    }
                }
                deserializer.deserialize_any(Form)
            }
        }
    };
}

reasons! {
    codes {
        // An award, or work that has begun.
        /// The claim's time was over when the award came.
        ClaimEnded = "claim_ended",
        /// The worker has no place for one more hire.
        NoCapacity = "no_capacity",
        /// The worker has no disk space for the inputs.
        NoSpace = "no_space",
        /// The requester had withdrawn the award.
        Withdrawn = "withdrawn",
        /// The begin came after its time, and what it was for is another's.
        BeginLate = "begin_late",
        /// The worker's agent gave no result. Why stays with its operator.
        AgentFailed = "agent_failed",
        /// The worker's node stopped while the agent ran, and the agent may not be started twice.
        NodeStopped = "node_stopped",
        /// The result does not pass the public checks.
        ChecksFailed = "checks_failed",
        /// The case is not one to decide, or the result no ruling.
        NoRuling = "no_ruling",
        /// Every check that was shown passes on what was delivered.
        ChecksPass = "checks_pass",
        /// The result was ready to be fetched.
        WasServed = "was_served",

        // A claim.
        /// The offer takes no more claims.
        OfferOver = "offer_over",
        /// Every slot of the offer has begun.
        Filled = "filled",
        /// Nobody approved the price in time.
        NotApproved = "not_approved",
        /// The price is more than may be spent now.
        OverBudget = "over_budget",
        /// The price is above the offer's ceiling, or in another unit.
        AboveCeiling = "above_ceiling",
        /// The requester does not hire this agent.
        Blocked = "blocked",
        /// The requester hires only others for this skill.
        OthersOnly = "others_only",
        /// The agent has had a slot of the offer.
        HadSlot = "had_slot",
        /// The agent is the arbiter of the offer.
        IsArbiter = "is_arbiter",
        /// The claim binds for longer than the task lets a worker take to begin.
        BindsTooLong = "binds_too_long",
        /// The claimant's manifest is not here, and the task has demands on it.
        NoManifest = "no_manifest",
        /// The worker does not meet what the task demands.
        UnmetByWorker = "unmet_by_worker",
        /// It was a newcomer's turn.
        NewcomersTurn = "newcomers_turn",
        /// The chosen worker's skill is closer to the task.
        LessSpecific = "less_specific",
        /// Most of what is known of the worker's work is bad.
        KnownBad = "known_bad",
        /// The chosen worker is better known to be good.
        LessReputed = "less_reputed",
        /// Equal in all that was asked for; the ids decided.
        ByIds = "by_ids",

        // An offer.
        /// The worker has not the skill.
        NoSuchSkill = "no_such_skill",
        /// The requester is not among those that the agent serves.
        NotServed = "not_served",
        /// The task does not meet what the worker demands.
        UnmetByTask = "unmet_by_task",
        /// The checks of the task cannot be run.
        ChecksNotRunnable = "checks_not_runnable",
        /// The requester's credit with the worker is used up.
        NoCredit = "no_credit",
        /// An earlier claim on the offer was turned down.
        TurnedDown = "turned_down",
        /// The worker does not let this arbiter decide.
        ArbiterNotAccepted = "arbiter_not_accepted",
        /// The arbiter has not consented, or not for so long.
        NoConsent = "no_consent",
        /// The checks of an arbitration are its own, and it has one part.
        OtherChecks = "other_checks",
        /// It is the agent's own offer.
        OwnOffer = "own_offer",
        /// The offer may be claimed nearer to the end of its bid window.
        TooEarly = "too_early",

        // A record that was sent.
        /// Its issuer is not who may say this here.
        NotIssuer = "not_issuer",
        /// Records of this kind are not sent.
        NotSent = "not_sent",
        /// The receiver issued the record.
        OwnRecord = "own_record",
        /// Another record holds its place.
        Superseded = "superseded",
        /// The receiver has no such hire.
        NoSuchHire = "no_such_hire",
        /// The receiver has no such offer.
        NoSuchOffer = "no_such_offer",
        /// The receiver has no such claim.
        NoSuchClaim = "no_such_claim",
        /// The claim is for another offer.
        OtherOffer = "other_offer",
        /// The offer was made to another worker.
        NotForYou = "not_for_you",
        /// The offer or hire names another arbiter, or none.
        OtherArbiter = "other_arbiter",
        /// The consent ends before the work could be decided on.
        ConsentTooShort = "consent_too_short",
        /// The record is longer than may travel with an award.
        TooLong = "too_long",
    }
    with {
        /// Another worker asked less: this price.
        Outbid(Price) = "outbid",
        /// Another worker expects to take less: this time.
        Slower(Millis) = "slower",
        /// The lower end of the agent's reputation is below this bar, in per mille.
        BelowBar(u16) = "below_bar",
        /// The worker asks this price, which the offer does not pay.
        Asks(Price) = "asks",
        /// The record breaks this rule of the hire; its code is in the protocol's README.
        BreaksRule(Untrusted<Text<{ limits::REASON_CODE }>>) = "breaks_rule",
        /// The bytes are no record; what the reader of the format says of them.
        Malformed(Untrusted<Text<{ limits::SUMMARY }>>) = "malformed",
        /// A person's own words.
        Said(Untrusted<Text<{ limits::NOTE }>>) = "said",
    }
}

impl Reason {
    /// A person's words, cut to what a record carries.
    pub fn said(words: &str) -> Self {
        Self::Said(Untrusted::new(Text::fit(words)))
    }

    /// Why bytes are no record, cut to what a reply carries.
    pub fn malformed(why: &dyn fmt::Display) -> Self {
        Self::Malformed(Untrusted::new(Text::fit(&why.to_string())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{decode, encode};

    fn read(bytes: &[u8]) -> Result<Reason, crate::codec::DecodeError> {
        decode(bytes, limits::SMALL)
    }

    #[test]
    fn every_code_is_read_back_and_fits_its_bound() {
        let (plain, with) = Reason::CODES;
        for code in plain {
            let reason = read(&encode(code)).unwrap();
            assert!(!matches!(reason, Reason::Unknown(_)), "{code}");
            assert_eq!((reason.code(), encode(&reason)), (*code, encode(code)));
        }
        let all: std::collections::BTreeSet<_> = plain.iter().chain(with).collect();
        assert_eq!(all.len(), plain.len() + with.len());
        assert!(all.iter().all(|code| code.len() <= limits::REASON_CODE));
        for reason in [
            Reason::Outbid("0.01 USD per task".parse().unwrap()),
            Reason::Slower(Millis(5)),
            Reason::BelowBar(500),
            Reason::said("no longer wanted"),
            Reason::malformed(&"bad CBOR at byte 3"),
        ] {
            assert_eq!(read(&encode(&reason)).unwrap(), reason);
            let json = serde_json::to_value(&reason).unwrap();
            assert_eq!(serde_json::from_value::<Reason>(json).unwrap(), reason);
        }
    }

    #[test]
    fn a_code_of_a_later_release_is_kept_as_it_came() {
        let later = encode("on_strike");
        let reason = read(&later).unwrap();
        assert_eq!(reason.code(), "on_strike");
        assert_eq!(encode(&reason), later);
        assert!(read(&encode(&"x".repeat(limits::REASON_CODE + 1))).is_err());
    }

    #[test]
    fn only_the_one_form_is_read() {
        // {"on_strike": 1}, {"no_capacity": 1}, {}, {"slower": 1, "said": "no"}, 7
        for bytes in [
            &b"\xa1\x69on_strike\x01"[..],
            b"\xa1\x6bno_capacity\x01",
            b"\xa0",
            b"\xa2\x64said\x62no\x66slower\x01",
            b"\x07",
        ] {
            assert!(read(bytes).is_err(), "{bytes:x?}");
        }
        let long = Reason::Said(Untrusted::new(Text::fit(&"x".repeat(limits::NOTE))));
        assert!(read(&encode(&long)).is_ok());
        let longer = std::collections::BTreeMap::from([("said", "x".repeat(limits::NOTE + 1))]);
        assert!(read(&encode(&longer)).is_err());
    }
}
