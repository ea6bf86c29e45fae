"""What setup has started in the same loop: a server, say; what it does is a hint at most."""

import asyncio
import logging
from typing import Any

from rescind.check import Env, Judge, Mode, Options, Report, sweep

OPTIONS = Options(modes=(Mode.ASYNCIO,), judges=(Judge.LOOK, Judge.FOLLOW_UP, Judge.CROWD))


class Server:
    """A server that waits, after its answer, for a farewell; and grumbles if none comes."""

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port: int = self._server.sockets[0].getsockname()[1]
        self.stay = asyncio.Event()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            writer.write(await reader.readline())
            if not await reader.readline():
                logging.getLogger("server").error("the client has gone")
                await self.stay.wait()
        finally:
            writer.close()

    async def stop(self) -> None:
        """End it."""
        self._server.close()


async def setup(env: Env) -> None:
    """Start it."""
    env.server = Server()
    await env.server.start()


async def teardown(env: Env) -> None:
    """End it."""
    await env.server.stop()


async def asks(env: Env) -> bytes:
    """Ask, and say farewell; hang up in any case."""
    reader, writer = await asyncio.open_connection("127.0.0.1", env.server.port)
    try:
        writer.write(b"hello\n")
        answer = await reader.readline()
        writer.write(b"bye\n")
        return answer
    finally:
        writer.close()


def severities(report: Report) -> dict[str, set[str]]:
    """Return how bad what each detector found is."""
    found: dict[str, set[str]] = {}
    for finding in report.findings:
        found.setdefault(finding.detector, set()).add(finding.severity)
    return found


def test_a_server_that_serves_on_and_complains_is_no_fault_of_its_client() -> None:
    """Its task is left, and it has logged an error: hints, and nothing is broken."""
    report = sweep(asks, setup=setup, teardown=teardown, options=OPTIONS)
    assert report.verdict == "clean", report.verdicts
    assert severities(report)["tasks left"] == {"hint"}
    assert severities(report)["noise"] == {"hint"}


def test_what_the_scenario_leaves_beside_it_is_a_fault() -> None:
    """Its own tasks, and its own complaints, in the same runs."""

    async def careless(env: Env) -> bytes:
        helper = asyncio.create_task(env.server.stay.wait())
        try:
            answer = await asks(env)
        except asyncio.CancelledError:
            logging.getLogger("client").error("canceled")
            raise
        helper.cancel()
        return answer

    report = sweep(careless, setup=setup, teardown=teardown, options=OPTIONS)
    assert report.verdict == "broken"
    assert severities(report)["tasks left"] == {"hint", "verdict"}
    assert severities(report)["noise"] == {"hint", "verdict"}
    faults = [one for one in report.verdicts if one.detector == "tasks left"]
    assert all("Event.wait" in one.symptom.seen for one in faults)
    assert not any("_serve" in one.symptom.seen for one in faults)


def test_failed_callbacks_and_tasks_belong_to_who_has_asked_for_them() -> None:
    """The loop's handler is told in nobody's name; the task, or the context, says whose it is."""

    async def begin(env: Env) -> None:
        env.asked = asyncio.Event()

        async def watch() -> None:
            while True:
                await env.asked.wait()
                env.asked.clear()
                asyncio.get_running_loop().call_soon(fail)

        env.watching = asyncio.create_task(watch())

    def fail() -> None:
        raise ValueError("failed")

    async def end(env: Env) -> None:
        env.watching.cancel()

    async def asks_the_watcher(env: Env) -> None:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            env.asked.set()
            raise

    async def fails_itself(env: Env) -> None:
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            asyncio.get_running_loop().call_soon(fail)
            raise

    def noise(scenario: Any) -> set[str]:
        report = sweep(scenario, setup=begin, teardown=end, options=OPTIONS)
        return severities(report)["noise"]

    assert noise(asks_the_watcher) == {"hint"}
    assert noise(fails_itself) == {"verdict"}


def test_a_follow_up_and_a_neighbour_are_the_scenarios_own() -> None:
    """They are the same code; what they leave because another was canceled is a fault."""

    async def begin(env: Env) -> None:
        env.canceled = False

    async def leaves_helpers(env: Env) -> None:
        if env.canceled:
            env.helper = asyncio.create_task(asyncio.Event().wait())
        try:
            await asyncio.sleep(0.01)
        except asyncio.CancelledError:
            env.canceled = True
            raise

    options = Options(modes=(Mode.ASYNCIO,), judges=(Judge.FOLLOW_UP,))
    report = sweep(leaves_helpers, setup=begin, options=options)
    assert severities(report)["tasks left"] == {"verdict"}
