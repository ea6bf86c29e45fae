"""Twenty parts of asyncio, each used as its documentation says."""

import asyncio
import contextlib
import contextvars
import socket
import sys
from collections.abc import AsyncIterator
from typing import Any

from tests.ecosystem.battery.use import Use, battery, outcome

__all__ = ["USES"]

USES: list[Use] = []
use = battery("asyncio", USES)

SHORT = 0.001
LONG = 30.0


def _me() -> Any:
    return asyncio.current_task()


@use(["now", None, "later", 0])
async def sleep(_port: int) -> list[Any]:
    loop = asyncio.get_running_loop()
    seen: list[Any] = []
    loop.call_soon(lambda: seen.append(asyncio.current_task()))
    first = await asyncio.sleep(0, "now")
    return [first, *seen, await asyncio.sleep(SHORT, "later"), _me().cancelling()]


@use(["timed out", True, False, "outer", "rescheduled", 0])
async def timeout(_port: int) -> list[Any]:
    seen: list[Any] = []
    try:
        async with asyncio.timeout(SHORT) as scope:
            await asyncio.sleep(LONG)
    except TimeoutError:
        seen += ["timed out", scope.expired()]
    async with asyncio.timeout(LONG) as scope:
        await asyncio.sleep(0)
    seen.append(scope.expired())
    try:
        async with asyncio.timeout(SHORT):
            try:
                async with asyncio.timeout(LONG):
                    await asyncio.sleep(LONG)
            except TimeoutError:
                seen.append("inner")
    except TimeoutError:
        seen.append("outer")
    try:
        async with asyncio.timeout(None) as scope:
            scope.reschedule(asyncio.get_running_loop().time() + SHORT)
            await asyncio.Event().wait()
    except TimeoutError:
        seen.append("rescheduled")
    return [*seen, _me().cancelling()]


@use(["past", "soon", "in time", 0])
async def timeout_at(_port: int) -> list[Any]:
    loop = asyncio.get_running_loop()
    seen: list[Any] = []
    for name, at in (("past", -1.0), ("soon", SHORT), ("in time", LONG)):
        try:
            async with asyncio.timeout_at(loop.time() + at):
                await asyncio.sleep(2 * SHORT if at == LONG else LONG)
            seen.append("in time")
        except TimeoutError:
            seen.append(name)
    return [*seen, _me().cancelling()]


@use(["value", "TimeoutError", "cleaned up", "ValueError", 0])
async def wait_for(_port: int) -> list[Any]:
    seen: list[Any] = [await asyncio.wait_for(asyncio.sleep(0, "value"), LONG)]

    async def cleaning_up() -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            await asyncio.sleep(0)
            seen.append("cleaned up")

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError

    seen.insert(1, await outcome(asyncio.wait_for(cleaning_up(), SHORT)))
    seen.append(await outcome(asyncio.wait_for(failing(), LONG)))
    return [*seen, _me().cancelling()]


@use([["a", "b"], ["a", "ValueError"], "ValueError", "canceled with it", True])
async def gather(_port: int) -> list[Any]:
    async def failing() -> None:
        raise ValueError

    both = await asyncio.gather(asyncio.sleep(SHORT, "a"), asyncio.sleep(0, "b"))
    mixed = await asyncio.gather(asyncio.sleep(0, "a"), failing(), return_exceptions=True)
    children = [asyncio.ensure_future(asyncio.sleep(LONG)) for _ in range(2)]
    together = asyncio.gather(*children)
    asyncio.get_running_loop().call_soon(together.cancel)
    try:
        await together
        ended = "not canceled"
    except asyncio.CancelledError:
        ended = "canceled with it"
    return [
        both,
        [one if isinstance(one, str) else type(one).__name__ for one in mixed],
        await outcome(asyncio.gather(failing())),
        ended,
        all(child.cancelled() for child in children),
    ]


