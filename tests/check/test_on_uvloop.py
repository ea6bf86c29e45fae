"""Runs on uvloop: what is possible there, and what is said not to be."""

import asyncio
import gc
import re
import socket
import textwrap
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind import UsageError
from rescind.check import (
    Env,
    Instant,
    Judge,
    Mode,
    NotCheckable,
    Options,
    Point,
    RunPlan,
    sweep,
)
from rescind.check.loop import LATE
from rescind.check.looping import RunLoop
from tests.check.kit import STRIKE_MODES, everything, keep_trace, parks, run
from tests.check.programs import rescind_check, write

pytest.importorskip("uvloop")

from rescind.check import on_uvloop

UV: dict[str, Any] = {"loop": "uvloop"}
ONCE = Options(modes=(Mode.ASYNCIO,), judges=(Judge.LOOK, Judge.FOLLOW_UP), confirm=0)


class Pool:
    """A pool of one that passes a waiter over, but not one that is woken and then canceled."""

    def __init__(self) -> None:
        self.idle = ["connection"]
        self.waiters: list[asyncio.Future[str]] = []

    async def acquire(self) -> str:
        """Take it."""
        if self.idle:
            return self.idle.pop()
        self.waiters.append(waiter := asyncio.get_running_loop().create_future())
        return await waiter

    def release(self, connection: str) -> None:
        """Hand it on, or put it back."""
        while self.waiters:
            waiter = self.waiters.pop(0)
            if not waiter.done():
                return waiter.set_result(connection)
        self.idle.append(connection)


async def make_pool(env: Env) -> None:
    """Make it."""
    env.pool = Pool()


async def use(env: Env) -> None:
    """Take the connection, and put it back."""
    connection = await env.pool.acquire()
    try:
        await asyncio.sleep(0.001)
    finally:
        env.pool.release(connection)


async def work(env: Env) -> str:
    """Park twice, also in a child; tell who was canceled."""
    trace: list[str] = env.trace

    async def child() -> None:
        trace.append("child begins")
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            trace.append("child canceled")
            raise

    trace.append("begins")
    try:
        await asyncio.wait([asyncio.ensure_future(child())])
        await asyncio.sleep(0)
    except asyncio.CancelledError:
        trace.append("canceled")
        raise
    return "done"


def keeping(trace: list[str]) -> Callable[[Env], Any]:
    """Return a setup that puts a list on the env."""

    async def setup(env: Env) -> None:
        env.trace = trace

    return setup


def test_the_loop_is_uvloops() -> None:
    """All else would be for nothing."""
    kinds: list[str] = []

    async def scenario() -> None:
        kinds.append(type(asyncio.get_running_loop()).__mro__[2].__module__)

    assert run(scenario, **UV).end.kind == "returned"
    assert kinds == ["uvloop"]


# -- what is possible ------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", STRIKE_MODES)
def test_a_task_is_canceled_where_it_is_parked_and_where_it_is_woken(mode: Mode) -> None:
    """In each mode, just there."""
    for point in parks(work, mode=mode, setup=keep_trace, **UV):
        for instant in (Instant.PARKED, Instant.WOKEN):
            if instant is Instant.WOKEN and "sleep0" in point.place:
                continue  # a bare yield awaits nothing that could be done
            trace: list[str] = []
            record = run(work, RunPlan(point, instant, mode), setup=keeping(trace), **UV)
            assert (record.struck, record.diverged) == (True, "")
            assert "canceled" in trace or mode in (Mode.RESCIND, Mode.ANYIO)


@pytest.mark.parametrize(
    ("task", "told"), [("root", []), ("root/1", ["begins"])], ids=["scenario", "child"]
)
def test_one_that_is_canceled_before_its_first_poll_never_begins(
    task: str, told: list[str]
) -> None:
    """Though uvloop lets nobody jump the queue."""
    trace: list[str] = []
    record = run(work, RunPlan(Point(task), Instant.UNSTARTED), setup=keeping(trace), **UV)
    assert record.struck
    assert trace == told


def test_a_second_cancellation_meets_the_cleanup() -> None:
    """At each of its suspensions."""
    trace: list[str] = []

    async def scenario() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            try:
                await asyncio.sleep(1)
            except asyncio.CancelledError:
                trace.append("again")
                raise

    point = Point("root", parks_of_a_hurry(scenario), 1)
    record = run(scenario, RunPlan(point, Instant.PARKED, second=1), **UV)
    assert record.again is not None
    assert trace == ["again"]


