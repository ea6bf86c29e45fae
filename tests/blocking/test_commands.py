"""Commands: captured, streamed, canceled, reaped."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rescind
from rescind import Canceled, Closed, ProcessFailed, UsageError
from rescind.blocking import Process, ProcessResult, open_process, run_process
from tests.blocking.kit import alive, gone, noted, nothing_left, until
from tests.conftest import HostFactory

#: Writes its number into the file that is its first argument, and stays.
STAY = 'echo $$ > "$0.tmp"; mv "$0.tmp" "$0"; while true; do sleep 1; done'
DEAF = f"trap '' TERM; {STAY}"


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """No test leaves a process, a descriptor or a thread."""
    with nothing_left():
        yield


def sh(text: str, *arguments: object) -> list[str]:
    """Make a command of a shell script."""
    return ["sh", "-c", text, *map(str, arguments)]


def do(host: HostFactory, fut: Awaitable[Any]) -> Any:
    """Run one future."""
    with host() as runtime:
        return runtime.block_on(fut)


# ---------------------------------------------------------------------------------------- captured


def test_output_is_captured(host: HostFactory) -> None:
    """Both streams, apart; and what the process was."""
    result = do(host, run_process(sh("echo out; echo err >&2")))

    assert (result.stdout, result.stderr, result.returncode) == (b"out\n", b"err\n", 0)
    assert (result.text, result.command[0]) == ("out\n", "sh")
    assert not alive(result.pid)


def test_nothing_happens_before_the_first_poll(tmp_path: Path) -> None:
    """A future is lazy; one that is dropped unpolled starts nothing, and warns of nothing."""
    future = run_process(["touch", str(tmp_path / "file")])
    future.drop()
    del future
    run_process(["touch", str(tmp_path / "file")])

    assert not (tmp_path / "file").exists()


@pytest.mark.parametrize("size", [0, 1, 65_536, 1_000_000])
def test_input_of_any_size_passes_through(size: int, host: HostFactory) -> None:
    """More than the pipes hold, in both directions at once: no deadlock."""
    data = os.urandom(size)
    assert do(host, run_process(["cat"], input=data)).stdout == data


def test_input_that_nobody_reads_is_no_error(host: HostFactory) -> None:
    """As with ``head``; the exit status tells whether it is one."""
    assert do(host, run_process(["true"], input=b"x" * 1_000_000)).returncode == 0


def test_without_input_it_reads_nothing(host: HostFactory) -> None:
    """Not the terminal of the program."""
    assert do(host, run_process(["cat"])).stdout == b""


def test_streams_can_be_mixed_discarded_or_inherited(
    host: HostFactory, capfd: pytest.CaptureFixture[str]
) -> None:
    """What is not captured is None."""
    both = "echo out; echo err >&2"
    mixed = do(host, run_process(sh(both), stderr="stdout"))
    discarded = do(host, run_process(sh(both), stdout="discard", stderr="discard"))
    inherited = do(host, run_process(sh(both), stdout="inherit", stderr="inherit"))

    assert (mixed.stdout, mixed.stderr) == (b"out\nerr\n", None)
    assert (discarded.stdout, discarded.stderr, discarded.text) == (None, None, "")
    assert (inherited.stdout, inherited.stderr) == (None, None)
    assert tuple(capfd.readouterr()) == ("out\n", "err\n")


def test_directory_and_environment_are_handed_on(tmp_path: Path, host: HostFactory) -> None:
    """The environment is complete: nothing of ours is added."""
    result = do(host, run_process(["/bin/sh", "-c", "pwd; env"], cwd=tmp_path, env={"ONE": "1"}))

    assert result.text.splitlines()[0] == str(tmp_path)
    assert "ONE=1" in result.text.splitlines()
    assert "HOME=" not in result.text


def test_paths_are_accepted_in_the_command(tmp_path: Path, host: HostFactory) -> None:
    """Anything with ``__fspath__``."""
    assert do(host, run_process(["ls", tmp_path])).command == ("ls", str(tmp_path))


def test_failure_keeps_what_was_captured(host: HostFactory) -> None:
    """The exit status, the output, and the end of the errors in the message."""
    with pytest.raises(ProcessFailed) as caught:
        do(host, run_process(sh("echo out; echo trouble >&2; exit 3")))
    error = caught.value

    assert (error.returncode, error.stdout, error.stderr) == (3, b"out\n", b"trouble\n")
    assert "'sh -c echo out; echo trouble >&2; exit 3' exited with status 3" in str(error)
    assert str(error).endswith("\ntrouble")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_end_by_a_signal_is_a_failure(host: HostFactory) -> None:
    """Told by its name."""
    with pytest.raises(ProcessFailed, match="was killed by SIGTERM") as caught:
        do(host, run_process(sh("kill $$"), stderr="discard"))

    assert (caught.value.returncode, caught.value.stderr) == (-signal.SIGTERM, None)


def test_failure_need_not_be_raised(host: HostFactory) -> None:
    """The result can be checked later."""
    result = do(host, run_process(sh("exit 3"), check=False))

    assert result.returncode == 3
    with pytest.raises(ProcessFailed):
        result.check()
    assert ProcessResult(("true",), 1, 0, None, None).check().returncode == 0


def test_program_that_is_not_there_is_the_systems_error(host: HostFactory) -> None:
    """Raised by the await; nothing is left open."""
    with pytest.raises(FileNotFoundError, match="no-such-program"):
        do(host, run_process(["no-such-program"], input=b"x"))


def test_what_it_leaves_in_the_background_goes_on(tmp_path: Path, host: HostFactory) -> None:
    """A command that starts a service has ended well."""
    path = tmp_path / "pid"
    do(host, run_process(sh(f"sh -c '{STAY}' {path} > /dev/null 2>&1 &")))
    pid = noted(path)

    assert alive(pid)
    os.killpg(os.getpgid(pid), signal.SIGKILL)
    assert gone([pid])


# ---------------------------------------------------------------------------------------- canceled


@pytest.mark.parametrize(("script", "least"), [(STAY, 0.0), (DEAF, 0.3)], ids=["heeds", "deaf"])
def test_canceled_command_is_gone_and_reaped(
    script: str, least: float, tmp_path: Path, host: HostFactory
) -> None:
    """SIGTERM, and, where that does not help, SIGKILL after the command's grace."""
    path = tmp_path / "pid"
    grace = 3600 if script == STAY else least

    async def main() -> tuple[Any, int, float]:
        task = rescind.spawn(run_process(sh(script, path), grace=grace), grace=3600)
        await until(path.exists)
        started = time.monotonic()
        outcome = await task.cancel("enough")
        return outcome, noted(path), time.monotonic() - started

    with host() as runtime:
        outcome, pid, seconds = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert (outcome.dropped, outcome.also) == (False, ())
    assert not alive(pid)
    assert least <= seconds


