"""A runtime that runs on another thread, and somebody who speaks to its server, line by line."""

import asyncio
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import rescind
from rescind.top.places import programs
from rescind.top.protocol import VERSION

PATIENCE = 60.0


@contextmanager
def running(
    begin: Callable[[], Awaitable[object]] | None = None, **options: Any
) -> Iterator[rescind.Runtime]:
    """Run ``begin``, and what it spawned, on another thread during the block."""
    ready = threading.Event()
    found: list[Any] = []

    async def main() -> None:
        found.append(rescind.current_task().cancellation_handle())
        if begin is not None:
            await begin()
        # When this task has parked, and not while it still runs.
        asyncio.get_running_loop().call_soon(ready.set)
        await rescind.never()

    def drive() -> None:
        with rescind.Runtime(**options) as runtime:
            found.append(runtime)
            runtime.drive(main())
            runtime.shutdown(grace=0.02)

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        assert ready.wait(PATIENCE)
        yield found[0]
    finally:
        found[1].cancel()
        thread.join(PATIENCE)


class Talker:
    """Speaks to a server."""

    def __init__(self, address: Any = None) -> None:
        address = programs()[0].address if address is None else address
        self.address = address
        if address.path is not None:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.connect(address.path)
        else:
            self.socket = socket.create_connection((address.host, address.port))
        self.socket.settimeout(PATIENCE)
        self.lines = self.socket.makefile("rb")

    def say(self, line: bytes) -> None:
        """Send bytes."""
        self.socket.sendall(line)

    def hear(self) -> dict[str, Any] | None:
        """Return the next message; None if there is none any more."""
        line = self.hear_raw()
        message: dict[str, Any] | None = json.loads(line) if line else None
        return message

    def hear_raw(self) -> bytes:
        """Return the next line; empty if there is none any more."""
        try:
            return self.lines.readline()
        except ConnectionError:
            return b""

    def request(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a request, and return the message that comes back."""
        self.say(json.dumps({"id": 7, "op": op, **fields}).encode() + b"\n")
        message = self.hear()
        assert message is not None
        assert message["id"] == 7
        return message

    def hello(self, version: object = VERSION, **fields: Any) -> dict[str, Any]:
        """Say who this is."""
        fields = {"token": self.address.token} | fields
        return self.request("hello", version=version, **fields)

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a request, and return what it was answered with."""
        answer: dict[str, Any] = self.request(op, **fields)["ok"]
        return answer

    def refused(self, op: str, **fields: Any) -> tuple[str, str]:
        """Send a request that is refused; return the code and the message."""
        error = self.request(op, **fields)["error"]
        return error["code"], error["message"]

    def close(self) -> None:
        """Hang up."""
        self.lines.close()
        self.socket.close()


@contextmanager
def talking(address: Any = None) -> Iterator[Talker]:
    """Speak to a server, and say who this is, during the block."""
    talker = Talker(address)
    try:
        talker.hello()
        yield talker
    finally:
        talker.close()
