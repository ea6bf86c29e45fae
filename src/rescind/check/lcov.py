"""Coverage in the format that lcov, genhtml, editors and review tools read.

*What it is.* A record for each file, a line for each await. A line counts as hit if a cancellation
was sent there. Each await has two branches: it goes on, and it is canceled.

*Threads.* Any.

*Source.* geninfo(1), "Tracefile format".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rescind.check.coverage import FileCoverage, Mark

__all__ = ["as_lcov"]


def as_lcov(files: Iterable[FileCoverage], name: str = "rescind_check") -> str:
    """Return the text of a tracefile."""
    lines: list[str] = []
    for file in files:
        # A test's name may have letters, digits and underscores alone.
        lines += (f"TN:{name}", f"SF:{file.file}")
        lines += _branches(file)
        lines += (f"DA:{one.line},{int(one.tried)}" for one in file.awaits)
        lines += (f"LF:{len(file.awaits)}", f"LH:{file.tried}", "end_of_record")
    return "".join(f"{line}\n" for line in lines)


def _branches(file: FileCoverage) -> Iterator[str]:
    hit = 0
    for one in file.awaits:
        reached = bool(one.marks & Mark.SEEN)
        for branch, taken in enumerate((reached, one.tried)):
            yield f"BRDA:{one.line},0,{branch},{int(taken) if reached else '-'}"
            hit += taken
    yield f"BRF:{2 * len(file.awaits)}"
    yield f"BRH:{hit}"
