"""The door in: `as_future`, and the adapters of other worlds."""

from typing import Any

import pytest

import rescind
from rescind import UsageError
from rescind._core.current import foreign
from rescind.lowlevel import CoroutineFuture, as_future
from rescind.testing import context
from tests.core.kit import Bench


async def coroutine() -> int:
    """Return one."""
    return 1


class Awaitable:
    """Has `__await__`, and is nothing else."""

    def __await__(self) -> Any:
        return coroutine().__await__()


def test_anything_that_can_be_awaited_becomes_a_future() -> None:
    """A coroutine, a future, a task, an object with `__await__`."""
    with Bench() as bench:
        ready = rescind.ready(1)
        task = bench.spawn(coroutine())
        bench.idle()
        futures = [as_future(x) for x in (coroutine(), ready, task, Awaitable())]
        assert futures[1] is ready
        cx = context(executor=bench.executor)
        assert [1, 1, 1, 1] == [fut.poll(cx) for fut in futures]


def test_coroutine_that_was_started_is_refused() -> None:
    """It is in the middle of somebody else's hands."""
    coro = coroutine()
    coro.close()
    with pytest.raises(UsageError, match=r"cannot be used here: it was already awaited or has end"):
        as_future(coro)


def test_future_given_away_twice_is_refused() -> None:
    """F2."""
    ready = rescind.ready(1)
    as_future(ready)
    with pytest.raises(UsageError, match=r"^ready\(1\) cannot be used here: it was already awai"):
        as_future(ready)


def plain() -> None:
    """Do nothing."""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            coroutine,
            (
                "expected an awaitable, but got the async function 'coroutine' itself; call it: "
                "coroutine(...)"
            ),
        ),
        (
            3,
            "expected an awaitable (a coroutine, a future, a task), but got int: 3",
        ),
        (
            plain,
            (
                "expected an awaitable (a coroutine, a future, a task), but got function: "
                f"{plain!r}; to run a plain function, call it, or use a thread"
            ),
        ),
    ],
)
def test_what_cannot_be_awaited_is_refused_with_a_guess(wrong: Any, message: str) -> None:
    """The message says what was probably meant."""
    with pytest.raises(TypeError) as caught:
        as_future(wrong)
    assert message == str(caught.value)


def test_first_adapter_that_knows_an_awaitable_makes_its_future(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Other worlds are let in by the layer above, in order."""
    made = [CoroutineFuture(coroutine()), CoroutineFuture(coroutine())]
    monkeypatch.setattr(
        foreign,
        "adapters",
        [lambda _x: None, lambda x: made[0] if x == "known" else None, lambda _x: made[1]],
    )
    assert (made[0], made[1]) == (as_future("known"), as_future("other"))  # type: ignore[arg-type]
    for fut in made:
        fut.drop()
