//! A client that gets through: its connections are cut, its dials refused, its credential is stale, and in the end its
//! server's process is killed and started again. Everything it meets is printed. All in one process, over loopback.
//!
//! `cargo run -p unbroken-tokio --example resilient`

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use unbroken_tokio::proto::event::{EndReason, Ended, Event};
use unbroken_tokio::proto::reconnect::{Continuity, ShellState};
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tokio::proto::server::Refusal;
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{Cause, ClientConfig, ServerConfig};
use unbroken_tokio::{Reconnector, RecvHalf, Runtime, SendHalf, Server, Session, Tokio, connector};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The network between client and server, with outages on demand.
struct Network {
    /// Connections live as long as this stays what it was.
    outages: watch::Sender<u64>,
    refusing: AtomicBool,
    /// The server's process, and where it listens.
    process: Mutex<Option<(tokio::runtime::Runtime, SocketAddr)>>,
}

impl Network {
    fn cut(&self) {
        println!("--- every connection is cut");
        self.outages.send_modify(|outages| *outages += 1);
    }

    fn refuse(&self, refusing: bool) {
        println!("--- dials are refused: {refusing}");
        self.refusing.store(refusing, Ordering::Relaxed);
    }

    /// Kills the server's process, if one runs, and starts it: it knows nothing of earlier sessions.
    fn restart(&self) -> Result<(), Failure> {
        let runtime = tokio::runtime::Runtime::new()?;
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        runtime.spawn(async move {
            if let Err(error) = serve(listener).await {
                eprintln!("the server failed: {error}");
            }
        });
        let mut process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((killed, _)) = process.replace((runtime, address)) {
            println!("--- the server's process is killed and started again");
            killed.shutdown_background();
        }
        Ok(())
    }

    fn server(&self) -> Option<SocketAddr> {
        let process = self.process.lock().unwrap_or_else(PoisonError::into_inner);
        process.as_ref().map(|(_, address)| *address)
    }

    /// Carries bytes until the next outage.
    async fn relay(self: Arc<Self>, listener: TcpListener) {
        loop {
            let Ok((mut client, _)) = listener.accept().await else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let mut outages = self.outages.subscribe();
            let Some(server) = self.server().filter(|_| !self.refusing.load(Ordering::Relaxed)) else {
                continue;
            };
            tokio::spawn(async move {
                let Ok(mut server) = TcpStream::connect(server).await else {
                    return;
                };
                tokio::select! {
                    _ = tokio::io::copy_bidirectional(&mut client, &mut server) => {}
                    _ = outages.changed() => {}
                }
            });
        }
    }
}

fn secret() -> Result<SharedSecret, Failure> {
    Ok(SharedSecret::from_key(b"example", [42; 32])?)
}