def parks_of_a_hurry(scenario: Any) -> tuple[str, ...]:
    """Return the first stack at which a scenario parks, on the loop that waits for nothing."""
    return parks(scenario)[0].stack


def test_a_pool_that_loses_a_woken_waiters_connection_is_found() -> None:
    """In a crowd, where it hangs: that takes a limit in real time, and is made again with more."""
    options = Options(modes=(Mode.ASYNCIO,), judges=(Judge.CROWD3,), confirm=1)
    report = sweep(use, setup=make_pool, timeout=1.0, loop="uvloop", options=options)
    assert report.verdict == "broken"
    woken = [one for one in report.confirmed if one.plan.instant is Instant.WOKEN]
    assert any(LATE in one.symptom.seen for one in woken)


def test_a_scenario_that_keeps_its_promises_is_clean() -> None:
    """Nothing of uvloop's own is taken for what the program has left: no descriptors, no noise."""

    async def setup(env: Env) -> None:
        env.server = await asyncio.start_server(serve, "127.0.0.1", 0)
        env.port = env.server.sockets[0].getsockname()[1]

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await reader.readline())
        finally:
            writer.close()

    async def scenario(env: Env) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", env.port)
        try:
            writer.write(b"hello\n")
            return await reader.readline()
        finally:
            writer.close()

    async def teardown(env: Env) -> None:
        env.server.close()

    report = sweep(scenario, setup=setup, teardown=teardown, loop="uvloop", options=ONCE)
    faults = [one for one in report.verdicts if one.detector != "unclosed"]
    assert faults == []
    assert report.runs > 4


def test_generators_tasks_and_threads_that_are_left_are_seen() -> None:
    """What only asyncio's own loop can list is not needed for these."""

    async def generator() -> Any:
        try:
            while True:
                yield
        finally:
            await asyncio.sleep(0)

    async def scenario(env: Env) -> None:
        env.kept = generator()
        await anext(env.kept)
        helper = asyncio.ensure_future(asyncio.Event().wait())
        await asyncio.to_thread(int)
        await asyncio.sleep(0.001)
        helper.cancel()
        await env.kept.aclose()

    report = sweep(scenario, loop="uvloop", options=ONCE)
    found = {one.detector for one in report.verdicts}
    assert {"generators left", "tasks left"} <= found
    assert "threads left" not in found


def test_rescinds_tasks_have_points_there_too() -> None:
    """A runtime that is attached to it has probes."""

    async def scenario() -> None:
        async with rescind.Runtime.attach() as runtime:
            await runtime.spawn(rescind_sleeps()).join()

    async def rescind_sleeps() -> None:
        await rescind.sleep(0.001)

    assert [len(one.stack) > 0 for one in parks(scenario, "root/1", **UV)] == [True]


def test_what_happens_is_counted() -> None:
    """By what tasks ask for; so it is known whether all has come to rest."""

    async def main(loop: Any) -> int:
        before: int = loop.callbacks
        await asyncio.sleep(0)
        return int(loop.callbacks) - before

    assert on(main) > 0


# -- late answers ----------------------------------------------------------------------------------


async def connected(loop: Any) -> tuple[asyncio.StreamReader, socket.socket, list[Any]]:
    """Return a connection that the program has made, and the other end of it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        (reader, writer), (far, _) = await asyncio.gather(
            asyncio.open_connection(*server.getsockname()), loop.sock_accept(server)
        )
    return reader, far, [writer, far]


async def some_time(loop: Any) -> None:
    """Let the loop look for what has arrived, some times."""
    near, far = socket.socketpair()
    near.setblocking(False)
    far.setblocking(False)
    for _ in range(3):
        far.send(b"x")
        await loop.sock_recv(near, 1)
    near.close()
    far.close()


def on(main: Callable[[Any], Any]) -> Any:
    """Run a function on such a loop."""
    loop: RunLoop = on_uvloop.UvLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.close()


def test_what_arrives_on_the_programs_connections_is_held_back_until_it_is_let_go(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Then it arrives, all of it."""
    monkeypatch.setattr(on_uvloop, "_HELD", 1000.0)

    async def main(loop: Any) -> tuple[int, bool, bytes]:
        reader, far, ends = await connected(loop)
        held = loop.hold()
        far.send(b"answer\n")
        await some_time(loop)
        early = bool(reader._buffer)  # type: ignore[attr-defined]
        loop.release()
        answer = await reader.readline()
        for end in ends:
            end.close()
        return held, early, answer

    assert on(main) == (1, False, b"answer\n")


