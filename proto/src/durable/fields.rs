//! The fields that operations and snapshots are made of, written and read: the wire's integers and byte strings, and a few more.

use alloc::vec::Vec;

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::error::ProtocolError;
use crate::security::{ResumptionSecret, Suite, Verifier};
use crate::time::Duration;
use crate::wire::frame::{Frame, Parameters};
use crate::wire::{FrameWriter, cursor, handshake, varint};

/// What is read is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<ProtocolError> for Malformed {
    fn from(_: ProtocolError) -> Malformed {
        Malformed
    }
}

pub(crate) type Read<T> = Result<T, Malformed>;

pub(crate) fn put(buf: &mut Vec<u8>, value: u64) {
    varint::write(buf, value);
}

pub(crate) fn put_len(buf: &mut Vec<u8>, len: usize) {
    put(buf, cursor::len_u64(len));
}

pub(crate) fn put_flag(buf: &mut Vec<u8>, flag: bool) {
    buf.push(u8::from(flag));
}

pub(crate) fn put_bytes(buf: &mut Vec<u8>, bytes: &[u8]) {
    cursor::put_bytes(buf, bytes, usize::MAX);
}

/// What may be missing: a flag, then the value.
pub(crate) fn put_option<T>(buf: &mut Vec<u8>, value: Option<T>, put_value: impl FnOnce(&mut Vec<u8>, T)) {
    put_flag(buf, value.is_some());
    if let Some(value) = value {
        put_value(buf, value);
    }
}

/// A length of four bytes, then the frame as the wire has it at the end of a packet.
pub(crate) fn put_frame(buf: &mut Vec<u8>, frame: &Frame) {
    let start = buf.len();
    buf.extend_from_slice(&[0; 4]);
    let mut writer = FrameWriter::new(buf);
    writer.push(frame);
    writer.finish();
    let len = u32::try_from(buf.len() - start - 4).unwrap_or(u32::MAX);
    if let Some(place) = buf.get_mut(start..start + 4) {
        place.copy_from_slice(&len.to_be_bytes());
    }
}

/// In nanoseconds; one that is too long for that is as good as for ever.
pub(crate) fn put_duration(buf: &mut Vec<u8>, duration: Duration) {
    put(buf, u64::try_from(duration.as_nanos()).unwrap_or(varint::MAX));
}

pub(crate) fn take_duration(rest: &mut Bytes) -> Read<Duration> {
    Ok(Duration::from_nanos(take(rest)?))
}

pub(crate) fn put_secret(buf: &mut Vec<u8>, secret: &ResumptionSecret) {
    buf.push(secret.suite().byte());
    buf.extend_from_slice(secret.key());
}

pub(crate) fn put_verifier(buf: &mut Vec<u8>, verifier: &Verifier) {
    buf.push(verifier.suite().byte());
    buf.extend_from_slice(verifier.key());
}

pub(crate) fn put_parameters(buf: &mut Vec<u8>, parameters: &Parameters) {
    handshake::put_parameters(buf, parameters);
}

pub(crate) fn take(rest: &mut Bytes) -> Read<u64> {
    Ok(varint::read(rest)?)
}

pub(crate) fn take_len(rest: &mut Bytes) -> Read<usize> {
    usize::try_from(take(rest)?).map_err(|_| Malformed)
}

pub(crate) fn take_byte(rest: &mut Bytes) -> Read<u8> {
    Ok(cursor::byte(rest)?)
}

pub(crate) fn take_array<const N: usize>(rest: &mut Bytes) -> Read<[u8; N]> {
    Ok(cursor::array(rest)?)
}

pub(crate) fn take_flag(rest: &mut Bytes) -> Read<bool> {
    match take_byte(rest)? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed),
    }
}

/// They share the memory of what is read.
pub(crate) fn take_bytes(rest: &mut Bytes) -> Read<Bytes> {
    Ok(cursor::bytes(rest, usize::MAX)?)
}

pub(crate) fn take_option<T>(rest: &mut Bytes, take_value: impl FnOnce(&mut Bytes) -> Read<T>) -> Read<Option<T>> {
    take_flag(rest)?.then(|| take_value(rest)).transpose()
}

pub(crate) fn take_frame(rest: &mut Bytes) -> Read<Frame> {
    let len = u32::from_be_bytes(take_array(rest)?);
    let mut frames = crate::wire::frames(cursor::slice(rest, u64::from(len))?);
    let frame = frames.next().ok_or(Malformed)??;
    match frames.next() {
        None if frame.is_sequenced() => Ok(frame),
        _ => Err(Malformed),
    }
}

pub(crate) fn take_secret(rest: &mut Bytes) -> Read<ResumptionSecret> {
    let suite = Suite::from_byte(take_byte(rest)?).ok_or(Malformed)?;
    Ok(ResumptionSecret::new(suite, Zeroizing::new(take_array(rest)?)))
}

pub(crate) fn take_verifier(rest: &mut Bytes) -> Read<Verifier> {
    let suite = Suite::from_byte(take_byte(rest)?).ok_or(Malformed)?;
    Ok(Verifier::new(suite, Zeroizing::new(take_array(rest)?)))
}

pub(crate) fn take_parameters(rest: &mut Bytes) -> Read<Parameters> {
    Ok(handshake::take_parameters(rest)?)
}
