"""A small town of servers on loopback addresses for iaido to stand before: names that resolve, backends
that can fail and come back, and clients that keep connections open. It runs in a thread of its own."""

import asyncio
import socket
import struct
import threading


class Town:
    def __init__(self, names):
        """names: {"db-1.near.example": "127.1.0.1", ...}"""
        self.names = names
        self.servers = {}
        self.writers = {}
        self.clients = {}
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.dns_port = self._call(self._start_dns())
        self.port = free_port()
        for address in names.values():
            self.open(address)

    def _call(self, coroutine):
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(30)

    async def _start_dns(self):
        transport, _ = await self.loop.create_datagram_endpoint(
            lambda: Names(self.names), local_addr=("127.0.0.1", 0))
        return transport.get_extra_info("sockname")[1]

    def open(self, address):
        """The backend listens, and answers each line with itself."""
        async def serve(reader, writer):
            self.writers.setdefault(address, set()).add(writer)
            try:
                while data := await reader.read(4096):
                    writer.write(data)
                    await writer.drain()
            except OSError:
                pass
            finally:
                self.writers[address].discard(writer)
                writer.transport.abort()

        async def start():
            self.servers[address] = await asyncio.start_server(serve, address, self.port,
                                                               backlog=1024)
        self._call(start())

    def fail(self, address):
        """The backend dies: it refuses, and what it served is reset."""
        async def stop():
            self.servers.pop(address).close()
            for writer in list(self.writers.get(address, ())):
                writer.transport.abort()
        self._call(stop())

    def keep_open(self, port, count, pause=0.25):
        """That many clients of a frontend at a time; who is cut comes back."""
        async def chat():
            while True:
                writer = None
                try:
                    reader, writer = await asyncio.open_connection("127.0.0.1", port)
                    while True:
                        writer.write(b"x" * 1200)
                        if not await reader.read(4096):
                            break
                        await asyncio.sleep(pause)
                except OSError:
                    await asyncio.sleep(0.05)
                finally:
                    if writer:
                        writer.transport.abort()

        async def set_count():
            tasks = self.clients.setdefault(port, [])
            while len(tasks) < count:
                tasks.append(asyncio.ensure_future(chat()))
            for task in tasks[count:]:
                task.cancel()
            del tasks[count:]
        self._call(set_count())


class Names(asyncio.DatagramProtocol):
    """Answers A from its list; of all else that it knows a name of, that there is none."""

    def __init__(self, names):
        self.names = names

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        question = data[12:at + 5]
        address = self.names.get(".".join(labels).lower())
        wants_a = struct.unpack(">H", data[at + 1:at + 3])[0] == 1
        answer = b""
        if address and wants_a:
            answer = b"\xc0\x0c\0\1\0\1" + struct.pack(">IH", 30, 4) + socket.inet_aton(address)
        flags = 0x8180 if address else 0x8183
        head = data[:2] + struct.pack(">HHHHH", flags, 1, 1 if answer else 0, 0, 0)
        self.transport.sendto(head + question + answer, addr)


def free_port():
    """One that nobody has on any loopback address now."""
    with socket.socket() as s:
        s.bind(("", 0))
        return s.getsockname()[1]
