//! A signal each few milliseconds, at the thread that waits. The kernel prefers the main thread, which therefore is the test: no harness.
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::io::{ErrorKind, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use common::{LIMIT, pair};
use rustix::process::{Signal, getpid, kill_process};
use signal_hook::consts::SIGWINCH;
use unbroken_tungstenite::RecvError;
use unbroken_tungstenite::proto::stream::StreamOptions;

const BYTES: usize = 4 << 20;

fn main() {
    let handled = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(SIGWINCH, Arc::clone(&handled)).unwrap();
    let (over, signals) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let sender = {
        let (over, signals, handled) = (Arc::clone(&over), Arc::clone(&signals), Arc::clone(&handled));
        thread::spawn(move || {
            while !over.load(Ordering::Relaxed) {
                kill_process(getpid(), Signal::WINCH).unwrap();
                thread::sleep(Duration::from_millis(2));
                let came = handled.swap(false, Ordering::Relaxed);
                signals.fetch_add(usize::from(came), Ordering::Relaxed);
            }
        })
    };
    transfers_while_signals_come();
    waits_for_the_rest_of_its_time();
    over.store(true, Ordering::Relaxed);
    sender.join().unwrap();
    assert!(signals.load(Ordering::Relaxed) > 10, "signals were handled");
    println!("test result: ok");
}

/// Each of these calls waits in poll(2), which a handler interrupts whatever `SA_RESTART` says.
fn transfers_while_signals_come() {
    let (_server, local, remote) = pair();
    let mut stream = local.open(StreamOptions::default()).unwrap();
    let echo = thread::spawn(move || {
        let mut stream = remote.accept_within(LIMIT).unwrap().unwrap();
        let mut buffer = vec![0; 64 << 10];
        let mut left = BYTES;
        while left > 0 {
            let read = stream.read(&mut buffer).unwrap();
            // So that the other end waits, and is interrupted.
            thread::sleep(Duration::from_millis(1));
            stream.write_all(&buffer[..read]).unwrap();
            left -= read;
        }
        (stream, remote)
    });
    let (mut sent, mut buffer) = (0_usize, vec![0; 64 << 10]);
    while sent < BYTES {
        let piece: Vec<u8> = (sent..sent + buffer.len()).map(|at| (at / 3) as u8).collect();
        stream.write_all(&piece).unwrap();
        stream.read_exact(&mut buffer).unwrap();
        assert_eq!(buffer, piece);
        sent += piece.len();
    }
    assert_eq!(local.get_ref().stats().attaches, 1, "no connection was lost");
    drop(echo.join().unwrap());
}

/// Waiting anew after each signal would never end.
fn waits_for_the_rest_of_its_time() {
    let (_server, local, _remote) = pair();
    let (_send, mut recv) = local.open(StreamOptions::default()).unwrap().split();
    recv.set_timeout(Some(Duration::from_millis(300)));
    assert_eq!(recv.recv(), Err(RecvError::TimedOut));
    assert_eq!(recv.read(&mut [0; 8]).unwrap_err().kind(), ErrorKind::TimedOut);
    assert!(local.accept_within(Duration::from_millis(100)).is_none());
}
