"""One run from beginning to end: its judges, what it notes, and that nothing of it is left (X3)."""

import asyncio
import contextvars
import logging
import signal
import socket
import sys
import threading
import warnings
from collections.abc import AsyncGenerator
from time import monotonic
from typing import Any

import pytest

from rescind.check import Env, Instant, Judge, Mode, Point, RunPlan
from rescind.check.detectors import Detector
from rescind.check.run import execute
from tests.check.kit import by_hand, case, everything, keep_trace, parks, run, struck


async def sleeps(env: Env) -> str:
    """Park once."""
    await asyncio.sleep(0.01)
    return "done"


# -- judges ----------------------------------------------------------------------------------------


def test_the_follow_up_is_the_scenario_again_on_the_same_env() -> None:
    """It sees what the canceled one has left."""

    async def setup(env: Env) -> None:
        env.count = 0

    async def scenario(env: Env) -> int:
        env.count += 1
        await asyncio.sleep(0.01)
        return int(env.count)

    record = struck(scenario, setup=setup, judge=Judge.FOLLOW_UP)
    assert (record.end.kind, str(record.follow_up)) == ("canceled", "returned 2")


def test_a_settled_follow_up_begins_when_all_has_come_to_rest() -> None:
    """What the canceled one left under way has ended; a prompt one comes before that."""
    order: list[str] = []

    async def scenario(env: Env) -> None:
        order.append("begins")
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_later(0.02, order.append, "rest")
            raise

    struck(scenario, judge=Judge.FOLLOW_UP)
    assert order[-3:] == ["begins", "rest", "begins"]
    order.clear()
    struck(scenario, judge=Judge.PROMPT)
    assert order[-3:] == ["begins", "begins", "rest"]


@pytest.mark.parametrize(("judge", "copies"), [(Judge.CROWD, 1), (Judge.CROWD3, 2)])
def test_in_a_crowd_only_one_is_canceled(judge: Judge, copies: int) -> None:
    """The others run at the same time on the same env, and end well."""

    async def scenario(env: Env) -> int:
        env.inside = getattr(env, "inside", 0) + 1
        most = env.inside
        await asyncio.sleep(0.01)
        return int(max(most, env.inside))

    record = struck(scenario, judge=judge)
    assert record.end.kind == "canceled"
    assert [str(end) for end in record.crowd] == [f"returned {copies + 1}"] * copies


def test_a_hang_names_the_await_at_which_it_is() -> None:
    """Of the scenario, of its follow-up."""

    async def setup(env: Env) -> None:
        env.lock = asyncio.Lock()

    async def scenario(env: Env) -> None:
        await env.lock.acquire()
        await asyncio.sleep(0.01)
        env.lock.release()

    end = struck(scenario, setup=setup, judge=Judge.FOLLOW_UP).follow_up
    assert end.kind == "hung"
    assert end.shown.startswith("nothing can happen any more, at ")
    assert "in Lock.acquire" in end.stack[-1]


def test_a_failure_names_where_it_was_raised() -> None:
    """Without the checker's own frames."""

    async def scenario(env: Env) -> None:
        raise ValueError("no")

    end = run(scenario).end
    assert str(end) == "raised ValueError('no')"
    assert len(end.stack) == 1
    assert end.stack[0].startswith("tests/check/test_run.py:")


def test_invariants_are_asked_with_the_outcome() -> None:
    """What they raise is noted under their names."""
    asked: list[Any] = []

    async def holds(env: Env, outcome: Any) -> None:
        asked.append(outcome)

    def fails(env: Env) -> None:
        raise AssertionError("broken")

    record = struck(sleeps, invariants=(holds, fails))
    assert asked[-1] == ("canceled", "")
    assert record.invariants == ["fails raised AssertionError('broken')"]


def test_what_only_timers_keep_up_is_a_hang_of_the_scenario_alone() -> None:
    """A heartbeat of the environment's keeps nobody from seeing that the scenario hangs."""

    async def setup(env: Env) -> None:
        async def beat() -> None:
            while True:
                await asyncio.sleep(0.5)

        env.beat = asyncio.create_task(beat())

    async def scenario(env: Env) -> None:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            await asyncio.get_running_loop().create_future()

    record = struck(scenario, setup=setup)
    assert (record.end.kind, record.end.shown.partition(",")[0]) == ("hung", "it goes on for ever")


# -- scenarios that are none -----------------------------------------------------------------------


def test_setup_that_fails_is_told_and_nothing_else_is_run() -> None:
    """With where it failed."""

    async def setup(env: Env) -> None:
        raise ValueError("no server")

    record = run(sleeps, setup=setup)
    assert record.error.startswith("setup raised ValueError('no server'), at tests/check/test_run")
    assert record.end.kind == "not run"


def test_setup_that_hangs_is_told() -> None:
    """With the await."""

    async def setup(env: Env) -> None:
        await asyncio.Event().wait()

    error = run(sleeps, setup=setup).error
    assert error.startswith("setup hung: nothing can happen any more, at ")


