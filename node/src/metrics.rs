//! What a node has done and refused, in numbers. In: a word from whoever does it, at the place where it is done. Out: the
//! text that Prometheus reads.
//!
//! Every label is one of the few written down here; what a peer sends never becomes one. A counter starts at zero with
//! the process and only rises.

use std::fmt::{Display, Write as _};
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use gigmesh_net::{Reach, Stats};
use gigmesh_protocol::gossip::Verdict;
use gigmesh_protocol::peer::io::Status;
use gigmesh_protocol::record::{Record, Refusal};
use gigmesh_protocol::wire::{Reply, Request};

/// The way a record came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Passed on in a room.
    Gossip,
    /// Sent to us in particular.
    Parcel,
    /// Asked for, in catching up.
    Page,
    /// Asked for, as evidence.
    Ratings,
}

const WAYS: [&str; 4] = ["gossip", "parcel", "page", "ratings"];

/// What the edge made of a record.
const FATES: [&str; 8] =
    ["admitted", "known", "unknown_kind", "malformed", "weak_key", "bad_signature", "rule_broken", "bad_private_part"];

const ADMITTED: usize = 0;
const KNOWN: usize = 1;

fn fate(refusal: &Refusal) -> usize {
    match refusal {
        Refusal::UnknownKind(_) => 2,
        Refusal::Decode(_) => 3,
        Refusal::Key => 4,
        Refusal::Signature => 5,
        Refusal::Invalid(_) => 6,
        Refusal::Beside => 7,
    }
}

macro_rules! counts {
    ($($family:literal $help:literal { $($count:ident $labels:literal),* $(,)? })*) => {
        /// Something that is counted.
        #[derive(Debug, Clone, Copy)]
        pub(crate) enum Count { $($($count),*),* }

        const COUNTS: usize = [$($(Count::$count),*),*].len();

        /// Families: name, help, and each count with its labels.
        const FAMILIES: &[(&str, &str, &[(Count, &str)])] = &[$(($family, $help, &[$((Count::$count, $labels)),*])),*];
    };
}

counts! {
    "gigmesh_gossip_verdicts_total" "What became of gossiped records." {
        GossipAccepted r#"{verdict="accept"}"#,
        GossipIgnored r#"{verdict="ignore"}"#,
        GossipRejected r#"{verdict="reject"}"#,
    }
    "gigmesh_gossip_dropped_total" "Gossiped records dropped unjudged, because this was full." {
        DroppedUnverified r#"{full="verifier"}"#,
        DroppedVerified r#"{full="brain"}"#,
    }
    "gigmesh_requests_total" "What peers asked for." {
        AskedParcel r#"{kind="parcel"}"#,
        AskedPage r#"{kind="page"}"#,
        AskedLeaves r#"{kind="leaves"}"#,
        AskedRatings r#"{kind="ratings"}"#,
        AskedChunk r#"{kind="chunk"}"#,
        AskedNonsense r#"{kind="not_understood"}"#,
    }
    "gigmesh_chunks_fetched_total" "Chunks of blobs that came and were verified." { FetchedChunk "" }
    "gigmesh_requests_dropped_total" "Requests left without an answer, because this was full." {
        DroppedOverShare r#"{full="share_of_the_peer"}"#,
        DroppedParcel r#"{full="brain"}"#,
        DroppedServe r#"{full="reads"}"#,
    }
    "gigmesh_dropped_without_time_total" "Gossip and parcels dropped because the system's clocks had parted." { DroppedNoTime "" }
    "gigmesh_parcel_replies_total" "What became of records sent to us in particular, one for each record." {
        RepliedKept r#"{reply="kept"}"#,
        RepliedLater r#"{reply="later"}"#,
        RepliedIgnored r#"{reply="ignored"}"#,
        RepliedRefused r#"{reply="refused"}"#,
    }
    "gigmesh_blames_total" "Acts held against a peer, by where they showed." {
        BlamedParcel r#"{in="parcel"}"#,
        BlamedPage r#"{in="page"}"#,
        BlamedRatings r#"{in="ratings"}"#,
        BlamedBlob r#"{in="blob"}"#,
    }
    "gigmesh_journal_events_total" "Events appended to the journal." { Events "" }
    "gigmesh_journal_bytes_total" "Bytes of those events." { EventBytes "" }
    "gigmesh_journal_commits_total" "Commits of the journal to disk." { Commits "" }
    "gigmesh_journal_commit_microseconds_total" "Time spent in those commits." { CommitMicros "" }
    "gigmesh_journal_compactions_total" "Compactions of the journal." { Compactions "" }
    "gigmesh_ratings_kept_total" "Ratings put into their store." { RatingsKept "" }
    "gigmesh_brain_inputs_total" "Inputs that the brain has handled, ticks and questions not counted." { Inputs "" }
}

