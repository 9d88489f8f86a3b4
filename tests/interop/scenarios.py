"""The interoperability test: this peer against ours, in both roles. `run` builds what it needs and calls it."""
import argparse
import asyncio
import json
import logging
import os
import random
import sys
import time
import traceback

import carriers
import noise
import transcripts
import vectors
import wire
from ends import FAILURES, Client, Rejected, Server

SECRET, WRONG = bytes(range(32)), bytes(32)
SCENARIOS = []

def scenario(name, **parameters):
    def add(function):
        SCENARIOS.append((name, function, parameters))
        return function
    return add

class Relay:
    """Stands between the two ends: cuts connections after as many bytes as it is told, or on demand, or stalls them."""
    def __init__(self, target, budgets=()):
        self.target, self.budgets, self.connections, self.cuts = target, list(budgets), [], 0

    async def start(self):
        server = await asyncio.start_server(carriers.detached(self.handle), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return self

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

    def cut(self, connection):
        for writer in connection["writers"]:
            writer.transport.abort()

class Rust:
    """The other end, as a process: commands in, JSON lines out."""
    def __init__(self, role, carrier, port, psk, suites):
        secret = psk.hex() if psk else "-"
        self.arguments = [role, carrier, str(port), secret, "".join(map(str, suites))]
        self.lines, self.news = [], asyncio.Event()

    async def start(self):
        self.process = await asyncio.create_subprocess_exec(OPTIONS.rust, *self.arguments, stdin=-1, stdout=-1)
        self.task = asyncio.create_task(self.read())
        return self

    async def read(self):
        while line := await self.process.stdout.readline():
            self.lines.append(json.loads(line))
            self.news.set()
        self.lines.append({"gone": True})
        self.news.set()

    def tell(self, command):
        self.process.stdin.write(command.encode() + b"\n")

    async def hear(self, key, count=1):
        """Waits for `count` lines about something, and takes them away."""
        while len(found := [line for line in self.lines if key in line]) < count:
            assert "gone" not in str(self.lines), f"the other end went away: {self.lines[-3:]}"
            self.news.clear()
            await self.news.wait()
        for line in found[:count]:
            self.lines.remove(line)
        return found[count - 1]

    async def stop(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()

class Pair:
    """One session between this peer in a role and the other end in the other, with a relay between them."""
    def __init__(self, ours, carrier, suite, budgets=(), theirs=None, psk=SECRET, **options):
        self.ours, self.carrier, self.suite, self.options = ours, carrier, suite, options
        self.theirs, self.budgets = theirs or [suite], budgets
        self.psk = psk if suite in noise.WITH_SECRET else None
        self.peer = self.rust = None

    async def start_rust(self, port=0):
        self.rust = await Rust("server" if self.ours == "client" else "client", self.carrier, port, self.psk, self.theirs).start()

    async def __aenter__(self):
        hint, suites = b"interop" if self.psk else b"", self.options.pop("suites", [self.suite])
        if self.ours == "client":
            await self.start_rust()
            self.port = (await self.rust.hear("listening"))["listening"]
            self.relay = await Relay(self.port, self.budgets).start()
            psk = self.options.pop("our_psk", self.psk)
            self.peer = Client(lambda: carriers.dial(self.carrier, self.relay.port), suites, psk, hint, **self.options)
        else:
            self.peer = Server(suites, {hint: self.options.pop("our_psk", self.psk)} if self.psk else None, **self.options)
            self.listener, self.port = await carriers.listen(self.carrier, self.peer.handle)
            self.relay = await Relay(self.port, self.budgets).start()
            await self.start_rust(self.relay.port)
        return self

    async def __aexit__(self, kind, *_):
        if kind:
            print(f"        peer: {self.peer and self.peer.log[-5:]}; other end: {self.rust and self.rust.lines[-5:]}")
        await self.rust.stop()

    async def session(self):
        """The session, once both ends have it."""
        if self.ours == "server":
            session = await self.peer.arrivals.get()
        while self.ours == "client" and not (self.peer.session and self.peer.session.current):
            await asyncio.sleep(0.005)
        session = self.peer.session if self.ours == "client" else session
        await self.rust.hear("attached")
        asyncio.create_task(answer_all(session))
        return session

async def answer_all(session):
    while stream := await session.accept():
        asyncio.create_task(answer(stream))

async def answer(stream):
    stream.taken = 0
    while part := await stream.chunk():
        if stream.label == b"sink":
            stream.taken += part[1]
        else:
            await stream.send(*part)
    await stream.send(b"", message_end=False, stream_end=True)

def message(stream, number, size):
    head = f"{stream}:{number}:".encode()
    return head + bytes([number % 251]) * (number * 7_919 % size)

async def load_one(session, kind, number, count, size):
    stream = await session.open(kind, fragment_size=random.choice([16_000, 64_000]))
    sent = [message(number, i, size) for i in range(count)]

    async def say():
        for m in sent:
            await stream.send(m, message_end=kind == b"echo")
        await stream.send(b"", message_end=False, stream_end=True)
    saying = asyncio.create_task(say())
    if kind == b"echo":
        for i, m in enumerate(sent):
            assert await stream.receive() == m, f"message {i} of stream {stream.id} came back changed ({session.ended})"
        assert await stream.receive() is None, "a message too many"
    else:
        received = []
        while part := await stream.chunk():
            received.append(part[0])
        assert b"".join(received) == b"".join(sent), "bytes came back changed"
    await saying

async def load(pair, session, streams=3, count=300, size=1_500, kinds=(b"echo", b"bytes")):
    """Both ends send on several streams of their own at once, and each gets back exactly what it sent."""
    for kind in kinds:
        pair.rust.tell(f"load {'echo' if kind == b'echo' else 'bytes'} {streams} {count} {size}")
    await asyncio.gather(*(load_one(session, kind, i, count, size) for kind in kinds for i in range(streams)))
    for _ in range(len(kinds) * streams):
        line = await pair.rust.hear("loaded")
        assert line["loaded"], line

async def close(pair, session):
    session.close(3, b"done")
    await session.until(lambda: False)
    assert session.ended.code == "Done" and session.peer_final == session.committed, f"{session.ended} {session.peer_final}"
    line = await pair.rust.hear("ended")
    assert line["ended"].startswith("Closed") and line["all_delivered"], line

BOTH = [(ours, carrier) for ours in ("client", "server") for carrier in ("tcp", "ws")]

@scenario("vectors")
async def replay(rng):
    return f"{vectors.replay()}, {transcripts.replay()}"

async def messages(rng, ours, carrier, suite):
    async with Pair(ours, carrier, suite) as pair:
        session = await pair.session()
        await load(pair, session)
        await close(pair, session)
        return f"{session.committed} frames forth, {session.expected} back"

for OURS, CARRIER in BOTH:
    for SUITE in (1, 2, 3, 4):
        scenario(f"messages and bytes, Python {OURS}, {CARRIER}, suite {SUITE}", ours=OURS, carrier=CARRIER, suite=SUITE)(messages)

async def cuts(rng, ours, carrier):
    budgets = [rng.choice([rng.randrange(1, 600), rng.randrange(1, 6_000), rng.randrange(1, 200_000)]) for _ in range(14)]
    async with Pair(ours, carrier, rng.randrange(1, 5), budgets) as pair:
        session = await pair.session()
        while pair.relay.budgets:
            await load(pair, session, 2, 60, 3_000)
        await load(pair, session, 2, 60, 3_000)
        await close(pair, session)
        return f"{pair.relay.cuts} cuts, {session.counts.get('dead', 0)} attaches"

async def swap(pair, session):
    """A swap, begun by the client or asked for by the server, that is planned unless an end is not ready for it."""
    def attaches():
        return session.counts.get("planned", 0) + session.counts["dead"]
    before = attaches()
    await session.until(session.settled)
    if pair.ours == "client":
        await pair.peer.swap()
    else:
        pair.rust.tell("migrate")
    await session.until(lambda: attaches() > before)
    assert not session.ended, session.ended

async def swaps(rng, ours, carrier):
    async with Pair(ours, carrier, rng.randrange(1, 5)) as pair:
        session = await pair.session()
        while session.counts.get("planned", 0) < 4:
            loading = asyncio.create_task(load(pair, session, 3, 200, 4_000))
            for _ in range(3):
                await asyncio.sleep(rng.random() * 0.2)
                await swap(pair, session)
            await loading
        await close(pair, session)
        return f"{session.counts['planned']} planned, {session.counts['dead'] - 1} not"

async def resync(rng, ours, carrier):
    async with Pair(ours, carrier, rng.randrange(1, 5)) as pair:
        session = await pair.session()
        while not (session.counts.get("sent RESYNC") and session.counts.get("RESYNC")):
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
        await close(pair, session)
        return f"RESYNC sent {session.counts['sent RESYNC']}, read {session.counts['RESYNC']}"

for OURS, CARRIER in BOTH:
    for NAME, FUNCTION in (("cuts at random bytes", cuts), ("planned swaps", swaps), ("the old connection dies while draining", resync)):
        scenario(f"{NAME}, Python {OURS}, {CARRIER}", ours=OURS, carrier=CARRIER)(FUNCTION)

# Ends

@scenario("close by the other end, behind what it sent, Python client", ours="client")
@scenario("close by the other end, behind what it sent, Python server", ours="server")
async def closed(rng, ours):
    async with Pair(ours, "tcp", 1) as pair:
        session = await pair.session()
        pair.rust.tell("flood 500 2000")
        await pair.rust.hear("flooded")
        pair.rust.tell("close")
        await session.until(lambda: False)
        sink = next(s for s in session.streams.values() if s.label == b"sink")
        while sink.chunks:
            await asyncio.sleep(0.01)
        line = await pair.rust.hear("ended")
        assert session.ended.code == "Done" and (session.peer_close.code, session.peer_close.reason) == (5, b"enough"), session.ended
        assert line["all_delivered"] and sink.taken == 500, (line, sink.taken)

@scenario("close by Python in the middle of what the other end sends: both know the same, Python client", ours="client")
@scenario("close by Python in the middle of what the other end sends: both know the same, Python server", ours="server")
async def closed_in_flow(rng, ours):
    async with Pair(ours, "tcp", 2) as pair:
        session = await pair.session()
        pair.rust.tell("flood 100000 2000")
        await session.until(lambda: session.expected > 100 + rng.randrange(500))
        session.close(3, b"no more", in_front=True)
        await session.until(lambda: False)
        line = await pair.rust.hear("ended")
        sink = next(s for s in session.streams.values() if s.label == b"sink")
        taken = sink.taken + sum(chunk[1] for chunk in sink.chunks)
        assert session.ended.code == "Done" and line["messages"]["delivered"] == taken and not line["messages"]["unknown"], (line, taken)
        return f"{line['messages']}, Python took {taken}"

@scenario("two closes that cross, Python client", ours="client")
@scenario("two closes that cross, Python server", ours="server")
async def crossing(rng, ours):
    async with Pair(ours, "tcp", 1) as pair:
        session = await pair.session()
        await load(pair, session, 1, 20)
        pair.relay.connections[-1]["flows"].clear()
        pair.rust.tell("close")
        session.close(3, b"done")
        await asyncio.sleep(0.1)
        pair.relay.connections[-1]["flows"].set()
        await session.until(lambda: False)
        line = await pair.rust.hear("ended")
        assert session.close_sent and session.peer_close and session.ended.code == "Done", session.ended
        assert line["ended"].startswith("Closed") and line["all_delivered"], line

@scenario("close across a cut, Python client", ours="client")
@scenario("close across a cut, Python server", ours="server")
async def close_cut(rng, ours):
    async with Pair(ours, "tcp", 3) as pair:
        session = await pair.session()
        await load(pair, session, 1, 20)
        pair.relay.connections[-1]["flows"].clear()
        session.close(3, b"done")
        await asyncio.sleep(0.05)
        pair.relay.cut(pair.relay.connections[-1])
        await session.until(lambda: False)
        line = await pair.rust.hear("ended")
        assert session.ended.code == "Done" and line["all_delivered"], (session.ended, line)

# Streams, keys, liveness

@scenario("STOP and RESET")
async def stop_and_reset(rng):
    async with Pair("client", "tcp", 1) as pair:
        session = await pair.session()
        stopped, resetting = await session.open(b"stop"), await session.open(b"reset")
        for stream in (stopped, resetting):
            await stream.send(b"first")
        await pair.rust.hear("stopped")
        await session.until(lambda: stopped.out_over)  # our RESET answers its STOP
        assert await resetting.receive() is None and resetting.reset_code == 9, resetting.reset_code
        echo = await session.open(b"echo")
        echo.stop(4)
        await session.until(lambda: echo.in_over)
        assert echo.reset_code == 4, "RESET has the code of STOP"
        await load(pair, session, 1, 20)
        await close(pair, session)

@scenario("REKEY, early and often")
async def rekey(rng):
    async with Pair("client", "tcp", rng.randrange(1, 5)) as pair:
        session = await pair.session()
        loading = asyncio.create_task(load(pair, session))
        while not loading.done():
            session.current.rekey = True
            await asyncio.sleep(0.01)
        await loading
        await close(pair, session)
        assert session.counts["sent REKEY"] > 3
        return f"{session.counts['sent REKEY']} of them"

@scenario("PING and PONG")
async def ping(rng):
    async with Pair("client", "tcp", 1, parameters=wire.DEFAULTS | {"keepalive_interval": 200}) as pair:
        session = await pair.session()
        session.current.pinged = float("inf")  # this end leaves it to the other one, whose interval is 200 ms now, too
        await session.until(lambda: session.counts.get("sent PONG", 0) >= 2)
        session.current.extra.append(wire.frame("PING", id=77))
        session.wake()
        await session.until(lambda: session.counts.get("PONG"))
        await close(pair, session)

@scenario("GOAWAY from Python is answered by a planned swap")
async def goaway_ours(rng):
    async with Pair("server", "tcp", 1) as pair:
        session = await pair.session()
        await load(pair, session, 1, 20)
        session.current.extra.append(wire.frame("GOAWAY", within=5_000, alternate=b""))
        session.wake()
        await session.until(lambda: session.counts.get("planned"))
        await close(pair, session)

@scenario("GOAWAY from the other end is answered by a planned swap")
async def goaway_theirs(rng):
    async with Pair("client", "tcp", 1) as pair:
        session = await pair.session()
        await load(pair, session, 1, 20)
        pair.rust.tell("migrate")
        await session.until(lambda: session.goaway)
        await swap(pair, session)
        assert session.counts.get("planned") == 1
        await close(pair, session)

LITTLE = dict(stream_window=2_000, session_window=5_000, max_streams=2, packet_limit=4_096, outbox_limit=4_000, inbox_limit=65_536,
              keepalive_interval=1_000, detached_lifetime=10_000)

@scenario("small limits, Python client", ours="client")
@scenario("small limits, Python server", ours="server")
async def small_limits(rng, ours):
    async with Pair(ours, "tcp", 1, parameters=LITTLE) as pair:
        session = await pair.session()
        await load(pair, session, 3, 30, 6_000)
        await close(pair, session)

@scenario("small fragments are obeyed by the other end")
async def small_fragments(rng):
    async with Pair("client", "tcp", 1) as pair:
        session = await pair.session()
        stream = await session.open(b"echo", fragment_size=1_000)
        await stream.send(bytes(30_000))
        assert await stream.receive() == bytes(30_000), session.ended
        await close(pair, session)

@scenario("REKEY at the limit of a key", long=True)
async def key_limit(rng):
    async with Pair("client", "tcp", rng.randrange(1, 5)) as pair:
        session = await pair.session()
        link = session.current
        while link.tx.nonce < noise.KEY_LIMIT + 1_000:
            for _ in range(50):
                link.extra.append(wire.frame("PING", id=1))
                await link.carrier.send(session.pack(link))
            await asyncio.sleep(0)
        assert session.counts["sent REKEY"] == 1, session.counts
        await load(pair, session, 1, 20)
        await close(pair, session)
        return f"{link.tx.nonce} packets forth, {link.rx.nonce} back"

# Refusals and verdicts

async def refused(pair, word):
    """The client, which tries again and again, hears `word` at least twice, and gets no session."""
    log = pair.peer.log
    while len([line for line in log if word in line]) < 2:
        await asyncio.sleep(0.01)
    assert not pair.peer.session

@scenario("refused: a wrong secret, Python client", word="IncompleteReadError", our_psk=WRONG)
@scenario("refused: a suite that is not accepted, Python client", word="SuiteUnsupported", suites=[2])
@scenario("refused: no secret where secrets are demanded, Python client", word="SuiteUnsupported", suites=[3], our_psk=None)
async def refusals(rng, word, **options):
    async with Pair("client", "tcp", 1, **options) as pair:
        await refused(pair, word)

@scenario("refused: an unknown version, Python client")
async def version_refused(rng):
    async with Pair("client", "tcp", 1) as pair:
        session = await pair.session()
        pair.peer.version = 2
        try:
            await pair.peer.full(None)
        except Rejected as e:
            assert str(e) == "VersionUnsupported", e
            return await close(pair, session)
        raise AssertionError("version 2 was taken")

@scenario("refused: a wrong secret, Python server", our_psk=WRONG, reason="InvalidTag")
@scenario("refused: an unknown version, Python server", version=2, reason=None)
@scenario("refused: a suite that is not accepted, Python server", suites=[2], reason=None)
async def refusals_ours(rng, reason, **options):
    async with Pair("server", "tcp", 1, **options) as pair:
        while len(pair.relay.connections) < 4:
            await asyncio.sleep(0.01)
        assert pair.peer.arrivals.empty() and (not reason or reason in pair.peer.log[0]), pair.peer.log
        return str([line["attempt"] for line in pair.rust.lines if "attempt" in line][:2])

@scenario("REJECT Retry, Python server")
async def retry_ours(rng):
    async with Pair("server", "tcp", 1, busy=2) as pair:
        await close(pair, await pair.session())
        assert pair.peer.busy == 0

@scenario("REJECT Retry: too many HELLOs, Python client")
async def retry_theirs(rng):
    async with Pair("client", "tcp", 1) as pair:
        session, heard = await pair.session(), []
        while "Retry" not in heard:
            assert len(heard) < 500, heard
            carrier = await carriers.dial("tcp", pair.port)
            await carrier.send(bytes([1, 1, 1, 0]) + noise.Handshake(1, True, bytes([1, 1, 1, 0]), WRONG).write(b""))
            packet = await carrier.receive()
            heard.append(wire.get_reject(packet)[0] if packet[0] == 6 else "CHALLENGE")
            carrier.abort()
        await close(pair, session)
        return f"after {len(heard)}"

@scenario("a suite refused, the next one taken, Python client", ours="client", suites=[2, 1])
@scenario("a suite refused, the next one taken, Python server", ours="server", theirs=[2, 1])
async def second_suite(rng, ours, **options):
    async with Pair(ours, "tcp", 1, **options) as pair:
        session = await pair.session()
        assert session.suite == 1
        await load(pair, session, 1, 20)
        await close(pair, session)

async def without_connection(pair):
    """Holds the client back and cuts what it has."""
    pair.peer.held.clear()
    for connection in pair.relay.connections:
        pair.relay.cut(connection)
    await pair.peer.session.until(lambda: not pair.peer.session.current)

@scenario("verdict Unknown: the server started afresh, Python client")
async def unknown(rng):
    async with Pair("client", "tcp", 1) as pair:
        old = await pair.session()
        await load(pair, old, 1, 20)
        await without_connection(pair)
        await pair.rust.stop()
        await pair.start_rust(pair.port)
        await pair.rust.hear("listening")
        pair.peer.held.set()
        await old.until(lambda: False)
        assert old.ended.code == "Unknown" and pair.peer.log.count("Rejected: Refused") == 2, (old.ended, pair.peer.log)

@scenario("verdict Expired: the server's session ended meanwhile, Python client")
async def expired(rng):
    async with Pair("client", "tcp", 1) as pair:
        old = await pair.session()
        await load(pair, old, 1, 20)
        await without_connection(pair)
        pair.rust.tell("abort")
        await pair.rust.hear("ended")
        pair.peer.held.set()
        await old.until(lambda: False)
        assert old.ended.code == "Expired" and old.acked <= old.peer_final == old.committed, (old.ended, old.peer_final, old.acked)

@scenario("verdict Resumed, Python client", flip=False, verdict="Resumed")
@scenario("verdict Superseded: a wrong MAC, Python client", flip=True, verdict="Superseded")
async def by_predecessor(rng, flip, verdict):
    async with Pair("client", "ws", 3) as pair:
        old = await pair.session()
        loading = asyncio.create_task(load(pair, old, 2, 100))
        await asyncio.sleep(0.1)
        await without_connection(pair)
        old.secret = WRONG if flip else old.secret
        pair.peer.refusals = 2  # so that it asks under seal
        pair.peer.held.set()
        await old.until(lambda: pair.peer.refusals == 0)
        assert pair.peer.verdict[0] == verdict, pair.peer.verdict
        if flip:
            loading.cancel()
            return "the old session is over"
        await loading
        pair.relay.cut(pair.relay.connections[-1])  # and RESUME works again
        await load(pair, old, 2, 100)
        await close(pair, old)
        assert pair.peer.log.count("Rejected: Refused") == 0, pair.peer.log

@scenario("verdict Resumed, Python server", forget=False)
@scenario("verdict Unknown, Python server", forget=True)
async def verdicts_ours(rng, forget):
    async with Pair("server", "tcp", 1) as pair:
        old = await pair.session()
        loading = asyncio.create_task(load(pair, old, 2, 100))
        await asyncio.sleep(0.1)
        pair.peer.refuse_resumes = 2
        if forget:
            await loading
            pair.peer.sessions.clear()
        pair.relay.cut(pair.relay.connections[-1])
        if forget:
            line = await pair.rust.hear("ended")
            assert line["ended"] == "Unknown", line
        else:
            await loading
            pair.relay.cut(pair.relay.connections[-1])
            await load(pair, old, 2, 100)
            await close(pair, old)
            assert pair.peer.refuse_resumes == 0

@scenario("verdict Expired, Python server")
async def expired_ours(rng):
    async with Pair("server", "tcp", 1) as pair:
        old = await pair.session()
        await load(pair, old, 1, 20)
        old.over(wire.frame("ABORT", code="Aborted"))
        pair.relay.cut(pair.relay.connections[-1])
        line = await pair.rust.hear("ended")
        assert line["ended"] == "Expired" and line["all_delivered"], line

# Breaches: what the other end must answer with END ProtocolError (or StateLost).

OPEN = wire.frame("OPEN", stream=1, priority=0, fragment_size=1_000, label=b"")
BREACHES = {
    "nothing wrong": [OPEN],
    "an unknown frame": b"\x06",
    "a packet without a frame": b"",
    "ACK beyond what was committed": [wire.frame("ACK", position=10**6)],
    "FINAL again": [wire.frame("FINAL", parameters=wire.DEFAULTS, incarnation=bytes(8), verdict=("none", None))],
    "DATA on a stream that was not opened": [wire.data(1, b"x")],
    "OPEN with the wrong parity": [wire.frame("OPEN", stream=2, priority=0, fragment_size=1_000, label=b"")],
    "OPEN twice": [OPEN, OPEN],
    "DATA behind the end of its stream": [OPEN, wire.data(1, b"x", stream_end=True), wire.data(1, b"x")],
    "a fragment longer than OPEN said": [OPEN, wire.data(1, bytes(1_001))],
    "credit taken back": [wire.frame("CREDIT", stream=0, limit=10)],
    "a frame behind CLOSE": [wire.frame("CLOSE", code=0, reason=b"", position=0), OPEN],
    "RESYNC after a swap that was not planned": [wire.frame("RESYNC", position=0)],
    "CLOSED without CLOSE": [wire.frame("CLOSED", position=0)],
    "FROM above what was expected": [wire.frame("FROM", position=5)],
    "CLOSE beyond what was committed": [wire.frame("CLOSE", code=0, reason=b"", position=10**6)],
}

@scenario("breaches of the protocol end the session")
async def breaches(rng):
    wrong = []
    async with Pair("client", "tcp", 1) as pair:
        for name, frames in BREACHES.items():
            session = await pair.session()
            await session.until(lambda: session.current.got_ack)
            for f in frames if isinstance(frames, list) else []:
                if f.kind == "CLOSE":
                    session.on_closed = lambda link, f: None  # CLOSED would end it
                if f.kind in wire.SEQUENCED:
                    session.outbox[session.committed] = f
                    session.charged, session.committed = session.charged + wire.charge(f), session.committed + 1
                    session.current.cursor += 1
            plaintext = frames if isinstance(frames, bytes) else wire.encode(frames)
            await session.current.carrier.send(b"\7" + session.current.tx.seal(plaintext))
            try:
                await asyncio.wait_for(session.until(lambda: False), 0.5 if name == "nothing wrong" else 5)
            except asyncio.TimeoutError:
                session.over(wire.frame("NONE", code="no END", reason=b""))
                session.retire(session.current)
            expected = {"nothing wrong": "no END", "FROM above what was expected": "StateLost",
                        "CLOSE beyond what was committed": "StateLost"}.get(name, "ProtocolError")
            if session.ended.code != expected or ("END" in session.counts) != (expected != "no END"):
                wrong.append(f"{name}: {session.ended.code}, {session.ended.reason}")
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
    well = True
    for name, function, parameters in SCENARIOS:
        long = parameters.pop("long", False)
        if OPTIONS.only and not any(word in name for word in OPTIONS.only) or long and not (OPTIONS.only or OPTIONS.all):
            continue
        rng, started = random.Random(f"{OPTIONS.seed} {name}"), time.monotonic()
        random.seed(rng.random())
        try:
            said = asyncio.run(run_one(function(rng, **parameters), OPTIONS.limit * (20 if long else 1)))
            print(f"ok      {name} ({time.monotonic() - started:.1f} s{'; ' + said if said else ''})", flush=True)
        except (Exception, asyncio.CancelledError) as e:
            well, why = False, f"not done after {OPTIONS.limit} s" if isinstance(e, asyncio.TimeoutError) else repr(e)
            print(f"FAILED  {name}: {why}\n        again: tests/interop/run --seed {OPTIONS.seed} '{name}'", flush=True)
            if not isinstance(e, (AssertionError, asyncio.TimeoutError)):
                traceback.print_exc()
    return well

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("only", nargs="*", help="parts of the names of the scenarios to run; none: all")
    parser.add_argument("--rust", required=True, help="the other end's program")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(4), "big"))
    parser.add_argument("--limit", type=float, default=30, help="seconds that a scenario may take")
    parser.add_argument("--all", action="store_true", help="the long ones, too (minutes)")
    OPTIONS = parser.parse_args()
    logging.disable(logging.CRITICAL)  # what a library says of connections that are cut
    print(f"seed {OPTIONS.seed}")
    sys.exit(0 if run_all() else 1)
