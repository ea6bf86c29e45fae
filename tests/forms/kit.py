"""What the tests of the two forms share: is there a compiled one, and a process in either."""

import os
import subprocess
import sys
from _imp import extension_suffixes
from pathlib import Path

import pytest

import rescind

ROOT = Path(__file__).parents[2]
PACKAGE = Path(rescind.__file__).parent


def built() -> bool:
    """Has the package that is on the path a compiled form?"""
    suffixes = tuple(extension_suffixes())
    return any(file.name.endswith(suffixes) for file in (PACKAGE / "_core").iterdir())


needs_both = pytest.mark.skipif(
    not built(), reason="no compiled form is on the path: scripts/compiled.sh makes one"
)


def start(pure: str | None, *arguments: str) -> subprocess.Popen[bytes]:
    """Start Python with this ``RESCIND_PURE``, or without one."""
    environment = {key: value for key, value in os.environ.items() if key != "RESCIND_PURE"}
    environment["PYTHONPATH"] = str(PACKAGE.parent)
    if pure is not None:
        environment["RESCIND_PURE"] = pure
    pipe = subprocess.PIPE
    command = [sys.executable, *arguments]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdin=pipe, stdout=pipe, stderr=pipe
    )


def ran(process: subprocess.Popen[bytes], given: bytes = b"") -> str:
    """Return what a process wrote; it must have ended well, and have complained of nothing."""
    try:
        out, err = process.communicate(given, timeout=120)
    finally:
        process.kill()
    assert process.returncode == 0, err.decode()
    assert not err, err.decode()
    return out.decode()
