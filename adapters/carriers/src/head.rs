//! Reading the head of a request or an answer off a byte stream, and writing what goes before packets.

use std::io::{self, IoSlice};

use bytes::BytesMut;
use unbroken_driver::{Budget, ByteStream, ConnectError};

use crate::upgrade::{MAX_HEAD, UpgradeError};

/// Bytes that are read of what comes behind a request that was refused: bodies are not asked for, but sent.
const MAX_UNREAD: usize = 16 << 20;
/// Bytes of them at once.
const PART: usize = 16 << 10;

/// Reads until `parse` finds a whole head, which it says the length of. Returns what `parse` made of the head, and the
/// bytes that came behind it.
pub(crate) async fn read_head<S: ByteStream, T>(
    stream: &mut S,
    parse: impl Fn(&[u8]) -> Result<Option<(usize, T)>, ConnectError>,
) -> Result<(T, Vec<u8>), ConnectError> {
    let mut received = BytesMut::with_capacity(1 << 10);
    let mut budget = Budget::new();
    loop {
        // No further than the longest head.
        received.reserve((received.len() + 1).min(MAX_HEAD));
        if budget.io(|cx| stream.poll_read(cx, &mut received)).await? == 0 {
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
        let wrote = budget.io(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)])).await?;
        if wrote == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[wrote..];
    }
    budget.io(|cx| stream.poll_flush(cx)).await
}

/// Writes a last answer, ends writing, and reads what comes still, up to its end or a bound: a socket that is dropped with something
/// unread is reset, which can destroy the answer on its way (RFC 9112, section 9.6). For how long is whoever polls to say; a server
/// lets a connection go that has said nothing within the handshake timeout.
pub(crate) async fn refuse<S: ByteStream>(stream: &mut S, answer: &[u8]) -> io::Result<()> {
    write_all(stream, answer).await?;
    let mut budget = Budget::new();
    budget.io(|cx| stream.poll_close(cx)).await?;
    let mut part = vec![0; PART];
    let mut left = MAX_UNREAD;
    while left > 0 {
        match budget.io(|cx| stream.poll_read_slice(cx, &mut part)).await {
            Ok(read @ 1..) => left = left.saturating_sub(read),
            // The end, or there is nobody to answer.
            _ => break,
        }
    }
    Ok(())
}
