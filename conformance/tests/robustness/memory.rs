// SPDX-License-Identifier: MIT
//! What a core dump shows of a process that has just used its keys, and what is in its memory once it has logged out:
//! nothing that is secret.
//!
//! Two processes: one makes the keys, and so knows what to look for; the other logs in, signs with each, and dies with a
//! dump or logs out. The PIN reaches it through a pipe, and it wipes its copy.

use cryptoki_sys::*;
use keyenclave_conformance::case::{as_part, in_own_process, part, skipped};
use keyenclave_conformance::module::{bytes, flag, number};
use keyenclave_conformance::place::{Place, module_path};
use keyenclave_conformance::token::{CURVES, RW, Token, USER_PIN};
use keyenclave_conformance::{Rv, rsa};
use keyenclave_crypto::kdf::hkdf_sha256;
use keyenclave_soft::sealer::{PinSealer, unlock};
use keyenclave_soft::store::{Role, SqliteStore};
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use zeroize::Zeroize;

/// The length of what is looked for, in bytes: long enough not to be there by accident.
const NEEDLE_LEN: usize = 16;

/// Something that must not be in a dump.
struct Secret {
    name: String,
    value: Vec<u8>,
    /// Whether it is in memory, as it is, while somebody is logged in.
    is_kept: bool,
}

/// A kind of key: its type and name, what it is used with, and the attributes that are secret.
struct Kind {
    key_type: CK_KEY_TYPE,
    name: &'static str,
    mechanism: CK_MECHANISM_TYPE,
    secret: &'static [CK_ATTRIBUTE_TYPE],
}

const KINDS: [Kind; 5] = [
    Kind {
        key_type: CKK_RSA,
        name: "RSA key",
        mechanism: CKM_SHA256_RSA_PKCS,
        secret: rsa::NUMBERS.split_at(2).1,
    },
    Kind {
        key_type: CKK_EC,
        name: "EC key",
        mechanism: CKM_ECDSA_SHA256,
        secret: &[CKA_VALUE],
    },
    Kind {
        key_type: CKK_EC_EDWARDS,
        name: "Ed25519 key",
        mechanism: CKM_EDDSA,
        secret: &[CKA_VALUE],
    },
    Kind {
        key_type: CKK_ML_DSA,
        name: "ML-DSA key",
        mechanism: CKM_ML_DSA,
        secret: &[CKA_SEED, CKA_VALUE],
    },
    Kind {
        key_type: CKK_AES,
        name: "AES key",
        mechanism: CKM_AES_ECB,
        secret: &[CKA_VALUE],
    },
];

/// Uses every key once.
fn use_keys(token: &Token, session: CK_SESSION_HANDLE) {
    for kind in &KINDS {
        for key in keys(token, session, kind) {
            let made = match kind.key_type {
                CKK_AES => token.encrypt(session, kind.mechanism, key, &[7; 32]),
                _ => token.sign(session, kind.mechanism, key, b"a message"),
            };
            made.unwrap_or_else(|rv| panic!("{}: {rv:?}", kind.name));
        }
    }
}

fn keys(token: &Token, session: CK_SESSION_HANDLE, kind: &Kind) -> Vec<CK_OBJECT_HANDLE> {
    let class = match kind.key_type {
        CKK_AES => CKO_SECRET_KEY,
        _ => CKO_PRIVATE_KEY,
    };
    let found = token.find(
        session,
        &[number(CKA_CLASS, class), number(CKA_KEY_TYPE, kind.key_type)],
    );
    let found = found.unwrap();
    assert!(!found.is_empty(), "no {}", kind.name);
    found
}

/// Makes the keys, readable ones, so that their values are known.
fn make_keys(token: &Token, session: CK_SESSION_HANDLE) {
    let readable = [
        flag(CKA_TOKEN, true),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ];
    let stored = [flag(CKA_TOKEN, true)];
    let pair = |mechanism, public: &[_]| {
        let public = [public, &stored].concat();
        token
            .generate_key_pair(session, mechanism, &public, &readable)
            .expect("a key pair");
    };
    pair(
        CKM_RSA_PKCS_KEY_PAIR_GEN,
        &[
            number(CKA_MODULUS_BITS, 2048),
            bytes(CKA_PUBLIC_EXPONENT, [1, 0, 1]),
        ],
    );
    for (curve, ..) in CURVES {
        pair(CKM_EC_KEY_PAIR_GEN, &[bytes(CKA_EC_PARAMS, curve)]);
    }
    pair(
        CKM_EC_EDWARDS_KEY_PAIR_GEN,
        &[bytes(CKA_EC_PARAMS, *b"\x13\x0cedwards25519")],
    );
    for set in [CKP_ML_DSA_44, CKP_ML_DSA_65, CKP_ML_DSA_87] {
        pair(CKM_ML_DSA_KEY_PAIR_GEN, &[number(CKA_PARAMETER_SET, set)]);
    }
    let aes = [&[number(CKA_VALUE_LEN, 32)], &readable[..]].concat();
    token
        .generate_key(session, CKM_AES_KEY_GEN, &aes)
        .expect("an AES key");
}

