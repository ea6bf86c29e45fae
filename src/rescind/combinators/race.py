"""`race` and `race_ok`: the first to end wins; the losers are drained before that is told."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, TypeVar

from rescind._core.errors import UsageError
from rescind._core.grace import UNSET, Grace
from rescind._core.outcome import Canceled, Completed, Error, Outcome, also_of, attach
from rescind._core.poll import Context, Future
from rescind._core.reason import CancelKind
from rescind.combinators.children import Child, futures_of, parent_reason
from rescind.combinators.parallel import Parallel

__all__ = ["Race", "RaceOk", "race", "race_ok"]

T = TypeVar("T")

_log = logging.getLogger("rescind")


class Race(Parallel[T]):
    """The future that `race` returns."""

    __slots__ = ("_on_undelivered", "_winner")
    _what = "race"

    #: Is it news that a loser raised? In `race_ok` a child that fails has lost in any case.
    _errors_are_news = True

    def __init__(
        self,
        futures: Iterable[Future[T]],
        biased: bool,
        grace: Grace,
        on_undelivered: Callable[[T], object] | None,
    ) -> None:
        self._prepare(futures, biased, grace)
        self._winner: Child | None = None
        self._on_undelivered = on_undelivered

    def _wins(self, outcome: Outcome[T]) -> bool:
        return True

    def _child_ended(self, child: Child, cx: Context) -> None:
        outcome = child.ended
        assert outcome is not None
        if self._winner is None:
            # A child that only follows the parent's cancellation has not won anything.
            if self._wins(outcome) and not (isinstance(outcome, Canceled) and child.request):
                self._winner = child
                self._cancel_losers(child, cx)
        elif isinstance(outcome, Completed):
            self._hand_back(outcome.value)

    def _cancel_losers(self, winner: Child, cx: Context) -> None:
        children = self._children
        if children.alive:
            reason = parent_reason(CancelKind.RACE_LOST, _lost_to(winner), cx)
            children.cancel(reason, cx, wanted=self._on_undelivered is not None)

    def _hand_back(self, value: T) -> None:
        if self._on_undelivered is None:
            return
        try:
            self._on_undelivered(value)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:  # an asyncio library's CancelledError too: the losers are drained
            _log.exception("on_undelivered of %s failed for %r", repr(self), value)

    def _result(self) -> T:
        winner = self._winner
        assert winner is not None and winner.ended is not None
        outcome: Outcome[T] = winner.ended
        self._keep_failures(outcome)
        return outcome.value if isinstance(outcome, Completed) else outcome.unwrap()

    def _despite(self) -> Outcome[T] | None:
        winner = self._winner
        if winner is None or winner.ended is None:
            return None
        outcome: Outcome[T] = winner.ended
        self._keep_failures(outcome)
        if isinstance(outcome, Error):
            return Error(outcome.exception, also_of(outcome.exception))
        return outcome

    def _keep_failures(self, outcome: Outcome[T]) -> None:
        """Keep how losers failed: with the winner's exception, or else in the log (R15)."""
        for child in self._children.cells:
            if child is self._winner:
                continue
            if isinstance(outcome, Error):
                _note_failure(outcome.exception, child, self._what)
            elif child.request is not None:
                self._log_failure(child)

    def _untold(self) -> tuple[BaseException, ...]:
        return self._failures()

    def _forget(self) -> None:
        self._winner = None
        super()._forget()  #: compiled: Parallel._forget(self)

    def _log_failure(self, loser: Child) -> None:
        """Log how a loser failed after it was canceled."""
        outcome = loser.ended
        if isinstance(outcome, Canceled):
            quiet = outcome
            if not quiet.also:
                return
        failures: tuple[BaseException, ...] = ()
        if isinstance(outcome, (Error, Canceled)):
            failures = outcome.also
        if isinstance(outcome, Error) and self._errors_are_news:
            failures = (outcome.exception, *failures)
        for exc in failures:
            what = f"{_label(loser)} of a {self._what}"
            _log.error("%s failed after it had lost", what, exc_info=exc)

    def drop(self) -> None:
        winner = None if self._given else self._winner
        try:
            super().drop()  #: compiled: Parallel.drop(self)
        finally:
            if winner is not None and isinstance(winner.ended, Completed):
                self._hand_back(winner.ended.value)


