"""How a future ended: ``Completed(value) | Error(exception) | Canceled(reason)``.

Outcomes are data: frozen, comparable, usable in ``match``, the same for every joiner (R15).

*Invariants.*
 O1  Exactly one thing is primary: a value, an exception, or a reason.
 O2  ``also`` holds every other failure of the same future, once, in order; nothing is lost.

*Source.* cats-effect's ``Outcome``; the flat ``also`` is Effect v4's flat list of causes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Generic, NoReturn, TypeAlias, TypeVar, cast

from .errors import TaskCanceled
from .record import Record, deletable, settable

#: compiled: from types import GenericAlias

if TYPE_CHECKING:
    from .reason import CancelReason

__all__ = [
    "Canceled",
    "Completed",
    "Error",
    "Outcome",
    "also_of",
    "attach",
    "canceled",
    "completed",
]

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Completed(Record, Generic[T_co]):
    """The future returned ``value``."""

    #: compiled: __class_getitem__ = classmethod(GenericAlias)
    __slots__ = ("value",)
    __match_args__ = ("value",)

    value: T_co

    def __init__(self, value: T_co) -> None:
        object.__setattr__(self, "value", value)  #: compiled: self.value = value

    def unwrap(self) -> T_co:
        """Return the value."""
        return self.value


class Error(Record):
    """The future raised ``exception``; ``also`` are its other failures, in order."""

    __slots__ = ("also", "exception")
    __match_args__ = ("exception", "also")

    exception: BaseException
    also: tuple[BaseException, ...]

    def __init__(self, exception: BaseException, also: tuple[BaseException, ...] = ()) -> None:
        object.__setattr__(self, "exception", exception)  #: compiled: self.exception = exception
        object.__setattr__(self, "also", also)  #: compiled: self.also = also

    def unwrap(self) -> NoReturn:
        """Raise the exception."""
        raise self.exception


class Canceled(Record):
    """The future was canceled for ``reason``.

    Attributes:
        reason: the first request's reason.
        also: what else failed, such as errors of the cleanup, in order.
        dropped: the cleanup did not end within its grace and was cut short (R10).
        abandoned: the coroutine went on even then and is never polled again: a leak.
    """

    __slots__ = ("abandoned", "also", "dropped", "reason")
    __match_args__ = ("reason", "also", "dropped", "abandoned")

    reason: CancelReason
    also: tuple[BaseException, ...]
    dropped: bool
    abandoned: bool

    def __init__(
        self,
        reason: CancelReason,
        also: tuple[BaseException, ...] = (),
        dropped: bool = False,
        abandoned: bool = False,
    ) -> None:
        object.__setattr__(self, "reason", reason)  #: compiled: self.reason = reason
        object.__setattr__(self, "also", also)  #: compiled: self.also = also
        object.__setattr__(self, "dropped", dropped)  #: compiled: self.dropped = dropped
        object.__setattr__(self, "abandoned", abandoned)  #: compiled: self.abandoned = abandoned

    def unwrap(self) -> NoReturn:
        """Raise `TaskCanceled` with the reason, and with what else failed."""
        raise self.error()

    def error(self, what: str | None = None) -> TaskCanceled:
        """Return the `TaskCanceled` that says so; ``also`` is kept with it (O2).

        Args:
            what: what was canceled, in words; None: the awaited task.
        """
        error = TaskCanceled(self.reason)
        if what is not None:
            error.what = what
        error.also = self.also
        for other in self.also:
            attach(error, other, "while cleaning up")
        return error


class _Value(Record, Generic[T_co]):
    """What becomes a `Completed`: for a frozen one each attribute is a call."""

    __slots__ = ("value",)
    __setattr__ = settable
    __delattr__ = deletable


class _Cancellation(Record):
    """What becomes a `Canceled`."""

    __slots__ = ("abandoned", "also", "dropped", "reason")
    __setattr__ = settable
    __delattr__ = deletable


_value: Final = cast("Callable[[], Any]", _Value)


def _completed(value: T) -> Completed[T]:
    if value is None:
        return _nothing  # most coroutines return it; outcomes are data, and tell nobody apart
    made = _value()
    made.value = value
    made.__class__ = Completed
    outcome: Completed[T] = made
    return outcome


_nothing: Final[Completed[Any]] = Completed(None)


def _canceled(reason: CancelReason, also: tuple[BaseException, ...]) -> Canceled:
    made: Any = _Cancellation()
    made.reason = reason
    made.also = also
    made.dropped = made.abandoned = False
    made.__class__ = Canceled
    outcome: Canceled = made
    return outcome


#: Make one, as their classes do, in fewer calls; in the compiled form without any of Python's.
completed = _completed  #: compiled: pass
canceled = _canceled  #: compiled: pass

Outcome: TypeAlias = Completed[T] | Error | Canceled


_ALSO = "__rescind_also__"


def attach(exc: BaseException, other: BaseException, what: str) -> None:
    """Keep ``other``, a further failure, with ``exc``: as a note, and for `Error.also` (O2)."""
    known: tuple[BaseException, ...] = also_of(exc)
    if other is exc or any(other is one for one in known):
        return
    exc.add_note(f"{what}: {other!r}")
    try:
        setattr(exc, _ALSO, (*known, other))
    except AttributeError:
        return  # a slotted exception: the note stays


def also_of(exc: BaseException) -> tuple[BaseException, ...]:
    """Return the failures that were attached to ``exc``, in order."""
    found: tuple[BaseException, ...] = getattr(exc, _ALSO, ())
    return found
