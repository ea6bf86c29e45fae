"""What the options of pytest and the mark of a test say together.

*Threads.* Any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from rescind._core.errors import UsageError
from rescind.check.plan import Options, available_modes
from rescind.check.points import Instant, Judge, Mode
from rescind.check.words import judge_of, modes_of, seconds_of

__all__ = ["LEVELS", "Settings", "marked", "options_of"]

_USUAL: Final = Options().instants

#: What each level tries. Canceling a test's own helper tasks gives hints alone: only the thorough.
LEVELS: Final[Mapping[str, Options]] = {
    "quick": Options(
        modes=(Mode.ASYNCIO,),
        judges=(Judge.LOOK,),
        instants=(Instant.PARKED, Instant.WOKEN),
        children=False,
        cleanup=False,
        hold=False,
        budget=5.0,
        confirm=1,
    ),
    "usual": Options(
        modes=(Mode.ASYNCIO, Mode.TIMEOUT, Mode.ANYIO),
        judges=(Judge.LOOK, Judge.FOLLOW_UP),
        children=False,
        budget=20.0,
    ),
    "thorough": Options(instants=(*_USUAL, Instant.CALLBACK), budget=120.0),
}

_KEYS: Final = ("level", "modes", "judges", "budget", "cleanup_within", "invariants")


@dataclass(frozen=True)
class Settings:
    """How a test is swept.

    Attributes:
        options: what to try.
        invariants: the promises of its author.
        cleanup_within: seconds that its cleanup may take; None: nothing is promised.
    """

    options: Options
    invariants: tuple[Callable[..., Any], ...] = field(default=())
    cleanup_within: float | None = None


def options_of(level: str) -> Options:
    """Return what a level tries, but for the modes whose library is not installed."""
    options = LEVELS[level]
    return replace(options, modes=available_modes(options.modes))


def marked(base: Settings, arguments: Mapping[str, Any], positional: tuple[Any, ...]) -> Settings:
    """Return what ``cancel_everywhere(**arguments)`` makes of the options of the command line.

    Raises:
        UsageError: an argument means nothing.
    """
    unknown = [repr(one) for one in positional]
    unknown += [key for key in arguments if key not in _KEYS]
    if unknown:
        takes = ", ".join(_KEYS)
        raise UsageError(f"cancel_everywhere takes {takes}, by name, and not {unknown[0]}")
    level = arguments.get("level")
    if level is not None and level not in LEVELS:
        raise UsageError(f"level must be {', '.join(map(repr, LEVELS))}, not {level!r}")
    options = base.options if level is None else options_of(level)
    if (modes := arguments.get("modes")) is not None:
        options = replace(options, modes=tuple(m for one in _many(modes) for m in _modes(one)))
    if (judges := arguments.get("judges")) is not None:
        options = replace(options, judges=tuple(map(_judge, _many(judges))))
    if (budget := arguments.get("budget")) is not None:
        options = replace(options, budget=seconds_of(budget))
    invariants = arguments.get("invariants", ())
    promises = (invariants,) if callable(invariants) else tuple(invariants)
    if wrong := [one for one in promises if not callable(one)]:
        raise UsageError(f"invariants must be functions, not {wrong[0]!r}")
    within = arguments.get("cleanup_within")
    bound = base.cleanup_within if within is None else seconds_of(within)
    return Settings(options, promises, bound)


def _many(given: object) -> Iterable[Any]:
    if isinstance(given, (str, Mode, Judge)):
        return (given,)
    if isinstance(given, Iterable):
        return tuple(given)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    raise UsageError(f"{given!r} is neither a name nor a list of names")


def _modes(given: object) -> tuple[Mode, ...]:
    return (given,) if isinstance(given, Mode) else modes_of(str(given))


def _judge(given: object) -> Judge:
    return given if isinstance(given, Judge) else judge_of(str(given))
