//! What a crash, a bad disk and a kill in the middle of a compaction may do to a journal, and what it must not.

use std::path::Path;
use std::{fs, io};

use gigmesh_protocol::id::Bytes32;
use gigmesh_protocol::peer::event::Filed;
use gigmesh_protocol::record::Network;
use proptest::prelude::*;

use super::*;

type Numbered = (u64, Vec<u8>);

fn open(dir: &Path) -> Result<(Journal, Vec<Numbered>, Report), LogError> {
    let mut events = Vec::new();
    let (journal, report) = Journal::open(dir, |sequence, event| {
        events.push((sequence, event.to_owned()));
        Ok(())
    })?;
    assert_eq!(report.events, events.len() as u64);
    Ok((journal, events, report))
}

fn bodies(events: Vec<Numbered>) -> Vec<Vec<u8>> {
    events.into_iter().map(|(_, body)| body).collect()
}

/// A journal with the given commits, and its only segment's path.
fn written(dir: &Path, commits: &[Vec<Vec<u8>>]) -> PathBuf {
    let (mut journal, ..) = open(dir).unwrap();
    for commit in commits {
        for event in commit {
            journal.append(event).unwrap();
        }
        journal.commit().unwrap();
    }
    journal.active.segment.path.clone()
}

/// Events `1..=n` as decimal text, `per_segment` to a segment.
fn numbered(dir: &Path, n: u64, per_segment: u64) -> Journal {
    let (mut journal, ..) = open(dir).unwrap();
    for i in 1..=n {
        assert_eq!(journal.append(i.to_string().as_bytes()).unwrap(), i);
        if i % per_segment == 0 {
            journal.commit().unwrap();
            journal.rotate().unwrap();
        }
    }
    journal.commit().unwrap();
    journal
}

fn number(event: &[u8]) -> u64 {
    std::str::from_utf8(event).unwrap().parse().unwrap()
}

fn flip(path: &Path, bit: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[bit / 8] ^= 1 << (bit % 8);
    fs::write(path, bytes).unwrap();
}

/// All files below `dir` with their contents.
fn files(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push((path.clone(), fs::read(path).unwrap()));
        }
    }
    found.sort();
    found
}

fn commits() -> impl Strategy<Value = Vec<Vec<Vec<u8>>>> {
    let event = prop::collection::vec(any::<u8>(), 1..40);
    prop::collection::vec(prop::collection::vec(event, 1..4), 1..5)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_prefix_of_the_last_segment_recovers_exactly_its_whole_events(commits in commits(), at in any::<prop::sample::Index>()) {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), &commits);
        let all = commits.concat();
        let bytes = fs::read(&path).unwrap();
        let keep = at.index(bytes.len() + 1);
        fs::write(&path, &bytes[..keep]).unwrap();

        let mut end = HEADER;
        let whole = all.iter().take_while(|event| { end += ENTRY_HEAD + event.len(); end <= keep }).count();
        let (mut journal, events, report) = open(dir.path()).unwrap();
        prop_assert_eq!(bodies(events), &all[..whole]);
        prop_assert_eq!(report.next, whole as u64 + 1);

        // It goes on where it was cut, and the cut is made once.
        journal.append(b"after").unwrap();
        journal.commit().unwrap();
        drop(journal);
        let (_, events, report) = open(dir.path()).unwrap();
        prop_assert_eq!(events.last(), Some(&(whole as u64 + 1, b"after".to_vec())));
        prop_assert_eq!(report.cut, None);
    }

    #[test]
    fn a_flipped_bit_in_the_last_commit_is_cut_off_and_one_before_it_is_an_error(commits in commits(), at in any::<prop::sample::Index>()) {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path(), &commits);
        let all = commits.concat();
        let bytes = fs::read(&path).unwrap();
        let bit = at.index(bytes.len() * 8);
        flip(&path, bit);

        let mut ends = all.iter().scan(HEADER, |end, event| { *end += ENTRY_HEAD + event.len(); Some(*end) });
        let hit = ends.position(|end| bit / 8 < end).unwrap();
        let before_last: usize = commits[..commits.len() - 1].iter().map(Vec::len).sum();
        match open(dir.path()) {
            Ok((_, events, report)) => {
                prop_assert!(bit / 8 >= HEADER);
                prop_assert!(hit >= before_last, "event {} was committed and cut off", hit + 1);
                prop_assert_eq!(bodies(events), &all[..hit]);
                prop_assert!(report.cut.is_some());
            }
            Err(LogError::Damaged { offset, .. }) => {
                prop_assert!(hit < before_last || bit / 8 < HEADER);
                prop_assert!(offset as usize <= bit / 8);
                let mut damaged = bytes;
                damaged[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(fs::read(&path).unwrap(), damaged, "nothing is changed");
            }
            Err(other) => prop_assert!(false, "{}", other),
        }
    }
}

