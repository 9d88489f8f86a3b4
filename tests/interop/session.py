"""A session of either end, and its streams: sections 4 to 8 and 10 of PROTOCOL.md. What does it no harm `referee.py` judges."""
import asyncio
from collections import deque
from contextlib import suppress
from cryptography.exceptions import InvalidTag
from carriers import BROKEN
from handshakes import KEY_LIMIT
from wire import SEQUENCED, Refused, charge, data, decode, encode, frame, need

DRAIN_TIMER, SILENCE, HANDSHAKE_TIMER, LAST_PACKET = 5, 30, 10, 2  # seconds
UNKNOWN = 2**62  # above every position

class Stream:
    """A stream; stream 0 stands for the session's credit."""
    def __init__(self, session, opened):
        self.session, self.id, self.label, self.fragment_size = session, opened.stream, opened.label, opened.fragment_size
        window = "stream_window" if self.id else "session_window"
        self.limit, self.window = getattr(session.theirs, window), getattr(session.ours, window)
        self.used, self.granted, self.arrived = 0, self.window, 0  # in charges, like the limit that we have
        self.chunks, self.out_over, self.in_over = deque(), False, None  # `in_over`: the frame that ended what arrives
    def free(self):
        return min(self.session.free(), *(s.limit - s.used for s in (self, self.session.streams[0])))
    async def send(self, payload, message_end=True, stream_end=False):  # in as many fragments as there must be
        while payload is not None:
            await self.session.until(lambda: self.out_over or self.free() >= 64 + bool(payload))
            if self.out_over or self.session.ended:
                return
            size = min(len(payload), self.fragment_size, self.free() - 64, self.session.theirs.packet_limit - 300)
            piece, payload = payload[:size], payload[size:] or None
            self.session.commit(data(self.id, piece, message_end and not payload, stream_end and not payload))
    async def chunk(self):  # the next payload and whether a message ends behind it; None behind the last
        await self.session.until(lambda: self.chunks or self.in_over)
        self.session.news()  # there may be credit to grant
        return self.chunks.popleft() if self.chunks else None

class Link:
    """A connection that has proven itself: its keys, what its handshake stated, and where the session stands on it."""
    def __init__(self, carrier, handshake, stated=0, floor=UNKNOWN, old=None):
        self.carrier, self.suite, (self.tx, self.rx, self.secret) = carrier, handshake.suite, handshake.finish()
        self.stated, self.floor, self.old = stated, floor, old  # `floor`: what `stated` may not be below; `old` is draining
        self.own_n, self.peer_n = 0, UNKNOWN if old else 0  # where each end begins after a planned swap
        self.cursor, self.said, self.go_on, self.repeat_until = 0, None, None, 0
        self.arriving, self.asked, self.got_ack, self.extra = None, False, False, []  # `extra`: what goes without a position
        self.parts, self.begun = [], None  # what is left of the frame at the cursor; what has come of one that comes in parts
        self.tx_rekeyed = self.rx_rekeyed = 0  # packets before the present key
    def seal(self, frames):
        frames = [frame("REKEY")] * (self.tx.n - self.tx_rekeyed == KEY_LIMIT - 1) + frames
        packet = b"\7" + self.tx.encrypt_with_ad(b"", encode(frames))
        if frame("REKEY") in frames:
            self.tx_rekeyed = self.tx.n
            self.tx.rekey()
        return packet