/// The values of all keys, the PIN, and the keys that seal the store.
fn secrets(token: &Token, session: CK_SESSION_HANDLE, pin: &[u8]) -> Vec<Secret> {
    let secret = |name: &str, value: &[u8], is_kept| Secret {
        name: name.to_owned(),
        value: value.to_vec(),
        is_kept,
    };
    let mut secrets = vec![secret("the PIN", pin, false)];
    for (name, key, is_kept) in store_keys(pin) {
        secrets.push(secret(name, &key, is_kept));
    }
    for kind in &KINDS {
        for key in keys(token, session, kind) {
            for attribute in kind.secret {
                let value = token.read(session, key, *attribute).unwrap();
                for (part, value) in parts(kind, *attribute, &value) {
                    let name = format!("{part} {attribute:#x} of an {}", kind.name);
                    secrets.push(secret(&name, value, true));
                }
            }
        }
    }
    secrets
}

/// What is looked for of an attribute: all of it, but of an expanded ML-DSA key what is secret in it (FIPS 204,
/// algorithm 24: K and the vectors s1 and s2 lie between the public rho and tr and after them).
fn parts<'v>(kind: &Kind, attribute: CK_ATTRIBUTE_TYPE, value: &'v [u8]) -> Vec<(&'static str, &'v [u8])> {
    match (kind.key_type, attribute) {
        (CKK_ML_DSA, CKA_VALUE) => vec![("K in", &value[32..64]), ("s1 in", &value[128..512])],
        _ => vec![("the", value)],
    }
}

/// The root key of the store and what is derived from it (docs/adr/0003-store-format.md), and whether it is kept: of a
/// key for a MAC only the state is that it begins with.
fn store_keys(pin: &[u8]) -> Vec<(&'static str, Vec<u8>, bool)> {
    let store = SqliteStore::new(&Place::of_this_process().store().join("token.db"));
    let unlocked = unlock(&store, Role::User, &PinSealer::new(pin)).expect("the right PIN");
    let (root, identity) = (unlocked.root.expose(), unlocked.header.identity.0);
    let derived = [
        ("KeyEnclave seal", true),
        ("KeyEnclave attest", false),
        ("KeyEnclave blind", false),
    ];
    let derived = derived.map(|(purpose, is_kept)| {
        let fields = [purpose.as_bytes(), &1u32.to_le_bytes(), &identity];
        let framed = fields.map(|field| [&(field.len() as u64).to_le_bytes(), field].concat());
        let mut key = vec![0; 32];
        hkdf_sha256(root, &identity, &framed.concat(), &mut key).unwrap();
        (purpose, key, is_kept)
    });
    let root = [("the root key of the store", root.to_vec(), true)];
    root.into_iter().chain(derived).collect()
}

/// A PIN that stands in no program.
fn new_pin() -> Vec<u8> {
    let mut random = [0; 16];
    File::open("/dev/urandom")
        .unwrap()
        .read_exact(&mut random)
        .unwrap();
    let hex = random.map(|byte| format!("{byte:02x}"));
    hex.concat().into_bytes()
}

/// How the process that signs ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// It dies with a dump while it is logged in.
    Death,
    /// It logs out before it dies.
    Logout,
}

/// What the memory of a process must hold, to be looked at in the right place.
fn mark(process: u32) -> Vec<u8> {
    process.to_le_bytes().repeat(8)
}

/// The process that signs: what is secret goes from the pipe to the library and is wiped.
fn sign(end: End) {
    let mut pin = [0; 32];
    let mut pipe = File::open("/proc/self/fd/0").unwrap();
    pipe.read_exact(&mut pin).unwrap();
    let token = Token::existing();
    let session = token.session(RW);
    let outcome = token.login(session, CKU_USER, &pin);
    pin.zeroize();
    assert_eq!(outcome, Rv::OK);
    use_keys(&token, session);
    if end == End::Logout {
        assert_eq!(token.module.logout(session), Rv::OK);
    }
    let mark = mark(std::process::id());
    println!("\nready");
    std::io::stdout().flush().unwrap();
    let _ = pipe.read(&mut [0]);
    std::hint::black_box(&mark);
    std::process::abort();
}

