"""CPython's own tests of asyncio's loop hold on one with its turn in C."""

import asyncio
import importlib
import io
import unittest

import pytest

quick = pytest.importorskip(
    "rescind._host._loop", reason="the interpreted form has asyncio's own loop"
)
pytest.importorskip("test.test_asyncio", reason="this Python was installed without its tests")

#: The modules, the classes in them, and how many of their tests run at least.
CASES = [
    ("test_events", "EPollEventLoopTests", 60),
    ("test_sock_lowlevel", "EPollEventLoopTests", 10),
    ("test_sock_lowlevel", "SelectEventLoopTests", 10),
    ("test_sendfile", "EPollEventLoopTests", 15),
    ("test_streams", "StreamTests", 50),
    ("test_server", "SelectorStartServerTests", 2),
]


@pytest.mark.parametrize(("module", "name", "least"), CASES, ids=str)
def test_of_cpython_on_a_loop_in_c(
    module: str, name: str, least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each test of the class passes, with every selector loop that it makes changed."""
    made: list[asyncio.AbstractEventLoop] = []
    make = asyncio.SelectorEventLoop.__init__

    def make_and_hasten(self: asyncio.SelectorEventLoop, *args: object) -> None:
        make(self, *args)  # type: ignore[arg-type]
        quick.hasten(self)
        made.append(self)

    case = getattr(importlib.import_module(f"test.test_asyncio.{module}"), name, None)
    if case is None:
        pytest.skip(f"this system has no {name}")
    monkeypatch.setattr(asyncio.SelectorEventLoop, "__init__", make_and_hasten)
    said = io.StringIO()

    tests = unittest.defaultTestLoader.loadTestsFromTestCase(case)
    result = unittest.TextTestRunner(said).run(tests)

    assert result.wasSuccessful(), said.getvalue()
    assert result.testsRun - len(result.skipped) >= least
    assert made
    assert all(type(loop) is asyncio.SelectorEventLoop for loop in made)
