// SPDX-License-Identifier: MIT
//! Keys derived from TLS handshakes, and the message that ends one, against published examples.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::derivation::{base, value};
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Kept, Mech, Member, flag, number};
use keyenclave_conformance::published::hex;
use keyenclave_conformance::token::{Token, shown};

cases! {
    "tls.prf" => the_tls_function_equals_the_published_example, "Generic Key Derivation using the TLS PRF",
        [CKM_TLS_KDF], [];
    "tls.master" => a_master_secret_comes_with_the_version, "Master key derivation",
        [CKM_TLS12_MASTER_KEY_DERIVE], [Own];
    "tls.keys" => a_connection_has_its_keys_and_vectors, "Key and MAC derivation",
        [CKM_TLS12_KEY_AND_MAC_DERIVE], [Own];
    "tls.mac" => the_finished_message_is_authenticated, "TLS MAC", [CKM_TLS_MAC], [Own];
}

fn randoms(client: &[u8], server: &[u8]) -> [Member; 2] {
    [Member::Sized(client.to_vec()), Member::Sized(server.to_vec())]
}

fn exporter(prf: CK_MECHANISM_TYPE, label: &[u8], client: &[u8], server: &[u8], context: &[u8]) -> Mech {
    let [client, server] = randoms(client, server);
    let members = [
        Member::Word(prf),
        Member::Sized(label.to_vec()),
        client,
        server,
        Member::Sized(context.to_vec()),
    ];
    Mech::nested(CKM_TLS_KDF, members)
}

/// The example for P_SHA256 that the TLS working group published; and an exporter's, computed with another
/// implementation.
fn the_tls_function_equals_the_published_example() {
    let (token, session) = Token::with_user();
    let from = base(
        &token,
        session,
        CKK_GENERIC_SECRET,
        &hex("9bbe436ba940f017b17652849a71db35"),
    );
    let seed = hex("a0ba9f936cda311827a6f796ffd5198c");
    let mech = exporter(CKM_SHA256, b"test label", &seed, &[], &[]);
    let key = token.derive(session, mech, from, &shown(Some(100))).unwrap();
    let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af\
                    0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701\
                    87347b66";
    assert_eq!(value(&token, session, key), hex(expected));
    let master = base(&token, session, CKK_GENERIC_SECRET, &hex(MASTER));
    let mech = exporter(CKM_SHA256, b"EXPERIMENTAL label", &CLIENT, &SERVER, b"ctx");
    let key = token.derive(session, mech, master, &shown(Some(40))).unwrap();
    let expected = "e5561d57a3525d73aa0c39c38ac02febbaceebeb0794dc81522a0cd2ec606fe0c438cedb2d3e5b45";
    assert_eq!(value(&token, session, key), hex(expected));
}

const CLIENT: [u8; 32] = [0xc1; 32];
const SERVER: [u8; 32] = [0x5e; 32];
/// Of a premaster secret of version 3.3 and the numbers from 0 on.
const MASTER: &str =
    "15cdeee113ad922474d21f77ce6f686335a930c052fc106613ff2d390910c16ad30f22101881c9bcd0ed289edb9f7f55";

fn master(kind: CK_MECHANISM_TYPE, version: Member) -> Mech {
    let [client, server] = randoms(&CLIENT, &SERVER);
    Mech::nested(kind, [client, server, version, Member::Word(CKM_SHA256)])
}

fn a_master_secret_comes_with_the_version() {
    let (token, session) = Token::with_user();
    let premaster = [vec![3, 3], (0..46).collect::<Vec<u8>>()].concat();
    let from = base(&token, session, CKK_GENERIC_SECRET, &premaster);
    let version = Kept::new([0; 2]);
    let mech = master(CKM_TLS12_MASTER_KEY_DERIVE, Member::Written(version.clone()));
    let key = token.derive(session, mech, from, &shown(None)).unwrap();
    assert_eq!(value(&token, session, key), hex(MASTER));
    assert_eq!(version.bytes(), [3, 3]);
    let agreed = master(CKM_TLS12_MASTER_KEY_DERIVE_DH, Member::Word(0));
    let key = token.derive(session, agreed, from, &shown(None)).unwrap();
    assert_eq!(value(&token, session, key), hex(MASTER));
    let with_version = master(CKM_TLS12_MASTER_KEY_DERIVE_DH, Member::Written(version));
    let refused = token
        .derive(session, with_version, from, &shown(None))
        .unwrap_err();
    assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID);
    let members = [
        Member::Word(CKM_SHA256),
        Member::Sized(vec![0x77; 32]),
        Member::Word(0),
    ];
    let mech = Mech::nested(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, members);
    let key = token.derive(session, mech, from, &shown(None)).unwrap();
    let expected =
        "73f14815171ea277c74508da72c41e9c47f278e749c70b0c38496213d81c810bd3b2b8da78882d81f7bc4055b21b7603";
    assert_eq!(value(&token, session, key), hex(expected));
    let short = base(&token, session, CKK_GENERIC_SECRET, &[1; 32]);
    let mech = master(CKM_TLS12_MASTER_KEY_DERIVE, Member::Word(0));
    assert_eq!(
        token.derive(session, mech, short, &shown(None)).unwrap_err(),
        CKR_KEY_SIZE_RANGE
    );
}

