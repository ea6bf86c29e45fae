"""Bad input, and polls after the end: refused by name, with the remedy, and without a leak."""

import gc
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import rescind
from rescind import (
    PolledAfterCompletion,
    UsageError,
    abortable,
    bracket,
    catch_cancel,
    finalize,
    join,
    join_or_cancel,
    now_or_never,
    on_cancel,
    outcomes,
    race,
    race_ok,
    ready,
    shared,
    shield,
    timeout,
)
from tests.combinators.kit import Hand, virtual

TAKES_ONE: dict[str, Callable[[Any], Any]] = {
    "race": race,
    "race_ok": race_ok,
    "join": join,
    "outcomes": outcomes,
    "timeout": lambda fut: timeout(fut, 1),
    "shield": shield,
    "on_cancel": lambda fut: on_cancel(fut, print),
    "finalize": lambda fut: finalize(fut, print),
    "catch_cancel": catch_cancel,
    "abortable": abortable,
    "now_or_never": now_or_never,
}


@pytest.fixture(autouse=True)
def no_coroutine_is_left() -> Iterator[None]:
    """Fail on a "never awaited" warning, wherever it comes from."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
        gc.collect()
    assert [] == [str(warning.message) for warning in caught]


async def work() -> str:
    """Return at once."""
    return "done"


@pytest.mark.parametrize("name", TAKES_ONE)
def test_async_function_instead_of_its_coroutine(name: str) -> None:
    """The message says to call it."""
    with pytest.raises(TypeError) as caught:
        TAKES_ONE[name](work)
    assert (
        "expected an awaitable, but got the async function 'work' itself; call it: work(...)"
    ) == str(caught.value)


@pytest.mark.parametrize("name", TAKES_ONE)
def test_something_that_is_no_awaitable(name: str) -> None:
    """The message names the type and the value."""
    with pytest.raises(TypeError) as caught:
        TAKES_ONE[name](5)
    assert "expected an awaitable (a coroutine, a future, a task), but got int: 5" == str(
        caught.value
    )


@pytest.mark.parametrize("name", TAKES_ONE)
def test_future_that_was_given_away(name: str) -> None:
    """A future is single-use; the message names `shared`."""
    future = ready(1)
    race(future)
    with pytest.raises(UsageError) as caught:
        TAKES_ONE[name](future)
    assert (
        "ready(1) cannot be used here: it was already awaited, spawned or given to a combinator. "
        "A future is single-use; make a new one, or use rescind.shared(...) to await one result "
        "several times"
    ) == str(caught.value)


@pytest.mark.parametrize("parent", [race, race_ok, join, outcomes])
def test_same_future_twice(parent: Any) -> None:
    """race(f, f): refused, with a note that says which argument; all futures are dropped."""
    future = rescind.never()
    other = work()
    with pytest.raises(UsageError) as caught:
        parent(future, future, other)
    assert [f"as argument 1 of {parent.__name__}()"] == caught.value.__notes__
    assert None is other.cr_frame


@pytest.mark.parametrize("parent", [race, race_ok, join, outcomes])
def test_bad_argument_among_good_ones_drops_the_good_ones(parent: Any) -> None:
    """Coroutines before and after a bad argument are closed; no warning is left."""
    before, after = work(), work()
    with pytest.raises(TypeError) as caught:
        parent(before, 5, after)
    assert (None, None, [f"as argument 1 of {parent.__name__}()"]) == (
        before.cr_frame,
        after.cr_frame,
        caught.value.__notes__,
    )


@pytest.mark.parametrize(
    ("parent", "message"),
    [
        (race, "race() needs at least one future: a race of none would never end"),
        (race_ok, "race_ok() needs at least one future: with none, none can succeed"),
    ],
)
def test_race_of_none(parent: Any, message: str) -> None:
    """Refused when it is called, instead of a hang."""
    with pytest.raises(UsageError) as caught:
        parent()
    assert message == str(caught.value)


SECONDS = "must be a number of seconds that is not negative and not NaN"


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda c: timeout(c, -1), ValueError, f"timeout {SECONDS}: -1"),
        (lambda c: timeout(c, float("nan")), ValueError, f"timeout {SECONDS}: nan"),
        (
            lambda c: timeout(c, "5"),
            TypeError,
            "timeout must be a number of seconds, not str: '5'",
        ),
        (lambda c: timeout(c, 1, grace=-2), ValueError, f"grace {SECONDS}: -2"),
        (lambda c: race(c, grace=-2), ValueError, f"grace {SECONDS}: -2"),
        (
            lambda c: timeout(c, 1, on_overrun="never"),
            ValueError,
            "on_overrun must be 'wait', 'drop' or 'detach': 'never'",
        ),
        (
            lambda c: on_cancel(c, None),
            TypeError,
            (
                "on_cancel() needs a function of the outcome, sync or async, not None; pass the "
                "function itself, without calling it"
            ),
        ),
        (
            lambda c: finalize(c, 5),
            TypeError,
            (
                "finalize() needs a function of the outcome, sync or async, not 5; "
                "pass the function "
                "itself, without calling it"
            ),
        ),
    ],
)
def test_bad_option_closes_the_coroutine(call: Any, error: type[Exception], message: str) -> None:
    """The message names the value; the coroutine that was given is closed."""
    coroutine = work()
    with pytest.raises(error) as caught:
        call(coroutine)
    del call
    assert message == str(caught.value)
    caught = None  # type: ignore[assignment]
    gc.collect()
    assert None is coroutine.cr_frame


def test_finalizer_that_was_called_by_mistake_is_closed() -> None:
    """finalize(x, cleanup()) instead of finalize(x, cleanup): both coroutines are closed."""
    given, cleanup = work(), work()
    with pytest.raises(TypeError):
        finalize(given, cleanup)  # type: ignore[arg-type]
    assert (None, None) == (given.cr_frame, cleanup.cr_frame)


def test_join_or_cancel_needs_a_task() -> None:
    """A coroutine is no task: the message says who makes one; it is closed."""
    coroutine = work()
    with pytest.raises(TypeError) as caught:
        join_or_cancel(coroutine)  # type: ignore[arg-type]
    assert str(caught.value).startswith("join_or_cancel() needs a task, made by spawn(), not <cor")
    assert None is coroutine.cr_frame


@pytest.mark.parametrize("seconds", [-1, float("nan")])
def test_deadline_of_no_duration(seconds: float) -> None:
    """Refused when it is made."""
    with pytest.raises(ValueError, match=r"^the deadline must be a number of seconds that is not"):
        rescind.deadline(seconds)


# -- polled after the end --------------------------------------------------------------------------

ENDED: dict[str, Callable[[], Any]] = {
    "race": lambda: race(ready(1)),
    "race_ok": lambda: race_ok(ready(1)),
    "join": lambda: join(ready(1)),
    "outcomes": lambda: outcomes(ready(1)),
    "timeout": lambda: timeout(ready(1), 1),
    "shield": lambda: shield(ready(1)),
    "on_cancel": lambda: on_cancel(ready(1), print),
    "finalize": lambda: finalize(ready(1), lambda _outcome: None),
    "catch_cancel": lambda: catch_cancel(ready(1)),
    "abortable": lambda: abortable(ready(1))[0],
    "shared": lambda: shared(ready(1)).into_future(),
    "bracket": lambda: bracket(work, lambda _r: work(), lambda _r: None),
    "ready": lambda: ready(1),
    "checkpoint": rescind.checkpoint,
    "yield_now": rescind.yield_now,
    "sleep": lambda: rescind.sleep(1),
    "sleep zero": lambda: rescind.sleep(0),
    "sleep_until": lambda: rescind.sleep_until(1),
    "sleep_until past": lambda: rescind.sleep_until(-1),
    "tick": lambda: rescind.interval(1).tick(),
    "coroutine": work,
}


@pytest.mark.parametrize("name", ENDED)
def test_poll_after_the_end_is_refused(name: str) -> None:
    """The output is given out once; another poll raises PolledAfterCompletion (R1)."""
    hand = Hand(ENDED[name](), clock=True)
    answer = hand.poll()
    while answer is rescind.lowlevel.PENDING:
        hand.jump()
        answer = hand.poll()
    assert isinstance(answer, rescind.Completed)
    again = hand.poll()
    assert isinstance(again, rescind.Error)
    assert (PolledAfterCompletion, True) == (
        type(again.exception),
        "was polled after it had ended" in str(again.exception),
    )


def test_poll_after_the_end_of_a_join_is_refused() -> None:
    """Of a task's join and of join_or_cancel, too."""

    async def main() -> list[str]:
        task = rescind.spawn(work())
        await task
        found = []
        for future in (task.join(), join_or_cancel(task), task.into_future()):
            now_or_never_future = Hand(future)
            now_or_never_future.poll()
            answer: Any = now_or_never_future.poll()
            found.append(type(answer.exception).__name__)
        return found

    assert rescind.Completed(["PolledAfterCompletion"] * 3) == virtual(main).outcome