@use([["quick"], 1, ["failing"], [2, 0], 2])
async def wait(_port: int) -> list[Any]:
    async def failing() -> None:
        raise ValueError

    quick = asyncio.create_task(asyncio.sleep(0), name="quick")
    slow = asyncio.create_task(asyncio.sleep(LONG), name="slow")
    done, pending = await asyncio.wait({quick, slow}, return_when=asyncio.FIRST_COMPLETED)
    seen: list[Any] = [[one.get_name() for one in done], len(pending)]
    bad = asyncio.create_task(failing(), name="failing")
    done, _ = await asyncio.wait({bad, slow}, return_when=asyncio.FIRST_EXCEPTION)
    seen.append([one.get_name() for one in done if one.exception()])
    slow.cancel()
    done, pending = await asyncio.wait({quick, slow})
    seen.append([len(done), len(pending)])
    late = {asyncio.create_task(asyncio.sleep(LONG)) for _ in range(2)}
    done, pending = await asyncio.wait(late, timeout=SHORT)
    for one in pending:
        one.cancel()
    await asyncio.wait(pending)
    return [*seen, len(pending)]


@use([["first", "second"], "TimeoutError"])
async def as_completed(_port: int) -> list[Any]:
    gate = asyncio.Event()

    async def second() -> str:
        await gate.wait()
        return "second"

    async def first() -> str:
        gate.set()
        return "first"

    values = [await one for one in asyncio.as_completed([second(), first()])]
    late = asyncio.create_task(asyncio.sleep(LONG))
    for one in asyncio.as_completed([late], timeout=SHORT):
        ended = await outcome(one)
    late.cancel()
    await asyncio.wait([late])
    return [values, ended]


@use(["TimeoutError", "survived", 0])
async def shield(_port: int) -> list[Any]:
    gate = asyncio.Event()

    async def protected() -> str:
        await gate.wait()
        return "survived"

    inner = asyncio.create_task(protected())
    ended = await outcome(asyncio.wait_for(asyncio.shield(inner), SHORT))
    gate.set()
    return [ended, await asyncio.shield(inner), _me().cancelling()]


@use([[0, 1, 2], ["sibling", "body"], ["ValueError", "ValueError"], ["outer"], 0])
async def task_group(_port: int) -> list[Any]:
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(asyncio.sleep(0, number)) for number in range(3)]
    seen: list[Any] = [[task.result() for task in tasks], [], []]

    async def failing() -> None:
        await asyncio.sleep(0)
        raise ValueError

    async def until_canceled(name: str) -> None:
        try:
            await asyncio.sleep(LONG)
        finally:
            await asyncio.sleep(0)
            seen[1].append(name)

    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(until_canceled("sibling"))
            group.create_task(failing())
            group.create_task(failing())
            await until_canceled("body")
    except* ValueError as errors:
        seen[2] = [type(exc).__name__ for exc in errors.exceptions]
    seen[1].sort(reverse=True)
    ended: list[str] = []
    try:
        async with asyncio.TaskGroup() as outer:
            outer.create_task(failing())
            async with asyncio.TaskGroup() as inner:
                inner.create_task(asyncio.sleep(LONG))
            ended.append("inner")
    except* ValueError:
        ended.append("outer")
    return [*seen, ended, _me().cancelling()]


@use(["named", "value", "canceled", "asked", ["outside", "inside"], ["done"], True])
async def tasks(_port: int) -> list[Any]:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="none")
    variable.set("outside")
    seen: list[Any] = []

    async def child() -> str:
        seen.append(variable.get())
        variable.set("inside")
        seen.append(variable.get())
        await asyncio.sleep(0)
        return "value"

    task = asyncio.create_task(child(), name="named")
    called: list[str] = []
    task.add_done_callback(lambda _: called.append("done"))
    value = await task
    canceled = asyncio.create_task(asyncio.sleep(LONG))
    asyncio.get_running_loop().call_soon(canceled.cancel, "asked")
    try:
        await canceled
        ended, message = "not canceled", ""
    except asyncio.CancelledError as exc:
        ended, message = "canceled", str(exc)
    mine = task not in asyncio.all_tasks() and _me() is not None
    return [task.get_name(), value, ended, message, seen, called, mine]


