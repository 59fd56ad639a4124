// SPDX-License-Identifier: MIT
//! Key management functions (PKCS#11 3.2, section 5.18).

use cryptoki_sys as ck;
use keyenclave_model::error::Result;
use keyenclave_model::token::{Out, SessionId, Work};

use super::asynchronous::generate;
use super::objects::made;
use super::unexpected;
use crate::abi::values::{Place, RawMechanism, RawTemplate};
use crate::library::Library;
use crate::session::activity::Activity;

/// `C_GenerateKey`.
pub fn generate_key(
    lib: &Library,
    session: SessionId,
    mechanism: RawMechanism<'_>,
    template: RawTemplate<'_>,
    mut handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let caller = lib.session(session)?;
    handle.check()?;
    let (mechanism, template) = (mechanism.parse()?, template.parse()?);
    let work = Work::GenerateKey {
        mechanism: &mechanism,
        template: &template,
    };
    handle.set(made(generate(&caller, Activity::GenerateKey, work)?)?);
    Ok(())
}

/// `C_GenerateKeyPair`.
pub fn generate_key_pair(
    lib: &Library,
    session: SessionId,
    mechanism: RawMechanism<'_>,
    public: RawTemplate<'_>,
    private: RawTemplate<'_>,
    mut public_handle: Place<'_, ck::CK_OBJECT_HANDLE>,
    mut private_handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let caller = lib.session(session)?;
    public_handle.check()?;
    private_handle.check()?;
    let (mechanism, public, private) = (mechanism.parse()?, public.parse()?, private.parse()?);
    let work = Work::GenerateKeyPair {
        mechanism: &mechanism,
        public: &public,
        private: &private,
    };
    let Out::Pair { public, private } = generate(&caller, Activity::GenerateKeyPair, work)? else {
        return Err(unexpected());
    };
    public_handle.set(public.0);
    private_handle.set(private.0);
    Ok(())
}
