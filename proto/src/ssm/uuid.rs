//! UUIDs: 16 bytes, and the 36 characters that name them in JSON.

use core::fmt;

/// Characters of a UUID's text.
const LENGTH: usize = 36;

/// Whether there is a hyphen in this place of the text.
fn is_hyphen(place: usize) -> bool {
    matches!(place, 8 | 13 | 18 | 23)
}

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
            if is_hyphen(place) {
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
        // At once, since each acknowledgement has one.
        let mut text = [b'-'; LENGTH];
        let places = (0..LENGTH).filter(|place| !is_hyphen(*place));
        let nibbles = self.0.iter().flat_map(|byte| [byte >> 4, byte & 0x0f]);
        for (place, nibble) in places.zip(nibbles) {
            text[place] = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        }
        f.write_str(core::str::from_utf8(&text).unwrap_or_default())
    }
}

impl fmt::Debug for Uuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Uuid({self})")
    }
}

#[cfg(test)]
mod tests;
