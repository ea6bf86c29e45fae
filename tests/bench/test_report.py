"""The page of a run, and the section of the documentation: they show everything, by themselves."""

import re
from itertools import pairwise
from pathlib import Path

import pytest

from bench.floors import floors, sentences, turns
from bench.growth import growth_sentences, growths
from bench.plots import Dot, Line, dots, lines
from bench.report import BEGIN, END, as_html, as_markdown, main, section_replaced
from bench.results import Results, Row, Sample
from bench.subjects.floor import looks
from tests.check.test_html import needs_chromium, opened, read

#: Seconds of ten operations, in each of two rounds.
COSTS = {
    "rescind": (2e-6, 2.2e-6),
    "rescind-pure": (8e-6, 8.1e-6),
    "asyncio": (10e-6, 10e-6),
    "uvloop": (5e-6, 5e-6),
    "tokio": (0.4e-6, 0.4e-6),
}


def a_run(*sizes: int) -> Results:
    """Return a run of `switch` at some sizes, of its floor, and of memory."""
    rows = [
        Row("switch", size, peer, "cpu", "time", [Sample(10, each, each) for each in costs])
        for size in sizes
        for peer, costs in COSTS.items()
    ]
    rows += [
        Row(f"floor_{part}", 10, "asyncio", "cpu", "time", [Sample(10, each, each)])
        for part, each in (("resume", 1e-6), ("queue", 0.2e-6))
    ]
    rows += [
        Row("task_memory", 10, peer, "cpu", "bytes", [Sample(10, 1.0, 1.0, 10_240.0)])
        for peer in ("rescind", "asyncio")
    ]
    peers = {name: {"about": name, "version": "1", "python": "3.11.7"} for name in COSTS}
    peers["trio"] = {"about": "trio", "skip": "it is not <here>"}
    about = {"switch": "a task yields & is run again", "task_memory": "memory of a parked task"}
    return Results(
        {"cpu": "A <fast> one", "cores": 2}, {"rounds": 2, "gc": "on"}, peers, about, rows
    )


def test_the_page_is_whole_and_names_nothing_outside_itself() -> None:
    """It works without a network and without scripts, and nothing that a machine says is markup."""
    page = as_html(a_run(10), a_run(10, 100))
    reader = read(page)

    assert reader.open == []
    assert "script" not in reader.elements
    assert not re.search(r"(?i)\b(?:https?|wss?):|@import|url\(", page)
    assert {"src", "href"}.isdisjoint(name for name, _ in reader.attributes)
    assert "A &lt;fast&gt; one" in page
    assert "it is not &lt;here&gt;" in page
    assert "yields &amp; is run" in page


def test_every_peer_that_ran_has_its_row() -> None:
    """With its figure and its ratio to asyncio; and the floor of a native subject is among them."""
    page = as_html(a_run(10))

    titles = re.findall(r"<title>([^<:]+): ([^<]+) \(", page)
    assert titles[:6] == [
        ("rescind", "210 ns, 0.21×"),
        ("rescind-pure", "805 ns, 0.80×"),
        ("asyncio", "1.00 µs, 1.00×"),
        ("uvloop", "500 ns, 0.50×"),
        ("tokio", "40.0 ns, 0.040×"),
        ("floor", "120 ns, 0.12×"),
    ]


def test_growth_has_a_line_for_each_peer() -> None:
    """A point for each size; a subject with a single size is not drawn."""
    page = as_html(a_run(10), a_run(10, 100, 1000))
    growth = page.partition("How costs grow")[2]

    assert len(re.findall("<polyline", growth)) == len(COSTS)
    points = re.findall(r'points="([^"]+)"', growth)
    assert {len(each.split()) for each in points} == {3}


def test_a_larger_cost_is_further_right_and_higher() -> None:
    """Dots and lines are where their numbers say, also where nothing differs."""
    row = dots(
        "x", [Dot("a", 0.1, 0.1, 0.1, "1"), Dot("b", 1, 1, 1, "2"), Dot("c", 10, 9, 11, "3")]
    )
    places = [float(x) for x in re.findall(r'cx="([\d.]+)"', row)]
    assert places == sorted(places)
    assert places[1] - places[0] == pytest.approx(places[2] - places[1], abs=0.2)

    line = lines("x", [Line("a", [(10, 1.0), (100, 2.0), (1000, 4.0)])], 1.0, "µs")
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', line)]
    assert heights == sorted(heights, reverse=True)
    assert "cy=" in lines("x", [Line("a", [(10, 1.0)])], 1.0, "µs")


def test_names_at_the_ends_of_lines_do_not_touch() -> None:
    """Two that end at the same cost stand below each other."""
    found = [Line(name, [(10, 1.0), (100, 1.0)]) for name in ("a", "b", "c")]

    names = re.findall(r'class="name" x="[\d.]+" y="([\d.]+)"', lines("x", found, 1.0, "µs"))
    places = sorted(float(y) for y in names)
    assert [b - a >= 13 for a, b in pairwise(places)] == [True, True]


def test_the_floor_is_the_sum_of_what_a_subject_needs() -> None:
    """A switch is a resumption and an entry in a queue; the goal is judged beside it."""
    (found,) = floors(a_run(10))

    assert found.floor == pytest.approx(0.12e-6)
    assert found.alone["tokio"] == pytest.approx(3.0)
    assert found.ratios["tokio"] == pytest.approx(5.25)
    assert not found.meets("tokio")
    assert found.meets("asyncio") is False
    (sentence,) = sentences([found])
    assert sentence == (
        "`switch`: missed, though CPython would allow it: 5.25× tokio where 3 is the goal and "
        "3.00× the floor, 0.21× asyncio where 1/8 is the goal and 0.12× the floor and 0.42× uvloop "
        "where 1/4 is the goal and 0.24× the floor."
    )


