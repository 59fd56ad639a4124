// SPDX-License-Identifier: MIT
//! From standard templates to the keys that a service makes.
//!
//! The templates are checked by the same rules as for any token. What they ask for must be what a remote key is:
//! sensitive, not extractable, on the token. Usage flags decide what the key is for, since services give a key one use.

use cryptoki_sys as ck;
use keyenclave_model::algorithm::{Curve, HASHES};
use keyenclave_model::attribute;
use keyenclave_model::edwards;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Algorithm, Mechanism};
use keyenclave_model::object::{Object, Origin};
use keyenclave_model::template::Template;
use keyenclave_model::token::{CallCx, Out};

use super::catalogue::{Catalogue, has_public_half};
use super::keeper::Keeper;
use super::kept::{Kept, Room};
use super::local::unexpected;
use super::objects::{Half, SYMMETRIC_LEN};
use crate::bridge::Asker;
use crate::call::{CallKind, FetchPublicKey, GenerateKey, Usage};
use crate::capability::Capability;
use crate::error::Result as CallResult;
use crate::key::{Algorithm as ServiceAlgorithm, KeyInfo, KeyName, KeySpec};

/// The call that makes a pair.
///
/// # Errors
/// What the object rules say of the templates, `CKR_ATTRIBUTE_VALUE_INVALID` for sizes that the service does not make,
/// `CKR_TEMPLATE_INCONSISTENT` for attributes that a remote key cannot have.
pub(super) fn pair(
    cx: &CallCx,
    capability: &Capability,
    room: Room,
    mechanism: &Mechanism,
    public: &Template,
    private: &Template,
) -> Result<NewKey> {
    let key_type = match mechanism.algorithm() {
        algorithm @ (Algorithm::RsaKeyPair | Algorithm::EcKeyPair | Algorithm::EdwardsKeyPair) => {
            algorithm.key_type().unwrap_or_default()
        }
        _ => return Err(Rv::MechanismInvalid.into()),
    };
    let admit = |class, template| {
        Object::admit(
            Origin::Generate(mechanism.id()),
            Some((class, key_type)),
            template,
            cx.access.login,
        )
    };
    let public_object = admit(ck::CKO_PUBLIC_KEY, public)?;
    let private_object = admit(ck::CKO_PRIVATE_KEY, private)?;
    for object in [&public_object, &private_object] {
        check_remote(cx, object)?;
    }
    let spec = match mechanism.algorithm() {
        Algorithm::RsaKeyPair => rsa(&public_object)?,
        Algorithm::EdwardsKeyPair => edwards_curve(&public_object)?,
        _ => curve(&public_object)?,
    };
    // Both halves are one key: what is said of the private half counts.
    let kept = Kept::of_new(private, room)?.or(Kept::of_new(public, room)?);
    finish(capability, spec, usage(private), kept)
}

/// The call that makes a secret key: one that the service encrypts with if the template wants that and no signatures,
/// else one for HMAC, of the hash that its length says.
///
/// # Errors
/// As for [`pair`].
pub(super) fn secret(
    cx: &CallCx,
    capability: &Capability,
    room: Room,
    mechanism: &Mechanism,
    template: &Template,
) -> Result<NewKey> {
    let key_type = match mechanism.algorithm() {
        Algorithm::GenericSecret => ck::CKK_GENERIC_SECRET,
        Algorithm::AesKey => {
            return Err(Error::new(
                Rv::TemplateInconsistent,
                "this service keeps no AES keys of PKCS#11's kind: CKA_TOKEN must be false",
            ));
        }
        _ => return Err(Rv::MechanismInvalid.into()),
    };
    let origin = Origin::Generate(mechanism.id());
    let object = Object::admit(
        origin,
        Some((ck::CKO_SECRET_KEY, key_type)),
        template,
        cx.access.login,
    )?;
    check_remote(cx, &object)?;
    let len = object.ulong(ck::CKA_VALUE_LEN).unwrap_or_default();
    let (spec, usage) = if is_for_encryption(template) {
        (symmetric(len)?, Usage::Decrypt)
    } else {
        (hmac(capability, len)?, Usage::Sign)
    };
    let kept = Kept::of_new(template, room)?;
    finish(capability, spec, usage, kept)
}

