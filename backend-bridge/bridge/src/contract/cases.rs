// SPDX-License-Identifier: MIT
//! The cases, named by what they hold a service to.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, poll_fn};
use std::task::Poll;

use keyenclave_crypto::{PublicKey, digest};
use keyenclave_model::algorithm::{Curve, Hash};
use zeroize::Zeroizing;

use super::{Case, Failure, Trial, Verdict};
use crate::call::{
    Call, CallKind, CheckHealth, DecryptData, DeriveSecret, DescribeKey, DestroyKey, EncryptData,
    FetchPublicKey, GenerateKey, ImportKey, ListKeys, MacMessage, RandomBytes, Request, RotateKey, Service,
    SignDigest, UpdateKey, Usage, ask,
};
use crate::digest::curve_hash;
use crate::error::{ErrorKind, Sent};
use crate::key::{Algorithm, KeyInfo, KeyName, KeySpec, KeyState, ListedKey};

type Outcome = Result<Verdict, Failure>;

macro_rules! cases {
    ($($name:ident: [$($call:ident)*];)*) => {
        /// Every case.
        pub const CASES: &[Case] = &[$(Case {
            name: stringify!($name),
            calls: &[$(CallKind::$call),*],
            run: |service| -> Trial<'_> { Box::pin($name(service)) },
        },)*];
    };
}

cases! {
    a_listing_gives_every_key_once_over_three_pages_or_more: [List Generate Destroy];
    a_key_that_is_not_there_is_not_found: [Describe Generate Destroy];
    a_description_tells_what_was_asked_for: [Describe Generate Destroy];
    an_rsa_signature_verifies_with_the_public_key: [PublicKey Sign Generate Destroy];
    an_ecdsa_signature_has_fixed_length_and_verifies: [PublicKey Sign Generate Destroy];
    a_digest_of_another_length_is_bad_input: [Sign Generate Destroy];
    what_was_encrypted_to_the_public_key_comes_back: [PublicKey Decrypt Generate Destroy];
    a_damaged_ciphertext_is_bad_input: [Decrypt Generate Destroy];
    what_was_encrypted_by_the_service_comes_back: [Encrypt Decrypt Generate Destroy];
    a_mac_depends_on_the_message_alone: [Mac Generate Destroy];
    one_generation_makes_one_key: [List Generate Destroy];
    a_destroyed_key_cannot_be_used_and_can_be_destroyed_again: [Sign Generate Destroy];
    a_rotated_key_keeps_its_old_version: [Rotate Sign Describe Generate Destroy];
    an_update_changes_what_it_names_and_nothing_else: [Update Describe Generate Destroy];
    random_bytes_are_as_many_as_asked_for: [Random];
    a_health_check_succeeds: [Health];
    what_is_not_advertised_is_refused: [];
    a_call_may_be_abandoned_at_every_await: [Sign Generate Destroy];
}

fn ensure(holds: bool, otherwise: impl Into<String>) -> Result<(), Failure> {
    if holds {
        Ok(())
    } else {
        Err(Failure::new(otherwise))
    }
}

fn passed() -> Outcome {
    Ok(Verdict::Passed)
}

/// A key that is destroyed after the case, whatever comes of it.
async fn with_key<F: Future<Output = Outcome> + Send>(
    service: &dyn Service,
    spec: KeySpec,
    usage: Usage,
    case: impl FnOnce(KeyInfo) -> F + Send,
) -> Outcome {
    if !service.capability().generates.contains(&spec) {
        return Ok(Verdict::Skipped(format!(
            "the backend does not make {spec:?} keys"
        )));
    }
    let key = generate(service, spec, usage, None).await?;
    let name = key.listed.name.clone();
    let outcome = case(key).await;
    ask(service, DestroyKey { key: name }).await?;
    outcome
}

async fn generate(
    service: &dyn Service,
    spec: KeySpec,
    usage: Usage,
    label: Option<String>,
) -> Result<KeyInfo, Failure> {
    Ok(ask(
        service,
        GenerateKey {
            spec,
            usage,
            label,
            tags: BTreeMap::new(),
        },
    )
    .await?)
}

async fn public_key(service: &dyn Service, key: &KeyName) -> Result<PublicKey, Failure> {
    let spki = ask(service, FetchPublicKey { key: key.clone() }).await?;
    Ok(PublicKey::from_spki_der(&spki)?)
}