# -- driven by two, or from inside -----------------------------------------------------------------


@pytest.mark.parametrize("parent", [join, race, outcomes])
def test_same_coroutine_twice_is_refused_and_loses_no_value(parent: Any) -> None:
    """The second use is refused; the first is neither resumed nor closed by it (F2, D1)."""
    trace: list[object] = []

    async def child() -> str:
        trace.append(await rescind.shield(later()))
        return "done"

    async def later() -> str:
        await rescind.sleep(1)
        return "value"

    async def main() -> list[str]:
        coroutine = child()
        try:
            found = await parent(coroutine, coroutine)
        except UsageError as exc:
            found = [rescind.Error(exc)]
        return [str(one.exception) for one in found if isinstance(one, rescind.Error)]

    outcome = virtual(main).outcome
    assert isinstance(outcome, rescind.Completed)
    (message,) = outcome.value
    expected = (
        "cannot be used here: it was already awaited or has ended. "
        "Call the async function again for a new coroutine"
    )
    assert (["value"], expected) == (trace, message.partition("> ")[2])


@pytest.mark.parametrize("parent", [join, race, race_ok, outcomes])
def test_combinator_polled_from_inside_a_child_is_refused(parent: Any) -> None:
    """A re-entrant poll raises in the child that did it, and does not hang (R1)."""
    caught: list[str] = []

    def polls_its_parent(cx: rescind.lowlevel.Context) -> str:
        try:
            future.poll(cx)
        except UsageError as exc:
            caught.append(str(exc))
        return "done"

    future = parent(rescind.poll_fn(polls_its_parent))
    answer = Hand(future).poll()
    expected = (
        "<combinator of 1> was polled from inside its own poll; to be polled again, call "
        "cx.waker.wake()"
    )
    assert (True, [expected]) == (isinstance(answer, rescind.Completed), caught)


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("acquire", "an async function without arguments"),
        ("use", "an async function of the resource"),
        ("release", "a function of the resource, sync or async"),
    ],
)
def test_bracket_says_which_function_it_needs(name: str, needs: str) -> None:
    """Each argument is checked before anything is acquired."""
    arguments: dict[str, Any] = {"acquire": work, "use": work, "release": print, name: 3}
    with pytest.raises(TypeError) as caught:
        bracket(**arguments)
    assert (
        f"bracket()'s {name} needs {needs}, not 3; pass the function itself, without calling it"
    ) == str(caught.value)
