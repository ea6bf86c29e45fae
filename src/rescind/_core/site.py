"""`Site`: a place in the source.

*Threads.* Any.
"""

from __future__ import annotations

from .record import Record, fill

__all__ = ["Site"]


class Site(Record):
    """A place in the source: ``file:line``, in a function.

    Attributes:
        file: the file's name as the interpreter knows it.
        line: the line, counted from 1.
        function: the qualified name of the function.
    """

    __slots__ = ("file", "function", "line")
    __match_args__ = ("file", "line", "function")

    file: str
    line: int
    function: str

    def __init__(self, file: str, line: int, function: str) -> None:
        fill(self, file, line, function)

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
