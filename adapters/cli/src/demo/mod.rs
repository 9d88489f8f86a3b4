//! `unbroken demo`: a real server and a real client on loopback, and somebody who cuts the line.

mod cutter;
mod data;
mod summary;

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use sha2::{Digest, Sha256};
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use unbroken_tokio::proto::event::{EndReason, Swap};
use unbroken_tokio::proto::reconnect::Backoff;
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::stats::Stats;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, Event, ServerConfig};
use unbroken_tokio::{Events, RecvHalf, SendHalf, Server, Session};

use self::cutter::Cutter;
use self::data::Source;
use self::summary::Summary;
use crate::failure::Failure;
use crate::options::demo::{Carrier, Demo};

/// Cuts unless told otherwise.
const CUTS: u32 = 60;

/// Runs the demo; true if everything arrived as it was sent.
pub(crate) fn run(options: Demo) -> Result<bool, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let summary = runtime.map_err(unable("cannot start"))?.block_on(demo(&options))?;
    let text = if options.json { summary.json() } else { summary.text() };
    writeln!(std::io::stdout(), "{text}").map_err(unable("cannot write the summary"))?;
    if summary.gaps.is_empty() {
        let why = match summary.cuts {
            0 => "the connection was never cut",
            _ => "every cut fell into a handshake, before there was a connection to lose",
        };
        eprintln!("unbroken: {why}; a larger file, or more cuts, would show more");
    }
    Ok(summary.intact())
}

fn unable(what: &str) -> impl Fn(std::io::Error) -> Failure + '_ {
    move |error| Failure::Unable(format!("{what}: {error}"))
}

fn broken(what: &'static str) -> impl Fn(Box<dyn std::error::Error + Send + Sync>) -> Failure {
    move |error| Failure::Broken(format!("{what}: {error}"))
}

async fn demo(options: &Demo) -> Result<Summary, Failure> {
    let seed = options.seed.map_or_else(random_seed, Ok)?;
    let source = match &options.file {
        Some(path) => Source::open(path).await?,
        None => Source::generate(seed, options.size),
    };
    let out = match &options.out {
        Some(path) => Some(create(path, options.file.as_deref()).await?),
        None => None,
    };
    let size = source.size();
    let (client, echo, cutter) = set_up(options, size, seed)
        .await
        .map_err(|error| Failure::Unable(format!("cannot set up: {error}")))?;

    let bar = progress(size, options.json);
    let gaps = tokio::spawn(watch(client.events(), bar.clone()));
    let begin = Instant::now();
    let (send, recv) = client
        .open(StreamOptions::default())
        .await
        .map_err(|error| broken("cannot open a stream")(error.into()))?
        .split();
    let (sent, received) = tokio::try_join!(send_all(source, send), receive_all(recv, out, bar.clone()))?;
    let elapsed = begin.elapsed();
    let ended = client.close(0, Bytes::from_static(b"done")).await;
    let ended = ended.map_err(|error| broken("cannot close")(error.into()))?;
    bar.finish_and_clear();
    if !matches!(ended.reason, EndReason::Closed { .. }) {
        return Err(Failure::Broken(format!("the session ended badly: {:?}", ended.reason)));
    }
    let mut gaps = gaps.await.unwrap_or_default();
    gaps.sort_unstable();
    let server = echo.await.unwrap_or_default();
    Ok(Summary {
        sent: sent.bytes,
        received: received.bytes,
        cuts: cutter.done(),
        gaps,
        replayed: client.stats().replayed_bytes + server.replayed_bytes,
        elapsed,
        digest_sent: sent.digest,
        digest_received: received.digest,
        seed,
    })
}

fn random_seed() -> Result<u64, Failure> {
    let mut seed = [0; 4];
    getrandom::fill(&mut seed).map_err(|error| Failure::Unable(format!("no entropy: {error}")))?;
    Ok(u32::from_le_bytes(seed).into())
}

async fn create(path: &Path, input: Option<&Path>) -> Result<File, Failure> {
    let same = |input: &Path| {
        path.canonicalize()
            .is_ok_and(|path| input.canonicalize().is_ok_and(|input| input == path))
    };
    if input.is_some_and(same) {
        return Err(Failure::Unable(format!(
            "cannot write {}: it is what is to be sent",
            path.display()
        )));
    }
    File::create(path)
        .await
        .map_err(unable(&format!("cannot write {}", path.display())))
}

type SetUp = (Session, JoinHandle<Stats>, Arc<Cutter>);

