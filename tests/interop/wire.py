"""Integers, frames, offers and REJECT as bytes: sections 2, 4, 11 and 12 of PROTOCOL.md."""
from io import BytesIO
from types import SimpleNamespace

CODES = {"verdict": ["none", "Resumed", "Expired", "Superseded", "Unknown", "StateLost"],
         "end": ["Done", "StateLost", "ProtocolError", "Unauthorized", "RefreshCredentials", "Busy", "RetryLater", "Aborted"],
         "reject": [None, "Retry", "Refused", "VersionUnsupported", "SuiteUnsupported"],
         "byte": range(256), "flag": [False, True]}
LONGEST = {1: 1_200, 2: 256, 3: 8_192, 4: 256, 5: 256, 6: 256, 7: 65_535}  # by packet type
SEQUENCED = {"OPEN", "RESET", "STOP", "CREDIT", "CLOSE", "DATA"}
DEFAULTS = dict(stream_window=524_288, session_window=1_048_576, max_streams=256, packet_limit=65_535, outbox_limit=1_048_576,
                inbox_limit=1_048_576, keepalive_interval=10_000, detached_lifetime=600_000)
SMALLEST = dict(zip(DEFAULTS, (256, 256, 1, 4_096, 2_048, 65_536, 1, 1)), fragment_size=1_000, versions=1, suites=1)
LARGEST = dict(packet_limit=65_535, fragment_size=64_000, versions=16, suites=16, name=255, label=255, reason=1_024,
               alternate=1_024, credential=7_000)

# Layouts are pairs `field:kind`: int, u64, stream, bytes, =n (exactly n bytes), a key of CODES, a nested layout, more (an
# integer behind some codes); ? before a kind: behind a marker, if at all.
LAYOUTS = {"P": " ".join(f"{name}:int" for name in DEFAULTS), "p": "id:=16 counter:int position:int mac:=32"}
CLAIM, OFFER = "position:u64 alive:flag", "versions:bytes suites:bytes parameters:P name:bytes credential:bytes predecessor:?p"
REJECT, WITH_MORE = "code:reject after:more", ("Retry", "Resumed", "Expired", "Unknown", "StateLost")
FRAMES = {"OPEN": (0x01, "stream:stream priority:byte fragment_size:int label:bytes"), "RESET": (0x02, "stream:stream code:int"),
          "STOP": (0x03, "stream:stream code:int"), "CREDIT": (0x04, "stream:int limit:int"),
          "CLOSE": (0x05, "code:int reason:bytes position:int"), "CLOSED": (0x08, "position:int"),
          "END": (0x09, "code:end reason:bytes position:?int after:?int alternate:bytes"), "ACK": (0x0a, "position:int"),
          "FROM": (0x0b, "position:int"), "RESYNC": (0x0c, "position:int"), "PING": (0x0d, "id:int"), "PONG": (0x0e, "id:int"),
          "GOAWAY": (0x0f, "within:int alternate:bytes"), "REKEY": (0x10, ""),
          "FINAL": (0x11, "parameters:P incarnation:=8 verdict:verdict position:more")}

class Refused(Exception):
    """Bytes that the document says are malformed; or, while they are served, any other breach of it."""

def need(condition, why="Malformed"):
    if not condition:
        raise Refused(why)

def frame(kind, **values):
    return SimpleNamespace(kind=kind, **values)

def data(stream, payload, message_end=False, stream_end=False):
    return frame("DATA", stream=stream, payload=payload, message_end=message_end, stream_end=stream_end)

def fields(layout):
    return [field.split(":") for field in layout.split()]

def integer(n):
    tag = next(tag for tag in range(4) if n < 1 << (8 << tag) - 2)
    return (n | tag << (8 << tag) - 2).to_bytes(1 << tag, "big")

