"""`Use`: one way to use asyncio or a library on it, which tells what came out."""

import importlib.util
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any

__all__ = ["Use", "battery"]


@dataclass(frozen=True)
class Use:
    """A use that opens what it needs, ends it, and returns what it saw.

    Attributes:
        name: what is used, as in the table of README.md.
        run: the use; its argument is the port of the server.
        expected: what it returns, whoever drives it.
        needs: the modules without which it cannot be run.
        server: the server that is needed, ``"redis"`` or ``"postgres"``.
        since: the first Python that has it.
    """

    name: str
    run: Callable[[int], Coroutine[Any, Any, Any]]
    expected: object
    needs: tuple[str, ...] = ()
    server: str | None = None
    since: tuple[int, int] = (3, 11)

    def missing(self) -> str | None:
        """Return the name of a module that is not installed, if there is one."""
        return next((name for name in self.needs if importlib.util.find_spec(name) is None), None)


Function = Callable[[int], Coroutine[Any, Any, Any]]


def battery(package: str, into: list[Use]) -> Callable[..., Callable[[Function], Function]]:
    """Return the decorator that puts a use of ``package`` into the list."""

    def use(
        expected: object,
        *,
        name: str | None = None,
        needs: tuple[str, ...] = (),
        server: str | None = None,
        since: tuple[int, int] = (3, 11),
    ) -> Callable[[Function], Function]:
        def put(function: Function) -> Function:
            what = name or f"{package}: {function.__name__.strip('_').replace('_', ' ')}"
            into.append(Use(what, function, expected, needs, server, since))
            return function

        return put

    return use


async def outcome(awaitable: Awaitable[Any]) -> Any:
    """Return the value, or the name of the exception's class."""
    try:
        return await awaitable
    except Exception as exc:
        return type(exc).__name__
