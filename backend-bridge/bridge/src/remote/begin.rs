// SPDX-License-Identifier: MIT
//! Beginning an operation with a key of the service: here with its public half, there with its private one.

use std::sync::Arc;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::object::Object;
use keyenclave_model::token::{Operation, OperationClass};

use super::entry::Detail;
use super::local::PublicKeys;
use super::objects::Half;
use super::operation::Remote;
use super::plan::{self, Plan};
use super::work::visible;
use crate::bridge::Bridge;
use crate::call::CallKind;

/// What it takes to begin an operation, once the key is known.
pub(super) struct Begin {
    pub(super) bridge: Bridge,
    pub(super) public_keys: Arc<PublicKeys>,
    pub(super) sees_private: bool,
    pub(super) half: Half,
    pub(super) class: OperationClass,
    pub(super) mechanism: Mechanism,
}

impl Begin {
    /// Begins it.
    pub(super) fn run(self, detail: &Arc<Detail>) -> Result<Box<dyn Operation>> {
        let object =
            visible(detail, self.half, self.sees_private).map_err(|_| Error::from(Rv::KeyHandleInvalid))?;
        check_use(object, self.class.usage(), &self.mechanism)?;
        if self.half == Half::Public {
            return detail.begin_public(&self.public_keys, self.class, &self.mechanism);
        }
        let planned = plan::plan(&self.mechanism, self.class)?;
        let planned = planned.filter(|plan| plan.fits(&detail.info.algorithms));
        let (plan, spec) = planned.zip(detail.info.spec).ok_or_else(|| {
            let detail = "the service does not use this key so (see its CKA_ALLOWED_MECHANISMS)";
            Error::new(Rv::MechanismInvalid, detail)
        })?;
        let call = match self.class {
            OperationClass::Decrypt => CallKind::Decrypt,
            _ if matches!(plan, Plan::Mac(..)) => CallKind::Mac,
            _ => CallKind::Sign,
        };
        if !self.bridge.capability().offers(call) {
            return Err(Rv::MechanismInvalid.into());
        }
        let hash = self.mechanism.algorithm().hash();
        Ok(Box::new(Remote::new(self.bridge, &detail.info, spec, plan, hash)))
    }
}

/// Whether this use of a key is one that its object allows.
///
/// # Errors
/// `CKR_KEY_TYPE_INCONSISTENT`, `CKR_KEY_FUNCTION_NOT_PERMITTED`, `CKR_MECHANISM_INVALID`.
fn check_use(object: &Object, usage: Option<ck::CK_ATTRIBUTE_TYPE>, mechanism: &Mechanism) -> Result<()> {
    let key_type = object.key_type().ok_or(Error::from(Rv::KeyHandleInvalid))?;
    if !mechanism.algorithm().accepts(key_type) {
        return Err(Rv::KeyTypeInconsistent.into());
    }
    if usage.is_some_and(|usage| !object.is_true(usage)) {
        return Err(Rv::KeyFunctionNotPermitted.into());
    }
    if !object.allows(mechanism.id()) {
        let detail = "the service does not use this key with this mechanism (see its CKA_ALLOWED_MECHANISMS)";
        return Err(Error::new(Rv::MechanismInvalid, detail));
    }
    Ok(())
}
