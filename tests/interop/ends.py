"""A client and a server: handshakes, attaching, refusals and verdicts; sections 3, 10 and 11 of PROTOCOL.md."""
import asyncio
import os
import random
from contextlib import suppress
from hmac import compare_digest
from types import SimpleNamespace

from cryptography.exceptions import InvalidTag

from carriers import BROKEN
from noise import WITH_SECRET, Handshake, predecessor_mac
from session import HANDSHAKE_TIMER, Link, Session
from wire import DEFAULTS, OFFER, REJECT, decode, encode, frame, get_all, need, put

FAILURES = (*BROKEN, InvalidTag, ValueError, asyncio.TimeoutError)  # what a handshake may die of

def claim(position, alive):
    return position.to_bytes(8, "big") + bytes([alive])

def read_claim(payload):
    need(len(payload) == 9 and payload[8] < 2)
    return int.from_bytes(payload[:8], "big"), bool(payload[8])

def expect(packet, kind, sizes):
    """The packet that is due, without its type; a REJECT is a dial that failed."""
    if packet[0] == 6:
        raise ConnectionError(get_all(REJECT, packet[1:]).code)
    need(packet[0] == kind and len(packet) in sizes, "not the packet that is due")
    return packet[1:]

class End:
    """What a client and a server have in common."""
    def __init__(self, suites, parameters=DEFAULTS, version=1):
        self.suites, self.parameters, self.version, self.log = suites, SimpleNamespace(**parameters), version, []
    async def in_time(self, handshake):
        """The result of a handshake, or None and a line in the log."""
        try:
            return await asyncio.wait_for(handshake, HANDSHAKE_TIMER)
        except FAILURES as e:
            self.log.append(f"{type(e).__name__}: {e}")

class Client(End):
    def __init__(self, dial, suites, psk=None, hint=b"", **options):
        super().__init__(suites, **options)
        self.dial, self.psk, self.hint, self.session, self.verdict = dial, psk, hint, None, None
        self.attaching, self.refusals, self.suites_refused = asyncio.Lock(), 0, 0
        self.held = asyncio.Event()  # cleared, it dials no more
        self.held.set()
        self.keep = asyncio.create_task(self.run())
    async def run(self):
        """Keeps the session attached until it is over, and answers GOAWAY with a planned swap."""
        while not (self.session and self.session.ended):
            await self.held.wait()
            if session := await self.in_time(self.attach()):
                await session.until(lambda: not session.current or session.goaway)
                if session.goaway:
                    session.goaway = await self.in_time(self.swap())
            else:
                await asyncio.sleep(random.random() * 0.05)
    async def swap(self):
        await self.session.until(self.session.settled)
        await self.attach(alive=True)
    async def attach(self, alive=False):
        """Gives the session a connection, or with `alive` a further one."""
        async with self.attaching:
            session = self.session
            if not session or not session.current or alive:
                carrier = await self.dial()
                try:
                    if session and (session.current or self.refusals < 2):
                        await self.resume(carrier, session, alive)
                    else:
                        await self.full(carrier, session)
                except BaseException as e:
                    carrier.close()
                    self.suites_refused = self.suites_refused + 1 if str(e) == "SuiteUnsupported" else 0
                    self.refusals += str(e) == "Refused"
                    raise
            return self.session
    def begin(self, session, link):
        need(not session.ended, "the session is over")
        self.session, self.refusals, self.suites_refused = session, 0, 0
        session.propose(link)
        session.receive(link)
        asyncio.create_task(session.serve(link))
    async def full(self, carrier, old):
        """A full handshake; `old` is its predecessor."""
        suite = self.suites[self.suites_refused % len(self.suites)]
        head = bytes([1, self.version, suite, len(self.hint)]) + self.hint
        h = Handshake(suite, True, head, self.psk)
        await carrier.send(head + h.write(b""))
        h.read(expect(await carrier.receive(), 2, [97]))
        predecessor = old and SimpleNamespace(id=old.id, counter=old.counter, position=old.stated(),
                                              mac=predecessor_mac(old.suite, old.secret, h.hash))
        floor = old.acked if old else 0
        offer = SimpleNamespace(versions=b"\1", suites=bytes(self.suites), parameters=self.parameters, name=b"", credential=b"",
                                predecessor=predecessor)
        await carrier.send(b"\3" + h.write(put(OFFER, offer)))
        packet = expect(await carrier.receive(), 7, range(8_193))
        link = Link(carrier, h, floor=floor)
        final, = decode(link.rx.crypt("decrypt", packet))
        need(final.kind == "FINAL" and (final.verdict == "none") == (old is None), f"{final.kind} in FINAL's place")
        self.verdict = final.verdict
        if final.verdict == "Resumed":
            link.stated = final.position
            return self.begin(old, link)
        if old:
            old.over(final.verdict, final=final.position if final.verdict == "Expired" else None)
        self.begin(Session(True, h.hash[:16], link, self.parameters, final.parameters), link)
    async def resume(self, carrier, session, alive):
        old = session.current if alive and session.settled() else None
        if not old:  # who says dead has retired its connections before it states its position
            session.retire(*session.live)
        session.counter += 1
        head = bytes([4, 1, session.suite]) + session.id + session.counter.to_bytes(8, "big")
        h = Handshake(session.suite, True, head, session.secret, resume=True)
        floor = session.acked
        await carrier.send(head + h.write(claim(session.stated(), old is not None)))
        stated, alive = read_claim(h.read(expect(await carrier.receive(), 5, [58])))
        need(old or not alive)
        self.begin(session, Link(carrier, h, stated, floor, old if alive else None))

