//! One Noise handshake in progress: `snow` wrapped so that the two handshakes read like the protocol.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use snow::{Builder, HandshakeState};
use zeroize::{Zeroize, Zeroizing};

use super::aead::TAG;
use super::identity::StaticKey;
use super::resolver::Resolver;
use super::seal::{Keys, Opener, Sealer};
use super::secrets::ResumptionSecret;
use super::suite::Suite;
use crate::error::ConnectionError;
use crate::id::Side;
use crate::rng::Rng;

/// Length of a public key.
pub(super) const KEY: usize = 32;
/// Goes before the clear fields in every prologue.
const LABEL: &[u8] = b"unbroken";
/// Keys and tags that Noise may add to a payload in one message, at most.
const OVERHEAD: usize = KEY + KEY + TAG + TAG;

/// What is known before the first message.
pub(super) struct Setup<'a> {
    pub(super) side: Side,
    pub(super) suite: Suite,
    /// All bytes of the first packet before its Noise message. The prologue binds them.
    pub(super) clear: &'a [u8],
    pub(super) pattern: Pattern<'a>,
}

/// Which of the two handshakes.
pub(super) enum Pattern<'a> {
    /// A new session: XX or XXpsk3. The secret, if any, is known at message 3.
    Open { own: &'a StaticKey },
    /// NNpsk0.
    Resume { secret: &'a [u8; 32] },
}

/// A handshake in progress.
pub(super) struct Noise {
    state: Box<HandshakeState>,
    suite: Suite,
}

/// What a finished handshake leaves.
pub(super) struct Split {
    pub(super) hash: [u8; 32],
    pub(super) keys: Keys,
    pub(super) secret: ResumptionSecret,
    /// The peer's static key; none after a resume.
    pub(super) peer: Option<[u8; KEY]>,
}

impl Noise {
    pub(super) fn new(setup: &Setup<'_>, rng: &mut Rng) -> Noise {
        Noise::build(setup, rng.fork())
            .expect("because names, key lengths and options are ours alone and tests build every combination")
    }

    fn build(setup: &Setup<'_>, rng: Rng) -> Result<Noise, snow::Error> {
        let prologue = [LABEL, setup.clear].concat();
        let (name, known) = match setup.pattern {
            Pattern::Open { own } => (setup.suite.handshake_name(), Some(own.clone())),
            Pattern::Resume { .. } => (setup.suite.resume_name(), None),
        };
        let builder = Builder::with_resolver(name.parse()?, Box::new(Resolver::new(rng, known))).prologue(&prologue)?;
        let builder = match setup.pattern {
            Pattern::Open { own } => builder.local_private_key(own.secret())?,
            Pattern::Resume { secret } => builder.psk(0, secret)?,
        };
        let state = match setup.side {
            Side::Client => builder.build_initiator(),
            Side::Server => builder.build_responder(),
        };
        Ok(Noise {
            state: Box::new(state?),
            suite: setup.suite,
        })
    }

    /// The shared secret of XXpsk3.
    pub(super) fn set_secret(&mut self, secret: &[u8; 32]) -> Result<(), ConnectionError> {
        self.state.set_psk(3, secret).map_err(|_| ConnectionError::Handshake)
    }

    /// Appends the next message to `packet`.
    pub(super) fn write(&mut self, packet: &mut Vec<u8>, payload: &[u8]) -> Result<(), ConnectionError> {
        let start = packet.len();
        packet.resize(start + payload.len() + OVERHEAD, 0);
        let written = packet
            .get_mut(start..)
            .ok_or(snow::Error::Input)
            .and_then(|room| self.state.write_message(payload, room));
        match written {
            Ok(length) => {
                packet.truncate(start + length);
                #[cfg(test)]
                super::witness::wrote(packet.get(start..).unwrap_or_default(), payload);
                Ok(())
            }
            Err(_) => {
                packet.truncate(start);
                Err(ConnectionError::Handshake)
            }
        }
    }

    /// Reads the peer's next message and returns its payload, which `message` outgrows.
    pub(super) fn read(&mut self, message: &[u8]) -> Result<Vec<u8>, ConnectionError> {
        let mut payload = vec![0; message.len()];
        let length = self
            .state
            .read_message(message, &mut payload)
            .map_err(|_| ConnectionError::Handshake)?;
        payload.truncate(length);
        Ok(payload)
    }

    /// The peer's static key, once it is known.
    pub(super) fn peer(&self) -> Option<[u8; KEY]> {
        self.state
            .get_remote_static()
            .and_then(|key| key.first_chunk().copied())
    }

    /// The handshake hash as it is now.
    pub(super) fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(self.state.get_handshake_hash()) {
            *to = *from;
        }
        hash
    }

    /// Traffic keys and resumption secret, once the last message is through.
    pub(super) fn split(mut self) -> Result<Split, ConnectionError> {
        // `snow` would split a handshake at any point.
        if !self.state.is_handshake_finished() {
            return Err(ConnectionError::Handshake);
        }
        let (mut initiator, mut responder) = self.state.dangerously_get_raw_split();
        let mut both = Zeroizing::new([0; 64]);
        both[..32].copy_from_slice(&initiator);
        both[32..].copy_from_slice(&responder);
        let hash = self.hash();
        let secret = ResumptionSecret::derive(self.suite, &hash, &both);
        let (ours, theirs) = if self.state.is_initiator() {
            (&initiator, &responder)
        } else {
            (&responder, &initiator)
        };
        let algorithm = self.suite.algorithm();
        let keys = Keys {
            sealer: Sealer::new(algorithm, ours),
            opener: Opener::new(algorithm, theirs),
        };
        let peer = self.peer();
        initiator.zeroize();
        responder.zeroize();
        Ok(Split {
            hash,
            keys,
            secret,
            peer,
        })
    }
}
