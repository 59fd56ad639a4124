// SPDX-License-Identifier: MIT
//! What went wrong, for people and for programs: a kind with its exit code, a sentence, and what to do.

use std::fmt;
use std::path::Path;

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use serde_json::{Value, json};

use crate::loader::Refusal;

/// Why a command failed.
#[derive(Debug)]
pub struct Failure {
    /// What kind of failure.
    pub kind: Kind,
    /// What failed.
    pub message: String,
    /// What to do.
    pub help: String,
    /// The module's answer, where it was the module that refused.
    pub refusal: Option<Refusal>,
}

/// One row a kind: variant = name, exit code, meaning.
macro_rules! kinds {
    ($($variant:ident = $name:literal, $code:literal, $about:literal;)*) => {
        /// The kinds of failure.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Kind { $(#[doc = $about] $variant,)* }

        impl Kind {
            /// Every kind.
            #[cfg(test)]
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in JSON.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The program's exit code.
            pub const fn exit_code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// What it means, as the guide says it.
            #[cfg(test)]
            pub const fn about(self) -> &'static str {
                match self { $(Self::$variant => $about,)* }
            }
        }
    };
}

kinds! {
    Other = "other", 1, "something else: the message says what";
    Usage = "usage", 2, "the command line is wrong, or something must be said that was not";
    Configuration = "configuration", 3, "the configuration cannot be used";
    Connectivity = "connectivity", 4, "the token or the service behind it cannot be reached";
    Provider = "provider", 5, "the library, or what is behind it, failed or does not support this";
    Permission = "permission", 6, "a PIN, a login or a file's permission is missing or wrong";
    Signature = "signature", 7, "the signature is not valid";
    NotFound = "not-found", 8, "there is no such slot, token, key or file";
}

impl Kind {
    /// The kind of a failure of which the module says where the fault lies.
    fn of_reason(reason: &str) -> Option<Self> {
        [
            Self::Configuration,
            Self::Connectivity,
            Self::Provider,
            Self::Permission,
        ]
        .into_iter()
        .find(|kind| kind.name() == reason)
    }
}

impl Failure {
    /// A failure of this kind.
    pub fn new(kind: Kind, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            help: help.into(),
            refusal: None,
        }
    }

    /// The command line lacks something.
    pub fn usage(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self::new(Kind::Usage, message, help)
    }

    /// A file could not be read or written.
    pub fn file(doing: &str, path: &Path, error: &std::io::Error) -> Self {
        let kind = match error.kind() {
            std::io::ErrorKind::NotFound => Kind::NotFound,
            std::io::ErrorKind::PermissionDenied => Kind::Permission,
            _ => Kind::Other,
        };
        Self::new(
            kind,
            format!("cannot {doing} {}: {error}", path.display()),
            "check the path and its permissions",
        )
    }

    /// The library could not be loaded.
    pub fn not_loadable(path: &Path, error: &dyn fmt::Display) -> Self {
        Self::new(
            Kind::Provider,
            format!("{} cannot be loaded as a PKCS#11 module: {error}", path.display()),
            "name another one with --module or KEYENCLAVE_MODULE",
        )
    }

    /// Under which number the log of the service behind the token has the request that failed.
    pub fn request_id(&self) -> Option<&str> {
        let told = self.refusal.as_ref().and_then(|refusal| refusal.told.as_ref());
        told.map(|told| told.request_id.as_str())
            .filter(|id| !id.is_empty())
    }

    /// The failure as one JSON object.
    pub fn json(&self) -> Value {
        let Self {
            kind,
            message,
            help,
            refusal,
        } = self;
        json!({ "error": {
            "kind": kind.name(),
            "message": message,
            "help": help,
            "function": refusal.as_ref().map(|refusal| refusal.function),
            "rv": refusal.as_ref().map(|refusal| rv_name(refusal.rv)),
            "request_id": self.request_id(),
        }})
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.message)?;
        if !self.help.is_empty() {
            write!(f, "\n  {}", self.help)?;
        }
        Ok(())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let (usual, help) = advice(refusal.rv);
        let mut message = format!("{} returned {}", refusal.function, rv_name(refusal.rv));
        let (mut kind, mut help) = (usual, help.to_owned());
        if let Some(told) = &refusal.told {
            if !told.message.is_empty() {
                message.push_str(&format!(": {}", told.message));
            }
            if !told.request_id.is_empty() {
                message.push_str(&format!(" [request {}]", told.request_id));
            }
            if !told.advice.is_empty() {
                help.clone_from(&told.advice);
            }
            kind = Kind::of_reason(&told.reason).unwrap_or(usual);
        }
        Self {
            kind,
            message,
            help,
            refusal: Some(refusal),
        }
    }
}

/// A return value's name, or its number where it has none.
fn rv_name(rv: ck::CK_RV) -> String {
    match Rv::from_raw(rv) {
        None => "CKR_OK".to_owned(),
        Some(Rv::Other(other)) => format!("{other:#x}"),
        Some(known) => known.name().to_owned(),
    }
}

