"""Why something was canceled: `CancelKind`, `CancelReason`, and the `CancelRequest` around it.

*What it is.* A reason is data with lineage: who asked, where in the source, when, and the
reason it follows from. A request is one cancellation of one future under way: all reasons, in
order, and the time until which its cleanup may take.

*Invariants.*
 Q1  The first reason of a request is primary and never changes; later ones are kept in order.
 Q2  ``grace_at`` only ever moves earlier (R10: a second request may shorten, never lengthen).

*Threads.* A reason is immutable. A request is changed by its runtime's thread only.

*Source.* Go's ``context.Cause``, ZIO's interruptor ids; R14.
"""

from __future__ import annotations

import enum
from collections.abc import Generator
from sys import _getframe  #: compiled: pass
from typing import TYPE_CHECKING, Any

from .current import local
from .errors import UsageError
from .frames import nearest, shortened  #: compiled: from .frames import shortened
from .intofuture import IntoFuture
from .record import Record, deletable, settable
from .uncopied import refuse_copy

if TYPE_CHECKING:
    from .executor import Executor
    from .outcome import Outcome
    from .poll import Future
    from .task import Task

__all__ = [
    "CancelKind",
    "CancelReason",
    "CancelRequest",
    "Cancelable",
    "called",
    "make_reason",
    "new_reason",
    "new_request",
    "printable",
    "reason_line",
]


class CancelKind(enum.Enum):
    """What sort of event asked for the cancellation."""

    EXPLICIT = "explicit"
    DEADLINE = "deadline"
    RACE_LOST = "race lost"
    SIBLING_FAILED = "sibling failed"
    PARENT = "parent canceled"
    GROUP_EXIT = "group exit"
    HANDLE_DROPPED = "handle dropped"
    SHUTDOWN = "shutdown"
    SIGNAL = "signal"
    FOREIGN = "foreign"


class CancelReason(Record):
    """Why: data, never a formatted string; picklable; ``str()`` prints the whole chain.

    A chain may be of any length, and so nothing here recurses along it, as the methods of a
    `Record` would.

    Attributes:
        kind: what sort of event it was.
        message: the words of whoever asked, or None.
        by: the task that asked, such as ``task 3 'main'``; None from outside every task.
        where: the place that asked, as ``file:line``, or None where no source line did.
        at: when, in seconds of the host's clock, or None where no host was involved.
        cause: the reason from which this one follows, or None.
    """

    #: compiled: def __dealloc__(self): unlink(self)
    __slots__ = ("at", "by", "cause", "kind", "message", "where")
    __match_args__ = ("kind", "message", "by", "where", "at", "cause")

    kind: CancelKind
    message: str | None
    by: str | None
    where: str | None
    at: float | None
    cause: CancelReason | None

    def __init__(  # noqa: PLR0917
        self,
        kind: CancelKind = CancelKind.EXPLICIT,
        message: str | None = None,
        by: str | None = None,
        where: str | None = None,
        at: float | None = None,
        cause: CancelReason | None = None,
    ) -> None:
        object.__setattr__(self, "kind", kind)  #: compiled: self.kind = kind
        object.__setattr__(self, "message", message)  #: compiled: self.message = message
        object.__setattr__(self, "by", by)  #: compiled: self.by = by
        object.__setattr__(self, "where", where)  #: compiled: self.where = where
        object.__setattr__(self, "at", at)  #: compiled: self.at = at
        object.__setattr__(self, "cause", cause)  #: compiled: self.cause = cause

    def chain(self) -> tuple[CancelReason, ...]:
        """Return this reason and the reasons it follows from, nearest first."""
        links: list[CancelReason] = []
        link: CancelReason | None = self
        while link is not None:
            links.append(link)
            link = link.cause
        return tuple(links)

    def line(self) -> str:
        """Return this link alone, on one line."""
        return reason_line(self.kind.value, self.message, self.by, self.where)

    def __str__(self) -> str:
        return "\n  because ".join(link.line() for link in self.chain())

    def __repr__(self) -> str:
        links = [
            f"CancelReason(kind={kind!r}, message={message!r}, by={by!r}, where={where!r}, "
            f"at={at!r}, cause="
            for kind, message, by, where, at in map(_fields, self.chain())
        ]
        return f"{''.join(links)}None{')' * len(links)}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, CancelReason):
            return NotImplemented
        mine: CancelReason | None = self
        theirs: CancelReason | None = other
        while mine is not theirs:
            if mine is None or theirs is None or _fields(mine) != _fields(theirs):
                return False
            mine, theirs = mine.cause, theirs.cause
        return True

    def __hash__(self) -> int:
        return hash(tuple(map(_fields, self.chain())))

    def __reduce__(self) -> tuple[Any, ...]:
        return _chained, (tuple(map(_fields, self.chain())),)


