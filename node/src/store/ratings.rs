//! The ratings on disk, in sled: the only file that touches it. In: envelopes by id and subject. Out: the same bytes.
//!
//! sled 0.34 is fast and does not deserve trust: it has been seen to panic on a file a crash left behind, and its flush
//! does not reach a disk that loses power. So what is kept here can be had again from the journal and the network; a
//! database that will not open is set aside and a fresh one begun; a flush ends with an fsync of our own. What must never
//! happen: that a database another process holds is taken for a broken one.
//!
//! One tree, so that a rating and its index entry are one atomic batch: `m"schema"` -> version, `r` id -> envelope,
//! `s` subject id -> nothing. Blocking: off the async threads.

use std::fs::{self, File};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::disk::{At, DiskError, ensure_dir, sync_dir};
use super::traits::{Ratings, RatingsError, StoredRating};
use crate::limits::{MAX_RATING, RATINGS_CACHE, RATINGS_LOCK_WAIT};

const SCHEMA_KEY: &[u8] = b"mschema";
const SCHEMA: &[u8] = b"1";
const RATING: u8 = b'r';
const SUBJECT: u8 = b's';
const ID: usize = 32;
const RATING_KEY: usize = 1 + ID;
const SUBJECT_KEY: usize = 1 + ID + ID;
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// Ratings in a sled database.
#[derive(Debug)]
pub struct SledRatings {
    db: sled::Db,
    dir: PathBuf,
    /// A second handle on sled's file, to fsync it.
    file: File,
    /// How many there are; held while one is added, so that looking and adding are one step.
    count: Mutex<u64>,
}

/// What opening the ratings found.
#[derive(Debug)]
pub struct Opened {
    /// The ratings.
    pub ratings: SledRatings,
    /// Where a database that could not be used is now. Then `ratings` is empty, to be filled from journal and network.
    pub set_aside: Option<PathBuf>,
}

/// Why one attempt to open failed.
enum Failure {
    Locked,
    /// The operating system or the disk refused; another database would fare no better.
    Environment(RatingsError),
    /// The same, as sled has it.
    Io(io::Error),
    Broken(String),
}

impl SledRatings {
    /// Opens or creates the database in `dir` and reads all of it once.
    ///
    /// Waits [`RATINGS_LOCK_WAIT`] for the lock: sled lets go of it a moment after the last handle was dropped, and a
    /// child that was just forked shares it until it runs its program.
    ///
    /// # Errors
    /// A database in use, or a disk that refuses. A broken database is no error: see [`Opened::set_aside`].
    pub fn open(dir: &Path) -> Result<Opened, RatingsError> {
        match Self::wait_open(dir) {
            Ok(ratings) => Ok(Opened { ratings, set_aside: None }),
            Err(Failure::Broken(why)) => {
                let aside = set_aside(dir)?;
                tracing::warn!(
                    database = %dir.display(), kept_as = %aside.display(), why,
                    "the ratings database could not be read; it is set aside and a new one is begun",
                );
                Ok(Opened { ratings: Self::open_whole(dir)?, set_aside: Some(aside) })
            }
            Err(failure) => Err(failure.into_error(dir)),
        }
    }

    /// Opens the database in `dir` as it is, or creates one; a broken one is an error.
    ///
    /// # Errors
    /// A database in use, a disk that refuses, or [`RatingsError::Store`] for one that is broken.
    pub fn open_whole(dir: &Path) -> Result<Self, RatingsError> {
        Self::wait_open(dir).map_err(|failure| failure.into_error(dir))
    }

    fn wait_open(dir: &Path) -> Result<Self, Failure> {
        let deadline = Instant::now() + RATINGS_LOCK_WAIT;
        loop {
            match Self::try_open(dir) {
                Err(Failure::Locked) if Instant::now() < deadline => thread::sleep(LOCK_RETRY),
                opened => return opened,
            }
        }
    }

