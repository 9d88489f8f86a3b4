"""The two carriers of section 2: packets over TCP and over WebSockets."""
import asyncio

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from wire import LONGEST

SUBPROTOCOL = "unbroken.v1"
BROKEN = (OSError, EOFError, websockets.WebSocketException)  # what a carrier raises when its connection is gone

def check(kind, size):
    if not 0 < size <= LONGEST.get(kind, 0):
        raise ConnectionError(f"a packet of type {kind} and {size} bytes")

class Tcp:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def receive(self):
        head = await self.reader.readexactly(3)  # the length and the type byte are enough to judge
        size = int.from_bytes(head[:2], "big")
        check(head[2], size)
        return head[2:] + await self.reader.readexactly(size - 1)

    async def send(self, packet):
        self.writer.write(len(packet).to_bytes(2, "big") + packet)
        await self.writer.drain()

    async def finish(self):
        """Closes behind what was sent, once the peer has had the time to read it."""
        self.writer.write_eof()
        await asyncio.sleep(0.2)

    def close(self):
        self.writer.close()

    def abort(self):
        self.writer.transport.abort()

class WebSocket:
    def __init__(self, socket):
        self.socket = socket

    async def receive(self):
        packet = await self.socket.recv()
        check(packet[0] if packet and isinstance(packet, bytes) else 0, len(packet))
        return packet

    async def send(self, packet):
        await self.socket.send(packet)

    async def finish(self):
        await self.socket.close()

    def close(self):
        asyncio.ensure_future(self.socket.close())

    def abort(self):
        self.socket.transport.abort()

OPTIONS = dict(compression=None, ping_interval=None, max_size=65_535, close_timeout=1)

async def dial(carrier, port):
    if carrier == "tcp":
        return Tcp(*await asyncio.open_connection("127.0.0.1", port))
    return WebSocket(await connect(f"ws://127.0.0.1:{port}/", subprotocols=[SUBPROTOCOL], proxy=None, **OPTIONS))

def detached(handle):
    """`handle` in a task that its server does not wait for."""
    tasks = set()

    def call(*arguments):
        tasks.add(task := asyncio.ensure_future(handle(*arguments)))
        task.add_done_callback(tasks.discard)
    return call

async def listen(carrier, handle, port=0):
    """Calls `handle` with each connection; returns the server and its port."""
    if carrier == "tcp":
        server = await asyncio.start_server(detached(lambda r, w: handle(Tcp(r, w))), "127.0.0.1", port)
        return server, server.sockets[0].getsockname()[1]
    server = await serve(lambda s: handle(WebSocket(s)), "127.0.0.1", port, subprotocols=[SUBPROTOCOL], **OPTIONS)
    return server, next(iter(server.sockets)).getsockname()[1]
