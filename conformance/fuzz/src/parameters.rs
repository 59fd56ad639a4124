// SPDX-License-Identifier: MIT
//! Mechanisms with the structures that their parameters are, as C lays them out.
//!
//! A structure is a row of letters ([`layout`]): nothing here knows what a field means, only what of it is a number,
//! a pointer and the length that goes with it. So nothing of the code that is tried out is believed.
#![allow(unsafe_code, reason = "what is tried out takes pointers")]

use crate::memory::Memory;
use crate::source::Source;
use crate::templates;
use cryptoki_sys as ck;
use keyenclave_model::mechanism::{MECHANISMS, ParamShape as P};
use keyenclave_module::abi::values::{MessageParameter, RawMechanism};

/// Hash functions, HMACs and other mechanisms that structures name.
const HASHES: &[u64] = &[
    ck::CKM_SHA_1,
    ck::CKM_SHA224,
    ck::CKM_SHA256,
    ck::CKM_SHA384,
    ck::CKM_SHA512,
    ck::CKM_SHA3_256,
    ck::CKM_SHA3_512,
    ck::CKM_SHA_1_HMAC,
    ck::CKM_SHA256_HMAC,
    ck::CKM_SHA512_HMAC,
    ck::CKM_AES_CMAC,
    ck::CKM_TLS_PRF,
];
/// Mask generation functions, key derivation functions, kinds of salts: small numbers.
const SMALL: &[u64] = &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
/// Iterations that do not take the time of the whole run.
const ITERATIONS: [u64; 4] = [0, 1, 2, 1000];
/// The longest initialisation vector that is asked of a derivation, in bits.
const IV_BITS: u64 = 2048;

/// Which structure of authenticated encryption a function takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The one for data.
    Data,
    /// The one with which keys are wrapped.
    Keys,
    /// The one that goes with a message.
    Message,
}

/// The structures that a function takes for a parameter of this shape. In order of the fields:
/// `n` a number, `h` a mechanism, `s` a small number, `c` a number of iterations, `o` a handle, `t` a truth value with
/// its padding, `u` two of them, `B` 16 bytes; `p` a pointer and `l` the length of what it points to, in either order,
/// `b` that length in bits, `q` the same, small, or a pointer to it; `V` a pointer to a version, `A` to a tag of 16
/// bytes, `i` the bits of the initialisation vectors that `M`, the handles and vectors of TLS, has room for, `O` a
/// pointer to the parameter of OAEP, `D` the pieces of data of SP 800-108 and `K` its additional keys.
pub fn layout(shape: P, form: Form) -> &'static [&'static str] {
    match shape {
        P::None => &[""],
        P::Bytes(_) | P::OptionalBytes(_) => &["B", "n", ""],
        P::Length | P::Bit => &["n"],
        P::StringData => &["pl"],
        P::Key => &["o"],
        P::Hkdf => &["uhsplopl"],
        P::Sp800108 => &["hDK"],
        P::Sp800108Feedback => &["hDlpK"],
        P::Pbkdf2 => &["splcsplpq", "splcsnnpq"],
        P::TlsMaster => &["plplVh"],
        P::TlsExtendedMaster => &["hplV"],
        P::TlsKeys => &["nnitplplMh"],
        P::TlsKdf => &["hplplplpl"],
        P::TlsMac => &["hnn"],
        P::Pss => &["hsn"],
        P::Oaep => &["hsspl"],
        P::Counter => &["nB"],
        P::ChainedData => &["Bpl"],
        P::Gcm if form == Form::Keys => &["plnspln"],
        P::Gcm if form == Form::Message => &["plnspb"],
        P::Gmac | P::Gcm => &["plnpln"],
        P::Ccm if form == Form::Keys => &["nplnspln"],
        P::Ccm if form == Form::Message => &["nplnspl"],
        P::Ccm => &["nplpln"],
        P::EdDsa => &["tlp", ""],
        P::Ecdh => &["slplp"],
        P::EcdhAes => &["nslp"],
        P::RsaAes => &["nO"],
        P::ChaCha20 => &["pbpb"],
        P::ChaChaPoly if form == Form::Message => &["plA"],
        P::ChaChaPoly => &["plpl"],
        P::SignContext => &["spl", ""],
        P::HashSignContext => &["splh"],
    }
}