class Session:
    def __init__(self, client, id, link, ours, theirs):
        self.id, self.secret, self.suite, self.ours, self.theirs, self.counter = id, link.secret, link.suite, ours, theirs, 0
        self.interval = min(ours.keepalive_interval, theirs.keepalive_interval) / 1_000
        self.sent, self.acked, self.charged, self.expected, self.inbox = [], 0, 0, 0, {}  # `sent`: every frame, by position
        self.streams, self.next_id = {0: Stream(self, frame("OPEN", stream=0, label=b"", fragment_size=0))}, 1 if client else 2
        self.current = self.candidate = self.ack_now = self.goaway = self.ended = self.reason = None
        self.own_close = self.peer_close = self.peer_final = self.frozen = None
        self.live, self.arrivals, self.progress, self.longest_part = set(), asyncio.Queue(), asyncio.Event(), UNKNOWN
    def news(self):
        self.progress.set()
        self.progress.clear()
    async def until(self, condition):
        while not (condition() or self.ended):
            await self.progress.wait()

    # Sending
    def free(self):  # what DATA may still be charged: a quarter of the outbox is set aside for control
        return min(self.ours.outbox_limit, self.theirs.inbox_limit) * 3 // 4 - self.charged
    async def open(self, label=b"", fragment_size=16_000):
        mine = lambda s: s.id % 2 == self.next_id % 2 and s.id > 0 and not (s.out_over and s.in_over)
        await self.until(lambda: sum(map(mine, self.streams.values())) < self.theirs.max_streams and self.free() > 400)
        opened = frame("OPEN", stream=self.next_id, priority=128, fragment_size=fragment_size, label=label)
        self.streams[opened.stream], self.next_id = Stream(self, opened), self.next_id + 2
        self.commit(opened)
        return self.streams[opened.stream]
    def commit(self, f):  # gives `f` its position, unless one of the ends has closed
        if not self.own_close and self.peer_final is None:
            self.sent.append(f)
            self.charged += charge(f)
            for s in (self.streams[f.stream], self.streams[0]) if f.kind == "DATA" else ():
                s.used, s.out_over = s.used + charge(f), f.stream_end and s.id > 0
            self.news()
    def grant(self):  # credit for what was read, when that at least doubles what the peer has left
        unread = {s.id: sum(64 + len(payload) for payload, _ in s.chunks) for s in self.streams.values()}
        unread[0] = sum(unread.values())
        for s in self.streams.values():
            limit = s.arrived - unread[s.id] + s.window
            if limit - s.granted >= max(s.granted - s.arrived, 64) and not s.in_over and self.free() > 0:
                s.granted = limit
                self.commit(frame("CREDIT", stream=s.id, limit=limit))
    def stated(self):
        return self.expected if self.frozen is None else self.frozen
    def pack(self, link):  # a packet: FROM where the cursor has jumped, the frames from there on, what has no position
        frames, room, current = [], self.theirs.packet_limit - 200, link is self.current
        if current:
            self.grant()
        while current:
            if link.go_on is not None and link.cursor >= link.own_n:  # our answer to RESYNC is complete
                link.cursor, link.go_on, link.parts = link.go_on, None, []
            if link.cursor < self.acked:
                link.cursor, link.parts = self.acked, []
            if link.said != link.cursor:
                frames.append(frame("FROM", position=link.cursor))
            elif self.peer_final is None and link.cursor < len(self.sent) and charge(self.sent[link.cursor]) <= room:
                link.parts = link.parts or self.parts(self.sent[link.cursor])
                frames.append(link.parts.pop(0))
                link.cursor += not link.parts
            else:
                break
            link.said, room = link.cursor, room - charge(frames[-1])  # which is more than it takes
        if current and self.ack_now:
            frames.append(frame("ACK", position=self.stated()))
            self.ack_now = False
        frames, link.extra = frames + link.extra, []
        return frames
    def parts(self, f):  # what `f` goes as: itself, or parts of it that hold no more of its payload than `longest_part`
        n = self.longest_part if f.kind == "DATA" and len(f.payload) > self.longest_part else None
        return [f] if not n else [data(f.stream, f.payload[at:at + n], f.message_end, f.stream_end, total=len(f.payload), offset=at)
                                  for at in range(0, len(f.payload), n)]
    async def write(self, link):
        with suppress(*BROKEN):
            while link in self.live:
                if frames := self.pack(link):
                    await link.carrier.send(link.seal(frames))
                else:
                    await self.progress.wait()

    # Attaching
    def settled(self):  # whether a planned swap is over, and the next one may begin
        link = self.current
        caught_up = link and link.got_ack and self.expected >= link.peer_n
        return caught_up and self.acked >= link.own_n and link.cursor >= link.repeat_until
    def secrets(self):
        return [(holder.suite, holder.secret) for holder in (self, self.candidate) if holder]
    def propose(self, link):
        self.retire(self.candidate)
        self.candidate = link
        self.live.add(link)
    def attach(self, link):  # `link` carries the session from now on, after a planned swap if an `old` one drains
        self.retire(*self.live - {link, link.old})
        self.secret, self.suite, self.current, self.candidate, self.ack_now = link.secret, link.suite, link, None, True
        self.acknowledge(link.stated, min(self.acked, link.floor))
        if not link.old and self.peer_final is None:  # what came ahead of its turn is sent again
            self.inbox, self.peer_close = {}, None
        link.cursor, link.repeat_until = (link.old.cursor, 0) if link.old else (self.acked, len(self.sent))
        link.own_n = link.cursor if link.old else 0
        asyncio.get_running_loop().call_later(DRAIN_TIMER, self.retire, link.old)
        link.extra += [frame("CLOSED", position=self.stated())] if self.peer_final is not None else []
    def retire(self, *links):  # nothing that arrives on these matters any more; RESYNC asks for what one had to deliver
        for link in self.live & set(links):
            self.live.remove(link)
            link.carrier.close()
            if link is self.current:
                self.current = None
                self.retire(link.old)
        link = self.current
        if link and self.expected < link.peer_n < UNKNOWN and not (link.old in self.live or link.asked):
            link.asked = True
            link.extra.append(frame("RESYNC", position=self.stated()))
        self.news()
    async def read(self, link):  # the next packet; PING goes out after a while without one, and then the connection is dead
        reading = asyncio.ensure_future(link.carrier.receive())
        for wait in [HANDSHAKE_TIMER] if link is self.candidate else [self.interval, SILENCE]:
            if (await asyncio.wait([reading], timeout=wait))[0]:
                return reading.result()
            link.extra.append(frame("PING", id=self.expected))
            self.news()
        raise ConnectionError("silence")
    async def serve(self, link):
        asyncio.create_task(self.write(link))
        with suppress(*BROKEN, InvalidTag):
            while (packet := await self.read(link))[0] == 7 and link in self.live:
                self.receive(link, decode(link.rx.decrypt_with_ad(b"", packet[1:])))
        self.retire(link)

    # Receiving
    def receive(self, link, frames):  # a packet; the first on a candidate confirms it, whatever it holds
        try:
            if link is self.candidate:
                self.attach(link)
            while not self.ended and (f := next(frames, None)):
                self.hear(link, f)
            need(link.rx.n - link.rx_rekeyed < KEY_LIMIT, "a key was used too often")
        except Refused as e:
            self.end("StateLost" if str(e) == "StateLost" else "ProtocolError", str(e).encode(), link)
        self.retire(self.current.old if self.settled() else None)
    def hear(self, link, f):
        need(link.arriving is not None or f.kind not in (*SEQUENCED, "PART"), "a sequenced frame before FROM")
        if f.kind == "PART":  # the frame arrives with the last of them
            begun = link.begun or data(f.stream, b"", f.message_end, f.stream_end, total=f.total)
            of = lambda part: (part.stream, part.message_end, part.stream_end, part.total)
            need(of(f) == of(begun) and f.offset == len(begun.payload), "not the next part")
            begun.payload += f.payload
            link.begun = begun if len(begun.payload) < f.total else None
            if not link.begun:
                self.hear(link, data(f.stream, begun.payload, f.message_end, f.stream_end))
        elif f.kind in SEQUENCED:
            need(not link.begun, "between two parts")
            self.place(link, f, link.arriving)
            link.arriving, self.ack_now = link.arriving + 1, True
        elif f.kind == "ACK":
            need(f.position <= len(self.sent), "more acknowledged than committed")
            self.acknowledge(f.position, 0)
            link.got_ack = True
        elif f.kind == "FROM":
            link.peer_n = min(link.peer_n, f.position) if link.arriving is None else link.peer_n
            need(f.position <= self.expected or link is self.current and self.expected < link.peer_n, "StateLost")
            link.arriving, link.begun = f.position, None
        elif f.kind == "RESYNC":
            self.acknowledge(f.position, self.acked)
            link.go_on, link.cursor, link.repeat_until, link.parts = link.cursor, f.position, link.own_n, []
        elif f.kind == "PING":
            link.extra.append(frame("PONG", id=f.id))
        elif f.kind == "GOAWAY":
            self.goaway = f
        elif f.kind == "CLOSED":
            need(self.own_close, "CLOSED without CLOSE")
            self.end("Done", link=link, final=f.position)
        elif f.kind == "END":
            self.end(f.code, f.reason, final=f.position if f.code in ("Done", "ProtocolError", "Aborted", "Replaced") else None)
        elif f.kind == "REKEY" and link.rx_rekeyed < link.rx.n:  # several in a packet are read as one
            link.rx_rekeyed = link.rx.n
            link.rx.rekey()
        need(f.kind != "FINAL", "FINAL out of place")
    def place(self, link, f, position):  # a sequenced frame is taken in its turn; a closer acts on CLOSE wherever it lies
        need(position <= self.expected or link is self.current and self.expected < link.peer_n, "positions skipped")
        if f.kind == "CLOSE" and not self.peer_close:
            self.peer_close = f
            if self.own_close:
                self.closed_by_peer()
        if position >= self.expected:
            self.inbox[position] = f
            need(sum(map(charge, self.inbox.values())) <= self.ours.inbox_limit, "inbox overrun")
        while self.expected in self.inbox:
            f, self.expected = self.inbox.pop(self.expected), self.expected + 1
            if self.frozen is None:  # what arrives behind our CLOSE is counted, and not taken over
                self.closed_by_peer() if f.kind == "CLOSE" else self.take(f)
    def take(self, f):
        if f.kind == "OPEN":
            need(f.stream % 2 != self.next_id % 2 and f.stream not in self.streams, "a bad OPEN")
            self.streams[f.stream] = Stream(self, f)
            self.arrivals.put_nowait(self.streams[f.stream])
        need(f.stream in self.streams, "a stream that was not opened")
        stream = self.streams[f.stream]
        need(f.kind not in ("DATA", "RESET") or not stream.in_over, "behind the end of its stream")
        if f.kind == "CREDIT":
            stream.limit = f.limit
        elif f.kind == "STOP" and not stream.out_over:
            stream.out_over = True
            self.commit(frame("RESET", stream=f.stream, code=f.code))
        elif f.kind == "RESET":
            stream.in_over, stream.chunks = f, deque()
        elif f.kind == "DATA":
            stream.in_over = f if f.stream_end else None
            stream.chunks.append((f.payload, f.message_end))
            stream.arrived, self.streams[0].arrived = stream.arrived + charge(f), self.streams[0].arrived + charge(f)
    def possible(self, position, floor):  # whether the peer can state this position, which its CLOSE bounds, too
        return floor <= position <= getattr(self.peer_close, "position", position) and position <= len(self.sent)
    def acknowledge(self, position, floor):
        need(self.possible(position, floor), "StateLost")
        self.charged -= sum(map(charge, self.sent[self.acked:position]))
        self.acked = max(self.acked, position)

    # Ends
    def close(self, code=0, reason=b""):
        self.commit(frame("CLOSE", code=code, reason=reason, position=self.stated()))
        self.frozen, self.own_close = self.stated(), True
    def closed_by_peer(self):
        self.acknowledge(self.peer_close.position, self.acked)
        self.peer_final, self.frozen = self.peer_close.position, self.stated()
        self.current.extra.append(frame("CLOSED", position=self.frozen))
        if self.own_close:
            self.end("Done", link=self.current)
    def end(self, code, reason=b"", link=None, final=None):  # it is over, as END says on `link`; `final`: the peer's final position
        if not self.ended:
            if final is not None:
                believed = self.possible(final, self.acked) and final == getattr(self.peer_close, "position", final)
                code, self.peer_final = (code, final) if believed else ("StateLost", self.peer_final)
            self.ended, self.reason, self.current = code, reason, None
            if link:
                link.extra = [frame("END", code=code, reason=reason, position=self.stated(), after=None, alternate=b"")]
                asyncio.get_running_loop().call_later(LAST_PACKET, self.retire, link)
            self.retire(*self.live - {link})
