//! What the module's unit tests share: two ends with fixed keys, and a handshake between them.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use snow::params::{CipherChoice, DHChoice, HashChoice};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error};

use super::{
    Auth, ClientHandshake, Established, ResumptionSecret, ServerAuth, ServerHandshake, SharedSecret, StaticKey, Suite,
};
use crate::config::Seed;
use crate::error::ConnectionError;
use crate::id::SessionId;
use crate::rng::Rng;

pub(super) const HINT: &[u8] = b"laptop";
pub(super) const OFFER: &[u8] = b"an offer";

pub(super) fn rng(seed: u8) -> Rng {
    Rng::new(&Seed([seed; 32]))
}

pub(super) fn client_key() -> StaticKey {
    StaticKey::from_bytes([0xc1; 32])
}

pub(super) fn server_key() -> StaticKey {
    StaticKey::from_bytes([0x5e; 32])
}

pub(super) fn secret() -> SharedSecret {
    SharedSecret::from_key(HINT, [0x42; 32]).expect("because the hint is short")
}

/// Both ends as strict as the suite allows.
pub(super) fn ends(suite: Suite) -> (Auth, ServerAuth) {
    let client = Auth::pinned(vec![server_key().public()]).with_key(client_key());
    let server = ServerAuth::key(server_key()).with_clients(vec![client_key().public()]);
    if suite.has_secret() {
        (client.with_secret(secret()), server.with_secrets(vec![secret()]))
    } else {
        (client, server)
    }
}

/// The three messages and what they leave at both ends.
pub(super) struct Outcome {
    pub(super) packets: [Vec<u8>; 3],
    pub(super) offer: Vec<u8>,
    pub(super) client: Established,
    pub(super) server: Established,
}

/// Who failed, and how.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    Hello(super::HelloRefusal),
    Challenge(ConnectionError),
    Proof(ConnectionError),
}

/// A whole handshake with each message passed through `meddle`.
pub(super) fn handshake(
    suite: Suite,
    ends: &(Auth, ServerAuth),
    seed: u8,
    mut meddle: impl FnMut(usize, &mut Vec<u8>),
) -> Result<Outcome, Failure> {
    let (client, mut hello) = ClientHandshake::new(&ends.0, suite, &mut rng(seed));
    let mut client = client;
    meddle(0, &mut hello);
    let accepted = Suite::all();
    let (server, mut challenge) =
        ServerHandshake::new(&ends.1, &accepted, &hello, &mut rng(seed.wrapping_add(100))).map_err(Failure::Hello)?;
    meddle(1, &mut challenge);
    client.on_challenge(&challenge).map_err(Failure::Challenge)?;
    assert_eq!(client.hash_after_2(), server.hash_after_2());
    let (mut proof, client) = client.prove(OFFER).map_err(Failure::Challenge)?;
    meddle(2, &mut proof);
    let (offer, server) = server.on_auth_proof(&proof).map_err(Failure::Proof)?;
    Ok(Outcome {
        packets: [hello, challenge, proof],
        offer,
        client,
        server,
    })
}

/// One that nobody disturbs.
pub(super) fn established(suite: Suite, seed: u8) -> Outcome {
    handshake(suite, &ends(suite), seed, |_, _| ())
        .unwrap_or_else(|failure| panic!("an undisturbed handshake failed: {failure:?}"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| digit as u8)
        .collect();
    digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

/// `snow` with its own primitives, to compare ours with; or a peer whose X25519 knows only the zero
/// point and does not mind.
pub(super) struct SnowsOwn {
    pub(super) zero_point: bool,
}

impl SnowsOwn {
    pub(super) fn builder(self, name: &str) -> Builder<'static> {
        Builder::with_resolver(name.parse().expect("because it is a Noise name"), Box::new(self))
    }
}

impl CryptoResolver for SnowsOwn {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Zero))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        if self.zero_point {
            Some(Box::new(Zero))
        } else {
            DefaultResolver.resolve_dh(choice)
        }
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// What is wrong with a RESUME that opens.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BadResume {
    /// Its point is one that agrees on nothing.
    ZeroPoint,
    /// The last byte of its claim.
    Claim(u8),
}

/// A RESUME from somebody who has the secret.
pub(crate) fn resume_packet(secret: &ResumptionSecret, id: SessionId, counter: u64, bad: BadResume) -> Vec<u8> {
    let suite = secret.suite();
    let clear = [&[4, 1, suite.byte()][..], &id.0, &counter.to_be_bytes()].concat();
    let (zero_point, last) = match bad {
        BadResume::ZeroPoint => (true, 0),
        BadResume::Claim(last) => (false, last),
    };
    let prologue = [&b"unbroken"[..], &clear].concat();
    let mut client = SnowsOwn { zero_point }
        .builder(suite.resume_name())
        .prologue(&prologue)
        .and_then(|builder| builder.psk(0, secret.key()))
        .and_then(Builder::build_initiator)
        .expect("because everything is given");
    let mut message = [0; 200];
    let length = client
        .write_message(&[0, 0, 0, 0, 0, 0, 0, 0, last], &mut message)
        .expect("because there is room");
    [&clear[..], &message[..length]].concat()
}

/// Nothing but zeros.
struct Zero;

impl Random for Zero {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        dest.fill(0);
        Ok(())
    }
}

impl Dh for Zero {
    fn name(&self) -> &'static str {
        "25519"
    }

    fn pub_len(&self) -> usize {
        32
    }

    fn priv_len(&self) -> usize {
        32
    }

    fn set(&mut self, _: &[u8]) {}

    fn generate(&mut self, _: &mut dyn Random) -> Result<(), Error> {
        Ok(())
    }

    fn pubkey(&self) -> &[u8] {
        &[0; 32]
    }

    fn privkey(&self) -> &[u8] {
        &[0; 32]
    }

    fn dh(&self, _: &[u8], out: &mut [u8]) -> Result<(), Error> {
        out.fill(0);
        Ok(())
    }
}