/// The counters of one node.
#[derive(Debug)]
pub(crate) struct Metrics {
    counts: [AtomicU64; COUNTS],
    records: [[AtomicU64; FATES.len()]; WAYS.len()],
}

impl Default for Metrics {
    fn default() -> Self {
        let zeros = || std::array::from_fn(|_| AtomicU64::new(0));
        Self { counts: std::array::from_fn(|_| AtomicU64::new(0)), records: std::array::from_fn(|_| zeros()) }
    }
}

impl Metrics {
    /// Counts one.
    pub fn count(&self, what: Count) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&self, what: Count, number: u64) {
        self.counts[what as usize].fetch_add(number, Ordering::Relaxed);
    }

    /// Counts time.
    pub fn took(&self, what: Count, time: Duration) {
        self.add(what, u64::try_from(time.as_micros()).unwrap_or(u64::MAX));
    }

    /// Counts a record that the edge has looked at.
    pub fn record(&self, way: Way, admitted: Result<&Record, &Refusal>) {
        self.records[way as usize][admitted.map_or_else(fate, |_| ADMITTED)].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a record that had been here a moment ago, and was not looked at again.
    pub fn known(&self, way: Way) {
        self.records[way as usize][KNOWN].fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a verdict on gossip.
    pub fn verdict(&self, verdict: Verdict) {
        self.count(match verdict {
            Verdict::Accept => Count::GossipAccepted,
            Verdict::Ignore => Count::GossipIgnored,
            Verdict::Reject => Count::GossipRejected,
        });
    }

    /// Counts a request that was understood.
    pub fn request(&self, request: &Request) {
        self.count(match request {
            Request::Parcel(_) => Count::AskedParcel,
            Request::Page { .. } => Count::AskedPage,
            Request::Ratings { .. } | Request::RatingsBy { .. } | Request::RatingsById(_) => Count::AskedRatings,
            Request::Leaves { .. } => Count::AskedLeaves,
            Request::Chunk { .. } => Count::AskedChunk,
        });
    }

    /// Counts the replies to a parcel.
    pub fn replies(&self, replies: &[Reply]) {
        for reply in replies {
            self.count(match reply {
                Reply::Kept => Count::RepliedKept,
                Reply::Later => Count::RepliedLater,
                Reply::Ignored(_) => Count::RepliedIgnored,
                Reply::Refused(_) => Count::RepliedRefused,
            });
        }
    }

    /// All of it in Prometheus' text format, with the gauges of now.
    pub fn render(&self, market: &Status, net: &Stats) -> String {
        let mut page = Page::default();
        page.family(
            "gigmesh_records_total",
            "counter",
            "Records that came, by the way they came and what the edge saw.",
        );
        for (way, fates) in WAYS.iter().zip(&self.records) {
            for (fate, number) in FATES.iter().zip(fates) {
                let labels = format!("{{way={way:?},result={fate:?}}}");
                page.line("gigmesh_records_total", &labels, number.load(Ordering::Relaxed));
            }
        }
        for (name, help, counts) in FAMILIES {
            page.family(name, "counter", help);
            for (count, labels) in *counts {
                page.line(name, labels, self.counts[*count as usize].load(Ordering::Relaxed));
            }
        }
        page.market(market);
        page.net(net);
        if let Some(bytes) = resident_bytes() {
            page.single("process_resident_memory_bytes", "gauge", "Memory that the process has in use.", bytes);
        }
        page.0
    }
}

/// The text as it grows.
#[derive(Default)]
struct Page(String);

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        self.put(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
    }

    fn line(&mut self, name: &str, labels: &str, value: impl Display) {
        self.put(format_args!("{name}{labels} {value}\n"));
    }

    fn single(&mut self, name: &str, kind: &str, help: &str, value: impl Display) {
        self.family(name, kind, help);
        self.line(name, "", value);
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        self.0.write_fmt(text).expect("a String takes what fits into memory");
    }

    fn market(&mut self, status: &Status) {
        let held = [("manifest", status.manifests), ("offer", status.offers), ("contact", status.contacts)];
        self.family("gigmesh_directory_records", "gauge", "Public records held of everybody.");
        for (kind, number) in held {
            self.line("gigmesh_directory_records", &format!("{{kind={kind:?}}}"), number);
        }
        for (name, help, number) in [
            ("gigmesh_postings_open", "Offers of ours that take claims.", status.postings_open),
            ("gigmesh_claims_out", "Claims of ours that bind us.", status.claims_out),
            ("gigmesh_hires_open", "Hires under way, on either side.", status.hires_open),
            ("gigmesh_hires_closed", "Closed hires in memory.", status.hires_closed),
            ("gigmesh_ratings", "Ratings held, whoever gave them.", status.ratings),
            ("gigmesh_trusted_seeds", "Agents whose judgement is taken for one's own.", status.sight.seeds),
            ("gigmesh_raters_heard", "Agents whose word counts here.", status.sight.raters),
            (
                "gigmesh_standing_settled",
                "Whether their standings are settled, not provisional.",
                status.sight.settled.into(),
            ),
            ("gigmesh_outbox_records", "Records that wait for a peer to take them.", status.outbox),
            ("gigmesh_rooms", "Rooms followed.", status.rooms.len()),
        ] {
            self.single(name, "gauge", help, number);
        }
        let help = "By how much all standings together may be off; the whole of them is one.";
        self.single("gigmesh_standing_error", "gauge", help, format_args!("{:e}", status.sight.certificate));
    }

    fn net(&mut self, net: &Stats) {
        for (name, help, number) in [
            ("gigmesh_links", "Connected agents.", net.links),
            ("gigmesh_connections", "Connections; two to one agent count twice.", net.connections),
            ("gigmesh_relays", "Bootstrap nodes through which we can be reached.", net.relays),
            ("gigmesh_dht_peers", "Agents in our DHT table. Zero means that nobody can be found.", net.dht_peers),
            ("gigmesh_dht_server", "Whether we serve the DHT.", net.dht_server.into()),
            ("gigmesh_gossip_unsent", "Records of ours that wait for a peer in their room.", net.gossip_unsent),
        ] {
            self.single(name, "gauge", help, number);
        }
        self.family("gigmesh_reach", "gauge", "From where we can be dialled: 1 for what holds.");
        for (is, reach) in [
            ("unknown", Reach::Unknown),
            ("local", Reach::Local),
            ("public", Reach::Public),
            ("behind_nat", Reach::BehindNat),
        ] {
            self.line("gigmesh_reach", &format!("{{is={is:?}}}"), u64::from(net.reach == reach));
        }
        for (name, help, number) in [
            ("gigmesh_punched_total", "Relayed connections that became direct ones.", net.punched),
            ("gigmesh_punches_failed_total", "Relayed connections that could not.", net.punches_failed),
            ("gigmesh_connections_refused_total", "Connections refused by a limit or a ban.", net.connections_refused),
            (
                "gigmesh_handshakes_failed_total",
                "Handshakes from outside that were broken off or not finished in time.",
                net.handshakes_failed,
            ),
            ("gigmesh_dials_failed_total", "Dials that failed.", net.dials_failed),
            ("gigmesh_contacts_stored_total", "Contacts stored for others.", net.contacts_stored),
            ("gigmesh_contacts_refused_total", "Contacts of others that we refused to store.", net.contacts_refused),
            ("gigmesh_providers_stored_total", "Room entries stored for others.", net.providers_stored),
            ("gigmesh_providers_refused_total", "Room entries that we refused to store.", net.providers_refused),
            ("gigmesh_gossip_received_total", "Records received in rooms.", net.gossip_received),
            ("gigmesh_gossip_overrun_total", "Records ignored before they were looked at.", net.gossip_dropped),
            ("gigmesh_gossip_late_total", "Verdicts that came too late to matter.", net.gossip_late),
            ("gigmesh_gossip_published_total", "Records of ours that left.", net.gossip_published),
            ("gigmesh_gossip_expired_total", "Records of ours that found nobody in time.", net.gossip_expired),
            ("gigmesh_requests_overrun_total", "Requests refused before they were looked at.", net.requests_refused),
            ("gigmesh_requests_stalled_total", "Requests that had not come whole in time.", net.requests_stalled),
            ("gigmesh_requests_broken_total", "Requests that came malformed, cut or too many.", net.requests_broken),
            (
                "gigmesh_requests_unanswered_total",
                "Requests of others that got no answer out.",
                net.requests_unanswered,
            ),
            ("gigmesh_requests_sent_total", "Requests of ours.", net.requests_out),
            ("gigmesh_requests_failed_total", "Requests of ours that failed.", net.requests_failed),
            ("gigmesh_events_lost_total", "News of links and rooms that was lost.", net.events_lost),
        ] {
            self.single(name, "counter", help, number);
        }
    }
}

