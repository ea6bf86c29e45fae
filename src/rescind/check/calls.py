"""`sweep` and `asweep`: a sweep as one call, of functions that are at hand.

*Threads.* `sweep` blocks the calling thread, which must not run a loop; `asweep` is for code that
does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Any

from rescind._core.errors import UsageError
from rescind.check.plan import Options
from rescind.check.report import Report
from rescind.check.scenario import Scenario
from rescind.check.sweep import Progress, Sweep

__all__ = ["asweep", "sweep"]


def sweep(
    scenario: Callable[..., Any],
    *,
    setup: Callable[..., Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    invariants: Iterable[Callable[..., Any]] = (),
    timeout: float = 5.0,
    cleanup_within: float | None = None,
    loop: str = "asyncio",
    options: Options | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Report:
    """Cancel ``scenario`` everywhere, and return what that breaks.

    Args:
        scenario: an async function of the env, or without arguments.
        setup: makes what is shared on the env; never canceled.
        teardown: ends what setup made.
        invariants: functions ``(env, outcome)``, sync or async, that raise if a promise is broken.
        timeout: seconds that one run may take without being canceled.
        cleanup_within: seconds that the cleanup after a cancellation may take, of the loop's time;
            more is a fault. By default no bound is promised, and a long cleanup is a hint.
        loop: ``asyncio``, or ``uvloop``; there time is real, hangs are not proved, answers are
            held back only for a moment, and no cancellation comes between two callbacks.
        options: what to try; by default everything but the thorough.
        progress: called before each run.

    Raises:
        NotCheckable: uncanceled it fails, hangs, or is different each time.
        UsageError: called where an event loop runs.
    """
    return _sweep_of(
        scenario,
        setup=setup,
        teardown=teardown,
        invariants=invariants,
        timeout=timeout,
        cleanup_within=cleanup_within,
        loop=loop,
        options=options,
        progress=progress,
    ).run()


def _sweep_of(
    scenario: Callable[..., Any],
    *,
    setup: Callable[..., Any] | None = None,
    teardown: Callable[..., Any] | None = None,
    invariants: Iterable[Callable[..., Any]] = (),
    timeout: float = 5.0,
    cleanup_within: float | None = None,
    loop: str = "asyncio",
    options: Options | None = None,
    progress: Callable[[Progress], object] | None = None,
) -> Sweep:
    if not callable(scenario):
        raise UsageError(
            f"sweep() needs an async function to call again and again, not {scenario!r}"
        )
    if not timeout > 0:
        raise UsageError(f"timeout must be a positive number of seconds, not {timeout!r}")
    if cleanup_within is not None and not cleanup_within >= 0:
        raise UsageError(
            f"cleanup_within must be a number of seconds, 0 or more, not {cleanup_within!r}"
        )
    name = getattr(scenario, "__qualname__", repr(scenario))
    case = Scenario(
        scenario,
        setup,
        teardown,
        tuple(invariants),
        timeout,
        name,
        cleanup_within=cleanup_within,
        loop=loop,
    )
    return Sweep(case, options or Options(), progress)


async def asweep(scenario: Callable[..., Any], **options: Any) -> Report:
    """Do what `sweep` does, from code that runs in an event loop; it runs in a thread.

    There, programs cannot handle signals. The options are those of `sweep`.

    Cancellation: no more runs are begun; it ends when the one under way has ended.
    """
    case = _sweep_of(scenario, **options)
    done = asyncio.ensure_future(asyncio.to_thread(case.run))
    canceled: asyncio.CancelledError | None = None
    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError as exc:
            canceled = exc
            case.stop()
    if canceled is not None:
        done.exception()
        raise canceled
    return done.result()
