"""Tokens with a deadline: on a virtual clock, over every host, in plain threads."""

import gc
import logging
import threading
import time
import weakref
from typing import Any

import pytest

import rescind
from rescind import CancelKind, CancellationToken, CancelReason, Runtime, TaskCanceled
from rescind.lowlevel import ManualHost
from rescind.tasks import alarms
from rescind.tasks.tree import SECTION
from tests.conftest import HostFactory
from tests.core.kit import Bench


class Boom(Exception):
    """What a callback raises."""


def threads() -> list[str]:
    """Name the threads of deadlines that are alive."""
    return [one.name for one in threading.enumerate() if one.name == "rescind deadlines"]


def ended(limit: float = 20.0) -> bool:
    """Wait for the deadlines' thread to end."""
    for one in threading.enumerate():
        if one.name == "rescind deadlines":
            one.join(limit)
    return not threads()


def timers(runtime: Runtime) -> int:
    """Count the timers of a runtime."""
    return runtime.statistics().timers


# -- on the clock of a runtime -----------------------------------------------------------------


def test_a_deadline_cancels_at_its_time_and_says_so() -> None:
    """Kind DEADLINE, at the virtual time, set here by this task; children follow from it."""

    async def main() -> tuple[CancelReason, CancelReason, float]:
        token = CancellationToken.after(5)
        child = token.child()
        await rescind.sleep(4.9)
        assert not token.canceled
        followed = await child.wait()
        assert token.reason is not None
        return token.reason, followed, rescind.now()

    with Runtime(host=ManualHost()) as runtime:
        reason, followed, now = runtime.block_on(main())

    assert (reason.kind, reason.message) == (
        CancelKind.DEADLINE,
        "the deadline of 5 s has passed",
    )
    assert (reason.at, now) == (5.0, 5.0)
    assert reason.by is not None
    assert reason.by.startswith("task ")
    assert reason.where is not None
    assert reason.where.startswith(__file__)
    assert (followed.kind, followed.cause) == (CancelKind.PARENT, reason)


def test_a_deadline_of_a_child_concerns_it_alone() -> None:
    """The parent lives on; the parent's cancellation comes first if it is earlier."""

    async def main() -> tuple[Any, ...]:
        root = CancellationToken()
        short, long = root.child(timeout=1), root.child(timeout=3)
        await rescind.sleep(2)
        assert not root.canceled
        root.cancel("earlier")
        return short.reason, long.reason

    with Runtime(host=ManualHost()) as runtime:
        short, long = runtime.block_on(main())
        assert timers(runtime) == 0

    assert short.kind is CancelKind.DEADLINE
    assert (long.kind, long.cause.message) == (CancelKind.PARENT, "earlier")


def test_a_guard_with_a_deadline_raises_the_deadlines_reason(host: HostFactory) -> None:
    """Over every host."""

    async def main() -> CancelReason:
        with pytest.raises(TaskCanceled) as caught:
            await CancellationToken.after(0.001).guard(rescind.never())
        return caught.value.reason

    with host() as runtime:
        assert runtime.block_on(main()).kind is CancelKind.DEADLINE


def test_zero_cancels_at_once_and_infinity_never() -> None:
    """With and without a runtime; no timer is used for either."""

    def kinds() -> list[Any]:
        root = CancellationToken()
        found = [CancellationToken.after(0), root.child(timeout=0)]
        assert not CancellationToken.after(float("inf")).canceled
        assert not root.child(timeout=float("inf")).canceled
        return [token.reason and token.reason.kind for token in found]

    async def main() -> list[Any]:
        found = kinds()
        assert timers(rescind.current_runtime()) == 0
        return found

    with Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(main()) == [CancelKind.DEADLINE] * 2
    assert kinds() == [CancelKind.DEADLINE] * 2
    assert threads() == []


def test_a_child_that_is_born_canceled_sets_no_timer() -> None:
    """Its deadline would be too late."""

    async def main() -> int:
        root = CancellationToken()
        root.cancel()
        assert root.child(timeout=60).canceled
        return rescind.current_runtime().executor._timers.entries

    with Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(main()) == 0


