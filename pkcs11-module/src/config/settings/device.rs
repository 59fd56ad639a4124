// SPDX-License-Identifier: MIT
//! The rows of slots in front of a vendor's PKCS#11 module.

use super::{Kind, Setting};

/// How many sessions a vendor's token is used with at once when nothing is said.
pub const DEFAULT_SESSIONS: u32 = 64;

/// `module` in a slot of a vendor's module.
pub static MODULE: Setting = Setting {
    name: "module",
    kind: Kind::File,
    default: "required",
    about: "The vendor's PKCS#11 library. It runs inside of the application, with all that the application may do.",
};
/// `token` in a slot of a vendor's module.
pub static TOKEN: Setting = Setting {
    name: "token",
    kind: Kind::Text { max_bytes: 32 },
    default: "any token",
    about: "The label of the vendor's token that the slot shows.",
};
/// `serial` in a slot of a vendor's module.
pub static SERIAL: Setting = Setting {
    name: "serial",
    kind: Kind::Text { max_bytes: 16 },
    default: "any token",
    about: "The serial number of the token.",
};
/// `slot_id` in a slot of a vendor's module.
pub static SLOT_ID: Setting = Setting {
    name: "slot_id",
    kind: Kind::Number {
        min: 0,
        max: u32::MAX,
    },
    default: "any slot",
    about: "The number of the slot at the vendor's module. Some modules give a token another number at every start.",
};
/// `uri` in a slot of a vendor's module.
pub static URI: Setting = Setting {
    name: "uri",
    kind: Kind::Text { max_bytes: 1024 },
    default: "none",
    about: "The token as a PKCS#11 URI (RFC 7512), such as `pkcs11:manufacturer=Acme;serial=0815`, instead of `token`, \
            `serial` and `slot_id`.",
};
/// `init_string` in a slot of a vendor's module.
pub static INIT_STRING: Setting = Setting {
    name: "init_string",
    kind: Kind::Text { max_bytes: 4096 },
    default: "none",
    about: "What the module is told when it is initialised (`pReserved`), for modules that ask for it, such as NSS's.",
};
/// `pin_env` in a slot of a vendor's module.
pub static PIN_ENV: Setting = Setting {
    name: "pin_env",
    kind: Kind::Text { max_bytes: 128 },
    default: "none: the application logs in",
    about: "The environment variable that has the user's PIN: the token is then logged in without the application's doing.",
};
/// `pin_file` in a slot of a vendor's module.
pub static PIN_FILE: Setting = Setting {
    name: "pin_file",
    kind: Kind::File,
    default: "none: the application logs in",
    about: "The file that has the user's PIN in its first line, instead of `pin_env`. Nobody but its owner may read it.",
};
/// `operation_timeout` in a slot of a vendor's module.
pub static DEVICE_TIMEOUT: Setting = Setting {
    name: "operation_timeout",
    kind: Kind::Number {
        min: 100,
        max: 600_000,
    },
    default: "none: calls run on the application's thread, as long as they take",
    about: "How long an operation may take, in milliseconds. With it calls run on threads of their own, so that a device \
            that hangs holds nobody up for longer.",
};
/// `sessions` in a slot of a vendor's module.
pub static SESSIONS: Setting = Setting {
    name: "sessions",
    kind: Kind::Number { min: 2, max: 65_536 },
    default: "`64`",
    about: "How many sessions are open at the vendor's token at the most; applications may have any number here.",
};
/// `single_threaded` in a slot of a vendor's module.
pub static SINGLE_THREADED: Setting = Setting {
    name: "single_threaded",
    kind: Kind::Boolean,
    default: "`false`; modules that are known to need it are used so anyway",
    about: "Whether the module is called by one thread at a time, and told so when it is initialised.",
};
