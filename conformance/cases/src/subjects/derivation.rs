// SPDX-License-Identifier: MIT
//! Keys derived from keys, passwords and TLS handshakes, against published examples.

use crate::case::Need::Own;
use crate::case::cases;
use crate::subjects::signatures::hex;
use cryptoki_sys::*;
use keyenclave_conformance::Rv;
use keyenclave_conformance::module::{Attr, Kept, Mech, Member, bytes, flag, number};
use keyenclave_conformance::token::Token;

cases! {
    "hkdf.published" => hkdf_equals_the_published_examples, "HKDF derive", [CKM_HKDF_DERIVE], [];
    "hkdf.halves" => the_halves_of_hkdf_make_the_whole, "HKDF derive", [CKM_HKDF_DERIVE], [];
    "hkdf.data" => hkdf_gives_data_as_well, "HKDF Data", [CKM_HKDF_DATA], [];
    "hkdf.parameters" => bad_hkdf_parameters_are_refused, "HKDF mechanism parameters", [CKM_HKDF_DERIVE], [Own];
    "hkdf.key-gen" => an_hkdf_key_is_generated, "HKDF Key gen", [CKM_HKDF_KEY_GEN, CKM_HKDF_DERIVE], [];
    "hash-derivation.digest" => a_hashed_key_is_the_digest_of_its_base, "Hash-based key derivation",
        [CKM_SHA256_KEY_DERIVATION], [];
    "sp800-108.published" => counter_mode_equals_the_published_examples, "Counter Mode KDF",
        [CKM_SP800_108_COUNTER_KDF], [];
    "sp800-108.modes" => feedback_and_double_pipeline_iterate_what_came_out, "Feedback Mode KDF",
        [CKM_SP800_108_FEEDBACK_KDF, CKM_SP800_108_DOUBLE_PIPELINE_KDF], [Own];
    "sp800-108.several" => several_keys_come_from_segments_of_their_own, "Deriving Additional Keys",
        [CKM_SP800_108_COUNTER_KDF], [Own];
    "pbkdf2.published" => pbkdf2_equals_the_published_examples, "PKCS #5 PBKD2 key generation", [CKM_PKCS5_PBKD2], [Own];
    "tls.prf" => the_tls_function_equals_the_published_example, "Generic Key Derivation using the TLS PRF",
        [CKM_TLS_KDF], [];
    "tls.master" => a_master_secret_comes_with_the_version, "Master key derivation",
        [CKM_TLS12_MASTER_KEY_DERIVE], [Own];
    "tls.keys" => a_connection_has_its_keys_and_vectors, "Key and MAC derivation",
        [CKM_TLS12_KEY_AND_MAC_DERIVE], [Own];
    "tls.mac" => the_finished_message_is_authenticated, "TLS MAC", [CKM_TLS_MAC], [Own];
}

/// An imported key that keys are derived from.
fn base(token: &Token, session: CK_SESSION_HANDLE, kind: CK_KEY_TYPE, value: &[u8]) -> CK_OBJECT_HANDLE {
    let attrs = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, kind),
        flag(CKA_TOKEN, false),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
        flag(CKA_DERIVE, true),
        flag(CKA_SIGN, true),
        flag(CKA_VERIFY, true),
        bytes(CKA_VALUE, value),
    ];
    token.create_object(session, &attrs).unwrap()
}

/// A generic secret that shows itself.
fn open(len: Option<CK_ULONG>) -> Vec<Attr> {
    let mut attrs = vec![
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
        flag(CKA_TOKEN, false),
        flag(CKA_SENSITIVE, false),
        flag(CKA_EXTRACTABLE, true),
    ];
    attrs.extend(len.map(|len| number(CKA_VALUE_LEN, len)));
    attrs
}

fn value(token: &Token, session: CK_SESSION_HANDLE, key: CK_OBJECT_HANDLE) -> Vec<u8> {
    token.read(session, key, CKA_VALUE).unwrap()
}

