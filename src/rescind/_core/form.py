"""Which form of the core runs: compiled where the build has one, unless ``RESCIND_PURE=1`` is set.

*What it is.* Compiled modules lie beside the plain ones that they were made from, and an import
prefers them. With ``RESCIND_PURE=1`` in the environment when rescind is imported, the package's
directories get finders that know source and bytecode only; and so in an interpreter other than the
process's first, since compiled modules can be loaded into one alone. This module is imported before
any of those, and is always plain.

*Source.* "The import system" in Python's reference: path entry finders and
``sys.path_importer_cache``; docs/design/0057.
"""

from __future__ import annotations

import os
import sys
from typing import Any, Final

__all__ = ["compiled", "select"]

_VARIABLE = "RESCIND_PURE"


def select(package: str) -> bool:
    """Hide the compiled modules of a package's directory, if the environment asks for it.

    Returns:
        Will the compiled form run? False if there is none.

    Raises:
        ValueError: the variable is neither ``0`` nor ``1`` nor empty.
    """
    # Loaded at every start, this has no part of the standard library that is not there anyway.
    import _imp

    wish = os.environ.get(_VARIABLE, "")
    if wish not in ("", "0", "1"):
        raise ValueError(
            f"{_VARIABLE} must be 1 (run the core as plain Python) or 0 (compiled, if the build "
            f"has that), not {wish!r}"
        )
    suffixes = tuple(_imp.extension_suffixes())
    if wish != "1" and _main_interpreter():
        return any(file.endswith(suffixes) for file in os.listdir(os.path.join(package, "_core")))
    from importlib import machinery

    for folder, _, files in os.walk(package):
        if any(file.endswith(suffixes) for file in files):
            sys.path_importer_cache[folder] = machinery.FileFinder(
                folder,
                (machinery.SourceFileLoader, machinery.SOURCE_SUFFIXES),
                (machinery.SourcelessFileLoader, machinery.BYTECODE_SUFFIXES),
            )
    return False


def _main_interpreter() -> bool:
    """Is this the process's first interpreter? The compiled form belongs to one alone."""
    name = "_interpreters" if sys.version_info >= (3, 13) else "_xxsubinterpreters"
    try:
        interpreters: Any = __import__(name)
    except ImportError:
        return True
    return bool(interpreters.get_current() == interpreters.get_main())


compiled: Final = select(os.path.dirname(os.path.dirname(__file__)))
"""Does the compiled form of the core run, or plain Python?"""