#[test]
fn an_event_of_a_peer_cannot_pass_for_a_later_commit() {
    // A record holding a copy of a whole journal entry, as a peer may send that once saw our file format.
    let salt = Salt::random().unwrap();
    let mut forged = Vec::new();
    for sequence in 1..4 {
        salt.push(&mut forged, GROUP, sequence, b"forged");
    }
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), &[vec![forged]]);
    let bytes = fs::read(&path).unwrap();
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    assert!(open(dir.path()).unwrap().2.cut.is_some());
}

#[test]
fn zeros_after_the_last_commit_are_a_torn_tail() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), &[vec![b"one".to_vec()]]);
    let mut bytes = fs::read(&path).unwrap();
    let length = bytes.len() as u64;
    bytes.resize(bytes.len() + 5_000, 0);
    fs::write(&path, bytes).unwrap();
    let (_, events, report) = open(dir.path()).unwrap();
    assert_eq!(events.len(), 1);
    assert_eq!(report.cut, Some(Cut { path: path.clone(), offset: length, bytes: 5_000 }));
    assert_eq!(fs::metadata(path).unwrap().len(), length);
}

#[test]
fn damage_in_a_closed_segment_or_a_missing_one_is_an_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    drop(numbered(dir.path(), 10, 3));
    let second = segment_path(dir.path(), 4);
    let sound = fs::read(&second).unwrap();
    for bad in [&sound[..sound.len() - 1], &sound[..HEADER + 3], &[]] {
        fs::write(&second, bad).unwrap();
        let before = files(dir.path());
        let Err(LogError::Damaged { path, .. }) = open(dir.path()) else { panic!("a damaged segment was accepted") };
        assert!(path == second || path == segment_path(dir.path(), 7));
        assert_eq!(files(dir.path()), before);
    }
    for missing in [1, 4, 7, 10] {
        fs::write(&second, &sound).unwrap();
        let path = segment_path(dir.path(), missing);
        let bytes = fs::read(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let opened = open(dir.path());
        // Without its last segment a journal ends one segment earlier; rotation made the new file durable before use,
        // so this needs a hand that deletes files.
        assert_eq!(opened.is_err(), missing != 10, "segment {missing}");
        drop(opened);
        fs::write(path, bytes).unwrap();
    }
}

#[test]
fn after_a_failed_write_nothing_is_taken_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, ..) = open(dir.path()).unwrap();
    journal.append(b"kept").unwrap();
    journal.commit().unwrap();
    let read_only = File::open(&journal.active.segment.path).unwrap();
    let writable = std::mem::replace(&mut journal.active.file, read_only);
    journal.append(b"lost").unwrap();
    assert!(matches!(journal.commit(), Err(LogError::Disk(_))));
    journal.active.file = writable;
    assert!(matches!(journal.commit(), Err(LogError::Poisoned)), "an fsync is never tried again");
    assert!(matches!(journal.append(b"more"), Err(LogError::Poisoned)));
    assert!(matches!(journal.compact(|_| Keep::Live), Err(LogError::Poisoned)));
    drop(journal);
    assert_eq!(bodies(open(dir.path()).unwrap().1), [b"kept"]);
}

#[test]
fn what_was_appended_and_not_committed_is_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, ..) = open(dir.path()).unwrap();
    journal.append(b"said").unwrap();
    journal.commit().unwrap();
    journal.append(b"thought").unwrap();
    drop(journal);
    assert_eq!(bodies(open(dir.path()).unwrap().1), [b"said"]);
}

#[test]
fn events_have_a_size() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, ..) = open(dir.path()).unwrap();
    assert!(matches!(journal.append(&[]), Err(LogError::EventSize(0))));
    assert!(matches!(journal.append(&vec![0; MAX_EVENT + 1]), Err(LogError::EventSize(_))));
    journal.append(&vec![0; MAX_EVENT]).unwrap();
    journal.commit().unwrap();
    drop(journal);
    assert_eq!(open(dir.path()).unwrap().1.len(), 1);
}

