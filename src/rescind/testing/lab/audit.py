"""Hearing of what the interpreter does, by its audit events.

*What it is.* One function; the compiled form lets only those events come to Python that the lab
asks for, since reading a coroutine's frame, which the lab does at each park, is an event too.

*Threads.* Any.

*Source.* PEP 578.
"""

from __future__ import annotations

import sys  #: compiled: from rescind._core._native import add_audit_hook
from collections.abc import Callable

__all__ = ["listen"]


def listen(heard: Callable[[str, object], None]) -> None:
    """Call ``heard`` with each event of ``os``, of sockets and of processes, from now on.

    A hook cannot be taken back. Others may come too; the second argument means nothing.
    """
    sys.addaudithook(heard)  #: compiled: add_audit_hook(heard)
