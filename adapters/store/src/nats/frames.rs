//! The bodies of messages: records with their lengths, and bodies that one message cannot hold.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// How many bytes of a message are left for its headers and, in the server's file, its frame.
pub(super) const HEADROOM: usize = 1024;

/// The records, each behind its length; `None`: one of them is longer than 4 GiB.
pub(super) fn join(records: &[Bytes]) -> Option<Bytes> {
    let mut body = BytesMut::with_capacity(records.iter().map(|record| record.len() + 4).sum());
    for record in records {
        body.put_u32(u32::try_from(record.len()).ok()?);
        body.put_slice(record);
    }
    Some(body.freeze())
}

/// So many records, and nothing else.
pub(super) fn split(mut body: Bytes, count: u64) -> Option<Vec<Bytes>> {
    let mut records = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(body.try_get_u32().ok()?).ok()?;
        if body.len() < length {
            return None;
        }
        records.push(body.split_to(length));
    }
    body.is_empty().then_some(records)
}

/// Cuts off the pieces that come before the last one, none of which is longer than that.
pub(super) fn pieces(mut body: Bytes, longest: usize) -> (Vec<Bytes>, Bytes) {
    let longest = longest.max(1);
    let mut before = Vec::new();
    while body.len() > longest {
        before.push(body.split_to(longest));
    }
    (before, body)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn records_come_back() {
        let records = [Bytes::new(), Bytes::from_static(b"abc"), Bytes::from(vec![7; 300])];
        let body = join(&records).unwrap();
        assert_eq!(split(body.clone(), 3).unwrap(), records);
        for count in [0, 1, 2, 4, u64::MAX] {
            assert_eq!(split(body.clone(), count), None, "{count}");
        }
        for cut in 0..body.len() {
            assert_eq!(split(body.slice(..cut), 3), None, "{cut}");
        }
        assert_eq!(split(Bytes::new(), 0), Some(vec![]));
    }

    #[test]
    fn pieces_are_the_whole() {
        let body = Bytes::from_iter(0..=99);
        for longest in [0, 1, 7, 50, 99, 100, 101] {
            let (before, last) = pieces(body.clone(), longest);
            assert!(before.iter().all(|piece| piece.len() == longest.max(1)));
            assert!(last.len() <= longest.max(1));
            assert_eq!([before.concat(), last.to_vec()].concat(), body);
        }
    }
}
