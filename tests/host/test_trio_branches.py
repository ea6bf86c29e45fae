"""In branches under trio (R31): what works, and what is refused, and how."""

import contextvars
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import trio

import rescind
from rescind.lowlevel import PENDING, Context, Pending, as_future
from rescind.sync import Mutex, channel
from tests.host.trio_kit import after, run


def test_branches_have_contexts_of_their_own_and_trios_task_is_the_one_that_awaits() -> None:
    """What a branch sets stays there; what trio asks of its current task still works."""
    variable = contextvars.ContextVar("variable", default="outer")

    async def main() -> list[object]:
        me = trio.lowlevel.current_task()
        done = trio.Event()

        async def branch() -> tuple[str, bool]:
            variable.set("inner")
            await rescind.sleep(1)
            done.set()
            return variable.get(), trio.lowlevel.current_task() is me

        first = await rescind.join(branch(), branch())
        await done.wait()
        with trio.fail_after(1):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep, 0.5)
        return [*first, variable.get()]

    assert run(main) == [("inner", True), ("inner", True), "outer"]


async def _sleep() -> None:
    await trio.sleep(1)


async def unabortable(go: trio.Event | None = None) -> str:
    """Wait as trio's threads do: whatever happens, it is resumed in the end, from outside."""
    task = trio.lowlevel.current_task()
    token = trio.lowlevel.current_trio_token()

    async def resume() -> None:
        if go is not None:
            await go.wait()
        token.run_sync_soon(trio.lowlevel.reschedule, task)

    trio.lowlevel.spawn_system_task(resume)
    await trio.lowlevel.wait_task_rescheduled(lambda _: trio.lowlevel.Abort.FAILED)
    return "resumed"


async def release(go: trio.Event) -> None:
    """Let those that wait be resumed at the same time, when nothing else is left to do."""
    await trio.testing.wait_all_tasks_blocked()
    go.set()


async def _detach() -> None:
    import outcome

    await trio.lowlevel.permanently_detach_coroutine_object(outcome.Value(None))


@pytest.mark.parametrize(
    "primitive",
    [
        _sleep,
        trio.lowlevel.checkpoint,
        lambda: trio.Event().wait(),
        lambda: trio.to_thread.run_sync(int),
        unabortable,
        _detach,
    ],
    ids=["sleep", "checkpoint", "event", "thread", "unabortable", "detach"],
)
@pytest.mark.parametrize("combinator", [rescind.race, rescind.join, rescind.outcomes])
def test_what_belongs_to_trio_is_refused_in_a_branch(
    primitive: Callable[[], Coroutine[Any, Any, Any]], combinator: Any
) -> None:
    """It says why and what to do; branches given are closed, and the run is as good as before."""

    async def main() -> tuple[str, str]:
        message = ""
        try:
            outcomes = await combinator(primitive(), primitive(), after(1, "x"))
        except rescind.UsageError as exc:
            message = str(exc)
        else:
            assert outcomes[2] == rescind.Completed("x")
            message = str(outcomes[0].exception)
        return message, await after(1, "undisturbed")

    message, undisturbed = run(main)
    assert ("trio can park whole tasks only" in message, undisturbed) == (True, "undisturbed")


def test_a_wait_of_trios_that_was_refused_is_taken_back() -> None:
    """What it waited for comes later, and disturbs nobody."""

    async def main() -> str:
        event = trio.Event()
        with pytest.raises(rescind.UsageError):
            await rescind.race(event.wait(), rescind.sleep(1))
        event.set()
        return await after(1, "undisturbed")

    assert run(main) == "undisturbed"


def test_nothing_else_is_polled_before_what_cannot_be_aborted_is_done() -> None:
    """Or a second one would be begun, and both would resume the task at the same time."""
    left = [1, 1, 1]

    def hot(cx: Context) -> str | Pending:
        if left:
            left.pop()
            cx.waker.wake()
            return PENDING
        return "hot"

    async def main() -> list[str]:
        go = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(release, go)
            outcomes = await rescind.outcomes(
                rescind.poll_fn(hot), unabortable(go), unabortable(go), unabortable(go)
            )
        return [type(getattr(one, "exception", one)).__name__ for one in outcomes]

    assert trio.run(main) == ["Completed", *["UsageError"] * 3]