/// Echoes every message, for clients with a fresh token.
async fn serve(listener: std::net::TcpListener) -> Result<(), Failure> {
    let config = ServerConfig::new(ServerAuth::secrets(vec![secret()?]));
    let mut server = Server::with_authorise(config, |request| {
        let fresh = request.credential == b"fresh token"[..];
        std::future::ready(if fresh {
            Ok(())
        } else {
            Err(Refusal::RefreshCredentials)
        })
    })?;
    server.listen_tcp(TcpListener::from_std(listener)?);
    loop {
        let session = server.accept().await.session;
        tokio::spawn(async move {
            while let Some(stream) = session.accept().await {
                let (mut send, mut recv) = stream.split();
                tokio::spawn(async move {
                    while let Ok(Some(message)) = recv.recv().await {
                        if send.send(message).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
    }
}

/// How the client dials, and what it does when it is asked for more than a dial.
fn reconnector(relay: SocketAddr, network: &Arc<Network>) -> Reconnector {
    let network = Arc::clone(network);
    Reconnector::new(connector(relay.into()))
        .credentials(|intent| async move {
            println!("attempt {}: a fresh credential is asked for", intent.attempt);
            Some(Bytes::from("fresh token"))
        })
        .restart(move |intent| {
            println!("attempt {}: the peer's process is to be started", intent.attempt);
            let restarted = network.restart();
            async move { restarted.map(|()| Continuity::Lost).map_err(|_| Cause::Refused) }
        })
}

/// Prints what happens to a session, until it is over.
fn watch_session(session: &Session) {
    let mut events = session.events();
    let session = session.clone();
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            match event {
                Event::Reconnect(attempt) => println!(
                    "    attempt {}: {:?} because of {:?}: {:?}",
                    attempt.number, attempt.strategy, attempt.cause, attempt.outcome
                ),
                Event::Detached { cause } => {
                    let next = session.reconnect_stats().next_retry;
                    let wait = next.map(|at| at.saturating_since(Tokio.now()));
                    println!("    detached ({cause}), next dial in {wait:?}");
                }
                Event::Ended(ended) => println!("    ended: {:?}", ended.reason),
                event => println!("    {event:?}"),
            }
        }
    });
}

/// Says `word` and waits for its echo.
async fn say(send: &mut SendHalf, recv: &mut RecvHalf, word: &str) -> Result<(), Failure> {
    send.send(Bytes::from(word.to_owned())).await?;
    match recv.recv().await? {
        Some(echo) if echo == word => {
            println!("echoed: {word}");
            Ok(())
        }
        other => Err(format!("{other:?} is no echo of {word}").into()),
    }
}

async fn open(session: &Session) -> Result<(SendHalf, RecvHalf), Failure> {
    Ok(session.open(StreamOptions::default()).await?.split())
}

/// Outages: the session gets through it.
async fn outages(network: &Network, session: &Session) -> Result<(), Failure> {
    let (mut send, mut recv) = open(session).await?;
    say(&mut send, &mut recv, "hello").await?;
    network.cut();
    say(&mut send, &mut recv, "cut").await?;
    network.refuse(true);
    network.cut();
    tokio::time::sleep(Duration::from_millis(400)).await;
    network.refuse(false);
    // The application may know that the network is back before the backoff does.
    session.reconnect_now();
    say(&mut send, &mut recv, "refused").await?;

    // A message that is late is told of, and arrives all the same.
    let mut events = session.events();
    session.pause_reconnecting();
    network.cut();
    while session.health() != unbroken_tokio::proto::Health::Detached {
        events.next().await;
    }
    let number = send.send_within(Bytes::from("late"), Duration::from_millis(50)).await?;
    while let Some(event) = events.next().await {
        if matches!(event, Event::Overdue { message, .. } if message == number) {
            break;
        }
    }
    session.resume_reconnecting();
    let echo = recv.recv().await?;
    println!("echoed, though overdue: {:?}", echo.unwrap_or_default());
    Ok(())
}

/// The peer's process ends: what the old session knows goes to a fresh one.
async fn restart(old: Session, config: ClientConfig, reconnector: Reconnector) -> Result<Session, Failure> {
    let mut shell = ShellState::new(1_000);
    shell.working_directory = "/srv".into();
    shell.last_command = "make".into();
    shell.output.push(b"cc main.c\n");
    old.preserve(shell.encode())?;
    let (mut send, _recv) = open(&old).await?;
    old.pause_reconnecting();
    old.report_failure(Cause::ProcessEnded);
    send.send(Bytes::from("unsaid")).await?;
    old.resume_reconnecting();
    let new = unbroken_tokio::connect_after(&old, config, reconnector).await?;
    watch_session(&new);
    let ended = old.closed().await;
    let Ended { reason, fates, .. } = &*ended;
    if !matches!(reason, EndReason::Fresh { .. }) {
        return Err(format!("the old session ended with {reason:?}").into());
    }
    let (mut send, mut recv) = open(&new).await?;
    for left in fates.streams.iter().flat_map(|stream| &stream.not_delivered) {
        println!("not delivered, so said again: {:?}", left.payload);
        say(&mut send, &mut recv, std::str::from_utf8(&left.payload)?).await?;
    }
    let shell = ShellState::decode(new.preserved())?;
    let output = String::from_utf8(shell.output.bytes())?;
    println!(
        "the shell was in {:?} and had printed {output:?}",
        shell.working_directory
    );
    Ok(new)
}

fn print_numbers(session: &Session) {
    for attempt in session.history() {
        println!(
            "history: {} {:?} {:?} took {:?}",
            attempt.number, attempt.strategy, attempt.outcome, attempt.duration
        );
    }
    let stats = session.reconnect_stats();
    println!(
        "numbers: {} attempts, {} successes, {} failures, {} restarts, {} disconnections, mean time to resume {:?}",
        stats.attempts,
        stats.successes,
        stats.failures,
        stats.restarts,
        stats.all_disconnections(),
        stats.mean_time_to_resume()
    );
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let network = Arc::new(Network {
        outages: watch::Sender::new(0),
        refusing: AtomicBool::new(false),
        process: Mutex::new(None),
    });
    network.restart()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let relay = listener.local_addr()?;
    tokio::spawn(Arc::clone(&network).relay(listener));

    let mut config = ClientConfig::new(Auth::secret(secret()?));
    config.credential = Bytes::from("stale token");
    // In a hurry, so that one can watch. The default suits a large number of clients.
    config.backoff.base = Duration::from_millis(50);
    config.backoff.cap = Duration::from_millis(200);
    let session = unbroken_tokio::connect_with(config.clone(), reconnector(relay, &network))?;
    watch_session(&session);
    outages(&network, &session).await?;
    config.credential = Bytes::from("fresh token");
    let session = restart(session, config, reconnector(relay, &network)).await?;
    print_numbers(&session);
    let ended = session.close(0, Bytes::from("done")).await?;
    if !ended.fates.all_delivered() {
        return Err(format!("not everything arrived: {:?}", ended.fates).into());
    }
    let process = network.process.lock().unwrap_or_else(PoisonError::into_inner).take();
    process
        .into_iter()
        .for_each(|(runtime, _)| runtime.shutdown_background());
    Ok(())
}
