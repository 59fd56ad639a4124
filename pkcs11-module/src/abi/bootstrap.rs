// SPDX-License-Identifier: MIT
//! The arguments of the functions that work before `C_Initialize`, and of `C_Initialize` itself.

use std::ffi::CStr;
use std::marker::PhantomData;

use cryptoki_sys as ck;
use keyenclave_model::error::{Error, Result, Rv};

use super::values::read;

/// `pInitArgs`: a `CK_C_INITIALIZE_ARGS`, or null for an application with one thread.
pub struct InitializeArgs<'a> {
    ptr: *const ck::CK_C_INITIALIZE_ARGS,
    memory: PhantomData<&'a ck::CK_C_INITIALIZE_ARGS>,
}

impl InitializeArgs<'_> {
    /// The structure at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read during `'a`, and nobody writes there meanwhile.
    pub unsafe fn new(ptr: ck::CK_VOID_PTR) -> Self {
        Self {
            ptr: ptr.cast_const().cast(),
            memory: PhantomData,
        }
    }

    /// Whether the application forbids threads of our own (`CKF_LIBRARY_CANT_CREATE_OS_THREADS`).
    ///
    /// We lock with what the operating system has. That is what null callbacks, and `CKF_OS_LOCKING_OK` with or
    /// without callbacks, allow (PKCS#11 3.2, section 5.4.1).
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for some of the callbacks but not all, and for a `pReserved` that is not null, of which
    /// nothing else is known and which is therefore not looked at; `CKR_CANT_LOCK` if only the callbacks may lock.
    pub fn cannot_create_threads(&self) -> Result<bool> {
        // SAFETY: as promised to `new`.
        let Some(args) = (unsafe { read(self.ptr) }) else {
            return Ok(false);
        };
        if !args.pReserved.is_null() {
            return Err(Error::new(
                Rv::ArgumentsBad,
                "pReserved is not null, and nothing is expected there",
            ));
        }
        let callbacks = [
            args.CreateMutex.is_some(),
            args.DestroyMutex.is_some(),
            args.LockMutex.is_some(),
            args.UnlockMutex.is_some(),
        ];
        match callbacks {
            [false, false, false, false] => {}
            [true, true, true, true] if args.flags & ck::CKF_OS_LOCKING_OK != 0 => {}
            [true, true, true, true] => {
                let detail = "the application locks by callbacks and does not set CKF_OS_LOCKING_OK";
                return Err(Error::new(Rv::CantLock, detail));
            }
            _ => {
                return Err(Error::new(
                    Rv::ArgumentsBad,
                    "some of the mutex callbacks are given, but not all",
                ));
            }
        }
        Ok(args.flags & ck::CKF_LIBRARY_CANT_CREATE_OS_THREADS != 0)
    }
}

/// A name that may be given, ending with a NUL.
pub struct Name<'a> {
    ptr: *const ck::CK_UTF8CHAR,
    memory: PhantomData<&'a CStr>,
}

impl Name<'_> {
    /// The name at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read up to a NUL during `'a`, and nobody writes there meanwhile.
    pub unsafe fn new(ptr: *const ck::CK_UTF8CHAR) -> Self {
        Self {
            ptr,
            memory: PhantomData,
        }
    }

    /// Whether a name is given.
    ///
    /// # Errors
    /// `CKR_ARGUMENTS_BAD` for null.
    pub fn check(&self) -> Result<()> {
        if self.ptr.is_null() {
            return Err(Rv::ArgumentsBad.into());
        }
        Ok(())
    }

    /// Whether it is this one, which is given without its NUL. No further is read than to the first difference.
    pub fn is(&self, name: &[u8]) -> bool {
        let same = |(index, byte)| {
            // SAFETY: all bytes before were equal, so none was the NUL: this one can be read, as promised to `new`.
            let given = unsafe { read(self.ptr.wrapping_add(index)) };
            given == Some(byte)
        };
        name.iter().copied().chain([0]).enumerate().all(same)
    }

    /// Whether it is this one, or none is given.
    pub fn allows(&self, name: &CStr) -> bool {
        self.ptr.is_null() || self.is(name.to_bytes())
    }
}