enum Salt<'a> {
    Null,
    Data(&'a [u8]),
    Key(CK_OBJECT_HANDLE),
}

fn hkdf(kind: CK_MECHANISM_TYPE, extract: Option<Salt<'_>>, info: Option<&[u8]>) -> Mech {
    let steps = CK_ULONG::from(extract.is_some()) | CK_ULONG::from(info.is_some()) << 8;
    let (flag, data, key) = match extract {
        Some(Salt::Null) | None => (CKF_HKDF_SALT_NULL, &[][..], 0),
        Some(Salt::Data(data)) => (CKF_HKDF_SALT_DATA, data, 0),
        Some(Salt::Key(key)) => (CKF_HKDF_SALT_KEY, &[][..], key),
    };
    let members = [
        Member::Word(steps),
        Member::Word(CKM_SHA256),
        Member::Word(flag),
        Member::Sized(data.to_vec()),
        Member::Word(key),
        Member::Sized(info.unwrap_or_default().to_vec()),
    ];
    Mech::nested(kind, members)
}

/// RFC 5869, appendix A.1 to A.3: keying material, salt, information, key.
fn published() -> [[Vec<u8>; 4]; 3] {
    let range = |from: u8, to: u8| (from..=to).collect::<Vec<_>>();
    [
        [
            vec![0x0b; 22],
            range(0, 0x0c),
            range(0xf0, 0xf9),
            hex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"),
        ],
        [
            range(0, 0x4f),
            range(0x60, 0xaf),
            range(0xb0, 0xff),
            hex(
                "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
                 da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
            ),
        ],
        [
            vec![0x0b; 22],
            vec![],
            vec![],
            hex("8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"),
        ],
    ]
}

fn hkdf_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    for [material, salt, info, expected] in published() {
        let from = base(&token, session, CKK_GENERIC_SECRET, &material);
        let template = open(Some(expected.len() as CK_ULONG));
        let given = if salt.is_empty() {
            Salt::Null
        } else {
            Salt::Data(&salt)
        };
        let mech = hkdf(CKM_HKDF_DERIVE, Some(given), Some(&info));
        let key = token.derive(session, mech, from, &template).unwrap();
        assert_eq!(value(&token, session, key), expected);
        if salt.is_empty() {
            continue;
        }
        let salt = base(&token, session, CKK_GENERIC_SECRET, &salt);
        let mech = hkdf(CKM_HKDF_DERIVE, Some(Salt::Key(salt)), Some(&info));
        let key = token.derive(session, mech, from, &template).unwrap();
        assert_eq!(value(&token, session, key), expected, "with the salt as a key");
    }
}

fn the_halves_of_hkdf_make_the_whole() {
    let (token, session) = Token::with_user();
    let [[material, salt, info, expected], ..] = published();
    let from = base(&token, session, CKK_GENERIC_SECRET, &material);
    let extract = hkdf(CKM_HKDF_DERIVE, Some(Salt::Data(&salt)), None);
    let template = [open(None), vec![flag(CKA_DERIVE, true)]].concat();
    let prk = token.derive(session, extract, from, &template).unwrap();
    assert_eq!(
        value(&token, session, prk),
        hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    );
    let expand = hkdf(CKM_HKDF_DERIVE, None, Some(&info));
    let key = token.derive(session, expand, prk, &open(Some(42))).unwrap();
    assert_eq!(value(&token, session, key), expected);
}

fn hkdf_gives_data_as_well() {
    let (token, session) = Token::with_user();
    let [[material, salt, info, expected], ..] = published();
    let from = base(&token, session, CKK_GENERIC_SECRET, &material);
    let mech = hkdf(CKM_HKDF_DATA, Some(Salt::Data(&salt)), Some(&info));
    let attrs = [
        number(CKA_CLASS, CKO_DATA),
        flag(CKA_TOKEN, false),
        number(CKA_VALUE_LEN, 42),
    ];
    let data = token.derive(session, mech, from, &attrs).unwrap();
    assert_eq!(value(&token, session, data), expected);
    assert_eq!(token.read_number(session, data, CKA_CLASS).unwrap(), CKO_DATA);
}

