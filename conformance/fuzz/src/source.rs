// SPDX-License-Identifier: MIT
//! The fuzzer's bytes as numbers, choices and lengths. When they are used up, everything is zero.

use arbitrary::Unstructured;

/// Numbers that limits, flags and lengths are made of.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    3,
    4,
    7,
    8,
    12,
    13,
    15,
    16,
    17,
    20,
    24,
    28,
    31,
    32,
    33,
    48,
    64,
    96,
    104,
    120,
    128,
    192,
    255,
    256,
    1024,
    2048,
    4096,
    0x7fff_ffff,
    0xffff_ffff,
    1 << 32,
    i64::MAX.cast_unsigned(),
    1 << 63,
    u64::MAX - 7,
    u64::MAX,
];

/// What is left of the fuzzer's bytes.
pub struct Source<'a>(Unstructured<'a>);

impl<'a> Source<'a> {
    /// These bytes.
    pub fn new(data: &'a [u8]) -> Self {
        Self(Unstructured::new(data))
    }

    /// Whether they are used up.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One byte.
    pub fn byte(&mut self) -> u8 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// Eight bytes.
    pub fn word(&mut self) -> u64 {
        self.0.arbitrary().unwrap_or_default()
    }

    /// True for one of `n` bytes.
    pub fn is_rare(&mut self, n: u8) -> bool {
        self.byte() % n == n - 1
    }

    /// One of them; `None` if there are none.
    pub fn choice<'t, T>(&mut self, of: &'t [T]) -> Option<&'t T> {
        let number = usize::from(self.0.arbitrary::<u16>().unwrap_or_default());
        of.get(number.checked_rem(of.len())?)
    }

    /// A number: mostly one of `likely`, else one at some edge, a small one, or any.
    pub fn number(&mut self, likely: &[u64]) -> u64 {
        let (kind, number) = (self.byte(), usize::from(self.byte()));
        let pick = |of: &[u64]| of.get(number.checked_rem(of.len())?).copied();
        let picked = match kind {
            0..=159 => pick(likely).or_else(|| pick(EDGES)),
            160..=219 => pick(EDGES),
            220..=239 => u64::try_from(number).ok(),
            _ => Some(self.word()),
        };
        picked.unwrap_or_default()
    }

    /// So many bytes, with zeros where there are no more.
    pub fn bytes(&mut self, len: usize) -> Vec<u8> {
        let taken = self.0.bytes(len.min(self.0.len())).unwrap_or_default();
        let mut bytes = taken.to_vec();
        bytes.resize(len, 0);
        bytes
    }

    /// A length: mostly short, sometimes of some pages.
    pub fn len(&mut self) -> usize {
        match self.byte() {
            0 => usize::from(self.0.arbitrary::<u16>().unwrap_or_default() & 0x1fff),
            1 => 256,
            short => usize::from(short - 2) / 2,
        }
    }

    /// Bytes of any length.
    pub fn blob(&mut self) -> Vec<u8> {
        let len = self.len();
        self.bytes(len)
    }
}
