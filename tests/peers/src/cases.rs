//! What is measured, each case in a file.

mod goodput;
mod keystroke;
mod ping_pong;
mod throughput;

use std::time::Duration;

use crate::cli::{Case, Peer};
use crate::contestant::Contestant;
use crate::contestants::{
    Quinn, Slozhn, SlozhnTuned, Tcp, TcpBuffered, UnbrokenTcp, UnbrokenTuned, UnbrokenWs, Ws, WsBatched, Yamux,
};
use crate::failure::Failure;
use crate::figures::Measured;
use crate::network::Network;

/// How a case is run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) case: Case,
    pub(crate) network: Network,
    /// Length of a message; of the bulk's where there is other.
    pub(crate) size: usize,
    /// What is measured lasts so long.
    pub(crate) length: Duration,
    /// Before it is measured, where the relay is.
    pub(crate) warm_up: Duration,
}

impl Setting {
    /// After this a run is given up.
    fn limit(&self) -> Duration {
        self.length * 4 + self.warm_up + Duration::from_secs(30)
    }
}

/// One run of one contestant.
pub(crate) async fn run(peer: Peer, setting: Setting) -> Result<Measured, Failure> {
    let limit = setting.limit();
    let run = async {
        match peer {
            Peer::Tcp => of::<Tcp>(setting).await,
            Peer::TcpBuffered => of::<TcpBuffered>(setting).await,
            Peer::Ws => of::<Ws>(setting).await,
            Peer::WsBatched => of::<WsBatched>(setting).await,
            Peer::Yamux => of::<Yamux>(setting).await,
            Peer::Quinn => of::<Quinn>(setting).await,
            Peer::Slozhn => of::<Slozhn>(setting).await,
            Peer::SlozhnTuned => of::<SlozhnTuned>(setting).await,
            Peer::UnbrokenTcp => of::<UnbrokenTcp>(setting).await,
            Peer::UnbrokenTuned => of::<UnbrokenTuned>(setting).await,
            Peer::UnbrokenWs => of::<UnbrokenWs>(setting).await,
        }
    };
    tokio::time::timeout(limit, run)
        .await
        .unwrap_or(Err(Failure::TimedOut(limit)))
}

async fn of<C: Contestant>(setting: Setting) -> Result<Measured, Failure> {
    match setting.case {
        Case::Throughput | Case::Relay => throughput::run::<C>(setting).await,
        Case::PingPong => ping_pong::run::<C>(setting).await,
        Case::Line | Case::Delay => goodput::run::<C>(setting).await,
        Case::Keystroke => keystroke::run::<C>(setting).await,
    }
}
