"""The pure core: futures, cancellation, tasks and the executor, without any event loop."""

from .form import compiled

__all__ = ["compiled"]
