//! A new session: HELLO, CHALLENGE, AUTH_PROOF. FINAL, the fourth message, is a sealed packet already.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use zeroize::Zeroizing;

use super::aead::TAG;
use super::auth::{Auth, ServerAuth};
use super::identity::{PublicKey, StaticKey};
use super::noise::{KEY, Noise, Pattern, Setup};
use super::seal::Keys;
use super::secrets::ResumptionSecret;
use super::suite::Suite;
use crate::error::ConnectionError;
use crate::id::{Carrier, SessionId, Side};
use crate::rng::Rng;
use crate::wire::packet::VERSION;

const HELLO: u8 = 1;
const CHALLENGE: u8 = 2;
const AUTH_PROOF: u8 = 3;
const MAX_HINT: usize = 64;

/// What a proven handshake leaves.
#[derive(Debug)]
pub(crate) struct Established {
    pub(crate) suite: Suite,
    /// The same on both sides.
    pub(crate) id: SessionId,
    pub(crate) keys: Keys,
    pub(crate) secret: ResumptionSecret,
    /// The peer's static key. An end without one of its own shows a fresh one each time.
    pub(crate) peer_key: PublicKey,
}

impl Established {
    fn new(noise: Noise, suite: Suite) -> Result<Established, ConnectionError> {
        let split = noise.split()?;
        let id = *split.hash.first_chunk().ok_or(ConnectionError::Handshake)?;
        let peer_key = PublicKey(split.peer.ok_or(ConnectionError::Handshake)?);
        Ok(Established {
            suite,
            id: SessionId(id),
            keys: split.keys,
            secret: split.secret,
            peer_key,
        })
    }
}

fn fresh_key(rng: &mut Rng) -> StaticKey {
    let mut secret = Zeroizing::new([0; KEY]);
    rng.fill(secret.as_mut());
    StaticKey::from_bytes(*secret)
}

fn fresh_secret(rng: &mut Rng) -> Zeroizing<[u8; 32]> {
    let mut secret = Zeroizing::new([0; 32]);
    rng.fill(secret.as_mut());
    secret
}

/// The Noise message of `packet`, if it is of this type.
fn message(packet: &[u8], packet_type: u8) -> Result<&[u8], ConnectionError> {
    match packet.split_first() {
        Some((first, rest)) if *first == packet_type => Ok(rest),
        _ => Err(ConnectionError::UnexpectedPacket),
    }
}

/// The dialling end.
pub(crate) struct ClientHandshake {
    noise: Noise,
    auth: Auth,
    suite: Suite,
    /// After message 2, once the server was found acceptable.
    hash: Option<[u8; 32]>,
    server_proven: bool,
}

impl ClientHandshake {
    /// The handshake and its HELLO. `suite` is one of `auth.suites(..)`; with any other the
    /// handshake runs as far as CHALLENGE and fails there.
    pub(crate) fn new(auth: &Auth, suite: Suite, rng: &mut Rng) -> (ClientHandshake, Vec<u8>) {
        let own = auth.own().cloned().unwrap_or_else(|| fresh_key(rng));
        let hint = auth
            .shared_secret()
            .filter(|_| suite.has_secret())
            .map_or(&[][..], |secret| secret.hint());
        let mut packet = vec![HELLO, VERSION, suite.byte(), hint.len() as u8];
        packet.extend_from_slice(hint);
        let pattern = Pattern::Open { own: &own };
        let setup = Setup {
            side: Side::Client,
            suite,
            clear: &packet,
            pattern,
        };
        let mut noise = Noise::new(&setup, rng);
        noise
            .write(&mut packet, &[])
            .expect("because the first message agrees on no key yet, so nothing can fail");
        let handshake = ClientHandshake {
            noise,
            auth: auth.clone(),
            suite,
            hash: None,
            server_proven: false,
        };
        (handshake, packet)
    }

    /// Opens CHALLENGE and checks the server's key against the pins.
    ///
    /// # Errors
    /// `UnexpectedPacket`, `Handshake`, or `Untrusted`: drop the connection.
    pub(crate) fn on_challenge(&mut self, packet: &[u8]) -> Result<(), ConnectionError> {
        let payload = self.noise.read(message(packet, CHALLENGE)?)?;
        let server = self.noise.peer().ok_or(ConnectionError::Handshake)?;
        if !payload.is_empty() {
            return Err(ConnectionError::Handshake);
        }
        if !self.auth.allows(self.suite) || !self.auth.trusts(PublicKey(server)) {
            return Err(ConnectionError::Untrusted);
        }
        self.hash = Some(self.noise.hash());
        self.server_proven = self.auth.proves_server();
        Ok(())
    }

    /// The handshake hash after message 2; zeros before CHALLENGE was accepted.
    pub(crate) fn hash_after_2(&self) -> &[u8; 32] {
        self.hash.as_ref().unwrap_or(&[0; 32])
    }

    /// Whether the next message may carry a credential, which only the right server shall read.
    pub(crate) fn may_send_credential(&self, carrier: Carrier) -> bool {
        self.server_proven || carrier.is_authenticated()
    }

