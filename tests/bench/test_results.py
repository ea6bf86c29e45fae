"""What follows from samples, and what is kept of them."""

from pathlib import Path

import pytest

from bench.results import Results, Row, Sample
from bench.table import amount, block, notes, ratio_text


def results(**samples: list[float]) -> Results:
    """Return results of one subject: per peer, the seconds of each round's ten operations."""
    rows = [
        Row("switch", 10, peer, "cpu", "time", [Sample(10, 2 * each, each) for each in seconds])
        for peer, seconds in samples.items()
    ]
    peers = {peer: {"about": peer} for peer in samples}
    return Results({}, {}, peers, {"switch": "a task yields"}, rows)


def test_a_ratio_is_taken_round_by_round() -> None:
    """What slows a round down slows both peers, and is not in their ratio; the middle is told."""
    run = results(asyncio=[1.0, 10.0, 2.0], trio=[3.0, 30.0, 40.0])

    assert run.ratio(run.rows[1], run.rows[0]) == pytest.approx(3.0)


def test_the_middle_of_the_rounds_is_told_with_half_their_range() -> None:
    """One round that went wrong moves the spread, not the figure."""
    measured = results(asyncio=[1.0, 9.0, 2.0]).rows[0].measured()

    assert measured is not None
    assert (measured.median, measured.spread()) == pytest.approx((0.2, 2.0))


def test_a_subject_is_judged_by_its_own_clock() -> None:
    """The same samples by the other clock are twice as long here."""
    row = results(asyncio=[1.0]).rows[0]

    assert (row.values(), row.values("wall")) == ([0.1], [0.2])


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    """No sample is lost in the file."""
    run = results(asyncio=[1.0, 2.0], trio=[3.0, 4.0])
    path = tmp_path / "results.json"
    path.write_text(run.to_json(), encoding="utf-8")

    assert Results.read(path) == run


def test_a_file_of_something_else_is_refused(tmp_path: Path) -> None:
    """The message says what to do."""
    path = tmp_path / "results.json"
    path.write_text("[]", encoding="utf-8")

    with pytest.raises(ValueError, match="run `make bench` again"):
        Results.read(path)


def test_a_block_names_each_peer_with_its_ratios() -> None:
    """A line per peer, beside asyncio and beside rescind's own form."""
    run = results(**{"rescind-pure": [1e-5], "asyncio": [2e-5]})

    lines = [line.split() for line in block(run, "switch", 10).splitlines()]

    assert lines[2] == ["rescind-pure", "1.00", "µs", "0", "%", "0.50×", "1.00×", "2.00"]
    assert lines[3] == ["asyncio", "2.00", "µs", "0", "%", "1.00×", "2.00×", "2.00"]


def test_a_peer_that_failed_is_in_the_block() -> None:
    """A failure is told where the figure would be."""
    run = results(asyncio=[])
    run.rows[0].error = "it has died"

    assert "failed: it has died" in block(run, "switch", 10)


def test_who_was_left_out_and_a_busy_machine_are_noted() -> None:
    """A reader of the table learns both."""
    run = results(asyncio=[1.0])
    run.peers["tokio"] = {"about": "tokio", "skip": "it is not built"}

    left_out, busy = notes(run)

    assert left_out == "tokio was left out: it is not built"
    assert busy.startswith("The machine was busy: samples took 2.00 times as long")


def test_amounts_have_three_digits_and_a_unit() -> None:
    """The unit is the largest that fits."""
    seconds = [amount(value, "time") for value in (1.5, 0.0123, 4.56e-5, 7.89e-7, 0.0)]

    assert seconds == ["1.50 s", "12.3 ms", "45.6 µs", "789 ns", "0.00 ns"]
    assert [amount(value, "bytes") for value in (2048, 12)] == ["2.00 KiB", "12.0 B"]


def test_small_ratios_keep_their_digits() -> None:
    """A hundredth is not nothing; what cannot be had is a dash."""
    assert [ratio_text(value) for value in (0.0123, 1.234, 12.34, 123.4, None)] == [
        "0.012×",
        "1.23×",
        "12.3×",
        "123×",
        "–",
    ]
