//! Whether a server is the one that is meant: by a key that was given, by the known hosts, or because a person says so.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Write};

use unbroken_tokio::proto::security::{Auth, PublicKey};

use super::keys::{load_key, load_secret, named_or, public_key};
use super::known_hosts::KnownHosts;
use crate::failure::Failure;
use crate::options::keys::ClientKeys;

/// How the server is to prove itself, and what is to be done about one that is not known.
#[derive(Debug)]
pub(crate) struct Trust {
    /// What the handshake demands.
    pub(crate) auth: Auth,
    /// The server's key is not known: it is to be asked about before anything is sent.
    unknown: Option<KnownHosts>,
    server: String,
    accept_new: bool,
}

impl Trust {
    /// `server`: its host and port.
    pub(crate) fn new(options: &ClientKeys, server: String) -> Result<Trust, Failure> {
        let mut auth = Auth::anonymous();
        let own = named_or(options.key.as_deref(), "key").ok();
        if let Some(path) = own.filter(|path| options.key.is_some() || path.exists()) {
            auth = auth.with_key(load_key(&path)?);
        }
        if let Some(path) = &options.secret_file {
            auth = auth.with_secret(load_secret(path)?);
        }
        let mut unknown = None;
        if let Some(text) = &options.server_key {
            let bad = || Failure::Unable("--server-key: expected 64 hex digits, as `unbroken id` prints them".into());
            auth = auth.with_pinned(vec![public_key(text).ok_or_else(bad)?]);
        } else {
            let hosts = KnownHosts::new(named_or(options.known_hosts.as_deref(), "known_hosts")?);
            match hosts.keys(&server)? {
                // A secret proves the server, too, unless others share it.
                keys if keys.is_empty() => unknown = Some(hosts),
                keys => auth = auth.with_pinned(keys),
            }
        }
        Ok(Trust {
            auth,
            unknown,
            server,
            accept_new: options.accept_new,
        })
    }

    /// Settles whether a server that showed this key is trusted. Blocks while a person decides.
    ///
    /// # Errors
    /// It is not.
    pub(crate) fn settle(&self, key: PublicKey) -> Result<(), Failure> {
        let Some(hosts) = &self.unknown else { return Ok(()) };
        if !self.accept_new {
            self.ask(hosts, key)?;
        }
        hosts.remember(&self.server, key)
    }

    fn ask(&self, hosts: &KnownHosts, key: PublicKey) -> Result<(), Failure> {
        let (server, path) = (&self.server, hosts.path().display());
        let nobody = || {
            Failure::Unauthorized(format!(
                "{server} is not in {path}, and nobody is there to ask: its key is {key}; --server-key or --accept-new trust it"
            ))
        };
        // Standard input and output may be an ssh's.
        let mut terminal = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/tty")
            .map_err(|_| nobody())?;
        let question =
            format!("{server} is not known. Its key is\n  {key}\nTrust it, and remember it in {path}? [yes/no] ");
        terminal.write_all(question.as_bytes()).map_err(|_| nobody())?;
        let mut answer = String::new();
        BufReader::new(terminal).read_line(&mut answer).map_err(|_| nobody())?;
        if answer.trim().eq_ignore_ascii_case("yes") {
            return Ok(());
        }
        Err(Failure::Unauthorized(format!("{server} is not trusted")))
    }
}
