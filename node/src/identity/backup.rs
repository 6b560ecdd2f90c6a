//! The key in a file that may be kept anywhere: sealed with a passphrase. In: the key and the passphrase. Out: a few lines of
//! JSON, and the way back. What must never happen: the key, or the passphrase, in a message, an argument or a log.
//!
//! `Argon2id` (RFC 9106, its second recommended choice: 3 passes over 64 MiB in 4 lanes) makes a key of passphrase and
//! salt, and `ChaCha20-Poly1305` (RFC 8439) seals with it. The salt is new each time, so that key seals once and its
//! nonce is zero. The agent's id is in clear, and bound to the rest.

use std::io;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{ChaCha20Poly1305, KeyInit, Nonce};
use gigmesh_protocol::codec::Bytes;
use gigmesh_protocol::id::AgentId;
use gigmesh_protocol::record::{Network, Signer};
use serde::{Deserialize, Serialize};

use crate::limits::{PASSPHRASE_MAX, PASSPHRASE_MIN};

const FORMAT: &str = "gigmesh-key/1";
/// KiB.
const MEMORY: u32 = 64 << 10;
const PASSES: u32 = 3;
const LANES: u32 = 4;
const SALT: usize = 16;
/// The key and the seal's tag.
const SEALED: usize = 32 + 16;

/// A sealed key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backup {
    format: String,
    /// Whose key it is.
    pub agent: AgentId,
    salt: Bytes<SALT>,
    sealed: Bytes<SEALED>,
}

/// Why there is no key, or no backup.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// A passphrase that does not protect.
    #[error("a passphrase has {PASSPHRASE_MIN} to {PASSPHRASE_MAX} bytes, this one has {0}")]
    Passphrase(usize),
    /// Something else, or of a later version.
    #[error("it is not a key's backup of this version")]
    Format,
    /// The seal does not open.
    #[error("the passphrase is not the one it was made with, or the file was changed")]
    Sealed,
    /// No randomness, or no memory for the derivation.
    #[error("cannot {0}: {1}")]
    System(&'static str, io::Error),
}

/// Who signs with this key.
pub fn agent_of(secret: &[u8; 32]) -> AgentId {
    // The network is no part of the key.
    Signer::new(secret, Network::new("")).agent()
}

impl Backup {
    /// Seals a key.
    ///
    /// # Errors
    /// A passphrase that is too short or too long; no randomness.
    pub fn seal(secret: &[u8; 32], passphrase: &str) -> Result<Self, BackupError> {
        if !(PASSPHRASE_MIN..=PASSPHRASE_MAX).contains(&passphrase.len()) {
            return Err(BackupError::Passphrase(passphrase.len()));
        }
        let mut salt = [0; SALT];
        getrandom::fill(&mut salt).map_err(|error| BackupError::System("draw randomness", error.into()))?;
        let agent = agent_of(secret);
        let payload = Payload { msg: secret, aad: &bound(&agent) };
        let sealed = cipher(passphrase, &salt)?.encrypt(&Nonce::default(), payload);
        let fits = "the sizes of salt and seal are those of their types";
        Ok(Self {
            format: FORMAT.to_owned(),
            agent,
            salt: salt.to_vec().try_into().expect(fits),
            sealed: sealed.map_err(|_| BackupError::Sealed)?.try_into().expect(fits),
        })
    }

    /// Reads a file of this version.
    ///
    /// # Errors
    /// It is none.
    pub fn from_json(json: &[u8]) -> Result<Self, BackupError> {
        let backup: Self = serde_json::from_slice(json).map_err(|_| BackupError::Format)?;
        let whole = backup.format == FORMAT && backup.salt.len() == SALT && backup.sealed.len() == SEALED;
        if whole { Ok(backup) } else { Err(BackupError::Format) }
    }

