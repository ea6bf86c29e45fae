"""Programs by chance, on a real loop, canceled by real threads: what holds for each of them.

*What it is.* A `Storm` runs one program, a tree of everything that runs and waits, while threads
cancel its tasks, groups and tokens, use its primitives and spawn more; then it looks at what is
left. ``python -m tests.tasks.storm 600`` plays one after the other for so many seconds, and tells
the seed of the first that fails; ``python -m tests.tasks.storm 0 uvloop 17`` plays that one.

*What it is not.* Repeatable: a seed gives the same program, but not the same threads.
"""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any

import rescind
from rescind import (
    Canceled,
    CancellationToken,
    Error,
    FutureSet,
    Runtime,
    Task,
    TaskGroup,
    sleep,
    task_group,
    timeout,
    yield_now,
)
from rescind.blocking import spawn_blocking
from rescind.lowlevel import ManualHost, as_future
from rescind.sync import Event, Mutex, Notify, RwLock, Semaphore, channel

HOSTS: dict[str, Any] = {"asyncio": "asyncio", "uvloop": "uvloop", "manual": ManualHost}

#: Nothing takes so long, even on a machine that is busy: who is not done then waits for ever.
PATIENCE = 120.0

#: Of a storm that is rough: in one that is not, nothing is dropped before its cleanup has ended.
_GRACES = (None, 0.0, 0.001)


class Boom(Exception):
    """What a program raises."""


class Litter:
    """A cycle, which does something when the collector finds it."""

    def __init__(self, last: Callable[[], object]) -> None:
        self.itself = self
        self.last = last

    def __del__(self) -> None:
        self.last()


