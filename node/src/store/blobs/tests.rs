use super::*;

const CHUNK: usize = CHUNK_BYTES;

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i / 251 + i) as u8).collect()
}

fn store(dir: &Path) -> BlobStore {
    BlobStore::open_dir(dir, 10 << 20).unwrap()
}

/// A blob in a store of its own, as the other side of a hire has it.
fn offered(length: usize) -> (tempfile::TempDir, BlobStore, BlobRef, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let (there, bytes) = (store(dir.path()), content(length));
    let blob = there.put_reader(&bytes[..]).unwrap();
    (dir, there, blob, bytes)
}

fn read(store: &BlobStore, root: Bytes32) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.open(root).unwrap().read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn a_blob_is_named_by_the_root_over_its_chunks() {
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 7] {
        let (_dir, store, blob, bytes) = offered(length);
        let leaves: Vec<_> = bytes.chunks(CHUNK).map(merkle::leaf).collect();
        assert_eq!(blob, BlobRef { root: Bytes32(merkle::root(&leaves)), size: length as u64 });
        assert_eq!(store.leaves(blob.root).unwrap(), leaves);
        assert_eq!(read(&store, blob.root), bytes);
        for (index, chunk) in bytes.chunks(CHUNK).enumerate() {
            assert_eq!(store.read_chunk(blob.root, index as u64).unwrap(), chunk);
        }
        let end = leaves.len() as u64;
        assert!(matches!(store.read_chunk(blob.root, end), Err(BlobError::NoChunk { .. })));
        assert!(matches!(store.read_chunk(blob.root, u64::MAX), Err(BlobError::NoChunk { .. })));
    }
}

#[test]
fn the_same_content_is_kept_and_counted_once() {
    let (_dir, store, blob, bytes) = offered(5_000);
    assert_eq!(store.put_reader(&bytes[..]).unwrap(), blob);
    assert_eq!(store.used(), 5_000);
}

#[test]
fn what_is_too_long_or_has_no_room_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let small = BlobStore::open_dir(dir.path(), 100_000).unwrap();
    small.put_reader(&content(60_000)[..]).unwrap();
    assert!(matches!(small.put_reader(&content(60_001)[..]), Err(BlobError::Quota { used: 60_000, .. })));
    let large = BlobStore::open_dir(dir.path(), u64::MAX).unwrap();
    assert!(matches!(large.fits(BLOB + 1), Err(BlobError::TooLarge(_))));
    let mut reserved = Reserved { store: &large, bytes: BLOB - 1 };
    assert!(reserved.grow(1).is_ok() && matches!(reserved.grow(1), Err(BlobError::TooLarge(_))));
    reserved.keep();
    large.release(1);
    let endless = BlobRef { root: Bytes32([1; 32]), size: BLOB + 1 };
    assert!(matches!(large.download(endless), Err(BlobError::TooLarge(_))));
    let big = BlobRef { root: Bytes32([1; 32]), size: 60_000 };
    assert!(matches!(small.download(big), Err(BlobError::Quota { .. })));
    assert_eq!((small.used(), large.used()), (60_000, 60_000));
    assert_eq!(fs::read_dir(dir.path().join("partial")).unwrap().count(), 0);
}

#[test]
fn a_download_takes_chunks_in_any_order_and_only_the_right_ones() {
    let (_there, there, blob, bytes) = offered(3 * CHUNK + 100);
    let dir = tempfile::tempdir().unwrap();
    let here = store(dir.path());
    let mut download = here.download(blob).unwrap();
    assert!(matches!(here.download(blob), Err(BlobError::Busy(_))));
    assert!(matches!(download.put_chunk(0, &bytes[..CHUNK]), Err(BlobError::Incomplete(..))));
    let leaves = there.leaves(blob.root).unwrap();
    assert!(download.set_leaves(leaves[..3].to_vec()).is_err());
    assert!(download.needs_leaves());
    download.set_leaves(leaves).unwrap();
    for index in [3, 1, 0] {
        let chunk = there.read_chunk(blob.root, index).unwrap();
        assert!(matches!(download.put_chunk(index ^ 2, &chunk), Err(BlobError::Mismatch(..))));
        download.put_chunk(index, &chunk).unwrap();
    }
    assert!(matches!(download.put_chunk(4, b""), Err(BlobError::NoChunk { .. })));
    assert_eq!(download.missing().collect::<Vec<_>>(), [2]);
    assert!(here.path_of(blob.root).is_none(), "it has no name before it is whole");
    download.put_chunk(2, &there.read_chunk(blob.root, 2).unwrap()).unwrap();
    assert_eq!(download.finish().unwrap(), blob);
    assert_eq!(read(&here, blob.root), bytes);
    assert_eq!(here.used(), blob.size);
    assert_eq!(fs::read_dir(dir.path().join("partial")).unwrap().count(), 0);
    assert_eq!(here.download(blob).unwrap().missing().count(), 0, "a blob that is here needs nothing");
}

