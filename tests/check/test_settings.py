"""What the levels of a swept suite try."""

from __future__ import annotations

import importlib.util

import pytest

from rescind.check.points import Mode
from rescind.check.suite.settings import LEVELS, Settings, marked, options_of


@pytest.mark.parametrize("level", LEVELS)
def test_a_level_leaves_out_the_modes_whose_library_is_missing(
    level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cannot be what cancels the program, and nothing is said of them."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "anyio" else ...)
    base = Settings(options_of("usual"), cleanup_within=2.0)
    settings = marked(base, {"level": level}, ())

    assert Mode.ANYIO not in settings.options.modes
    assert set(LEVELS[level].modes) - {Mode.ANYIO} == set(settings.options.modes)
    assert 2.0 == settings.cleanup_within
    assert Mode.ANYIO in marked(base, {"modes": "asyncio,anyio"}, ()).options.modes
