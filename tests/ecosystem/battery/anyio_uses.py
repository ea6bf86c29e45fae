"""Fourteen parts of anyio, each used as its documentation says."""

import asyncio
import contextlib
import sys
import tempfile
from typing import Any

from tests.ecosystem.battery.use import Use, battery, outcome

__all__ = ["USES"]

USES: list[Use] = []
_use = battery("anyio", USES)

SHORT = 0.001
LONG = 30.0


def use(expected: object) -> Any:
    """Put a use into the battery; all of them need the same."""
    return _use(expected, needs=("anyio",))


def _cancelling() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


@use([["a", "b"], "canceled", True, 0])
async def task_group(_port: int) -> list[Any]:
    import anyio

    seen: list[str] = []

    async def child(name: str) -> None:
        await anyio.lowlevel.checkpoint()
        seen.append(name)

    async with anyio.create_task_group() as group:
        group.start_soon(child, "a")
        group.start_soon(child, "b", name="the second")

    async def until_canceled() -> None:
        try:
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            seen.append("canceled")
            raise

    async with anyio.create_task_group() as group:
        group.start_soon(until_canceled)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()
    return [sorted(seen[:2]), seen[2], group.cancel_scope.cancel_called, _cancelling()]


@use([["ValueError", "KeyError"], ["body", "sibling"], 0])
async def failing_task_group(_port: int) -> list[Any]:
    import anyio

    ended: list[str] = []

    async def failing(kind: type[Exception]) -> None:
        await anyio.lowlevel.checkpoint()
        raise kind

    async def until_canceled(name: str) -> None:
        try:
            await anyio.sleep_forever()
        finally:
            ended.append(name)

    found: list[str] = []
    try:
        async with anyio.create_task_group() as group:
            group.start_soon(failing, ValueError)
            group.start_soon(failing, KeyError)
            group.start_soon(until_canceled, "sibling")
            await until_canceled("body")
    except* (ValueError, KeyError) as errors:
        found = [type(exc).__name__ for exc in errors.exceptions]
    return [found, sorted(ended), _cancelling()]


@use([7, "RuntimeError", "ValueError", "TimeoutError", 0])
async def start(_port: int) -> list[Any]:
    import anyio

    async def service(*, task_status: Any) -> None:
        await anyio.lowlevel.checkpoint()
        task_status.started(7)
        await anyio.sleep_forever()

    async def silent(*, task_status: Any) -> None:
        await anyio.lowlevel.checkpoint()

    async def failing(*, task_status: Any) -> None:
        raise ValueError

    async def slow(*, task_status: Any) -> None:
        await anyio.sleep_forever()

    async with anyio.create_task_group() as group:
        seen = [
            await group.start(service),
            await outcome(group.start(silent)),
            await outcome(group.start(failing)),
        ]

        async def late() -> None:
            with anyio.fail_after(SHORT):
                await group.start(slow)

        seen.append(await outcome(late()))
        group.cancel_scope.cancel()
    return [*seen, _cancelling()]


@use([True, "TimeoutError", ["outer"], [False, True], True, 0])
async def cancel_scopes(_port: int) -> list[Any]:
    import anyio

    with anyio.move_on_after(SHORT) as moved:
        await anyio.sleep(LONG)

    async def failing() -> None:
        with anyio.fail_after(SHORT):
            await anyio.Event().wait()

    late = await outcome(failing())
    seen: list[str] = []
    with anyio.move_on_after(SHORT) as outer:
        with anyio.move_on_after(LONG) as inner:
            await anyio.sleep(LONG)
        seen.append("inner")
    if outer.cancelled_caught:
        seen.append("outer")
    with anyio.CancelScope() as scope:
        scope.cancel()
        try:
            await anyio.sleep(LONG)
        finally:
            again = False
            try:
                await anyio.lowlevel.checkpoint()
            except anyio.get_cancelled_exc_class():
                again = True  # it is level-triggered: each await of the cleanup is canceled
                raise
    caught = [inner.cancelled_caught, outer.cancelled_caught]
    return [moved.cancelled_caught, late, seen, caught, again, _cancelling()]


