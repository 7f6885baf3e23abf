"""What systemd.sh puts before and behind iaido: `serve PORT` echoes; `dns NAME ADDRESS` knows one name;
`hold PORT` keeps a connection talking, and `load PORT` opens one after another, each until SIGTERM. Who
sees a connection refused, cut or changed says so and exits 1; else how many answers there were."""

import asyncio
import signal
import sys

from town import Names


async def echo(reader, writer):
    try:
        while data := await reader.read(4096):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def serve(port):
    server = await asyncio.start_server(echo, "127.0.0.1", int(port))
    await server.serve_forever()


async def dns(name, address):
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Names({name: address}), local_addr=("127.0.0.1", 53))
    await asyncio.Event().wait()


def until_told():
    """Set by SIGTERM."""
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    return over


async def ask(reader, writer, number):
    line = b"%d\n" % number
    writer.write(line)
    answer = await asyncio.wait_for(reader.readline(), 10)
    if answer != line:
        raise ConnectionError("answer %d is %r" % (number, answer))


async def hold(port):
    over = until_told()
    number = 0
    reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
    while not over.is_set():
        await ask(reader, writer, number)
        number += 1
        if number == 1:
            print("held", flush=True)
        await asyncio.sleep(0.02)
    writer.close()
    print(number, "answers")


async def load(port):
    over = until_told()
    number = 0
    while not over.is_set():
        reader, writer = await asyncio.open_connection("127.0.0.1", int(port))
        await ask(reader, writer, number)
        writer.close()
        number += 1
        await asyncio.sleep(0.005)
    print(number, "answers")


try:
    asyncio.run({"serve": serve, "dns": dns, "hold": hold, "load": load}[sys.argv[1]](*sys.argv[2:]))
except (OSError, asyncio.TimeoutError) as error:
    sys.exit("%s: %r" % (sys.argv[1], error))