    /// Opens the seal. Takes a second, and 64 MiB.
    ///
    /// # Errors
    /// Another passphrase, a changed file.
    pub fn open(&self, passphrase: &str) -> Result<[u8; 32], BackupError> {
        let payload = Payload { msg: &self.sealed, aad: &bound(&self.agent) };
        let secret = cipher(passphrase, &self.salt)?.decrypt(&Nonce::default(), payload);
        let secret = secret.ok().and_then(|secret| <[u8; 32]>::try_from(secret).ok());
        secret.filter(|secret| agent_of(secret) == self.agent).ok_or(BackupError::Sealed)
    }
}

fn bound(agent: &AgentId) -> Vec<u8> {
    [FORMAT.as_bytes(), b"\0", &agent.0].concat()
}

fn cipher(passphrase: &str, salt: &[u8]) -> Result<ChaCha20Poly1305, BackupError> {
    let derive = || {
        let params = Params::new(MEMORY, PASSES, LANES, Some(32))?;
        let mut memory = vec![Block::default(); params.block_count()];
        let mut key = [0; 32];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into_with_memory(passphrase.as_bytes(), salt, &mut key, &mut memory)?;
        Ok::<_, argon2::Error>(ChaCha20Poly1305::new(&key.into()))
    };
    derive().map_err(|error| BackupError::System("derive a key", io::Error::other(error.to_string())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [9; 32];
    const PASSPHRASE: &str = "correct horse battery";

    #[test]
    fn a_key_comes_back_with_its_passphrase_only() {
        let backup = Backup::seal(&SECRET, PASSPHRASE).unwrap();
        let json = serde_json::to_string(&backup).unwrap();
        assert!(!json.contains(&"09".repeat(8)), "the key is not in it in clear");
        let read = Backup::from_json(json.as_bytes()).unwrap();
        assert_eq!((read.open(PASSPHRASE).unwrap(), read.agent), (SECRET, agent_of(&SECRET)));
        assert!(matches!(read.open("correct horse batterz"), Err(BackupError::Sealed)));
        assert_ne!(Backup::seal(&SECRET, PASSPHRASE).unwrap(), backup, "each backup has its own salt");
    }

    #[test]
    fn a_changed_backup_does_not_open() {
        let sound = serde_json::to_value(Backup::seal(&SECRET, PASSPHRASE).unwrap()).unwrap();
        for field in ["agent", "salt", "sealed"] {
            let mut changed = sound.clone();
            let digits = changed[field].as_str().unwrap();
            let other = if digits.starts_with('0') { "1" } else { "0" };
            changed[field] = format!("{other}{}", &digits[1..]).into();
            let changed = Backup::from_json(changed.to_string().as_bytes()).unwrap();
            assert!(matches!(changed.open(PASSPHRASE), Err(BackupError::Sealed)), "{field}");
        }
        for (field, value) in [("format", "gigmesh-key/2"), ("salt", "00"), ("sealed", "00"), ("more", "")] {
            let mut changed = sound.clone();
            changed[field] = value.into();
            assert!(matches!(Backup::from_json(changed.to_string().as_bytes()), Err(BackupError::Format)), "{field}");
        }
    }

    #[test]
    fn a_short_passphrase_is_none() {
        assert!(matches!(Backup::seal(&SECRET, "1234567"), Err(BackupError::Passphrase(7))));
    }

    #[test]
    fn a_backup_made_by_other_programs_opens() {
        // By Python's argon2-cffi 25.1 and cryptography 50: the format is frozen, and is what its documentation says.
        let json = r#"{"format": "gigmesh-key/1",
            "agent": "fd1724385aa0c75b64fb78cd602fa1d991fdebf76b13c58ed702eac835e9f618",
            "salt": "30313233343536373839616263646566",
            "sealed": "2d19f6e2aafb5b79ef96003bf4b4937addb103012d6b2eb38c01aec9e20e90db5d65b506dad6ae9c700141452a913e69"}"#;
        assert_eq!(Backup::from_json(json.as_bytes()).unwrap().open(PASSPHRASE).unwrap(), SECRET);
    }
}
