// SPDX-License-Identifier: MIT
//! Which mechanism is done by which of a service's algorithms, both ways.

use cryptoki_sys as ck;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{
    Algorithm as Mechanical, MECHANISMS, Mechanism, MechanismInfo, MechanismRow, OaepParams, Params,
    PssParams,
};
use keyenclave_model::token::{OperationClass, Work};

use crate::call::CallKind;
use crate::capability::Capability;
use crate::digest::digest_info;
use crate::key::{Algorithm, KeySpec};

/// What the service does for an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Signs a digest.
    Sign(Algorithm),
    /// Signs the block that the application gives, or the digest in it.
    SignBlock,
    /// Encrypts in the service's own format.
    Encrypt,
    /// Decrypts.
    Decrypt(Algorithm),
    /// Makes a code of so many bytes.
    Mac(Algorithm, usize),
}

/// What the service does for a mechanism; `None` for what is not its business.
///
/// # Errors
/// `CKR_MECHANISM_PARAM_INVALID` for parameters that no service takes.
pub(super) fn plan(mechanism: &Mechanism, class: OperationClass) -> Result<Option<Plan>> {
    Ok(match (mechanism.algorithm(), class, mechanism.params()) {
        (Mechanical::RsaPkcs1(Some(hash)), OperationClass::Sign, _) => {
            Some(Plan::Sign(Algorithm::RsaPkcs1(hash)))
        }
        (Mechanical::RsaPkcs1(None), OperationClass::Sign, _) => Some(Plan::SignBlock),
        (Mechanical::RsaPss(_), OperationClass::Sign, Params::Pss(pss)) => {
            Some(Plan::Sign(Algorithm::RsaPss(usual_pss(pss)?)))
        }
        (Mechanical::Ecdsa(_), OperationClass::Sign, _) => Some(Plan::Sign(Algorithm::Ecdsa)),
        (Mechanical::EdDsa, OperationClass::Sign, params) => Some(Plan::Sign(eddsa(params)?)),
        (Mechanical::RsaPkcs1(None), OperationClass::Decrypt, _) => {
            Some(Plan::Decrypt(Algorithm::RsaPkcs1Decrypt))
        }
        (Mechanical::RsaOaep, OperationClass::Decrypt, Params::Oaep(oaep)) => {
            Some(Plan::Decrypt(Algorithm::RsaOaep(usual_oaep(oaep)?)))
        }
        (Mechanical::RemoteSymmetric, OperationClass::Encrypt, _) => Some(Plan::Encrypt),
        (Mechanical::RemoteSymmetric, OperationClass::Decrypt, _) => {
            Some(Plan::Decrypt(Algorithm::Symmetric))
        }
        (Mechanical::Hmac { hash, .. }, OperationClass::Sign | OperationClass::Verify, params) => {
            let len = match params {
                Params::Length(len) => *len,
                _ => hash.output_len(),
            };
            Some(Plan::Mac(Algorithm::Hmac(hash), len))
        }
        _ => None,
    })
}

fn usual_pss(pss: &PssParams) -> Result<Hash> {
    if pss.mgf == pss.hash && pss.salt_len == pss.hash.output_len() {
        return Ok(pss.hash);
    }
    Err(Error::new(
        Rv::MechanismParamInvalid,
        format!(
            "PSS here: mask of the same hash, and a salt of {} bytes",
            pss.hash.output_len()
        ),
    ))
}

/// Services know Ed25519 and Ed25519ph, both without a context.
fn eddsa(params: &Params) -> Result<Algorithm> {
    match params {
        Params::EdDsa(params) if !params.context.is_empty() => Err(Error::new(
            Rv::MechanismParamInvalid,
            "EdDSA here: Ed25519 or Ed25519ph, and no context",
        )),
        Params::EdDsa(params) if params.prehash => Ok(Algorithm::Ed25519ph),
        _ => Ok(Algorithm::Ed25519),
    }
}

