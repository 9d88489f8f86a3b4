//! What the command line does not say: the configuration's file, with hosts by name.
//!
//! What is said on the command line counts, then the environment, then the host of the file, then its defaults; of a list always the whole
//! of it.
//!
//! | file | owns |
//! |---|---|
//! | `file` | reading it, and where in it something is wrong |
//! | `tables` | what stands in it |
//! | `values` | values that are written as on the command line, and paths |

mod file;
mod tables;
mod values;

use crate::client::Endpoint;
use crate::failure::Failure;
use crate::forward::spec::Forwarded;
use crate::listener::Bind;
use crate::options::endpoints::{Client, Serve};
use crate::target::Target;

use self::file::Config;
use self::tables::Host;
use self::values::Text;

/// What the configuration says of a host that is not every command's.
#[derive(Debug)]
pub(crate) struct Extra {
    pub(crate) to: Option<Target>,
    pub(crate) local: Vec<Forwarded>,
    pub(crate) remote: Vec<Forwarded>,
    pub(crate) dynamic: Vec<Bind>,
}

/// The server that a command names, by its address or as a host of the configuration. What the options leave open is filled in.
///
/// # Errors
/// It is neither, or the configuration cannot be understood.
pub(crate) fn resolve(server: &str, options: &mut Client) -> Result<(Endpoint, Extra), Failure> {
    let config = Config::load(options.config.path.as_deref())?;
    let (url, host) = match server.contains("://") {
        true => (server.to_owned(), config.defaults()),
        false => config.host(server)?,
    };
    fill(options, &host, &config)?;
    let extra = Extra {
        to: host.to.map(Text::into_inner),
        local: values(host.local_forward),
        remote: values(host.remote_forward),
        dynamic: values(host.dynamic_forward),
    };
    Ok((Endpoint::new(&url, options)?, extra))
}

/// What the command line says, or else what the configuration does.
pub(crate) fn unless_given<T>(given: Vec<T>, configured: Vec<T>) -> Vec<T> {
    match given.is_empty() {
        true => configured,
        false => given,
    }
}

fn values<T>(list: Option<Vec<Text<T>>>) -> Vec<T> {
    list.unwrap_or_default().into_iter().map(Text::into_inner).collect()
}

fn fill(options: &mut Client, host: &Host, config: &Config) -> Result<(), Failure> {
    let keys = &mut options.keys;
    for (option, configured) in [
        (&mut keys.key, &host.key),
        (&mut keys.known_hosts, &host.known_hosts),
        (&mut keys.secret_file, &host.secret_file),
        (&mut options.tls_ca, &host.tls_ca),
    ] {
        config.fill_path(option, configured.as_ref())?;
    }
    // Beside the server's key, it means nothing that new ones are trusted.
    let server_key = host.server_key.as_ref().map(|key| key.as_ref().0.clone());
    keys.server_key = keys.server_key.take().or(server_key);
    keys.accept_new |= host.accept_new.unwrap_or(false);
    let wait = host.connect_timeout.as_ref().map(|wait| wait.as_ref().0);
    options.connect_timeout = options.connect_timeout.or(wait);
    options.verbose |= host.verbose.unwrap_or(false);
    Ok(())
}

/// Fills in what a server's command line leaves open.
///
/// # Errors
/// The configuration cannot be understood.
pub(crate) fn complete(options: &mut Serve) -> Result<(), Failure> {
    let config = Config::load(options.config.path.as_deref())?;
    let table = config.serve();
    let keys = &mut options.keys;
    if !keys.anybody {
        let is_said = keys.authorized_keys.is_some() || keys.secret_file.is_some();
        keys.anybody = !is_said && table.anybody.unwrap_or(false);
        config.fill_path(&mut keys.authorized_keys, table.authorized_keys.as_ref())?;
        config.fill_path(&mut keys.secret_file, table.secret_file.as_ref())?;
    }
    config.fill_path(&mut keys.key, table.key.as_ref())?;
    if options.tls_cert.is_none() && options.tls_key.is_none() {
        config.fill_path(&mut options.tls_cert, table.tls_cert.as_ref())?;
        config.fill_path(&mut options.tls_key, table.tls_key.as_ref())?;
    }
    options.echo |= table.echo.unwrap_or(false);
    options.allow_shell |= table.allow_shell.unwrap_or(false);
    let exec = table.allow_exec.unwrap_or_default();
    options.allow_exec = unless_given(std::mem::take(&mut options.allow_exec), exec);
    options.listen = unless_given(std::mem::take(&mut options.listen), table.listen.unwrap_or_default());
    let (forward, listen) = (values(table.allow_forward), values(table.allow_listen));
    options.allow_forward = unless_given(std::mem::take(&mut options.allow_forward), forward);
    options.allow_listen = unless_given(std::mem::take(&mut options.allow_listen), listen);
    Ok(())
}
