// SPDX-License-Identifier: MIT
//! Which entries have the same column: doubly linked lists through numbers of slots, one list for each hash of each
//! column, in the order in which entries were appended. Appending and removing touch neighbours only.

use keyenclave_model::number_map::NumberMap;

/// No slot.
pub(super) const NONE: u32 = u32::MAX;

/// The columns that are listed, the most selective first.
#[derive(Clone, Copy)]
pub(super) enum Column {
    KeyId,
    Label,
    Class,
}

/// Every column, in the order of the variants.
pub(super) const COLUMNS: [Column; 3] = [Column::KeyId, Column::Label, Column::Class];

#[derive(Clone, Copy)]
struct Ends {
    first: u32,
    last: u32,
}

#[derive(Clone, Copy)]
struct Link {
    hash: u64,
    previous: u32,
    next: u32,
}

/// See the module.
#[derive(Default)]
pub(super) struct Lists {
    ends: [NumberMap<u64, Ends>; COLUMNS.len()],
    links: Vec<Option<[Link; COLUMNS.len()]>>,
}

impl Lists {
    /// Puts a slot, which is on no list, on the lists of these hashes.
    pub(super) fn append(&mut self, slot: u32, hashes: [u64; COLUMNS.len()]) {
        let unlinked = hashes.map(|hash| Link {
            hash,
            previous: NONE,
            next: NONE,
        });
        if self.links.len() <= slot as usize {
            self.links.resize(slot as usize + 1, None);
        }
        if let Some(place) = self.links.get_mut(slot as usize) {
            *place = Some(unlinked);
        }
        for (column, hash) in COLUMNS.into_iter().zip(hashes) {
            self.append_to(column, hash, slot);
        }
    }

    /// Takes a slot off its lists.
    pub(super) fn remove(&mut self, slot: u32) {
        let Some(links) = self.links.get_mut(slot as usize).and_then(Option::take) else {
            return;
        };
        for (column, link) in COLUMNS.into_iter().zip(links) {
            self.remove_from(column, link);
        }
    }

    /// The hash of a slot's column.
    pub(super) fn hash(&self, slot: u32, column: Column) -> Option<u64> {
        self.link(slot, column).map(|link| link.hash)
    }

    /// The slots on a list.
    pub(super) fn iter(&self, column: Column, hash: u64) -> impl Iterator<Item = u32> {
        let ends = self.ends.get(column as usize).and_then(|ends| ends.get(&hash));
        std::iter::successors(ends.map(|ends| ends.first), move |slot| {
            let next = self.link(*slot, column)?.next;
            (next != NONE).then_some(next)
        })
    }

    fn append_to(&mut self, column: Column, hash: u64, slot: u32) {
        let Some(ends) = self.ends.get_mut(column as usize) else {
            return;
        };
        let last = match ends.get_mut(&hash) {
            Some(ends) => std::mem::replace(&mut ends.last, slot),
            None => {
                ends.insert(
                    hash,
                    Ends {
                        first: slot,
                        last: slot,
                    },
                );
                return;
            }
        };
        if let Some(link) = self.link_mut(last, column) {
            link.next = slot;
        }
        if let Some(link) = self.link_mut(slot, column) {
            link.previous = last;
        }
    }

    /// Joins the neighbours of a link that has gone.
    fn remove_from(&mut self, column: Column, Link { hash, previous, next }: Link) {
        if let Some(link) = self.link_mut(previous, column) {
            link.next = next;
        }
        if let Some(link) = self.link_mut(next, column) {
            link.previous = previous;
        }
        let Some(ends) = self.ends.get_mut(column as usize) else {
            return;
        };
        if previous == NONE && next == NONE {
            ends.remove(&hash);
        } else if let Some(ends) = ends.get_mut(&hash) {
            if previous == NONE {
                ends.first = next;
            }
            if next == NONE {
                ends.last = previous;
            }
        }
    }

    fn link(&self, slot: u32, column: Column) -> Option<Link> {
        let links = self.links.get(slot as usize)?.as_ref()?;
        links.get(column as usize).copied()
    }

    fn link_mut(&mut self, slot: u32, column: Column) -> Option<&mut Link> {
        let links = self.links.get_mut(slot as usize)?.as_mut()?;
        links.get_mut(column as usize)
    }
}
