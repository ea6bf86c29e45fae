"""Where code is: the caller's line, the stack of a suspended coroutine, a traceback without us."""

import types
from collections.abc import AsyncIterator, Generator
from typing import Any

import pytest

import rescind
from rescind._core.frames import await_stack, caller, place_of, site, site_of, strip
from rescind._core.gate import Gate
from rescind._core.site import Site
from rescind.lowlevel import CoroutineFuture
from rescind.testing import context
from tests.core.kit import Leaf, interpreted


@types.coroutine
def trap() -> Generator[str, None, None]:
    """Yield once."""
    yield "trapped"


async def inner() -> None:
    """Await the trap."""
    await trap()


async def outer() -> None:
    """Await what awaits it."""
    await inner()


async def ticking() -> AsyncIterator[int]:
    """Await it between two items."""
    await trap()
    yield 1


async def over_generator() -> None:
    """Await it behind an iteration."""
    async for _ in ticking():
        pass


class Still:
    """What is awaited without a frame."""

    def __await__(self) -> Any:
        return iter(["trapped"])


OURS = """
async def ours(inner):
    await inner
"""


def under(coro: Any, depth: int, module: str) -> Any:
    """Return coroutines one in the other, of a module, of which the innermost awaits ``coro``."""
    names: dict[str, Any] = {"__name__": module}
    exec(compile(OURS, f"{module.replace('.', '/')}.py", "exec"), names)
    for _ in range(depth):
        coro = names["ours"](coro)
    return coro


def line_of(function: Any, offset: int) -> str:
    """Return the place of a line, counted from a function's first."""
    return f"{__file__}:{function.__code__.co_firstlineno + offset}"


def test_caller_is_the_nearest_line_outside_rescind() -> None:
    """Called from here it is this line; called by rescind it is who called rescind."""
    me = test_caller_is_the_nearest_line_outside_rescind
    assert line_of(me, 3) == caller()


def test_caller_through_rescind_is_who_called_it() -> None:
    """A shield entered in a coroutine records the line of the `with`."""
    found: list[str | None] = []

    async def main() -> None:
        with Gate() as gate:
            found.append(gate.where)

    fut = CoroutineFuture(main())
    assert (None, [line_of(main, 1)]) == (fut.poll(context()), found)


@interpreted
def test_caller_without_foreign_frames_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    """If every frame is rescind's own there is no place."""
    from rescind._core import frames

    monkeypatch.setattr(frames, "ours", lambda _frame: True)
    assert (None, None) == (caller(), site_of(None))


def test_await_stack_lists_the_frames_outermost_first() -> None:
    """Coroutines and generators in between, each with its suspended line and its name."""
    coro = outer()
    coro.send(None)
    assert [
        (line_of(outer, 2), "outer"),
        (line_of(inner, 2), "inner"),
        (line_of(trap, 3), "trap"),
    ] == [(str(place), place.function) for place in await_stack(coro)]
    assert Site(__file__, trap.__code__.co_firstlineno + 3, "trap") == site(coro)
    coro.close()


def test_await_stack_goes_through_async_generators_as_far_as_it_can() -> None:
    """An `async for` is shown; the interpreter does not tell what its `asend` awaits."""
    coro = over_generator()
    coro.send(None)
    assert ["over_generator"] == [place.function for place in await_stack(coro)]
    coro.close()


def test_await_stack_of_an_async_generator_itself() -> None:
    """A suspended generator has frames of its own."""
    ticks = ticking()
    step = ticks.asend(None)
    step.send(None)
    assert ["ticking", "trap"] == [place.function for place in await_stack(ticks)]
    step.close()


def test_await_stack_leaves_rescind_out() -> None:
    """What is between a user's line and its leaf is not the user's business."""
    fut = CoroutineFuture(parked_in_rescind())
    fut.poll(context())
    places = [place.function for place in await_stack(fut.coroutine)]
    assert ["parked_in_rescind"] == places
    fut.drop()


async def parked_in_rescind() -> None:
    """Await a future."""
    await Leaf()


@pytest.mark.parametrize("what", [None, 3, "text", Leaf()])
def test_what_has_no_frames_has_no_stack(what: object) -> None:
    """Neither an error nor a guess."""
    assert ([], None) == (await_stack(what), site(what))


def test_ended_coroutine_has_no_stack() -> None:
    """Its frame is gone."""
    coro = outer()
    coro.close()
    assert ([], None) == (await_stack(coro), site(coro))


def names(exc: BaseException) -> list[str]:
    """Return the functions of the traceback."""
    found, tb = [], exc.__traceback__
    while tb is not None:
        found.append(tb.tb_frame.f_code.co_name)
        tb = tb.tb_next
    return found


def test_strip_takes_our_outermost_frames_off() -> None:
    """What remains begins in the user's code."""

    async def failing() -> None:
        raise ValueError("failed")

    with pytest.raises(ValueError, match="failed") as caught:
        rescind.run(failing)
    exc, whole = caught.value, names(caught.value)
    tb = exc.__traceback__
    assert tb is not None
    exc.__traceback__ = tb.tb_next  # without this function's own frame
    strip(exc)
    assert ("failing", ["failing"]) == (whole[-1], names(exc))


def test_strip_leaves_a_traceback_that_begins_elsewhere() -> None:
    """Only outermost frames go: what a user's frame called in rescind stays."""

    def user() -> None:
        rescind.sleep(-1)

    with pytest.raises(ValueError, match="negative") as caught:
        user()
    before = names(caught.value)
    strip(caught.value)
    assert before == names(caught.value)


def test_strip_of_an_exception_that_was_never_raised() -> None:
    """There is nothing to take off."""
    exc = ValueError()
    strip(exc)
    assert exc.__traceback__ is None


def test_site_prints_as_file_and_line() -> None:
    """The form that terminals and editors make a link of."""
    assert "/a/b.py:12" == str(Site("/a/b.py", 12, "f"))


def test_site_of_a_frame_is_the_nearest_outside_rescind() -> None:
    """From a frame of ours it is the one that called it."""
    import sys

    found = site_of(sys._getframe())
    assert found is not None
    assert (__file__, "test_site_of_a_frame_is_the_nearest_outside_rescind") == (
        found.file,
        found.function,
    )


@pytest.mark.parametrize("depth", [0, 1, 7, 8, 20])
def test_place_is_the_innermost_line_outside_rescind(depth: int) -> None:
    """However many frames of rescind's are inside of it, and of others around it; asked twice."""

    async def awaits() -> None:
        await under(Still(), depth, "rescind.asked")

    coro = under(awaits(), depth, "elsewhere")
    coro.send(None)
    expected = line_of(awaits, 1)
    try:
        assert [place_of(coro), place_of(coro)] == [expected, expected]
    finally:
        coro.close()


def test_place_of_one_that_awaits_in_two_lines_is_told_anew() -> None:
    """Words of a place are for that place alone, and others for the same code elsewhere."""

    async def twice() -> None:
        await Still()
        await Still()

    coro = twice()
    found: list[str | None] = []
    try:
        for _ in range(2):
            coro.send(None)
            found.append(place_of(coro))
    finally:
        coro.close()

    assert found == [line_of(twice, 1), line_of(twice, 2)]


def test_place_is_none_where_all_is_rescinds() -> None:
    """Nobody else has asked for it."""
    coro = under(Still(), 3, "rescind.asked")
    coro.send(None)
    place = place_of(coro)
    coro.close()

    assert place is None
