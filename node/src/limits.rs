//! Every bound of the node, with its reason. What peers may send is bounded in the protocol's and the net's `limits`.

use std::time::Duration;

use gigmesh_protocol::time::Millis;

/// One event of the journal. A hire's largest record with its terms is far below; more than this is a mistake.
pub const MAX_EVENT: usize = 1 << 20;
/// A journal segment: read whole at a replay, so this is also its memory; small enough to compact often.
pub const SEGMENT_BYTES: usize = 16 << 20;
/// Events waiting for one commit. It bounds both memory and how far a torn tail can reach back.
pub const GROUP_BYTES: usize = 4 << 20;

/// Events that the archive gives back of one hire or offer: two full chains, each record with the notes and checks around it.
pub const ARCHIVE_EVENTS: usize = 4 * gigmesh_protocol::limits::CHAIN;

/// A rating's envelope. sled wastes space with large values and moves them to files of their own above 128 KiB.
pub const MAX_RATING: usize = 4 << 10;
/// sled's page cache. Its default of 1 GiB is more than the rest of the node together.
pub const RATINGS_CACHE: u64 = 64 << 20;
/// How long a lock that the previous holder is just letting go of is waited for.
pub const RATINGS_LOCK_WAIT: Duration = Duration::from_secs(5);

/// Blobs whose leaf hashes are remembered while they are served: 128 KiB each at most.
pub const LEAVES_CACHED: usize = 64;
/// Blobs of which it is remembered what has come; of others the disk tells, a second for the largest. 400 KiB each at most.
pub const PARTS_REMEMBERED: usize = 16;
/// What inputs and results leave of the disk: the journal's next segments, and time for the operator to see it.
pub const DISK_SPARE: u64 = 64 << 20;
/// Of a small disk, at most one part in so many.
pub const DISK_SPARE_PART: u64 = 64;
/// The room for inputs is told in steps of this: it changes with every write of anybody.
pub const ROOM_STEP: u64 = 1 << 20;
/// Bytes of a blob that may be in the system's memory only: what a power cut costs, and what the last write waits for.
pub const SYNC_EVERY: u64 = 64 << 20;
/// All blobs on this disk, those being fetched included, unless the operator says otherwise: four of the largest.
pub const BLOB_QUOTA: u64 = 4 << 30;

// ---- the store without its node ----

/// The head of an exported store: an agent, a date, a network's name.
pub const BUNDLE_HEAD: usize = 1 << 10;
/// Read and written at once while a store is moved.
pub const EXPORT_BUFFER: usize = 1 << 20;
/// Faults that a check lists; the rest are counted. One damaged file may make thousands.
pub const FAULTS_LISTED: usize = 40;
/// A hire's transcript: its result and its records, in hexadecimal digits.
pub const MAX_TRANSCRIPT_FILE: u64 = 96 << 20;
/// A key's backup is a few lines.
pub const MAX_BACKUP_FILE: u64 = 4 << 10;
/// A shorter passphrase is found by trying, whatever the key derivation costs.
pub const PASSPHRASE_MIN: usize = 8;
/// A longer one is a mistake: a wrong file was named.
pub const PASSPHRASE_MAX: usize = 1 << 10;

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
/// A line of an agent's report: a note of full length, each character of it escaped.
pub const REPORT_LINE: usize = 16 << 10;
/// How much of a report is read at once: what a pipe holds unless somebody makes it larger.
pub const REPORT_READ: usize = 64 << 10;
/// The pause after each read, so that an agent that writes without end waits and its node does not.
pub const REPORT_PAUSE: Duration = Duration::from_millis(50);
/// How much of a report is read once its agent has ended: the most that a pipe holds.
pub const REPORT_REST: u64 = 1 << 20;
/// Progress is passed on no faster: each is a signed record on two disks.
pub const PROGRESS_PAUSE: Duration = Duration::from_secs(1);
/// After so many the pause doubles: what a hire has room for then lasts for half an hour and longer, not for a minute.
pub const PROGRESS_STEPS: u32 = 8;
/// Answers that wait for their agent, and words of an agent that wait for the brain: a hire's questions.
pub const TALK: usize = gigmesh_protocol::limits::QUESTIONS;
/// The note about a running process group is one short line; a longer file is not ours.
pub const MAX_PID_FILE: u64 = 1 << 10;

