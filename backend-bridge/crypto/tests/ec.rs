// SPDX-License-Identifier: MIT
//! ECDSA: published signatures, lengths, bad keys and points.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::expect_used,
    clippy::panic
)]

mod testkit;

use keyenclave_conformance::published::ecdh::SHARED;
use keyenclave_conformance::token;
use keyenclave_crypto::*;
use keyenclave_model::algorithm::{CURVES, Curve, Hash};
use testkit::{hex, unhex};

struct Case {
    curve: Curve,
    scalar: &'static str,
    x: &'static str,
    y: &'static str,
    hash: Hash,
    r: &'static str,
    s: &'static str,
}

/// RFC 6979, appendices A.2.5, A.2.6 and A.2.7, message "sample".
const CASES: &[Case] = &[
    Case {
        curve: Curve::P256,
        scalar: "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
        x: "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
        y: "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        hash: Hash::Sha256,
        r: "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716",
        s: "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8",
    },
    Case {
        curve: Curve::P256,
        scalar: "C9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721",
        x: "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6",
        y: "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299",
        hash: Hash::Sha512,
        r: "8496A60B5E9B47C825488827E0495B0E3FA109EC4568FD3F8D1097678EB97F00",
        s: "2362AB1ADBE2B8ADF9CB9EDAB740EA6049C028114F2460F96554F61FAE3302FE",
    },
    Case {
        curve: Curve::P384,
        scalar: "6B9D3DAD2E1B8C1C05B19875B6659F4DE23C3B667BF297BA9AA47740787137D8\
                 96D5724E4C70A825F872C9EA60D2EDF5",
        x: "EC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64\
            DEF8F0EA9055866064A254515480BC13",
        y: "8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1\
            288B231C3AE0D4FE7344FD2533264720",
        hash: Hash::Sha384,
        r: "94EDBB92A5ECB8AAD4736E56C691916B3F88140666CE9FA73D64C4EA95AD133C\
            81A648152E44ACF96E36DD1E80FABE46",
        s: "99EF4AEB15F178CEA1FE40DB2603138F130E740A19624526203B6351D0A3A94F\
            A329C145786E679E7B82C71A38628AC8",
    },
    Case {
        curve: Curve::P521,
        scalar: "00FAD06DAA62BA3B25D2FB40133DA757205DE67F5BB0018FEE8C86E1B68C7E75\
                 CAA896EB32F1F47C70855836A6D16FCC1466F6D8FBEC67DB89EC0C08B0E996B8\
                 3538",
        x: "01894550D0785932E00EAA23B694F213F8C3121F86DC97A04E5A7167DB4E5BCD\
            371123D46E45DB6B5D5370A7F20FB633155D38FFA16D2BD761DCAC474B9A2F50\
            23A4",
        y: "00493101C962CD4D2FDDF782285E64584139C2F91B47F87FF82354D6630F746A\
            28A0DB25741B5B34A828008B22ACC23F924FAAFBD4D33F81EA66956DFEAA2BFD\
            FCF5",
        hash: Hash::Sha512,
        r: "00C328FAFCBD79DD77850370C46325D987CB525569FB63C5D3BC53950E6D4C5F\
            174E25A1EE9017B5D450606ADD152B534931D7D4E8455CC91F9B15BF05EC36E3\
            77FA",
        s: "00617CCE7CF5064806C467F678D3B4080D6F1CC50AF26CA209417308281B68AF\
            282623EAA63E5B5C0723D8B8C37FF0777B1A20F8CCB1DCCC43997F1EE0E44DA4\
            A67A",
    },
];

fn point(case: &Case) -> Vec<u8> {
    [vec![4], unhex(case.x), unhex(case.y)].concat()
}

#[test]
fn signatures_of_rfc_6979_verify_and_the_point_follows_from_the_scalar() {
    for case in CASES {
        let private = EcPrivateKey::from_scalar(case.curve, &unhex(case.scalar)).unwrap();
        let public = private.public().unwrap();
        assert_eq!(public.point().unwrap(), point(case));
        assert_eq!(hex(&private.scalar().unwrap()), case.scalar.to_lowercase());
        let hashed = digest(case.hash, b"sample");
        let mut signature = [unhex(case.r), unhex(case.s)].concat();
        public.verify(&hashed, &signature).unwrap();
        assert_eq!(
            public.verify(&digest(case.hash, b"test"), &signature),
            Err(Error::Verification)
        );
        let last = signature.len() - 1;
        signature[last] ^= 1;
        assert_eq!(public.verify(&hashed, &signature), Err(Error::Verification));
    }
}