class RaceOk(Race[T]):
    """The future that `race_ok` returns."""

    __slots__ = ()
    _what = "race_ok"
    _errors_are_news = False

    def _wins(self, outcome: Outcome[T]) -> bool:
        return isinstance(outcome, Completed)

    def _untold(self) -> tuple[BaseException, ...]:
        ended = [child.ended for child in self._children.cells]
        return tuple(exc for one in ended if isinstance(one, (Error, Canceled)) for exc in one.also)

    def _result(self) -> T:
        if self._winner is not None:
            return super()._result()  #: compiled: return Race._result(self)
        errors: list[Exception] = []
        for child in self._children.cells:
            outcome = child.ended
            if isinstance(outcome, Error):
                if not isinstance(outcome.exception, Exception):
                    raise outcome.exception
                errors.append(outcome.exception)
            elif isinstance(outcome, Canceled):
                errors.append(outcome.error(f"{_label(child)} of a race_ok"))
        raise ExceptionGroup(f"none of the {len(errors)} raced futures succeeded", errors)


def _label(child: Child) -> str:
    return f"child {child.index}"


#: Words for races of few, which most are.
_LOST_TO: Final = tuple(f"lost to child {index}" for index in range(16))


def _lost_to(winner: Child) -> str:
    index = winner.index
    return _LOST_TO[index] if index < len(_LOST_TO) else f"lost to {_label(winner)}"


def _note_failure(exc: BaseException, child: Child, what: str) -> None:
    outcome = child.ended
    if isinstance(outcome, Error):
        attach(exc, outcome.exception, f"{what}: {_label(child)} failed too")
    if isinstance(outcome, (Error, Canceled)):
        for other in outcome.also:
            attach(exc, other, f"{what}: the cleanup of {_label(child)} failed")


def race(
    *futs: Awaitable[T],
    biased: bool = False,
    grace: Grace = UNSET,
    on_undelivered: Callable[[T], object] | None = None,
) -> Future[T]:
    """Return a future of the first result, value or exception; the losers are canceled.

    The result is held until every loser has finished its cleanup (R19). Children run in the
    parent's task; the first polls are in argument order, later ones in the order of waking.

    Args:
        futs: at least one coroutine, future, task, or other awaitable.
        biased: poll woken children in argument order.
        grace: for the losers' cleanup, in seconds; by default the task's.
        on_undelivered: called with the value of a loser that completed after all, or of the winner
            if the race is dropped meanwhile; without it such a value is discarded, and what a
            primitive has given to a loser goes back.

    Returns:
        The winner's value; its exception is raised.

    Raises:
        UsageError: there is nothing to race.
        TaskCanceled: the first to end was canceled by somebody else.

    Cancellation: safe, if the children are: they are canceled and drained. A winner that is
        already known is delivered, and the cancellation arrives at the next park (R7).

    Example:
        >>> import rescind
        >>> async def main():
        ...     return await rescind.race(rescind.sleep(1), rescind.ready("quick"))
        >>> rescind.run(main)
        'quick'

    Source: futures-concurrency's ``race``, with Holk's drained losers.
    """
    if not futs:
        raise UsageError("race() needs at least one future: a race of none would never end")
    futures = futures_of(futs, "race")
    #: compiled: return new_race(futures, biased, grace, on_undelivered)
    return Race(futures, biased, grace, on_undelivered)


def race_ok(
    *futs: Awaitable[T],
    biased: bool = False,
    grace: Grace = UNSET,
    on_undelivered: Callable[[T], object] | None = None,
) -> Future[T]:
    """Return a future of the first success; if there is none, of all failures.

    Args:
        futs: at least one coroutine, future, task, or other awaitable.
        biased: poll woken children in argument order.
        grace: for the losers' cleanup, in seconds; by default the task's.
        on_undelivered: called with the value of a loser that completed after all.

    Returns:
        The first value.

    Raises:
        UsageError: there is nothing to race.
        ExceptionGroup: no child succeeded: their exceptions, in argument order; a child that was
            canceled by somebody else appears as `TaskCanceled`.

    Cancellation: as `race`.

    Source: futures-concurrency's ``race_ok``; ``Promise.any``.
    """
    if not futs:
        raise UsageError("race_ok() needs at least one future: with none, none can succeed")
    return RaceOk(futures_of(futs, "race_ok"), biased, grace, on_undelivered)
