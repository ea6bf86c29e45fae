"""`circle_among`: who waits for whom in a circle, if anybody does.

*Threads.* Any; it reads what it is given.

*Source.* Depth-first search with three colors, without recursion: chains may be long.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import TypeVar

__all__ = ["circle_among"]

N = TypeVar("N", bound=Hashable)


def circle_among(nodes: Iterable[N], ahead: Callable[[N], Iterable[N]]) -> list[N]:
    """Return a circle in the order of waiting, the first one at its end again; [] if there is none.

    Args:
        nodes: where to begin.
        ahead: for whom one of them waits.

    Example:
        >>> from rescind._warn.circles import circle_among
        >>> circle_among("abc", {"a": "b", "b": "c", "c": "b"}.__getitem__)
        ['b', 'c', 'b']
    """
    done: set[N] = set()
    for start in nodes:
        path: list[N] = []
        on_path: dict[N, int] = {}
        stack: list[Iterator[N]] = [iter((start,))]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                if path:
                    last = path.pop()
                    del on_path[last]
                    done.add(last)
            elif node in on_path:
                return [*path[on_path[node] :], node]
            elif node not in done:
                on_path[node] = len(path)
                path.append(node)
                stack.append(iter(ahead(node)))
    return []