/// What kind of failure a return value is, and what to do.
fn advice(rv: ck::CK_RV) -> (Kind, &'static str) {
    match rv {
        ck::CKR_PIN_INCORRECT => (
            Kind::Permission,
            "the PIN is wrong; too many wrong PINs in a row lock it",
        ),
        ck::CKR_PIN_LOCKED => (
            Kind::Permission,
            "the PIN is locked after too many wrong ones; the security officer can set a new user PIN",
        ),
        ck::CKR_PIN_LEN_RANGE | ck::CKR_PIN_INVALID => (
            Kind::Permission,
            "the PIN is too short, too long or has characters that are not allowed",
        ),
        ck::CKR_USER_PIN_NOT_INITIALIZED => (
            Kind::Permission,
            "this token has no user PIN yet: run `keyenclave token init`",
        ),
        ck::CKR_USER_NOT_LOGGED_IN => (
            Kind::Permission,
            "this needs a login: give a PIN with --pin-file or --pin-env",
        ),
        ck::CKR_TOKEN_WRITE_PROTECTED | ck::CKR_SESSION_READ_ONLY => {
            (Kind::Permission, "this token cannot be written to")
        }
        ck::CKR_TOKEN_NOT_PRESENT | ck::CKR_DEVICE_REMOVED | ck::CKR_DEVICE_ERROR => (
            Kind::Connectivity,
            "see whether the device or service is there; `keyenclave health` tells more",
        ),
        ck::CKR_TOKEN_NOT_RECOGNIZED => (
            Kind::Provider,
            "the token is not initialised, or is damaged: `keyenclave slots` shows which",
        ),
        ck::CKR_HOST_MEMORY => (
            Kind::Provider,
            "there is no memory for what the module says it has; it may be damaged or not a PKCS#11 module",
        ),
        ck::CKR_SLOT_ID_INVALID => (Kind::NotFound, "`keyenclave slots` lists the slots"),
        ck::CKR_SIGNATURE_INVALID | ck::CKR_SIGNATURE_LEN_RANGE => (
            Kind::Signature,
            "file, signature, key, mechanism and --format must be those of the signing",
        ),
        ck::CKR_SESSION_EXISTS => (Kind::Other, "close the other programs that use this token first"),
        ck::CKR_MECHANISM_INVALID | ck::CKR_FUNCTION_NOT_SUPPORTED => (
            Kind::Provider,
            "this token does not support that; choose another type or mechanism",
        ),
        ck::CKR_DATA_LEN_RANGE => (
            Kind::Usage,
            "the mechanism does not take so much; with Ed25519 keys, --mechanism ed25519ph takes any size",
        ),
        ck::CKR_KEY_TYPE_INCONSISTENT | ck::CKR_KEY_FUNCTION_NOT_PERMITTED => (
            Kind::Usage,
            "the key is not made for this mechanism; `keyenclave keys list` shows its type",
        ),
        _ => (
            Kind::Provider,
            "the log on standard error may say more; KEYENCLAVE_LOG=debug makes it say all",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::loader::Told;

    const GUIDE: &str = include_str!("../../../docs/guide/cli.md");

    #[test]
    fn the_guide_has_the_table_of_exit_codes() {
        for kind in Kind::ALL {
            let row = format!("| {} | `{}` | {} |", kind.exit_code(), kind.name(), kind.about());
            assert!(GUIDE.contains(&row), "docs/guide/cli.md must contain: {row}");
        }
    }

    #[test]
    fn what_the_module_tells_of_a_service_counts_before_the_return_value() {
        let told = Told {
            message: "sign: not allowed (AccessDeniedException)".to_owned(),
            reason: "permission".to_owned(),
            request_id: "r-1".to_owned(),
            advice: "grant it".to_owned(),
        };
        let failure = Failure::from(Refusal {
            function: "C_Sign",
            rv: ck::CKR_DEVICE_ERROR,
            told: Some(Box::new(told)),
        });
        assert_eq!(
            (failure.kind, failure.help.as_str()),
            (Kind::Permission, "grant it")
        );
        let expected =
            "C_Sign returned CKR_DEVICE_ERROR: sign: not allowed (AccessDeniedException) [request r-1]";
        assert_eq!(failure.message, expected);
        assert_eq!(
            failure.json().pointer("/error/request_id"),
            Some(&Value::from("r-1"))
        );
    }

    #[test]
    fn a_refusal_is_told_with_function_and_name() {
        let failure = Failure::from(Refusal {
            function: "C_Login",
            rv: ck::CKR_PIN_INCORRECT,
            told: None,
        });
        assert_eq!(
            (failure.kind, failure.message.as_str()),
            (Kind::Permission, "C_Login returned CKR_PIN_INCORRECT")
        );
        assert_eq!(
            failure.json().pointer("/error/rv"),
            Some(&Value::from("CKR_PIN_INCORRECT"))
        );
    }
}