fn bad_hkdf_parameters_are_refused() {
    let (token, session) = Token::with_user();
    let from = base(&token, session, CKK_GENERIC_SECRET, &[7; 32]);
    let refused = |mech: Mech, template: &[Attr]| token.derive(session, mech, from, template).unwrap_err();
    let neither = hkdf(CKM_HKDF_DERIVE, None, None);
    assert_eq!(refused(neither, &open(Some(32))), CKR_MECHANISM_PARAM_INVALID);
    let bare = Mech::from(CKM_HKDF_DERIVE);
    assert_eq!(refused(bare, &open(Some(32))), CKR_MECHANISM_PARAM_INVALID);
    let expand = || hkdf(CKM_HKDF_DERIVE, None, Some(b"info"));
    assert_eq!(refused(expand(), &open(None)), CKR_TEMPLATE_INCOMPLETE);
    assert_eq!(refused(expand(), &open(Some(255 * 32 + 1))), CKR_KEY_SIZE_RANGE);
    let odd = [
        number(CKA_CLASS, CKO_SECRET_KEY),
        number(CKA_KEY_TYPE, CKK_AES),
        number(CKA_VALUE_LEN, 17),
    ];
    assert_eq!(refused(expand(), &odd), CKR_ATTRIBUTE_VALUE_INVALID);
    let missing = hkdf(CKM_HKDF_DERIVE, Some(Salt::Key(0)), None);
    assert_eq!(refused(missing, &open(None)), CKR_KEY_HANDLE_INVALID);
    let aes = base(&token, session, CKK_AES, &[7; 32]);
    let other = token.derive(session, expand(), aes, &open(Some(32)));
    assert_eq!(other.unwrap_err(), CKR_KEY_TYPE_INCONSISTENT);
}

fn an_hkdf_key_is_generated() {
    let (token, session) = Token::with_user();
    let attrs = [
        number(CKA_VALUE_LEN, 32),
        flag(CKA_TOKEN, false),
        flag(CKA_DERIVE, true),
    ];
    let key = token.generate_key(session, CKM_HKDF_KEY_GEN, &attrs).unwrap();
    assert_eq!(token.read_number(session, key, CKA_KEY_TYPE).unwrap(), CKK_HKDF);
    let mech = hkdf(CKM_HKDF_DERIVE, Some(Salt::Null), Some(b"info"));
    assert!(token.derive(session, mech, key, &open(Some(16))).is_ok());
}

fn a_hashed_key_is_the_digest_of_its_base() {
    let (token, session) = Token::with_user();
    let range: Vec<u8> = (0..32).collect();
    let from = base(&token, session, CKK_GENERIC_SECRET, &range);
    let digest = hex("630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd");
    let whole = token
        .derive(session, CKM_SHA256_KEY_DERIVATION, from, &open(None))
        .unwrap();
    assert_eq!(value(&token, session, whole), digest);
    let front = token
        .derive(session, CKM_SHA256_KEY_DERIVATION, from, &open(Some(16)))
        .unwrap();
    assert_eq!(value(&token, session, front), digest[..16]);
    let more = token.derive(session, CKM_SHA256_KEY_DERIVATION, from, &open(Some(33)));
    assert!(more.is_err());
}

/// A piece of input: a `CK_PRF_DATA_PARAM`.
fn piece(kind: CK_ULONG, format: &[CK_ULONG]) -> Vec<Member> {
    let words: Vec<_> = format.iter().map(|word| Member::Word(*word)).collect();
    let place = if words.is_empty() {
        Member::Word(0)
    } else {
        Member::To(words)
    };
    vec![
        Member::Word(kind),
        place,
        Member::Word(format.len() as CK_ULONG * 8),
    ]
}