def test_teardown_that_fails_is_an_error_uncanceled_and_a_symptom_afterwards() -> None:
    """It is one more promise that a cancellation can break."""

    async def setup(env: Env) -> None:
        env.inside = 0

    async def scenario(env: Env) -> None:
        env.inside += 1
        await asyncio.sleep(0.01)
        env.inside -= 1

    async def teardown(env: Env) -> None:
        assert env.inside == 0, "somebody is inside"

    assert run(scenario, setup=setup, teardown=teardown).error == ""
    record = struck(scenario, setup=setup, teardown=teardown)
    assert record.error == ""
    assert "somebody is inside" in record.teardown

    async def broken(env: Env) -> None:
        raise ValueError("broken")

    assert run(sleeps, teardown=broken).error.startswith("teardown raised ValueError('broken')")


def test_a_scenario_that_is_not_async_is_told() -> None:
    """Its name, and what it returned."""

    def scenario(env: Env) -> int:
        return 3

    error = run(scenario).error
    assert error.startswith("case must be an async function, but calling it returned 3")

    async def generator(env: Env) -> AsyncGenerator[int]:
        yield 1

    assert "is an async generator" in run(generator).error


def test_a_scenario_may_be_any_function_that_returns_an_awaitable() -> None:
    """A partial, a future, an object with `__await__`."""

    async def scenario(env: Env) -> str:
        await asyncio.sleep(0.01)
        return "done"

    def by_object(env: Env) -> Any:
        class Awaitable:
            def __await__(self) -> Any:
                return scenario(env).__await__()

        return Awaitable()

    assert str(run(by_object).end) == "returned 'done'"
    assert struck(by_object).body.kind == "canceled"


def test_a_scenario_that_exits_the_program_has_failed_and_nobody_exits() -> None:
    """`SystemExit` is its end, not the checker's."""

    async def scenario(env: Env) -> None:
        sys.exit(3)

    assert str(run(scenario).end) == "raised SystemExit(3)"


def test_a_scenario_that_runs_a_loop_of_its_own_is_told_what_asyncio_says() -> None:
    """As anywhere else."""

    async def scenario(env: Env) -> None:
        coro = sleeps(env)
        try:
            asyncio.run(coro)
        finally:
            coro.close()

    assert "cannot be called from a running event loop" in str(run(scenario).end)


def test_a_scenario_may_run_a_loop_in_a_thread() -> None:
    """That loop is not the checker's, and nobody's clock is touched there."""

    async def scenario(env: Env) -> int:
        async def there() -> int:
            await asyncio.sleep(0)
            return 3

        return await asyncio.to_thread(asyncio.run, there())

    assert str(run(scenario).end) == "returned 3"


def test_a_thread_that_does_not_end_is_named() -> None:
    """In the record of the run that has started it."""
    go = threading.Event()

    async def scenario(env: Env) -> None:
        made.append(threading.Thread(target=go.wait, name="stubborn", daemon=True))
        made[0].start()

    made: list[threading.Thread] = []
    assert run(scenario).threads == ["stubborn"]
    go.set()
    made[0].join()


def test_threads_of_a_pool_are_waited_for() -> None:
    """They are idle, and end with the loop."""

    async def scenario(env: Env) -> None:
        await asyncio.gather(*(asyncio.to_thread(int) for _ in range(3)))

    before = threading.active_count()
    assert run(scenario).threads == []
    assert threading.active_count() == before


# -- X3 --------------------------------------------------------------------------------------------


def test_tasks_that_are_left_are_ended_and_closed() -> None:
    """Even those that take their time."""
    trace: list[str] = []

    async def lingers() -> None:
        try:
            await asyncio.sleep(1000)
        finally:
            await asyncio.sleep(0.01)
            trace.append("ended")

    async def scenario(env: Env) -> None:
        env.task = asyncio.create_task(lingers())
        await asyncio.sleep(0)

    run(scenario)
    assert trace == ["ended"]


