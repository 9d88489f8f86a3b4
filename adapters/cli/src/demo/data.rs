//! What is sent, and a generator for it and for the cuts.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use crate::failure::Failure;

/// Read, and generated, at once.
const CHUNK: u64 = 256 << 10;

/// SplitMix64: small, and good enough to choose bytes to cut at.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `bound`, or zero.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        let product = u128::from(self.next()) * u128::from(bound);
        u64::try_from(product >> 64).unwrap_or(0)
    }
}

/// Data to send, a piece at a time.
pub(crate) enum Source {
    File { file: File, size: u64 },
    Generated { random: Random, size: u64, left: u64 },
}

impl Source {
    pub(crate) async fn open(path: &Path) -> Result<Source, Failure> {
        let failed = |error| Failure::Unable(format!("cannot read {}: {error}", path.display()));
        let file = File::open(path).await.map_err(failed)?;
        let metadata = file.metadata().await.map_err(failed)?;
        if !metadata.is_file() {
            return Err(Failure::Unable(format!(
                "cannot read {}: not a regular file",
                path.display()
            )));
        }
        Ok(Source::File {
            file,
            size: metadata.len(),
        })
    }

    pub(crate) fn generate(seed: u64, size: u64) -> Source {
        Source::Generated {
            random: Random::new(!seed),
            size,
            left: size,
        }
    }

    pub(crate) fn size(&self) -> u64 {
        match self {
            Source::File { size, .. } | Source::Generated { size, .. } => *size,
        }
    }

    /// The next piece; empty at the end.
    pub(crate) async fn next(&mut self) -> std::io::Result<Bytes> {
        match self {
            Source::File { file, .. } => {
                let mut buffer = BytesMut::with_capacity(usize::try_from(CHUNK).unwrap_or(usize::MAX));
                file.read_buf(&mut buffer).await?;
                Ok(buffer.freeze())
            }
            Source::Generated { random, left, .. } => {
                let piece = (*left).min(CHUNK);
                *left -= piece;
                let piece = usize::try_from(piece).unwrap_or(0);
                let mut buffer = BytesMut::with_capacity(piece + 8);
                while buffer.len() < piece {
                    buffer.extend_from_slice(&random.next().to_le_bytes());
                }
                buffer.truncate(piece);
                Ok(buffer.freeze())
            }
        }
    }
}
