"""Reads that time out, are repeated, and lose nothing."""

import asyncio


async def serve(reader, writer):
    for part in (b"first ", b"second\n", b"third"):
        await asyncio.sleep(0.02)
        writer.write(part)
    writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        lines, late = [], 0
        while not reader.at_eof():
            try:
                async with asyncio.timeout(0.005):
                    lines.append(await reader.readline())
            except TimeoutError:
                late += 1
        print(lines, late > 0)
        writer.close()
        try:
            await asyncio.StreamReader().readexactly(-1)
        except ValueError as exc:
            print(exc)
        half = asyncio.StreamReader()
        half.feed_data(b"ab")
        half.feed_eof()
        try:
            await half.readexactly(3)
        except asyncio.IncompleteReadError as exc:
            print(exc)


if __name__ == "__main__":
    asyncio.run(main())
