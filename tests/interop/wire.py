"""Integers, frames, offers and REJECT as bytes: sections 2, 4, 11 and 12 of PROTOCOL.md."""
from io import BytesIO
from types import SimpleNamespace

# By packet type; then what a field may hold, by its name.
LONGEST = {1: 1_200, 2: 256, 3: 8_192, 4: 256, 5: 256, 6: 256, 7: 65_535}
DEFAULTS = dict(stream_window=524_288, session_window=1_048_576, max_streams=256, packet_limit=65_535, outbox_limit=1_048_576,
                inbox_limit=1_048_576, keepalive_interval=10_000, detached_lifetime=600_000)
SMALLEST = dict(zip(DEFAULTS, (256, 256, 1, 1_200, 2_048, 65_536, 1, 1)), fragment_size=1_000, versions=1, suites=1)
LARGEST = dict(packet_limit=65_535, fragment_size=64_000, total=64_000, versions=16, suites=16, name=255, label=255, reason=1_024,
               alternate=1_024, credential=7_000)

# Kinds of fields: int, stream, u64, bytes, =n (exactly n bytes); one byte for a place in a list of CODES; a layout of
# further fields, each `name:kind`; more, an integer behind some codes; and with ? any of them behind a marker, if at all.
CODES = {"verdict": ["none", "Resumed", "Expired", "Superseded", "Unknown", "StateLost", "Closed", "Replaced"],
         "end": ["Done", "StateLost", "ProtocolError", "Unauthorized", "RefreshCredentials", "Busy", "RetryLater", "Aborted", "Replaced"],
         "reject": [None, "Retry", "Refused", "VersionUnsupported", "SuiteUnsupported"],
         "frame": [None, "OPEN", "RESET", "STOP", "CREDIT", "CLOSE", None, None, "CLOSED", "END", "ACK", "FROM", "RESYNC", "PING",
                   "PONG", "GOAWAY", "REKEY", "FINAL"],
         "byte": range(256), "flag": [False, True]}
LAYOUTS = {"CLAIM": "position:u64 alive:flag", "REJECT": "code:reject after:more",
           "OFFER": "versions:bytes suites:bytes parameters:PARAMETERS name:bytes credential:bytes predecessor:?PREDECESSOR",
           "PARAMETERS": " ".join(f"{name}:int" for name in DEFAULTS), "PREDECESSOR": "id:=16 counter:int position:int mac:=32",
           "OPEN": "stream:stream priority:byte fragment_size:int label:bytes", "CREDIT": "stream:int limit:int",
           "CLOSE": "code:int reason:bytes position:int", "GOAWAY": "within:int alternate:bytes", "REKEY": "",
           **dict.fromkeys(("RESET", "STOP"), "stream:stream code:int"), **dict.fromkeys(("PING", "PONG"), "id:int"),
           **dict.fromkeys(("CLOSED", "ACK", "FROM", "RESYNC"), "position:int"),
           "END": "code:end reason:bytes position:?int after:?int alternate:bytes",
           "FINAL": "parameters:PARAMETERS incarnation:=8 verdict:verdict position:more words:WORDS", "WORDS": "code:int reason:bytes"}
LAYOUTS = {kind: [field.split(":") for field in layout.split()] for kind, layout in LAYOUTS.items()}
PAYLOADS = {"DATA": 0x40, "PART": 0x50}
SEQUENCED, WITH_MORE = ("OPEN", "RESET", "STOP", "CREDIT", "CLOSE", "DATA"), ("Retry", "Resumed", "Expired", "Unknown", "StateLost", "Closed", "Replaced")

class Refused(Exception):
    """Bytes that the document says are malformed; or, while they are served, any other breach of it."""

def need(condition, why="Malformed"):
    if not condition:
        raise Refused(why)
def frame(kind, **values):
    return SimpleNamespace(kind=kind, **values)
def data(stream, payload, message_end=False, stream_end=False, **place):  # with `total` and `offset` it is a PART
    return frame("PART" if place else "DATA", stream=stream, payload=payload, message_end=message_end, stream_end=stream_end, **place)
def integer(n):
    tag = next(tag for tag in range(4) if n < 1 << (8 << tag) - 2)
    return (n | tag << (8 << tag) - 2).to_bytes(1 << tag, "big")

