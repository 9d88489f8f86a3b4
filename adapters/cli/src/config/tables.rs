//! What may stand in the configuration.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use super::values::{FilePath, Key, Text, Url, Wait};
use crate::forward::spec::Forwarded;
use crate::listener::Bind;
use crate::serve::pattern::Pattern;
use crate::target::Target;

/// All of it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tables {
    pub(super) defaults: Host,
    pub(super) hosts: BTreeMap<String, Spanned<Host>>,
    pub(super) serve: Option<Spanned<Serve>>,
}

/// `[hosts.NAME]`, and `[defaults]` for all of them.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Host {
    pub(super) url: Option<Spanned<Text<Url>>>,
    pub(super) key: Option<Text<FilePath>>,
    pub(super) known_hosts: Option<Text<FilePath>>,
    pub(super) secret_file: Option<Text<FilePath>>,
    pub(super) server_key: Option<Text<Key>>,
    pub(super) accept_new: Option<bool>,
    pub(super) tls_ca: Option<Text<FilePath>>,
    pub(super) connect_timeout: Option<Text<Wait>>,
    pub(super) verbose: Option<bool>,
    pub(super) to: Option<Text<Target>>,
    pub(super) local_forward: Option<Vec<Text<Forwarded>>>,
    pub(super) remote_forward: Option<Vec<Text<Forwarded>>>,
    pub(super) dynamic_forward: Option<Vec<Text<Bind>>>,
}

impl Host {
    /// What it leaves open is as there.
    pub(super) fn or(self, defaults: Host) -> Host {
        Host {
            url: self.url,
            key: self.key.or(defaults.key),
            known_hosts: self.known_hosts.or(defaults.known_hosts),
            secret_file: self.secret_file.or(defaults.secret_file),
            server_key: self.server_key.or(defaults.server_key),
            accept_new: self.accept_new.or(defaults.accept_new),
            tls_ca: self.tls_ca.or(defaults.tls_ca),
            connect_timeout: self.connect_timeout.or(defaults.connect_timeout),
            verbose: self.verbose.or(defaults.verbose),
            to: self.to.or(defaults.to),
            local_forward: self.local_forward.or(defaults.local_forward),
            remote_forward: self.remote_forward.or(defaults.remote_forward),
            dynamic_forward: self.dynamic_forward.or(defaults.dynamic_forward),
        }
    }
}

/// `[serve]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct Serve {
    pub(super) listen: Option<Vec<String>>,
    pub(super) tls_cert: Option<Text<FilePath>>,
    pub(super) tls_key: Option<Text<FilePath>>,
    pub(super) allow_forward: Option<Vec<Text<Pattern>>>,
    pub(super) allow_listen: Option<Vec<Text<Pattern>>>,
    pub(super) allow_shell: Option<bool>,
    pub(super) allow_exec: Option<Vec<String>>,
    pub(super) echo: Option<bool>,
    pub(super) key: Option<Text<FilePath>>,
    pub(super) authorized_keys: Option<Text<FilePath>>,
    pub(super) secret_file: Option<Text<FilePath>>,
    pub(super) anybody: Option<bool>,
}

impl Serve {
    /// What in it contradicts itself.
    pub(super) fn contradiction(&self) -> Option<&'static str> {
        let is_anybody = self.anybody == Some(true);
        if is_anybody && (self.authorized_keys.is_some() || self.secret_file.is_some()) {
            return Some("anybody leaves nothing to authorized-keys and secret-file");
        }
        (self.tls_cert.is_some() != self.tls_key.is_some()).then_some("tls-cert and tls-key belong together")
    }
}
