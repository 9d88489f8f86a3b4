//! A ready-made form of preserved state, for a shell.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::{Buf, BufMut, Bytes};

use crate::setters::setters;

/// First byte of the encoding.
const FORM: u8 = 1;

/// What a shell needs to go on where it was: to be attached with [`preserve`](crate::session::Reconnect::preserve), and
/// read again from an intent's [`preserved`](super::ReconnectIntent::preserved).
///
/// ```
/// use unbroken_proto::reconnect::ShellState;
/// let mut shell = ShellState::new(10_000)
///     .with_working_directory("/srv".into())
///     .with_last_command("make".into());
/// shell.output.push(b"cc main.c\n");
/// let bytes = shell.encode();
/// assert_eq!(ShellState::decode(bytes), Ok(shell));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShellState {
    /// Where it was, in the system's own form.
    pub working_directory: Bytes,
    /// Names and values, in order.
    pub environment: Vec<(Bytes, Bytes)>,
    /// What was run last.
    pub last_command: Bytes,
    /// What was last printed.
    pub output: OutputHistory,
}

impl ShellState {
    /// Nothing yet; at most `output` bytes of output are kept.
    #[must_use]
    pub fn new(output: usize) -> ShellState {
        ShellState {
            working_directory: Bytes::new(),
            environment: Vec::new(),
            last_command: Bytes::new(),
            output: OutputHistory::new(output),
        }
    }

    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        let mut out = alloc::vec![FORM];
        put(&mut out, &self.working_directory);
        put(&mut out, &self.last_command);
        out.put_u32(u32::try_from(self.environment.len()).unwrap_or(u32::MAX));
        for (name, value) in &self.environment {
            put(&mut out, name);
            put(&mut out, value);
        }
        out.put_u64(self.output.limit as u64);
        out.put_u64(self.output.forgotten);
        let (front, back) = self.output.kept.as_slices();
        out.put_slice(front);
        out.put_slice(back);
        Bytes::from(out)
    }

    /// From bytes that [`encode`](Self::encode) made.
    ///
    /// # Errors
    /// They are something else.
    pub fn decode(mut bytes: Bytes) -> Result<ShellState, UnreadableState> {
        if bytes.try_get_u8().ok() != Some(FORM) {
            return Err(UnreadableState);
        }
        let working_directory = take(&mut bytes)?;
        let last_command = take(&mut bytes)?;
        let count = bytes.try_get_u32().map_err(|_| UnreadableState)?;
        // Each takes its bytes: what is claimed is allocated only as it is found.
        let mut environment = Vec::new();
        for _ in 0..count {
            environment.push((take(&mut bytes)?, take(&mut bytes)?));
        }
        let limit = bytes.try_get_u64().map_err(|_| UnreadableState)?;
        let forgotten = bytes.try_get_u64().map_err(|_| UnreadableState)?;
        let limit = usize::try_from(limit).map_err(|_| UnreadableState)?;
        if bytes.len() > limit {
            return Err(UnreadableState);
        }
        let output = OutputHistory {
            kept: bytes.iter().copied().collect(),
            limit,
            forgotten,
        };
        Ok(ShellState {
            working_directory,
            environment,
            last_command,
            output,
        })
    }
}

setters! {
    ShellState {
        with_working_directory working_directory: Bytes,
        with_environment environment: Vec<(Bytes, Bytes)>,
        with_last_command last_command: Bytes,
    }
}

fn put(out: &mut Vec<u8>, bytes: &[u8]) {
    // Longer than a session keeps anyway: cut, so that what is written can be read.
    let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    out.put_u32(len);
    out.put_slice(bytes.get(..len as usize).unwrap_or(bytes));
}

fn take(bytes: &mut Bytes) -> Result<Bytes, UnreadableState> {
    let len = bytes.try_get_u32().map_err(|_| UnreadableState)?;
    let len = usize::try_from(len).map_err(|_| UnreadableState)?;
    if len > bytes.len() {
        return Err(UnreadableState);
    }
    Ok(bytes.split_to(len))
}

/// These bytes are no encoded [`ShellState`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the state of a shell")]
pub struct UnreadableState;

/// The last bytes of an output, to be shown again to whoever comes back. Bounded: the oldest go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputHistory {
    kept: VecDeque<u8>,
    limit: usize,
    forgotten: u64,
}

impl OutputHistory {
    /// Empty; keeps at most `limit` bytes.
    #[must_use]
    pub fn new(limit: usize) -> OutputHistory {
        OutputHistory {
            kept: VecDeque::new(),
            limit,
            forgotten: 0,
        }
    }

    /// More output.
    pub fn push(&mut self, output: &[u8]) {
        let skipped = output.len().saturating_sub(self.limit);
        let fresh = output.get(skipped..).unwrap_or_default();
        let surplus = (self.kept.len() + fresh.len()).saturating_sub(self.limit);
        self.kept.drain(..surplus);
        self.kept.extend(fresh);
        self.forgotten = self.forgotten.saturating_add((skipped + surplus) as u64);
    }

    /// What is kept, oldest first.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.kept.iter().copied().collect()
    }

    /// How many bytes went before those that are kept.
    #[must_use]
    pub fn forgotten(&self) -> u64 {
        self.forgotten
    }
}

#[cfg(test)]
mod tests;
