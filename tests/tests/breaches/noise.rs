//! The cryptography of a peer that shares no code with the machine beyond `snow`: the handshakes of PROTOCOL.md, section
//! 3, for suites without a shared secret, with whatever a test wants wrong about them.

use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use snow::{Builder, Error, HandshakeState, TransportState};
use unbroken_tests::rng::Rng;

/// The longest Noise message.
const LONGEST: usize = 65_535;

/// `snow`'s primitives and a test's chance.
struct Resolver {
    rng: Rng,
    /// Its Diffie-Hellman function knows no point but zero.
    zero_point: bool,
}

struct Chance(Rng);

impl Random for Chance {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), Error> {
        dest.iter_mut()
            .for_each(|byte| *byte = self.0.number().to_le_bytes()[0]);
        Ok(())
    }
}

struct ZeroPoint;

impl Dh for ZeroPoint {
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

impl CryptoResolver for Resolver {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(Chance(self.rng.clone())))
    }

    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        if self.zero_point {
            return Some(Box::new(ZeroPoint));
        }
        DefaultResolver.resolve_dh(choice)
    }

    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }

    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

/// The name of what follows the pattern in a Noise name.
fn primitives(suite: u8) -> &'static str {
    match suite {
        1 | 3 => "25519_AESGCM_SHA256",
        2 | 4 => "25519_ChaChaPoly_BLAKE2s",
        other => panic!("{other} is no suite"),
    }
}

fn params(pattern: &str, suite: u8) -> NoiseParams {
    format!("Noise_{pattern}_{}", primitives(suite))
        .parse()
        .expect("because it is a Noise name")
}

fn builder(pattern: &str, suite: u8, rng: &mut Rng, zero_point: bool) -> Builder<'static> {
    let resolver = Resolver {
        rng: rng.fork(),
        zero_point,
    };
    Builder::with_resolver(params(pattern, suite), Box::new(resolver))
}

fn prologue(clear: &[u8]) -> Vec<u8> {
    [b"unbroken", clear].concat()
}

/// HMAC with a suite's hash.
pub(crate) fn hmac(suite: u8, key: &[u8], data: &[u8]) -> [u8; 32] {
    let mut hash = DefaultResolver
        .resolve_hash(&params("NN", suite).hash)
        .expect("because the suites name no other");
    // Both hashes have 32 bytes; `snow` wants room for any.
    let mut out = [0; 64];
    hash.hmac(key, data, &mut out);
    *out.first_chunk().expect("because it is longer")
}

fn hkdf(suite: u8, salt: &[u8], secret: &[u8], info: &str) -> [u8; 32] {
    let key = hmac(suite, salt, secret);
    hmac(suite, &key, &[info.as_bytes(), &[1]].concat())
}

/// The MAC that proves an earlier session, of `suite`, in a handshake whose hash after message 2 is `h2`.
pub(crate) fn predecessor_mac(suite: u8, secret: &[u8; 32], h2: &[u8; 32]) -> [u8; 32] {
    let verifier = hkdf(suite, &[0; 32], secret, "unbroken v1 verifier");
    let text = [&b"unbroken v1 predecessor"[..], h2].concat();
    hmac(suite, &verifier, &text)
}

/// What a handshake leaves.
pub(crate) struct Keys {
    transport: TransportState,
    pub(crate) suite: u8,
    pub(crate) id: [u8; 16],
    /// The resumption secret.
    pub(crate) secret: [u8; 32],
}

impl Keys {
    fn new(mut noise: HandshakeState, suite: u8) -> Keys {
        let hash: [u8; 32] = noise
            .get_handshake_hash()
            .try_into()
            .expect("because it is one of 32 bytes");
        let (first, second) = noise.dangerously_get_raw_split();
        let secret = hkdf(suite, &hash, &[first, second].concat(), "unbroken v1 resumption");
        Keys {
            suite,
            id: *hash.first_chunk().expect("because it is longer"),
            secret,
            transport: noise.into_transport_mode().expect("because the handshake is over"),
        }
    }

    /// A SEALED packet.
    pub(crate) fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let mut message = vec![0; LONGEST];
        let length = self
            .transport
            .write_message(plaintext, &mut message)
            .expect("because it fits");
        [&[7], &message[..length]].concat()
    }

    /// What is in a SEALED packet.
    pub(crate) fn open(&mut self, packet: &[u8]) -> Option<Vec<u8>> {
        let mut plaintext = vec![0; LONGEST];
        let message = packet.strip_prefix(&[7])?;
        let length = self.transport.read_message(message, &mut plaintext).ok()?;
        plaintext.truncate(length);
        Some(plaintext)
    }

    /// REKEY of what this end sends.
    pub(crate) fn rekey(&mut self) {
        self.transport.rekey_outgoing();
    }
}

fn write(noise: &mut HandshakeState, payload: &[u8]) -> Vec<u8> {
    let mut message = vec![0; LONGEST];
    let length = noise
        .write_message(payload, &mut message)
        .expect("because it is its turn");
    message.truncate(length);
    message
}

