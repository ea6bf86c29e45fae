"""OpenTelemetry: a span for each task and each group's block, and what cancellations did to them.

*What it is.* An observer that begins a span when a task is made and ends it when the task does.
The span becomes the current one in the task's own context variables: what the task opens, spawns
or calls over the network hangs below it. Requests and deliveries are events of it, and it links to
whoever canceled it. Beside that, the counts and times of `otel_metrics`.

*What it is not.* A recorder: steps and waits are not told, they would be a span each. See
`rescind.trace.recorder` for those; both can be on at once.

*Invariants.*
 U1  Each span that was begun is ended, once: with its task, whatever becomes of that (abandoned,
     dropped, lost with its runtime), or by `Instrumentation.close`. But in a forked process: spans
     begun before the fork belong to the parent.
 U2  Nothing here keeps a task, a future or a frame alive.
 U3  A finalizer ends no span, since an exporter may wait for a lock: it leaves that to the next
     event.

*Threads.* Events come on any; `close` may be called from any.

*Source.* OpenTelemetry's conventions; Effect's spans, which hang on fibers by themselves.
"""

from __future__ import annotations

import os
import re
import weakref
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.frames import shortened, site
from rescind._core.hooks import Observer, actor, hooks
from rescind._core.outcome import Outcome
from rescind._core.reason import CancelKind, CancelReason
from rescind._core.task import Task
from rescind._version import __version__
from rescind.combinators.children import Child

try:
    from opentelemetry import context as otel_context
    from opentelemetry.metrics import MeterProvider, get_meter
    from opentelemetry.trace import (
        Span,
        SpanContext,
        Status,
        StatusCode,
        TracerProvider,
        get_current_span,
        get_tracer,
        set_span_in_context,
    )
except ImportError as exc:
    raise ImportError(
        "rescind.trace.otel needs opentelemetry-api; install it with: pip install 'rescind[otel]'"
    ) from exc

from rescind.trace.otel_metrics import Metrics
from rescind.trace.otel_words import (
    Track,
    about_reason,
    end_unfinished,
    function_of,
    name_of,
    tell_outcome,
)
from rescind.trace.recorder import is_own

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.util.types import AttributeValue

    from rescind._core.cell import Cell
    from rescind._core.errors import Abandoned
    from rescind._core.overrun import Overrun
    from rescind._core.reason import CancelRequest
    from rescind._core.scope import ScopeStack

__all__ = ["Instrumentation", "instrument"]

_NAME: Final = "rescind"
_UNNAMED: Final = re.compile(r"group-\d+")
#: Of so many that have ended it is still known which span was theirs: steps nest.
_GONE: Final = 16
#: What a child is asked for that says nothing new: it lost, or its parent was asked.
_QUIET: Final = frozenset({CancelKind.RACE_LOST, CancelKind.PARENT})


def instrument(
    tracer_provider: TracerProvider | None = None,
    meter_provider: MeterProvider | None = None,
    *,
    children: bool = False,
    groups: bool = True,
    span_name: Callable[[Task[Any]], str] | None = None,
) -> Instrumentation:
    """Tell OpenTelemetry of the tasks of this process, from now on.

    Each task gets a span. Its parent is the span that is current where the task is spawned: that of
    the spawning task, or of its group's block, or one that the program has opened there. Inside the
    task its own span is the current one. Tasks that are there already get none, but are counted.

    Args:
        tracer_provider: by default the global one.
        meter_provider: by default the global one.
        children: a span for each child of a combinator (`race`, `join`, `timeout`, …) too.
        groups: a span for the block of each task group, above what is spawned in it.
        span_name: returns the name of a task's span. By default the task's name, or, if it was
            given none, that of its coroutine function. Names with numbers in them make backends
            slow: return those without.

    Returns:
        What ends it: `Instrumentation.close`, or its ``with`` block.

    Raises:
        ImportError: when the module is imported, if opentelemetry-api is not installed.

    Example:
        >>> import rescind
        >>> from rescind.trace.otel import instrument
        >>> with instrument():
        ...     rescind.run(rescind.sleep(0))

    Source: OpenTelemetry's instrumentation libraries.
    """
    made = Instrumentation(tracer_provider, meter_provider, children, groups, span_name)
    _everyone.add(made)
    hooks.add(made)
    return made


