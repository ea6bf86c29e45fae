"""The bug without any checker: start the http server, install aiohttp, and run this file.

One slot, two waiters; the slot is released, and the first waiter is canceled in the same tick.
"""

import asyncio

import aiohttp

URL = "http://127.0.0.1:18080"


async def fetch(session):
    async with session.get(URL + "/echo/x") as r:
        return await r.text()


async def main():
    print("aiohttp", aiohttp.__version__)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        r = await session.get(URL + "/chunks/y")  # the headers are here, the body is coming
        second = asyncio.ensure_future(fetch(session))
        third = asyncio.ensure_future(fetch(session))
        await asyncio.sleep(0.001)
        r.close()  # gives the slot back, which wakes the second request
        second.cancel()
        try:
            print("third request:", await asyncio.wait_for(third, 3))
        except TimeoutError:
            in_use = len(session.connector._acquired)
            print("third request: still waits for a connection after 3 s; in use:", in_use)


if __name__ == "__main__":
    asyncio.run(main())