def test_a_goal_below_the_floor_is_said_to_be_out_of_reach() -> None:
    """Each beside the peer that it is about; the others stay within reach."""
    run = a_run(10)
    run.rows += [_part("floor_look", 11e-7)]  # a tenth of it is in each switch of eleven
    (found,) = floors(run)

    assert found.floor == pytest.approx(0.13e-6)
    assert [found.allows(peer) for peer in ("tokio", "asyncio", "uvloop")] == [False, False, False]
    (sentence,) = sentences([found])
    assert sentence.startswith(
        "`switch`: out of reach of any runtime for Python's coroutines, since CPython's own part "
        "alone costs 3.25× tokio, where the goal is 3, "
    )
    assert "5.25× ✗✗ |" in as_markdown(run)
    assert turns(run) == ""


def test_the_turn_of_the_host_is_told() -> None:
    """Beside the call that is in the floor."""
    run = a_run(10)
    run.rows += [_part("floor_look", 4e-6), _part("floor_turn", 15e-6)]

    assert "a system call of 400 ns, which" in turns(run)
    assert turns(run).endswith("A turn of asyncio's own loop around that call takes 1.50 µs.")
    assert turns(run) in as_markdown(run)
    assert looks("race2", 1000) == looks("timeout", 1000) == 1.0
    assert looks("spawn_join", 1000) == 0.0


def _part(name: str, seconds: float) -> Row:
    return Row(name, 10, "asyncio", "cpu", "time", [Sample(10, seconds, seconds)])


def test_the_interpreted_form_stands_beside_the_least_schedulers_in_python() -> None:
    """What plain Python can do at best, as multiples of asyncio, where all of it was measured."""
    run = a_run(10)
    (without,) = floors(run)
    least = [("bare", 0.2e-6), ("rules", 0.5e-6)]
    run.rows += [
        Row(f"floor_least_switch_{kind}", 10, "asyncio", "cpu", "time", [Sample(10, each, each)])
        for kind, each in least
    ]
    (found,) = floors(run)

    assert without.plain == {}
    assert found.plain == pytest.approx({"bare": 0.02, "rules": 0.05, "rescind": 0.805})
    assert sentences([found])[-1] == (
        "`switch` interpreted costs 0.8 × asyncio. The least scheduler in plain Python takes "
        "0.02 ×, the least that keeps the rules 0.05 ×."
    )
    assert "the least that keeps the rules" in as_html(run)


def test_without_the_parts_there_is_no_floor() -> None:
    """Nothing is made up for a run that has not measured them."""
    run = a_run(10)
    run.rows = [row for row in run.rows if not row.subject.startswith("floor_")]

    assert floors(run) == []
    assert "floor" not in as_markdown(run)


def test_the_section_has_goals_and_every_subject() -> None:
    """As multiples of what rescind costs, with its own cost and spread first."""
    text = as_markdown(a_run(10))

    assert "| switch | 210 ns | 120 ns | 5.25× ✗ |" in text
    assert (
        "| `switch` | a task yields & is run again | 210 ns ± 5 % | 3.84× | 4.77× | 2.39× | 0.19× |"
        in text
    )
    assert "1.00 KiB" in text


def test_the_growth_of_each_subject_stands_beside_that_of_others() -> None:
    """What is flat is marked; of what is not, it is told how the others grow."""
    growth = a_run(10, 100)
    (flat,) = growths(growth)
    assert flat.times("rescind") == pytest.approx(1.0)
    assert flat.flat()
    assert list(growth_sentences([flat])) == []
    for row in growth.rows:
        if (row.size, row.peer) == (100, "rescind"):
            row.samples = [Sample(10, 4.2e-6, 4.2e-6)]
    growth.rows += [
        Row("floor_least_switch_grown", size, "asyncio", "cpu", "time", [Sample(10, each, each)])
        for size, each in ((10, 1.1e-6), (100, 1.65e-6))
    ]
    (grown,) = growths(growth)

    text = as_markdown(a_run(10), growth, a_run(10, 100))
    assert grown.times("least") == pytest.approx(1.5)
    assert "| `switch`, 10 → 100 | 210 ns → 420 ns: 2.0× ✗ |" in text
    assert "110 ns → 165 ns: 1.5× |" in text
    assert "| rescind, no collector |" in text
    assert "rescind, no collector 1.0 ×" in text
    (sentence,) = growth_sentences([grown])
    assert sentence not in text  # which tells of those without the collector too
    assert sentence.startswith("`switch` grows 2.0 × beside ")
    assert "asyncio 1.0 ×" in sentence
    assert sentence.endswith("the least in Python 1.5 ×.")


def test_the_section_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    """What stands around it stays; a page without the marks is refused."""
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n", encoding="utf-8")
    run = tmp_path / "run.json"
    run.write_text(a_run(10).to_json(), encoding="utf-8")

    assert main([str(run), "--markdown", "--out", str(page)]) == 0

    text = page.read_text(encoding="utf-8")
    assert text.startswith(f"before\n{BEGIN}\n")
    assert text.endswith(f"{END}\nafter\n")
    assert "old" not in text
    with pytest.raises(ValueError, match="needs the lines"):
        section_replaced("nothing", "new")


def test_without_a_run_it_says_how_to_make_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The status is that of a failure."""
    assert main([str(tmp_path / "none.json")]) == 1
    assert "make bench" in capsys.readouterr().err


@needs_chromium
def test_a_browser_shows_it_and_has_nothing_to_say(tmp_path: Path) -> None:
    """No error and no warning on the console, with plots that have a size."""
    dom, console = opened(as_html(a_run(10), a_run(10, 100)), tmp_path, 1200)

    assert console == ""
    assert dom.count("<svg") == 3
