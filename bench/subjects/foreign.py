"""`curio`: a library without types, imported where it is used."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__all__ = ["curio"]


def curio() -> Any:
    """Return the module curio."""
    return import_module("curio")
