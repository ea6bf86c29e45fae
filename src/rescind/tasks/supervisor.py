"""`Supervisor`: restarts the children of one supervised group, and says when it is too often.

*Invariants.*
 V1  All incarnations of a child are one task: its handle, its name and its place in line stay.
 V2  Once the child or its group was asked to cancel, nothing is restarted.
 V3  Each failure is logged, with what is done about it, when it happens.

*Threads.* The executor's thread only.

*Source.* Erlang/OTP's supervisors.
"""

from __future__ import annotations

import inspect
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Protocol, TypeVar, cast

from rescind._core.frames import strip
from rescind.tasks.policy import Supervise
from rescind.time import sleep, yield_now

__all__ = ["Supervised", "Supervisor", "keep_running", "run_once"]

T = TypeVar("T")

_log = logging.getLogger("rescind")


class Supervised(Protocol):
    """What a supervisor needs of a child's group."""

    def label(self) -> str:
        """Return how the child is called in messages."""
        ...

    def asked(self) -> bool:
        """Was the child asked to cancel, alone or with its group (V2)?"""
        ...

    def now(self) -> float:
        """Return the host's time."""
        ...

    def give_up(self, why: str, errors: list[BaseException]) -> None:
        """Fail the group with these errors, the oldest first."""
        ...


class Supervisor:
    """Counts the restarts of one group.

    Attributes:
        policy: when and how often to restart.
        restarts: how many there were.
    """

    __slots__ = ("_random", "_recent", "policy", "restarts")

    def __init__(self, policy: Supervise) -> None:
        self.policy = policy
        self.restarts = 0
        self._random = Random(policy.seed)
        # When there were restarts within the window, and after which error, if after one.
        self._recent: deque[tuple[float, BaseException | None]] = deque()

    def next(self, child: Supervised, n: int, failure: BaseException | None) -> float | None:
        """Return the back-off before the ``n``-th restart of ``child``; None: there is none."""
        policy, now, recent = self.policy, child.now(), self._recent
        while recent and recent[0][0] < now - policy.within:
            recent.popleft()
        allowed = policy.max_restarts
        if allowed is not None and len(recent) >= allowed:
            why = (
                f"{child.label()} would be restarted, but there were {len(recent)} restarts within "
                f"{policy.within:g} s, and max_restarts is {allowed}"
            )
            errors = [error for _, error in recent if error is not None]
            child.give_up(why, errors if failure is None else [*errors, failure])
            return None
        seconds = policy.delay(n, self._random)
        recent.append((now, failure if allowed is not None else None))
        self.restarts += 1
        ended = "returned" if failure is None else "failed"
        _log.log(
            logging.INFO if failure is None else logging.WARNING,
            "%s %s and is restarted in %g s",
            child.label(),
            ended,
            seconds,
            exc_info=failure,
        )
        return seconds

    def close(self) -> None:
        """Let go of the errors."""
        self._recent.clear()


async def run_once(function: Callable[[], Awaitable[T]]) -> T:
    """Call the function, and await what it returns."""
    awaitable = function()
    if not inspect.isawaitable(awaitable):
        raise TypeError(
            f"{function!r} was given to a task group's spawn(), but what it returned cannot be "
            f"awaited: {awaitable!r}; give it an async function"
        )
    return await awaitable


async def keep_running(
    function: Callable[[], Awaitable[T]], child: Supervised, supervisor: Supervisor
) -> T:
    """Run the function, again and again, as the policy says; all of it is one task (V1)."""
    restart, within = supervisor.policy.restart, supervisor.policy.within
    n = 0
    while True:
        begun = child.now()
        failure: Exception | None = None
        value: Any = None
        try:
            value = await run_once(function)
        except Exception as exc:
            if restart == "never" or child.asked():
                raise
            strip(exc)  # or its traceback would refer to this frame, which lives on
            failure = exc
        else:
            if restart != "always" or child.asked():
                return cast("T", value)
        n = 1 if child.now() - begun >= within else n + 1
        seconds = supervisor.next(child, n, failure)
        if seconds is None:
            if failure is None:
                return cast("T", value)
            try:
                raise failure
            finally:
                del failure, value
        # Parks in any case: what returns at once must neither block the loop nor be uncancelable.
        await (sleep(seconds) if seconds > 0 else yield_now())