/// Makes structures: of the fuzzer's bytes, in some memory, with these handles of objects.
pub struct Maker<'m, 's, 'd> {
    /// Where they are.
    pub memory: &'m mut Memory,
    /// What they are made of.
    pub source: &'s mut Source<'d>,
    /// Handles that mean something.
    pub objects: &'m [u64],
}

impl Maker<'_, '_, '_> {
    /// A mechanism, and its row's shape; mostly one that is known, mostly with a structure that fits it.
    pub fn mechanism(&mut self, form: Form) -> (ck::CK_MECHANISM, P) {
        let mut id = self.source.choice(MECHANISMS).map_or(0, |row| row.id);
        if self.source.byte() == 0 {
            id = self.source.word();
        }
        let known = MECHANISMS.iter().find(|row| row.id == id);
        let shape = known.map_or(P::None, |row| row.params);
        let (parameter, len) = self.parameter(shape, form);
        let mechanism = ck::CK_MECHANISM {
            mechanism: id,
            pParameter: parameter.cast(),
            ulParameterLen: len,
        };
        (mechanism, shape)
    }

    /// A parameter of this shape, or rarely any bytes.
    pub fn parameter(&mut self, shape: P, form: Form) -> (*mut u8, u64) {
        match (self.source.byte(), shape) {
            // Only where no pointer is read from it.
            (0, P::Bytes(_) | P::OptionalBytes(_) | P::None | P::Length) => self.memory.buffer(self.source),
            (1, _) => (std::ptr::null_mut(), self.source.number(&[])),
            (2..=90, P::Bytes(len) | P::OptionalBytes(len)) => {
                let bytes = self.source.bytes(len);
                (self.memory.keep(bytes), len as u64)
            }
            _ => {
                let layout = self
                    .source
                    .choice(layout(shape, form))
                    .copied()
                    .unwrap_or_default();
                let bytes = self.structure(layout);
                let len = bytes.len() as u64;
                (self.memory.keep(bytes), len)
            }
        }
    }

    /// A structure with this layout.
    pub fn structure(&mut self, layout: &str) -> Vec<u8> {
        let mut out = Vec::new();
        let mut open: Option<(*mut u8, u64)> = None;
        let mut iv_bits = 0;
        for field in layout.chars() {
            let word = match field {
                'B' => {
                    out.extend(self.source.bytes(16));
                    continue;
                }
                'D' | 'K' => {
                    let (array, count) = self.array(field);
                    // Feedback or not, the number stands first.
                    out.extend(count.to_ne_bytes());
                    Memory::word(array)
                }
                'p' | 'l' | 'b' | 'q' => {
                    let (place, len) = match open.take() {
                        Some(whole) => whole,
                        None => *open.insert(self.memory.buffer(self.source)),
                    };
                    self.half(field, place, len)
                }
                'i' => {
                    iv_bits = self.source.number(&[96, 128, 0, 1]) % IV_BITS;
                    iv_bits
                }
                'M' => self.key_material(iv_bits),
                _ => self.field(field),
            };
            out.extend(word.to_ne_bytes());
        }
        out
    }

    /// One half of a pointer with a length.
    fn half(&mut self, field: char, place: *mut u8, len: u64) -> u64 {
        match field {
            'p' => Memory::word(place),
            'l' => len,
            // No more bits than there are bytes for.
            'b' if len > 1 << 40 => 0,
            'b' => len * 8,
            _ if len <= 0xffff && !self.source.is_rare(4) => len,
            // The older structure has the length elsewhere.
            _ => Memory::word(self.memory.keep(len.to_ne_bytes().to_vec())),
        }
    }

    /// A field that stands for itself.
    fn field(&mut self, field: char) -> u64 {
        match field {
            'h' => self.source.number(HASHES),
            's' => self.source.number(SMALL),
            'c' => self.source.choice(&ITERATIONS).copied().unwrap_or_default(),
            'o' => self.source.number(self.objects),
            't' => u64::from(self.source.byte() % 3),
            'u' => u64::from(self.source.byte() % 3) | u64::from(self.source.byte() % 3) << 8,
            'V' | 'A' if self.source.is_rare(8) => 0,
            'V' => Memory::word(self.memory.keep(vec![3, 3])),
            'A' => {
                let tag = self.source.bytes(16);
                Memory::word(self.memory.keep(tag))
            }
            'O' if self.source.is_rare(16) => 0,
            'O' => {
                let inner = self.structure("hsspl");
                Memory::word(self.memory.keep(inner))
            }
            _ => self.source.number(&[]),
        }
    }

    /// `CK_SSL3_KEY_MAT_OUT`: places for four handles, and two vectors of so many bits.
    fn key_material(&mut self, iv_bits: u64) -> u64 {
        if self.source.is_rare(16) {
            return 0;
        }
        let room = usize::try_from(iv_bits.div_ceil(8)).unwrap_or_default();
        let mut out = vec![0; 32];
        for _ in 0..2 {
            let vector = if self.source.is_rare(8) {
                std::ptr::null_mut()
            } else {
                self.memory.keep(vec![0; room])
            };
            out.extend(Memory::word(vector).to_ne_bytes());
        }
        Memory::word(self.memory.keep(out))
    }

    /// Pieces of data (`CK_PRF_DATA_PARAM`), or additional keys (`CK_DERIVED_KEY`).
    fn array(&mut self, field: char) -> (*mut u8, u64) {
        let count = u64::from(self.source.byte() % 5);
        if self.source.is_rare(16) {
            return (std::ptr::null_mut(), self.source.number(&[]));
        }
        let mut out = Vec::new();
        for _ in 0..count {
            let words = if field == 'D' {
                self.piece()
            } else {
                self.additional()
            };
            words.iter().for_each(|word| out.extend(word.to_ne_bytes()));
        }
        (self.memory.keep(out), count)
    }

    fn piece(&mut self) -> [u64; 3] {
        let kind = self.source.number(&[1, 2, 3, 4, 5]);
        let (place, len) = match kind {
            1 | 2 if !self.source.is_rare(4) => self.whole("tn"),
            3 => self.whole("stn"),
            5 => self.whole("o"),
            _ => self.memory.buffer(self.source),
        };
        [kind, Memory::word(place), len]
    }

    fn additional(&mut self) -> [u64; 3] {
        let (template, count) = templates::make(self.memory, self.source, 0);
        let handle = self.memory.keep(vec![0; 8]);
        let handle = if self.source.is_rare(16) {
            std::ptr::null_mut()
        } else {
            handle
        };
        [Memory::word(template.cast()), count, Memory::word(handle)]
    }

    fn whole(&mut self, layout: &str) -> (*mut u8, u64) {
        let bytes = self.structure(layout);
        let len = bytes.len() as u64;
        (self.memory.keep(bytes), len)
    }
}

/// Reads mechanisms in every way in which the C functions do.
pub fn run(data: &[u8]) {
    let mut memory = Memory::new();
    let mut source = Source::new(data);
    while !source.is_empty() {
        let mut maker = Maker {
            memory: &mut memory,
            source: &mut source,
            objects: &[1, 2, 3],
        };
        let form = match maker.source.byte() % 3 {
            0 => Form::Data,
            1 => Form::Keys,
            _ => Form::Message,
        };
        let (mechanism, shape) = maker.mechanism(form);
        let (parameter, len) = (mechanism.pParameter.cast(), mechanism.ulParameterLen);
        let opens = source.is_rare(2);
        // SAFETY: its maker keeps what the specification makes a caller owe, and `memory` outlives it.
        let raw = unsafe { RawMechanism::new(&raw const mechanism) };
        let _ = raw.given();
        match form {
            Form::Data => drop(raw.parse()),
            Form::Keys => drop(raw.for_keys(false, opens)),
            Form::Message => {
                drop(raw.for_messages());
                drop(raw.for_keys(true, opens));
                // SAFETY: as above.
                let message = unsafe { MessageParameter::new(parameter, len) };
                drop(message.read(shape, opens));
            }
        }
    }
}
