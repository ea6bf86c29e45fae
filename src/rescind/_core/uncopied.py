"""What a class says that lives once: it is neither copied nor pickled.

*What it is.* A task, a lock or a future is where others wait. A copy would have their waiters, and
nobody who wakes them; or the half of what the original is. So ``copy`` and ``pickle`` are refused.

*What it is not.* For outcomes and reasons, which are values, and for tokens and handles, of which
any number stand for one thing.

*Threads.* Any.
"""

from __future__ import annotations

from typing import Any

__all__ = ["refuse_copy"]


def refuse_copy(self: object) -> tuple[Any, ...]:
    """Refuse; to be assigned to ``__reduce__``, which copies and pickles alike begin with.

    Raises:
        TypeError: always.
    """
    raise TypeError(
        f"{type(self).__qualname__} can be neither copied nor pickled: it is where others wait, or "
        "holds what there is once; share it, make another one, or send the values that it holds"
    )
