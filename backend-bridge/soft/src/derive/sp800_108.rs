// SPDX-License-Identifier: MIT
//! Keys from an iterated pseudorandom function (NIST SP 800-108), with the input that the application lays out.

use cryptoki_sys as ck;
use keyenclave_crypto::{AesKey, HmacKey};
use keyenclave_model::error::{Error, Result, Rv};
use keyenclave_model::mechanism::{Iteration, NumberFormat, Prf, PrfInput, Sp800108Params};
use zeroize::Zeroizing;

use super::Source;
use crate::error::Doing;

/// The values of keys of these lengths. No two are cut from the same segment.
///
/// # Errors
/// `CKR_KEY_SIZE_RANGE` for more than the counter can count, `CKR_KEY_TYPE_INCONSISTENT` for a key that the function does
/// not take.
pub(super) fn derive(
    mode: Iteration,
    params: &Sp800108Params,
    source: &Source<'_>,
    lens: &[usize],
) -> Result<Vec<Zeroizing<Vec<u8>>>> {
    let segment = params.prf.output_len();
    let segments: usize = lens.iter().map(|len| len.div_ceil(segment)).sum();
    let count = segments as u64;
    let limit = counters(params).map(most).min();
    if count > limit.unwrap_or(u64::from(u32::MAX)).min(u64::from(u32::MAX)) || segments > LONGEST {
        return Err(Error::new(
            Rv::KeySizeRange,
            "the keys are longer than what the mechanism can give",
        ));
    }
    let layout = Layout {
        params,
        source,
        keys_bits: lens.iter().map(|len| *len as u64).sum::<u64>().saturating_mul(8),
        segments_bits: count.saturating_mul(segment as u64).saturating_mul(8),
    };
    let mut stream = Stream::new(mode, &layout)?;
    lens.iter().map(|len| stream.key(*len)).collect()
}

/// More segments than anybody has keys for.
const LONGEST: usize = 1 << 16;

fn counters(params: &Sp800108Params) -> impl Iterator<Item = NumberFormat> + '_ {
    params.input.iter().filter_map(|piece| match piece {
        PrfInput::Iteration(format) => *format,
        PrfInput::Counter(format) => Some(*format),
        _ => None,
    })
}

/// The largest number that is written so.
fn most(format: NumberFormat) -> u64 {
    u64::MAX >> (64 - 8 * format.width.clamp(1, 8))
}

/// What the function's input consists of.
struct Layout<'a> {
    params: &'a Sp800108Params,
    source: &'a Source<'a>,
    keys_bits: u64,
    segments_bits: u64,
}

impl Layout<'_> {
    /// The input with the variable and the counter of an iteration; without one, the pieces that stay the same.
    fn input(&self, iteration: Option<(&[u8], u64)>) -> Zeroizing<Vec<u8>> {
        let mut input = Zeroizing::new(Vec::new());
        let mut keys = 1..;
        let mut has_variable = false;
        for piece in &self.params.input {
            match (piece, iteration) {
                (PrfInput::Iteration(None), Some((variable, _))) => {
                    has_variable = true;
                    input.extend_from_slice(variable);
                }
                (PrfInput::Iteration(Some(format)) | PrfInput::Counter(format), Some((_, counter))) => {
                    input.extend(written(counter, *format));
                }
                (PrfInput::Iteration(_) | PrfInput::Counter(_), None) => {}
                (PrfInput::Length { segments, format }, _) => {
                    let bits = if *segments {
                        self.segments_bits
                    } else {
                        self.keys_bits
                    };
                    input.extend(written(bits, *format));
                }
                (PrfInput::Bytes(bytes), _) => input.extend_from_slice(&bytes.0),
                (PrfInput::Key(_), _) => {
                    let value = keys.next().map(|index| self.source.value(index));
                    input.extend_from_slice(value.unwrap_or_default());
                }
            }
        }
        // Where the application does not say where the variable stands, it stands first, as in SP 800-108.
        if let (false, Some((variable, _))) = (has_variable, iteration) {
            input.splice(0..0, variable.iter().copied());
        }
        input
    }
}

/// A number's lowest bytes.
fn written(number: u64, format: NumberFormat) -> Vec<u8> {
    if format.little_endian {
        number.to_le_bytes().into_iter().take(format.width).collect()
    } else {
        let skipped = size_of::<u64>().saturating_sub(format.width);
        number.to_be_bytes().into_iter().skip(skipped).collect()
    }
}

/// The segments, one after the other.
struct Stream<'a> {
    mode: Iteration,
    layout: &'a Layout<'a>,
    prf: Function,
    /// The iteration variable: empty, K(i-1) or A(i).
    variable: Zeroizing<Vec<u8>>,
    counter: u64,
}

impl<'a> Stream<'a> {
    fn new(mode: Iteration, layout: &'a Layout<'a>) -> Result<Self> {
        let variable = match mode {
            Iteration::Counter => Zeroizing::new(Vec::new()),
            Iteration::Feedback => Zeroizing::new(layout.params.iv.clone()),
            Iteration::DoublePipeline => layout.input(None),
        };
        Ok(Self {
            mode,
            layout,
            prf: Function::new(layout.params.prf, layout.source)?,
            variable,
            counter: 0,
        })
    }

    fn key(&mut self, len: usize) -> Result<Zeroizing<Vec<u8>>> {
        let mut key = Zeroizing::new(Vec::with_capacity(len.saturating_add(64)));
        while key.len() < len {
            key.extend_from_slice(&self.segment()?);
        }
        key.truncate(len);
        Ok(key)
    }

    fn segment(&mut self) -> Result<Zeroizing<Vec<u8>>> {
        self.counter = self.counter.saturating_add(1);
        if self.mode == Iteration::DoublePipeline {
            self.variable = self.prf.apply(&self.variable)?;
        }
        let input = self.layout.input(Some((&self.variable, self.counter)));
        let segment = self.prf.apply(&input)?;
        if self.mode == Iteration::Feedback {
            self.variable = segment.clone();
        }
        Ok(segment)
    }
}

/// The pseudorandom function with its key.
enum Function {
    Hmac(HmacKey),
    AesCmac(AesKey),
}

impl Function {
    fn new(prf: Prf, source: &Source<'_>) -> Result<Self> {
        let key = source.value(0);
        let function = match prf {
            Prf::Hmac(hash) => HmacKey::new(hash, key).map(Self::Hmac),
            Prf::AesCmac if source.base_type() != Some(ck::CKK_AES) => {
                return Err(Rv::KeyTypeInconsistent.into());
            }
            Prf::AesCmac => AesKey::new(key).map(Self::AesCmac),
        };
        function.map_err(|error| Doing::Internal.failed(error))
    }

    fn apply(&self, input: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
        let value = match self {
            Self::Hmac(key) => key.sign(input).map(|value| Zeroizing::new(value.to_vec())),
            Self::AesCmac(key) => key.cmac().and_then(|mut mac| {
                mac.update(input)?;
                mac.finish().map(|value| Zeroizing::new(value.to_vec()))
            }),
        };
        value.map_err(|error| Doing::Internal.failed(error))
    }
}
