// SPDX-License-Identifier: MIT
//! A monotonic clock that costs a few nanoseconds, for checks on hot paths that need no precision.

/// Milliseconds of a monotonic clock that ticks every few milliseconds. Comparable within one boot only.
pub fn coarse_millis() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `now` is a valid, writable timespec for the duration of the call.
    let status = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC_COARSE, &raw mut now) };
    if status != 0 {
        return 0;
    }
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_runs_and_never_goes_back() {
        let first = coarse_millis();
        assert!(first > 0);
        assert!(coarse_millis() >= first);
    }
}