    fn try_open(dir: &Path) -> Result<Self, Failure> {
        let path = dir.join("db");
        let existed = path.exists();
        ensure_dir(dir)?;
        // It panics on some files instead of saying that they are damaged (spacejam/sled #1410).
        let opened = catch_unwind(AssertUnwindSafe(|| {
            let db = sled::Config::new()
                .path(dir)
                .mode(sled::Mode::LowSpace)
                .cache_capacity(RATINGS_CACHE)
                // Only `flush` below counts; a thread that flushes on its own would add wear and no promise.
                .flush_every_ms(None)
                .open()?;
            let count = verify(&db, existed)?;
            Ok::<_, Failure>((db, count))
        }));
        let (db, count) = opened.unwrap_or_else(|_| Err(Failure::Broken("sled panicked".to_owned())))?;
        let file = File::open(&path).at(&path)?;
        let ratings = Self { db, dir: dir.to_owned(), file, count: Mutex::new(count) };
        if !existed {
            ratings.db.insert(SCHEMA_KEY, SCHEMA)?;
            let conf = dir.join("conf");
            File::open(&conf).and_then(|conf| conf.sync_all()).at(&conf)?;
            ratings.flush().map_err(Failure::Environment)?;
        }
        Ok(ratings)
    }

    fn counted(&self) -> MutexGuard<'_, u64> {
        // Nothing panics between a change and its count.
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads everything, so that damage shows now and not in the middle of a hire, and counts the ratings.
fn verify(db: &sled::Db, existed: bool) -> Result<u64, Failure> {
    let broken = |why: &str| Failure::Broken(why.to_owned());
    match db.get(SCHEMA_KEY)? {
        Some(schema) if schema == SCHEMA => {}
        Some(_) => return Err(broken("it was written by another version")),
        // A damaged file may open as an empty database.
        None if existed => return Err(broken("it does not hold its own version")),
        None => {}
    }
    let (mut ratings, mut indexed) = (0, 0);
    for entry in db.iter() {
        let (key, value) = entry?;
        match (key.first(), key.len()) {
            (Some(&RATING), RATING_KEY) if value.len() <= MAX_RATING => ratings += 1,
            (Some(&SUBJECT), SUBJECT_KEY) if db.contains_key(rating_key(&key[1 + ID..]))? => indexed += 1,
            _ if key == SCHEMA_KEY => {}
            _ => return Err(broken("it holds a key that is not ours")),
        }
    }
    if ratings == indexed { Ok(ratings) } else { Err(broken("its index does not match its ratings")) }
}

fn rating_key(id: &[u8]) -> Vec<u8> {
    [&[RATING], id].concat()
}

/// Moves the database in `dir` out of the way, and says where to.
///
/// # Errors
/// A disk that refuses.
pub fn set_aside(dir: &Path) -> Result<PathBuf, DiskError> {
    let aside = unused_name(dir);
    fs::rename(dir, &aside).at(dir)?;
    dir.parent().map_or(Ok(()), sync_dir)?;
    Ok(aside)
}

fn unused_name(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    let numbered = (1_u32..).map(|n| dir.with_file_name(format!("{name}.broken-{n}")));
    numbered.into_iter().find(|path| !path.exists()).expect("a directory does not hold four billion names")
}

impl Ratings for SledRatings {
    fn put(&self, id: [u8; 32], subject: [u8; 32], envelope: &[u8]) -> Result<bool, RatingsError> {
        if envelope.len() > MAX_RATING {
            return Err(RatingsError::Size(envelope.len()));
        }
        let key = rating_key(&id);
        let mut count = self.counted();
        if self.db.contains_key(&key)? {
            return Ok(false);
        }
        let mut batch = sled::Batch::default();
        batch.insert(key, envelope);
        batch.insert([&[SUBJECT][..], &subject, &id].concat(), &[]);
        self.db.apply_batch(batch)?;
        *count += 1;
        Ok(true)
    }

    fn remove(&self, id: [u8; 32], subject: [u8; 32]) -> Result<bool, RatingsError> {
        let key = rating_key(&id);
        let mut count = self.counted();
        if !self.db.contains_key(&key)? {
            return Ok(false);
        }
        let mut batch = sled::Batch::default();
        batch.remove(key);
        batch.remove([&[SUBJECT][..], &subject, &id].concat());
        self.db.apply_batch(batch)?;
        *count -= 1;
        Ok(true)
    }

    fn flush(&self) -> Result<(), RatingsError> {
        self.db.flush()?;
        // sled's flush is a sync_file_range: it writes no metadata and does not empty the disk's cache.
        self.file.sync_all().at(&self.dir.join("db"))?;
        sync_dir(&self.dir)?;
        Ok(())
    }

    fn get(&self, id: [u8; 32]) -> Result<Option<Vec<u8>>, RatingsError> {
        Ok(self.db.get(rating_key(&id))?.map(|envelope| envelope.to_vec()))
    }

