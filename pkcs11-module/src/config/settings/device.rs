// SPDX-License-Identifier: MIT
//! The rows of slots in front of a vendor's PKCS#11 module.

use super::Kind::{Boolean, File, Number, Text};
use super::{BackendName, OPERATION_TIMES, Section, Setting};

/// How many sessions a vendor's token is used with at once when nothing is said.
pub const DEFAULT_SESSIONS: u32 = 64;

section! {
    PKCS11: "slot", "[[slot]] with `backend = \"pkcs11\"`", Some(BackendName::Pkcs11), "in a slot of a vendor's module";

    MODULE = "module": File,
        "required",
        "The vendor's PKCS#11 library. It runs inside of the application, with all that the application may do.";
    TOKEN = "token": Text { max_bytes: 32 },
        "any token",
        "The label of the vendor's token that the slot shows.";
    SERIAL = "serial": Text { max_bytes: 16 },
        "any token",
        "The serial number of the token.";
    SLOT_ID = "slot_id": Number { min: 0, max: u32::MAX },
        "any slot",
        "The number of the slot at the vendor's module. Some modules give a token another number at every start.";
    URI = "uri": Text { max_bytes: 1024 },
        "none",
        "The token as a PKCS#11 URI (RFC 7512), such as `pkcs11:manufacturer=Acme;serial=0815`, instead of `token`, \
         `serial` and `slot_id`.";
    INIT_STRING = "init_string": Text { max_bytes: 4096 },
        "none",
        "What the module is told when it is initialised (`pReserved`), for modules that ask for it, such as NSS's.";
    PIN_ENV = "pin_env": Text { max_bytes: 128 },
        "none: the application logs in",
        "The environment variable that has the user's PIN: the token is then logged in without the application's doing.";
    PIN_FILE = "pin_file": File,
        "none: the application logs in",
        "The file that has the user's PIN in its first line, instead of `pin_env`. Nobody but its owner may read it.";
    DEVICE_TIMEOUT = "operation_timeout": OPERATION_TIMES,
        "none: calls run on the application's thread, as long as they take",
        "How long an operation may take, in milliseconds. With it calls run on threads of their own, so that a device \
         that hangs holds nobody up for longer.";
    SESSIONS = "sessions": Number { min: 2, max: 65_536 },
        "`64`",
        "How many sessions are open at the vendor's token at the most; applications may have any number here.";
    SINGLE_THREADED = "single_threaded": Boolean,
        "`false`; modules that are known to need it are used so anyway",
        "Whether the module is called by one thread at a time, and told so when it is initialised.";
}
