"""A program that can be looked at while it runs: `rescind.serve_top` and what answers there."""

from rescind.top.serving import TopServer, serve_top

__all__ = ["TopServer", "serve_top"]
