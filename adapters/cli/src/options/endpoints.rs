//! Options of the two ends of a session.

use std::path::PathBuf;

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
    #[arg(long, value_name = "URL", required = true)]
    pub(crate) listen: Vec<String>,
    /// The certificate chain for `wss://` and `tls://`, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// Its secret key, in PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Targets that clients may be connected to, `HOST:PORT` or `unix:/PATH`; `*` stands for any host, any port, and within a
    /// name for any letters. May be given several times.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) allow_forward: Vec<Pattern>,
    /// Places at which clients may have this machine accept connections, as `--allow-forward` names targets.
    #[arg(long, value_name = "PATTERN")]
    pub(crate) allow_listen: Vec<Pattern>,
    /// Send back what arrives on streams to `echo`.
    #[arg(long)]
    pub(crate) echo: bool,
    /// Let `unbroken sessions` show and steer this server's sessions, through a Unix socket here, in a folder that nobody else may enter
    /// [default: unbroken/admin.sock in $XDG_RUNTIME_DIR or the state folder].
    #[arg(long, value_name = "PATH", num_args = 0..=1)]
    pub(crate) admin: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub(crate) keys: ServerKeys,
}

/// Options of `unbroken connect`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  ssh -o ProxyCommand='unbroken connect tcp://%h:7700 --to localhost:22' server
  unbroken connect wss://gateway.example/unbroken --to db.internal:5432

The session goes on through connections that break; ssh does not notice. The server has to allow the target.")]
pub(crate) struct Connect {
    /// The server: `ws://HOST[:PORT][/PATH]`, `wss://`, `tcp://HOST:PORT` or `tls://HOST:PORT`.
    #[arg(value_name = "URL")]
    pub(crate) server: String,
    /// What standard input and output are connected to there: `HOST:PORT`, `unix:/PATH`, or `echo`.
    #[arg(long, value_name = "TARGET")]
    pub(crate) to: Target,
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
    /// The server: `ws://HOST[:PORT][/PATH]`, `wss://`, `tcp://HOST:PORT` or `tls://HOST:PORT`.
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
    /// How long to try for the first connection (`30s`, `5m`); later ones are tried for as long as the session lives.
    #[arg(long, value_name = "DURATION", value_parser = super::demo::duration, default_value = "30s")]
    pub(crate) connect_timeout: std::time::Duration,
    /// Trust these certificates for `wss://` and `tls://`, in PEM, and no others.
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// Say what happens to the connections.
    #[arg(long, short)]
    pub(crate) verbose: bool,
}
