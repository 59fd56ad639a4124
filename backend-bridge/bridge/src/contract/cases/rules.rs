// SPDX-License-Identifier: MIT
//! Cases about the rules that hold for every call: refusing what is not offered, being abandoned, being well.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::task::Poll;

use keyenclave_model::algorithm::Hash;
use zeroize::Zeroizing;

use super::{Outcome, Service, Usage, ask, ensure, no_signing, passed, signing, with_key};
use crate::call::{
    Call, CheckHealth, DecryptData, DeriveSecret, DescribeKey, DestroyKey, EncryptData, FetchPublicKey,
    GenerateKey, ImportKey, ListKeys, MacMessage, RandomBytes, Request, RotateKey, SignDigest, UpdateKey,
};
use crate::error::{ErrorKind, Sent};
use crate::key::{Algorithm, KeyInfo, KeyName, KeySpec};

pub(super) async fn a_health_check_succeeds(service: &dyn Service) -> Outcome {
    ask(service, CheckHealth).await?;
    passed()
}

pub(super) async fn what_is_not_advertised_is_refused(service: &dyn Service) -> Outcome {
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

pub(super) async fn a_call_may_be_abandoned_at_every_await(service: &dyn Service) -> Outcome {
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