/// Sizes in bits: MAC, key, initialisation vector.
fn key_block(kind: CK_MECHANISM_TYPE, sizes: [CK_ULONG; 3], out: &Kept, ivs: &[Kept; 2]) -> Mech {
    let [client, server] = randoms(&CLIENT, &SERVER);
    let mut members: Vec<_> = sizes.into_iter().map(Member::Word).collect();
    let returned = [
        vec![Member::Word(0); 4],
        ivs.iter().cloned().map(Member::Written).collect(),
    ];
    members.extend([
        Member::Word(0),
        client,
        server,
        Member::WrittenWords(out.clone(), returned.concat()),
        Member::Word(CKM_SHA256),
    ]);
    Mech::nested(kind, members)
}

fn a_connection_has_its_keys_and_vectors() {
    let (token, session) = Token::with_user();
    let from = base(&token, session, CKK_GENERIC_SECRET, &hex(MASTER));
    let block = hex(
        "14485b5f14b0f7224068825c43a0c56d7c0a7951b51b858c9cfaf4c06a99e91de9834707deae254d5ce50530991c7672\
                     30f64156bbdda75ff31aae32e3e71b844286c6b5fdca795471730ea0dd28c54b",
    );
    let attrs = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_AES),
        flag(CKA_TOKEN, false),
    ];
    let (out, ivs) = (Kept::default(), [Kept::new([0; 4]), Kept::new([0; 4])]);
    let mech = key_block(CKM_TLS12_KEY_AND_MAC_DERIVE, [160, 128, 32], &out, &ivs);
    token.derive(session, mech, from, &attrs).unwrap();
    let handles = out.words();
    let pieces = [&block[..20], &block[20..40], &block[40..56], &block[56..72]];
    for (handle, expected) in handles.iter().zip(pieces) {
        assert_eq!(value(&token, session, *handle), expected);
    }
    assert_eq!(ivs[0].bytes(), block[72..76]);
    assert_eq!(ivs[1].bytes(), block[76..80]);
    assert_eq!(
        token.read_number(session, handles[2], CKA_KEY_TYPE).unwrap(),
        CKK_AES
    );
    let safe = key_block(CKM_TLS12_KEY_SAFE_DERIVE, [0, 128, 32], &out, &ivs);
    token.derive(session, safe, from, &attrs).unwrap();
    let handles = out.words();
    assert_eq!(handles[..2], [CK_INVALID_HANDLE; 2], "no MAC keys");
    assert_eq!(value(&token, session, handles[2]), block[..16]);
    for sizes in [[0, 0, 128], [0, 8, 128], [0, 128, 256], [0, 7, 0]] {
        let greedy = key_block(CKM_TLS12_KEY_AND_MAC_DERIVE, sizes, &out, &ivs);
        let refused = token.derive(session, greedy, from, &attrs).unwrap_err();
        assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID, "{sizes:?}");
    }
    let secret = [&attrs[..], &[flag(CKA_SENSITIVE, true)]].concat();
    let mech = key_block(CKM_TLS12_KEY_AND_MAC_DERIVE, [160, 128, 32], &out, &ivs);
    let refused = token.derive(session, mech, from, &secret).unwrap_err();
    assert_eq!(
        refused, CKR_TEMPLATE_INCONSISTENT,
        "the keys are as the master secret is"
    );
}

fn the_finished_message_is_authenticated() {
    let (token, session) = Token::with_user();
    let key = base(&token, session, CKK_GENERIC_SECRET, &hex(MASTER));
    let mac = |prf, len, whose| {
        let members = [Member::Word(prf), Member::Word(len), Member::Word(whose)];
        Mech::nested(CKM_TLS_MAC, members)
    };
    let known = [
        (CKM_SHA256, 32, 2, "24d8f159299e16f588fa6e03"),
        (CKM_SHA256, 32, 1, "c1458893f4fcfd1d91c688fd"),
        (CKM_TLS_PRF, 36, 2, "d0730c5f7da85a7f06d55918"),
    ];
    for (prf, len, whose, expected) in known {
        let hash = vec![0x99; len];
        let made = token.sign(session, mac(prf, 12, whose), key, &hash).unwrap();
        assert_eq!(made, hex(expected));
        let parts = token
            .sign_parts(session, mac(prf, 12, whose), key, &hash, 7)
            .unwrap();
        assert_eq!(parts, hex(expected));
    }
    for bad in [
        mac(CKM_SHA256, 12, 3),
        mac(CKM_SHA256, 11, 1),
        mac(CKM_AES_CBC, 12, 1),
    ] {
        assert_eq!(
            token.sign(session, bad, key, &[0; 32]).unwrap_err(),
            Rv(CKR_MECHANISM_PARAM_INVALID)
        );
    }
}
