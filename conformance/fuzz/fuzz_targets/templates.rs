// SPDX-License-Identifier: MIT
//! libFuzzer's program for [`keyenclave_fuzz::templates`].
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| keyenclave_fuzz::templates::run(data));