@use([["shielded", "after"], True, False, True, 0])
async def shielded_scopes(_port: int) -> list[Any]:
    import anyio
    from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint

    seen: list[str] = []
    with anyio.CancelScope() as outer:
        outer.cancel()
        with anyio.CancelScope(shield=True) as shield:
            await anyio.sleep(SHORT)
            seen.append("shielded")
            with anyio.move_on_after(SHORT) as inside:
                await anyio.sleep(LONG)
        await cancel_shielded_checkpoint()
        seen.append("after")
        await checkpoint()
        seen.append("not reached")
    return [
        seen,
        outer.cancelled_caught,
        shield.cancelled_caught,
        inside.cancelled_caught,
        _cancelling(),
    ]


@use(["value", "KeyError", 1, 0, True])
async def to_thread(_port: int) -> list[Any]:
    import anyio.to_thread

    limiter = anyio.CapacityLimiter(1)
    most = now = 0

    def work() -> int:
        nonlocal most, now
        now += 1
        most = max(most, now)
        now -= 1
        return most

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(lambda: anyio.to_thread.run_sync(work, limiter=limiter))
    return [
        await anyio.to_thread.run_sync(lambda: "value"),
        await outcome(anyio.to_thread.run_sync(lambda: {}["missing"])),
        most,
        limiter.borrowed_tokens,
        anyio.to_thread.current_default_thread_limiter().total_tokens > 0,
    ]


@use(["from the loop", "sync", "through a portal", 5, "CancelledError"])
async def from_thread(_port: int) -> list[Any]:
    import anyio.to_thread
    from anyio import from_thread as back

    async def value() -> str:
        await anyio.lowlevel.checkpoint()
        return "from the loop"

    async def through() -> str:
        await anyio.lowlevel.checkpoint()
        return "through a portal"

    def thread() -> list[str]:
        return [back.run(value), back.run_sync(lambda: "sync")]

    seen: list[Any] = await anyio.to_thread.run_sync(thread)
    async with back.BlockingPortal() as portal:

        def outside() -> list[Any]:
            future = portal.start_task_soon(anyio.sleep_forever)
            future.cancel()
            ended = "CancelledError" if future.cancelled() else "not canceled"
            return [portal.call(through), portal.start_task_soon(lambda: 5).result(), ended]

        seen += await asyncio.to_thread(outside)
        await portal.stop()
    return seen


@use([[0, 1, 2], "WouldBlock", "EndOfStream", "BrokenResourceError", "TimeoutError"])
async def memory_object_streams(_port: int) -> list[Any]:
    import anyio

    send, receive = anyio.create_memory_object_stream[int](1)

    async def produce() -> None:
        async with send:
            for number in range(3):
                await send.send(number)

    async with anyio.create_task_group() as group:
        group.start_soon(produce)
        got = [number async for number in receive]
    receive.close()
    send, receive = anyio.create_memory_object_stream[int](1)
    async with send, receive:
        send.send_nowait(1)
        try:
            send.send_nowait(2)
            full = "not full"
        except anyio.WouldBlock as exc:
            full = type(exc).__name__
        await receive.receive()

        async def nothing_comes() -> None:
            with anyio.fail_after(SHORT):
                await receive.receive()

        late = await outcome(nothing_comes())
        copy = receive.clone()
        await send.aclose()
        ended = await outcome(copy.receive())
        copy.close()
    send, receive = anyio.create_memory_object_stream[int]()
    receive.close()
    broken = await outcome(send.send(1))
    send.close()
    return [got, full, ended, broken, late]


@use([b"ONE", b"TWO", "TimeoutError", "EndOfStream", b"datagram"])
async def sockets(_port: int) -> list[Any]:
    import anyio

    async def serve(stream: Any) -> None:
        async with stream:
            async for chunk in stream:
                if chunk != b"nothing":
                    await stream.send(chunk.upper())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(anyio.abc.SocketAttribute.local_port)
    seen: list[Any] = []
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for chunk, limit in ((b"one", LONG), (b"two", LONG), (b"nothing", SHORT)):
                await stream.send(chunk)

                async def receive(limit: float = limit) -> bytes:
                    with anyio.fail_after(limit):
                        return await stream.receive()

                seen.append(await outcome(receive()))
            await stream.send_eof()
            seen.append(await outcome(stream.receive()))
        group.cancel_scope.cancel()
    async with await anyio.create_udp_socket(local_host="127.0.0.1") as udp:
        address = udp.extra(anyio.abc.SocketAttribute.local_address)
        await udp.sendto(b"datagram", *address)
        with anyio.fail_after(LONG):
            seen.append((await udp.receive())[0])
    return seen