/// A key for HMAC of so many bytes.
fn hmac(capability: &Capability, len: ck::CK_ULONG) -> Result<KeySpec> {
    HASHES
        .iter()
        .filter(|row| row.len as ck::CK_ULONG == len)
        .map(|row| KeySpec::Hmac(row.hash))
        .find(|spec| capability.generates.contains(spec))
        .ok_or_else(|| {
            wrong(
                ck::CKA_VALUE_LEN,
                "is not the length of a hash that the service makes HMAC keys for",
            )
        })
}

/// A key that the service encrypts with.
fn symmetric(len: ck::CK_ULONG) -> Result<KeySpec> {
    if len == SYMMETRIC_LEN {
        return Ok(KeySpec::Symmetric);
    }
    Err(wrong(
        ck::CKA_VALUE_LEN,
        "is not 32, the length of the keys that the service encrypts with",
    ))
}

/// Whether a template asks for the key to be at the service. `CKA_TOKEN` of the private half decides.
pub(super) fn is_for_service(template: &Template) -> bool {
    template.bool(ck::CKA_TOKEN) == Some(true)
}

/// A key that is to be made.
pub(super) struct NewKey {
    spec: KeySpec,
    usage: Usage,
    /// What is kept of its templates.
    pub(super) kept: Kept,
}

impl NewKey {
    /// What the service computes with it.
    pub(super) fn algorithms(&self, capability: &Capability) -> Vec<ServiceAlgorithm> {
        self.spec.algorithms(self.usage, capability.algorithms)
    }

    fn call(&self) -> GenerateKey {
        GenerateKey {
            spec: self.spec,
            usage: self.usage,
            label: self.kept.label.clone(),
            tags: self.kept.new_tags(),
        }
    }
}

/// Makes a key and takes it in.
pub(super) async fn generated(keeper: &Keeper, asker: &Asker, mut new: NewKey) -> Result<Out> {
    let catalogue = &keeper.catalogue;
    // If this ends before its end, for whatever reason, there may be a key that nobody has heard of.
    let doubt = Doubt(catalogue);
    let info = match asker.ask(new.call()).await {
        // Who may make keys need not have the right to tag them, and a service may keep a label in a tag. It says that
        // it has done nothing.
        Err(error) if keeper.may_do_without_names(&error, &new.kept) => {
            new.kept = new.kept.without_service();
            keeper.prepare(&new.kept)?;
            asker.ask(new.call()).await?
        }
        answer => answer?,
    };
    let (name, is_pair) = (info.listed.name.clone(), has_public_half(&info));
    catalogue.add(&info.listed);
    std::mem::forget(doubt);
    let noted = keeper.note(&name, &new.kept).await;
    noted.map_err(|error| exists(&name, &error))?;
    take_in(catalogue, asker, info)
        .await
        .map_err(|error| exists(&name, &error.into()))?;
    let handle = |half| catalogue.handle(&name, half).ok_or_else(unexpected);
    let private = handle(Half::Private)?;
    if !is_pair {
        return Ok(Out::Object(private));
    }
    let public = handle(Half::Public)?;
    Ok(Out::Pair { public, private })
}

/// Completes the description of a new key. What keeps that from happening now and passes by itself is nobody's
/// business: whoever uses the key has it described again.
async fn take_in(catalogue: &Catalogue, asker: &Asker, info: KeyInfo) -> CallResult<()> {
    let key = info.listed.name.clone();
    let spki = match has_public_half(&info) {
        true => match asker.ask(FetchPublicKey { key: key.clone() }).await {
            Ok(spki) => Some(spki),
            Err(error) if error.kind().is_transient() => {
                log::warn!("{key} was made, and its public key will be fetched when it is needed: {error}");
                return Ok(());
            }
            Err(error) => return Err(error),
        },
        false => None,
    };
    catalogue.take(info, spki)
}

/// What failed once the key was there, and which key that is: nobody is to make a second one for want of the first.
fn exists(name: &KeyName, error: &Error) -> Error {
    let detail = error.detail().unwrap_or_default();
    let detail = format!("the key exists, as {name}, but something failed after it was made: {detail}");
    let told = Error::new(error.rv(), detail);
    match error.remote() {
        Some(remote) => told.with_remote(remote.clone()),
        None => told,
    }
}

