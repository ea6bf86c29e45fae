"""`RescindFunction`: an async test that is run in a runtime or in the lab.

*What it is.* pytest's own kind of item, with a bed. Which kind of test a function is, is decided
when it is collected, so that no other plugin takes it for one of its own later.

*Threads.* pytest's.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from _pytest.nodes import Node

from rescind.testing.plugin.bed import Bed, HostBed
from rescind.testing.plugin.leaks import Guard
from rescind.testing.plugin.settings import Settings

__all__ = ["HOST", "Leaked", "RescindFunction", "is_async_test"]

#: The name of the parameter that says on which host.
HOST: Final = "_rescind_host"

#: Marks with which other plugins say that they run a test.
_OTHERS: Final = frozenset({"asyncio", "anyio", "trio"})


class Leaked(Exception):
    """A test, or one of its fixtures, has left something behind."""

    def __init__(self, lines: list[str]) -> None:
        words = "\n".join(f"  {line}" for line in lines)
        super().__init__(f"left behind:\n{words}\n  (to let it: leaks=False in the mark)")


def is_async_test(function: Any) -> bool:
    """Is this the function of an async test, be it one that hypothesis calls?"""
    return inspect.iscoroutinefunction(inner_of(function))


def inner_of(function: Any) -> Any:
    """Return what hypothesis calls for each example; without hypothesis, the function."""
    return getattr(getattr(function, "hypothesis", None), "inner_test", function)


class RescindFunction(pytest.Function):
    """An async test of ours.

    Attributes:
        settings: what its marks and the options say.
        host: on which host it is run, by name.
        bed: what its parts run in; None unless it is set up.
        sound: has nothing gone wrong so far, in its fixtures and its body?
        remaking: is it set up for one of many runs, in a bed that is there already?
    """

    settings: Settings
    host: str
    bed: Bed | None = None
    sound: bool = False
    remaking: bool = False
    _guard: Guard | None = None
    _leaks: list[str] | None = None

    @classmethod
    def instead_of(cls, function: pytest.Function, settings: Settings) -> RescindFunction:
        """Return the item that takes the place of ``function``."""
        parent: Any = function.parent
        item: RescindFunction = cls.from_parent(  # pyright: ignore[reportUnknownMemberType]
            parent,
            name=function.name,
            callspec=getattr(function, "callspec", None),
            fixtureinfo=function._fixtureinfo,
            originalname=function.originalname,
        )
        item.settings = settings
        params: dict[str, Any] = item.callspec.params if hasattr(item, "callspec") else {}
        item.host = params.get(HOST, settings.hosts[0])
        return item

    def iter_markers_with_node(self, name: str | None = None) -> Iterator[tuple[Node, pytest.Mark]]:
        """Yield its marks, but for those of other plugins that would run it."""
        for node, mark in super().iter_markers_with_node(name):
            if mark.name not in _OTHERS:
                yield node, mark

    @property
    def explored(self) -> bool:
        """Is it run in the lab proper?"""
        return self.host == "lab" and self.settings.explored

    # -- setting up, and tearing down -------------------------------------------------------------

    def setup(self) -> None:
        """Make the fixtures: of an explored test those alone that outlive it, until it is run."""
        if self.host == "uvloop" and importlib.util.find_spec("uvloop") is None:
            pytest.skip("uvloop is not installed")
        if self.remaking:
            super().setup()
        elif self.explored:
            for name in self.fixturenames:
                known = self._fixtureinfo.name2fixturedefs.get(name)
                if known and known[-1].scope != "function":
                    self._request.getfixturevalue(name)
        else:
            self.sound = False
            self._make_bed()
            super().setup()
            self.sound = True

    def _make_bed(self) -> None:
        settings = self.settings
        bed = HostBed(self.host, grace=settings.grace, timeout=settings.timeout)
        self.bed = bed
        self._guard = Guard(bed, settings.leaks)
        self._guard.listen()
        self.addfinalizer(self._close)  # before any fixture's: it comes after them

    def _close(self) -> None:
        """Close the runtime, after all fixtures; raise `Leaked`, or keep that for the body."""
        bed, guard = self.bed, self._guard
        assert isinstance(bed, HostBed) and guard is not None
        lines = guard.left(fixtures=False)
        self.bed = self._guard = None
        lines += guard.after(bed.close())
        if self._leaks is not None:
            self._leaks += lines
        elif lines and self.sound:
            raise Leaked(lines)

    # -- running ----------------------------------------------------------------------------------

    def play(self) -> list[str]:
        """Run the body, once.

        Returns:
            What it has left that a fixture may still end; empty: nothing.
        """
        bed, guard = self.bed, self._guard
        assert isinstance(bed, HostBed) and guard is not None
        self.sound = False
        guard.begin()
        arguments = {name: self.funcargs[name] for name in self._fixtureinfo.argnames}
        if hasattr(self.obj, "hypothesis"):
            self._play_examples(bed, arguments)
        else:
            bed.play(lambda: self.obj(**arguments))
        self.sound = True
        return guard.suspicious()

    def _play_examples(self, bed: HostBed, arguments: dict[str, Any]) -> None:
        function: Any = self.obj
        inner: Any = function.hypothesis.inner_test

        @functools.wraps(inner)
        def example(*args: Any, **drawn: Any) -> Any:
            return bed.play(lambda: inner(*args, **drawn))

        function.hypothesis.inner_test = example
        try:
            function(**arguments)
        finally:
            function.hypothesis.inner_test = inner

    def look_early(self, release: Callable[[], object]) -> tuple[list[str], BaseException | None]:
        """End the fixtures now, to see what is left without them.

        Args:
            release: tears the test down.

        Returns:
            What is left; and what a fixture raised at its end, which belongs to the teardown.
        """
        self._leaks = []
        late: BaseException | None = None
        try:
            release()
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as exc:
            late = exc
        lines, self._leaks = self._leaks, None
        return lines, late
