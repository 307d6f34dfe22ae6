//! A bounded bit stream, least significant bit first.
//!
//! Byte-aligned fields therefore read as little-endian numbers. The writer cannot fail; the reader
//! names the field at which hostile or torn bytes end.

use thiserror::Error;

/// Why bytes are not a message.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("ends inside `{field}`")]
    Truncated {
        /// The field that was being read.
        field: &'static str,
    },
    /// A length or a count is over its limit; nothing was allocated for it.
    #[error("`{field}` has length {len}, the limit is {max}")]
    TooLong {
        /// The field that was being read.
        field: &'static str,
        /// What the bytes claim.
        len: usize,
        /// The named limit of that field.
        max: usize,
    },
    /// A text is not UTF-8.
    #[error("`{field}` is not UTF-8")]
    BadText {
        /// The field that was being read.
        field: &'static str,
    },
    /// A value is outside of what the field can hold.
    #[error("`{field}` cannot be {found}")]
    BadValue {
        /// The field that was being read.
        field: &'static str,
        /// What was found.
        found: String,
    },
    /// The first byte names no message of this direction.
    #[error("no message has type {found:#04x}")]
    UnknownType {
        /// The first byte.
        found: u8,
    },
    /// A whole message was read and bytes are left.
    #[error("{bytes} bytes follow the end of the message")]
    Trailing {
        /// How many.
        bytes: usize,
    },
    /// A frame was encoded against a frame that the reader does not hold.
    #[error("the baseline, tick {tick}, is not held")]
    NoBaseline {
        /// The tick of the baseline.
        tick: u32,
    },
}

/// Writes fields one after the other.
#[derive(Debug, Default)]
pub struct BitWriter {
    bytes: Vec<u8>,
    pending: u64,
    pending_bits: u32,
}

impl BitWriter {
    /// Starts with an empty stream that reuses the memory of `buffer`.
    #[must_use]
    pub fn reuse(mut buffer: Vec<u8>) -> Self {
        buffer.clear();
        Self { bytes: buffer, pending: 0, pending_bits: 0 }
    }

    /// Goes on after `bytes`.
    #[must_use]
    pub fn after(bytes: Vec<u8>) -> Self {
        Self { bytes, pending: 0, pending_bits: 0 }
    }

    /// Writes the low `width` bits of `value`, 0 to 32.
    ///
    /// # Panics
    /// If `value` does not fit: that is a bug of the caller, never of the data.
    pub fn bits(&mut self, value: u32, width: u32) {
        assert!(width == 32 || value >> width == 0, "{value} does not fit in {width} bits");
        self.pending |= u64::from(value) << self.pending_bits;
        self.pending_bits += width;
        while self.pending_bits >= 8 {
            self.bytes.push(self.pending as u8);
            self.pending >>= 8;
            self.pending_bits -= 8;
        }
    }

    /// Writes one bit.
    pub fn bit(&mut self, value: bool) {
        self.bits(u32::from(value), 1);
    }

    /// Writes a two's complement number in `width` bits, 1 to 32; see [`fits`].
    pub fn signed(&mut self, value: i32, width: u32) {
        assert!(fits(value, width), "{value} does not fit in {width} signed bits");
        self.bits(value as u32 & (u32::MAX >> (32 - width)), width);
    }

    /// Writes `value`, at most 2³² − 2, in 2⌊log₂(value + 1)⌋ + 1 bits: the Elias gamma code of
    /// `value + 1` (Elias 1975), zeros first, then a one, then the low bits.
    pub fn gamma(&mut self, value: u32) {
        let coded = value.checked_add(1).expect("gamma codes end at 2^32 - 2");
        let low_bits = coded.ilog2();
        self.bits(0, low_bits);
        self.bits(1, 1);
        self.bits(coded ^ (1 << low_bits), low_bits);
    }

    /// Writes 64 bits.
    pub fn u64(&mut self, value: u64) {
        self.bits(value as u32, 32);
        self.bits((value >> 32) as u32, 32);
    }

