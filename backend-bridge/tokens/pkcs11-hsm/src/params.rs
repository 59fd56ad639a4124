// SPDX-License-Identifier: MIT
//! What is inside of the parameters of the standard's mechanisms, and copies that own all of it.
//!
//! A parameter is handed on as flat bytes. Two things in it concern us: handles of objects, which are ours and have to
//! become the vendor's (those that the vendor makes, ours), and pointers into the application's memory, which are good
//! only while its call lasts. Work that may go on after that, and parameters with handles behind pointers, have a copy of
//! everything; what the vendor writes there is handed back inside of the call. A structure that is not in the table is
//! handed on as it is, and worked on only inside of the call.

mod copy;
mod shapes;

use std::mem::offset_of;

use cryptoki_sys as ck;
use keyenclave_model::attribute::ULONG;

pub(crate) use copy::{OwnParameter, Written};
pub(crate) use shapes::Handles;
use shapes::{Field, shape};

/// Puts the vendor's handles where ours stand in the parameter itself. One that is not known becomes
/// `CK_INVALID_HANDLE`: it may be a field that is not in use, and it must not be some object of the vendor's.
pub(crate) fn translate(
    id: ck::CK_MECHANISM_TYPE,
    parameter: &mut [u8],
    mut known: impl FnMut(ck::CK_OBJECT_HANDLE) -> Option<ck::CK_OBJECT_HANDLE>,
) {
    let Some(shape) = shape(id, parameter.len()) else {
        return;
    };
    for field in shape.fields {
        if let Field::Handle(at) = field {
            let ours = number(parameter, *at).unwrap_or(ck::CK_INVALID_HANDLE);
            put(parameter, *at, known(ours).unwrap_or(ck::CK_INVALID_HANDLE));
        }
    }
}

impl Handles {
    /// Of this parameter.
    pub fn of(id: ck::CK_MECHANISM_TYPE, parameter: &[u8]) -> Self {
        shape(id, parameter.len()).map_or(Self::None, |shape| shape.handles)
    }
}

/// The number at an offset. Pointers, lengths and handles are all as wide as `CK_ULONG` where this is built.
fn number(parameter: &[u8], at: usize) -> Option<ck::CK_ULONG> {
    let bytes = parameter.get(at..)?.first_chunk::<ULONG>()?;
    Some(ck::CK_ULONG::from_ne_bytes(*bytes))
}

fn put(parameter: &mut [u8], at: usize, number: ck::CK_ULONG) {
    if let Some(place) = parameter
        .get_mut(at..)
        .and_then(|rest| rest.first_chunk_mut::<ULONG>())
    {
        *place = number.to_ne_bytes();
    }
}

const _: () = assert!(size_of::<usize>() == ULONG, "pointers are as wide as CK_ULONG");

/// How long the output of a call for the whole is, where the standard says so: what is known without asking.
pub(crate) fn output_len(
    class: keyenclave_model::token::OperationClass,
    id: ck::CK_MECHANISM_TYPE,
    parameter: &[u8],
    input: usize,
) -> Option<usize> {
    use keyenclave_model::token::OperationClass::{Decrypt, Encrypt};
    let tag = match id {
        ck::CKM_AES_GCM if parameter.len() == size_of::<ck::CK_GCM_PARAMS>() => {
            let bits = number(parameter, offset_of!(ck::CK_GCM_PARAMS, ulTagBits))?;
            usize::try_from(bits).ok()?.div_ceil(8)
        }
        ck::CKM_AES_CTR | ck::CKM_AES_CBC | ck::CKM_AES_ECB => 0,
        ck::CKM_AES_CBC_PAD if class == Encrypt => 16 - input % 16,
        _ => return None,
    };
    match class {
        Encrypt => input.checked_add(tag),
        Decrypt => input.checked_sub(tag),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_handle_becomes_the_vendors_and_an_unknown_one_nothing() {
        let mut parameter = 7u64.to_ne_bytes();
        translate(ck::CKM_CONCATENATE_BASE_AND_KEY, &mut parameter, |ours| {
            (ours == 7).then_some(70)
        });
        assert_eq!(parameter, 70u64.to_ne_bytes());
        translate(ck::CKM_CONCATENATE_BASE_AND_KEY, &mut parameter, |_| None);
        assert_eq!(parameter, 0u64.to_ne_bytes());
        let mut vendors = 7u64.to_ne_bytes();
        translate(ck::CKM_VENDOR_DEFINED, &mut vendors, |_| None);
        assert_eq!(vendors, 7u64.to_ne_bytes());
    }

    #[test]
    fn the_tag_is_counted() {
        use keyenclave_model::token::OperationClass::{Decrypt, Encrypt};
        let mut parameter = [0; size_of::<ck::CK_GCM_PARAMS>()];
        put(&mut parameter, offset_of!(ck::CK_GCM_PARAMS, ulTagBits), 128);
        assert_eq!(output_len(Encrypt, ck::CKM_AES_GCM, &parameter, 100), Some(116));
        assert_eq!(output_len(Decrypt, ck::CKM_AES_GCM, &parameter, 100), Some(84));
        assert_eq!(output_len(Decrypt, ck::CKM_AES_GCM, &parameter, 3), None);
        assert_eq!(output_len(Encrypt, ck::CKM_AES_CBC_PAD, &[0; 16], 32), Some(48));
        assert_eq!(output_len(Encrypt, ck::CKM_RSA_PKCS, &[], 32), None);
    }
}
