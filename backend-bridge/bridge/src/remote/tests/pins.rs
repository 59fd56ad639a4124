// SPDX-License-Identifier: MIT
//! The slot's own PIN: hashed in the configuration, wrong ones counted.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};

use keyenclave_soft::sealer::DEFAULT_LIMIT;

use super::*;

/// A cheap stand-in for a hash, with a limit.
struct Limited(&'static [u8], u32);

impl PinCheck for Limited {
    fn check(&self, pin: Pin<'_>) -> Result<()> {
        OnlyPin(self.0).check(pin)
    }

    fn id(&self) -> &[u8] {
        self.0
    }

    fn limit(&self) -> u32 {
        self.1
    }
}

fn with_pin(check: impl PinCheck + 'static, directory: Option<&Path>) -> Bench {
    bench_beside(
        Arc::new(MemoryService::new(1)),
        Settings::default(),
        Some(Arc::new(check)),
        directory,
    )
}

impl Bench {
    fn log_in(&self, pin: &[u8]) -> Option<Rv> {
        rv(self.run(Work::Login {
            role: Role::User,
            pin: Pin(pin),
        }))
    }

    fn flags(&self) -> ck::CK_FLAGS {
        let about_pins = ck::CKF_USER_PIN_COUNT_LOW | ck::CKF_USER_PIN_FINAL_TRY | ck::CKF_USER_PIN_LOCKED;
        self.token.info().unwrap().flags & about_pins
    }
}

#[test]
fn a_hashed_pin_lets_its_pin_in_and_no_other() {
    let text = HashedPin::hash(Pin(b"1234")).unwrap();
    let bench = with_pin(HashedPin::parse(&text).unwrap(), None);
    assert_eq!(bench.log_in(b"4321"), Some(Rv::PinIncorrect));
    assert_eq!(bench.log_in(b"1234"), None);
    assert_eq!(bench.flags(), 0);
    assert!(HashedPin::parse("1234").is_err());
}

#[test]
fn wrong_pins_are_counted_for_all_processes_and_lock_until_another_pin_is_configured() {
    let home = tempfile::tempdir().unwrap();
    let bench = |pin| with_pin(Limited(pin, 3), Some(home.path()));
    let (one, other) = (bench(b"1234"), bench(b"1234"));
    assert_eq!(one.flags(), 0);
    assert_eq!(one.log_in(b"4321"), Some(Rv::PinIncorrect));
    assert_eq!(other.flags(), ck::CKF_USER_PIN_COUNT_LOW);
    assert_eq!(other.log_in(b"1234"), None);
    assert_eq!(one.flags(), 0);
    for bench in [&one, &other] {
        assert_eq!(bench.log_in(b"4321"), Some(Rv::PinIncorrect));
    }
    assert_eq!(
        one.flags(),
        ck::CKF_USER_PIN_COUNT_LOW | ck::CKF_USER_PIN_FINAL_TRY
    );
    assert_eq!(one.log_in(b"4321"), Some(Rv::PinIncorrect));
    assert_eq!(other.log_in(b"1234"), Some(Rv::PinLocked));
    assert_eq!(
        other.flags(),
        ck::CKF_USER_PIN_COUNT_LOW | ck::CKF_USER_PIN_LOCKED
    );
    let new = bench(b"5678");
    assert_eq!(new.flags(), 0);
    assert_eq!(new.log_in(b"5678"), None);
}

#[test]
fn without_a_sidecar_a_process_refuses_to_try_after_three_wrong_pins() {
    let bench = with_pin(OnlyPin(b"1234"), None);
    for _ in 0..3 {
        assert_eq!(bench.log_in(b"4321"), Some(Rv::PinIncorrect));
    }
    assert_eq!(bench.log_in(b"1234"), Some(Rv::PinLocked));
    assert_eq!(
        bench.flags(),
        ck::CKF_USER_PIN_COUNT_LOW | ck::CKF_USER_PIN_LOCKED
    );
}

#[test]
fn a_damaged_count_lets_nobody_in() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(
        with_pin(OnlyPin(b"1234"), Some(home.path())).log_in(b"1234"),
        None
    );
    fs::write(home.path().join("sidecar.key"), [0; 32]).unwrap();
    let bench = with_pin(OnlyPin(b"1234"), Some(home.path()));
    assert_eq!(bench.log_in(b"1234"), Some(Rv::DeviceError));
}

