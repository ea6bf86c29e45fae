"""Futures awaited by trio's tasks (R31): canceled by its scopes, and by Ctrl-C."""

import logging
import signal

import pytest
import trio

import rescind
from tests.host.trio_kit import Slow, run


def test_a_scope_cancels_with_its_words_and_catches_its_own() -> None:
    """Inside it is a `Cancellation` of kind FOREIGN; outside trio's own, after the cleanup."""
    slow = Slow()

    async def main() -> list[object]:
        began = trio.current_time()
        with trio.move_on_after(10) as scope:
            await rescind.join(slow.work())
        return [scope.cancelled_caught, trio.current_time() - began]

    assert run(main) == [True, 15.0]
    assert slow.reason is not None
    assert (slow.clean, slow.reason.kind) == (True, rescind.CancelKind.FOREIGN)


@pytest.mark.skipif(not hasattr(trio.Cancelled, "reason"), reason="trio tells why from 0.31 on")
def test_the_reason_given_to_trio_is_the_reason_inside() -> None:
    """And who asked, as trio names them; a deadline is said to be one."""
    told, late = Slow(), Slow()

    async def main() -> None:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(waits, told)
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel(reason="enough")
        with trio.move_on_after(1):
            await rescind.race(late.work())

    async def waits(slow: Slow) -> None:
        await rescind.race(slow.work())

    run(main)
    assert told.reason is not None
    assert late.reason is not None
    assert (told.reason.message, "main" in str(told.reason.by)) == ("enough", True)
    assert late.reason.message == "a deadline of trio's has passed"


def test_fail_after_raises_trios_own_error() -> None:
    """Once the cleanup is done."""
    slow = Slow()

    async def main() -> None:
        with trio.fail_after(1):
            await rescind.race(slow.work())

    with pytest.raises(trio.TooSlowError):
        run(main)
    assert slow.clean


def test_a_cleanup_without_end_is_dropped_when_its_grace_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A warning names where it hangs; trio's cancellation then goes on."""
    slow = Slow(seconds=float("inf"))

    async def main() -> list[object]:
        began = trio.current_time()
        with trio.move_on_after(1) as scope:
            await rescind.race(slow.work())
        return [scope.cancelled_caught, trio.current_time() - began]

    assert run(main) == [True, 31.0]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "overran its grace" in caplog.text


def test_a_task_that_only_yields_is_canceled_where_it_yields() -> None:
    """There is no value to lose: it does not go on once more, or for ever."""
    seen: list[int] = []

    async def main() -> None:
        async with trio.open_nursery() as nursery:

            async def yields() -> None:
                while len(seen) < 10:
                    seen.append(len(seen))
                    if len(seen) == 2:
                        nursery.cancel_scope.cancel()
                    await rescind.yield_now()

            nursery.start_soon(yields)

    run(main)
    assert seen == [0, 1]


def test_nothing_runs_in_a_scope_that_is_canceled_already() -> None:
    """As before every first poll (R5); and nothing is left unawaited."""
    seen: list[str] = []

    async def work() -> None:
        seen.append("ran")

    async def main() -> bool:
        with trio.CancelScope() as scope:
            scope.cancel()
            await rescind.race(work())
        return scope.cancelled_caught

    assert (run(main), seen) == (True, [])


def test_a_value_that_absorbs_the_cancellation_is_delivered_and_trio_comes_back() -> None:
    """The next checkpoint raises: trio's cancellation is a level, not an edge."""

    async def stubborn() -> str:
        try:
            await rescind.sleep(10)
        except rescind.Cancellation:
            return "value"
        return "not canceled"

    async def main() -> list[object]:
        seen: list[object] = []
        with trio.move_on_after(1) as scope:
            seen.append(await rescind.race(stubborn()))
            await trio.lowlevel.checkpoint()
            seen.append("not canceled")
        return [*seen, scope.cancelled_caught]

    assert run(main) == ["value", True]


def test_an_error_of_the_cleanup_passes_the_scope_that_canceled() -> None:
    """The scope takes out what is its own, and nothing is lost (R15)."""

    async def failing() -> None:
        try:
            await rescind.sleep(10)
        finally:
            raise KeyError("lost?")

    async def main() -> None:
        with trio.move_on_after(1):
            await rescind.shield(rescind.ready(1))
            await rescind.race(failing())

    with pytest.raises(BaseExceptionGroup) as caught:
        run(main)
    assert [repr(error) for error in caught.value.exceptions] == ["KeyError('lost?')"]


def test_an_error_is_raised_as_it_is() -> None:
    """With few frames of ours between the await and where it was raised."""

    async def failing() -> None:
        await rescind.sleep(1)
        raise KeyError("mine")

    async def main() -> None:
        await rescind.join(failing(), rescind.never())

    with pytest.raises(KeyError, match="mine") as caught:
        run(main)
    names = [entry.frame.code.raw.co_name for entry in caught.traceback]
    ours = [entry for entry in caught.traceback if "/rescind/" in str(entry.path)]
    assert (names[-1], len(ours) <= 4) == ("failing", True)


def interrupt() -> None:
    """Press Ctrl-C, as trio delivers it to the main task."""
    trio.lowlevel.current_trio_token().run_sync_soon(signal.raise_signal, signal.SIGINT)


def test_ctrl_c_cancels_lets_clean_up_and_goes_on() -> None:
    """The reason is of kind SIGNAL, and `KeyboardInterrupt` leaves the run."""
    slow = Slow()

    async def main() -> None:
        interrupt()
        await rescind.race(slow.work())

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert slow.reason is not None
    assert (slow.clean, slow.reason.kind) == (True, rescind.CancelKind.SIGNAL)


@pytest.mark.parametrize("scope_first", [False, True], ids=["twice", "after-a-scope"])
def test_ctrl_c_in_the_midst_of_the_cleanup(
    scope_first: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """The second one cuts the cleanup short; the first one, after a scope's, does not."""
    slow = Slow(seconds=8)

    async def main() -> None:
        async def again() -> None:
            await trio.sleep(12)
            interrupt()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(again)
            with trio.move_on_after(10 if scope_first else 1000):
                if not scope_first:
                    nursery.start_soon(first)
                await rescind.race(slow.work())

    async def first() -> None:
        await trio.sleep(10)
        interrupt()

    with pytest.raises(BaseExceptionGroup) as caught:
        run(main)
    assert caught.group_contains(KeyboardInterrupt)
    assert slow.clean is scope_first
    assert ("overran" in caplog.text) is not scope_first


def test_ctrl_c_that_a_value_overtook_is_not_lost() -> None:
    """The value is delivered, and the interrupt comes at the next checkpoint of trio's."""
    seen: list[str] = []

    async def stubborn() -> str:
        try:
            await rescind.sleep(10)
        except rescind.Cancellation:
            return "value"
        return "not interrupted"

    async def main() -> None:
        interrupt()
        seen.append(await rescind.race(stubborn()))
        await trio.sleep(1)
        seen.append("not interrupted")

    with pytest.raises(KeyboardInterrupt):
        run(main)
    assert seen == ["value"]
