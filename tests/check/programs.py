"""Programs that are checked by the command line, in a process of their own."""

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

__all__ = ["LIBRARY", "Ended", "rescind_check", "write"]

#: A pool of one that forgets its permit if its holder is canceled, and a function that swallows.
LIBRARY = """
    import asyncio

    class Pool:
        def __init__(self):
            self.free, self.waiters = 1, []

        async def acquire(self):
            if self.free:
                self.free -= 1
                return
            waiter = asyncio.get_running_loop().create_future()
            self.waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter in self.waiters:
                    self.waiters.remove(waiter)
                elif not waiter.cancelled():
                    self.release()
                raise

        def release(self):
            while self.waiters:
                if not (waiter := self.waiters.pop(0)).done():  # else its task was canceled
                    return waiter.set_result(None)
            self.free += 1

        async def forgetful(self):
            await self.acquire()
            await asyncio.sleep(0.01)
            self.release()

        async def careful(self):
            await self.acquire()
            try:
                await asyncio.sleep(0.01)
            finally:
                self.release()

    async def swallow():
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            pass

    async def pass_on():
        await asyncio.sleep(0.01)

    async def slow_for(seconds):
        try:
            await asyncio.sleep(0.01)
        finally:
            await asyncio.sleep(seconds)

    async def fails_behind():
        ready = asyncio.get_running_loop().create_future()
        async def helper():
            ready.set_result(None)
        task = asyncio.create_task(helper())
        await ready
        await task
"""


def write(folder: Path, **modules: str) -> None:
    """Write modules, their indentation taken off."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source).lstrip(), encoding="utf-8")


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


def rescind_check(folder: Path, *arguments: str, given: str = "") -> Ended:
    """Run ``rescind check`` in a folder, and wait for its end."""
    done = subprocess.run(
        [sys.executable, "-m", "rescind", "check", *arguments],
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)
