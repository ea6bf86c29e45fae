"""`instead_of_signals`: what the process does on SIGINT and SIGTERM while a runtime blocks.

*What it is not.* A policy: what a signal means is the runtime's to say (R24).

*Threads.* Python handles signals on the main thread; on any other this does nothing.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final

__all__ = ["instead_of_signals"]

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def instead_of_signals(handle: Callable[[str], object]) -> Generator[None]:
    """Call ``handle`` with the name of each signal that comes in during the block.

    It is called from the signal handler, on the main thread, between any two instructions.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def on_signal(number: int, _frame: FrameType | None) -> None:
        handle(signal.Signals(number).name)

    for number in _SIGNALS:
        signal.signal(number, on_signal)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