fn usual_oaep(oaep: &OaepParams) -> Result<Hash> {
    if oaep.mgf == oaep.hash && oaep.label.is_empty() {
        return Ok(oaep.hash);
    }
    Err(Error::new(
        Rv::MechanismParamInvalid,
        "OAEP here: mask of the same hash, and no label",
    ))
}

impl Plan {
    /// The call that it takes.
    pub(super) const fn call(self) -> CallKind {
        match self {
            Self::Sign(_) | Self::SignBlock => CallKind::Sign,
            Self::Encrypt => CallKind::Encrypt,
            Self::Decrypt(_) => CallKind::Decrypt,
            Self::Mac(..) => CallKind::Mac,
        }
    }

    /// Whether a key with these algorithms can be used so.
    pub(super) fn fits(self, algorithms: &[Algorithm]) -> bool {
        match self {
            Self::Sign(algorithm) | Self::Decrypt(algorithm) | Self::Mac(algorithm, _) => {
                algorithms.contains(&algorithm)
            }
            Self::Encrypt => algorithms.contains(&Algorithm::Symmetric),
            Self::SignBlock => algorithms
                .iter()
                .any(|algorithm| matches!(algorithm, Algorithm::RsaPkcs1(_) | Algorithm::RsaPkcs1Block)),
        }
    }
}

/// What is signed for a block: the block itself where the service takes blocks, else the digest in it.
///
/// # Errors
/// `CKR_DATA_INVALID` for a block that is no `DigestInfo` of a hash that the key takes.
pub(super) fn sign_block(block: &[u8], algorithms: &[Algorithm]) -> Result<(Algorithm, Vec<u8>)> {
    if algorithms.contains(&Algorithm::RsaPkcs1Block) {
        return Ok((Algorithm::RsaPkcs1Block, block.to_vec()));
    }
    digest_info(block)
        .map(|(hash, digest)| (Algorithm::RsaPkcs1(hash), digest.to_vec()))
        .filter(|(algorithm, _)| algorithms.contains(algorithm))
        .ok_or_else(|| {
            Error::new(
                Rv::DataInvalid,
                "this service signs digests: CKM_RSA_PKCS must be given a DigestInfo of a hash that the key takes",
            )
        })
}

/// The mechanisms of a slot: what the service computes, and what is done here.
pub(super) fn mechanisms(capability: &Capability) -> Vec<MechanismInfo> {
    MECHANISMS
        .iter()
        .filter_map(|row| {
            let flags = row.flags & offered(capability, row);
            let mut info = row.info();
            if let Some((min, max)) = made_sizes(capability, row.algorithm) {
                (info.min_key_size, info.max_key_size) = (min, max);
            }
            (flags & USES != 0).then_some(MechanismInfo { flags, ..info })
        })
        .collect()
}

/// Whether [`mechanisms`] tells of the mechanism for this: no slot of a service does more than it says.
///
/// # Errors
/// `CKR_MECHANISM_INVALID`.
pub(super) fn check_offered(capability: &Capability, work: &Work<'_>) -> Result<()> {
    let Some((mechanism, flag)) = work.mechanism().zip(needed(work)) else {
        return Ok(());
    };
    let row = mechanism.row();
    if row.flags & offered(capability, row) & flag != 0 {
        return Ok(());
    }
    let detail = format!("{} is not offered so by a slot of this service", row.name);
    Err(Error::new(Rv::MechanismInvalid, detail))
}

/// The flag that a mechanism must have for some work; `None` for work without a mechanism.
fn needed(work: &Work<'_>) -> Option<ck::CK_FLAGS> {
    match work {
        Work::GenerateKey { .. } => Some(ck::CKF_GENERATE),
        Work::GenerateKeyPair { .. } => Some(ck::CKF_GENERATE_KEY_PAIR),
        Work::WrapLen(_) | Work::Wrap(_) => Some(ck::CKF_WRAP),
        Work::Unwrap { .. } => Some(ck::CKF_UNWRAP),
        Work::Derive { .. } => Some(ck::CKF_DERIVE),
        Work::EncapsulateLen(_) | Work::Encapsulate(_) => Some(ck::CKF_ENCAPSULATE),
        Work::Decapsulate { .. } => Some(ck::CKF_DECAPSULATE),
        Work::Begin { class, .. } => Some(class.flag()),
        Work::BeginVerifySignature { .. } => Some(ck::CKF_VERIFY),
        Work::BeginMessages { class, .. } => Some(class.message_flag()),
        _ => None,
    }
}

