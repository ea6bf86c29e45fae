"""A runtime that nobody shuts down: collected, open at the exit, left by its thread, or forked."""

import asyncio
import gc
import os
import subprocess
import sys
import textwrap
import threading
import weakref
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind import Canceled, CancelKind, Runtime, Task
from rescind.lowlevel import Resource
from tests.conftest import HostFactory

SOURCE = str(Path(rescind.__file__).parent.parent)

COMMON = """
import asyncio, gc, os, sys, threading, time
import rescind

def say(*words):
    print(*words, flush=True)

async def parked(name):
    try:
        await asyncio.sleep(3600)
    finally:
        say(name, "closed under", rescind.current_runtime().name)

async def settle():
    for _ in range(3):
        await rescind.yield_now()
"""


def run_program(source: str) -> tuple[list[str], list[str], int]:
    """Run a program with ``-X dev``; return its lines, its warnings and its exit code."""
    done = subprocess.run(
        [sys.executable, "-X", "dev", "-c", COMMON + textwrap.dedent(source)],
        capture_output=True,
        text=True,
        timeout=250,
        env={**os.environ, "PYTHONPATH": SOURCE, "PYTHONWARNINGS": ""},
        check=False,
    )
    return done.stdout.splitlines(), done.stderr.splitlines(), done.returncode


def only_ours(errors: list[str]) -> bool:
    """Do these lines hold one warning, and that ours?"""
    warned = [line for line in errors if "Warning: " in line and "tracemalloc" not in line]
    others = ("never awaited", "was destroyed", "unclosed event", "Traceback", "Exception ignored")
    return (
        len(warned) == 1
        and "ResourceWarning: <Runtime 'open' on" in warned[0]
        and "Use it in a 'with' block, or call shutdown()" in warned[0]
        and not any(word in line for line in errors for word in others)
    )


@pytest.mark.parametrize("host", ["asyncio", "uvloop"])
def test_process_that_exits_with_an_open_runtime_drops_its_tasks_and_warns(host: str) -> None:
    """Parked ones are closed, unstarted ones never run, stubborn ones hang nobody."""
    lines, errors, code = run_program(f"""
        async def stubborn():
            while True:
                try:
                    await rescind.never()
                except BaseException as exc:
                    say(type(exc).__name__)

        async def main():
            global kept
            kept = asyncio.get_running_loop().create_task(asyncio.sleep(3600))
            await settle()

        runtime = rescind.Runtime(name="open", host="{host}")
        runtime.spawn(parked("one"))
        runtime.spawn(stubborn())
        runtime.block_on(main())
        unstarted = runtime.spawn(parked("two"))
        say("exit")
    """)
    assert (lines, code) == (["exit", "one closed under open", "GeneratorExit"], 0)
    assert only_ours(errors)


def test_runtime_that_is_left_by_its_thread_can_be_collected_elsewhere() -> None:
    """The thread that ran it is gone; another one drops it, and sees how its tasks ended."""
    lines, errors, code = run_program("""
        box = []
        def thread():
            runtime = rescind.Runtime(name="open")
            box.append(runtime.spawn(parked("one")))
            runtime.block_on(settle())
            box.append(runtime)
        other = threading.Thread(target=thread)
        other.start()
        other.join()
        del box[1]
        say(type(box[0].outcome()).__name__, box[0].outcome().reason.message)
    """)
    assert (lines, code) == (
        ["one closed under open", "Canceled the runtime was never shut down"],
        0,
    )
    assert only_ours(errors)


def test_runtime_that_a_daemon_thread_still_runs_hangs_no_exit() -> None:
    """It belongs to that thread, which the interpreter freezes: it is left alone."""
    lines, errors, code = run_program("""
        runtime = rescind.Runtime(name="open")
        running = threading.Event()
        async def main():
            running.set()
            await parked("never closed")
        threading.Thread(target=lambda: runtime.block_on(main()), daemon=True).start()
        running.wait()
        say("exit")
    """)
    assert (lines, errors, code) == (["exit"], [], 0)


