"""A function in a process of its own: its result, its end, and what is left of it."""

from __future__ import annotations

import asyncio
import math
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind import (
    Canceled,
    Completed,
    Error,
    ProcessDied,
    RemoteError,
    Runtime,
    UsageError,
)
from rescind.blocking import spawn_process
from rescind.blocking.processes import _run
from rescind.lowlevel import CoroutineFuture
from tests.blocking import kit
from tests.blocking.kit import LONG, alive, gone, keep_all_but, noted, nothing_left, until
from tests.combinators.kit import CancelAtPark
from tests.conftest import HostFactory


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a process, a descriptor or a thread."""
    with nothing_left():
        yield


#: Where the host matters; elsewhere one is enough, since each test starts processes.
each_host = pytest.mark.parametrize("host", ["manual", "asyncio", "uvloop"], indirect=True)


@pytest.fixture
def host(request: pytest.FixtureRequest) -> HostFactory:
    """Run the test on the hosts that it names, or on asyncio."""
    return HostFactory(getattr(request, "param", "asyncio"))


#: How long a process that does not heed SIGTERM is left before it is killed, in seconds.
KILLED_AFTER = 0.3


async def begun(path: Path) -> int:
    """Let the runtime run until the process has noted its number."""
    await until(path.exists)
    return noted(path)


def wait_gone(pid: int) -> None:
    """Block this thread until the process has ended."""
    assert gone([pid])


def run(host: HostFactory, fn: Callable[..., Any], *args: Any, **options: Any) -> Any:
    """Return the outcome of one call."""

    async def main() -> Any:
        return await spawn_process(fn, *args, **options).join()

    with host() as runtime:
        return runtime.block_on(main())


def failure(host: HostFactory, fn: Callable[..., Any], *args: Any) -> BaseException:
    """Return the error of one call."""
    outcome = run(host, fn, *args)
    assert isinstance(outcome, Error), outcome
    return outcome.exception


# --------------------------------------------------------------------------------------- the result


@each_host
def test_value_comes_from_another_process(host: HostFactory) -> None:
    """Arguments go in and the value comes out, by pickle."""
    assert run(host, math.factorial, 20) == Completed(math.factorial(20))
    assert run(host, int, "ff", base=16) == Completed(255)


def test_process_starts_clean(host: HostFactory) -> None:
    """A session of its own, no input, no descriptors of ours, no rescind, the same module path."""
    outcome = run(host, kit.environment)
    assert isinstance(outcome, Completed)
    found = outcome.value

    assert found["pid"] != os.getpid()
    assert (found["leads"], found["stdin"], found["sigterm"]) == (True, "", True)
    assert len(found["fds"]) == 5  # its three, the one for the result, and the one that lists
    assert found["path"] == sys.path


def test_ignored_sigterm_is_not_inherited(host: HostFactory) -> None:
    """A program that ignores it has processes that do not."""
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        outcome = run(host, kit.environment)
    finally:
        signal.signal(signal.SIGTERM, before)

    assert isinstance(outcome, Completed)
    assert outcome.value["sigterm"] is True


@pytest.mark.parametrize("host", ["manual", "asyncio"], indirect=True)
@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 5_000_000])
def test_arguments_and_values_of_any_size_pass(size: int, host: HostFactory) -> None:
    """More than a pipe holds, in both directions."""
    data = os.urandom(size)
    assert run(host, kit.identity, data) == Completed(data)


@each_host
def test_processes_run_side_by_side(tmp_path: Path, host: HostFactory) -> None:
    """Each waits for the others: one after the other they would never meet."""

    async def main() -> None:
        await rescind.join(*(spawn_process(kit.meet, str(tmp_path), 3) for _ in range(3)))

    with host() as runtime:
        runtime.block_on(main())


def test_partial_is_called_by_its_functions_name(host: HostFactory) -> None:
    """In messages, and as the task's name."""
    import functools

    call = functools.partial(os._exit, 3)
    assert "which ran _exit," in str(failure(host, call))


