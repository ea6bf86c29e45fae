"""Count what hooks cost while nobody listens: `python -m bench.overhead --off`.

*What it is.* A copy of the package is built as a release is, and valgrind counts the instructions
of operations (`bench.instructions`). Then each ``if hooks.EVENT is not None:`` of the copy becomes
``if False:``, which both compilers leave out, and ``and hooks.EVENT is None`` goes from a
condition; it is built and counted again. The difference is what the hooks cost.

*What it is not.* A measure of time: but these are tests of a pointer which always come out in the
same way, so that an instruction of theirs takes no longer than one of the others.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.counted import QUIET, YARDSTICK
from bench.instructions import FORMS, Counts, Unable, counted
from bench.peers import ROOT, Peer, Place

__all__ = ["Copy", "Cost", "costs", "main", "without_hooks"]

#: What a build needs of the repository.
_NEEDED: Final = ("src", "scripts", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md")
_GUARD: Final = re.compile(r"^( *)if hooks\.\w+ is not None:$", re.MULTILINE)
#: That nobody listens, as one condition of several.
_NOBODY: Final = re.compile(r"^( *if .*) and hooks\.\w+ is None:$", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """An operation, and what its hooks cost while nobody listens.

    Args:
        operation: which.
        count: instructions that it takes.
        hooks: how many of them are those of hooks.
    """

    operation: str
    count: int
    hooks: int

    def line(self) -> str:
        """Return it in words."""
        text = f"  {self.operation:18} {self.count:>9,} instructions, {self.hooks:>5,} for hooks"
        return f"{text}: {self.hooks / self.count:.2%}"


@dataclass(frozen=True)
class Copy(Place):
    """A place where the package is found in a copy of the repository.

    Args:
        source: of that copy.
    """

    source: Path = ROOT / "src"

    def environment(self, peer: Peer, base: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a peer's process, where the copy is found first."""
        found = super().environment(peer) if base is None else super().environment(peer, base)
        head = self.compiled if peer.form == "compiled" else self.source
        found["PYTHONPATH"] = f"{head}:{ROOT}"
        return found


def without_hooks(text: str) -> str:
    """Return the source of a module without its hooks; no line moves."""
    return _NOBODY.sub(r"\1:", _GUARD.sub(r"\1if False:", text))


def costs(before: Mapping[str, int], after: Mapping[str, int]) -> list[Cost]:
    """Compare counts with hooks and without."""
    return [
        Cost(name, count, count - after[name])
        for name, count in before.items()
        if name != YARDSTICK
    ]


def _built(tree: Path) -> Path:
    """Build the copy as `make compiled` does, and return where the package is."""
    command = ["sh", "scripts/compiled.sh", sys.executable]
    done = subprocess.run(command, cwd=tree, check=False, capture_output=True, text=True)
    if done.returncode or not done.stdout.strip():
        raise Unable(f"the copy cannot be built:\n{done.stderr}")
    return Path(done.stdout.splitlines()[-1])


def _counted(peer: Peer, tree: Path) -> Counts:
    compiled = _built(tree) if peer.form == "compiled" else tree
    return counted(peer, Copy(sys.executable, compiled, source=tree / "src"), QUIET)


def main() -> int:
    """Count in both forms, and print; 1: it cannot be done here."""
    for peer in FORMS.values():
        print(f"{peer.about}, Python {sys.version.split()[0]}: while nobody listens", flush=True)
        with tempfile.TemporaryDirectory(prefix="bench-hookless-") as folder:
            tree = Path(folder)
            for name in _NEEDED:
                if (ROOT / name).is_dir():
                    left = shutil.ignore_patterns("__pycache__", "*.so", "*.egg-info")
                    shutil.copytree(ROOT / name, tree / name, ignore=left)
                else:
                    shutil.copy2(ROOT / name, tree / name)
            try:
                before = _counted(peer, tree)
                for module in (tree / "src").rglob("*.py"):
                    text = module.read_text(encoding="utf-8")
                    if text != (bare := without_hooks(text)):
                        module.write_text(bare, encoding="utf-8")
                after = _counted(peer, tree)
            except Unable as error:
                print(f"  it cannot be counted: {error}")
                return 1
        for cost in costs(before, after):
            print(cost.line(), flush=True)
    return 0
