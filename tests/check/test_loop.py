"""The loop of a run: its order, its clock, its proofs of hangs, what it holds back."""

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from rescind.check.loop import LATE, CheckLoop


@contextmanager
def a_loop() -> Iterator[CheckLoop]:
    """Make a loop, and close it with what is left on it."""
    loop = CheckLoop()
    asyncio.set_event_loop(loop)
    try:
        yield loop
        loop.settle(0.05)  # the other ends of connections see that they are closed
        left = [task for task in asyncio.all_tasks(loop) if not task.done()]
        for task in left:
            task.cancel()
        loop.allow(5.0)
        loop.run_until(*left)
        loop.run_until(loop.create_task(loop.shutdown_default_executor()))
    finally:
        loop.close()
        asyncio.set_event_loop(None)


def run(main: Callable[[], Coroutine[Any, Any, Any]], *, limit: float = 5.0) -> Any:
    """Run a coroutine function on a loop of its own; return its result, or why it hangs."""
    with a_loop() as loop:
        loop.allow(limit)
        task = loop.create_task(main())
        if loop.run_until(task):
            return task.result()
        return loop.hung


class Stock(asyncio.SelectorEventLoop):
    """asyncio's loop, but that a slow machine does not delay its timers."""

    def __init__(self) -> None:
        self.now = 0.0
        super().__init__()
        select = self._selector.select  # type: ignore[attr-defined]

        def jump(timeout: float | None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        self._selector.select = jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now


# -- L1 --------------------------------------------------------------------------------------------


async def busy_program() -> list[str]:
    """Use timers, futures, tasks, groups, locks and queues, and write down who ran when."""
    trace: list[str] = []
    loop = asyncio.get_running_loop()
    lock = asyncio.Lock()
    queue: asyncio.Queue[int] = asyncio.Queue(1)
    bell = asyncio.Event()

    async def worker(number: int) -> None:
        trace.append(f"{number} begins")
        async with lock:
            trace.append(f"{number} has the lock")
            await asyncio.sleep(0.01 * (3 - number))
        await queue.put(number)
        trace.append(f"{number} has put")
        await bell.wait()
        trace.append(f"{number} heard the bell")

    async def consumer() -> None:
        for _ in range(3):
            trace.append(f"got {await queue.get()}")
            await asyncio.sleep(0)
        loop.call_soon(bell.set)

    def tick(count: int) -> None:
        trace.append(f"tick {count}")
        if count:
            loop.call_soon(tick, count - 1)

    loop.call_later(0.005, trace.append, "timer")
    loop.call_soon(tick, 4)
    async with asyncio.TaskGroup() as group:
        for number in range(3):
            group.create_task(worker(number))
        group.create_task(consumer())
    try:
        async with asyncio.timeout(0.02):
            await asyncio.sleep(1)
    except TimeoutError:
        trace.append("timed out")
    results = await asyncio.gather(asyncio.sleep(0.02, "b"), asyncio.sleep(0.01, "a"))
    return [*trace, *results]


def test_the_order_of_callbacks_is_that_of_a_stock_loop() -> None:
    """A program writes the same trace on both."""
    stock = Stock()
    try:
        expected = stock.run_until_complete(busy_program())
    finally:
        stock.close()
    assert run(busy_program) == expected


def test_debug_mode_works_and_warns_of_nothing() -> None:
    """The clock stands still, so no callback is ever slow."""
    with a_loop() as loop:
        loop.set_debug(True)
        loop.allow(5.0)
        task = loop.create_task(busy_program())
        assert loop.run_until(task)
        assert loop.problems == []


# -- the clock -------------------------------------------------------------------------------------


def test_the_clock_stands_still_while_the_program_runs() -> None:
    """However long a callback takes, no timeout expires."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        sum(range(200_000))
        await asyncio.sleep(0)
        return loop.time() - began

    assert run(main) == 0


def test_the_clock_jumps_where_only_a_timer_can_end_the_wait() -> None:
    """An hour takes no time."""

    async def main() -> float:
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(100):
            await asyncio.sleep(1.0)
        return round(loop.time() - began, 6)

    assert run(main, limit=60.0) == 100.0


def test_a_loop_that_spins_until_a_deadline_reaches_it() -> None:
    """Time passes for those who never wait, or a deadline would never come."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        until = loop.time() + 0.05
        while loop.time() < until:
            await asyncio.sleep(0)
        return "reached"

    assert run(main, limit=60.0) == "reached"


# -- L2 --------------------------------------------------------------------------------------------


def test_a_hang_is_proved_where_nothing_can_happen() -> None:
    """It needs no time, whatever the limit is."""

    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    assert run(main, limit=1e6) == "nothing can happen any more"


def test_a_hang_is_proved_where_only_timers_go_on() -> None:
    """Somebody who looks again and again keeps the loop alive, and helps nobody."""

    async def main() -> None:
        while True:
            await asyncio.sleep(0.1)

    assert run(main, limit=1.0) == "it goes on for ever, by timers alone"


@pytest.mark.real_limits
def test_a_hang_is_told_where_the_program_never_waits() -> None:
    """A loop of `sleep(0)` is ended by the limit."""

    async def main() -> None:
        while True:
            await asyncio.sleep(0)

    assert run(main, limit=0.05) == f"{LATE}: it goes on without ever waiting"


def test_a_hang_is_not_claimed_while_a_thread_works() -> None:
    """The answer may still come; it is waited for in real time."""

    async def main() -> str:
        go = threading.Event()
        asyncio.get_running_loop().call_later(0.01, go.set)
        await asyncio.to_thread(go.wait)
        return "it came"

    assert run(main) == "it came"


@pytest.mark.real_limits
def test_a_thread_that_does_not_end_is_named_when_the_limit_is_over() -> None:
    """The message says what is still under way."""
    go = threading.Event()

    async def main() -> None:
        await asyncio.to_thread(go.wait)

    with a_loop() as loop:
        loop.allow(0.05)
        assert not loop.run_until(loop.create_task(main()))
        go.set()
        assert loop.hung == f"{LATE}; 1 call has not ended either, in other threads"


def test_a_canceled_call_in_a_thread_still_counts_as_working() -> None:
    """The future in asyncio is done then, but the thread may yet call into the loop."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        heard = loop.create_future()
        go = threading.Event()

        def work() -> None:
            go.wait()
            loop.call_soon_threadsafe(heard.set_result, "heard")

        task = asyncio.create_task(asyncio.to_thread(work))
        await asyncio.sleep(0)
        task.cancel()
        loop.call_later(0.01, go.set)
        return str(await heard)

    assert run(main) == "heard"


def test_threads_of_the_pool_that_are_idle_keep_nobody_from_jumping() -> None:
    """After a call in a thread, time is the loop's own again, and a hang can be proved."""

    async def main() -> None:
        await asyncio.to_thread(int)
        await asyncio.get_running_loop().create_future()

    assert run(main, limit=1e6) == "nothing can happen any more"


def test_a_program_that_stops_the_loop_itself_runs_on() -> None:
    """`loop.stop` is no end of a scenario."""

    async def main() -> str:
        asyncio.get_running_loop().stop()
        await asyncio.sleep(0.01)
        return "went on"

    assert run(main) == "went on"


# -- L3 --------------------------------------------------------------------------------------------


async def answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer each line with itself."""
    while line := await reader.readline():
        writer.write(line)
    writer.close()


def test_what_is_held_back_arrives_when_nothing_else_can_run() -> None:
    """Two answers are held; both come, in order, when all others wait too."""

    async def main() -> list[Any]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CheckLoop)
        server = await asyncio.start_server(answering, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        trace: list[Any] = [loop.hold()]
        writer.write(b"one\n")
        for _ in range(50):
            await asyncio.sleep(0)
        trace.append(len(reader._buffer))  # type: ignore[attr-defined]
        writer.write(b"two\n")
        trace += [await reader.readline(), await reader.readline()]
        writer.close()
        server.close()
        return trace

    assert run(main) == [1, 0, b"one\n", b"two\n"]


def test_what_is_held_back_arrives_when_it_is_released() -> None:
    """`release` needs no wait."""

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CheckLoop)
        near, far = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=near)
        assert loop.hold() == 1
        far.send(b"answer\n")
        await asyncio.sleep(0)
        loop.release()
        line = await reader.readline()
        writer.close()
        far.close()
        return line

    assert run(main) == b"answer\n"


def test_a_loop_that_was_interrupted_while_it_was_made_goes_in_silence() -> None:
    """Ctrl-C may come at any moment: there is nothing to be closed yet."""
    loop = CheckLoop.__new__(CheckLoop)
    del loop  # an exception here would fail the test: nobody can catch it


def test_one_connection_alone_is_held_by_its_number() -> None:
    """In the order in which they were made; a descriptor that is used again counts anew."""

    async def main() -> list[bytes]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CheckLoop)
        pairs = [socket.socketpair() for _ in range(3)]
        first = await asyncio.open_connection(sock=pairs[0][0])
        first[1].close()
        await first[1].wait_closed()
        streams = [await asyncio.open_connection(sock=near) for near, _ in pairs[1:]]
        assert loop.connected == 3
        assert loop.hold(3) == 1
        for _, far in pairs[1:]:
            far.send(b"answer\n")
        for _ in range(50):
            await asyncio.sleep(0)
        early = [bytes(reader._buffer) for reader, _ in streams]  # type: ignore[attr-defined]
        loop.release()
        await streams[1][0].readline()
        for _, writer in streams:
            writer.close()
        for _, far in pairs:
            far.close()
        return early

    assert run(main) == [b"answer\n", b""]


def test_a_new_connection_with_the_same_descriptor_is_not_held() -> None:
    """What is held is a connection, not a number."""

    async def main() -> tuple[int, bool]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CheckLoop)
        near, far = socket.socketpair()
        _, writer = await asyncio.open_connection(sock=near)
        number = near.fileno()
        loop.hold()
        writer.close()
        await writer.wait_closed()
        again, other = socket.socketpair()
        assert again.fileno() == number
        again.setblocking(False)
        arrived: list[bytes] = []
        loop.add_reader(again, lambda: arrived.append(again.recv(10)))
        other.send(b"x")
        for _ in range(200):  # the others keep the loop from waiting: nothing is released
            await asyncio.sleep(0)
        loop.remove_reader(again)
        for sock in (far, again, other):
            sock.close()
        return number, arrived == [b"x"]

    assert run(main)[1] is True


# -- L4, and what programs expect of a loop --------------------------------------------------------


def test_a_task_factory_of_the_programs_own_is_used_and_told() -> None:
    """`get_task_factory` gives back what was set, and each task is still made known."""
    made: list[str] = []

    def factory(loop: asyncio.AbstractEventLoop, coro: Any, **options: Any) -> Any:
        made.append("factory")
        return asyncio.Task(coro, loop=loop, **options)

    async def main() -> str:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        assert loop.get_task_factory() is factory
        return str(await asyncio.create_task(asyncio.sleep(0, "done"), name="child"))

    with a_loop() as loop:
        from rescind.check.looping import make_task

        def on_task(inner: Any, coro: Any, options: dict[str, Any]) -> Any:
            made.append("told")
            return make_task(loop, inner, coro, options)

        loop.on_task = on_task
        loop.allow(5.0)
        task = loop.create_task(main())
        assert loop.run_until(task)
        assert task.result() == "done"
    assert made[:3] == ["told", "told", "factory"]


def test_a_task_factory_must_be_callable() -> None:
    """As asyncio says it."""
    with a_loop() as loop, pytest.raises(TypeError, match="callable or None"):
        loop.set_task_factory(3)


def test_signals_are_delivered_and_keep_the_loop_from_calling_it_a_hang() -> None:
    """A handler that was added may be called at any time."""

    async def main() -> str:
        loop = asyncio.get_running_loop()
        heard = loop.create_future()
        loop.add_signal_handler(signal.SIGALRM, heard.set_result, "heard")
        signal.setitimer(signal.ITIMER_REAL, 0.01)  # from outside: no thread will send it
        try:
            return str(await heard)
        finally:
            loop.remove_signal_handler(signal.SIGALRM)

    assert run(main) == "heard"


def test_subprocesses_run_and_end() -> None:
    """Their ends come by a child watcher, their output by pipes."""

    async def main() -> tuple[bytes, int | None]:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", "print('hello')", stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        return out, process.returncode

    assert run(main, limit=20.0) == (b"hello\n", 0)


def test_readers_and_writers_of_descriptors_are_called(tmp_path: Path) -> None:
    """`add_reader`, `add_writer`, and files sent by the system."""
    file = tmp_path / "file"
    file.write_bytes(b"content")

    async def main() -> bytes:
        loop = asyncio.get_running_loop()
        near, far = socket.socketpair()
        near.setblocking(False)
        far.setblocking(False)
        writable = loop.create_future()
        loop.add_writer(near, lambda: writable.done() or writable.set_result(None))
        await writable
        loop.remove_writer(near)
        with file.open("rb") as opened:
            await loop.sock_sendfile(near, opened)
        received = await loop.sock_recv(far, 100)
        near.close()
        far.close()
        return received

    assert run(main) == b"content"


def test_a_callback_can_be_put_before_all_others() -> None:
    """It comes right after the one that runs now."""

    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, CheckLoop)
        trace: list[str] = []
        loop.call_soon(trace.append, "queued")
        loop.call_next(lambda: trace.append("next"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return trace

    assert run(main) == ["next", "queued"]


def test_a_strike_comes_just_before_the_callback_that_is_counted() -> None:
    """Callbacks are counted as they run; canceled ones are left out."""
    trace: list[str] = []
    with a_loop() as loop:
        loop.call_soon(trace.append, "canceled").cancel()
        for name in ("one", "two", "three"):
            loop.call_soon(trace.append, name)
        loop.strike_before(loop.callbacks + 2, lambda: trace.append("strike"))
        loop.call_soon(loop.stop)
        loop.run_forever()
    assert trace == ["one", "strike", "two", "three"]


def test_settling_runs_what_is_under_way_and_comes_back_though_timers_go_on() -> None:
    """For as long as asked, in the loop's own time."""
    beats: list[float] = []
    with a_loop() as loop:

        async def beat() -> None:
            while True:
                beats.append(loop.time())
                await asyncio.sleep(0.01)

        task = loop.create_task(beat())
        loop.settle(0.045)
        task.cancel()
    assert len(beats) == 5


def test_settling_beside_a_connection_waits_for_who_is_at_work() -> None:
    """And no longer: not until its time is over, when nothing happens any more."""
    near, far = socket.socketpair()
    asked: list[bytes] = []
    read: list[bytes] = []
    with a_loop() as loop:
        loop.add_reader(near, lambda: read.append(near.recv(10)))

        def at_work() -> bool:
            asked.append(b"".join(read))
            if len(asked) == 1:
                far.send(b"late")
            return not read

        before = loop.time()
        loop.settle(1000.0, at_work, patient=True)
        assert loop.time() - before < 500
        loop.remove_reader(near)
    near.close()
    far.close()
    assert read == [b"late"]
    assert asked[0] == b""


def test_settling_beside_a_connection_ends_though_somebody_works_for_ever() -> None:
    """A task that goes on is left to those who look for such."""
    near, far = socket.socketpair()
    with a_loop() as loop:
        loop.add_reader(near, lambda: None)
        loop.settle(1000.0, lambda: True)
        assert loop.time() < 1500
        loop.remove_reader(near)
    near.close()
    far.close()


def test_settling_goes_on_without_waiting_when_the_last_connection_is_closed() -> None:
    """From then on only timers can happen, and they are not waited for."""
    near, far = socket.socketpair()
    fired: list[None] = []
    with a_loop() as loop:
        loop.add_reader(near, lambda: None)
        loop.call_soon(loop.remove_reader, near)
        loop.call_later(900.0, fired.append, None)
        loop.settle(1000.0)
    near.close()
    far.close()
    assert fired == [None]