/// A configuration or task file: people write them, so this is far above any of them.
pub const MAX_TOML_FILE: u64 = 1 << 20;
/// A JSON Schema as people lay it out; without white space it must keep the protocol's bound.
pub const MAX_SCHEMA_FILE: u64 = 1 << 20;
/// Agents run side by side on one machine.
pub const MAX_PARALLEL: usize = 256;
/// What the skills may take of a manifest; the rest is for names, dates and what later releases add.
pub const MANIFEST_SKILLS: usize = gigmesh_protocol::limits::MANIFEST - 2048;

/// One input given inside a request: what a language model writes or passes on. Larger ones are files.
pub const MAX_INLINE: usize = 1 << 20;
/// A request to the local API: a task with 64 KiB of parameters, its schema and its checks, in JSON. Blobs are streamed.
pub const MAX_API_BODY: usize = 512 << 10;
/// An answer of the local API that its client holds in memory: a result, or a full page of rows.
pub const MAX_API_ANSWER: usize = 64 << 20;
/// One event of the local API.
pub const MAX_API_EVENT: usize = 1 << 20;
/// What `api.path` may hold: the longest path a system opens.
pub const MAX_API_PATH: u64 = 4 << 10;
/// Connections to the local API that wait to be accepted.
pub const API_BACKLOG: u32 = 128;
/// How long a client of the local API waits for an answer to begin.
pub const API_ANSWER_WAIT: Duration = Duration::from_secs(60);
/// Bytes that it sends while it waits a second longer: what the slowest disk takes.
pub const API_UPLOAD_PACE: u64 = 1 << 20;
/// An idle event stream says that it lives, and finds out whether anybody listens.
pub const API_KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Digits of an id that the brain looks for by its beginning.
pub const SHORT_ID: usize = 4;
/// A column of a table on a narrow terminal: a short id still fits.
pub const CELL_MIN: usize = 8;
/// Raters that an explanation names to a person; `--json` has all that the brain names.
pub const EXPLAINED: usize = 5;
/// What is read of the note of whom was offered as a seed: some hundreds of ids.
pub const OFFERED_NOTE: u64 = 64 * 1024;
/// A line of a person's answer.
pub const ANSWER_LINE: u64 = 1024;
/// Models and versions of one worker that a person is told of, the newest.
pub const EDITIONS_TOLD: usize = 3;
/// Columns of a terminal, where lines are broken for people and its width is not known.
pub const COLUMNS: usize = 80;
/// `ledger export` reads all pages again if a line was booked meanwhile, at most so often: hundreds of pages are read in a second.
pub const EXPORT_TRIES: u32 = 5;
/// What is followed is asked for again after this, should an event have been missed.
pub const WATCH_PAUSE: Duration = Duration::from_secs(2);
/// Events that wait until each of the followed has looked at them; more, and its state is asked for instead.
pub const FOLLOW_QUEUE: usize = 1_024;
/// A lost connection to the events is opened again after this: a node needs about so long to start.
pub const FOLLOW_AGAIN: Duration = Duration::from_secs(1);

// ---- bulk hiring ----

/// A line of `hire --each`: what a brief carries of it is far less, but white space and escapes may be long.
pub const BULK_ROW: usize = 1 << 20;
/// Rows of one batch: of those that are over, the numbers are held in memory.
pub const BULK_ROWS: u64 = 1_000_000;
/// Rows at work at once unless the user says: some workers are busy, and no day's budget goes in a moment.
pub const BULK_PARALLEL: usize = 8;
/// A quarter of the offers that a node may have open, for others want some too.
pub const BULK_PARALLEL_MAX: usize = gigmesh_protocol::limits::POSTINGS / 4;
/// A result that is written into its row's line; a larger one gets a file of its own.
pub const BULK_RESULT: u64 = 64 << 10;
/// A line of the results as they are read again: a result, each byte of it escaped, and the words about it.
pub const BULK_LINE: u64 = 1 << 20;
/// What a batch says of itself: a few digests.
pub const BULK_HEAD: u64 = 4 << 10;
/// The pause before a node that did not answer, or had no room, is asked again.
pub const BULK_PAUSE: Duration = Duration::from_millis(500);
/// How long a node that went away is waited for: a restart with a large journal takes seconds, a person some minutes.
pub const BULK_AWAY: Duration = Duration::from_secs(600);
/// How often the bar is drawn when nothing happens: its clock counts seconds.
pub const BULK_DRAW: Duration = Duration::from_secs(1);
/// Characters of the bar; on a narrow terminal fewer.
pub const BULK_BAR: usize = 24;

