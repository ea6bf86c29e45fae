"""Servers for the tests here: started when the first test asks, ended with the last."""

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.ecosystem import servers


@pytest.fixture(scope="session")
def redis_port() -> Iterator[int]:
    """Run a redis server of the tests' own."""
    yield from _served(servers.redis)


@pytest.fixture(scope="session")
def postgres_port() -> Iterator[int]:
    """Run a PostgreSQL cluster of the tests' own."""
    yield from _served(servers.postgres)


def _served(server: Callable[[], AbstractContextManager[int]]) -> Iterator[int]:
    with contextlib.ExitStack() as stack:
        try:
            port = stack.enter_context(server())
        except servers.NotHereError as exc:
            pytest.skip(str(exc))
        yield port
