"""`OnceCell`: a value that is made once, by whoever needs it first.

*Invariants.*
 I1  At most one initialiser runs at a time; once there is a value, none runs any more.
 I2  An initialiser that fails, is canceled or is dropped leaves the cell empty, and the next in
     line makes the value, with its own function.
 I3  One who was told to make the value, and is dropped before it could begin, tells the next.

*Source.* tokio's ``OnceCell``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import local
from rescind._core.errors import UsageError, WouldBlock
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.uncopied import refuse_copy
from rescind._core.waitlist import Waiter, WaitList
from rescind.sync.operation import Operation
from rescind.sync.section import Section

__all__ = ["OnceCell", "OnceCellStatistics"]

T = TypeVar("T")

_EMPTY: Final = object()


@dataclass(frozen=True, slots=True)
class OnceCellStatistics:
    """A snapshot of a cell.

    Attributes:
        set: has it a value?
        initializing: is one being made?
        waiting: how many wait for it.
    """

    set: bool
    initializing: bool
    waiting: int


class OnceCell(Generic[T]):
    """Holds a value that is made when it is first needed: ``await cell.get_or_init(connect)``.

    Args:
        name: for messages.

    Threads: tasks of several runtimes, and of plain asyncio, may wait for one that makes the value;
        `set` and `get` may be called from any thread.

    Example:
        >>> import rescind
        >>> from rescind.sync import OnceCell
        >>> async def connect():
        ...     return "connection"
        >>> async def main():
        ...     cell = OnceCell()
        ...     return await rescind.join(cell.get_or_init(connect), cell.get_or_init(connect))
        >>> rescind.run(main)
        ('connection', 'connection')

    Source: tokio's ``OnceCell``.
    """

    __slots__ = ("__weakref__", "_section", "_maker", "_value", "_waiting", "name")
    __reduce__ = refuse_copy

    def __init__(self, *, name: str | None = None) -> None:
        self.name = name
        self._section = Section()
        self._value: object = _EMPTY
        # What makes the value now, by the id of its future, which may hold the cell; None: nothing.
        self._maker: int | None = None
        # A waiter's ``given`` says whether it is to make the value.
        self._waiting = WaitList()

    def get_or_init(self, make: Callable[[], Awaitable[T]]) -> Future[T]:
        """Return a future of the value; if there is none, it is made by ``make()``.

        While somebody else makes it, it is waited for. If that one fails or is canceled, the
        next in line makes it, with its own function.

        Args:
            make: an async function without arguments; called when it is its turn, or never.

        Raises:
            TypeError: ``make`` is no function.
            UsageError: it is awaited inside the initialiser of the same cell: it would wait for
                itself for ever.
            BaseException: what ``make`` raised, if it was this one's turn.

        Cancellation: safe. If ``make`` is running, it is canceled, and somebody else makes the
            value.
        """
        if not callable(make):
            if inspect.iscoroutine(make):
                make.close()
            raise TypeError(
                f"get_or_init() needs an async function without arguments, not {make!r}; pass the "
                "function itself, without calling it"
            )
        return CoroutineFuture(_get_or_init(self, make))

    def get(self) -> T:
        """Return the value.

        Raises:
            WouldBlock: there is none yet.
        """
        value = self._value
        if value is _EMPTY:
            raise WouldBlock(f"{self!r} has no value yet; 'await cell.get_or_init(...)' makes one")
        return cast("T", value)

    def set(self, value: T) -> None:
        """Put a value in.

        Raises:
            UsageError: there is one, or one is being made.
        """
        with self._section, self._section.lock:
            if self._value is not _EMPTY:
                raise UsageError(f"{self!r} has a value already, and is set once")
            if self._maker is not None:
                raise UsageError(f"{self!r} cannot be set while its value is being made")
            self._fill(value)

    def is_set(self) -> bool:
        """Tell whether there is a value."""
        return self._value is not _EMPTY

    def statistics(self) -> OnceCellStatistics:
        """Return a snapshot."""
        with self._section, self._section.lock:
            return OnceCellStatistics(
                self._value is not _EMPTY, self._maker is not None, len(self._waiting)
            )

    def _fill(self, value: object) -> None:
        """Take the value, and let all have it who wait."""
        self._maker = None
        self._value = value
        self._section.wake_all(self._waiting, False)

    def _give_up(self) -> None:
        """Let the next in line make the value (I2)."""
        self._maker = None
        self._serve()

    def _serve(self) -> None:
        while self._maker is None and self._value is _EMPTY:
            waiter = self._waiting.first
            if waiter is None:
                return
            self._maker = waiter.wants
            if not self._section.wake(self._waiting, waiter, True):
                self._maker = None  # it left just now (W4)

    def __repr__(self) -> str:
        name = "" if self.name is None else f" {self.name!r}"
        state = "empty" if self._maker is None else "being made"
        return f"<OnceCell{name}, {state if self._value is _EMPTY else 'set'}>"


class _Turn(Operation[bool]):
    """Waits until there is a value, or it is one's turn to make it; tells whether it is that."""

    __slots__ = ("_cell", "_maker")

    def __init__(self, cell: OnceCell[T]) -> None:
        super().__init__(cell._section)
        self._cell = cell
        self._maker = 0

    def _attempt(self, cx: Context) -> bool | Pending:
        cell = self._cell
        if cell._value is not _EMPTY:
            return False
        region = local.region
        self._maker = id(region)  # the coroutine below, which awaits this
        if cell._maker is None:
            cell._maker = self._maker
            return True
        while region is not None:
            if id(region) == cell._maker:
                raise UsageError(
                    f"{cell!r} was asked for its value by what makes it: it would wait for itself "
                    "for ever"
                )
            region = region.outer
        return PENDING

    def _queue(self, waker: Waker) -> Waiter:
        return self._cell._waiting.join(waker, self._maker)

    def _look_again(self, waiter: Waiter) -> None:
        if self._cell._value is not _EMPTY:
            self._section.wake(self._cell._waiting, waiter, False)
        else:
            self._cell._serve()

    def _received(self, waiter: Waiter) -> bool:
        mine: bool = waiter.given
        return mine

    def _withdraw(self, waiter: Waiter) -> None:
        if self._cell._waiting.leave(waiter) and waiter.given:
            self._cell._give_up()  # I3

    def __repr__(self) -> str:
        return f"get_or_init of {self._cell!r}"


async def _get_or_init(cell: OnceCell[T], make: Callable[[], Awaitable[T]]) -> T:
    if not await _Turn(cell):
        return cell.get()
    try:
        value = await make()
    except BaseException:
        cell._section.post(cell._give_up)
        raise
    with cell._section, cell._section.lock:
        cell._fill(value)
    return value