#[test]
fn signatures_have_one_length_and_verify_for_every_length_of_digest() {
    for row in CURVES {
        let key = EcPrivateKey::generate(row.curve).unwrap();
        let public = key.public().unwrap();
        let mut out = [0; 200];
        for digest_len in [0, 1, 20, 31, 32, 33, 48, 64, 65, 66, 67, 100, 1000] {
            let digest = vec![0xa5; digest_len];
            let len = key.sign(&digest, &mut out).unwrap();
            assert_eq!(len, 2 * row.curve.field_len());
            public.verify(&digest, &out[..len]).unwrap();
        }
        assert_eq!(
            key.sign(b"d", &mut out[..2 * row.curve.field_len() - 1]),
            Err(Error::OutputLength)
        );
    }
}

#[test]
fn five_hundred_signatures_on_p_521_are_132_bytes_and_some_begin_with_zeros() {
    let key = EcPrivateKey::generate(Curve::P521).unwrap();
    let public = key.public().unwrap();
    let mut padded = 0;
    for count in 0u16..500 {
        let hashed = digest(Hash::Sha512, &count.to_be_bytes());
        let mut out = [0xee; 140];
        assert_eq!(key.sign(&hashed, &mut out), Ok(132));
        assert_eq!(out[132..], [0xee; 8]);
        padded += usize::from(out[0] == 0 && out[66] == 0);
        public.verify(&hashed, &out[..132]).unwrap();
    }
    // A half begins with a zero byte with a chance of 1/2, both do with 1/4.
    assert!(padded > 60, "{padded}");
}

#[test]
fn a_digest_is_cut_to_the_leftmost_bits_of_the_order() {
    let key = EcPrivateKey::generate(Curve::P256).unwrap();
    let long = digest(Hash::Sha512, b"x");
    let mut out = [0; 64];
    key.sign(&long, &mut out).unwrap();
    key.public().unwrap().verify(&long[..32], &out).unwrap();
}

#[test]
fn a_signature_may_be_shorter_by_equal_zeros() {
    let key = EcPrivateKey::generate(Curve::P521).unwrap();
    let public = key.public().unwrap();
    let mut out = [0; 132];
    loop {
        key.sign(b"digest", &mut out).unwrap();
        if out[0] == 0 && out[66] == 0 {
            break;
        }
    }
    let short = [&out[1..66], &out[67..]].concat();
    public.verify(b"digest", &short).unwrap();
    for bad in [&out[..131], &out[..0], &[&out[..], &[0, 0]].concat()] {
        assert_eq!(public.verify(b"digest", bad), Err(Error::InputLength));
    }
    assert_eq!(public.verify(b"digest", &out[..2]), Err(Error::Verification));
    assert_eq!(public.verify(b"digest", &[0; 132]), Err(Error::Verification));
    assert_eq!(public.verify(b"digest", &[0xff; 132]), Err(Error::Verification));
}

#[test]
fn scalars_may_be_shorter_or_padded_but_lie_between_zero_and_the_order() {
    let order = unhex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let mut below = order.clone();
    below[31] -= 1;
    for good in [vec![1], vec![0, 0, 1], [vec![0; 40], vec![2]].concat(), below] {
        let key = EcPrivateKey::from_scalar(Curve::P256, &good).unwrap();
        let scalar = key.scalar().unwrap();
        assert_eq!(scalar.len(), 32);
        assert!(scalar.ends_with(&good[good.len().saturating_sub(32)..]));
    }
    for bad in [
        vec![],
        vec![0],
        vec![0; 32],
        order,
        vec![0xff; 32],
        [vec![1], vec![0; 32]].concat(),
    ] {
        assert_eq!(
            EcPrivateKey::from_scalar(Curve::P256, &bad).err(),
            Some(Error::InvalidKey)
        );
    }
}

#[test]
fn points_are_taken_compressed_or_not_and_only_on_the_curve() {
    for case in CASES {
        let x = unhex(case.x);
        let sign = 2 + (unhex(case.y).last().unwrap() & 1);
        let key = EcPublicKey::from_point(case.curve, &[vec![sign], x.clone()].concat()).unwrap();
        assert_eq!(key.point().unwrap(), point(case));
        let mut off = point(case);
        *off.last_mut().unwrap() ^= 1;
        for bad in [
            off,
            vec![],
            vec![0],
            vec![4],
            x,
            point(case)[1..].to_vec(),
            vec![0xff; 65],
        ] {
            assert_eq!(
                EcPublicKey::from_point(case.curve, &bad).err(),
                Some(Error::InvalidKey)
            );
        }
    }
    let wrong_curve = EcPublicKey::from_point(Curve::P384, &point(&CASES[0]));
    assert_eq!(wrong_curve.err(), Some(Error::InvalidKey));
}

