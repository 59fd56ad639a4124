// SPDX-License-Identifier: MIT
//! Many threads on one token.

use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::case::in_own_process;
use keyenclave_conformance::module::{Mech, bytes, flag};
use keyenclave_conformance::token::{CURVES, RO, RW, THREADS, Token, USER_PIN, data_object};
use std::sync::atomic::{AtomicBool, Ordering};

const WORKERS: u32 = 16;
const NEIGHBOURS: u32 = 4;

/// How many operations a worker does; a long run asks for more by `KEYENCLAVE_TEST_ROUNDS`.
fn rounds() -> u32 {
    std::env::var("KEYENCLAVE_TEST_ROUNDS").map_or(1000, |rounds| rounds.parse().expect("a number"))
}

/// Keys on the token that all threads share.
#[derive(Clone, Copy)]
struct Shared {
    rsa: (CK_ULONG, CK_ULONG),
    ec: (CK_ULONG, CK_ULONG),
    aes: CK_ULONG,
}

impl Shared {
    fn new(token: &Token, session: CK_SESSION_HANDLE) -> Self {
        let kept = [flag(CKA_TOKEN, true), bytes(CKA_LABEL, "shared")];
        Self {
            rsa: token.rsa(session, 2048, &kept),
            ec: token.ec(session, CURVES[0].0, &kept),
            aes: token.secret(session, CKK_AES, &[5; 32]),
        }
    }
}

/// One of several kinds of work, by `round`. An error is the first function's that failed.
fn work(token: &Token, session: CK_SESSION_HANDLE, keys: Shared, worker: u32, round: u32) -> Result<(), Rv> {
    let data = [worker.to_be_bytes(), round.to_be_bytes()].concat();
    match round % 10 {
        0 => {
            let signature = token.sign(session, CKM_SHA256_RSA_PKCS, keys.rsa.1, &data)?;
            token
                .check(session, CKM_SHA256_RSA_PKCS, keys.rsa.0, &data, &signature)
                .ok()
        }
        1 | 2 => {
            let digest = token.digest(session, CKM_SHA256, &data)?;
            let signature = token.sign(session, CKM_ECDSA, keys.ec.1, &digest)?;
            token
                .check(session, CKM_ECDSA, keys.ec.0, &digest, &signature)
                .ok()
        }
        3 | 4 => {
            let mech = Mech::gcm(&[1; 12], &data, 128);
            let sealed = token.encrypt(session, mech.clone(), keys.aes, &data)?;
            let opened = token.decrypt(session, mech, keys.aes, &sealed)?;
            assert_eq!(opened, data);
            Ok(())
        }
        5 => {
            let label = format!("object-{worker}-{round}");
            let object = token.create_object(session, &data_object(&label, round % 20 == 5, &data))?;
            let found = token.find(session, &[bytes(CKA_LABEL, label.as_str())])?;
            assert!(found.contains(&object), "{label} is not among {found:?}");
            assert_eq!(token.read(session, object, CKA_VALUE)?, data);
            token.destroy_object(session, object).ok()
        }
        6 => {
            let mut attrs = data_object("session", false, &data);
            attrs.retain(|attr| attr.kind != CKA_TOKEN);
            let object = token.create_object(session, &attrs)?;
            token
                .set_attributes(session, object, &[bytes(CKA_LABEL, "changed")])
                .ok()?;
            assert_eq!(token.read(session, object, CKA_LABEL)?, b"changed");
            token.destroy_object(session, object).ok()
        }
        7 => {
            let found = token.find(session, &[bytes(CKA_LABEL, "shared")])?;
            assert_eq!(found.len(), 4);
            Ok(())
        }
        8 => token.random(session, &mut [0; 32]).ok(),
        _ => {
            assert_eq!(token.read(session, keys.rsa.1, CKA_MODULUS)?.len(), 256);
            token.session_info(session)?;
            token.token_info(token.slot)?;
            Ok(())
        }
    }
}

