"""What is in `corpus/`: each case, its versions, and what must not be counted.

`corpus/README.md` explains the keys of `case.toml`; a key that is not there is a mistake.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal

__all__ = ["ROOT", "Case", "CorpusError", "Explained", "Version", "read_case", "read_corpus"]

ROOT: Final = Path(__file__).resolve().parents[2]

Role = Literal["buggy", "fixed", "open"]
Meant = Role | Literal["any"]
_MEANT: Final[dict[str, Meant]] = {
    "buggy": "buggy",
    "fixed": "fixed",
    "open": "open",
    "any": "any",
}

_KEYS: Final = {
    *("library", "kind", "issue", "buggy", "fixed", "open", "python", "python_buggy"),
    *("python_fixed", "server", "smoke", "explained", "slow_server", "slow_environ", "settle"),
    *("also", "what", "result", "thorough"),
}
_EXPLAINED_KEYS: Final = {
    *("version", "reason", "detectors", "places", "modes", "missed", "invariants"),
}


class CorpusError(Exception):
    """A file of the corpus is not as it should be; the message says which, and what is wrong."""


@dataclass(frozen=True)
class Version:
    """One version of what is tested: the requirements that make it, and the interpreter."""

    role: Role
    requirements: tuple[str, ...]
    #: `3.11` for any 3.11, `3.12.1` for exactly that.
    python: str

    @property
    def has_bug(self) -> bool:
        """Whether something is to be found in it."""
        return self.role != "fixed"


@dataclass(frozen=True)
class Explained:
    """What must not be counted, and why: findings that match, or a version that is missed."""

    version: Meant
    reason: str
    detectors: tuple[str, ...] = ("*",)
    places: tuple[str, ...] = ("*",)
    modes: tuple[str, ...] = ("*",)
    #: It excuses that nothing was found, and no finding.
    missed: bool = False
    #: Where only runs `with` or `without` the invariants are meant.
    invariants: Literal["with", "without", "both"] = "both"

    def covers(self, role: Role, *, invariants: bool) -> bool:
        """Whether it is about this version, run with or without the invariants."""
        return self.version in (role, "any") and self.invariants in (
            "both",
            "with" if invariants else "without",
        )

    def matches(self, detector: str, place: str, mode: str) -> bool:
        """Whether a finding is one that it explains."""
        return not self.missed and all(
            any(fnmatchcase(text, pattern) for pattern in patterns)
            for text, patterns in (
                (detector, self.detectors),
                (place, self.places),
                (mode, self.modes),
            )
        )


@dataclass(frozen=True)
class Case:
    """A directory of the corpus."""

    #: The directory below `corpus/`: `redis-command`, `open/aiohttp-waiter`.
    name: str
    scenario: Path
    library: str
    kind: str
    versions: tuple[Version, ...]
    servers: tuple[str, ...] = ()
    explained: tuple[Explained, ...] = ()
    smoke: bool = False
    #: Whether the bug shows only between callbacks.
    thorough: bool = False
    #: For tools that cannot hold answers back: the servers and variables to use instead.
    slow_servers: tuple[str, ...] = ()
    slow_environ: tuple[tuple[str, str], ...] = ()
    #: And how long after the cancellation they look, in seconds.
    settle: float = 0.02

    @property
    def python_is_the_bug(self) -> bool:
        """Whether the versions differ in the interpreter alone."""
        return len({version.python for version in self.versions}) > 1


def read_corpus(corpus: Path = ROOT / "corpus") -> list[Case]:
    """Return all cases in the order of their names, those that are open last.

    Raises:
        CorpusError: a case is not as it should be, or there is none.
    """
    folders = sorted(path.parent for path in corpus.glob("*/case.toml"))
    folders += sorted(path.parent for path in corpus.glob("open/*/case.toml"))
    if not folders:
        raise CorpusError(f"there is no case in {corpus}")
    return [read_case(folder, folder.relative_to(corpus).as_posix()) for folder in folders]


def read_case(folder: Path, name: str) -> Case:
    """Return one case.

    Raises:
        CorpusError: a file is missing, or says something that means nothing.
    """
    path = folder / "case.toml"
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as exc:
        raise CorpusError(f"{path}: {exc}") from exc
    scenario = folder / "scenario.py"
    if not scenario.exists():
        raise CorpusError(f"{scenario} is missing")
    _only(path, data, _KEYS, "")
    read = _Reader(path, data)
    return Case(
        name=name,
        scenario=scenario,
        library=read.text("library"),
        kind=read.text("kind"),
        versions=_versions(path, read),
        servers=read.texts("server"),
        explained=tuple(_explained(path, entry) for entry in data.get("explained", [])),
        smoke=bool(data.get("smoke", False)),
        thorough=bool(data.get("thorough", False)),
        slow_servers=read.texts("slow_server") or read.texts("server"),
        slow_environ=tuple(sorted((k, str(v)) for k, v in data.get("slow_environ", {}).items())),
        settle=float(data.get("settle", 0.02)),
    )


def _versions(path: Path, read: _Reader) -> tuple[Version, ...]:
    if "open" in read.data:
        return (Version("open", read.texts("open"), read.text("python")),)
    if "python_buggy" in read.data:
        return (
            Version("buggy", read.texts("buggy"), read.text("python_buggy")),
            Version("fixed", read.texts("fixed"), read.text("python_fixed")),
        )
    if not ("buggy" in read.data and "fixed" in read.data):
        raise CorpusError(f"{path} names no version: neither buggy and fixed, nor open")
    return (
        Version("buggy", read.texts("buggy"), read.text("python")),
        Version("fixed", read.texts("fixed"), read.text("python")),
    )


def _explained(path: Path, entry: dict[str, Any]) -> Explained:
    _only(path, entry, _EXPLAINED_KEYS, "[[explained]] ")
    read = _Reader(path, entry)
    invariants = entry.get("invariants", "both")
    version = _MEANT.get(read.text("version"))
    if version is None:
        raise CorpusError(f"{path}: version = {entry['version']!r} is none of {', '.join(_MEANT)}")
    if invariants not in ("with", "without", "both"):
        raise CorpusError(f"{path}: invariants = {invariants!r} is none of with, without, both")
    return Explained(
        version=version,
        reason=read.text("reason"),
        detectors=read.texts("detectors") or ("*",),
        places=read.texts("places") or ("*",),
        modes=read.texts("modes") or ("*",),
        missed=bool(entry.get("missed", False)),
        invariants=invariants,
    )


@dataclass(frozen=True)
class _Reader:
    """Takes values out of a table, and says where one is not what it should be."""

    path: Path
    data: dict[str, Any]

    def text(self, key: str) -> str:
        value = self.data.get(key)
        if not isinstance(value, str) or not value:
            raise CorpusError(f"{self.path}: {key} has to be a text, not {value!r}")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        values: Any = self.data.get(key, [])
        if not isinstance(values, list) or not all(isinstance(v, str) for v in values):  # pyright: ignore[reportUnknownVariableType]
            raise CorpusError(f"{self.path}: {key} has to be a list of texts, not {values!r}")
        return tuple(values)  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]


def _only(path: Path, table: dict[str, Any], keys: set[str], where: str) -> None:
    unknown = sorted(table.keys() - keys)
    if unknown:
        raise CorpusError(f"{path}: {where}{', '.join(unknown)} means nothing; see README.md there")
