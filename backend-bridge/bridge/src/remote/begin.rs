// SPDX-License-Identifier: MIT
//! Beginning an operation with a key of the service: here with its public half, there with its private one.

use std::sync::Arc;

use keyenclave_model::access::check_use;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::Mechanism;
use keyenclave_model::token::{Operation, OperationClass};

use super::entry::Detail;
use super::local::PublicKeys;
use super::objects::Half;
use super::operation::Remote;
use super::plan;
use super::work::visible;
use crate::bridge::Bridge;

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
        check_use(object, self.class, &self.mechanism)?;
        if self.half == Half::Public {
            return detail.begin_public(&self.public_keys, self.class, &self.mechanism);
        }
        let planned = plan::plan(&self.mechanism, self.class)?;
        let planned = planned.filter(|plan| plan.fits(&detail.info.algorithms));
        let (plan, spec) = planned.zip(detail.info.spec).ok_or_else(|| {
            let detail = "the service does not use this key so (see its CKA_ALLOWED_MECHANISMS)";
            Error::new(Rv::MechanismInvalid, detail)
        })?;
        if !self.bridge.capability().offers(plan.call()) {
            return Err(Rv::MechanismInvalid.into());
        }
        let hash = self.mechanism.algorithm().hash();
        Ok(Box::new(Remote::new(self.bridge, detail, spec, plan, hash)))
    }
}
