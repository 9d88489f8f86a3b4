//! The test vectors of `proto/vectors/handshake.txt`: recomputed here and compared, so that the file
//! and the code cannot part ways.
//!
//! After a change that is meant: `cargo test -p unbroken-proto --lib vectors -- --ignored --nocapture`
//! prints the file anew.

extern crate std;

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::testing::{HINT, client_key, ends, hex, rng, secret, server_key};
use super::{ClientHandshake, ClientResume, ServerHandshake, ServerResume, SharedSecret, Suite};
use crate::config::Seed;
use crate::id::SessionId;
use crate::rng::Rng;

const FILE: &str = include_str!("../../vectors/handshake.txt");
const PREAMBLE: &str = "\
# Test vectors of the unbroken protocol, version 1: handshake, resume, sealing.
# All values are hexadecimal. Ephemeral keys are given as X25519 secret keys, chosen for these
# vectors. A name before a dot is the suite's byte. PROTOCOL.md, section 3, says how to get from the
# inputs to the rest.
";
/// What AUTH_PROOF carries here; its own layout does not matter to these vectors.
const OFFER: &[u8] = b"offer of the client";
const PLAINTEXT: &[u8] = b"frames";

struct Lines {
    text: String,
    prefix: String,
}

impl Lines {
    fn add(&mut self, name: &str, value: &[u8]) {
        self.text.push_str(&format!("{}{name} = {}\n", self.prefix, hex(value)));
    }
}

/// A generator, and the ephemeral key that the handshake will draw from it: `Noise::new` forks once
/// for the resolver, which forks once for the build.
fn rng_and_ephemeral(seed: u8) -> (Rng, [u8; 32]) {
    let mut ephemeral = [0; 32];
    Rng::new(&Seed([seed; 32])).fork().fork().fill(&mut ephemeral);
    (rng(seed), ephemeral)
}

fn sealed(keys: &mut super::Keys) -> Vec<u8> {
    let mut packet = vec![7];
    packet.extend_from_slice(PLAINTEXT);
    keys.sealer.seal(&mut packet, 1).expect("because the key is fresh");
    packet
}

fn suite_vectors(lines: &mut Lines, suite: Suite) {
    lines.prefix = format!("{}.", suite.byte());
    let (auth, server_auth) = ends(suite);
    let (mut client_rng, client_ephemeral) = rng_and_ephemeral(suite.byte());
    let (mut server_rng, server_ephemeral) = rng_and_ephemeral(100 + suite.byte());
    lines.add("client_ephemeral", &client_ephemeral);
    lines.add("server_ephemeral", &server_ephemeral);

    let (mut client, hello) = ClientHandshake::new(&auth, suite, &mut client_rng);
    let (server, challenge) = ServerHandshake::new(&server_auth, &Suite::all(), &hello, &mut server_rng)
        .expect("because the suite is accepted");
    client.on_challenge(&challenge).expect("because the key is pinned");
    let hash = *client.hash_after_2();
    let (proof, mut client) = client.prove(OFFER).expect("because CHALLENGE was accepted");
    let (offer, mut server) = server.on_auth_proof(&proof).expect("because the client is listed");
    assert_eq!(offer, OFFER);
    lines.add("hello", &hello);
    lines.add("challenge", &challenge);
    lines.add("hash_after_2", &hash);
    lines.add("auth_proof", &proof);
    lines.add("session_id", &client.id.0);
    lines.add("resumption_secret", client.secret.key());
    lines.add("verifier", client.secret.verifier().key());
    lines.add("predecessor_mac", &client.secret.verifier().mac(&hash));
    lines.add("client_sealed", &sealed(&mut client.keys));
    lines.add("server_sealed", &sealed(&mut server.keys));
    client.keys.sealer.rekey();
    lines.add("client_sealed_after_rekey", &sealed(&mut client.keys));
    resume_vectors(lines, &client.secret, client.id, suite.byte());
}

fn resume_vectors(lines: &mut Lines, secret: &super::ResumptionSecret, id: SessionId, seed: u8) {
    let (mut client_rng, client_ephemeral) = rng_and_ephemeral(50 + seed);
    lines.add("resume_client_ephemeral", &client_ephemeral);
    let (client, resume) = ClientResume::new(secret, id, 1, 1_000, true, &mut client_rng);
    // The server draws a dummy secret before each of its trials; the first one opens.
    let mut server_rng = rng(150 + seed);
    let mut before = rng(150 + seed);
    before.fill(&mut [0; 32]);
    let mut server_ephemeral = [0; 32];
    before.fork().fork().fill(&mut server_ephemeral);
    lines.add("resume_server_ephemeral", &server_ephemeral);
    let server =
        ServerResume::open([Some(secret), None], &resume, &mut server_rng).expect("because it is the session's");
    let (resumed, mut keys, next) = server.answer(2_000, false).expect("because the client's key is sound");
    let mut client = client.on_resumed(&resumed).expect("because it is the server's");
    lines.add("resume", &resume);
    lines.add("resumed", &resumed);
    assert_eq!(client.secret.key(), next.key());
    lines.add("next_resumption_secret", next.key());
    lines.add("resumed_client_sealed", &sealed(&mut client.keys));
    lines.add("resumed_server_sealed", &sealed(&mut keys));
}

fn compute() -> String {
    let mut lines = Lines {
        text: PREAMBLE.into(),
        prefix: String::new(),
    };
    lines.add("client_static", client_key().secret());
    lines.add("server_static", server_key().secret());
    lines.add("hint", HINT);
    lines.add("shared_secret", secret().key());
    lines.add("offer", OFFER);
    lines.add("plaintext", PLAINTEXT);
    let words = "correct horse battery staple";
    let stretched = SharedSecret::from_passphrase(HINT, words).expect("because it is not empty");
    lines.add("passphrase", words.as_bytes());
    lines.add("passphrase_secret", stretched.key());
    for suite in Suite::all() {
        lines.text.push('\n');
        suite_vectors(&mut lines, suite);
    }
    lines.text
}

// PROTOCOL R3.8, R3.14, R3.15, R3.20, R3.21, R3.23
#[test]
fn the_file_is_what_the_code_computes() {
    for (line, (expected, computed)) in FILE.lines().zip(compute().lines()).enumerate() {
        assert_eq!(expected, computed, "line {}", line + 1);
    }
    assert_eq!(FILE, compute());
}

#[test]
#[ignore = "writes the vectors to standard output"]
fn print() {
    std::print!("{}", compute());
}