class PolledOnce(rescind.lowlevel.Future[str]):
    """Polls a future once and drops it."""

    def __init__(self, inner: rescind.lowlevel.Future[Any]) -> None:
        self.inner = inner

    def poll(self, cx: Context) -> str:
        assert self.inner.poll(cx) is PENDING
        self.inner.drop()
        return "dropped"


def test_what_cannot_be_aborted_is_waited_for_also_if_its_branch_was_dropped() -> None:
    """It resumes the task when it is done, which must still be parked for it then."""

    async def main() -> tuple[str, bool]:
        go = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(release, go)
            return await PolledOnce(as_future(unabortable(go))), go.is_set()

    assert trio.run(main) == ("dropped", True)


def test_a_member_of_a_set_is_refused_too() -> None:
    """Those run in a task of our own."""

    async def main() -> list[str]:
        go = trio.Event()
        async with trio.open_nursery() as nursery, rescind.FutureSet[str, Any]() as members:
            nursery.start_soon(release, go)
            members.add(_sleep(), key="sleep")
            members.add(unabortable(go), key="one")
            members.add(unabortable(go), key="other")
            return sorted([type(getattr(o, "exception", o)).__name__ async for _, o in members])

    assert trio.run(main) == ["UsageError"] * 3


def test_a_branch_is_told_at_the_await_and_may_handle_it() -> None:
    """As with any error: what stands around that await is run."""

    async def branch() -> str:
        try:
            await trio.sleep(1)
        except rescind.UsageError:
            await rescind.sleep(1)
            return "told"
        return "not told"

    assert run(lambda: branches(branch())) == "told"


async def branches(one: Coroutine[Any, Any, str]) -> str:
    """Run it as a branch."""
    return await rescind.race(one, rescind.never())


def test_a_member_that_a_thread_woke_is_refused_in_the_same_way() -> None:
    """What comes from other threads is taken up by the task that drives the members."""
    sender, receiver = channel[int](1)

    async def member() -> str:
        await receiver.recv()
        return await unabortable()

    async def main() -> list[str]:
        thread = threading.Thread(target=sender.send_nowait, args=(1,))
        async with rescind.FutureSet[int, str]() as members:
            members.add(member())
            await trio.testing.wait_all_tasks_blocked()
            thread.start()
            ended = [type(getattr(one, "exception", one)).__name__ async for _, one in members]
        thread.join()
        return [*ended, await after(0.001, "undisturbed")]

    assert trio.run(main) == ["UsageError", "undisturbed"]


def test_a_nursery_in_a_branch_ends_its_tasks_and_says_why() -> None:
    """Its block cannot be left by a branch; the nursery itself raises what is wrong."""
    seen: list[str] = []

    async def lasting() -> None:
        try:
            await trio.sleep(100)
        finally:
            seen.append("ended")

    async def branch() -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(lasting)
            await rescind.sleep(1)

    async def main() -> str:
        with pytest.raises(ExceptionGroup) as caught:
            await rescind.race(branch(), rescind.never())
        assert caught.group_contains(rescind.UsageError, match="park whole tasks only")
        return await after(1, "undisturbed")

    assert (run(main), seen) == ("undisturbed", ["ended"])


def test_a_scope_of_trios_in_a_branch_gets_a_note_that_names_ours() -> None:
    """It cancels the whole task, and nobody outside catches that."""

    async def branch() -> None:
        with trio.move_on_after(1):
            await rescind.sleep(10)

    async def main() -> None:
        with pytest.raises(trio.Cancelled) as caught:
            await rescind.race(branch())
        assert "rescind.deadline" in caught.value.__notes__[0]

    run(main)


def test_an_asyncio_future_is_refused_in_a_branch() -> None:
    """No loop would ever complete it."""
    import asyncio

    loop = asyncio.new_event_loop()

    async def main() -> str:
        with pytest.raises(rescind.UsageError, match="trio runs here, not asyncio"):
            await rescind.race(loop.create_future(), rescind.never())
        return await after(1, "undisturbed")

    assert run(main) == "undisturbed"
    loop.close()


def test_a_lock_knows_the_trio_task_that_holds_it() -> None:
    """Another one cannot release it, and is told its own name."""
    mutex = Mutex()

    async def other() -> None:
        with pytest.raises(rescind.UsageError, match=r"trio task '.*other'"):
            mutex.release()

    async def main() -> None:
        async with trio.open_nursery() as nursery, mutex:
            nursery.start_soon(other)
            await trio.testing.wait_all_tasks_blocked()

    run(main)
    assert not mutex.locked()
