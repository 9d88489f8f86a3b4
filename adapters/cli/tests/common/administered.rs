//! A server with an admin socket, and its owner's questions.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{ChildStderr, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Folder, PATIENCE, Running, Served, run, unbroken};

/// A server with an admin socket.
pub(crate) struct Administered {
    pub(crate) served: Served,
    pub(crate) folder: Folder,
}

/// A client whose input stays open.
pub(crate) struct Client {
    pub(crate) process: Running,
    pub(crate) stderr: BufReader<ChildStderr>,
}

pub(crate) fn private(folder: &Folder) {
    fs::set_permissions(folder.path("."), fs::Permissions::from_mode(0o700)).unwrap();
}

/// Waits until something is found.
pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

impl Administered {
    pub(crate) fn new() -> Administered {
        let folder = Folder::new();
        private(&folder);
        let served = Served::new(&["--echo", "--admin", &folder.text("admin.sock")]);
        Administered { served, folder }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let socket = self.folder.text("admin.sock");
        let mut all = vec!["sessions", "--admin", &socket];
        all.extend(arguments);
        unbroken(&self.folder.path("."), &all)
    }

    pub(crate) fn ask(&self, arguments: &[&str]) -> Output {
        run(self.command(arguments), b"")
    }

    /// What is printed by a command that succeeds.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let output = self.ask(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let all = [arguments, &["--json"]].concat();
        serde_json::from_str(&self.says(&all)).unwrap()
    }

    /// Waits until there is a list of so many sessions for which this holds of each.
    pub(crate) fn sessions(&self, count: usize, fits: impl Fn(&Value) -> bool) -> Vec<Value> {
        let began = Instant::now();
        loop {
            let list = self.json(&["list"])["sessions"].as_array().unwrap().clone();
            if list.len() == count && list.iter().all(&fits) {
                return list;
            }
            assert!(began.elapsed() < PATIENCE, "{list:?}");
            thread::sleep(Duration::from_millis(10));
        }
    }

    pub(crate) fn connect(&self, url: &str, input: &[u8]) -> Client {
        let mut command = self.served.client("connect", url, &["--to", "echo"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut process = Running(command.spawn().unwrap());
        process.0.stdin.as_mut().unwrap().write_all(input).unwrap();
        let stderr = BufReader::new(process.0.stderr.take().unwrap());
        Client { process, stderr }
    }
}

impl Client {
    pub(crate) fn hears(&mut self) -> String {
        let mut line = String::new();
        self.stderr.read_line(&mut line).unwrap();
        line.trim_end_matches('\n').to_owned()
    }
}
