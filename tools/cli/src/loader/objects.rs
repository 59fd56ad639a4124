// SPDX-License-Identifier: MIT
//! Objects: found, read, generated, destroyed.

use std::ptr::null_mut;

use cryptoki_sys as ck;

use super::Module;
use super::arguments::{Attribute, ITEMS_MAX, Raw, raw, raw_mechanism, room, to_ulong, to_usize};
use super::refusal::{Refusal, Returned};

impl Module {
    /// `C_FindObjectsInit`, `C_FindObjects` until there are no more, `C_FindObjectsFinal`.
    pub fn find(
        &self,
        session: ck::CK_SESSION_HANDLE,
        template: &[Attribute],
    ) -> Returned<Vec<ck::CK_OBJECT_HANDLE>> {
        let (mut attributes, count) = raw(template);
        call!(self, C_FindObjectsInit(session, attributes.as_mut_ptr(), count))?;
        let found = self.found(session);
        let ended = call!(self, C_FindObjectsFinal(session));
        let found = found?;
        ended.map(|()| found)
    }

    fn found(&self, session: ck::CK_SESSION_HANDLE) -> Returned<Vec<ck::CK_OBJECT_HANDLE>> {
        let mut found = Vec::new();
        let mut batch = [0; 256];
        loop {
            let mut count = 0;
            let room = to_ulong(batch.len());
            call!(
                self,
                C_FindObjects(session, batch.as_mut_ptr(), room, &raw mut count)
            )?;
            if count == 0 {
                return Ok(found);
            }
            if count > room || found.len() > ITEMS_MAX {
                return Err(Refusal::bare("C_FindObjects", ck::CKR_HOST_MEMORY));
            }
            found.extend(batch.iter().take(to_usize(count)));
        }
    }

    /// `C_GetAttributeValue` for one attribute; `None` where the object has none, or does not tell it.
    pub fn attribute(
        &self,
        session: ck::CK_SESSION_HANDLE,
        object: ck::CK_OBJECT_HANDLE,
        kind: ck::CK_ATTRIBUTE_TYPE,
    ) -> Returned<Option<Vec<u8>>> {
        let mut attribute = ck::CK_ATTRIBUTE {
            type_: kind,
            pValue: null_mut(),
            ulValueLen: 0,
        };
        match call!(self, C_GetAttributeValue(session, object, &raw mut attribute, 1)) {
            Ok(()) => {}
            Err(Refusal {
                rv: ck::CKR_ATTRIBUTE_TYPE_INVALID | ck::CKR_ATTRIBUTE_SENSITIVE,
                ..
            }) => {
                return Ok(None);
            }
            Err(refusal) => return Err(refusal),
        }
        if attribute.ulValueLen == ck::CK_UNAVAILABLE_INFORMATION {
            return Ok(None);
        }
        let mut value: Vec<u8> = room("C_GetAttributeValue", attribute.ulValueLen)?;
        attribute.pValue = value.as_mut_ptr().cast();
        call!(self, C_GetAttributeValue(session, object, &raw mut attribute, 1))?;
        value.truncate(to_usize(attribute.ulValueLen));
        Ok(Some(value))
    }

    /// `C_GenerateKey`.
    pub fn generate_key(
        &self,
        session: ck::CK_SESSION_HANDLE,
        kind: ck::CK_MECHANISM_TYPE,
        template: &[Attribute],
    ) -> Returned<()> {
        let mut mechanism = raw_mechanism(kind, &mut Raw::None);
        let (mut attributes, count) = raw(template);
        let mut key = ck::CK_INVALID_HANDLE;
        call!(
            self,
            C_GenerateKey(
                session,
                &raw mut mechanism,
                attributes.as_mut_ptr(),
                count,
                &raw mut key
            )
        )
    }

    /// `C_GenerateKeyPair`.
    pub fn generate_key_pair(
        &self,
        session: ck::CK_SESSION_HANDLE,
        kind: ck::CK_MECHANISM_TYPE,
        public: &[Attribute],
        private: &[Attribute],
    ) -> Returned<()> {
        let mut mechanism = raw_mechanism(kind, &mut Raw::None);
        let (mut public, public_count) = raw(public);
        let (mut private, private_count) = raw(private);
        let mut keys = [ck::CK_INVALID_HANDLE; 2];
        let [public_key, private_key] = &mut keys;
        call!(
            self,
            C_GenerateKeyPair(
                session,
                &raw mut mechanism,
                public.as_mut_ptr(),
                public_count,
                private.as_mut_ptr(),
                private_count,
                public_key,
                private_key,
            )
        )
    }

    /// `C_DestroyObject`.
    pub fn destroy(&self, session: ck::CK_SESSION_HANDLE, object: ck::CK_OBJECT_HANDLE) -> Returned<()> {
        call!(self, C_DestroyObject(session, object))
    }
}
