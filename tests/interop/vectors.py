"""Replays proto/vectors: every case of frames.txt, both ways, and every value of handshake.txt."""
from pathlib import Path
from types import SimpleNamespace

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from noise.backends.default.keypairs import KeyPair25519

import handshakes
import wire

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"

def words_of(text):
    return dict(word.split("=") if "=" in word else (word, True) for word in text.split())

def value(kind, words, name):
    """A field as the vectors write it."""
    text = words.get(name, words.get("reach", "-"))
    if kind in wire.LAYOUTS:
        return None if kind == "WORDS" and words.get("verdict") != "Closed" else fields(kind, words)
    if kind == "?PREDECESSOR":
        return None if text == "-" else fields("PREDECESSOR", words_of(text))
    if kind in ("int", "?int", "stream", "byte", "more"):
        return None if text == "-" else int(text)
    return text if kind in wire.CODES else bytes.fromhex(text.strip("-"))

def fields(layout, words):
    return SimpleNamespace(**{name: value(kind, words, name) for name, kind in wire.LAYOUTS[layout]})

def read_frame(text):
    kind, words = text.split()[0], words_of(text)
    if kind in wire.PAYLOADS:
        place = {name: int(words[name]) for name in ("total", "offset") if name in words}
        return wire.data(int(words["stream"]), value("bytes", words, "payload"), "message_end" in words, "stream_end" in words, **place)
    return wire.frame(kind, **vars(fields(kind, words)))

def packets_of(stream):
    packets = []
    while stream:
        size = int.from_bytes(stream[:2], "big")
        wire.need(size and stream[2] in wire.LONGEST, "UnexpectedPacket")
        wire.need(size <= wire.LONGEST[stream[2]], "TooLarge")
        packets.append(stream[2:2 + size].hex())
        stream = stream[2 + size:]
    return packets

PARSERS = {"varint-error": lambda raw: wire.get_all("int", raw), "offer-error": lambda raw: wire.get_all("OFFER", raw),
           "reject-error": lambda raw: wire.get_all("REJECT", raw[1:]), "stream-error": packets_of,
           "error": lambda raw: list(wire.decode(raw))}

def check_case(lines):
    listed = [(name, text.strip()) for name, text in (line.split(":", 1) for line in lines)]
    case = dict(listed)
    raw = bytes.fromhex(case.get("hex", "") or case.get("stream", ""))
    error = next((name for name in case if name.endswith("error")), None)
    if error:
        try:
            taken = PARSERS[error](raw)
        except wire.Refused as e:
            assert str(e) == case[error], f"refused as {e}"
        else:
            raise AssertionError(f"taken as {taken}")
    elif "stream" in case:
        assert packets_of(raw) == [text for name, text in listed if name == "packet"]
    elif "frame" in case:
        frames = [read_frame(text) for name, text in listed if name == "frame"]
        charges = [int(text) for name, text in listed if name == "charge"]
        assert frames and list(wire.decode(raw)) == frames and ("longer" in case or wire.encode(frames) == raw)
        assert [wire.charge(f) for f in frames if f.kind in wire.SEQUENCED] == charges
    elif "varint" in case:
        assert wire.get_all("int", raw) == int(case["varint"]) and wire.put("int", int(case["varint"])) == raw
    else:
        if "reject" in case:
            layout, words, head = "REJECT", words_of(f"code={case['reject']}"), b"\6"
        else:
            layout, words, head = "OFFER", case | words_of(case["parameters"]), b""
        values = fields(layout, words)
        assert wire.get_all(layout, raw[len(head):]) == values and head + wire.put(layout, values) == raw

def check_suite(suite, common, v):
    def pair(head, psk, resume, prefix=""):
        keys = [[KeyPair25519.from_private_bytes(key) for key in (common[f"{end}_static"], v[f"{prefix}{end}_ephemeral"])]
                for end in ("client", "server")]
        return [handshakes.Handshake(suite, client, head, psk, resume, *own) for client, own in zip((True, False), keys)]

    def sealed(client, server, prefix):
        for sender, receiver, name in ((client, server, "client"), (server, client, "server")):
            packet = v[f"{prefix}{name}_sealed"]
            assert b"\7" + sender[0].encrypt_with_ad(b"", common["plaintext"]) == packet
            assert receiver[1].decrypt_with_ad(b"", packet[1:]) == common["plaintext"]
        assert client[2] == server[2]

    hint = common["hint"] if suite in handshakes.WITH_SECRET else b""
    head = bytes([1, 1, suite, len(hint)]) + hint
    c, s = pair(head, common["shared_secret"], False)
    assert head + c.write(b"") == v["hello"] and s.read(v["hello"][len(head):]) == b""
    assert b"\2" + s.write(b"") == v["challenge"] and c.read(v["challenge"][1:]) == b""
    h2 = c.hash
    assert b"\3" + c.write(common["offer"]) == v["auth_proof"] and s.read(v["auth_proof"][1:]) == common["offer"]
    client, server, id = c.finish(), s.finish(), c.hash[:16]
    assert (h2, id, client[2]) == (v["hash_after_2"], v["session_id"], v["resumption_secret"])
    assert handshakes.hkdf(suite, bytes(32), client[2], b"unbroken v1 verifier") == v["verifier"]
    assert handshakes.predecessor_mac(suite, client[2], h2) == v["predecessor_mac"]
    sealed(client, server, "")
    client[0].rekey()
    assert b"\7" + client[0].encrypt_with_ad(b"", common["plaintext"]) == v["client_sealed_after_rekey"]
    head = bytes([4, 1, suite]) + id + (1).to_bytes(8, "big")
    c, s = pair(head, client[2], True, "resume_")
    assert head + c.write(s.read(v["resume"][27:])) == v["resume"]
    assert b"\5" + s.write(c.read(v["resumed"][1:])) == v["resumed"]
    client, server = c.finish(), s.finish()
    assert client[2] == v["next_resumption_secret"]
    sealed(client, server, "resumed_")

def replay():
    """Every vector; returns how many there were, or raises what is wrong with which."""
    blocks = [[line for line in block.splitlines() if not line.startswith("#")]
              for block in (VECTORS / "frames.txt").read_text().split("\n\n")]
    blocks = [block for block in blocks if block]
    for lines in blocks:
        try:
            check_case(lines)
        except (AssertionError, wire.Refused) as e:
            raise AssertionError(f"{lines}: {e}") from e
    pairs = [line.split(" = ") for line in (VECTORS / "handshake.txt").read_text().splitlines() if " = " in line]
    values = {name: bytes.fromhex(text) for name, text in pairs}
    argon = Argon2id(salt=b"unbroken v1 passphrase" + values["hint"], length=32, iterations=2, lanes=1, memory_cost=19_456)
    assert argon.derive(values["passphrase"]) == values["passphrase_secret"]
    for suite in (1, 2, 3, 4):
        check_suite(suite, values, {name[2:]: v for name, v in values.items() if name.startswith(f"{suite}.")})
    return f"{len(blocks)} cases of frames, {len(values)} values of handshakes"
