"""CPython's own tests of asyncio hold where rescind drives them, or have a reason not to."""

import importlib.util
import sys
from collections.abc import Iterator
from typing import Any
from unittest import mock

import pytest

from rescind._host.identity import Identity
from tests.core.kit import interpreted
from tests.cpython import specimens
from tests.cpython.differences import DIFFERENCES, MODULES, Module, difference
from tests.cpython.harness import PACKAGE, WAYS, case_of, cases_in, execute, is_async

MISSING = "this Python was installed without its test package"


def _installed(module: str = "utils") -> bool:
    try:
        return importlib.util.find_spec(f"{PACKAGE}.{module}") is not None
    except ModuleNotFoundError:
        return False


def _parameters() -> Iterator[Any]:
    if not _installed():
        yield pytest.param(Module("test_locks"), "", "task", marks=pytest.mark.skip(reason=MISSING))
    for module in MODULES if _installed() else ():
        if not _installed(module.name):
            continue  # newer than this Python
        for case in cases_in(module.name):
            if module.runs(case):
                for way in module.ways:
                    yield pytest.param(module, case, way, id=f"{way}-{module.name}-{case}")


@pytest.mark.parametrize(("module", "case", "way"), list(_parameters()))
def test_of_cpython(module: Module, case: str, way: str) -> None:
    """It gives what it gives under asyncio, or its difference is listed with the reason."""
    test = case_of(module.name, case)
    known = difference(f"{module.name}.{case}", way)

    ending = execute(test, way, waits=module.waits)

    if ending.skipped is not None:
        pytest.skip(f"CPython skips it: {ending.skipped}")
    if not ending.driven and not is_async(test):
        pytest.skip("it gives tasks and futures to its loop, but no coroutine")
    assert ending.driven, "its coroutine was not driven by rescind"
    if known is not None:
        assert ending.problems, f"it holds: strike it off the list ({known.reason})"
        pytest.xfail(known.reason)
    if ending.problems and execute(case_of(module.name, case), None, waits=module.waits).problems:
        pytest.skip("on this machine it fails under asyncio, too")
    assert [] == ending.problems, "\n".join(ending.problems)


@pytest.mark.skipif(not _installed(), reason=MISSING)
def test_each_difference_names_a_test_that_is_run() -> None:
    """Or the list would keep what nobody looks at any more."""
    run = {
        f"{module.name}.{case}"
        for module in MODULES
        if _installed(module.name)
        for case in cases_in(module.name)
        if module.runs(case)
    }
    here = sys.version_info[:2]

    assert {one.case for one in DIFFERENCES if here in one.pythons} <= run


# -- the harness itself ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [specimens.Isolated, specimens.ByHand])
@pytest.mark.parametrize(
    ("way", "driver"), [("task", "task main"), ("branch", "a branch"), (None, "asyncio")]
)
def test_every_coroutine_is_driven_as_the_way_says(kind: Any, way: str | None, driver: str) -> None:
    """Those of the set-up too, and whichever way they are given to a loop."""
    test = kind("test_driver")

    ending = execute(test, way)

    assert ([driver] * 3, []) == (test.seen, ending.problems)
    assert ending.driven == (0 if way is None else 3)


@pytest.mark.skipif(not _installed(), reason=MISSING)
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("name", "broken", "case"),
    [
        ("uncancel", lambda _self: 0, "TimeoutTests.test_nested_timeouts"),
        ("cancelling", lambda _self: 9, "TimeoutTests.test_nested_timeouts"),
        ("cancel", lambda *_: True, "TimeoutTests.test_cancel_in_timeout_after_cancellation"),
    ],
    ids=["uncancel", "cancelling", "cancel"],
)
@interpreted  # nobody can replace a method of the compiled identity
def test_what_breaks_the_identity_breaks_cpythons_tests(
    way: str, name: str, broken: Any, case: str
) -> None:
    """So it is ours that they look at."""
    with mock.patch.object(Identity, name, broken):
        assert execute(case_of("test_timeouts", case), way, waits=False).problems


@pytest.mark.parametrize("way", [None, *WAYS])
def test_a_failure_inside_a_coroutine_is_seen(way: str | None) -> None:
    """It passes through the driver and the loop to the one who asserts."""
    (problem,) = execute(specimens.Fails("test_it"), way).problems

    assert "AssertionError: seen" in problem
