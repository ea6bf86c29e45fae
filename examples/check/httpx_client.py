"""A released library: one canceled GET, and httpx has a connection less for ever.

    rescind check examples/check/httpx_client.py --modes asyncio,rescind --budget 30s

It needs `pip install httpx`, and no server: `setup` starts one, in a thread, on a free port. The
client has one connection, which is open already when the scenario begins.

Look at the columns of the matrix, one for each way to cancel. Under `asyncio` (`Task.cancel()`)
httpcore 1.0.9, the library below httpx, breaks: a cancellation that arrives while it puts the
connection back, or a second one while it cleans up after the first, ends that in the middle. The
connection stays in the pool, in use by nobody, and each request from then on waits for it until it
times out. Under `rescind` it holds: what was begun inside a shield of anyio's is let finish, and a
cleanup is not canceled again.
"""

import asyncio
import threading

import httpx

TIMEOUT = 0.5


async def serve(reader, writer):
    """Answer each request on a connection with the path that it asked for."""
    try:
        while True:
            path = (await reader.readuntil(b"\r\n\r\n")).split()[1]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(path), path))
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


class Server(threading.Thread):
    """A server with an event loop of its own, so that the checker sees the client alone."""

    def __init__(self):
        super().__init__()
        self.ready = threading.Event()

    def run(self):
        """Serve until `stop` is called."""
        asyncio.run(self.main())

    async def main(self):
        """Listen on a free port."""
        self.loop, self.stopped = asyncio.get_running_loop(), asyncio.Event()
        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            self.ready.set()
            await self.stopped.wait()

    def stop(self):
        """End it; safe from other threads."""
        self.loop.call_soon_threadsafe(self.stopped.set)
        self.join()


async def setup(env):
    """Start a server; make a client whose pool has one connection, and open it."""
    env.server = Server()
    env.server.start()
    env.server.ready.wait()
    env.client = httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{env.server.port}", limits=httpx.Limits(max_connections=1)
    )
    await env.client.get("/zero")


async def scenario(env):
    """Make two requests."""
    return [(await env.client.get(path)).text for path in ("/one", "/two")]


async def teardown(env):
    """End both."""
    await env.client.aclose()
    env.server.stop()
