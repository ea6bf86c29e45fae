"""What is kept of a cell for its span; what that is called, and says of reasons and of the end.

*Threads.* Any.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.outcome import Completed, Error, Outcome
from rescind._core.waiting import parts_of
from rescind.trace.otel_metrics import how

try:
    from opentelemetry.trace import Span, Status, StatusCode
except ImportError as exc:
    raise ImportError(
        "rescind.trace.otel needs opentelemetry-api; install it with: pip install 'rescind[otel]'"
    ) from exc

if TYPE_CHECKING:
    from opentelemetry.util.types import AttributeValue

    from rescind._core.cell import Cell
    from rescind._core.reason import CancelReason
    from rescind._core.task import Task

__all__ = ["Track", "about_reason", "end_unfinished", "function_of", "name_of", "tell_outcome"]


class Track:
    """What is known of a cell until it ends.

    Attributes:
        ref: leads to the cell; a finalizer of it takes the track away (U2).
        span: None if it has none.
        asked_at: host time of the first request; None: there was none.
        delivered_at: host time at which that was delivered; None: it was not.
    """

    __slots__ = ("asked_at", "delivered_at", "ref", "span")

    def __init__(self, ref: weakref.ref[Any], span: Span | None) -> None:
        self.ref = ref
        self.span = span
        self.asked_at: float | None = None
        self.delivered_at: float | None = None


def name_of(task: Task[Any]) -> str:
    """Return the name of a task's span."""
    return task.name if task.name != f"task-{task.id}" else function_of(task) or "task"


def function_of(cell: Cell[Any]) -> str | None:
    """Return the name of the outermost coroutine function in it."""
    for part in parts_of(cell.future):
        if isinstance(part, CoroutineFuture):
            coroutine: Any = cast("CoroutineFuture[object]", part).coroutine
            return getattr(coroutine, "__qualname__", None)
    return None


def about_reason(reason: CancelReason) -> dict[str, AttributeValue]:
    """Return a reason as attributes, with those that it follows from."""
    chain = reason.chain()
    about: dict[str, AttributeValue] = {
        "rescind.cancel.kind": reason.kind.name.lower(),
        "rescind.cancel.chain": [link.line() for link in chain],
        "rescind.cancel.root": chain[-1].kind.name.lower(),
    }
    for name, value in (("message", reason.message), ("by", reason.by), ("where", reason.where)):
        if value is not None:
            about[f"rescind.cancel.{name}"] = value
    return about


def tell_outcome(span: Span, outcome: Outcome[Any]) -> None:
    """Set what a task ended with; it is an error if it failed, or its cleanup was cut short."""
    span.set_attribute("rescind.outcome", how(outcome))
    if isinstance(outcome, Completed):
        return
    for exc in outcome.also:
        span.record_exception(exc)
    if isinstance(outcome, Error):
        exc = outcome.exception
        span.record_exception(exc)
        span.set_status(Status(StatusCode.ERROR, f"{type(exc).__name__}: {exc}"))
        return
    if outcome.dropped:
        span.set_attribute("rescind.dropped", True)
    if outcome.abandoned:
        span.set_attribute("rescind.abandoned", True)
        span.set_status(Status(StatusCode.ERROR, "abandoned: it went on after it was dropped"))


def end_unfinished(span: Span | None, word: str) -> None:
    """End the span of what has not ended; ``word`` says what became of that."""
    if span is not None:
        span.set_attribute("rescind.outcome", word)
        span.end()
