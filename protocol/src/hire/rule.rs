//! The rules of a hire, by name: why a record is not admitted to its chains.
//!
//! Each rule is checked in one place: in [`super::stage`] what may be made when, in [`super::chain`] the order of records,
//! in [`crate::market::award`] that an award repeats offer and claim.

use std::fmt;

use crate::codec::Text;
use crate::market::Reason;
use crate::untrusted::Untrusted;

macro_rules! rules {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// A rule that every record of a hire keeps. The code is stable, and goes to who sent a record that breaks it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Rule { $($(#[$doc])* $name,)* }

        impl Rule {
            /// Every rule.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its stable code.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }
        }
    };
}

rules! {
    /// Only the two sides of a hire make its records.
    Party = "party",
    /// Only one side makes records of this kind.
    Side = "side",
    /// The private part travels along.
    PrivatePart = "private_part",
    /// Position 0 of the requester's chain is the award's.
    FirstPosition = "first_position",
    /// A position fits the machine's numbers.
    Position = "position",
    /// A chain has `limits::CHAIN` records at most.
    ChainLength = "chain_length",
    /// A record follows the one before it in its chain.
    Previous = "previous",
    /// A record has seen one of this hire.
    Seen = "seen",
    /// A record has seen no less than the one before it.
    SeenOrder = "seen_order",
    /// Only a hire with an arbiter is decided.
    NoArbiter = "no_arbiter",
    /// Only the hire's own arbiter decides it.
    Arbiter = "arbiter",
    /// A decision has seen the contest.
    DecisionContest = "decision_contest",
    /// A decision has seen what was contested.
    DecisionSeen = "decision_seen",
    /// A decision is dated within the arbiter's time.
    DecisionDate = "decision_date",
    /// A begin answers an award.
    BeginStage = "begin_stage",
    /// A begin is dated by the end of the claim.
    BeginDate = "begin_date",
    /// A begin states the deadline that the terms give.
    BeginDue = "begin_due",
    /// Only an award that has not begun is declined.
    DeclineStage = "decline_stage",
    /// Only an award that has not begun is withdrawn.
    WithdrawStage = "withdraw_stage",
    /// One brief follows the begin.
    BriefStage = "brief_stage",
    /// The inputs are no larger than the terms say.
    BriefInputs = "brief_inputs",
    /// Progress is of work with a brief.
    ProgressStage = "progress_stage",
    /// A hire has `limits::PROGRESS` progress notes at most.
    ProgressCount = "progress_count",
    /// Questions are of work with a brief.
    QuestionStage = "question_stage",
    /// A hire has `limits::QUESTIONS` questions at most.
    QuestionCount = "question_count",
    /// An answer is to a question of work under way.
    AnswerStage = "answer_stage",
    /// Every question is answered once.
    AnswerCount = "answer_count",
    /// A delivery is of work with a brief.
    DeliveryStage = "delivery_stage",
    /// A delivery is of the part at work.
    DeliveryPart = "delivery_part",
    /// A hire has `limits::DELIVERIES` deliveries at most, and one more a milestone.
    DeliveryCount = "delivery_count",
    /// A delivery is dated by its deadline.
    DeliveryDate = "delivery_date",
    /// An ack answers the last delivery.
    AckStage = "ack_stage",
    /// An ack is dated by the deadline and the review time.
    AckDate = "ack_date",
    /// An ack states the deadline that the terms give.
    AckUntil = "ack_until",
    /// A verdict is of the delivery under review.
    VerdictStage = "verdict_stage",
    /// A verdict is dated within the review.
    VerdictDate = "verdict_date",
    /// The checks that a verdict opens are those that were sealed.
    OpenedSealed = "opened_sealed",
    /// Sealed checks are opened with the last part.
    OpenedLast = "opened_last",
    /// Changes are wanted by a time that lies ahead.
    ChangesDue = "changes_due",
    /// Changes are wanted no more often than deliveries may follow.
    ChangesCount = "changes_count",
    /// Only work that has begun and is not delivered is cancelled.
    CancelStage = "cancel_stage",
    /// A contest answers a refusal or a receipt.
    ContestStage = "contest_stage",
    /// A receipt says what happened.
    ReceiptOutcome = "receipt_outcome",
    /// A receipt states what is owed.
    ReceiptAmount = "receipt_amount",
    /// A countersign answers the receipt that counts.
    CountersignReceipt = "countersign_receipt",
    /// The claim is of the offer.
    ClaimOffer = "claim_offer",
    /// The award is of the offer.
    AwardOffer = "award_offer",
    /// The award is of the claim.
    AwardClaim = "award_claim",
    /// The terms are those offered.
    TermsOffered = "terms_offered",
    /// The arbiter has consented to the terms.
    TermsConsent = "terms_consent",
    /// The inputs are no larger than `limits::BLOB`.
    TermsInputs = "terms_inputs",
    /// The terms are those claimed.
    TermsClaimed = "terms_claimed",
}

impl Rule {
    /// An error with this rule unless it holds.
    pub(crate) fn ensure(self, holds: bool) -> Result<(), Self> {
        if holds { Ok(()) } else { Err(self) }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl From<Rule> for Reason {
    fn from(rule: Rule) -> Self {
        Self::BreaksRule(Untrusted::new(Text::fit(rule.code())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits;

    #[test]
    fn codes_are_unique_and_fit_a_reason() {
        let codes: std::collections::BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
        assert_eq!(codes.len(), Rule::ALL.len());
        assert!(codes.iter().all(|code| code.len() <= limits::REASON_CODE));
    }
}
