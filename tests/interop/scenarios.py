"""The interoperability test: this peer against ours, in both roles. `run` builds what it needs and calls it."""
import argparse
import asyncio
import itertools
import json
import logging
import os
import random
import sys
import time
import traceback
from collections import Counter

import websockets

import carriers
import handshakes
import referee
import transcripts
import vectors
import wire
from referee import Client, Server

SECRET, WRONG = bytes(range(32)), bytes(32)
SCENARIOS = []

def scenario(name, **table):
    """Adds scenarios to the table: one for each choice among the values of what is given as a tuple."""
    def add(function):
        choices = [value if isinstance(value, tuple) else (value,) for value in table.values()]
        for chosen in itertools.product(*choices):
            values = dict(zip(table, chosen))
            SCENARIOS.append((name.format(**values), function, values))
        return function
    return add

async def perform(rng, function, ours="client", carrier="tcp", suite=1, theirs=None, cuts=0, session=True, peer={}, **rest):
    """Runs `function` with a pair of ends and, unless `session` is false, their session, which is closed behind it."""
    async with Pair(ours, carrier, suite or rng.randrange(1, 5), theirs, dict(peer)) as pair:
        pair.relay.budgets = [rng.choice([rng.randrange(1, n) for n in (600, 6_000, 200_000)]) for _ in range(cuts)]
        await pair.start()
        conversation = await pair.session() if session else None
        said = await function(pair, conversation, rng, **rest)
        if session and not conversation.ended:
            await close(pair, conversation)
        return said

# The two ends, and what stands between them

async def dial(carrier, port):
    if carrier == "tcp":
        return carriers.Tcp(*await asyncio.open_connection("127.0.0.1", port))
    return carriers.WebSocket(await websockets.connect(f"ws://127.0.0.1:{port}/", proxy=None, **carriers.WEBSOCKET))

async def listen(carrier, handle):
    """Calls `handle` with each connection; returns the server and its port."""
    start, wrap, options = ((asyncio.start_server, carriers.Tcp, {}) if carrier == "tcp" else
                            (websockets.serve, carriers.WebSocket, carriers.WEBSOCKET))
    server = await start(lambda *connection: handle(wrap(*connection)), "127.0.0.1", 0, **options)
    return server, next(iter(server.sockets)).getsockname()[1]

class Relay:
    """Cuts connections after as many bytes as it is told, or on demand, or stalls them."""
    def __init__(self):
        self.target, self.budgets, self.connections, self.cuts = None, [], [], 0

    async def start(self):
        self.server = await asyncio.start_server(self.handle, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]

    async def handle(self, reader, writer):
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            return writer.transport.abort()
        connection = dict(writers=[writer, far_writer], left=self.budgets.pop(0) if self.budgets else None, flows=asyncio.Event())
        connection["flows"].set()
        self.connections.append(connection)
        await asyncio.gather(self.copy(reader, far_writer, connection), self.copy(far_reader, writer, connection))

    async def copy(self, reader, writer, connection):
        try:
            while piece := await reader.read(4_096):
                await connection["flows"].wait()
                if connection["left"] is not None:
                    piece = piece[:connection["left"]]
                    connection["left"] -= len(piece)
                writer.write(piece)
                await writer.drain()
                if connection["left"] == 0:
                    await asyncio.sleep(0.002)  # the last byte gets through
                    self.cuts += 1
                    return self.cut(connection)
            writer.write_eof()
        except OSError:
            pass

    def cut(self, connection=None):
        for writer in (connection or self.connections[-1])["writers"]:
            writer.transport.abort()