#[test]
fn keys_come_back_from_der() {
    for row in CURVES {
        let key = EcPrivateKey::generate(row.curve).unwrap();
        let der = key.to_pkcs8_der().unwrap();
        let back = EcPrivateKey::from_pkcs8_der(&der).unwrap();
        assert_eq!(back.curve(), row.curve);
        assert_eq!(*back.scalar().unwrap(), *key.scalar().unwrap());
        let spki = key.public().unwrap().spki_der().unwrap();
        let public = EcPublicKey::from_spki_der(&spki).unwrap();
        assert_eq!(public.point().unwrap(), back.public().unwrap().point().unwrap());
        assert_eq!(public.curve(), row.curve);
        for cut in 0..der.len() {
            assert!(EcPrivateKey::from_pkcs8_der(&der[..cut]).is_err());
        }
        let longer = [&spki[..], &[0]].concat();
        assert_eq!(PublicKey::from_spki_der(&longer).err(), Some(Error::InvalidKey));
        assert!(RsaPublicKey::from_spki_der(&spki).is_err() && RsaPrivateKey::from_pkcs8_der(&der).is_err());
    }
}

#[test]
fn one_key_signs_on_many_threads() {
    let key = EcPrivateKey::generate(Curve::P256).unwrap();
    let public = key.public().unwrap();
    std::thread::scope(|scope| {
        for thread in 0u8..4 {
            let (key, public) = (&key, &public);
            scope.spawn(move || {
                for count in 0u8..100 {
                    let mut out = [0; 64];
                    key.sign(&[thread, count], &mut out).unwrap();
                    public.verify(&[thread, count], &out).unwrap();
                }
            });
        }
    });
}

/// Wycheproof, ecdsa_secp256k1_sha256_p1363_test (tests 1, 4, 153 and 154): point, signature of "123400" with SHA-256,
/// whether it is valid.
const SECP256K1: [(&str, &str, bool); 4] = [
    (
        "04b838ff44e5bc177bf21189d0766082fc9d843226887fc9760371100b7ee20a6f\
           f0c9d75bfba7b31a6bca1974496eeb56de357071955d83c4b1badaa0b21832e9",
        "813ef79ccefa9a56f7ba805f0e478584fe5f0dd5f567bc09b5123ccbc9832365\
         900e75ad233fcc908509dbff5922647db37c21f4afd3203ae8dc4ae7794b0f87",
        true,
    ),
    (
        "04b838ff44e5bc177bf21189d0766082fc9d843226887fc9760371100b7ee20a6f\
           f0c9d75bfba7b31a6bca1974496eeb56de357071955d83c4b1badaa0b21832e9",
        "7ec10863310565a908457fa0f1b87a79bc4fcf10b9e0e4320ac021c106b31ddc\
         6ff18a52dcc0336f7af62400a6dd9b810732baf1ff758000d6f613a556eb31ba",
        false,
    ),
    (
        "044280509aab64edfc0b4a2967e4cbce849cb544e4a77313c8e6ece579fbd7420a\
           2e89fe5cc1927d554e6a3bb14033ea7c922cd75cba2c7415fdab52f20b1860f1",
        "55555555555555555555555555555554e8e4f44ce51835693ff0ca2ef01215c1\
         091a08870ff4daf9123b30c20e8c4fc8505758dcf4074fcaff2170c9bfcf74f4",
        true,
    ),
    (
        "044f8df145194e3c4fc3eea26d43ce75b402d6b17472ddcbb254b8a79b0bf3d9cb\
           2aa20d82844cb266344e71ca78f2ad27a75a09e5bc0fa57e4efd9d465a0888db",
        "55555555555555555555555555555554e8e4f44ce51835693ff0ca2ef01215c1\
         7c370dc0ce8c59a8b273cba44a7c1191fc3186dc03cab96b0567312df0d0b250",
        true,
    ),
];

#[test]
fn published_signatures_on_secp256k1_are_told_from_damaged_ones() {
    let hashed = digest(Hash::Sha256, b"123400");
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    for (point, signature, is_valid) in SECP256K1 {
        let key = EcPublicKey::from_point(Curve::Secp256k1, &unhex(point)).unwrap();
        let signature = unhex(signature);
        assert_eq!(key.verify(&hashed, &signature).is_ok(), is_valid);
        let (r, s) = signature.split_at(32);
        let (zero, order) = ([0; 32], unhex(order));
        for bad in [[r, &zero], [&zero, s], [r, &order], [&order, s], [&zero, &zero]] {
            assert_eq!(key.verify(&hashed, &bad.concat()), Err(Error::Verification));
        }
    }
}

