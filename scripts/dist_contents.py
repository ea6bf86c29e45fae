#!/usr/bin/env python3
"""Say what is wrong with the archives of a release: what each must hold, and what it must not.

dist_contents.py ARCHIVE...      the sdist and the wheels, against the tree
dist_contents.py --same A B      two wheels, file by file

*What it is not.* What builds them: that is `scripts/dist.sh`.
"""

from __future__ import annotations

import re
import sys
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]

#: What an sdist has beside the package.
BESIDE = frozenset({"LICENSE", "MANIFEST.in", "README.md", "pyproject.toml", "setup.py"})

#: What setuptools adds to it.
_MADE = re.compile(r"PKG-INFO|setup\.cfg|src/rescind\.egg-info/.*")

#: What makes a module compiled, and is for those who build.
_DECLARED = (".pxd", ".pyx")

_MODULE = re.compile(r"(.*)\.(?:cpython-[\w-]+\.so|cp\d+-\w+\.pyd)")
_PURE = "py3-none-any"


def source(root: Path) -> set[str]:
    """Return the names of what is below `src` in a tree, as an sdist calls them."""
    return {
        path.relative_to(root).as_posix()
        for path in (root / "src").rglob("*")
        if path.is_file()
        and path.suffix not in {".c", ".pyc", ".so"}
        and not any(part.endswith(".egg-info") for part in path.parts)
    }


def names_of(archive: Path) -> list[str]:
    """Return the files in an archive; those of an sdist without the directory around them."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.namelist()
    with tarfile.open(archive) as sdist:
        files = [member.name for member in sdist.getmembers() if member.isfile()]
    return [str(PurePosixPath(*PurePosixPath(name).parts[1:])) for name in files]


def faults_of_sdist(names: Sequence[str], root: Path = ROOT) -> list[str]:
    """Compare an sdist's files with the tree: it has what builds the package, and nothing else."""
    found = {name for name in names if not _MADE.fullmatch(name)}
    return _differences(found, BESIDE | source(root))


def faults_of_wheel(archive: str, names: Sequence[str], root: Path = ROOT) -> list[str]:
    """Compare a wheel's files with the tree: each module, compiled too where the tag says so."""
    wanted = {name.removeprefix("src/") for name in source(root)}
    modules = {name.rpartition(".")[0] for name in wanted if name.endswith(".pxd")}
    plain = {name for name in wanted if not name.endswith(_DECLARED)}
    found: set[str] = set()
    compiled: set[str] = set()
    for name in names:
        match = _MODULE.fullmatch(name)
        if match is not None:
            compiled.add(match[1])
        elif ".dist-info/" not in name:
            found.add(name)
    pure = archive.endswith(f"-{_PURE}.whl")
    return [
        *_differences(found, plain),
        *_differences(compiled, set() if pure else modules, "the compiled form of "),
    ]


def differences_of_wheels(one: Path, other: Path) -> list[str]:
    """Return what differs between two wheels: in names, or in a file's content."""
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        left, right = set(first.namelist()), set(second.namelist())
        changed = [
            f"{name} differs"
            for name in sorted(left & right)
            if first.read(name) != second.read(name)
        ]
    return [*_differences(right, left), *changed]


def _differences(found: set[str], wanted: set[str] | frozenset[str], what: str = "") -> list[str]:
    return [
        *(f"{what}{name} is missing" for name in sorted(wanted - found)),
        *(f"{what}{name} does not belong there" for name in sorted(found - wanted)),
    ]


def main(arguments: Sequence[str]) -> int:
    """Print what is wrong; 1: something is."""
    faults: list[str] = []
    if arguments[:1] == ["--same"]:
        one, other = map(Path, arguments[1:])
        faults += [f"{one} and {other}: {fault}" for fault in differences_of_wheels(one, other)]
    else:
        for archive in map(Path, arguments):
            names = names_of(archive)
            wheel = archive.suffix == ".whl"
            seen = faults_of_wheel(archive.name, names) if wheel else faults_of_sdist(names)
            faults += [f"{archive}: {fault}" for fault in seen]
    for fault in faults:
        print(fault, file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