class Instrumentation(Observer):
    """What `instrument` returns: it goes on until `close`, or to the end of its ``with`` block."""

    __slots__ = (
        "__weakref__",
        "_children",
        "_gone",
        "_groups",
        "_lost",
        "_metrics",
        "_span_name",
        "_tracer",
        "_tracks",
        "_with_groups",
    )

    def __init__(
        self,
        tracer_provider: TracerProvider | None,
        meter_provider: MeterProvider | None,
        children: bool,
        groups: bool,
        span_name: Callable[[Task[Any]], str] | None,
    ) -> None:
        self._tracer = get_tracer(_NAME, __version__, tracer_provider)
        self._metrics = Metrics(get_meter(_NAME, __version__, meter_provider))
        self._children = children
        self._with_groups = groups
        self._span_name = span_name or name_of
        self._tracks: dict[int, Track] = {}  # by the id of the cell
        self._groups: dict[Any, tuple[Span, Context]] = {}  # with what was current around
        # Spans of cells that were collected before they had ended (U3).
        self._lost: deque[Span] = deque()
        self._gone: deque[tuple[weakref.ref[Any], SpanContext]] = deque(maxlen=_GONE)

    def close(self) -> None:
        """Listen no more, and end the spans of what has not ended; a second call does nothing."""
        hooks.remove(self)
        self._metrics.close()
        self._end_lost()
        while self._tracks:
            end_unfinished(self._tracks.popitem()[1].span, "unfinished")
        while self._groups:
            end_unfinished(self._groups.popitem()[1][0], "unfinished")

    def __enter__(self) -> Instrumentation:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    # -- lives ------------------------------------------------------------------------------------

    def spawned(self, cell: Cell[Any]) -> None:
        if isinstance(cell, Task):
            task = cast("Task[object]", cell)
            self._metrics.spawned(cell)
            about: dict[str, AttributeValue] = {
                "rescind.task.id": task.id,
                "rescind.task.name": task.name,
            }
            self._begin(cell, self._span_name(task), about)
        elif self._children and isinstance(cell, Child):
            which = cell.index if cell.key is None else str(cell.key)
            about = {"rescind.child": which}
            name = function_of(cell) or type(cell.future).__name__.strip("_")
            self._begin(cell, f"child {which}: {name}", about)

    def ended(self, cell: Cell[Any], outcome: Outcome[Any]) -> None:
        track = self._tracks.pop(id(cell), None)
        if self._lost:
            self._end_lost()
        delivered_at = None if track is None else track.delivered_at
        self._metrics.ended(cell, outcome, delivered_at)
        span = None if track is None else track.span
        if span is None:
            return
        if delivered_at is not None:
            span.add_event("cleanup ended", {"rescind.seconds": _now(cell) - delivered_at})
        tell_outcome(span, outcome)
        if cell.absorbed:
            span.set_attribute("rescind.absorbed", True)
        self._gone.append((weakref.ref(cell), span.get_span_context()))
        span.end()

    # -- cancellation -----------------------------------------------------------------------------

    def requested(self, cell: Cell[Any], reason: CancelReason) -> None:
        track = self._tracks.get(id(cell))
        if track is None:
            track = self._track(cell, None)
        first = track.asked_at is None
        if first:
            track.asked_at = _now(cell)
            self._metrics.requested(cell, reason)
        span = track.span
        if span is None and reason.kind not in _QUIET:
            self._tell_parent(cell, "cancel requested", reason)
        if span is None:
            return
        about = about_reason(reason)
        if first:
            span.set_attributes(about)
        span.add_event("cancel requested", about)
        by = self._context_of(actor())
        if by is not None and by != span.get_span_context():
            span.add_link(by, {"rescind.link": "canceled by"})

    def delivered(self, stack: ScopeStack, request: CancelRequest) -> None:
        cell = None if stack.cx is None else stack.cx.cell
        track = None if cell is None else self._tracks.get(id(cell))
        if cell is None or track is None:
            return
        own = is_own(cell, request)
        if own and track.delivered_at is None and track.asked_at is not None:
            track.delivered_at = _now(cell)
            self._metrics.delivered(cell, track.delivered_at - track.asked_at)
        if track.span is None:
            return
        about = about_reason(request.reason)
        about["rescind.own"] = own
        if isinstance(stack, CoroutineFuture):
            found = site(cast("CoroutineFuture[object]", stack).coroutine)
            if found is not None:
                about["rescind.place"] = f"{shortened(str(found))} in {found.function}"
        track.span.add_event("cancel delivered", about)

    def overran(self, overrun: Overrun) -> None:
        self._metrics.overran(actor())
        span = self._nearest(actor())
        if span is not None:
            span.set_status(Status(StatusCode.ERROR, "a cleanup overran its grace"))
            about: dict[str, AttributeValue] = {
                "rescind.who": overrun.label,
                "rescind.place": overrun.place,
                "rescind.waits_for": overrun.what,
                "rescind.seconds": overrun.seconds,
            }
            span.add_event("cleanup overran", about)

    def abandoned(self, error: Abandoned) -> None:
        self._metrics.abandoned(actor())
        span = self._nearest(actor())
        if span is not None:
            span.add_event("abandoned", {"rescind.message": str(error)})

    # -- groups -----------------------------------------------------------------------------------

    def group_opened(self, group: Any) -> None:
        if self._with_groups:
            around = otel_context.get_current()
            span = self._tracer.start_span(
                "group" if _UNNAMED.fullmatch(group.name) else f"group {group.name}",
                around,
                attributes={"rescind.group": group.name},
            )
            self._groups[group] = span, around
            otel_context.attach(set_span_in_context(span, around))

    def group_spawned(self, group: Any, task: Task[Any]) -> None:
        track = self._tracks.get(id(task))
        if track is not None and track.span is not None:
            track.span.set_attribute("rescind.group", group.name)

    def group_canceled(self, group: Any, reason: CancelReason) -> None:
        if group in self._groups:
            span = self._groups[group][0]
            about = about_reason(reason)
            span.set_attributes(about)
            span.add_event("cancel requested", about)
            by = self._context_of(actor())
            if by is not None:
                span.add_link(by, {"rescind.link": "canceled by"})

    def group_closed(self, group: Any) -> None:
        span, around = self._groups.pop(group, (None, None))
        if span is None or around is None:
            return
        # A block may be closed from elsewhere, by the collector for one. And what the program has
        # opened in the block, and left open, stays current.
        if get_current_span() is span:
            otel_context.attach(around)
        span.end()

    # -- what is known ----------------------------------------------------------------------------

    def _begin(self, cell: Cell[Any], name: str, about: dict[str, AttributeValue]) -> None:
        """Begin the span of a cell, and make it the current one inside."""
        context = cell.context
        assert context is not None  # it was just made
        executor = cell.cx.executor
        if executor is not None:
            about["rescind.runtime"] = executor.name
        function = function_of(cell)
        if function is not None:
            about["code.function.name"] = function
        try:
            around = context.run(otel_context.get_current)
        except RuntimeError:  # a context that was handed in, and is the one that runs now
            span = self._tracer.start_span(name, attributes=about)
        else:
            span = self._tracer.start_span(name, around, attributes=about)
            context.run(otel_context.attach, set_span_in_context(span, around))
        self._track(cell, span)

    def _track(self, cell: Cell[Any], span: Span | None) -> Track:
        key, tracks, lost = id(cell), self._tracks, self._lost

        def forget(ref: weakref.ref[Any]) -> None:
            track = tracks.get(key)
            if track is not None and track.ref is ref:
                del tracks[key]
                if track.span is not None:
                    lost.append(track.span)

        track = tracks[key] = Track(weakref.ref(cell, forget), span)
        return track

    def _end_lost(self) -> None:
        while self._lost:
            end_unfinished(self._lost.popleft(), "lost")

    def _nearest(self, cell: Cell[Any] | None) -> Span | None:
        """Return the span of a cell, or of what it is a part of."""
        while cell is not None:
            track = self._tracks.get(id(cell))
            if track is not None and track.span is not None:
                return track.span
            cell = cell.parent
        return None

    def _context_of(self, cell: Cell[Any] | None) -> SpanContext | None:
        """Return what to link to, for a cell that may just have ended."""
        if cell is not None and cell.ended is not None:
            for ref, context in list(self._gone):
                if ref() is cell:
                    return context
        span = self._nearest(cell)
        if span is None or not span.get_span_context().is_valid:
            return None
        return span.get_span_context()

    def _tell_parent(self, cell: Cell[Any], event: str, reason: CancelReason) -> None:
        span = self._nearest(cell.parent)
        if span is not None:
            span.add_event(event, {**about_reason(reason), "rescind.child": cell.name or "?"})

    def forked(self) -> None:
        """Forget what belongs to the parent process (U1)."""
        self._tracks.clear()
        self._groups.clear()
        self._lost.clear()
        self._gone.clear()
        self._metrics.forked()


def _now(cell: Cell[Any]) -> float:
    executor = cell.cx.executor
    return 0.0 if executor is None else executor.now()


_everyone: Final[weakref.WeakSet[Instrumentation]] = weakref.WeakSet()


def _forked() -> None:
    for one in list(_everyone):
        one.forked()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
