"""The closing of a coroutine that is not finished, and what may come out of it.

*What it is.* ``GeneratorExit`` is thrown into the innermost one. One that goes on after that, and
awaits again, cannot be closed: it is abandoned.

*Threads.* The executor's thread.
"""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from .errors import Abandoned
from .frames import await_chain, await_stack, strip

__all__ = ["close"]


def close(coro: Coroutine[Any, Any, Any], owner: object) -> list[BaseException]:
    """Close a coroutine that has begun; return what it raised, none or one.

    Args:
        coro: a coroutine.
        owner: whose it is, for the text of an `Abandoned`.
    """
    chain = await_chain(coro)
    stack = await_stack(coro)
    try:
        coro.close()
    except RuntimeError as exc:
        if "ignored GeneratorExit" not in str(exc):
            strip(exc)
            return [exc]
        place = await_stack(coro) or stack
        error = Abandoned(
            f"{owner!r} went on after it had been closed, and is never polled again; it hangs at "
            f"{place[-1] if place else 'an unknown place'}. Let GeneratorExit pass, and do not "
            "await while it is handled"
        )
        error.coroutines = chain
        return [error]
    except BaseException as exc:
        strip(exc)
        return [exc]
    return []
