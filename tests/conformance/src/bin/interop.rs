//! One end of the interoperability test (`tests/interop`), on the tokio adapter: a client or a server that does what
//! the lines of its standard input say, and prints what happens as JSON lines.
//!
//! `interop client|server tcp|ws PORT SECRET SUITES`: the port to dial or to listen on (0: any), the shared secret as 64
//! hexadecimal digits or `-` for none, and the suites as their bytes, as in `21`.

use std::collections::BTreeMap;
use std::io::BufRead;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::net::TcpListener;
use unbroken_tokio::proto::event::{Event, Swap};
use unbroken_tokio::proto::security::{Auth, ServerAuth, SharedSecret, Suite};
use unbroken_tokio::proto::stream::StreamOptions;
use unbroken_tokio::proto::{ClientConfig, ServerConfig};
use unbroken_tokio::{Events, RecvHalf, SendHalf, Server, Session, Stream};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The session that commands are about: a server's is the last that came.
type Current = Arc<Mutex<Option<Session>>>;

fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [role, carrier, port, secret, suites] = arguments.as_slice() else {
        return Err("interop client|server tcp|ws PORT SECRET SUITES".into());
    };
    let secret = match secret.as_str() {
        "-" => None,
        digits => Some(SharedSecret::from_key(b"interop", key(digits)?)?),
    };
    let suites: Vec<Suite> = suites.bytes().filter_map(|b| Suite::from_byte(b - b'0')).collect();
    let current = Current::default();
    tokio::runtime::Runtime::new()?.block_on(async {
        if role == "server" {
            serve(carrier, port.parse()?, secret, suites, Arc::clone(&current)).await?;
        } else {
            let mut config = ClientConfig::new(secret.map_or_else(Auth::anonymous, Auth::secret)).with_suites(suites);
            config.backoff.first = Duration::from_millis(10);
            config.backoff.base = Duration::from_millis(10);
            config.backoff.cap = Duration::from_millis(100);
            let session = match carrier.as_str() {
                "tcp" => unbroken_tokio::connect_tcp(format!("127.0.0.1:{port}"), config)?,
                _ => unbroken_tokio::connect_ws(format!("ws://127.0.0.1:{port}/"), config)?,
            };
            adopt(session, &current);
        }
        obey(&current).await
    })
}

fn key(digits: &str) -> Result<[u8; 32], Failure> {
    let mut key = [0; 32];
    for (i, byte) in key.iter_mut().enumerate() {
        let pair = digits.get(2 * i..2 * i + 2).ok_or("a secret has 64 digits")?;
        *byte = u8::from_str_radix(pair, 16)?;
    }
    Ok(key)
}

async fn serve(
    carrier: &str,
    port: u16,
    secret: Option<SharedSecret>,
    suites: Vec<Suite>,
    current: Current,
) -> Result<(), Failure> {
    let auth = secret.map_or_else(ServerAuth::anonymous, |secret| ServerAuth::secrets(vec![secret]));
    let mut server = Server::new(ServerConfig::new(auth).with_suites(suites))?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    println!("{{\"listening\":{}}}", listener.local_addr()?.port());
    match carrier {
        "tcp" => server.listen_tcp(listener),
        _ => server.listen_ws(listener),
    }
    tokio::spawn(async move {
        loop {
            let session = server.accept().await.session;
            adopt(session, &current);
            println!("{{\"attached\":\"Initial\"}}");
        }
    });
    Ok(())
}

/// Tells what happens to a session, and answers on the streams that its peer opens.
fn adopt(session: Session, current: &Current) {
    *current.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
    tokio::spawn(tell(session.events()));
    tokio::spawn(async move {
        while let Some(stream) = session.accept().await {
            tokio::spawn(answer(stream));
        }
    });
}

async fn tell(mut events: Events) {
    while let Some(event) = events.next().await {
        match event {
            Event::Established { id } => println!("{{\"established\":\"{id}\"}}"),
            Event::Attached { swap, .. } => {
                println!("{{\"attached\":\"{swap:?}\",\"planned\":{}}}", swap == Swap::Planned)
            }
            Event::Detached { cause } => println!("{{\"detached\":{:?}}}", format!("{cause:?}")),
            Event::Reconnect(attempt) => println!("{{\"attempt\":{:?}}}", format!("{:?}", attempt.outcome)),
            Event::Ended(ended) => {
                let mut messages = BTreeMap::from([("delivered", 0), ("unknown", 0), ("not_delivered", 0)]);
                for stream in &ended.fates.streams {
                    *messages.entry("delivered").or_default() += stream.delivered.messages;
                    *messages.entry("unknown").or_default() += stream.unknown.messages;
                    *messages.entry("not_delivered").or_default() += stream.not_delivered.len() as u64;
                }
                let all = ended.fates.all_delivered();
                println!(
                    "{{\"ended\":{:?},\"all_delivered\":{all},\"messages\":{messages:?}}}",
                    format!("{:?}", ended.reason)
                );
            }
            _ => {}
        }
    }
}

