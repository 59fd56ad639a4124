// SPDX-License-Identifier: MIT
//! Parameters of authenticated encryption that the token writes to: the nonce and the tag that it makes go to where the
//! structure points (PKCS#11 3.2, AES GCM and CCM mechanism parameters, ChaCha20/Poly1305
//! mechanism parameters).
//!
//! What stands there is copied before the token works, and what the token made is written when it has worked, so that
//! nonce and tag may lie anywhere, even in the data.

use std::marker::PhantomData;
use std::ptr::null_mut;

use cryptoki_sys as ck;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::mechanism::{AeadParams, ChaChaPolyParams, Generator, ParamShape, Tag};

use super::parameters::size;
use super::values::{length, read, slice, slice_mut, try_to_vec, ulong};

/// The two families of structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AeadForm {
    /// `CK_GCM_WRAP_PARAMS` and `CK_CCM_WRAP_PARAMS`.
    Wrapping,
    /// `CK_GCM_MESSAGE_PARAMS`, `CK_CCM_MESSAGE_PARAMS` and `CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS`.
    Message,
}

impl AeadForm {
    /// The structure for keys that are wrapped, with authenticated data or without.
    pub fn of(authenticated: bool) -> Self {
        if authenticated {
            Self::Message
        } else {
            Self::Wrapping
        }
    }
}

/// The longest tag, in bytes, and the only one of Poly1305.
const TAG_MAX: usize = 16;

/// The parameter that goes with one message.
pub struct MessageParameter<'a> {
    ptr: *mut u8,
    len: ck::CK_ULONG,
    memory: PhantomData<&'a mut [u8]>,
}

impl MessageParameter<'_> {
    /// `len` bytes at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read and written for `len` bytes during `'a`, and so can what the structure
    /// there points to; nobody else uses either meanwhile but this C function.
    pub unsafe fn new(ptr: *mut u8, len: ck::CK_ULONG) -> Self {
        Self {
            ptr,
            len,
            memory: PhantomData,
        }
    }

    /// The memory, for whoever reads it themselves.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null with a length, and for a length that no memory has.
    pub fn given(&mut self) -> Result<&mut [u8]> {
        // SAFETY: as promised to `new`; `&mut self` keeps it the only reference.
        unsafe { slice_mut(self.ptr, self.len) }.ok_or_else(|| Rv::ArgumentsBad.into())
    }

    /// The parameter, read as the mechanism's row says.
    ///
    /// # Errors
    /// `CKR_MECHANISM_PARAM_INVALID`.
    pub fn read(&self, shape: ParamShape, opens: bool) -> Result<AeadParams> {
        let form = AeadForm::Message;
        // SAFETY: as promised to `new`.
        let raw = unsafe { RawAead::new(self.ptr, self.len, shape, form) }?;
        // SAFETY: as promised to `new`.
        unsafe { raw.read(opens) }
    }

    /// Writes what the token has made of a message that was encrypted.
    pub fn answer(&mut self, shape: ParamShape, made: &AeadParams) {
        // SAFETY: as promised to `new`.
        let raw = unsafe { RawAead::new(self.ptr, self.len, shape, AeadForm::Message) };
        if let Ok(raw) = raw {
            // SAFETY: as promised to `new`: what the structure points to can be written.
            unsafe { raw.write(made) };
        }
    }
}

/// What the five structures have in common.
pub(super) struct RawAead {
    nonce: (*mut u8, ck::CK_ULONG),
    fixed_bits: ck::CK_ULONG,
    generator: ck::CK_GENERATOR_FUNCTION,
    aad: (*mut u8, ck::CK_ULONG),
    /// `None` where the tag is appended.
    tag: Option<*mut u8>,
    tag_len: usize,
    data_len: Option<ck::CK_ULONG>,
}

impl RawAead {
    /// The structure at `ptr`, if it has the length of the one that is meant.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read for `len` bytes.
    pub unsafe fn new(ptr: *const u8, len: ck::CK_ULONG, shape: ParamShape, form: AeadForm) -> Result<Self> {
        use {AeadForm::*, ParamShape::*};
        match (shape, form) {
            // SAFETY: as promised by the caller; the structure is of integers and pointers.
            (Gcm, Message) => unsafe { structure(ptr, len) }.and_then(gcm_message),
            // SAFETY: as promised by the caller; the structure is of integers and pointers.
            (Gcm, Wrapping) => unsafe { structure(ptr, len) }.and_then(gcm_wrapping),
            // SAFETY: as promised by the caller; the structure is of integers and pointers.
            (Ccm, Message) => unsafe { structure(ptr, len) }.and_then(ccm_message),
            // SAFETY: as promised by the caller; the structure is of integers and pointers.
            (Ccm, Wrapping) => unsafe { structure(ptr, len) }.and_then(ccm_wrapping),
            // SAFETY: as promised by the caller; the structure is of integers and pointers.
            (ChaChaPoly, Message) => unsafe { structure(ptr, len) }.and_then(chacha_message),
            _ => invalid(),
        }
    }

