//! What a test learns of the packets it sees: the ephemeral keys behind them and the plaintext in them, noted where they
//! are made for as long as a [`Witness`] of the same thread lives.

extern crate std;

use alloc::vec::Vec;
use core::cell::RefCell;

/// What is inside a packet.
#[derive(Clone, Debug)]
pub(crate) struct Inside {
    /// The X25519 secret key that was drawn for it, if one was.
    pub(crate) ephemeral: Option<[u8; 32]>,
    /// Of a sealed packet; none for a handshake's.
    pub(crate) nonce: Option<u64>,
    /// The frames of a sealed packet, the payload of a handshake's.
    pub(crate) plaintext: Vec<u8>,
    /// What the packet ends with.
    ciphertext: Vec<u8>,
}

#[derive(Default)]
struct Notes {
    drawn: Option<[u8; 32]>,
    made: Vec<Inside>,
    first_nonce: u64,
}

std::thread_local! {
    static NOTES: RefCell<Option<Notes>> = const { RefCell::new(None) };
}

fn note(add: impl FnOnce(&mut Notes)) {
    NOTES.with(|notes| notes.borrow_mut().as_mut().map(add));
}

/// While it lives, this thread's packets are noted.
pub(crate) struct Witness(());

impl Witness {
    /// Every direction of every connection counts its nonces from `first_nonce`, as if that many packets had gone before.
    pub(crate) fn new(first_nonce: u64) -> Witness {
        let notes = Notes {
            first_nonce,
            ..Notes::default()
        };
        NOTES.set(Some(notes));
        Witness(())
    }

    /// What is inside a packet that this thread made.
    pub(crate) fn inside(&self, packet: &[u8]) -> Option<Inside> {
        NOTES.with(|notes| {
            let notes = notes.borrow();
            let mut made = notes.iter().flat_map(|notes| &notes.made);
            made.find(|made| packet.ends_with(&made.ciphertext)).cloned()
        })
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        NOTES.set(None);
    }
}

/// An ephemeral key was drawn; the message in which it goes out follows.
pub(super) fn drew(secret: &[u8; 32]) {
    note(|notes| notes.drawn = Some(*secret));
}

/// A handshake wrote a message.
pub(super) fn wrote(message: &[u8], payload: &[u8]) {
    note(|notes| {
        let made = Inside {
            ephemeral: notes.drawn.take(),
            nonce: None,
            plaintext: payload.into(),
            ciphertext: message.into(),
        };
        notes.made.push(made);
    });
}

/// A copy of what is about to be sealed, if anybody wants to know.
pub(super) fn copy(plaintext: &[u8]) -> Option<Vec<u8>> {
    NOTES.with(|notes| notes.borrow().as_ref().map(|_| plaintext.into()))
}

/// It was sealed.
pub(super) fn sealed(nonce: u64, plaintext: Option<Vec<u8>>, ciphertext: &[u8]) {
    note(|notes| {
        let made = Inside {
            ephemeral: None,
            nonce: Some(nonce),
            plaintext: plaintext.unwrap_or_default(),
            ciphertext: ciphertext.into(),
        };
        notes.made.push(made);
    });
}

/// Where nonces begin.
pub(super) fn first_nonce() -> u64 {
    NOTES.with(|notes| notes.borrow().as_ref().map_or(0, |notes| notes.first_nonce))
}
