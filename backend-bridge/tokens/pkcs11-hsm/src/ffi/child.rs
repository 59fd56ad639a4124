// SPDX-License-Identifier: MIT
//! A process forked off by a test.

/// Does `work` in a child process; whether it came to `true` there.
pub(crate) fn in_child(work: impl FnOnce() -> bool) -> bool {
    // SAFETY: the test's process has no other thread that holds anything the child needs.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
        let code = if matches!(outcome, Ok(true)) { 0 } else { 1 };
        // SAFETY: ends the process at once, without what the parent would do at its end.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the child is ours, and the status goes to a place of ours.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    waited == child && status == 0
}