    fn by_subject(&self, subject: [u8; 32], limit: usize) -> Result<Vec<StoredRating>, RatingsError> {
        let mut found = Vec::new();
        for entry in self.db.scan_prefix([&[SUBJECT][..], &subject].concat()).keys().take(limit) {
            let key = entry?;
            let id = key.last_chunk().copied().ok_or_else(|| RatingsError::Store("a key is too short".to_owned()))?;
            let envelope =
                self.get(id)?.ok_or_else(|| RatingsError::Store("an indexed rating is missing".to_owned()))?;
            found.push((id, envelope));
        }
        Ok(found)
    }

    fn count(&self) -> u64 {
        *self.counted()
    }

    fn iter(&self) -> Box<dyn Iterator<Item = Result<StoredRating, RatingsError>> + '_> {
        Box::new(self.db.scan_prefix([RATING]).map(|entry| {
            let (key, envelope) = entry?;
            let id = key.last_chunk().copied().ok_or_else(|| RatingsError::Store("a key is too short".to_owned()))?;
            Ok((id, envelope.to_vec()))
        }))
    }
}

impl From<sled::Error> for RatingsError {
    fn from(error: sled::Error) -> Self {
        Self::Store(error.to_string())
    }
}

impl Failure {
    fn into_error(self, dir: &Path) -> RatingsError {
        match self {
            Self::Locked => RatingsError::Locked(dir.to_owned()),
            Self::Environment(error) => error,
            Self::Io(source) => DiskError { path: dir.to_owned(), source }.into(),
            Self::Broken(why) => RatingsError::Store(why),
        }
    }
}

impl From<DiskError> for Failure {
    fn from(error: DiskError) -> Self {
        Self::Environment(error.into())
    }
}