def put(kind, value):  # a field as bytes; `get` reads it back
    if kind[0] == "?":
        return b"\0" if value is None else b"\1" + put(kind[1:], value)
    if kind in LAYOUTS:
        return b"".join(put(inner, getattr(value, name, None)) for name, inner in LAYOUTS[kind] if kind != "WORDS" or value)
    if kind in CODES:
        return bytes([CODES[kind].index(value)])
    if isinstance(value, bytes):
        return value if kind[0] == "=" else integer(len(value)) + value
    return b"" if value is None else value.to_bytes(8, "big") if kind == "u64" else integer(value)
def take(reader, size):
    taken = reader.read(size)
    need(len(taken) == size)
    return taken
def get(reader, kind, name=None):
    if kind[0] == "?":
        return get(reader, kind[1:], name) if get(reader, "flag") else None
    if kind in LAYOUTS:
        values, value = SimpleNamespace(), None
        for name, inner in LAYOUTS[kind]:
            lacks = values.verdict != "Closed" if inner == "WORDS" else inner == "more" and value not in WITH_MORE
            setattr(values, name, value := None if lacks else get(reader, inner, name))
        return values
    if kind in CODES:
        code, = take(reader, 1)
        need(code < len(CODES[kind]) and CODES[kind][code] is not None, "UnknownFrame" if kind == "frame" else "Malformed")
        return CODES[kind][code]
    if kind[0] == "=" or kind == "u64":
        return take(reader, int(kind[1:])) if kind[0] == "=" else int.from_bytes(take(reader, 8), "big")
    raw = take(reader, 1)
    raw += take(reader, (1 << (raw[0] >> 6)) - 1)
    n = int.from_bytes(raw, "big") & (1 << 8 * len(raw) - 2) - 1
    need(integer(n) == raw and SMALLEST.get(name, 0) <= n <= LARGEST.get(name, n))  # in the fewest bytes that hold it
    need(n or kind != "stream", "BadStream")
    return take(reader, n) if kind == "bytes" else n
def get_all(layout, payload):  # what `payload` holds, and nothing else
    values = get(reader := BytesIO(payload), layout)
    need(not reader.read() and getattr(values, "name", b"").decode(errors="replace").encode() == getattr(values, "name", b""))
    return values

def encode(frames):  # the frames of one packet, each as short as it can be
    out, same = b"", None
    for f in frames:
        if f.kind in PAYLOADS:
            again, last = f.stream == same, f is frames[-1]
            out += bytes([PAYLOADS[f.kind] | f.message_end | f.stream_end << 1 | again << 2 | last << 3])
            out += (b"" if again else integer(f.stream)) + (integer(f.total) + integer(f.offset) if f.kind == "PART" else b"")
            out += (b"" if last else integer(len(f.payload))) + f.payload
        else:
            out += put("frame", f.kind) + put(f.kind, f)
        same = f.stream if f.kind in (*PAYLOADS, "OPEN") else same
    return out

def decode(plaintext):  # one frame by one, so that what stood before a bad one stands, and what stands behind END is not read
    reader, same = BytesIO(plaintext), None
    need(plaintext)
    while byte := reader.read(1):
        if 0x40 <= byte[0] < 0x60:
            message_end, stream_end, again, last = (bool(byte[0] & flag) for flag in (1, 2, 4, 8))
            need(same or not again)
            stream = same if again else get(reader, "stream")
            place = {name: get(reader, "int", name) for name in ("total", "offset") if byte[0] & 0x10}
            f = data(stream, reader.read() if last else get(reader, "bytes"), message_end, stream_end, **place)
            need(f.kind == "DATA" or 0 < len(f.payload) < f.total >= f.offset + len(f.payload))
        else:
            kind = get(BytesIO(byte), "frame")
            f = frame(kind, **vars(get(reader, kind)))
            need(kind != "FINAL" or plaintext[:1] == byte and reader.tell() == len(plaintext), "Misplaced")
        same = f.stream if f.kind in (*PAYLOADS, "OPEN") else same
        yield f

def charge(f):  # what a sequenced frame counts against bounds and credit (section 6)
    return 64 + (len(f.payload) if f.kind == "DATA" else len(encode([f])))
