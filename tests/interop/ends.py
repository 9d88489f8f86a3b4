"""A client and a server: handshakes, attaching, refusals and verdicts; sections 3, 10 and 11 of PROTOCOL.md."""
import asyncio
import os
import random
from types import SimpleNamespace

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from carriers import BROKEN
from noise import WITH_SECRET, Handshake, predecessor_mac
from session import Link, Session
from wire import DEFAULTS, ENDS, OFFER, Reader, Refused, decode, encode, frame, get_offer, get_reject, integer, need, put

FAILURES = (*BROKEN, InvalidTag, ValueError, Refused, asyncio.TimeoutError)  # what a handshake may die of

def claim(position, alive):
    return position.to_bytes(8, "big") + bytes([alive])

def read_claim(payload):
    need(len(payload) == 9 and payload[8] < 2)
    return int.from_bytes(payload[:8], "big"), bool(payload[8])

class Rejected(ConnectionError):
    """The server's REJECT: a dial that failed."""

class Client:
    def __init__(self, dial, suites, psk=None, hint=b"", pins=None, parameters=DEFAULTS, name=b""):
        self.dial, self.suites, self.psk, self.hint, self.pins = dial, suites, psk, hint, pins
        self.parameters, self.name, self.version = parameters, name, 1
        self.session, self.attaching, self.refusals, self.verdict = None, asyncio.Lock(), 0, None
        self.log, self.held = [], asyncio.Event()
        self.held.set()  # cleared, it dials no more
        self.keep = asyncio.create_task(self.run())

    async def run(self):
        """Keeps the session attached until it is over."""
        wait = 0.01
        while not (self.session and self.session.ended):
            await self.held.wait()
            try:
                if not (self.session and self.session.current):
                    await asyncio.wait_for(self.attach(alive=False), 10)
                wait = 0.01
            except FAILURES as e:
                self.log.append(f"{type(e).__name__}: {e}")
                await asyncio.sleep(wait * random.random())
                wait = min(2 * wait, 0.5)
            if (session := self.session) and session.current:
                await session.until(lambda: not session.current)

    async def attach(self, alive):
        async with self.attaching:
            session = self.session
            if session and session.current and not alive:
                return
            if session and self.refusals < 2:
                await self.resume(session, alive and session.settled())
            else:
                await self.full(session)

    async def answer(self, carrier, kind, size):
        packet = await carrier.receive()
        if packet[0] == 6:
            raise Rejected(get_reject(packet)[0])
        need(packet[0] == kind and len(packet) == size, "not the packet that is due")
        return packet[1:]

    async def full(self, old):
        """A full handshake; `old` is its predecessor."""
        suites = [s for s in self.suites if (s in WITH_SECRET) == bool(self.psk)]
        for suite in suites:
            carrier = await self.dial()
            head = bytes([1, self.version, suite, len(self.hint)]) + self.hint
            h = Handshake(suite, True, head[:], self.psk)
            try:
                await carrier.send(head + h.write(b""))
                h.read(await self.answer(carrier, 2, 97))
                break
            except Rejected as e:
                carrier.close()
                self.log.append(str(e))
                if str(e) != "SuiteUnsupported" or suite == suites[-1]:
                    raise
        key = h.theirs["s"].public_bytes_raw()
        need(self.pins is None or key in self.pins, "a key that is not pinned")
        predecessor = stated = None
        if old:
            stated, acked = old.stated(), old.acked
            mac = predecessor_mac(old.suite, old.secret, h.hash)
            predecessor = SimpleNamespace(id=old.id, counter=old.counter, position=stated, mac=mac)
        offer = put(OFFER, SimpleNamespace(versions=bytes([1]), suites=bytes(suites), parameters=self.parameters, name=self.name,
                                           credential=b"", predecessor=predecessor))
        await carrier.send(b"\3" + h.write(offer))
        tx, rx, secret = h.finish()
        packet = await carrier.receive()
        need(packet[0] == 7 and len(packet) <= 8_192)
        first, = decode(rx.open(packet[1:]))
        need(first.kind in ("FINAL", "END"))
        if first.kind == "END":
            raise Rejected(first.code)
        self.verdict = first.verdict
        self.refusals, link = 0, Link(carrier, tx, rx)
        if first.verdict[0] == "Resumed":
            need(first.verdict[1] >= acked, "StateLost")
            old.suite = suite
            return self.begin(old, link, secret, None, first.verdict[1])
        if old:
            old.peer_final = first.verdict[1] if first.verdict[0] == "Expired" else None
            old.over(frame("VERDICT", code=first.verdict[0]))
        session = Session(True, suite, h.hash[:16], secret, self.parameters, first.parameters, first.incarnation)
        session.server_key, self.session = key, session
        self.begin(session, link, secret, None, 0)

    async def resume(self, session, alive):
        carrier = await self.dial()
        old = session.current if alive else None
        if not alive:  # who says dead has retired its connections before it states its position
            for link in (session.current, session.current and session.current.old):
                if link:
                    session.retire(link)
        session.counter += 1
        head = bytes([4, 1, session.suite]) + session.id + session.counter.to_bytes(8, "big")
        h = Handshake(session.suite, True, head, session.secret, resume=True)
        acked = session.acked
        await carrier.send(head + h.write(claim(session.stated(), alive)))
        try:
            packet = await self.answer(carrier, 5, 58)
        except Rejected as e:
            carrier.close()
            self.refusals += str(e) == "Refused"
            raise
        stated, theirs = read_claim(h.read(packet))
        tx, rx, secret = h.finish()
        self.refusals = 0
        link = Link(carrier, tx, rx)
        if stated < acked:
            asyncio.create_task(session.serve(link))
            return session.end("StateLost", link=link)
        self.begin(session, link, secret, old if theirs else None, stated)

    def begin(self, session, link, secret, old, stated):
        session.attach(link, secret, old, stated)
        asyncio.create_task(session.serve(link))

    async def swap(self):
        await self.session.until(self.session.settled)
        await self.attach(alive=True)

