// SPDX-License-Identifier: MIT
//! Object management functions (PKCS#11 3.2, section 5.7).

use cryptoki_sys as ck;
use keyenclave_model::attribute::Value;
use keyenclave_model::error::{Result, Rv};
use keyenclave_model::token::{ObjectId, Out, SessionId, Work};

use super::unexpected;
use crate::abi::values::{AttributeBuffer, AttributeBuffers, OutputArray, Place, RawTemplate};
use crate::library::Library;

/// `C_CreateObject`.
pub fn create_object(
    lib: &Library,
    session: SessionId,
    template: RawTemplate<'_>,
    mut handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let caller = lib.session(session)?;
    handle.check()?;
    let created = caller.run(Work::Create(&caller.template(&template)?))?;
    handle.set(made(created)?);
    Ok(())
}

/// `C_CopyObject`.
pub fn copy_object(
    lib: &Library,
    session: SessionId,
    object: ObjectId,
    template: RawTemplate<'_>,
    mut handle: Place<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let caller = lib.session(session)?;
    handle.check()?;
    let copied = caller.run(Work::Copy {
        object,
        template: &caller.template(&template)?,
    })?;
    handle.set(made(copied)?);
    Ok(())
}

/// `C_DestroyObject`.
pub fn destroy_object(lib: &Library, session: SessionId, object: ObjectId) -> Result<()> {
    lib.session(session)?.run(Work::Destroy(object)).map(drop)
}

/// `C_GetObjectSize`.
pub fn get_object_size(
    lib: &Library,
    session: SessionId,
    object: ObjectId,
    mut size: Place<'_, ck::CK_ULONG>,
) -> Result<()> {
    let caller = lib.session(session)?;
    size.check()?;
    let Out::Size(bytes) = caller.run(Work::Size(object))? else {
        return Err(unexpected());
    };
    size.set(bytes);
    Ok(())
}

/// `C_GetAttributeValue`: every attribute is processed, whatever becomes of the others.
pub fn get_attribute_value(
    lib: &Library,
    session: SessionId,
    object: ObjectId,
    mut attributes: AttributeBuffers<'_>,
) -> Result<()> {
    let caller = lib.session(session)?;
    attributes.check()?;
    let wanted: Vec<_> = if caller.slot.takes_as_given {
        attributes.iter().map(|buffer| buffer.id()).collect()
    } else {
        Vec::new()
    };
    let work = if caller.slot.takes_as_given {
        Work::Attributes {
            object,
            wanted: &wanted,
        }
    } else {
        Work::View(object)
    };
    match caller.run(work)? {
        Out::View(object) => {
            let shown = object.shown();
            fill(attributes.iter(), |buffer| shown.reveal(buffer.id()))
        }
        Out::Attributes(values) if values.len() == wanted.len() => {
            let mut values = values.iter();
            fill(attributes.iter(), |_| match values.next() {
                Some(value) => value.as_ref().map_err(|rv| *rv),
                None => Err(Rv::AttributeTypeInvalid),
            })
        }
        _ => Err(unexpected()),
    }
}

/// `C_SetAttributeValue`.
pub fn set_attribute_value(
    lib: &Library,
    session: SessionId,
    object: ObjectId,
    template: RawTemplate<'_>,
) -> Result<()> {
    let caller = lib.session(session)?;
    caller
        .run(Work::Set {
            object,
            template: &caller.template(&template)?,
        })
        .map(drop)
}

/// `C_FindObjectsInit`. A search that is active stays so.
pub fn find_objects_init(lib: &Library, session: SessionId, template: RawTemplate<'_>) -> Result<()> {
    let caller = lib.session(session)?;
    let began = caller.slot.login_number();
    if caller.session.operations.lock().search(began).is_ok() {
        return Err(Rv::OperationActive.into());
    }
    let Out::Objects(found) = caller.run(Work::Find(&caller.template(&template)?))? else {
        return Err(unexpected());
    };
    let mut operations = caller.session.operations.lock();
    operations.begin_search(found, began, caller.slot.login_number())
}

/// `C_FindObjects`.
pub fn find_objects(
    lib: &Library,
    session: SessionId,
    mut handles: OutputArray<'_, ck::CK_OBJECT_HANDLE>,
) -> Result<()> {
    let caller = lib.session(session)?;
    let mut operations = caller.session.operations.lock();
    let search = operations.search(caller.slot.login_number())?;
    handles.check()?;
    let next: Vec<_> = search.next(handles.capacity()).map(|object| object.0).collect();
    handles.fill(&next)
}

/// `C_FindObjectsFinal`.
pub fn find_objects_final(lib: &Library, session: SessionId) -> Result<()> {
    let caller = lib.session(session)?;
    let mut operations = caller.session.operations.lock();
    if operations.end_search(caller.slot.login_number()) {
        Ok(())
    } else {
        Err(Rv::OperationNotInitialized.into())
    }
}

/// The handle of what was made.
pub(super) fn made(out: Out) -> Result<ck::CK_OBJECT_HANDLE> {
    match out {
        Out::Object(object) => Ok(object.0),
        _ => Err(unexpected()),
    }
}

/// Puts the values into the application's memory, every one that there is. Of several failures one is reported.
fn fill<'m, 'v>(
    buffers: impl Iterator<Item = AttributeBuffer<'m>>,
    mut value_of: impl FnMut(&AttributeBuffer<'m>) -> Result<&'v Value, Rv>,
) -> Result<()> {
    let mut worst = None;
    for mut buffer in buffers {
        let value = value_of(&buffer);
        if let Err(rv) = put(value, &mut buffer)
            && worst.is_none_or(|worst| precedence(rv) < precedence(worst))
        {
            worst = Some(rv);
        }
    }
    worst.map_or(Ok(()), |rv| Err(rv.into()))
}

fn put(value: Result<&Value, Rv>, buffer: &mut AttributeBuffer<'_>) -> Result<(), Rv> {
    let value = value.inspect_err(|_| buffer.set_unavailable())?;
    let written = match (value, value.encode()) {
        (Value::Template(template), _) => buffer.write_template(template),
        (_, Some(bytes)) => buffer.write(&bytes),
        (_, None) => Err(unexpected()),
    };
    written.map_err(|error| error.rv())
}

/// Which of several failures is reported: what can never be had before what a larger buffer would have had.
fn precedence(rv: Rv) -> u8 {
    match rv {
        Rv::AttributeSensitive => 0,
        Rv::AttributeTypeInvalid => 1,
        _ => 2,
    }
}
