//! What a data directory is after accidents, and after moving.

use std::collections::BTreeMap;
use std::fs;

use gigmesh_protocol::id::Id;
use gigmesh_protocol::market::{Award, Begin, BeginTerms, Judgement, Link, Permit, Scores};
use gigmesh_protocol::record::Beside;
use gigmesh_protocol::time::Timestamp;
use tempfile::TempDir;

use super::check::{Fault, Report};
use super::transfer::{Moved, Take};
use super::*;
use crate::store::blobs::BlobStore;
use crate::store::journal::Journal;
use crate::store::traits::Log as _;

const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ME: u8 = 1;
const MINE: u8 = 3;
const OTHERS: u8 = 5;

fn signer(n: u8) -> Signer {
    Signer::new(&[n; 32], Network::new("main"))
}

/// A rating of `subject` by `rater`, who hired it once; `n` tells hires apart.
pub(crate) fn rating(rater: u8, subject: u8, n: u8) -> Verified<Rating> {
    let (rater, subject) = (signer(rater), signer(subject));
    let id = Bytes32([n; 32]);
    let award = Award {
        day: 1,
        ext: Default::default(),
        slot: 0,
        claim: Id::from_bytes(id.0),
        nonce: id,
        round: 0,
        skill: "a/b".parse().unwrap(),
        terms: id,
        value: 0,
        worker: subject.agent(),
        replaces: None,
    };
    let award = rater.sign(&award);
    let link = Link { n: 0, at: NOW, prev: None, seen: id };
    let beside = Beside { body: BeginTerms { due: NOW, link }, salt: id };
    let begin = Begin { day: 1, ext: Default::default(), body: beside.commitment::<Begin>(), hire: award.id() };
    let begin = subject.sign_with(&begin, beside);
    let part = |bytes: &[u8]| bytes.to_vec().try_into().unwrap();
    let permit =
        Permit { award: part(award.envelope()), begin: part(begin.envelope()), receipt: None, countersign: None };
    rater.sign(&Rating {
        day: 1,
        ext: Default::default(),
        model: None,
        permit,
        opening: None,
        version: None,
        manifest: None,
        judgement: Judgement {
            hire: award.id(),
            skill: "a/b".parse().unwrap(),
            scores: Scores { quality: Some(900), ..Scores::default() },
            subject: subject.agent(),
        },
    })
}

fn put(ratings: &SledRatings, rating: &Verified<Rating>) {
    ratings.put(*rating.id().as_bytes(), rating.judgement.subject.0, rating.envelope()).unwrap();
}

/// Ratings of mine in the journal, and with others' in the database; one blob.
fn data() -> TempDir {
    let temp = tempfile::tempdir().unwrap();
    let dir = temp.path();
    identity::install(dir, &[ME; 32]).unwrap();
    let (mut journal, _) = Journal::open(&dir.join("journal"), |_, _| Ok(())).unwrap();
    let ratings = SledRatings::open_whole(&dir.join("ratings")).unwrap();
    for n in 0..MINE {
        let rating = rating(ME, 2, n);
        put(&ratings, &rating);
        journal.append(&Logged { at: NOW, event: Event::Rated { rating: rating.into() } }.encode()).unwrap();
        journal.commit().unwrap();
    }
    for n in 0..OTHERS {
        put(&ratings, &rating(3, 2, 100 + n));
    }
    ratings.flush().unwrap();
    BlobStore::open_dir(&dir.join("blobs"), 1 << 20).unwrap().put_reader(&b"a result"[..]).unwrap();
    temp
}

fn silent(_: &'static str, _: u64) {}

fn check(dir: &Path) -> Report {
    Offline::open(dir, "main").unwrap().check(NOW, &mut silent).unwrap()
}

fn import(dir: &Path, file: &Path, take: Take) -> Result<Moved, OfflineError> {
    Offline::create(dir, "main").unwrap().import(file, take, &mut silent)
}

fn export(dir: &Path, file: &Path) -> Result<Moved, OfflineError> {
    Offline::open(dir, "main").unwrap().export(file, true, NOW, &mut silent)
}

/// Every file of journal and blobs. (sled writes when it opens.)
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for part in ["journal", "blobs"] {
        for entry in fs::read_dir(dir.join(part)).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_file() {
                found.insert(path.clone(), fs::read(&path).unwrap());
            }
        }
    }
    found
}

fn only_file(dir: &Path) -> PathBuf {
    let mut files = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file());
    let file = files.next().unwrap();
    assert_eq!(files.next(), None);
    file
}

