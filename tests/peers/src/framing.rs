//! Messages over what carries bytes: a length of four bytes, and so many bytes.

use bytes::{Buf as _, Bytes};
use futures_util::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::codec::{FramedRead, LengthDelimitedCodec};

use crate::contestant::Receiver;
use crate::failure::Failure;

/// What is read at once, at least.
const READ: usize = 64 << 10;

/// The length that goes before a message. The comparison has no messages of 4 GiB.
pub(crate) fn prefix(message: &Bytes) -> [u8; 4] {
    u32::try_from(message.len()).unwrap_or(u32::MAX).to_be_bytes()
}

/// One call to the writer for length and message together, if it writes several slices at once.
pub(crate) async fn write_vectored(writer: &mut (impl AsyncWrite + Unpin), message: Bytes) -> Result<(), Failure> {
    let prefix = prefix(&message);
    Ok(writer.write_all_buf(&mut prefix.as_slice().chain(message)).await?)
}

/// Takes messages out of what carries bytes.
#[derive(Debug)]
pub(crate) struct Messages<R>(FramedRead<R, LengthDelimitedCodec>);

impl<R: AsyncRead> Messages<R> {
    pub(crate) fn new(reader: R) -> Messages<R> {
        Messages(FramedRead::with_capacity(reader, LengthDelimitedCodec::new(), READ))
    }
}

impl<R: AsyncRead + Unpin + Send + 'static> Receiver for Messages<R> {
    async fn recv(&mut self) -> Result<Option<Bytes>, Failure> {
        Ok(self.0.next().await.transpose()?.map(|message| message.freeze()))
    }
}
