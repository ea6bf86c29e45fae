"""`quiet`: keeps what a test has printed, and drops what its repetitions print.

*Threads.* pytest's.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Generator
from typing import Any

import pytest

__all__ = ["quiet"]


@contextlib.contextmanager
def quiet(item: pytest.Item) -> Generator[None]:
    """During the block, drop what is printed; what was before goes into the report of the test."""
    capture: Any = item.config.pluginmanager.get_plugin("capturemanager")
    if capture is not None and not capture.is_globally_capturing():
        capture = None
    with contextlib.ExitStack() as stack:
        if capture is not None:
            for name, text in zip(("stdout", "stderr"), capture.read_global_capture(), strict=True):
                item.add_report_section("call", name, text)
        else:
            stack.enter_context(contextlib.redirect_stdout(io.StringIO()))
            stack.enter_context(contextlib.redirect_stderr(io.StringIO()))
        try:
            yield
        finally:
            if capture is not None:
                capture.read_global_capture()