impl From<sled::Error> for Failure {
    fn from(error: sled::Error) -> Self {
        match error {
            // sled gives this one no kind of its own.
            sled::Error::Io(io) if io.to_string().contains("could not acquire lock") => Self::Locked,
            // These two are how a file that ends too early or holds nonsense shows.
            sled::Error::Io(io) if !matches!(io.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData) => {
                Self::Io(io)
            }
            error => Self::Broken(error.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::MemoryRatings;
    use crate::wait::wait_until;

    fn id(n: u16) -> [u8; 32] {
        let mut id = [7; 32];
        id[..2].copy_from_slice(&n.to_be_bytes());
        id
    }

    fn fill(ratings: &dyn Ratings, n: u16) {
        for i in 0..n {
            assert!(ratings.put(id(i), id(i % 3), &[i as u8; 700]).unwrap());
        }
        ratings.flush().unwrap();
    }

    /// Waits until nobody writes to the database any more: a process that is just being forked shares the lock.
    fn until_let_go(dir: &Path) {
        wait_until("the lock to be free", || File::open(dir.join("db")).unwrap().try_lock().is_ok());
    }

    fn both(test: impl Fn(&dyn Ratings)) {
        let dir = tempfile::tempdir().unwrap();
        test(&SledRatings::open(&dir.path().join("ratings")).unwrap().ratings);
        test(&MemoryRatings::default());
    }

    #[test]
    fn ratings_are_kept_once_and_found_by_id_and_subject() {
        both(|ratings| {
            fill(ratings, 10);
            assert!(!ratings.put(id(4), id(9), b"another").unwrap(), "an id is kept once, as it first came");
            assert_eq!(ratings.get(id(4)).unwrap(), Some(vec![4; 700]));
            assert_eq!(ratings.get(id(10)).unwrap(), None);
            assert_eq!(ratings.count(), 10);
            let of_one = ratings.by_subject(id(1), 9).unwrap();
            assert_eq!(of_one.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [id(1), id(4), id(7)]);
            assert_eq!(ratings.by_subject(id(1), 2).unwrap().len(), 2);
            assert_eq!(ratings.by_subject(id(9), 2).unwrap(), []);
            let all: Result<Vec<_>, _> = ratings.iter().collect();
            assert_eq!(all.unwrap(), (0..10).map(|i| (id(i), vec![i as u8; 700])).collect::<Vec<_>>());
        });
    }

    #[test]
    fn a_rating_that_is_let_go_is_found_no_more() {
        both(|ratings| {
            fill(ratings, 6);
            assert!(ratings.remove(id(4), id(1)).unwrap());
            assert!(!ratings.remove(id(4), id(1)).unwrap());
            assert_eq!((ratings.count(), ratings.get(id(4)).unwrap()), (5, None));
            let of: Vec<_> = ratings.by_subject(id(1), 9).unwrap().into_iter().map(|(id, _)| id).collect();
            assert_eq!(of, [id(1)]);
        });
    }

    #[test]
    fn a_rating_has_a_size() {
        both(|ratings| {
            assert!(ratings.put(id(0), id(1), &[0; MAX_RATING]).unwrap());
            assert!(matches!(ratings.put(id(1), id(1), &[0; MAX_RATING + 1]), Err(RatingsError::Size(_))));
            assert_eq!(ratings.count(), 1);
        });
    }

    #[test]
    fn ratings_outlive_the_process_and_the_lock_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("ratings");
        fill(&SledRatings::open(&dir).unwrap().ratings, 100);
        for _ in 0..5 {
            let Opened { ratings, set_aside } = SledRatings::open(&dir).unwrap();
            assert_eq!((ratings.count(), set_aside), (100, None));
        }
    }

    #[test]
    fn a_database_in_use_is_not_taken_for_a_broken_one() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("ratings");
        let held = SledRatings::open(&dir).unwrap().ratings;
        assert!(matches!(SledRatings::try_open(&dir), Err(Failure::Locked)));
        fill(&held, 3);
    }

    #[test]
    fn a_damaged_database_is_set_aside_and_a_fresh_one_works() {
        type Damage = fn(&Path);
        let damages: [(&str, Damage); 5] = [
            ("db emptied", |dir| fs::write(dir.join("db"), []).unwrap()),
            ("db zeroed", |dir| fs::write(dir.join("db"), vec![0; 1 << 20]).unwrap()),
            ("db scribbled over", |dir| {
                let mut bytes = fs::read(dir.join("db")).unwrap();
                bytes.iter_mut().step_by(3).for_each(|byte| *byte = !*byte);
                fs::write(dir.join("db"), bytes).unwrap();
            }),
            ("conf garbled", |dir| fs::write(dir.join("conf"), b"segment_size: 77").unwrap()),
            ("another schema", |dir| {
                let other = SledRatings::open(dir).unwrap().ratings;
                other.db.insert(SCHEMA_KEY, b"2").unwrap();
                other.flush().unwrap();
            }),
        ];
        for (name, damage) in damages {
            let parent = tempfile::tempdir().unwrap();
            let dir = parent.path().join("ratings");
            fill(&SledRatings::open(&dir).unwrap().ratings, 300);
            until_let_go(&dir);
            damage(&dir);
            let Opened { ratings, set_aside } = SledRatings::open(&dir).unwrap();
            assert_eq!(set_aside, Some(parent.path().join("ratings.broken-1")), "{name}");
            assert_eq!(ratings.count(), 0, "{name}");
            fill(&ratings, 5);
            drop(ratings);
            assert_eq!(SledRatings::open(&dir).unwrap().ratings.count(), 5, "{name}");
        }
    }

    #[test]
    fn any_scribbled_byte_leaves_a_store_that_works_and_lies_about_no_rating() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("ratings");
        fill(&SledRatings::open(&dir).unwrap().ratings, 40);
        until_let_go(&dir);
        let sound: Vec<_> = ["db", "conf"].map(|name| (name, fs::read(dir.join(name)).unwrap())).into();
        for (name, bytes) in &sound {
            for at in (0..bytes.len().min(60_000)).step_by(bytes.len().min(60_000) / 12) {
                let parent = tempfile::tempdir().unwrap();
                let dir = parent.path().join("ratings");
                fs::create_dir(&dir).unwrap();
                for (name, bytes) in &sound {
                    fs::write(dir.join(name), bytes).unwrap();
                }
                let mut damaged = bytes.clone();
                damaged[at] ^= 0x55;
                fs::write(dir.join(name), damaged).unwrap();
                let Opened { ratings, .. } = SledRatings::open(&dir).unwrap();
                for entry in ratings.iter() {
                    let (found, envelope) = entry.unwrap();
                    let n = (0..40).find(|n| id(*n) == found).expect("a rating we wrote");
                    assert_eq!(envelope, [n as u8; 700], "{name} byte {at}");
                }
                ratings.put(id(99), id(0), b"new").unwrap();
                ratings.flush().unwrap();
            }
        }
    }
}
