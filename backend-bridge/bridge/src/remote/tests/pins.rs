// SPDX-License-Identifier: MIT
//! The slot's own PIN: hashed in the configuration, wrong ones counted.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Condvar, Mutex};

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

/// Looks at no PIN before so many are to be looked at.
#[derive(Default)]
struct Crowd {
    came: Mutex<u32>,
    changed: Condvar,
}

struct Crowded(Arc<Crowd>, u32);

impl PinCheck for Crowded {
    fn check(&self, pin: Pin<'_>) -> Result<()> {
        let Self(crowd, size) = self;
        let mut came = crowd.came.lock().unwrap();
        *came += 1;
        crowd.changed.notify_all();
        drop(crowd.changed.wait_while(came, |came| *came < *size).unwrap());
        OnlyPin(b"1234").check(pin)
    }
}

/// Sixteen right PINs at once, of which `size` are counted before the first is found right.
fn all_get_in(benches: &[Bench]) {
    std::thread::scope(|scope| {
        let tries: Vec<_> = (0..16)
            .map(|number| &benches[number % benches.len()])
            .map(|bench| scope.spawn(|| bench.log_in(b"1234")))
            .collect();
        let outcomes: Vec<_> = tries.into_iter().map(|one| one.join().unwrap()).collect();
        assert_eq!(outcomes, [None; 16]);
    });
}

#[test]
fn sixteen_processes_that_log_in_at_once_with_the_right_pin_all_get_in() {
    let home = tempfile::tempdir().unwrap();
    let crowd = Arc::<Crowd>::default();
    let bench = |_| with_pin(Crowded(Arc::clone(&crowd), 10), Some(home.path()));
    let benches: Vec<_> = (0..16).map(bench).collect();
    all_get_in(&benches);
    assert_eq!(benches[0].flags(), 0);
}

#[test]
fn sixteen_threads_that_log_in_at_once_with_the_right_pin_all_get_in() {
    let bench = with_pin(Crowded(Arc::default(), FREE_HERE), None);
    all_get_in(std::slice::from_ref(&bench));
    assert_eq!(bench.flags(), 0);
}

/// How many wrong PINs a process takes without a pause.
const FREE_HERE: u32 = 3;

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