/// What a stream's label asks for.
async fn answer(stream: Stream) {
    let label = stream.label().clone();
    let (mut send, mut recv) = stream.split();
    match &label[..] {
        b"bytes" => {
            while let Ok(Some((bytes, _))) = recv.recv_chunk().await {
                if send.write_bytes(bytes).await.is_err() {
                    return;
                }
            }
        }
        b"stop" => {
            let _first = recv.recv().await;
            println!("{{\"stopped\":{}}}", recv.stop(7).is_ok());
        }
        b"reset" => {
            let _first = recv.recv().await;
            println!("{{\"reset\":{}}}", send.reset(9).is_ok());
            return;
        }
        _ => {
            while let Ok(Some(message)) = recv.recv().await {
                if send.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
    send.finish();
}

/// Does what standard input says, until it ends.
async fn obey(current: &Current) -> Result<(), Failure> {
    let (lines, mut commands) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let _gone = lines.send(line);
        }
    });
    while let Some(line) = commands.recv().await {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |i: usize| words.get(i).and_then(|word| word.parse::<usize>().ok()).unwrap_or(0);
        let session = current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let session = session.ok_or("there is no session yet")?;
        match words[0] {
            // load KIND STREAMS COUNT SIZE: what is sent on streams of our own must come back.
            "load" => {
                let loads = (0..number(2))
                    .map(|i| tokio::spawn(load(session.clone(), words[1] == "bytes", i, number(3), number(4))));
                let loads: Vec<_> = loads.collect();
                tokio::spawn(async move {
                    for load in loads {
                        match load.await.map_err(Failure::from).and_then(|done| done) {
                            Ok(()) => println!("{{\"loaded\":true}}"),
                            Err(why) => println!("{{\"loaded\":false,\"why\":{:?}}}", why.to_string()),
                        }
                    }
                });
            }
            // flood COUNT SIZE: messages that nobody has to answer.
            "flood" => {
                let (count, size) = (number(1), number(2));
                tokio::spawn(async move {
                    let Ok(stream) = session
                        .open(StreamOptions::default().with_label(Bytes::from("sink")))
                        .await
                    else {
                        return;
                    };
                    let (mut send, _recv) = stream.split();
                    for i in 0..count {
                        if send.send(message(0, i, size)).await.is_err() {
                            return;
                        }
                    }
                    println!("{{\"flooded\":{count}}}");
                    session.closed().await;
                });
            }
            "migrate" => session.migrate(Duration::from_secs(5), Bytes::new()),
            "close" => {
                tokio::spawn(async move { session.close(5, Bytes::from("enough")).await });
            }
            "abort" => {
                session.abort().await;
            }
            other => return Err(format!("{other} is no command").into()),
        }
    }
    Ok(())
}

/// A message that no other one of its stream is like.
fn message(stream: usize, number: usize, size: usize) -> Bytes {
    let mut message = format!("{stream}:{number}:").into_bytes();
    message.resize(message.len() + number * 7_919 % size.max(1), (number % 251) as u8);
    message.into()
}

async fn load(session: Session, bytes: bool, stream: usize, count: usize, size: usize) -> Result<(), Failure> {
    let label = if bytes { "bytes" } else { "echo" };
    let options = StreamOptions::default().with_label(Bytes::from(label));
    let (send, mut recv) = session.open(options).await.map_err(|e| format!("{e:?}"))?.split();
    let sending = tokio::spawn(say(send, bytes, stream, count, size));
    if bytes {
        let expected: Vec<u8> = (0..count).flat_map(|i| message(stream, i, size)).collect();
        let mut received = Vec::new();
        while let Some((chunk, _)) = recv.recv_chunk().await? {
            received.extend_from_slice(&chunk);
        }
        if received != expected {
            return Err(format!("{} bytes came back for {}", received.len(), expected.len()).into());
        }
    } else {
        hear(&mut recv, stream, count, size).await?;
    }
    sending.await?
}

async fn say(mut send: SendHalf, bytes: bool, stream: usize, count: usize, size: usize) -> Result<(), Failure> {
    for i in 0..count {
        match bytes {
            true => send.write_bytes(message(stream, i, size)).await?,
            false => send.send(message(stream, i, size)).await?,
        }
    }
    send.finish();
    Ok(())
}

async fn hear(recv: &mut RecvHalf, stream: usize, count: usize, size: usize) -> Result<(), Failure> {
    for i in 0..count {
        if recv.recv().await? != Some(message(stream, i, size)) {
            return Err(format!("message {i} came back changed").into());
        }
    }
    match recv.recv().await? {
        None => Ok(()),
        Some(_) => Err("a message too many".into()),
    }
}
