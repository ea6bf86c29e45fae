"""The pictures in docs/images are there, small, and made by a script that still works."""

import re
from pathlib import Path

import pytest

pytest.importorskip("textual")

from scripts import screenshots
from scripts.screenshots import IMAGES, ROOT, SCENES, SHOTS

PAGES = (ROOT / "README.md", *(ROOT / "docs").glob("*.md"))
PICTURE = re.compile(r"(?:!\[[^\]]+\]\(|<(?:source|img) [^>]*?(?:src|srcset)=\")([\w./-]+)")
LIMIT = 300_000


def named() -> set[Path]:
    """Return the pictures that the pages show."""
    return {
        (page.parent / name).resolve()
        for page in PAGES
        for name in PICTURE.findall(page.read_text(encoding="utf-8"))
    }


def test_each_picture_is_made_by_the_script_and_shown_on_a_page() -> None:
    """What a page names is there; what is there is named; nothing was drawn by hand."""
    made = {IMAGES / name for name in (*SHOTS, *SCENES)}

    assert (named(), set(IMAGES.iterdir())) == (made, made)


@pytest.mark.parametrize("name", [*SHOTS, *SCENES])
def test_a_picture_is_small_and_needs_no_network(name: str) -> None:
    """It loads at once, and from one place."""
    data = (IMAGES / name).read_bytes()
    begin = b"<svg " if name.endswith(".svg") else b"\x89PNG"

    assert data.startswith(begin)
    assert len(data) <= LIMIT
    assert re.findall(rb"(?:src|href|url)\W+https?:", data) == []


def test_the_report_is_the_same_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is recorded in virtual time: the same ends in the same nanosecond."""
    monkeypatch.chdir(ROOT / "examples")

    pages = [screenshots.report() for _ in range(2)]

    ends = [re.findall(r'"ended":(\d+)', page) for page in pages]
    assert ends[0] == ends[1] != []
    assert [len(page) // 1000 for page in pages] == [len(pages[0]) // 1000] * 2


def test_what_the_pictures_are_about_is_in_the_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason with the most tasks, and the task that is chosen in the timeline."""
    monkeypatch.chdir(ROOT / "examples")

    page = screenshots.report()

    assert "deadline: the deadline of 0.15 s has passed" in page
    assert '"request_tree.py"' in page
    assert '"payment"' in screenshots.CHOOSE
    assert '"payment"' in page


def test_a_font_from_a_network_is_left_out() -> None:
    """Where it cannot be fetched, letters would be missing."""
    picture = (
        '<svg> @font-face {\n src: url("https://x/y.woff2");\n}\n'
        ".terminal-12-matrix { font-family: Fira Code, monospace; }</svg>"
    )

    assert screenshots.trimmed(picture) == (
        f"<svg>\n.t-matrix {{ font-family: {screenshots.FONTS}; }}</svg>"
    )
