"""The two carriers of section 2: packets over TCP and over WebSockets."""
import asyncio
import websockets
from wire import LONGEST, Refused, need

BROKEN = (OSError, EOFError, websockets.WebSocketException, Refused)  # what a carrier raises when its connection is over
WEBSOCKET = dict(subprotocols=["unbroken.v1"], compression=None, ping_interval=None, max_size=65_535, close_timeout=1)

class Tcp:
    def __init__(self, reader, writer):
        self.reader, self.writer, self.close = reader, writer, writer.close
    async def receive(self):
        size = int.from_bytes(await self.reader.readexactly(2), "big")
        kind = await self.reader.readexactly(min(size, 1))
        need(kind and size <= LONGEST.get(kind[0], 0), "no packet of ours")
        return kind + await self.reader.readexactly(size - 1)
    async def send(self, packet):
        self.writer.write(len(packet).to_bytes(2, "big") + packet)
        await self.writer.drain()

class WebSocket:
    def __init__(self, socket):
        need(socket.subprotocol, "a server that does not choose the subprotocol")
        self.send, self.socket = socket.send, socket
    async def receive(self):
        packet = await self.socket.recv()
        need(packet and isinstance(packet, bytes) and len(packet) <= LONGEST.get(packet[0], 0), "no packet of ours")
        return packet
    def close(self):
        asyncio.ensure_future(self.socket.close())
