"""Pages that need nothing else: no network, no other file."""

from rescind._pages.page import page_of

__all__ = ["page_of"]
