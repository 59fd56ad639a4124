// SPDX-License-Identifier: MIT
//! The table of functions, the lists that are made of it, and the manual's page.

use std::ptr::{from_ref, null_mut};

use super::*;
use crate::abi::functions::{
    C_GetFunctionList, C_GetInterface, C_GetInterfaceList, FUNCTIONS, LIST_2_40, LIST_3_0, LIST_3_2, manual,
};

const POINTER: usize = size_of::<usize>();

/// The function pointers of a list: all that is behind the version.
fn pointers<T>(list: &T) -> Vec<usize> {
    let count = size_of::<T>() / POINTER;
    // SAFETY: the list is a structure of a version, padded to a pointer's size, and of pointers; the padding is skipped.
    let words =
        unsafe { std::slice::from_raw_parts(from_ref(list).cast::<usize>().wrapping_add(1), count - 1) };
    words.to_vec()
}

fn interface(name: &[u8], version: Option<(u8, u8)>, flags: ck::CK_FLAGS) -> Result<(u8, u8), ck::CK_RV> {
    let mut version = version.map(|(major, minor)| ck::CK_VERSION { major, minor });
    let name = if name.is_empty() {
        null_mut()
    } else {
        name.as_ptr().cast_mut()
    };
    let wanted = version.as_mut().map_or(null_mut(), std::ptr::from_mut);
    let mut found = null_mut::<ck::CK_INTERFACE>();
    // SAFETY: all of it outlives the call, and the names end with a NUL.
    let rv = unsafe { C_GetInterface(name, wanted, &raw mut found, flags) };
    if rv != ck::CKR_OK {
        return Err(rv);
    }
    // SAFETY: a constant of the module.
    let list = unsafe { (*found).pFunctionList.cast::<ck::CK_VERSION>() };
    // SAFETY: every list begins with its version.
    let version = unsafe { *list };
    Ok((version.major, version.minor))
}

#[test]
fn the_lists_have_68_and_92_and_104_functions_and_none_is_missing() {
    let lists = [pointers(&LIST_2_40), pointers(&LIST_3_0), pointers(&LIST_3_2)];
    assert_eq!(lists.each_ref().map(Vec::len), [68, 92, 104]);
    assert_eq!(FUNCTIONS.len(), 104);
    assert!(lists.iter().flatten().all(|pointer| *pointer != 0));
    assert_eq!(lists[1][..68], lists[0]);
    assert_eq!(lists[2][..92], lists[1]);
}

#[test]
fn the_lists_say_their_versions() {
    let versions = [LIST_2_40.version, LIST_3_0.version, LIST_3_2.version];
    assert_eq!(
        versions.map(|version| (version.major, version.minor)),
        [(2, 40), (3, 0), (3, 2)]
    );
}

#[test]
fn no_two_functions_share_a_name_a_section_or_an_address() {
    for (index, row) in FUNCTIONS.iter().enumerate() {
        let others = &FUNCTIONS[index + 1..];
        assert!(
            others
                .iter()
                .all(|other| other.name != row.name && other.section != row.section),
            "{}",
            row.name
        );
        assert!(row.name.starts_with("C_"));
    }
    let mut addresses = pointers(&LIST_3_2);
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), FUNCTIONS.len());
}

#[test]
fn the_rows_stand_in_the_order_of_the_lists() {
    let position = |name| FUNCTIONS.iter().position(|row| row.name == name).unwrap();
    let list = pointers(&LIST_3_2);
    let at = |offset: usize| offset / POINTER - 1;
    assert_eq!(
        position("C_Sign"),
        at(std::mem::offset_of!(ck::CK_FUNCTION_LIST_3_2, C_Sign))
    );
    assert_eq!(
        position("C_GetInterface"),
        at(std::mem::offset_of!(ck::CK_FUNCTION_LIST_3_2, C_GetInterface))
    );
    assert_eq!(
        position("C_AsyncJoin"),
        at(std::mem::offset_of!(ck::CK_FUNCTION_LIST_3_2, C_AsyncJoin))
    );
    assert_eq!(
        list[position("C_GetFunctionList")],
        C_GetFunctionList as *const () as usize
    );
}

