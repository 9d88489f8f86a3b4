"""A session of either end, and its streams: sections 4 to 8 and 10 of PROTOCOL.md."""
import asyncio
from collections import Counter, deque
from contextlib import suppress

from cryptography.exceptions import InvalidTag

from carriers import BROKEN
from noise import KEY_LIMIT
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
        self.chunks, self.stopped, self.out_over, self.in_over, self.reset_code = deque(), False, False, False, None
    def free(self):
        return min(self.session.free(), self.limit - self.used, self.session.streams[0].limit - self.session.streams[0].used)
    async def send(self, payload, message_end=True, stream_end=False):
        """Commits a message, or bytes, in as many fragments as credit, outbox and packets demand."""
        while not (self.out_over or self.session.ended):
            await self.session.until(lambda: self.out_over or self.free() >= 64 + bool(payload))
            size = min(len(payload), self.fragment_size, max(self.free() - 64, 0), self.session.theirs.packet_limit - 1_200)
            piece, payload = payload[:size], payload[size:]
            self.session.commit(data(self.id, piece, message_end and not payload, stream_end and not payload))
            if not payload:
                return
    def stop(self, code):
        self.stopped, self.chunks = True, deque()
        self.session.commit(frame("STOP", stream=self.id, code=code))
    async def chunk(self):
        """The next payload and whether a message ends behind it; None behind the last."""
        await self.session.until(lambda: self.chunks or self.in_over)
        self.session.news()
        return self.chunks.popleft() if self.chunks else None

class Link:
    """A connection that has proven itself: its keys, what its handshake stated, and where the session stands on it."""
    def __init__(self, carrier, handshake, stated=0, floor=None, old=None):
        self.carrier, self.suite, (self.tx, self.rx, self.secret) = carrier, handshake.suite, handshake.finish()
        self.stated, self.floor, self.old = stated, floor, old  # `stated` is never below `floor`; `old` is draining
        self.own_n = self.peer_n = UNKNOWN if old else 0  # where each end begins after a planned swap
        self.cursor, self.said, self.go_on, self.repeat_until = 0, None, None, 0
        self.arriving, self.due = None, None  # `due`: the FROMs that are to answer our RESYNC
        self.extra, self.got_ack, self.rekey = [], False, False  # `extra`: frames without a position that are to be sent

