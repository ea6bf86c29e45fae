"""`fifo`: the queue of what is ready: a deque, or, in the compiled form, a ring without its calls.

*Threads.* One at a time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from .form import compiled

__all__ = ["fifo"]

if TYPE_CHECKING or not compiled:
    from collections import deque as fifo
else:
    fifo = import_module("rescind._core._native").Fifo
