// SPDX-License-Identifier: MIT
//! From AWS's failures to ours: the codes in one table, the rest by how far the request got.
//!
//! What AWS says is passed on, but for what may hold a secret: a refused signature is explained with all signed
//! headers, the session token among them, and a refused value may be quoted.

use std::error::Error as StdError;
use std::time::Duration;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_kms::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::{ConnectorError, DispatchFailure};
use hyper_util::client::legacy::Error as HttpError;
use keyenclave_bridge::call::CallKind;
use keyenclave_bridge::error::{Error, ErrorKind, Sent};

use ErrorKind::{
    BadInput, Configuration, Conflict, Credential, Denied, Disabled, Integrity, Internal, NotFound,
    Throttled, Timeout, Unavailable, Unsupported,
};
use Sent::{Maybe, Refused};

/// AWS's error codes, from the KMS API reference ("Common Errors" and the operations' own), each with its kind and
/// whether the service may have acted.
pub(crate) const CODES: &[(&str, ErrorKind, Sent)] = &[
    // Quotas: of requests a second, and of keys, aliases, tags.
    ("ThrottlingException", Throttled, Refused),
    ("Throttling", Throttled, Refused),
    ("ThrottledException", Throttled, Refused),
    ("RequestThrottledException", Throttled, Refused),
    ("TooManyRequestsException", Throttled, Refused),
    ("RequestLimitExceeded", Throttled, Refused),
    ("SlowDown", Throttled, Refused),
    ("LimitExceededException", Throttled, Refused),
    // The service itself.
    ("KMSInternalException", Unavailable, Maybe),
    ("DependencyTimeoutException", Unavailable, Maybe),
    ("InternalFailure", Unavailable, Maybe),
    ("InternalError", Unavailable, Maybe),
    ("InternalServerError", Unavailable, Maybe),
    ("InternalServiceException", Unavailable, Maybe),
    ("InternalException", Unavailable, Maybe),
    ("ServiceUnavailable", Unavailable, Maybe),
    ("ServiceUnavailableException", Unavailable, Maybe),
    ("KeyUnavailableException", Unavailable, Refused),
    ("RequestTimeout", Unavailable, Maybe),
    ("RequestTimeoutException", Unavailable, Maybe),
    // The key.
    ("NotFoundException", NotFound, Refused),
    ("InvalidArnException", NotFound, Refused),
    ("DisabledException", Disabled, Refused),
    ("KMSInvalidStateException", Disabled, Refused),
    ("CustomKeyStoreInvalidStateException", Disabled, Refused),
    ("CustomKeyStoreNotFoundException", Disabled, Refused),
    ("CloudHsmClusterInvalidConfigurationException", Disabled, Refused),
    ("AlreadyExistsException", Conflict, Refused),
    ("ConflictException", Conflict, Refused),
    // The request.
    ("InvalidKeyUsageException", BadInput, Refused),
    ("InvalidCiphertextException", BadInput, Refused),
    ("IncorrectKeyException", BadInput, Refused),
    ("KMSInvalidSignatureException", BadInput, Refused),
    ("KMSInvalidMacException", BadInput, Refused),
    ("TagException", BadInput, Refused),
    ("InvalidAliasNameException", BadInput, Refused),
    ("InvalidMarkerException", BadInput, Refused),
    ("InvalidGrantTokenException", BadInput, Refused),
    ("MalformedPolicyDocumentException", BadInput, Refused),
    ("ValidationException", BadInput, Refused),
    ("ValidationError", BadInput, Refused),
    ("SerializationException", BadInput, Refused),
    ("RequestEntityTooLarge", BadInput, Refused),
    ("UnsupportedOperationException", Unsupported, Refused),
    ("UnknownOperationException", Unsupported, Refused),
    ("InvalidAction", Unsupported, Refused),
    ("NotImplemented", Unsupported, Refused),
    // Only asked for with a parameter that is never set here.
    ("DryRunOperationException", Internal, Refused),
    // Who we are, and whether AWS believes it. A wrong clock is among it.
    ("ExpiredTokenException", Credential, Refused),
    ("ExpiredToken", Credential, Refused),
    ("TokenRefreshRequired", Credential, Refused),
    ("UnrecognizedClientException", Credential, Refused),
    ("InvalidClientTokenId", Credential, Refused),
    ("InvalidAccessKeyId", Credential, Refused),
    ("MissingAuthenticationToken", Credential, Refused),
    ("MissingAuthenticationTokenException", Credential, Refused),
    ("InvalidSignatureException", Credential, Refused),
    ("SignatureDoesNotMatch", Credential, Refused),
    ("IncompleteSignature", Credential, Refused),
    ("IncompleteSignatureException", Credential, Refused),
    ("RequestExpired", Credential, Refused),
    ("RequestTimeTooSkewed", Credential, Refused),
    ("AuthFailure", Credential, Refused),
    // What we may.
    ("AccessDeniedException", Denied, Refused),
    ("AccessDenied", Denied, Refused),
    ("UnauthorizedOperation", Denied, Refused),
    ("NotAuthorized", Denied, Refused),
    ("OptInRequired", Denied, Refused),
    ("SubscriptionRequiredException", Denied, Refused),
];

