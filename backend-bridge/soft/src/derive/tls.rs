// SPDX-License-Identifier: MIT
//! The keys of TLS 1.2 and before (PKCS#11 3.2, TLS 1.2 mechanisms; RFC 5246, RFC 5705, RFC 7627).

use cryptoki_sys as ck;
use keyenclave_crypto::kdf;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{
    Params, TLS_SECRET_LEN, TlsKdfParams, TlsKeysParams, TlsMasterParams, TlsPrf,
};
use keyenclave_model::template::Template;
use zeroize::Zeroizing;

use super::Source;
use crate::error::Doing;

/// The pseudorandom function of a TLS version: so many bytes of it.
pub(crate) fn prf(
    prf: TlsPrf,
    secret: &[u8],
    label: &[u8],
    seeds: [&[u8]; 2],
    len: usize,
) -> Result<Zeroizing<Vec<u8>>> {
    let hash = match prf {
        TlsPrf::Legacy => None,
        TlsPrf::Hash(hash) => Some(hash),
    };
    let mut out = Zeroizing::new(vec![0; len]);
    kdf::tls_prf(hash, secret, label, seeds, &mut out).map_err(|error| Doing::Internal.failed(error))?;
    Ok(out)
}

/// The master secret.
///
/// # Errors
/// `CKR_KEY_SIZE_RANGE` for a premaster secret without a version, `CKR_TEMPLATE_INCONSISTENT` for another length.
pub(super) fn master(extended: bool, agreed: bool, source: &Source<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let params = master_params(source)?;
    let premaster = source.value(0);
    if !agreed && premaster.len() != TLS_SECRET_LEN {
        return Err(Error::new(
            Rv::KeySizeRange,
            format!("a premaster secret that begins with a version has {TLS_SECRET_LEN} bytes"),
        ));
    }
    if source.wanted.is_some_and(|len| len != TLS_SECRET_LEN) || !source.is_generic {
        return Err(Error::new(
            Rv::TemplateInconsistent,
            format!("a master secret is a generic secret of {TLS_SECRET_LEN} bytes"),
        ));
    }
    let label: &[u8] = if extended {
        b"extended master secret"
    } else {
        b"master secret"
    };
    prf(params.prf, premaster, label, [&params.seed, &[]], TLS_SECRET_LEN)
}

/// The version that a premaster secret begins with, if the application asks for it.
pub(super) fn version(source: &Source<'_>) -> Result<Option<[u8; 2]>> {
    let version = source.value(0).first_chunk().copied();
    Ok(version.filter(|_| master_params(source).is_ok_and(|params| params.has_version)))
}

fn master_params<'a>(source: &Source<'a>) -> Result<&'a TlsMasterParams> {
    match source.mechanism.params() {
        Params::TlsMaster(params) => Ok(params),
        _ => Err(Rv::MechanismParamInvalid.into()),
    }
}

/// What a master secret is for, unless the template says otherwise.
pub(super) fn for_master(template: Template) -> Template {
    let allowed = [
        ck::CKM_TLS12_KEY_AND_MAC_DERIVE,
        ck::CKM_TLS12_KEY_SAFE_DERIVE,
        ck::CKM_TLS_KDF,
        ck::CKM_TLS_MAC,
        ck::CKM_TLS12_KDF,
        ck::CKM_TLS12_MAC,
    ];
    with_default(
        template,
        ck::CKA_ALLOWED_MECHANISMS,
        Value::Mechanisms(allowed.to_vec()),
    )
}

/// Keying material for something else.
pub(super) fn exported(params: &TlsKdfParams, source: &Source<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let mut seed = [params.randoms.client.as_slice(), &params.randoms.server].concat();
    if let Some(context) = &params.context {
        let len = u16::try_from(context.len()).map_err(|_| Error::from(Rv::MechanismParamInvalid))?;
        seed.extend(len.to_be_bytes());
        seed.extend_from_slice(context);
    }
    let len = source.needed()?;
    if len > LONGEST {
        return Err(Error::new(
            Rv::KeySizeRange,
            format!("{LONGEST} bytes are derived at the most"),
        ));
    }
    prf(params.prf, source.value(0), &params.label, [&seed, &[]], len)
}

