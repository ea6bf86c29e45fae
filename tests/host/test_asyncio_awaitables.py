"""Everything that asyncio code awaits works inside our tasks, and is canceled as it survives it."""

import asyncio
import concurrent.futures
import re
import sys
import threading
from collections.abc import Generator
from typing import Any

import pytest

import rescind
from rescind import Canceled, Completed
from tests.conftest import HOSTS, HostFactory


@pytest.fixture(params=[name for name in HOSTS if name != "manual"])
def real(request: pytest.FixtureRequest) -> HostFactory:
    """Run the test once on each loop."""
    if request.param == "uvloop":
        pytest.importorskip("uvloop")
    return HostFactory(request.param)


def test_futures_tasks_gather_and_wait_give_their_results(real: HostFactory) -> None:
    """Directly and as arguments of combinators."""

    async def value(number: int) -> int:
        await asyncio.sleep(0)
        return number

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, "future")
        task = asyncio.create_task(value(1))
        done, _ = await asyncio.wait([asyncio.create_task(value(2))])
        return [
            await future,
            await task,
            [one.result() for one in done],
            await asyncio.gather(value(3), value(4)),
            await rescind.join(asyncio.create_task(value(5)), asyncio.sleep(0, 6)),
            await asyncio.shield(value(7)),
        ]

    with real() as runtime:
        got = runtime.block_on(main())

    assert got == ["future", 1, [2], [3, 4], (5, 6), 7]


def test_exceptions_of_asyncio_futures_are_raised_at_the_await(real: HostFactory) -> None:
    """The same object; a future canceled by somebody else is asyncio's CancelledError."""
    error = ValueError("set on the future")

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        failing, canceled = loop.create_future(), loop.create_future()
        loop.call_soon(failing.set_exception, error)
        loop.call_soon(canceled.cancel, "by somebody")
        got: list[Any] = []
        for future in (failing, canceled):
            try:
                await future
            except BaseException as exc:
                got.append(exc)
        return got

    with real() as runtime:
        first, second = runtime.block_on(main())

    assert first is error
    assert (type(second), str(second)) == (asyncio.CancelledError, "by somebody")


def test_a_future_that_cannot_be_waited_for_is_refused_at_the_await(real: HostFactory) -> None:
    """One of another loop, and one that was yielded, not awaited: as asyncio, and it goes on."""

    class Yields:
        def __await__(self) -> Generator[Any, Any, None]:
            yield asyncio.get_running_loop().create_future()

    async def main(other: asyncio.AbstractEventLoop) -> list[str]:
        got: list[str] = []
        for awaitable in (other.create_future(), Yields()):
            try:
                await awaitable
            except RuntimeError as exc:
                got.append(str(exc))
        return got

    other = asyncio.new_event_loop()
    try:
        with real() as runtime:
            foreign, yielded = runtime.block_on(main(other))
    finally:
        other.close()

    assert re.match(r"Task <.*> got Future <.*> attached to a different loop; .*", foreign)
    assert yielded.startswith("yield was used instead of yield from")


def test_streams_over_real_sockets(real: HostFactory) -> None:
    """A server and its client; a read that was canceled steals nothing from the next one."""

    async def main() -> tuple[list[bytes], str]:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while line := await reader.readline():
                writer.write(line.upper())
                await writer.drain()
            writer.close()
            await writer.wait_closed()
            served.set()

        served = asyncio.Event()
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        got = []
        for line in (b"one\n", b"two\n"):
            writer.write(line)
            got.append(await reader.readline())
        reading = rescind.spawn(reader.readline())
        await rescind.sleep(0)
        outcome = await reading.cancel()
        writer.write(b"three\n")
        got.append(await reader.readline())
        writer.close()
        await writer.wait_closed()
        await served.wait()
        server.close()
        await server.wait_closed()
        return got, type(outcome).__name__

    with real() as runtime:
        assert runtime.block_on(main()) == ([b"ONE\n", b"TWO\n", b"THREE\n"], "Canceled")