    /// Everything that it says and points to. Who does not open makes a tag, and finds none; who opens makes no nonce.
    ///
    /// # Safety
    /// Pointers that are not null can be read for the lengths that go with them.
    pub unsafe fn read(&self, opens: bool) -> Result<AeadParams> {
        if self.tag_len > TAG_MAX {
            return invalid();
        }
        let tag = match self.tag {
            None => Tag::Appended,
            Some(tag) if tag.is_null() => Tag::Missing,
            Some(_) if !opens => Tag::Apart(Vec::new()),
            // SAFETY: as promised by the caller.
            Some(tag) => Tag::Apart(unsafe { copied(tag, ulong(self.tag_len)) }?),
        };
        // SAFETY: as promised by the caller.
        let nonce = unsafe { copied(self.nonce.0, self.nonce.1) }?;
        // SAFETY: as promised by the caller.
        let aad = unsafe { copied(self.aad.0, self.aad.1) }?;
        let (generator, fixed_bits) = if opens {
            (Some(Generator::None), 0)
        } else {
            (Generator::new(self.generator), size(self.fixed_bits)?)
        };
        Ok(AeadParams {
            nonce,
            fixed_bits,
            generator: generator.ok_or(Rv::MechanismParamInvalid)?,
            aad,
            tag_len: self.tag_len,
            tag,
            data_len: self.data_len.map(size).transpose()?,
        })
    }

    /// Writes the nonce, where it was to be generated: else it may be constant. Writes the tag, where there is one.
    ///
    /// # Safety
    /// The pointers to a nonce that is to be generated and to a tag, if they are not null, can be written for the lengths
    /// that go with them.
    pub unsafe fn write(&self, made: &AeadParams) {
        if made.generator != Generator::None {
            // SAFETY: as promised by the caller.
            let nonce = unsafe { slice_mut(self.nonce.0, self.nonce.1) };
            put(nonce, &made.nonce);
        }
        if let (Some(tag), Tag::Apart(made)) = (self.tag, &made.tag) {
            // SAFETY: as promised by the caller.
            let tag = unsafe { slice_mut(tag, ulong(self.tag_len)) };
            put(tag, made);
        }
    }
}

/// What was made has the length of its place. A message that has not ended has no tag yet.
fn put(to: Option<&mut [u8]>, bytes: &[u8]) {
    match to {
        Some(to) if to.len() == bytes.len() => to.copy_from_slice(bytes),
        _ => {}
    }
}

/// # Safety
/// A `ptr` that is not null can be read for `len` bytes.
unsafe fn copied(ptr: *const u8, len: ck::CK_ULONG) -> Result<Vec<u8>> {
    // SAFETY: as promised by the caller.
    let bytes = unsafe { slice(ptr, len) }.ok_or(Rv::MechanismParamInvalid)?;
    try_to_vec(bytes)
}

/// # Safety
/// A `ptr` that is not null can be read for `len` bytes; every bit pattern is a `T`.
unsafe fn structure<T: Copy>(ptr: *const u8, len: ck::CK_ULONG) -> Result<T> {
    if length(len) != Some(size_of::<T>()) {
        return invalid();
    }
    // SAFETY: as promised by the caller, and the length is that of a `T`.
    unsafe { read(ptr.cast::<T>()) }.ok_or_else(|| Rv::MechanismParamInvalid.into())
}

fn gcm_message(raw: ck::CK_GCM_MESSAGE_PARAMS) -> Result<RawAead> {
    Ok(RawAead {
        nonce: (raw.pIv, raw.ulIvLen),
        fixed_bits: raw.ulIvFixedBits,
        generator: raw.ivGenerator,
        aad: (null_mut(), 0),
        tag: Some(raw.pTag),
        tag_len: bits(raw.ulTagBits)?,
        data_len: None,
    })
}

fn gcm_wrapping(raw: ck::CK_GCM_WRAP_PARAMS) -> Result<RawAead> {
    Ok(RawAead {
        nonce: (raw.pIv, raw.ulIvLen),
        fixed_bits: raw.ulIvFixedBits,
        generator: raw.ivGenerator,
        aad: (raw.pAAD, raw.ulAADLen),
        tag: None,
        tag_len: bits(raw.ulTagBits)?,
        data_len: None,
    })
}

fn ccm_message(raw: ck::CK_CCM_MESSAGE_PARAMS) -> Result<RawAead> {
    Ok(RawAead {
        nonce: (raw.pNonce, raw.ulNonceLen),
        fixed_bits: raw.ulNonceFixedBits,
        generator: raw.nonceGenerator,
        aad: (null_mut(), 0),
        tag: Some(raw.pMAC),
        tag_len: size(raw.ulMACLen)?,
        data_len: Some(raw.ulDataLen),
    })
}

fn ccm_wrapping(raw: ck::CK_CCM_WRAP_PARAMS) -> Result<RawAead> {
    Ok(RawAead {
        nonce: (raw.pNonce, raw.ulNonceLen),
        fixed_bits: raw.ulNonceFixedBits,
        generator: raw.nonceGenerator,
        aad: (raw.pAAD, raw.ulAADLen),
        tag: None,
        tag_len: size(raw.ulMACLen)?,
        data_len: Some(raw.ulDataLen),
    })
}

fn chacha_message(raw: ck::CK_SALSA20_CHACHA20_POLY1305_MSG_PARAMS) -> Result<RawAead> {
    Ok(RawAead {
        nonce: (raw.pNonce, ChaChaPolyParams::nonce_len(raw.ulNonceLen)),
        fixed_bits: 0,
        generator: ck::CKG_NO_GENERATE,
        aad: (null_mut(), 0),
        tag: Some(raw.pTag),
        tag_len: TAG_MAX,
        data_len: None,
    })
}

fn bits(bits: ck::CK_ULONG) -> Result<usize> {
    if bits.is_multiple_of(8) {
        size(bits / 8)
    } else {
        invalid()
    }
}

fn invalid<T>() -> Result<T> {
    Err(Rv::MechanismParamInvalid.into())
}
