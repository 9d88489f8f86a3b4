"""Integers, frames, offers and REJECT as bytes: sections 2, 4, 11 and 12 of PROTOCOL.md."""
from types import SimpleNamespace

DEFAULTS = dict(stream_window=524_288, session_window=1_048_576, max_streams=256, packet_limit=65_535, outbox_limit=1_048_576,
                inbox_limit=1_048_576, keepalive_interval=10_000, detached_lifetime=600_000)
SMALLEST = dict(zip(DEFAULTS, (256, 256, 1, 4_096, 2_048, 65_536, 1, 1)))
VERDICTS = ["none", "Resumed", "Expired", "Superseded", "Unknown", "StateLost"]
ENDS = ["Done", "StateLost", "ProtocolError", "Unauthorized", "RefreshCredentials", "Busy", "RetryLater", "Aborted"]
REJECTS = [None, "Retry", "Refused", "VersionUnsupported", "SuiteUnsupported"]
LONGEST = {1: 1_200, 2: 256, 3: 8_192, 4: 256, 5: 256, 6: 256, 7: 65_535}  # by packet type
SEQUENCED = {"OPEN", "RESET", "STOP", "CREDIT", "CLOSE", "DATA"}

# A field is `name:kind`. i: integer, s: stream, b: byte, e: END's code, o: optional integer, P: parameters, v: verdict,
# p: predecessor, =n: exactly n bytes, n: bytes of at most that length.
PREDECESSOR = "id:=16 counter:i position:i mac:=32"
OFFER = "versions:16 suites:16 parameters:P name:255 credential:7000 predecessor:p"
FRAMES = {0x01: ("OPEN", "stream:s priority:b fragment_size:i label:255"), 0x02: ("RESET", "stream:s code:i"),
          0x03: ("STOP", "stream:s code:i"), 0x04: ("CREDIT", "stream:i limit:i"), 0x05: ("CLOSE", "code:i reason:1024 position:i"),
          0x08: ("CLOSED", "position:i"), 0x09: ("END", "code:e reason:1024 position:o after:o alternate:1024"),
          0x0a: ("ACK", "position:i"), 0x0b: ("FROM", "position:i"), 0x0c: ("RESYNC", "position:i"), 0x0d: ("PING", "id:i"),
          0x0e: ("PONG", "id:i"), 0x0f: ("GOAWAY", "within:i alternate:1024"), 0x10: ("REKEY", ""),
          0x11: ("FINAL", "parameters:P incarnation:=8 verdict:v")}
NUMBERS = {name: (number, layout) for number, (name, layout) in FRAMES.items()}

class Refused(Exception):
    """Bytes that the document says are malformed; or, while they are served, any other breach of it."""

def need(condition, word="Malformed"):
    if not condition:
        raise Refused(word)

def frame(kind, **fields):
    return SimpleNamespace(kind=kind, **fields)

def data(stream, payload, message_end=False, stream_end=False):
    return frame("DATA", stream=stream, payload=payload, message_end=message_end, stream_end=stream_end)

def integer(n):
    for tag, (bits, size) in enumerate([(6, 1), (14, 2), (30, 4), (62, 8)]):
        if n < 1 << bits:
            return (n | tag << bits).to_bytes(size, "big")
    raise ValueError(n)

def put(layout, values):
    """The fields of a layout as bytes; `get` reads them back."""
    return b"".join(put_field(kind, getattr(values, name)) for name, kind in (f.split(":") for f in layout.split()))

def put_field(kind, value):
    if kind in "is":
        return integer(value)
    if kind in "be":
        return bytes([value if kind == "b" else ENDS.index(value)])
    if kind in "op":
        return b"\0" if value is None else b"\1" + (integer(value) if kind == "o" else put(PREDECESSOR, value))
    if kind == "P":
        return b"".join(integer(value[name]) for name in DEFAULTS)
    if kind == "v":
        return bytes([VERDICTS.index(value[0])]) + (b"" if value[1] is None else integer(value[1]))
    return value if kind[0] == "=" else integer(len(value)) + value