#[test]
fn a_fetch_that_was_broken_off_goes_on_without_reading_what_it_has() {
    let (_there, there, blob, _) = offered(4 * CHUNK + 1);
    let dir = tempfile::tempdir().unwrap();
    let here = store(dir.path());
    let mut download = here.download(blob).unwrap();
    assert_eq!(download.held(), 0);
    download.set_leaves(there.leaves(blob.root).unwrap()).unwrap();
    for (index, held) in [(1, CHUNK as u64), (4, CHUNK as u64 + 1)] {
        download.put_chunk(index, &there.read_chunk(blob.root, index).unwrap()).unwrap();
        assert_eq!(download.held(), held);
    }
    // Were it read, this would show.
    download.file.as_ref().unwrap().write_all_at(b"torn", CHUNK as u64).unwrap();
    drop(download);
    let download = here.download(blob).unwrap();
    assert!(!download.needs_leaves());
    assert_eq!(download.missing().collect::<Vec<_>>(), [0, 2, 3]);
    drop(download);
    fs::remove_file(dir.path().join("partial").join(format!("{}.part", blob.root))).unwrap();
    assert_eq!(here.download(blob).unwrap().missing().count(), 5, "what is gone is not remembered");
}

#[test]
fn a_download_survives_a_restart_and_trusts_nothing_on_disk() {
    let (_there, there, blob, _) = offered(4 * CHUNK);
    let dir = tempfile::tempdir().unwrap();
    let mut download = store(dir.path()).download(blob).unwrap();
    download.set_leaves(there.leaves(blob.root).unwrap()).unwrap();
    for index in [0, 1, 3] {
        download.put_chunk(index, &there.read_chunk(blob.root, index).unwrap()).unwrap();
    }
    // A crash let chunk 1 reach the disk in part only.
    download.file.as_ref().unwrap().write_all_at(b"torn", CHUNK as u64).unwrap();
    drop(download);

    let here = store(dir.path());
    assert_eq!(here.used(), blob.size);
    let mut download = here.download(blob).unwrap();
    assert!(!download.needs_leaves());
    assert_eq!(download.missing().collect::<Vec<_>>(), [1, 2]);
    for index in [1, 2] {
        download.put_chunk(index, &there.read_chunk(blob.root, index).unwrap()).unwrap();
    }
    download.finish().unwrap();
    assert!(here.leaves(blob.root).is_ok());
    assert_eq!(here.used(), blob.size);
}

#[test]
fn a_wrong_length_never_completes_and_a_right_one_begins_afresh() {
    let (_there, there, blob, bytes) = offered(CHUNK + 10);
    let dir = tempfile::tempdir().unwrap();
    let here = store(dir.path());
    let mut lied = here.download(BlobRef { size: blob.size + 1, ..blob }).unwrap();
    lied.set_leaves(there.leaves(blob.root).unwrap()).unwrap();
    lied.put_chunk(0, &bytes[..CHUNK]).unwrap();
    assert!(lied.put_chunk(1, &bytes[CHUNK..]).is_err());
    assert!(matches!(lied.finish(), Err(BlobError::Incomplete(1, _))));
    let mut download = here.download(blob).unwrap();
    assert_eq!(here.used(), blob.size);
    for index in 0..2 {
        download.put_chunk(index, &there.read_chunk(blob.root, index).unwrap()).unwrap();
    }
    download.finish().unwrap();
}

#[test]
fn an_empty_blob_needs_no_chunk_but_the_right_name() {
    let (_there, _, blob, _) = offered(0);
    let dir = tempfile::tempdir().unwrap();
    let here = store(dir.path());
    here.download(blob).unwrap().finish().unwrap();
    assert_eq!(read(&here, blob.root), b"");
    assert!(here.download(BlobRef { root: Bytes32([9; 32]), size: 0 }).is_err());
}

