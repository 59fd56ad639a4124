// SPDX-License-Identifier: MIT
//! What a session may do: the table of session states and object kinds (PKCS#11 3.2, sections 5.6 and 6); and what may
//! be done with a key.

use cryptoki_sys as ck;

use crate::attribute::{self, Value};
use crate::error::{Error, Result, Rv};
use crate::mechanism::{Algorithm, Mechanism};
use crate::object::Object;
use crate::template::Template;
use crate::token::{OperationClass, Role};

/// What a session may do at this moment: its kind, and who is logged in to its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Whether it is a read/write session.
    pub writable: bool,
    /// Who is logged in.
    pub login: Option<Role>,
}

impl Access {
    /// The `CKS_` constant of this state.
    pub const fn state(self) -> ck::CK_STATE {
        match (self.login, self.writable) {
            (None, false) => ck::CKS_RO_PUBLIC_SESSION,
            (None, true) => ck::CKS_RW_PUBLIC_SESSION,
            (Some(Role::User), false) => ck::CKS_RO_USER_FUNCTIONS,
            (Some(Role::User), true) => ck::CKS_RW_USER_FUNCTIONS,
            // A read-only session cannot exist while the security officer is logged in.
            (Some(Role::So), _) => ck::CKS_RW_SO_FUNCTIONS,
        }
    }

    /// Whether private objects can be seen.
    pub fn sees_private(self) -> bool {
        self.login == Some(Role::User)
    }

    /// Whether this object can be seen.
    pub fn sees(self, object: &Object) -> bool {
        self.sees_private() || !object.is_private()
    }

    /// Whether an object of this kind may be made, changed or destroyed.
    ///
    /// # Errors
    /// `CKR_USER_NOT_LOGGED_IN` for private objects without the user, `CKR_SESSION_READ_ONLY` for token objects from
    /// a read-only session.
    pub fn check_write(self, token_object: bool, private: bool) -> Result<()> {
        if private && !self.sees_private() {
            return Err(Rv::UserNotLoggedIn.into());
        }
        if token_object && !self.writable {
            return Err(Rv::SessionReadOnly.into());
        }
        Ok(())
    }
}

/// Whether a key may be used so: its type, its usage flag, and the mechanisms that it is restricted to.
///
/// # Errors
/// `CKR_KEY_HANDLE_INVALID` for what is no key, `CKR_KEY_TYPE_INCONSISTENT`, `CKR_KEY_FUNCTION_NOT_PERMITTED`,
/// `CKR_MECHANISM_INVALID`.
pub fn check_use(object: &Object, class: OperationClass, mechanism: &Mechanism) -> Result<()> {
    check_key(object, class.usage(), mechanism)
}

/// Whether a key may be used for making other keys: `usage` is `CKA_DERIVE`, `CKA_ENCAPSULATE` and the like.
///
/// # Errors
/// As [`check_use`].
pub fn check_making(object: &Object, usage: ck::CK_ATTRIBUTE_TYPE, mechanism: &Mechanism) -> Result<()> {
    check_key(object, Some(usage), mechanism)
}

