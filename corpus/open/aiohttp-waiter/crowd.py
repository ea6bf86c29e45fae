"""Two requests, one after the other, over a pool with one connection."""

import aiohttp

URL = "http://127.0.0.1:18080/echo/hello"


async def setup(env):
    env.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))


async def scenario(env):
    for _ in range(2):
        async with env.session.get(URL) as response:
            text = await response.text()
    return text


async def teardown(env):
    await env.session.close()
