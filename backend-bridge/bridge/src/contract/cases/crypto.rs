// SPDX-License-Identifier: MIT
//! Cases about what is computed: signatures, decryption, codes, random bytes.

use keyenclave_crypto::{PublicKey, digest};
use keyenclave_model::algorithm::Hash;
use zeroize::Zeroizing;

use super::{Failure, Outcome, Service, Usage, Verdict, ask, ensure, no_signing, passed, signing, with_key};
use crate::call::{DecryptData, EncryptData, FetchPublicKey, MacMessage, RandomBytes, SignDigest};
use crate::digest::curve_hash;
use crate::error::ErrorKind;
use crate::key::{Algorithm, KeyInfo, KeyName, KeySpec};

pub(super) async fn an_rsa_signature_verifies_with_the_public_key(service: &dyn Service) -> Outcome {
    with_key(service, KeySpec::Rsa(2048), Usage::Sign, async |info: KeyInfo| {
        let name = &info.listed.name;
        let PublicKey::Rsa(public) = public_key(service, name).await? else {
            return Err(Failure::new("the public key is not an RSA key"));
        };
        for algorithm in &info.algorithms {
            let (Algorithm::RsaPkcs1(hash) | Algorithm::RsaPss(hash)) = *algorithm else {
                continue;
            };
            let digest = digest(hash, b"message").to_vec();
            let call = SignDigest {
                key: name.clone(),
                algorithm: *algorithm,
                digest: digest.clone(),
            };
            let signature = ask(service, call).await?;
            match algorithm {
                Algorithm::RsaPss(_) => {
                    public.verify_pss(hash, hash, hash.output_len(), &digest, &signature)?
                }
                _ => public.verify_pkcs1(hash, &digest, &signature)?,
            }
        }
        passed()
    })
    .await
}

pub(super) async fn an_ecdsa_signature_has_fixed_length_and_verifies(service: &dyn Service) -> Outcome {
    let mut tried = 0;
    for spec in service.capability().generates {
        let KeySpec::Ec(curve) = *spec else { continue };
        tried += 1;
        with_key(service, *spec, Usage::Sign, async |info: KeyInfo| {
            let name = &info.listed.name;
            let PublicKey::Ec(public) = public_key(service, name).await? else {
                return Err(Failure::new("the public key is not on a curve"));
            };
            let digest = digest(curve_hash(curve), b"message").to_vec();
            // Enough for a number with a leading zero to come up.
            for _ in 0..8 {
                let call = SignDigest {
                    key: name.clone(),
                    algorithm: Algorithm::Ecdsa,
                    digest: digest.clone(),
                };
                let signature = ask(service, call).await?;
                ensure(
                    signature.len() == 2 * curve.field_len(),
                    format!("it has {} bytes", signature.len()),
                )?;
                public.verify(&digest, &signature)?;
            }
            passed()
        })
        .await?;
    }
    if tried == 0 { no_signing() } else { passed() }
}

pub(super) async fn a_digest_of_another_length_is_bad_input(service: &dyn Service) -> Outcome {
    let Some((spec, algorithm, len)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |info: KeyInfo| {
        let digest = vec![1; len.saturating_sub(1)];
        let result = ask(
            service,
            SignDigest {
                key: info.listed.name.clone(),
                algorithm,
                digest,
            },
        )
        .await;
        let kind = result.err().map(|error| error.kind());
        ensure(kind == Some(ErrorKind::BadInput), format!("it is {kind:?}"))?;
        passed()
    })
    .await
}

pub(super) async fn what_was_encrypted_to_the_public_key_comes_back(service: &dyn Service) -> Outcome {
    with_key(
        service,
        KeySpec::Rsa(2048),
        Usage::Decrypt,
        async |info: KeyInfo| {
            let name = &info.listed.name;
            let PublicKey::Rsa(public) = public_key(service, name).await? else {
                return Err(Failure::new("the public key is not an RSA key"));
            };
            for algorithm in &info.algorithms {
                let mut ciphertext = vec![0; public.modulus_len()];
                match algorithm {
                    Algorithm::RsaOaep(hash) => {
                        public.encrypt_oaep(*hash, *hash, &[], b"secret", &mut ciphertext)?
                    }
                    Algorithm::RsaPkcs1Decrypt => public.encrypt_pkcs1(b"secret", &mut ciphertext)?,
                    _ => continue,
                };
                let plaintext = ask(
                    service,
                    DecryptData {
                        key: name.clone(),
                        algorithm: *algorithm,
                        ciphertext,
                    },
                )
                .await?;
                ensure(plaintext.as_slice() == b"secret", "another plaintext came back")?;
            }
            passed()
        },
    )
    .await
}

