"""No failure of a cleanup is lost on its way through futures and coroutines (R15)."""

from typing import Any

from rescind import Canceled, Error, Outcome, finalize, on_cancel, sleep, spawn, timeout
from rescind.lowlevel import PENDING, CancelRequest, Context, Future
from rescind.testing import run_virtual


class Boom(Exception):
    pass


async def fails(word: str, after: float = 0.0) -> None:
    """Fail, after so many seconds."""
    await sleep(after)
    raise Boom(word)


def words(outcome: Outcome[Any]) -> list[str]:
    """Return the words of all failures, the primary one first."""
    assert isinstance(outcome, Error | Canceled)
    first = [outcome.exception] if isinstance(outcome, Error) else []
    return [str(one) for one in (*first, *outcome.also)]


def canceled_at(fut: Any, at: float) -> Outcome[Any]:
    """Return the outcome of a task that is canceled at this time."""

    async def main() -> Outcome[Any]:
        task = spawn(fut)
        await sleep(at)
        return await task.cancel("r")

    outcome: Outcome[Any] = run_virtual(main).unwrap()
    return outcome


def test_second_failing_finalizer_is_kept_when_canceled_in_the_first() -> None:
    """Both are told: the first as the exception, the second in ``also``, through a coroutine."""

    async def inner() -> None:
        await finalize(finalize(sleep(0), lambda _: fails("first", 1)), lambda _: fails("second"))

    async def outer() -> None:
        await finalize(inner(), lambda _: fails("third"))

    assert ["first", "second", "third"] == words(canceled_at(outer(), 0.5))


def test_failures_with_an_error_of_the_cleanup_are_kept() -> None:
    """What is attached to an exception that a cleanup raises is listed after that."""

    async def main() -> None:
        try:
            await sleep(5)
        finally:
            await finalize(fails("cleanup"), lambda _: fails("its finalizer"))

    assert ["cleanup", "its finalizer"] == words(canceled_at(main(), 0.5))


def test_also_of_a_hand_written_cancellation_is_kept() -> None:
    """A future may end its cancellation with an error that has others with it."""

    class Stubborn(Future[None]):
        def poll(self, cx: Context) -> Any:
            self.waker = cx.waker
            return PENDING

        def poll_cancel(self, cx: Context, request: CancelRequest) -> Outcome[None]:
            return Error(Boom("one"), (Boom("two"),))

    async def main() -> None:
        await timeout(Stubborn(), 5)

    assert ["one", "two"] == words(canceled_at(main(), 0.5))
    assert ["one", "two"] == words(canceled_at(on_cancel(main(), print), 0.5))
