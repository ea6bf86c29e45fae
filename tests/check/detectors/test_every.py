"""Every detector has its pair of programs, and its page."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from rescind.check.detectors import DETECTORS, Detector

PAGES = Path(__file__).parents[3] / "docs" / "check-detectors.md"
BOTH = [pytest.param(one, id=one.name) for one in DETECTORS]


@pytest.mark.parametrize("detector", BOTH)
def test_it_has_a_program_that_it_catches_and_one_that_it_passes(detector: type[Detector]) -> None:
    """In the file that is named after it."""
    slug = detector.name.replace(" ", "_").replace("-", "_")
    module = importlib.import_module(f"tests.check.detectors.test_{slug}")
    tests = [name for name in vars(module) if name.startswith("test_")]
    assert detector.name == module.NAME
    assert any(name.startswith("test_catches_") for name in tests)
    assert any(name.startswith("test_passes_") for name in tests)


@pytest.mark.parametrize("detector", BOTH)
def test_it_has_a_page(detector: type[Detector]) -> None:
    """With what it catches, its class, what mends it, and when it is silent."""
    pages = dict(
        re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", PAGES.read_text(), re.DOTALL | re.MULTILINE)
    )
    page = pages[detector.name]
    assert f"*{detector.severity.capitalize()}.*" in page
    assert "```python" in page
    assert "**Mends it**" in page
    assert "**Silent**" in page


def test_no_page_is_of_a_detector_that_is_gone() -> None:
    """The pages are in the order in which detectors are asked."""
    assert re.findall(r"^## (.+)$", PAGES.read_text(), re.MULTILINE) == [
        one.name for one in DETECTORS
    ]


def test_names_and_classes_differ() -> None:
    """A name belongs to one detector: facts are kept by it."""
    assert len({one.name for one in DETECTORS}) == len(DETECTORS)
