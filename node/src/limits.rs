//! Every bound of the node, with its reason. What peers may send is bounded in the protocol's and the net's `limits`.

use std::time::Duration;

/// One event of the journal. A hire's largest record with its terms is far below; more than this is a mistake.
pub const MAX_EVENT: usize = 1 << 20;
/// A journal segment: read whole at a replay, so this is also its memory; small enough to compact often.
pub const SEGMENT_BYTES: usize = 16 << 20;
/// Events waiting for one commit. It bounds both memory and how far a torn tail can reach back.
pub const GROUP_BYTES: usize = 4 << 20;

/// A rating's envelope. sled wastes space with large values and moves them to files of their own above 128 KiB.
pub const MAX_RATING: usize = 4 << 10;
/// sled's page cache. Its default of 1 GiB is more than the rest of the node together.
pub const RATINGS_CACHE: u64 = 64 << 20;
/// How long a lock that the previous holder is just letting go of is waited for.
pub const RATINGS_LOCK_WAIT: Duration = Duration::from_secs(5);

/// One input or result of a task. Larger ones need streaming checks first.
pub const MAX_BLOB: u64 = 64 << 20;
/// All blobs on this disk, those being fetched included, unless the operator says otherwise.
pub const BLOB_QUOTA: u64 = 4 << 30;

/// What an agent may print as its result; it is held in memory and parsed as one JSON document.
pub const MAX_RESULT: usize = 16 << 20;
/// How much of an agent's standard error is kept, counted from its end.
pub const STDERR_TAIL: usize = 64 << 10;
/// How much of what an agent printed is quoted in an error message, in characters.
pub const QUOTE: usize = 200;
/// How much of standard error is quoted when an agent fails: a Python traceback fits.
pub const STDERR_QUOTE: usize = 2_000;
/// Named input files of one task.
pub const MAX_INPUTS: usize = 64;
/// The name of an input, which becomes a file name.
pub const MAX_INPUT_NAME: usize = 64;
/// After the agent's group was killed: how long its pipes may still be held by a process that left the group.
pub const DRAIN_WAIT: Duration = Duration::from_secs(2);
/// The note about a running process group is one short line; a longer file is not ours.
pub const MAX_PID_FILE: u64 = 1 << 10;