class Rust:
    """The other end, as a process: commands in, JSON lines out."""
    def __init__(self, role, carrier, port, psk, suites):
        self.arguments = [role, carrier, str(port), psk.hex() if psk else "-", "".join(map(str, suites))]
        self.lines, self.news = [], asyncio.Event()

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(OPTIONS.rust, *self.arguments, stdin=-1, stdout=-1)
        self.task = asyncio.create_task(self.read())

    async def read(self):
        while line := await self.process.stdout.readline():
            self.lines.append(json.loads(line))
            self.news.set()
        self.lines.append({"gone": True})
        self.news.set()

    def tell(self, command):
        self.process.stdin.write(command.encode() + b"\n")

    async def hear(self, key):
        """Waits for a line about something, and takes it away."""
        while not (found := [line for line in self.lines if key in line]):
            assert "gone" not in str(self.lines), f"the other end went away: {self.lines[-3:]}"
            self.news.clear()
            await self.news.wait()
        self.lines.remove(found[0])
        return found[0]

    async def stop(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

class Pair:
    """One session between this peer in a role and the other end in the other, with a relay between them."""
    def __init__(self, ours, carrier, suite, theirs, options):
        self.ours, self.carrier, self.theirs, self.options = ours, carrier, theirs or [suite], options
        self.suites, self.psk = options.pop("suites", [suite]), SECRET if suite in handshakes.WITH_SECRET else None
        self.peer, self.rust, self.relay = None, None, Relay()

    async def start_rust(self, port=0):
        self.rust = Rust("server" if self.ours == "client" else "client", self.carrier, port, self.psk, self.theirs)
        await self.rust.start()

    async def start(self):
        hint, psk = b"interop" if self.psk else b"", self.options.pop("psk", self.psk)
        await self.relay.start()
        if self.ours == "client":
            await self.start_rust()
            self.relay.target = (await self.rust.hear("listening"))["listening"]
            self.peer = Client(lambda: dial(self.carrier, self.relay.port), self.suites, psk, hint, **self.options)
        else:
            self.peer = Server(self.suites, {hint: psk} if self.psk else None, **self.options)
            self.listener, self.relay.target = await listen(self.carrier, self.peer.handle)
            await self.start_rust(self.relay.port)

    async def __aenter__(self):
        return self

    async def __aexit__(self, kind, *_):
        if kind:
            print(f"        peer: {self.peer and self.peer.log[-5:]}; other end: {self.rust and self.rust.lines[-5:]}")
        if self.ours == "client" and self.peer:  # `wait_for` can lose a cancellation, and the client would dial for ever
            self.peer.session = wire.SimpleNamespace(ended="the scenario is over")
        if self.rust:
            await self.rust.stop()

    async def session(self):
        """The session, once both ends have it."""
        if self.ours == "server":
            session = await self.peer.arrivals.get()
        while self.ours == "client" and not (self.peer.session and self.peer.session.current):
            await asyncio.sleep(0.005)
        session = self.peer.session if self.ours == "client" else session
        await self.rust.hear("attached")
        session.answering = asyncio.create_task(answer_all(session))
        return session

    async def without_connection(self):
        """Holds the client back and cuts what it has."""
        await self.peer.gate.acquire()
        for connection in self.relay.connections:
            self.relay.cut(connection)
        await self.peer.session.until(lambda: not self.peer.session.current)

async def answer_all(session):
    while True:
        asyncio.create_task(answer(await session.arrivals.get()))

async def answer(stream):
    """Counts messages, or sends back what comes, which it reads on even while that has to wait."""
    stream.taken, parts = 0, asyncio.Queue()

    async def send():
        while part := await parts.get():
            await stream.send(*part)
        await stream.send(b"", message_end=False, stream_end=True)
    sending = asyncio.create_task(send())
    while part := await stream.chunk():
        stream.taken += part[1]
        if stream.label != b"sink":
            parts.put_nowait(part)
    parts.put_nowait(None)
    await sending

async def load_one(session, kind, number, count, size):
    """Sends messages no two of which are alike, or bytes, and gets exactly these back."""
    stream = await session.open(kind, fragment_size=random.choice([16_000, 64_000]))
    sent = [f"{number}:{i}:".encode() + bytes([i % 251]) * (i * 7_919 % size) for i in range(count)]

    async def say():
        for message in sent:
            await stream.send(message, message_end=kind == b"echo")
        await stream.send(b"", message_end=False, stream_end=True)
    saying, received = asyncio.create_task(say()), [b""]
    while part := await stream.chunk():
        received[-1] += part[0]
        received += [b""] if part[1] else []
    await saying
    assert received == (sent + [b""] if kind == b"echo" else [b"".join(sent)]), f"stream {stream.id}: changed ({session.ended})"

async def load(pair, session, streams=1, count=20, size=1_500):
    """Both ends send on several streams of their own at once, messages and bytes, and each gets back exactly what it sent."""
    for kind in ("echo", "bytes"):
        pair.rust.tell(f"load {kind} {streams} {count} {size}")
    await asyncio.gather(*(load_one(session, kind, i, count, size) for kind in (b"echo", b"bytes") for i in range(streams)))
    for _ in range(2 * streams):
        line = await pair.rust.hear("loaded")
        assert line["loaded"], line

async def close(pair, session):
    session.close(3, b"done")
    await session.until(lambda: False)
    assert session.ended == "Done" and session.peer_final == len(session.sent), (session.ended, session.reason)
    line = await pair.rust.hear("ended")
    assert line["ended"].startswith("Closed") and line["all_delivered"], line

async def swap(pair, session):
    """A swap, begun by the client or asked for by the server, that is planned unless an end is not ready for it."""
    before = session.attaches
    await session.until(session.settled)
    if pair.ours == "client":
        session.goaway = True  # as if the server had asked for it
        session.news()
    else:
        pair.rust.tell("migrate")
    await session.until(lambda: session.attaches > before)
    assert not session.ended, (session.ended, session.reason)

# Messages, bytes, and connections that come and go

ENDS, CARRIERS = ("client", "server"), ("tcp", "ws")

async def replay(rng):
    return f"{vectors.replay()}, {transcripts.replay()}"

@scenario("messages and bytes, Python {ours}, {carrier}, suite {suite}", ours=ENDS, carrier=CARRIERS, suite=(1, 2, 3, 4))
async def messages(pair, session, rng):
    await load(pair, session, 3, 300)
    await close(pair, session)
    return f"{len(session.sent)} frames forth, {session.expected} back"

@scenario("cuts at random bytes, Python {ours}, {carrier}", ours=ENDS, carrier=CARRIERS, suite=None, cuts=14)
async def cuts(pair, session, rng):
    while pair.relay.budgets:
        await load(pair, session, 2, 60, 3_000)
    await load(pair, session, 2, 60, 3_000)
    return f"{pair.relay.cuts} cuts, {session.attaches} attaches"

@scenario("planned swaps, Python {ours}, {carrier}", ours=ENDS, carrier=CARRIERS, suite=None)
async def swaps(pair, session, rng):
    while session.counts["planned"] < 4:
        loading = asyncio.create_task(load(pair, session, 3, 200, 4_000))
        for _ in range(3):
            await asyncio.sleep(rng.random() * 0.2)
            await swap(pair, session)
        await loading
    return f"{session.counts['planned']} planned of {session.attaches - 1}"

@scenario("the old connection dies while draining, Python {ours}, {carrier}", ours=ENDS, carrier=CARRIERS, suite=None)
async def resync(pair, session, rng):
    while not (session.counts["sent RESYNC"] and session.counts["RESYNC"]):
        loading = asyncio.create_task(load(pair, session, 3, 400, 4_000))
        await asyncio.sleep(rng.random() * 0.3)
        await session.until(session.settled)
        old = pair.relay.connections[-1]
        old["flows"].clear()
        pair.rust.tell("flood 10 1000")  # what is sent now waits in the relay, and is lost with the connection
        await asyncio.sleep(0.02 + rng.random() * 0.03)
        await swap(pair, session)
        await session.until(lambda: session.current and (not session.current.old or session.current.peer_n is not None))
        await asyncio.sleep(rng.random() * 0.02)
        pair.relay.cut(old)
        await loading
    return f"RESYNC sent {session.counts['sent RESYNC']}, read {session.counts['RESYNC']}"

# Ends

@scenario("close by the other end, behind what it sent, Python {ours}", ours=ENDS)
async def closed(pair, session, rng):
    pair.rust.tell("flood 500 2000")
    await pair.rust.hear("flooded")
    pair.rust.tell("close")
    await session.until(lambda: False)
    sink = next(s for s in session.streams.values() if s.label == b"sink")
    while sink.chunks:
        await asyncio.sleep(0.01)
    line = await pair.rust.hear("ended")
    assert session.ended == "Done" and (session.peer_close.code, session.peer_close.reason) == (5, b"enough"), session.ended
    assert line["all_delivered"] and sink.taken == 500, (line, sink.taken)

@scenario("close by Python in the middle of what the other end sends: both know the same, Python {ours}", ours=ENDS, suite=2)
async def closed_in_flow(pair, session, rng):
    pair.rust.tell("flood 100000 2000")
    await session.until(lambda: session.expected > 100 + rng.randrange(500))
    session.close(3, b"no more")
    await session.until(lambda: False)
    line = await pair.rust.hear("ended")
    sink = next(s for s in session.streams.values() if s.label == b"sink")
    told, taken = line["messages"], sink.taken + sum(message_end for _, message_end in sink.chunks)
    assert session.ended == "Done" and told["delivered"] == taken and not told["unknown"], (line, taken)
    return f"{told}, Python took {taken}"

@scenario("two closes that cross, Python {ours}", ours=ENDS, crossing=True)
@scenario("close across a cut, Python {ours}", ours=ENDS, suite=3, crossing=False)
async def close_in_stalled_connection(pair, session, rng, crossing):
    await load(pair, session)
    connection = pair.relay.connections[-1]
    connection["flows"].clear()
    if crossing:
        pair.rust.tell("close")
    session.close(3, b"done")
    await asyncio.sleep(0.1)
    if crossing:
        connection["flows"].set()
    else:
        pair.relay.cut(connection)
    await session.until(lambda: False)
    line = await pair.rust.hear("ended")
    assert session.ended == "Done" and bool(session.peer_close) == crossing, (session.ended, session.reason)
    assert line["ended"].startswith("Closed") and line["all_delivered"], line

# Streams, keys, liveness, limits

@scenario("STOP and RESET")
async def stop_and_reset(pair, session, rng):
    stopped, resetting = await session.open(b"stop"), await session.open(b"reset")
    for stream in (stopped, resetting):
        await stream.send(b"first")
    await pair.rust.hear("stopped")
    await session.until(lambda: stopped.out_over)  # our RESET answers its STOP
    assert await resetting.chunk() is None and resetting.in_over.code == 9, resetting.in_over
    echo = await session.open(b"echo")
    session.commit(wire.frame("STOP", stream=echo.id, code=4))
    await session.until(lambda: echo.in_over)
    assert echo.in_over.code == 4, "RESET has the code of STOP"
    await load(pair, session)

@scenario("REKEY, early and often", suite=None)
async def rekey(pair, session, rng):
    loading = asyncio.create_task(load(pair, session, 3, 300))
    while not loading.done():
        session.current.extra.append(wire.frame("REKEY"))
        session.news()
        await asyncio.sleep(0.01)
    await loading
    assert session.counts["sent REKEY"] > 3
    return f"{session.counts['sent REKEY']} of them"

@scenario("PING and PONG", peer=dict(parameters=wire.DEFAULTS | {"keepalive_interval": 200}))
async def ping(pair, session, rng):
    session.interval = 30  # this end leaves it to the other one, whose interval is 200 ms now, too
    await session.until(lambda: session.counts["sent PONG"] >= 2)
    session.current.extra.append(wire.frame("PING", id=77))
    session.news()
    await session.until(lambda: session.counts["PONG"])

@scenario("GOAWAY from Python is answered by a planned swap", ours="server")
@scenario("GOAWAY from the other end is answered by a planned swap", ours="client")
async def goaway(pair, session, rng):
    await load(pair, session)
    if pair.ours == "server":
        session.current.extra.append(wire.frame("GOAWAY", within=5_000, alternate=b""))
        session.news()
    else:
        pair.rust.tell("migrate")
    await session.until(lambda: session.attaches == 2)
    assert session.counts["planned"] == 1

LITTLE = dict(stream_window=2_000, session_window=5_000, max_streams=2, packet_limit=1_200, outbox_limit=4_000,
              inbox_limit=65_536, keepalive_interval=1_000, detached_lifetime=10_000)

@scenario("small limits, Python {ours}", ours=ENDS, peer=dict(parameters=LITTLE))
async def small_limits(pair, session, rng):
    await load(pair, session, 3, 30, 6_000)

@scenario("frames that Python sends in parts, {cuts} cuts, Python {ours}", ours=ENDS, cuts=(0, 4))
async def parts_sent(pair, session, rng):
    session.longest_part = 700
    await load(pair, session, 2, 10, 40_000)
    assert session.counts["sent PART"] > 100

@scenario("small fragments are obeyed by the other end")
async def small_fragments(pair, session, rng):
    stream, back = await session.open(b"echo", fragment_size=1_000), b""
    await stream.send(bytes(30_000))
    while not (part := await stream.chunk())[1]:
        back += part[0]
    assert back + part[0] == bytes(30_000)

@scenario("REKEY at the limit of a key", suite=None, long=True)
async def key_limit(pair, session, rng):
    link = session.current
    while link.tx.n < handshakes.KEY_LIMIT + 1_000:
        for _ in range(50):
            link.extra.append(wire.frame("PING", id=1))
            await link.carrier.send(link.seal(session.pack(link)))
        await asyncio.sleep(0)
    assert link.tx_rekeyed == handshakes.KEY_LIMIT, link.tx_rekeyed
    await load(pair, session)
    return f"{link.tx.n} packets forth, {link.rx.n} back"

# Refusals and verdicts

@scenario("refused: a wrong secret, Python client", session=False, peer=dict(psk=WRONG), word="IncompleteReadError")
@scenario("refused: a suite that is not accepted, Python client", session=False, peer=dict(suites=[2]), word="SuiteUnsupported")
@scenario("refused: no secret where secrets are demanded, Python client", session=False, peer=dict(suites=[3], psk=None),
          word="SuiteUnsupported")
@scenario("refused: an unknown version, Python client", session=False, peer=dict(version=2), word="VersionUnsupported")
async def refused(pair, _, rng, word):
    while len([line for line in pair.peer.log if word in line]) < 2:
        await asyncio.sleep(0.01)
    assert not pair.peer.session

@scenario("refused: a wrong secret, Python server", ours="server", session=False, peer=dict(psk=WRONG), word="InvalidTag")
@scenario("refused: an unknown version, Python server", ours="server", session=False, peer=dict(version=2), word=None)
@scenario("refused: a suite that is not accepted, Python server", ours="server", session=False, peer=dict(suites=[2]), word=None)
async def refused_by_us(pair, _, rng, word):
    while len(pair.relay.connections) < 4:
        await asyncio.sleep(0.01)
    assert pair.peer.arrivals.empty() and (not word or word in pair.peer.log[0]), pair.peer.log
    return str([line["attempt"] for line in pair.rust.lines if "attempt" in line][:2])

@scenario("REJECT Retry, Python server", ours="server", peer=dict(busy=2))
async def retry_by_us(pair, session, rng):
    assert pair.peer.busy == 0

@scenario("REJECT Retry: too many HELLOs, Python client")
async def retry(pair, session, rng):
    heard = []
    while "Retry" not in heard:
        assert len(heard) < 500, heard
        carrier = await dial("tcp", pair.relay.target)
        await carrier.send(bytes([1, 1, 1, 0]) + handshakes.Handshake(1, True, bytes([1, 1, 1, 0]), WRONG).write(b""))
        packet = await carrier.receive()
        heard.append(wire.get_all("REJECT", packet[1:]).code if packet[0] == 6 else "CHALLENGE")
        carrier.close()
    return f"after {len(heard)}"

@scenario("a suite refused, the next one taken, Python client", ours="client", peer=dict(suites=[2, 1]))
@scenario("a suite refused, the next one taken, Python server", ours="server", theirs=[2, 1])
async def second_suite(pair, session, rng):
    assert session.suite == 1
    await load(pair, session)

@scenario("verdict Unknown: the server started afresh, Python client", ended="Unknown")
@scenario("verdict Expired: the server's session ended meanwhile, Python client", ended="Expired")
async def ended_meanwhile(pair, session, rng, ended):
    await load(pair, session)
    await pair.without_connection()
    if ended == "Unknown":
        await pair.rust.stop()
        await pair.start_rust(pair.relay.target)
        await pair.rust.hear("listening")
    else:
        pair.rust.tell("abort")
        await pair.rust.hear("ended")
    pair.peer.gate.release()
    await session.until(lambda: False)
    assert session.ended == ended and pair.peer.log.count("ConnectionError: Refused") == 2, (session.ended, pair.peer.log)
    assert ended == "Unknown" or session.acked <= session.peer_final == len(session.sent), (session.acked, session.peer_final)

@scenario("verdict Resumed, Python client", verdict="Resumed", carrier="ws", suite=3)
@scenario("verdict Superseded: a wrong MAC, Python client", verdict="Superseded", carrier="ws", suite=3)
async def by_predecessor(pair, session, rng, verdict):
    loading = asyncio.create_task(load(pair, session, 2, 100))
    await asyncio.sleep(0.1)
    await pair.without_connection()
    session.secret = session.secret if verdict == "Resumed" else WRONG
    pair.peer.refusals = 2  # so that it asks under seal
    pair.peer.gate.release()
    await session.until(lambda: pair.peer.refusals == 0)
    assert pair.peer.asked == 1 and (session.ended or "Resumed") == verdict, (pair.peer.asked, session.ended)
    if verdict == "Resumed":
        await loading
        pair.relay.cut()  # and RESUME works again
        await load(pair, session, 2, 100)
        assert "ConnectionError: Refused" not in pair.peer.log, pair.peer.log
    else:
        loading.cancel()
        assert session.ended == verdict

@scenario("verdict Resumed, Python server", ours="server", verdict="Resumed")
@scenario("verdict Unknown, Python server", ours="server", verdict="Unknown")
@scenario("verdict Expired, Python server", ours="server", verdict="Expired")
async def verdicts_by_us(pair, session, rng, verdict):
    loading = asyncio.create_task(load(pair, session, 2, 100))
    await (asyncio.sleep(0.1) if verdict == "Resumed" else loading)
    pair.peer.refuse_resumes = 2
    if verdict == "Unknown":
        pair.peer.sessions.clear()
    if verdict == "Expired":
        session.end("Aborted")
    pair.relay.cut()
    if verdict == "Resumed":
        await loading
        pair.relay.cut()
        await load(pair, session, 2, 100)
        assert pair.peer.refuse_resumes == 0
    else:
        session.end("Aborted")
        line = await pair.rust.hear("ended")
        assert line["ended"] == verdict and (verdict == "Unknown" or line["all_delivered"]), line

# Breaches: what the other end must answer with END ProtocolError (or StateLost).

OPEN = wire.frame("OPEN", stream=1, priority=0, fragment_size=1_000, label=b"")
FINAL = wire.frame("FINAL", parameters=wire.SimpleNamespace(**wire.DEFAULTS), incarnation=bytes(8), verdict="none", position=None)
BREACHES = {
    "nothing wrong": [OPEN],
    "an unknown frame": b"\x06",
    "a packet without a frame": b"",
    "ACK beyond what was committed": [wire.frame("ACK", position=10**6)],
    "FINAL again": [FINAL],
    "DATA on a stream that was not opened": [wire.data(1, b"x")],
    "OPEN with the wrong parity": [wire.frame("OPEN", stream=2, priority=0, fragment_size=1_000, label=b"")],
    "OPEN twice": [OPEN, OPEN],
    "DATA behind the end of its stream": [OPEN, wire.data(1, b"x", stream_end=True), wire.data(1, b"x")],
    "a fragment longer than OPEN said": [OPEN, wire.data(1, bytes(1_001))],
    "a part that is not the next one": [OPEN, wire.data(1, b"x", total=3, offset=0), wire.data(1, b"x", total=3, offset=2)],
    "something between two parts": [OPEN, wire.data(1, b"x", total=3, offset=0), wire.data(1, b"x")],
    "a part beyond its frame": [OPEN, wire.data(1, b"xx", total=3, offset=2)],
    "credit taken back": [wire.frame("CREDIT", stream=0, limit=10)],
    "a frame behind CLOSE": [wire.frame("CLOSE", code=0, reason=b"", position=0), OPEN],
    "RESYNC after a swap that was not planned": [wire.frame("RESYNC", position=0)],
    "CLOSED without CLOSE": [wire.frame("CLOSED", position=0)],
    "FROM above what was expected": [wire.frame("FROM", position=5)],
    "CLOSE beyond what was committed": [wire.frame("CLOSE", code=0, reason=b"", position=10**6)],
}

@scenario("breaches of the protocol end the session", session=False)
async def breaches(pair, _, rng):
    wrong = []
    for name, frames in BREACHES.items():
        session = await pair.session()
        await session.until(lambda: session.current.got_ack)
        hear = session.hear
        session.hear = lambda link, f: f.kind == "CLOSED" or hear(link, f)  # which would end it
        for f in frames if isinstance(frames, list) else []:
            if f.kind in wire.SEQUENCED:
                session.sent.append(f)
                session.current.cursor = session.current.said = len(session.sent)
        plaintext = frames if isinstance(frames, bytes) else wire.encode(frames)
        await session.current.carrier.send(b"\7" + session.current.tx.encrypt_with_ad(b"", plaintext))
        try:
            await asyncio.wait_for(session.until(lambda: False), 0.5 if name == "nothing wrong" else 5)
        except asyncio.TimeoutError:
            session.end("no END")
        expected = {"nothing wrong": "no END", "FROM above what was expected": "StateLost",
                    "CLOSE beyond what was committed": "StateLost"}.get(name, "ProtocolError")
        if session.ended != expected or ("END" in session.counts) != (expected != "no END"):
            wrong.append(f"{name}: {session.ended}, {session.reason}")
        await pair.peer.keep
        pair.peer.session = None
        pair.peer.keep = asyncio.create_task(pair.peer.run())
    assert not wrong, wrong

async def run_one(scenario, limit):
    try:
        return await asyncio.wait_for(scenario, limit)
    finally:  # what is still open is let go of without a word
        asyncio.get_running_loop().set_exception_handler(lambda *_: None)

def run_all():
    """Runs what is asked for, each scenario in an event loop of its own; says whether all is well."""
    well, count = True, 0
    for name, function, values in [("vectors", None, {}), *SCENARIOS]:
        long = values.pop("long", False)
        if OPTIONS.only and not any(word in name for word in OPTIONS.only) or long and not (OPTIONS.only or OPTIONS.all):
            continue
        count += 1
        referee.BREACHES = None if OPTIONS.alone else []
        rng, started = random.Random(f"{OPTIONS.seed} {name}"), time.monotonic()
        random.seed(rng.random())
        try:
            running = perform(rng, function, **values) if function else replay(rng)
            said = asyncio.run(run_one(running, OPTIONS.limit * (20 if long else 1)))
            assert not referee.BREACHES, f"the other end broke {Counter(referee.BREACHES)}"
            print(f"ok      {name} ({time.monotonic() - started:.1f} s{'; ' + said if said else ''})", flush=True)
        except (Exception, asyncio.CancelledError) as e:
            well, why = False, f"not done after {OPTIONS.limit} s" if isinstance(e, asyncio.TimeoutError) else repr(e)
            if referee.BREACHES and "broke" not in why:
                why += f"; the other end broke {Counter(referee.BREACHES)}"
            print(f"FAILED  {name}: {why}\n        again: tests/interop/run --seed {OPTIONS.seed} '{name}'", flush=True)
            if not isinstance(e, (AssertionError, asyncio.TimeoutError)):
                traceback.print_exc()
    if not count:
        print(f"FAILED  no scenario has {' or '.join(OPTIONS.only)} in its name")
    return well and count > 0

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of the names of the scenarios to run; none: all")
    parser.add_argument("--rust", required=True, help="the other end's program")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--limit", type=float, default=30, help="seconds that a scenario may take")
    parser.add_argument("--all", action="store_true", help="the long ones, too (minutes)")
    parser.add_argument("--alone", action="store_true", help="without the referee: the peer alone judges the other end")
    OPTIONS = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what a library says of connections that are cut
    print(f"seed {OPTIONS.seed}")
    sys.exit(0 if run_all() else 1)