#[test]
fn a_full_segment_is_followed_by_the_next_and_a_full_group_is_written_early() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, ..) = open(dir.path()).unwrap();
    for i in 0..20 {
        journal.append(&vec![i; MAX_EVENT]).unwrap();
        assert!(journal.pending.len() <= GROUP_BYTES);
    }
    journal.commit().unwrap();
    assert_eq!(journal.closed_segments(), 1);
    for (path, bytes) in files(dir.path()) {
        assert!(bytes.len() <= SEGMENT_BYTES, "{}", path.display());
    }
    drop(journal);
    let (_, events, report) = open(dir.path()).unwrap();
    assert_eq!(report.next, 21);
    assert!(events.iter().enumerate().all(|(i, (_, body))| body[0] == i as u8));
}

#[test]
fn a_reader_that_refuses_an_event_stops_the_opening_with_its_number() {
    let dir = tempfile::tempdir().unwrap();
    drop(numbered(dir.path(), 3, 9));
    let refused = Journal::open(dir.path(), |n, _| if n == 2 { Err("unknown kind".into()) } else { Ok(()) });
    assert!(matches!(refused, Err(LogError::Refused { sequence: 2, .. })));
}

fn judge(event: &[u8]) -> Keep {
    match number(event) % 3 {
        0 => Keep::Live,
        1 => Keep::Archive(Filed::default()),
        _ => Keep::Drop,
    }
}

fn archive(journal: &Journal) -> Vec<u64> {
    let mut events = Vec::new();
    journal.read_archive(|_, event| events.push(number(event))).unwrap();
    events
}

#[test]
fn compaction_keeps_live_events_under_their_numbers_and_moves_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut journal = numbered(dir.path(), 20, 4);
    journal.append(b"21").unwrap();
    let done = journal.compact(judge).unwrap();
    assert_eq!(done, Compacted { live: 6, archived: 7, dropped: 7 });
    assert_eq!(journal.append(b"22").unwrap(), 22);
    journal.commit().unwrap();
    drop(journal);

    let (mut journal, events, _) = open(dir.path()).unwrap();
    let live: Vec<_> = events.iter().map(|(sequence, event)| (*sequence, number(event))).collect();
    assert_eq!(live, [3, 6, 9, 12, 15, 18, 21, 22].map(|n| (n, n)));
    assert_eq!(archive(&journal), [1, 4, 7, 10, 13, 16, 19]);

    // Again, with everything closed by then: the archive grows, the gaps join.
    journal.rotate().unwrap();
    journal.compact(|event| if number(event) < 22 { Keep::Archive(Filed::default()) } else { Keep::Live }).unwrap();
    drop(journal);
    let (journal, events, _) = open(dir.path()).unwrap();
    assert_eq!(events, [(22, b"22".to_vec())]);
    assert_eq!(archive(&journal), [1, 4, 7, 10, 13, 16, 19, 3, 6, 9, 12, 15, 18, 21]);
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 4, "no file of an old generation is left");
}

#[test]
fn a_kill_at_any_step_of_a_compaction_leaves_the_old_or_the_new_state() {
    let mut outcomes = Vec::new();
    for killed_at in 0.. {
        let dir = tempfile::tempdir().unwrap();
        let mut journal = numbered(dir.path(), 10, 4);
        journal.compact(|event| if number(event) == 1 { Keep::Archive(Filed::default()) } else { Keep::Live }).unwrap();
        for n in 11..=13 {
            journal.append(n.to_string().as_bytes()).unwrap();
        }
        journal.commit().unwrap();
        journal.rotate().unwrap();

        let mut steps = 0;
        let compacted = journal.compact_in_steps(judge, &mut |path| {
            steps += 1;
            if steps > killed_at { Err(io::Error::other("killed")).at(path) } else { Ok(()) }
        });
        drop(journal);
        let (mut journal, events, _) = open(dir.path()).unwrap();
        let live: Vec<_> = events.iter().map(|(sequence, event)| (*sequence, number(event))).collect();
        let new = live.len() < 12;
        if new {
            assert_eq!(live, [3, 6, 9, 12].map(|n| (n, n)));
            assert_eq!(archive(&journal), [1, 4, 7, 10, 13]);
        } else {
            assert_eq!(live, (2..=13).map(|n| (n, n)).collect::<Vec<_>>());
            assert_eq!(archive(&journal), [1]);
        }
        outcomes.push(new);

        // Whatever was left half done is not in the way.
        assert_eq!(journal.append(b"14").unwrap(), 14);
        journal.compact(judge).unwrap();
        drop(journal);
        let (journal, events, _) = open(dir.path()).unwrap();
        assert_eq!(bodies(events), [&b"3"[..], b"6", b"9", b"12", b"14"]);
        assert_eq!(archive(&journal), [1, 4, 7, 10, 13]);
        if compacted.is_ok() {
            break;
        }
    }
    assert!(outcomes.len() > 5 && outcomes.is_sorted() && outcomes.last() == Some(&true), "{outcomes:?}");
}

