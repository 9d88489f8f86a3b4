//! Lines of JSON, of bounded length.

use std::io;

use serde::Serialize;
use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// No line is longer, in bytes.
pub(crate) const LONGEST: u64 = 64 << 10;

/// Why there is no line.
#[derive(Debug)]
pub(crate) enum NoLine {
    /// Its end has not come within [`LONGEST`].
    TooLong,
    /// There is none any more.
    Over,
    Broken(io::Error),
}

/// The next line, without its end.
pub(crate) async fn read(from: &mut (impl AsyncBufRead + Unpin)) -> Result<Vec<u8>, NoLine> {
    let mut line = Vec::new();
    let read = from.take(LONGEST + 1).read_until(b'\n', &mut line).await;
    match read {
        Err(error) => Err(NoLine::Broken(error)),
        Ok(0) => Err(NoLine::Over),
        Ok(_) if line.ends_with(b"\n") => {
            line.pop();
            Ok(line)
        }
        Ok(read) if u64::try_from(read).is_ok_and(|read| read <= LONGEST) => Ok(line),
        Ok(_) => Err(NoLine::TooLong),
    }
}

/// Writes a value as a line.
pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    to.write_all(&line).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_have_an_end() {
        let longest = vec![b'x'; usize::try_from(LONGEST).unwrap()];
        let mut all = b"one\n\n".to_vec();
        all.extend_from_slice(&longest);
        all.extend_from_slice(b"\nlast");
        let mut from = &all[..];
        assert_eq!(read(&mut from).await.unwrap(), b"one");
        assert_eq!(read(&mut from).await.unwrap(), b"");
        assert_eq!(read(&mut from).await.unwrap(), longest);
        assert_eq!(read(&mut from).await.unwrap(), b"last");
        assert!(matches!(read(&mut from).await, Err(NoLine::Over)));
        let long = [&longest[..], b"xx\n"].concat();
        assert!(matches!(read(&mut &long[..]).await, Err(NoLine::TooLong)));
    }
}
