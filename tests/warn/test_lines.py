"""Of each kind a few lines pass, of those alike one; the rest is counted."""

import logging

import pytest

from rescind._warn.circles import circle_among
from rescind._warn.lines import Lines


class Clock:
    """Shows what it is set to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Make a clock that stands still."""
    return Clock()


def _said(caplog: pytest.LogCaptureFixture) -> list[str]:
    said = [record.getMessage() for record in caplog.records if record.name == "rescind"]
    assert all(record.levelno == logging.WARNING for record in caplog.records)
    caplog.clear()
    return said


def test_thousands_at_once_are_a_handful_of_lines_and_a_number(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """Each kind by itself; after a while, lines pass again."""
    lines = Lines(clock)
    for index in range(1000):
        lines.say("slow ones", f"slow {index}")
    lines.say("others", "another")
    assert not lines.free("slow ones")
    assert lines.free("others")
    assert _said(caplog) == [*(f"slow {index}" for index in range(5)), "another"]
    lines.flush()
    lines.flush()
    assert _said(caplog) == ["slow ones: 995 more of them"]
    clock.now = 10.0
    assert lines.free("slow ones")
    lines.say("slow ones", "slow again")
    assert _said(caplog) == ["slow again"]


def test_the_number_is_not_told_too_often_either(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """A flood that goes on is a number every ten seconds; the last one comes at the end."""
    lines = Lines(clock)
    for _ in range(100):
        lines.say("kind", "text")
        lines.flush()
        clock.now += 0.05
    said = _said(caplog)
    assert said == ["text"] * 5 + ["kind: 1 more of them"]
    lines.flush(last=True)
    assert _said(caplog) == ["kind: 94 more of them"]


def test_of_those_alike_one_is_told(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Of the same kind, within the same while."""
    lines = Lines(clock)
    assert lines.free("kind", "here")
    lines.say("kind", "first", "here")
    assert not lines.free("kind", "here")
    assert lines.free("kind", "there")
    lines.say("kind", "second", "here")
    lines.count("kind")
    lines.say("kind", "elsewhere", "there")
    lines.flush()
    assert _said(caplog) == ["first", "elsewhere", "kind: 2 more of them"]
    clock.now = 10.0
    lines.say("kind", "later", "here")
    assert _said(caplog) == ["later"]


def test_circles_are_found_and_nothing_else() -> None:
    """In the order of waiting; also at the end of a chain that is too long for recursion."""
    chain = {index: [index + 1] for index in range(20_000)}
    chain[20_000] = []
    assert circle_among(chain, chain.__getitem__) == []
    chain[20_000] = [19_998]
    assert circle_among(chain, chain.__getitem__) == [19_998, 19_999, 20_000, 19_998]
    assert circle_among("a", {"a": "a"}.__getitem__) == ["a", "a"]
    diamond = {"a": "bc", "b": "d", "c": "d", "d": ""}
    assert circle_among("abcd", diamond.__getitem__) == []