#[test]
fn a_damaged_manifest_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    numbered(dir.path(), 10, 4).compact(judge).unwrap();
    for bit in 0..(fs::metadata(dir.path().join("manifest")).unwrap().len() as usize) * 8 {
        flip(&dir.path().join("manifest"), bit);
        assert!(matches!(open(dir.path()), Err(LogError::Damaged { .. })), "bit {bit}");
        flip(&dir.path().join("manifest"), bit);
    }
    open(dir.path()).unwrap();
}

#[test]
fn reading_changes_nothing_and_finds_what_opening_finds() {
    let dir = tempfile::tempdir().unwrap();
    let path = written(dir.path(), &[vec![b"one".to_vec()], vec![b"two".to_vec()]]);
    let torn = [&fs::read(&path).unwrap()[..], &[7; 9]].concat();
    fs::write(&path, &torn).unwrap();
    let read = |dir: &Path| {
        let mut events = Vec::new();
        Journal::read(dir, |_, event| {
            events.push(event.to_owned());
            Ok(())
        })
        .map(|report| (report, events))
    };
    let (report, events) = read(dir.path()).unwrap();
    assert_eq!(fs::read(&path).unwrap(), torn);
    let (_, opened, same) = open(dir.path()).unwrap();
    assert_eq!((report, events), (same, bodies(opened)));
    assert_eq!(read(dir.path()).unwrap().0.cut, None, "opening cut it");
    let missing = dir.path().join("nowhere");
    assert_eq!(read(&missing).unwrap().0.events, 0);
    assert!(!missing.exists());
}

#[test]
fn an_imported_journal_is_there_whole_or_not_at_all() {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path().join("journal");
    let fill = |importer: &mut Importer| {
        (1..=3).for_each(|n| importer.archived(format!("old {n}").as_bytes(), &Filed::default()).unwrap());
        (1..=4).for_each(|n| importer.live(format!("{n}").as_bytes()).unwrap());
    };
    let mut dropped = Importer::new(&dir).unwrap();
    fill(&mut dropped);
    drop(dropped);
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0, "one that is given up leaves nothing");
    let mut importer = Importer::new(&dir).unwrap();
    fill(&mut importer);
    importer.finish().unwrap();
    let mut archived = Vec::new();
    Journal::read_archive_in(&dir, |number, event| {
        archived.push((number, event.to_owned()));
        Ok(())
    })
    .unwrap();
    assert_eq!(archived, [(1, b"old 1".to_vec()), (2, b"old 2".to_vec()), (3, b"old 3".to_vec())]);
    let (mut journal, events, report) = open(&dir).unwrap();
    assert_eq!(bodies(events), [b"1", b"2", b"3", b"4"]);
    assert_eq!(report.next, 5);
    // It goes on as any other: compaction adds to its archive.
    journal.append(b"5").unwrap();
    journal.commit().unwrap();
    journal.rotate().unwrap();
    journal.compact(|event| if number(event) < 3 { Keep::Archive(Filed::default()) } else { Keep::Live }).unwrap();
    drop(journal);
    let (journal, events, _) = open(&dir).unwrap();
    assert_eq!(bodies(events), [b"3", b"4", b"5"]);
    let mut archived = 0;
    journal.read_archive(|number, _| archived = number).unwrap();
    assert_eq!(archived, 5);
    drop(journal);
    let mut second = Importer::new(&dir).unwrap();
    second.live(b"other").unwrap();
    assert!(second.finish().is_err(), "no journal is ever replaced");
    assert_eq!(bodies(open(&dir).unwrap().1), [b"3", b"4", b"5"]);
}

