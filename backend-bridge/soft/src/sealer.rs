// SPDX-License-Identifier: MIT
//! What turns a PIN, or anything else that one must have or know, into the token's root key.
//!
//! A sealer wraps the 32 bytes of the root key and nothing else, so that a new PIN rewrites one row. Attempts are
//! counted here, durably, before a PIN is looked at: see [`unlock`].

use crate::store::{Attempts, Header, Identity, Role, SealerRecord, Store, StoreError};
use crate::vault::{Frame, ROOT_KEY_LEN, RootKey, VaultError};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use keyenclave_crypto::aead::{self, KEY_LEN, NONCE_LEN, TAG_LEN};
use keyenclave_crypto::{ct_eq, digest, rand};
use keyenclave_model::algorithm::Hash;
use std::fmt;
use std::ops::RangeInclusive;
use zeroize::Zeroizing;

/// [`SealerRecord::kind`] of a PIN with Argon2id and AES-256-GCM.
pub const KIND_PIN: u32 = 1;
/// How many attempts lock a PIN, unless the configuration says otherwise.
pub const DEFAULT_LIMIT: u32 = 10;

const SALT_LEN: usize = 16;
const CHECK_LEN: usize = 8;
const PARAMS_LEN: usize = 12 + SALT_LEN;
const SEALED_LEN: usize = NONCE_LEN + ROOT_KEY_LEN + TAG_LEN;

/// What a wrapped root key is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The store.
    pub identity: Identity,
    /// Whose sealer it is.
    pub role: Role,
}

/// Why a root key cannot be wrapped or unwrapped.
#[derive(Debug)]
pub enum SealerError {
    /// The PIN is wrong.
    WrongPin,
    /// The record of the sealer is damaged or edited.
    Damaged(&'static str),
    /// The record is of a kind that this sealer does not know.
    Kind(u32),
    /// The library that computes it failed, or there is no memory.
    Vault(VaultError),
    /// The store failed.
    Store(StoreError),
}

impl fmt::Display for SealerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WrongPin => f.write_str("the PIN is wrong"),
            Self::Damaged(what) => write!(
                f,
                "the stored record of the PIN is damaged: {what}; restore a backup"
            ),
            Self::Kind(kind) => write!(
                f,
                "the root key is sealed in a way (kind {kind}) that a PIN cannot open"
            ),
            Self::Vault(error) => error.fmt(f),
            Self::Store(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for SealerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Vault(error) => Some(error),
            Self::Store(error) => Some(error),
            Self::WrongPin | Self::Damaged(_) | Self::Kind(_) => None,
        }
    }
}

impl From<VaultError> for SealerError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error)
    }
}

impl From<keyenclave_crypto::Error> for SealerError {
    fn from(error: keyenclave_crypto::Error) -> Self {
        Self::Vault(error.into())
    }
}

impl From<StoreError> for SealerError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// Wraps and unwraps root keys.
pub trait Sealer {
    /// The record that holds `root`, with a fresh counter.
    fn wrap(&self, binding: Binding, root: &RootKey) -> Result<SealerRecord, SealerError>;

    /// The root key in `record`.
    fn unwrap(&self, binding: Binding, record: &SealerRecord) -> Result<RootKey, SealerError>;
}

/// What one try at a PIN costs (Argon2id, RFC 9106).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinCost {
    /// Memory, in KiB.
    pub memory: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

impl PinCost {
    /// For new PINs: 64 MiB, two passes.
    pub const DEFAULT: Self = Self {
        memory: 64 * 1024,
        passes: 2,
        lanes: 1,
    };
    /// The least that is accepted, from a configuration or a file: 19 MiB, two passes.
    pub const FLOOR: Self = Self {
        memory: 19 * 1024,
        passes: 2,
        lanes: 1,
    };
    const MEMORY: RangeInclusive<u32> = Self::FLOOR.memory..=1024 * 1024;
    const PASSES: RangeInclusive<u32> = Self::FLOOR.passes..=32;
    const LANES: RangeInclusive<u32> = Self::FLOOR.lanes..=16;

    /// Whether a record may ask for this: not so little that PINs are cheap to guess, not so much that reading an
    /// edited file exhausts the machine.
    pub fn is_allowed(self) -> bool {
        Self::MEMORY.contains(&self.memory)
            && Self::PASSES.contains(&self.passes)
            && Self::LANES.contains(&self.lanes)
    }
}

/// Wraps under a PIN.
pub struct PinSealer<'a> {
    /// The PIN, as the application gave it.
    pub pin: &'a [u8],
    /// The cost of what is wrapped; what is unwrapped brings its own.
    pub cost: PinCost,
    /// How many attempts lock what is wrapped.
    pub limit: u32,
}

impl<'a> PinSealer<'a> {
    /// With the usual cost and limit.
    pub const fn new(pin: &'a [u8]) -> Self {
        Self {
            pin,
            cost: PinCost::DEFAULT,
            limit: DEFAULT_LIMIT,
        }
    }

    /// The key-encryption key for these parameters.
    fn key(&self, params: &[u8; PARAMS_LEN]) -> Result<Zeroizing<[u8; KEY_LEN]>, SealerError> {
        let (cost, salt) =
            decode(params).ok_or(SealerError::Damaged("its cost is outside the allowed range"))?;
        let refused = |_| SealerError::Damaged("its cost is outside the allowed range");
        let params = Params::new(cost.memory, cost.passes, cost.lanes, Some(KEY_LEN)).map_err(refused)?;
        let mut memory = blocks(params.block_count())?;
        let mut key = Zeroizing::new([0; KEY_LEN]);
        Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_into_with_memory(self.pin, salt, key.as_mut_slice(), memory.as_mut_slice())
            .map_err(refused)?;
        Ok(key)
    }
}

