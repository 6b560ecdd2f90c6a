//! Every bound of the protocol, with its reason. Nothing from outside is stored, decoded or repeated without one.

use crate::time::Millis;

// ---- bytes ----

/// The longest envelope of a record that travels by gossip. Gossip frames are capped at 64 KiB by the transport, and a
/// receiver measures the whole read buffer, so the market stays well below it.
pub const GOSSIP_RECORD: usize = 16 * 1024;
/// The longest envelope of any record: a brief with its parameters is the largest kind.
pub const RECORD: usize = 96 * 1024;
/// What an envelope adds to its payload: kind, issuer, signature and CBOR heads.
pub const ENVELOPE_OVERHEAD: usize = 256;
/// Nesting of CBOR items, the payload's own map included. A manifest needs seven.
pub const DEPTH: usize = 16;
/// A kind's name and version, such as `countersign/1`.
pub const KIND_NAME: usize = 24;
/// Entries of the extension map, which later releases may fill and this one carries unread.
pub const EXT_ENTRIES: usize = 8;
/// Bytes of one extension.
pub const EXT_VALUE: usize = 256;
/// The private part that travels beside a record: terms with their checks are the largest.
pub const BESIDE: usize = 64 * 1024;
/// A parcel of records sent from one peer to another.
pub const PARCEL: usize = 256 * 1024;
/// Records in one parcel.
pub const PARCEL_ITEMS: usize = 32;
/// Any message between two peers: a chunk of a blob and its frame is the largest.
pub const MESSAGE: usize = 384 * 1024;
/// One page of a room's records on catching up.
pub const PAGE_BYTES: usize = 128 * 1024;

// ---- payloads, by kind (bytes) ----

/// A manifest: 32 skills of four hundred bytes, fewer if they carry schemas.
pub const MANIFEST: usize = GOSSIP_RECORD - ENVELOPE_OVERHEAD;
/// An offer, with its public checks and their schema.
pub const OFFER: usize = GOSSIP_RECORD - ENVELOPE_OVERHEAD;
/// Kinds of fixed shape and short texts.
pub const SMALL: usize = 4 * 1024;
/// A brief.
pub const BRIEF: usize = RECORD - ENVELOPE_OVERHEAD;
/// A verdict: every check may have failed, each with a reason, and the sealed ones are opened.
pub const VERDICT: usize = 64 * 1024 - ENVELOPE_OVERHEAD;
/// A rating with the envelopes of its permit.
pub const RATING: usize = 4 * 1024 - ENVELOPE_OVERHEAD;
/// The envelope of a rating.
pub const RATING_RECORD: usize = RATING + ENVELOPE_OVERHEAD;
/// One envelope inside a permit.
pub const PERMIT_PART: usize = 768;
/// An arbiter's consent, as awards and calls carry it: a price, an id, and room for what later releases add.
pub const CONSENT: usize = 768;

// ---- texts and lists ----

/// A name, a version, a model's digest, a media type.
pub const NAME: usize = 64;
/// A one-line summary of a task.
pub const SUMMARY: usize = 500;
/// A reason, a note, a statement, a question.
pub const NOTE: usize = 2_000;
/// A stable code of a reason or of a rule: a few words.
pub const REASON_CODE: usize = 32;
/// Parameters of a brief: JSON text.
pub const PARAMS: usize = 64 * 1024;
/// Skills in one manifest.
pub const SKILLS: usize = 32;
/// Inputs of one brief.
pub const INPUTS: usize = 16;
/// Addresses in one contact.
pub const ADDRESSES: usize = 4;
/// One address.
pub const ADDRESS: usize = 128;
/// Parts of a task before the last.
pub const MILESTONES: usize = 8;
/// Failed checks named in a verdict.
pub const FAILED_CHECKS: usize = 64;
/// Ways to order claims in one task: each way there is, once.
pub const PREFER: usize = 4;
/// Slots of one offer.
pub const SLOTS: u16 = 64;
/// The largest blob, and all inputs of a task together: 4,096 chunks, whose hashes fit into one message.
pub const BLOB: u64 = 1024 * 1024 * 1024;
/// The result document of a task: it is checked as a whole, in memory.
pub const RESULT: u64 = 16 * 1024 * 1024;

// ---- skills, prices, properties ----

