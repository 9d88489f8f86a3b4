//! Options of `unbroken forward`.

use clap::Args;

use super::endpoints::Client;
use crate::forward::spec::Forwarded;
use crate::listener::Bind;

/// Options of `unbroken forward`.
#[derive(Args)]
#[command(after_help = "\
Examples:
  unbroken forward tcp://gateway:7700 -L 5432:db.internal:5432
  unbroken forward tcp://gateway:7700 -R 8080:localhost:3000
  unbroken forward tcp://gateway:7700 -D 1080
  unbroken forward wss://gateway/unbroken -L 0.0.0.0:8080:localhost:80 -L /run/user/1000/docker.sock:unix:/var/run/docker.sock

Each connection that is accepted is a stream of one session, and goes on when the session's connection breaks.")]
pub(crate) struct Forward {
    /// The server: `ws://HOST[:PORT][/PATH]`, `wss://`, `tcp://HOST:PORT` or `tls://HOST:PORT`, or a host of the configuration.
    #[arg(value_name = "URL")]
    pub(crate) server: String,
    #[command(flatten)]
    pub(crate) ports: Ports,
    #[command(flatten)]
    pub(crate) client: Client,
}

/// What is forwarded.
#[derive(Args, Default)]
pub(crate) struct Ports {
    /// Listen here, and connect what is accepted to a target there: `[BIND:]PORT:HOST:PORT`, with `/PATH` for `[BIND:]PORT` and
    /// `unix:/PATH` for `HOST:PORT`. Listens on loopback if nothing else is said. May be given several times.
    #[arg(short = 'L', long, value_name = "SPEC")]
    pub(crate) local: Vec<Forwarded>,
    /// Have the server listen there, and connect what it accepts to a target here. It has to allow the place (`--allow-listen`). May be given several
    /// times.
    #[arg(short = 'R', long, value_name = "SPEC")]
    pub(crate) remote: Vec<Forwarded>,
    /// Listen here as a SOCKS5 proxy: `[BIND:]PORT` or `/PATH`. Each client says what it is to be connected to; names go to the server as they are.
    /// Whoever reaches the place may use it; it is on loopback if nothing else is said. May be given several times.
    #[arg(short = 'D', long, value_name = "PLACE")]
    pub(crate) dynamic: Vec<Bind>,
}

impl Ports {
    pub(crate) fn is_empty(&self) -> bool {
        self.local.is_empty() && self.remote.is_empty() && self.dynamic.is_empty()
    }
}