class Server:
    def __init__(self, suites, secrets=None, static=None, parameters=DEFAULTS, version=1, busy=0):
        self.suites, self.secrets, self.static = suites, secrets or {}, static or X25519PrivateKey.generate()
        self.parameters, self.version, self.incarnation = parameters, version, os.urandom(8)
        self.sessions, self.tombstones, self.arrivals = {}, {}, asyncio.Queue()
        self.refuse_resumes, self.busy = 0, busy  # how many RESUMEs to answer Refused, and HELLOs Retry
        self.log = []

    async def handle(self, carrier):
        try:
            packet = await asyncio.wait_for(carrier.receive(), 10)
            serve = {1: self.full, 4: self.resume}.get(packet[0])
            if serve and (found := await asyncio.wait_for(serve(carrier, packet), 10)):
                session, link = found
                await session.serve(link)
        except FAILURES as e:
            self.log.append(f"{type(e).__name__}: {e}")
        finally:
            carrier.close()

    async def reject(self, carrier, code, after=0):
        await carrier.send(bytes([6, code]) + (integer(after) if code == 1 else b""))
        await carrier.finish()

    async def full(self, carrier, packet):
        need(len(packet) >= 4)
        version, suite, size = packet[1:4]
        if self.busy:
            self.busy -= 1
            return await self.reject(carrier, 1, after=50)
        if version != self.version:
            return await self.reject(carrier, 3)
        if suite not in self.suites:
            return await self.reject(carrier, 4)
        head, message = packet[:4 + size], packet[4 + size:]
        need(size <= 64 and len(message) == (48 if suite in WITH_SECRET else 32) and (suite in WITH_SECRET or not size))
        h = Handshake(suite, False, head, self.secrets.get(head[4:]) or os.urandom(32), static=self.static)
        h.read(message)
        await carrier.send(b"\2" + h.write(b""))
        h2, packet = h.hash, await carrier.receive()
        need(packet[0] == 3)
        offer = get_offer(h.read(packet[1:]))
        better = offer.suites[:offer.suites.find(suite)] if suite in offer.suites else offer.suites
        need(not any(s in self.suites for s in better), "a suite was refused by somebody else")
        tx, rx, secret = h.finish()
        link, verdict, session = Link(carrier, tx, rx), ("none", None), None
        if p := offer.predecessor:
            verdict, session = self.judge(p, h2)
        if not session:
            session = Session(False, suite, h.hash[:16], secret, self.parameters, offer.parameters)
            session.when_over = self.bury
        session.candidate = SimpleNamespace(link=link, secret=secret, old=None, alive=False, suite=suite,
                                            stated=p.position if verdict[0] == "Resumed" else 0)
        final = frame("FINAL", parameters=self.parameters, incarnation=self.incarnation, verdict=verdict)
        await carrier.send(b"\7" + tx.seal(encode([final])))
        if verdict[0] != "Resumed":
            self.sessions[session.id] = session
            self.arrivals.put_nowait(session)
        return session, link

    def judge(self, p, h2):
        """The verdict about a predecessor, and the session if it goes on."""
        held = self.sessions.get(p.id) or self.tombstones.get(p.id)
        if not held:
            return ("Unknown", 3_600_000), None
        secrets = [held.secret] + ([held.candidate.secret] if held.candidate else [])
        if not any(predecessor_mac(held.suite, s, h2) == p.mac for s in secrets) or p.counter < held.counter:
            return ("Superseded", None), None
        if held.ended:
            return ("Expired", held.stated()), None
        if p.position > held.committed or p.position < held.acked:
            held.over(frame("VERDICT", code="StateLost"))
            return ("StateLost", held.stated()), None
        return ("Resumed", held.stated()), held

    async def resume(self, carrier, packet):
        need(len(packet) == 84)
        head, id, counter = packet[:27], packet[3:19], int.from_bytes(packet[19:27], "big")
        session = self.sessions.get(id)
        if packet[1] != self.version:
            return await self.reject(carrier, 3)
        if not session or session.suite != packet[2] or self.refuse_resumes:
            self.refuse_resumes = max(0, self.refuse_resumes - 1)
            return await self.reject(carrier, 2)
        for secret in [session.secret] + ([session.candidate.secret] if session.candidate else []):
            h = Handshake(session.suite, False, head, secret, resume=True)
            try:
                stated, alive = read_claim(h.read(packet[27:]))
                break
            except InvalidTag:
                pass
        else:
            return await self.reject(carrier, 2)
        if counter <= session.counter:
            return await self.reject(carrier, 2)
        session.counter = counter
        if session.candidate and secret == session.candidate.secret:
            session.secret = secret
        mine = alive and session.settled()
        await carrier.send(b"\5" + h.write(claim(session.stated(), mine)))
        tx, rx, fresh = h.finish()
        link = Link(carrier, tx, rx)
        session.candidate = SimpleNamespace(link=link, secret=fresh, old=session.current if mine else None, alive=alive, stated=stated,
                                            suite=session.suite)
        return session, link

    def bury(self, session):
        if self.sessions.pop(session.id, None):
            self.tombstones[session.id] = session
