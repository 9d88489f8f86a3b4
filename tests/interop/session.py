"""A session of either end, and its streams: sections 4 to 8 and 10 of PROTOCOL.md."""
import asyncio
from collections import deque
from time import monotonic

from cryptography.exceptions import InvalidTag

from carriers import BROKEN
from noise import KEY_LIMIT
from wire import ENDS, SEQUENCED, Refused, charge, data, decode, encode, frame, need

ACK_DELAY, DRAIN_TIMER, SILENCE = 0.025, 5, 30

class Window:
    """Credit of a stream or of the session, in both directions, counted in charges."""
    def __init__(self, theirs, ours):
        self.limit, self.used = theirs, 0  # what the peer granted us, what of it is committed
        self.window, self.granted, self.got, self.read = ours, ours, 0, 0

    def grant(self, stream, control, amount):
        """`amount` was read: grants anew when that at least doubles what the peer has left."""
        self.read += amount
        fresh = self.read + self.window
        if fresh > self.granted and fresh - self.got >= 2 * (self.granted - self.got):
            self.granted = fresh
            control["CREDIT", stream] = frame("CREDIT", stream=stream, limit=fresh)

class Stream:
    def __init__(self, session, opened):
        self.session, self.id, self.label, self.fragment_size = session, opened.stream, opened.label, opened.fragment_size
        self.pending, self.waiting, self.chunks = deque(), 0, deque()  # to be sent (payload, message end, stream end), received
        self.out_over = self.in_over = self.stopped = False
        self.reset_code = None
        self.window = Window(session.theirs["stream_window"], session.ours["stream_window"])

    async def send(self, payload, message_end=True, stream_end=False):
        await self.session.until(lambda: self.waiting < 200_000)
        if not self.out_over:
            self.pending.append((payload, message_end, stream_end))
            self.waiting += len(payload)
            self.session.wake()

    def fragment(self, available, room):
        """The next frame of at most `available` charges and `room` bytes."""
        payload, message_end, stream_end = self.pending[0]
        size = min(len(payload), self.fragment_size, available - 64, room - 14)
        if size < 0 or size == 0 != len(payload):
            return None
        self.waiting -= size
        if size < len(payload):
            self.pending[0] = (payload[size:], message_end, stream_end)
            return data(self.id, payload[:size])
        self.pending.popleft()
        self.out_over = stream_end
        return data(self.id, payload, message_end, stream_end)

    def reset(self, code):
        self.pending.clear()
        self.waiting, self.out_over = 0, True
        self.session.control["RESET", self.id] = frame("RESET", stream=self.id, code=code)
        self.session.wake()

    def stop(self, code):
        self.stopped = True
        self.session.control["STOP", self.id] = frame("STOP", stream=self.id, code=code)
        self.discard()

    def discard(self):
        while self.chunks:
            self.session.have_read(self, self.chunks.popleft()[2])

    async def chunk(self):
        """The next payload and whether a message ends behind it; None behind the last."""
        await self.session.until(lambda: self.chunks or self.in_over)
        if not self.chunks:
            return None
        payload, message_end, cost = self.chunks.popleft()
        self.session.have_read(self, cost)
        return payload, message_end

    async def receive(self):
        message = []
        while part := await self.chunk():
            message.append(part[0])
            if part[1]:
                return b"".join(message)

class Link:
    """A connection, its keys, and where the session stands on it."""
    def __init__(self, carrier, tx, rx):
        self.carrier, self.tx, self.rx = carrier, tx, rx
        self.cursor, self.arriving, self.say_from, self.confirmed = 0, None, True, False
        self.old, self.own_n, self.peer_n, self.replay = None, None, None, None  # of a planned swap
        self.gone = self.asked = self.answered = self.got_ack = self.rekey = False
        self.extra, self.farewell, self.repeat_until = [], None, 0
        self.heard, self.pinged, self.wake = monotonic(), None, asyncio.Event()