    /// Writes a 16-bit length and the bytes.
    ///
    /// # Panics
    /// Over 65 535 bytes; callers keep the limit of their field.
    pub fn blob(&mut self, bytes: &[u8]) {
        let len = u16::try_from(bytes.len()).expect("a blob has at most 65 535 bytes");
        self.bits(u32::from(len), 16);
        if self.pending_bits == 0 {
            self.bytes.extend_from_slice(bytes);
        } else {
            for byte in bytes {
                self.bits(u32::from(*byte), 8);
            }
        }
    }

    /// Writes a 16-bit length and the UTF-8 bytes of `text`, cut at the last character that ends
    /// within `max` bytes, so that a long name never breaks a message.
    pub fn text(&mut self, text: &str, max: usize) {
        let mut end = text.len().min(max);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.blob(&text.as_bytes()[..end]);
    }

    /// Returns the bits written so far.
    #[must_use]
    pub fn len_bits(&self) -> usize {
        self.bytes.len() * 8 + self.pending_bits as usize
    }

    /// Pads the last byte with zeros and returns the stream.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        if self.pending_bits > 0 {
            self.bytes.push(self.pending as u8);
        }
        self.bytes
    }
}

/// Whether `value` is a two's complement number of `width` bits, 1 to 32.
#[must_use]
pub fn fits(value: i32, width: u32) -> bool {
    let spare = 32 - width;
    value << spare >> spare == value
}

