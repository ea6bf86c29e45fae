"""`TaskCanceled` carries what its cleanup raised, whoever raises it, and says what was canceled."""

import pickle
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

import rescind
from rescind import CancellationToken, Completed, TaskCanceled
from rescind.testing import run_virtual


class CleanupBoom(Exception):
    """What a cleanup raises."""


async def _body() -> None:
    try:
        await rescind.never()
    finally:
        raise CleanupBoom


async def _of_task() -> None:
    task = rescind.spawn(_body())
    await rescind.yield_now()
    task.cancel()
    await task


async def _of_outcome() -> None:
    task = rescind.spawn(_body())
    await rescind.yield_now()
    (await task.cancel()).unwrap()


async def _of_join_or_cancel() -> None:
    task = rescind.spawn(_body())
    await rescind.yield_now()
    task.cancel()
    await rescind.join_or_cancel(task)


async def _of_abortable() -> None:
    future, handle = rescind.abortable(_body())
    rescind.spawn(_later(handle.abort))
    await future


async def _of_guard() -> None:
    token = CancellationToken()
    rescind.spawn(_later(token.cancel))
    await token.guard(_body())


async def _of_join() -> None:
    await rescind.join(rescind.never(), _of_self_canceled())


async def _of_race() -> None:
    await rescind.race(rescind.never(), _of_self_canceled())


async def _of_self_canceled() -> None:
    """Be canceled without anybody's request: by a cancellation that comes from elsewhere."""
    error = rescind.Cancellation(rescind.CancelReason(), (CleanupBoom(),))
    raise error


async def _of_race_ok() -> None:
    try:
        await rescind.race_ok(_of_self_canceled())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None


async def _of_concurrently() -> None:
    async def call(_item: int) -> None:
        await _of_self_canceled()

    async with rescind.concurrently(call, [1], limit=1) as results:
        async for _ in results:
            pass


async def _later(call: Callable[[], object]) -> None:
    await rescind.sleep(1)
    call()


WAYS: dict[str, Callable[[], Awaitable[None]]] = {
    "the awaited task": _of_task,
    "the awaited task (outcome)": _of_outcome,
    "the awaited task (join_or_cancel)": _of_join_or_cancel,
    "the awaited task (race)": _of_race,
    "the abortable future": _of_abortable,
    "the guarded future": _of_guard,
    "child 1 of a join": _of_join,
    "child 0 of a race_ok": _of_race_ok,
    "a call of concurrently()": _of_concurrently,
}


@pytest.mark.parametrize("what", WAYS)
def test_it_carries_the_errors_of_the_cleanup_and_says_what_was_canceled(what: str) -> None:
    """R15: in ``also``, in the notes, and in the `Error` of a task that it ends; each once."""

    async def main() -> Any:
        task = rescind.spawn(_call(WAYS[what]))
        outcome = await task.join()
        with pytest.raises(TaskCanceled) as caught:
            outcome.unwrap()
        return caught.value, outcome

    ended = run_virtual(main)

    assert isinstance(ended, Completed)
    error, outcome = ended.value
    assert [CleanupBoom] == [type(other) for other in error.also]
    assert [CleanupBoom] == [type(other) for other in outcome.also]
    assert 1 == sum("CleanupBoom" in note for note in error.__notes__)
    assert str(error).startswith(what.partition(" (")[0] + " was canceled: ")


async def _call(way: Callable[[], Awaitable[None]]) -> None:
    await way()


def test_what_nobody_awaited_is_not_called_a_task() -> None:
    """A token is looked at, and a future that is aborted or guarded before it began is no task."""
    token = CancellationToken()
    token.cancel("closing time")
    future, handle = rescind.abortable(rescind.never())
    handle.abort()
    said: list[str] = []

    async def main() -> None:
        with pytest.raises(TaskCanceled) as caught:
            token.raise_if_canceled()
        said.append(str(caught.value))
        for canceled in (token.guard(rescind.never()), future):
            with pytest.raises(TaskCanceled) as caught:
                await canceled
            said.append(str(caught.value))

    assert Completed(None) == run_virtual(main)
    words = [text.partition(" was canceled: ")[0] for text in said]
    assert ["the token", "the guarded future", "the abortable future"] == words


def test_it_can_be_pickled_with_its_words() -> None:
    """Data, as its reason is."""
    error = rescind.Canceled(rescind.CancelReason(message="why"), (CleanupBoom(),)).error("it")
    copy = pickle.loads(pickle.dumps(error))
    assert (str(error), error.reason, 1) == (str(copy), copy.reason, len(copy.also))


def test_the_reason_of_an_abort_names_the_task_and_the_line_that_asked() -> None:
    """R14: as that of every other explicit cancellation."""

    async def main() -> Any:
        future, handle = rescind.abortable(rescind.never())

        async def asking() -> None:
            await rescind.sleep(1)
            handle.abort("why")

        rescind.spawn(asking(), name="asking")
        with pytest.raises(TaskCanceled):
            await future
        with pytest.raises(TypeError, match="must be a str"):
            rescind.abortable(rescind.never())[1].abort(5)  # type: ignore[arg-type]
        return handle.reason

    ended = run_virtual(main)

    assert isinstance(ended, Completed)
    reason = ended.value
    assert "'asking'" in str(reason.by)
    assert "test_task_canceled.py" in str(reason.where)
    assert ("why", 1.0) == (reason.message, reason.at)