def test_subprocess_output_and_cancellation(real: HostFactory) -> None:
    """Its output is read; a canceled wait leaves the process to be killed and reaped."""

    async def main() -> tuple[bytes, str, bool]:
        code = (
            "import sys; sys.stdout.write('from the child'); sys.stdout.flush(); sys.stdin.read()"
        )
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", code, stdin=pipe, stdout=pipe
        )
        assert process.stdout is not None
        out = await process.stdout.readexactly(len("from the child"))
        waiting = rescind.spawn(process.wait())
        await rescind.sleep(0)
        outcome = await waiting.cancel()
        process.kill()
        await process.communicate()
        return out, type(outcome).__name__, process.returncode is not None

    with real() as runtime:
        assert runtime.block_on(main()) == (b"from the child", "Canceled", True)


def test_queue_item_that_arrives_with_the_cancellation_is_delivered(real: HostFactory) -> None:
    """Either the getter has the item, or the queue (R7)."""
    got: list[str] = []

    async def getter(queue: asyncio.Queue[str]) -> None:
        got.append(await queue.get())
        await rescind.never()

    async def main() -> tuple[str, int]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        task = rescind.spawn(getter(queue))
        await rescind.sleep(0)
        await rescind.sleep(0)
        queue.put_nowait("item")
        outcome = await task.cancel()
        return type(outcome).__name__, queue.qsize()

    with real() as runtime:
        name, left = runtime.block_on(main())

    assert (name, len(got) + left) == ("Canceled", 1)


def test_thread_futures_can_be_awaited(real: HostFactory) -> None:
    """`to_thread`, and a concurrent future: value, exception, cancel before its start."""
    release = threading.Event()

    def fail() -> None:
        raise ValueError("in the pool")

    async def main(pool: concurrent.futures.Executor) -> list[Any]:
        got: list[Any] = [await asyncio.to_thread(lambda: "thread")]
        got.append(await rescind.shield(pool.submit(lambda: "pool")))  # type: ignore[arg-type]
        got += await rescind.outcomes(pool.submit(fail))  # type: ignore[arg-type]
        pool.submit(release.wait, 20)
        never_starts = pool.submit(lambda: "not reached")
        task = rescind.spawn(never_starts)  # type: ignore[arg-type]
        await rescind.sleep(0)
        outcome = await task.cancel()
        release.set()
        return [*got, type(outcome).__name__, never_starts.cancelled()]

    with concurrent.futures.ThreadPoolExecutor(1) as pool, real() as runtime:
        got = runtime.block_on(main(pool))

    assert got[:2] == ["thread", "pool"]
    assert str(got[2].exception) == "in the pool"
    assert got[3:] == ["Canceled", True]


# -- the handshake of R30 --------------------------------------------------------------------------


def test_callbacks_of_the_library_run_before_cancellation_is_raised(real: HostFactory) -> None:
    """One tick lies between the cancel of the future and the exception at the await."""
    log: list[str] = []

    async def body() -> None:
        future = asyncio.get_running_loop().create_future()
        future.add_done_callback(lambda one: log.append(f"library told: {one.cancelled()}"))
        try:
            await future
        except rescind.Cancellation as exc:
            log.append(f"raised: {exc.reason.message}")
            raise

    async def main() -> Any:
        task = rescind.spawn(body())
        await rescind.sleep(0)
        request = task.cancel("stop")
        log.append("asked")
        return await request

    with real() as runtime:
        outcome = runtime.block_on(main())

    assert isinstance(outcome, Canceled)
    assert log == ["asked", "library told: True", "raised: stop"]


