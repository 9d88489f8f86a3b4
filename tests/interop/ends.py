"""A client and a server: handshakes, attaching, refusals and verdicts; sections 3, 10 and 11 of PROTOCOL.md."""
import asyncio
import os
import random
from contextlib import suppress
from hmac import compare_digest
from cryptography.exceptions import InvalidTag
from carriers import BROKEN
from handshakes import WITH_SECRET, Handshake, predecessor_mac
from session import HANDSHAKE_TIMER, UNKNOWN, Link, Session
from wire import DEFAULTS, decode, frame, get_all, need, put

async def in_time(handshake):  # the result of a handshake, or None
    with suppress(*BROKEN, InvalidTag, ValueError, asyncio.TimeoutError):
        return await asyncio.wait_for(handshake, HANDSHAKE_TIMER)

def expect(packet, kind, sizes):  # the packet that is due, without its type; a REJECT is a dial that failed
    if packet[0] == 6:
        raise ConnectionError(get_all("REJECT", packet[1:]).code)
    need(packet[0] == kind and len(packet) in sizes, "not the packet that is due")
    return packet[1:]

class Client:
    def __init__(self, dial, suites, psk=None, hint=b"", parameters=DEFAULTS, version=1):
        self.dial, self.suites, self.psk, self.hint, self.version = dial, suites, psk, hint, version
        self.parameters, self.session, self.refusals, self.suites_refused = frame("PARAMETERS", **parameters), None, 0, 0
        self.keep = asyncio.create_task(self.run())
    async def run(self):  # keeps the session attached until it is over, and answers GOAWAY with a planned swap
        while not (self.session and self.session.ended):
            if not await in_time(self.attach()):
                await asyncio.sleep(random.random() * 0.05)
            if s := self.session:
                await s.until(lambda: not s.current or s.goaway and s.settled())
    async def attach(self):  # gives the session a connection, or a further one; after two refusals it asks under seal
        carrier, session = await self.dial(), self.session
        try:
            resumes = session and (session.current or self.refusals < 2)
            session, link = await (self.resume if resumes else self.full)(carrier, session)
            need(not session.ended, "the session is over")
        except BaseException as e:
            carrier.close()
            self.suites_refused = self.suites_refused + 1 if str(e) == "SuiteUnsupported" else 0
            self.refusals += str(e) == "Refused"
            raise
        self.session, self.refusals, self.suites_refused, session.goaway = session, 0, 0, None
        session.propose(link)
        session.receive(link, iter(()))  # nothing need arrive for it to be current
        asyncio.create_task(session.serve(link))
        return session
    async def full(self, carrier, old):  # a full handshake; `old` is its predecessor
        suite = self.suites[self.suites_refused % len(self.suites)]
        head = bytes([1, self.version, suite, len(self.hint)]) + self.hint
        h = Handshake(suite, True, head, self.psk)
        await carrier.send(head + h.write(b""))
        h.read(expect(await carrier.receive(), 2, [97]))
        if old:
            old.counter += 1
        predecessor = old and frame("PREDECESSOR", id=old.id, counter=old.counter, position=old.stated(),
                                   mac=predecessor_mac(old.suite, old.secret, h.hash))
        offer = frame("OFFER", versions=b"\1", suites=bytes(self.suites), parameters=self.parameters, name=b"", credential=b"",
                      predecessor=predecessor)
        floor = old.acked if old else 0
        await carrier.send(b"\3" + h.write(put("OFFER", offer)))
        link = Link(carrier, h, floor=floor)
        final, = decode(link.rx.decrypt_with_ad(b"", expect(await carrier.receive(), 7, range(8_193))))
        need(final.kind == "FINAL" and (final.verdict == "none") == (old is None), f"{final.kind} in FINAL's place")
        link.stated = final.position or 0
        if final.verdict not in ("none", "Resumed"):
            old.end(final.verdict, final=final.position if final.verdict in ("Expired", "Closed", "Replaced") else None)
        return old or Session(True, h.hash[:16], link, self.parameters, final.parameters), link
    async def resume(self, carrier, session):
        old = session.current
        if not old:  # who says dead has retired its connections before it states its position
            session.retire(*session.live)
        session.counter += 1
        head = bytes([4, 1, session.suite]) + session.id + session.counter.to_bytes(8, "big")
        h, floor = Handshake(session.suite, True, head, session.secret, resume=True), session.acked
        await carrier.send(head + h.write(put("CLAIM", frame("CLAIM", position=session.stated(), alive=old is not None))))
        theirs = get_all("CLAIM", h.read(expect(await carrier.receive(), 5, [58])))
        need(old or not theirs.alive)
        return session, Link(carrier, h, theirs.position, floor, old if theirs.alive else None)