class Session:
    def __init__(self, client, id, link, ours, theirs):
        self.id, self.secret, self.suite, self.ours, self.theirs, self.counter = id, link.secret, link.suite, ours, theirs, 0
        self.interval = min(ours.keepalive_interval, theirs.keepalive_interval) / 1_000
        self.sent, self.acked, self.charged, self.own_close = [], 0, 0, None  # `sent`: every frame, by position
        self.expected, self.inbox, self.ack_said, self.ack_now, self.frozen = 0, {}, 0, False, None
        self.streams = {0: Stream(self, frame("OPEN", stream=0, label=b"", fragment_size=0))}
        self.arrivals, self.next_id, self.last_peer_id = asyncio.Queue(), *((1, 0) if client else (2, -1))
        self.current = self.candidate = self.peer_close = self.peer_final = self.ended = self.reason = self.goaway = None
        self.live, self.attaches, self.counts, self.progress = set(), 0, Counter(), asyncio.Event()
    def news(self):
        self.progress.set()
        self.progress.clear()
    async def until(self, condition):
        while not (condition() or self.ended):
            await self.progress.wait()

    # Sending

    def free(self):
        """What DATA may still be charged: a quarter of the outbox is set aside for control."""
        return min(self.ours.outbox_limit, self.theirs.inbox_limit) * 3 // 4 - self.charged
    def slot(self, id, most):
        """Whether the end that `id` is of may have one more stream."""
        return sum(s.id % 2 == id % 2 and not (s.out_over and s.in_over) for s in self.streams.values() if s.id) < most
    async def open(self, label=b"", fragment_size=16_000):
        await self.until(lambda: self.slot(self.next_id, self.theirs.max_streams) and self.free() > 400)
        opened = frame("OPEN", stream=self.next_id, priority=128, fragment_size=fragment_size, label=label)
        stream = self.streams[self.next_id] = Stream(self, opened)
        self.next_id += 2
        self.commit(opened)
        return stream
    def commit(self, f):
        """Gives `f` its position, unless one of the ends has closed, or that half of its stream is over."""
        touched = (self.streams[f.stream], self.streams[0]) if f.kind == "DATA" else ()
        if self.own_close or self.peer_final is not None or any(stream.out_over for stream in touched):
            return
        self.sent.append(f)
        self.charged += charge(f)
        for stream in touched:
            stream.used, stream.out_over = stream.used + charge(f), f.stream_end and stream.id > 0
        self.news()
    def grant(self):
        """Credit for what was read, when that at least doubles what the peer has left."""
        unread = {s.id: sum(64 + len(payload) for payload, _ in s.chunks) for s in self.streams.values()}
        unread[0] = sum(unread.values())
        for s in self.streams.values():
            limit = s.arrived - unread[s.id] + s.window
            if limit - s.granted >= max(s.granted - s.arrived, 64) and not s.in_over and self.free() > 0:
                s.granted = limit
                self.commit(frame("CREDIT", stream=s.id, limit=limit))
    def stated(self):
        return self.expected if self.frozen is None else self.frozen
    def next_frame(self, link, room):
        """What goes next on `link`: FROM where the cursor has jumped, or else the frame there, if it fits."""
        if link.go_on is not None and link.cursor >= link.own_n:  # our answer to RESYNC is complete
            link.cursor, link.go_on = link.go_on, None
        link.cursor = max(link.cursor, self.acked)
        if link.said != link.cursor:
            link.said, link.own_n = link.cursor, min(link.own_n, link.cursor) if link.said is None else link.own_n
            return frame("FROM", position=link.cursor)
        if self.peer_final is None and link.cursor < len(self.sent) and charge(self.sent[link.cursor]) <= room:
            link.cursor = link.said = link.cursor + 1
            return self.sent[link.cursor - 1]
    def packet(self, link):
        """The next packet, packed frame by frame, FROM first; None if there is nothing to say."""
        frames, room, current = [], self.theirs.packet_limit - 1_100, link is self.current  # ends and extras have the rest
        if current:
            self.grant()
        while current and (f := self.next_frame(link, room)):
            frames.append(f)
            room -= charge(f)  # more than it takes
        frames, link.extra = frames + link.extra, []
        if current and (self.ack_now or frames and self.stated() > self.ack_said):
            frames.append(frame("ACK", position=self.stated()))
            self.ack_said, self.ack_now = self.stated(), False
        if rekey := frames and (link.rekey or link.tx.packets == KEY_LIMIT - 1):
            frames.append(frame("REKEY"))
        self.counts.update("sent " + f.kind for f in frames)
        packet = b"\7" + link.tx.crypt("encrypt", encode(frames)) if frames else None
        if rekey:
            link.rekey = link.tx.rekey()
        return packet
    async def write(self, link):
        with suppress(*BROKEN):
            while link in self.live:
                if packet := self.packet(link):
                    await link.carrier.send(packet)
                else:
                    await self.progress.wait()

    # Attaching

    def missing(self):
        return self.current is not None and self.expected < self.current.peer_n
    def settled(self):
        """Whether a planned swap may begin."""
        link = self.current
        known = link is not None and link.got_ack and link.arriving is not None
        return known and self.expected >= link.peer_n and self.acked >= link.own_n and link.cursor >= link.repeat_until
    def secrets(self):
        return [(holder.suite, holder.secret) for holder in (self, self.candidate) if holder]
    def propose(self, link):
        self.retire(self.candidate)
        self.candidate = link
        self.live.add(link)
    def attach(self, link):
        """`link` carries the session from now on, after a planned swap if an `old` one drains."""
        self.retire(*self.live - {link, link.old})
        self.secret, self.suite, self.current, self.candidate = link.secret, link.suite, link, None
        self.acknowledge(link.stated, self.acked if link.floor is None else link.floor)
        link.cursor, link.repeat_until = (link.old.cursor, 0) if link.old else (link.stated, len(self.sent))
        asyncio.get_running_loop().call_later(DRAIN_TIMER, self.retire, link.old)
        link.extra += [frame("CLOSED", position=self.stated())] if self.peer_final is not None else []
        self.attaches, self.ack_now = self.attaches + 1, True
        self.counts["planned"] += link.old is not None
    def retire(self, *links):
        """Nothing that arrives on these matters any more, nor on what drains beside them."""
        for link in self.live & set(links):
            self.live.remove(link)
            link.carrier.close()
            if link is self.current:
                self.current = None
                self.retire(link.old)
        self.settle()
        self.news()
    def settle(self):
        """After a planned swap: closes the old connection, or asks for what it did not deliver."""
        link = self.current
        if link and link.old in self.live and self.expected >= link.peer_n and self.acked >= link.own_n:
            self.retire(link.old)
        elif link and link.old not in self.live and self.expected < link.peer_n < UNKNOWN and link.due is None:
            link.due = [self.stated(), None]
            link.extra.append(frame("RESYNC", position=self.stated()))
    async def read(self, link):
        """The next packet. After a while without one PING goes out, and after another the connection is given up."""
        reading = asyncio.ensure_future(link.carrier.receive())
        for wait, ping in [(HANDSHAKE_TIMER, [])] if link is self.candidate else [(self.interval, []), (SILENCE, ["PING"])]:
            link.extra += [frame(kind, id=self.expected) for kind in ping]
            self.news()
            await asyncio.wait([reading], timeout=wait)
            if reading.done():
                return reading.result()
        raise ConnectionError("silence")
    async def serve(self, link):
        """Runs a connection to its end."""
        asyncio.create_task(self.write(link))
        with suppress(*BROKEN, InvalidTag):
            while (packet := await self.read(link))[0] == 7 and link in self.live:
                plaintext = link.rx.crypt("decrypt", packet[1:])
                if not self.ended:
                    self.receive(link, plaintext)
        self.retire(link)

    # Receiving

    def receive(self, link, plaintext=None):
        """A packet; the first on a candidate confirms it, whatever it holds. A client's connection needs none."""
        rekey = False
        try:
            if link is self.candidate:
                self.attach(link)
            for f in () if plaintext is None else decode(plaintext):
                self.counts[f.kind] += 1
                rekey, self.ack_now = rekey or f.kind == "REKEY", self.ack_now or f.kind in SEQUENCED
                (self.sequenced if f.kind in SEQUENCED else self.unsequenced)(link, f)
                if self.ended:
                    return
            need(rekey or link.rx.packets < KEY_LIMIT, "a key was used too often")
        except Refused as e:
            self.end("StateLost" if str(e) == "StateLost" else "ProtocolError", str(e).encode(), link)
        if rekey:
            link.rx.rekey()
        self.settle()
        self.news()
    def sequenced(self, link, f):
        need(link.arriving is not None, "a sequenced frame before FROM")
        link.due = [] if link.due == [link.arriving] else link.due  # FROM r is left out, where r is n
        need(not link.due or len(link.due) == 2 or link.arriving < link.peer_n, "an answer to RESYNC without its end")
        position, link.arriving = link.arriving, link.arriving + 1
        need(not self.peer_close or position <= self.close_at, "a frame behind CLOSE")
        if f.kind == "CLOSE" and not self.peer_close:
            need(max(self.inbox, default=0) <= position, "a frame behind CLOSE")
            self.peer_close, self.close_at = f, position
            if self.own_close:
                self.closed_by_peer()  # a closer acts on it wherever it lies
        need(position <= self.expected or self.missing() and link is self.current, "positions skipped")
        if position >= self.expected:
            self.inbox[position] = f
            need(sum(map(charge, self.inbox.values())) <= self.ours.inbox_limit, "inbox overrun")
        while self.expected in self.inbox:
            f, self.expected = self.inbox.pop(self.expected), self.expected + 1
            if self.frozen is None:  # what arrives behind our CLOSE is counted, and not taken over
                self.closed_by_peer() if f.kind == "CLOSE" else self.take(f)
    def take(self, f):
        """A sequenced frame in its turn."""
        if f.kind == "OPEN":
            need(f.stream % 2 == 1 - self.next_id % 2 and f.stream > self.last_peer_id, "a bad OPEN")
            need(self.slot(f.stream, self.ours.max_streams), "a stream too many")
            self.last_peer_id, self.streams[f.stream] = f.stream, Stream(self, f)
            self.arrivals.put_nowait(self.streams[f.stream])
        need(f.stream in self.streams, "a stream that was not opened")
        stream = self.streams[f.stream]
        if f.kind == "CREDIT":
            need(f.limit >= stream.limit, "credit taken back")
            stream.limit = f.limit
        elif f.kind == "STOP" and not stream.out_over:
            stream.out_over = True
            self.commit(frame("RESET", stream=f.stream, code=f.code))
        elif f.kind in ("DATA", "RESET"):
            need(not stream.in_over, "behind the end of its stream")
            stream.in_over = f.kind == "RESET" or f.stream_end
            if f.kind == "RESET":
                stream.reset_code, stream.chunks = f.code, deque()
            else:
                need(len(f.payload) <= stream.fragment_size, "a fragment too long")
                stream.chunks += [] if stream.stopped else [(f.payload, f.message_end)]
                for s in (stream, self.streams[0]):
                    s.arrived += charge(f)
                    need(s.arrived <= s.granted, "no credit")
    def possible(self, position, floor, final=False):
        """Whether the peer can state this position: none above the one in its CLOSE, and no other finally."""
        closed = self.peer_close.position if self.peer_close else len(self.sent)
        return floor <= position <= closed <= len(self.sent) and not (final and self.peer_close and position < closed)
    def acknowledge(self, position, floor, final=False):
        need(self.possible(position, floor, final), "StateLost")
        self.charged -= sum(map(charge, self.sent[self.acked:position]))
        self.acked = max(self.acked, position)
    def unsequenced(self, link, f):
        """What concerns only the connection that it arrives on."""
        if f.kind == "ACK":
            need(f.position <= len(self.sent), "more acknowledged than committed")
            self.acknowledge(f.position, 0)
            link.got_ack = True
        elif f.kind == "FROM":
            self.goes_on_from(link, f.position)
        elif f.kind == "RESYNC":
            need(link is self.current and link.old and not link.repeat_until and f.position < link.own_n, "RESYNC without need")
            self.acknowledge(f.position, self.acked)
            link.go_on, link.cursor, link.repeat_until = link.cursor, f.position, link.own_n
        elif f.kind == "PING":
            link.extra.append(frame("PONG", id=f.id))
        elif f.kind == "GOAWAY":
            self.goaway = f
        elif f.kind == "CLOSED":
            need(self.own_close, "CLOSED without CLOSE")
            self.acknowledge(f.position, self.acked, final=True)
            self.peer_final = f.position
            self.end("Done")
        elif f.kind == "END":
            self.over(f.code, f.reason, f.position if f.code in ("Done", "ProtocolError", "Aborted") else None)
        need(f.kind != "FINAL", "FINAL out of place")
    def goes_on_from(self, link, position):
        if link.due:  # an answer to RESYNC: FROM p, p to n - 1, FROM r, with r where this connection was
            due = link.due.pop(0)
            need(position >= due and (link.due or link.arriving == link.peer_n), "an answer to RESYNC too low, or too early")
            need(position == due, "StateLost")
            link.due = [link.arriving] if link.due else []
        elif link.arriving is None:
            link.peer_n = min(link.peer_n, position)
        else:
            need(position > link.arriving, "FROM without need")
        need(position <= self.expected or self.missing() and link is self.current, "StateLost")
        link.arriving = position

    # Ends

    def close(self, code=0, reason=b""):
        self.frozen, close = self.stated(), frame("CLOSE", code=code, reason=reason, position=self.stated())
        self.commit(close)
        self.own_close = close
    def closed_by_peer(self):
        self.acknowledge(self.peer_close.position, self.acked)
        self.peer_final, self.frozen = self.peer_close.position, self.stated()
        self.current.extra.append(frame("CLOSED", position=self.frozen))
        if self.own_close:
            self.end("Done")
    def end(self, code, reason=b"", link=None):
        """The session is over, and END says so."""
        link = link or self.current
        if not self.ended:
            link.extra = [frame("END", code=code, reason=reason, position=self.stated(), after=None, alternate=b"")]
            asyncio.get_running_loop().call_later(LAST_PACKET, self.retire, link)
        self.over(code, reason, last=link)
    def over(self, code, reason=b"", final=None, last=None):
        """The session is over. `final`: the peer's final position, as it says; `last`: the connection that END goes out on."""
        if not self.ended:
            believed = final is None or self.possible(final, self.acked, final=True)
            self.ended, self.reason, self.current = code if believed else "StateLost", reason, None
            self.peer_final = final if believed and final is not None else self.peer_final
            self.retire(*self.live - {last})
