"""Awaiting an asyncio future, as every asyncio library does; the loop completes it next.

What rescind's driver costs between the loop and a library, and nothing else.
"""

from __future__ import annotations

from typing import Final

from bench.subject import Subject, Watch

SUBJECTS: Final = (
    Subject("asyncio_future", "an asyncio future is awaited that the loop completes", growth=()),
)


async def on_asyncio(watch: Watch, n: int) -> int:
    import asyncio

    loop = asyncio.get_running_loop()
    with watch:
        for _ in range(n):
            future = loop.create_future()
            loop.call_soon(future.set_result, None)
            await future
    return n


on_rescind = on_asyncio
on_anyio = on_asyncio
