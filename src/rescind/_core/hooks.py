"""What happens, told to whoever wants to know: one attribute for each event, None if nobody does.

*What it is.* Where something happens to a task, a combinator's child, a group or a token, the core
asks ``hooks.EVENT is not None``, and calls it if so. `Hooks.add` fills these attributes with the
methods that an `Observer` defines, and with no others: an event that nobody listens to costs one
attribute, and allocates nothing.

*What it is not.* A way to interfere. Observers look; what they do to what they are shown is undone
by nobody. One that raises is taken off, with an error in the log, and the program goes on.

*Invariants.*
 H1  Observers are called in the order in which they were added, where it happens: in the middle of
     a poll, of a wake-up, of a cancellation. They must not park, wait, wake or cancel.
 H2  Each cell is reported by `spawned` first and by `ended` last, once each, if the observer was
     there when it was made.
 H3  An observer that raises hears of nothing more; the others do (interrupts are let through).

*Threads.* `add` and `remove` from any. An event is told on the thread on which it happens: that of
the executor, but `spawned`, `requested` and `token_canceled` on any.

*Source.* trio's ``Instrument``; tokio-console's events, with the cancellations that it lacks.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib import import_module
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final

from .current import local

if TYPE_CHECKING:
    from .cell import Cell
    from .errors import Abandoned
    from .explanation import Explanation
    from .outcome import Outcome
    from .overrun import Overrun
    from .reason import CancelReason, CancelRequest
    from .scope import ScopeStack
    from .task import Task

__all__ = ["EVENTS", "Hooks", "Observer", "actor", "explaining", "hooks"]

_log = logging.getLogger("rescind")


class Observer:
    """Somebody who looks on. Override what you want to hear of, and nothing else: see H1.

    A *cell* is a task, a child of a combinator, or a future that a foreign task awaits. What it
    waits for is to be asked of `rescind._core.waiting`; who acts is `actor()`.
    """

    __slots__ = ()

    # Does it look after H3 itself, so that it is called without anything in between?
    _steady: ClassVar[bool] = False

    def spawned(self, cell: Cell[Any]) -> None:
        """A cell was made; it was not polled yet, and a task may still have to be admitted."""

    def woken(self, cell: Cell[Any]) -> None:
        """A parked cell was woken, and has been queued; by `actor()`, or by the host if None."""

    def polled(self, cell: Cell[Any]) -> None:
        """A step of the cell begins: it is polled, or canceled, as its phase says."""

    def parked(self, cell: Cell[Any]) -> None:
        """The step is over, and the cell has not ended."""

    def requested(self, cell: Cell[Any], reason: CancelReason) -> None:
        """The cell was asked to cancel, once more perhaps; nothing is delivered yet."""

    def delivered(self, stack: ScopeStack, request: CancelRequest) -> None:
        """A cancellation is raised in a coroutine at its await; what follows is its cleanup.

        ``request`` is the coroutine's own, or that of a deadline or a group inside.
        """

    def overran(self, overrun: Overrun) -> None:
        """The grace was over before the cleanup was: it has been dropped."""

    def abandoned(self, error: Abandoned) -> None:
        """A frame went on even after that, and is never polled again."""

    def ended(self, cell: Cell[Any], outcome: Outcome[Any]) -> None:
        """The cell has ended; it still has its future, which has ended too."""

    def group_opened(self, group: Any) -> None:
        """The block of a task group was entered."""

    def group_spawned(self, group: Any, task: Task[Any]) -> None:
        """A task group has made a task."""

    def group_canceled(self, group: Any, reason: CancelReason) -> None:
        """A task group was canceled; its children are asked next."""

    def group_closed(self, group: Any) -> None:
        """The block of a task group was left; no child is alive."""

    def token_canceled(self, token: Any, reason: CancelReason) -> None:
        """A cancellation token was canceled, by somebody or because one that it depends on was."""


#: The events: the names of the methods of an `Observer`.
EVENTS: Final = tuple(name for name in vars(Observer) if not name.startswith("_"))


#: Those that come with every step, and with a cell alone: they are told without packing it.
_OF_A_CELL: Final = frozenset({"spawned", "woken", "polled", "parked"})


class Hooks:
    """Who listens to what. There is one for the process: `hooks`."""

    __slots__ = (*EVENTS, "_lock", "_observers")

    spawned: Callable[[Cell[Any]], None] | None
    woken: Callable[[Cell[Any]], None] | None
    polled: Callable[[Cell[Any]], None] | None
    parked: Callable[[Cell[Any]], None] | None
    requested: Callable[[Cell[Any], CancelReason], None] | None
    delivered: Callable[[ScopeStack, CancelRequest], None] | None
    overran: Callable[[Overrun], None] | None
    abandoned: Callable[[Abandoned], None] | None
    ended: Callable[[Cell[Any], Outcome[Any]], None] | None
    group_opened: Callable[[Any], None] | None
    group_spawned: Callable[[Any, Task[Any]], None] | None
    group_canceled: Callable[[Any, CancelReason], None] | None
    group_closed: Callable[[Any], None] | None
    token_canceled: Callable[[Any, CancelReason], None] | None

    def __init__(self) -> None:
        self._lock = Lock()
        self._observers: tuple[Observer, ...] = ()
        self._assign()

    @property
    def observers(self) -> tuple[Observer, ...]:
        """Those who listen, in the order in which they were added."""
        return self._observers

    def add(self, observer: Observer) -> None:
        """Tell ``observer`` from now on what happens. Adding it again changes nothing.

        Raises:
            TypeError: it is no instance of an `Observer`.
        """
        if not isinstance(observer, Observer):
            raise TypeError(
                f"{observer!r} is no Observer; derive its class from rescind.lowlevel.Observer, "
                "and add an instance of it"
            )
        with self._lock:
            if all(one is not observer for one in self._observers):
                self._observers = (*self._observers, observer)
                self._assign()

    def remove(self, observer: Observer) -> None:
        """Tell it nothing more; a no-op if it was not told anything."""
        with self._lock:
            self._observers = tuple(one for one in self._observers if one is not observer)
            self._assign()

    def _assign(self) -> None:
        for event in EVENTS:
            heard = [one for one in self._observers if _hears(one, event)]
            setattr(self, event, self._teller(event, tuple(heard)) if heard else None)

    def _teller(self, event: str, observers: tuple[Observer, ...]) -> Callable[..., None]:
        """Return what calls this method of each of them (H3)."""
        methods: tuple[tuple[Observer, Callable[..., None]], ...] = tuple(
            (one, getattr(one, event)) for one in observers
        )
        if len(methods) == 1:
            only, told = methods[0]
            if only._steady:
                return told

            if event in _OF_A_CELL:

                def tell_of_cell(cell: Cell[Any]) -> None:
                    try:
                        told(cell)
                    except Exception:
                        self.take_off(only, event)

                return tell_of_cell

            def tell_one(*what: Any) -> None:
                try:
                    told(*what)
                except Exception:
                    self.take_off(only, event)

            return tell_one

        def tell(*what: Any) -> None:
            for observer, method in methods:
                try:
                    method(*what)
                except Exception:
                    self.take_off(observer, event)

        return tell

    def take_off(self, observer: Observer, event: str) -> None:
        """Tell it nothing more, since it raised what is being handled (H3)."""
        self.remove(observer)
        _log.exception("%r failed on %r, and is told nothing more", observer, event)


def _hears(observer: Observer, event: str) -> bool:
    """Does it override this method?"""
    return getattr(type(observer), event) is not getattr(Observer, event)


hooks: Final = Hooks()
"""The observers of this process."""


class _Explaining:
    """Where the layer that explains tasks is installed, for `Task.explain`.

    It installs itself when it is imported, which is when somebody first asks: few programs do.
    """

    explain: Callable[[Cell[Any]], Explanation]
    _home: Final = "rescind.trace.explain"

    def __getattr__(self, name: str) -> Any:
        if name != "explain":
            raise AttributeError(name)
        import_module(self._home)
        return vars(self)[name]


explaining: Final = _Explaining()


def actor() -> Cell[Any] | None:
    """Return the innermost cell that is being stepped on this thread: who does what happens.

    None: nobody of rescind's, such as a timer, the host's I/O, another thread, or foreign code.
    """
    region = local.region  #: compiled: region = get_region()
    while region is not None:
        if region.cx is not None and region.cx.cell is not None:
            return region.cx.cell
        region = region.outer
    return None if local.executor is None else local.executor.current
