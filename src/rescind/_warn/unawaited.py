"""A future that was made and thrown away: in words, with the place where it was made if known.

*What is known.* Of a coroutine, what it is and where it is defined; where it was made only if
asyncio's debug mode or ``tracemalloc`` has written that down.

*Threads.* Any; it is called by a finalizer.

*Source.* Python's own "coroutine was never awaited", which a coroutine that was handed over to a
future does not give any more.
"""

from __future__ import annotations

from _tracemalloc import is_tracing
from collections.abc import Hashable
from typing import Any, cast

from rescind._core.coroutine import CoroutineFuture
from rescind._core.frames import own_file, shortened
from rescind._core.poll import Future

__all__ = ["unawaited_line"]


def unawaited_line(future: Future[Any]) -> tuple[str, Hashable]:
    """Return the line, and what makes two of them alike."""
    if isinstance(future, CoroutineFuture):
        coroutine: Any = cast("CoroutineFuture[object]", future).coroutine
        code: Any = getattr(coroutine, "cr_code", None)
        made = _made(coroutine)
        defined = ""
        if code is not None:
            defined = f" ({shortened(f'{code.co_filename}:{code.co_firstlineno}')})"
        text = (
            f"coroutine {coroutine.__qualname__!r}{defined} was handed to a future that was never "
            f"awaited{made}, so that nothing of it has run. Await what race, timeout or whatever "
            "took it has returned, or spawn it"
        )
        return text, (made, defined)
    made = _made(future)
    text = f"{future!r} was made and never awaited{made}, so that nothing has happened. Await it"
    return text, (made, type(future))


def _made(what: object) -> str:
    """Where it was made, if somebody has written that down."""
    origin: Any = getattr(what, "cr_origin", None)
    if origin:
        file, line, _ = origin[0]
        return f", made at {shortened(f'{file}:{line}')}"
    if not is_tracing():
        return ""
    # It brings pickle along, which a program that does not trace should not have to import.
    import tracemalloc

    trace = tracemalloc.get_object_traceback(what)
    own = [frame for frame in trace or () if not own_file(frame.filename)]
    return f", made at {shortened(f'{own[-1].filename}:{own[-1].lineno}')}" if own else ""
