"""`Site`: a place in the source.

Apart from `frames`, which every program imports: most never ask for a place.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Site"]


@dataclass(frozen=True, slots=True)
class Site:
    """A place in the source: ``file:line``, in a function.

    Attributes:
        file: the file's name as the interpreter knows it.
        line: the line, counted from 1.
        function: the qualified name of the function.
    """

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"
