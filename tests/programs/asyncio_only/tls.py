"""Streams over TLS, both sides."""

import asyncio
import os
import ssl


async def serve(reader, writer):
    writer.write(b"secret " + await reader.readline())
    await writer.drain()
    writer.close()
    await writer.wait_closed()


async def main():
    folder = os.environ["CERTIFICATE"]
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")
    client_side = ssl.create_default_context(cafile=f"{folder}/cert.pem")
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=server_side)
    port = server.sockets[0].getsockname()[1]
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port, ssl=client_side, server_hostname="localhost"
    )
    writer.write(b"word\n")
    print(await reader.read(), writer.get_extra_info("cipher") is not None)
    writer.close()
    await writer.wait_closed()
    try:
        await asyncio.open_connection("127.0.0.1", port, ssl=ssl.create_default_context())
    except ssl.SSLError as exc:
        print(type(exc).__name__)
    server.close()
    await server.wait_closed()


if __name__ == "__main__":
    asyncio.run(main())