#[test]
fn sixteen_threads_work_while_others_open_and_close_sessions() {
    in_own_process(|| {
        let (token, session) = Token::with_user();
        let keys = Shared::new(&token, session);
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let neighbours: Vec<_> = (0..NEIGHBOURS)
                .map(|_| {
                    scope.spawn(|| {
                        while !done.load(Ordering::Relaxed) {
                            let reading = token.session(RO);
                            let writing = token.session(RW);
                            assert_eq!(token.close_session(reading), Rv::OK);
                            assert_eq!(token.close_session(writing), Rv::OK);
                        }
                    })
                })
                .collect();
            let token = &token;
            let workers: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    scope.spawn(move || {
                        let session = token.session(RW);
                        for round in 0..rounds() {
                            let done = work(token, session, keys, worker, round);
                            assert_eq!(done, Ok(()), "worker {worker}, round {round}");
                        }
                        assert_eq!(token.close_session(session), Rv::OK);
                    })
                })
                .collect();
            let outcomes: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
            done.store(true, Ordering::Relaxed);
            let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
            assert_eq!(failed, 0, "workers failed");
            for neighbour in neighbours {
                assert!(neighbour.join().is_ok());
            }
        });
        assert_eq!(
            token.find(session, &[bytes(CKA_LABEL, "shared")]).unwrap().len(),
            4
        );
        assert_eq!(
            token.find(session, &[]).unwrap().len(),
            5,
            "what the workers made is gone"
        );
    });
}

#[test]
fn finalising_under_load_gives_only_codes_that_it_implies() {
    in_own_process(|| {
        let (token, session) = Token::with_user();
        Shared::new(&token, session);
        assert_eq!(token.finalize(false), Rv::OK);
        let implied = [
            CKR_CRYPTOKI_NOT_INITIALIZED,
            CKR_SESSION_HANDLE_INVALID,
            CKR_SESSION_CLOSED,
            CKR_FUNCTION_CANCELED,
        ];
        for _ in 0..10 {
            assert_eq!(token.initialize(THREADS), Rv::OK);
            let session = token.session(RW);
            assert_eq!(token.login(session, CKU_USER, USER_PIN), Rv::OK);
            let find = |class| {
                let shared = [
                    bytes(CKA_LABEL, "shared"),
                    keyenclave_conformance::module::number(CKA_CLASS, class),
                ];
                let mut found = token.find(session, &shared).unwrap();
                found.sort_by_key(|key| token.read_number(session, *key, CKA_KEY_TYPE).unwrap());
                (found[0], found[1])
            };
            let ((rsa, ec), (rsa_private, ec_private)) = (find(CKO_PUBLIC_KEY), find(CKO_PRIVATE_KEY));
            let aes = token.secret(session, CKK_AES, &[5; 32]);
            let keys = Shared {
                rsa: (rsa, rsa_private),
                ec: (ec, ec_private),
                aes,
            };
            let (started, starts) = std::sync::mpsc::channel();
            std::thread::scope(|scope| {
                let token = &token;
                for worker in 0..WORKERS {
                    let started = started.clone();
                    scope.spawn(move || {
                        let session = token.session(RW);
                        for round in 0.. {
                            if round == 10 {
                                let _ = started.send(());
                            }
                            if let Err(rv) = work(token, session, keys, worker, round) {
                                assert!(implied.contains(&rv.0), "worker {worker}, round {round}: {rv:?}");
                                break;
                            }
                        }
                    });
                }
                for _ in 0..WORKERS {
                    starts.recv().expect("every worker is at work");
                }
                assert_eq!(token.finalize(false), Rv::OK);
            });
        }
    });
}

#[test]
fn a_long_key_generation_delays_neither_signatures_nor_sessions() {
    in_own_process(|| {
        let (token, session) = Token::with_user();
        let keys = Shared::new(&token, session);
        let generating = AtomicBool::new(true);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let session = token.session(RW);
                token.rsa(session, 4096, &[]);
                token.rsa(session, 4096, &[]);
                generating.store(false, Ordering::SeqCst);
            });
            let mut signed = 0;
            while generating.load(Ordering::SeqCst) {
                let session = token.session(RW);
                token.sign(session, CKM_ECDSA, keys.ec.1, &[1; 32]).unwrap();
                assert_eq!(token.close_session(session), Rv::OK);
                signed += 1;
            }
            assert!(signed > 20, "only {signed} signatures during two key generations");
        });
    });
}