def test_background_of_a_canceled_command_is_gone_too(tmp_path: Path, host: HostFactory) -> None:
    """The whole group is ended."""
    one, two = tmp_path / "one", tmp_path / "two"

    async def main() -> list[int]:
        script = f"sh -c '{STAY}' {one} & {STAY}"
        task = rescind.spawn(run_process(sh(script, two)))
        await until(lambda: one.exists() and two.exists())
        await task.cancel()
        return [noted(one), noted(two)]

    with host() as runtime:
        assert gone(runtime.block_on(main()))


def test_background_may_clean_up_after_its_leader(tmp_path: Path, host: HostFactory) -> None:
    """The leader ends at once; the others have the rest of the grace."""
    path, done = tmp_path / "pid", tmp_path / "done"
    script = f"sh -c 'trap \"sleep 0.2; touch {done}; exit\" TERM; {STAY}' {path} & exec sleep 100"

    async def main() -> None:
        task = rescind.spawn(run_process(sh(script)))
        await until(path.exists)
        await task.cancel()

    with host() as runtime:
        runtime.block_on(main())

    assert done.exists()


def test_timeout_ends_the_command(tmp_path: Path, host: HostFactory) -> None:
    """It is a future: a timeout needs nothing else around it."""
    path = tmp_path / "pid"

    async def main() -> None:
        with pytest.raises(rescind.TimedOut):
            await rescind.timeout(run_process(sh(STAY, path)), 0.3)

    with host() as runtime:
        runtime.block_on(main())

    assert not path.exists() or not alive(noted(path))


def test_lost_race_ends_the_command(host: HostFactory) -> None:
    """And it is reaped before the race returns."""

    async def main() -> Any:
        return await rescind.race(run_process(["sleep", "100"]), rescind.ready("won"))

    assert do(host, main()) == "won"


def test_dropped_command_is_killed_and_reaped_at_once(tmp_path: Path, host: HostFactory) -> None:
    """No time is left: no SIGTERM, no await."""
    path = tmp_path / "pid"

    async def main() -> bool:
        task = rescind.spawn(run_process(sh(DEAF, path)))
        await until(path.exists)
        outcome = await task.cancel("now", grace=0)
        assert isinstance(outcome, Canceled)
        assert outcome.dropped
        return alive(noted(path))

    assert do(host, main()) is False


