"""`Link`: from the side that looks: a connection to a program, and requests to it.

*Threads.* That of the asyncio loop it was opened on.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import Any, Final, cast

from rescind.top.places import Address, Place, programs
from rescind.top.protocol import MAX_ANSWER, VERSION, Refusal, decode, encode

__all__ = ["Found", "Link", "Lost", "look_around"]

#: How long an answer may take, in seconds.
PATIENCE: Final = 5.0


class Lost(Exception):
    """The program does not answer, or has gone. The message says which."""


@dataclass(frozen=True, slots=True)
class Found:
    """A program that can be looked at.

    Attributes:
        place: where.
        about: what it says of itself; None if it did not answer.
        problem: why not.
    """

    place: Place
    about: dict[str, Any] | None
    problem: str = ""


class Link:
    """A connection to a program. Made by `open`; to be closed.

    Attributes:
        about: what the program said of itself: its answer to ``hello``.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.about: dict[str, Any] = {}
        self._reader = reader
        self._writer = writer
        self._numbers = itertools.count(1)
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, address: Address) -> Link:
        """Connect, and say who this is.

        Raises:
            Lost: nobody listens there, or does not answer in time.
            Refusal: the program does not let this user in, or does not speak this version.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                if address.path is not None:
                    streams = await asyncio.open_unix_connection(address.path, limit=MAX_ANSWER)
                else:
                    streams = await asyncio.open_connection(
                        address.host, address.port, limit=MAX_ANSWER
                    )
        except TimeoutError:
            raise Lost(f"nobody answers at {address}") from None
        except OSError as exc:
            raise Lost(f"nobody listens at {address} ({exc.strerror or exc})") from None
        link = cls(*streams)
        try:
            link.about = await link.ask("hello", version=VERSION, token=address.token)
        except BaseException:
            link.close()
            raise
        return link

    async def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a request, and return what it is answered with. One after the other.

        Raises:
            Lost: there is no answer; the link is of no use any more.
            Refusal: the request is refused.
        """
        async with self._turn:
            number = next(self._numbers)
            try:
                async with asyncio.timeout(PATIENCE):
                    self._writer.write(encode({"id": number, "op": op, **fields}))
                    await self._writer.drain()
                    line = await self._reader.readuntil(b"\n")
            except TimeoutError:
                raise Lost("the program does not answer") from None
            except (OSError, asyncio.IncompleteReadError):
                raise Lost("the program has closed the connection") from None
            except asyncio.LimitOverrunError:
                raise Lost(f"the program's answer has more than {MAX_ANSWER} bytes") from None
        try:
            answer = decode(line)
        except Refusal:
            answer = {}
        if isinstance(answer.get("error"), dict):
            error = cast("dict[str, Any]", answer["error"])
            raise Refusal(str(error.get("code")), str(error.get("message")))
        if not isinstance(answer.get("ok"), dict):
            raise Lost(f"the program's answer makes no sense: {line[:60]!r}")
        return cast("dict[str, Any]", answer["ok"])

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()


async def look_around() -> list[Found]:
    """Ask all programs of this user that can be looked at who they are."""
    return await asyncio.gather(*(_who(place) for place in programs()))


async def _who(place: Place) -> Found:
    try:
        link = await Link.open(place.address)
    except (Lost, Refusal) as exc:
        return Found(place, None, str(exc))
    link.close()
    return Found(place, link.about)