def test_attached_runtime_that_is_never_left_hangs_no_exit() -> None:
    """The loop is closed under it; the tasks are dropped at the exit."""
    lines, errors, code = run_program("""
        async def main():
            global block
            block = rescind.Runtime.attach(name="open")
            runtime = await block.__aenter__()
            runtime.spawn(parked("one"))
            await asyncio.sleep(0.01)
        loop = asyncio.new_event_loop()
        loop.run_until_complete(main())
        loop.close()
        say("exit")
    """)
    assert (lines, code) == (["exit", "one closed under open"], 0)
    assert only_ours(errors)


def test_forked_child_leaves_the_runtime_to_its_parent() -> None:
    """No task runs in the child, nothing hangs, its own runtime works; the parent's goes on."""
    lines, errors, code = run_program("""
        runtime = rescind.Runtime(name="parent")
        runtime.spawn(parked("one"))
        runtime.block_on(settle())
        child = os.fork()
        if child == 0:
            try:
                runtime.block_on(rescind.ready(1))
            except rescind.UsageError as exc:
                say("of which this is a fork" in str(exc))
            late = runtime.spawn(parked("two")).outcome()
            say(late.reason.cause.message, runtime.shutdown().canceled)
            say(rescind.run(rescind.ready("own")))
            del runtime
            gc.collect()
            sys.exit(7)
        say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        async def woken():
            loop = asyncio.get_running_loop()
            done = loop.create_future()
            threading.Timer(
                0.02, lambda: loop.call_soon_threadsafe(done.set_result, "woken")
            ).start()
            async with asyncio.timeout(20):
                say(await done)
        runtime.block_on(woken())
        say(runtime.shutdown().canceled)
    """)
    assert (lines, code) == (
        [
            "True",
            "this process is a fork 0",
            "own",
            "7",
            "woken",
            "one closed under parent",
            "1",
        ],
        0,
    )
    assert errors == []


def test_fork_inside_a_task_unwinds_without_touching_the_rest() -> None:
    """The child leaves by the block of the runtime: it shuts down nothing of the parent's."""
    lines, errors, code = run_program("""
        parent = os.getpid()
        async def main():
            child = os.fork()
            if child == 0:
                say(rescind.run(rescind.ready("own")))
                sys.exit(7)
            while not (ended := os.waitpid(child, os.WNOHANG))[0]:
                await asyncio.sleep(0.01)
            say(os.waitstatus_to_exitcode(ended[1]))
        try:
            with rescind.Runtime(name="parent") as runtime:
                runtime.spawn(parked("one"))
                runtime.block_on(main())
        finally:
            say("left by the", "parent" if os.getpid() == parent else "child")
    """)
    assert (lines, code) == (
        ["own", "left by the child", "7", "one closed under parent", "left by the parent"],
        0,
    )
    assert errors == []


# -- in this process -------------------------------------------------------------------------------


def forget(host: HostFactory, log: list[str], name: str = "open") -> Task[None]:
    """Make a runtime with a parked and an unstarted task, and let go of it."""

    async def body(which: str) -> None:
        try:
            await rescind.never()
        finally:
            log.append(f"{which} under {rescind.current_runtime().name}")

    runtime = host(name=name)
    task = runtime.spawn(body("parked"))
    for _ in range(3):
        runtime.block_on(rescind.yield_now())
    runtime.spawn(body("unstarted"))
    return task


def test_runtime_that_goes_out_of_scope_drops_its_tasks_at_once(host: HostFactory) -> None:
    """Not only when the collector comes round: nothing refers back to the runtime."""
    log: list[str] = []
    gc.disable()
    try:
        with pytest.warns(ResourceWarning, match="<Runtime 'open' on .* was never shut down"):
            task = forget(host, log)
    finally:
        gc.enable()
    outcome = task.outcome()
    assert isinstance(outcome, Canceled)
    assert (outcome.reason.kind, outcome.dropped) == (CancelKind.SHUTDOWN, True)
    assert log == ["parked under open"]