class Reader:
    def __init__(self, buffer):
        self.buffer, self.at = buffer, 0

    def left(self):
        return len(self.buffer) - self.at

    def take(self, n):
        need(n <= self.left())
        self.at += n
        return self.buffer[self.at - n:self.at]

    def byte(self, below=256):
        need(self.left() and self.buffer[self.at] < below)
        return self.take(1)[0]

    def integer(self):
        need(self.left())
        raw = self.take(1 << (self.buffer[self.at] >> 6))
        n = int.from_bytes(raw, "big") & (1 << 8 * len(raw) - 2) - 1
        need(integer(n) == raw)  # the fewest bytes that hold it
        return n

    def get(self, layout):
        return SimpleNamespace(**{name: self.field(kind) for name, kind in (f.split(":") for f in layout.split())})

    def field(self, kind):
        if kind in "is":
            n = self.integer()
            need(n or kind == "i", "BadStream")
            return n
        if kind in "be":
            return self.byte() if kind == "b" else ENDS[self.byte(len(ENDS))]
        if kind in "op":
            return None if not self.byte(2) else self.integer() if kind == "o" else self.get(PREDECESSOR)
        if kind == "P":
            values = {name: self.integer() for name in DEFAULTS}
            need(all(n >= SMALLEST[name] for name, n in values.items()) and values["packet_limit"] <= 65_535)
            return values
        if kind == "v":
            code = self.byte(len(VERDICTS))
            return VERDICTS[code], self.integer() if code in (1, 2, 4, 5) else None
        if kind[0] == "=":
            return self.take(int(kind[1:]))
        size = self.integer()
        need(size <= int(kind))
        return self.take(size)

def encode(frames):
    """The frames of one packet, each as short as it can be."""
    out, same = [], None
    for f in frames:
        if f.kind == "DATA":
            again, last = f.stream == same, f is frames[-1]
            out.append(bytes([0x40 | f.message_end | f.stream_end << 1 | again << 2 | last << 3]))
            out += [b"" if again else integer(f.stream), b"" if last else integer(len(f.payload)), f.payload]
        else:
            number, layout = NUMBERS[f.kind]
            out += [bytes([number]), put(layout, f)]
        same = f.stream if f.kind in ("DATA", "OPEN") else same
    return b"".join(out)

def decode(plaintext):
    r, frames, same = Reader(plaintext), [], None
    while r.left() or not frames:
        number = r.byte()
        if 0x40 <= number < 0x50:
            need(same or not number & 4)
            stream = same if number & 4 else r.field("s")
            f = data(stream, r.take(r.left() if number & 8 else r.integer()), bool(number & 1), bool(number & 2))
        else:
            need(number in FRAMES, "UnknownFrame")
            f = frame(FRAMES[number][0], **vars(r.get(FRAMES[number][1])))
            need(f.kind != "OPEN" or 1_000 <= f.fragment_size <= 64_000)
            need(f.kind != "FINAL" or not (frames or r.left()), "Misplaced")
        same = f.stream if f.kind in ("DATA", "OPEN") else same
        frames.append(f)
    return frames

def charge(f):
    """What a sequenced frame counts against bounds and credit (section 6)."""
    return 64 + (len(f.payload) if f.kind == "DATA" else len(encode([f])))

def get_offer(payload):
    r = Reader(payload)
    offer = r.get(OFFER)
    try:
        need(offer.versions and offer.suites and not r.left() and offer.name.decode() is not None)
    except UnicodeDecodeError:
        need(False)
    return offer

def get_reject(packet):
    r = Reader(packet[1:])
    code = r.byte(len(REJECTS))
    need(code)
    after = r.integer() if code == 1 else None
    need(not r.left())
    return REJECTS[code], after
