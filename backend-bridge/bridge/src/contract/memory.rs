// SPDX-License-Identifier: MIT
//! A key service in memory: real keys, no network. For tests of tokens and layers, and for the contract itself.

use std::collections::BTreeMap;
use std::sync::Arc;

use keyenclave_crypto::{
    EcPrivateKey, Ed25519PrivateKey, Ed25519Scheme, PrivateKey, RsaPrivateKey, aead, hmac, rand,
};
use keyenclave_model::algorithm::{Curve, Hash};
use parking_lot::Mutex;
use zeroize::Zeroizing;

use crate::call::{
    Backend, CallKind, CheckHealth, DecryptData, DescribeKey, DestroyKey, EncryptData, FetchPublicKey,
    GenerateKey, KeyPage, ListKeys, MacMessage, PageToken, RandomBytes, RotateKey, SignDigest, UpdateKey,
    Usage,
};
use crate::capability::Capability;
use crate::digest::curve_hash;
use crate::error::{Error, Result, Sent};
use crate::key::{Algorithm, KeyInfo, KeyName, KeySpec, KeyState, ListedKey, Protection};

/// See the module. `derive` and `import` are not offered, so that refusing can be tested.
pub struct MemoryService {
    capability: Capability,
    keys: Mutex<BTreeMap<KeyName, Arc<Held>>>,
    page: usize,
}

struct Held {
    info: KeyInfo,
    material: Material,
}

enum Material {
    Pair(PrivateKey),
    Secret(Zeroizing<Vec<u8>>),
}

const CALLS: &[CallKind] = &[
    CallKind::List,
    CallKind::Describe,
    CallKind::PublicKey,
    CallKind::Sign,
    CallKind::Decrypt,
    CallKind::Encrypt,
    CallKind::Mac,
    CallKind::Generate,
    CallKind::Destroy,
    CallKind::Rotate,
    CallKind::Update,
    CallKind::Random,
    CallKind::Health,
];
const ALGORITHMS: &[Algorithm] = &[
    Algorithm::RsaPkcs1(Hash::Sha256),
    Algorithm::RsaPkcs1(Hash::Sha384),
    Algorithm::RsaPkcs1(Hash::Sha512),
    Algorithm::RsaPss(Hash::Sha256),
    Algorithm::RsaPss(Hash::Sha384),
    Algorithm::RsaPss(Hash::Sha512),
    Algorithm::Ecdsa,
    Algorithm::Ed25519,
    Algorithm::Ed25519ph,
    Algorithm::RsaOaep(Hash::Sha1),
    Algorithm::RsaOaep(Hash::Sha256),
    Algorithm::Hmac(Hash::Sha256),
    Algorithm::Hmac(Hash::Sha512),
    Algorithm::Symmetric,
];
/// The longest message, and the longest plaintext of a symmetric key, in bytes.
const MAX_MESSAGE: usize = 4096;
const SPECS: &[KeySpec] = &[
    KeySpec::Rsa(2048),
    KeySpec::Rsa(3072),
    KeySpec::Rsa(4096),
    KeySpec::Ec(Curve::P256),
    KeySpec::Ec(Curve::P384),
    KeySpec::Ec(Curve::P521),
    KeySpec::Ec(Curve::Secp256k1),
    KeySpec::Ed25519,
    KeySpec::Hmac(Hash::Sha256),
    KeySpec::Hmac(Hash::Sha512),
    KeySpec::Symmetric,
];

impl MemoryService {
    /// An empty service, whose listings have so many keys a page.
    pub fn new(page: usize) -> Self {
        let capability = Capability {
            calls: CALLS,
            algorithms: ALGORITHMS,
            generates: SPECS,
            max_sign_message: MAX_MESSAGE,
            max_mac_message: MAX_MESSAGE,
            max_tag_value: 256,
        };
        Self {
            capability,
            keys: Mutex::default(),
            page: page.max(1),
        }
    }

    /// How many keys there are, those about to be deleted included.
    pub fn len(&self) -> usize {
        self.keys.lock().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.lock().is_empty()
    }

    /// Takes a key away, as if somebody else had deleted it long ago.
    pub fn erase(&self, key: &KeyName) {
        self.keys.lock().remove(key);
    }