/// Deep enough for `domain/activity/kind/variant` with two to spare; every level is an entry in an index.
pub const SKILL_SEGMENTS: usize = 6;
/// A segment is a word or two, never a sentence.
pub const SKILL_SEGMENT: usize = 32;
/// The whole path: skills are in every manifest, offer and rating, and keys of every index.
pub const SKILL: usize = 96;
/// Millionths of a currency: a billion of it. Below 2^53, so that any JSON reader holds it exactly.
pub const AMOUNT: u64 = 1_000_000_000 * 1_000_000;
/// ISO 4217 has three letters; tokens use up to eight.
pub const CURRENCY: usize = 8;
/// What a price is per is a word or two: `task`, `rows`, `input tokens`.
pub const UNIT_NAME: usize = 24;
/// A name of a property is a word or two.
pub const PROPERTY_KEY: usize = 32;
/// A property states a fact (a region, a model, a licence); prose belongs elsewhere.
pub const PROPERTY_TEXT: usize = 128;
/// Languages spoken, formats read: more than this is better said by a skill.
pub const PROPERTY_LIST: usize = 16;
/// Properties of one skill. Manifests are gossiped hourly to a whole room.
pub const PROPERTIES: usize = 32;
/// A demand travels in every offer and is evaluated against every manifest of a room.
pub const CONSTRAINT: usize = 1024;
/// Enough to demand half of [`PROPERTIES`] at once.
pub const CONSTRAINT_TERMS: usize = 16;
/// `not` and parentheses within each other: people lose count at four. Reading and evaluation recurse.
pub const CONSTRAINT_DEPTH: usize = 8;

// ---- checks ----

/// One assertion, one line; an offer is gossiped with all of its assertions.
pub const ASSERT: usize = 512;
/// More conditions than this are a schema.
pub const ASSERTS: usize = 32;
/// Steps of a path in an assertion: as deep as a record may be.
pub const PATH_STEPS: usize = 16;
/// Elements that one `count` or `sum` may visit: some milliseconds.
pub const VISITED: usize = 100_000;
/// Places in a pattern x bytes of the text it is run on: where its automaton is too large to be made deterministic, that
/// many steps. Measured: up to 5 ns each, so an assertion takes 90 ms at its worst.
pub const MATCH_WORK: u64 = 1 << 24;
/// A pattern as text. The classes of some scripts take kilobytes for each of their letters.
pub const PATTERN: usize = 256;
/// Escapes of a pattern that its translation rewrites (`\d`, `\s`, `\w`, their opposites, `\c`). The translation reads the
/// pattern anew for each: unbounded, eleven kilobytes of them took twelve seconds; now a whole schema takes milliseconds.
pub const PATTERN_ESCAPES: usize = 32;
/// A compiled pattern. Some Unicode classes like `\p{L}` fit; a nest of counted repetitions does not.
pub const PATTERN_MEMORY: usize = 256 * 1024;
/// A JSON Schema as text, in checks and in manifests: one that is still read by people. The record it is in binds as well.
pub const SCHEMA: usize = 16 * 1024;
/// JSON levels of a schema with its references written out: thirty objects within each other. Evaluation recurses.
pub const SCHEMA_DEPTH: usize = 64;
/// JSON nodes of a schema with its references written out, and the places in its patterns. Without this bound sixteen
/// kilobytes can double two hundred times.
pub const SCHEMA_WEIGHT: u64 = 4096;
/// Patterns of one schema. Each may take [`PATTERN_MEMORY`].
pub const SCHEMA_PATTERNS: usize = 64;
/// Weight of the schema x bytes of the result. Measured: up to 4 ns each, so two seconds at its worst; a usual schema of
/// 100 nodes is run on results up to 5 MB.
pub const SCHEMA_WORK: u64 = 1 << 29;
/// Results up to this size are told what is wrong where: that evaluates thrice and may keep an error for each place.
pub const EXPLAINED: usize = 16 * 1024;
/// A line of a report: it is sent, stored and printed.
pub const LINE: usize = 512;
/// Outcomes in one report: the schema, public assertions and sealed ones.
pub const OUTCOMES: usize = 1 + 2 * ASSERTS;

// ---- time ----