/// What others may write to is not used: as good as read-only, and the same for every user that runs this.
fn forbid_writing(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_pin_that_was_locked_stays_locked_out_when_the_sidecar_becomes_read_only() {
    let home = tempfile::tempdir().unwrap();
    let bench = || with_pin(Limited(b"1234", 1), Some(home.path()));
    assert_eq!(bench().log_in(b"4321"), Some(Rv::PinIncorrect));
    forbid_writing(&home.path().join("sidecar.db"), 0o666);
    for pin in [b"4321", b"1234"] {
        assert_eq!(bench().log_in(pin), Some(Rv::DeviceError));
    }
}

#[test]
fn a_sidecar_that_became_read_only_lets_nobody_in_though_nothing_was_locked() {
    let home = tempfile::tempdir().unwrap();
    let bench = || with_pin(OnlyPin(b"1234"), Some(home.path()));
    assert_eq!(bench().log_in(b"1234"), None);
    forbid_writing(&home.path().join("sidecar.db"), 0o666);
    let login = Work::Login {
        role: Role::User,
        pin: Pin(b"1234"),
    };
    let error = bench().run(login).err().unwrap();
    assert_eq!(error.rv(), Rv::DeviceError);
    assert!(error.detail().unwrap().contains("sidecar.db"), "{error}");
}

#[test]
fn a_process_counts_for_itself_where_there_is_no_store_and_none_may_be_made() {
    let home = tempfile::tempdir().unwrap();
    forbid_writing(home.path(), 0o777);
    let bench = with_pin(OnlyPin(b"1234"), Some(home.path()));
    for _ in 0..3 {
        assert_eq!(bench.log_in(b"4321"), Some(Rv::PinIncorrect));
    }
    assert_eq!(bench.log_in(b"1234"), Some(Rv::PinLocked));
    assert!(!home.path().join("sidecar.db").exists());
}

/// So many right PINs at once: more than are let wrong ones through, with a sidecar or without.
const CROWD: usize = 16;

/// Looks at no PIN before each of the crowd has met the count: it was counted, or found no try left.
#[derive(Default)]
struct Crowd {
    seen: Mutex<Seen>,
    changed: Condvar,
}

#[derive(Default)]
struct Seen {
    asked: BTreeSet<usize>,
    met: BTreeSet<usize>,
    /// Those of them that found no try left.
    refused: BTreeSet<usize>,
}

impl Seen {
    fn meets(&mut self, member: usize) {
        self.met.insert(member);
    }
}

thread_local! {
    /// Which one of the crowd this thread is.
    static MEMBER: Cell<usize> = const { Cell::new(usize::MAX) };
}

impl Crowd {
    fn note(&self, what: impl FnOnce(&mut Seen, usize)) -> MutexGuard<'_, Seen> {
        let mut seen = self.seen.lock().unwrap();
        what(&mut seen, MEMBER.get());
        self.changed.notify_all();
        seen
    }

    /// One of them: how its login ends.
    fn member(&self, number: usize, bench: &Bench) -> Option<Rv> {
        MEMBER.set(number);
        let outcome = bench.log_in(b"1234");
        // Nobody waits for one that was sent away.
        drop(self.note(Seen::meets));
        outcome
    }
}

struct Crowded(Arc<Crowd>);

impl PinCheck for Crowded {
    fn check(&self, pin: Pin<'_>) -> Result<()> {
        let Self(crowd) = self;
        let seen = crowd.note(Seen::meets);
        let all_met = crowd.changed.wait_while(seen, |seen| seen.met.len() < CROWD);
        drop(all_met.unwrap());
        OnlyPin(b"1234").check(pin)
    }

