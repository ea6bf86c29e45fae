"""Virtual environments with exactly the pins of a version, made once and kept below `.corpus/`.

An environment is named after its interpreter and a digest of what is asked for, so cases with the
same pins share one, and a pin that changes makes a new one. The file `.installed` is its last: an
environment without it is made anew.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Final

from scripts.corpus_harness.cases import ROOT

__all__ = ["CACHE", "EnvironmentFailed", "NoInterpreter", "environment", "find_python", "own_extra"]

#: Where environments, reports and tables are.
CACHE: Final = ROOT / ".corpus"
#: How long one installation may take, in seconds.
PATIENCE: Final = 600


class NoInterpreter(Exception):
    """The Python that is asked for is not on this machine."""


class EnvironmentFailed(Exception):
    """An environment could not be made; the message has the last lines of what was said."""


def own_extra(extra: str) -> tuple[str, ...]:
    """Return what one of the project's own extras asks for: its command line needs some."""
    data = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return tuple(data["project"]["optional-dependencies"][extra])


def environment(wanted: str, requirements: Iterable[str], cache: Path = CACHE) -> Path:
    """Return the interpreter of an environment with these requirements; make it if need be.

    Args:
        wanted: the version of Python, as in `find_python`.
        requirements: what pip is to install, in its own words.
        cache: where to keep it.

    Raises:
        NoInterpreter: there is no such Python here.
        EnvironmentFailed: pip failed.
    """
    base = find_python(wanted)
    lines = sorted(requirements)
    version = _version_of(base)
    digest = hashlib.sha256("\n".join([version or "", str(base), *lines]).encode()).hexdigest()
    folder = cache / "environments" / f"py{version}-{digest[:10]}"
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    if (folder / ".installed").exists():
        return python
    shutil.rmtree(folder, ignore_errors=True)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _run([str(base), "-m", "venv", str(folder)])
    (folder / "requirements.txt").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    if lines:
        _run(
            [
                *(str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--requirement", str(folder / "requirements.txt")),
            ]
        )
    (folder / ".installed").touch()
    return python


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise EnvironmentFailed(str(exc)) from exc
    if done.returncode != 0:
        said = " / ".join(line for line in done.stdout.strip().splitlines()[-4:] if line.strip())
        raise EnvironmentFailed(said or f"{command[0]} ended with exit code {done.returncode}")


def find_python(wanted: str) -> Path:
    """Return an interpreter: on the PATH, or in pyenv, or the one that runs this.

    Args:
        wanted: `3.12.1` for exactly that version, `3.12` for the newest 3.12 that is found.

    Raises:
        NoInterpreter: there is none.
    """
    if not re.fullmatch(r"\d+\.\d+(\.\d+)?", wanted):
        raise NoInterpreter(f"{wanted!r} is no version of Python; write 3.12 or 3.12.1")
    minor = ".".join(wanted.split(".")[:2])
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    on_path = shutil.which(f"python{minor}")
    candidates = [
        # What makes an environment has to be no environment itself.
        Path(getattr(sys, "_base_executable", sys.executable)),
        *([Path(on_path)] if on_path else []),
        *sorted(pyenv.glob(f"{minor}*/bin/python")),
    ]
    fitting = [
        (tuple(map(int, version.split("."))), -index, path)
        for index, path in enumerate(candidates)
        if (version := _version_of(path)) is not None
        and (version == wanted or version.rpartition(".")[0] == wanted)
    ]
    if not fitting:
        raise NoInterpreter(f"there is no Python {wanted} on the PATH, nor in pyenv")
    return max(fitting)[2]


@cache
def _version_of(python: Path) -> str | None:
    """Return the version of an interpreter, or None if it does not run or cannot make a venv."""
    probe = "import sys, venv, ensurepip; print('%d.%d.%d' % sys.version_info[:3])"
    try:
        done = subprocess.run(
            [str(python), "-c", probe],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