@pytest.mark.parametrize("woken", [False, True])
def test_cancel_at_every_park_leaves_nothing(woken: bool) -> None:
    """Of a representative command, with input and both outputs."""
    from tests.combinators.kit import CancelAtPark

    data = b"x" * 200_000
    parks = 0
    outcomes: list[Any] = []
    while True:
        parks += 1
        with nothing_left(), rescind.Runtime(grace=20) as runtime:
            future = run_process(sh("cat; echo err >&2; sleep 0.01"), input=data)
            canceling = CancelAtPark(future, parks, woken=woken)
            task = runtime.drive(canceling)
            outcomes.append(task.outcome())
        if not canceling.asked:
            break

    assert parks > 3
    *canceled, completed = outcomes
    assert completed.value.stdout == data
    assert all(isinstance(one, (Canceled, rescind.Completed)) for one in canceled)
    assert any(isinstance(one, Canceled) for one in canceled)


# ---------------------------------------------------------------------------------------- streamed


def test_lines_come_while_the_process_runs(host: HostFactory) -> None:
    """Each answer is read before the next question is written."""

    async def main() -> list[str]:
        answers: list[str] = []
        script = "while read line; do echo got $line; done"
        async with open_process(sh(script), stdin="pipe") as process:
            lines = process.stdout.lines()
            for question in ("one", "two"):
                await process.stdin.write(f"{question}\n".encode())
                answers.append(await anext(lines))
            process.stdin.close()
            assert [line async for line in lines] == []
            assert await process.wait() == 0
        return answers

    assert do(host, main()) == ["got one", "got two"]


def test_pieces_come_as_they_are_written(host: HostFactory) -> None:
    """Iterating over the stream gives bytes until its end."""

    async def main() -> bytes:
        async with open_process(sh("printf one; sleep 0.05; printf two")) as process:
            return b"|".join([piece async for piece in process.stdout])

    assert do(host, main()).replace(b"|", b"") == b"onetwo"


def test_unread_output_holds_the_process_up(tmp_path: Path, host: HostFactory) -> None:
    """Back-pressure: what nobody reads stays in the pipe, and the writer waits."""
    done = tmp_path / "done"
    script = f"head -c 1000000 /dev/zero; touch {done}"

    async def main() -> int:
        async with open_process(sh(script)) as process:
            first = await process.stdout.read(10)
            for _ in range(50):
                await rescind.sleep(0)
            assert not done.exists()
            rest = await process.stdout.read_all()
            assert await process.wait() == 0
            return len(first + rest)

    assert do(host, main()) == 1_000_000
    assert done.exists()


def test_lines_are_text_with_any_ending(host: HostFactory) -> None:
    """The last one may have none; empty ones count; the encoding is the caller's."""

    async def main() -> list[list[str]]:
        found = []
        for text, encoding in ((r"a\r\n\nb\303\244", "utf-8"), (r"\344\n", "latin-1")):
            async with open_process(["printf", text]) as process:
                found.append([line async for line in process.stdout.lines(encoding)])
        return found

    assert do(host, main()) == [["a", "", "bä"], ["ä"]]


def test_line_that_is_too_long_is_refused_and_stays(host: HostFactory) -> None:
    """Nothing is lost: it can be read in pieces."""

    async def main() -> bytes:
        async with open_process(sh("printf 0123456789abc; printf 'de\\nrest\\n'")) as process:
            with pytest.raises(ValueError, match="longer than 8 bytes"):
                await anext(process.stdout.lines(limit=8))
            return await process.stdout.read_all()

    assert do(host, main()) == b"0123456789abcde\nrest\n"


@pytest.mark.parametrize("size", [0, -1])
def test_read_of_nothing_is_refused(size: int, host: HostFactory) -> None:
    """It could not be told from the end."""

    async def main() -> None:
        async with open_process(["true"]) as process:
            with pytest.raises(ValueError, match=f"not {size}"):
                await process.stdout.read(size)

    do(host, main())


def test_canceled_read_loses_nothing(host: HostFactory) -> None:
    """Half a line has come when the reader is canceled: the next one gets it whole."""

    async def main() -> list[str]:
        script = "printf ha; read go; echo lf; echo next"
        async with open_process(sh(script), stdin="pipe") as process:
            lines = process.stdout.lines()
            with pytest.raises(rescind.TimedOut):
                await rescind.timeout(anext(lines), 0.1)
            await process.stdin.write(b"go\n")
            return [line async for line in lines]

    assert do(host, main()) == ["half", "next"]


