"""`driver_of`: how a peer runs an async function to its end. Runs in the peer's own process."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any, TypeAlias

from bench.peers import Peer

__all__ = ["Driver", "Unavailable", "driver_of"]

Main: TypeAlias = Callable[[], Coroutine[Any, Any, None]]


class Unavailable(Exception):
    """This peer is not here; the message says why."""


@dataclass(frozen=True)
class Driver:
    """How a peer runs, and what it is.

    Args:
        run: drives an async function to its end.
        version: of what is measured, for the results.
    """

    run: Callable[[Main], object]
    version: str


def driver_of(peer: Peer) -> Driver:
    """Return how it runs.

    Raises:
        Unavailable: it is not installed, or not for this Python.
    """
    try:
        return _MAKERS[peer.family](peer)
    except (ImportError, AttributeError) as error:
        # AttributeError: curio 1.6 asks for a name that multiprocessing has no longer.
        raise Unavailable(f"it cannot be imported: {error}") from error


def _rescind(peer: Peer) -> Driver:
    import rescind
    import rescind._core
    from rescind.runtime import HostChoice

    compiled = bool(getattr(rescind._core, "compiled", False))
    form = "compiled" if compiled else "interpreted"
    if peer.form not in ("any", form):
        raise Unavailable(f"rescind was found in its {form} form")
    host: HostChoice = "uvloop" if peer.loop == "uvloop" else "asyncio"
    if host == "uvloop":
        import_module("uvloop")

    def run(main: Main) -> object:
        return rescind.run(main, host=host, handle_signals=False)

    return Driver(run, f"{rescind.__version__} {form}")


def _asyncio(peer: Peer) -> Driver:
    factory: Callable[[], asyncio.AbstractEventLoop] | None = None
    version = _python()
    if peer.loop in ("uvloop", "rloop"):
        factory = import_module(peer.loop).new_event_loop
        version = metadata.version(peer.loop)
    eager: Any = getattr(asyncio, "eager_task_factory", None)
    if peer.loop == "eager" and eager is None:
        raise Unavailable("eager tasks need Python 3.12 or newer")

    async def eagerly(main: Main) -> None:
        asyncio.get_running_loop().set_task_factory(eager)
        await main()

    def run(main: Main) -> object:
        with asyncio.Runner(loop_factory=factory) as runner:
            return runner.run(eagerly(main) if peer.loop == "eager" else main())

    return Driver(run, version)


def _trio(_peer: Peer) -> Driver:
    trio = import_module("trio")
    return Driver(trio.run, metadata.version("trio"))


def _anyio(_peer: Peer) -> Driver:
    anyio = import_module("anyio")
    return Driver(anyio.run, metadata.version("anyio"))


def _curio(_peer: Peer) -> Driver:
    curio = import_module("curio")
    return Driver(curio.run, metadata.version("curio"))


def _python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


_MAKERS: dict[str, Callable[[Peer], Driver]] = {
    "rescind": _rescind,
    "asyncio": _asyncio,
    "trio": _trio,
    "anyio": _anyio,
    "curio": _curio,
}
