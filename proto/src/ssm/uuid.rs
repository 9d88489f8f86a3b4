//! UUIDs: 16 bytes, and the 36 characters that name them in JSON.

use core::fmt;

/// A UUID in the order of RFC 4122, which is the order of its text. The header of a frame has the two halves the other way round;
/// that is [`frame`](crate::ssm::frame)'s matter alone.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uuid(pub [u8; 16]);

impl Uuid {
    /// All zeros: no message's.
    pub const NIL: Uuid = Uuid([0; 16]);

    /// A version 4 UUID out of 16 random bytes, of which 122 bits are kept.
    ///
    /// ```
    /// use unbroken_proto::ssm::Uuid;
    /// assert_eq!(Uuid::v4([0xff; 16]).to_string(), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    /// ```
    #[must_use]
    pub fn v4(mut random: [u8; 16]) -> Uuid {
        random[6] = random[6] & 0x0f | 0x40;
        random[8] = random[8] & 0x3f | 0x80;
        Uuid(random)
    }

    /// Reads the hyphenated text, in either case; `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Uuid> {
        let mut nibbles = 0usize;
        let mut bytes = [0u8; 16];
        for (place, byte) in text.bytes().enumerate() {
            if matches!(place, 8 | 13 | 18 | 23) {
                if byte != b'-' {
                    return None;
                }
                continue;
            }
            let digit = u8::try_from(char::from(byte).to_digit(16)?).ok()?;
            let slot = bytes.get_mut(nibbles / 2)?;
            *slot = *slot << 4 | digit;
            nibbles += 1;
        }
        (nibbles == 32).then_some(Uuid(bytes))
    }
}

/// Lower case, with hyphens.
impl fmt::Display for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, byte) in self.0.iter().enumerate() {
            if matches!(place, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

#[cfg(test)]
mod tests;