// ---- the door for language models ----

/// A message of a client: sixteen inputs of [`MAX_INLINE`] in base64, and the rest of a task. What is longer is dropped
/// unread, and never answered, so nothing that is allowed may be.
pub const MCP_LINE: usize = 32 << 20;
/// Calls under way for one client: each may hold its inputs, and a wait a connection.
pub const MCP_CALLS: usize = 32;
/// The longest wait of one call. Clients give up after 60 s or more.
pub const MCP_WAIT: Duration = Duration::from_secs(45);
/// How long a call waits for a node that is being started: replaying a large journal takes seconds.
pub const MCP_START: Duration = Duration::from_secs(30);
/// The pause before a node that did not start, or whose directory another process holds, is tried again.
pub const MCP_START_PAUSE: Duration = Duration::from_secs(1);
/// Offers and hires that one call waits for.
pub const MCP_IDS: usize = 16;
/// Of so many it is remembered what the client was told last.
pub const MCP_TOLD: usize = 1024;
/// Agents in one answer. Whoever reads it pays by the word.
pub const MCP_FOUND: usize = 50;
/// Offers and hires in one list.
pub const MCP_ROWS: usize = 30;
/// Ratings shown of one agent.
pub const MCP_RATINGS: usize = 10;
/// Words of the other side shown of one hire: notes, reasons, statements.
pub const MCP_SAID: usize = 20;
/// How long one of them may be, in characters: all that a record carries.
pub const MCP_WORDS: usize = gigmesh_protocol::limits::NOTE;
/// How much of a result is shown at once: some ten thousand tokens. The rest comes in slices.
pub const MCP_RESULT: usize = 32 << 10;

// ---- the driver ----

