//! Blocking sessions over loopback TCP, both ends in this process: how long a message takes there and back, how many go
//! one way in a second, and what either costs the processor, which says more where others use it, too.
//!
//! `cargo bench -p unbroken-tungstenite --bench blocking`. It reports and asserts nothing; medians of nine runs.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use bytes::Bytes;
use unbroken_tungstenite::proto::security::{Auth, ServerAuth, SharedSecret};
use unbroken_tungstenite::proto::stream::StreamOptions;
use unbroken_tungstenite::proto::{ClientConfig, ServerConfig};
use unbroken_tungstenite::{Acceptor, RecvHalf, SendHalf, Server, Session};

const RUNS: usize = 9;
/// How long a run takes, about.
const RUN: Duration = Duration::from_millis(400);
const LIMIT: Duration = Duration::from_secs(60);

/// A stream's two ends, and what keeps them alive.
struct Line {
    local: (SendHalf, RecvHalf),
    remote: (SendHalf, RecvHalf),
    _sessions: (Session, Session, Server),
}

fn line() -> Line {
    let secret = SharedSecret::from_key(b"bench", [7; 32]).expect("because the hint is short");
    let listener = TcpListener::bind("127.0.0.1:0").expect("because loopback has free ports");
    let address = listener.local_addr().expect("because it is bound");
    let config = ServerConfig::new(ServerAuth::secrets(vec![secret.clone()]));
    let server = Server::new(config).expect("because the configuration is sound");
    server
        .listen(listener, Acceptor::tcp())
        .expect("because it is a socket");
    let config = ClientConfig::new(Auth::secret(secret));
    let client = unbroken_tungstenite::connect_tcp(address.to_string(), config).expect("because it is sound");
    let accepted = server.accept_within(LIMIT).expect("a session").session;
    let mut local = client.open(StreamOptions::default()).expect("a stream").split();
    local.0.send(Bytes::from("first")).expect("because it is open");
    let mut remote = accepted.accept().expect("a stream").split();
    remote.1.recv().expect("because it is open").expect("a message");
    Line {
        local,
        remote,
        _sessions: (client, accepted, server),
    }
}

/// What this process had of the processor.
fn used() -> Duration {
    let used = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(used.tv_sec as u64, used.tv_nsec as u32)
}

fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Microseconds for each, by the clock and of the processor, in runs of about [`RUN`].
fn calibrated(mut run: impl FnMut(usize)) -> (f64, f64) {
    let mut measured = |count: usize| {
        let (began, before) = (Instant::now(), used());
        run(count);
        (began.elapsed(), used() - before)
    };
    let mut count = 100;
    loop {
        let (took, _) = measured(count);
        if took * 4 > RUN {
            let count = (count as f64 * RUN.as_secs_f64() / took.as_secs_f64()).max(1.0) as usize;
            let runs: Vec<_> = (0..RUNS).map(|_| measured(count)).collect();
            let each = |took: Duration| took.as_secs_f64() * 1e6 / count as f64;
            let clock = runs.iter().map(|(took, _)| each(*took)).collect();
            return (
                median(clock),
                median(runs.iter().map(|(_, used)| each(*used)).collect()),
            );
        }
        count *= 2;
    }
}

fn ping_pong() {
    let Line {
        local,
        remote,
        _sessions,
    } = line();
    let (mut send, mut recv) = local;
    let (mut back, mut there) = remote;
    let echo = std::thread::spawn(move || {
        while let Ok(Some(message)) = there.recv() {
            if back.send(message).is_err() {
                return;
            }
        }
    });
    let message = Bytes::from(vec![7; 64]);
    let (took, used) = calibrated(|count| {
        for _ in 0..count {
            send.send(message.clone()).expect("because it is open");
            recv.recv().expect("because it is open").expect("a message");
        }
    });
    println!("ping-pong 64 B: {took:.1} us there and back, {used:.1} us of the processor");
    send.finish();
    echo.join().expect("because it ends");
}

fn one_way(size: usize) {
    let Line {
        local,
        remote,
        _sessions,
    } = line();
    let (mut send, mut recv) = local;
    let (mut back, mut there) = remote;
    let (counts, wanted) = std::sync::mpsc::channel::<usize>();
    let reader = std::thread::spawn(move || {
        for count in wanted {
            for _ in 0..count {
                there.recv().expect("because it is open").expect("a message");
            }
            back.send(Bytes::from("all")).expect("because it is open");
        }
    });
    let message = Bytes::from(vec![7; size]);
    let (took, used) = calibrated(|count| {
        counts.send(count).expect("because somebody reads");
        for _ in 0..count {
            send.send(message.clone()).expect("because it is open");
        }
        recv.recv().expect("because it is open").expect("a message");
    });
    let rate = size as f64 / took;
    println!("one way {size} B: {rate:.1} MB/s, {took:.3} us a message, {used:.3} us of the processor");
    drop(counts);
    reader.join().expect("because it ends");
}

fn main() {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with("--")).collect();
    let is_wanted = |name: &str| wanted.is_empty() || wanted.iter().any(|wanted| name.contains(wanted.as_str()));
    if is_wanted("ping-pong") {
        ping_pong();
    }
    for size in [64, 1 << 10, 64 << 10] {
        if is_wanted(&format!("one-way-{size}")) {
            one_way(size);
        }
    }
}
