"""`Mutant`: one fault, put into the source on purpose, and who is expected to notice.

*What it is.* Data: which promise the fault breaks, where it is put in, and the laws, model checks and
explorations that ought to fail with it. `scripts/mutants.py` puts each into a copy of the source
and runs them.

*What makes a good one.* Somebody could have written it, and most programs would still run: a
wake-up that is forgotten, a line that is given up in the wrong order. What fails at its first use
says nothing about who looks after what is hard.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Mutant", "Stale"]


class Stale(Exception):
    """The snippet of a mutant is not in its file, or is there more than once."""


@dataclass(frozen=True)
class Mutant:
    """A fault.

    Attributes:
        id: how it is called.
        breaks: which promise it breaks, in one sentence.
        rule: the rule (R), the law (P) or the invariant of the module that says so.
        file: where it is put in, below ``src/rescind``.
        old: a snippet that occurs exactly once there.
        new: what takes its place.
        killers: who is expected to notice, the quickest first: ``P15`` for the functions that state that
            law, or what pytest calls a test.
        survives: why nobody can notice; empty if somebody does.
    """

    id: str
    breaks: str
    rule: str
    file: str
    old: str
    new: str
    killers: tuple[str, ...] = ()
    survives: str = ""

    def applied(self, source: Path) -> str:
        """Return the text of the file with the fault in it.

        Args:
            source: the directory that has the package.

        Raises:
            Stale: the snippet does not occur exactly once.
        """
        path = source / "rescind" / self.file
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        found = text.count(self.old)
        if found != 1:
            raise Stale(
                f"{self.id}: the snippet occurs {found} times in {self.file}, and has to occur once: "
                f"{self.old!r}"
            )
        return text.replace(self.old, self.new)
