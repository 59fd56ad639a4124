// SPDX-License-Identifier: MIT
//! Where in the table a mechanism stands: a hash table that the compiler fills.
//!
//! Every `C_*Init` looks its mechanism up, and there are about two hundred. The numbers lie in rows with gaps, so one
//! multiplication spreads them; the table is kept so empty that most are found where they are looked for first.

use cryptoki_sys as ck;

use super::MechanismRow;
use super::table::MECHANISMS;

/// Places, a power of two: at least twice as many as there are mechanisms (the compiler sees to that).
const PLACES: usize = 1024;
const _: () = assert!(PLACES.is_power_of_two() && MECHANISMS.len() * 2 <= PLACES);

/// 2^64 divided by the golden ratio (Knuth, TAOCP 6.4).
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// What stands where nothing does.
const NOTHING: u16 = u16::MAX;

/// For each place the index of the row there.
static INDEX: [u16; PLACES] = filled();

/// The row of a number.
pub(super) fn find(id: ck::CK_MECHANISM_TYPE) -> Option<&'static MechanismRow> {
    let mut place = first_place(id);
    loop {
        // There is always an empty place at which this ends: half of them are.
        let row = MECHANISMS.get(usize::from(*INDEX.get(place)?))?;
        if row.id == id {
            return Some(row);
        }
        place = (place + 1) % PLACES;
    }
}

/// Where a number is looked for first: the highest bits of the product are the best mixed.
const fn first_place(id: ck::CK_MECHANISM_TYPE) -> usize {
    (id.wrapping_mul(SPREAD) >> (u64::BITS - PLACES.trailing_zeros())) as usize
}

#[allow(
    clippy::indexing_slicing,
    reason = "run by the compiler alone, for which a wrong index is an error"
)]
const fn filled() -> [u16; PLACES] {
    let mut index = [NOTHING; PLACES];
    let mut row = 0;
    while row < MECHANISMS.len() {
        let mut place = first_place(MECHANISMS[row].id);
        while index[place] != NOTHING {
            place = (place + 1) % PLACES;
        }
        index[place] = row as u16;
        row += 1;
    }
    index
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_found_and_nothing_else() {
        for row in MECHANISMS {
            assert_eq!(find(row.id).map(|found| found.name), Some(row.name));
        }
        let is_known = |id: &u64| MECHANISMS.iter().any(|row| row.id == *id);
        let unknown = (0..0x5000).chain([ck::CKM_VENDOR_DEFINED, u64::MAX]);
        for id in unknown.filter(|id| !is_known(id)) {
            assert!(find(id).is_none(), "{id:#x}");
        }
    }

    #[test]
    fn few_steps_lead_to_a_row() {
        let steps = |place: usize, id| {
            let first = first_place(id);
            (place + PLACES - first) % PLACES + 1
        };
        let longest = INDEX.iter().enumerate().filter_map(|(place, row)| {
            let row = MECHANISMS.get(usize::from(*row))?;
            Some(steps(place, row.id))
        });
        assert!(longest.max().is_some_and(|steps| steps <= 6));
    }
}
