"""`Again`: sets one test up and tears it down again and again, within its call phase.

*What it is.* pytest's own machinery does it, as if the test were run again: fixtures of every kind,
autouse, parametrized, requested while others are made.

*Invariants.*
 A1  After `tear_down` pytest knows of the item's parents what it knew before `set_up`.
 A2  While it is set up so, the item's ``remaking`` is True: its bed is somebody else's business.

*Threads.* pytest's.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Again"]


class _Keep:
    """Stands for the next test, to tear down one test and none of its parents."""

    def __init__(self, parents: list[Any]) -> None:
        self._parents = parents

    def listchain(self) -> list[Any]:
        return self._parents


class Again:
    """A test that is set up again and again.

    Attributes:
        item: the test.
    """

    def __init__(self, item: Any) -> None:
        self.item = item
        self._state: Any = item.session._setupstate
        # Fixtures such as tmp_path take away at their end what they found there.
        self._stash: dict[Any, Any] = dict(item.stash._storage)
        self._parent = item.parent
        self._depths: dict[Any, int] = {}

    def release(self) -> None:
        """Tear down the test, and nothing that others may still need."""
        self._state.teardown_exact(_Keep(self._parent.listchain()))

    def set_up(self) -> None:
        """Make the fixtures, for the test as it was before it was set up.

        Raises:
            BaseException: what one of them raised; the others are to be torn down.
        """
        item = self.item
        self._depths = {node: len(entry[0]) for node, entry in self._state.stack.items()}
        if item.cls is not None:
            item._obj = None
            item.__dict__.pop("_instance", None)
        for key, value in self._stash.items():
            item.stash.setdefault(key, value)
        _forget(item)
        item._initrequest()
        item.remaking = True
        try:
            self._state.setup(item)
        finally:
            item.remaking = False

    def tear_down(self) -> None:
        """End the fixtures, the last made first.

        Raises:
            BaseException: what one of them raised.
        """
        try:
            self.release()
        finally:
            self.restore()

    def restore(self) -> None:
        """Let go of the finalizers that the item's parents have been given meanwhile (A1)."""
        for node, depth in self._depths.items():
            if node in self._state.stack:
                del self._state.stack[node][0][depth:]

    @property
    def arguments(self) -> dict[str, Any]:
        """What the test is called with."""
        item = self.item
        return {name: item.funcargs[name] for name in item._fixtureinfo.argnames}


def _forget(item: Any) -> None:
    """Let the next run note for itself what logging noted of this one."""
    try:
        from _pytest.logging import caplog_handler_key
    except ImportError:
        return
    handler = item.stash.get(caplog_handler_key, None)
    if handler is not None:
        handler.reset()
