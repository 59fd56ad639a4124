// SPDX-License-Identifier: MIT
//! A client in Rust, with the crate `cryptoki`: as docs/guide/clients/languages.md has it.

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::mechanism::dsa::{HedgeType, SignAdditionalContext};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{
    Attribute, AttributeType, KeyType, MlDsaParameterSetType, MlKemParameterSetType, ObjectClass,
    ObjectHandle,
};
use cryptoki::session::{Session, UserType};
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

    let mechanisms = module.get_mechanism_list(slot)?;
    if mechanisms.contains(&MechanismType::ML_DSA_KEY_PAIR_GEN) {
        sign_with_ml_dsa(&session, &text)?;
    }
    if mechanisms.contains(&MechanismType::ML_KEM_KEY_PAIR_GEN) {
        agree_with_ml_kem(&session)?;
    }
    Ok(())
}

/// A key pair in the session, a signature with and without a context, and one that is none.
fn sign_with_ml_dsa(session: &Session, text: &[u8]) -> Result<(), Box<dyn Error>> {
    let of_public = [
        Attribute::ParameterSet(MlDsaParameterSetType::ML_DSA_65.into()),
        Attribute::Verify(true),
    ];
    let of_private = [Attribute::Sign(true), Attribute::Sensitive(true)];
    let (public, private) =
        session.generate_key_pair(&Mechanism::MlDsaKeyPairGen, &of_public, &of_private)?;
    for context in [None, Some(&b"context"[..])] {
        let params = |hedge| SignAdditionalContext::new(hedge, context);
        let pure = Mechanism::MlDsa(params(HedgeType::Preferred));
        let hashed = Mechanism::HashMlDsaSha256(params(HedgeType::DeterministicRequired));
        let signature = session.sign(&pure, private, text)?;
        session.verify(&pure, public, text, &signature)?;
        let of_hash = session.sign(&hashed, private, text)?;
        session.verify(&hashed, public, text, &of_hash)?;
        if session.verify(&pure, public, text, &of_hash).is_ok() {
            return Err("the signature of a hash is taken for one of the text".into());
        }
    }
    Ok(())
}

/// A key that two sides make, by what one of them enciphers with it.
fn agree_with_ml_kem(session: &Session) -> Result<(), Box<dyn Error>> {
    let of_public = [
        Attribute::ParameterSet(MlKemParameterSetType::ML_KEM_768.into()),
        Attribute::Encapsulate(true),
    ];
    let of_private = [Attribute::Decapsulate(true)];
    let (public, private) =
        session.generate_key_pair(&Mechanism::MlKemKeyPairGen, &of_public, &of_private)?;
    let of_secret = [
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(KeyType::GENERIC_SECRET),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ];
    let (ciphertext, one) = session.encapsulate_key(&Mechanism::MlKem, public, &of_secret)?;
    let other = session.decapsulate_key(&Mechanism::MlKem, private, &of_secret, &ciphertext)?;
    let value = |key: ObjectHandle| session.get_attributes(key, &[AttributeType::Value]);
    if value(one)? != value(other)? || value(one)?.is_empty() {
        return Err("the two sides have different secrets".into());
    }
    Ok(())
}