#[test]
fn a_blob_the_disk_changed_is_noticed() {
    let (_dir, store, blob, mut bytes) = offered(2 * CHUNK);
    bytes[CHUNK] ^= 1;
    fs::write(store.path(blob.root), bytes).unwrap();
    assert!(matches!(store.leaves(blob.root), Err(BlobError::Mismatch(..))));
}

#[test]
fn a_blob_the_disk_changed_is_given_to_nobody_and_may_come_again() {
    type Read = fn(&BlobStore, Bytes32) -> Result<(), BlobError>;
    let reads: [(&str, Read); 4] = [
        ("a chunk that is sound", |store, root| store.read_chunk(root, 0).map(drop)),
        ("the chunk", |store, root| store.read_chunk(root, 1).map(drop)),
        ("all", |store, root| store.open_checked(root).map(drop)),
        ("the leaves", |store, root| store.check(root).map(drop)),
    ];
    for (what, read) in reads {
        let (dir, _, blob, mut bytes) = offered(2 * CHUNK);
        // Of what it has put itself, a store need not look at more than it reads.
        let store = store(dir.path());
        bytes[CHUNK] ^= 1;
        fs::write(store.path(blob.root), &bytes).unwrap();
        assert!(matches!(read(&store, blob.root), Err(BlobError::Damaged(root)) if root == blob.root), "{what}");
        assert!(matches!(read(&store, blob.root), Err(BlobError::Missing(_))), "{what}");
        let aside = dir.path().join(format!("{}.damaged", blob.root));
        assert!(fs::read(&aside).unwrap() == bytes, "{what}: nothing is thrown away");
        assert_eq!(store.put_reader(&content(2 * CHUNK)[..]).unwrap(), blob);
        read(&store, blob.root).unwrap();
        let used = 2 * blob.size;
        assert_eq!((store.used(), self::store(dir.path()).used()), (used, used), "it takes room until it is removed");
        store.gc(&|_| false, Duration::ZERO).unwrap();
        assert_eq!((store.used(), aside.exists()), (0, false), "{what}");
    }
}

#[test]
fn a_chunk_that_changes_while_its_blob_is_served_is_noticed_and_replaced() {
    let (_dir, store, blob, mut bytes) = offered(2 * CHUNK);
    assert_eq!(store.read_chunk(blob.root, 1).unwrap(), bytes[CHUNK..]);
    bytes[CHUNK] ^= 1;
    fs::write(store.path(blob.root), &bytes).unwrap();
    assert_eq!(store.read_chunk(blob.root, 0).unwrap(), bytes[..CHUNK]);
    let good = content(2 * CHUNK);
    assert_eq!(store.put_reader(&good[..]).unwrap(), blob, "what is there under the name is looked at");
    assert_eq!(store.read_chunk(blob.root, 1).unwrap(), good[CHUNK..]);
    fs::write(store.path(blob.root), &bytes).unwrap();
    assert!(matches!(store.read_chunk(blob.root, 1), Err(BlobError::Damaged(_))));
    assert_eq!(store.download(blob).unwrap().missing().count(), 2, "and fetched anew");
}

#[test]
fn gc_removes_what_nobody_wants_and_nothing_that_is_being_fetched() {
    let dir = tempfile::tempdir().unwrap();
    let here = store(dir.path());
    let [a, b] = [1_000, 2_000].map(|length| here.put_reader(&content(length)[..]).unwrap());
    let wanted = here.download(BlobRef { root: Bytes32([1; 32]), size: 300 }).unwrap();
    drop(here.download(BlobRef { root: Bytes32([2; 32]), size: 400 }).unwrap());
    assert_eq!(here.gc(&|_| false, Duration::from_secs(3_600)).unwrap(), 0, "all of it is young");
    assert_eq!(here.gc(&|root| *root == a.root, Duration::ZERO).unwrap(), 2_400);
    assert_eq!(here.used(), 1_300);
    assert!(here.open(a.root).is_ok());
    assert!(matches!(here.open(b.root), Err(BlobError::Missing(_))));
    drop(wanted);
    assert_eq!(here.gc(&|_| false, Duration::ZERO).unwrap(), 1_300);
    assert_eq!(store(dir.path()).used(), 0);
}