/// How far ahead a record may be dated before it is ignored: clocks differ.
pub const AHEAD: Millis = Millis::secs(60);
/// How long after a deadline a side waits before it acts on an absence: a record dated by the deadline counts
/// whenever it arrives, and this is the time it is given to.
pub const GRACE: Millis = Millis::secs(120);
/// A manifest's longest life; it is renewed at half of it.
pub const MANIFEST_LIFE: Millis = Millis::hours(1);
/// An offer's longest life.
pub const OFFER_LIFE: Millis = Millis::days(1);
/// A contact's longest life.
pub const CONTACT_LIFE: Millis = Millis::hours(2);
/// A claim's longest validity.
pub const CLAIM_LIFE: Millis = Millis::days(1);
/// The longest work clock of one hire.
pub const WORK: Millis = Millis::days(30);
/// The longest review clock.
pub const REVIEW: Millis = Millis::days(14);
/// How long the close may take: verdict, receipt, countersign.
pub const CLOSE: Millis = Millis::mins(10);
/// The longest an arbiter may take after a contest, and the shortest that leaves it time to be called and to work.
pub const ARBITRATION: Millis = Millis::days(30);
/// See [`ARBITRATION`].
pub const ARBITRATION_MIN: Millis = Millis::mins(1);
/// How long an arbiter may be bound by a consent: work, review and arbitration at their longest, and a fortnight for changes.
pub const CONSENT_LIFE: Millis = Millis::days(90);
/// Consents on their way to one who asks for them. Offers cost nothing to make; whoever means it asks again.
pub const CONSENTS: usize = 16;
/// Decisions of one hire that are taken, each with a lower id than the one before: one, unless its arbiter plays.
pub const DECISIONS: usize = 8;
/// Days from the award within which a hire may be rated. No hire takes so long, whatever is answered, changed and contested; a
/// later date would only make old praise look fresh.
pub const RATED_WITHIN: u32 = 730;
/// How long after its close a hire's records and bytes stay served.
pub const SERVED: Millis = Millis::days(30);

// ---- hires ----

/// Hires this peer has open at once, as either side. Beyond it, awards are declined and commands refused.
pub const OPEN_HIRES: usize = 4_096;
/// Offers of mine that are open at once.
pub const POSTINGS: usize = 1_024;
/// Orders remembered by the token that their user gave them, the newest: at some 170 bytes each. Whoever repeats a request
/// does so before so many others came.
pub const ORDERS: usize = 100_000;
/// How long such an order is remembered: longer than a hire with the longest clocks takes.
pub const ORDER_LIFE: Millis = Millis::days(90);
/// A token of the user's own: a UUID, a key of its database, a hash in hexadecimal digits.
pub const ORDER_TOKEN: usize = 64;
/// Claims of mine that are out at once.
pub const CLAIMS_OUT: usize = 1_024;
/// How long before the end of its bid window an offer is claimed at the earliest. A claim takes a place of the worker's
/// until then, and an offer costs nothing: a window of a day would take it for a day.
pub const BID_AHEAD: Millis = Millis::mins(10);
/// Claims kept for one offer: one an issuer, the best in choosing order.
pub const CLAIMS_PER_OFFER: usize = 256;
/// Of those, places that only newcomers may hold.
pub const CLAIMS_NEWCOMERS: usize = 32;
/// Records of one side in one hire.
pub const CHAIN: usize = 256;
/// Records of a hire's transcript: both chains, offer, claim and award, and ratings both ways, each perhaps twice.
pub const TRANSCRIPT: usize = 2 * CHAIN + 3 + 4 + 1;
/// A case before an arbiter, in bytes: a transcript of some hundred records. A longer one is not opened.
pub const CASE: u64 = 8 * 1024 * 1024;
/// Progress notes of one hire.
pub const PROGRESS: usize = 64;
/// Questions in one hire.
pub const QUESTIONS: usize = 16;
/// Deliveries in one hire: the first, and what changes were wanted of it.
pub const DELIVERIES: usize = 8;
/// Claims whose comparison is kept with an award, best first: what a person reads.
pub const CONSIDERED: usize = 16;
/// Offers and claims that came to nothing, kept for `work --why`.
pub const PASSED: usize = 256;
/// Units of evidence of an agent's work below which it is a newcomer, if what there is is not bad: three hires of one's own
/// are 2.19, and others whose word counts in full are one each.
pub const NEWCOMER: f64 = 2.0;
/// Awards of mine of which it is remembered whether they went to newcomers as such: the least share, one in a thousand,
/// looks back no further.
pub const AWARDS: usize = 1_000;
/// Lines of the ledger held in memory; the balances count all of them.
pub const LEDGER: usize = 100_000;
/// Rules about whom to hire.
pub const RULES: usize = 64;
/// Agents named in one such rule.
pub const RULE_AGENTS: usize = 1_024;
/// Rounds of one slot: how often it may be awarded again.
pub const ROUNDS: u16 = 64;
/// Steps one hire may take for one input: every step changes its stage or starts work, so a few are the most.
pub const STEPS: usize = 32;
/// Closed hires kept in memory beside the open ones; older ones are in the archive.
pub const CLOSED_KEPT: usize = 10_000;

