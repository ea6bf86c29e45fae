"""Numbers and times in a few columns: none is wider than its column, none says more than it is."""

import pytest

pytest.importorskip("rich")

from rich.cells import cell_len

from rescind.cli.top.words import age, cell, count, printable, rate, sparkline, uptime


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0ms"),
        (0.0001, "<1ms"),
        (0.0049, "5ms"),
        (0.999, "999ms"),
        (0.9996, "1.0s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (119.4, "119s"),
        (119.6, "1m59s"),
        (125.0, "2m05s"),
        (598.9, "9m58s"),
        (599.5, "10m"),
        (7199, "120m"),
        (7200, "2h"),
        (3 * 86400 - 1, "72h"),
        (3 * 86400, "3d"),
    ],
)
def test_an_age_fits_its_column(seconds: float | None, text: str) -> None:
    """What is rounded up to the next unit is written in that."""
    assert (age(seconds), len(text) <= 5) == (text, True)


def test_an_age_never_takes_more_than_its_column() -> None:
    """From a tenth of a millisecond to twenty-five years, in small steps."""
    seconds, wide = 0.0001, []
    while seconds < 8e8:
        wide += [seconds] if len(age(seconds)) > 5 else []
        seconds *= 1.001

    assert wide == []


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.04, "0"),
        (0.5, "0.5"),
        (7, "7"),
        (99.6, "100"),
        (999.4, "999"),
        (999.6, "1.0k"),
        (1234, "1.2k"),
        (9960, "10k"),
        (345_678, "346k"),
        (999_600, "1.0M"),
        (12e6, "12M"),
        (5e9, "5G"),
    ],
)
def test_a_number_fits_its_column(number: float, text: str) -> None:
    """With a unit from a thousand on; in at most five columns."""
    assert (count(number), rate(number)) == (text, f"{text}/s")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0:00"),
        (5, "0:05"),
        (754, "12:34"),
        (3723, "1:02:03"),
        (262_923, "3 d 1:02:03"),
    ],
)
def test_an_uptime_is_like_a_clock(seconds: float, text: str) -> None:
    """Minutes and seconds, then hours, then days; a clock that was set back says nothing odd."""
    assert uptime(seconds) == text


def test_bars_show_the_latest_values() -> None:
    """The latest on the right; of nothing, an empty line; nothing is higher than the top."""
    assert sparkline([9, 0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 0], 4) == "▁▁  "
    assert sparkline([0.5, 2.0], 2, top=1.0) == "▅█"
    assert sparkline([1], 0) == ""
    assert sparkline([], 3) == "   "


def test_what_moves_the_cursor_is_spelled_out() -> None:
    """A name comes from the program, which may be hostile."""
    assert printable("a\x1b[2Jb\n") == "a\\x1b[2Jb\\n"
    assert printable("größer 東京") == "größer 東京"


@pytest.mark.parametrize("text", ["", "a", "abc", "abcdef", "東京", "東京都庁", "a東b京c"])
@pytest.mark.parametrize("width", [0, 1, 2, 3, 5])
def test_a_cell_has_exactly_its_width(text: str, width: int) -> None:
    """Also where a character takes two columns; what is left out is told by an ellipsis."""
    shown = cell(text, width)

    assert cell_len(shown) == width
    assert ("…" in shown) == (0 < width < cell_len(text))
    assert cell(text, 10, right=True) == " " * (10 - cell_len(text)) + text