/// Inputs waiting for the brain: some tens of milliseconds of its work. When full, gossip is ignored, requests are
/// dropped and asked again, callers are told, and what the node itself has to report waits.
pub const QUEUE: usize = 1024;
/// Inputs of one group commit. More would delay the first one's answer by more than the fdatasync that is saved.
pub const BATCH: usize = 64;
/// Callers and askers the brain has not answered yet. It answers at once as a rule; beyond this the oldest, whose
/// exchange timed out long ago, is told that there will be no answer.
pub const WAITING: usize = 4 * QUEUE;
/// The brain's longest sleep: the wall clock may be set meanwhile.
pub const IDLE: Duration = Duration::from_secs(5);
/// The brain's shortest sleep, should it call for a time that is past.
pub const SHORTEST_WAIT: Duration = Duration::from_millis(1);
/// How far the wall clock may part from the boot clock before nothing is dated by it: as far as records may be dated ahead,
/// and half of what a deadline is waited for beyond its time.
pub const CLOCKS_APART: Millis = Millis::secs(60);
/// How often clocks that have parted are compared.
pub const CLOCKS_LOOK: Duration = Duration::from_secs(1);
/// News of peers that wait for the clocks to agree; more is dropped, and comes again. What the node itself has to report
/// waits beyond it: that is no more than what it had begun.
pub const NEWS_HELD: usize = QUEUE;
/// Agents whose records are dated ahead, before the operator is told that the clock may be behind: two may be wrong together.
pub const AHEAD_ALARM: usize = 3;
/// How many of them are remembered.
pub const AHEAD_AGENTS: usize = 64;
/// For how long. They renew what they say at least hourly, and each offer is a new record.
pub const AHEAD_FOR: Duration = Duration::from_secs(3_600);
/// Gossip waiting to be verified: 15 ms of one core's work, far below the five seconds a verdict may take.
pub const GOSSIP_QUEUE: usize = 256;
/// Envelopes remembered by hash, so that what neighbours and pages bring again is not verified again: 1.5 MB.
pub const SEEN: usize = 16 << 10;
/// How long. Short, so that what the brain had no room for gets another chance.
pub const SEEN_FOR: Duration = Duration::from_secs(120);
/// Requests of one peer under way here; more are dropped, and the peer asks again.
pub const REQUESTS_PER_PEER: usize = 32;
/// Chunks, leaves and pages being read for peers at once: 16 MiB of chunks.
pub const SERVES: usize = 64;
/// Parcels under way; further ones are told to the brain as not brought, and it sends them again later. Below what the
/// network has under way at once, so that fetches and pages find a place.
pub const SENDS: usize = 256;
/// Hires whose blobs are being fetched at once; others wait.
pub const FETCHES: usize = 8;
/// Chunks asked for ahead, of all blobs together: fills a link of 200 Mbit/s at 150 ms, in 4 MiB of memory. Half of what one
/// peer may have under way here, so that a claim to a peer that sends us a blob finds a place there.
pub const CHUNKS_AHEAD: usize = REQUESTS_PER_PEER / 2;
/// How many of a blob's chunks are asked for at first: what a slow link is not clogged by.
pub const CHUNKS_FIRST: usize = 2;
/// A chunk that comes faster lets one more be asked for ahead.
pub const CHUNK_QUICK: Duration = Duration::from_millis(300);
/// One that takes longer halves their number, so that what else is on its way over that link waits no longer than this.
pub const CHUNK_SLOW: Duration = Duration::from_secs(1);
/// Tries at one blob in a row that bring nothing; then the brain decides when to try again.
pub const FETCH_TRIES: u32 = 3;
/// One turn at the blobs of a hire, if others wait for theirs. Whoever needs longer goes on where it stopped, after them.
pub const FETCH_TURN: Duration = Duration::from_secs(30);
/// The brain's leave to read a blob is good for this long, so that a thousand chunks are not a thousand questions.
pub const LEAVE_FOR: Duration = Duration::from_secs(5);
/// How many such leaves are remembered.
pub const LEAVES_GIVEN: usize = 1024;
/// Blobs on their way that are shown; of more, those that have not moved for longest are not.
pub const TRANSFERS: usize = 256;
/// How often what has come of one is told, and how long it lasts before it is worth telling.
pub const TRANSFER_TOLD: Duration = Duration::from_secs(1);
/// One of which nothing was heard for this long is no longer shown: what stands still is tried again sooner.
pub const TRANSFER_STALE: Duration = Duration::from_secs(180);
/// News of transfers that a watcher may be behind.
pub const TRANSFER_NEWS: usize = 64;
/// The pause before the second try; it doubles.
pub const FETCH_PAUSE: Duration = Duration::from_millis(300);
/// Checks and catch-up pages worked on at once: each may take a second of a core.
pub const CRUNCHES: usize = 2;
/// Notices a watcher may be behind; then it misses some, and is told so.
pub const NOTICES: usize = 1024;
/// Closed journal segments, beyond what the last compaction left, that make another worth its time: 64 MiB.
pub const COMPACT_SEGMENTS: usize = 4;
/// How often, and after what pause, a command is put to a network that was overloaded.
pub const NETWORK_TRIES: u32 = 20;
/// See [`NETWORK_TRIES`].
pub const NETWORK_PAUSE: Duration = Duration::from_millis(100);
/// How long a stop waits for tasks that are reading or writing a file.
pub const STOP_WAIT: Duration = Duration::from_secs(10);

/// The pause before a node whose store failed is started again; it doubles.
pub const RECOVER_PAUSE: Duration = Duration::from_secs(1);
/// The longest of them, and how long a node must have run for the next to be short again.
pub const RECOVER_PAUSE_MAX: Duration = Duration::from_secs(60);
/// Room on the disk without which it is not started again: a few groups of a busy node's events.
pub const RECOVER_ROOM: usize = 1 << 20;

/// How long the first search in a room waits for somebody to be heard of there.
pub const FIRST_SEARCH: Duration = Duration::from_secs(4);
/// How often it looks meanwhile.
pub const SEARCH_AGAIN: Duration = Duration::from_millis(100);

/// How often blobs that nobody may ask for any more are removed.
pub const SWEEP_EVERY: Millis = Millis::hours(1);
/// How long a blob lies untouched before it may be removed: an input is stored before its task is posted.
pub const SWEEP_AGE: Duration = Duration::from_secs(3_600);

// ---- a trial ----

/// How often a trial looks how far it is when nothing is heard: a notice comes before what it tells has been sent.
pub const TRIAL_PAUSE: Duration = Duration::from_millis(50);
/// How long it waits, once both sides have closed, for what they still have to say.
pub const TRIAL_REST: Duration = Duration::from_secs(2);
/// Lines of a result that it shows; `--result` writes all of it.
pub const TRIAL_LINES: usize = 40;