/// A server that echoes, a relay that cuts, and a client that dials the relay.
async fn set_up(options: &Demo, size: u64, seed: u64) -> Result<SetUp, Box<dyn std::error::Error + Send + Sync>> {
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| error.to_string())?;
    let secret = SharedSecret::from_key(b"demo", key)?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server_address = listener.local_addr()?;
    let mut server = Server::new(ServerConfig::new(ServerAuth::secrets(vec![secret.clone()])))?;
    match options.carrier {
        Carrier::Ws => server.listen_ws(listener),
        Carrier::Tcp => server.listen_tcp(listener),
    };
    let echo = tokio::spawn(async move {
        let session = server.accept().await.session;
        if let Some(stream) = session.accept().await {
            let (send, recv) = stream.split();
            echo(send, recv).await;
        }
        session.closed().await;
        session.stats()
    });

    let cuts = options
        .cuts
        .unwrap_or(if options.cut_every.is_some() { 0 } else { CUTS });
    // A little less than will certainly cross the line, both ways together.
    let span = (2 * size).saturating_sub(size / 16).max(2_000);
    let cutter = Cutter::new(if options.cut_every.is_some() { 0 } else { cuts }, span, seed);
    if let Some(every) = options.cut_every {
        tokio::spawn(Arc::clone(&cutter).by_clock(every, options.cuts));
    }
    let relay = TcpListener::bind("127.0.0.1:0").await?;
    let address = relay.local_addr()?;
    tokio::spawn(Arc::clone(&cutter).relay(relay, server_address));

    let mut config = ClientConfig::new(Auth::secret(secret));
    config.name = "demo".into();
    // The network is fine again at once, and always: no reason to hold back.
    let soon = Duration::from_millis(20);
    config.backoff = Backoff::default()
        .with_first(soon)
        .with_base(soon)
        .with_cap(2 * soon)
        .with_stable_after(Duration::from_millis(1));
    let client = match options.carrier {
        Carrier::Ws => unbroken_tokio::connect_ws(format!("ws://{address}/"), config)?,
        Carrier::Tcp => unbroken_tokio::connect_tcp(address.to_string(), config)?,
    };
    Ok((client, echo, cutter))
}

async fn echo(mut send: SendHalf, mut recv: RecvHalf) {
    while let Ok(Some((bytes, _))) = recv.recv_chunk().await {
        if send.write_bytes(bytes).await.is_err() {
            return;
        }
    }
    send.finish();
}

fn progress(size: u64, quiet: bool) -> ProgressBar {
    if quiet {
        return ProgressBar::hidden();
    }
    let template = "{bar:30} {percent:>3} %  {binary_bytes}/{binary_total_bytes}  {binary_bytes_per_sec}  {msg}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(size).with_style(style).with_message("0 swaps")
}

/// Counts swaps, and how long each took.
async fn watch(mut events: Events, bar: ProgressBar) -> Vec<Duration> {
    let mut gaps = Vec::new();
    while let Some(event) = events.next().await {
        if let Event::Attached {
            swap: Swap::Unplanned,
            gap,
            ..
        } = event
        {
            gaps.push(gap);
            bar.set_message(format!(
                "{} swaps, the last in {:.1} ms",
                gaps.len(),
                gap.as_secs_f64() * 1_000.0
            ));
        }
    }
    gaps
}

struct Crossed {
    bytes: u64,
    digest: [u8; 32],
}

async fn send_all(mut source: Source, mut send: SendHalf) -> Result<Crossed, Failure> {
    let (mut bytes, mut hash) = (0, Sha256::new());
    loop {
        let piece = source.next().await.map_err(unable("cannot read"))?;
        if piece.is_empty() {
            break;
        }
        bytes += u64::try_from(piece.len()).unwrap_or(0);
        hash.update(&piece);
        send.write_bytes(piece)
            .await
            .map_err(|error| broken("sending failed")(error.into()))?;
    }
    send.finish();
    Ok(Crossed {
        bytes,
        digest: hash.finalize().into(),
    })
}

async fn receive_all(mut recv: RecvHalf, mut out: Option<File>, bar: ProgressBar) -> Result<Crossed, Failure> {
    let (mut bytes, mut hash) = (0, Sha256::new());
    while let Some((piece, _)) = recv
        .recv_chunk()
        .await
        .map_err(|error| broken("receiving failed")(error.into()))?
    {
        bytes += u64::try_from(piece.len()).unwrap_or(0);
        hash.update(&piece);
        if let Some(out) = &mut out {
            out.write_all(&piece)
                .await
                .map_err(unable("cannot write what arrived"))?;
        }
        bar.set_position(bytes);
    }
    if let Some(out) = &mut out {
        out.flush().await.map_err(unable("cannot write what arrived"))?;
    }
    Ok(Crossed {
        bytes,
        digest: hash.finalize().into(),
    })
}