fn text(data: &[u8]) -> Vec<Member> {
    vec![
        Member::Word(CK_SP800_108_BYTE_ARRAY),
        Member::Sized(data.to_vec()),
    ]
}

/// `iv` for the feedback mode; `more` keys beside the first.
fn kdf(
    kind: CK_MECHANISM_TYPE,
    prf: CK_MECHANISM_TYPE,
    pieces: &[Vec<Member>],
    iv: Option<&[u8]>,
    more: &[(Vec<Attr>, Kept)],
) -> Mech {
    let mut members = vec![
        Member::Word(prf),
        Member::Word(pieces.len() as CK_ULONG),
        Member::To(pieces.concat()),
    ];
    if let Some(iv) = iv {
        members.extend([Member::Word(iv.len() as CK_ULONG), Member::Bytes(iv.to_vec())]);
    }
    members.push(Member::Word(more.len() as CK_ULONG));
    let keys = more
        .iter()
        .flat_map(|(attrs, handle)| [Member::Template(attrs.clone()), Member::Written(handle.clone())]);
    let keys: Vec<_> = keys.collect();
    members.push(if keys.is_empty() {
        Member::Word(0)
    } else {
        Member::To(keys)
    });
    Mech::nested(kind, members)
}

/// CAVP, KDFCTR_gen: HMAC-SHA-1 and CMAC-AES-128, a counter of 8 bits before the fixed input.
fn counter_mode_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    let examples = [
        (
            CKM_SHA_1_HMAC,
            CKK_GENERIC_SECRET,
            "00a39bd547fb88b2d98727cf64c195c61e1cad6c",
            "98132c1ffaf59ae5cbc0a3133d84c551bb97e0c75ecaddfc30056f6876f59803009bffc7d75c4ed46f40b8f80426750d\
             15bc1ddb14ac5dcb69a68242",
            "0611e1903609b47ad7a5fc2c82e47702",
        ),
        (
            CKM_AES_CMAC,
            CKK_AES,
            "dff1e50ac0b69dc40f1051d46c2b069c",
            "c16e6e02c5a3dcc8d78b9ac1306877761310455b4e41469951d9e6c2245a064b33fd8c3b01203a7824485bf0a64060c4\
             648b707d2607935699316ea5",
            "8be8f0869b3c0ba97b71863d1b9f7813",
        ),
    ];
    for (prf, kind, key, fixed, expected) in examples {
        let from = base(&token, session, kind, &hex(key));
        let pieces = [piece(CK_SP800_108_ITERATION_VARIABLE, &[0, 8]), text(&hex(fixed))];
        let mech = kdf(CKM_SP800_108_COUNTER_KDF, prf, &pieces, None, &[]);
        let key = token.derive(session, mech, from, &open(Some(16))).unwrap();
        assert_eq!(value(&token, session, key), hex(expected));
    }
}

/// Computed with another implementation.
fn feedback_and_double_pipeline_iterate_what_came_out() {
    let (token, session) = Token::with_user();
    let range: Vec<u8> = (0..32).collect();
    let from = base(&token, session, CKK_GENERIC_SECRET, &range);
    let variable = piece(CK_SP800_108_ITERATION_VARIABLE, &[]);
    let label = text(b"label\0context");
    let pieces = [
        variable.clone(),
        piece(CK_SP800_108_COUNTER, &[0, 8]),
        label.clone(),
    ];
    let mech = kdf(
        CKM_SP800_108_FEEDBACK_KDF,
        CKM_SHA256_HMAC,
        &pieces,
        Some(&[0x11; 32]),
        &[],
    );
    let key = token.derive(session, mech, from, &open(Some(80))).unwrap();
    let expected = "e83b5a0f5d237fc84e07677ed31a6fb46d23082bd1a096066dc48a33c94f267b74cfe9c11b0f82160ca53d39c12ce774\
                    d541396fd7c7dc85a60f3893d98530d1d5987129c2149aa7ac8152dba567e576";
    assert_eq!(value(&token, session, key), hex(expected));
    let pieces = [variable, piece(CK_SP800_108_COUNTER, &[0, 32]), label];
    let mech = kdf(
        CKM_SP800_108_DOUBLE_PIPELINE_KDF,
        CKM_SHA256_HMAC,
        &pieces,
        None,
        &[],
    );
    let key = token.derive(session, mech, from, &open(Some(80))).unwrap();
    let expected = "80d3e0462dfaf65bdca1b3602dd52bd373e6c927a1a184164c6b71fe08fc665b5bb5a1a7788f40db135c5f3095d0974e\
                    45dbd350e0feaa4fdd9108b203068c0a44c36ad8f83b2302c803f433b8731238";
    assert_eq!(value(&token, session, key), hex(expected));
}

