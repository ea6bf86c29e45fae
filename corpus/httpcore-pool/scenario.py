"""Make two requests with a pool of two connections."""

import httpcore

TIMEOUT = 1.0
URL = "http://127.0.0.1:18080"


async def setup(env):
    env.pool = httpcore.AsyncConnectionPool(max_connections=2, max_keepalive_connections=1)


async def scenario(env):
    out = []
    for path in ("/echo/one", "/chunks/two"):
        r = await env.pool.request("GET", URL + path)
        out.append((r.status, r.content))
    return out


async def invariant(env, outcome):
    bad = [repr(c) for c in env.pool.connections if not (c.is_idle() or c.is_closed())]
    assert not bad, f"connections that no request uses: {bad}"


async def teardown(env):
    await env.pool.aclose()
