"""`ThreadPool`: the threads in which blocking functions run.

*What it is.* A queue, first come, first served, and at most `limit` threads. A thread is started
when there is work and none is idle; it ends when it was idle for a while, or with the runtime.

*What it is not.* An ``Executor`` of ``concurrent.futures``: those join their threads when the
interpreter exits, so that one call that never returns keeps the program from ending.

*Invariants.*
 T1  At most `limit` threads, those included whose function nobody waits for any more.
 T2  Jobs begin in the order of their submission.
 T3  A thread that is idle refers to no job.
 T4  Threads are daemons: none keeps the interpreter from exiting.
 T5  After the shutdown no idle thread is left; a busy one ends with its function.

*Threads.* Any, but for the methods of `Resource`.

*Source.* tokio's blocking pool; trio's ``to_thread``, with its default limit of 40.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from rescind._core.errors import UsageError
from rescind._core.executor import Executor
from rescind._core.frames import from_library
from rescind._core.grace import checked_seconds
from rescind._core.leftover import Leftover
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.resources import Resource
from rescind.blocking.job import Job, JobState

__all__ = ["ThreadPool", "ThreadPoolStatistics"]

DEFAULT_LIMIT: Final = 40
DEFAULT_IDLE: Final = 10.0


@dataclass(frozen=True, slots=True)
class ThreadPoolStatistics:
    """A snapshot of a pool.

    Attributes:
        threads: how many there are.
        idle: those that wait for work.
        queued: calls that wait for a thread.
        detached: calls that go on although nobody waits for them any more.
    """

    threads: int
    idle: int
    queued: int
    detached: int


class ThreadPool(Resource):
    """Threads for blocking functions.

    Each runtime has one, made when it is first needed; `thread_pool` returns it. Make another
    to give some work a limit of its own, and pass it as ``spawn_blocking(..., pool=...)``. It
    belongs to the runtime that first uses it, and ends with that.

    Args:
        limit: how many threads at most; a call beyond it waits in the queue. A call that goes on
            although it was canceled still takes its place.
        idle: seconds after which a thread without work ends.
        name: for messages, and of its threads.

    Raises:
        ValueError: the limit is not positive, or ``idle`` is negative or NaN.
    """

    def __init__(
        self, limit: int = DEFAULT_LIMIT, *, idle: float = DEFAULT_IDLE, name: str = "blocking"
    ) -> None:
        self.name = name
        self._limit = _checked_limit(limit)
        self._idle_seconds = min(checked_seconds(idle, "idle"), threading.TIMEOUT_MAX)
        self._lock = threading.RLock()
        self._work = threading.Condition(self._lock)
        self._queue: deque[Job[Any]] = deque()
        # Each thread, with the job it runs; None: it is idle, or about to be.
        self._threads: dict[threading.Thread, Job[Any] | None] = {}
        # Threads that wait for work, or were told of some and have not taken it yet.
        self._idle = 0
        self._numbers = itertools.count(1)
        # The runtime that it belongs to; None before its first use.
        self._executor: Executor | None = None
        self._closed = False
        # Who waits for the last thread to end.
        self._drained: list[Waker] = []

    @property
    def limit(self) -> int:
        """How many threads at most; can be set: surplus threads end when their work is done."""
        return self._limit

    @limit.setter
    def limit(self, value: int) -> None:
        with self._lock:
            self._limit = _checked_limit(value)
            for _ in range(len(self._queue) - self._idle):
                if not self._start():
                    break
            self._work.notify_all()

    def statistics(self) -> ThreadPoolStatistics:
        """Return a snapshot of the counters."""
        with self._lock:
            busy = [job for job in self._threads.values() if job is not None]
            queued = sum(job.state is JobState.QUEUED for job in self._queue)
            detached = sum(job.state is JobState.DETACHED for job in busy)
            return ThreadPoolStatistics(
                len(self._threads), len(self._threads) - len(busy), queued, detached
            )

    def __repr__(self) -> str:
        state = "closed" if self._closed else f"{len(self._threads)} of {self._limit} threads"
        return f"<ThreadPool {self.name!r}, {state}>"

    # -- work -------------------------------------------------------------------------------------

    def belong(self, executor: Executor) -> None:
        """Become a resource of ``executor``; refuse to belong to two."""
        with self._lock:
            if self._executor is executor:
                return
            if self._executor is not None:
                raise UsageError(
                    f"{self!r} belongs to the runtime {self._executor.name!r} and cannot be used "
                    f"by {executor.name!r}; make a pool for each"
                )
            executor.resources.add(self)
            self._executor = executor

    def submit(self, job: Job[Any]) -> None:
        """Queue a job; a thread takes it when its turn comes (T2)."""
        with self._lock:
            if self._closed:
                raise UsageError(f"{self!r} ended with its runtime; make a new Runtime")
            self._queue.append(job)
            if len(self._queue) > self._idle and not self._start() and not self._threads:
                self._queue.remove(job)
                raise RuntimeError(f"{self!r} could start no thread: the system refuses")
            self._work.notify()

    def _start(self) -> bool:
        """Start a thread, unless there are enough (T1)."""
        if len(self._threads) >= self._limit:
            return False
        thread = threading.Thread(
            target=self._run, name=f"{self.name}-{next(self._numbers)}", daemon=True
        )
        self._threads[thread] = None
        try:
            thread.start()
        except RuntimeError:  # "can't start new thread"
            del self._threads[thread]
            return False
        return True

    def _run(self) -> None:
        """Take jobs and run them, until there is nothing to do any more."""
        thread = threading.current_thread()
        while (job := self._next(thread)) is not None:
            job.run()
            del job  # T3

    def _next(self, thread: threading.Thread) -> Job[Any] | None:
        """Wait for a job; None: the thread shall end, and is not counted any more."""
        with self._lock:
            self._threads[thread] = None
            while len(self._threads) <= self._limit:
                while self._queue:
                    job = self._queue.popleft()
                    if job.begin():
                        self._threads[thread] = job
                        return job
                if self._closed:
                    break
                self._idle += 1
                told = self._work.wait(self._idle_seconds)
                self._idle -= 1
                if not told and not self._queue:
                    break
            del self._threads[thread]
            if self._queue:
                self._work.notify()  # it may have been told of work, and leaves it to another
            drained, self._drained = ([], self._drained) if self._threads else (self._drained, [])
        for waker in drained:
            waker.wake()
        return None

    # -- Resource ---------------------------------------------------------------------------------

    def close(self, until: float | None) -> Awaitable[object] | None:
        """End the idle threads, and wait for those that are busy (T5)."""
        self._end_idle()
        return None if not self._threads else _Drained(self)

    def close_now(self) -> None:
        """End the idle threads, and let go of those that are busy."""
        self._end_idle()
        with self._lock:
            jobs = [job for job in self._threads.values() if job is not None]
        for job in jobs:
            job.lose()

    def leftovers(self) -> Sequence[Leftover]:
        """Return the threads whose function has not returned, and where that is."""
        with self._lock:
            busy = [(thread, job) for thread, job in self._threads.items() if job is not None]
        return [
            Leftover(self.name, f"thread {thread.name!r}, running {job.name},", _place(job))
            for thread, job in busy
        ]

    def _end_idle(self) -> None:
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._work.notify_all()

    def wait_drained(self, waker: Waker) -> bool:
        """Wake ``waker`` when the last thread has ended; return True if none is left."""
        with self._lock:
            if not self._threads:
                return True
            self._drained = [waker]
            return False


class _Drained(Future[None]):
    """Waits until the last thread of a pool has ended."""

    __slots__ = ("_executor", "_pool", "_taken")
    _native = True

    def __init__(self, pool: ThreadPool) -> None:
        self._taken = False
        self._pool = pool
        # Where it counts as work outside; None before the first poll, and after the end.
        self._executor: Executor | None = None

    def poll(self, cx: Context) -> Pending | None:
        if not self._pool.wait_drained(cx.waker):
            if self._executor is None and cx.executor is not None:
                self._executor = cx.executor
                self._executor.outside += 1
            return PENDING
        self.drop()
        return None

    def drop(self) -> None:
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.outside -= 1

    def __repr__(self) -> str:
        return f"the end of {self._pool!r}"


def _checked_limit(limit: int) -> int:
    if isinstance(limit, bool) or not isinstance(limit, int):
        raise TypeError(f"limit must be a number of threads, not {limit!r}")
    if limit < 1:
        raise ValueError(f"limit must be at least 1 thread, not {limit}")
    return limit


def _place(job: Job[Any]) -> str | None:
    """Return the innermost place in the program's own code, or, if there is none, of all."""
    sites = job.stack()
    for site in reversed(sites):
        if not from_library(site.file):
            return f"{site} in {site.function}"
    return f"{sites[-1]} in {sites[-1].function}" if sites else None