/// The smallest and the largest key that the service makes with a mechanism, in bits.
fn made_sizes(capability: &Capability, algorithm: Mechanical) -> Option<(ck::CK_ULONG, ck::CK_ULONG)> {
    let bits = || {
        let each = capability.generates.iter();
        each.filter_map(move |spec| match (algorithm, spec) {
            (Mechanical::RsaKeyPair, KeySpec::Rsa(bits)) => Some(ck::CK_ULONG::from(*bits)),
            (Mechanical::EcKeyPair, KeySpec::Ec(curve)) => ck::CK_ULONG::try_from(curve.row().bits).ok(),
            _ => None,
        })
    };
    bits().min().zip(bits().max())
}

/// The flags that say what a mechanism is for.
const USES: ck::CK_FLAGS = ck::CKF_ENCRYPT
    | ck::CKF_DECRYPT
    | ck::CKF_DIGEST
    | ck::CKF_SIGN
    | ck::CKF_VERIFY
    | ck::CKF_GENERATE
    | ck::CKF_GENERATE_KEY_PAIR
    | WITH_KEYS;

/// The flags for work with one key on another, which is not done here: one of them may be the service's.
const WITH_KEYS: ck::CK_FLAGS = ck::CKF_WRAP | ck::CKF_UNWRAP | ck::CKF_DERIVE;

/// The flags for operations on messages, which this token does not have.
const MESSAGES: ck::CK_FLAGS = ck::CKF_MESSAGE_ENCRYPT
    | ck::CKF_MESSAGE_DECRYPT
    | ck::CKF_MESSAGE_SIGN
    | ck::CKF_MESSAGE_VERIFY
    | ck::CKF_MULTI_MESSAGE;

/// What is offered of a mechanism. Public keys are used here, and so are the session's own secret keys.
fn offered(capability: &Capability, row: &MechanismRow) -> ck::CK_FLAGS {
    let by_service = || called(capability) & done(capability.algorithms, row);
    let generates = |wanted: fn(&KeySpec) -> bool| {
        let is = capability.offers(CallKind::Generate) && capability.generates.iter().any(wanted);
        if is { ck::CKF_GENERATE_KEY_PAIR } else { 0 }
    };
    match row.algorithm {
        algorithm if algorithm.is_legacy() => 0,
        Mechanical::RsaPkcs1(_)
        | Mechanical::RsaRaw
        | Mechanical::RsaPss(_)
        | Mechanical::RsaOaep
        | Mechanical::Ecdsa(_)
        | Mechanical::EdDsa => !USES | ck::CKF_VERIFY | ck::CKF_ENCRYPT | by_service(),
        Mechanical::RemoteSymmetric => !USES | by_service(),
        Mechanical::RsaKeyPair => !USES | generates(|spec| matches!(spec, KeySpec::Rsa(_))),
        Mechanical::EcKeyPair => !USES | generates(|spec| matches!(spec, KeySpec::Ec(_))),
        Mechanical::EdwardsKeyPair => !USES | generates(|spec| *spec == KeySpec::Ed25519),
        Mechanical::AesKey
        | Mechanical::GenericSecret
        | Mechanical::HmacKey(_)
        | Mechanical::ChaChaKey
        | Mechanical::ChaCha20
        | Mechanical::ChaChaPoly
        | Mechanical::Des3Key
        | Mechanical::Des3Ecb
        | Mechanical::Des3Cbc { .. }
        | Mechanical::Des3Cmac
        | Mechanical::AesEcb
        | Mechanical::AesCbc { .. }
        | Mechanical::AesStream(_)
        | Mechanical::AesCts
        | Mechanical::AesXts
        | Mechanical::AesXtsKey
        | Mechanical::AesGcm
        | Mechanical::AesCcm
        | Mechanical::AesGmac
        | Mechanical::AesCmac { .. }
        | Mechanical::AesKeyWrap(_)
        | Mechanical::Hmac { .. }
        | Mechanical::Digest(_) => !(WITH_KEYS | MESSAGES),
        // Public keys of ML-DSA are used here; its private keys, and ML-KEM's, are in the soft token alone.
        Mechanical::MlDsa(_) => !USES | ck::CKF_VERIFY,
        Mechanical::HkdfKey | Mechanical::Pbkdf2 | Mechanical::TlsPremaster | Mechanical::TlsMac => {
            !WITH_KEYS
        }
        Mechanical::RsaX931KeyPair
        | Mechanical::RsaAesKeyWrap
        | Mechanical::EcdhAesKeyWrap(_)
        | Mechanical::EcKeyPairExtraBits
        | Mechanical::MontgomeryKeyPair
        | Mechanical::Ecdh { .. }
        | Mechanical::AesEncryptData { .. }
        | Mechanical::Combine(_)
        | Mechanical::LatticeKeyPair(_)
        | Mechanical::MlKem
        | Mechanical::Hkdf { .. }
        | Mechanical::HashedKey(_)
        | Mechanical::Sp800108(_)
        | Mechanical::TlsMaster { .. }
        | Mechanical::TlsKeys { .. }
        | Mechanical::TlsKdf
        | Mechanical::Foreign => 0,
    }
}

