"""Where a coroutine is, noted so cheaply that it can be done for what is not told in the end.

*What it is.* A mark is a code object and the instruction in it for each frame, and holds no frame.
What is a library's, and which line it is, is sorted out only when somebody wants the words.

*Threads.* A coroutine's mark is taken on the thread of its runtime; words may be made on any.
"""

from __future__ import annotations

from types import CodeType, CoroutineType
from typing import Any, TypeAlias, cast

from rescind._core.cell import Cell
from rescind._core.coroutine import CoroutineFuture
from rescind._core.frames import from_library, own_file, shortened
from rescind._core.task import Task

__all__ = ["Mark", "label_of", "likeness", "mark", "mark_of", "words"]

Mark: TypeAlias = "tuple[tuple[CodeType, int], ...]"


def mark(coroutine: object) -> Mark:
    """Return where a suspended coroutine is, outermost frame first."""
    #: compiled: return marked(coroutine)
    frames: list[tuple[CodeType, int]] = []
    current: Any = coroutine
    while type(current) is CoroutineType:
        frame = current.cr_frame
        if frame is None:
            break
        frames.append((frame.f_code, frame.f_lasti))
        current = current.cr_await
    return tuple(frames)


def mark_of(cell: Cell[Any]) -> Mark:
    """Return where the coroutine of a cell is; empty if it is none, or has ended."""
    future: Any = cell.future
    for _ in range(4):  # what it is wrapped in
        if isinstance(future, CoroutineFuture):
            return mark(cast("CoroutineFuture[object]", future).coroutine)
        future = getattr(future, "inner", None)
    return ()


def likeness(where: Mark) -> tuple[tuple[int, int], ...]:
    """Return what two marks of the same place have in common; cheaper to compare than they are."""
    return tuple((id(code), at) for code, at in where)


def words(where: Mark) -> str:
    """Return the innermost place in the program's own code, as ``file:line in function``, or ''."""
    theirs = [one for one in where if not own_file(one[0].co_filename)]
    own = [one for one in theirs if not from_library(one[0].co_filename)] or theirs
    if not own:
        return ""
    code, at = own[-1]
    lines = (line for start, end, line in code.co_lines() if start <= at < end)
    line = next(lines, None) or code.co_firstlineno
    return f"{shortened(f'{code.co_filename}:{line}')} in {code.co_qualname}"


def label_of(cell: Cell[Any]) -> str:
    """Return how a task, or a child within one, is called in messages."""
    outer: Cell[Any] = cell
    while outer.parent is not None:
        outer = outer.parent
    label = repr(outer.future)
    if isinstance(outer, Task):
        task = cast("Task[object]", outer)
        label = f"task {task.id} {task.name!r}"
    return label if outer is cell else f"{cell.name or repr(cell.future)} in {label}"