#[test]
fn the_archive_is_searched_by_the_beginning_of_an_id_across_compactions() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, ..) = open(dir.path()).unwrap();
    let network = Network::new("test");
    // Two hires of each of two offers: `nm` is event m of hire n, and event 0 begins it.
    for hires in [["1", "2"], ["3", "4"]] {
        for (hire, n) in hires.iter().flat_map(|hire| (0..3).map(move |n| (hire, n))) {
            journal.append(format!("{hire}{n}").as_bytes()).unwrap();
        }
        journal.append(b"live").unwrap();
        journal.close_segment().unwrap();
        let filed = |event: &[u8]| {
            let (hire, begins) = (event[0] - b'0', event[1] == b'0');
            let offer = begins.then_some(Bytes32([0xa0 + hire.div_ceil(2); 32]));
            Filed { ids: [Bytes32([hire; 32])].into_iter().chain(offer).collect(), begins }
        };
        journal.compact(|event| if event == b"live" { Keep::Live } else { Keep::Archive(filed(event)) }).unwrap();
    }
    let archive = Archive::of(dir.path());
    let ids = |prefix: &str| archive.ids(prefix, &network).unwrap().into_iter().map(|id| id.0[0]).collect::<Vec<_>>();
    assert_eq!((ids("0101"), ids("03"), ids("a2a2a"), ids("09")), (vec![1], vec![3], vec![0xa2], vec![]));
    assert_eq!(ids("0"), [1, 2], "two are enough to know that there are several");
    let events = |id: u8| {
        let events = archive.events(&[Bytes32([id; 32])].into(), &network).unwrap();
        events.into_iter().map(|event| String::from_utf8(event).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(events(3), ["30", "31", "32"]);
    assert_eq!(events(0xa1), ["10", "20"], "an offer has what began its hires");
    let hires = |after: Option<u8>, limit| {
        let found = archive.hires(after.map(|id| Bytes32([id; 32])), limit, &network).unwrap();
        found.map(|ids| ids.into_iter().map(|id| id.0[0]).collect::<Vec<_>>())
    };
    assert_eq!(hires(None, 9), Some(vec![4, 3, 2, 1]));
    assert_eq!((hires(None, 3), hires(Some(2), 9)), (Some(vec![4, 3, 2]), Some(vec![1])));
    assert_eq!(hires(Some(9), 9), None, "that is no place in the archive");
    // What is changed on the disk is never passed off as whole.
    let file = dir.path().join("archive/00000000000000000001.log");
    let at = fs::read(&file).unwrap().windows(2).position(|bytes| bytes == b"11").unwrap();
    flip(&file, at * 8);
    assert!(matches!(archive.events(&[Bytes32([1; 32])].into(), &network), Err(LogError::Damaged { .. })));
    assert_eq!(events(2).len(), 3, "and what is whole is still found");
}

#[test]
fn a_journal_takes_events_while_it_is_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, ..) = open(dir.path()).unwrap();
    for n in 1..=4u8 {
        journal.append(&[n]).unwrap();
        if n % 2 == 0 {
            journal.close_segment().unwrap();
        }
    }
    let compaction = journal.compaction();
    journal.append(&[5]).unwrap();
    journal.close_segment().unwrap();
    journal.append(&[6]).unwrap();
    let odd = |event: &[u8]| if event[0] % 2 == 1 { Keep::Live } else { Keep::Archive(Filed::default()) };
    let asked = std::cell::Cell::new(0);
    let stop = || asked.replace(asked.get() + 1) < 1;
    assert!(journal.compaction().run(odd, stop).unwrap().is_none(), "it stops when it is told to");
    let prepared = compaction.run(odd, || true).unwrap().unwrap();
    journal.append(&[7]).unwrap();
    journal.commit().unwrap();
    let (done, leftovers) = journal.adopt(prepared).unwrap();
    leftovers.remove();
    assert_eq!((done.live, done.archived, journal.closed_segments()), (2, 2, 2));
    journal.append(&[8]).unwrap();
    journal.commit().unwrap();
    drop(journal);
    let (_, events, _) = open(dir.path()).unwrap();
    assert_eq!(bodies(events), [[1], [3], [5], [6], [7], [8]], "those of after its beginning are all there");
}
