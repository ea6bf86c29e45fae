"""The plugin of pytest: its options and marks, and nothing else until one of them is used.

*What it is not.* Where anything is done: that is `rescind.check.plugin`, which is imported when a
run asks for it. This module stands outside the package because importing any part of the package
imports its facade, for which suites that only have rescind installed need not wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from rescind.check.plugin import Plugin

__all__: list[str] = []

_NAME = "rescind-check"
_MARKS = ("cancel_everywhere", "rescind")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options."""
    group = parser.getgroup("rescind", "rescind: cancel async tests everywhere")
    group.addoption(
        "--cancel-sweep",
        action="store_true",
        help="After each async test that passed, run it again and again, each time canceled at "
        "another await, and fail it if that breaks something.",
    )
    group.addoption(
        "--cancel-level",
        choices=("quick", "usual", "thorough"),
        default="usual",
        help="How much to try: quick, usual or thorough. Default: usual.",
    )
    group.addoption(
        "--cancel-budget",
        metavar="TIME",
        help="How long to cancel each test: 5s, 1m. Default: 5s, 20s or 2m, as thorough as it is.",
    )
    group.addoption(
        "--cancel-modes",
        metavar="MODES",
        help="How to cancel, with commas: asyncio, twice, timeout, group, anyio, rescind, close.",
    )
    group.addoption(
        "--cancel-cleanup-within",
        metavar="TIME",
        help="A cleanup that takes longer, of the loop's clock, is a fault.",
    )
    parser.addini("cancel_cleanup_within", "What --cancel-cleanup-within is if it is not given.")
    group.addoption(
        "--cancel-coverage",
        action="store_true",
        help="Add to .rescind-coverage.json which awaits were canceled.",
    )
    for kind, what in (
        ("html", "a page"),
        ("json", "JSON"),
        ("lcov", "coverage for genhtml, editors and review tools"),
    ):
        group.addoption(
            f"--cancel-{kind}", metavar="FILE", help=f"Write what all the sweeps found, as {what}."
        )
    group.addoption(
        "--cancel-replay",
        metavar="TOKEN",
        help="Make one canceled run again: that of a token, as a report shows it.",
    )
    group.addoption(
        "--cancel-pdb",
        action="store_true",
        help="With --cancel-replay: stop in the debugger just before it is canceled; give -s, too.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marks mean, and begin if an option asks for it."""
    config.addinivalue_line(
        "markers",
        "cancel_everywhere(level=None, modes=None, judges=None, budget=None, cleanup_within=None, "
        "invariants=()): "
        "cancel this async test at every await, and fail it if that breaks something",
    )
    config.addinivalue_line(
        "markers", "rescind(virtual=False): run this async test in a rescind runtime"
    )
    # Workers of pytest-xdist collect the tests, and see the marks; who listens to them does not.
    listens = bool(getattr(config.option, "numprocesses", None))
    if listens or any(config.getoption(name) for name in ("cancel_sweep", "cancel_replay")):
        _plugin(config)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin if a test has one of the marks; look at the arguments of the marks."""
    marked = [item for item in items if any(item.get_closest_marker(name) for name in _MARKS)]
    if marked or config.pluginmanager.has_plugin(_NAME):
        _plugin(config).look_at(marked)


def _plugin(config: pytest.Config) -> Plugin:
    known: Plugin | None = config.pluginmanager.get_plugin(_NAME)
    if known is None:
        from rescind.check.plugin import Plugin

        known = Plugin(config)
        config.pluginmanager.register(known, _NAME)
    return known
