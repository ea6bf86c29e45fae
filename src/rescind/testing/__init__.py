"""For tests: a virtual clock, and helpers to poll by hand."""

from rescind.testing.hand import CountingWaker, context, poll_cancel_once, poll_once
from rescind.testing.virtual import run_virtual

__all__ = ["CountingWaker", "context", "poll_cancel_once", "poll_once", "run_virtual"]
