"""What an await of a future is to the coroutine: resumed, thrown into, closed, traced."""

import sys
from collections.abc import Generator
from types import FrameType
from typing import Any

import pytest

from rescind._core.coroutine import CoroutineFuture
from rescind._core.current import foreign, local
from rescind._core.poll import NoopWaker
from rescind.lowlevel import PENDING, Context, Future
from tests.core.kit import Leaf


def awaiting(leaf: Future[Any], *, begun: bool = True) -> Generator[Any, Any, Any]:
    """Await a future by hand, as if inside a coroutine that is driven; it has yielded then."""
    local.region = CoroutineFuture(_nothing())
    try:
        parked = leaf.__await__()
        if begun:
            assert next(parked) is leaf
        return parked
    finally:
        driver, local.region = local.region, None
        assert driver is not None
        driver.drop()


async def _nothing() -> None:
    pass


def test_it_yields_the_future_and_returns_what_is_sent() -> None:
    """Once; what comes after the end has no value."""
    leaf = Leaf()
    parked = awaiting(leaf)
    assert iter(parked) is parked
    with pytest.raises(StopIteration) as ended:
        parked.send("sent")
    assert ended.value.value == "sent"
    with pytest.raises(StopIteration) as again:
        parked.send("more")
    assert again.value.value is None


def test_no_value_and_an_exception_as_a_value_are_values() -> None:
    """However it is resumed: by iteration, or by ``send``."""
    for value in (None, KeyError("it"), (1, 2)):
        parked = awaiting(Leaf())
        with pytest.raises(StopIteration) as ended:
            parked.send(value)
        assert ended.value.value == value
    parked = awaiting(Leaf())
    with pytest.raises(StopIteration):
        parked.__next__()


def test_what_is_thrown_is_raised_at_the_await() -> None:
    """In each of the ways in which ``throw`` may be called; it has ended then."""
    error = KeyError("it")
    for parked in (awaiting(Leaf()), awaiting(Leaf())):
        with pytest.raises(KeyError) as raised:
            parked.throw(error)
        assert raised.value is error
        with pytest.raises(StopIteration):
            next(parked)
    unstarted = awaiting(Leaf(), begun=False)
    with pytest.raises(KeyError):
        unstarted.throw(error)


def test_closed_it_has_ended() -> None:
    """And closing it again does nothing."""
    parked = awaiting(Leaf())
    parked.close()
    parked.close()
    with pytest.raises(StopIteration):
        next(parked)


def test_a_driver_that_does_not_know_futures_gets_its_own_way_to_wait(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """ "Bad yield" means that; the wait goes on in what ``foreign.drive`` gives, to its end."""
    closed: list[str] = []

    def drive(future: Future[Any]) -> Generator[Any, Any, str]:
        try:
            got = yield f"parked on {future!r}"
        except KeyError as exc:
            got = repr(exc)
        finally:
            closed.append("ended")
        return f"got {got}"

    monkeypatch.setattr(foreign, "drive", drive)
    for resume, ends in (
        (lambda parked: parked.send("it"), "got it"),
        (lambda parked: parked.throw(KeyError(1)), "got KeyError(1)"),
    ):
        parked = awaiting(Leaf())
        assert parked.throw(RuntimeError("Task got bad yield")) == "parked on <leaf>"
        with pytest.raises(StopIteration) as ended:
            resume(parked)
        assert ended.value.value == ends
    parked = awaiting(Leaf())
    parked.throw(RuntimeError("Task got bad yield"))
    closed.clear()
    parked.close()
    assert closed == ["ended"]


def test_other_runtime_errors_are_the_coroutines() -> None:
    """Only the words of asyncio's task mean something else."""
    parked = awaiting(Leaf())
    with pytest.raises(RuntimeError, match=r"^mine$"):
        parked.throw(RuntimeError("mine"))


def test_a_traced_coroutine_goes_the_same_way() -> None:
    """A debugger or a coverage tool has the interpreter resume it by its methods."""
    seen: list[int] = []

    def tracer(frame: FrameType, event: str, arg: object) -> Any:
        seen.append(frame.f_lineno)
        return tracer

    async def body(leaf: Leaf) -> Any:
        return await leaf

    cx = Context(NoopWaker())
    leaf = Leaf()
    fut = CoroutineFuture(body(leaf))
    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        assert fut.poll(cx) is PENDING
        leaf.output = None
        assert fut.poll(cx) is None
    finally:
        sys.settrace(before)
    assert seen