class Storm:
    """One program, and the threads that disturb it.

    Args:
        seed: says which.
        host: where it runs: a key of `HOSTS`.

    Attributes:
        rough: are some dropped in the middle of their cleanup? Else none is, nor is any warned of.
    """

    def __init__(self, seed: int, host: str) -> None:
        self.chance = Random(f"{seed} {host}")
        self.leaves = self.chance.choice([8, 30, 100])
        self.rough = self.chance.random() < 0.5
        self.graces = _GRACES if self.rough else (None,)
        self.host = host
        self.begun: list[int] = []
        self.ended: list[int] = []
        self.wrong: list[str] = []
        # What can be canceled; threads look at copies.
        self.tasks: list[Task[Any]] = []
        self.groups: list[TaskGroup] = []
        self.tokens: list[CancellationToken] = []
        self.over = threading.Event()
        self.threads: list[threading.Thread] = []
        # The primitives, and who is inside.
        self.mutex = Mutex()
        self.semaphore = Semaphore(2)
        self.rwlock = RwLock()
        self.event = Event()
        self.notify = Notify()
        self.inside = Counter[str]()
        self.accepted: list[int] = []
        self.attempted: list[int] = []
        self.received: list[int] = []
        self.undelivered: list[int] = []
        self.sender, self.receiver = channel[int](
            self.chance.choice([0, 1, 3]), on_undelivered=self.undelivered.append
        )
        self.values = iter(range(10**9))
        # What nobody could be told.
        self.told: list[str] = []

    # -- the program ------------------------------------------------------------------------------

    async def run(self, depth: int, leaves: int) -> None:
        """Run a part of it, whose begin and end are noted."""
        number = len(self.begun)
        self.begun.append(number)
        try:
            if leaves <= 1 or depth <= 0:
                await self._leaf()
            else:
                await self._node(depth - 1, leaves)
        except (Boom, rescind.TaskCanceled, rescind.TimedOut):
            pass
        finally:
            self.ended.append(number)

    async def _leaf(self) -> None:
        name = self.chance.choice(_LEAVES if self.host != "manual" else _OWN_LEAVES)
        await getattr(self, name)()

    async def _node(self, depth: int, leaves: int) -> None:
        # A group in a generator that is closed is dropped.
        name = self.chance.choice([*_NODES, "_generator"] if self.rough else _NODES)
        parts = self.chance.randint(1, 3)
        each = [self.run(depth, leaves // parts) for _ in range(parts)]
        await getattr(self, name)(each)

    async def _pause(self) -> None:
        for _ in range(self.chance.randrange(3)):
            await yield_now()
        if self.chance.random() < 0.3:
            await sleep(self.chance.random() / 1000)

    def _enter(self, what: str, most: int) -> None:
        self.inside[what] += 1
        if self.inside[what] > most:
            self.wrong.append(f"{self.inside[what]} are inside {what}")

    # -- leaves

    async def _yields(self) -> None:
        await self._pause()

    async def _raises(self) -> None:
        await self._pause()
        raise Boom

    async def _waits(self) -> None:
        await timeout(rescind.never(), self.chance.random() / 500)

    async def _cleans_up(self) -> None:
        try:
            await self._pause()
            await timeout(self.event.wait(), 0.005)
        except rescind.Cancellation:  # and not if it is dropped: then it could not await
            with suppress(rescind.TimedOut):
                await timeout(self._pause(), 0.05)
            await self._counts()
            raise

    async def _absorbs(self) -> None:
        try:
            await sleep(self.chance.random() / 200)
        except rescind.Cancellation:
            await self._pause()

    async def _locks(self) -> None:
        async with self.mutex:
            self._enter("mutex", 1)
            try:
                await self._pause()
            finally:
                self.inside["mutex"] -= 1

    async def _counts(self) -> None:
        async with self.semaphore:
            self._enter("semaphore", 2)
            try:
                await self._pause()
            finally:
                self.inside["semaphore"] -= 1

    async def _reads(self) -> None:
        async with self.rwlock.read():
            if self.inside["writer"]:
                self.wrong.append("a reader beside a writer")
            await self._pause()

    async def _writes(self) -> None:
        async with self.rwlock.write():
            self._enter("writer", 1)
            try:
                await self._pause()
            finally:
                self.inside["writer"] -= 1

    async def _sends(self) -> None:
        value = next(self.values)
        self.attempted.append(value)
        await timeout(self.sender.send(value), 0.005)
        self.accepted.append(value)

    async def _receives(self) -> None:
        self.received.append(await timeout(self.receiver.recv(), 0.005))

    async def _notified(self) -> None:
        await timeout(self.notify.notified(), 0.003)

    async def _blocks(self) -> None:
        await spawn_blocking(time.sleep, 0.0005)

    async def _cancels_itself(self) -> None:
        rescind.current_task().cancel("by itself")
        await self._pause()

    async def _asyncio_future(self) -> None:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def settle() -> None:
            if not future.done():
                future.set_result(None)

        if self.chance.random() < 0.5:
            loop.call_later(0.001, settle)
        else:
            thread = threading.Timer(0.001, lambda: self._call(loop, settle))
            thread.start()
        await future

    def _call(self, loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # it may be closed by now
            loop.call_soon_threadsafe(function)

    async def _asyncio_timeout(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self.chance.random() / 500):
                await asyncio.sleep(self.chance.random() / 250)

    async def _asyncio_wait_for(self) -> None:
        with suppress(TimeoutError):
            await asyncio.wait_for(self._pause(), self.chance.random() / 500)

    async def _asyncio_group(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._pause())
            group.create_task(self._pause())

    # -- nodes

    async def _race(self, parts: list[Awaitable[Any]]) -> None:
        await rescind.race(*parts)

    async def _join(self, parts: list[Awaitable[Any]]) -> None:
        await rescind.join(*parts)

    async def _outcomes(self, parts: list[Awaitable[Any]]) -> None:
        await rescind.outcomes(*parts)

    async def _in_order(self, parts: list[Awaitable[Any]]) -> None:
        async with rescind.select(*parts) as selected:
            async for _ in selected:
                await yield_now()

    async def _set(self, parts: list[Awaitable[Any]]) -> None:
        async with FutureSet[int, Any](limit=2) as several:
            for part in parts:
                several.add(part)
            async for _ in several:
                await yield_now()

    async def _shared(self, parts: list[Awaitable[Any]]) -> None:
        one = rescind.shared(parts[0])
        await rescind.outcomes(one, one, *parts[1:])

    async def _timeouts(self, parts: list[Awaitable[Any]]) -> None:
        await timeout(rescind.join(*parts), self.chance.random() / 200)

    async def _deadline(self, parts: list[Awaitable[Any]]) -> None:
        joined = rescind.join(*parts)
        async with rescind.deadline(self.chance.random() / 200):
            await joined

    async def _shield(self, parts: list[Awaitable[Any]]) -> None:
        await rescind.shield(rescind.join(*parts))

    async def _shielded(self, parts: list[Awaitable[Any]]) -> None:
        joined = rescind.join(*parts)
        with rescind.shielded() as gate:
            if self.chance.random() < 0.5:
                await gate.open(joined)
            else:
                await joined

    async def _guard(self, parts: list[Awaitable[Any]]) -> None:
        token = CancellationToken()
        self.tokens.append(token)
        await token.guard(rescind.join(*parts))

    async def _group(self, parts: list[Awaitable[Any]]) -> None:
        group = task_group(policy=self.chance.choice(["fail_fast", "collect", "supervise"]))
        queue = list(parts)
        try:
            async with group:
                self.groups.append(group)
                while queue:
                    self.tasks.append(group.spawn(queue.pop()))
                await self._pause()
        except BaseExceptionGroup as exc:
            if exc.split((Boom, rescind.TaskCanceled, rescind.TimedOut, rescind.RescindError))[1]:
                raise
        finally:
            for part in queue:
                as_future(part).drop()

    async def _tasks(self, parts: list[Awaitable[Any]]) -> None:
        tasks = [rescind.spawn(part) for part in parts]
        self.tasks += tasks
        for task in tasks:
            if self.chance.random() < 0.5:
                await rescind.join_or_cancel(task)
            else:
                await task.join()

    async def _cancels(self, parts: list[Awaitable[Any]]) -> None:
        tasks = [rescind.spawn(part) for part in parts]
        self.tasks += tasks
        await self._pause()
        for task in tasks:
            await task.cancel("by its parent", grace=self.chance.choice(self.graces))

    async def _forgets(self, parts: list[Awaitable[Any]]) -> None:
        for part in parts:
            self.tasks.append(rescind.spawn(part))

    async def _generator(self, parts: list[Awaitable[Any]]) -> None:
        async def values() -> AsyncGenerator[None, None]:
            async with task_group() as group:
                for part in parts:
                    self.tasks.append(group.spawn(part))
                yield
                yield

        generator = values()
        try:
            async for _ in generator:
                await self._pause()
                break
        finally:
            await generator.aclose()

    # -- the threads ------------------------------------------------------------------------------

    def _disturb(self, runtime: Runtime, chance: Random) -> None:
        """Do what threads may do, until the program is over."""
        while not self.over.wait(chance.random() / 500):
            what = chance.randrange(12)
            if what < 5 and self.tasks:
                task = chance.choice(self.tasks[-40:])
                for _ in range(chance.choice([1, 1, 2])):
                    task.cancel("by a thread", grace=chance.choice(self.graces))
            elif what == 5 and self.tasks:
                handle = chance.choice(self.tasks[-40:]).cancellation_handle()
                handle.cancel("by a handle")
                if chance.random() < 0.3:
                    with suppress(TimeoutError):
                        handle.wait(0.01)
            elif what == 6 and self.groups:
                chance.choice(self.groups[-10:]).cancel("by a thread")
            elif what == 7 and self.tokens:
                chance.choice(self.tokens[-10:]).cancel("by a thread")
            elif what == 8:
                self.event.set()
                self.event.clear()
                self.notify.notify_one()
                self.notify.notify_waiters()
            elif what == 9:
                with suppress(rescind.WouldBlock):
                    self.received.append(self.receiver.recv_nowait())
                value = next(self.values)
                self.attempted.append(value)
                with suppress(rescind.WouldBlock):
                    self.sender.send_nowait(value)
                    self.accepted.append(value)
            elif what == 10:
                if len(self.begun) < 3000:
                    self.tasks.append(runtime.spawn(self.run(3, 4)))
            elif self.tasks:
                task = chance.choice(self.tasks[-40:])
                Litter(lambda task=task: task.cancel("by a finalizer"))
                gc.collect(0)

    # -- playing ----------------------------------------------------------------------------------

    async def _main(self) -> None:
        """Run trees, one after the other and beside each other; then wait for all there is."""
        for _ in range(3):
            trees = [rescind.spawn(self.run(5, self.leaves)) for _ in range(3)]
            self.tasks += trees
            for tree in trees:
                await tree.join()
        await spawn_blocking(self._end_threads)
        me = rescind.current_task()
        while others := [task for task in me.executor.tasks.values() if task is not me]:
            for task in others:  # those that a cleanup spawns come in the next round
                task.cancel("the end", grace=None)
            for task in others:
                await task.join()
        if self.host != "manual":
            while stock := [one for one in asyncio.all_tasks() if isinstance(one, asyncio.Task)]:
                await asyncio.wait(stock)

    def _end_threads(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join()

    def play(self) -> list[str]:
        """Run it; return what is wrong with what is left."""
        log = _Log(self.told)
        propagates = [logging.getLogger(name) for name in ("rescind", "asyncio")]
        host = HOSTS[self.host]
        before = sys.unraisablehook
        sys.unraisablehook = lambda unraised: self.told.append(
            f"unraisable: {unraised.exc_value!r}"
        )
        for one in propagates:
            one.addHandler(log)
        interval = sys.getswitchinterval()
        sys.setswitchinterval(1e-5)
        try:
            with Runtime(
                host=host() if host is ManualHost else host, grace=60.0, warn=False
            ) as runtime:
                self.threads = [
                    threading.Thread(
                        target=self._disturb, args=(runtime, Random(self.chance.random()))
                    )
                    for _ in range(3)
                ]
                for thread in self.threads:
                    thread.start()
                try:
                    outcome = runtime.drive(self._main()).outcome()
                finally:
                    self._end_threads()
                if isinstance(outcome, Error):
                    self.wrong.append(f"main failed: {outcome.exception!r}")
                if isinstance(outcome, Canceled):
                    self.wrong.append(f"main was canceled: {outcome.reason}")
                self._look(runtime)
            del runtime
            gc.collect()
        finally:
            sys.setswitchinterval(interval)
            sys.unraisablehook = before
            for one in propagates:
                one.removeHandler(log)
        if self.rough:
            dropped = ("overran its grace", "before its grace is over")
            told = [line for line in self.told if not any(words in line for words in dropped)]
            self.told = told
        return self.wrong + self.told

    def _look(self, runtime: Runtime) -> None:
        """Note what must not be so at the end."""
        left = [repr(task) for task in runtime.tasks()]
        if left:
            self.wrong.append(f"alive: {left}")
        for task in self.tasks:
            outcome = task.outcome()
            errors: list[BaseException] = list(getattr(outcome, "also", ()))
            if isinstance(outcome, Error):
                errors.append(outcome.exception)
            if errors := [one for one in errors if not _expected(one)]:
                self.wrong.append(f"{task!r}: {errors!r}")
        if sorted(self.begun) != sorted(self.ended):
            missing = Counter(self.begun)
            missing.subtract(self.ended)
            self.wrong.append(f"cleanups: {[one for one in missing.items() if one[1]]}")
        statistics = runtime.statistics()
        if (statistics.timers, statistics.ready) != (0, 0):
            self.wrong.append(f"left: {statistics}")
        self._look_at_primitives()

    def _look_at_primitives(self) -> None:
        gc.collect()
        semaphore = self.semaphore.statistics()
        if (semaphore.available, semaphore.waiting) != (2, 0):
            self.wrong.append(f"permits: {semaphore}")
        if self.mutex.locked() or self.rwlock.locked():
            self.wrong.append(f"held: {self.mutex!r}, {self.rwlock!r}")
        if any(self.inside.values()):
            self.wrong.append(f"inside: {self.inside}")
        seen = self.sender.statistics()
        if (seen.granted, seen.reserved, seen.sending, seen.receiving) != (0, 0, 0, 0):
            self.wrong.append(f"channel: {seen}")
        places = Counter(self.received + self.undelivered + self.receiver.drain())
        doubled = [value for value, times in places.items() if times > 1]
        lost = set(self.accepted) - set(places)
        unknown = set(places) - set(self.attempted)
        if doubled or unknown:
            self.wrong.append(f"values doubled {doubled}, unknown {unknown}")
        if lost:
            self.wrong.append(f"values lost: {lost}")


def _expected(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        inner: tuple[BaseException, ...] = error.exceptions
        return all(map(_expected, inner))
    return isinstance(error, (Boom, rescind.TaskCanceled, rescind.TimedOut, rescind.Cancellation))


class _Log(logging.Handler):
    """Keeps what was logged as text."""

    def __init__(self, told: list[str]) -> None:
        super().__init__(logging.WARNING)
        self.told = told

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if record.exc_info is not None and record.exc_info[1] is not None:
            text += f": {record.exc_info[1]!r}"
        self.told.append(text)


_OWN_LEAVES = [
    "_yields",
    "_raises",
    "_waits",
    "_cleans_up",
    "_absorbs",
    "_locks",
    "_counts",
    "_reads",
    "_writes",
    "_sends",
    "_sends",
    "_receives",
    "_receives",
    "_notified",
    "_blocks",
    "_cancels_itself",
]
_LEAVES = [
    *_OWN_LEAVES,
    "_asyncio_future",
    "_asyncio_timeout",
    "_asyncio_wait_for",
    "_asyncio_group",
]
_NODES = [
    "_race",
    "_join",
    "_outcomes",
    "_in_order",
    "_set",
    "_shared",
    "_timeouts",
    "_deadline",
    "_shield",
    "_shielded",
    "_guard",
    "_group",
    "_tasks",
    "_cancels",
    "_forgets",
]


def main(seconds: float, hosts: list[str], seed: int | None) -> int:
    """Play for so long; return 1 if something is wrong."""
    until = time.monotonic() + seconds
    number = int(time.time()) if seed is None else seed
    played = 0
    while True:
        for host in hosts:
            faulthandler.dump_traceback_later(PATIENCE, exit=True)
            wrong = Storm(number, host).play()
            faulthandler.cancel_dump_traceback_later()
            played += 1
            if wrong:
                print(f"{host} {number}, after {played}:", *wrong, sep="\n", flush=True)
                return 1
        number += 1
        if time.monotonic() > until:
            print(f"{played} were played", flush=True)
            return 0


if __name__ == "__main__":
    chosen = [word for word in sys.argv[2:] if word in HOSTS] or list(HOSTS)
    seeds = [int(word) for word in sys.argv[2:] if word.isdigit()]
    sys.exit(main(float(sys.argv[1]), chosen, seeds[0] if seeds else None))
