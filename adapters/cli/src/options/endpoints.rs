//! Options of the two ends of a session.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::keys::{ClientKeys, ServerKeys};
use crate::serve::pattern::Pattern;
use crate::target::Target;

/// Options of `unbroken serve`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  unbroken serve --listen tcp://0.0.0.0:7700 --allow-forward localhost:22
  unbroken serve --listen wss://0.0.0.0:443/unbroken --tls-cert chain.pem --tls-key key.pem --allow-forward '*:5432'

Nothing is allowed that is not named. A target is compared as the client writes it; what its name resolves to is this
machine's affair.")]
pub(crate) struct Serve {
    /// Where to listen: `ws://ADDRESS:PORT[/PATH]`, `wss://`, `tcp://`, `tls://`; may be given several times.
    #[arg(long, value_name = "URL")]
    pub(crate) listen: Vec<String>,
    /// The certificate chain for `wss://` and `tls://`, in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its secret key, in PEM.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Targets that clients may be connected to, `HOST:PORT` or `unix:/PATH`; `*` stands for any host, any port, and within a
    /// name for any letters. May be given several times.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) allow_forward: Vec<Pattern>,
    /// Places at which clients may have this machine accept connections, as `--allow-forward` names targets.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) allow_listen: Vec<Pattern>,
    /// Let clients have terminals on this machine, as the user that this server runs as: their shell, or any command.
    #[arg(long)]
    pub(crate) allow_shell: bool,
    /// Let clients start just this command line in a terminal, written exactly so. May be given several times.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) allow_exec: Vec<String>,
    /// Send back what arrives on streams to `echo`.
    #[arg(long)]
    pub(crate) echo: bool,
    /// Let `unbroken sessions` show and steer this server's sessions, through a Unix socket here, in a folder that nobody else may enter
    /// [default: unbroken/admin.sock in $XDG_RUNTIME_DIR or the state folder].
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    pub(crate) admin: Option<Option<PathBuf>>,
    /// Write all that each session is told and says into a file of its own in this folder, `ID.jsonl`, as JSON lines. They are secrets:
    /// all that is sent stands in them.
    #[arg(long, value_name = "FOLDER")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) keys: ServerKeys,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

/// Options of `unbroken connect`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ssh -o ProxyCommand='unbroken connect tcp://%h:7700 --to localhost:22' server
  unbroken connect wss://gateway.example/unbroken --to db.internal:5432

The session goes on through connections that break; ssh does not notice. The server has to allow the target.")]
pub(crate) struct Connect {
    /// The server: `ws://HOST[:PORT][/PATH]`, `wss://`, `tcp://HOST:PORT` or `tls://HOST:PORT`, or a host of the configuration.
    #[arg(value_name = "URL")]
    pub(crate) server: String,
    /// What standard input and output are connected to there: `HOST:PORT`, `unix:/PATH`, or `echo`.
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: Option<Target>,
    #[command(flatten)]
    pub(crate) client: Client,
}

/// Options of `unbroken doctor`.
#[derive(Args)]
#[command(after_help = "\
The name is resolved, a connection is made, the two ends prove who they are, round trips are measured, and another
connection takes over. Each step says how long it took; the first that fails says why, and the exit code of which kind
it is.")]
pub(crate) struct Doctor {
    /// The server: `ws://HOST[:PORT][/PATH]`, `wss://`, `tcp://HOST:PORT` or `tls://HOST:PORT`, or a host of the configuration.
    #[arg(value_name = "URL")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) client: Client,
}

/// What every client has.
#[derive(Args)]
pub(crate) struct Client {
    #[command(flatten)]
    pub(crate) keys: ClientKeys,
    /// How long to try for the first connection (`30s`, `5m`); later ones are tried for as long as the session lives [default: 30s].
    #[arg(long, value_name = "DURATION", value_parser = super::demo::duration, env = "UNBROKEN_CONNECT_TIMEOUT", hide_env_values = true)]
    pub(crate) connect_timeout: Option<Duration>,
    /// Trust these certificates for `wss://` and `tls://`, in PEM, and no others.
    #[arg(long, value_name = "FILE", env = "UNBROKEN_TLS_CA", hide_env_values = true)]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Say what happens to the connections.
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Write all that the session is told and says into this file, as JSON lines. It is a secret: the session's keys and all that is sent stand in it.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) config: ConfigFile,
}

impl Client {
    pub(crate) fn connect_timeout(&self) -> Duration {
        self.connect_timeout.unwrap_or(Duration::from_secs(30))
    }
}

/// Where what the command line does not say is read.
#[derive(Args)]
pub(crate) struct ConfigFile {
    /// The configuration [default: config.toml in the configuration folder, if it is there].
    #[arg(
        id = "config",
        long = "config",
        value_name = "FILE",
        env = "UNBROKEN_CONFIG",
        hide_env_values = true
    )]
    pub(crate) path: Option<PathBuf>,
}