def test_no_context_variable_reaches_the_next_run() -> None:
    """Neither the scenario's nor the checker's own."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")

    def scenario(env: Env) -> Any:
        variable.set(variable.get() + "x")  # not in a task, but where the run is made
        return sleeps(env)

    async def look(env: Env) -> str:
        return variable.get()

    before = dict(contextvars.copy_context())
    run(scenario)
    assert dict(contextvars.copy_context()) == before
    assert str(run(look).end) == "returned ''"


def test_the_threads_current_loop_is_as_before() -> None:
    """One that was set is set again; where none was, asyncio may still make one."""
    own = asyncio.new_event_loop()
    try:
        asyncio.set_event_loop(own)
        run(sleeps)
        assert asyncio.get_event_loop() is own
    finally:
        asyncio.set_event_loop(None)
        own.close()


def test_warning_filters_hooks_and_handlers_are_as_before() -> None:
    """Though detectors listen everywhere while a run lasts, even if it is interrupted."""

    def state() -> tuple[Any, ...]:
        return (
            list(warnings.filters),
            sys.unraisablehook,
            list(logging.getLogger().handlers),
            signal.getsignal(signal.SIGINT),
            threading.active_count(),
        )

    async def interrupted(env: Env) -> None:
        raise KeyboardInterrupt

    before = state()
    run(sleeps, detectors=everything())
    assert state() == before
    with pytest.raises(KeyboardInterrupt):
        run(interrupted, detectors=everything())
    assert state() == before


def test_what_is_let_go_of_at_the_end_is_heard() -> None:
    """A failed task that nobody asks, held by the env alone, is complained of in its own run."""

    async def scenario(env: Env) -> None:
        async def fails() -> None:
            raise ValueError("unseen")

        env.task = asyncio.create_task(fails())
        await asyncio.sleep(0.01)

    record = run(scenario, detectors=everything())
    assert any("unseen" in one for one in record.facts["never retrieved"])
    assert run(sleeps, detectors=everything()).facts["never retrieved"] == []


def test_the_tasks_that_the_checker_ends_are_no_noise() -> None:
    """What they raise then is of its making."""

    async def scenario(env: Env) -> None:
        async def stubborn() -> None:
            try:
                await asyncio.sleep(1000)
            finally:
                raise ValueError("on cancellation")

        env.task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)

    facts = run(scenario, detectors=everything()).facts
    assert (facts["noise"], facts["never retrieved"]) == ([], [])


def test_an_unclosed_socket_of_the_env_is_closed_within_the_run() -> None:
    """And told of, as a resource that nobody closed."""

    async def setup(env: Env) -> None:
        env.sockets = socket.socketpair()

    record = run(sleeps, setup=setup, detectors=everything())
    assert sum("ResourceWarning" in one for one in record.facts["unclosed"]) == 2


def test_an_interrupt_leaves_no_loop_behind() -> None:
    """Ctrl-C ends the run where it is; what it has made is ended."""
    made: list[Any] = []

    async def scenario(env: Env) -> None:
        made.append(asyncio.get_running_loop())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(scenario)
    assert made[0].is_closed()


def test_detectors_are_called_in_their_order() -> None:
    """Begin, set up, settled, fact; and with the loop closed in the end."""
    trace: list[str] = []

    class Notes(Detector):
        name = "notes"

        def begin(self, run: Any) -> None:
            trace.append("begin")

        def set_up(self, run: Any) -> None:
            trace.append("set up")

        def settled(self, run: Any) -> None:
            trace.append("settled")

        def fact(self, run: Any) -> str:
            trace.append(f"fact, closed: {run.loop.is_closed()}")
            return "a fact"

    async def setup(env: Env) -> None:
        trace.append("setup")

    async def teardown(env: Env) -> None:
        trace.append("teardown")

    record = run(sleeps, setup=setup, teardown=teardown, detectors=[Notes()])
    assert record.facts == {"notes": "a fact"}
    assert trace == ["begin", "setup", "set up", "settled", "teardown", "fact, closed: True"]


def test_runs_can_be_made_in_any_thread() -> None:
    """One at a time."""
    ends: list[str] = []
    thread = threading.Thread(target=lambda: ends.append(str(execute(case(sleeps), RunPlan()).end)))
    thread.start()
    thread.join()
    assert ends == ["returned 'done'"]


def test_a_run_makes_the_same_record_each_time() -> None:
    """Apart from the seconds that it took."""
    point = parks(sleeps)[0]
    for plan in (
        RunPlan(),
        RunPlan(point, Instant.WOKEN, Mode.ASYNCIO, Judge.STORM),
        RunPlan(Point("root"), Instant.UNSTARTED, Mode.TWICE, Judge.CROWD3),
        RunPlan(point, Instant.PARKED, Mode.RESCIND, Judge.PROMPT),
    ):
        first, second = (run(sleeps, plan, everything()) for _ in range(2))
        first.seconds = second.seconds = 0.0
        assert first == second


def test_a_run_knows_its_parts() -> None:
    """A debugger, say, that stops at the cancellation."""
    one = by_hand(sleeps, setup=keep_trace)
    record = one.execute()
    assert record is one.record
    assert one.way is None


# -- real time -------------------------------------------------------------------------------------


def _through_a_pause(monkeypatch: pytest.MonkeyPatch) -> str:
    """Make a run in whose middle the machine stands still for five seconds; return how it ends."""

    async def scenario() -> None:
        monkeypatch.setattr("rescind.check.loop.monotonic", lambda: monotonic() + 5.0)
        for _ in range(3):
            await asyncio.sleep(0.01)

    return run(scenario, timeout=1.0).end.kind


def test_a_machine_that_stands_still_hangs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """In these tests, whose `patient` sees to that."""
    assert _through_a_pause(monkeypatch) == "returned"


@pytest.mark.real_limits
def test_longer_than_its_limit_a_run_counts_as_hung(monkeypatch: pytest.MonkeyPatch) -> None:
    """In real time, which alone tells that something outside does not come."""
    assert _through_a_pause(monkeypatch) == "hung"
