// SPDX-License-Identifier: MIT
//! Making keys: `C_GenerateKey` and `C_GenerateKeyPair`. Nothing here knows of sessions or stores, and nothing is
//! locked while a key is being made: an RSA key may take seconds.

use cryptoki_sys as ck;
use keyenclave_crypto::{
    EcPrivateKey, Ed25519PrivateKey, MlDsaPrivateKey, MlKemPrivateKey, RsaPrivateKey, X25519PrivateKey, kdf,
    rand,
};
use keyenclave_model::attribute::{self, Value};
use keyenclave_model::edwards;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{
    Algorithm, GENERIC_SECRET_LEN, Mechanism, MechanismInfo, Params, RsaSizes, TLS_SECRET_LEN,
};
use keyenclave_model::montgomery;
use keyenclave_model::object::{Object, Origin};
use keyenclave_model::post_quantum::Scheme;
use keyenclave_model::template::Template;
use keyenclave_model::token::Role;
use zeroize::Zeroizing;

use crate::error::Doing;
use crate::keys::{self, Key};
use crate::material;

/// The public exponent when the template has none: 65537.
const PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

/// An object that has been admitted and waits for its key.
pub(crate) struct Planned {
    object: Object,
    origin: Origin,
    mechanism: Mechanism,
}

/// The two objects of a pair, admitted and waiting for their key.
pub(crate) struct PlannedPair {
    public: Object,
    private: Object,
    origin: Origin,
    algorithm: Algorithm,
}

/// What `C_GenerateKey` is to make.
///
/// # Errors
/// `CKR_MECHANISM_INVALID` if the mechanism makes no key, and what [`Object::admit`] says of the template.
pub(crate) fn plan(mechanism: &Mechanism, template: &Template, role: Option<Role>) -> Result<Planned> {
    let (algorithm, origin) = (mechanism.algorithm(), Origin::Generate(mechanism.id()));
    let (key_type, template) = match algorithm {
        Algorithm::AesKey
        | Algorithm::AesXtsKey
        | Algorithm::GenericSecret
        | Algorithm::HkdfKey
        | Algorithm::HmacKey(_)
        | Algorithm::ChaChaKey
        | Algorithm::Des3Key => (algorithm.key_type(), template.clone()),
        Algorithm::TlsPremaster => {
            let len = Value::Ulong(TLS_SECRET_LEN as ck::CK_ULONG);
            (algorithm.key_type(), with(template, ck::CKA_VALUE_LEN, len)?)
        }
        // Whatever the template says.
        Algorithm::Pbkdf2 => {
            let class = Value::Ulong(ck::CKO_SECRET_KEY);
            let template = with(template, ck::CKA_CLASS, class)?;
            (template.ulong(ck::CKA_KEY_TYPE), template)
        }
        _ => return Err(Rv::MechanismInvalid.into()),
    };
    let fixed = key_type.map(|key_type| (ck::CKO_SECRET_KEY, key_type));
    let object = Object::admit(origin, fixed, &template, role)?;
    secret_len(&object)?;
    Ok(Planned {
        object,
        origin,
        mechanism: mechanism.clone(),
    })
}