    /// AUTH_PROOF with the sealed `offer`, and what the handshake leaves.
    ///
    /// # Errors
    /// `Handshake` if no CHALLENGE was accepted before, or the offer is longer than Noise takes.
    pub(crate) fn prove(mut self, offer: &[u8]) -> Result<(Vec<u8>, Established), ConnectionError> {
        if self.hash.is_none() {
            return Err(ConnectionError::Handshake);
        }
        if let Some(secret) = self.auth.shared_secret().filter(|_| self.suite.has_secret()) {
            self.noise.set_secret(secret.key())?;
        }
        let mut packet = vec![AUTH_PROOF];
        self.noise.write(&mut packet, offer)?;
        Ok((packet, Established::new(self.noise, self.suite)?))
    }
}

/// Why a HELLO got no CHALLENGE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HelloRefusal {
    /// Another protocol version.
    Version,
    /// A suite that is unknown or not accepted.
    Suite,
    /// Not a HELLO.
    Malformed,
}

/// HELLO taken apart.
struct Hello<'a> {
    suite: Suite,
    hint: &'a [u8],
    /// All before the Noise message.
    clear: &'a [u8],
    message: &'a [u8],
}

fn parse_hello<'a>(packet: &'a [u8], accepts: impl Fn(Suite) -> bool) -> Result<Hello<'a>, HelloRefusal> {
    let (&[packet_type, version], rest) = packet.split_first_chunk().ok_or(HelloRefusal::Malformed)?;
    if packet_type != HELLO {
        return Err(HelloRefusal::Malformed);
    }
    // What follows the version byte is for that version to say.
    if version != VERSION {
        return Err(HelloRefusal::Version);
    }
    let (suite, rest) = rest.split_first().ok_or(HelloRefusal::Malformed)?;
    let suite = Suite::from_byte(*suite)
        .filter(|suite| accepts(*suite))
        .ok_or(HelloRefusal::Suite)?;
    let (length, rest) = rest.split_first().ok_or(HelloRefusal::Malformed)?;
    let length = usize::from(*length);
    let longest = if suite.has_secret() { MAX_HINT } else { 0 };
    let (hint, message) = rest.split_at_checked(length).ok_or(HelloRefusal::Malformed)?;
    // The psk pattern has a key, and with it a tag, from the first message on.
    let expected = if suite.has_secret() { KEY + TAG } else { KEY };
    if length > longest || message.len() != expected {
        return Err(HelloRefusal::Malformed);
    }
    let clear = packet
        .get(..packet.len().saturating_sub(expected))
        .ok_or(HelloRefusal::Malformed)?;
    Ok(Hello {
        suite,
        hint,
        clear,
        message,
    })
}

/// The accepting end.
pub(crate) struct ServerHandshake {
    noise: Noise,
    auth: ServerAuth,
    suite: Suite,
    hash: [u8; 32],
    hint: Option<Bytes>,
}

impl ServerHandshake {
    /// Reads HELLO and returns CHALLENGE. A hint that names no secret goes on with a secret nobody
    /// knows, at the same price, and fails at AUTH_PROOF.
    ///
    /// # Errors
    /// See [`HelloRefusal`]; of the configured `suites` those count that `auth` allows.
    pub(crate) fn new(
        auth: &ServerAuth,
        suites: &[Suite],
        hello: &[u8],
        rng: &mut Rng,
    ) -> Result<(ServerHandshake, Vec<u8>), HelloRefusal> {
        let hello = parse_hello(hello, |suite| suites.contains(&suite) && auth.allows(suite))?;
        let own = auth.own().cloned().unwrap_or_else(|| fresh_key(rng));
        let pattern = Pattern::Open { own: &own };
        let setup = Setup {
            side: Side::Server,
            suite: hello.suite,
            clear: hello.clear,
            pattern,
        };
        let mut noise = Noise::new(&setup, rng);
        let dummy = fresh_secret(rng);
        let known = auth.find_secret(hello.hint).map_or(&*dummy, |secret| secret.key());
        let mut packet = vec![CHALLENGE];
        let answered = noise
            .read(hello.message)
            .and_then(|_| {
                if hello.suite.has_secret() {
                    noise.set_secret(known)
                } else {
                    Ok(())
                }
            })
            .and_then(|()| noise.write(&mut packet, &[]));
        answered.map_err(|_| HelloRefusal::Malformed)?;
        let hash = noise.hash();
        let hint = hello.suite.has_secret().then(|| Bytes::copy_from_slice(hello.hint));
        Ok((
            ServerHandshake {
                noise,
                auth: auth.clone(),
                suite: hello.suite,
                hash,
                hint,
            },
            packet,
        ))
    }

    /// The handshake hash after message 2.
    pub(crate) fn hash_after_2(&self) -> &[u8; 32] {
        &self.hash
    }

    /// The hint of the shared secret; none for a suite without. It means something only once
    /// AUTH_PROOF has opened.
    pub(crate) fn secret_hint(&self) -> Option<&Bytes> {
        self.hint.as_ref()
    }

    /// Opens AUTH_PROOF, whose length the caller has checked, and returns the offer in it.
    ///
    /// # Errors
    /// `UnexpectedPacket`, `Handshake`, or `Untrusted` for a client key that is not listed: drop
    /// the connection.
    pub(crate) fn on_auth_proof(mut self, packet: &[u8]) -> Result<(Vec<u8>, Established), ConnectionError> {
        let offer = self.noise.read(message(packet, AUTH_PROOF)?)?;
        let established = Established::new(self.noise, self.suite)?;
        if !self.auth.trusts(established.peer_key) {
            return Err(ConnectionError::Untrusted);
        }
        Ok((offer, established))
    }
}

#[cfg(test)]
mod tests;
