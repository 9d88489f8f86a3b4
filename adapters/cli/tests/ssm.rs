//! `unbroken ssm` and a service of Session Manager on loopback whose connections are cut: by itself, as the AWS CLI's plugin, and each end
//! against a real one where there is one.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

/// In a folder of their own.
mod ssm {
    mod aws;
    mod credentials;
    mod place;
    mod plugin;
    mod ports;
    mod real;
    mod shell;
    mod stdio;
    mod tls;
}
