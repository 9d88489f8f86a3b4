//! The command as people use it, in one program, so that it is built and linked once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod admin;
#[path = "../common/mod.rs"]
mod common;
mod config;
mod demo;
mod doctor;
mod dynamic;
mod failures;
mod forward;
mod hostile;
mod manual;
mod redis;
mod sessions;
mod shell;
mod ssh;
mod through_ssh;
mod trace;
mod unread;