class _Link(Record):
    """What becomes a `CancelReason`: for a frozen one each attribute is a call."""

    __slots__ = ("at", "by", "cause", "kind", "message", "where")
    __setattr__ = settable
    __delattr__ = deletable


def _reason(  # noqa: PLR0917
    kind: CancelKind,
    message: str | None,
    by: str | None,
    where: str | None,
    at: float | None,
    cause: CancelReason | None,
) -> CancelReason:
    made: Any = _Link()
    made.kind = kind
    made.message = message
    made.by = by
    made.where = where
    made.at = at
    made.cause = cause
    made.__class__ = CancelReason
    reason: CancelReason = made
    return reason


#: Makes one as its class does, in fewer calls; in the compiled form without any of Python's.
new_reason = _reason  #: compiled: pass

#: What a link holds apart from its cause.
_Fields = tuple[CancelKind, str | None, str | None, str | None, float | None]


def _fields(link: CancelReason) -> _Fields:
    return (link.kind, link.message, link.by, link.where, link.at)


def _chained(links: tuple[_Fields, ...]) -> CancelReason | None:
    """Make a chain anew, from what its links hold, nearest first."""
    reason: CancelReason | None = None
    for kind, message, by, where, at in reversed(links):
        reason = CancelReason(kind, message, by, where, at, reason)
    return reason


def printable(line: str) -> str:
    """Spell out what is no text in a line, and might move the cursor of a terminal."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() or one == "\t" else repr(one)[1:-1] for one in line)


def reason_line(kind: str, message: str | None, by: str | None, where: str | None) -> str:
    """Return the words for a reason with these fields, on one line."""
    text = kind
    if message:
        text += f": {message}"
    if by:
        text += f", by {by}"
    if where:
        text += f", at {shortened(where)}"
    return text


class Cancelable:
    """What a `CancelRequest` can wait for: something with an outcome that can be joined."""

    __slots__ = ()

    def join(self) -> Future[Outcome[Any]]:
        """Return a future of the outcome."""
        raise NotImplementedError


class _Request:
    """What there is to a `CancelRequest` without the way to its target's end."""

    __slots__ = ("_later", "_target", "accepted", "foreign", "grace_at", "reason")
    __reduce__ = refuse_copy

    def __init__(
        self,
        reason: CancelReason,
        *,
        grace_at: float | None = None,
        target: Cancelable | None = None,
        accepted: bool = True,
    ) -> None:
        self.accepted = accepted
        self.grace_at = grace_at
        # The first reason: the primary one (Q1).
        self.reason = reason
        self._later: tuple[CancelReason, ...] = ()
        self._target = target
        self.foreign: BaseException | None = None

    @property
    def reasons(self) -> tuple[CancelReason, ...]:
        """All reasons, in the order in which they came."""
        return (self.reason, *self._later)

    def merge(self, other: _Request) -> bool:
        """Take up a later request; return True if it moved ``grace_at`` earlier (Q1, Q2)."""
        self._later += (other.reason, *other._later)
        return self.shorten(other.grace_at)

    def shorten(self, grace_at: float | None) -> bool:
        """Move ``grace_at`` earlier; return True if it moved (Q2)."""
        if grace_at is None or (self.grace_at is not None and self.grace_at <= grace_at):
            return False
        self.grace_at = grace_at
        return True