fn change(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_is_sound_is_found_sound_and_left_as_it_is() {
    let temp = data();
    let before = files(temp.path());
    let report = check(temp.path());
    assert_eq!(report.faults, []);
    assert_eq!((report.events, report.ratings, report.blobs), (MINE.into(), u64::from(MINE + OTHERS), 1));
    assert_eq!(report.agent, Some(signer(ME).agent()));
    assert_eq!(files(temp.path()), before);
}

#[test]
fn each_damage_is_found_and_its_remedy_named() {
    type Damage = fn(&Path);
    let damages: [(Damage, &str, &str); 8] = [
        (|dir| change(&only_file(&dir.join("journal")), 200), "is damaged at byte", "restore the journal"),
        (
            |dir| {
                let (mut journal, _) = Journal::open(&dir.join("journal"), |_, _| Ok(())).unwrap();
                journal.append(b"not an event").unwrap();
                journal.commit().unwrap();
            },
            "event 4 of the journal",
            "--network",
        ),
        (
            |dir| fs::write(dir.join("identity.key"), format!("{}\n", "07".repeat(32))).unwrap(),
            "is of agent",
            "put the key and the journal of one agent together",
        ),
        (|dir| fs::remove_file(dir.join("identity.key")).unwrap(), "no identity.key", "gigmesh id restore"),
        (|dir| fs::write(dir.join("identity.key"), "x").unwrap(), "is not a key", "does not start"),
        (
            |dir| {
                let (good, ratings) = (rating(3, 2, 99), SledRatings::open_whole(&dir.join("ratings")).unwrap());
                let mut forged = good.envelope().to_vec();
                let last = forged.len() - 1;
                forged[last] ^= 1;
                ratings.put(*good.id().as_bytes(), good.judgement.subject.0, &forged).unwrap();
                ratings.flush().unwrap();
            },
            "the signature does not verify",
            "gigmesh store rebuild",
        ),
        (|dir| fs::write(dir.join("ratings/db"), []).unwrap(), "cannot be read", "gigmesh store rebuild"),
        (|dir| change(&only_file(&dir.join("blobs")), 3), "does not hold what its name says", "remove it"),
    ];
    for (damage, what, remedy) in damages {
        let temp = data();
        damage(temp.path());
        let report = check(temp.path());
        let named = |fault: &Fault| fault.what.contains(what) && fault.remedy.contains(remedy);
        assert!(!report.faults.is_empty() && report.faults.iter().all(named), "{what}: {:?}", report.faults);
    }
}

#[test]
fn under_another_networks_name_nothing_verifies_and_faults_are_bounded() {
    let temp = data();
    let report = Offline::open(temp.path(), "lab").unwrap().check(NOW, &mut silent).unwrap();
    assert_eq!(report.faults.len() as u64 + report.more_faults, u64::from(2 * MINE + OTHERS));
}

#[test]
fn a_torn_tail_is_told_and_not_cut() {
    let temp = data();
    let journal = only_file(&temp.path().join("journal"));
    let bytes = fs::read(&journal).unwrap();
    fs::write(&journal, [&bytes[..], &[9; 30]].concat()).unwrap();
    let report = check(temp.path());
    assert_eq!(report.faults, []);
    assert!(report.notes[0].contains("30 bytes"), "{:?}", report.notes);
    assert_eq!(fs::read(&journal).unwrap().len(), bytes.len() + 30);
}

#[test]
fn a_directory_in_use_or_without_data_is_refused() {
    let temp = data();
    let held = Offline::open(temp.path(), "main").unwrap();
    assert!(matches!(Offline::open(temp.path(), "main"), Err(OfflineError::Lock(_))));
    drop(held);
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(Offline::open(empty.path(), "main"), Err(OfflineError::Nothing(_))));
    assert_eq!(fs::read_dir(empty.path()).unwrap().count(), 0);
}

#[test]
fn a_store_moves_whole() {
    let (from, to) = (data(), tempfile::tempdir().unwrap());
    let file = to.path().join("export");
    let dir = to.path().join("data");
    let moved = export(from.path(), &file).unwrap();
    assert_eq!((moved.events, moved.ratings, moved.blobs), (MINE.into(), u64::from(MINE + OTHERS), 1));
    assert_eq!(import(&dir, &file, Take::Everything).unwrap(), moved);
    let secret = identity::load(from.path()).unwrap();
    identity::install(&dir, &secret).unwrap();
    assert_eq!(check(&dir), check(from.path()));
    assert_eq!(owner_of(&dir).unwrap(), Some(signer(ME).agent()));
    assert!(!dir.join("journal.import").exists());
}

#[test]
fn an_export_never_replaces_a_file_and_is_for_its_owners_eyes() {
    use std::os::unix::fs::PermissionsExt as _;
    let (from, to) = (data(), tempfile::tempdir().unwrap());
    let file = to.path().join("export");
    fs::write(&file, "mine").unwrap();
    assert!(export(from.path(), &file).unwrap_err().to_string().contains("exists"));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
    fs::remove_file(&file).unwrap();
    export(from.path(), &file).unwrap();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    // One that fails half way leaves nothing.
    change(&only_file(&from.path().join("blobs")), 0);
    assert!(export(from.path(), &to.path().join("second")).is_err());
    assert_eq!(fs::read_dir(to.path()).unwrap().count(), 1);
}