async fn listing(service: &dyn Service) -> Result<(Vec<ListedKey>, usize), Failure> {
    let (mut keys, mut page, mut pages) = (Vec::new(), None, 0);
    loop {
        let answer = ask(service, ListKeys { page }).await?;
        pages += 1;
        ensure(pages < 100_000, "the listing does not end")?;
        keys.extend(answer.keys);
        page = answer.next;
        if page.is_none() {
            return Ok((keys, pages));
        }
    }
}

/// The cheapest key that signs, and how.
fn signing(service: &dyn Service) -> Option<(KeySpec, Algorithm, usize)> {
    let offered = service.capability();
    let ec = KeySpec::Ec(Curve::P256);
    if offered.generates.contains(&ec) && offered.computes(Algorithm::Ecdsa) {
        return Some((ec, Algorithm::Ecdsa, curve_hash(Curve::P256).output_len()));
    }
    let (rsa, algorithm) = (KeySpec::Rsa(2048), Algorithm::RsaPkcs1(Hash::Sha256));
    (offered.generates.contains(&rsa) && offered.computes(algorithm)).then_some((rsa, algorithm, 32))
}

fn no_signing() -> Outcome {
    Ok(Verdict::Skipped("the backend makes no key that signs".to_owned()))
}

async fn a_listing_gives_every_key_once_over_three_pages_or_more(service: &dyn Service) -> Outcome {
    let Some((spec, _, _)) = signing(service) else {
        return no_signing();
    };
    let mut made = Vec::new();
    let mut outcome = Ok(Verdict::Skipped(format!(
        "the service gives pages of more than {MANY} keys"
    )));
    while made.len() < MANY {
        for _ in 0..4 {
            made.push(generate(service, spec, Usage::Sign, None).await?.listed.name);
        }
        let (keys, pages) = listing(service).await?;
        if pages >= 3 {
            outcome = check_listing(&keys, &made);
            break;
        }
    }
    for key in made {
        ask(service, DestroyKey { key }).await?;
    }
    outcome
}

/// So many keys are made at the most to fill three pages.
const MANY: usize = 40;

fn check_listing(keys: &[ListedKey], made: &[KeyName]) -> Outcome {
    let names: BTreeSet<_> = keys.iter().map(|key| &key.name).collect();
    ensure(names.len() == keys.len(), "a key is listed twice")?;
    ensure(
        made.iter().all(|name| names.contains(name)),
        "a key is missing from the listing",
    )?;
    passed()
}

async fn a_key_that_is_not_there_is_not_found(service: &dyn Service) -> Outcome {
    let Some((spec, _, _)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |key: KeyInfo| {
        // A name like the service's own, but of no key: every digit is another one.
        let name: String = key
            .listed
            .name
            .as_str()
            .chars()
            .map(|c| {
                if c == '0' {
                    '1'
                } else if c.is_ascii_digit() {
                    '0'
                } else {
                    c
                }
            })
            .collect();
        let result = ask(
            service,
            DescribeKey {
                key: KeyName::new(name),
            },
        )
        .await;
        let kind = result.err().map(|error| error.kind());
        ensure(kind == Some(ErrorKind::NotFound), format!("it is {kind:?}"))?;
        passed()
    })
    .await
}

async fn a_description_tells_what_was_asked_for(service: &dyn Service) -> Outcome {
    let Some((spec, algorithm, _)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |made: KeyInfo| {
        let key = ask(
            service,
            DescribeKey {
                key: made.listed.name.clone(),
            },
        )
        .await?;
        ensure(
            key.spec == Some(spec),
            format!("the key is {:?}", key.remote_spec),
        )?;
        ensure(
            key.algorithms.contains(&algorithm),
            format!("it computes {:?}", key.algorithms),
        )?;
        ensure(key.state == KeyState::Enabled, format!("it is {:?}", key.state))?;
        ensure(key.listed.name == made.listed.name, "it has another name")?;
        passed()
    })
    .await
}

