"""A directory for sockets that only the test knows."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rescind.top import picture
from rescind.top.places import DIRECTORY_VARIABLE


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have answers be whole, however long the machine lets one wait."""
    monkeypatch.setattr(picture, "SECONDS", 3600.0)
    monkeypatch.setattr(picture.Budget.__init__, "__defaults__", (3600.0,))


@pytest.fixture
def directory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Return it; its path is short, as a socket's has to be."""
    path = tempfile.mkdtemp(prefix="top-")
    monkeypatch.setenv(DIRECTORY_VARIABLE, path)
    yield Path(path)
    shutil.rmtree(path)
