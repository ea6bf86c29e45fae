"""Tokens of the lab: what is packed comes out again, and garbage is refused in one line."""

import base64
import json
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import rescind
from rescind.testing import BadToken, Changes, Injection, Instant, Kind, Lab, Spot
from rescind.testing.lab.token import Token, decode, encode, fingerprint

_counts = st.integers(0, 10**6)
_texts = st.text(max_size=30)
_injections = st.builds(
    Injection,
    st.builds(Spot, _texts, _texts, _counts, st.sampled_from(Instant)),
    st.sampled_from(Kind),
)
_tokens = st.builds(
    Token,
    _texts,
    _texts,
    st.builds(
        Changes,
        st.dictionaries(_counts, _counts, max_size=5),
        st.lists(_injections, max_size=3).map(tuple),
    ),
    _counts,
    st.none() | st.floats(0, 1e6),
)


@given(_tokens)
def test_any_run_comes_out_as_it_was_packed(token: Token) -> None:
    """A token says the changes from which it was made."""
    assert token == decode(encode(token))


@given(_tokens, st.lists(st.integers(1, 300), max_size=5), st.sampled_from("\n \t"))
def test_line_breaks_from_a_terminal_do_no_harm(token: Token, cuts: list[int], space: str) -> None:
    """A token that was copied with the breaks of its lines is the same token."""
    text = encode(token)
    for cut in cuts:
        text = text[:cut] + space + text[cut:]

    assert token == decode(f"  {text}\n")


@given(st.text() | st.text().map("rl1-".__add__) | st.binary().map(lambda b: f"rl1-{b.hex()}"))
def test_garbage_is_refused(garbage: str) -> None:
    """Whatever is no token is told to be none."""
    with pytest.raises(BadToken):
        decode(garbage)


def _packed(data: object) -> str:
    return "rl1-" + base64.urlsafe_b64encode(zlib.compress(json.dumps(data).encode())).decode()


@pytest.mark.parametrize(
    "data",
    [
        None,
        ["main"],
        ["main", "print", [[0, -1]], [], 10, 30],
        ["main", "print", [[True, 1]], [], 10, 30],
        ["main", "print", [], [["root", "x+1", 1, "NEVER", "TASK"]], 10, 30],
        ["main", "print", [], [["root", "x+1", 1, "PARKED", "SPELL"]], 10, 30],
        ["main", "print", [], [["root", 7, 1, "PARKED", "TASK"]], 10, 30],
        ["main", "print", [], [], "ten", 30],
        ["main", "print", [], [], 10, "thirty"],
    ],
)
def test_what_is_packed_but_no_token_is_refused(data: object) -> None:
    """Each part is looked at before anything is run."""
    with pytest.raises(BadToken, match=r"cannot be read \(\w+\); copy the whole of it"):
        decode(_packed(data))


def test_a_function_that_is_loaded_anew_has_another_fingerprint(tmp_path: Path) -> None:
    """A file that is edited and loaded in the same process: the line is the same, not the token."""
    file = tmp_path / "program.py"

    def load(words: str) -> Any:
        file.write_text(f"async def work(rescind):\n    await rescind.sleep(1); {words}\n")
        names: dict[str, Any] = {}
        exec(compile(file.read_text(), str(file), "exec"), names)
        return names["work"]

    prints: list[str] = []
    for words in ("return 'as it was'", "return 'mended now'"):
        work = load(words)

        async def main(work: Any = work) -> None:
            await work(rescind)

        prints.append(fingerprint(main, Lab(main).run()))
    assert prints[0] != prints[1]