/// What is said of a request that nobody saw leaving.
const NOT_MADE: &str = "the request cannot be made";

/// What the SDK's failure is to us.
pub(crate) fn failure<E>(call: CallKind, failure: &SdkError<E, HttpResponse>) -> Error
where
    E: ProvideErrorMetadata + StdError + Send + Sync + 'static,
{
    match failure {
        SdkError::ServiceError(context) => {
            answered(call, context.err().code(), context.err().message(), context.raw())
        }
        SdkError::ResponseError(context) => unreadable(call, failure, context.raw()),
        SdkError::TimeoutError(_) => Error::of(Timeout, call, Maybe, "the SDK's time was up".to_owned()),
        SdkError::DispatchFailure(dispatch) => not_answered(call, dispatch),
        _ => match find::<CredentialsError>(failure) {
            Some(error) => no_credentials(call, error),
            None => Error::of(
                Configuration,
                call,
                Sent::No,
                format!("{NOT_MADE}: {}", words(failure)),
            ),
        },
    }
}

/// The service has answered with an error.
fn answered(call: CallKind, code: Option<&str>, message: Option<&str>, response: &HttpResponse) -> Error {
    let status = response.status().as_u16();
    let known = code.and_then(|code| CODES.iter().find(|row| row.0 == code));
    let (kind, sent) = match known {
        Some((_, kind, sent)) => (*kind, *sent),
        None => by_status(status),
    };
    let what = match message.filter(|message| !message.is_empty() && may_be_told(kind, call)) {
        Some(message) => shortened(message),
        None => format!("the service answered with status {status}"),
    };
    let error = Error::of(kind, call, sent, what)
        .with_status(status)
        .with_retry_after(retry_after(response));
    let error = match code {
        Some(code) => error.with_remote_code(shortened(code)),
        None => error,
    };
    numbered(error, response)
}

/// What an answer without a code, or with one that is not in the table, means.
fn by_status(status: u16) -> (ErrorKind, Sent) {
    match status {
        429 => (Throttled, Refused),
        401 => (Credential, Refused),
        403 => (Denied, Refused),
        // Whatever is there, it is not the service.
        300..=399 | 404 | 405 | 407 => (Configuration, Refused),
        408 => (Unavailable, Maybe),
        501 => (Unsupported, Refused),
        400..=499 => (BadInput, Refused),
        500..=599 => (Unavailable, Maybe),
        _ => (Integrity, Maybe),
    }
}

fn may_be_told(kind: ErrorKind, call: CallKind) -> bool {
    let takes_secret = matches!(call, CallKind::Encrypt | CallKind::Mac | CallKind::Import);
    kind != Credential && !(kind == BadInput && takes_secret)
}