#[test]
fn an_import_that_does_not_fit_changes_nothing() {
    let (from, to) = (data(), tempfile::tempdir().unwrap());
    let file = to.path().join("export");
    export(from.path(), &file).unwrap();
    let refused = |dir: &Path, file: &Path, why: &str| {
        let before = files(dir);
        let error = import(dir, file, Take::Everything).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert_eq!(files(dir), before);
        assert!(!dir.join("journal.import").exists());
    };
    refused(from.path(), &file, "has a journal already");
    let other = tempfile::tempdir().unwrap();
    identity::install(other.path(), &[9; 32]).unwrap();
    refused(other.path(), &file, "the key here is of");
    let fresh = tempfile::tempdir().unwrap();
    let error = Offline::create(fresh.path(), "lab").unwrap().import(&file, Take::Everything, &mut silent).unwrap_err();
    assert!(error.to_string().contains("--network"), "{error}");
    let bytes = fs::read(&file).unwrap();
    for (at, why) in [(bytes.len() / 2, "cut short"), (bytes.len() - 1, "cut short"), (10, "cut short")] {
        let cut = to.path().join("cut");
        fs::write(&cut, &bytes[..at]).unwrap();
        refused(fresh.path(), &cut, why);
    }
    for at in (0..bytes.len()).step_by(97) {
        let changed = to.path().join("changed");
        fs::write(&changed, &bytes).unwrap();
        change(&changed, at);
        assert!(import(fresh.path(), &changed, Take::Everything).is_err(), "byte {at}");
        assert!(!fresh.path().join("journal").exists());
    }
}

#[test]
fn ratings_alone_can_be_added_to_what_is_there() {
    let (from, here, to) = (data(), data(), tempfile::tempdir().unwrap());
    put(&SledRatings::open_whole(&from.path().join("ratings")).unwrap(), &rating(4, 2, 77));
    let file = to.path().join("export");
    export(from.path(), &file).unwrap();
    let before = files(here.path());
    let moved = import(here.path(), &file, Take::Ratings).unwrap();
    assert_eq!((moved.ratings, moved.events, moved.blobs), (1, 0, 0), "one was new");
    assert_eq!(files(here.path()), before);
    assert_eq!(check(here.path()).ratings, u64::from(MINE + OTHERS) + 1);
}

#[test]
fn a_forged_export_is_refused_though_its_hash_is_right() {
    use crate::store::bundle::{Head, Writer};
    let temp = tempfile::tempdir().unwrap();
    let file = temp.path().join("export");
    let head = Head { agent: signer(ME).agent(), at: NOW, network: gigmesh_protocol::codec::Text::fit("main") };
    let mut envelope = rating(ME, 2, 1).envelope().to_vec();
    let last = envelope.len() - 1;
    envelope[last] ^= 1;
    let event = |who: u8| Logged { at: NOW, event: Event::Rated { rating: rating(who, 2, 1).into() } }.encode();
    type Fill = Box<dyn Fn(&mut Writer<Vec<u8>>) -> std::io::Result<()>>;
    let mut broken = event(ME);
    let last = broken.len() - 1;
    broken[last] ^= 1;
    let (others, named) = (event(3), Bytes32([1; 32]));
    let forgeries: [(Fill, &str); 4] = [
        (Box::new(move |writer| writer.rating(&envelope)), "signature"),
        (Box::new(move |writer| writer.event(&others)), "of another agent"),
        (Box::new(move |writer| writer.event(&broken)), "signature"),
        (Box::new(move |writer| writer.blob(&named, 2, &mut &b"ab"[..])), "what its name says"),
    ];
    for (fill, why) in forgeries {
        let mut writer = Writer::new(Vec::new(), &head).unwrap();
        fill(&mut writer).unwrap();
        fs::write(&file, writer.finish().unwrap()).unwrap();
        let dir = temp.path().join("data");
        let error = import(&dir, &file, Take::Everything).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
        assert!(!dir.join("journal").exists() && !dir.join("ratings").exists());
    }
}

#[test]
fn rebuilding_brings_mine_from_the_journal_and_keeps_what_verifies() {
    let temp = data();
    let dir = temp.path().join("ratings");
    let ratings = SledRatings::open_whole(&dir).unwrap();
    ratings.put([9; 32], [2; 32], b"rubbish").unwrap();
    ratings.flush().unwrap();
    drop(ratings);
    let done = Offline::open(temp.path(), "main").unwrap().rebuild(&mut silent).unwrap();
    let aside = Some(temp.path().join("ratings.broken-1"));
    assert_eq!(done, Rebuilt { aside, mine: MINE.into(), kept: OTHERS.into(), lost: Some(1) });
    let report = check(temp.path());
    assert_eq!((report.faults, report.ratings), (Vec::new(), u64::from(MINE + OTHERS)));
}

#[test]
fn rebuilding_from_nothing_still_brings_mine() {
    let temp = data();
    fs::write(temp.path().join("ratings/db"), []).unwrap();
    let done = Offline::open(temp.path(), "main").unwrap().rebuild(&mut silent).unwrap();
    assert_eq!((done.mine, done.kept, done.lost), (MINE.into(), 0, None));
    fs::remove_dir_all(temp.path().join("ratings")).unwrap();
    let done = Offline::open(temp.path(), "main").unwrap().rebuild(&mut silent).unwrap();
    assert_eq!((done.aside, done.mine, done.lost), (None, MINE.into(), Some(0)));
    assert_eq!(check(temp.path()).faults, []);
}
