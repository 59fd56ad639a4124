// SPDX-License-Identifier: MIT
//! Session management functions (PKCS#11 3.2, section 5.6).

use std::sync::Arc;
use std::sync::atomic::Ordering;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::token::{Role, SessionId, Work};

use super::slots::read_pin;
use crate::abi::values::{Input, Place};
use crate::library::Library;
use crate::session::activity::Activity;
use crate::session::table::Session;

/// `C_OpenSession`.
pub fn open_session(
    lib: &Library,
    slot: ck::CK_SLOT_ID,
    flags: ck::CK_FLAGS,
    mut handle: Place<'_, ck::CK_SESSION_HANDLE>,
) -> Result<()> {
    let (place, slot) = lib.slot(slot)?;
    handle.check()?;
    if flags & ck::CKF_SERIAL_SESSION == 0 {
        return Err(Rv::SessionParallelNotSupported.into());
    }
    if flags & ck::CKF_ASYNC_SESSION != 0 && slot.token.info()?.flags & ck::CKF_ASYNC_SESSION_SUPPORTED == 0 {
        return Err(Rv::SessionAsyncNotSupported.into());
    }
    if flags & !(ck::CKF_SERIAL_SESSION | ck::CKF_RW_SESSION | ck::CKF_ASYNC_SESSION) != 0 {
        return Err(Error::new(
            Rv::ArgumentsBad,
            "C_OpenSession does not know one of the flags",
        ));
    }
    slot.check_epoch();
    let writable = flags & ck::CKF_RW_SESSION != 0;
    slot.open(writable)?;
    let id = SessionId(lib.next_handle());
    slot.token.open_session(id);
    lib.sessions().insert(id, place, flags);
    handle.set(id.0);
    Ok(())
}

/// `C_CloseSession`.
pub fn close_session(lib: &Library, session: SessionId) -> Result<()> {
    close(lib, lib.sessions().remove(session)?)
}

/// `C_CloseAllSessions`.
pub fn close_all_sessions(lib: &Library, slot: ck::CK_SLOT_ID) -> Result<()> {
    let (place, _) = lib.slot(slot)?;
    lib.sessions()
        .remove_all(place)
        .into_iter()
        .try_for_each(|session| close(lib, session))
}

/// `C_GetSessionInfo`.
pub fn get_session_info(
    lib: &Library,
    session: SessionId,
    mut info: Place<'_, ck::CK_SESSION_INFO>,
) -> Result<()> {
    let caller = lib.session(session)?;
    info.check()?;
    let session = &caller.session;
    let flag = |set, flag| if set { flag } else { 0 };
    info.set(ck::CK_SESSION_INFO {
        slotID: caller.slot.id,
        state: caller.slot.access(session.writable).state(),
        flags: ck::CKF_SERIAL_SESSION
            | flag(session.writable, ck::CKF_RW_SESSION)
            | flag(session.asynchronous, ck::CKF_ASYNC_SESSION),
        ulDeviceError: caller.session.device_error.load(Ordering::Relaxed).into(),
    });
    Ok(())
}

/// `C_GetSessionValidationFlags`: of the last operation of this session.
pub fn validation_flags(
    lib: &Library,
    session: SessionId,
    kind: ck::CK_SESSION_VALIDATION_FLAGS_TYPE,
    mut flags: Place<'_, ck::CK_FLAGS>,
) -> Result<()> {
    let caller = lib.session(session)?;
    flags.check()?;
    flags.set(caller.slot.token.validation_flags(&caller.call(), kind)?);
    Ok(())
}

/// `C_SessionCancel`: ends the operations that the flags name.
pub fn session_cancel(lib: &Library, session: SessionId, flags: ck::CK_FLAGS) -> Result<()> {
    let caller = lib.session(session)?;
    let mut ended = Vec::new();
    let mut operations = caller.session.operations.lock();
    if flags & ck::CKF_FIND_OBJECTS != 0 {
        operations.end_search(caller.slot.login_number());
    }
    let result = Activity::all()
        .filter(|activity| flags & activity.flag() != 0)
        .try_for_each(|activity| {
            ended.extend(operations.cancel(activity)?);
            Ok(())
        });
    // Operations are dropped, their keys wiped and their work cancelled, outside the lock.
    drop(operations);
    drop(ended);
    result
}

/// `C_Login`.
pub fn login(lib: &Library, session: SessionId, user: ck::CK_USER_TYPE, pin: Input<'_>) -> Result<()> {
    log_in(lib, session, user, &pin, &[])
}

/// `C_LoginUser`.
pub fn login_user(
    lib: &Library,
    session: SessionId,
    user: ck::CK_USER_TYPE,
    pin: Input<'_>,
    username: Input<'_>,
) -> Result<()> {
    lib.check_session(session)?;
    log_in(lib, session, user, &pin, username.bytes()?)
}

fn log_in(
    lib: &Library,
    session: SessionId,
    user: ck::CK_USER_TYPE,
    pin: &Input<'_>,
    name: &[u8],
) -> Result<()> {
    let caller = lib.session(session)?;
    let role = match user {
        ck::CKU_USER => Role::User,
        ck::CKU_SO => Role::So,
        ck::CKU_CONTEXT_SPECIFIC => {
            let pin = read_pin(caller.slot, pin)?;
            return caller.run(Work::Authenticate(pin)).map(drop);
        }
        _ => return Err(Rv::UserTypeInvalid.into()),
    };
    let pin = read_pin(caller.slot, pin)?;
    let writable = caller.session.writable;
    caller.slot.login_user(session, writable, (role, name), pin)
}

/// `C_Logout`. What the sessions of the token had under way ends, since the keys are out of reach.
pub fn logout(lib: &Library, session: SessionId) -> Result<()> {
    let caller = lib.session(session)?;
    let outcome = caller.slot.logout();
    let login = caller.slot.login_number();
    for session in lib.sessions().of_slot(caller.session.slot) {
        let ended = session.operations.lock().end_stale(login);
        drop(ended);
    }
    outcome
}

/// Closes a session that has been taken out of the table: its operations and objects end, then the session counts
/// no more.
fn close(lib: &Library, session: Arc<Session>) -> Result<()> {
    let slot = lib.slot_of(&session)?;
    let ended = session.operations.lock().close();
    drop(ended);
    slot.token.close_session(session.id);
    slot.closed(session.writable);
    Ok(())
}
