//! The configuration's file.

use std::fs;
use std::io::ErrorKind;
use std::ops::Range;
use std::path::{Path, PathBuf};

use super::tables::{Host, Serve, Tables};
use super::values::{FilePath, Text};
use crate::failure::Failure;
use crate::identity::keys::folder;

/// What a file holds, and where it is.
#[derive(Debug)]
pub(super) struct Config {
    tables: Tables,
    path: PathBuf,
}

impl Config {
    /// The file that was named, or that in the configuration folder, which may be missing.
    pub(super) fn load(named: Option<&Path>) -> Result<Config, Failure> {
        let path = match (named, folder()) {
            (Some(path), _) => path.to_owned(),
            (None, Ok(folder)) => folder.join("config.toml"),
            // An account without a home has none.
            (None, Err(_)) => return Ok(Config::empty(PathBuf::new())),
        };
        match fs::read_to_string(&path) {
            Ok(text) => Config::parse(&text, path),
            Err(error) if error.kind() == ErrorKind::NotFound && named.is_none() => Ok(Config::empty(path)),
            Err(error) => Err(Failure::Unable(format!("cannot read {}: {error}", path.display()))),
        }
    }

    fn empty(path: PathBuf) -> Config {
        Config {
            tables: Tables::default(),
            path,
        }
    }

    fn parse(text: &str, path: PathBuf) -> Result<Config, Failure> {
        let bad = |span: Option<Range<usize>>, what: &str| {
            let before = span.and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = 1 + before.matches('\n').count();
            Failure::Unable(format!("{}:{line}: {what}", path.display()))
        };
        let tables: Tables = toml::from_str(text).map_err(|error| bad(error.span(), error.message()))?;
        if let Some(url) = &tables.defaults.url {
            return Err(bad(Some(url.span()), "only a host has a url"));
        }
        for (name, host) in &tables.hosts {
            if host.as_ref().url.is_none() {
                return Err(bad(Some(host.span()), &format!("the host {name} has no url")));
            }
        }
        if let Some(serve) = &tables.serve
            && let Some(what) = serve.as_ref().contradiction()
        {
            return Err(bad(Some(serve.span()), what));
        }
        Ok(Config { tables, path })
    }

    /// What holds for every server.
    pub(super) fn defaults(&self) -> Host {
        self.tables.defaults.clone()
    }

    /// The address of a host, and what holds for it.
    ///
    /// # Errors
    /// There is none of that name.
    pub(super) fn host(&self, name: &str) -> Result<(String, Host), Failure> {
        let host = self.tables.hosts.get(name).map(|host| host.as_ref().clone());
        let url = host.as_ref().and_then(|host| host.url.clone());
        match (host, url) {
            (Some(host), Some(url)) => {
                let url = url.into_inner().into_inner().0;
                Ok((url, host.or(self.defaults())))
            }
            _ => Err(Failure::Unable(format!(
                "{name} is no address, which begins with ws://, wss://, tcp:// or tls://, and no host of {}",
                self.path.display()
            ))),
        }
    }

    pub(super) fn serve(&self) -> Serve {
        let serve = self.tables.serve.as_ref();
        serve.map(|serve| serve.as_ref().clone()).unwrap_or_default()
    }

    /// Sets a path that is not set, if the file has it.
    pub(super) fn fill_path(
        &self,
        option: &mut Option<PathBuf>,
        configured: Option<&Text<FilePath>>,
    ) -> Result<(), Failure> {
        if let (None, Some(path)) = (&option, configured) {
            let folder = self.path.parent().unwrap_or(Path::new(""));
            *option = Some(path.as_ref().within(folder)?);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test")]
mod tests;
