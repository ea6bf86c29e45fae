"""`Picker`: the selector of a `CheckLoop`; it proves hangs, and holds back what arrives.

*What it is.* The system's selector does the work. What is added: if nothing can arrive, no system
call is made and the clock jumps (L2); of the connections that are held, no readability is told
(L3).

*Threads.* The loop's.
"""

from __future__ import annotations

import selectors
import socket
from collections.abc import Mapping
from time import monotonic
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rescind.check.loop import CheckLoop

__all__ = ["Picker"]

#: Every so many turns without a wait the system is asked even if nothing is watched but the loop's
#: own pipe, which signal handlers and other threads write to.
_LOOKS = 64


class Picker(selectors.BaseSelector):
    """Passes on to the system's selector; see the module's docstring."""

    def __init__(self) -> None:
        self._inner = selectors.DefaultSelector()
        self._map: Mapping[Any, selectors.SelectorKey] = self._inner.get_map()
        self._turns = 0
        self.loop: CheckLoop | None = None
        # Connections whose readability is held back, by descriptor. A descriptor alone will not
        # do: once closed, it is given to the next connection.
        self.held: dict[int, socket.socket] = {}

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def get_key(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.get_key(fileobj)

    def close(self) -> None:
        self._inner.close()

    def watched(self) -> int:
        """Return how many descriptors are watched."""
        return len(self._map)

    def hold(self, clients: Mapping[int, socket.socket]) -> int:
        """Hold back what arrives on these connections; return how many are watched now."""
        self.held = dict(clients)
        return sum(1 for fd in clients if fd in self._map)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        loop = self.loop
        if loop is None:
            return self._inner.select(timeout)
        if timeout is not None and timeout <= 0:
            loop.spun()
            self._turns += 1
            if len(self._map) <= 1 and self._turns % _LOOKS:
                return []  # what other threads ask for is in the loop's queue already
            return self._let_through(self._inner.select(0))
        if self.held:
            # Others may have been waiting for just this: look once more, then let go (L3).
            events = self._let_through(self._inner.select(0))
            if events:
                return events
            loop.release()
        if loop.only_timers():
            events = self._inner.select(0) if timeout is None else []  # woken by a signal handler?
            if events:
                return events
            if timeout is None:
                loop.hang("nothing can happen any more")
            else:
                loop.jump(timeout)
            return []
        return self._wait(loop, timeout)

    def _wait(self, loop: CheckLoop, timeout: float | None) -> list[Any]:
        """Wait as the system does; the clock goes on by as much as that took."""
        began = monotonic()
        left = max(loop.limit_at - began, 0.0)
        longest = left if timeout is None else min(left, timeout)
        events = self._inner.select(None if longest == float("inf") else longest)
        waited = monotonic() - began
        if timeout is not None and not events and timeout <= left:
            waited = max(waited, timeout)  # the timer for which it has waited is due now
        loop.passed(waited)
        return self._let_through(events)

    def _let_through(self, events: list[Any]) -> list[Any]:
        if not self.held:
            return events
        passed: list[Any] = []
        for key, mask in events:
            held = self.held.get(key.fd)
            arrives = held is None or held.fileno() != key.fd
            let = mask if arrives else mask & ~selectors.EVENT_READ
            if let:
                passed.append((key, let))
        return passed
