"""The interoperability test: this peer against ours, in both roles. `run` builds what it needs and calls it."""
import argparse
import asyncio
import json
import os
import random
import sys
import time
import traceback

import carriers
import noise
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
    return vectors.replay()

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
            await asyncio.sleep(rng.random() * 0.05)
            swapping = asyncio.create_task(swap(pair, session))
            await session.until(lambda: session.current and session.current.old and session.current.peer_n is not None or swapping.done())
            pair.relay.cut(old)
            await asyncio.gather(swapping, loading)
        await close(pair, session)
        return f"RESYNC sent {session.counts['sent RESYNC']}, read {session.counts['RESYNC']}"

for OURS, CARRIER in BOTH:
    for NAME, FUNCTION in (("cuts at random bytes", cuts), ("planned swaps", swaps), ("the old connection dies while draining", resync)):
        scenario(f"{NAME}, Python {OURS}, {CARRIER}", ours=OURS, carrier=CARRIER)(FUNCTION)

def run_all():
    """Runs what is asked for, each scenario in an event loop of its own; says whether all is well."""
    well = True
    for name, function, parameters in SCENARIOS:
        if OPTIONS.only and not any(word in name for word in OPTIONS.only):
            continue
        rng, started = random.Random(f"{OPTIONS.seed} {name}"), time.monotonic()
        random.seed(rng.random())
        try:
            said = asyncio.run(asyncio.wait_for(function(rng, **parameters), OPTIONS.limit))
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
    OPTIONS = parser.parse_args()
    print(f"seed {OPTIONS.seed}")
    sys.exit(0 if run_all() else 1)