class Session:
    def __init__(self, client, suite, id, secret, ours, theirs, incarnation=bytes(8)):
        self.client, self.suite, self.id, self.secret, self.incarnation = client, suite, id, secret, incarnation
        self.ours, self.theirs, self.counter = ours, theirs, 0
        self.outbox, self.acked, self.committed, self.charged = {}, 0, 0, 0
        self.expected, self.frozen, self.inbox = 0, None, {}
        self.control, self.streams, self.turn, self.arrivals = {}, {}, deque(), deque()
        self.next_id, self.last_peer_id = (1, 0) if client else (2, -1)
        self.window = Window(theirs["session_window"], ours["session_window"])
        self.current = self.candidate = self.closing = self.peer_close = self.peer_final = self.ended = None
        self.close_sent = self.ack_now = self.ack_timer = False
        self.close_at = self.goaway = self.last = None
        self.ack_said = self.unacked = self.unacked_charge = 0
        self.progress, self.counts, self.when_over = asyncio.Event(), {}, lambda session: None

    def pulse(self):
        self.progress.set()
        self.progress.clear()

    async def until(self, condition):
        while not condition() and not self.ended:
            await self.progress.wait()

    def count(self, what):
        self.counts[what] = self.counts.get(what, 0) + 1

    def wake(self):
        if self.current:
            self.current.wake.set()

    # Streams

    async def open(self, label=b"", fragment_size=16_000, priority=128):
        def busy(s):
            return (s.id - self.next_id) % 2 == 0 and not (s.out_over and not s.pending and s.in_over)
        await self.until(lambda: sum(map(busy, self.streams.values())) < self.theirs["max_streams"])
        opened = frame("OPEN", stream=self.next_id, priority=priority, fragment_size=fragment_size, label=label)
        self.next_id += 2
        self.control["OPEN", opened.stream] = opened
        return self.add(opened)

    def add(self, opened):
        stream = self.streams[opened.stream] = Stream(self, opened)
        self.turn.append(stream)
        self.wake()
        return stream

    async def accept(self):
        await self.until(lambda: self.arrivals)
        return self.arrivals.popleft() if self.arrivals else None

    def have_read(self, stream, cost):
        self.window.grant(0, self.control, cost)
        if not stream.in_over:
            stream.window.grant(stream.id, self.control, cost)
        self.wake()

    # Sending

    def stated(self):
        return self.expected if self.frozen is None else self.frozen

    def commit(self, room):
        """The next frame that is given its position: control first, then the streams in turn, then CLOSE."""
        limit = min(self.ours["outbox_limit"], self.theirs["inbox_limit"])
        f = None
        if self.closing and self.closing[2] and not self.close_sent:
            self.control.clear()  # CLOSE in front of what is queued
        if self.control and self.charged + charge(next(iter(self.control.values()))) <= limit and room > 1_100:
            f = self.control.pop(next(iter(self.control)))
        elif self.closing and not self.control and (self.closing[2] or not any(s.pending for s in self.turn)) and room > 1_100:
            self.frozen, self.close_sent = self.stated(), True
            f = frame("CLOSE", code=self.closing[0], reason=self.closing[1], position=self.frozen)
        elif not (self.closing and self.closing[2]):
            for _ in range(len(self.turn)):
                self.turn.rotate(-1)
                stream, free = self.turn[-1], self.window.limit - self.window.used
                free = min(free, limit - limit // 4 - self.charged, stream.window.limit - stream.window.used)
                if stream.pending and (f := stream.fragment(free, room)):
                    self.window.used += charge(f)
                    stream.window.used += charge(f)
                    break
        if f:
            self.outbox[self.committed] = f
            self.committed += 1
            self.charged += charge(f)
        return f

    def sequenced_frames(self, link, room):
        out = []
        if link.cursor < self.acked:
            link.cursor, link.say_from = self.acked, True
        while True:
            if link.replay and link.cursor >= link.replay[0]:
                link.cursor, link.say_from, link.replay = max(link.replay[1], self.acked), True, None
            if link.say_from:
                out.append(frame("FROM", position=link.cursor))
                link.own_n = link.cursor if link.own_n is None else link.own_n
                link.say_from, room = False, room - 9
            if self.peer_close or self.close_sent and link.cursor == self.committed:
                return out
            f = self.outbox.get(link.cursor)
            if f and len(encode([f])) + 9 > room or not f and not (f := self.commit(room)):
                return out
            link.cursor += 1
            room -= len(encode([f])) + 9
            out.append(f)

    def pack(self, link):
        if link.farewell:
            return self.seal(link, [link.farewell])
        extra, link.extra = link.extra, []
        frames = extra
        if link is self.current:
            room = self.theirs["packet_limit"] - 17 - len(encode(extra)) - 20
            sequenced = self.sequenced_frames(link, room)
            said = self.stated()
            first = 1 if sequenced and sequenced[0].kind == "FROM" else 0
            frames = sequenced[:first] + extra + sequenced[first:]
            if self.ack_now or frames and said > self.ack_said:
                frames.insert(first, frame("ACK", position=said))
                self.ack_said, self.ack_now, self.unacked, self.unacked_charge = said, False, 0, 0
        if frames and (link.rekey or link.tx.packets == KEY_LIMIT - 1):
            frames.append(frame("REKEY"))
        return self.seal(link, frames) if frames else None

    def seal(self, link, frames):
        packet = b"\7" + link.tx.seal(encode(frames))
        for f in frames:
            self.count("sent " + f.kind)
        if frames[-1].kind == "REKEY":
            link.rekey = False
            link.tx.rekey()
        return packet

    async def pump(self, link):
        try:
            while not link.gone:
                if not (packet := self.pack(link)):
                    await link.wake.wait()
                    link.wake.clear()
                else:
                    await link.carrier.send(packet)
                    if link.farewell:
                        return await link.carrier.finish()
        except BROKEN:
            link.carrier.abort()

    async def watch(self, link):
        interval = min(self.ours["keepalive_interval"], self.theirs["keepalive_interval"]) / 1_000
        while not link.gone:
            await asyncio.sleep(interval / 4)
            if monotonic() - link.heard > interval + SILENCE:
                link.carrier.abort()
            elif monotonic() - link.heard > interval and (link.pinged or 0) < link.heard:
                link.pinged = monotonic()
                link.extra.append(frame("PING", id=int(link.pinged * 1_000)))
                link.wake.set()

    # Attaching

    def settled(self):
        """Whether a planned swap may begin."""
        link = self.current
        return bool(link and not link.gone and link.arriving is not None and link.got_ack and not self.missing() and not link.replay
                    and (not link.old or self.acked >= link.own_n) and link.cursor >= link.repeat_until)

    def missing(self):
        link = self.current
        return bool(link and link.old and (link.peer_n is None or self.expected < link.peer_n))

    def attach(self, link, secret, old, stated):
        """`link` carries the session now: after a planned swap if there is an `old`. `stated`: the peer's position."""
        need(stated <= self.committed, "StateLost")
        for other in (self.current, self.current and self.current.old):
            if other and other is not old:
                self.retire(other)
        if stated > self.acked:
            self.acknowledge(stated)
        self.secret, self.current, link.confirmed, link.old = secret, link, True, old
        link.cursor, link.repeat_until = max(old.cursor if old else stated, self.acked), 0 if old else self.committed
        self.ack_now = True
        if old:
            asyncio.get_running_loop().call_later(DRAIN_TIMER, self.settle, link, True)
        if self.peer_close:
            link.extra.append(frame("CLOSED", position=self.stated()))
        link.wake.set()
        self.count("planned" if old else "dead")
        self.pulse()

    def retire(self, link):
        link.gone = True
        link.wake.set()
        link.carrier.close()

    def settle(self, link, fired=False):
        """After a planned swap: closes the old connection, or asks for what it did not deliver."""
        if link is self.current and link.old and None not in (link.peer_n, link.own_n):
            if not self.missing() and self.acked >= link.own_n:
                self.retire(link.old)
            elif self.missing() and (link.old.gone or fired) and not link.asked:
                link.asked = True
                self.retire(link.old)
                link.extra.append(frame("RESYNC", position=self.stated()))
                link.wake.set()

    async def serve(self, link):
        """Runs a connection to its end."""
        tasks = [asyncio.create_task(self.pump(link)), asyncio.create_task(self.watch(link))]
        try:
            while True:
                packet = await link.carrier.receive()
                if packet[0] != 7 or link.gone:
                    break
                plaintext = link.rx.open(packet[1:])
                link.heard = monotonic()
                if not self.ended:
                    self.receive(link, decode(plaintext))
                    self.pulse()
        except (*BROKEN, InvalidTag):
            pass
        except Refused as e:
            self.end(str(e) if str(e) in ENDS else "ProtocolError", str(e), link)
            await asyncio.sleep(0.2)  # END goes out
        finally:
            link.gone = True
            if self.current is link:
                self.last, self.current = link, None
            elif self.current:
                self.settle(self.current)
            link.carrier.close()
            for task in tasks:
                task.cancel()
            self.pulse()

    # Receiving

    def receive(self, link, frames):
        rekey = any(f.kind == "REKEY" for f in frames)
        need(rekey or link.rx.packets < KEY_LIMIT or frames[-1].kind == "END", "a key was used too often")
        if self.candidate and link is self.candidate.link:
            candidate, self.candidate = self.candidate, None
            need(candidate.alive or candidate.stated >= self.acked, "StateLost")
            self.suite = candidate.suite
            self.attach(link, candidate.secret, candidate.old, candidate.stated)
        for f in frames:
            self.count(f.kind)
            if f.kind in SEQUENCED:
                self.sequenced(link, f)
            elif f.kind != "REKEY":
                getattr(self, "on_" + f.kind.lower())(link, f)
            if self.ended:
                return
        if rekey:
            link.rx.rekey()
        cost = [charge(f) for f in frames if f.kind in SEQUENCED]
        self.unacked, self.unacked_charge = self.unacked + bool(cost), self.unacked_charge + sum(cost)
        if self.unacked >= 16 or self.unacked_charge >= self.theirs["outbox_limit"] // 4:
            self.acknowledge_now()
        elif cost and not self.ack_timer:
            self.ack_timer = asyncio.get_running_loop().call_later(ACK_DELAY, self.acknowledge_now)
        if self.current:
            self.settle(self.current)
        self.wake()

    def acknowledge_now(self):
        self.ack_timer, self.ack_now = False, True
        self.wake()

    def sequenced(self, link, f):
        need(link.arriving is not None, "a sequenced frame before FROM")
        position, link.arriving = link.arriving, link.arriving + 1
        need(self.close_at is None or position <= self.close_at, "a frame behind CLOSE")
        if f.kind == "CLOSE":
            need(not self.inbox or max(self.inbox) <= position, "a frame behind CLOSE")
            self.close_at = position
            if self.frozen is not None and not self.peer_close:
                self.on_close(f)  # a closer acts on it wherever it lies
        if position != self.expected:
            self.ack_now = True
        if position > self.expected:
            need(self.missing(), "positions skipped")
            self.inbox[position] = f
            need(sum(map(charge, self.inbox.values())) <= self.ours["inbox_limit"], "inbox overrun")
        elif position == self.expected:
            while f:
                self.expected += 1
                self.take(f)
                f = self.inbox.pop(self.expected, None)

    def take(self, f):
        if self.frozen is not None:
            return  # what arrives behind our CLOSE is not taken over
        if f.kind == "CLOSE":
            return self.on_close(f)
        if f.kind == "OPEN":
            need(f.stream % 2 == 1 - self.next_id % 2 and f.stream > self.last_peer_id, "a bad OPEN")
            self.last_peer_id = f.stream
            self.arrivals.append(self.add(f))
            return
        if f.kind == "CREDIT" and f.stream == 0:
            stream = self
        else:
            need(f.stream in self.streams, "a stream that was not opened")
            stream = self.streams[f.stream]
        if f.kind == "CREDIT":
            need(f.limit >= stream.window.limit, "credit taken back")
            stream.window.limit = f.limit
        elif f.kind == "STOP":
            if not stream.out_over:
                stream.reset(f.code)
        else:
            need(not stream.in_over, "behind the end of its stream")
            stream.in_over = f.kind == "RESET" or f.stream_end
            if f.kind == "RESET":
                stream.reset_code = f.code
                return stream.discard()
            need(len(f.payload) <= stream.fragment_size, "a fragment too long")
            for window in (stream.window, self.window):
                window.got += charge(f)
                need(window.got <= window.granted, "no credit")
            stream.chunks.append((f.payload, f.message_end, charge(f)))
            if stream.stopped:
                stream.discard()

    def acknowledge(self, position):
        need(position <= self.committed, "more acknowledged than committed")
        while self.acked < position:
            self.charged -= charge(self.outbox.pop(self.acked))
            self.acked += 1

    def on_ack(self, link, f):
        link.got_ack = True
        self.acknowledge(f.position)

    def on_from(self, link, f):
        if link.arriving is None and link.old:
            link.peer_n = f.position
        need(f.position <= self.expected or self.missing(), "StateLost")
        need(link.arriving is None or f.position > link.arriving or link.asked, "FROM without need")
        link.arriving = f.position

    def on_resync(self, link, f):
        need(link.old and not link.answered and f.position < link.own_n, "a RESYNC that has no place")
        need(f.position >= self.acked, "StateLost")
        link.answered = True
        self.acknowledge(f.position)
        link.replay, link.cursor, link.say_from = (link.own_n, link.cursor), f.position, True

    def on_ping(self, link, f):
        link.extra.append(frame("PONG", id=f.id))
        link.wake.set()

    def on_pong(self, link, f):
        pass

    def on_goaway(self, link, f):
        self.goaway = f

    def on_final(self, link, f):
        need(False, "FINAL out of place")

    # Ends

    def close(self, code=0, reason=b"", in_front=False):
        self.closing = (code, reason, in_front)
        self.wake()

    def on_close(self, f):
        need(f.position <= self.committed, "StateLost")
        self.acknowledge(f.position)
        self.peer_close, self.peer_final, self.frozen = f, f.position, self.stated()
        self.current.extra.append(frame("CLOSED", position=self.frozen))
        if self.close_sent:
            self.end("Done")

    def on_closed(self, link, f):
        need(self.close_sent, "CLOSED without CLOSE")
        self.peer_final = f.position
        self.end("Done")

    def on_end(self, link, f):
        if f.position is not None and f.code != "StateLost":
            self.peer_final = f.position
        self.over(f)

    def end(self, code, reason="", link=None):
        f = frame("END", code=code, reason=reason.encode(), position=self.stated(), after=None, alternate=b"")
        if not self.ended and (link := link or self.current):
            link.farewell = f
            link.wake.set()
        self.over(f)

    def over(self, f):
        self.ended = self.ended or f
        self.when_over(self)
        self.pulse()
