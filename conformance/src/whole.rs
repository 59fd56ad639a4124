// SPDX-License-Identifier: MIT
//! Whole operations: the calls that belong together, with the two-call rule for lengths checked each time.

use crate::module::{Attr, Mech, Module, Out, Want, Written};
use crate::place::is_keyenclave;
use crate::rv::Rv;
use cryptoki_sys::*;

/// Asks for the length, offers one byte too little, then calls for real (specification, section 5.2).
///
/// Without the short buffer for a module that is known to be wrong about those.
pub fn two_calls(call: impl FnMut(Out<'_>) -> Written) -> Result<Vec<u8>, Rv> {
    calls(call, crate::tested::short_buffers())
}

/// The same with the short buffer whatever is known: neither the question nor the short buffer may end the operation,
/// and both tell a length that suffices.
pub fn short_buffer_first(call: impl FnMut(Out<'_>) -> Written) -> Result<Vec<u8>, Rv> {
    calls(call, true)
}

fn calls(mut call: impl FnMut(Out<'_>) -> Written, short_first: bool) -> Result<Vec<u8>, Rv> {
    let asked = call(Out::Size);
    asked.rv.ok()?;
    let needed = usize::try_from(asked.len).expect("a length");
    if needed > 0 && short_first {
        let mut short = vec![0; needed - 1];
        let told = call(Out::Room(&mut short));
        if told.rv == Rv::OK {
            // The first answer was an upper bound, as the specification allows, and this was room enough.
            short.truncate(usize::try_from(told.len).expect("a length"));
            return Ok(short);
        }
        if told.rv != CKR_BUFFER_TOO_SMALL {
            return Err(told.rv);
        }
        // The specification leaves open what is in it then; ours writes nothing.
        assert!(
            short.iter().all(|byte| *byte == 0) || !is_keyenclave(),
            "a short buffer was written to"
        );
        assert!(
            told.len <= asked.len && told.len >= asked.len.min(1),
            "a short buffer was told {}",
            told.len
        );
    }
    let mut room = vec![0; needed];
    let done = call(Out::Room(&mut room));
    done.rv.ok()?;
    let len = usize::try_from(done.len).expect("a length");
    assert!(len <= needed, "{needed} bytes were announced, {len} came");
    room.truncate(len);
    Ok(room)
}

impl Module {
    /// Signs in one part.
    pub fn sign(
        &self,
        s: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_ULONG,
        data: &[u8],
    ) -> Result<Vec<u8>, Rv> {
        self.sign_init(s, mech, key).ok()?;
        two_calls(|out| self.sign_into(s, data, out))
    }

    /// Signs in parts of `part` bytes.
    pub fn sign_parts(
        &self,
        s: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_ULONG,
        data: &[u8],
        part: usize,
    ) -> Result<Vec<u8>, Rv> {
        self.sign_init(s, mech, key).ok()?;
        data.chunks(part)
            .try_for_each(|chunk| self.sign_update(s, chunk).ok())?;
        two_calls(|out| self.sign_final_into(s, out))
    }

    /// Verifies in one part.
    pub fn check(
        &self,
        s: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_ULONG,
        data: &[u8],
        signature: &[u8],
    ) -> Rv {
        match self.verify_init(s, mech, key) {
            Rv::OK => self.verify(s, data, signature),
            refused => refused,
        }
    }

    /// Verifies in parts of `part` bytes.
    pub fn check_parts(
        &self,
        s: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_ULONG,
        (data, part): (&[u8], usize),
        signature: &[u8],
    ) -> Result<(), Rv> {
        self.verify_init(s, mech, key).ok()?;
        data.chunks(part)
            .try_for_each(|chunk| self.verify_update(s, chunk).ok())?;
        self.verify_final(s, signature).ok()
    }

    /// Encrypts in one part.
    pub fn encrypt(
        &self,
        s: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_ULONG,
        data: &[u8],
    ) -> Result<Vec<u8>, Rv> {
        self.encrypt_init(s, mech, key).ok()?;
        two_calls(|out| self.encrypt_into(s, data, out))
    }

    /// Decrypts in one part.
    pub fn decrypt(
        &self,
        s: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_ULONG,
        data: &[u8],
    ) -> Result<Vec<u8>, Rv> {
        self.decrypt_init(s, mech, key).ok()?;
        two_calls(|out| self.decrypt_into(s, data, out))
    }

    /// Encrypts in parts of `part` bytes.
    pub fn encrypt_parts(
        &self,
        s: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_ULONG,
        data: &[u8],
        part: usize,
    ) -> Result<Vec<u8>, Rv> {
        self.encrypt_init(s, mech, key).ok()?;
        let mut all = Vec::new();
        for chunk in data.chunks(part) {
            all.extend(two_calls(|out| self.encrypt_update_into(s, chunk, out))?);
        }
        all.extend(two_calls(|out| self.encrypt_final_into(s, out))?);
        Ok(all)
    }

    /// Decrypts in parts of `part` bytes.
    pub fn decrypt_parts(
        &self,
        s: CK_SESSION_HANDLE,
        mech: impl Into<Mech>,
        key: CK_ULONG,
        data: &[u8],
        part: usize,
    ) -> Result<Vec<u8>, Rv> {
        self.decrypt_init(s, mech, key).ok()?;
        let mut all = Vec::new();
        for chunk in data.chunks(part) {
            all.extend(two_calls(|out| self.decrypt_update_into(s, chunk, out))?);
        }
        all.extend(two_calls(|out| self.decrypt_final_into(s, out))?);
        Ok(all)
    }

    /// Digests in one part.
    pub fn digest(&self, s: CK_SESSION_HANDLE, mech: impl Into<Mech>, data: &[u8]) -> Result<Vec<u8>, Rv> {
        self.digest_init(s, mech).ok()?;
        two_calls(|out| self.digest_into(s, data, out))
    }

    /// Every object that matches, found three at a time.
    pub fn find(&self, s: CK_SESSION_HANDLE, attrs: &[Attr]) -> Result<Vec<CK_OBJECT_HANDLE>, Rv> {
        self.find_init(s, attrs).ok()?;
        let mut all = Vec::new();
        loop {
            let found = self.find_next(s, 3)?;
            if found.is_empty() {
                break;
            }
            all.extend(found);
        }
        self.find_final(s).ok()?;
        Ok(all)
    }

    /// One attribute's value.
    pub fn read(
        &self,
        s: CK_SESSION_HANDLE,
        object: CK_ULONG,
        kind: CK_ATTRIBUTE_TYPE,
    ) -> Result<Vec<u8>, Rv> {
        let mut asked = [Want::length(kind)];
        self.attribute_values(s, object, &mut asked).ok()?;
        let [asked] = asked;
        let mut wants = [Want::value(kind, usize::try_from(asked.len).expect("a length"))];
        self.attribute_values(s, object, &mut wants).ok()?;
        let [want] = wants;
        Ok(want.room.unwrap_or_default())
    }

    /// One attribute's value as a number.
    pub fn read_number(
        &self,
        s: CK_SESSION_HANDLE,
        object: CK_ULONG,
        kind: CK_ATTRIBUTE_TYPE,
    ) -> Result<CK_ULONG, Rv> {
        let bytes = self.read(s, object, kind)?;
        Ok(CK_ULONG::from_ne_bytes(
            bytes.as_slice().try_into().expect("eight bytes"),
        ))
    }

    /// One attribute's value as a flag.
    pub fn read_flag(
        &self,
        s: CK_SESSION_HANDLE,
        object: CK_ULONG,
        kind: CK_ATTRIBUTE_TYPE,
    ) -> Result<bool, Rv> {
        Ok(self.read(s, object, kind)? == [CK_TRUE])
    }
}
