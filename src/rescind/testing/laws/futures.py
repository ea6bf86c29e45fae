"""`check_future`: the laws that every future keeps, by polling one by hand.

*What it is.* Each law is a short scene: a new future is made, polled, completed, canceled or
dropped in one order, and what it did is compared with the protocol (R1 to R7).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from rescind._core.errors import PolledAfterCompletion
from rescind._core.into import as_future
from rescind._core.outcome import Canceled, Outcome
from rescind._core.poll import PENDING, Context, Future, Pending, Waker
from rescind._core.reason import CancelKind, CancelReason, CancelRequest
from rescind._core.watched import watched
from rescind.testing.hand import CountingWaker
from rescind.testing.laws.broken import LawBroken, broken
from rescind.testing.laws.stage import Stage

__all__ = ["check_future"]

Made: TypeAlias = "Awaitable[Any] | tuple[Awaitable[Any], Callable[[], object] | None]"

_POLLS = 1000
_REASON = CancelReason(CancelKind.EXPLICIT, "the laws")


def check_future(
    factory: Callable[[], Made],
    *,
    state: Callable[[], object] | None = None,
    reset: Callable[[], object] | None = None,
    name: str | None = None,
) -> None:
    """Check that a future keeps the poll protocol, however it is polled, canceled and dropped.

    Args:
        factory: makes a new future each time; one that parks, and gets its output in virtual time.
            Or it makes a pair: the future, and a function that gives it its output.
        state: returns what must be the same after a future was canceled or dropped as before it was
            made, such as how many permits are free; by default nothing is compared.
        reset: called before each scene, to clear away what an earlier one left, such as a value
            that nobody took.
        name: what to call it in messages.

    Raises:
        LawBroken: a law is broken; it says which, what happened, and what to do.

    Example:
        >>> import rescind
        >>> from rescind.testing import laws
        >>> laws.check_future(lambda: rescind.sleep(1))
    """
    subject = name or getattr(factory, "__qualname__", None) or repr(factory)
    for scene in _SCENES:
        with Stage() as stage:
            if reset is not None:
                reset()
            scene(_Scene(stage, factory, state, reset, subject))


class _Scene:
    """One future, and what is done to it."""

    def __init__(
        self,
        stage: Stage,
        factory: Callable[[], Made],
        state: Callable[[], object] | None,
        reset: Callable[[], object] | None,
        subject: str,
    ) -> None:
        self.stage = stage
        self.subject = subject
        self._factory = factory
        self._reset = reset
        self._state = state or (lambda: None)
        self.before = self._state()
        made = factory()
        self._complete: Callable[[], object] | None = None
        if isinstance(made, tuple):
            made, self._complete = made
        #: As its author wrote it; what the runtime polls may have a guard around it.
        self.future: Future[Any] = as_future(made)
        self.waker = CountingWaker()

    def fail(self, law: str, happened: str) -> LawBroken:
        return broken(law, self.subject, happened)

    def context(self, waker: Waker | None = None) -> Context:
        return Context(waker or self.waker, self.stage.executor)

    def poll(self, waker: Waker | None = None) -> Any:
        """Poll it; an exception is its output."""
        self.stage.executor.refill()
        try:
            return self.future.poll(self.context(waker))
        except PolledAfterCompletion:
            raise
        except Exception as exc:
            return exc

    def park(self) -> bool:
        """Poll it once; return whether it parked."""
        return self.poll() is PENDING

    def complete(self) -> None:
        """Let it have its output."""
        if self._complete is not None:
            self._complete()
        else:
            while self.waker.wakes == 0 and self.stage.advance():
                pass

    @property
    def completes(self) -> bool:
        """Does somebody else give it its output?"""
        return self._complete is not None

    def settle(self, step: Callable[[], Any]) -> Any:
        """Call ``step`` as often as it wakes, until it is not pending; PENDING if it stops."""
        for _ in range(_POLLS):
            before = self.waker.wakes
            self.stage.executor.refill()
            result = step()
            if result is not PENDING:
                return result
            while self.waker.wakes == before:
                if not self.stage.advance():
                    return PENDING
        return PENDING

    def cancel(self) -> Outcome[Any] | Pending:
        """Cancel it, and drive its cleanup to the end."""
        request = CancelRequest(_REASON)
        outcome: Outcome[Any] | Pending = self.settle(
            lambda: self.future.poll_cancel(self.context(), request)
        )
        return outcome

    def drop(self, when: str) -> None:
        """Drop it; that may not raise."""
        try:
            self.future.drop()
        except Exception as exc:
            raise self.fail("R3", f"{when}, it raised {exc!r}") from exc

    def again(self) -> _Scene:
        """Return a scene with a new future of the same kind, where everything is as before."""
        if self._reset is not None:
            self._reset()
        return _Scene(self.stage, self._factory, self._state, self._reset, self.subject)

    def state(self) -> object:
        """Return what has to be conserved."""
        return self._state()

    def check_state(self, law: str, when: str) -> None:
        """Check that nothing is held any more."""
        after = self._state()
        if after != self.before:
            raise self.fail(law, f"{when}, its state is {after!r}; before it was {self.before!r}")
        timers = self.stage.executor.timers
        if timers:
            raise self.fail(law, f"{when}, {timers} of its timers are left")


def _lazy(scene: _Scene) -> None:
    scene.check_state("P4", "when it was only created")
    scene.drop("dropped before its first poll")
    scene.check_state("P4", "dropped before its first poll")


def _wakes(scene: _Scene) -> None:
    if not scene.park():
        return
    scene.complete()
    if not scene.waker.wakes:
        raise scene.fail("P70", "it was given its output, or all time passed, and it woke nobody")
    if scene.settle(scene.poll) is PENDING:
        raise scene.fail("P70", "it woke, and was still pending when nothing more could happen")


def _latest_waker(scene: _Scene) -> None:
    stale = CountingWaker()
    if scene.poll(stale) is not PENDING or scene.poll() is not PENDING:
        return
    scene.complete()
    if not scene.waker.wakes and scene.poll() is not PENDING:
        raise scene.fail("P70", "it woke an earlier waker, and not that of the latest poll")


def _spurious_polls(scene: _Scene) -> None:
    if any(not scene.park() for _ in range(3)):
        return
    scene.complete()
    scene.settle(scene.poll)


def _once(scene: _Scene) -> None:
    if scene.park():
        scene.complete()
        if scene.settle(scene.poll) is PENDING:
            return
    try:
        again = scene.poll()
    except PolledAfterCompletion:
        return
    if not isinstance(again, BaseException):
        raise scene.fail("P8", f"polled after its end, it gave {again!r} again")


def _dropped(scene: _Scene) -> None:
    if not scene.park():
        return
    scene.drop("dropped where it was parked")
    scene.check_state("R3", "dropped where it was parked")
    scene.drop("dropped for the second time")
    scene.check_state("R3", "dropped twice")


def _late(scene: _Scene) -> None:
    if not scene.park():
        return
    scene.drop("dropped where it was parked")
    wakes = scene.waker.wakes
    try:
        scene.complete()
    except Exception as exc:
        raise scene.fail("P39", f"completed after its drop, it raised {exc!r}") from exc
    if scene.waker.wakes > wakes + 1:
        raise scene.fail("P39", "completed after its drop, it went on waking")


def _canceled_parked(scene: _Scene) -> None:
    if not scene.park():
        return
    outcome = scene.cancel()
    if outcome is PENDING:
        raise scene.fail("P9", "canceled where it was parked, it goes on waiting for ever")
    if not isinstance(outcome, Canceled):
        raise scene.fail("P9", f"canceled without an output, it ended as {outcome!r}")
    if outcome.reason is not _REASON:
        raise scene.fail("P9", f"its reason is {outcome.reason!r}, not that of the request")
    scene.check_state("P9", "canceled where it was parked")


def _canceled_unpolled(scene: _Scene) -> None:
    outcome = scene.cancel()
    if not isinstance(outcome, Canceled):
        raise scene.fail("P42", f"canceled before its first poll, it ended as {outcome!r}")
    scene.check_state("P42", "canceled before its first poll")


def _tie(scene: _Scene) -> None:
    # The guard looks at a woken future before it cancels it, as a coroutine's driver does (R7).
    scene.future = watched(scene.future)
    if not scene.park():
        return
    scene.complete()
    if not scene.waker.wakes:
        return
    outcome = scene.cancel()
    if outcome is PENDING:
        raise scene.fail("P9", "canceled when it had its output, it goes on waiting for ever")
    if isinstance(outcome, Canceled):
        _compare(scene, "canceled", lambda one: one.cancel())


def _tie_dropped(scene: _Scene) -> None:
    if scene.park():
        scene.complete()
        scene.drop("dropped when it had its output")
        _compare(scene, "dropped", lambda one: one.drop("dropped"))


def _compare(scene: _Scene, ended: str, end: Callable[[_Scene], object]) -> None:
    """Check that one that was completed, then ended, leaves what the other way round does."""
    left, other = scene.state(), scene.again()
    if not other.completes or not other.park():
        return
    end(other)
    other.complete()
    expected = other.state()
    if left != expected:
        raise scene.fail(
            "P15",
            f"given its output and then {ended}, it leaves {left!r}; {ended} first, and then given "
            f"it, {expected!r}: the output is lost",
        )


def _value(scene: _Scene) -> None:
    task = scene.stage.executor.spawn(scene.future)
    scene.stage.idle()
    if not task.done():
        scene.complete()
        scene.stage.idle()
    if task.outcome() is None:
        raise scene.fail("P70", "driven by a runtime, it never ended: its waker was not woken")
    if isinstance(task.outcome(), Canceled):
        raise scene.fail("P9", f"nobody canceled it, and it ended as {task.outcome()!r}")


_SCENES: tuple[Callable[[_Scene], None], ...] = (
    _lazy,
    _wakes,
    _latest_waker,
    _spurious_polls,
    _once,
    _dropped,
    _late,
    _canceled_parked,
    _canceled_unpolled,
    _tie,
    _tie_dropped,
    _value,
)