// ---- sending ----

/// First pause before a message is sent again; it doubles up to `RETRY_MAX`.
pub const RETRY_MIN: Millis = Millis(1_000);
/// Longest pause between two attempts to reach a peer.
pub const RETRY_MAX: Millis = Millis::mins(5);
/// Longest pause before something is sent again to a peer that is there and asks for patience: what it waits for, a record or
/// its clock, comes within moments or never.
pub const LATER_MAX: Millis = Millis::mins(1);
/// Peers with something waiting for them.
pub const OUTBOX_PEERS: usize = 8_192;

// ---- directory ----

/// Manifests held: 320 MB if every one were of the greatest size.
pub const MANIFESTS: usize = 20_000;
/// Offers held.
pub const OFFERS: usize = 20_000;
/// Offers held of one issuer.
pub const OFFERS_PER_ISSUER: usize = 256;
/// Contacts held.
pub const CONTACTS: usize = 20_000;
/// Rows in one answer to a query; a cursor asks for more.
pub const ANSWER_ROWS: usize = 200;
/// Ids listed where text is the beginning of several: enough to see how they differ.
pub const AMBIGUOUS: usize = 4;
/// Rooms followed at once.
pub const ROOMS: usize = 64;
/// Pages asked of one peer when joining a room: more than a full directory has.
pub const PAGES: u32 = 512;
/// Peers and rooms we are catching up with at once.
pub const LINKS: usize = 4_096;
/// A crowded room may split later; today a room is the first segment of a skill.
pub const ROOM_DEPTH: usize = 1;

// ---- ratings ----

/// Ratings held: some 140 bytes each in memory (measured at a million), and their envelopes, of over half a kilobyte, on disk.
pub const RATINGS: usize = 250_000;
/// Ratings of one subject kept from strangers: enough to see a pattern, and nobody can fill the store with words about one.
pub const STRANGERS: usize = 64;
/// Agents that a viewer has pinned: people whose judgement it takes for its own. All share half of its walk.
pub const SEEDS: usize = 16;
/// Edges followed for one input: a tenth of a millisecond. What is left is done at the next.
pub const PUSH: usize = 20_000;
/// Agents that are asked for the ratings they gave, at one look at whom the walk reaches.
pub const FRONTIER: usize = 64;
/// How long after a change of what is held it is looked at whom the walk reaches now.
pub const FRONTIER_PAUSE: Millis = Millis::secs(20);
/// How long after an agent was asked for the ratings it gave it is asked again. New ones are news.
pub const FRONTIER_AGAIN: Millis = Millis::days(1);
/// Agents of whom it is remembered when they were asked: those of full memory are the most massive, and come first.
pub const FRONTIER_ASKED: usize = 20_000;
/// Earlier models and versions named of an agent.
pub const EDITIONS: usize = 4;
/// Others that are asked for the ratings of one agent that does not serve them itself: those it has dealt with, then members of
/// my rooms. Of 64 agents at one look, so many requests each.
pub const HELPERS: usize = 4;
/// Members of my rooms that were met last, to be asked for ratings of those that are away.
pub const NEAR: usize = 64;
/// Numbers that are tried to give a rating a lower id than the one it takes the place of. Each try is a signature, some 20 us;
/// the median is two, and one rating in a thousand finds none, and stays.
pub const REVISION_TRIES: u64 = 1_024;
/// Raters of an explanation.
pub const EXPLAINED_RATERS: usize = 20;
/// Ratings named in one piece of news.
pub const NEWS: usize = 16;
/// How long news of a rating is news; later it is found by asking.
pub const NEWS_LIFE: Millis = Millis::mins(2);
/// News taken of one rater in [`NEWS_LIFE`]: more hires than that nobody closes, and each costs its readers a request.
pub const NEWS_PER_RATER: usize = 256;
/// Raters whose news is counted at once.
pub const NEWS_RATERS: usize = 4_096;
/// Requests for ratings under way at once.
pub const RATING_ASKS: usize = 8;
/// Requests for ratings that wait; with more the latest is not made, and the subject is asked about when its manifest is
/// renewed.
pub const RATING_QUEUE: usize = 8_192;
/// Pages of ratings asked of one peer about one subject.
pub const RATING_PAGES: u32 = 4;
/// Ratings of one subject that an answer lists.
pub const RATINGS_LISTED: usize = 256;

// ---- journal ----

/// The longest event: a posting with its task, or an award with claim, offer and terms.
pub const EVENT: usize = 512 * 1024;
