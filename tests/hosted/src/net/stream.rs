//! A connection's end, and a listener, as a runtime hands them out.

use std::io::{self, IoSlice};
use std::sync::Arc;
use std::task::{Context, Poll};

use unbroken_driver::ByteStream;

use super::{ConnId, End, Port};
use crate::kernel::core::{Core, Event};
use crate::kernel::{Kernel, inject};

/// One end of a simulated connection. Dropping it closes it as a kernel would: with an end, or with a reset if something
/// was not read.
#[derive(Debug)]
pub struct SimStream {
    kernel: Arc<Kernel>,
    conn: ConnId,
    end: End,
}

/// What a call comes to while the lock is held.
enum Call<T> {
    Done(Poll<io::Result<T>>),
    Panic,
}

impl SimStream {
    pub(crate) fn new(kernel: Arc<Kernel>, conn: ConnId, end: End) -> SimStream {
        SimStream { kernel, conn, end }
    }

    fn call<T>(&self, act: impl FnOnce(&mut Core, u64) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let called = self.kernel.with(|core| {
            let now = core.now;
            if core.is_interrupted() {
                return Call::Done(Poll::Ready(Err(io::ErrorKind::Interrupted.into())));
            }
            let Some(conn) = core.net.conn(self.conn) else {
                return Call::Done(Poll::Ready(Err(io::ErrorKind::NotConnected.into())));
            };
            if std::mem::take(&mut conn.halves[self.end].panics) {
                core.tally.hit("panic: a connection's code");
                return Call::Panic;
            }
            if conn.halves[self.end].broken_at <= now {
                return Call::Done(Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())));
            }
            Call::Done(act(core, now))
        });
        match called {
            Call::Done(done) => done,
            Call::Panic => inject(),
        }
    }
}

impl ByteStream for SimStream {
    fn poll_read_slice(&mut self, cx: &mut Context<'_>, buf: &mut [u8]) -> Poll<io::Result<usize>> {
        self.kernel.count_read();
        let (id, end) = (self.conn, self.end);
        self.call(|core, now| {
            let Some(conn) = core.net.conn(id) else {
                return Poll::Ready(Ok(0));
            };
            let limit = conn.halves[end].read_limit.min(buf.len());
            let inward = &mut conn.pipes[1 - end];
            let Some(read) = inward.read(now, &mut buf[..limit]) else {
                inward.reader = Some(cx.waker().clone());
                return Poll::Pending;
            };
            let writer = inward.writer.take();
            core.wakes.extend(writer);
            core.trace.note(id << 2 | end as u64);
            core.trace.note(read as u64);
            Poll::Ready(Ok(read))
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        let (id, end) = (self.conn, self.end);
        self.call(|core, now| {
            let Some(conn) = core.net.conn(id) else {
                return Poll::Ready(Ok(0));
            };
            if conn.halves[end].closed {
                return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
            }
            let room = conn.pipes[end].room().min(conn.halves[end].write_limit);
            if room == 0 {
                conn.pipes[end].writer = Some(cx.waker().clone());
                return Poll::Pending;
            }
            let mut bytes = Vec::new();
            for part in parts {
                bytes.extend_from_slice(&part[..part.len().min(room - bytes.len())]);
            }
            let mut times = conn.pipes[end].write(now, &bytes);
            if !conn.halves[1 - end].alive {
                // Nobody reads there any more: a reset comes back.
                let at = now.saturating_add(2 * conn.pipes[end].latency());
                conn.halves[end].broken_at = conn.halves[end].broken_at.min(at);
                times.push(at);
            }
            core.plan_stirs(id, times);
            core.trace.note(id << 2 | 2 | end as u64);
            core.trace.note(bytes.len() as u64);
            Poll::Ready(Ok(bytes.len()))
        })
    }

    fn poll_flush(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.call(|_, _| Poll::Ready(Ok(())))
    }

    fn poll_close(&mut self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (id, end) = (self.conn, self.end);
        self.call(|core, now| {
            if let Some(conn) = core.net.conn(id)
                && !std::mem::replace(&mut conn.halves[end].closed, true)
            {
                let at = conn.pipes[end].finish(now);
                core.plan(at, Event::Stir(id));
            }
            Poll::Ready(Ok(()))
        })
    }
}

impl Drop for SimStream {
    fn drop(&mut self) {
        self.kernel.with(|core| {
            let now = core.now;
            let times = core.net.let_go(now, self.conn, self.end);
            core.plan_stirs(self.conn, times);
        });
    }
}

/// Where a server's connections come from. Dropping it closes it.
#[derive(Debug)]
pub struct SimListener {
    kernel: Arc<Kernel>,
    port: Port,
    number: u64,
}

impl SimListener {
    /// Listens.
    #[must_use]
    pub fn new(kernel: &Arc<Kernel>, port: Port) -> SimListener {
        let number = kernel.with(|core| core.net.listen(&port));
        SimListener {
            number,
            kernel: Arc::clone(kernel),
            port,
        }
    }

    pub(crate) fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<SimStream>> {
        let accepted = self.kernel.with(|core| {
            let now = core.now;
            if core.is_interrupted() {
                return Poll::Ready(Err(io::ErrorKind::Interrupted.into()));
            }
            core.net.accept(now, &self.port, self.number, cx.waker())
        });
        accepted.map_ok(|conn| SimStream::new(Arc::clone(&self.kernel), conn, 1))
    }
}

impl Drop for SimListener {
    fn drop(&mut self) {
        self.kernel.with(|core| {
            let now = core.now;
            let mut wakes = Vec::new();
            core.net.stop_listening(now, &self.port, self.number, &mut wakes);
            core.wakes.append(&mut wakes);
        });
    }
}
