"""What lives once is neither copied nor pickled; what is a value is, and stays equal."""

import asyncio
import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    CancelKind,
    Cancellation,
    CancellationToken,
    CancelReason,
    Completed,
    Error,
    FutureSet,
    TaskCanceled,
    sync,
    task_group,
)
from rescind.lowlevel import CoroutineFuture, ManualHost, WaitList, as_future
from tests.tasks.group_kit import virtual

WAYS: dict[str, Callable[[Any], Any]] = {
    "copied": copy.copy,
    "copied deeply": copy.deepcopy,
    "pickled": pickle.dumps,
}


async def nothing() -> None:
    """Return at once."""


def futures() -> dict[str, Any]:
    """Return futures that were never polled."""
    never = rescind.never
    return {
        "sleep": rescind.sleep(1),
        "ready": rescind.ready(1),
        "never": never(),
        "yield_now": rescind.yield_now(),
        "poll_fn": rescind.poll_fn(len),
        "race": rescind.race(never(), never()),
        "race_ok": rescind.race_ok(never()),
        "join": rescind.join(never()),
        "outcomes": rescind.outcomes(never()),
        "timeout": rescind.timeout(never(), 1),
        "shield": rescind.shield(never()),
        "shared": rescind.shared(never()),
        "catch_cancel": rescind.catch_cancel(never()),
        "on_cancel": rescind.on_cancel(never(), nothing),
        "bracket": rescind.bracket(never, never, never),
        "abortable": rescind.abortable(never())[0],
        "coroutine": CoroutineFuture(nothing()),
        "as_future": as_future(nothing()),
        "set": FutureSet(),
        "select": rescind.select(a=never()),
        "acquire": sync.Mutex().acquire(),
        "wait": sync.Event().wait(),
    }


def others() -> dict[str, Any]:
    """Return what is no future, and lives once."""
    sender, receiver = sync.channel(1)
    once, answer = sync.oneshot()
    return {
        "deadline": rescind.deadline(1),
        "shielded": rescind.shielded(),
        "group": task_group(),
        "abort": rescind.abortable(rescind.never())[1],
        "interval": rescind.interval(1),
        "wait list": WaitList(),
        "mutex": sync.Mutex(),
        "rwlock": sync.RwLock(),
        "read": sync.RwLock().read(),
        "semaphore": sync.Semaphore(1),
        "condition": sync.Condition(),
        "event": sync.Event(),
        "notify": sync.Notify(),
        "barrier": sync.Barrier(2),
        "cell": sync.OnceCell(),
        "sender": sender,
        "receiver": receiver,
        "oneshot sender": once,
        "oneshot receiver": answer,
        "host": ManualHost(),
        "runtime": rescind.Runtime(host=ManualHost()),
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("made", [futures, others])
def test_what_lives_once_is_refused(made: Callable[[], dict[str, Any]], way: str) -> None:
    """By copies and by pickle alike, in words; never a half of it."""
    for name, one in made().items():
        with pytest.raises(TypeError, match="can be neither copied nor pickled"):
            WAYS[way](one)
            pytest.fail(f"{name} was {way}")
        if isinstance(one, rescind.lowlevel.Future):
            one.drop()


@pytest.mark.parametrize("way", WAYS)
def test_what_a_running_program_has_is_refused(way: str) -> None:
    """A task, its request, its join, the running runtime, a permit that was given."""

    async def main() -> list[str]:
        task = rescind.spawn(rescind.never())
        await rescind.yield_now()
        sender, _receiver = sync.channel(1)
        permit = await sender.reserve()
        living = (task, task.join(), task.cancel(), rescind.current_runtime(), permit)
        refused: list[str] = []
        for one in living:
            with pytest.raises(TypeError) as info:
                WAYS[way](one)
            refused.append(str(info.value).partition(" ")[0])
        permit.release()
        return refused

    outcome = virtual(main)

    assert isinstance(outcome, Completed)
    assert ["Task", "Join", "CancelRequest", "Runtime", "Permit"] == outcome.value


@pytest.mark.parametrize("way", WAYS)
def test_the_identity_of_a_task_is_refused(way: str) -> None:
    """``asyncio.current_task()`` of ours, as one of asyncio's own is."""

    async def main() -> str:
        with pytest.raises(TypeError) as info:
            WAYS[way](asyncio.current_task())
        return str(info.value)

    assert "can be neither copied nor pickled" in rescind.run(main)


@pytest.mark.parametrize(
    "way", [copy.copy, copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))]
)
def test_values_are_copied_and_equal(way: Callable[[Any], Any]) -> None:
    """Outcomes and reasons; with all that they hold, and as frozen as before."""
    cause = CancelReason(CancelKind.DEADLINE, "too late", "main", "here:1", 1.0)
    reason = CancelReason(CancelKind.PARENT, "its parent", cause=cause)
    values = [cause, reason, Completed([1]), Canceled(reason), Canceled(reason, (), True, True)]

    for value in values:
        made = way(value)
        assert (value, type(value)) == (made, type(made))
        with pytest.raises(AttributeError):
            made.kind = None

    failed = way(Error(ValueError(1), (KeyError(2),)))
    assert ["ValueError(1)", "KeyError(2)"] == [repr(failed.exception), repr(failed.also[0])]
    canceled = way(Cancellation(reason, (KeyError(2),)))
    assert (reason, "KeyError(2)") == (canceled.reason, repr(canceled.also[0]))
    told = TaskCanceled(reason)
    told.also = (KeyError(2),)
    assert (reason, "KeyError(2)") == (way(told).reason, repr(way(told).also[0]))


def test_a_copy_of_a_handle_or_a_token_is_for_the_same() -> None:
    """They cannot be pickled, and say what to send instead."""

    async def main() -> bool:
        handle = rescind.spawn(nothing()).cancellation_handle()
        token = CancellationToken()
        for one in (handle, token):
            assert [one, one] == [copy.copy(one), copy.deepcopy(one)]
            with pytest.raises(TypeError, match=r"cannot be pickled: .* send "):
                pickle.dumps(one)
        return True

    assert virtual(main) == Completed(True)
