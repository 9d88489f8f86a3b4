//! A sum over what is stored, by which damage shows.

use unbroken_driver::store::JournalId;

/// CRC-32, as Ethernet and zip have it: a byte at a time by this table.
const TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut rest = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            rest = if rest & 1 == 1 {
                (rest >> 1) ^ 0xedb8_8320
            } else {
                rest >> 1
            };
            bit += 1;
        }
        table[byte] = rest;
        byte += 1;
    }
    table
};

/// The sum of a record or snapshot, and of the place it belongs to, so that none is taken for another one.
pub(super) fn sum(id: &JournalId, number: u64, bytes: &[u8]) -> i64 {
    let sum = [id.as_str().as_bytes(), &number.to_le_bytes(), bytes]
        .into_iter()
        .fold(u32::MAX, crc);
    i64::from(!sum)
}

fn crc(sum: u32, bytes: &[u8]) -> u32 {
    bytes
        .iter()
        .fold(sum, |sum, byte| (sum >> 8) ^ TABLE[usize::from(sum as u8 ^ byte)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_the_usual_one() {
        assert_eq!(!crc(u32::MAX, b"123456789"), 0xcbf4_3926);
    }
}