@each_host
def test_exception_comes_back_with_its_traceback(host: HostFactory) -> None:
    """Its type and words, and in the notes where it was raised, with its cause."""
    error = failure(host, kit.raise_value_error, "mine")

    assert isinstance(error, ValueError)
    assert error.args == ("mine",)
    notes = "".join(error.__notes__)
    assert "in raise_value_error" in notes
    assert "KeyError: 'the cause'" in notes
    assert "child.py" not in notes


def test_exception_that_cannot_be_read_back_is_told(host: HostFactory) -> None:
    """As a `RemoteError` with its type, its words and its traceback."""
    error = failure(host, kit.raise_odd)

    assert isinstance(error, RemoteError)
    assert "raise_odd raised tests.blocking.kit.Odd: 1 and 2" in str(error)
    assert "in raise_odd" in "".join(error.__notes__)


def test_what_cannot_be_read_back_here_is_told(host: HostFactory) -> None:
    """A value as a `UsageError`, an exception as a `RemoteError`."""
    error = failure(host, kit.make_read_only_there)
    assert isinstance(error, UsageError)
    assert "the value of make_read_only_there could not be read back" in str(error)
    assert isinstance(failure(host, kit.raise_odd_there), RemoteError)


def test_without_files_in_memory_a_temporary_one_carries_the_call(
    monkeypatch: pytest.MonkeyPatch, host: HostFactory
) -> None:
    """Other systems than Linux."""
    monkeypatch.delattr(os, "memfd_create")
    assert run(host, kit.identity, b"x" * 100_000) == Completed(b"x" * 100_000)


@pytest.mark.parametrize("fn", [kit.raise_stop, kit.raise_canceled])
def test_exception_that_would_mean_something_else_here_is_told(
    fn: Callable[[], None], host: HostFactory
) -> None:
    """A `CancelledError` of over there is no cancellation over here."""
    assert isinstance(failure(host, fn), RemoteError)


