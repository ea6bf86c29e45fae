"""A server that echoes, and clients that talk to it at the same time."""

import asyncio


async def serve(reader, writer):
    while line := await reader.readline():
        writer.write(line.upper())
        await writer.drain()
    writer.close()
    await writer.wait_closed()


async def client(port, name):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers = []
    for number in range(3):
        writer.write(f"{name} {number}\n".encode())
        answers.append((await reader.readline()).decode().strip())
    writer.close()
    await writer.wait_closed()
    return answers


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        for answers in await asyncio.gather(*(client(port, name) for name in "abc")):
            print(answers)
    print("serving:", server.is_serving())


if __name__ == "__main__":
    asyncio.run(main())
