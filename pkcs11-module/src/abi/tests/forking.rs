// SPDX-License-Identifier: MIT
//! Running a part of a test in a forked child.

/// How long a child may take before it is killed, in seconds.
const CHILD_SECONDS: u32 = 20;

/// Whether `body` holds in a forked child. A panic there is printed and counts as no, and so does a child that hangs.
pub(crate) fn in_child(body: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child runs `body`, which uses atomics and memory only, and ends without running destructors.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "cannot fork");
    if child == 0 {
        // SAFETY: no preconditions.
        unsafe { libc::alarm(CHILD_SECONDS) };
        let holds = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(false);
        // SAFETY: no preconditions.
        unsafe { libc::_exit(i32::from(!holds)) };
    }
    let mut status = 0;
    // SAFETY: our own child, and a place for its status.
    let ended = unsafe { libc::waitpid(child, &raw mut status, 0) };
    ended == child && libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}
