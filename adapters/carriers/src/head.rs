//! Reading the head of a request or an answer off a byte stream, and writing what goes before packets.

use std::future::poll_fn;
use std::io::{self, IoSlice};

use bytes::BytesMut;
use unbroken_driver::{Budget, ByteStream, ConnectError};

use crate::upgrade::{MAX_HEAD, UpgradeError};

/// Reads until `parse` finds a whole head, which it says the length of. Returns what `parse` made of the head, and the
/// bytes that came behind it.
pub(crate) async fn read_head<S: ByteStream, T>(
    stream: &mut S,
    parse: impl Fn(&[u8]) -> Result<Option<(usize, T)>, ConnectError>,
) -> Result<(T, Vec<u8>), ConnectError> {
    let mut received = BytesMut::with_capacity(1 << 10);
    let mut budget = Budget::new();
    loop {
        budget.step().await;
        // No further than the longest head.
        received.reserve((received.len() + 1).min(MAX_HEAD));
        if poll_fn(|cx| stream.poll_read(cx, &mut received)).await? == 0 {
            return Err(UpgradeError::Ended.into());
        }
        if let Some((length, parsed)) = parse(&received)? {
            return Ok((parsed, received[length..].to_vec()));
        }
    }
}

/// Writes all of it and flushes.
pub(crate) async fn write_all<S: ByteStream>(stream: &mut S, mut bytes: &[u8]) -> io::Result<()> {
    let mut budget = Budget::new();
    while !bytes.is_empty() {
        budget.step().await;
        let wrote = poll_fn(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        if wrote == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[wrote..];
    }
    poll_fn(|cx| stream.poll_flush(cx)).await
}
