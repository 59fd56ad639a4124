// SPDX-License-Identifier: MIT
//! Objects: made, read, changed and found.

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;

use super::memory::made;
use super::{Answer, Handle, Module, Session};
use crate::template::{Attributes, Reading};

impl Module {
    /// `C_CreateObject`.
    pub fn create(&self, session: Session, template: &Attributes<'_>) -> Answer<Handle> {
        let (attributes, len) = template.raw();
        made(|out| call!(self, C_CreateObject(session, attributes, len, out)))
    }

    /// `C_CopyObject`.
    pub fn copy(&self, session: Session, object: Handle, template: &Attributes<'_>) -> Answer<Handle> {
        let (attributes, len) = template.raw();
        made(|out| call!(self, C_CopyObject(session, object, attributes, len, out)))
    }

    /// `C_DestroyObject`.
    pub fn destroy(&self, session: Session, object: Handle) -> Answer<()> {
        call!(self, C_DestroyObject(session, object))
    }

    /// `C_GetObjectSize`.
    pub fn size(&self, session: Session, object: Handle) -> Answer<ck::CK_ULONG> {
        made(|out| call!(self, C_GetObjectSize(session, object, out)))
    }

    /// `C_GetAttributeValue`, into the memory of `reading`, which keeps the lengths that come back.
    pub fn read(&self, session: Session, object: Handle, reading: &mut Reading) -> Answer<()> {
        let (attributes, len) = reading.raw();
        call!(self, C_GetAttributeValue(session, object, attributes, len))
    }

    /// `C_SetAttributeValue`.
    pub fn set(&self, session: Session, object: Handle, template: &Attributes<'_>) -> Answer<()> {
        let (attributes, len) = template.raw();
        call!(self, C_SetAttributeValue(session, object, attributes, len))
    }

    /// `C_FindObjectsInit`, `C_FindObjects` until nothing more comes, `C_FindObjectsFinal`.
    pub fn find(&self, session: Session, template: &Attributes<'_>) -> Answer<Vec<Handle>> {
        let (attributes, len) = template.raw();
        call!(self, C_FindObjectsInit(session, attributes, len))?;
        let found = self.found(session);
        let ended = call!(self, C_FindObjectsFinal(session));
        found.and_then(|found| ended.map(|()| found))
    }

    fn found(&self, session: Session) -> Answer<Vec<Handle>> {
        let mut found = Vec::new();
        let mut room = [0; 64];
        loop {
            let (mut len, max) = (0, room.len() as ck::CK_ULONG);
            call!(self, C_FindObjects(session, room.as_mut_ptr(), max, &raw mut len))?;
            let page = usize::try_from(len).ok().and_then(|len| room.get(..len));
            match page.ok_or(Rv::DeviceError)? {
                [] => return Ok(found),
                page => found.extend_from_slice(page),
            }
        }
    }
}