class CancelRequest(_Request, IntoFuture["Outcome[Any]"]):
    """One request for cancellation: what ``task.cancel()`` returns, and what `poll_cancel` gets.

    Awaiting it waits until the target has ended, cleanup included, and gives the target's
    `Outcome`; it never raises for how the target ended.

    Attributes:
        reason: the first reason, the primary one.
        accepted: False if the target had already ended, so that nothing was asked.
        grace_at: host time, in seconds, after which the cleanup is dropped; None: never.
        foreign: what to raise instead of `Cancellation`, if the host's world asked (R29).

    Cancellation: safe. To stop waiting withdraws nothing: the request stands.
    """

    __slots__ = ()

    def settled(self) -> CancelRequest:
        """Return this request for its target to keep: without the way back to the target."""
        if self._target is None:
            return self
        kept = new_request(self.reason, self.grace_at, None, True)
        kept._later = self._later
        kept.foreign = self.foreign
        return kept

    def follow(
        self,
        kind: CancelKind = CancelKind.PARENT,
        message: str | None = None,
        *,
        grace_at: float | None = None,
    ) -> CancelRequest:
        """Return the request that this one causes for a child; its grace ends no later (R10)."""
        first = self.reason
        reason = new_reason(kind, message, first.by, None, first.at, first)
        caused = new_request(reason, self.grace_at, None, True)
        caused.shorten(grace_at)
        return caused

    def into_future(self) -> Future[Outcome[Any]]:
        if self._target is None:
            raise UsageError(
                "this cancel request has no task to wait for: it is the argument of a poll_cancel, "
                "which drives the cleanup itself. Await what task.cancel() returned instead."
            )
        return self._target.join()

    def __await__(self) -> Generator[Any, Any, Outcome[Any]]:
        return self.into_future().__await__()

    def __repr__(self) -> str:
        state = "" if self.accepted else " not accepted: the target had already ended"
        return f"<CancelRequest {self.reason.line()}{state}>"


def new_request(
    reason: CancelReason, grace_at: float | None, target: Cancelable | None, accepted: bool
) -> CancelRequest:
    """Make a request as its class does, in fewer calls."""
    request = CancelRequest.__new__(CancelRequest)
    request.accepted = accepted
    request.grace_at = grace_at
    request.reason = reason
    request._later = ()
    request._target = target
    request.foreign = None
    return request


def make_reason(
    reason: str | CancelReason | None,
    executor: Executor | None,
    kind: CancelKind = CancelKind.EXPLICIT,
) -> CancelReason:
    """Return a full reason: who asks, where, and when by the clock of ``executor``, if any."""
    if isinstance(reason, CancelReason):
        return reason
    if reason is not None and not isinstance(reason, str):
        raise TypeError(
            f"a reason must be a str or a CancelReason, not {type(reason).__qualname__}: {reason!r}"
        )
    asking = local.executor  #: compiled: asking = get_executor()
    by = None if asking is None or asking.current is None else called(asking.current)
    at = None if executor is None else executor.now()
    where = nearest(_getframe(1))  #: compiled: where = caller()
    return new_reason(kind, reason, by, where, at, None)


def called(task: Task[Any]) -> str:
    """Return how a task is called in reasons; words of late are not made anew."""
    number, name = task.id, task._name
    at = number & 63
    said = _called[at]
    if said[0] is number and said[1] is name:
        return said[2]
    words = f"task {number} {task.name!r}"
    _called[at] = (number, name, words)
    return words


#: What `called` said lately, each at its place: the task's id and given name, and the words.
_called: list[tuple[int, str | None, str]] = [(0, None, "")] * 64
