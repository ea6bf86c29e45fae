"""What looking on costs: every way takes part in every round, and what happens is counted."""

from pathlib import Path

import pytest

from bench import hookless, instructions, overhead
from bench.counted import YARDSTICK
from bench.peers import ROOT, Peer, Place
from rescind.lowlevel import hooks


def test_each_way_is_measured_beside_nobody_listening() -> None:
    """A row has a ratio for each of them, and nobody goes on listening."""
    observers = hooks.observers
    row = overhead.measure("switch", 4, rounds=2, seconds=0.0)
    assert (row.subject, row.size) == ("switch", 4)
    assert row.nanoseconds > 0
    assert list(row.ratios) == ["warnings", "recording", "to a file"]
    assert all(ratio > 0 for ratio, _ in row.ratios.values())
    assert hooks.observers == observers


def test_what_an_operation_passes_is_counted() -> None:
    """A task that yields is woken, polled, and parks: three tests of an attribute."""
    guards = overhead.guards_of("switch", 4)
    assert 3 <= guards.events < 3.5
    assert 0 < guards.nanoseconds < 10_000


def test_the_tables_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A line for each subject, and one for the hooks below it."""
    monkeypatch.setattr(overhead, "CASES", (("switch", 4), ("spawn_join", 4)))
    assert overhead.main(["--rounds", "1", "--seconds", "0"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("rescind ")
    assert [line.split()[0] for line in lines[2::2]] == ["switch", "spawn_join"]
    assert all("hooks while nobody listens: " in line for line in lines[3::2])


def test_a_core_without_hooks_differs_in_nothing_else() -> None:
    """Each hook is a line that is never true in the copy, or a condition that it has no more."""
    text = (ROOT / "src" / "rescind" / "_core" / "cell.py").read_text(encoding="utf-8")
    bare = hookless.without_hooks(text)
    lines = zip(text.splitlines(), bare.splitlines(), strict=True)
    changed = [(old.strip(), new.strip()) for old, new in lines if old != new]
    assert {new for _, new in changed} == {"if False:", "if phase >= 0:"}
    for event in ("spawned", "woken", "polled", "parked", "requested", "ended"):
        assert (f"if hooks.{event} is not None:", "if False:") in changed
    assert "hooks." not in "".join(line for line in bare.splitlines() if line.strip()[:2] == "if")
    compile(bare, "cell.py", "exec")


def test_what_hooks_cost_is_the_difference(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Counted in a copy, with its hooks and then without, in both forms, without warnings."""
    seen: list[tuple[str, bool]] = []

    def counted(peer: Peer, place: Place, *arguments: str) -> dict[str, int]:
        assert arguments == ("quiet",)
        path = place.environment(peer)["PYTHONPATH"].split(":")
        assert path[1:] == [str(ROOT)]
        assert not Path(path[0]).is_relative_to(ROOT)
        assert isinstance(place, hookless.Copy)
        cell = (place.source / "rescind" / "_core" / "cell.py").read_text(encoding="utf-8")
        hooked = "hooks.polled is not None" in cell
        seen.append((peer.form, hooked))
        return {YARDSTICK: 100, "switch": 1000 if hooked else 990}

    monkeypatch.setattr(hookless, "counted", counted)
    monkeypatch.setattr(hookless, "_built", lambda tree: tree / "src")
    assert overhead.main(["--off"]) == 0
    assert seen == [
        ("compiled", True),
        ("compiled", False),
        ("interpreted", True),
        ("interpreted", False),
    ]
    out = capsys.readouterr().out
    assert out.count("switch                 1,000 instructions,    10 for hooks: 1.00%") == 2


def test_where_it_cannot_be_counted_that_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And the command fails."""

    def counted(*_what: object) -> dict[str, int]:
        raise instructions.Unable("valgrind is not installed")

    monkeypatch.setattr(hookless, "counted", counted)
    monkeypatch.setattr(hookless, "_built", lambda tree: tree / "src")
    assert overhead.main(["--off"]) == 1
    assert "it cannot be counted: valgrind is not installed" in capsys.readouterr().out
