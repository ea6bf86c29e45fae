"""The box of the explanation: its words beside their labels, at every width."""

import pytest

pytest.importorskip("textual")

from rich.console import Console

from rescind.cli.top.details import laid_out

TEXT = """\
task 3 'nightly report' is cleaning up, 7.6 s old
  canceled    7.5 s ago, parent canceled: group 'server' was canceled, by task 1 'main'
                because explicit: deploying, by task 1 'main', at program.py:28
  grace       26.0 s of its grace left
  waits for   join of 2
  at          program.py:18 in report
              program.py:40 in main
  child 0: query: waiting
    waits for   sleep(50)
    at          program.py:7 in query
  group       'server', 2 alive
  … and 2 children more

task 2 'migration' is shielded, 7.6 s old
  held back   by the shield at program.py:10"""


def drawn(text: str, width: int, color: str | None = None) -> list[str]:
    """Return the lines of an explanation at this width."""
    console = Console(width=width, color_system=None if color is None else "standard")
    with console.capture() as capture:
        console.print(laid_out(text))
    return [line.rstrip() for line in capture.get().splitlines()]


def test_where_there_is_room_it_is_what_the_program_said() -> None:
    """Line by line, and column by column."""
    assert drawn(TEXT, 120) == TEXT.splitlines()


def test_where_there_is_little_room_it_goes_on_beside_the_label() -> None:
    """What follows from something else is still further in; nothing is lost."""
    lines = drawn(TEXT, 50)

    assert lines[1:6] == [
        "  canceled    7.5 s ago, parent canceled: group",
        "              'server' was canceled, by task 1",
        "              'main'",
        "                because explicit: deploying, by",
        "                task 1 'main', at program.py:28",
    ]
    assert max(map(len, lines)) <= 50
    assert "".join(" ".join(lines).split()) == "".join(TEXT.split())


def test_a_word_that_is_too_long_is_broken() -> None:
    """The path of a file has no blank at which it could be."""
    lines = drawn(f"task 1 is waiting\n  at          {'x' * 60}", 40)

    assert lines == [
        "task 1 is waiting",
        f"  at          {'x' * 26}",
        *[" " * 14 + "x" * 26],
        " " * 14 + "x" * 8,
    ]


def test_what_tells_of_a_cancellation_has_a_color() -> None:
    """And each label; the headings are bold."""
    console = Console(width=100, color_system="standard", force_terminal=True)
    with console.capture() as capture:
        console.print(laid_out(TEXT))
    heading, canceled, because, *_ = capture.get().splitlines()

    assert heading.startswith("\x1b[1mtask 3")
    assert "\x1b[36mcanceled" in canceled
    assert "\x1b[33m7.5 s ago" in canceled
    assert "\x1b[33mbecause" in because


def test_it_does_not_move_the_cursor() -> None:
    """A name comes from the program."""
    assert drawn("task 1 'a\x1b[2J' is waiting\n  waits for   b\x1b[H", 80) == [
        "task 1 'a\\x1b[2J' is waiting",
        "  waits for   b\\x1b[H",
    ]


def test_markup_is_shown_as_it_is() -> None:
    """A name in brackets is no style."""
    assert drawn("task 1 '[red]' is waiting\n  waits for   [bold]x[/]\n  [b]child", 80) == [
        "task 1 '[red]' is waiting",
        "  waits for   [bold]x[/]",
        "  [b]child",
    ]
