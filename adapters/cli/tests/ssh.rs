//! OpenSSH through `unbroken connect`, while the connection underneath is cut again and again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::process::Command;

use common::sshd::{Sshd, user};
use common::{Served, pattern, run};
use unbroken_conformance::relay::{Plan, Relay};

const CUTS: u64 = 20;

/// `ssh` or `scp` with nothing of this account's own, through that command.
fn client(sshd: &Sshd, program: &str, proxy: &Command) -> Command {
    let words = [proxy.get_program()].into_iter().chain(proxy.get_args());
    let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
    let mut command = Command::new(program);
    command.args(sshd.options());
    command.args([
        "-o",
        "BatchMode=yes",
        "-o",
        &format!("ProxyCommand={}", words.join(" ")),
    ]);
    command
}

/// Runs `with` a proxy command through a relay that cuts after up to `most` bytes, and sees that it did so often enough.
fn through_cuts(most: u64, with: impl FnOnce(&Sshd, &Command)) {
    let Some(sshd) = Sshd::start() else { return };
    let target = format!("127.0.0.1:{}", sshd.port);
    let served = Served::new(&["--allow-forward", &target]);
    let seed = std::env::var("UNBROKEN_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok())
        .unwrap_or(7);
    let plan = Plan {
        cuts: CUTS + 4,
        most,
        idle: None,
        seed,
    };
    let relay = Relay::new(served.address, plan);
    let url = format!("tcp://{}", relay.address());
    let proxy = served.client("connect", &url, &["--to", &target]);
    with(&sshd, &proxy);
    assert!(relay.cuts() >= CUTS, "only {} cuts", relay.cuts());
}

/// How much is carried: UNBROKEN_MIB in the environment, or 200 MiB.
fn size() -> usize {
    std::env::var("UNBROKEN_MIB")
        .ok()
        .and_then(|size| size.parse().ok())
        .unwrap_or(32)
        << 20
}

#[test]
fn ssh_does_not_notice_that_its_connection_is_cut() {
    let sent = pattern(size());
    through_cuts(sent.len() as u64 / 14, |sshd, proxy| {
        let mut ssh = client(sshd, "ssh", proxy);
        ssh.args([&user(), "cat"]);
        let output = run(ssh, &sent);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.stdout == sent, "another content came back");
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    });
}

#[test]
fn scp_copies_a_file_whole() {
    let sent = pattern(size());
    through_cuts(sent.len() as u64 / 28, |sshd, proxy| {
        fs::write(sshd.folder.path("sent"), &sent).unwrap();
        let mut scp = client(sshd, "scp", proxy);
        scp.args([
            "-q",
            &sshd.folder.text("sent"),
            &format!("{}:{}", user(), sshd.folder.text("copied")),
        ]);
        let output = run(scp, b"");
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(
            fs::read(sshd.folder.path("copied")).unwrap() == sent,
            "another content arrived"
        );
    });
}

/// `cargo test --release -p unbroken-cli --test ssh -- --ignored --nocapture`: how fast scp is through `connect` where nothing is cut, by scp
/// without it, in turns; the median of seven.
#[test]
#[ignore = "it measures, and fails for nothing"]
fn how_fast_scp_is() {
    let Some(sshd) = Sshd::start() else { return };
    let target = format!("127.0.0.1:{}", sshd.port);
    let served = Served::new(&["--allow-forward", &target]);
    let proxy = served.client("connect", &served.url(), &["--to", &target]);
    fs::write(sshd.folder.path("sent"), pattern(200 << 20)).unwrap();
    let copy = |mut scp: Command| {
        let place = format!("{}:{}", user(), sshd.folder.text("copied"));
        scp.args(["-q", "-P", &sshd.port.to_string(), &sshd.folder.text("sent"), &place]);
        let began = std::time::Instant::now();
        assert!(scp.status().unwrap().success());
        began.elapsed().as_secs_f64()
    };
    let plain = || {
        let mut scp = Command::new("scp");
        scp.args(sshd.options());
        copy(scp)
    };
    let through = || copy(client(&sshd, "scp", &proxy));
    let mut ratios: Vec<f64> = (0..8).map(|_| plain() / through()).skip(1).collect();
    ratios.sort_by(f64::total_cmp);
    println!(
        "scp through `connect` is {:.2} as fast as without it {ratios:.2?}",
        ratios[3]
    );
}
