// SPDX-License-Identifier: MIT
//! One method for each C function.

/// Calls one entry of the function list and checks what it returned.
macro_rules! call {
    ($module:expr, $function:ident ( $($argument:expr),* )) => {{
        let entry = $module.list.$function.expect(concat!("the list has no ", stringify!($function)));
        // SAFETY: the entry comes from the module's own list, and its arguments are pointers with lengths made by
        // `In`, `Out`, `template` and `Mech`, which live through the call or say by their length that they may not be
        // read.
        let rv = unsafe { entry($($argument),*) };
        $module.seen(stringify!($function), rv)
    }};
}

mod keys;
mod life;
mod making;
mod messages;
mod nulls;
mod objects;
mod shapes;
mod slots;

pub use life::{Init, Mutexes};