class Server(End):
    def __init__(self, suites, secrets=None, busy=0, **options):
        super().__init__(suites, **options)
        self.secrets, self.incarnation = secrets or {}, os.urandom(8)
        self.sessions, self.arrivals = {}, asyncio.Queue()  # a session that has ended is its tombstone
        self.refuse_resumes, self.busy = 0, busy  # how many RESUMEs to answer Refused, and HELLOs Retry
    async def handle(self, carrier):
        packet = await self.in_time(carrier.receive())
        proof = {1: self.full, 4: self.resume}.get(packet and packet[0])
        if proof and (proven := await self.in_time(proof(carrier, packet))):
            session, link = proven
            await session.serve(link)
        carrier.close()
    async def reject(self, carrier, code, after=None):
        await carrier.send(b"\6" + put(REJECT, SimpleNamespace(code=code, after=after)))
    async def full(self, carrier, packet):
        suite, head = packet[2:3], packet[:4 + packet[3]] if len(packet) > 3 else b""
        if self.busy:
            self.busy -= 1
            return await self.reject(carrier, "Retry", 50)
        if packet[1:2] != bytes([self.version]):
            return await self.reject(carrier, "VersionUnsupported")
        if suite not in bytes(self.suites):
            return await self.reject(carrier, "SuiteUnsupported")
        h = Handshake(suite[0], False, head, self.secrets.get(head[4:]) or os.urandom(32))
        need(len(packet) == len(head) + (48 if suite[0] in WITH_SECRET else 32) and len(head) <= (68 if suite[0] in WITH_SECRET else 4))
        h.read(packet[len(head):])
        await carrier.send(b"\2" + h.write(b""))
        h2, packet = h.hash, await carrier.receive()
        offer = get_all(OFFER, h.read(expect(packet, 3, range(8_193))))
        need(not set(self.suites) & {*offer.suites.partition(suite)[0]}, "a suite was refused by somebody else")
        link = Link(carrier, h)
        verdict, position, session = self.judge(offer.predecessor, h2)
        if session:
            link.stated = offer.predecessor.position
        else:
            session = self.sessions[h.hash[:16]] = Session(False, h.hash[:16], link, self.parameters, offer.parameters)
            asyncio.create_task(self.arrive(session))
        session.propose(link)
        final = frame("FINAL", parameters=self.parameters, incarnation=self.incarnation, verdict=verdict, position=position)
        await carrier.send(b"\7" + link.tx.crypt("encrypt", encode([final])))
        return session, link
    async def arrive(self, session):
        """Hands out a session once it is confirmed; one that is not was never there."""
        await self.in_time(session.until(lambda: session.current))
        if session.current:
            self.arrivals.put_nowait(session)
        elif not session.ended:
            del self.sessions[session.id]
    def judge(self, p, h2):
        """The verdict about the predecessor `p`, the number with it, and the session if it goes on."""
        held = p and self.sessions.get(p.id)
        if not held:
            return ("Unknown", 3_600_000, None) if p else ("none", None, None)
        if p.counter < held.counter or not any(compare_digest(predecessor_mac(*s, h2), p.mac) for s in held.secrets()):
            return "Superseded", None, None
        held.counter = p.counter
        if not held.ended and held.possible(p.position, held.acked):
            return "Resumed", held.stated(), held
        held.over("StateLost")
        return "StateLost" if held.ended == "StateLost" else "Expired", held.stated(), None
    async def resume(self, carrier, packet):
        need(len(packet) == 84)
        session, suite, opened = self.sessions.get(packet[3:19]), packet[2], None
        held = session.secrets() if session and not session.ended and packet[1] == 1 and not self.refuse_resumes else []
        for secret in [*(secret for s, secret in held if s == suite), os.urandom(32), os.urandom(32)][:2]:
            h = Handshake(suite, False, packet[:27], secret, resume=True)
            with suppress(InvalidTag):
                opened = h, secret, h.read(packet[27:])
        counter = int.from_bytes(packet[19:27], "big")
        if not opened or counter <= session.counter:
            self.refuse_resumes = max(0, self.refuse_resumes - 1)
            return await self.reject(carrier, "Refused")
        h, secret, payload = opened
        stated, alive = read_claim(payload)
        old = session.current if alive and session.settled() else None
        resumed = b"\5" + h.write(claim(session.stated(), old is not None))
        session.counter, session.suite, session.secret = counter, suite, secret
        link = Link(carrier, h, stated, 0 if alive else None, old)
        session.propose(link)
        await carrier.send(resumed)
        return session, link