    /// Disables a key, or enables it again.
    pub fn set_state(&self, key: &KeyName, state: KeyState) {
        let mut keys = self.keys.lock();
        if let Some(held) = keys.remove(key) {
            let info = KeyInfo {
                state,
                ..held.info.clone()
            };
            keys.insert(key.clone(), replaced(held, info));
        }
    }

    fn held(&self, call: CallKind, key: &KeyName) -> Result<Arc<Held>> {
        let held = self.keys.lock().get(key).cloned();
        held.ok_or_else(|| Error::not_found(call, Sent::Refused, format!("there is no key {key}")))
    }

    fn usable(&self, call: CallKind, key: &KeyName, algorithm: Algorithm) -> Result<Arc<Held>> {
        let held = self.held(call, key)?;
        if held.info.state != KeyState::Enabled {
            return Err(Error::disabled(call, Sent::Refused, "the key is not enabled"));
        }
        if !held.info.algorithms.contains(&algorithm) {
            return Err(Error::bad_input(
                call,
                Sent::Refused,
                "the key is not for this algorithm",
            ));
        }
        Ok(held)
    }

    fn insert(&self, listed: ListedKey, call: &GenerateKey, material: Material) -> KeyInfo {
        let info = KeyInfo {
            listed,
            spec: Some(call.spec),
            remote_spec: format!("{:?}", call.spec),
            algorithms: call.spec.algorithms(call.usage, ALGORITHMS),
            state: KeyState::Enabled,
            protection: Protection::Software,
            is_local: true,
            tags: call.tags.clone(),
        };
        let held = Held {
            info: info.clone(),
            material,
        };
        self.keys.lock().insert(info.listed.name.clone(), Arc::new(held));
        info
    }
}

/// The same key with other words about it. The material moves if nobody else has it, else it is made anew from DER.
fn replaced(held: Arc<Held>, info: KeyInfo) -> Arc<Held> {
    match Arc::try_unwrap(held) {
        Ok(held) => Arc::new(Held { info, ..held }),
        Err(shared) => {
            let material = match &shared.material {
                Material::Secret(secret) => Material::Secret(secret.clone()),
                Material::Pair(key) => match key
                    .to_pkcs8_der()
                    .and_then(|der| PrivateKey::from_pkcs8_der(&der))
                {
                    Ok(key) => Material::Pair(key),
                    Err(_) => return shared,
                },
            };
            Arc::new(Held { info, material })
        }
    }
}

fn make(spec: KeySpec) -> keyenclave_crypto::Result<Material> {
    let secret = |len| {
        let mut secret = Zeroizing::new(vec![0; len]);
        rand::fill(&mut secret).map(|()| Material::Secret(secret))
    };
    match spec {
        KeySpec::Rsa(bits) => RsaPrivateKey::generate(bits, &[1, 0, 1])
            .map(PrivateKey::Rsa)
            .map(Material::Pair),
        KeySpec::Ec(curve) => EcPrivateKey::generate(curve)
            .map(PrivateKey::Ec)
            .map(Material::Pair),
        KeySpec::Ed25519 => Ed25519PrivateKey::generate()
            .map(PrivateKey::Ed25519)
            .map(Material::Pair),
        KeySpec::Hmac(hash) => secret(hash.output_len()),
        KeySpec::Symmetric => secret(aead::KEY_LEN),
    }
}

fn spki(key: &PrivateKey) -> keyenclave_crypto::Result<Vec<u8>> {
    match key {
        PrivateKey::Rsa(key) => key.public()?.spki_der(),
        PrivateKey::Ec(key) => key.public()?.spki_der(),
        PrivateKey::Ed25519(key) => key.public().spki_der(),
        PrivateKey::X25519(key) => key.public().spki_der(),
        PrivateKey::MlDsa(key) => key.public().spki_der(),
        PrivateKey::MlKem(key) => key.public()?.spki_der(),
    }
}

fn bad_input(call: CallKind) -> impl Fn(keyenclave_crypto::Error) -> Error {
    move |error| Error::bad_input(call, Sent::Refused, "the data does not fit the key").with_source(error)
}

fn check_len(call: CallKind, message: &[u8]) -> Result<()> {
    if message.len() <= MAX_MESSAGE {
        return Ok(());
    }
    Err(Error::bad_input(call, Sent::Refused, "the message is too long"))
}

fn other_key(call: CallKind) -> Error {
    Error::bad_input(call, Sent::Refused, "the key is of another kind")
}

/// Room for any signature or plaintext of an RSA key, in bytes.
const ROOM: usize = 1024;

