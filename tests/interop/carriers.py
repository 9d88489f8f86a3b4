"""The two carriers of section 2: packets over TCP and over WebSockets."""
import asyncio

import websockets
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

from wire import LONGEST

BROKEN = (OSError, EOFError, websockets.WebSocketException)  # what a carrier raises when its connection is gone
WEBSOCKET = dict(subprotocols=["unbroken.v1"], compression=None, ping_interval=None, max_size=65_535, close_timeout=1)

def check(kind, size):
    if not 0 < size <= LONGEST.get(kind, 0):
        raise ConnectionError(f"a packet of type {kind} and {size} bytes")

class Tcp:
    def __init__(self, reader, writer):
        self.reader, self.writer, self.close = reader, writer, writer.close

    async def receive(self):
        size = int.from_bytes(await self.reader.readexactly(2), "big")
        kind = await self.reader.readexactly(1) if size else b"\0"
        check(kind[0], size)
        return kind + await self.reader.readexactly(size - 1)

    async def send(self, packet):
        self.writer.write(len(packet).to_bytes(2, "big") + packet)
        await self.writer.drain()

class WebSocket:
    def __init__(self, socket):
        self.socket, self.send = socket, socket.send

    async def receive(self):
        packet = await self.socket.recv()
        check(packet[0] if packet and isinstance(packet, bytes) else 0, len(packet))
        return packet

    def close(self):
        asyncio.ensure_future(self.socket.close())

async def dial(carrier, port):
    if carrier == "tcp":
        return Tcp(*await asyncio.open_connection("127.0.0.1", port))
    socket = await connect(f"ws://127.0.0.1:{port}/", proxy=None, **WEBSOCKET)
    if not socket.subprotocol:
        raise ConnectionError("a server that does not choose the subprotocol")
    return WebSocket(socket)

async def listen(carrier, handle):
    """Calls `handle` with each connection; returns the server and its port."""
    if carrier == "tcp":
        server = await asyncio.start_server(lambda *pair: handle(Tcp(*pair)), "127.0.0.1", 0)
    else:
        server = await serve(lambda socket: handle(WebSocket(socket)), "127.0.0.1", 0, **WEBSOCKET)
    return server, next(iter(server.sockets)).getsockname()[1]