def test_future_that_finishes_despite_the_cancel_delivers_its_value(real: HostFactory) -> None:
    """A task that catches the CancelledError and returns: first the value."""
    log: list[str] = []

    async def stubborn() -> str:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            await asyncio.sleep(0)
        return "value"

    async def body() -> None:
        log.append(await asyncio.create_task(stubborn()))
        try:
            await asyncio.sleep(3600)
        except rescind.Cancellation:
            log.append("at the next park")
            raise

    async def main() -> Any:
        task = rescind.spawn(body())
        for _ in range(3):
            await rescind.sleep(0)
        return await task.cancel()

    with real() as runtime:
        outcome = runtime.block_on(main())

    assert (type(outcome), log) == (Canceled, ["value", "at the next park"])


def test_future_that_refuses_to_be_canceled_is_waited_for_within_the_grace(
    real: HostFactory,
) -> None:
    """`asyncio.shield`'s opposite: cancel() returns False, nothing is raised until it ends."""

    class Refusing(asyncio.Future[str]):
        def cancel(self, msg: Any = None) -> bool:
            return False

    async def body(future: asyncio.Future[str]) -> str:
        return await future

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        patient, stuck = Refusing(loop=loop), Refusing(loop=loop)
        first, second = rescind.spawn(body(patient)), rescind.spawn(body(stuck))
        for _ in range(2):
            await rescind.sleep(0)
        request = first.cancel()
        await rescind.sleep(0)
        held = first.done()
        patient.set_result("in the end")
        return [held, await request, await second.cancel(grace=0.001)]

    with real() as runtime:
        held, first, second = runtime.block_on(main())

    assert (held, first) == (False, Completed("in the end"))
    assert (type(second), second.dropped) == (Canceled, True)


class _Counting(asyncio.Future[str]):
    """A future of somebody's own class, which answers itself."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.asked: list[str] = []

    def done(self) -> bool:
        self.asked.append("done")
        return super().done()

    def get_loop(self) -> asyncio.AbstractEventLoop:
        self.asked.append("loop")
        return super().get_loop()

    def add_done_callback(self, fn: Any, /, *, context: Any = None) -> None:
        self.asked.append("call")
        super().add_done_callback(fn, context=context)


def test_a_subclass_of_asyncio_s_future_is_asked_by_its_own_methods(real: HostFactory) -> None:
    """What a library has made of a future is not bypassed."""

    async def main() -> tuple[str, set[str]]:
        future = _Counting(loop=asyncio.get_running_loop())
        future.get_loop().call_soon(future.set_result, "value")
        future.asked.clear()
        return await future, set(future.asked)

    with real() as runtime:
        assert runtime.block_on(main()) == ("value", {"loop", "done", "call"})


def test_a_future_written_in_python_is_awaited(real: HostFactory) -> None:
    """There is a second one in Python, which loops and tests may use."""
    in_python: Any = vars(asyncio.futures)["_PyFuture"]

    async def main() -> tuple[str, str]:
        loop = asyncio.get_running_loop()
        future, failing = in_python(loop=loop), in_python(loop=loop)
        loop.call_soon(future.set_result, "value")
        loop.call_soon(failing.set_exception, OSError("no"))
        value = await future
        try:
            await failing
        except OSError as exc:
            return value, str(exc)
        raise AssertionError("it did not fail")

    with real() as runtime:
        assert runtime.block_on(main()) == ("value", "no")


def test_drop_cancels_the_asyncio_future(real: HostFactory) -> None:
    """With `grace=0` too: a child task would go on for ever otherwise."""

    async def body(child: asyncio.Task[None]) -> None:
        await child

    async def main() -> tuple[bool, bool]:
        child = asyncio.create_task(asyncio.sleep(3600))
        task = rescind.spawn(body(child))
        for _ in range(2):
            await rescind.sleep(0)
        outcome = await task.cancel(grace=0)
        await asyncio.wait([child])
        return outcome.dropped, child.cancelled()  # type: ignore[union-attr]

    with real() as runtime:
        assert runtime.block_on(main()) == (True, True)
