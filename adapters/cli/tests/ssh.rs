//! OpenSSH through `unbroken connect`, while the connection underneath is cut again and again.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use common::{Folder, PATIENCE, Running, Served, free_port, pattern, run};
use unbroken_conformance::relay::{Plan, Relay};

const CUTS: u64 = 20;

/// OpenSSH's server with keys and a configuration of its own; `None`: it is not installed.
struct Sshd {
    folder: Folder,
    port: u16,
    _process: Running,
}

impl Sshd {
    fn start() -> Option<Sshd> {
        let program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd", "/usr/bin/sshd"]
            .into_iter()
            .find(|path| Path::new(path).exists());
        let has_client = Command::new("ssh").arg("-V").stderr(Stdio::null()).status().is_ok();
        let Some(program) = program.filter(|_| has_client) else {
            eprintln!("!! SKIPPED: there is no OpenSSH here (Debian: openssh-server). Nothing was tested.");
            return None;
        };
        let (folder, port) = (Folder::new(), free_port());
        for name in ["host", "user"] {
            let path = folder.text(name);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f", &path])
                .status()
                .unwrap();
            assert!(made.success());
        }
        fs::copy(folder.path("user.pub"), folder.path("authorized")).unwrap();
        // As root it wants this folder, which a service would make.
        let _only_as_root = fs::create_dir_all("/run/sshd");
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n",
            folder.text("host"),
            folder.text("authorized"),
        );
        fs::write(folder.path("config"), config).unwrap();
        let mut command = Command::new(program);
        command
            .args(["-D", "-e", "-f", &folder.text("config")])
            .stderr(Stdio::null());
        let process = Running(command.spawn().unwrap());
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < PATIENCE, "sshd does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Sshd {
            folder,
            port,
            _process: process,
        })
    }

    /// `ssh` or `scp` with nothing of this account's own, through that command.
    fn client(&self, program: &str, proxy: &Command) -> Command {
        let words = [proxy.get_program()].into_iter().chain(proxy.get_args());
        let words: Vec<&str> = words.map(|word| word.to_str().unwrap()).collect();
        let mut command = Command::new(program);
        command.args(["-F", "none", "-i", &self.folder.text("user")]);
        command.args([
            "-o",
            "BatchMode=yes",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "IdentitiesOnly=yes",
        ]);
        command.args(["-o", &format!("UserKnownHostsFile={}", self.folder.text("known"))]);
        command.args([
            "-o",
            "LogLevel=ERROR",
            "-o",
            &format!("ProxyCommand={}", words.join(" ")),
        ]);
        command
    }
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

fn user() -> String {
    let said = Command::new("id").arg("-un").output().unwrap();
    format!("{}@localhost", String::from_utf8(said.stdout).unwrap().trim())
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
        let mut ssh = sshd.client("ssh", proxy);
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
        let mut scp = sshd.client("scp", proxy);
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