#[test]
fn the_function_list_is_there_before_the_module_is_initialised() {
    let mut list = null_mut();
    // SAFETY: it outlives the call.
    assert_eq!(unsafe { C_GetFunctionList(&raw mut list) }, ck::CKR_OK);
    assert_eq!(list.cast_const(), from_ref(&LIST_2_40));
    // SAFETY: null is not written.
    assert_eq!(unsafe { C_GetFunctionList(null_mut()) }, ck::CKR_ARGUMENTS_BAD);
}

#[test]
fn the_interfaces_are_listed_with_the_two_call_rule() {
    let mut list = [ck::CK_INTERFACE::default(); 4];
    let list_interfaces = |list: *mut ck::CK_INTERFACE, mut count| {
        // SAFETY: the count and the list of as many outlive the call.
        let rv = unsafe { C_GetInterfaceList(list, &raw mut count) };
        (rv, count)
    };
    assert_eq!(list_interfaces(null_mut(), 0), (ck::CKR_OK, 4));
    assert_eq!(
        list_interfaces(list.as_mut_ptr(), 2),
        (ck::CKR_BUFFER_TOO_SMALL, 4)
    );
    assert_eq!(list_interfaces(list.as_mut_ptr(), 4), (ck::CKR_OK, 4));
    assert!(
        list.iter().all(|interface| interface.flags == 0),
        "a child has to initialise"
    );
    assert!(list.iter().all(|interface| !interface.pFunctionList.is_null()));
}

#[test]
fn the_interface_is_the_newest_that_the_wishes_allow() {
    assert_eq!(interface(b"", None, 0), Ok((3, 2)));
    assert_eq!(interface(b"PKCS 11\0", None, 0), Ok((3, 2)));
    for version in [(2, 40), (3, 0), (3, 2)] {
        assert_eq!(interface(b"PKCS 11\0", Some(version), 0), Ok(version));
        assert_eq!(interface(b"", Some(version), 0), Ok(version));
    }
}

#[test]
fn an_interface_that_is_not_there_is_not_found() {
    let refused = Err(ck::CKR_FUNCTION_FAILED);
    assert_eq!(interface(b"PKCS 11\0", Some((2, 20)), 0), refused);
    assert_eq!(interface(b"Vendor\0", None, 0), refused);
    assert_eq!(
        interface(b"PKCS 11\0", None, ck::CKF_INTERFACE_FORK_SAFE),
        refused
    );
    // SAFETY: null is not written.
    let rv = unsafe { C_GetInterface(null_mut(), null_mut(), null_mut(), 0) };
    assert_eq!(rv, ck::CKR_ARGUMENTS_BAD);
}

#[test]
fn every_function_refuses_before_the_module_is_initialised() {
    /// As many arguments as any function has, all of them 0.
    type Function = unsafe extern "C" fn(
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
        usize,
    ) -> ck::CK_RV;
    let before = [
        "C_Initialize",
        "C_GetFunctionList",
        "C_GetInterfaceList",
        "C_GetInterface",
    ];
    for (row, address) in FUNCTIONS
        .iter()
        .zip(pointers(&LIST_3_2))
        .filter(|(row, _)| !before.contains(&row.name))
    {
        let pointer = std::ptr::with_exposed_provenance::<()>(address);
        // SAFETY: each takes integers and pointers only, and the caller cleans up arguments that are too many.
        let function = unsafe { std::mem::transmute::<*const (), Function>(pointer) };
        // SAFETY: null pointers are not followed.
        let rv = unsafe { function(0, 0, 0, 0, 0, 0, 0, 0, 0, 0) };
        assert_eq!(rv, ck::CKR_CRYPTOKI_NOT_INITIALIZED, "{}", row.name);
    }
}

#[test]
fn the_manual_has_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/functions.md");
    if std::env::var_os("KEYENCLAVE_BLESS").is_some() {
        std::fs::write(path, manual()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == manual(),
        "docs/functions.md is out of date: run the tests once with KEYENCLAVE_BLESS=1"
    );
}