fn sign(key: &PrivateKey, algorithm: Algorithm, digest: &[u8]) -> keyenclave_crypto::Result<Vec<u8>> {
    let mut out = vec![0; ROOM];
    let len = match (key, algorithm) {
        (_, Algorithm::Ed25519) if digest.len() > MAX_MESSAGE => {
            return Err(keyenclave_crypto::Error::InputLength);
        }
        (PrivateKey::Rsa(key), Algorithm::RsaPkcs1(hash)) => key.sign_pkcs1(hash, digest, &mut out)?,
        (PrivateKey::Rsa(key), Algorithm::RsaPss(hash)) => {
            key.sign_pss(hash, hash, hash.output_len(), digest, &mut out)?
        }
        (PrivateKey::Ec(key), Algorithm::Ecdsa) if digest.len() == curve_hash(key.curve()).output_len() => {
            key.sign(digest, &mut out)?
        }
        (PrivateKey::Ed25519(key), Algorithm::Ed25519) => key.sign(Ed25519Scheme::Pure, digest, &mut out)?,
        (PrivateKey::Ed25519(key), Algorithm::Ed25519ph) => {
            key.sign(Ed25519Scheme::Prehashed(&[]), digest, &mut out)?
        }
        _ => return Err(keyenclave_crypto::Error::InputLength),
    };
    out.truncate(len);
    Ok(out)
}

impl Backend for MemoryService {
    fn capability(&self) -> &Capability {
        &self.capability
    }

    async fn list(&self, call: &ListKeys) -> Result<KeyPage> {
        let keys = self.keys.lock();
        let after = call
            .page
            .as_ref()
            .map(|token| token.0.as_str())
            .unwrap_or_default();
        let mut rest = keys
            .values()
            .filter(|held| held.info.listed.name.as_str() > after);
        let page: Vec<_> = rest
            .by_ref()
            .take(self.page)
            .map(|held| held.info.listed.clone())
            .collect();
        let more = rest.next().is_some();
        let next = page
            .last()
            .filter(|_| more)
            .map(|last| PageToken(last.name.as_str().to_owned()));
        Ok(KeyPage { keys: page, next })
    }

    async fn describe(&self, call: &DescribeKey) -> Result<KeyInfo> {
        Ok(self.held(CallKind::Describe, &call.key)?.info.clone())
    }

    async fn public_key(&self, call: &FetchPublicKey) -> Result<Vec<u8>> {
        match &self.held(CallKind::PublicKey, &call.key)?.material {
            Material::Pair(key) => spki(key).map_err(bad_input(CallKind::PublicKey)),
            Material::Secret(_) => Err(other_key(CallKind::PublicKey)),
        }
    }

    async fn sign(&self, call: &SignDigest) -> Result<Vec<u8>> {
        match &self.usable(CallKind::Sign, &call.key, call.algorithm)?.material {
            Material::Pair(key) => sign(key, call.algorithm, &call.digest).map_err(bad_input(CallKind::Sign)),
            Material::Secret(_) => Err(other_key(CallKind::Sign)),
        }
    }

    async fn decrypt(&self, call: &DecryptData) -> Result<Zeroizing<Vec<u8>>> {
        let held = self.usable(CallKind::Decrypt, &call.key, call.algorithm)?;
        match (&held.material, call.algorithm) {
            (Material::Pair(PrivateKey::Rsa(key)), Algorithm::RsaOaep(hash)) => {
                let mut out = Zeroizing::new(vec![0; ROOM]);
                let len = key
                    .decrypt_oaep(hash, hash, &[], &call.ciphertext, &mut out)
                    .map_err(bad_input(CallKind::Decrypt))?;
                out.truncate(len);
                Ok(out)
            }
            (Material::Secret(secret), Algorithm::Symmetric) => {
                let opened = call
                    .ciphertext
                    .split_first_chunk::<{ aead::NONCE_LEN }>()
                    .zip(secret.first_chunk());
                let ((nonce, sealed), secret) = opened.ok_or_else(|| other_key(CallKind::Decrypt))?;
                aead::open(secret, nonce, &[], sealed).map_err(bad_input(CallKind::Decrypt))
            }
            _ => Err(other_key(CallKind::Decrypt)),
        }
    }

