"""Every instant strikes exactly where the plan says, or the run says that it did not (X1)."""

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from rescind.check import Env, Instant, Judge, Mode, Point, RunPlan
from rescind.check.points import ALL_HELD, Held, Until
from rescind.check.strike import went_astray
from tests.check.kit import keep_trace, parks, points, run, struck


async def two_steps() -> None:
    """Park twice."""
    await asyncio.sleep(0.01)
    await asyncio.sleep(0)


async def in_a_generator() -> None:
    """Wait inside an async generator."""

    async def numbers() -> AsyncGenerator[int]:
        await asyncio.sleep(0.01)
        yield 1
        await asyncio.sleep(0)

    async for _ in numbers():
        await asyncio.sleep(0.01)


async def in_a_context() -> None:
    """Wait in an async context manager."""

    @asynccontextmanager
    async def room() -> AsyncGenerator[None]:
        await asyncio.sleep(0)
        try:
            yield
        finally:
            await asyncio.sleep(0)

    async with room():
        await asyncio.sleep(0.01)


async def in_tasks() -> None:
    """Wait for tasks of a group, and they for others."""

    async def child() -> None:
        await asyncio.create_task(two_steps())

    async with asyncio.TaskGroup() as group:
        group.create_task(child())
        group.create_task(two_steps())


async def gathered() -> None:
    """Wait for two at once."""
    await asyncio.gather(two_steps(), two_steps())


async def limited() -> None:
    """Wait under time limits."""
    await asyncio.wait_for(two_steps(), 1)
    async with asyncio.timeout(1):
        await two_steps()


async def shielded() -> None:
    """Wait for what is shielded."""
    await asyncio.shield(asyncio.create_task(two_steps()))


async def in_threads() -> None:
    """Wait for a thread."""
    await asyncio.to_thread(int)


async def from_a_callback() -> None:
    """Wait for a task that a callback has made."""
    loop = asyncio.get_running_loop()
    made: asyncio.Future[Any] = loop.create_future()
    loop.call_soon(lambda: made.set_result(loop.create_task(two_steps())))
    await (await made)


async def queued() -> None:
    """Wait for an item and for a lock."""
    queue: asyncio.Queue[int] = asyncio.Queue()
    asyncio.get_running_loop().call_later(0.01, queue.put_nowait, 1)
    await queue.get()
    lock = asyncio.Lock()
    async with lock:
        waiting = asyncio.create_task(lock.acquire())
        await asyncio.sleep(0)
    await waiting


PROGRAMS = (
    two_steps,
    in_a_generator,
    in_a_context,
    in_tasks,
    gathered,
    limited,
    shielded,
    in_threads,
    from_a_callback,
    queued,
)


def strikes(body: Callable[..., Any], **options: Any) -> list[RunPlan]:
    """Return a plan for each point of a program, at each instant that it has."""
    plans: list[RunPlan] = []
    for point, bare in run(body, **options).points:
        instants = [Instant.PARKED] if bare else [Instant.PARKED, Instant.WOKEN]
        for instant in instants if point.stack else [Instant.UNSTARTED]:
            plans.append(RunPlan(point, instant))
    return plans


@pytest.mark.parametrize("body", PROGRAMS, ids=lambda body: body.__name__)
def test_each_point_of_a_program_is_struck_at_each_of_its_instants(body: Any) -> None:
    """The task is the one that is meant, it is parked where the plan says, and all before is as
    it is without a cancellation.
    """
    clean = run(body)
    plans = strikes(body)
    assert len(plans) >= 2
    for plan in plans:
        record = run(body, plan)
        assert record.struck, plan
        assert not record.diverged, plan
        assert went_astray(record, clean) == "", plan
        assert record.points[: record.before] == clean.points[: record.before]
        if plan.instant is not Instant.UNSTARTED:
            assert plan.point in [point for point, _ in record.points[: record.before]]
        if plan.instant is Instant.PARKED:
            assert record.landed[:1] == [plan.point]


@pytest.mark.skipif(sys.version_info < (3, 12), reason="eager tasks came with Python 3.12")
@pytest.mark.parametrize("body", PROGRAMS, ids=lambda body: body.__name__)
def test_each_point_of_eager_tasks_is_struck(body: Any) -> None:
    """They park before the task knows who drives it."""

    async def setup(env: Env) -> None:
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)

    for plan in strikes(body, setup=setup):
        record = run(body, plan, setup=setup)
        assert record.struck, plan


