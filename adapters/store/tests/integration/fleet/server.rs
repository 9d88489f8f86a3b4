//! A NATS server of a test's own.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use unbroken_store::nats::async_nats::{self, Client};
use unbroken_store::nats::{NatsConfig, NatsStore};

/// Where it is, if it is not in the path of the user.
const PLACES: [&str; 3] = ["nats-server", "/usr/sbin/nats-server", "/usr/local/bin/nats-server"];

pub(crate) struct Server {
    folder: PathBuf,
    child: Option<Child>,
    port: u16,
    program: &'static str,
    /// What stands in its configuration beside the port and the folder.
    config: String,
}

/// Runs a test with a server and a runtime of its own, or says that it cannot.
pub(crate) fn with_server(test: impl AsyncFnOnce(&mut Server)) {
    with_configured("", test);
}

/// The same, with that in the configuration of the server.
pub(crate) fn with_configured(config: &str, test: impl AsyncFnOnce(&mut Server)) {
    let Some(program) = program() else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    let mut server = Server::new(program, config);
    runtime.block_on(async { test(&mut server).await });
}

/// The server's program, if it is there.
pub(crate) fn program() -> Option<&'static str> {
    let is_there = |program: &&str| {
        let run = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        run.is_ok_and(|status| status.success())
    };
    let found = PLACES.into_iter().find(is_there);
    if found.is_none() {
        let is_required = std::env::var("UNBROKEN_NATS").is_ok_and(|value| value == "required");
        assert!(
            !is_required,
            "nats-server is not installed, and UNBROKEN_NATS says that it must be"
        );
        eprintln!("!! SKIPPED: nats-server is not installed (apt-get install nats-server)");
    }
    found
}

impl Server {
    pub(crate) fn new(program: &'static str, config: &str) -> Server {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = std::env::temp_dir().join(format!("unbroken-nats-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut server = Server {
            folder,
            child: None,
            port: 0,
            program,
            config: config.to_owned(),
        };
        server.start();
        server
    }

    /// Starts it, on the port that it had before.
    pub(crate) fn start(&mut self) {
        assert!(self.child.is_none());
        let port = if self.port == 0 { -1 } else { i32::from(self.port) };
        let folder = self.folder.display();
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nports_file_dir: \"{folder}\"\njetstream {{ store_dir: \"{folder}/js\" }}\n{}\n",
            self.config
        );
        let path = self.folder.join("server.conf");
        std::fs::write(&path, config).unwrap();
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log"))
            .unwrap();
        let mut command = Command::new(self.program);
        command.arg("-c").arg(path).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let begin = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                begin.elapsed() < Duration::from_secs(30),
                "the server does not start: {}",
                self.log()
            );
            std::thread::sleep(Duration::from_millis(10));
            if self.port == 0 {
                self.port = port_in(&self.folder).unwrap_or(0);
            }
        }
    }

    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }

    pub(crate) async fn client(&self) -> Client {
        async_nats::connect(format!("127.0.0.1:{}", self.port)).await.unwrap()
    }

    /// A node of a fleet that uses this server.
    pub(crate) async fn node(&self, change: impl FnOnce(&mut NatsConfig)) -> NatsStore {
        node_at(self.port, change).await
    }
}

/// A node that connects to that port.
pub(crate) async fn node_at(port: u16, change: impl FnOnce(&mut NatsConfig)) -> NatsStore {
    let mut config = NatsConfig::default();
    change(&mut config);
    NatsStore::connect(&format!("nats://127.0.0.1:{port}"), config)
        .await
        .unwrap()
}

/// What the server wrote about the port that it chose.
fn port_in(folder: &Path) -> Option<u16> {
    let files = std::fs::read_dir(folder).ok()?;
    let mut files = files.flatten().map(|file| file.path());
    let file = files.find(|file| file.extension().is_some_and(|extension| extension == "ports"))?;
    let text = std::fs::read_to_string(file).ok()?;
    let (_, rest) = text.split_once("127.0.0.1:")?;
    rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("the server said:\n{}", self.log());
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
