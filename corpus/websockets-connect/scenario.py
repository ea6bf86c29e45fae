"""Connect, send a message, and wait for its echo."""

import asyncio

import websockets

TIMEOUT = 1.5


async def scenario(env):
    ws = await websockets.connect("ws://127.0.0.1:18765/")
    try:
        await ws.send("hello")
        return await ws.recv()
    finally:
        await ws.close()


async def invariant(env, outcome):
    loop = asyncio.get_running_loop()
    watched = loop._selector.get_map().values()
    open_ones = [key for key in watched if key.fileobj != loop._ssock.fileno()]
    assert not open_ones, f"{len(open_ones)} connection(s) still open and watched by the loop"