@use([True, [0, 1, 2], "WouldBlock", 2, "notified", [1, 0], "TimeoutError"])
async def primitives(_port: int) -> list[Any]:
    import anyio

    event, lock, condition = anyio.Event(), anyio.Lock(), anyio.Condition()
    semaphore, limiter = anyio.Semaphore(2), anyio.CapacityLimiter(1)
    order: list[int] = []
    most = now = 0

    async def locked(number: int) -> None:
        async with lock:
            await anyio.lowlevel.checkpoint()
            order.append(number)

    async def counted() -> None:
        nonlocal most, now
        async with semaphore:
            now += 1
            most = max(most, now)
            await anyio.lowlevel.checkpoint()
            now -= 1

    async def notified(found: list[str]) -> None:
        async with condition:
            await condition.wait()
            found.append("notified")

    found: list[str] = []
    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(locked, number)
            group.start_soon(counted)
        group.start_soon(notified, found)
        await anyio.wait_all_tasks_blocked()
        async with condition:
            condition.notify()
        event.set()
        await event.wait()
    async with limiter:
        borrowed = limiter.borrowed_tokens
        try:
            limiter.acquire_on_behalf_of_nowait("another")
            full = "not full"
        except anyio.WouldBlock as exc:
            full = type(exc).__name__

    async def late() -> None:
        async with lock:
            with anyio.fail_after(SHORT):
                await anyio.Event().wait()

    timed_out = await outcome(late())
    assert not lock.locked()
    tokens = [borrowed, limiter.borrowed_tokens]
    return [event.is_set(), order, full, most, *found, tokens, timed_out]


@use([["parked", "seen"], 0])
async def wait_all_tasks_blocked(_port: int) -> list[Any]:
    import anyio

    event = anyio.Event()
    seen: list[str] = []

    async def park() -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        seen.append("parked")
        await event.wait()

    async with anyio.create_task_group() as group:
        group.start_soon(park)
        with anyio.fail_after(LONG):
            await anyio.wait_all_tasks_blocked()
        seen.append("seen")
        event.set()
    return [seen, _cancelling()]


@use([True, True, "the child", True, False, True])
async def task_info(_port: int) -> list[Any]:
    import anyio

    me = anyio.get_current_task()
    task: Any = asyncio.current_task()
    found: list[Any] = []

    async def child() -> None:
        info = anyio.get_current_task()
        found.extend([info.name, info.parent_id is not None, info.has_pending_cancellation()])
        found.append(info in anyio.get_running_tasks())

    async with anyio.create_task_group() as group:
        group.start_soon(child, name="the child")
    return [me.id == id(task), me.name == task.get_name(), *found]


@use([b"TEXT", 3, "CalledProcessError", [b"one", b"two"], True])
async def processes(_port: int) -> list[Any]:
    import anyio
    from anyio.streams.text import TextReceiveStream

    upper = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.exit(3)"
    command = [sys.executable, "-S", "-c", upper]
    result = await anyio.run_process(command, input=b"text", check=False)
    failed = await outcome(anyio.run_process(command, input=b""))
    lines: list[bytes] = []
    async with await anyio.open_process(["printf", "one two"], stdin=None) as process:
        assert process.stdout is not None
        text = "".join([chunk async for chunk in TextReceiveStream(process.stdout)])
        lines = [word.encode() for word in text.split()]
    sleeping = await anyio.open_process(["sleep", "30"])
    with anyio.move_on_after(SHORT) as scope:
        await sleeping.wait()
    sleeping.kill()
    await sleeping.wait()
    await sleeping.aclose()
    return [result.stdout, result.returncode, failed, lines, scope.cancelled_caught]


@use(["text", ["one", "two"], ["file"], True, b"temporary", False])
async def files(_port: int) -> list[Any]:
    import anyio

    home = anyio.Path(await anyio.to_thread.run_sync(tempfile.mkdtemp))
    file = home / "file"
    await file.write_text("text")
    text = await file.read_text()
    async with await anyio.open_file(file, "w") as writing:
        await writing.write("one\ntwo\n")
    async with await anyio.open_file(file) as reading:
        lines = [line.strip() async for line in reading]
    names = [path.name async for path in home.iterdir()]
    was_there = await file.exists()
    await file.unlink()
    await home.rmdir()
    async with contextlib.AsyncExitStack() as stack:
        temporary = await stack.enter_async_context(anyio.TemporaryFile())
        await temporary.write(b"temporary")
        await temporary.seek(0)
        content = await temporary.read()
    return [text, lines, names, was_there, content, await home.exists()]