pub(super) async fn a_damaged_ciphertext_is_bad_input(service: &dyn Service) -> Outcome {
    with_key(
        service,
        KeySpec::Rsa(2048),
        Usage::Decrypt,
        async |info: KeyInfo| {
            let is_oaep = |algorithm: &&Algorithm| matches!(algorithm, Algorithm::RsaOaep(_));
            let Some(algorithm) = info.algorithms.iter().find(is_oaep).copied() else {
                return Ok(Verdict::Skipped("the key has no OAEP".to_owned()));
            };
            let call = DecryptData {
                key: info.listed.name.clone(),
                algorithm,
                ciphertext: vec![1; 256],
            };
            let kind = ask(service, call).await.err().map(|error| error.kind());
            ensure(kind == Some(ErrorKind::BadInput), format!("it is {kind:?}"))?;
            passed()
        },
    )
    .await
}

pub(super) async fn what_was_encrypted_by_the_service_comes_back(service: &dyn Service) -> Outcome {
    with_key(
        service,
        KeySpec::Symmetric,
        Usage::Decrypt,
        async |info: KeyInfo| {
            let key = info.listed.name;
            // The longest is what every service with such keys takes.
            for len in [1, 33, 4096] {
                let plaintext = Zeroizing::new(vec![0x5a; len]);
                let ciphertext = encrypted(service, &key, &plaintext).await?;
                ensure(
                    ciphertext != encrypted(service, &key, &plaintext).await?,
                    "the same ciphertext came twice",
                )?;
                let back = decrypted(service, &key, ciphertext).await?;
                ensure(
                    back == plaintext,
                    format!("another plaintext came back for {len} bytes"),
                )?;
            }
            passed()
        },
    )
    .await
}

pub(super) async fn a_ciphertext_of_another_key_is_bad_input(service: &dyn Service) -> Outcome {
    with_key(
        service,
        KeySpec::Symmetric,
        Usage::Decrypt,
        async |info: KeyInfo| {
            let key = info.listed.name;
            let ciphertext = encrypted(service, &key, b"secret").await?;
            let mut damaged = ciphertext.clone();
            if let Some(last) = damaged.last_mut() {
                *last ^= 1;
            }
            let kind = decrypted(service, &key, damaged)
                .await
                .err()
                .map(|error| error.kind());
            ensure(
                kind == Some(ErrorKind::BadInput),
                format!("a damaged one is {kind:?}"),
            )?;
            with_key(
                service,
                KeySpec::Symmetric,
                Usage::Decrypt,
                async |other: KeyInfo| {
                    let kind = decrypted(service, &other.listed.name, ciphertext)
                        .await
                        .err()
                        .map(|error| error.kind());
                    ensure(
                        kind == Some(ErrorKind::BadInput),
                        format!("another key's is {kind:?}"),
                    )?;
                    passed()
                },
            )
            .await
        },
    )
    .await
}

async fn encrypted(service: &dyn Service, key: &KeyName, plaintext: &[u8]) -> crate::error::Result<Vec<u8>> {
    let call = EncryptData {
        key: key.clone(),
        plaintext: Zeroizing::new(plaintext.to_vec()),
    };
    ask(service, call).await
}

async fn decrypted(
    service: &dyn Service,
    key: &KeyName,
    ciphertext: Vec<u8>,
) -> crate::error::Result<Zeroizing<Vec<u8>>> {
    let call = DecryptData {
        key: key.clone(),
        algorithm: Algorithm::Symmetric,
        ciphertext,
    };
    ask(service, call).await
}

pub(super) async fn a_mac_depends_on_the_message_alone(service: &dyn Service) -> Outcome {
    with_key(
        service,
        KeySpec::Hmac(Hash::Sha256),
        Usage::Sign,
        async |info: KeyInfo| {
            let mac = async |message: &[u8]| {
                let message = Zeroizing::new(message.to_vec());
                let algorithm = Algorithm::Hmac(Hash::Sha256);
                ask(
                    service,
                    MacMessage {
                        key: info.listed.name.clone(),
                        algorithm,
                        message,
                    },
                )
                .await
            };
            let (one, again, other) = (mac(b"one").await?, mac(b"one").await?, mac(b"other").await?);
            ensure(one.len() == 32, format!("it has {} bytes", one.len()))?;
            ensure(one == again && one != other, "it depends on something else")?;
            passed()
        },
    )
    .await
}

pub(super) async fn random_bytes_are_as_many_as_asked_for(service: &dyn Service) -> Outcome {
    let bytes = ask(service, RandomBytes { len: 33 }).await?;
    ensure(
        bytes.len() == 33 && bytes.iter().any(|byte| *byte != 0),
        "they are not",
    )?;
    passed()
}

pub(super) async fn public_key(service: &dyn Service, key: &KeyName) -> Result<PublicKey, Failure> {
    let spki = ask(service, FetchPublicKey { key: key.clone() }).await?;
    Ok(PublicKey::from_spki_der(&spki)?)
}
