//! Bytes that can be checked without being stored: a function of stream and offset.

use bytes::Bytes;

use crate::rng::mix;

/// The `len` bytes at `offset` of the half named by `key`.
#[must_use]
pub fn fill(key: u64, offset: u64, len: usize) -> Bytes {
    let mut bytes = Vec::with_capacity(len + 8);
    let mut at = offset;
    let end = offset + len as u64;
    while at < end {
        let word = mix(key ^ (at >> 3)).to_le_bytes();
        let from = usize::try_from(at & 7).unwrap_or(0);
        bytes.extend_from_slice(&word[from..]);
        at = (at | 7) + 1;
    }
    bytes.truncate(len);
    Bytes::from(bytes)
}

/// Whether `bytes` are those at `offset`.
#[must_use]
pub fn matches(key: u64, offset: u64, bytes: &[u8]) -> bool {
    fill(key, offset, bytes.len()) == bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_slice_is_found_at_its_offset() {
        let whole = fill(7, 0, 100);
        for from in 0..100usize {
            assert!(matches(7, from as u64, &whole[from..]));
        }
        assert!(!matches(7, 1, &whole[..20]));
        assert!(!matches(8, 0, &whole[..20]));
    }
}