/// Where the system tells: Linux does.
fn resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.trim().strip_suffix(" kB")?;
    Some(kib.parse::<u64>().ok()? * 1024)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_text_is_what_prometheus_reads_and_every_line_is_there_from_the_start() {
        let metrics = Metrics::default();
        metrics.record(Way::Page, Err(&Refusal::Signature));
        metrics.known(Way::Gossip);
        metrics.add(Count::EventBytes, 7);
        metrics.replies(&[Reply::Kept, Reply::Later, Reply::Kept]);
        let text = metrics.render(&Status { hires_open: 3, ..Status::default() }, &Stats::default());
        for line in [
            r#"gigmesh_records_total{way="page",result="bad_signature"} 1"#,
            r#"gigmesh_records_total{way="gossip",result="known"} 1"#,
            r#"gigmesh_records_total{way="parcel",result="admitted"} 0"#,
            r#"gigmesh_parcel_replies_total{reply="kept"} 2"#,
            "gigmesh_journal_bytes_total 7",
            "gigmesh_hires_open 3",
            "gigmesh_dht_server 0",
            "# TYPE gigmesh_hires_open gauge",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        let mut families = BTreeSet::new();
        let mut family = "";
        for line in text.lines() {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').unwrap();
                assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
                assert!(families.insert(name), "{name} is there twice");
                family = name;
            } else if !line.starts_with("# HELP ") {
                let (name, value) = line.rsplit_once(' ').unwrap();
                assert_eq!(name.split('{').next(), Some(family), "{line} stands with its family");
                assert!(value.parse::<f64>().is_ok_and(|value| value >= 0.0), "{line}");
            }
        }
        let resident = text.lines().find_map(|line| line.strip_prefix("process_resident_memory_bytes "));
        assert!(cfg!(not(target_os = "linux")) || resident.unwrap().parse::<u64>().unwrap() > 1 << 20);
    }
}
