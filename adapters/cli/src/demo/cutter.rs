//! A relay between client and server that cuts connections in the middle of a byte stream.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};

use super::data::Random;

/// How long it rests when the system refuses to accept.
const REST: Duration = Duration::from_millis(50);

/// When to cut.
pub(crate) struct Plan {
    /// How many bytes have been let through, over all connections and both directions.
    through: u64,
    /// Cut when so many have.
    at: VecDeque<u64>,
    done: u32,
}

/// The relay: cuts by plan, by clock, or both.
pub(crate) struct Cutter {
    plan: Mutex<Plan>,
}

impl Cutter {
    /// Cuts `cuts` times at random bytes of the first `bytes`.
    pub(crate) fn new(cuts: u32, bytes: u64, seed: u64) -> Arc<Cutter> {
        let mut random = Random::new(seed);
        let mut at: Vec<u64> = (0..cuts).map(|_| 1 + random.below(bytes)).collect();
        at.sort_unstable();
        let plan = Plan {
            through: 0,
            at: at.into(),
            done: 0,
        };
        Arc::new(Cutter { plan: Mutex::new(plan) })
    }

    /// How often it has cut.
    pub(crate) fn done(&self) -> u32 {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner).done
    }

    /// Cuts at what is let through next, now and then.
    pub(crate) async fn by_clock(self: Arc<Self>, every: Duration, cuts: Option<u32>) {
        let mut left = cuts.unwrap_or(u32::MAX);
        while left > 0 {
            tokio::time::sleep(every).await;
            let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
            let next = plan.through;
            // One that nothing has come to yet is enough.
            if plan.at.front() != Some(&next) {
                plan.at.push_front(next);
                left -= 1;
            }
        }
    }

    /// Relays every connection to `server`.
    pub(crate) async fn relay(self: Arc<Self>, listener: TcpListener, server: SocketAddr) {
        loop {
            let Ok((client, _)) = listener.accept().await else {
                // It may have been the connection that was given up, or the system is out of file handles for a while.
                tokio::time::sleep(REST).await;
                continue;
            };
            let cutter = Arc::clone(&self);
            tokio::spawn(async move {
                let _lost = cutter.connection(client, server).await;
            });
        }
    }

    async fn connection(&self, mut client: TcpStream, server: SocketAddr) -> io::Result<()> {
        let mut server = TcpStream::connect(server).await?;
        client.set_nodelay(true)?;
        server.set_nodelay(true)?;
        let cut = {
            let (client_in, client_out) = client.split();
            let (server_in, server_out) = server.split();
            tokio::try_join!(self.forward(client_in, server_out), self.forward(server_in, client_out)).is_err()
        };
        if cut {
            // Closing now sends a reset and forgets what has not gone out.
            client.set_zero_linger()?;
            server.set_zero_linger()?;
        }
        Ok(())
    }

    /// Forwards one direction to its end; an error when the connection is to be cut, or broke.
    async fn forward(&self, mut from: ReadHalf<'_>, mut to: WriteHalf<'_>) -> io::Result<()> {
        let mut buffer = vec![0; 64 << 10];
        loop {
            let read = from.read(&mut buffer).await?;
            if read == 0 {
                return to.shutdown().await;
            }
            let (let_through, cut) = self.allow(read);
            to.write_all(&buffer[..let_through]).await?;
            if cut {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
        }
    }

    /// How many of the next bytes may pass, and whether to cut behind them.
    fn allow(&self, bytes: usize) -> (usize, bool) {
        let mut plan = self.plan.lock().unwrap_or_else(PoisonError::into_inner);
        let left = plan.at.front().map(|at| at.saturating_sub(plan.through));
        let left = left
            .and_then(|left| usize::try_from(left).ok())
            .filter(|left| *left <= bytes);
        let through = left.unwrap_or(bytes);
        plan.through += u64::try_from(through).unwrap_or(0);
        if left.is_some() {
            plan.at.pop_front();
            plan.done += 1;
        }
        (through, left.is_some())
    }
}