/// Has the next search list anew.
struct Doubt<'a>(&'a Catalogue);

impl Drop for Doubt<'_> {
    fn drop(&mut self) {
        self.0.doubt();
    }
}

fn finish(capability: &Capability, spec: KeySpec, usage: Usage, kept: Kept) -> Result<NewKey> {
    if !capability.offers(CallKind::Generate) || !capability.generates.contains(&spec) {
        let offered: Vec<_> = capability
            .generates
            .iter()
            .map(|spec| format!("{spec:?}"))
            .collect();
        let detail = format!(
            "the service does not make {spec:?} keys; it makes {}",
            offered.join(", ")
        );
        return Err(Error::new(Rv::AttributeValueInvalid, detail));
    }
    Ok(NewKey { spec, usage, kept })
}

/// Whether a new object can be one of a remote key, and whether this session may make it.
fn check_remote(cx: &CallCx, object: &Object) -> Result<()> {
    // Without a login there are no private objects: what a template says of CKA_PRIVATE is the slot's to decide.
    cx.access.check_write(true, false)?;
    let is_public = object.class() == Some(ck::CKO_PUBLIC_KEY);
    if !is_public && (object.is_true(ck::CKA_EXTRACTABLE) || !object.is_true(ck::CKA_SENSITIVE)) {
        return Err(Error::new(
            Rv::TemplateInconsistent,
            "a key of this service never leaves it: CKA_SENSITIVE must be true and CKA_EXTRACTABLE false",
        ));
    }
    if object.is_true(ck::CKA_ALWAYS_AUTHENTICATE) {
        return Err(wrong(ck::CKA_ALWAYS_AUTHENTICATE, "true is not offered"));
    }
    Ok(())
}

/// What the key is for: signatures, unless the template wants to decrypt and not to sign.
fn usage(private: &Template) -> Usage {
    let wants = |id| private.bool(id) == Some(true);
    if wants(ck::CKA_SIGN) {
        Usage::Sign
    } else if wants(ck::CKA_DECRYPT) || wants(ck::CKA_UNWRAP) {
        Usage::Decrypt
    } else if wants(ck::CKA_DERIVE) {
        Usage::Derive
    } else {
        Usage::Sign
    }
}

fn rsa(public: &Object) -> Result<KeySpec> {
    let exponent = public
        .bytes(ck::CKA_PUBLIC_EXPONENT)
        .map(attribute::without_zeros);
    if exponent.is_some_and(|exponent| !exponent.is_empty() && exponent != [1, 0, 1]) {
        return Err(wrong(
            ck::CKA_PUBLIC_EXPONENT,
            "is not 65537, which is the service's",
        ));
    }
    let bits = public
        .ulong(ck::CKA_MODULUS_BITS)
        .and_then(|bits| u32::try_from(bits).ok());
    bits.map(KeySpec::Rsa)
        .ok_or_else(|| wrong(ck::CKA_MODULUS_BITS, "is no size of a key"))
}

fn curve(public: &Object) -> Result<KeySpec> {
    let curve = public.bytes(ck::CKA_EC_PARAMS).and_then(Curve::from_ec_params);
    curve
        .map(KeySpec::Ec)
        .ok_or_else(|| Error::from(Rv::CurveNotSupported))
}

fn edwards_curve(public: &Object) -> Result<KeySpec> {
    let params = public.bytes(ck::CKA_EC_PARAMS).unwrap_or_default();
    edwards::CURVE
        .is_named_by(params)
        .then_some(KeySpec::Ed25519)
        .ok_or_else(|| Error::from(Rv::CurveNotSupported))
}

/// Whether a secret key is to encrypt, which is said expressly, and not to sign.
fn is_for_encryption(template: &Template) -> bool {
    let wants = |id| template.bool(id) == Some(true);
    (wants(ck::CKA_ENCRYPT) || wants(ck::CKA_DECRYPT)) && !wants(ck::CKA_SIGN)
}

fn wrong(id: ck::CK_ATTRIBUTE_TYPE, what: &str) -> Error {
    Error::new(
        Rv::AttributeValueInvalid,
        format!("{} {what}", attribute::name(id)),
    )
}
