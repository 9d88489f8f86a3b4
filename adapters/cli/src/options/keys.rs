//! Keys and secrets on the command line: always as files, never as values.

use std::path::PathBuf;

use clap::Args;

/// Options of `unbroken keygen`.
#[derive(Args)]
pub(crate) struct Keygen {
    /// Where to write the secret key; it must not exist yet [default: what UNBROKEN_KEY names, or key in the configuration folder].
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// Write a shared secret instead of a key.
    #[arg(long, value_name = "FILE", conflicts_with = "key")]
    pub(crate) secret: Option<PathBuf>,
}

/// Options of `unbroken id`.
#[derive(Args)]
pub(crate) struct Id {
    /// The secret key [default: key in the configuration folder].
    #[arg(long, value_name = "FILE", env = "UNBROKEN_KEY", hide_env_values = true)]
    pub(crate) key: Option<PathBuf>,
}

/// Who this end is, and whom it trusts, as a client.
#[derive(Args)]
pub(crate) struct ClientKeys {
    /// Our secret key [default: key in the configuration folder, if it is there].
    #[arg(long, value_name = "FILE", env = "UNBROKEN_KEY", hide_env_values = true)]
    pub(crate) key: Option<PathBuf>,
    /// A secret that we share with the server, as `unbroken keygen --secret` writes it, or a passphrase.
    #[arg(long, value_name = "FILE", env = "UNBROKEN_SECRET_FILE", hide_env_values = true)]
    pub(crate) secret_file: Option<PathBuf>,
    /// The server's key, as `unbroken id` prints it there; without it the known hosts are asked.
    #[arg(long, value_name = "KEY", conflicts_with = "accept_new")]
    pub(crate) server_key: Option<String>,
    /// Servers and their keys [default: known_hosts in the configuration folder].
    #[arg(long, value_name = "FILE", env = "UNBROKEN_KNOWN_HOSTS", hide_env_values = true)]
    pub(crate) known_hosts: Option<PathBuf>,
    /// Trust a server that is not known yet without asking, and remember its key.
    #[arg(long)]
    pub(crate) accept_new: bool,
}

/// Who this end is, and whom it lets in, as a server.
#[derive(Args)]
pub(crate) struct ServerKeys {
    /// Our secret key [default: key in the configuration folder].
    #[arg(long, value_name = "FILE", env = "UNBROKEN_KEY", hide_env_values = true)]
    pub(crate) key: Option<PathBuf>,
    /// Keys of clients that are let in, one a line [default: authorized_keys in the configuration folder, if it is there].
    #[arg(long, value_name = "FILE", env = "UNBROKEN_AUTHORIZED_KEYS", hide_env_values = true)]
    pub(crate) authorized_keys: Option<PathBuf>,
    /// A secret that every client has to know.
    #[arg(long, value_name = "FILE", env = "UNBROKEN_SECRET_FILE", hide_env_values = true)]
    pub(crate) secret_file: Option<PathBuf>,
    /// Let everybody in.
    #[arg(long, conflicts_with_all = ["authorized_keys", "secret_file"])]
    pub(crate) anybody: bool,
}