def test_two_readers_at_once_are_refused(host: HostFactory) -> None:
    """Which one would get what?"""

    async def main() -> None:
        async with open_process(["sleep", "100"]) as process:
            task = rescind.spawn(process.stdout.read())
            await rescind.yield_now()
            with pytest.raises(UsageError, match="stdout of 'sleep' is already used"):
                await process.stdout.read()
            await task.cancel()

    do(host, main())


def test_reader_in_another_task_is_told_when_the_block_ends(host: HostFactory) -> None:
    """It does not wait for ever for a descriptor that is gone."""

    async def main() -> Any:
        async with open_process(["sleep", "100"]) as process:
            task = rescind.spawn(process.stdout.read())
            await rescind.yield_now()
            process.stdout.close()
            process.stdout.close()
            outcome = await task.join()
            with pytest.raises(Closed):
                await process.stdout.read()
            return outcome

    outcome = do(host, main())
    assert isinstance(outcome, rescind.Error)
    assert isinstance(outcome.exception, Closed)


def test_write_that_nobody_reads_is_a_broken_pipe(host: HostFactory) -> None:
    """Here it is the caller's to handle."""

    async def main() -> None:
        async with open_process(["true"], stdin="pipe") as process:
            await process.wait()
            with pytest.raises(BrokenPipeError):
                await process.stdin.write(b"x" * 100_000)

    do(host, main())


def test_pipe_that_was_not_asked_for_is_refused(host: HostFactory) -> None:
    """With the option that makes it."""

    async def main() -> None:
        async with open_process(["true"], stdout="discard") as process:
            for name, option in (("stdin", "pipe"), ("stdout", "capture"), ("stderr", "capture")):
                with pytest.raises(
                    UsageError, match=f"{name} of .* start it with {name}='{option}'"
                ):
                    getattr(process, name)

    do(host, main())


def test_stderr_can_be_read_beside(host: HostFactory) -> None:
    """Each stream by a task, or a child, of its own."""

    async def main() -> tuple[bytes, bytes]:
        script = "echo out; echo err >&2"
        async with open_process(sh(script), stderr="capture") as process:
            out, err = await rescind.join(process.stdout.read_all(), process.stderr.read_all())
            return out, err

    assert do(host, main()) == (b"out\n", b"err\n")


@pytest.mark.parametrize("script", [STAY, DEAF], ids=["heeds", "deaf"])
@pytest.mark.parametrize("how", ["left", "raised", "canceled", "dropped", "interrupted"])
def test_process_does_not_outlive_its_block(
    script: str, how: str, tmp_path: Path, host: HostFactory
) -> None:
    """However the block ends."""
    path = tmp_path / "pid"

    async def block() -> None:
        async with open_process(sh(script, path), grace=0.2):
            await until(path.exists)
            if how == "raised":
                raise ValueError("mine")
            if how == "interrupted":
                raise KeyboardInterrupt
            if how != "left":
                await rescind.never()

    async def main() -> Any:
        task = rescind.spawn(block())
        await until(path.exists)
        await rescind.yield_now()
        if how in ("canceled", "dropped"):
            task.cancel(grace=0 if how == "dropped" else 20)
        return await task.join()

    with host() as runtime:
        if how == "interrupted":
            with pytest.raises(KeyboardInterrupt):
                runtime.block_on(main())
        else:
            runtime.block_on(main())
            assert not alive(noted(path))

    assert not alive(noted(path))


def test_process_that_has_ended_costs_no_grace(host: HostFactory) -> None:
    """Leaving the block is then a formality; its status can still be read."""

    async def main() -> tuple[int, int | None, str]:
        async with open_process(sh("exit 3")) as process:
            status = await process.wait()
        assert await process.wait() == status
        return status, process.returncode, repr(process)

    status, returncode, text = do(host, main())
    assert (status, returncode) == (3, 3)
    assert text.endswith("'sh', ended with 3>")


def test_several_can_wait_for_the_end(host: HostFactory) -> None:
    """All are told; the process is reaped once."""

    async def main() -> list[int]:
        async with open_process(sh("read line; exit 3"), stdin="pipe") as process:
            assert process.returncode is None
            assert repr(process).endswith("'sh', running>")
            waiting = [rescind.spawn(process.wait()) for _ in range(3)]
            await rescind.yield_now()
            await waiting[0].cancel()
            await process.stdin.write(b"\n")
            return [await task for task in waiting[1:]]

    assert do(host, main()) == [3, 3]


