// SPDX-License-Identifier: MIT
//! Objects and searches.

use crate::Rv;
use crate::module::buffer::length;
use crate::module::{Attr, Module, Want, template};
use cryptoki_sys::*;
use std::ptr::null_mut;

impl Module {
    /// `C_CreateObject`.
    pub fn create_object(&self, session: CK_SESSION_HANDLE, attrs: &[Attr]) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut object) = (template::raw(attrs), 0);
        call!(
            self,
            C_CreateObject(session, raw.as_mut_ptr(), length(&raw), &raw mut object)
        )
        .ok()?;
        Ok(object)
    }

    /// The functions that take a template, each with a null pointer and `count` attributes, by name.
    pub fn null_templates(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_ULONG,
        count: CK_ULONG,
    ) -> [(&'static str, Rv); 5] {
        let mut made = 0;
        [
            (
                "C_CreateObject",
                call!(self, C_CreateObject(session, null_mut(), count, &raw mut made)),
            ),
            (
                "C_CopyObject",
                call!(
                    self,
                    C_CopyObject(session, object, null_mut(), count, &raw mut made)
                ),
            ),
            (
                "C_GetAttributeValue",
                call!(self, C_GetAttributeValue(session, object, null_mut(), count)),
            ),
            (
                "C_SetAttributeValue",
                call!(self, C_SetAttributeValue(session, object, null_mut(), count)),
            ),
            (
                "C_FindObjectsInit",
                call!(self, C_FindObjectsInit(session, null_mut(), count)),
            ),
        ]
    }

    /// `C_CopyObject`.
    pub fn copy_object(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        attrs: &[Attr],
    ) -> Result<CK_OBJECT_HANDLE, Rv> {
        let (mut raw, mut copy) = (template::raw(attrs), 0);
        call!(
            self,
            C_CopyObject(session, object, raw.as_mut_ptr(), length(&raw), &raw mut copy)
        )
        .ok()?;
        Ok(copy)
    }

    /// `C_DestroyObject`.
    pub fn destroy_object(&self, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE) -> Rv {
        call!(self, C_DestroyObject(session, object))
    }

    /// `C_GetAttributeValue`.
    pub fn attribute_values(
        &self,
        session: CK_SESSION_HANDLE,
        object: CK_OBJECT_HANDLE,
        wants: &mut [Want],
    ) -> Rv {
        let mut raw: Vec<CK_ATTRIBUTE> = wants.iter_mut().map(Want::raw).collect();
        let rv = call!(
            self,
            C_GetAttributeValue(session, object, raw.as_mut_ptr(), length(&raw))
        );
        wants
            .iter_mut()
            .zip(raw)
            .for_each(|(want, raw)| want.len = raw.ulValueLen);
        rv
    }

    /// `C_SetAttributeValue`.
    pub fn set_attributes(&self, session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, attrs: &[Attr]) -> Rv {
        let mut raw = template::raw(attrs);
        call!(
            self,
            C_SetAttributeValue(session, object, raw.as_mut_ptr(), length(&raw))
        )
    }

    /// `C_FindObjectsInit`.
    pub fn find_init(&self, session: CK_SESSION_HANDLE, attrs: &[Attr]) -> Rv {
        let mut raw = template::raw(attrs);
        call!(self, C_FindObjectsInit(session, raw.as_mut_ptr(), length(&raw)))
    }

    /// `C_FindObjects`: at most `most` handles.
    pub fn find_next(&self, session: CK_SESSION_HANDLE, most: usize) -> Result<Vec<CK_OBJECT_HANDLE>, Rv> {
        let (mut found, mut count) = (vec![0; most], 0);
        call!(
            self,
            C_FindObjects(session, found.as_mut_ptr(), length(&found), &raw mut count)
        )
        .ok()?;
        found.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(found)
    }
}