/// Whether `wrapping` may wrap `key` (PKCS#11 3.2, C_WrapKey).
///
/// Beyond the specification, a key that only trusted keys wrap is not wrapped by one that also decrypts or that can be
/// had itself, nor with a mechanism that does not protect it: whoever may use that would have the key in the clear.
///
/// # Errors
/// `CKR_WRAPPING_KEY_HANDLE_INVALID`, `CKR_WRAPPING_KEY_TYPE_INCONSISTENT`, `CKR_KEY_FUNCTION_NOT_PERMITTED`,
/// `CKR_MECHANISM_INVALID`; `CKR_KEY_UNEXTRACTABLE`; `CKR_KEY_NOT_WRAPPABLE`; `CKR_KEY_HANDLE_INVALID` for a key that the
/// wrapping key's template leaves out.
pub fn check_wrap(wrapping: &Object, key: &Object, mechanism: &Mechanism) -> Result<()> {
    check_key(wrapping, Some(ck::CKA_WRAP), mechanism).map_err(|error| match error.rv() {
        Rv::KeyHandleInvalid => Rv::WrappingKeyHandleInvalid.into(),
        Rv::KeyTypeInconsistent => Rv::WrappingKeyTypeInconsistent.into(),
        _ => error,
    })?;
    let refused = |what: &str| Err(Error::new(Rv::KeyNotWrappable, what));
    if !matches!(key.class(), Some(ck::CKO_SECRET_KEY | ck::CKO_PRIVATE_KEY)) {
        return refused("only secret and private keys are wrapped");
    }
    if !key.is_true(ck::CKA_EXTRACTABLE) {
        return Err(Rv::KeyUnextractable.into());
    }
    if key.is_true(ck::CKA_WRAP_WITH_TRUSTED) {
        if !wrapping.is_true(ck::CKA_TRUSTED) {
            return refused("the key is wrapped by trusted keys only (CKA_WRAP_WITH_TRUSTED)");
        }
        if !mechanism.algorithm().protects_wrapped() {
            return refused(
                "the key is wrapped by trusted keys only, and this mechanism does not protect it",
            );
        }
        if wrapping.is_true(ck::CKA_DECRYPT) {
            return refused("the wrapping key decrypts as well, and the key is wrapped by trusted keys only");
        }
        if is_trusted_secret(wrapping) && !stays_inside(wrapping) {
            return refused(
                "the wrapping key can be read or wrapped by any other, and the key is wrapped by trusted keys only",
            );
        }
    }
    match wrapping.get(ck::CKA_WRAP_TEMPLATE) {
        Some(Value::Template(wanted)) if !key.has(wanted) => Err(Error::new(
            Rv::KeyHandleInvalid,
            "the key is not what the wrapping key's CKA_WRAP_TEMPLATE allows",
        )),
        _ => Ok(()),
    }
}

/// Whether a key may unwrap others. A trusted one does so only with mechanisms that give nothing else away, because what
/// it has wrapped is meant to stay closed.
///
/// # Errors
/// `CKR_UNWRAPPING_KEY_HANDLE_INVALID`, `CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT`, `CKR_KEY_FUNCTION_NOT_PERMITTED`,
/// `CKR_MECHANISM_INVALID`.
pub fn check_unwrap(unwrapping: &Object, mechanism: &Mechanism) -> Result<()> {
    check_key(unwrapping, Some(ck::CKA_UNWRAP), mechanism).map_err(|error| match error.rv() {
        Rv::KeyHandleInvalid => Rv::UnwrappingKeyHandleInvalid.into(),
        Rv::KeyTypeInconsistent => Rv::UnwrappingKeyTypeInconsistent.into(),
        _ => error,
    })?;
    if is_trusted_secret(unwrapping) && !mechanism.algorithm().protects_wrapped() {
        return Err(Error::new(
            Rv::KeyFunctionNotPermitted,
            "the unwrapping key is trusted, and this mechanism does not protect what is wrapped",
        ));
    }
    if mechanism.algorithm() == Algorithm::RsaRaw && closes_unwrapped(unwrapping) {
        return Err(Error::new(
            Rv::KeyFunctionNotPermitted,
            "what the key unwraps stays closed (CKA_UNWRAP_TEMPLATE), and this mechanism opens it",
        ));
    }
    Ok(())
}

/// What an unwrapped key is, whatever the template says, when a trusted key has unwrapped it: it may be one that is
/// wrapped by trusted keys only, and stays so.
///
/// # Errors
/// `CKR_TEMPLATE_INCONSISTENT` where the template says otherwise.
pub fn keep_closed(unwrapping: &Object, template: &Template, unwrapped: &mut Object) -> Result<()> {
    if !is_trusted_secret(unwrapping) {
        return Ok(());
    }
    for id in [ck::CKA_SENSITIVE, ck::CKA_WRAP_WITH_TRUSTED] {
        if template.bool(id) == Some(false) {
            let name = attribute::name(id);
            let detail = format!("{name} of what a trusted key unwraps is true");
            return Err(Error::new(Rv::TemplateInconsistent, detail));
        }
        unwrapped.put(id, Value::Bool(true));
    }
    Ok(())
}

/// Whether what a key unwraps stays closed whatever the application says: the key is trusted, or its
/// `CKA_UNWRAP_TEMPLATE` demands it.
pub fn closes_unwrapped(unwrapping: &Object) -> bool {
    let demands = match unwrapping.get(ck::CKA_UNWRAP_TEMPLATE) {
        Some(Value::Template(demands)) => {
            demands.bool(ck::CKA_SENSITIVE) == Some(true)
                || demands.bool(ck::CKA_WRAP_WITH_TRUSTED) == Some(true)
                || demands.bool(ck::CKA_EXTRACTABLE) == Some(false)
        }
        _ => false,
    };
    demands || is_trusted_secret(unwrapping)
}

