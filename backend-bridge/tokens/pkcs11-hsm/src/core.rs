// SPDX-License-Identifier: MIT
//! One token of a vendor's as all slots that show it share it: its connection, its objects, and where it is.

use std::sync::atomic::{
    AtomicBool, AtomicU64, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use std::sync::{Arc, Weak};

use cryptoki_sys as ck;
use keyenclave_model::error::Rv;
use keyenclave_model::mechanism::MechanismInfo;
use keyenclave_model::token::{HandleSource, ObjectId, Role};
use parking_lot::Mutex;

use crate::connection::{Connection, Device};
use crate::ffi::{Answer, Handle, Module, Session};
use crate::heal::loss;
use crate::library::Library;
use crate::login::Credentials;
use crate::objects::{Entry, Objects, TRAITS};
use crate::pool::Lease;
use crate::select::{Candidate, unpadded};
use crate::template::{Attribute, Attributes, read_attributes};
use crate::workers::Workers;

/// See the [module](self).
pub(crate) struct Core {
    pub connection: Connection<VendorToken>,
    pub workers: Workers,
    /// What the token can do, and the phase of the connection in which it said so.
    mechanisms: Mutex<Option<(u64, Vec<MechanismInfo>)>>,
    /// Whether asking for a length ends an operation: known beforehand, or learned.
    size_query_ends: AtomicBool,
    /// How many sessions each of the slots has that show the token.
    sessions: Mutex<Vec<Weak<AtomicUsize>>>,
}

/// A token in a slot of the vendor's.
pub(crate) struct VendorToken {
    pub library: Arc<Library>,
    pub objects: Objects,
    slot: AtomicU64,
    identity: Mutex<Identity>,
}

/// What a token is known by wherever it is.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    serial: Vec<u8>,
    model: Vec<u8>,
    manufacturer: Vec<u8>,
    label: Vec<u8>,
    /// Only where there is no serial number.
    slot: Option<ck::CK_SLOT_ID>,
}

impl Identity {
    pub fn of(slot: ck::CK_SLOT_ID, token: &ck::CK_TOKEN_INFO) -> Self {
        let serial = unpadded(&token.serialNumber);
        // Some vendors give every token the same one.
        let tells = serial.iter().any(|byte| *byte != b'0');
        Self {
            serial: serial.to_vec(),
            model: unpadded(&token.model).to_vec(),
            manufacturer: unpadded(&token.manufacturerID).to_vec(),
            label: unpadded(&token.label).to_vec(),
            slot: (!tells).then_some(slot),
        }
    }
}

/// How many sessions of the vendor's one token uses, where nothing says otherwise.
const SESSIONS: usize = 64;

impl Core {
    /// A token that was found. Opens nothing.
    pub fn new(
        library: Arc<Library>,
        found: &Candidate,
        max_sessions: Option<usize>,
        handles: Arc<HandleSource>,
    ) -> Self {
        let told = usize::try_from(found.token.ulMaxSessionCount).ok();
        // One of them is the anchor.
        let told =
            told.filter(|max| *max > 1 && found.token.ulMaxSessionCount != ck::CK_UNAVAILABLE_INFORMATION);
        let limits = [library.quirks().max_sessions, told]
            .into_iter()
            .flatten()
            .map(|max| max.max(2) - 1);
        let limit = limits.fold(max_sessions.unwrap_or(SESSIONS), usize::min);
        let size_query_ends = AtomicBool::new(library.quirks().size_query_ends);
        let device = VendorToken {
            library,
            objects: Objects::new(handles),
            slot: AtomicU64::new(found.slot_id),
            identity: Mutex::new(Identity::of(found.slot_id, &found.token)),
        };
        Self {
            connection: Connection::new(device, limit),
            workers: Workers::default(),
            mechanisms: Mutex::default(),
            sessions: Mutex::default(),
            size_query_ends,
        }
    }

    /// Whether asking for a length ends an operation.
    pub fn size_query_ends(&self) -> bool {
        self.size_query_ends.load(Relaxed)
    }

    /// It has turned out that it does.
    pub fn note_size_query_ends(&self) {
        self.size_query_ends.store(true, Relaxed);
    }

    /// The token.
    pub fn device(&self) -> &VendorToken {
        &self.connection.device
    }

    /// A slot shows the token, which counts its sessions here.
    pub fn shown_by(&self, sessions: &Arc<AtomicUsize>) {
        let mut slots = self.sessions.lock();
        slots.retain(|slot| slot.strong_count() > 0);
        slots.push(Arc::downgrade(sessions));
    }