@pytest.mark.parametrize(
    ("fn", "args", "returncode", "text"),
    [
        (os._exit, (3,), 3, "exited with status 3"),
        (os._exit, (0,), 0, "exited with status 0"),
        (sys.exit, (4,), 4, "exited with status 4"),
        (sys.exit, (), 0, "exited with status 0"),
        (signal.raise_signal, (signal.SIGKILL,), -9, "killed by SIGKILL; the system may have"),
        (signal.raise_signal, (signal.SIGSEGV,), -11, "killed by SIGSEGV"),
        (signal.raise_signal, (signal.SIGTERM,), -15, "killed by SIGTERM"),
        (signal.raise_signal, (signal.SIGINT,), -2, "killed by SIGINT"),
    ],
)
def test_process_that_ends_without_a_result_is_an_error(
    fn: Callable[..., Any], args: Any, returncode: int, text: str, host: HostFactory
) -> None:
    """With its exit status, or the signal that ended it."""
    error = failure(host, fn, *args)

    assert isinstance(error, ProcessDied)
    assert error.returncode == returncode
    assert text in str(error)
    assert str(error.pid) in str(error)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_sys_exit_with_words_prints_them(
    host: HostFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """As it does in a program."""
    error = failure(host, sys.exit, "the words")

    assert isinstance(error, ProcessDied)
    assert (error.returncode, capfd.readouterr().err) == (1, "the words\n")


def test_output_that_the_function_left_in_buffers_is_not_lost(
    host: HostFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """It is written before the process is ended."""
    assert run(host, print, "from over there", end="") == Completed(None)
    assert capfd.readouterr().out == "from over there"


@each_host
def test_child_that_holds_the_pipe_open_delays_nothing(host: HostFactory) -> None:
    """The process has died without a result; its forked child is ended with it."""
    error = failure(host, kit.hold_pipe_and_die)

    assert isinstance(error, ProcessDied)
    assert error.returncode == 5


def test_children_that_the_function_leaves_behind_end_with_it(
    tmp_path: Path, host: HostFactory
) -> None:
    """Nothing outlives the call."""
    child = tmp_path / "child"

    assert run(host, kit.leave_child, str(child)) == Completed("returned")
    assert gone([noted(child)])


# ---------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("fn", [lambda: None, kit.lambda_maker()])
def test_function_that_cannot_be_pickled_is_refused_at_once(fn: Any, host: HostFactory) -> None:
    """At the call, with what to do; no process is started."""

    async def main() -> None:
        with pytest.raises(UsageError, match=r"lambda.*cannot be pickled.*top level of a module"):
            spawn_process(fn)

    with host() as runtime:
        runtime.block_on(main())


def test_argument_that_cannot_be_pickled_is_refused_at_once(host: HostFactory) -> None:
    """The same."""

    async def main() -> None:
        with pytest.raises(UsageError, match="identity cannot be sent to another process"):
            spawn_process(kit.identity, sys.stdout)

    with host() as runtime:
        runtime.block_on(main())


def test_value_that_cannot_be_pickled_is_told(host: HostFactory) -> None:
    """After the call, with its type."""
    error = failure(host, kit.lambda_maker)

    assert isinstance(error, UsageError)
    assert "lambda_maker returned what cannot be pickled" in str(error)
    assert "function" in str(error)


def test_function_that_cannot_be_loaded_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, host: HostFactory
) -> None:
    """Its module exists here alone."""
    module = type(sys)("only_here")
    exec("def work(): pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "only_here", module)
    error = failure(host, module.work)

    assert isinstance(error, UsageError)
    assert "work could not be loaded in a process of its own: ModuleNotFoundError" in str(error)


async def _coroutine() -> None: ...


@pytest.mark.parametrize(
    ("make", "kind", "text"),
    [
        (lambda: spawn_process(3), TypeError, r"needs a function.*not 3"),  # type: ignore[arg-type]
        (lambda: spawn_process(_coroutine), TypeError, "async one"),
        (lambda: spawn_process(_coroutine()), TypeError, "not a coroutine"),  # type: ignore[arg-type]
        (lambda: spawn_process(int, grace=-1), ValueError, "-1"),
    ],
)
def test_bad_arguments_are_refused(
    make: Callable[[], Any], kind: type[Exception], text: str, host: HostFactory
) -> None:
    """With the offending value; nothing is spawned, nothing leaks."""

    async def main() -> None:
        with pytest.raises(kind, match=text):
            make()
        assert len(rescind.current_runtime().tasks()) == 1

    with host() as runtime:
        runtime.block_on(main())


def test_no_runtime_is_refused() -> None:
    """There is nobody to wait for it."""
    with pytest.raises(UsageError, match=r"spawn_process\(\) needs a running runtime"):
        spawn_process(int)


def test_interpreter_without_a_path_is_told(
    monkeypatch: pytest.MonkeyPatch, host: HostFactory
) -> None:
    """An embedded one cannot start another."""
    monkeypatch.setattr(sys, "executable", "")
    error = failure(host, int)

    assert isinstance(error, UsageError)
    assert "sys.executable" in str(error)


def test_program_that_cannot_be_started_is_an_error(
    monkeypatch: pytest.MonkeyPatch, host: HostFactory
) -> None:
    """The system's own, and nothing is left open."""
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert isinstance(failure(host, int), FileNotFoundError)


# ------------------------------------------------------------------------------------- cancellation


@each_host
def test_canceled_before_it_was_polled_no_process_is_started(host: HostFactory) -> None:
    """Nothing runs."""

    async def main() -> Any:
        return await spawn_process(int).cancel("at once")

    with host() as runtime:
        outcome = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert outcome.dropped is False


@each_host
@pytest.mark.parametrize(
    ("fn", "least"),
    [(kit.spin, 0.0), (kit.spin_deaf, KILLED_AFTER), (kit.sleep_deaf, KILLED_AFTER)],
    ids=["spins in C", "spins in C, with a handler", "ignores SIGTERM"],
)
def test_process_is_gone_within_the_grace(
    fn: Callable[[str], Any],
    least: float,
    tmp_path: Path,
    host: HostFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever it does: SIGTERM ends it, or else SIGKILL, before the grace is over."""
    path = tmp_path / "pid"
    keep_all_but(KILLED_AFTER, monkeypatch)

    async def main() -> tuple[Any, float, bool]:
        task = spawn_process(fn, str(path), grace=LONG)
        pid = await begun(path)
        started = time.monotonic()
        outcome = await task.cancel("enough")
        return outcome, time.monotonic() - started, alive(pid)

    with host() as runtime:
        outcome, seconds, lives = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert (outcome.reason.message, outcome.dropped, outcome.also) == ("enough", False, ())
    assert least <= seconds
    assert not lives


@each_host
def test_process_may_clean_up_at_sigterm(tmp_path: Path, host: HostFactory) -> None:
    """It is left the time it needs, and no more: else this would take an hour."""
    path, done = tmp_path / "pid", tmp_path / "done"

    async def main() -> None:
        task = spawn_process(kit.heed, str(path), str(done), grace=3600)
        await begun(path)
        assert isinstance(await task.cancel(), Canceled)

    with host() as runtime:
        runtime.block_on(main())

    assert done.exists()


@each_host
@pytest.mark.parametrize("deaf", [False, True], ids=["heeds", "deaf"])
def test_grandchildren_are_gone_too(deaf: bool, tmp_path: Path, host: HostFactory) -> None:
    """The signals go to the whole group."""
    paths = [tmp_path / name for name in ("parent", "child", "grandchild")]

    async def main() -> list[int]:
        task = spawn_process(kit.with_family, *map(str, paths), deaf, grace=1.0)
        pids = [await begun(path) for path in paths]
        assert all(map(alive, pids))
        assert isinstance(await task.cancel(), Canceled)
        return pids

    with host() as runtime:
        assert gone(runtime.block_on(main()))


@each_host
def test_grace_zero_kills_at_once(tmp_path: Path, host: HostFactory) -> None:
    """No SIGTERM, no wait, which would be one of an hour; reaped all the same, told as dropped."""
    path = tmp_path / "pid"

    async def main() -> tuple[Any, bool]:
        task = spawn_process(kit.sleep_deaf, str(path), grace=3600)
        pid = await begun(path)
        outcome = await task.cancel("now", grace=0)
        return outcome, alive(pid)

    with host() as runtime:
        outcome, lives = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert outcome.dropped is True
    assert not lives


@each_host
def test_second_request_shortens_the_ladder(
    tmp_path: Path, host: HostFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """A process that was given all the time is killed when somebody has none."""
    path = tmp_path / "pid"

    async def main() -> tuple[Any, bool]:
        task = spawn_process(kit.sleep_deaf, str(path), grace=None)
        pid = await begun(path)
        task.cancel("please")
        await rescind.sleep(0.02)
        assert not task.done()
        outcome = await task.cancel("now", grace=0)
        return outcome, alive(pid)

    with host() as runtime:
        outcome, lives = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert (outcome.reason.message, lives) == ("please", False)


def test_stopped_process_may_clean_up_too(tmp_path: Path, host: HostFactory) -> None:
    """One that was stopped, by SIGSTOP say, is continued to see its SIGTERM."""
    path, done = tmp_path / "pid", tmp_path / "done"

    async def main() -> None:
        task = spawn_process(kit.heed, str(path), str(done), grace=3600)
        os.kill(await begun(path), signal.SIGSTOP)
        await task.cancel()

    with host() as runtime:
        runtime.block_on(main())

    assert done.exists()


@each_host
def test_runtime_that_is_left_ends_its_processes(tmp_path: Path, host: HostFactory) -> None:
    """The shutdown cancels the task; the process is gone when it returns."""
    path = tmp_path / "pid"

    async def main() -> int:
        spawn_process(kit.spin, str(path))
        return await begun(path)

    with host() as runtime:
        pid = runtime.block_on(main())

    assert not alive(pid)


@each_host
def test_timeout_ends_the_process(tmp_path: Path, host: HostFactory) -> None:
    """Through `join_or_cancel`, as with every task."""
    path = tmp_path / "pid"

    async def main() -> int:
        task = spawn_process(kit.spin, str(path))
        pid = await begun(path)
        with pytest.raises(rescind.TimedOut):
            await rescind.timeout(rescind.join_or_cancel(task), 0.01)
        return pid

    with host() as runtime:
        assert not alive(runtime.block_on(main()))


@each_host
def test_result_that_is_there_is_not_given_up(host: HostFactory, tmp_path: Path) -> None:
    """It waits in the pipe when the cancellation comes: it is delivered (R7)."""
    path = tmp_path / "pid"

    async def main() -> Any:
        task = spawn_process(kit.note, str(path))
        await rescind.yield_now()
        wait_gone(noted(path))  # blocks: nothing is read meanwhile
        task.cancel("too late")
        return await task.join()

    with host() as runtime:
        assert runtime.block_on(main()) == Completed(None)


@pytest.mark.parametrize("host", ["manual", "asyncio"], indirect=True)
@pytest.mark.parametrize("delay", [0, 1, 2, 3, 5, 10, 15, 20, 30, 60])
def test_cancel_at_any_moment_leaves_nothing(delay: int, host: HostFactory) -> None:
    """While it starts, runs, writes, ends: the outcome is one or the other, and nothing is left."""

    async def main() -> Any:
        task = spawn_process(kit.identity, b"x" * 1_000_000)
        await rescind.sleep(0)
        end = time.monotonic() + delay / 1000
        while time.monotonic() < end:
            await rescind.sleep(0)
        return await task.cancel()

    with host() as runtime:
        outcome = runtime.block_on(main())

    assert outcome == Completed(b"x" * 1_000_000) or isinstance(outcome, Canceled)


# ---------------------------------------------------------------------------- programs of their own


def program(tmp_path: Path, text: str, *arguments: str) -> str:
    """Run a program, and return what it prints."""
    file = tmp_path / "program.py"
    file.write_text(textwrap.dedent(text))
    done = subprocess.run(
        [sys.executable, *(arguments or (str(file),))],
        capture_output=True,
        text=True,
        timeout=2 * LONG,
        cwd=tmp_path,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout


MAIN = """
    import rescind
    from rescind.blocking import spawn_process

    print("main is run")

    class Point:
        def __init__(self, x):
            self.x = x

    def double(point):
        return Point(2 * point.x)

    async def main():
        point = await spawn_process(double, Point(21))
        print(type(point) is Point, point.x)

    if __name__ == "__main__":
        rescind.run(main)
    """


def test_functions_and_classes_of_the_main_module_work(tmp_path: Path) -> None:
    """It is imported there, without what it does when it is run; its classes stay the same."""
    assert program(tmp_path, MAIN) == "main is run\nmain is run\nTrue 42\n"


def test_main_module_that_imports_multiprocessing_works(tmp_path: Path) -> None:
    """That enters the process's script under the name that the main module has there."""
    (tmp_path / "first.py").write_text("import multiprocessing\ndef call(fn, x): return fn(x)\n")
    text = MAIN.replace("import rescind\n", "import rescind, first, multiprocessing\n", 1)
    text = text.replace("double, Point(21)", "first.call, double, Point(21)")
    assert program(tmp_path, text) == "main is run\nmain is run\nTrue 42\n"


def test_main_module_that_was_started_by_name_works(tmp_path: Path) -> None:
    """``python -m``."""
    assert program(tmp_path, MAIN, "-m", "program") == "main is run\nmain is run\nTrue 42\n"


def test_main_module_is_not_imported_without_need(tmp_path: Path) -> None:
    """A function of another module starts faster, and repeats nothing of the program."""
    text = MAIN.replace("double, Point(21)", "str, 7").replace(
        "type(point) is Point, point.x", "point"
    )
    assert program(tmp_path, text) == "main is run\n7\n"


def test_main_module_that_is_no_file_is_told(tmp_path: Path) -> None:
    """``python -c``: the function cannot be found there."""
    text = textwrap.dedent(
        """
        import rescind
        from rescind.blocking import spawn_process

        def double(x):
            return 2 * x

        async def main():
            print((await spawn_process(double, 21).join()).exception)

        rescind.run(main)
        """
    )
    assert "it is defined in a main module that is no file" in program(tmp_path, "", "-c", text)


def test_no_process_outlives_the_interpreter(tmp_path: Path) -> None:
    """Even if nobody shuts anything down: here a plain asyncio program is left by an exit."""
    path = tmp_path / "pid"
    program(
        tmp_path,
        f"""
        import asyncio, sys, time
        from rescind.blocking import spawn_process

        def work():
            open({str(path)!r}, "w").write(str(__import__("os").getpid()))
            time.sleep(1000)

        async def main():
            spawn_process(work)
            import os
            while not os.path.exists({str(path)!r}) or not open({str(path)!r}).read():
                await asyncio.sleep(0.01)
            sys.exit()

        if __name__ == "__main__":
            loop = asyncio.new_event_loop()
            loop.run_until_complete(main())
        """,
    )
    assert gone([int(path.read_text())])


# ------------------------------------------------------------------------------- other environments


def test_plain_asyncio_program_can_use_it() -> None:
    """With the loop's implicit executor; asyncio's cancellation ends the process."""

    async def main(path: Path) -> int:
        assert await spawn_process(math.factorial, 5) == 120
        task = spawn_process(kit.spin, str(path), grace=5)
        pid = await begun(path)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await rescind.join_or_cancel(task)
        assert not alive(pid)
        return pid

    import tempfile

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(Path(directory) / "pid"))


def test_loop_that_ends_takes_its_processes_along(tmp_path: Path) -> None:
    """No runtime, no shutdown: whoever ends the loop orderly ends them all the same."""
    path = tmp_path / "pid"

    async def main() -> int:
        spawn_process(kit.sleep_deaf, str(path))
        return await begun(path)

    loop = asyncio.new_event_loop()
    pid = loop.run_until_complete(main())
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()

    assert not alive(pid)


@each_host
def test_without_process_descriptors_a_thread_waits(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: HostFactory
) -> None:
    """Other systems than Linux, and old kernels: everything works as well."""

    def refuse(*_: Any) -> int:
        raise OSError("not here")

    monkeypatch.setattr(os, "pidfd_open", refuse)
    path = tmp_path / "pid"

    async def main() -> list[Any]:
        first = await spawn_process(math.factorial, 5)
        died = await spawn_process(os._exit, 3).join()
        task = spawn_process(kit.sleep_deaf, str(path), grace=1.0)
        pid = await begun(path)
        outcome = await task.cancel()
        return [first, str(died.exception), type(outcome), alive(pid)]

    with host() as runtime:
        first, died, kind, lives = runtime.block_on(main())

    assert (first, kind, lives) == (120, Canceled, False)
    assert "exited with status 3" in died


@each_host
def test_interrupt_of_the_runtime_ends_the_process(tmp_path: Path, host: HostFactory) -> None:
    """A `KeyboardInterrupt` leaves the runtime's block; so does the process."""
    path = tmp_path / "pid"
    pids: list[int] = []

    async def main() -> None:
        spawn_process(kit.spin, str(path))
        pids.append(await begun(path))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        with host() as runtime:
            runtime.block_on(main())

    assert not alive(pids[0])


def test_shutdown_without_grace_kills(tmp_path: Path) -> None:
    """It does not wait for a process that does not want to end, and would sleep for long."""
    path = tmp_path / "pid"

    async def main() -> int:
        spawn_process(kit.sleep_deaf, str(path))
        return await begun(path)

    with Runtime(grace=0) as runtime:
        pid = runtime.block_on(main())

    assert not alive(pid)


@pytest.mark.parametrize("woken", [False, True])
def test_cancel_at_every_park_leaves_nothing_and_gives_up_no_result(woken: bool) -> None:
    """The last park is that for the end of the process, when its result has come (R7)."""
    outcomes: list[Any] = []
    while True:
        with Runtime(grace=20) as runtime:
            call = pickle.dumps((kit.identity, (b"x",), {}))
            future = CoroutineFuture(_run(call, "identity", runtime.executor))
            canceling = CancelAtPark(future, len(outcomes) + 1, woken=woken)
            outcomes.append(runtime.drive(canceling).outcome())
        if not canceling.asked:
            break

    *canceled, last, uncanceled = outcomes
    assert [last, uncanceled] == [Completed(b"x")] * 2
    assert len(canceled) >= 1
    assert all(isinstance(one, (Canceled, Completed)) for one in canceled)
