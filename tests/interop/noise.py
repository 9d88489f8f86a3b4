"""The Noise patterns, suites and derived secrets of section 3 of PROTOCOL.md."""
import hashlib
import hmac
import struct
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM, ChaCha20Poly1305

PATTERNS = {"XX": ["e", "e ee s es", "s se"], "XXpsk3": ["e", "e ee s es", "s se psk"], "NNpsk0": ["psk e", "e ee"]}
WITH_SECRET, AES, HASH = (1, 2), (1, 3), {1: "sha256", 2: "blake2s", 3: "sha256", 4: "blake2s"}  # by suite
KEY_LIMIT = 2**20  # packets under one key, the one with the REKEY included

def hkdf(suite, salt, ikm, info=b"", count=1):
    """`count` blocks of HKDF (RFC 5869); without `info` it is Noise's HKDF, too."""
    key, blocks = hmac.digest(salt, ikm, HASH[suite]), [b""]
    for i in range(count):
        blocks.append(hmac.digest(key, blocks[-1] + info + bytes([i + 1]), HASH[suite]))
    return blocks[1:]

def predecessor_mac(suite, secret, h2):
    """`suite` and `secret` are the earlier session's, `h2` is the hash after message 2 of the new handshake."""
    verifier, = hkdf(suite, bytes(32), secret, b"unbroken v1 verifier")
    return hmac.digest(verifier, b"unbroken v1 predecessor" + h2, HASH[suite])

class Key:
    """One direction's key and its nonce: a Noise CipherState."""
    def __init__(self, suite, key):
        self.aead, self.layout = (AESGCM(key), ">IQ") if suite in AES else (ChaCha20Poly1305(key), "<IQ")
        self.nonce = self.packets = 0  # the latter under this key
    def crypt(self, direction, text, ad=b""):
        self.nonce, self.packets = self.nonce + 1, self.packets + 1
        return getattr(self.aead, direction)(struct.pack(self.layout, 0, self.nonce - 1), text, ad)
    def rekey(self):
        key = self.aead.encrypt(struct.pack(self.layout, 0, 2**64 - 1), bytes(32), b"")[:32]
        self.aead, self.packets = type(self.aead)(key), 0

class Handshake:
    """Either end of a handshake: `write` and `read` take its messages in turn."""
    def __init__(self, suite, client, head, psk=None, resume=False, static=None, ephemeral=None):
        pattern = "NNpsk0" if resume else "XXpsk3" if suite in WITH_SECRET else "XX"
        name = f"Noise_{pattern}_25519_{'AESGCM_SHA256' if suite in AES else 'ChaChaPoly_BLAKE2s'}".encode()
        self.suite, self.client, self.psk, self.key, self.theirs = suite, client, psk, None, {}
        self.messages, self.with_psk = iter(PATTERNS[pattern]), "psk" in pattern
        self.own = {"s": static or X25519PrivateKey.generate(), "e": ephemeral or X25519PrivateKey.generate()}
        self.hash = self.chain = name.ljust(32, b"\0") if len(name) <= 32 else hashlib.new(HASH[suite], name).digest()
        self.mix_hash(b"unbroken" + head)
    def mix_hash(self, data):
        self.hash = hashlib.new(HASH[self.suite], self.hash + data).digest()
    def mix_key(self, ikm, count=2):
        self.chain, *hashed, key = hkdf(self.suite, self.chain, ikm, count=count)
        for block in hashed:
            self.mix_hash(block)
        self.key = Key(self.suite, key)
    def mix(self, token, public):
        if token == "psk":
            self.mix_key(self.psk, count=3)
        elif token == "e":
            self.mix_hash(public)
            if self.with_psk:
                self.mix_key(public)
        elif token != "s":  # a Diffie-Hellman, the client's key named first. A result of zeros raises ValueError.
            mine, theirs = token if self.client else token[::-1]
            self.mix_key(self.own[mine].exchange(self.theirs[theirs]))
    def crypt(self, direction, text):
        result = self.key.crypt(direction, text, self.hash) if self.key else text
        self.mix_hash(result if direction == "encrypt" else text)
        return result
    def write(self, payload):
        out = b""
        for token in next(self.messages).split():
            public = self.own[token].public_key().public_bytes_raw() if token in self.own else b""
            out += self.crypt("encrypt", public) if token == "s" else public
            self.mix(token, public)
        return out + self.crypt("encrypt", payload)
    def read(self, message):
        for token in next(self.messages).split():
            size = {"e": 32, "s": 48}.get(token, 0)
            public, message = message[:size], message[size:]
            if size:
                self.theirs[token] = X25519PublicKey.from_public_bytes(public if token == "e" else self.crypt("decrypt", public))
            self.mix(token, public)
        return self.crypt("decrypt", message)
    def finish(self):
        """The sealing keys (sending, receiving) and the resumption secret."""
        keys = hkdf(self.suite, self.chain, b"", count=2)
        secret, = hkdf(self.suite, self.hash, b"".join(keys), b"unbroken v1 resumption")
        sending, receiving = keys if self.client else keys[::-1]
        return Key(self.suite, sending), Key(self.suite, receiving), secret
