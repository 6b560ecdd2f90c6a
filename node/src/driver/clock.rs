//! What time it is for the brain. In: the wall clock, and the boot clock, which nobody can set and which goes on while the
//! machine sleeps. Out: a time that may be signed and waited for, or the word that there is none.
//!
//! As long as both clocks went on alike since the start, the wall clock is believed, to the minute. When they have parted by
//! more than [`CLOCKS_APART`], one of them was set, and deadlines of hires must not be judged by it: there is no time until
//! they agree again, or the operator says that the new time is right. What must never happen: a time before one that was
//! given out, unless the operator said so.
//!
//! A clock that was wrong from the start shows in nothing but what others say: agents whose records are dated ahead of it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use gigmesh_bootstrap::wall_clock;
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::limits::AHEAD;
use gigmesh_protocol::record::Record;
use gigmesh_protocol::time::{Millis, Timestamp};
use rustix::time::{ClockId, clock_gettime};
use tokio::sync::watch;

use crate::limits::{AHEAD_AGENTS, AHEAD_ALARM, AHEAD_FOR, CLOCKS_APART};

/// The two clocks of a machine.
pub(crate) trait Clocks: Send {
    /// Milliseconds since the Unix epoch, as somebody set it.
    fn wall(&self) -> Timestamp;
    /// Time since the machine started, sleep included.
    fn boot(&self) -> Duration;
}

/// What the operator may do when [`ClockState::parted`] tells of trouble.
pub(crate) const CONFIRM: &str = "if the clock is right now, say so with `gigmesh clock confirm`";

/// Those of this machine.
#[derive(Debug)]
pub(crate) struct SystemClocks;

impl Clocks for SystemClocks {
    fn wall(&self) -> Timestamp {
        wall_clock()
    }
    fn boot(&self) -> Duration {
        // The kernel counts from zero upwards.
        clock_gettime(ClockId::Boottime).try_into().unwrap_or_default()
    }
}

/// The brain's time.
pub(crate) struct Clock {
    clocks: Box<dyn Clocks>,
    /// Wall minus boot, in milliseconds, when the wall clock was last taken at its word.
    offset: i128,
    last: Timestamp,
    state: Arc<ClockState>,
}

impl Clock {
    /// Takes the wall clock at its word: there is nothing yet to compare it with.
    pub fn new(clocks: Box<dyn Clocks>, state: Arc<ClockState>) -> Self {
        let mut clock = Self { clocks, offset: 0, last: Timestamp(0), state };
        (clock.offset, clock.last) = clock.look();
        clock
    }

    /// The time: the wall clock's, or the last one given out if that was set back a little. `None` while the clocks have
    /// parted.
    pub fn read(&mut self) -> Option<Timestamp> {
        let (offset, wall) = self.look();
        if self.state.confirmed.swap(false, Ordering::Relaxed) {
            tracing::warn!(now = %wall, "the operator has confirmed the wall clock: the node goes on by it");
            (self.offset, self.last) = (offset, wall);
        }
        let parted = offset - self.offset;
        if parted.unsigned_abs() > u128::from(CLOCKS_APART.0) {
            self.state.part(Some(i64::try_from(parted).unwrap_or(i64::MAX)));
            return None;
        }
        self.state.part(None);
        self.last = self.last.max(wall);
        Some(self.last)
    }

    /// The last time that was good.
    pub fn last(&self) -> Timestamp {
        self.last
    }

    fn look(&self) -> (i128, Timestamp) {
        let (wall, boot) = (self.clocks.wall(), self.clocks.boot().as_millis());
        (i128::from(wall.0) - i128::try_from(boot).unwrap_or(i128::MAX), wall)
    }
}

/// What is known of the clock, for whoever asks.
#[derive(Debug, Default)]
pub(crate) struct ClockState {
    /// By how many milliseconds the wall clock is ahead of where it should be, while that is too much.
    parted: watch::Sender<Option<i64>>,
    confirmed: AtomicBool,
    /// Agents whose records are dated ahead, and when one was last heard.
    ahead: Mutex<BTreeMap<AgentId, Instant>>,
}

impl ClockState {
    fn part(&self, by: Option<i64>) {
        // How far they are apart grows and shrinks; that they are is news once.
        let news = self.parted.send_if_modified(|parted| {
            let news = parted.is_some() != by.is_some();
            *parted = by;
            news
        });
        match (news, self.parted()) {
            (true, Some(trouble)) => tracing::error!("{trouble}; {CONFIRM}"),
            (true, None) => tracing::warn!("the clocks agree; the node goes on"),
            (false, _) => {}
        }
    }

    /// What to say while the clocks have parted.
    pub fn parted(&self) -> Option<String> {
        let by = (*self.parted.borrow())?;
        let (way, by) = (if by < 0 { "back" } else { "forward" }, Millis((by.unsigned_abs() + 500) / 1000 * 1000));
        Some(format!(
            "the system's clock was set {way} by {by} while the node ran: nothing is signed and no deadline counts until it \
             is set right"
        ))
    }

    /// Tells of every parting and agreement.
    pub fn changes(&self) -> watch::Receiver<Option<i64>> {
        self.parted.subscribe()
    }

    /// From the next look on, the wall clock is right as it is.
    pub fn confirm(&self) {
        self.confirmed.store(true, Ordering::Relaxed);
    }

    /// Looks at the date of a record that verified.
    pub fn heard(&self, record: &Record) {
        let at = match record {
            Record::Manifest(manifest) => manifest.at,
            Record::Contact(contact) => contact.at,
            Record::Offer(offer) => offer.at,
            Record::Claim(claim) => claim.at,
            _ => return,
        };
        if at > wall_clock() + AHEAD {
            self.dated_ahead(record.issuer(), Instant::now());
        }
    }