@use(["in order", [0, 1, 2], False, "TimeoutError", True, "set"])
async def lock_and_event(_port: int) -> list[Any]:
    lock, event = asyncio.Lock(), asyncio.Event()
    got: list[int] = []

    async def take(number: int) -> None:
        async with lock:
            await asyncio.sleep(0)
            got.append(number)

    await asyncio.gather(*[take(number) for number in range(3)])
    await lock.acquire()
    late = await outcome(asyncio.wait_for(lock.acquire(), SHORT))
    locked = lock.locked()
    lock.release()
    waiting = asyncio.create_task(event.wait())
    await asyncio.sleep(0)
    event.set()
    seen = "set" if await waiting and await event.wait() else "not set"
    return ["in order", got, lock.locked(), late, locked, seen]


@use(["notified", "TimeoutError", False, 2, "ValueError"])
async def condition_and_semaphore(_port: int) -> list[Any]:
    condition = asyncio.Condition()
    ready: list[str] = []

    async def consume() -> str:
        async with condition:
            await condition.wait_for(lambda: ready)
            return ready[0]

    consumer = asyncio.create_task(consume())
    await asyncio.sleep(0)
    async with condition:
        ready.append("notified")
        condition.notify_all()
    first = await consumer
    async with condition:
        late = await outcome(asyncio.wait_for(condition.wait(), SHORT))
    semaphore = asyncio.Semaphore(2)
    most = now = 0

    async def enter() -> None:
        nonlocal most, now
        async with semaphore:
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

    await asyncio.gather(*[enter() for _ in range(5)])
    bounded = asyncio.BoundedSemaphore()
    try:
        bounded.release()
        error = "none"
    except ValueError as exc:
        error = type(exc).__name__
    return [first, late, condition.locked(), most, error]


@use([[0, 1, 2], "BrokenBarrierError", "BrokenBarrierError"])
async def barrier(_port: int) -> list[Any]:
    three = asyncio.Barrier(3)
    passed = sorted(await asyncio.gather(*[three.wait() for _ in range(3)]))
    waiting = asyncio.create_task(outcome(three.wait()))
    await asyncio.sleep(0)
    await three.abort()
    return [passed, await waiting, await outcome(three.wait())]


@use([[0, 1, 2], [2, 1, 0], [0, 1, 2], "TimeoutError", "QueueFull", "joined"])
async def queues(_port: int) -> list[Any]:
    seen: list[Any] = []
    for kind in (asyncio.Queue, asyncio.LifoQueue, asyncio.PriorityQueue):
        queue: asyncio.Queue[int] = kind()
        for number in range(3):
            await queue.put(number)
        seen.append([await queue.get() for _ in range(3)])
    narrow: asyncio.Queue[int] = asyncio.Queue(1)

    async def work() -> None:
        for _ in range(4):
            await narrow.get()
            await asyncio.sleep(0)
            narrow.task_done()

    seen.append(await outcome(asyncio.wait_for(narrow.get(), SHORT)))
    await narrow.put(0)
    try:
        narrow.put_nowait(1)
    except asyncio.QueueFull as exc:
        seen.append(type(exc).__name__)
    worker = asyncio.create_task(work())
    for number in range(3):
        await narrow.put(number)
    await narrow.join()
    await worker
    return [*seen, "joined"]


@use(["context", "executor", "KeyError", "from the loop", "another loop"])
async def threads(_port: int) -> list[Any]:
    loop = asyncio.get_running_loop()
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("context")

    async def back() -> str:
        await asyncio.sleep(0)
        return "from the loop"

    def call() -> str:
        return asyncio.run_coroutine_threadsafe(back(), loop).result(LONG)

    async def elsewhere() -> str:
        await asyncio.sleep(0)
        return "another loop"

    return [
        await asyncio.to_thread(variable.get),
        await loop.run_in_executor(None, lambda: "executor"),
        await outcome(asyncio.to_thread(lambda: {}["missing"])),
        await asyncio.to_thread(call),
        await asyncio.to_thread(lambda: asyncio.run(elsewhere())),
    ]


