//! A service, and commands that use it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::process::{ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Runtime;
use unbroken_loopback::Loopback;
use unbroken_ssm::Tls;
use unbroken_ssm::api::{Api, Http, StartSession, Unsigned};
use unbroken_ssm::gateway::{End, Gateway};
use unbroken_ssm::proto::reconnect::Backoff;
use unbroken_ssm::proto::ssm::ChannelConfig;

use crate::common::gate::Gate;
use crate::common::{Folder, Running, eventually, unbroken};

/// The name under which the AWS CLI runs us.
pub(super) const PLUGIN: &str = "session-manager-plugin";

/// Says that something was not tested, where nobody keeps it back as what a test prints.
pub(super) fn skipped(why: &str) {
    let _nobody_reads = writeln!(std::io::stderr(), "!! SKIPPED: {why}");
}

/// What the AWS CLI passes on.
fn response(session_id: &str, token: &str, url: &str) -> String {
    serde_json::json!({"SessionId": session_id, "TokenValue": token, "StreamUrl": url}).to_string()
}

/// A service in this process.
pub(super) struct Place {
    pub(super) loopback: Arc<Loopback>,
    pub(super) folder: Folder,
    /// Its tasks end with it.
    runtime: Runtime,
}

impl Place {
    pub(super) fn new() -> Place {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let mut backoff = Backoff::default();
        backoff.first = Duration::from_millis(10);
        (backoff.base, backoff.cap) = (Duration::from_millis(10), Duration::from_millis(20));
        let channel = ChannelConfig::default()
            .with_frames_per_second(None)
            .with_backoff(backoff);
        let loopback = runtime.block_on(Loopback::start("127.0.0.1:0", channel)).unwrap();
        let folder = Folder::new();
        symlink(env!("CARGO_BIN_EXE_unbroken"), folder.path(PLUGIN)).unwrap();
        Place {
            loopback: Arc::new(loopback),
            folder,
            runtime,
        }
    }

    /// Serves another gateway; its port.
    pub(super) fn serve(&self, gateway: Gateway) -> u16 {
        let listener = self
            .runtime
            .block_on(tokio::net::TcpListener::bind("127.0.0.1:0"))
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        self.runtime.spawn(async move { gateway.serve(listener).await });
        port
    }

    pub(super) fn address(&self) -> SocketAddr {
        let endpoint = self.loopback.endpoint();
        endpoint.strip_prefix("http://").unwrap().parse().unwrap()
    }

    /// `unbroken ssm …`, with credentials that nobody checks.
    pub(super) fn command(&self, arguments: &[&str]) -> Command {
        let mut all = vec!["ssm"];
        all.extend(arguments);
        let mut command = unbroken(self.folder.path("").as_path(), &all);
        self.prepare(&mut command);
        command
    }

