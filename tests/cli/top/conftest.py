"""A directory for sockets that only the test knows."""

from tests.top.conftest import directory

__all__ = ["directory"]