/// What `C_GenerateKeyPair` is to make.
///
/// # Errors
/// As for [`plan`].
pub(crate) fn plan_pair(
    mechanism: &Mechanism,
    [public, private]: [&Template; 2],
    role: Option<Role>,
    rsa: RsaSizes,
) -> Result<PlannedPair> {
    let (algorithm, origin) = (mechanism.algorithm(), Origin::Generate(mechanism.id()));
    let key_type = match algorithm {
        Algorithm::RsaKeyPair
        | Algorithm::RsaX931KeyPair
        | Algorithm::EcKeyPair
        | Algorithm::EcKeyPairExtraBits
        | Algorithm::EdwardsKeyPair
        | Algorithm::MontgomeryKeyPair
        | Algorithm::LatticeKeyPair(_) => algorithm.key_type().unwrap_or_default(),
        _ => return Err(Rv::MechanismInvalid.into()),
    };
    let admit = |class, template| Object::admit(origin, Some((class, key_type)), template, role);
    let planned = PlannedPair {
        public: admit(ck::CKO_PUBLIC_KEY, public)?,
        private: admit(ck::CKO_PRIVATE_KEY, private)?,
        origin,
        algorithm,
    };
    match algorithm {
        Algorithm::RsaKeyPair | Algorithm::RsaX931KeyPair => {
            check_rsa_bits(&planned.public, mechanism.row().info_with(rsa))?;
        }
        Algorithm::EdwardsKeyPair => keys::check_curve(&planned.public, &edwards::CURVE)?,
        Algorithm::MontgomeryKeyPair => keys::check_curve(&planned.public, &montgomery::CURVE)?,
        Algorithm::LatticeKeyPair(scheme) => keys::parameter_set(&planned.public, scheme).map(drop)?,
        _ => keys::curve(&planned.public).map(drop)?,
    }
    Ok(planned)
}

impl Planned {
    /// The object that is going to be, for asking who may make it.
    pub(crate) fn object(&self) -> &Object {
        &self.object
    }

    /// Makes the key.
    pub(crate) fn make(self) -> Result<(Object, Key)> {
        let mut object = self.object;
        let value = secret(&self.mechanism, secret_len(&object)?)?;
        material::put_made_secret(&mut object, value)?;
        let key = Key::parse(&object)?;
        material::put_secret_check_value(&mut object, &key)?;
        object.conclude(self.origin);
        Ok((object, key))
    }
}

impl PlannedPair {
    /// The objects that are going to be, for asking who may make them.
    pub(crate) fn objects(&self) -> [&Object; 2] {
        [&self.public, &self.private]
    }

    /// Makes the key: the public object, then the private one.
    pub(crate) fn make(self) -> Result<[(Object, Option<Key>); 2]> {
        let (mut public, mut private) = (self.public, self.private);
        let key = match self.algorithm {
            how @ (Algorithm::RsaKeyPair | Algorithm::RsaX931KeyPair) => {
                let make = match how {
                    Algorithm::RsaX931KeyPair => RsaPrivateKey::generate_x931,
                    _ => RsaPrivateKey::generate,
                };
                let exponent = public
                    .bytes(ck::CKA_PUBLIC_EXPONENT)
                    .map(attribute::without_zeros)
                    .unwrap_or(&PUBLIC_EXPONENT);
                let key =
                    make(rsa_bits(&public), exponent).map_err(|error| Doing::Importing.failed(error))?;
                material::put_rsa_pair(&key, &mut public, &mut private)?;
                Key::RsaPrivate(key)
            }
            Algorithm::EdwardsKeyPair => {
                let key = Ed25519PrivateKey::generate().map_err(|error| Doing::Internal.failed(error))?;
                material::put_ed25519_pair(&key, &mut public, &mut private)?;
                Key::Ed25519Private(key)
            }
            Algorithm::LatticeKeyPair(scheme) => lattice_pair(scheme, &mut public, &mut private)?,
            Algorithm::MontgomeryKeyPair => {
                let key = X25519PrivateKey::generate().map_err(|error| Doing::Internal.failed(error))?;
                material::put_x25519_pair(&key, &mut public, &mut private)?;
                Key::X25519Private(key)
            }
            how => {
                let make = match how {
                    Algorithm::EcKeyPairExtraBits => EcPrivateKey::generate_with_extra_bits,
                    _ => EcPrivateKey::generate,
                };
                let key = make(keys::curve(&public)?).map_err(|error| Doing::Internal.failed(error))?;
                material::put_ec_pair(&key, &mut public, &mut private)?;
                Key::EcPrivate(key)
            }
        };
        public.conclude(self.origin);
        private.conclude(self.origin);
        Ok([(public, None), (private, Some(key))])
    }
}