def test_a_parked_task_is_struck_before_anything_else_runs() -> None:
    """Callbacks that are ready come after the cancellation was sent."""
    seen: list[str] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        loop.call_soon(lambda: seen.append(f"{task.cancelling()} asked"))
        await loop.create_future()

    run(
        scenario,
        RunPlan(Point("root", parks_of_hanging(scenario), 1), Instant.PARKED),
    )
    assert seen[-1] == "1 asked"


def parks_of_hanging(body: Any) -> tuple[str, ...]:
    """Return the first stack of a scenario that hangs uncanceled."""
    return next(point.stack for point in points(body) if point.stack)


def test_a_woken_task_is_struck_after_its_future_is_done_and_before_it_resumes() -> None:
    """Exactly between the two."""
    trace: list[str] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        future = loop.create_future()

        def wake() -> None:
            trace.append("done")
            future.set_result("value")

        loop.call_soon(wake)
        task = asyncio.current_task()
        assert task is not None
        try:
            await future
            trace.append("resumed")
        except asyncio.CancelledError:
            trace.append(f"canceled, done: {future.done()}, canceled: {future.cancelled()}")
            raise

    struck(scenario, 1, instant=Instant.WOKEN)
    assert trace[-2:] == ["done", "canceled, done: True, canceled: False"]


def test_a_task_is_struck_before_its_first_poll() -> None:
    """Of a child, its body never runs."""
    trace: list[str] = []

    async def child() -> None:
        trace.append("ran")

    async def scenario() -> None:
        await asyncio.wait([asyncio.create_task(child())])
        trace.append("waited")

    record = run(scenario, RunPlan(Point("root/1"), Instant.UNSTARTED))
    assert record.struck
    assert trace == ["waited"]


def test_between_callbacks_the_strike_comes_just_before_the_one_that_is_counted() -> None:
    """Each callback of the scenario is one place, and told by what it is."""

    async def scenario(env: Env) -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.current_task()
        assert task is not None
        for _ in range(3):
            loop.call_soon(lambda: env.trace.append(task.cancelling()))
        await asyncio.sleep(1)

    kept: list[Any] = []

    async def setup(env: Env) -> None:
        await keep_trace(env)
        kept.append(env.trace)

    clean = run(scenario, RunPlan(instant=Instant.CALLBACK), setup=setup)
    assert clean.callbacks == len(clean.trace) + 1  # the one that says that it has ended
    assert clean.trace[0] == "a step of root"
    assert clean.trace[1].endswith("scenario.<locals>.<lambda>")
    for number, expected in ((2, [1, 1, 1]), (3, [0, 1, 1]), (4, [0, 0, 1])):
        plan = RunPlan(Point("root", (), number), Instant.CALLBACK)
        record = run(scenario, plan, setup=setup)
        assert record.struck
        assert kept[-1] == expected
        assert went_astray(record, clean) == ""


def test_a_second_strike_falls_at_the_suspension_of_the_cleanup_that_is_meant() -> None:
    """Where it fell is noted."""

    async def scenario(env: Env) -> None:
        try:
            await asyncio.sleep(1)
        finally:
            for number in range(3):
                try:
                    await asyncio.sleep(0.01)
                except asyncio.CancelledError:
                    env.trace.append(number)

    kept: list[Any] = []

    async def setup(env: Env) -> None:
        await keep_trace(env)
        kept.append(env.trace)

    assert struck(scenario, 1, setup=setup).cleanup == 3
    for second in (1, 2, 3):
        record = struck(scenario, 1, second=second, setup=setup)
        assert kept[-1] == [second - 1]
        assert record.again is not None
        assert record.again.visit == second
        assert record.thrown == 2


def test_each_round_of_a_storm_is_struck() -> None:
    """Twelve times at the same place, then it is used again."""

    async def scenario(env: Env) -> str:
        env.trace.append("began")
        await asyncio.sleep(0.01)
        env.trace.append("ended")
        return "done"

    kept: list[Any] = []

    async def setup(env: Env) -> None:
        await keep_trace(env)
        kept.append(env.trace)

    record = struck(scenario, 1, judge=Judge.STORM, setup=setup)
    assert kept[-1] == ["began"] * 13 + ["ended"]
    assert str(record.follow_up) == "returned 'done'"
    assert [str(point) for point, _ in record.points] == [
        "the start of root",
        str(parks(scenario, setup=setup)[0]),
    ]


