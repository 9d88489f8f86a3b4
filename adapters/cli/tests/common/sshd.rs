//! OpenSSH's own server.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Folder, PATIENCE, Running, free_port};

/// OpenSSH's server with keys and a configuration of its own.
pub(crate) struct Sshd {
    pub(crate) folder: Folder,
    pub(crate) port: u16,
    program: &'static str,
    process: Running,
}

impl Sshd {
    /// `None`: it is not installed.
    pub(crate) fn start() -> Option<Sshd> {
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
        // What a login finds is this build of the command, and a state of its own.
        let own = Path::new(env!("CARGO_BIN_EXE_unbroken")).parent().unwrap();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nSubsystem sftp internal-sftp\n\
             SetEnv PATH={}:/usr/bin:/bin XDG_STATE_HOME={} SHELL=/bin/sh\n",
            folder.text("host"),
            folder.text("authorized"),
            own.display(),
            folder.text("state"),
        );
        fs::write(folder.path("config"), config).unwrap();
        let process = run(program, &folder, port);
        Some(Sshd {
            folder,
            port,
            program,
            process,
        })
    }

    /// It ends, and another takes its place after a while. The connections that it has are processes of their own.
    pub(crate) fn restart(&mut self, meanwhile: impl FnOnce()) {
        let _gone = (self.process.0.kill(), self.process.0.wait());
        meanwhile();
        self.process = run(self.program, &self.folder, self.port);
    }

    /// Options of ssh's that lead to it, with nothing of this account's own.
    pub(crate) fn options(&self) -> Vec<String> {
        let known = format!("UserKnownHostsFile={}", self.folder.text("known"));
        let options = [
            "StrictHostKeyChecking=no",
            "IdentitiesOnly=yes",
            "LogLevel=ERROR",
            &known,
        ];
        let mut all: Vec<String> = ["-F", "none", "-i", &self.folder.text("user")]
            .map(str::to_owned)
            .into();
        all.extend(
            options
                .iter()
                .flat_map(|option| ["-o".to_owned(), (*option).to_owned()]),
        );
        all
    }
}

fn run(program: &str, folder: &Folder, port: u16) -> Running {
    let mut command = Command::new(program);
    command.args(["-D", "-e", "-f", &folder.text("config")]);
    let process = Running(command.stderr(Stdio::null()).spawn().unwrap());
    let began = Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(began.elapsed() < PATIENCE, "sshd does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}

/// Who logs in: this account.
pub(crate) fn user() -> String {
    let said = Command::new("id").arg("-un").output().unwrap();
    format!("{}@localhost", String::from_utf8(said.stdout).unwrap().trim())
}
