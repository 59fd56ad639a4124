// SPDX-License-Identifier: MIT
//! A client in Rust, with the crate `cryptoki`: as docs/guide/clients/languages.md has it.

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::Mechanism;
use cryptoki::object::{Attribute, ObjectClass};
use cryptoki::session::UserType;
use cryptoki::types::AuthPin;
use std::env::var;
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let module = Pkcs11::new(var("MODULE")?)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK))?;
    let label = var("TOKEN")?;
    let mut slots = module.get_slots_with_initialized_token()?.into_iter();
    let slot = slots
        .find(|slot| {
            module
                .get_token_info(*slot)
                .is_ok_and(|token| token.label() == label)
        })
        .ok_or("there is no such token")?;
    let session = module.open_rw_session(slot)?;
    session.login(UserType::User, Some(&AuthPin::new(var("PIN")?.into())))?;

    let text = std::fs::read("text")?;
    let digest = session.digest(&Mechanism::Sha256, &text)?;
    for (label, mechanism, data) in [
        ("web", Mechanism::Sha256RsaPkcs, &text),
        ("ec", Mechanism::Ecdsa, &digest),
    ] {
        let named = Attribute::Label(label.into());
        let find = |class| session.find_objects(&[Attribute::Class(class), named.clone()]);
        let private = *find(ObjectClass::PRIVATE_KEY)?
            .first()
            .ok_or("there is no such key")?;
        let public = *find(ObjectClass::PUBLIC_KEY)?
            .first()
            .ok_or("there is no such key")?;
        let signature = session.sign(&mechanism, private, data)?;
        session.verify(&mechanism, public, data, &signature)?;
        std::fs::write(format!("{label}.sig"), signature)?;
    }
    Ok(())
}