@pytest.mark.parametrize("bad", [-1, float("nan"), "1", True])
def test_what_is_no_duration_is_refused(bad: Any) -> None:
    """By both, and nothing is attached or started."""
    root = CancellationToken()

    with pytest.raises((TypeError, ValueError), match=r"deadline must be a number of seconds"):
        CancellationToken.after(bad)
    with pytest.raises((TypeError, ValueError), match=r"timeout must be a number of seconds"):
        root.child(timeout=bad)
    assert root.statistics().children == 0
    assert threads() == []


def test_the_timer_goes_with_the_token() -> None:
    """Canceled, detached, left by its block, dropped, canceled by its parent: no timer is left."""

    async def main() -> list[int]:
        runtime = rescind.current_runtime()
        counts: list[int] = []
        token = CancellationToken.after(60)
        counts.append(timers(runtime))
        token.cancel()
        counts.append(timers(runtime))
        token = CancellationToken.after(60)
        token.detach()
        counts.append(timers(runtime))
        with CancellationToken().child(timeout=60):
            counts.append(timers(runtime))
        counts.append(timers(runtime))
        token = CancellationToken.after(60)
        counts.append(timers(runtime))
        del token
        counts.append(timers(runtime))
        root = CancellationToken()
        children = [root.child(timeout=60) for _ in range(3)]
        counts.append(timers(runtime))
        root.cancel()
        counts.append(timers(runtime))
        assert all(child.canceled for child in children)
        return counts

    with Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(main()) == [1, 0, 0, 1, 0, 1, 0, 3, 0]


def test_the_timer_is_gone_before_callbacks_are_called() -> None:
    """However long those take, and whoever keeps what they raise."""

    async def main() -> list[int]:
        runtime = rescind.current_runtime()
        counts: list[int] = []
        token = CancellationToken().child(timeout=60)
        token.on_cancel(lambda _: counts.append(timers(runtime)))
        token.cancel()
        return counts

    with Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(main()) == [0]


def test_a_timer_does_not_keep_its_token() -> None:
    """Ten thousand that are dropped leave no timer, and no entries to speak of."""

    async def main() -> tuple[int, int, Any]:
        runtime = rescind.current_runtime()
        root = CancellationToken()
        token = root.child(timeout=3600)
        for _ in range(10_000):
            token = root.child(timeout=3600)
        gone = weakref.ref(token)
        del token
        assert root.statistics().children == 0
        return timers(runtime), runtime.executor._timers.entries, gone()

    with Runtime(host=ManualHost()) as runtime:
        count, entries, gone = runtime.block_on(main())
    assert (count, gone) == (0, None)
    assert entries <= 128


def test_a_token_of_a_runtime_that_another_thread_cancels_leaves_no_timer() -> None:
    """The timer is taken back on the runtime's own thread."""
    with Bench() as bench:
        tokens: list[CancellationToken] = []

        async def make() -> None:
            tokens.extend(CancellationToken.after(60) for _ in range(2))

        bench.spawn(make())
        bench.idle()
        assert timers(bench.runtime) == 2

        def other() -> None:
            tokens[0].cancel("from a thread")
            tokens.clear()

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        bench.idle()
        assert timers(bench.runtime) == 0


def test_a_deadline_before_the_first_turn_of_an_attached_loop_works() -> None:
    """In a plain asyncio task, it is a timer of the loop."""
    import asyncio

    async def main() -> CancelReason:
        return await CancellationToken.after(0.001).wait()

    assert asyncio.run(main()).kind is CancelKind.DEADLINE
    assert threads() == []


