"""Makes every packet of proto/vectors/transcripts from what is told of it: keys, payloads, frames."""
from types import SimpleNamespace

from noise.backends.default.keypairs import KeyPair25519

import handshakes
import vectors
import wire

OTHERS = {"case", "nonces", "secret", "configured", "time", "does", "cut", "hold", "release", "forged", "gets", "closes"}

def raw(text):
    return bytes.fromhex(text.strip("-"))

def private(text):
    return KeyPair25519.from_private_bytes(raw(text))

def packets_of(text):
    """The configuration, and each packet as pairs of key and value."""
    configured, packets, packet = {}, [], None
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        key, value = line.split(": ", 1)
        if key == "packet":
            packet = [(key, value)]
            packets.append(packet)
        elif key in OTHERS:
            packet = None
            name = value.split()[0] if key == "configured" else key
            configured[name] = vectors.words_of(value.partition(" ")[2]) if key == "configured" else value
        else:
            packet.append((key, value))
    return configured, packets

class Exchange:
    def __init__(self, configured):
        secret = vectors.words_of(configured.get("secret", "hint=- key=-"))
        self.hint, self.psk = raw(secret["hint"]), raw(secret["key"])
        self.static = {end: private(configured[end]["static"]) for end in ("client", "server")}
        self.first_nonce = int(configured.get("nonces", 0))
        self.secrets = {}  # by session: what a RESUME may be made with, and its suite
        self.open = {}  # by connection: its handshake at both ends
        self.keys = {}  # by connection and end: what it seals with
        self.rekeyed = {}  # likewise: how many packets went before its present key
        self.next = {}  # likewise: the position of its next sequenced frame

    def packet(self, lines):
        told = dict(lines)
        number, end, connection, kind = told["packet"].split()
        packet = raw(told["hex"])
        made = getattr(self, kind.lower())(connection, end, told, lines, packet)
        assert made == packet, f"packet {number} is not {made.hex()}"

    def finish(self, connection, session=None):
        both, suite = self.open[connection]["ends"], self.open[connection]["suite"]
        client, server = both["client"].finish(), both["server"].finish()
        assert client[2] == server[2]
        made = self.open[connection]["made"] = suite, client[2]
        self.secrets.setdefault(session or both["client"].hash[:16], []).append(made)
        for end, keys in (("client", client), ("server", server)):
            keys[0].n = self.first_nonce
            self.keys[connection, end], self.rekeyed[connection, end], self.next[connection, end] = keys[0], 0, None

    def hello(self, connection, end, told, lines, packet):
        suite = packet[2]
        hint = self.hint if suite in handshakes.WITH_SECRET else b""
        head = bytes([1, 1, suite, len(hint)]) + hint
        make = lambda end, key: handshakes.Handshake(suite, end == "client", head, self.psk, False, self.static[end], private(key))
        client = make("client", told["ephemeral"])
        message = client.write(b"")
        self.open[connection] = dict(suite=suite, make=make, first=message, ends={"client": client})
        return head + message

    def challenge(self, connection, end, told, lines, packet):
        under_way = self.open[connection]
        server = under_way["ends"]["server"] = under_way["make"]("server", told["ephemeral"])
        assert server.read(under_way["first"]) == b""
        message = server.write(b"")
        assert under_way["ends"]["client"].read(message) == b""
        return b"\2" + message

    def auth_proof(self, connection, end, told, lines, packet):
        both = self.open[connection]["ends"]
        offer = vectors.fields("OFFER", told | vectors.words_of(told["parameters"]))
        if offer.predecessor:
            secrets, h2 = self.secrets[offer.predecessor.id], both["client"].hash
            macs = [handshakes.predecessor_mac(suite, secret, h2) for suite, secret in secrets]
            assert offer.predecessor.mac in macs
            self.open[connection]["predecessor"] = offer.predecessor.id
        message = both["client"].write(wire.put("OFFER", offer))
        assert both["server"].read(message)
        self.finish(connection)
        return b"\3" + message

    def resume(self, connection, end, told, lines, packet):
        head, session = packet[:27], packet[3:19]
        for suite, secret in self.secrets[session]:
            make = lambda end, key: handshakes.Handshake(suite, end == "client", head, secret, True, None, private(key))
            client = make("client", told["ephemeral"])
            message = client.write(claim(told))
            if suite == packet[2] and head + message == packet:
                self.open[connection] = dict(suite=suite, make=make, first=message, session=session, ends={"client": client})
                return packet
        raise AssertionError("made with no secret of this session")

    def resumed(self, connection, end, told, lines, packet):
        under_way = self.open[connection]
        server = under_way["ends"]["server"] = under_way["make"]("server", told["ephemeral"])
        assert len(server.read(under_way["first"])) == 9
        message = server.write(claim(told))
        assert under_way["ends"]["client"].read(message) == claim(told)
        self.finish(connection, under_way["session"])
        return b"\5" + message

    def reject(self, connection, end, told, lines, packet):
        return b"\6" + wire.put("REJECT", vectors.fields("REJECT", vectors.words_of(f"code={told['reject']}")))

    def sealed(self, connection, end, told, lines, packet):
        key = self.keys[connection, end]
        assert key.n == int(told["nonce"])
        frames = []
        for name, value in lines:
            if name == "frame":
                frames.append(vectors.read_frame(value))
                if frames[-1].kind == "FROM":
                    self.next[connection, end] = frames[-1].position
                elif frames[-1].kind == "FINAL" and frames[-1].verdict == "Resumed":
                    self.secrets[self.open[connection]["predecessor"]].append(self.open[connection]["made"])
            elif name == "position":
                assert frames[-1].kind in wire.SEQUENCED and self.next[connection, end] == int(value)
                self.next[connection, end] += 1
        rekeys = any(f.kind == "REKEY" for f in frames)
        assert rekeys or key.n - self.rekeyed[connection, end] < handshakes.KEY_LIMIT - 1 or frames[-1].kind == "END"
        made = b"\7" + key.encrypt_with_ad(b"", wire.encode(frames))
        if rekeys:
            self.rekeyed[connection, end] = key.n
            key.rekey()
        return made

def claim(told):
    said = vectors.words_of(told["claim"])
    return wire.put("CLAIM", SimpleNamespace(position=int(said["position"]), alive=said["predecessor"] == "alive"))

def replay():
    """Every packet; returns how many there were, or raises what is wrong with which."""
    files, count = sorted((vectors.VECTORS / "transcripts").iterdir()), 0
    for path in files:
        configured, packets = packets_of(path.read_text())
        exchange = Exchange(configured)
        for packet in packets:
            try:
                exchange.packet(packet)
            except (AssertionError, wire.Refused) as e:
                raise AssertionError(f"{path.name}: {packet[0][1]}: {e}") from e
            count += 1
    assert count
    return f"{count} packets of {len(files)} transcripts"
