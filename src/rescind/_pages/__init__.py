"""Pages that need nothing else: no network, no other file."""

from rescind._pages.page import Frame, page_of

__all__ = ["Frame", "page_of"]
