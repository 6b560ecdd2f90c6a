//! The nouns of the market, a file each. What a record may say is here; what happens because of it is in [`crate::hire`].
//!
//! Field order is wire order: RFC 8949 section 4.2.1 sorts text keys by length, then bytes. A test checks every kind.

pub mod award;
pub mod begin;
pub mod brief;
pub mod cancel;
pub mod checks;
pub mod claim;
pub mod constraint;
pub mod contact;
pub mod decision;
pub mod delivery;
pub mod link;
pub mod manifest;
pub mod milestone;
pub mod offer;
pub mod opened;
pub mod price;
pub mod progress;
pub mod question;
pub mod rating;
pub mod reason;
pub mod receipt;
pub mod reject;
pub mod skill;
pub mod verdict;

pub use award::{Award, Terms};
pub use begin::{Begin, BeginTerms, Decline, Withdraw};
pub use brief::{BlobRef, Brief, Input};
pub use cancel::{Cancel, Contest};
pub use claim::Claim;
pub use contact::Contact;
pub use decision::{Arbiter, Consent, ConsentBytes, Decision};
pub use delivery::{Ack, Delivery};
pub use link::Link;
pub use manifest::{Manifest, SkillEntry};
pub use milestone::{Milestone, Milestones};
pub use offer::Offer;
pub use opened::{News, Opened};
pub use progress::Progress;
pub use question::{Answer, Question};
pub use rating::{Judgement, Permit, Rating, Scores};
pub use reason::Reason;
pub use receipt::{CloseTerms, Countersign, Outcome, Receipt, ReceiptTerms};
pub use reject::Reject;
pub use skill::Skill;
pub use verdict::{Ruling, Verdict};

/// For fields that are left out when there is nothing in them.
pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