    async fn encrypt(&self, call: &EncryptData) -> Result<Vec<u8>> {
        let held = self.usable(CallKind::Encrypt, &call.key, Algorithm::Symmetric)?;
        check_len(CallKind::Encrypt, &call.plaintext)?;
        let Material::Secret(secret) = &held.material else {
            return Err(other_key(CallKind::Encrypt));
        };
        let mut nonce = [0; aead::NONCE_LEN];
        rand::fill(&mut nonce).map_err(bad_input(CallKind::Encrypt))?;
        let key = secret.first_chunk().ok_or_else(|| other_key(CallKind::Encrypt))?;
        let sealed = aead::seal(key, &nonce, &[], &call.plaintext).map_err(bad_input(CallKind::Encrypt))?;
        Ok([nonce.as_slice(), &sealed].concat())
    }

    async fn mac(&self, call: &MacMessage) -> Result<Vec<u8>> {
        let held = self.usable(CallKind::Mac, &call.key, call.algorithm)?;
        check_len(CallKind::Mac, &call.message)?;
        match (&held.material, call.algorithm) {
            (Material::Secret(secret), Algorithm::Hmac(hash)) => {
                let mac = hmac(hash, secret, &call.message).map_err(bad_input(CallKind::Mac))?;
                Ok(mac.to_vec())
            }
            _ => Err(other_key(CallKind::Mac)),
        }
    }

    async fn generate(&self, call: &GenerateKey) -> Result<KeyInfo> {
        let failed = |error| {
            Error::internal(CallKind::Generate, Sent::Refused, "no key came of it").with_source(error)
        };
        let material = make(call.spec).map_err(failed)?;
        let mut number = [0; 8];
        rand::fill(&mut number).map_err(failed)?;
        let listed = ListedKey {
            name: KeyName::new(format!("memory:key/{:016x}", u64::from_be_bytes(number))),
            label: call.label.clone(),
            version: call.label.as_ref().map(|_| 1),
            is_current: true,
        };
        Ok(self.insert(listed, call, material))
    }

    async fn destroy(&self, call: &DestroyKey) -> Result<()> {
        self.held(CallKind::Destroy, &call.key)
            .map(|_| self.set_state(&call.key, KeyState::Destroying))
    }

    async fn rotate(&self, call: &RotateKey) -> Result<KeyInfo> {
        let held = self.held(CallKind::Rotate, &call.key)?;
        let info = held.info.clone();
        drop(held);
        let signs = info
            .algorithms
            .iter()
            .any(|algorithm| !matches!(algorithm, Algorithm::RsaOaep(_)));
        let spec = info.spec.ok_or_else(|| other_key(CallKind::Rotate))?;
        let request = GenerateKey {
            spec,
            usage: if signs { Usage::Sign } else { Usage::Decrypt },
            label: info.listed.label.clone(),
            tags: info.tags.clone(),
        };
        let made = self.generate(&request).await?;
        let old = ListedKey {
            is_current: false,
            ..info.listed.clone()
        };
        let new = ListedKey {
            version: old.version.map(|version| version + 1),
            ..made.listed.clone()
        };
        let made = KeyInfo { listed: new, ..made };
        let mut keys = self.keys.lock();
        for info in [KeyInfo { listed: old, ..info }, made.clone()] {
            if let Some(held) = keys.remove(&info.listed.name) {
                keys.insert(info.listed.name.clone(), replaced(held, info));
            }
        }
        Ok(made)
    }

    async fn update(&self, call: &UpdateKey) -> Result<()> {
        let mut info = self.held(CallKind::Update, &call.key)?.info.clone();
        if let Some(label) = &call.label {
            info.listed.label = Some(label.clone());
        }
        for (tag, value) in &call.tags {
            match value {
                Some(value) => drop(info.tags.insert(tag.clone(), value.clone())),
                None => drop(info.tags.remove(tag)),
            }
        }
        let mut keys = self.keys.lock();
        if let Some(held) = keys.remove(&call.key) {
            keys.insert(call.key.clone(), replaced(held, info));
        }
        Ok(())
    }

    async fn random(&self, call: &RandomBytes) -> Result<Zeroizing<Vec<u8>>> {
        let mut bytes = Zeroizing::new(vec![0; call.len]);
        rand::fill(&mut bytes).map_err(bad_input(CallKind::Random))?;
        Ok(bytes)
    }

    async fn health(&self, _call: &CheckHealth) -> Result<()> {
        Ok(())
    }
}
