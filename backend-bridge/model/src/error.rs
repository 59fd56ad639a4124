// SPDX-License-Identifier: MIT
//! What can go wrong, in PKCS#11's own words.
//!
//! Below the C boundary every failure is an [`Error`]: the return value that the caller will see, and a sentence for
//! the log that says what failed, where to look and what to do. The table of return values stands here and nowhere
//! else; a number that is not in it (a vendor's own) is carried as it is.

use std::fmt;

use cryptoki_sys as ck;

/// The result of everything that a token does.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One row a return value: variant = constant. Makes the enumeration, both conversions, and the name.
macro_rules! return_values {
    ($($variant:ident = $constant:ident;)*) => {
        /// A `CK_RV` other than `CKR_OK` (PKCS#11 3.2, section 5.1).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs, reason = "each variant is the constant of the same name; the specification says what it means")]
        pub enum Rv {
            $($variant,)*
            /// A number that the specification does not name: a vendor's own.
            Other(ck::CK_RV),
        }

        impl Rv {
            /// The return value of a number; `None` for `CKR_OK`.
            pub fn from_raw(raw: ck::CK_RV) -> Option<Self> {
                (raw != ck::CKR_OK).then(|| Self::of_failure(raw))
            }

            #[cold]
            fn of_failure(raw: ck::CK_RV) -> Self {
                match raw {
                    $(ck::$constant => Self::$variant,)*
                    other => Self::Other(other),
                }
            }

            /// The number that goes over the C boundary.
            pub fn raw(self) -> ck::CK_RV {
                match self {
                    $(Self::$variant => ck::$constant,)*
                    Self::Other(raw) => raw,
                }
            }

            /// The constant's name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($constant),)*
                    Self::Other(_) => "CKR_VENDOR_DEFINED",
                }
            }
        }
    };
}

