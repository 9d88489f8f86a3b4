//! `unbroken doctor`: what works on the way to a server, step by step.

use std::time::Instant;

use tokio::net::lookup_host;
use tokio::time::timeout;
use unbroken_tokio::Session;
use unbroken_tokio::proto::Event;
use unbroken_tokio::proto::event::Swap;

use crate::client::{self, Endpoint};
use crate::config;
use crate::failure::Failure;
use crate::options::endpoints::Doctor;

/// Round trips that are measured.
const PROBES: u32 = 5;
/// How long one step may take that has no limit of its own.
const STEP: std::time::Duration = std::time::Duration::from_secs(15);

/// Carries out one step after the other, and says of each how long it took and what it found.
///
/// # Errors
/// The first that fails.
pub(crate) async fn run(mut options: Doctor) -> Result<(), Failure> {
    let (endpoint, _) = config::resolve(&options.server, &mut options.client)?;
    step("resolve", resolve(&endpoint)).await?;
    step("connect", connect(&endpoint)).await?;
    let session = step("handshake", handshake(&endpoint, &options)).await?;
    let tried = async {
        step("round trips", round_trips(&session)).await?;
        step("swap", swap(&session)).await
    };
    let tried = tried.await;
    client::leave(&session).await;
    tried
}

/// Does `work`, and says how long that took and what it found.
async fn step<T>(name: &str, work: impl Future<Output = Result<(T, String), Failure>>) -> Result<T, Failure> {
    let began = Instant::now();
    let result = work.await;
    let took = began.elapsed().as_secs_f64() * 1e3;
    match &result {
        Ok((_, found)) => println!("{name:12} ok      {took:8.1} ms  {found}"),
        Err(_) => println!("{name:12} failed  {took:8.1} ms"),
    }
    result.map(|(made, _)| made)
}

async fn handshake(endpoint: &Endpoint, options: &Doctor) -> Result<(Session, String), Failure> {
    let session = client::open(endpoint, &options.client).await?;
    let key = session.peer_key().map_or(String::from("none"), |key| key.to_string());
    Ok((session, format!("the server's key is {key}")))
}

async fn resolve(endpoint: &Endpoint) -> Result<((), String), Failure> {
    let (host, port) = endpoint.address.host_port();
    let found = timeout(STEP, lookup_host((host, port))).await;
    let unknown = |why: String| Failure::Unreachable(format!("{host} has no address: {why}"));
    let found = found.map_err(|_| unknown("nobody answers".into()))?;
    let addresses: Vec<String> = found
        .map_err(|error| unknown(error.to_string()))?
        .map(|address| address.ip().to_string())
        .collect();
    match addresses.is_empty() {
        true => Err(unknown("none is known".into())),
        false => Ok(((), addresses.join(", "))),
    }
}

/// The connection as a session has it, with TLS and the upgrade where the address asks for them.
async fn connect(endpoint: &Endpoint) -> Result<((), String), Failure> {
    let dialled = timeout(STEP, unbroken_tokio::dial(&endpoint.address)).await;
    let failed = |why: String| Failure::Unreachable(format!("{}: {why}", endpoint.server));
    match dialled {
        Ok(Ok(_)) if endpoint.address.is_websocket() => Ok(((), "a WebSocket".into())),
        Ok(Ok(_)) => Ok(((), "a byte stream".into())),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no connection within {} s", STEP.as_secs()))),
    }
}

async fn round_trips(session: &Session) -> Result<((), String), Failure> {
    let mut times = Vec::new();
    for _ in 0..PROBES {
        let silent = || Failure::Broken("the server does not answer any more".into());
        let time = timeout(STEP, session.probe()).await.ok().flatten().ok_or_else(silent)?;
        times.push(time.as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let (least, most) = (times.first().unwrap_or(&0.0), times.last().unwrap_or(&0.0));
    Ok(((), format!("{least:.1} to {most:.1} ms")))
}

/// Has another connection take over while this one works: what happens when a network changes.
async fn swap(session: &Session) -> Result<((), String), Failure> {
    let mut events = session.events();
    session.migrate(STEP, bytes::Bytes::new());
    let swapped = timeout(STEP, async {
        while let Some(event) = events.next().await {
            if let Event::Attached { swap, .. } = event {
                return Some(swap);
            }
        }
        None
    });
    let failed = || Failure::Broken("no other connection could take over".into());
    let found = match swapped.await.ok().flatten().ok_or_else(failed)? {
        Swap::Planned => "another connection took over, and nothing waited for it",
        _ => "another connection took over; the first one was lost",
    };
    Ok(((), found.into()))
}
