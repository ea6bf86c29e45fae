"""`PEERS`: whom rescind is compared with, and the process that each of them lives in.

*What it is not.* What a peer does for a subject: that is in `bench.subjects`, by family.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["PEERS", "ROOT", "Peer", "Place", "baseline", "compiled_for"]

ROOT: Final = Path(__file__).resolve().parents[1]
COMPILED: Final = ROOT / "build" / "compiled"
TOKIO: Final = ROOT / "build" / "bench-tokio" / "release" / "bench-tokio"


@dataclass(frozen=True)
class Peer:
    """Whom rescind is compared with.

    Args:
        name: as the command line and the results call it.
        about: for a reader of the results.
        family: which function of a subject it runs.
        loop: what carries it, where a family has several.
        form: of rescind: compiled, interpreted, or whichever is there.
    """

    name: str
    about: str
    family: str
    loop: str = ""
    form: str = ""


PEERS: Final = (
    Peer("rescind", "rescind, compiled", "rescind", "asyncio", "compiled"),
    Peer("rescind-pure", "rescind, interpreted", "rescind", "asyncio", "interpreted"),
    Peer("rescind-uvloop", "rescind on uvloop, compiled if it can be", "rescind", "uvloop", "any"),
    Peer("asyncio", "asyncio", "asyncio", "asyncio"),
    Peer("asyncio-eager", "asyncio with eager tasks", "asyncio", "eager"),
    Peer("uvloop", "asyncio on uvloop", "asyncio", "uvloop"),
    Peer("rloop", "asyncio on rloop", "asyncio", "rloop"),
    Peer("trio", "trio", "trio"),
    Peer("anyio", "anyio on asyncio", "anyio"),
    Peer("curio", "curio", "curio"),
    Peer("tokio", "tokio on one thread, in Rust: the limit", "tokio"),
)


def baseline(names: frozenset[str] | set[str]) -> str | None:
    """Return the peer that stands for rescind among those that ran."""
    for name in ("rescind", "rescind-pure", "rescind-uvloop"):
        if name in names:
            return name
    return None


def compiled_for(python: str) -> Path:
    """Return where `make compiled` puts the compiled form of rescind for an interpreter."""
    asked = [python, "-c", "import sys; print(*sys.version_info[:2], sep='.')"]
    said = subprocess.run(asked, check=True, stdout=subprocess.PIPE, text=True)
    return COMPILED / said.stdout.strip()


@dataclass(frozen=True)
class Place:
    """Where peers are found.

    Args:
        python: the interpreter of all of them but tokio.
        compiled: a directory with the compiled form of rescind, for the head of the path.
        tokio: the Rust program.
    """

    python: str
    compiled: Path = COMPILED / ".".join(map(str, sys.version_info[:2]))
    tokio: Path = TOKIO

    def missing(self, peer: Peer) -> str | None:
        """Say what is not there that can be seen without starting the peer."""
        if peer.form == "compiled" and not self.compiled.is_dir():
            return (
                f"there is no compiled form in {_short(self.compiled)}; `make compiled` builds it"
            )
        if peer.family == "tokio" and not self.tokio.is_file():
            return "its program is not built; `make bench-tokio` does that, with cargo"
        return None

    def command(self, peer: Peer) -> list[str]:
        """Return what starts the peer's process."""
        if peer.family == "tokio":
            return [str(self.tokio)]
        return [self.python, "-m", "bench.worker", peer.name]

    def environment(self, peer: Peer, base: Mapping[str, str] = os.environ) -> dict[str, str]:
        """Return the environment of its process: which form of rescind is found, above all."""
        environment = {
            name: value
            for name, value in base.items()
            if name not in ("PYTHONPATH", "RESCIND_PURE", "PYTHONASYNCIODEBUG", "PYTHONDEVMODE")
        }
        path = [str(ROOT / "src"), str(ROOT)]
        if peer.form in ("compiled", "any") and self.compiled.is_dir():
            path.insert(0, str(self.compiled))
        if peer.form == "interpreted":
            environment["RESCIND_PURE"] = "1"
        environment["PYTHONPATH"] = os.pathsep.join(path)
        environment["PYTHONHASHSEED"] = "0"
        return environment


def _short(path: Path) -> str:
    return str(path.relative_to(ROOT) if path.is_relative_to(ROOT) else path)