/// Whether it is a secret key that the security officer has trusted with other keys. It does nothing but wrap and unwrap:
/// as a cipher, or as the origin of other keys, it would open what it has wrapped.
fn is_trusted_secret(object: &Object) -> bool {
    object.class() == Some(ck::CKO_SECRET_KEY) && object.is_true(ck::CKA_TRUSTED)
}

/// Whether a secret key is as closed as those are that only trusted keys wrap.
fn stays_inside(object: &Object) -> bool {
    let leaves = object.is_true(ck::CKA_EXTRACTABLE) && !object.is_true(ck::CKA_WRAP_WITH_TRUSTED);
    object.is_true(ck::CKA_SENSITIVE) && !leaves
}

/// What an application asks for, with what the key that makes it demands of it (`CKA_UNWRAP_TEMPLATE`,
/// `CKA_DERIVE_TEMPLATE`).
///
/// # Errors
/// `CKR_TEMPLATE_INCONSISTENT` where the two contradict each other.
pub fn demanded(maker: &Object, by: ck::CK_ATTRIBUTE_TYPE, template: &Template) -> Result<Template> {
    let Some(Value::Template(demands)) = maker.get(by) else {
        return Ok(template.clone());
    };
    for (id, value) in demands.iter() {
        if template.get(id).is_some_and(|given| !given.matches(id, value)) {
            let (what, by) = (attribute::name(id), attribute::name(by));
            let detail = format!("{what} is not what the key's {by} demands");
            return Err(Error::new(Rv::TemplateInconsistent, detail));
        }
    }
    let missing = demands.iter().filter(|(id, _)| template.get(*id).is_none());
    let given = template.iter().chain(missing);
    Ok(given.map(|(id, value)| (id, value.clone())).collect())
}

/// What a trusted key is not used for.
const OPENING: [ck::CK_ATTRIBUTE_TYPE; 5] = [
    ck::CKA_ENCRYPT,
    ck::CKA_DECRYPT,
    ck::CKA_DERIVE,
    ck::CKA_SIGN,
    ck::CKA_VERIFY,
];

fn check_key(object: &Object, usage: Option<ck::CK_ATTRIBUTE_TYPE>, mechanism: &Mechanism) -> Result<()> {
    let key_type = object.key_type().ok_or(Rv::KeyHandleInvalid)?;
    if !mechanism.algorithm().accepts(key_type) {
        return Err(Rv::KeyTypeInconsistent.into());
    }
    if usage.is_some_and(|usage| !object.is_true(usage)) {
        return Err(Rv::KeyFunctionNotPermitted.into());
    }
    if is_trusted_secret(object) && usage.is_some_and(|usage| OPENING.contains(&usage)) {
        return Err(Error::new(
            Rv::KeyFunctionNotPermitted,
            "the key is trusted (CKA_TRUSTED): it wraps and unwraps, and does nothing else",
        ));
    }
    let alone = [ck::CKA_UNWRAP, ck::CKA_DERIVE, ck::CKA_DECAPSULATE];
    if object.is_true(ck::CKA_ALWAYS_AUTHENTICATE) && usage.is_some_and(|usage| alone.contains(&usage)) {
        return Err(Error::new(
            Rv::UserNotLoggedIn,
            "the key asks for the PIN each time (CKA_ALWAYS_AUTHENTICATE), and this function leaves no time for it",
        ));
    }
    if !object.allows(mechanism.id()) {
        return Err(Error::new(
            Rv::MechanismInvalid,
            "the key's CKA_ALLOWED_MECHANISMS leave this mechanism out",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_user_writes_private_objects() {
        let write = |login, private| {
            Access {
                writable: true,
                login,
            }
            .check_write(true, private)
            .map_err(|e| e.rv())
        };
        assert_eq!(write(Some(Role::User), true), Ok(()));
        assert_eq!(write(Some(Role::So), true), Err(Rv::UserNotLoggedIn));
        assert_eq!(write(None, true), Err(Rv::UserNotLoggedIn));
        assert_eq!(write(None, false), Ok(()));
    }

    #[test]
    fn a_read_only_session_writes_session_objects_only() {
        let access = Access {
            writable: false,
            login: Some(Role::User),
        };
        assert_eq!(
            access.check_write(true, false).map_err(|e| e.rv()),
            Err(Rv::SessionReadOnly)
        );
        assert!(access.check_write(false, true).is_ok());
    }
}