/// The flags of what the service can be called for.
fn called(capability: &Capability) -> ck::CK_FLAGS {
    let calls = [
        (CallKind::Sign, ck::CKF_SIGN),
        (CallKind::Encrypt, ck::CKF_ENCRYPT),
        (CallKind::Decrypt, ck::CKF_DECRYPT),
    ];
    let offered = calls.into_iter().filter(|(call, _)| capability.offers(*call));
    offered.fold(0, |flags, (_, flag)| flags | flag)
}

/// The flags of what these algorithms do of a mechanism.
fn done(algorithms: &[Algorithm], row: &MechanismRow) -> ck::CK_FLAGS {
    let each = algorithms
        .iter()
        .map(|algorithm| match (row.algorithm, *algorithm) {
            (Mechanical::RsaPkcs1(None), Algorithm::RsaPkcs1(_) | Algorithm::RsaPkcs1Block)
            | (Mechanical::RsaPss(None), Algorithm::RsaPss(_))
            | (Mechanical::Ecdsa(_), Algorithm::Ecdsa)
            | (Mechanical::EdDsa, Algorithm::Ed25519 | Algorithm::Ed25519ph) => ck::CKF_SIGN,
            (Mechanical::RsaPkcs1(Some(hash)), Algorithm::RsaPkcs1(of))
            | (Mechanical::RsaPss(Some(hash)), Algorithm::RsaPss(of))
                if hash == of =>
            {
                ck::CKF_SIGN
            }
            (Mechanical::Hmac { hash, .. }, Algorithm::Hmac(of)) if hash == of => {
                ck::CKF_SIGN | ck::CKF_VERIFY
            }
            (Mechanical::RsaPkcs1(None), Algorithm::RsaPkcs1Decrypt)
            | (Mechanical::RsaOaep, Algorithm::RsaOaep(_)) => ck::CKF_DECRYPT,
            (Mechanical::RemoteSymmetric, Algorithm::Symmetric) => ck::CKF_ENCRYPT | ck::CKF_DECRYPT,
            _ => 0,
        });
    each.fold(0, |all, flags| all | flags)
}

/// The mechanisms that the private half, or the secret, of a key can be used with: `CKA_ALLOWED_MECHANISMS`.
pub(super) fn allowed(algorithms: &[Algorithm]) -> Vec<ck::CK_MECHANISM_TYPE> {
    let usable = MECHANISMS.iter().filter(|row| done(algorithms, row) != 0);
    usable.map(|row| row.id).collect()
}