    fn dated_ahead(&self, issuer: AgentId, now: Instant) {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.retain(|_, heard| now.duration_since(*heard) < AHEAD_FOR);
        let before = ahead.len();
        if before < AHEAD_AGENTS || ahead.contains_key(&issuer) {
            ahead.insert(issuer, now);
        }
        let (was, is) = (before >= AHEAD_ALARM, ahead.len() >= AHEAD_ALARM);
        drop(ahead);
        if let (false, true, Some(trouble)) = (was, is, self.behind()) {
            tracing::warn!("{trouble}");
        }
    }

    /// What to say when several agents agree that it is later.
    pub fn behind(&self) -> Option<String> {
        let mut ahead = self.ahead.lock().unwrap_or_else(PoisonError::into_inner);
        ahead.retain(|_, heard| heard.elapsed() < AHEAD_FOR);
        let agents = ahead.len();
        (agents >= AHEAD_ALARM).then(|| {
            format!(
                "this machine's clock seems to be behind: {agents} agents' records are dated over {AHEAD} ahead of it, and \
                 such records are ignored; compare it with a clock you trust"
            )
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// This machine's clocks, of which a test sets one: by how many milliseconds it is off.
    #[derive(Debug, Clone, Default)]
    pub(crate) struct Set(Arc<std::sync::atomic::AtomicI64>);

    impl Set {
        /// Sets the wall clock that far from where it would be.
        pub fn off(&self, by: i64) {
            self.0.store(by, Ordering::SeqCst);
        }
    }

    impl Clocks for Set {
        fn wall(&self) -> Timestamp {
            Timestamp(wall_clock().0.checked_add_signed(self.0.load(Ordering::SeqCst)).unwrap())
        }
        fn boot(&self) -> Duration {
            SystemClocks.boot()
        }
    }

    /// Both clocks by hand.
    #[derive(Debug, Clone, Default)]
    struct ByHand(Arc<Mutex<(u64, u64)>>);

    impl Clocks for ByHand {
        fn wall(&self) -> Timestamp {
            Timestamp(self.0.lock().unwrap().0)
        }
        fn boot(&self) -> Duration {
            Duration::from_millis(self.0.lock().unwrap().1)
        }
    }

    fn clock() -> (ByHand, Clock, Arc<ClockState>) {
        let (hands, state) = (ByHand::default(), Arc::new(ClockState::default()));
        *hands.0.lock().unwrap() = (1_000_000, 5_000);
        let clock = Clock::new(Box::new(hands.clone()), Arc::clone(&state));
        (hands, clock, state)
    }

    #[test]
    fn time_goes_on_with_both_clocks_also_through_sleep_and_never_back() {
        let (hands, mut clock, state) = clock();
        for (wall, boot, time) in [
            (1_000_000, 5_000, 1_000_000),
            (1_000_010, 5_010, 1_000_010),
            // Eight hours with the lid closed.
            (29_800_010, 28_805_010, 29_800_010),
            // Corrected by a minute back: it stands still.
            (29_740_020, 28_805_020, 29_800_010),
            (29_800_000, 28_865_000, 29_800_010),
            (29_800_100, 28_865_100, 29_800_100),
            // And forward, from where it was at the start.
            (29_920_100, 28_865_100, 29_920_100),
        ] {
            *hands.0.lock().unwrap() = (wall, boot);
            assert_eq!(clock.read(), Some(Timestamp(time)), "{wall} {boot}");
            assert_eq!(state.parted(), None);
        }
    }

    #[test]
    fn clocks_that_part_leave_no_time_until_they_agree_or_the_operator_confirms() {
        for (set, way) in [(1_061_001, "forward by 61s"), (939_000, "back by 61s")] {
            let (hands, mut clock, state) = clock();
            *hands.0.lock().unwrap() = (set, 5_000);
            assert_eq!(clock.read(), None, "{way}");
            assert!(state.parted().unwrap().contains(way), "{:?}", state.parted());
            assert_eq!(clock.last(), Timestamp(1_000_000), "questions are answered as of the last good time");
            *hands.0.lock().unwrap() = (1_000_500, 5_500);
            assert_eq!(clock.read(), Some(Timestamp(1_000_500)));
            assert_eq!(state.parted(), None);

            *hands.0.lock().unwrap() = (set, 5_501);
            assert_eq!(clock.read(), None);
            state.confirm();
            assert_eq!(clock.read(), Some(Timestamp(set)), "what the operator says holds, also if it is earlier");
            *hands.0.lock().unwrap() = (1_001_000, 6_000);
            assert_eq!(clock.read(), None, "the old time is the wrong one now");
        }
    }

    #[test]
    fn agents_dated_ahead_are_counted_once_each_in_a_bounded_list_and_forgotten() {
        let state = ClockState::default();
        let agent = |n: usize| AgentId(gigmesh_protocol::id::sha256(&[&n.to_le_bytes()]).0);
        let now = Instant::now();
        for _ in 0..9 {
            state.dated_ahead(agent(0), now);
            state.dated_ahead(agent(1), now);
        }
        assert_eq!(state.behind(), None, "two may be wrong together");
        state.dated_ahead(agent(2), now);
        assert!(state.behind().unwrap().contains("3 agents"), "{:?}", state.behind());
        (0..2 * AHEAD_AGENTS).for_each(|n| state.dated_ahead(agent(n), now));
        assert_eq!(state.ahead.lock().unwrap().len(), AHEAD_AGENTS);
        state.dated_ahead(agent(0), now + AHEAD_FOR);
        assert_eq!(state.behind(), None);
    }
}
