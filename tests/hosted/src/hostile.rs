//! Those who connect and are no clients.

use std::io::IoSlice;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use unbroken_carriers::Upgrade;
use unbroken_carriers::http::{HeaderMap, Uri};
use unbroken_driver::{Budget, ByteStream, Runtime};

use crate::SimRuntime;
use crate::net::SimStream;
use crate::world::World;

/// What a stranger does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// Nothing.
    Silent,
    /// Anything.
    Junk,
    /// Packets that make no sense, one after the other.
    Malformed,
    /// Half an upgrade.
    Half,
    /// An upgrade, and then pongs.
    Pongs,
}

/// One more stranger.
pub(crate) fn attack(world: &mut World) {
    let manner = *world.rng.pick(&[
        Manner::Silent,
        Manner::Junk,
        Manner::Malformed,
        Manner::Half,
        Manner::Pongs,
    ]);
    let kernel = Arc::clone(&world.kernel);
    let runtime = SimRuntime::new(&kernel, kernel.process(), "stranger").hostile();
    let port = if matches!(manner, Manner::Half | Manner::Pongs) || world.rng.chance(500) {
        80
    } else {
        81
    };
    let junk: Vec<u8> = (0..world.rng.between(1, 400))
        .map(|_| world.rng.number().to_le_bytes()[0])
        .collect();
    kernel.spawn(runtime.process(), "stranger", async move {
        let Ok(mut stream) = runtime.connect((Ipv4Addr::LOCALHOST, port).into()).await else {
            return;
        };
        runtime.kernel().hit("attack: connected");
        let _broken = converse(&runtime, &mut stream, manner, &junk).await;
    });
}

async fn converse(runtime: &SimRuntime, stream: &mut SimStream, manner: Manner, junk: &[u8]) -> std::io::Result<()> {
    match manner {
        Manner::Silent => {}
        Manner::Junk => write(stream, junk).await?,
        Manner::Malformed => {
            let mut packet = (junk.len() as u16).to_be_bytes().to_vec();
            packet.extend_from_slice(junk);
            // Of a type that there is, so that each is a packet.
            packet[2] = 7;
            for _ in 0..2_000 {
                write(stream, &packet).await?;
            }
        }
        Manner::Half => write(stream, b"GET /sessions HTTP/1.1\r\nHost: server\r\nUpgr").await?,
        Manner::Pongs => {
            let upgrade = Upgrade::new(&Uri::from_static("ws://server:80/sessions"), &HeaderMap::new(), &[])
                .map_err(std::io::Error::other)?;
            write(stream, upgrade.request()).await?;
            let mut answer = BytesMut::with_capacity(4_096);
            while upgrade.answered(&answer)?.is_none() {
                answer.reserve(1_024);
                if Budget::new().io(|cx| stream.poll_read(cx, &mut answer)).await? == 0 {
                    return Ok(());
                }
            }
            for _ in 0..500 {
                write(stream, &PONGS).await?;
            }
            runtime.kernel().hit("attack: all pongs were taken");
        }
    }
    runtime.sleep(Duration::from_secs(30)).await;
    Ok(())
}

/// Masked, with a mask of zeros, and empty.
const PONG: [u8; 6] = [0x8a, 0x80, 0, 0, 0, 0];
const PONGS: [u8; 600] = {
    let mut all = [0; 600];
    let mut at = 0;
    while at < 600 {
        all[at] = PONG[at % 6];
        at += 1;
    }
    all
};

async fn write(stream: &mut SimStream, mut bytes: &[u8]) -> std::io::Result<()> {
    while !bytes.is_empty() {
        let wrote = Budget::new()
            .io(|cx| stream.poll_write(cx, &[IoSlice::new(bytes)]))
            .await?;
        bytes = &bytes[wrote..];
    }
    Ok(())
}

/// A stream that always has more of the same to read: what an executor has to be protected from.
#[derive(Debug)]
pub struct Endless {
    runtime: SimRuntime,
    /// What is read first.
    first: BytesMut,
    /// What is read again and again.
    again: Vec<u8>,
    at: usize,
}

impl Endless {
    /// `first`, then `again` for ever.
    #[must_use]
    pub fn new(runtime: SimRuntime, first: &[u8], again: &[u8]) -> Endless {
        Endless {
            runtime,
            first: BytesMut::from(first),
            again: again.to_vec(),
            at: 0,
        }
    }

    /// After an upgrade to a WebSocket, pongs.
    ///
    /// # Errors
    /// The request cannot be made.
    pub fn pongs(runtime: SimRuntime) -> std::io::Result<Endless> {
        let upgrade = Upgrade::new(&Uri::from_static("ws://server:80/sessions"), &HeaderMap::new(), &[])
            .map_err(std::io::Error::other)?;
        Ok(Endless::new(runtime, upgrade.request(), &PONGS))
    }
}

impl ByteStream for Endless {
    fn poll_read_slice(&mut self, _cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<std::io::Result<usize>> {
        self.runtime.kernel().count_read();
        if !self.first.is_empty() {
            let take = self.first.len().min(buf.len());
            buf[..take].copy_from_slice(&self.first.split_to(take));
            return Poll::Ready(Ok(take));
        }
        let take = buf.len().min(1_024);
        for byte in &mut buf[..take] {
            *byte = self.again[self.at];
            self.at = (self.at + 1) % self.again.len();
        }
        Poll::Ready(Ok(take))
    }

    fn poll_write(&mut self, _cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(parts.iter().map(|part| part.len()).sum()))
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
