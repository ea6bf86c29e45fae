"""Servers for the tests here: started when the first test asks, ended with the last."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.ecosystem import servers
from tests.ecosystem.kit import Scenario
from tests.ecosystem.scenarios import SCENARIOS
from tests.ecosystem.web import DRIVERS, Web


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    """Run a redis server of the tests' own."""
    yield from _served(servers.redis)


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    """Run a PostgreSQL cluster of the tests' own."""
    yield from _served(servers.postgres)


@pytest.fixture(params=SCENARIOS, ids=lambda scenario: scenario.name)
def scenario(request: pytest.FixtureRequest) -> Scenario:
    """Each scenario whose library is installed."""
    chosen: Scenario = request.param
    missing = chosen.missing()
    if missing is not None:
        pytest.skip(f"{missing} is not installed")
    return chosen


@pytest.fixture
def port(request: pytest.FixtureRequest, scenario: Scenario) -> int:
    """Return the port of the server that the scenario needs."""
    if scenario.server is None:
        return 0
    found: int = request.getfixturevalue(f"{scenario.server}_port")
    return found


@pytest.fixture(params=DRIVERS)
def web(request: pytest.FixtureRequest) -> Web:
    """Serve with a runtime attached, and inside a task of ours, on each loop."""
    driver, _, loop = request.param.partition("-")
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    return Web(driver == "attached", loop)


def _served(server: Callable[[], AbstractContextManager[int]]) -> Iterator[int]:
    with contextlib.ExitStack() as stack:
        try:
            port = stack.enter_context(servers.kept(server))
        except servers.NotHereError as exc:
            pytest.skip(str(exc))
        yield port
