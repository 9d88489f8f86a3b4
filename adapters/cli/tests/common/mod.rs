//! The command as processes, in a folder of their own.
#![allow(dead_code, reason = "not every test uses all of it")]
#![allow(clippy::unwrap_used, reason = "a test")]

#[cfg(unix)]
pub(crate) mod administered;
#[cfg(unix)]
pub(crate) mod gate;
#[cfg(unix)]
pub(crate) mod person;
#[cfg(unix)]
pub(crate) mod sshd;

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Nothing takes longer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// A folder that goes with its value.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("unbroken-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// The command, with a home folder in which nothing is.
pub(crate) fn unbroken(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_unbroken"));
    command.args(arguments).env("HOME", home).env_remove("XDG_CONFIG_HOME");
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("UNBROKEN_")) {
        command.env_remove(name);
    }
    command
}

/// A process that is killed with its value.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = (self.0.kill(), self.0.wait());
    }
}

impl Running {
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.0.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    pub(crate) fn wait(&mut self) -> i32 {
        let began = std::time::Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(began.elapsed() < PATIENCE, "it does not end");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Runs a command to its end, with this on its standard input.
pub(crate) fn run(mut command: Command, input: &[u8]) -> Output {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writing = thread::spawn(move || {
        let _gone = stdin.write_all(&input);
    });
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap();
    output
}

/// The exit code, and what was said in one line.
pub(crate) fn failure(output: &Output) -> (i32, String) {
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(said.lines().count(), 1, "{said}");
    (output.status.code().unwrap(), said.trim_end().to_owned())
}

/// Starts a server with the keys in the folder; what it says comes line by line.
fn serve(port: u16, folder: &Folder, offers: &[&str]) -> (Running, mpsc::Receiver<String>) {
    let (key, authorized) = (folder.text("server.key"), folder.text("authorized"));
    let listen = format!("tcp://127.0.0.1:{port}");
    let mut arguments = vec!["serve", "--listen", &listen];
    arguments.extend(["--key", &key, "--authorized-keys", &authorized]);
    arguments.extend(offers);
    let mut command = unbroken(&folder.0, &arguments);
    command.stderr(Stdio::piped()).env("SHELL", "/bin/sh");
    let mut process = Running(command.spawn().unwrap());
    let (tell, said) = mpsc::channel();
    let stderr = BufReader::new(process.0.stderr.take().unwrap());
    thread::spawn(move || {
        for line in stderr.lines().map_while(Result::ok) {
            let _nobody_asks = tell.send(line);
        }
    });
    (process, said)
}

/// A server, its keys, and those of a client that it lets in.
pub(crate) struct Served {
    pub(crate) folder: Folder,
    pub(crate) address: SocketAddr,
    pub(crate) server_key: String,
    process: Running,
    said: mpsc::Receiver<String>,
}

impl Served {
    /// `offers`: what it allows.
    pub(crate) fn new(offers: &[&str]) -> Served {
        let folder = Folder::new();
        let keygen = |name: &str| {
            let made = unbroken(&folder.0, &["keygen", "--key", &folder.text(name)])
                .output()
                .unwrap();
            assert!(made.status.success(), "{made:?}");
            String::from_utf8(made.stdout).unwrap().trim().to_owned()
        };
        let (server_key, client_key) = (keygen("server.key"), keygen("client.key"));
        fs::write(
            folder.path("authorized"),
            format!("# who may come\n{client_key} a test\n"),
        )
        .unwrap();
        let (process, said) = serve(0, &folder, offers);
        let mut served = Served {
            folder,
            address: ([127, 0, 0, 1], 0).into(),
            server_key,
            process,
            said,
        };
        let line = served.hears("listening at tcp://");
        served.address = line.rsplit('/').next().unwrap().parse().unwrap();
        served
    }

    /// Another server in the place of one that is gone, with the same keys.
    pub(crate) fn at(port: u16, folder: &Folder, offers: &[&str]) -> Running {
        let (process, said) = serve(port, folder, offers);
        let line = said.recv_timeout(PATIENCE).unwrap();
        assert!(line.contains("listening at"), "{line}");
        process
    }

    /// Waits until it says a line with these words.
    pub(crate) fn hears(&self, words: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|error| panic!("{words}: {error}"));
            if line.contains(words) {
                return line;
            }
        }
    }

    /// Has it read its files again, and waits until it has.
    pub(crate) fn reload(&self) {
        self.process.signal("-HUP");
        self.hears("authorized has");
    }

    pub(crate) fn process(&mut self) -> &mut Running {
        &mut self.process
    }

    pub(crate) fn url(&self) -> String {
        format!("tcp://{}", self.address)
    }

    /// A client's command, which the server lets in.
    pub(crate) fn client(&self, command: &str, url: &str, arguments: &[&str]) -> Command {
        self.client_with("client.key", command, url, arguments)
    }

    /// The same with another key, in a file of that name; what the server thinks of it is the caller's affair.
    pub(crate) fn client_with(&self, key: &str, command: &str, url: &str, arguments: &[&str]) -> Command {
        let key = self.folder.text(key);
        let mut all = vec![command, url, "--key", &key, "--server-key", &self.server_key];
        all.extend(arguments);
        unbroken(&self.folder.0, &all)
    }
}

/// A client that forwards, and what it says on standard error.
pub(crate) struct Forwarding {
    pub(crate) process: Running,
    said: BufReader<ChildStderr>,
}

impl Forwarding {
    pub(crate) fn start(served: &Served, url: &str, arguments: &[&str]) -> Forwarding {
        Forwarding::through(served.client("forward", url, arguments))
    }

    pub(crate) fn through(mut command: Command) -> Forwarding {
        command.stderr(Stdio::piped());
        let mut process = Running(command.spawn().unwrap());
        let said = BufReader::new(process.0.stderr.take().unwrap());
        Forwarding { process, said }
    }

    /// The next line it says.
    pub(crate) fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.said.read_line(&mut line).unwrap() > 0, "it says nothing more");
        line.trim_end().to_owned()
    }

    /// Where it listens, as it says next.
    pub(crate) fn place(&mut self) -> String {
        let line = self.line();
        line.split_whitespace().nth(1).unwrap().to_owned()
    }
}

/// Waits until it is so.
pub(crate) fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let began = std::time::Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A port that nobody listens at.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// Bytes that differ everywhere.
pub(crate) fn pattern(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// All that comes.
pub(crate) fn read_all(mut from: impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    bytes
}