fn read(noise: &mut HandshakeState, message: &[u8]) -> Vec<u8> {
    let mut payload = vec![0; LONGEST];
    let length = noise
        .read_message(message, &mut payload)
        .expect("because an honest machine wrote it");
    payload.truncate(length);
    payload
}

/// A full handshake, at either end.
pub(crate) struct Handshake {
    noise: HandshakeState,
    suite: u8,
    /// The hash after message 2, once that is there.
    pub(crate) h2: [u8; 32],
}

impl Handshake {
    /// A client's, and its HELLO.
    pub(crate) fn hello(rng: &mut Rng, suite: u8, zero_point: bool) -> (Handshake, Vec<u8>) {
        let clear = [1, 1, suite, 0];
        let key = [0x33; 32];
        let mut noise = builder("XX", suite, rng, zero_point)
            .prologue(&prologue(&clear))
            .and_then(|builder| builder.local_private_key(&key))
            .and_then(Builder::build_initiator)
            .expect("because everything is given");
        let message = write(&mut noise, &[]);
        (Handshake::begun(noise, suite), [&clear[..], &message].concat())
    }

    /// A server's, with the static key `key`, and its CHALLENGE.
    pub(crate) fn challenge(rng: &mut Rng, key: [u8; 32], hello: &[u8]) -> (Handshake, Vec<u8>) {
        let (clear, message) = hello.split_at(4);
        let suite = clear[2];
        let mut noise = builder("XX", suite, rng, false)
            .prologue(&prologue(clear))
            .and_then(|builder| builder.local_private_key(&key))
            .and_then(Builder::build_responder)
            .expect("because everything is given");
        read(&mut noise, message);
        let message = write(&mut noise, &[]);
        (Handshake::begun(noise, suite).after_2(), [&[2], &message[..]].concat())
    }

    fn begun(noise: HandshakeState, suite: u8) -> Handshake {
        Handshake {
            noise,
            suite,
            h2: [0; 32],
        }
    }

    fn after_2(mut self) -> Handshake {
        self.h2.copy_from_slice(self.noise.get_handshake_hash());
        self
    }

    /// The client reads CHALLENGE.
    pub(crate) fn challenged(mut self, challenge: &[u8]) -> Handshake {
        read(&mut self.noise, &challenge[1..]);
        self.after_2()
    }

    /// AUTH_PROOF with that offer.
    pub(crate) fn prove(mut self, offer: &[u8]) -> (Vec<u8>, Keys) {
        let message = write(&mut self.noise, offer);
        ([&[3], &message[..]].concat(), Keys::new(self.noise, self.suite))
    }

    /// The server reads AUTH_PROOF; the offer.
    pub(crate) fn proven(mut self, proof: &[u8]) -> (Vec<u8>, Keys) {
        let offer = read(&mut self.noise, &proof[1..]);
        (offer, Keys::new(self.noise, self.suite))
    }
}

/// What RESUME and RESUMED say of their sender.
pub(crate) fn claim(position: u64, alive: u8) -> Vec<u8> {
    [&position.to_be_bytes()[..], &[alive]].concat()
}

/// A client's resume under way.
pub(crate) struct Resume {
    noise: HandshakeState,
    suite: u8,
}

impl Resume {
    /// RESUME of the session `id`, whose secret is of `suite`.
    pub(crate) fn begin(
        rng: &mut Rng,
        (suite, secret, id): (u8, &[u8; 32], [u8; 16]),
        counter: u64,
        claim: &[u8],
        zero_point: bool,
    ) -> (Resume, Vec<u8>) {
        let clear = [&[4, 1, suite][..], &id, &counter.to_be_bytes()].concat();
        let mut noise = builder("NNpsk0", suite, rng, zero_point)
            .prologue(&prologue(&clear))
            .and_then(|builder| builder.psk(0, secret))
            .and_then(Builder::build_initiator)
            .expect("because everything is given");
        let message = write(&mut noise, claim);
        (Resume { noise, suite }, [&clear[..], &message].concat())
    }

    /// The client reads RESUMED; the server's claim.
    pub(crate) fn resumed(mut self, packet: &[u8]) -> (Vec<u8>, Keys) {
        let claim = read(&mut self.noise, &packet[1..]);
        (claim, Keys::new(self.noise, self.suite))
    }

    /// The server's RESUMED to a client's RESUME.
    pub(crate) fn answer(rng: &mut Rng, secret: &[u8; 32], resume: &[u8], claim: &[u8]) -> (Vec<u8>, Keys) {
        let (clear, message) = resume.split_at(27);
        let mut noise = builder("NNpsk0", clear[2], rng, false)
            .prologue(&prologue(clear))
            .and_then(|builder| builder.psk(0, secret))
            .and_then(Builder::build_responder)
            .expect("because everything is given");
        read(&mut noise, message);
        let message = write(&mut noise, claim);
        ([&[5], &message[..]].concat(), Keys::new(noise, clear[2]))
    }
}
