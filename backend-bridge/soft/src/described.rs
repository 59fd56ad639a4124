// SPDX-License-Identifier: MIT
//! Objects with which a token describes itself: the profiles that it keeps to, and its mechanisms (PKCS#11 3.2, profile
//! objects, mechanism objects).
//!
//! They are made when somebody first asks for them, and are the same for everybody. A search finds them only where it
//! names their class: programs that list a token's objects mean its keys.

use std::sync::{Arc, OnceLock};

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::mechanism::{MechanismRow, RsaSizes};
use keyenclave_model::object::Object;
use keyenclave_model::template::Template;
use keyenclave_model::token::{HandleSource, ObjectId};

/// The profiles whose mandatory test cases the token passes (OASIS PKCS#11 Profiles 3.2), their names, and whether the
/// case states all RSA sizes.
const PROFILES: [(ck::CK_PROFILE_ID, &str, bool); 4] = [
    (ck::CKP_BASELINE_PROVIDER, "Baseline Provider", false),
    (ck::CKP_EXTENDED_PROVIDER, "Extended Provider", true),
    (ck::CKP_AUTHENTICATION_TOKEN, "Authentication Token", false),
    (
        ck::CKP_PUBLIC_CERTIFICATES_TOKEN,
        "Public Certificates Token",
        false,
    ),
];

/// The objects, ordered by handle.
#[derive(Default)]
pub(crate) struct Described(OnceLock<Vec<(ObjectId, Arc<Object>)>>);

impl Described {
    /// Whether a search is for such objects.
    pub(crate) fn is_wanted(template: &Template) -> bool {
        matches!(
            template.ulong(ck::CKA_CLASS),
            Some(ck::CKO_PROFILE | ck::CKO_MECHANISM)
        )
    }

    /// The objects that match, of a token with these mechanisms and RSA keys.
    pub(crate) fn find(
        &self,
        template: &Template,
        handles: &HandleSource,
        mechanisms: impl Iterator<Item = &'static MechanismRow>,
        rsa: RsaSizes,
    ) -> Vec<ObjectId> {
        let objects = self.0.get_or_init(|| {
            let passed = PROFILES
                .iter()
                .filter(|(_, _, all_sizes)| !all_sizes || rsa == RsaSizes::All);
            let profiles = passed.map(|(id, name, _)| profile(*id, name));
            let objects = profiles.chain(mechanisms.map(mechanism));
            let numbered = objects.map(|object| (ObjectId(handles.next()), Arc::new(object)));
            numbered.collect()
        });
        let matching = objects.iter().filter(|(_, object)| object.matches(template));
        matching.map(|(handle, _)| *handle).collect()
    }

    /// The object with a handle, if it is one of these.
    pub(crate) fn get(&self, handle: ObjectId) -> Option<&Arc<Object>> {
        let objects = self.0.get()?;
        let index = objects
            .binary_search_by_key(&handle, |(handle, _)| *handle)
            .ok()?;
        objects.get(index).map(|(_, object)| object)
    }
}

fn profile(id: ck::CK_PROFILE_ID, name: &str) -> Object {
    made(ck::CKO_PROFILE, name, (ck::CKA_PROFILE_ID, id))
}

fn mechanism(row: &MechanismRow) -> Object {
    made(ck::CKO_MECHANISM, row.name, (ck::CKA_MECHANISM_TYPE, row.id))
}

/// An object that everybody sees and nobody changes.
fn made(
    class: ck::CK_OBJECT_CLASS,
    name: &str,
    (id, number): (ck::CK_ATTRIBUTE_TYPE, ck::CK_ULONG),
) -> Object {
    Object::restore(vec![
        (ck::CKA_CLASS, Value::Ulong(class)),
        (ck::CKA_TOKEN, Value::Bool(true)),
        (ck::CKA_PRIVATE, Value::Bool(false)),
        (ck::CKA_MODIFIABLE, Value::Bool(false)),
        (ck::CKA_COPYABLE, Value::Bool(false)),
        (ck::CKA_DESTROYABLE, Value::Bool(false)),
        (ck::CKA_LABEL, Value::bytes(name)),
        (ck::CKA_UNIQUE_ID, Value::bytes(format!("{class}-{number}"))),
        (id, Value::Ulong(number)),
    ])
}
