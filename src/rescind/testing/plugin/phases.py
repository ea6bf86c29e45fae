"""What a plugin does around the phases of tests that are run again and again in one of them.

*What it is not.* Where such a test is run: that is the business of `plugin`, which explores it, and
of `rescind.check.plugin`, which sweeps it.

*Threads.* pytest's.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

__all__ = ["LATE", "Phases", "timers_off"]

#: What a fixture raised at its end, within the call phase of its test.
LATE = pytest.StashKey[BaseException]()


class Phases:
    """What a plugin inherits that makes async fixtures, and ends some within the call phase."""

    def instead_of_fixture(
        self, item: Any, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Callable[..., Any] | None:
        """Return the synchronous function that makes a fixture of ``item``; None: leave it."""
        raise NotImplementedError

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any], request: pytest.FixtureRequest
    ) -> Generator[None, Any, Any]:
        """Have a fixture made as `instead_of_fixture` says."""
        make = self.instead_of_fixture(request._pyfuncitem, fixturedef, request)
        if make is None:
            return (yield)
        fixture: Any = fixturedef
        function, fixture.func = fixture.func, make
        try:
            return (yield)
        finally:
            fixture.func = function

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, Any, Any]:
        """Raise what a fixture raised at its end, in the phase where that belongs."""
        result = yield
        late = item.stash.get(LATE, None)
        if late is not None:
            del item.stash[LATE]
            raise late
        return result


def timers_off(item: pytest.Item) -> None:
    """Take pytest-timeout's limit off: a test that is run a thousand times takes longer."""
    hook: Any = getattr(item.config.hook, "pytest_timeout_cancel_timer", None)
    if hook is not None:
        hook(item=item)