async fn an_rsa_signature_verifies_with_the_public_key(service: &dyn Service) -> Outcome {
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

async fn an_ecdsa_signature_has_fixed_length_and_verifies(service: &dyn Service) -> Outcome {
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

async fn a_digest_of_another_length_is_bad_input(service: &dyn Service) -> Outcome {
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

async fn what_was_encrypted_to_the_public_key_comes_back(service: &dyn Service) -> Outcome {
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

async fn a_damaged_ciphertext_is_bad_input(service: &dyn Service) -> Outcome {
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

async fn what_was_encrypted_by_the_service_comes_back(service: &dyn Service) -> Outcome {
    with_key(
        service,
        KeySpec::Symmetric,
        Usage::Decrypt,
        async |info: KeyInfo| {
            let key = info.listed.name;
            let plaintext = Zeroizing::new(b"secret".to_vec());
            let ciphertext = ask(
                service,
                EncryptData {
                    key: key.clone(),
                    plaintext: plaintext.clone(),
                },
            )
            .await?;
            let back = ask(
                service,
                DecryptData {
                    key,
                    algorithm: Algorithm::Symmetric,
                    ciphertext,
                },
            )
            .await?;
            ensure(back == plaintext, "another plaintext came back")?;
            passed()
        },
    )
    .await
}

async fn a_mac_depends_on_the_message_alone(service: &dyn Service) -> Outcome {
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

async fn one_generation_makes_one_key(service: &dyn Service) -> Outcome {
    let Some((spec, _, _)) = signing(service) else {
        return no_signing();
    };
    let before = listing(service).await?.0.len();
    with_key(service, spec, Usage::Sign, async |_| {
        let after = listing(service).await?.0.len();
        ensure(
            after == before + 1,
            format!("there were {before} keys, and there are {after}"),
        )?;
        passed()
    })
    .await
}

async fn a_destroyed_key_cannot_be_used_and_can_be_destroyed_again(service: &dyn Service) -> Outcome {
    let Some((spec, algorithm, len)) = signing(service) else {
        return no_signing();
    };
    // `with_key` destroys it a second time.
    with_key(service, spec, Usage::Sign, async |info: KeyInfo| {
        let key = info.listed.name;
        ask(service, DestroyKey { key: key.clone() }).await?;
        let result = ask(
            service,
            SignDigest {
                key,
                algorithm,
                digest: vec![1; len],
            },
        )
        .await;
        let kind = result.err().map(|error| error.kind());
        let refused = matches!(kind, Some(ErrorKind::Disabled | ErrorKind::NotFound));
        ensure(refused, format!("signing is {kind:?}"))?;
        passed()
    })
    .await
}

async fn a_rotated_key_keeps_its_old_version(service: &dyn Service) -> Outcome {
    let Some((spec, algorithm, len)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |info: KeyInfo| {
        let old = info.listed.name;
        let new = ask(service, RotateKey { key: old.clone() }).await?;
        ensure(
            new.listed.name != old && new.listed.is_current,
            "the new version is not the current one",
        )?;
        ask(
            service,
            SignDigest {
                key: old.clone(),
                algorithm,
                digest: vec![1; len],
            },
        )
        .await?;
        let old = ask(service, DescribeKey { key: old }).await?;
        ensure(!old.listed.is_current, "the old version is still the current one")?;
        ask(service, DestroyKey { key: new.listed.name }).await?;
        passed()
    })
    .await
}

async fn an_update_changes_what_it_names_and_nothing_else(service: &dyn Service) -> Outcome {
    if service.capability().max_tag_value == 0 {
        return Ok(Verdict::Skipped("the backend has no tags".to_owned()));
    }
    let Some((spec, _, _)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |info: KeyInfo| {
        let key = info.listed.name;
        let update = async |tags: &[(&str, Option<&str>)]| {
            let tags = tags
                .iter()
                .map(|(tag, value)| ((*tag).to_owned(), value.map(str::to_owned)))
                .collect();
            ask(
                service,
                UpdateKey {
                    key: key.clone(),
                    label: None,
                    tags,
                },
            )
            .await
        };
        update(&[("contract-a", Some("1")), ("contract-b", Some("2"))]).await?;
        update(&[("contract-a", None)]).await?;
        let tags = ask(service, DescribeKey { key: key.clone() }).await?.tags;
        let is_right =
            !tags.contains_key("contract-a") && tags.get("contract-b").map(String::as_str) == Some("2");
        ensure(is_right, format!("the tags are {tags:?}"))?;
        passed()
    })
    .await
}

async fn random_bytes_are_as_many_as_asked_for(service: &dyn Service) -> Outcome {
    let bytes = ask(service, RandomBytes { len: 33 }).await?;
    ensure(
        bytes.len() == 33 && bytes.iter().any(|byte| *byte != 0),
        "they are not",
    )?;
    passed()
}

async fn a_health_check_succeeds(service: &dyn Service) -> Outcome {
    ask(service, CheckHealth).await?;
    passed()
}

/// One request of every call. The key exists nowhere.
fn requests() -> Vec<Request> {
    let key = || KeyName::new("contract:no-such-key");
    let (spec, label) = (KeySpec::Rsa(1024), None);
    let tags = BTreeMap::new();
    let secret = || Zeroizing::new(vec![1]);
    vec![
        ListKeys { page: None }.into_request(),
        DescribeKey { key: key() }.into_request(),
        FetchPublicKey { key: key() }.into_request(),
        SignDigest {
            key: key(),
            algorithm: Algorithm::RsaPkcs1(Hash::Sha1),
            digest: vec![1],
        }
        .into_request(),
        DecryptData {
            key: key(),
            algorithm: Algorithm::RsaPkcs1(Hash::Sha1),
            ciphertext: vec![1],
        }
        .into_request(),
        EncryptData {
            key: key(),
            plaintext: secret(),
        }
        .into_request(),
        MacMessage {
            key: key(),
            algorithm: Algorithm::Hmac(Hash::Sha224),
            message: secret(),
        }
        .into_request(),
        DeriveSecret {
            key: key(),
            peer: vec![1],
        }
        .into_request(),
        ImportKey {
            spec,
            label: None,
            material: secret(),
        }
        .into_request(),
        GenerateKey {
            spec,
            usage: Usage::Sign,
            label,
            tags: tags.clone(),
        }
        .into_request(),
        DestroyKey { key: key() }.into_request(),
        RotateKey { key: key() }.into_request(),
        UpdateKey {
            key: key(),
            label: None,
            tags: BTreeMap::new(),
        }
        .into_request(),
        RandomBytes { len: 1 }.into_request(),
        CheckHealth.into_request(),
    ]
}

async fn what_is_not_advertised_is_refused(service: &dyn Service) -> Outcome {
    let capability = service.capability();
    for request in requests() {
        let call = request.kind();
        let gate = capability.check(&request);
        if capability.offers(call) {
            continue;
        }
        for error in [gate.err(), service.answer(&request).await.err()] {
            let is_refused = error
                .as_ref()
                .is_some_and(|error| error.kind() == ErrorKind::Unsupported && error.sent() == Sent::No);
            ensure(is_refused, format!("{} is not refused: {error:?}", call.name()))?;
        }
    }
    let odd = GenerateKey {
        spec: KeySpec::Rsa(1024),
        usage: Usage::Sign,
        label: None,
        tags: BTreeMap::new(),
    };
    let kind = capability
        .check(&odd.into_request())
        .err()
        .map(|error| error.kind());
    ensure(
        kind == Some(ErrorKind::Unsupported),
        "a 1024-bit RSA key would be made",
    )?;
    passed()
}

async fn a_call_may_be_abandoned_at_every_await(service: &dyn Service) -> Outcome {
    let Some((spec, algorithm, len)) = signing(service) else {
        return no_signing();
    };
    with_key(service, spec, Usage::Sign, async |info: KeyInfo| {
        let key = info.listed.name;
        let request = || {
            SignDigest {
                key: key.clone(),
                algorithm,
                digest: vec![1; len],
            }
            .into_request()
        };
        for wakes in 0..ABANDON {
            let request = request();
            if abandon(service, &request, wakes).await {
                break;
            }
        }
        // Nothing is stuck: an ordinary call goes through.
        service.answer(&request()).await?;
        passed()
    })
    .await
}

/// So many awaits are tried.
const ABANDON: usize = 64;

/// Drops a call after it was woken so many times. True if it was answered before.
async fn abandon(service: &dyn Service, request: &Request, wakes: usize) -> bool {
    let mut reply = service.answer(request);
    let mut left = wakes;
    poll_fn(|context| match (reply.as_mut().poll(context), left) {
        (Poll::Ready(_answer), _) => Poll::Ready(true),
        (Poll::Pending, 0) => Poll::Ready(false),
        (Poll::Pending, _) => {
            left -= 1;
            Poll::Pending
        }
    })
    .await
}
