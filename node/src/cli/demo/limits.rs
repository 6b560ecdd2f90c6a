//! The bounds of the demo, each with its reason.

use std::time::Duration;

use gigmesh_protocol::time::Millis;

/// How long a process may take until it is ready. It makes a key and opens three empty stores: far below a second, but the
/// machine may be building something else.
pub(super) const READY_WAIT: Duration = Duration::from_secs(15);
/// How long the requesters may take to hear of every worker. A node that joins a room catches up at once; a lost link is
/// tried again within seconds.
pub(super) const MEET_WAIT: Duration = Duration::from_secs(15);
/// The longest bid window: long enough for a machine so slow that starting took as long, and short enough that four of them
/// are borne.
pub(super) const BIDS_MAX: Millis = Millis::secs(4);
/// How long the tasks of a wave may take together; a few seconds are for bids.
pub(super) const WAVE_WAIT: Duration = Duration::from_secs(30);
/// How often a task is posted at most: once, and again for somebody who does it well.
pub(super) const POSTINGS: usize = 3;
/// Events that wait to be looked at. A node whose events nobody takes drops them; the tick finds what was missed.
pub(super) const HEARD: usize = 256;
/// How often the state is asked for when no event calls for it, and the clock of the live view ticks.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// How long a process has to end well after SIGTERM.
pub(super) const STOP_WAIT: Duration = Duration::from_secs(3);
/// The line in which a process says that it is ready: an address, or a short document.
pub(super) const READY_LINE: u64 = 16 << 10;
/// Lines of a log that are shown when something went wrong.
pub(super) const LOG_LINES: usize = 12;
/// How much of a log is read for them, from its end.
pub(super) const LOG_BYTES: u64 = 16 << 10;
