"""Replay tokens: what is packed comes out again, and garbage is refused in one line."""

import base64
import json
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rescind.check.points import Held, Instant, Judge, Mode, Point, RunPlan, Until
from rescind.check.token import BadToken, decode, encode, fingerprint

_texts = st.text(max_size=40)
_points = st.builds(Point, _texts, st.lists(_texts, max_size=4).map(tuple), st.integers(0, 10**6))
_plans = st.builds(
    RunPlan,
    st.none() | _points,
    st.sampled_from(Instant),
    st.sampled_from(Mode),
    st.sampled_from(Judge),
    st.integers(0, 1000),
    st.none() | st.builds(Held, st.integers(0, 9), st.sampled_from(Until)),
)


def _packed(data: object) -> str:
    return "rc1-" + base64.urlsafe_b64encode(zlib.compress(json.dumps(data).encode())).decode()


@given(_texts, _plans)
def test_any_plan_comes_out_as_it_was_packed(target: str, plan: RunPlan) -> None:
    """A token says the target and the plan from which it was made."""
    said = decode(encode(target, plan))

    assert (target, plan) == (said.target, said.plan)
    assert not said.changed


@given(_texts, _plans, st.lists(st.integers(1, 300), max_size=5), st.sampled_from("\n \t"))
def test_line_breaks_from_a_terminal_do_no_harm(
    target: str, plan: RunPlan, cuts: list[int], space: str
) -> None:
    """A token that was copied with the breaks of its lines is the same token."""
    token = encode(target, plan)
    for cut in cuts:
        token = token[:cut] + space + token[cut:]

    assert plan == decode(f"  {token}\n").plan


@given(st.text() | st.text().map("rc1-".__add__) | st.binary().map(lambda b: f"rc1-{b.hex()}"))
def test_garbage_is_refused(garbage: str) -> None:
    """Whatever is no token is told to be none."""
    with pytest.raises(BadToken):
        decode(garbage)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=12,
)


@given(_json)
def test_well_packed_nonsense_is_refused(data: object) -> None:
    """What unpacks, but does not say a run, is refused too."""
    with pytest.raises(BadToken):
        decode(_packed(data))


@pytest.mark.parametrize("position", range(7))
@pytest.mark.parametrize("wrong", [None, 1.5, "x", [], {}, -1, True, ["x"]])
def test_each_part_has_to_be_what_it_is(position: int, wrong: object) -> None:
    """A part of another kind is refused, or means what it meant; it never gets into a plan."""
    parts = ["a.py::f", ["root", ["a.py:1 in f"], 1], "PARKED", "ASYNCIO", "LOOK", 0, 0, "d"]
    parts[position] = wrong

    try:
        said = decode(_packed(parts))
    except BadToken:
        return
    assert isinstance(said.target, str)
    assert isinstance(said.plan.second, int)
    assert said.plan.point is None or isinstance(said.plan.point.visit, int)


@given(_plans, st.integers(5, 60))
def test_a_token_that_was_cut_off_is_refused(plan: RunPlan, length: int) -> None:
    """Half a token is none, and the message says to copy the whole."""
    with pytest.raises(BadToken, match=r"replay token (cannot be read|begins with)"):
        decode(encode("some.py::function", plan)[:length])


def test_a_token_that_unpacks_to_very_much_is_refused() -> None:
    """A small token cannot fill the memory."""
    bomb = "rc1-" + base64.urlsafe_b64encode(zlib.compress(b"[" * 50_000_000)).decode()

    with pytest.raises(BadToken):
        decode(bomb)


def test_a_changed_file_on_the_stack_is_told(tmp_path: Path) -> None:
    """The token knows the files on its stack as they were; others do not matter."""
    file = tmp_path / "pool.py"
    file.write_text("one")
    plan = RunPlan(Point("root", (f"{file}:1 in f", "nowhere.py:2 in g"), 1))
    said = decode(encode("pool.py::f", plan))

    assert not said.changed
    file.write_text("two")
    assert said.changed
    assert fingerprint(plan) != said.print
