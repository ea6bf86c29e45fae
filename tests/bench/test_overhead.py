"""What looking on costs: every way takes part in every round, and what happens is counted."""

import pytest

from bench import overhead
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
