"""What a cell waits for, in words: for dumps, hangs and warnings."""

from typing import Any

import pytest

import rescind
from rescind._core.frames import from_library, shortened
from rescind._core.waiting import describe_wait, describe_waits, place_of, stack_of
from tests.core.kit import Bench, Leaf


async def waits(fut: Any) -> None:
    """Await it."""
    await fut


def place(function: Any = waits, offset: int = 2) -> str:
    """Return the printed place of a line of a function of this module."""
    code = function.__code__
    return f"at {shortened(f'{__file__}:{code.co_firstlineno + offset}')} in {code.co_qualname}"


def lines(bench: Bench) -> list[str]:
    """Return the description of all tasks, its columns parted by one bar."""
    import re

    text = bench.executor.describe_hang().splitlines()
    return [re.sub(r"(?<=\S)\s{2,}", " | ", line) for line in text]


def test_each_task_has_a_line_with_what_and_where() -> None:
    """The leaf in its own words, and the innermost line of the program."""
    with Bench() as bench:
        bench.spawn(waits(waits(rescind.sleep(5))), name="sleeper")
        bench.spawn(rescind.never(), name="bare")
        bench.idle()
        assert [f"  sleeper | sleep(5) | {place()}", "  bare | never()"] == lines(bench)


def test_task_that_was_never_polled_waits_for_its_first_poll() -> None:
    """It has no place yet."""
    with Bench() as bench:
        bench.spawn(waits(Leaf()), name="new")
        assert ["  new | its first poll"] == lines(bench)


def test_running_task_waits_for_nothing() -> None:
    """As a signal handler sees it."""
    with Bench() as bench:
        seen: list[str] = []

        async def main() -> None:
            seen.append(describe_wait(rescind.current_task()))

        task = bench.spawn(main())
        bench.idle()
        assert ["nothing: running"] == [text.partition(" at ")[0] for text in seen]
        assert "nothing: it has ended" == describe_wait(task)


def test_cleanup_is_called_one() -> None:
    """Canceled and not done: what waits is the cleanup."""

    async def slow() -> None:
        try:
            await rescind.never()
        finally:
            await rescind.sleep(9)

    with Bench() as bench:
        task = bench.spawn(slow(), name="slow")
        bench.idle()
        task.cancel()
        bench.idle()
        assert [f"  slow | cleanup: sleep(9) | {place(slow, 4)}"] == lines(bench)
        assert f"sleep(9), in its cleanup {place(slow, 4)}" == describe_wait(task)


def test_equal_waits_share_a_line() -> None:
    """A thousand handlers that wait for the same thing are one line with a count."""
    with Bench() as bench:
        for n in range(1000):
            bench.spawn(waits(rescind.never()), name=f"handler {n}")
        bench.idle()
        assert [f"  handler 0 (and 999 more) | never() | {place()}"] == lines(bench)


def test_children_have_lines_of_their_own_and_ended_ones_have_none() -> None:
    """Indented below what awaits them, through timeouts and shields."""
    with Bench() as bench:
        both = rescind.join(waits(rescind.never()), rescind.ready(1), rescind.sleep(3))
        bench.spawn(waits(rescind.timeout(rescind.shield(both), 5)), name="parent")
        bench.idle()
        parent, *children = lines(bench)
        assert ["  parent", place()] == [parent.split(" | ")[0], parent.split(" | ")[-1]]
        assert [
            f"    child 0: waits | never() | {place()}",
            "    child 2 | sleep(3)",
        ] == children


def test_long_lists_are_cut_and_counted() -> None:
    """A dump stays readable."""
    with Bench() as bench:
        for n in range(50):
            bench.spawn(rescind.sleep(n + 1), name=f"task {n}")
        bench.idle()
        text = lines(bench)
        assert (21, "  task 19 | sleep(20)", "  … and 30 lines more") == (
            len(text),
            text[19],
            text[20],
        )


def test_long_words_are_shortened() -> None:
    """Neither a name nor a repr of many lines breaks the table."""
    with Bench() as bench:
        bench.spawn(Leaf("x" * 99 + "\n" + "y" * 99), name="n" * 99)
        bench.idle()
        (line,) = lines(bench)
        name, what = line.split(" | ")
        assert ("  nnn", "n…", "<xxx", "x…") == (name[:5], name[-2:], what[:4], what[-2:])
        assert max(len(name), len(what)) < 60


def test_place_inside_a_library_is_named_after_the_programs_own() -> None:
    """The program's line first; where it waits in truth in brackets."""
    namespace: dict[str, Any] = {}
    source = "async def library(fut):\n    await fut\n"
    exec(compile(source, "/x/site-packages/lib.py", "exec"), namespace)
    with Bench() as bench:
        task = bench.spawn(waits(namespace["library"](rescind.never())), name="t")
        only = bench.spawn(namespace["library"](rescind.never()), name="u")
        bench.idle()
        assert [
            f"  t | never() | {place()} (inside library)",
            "  u | never() | at /x/site-packages/lib.py:2 in library",
        ] == lines(bench)
        where = f"{__file__}:{waits.__code__.co_firstlineno + 2}"
        assert f"{where} in waits (inside library)" == place_of(task.future)
        assert "/x/site-packages/lib.py:2 in library" == place_of(only.future)


def test_future_without_a_coroutine_has_no_place() -> None:
    """Neither a stack nor a guess."""
    leaf = Leaf()
    assert ([], [], "an unknown place") == (stack_of(None), stack_of(leaf), place_of(leaf))
    assert [] == describe_waits([])


@pytest.mark.parametrize(
    ("file", "library"),
    [
        ("/x/site-packages/httpx/_client.py", True),
        ("/usr/lib/python3/dist-packages/a.py", True),
        ("<frozen importlib>", True),
        (pytest.__file__, True),
        (__file__, False),
        ("/home/me/site-packages.py", False),
    ],
)
def test_libraries_are_known_by_where_they_live(file: str, library: bool) -> None:
    """The standard library, and what was installed."""
    assert library == from_library(file)


def test_place_that_cannot_be_made_relative_is_shown_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Another drive on Windows, or a current directory that is gone."""
    import os

    def refuse(_path: str) -> str:
        raise ValueError("no common path")

    monkeypatch.setattr(os.path, "relpath", refuse)
    assert "/a/b.py:3" == shortened("/a/b.py:3")