@use([b"ONE\n", b"TWO\n", "TimeoutError", b""])
async def streams(_port: int) -> list[Any]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            if line == b"nothing\n":
                continue
            writer.write(line.upper())
            await writer.drain()
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        seen: list[Any] = []
        for line in (b"one\n", b"two\n", b"nothing\n"):
            writer.write(line)
            await writer.drain()
            limit = SHORT if line == b"nothing\n" else LONG
            seen.append(await outcome(asyncio.wait_for(reader.readline(), limit)))
        writer.write_eof()
        seen.append(await reader.read())
        writer.close()
        await writer.wait_closed()
    return seen


@use([b"TEXT", 3, "TimeoutError", True])
async def subprocesses(_port: int) -> list[Any]:
    pipe = asyncio.subprocess.PIPE
    upper = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.exit(3)"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-S", "-c", upper), stdin=pipe, stdout=pipe
    )
    out, _ = await process.communicate(b"text")
    sleeping = await asyncio.create_subprocess_shell("exec sleep 30")
    late = await outcome(asyncio.wait_for(sleeping.wait(), SHORT))
    sleeping.kill()
    return [out, process.returncode, late, await sleeping.wait() != 0]


@use([b"raw", b"datagram", "TimeoutError"])
async def sockets(_port: int) -> list[Any]:
    loop = asyncio.get_running_loop()
    with contextlib.ExitStack() as stack:
        ours, theirs = (stack.enter_context(each) for each in socket.socketpair())
        ours.setblocking(False)
        theirs.setblocking(False)
        await loop.sock_sendall(ours, b"raw")
        raw = await loop.sock_recv(theirs, 10)
        late = await outcome(asyncio.wait_for(loop.sock_recv(theirs, 10), SHORT))
    got: asyncio.Future[bytes] = loop.create_future()

    class Receiver(asyncio.DatagramProtocol):
        def datagram_received(self, data: bytes, addr: Any) -> None:
            got.set_result(data)

    here, _ = await loop.create_datagram_endpoint(Receiver, ("127.0.0.1", 0))
    address = here.get_extra_info("sockname")
    there, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=address)
    there.sendto(b"datagram")
    datagram = await asyncio.wait_for(got, LONG)
    here.close()
    there.close()
    await asyncio.sleep(0)
    return [raw, datagram, late]


@use([True, "value", "value", ["timed out", "done"], True], since=(3, 12))
async def eager_tasks(_port: int) -> list[Any]:
    loop = asyncio.get_running_loop()
    me = asyncio.current_task()

    async def quick() -> str:
        return "value"

    async def slow() -> str:
        await asyncio.sleep(0)
        return "value"

    async def late() -> str:
        try:
            async with asyncio.timeout(SHORT):
                await asyncio.sleep(LONG)
        except TimeoutError:
            return "timed out"
        return "not"

    before = loop.get_task_factory()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]
    try:
        first, second = loop.create_task(quick()), loop.create_task(slow())
        third = loop.create_task(late())
    finally:
        loop.set_task_factory(before)
    at_once = first.done() and not second.done() and asyncio.current_task() is me
    got = [first.result(), await second, [await third, "done"]]
    return [at_once, *got, asyncio.current_task() is me]


@use([[0, 1], "closed", "collected", True])
async def async_generators(_port: int) -> list[Any]:
    seen: list[str] = []
    loop = asyncio.get_running_loop()
    finalized = asyncio.Event()

    async def numbers(name: str) -> AsyncIterator[int]:
        try:
            for number in range(10):
                await asyncio.sleep(0)
                yield number
        finally:
            await asyncio.sleep(0)
            seen.append(name)
            finalized.set()

    async with contextlib.aclosing(numbers("closed")) as closing:
        got = [await anext(closing), await anext(closing)]
    finalized.clear()
    async for _ in numbers("collected"):
        break
    await asyncio.wait_for(finalized.wait(), LONG)  # the loop closes what was dropped
    return [got, *seen, asyncio.get_running_loop() is loop]
