"""What the marks of a test, the options and the file of settings say together.

*What it is.* Marks of a test, its class and its module are one: what is said nearer to the test
counts. What explores (``explore=`` or ``schedules=``) replaces what explores further out, with its
``cancel=``.

*Threads.* pytest's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from rescind._core.errors import UsageError
from rescind._core.grace import checked_seconds
from rescind._seconds import seconds_of
from rescind.testing.lab import Bounds, Injection, Kind

__all__ = ["HOSTS", "LEAKS", "Settings", "marked"]

HOSTS: Final = ("lab", "asyncio", "uvloop")

#: What a test may not leave.
LEAKS: Final = ("tasks", "timers", "handles", "coroutines", "threads", "sockets")

_EXPLORING: Final = ("explore", "schedules", "cancel")
_KINDS: Final[Mapping[str, Kind]] = {kind.name.lower(): kind for kind in Kind}


@dataclass(frozen=True, slots=True)
class Settings:
    """How a test is run.

    Attributes:
        hosts: on which hosts, each once.
        bounds: in the lab it is explored within these; None: it is run once.
        injections: in the lab it is run with these alone, once.
        invariants: what must hold after each run of the lab; called with its `Run`.
        allowed: exceptions that may come out of runs of the lab with injections.
        seed: for the random runs of an exploration.
        budget: seconds of real time for an exploration.
        grace: for the cleanup of canceled tasks, in seconds; None: unbounded.
        leaks: what may not be left: some of `LEAKS`.
        timeout: seconds of real time for the body, and for each async fixture; None: any.
    """

    hosts: tuple[str, ...] = ("lab",)
    bounds: Bounds | None = None
    injections: tuple[Injection, ...] = ()
    invariants: tuple[Callable[..., Any], ...] = ()
    allowed: tuple[type[BaseException], ...] = ()
    seed: int = 0
    budget: float = 5.0
    grace: float | None = 30.0
    leaks: frozenset[str] = frozenset(LEAKS)
    timeout: float | None = None

    @property
    def explored(self) -> bool:
        """Is it run in the lab proper, and not in a runtime?"""
        return self.bounds is not None or bool(self.injections)


def marked(usual: Settings, marks: Iterable[Any]) -> Settings:
    """Return the settings of a test.

    Args:
        usual: what the options say.
        marks: its marks ``rescind``, the nearest first.

    Raises:
        UsageError: an argument means nothing; the message says what would.
    """
    said: dict[str, Any] = {}
    for mark in marks:
        _check_names(mark)
        given: dict[str, Any] = mark.kwargs
        replaced = not said.keys().isdisjoint(_EXPLORING[:2])
        for name, value in given.items():
            if not (replaced and name in _EXPLORING):
                said.setdefault(name, value)
    settings = usual
    for name, read in _READ.items():
        if name in said:
            settings = replace(settings, **{name: read(said[name])})
    bounds, injections = _exploring(said)
    settings = replace(settings, bounds=bounds, injections=injections)
    if settings.explored and "lab" not in settings.hosts:
        what = next(name for name in _EXPLORING if name in said)
        hosts = ", ".join(settings.hosts)
        raise UsageError(f"{what}= needs the lab, and this test runs on {hosts} alone")
    return settings


def _check_names(mark: Any) -> None:
    if mark.args:
        raise UsageError(f"the mark 'rescind' takes names, such as hosts=..., not {mark.args[0]!r}")
    for name in mark.kwargs:
        if name not in _READ and name not in _EXPLORING:
            known = ", ".join(sorted({*_READ, *_EXPLORING}))
            raise UsageError(f"the mark 'rescind' does not take {name!r}; it takes {known}")


# -- exploring ------------------------------------------------------------------------------------


def _exploring(said: Mapping[str, Any]) -> tuple[Bounds | None, tuple[Injection, ...]]:
    explore, schedules = said.get("explore"), said.get("schedules")
    cancel = said.get("cancel")
    if _on(explore) and _on(schedules):
        raise UsageError("explore= tries schedules too: say one of explore= and schedules=")
    given = _many(cancel)
    if any(isinstance(one, Injection) for one in given):
        if _on(explore) or _on(schedules):
            raise UsageError("cancel= names injections for one run: not with explore=, schedules=")
        wrong = [one for one in given if not isinstance(one, Injection)]
        if wrong:
            raise UsageError(f"cancel= has injections, and {wrong[0]!r}, which is none")
        return None, tuple(given)
    if _on(schedules):
        if _on(cancel):
            raise UsageError("schedules= tries orders alone; with cancel=, say explore=")
        return _orders(schedules), ()
    if _on(explore):
        bounds = _bounds(explore)
        if cancel is False:
            bounds = replace(bounds, injections=0)
        elif cancel is not None and cancel is not True:
            bounds = replace(bounds, kinds=_kinds(given))
        return bounds, ()
    if _on(cancel):
        kinds = tuple(Kind) if cancel is True else _kinds(given)
        return Bounds(changes=1, deviations=0, injections=1, kinds=kinds), ()
    return None, ()


def _on(value: Any) -> bool:
    return value is not None and value is not False


def _bounds(explore: Any) -> Bounds:
    if isinstance(explore, Bounds):
        return explore
    if explore is True:
        return Bounds(changes=2)
    return Bounds(changes=_count("explore", explore, "True, a number of changes, or Bounds(...)"))


def _orders(schedules: Any) -> Bounds:
    if schedules is True:
        return Bounds(changes=2, deviations=2, injections=0)
    runs = _count("schedules", schedules, "True, or how many are tried at most")
    return Bounds(changes=3, deviations=3, injections=0, runs=runs)


def _count(name: str, value: Any, legal: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise UsageError(f"{name} must be {legal}, not {value!r}")
    return value


def _kinds(given: tuple[Any, ...]) -> tuple[Kind, ...]:
    found: list[Kind] = []
    for one in given:
        kind = one if isinstance(one, Kind) else _KINDS.get(str(one).lower())
        if kind is None:
            known = ", ".join(map(repr, _KINDS))
            raise UsageError(f"cancel must be True, injections, or kinds of {known}; not {one!r}")
        found.append(kind)
    if not found:
        raise UsageError("cancel names no kind; for none at all, say cancel=False")
    return tuple(found)


# -- the others -----------------------------------------------------------------------------------


def _many(given: Any) -> tuple[Any, ...]:
    if given is None or isinstance(given, (str, bool, Kind, Injection)):
        return (given,)
    return tuple(given) if isinstance(given, Iterable) else (given,)  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]


def _hosts(given: Any) -> tuple[str, ...]:
    hosts = _many(given)
    for host in hosts:
        if host not in HOSTS:
            raise UsageError(f"hosts are {', '.join(map(repr, HOSTS))}; there is no {host!r}")
    if not hosts or len(set(hosts)) < len(hosts):
        raise UsageError(f"hosts must be at least one, each once, not {given!r}")
    return hosts


def _functions(given: Any) -> tuple[Callable[..., Any], ...]:
    functions = (given,) if callable(given) else _many(given)
    if wrong := [one for one in functions if not callable(one)]:
        raise UsageError(f"invariants must be functions of a Run, not {wrong[0]!r}")
    return functions


def _exceptions(given: Any) -> tuple[type[BaseException], ...]:
    types = (given,) if isinstance(given, type) else _many(given)
    for one in types:
        if not (isinstance(one, type) and issubclass(one, BaseException)):
            raise UsageError(f"allowed must be exception types, not {one!r}")
    return types


def _seed(given: Any) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise UsageError(f"seed must be an int, not {given!r}")
    return given


def _grace(given: Any) -> float | None:
    try:
        return None if given is None else checked_seconds(given, "grace")
    except (TypeError, ValueError) as exc:
        raise UsageError(str(exc)) from None


def _leaks(given: Any) -> frozenset[str]:
    if given is True or given is None:
        return frozenset(LEAKS)
    kinds = () if given is False else _many(given)
    for kind in kinds:
        if kind not in LEAKS:
            known = ", ".join(map(repr, LEAKS))
            raise UsageError(f"leaks must be True, False, or some of {known}; not {kind!r}")
    return frozenset(kinds)


def _timeout(given: Any) -> float | None:
    return None if given is None else seconds_of(given)


_READ: Final[Mapping[str, Callable[[Any], Any]]] = {
    "allowed": _exceptions,
    "budget": seconds_of,
    "grace": _grace,
    "hosts": _hosts,
    "invariants": _functions,
    "leaks": _leaks,
    "seed": _seed,
    "timeout": _timeout,
}
