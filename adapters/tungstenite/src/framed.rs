//! Packets on a byte stream, each behind its length.

use std::io::{self, Read, Write};

use bytes::BytesMut;
use unbroken_proto::wire::framing::{self, MAX_PACKET, MAX_UNPROVEN};

use crate::connection::{ByteStream, Connection, Watched};

/// Bytes that may wait for the stream before it takes no more packets.
const HIGH_WATER: usize = 128 << 10;
/// Read at once.
const READ: usize = 16 << 10;

/// A byte stream (TCP, TLS, a pipe's two ends) as a [`Connection`].
pub struct Framed<S> {
    stream: Watched<S>,
    input: BytesMut,
    scratch: Box<[u8]>,
    output: Vec<u8>,
    written: usize,
    /// The longest packet that is read.
    limit: usize,
    finished: bool,
}

impl<S: ByteStream> Framed<S> {
    /// The dialling end.
    pub fn new(stream: S) -> Framed<S> {
        Framed {
            stream: Watched::new(stream),
            input: BytesMut::new(),
            scratch: vec![0; READ].into(),
            output: Vec::new(),
            written: 0,
            limit: MAX_PACKET,
            finished: false,
        }
    }

    /// The accepting end: the first packet is a stranger's, and bounded accordingly.
    pub fn accepted(stream: S) -> Framed<S> {
        Framed {
            limit: MAX_UNPROVEN,
            ..Framed::new(stream)
        }
    }

    /// What carries it.
    pub fn get_ref(&self) -> &S {
        &self.stream.stream
    }
}

impl<S: ByteStream> Connection for Framed<S> {
    fn open(&mut self) -> io::Result<()> {
        self.stream.stream.open()
    }

    fn read(&mut self) -> io::Result<Option<BytesMut>> {
        loop {
            let whole = framing::split(&mut self.input, self.limit);
            if let Some(packet) = whole.map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))? {
                self.limit = MAX_PACKET;
                return Ok(Some(packet));
            }
            match self.stream.read(&mut self.scratch) {
                Ok(0) if self.input.is_empty() => return Ok(None),
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => self.input.extend_from_slice(&self.scratch[..read]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.output.len() - self.written <= HIGH_WATER
    }

    fn send(&mut self, packet: Vec<u8>) -> io::Result<()> {
        let prefix = framing::prefix(packet.len()).ok_or(io::ErrorKind::InvalidInput)?;
        self.output.extend_from_slice(&prefix);
        self.output.extend_from_slice(&packet);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        while self.written < self.output.len() {
            match self.stream.write(&self.output[self.written..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => self.written += written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // What is gone need not be kept: the bound holds however long it takes.
                    if self.written > HIGH_WATER {
                        self.output.drain(..self.written);
                        self.written = 0;
                    }
                    return Err(error);
                }
            }
        }
        self.output.clear();
        self.written = 0;
        self.stream.flush()
    }

    fn close(&mut self) -> io::Result<()> {
        self.flush()?;
        if !self.finished {
            self.stream.stream.finish()?;
            self.finished = true;
        }
        Ok(())
    }

    fn wants_write(&self) -> bool {
        self.stream.blocked
    }
}
