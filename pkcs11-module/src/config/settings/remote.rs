// SPDX-License-Identifier: MIT
//! The rows of slots whose keys are with a service. Apart, because they are many.

use super::Kind::{Boolean, Directory, File, Number, PinHash, Text, Url};
use super::{BackendName, OPERATION_TIMES, Section, Setting};

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

section! {
    AWS_KMS: "slot", "[[slot]] with `backend = \"aws-kms\"`", Some(BackendName::AwsKms), "in a slot of AWS KMS";

    REGION = "region": Text { max_bytes: 64 },
        "the region of the process's AWS surroundings (`AWS_REGION`, the profile, the instance)",
        "The region whose keys these are, such as `eu-central-1`.";
    ENDPOINT = "endpoint": Url,
        "`AWS_ENDPOINT_URL_KMS`, `AWS_ENDPOINT_URL`, the profile's `endpoint_url`, or AWS's own for the region",
        "Another address of the service: a VPC endpoint, or an emulator. In `production` one without TLS is refused \
         wherever it comes from, but on this machine. It excludes `fips` and `dual_stack`.";
    FIPS = "fips": Boolean,
        "`AWS_USE_FIPS_ENDPOINT`, the profile's `use_fips_endpoint`, or `false`",
        "Whether the region's FIPS 140 endpoint is called.";
    DUAL_STACK = "dual_stack": Boolean,
        "`AWS_USE_DUALSTACK_ENDPOINT`, the profile's `use_dualstack_endpoint`, or `false`",
        "Whether the endpoint that has IPv6 addresses too is called.";
    CA_FILE = "ca_file": File,
        "the system's authorities",
        "The certificate authorities, in PEM, that the service's certificate must come from; no others count.";
    PROXY = "proxy": Url,
        "what `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY` and `NO_PROXY` say",
        "The HTTP proxy that requests go through, except to this machine and to the metadata services.";
    PROFILE = "profile": Text { max_bytes: 128 },
        "`AWS_PROFILE`, or `default`",
        "The profile of the AWS configuration files that says which identity is used.";
    DELETION_DAYS = "deletion_days": Number { min: 7, max: 30 },
        "`30`",
        "For how many days a key that was destroyed here can be brought back at AWS (`CancelKeyDeletion`).";
    PAGE_SIZE = "page_size": Number { min: 1, max: 1000 },
        "`1000`",
        "How many keys one request of a listing asks for.";
    OPERATION_TIMEOUT = "operation_timeout": OPERATION_TIMES,
        "`5000`",
        "How long an operation may take as a whole, repeats included, in milliseconds.";
    ATTEMPT_TIMEOUT = "attempt_timeout": Number { min: 40, max: 600_000 },
        "two fifths of `operation_timeout`",
        "How long one request may take before it is repeated, where it may be, in milliseconds; no longer than \
         `operation_timeout`.";
    RETRIES = "retries": Number { min: 0, max: 10 },
        "`3`",
        "How often a request is repeated at the most.";
    CONNECTIONS = "connections": Number { min: 1, max: 1024 },
        "`64`",
        "How many requests are under way at once, and so how many connections there are.";
    QUEUE = "queue": Number { min: 0, max: 1_000_000 },
        "`10000`",
        "How many requests may wait for a connection; further ones are `CKR_TOKEN_RESOURCE_EXCEEDED`.";
    LISTING_EXPIRY = "listing_expiry": Number { min: 1, max: 86_400 },
        "`60`",
        "After how many seconds a search lists the service's keys anew, and so sees what others have changed.";
    LISTING_TIMEOUT = "listing_timeout": Number { min: 1, max: 3_600 },
        "`120`",
        "How many seconds a listing may take as a whole; it goes on when the search that began it has given up.";
    DESCRIPTION_EXPIRY = "description_expiry": Number { min: 1, max: 86_400 },
        "`300`",
        "After how many seconds the attributes of a key are asked for anew.";
    PIN_HASH = "pin_hash": PinHash,
        "none: no login is needed, and any PIN is taken",
        "The hash of the PIN that applications must log in with, as `keyenclave pin-hash` prints it. It guards the \
         slot on this machine; the service guards its keys by the process's identity.";
    SIDECAR = "sidecar": Directory,
        "`keyenclave/sidecar/<label>` in the user's data directory",
        "The directory for certificates, data objects and attributes that the service cannot keep; it is made when \
         there is something to keep. Without a home directory and without this setting they are refused.";
}
