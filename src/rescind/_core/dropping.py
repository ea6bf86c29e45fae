"""The last rungs of the grace ladder: drop a future, and abandon what resists (R10).

*Invariants.*
 G1  An overrun is warned of before the drop, and recorded as it was then: with the stack of awaits
     at which the cleanup hung. So is what is abandoned, even if it had no time to overrun.
 G2  Whatever the drop raises is returned, each failure once; nothing is lost (R15).
 G3  An abandoned coroutine is warned of and kept once, through however many cells it hung.

*Threads.* The executor's thread.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, cast

from .errors import Abandoned
from .frames import await_stack, strip

if TYPE_CHECKING:
    from .executor import Executor
    from .poll import Future
    from .reason import CancelReason
    from .site import Site

__all__ = ["drop_overdue", "failures_of"]

_log = logging.getLogger("rescind")

_LATE: Final = "overran its grace and is dropped; it was stuck at"
_EARLY: Final = "is dropped with what it belongs to, before its grace is over; it was at"


def drop_overdue(
    future: Future[Any],
    executor: Executor | None,
    name: str,
    reason: CancelReason,
    *,
    overran: bool,
    grace_at: float | None = None,
    task_id: int | None = None,
) -> tuple[tuple[BaseException, ...], bool]:
    """Drop a canceled future.

    Args:
        future: what is dropped.
        executor: keeps the records; None if the future was polled by hand.
        name: how to call the future in messages.
        reason: why it was canceled.
        overran: had its cleanup had time, so that this is an overrun (G1)?
        grace_at: until when it would have had time, if it is dropped with what it belongs to.
        task_id: the id of the task whose future this is; None for a future inside a task.

    Returns:
        What the drop raised, in order (G2); and whether a coroutine was abandoned (G3).
    """
    stack: tuple[Site, ...] = ()
    what = ""
    waits_for: tuple[int, ...] = ()
    if overran:
        # What describes the rare case is imported when it comes: at the exit nothing can be.
        from .waiting import found_at, place_in

        stack, what, waits_for = found_at(future)
        early = grace_at is not None and executor is not None and executor.now() < grace_at
        _log.warning(
            "the cleanup of %s %s %s. Canceled: %s",
            name,
            _EARLY if early else _LATE,
            place_in(stack),
            reason,
            extra={"overrun": True},
        )
    failures: list[BaseException] = []
    try:
        future.drop()
    except BaseException as exc:
        strip(exc)
        failures = failures_of(exc)
    left = [failure for failure in failures if isinstance(failure, Abandoned)]
    abandoned = bool(left)
    for failure in left:
        if not stack:
            stack = tuple(await_stack(next(iter(failure.coroutines), None)))
        if executor is None or executor.keep_abandoned(failure):
            _log.warning("%s", failure)
    if (overran or abandoned) and executor is not None:
        from .overrun import Overrun
        from .waiting import place_in

        within, place = None, place_in(stack)
        if task_id is None and executor.current is not None:
            within = f"task {executor.current.id} {executor.current.name!r}"
        seconds = 0.0 if reason.at is None else executor.now() - reason.at
        executor.note_overrun(
            Overrun(
                name, reason, place, seconds, abandoned, task_id, within, stack, what, waits_for
            )
        )
    try:
        return tuple(failures), abandoned
    finally:
        del failures  # their frames may refer back to this one (``f_back``)


def failures_of(exc: BaseException) -> list[BaseException]:
    """Return what a drop raised, one by one: a group that a drop made is taken apart."""
    if isinstance(exc, BaseExceptionGroup) and "while a future was dropped" in exc.message:
        group = cast("BaseExceptionGroup[BaseException]", exc)
        return [error for inner in group.exceptions for error in failures_of(inner)]
    return [exc]