/// The memory of the KDF; a file that asks for more than there is must not end the process.
pub(crate) fn blocks(count: usize) -> Result<Zeroizing<Vec<Block>>, SealerError> {
    let mut memory = Zeroizing::new(Vec::new());
    let refused = |_| VaultError::Memory(std::io::ErrorKind::OutOfMemory.into());
    memory.try_reserve_exact(count).map_err(refused)?;
    memory.resize(count, Block::default());
    Ok(memory)
}

fn encode(cost: PinCost, salt: [u8; SALT_LEN]) -> [u8; PARAMS_LEN] {
    let mut params = [0; PARAMS_LEN];
    let numbers = [cost.memory, cost.passes, cost.lanes]
        .into_iter()
        .flat_map(u32::to_le_bytes);
    for (to, from) in params.iter_mut().zip(numbers.chain(salt)) {
        *to = from;
    }
    params
}

fn decode(params: &[u8; PARAMS_LEN]) -> Option<(PinCost, &[u8])> {
    let (memory, rest) = params.split_first_chunk::<4>()?;
    let (passes, rest) = rest.split_first_chunk::<4>()?;
    let (lanes, salt) = rest.split_first_chunk::<4>()?;
    let cost = PinCost {
        memory: u32::from_le_bytes(*memory),
        passes: u32::from_le_bytes(*passes),
        lanes: u32::from_le_bytes(*lanes),
    };
    cost.is_allowed().then_some((cost, salt))
}

/// What the wrapped root key is bound to.
fn bound(binding: Binding, params: &[u8]) -> Frame {
    Frame::new("KeyEnclave sealer", binding.identity)
        .field(&binding.role.number().to_le_bytes())
        .field(&KIND_PIN.to_le_bytes())
        .field(params)
}

/// A hash over everything that is not secret: tells a damaged record from a wrong PIN. Anybody can make it.
fn check(binding: Binding, params: &[u8], sealed: &[u8]) -> Vec<u8> {
    let mut hash = digest(Hash::Sha256, bound(binding, params).field(sealed).bytes()).to_vec();
    hash.truncate(CHECK_LEN);
    hash
}

impl Sealer for PinSealer<'_> {
    fn wrap(&self, binding: Binding, root: &RootKey) -> Result<SealerRecord, SealerError> {
        let (mut salt, mut nonce) = ([0; SALT_LEN], [0; NONCE_LEN]);
        rand::fill(&mut salt)?;
        rand::fill(&mut nonce)?;
        let params = encode(self.cost, salt);
        let sealed = aead::seal(
            &*self.key(&params)?,
            &nonce,
            bound(binding, &params).bytes(),
            root.expose(),
        )?;
        let sealed = [nonce.as_slice(), &sealed].concat();
        let check = check(binding, &params, &sealed);
        let wrapped = [sealed, check].concat();
        Ok(SealerRecord {
            kind: KIND_PIN,
            params: params.to_vec(),
            wrapped,
            failed: 0,
            limit: self.limit.max(1),
        })
    }

    fn unwrap(&self, binding: Binding, record: &SealerRecord) -> Result<RootKey, SealerError> {
        if record.kind != KIND_PIN {
            return Err(SealerError::Kind(record.kind));
        }
        let damaged = SealerError::Damaged;
        let params = record
            .params
            .as_slice()
            .try_into()
            .map_err(|_| damaged("its parameters have a wrong length"))?;
        let (sealed, found) = record
            .wrapped
            .split_at_checked(SEALED_LEN)
            .ok_or(damaged("the wrapped key is too short"))?;
        if !ct_eq(found, &check(binding, &record.params, sealed)) {
            return Err(damaged("its check sum is wrong"));
        }
        let (nonce, sealed) = sealed
            .split_first_chunk::<NONCE_LEN>()
            .ok_or(damaged("the wrapped key is too short"))?;
        let root = aead::open(
            &*self.key(params)?,
            nonce,
            bound(binding, &record.params).bytes(),
            sealed,
        )
        .map_err(|_| SealerError::WrongPin)?;
        let root = root
            .as_slice()
            .try_into()
            .map_err(|_| damaged("the root key has a wrong length"))?;
        Ok(RootKey::from_bytes(root)?)
    }
}

/// A root key, and the token that it was unwrapped for.
pub struct Unlocked {
    /// The root key.
    pub root: RootKey,
    /// The token.
    pub header: Header,
    /// The sealer that was opened.
    pub record: SealerRecord,
}

/// A try that failed, and where the counter stands then.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub error: SealerError,
    /// The counter, if the try was counted.
    pub attempts: Option<Attempts>,
}

impl<E: Into<SealerError>> From<E> for Refused {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            attempts: None,
        }
    }
}

/// One try at the root key: counted durably, then made, then forgotten if it was right. No lock is held meanwhile.
///
/// # Errors
/// [`StoreError::Missing`] (no token), [`StoreError::NoSealer`], [`StoreError::Locked`], [`SealerError::WrongPin`],
/// [`StoreError::SealerChanged`] (a right PIN until a moment ago) and whatever fails.
pub fn unlock(store: &dyn Store, role: Role, sealer: &dyn Sealer) -> Result<Unlocked, Refused> {
    let attempts = store.count_attempt(role)?;
    let try_it = || {
        let header = store.header()?.ok_or(StoreError::TokenChanged)?;
        let record = store.sealer(role)?.ok_or(StoreError::NoSealer(role))?;
        let root = sealer.unwrap(
            Binding {
                identity: header.identity,
                role,
            },
            &record,
        )?;
        store.clear_attempts(role, header.incarnation, &record)?;
        Ok(Unlocked { root, header, record })
    };
    try_it().map_err(|error: SealerError| Refused {
        error,
        attempts: Some(attempts),
    })
}