fn several_keys_come_from_segments_of_their_own() {
    let (token, session) = Token::with_user();
    let range: Vec<u8> = (0..32).collect();
    let from = base(&token, session, CKK_GENERIC_SECRET, &range);
    let expected = [
        (
            CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS,
            "d624c6c36f1d000aa15a1d8b5e16c7ee37faf7791a4c7d831f630194196e4d49202b8c7501340ebb9162d289edb414d9",
            "82bbf3470619676f2abfa5157b9e2342",
        ),
        (
            CK_SP800_108_DKM_LENGTH_SUM_OF_SEGMENTS,
            "1d17ce06b58d59609d1c84445f288a45d3dabf879cc83ba64af2fb1b4342ffad8308e834d1018e6252fc2fd55a3dcdc8",
            "f3d301f0e6aa694a60c286345ee4a29a",
        ),
    ];
    let pieces = |method| {
        [
            piece(CK_SP800_108_ITERATION_VARIABLE, &[0, 16]),
            text(b"label\0context"),
            piece(CK_SP800_108_DKM_LENGTH, &[method, 0, 16]),
        ]
    };
    for (method, first, second) in expected {
        let handle = Kept::new([0xff; 8]);
        let more = [(open(Some(16)), handle.clone())];
        let mech = kdf(
            CKM_SP800_108_COUNTER_KDF,
            CKM_SHA256_HMAC,
            &pieces(method),
            None,
            &more,
        );
        let key = token.derive(session, mech, from, &open(Some(48))).unwrap();
        assert_eq!(value(&token, session, key), hex(first));
        assert_eq!(value(&token, session, handle.words()[0]), hex(second));
    }
    let (good, bad) = (Kept::new([0xff; 8]), Kept::new([0xff; 8]));
    let before = token.find(session, &[]).unwrap().len();
    let more = [(open(Some(16)), good.clone()), (open(None), bad.clone())];
    let pieces = pieces(CK_SP800_108_DKM_LENGTH_SUM_OF_KEYS);
    let mech = kdf(CKM_SP800_108_COUNTER_KDF, CKM_SHA256_HMAC, &pieces, None, &more);
    let refused = token.derive(session, mech, from, &open(Some(48))).unwrap_err();
    assert_eq!(refused, CKR_TEMPLATE_INCOMPLETE);
    assert_eq!(
        (good.words()[0], bad.words()[0]),
        (CK_ULONG::MAX, CK_INVALID_HANDLE)
    );
    assert_eq!(token.find(session, &[]).unwrap().len(), before, "no key is made");
}