/// Makes a key of a lattice scheme.
fn lattice_pair(scheme: Scheme, public: &mut Object, private: &mut Object) -> Result<Key> {
    let set = keys::parameter_set(public, scheme)?;
    let internal = |error| Doing::Internal.failed(error);
    Ok(match scheme {
        Scheme::MlDsa => {
            let key = MlDsaPrivateKey::generate(set).map_err(internal)?;
            material::put_ml_dsa_private(private, &key)?;
            material::put_ml_dsa_public(public, key.public())?;
            Key::MlDsaPrivate(key)
        }
        Scheme::MlKem => {
            let key = MlKemPrivateKey::generate(set).map_err(internal)?;
            material::put_ml_kem_private(private, &key)?;
            material::put_ml_kem_public(public, &key.public().map_err(internal)?)?;
            Key::MlKemPrivate(key)
        }
    })
}

/// The value of a new secret key.
fn secret(mechanism: &Mechanism, len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut value = Zeroizing::new(vec![0; len]);
    let done = match mechanism.params() {
        Params::Pbkdf2(params) => kdf::pbkdf2(
            params.hash,
            &params.password.0,
            &params.salt,
            params.iterations,
            &mut value,
        ),
        _ => rand::fill(&mut value),
    };
    done.map_err(|error| Doing::Internal.failed(error))?;
    if let (Algorithm::TlsPremaster, Params::Bytes(version)) = (mechanism.algorithm(), mechanism.params()) {
        value
            .iter_mut()
            .zip(version)
            .for_each(|(byte, given)| *byte = *given);
    }
    Ok(value)
}

/// A template with what the mechanism says.
fn with(template: &Template, id: ck::CK_ATTRIBUTE_TYPE, value: Value) -> Result<Template> {
    if template.get(id).is_some_and(|given| *given != value) {
        let detail = format!("{} is not what the mechanism makes", attribute::name(id));
        return Err(Error::new(Rv::TemplateInconsistent, detail));
    }
    let others = template.iter().filter(|(given, _)| *given != id);
    let others = others.map(|(id, value)| (id, value.clone()));
    Ok(others.chain([(id, value)]).collect())
}

/// `CKA_MODULUS_BITS`; what no number of bits can be is more than any key has.
fn rsa_bits(public: &Object) -> u32 {
    let bits = public.ulong(ck::CKA_MODULUS_BITS).unwrap_or_default();
    u32::try_from(bits).unwrap_or(u32::MAX)
}

/// Whether keys of that size are made.
fn check_rsa_bits(public: &Object, made: MechanismInfo) -> Result<()> {
    let (bits, min, max) = (rsa_bits(public), made.min_key_size, made.max_key_size);
    if (min..=max).contains(&bits.into()) {
        return Ok(());
    }
    Err(Error::new(
        Rv::AttributeValueInvalid,
        format!("CKA_MODULUS_BITS is {bits}; RSA keys of {min} to {max} bits are made"),
    ))
}

/// `CKA_VALUE_LEN`, if keys of that length are made.
fn secret_len(object: &Object) -> Result<usize> {
    let given = object.get(ck::CKA_VALUE_LEN);
    let len = match given {
        Some(Value::Ulong(len)) => usize::try_from(*len).unwrap_or(usize::MAX),
        _ => object.key_type().and_then(material::only_len).unwrap_or_default(),
    };
    let (min, max) = GENERIC_SECRET_LEN;
    let fits = match object.key_type() {
        Some(ck::CKK_AES | ck::CKK_AES_XTS | ck::CKK_CHACHA20 | ck::CKK_DES3) => {
            material::lengths(object.key_type()).is_some_and(|fit| fit.contains(&len))
        }
        _ => (min..=max).contains(&len),
    };
    if fits {
        Ok(len)
    } else {
        Err(Error::new(
            Rv::AttributeValueInvalid,
            format!("CKA_VALUE_LEN is {len} bytes, which a key of this type cannot have"),
        ))
    }
}
