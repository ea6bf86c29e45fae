"""A TCP proxy that is slow: `srv_proxy.py PORT UPSTREAM DELAY_MS`, on 127.0.0.1 alone.

Every chunk, both ways, is handed on DELAY_MS later, in order.
"""

import asyncio
import sys
from contextlib import suppress


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Hand on what comes, each chunk that much later, until the end."""
    loop = asyncio.get_running_loop()
    chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def hand_on() -> None:
        with suppress(OSError):
            while True:
                at, data = await chunks.get()
                await asyncio.sleep(max(0, at - loop.time()))
                if not data:
                    break
                writer.write(data)
                await writer.drain()
        writer.close()

    sender = loop.create_task(hand_on())
    data = b"-"
    while data:
        try:
            data = await reader.read(65536)
        except OSError:
            data = b""
        chunks.put_nowait((loop.time() + delay, data))
    await sender


async def serve(port: int, upstream: int, delay: float) -> None:
    """Accept connections for ever."""

    async def accepted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            up_reader, up_writer = await asyncio.open_connection("127.0.0.1", upstream)
        except OSError:
            writer.close()
            return
        await asyncio.gather(pump(reader, up_writer, delay), pump(up_reader, writer, delay))

    server = await asyncio.start_server(accepted, "127.0.0.1", port, backlog=128)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) / 1000))