def put(layout, values):
    """The fields of a layout as bytes; `get` reads them back."""
    out = b""
    for name, kind in fields(layout):
        value = getattr(values, name)
        out += bytes([value is not None]) if kind[0] == "?" else b""
        if kind.strip("?") in LAYOUTS and value:
            out += put(LAYOUTS[kind.strip("?")], value)
        elif kind in CODES:
            out += bytes([CODES[kind].index(value)])
        elif kind == "u64":
            out += value.to_bytes(8, "big")
        elif value is not None:
            out += integer(len(value)) if kind == "bytes" else b""
            out += value if isinstance(value, bytes) else integer(value)
    return out

def take(reader, size):
    taken = reader.read(size)
    need(len(taken) == size)
    return taken

def get_code(reader, kind):
    code, = take(reader, 1)
    need(code < len(CODES[kind]) and CODES[kind][code] is not None)
    return CODES[kind][code]

def get_integer(reader, name=None):
    raw = take(reader, 1)
    raw += take(reader, (1 << (raw[0] >> 6)) - 1)
    n = int.from_bytes(raw, "big") & (1 << 8 * len(raw) - 2) - 1
    need(integer(n) == raw and SMALLEST.get(name, 0) <= n <= LARGEST.get(name, n))  # in the fewest bytes that hold it
    return n

def get(reader, layout):
    values, value = {}, None
    for name, kind in fields(layout):
        if kind == "more" and value not in WITH_MORE or kind[0] == "?" and not get_code(reader, "flag"):
            value = None
        elif kind in CODES:
            value = get_code(reader, kind)
        elif kind.strip("?") in LAYOUTS:
            value = get(reader, LAYOUTS[kind.strip("?")])
        elif kind == "u64":
            value = int.from_bytes(take(reader, 8), "big")
        elif kind in ("int", "?int", "stream", "more"):
            value = get_integer(reader, name)
            need(value or kind != "stream", "BadStream")
        else:
            value = take(reader, int(kind[1:]) if kind[0] == "=" else get_integer(reader, name))
        values[name] = value
    return SimpleNamespace(**values)

def get_all(layout, payload):
    """The fields of a layout that `payload` holds, and nothing else."""
    values = get(reader := BytesIO(payload), layout)
    need(not reader.read() and getattr(values, "name", b"").decode(errors="replace").encode() == getattr(values, "name", b""))
    return values

def encode(frames):
    """The frames of one packet, each as short as it can be."""
    out, same = b"", None
    for f in frames:
        if f.kind == "DATA":
            again, last = f.stream == same, f is frames[-1]
            out += bytes([0x40 | f.message_end | f.stream_end << 1 | again << 2 | last << 3])
            out += (b"" if again else integer(f.stream)) + (b"" if last else integer(len(f.payload))) + f.payload
        else:
            out += bytes([FRAMES[f.kind][0]]) + put(FRAMES[f.kind][1], f)
        same = f.stream if f.kind in ("DATA", "OPEN") else same
    return out

def decode(plaintext):
    """The frames of a packet, one by one: what stood before a bad one stands, and what stands behind END is not read."""
    reader, same = BytesIO(plaintext), None
    need(plaintext)
    while byte := reader.read(1):
        number, kind = byte[0], next((kind for kind in FRAMES if FRAMES[kind][0] == byte[0]), None)
        if 0x40 <= number < 0x50:
            need(same or not number & 4)
            stream = same if number & 4 else get(reader, "stream:stream").stream
            payload = reader.read() if number & 8 else take(reader, get_integer(reader))
            f = data(stream, payload, bool(number & 1), bool(number & 2))
        else:
            need(kind, "UnknownFrame")
            f = frame(kind, **vars(get(reader, FRAMES[kind][1])))
            need(kind != "FINAL" or plaintext[0] == number and not reader.read(1), "Misplaced")
        same = f.stream if f.kind in ("DATA", "OPEN") else same
        yield f

def charge(f):
    """What a sequenced frame counts against bounds and credit (section 6)."""
    return 64 + (len(f.payload) if f.kind == "DATA" else len(encode([f])))
