"""``asyncio.TaskGroup`` in our tasks: before Python 3.13 its own knows no subclasses."""

import asyncio
import subprocess
import sys
from collections.abc import Callable

import pytest

import rescind
from rescind import Canceled, Error, Outcome

LOOPS = ["asyncio", "uvloop"]


class Subclassed(asyncio.CancelledError):
    """As a library may have."""


def _end(body: Callable[[], object], kind: str) -> Outcome[object]:
    """Cancel the body where it is parked, and return how it ended."""
    if kind == "uvloop":
        pytest.importorskip("uvloop")

    async def main() -> Outcome[object]:
        task: rescind.Task[object] = rescind.spawn(body())  # type: ignore[arg-type]
        for _ in range(4):
            await asyncio.sleep(0)
        return await task.cancel("enough")

    return rescind.run(main, host="uvloop" if kind == "uvloop" else "asyncio")


@pytest.mark.parametrize("kind", LOOPS)
def test_the_same_cancellation_comes_out_with_its_reason(kind: str) -> None:
    """What was raised in the block is what leaves it; the children were canceled and waited for."""
    seen: list[object] = []

    async def child() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            seen.append("child ended")

    async def body() -> None:
        inner = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                try:
                    await asyncio.sleep(3600)
                except rescind.Cancellation as exc:
                    inner = exc
                    raise
        except rescind.Cancellation as exc:
            seen.append((exc is inner, exc.reason.message))
            raise

    outcome = _end(body, kind)

    assert isinstance(outcome, Canceled)
    assert (seen, outcome.also) == (["child ended", (True, "enough")], ())


@pytest.mark.parametrize("kind", LOOPS)
def test_an_error_of_a_child_s_cleanup_comes_out_as_a_group(kind: str) -> None:
    """As with a plain ``CancelledError``: errors go before the cancellation, and it is not one."""
    seen: list[list[str]] = []

    async def child() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ValueError("in the cleanup")

    async def body() -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(child())
                await asyncio.sleep(3600)
        except BaseExceptionGroup as exc:
            seen.append([repr(error) for error in exc.exceptions])
            raise

    outcome = _end(body, kind)

    assert seen == [["ValueError('in the cleanup')"]]
    assert isinstance(outcome, Canceled | Error)


@pytest.mark.parametrize("kind", LOOPS)
def test_groups_in_groups_let_it_through(kind: str) -> None:
    """Each of them ends its own children."""

    async def body() -> None:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(asyncio.sleep(3600))
            async with asyncio.TaskGroup() as inner:
                inner.create_task(asyncio.sleep(3600))
                await asyncio.sleep(3600)

    outcome = _end(body, kind)

    assert isinstance(outcome, Canceled)
    assert outcome.also == ()


def test_a_group_in_a_stock_task_is_as_it_was() -> None:
    """With a runtime in the program, too: failures are grouped, and cancellations pass."""

    async def failing() -> None:
        raise ValueError("mine")

    async def main() -> list[str]:
        seen: list[str] = []
        await rescind.race(rescind.ready(1))  # from here on there is a host
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(failing())
                await asyncio.sleep(3600)
        except* ValueError as group_of:
            seen.append(repr(group_of.exceptions))
        try:
            async with asyncio.timeout(0.001):
                async with asyncio.TaskGroup() as group:
                    group.create_task(asyncio.sleep(3600))
                    await asyncio.sleep(3600)
        except TimeoutError:
            seen.append("timed out")
        try:
            async with asyncio.TaskGroup():
                raise Subclassed
        except asyncio.CancelledError as exc:
            seen.append(type(exc).__name__)
        return seen

    assert asyncio.run(main()) == ["(ValueError('mine'),)", "timed out", "Subclassed"]


def test_an_import_alone_changes_nothing() -> None:
    """The group of a program that runs nothing of ours is the standard library's."""
    program = (
        "import asyncio; before = asyncio.TaskGroup.__aexit__; import rescind\n"
        "assert asyncio.TaskGroup.__aexit__ is before\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.skipif(sys.version_info < (3, 13), reason="before 3.13 it has to be helped")
def test_from_3_13_on_the_group_is_left_alone() -> None:
    """It knows subclasses by itself."""
    rescind.run(rescind.ready(1), host="asyncio")

    assert asyncio.TaskGroup.__aexit__.__module__ == "asyncio.taskgroups"