class Server:
    def __init__(self, suites, secrets=None, parameters=DEFAULTS, version=1):
        self.suites, self.secrets, self.parameters, self.version = suites, secrets or {}, frame("PARAMETERS", **parameters), version
        self.incarnation, self.arrivals, self.sessions = os.urandom(8), asyncio.Queue(), {}  # an ended session is its tombstone
    async def handle(self, carrier):
        packet = await in_time(carrier.receive())
        proof = {1: self.full, 4: self.resume}.get(packet and packet[0])
        if proof and (serving := await in_time(proof(carrier, packet))):
            await serving
        carrier.close()
    async def full(self, carrier, packet):
        suite, head = packet[2:3], packet[:4 + sum(packet[3:4])]
        if packet[1:2] != bytes([self.version]) or not suite or suite not in bytes(self.suites):
            return await self.reject(carrier, "SuiteUnsupported" if packet[1:2] == bytes([self.version]) else "VersionUnsupported")
        longest_hint, message = (64, 48) if suite[0] in WITH_SECRET else (0, 32)
        need(len(head) <= 4 + longest_hint and len(packet) == len(head) + message)
        h = Handshake(suite[0], False, head, self.secrets.get(head[4:]) or os.urandom(32))
        h.read(packet[len(head):])
        await carrier.send(b"\2" + h.write(b""))
        h2, packet = h.hash, await carrier.receive()
        offer = get_all("OFFER", h.read(expect(packet, 3, range(8_193))))
        need(not set(self.suites) & set(offer.suites.partition(suite)[0]), "a suite was refused by somebody else")
        verdict, position, session = self.judge(offer.predecessor, h2)
        link = Link(carrier, h, offer.predecessor.position if session else 0)
        if not session:
            session = self.sessions[h.hash[:16]] = Session(False, h.hash[:16], link, self.parameters, offer.parameters)
            asyncio.create_task(self.arrive(session))
        session.propose(link)
        final = frame("FINAL", parameters=self.parameters, incarnation=self.incarnation, verdict=verdict, position=position)
        await carrier.send(link.seal([final]))
        return session.serve(link)
    async def reject(self, carrier, code):
        await carrier.send(b"\6" + put("REJECT", frame("REJECT", code=code, after=None)))
    async def arrive(self, session):  # hands out a session once it is confirmed; one that is not was never there
        await in_time(session.until(lambda: session.current))
        if session.current:
            self.arrivals.put_nowait(session)
        elif not session.ended:
            del self.sessions[session.id]
    def judge(self, p, h2):  # the verdict about the predecessor `p`, the number with it, and the session if it goes on
        held = p and self.sessions.get(p.id)
        if not held:
            return ("Unknown", 3_600_000, None) if p else ("none", None, None)
        if p.counter <= held.counter or not any(compare_digest(predecessor_mac(*s, h2), p.mac) for s in held.secrets()):
            return "Superseded", None, None
        held.counter = p.counter
        if not held.ended and held.possible(p.position, held.acked):
            held.retire(*held.live)  # its client has left these
            return "Resumed", held.stated(), held
        held.end("StateLost")
        return "StateLost" if held.ended == "StateLost" else "Expired", held.stated(), None
    async def resume(self, carrier, packet):
        need(len(packet) == 84)
        session, suite, counter, opened = self.sessions.get(packet[3:19]), packet[2], int.from_bytes(packet[19:27], "big"), None
        held = session.secrets() if session and not session.ended and packet[1] == 1 else []
        for secret in [*(secret for s, secret in held if s == suite), os.urandom(32), os.urandom(32)][:2]:
            h = Handshake(suite, False, packet[:27], secret, resume=True)
            with suppress(InvalidTag):
                opened = h, secret, h.read(packet[27:])
        if not opened or counter <= session.counter:
            return await self.reject(carrier, "Refused")
        h, secret, claimed = opened[0], opened[1], get_all("CLAIM", opened[2])
        old = session.current if claimed.alive and session.settled() else None
        if not claimed.alive:
            session.retire(*session.live)  # its client has left these
        resumed = b"\5" + h.write(put("CLAIM", frame("CLAIM", position=session.stated(), alive=old is not None)))
        session.counter, session.suite, session.secret = counter, suite, secret
        session.propose(link := Link(carrier, h, claimed.position, 0 if claimed.alive else UNKNOWN, old))
        await carrier.send(resumed)
        return session.serve(link)