/// The same process, started so that its death leaves a dump in the case's directory, and waited for until it has
/// used its keys.
fn signer(pin: &[u8]) -> Child {
    let inner = as_part("sign");
    let mut command = Command::new("sh");
    command
        .args(["-c", "ulimit -c unlimited; exec \"$0\" \"$@\""])
        .arg(inner.get_program())
        .args(inner.get_args())
        .envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))))
        .env(
            "KEYENCLAVE_TEST_MODULE",
            std::path::absolute(module_path()).unwrap(),
        )
        .current_dir(Place::of_this_process().path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    child.stdin.as_mut().unwrap().write_all(pin).unwrap();
    let output = BufReader::new(child.stdout.take().unwrap());
    let ready = output.lines().map_while(Result::ok).any(|line| line == "ready");
    assert!(ready, "the signer did not come as far as signing");
    child
}

/// Which secrets are in some memory, as they are or with their bytes the other way round, as numbers are kept.
fn found<'a>(secrets: &'a [Secret], memory: &[u8]) -> Vec<&'a str> {
    let holds = |needle: &[u8]| memchr::memmem::find(memory, needle).is_some();
    let is_found = |secret: &&Secret| {
        let middle = secret.value.len().saturating_sub(NEEDLE_LEN) / 2;
        let needle = &secret.value[middle..][..NEEDLE_LEN.min(secret.value.len())];
        let reversed: Vec<u8> = needle.iter().rev().copied().collect();
        holds(needle) || holds(&reversed)
    };
    secrets
        .iter()
        .filter(is_found)
        .map(|secret| secret.name.as_str())
        .collect()
}

/// All memory of a living process that can be read.
fn memory_of(process: u32) -> Vec<u8> {
    let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
    let mut file = File::open(format!("/proc/{process}/mem")).unwrap();
    let mut memory = Vec::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (start, end) = range.split_once('-').unwrap();
        let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).unwrap());
        if file.seek(SeekFrom::Start(start)).is_ok() {
            // What cannot be read is no memory of the program's: the kernel's pages.
            let _ = (&mut file).take(end - start).read_to_end(&mut memory);
        }
    }
    memory
}

/// The dump in a directory.
fn dump_in(directory: &Path) -> Option<PathBuf> {
    let mut files = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap());
    let is_dump = |name: &std::ffi::OsStr| name.as_encoded_bytes().starts_with(b"core");
    files
        .find(|entry| is_dump(&entry.file_name()))
        .map(|entry| entry.path())
}

/// The body of a test: two processes, and the secrets of the one that signs.
fn beside_a_signer(end: End, look: impl FnOnce(&[Secret], Child)) {
    if part().is_some() {
        return sign(end);
    }
    let (token, session) = Token::with_user();
    let pin = new_pin();
    assert_eq!(token.set_pin(session, USER_PIN, &pin), Rv::OK);
    make_keys(&token, session);
    let secrets = secrets(&token, session, &pin);
    look(&secrets, signer(&pin));
}

/// Has the process that signs end, and waits for its death.
fn end(mut signer: Child) {
    drop(signer.stdin.take());
    signer.wait().unwrap();
}

#[test]
fn a_core_dump_of_a_process_that_has_just_signed_holds_no_secret() {
    in_own_process(|| {
        beside_a_signer(End::Death, |secrets, signer| {
            // Its keys are in its memory, where else: what is not found there would not be found in a dump either.
            let living = found(secrets, &memory_of(signer.id()));
            for secret in secrets.iter().filter(|secret| secret.is_kept) {
                assert!(living.contains(&secret.name.as_str()), "{}", secret.name);
            }
            let mark = mark(signer.id());
            end(signer);
            let Some(dump) = dump_in(Place::of_this_process().path()) else {
                return skipped(
                    "memory::a_core_dump_of_a_process_that_has_just_signed_holds_no_secret",
                    "this system leaves no core dump beside the program (kernel.core_pattern)",
                );
            };
            let dump = std::fs::read(dump).unwrap();
            assert!(memchr::memmem::find(&dump, &mark).is_some(), "a dump of the heap");
            assert_eq!(found(secrets, &dump), Vec::<&str>::new());
        });
    });
}

#[test]
fn the_memory_of_a_process_that_has_logged_out_holds_no_secret() {
    in_own_process(|| {
        beside_a_signer(End::Logout, |secrets, signer| {
            let memory = memory_of(signer.id());
            let mark = mark(signer.id());
            assert!(memchr::memmem::find(&memory, &mark).is_some(), "its memory");
            assert_eq!(found(secrets, &memory), Vec::<&str>::new());
            end(signer);
        });
    });
}
