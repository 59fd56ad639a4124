// SPDX-License-Identifier: MIT
//! `include/keyenclave.h`: made from the table of the vendor's constants and the text of the interface, and good C.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use keyenclave_model::vendor::{VENDOR, VendorRow};

const INCLUDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../include");

/// The interface of the module's own, `pkcs11-module/src/abi/own.rs`, in C. `conformance/programs/own.c` uses it.
const INTERFACE: &str = r#"
/*
 * KeyEnclave's own functions: C_GetInterface with this name and version 1.0 gives a CK_INTERFACE whose pFunctionList
 * is a struct keyenclave_functions. unsigned long is CK_ULONG, and what the functions return a CK_RV.
 */
#define KEYENCLAVE_INTERFACE "KeyEnclave"

/* The parts of a failure: what failed; where the fault lies ("configuration", "connectivity", "permission" or
 * "provider"); the number of the request in the service's own log; what to do. */
#define KEYENCLAVE_FAILURE_MESSAGE 0UL
#define KEYENCLAVE_FAILURE_REASON 1UL
#define KEYENCLAVE_FAILURE_REQUEST_ID 2UL
#define KEYENCLAVE_FAILURE_ADVICE 3UL

struct keyenclave_functions {
    /* CK_VERSION: 1.0. Members may be added at the end, with another minor version. */
    unsigned char version[2];
    /* Asks what is behind a slot's token whether it would do its work now, as long as the slot's operation_timeout at
     * the most. Needs C_Initialize, but no session. */
    unsigned long (*check_slot)(unsigned long slot);
    /* A part of the last failure on this thread, UTF-8 without a NUL at its end. The length is treated as C_Sign
     * treats it: a null text asks for it. What is not known is empty. */
    unsigned long (*last_failure)(unsigned long part, unsigned char *text, unsigned long *len);
};
"#;

/// The header as it must be.
fn header() -> String {
    let mut text = String::from(
        "/* SPDX-License-Identifier: MIT */\n\
         /*\n \
          * What KeyEnclave adds to PKCS#11: constants, and an interface. Include the specification's pkcs11.h (or\n \
          * pkcs11t.h) first; on its own this header defines the ranges that the specification leaves to vendors.\n \
          *\n \
          * Made from backend-bridge/model/src/vendor.rs by its test with KEYENCLAVE_BLESS=1. Do not edit.\n \
          */\n\
         #ifndef KEYENCLAVE_H\n#define KEYENCLAVE_H\n",
    );
    let mut ranges: Vec<_> = VENDOR.iter().map(|row| row.range).collect();
    ranges.sort_unstable();
    ranges.dedup();
    for range in ranges {
        write!(text, "\n#ifndef {range}\n#define {range} 0x80000000UL\n#endif\n").unwrap();
    }
    for row in VENDOR {
        text.push_str(&constant(row));
    }
    text + INTERFACE + "\n#endif /* KEYENCLAVE_H */\n"
}

fn constant(row: &VendorRow) -> String {
    let what: String = row.what.iter().map(|line| format!(" *{line}\n")).collect();
    let VendorRow {
        name, range, offset, ..
    } = row;
    format!("\n/*\n{what} */\n#ifndef {name}\n#define {name} ({range} | 0x{offset:08x}UL)\n#endif\n")
}

#[test]
fn the_header_has_the_table() {
    let path = Path::new(INCLUDE).join("keyenclave.h");
    if std::env::var_os("KEYENCLAVE_BLESS").is_some() {
        std::fs::write(&path, header()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap();
    assert!(
        written == header(),
        "include/keyenclave.h is out of date: run the tests once with KEYENCLAVE_BLESS=1"
    );
}

/// Compiles C that includes the header twice after `before`, and says that each constant has the table's value.
fn compile(name: &str, before: &str) {
    let mut program = format!("{before}#include \"keyenclave.h\"\n#include \"keyenclave.h\"\n");
    for VendorRow { name, value, .. } in VENDOR {
        writeln!(program, "_Static_assert({name} == 0x{value:x}UL, \"{name}\");").unwrap();
    }
    program.push_str("int main(void) { return 0; }\n");
    let source = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&source, program).unwrap();
    let mut compiler = Command::new("cc");
    compiler.args([
        "-std=c11",
        "-Wall",
        "-Wextra",
        "-Wpedantic",
        "-Werror",
        "-fsyntax-only",
    ]);
    let output = compiler.args(["-I", INCLUDE]).arg(&source).output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn the_header_is_c_on_its_own_and_twice() {
    compile("keyenclave_alone.c", "");
}

#[test]
fn the_header_stands_beside_the_specifications_names() {
    let names = "#define CKA_VENDOR_DEFINED 0x80000000UL\n#define CKM_VENDOR_DEFINED 0x80000000UL\n\
                 typedef unsigned long CK_ULONG;\ntypedef CK_ULONG CK_ATTRIBUTE_TYPE;\n";
    compile("keyenclave_beside.c", names);
}

#[test]
fn a_program_that_has_a_constant_already_keeps_it() {
    let own: String = VENDOR
        .iter()
        .map(|row| format!("#define {} 0x{:x}UL\n", row.name, row.value))
        .collect();
    compile("keyenclave_own.c", &own);
}