    /// How many slots show the token.
    pub fn slots(&self) -> usize {
        let slots = self.sessions.lock();
        slots.iter().filter(|slot| slot.strong_count() > 0).count()
    }

    /// Whether any slot that shows the token has sessions.
    pub fn has_sessions(&self) -> bool {
        let slots = self.sessions.lock();
        slots
            .iter()
            .filter_map(Weak::upgrade)
            .any(|sessions| sessions.load(Acquire) > 0)
    }

    /// Calls the module.
    pub fn call<T>(&self, work: impl FnOnce(&Module) -> Answer<T>) -> Answer<T> {
        self.device().library.call(work)
    }

    /// Its objects.
    pub fn objects(&self) -> &Objects {
        &self.device().objects
    }

    /// The vendor's handle of an object of ours.
    ///
    /// # Errors
    /// `missing` where there is none.
    pub fn handle(&self, lease: &Lease, id: ObjectId, missing: Rv) -> Answer<(Handle, Arc<Entry>)> {
        let find = |template: &_| {
            let template = Attributes::new(template);
            self.call(|module| module.find(lease.session, &template))
        };
        let (handle, entry) = self.objects().resolve(id, lease, missing, find)?;
        if entry.lacks_traits()
            && let Some(read) = self.traits(lease, handle)?
        {
            entry.note(read);
        }
        Ok((handle, entry))
    }

    /// Reads attributes of an object.
    ///
    /// # Errors
    /// What the vendor answers beyond what is said of single attributes.
    pub fn read(
        &self,
        session: Session,
        object: Handle,
        wanted: &[ck::CK_ATTRIBUTE_TYPE],
    ) -> Answer<Vec<Attribute>> {
        read_attributes(wanted, self.device().library.quirks().checks_room, |reading| {
            self.call(|module| module.read(session, object, reading))
        })
    }

    /// Notes what an object is known by. If that cannot be read now, it is not found again after a loss.
    pub fn note(&self, lease: &Lease, handle: Handle, entry: &Entry) {
        if let Ok(Some(read)) = self.traits(lease, handle) {
            entry.note(read);
        }
    }

    /// What an object is known by; `None` where the vendor does not tell.
    ///
    /// # Errors
    /// What shows that the connection is lost: the handle is then no use, and to be found anew.
    pub fn traits(&self, lease: &Lease, handle: Handle) -> Answer<Option<Vec<Attribute>>> {
        match self.read(lease.session, handle, &TRAITS) {
            Ok(read) => Ok(Some(read)),
            Err(rv) if loss(rv, true).is_some() => Err(rv),
            Err(Rv::ObjectHandleInvalid) if self.connection.has_lost_login(lease) => Err(Rv::UserNotLoggedIn),
            Err(_) => Ok(None),
        }
    }

    /// What the token can do; asked for once a connection.
    ///
    /// # Errors
    /// The vendor's.
    pub fn mechanisms(&self) -> Answer<Vec<MechanismInfo>> {
        let phase = self.connection.phase();
        if let Some((of, mechanisms)) = &*self.mechanisms.lock()
            && *of == phase
        {
            return Ok(mechanisms.clone());
        }
        let slot = self.device().slot();
        let mechanisms: Vec<_> = self.call(|module| {
            let told = module.mechanisms(slot)?.into_iter().filter_map(|id| {
                let ask = || module.mechanism_info(slot, id);
                let again = |rv| {
                    if rv == Rv::MechanismInvalid {
                        Err(rv)
                    } else {
                        ask()
                    }
                };
                let info = match ask().or_else(again) {
                    Ok(info) => info,
                    // Not one mechanism is unknown, but the device is gone.
                    Err(rv) if loss(rv, true).is_some() => return Some(Err(rv)),
                    Err(_) => return None,
                };
                Some(Ok(MechanismInfo {
                    id,
                    min_key_size: info.ulMinKeySize,
                    max_key_size: info.ulMaxKeySize,
                    flags: info.flags,
                }))
            });
            told.collect()
        })?;
        *self.mechanisms.lock() = Some((phase, mechanisms.clone()));
        Ok(mechanisms)
    }

    /// What the token could do when it said so last.
    pub fn last_mechanisms(&self) -> Option<Vec<MechanismInfo>> {
        let known = self.mechanisms.lock();
        known.as_ref().map(|(_, mechanisms)| mechanisms.clone())
    }
}

