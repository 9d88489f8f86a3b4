"""Replays proto/vectors: every case of frames.txt, both ways, and every value of handshake.txt."""
from pathlib import Path
from types import SimpleNamespace

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

import noise
import wire

VECTORS = Path(__file__).parents[2] / "proto" / "vectors"

def value(kind, words, name):
    """A field as the vectors write it."""
    text = words.get(name, "-")
    if kind == "P":
        return {name: int(words[name]) for name in wire.DEFAULTS}
    if kind == "v":
        number = words.get("position", words.get("reach"))
        return text, None if number is None else int(number)
    if kind == "p":
        return None if text == "-" else fields(wire.PREDECESSOR, dict(w.split("=") for w in text.split()))
    if kind in "oisb":
        return None if text == "-" else int(text)
    return text if kind == "e" else bytes.fromhex(text.strip("-"))

def fields(layout, words):
    return SimpleNamespace(**{n: value(k, words, n) for n, k in (f.split(":") for f in layout.split())})

def read_frame(text):
    kind, *words = text.split()
    words = dict(w.split("=") if "=" in w else (w, True) for w in words)
    if kind == "DATA":
        return wire.data(int(words["stream"]), value("0", words, "payload"), "message_end" in words, "stream_end" in words)
    return wire.frame(kind, **vars(fields(wire.NUMBERS[kind][1], words)))

def packets_of(stream):
    packets = []
    while stream:
        size = int.from_bytes(stream[:2], "big")
        wire.need(size and stream[2] in wire.LONGEST, "UnexpectedPacket")
        wire.need(size <= wire.LONGEST[stream[2]], "TooLarge")
        packets.append(stream[2:2 + size].hex())
        stream = stream[2 + size:]
    return packets

def check_case(lines):
    """Checks one case; says whether it was one."""
    case = {name: text.strip() for name, text in (line.split(":", 1) for line in lines)}
    listed = [(name, text.strip()) for name, text in (line.split(":", 1) for line in lines)]
    raw = bytes.fromhex(case.get("hex", "") or case.get("stream", ""))
    error = next((name for name in case if name.endswith("error")), None)
    if error:
        parse = {"varint-error": lambda b: wire.Reader(b).integer(), "offer-error": wire.get_offer, "error": wire.decode,
                 "reject-error": wire.get_reject, "stream-error": packets_of}[error]
        try:
            taken = parse(raw)
        except wire.Refused as e:
            assert str(e) == case[error], f"refused as {e}"
        else:
            raise AssertionError(f"taken as {taken}")
    elif "varint" in case:
        n = int(case["varint"])
        assert wire.integer(n) == raw and wire.Reader(raw).integer() == n
    elif "reject" in case:
        name, _, after = case["reject"].partition(" after=")
        assert wire.get_reject(raw) == (name, int(after) if after else None)
    elif "versions" in case:
        offer = fields(wire.OFFER, case | dict(w.split("=") for w in case["parameters"].split()))
        assert wire.get_offer(raw) == offer and wire.put(wire.OFFER, offer) == raw
    elif "stream" in case:
        assert packets_of(raw) == [text for name, text in listed if name == "packet"]
    else:
        frames = [read_frame(text) for name, text in listed if name == "frame"]
        charges = [int(text) for name, text in listed if name == "charge"]
        assert frames and wire.decode(raw) == frames and ("longer" in case or wire.encode(frames) == raw)
        assert [wire.charge(f) for f in frames if f.kind in wire.SEQUENCED] == charges

def check_suite(suite, common, v):
    def key(name):
        return X25519PrivateKey.from_private_bytes(v[name])

    def pair(head, psk, resume, prefix=""):
        return [noise.Handshake(suite, client, head, psk, resume, X25519PrivateKey.from_private_bytes(common[f"{end}_static"]),
                                key(f"{prefix}{end}_ephemeral")) for client, end in ((True, "client"), (False, "server"))]

    def sealed(client, server, prefix):
        assert b"\7" + client[0].seal(common["plaintext"]) == v[f"{prefix}client_sealed"]
        assert b"\7" + server[0].seal(common["plaintext"]) == v[f"{prefix}server_sealed"]
        assert server[1].open(v[f"{prefix}client_sealed"][1:]) == common["plaintext"]
        assert client[1].open(v[f"{prefix}server_sealed"][1:]) == common["plaintext"]
        assert client[2] == server[2]

    hint = common["hint"] if suite in noise.WITH_SECRET else b""
    head = bytes([1, 1, suite, len(hint)]) + hint
    c, s = pair(head, common["shared_secret"], False)
    assert head + c.write(b"") == v["hello"] and s.read(v["hello"][len(head):]) == b""
    assert b"\2" + s.write(b"") == v["challenge"] and c.read(v["challenge"][1:]) == b""
    h2 = c.hash
    assert h2 == v["hash_after_2"]
    assert b"\3" + c.write(common["offer"]) == v["auth_proof"] and s.read(v["auth_proof"][1:]) == common["offer"]
    client, server, id = c.finish(), s.finish(), c.hash[:16]
    check = noise.verifier(suite, client[2])
    assert (id, client[2], check) == (v["session_id"], v["resumption_secret"], v["verifier"])
    assert noise.predecessor_mac(suite, client[2], h2) == v["predecessor_mac"]
    sealed(client, server, "")
    client[0].rekey()
    assert b"\7" + client[0].seal(common["plaintext"]) == v["client_sealed_after_rekey"]
    head = bytes([4, 1, suite]) + id + (1).to_bytes(8, "big")
    c, s = pair(head, client[2], True, "resume_")
    claim = s.read(v["resume"][27:])
    assert head + c.write(claim) == v["resume"]
    claim = c.read(v["resumed"][1:])
    assert b"\5" + s.write(claim) == v["resumed"]
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
