"""The referee: judges what the other end does beyond what the peer itself refuses, and counts. With `--alone` it is silent.

The peer refuses what would have it deliver or state what is not so. What the other end must not do although the peer comes to no
harm by it is judged here, and fails the scenario. So are the client and server of the
scenarios, which can be told to misbehave.
"""
import asyncio
from collections import Counter
from types import SimpleNamespace

import ends
import session
import wire

BREACHES = []  # what the referee has found in the scenario that is running; None: it does not look

class Judged(session.Session):
    """A session that counts, and shows the referee what arrives before it takes it."""
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.attaches, self.counts, self.links, self.last_opened, self.close_at = 0, Counter(), {}, -1, None

    def rule(self, kept, breach):
        if not kept and BREACHES is not None:
            BREACHES.append(breach)

    def attach(self, link):
        super().attach(link)
        self.attaches += 1
        self.counts["planned"] += link.old is not None

    def pack(self, link):
        frames = super().pack(link)
        self.counts.update("sent " + f.kind for f in frames)
        for f in frames:
            if f.kind == "RESYNC":  # FROM p, the frames p to n - 1, FROM r are to answer it
                self.of(link).due = [f.position, None]
        return frames

    def of(self, link):
        """What the referee knows of a connection; `due`: where the FROMs have to stand that answer our RESYNC."""
        return self.links.setdefault(link, SimpleNamespace(due=[], resynced=False))

    def hear(self, link, f):
        self.counts[f.kind] += 1
        if f.kind in wire.SEQUENCED and link.arriving is not None:
            self.judge_sequenced(link, f, self.of(link))
        elif f.kind == "FROM":
            self.judge_from(link, f.position, self.of(link))
        elif f.kind == "RESYNC":
            self.rule(link is self.current and link.old, "R10.15: RESYNC after a swap that was not planned")
            self.rule(f.position < link.own_n, "R10.15: RESYNC without need")
            self.rule(not self.of(link).resynced, "R10.15: a second RESYNC")
            self.of(link).resynced = True
        super().hear(link, f)

    def judge_sequenced(self, link, f, known):
        if known.due == [link.arriving]:  # FROM r may be left out where r is n
            known.due = []
        self.rule(len(known.due) != 1 or link.arriving < link.peer_n, "R10.16: an answer to RESYNC without its end")
        self.rule(self.close_at is None or link.arriving <= self.close_at, "R8.1: a frame behind CLOSE")
        if f.kind == "CLOSE" and self.close_at is None:
            self.rule(max(self.inbox, default=0) <= link.arriving, "R8.1: CLOSE before other frames")
            self.close_at = link.arriving

    def judge_from(self, link, position, known):
        if known.due:
            due, *known.due = known.due
            self.rule(known.due or link.arriving == link.peer_n, "R10.16: an answer to RESYNC goes on too early")
            self.rule(position == due, "R10.16: an answer to RESYNC begins or goes on elsewhere")
            known.due = [link.arriving] if known.due else []
        else:
            self.rule(link.arriving is None or position > link.arriving, "R10.8: FROM without need")

    def take(self, f):
        stream = self.streams.get(f.stream)
        if f.kind == "OPEN":
            theirs = [s for s in self.streams.values() if s.id % 2 == f.stream % 2 and s.id]
            self.rule(f.stream > self.last_opened, "R4.16: an OPEN not above the last")
            self.rule(sum(not (s.out_over and s.in_over) for s in theirs) < self.ours.max_streams, "R4.21: a stream too many")
            self.last_opened = f.stream
        elif stream and f.kind == "CREDIT":
            self.rule(f.limit >= stream.limit, "R6.2: credit taken back")
        elif stream and f.kind == "DATA":
            self.rule(len(f.payload) <= stream.fragment_size, "R4.20: a fragment too long")
            for s in (stream, self.streams[0]):
                self.rule(s.arrived + wire.charge(f) <= s.granted, "R6.3: DATA beyond a limit")
        super().take(f)

ends.Session = Judged

async def told(log, handshake):
    try:
        return await handshake
    except Exception as e:
        log.append(f"{type(e).__name__}: {e}")
        raise

class Client(ends.Client):
    """Says what its handshakes died of, and can be held back from attaching."""
    def __init__(self, *arguments, **options):
        self.log, self.gate, self.asked = [], asyncio.Lock(), 0  # `asked`: handshakes with a predecessor
        super().__init__(*arguments, **options)

    async def attach(self):
        async with self.gate:
            return await told(self.log, super().attach())

    async def full(self, carrier, old):
        self.asked += old is not None
        return await super().full(carrier, old)

class Server(ends.Server):
    """Says what its handshakes died of, and can refuse for no reason."""
    def __init__(self, *arguments, busy=0, **options):
        super().__init__(*arguments, **options)
        self.log, self.busy, self.refuse_resumes = [], busy, 0  # how many HELLOs to answer Retry, and RESUMEs Refused

    async def full(self, carrier, packet):
        if self.busy:
            self.busy -= 1
            return await carrier.send(b"\6" + wire.put("REJECT", SimpleNamespace(code="Retry", after=50)))
        return await told(self.log, super().full(carrier, packet))

    async def resume(self, carrier, packet):
        if self.refuse_resumes:
            self.refuse_resumes -= 1
            return await self.reject(carrier, "Refused")
        return await told(self.log, super().resume(carrier, packet))