impl Core {
    /// Does on a worker, which may hang, what is otherwise done when the last slot that shows the token is gone. The
    /// worker and that slot have it still.
    pub fn end(self: &Arc<Self>) {
        if Arc::strong_count(self) <= 2 {
            let _ = self.connection.disconnect(None);
            if Arc::strong_count(&self.device().library) == 1 {
                self.device().library.end();
            }
        }
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        self.workers.close();
        // Where the module is not ours to finalise, the application goes on with it.
        let _ = self.connection.disconnect(None);
    }
}

impl VendorToken {
    /// Where it was found last.
    pub fn slot(&self) -> ck::CK_SLOT_ID {
        self.slot.load(Acquire)
    }

    /// Whether this is the one.
    pub fn is(&self, identity: &Identity) -> bool {
        *self.identity.lock() == *identity
    }

    /// Whether it is in its slot now.
    pub fn is_in_slot(&self) -> bool {
        let slot = self.slot();
        let look = || {
            self.library.call(|module| {
                let info = module.slot_info(slot)?;
                if info.flags & ck::CKF_TOKEN_PRESENT == 0 {
                    return Err(Rv::TokenNotPresent);
                }
                module.token_info(slot)
            })
        };
        let token = match look() {
            // Somebody has finalised the module.
            Err(Rv::CryptokiNotInitialized) => self.library.revive(false).and_then(|()| look()),
            seen => seen,
        };
        token.is_ok_and(|token| self.is_same(&Identity::of(slot, &token)))
    }

    /// The same token, whatever its label is now.
    fn is_same(&self, other: &Identity) -> bool {
        let mine = self.identity.lock();
        let same = mine.serial == other.serial
            && mine.model == other.model
            && mine.manufacturer == other.manufacturer;
        same && (mine.slot.is_none() || mine.slot == other.slot || mine.label == other.label)
    }

    /// Takes note of what the token is known by after it was initialised.
    pub fn renew(&self) -> Answer<()> {
        let slot = self.slot();
        let token = self.library.call(|module| module.token_info(slot))?;
        *self.identity.lock() = Identity::of(slot, &token);
        Ok(())
    }
}

impl Device for VendorToken {
    fn locate(&self) -> Answer<()> {
        if self.is_in_slot() {
            return Ok(());
        }
        let mut same = self.library.candidates()?;
        same.retain(|candidate| self.is_same(&Identity::of(candidate.slot_id, &candidate.token)));
        match &same[..] {
            [found] => {
                self.slot.store(found.slot_id, Release);
                Ok(())
            }
            _ => Err(Rv::TokenNotPresent),
        }
    }

    fn open(&self, writable: bool) -> Answer<Session> {
        let slot = self.slot();
        self.library.call(|module| module.open_session(slot, writable))
    }

    fn close(&self, session: Session) -> Answer<()> {
        self.objects.hidden.end(session, || {
            self.library.call(|module| module.close_session(session))
        })
    }

    fn log_in(&self, session: Session, with: &Credentials<'_>) -> Answer<()> {
        let user = match with.role {
            Role::User => ck::CKU_USER,
            Role::So => ck::CKU_SO,
        };
        self.library.call_to_log_in(|module| match with.name {
            [] => module.login(session, user, with.pin),
            name => module.login_user(session, user, with.pin, name),
        })
    }

    fn log_out(&self, session: Session) -> Answer<()> {
        self.library.call_to_log_in(|module| module.logout(session))
    }

    fn is_alive(&self, session: Session) -> bool {
        let answer = self.library.call(|module| module.session_info(session).map(drop));
        self.library.quirks().proves_life(answer)
    }

    fn revive(&self) -> Answer<()> {
        self.library.revive(false)
    }

    fn restart(&self) -> Answer<bool> {
        self.library.restart(1)
    }

    fn may_have_our_login(&self) -> bool {
        self.library.may_have_our_login()
    }

    fn lost(&self, lease: Option<&Lease>) {
        match lease {
            Some(lease) => self.objects.lose_session(lease),
            None => self.objects.lose(),
        }
    }

    fn is_logged_out(&self, session: Session) -> bool {
        let info = self.library.call(|module| module.session_info(session));
        info.is_ok_and(|info| matches!(info.state, ck::CKS_RO_PUBLIC_SESSION | ck::CKS_RW_PUBLIC_SESSION))
    }

    fn login_was_repeated(&self) {
        self.objects.lose_private();
    }

    fn starts(&self) -> u64 {
        self.library.starts()
    }

    fn login_is_over(&self) {
        self.objects.log_out();
    }
}