/// Reads fields one after the other.
#[derive(Clone, Debug)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> BitReader<'a> {
    /// Starts at the first bit of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// Returns the bits that are left, the padding of the last byte among them.
    #[must_use]
    pub fn left_bits(&self) -> usize {
        self.bytes.len() * 8 - self.position
    }

    /// Reads `width` bits, 0 to 32.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] naming `field`.
    pub fn bits(&mut self, width: u32, field: &'static str) -> Result<u32, DecodeError> {
        if (width as usize) > self.left_bits() {
            return Err(DecodeError::Truncated { field });
        }
        let (first, offset) = (self.position / 8, self.position % 8);
        let mut window = 0_u64;
        for (index, byte) in self.bytes[first..].iter().take(5).enumerate() {
            window |= u64::from(*byte) << (8 * index);
        }
        self.position += width as usize;
        Ok((window >> offset & ((1_u64 << width) - 1)) as u32)
    }

    /// Reads one bit.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn bit(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        Ok(self.bits(1, field)? == 1)
    }

    /// Reads a byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(self.bits(8, field)? as u8)
    }

    /// Reads 16 bits.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u16(&mut self, field: &'static str) -> Result<u16, DecodeError> {
        Ok(self.bits(16, field)? as u16)
    }

    /// Reads 32 bits.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        self.bits(32, field)
    }

    /// Reads 64 bits.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        let low = self.bits(32, field)?;
        Ok(u64::from(self.bits(32, field)?) << 32 | u64::from(low))
    }

    /// Reads a two's complement number of `width` bits, 1 to 32.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn signed(&mut self, width: u32, field: &'static str) -> Result<i32, DecodeError> {
        let spare = 32 - width;
        Ok((self.bits(width, field)? << spare) as i32 >> spare)
    }

    /// Reads what [`BitWriter::gamma`] wrote.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`]; [`DecodeError::BadValue`] after more than 31 zeros.
    pub fn gamma(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        let mut low_bits = 0;
        while !self.bit(field)? {
            low_bits += 1;
            if low_bits > 31 {
                return Err(DecodeError::BadValue { field, found: "32 zeros".to_owned() });
            }
        }
        Ok((1 << low_bits | self.bits(low_bits, field)?) - 1)
    }

    /// Reads a 16-bit length, at most `max`, and that many bytes.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`] before anything is allocated; [`DecodeError::Truncated`].
    pub fn blob(&mut self, max: usize, field: &'static str) -> Result<Vec<u8>, DecodeError> {
        let len = self.len(max, field)?;
        if len * 8 > self.left_bits() {
            return Err(DecodeError::Truncated { field });
        }
        (0..len).map(|_| self.u8(field)).collect()
    }

    /// Reads a 16-bit length or count, at most `max`.
    ///
    /// # Errors
    /// [`DecodeError::TooLong`]; [`DecodeError::Truncated`].
    pub fn len(&mut self, max: usize, field: &'static str) -> Result<usize, DecodeError> {
        let len = usize::from(self.u16(field)?);
        if len > max { Err(DecodeError::TooLong { field, len, max }) } else { Ok(len) }
    }

    /// Reads a text of at most `max` bytes.
    ///
    /// # Errors
    /// Those of [`BitReader::blob`]; [`DecodeError::BadText`].
    pub fn text(&mut self, max: usize, field: &'static str) -> Result<String, DecodeError> {
        String::from_utf8(self.blob(max, field)?).map_err(|_| DecodeError::BadText { field })
    }

    /// Returns the bytes after the one that was read last.
    ///
    /// # Errors
    /// [`DecodeError::BadValue`] if the bits up to the byte are not zero.
    pub fn rest(mut self) -> Result<&'a [u8], DecodeError> {
        let padding = self.left_bits() % 8;
        match self.bits(padding as u32, "padding")? {
            0 => Ok(&self.bytes[self.position / 8..]),
            found => Err(DecodeError::BadValue { field: "padding", found: found.to_string() }),
        }
    }

    /// Ends the message.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] if a byte is left; [`DecodeError::BadValue`] if the padding of the
    /// last byte is not zero, so that a message has exactly one encoding.
    pub fn finish(mut self) -> Result<(), DecodeError> {
        let left = self.left_bits();
        if left >= 8 {
            return Err(DecodeError::Trailing { bytes: left / 8 });
        }
        match self.bits(left as u32, "padding")? {
            0 => Ok(()),
            found => Err(DecodeError::BadValue { field: "padding", found: found.to_string() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn bits_fill_bytes_from_the_low_end() {
        let mut writer = BitWriter::default();
        writer.bits(0b101, 3);
        writer.bits(0x1234, 16);
        writer.gamma(4); // 5 = 101: two zeros, a one, low bits 01
        assert_eq!(writer.len_bits(), 24);
        assert_eq!(writer.finish(), [0b1010_0101, 0b1001_0001, 0b0110_0000]);
    }

    #[test]
    fn a_length_over_the_limit_is_refused_before_it_is_read() {
        let mut reader = BitReader::new(&[0xff, 0xff, 0]);
        assert_eq!(
            reader.blob(64, "name"),
            Err(DecodeError::TooLong { field: "name", len: 65_535, max: 64 })
        );
        let mut reader = BitReader::new(&[4, 0, 0]);
        assert_eq!(reader.blob(64, "name"), Err(DecodeError::Truncated { field: "name" }));
    }

    #[test]
    fn padding_has_one_form() {
        let mut reader = BitReader::new(&[0b10]);
        assert!(!reader.bit("first").unwrap());
        assert!(matches!(reader.finish(), Err(DecodeError::BadValue { field: "padding", .. })));
        assert_eq!(BitReader::new(&[0, 0]).finish(), Err(DecodeError::Trailing { bytes: 2 }));
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        let mut writer = BitWriter::default();
        writer.text("aé", 2);
        assert_eq!(writer.finish(), [1, 0, b'a']);
    }

    proptest! {
        #[test]
        fn fields_read_back(values in prop::collection::vec((any::<u32>(), 1..=32_u32), 0..64)) {
            let mut writer = BitWriter::default();
            for (value, width) in &values {
                let value = value & (u32::MAX >> (32 - width));
                writer.bits(value, *width);
                writer.gamma(value.min(u32::MAX - 1));
                writer.signed((value as i32) << (32 - width) >> (32 - width), *width);
            }
            let bytes = writer.finish();
            let mut reader = BitReader::new(&bytes);
            for (value, width) in &values {
                let value = value & (u32::MAX >> (32 - width));
                prop_assert_eq!(reader.bits(*width, "bits").unwrap(), value);
                prop_assert_eq!(reader.gamma("gamma").unwrap(), value.min(u32::MAX - 1));
                let signed = (value as i32) << (32 - width) >> (32 - width);
                prop_assert_eq!(reader.signed(*width, "signed").unwrap(), signed);
            }
            prop_assert!(reader.finish().is_ok());
        }
    }
}
