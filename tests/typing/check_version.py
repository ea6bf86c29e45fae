"""The version is text."""

from typing import assert_type

from rescind._version import __version__

assert_type(__version__, str)
