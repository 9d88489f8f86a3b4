"""The Noise patterns, suites and derived secrets of section 3 of PROTOCOL.md."""
import hashlib
import hmac as hmac_module
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

PATTERNS = {"XX": [["e"], ["e", "ee", "s", "es"], ["s", "se"]], "XXpsk3": [["e"], ["e", "ee", "s", "es"], ["s", "se", "psk"]],
            "NNpsk0": [["psk", "e"], ["e", "ee"]]}
WITH_SECRET, AES = (1, 2), (1, 3)  # suites
KEY_LIMIT = 2**20  # packets under one key, the one with the REKEY included

def hasher(suite):
    return hashlib.sha256 if suite in AES else hashlib.blake2s

def hmac(suite, key, message):
    return hmac_module.new(key, message, hasher(suite)).digest()

def derive(suite, salt, ikm, info):
    return hmac(suite, hmac(suite, salt, ikm), info + b"\1")

def verifier(suite, secret):
    return derive(suite, bytes(32), secret, b"unbroken v1 verifier")

def predecessor_mac(suite, secret_verifier, h2):
    """`suite` is the earlier session's, `h2` the hash after message 2 of the new handshake."""
    return hmac(suite, secret_verifier, b"unbroken v1 predecessor" + h2)

class Key:
    """One direction's key and its counter: a Noise CipherState."""

    def __init__(self, suite, key):
        self.suite, self.nonce = suite, 0
        self.use(key)

    def use(self, key):
        self.aead = (AESGCM if self.suite in AES else ChaCha20Poly1305)(key)
        self.packets = 0  # under this key

    def next_nonce(self):
        self.nonce += 1
        self.packets += 1
        return self.number(self.nonce - 1)

    def number(self, n):
        return struct.pack(">IQ" if self.suite in AES else "<IQ", 0, n)

    def seal(self, plaintext, ad=b""):
        return self.aead.encrypt(self.next_nonce(), plaintext, ad)

    def open(self, ciphertext, ad=b""):
        return self.aead.decrypt(self.next_nonce(), ciphertext, ad)

    def rekey(self):
        self.use(self.aead.encrypt(self.number(2**64 - 1), bytes(32), b"")[:32])

class Handshake:
    """Either end of a handshake: `write` and `read` take its messages in turn."""

    def __init__(self, suite, client, prologue, psk=None, resume=False, static=None, ephemeral=None):
        pattern = "NNpsk0" if resume else "XXpsk3" if suite in WITH_SECRET else "XX"
        self.suite, self.client, self.psk, self.key, self.peer = suite, client, psk, None, {}
        self.messages, self.psk_used = iter(PATTERNS[pattern]), "psk" in pattern
        self.own = {"s": static or X25519PrivateKey.generate(), "e": ephemeral or X25519PrivateKey.generate()}
        name = f"Noise_{pattern}_25519_{'AESGCM_SHA256' if suite in AES else 'ChaChaPoly_BLAKE2s'}".encode()
        self.hash = self.chain = name.ljust(32, b"\0") if len(name) <= 32 else hasher(suite)(name).digest()
        self.mix_hash(b"unbroken" + prologue)

    def mix_hash(self, data):
        self.hash = hasher(self.suite)(self.hash + data).digest()
        return data

    def expand(self, ikm, count):
        temporary, out = hmac(self.suite, self.chain, ikm), [b""]
        for i in range(count):
            out.append(hmac(self.suite, temporary, out[-1] + bytes([i + 1])))
        return out[1:]

    def mix_key(self, ikm, psk=False):
        self.chain, *rest = self.expand(ikm, 3 if psk else 2)
        if psk:
            self.mix_hash(rest[0])
        self.key = Key(self.suite, rest[-1])

    def seal(self, plaintext):
        return self.mix_hash(self.key.seal(plaintext, self.hash) if self.key else plaintext)

    def open(self, ciphertext):
        plaintext = self.key.open(ciphertext, self.hash) if self.key else ciphertext
        self.mix_hash(ciphertext)
        return plaintext

    def mix_token(self, token, ephemeral=None):
        if token == "psk":
            self.mix_key(self.psk, psk=True)
        elif token == "e":
            self.mix_hash(ephemeral)
            if self.psk_used:
                self.mix_key(ephemeral)
        elif token != "s":  # a Diffie-Hellman, the client's key named first. A result of zeros raises ValueError.
            mine, theirs = token if self.client else token[::-1]
            self.mix_key(self.own[mine].exchange(self.peer[theirs]))

    def write(self, payload):
        out = b""
        for token in next(self.messages):
            public = self.own[token].public_key().public_bytes_raw() if token in self.own else b""
            self.mix_token(token, public)
            out += self.seal(public) if token == "s" else public
        return out + self.seal(payload)

    def read(self, message):
        for token in next(self.messages):
            size = {"e": 32, "s": 48}.get(token, 0)
            raw, message = message[:size], message[size:]
            if size:
                self.peer[token] = X25519PublicKey.from_public_bytes(raw if token == "e" else self.open(raw))
            self.mix_token(token, raw)
        return self.open(message)

    def finish(self):
        """The sealing keys (sending, receiving) and the resumption secret."""
        k1, k2 = self.expand(b"", 2)
        secret = derive(self.suite, self.hash, k1 + k2, b"unbroken v1 resumption")
        mine, theirs = (k1, k2) if self.client else (k2, k1)
        return Key(self.suite, mine), Key(self.suite, theirs), secret
