// SPDX-License-Identifier: MIT
//! Modules that say what no honest module would. They are function lists of this file; no library is loaded.
#![allow(clippy::unwrap_used)]

use super::*;

/// How much the dishonest functions claim to have.
const CLAIM: ck::CK_ULONG = ck::CK_ULONG::MAX - 1;

unsafe extern "C" fn slot_list(_: ck::CK_BBOOL, _: ck::CK_SLOT_ID_PTR, count: ck::CK_ULONG_PTR) -> ck::CK_RV {
    // SAFETY: the caller passes a place for the count.
    unsafe { *count = CLAIM };
    ck::CKR_OK
}

unsafe extern "C" fn mechanism_list(
    _: ck::CK_SLOT_ID,
    _: ck::CK_MECHANISM_TYPE_PTR,
    count: ck::CK_ULONG_PTR,
) -> ck::CK_RV {
    // SAFETY: the caller passes a place for the count.
    unsafe { *count = CLAIM };
    ck::CKR_OK
}

unsafe extern "C" fn attribute_value(
    _: ck::CK_SESSION_HANDLE,
    _: ck::CK_OBJECT_HANDLE,
    attribute: ck::CK_ATTRIBUTE_PTR,
    _: ck::CK_ULONG,
) -> ck::CK_RV {
    // SAFETY: the caller passes one attribute.
    unsafe { (*attribute).ulValueLen = CLAIM };
    ck::CKR_OK
}

unsafe extern "C" fn find_init(
    _: ck::CK_SESSION_HANDLE,
    _: ck::CK_ATTRIBUTE_PTR,
    _: ck::CK_ULONG,
) -> ck::CK_RV {
    ck::CKR_OK
}

unsafe extern "C" fn find(
    _: ck::CK_SESSION_HANDLE,
    _: ck::CK_OBJECT_HANDLE_PTR,
    _: ck::CK_ULONG,
    count: ck::CK_ULONG_PTR,
) -> ck::CK_RV {
    // SAFETY: the caller passes a place for the count.
    unsafe { *count = CLAIM };
    ck::CKR_OK
}

fn dishonest() -> Module {
    Module {
        functions: ck::CK_FUNCTION_LIST {
            C_GetSlotList: Some(slot_list),
            C_GetMechanismList: Some(mechanism_list),
            C_GetAttributeValue: Some(attribute_value),
            C_FindObjectsInit: Some(find_init),
            C_FindObjects: Some(find),
            ..ck::CK_FUNCTION_LIST::default()
        },
        own: None,
        path: PathBuf::new(),
        _library: libloading::os::unix::Library::this().into(),
    }
}

fn refusal(function: &'static str) -> Refusal {
    Refusal::bare(function, ck::CKR_HOST_MEMORY)
}

#[test]
fn absurd_lengths_are_refused_and_not_allocated() {
    let module = dishonest();
    assert_eq!(module.slots().unwrap_err(), refusal("C_GetSlotList"));
    assert_eq!(module.mechanisms(0).unwrap_err(), refusal("C_GetMechanismList"));
    assert_eq!(
        module.attribute(1, 1, ck::CKA_LABEL).unwrap_err(),
        refusal("C_GetAttributeValue")
    );
}

#[test]
fn a_search_that_never_ends_is_given_up() {
    assert_eq!(dishonest().find(1, &[]).unwrap_err(), refusal("C_FindObjects"));
}

#[test]
fn a_function_that_the_module_lacks_is_not_called() {
    let refused = dishonest().info().unwrap_err();
    assert_eq!(
        (refused.function, refused.rv),
        ("C_GetInfo", ck::CKR_FUNCTION_NOT_SUPPORTED)
    );
}
