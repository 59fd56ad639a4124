// SPDX-License-Identifier: MIT
//! What an ML-DSA key signs, with every mechanism.

use super::*;
use keyenclave_crypto::digest;
use keyenclave_model::algorithm::Hash;
use keyenclave_model::mechanism::{Hedge, MlDsaParams, Params};
use keyenclave_model::post_quantum::Prehash;

fn with(id: u64, hedge: Hedge, context: &[u8], prehash: Option<Prehash>) -> Mechanism {
    let context = context.to_vec();
    let params = MlDsaParams {
        hedge,
        context,
        prehash,
    };
    mechanism(id, Params::MlDsa(params))
}

#[test]
fn ml_dsa_signs_and_verifies_with_every_mechanism_in_one_part_and_in_many() {
    let fixture = Fixture::blank();
    for set in sets(Scheme::MlDsa) {
        let (public_key, private_key) = lattice_pair(&fixture, ck::CKK_ML_DSA, set.number);
        for id in [
            ck::CKM_ML_DSA,
            ck::CKM_HASH_ML_DSA_SHA224,
            ck::CKM_HASH_ML_DSA_SHA256,
            ck::CKM_HASH_ML_DSA_SHA384,
            ck::CKM_HASH_ML_DSA_SHA512,
            ck::CKM_HASH_ML_DSA_SHA3_224,
            ck::CKM_HASH_ML_DSA_SHA3_256,
            ck::CKM_HASH_ML_DSA_SHA3_384,
            ck::CKM_HASH_ML_DSA_SHA3_512,
            ck::CKM_HASH_ML_DSA_SHAKE128,
            ck::CKM_HASH_ML_DSA_SHAKE256,
        ] {
            let sign = |mechanism: &Mechanism| {
                fixture
                    .run(public(), Class::Sign, mechanism, private_key, MESSAGE)
                    .unwrap()
            };
            let verify = |mechanism: &Mechanism, message: &[u8], signature: &[u8]| {
                fixture.verify(public(), mechanism, public_key, message, signature)
            };
            let (plain, fixed) = (plain(id), with(id, Hedge::Deterministic, b"", None));
            let signature = sign(&plain);
            assert_eq!(signature.len(), set.output_len);
            assert_ne!(signature, sign(&with(id, Hedge::Required, b"", None)));
            let (front, back) = MESSAGE.split_at(7);
            let parts = fixture.run_in_parts(public(), Class::Sign, &fixed, private_key, &[front, &[], back]);
            assert_eq!(parts.unwrap(), sign(&fixed));
            verify(&fixed, MESSAGE, &signature).unwrap();
            assert_eq!(rv(verify(&plain, front, &signature)), Rv::SignatureInvalid);
            let of_context = with(id, Hedge::Preferred, b"c", None);
            assert_eq!(rv(verify(&of_context, MESSAGE, &signature)), Rv::SignatureInvalid);
            verify(&of_context, MESSAGE, &sign(&of_context)).unwrap();
            assert_eq!(
                rv(verify(&plain, MESSAGE, &signature[1..])),
                Rv::SignatureLenRange
            );
        }
    }
}

#[test]
fn a_given_hash_is_signed_as_if_the_token_had_made_it_and_only_whole() {
    let fixture = Fixture::blank();
    let (public_key, private_key) = lattice_pair(&fixture, ck::CKK_ML_DSA, ck::CKP_ML_DSA_65);
    let hashed = with(ck::CKM_HASH_ML_DSA_SHA384, Hedge::Deterministic, b"c", None);
    let given = with(
        ck::CKM_HASH_ML_DSA,
        Hedge::Deterministic,
        b"c",
        Some(Prehash::Hash(Hash::Sha384)),
    );
    let value = digest(Hash::Sha384, MESSAGE);
    let sign =
        |mechanism: &Mechanism, data: &[u8]| fixture.run(public(), Class::Sign, mechanism, private_key, data);
    let signature = sign(&hashed, MESSAGE).unwrap();
    assert_eq!(sign(&given, &value).unwrap(), signature);
    fixture
        .verify(public(), &given, public_key, &value, &signature)
        .unwrap();
    assert_eq!(rv(sign(&given, &value[1..])), Rv::DataLenRange);
    let parts = fixture.run_in_parts(public(), Class::Sign, &given, private_key, &[&value]);
    assert_eq!(rv(parts), Rv::FunctionNotSupported);
}