return_values! {
    Cancel = CKR_CANCEL;
    HostMemory = CKR_HOST_MEMORY;
    SlotIdInvalid = CKR_SLOT_ID_INVALID;
    GeneralError = CKR_GENERAL_ERROR;
    FunctionFailed = CKR_FUNCTION_FAILED;
    ArgumentsBad = CKR_ARGUMENTS_BAD;
    NoEvent = CKR_NO_EVENT;
    NeedToCreateThreads = CKR_NEED_TO_CREATE_THREADS;
    CantLock = CKR_CANT_LOCK;
    AttributeReadOnly = CKR_ATTRIBUTE_READ_ONLY;
    AttributeSensitive = CKR_ATTRIBUTE_SENSITIVE;
    AttributeTypeInvalid = CKR_ATTRIBUTE_TYPE_INVALID;
    AttributeValueInvalid = CKR_ATTRIBUTE_VALUE_INVALID;
    ActionProhibited = CKR_ACTION_PROHIBITED;
    DataInvalid = CKR_DATA_INVALID;
    DataLenRange = CKR_DATA_LEN_RANGE;
    DeviceError = CKR_DEVICE_ERROR;
    DeviceMemory = CKR_DEVICE_MEMORY;
    DeviceRemoved = CKR_DEVICE_REMOVED;
    EncryptedDataInvalid = CKR_ENCRYPTED_DATA_INVALID;
    EncryptedDataLenRange = CKR_ENCRYPTED_DATA_LEN_RANGE;
    AeadDecryptFailed = CKR_AEAD_DECRYPT_FAILED;
    FunctionCanceled = CKR_FUNCTION_CANCELED;
    FunctionNotParallel = CKR_FUNCTION_NOT_PARALLEL;
    FunctionNotSupported = CKR_FUNCTION_NOT_SUPPORTED;
    KeyHandleInvalid = CKR_KEY_HANDLE_INVALID;
    KeySizeRange = CKR_KEY_SIZE_RANGE;
    KeyTypeInconsistent = CKR_KEY_TYPE_INCONSISTENT;
    KeyNotNeeded = CKR_KEY_NOT_NEEDED;
    KeyChanged = CKR_KEY_CHANGED;
    KeyNeeded = CKR_KEY_NEEDED;
    KeyIndigestible = CKR_KEY_INDIGESTIBLE;
    KeyFunctionNotPermitted = CKR_KEY_FUNCTION_NOT_PERMITTED;
    KeyNotWrappable = CKR_KEY_NOT_WRAPPABLE;
    KeyUnextractable = CKR_KEY_UNEXTRACTABLE;
    MechanismInvalid = CKR_MECHANISM_INVALID;
    MechanismParamInvalid = CKR_MECHANISM_PARAM_INVALID;
    ObjectHandleInvalid = CKR_OBJECT_HANDLE_INVALID;
    OperationActive = CKR_OPERATION_ACTIVE;
    OperationNotInitialized = CKR_OPERATION_NOT_INITIALIZED;
    PinIncorrect = CKR_PIN_INCORRECT;
    PinInvalid = CKR_PIN_INVALID;
    PinLenRange = CKR_PIN_LEN_RANGE;
    PinExpired = CKR_PIN_EXPIRED;
    PinLocked = CKR_PIN_LOCKED;
    SessionClosed = CKR_SESSION_CLOSED;
    SessionCount = CKR_SESSION_COUNT;
    SessionHandleInvalid = CKR_SESSION_HANDLE_INVALID;
    SessionParallelNotSupported = CKR_SESSION_PARALLEL_NOT_SUPPORTED;
    SessionReadOnly = CKR_SESSION_READ_ONLY;
    SessionExists = CKR_SESSION_EXISTS;
    SessionReadOnlyExists = CKR_SESSION_READ_ONLY_EXISTS;
    SessionReadWriteSoExists = CKR_SESSION_READ_WRITE_SO_EXISTS;
    SignatureInvalid = CKR_SIGNATURE_INVALID;
    SignatureLenRange = CKR_SIGNATURE_LEN_RANGE;
    TemplateIncomplete = CKR_TEMPLATE_INCOMPLETE;
    TemplateInconsistent = CKR_TEMPLATE_INCONSISTENT;
    TokenNotPresent = CKR_TOKEN_NOT_PRESENT;
    TokenNotRecognized = CKR_TOKEN_NOT_RECOGNIZED;
    TokenWriteProtected = CKR_TOKEN_WRITE_PROTECTED;
    UnwrappingKeyHandleInvalid = CKR_UNWRAPPING_KEY_HANDLE_INVALID;
    UnwrappingKeySizeRange = CKR_UNWRAPPING_KEY_SIZE_RANGE;
    UnwrappingKeyTypeInconsistent = CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT;
    UserAlreadyLoggedIn = CKR_USER_ALREADY_LOGGED_IN;
    UserNotLoggedIn = CKR_USER_NOT_LOGGED_IN;
    UserPinNotInitialized = CKR_USER_PIN_NOT_INITIALIZED;
    UserTypeInvalid = CKR_USER_TYPE_INVALID;
    UserAnotherAlreadyLoggedIn = CKR_USER_ANOTHER_ALREADY_LOGGED_IN;
    UserTooManyTypes = CKR_USER_TOO_MANY_TYPES;
    WrappedKeyInvalid = CKR_WRAPPED_KEY_INVALID;
    WrappedKeyLenRange = CKR_WRAPPED_KEY_LEN_RANGE;
    WrappingKeyHandleInvalid = CKR_WRAPPING_KEY_HANDLE_INVALID;
    WrappingKeySizeRange = CKR_WRAPPING_KEY_SIZE_RANGE;
    WrappingKeyTypeInconsistent = CKR_WRAPPING_KEY_TYPE_INCONSISTENT;
    RandomSeedNotSupported = CKR_RANDOM_SEED_NOT_SUPPORTED;
    RandomNoRng = CKR_RANDOM_NO_RNG;
    DomainParamsInvalid = CKR_DOMAIN_PARAMS_INVALID;
    CurveNotSupported = CKR_CURVE_NOT_SUPPORTED;
    BufferTooSmall = CKR_BUFFER_TOO_SMALL;
    SavedStateInvalid = CKR_SAVED_STATE_INVALID;
    InformationSensitive = CKR_INFORMATION_SENSITIVE;
    StateUnsaveable = CKR_STATE_UNSAVEABLE;
    CryptokiNotInitialized = CKR_CRYPTOKI_NOT_INITIALIZED;
    CryptokiAlreadyInitialized = CKR_CRYPTOKI_ALREADY_INITIALIZED;
    MutexBad = CKR_MUTEX_BAD;
    MutexNotLocked = CKR_MUTEX_NOT_LOCKED;
    NewPinMode = CKR_NEW_PIN_MODE;
    NextOtp = CKR_NEXT_OTP;
    ExceededMaxIterations = CKR_EXCEEDED_MAX_ITERATIONS;
    FipsSelfTestFailed = CKR_FIPS_SELF_TEST_FAILED;
    LibraryLoadFailed = CKR_LIBRARY_LOAD_FAILED;
    PinTooWeak = CKR_PIN_TOO_WEAK;
    PublicKeyInvalid = CKR_PUBLIC_KEY_INVALID;
    FunctionRejected = CKR_FUNCTION_REJECTED;
    TokenResourceExceeded = CKR_TOKEN_RESOURCE_EXCEEDED;
    OperationCancelFailed = CKR_OPERATION_CANCEL_FAILED;
    KeyExhausted = CKR_KEY_EXHAUSTED;
    Pending = CKR_PENDING;
    SessionAsyncNotSupported = CKR_SESSION_ASYNC_NOT_SUPPORTED;
    SeedRandomRequired = CKR_SEED_RANDOM_REQUIRED;
    OperationNotValidated = CKR_OPERATION_NOT_VALIDATED;
    TokenNotInitialized = CKR_TOKEN_NOT_INITIALIZED;
    ParameterSetNotSupported = CKR_PARAMETER_SET_NOT_SUPPORTED;
}

