// SPDX-License-Identifier: MIT
//! Searches: the index says what may match, the opened objects say what does.

use cryptoki_sys as ck;
use keyenclave_model::access::Access;
use keyenclave_model::error::Result;
use keyenclave_model::template::Template;
use keyenclave_model::token::ObjectId;

use crate::engine::Engine;
use crate::index::{Found, Wanted};
use crate::login::Sealers;
use crate::records::{Unopened, class_column};
use crate::store::{Columns, RecordId, Store};
use crate::vault::VaultError;

impl<S: Store, K: Sealers> Engine<S, K> {
    /// `C_FindObjects`: session objects first, then the token's.
    pub(crate) fn find(&self, access: Access, template: &Template) -> Result<Vec<ObjectId>> {
        let mut found = match template.bool(ck::CKA_TOKEN) {
            Some(true) => Vec::new(),
            _ => self
                .session
                .find(|opened| access.sees(&opened.object) && opened.object.matches(template)),
        };
        if template.bool(ck::CKA_TOKEN) != Some(false) {
            self.refresh()?;
            let matching = self.find_stored(access, template)?;
            let mut index = self.index.write();
            found.extend(matching.iter().filter_map(|id| index.handle(*id, &self.handles)));
        }
        Ok(found)
    }

    /// The stored objects that match, each opened where the columns do not tell all.
    fn find_stored(&self, access: Access, template: &Template) -> Result<Vec<RecordId>> {
        let mut matching = Vec::new();
        let columns = template_columns(template);
        for found in self.candidates(access, template, &columns)? {
            match self.open(&found) {
                Ok(Some(opened)) if access.sees(&opened.object) && opened.object.matches(template) => {
                    matching.push(found.id);
                }
                Ok(_) => {}
                Err(Unopened::Vault(error @ VaultError::Tampered(_))) => self.report(found.id, &error),
                Err(unopened) => return Err(unopened.into()),
            }
        }
        Ok(matching)
    }

    /// What may match, judging by the index.
    fn candidates(&self, access: Access, template: &Template, columns: &Columns) -> Result<Vec<Found>> {
        let private = template.bool(ck::CKA_PRIVATE);
        let blinded = match self.login() {
            // Keys are sealed even where they are not private.
            Some(login) if access.login.is_some() => Some(login.blind(columns)?),
            _ => None,
        };
        let index = self.index.read();
        let mut found = match private {
            Some(true) => Vec::new(),
            _ => index.candidates(false, &wanted(template, columns)),
        };
        if let Some(blinded) = &blinded {
            found.extend(index.candidates(true, &wanted(template, blinded)));
        }
        Ok(found)
    }

    /// Tells the log, once, that an object is passed over.
    fn report(&self, id: RecordId, error: &VaultError) {
        let is_news = self.index.write().is_news(id);
        if is_news {
            log::error!("{error}; it is left out of all searches");
        }
    }
}

/// What a template looks for; empty where it says nothing.
fn template_columns(template: &Template) -> Columns {
    let bytes = |id| template.bytes(id).unwrap_or_default().to_vec();
    Columns {
        class: class_column(template.ulong(ck::CKA_CLASS)),
        label: bytes(ck::CKA_LABEL),
        key_id: bytes(ck::CKA_ID),
    }
}

/// The columns that a template gives, in their plain or blinded form.
fn wanted<'a>(template: &Template, columns: &'a Columns) -> Wanted<'a> {
    let given = |id, column: &'a Vec<u8>| template.get(id).map(|_| column.as_slice());
    Wanted {
        key_id: given(ck::CKA_ID, &columns.key_id),
        label: given(ck::CKA_LABEL, &columns.label),
        class: given(ck::CKA_CLASS, &columns.class),
    }
}
