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
from wire import CLAIM, DEFAULTS, OFFER, REJECT, decode, encode, frame, get_all, need, put

FAILURES = (*BROKEN, InvalidTag, ValueError, asyncio.TimeoutError)  # what a handshake may die of

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
    def claim(self, session, alive):
        return put(CLAIM, SimpleNamespace(position=session.stated(), alive=alive))

class Client(End):
    def __init__(self, dial, suites, psk=None, hint=b"", **options):
        super().__init__(suites, **options)
        self.dial, self.psk, self.hint, self.session, self.attaching = dial, psk, hint, None, asyncio.Lock()
        self.refusals, self.suites_refused, self.verdict = 0, 0, None
        self.keep = asyncio.create_task(self.run())
    async def run(self):
        """Keeps the session attached until it is over, and answers GOAWAY with a planned swap."""
        while not (self.session and self.session.ended):
            if session := await self.in_time(self.attach()):
                await session.until(lambda: not session.current or session.goaway)
                session.goaway = session.goaway and await self.in_time(self.swap())
            else:
                await asyncio.sleep(random.random() * 0.05)
    async def swap(self):
        await self.session.until(self.session.settled)
        await self.attach(alive=True)
    async def attach(self, alive=False):
        """Gives the session a connection, or with `alive` a further one; after two refusals it asks under seal."""
        async with self.attaching:
            session = self.session
            if alive or not (session and session.current):
                carrier = await self.dial()
                try:
                    resumes = session and (session.current or self.refusals < 2)
                    await (self.resume(carrier, session, alive) if resumes else self.full(carrier, session))
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
        offer = SimpleNamespace(versions=b"\1", suites=bytes(self.suites), parameters=self.parameters, name=b"", credential=b"",
                                predecessor=None)
        if old:
            offer.predecessor = SimpleNamespace(id=old.id, counter=old.counter, position=old.stated(),
                                                mac=predecessor_mac(old.suite, old.secret, h.hash))
        floor = old.acked if old else 0
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
        h, floor = Handshake(session.suite, True, head, session.secret, resume=True), session.acked
        await carrier.send(head + h.write(self.claim(session, old is not None)))
        claim = get_all(CLAIM, h.read(expect(await carrier.receive(), 5, [58])))
        need(old or not claim.alive)
        self.begin(session, Link(carrier, h, claim.position, floor, old if claim.alive else None))

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
    async def full(self, carrier, packet):
        suite, head = packet[2:3], packet[:4 + sum(packet[3:4])]
        refusal = ("Retry" if self.busy else "VersionUnsupported" if packet[1:2] != bytes([self.version]) else
                   "SuiteUnsupported" if suite not in bytes(self.suites) else None)
        if refusal:
            self.busy = max(0, self.busy - 1)
            after = 50 if refusal == "Retry" else None
            return await carrier.send(b"\6" + put(REJECT, SimpleNamespace(code=refusal, after=after)))
        longest_hint, message = (64, 48) if suite[0] in WITH_SECRET else (0, 32)
        need(len(head) <= 4 + longest_hint and len(packet) == len(head) + message)
        h = Handshake(suite[0], False, head, self.secrets.get(head[4:]) or os.urandom(32))
        h.read(packet[len(head):])
        await carrier.send(b"\2" + h.write(b""))
        h2, packet = h.hash, await carrier.receive()
        offer = get_all(OFFER, h.read(expect(packet, 3, range(8_193))))
        need(not set(self.suites) & set(offer.suites.partition(suite)[0]), "a suite was refused by somebody else")
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
        session, suite, counter, opened = self.sessions.get(packet[3:19]), packet[2], int.from_bytes(packet[19:27], "big"), None
        held = session.secrets() if session and not session.ended and packet[1] == 1 and not self.refuse_resumes else []
        for secret in [*(secret for s, secret in held if s == suite), os.urandom(32), os.urandom(32)][:2]:
            h = Handshake(suite, False, packet[:27], secret, resume=True)
            with suppress(InvalidTag):
                opened = h, secret, h.read(packet[27:])
        if not opened or counter <= session.counter:
            self.refuse_resumes = max(0, self.refuse_resumes - 1)
            return await carrier.send(b"\6" + put(REJECT, SimpleNamespace(code="Refused", after=None)))
        h, secret, claim = opened[0], opened[1], get_all(CLAIM, opened[2])
        old = session.current if claim.alive and session.settled() else None
        resumed = b"\5" + h.write(self.claim(session, old is not None))
        session.counter, session.suite, session.secret = counter, suite, secret
        link = Link(carrier, h, claim.position, 0 if claim.alive else None, old)
        session.propose(link)
        await carrier.send(resumed)
        return session, link