    /// It is asked for once each time that a try is to be counted.
    fn limit(&self) -> u32 {
        drop(self.0.note(|seen, member| {
            if !seen.asked.insert(member) {
                seen.meets(member);
                seen.refused.insert(member);
            }
        }));
        DEFAULT_LIMIT
    }
}

/// All get in, though the first PIN is not looked at before `refused` of them have found no try left.
fn all_get_in(crowd: &Crowd, benches: &[Bench], refused: usize) {
    for bench in benches {
        assert_eq!(bench.flags(), 0, "the sidecar is open before the crowd comes");
    }
    std::thread::scope(|scope| {
        let tries: Vec<_> = (0..CROWD)
            .map(|number| (number, &benches[number % benches.len()]))
            .map(|(number, bench)| scope.spawn(move || crowd.member(number, bench)))
            .collect();
        let outcomes: Vec<_> = tries.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(outcomes, [None; CROWD]);
    });
    assert!(crowd.seen.lock().unwrap().refused.len() >= refused);
    assert_eq!(benches[0].flags(), 0);
}

#[test]
fn sixteen_processes_that_log_in_at_once_with_the_right_pin_all_get_in() {
    let home = tempfile::tempdir().unwrap();
    // The count is there, and is nobody's to make.
    assert_eq!(
        with_pin(OnlyPin(b"1234"), Some(home.path())).log_in(b"1234"),
        None
    );
    let crowd = Arc::<Crowd>::default();
    let bench = |_| with_pin(Crowded(Arc::clone(&crowd)), Some(home.path()));
    let benches: Vec<_> = (0..CROWD).map(bench).collect();
    all_get_in(&crowd, &benches, CROWD - DEFAULT_LIMIT as usize);
}

#[test]
fn sixteen_threads_that_log_in_at_once_with_the_right_pin_all_get_in() {
    let home = tempfile::tempdir().unwrap();
    // The process counts for itself, and still asks first whether it may count durably.
    forbid_writing(home.path(), 0o777);
    let crowd = Arc::<Crowd>::default();
    let bench = with_pin(Crowded(Arc::clone(&crowd)), Some(home.path()));
    all_get_in(&crowd, std::slice::from_ref(&bench), 1);
}

/// Cannot look at PINs so many times.
struct Failing(AtomicU32);

impl PinCheck for Failing {
    fn check(&self, pin: Pin<'_>) -> Result<()> {
        let left = self.0.load(Ordering::SeqCst);
        self.0.store(left.saturating_sub(1), Ordering::SeqCst);
        match left {
            0 => OnlyPin(b"1234").check(pin),
            _ => Err(Rv::HostMemory.into()),
        }
    }

    fn limit(&self) -> u32 {
        2
    }
}

#[test]
fn a_pin_that_could_not_be_looked_at_is_not_a_wrong_one() {
    let home = tempfile::tempdir().unwrap();
    for directory in [None, Some(home.path())] {
        let bench = with_pin(Failing(AtomicU32::new(6)), directory);
        for _ in 0..6 {
            assert_eq!(bench.log_in(b"1234"), Some(Rv::HostMemory));
        }
        assert_eq!(bench.flags(), 0);
        assert_eq!(bench.log_in(b"4321"), Some(Rv::PinIncorrect));
        assert_eq!(bench.log_in(b"1234"), None);
    }
}

#[test]
fn the_tokens_flags_say_what_is_so() {
    let plain = bench().token.info().unwrap();
    let always = ck::CKF_RNG
        | ck::CKF_TOKEN_INITIALIZED
        | ck::CKF_RESTORE_KEY_NOT_NEEDED
        | ck::CKF_ASYNC_SESSION_SUPPORTED;
    assert_eq!(
        (plain.flags, plain.min_pin_len, plain.max_pin_len),
        (always, 0, 255)
    );
    let guarded = with_pin(OnlyPin(b"1234"), None).token.info().unwrap();
    assert_eq!(
        guarded.flags,
        always | ck::CKF_LOGIN_REQUIRED | ck::CKF_USER_PIN_INITIALIZED
    );
    assert_eq!((guarded.min_pin_len, guarded.max_pin_len), (4, 255));
}
