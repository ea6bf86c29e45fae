"""The web service over real sockets: hedged, limited, left by its clients, and nothing is lost."""

import importlib.util
import sys
from types import ModuleType
from typing import Any

import pytest

import rescind
from tests.examples.test_examples import RESCIND, ROOT, needs_cli, run

for _needed in ("httpx", "fastapi", "uvicorn", "aiosqlite"):
    pytest.importorskip(_needed)


def load() -> ModuleType:
    """Import the example as the module that it is."""
    spec = importlib.util.spec_from_file_location("web_service", ROOT / "examples/web_service.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["web_service"] = module  # where its dataclasses look for it
    spec.loader.exec_module(module)
    return module


web_service = load()


@pytest.fixture(scope="module")
def report() -> Any:
    """Run it once."""
    return rescind.run(web_service.collect)


def test_each_item_is_answered_by_a_replica(report: Any) -> None:
    """With the item that was asked for; where the near one stalls, by the far one."""
    answers = [response.json() for response in report.items]
    stalled = [answers[number]["from"] for number in range(0, web_service.ITEMS, 3)]

    assert [answer["name"] for answer in answers] == [f"item {number}" for number in range(12)]
    assert stalled == ["far"] * 4


def test_what_takes_too_long_is_answered_with_504(report: Any) -> None:
    """By the middleware, in the words of the timeout."""
    assert report.late.status_code == 504
    assert report.late.json() == {"detail": f"timed out after {web_service.REQUEST_DEADLINE:g} s"}


def test_connections_return_to_their_pools_and_queries_are_stopped(report: Any) -> None:
    """Each query takes half a minute: only one that was stopped can have given its back by now."""
    assert isinstance(report.left, rescind.Error)
    assert {pool["idle"] for pool in report.pools.values()} == {web_service.CONNECTIONS}
    assert report.pools["near"]["stopped"] >= 4 + 2
    assert report.pools["far"]["stopped"] >= 2


def test_the_task_of_the_runtime_saves_what_it_counted(report: Any) -> None:
    """When the service ends: it is canceled, and writes to the database before it is closed."""
    assert report.service.saved == dict.fromkeys(range(web_service.ITEMS), 1)
    assert report.service.shutdown.clean
    assert report.service.shutdown.canceled == 1


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_client_that_disconnects_has_its_queries_stopped(loop: str) -> None:
    """No deadline would do it for hours: the middleware sees that nobody waits for the answer."""
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    service = web_service.Service()
    service.app.seconds = 10_000

    async def main() -> dict[str, dict[str, int]]:
        import httpx

        async with web_service.served(service.app) as url:
            async with httpx.AsyncClient(base_url=url, timeout=None, trust_env=False) as client:

                async def both_replicas_asked() -> None:
                    async for _ in rescind.interval(0.01):
                        pools = (await client.get("/pools")).json()
                        if all(pool["idle"] < 3 for pool in pools.values()):
                            return

                leaving = client.get(f"/items/{web_service.ITEMS}")
                await rescind.race(leaving, both_replicas_asked())
                pools: dict[str, dict[str, int]] = await web_service.at_rest(client)
                return pools

    pools = rescind.run(main, host=loop)  # type: ignore[arg-type]
    assert pools == {name: {"idle": 3, "answered": 0, "stopped": 1} for name in ("near", "far")}
    assert service.shutdown.clean


def check_printed(stdout: str) -> None:
    """Check that each part has its line."""
    lines = stdout.splitlines()
    assert lines[0].startswith("12 items: ")
    assert lines[1:3] == [
        "the deadline: 504 timed out after 1 s",
        "the client that left: timed out after 0.25 s; the service has let go of it",
    ]
    assert [line.rpartition(", ")[2] for line in lines[3:5]] == ["3 of 3 connections idle"] * 2
    assert lines[-1] == "the service's runtime: 1 task canceled, all clean: True"


@needs_cli
def test_under_the_command_line_it_prints_what_it_saw_and_warns_of_nothing() -> None:
    """`rescind run examples/web_service.py`, which `make demo` runs, ends well."""
    stdout, stderr, code = run(RESCIND, "run", "examples/web_service.py")

    check_printed(stdout)
    assert (stderr, code) == ("", 0)
