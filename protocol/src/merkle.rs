//! Merkle trees as RFC 6962 section 2.1 (Certificate Transparency) has them, over SHA-256. They name blobs: a
//! leaf is a chunk. Pure: hashes in, hashes out; the caller bounds the number of leaves.
//!
//! Leaves and nodes are hashed under different prefixes, so that no node passes for a leaf. A root does not tell the
//! number of its leaves: where that matters it is agreed beside the root.

use sha2::{Digest, Sha256};

/// What a blob is cut into; only the last chunk may be shorter, and an empty blob has none.
pub const CHUNK_BYTES: usize = 256 << 10;

/// A node or leaf of a tree.
pub type Hash = [u8; 32];

/// The hash of a leaf: `SHA-256(0x00 || bytes)`.
pub fn leaf(bytes: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(bytes).finalize().into()
}

/// The root over `leaves`, in their order; that of no leaves is the SHA-256 of nothing.
pub fn root(leaves: &[Hash]) -> Hash {
    let mut builder = RootBuilder::default();
    leaves.iter().for_each(|leaf| builder.push(*leaf));
    builder.root()
}

fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// A root over leaves that come one by one, in memory that grows with the logarithm of their number.
#[derive(Debug, Clone, Default)]
pub struct RootBuilder {
    /// The roots of perfect subtrees, largest first: one for each bit set in `count`.
    subtrees: Vec<Hash>,
    count: u64,
}

impl RootBuilder {
    /// Adds the next leaf's hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut hash = leaf;
        // Each bit that carries joins two subtrees of one size.
        for _ in 0..self.count.trailing_ones() {
            let left = self.subtrees.pop().expect("one subtree for each bit set in count");
            hash = node(&left, &hash);
        }
        self.subtrees.push(hash);
        self.count += 1;
    }

    /// How many leaves were added.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The root over the leaves so far.
    pub fn root(&self) -> Hash {
        let mut smallest_first = self.subtrees.iter().rev().copied();
        let Some(smallest) = smallest_first.next() else { return Sha256::digest([]).into() };
        smallest_first.fold(smallest, |right, left| node(&left, &right))
    }
}

/// The audit path of leaf `index` (RFC 6962 section 2.1.1), from the leaf's sibling up; `None` if there is no such leaf.
pub fn prove(leaves: &[Hash], index: usize) -> Option<Vec<Hash>> {
    let (mut tree, mut index) = ((index < leaves.len()).then_some(leaves)?, index);
    let mut path = Vec::new();
    while tree.len() > 1 {
        let (left, right) = tree.split_at(split(tree.len()));
        if index < left.len() {
            path.push(root(right));
            tree = left;
        } else {
            path.push(root(left));
            index -= left.len();
            tree = right;
        }
    }
    path.reverse();
    Some(path)
}

/// Whether `path` shows that `leaf` is leaf `index` of the `count` leaves under `root` (RFC 9162 section 2.1.3.2).
pub fn verify(root: &Hash, leaf: &Hash, index: u64, count: u64, path: &[Hash]) -> bool {
    if index >= count {
        return false;
    }
    let (mut at, mut last, mut hash) = (index, count - 1, *leaf);
    for sibling in path {
        if last == 0 {
            return false;
        }
        if at % 2 == 1 || at == last {
            hash = node(sibling, &hash);
            // At the right edge of an incomplete tree there are levels without a sibling.
            let levels = at.trailing_zeros();
            (at, last) = (at >> levels, last >> levels);
        } else {
            hash = node(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    last == 0 && hash == *root
}

/// The largest power of two below `n`, which is at least 2.
fn split(n: usize) -> usize {
    1 << (n - 1).ilog2()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(hash: Hash) -> String {
        crate::id::Bytes32(hash).to_string()
    }

    /// RFC 6962's definition, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Sha256::digest([]).into(),
            [one] => *one,
            many => {
                let (left, right) = many.split_at(split(many.len()));
                node(&by_definition(left), &by_definition(right))
            }
        }
    }

    #[test]
    fn roots_are_those_of_certificate_transparency() {
        // The inputs and roots of the reference implementation's tests (google/certificate-transparency, merkletree).
        let inputs: [&[u8]; 8] = [
            &[],
            &[0x00],
            &[0x10],
            &[0x20, 0x21],
            &[0x30, 0x31],
            &[0x40, 0x41, 0x42, 0x43],
            &[0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57],
            b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
        ];
        let roots = [
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
        ];
        let leaves = inputs.map(leaf);
        for (count, expected) in roots.into_iter().enumerate() {
            assert_eq!(hex(root(&leaves[..count])), expected, "{count} leaves");
        }
    }

    #[test]
    fn a_leaf_is_in_its_own_place_only() {
        for count in 1..20_u8 {
            let leaves: Vec<_> = (0..count).map(|n| leaf(&[n])).collect();
            let root = root(&leaves);
            for index in 0..count {
                let path = prove(&leaves, index.into()).unwrap();
                for (claimed, leaf) in (0..).zip(&leaves) {
                    let proven = verify(&root, leaf, claimed, count.into(), &path);
                    assert_eq!(proven, claimed == u64::from(index), "{claimed} by the proof of {index} of {count}");
                }
                assert!(!verify(&root, &leaves[0], count.into(), count.into(), &path));
            }
            assert_eq!(prove(&leaves, count.into()), None);
        }
    }

    proptest! {
        #[test]
        fn a_root_built_leaf_by_leaf_is_the_defined_one(leaves in prop::collection::vec(any::<Hash>(), 0..70)) {
            prop_assert_eq!(root(&leaves), by_definition(&leaves));
        }

        #[test]
        fn a_changed_proof_proves_nothing(
            leaves in prop::collection::vec(any::<Hash>(), 2..70),
            at in any::<prop::sample::Index>(),
            bit in any::<prop::sample::Index>(),
        ) {
            let (root, index) = (root(&leaves), at.index(leaves.len()));
            let (leaf, place, count) = (&leaves[index], index as u64, leaves.len() as u64);
            let mut path = prove(&leaves, index).unwrap();
            prop_assert!(verify(&root, leaf, place, count, &path));
            let bit = bit.index(path.len() * 256);
            path[bit / 256][bit / 8 % 32] ^= 1 << (bit % 8);
            prop_assert!(!verify(&root, leaf, place, count, &path));
            path[bit / 256][bit / 8 % 32] ^= 1 << (bit % 8);
            prop_assert!(!verify(&root, leaf, place, count, &path[1..]));
            path.push(root);
            prop_assert!(!verify(&root, leaf, place, count, &path));
        }

        #[test]
        fn verifying_anything_does_not_panic(index: u64, count: u64, path in prop::collection::vec(any::<Hash>(), 0..70)) {
            prop_assert!(!verify(&[0; 32], &[1; 32], index, count, &path));
        }
    }
}
