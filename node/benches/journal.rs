//! What the journal costs beside the bare disk. `cargo bench -p gigmesh --bench journal`, on an otherwise quiet machine.
//!
//! Appending: the same events in the same groups, once through the journal and once as plain `write` + `fdatasync` of the
//! same number of bytes. Replaying: once through the journal and once as reading the same files and one CRC-32C over each.
//! Each figure is the median of alternating pairs with its spread; the ratio is taken pair by pair, so that drift of the
//! machine hits both sides. `JOURNAL_BENCH_EVENTS` sets the number of events (default 100,000).

use std::fs::{self, File};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use gigmesh::store::journal::Journal;
use gigmesh::store::traits::Log;

const PAIRS: usize = 7;
/// A journalled record with its terms.
const EVENT: usize = 700;
/// Length and checksum of an entry, which the bare side writes too.
const ENTRY_HEAD: usize = 8;
/// Commits of one event wait for the disk each time; this many show it and do not take minutes.
const MOST_COMMITS: usize = 5_000;

type Outcome = Result<(), Box<dyn std::error::Error>>;

fn main() -> Outcome {
    let all = std::env::var("JOURNAL_BENCH_EVENTS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let parent = std::env::current_dir()?;
    for group in [1, 64] {
        let events = all.min(group * MOST_COMMITS);
        let name = format!("append {events} events of {EVENT} B, {group} to a commit");
        compare(&name, events, "write + fdatasync", || {
            let dir = tempfile::tempdir_in(&parent)?;
            let journal = timed(|| write_journal(&dir.path().join("journal"), events, group))?;
            let bare = timed(|| write_bare(&dir.path().join("bare"), events, group))?;
            Ok((journal, bare))
        })?;
    }

    let dir = tempfile::tempdir_in(&parent)?;
    write_journal(dir.path(), all, 1_000)?;
    let replay = || {
        timed(|| {
            let mut bytes = 0;
            let (_, report) = Journal::open(dir.path(), |_, event| {
                bytes += black_box(event).len();
                Ok(())
            })?;
            assert_eq!((report.events, bytes), (all as u64, all * EVENT));
            Ok(())
        })
    };
    let name = format!("replay {all} events of {EVENT} B from the page cache");
    compare(&name, all, "read + crc32c", || Ok((replay()?, timed(|| read_bare(dir.path()))?)))
}

fn write_journal(dir: &Path, events: usize, group: usize) -> Outcome {
    let (mut journal, _) = Journal::open(dir, |_, _| Ok(()))?;
    let event = [0x5a; EVENT];
    for n in 1..=events {
        journal.append(&event)?;
        if n % group == 0 {
            journal.commit()?;
        }
    }
    Ok(journal.commit()?)
}

fn write_bare(path: &Path, events: usize, group: usize) -> Outcome {
    let mut file = File::create_new(path)?;
    let bytes = vec![0x5a; (ENTRY_HEAD + EVENT) * group];
    let mut left = events;
    while left > 0 {
        let now = group.min(left);
        file.write_all(&bytes[..(ENTRY_HEAD + EVENT) * now])?;
        file.sync_data()?;
        left -= now;
    }
    Ok(())
}

fn read_bare(dir: &Path) -> Outcome {
    for entry in fs::read_dir(dir)? {
        black_box(crc32c::crc32c(&fs::read(entry?.path())?));
    }
    Ok(())
}

fn timed(run: impl FnOnce() -> Outcome) -> Result<Duration, Box<dyn std::error::Error>> {
    let begun = Instant::now();
    run()?;
    Ok(begun.elapsed())
}

/// Runs pairs after one to warm up, and prints both sides per event and their ratio.
fn compare(
    name: &str,
    events: usize,
    beside: &str,
    mut pair: impl FnMut() -> Result<(Duration, Duration), Box<dyn std::error::Error>>,
) -> Outcome {
    pair()?;
    let pairs = (0..PAIRS).map(|_| pair()).collect::<Result<Vec<_>, _>>()?;
    let per_event = |time: Duration| time.as_secs_f64() * 1e6 / events as f64;
    println!("{name}");
    println!("  journal            {} us an event", spread(pairs.iter().map(|(journal, _)| per_event(*journal))));
    println!("  {beside:18} {} us an event", spread(pairs.iter().map(|(_, bare)| per_event(*bare))));
    println!("  ratio              {}", spread(pairs.iter().map(|(journal, bare)| journal.div_duration_f64(*bare))));
    Ok(())
}

fn spread(values: impl Iterator<Item = f64>) -> String {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    format!("{:8.3} ({:.3}..{:.3})", values[values.len() / 2], values[0], values[values.len() - 1])
}
