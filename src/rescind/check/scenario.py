"""`Scenario`: what is checked, and the `Env` that its parts share.

*Threads.* The loop's.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakKeyDictionary

from rescind._core.errors import UsageError

if TYPE_CHECKING:
    from rescind.check.run import Run

__all__ = ["Env", "NotAsync", "Outside", "Scenario"]

Step = Callable[..., Awaitable[Any]]

_OURS: Final = ("env", "outcome")


@dataclass(frozen=True)
class Outside:
    """A setup or teardown that is called while the loop stands still, and may itself run it.

    For those whose own parts are made by somebody else's synchronous code, such as fixtures.
    """

    call: Callable[[Run], object]

    def __call__(self, run: Run) -> None:
        """Do it."""
        self.call(run)


class Env(SimpleNamespace):
    """What setup, scenario, invariants and teardown share: put on it what you like.

    ``env.sent(x)`` and ``env.received(x)`` keep books: after the run, whatever was sent and is
    neither received nor handed back (``env.returned(x)``) is lost, and that is reported.
    ``env.usable(probe)`` names something that must still work after a cancellation.
    """

    def __init__(self) -> None:
        super().__init__()
        self._sent: Counter[Any] = Counter()
        self._received: Counter[Any] = Counter()
        self._usable: dict[str, tuple[Callable[[], Any], float]] = {}

    def sent(self, item: Any) -> None:
        """Note that ``item`` (hashable) was handed to the code under test."""
        self._sent[item] += 1

    def received(self, item: Any) -> None:
        """Note that ``item`` came out of the code under test."""
        self._received[item] += 1

    returned = received

    def usable(
        self, probe: Callable[[], Any], *, name: str | None = None, within: float = 1.0
    ) -> None:
        """Say, in setup, that ``probe()`` must still work after the scenario was canceled.

        It is called when everything has settled: a lock that must still be free to take, a pool
        that must still have a connection. That it raises, returns False, or does not end, is a
        fault; unless it does so when nothing was canceled either.

        Args:
            probe: an async or a sync function without arguments.
            name: as it is told; by default the probe's own, or its number.
            within: seconds that it may take, of the loop's time; default 1.
        """
        own = str(getattr(probe, "__name__", "<"))
        known = own if not own.startswith("<") else f"probe {len(self._usable) + 1}"
        self._usable[name or known] = (probe, within)

    def books(self) -> tuple[Counter[Any], Counter[Any]]:
        """Return what was sent, and what was received or handed back; both as they stand."""
        return self._sent, self._received

    def usables(self) -> dict[str, tuple[Callable[[], Any], float]]:
        """Return what must be usable, by name: the probe, and the seconds that it may take."""
        return dict(self._usable)

    def missing(self) -> dict[Any, int]:
        """Return what was sent and did not come out, with how many of each."""
        return dict(self._sent - self._received)

    def surplus(self) -> dict[Any, int]:
        """Return what came out more often than it was sent."""
        return dict(self._received - self._sent)


@dataclass(frozen=True)
class Scenario:
    """What is checked.

    Attributes:
        body: the async function that is canceled everywhere; called with the env, or with nothing.
        setup: makes what is shared; never canceled.
        teardown: ends what setup made; never canceled.
        invariants: async or sync functions ``(env, outcome)``, or of the env alone, that raise if
            a promise is broken; called after each run that was canceled. The outcome is a pair:
            ``"returned"``, ``"raised"``, ``"canceled"`` or ``"hung"``, and what, as text.
        timeout: seconds that an uncanceled run may take; a follow-up gets as much.
        name: as users know it.
        repeatable: must it, uncanceled, end well a second time on the same env? If not, and it does
            not, the judges that repeat it are left out.
        cleanup_within: seconds of the loop's time that the cleanup may take, at most; more is a
            fault. None: no bound is promised, and a long cleanup is a hint.
        loop: ``asyncio`` or ``uvloop``, where less can be tried: see `on_uvloop`.
    """

    body: Step
    setup: Step | Outside | None = None
    teardown: Step | Outside | None = None
    invariants: tuple[Callable[..., Any], ...] = ()
    timeout: float = 5.0
    name: str = "scenario"
    repeatable: bool = True
    cleanup_within: float | None = None
    loop: str = "asyncio"


class NotAsync(UsageError):
    """The scenario is no async function."""


async def call(step: Callable[..., Any], *arguments: Any) -> Any:
    """Call a part of a scenario with as many of the arguments as it takes, and await it."""
    result = step(*arguments[: _arity(step, len(arguments))])
    return await result if inspect.isawaitable(result) else result


def start(scenario: Scenario, env: Env) -> Coroutine[Any, Any, Any]:
    """Return the coroutine of the scenario's body.

    Raises:
        NotAsync: it is none.
    """
    try:
        made = scenario.body(*(env,)[: _arity(scenario.body, 1)])
    except Exception as exc:
        return failing(exc)
    if inspect.iscoroutine(made):
        return made
    if inspect.isawaitable(made):
        return _awaiting(made)
    what = "is an async generator" if inspect.isasyncgen(made) else f"returned {made!r}"
    raise NotAsync(
        f"{scenario.name} must be an async function, but calling it {what}; "
        "write 'async def', and 'return' instead of 'yield'"
    )


async def failing(exc: BaseException) -> Any:
    """Fail with ``exc``: for what failed before there was a coroutine."""
    raise exc


async def _awaiting(made: Any) -> Any:
    return await made


def _arity(step: Callable[..., Any], most: int) -> int:
    try:
        known = _arities.get(step)
    except TypeError:
        return min(_takes(step), most)  # it cannot be weakly referred to, or hashed
    if known is None:
        known = _takes(step)
        with suppress(TypeError):
            _arities[step] = known
    return min(known, most)


_MANY = 1000
_arities: WeakKeyDictionary[Any, int] = WeakKeyDictionary()


def _takes(step: Callable[..., Any]) -> int:
    """Return how many positional arguments ``step`` takes."""
    try:
        parameters = inspect.signature(step).parameters.values()
    except (TypeError, ValueError):
        return _MANY
    takes = 0
    for parameter in parameters:
        if parameter.kind is parameter.VAR_POSITIONAL:
            return _MANY
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            break
        # What has a default of its own keeps it, unless it asks for ours by name.
        if parameter.default is not parameter.empty and parameter.name not in _OURS:
            break
        takes += 1
    return takes