def test_runtime_collected_in_the_midst_of_another_ones_task(host: HostFactory) -> None:
    """Its destructors see it; the task in whose step that happens sees its own again."""
    log: list[str] = []

    async def main() -> tuple[str, str]:
        with pytest.warns(ResourceWarning, match="inner"):
            forget_elsewhere()
        await rescind.yield_now()
        return rescind.current_runtime().name, rescind.current_task().name

    held: list[Runtime] = []

    def make() -> None:
        async def body() -> None:
            try:
                await rescind.never()
            finally:
                log.append(rescind.current_runtime().name)

        runtime = host(name="inner")
        runtime.spawn(body())
        for _ in range(3):
            runtime.block_on(rescind.yield_now())
        held.append(runtime)

    def forget_elsewhere() -> None:
        held.clear()

    make()
    with host(name="outer") as outer:
        assert outer.block_on(main()) == ("outer", "main")
    assert log == ["inner"]


def test_runtime_in_a_cycle_is_collected_with_its_cycle(host: HostFactory) -> None:
    """A task that refers to its runtime keeps it; the collector finds both."""
    log: list[str] = []

    def make() -> None:
        runtime = host(name="open")

        async def body() -> None:
            try:
                await rescind.never()
            finally:
                log.append(f"closed under {runtime.name}")
                log.append(f"which is the current one: {rescind.current_runtime() is runtime}")

        runtime.spawn(body())
        for _ in range(3):
            runtime.block_on(rescind.yield_now())

    # Finalizers are called in the order in which the collector has met what they are of: had it
    # looked in the meantime, the coroutine's might come first, and know of no runtime.
    gc.disable()
    try:
        with pytest.warns(ResourceWarning, match="never shut down"):  # noqa: PT031  # both are one
            make()
            gc.collect()
    finally:
        gc.enable()
    assert log == ["closed under open", "which is the current one: True"]


def test_unclosed_runtime_closes_its_resources_and_its_loop() -> None:
    """`close_now`, since nothing can be awaited; and the loop does not warn besides."""
    log: list[str] = []

    class Pool(Resource):
        def close_now(self) -> None:
            log.append("pool")

    def make() -> asyncio.AbstractEventLoop:
        runtime = Runtime(name="open")
        runtime.executor.resources.add(Pool())
        loop: asyncio.AbstractEventLoop = runtime.host.loop  # type: ignore[attr-defined]
        return loop

    with pytest.warns(ResourceWarning, match="never shut down") as warned:
        loop = make()
    assert (log, loop.is_closed(), len(warned)) == (["pool"], True, 1)


def test_unused_manual_runtime_holds_nothing_and_is_forgotten_quietly() -> None:
    """No loop, no task: no warning."""
    runtime = weakref.ref(Runtime(host=rescind.lowlevel.ManualHost()))  # type: ignore[attr-defined]
    assert runtime() is None


def test_errors_of_dropped_tasks_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """There is nobody to give the report to."""

    async def body() -> None:
        try:
            await rescind.never()
        finally:
            raise ValueError("in the finally")

    def make() -> Any:
        runtime = Runtime(name="open")
        runtime.spawn(body())
        for _ in range(3):
            runtime.block_on(rescind.yield_now())

    with pytest.warns(ResourceWarning, match="never shut down"):
        make()
    assert "failed while the runtime was shut down: ValueError('in the finally')" in caplog.text


def test_runtime_collected_on_another_thread_than_its_own(host: HostFactory) -> None:
    """The collector runs on any thread; what it drops does not care."""
    log: list[str] = []
    held: list[Any] = []

    def make() -> None:
        async def body() -> None:
            try:
                await rescind.never()
            finally:
                log.append(threading.current_thread().name)

        runtime = host(name="open")
        runtime.spawn(body())
        for _ in range(3):
            runtime.block_on(rescind.yield_now())
        held.append(runtime)

    make()
    with pytest.warns(ResourceWarning, match="never shut down"):  # noqa: PT031  # the thread warns
        thread = threading.Thread(target=held.clear, name="elsewhere")
        thread.start()
        thread.join()
    assert log == ["elsewhere"]


def test_thread_of_an_attached_runtime_that_was_collected_can_run_another() -> None:
    """The thread does not stay attached to what is gone."""

    async def main() -> Any:
        block = Runtime.attach()
        runtime = await block.__aenter__()
        runtime.spawn(rescind.never())
        await asyncio.sleep(0)
        return block

    loop = asyncio.new_event_loop()
    held = [loop.run_until_complete(main())]
    with pytest.warns(ResourceWarning, match="never shut down"):
        held.clear()
    loop.close()
    assert rescind.run(rescind.ready(7)) == 7