def test_one_connection_alone_is_held_by_its_number() -> None:
    """The other's answer comes in time."""

    async def main(loop: Any) -> list[bool]:
        streams = [await connected(loop) for _ in range(2)]
        assert loop.connected == 2
        assert loop.hold(2) == 1
        for _, far, _ in streams:
            far.send(b"answer\n")
        await some_time(loop)
        early = [bool(reader._buffer) for reader, _, _ in streams]
        loop.release()
        for reader, _, ends in streams:
            assert await reader.readline() == b"answer\n"
            for end in ends:
                end.close()
        return early

    assert on(main) == [True, False]


def test_a_closed_loop_is_no_reference_cycle() -> None:
    """It goes at once, and no test that looks for cycles finds it."""
    gc.disable()
    try:
        loop = on_uvloop.UvLoop()
        loop.close()
        gone = weakref.ref(loop)
        del loop
        assert gone() is None
    finally:
        gc.enable()


def test_it_is_let_through_after_a_while_by_itself() -> None:
    """Who waits for it need not wait for ever."""

    async def main(loop: Any) -> bytes:
        reader, far, ends = await connected(loop)
        loop.hold()
        far.send(b"answer\n")
        answer = await reader.readline()
        for end in ends:
            end.close()
        return answer

    assert on(main) == b"answer\n"


# -- what is not -----------------------------------------------------------------------------------


def test_a_hang_is_what_takes_too_long() -> None:
    """It is not proved, and says so."""

    async def hangs() -> None:
        await asyncio.Event().wait()

    record = run(hangs, detectors=everything(), **{**UV, "timeout": 0.05})
    assert record.end.kind == "hung"
    assert record.end.shown.startswith(LATE)
    with pytest.raises(NotCheckable, match="hung: it did not end in time"):
        sweep(hangs, loop="uvloop", timeout=0.05, options=ONCE)


def test_no_strike_comes_between_callbacks_and_the_report_says_why() -> None:
    """Its queue is not Python's."""
    options = Options(modes=(Mode.ASYNCIO,), judges=(Judge.LOOK,), instants=tuple(Instant))
    report = sweep(use, setup=make_pool, loop="uvloop", options=options)
    assert {instant for _, instant, _ in report.matrix} == {*Instant} - {Instant.CALLBACK}
    assert report.set_aside == {"between callbacks": "uvloop's queue cannot be reached into"}


def test_what_is_ready_already_when_a_task_parks_makes_the_run_unresolved() -> None:
    """The cancellation would come after it: that is another instant than the report would name."""

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        loop.call_soon(waiter.set_result, None)
        await waiter

    options = Options(modes=(Mode.ASYNCIO,), judges=(Judge.LOOK,), instants=(Instant.PARKED,))
    report = sweep(scenario, loop="uvloop", options=options)
    assert [*report.unresolved.values()] == [
        "what it awaits was done before the cancellation could be sent"
    ]
    assert sweep(scenario, options=options).unresolved == {}


def test_a_loop_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """With what to do."""
    with pytest.raises(UsageError, match="loop must be 'asyncio' or 'uvloop', not 'trio'"):
        sweep(use, loop="trio")
    monkeypatch.setattr("rescind.check.loops.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'rescind\[uvloop\]'"):
        sweep(use, loop="uvloop")


# -- the command -----------------------------------------------------------------------------------

_LOOPS = """
    import asyncio

    async def scenario():
        try:
            await asyncio.sleep(0.001)
        except asyncio.CancelledError:
            print(type(asyncio.get_running_loop()).__name__)
        return "done"
"""


def test_the_command_takes_the_loop_that_is_asked_for_or_that_the_module_names(
    tmp_path: Path,
) -> None:
    """Also where a run is made again."""
    write(tmp_path, plain=_LOOPS, named='LOOP = "uvloop"\n' + textwrap.dedent(_LOOPS))
    judged = ("--mode", "asyncio", "--judge", "look")
    for target, options in (("plain.py", ("--loop", "uvloop")), ("named.py", ())):
        ended = rescind_check(tmp_path, target, *judged, *options)
        assert (ended.code, "UvLoop" in ended.out, "CheckLoop" in ended.out) == (1, True, False)
        token = re.search(r"rc1-[\w-]+", ended.out)
        assert token is not None
        again = rescind_check(tmp_path, "replay", token.group(), *options)
        assert (again.code, "UvLoop" in again.out, "CheckLoop" in again.out) == (1, True, False)
    ended = rescind_check(tmp_path, "named.py", *judged, "--loop", "asyncio")
    assert ("UvLoop" in ended.out, "CheckLoop" in ended.out) == (False, True)
