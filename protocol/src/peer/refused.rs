//! Why a command of the user is not carried out.

use crate::codec::TextError;
use crate::hire::task::TaskError;
use crate::id::{Bytes32, Id};
use crate::market::Offer;

macro_rules! refusals {
    ($($(#[$doc:meta])* $name:ident $(($data:ty))? = $code:literal,)*) => {
        /// Why a command was not carried out. Nothing was changed. The code is stable: the API gives it.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Refused { $($(#[$doc])* $name $(($data))?,)* }

        impl Refused {
            /// Every code.
            pub const CODES: &[&str] = &[$($code),*];

            /// The stable code.
            pub fn code(&self) -> &'static str {
                match self { $(Self::$name { .. } => $code,)* }
            }
        }
    };
}

refusals! {
    /// There is no offer or hire of this id.
    Unknown(Bytes32) = "unknown_id",
    /// No offer can be made of the task.
    Task(TaskError) = "task_invalid",
    /// As many offers are open as may be.
    OffersFull = "offers_full",
    /// As many hires are open as may be.
    HiresFull = "hires_full",
    /// As many rooms are followed as may be.
    RoomsFull = "rooms_full",
    /// The token of the order is empty.
    EmptyToken = "empty_token",
    /// The token of the order was given with another task, which is this offer.
    TokenTaken(Id<Offer>) = "token_taken",
    /// An agent cannot pin itself.
    PinSelf = "pin_self",
    /// As many agents are pinned as may be.
    PinsFull = "pins_full",
    /// Only what is still at work can be stopped.
    NotStoppable = "not_stoppable",
    /// There is no score, or one above 1.
    NoScores = "no_scores",
    /// The rating is sealed, which is final.
    RatingSealed = "rating_sealed",
    /// The hire has not begun.
    NotBegun = "not_begun",
    /// The hire is closed.
    Closed = "closed",
    /// Nothing of the offer waits for a person.
    NothingWaits = "nothing_waits",
    /// There is no refusal to agree to or to contest.
    NoRefusal = "no_refusal",
    /// Only a worker asks, and only while it works.
    NotWorking = "not_working",
    /// No more questions can be asked in the hire.
    QuestionsFull = "questions_full",
    /// There is no question to answer.
    NoQuestion = "no_question",
    /// There is no delivery under review here.
    NoDelivery = "no_delivery",
    /// The review clock has ended.
    ReviewOver = "review_over",
    /// The result has not arrived, or its checks have not been run.
    ResultMissing = "result_missing",
    /// Changes are wanted by a time that is past.
    ChangesPast = "changes_past",
    /// Changes were wanted as often as may be.
    ChangesFull = "changes_full",
    /// The result is here, so it cannot be judged as never served.
    ResultHere = "result_here",
    /// The words cannot be sent as they are.
    Words(TextError) = "invalid_words",
    /// A payment is of nothing.
    NoAmount = "no_amount",
    /// The note is longer than is kept.
    NoteTooLong = "note_too_long",
    /// The hire is not contested.
    NotContested = "not_contested",
    /// The hire has no arbiter.
    NoArbiter = "no_arbiter",
    /// The arbiter's time is over.
    ArbiterLate = "arbiter_late",
    /// The arbiter is called already.
    ArbiterCalled = "arbiter_called",
}