/// Wycheproof, ecdsa_*_p1363_test (test 1 of each): curve, hash, point, signature of "123400".
const OTHER_CURVES: [(Curve, Hash, &str, &str); 4] = [
    (
        Curve::P224,
        Hash::Sha224,
        "04eada93be10b2449e1e8bb58305d52008013c57107c1a20a317a6cba7eca672340c03d1d2e09663286691df55069fa25490c9dd9f9c0bb2b5",
        "70049af31f8348673d56cece2b27e587a402f2a48f0b21a7911a480a2840bf24f6f66be287066b7cbf38788e1b7770b18fd1aa6a26d7c6dc",
    ),
    (
        Curve::BrainpoolP256r1,
        Hash::Sha256,
        "04019a2d9637743a63ddaefdbca0ee229a163b809b9b145e5313bbeb8defeab9d6\
           548caf89bf5ba49499404145651234336401b9b2843a579ed152e090f11b9e59",
        "0a5f8c70ba2d0842d5d0f841f160ad15195769a8159bfe692634d73d469d111f\
         426e857aad3ff7aa96e4d200c03b45f1846a36d089ee3917768ca1a0d6d4da6e",
    ),
    (
        Curve::BrainpoolP384r1,
        Hash::Sha384,
        "04192ed5ce547d2336911d3f6cecba227f08df077f6242a9147a914e854e6e32d325fd23ccc42921dc4a7e4c2eb71defd3\
           631e69079ba982e7a1cad0a39eff47fc6d6e3a280d081286b624886ba1f3069671ec1a29986d84fb79736d2799e6fc21",
        "0e8e114a1c351405560bf8d47b166bfe957087a8003b353433b6144f7ee7d6f79c8dd14ef229fa7a2f2782bf33708b91\
         83aa7ba485dc060df9922f9ccc5da29adb75d44671d18bad0636d2e09c5e2f95e892a79b9fd3b37e1f798b157b567a24",
    ),
    (
        Curve::BrainpoolP512r1,
        Hash::Sha512,
        "0467cea1bedf84cbdcba69a05bb2ce3a2d1c9d911d236c480929a16ad697b45a6ca127079fe8d7868671e28ef33bdf93\
           19e2e51c84b190ac5c91b51baf0a980ba500a7e79006194b5378f65cbe625ef2c47c64e56040d873b995b5b1ebaa4a6c\
           e971da164391ff619af3bcfc71c5e1ad27ee0e859c2943e2de8ef7c43d3c976e9b",
        "0bd2593447cc6c02caf99d60418dd42e9a194c910e6755ed0c7059acac656b04ccfe1e8348462ee43066823aee2fed7c\
         a012e9890dfb69866d7ae88b6506f9c744b42304e693796618d090dbcb2a2551c3cb78534611e61fd9d1a5c0938b5b8e\
         c6ed53d2d28999eabbd8e7792d167fcf582492403a6a0f7cc94c73a28fb76b71",
    ),
];

#[test]
fn published_signatures_on_the_other_curves_are_told_from_damaged_ones() {
    for (curve, hash, point, signature) in OTHER_CURVES {
        let key = EcPublicKey::from_point(curve, &unhex(point)).unwrap();
        let (hashed, mut signature) = (digest(hash, b"123400"), unhex(signature));
        key.verify(&hashed, &signature).unwrap();
        signature[3] ^= 1;
        assert_eq!(key.verify(&hashed, &signature), Err(Error::Verification));
    }
}

#[test]
fn published_secrets_are_shared() {
    for (place, point, scalar, secret) in SHARED {
        let curve = Curve::from_ec_params(token::CURVES[place].0).unwrap();
        let peer = EcPublicKey::from_point(curve, &unhex(point)).unwrap();
        let key = EcPrivateKey::from_scalar(curve, &unhex(scalar)).unwrap();
        assert_eq!(hex(&key.agree(&peer).unwrap()), secret, "{curve:?}");
    }
}

#[test]
fn keys_on_different_curves_share_nothing_and_hybrid_points_are_none() {
    let key = EcPrivateKey::generate(Curve::P256).unwrap();
    let other = EcPrivateKey::generate(Curve::Secp256k1)
        .unwrap()
        .public()
        .unwrap();
    assert_eq!(key.agree(&other).err(), Some(Error::InvalidKey));
    let mut hybrid = key.public().unwrap().point().unwrap();
    hybrid[0] = 6 + (hybrid[64] & 1);
    assert_eq!(
        EcPublicKey::from_point(Curve::P256, &hybrid).err(),
        Some(Error::InvalidKey)
    );
}