/// A failure: the return value, and what to tell whoever reads the log.
#[derive(Clone)]
pub struct Error {
    rv: Rv,
    detail: Option<Box<str>>,
    remote: Option<Box<Remote>>,
}

/// What is known of a failure whose cause lies with a service or device behind the token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// A number for `ulDeviceError`; never 0.
    pub number: u32,
    /// Where the fault lies: `configuration`, `connectivity`, `permission` or `provider`.
    pub reason: &'static str,
    /// What failed, in words.
    pub message: String,
    /// Under which number the service's own log has the request.
    pub request_id: Option<String>,
    /// What to do, and when to try again.
    pub advice: String,
}

impl Error {
    /// A failure with a sentence for the log: what failed, where to look, what to do. Never a secret in it.
    #[cold]
    pub fn new(rv: Rv, detail: impl Into<String>) -> Self {
        Self {
            rv,
            detail: Some(detail.into().into_boxed_str()),
            remote: None,
        }
    }

    /// With what a service or device said.
    pub fn with_remote(self, remote: Remote) -> Self {
        Self {
            remote: Some(Box::new(remote)),
            ..self
        }
    }

    /// What a service or device said, if it was the cause.
    pub fn remote(&self) -> Option<&Remote> {
        self.remote.as_deref()
    }

    /// What the caller will see.
    pub fn rv(&self) -> Rv {
        self.rv
    }

    /// What the log will say beyond the return value's name.
    pub fn detail(&self) -> Option<&str> {
        self.detail.as_deref()
    }
}

impl From<Rv> for Error {
    // So whatever handles a failure lies apart from what every call goes through, and is not loaded with it.
    #[cold]
    fn from(rv: Rv) -> Self {
        Self {
            rv,
            detail: None,
            remote: None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail() {
            Some(detail) => write!(f, "{}: {detail}", self.rv.name()),
            None => f.write_str(self.rv.name()),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_value_survives_the_way_there_and_back() {
        for raw in (0..0x1000).chain([ck::CKR_VENDOR_DEFINED, ck::CKR_VENDOR_DEFINED | 7]) {
            assert_eq!(Rv::from_raw(raw).map_or(ck::CKR_OK, Rv::raw), raw);
        }
    }
}