def test_a_raising_callback_of_a_deadline_is_logged_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The runtime goes on, and the other callbacks are called."""
    seen: list[CancelReason] = []

    def raising(_reason: CancelReason) -> None:
        raise Boom("in a callback")

    async def main() -> str:
        token = CancellationToken.after(1)
        token.on_cancel(raising)
        token.on_cancel(seen.append)
        await rescind.sleep(2)
        return "goes on"

    with caplog.at_level(logging.ERROR, "rescind"), Runtime(host=ManualHost()) as runtime:
        assert runtime.block_on(main()) == "goes on"

    assert len(seen) == 1
    (record,) = caplog.records
    assert record.getMessage() == "a callback of a cancellation token failed"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], Boom)


def test_an_interrupt_in_a_callback_of_a_deadline_reaches_the_runtime() -> None:
    """Ctrl-C is nothing to be logged; the other callbacks are called before."""
    seen: list[CancelReason] = []

    def interrupted(_reason: CancelReason) -> None:
        raise KeyboardInterrupt

    async def main() -> None:
        token = CancellationToken.after(1)
        token.on_cancel(interrupted)
        token.on_cancel(seen.append)
        await rescind.sleep(2)

    with Runtime(host=ManualHost()) as runtime, pytest.raises(KeyboardInterrupt):
        runtime.block_on(main())

    assert len(seen) == 1


# -- in plain threads --------------------------------------------------------------------------


def test_a_deadline_works_without_a_runtime() -> None:
    """On a thread that ends with the last deadline; the reason has the clock's time."""
    before = time.monotonic()
    token = CancellationToken.after(0.01)
    called = threading.Event()
    token.on_cancel(lambda _: called.set())

    assert called.wait(60)
    assert token.reason is not None
    assert (token.reason.kind, token.reason.by) == (CancelKind.DEADLINE, None)
    assert token.reason.at is not None
    assert token.reason.at >= before + 0.01
    assert token.reason.where is not None
    assert token.reason.where.startswith(__file__)
    assert ended()


def test_deadlines_ring_in_the_order_of_their_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the order in which they were set; all on one thread."""
    seen: list[str] = []
    last = threading.Event()
    now = time.monotonic()
    with SECTION, monkeypatch.context() as patched:  # nothing rings before all is set
        patched.setattr(alarms, "monotonic", lambda: now)
        late, early = CancellationToken.after(0.05), CancellationToken.after(0.02)
        late.on_cancel(lambda _: seen.append("late"))
        late.on_cancel(lambda _: last.set())
        early.on_cancel(lambda _: seen.append("early"))
        assert len(threads()) == 1

    assert last.wait(60)
    assert seen == ["early", "late"]
    assert ended()


@pytest.mark.parametrize("way", ["cancel", "detach", "drop", "parent"])
def test_the_thread_ends_when_no_deadline_is_left(way: str) -> None:
    """However the token goes; the next deadline has a thread again."""
    root = CancellationToken()
    for _ in range(2):
        token: CancellationToken | None = root.child(timeout=3600)
        assert threads() == ["rescind deadlines"]
        assert token is not None
        if way == "cancel":
            token.cancel()
        elif way == "detach":
            token.detach()
        elif way == "parent":
            root.cancel()
            root = CancellationToken()
        del token
        assert ended()


def test_a_very_long_deadline_can_be_waited_for() -> None:
    """Longer than a thread can wait for at once."""
    token = CancellationToken.after(1e12)
    time.sleep(0)
    assert threads() == ["rescind deadlines"]
    token.cancel()
    assert ended()


def test_an_interrupt_does_not_end_the_thread_of_the_deadlines(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whoever raises SystemExit in a callback there ends nothing; later deadlines ring."""

    def interrupted(_reason: CancelReason) -> None:
        raise SystemExit

    rung = threading.Event()
    with SECTION:  # nothing rings before all is set
        first, second = CancellationToken.after(0.001), CancellationToken.after(0.05)
        first.on_cancel(interrupted)
        second.on_cancel(lambda _: rung.set())

    assert rung.wait(60)
    assert ended()
    assert first.canceled
    assert [record.getMessage() for record in caplog.records] == [
        "a callback of a deadline was interrupted"
    ]


def test_many_threads_set_and_drop_deadlines() -> None:
    """The one thread serves all, and ends."""
    failures: list[str] = []

    def work() -> None:
        for index in range(100):
            token = CancellationToken.after(0.001 if index % 10 == 0 else 3600)
            if index % 10 == 0:
                rung = threading.Event()
                token.on_cancel(lambda _, rung=rung: rung.set())  # type: ignore[misc]
                if not rung.wait(60):
                    failures.append("a deadline did not ring")

    started = [threading.Thread(target=work) for _ in range(4)]
    for one in started:
        one.start()
    for one in started:
        one.join(60)
    gc.collect()

    assert failures == []
    assert ended()