@pytest.mark.parametrize(("send", "number"), [("terminate", 15), ("kill", 9), ("signal", 10)])
def test_signals_can_be_sent(send: str, number: int, host: HostFactory) -> None:
    """To the group; after the end there is nobody."""

    async def main() -> int:
        async with open_process(["sleep", "100"]) as process:
            method = getattr(process, send)
            assert method(*([number] if send == "signal" else [])) is True
            status = await process.wait()
        assert process.signal(0) is False
        return status

    assert do(host, main()) == -number


def test_block_can_be_entered_once(host: HostFactory) -> None:
    """It is one process."""

    async def main() -> None:
        opened = open_process(["true"])
        async with opened as process:
            assert isinstance(process, Process)
            await process.wait()
        with pytest.raises(UsageError, match="started already"):
            async with opened:
                pass

    do(host, main())


# --------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize("start", [run_process, open_process])
@pytest.mark.parametrize(
    ("command", "options", "kind", "text"),
    [
        ("ls -l", {}, TypeError, r"not 'ls -l': write shlex\.split.*\['sh', '-c', 'ls -l'\]"),
        (b"ls", {}, TypeError, "not b'ls'"),
        (Path("ls"), {}, TypeError, "needs a sequence"),
        ([], {}, ValueError, "the command is empty"),
        (["ls", 3], {}, TypeError, "not 3"),
        (["ls"], {"stdout": "pipe"}, ValueError, "stdout must be .*'pipe'"),
        (["ls"], {"stderr": "out"}, ValueError, "stderr must be .* or 'stdout': 'out'"),
        (["ls"], {"grace": -1}, ValueError, "-1"),
    ],
)
def test_bad_arguments_are_refused(
    start: Callable[..., Any], command: Any, options: Any, kind: type[Exception], text: str
) -> None:
    """At the call, with the offending value, and what to do."""
    with pytest.raises(kind, match=text):
        start(command, **options)


def test_bad_input_is_refused() -> None:
    """A str has no encoding of its own."""
    with pytest.raises(TypeError):
        run_process(["cat"], input="text")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"stdin must be .*'capture'"):
        open_process(["cat"], stdin="capture")  # type: ignore[arg-type]


# ----------------------------------------------------------------------------------- other programs


def test_plain_asyncio_program_can_use_it(tmp_path: Path) -> None:
    """Asyncio's cancellation ends the process, and waits for it."""
    path = tmp_path / "pid"

    async def main() -> None:
        assert (await run_process(["echo", "hi"])).text == "hi\n"
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await run_process(sh(STAY, path))
        assert not path.exists() or not alive(noted(path))
        async with open_process(["echo", "hi"]) as process:
            assert [line async for line in process.stdout.lines()] == ["hi"]

    asyncio.run(main())


def test_asyncios_own_processes_are_left_alone() -> None:
    """Each reaps its own; no child watcher is confused."""

    async def main() -> tuple[int | None, int]:
        theirs = await asyncio.create_subprocess_exec("sh", "-c", "sleep 0.05; exit 4")
        ours = await run_process(sh("exit 3"), check=False)
        await theirs.wait()
        return theirs.returncode, ours.returncode

    assert rescind.run(main()) == (4, 3)


def test_process_that_somebody_else_reaps_is_no_hang() -> None:
    """A library that waits for every child: the status is lost, nothing else."""
    reap = os.waitpid

    async def main() -> None:
        async with open_process(["true"]) as process:
            reap(process.pid, 0)
            await process.wait()

    rescind.run(main())


def test_refusing_system_leaves_nothing(monkeypatch: pytest.MonkeyPatch, host: HostFactory) -> None:
    """No descriptor can be had for the process: it is killed and reaped."""
    pids: list[int] = []

    def refuse(pid: int, *_: int) -> int:
        pids.append(pid)
        raise MemoryError

    monkeypatch.setattr(os, "pidfd_open", refuse)
    with pytest.raises(MemoryError):
        do(host, run_process(["sleep", "100"]))

    assert not alive(pids[0])


def test_windows_is_refused(monkeypatch: pytest.MonkeyPatch, host: HostFactory) -> None:
    """It has no process groups and no signals; the message says so."""
    with host() as runtime:
        monkeypatch.setattr(sys, "platform", "win32")
        with pytest.raises(UsageError, match="Windows"):
            runtime.block_on(run_process(["true"]))
        monkeypatch.undo()
