//! As what a registry knows a session: what a durable one keeps of that, so that it can be taken in again.

use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;

use super::fields::{Malformed, Read, put_bytes, put_len, take_bytes, take_len};

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Registered {
    /// The name that its client gave it.
    pub(crate) name: String,
    /// Whose it is.
    pub(crate) identity: Vec<u8>,
    /// What the host wrote on it when it was let in.
    pub(crate) labels: Vec<Bytes>,
}

impl Registered {
    pub(crate) fn save(&self, buf: &mut Vec<u8>) {
        put_bytes(buf, self.name.as_bytes());
        put_bytes(buf, &self.identity);
        put_len(buf, self.labels.len());
        self.labels.iter().for_each(|label| put_bytes(buf, label));
    }

    pub(crate) fn load(rest: &mut Bytes) -> Read<Registered> {
        let name = take_bytes(rest)?;
        let mut registered = Registered {
            name: core::str::from_utf8(&name).map_err(|_| Malformed)?.into(),
            identity: take_bytes(rest)?.to_vec(),
            labels: Vec::new(),
        };
        for _ in 0..take_len(rest)? {
            registered.labels.push(Bytes::copy_from_slice(&take_bytes(rest)?));
        }
        Ok(registered)
    }
}