    /// An environment in which nothing of this account's counts.
    pub(super) fn prepare(&self, command: &mut Command) {
        let is_foreign = |name: &str| {
            let name = name.to_uppercase();
            name.starts_with("AWS_") || name.starts_with("UNBROKEN_") || name.ends_with("_PROXY")
        };
        for (name, _) in std::env::vars().filter(|(name, _)| is_foreign(name)) {
            command.env_remove(name);
        }
        command
            .env("HOME", self.folder.path(""))
            .env("AWS_CONFIG_FILE", self.folder.path("no-config"))
            .env("AWS_SHARED_CREDENTIALS_FILE", self.folder.path("no-credentials"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", "an example")
            .env("UNBROKEN_SSM_FRAMES_PER_SECOND", "0");
    }

    /// `unbroken ssm start` with the instance.
    pub(super) fn start(&self, arguments: &[&str]) -> Command {
        self.start_at(&self.loopback.endpoint(), "i-1", arguments)
    }

    pub(super) fn start_at(&self, endpoint: &str, target: &str, arguments: &[&str]) -> Command {
        let mut all = vec!["start", "--target", target, "--region", "us-east-1"];
        all.extend(["--endpoint-url", endpoint]);
        all.extend(arguments);
        self.command(&all)
    }

    /// Starts a session whose agent waits for a client, and says what the AWS CLI passes on of the answer.
    pub(super) fn started(&self, request: &StartSession) -> String {
        let http = Http::new(Tls::platform().unwrap());
        let api = Api::new(http, self.loopback.endpoint().parse().unwrap(), Unsigned);
        let started = self.runtime.block_on(api.start_session(request)).unwrap();
        response(&started.session_id, started.token.as_str(), &started.stream_url)
    }

    /// The same of a session whose agent is somebody else's.
    pub(super) fn begun(&self, session_id: &str) -> String {
        let gateway = self.loopback.gateway();
        gateway.start(session_id).unwrap();
        let token = gateway.token(session_id, End::Client).unwrap();
        let url = format!(
            "ws://{}/v1/data-channel/{session_id}?role=publish_subscribe",
            self.address()
        );
        response(session_id, token.as_str(), &url)
    }

    /// The sessions that the service has.
    pub(super) fn sessions(&self) -> Vec<String> {
        let sessions = self.loopback.gateway().sessions();
        sessions.into_iter().map(|(id, _)| id).collect()
    }

    /// The only session.
    pub(super) fn session(&self) -> String {
        let sessions = self.sessions();
        assert_eq!(sessions.len(), 1, "{sessions:?}");
        sessions.into_iter().next().unwrap()
    }

    /// Waits until the service has no session.
    pub(super) fn is_left(&self) {
        eventually("the service to have no session", || self.sessions().is_empty());
    }

    /// Drops the client's connections once there are any.
    pub(super) fn cut_client(&self) {
        let gateway = self.loopback.gateway();
        eventually("a connection to cut", || {
            self.sessions().iter().any(|id| gateway.cut(id, End::Client))
        });
    }

    /// Takes the client's connection away, which has no other until it can come.
    pub(super) fn shut(&self, gate: &Gate) {
        gate.close();
        self.cut_client();
        let is_away = || {
            let sessions = self.loopback.gateway().sessions();
            sessions.iter().all(|(_, stats)| !stats.client.is_attached)
        };
        eventually("the client to be away", is_away);
    }

    /// Cuts all connections some times, each time when the client is there again.
    pub(super) fn cutting(&self) -> Cutter {
        let (cuts, over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (loopback, counted, is_over) = (Arc::clone(&self.loopback), Arc::clone(&cuts), Arc::clone(&over));
        let cutting = thread::spawn(move || {
            while !is_over.load(Ordering::Relaxed) && counted.load(Ordering::Relaxed) < CUTS {
                thread::sleep(Duration::from_millis(60));
                let gateway = loopback.gateway();
                for (id, _) in gateway.sessions() {
                    if gateway.cut(&id, End::Client) {
                        gateway.cut(&id, End::Agent);
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        });
        Cutter {
            cuts,
            over,
            cutting: Some(cutting),
        }
    }
}

/// How often a [`Cutter`] cuts. After each cut a client waits longer, since its connections do not last.
const CUTS: usize = 5;

/// Goes on until it has cut often enough, or is dropped.
pub(super) struct Cutter {
    cuts: Arc<AtomicUsize>,
    over: Arc<AtomicBool>,
    cutting: Option<JoinHandle<()>>,
}

impl Cutter {
    pub(super) fn is_done(&self) -> bool {
        self.cuts.load(Ordering::Relaxed) >= CUTS
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        drop(self.cutting.take().map(JoinHandle::join));
    }
}

/// A command that forwards ports, and what it says on standard output.
pub(super) struct Forwarding {
    pub(super) process: Running,
    said: BufReader<ChildStdout>,
}

impl Forwarding {
    pub(super) fn start(mut command: Command) -> Forwarding {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut process = Running(command.spawn().unwrap());
        let said = BufReader::new(process.0.stdout.take().unwrap());
        Forwarding { process, said }
    }

    /// The next line it says that begins so, without that.
    pub(super) fn hears(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.said.read_line(&mut line).unwrap() > 0, "it says nothing more");
            if let Some(rest) = line.trim_end().strip_prefix(beginning) {
                return rest.to_owned();
            }
        }
    }

    /// The port that it says it opened.
    pub(super) fn port(&mut self) -> u16 {
        let rest = self.hears("Port ");
        let (port, rest) = rest.split_once(' ').unwrap();
        assert!(rest.starts_with("opened for sessionId "), "{rest}");
        port.parse().unwrap()
    }

    /// All that it says yet, and its exit code.
    pub(super) fn ends(mut self) -> (String, i32) {
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        (said, self.process.wait())
    }
}

/// A server that sends back what it gets, and its port.
pub(super) fn echo() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || drop(std::io::copy(&mut &socket, &mut &socket)));
        }
    });
    port
}

/// Sends bytes to where they are sent back, and sees that they are the same.
pub(super) fn converse(mut reader: impl Read, mut writer: impl Write + Send, bytes: &[u8]) {
    thread::scope(|scope| {
        scope.spawn(|| writer.write_all(bytes).unwrap());
        let mut read = vec![0; bytes.len()];
        reader.read_exact(&mut read).unwrap();
        assert!(read == bytes, "other bytes came back");
    });
}

/// The same with what listens at a port here.
pub(super) fn converse_at(port: u16, bytes: &[u8]) {
    let socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    converse(&socket, &socket, bytes);
}