/// More keying material than anybody needs, in bytes.
const LONGEST: usize = 1 << 16;

/// The key block of a connection, in pieces.
pub(super) struct KeyBlock {
    /// The MAC keys of the client and of the server, their encryption keys; `None` for those that have no length.
    pub(super) keys: [Option<Zeroizing<Vec<u8>>>; 4],
    /// The initialisation vectors.
    pub(super) ivs: [Vec<u8>; 2],
}

/// Cuts the key block.
///
/// # Errors
/// `CKR_KEY_SIZE_RANGE` for what is no master secret, `CKR_MECHANISM_PARAM_INVALID` for lengths that nobody needs.
pub(super) fn key_block(params: &TlsKeysParams, with_ivs: bool, source: &Source<'_>) -> Result<KeyBlock> {
    let iv_len = if with_ivs { params.iv_len } else { 0 };
    let lens = [params.mac_len, params.key_len, iv_len];
    if lens.iter().any(|len| *len > 256) {
        return Err(Rv::MechanismParamInvalid.into());
    }
    if source.value(0).len() != TLS_SECRET_LEN {
        return Err(Error::new(
            Rv::KeySizeRange,
            format!("a master secret has {TLS_SECRET_LEN} bytes"),
        ));
    }
    let all = lens.iter().sum::<usize>().saturating_mul(2);
    let seeds = [params.randoms.server.as_slice(), &params.randoms.client];
    let block = prf(params.prf, source.value(0), b"key expansion", seeds, all)?;
    let mut rest = block.as_slice();
    let mut next = |len: usize| {
        let (piece, after) = rest.split_at_checked(len).unwrap_or_default();
        rest = after;
        piece
    };
    let mut key = |len: usize| Some(Zeroizing::new(next(len).to_vec())).filter(|key| !key.is_empty());
    let keys = [
        key(params.mac_len),
        key(params.mac_len),
        key(params.key_len),
        key(params.key_len),
    ];
    let ivs = [next(iv_len).to_vec(), next(iv_len).to_vec()];
    Ok(KeyBlock { keys, ivs })
}

/// What the MAC keys and the encryption keys of a connection shall be.
///
/// # Errors
/// `CKR_TEMPLATE_INCONSISTENT` for another length than the parameter's.
pub(super) fn connection_templates(template: &Template, params: &TlsKeysParams) -> Result<[Template; 2]> {
    let len = template.ulong(ck::CKA_VALUE_LEN);
    if len.is_some_and(|len| usize::try_from(len) != Ok(params.key_len)) {
        return Err(Error::new(
            Rv::TemplateInconsistent,
            "CKA_VALUE_LEN is not the length of the keys in the mechanism's parameter",
        ));
    }
    let kept = [
        ck::CKA_TOKEN,
        ck::CKA_PRIVATE,
        ck::CKA_SENSITIVE,
        ck::CKA_EXTRACTABLE,
    ];
    let mac = template
        .iter()
        .filter(|(id, _)| kept.contains(id))
        .map(|(id, value)| (id, value.clone()));
    let mac = mac.chain([
        (ck::CKA_CLASS, Value::Ulong(ck::CKO_SECRET_KEY)),
        (ck::CKA_KEY_TYPE, Value::Ulong(ck::CKK_GENERIC_SECRET)),
        (ck::CKA_SIGN, Value::Bool(true)),
        (ck::CKA_VERIFY, Value::Bool(true)),
    ]);
    let usages = [ck::CKA_ENCRYPT, ck::CKA_DECRYPT, ck::CKA_DERIVE];
    let cipher = usages.into_iter().fold(template.clone(), |template, usage| {
        with_default(template, usage, Value::Bool(true))
    });
    Ok([mac.collect(), cipher])
}

fn with_default(template: Template, id: ck::CK_ATTRIBUTE_TYPE, value: Value) -> Template {
    let missing = template.get(id).is_none().then_some((id, value));
    template
        .iter()
        .map(|(id, value)| (id, value.clone()))
        .chain(missing)
        .collect()
}
