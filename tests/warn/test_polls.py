"""Slow polls: told after the turn, named for certain if that is known, and found once seen."""

import threading
from time import monotonic, sleep
from typing import Any

import pytest

import rescind
from rescind._core.executor import Executor
from rescind._core.hooks import hooks
from rescind._host.manual import ManualHost
from rescind._warn.lines import Lines
from rescind._warn.turns import SlowPolls
from tests.warn.kit import Said, only

SLOW = 0.05


def _stands_still(seconds: float = 2 * SLOW) -> None:
    """Compute, as a program that forgot to await."""
    until = monotonic() + seconds
    while monotonic() < until:
        sleep(0.001)


async def _company() -> None:
    await rescind.sleep(3600)


@pytest.mark.parametrize("host", ["asyncio", "uvloop"])
def test_the_only_task_of_a_slow_turn_is_named_at_once(host: Any) -> None:
    """With the await that came after."""
    if host == "uvloop":
        pytest.importorskip("uvloop")
    said = Said()

    async def main() -> None:
        rescind.spawn(_company())
        await rescind.sleep(0)
        _stands_still()
        await rescind.sleep(0)

    expected = (
        "task N 'main' ran for N s without awaiting, until its await at FILE:N in "
        "test_the_only_task_of_a_slow_turn_is_named_at_once.<locals>.main. Everything else stood "
        "still meanwhile: let it await, or use rescind.blocking.spawn_blocking"
    )
    # On a machine that is busy with other things another poll may be slow, too.
    assert expected in said.run(main, only(slow_poll=SLOW), host=host)


def test_one_of_several_is_a_guess_at_first_and_certain_from_then_on() -> None:
    """The second time each step is timed, and the awaits before and after are told."""
    said = Said()

    async def busy() -> None:
        await rescind.sleep(0)
        for _ in range(2):
            _stands_still()
            await rescind.sleep(0.001)

    async def quiet() -> None:
        for _ in range(200):
            await rescind.sleep(0)

    async def main() -> None:
        tasks = [rescind.spawn(work(), name=work.__name__) for work in (quiet, busy, quiet)]
        for task in tasks:
            await task

    lines = said.run(main, only(slow_poll=SLOW))
    guess = (
        "one of 3 polls ran for up to N s without awaiting, while everything else stood still; the "
        "last of them was task N 'quiet'. The next slow one will be named"
    )
    named = "task N 'busy' ran for N s without awaiting, from one await at FILE:N in "
    assert guess in lines
    assert any(line.startswith(named) for line in lines)


def test_of_a_join_the_child_is_named() -> None:
    """It, and the task that it is in."""
    said = Said()

    async def busy() -> None:
        for _ in range(3):
            await rescind.sleep(0)
            _stands_still()

    async def main() -> None:
        await rescind.join(_short(), busy(), _short())

    lines = said.run(main, only(slow_poll=SLOW))
    assert any("busy> in task N 'main' ran for N s without awaiting" in line for line in lines)


async def _short() -> None:
    await rescind.sleep(0.4)


def test_the_watchdog_sees_the_line() -> None:
    """Of the synchronous function; its thread ends with the runtime."""
    said = Said()

    async def main() -> None:
        rescind.spawn(_company())
        for _ in range(2):
            await rescind.sleep(0)
            _stands_still(0.4)
        assert any(thread.name == "rescind watchdog" for thread in threading.enumerate())

    lines = said.run(main, only(slow_poll=SLOW, watchdog=True))
    seen = "task N 'main' ran for N s without awaiting, at FILE:N in _stands_still. Everything"
    assert any(line.startswith(seen) for line in lines)
    assert not any(thread.name == "rescind watchdog" for thread in threading.enumerate())


def test_many_short_steps_are_no_slow_poll() -> None:
    """A turn of a thousand steps may take long, though each is short; then each is timed."""
    said: list[str] = []
    lines = Lines()
    lines.say = lambda kind, text, like=None: said.append(text)  # type: ignore[method-assign]
    polls = SlowPolls(Executor(ManualHost()), lines, 0.1, watchdog=False)
    try:
        polls.turned(1.05, 1000)
        assert said == []
        assert hooks.polled is not None
        polls.stop()
        assert hooks.polled is None
        polls.turned(1.15, 1000)
    finally:
        polls.stop()
    assert [text[:32] for text in said] == ["one of 1000 polls ran for up to "]


def test_nobody_is_kept_waiting_where_nobody_else_is() -> None:
    """A program of one task may compute as long as it likes."""
    said = Said()

    async def main() -> None:
        _stands_still()
        await rescind.sleep(0)
        _stands_still()

    assert said.run(main, only(slow_poll=SLOW)) == []


def test_it_listens_only_while_it_looks_closer(monkeypatch: pytest.MonkeyPatch) -> None:
    """And stops by itself, after a while and at the end."""
    from rescind._warn import turns

    monkeypatch.setattr(turns, "_CLOSER", 0.3)
    said = Said()
    seen: list[bool] = []

    async def main() -> None:
        rescind.spawn(_company())
        await rescind.sleep(0)
        _stands_still()
        await rescind.sleep(0)
        seen.append(hooks.polled is not None)
        async with rescind.deadline(20):
            while hooks.polled is not None:
                await rescind.sleep(0.01)
        _stands_still()
        await rescind.sleep(0)
        seen.append(hooks.polled is not None)

    said.run(main, only(slow_poll=SLOW, hangs=True))
    assert seen == [True, True]
    assert hooks.polled is None
