//! Signals at every thread of a process, and a process that a shell or a debugger stops and continues.
//! The calls are made in a process of their own, which is this one, started again.
#![cfg(target_os = "linux")]

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::SIGWINCH;
use unbroken_tungstenite::Session;
use unbroken_tungstenite::proto::stream::StreamOptions;

use crate::common::{LIMIT, connect, pair, serve, server_config};

/// Says what the process that was started is to do.
const PART: &str = "UNBROKEN_TEST_PART";
const EVERY: Duration = Duration::from_millis(10);

/// Whether this is the process that was started.
fn is_child() -> bool {
    env::var_os(PART).is_some()
}

/// The test called `name` in a process of its own.
fn start(name: &str) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    let command = command.args([name, "--exact", "--nocapture"]).env(PART, name);
    command.stdout(Stdio::null()).spawn().unwrap()
}

/// Waits for `child`, and does `meanwhile` again and again.
fn wait(mut child: Child, mut meanwhile: impl FnMut(Pid)) {
    let pid = Pid::from_child(&child);
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{status}");
            return;
        }
        if began.elapsed() > LIMIT {
            child.kill().unwrap();
            panic!("it hangs");
        }
        meanwhile(pid);
        thread::sleep(EVERY);
    }
}

/// Every thread of `process` is interrupted in what it waits for: the system gives a signal to the thread it is sent to, if that takes it.
fn interrupt_all(process: Pid) {
    let threads = fs::read_dir(format!("/proc/{process}/task"));
    let threads = threads.into_iter().flatten().flatten();
    for thread in threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok()) {
        let _gone = Pid::from_raw(thread).map(|thread| kill_process(thread, Signal::WINCH));
    }
}

/// Signals are taken by a handler from now on: those that are ignored interrupt nothing. How many came.
fn take_signals() -> Arc<AtomicUsize> {
    let came = Arc::new(AtomicUsize::new(0));
    signal_hook::flag::register_usize(SIGWINCH, Arc::clone(&came), 1).unwrap();
    came
}

/// Sends `size` bytes to `remote`, which come as they are.
fn transfer(local: &Session, remote: &Session, size: usize) {
    let (mut send, _recv) = local.open(StreamOptions::default()).unwrap().split();
    let sent: Vec<u8> = (0..size).map(|at| (at % 251) as u8).collect();
    let received = thread::scope(|scope| {
        let reading = scope.spawn(|| {
            let (_send, mut recv) = remote.accept().unwrap().split();
            let mut received = Vec::new();
            recv.read_to_end(&mut received).unwrap();
            received
        });
        // In pieces, so that there is something to wait for all the time.
        for piece in sent.chunks(64 << 10) {
            send.write_all(piece).unwrap();
            thread::sleep(Duration::from_millis(1));
        }
        send.finish();
        reading.join().unwrap()
    });
    assert!(received == sent, "what was sent comes as it is");
}

#[test]
fn a_transfer_under_signals() {
    if !is_child() {
        return wait(start("a_transfer_under_signals"), interrupt_all);
    }
    let came = take_signals();
    let (server, local, remote) = pair();
    transfer(&local, &remote, 8 << 20);
    // Dials and handshakes, too.
    let (_other, address) = serve(server_config());
    for _ in 0..20 {
        connect(address).established_within(LIMIT).unwrap().unwrap();
    }
    for session in [&local, &remote] {
        assert_eq!(session.get_ref().stats().attaches, 1, "no connection was lost");
    }
    assert_ne!(came.load(Ordering::Relaxed), 0);
    let ended = local.close_within(0, Bytes::new(), LIMIT).unwrap().unwrap();
    assert!(ended.fates.all_delivered());
    drop(server);
}

/// Stopped and continued, again and again, as by a shell or a debugger.
#[test]
fn a_transfer_that_is_stopped_and_continued() {
    if !is_child() {
        let stopped = AtomicBool::new(false);
        return wait(start("a_transfer_that_is_stopped_and_continued"), |process| {
            let signal = match stopped.fetch_xor(true, Ordering::Relaxed) {
                true => Signal::CONT,
                false => Signal::STOP,
            };
            kill_process(process, signal).unwrap();
        });
    }
    let (_server, local, remote) = pair();
    transfer(&local, &remote, 8 << 20);
    let ended = local.close_within(0, Bytes::new(), LIMIT).unwrap().unwrap();
    assert!(ended.fates.all_delivered());
}
