"""Following a program: that answers, that restarts, that refuses, that is busy."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("textual")

from textual.pilot import Pilot

import rescind
from rescind.cli.top.app import TopApp
from rescind.cli.top.follower import Follower
from rescind.top import answers
from rescind.top.places import Address, programs
from rescind.top.protocol import Refusal
from tests.cli.top.kit import drive, screen
from tests.top.kit import PATIENCE, running

Seen = tuple[str, Any]


class Recorded:
    """A screen that writes down what it is told."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self._new = asyncio.Event()

    def _note(self, what: str, detail: Any) -> None:
        self.seen.append((what, detail))
        self._new.set()

    def attached(self, about: dict[str, Any]) -> None:
        self._note("attached", about["pid"])

    def pictured(self, view: str, picture: dict[str, Any]) -> None:
        self._note("pictured", (view, [one.get("name") for one in picture["rows"]]))

    def explained(self, task: int, text: str, alive: bool) -> None:
        self._note("explained", (task, text, alive))

    def lost(self, why: str, *, final: bool) -> None:
        self._note("lost", (why, final))

    async def until(self, what: str) -> Any:
        """Wait until it is told this; forget what was told before."""
        async with asyncio.timeout(PATIENCE):
            while True:
                while self.seen:
                    told, detail = self.seen.pop(0)
                    if told == what:
                        return detail
                self._new.clear()
                await self._new.wait()


def here() -> Address | None:
    """Return where this process is served."""
    return next((one.address for one in programs()), None)


def follow(
    use: Callable[[Follower, Recorded], Awaitable[None]],
    locate: Callable[[], Address | None] = here,
    interval: float = 0.01,
) -> None:
    """Follow this process, and do that meanwhile."""

    async def main() -> None:
        screen = Recorded()
        follower = Follower(locate, screen, interval, again=0.01)
        task = asyncio.create_task(follower.run())
        try:
            await use(follower, screen)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    asyncio.run(main())


@pytest.mark.usefixtures("directory")
def test_a_program_that_starts_again_is_followed_again() -> None:
    """When it is gone that is said, once for each try; when it is back, it goes on by itself."""

    async def use(_follower: Follower, screen: Recorded) -> None:
        assert await screen.until("lost") == ("the program has ended", False)
        with rescind.serve_top():
            await screen.until("attached")
            assert await screen.until("pictured") == ("tasks", [])
        why, final = await screen.until("lost")
        assert (why, final) == ("the program has closed the connection", False)
        assert await screen.until("lost") == ("the program has ended", False)
        with rescind.serve_top():
            await screen.until("attached")
            await screen.until("pictured")

    follow(use)


@pytest.mark.usefixtures("directory")
def test_somebody_who_may_not_look_is_told_so() -> None:
    """The program says why; it is no use to try again, and yet it may be let in later."""

    async def use(_follower: Follower, screen: Recorded) -> None:
        why, final = await screen.until("lost")
        assert "the token is wrong" in why
        assert final

    with rescind.serve_top("127.0.0.1:0") as server:
        host, _, port = server.address.rpartition(":")
        follow(use, lambda: Address(None, host, int(port), "guessed"))


@pytest.mark.usefixtures("directory")
def test_where_nobody_listens_is_told(directory: Path) -> None:
    """With the address, and what the system said."""

    async def use(_follower: Follower, screen: Recorded) -> None:
        why, final = await screen.until("lost")
        assert why == f"nobody listens at {directory}/1.sock (No such file or directory)"
        assert not final

    follow(use, lambda: Address(f"{directory}/1.sock"))