def test_a_storm_that_hangs_is_over() -> None:
    """Eleven more rounds would each take as long as the first."""
    rounds: list[None] = []

    async def scenario() -> None:
        rounds.append(None)
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            await asyncio.get_running_loop().create_future()

    point = parks(scenario)[0]
    rounds.clear()
    record = run(scenario, RunPlan(point, Instant.PARKED, Mode.ASYNCIO, Judge.STORM))
    assert record.end.kind == "hung"
    assert len(rounds) == 2  # and the follow-up


# -- X1: what is told when it did not strike, or came another way ----------------------------------


def test_a_place_that_is_never_reached_is_not_struck() -> None:
    """The record says so, though the run went well."""
    point = replace(parks(two_steps)[0], visit=7)
    record = run(two_steps, RunPlan(point))
    assert record.struck is False
    assert record.end.kind == "returned"


def test_a_scenario_that_hangs_before_it_is_struck_was_not_struck() -> None:
    """It cannot be blamed on a cancellation."""

    async def scenario() -> None:
        await asyncio.get_running_loop().create_future()

    point = Point("root", parks_of_hanging(scenario), 1)
    record = run(scenario, RunPlan(point, Instant.WOKEN))
    assert record.end.kind == "hung"
    assert record.struck is False


def test_a_run_that_came_to_the_place_by_another_way_is_found_out() -> None:
    """The strike is at the very place, but what was before is not as it was uncanceled."""
    rounds: list[None] = []

    async def scenario() -> None:
        rounds.append(None)
        if len(rounds) > 1:
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)

    clean = run(scenario)
    record = run(scenario, RunPlan(clean.points[-1][0]))
    assert record.struck
    assert went_astray(record, clean).startswith("step of root 2 is ")


def test_a_callback_that_is_another_one_is_found_out() -> None:
    """It is known by what it is, not only by its number."""
    rounds: list[None] = []

    async def scenario() -> None:
        rounds.append(None)
        loop = asyncio.get_running_loop()
        loop.call_soon(list if len(rounds) == 1 else dict)
        await asyncio.sleep(0.01)

    clean = run(scenario, RunPlan(instant=Instant.CALLBACK))
    record = run(scenario, RunPlan(Point("root", (), 2), Instant.CALLBACK))
    assert went_astray(record, clean) == (
        "callback 2 is builtins.dict, but uncanceled it is builtins.list"
    )


def test_a_sibling_that_is_slower_this_time_is_no_other_way() -> None:
    """How far the others are when one parks may depend on when answers arrive."""
    one, other = Point("root/1", ("a",), 1), Point("root/2", ("b",), 1)
    clean, seen = run(two_steps), run(two_steps, RunPlan(parks(two_steps)[0]))
    clean.points = [(one, False), (other, False)]
    seen.points, seen.before = [(other, False), (one, False)], 2
    assert went_astray(seen, clean) == ""
    seen.points = [(replace(other, visit=2), False)]
    assert went_astray(seen, clean) != ""


# -- X2 --------------------------------------------------------------------------------------------


def test_a_run_without_a_strike_has_no_callback_of_the_checkers() -> None:
    """It has those that a stock loop has."""

    async def scenario() -> None:
        await asyncio.sleep(0.01)
        await asyncio.sleep(0)

    trace = run(scenario, RunPlan(instant=Instant.CALLBACK)).trace
    assert trace == [
        "a step of root",
        "asyncio.futures._set_result_unless_cancelled",
        "a step of root",
        "a step of root",
    ]


# -- what is held back -----------------------------------------------------------------------------


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each line with itself."""
    while line := await reader.readline():
        writer.write(line)
    writer.close()


class Client:
    """Sends a line, and takes the next that comes for its answer."""

    async def connect(self, env: Env) -> None:
        self.server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", port)
        self.sent = 0
        env.client = self

    async def ask(self) -> bool:
        self.sent += 1
        question = f"{self.sent}\n".encode()
        self.writer.write(question)
        return await self.reader.readline() == question


async def asks(env: Env) -> bool:
    """Ask on a connection that is shared."""
    return bool(await env.client.ask())


async def connects(env: Env) -> None:
    """Connect to a server in the same loop."""
    await Client().connect(env)


async def disconnects(env: Env) -> None:
    """Close both."""
    env.client.writer.close()
    env.client.server.close()
    await asyncio.sleep(0.01)


CONNECTED = {"setup": connects, "teardown": disconnects}


def test_a_late_answer_goes_to_the_next_request() -> None:
    """The canceled request's answer is held back until the next request is sent."""
    record = struck(asks, judge=Judge.PROMPT, hold=ALL_HELD, **CONNECTED)
    assert record.struck
    assert str(record.follow_up) == "returned False"


