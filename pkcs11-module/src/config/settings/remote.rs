// SPDX-License-Identifier: MIT
//! The rows of slots whose keys are with a service. Apart, because they are many.

use super::{Kind, Setting};

/// How many days a deleted key of AWS KMS can be brought back when nothing is said.
pub const DEFAULT_DELETION_DAYS: u32 = 30;
/// How many keys of AWS KMS are asked for at once when nothing is said.
pub const DEFAULT_PAGE_SIZE: u32 = 1000;
/// How long an operation of a remote slot may take when nothing is said, in milliseconds.
pub const DEFAULT_OPERATION_TIMEOUT: u32 = 5_000;
/// How often a request is repeated when nothing is said.
pub const DEFAULT_RETRIES: u32 = 3;
/// How many requests are under way at once when nothing is said.
pub const DEFAULT_CONNECTIONS: u32 = 64;
/// How many requests wait for a connection when nothing is said.
pub const DEFAULT_QUEUE: u32 = 10_000;
/// How long a listing is believed when nothing is said, in seconds.
pub const DEFAULT_LISTING_EXPIRY: u32 = 60;
/// How long a listing may take when nothing is said, in seconds.
pub const DEFAULT_LISTING_TIMEOUT: u32 = 120;
/// How long a key's description is believed when nothing is said, in seconds.
pub const DEFAULT_DESCRIPTION_EXPIRY: u32 = 300;

/// `region` in a slot of AWS KMS.
pub static REGION: Setting = Setting {
    name: "region",
    kind: Kind::Text { max_bytes: 64 },
    default: "the region of the process's AWS surroundings (`AWS_REGION`, the profile, the instance)",
    about: "The region whose keys these are, such as `eu-central-1`.",
};
/// `endpoint` in a slot of AWS KMS.
pub static ENDPOINT: Setting = Setting {
    name: "endpoint",
    kind: Kind::Url,
    default: "`AWS_ENDPOINT_URL_KMS`, `AWS_ENDPOINT_URL`, the profile's `endpoint_url`, or AWS's own for the region",
    about: "Another address of the service: a VPC endpoint, or an emulator. In `production` one without TLS is refused \
            wherever it comes from, but on this machine. It excludes `fips` and `dual_stack`.",
};
/// `fips` in a slot of AWS KMS.
pub static FIPS: Setting = Setting {
    name: "fips",
    kind: Kind::Boolean,
    default: "`AWS_USE_FIPS_ENDPOINT`, the profile's `use_fips_endpoint`, or `false`",
    about: "Whether the region's FIPS 140 endpoint is called.",
};
/// `dual_stack` in a slot of AWS KMS.
pub static DUAL_STACK: Setting = Setting {
    name: "dual_stack",
    kind: Kind::Boolean,
    default: "`AWS_USE_DUALSTACK_ENDPOINT`, the profile's `use_dualstack_endpoint`, or `false`",
    about: "Whether the endpoint that has IPv6 addresses too is called.",
};
/// `ca_file` in a slot of a remote service.
pub static CA_FILE: Setting = Setting {
    name: "ca_file",
    kind: Kind::File,
    default: "the system's authorities",
    about: "The certificate authorities, in PEM, that the service's certificate must come from; no others count.",
};
/// `proxy` in a slot of a remote service.
pub static PROXY: Setting = Setting {
    name: "proxy",
    kind: Kind::Url,
    default: "what `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say",
    about: "The HTTP proxy that requests go through, except to this machine and to the metadata services.",
};
/// `profile` in a slot of AWS KMS.
pub static PROFILE: Setting = Setting {
    name: "profile",
    kind: Kind::Text { max_bytes: 128 },
    default: "`AWS_PROFILE`, or `default`",
    about: "The profile of the AWS configuration files that says which identity is used.",
};
/// `deletion_days` in a slot of AWS KMS.
pub static DELETION_DAYS: Setting = Setting {
    name: "deletion_days",
    kind: Kind::Number { min: 7, max: 30 },
    default: "`30`",
    about: "For how many days a key that was destroyed here can be brought back at AWS (`CancelKeyDeletion`).",
};
/// `page_size` in a slot of AWS KMS.
pub static PAGE_SIZE: Setting = Setting {
    name: "page_size",
    kind: Kind::Number { min: 1, max: 1000 },
    default: "`1000`",
    about: "How many keys one request of a listing asks for.",
};
/// `operation_timeout` in a slot of a remote service.
pub static OPERATION_TIMEOUT: Setting = Setting {
    name: "operation_timeout",
    kind: Kind::Number {
        min: 100,
        max: 600_000,
    },
    default: "`5000`",
    about: "How long an operation may take as a whole, repeats included, in milliseconds.",
};
/// `attempt_timeout` in a slot of a remote service.
pub static ATTEMPT_TIMEOUT: Setting = Setting {
    name: "attempt_timeout",
    kind: Kind::Number {
        min: 40,
        max: 600_000,
    },
    default: "two fifths of `operation_timeout`",
    about: "How long one request may take before it is repeated, where it may be, in milliseconds; no longer than \
            `operation_timeout`.",
};
/// `retries` in a slot of a remote service.
pub static RETRIES: Setting = Setting {
    name: "retries",
    kind: Kind::Number { min: 0, max: 10 },
    default: "`3`",
    about: "How often a request is repeated at the most.",
};
/// `connections` in a slot of a remote service.
pub static CONNECTIONS: Setting = Setting {
    name: "connections",
    kind: Kind::Number { min: 1, max: 1024 },
    default: "`64`",
    about: "How many requests are under way at once, and so how many connections there are.",
};
/// `queue` in a slot of a remote service.
pub static QUEUE: Setting = Setting {
    name: "queue",
    kind: Kind::Number {
        min: 0,
        max: 1_000_000,
    },
    default: "`10000`",
    about: "How many requests may wait for a connection; further ones are `CKR_TOKEN_RESOURCE_EXCEEDED`.",
};
/// `listing_expiry` in a slot of a remote service.
pub static LISTING_EXPIRY: Setting = Setting {
    name: "listing_expiry",
    kind: Kind::Number { min: 1, max: 86_400 },
    default: "`60`",
    about: "After how many seconds a search lists the service's keys anew, and so sees what others have changed.",
};
/// `listing_timeout` in a slot of a remote service.
pub static LISTING_TIMEOUT: Setting = Setting {
    name: "listing_timeout",
    kind: Kind::Number { min: 1, max: 3_600 },
    default: "`120`",
    about: "How many seconds a listing may take as a whole; it goes on when the search that began it has given up.",
};
/// `description_expiry` in a slot of a remote service.
pub static DESCRIPTION_EXPIRY: Setting = Setting {
    name: "description_expiry",
    kind: Kind::Number { min: 1, max: 86_400 },
    default: "`300`",
    about: "After how many seconds the attributes of a key are asked for anew.",
};
/// `pin_hash` in a slot of a remote service.
pub static PIN_HASH: Setting = Setting {
    name: "pin_hash",
    kind: Kind::PinHash,
    default: "none: no login is needed, and any PIN is taken",
    about: "The hash of the PIN that applications must log in with, as `keyenclave pin-hash` prints it. It guards the \
            slot on this machine; the service guards its keys by the process's identity.",
};
/// `sidecar` in a slot of a remote service.
pub static SIDECAR: Setting = Setting {
    name: "sidecar",
    kind: Kind::Directory,
    default: "`keyenclave/sidecar/<label>` in the user's data directory",
    about: "The directory for certificates, data objects and attributes that the service cannot keep; it is made when \
            there is something to keep. Without a home directory and without this setting they are refused.",
};
