"""Where a suspended coroutine is parked: the whole chain of awaits, as text.

*What it is.* Follows what each coroutine, generator and async generator awaits, to the innermost.
The objects between an ``async for`` and its generator, and between an ``await`` and what a custom
``__await__`` returns, do not say what they belong to; the collector knows.

*Threads.* A coroutine's stack is meaningful only while nobody runs it.
"""

from __future__ import annotations

import gc
from collections.abc import AsyncGenerator
from types import AsyncGeneratorType, CodeType, CoroutineType, GeneratorType
from typing import Any, cast

from rescind._core.frames import shortened

__all__ = ["Driven", "stack_of"]


def _links() -> frozenset[type]:
    """Return the types of the objects that stand between an await and what it awaits."""

    async def generator() -> AsyncGenerator[None]:
        yield

    async def coroutine() -> None: ...

    made = generator()
    awaited = coroutine()
    links: list[Any] = [made.__anext__(), anext(made, None), made.aclose(), awaited.__await__()]
    for link in links:
        link.close()
    return frozenset(map(type, links))


class Driven:
    """What stands around a coroutine, and is passed over in stacks."""

    coroutine: Any


_LINKS = _links()
_FRAMED = _LINKS | {CoroutineType, GeneratorType, AsyncGeneratorType}

_places: dict[tuple[CodeType, int], str | None] = {}


def stack_of(coro: Any) -> tuple[str, ...]:
    """Return where ``coro`` is parked, outermost first, as ``file:line in function``."""
    places: list[str] = []
    current: Any = coro
    while current is not None:
        kind = cast("type[object]", type(current))
        if kind is CoroutineType:
            frame, current = current.cr_frame, current.cr_await
        elif kind is GeneratorType:
            frame = current.gi_frame
            current = cast("object", current.gi_yieldfrom)
        elif kind is AsyncGeneratorType:
            frame, current = current.ag_frame, current.ag_await
        elif kind in _LINKS:
            current = _behind(current)
            continue
        elif isinstance(current, Driven):
            current = current.coroutine
            continue
        else:
            current = getattr(current, "cr_await", None)  # compiled coroutines have no frame
            continue
        if frame is not None:
            key = (frame.f_code, frame.f_lineno or 0)
            place = _places.get(key, "")
            if place == "":
                place = _places[key] = _place(*key, frame.f_globals.get("__name__", ""))
            if place is not None:
                places.append(place)
    return tuple(places)


def _behind(link: object) -> Any:
    referred: list[Any] = gc.get_referents(link)
    for found in referred:
        if type(found) in _FRAMED:
            return found
    return None


def _place(code: CodeType, line: int, module: str) -> str | None:
    """Return the place as users know it; None for the checker's own."""
    if module.startswith("rescind.check."):
        return None
    return f"{shortened(f'{code.co_filename}:{line}')} in {code.co_qualname}"
