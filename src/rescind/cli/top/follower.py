"""`Follower`: asks a program for pictures again and again, and connects again when it is lost.

*What it is.* What is between the screen and the connection: it asks for what the screen shows now,
no more often than the program can bear, and says when there is no answer.

*What it is not.* A part of textual's: it calls what it is given.

*Threads.* That of the asyncio loop it runs on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

from rescind._core.errors import UsageError
from rescind.top.client import Link, Lost
from rescind.top.places import Address
from rescind.top.protocol import Refusal

__all__ = ["Asking", "Follower", "Screen"]

#: Pictures take this part of the program's time at most.
_SHARE: Final = 0.1
#: How long until it tries to connect again, in seconds.
_AGAIN: Final = 1.0


@dataclass
class Asking:
    """What the screen shows now.

    Attributes:
        view: ``tasks``, ``tree`` or ``ended``.
        sort: by what the table is sorted.
        reverse: the other way round.
        filter: what rows must have; empty: anything.
        limit: how many rows.
        task: the one to explain; None: none.
    """

    view: str = "tasks"
    sort: str = "age"
    reverse: bool = False
    filter: str = ""
    limit: int = 300
    task: int | None = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of the request."""
        fields: dict[str, Any] = {"filter": self.filter, "limit": self.limit}
        if self.view == "tasks":
            fields |= {"sort": self.sort, "reverse": self.reverse}
        return fields


class Screen(Protocol):
    """Who is told."""

    def attached(self, about: dict[str, Any]) -> None:
        """A connection stands."""

    def pictured(self, view: str, picture: dict[str, Any]) -> None:
        """A picture has come."""

    def explained(self, task: int, text: str, alive: bool) -> None:
        """The explanation of a task has come."""

    def lost(self, why: str, *, final: bool) -> None:
        """There is no connection; unless it is final, another is tried soon."""


class Follower:
    """Follows one program.

    Args:
        locate: returns where it is now, or None if it is nowhere.
        screen: is told.
        interval: between pictures, in seconds.
        again: until it tries to connect again, in seconds.
    """

    def __init__(
        self,
        locate: Callable[[], Address | None],
        screen: Screen,
        interval: float = 1.0,
        again: float = _AGAIN,
    ) -> None:
        self.asking = Asking()
        self.interval = interval
        self.paused = False
        self._locate = locate
        self._screen = screen
        self._again = again
        self._link: Link | None = None
        self._wanted = asyncio.Event()

    def refresh(self) -> None:
        """Ask now, even if it is paused: the screen shows something else."""
        self._wanted.set()

    def pause(self, paused: bool) -> None:
        """Stop asking, or go on."""
        self.paused = paused
        self._wanted.set()

    async def run(self) -> None:
        """Follow the program until it is canceled."""
        try:
            while True:
                try:
                    await self._connect()
                    while True:
                        await self._look()
                except Lost as exc:
                    self._screen.lost(str(exc), final=False)
                except Refusal as exc:
                    self._screen.lost(exc.message, final=True)
                self._hang_up()
                await asyncio.sleep(self._again)
        finally:
            self._hang_up()

    async def cancel(
        self, task: int, reason: str, grace: float | None, tell: Callable[[str], object]
    ) -> None:
        """Ask for the cancellation of a task; tell what came of it, and how the task then ended."""
        link = self._link
        if link is None:
            tell("there is no connection to the program; nothing was asked")
            return
        try:
            answer = await link.ask("cancel", task=task, reason=reason, grace=grace)
            self.refresh()
            if not answer["accepted"]:
                tell(f"{answer['label']} had ended already")
                return
            tell(f"{answer['label']} was asked to cancel")
            while (now := await link.ask("explain", task=task))["alive"]:
                await asyncio.sleep(self.interval)
            tell(now["text"])
        except Refusal as exc:
            tell(exc.message)
        except Lost as exc:
            tell(f"{exc}; what became of task {task} is not known")

    # -- one connection ---------------------------------------------------------------------------

    async def _connect(self) -> None:
        try:
            address = self._locate()
        except UsageError as exc:
            raise Lost(str(exc)) from None
        if address is None:
            raise Lost("the program has ended")
        self._link = await Link.open(address)
        self._screen.attached(self._link.about)

    def _hang_up(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    async def _look(self) -> None:
        """Show one picture, and wait until it is time for the next."""
        link, asking = self._link, self.asking
        assert link is not None
        self._wanted.clear()
        view, task = asking.view, asking.task
        picture = await link.ask(view, **asking.fields())
        self._screen.pictured(view, picture)
        took = float(picture["took"])
        task = asking.task  # the picture may have moved the choice
        if task is not None:
            await self._explain(link, task)
        try:
            async with asyncio.timeout(None if self.paused else max(self.interval, took / _SHARE)):
                await self._wanted.wait()
        except TimeoutError:
            pass

    async def _explain(self, link: Link, task: int) -> None:
        try:
            answer = await link.ask("explain", task=task)
        except Refusal as exc:
            self._screen.explained(task, exc.message, False)
        else:
            self._screen.explained(task, answer["text"], bool(answer["alive"]))