def test_nothing_is_lost_of_what_is_held_back() -> None:
    """Uncanceled, and canceled with a follow-up when all has settled, answers arrive."""
    clean = run(asks, RunPlan(judge=Judge.FOLLOW_UP), **CONNECTED)
    assert (str(clean.end), str(clean.follow_up)) == ("returned True", "returned True")
    record = struck(asks, judge=Judge.FOLLOW_UP, hold=ALL_HELD, **CONNECTED)
    assert record.follow_up.kind == "returned"


async def wired(env: Env) -> None:
    """Make a stream whose far end is a plain socket."""
    near, env.far = socket.socketpair()
    env.reader, env.writer = await asyncio.open_connection(sock=near)


async def unwired(env: Env) -> None:
    """Close both ends."""
    env.writer.close()
    await asyncio.sleep(0.01)
    env.far.close()


async def arrived(env: Env) -> int:
    """Return how much of what was sent has been read, after some turns of the loop."""
    for _ in range(5):
        await asyncio.sleep(0)
    return len(env.reader._buffer)


WIRED = {"setup": wired, "teardown": unwired}


@pytest.mark.parametrize(("hold", "expected"), [(None, 7), (ALL_HELD, 0)])
def test_a_park_whose_answer_is_in_the_socket_is_struck_before_it_is_read(
    hold: Held | None, expected: int
) -> None:
    """The loop could look for it before it strikes; what is held cannot be seen."""
    seen: list[int] = []

    async def scenario(env: Env) -> None:
        env.far.send(b"answer\n")
        try:
            await env.reader.readline()
        except asyncio.CancelledError:
            seen.append(await arrived(env))
            raise

    record = struck(scenario, hold=hold, **WIRED)
    assert record.struck
    assert record.body.kind == "canceled"
    assert seen == [expected]


@pytest.mark.parametrize(("hold", "expected"), [(None, 7), (ALL_HELD, 0)])
def test_what_arrives_after_a_strike_at_a_woken_task_is_held_too(
    hold: Held | None, expected: int
) -> None:
    """Whatever the instant is."""
    seen: list[int] = []

    async def scenario(env: Env) -> None:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            env.far.send(b"answer\n")
            seen.append(await arrived(env))
            raise

    assert struck(scenario, instant=Instant.WOKEN, hold=hold, **WIRED).struck
    assert seen == [expected]


@pytest.mark.parametrize(("until", "expected"), [(Until.ENDED, 7), (Until.IDLE, 0)])
def test_an_answer_may_come_as_soon_as_the_canceled_one_has_ended(
    until: Until, expected: int
) -> None:
    """Too late for that one; the next use, in the same tick, finds it there, or does not yet."""
    seen: list[int] = []

    async def scenario(env: Env) -> None:
        if hasattr(env, "used"):
            seen.append(await arrived(env))
            return
        env.used = True
        env.far.send(b"answer\n")
        try:
            await env.reader.readline()
        except asyncio.CancelledError:
            seen.append(await arrived(env))
            raise

    assert struck(scenario, judge=Judge.PROMPT, hold=Held(until=until), **WIRED).struck
    assert seen[-2:] == [0, expected]


@pytest.mark.parametrize(("number", "expected"), [(1, 0), (2, 7)])
def test_answers_of_other_connections_come_in_time(number: int, expected: int) -> None:
    """Only the one with that number is late; here there is but one."""
    seen: list[int] = []

    async def scenario(env: Env) -> None:
        env.far.send(b"answer\n")
        try:
            await env.reader.readline()
        except asyncio.CancelledError:
            seen.append(await arrived(env))
            raise

    assert struck(scenario, hold=Held(number), **WIRED).struck
    assert seen == [expected]


def test_modes_strike_with_late_answers_too() -> None:
    """Whatever cancels, the answer is late."""
    for mode in (Mode.TIMEOUT, Mode.GROUP, Mode.RESCIND):
        record = struck(asks, judge=Judge.PROMPT, mode=mode, hold=ALL_HELD, **CONNECTED)
        assert str(record.follow_up) == "returned False"
