"""Suites, handshakes and derived secrets of section 3 of PROTOCOL.md. Noise itself, CipherStates included, is `noiseprotocol`."""
import hmac
from noise.backends.default import noise_backend
from noise.noise_protocol import NoiseProtocol

WITH_SECRET, HASH = (1, 2), {1: "sha256", 2: "blake2s", 3: "sha256", 4: "blake2s"}  # by suite
KEY_LIMIT = 2**20  # packets under one key, the one with the REKEY included

def hkdf(suite, salt, ikm, info):  # one block of HKDF (RFC 5869)
    return hmac.digest(hmac.digest(salt, ikm, HASH[suite]), info + b"\1", HASH[suite])

def predecessor_mac(suite, secret, h2):  # the earlier session's suite and secret, and the new handshake's hash after message 2
    verifier = hkdf(suite, bytes(32), secret, b"unbroken v1 verifier")
    return hmac.digest(verifier, b"unbroken v1 predecessor" + h2, HASH[suite])

class Handshake:
    """Either end of a handshake: `write` and `read` take its messages in turn."""
    def __init__(self, suite, client, head, psk=None, resume=False, static=None, ephemeral=None):
        pattern = "NNpsk0" if resume else "XXpsk3" if suite in WITH_SECRET else "XX"
        cipher = "AESGCM_SHA256" if HASH[suite] == "sha256" else "ChaChaPoly_BLAKE2s"
        self.suite, self.client, noise = suite, client, NoiseProtocol(f"Noise_{pattern}_25519_{cipher}".encode(), noise_backend)
        noise.initiator, noise.prologue, noise.psks = client, b"unbroken" + head, [psk]
        noise.keypairs.update(s=static or noise.dh_fn.generate_keypair(), e=ephemeral)
        noise.initialise_handshake_state()
        self.noise, self.state = noise, noise.handshake_state
    @property
    def hash(self):
        return self.state.symmetric_state.h
    def write(self, payload):
        self.state.write_message(payload, message := bytearray())
        return bytes(message)
    def read(self, message):
        self.state.read_message(message, payload := bytearray())
        return bytes(payload)
    def finish(self):  # what seals, what opens, and the resumption secret
        sealing, opening = self.noise.cipher_state_encrypt, self.noise.cipher_state_decrypt
        keys = sealing.k + opening.k if self.client else opening.k + sealing.k
        return sealing, opening, hkdf(self.suite, self.hash, keys, b"unbroken v1 resumption")