/// A structure that may be given.
pub struct Given<'a, T> {
    ptr: *const T,
    memory: PhantomData<&'a T>,
}

impl<T: Copy> Given<'_, T> {
    /// The structure at `ptr`.
    ///
    /// # Safety
    /// A `ptr` that is not null can be read during `'a`, nobody writes there meanwhile, and every bit pattern is a
    /// `T`.
    pub unsafe fn new(ptr: *const T) -> Self {
        Self {
            ptr,
            memory: PhantomData,
        }
    }

    /// What is given.
    pub fn value(&self) -> Option<T> {
        // SAFETY: as promised to `new`.
        unsafe { read(self.ptr) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::c_void;

    unsafe extern "C" fn mutex(_: *mut c_void) -> ck::CK_RV {
        ck::CKR_OK
    }

    unsafe extern "C" fn create(_: *mut *mut c_void) -> ck::CK_RV {
        ck::CKR_OK
    }

    fn checked(mut args: ck::CK_C_INITIALIZE_ARGS) -> Result<bool, Rv> {
        // SAFETY: it outlives the call.
        let args = unsafe { InitializeArgs::new((&raw mut args).cast()) };
        args.cannot_create_threads().map_err(|error| error.rv())
    }

    fn callbacks(flags: ck::CK_FLAGS) -> ck::CK_C_INITIALIZE_ARGS {
        ck::CK_C_INITIALIZE_ARGS {
            CreateMutex: Some(create),
            DestroyMutex: Some(mutex),
            LockMutex: Some(mutex),
            UnlockMutex: Some(mutex),
            flags,
            pReserved: std::ptr::null_mut(),
        }
    }

    #[test]
    fn callbacks_come_all_together_or_not_at_all() {
        assert_eq!(checked(callbacks(ck::CKF_OS_LOCKING_OK)), Ok(false));
        assert_eq!(checked(callbacks(0)), Err(Rv::CantLock));
        let some = ck::CK_C_INITIALIZE_ARGS {
            LockMutex: None,
            ..callbacks(ck::CKF_OS_LOCKING_OK)
        };
        assert_eq!(checked(some), Err(Rv::ArgumentsBad));
        assert_eq!(checked(ck::CK_C_INITIALIZE_ARGS::default()), Ok(false));
    }

    #[test]
    fn the_wish_for_no_threads_is_seen() {
        let flags = ck::CKF_OS_LOCKING_OK | ck::CKF_LIBRARY_CANT_CREATE_OS_THREADS;
        assert_eq!(
            checked(ck::CK_C_INITIALIZE_ARGS {
                flags,
                ..Default::default()
            }),
            Ok(true)
        );
    }

    #[test]
    fn a_reserved_pointer_is_refused_and_not_followed() {
        let wild = std::ptr::without_provenance_mut(1);
        let args = ck::CK_C_INITIALIZE_ARGS {
            pReserved: wild,
            ..Default::default()
        };
        assert_eq!(checked(args), Err(Rv::ArgumentsBad));
    }

    #[test]
    fn a_name_is_read_no_further_than_it_matches() {
        let allows = |given: &[u8]| {
            // SAFETY: each of them ends with a NUL or differs before its end.
            unsafe { Name::new(given.as_ptr()) }.allows(c"PKCS 11")
        };
        assert!(allows(b"PKCS 11\0"));
        assert!(!allows(b"PKCS 11 \0"));
        assert!(!allows(b"PKCS 1\0"));
        assert!(!allows(b"P\0"));
        assert!(!allows(b"X"));
        // SAFETY: null is not read.
        assert!(unsafe { Name::new(std::ptr::null()) }.allows(c"PKCS 11"));
    }
}