/// An answer came that is none: broken off, or not the service's.
fn unreadable(call: CallKind, failure: &(dyn StdError + 'static), response: &HttpResponse) -> Error {
    let status = response.status().as_u16();
    // The body is only there as bytes once all of it has come.
    let error = if status >= 500 || response.body().bytes().is_none() {
        let what = format!("the answer was broken off: {}", words(failure));
        Error::of(Unavailable, call, Maybe, what)
    } else {
        let what = format!("the answer is not the service's: {}", words(failure));
        Error::of(Integrity, call, Maybe, what)
    };
    numbered(error, response)
}

/// No answer came.
fn not_answered(call: CallKind, dispatch: &DispatchFailure) -> Error {
    let Some(connector) = dispatch.as_connector_error() else {
        return Error::of(Unavailable, call, Maybe, "the request failed".to_owned());
    };
    if let Some(error) = find::<CredentialsError>(connector) {
        return no_credentials(call, error);
    }
    if let Some(error) = find::<rustls::Error>(connector) {
        return tls(call, error);
    }
    if connector.is_timeout() {
        // Connecting is all that has a limit.
        let what = "no connection came about in time".to_owned();
        return Error::of(Timeout, call, Sent::No, what);
    }
    let (kind, sent, what) = broken(connector);
    Error::of(kind, call, sent, format!("{what}: {}", words(connector)))
}

/// How far a request got that was not answered, and what is said of it.
fn broken(connector: &ConnectorError) -> (ErrorKind, Sent, &'static str) {
    let http = find::<HttpError>(connector);
    if connector.is_user() {
        (Configuration, Sent::No, NOT_MADE)
    } else if http.is_some_and(HttpError::is_connect) {
        (Unavailable, Sent::No, "the service cannot be reached")
    } else if connector.is_io() || http.is_some() {
        (Unavailable, Maybe, "the connection was lost")
    } else {
        // Before anything is sent, the SDK looks for an endpoint and an identity.
        let text = words(connector).to_ascii_lowercase();
        match () {
            () if text.contains("identity") || text.contains("credential") => {
                (Credential, Sent::No, NOT_MADE)
            }
            () if text.contains("endpoint") => (Configuration, Sent::No, NOT_MADE),
            () => (Unavailable, Maybe, NOT_MADE),
        }
    }
}

fn no_credentials(call: CallKind, error: &CredentialsError) -> Error {
    let what = format!("this process has no credentials: {}", words(error));
    match error {
        CredentialsError::InvalidConfiguration(_) => Error::of(Configuration, call, Sent::No, what),
        _ => Error::of(Credential, call, Sent::No, what),
    }
}

fn tls(call: CallKind, error: &rustls::Error) -> Error {
    match error {
        rustls::Error::InvalidCertificate(reason) => {
            let what = format!(
                "the service's certificate is not accepted: {reason}; check `ca_file`, the endpoint's name, and proxies"
            );
            Error::of(Configuration, call, Sent::No, what)
        }
        // After the handshake this is a lost connection.
        error => Error::of(Unavailable, call, Maybe, format!("TLS failed: {error}")),
    }
}

fn numbered(error: Error, response: &HttpResponse) -> Error {
    let header = |name| response.headers().get(name);
    match header("x-amzn-requestid").or_else(|| header("x-amz-request-id")) {
        Some(id) => error.with_request_id(shortened(id)),
        None => error,
    }
}

/// When the service asks to be tried again: seconds (RFC 9110, section 10.2.3), or AWS's own milliseconds. Dates are
/// not read: they would need a right clock.
fn retry_after(response: &HttpResponse) -> Option<Duration> {
    let number = |name| {
        response
            .headers()
            .get(name)?
            .trim()
            .parse::<u32>()
            .ok()
            .map(u64::from)
    };
    number("x-amz-retry-after")
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

/// An error and what caused it, one after the other. What wraps I/O is looked into, which `source` does not do.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        match error.downcast_ref::<std::io::Error>() {
            Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
            None => error.source(),
        }
    })
}

fn find<'a, E: StdError + 'static>(error: &'a (dyn StdError + 'static)) -> Option<&'a E> {
    chain(error).find_map(|error| error.downcast_ref())
}

/// What an error and its causes say, each thing once.
fn words(error: &(dyn StdError + 'static)) -> String {
    let mut words = String::new();
    for error in chain(error) {
        let word = error.to_string();
        if !words.contains(&word) {
            if !words.is_empty() {
                words.push_str(": ");
            }
            words.push_str(&word);
        }
    }
    shortened(&words)
}

/// One line that is not too long.
fn shortened(text: &str) -> String {
    const MOST: usize = 400;
    let line = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = line.take(MOST + 1).collect();
    if line.chars().count() > MOST {
        line.pop();
        line.push('…');
    }
    line
}