/// RFC 6070 and RFC 7914, section 11.
fn pbkdf2_equals_the_published_examples() {
    let (token, session) = Token::with_user();
    let examples: [(CK_ULONG, &str, &str, CK_ULONG, &str); 3] = [
        (
            CKP_PKCS5_PBKD2_HMAC_SHA1,
            "password",
            "salt",
            1,
            "0c60c80f961f0e71f3a9b524af6012062fe037a6",
        ),
        (
            CKP_PKCS5_PBKD2_HMAC_SHA1,
            "password",
            "salt",
            4096,
            "4b007901b765489abead49d926f721d065a429c1",
        ),
        (
            CKP_PKCS5_PBKD2_HMAC_SHA256,
            "passwd",
            "salt",
            1,
            "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc49ca9cccf179b645991664b39d77ef31\
             7c71b845b1e30bd509112041d3a19783",
        ),
    ];
    for (prf, password, salt, iterations, expected) in examples {
        let len = password.len() as CK_ULONG;
        for last in [Member::Word(len), Member::To(vec![Member::Word(len)])] {
            let members = [
                Member::Word(CKZ_SALT_SPECIFIED),
                Member::Sized(salt.into()),
                Member::Word(iterations),
                Member::Word(prf),
                Member::Sized(vec![]),
                Member::Bytes(password.into()),
                last,
            ];
            let mech = Mech::nested(CKM_PKCS5_PBKD2, members);
            let attrs = open(Some(hex(expected).len() as CK_ULONG));
            let key = token.generate_key(session, mech, &attrs).unwrap();
            assert_eq!(value(&token, session, key), hex(expected));
        }
    }
    let huge = [
        Member::Word(CKZ_SALT_SPECIFIED),
        Member::Sized(b"salt".to_vec()),
        Member::Word(1),
        Member::Word(CKP_PKCS5_PBKD2_HMAC_SHA1),
        Member::Sized(vec![]),
        Member::Bytes(b"password".to_vec()),
        Member::Word(CK_ULONG::MAX),
    ];
    let mech = Mech::nested(CKM_PKCS5_PBKD2, huge);
    let refused = token.generate_key(session, mech, &open(Some(16))).unwrap_err();
    assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID);
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
    let key = token.derive(session, mech, from, &open(Some(100))).unwrap();
    let expected = "e3f229ba727be17b8d122620557cd453c2aab21d07c3d495329b52d4e61edb5a6b301791e90d35c9c9a46b4e14baf9af\
                    0fa022f7077def17abfd3797c0564bab4fbc91666e9def9b97fce34f796789baa48082d122ee42c5a72e5a5110fff701\
                    87347b66";
    assert_eq!(value(&token, session, key), hex(expected));
    let master = base(&token, session, CKK_GENERIC_SECRET, &hex(MASTER));
    let mech = exporter(CKM_SHA256, b"EXPERIMENTAL label", &CLIENT, &SERVER, b"ctx");
    let key = token.derive(session, mech, master, &open(Some(40))).unwrap();
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
    let key = token.derive(session, mech, from, &open(None)).unwrap();
    assert_eq!(value(&token, session, key), hex(MASTER));
    assert_eq!(version.bytes(), [3, 3]);
    let agreed = master(CKM_TLS12_MASTER_KEY_DERIVE_DH, Member::Word(0));
    let key = token.derive(session, agreed, from, &open(None)).unwrap();
    assert_eq!(value(&token, session, key), hex(MASTER));
    let with_version = master(CKM_TLS12_MASTER_KEY_DERIVE_DH, Member::Written(version));
    let refused = token
        .derive(session, with_version, from, &open(None))
        .unwrap_err();
    assert_eq!(refused, CKR_MECHANISM_PARAM_INVALID);
    let members = [
        Member::Word(CKM_SHA256),
        Member::Sized(vec![0x77; 32]),
        Member::Word(0),
    ];
    let mech = Mech::nested(CKM_TLS12_EXTENDED_MASTER_KEY_DERIVE, members);
    let key = token.derive(session, mech, from, &open(None)).unwrap();
    let expected =
        "73f14815171ea277c74508da72c41e9c47f278e749c70b0c38496213d81c810bd3b2b8da78882d81f7bc4055b21b7603";
    assert_eq!(value(&token, session, key), hex(expected));
    let short = base(&token, session, CKK_GENERIC_SECRET, &[1; 32]);
    let mech = master(CKM_TLS12_MASTER_KEY_DERIVE, Member::Word(0));
    assert_eq!(
        token.derive(session, mech, short, &open(None)).unwrap_err(),
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