@pytest.mark.usefixtures("directory")
def test_it_shows_what_is_asked_for_now() -> None:
    """Another view, an explanation, and that what was to be explained has ended."""

    async def work() -> None:
        rescind.spawn(rescind.never(), name="patient")

    async def use(follower: Follower, screen: Recorded) -> None:
        assert await screen.until("pictured") == ("tasks", ["main", "patient"])
        follower.asking.view = "tree"
        follower.asking.filter = "patient"
        follower.refresh()
        while (seen := await screen.until("pictured"))[0] != "tree":
            pass
        assert [name for name in seen[1] if not name.startswith("runtime")] == ["patient"]
        follower.asking.task = 0
        assert await screen.until("explained") == (
            0,
            "task 0 has ended, or there never was one",
            False,
        )

    with rescind.serve_top(), running(work):
        follow(use)


@pytest.mark.usefixtures("directory")
def test_a_cancellation_is_told_to_its_end() -> None:
    """That it was asked for, then how the task ended; and if it had ended before."""
    cleaned: list[str] = []

    async def patient() -> None:
        try:
            await rescind.never()
        finally:
            reason = rescind.cancel_requested()
            assert reason is not None
            cleaned.append(reason.line())

    async def work() -> None:
        rescind.spawn(patient(), name="patient")
        await rescind.yield_now()

    async def use(follower: Follower, screen: Recorded) -> None:
        await screen.until("pictured")
        assert follower._link is not None
        picture = await follower._link.ask("tasks", filter="patient")
        number = picture["rows"][0]["id"]
        told: list[str] = []
        async with asyncio.timeout(PATIENCE):
            await follower.cancel(number, "too slow", None, told.append)
            await follower.cancel(number, "again", None, told.append)
        assert told == [
            f"task {number} 'patient' was asked to cancel",
            f"task {number} 'patient' has ended: canceled\n  explicit: too slow, by rescind top",
            f"task {number} has ended, or there never was one",
        ]

    with rescind.serve_top(), running(work):
        follow(use)
    assert cleaned == ["explicit: too slow, by rescind top"]


def test_without_a_connection_nothing_is_canceled() -> None:
    """And that is said."""

    async def use(follower: Follower, _screen: Recorded) -> None:
        told: list[str] = []
        await follower.cancel(1, "", None, told.append)
        assert told == ["there is no connection to the program; nothing was asked"]

    follow(use, lambda: None)


@pytest.mark.usefixtures("directory")
def test_paused_it_asks_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for what is shown otherwise; it goes on when it is told to."""
    asked = []
    picture = answers.Answers._picture
    monkeypatch.setattr(
        answers.Answers, "_picture", lambda *args: (asked.append(1), picture(*args))[1]
    )

    async def use(follower: Follower, screen: Recorded) -> None:
        await screen.until("pictured")
        follower.pause(True)
        await screen.until("pictured")  # what was on its way
        link = follower._link
        assert link is not None
        before = len(asked)
        for _ in range(50):  # each takes as long as a picture
            with pytest.raises(Refusal):
                await link.ask("explain", task=0)
        assert len(asked) - before <= 1
        follower.asking.view = "ended"
        follower.refresh()
        while (await screen.until("pictured"))[0] != "ended":
            pass
        follower.pause(False)
        await screen.until("pictured")
        await screen.until("pictured")

    with rescind.serve_top():
        follow(use, interval=0.0)


@pytest.mark.usefixtures("directory")
def test_the_screen_follows_a_program_that_starts_again() -> None:
    """It says that the connection is lost, and that another process has taken its place."""

    async def use(app: TopApp, pilot: Pilot[Any]) -> None:
        async def until(part: str) -> list[str]:
            async with asyncio.timeout(PATIENCE):
                while not any(part in line for line in screen(app)):
                    await pilot.pause(0.01)
            return screen(app)

        app.follower._again = 0.01
        await until("LOST: the program has ended; trying again")
        with rescind.serve_top():
            lines = await until("live, every 0.1 s")
            assert "pid " in lines[0]
            await until("0 tasks")
        await until(": the program has ended; trying again")
        assert app.head.about["pid"]
        app.head.about["pid"] = 1
        with rescind.serve_top():
            await until("live, every 0.1 s")
            await until("connected again")

    drive(use, interval=0.1, locate=lambda _named: here())
