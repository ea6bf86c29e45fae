"""What a report says as data, in words, and as tables."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from rescind.check.as_json import as_dict
from rescind.check.contrast import condensed, line_contrast, word_contrast
from rescind.check.groups import groups
from rescind.check.layout import how, plain, report_lines, visible
from rescind.check.places import brief, label, moment
from rescind.check.points import Held, Instant, Judge, Mode, Point, RunPlan, Until
from rescind.check.report import Report, Verdict
from rescind.check.tables import coverage_lines, matrix_lines
from rescind.check.terminal import draw, draw_coverage
from rescind.check.text import lines_of
from tests.check.reports import example, finding, mixed_up, plan, point


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    """Return the example, in the folder where its program is."""
    monkeypatch.chdir(tmp_path)
    return example(tmp_path)


def text_of(report: Report, **options: bool) -> str:
    """Return a report's text with the token cut off."""
    text = "\n".join(lines_of(report, **options))
    return re.sub(r"rc1-[\w-]+", "rc1-…", text)


def test_text_of_a_broken_report(report: Report) -> None:
    """The worst comes first, what else was seen there is below it, and nothing is left unsaid."""
    expected = """\
BROKEN  lib/q.py:4 in Queue.get: the next use gets another result: a response that belongs to another request
    canceled  parked, by asyncio, then used again in the same tick, with late answers
    from      app.py:9 in Pool.get: return await self.queue.get()
    expected  returned ['A', 'B']
    seen      returned ['B', 'B']
    under     asyncio, timeout
    remedy    give the connection up
    also      2 tasks still run: get at app.py:9 in Pool.get (parked, by asyncio, then used again)
    replay    rescind check replay rc1-…

hint  the start of root/1: the canceled scenario never ends
hints -v tells more of them

app.py::scenario: 1 place broken (3 points, 40 runs, 1.2 s, 1 run unresolved, 3 planned runs not made: the budget was spent)
    not tried anyio: its library is not installed
    unresolved 1 run: the run went another way; such as at lib/q.py:4 in Queue.get, woken, not
              resumed"""  # noqa: E501 - a line is not broken where it would be copied

    assert expected == text_of(report)


def test_hint_alone_is_told_in_full_if_asked_for(report: Report) -> None:
    """Its run, what it saw, how often, and the token to see it again."""
    expected = """\
hint  the start of root/1: the canceled scenario never ends
    canceled  before the first poll, in task root/1, by asyncio, then used again
    expected  it ends
    seen      nothing can happen any more
    flaky     seen in 67% of the runs
    replay    rescind check replay rc1-…

app.py"""

    text = text_of(report, verbose=True)

    assert expected in text
    assert "hints" not in text


def test_many_hints_do_not_drown_what_broke() -> None:
    """The first few get a line each, the others are counted; a broken place keeps its own."""
    report = Report("many")
    hang = "the canceled scenario never ends"
    report.confirmed = [
        finding("hang", hang, plan(point((), 0, f"root/{n}"), Instant.UNSTARTED), severity="hint")
        for n in range(1, 41)
    ]
    report.confirmed += [mixed_up(), finding("noise", "psst", plan(), severity="hint")]

    lines = text_of(report).splitlines()

    assert lines[0].startswith("BROKEN")
    assert any(line.startswith("    also      hint: psst") for line in lines)
    assert 3 == sum(line.startswith("hint  ") for line in lines)
    assert "hints 37 more hints; -v tells all" in lines
    assert 40 == text_of(report, verbose=True).count("\nhint  ")


def test_matrix_has_a_row_for_each_place_and_a_sign_for_each_instant(report: Report) -> None:
    """The worst of all visits is shown, parked first, then woken; what was not tried is a dot."""
    expected = """\
place                    asyncio  timeout
the start of root/1      ✓        ·
app.py:14 in scenario    ✓·       ··
lib/q.py:4 in Queue.get  ✗?       ✗·
parked, then woken: ✓ survived  ✗ broken  ? unresolved  · not tried"""

    assert expected == "\n".join(map(plain, matrix_lines(report)))


def test_large_matrix_keeps_what_is_broken() -> None:
    """Of hundreds of places those are shown where something broke, and the rest is counted."""
    report = Report("many")
    for number in range(60):
        one = plan(point((f"app.py:{number} in f",)))
        report.mark(one, Verdict.BROKEN if number == 59 else Verdict.SURVIVED)

    lines = list(map(plain, matrix_lines(report)))

    assert any(line.startswith("app.py:59 in f") for line in lines)
    assert "and 20 more places" in lines


def test_coverage_table(report: Report) -> None:
    """Per file: awaits, the share that was canceled, what broke, and which lines are missing."""
    expected = """\
file    awaits  canceled  shielded  broken  missing
app.py       5       60%         0       2  8, 15"""

    assert expected == "\n".join(map(plain, coverage_lines(report.coverage.files())))


def test_clean_report_is_one_line() -> None:
    """Where nothing broke and all was tried, one line says it."""
    report = Report("ok", runs=7, seconds=0.04)
    report.mark(plan(), Verdict.SURVIVED)

    assert ["ok: clean (1 point, 7 runs, 0.0 s)"] == list(lines_of(report))


@pytest.mark.parametrize(
    ("verdicts", "broken", "code"),
    [
        ([Verdict.SURVIVED], False, 0),
        ([Verdict.SURVIVED, Verdict.UNRESOLVED], False, 0),
        ([Verdict.SURVIVED], True, 1),
        ([Verdict.UNRESOLVED], False, 2),
    ],
)
def test_exit_code(verdicts: list[Verdict], broken: bool, code: int) -> None:
    """0: nothing broke; 1: something did; 2: nothing could be found out."""
    report = Report("x")
    for number, verdict in enumerate(verdicts):
        one = plan(point(visit=number))
        report.mark(one, verdict)
        if verdict is Verdict.UNRESOLVED:
            report.unresolved[one] = "why"
    if broken:
        report.findings.append(mixed_up())

    assert code == report.exit_code


def test_the_worst_of_a_cell_is_kept() -> None:
    """A later judge that finds nothing does not take back what an earlier one found."""
    report = Report("x")
    for verdict in (Verdict.UNRESOLVED, Verdict.BROKEN, Verdict.UNRESOLVED, Verdict.SURVIVED):
        report.mark(plan(), verdict)

    assert [Verdict.BROKEN] == list(report.matrix.values())


def test_clean_says_so_only_as_far_as_it_was_tried() -> None:
    """Where planned runs were not made, or could not be, nothing broke as far as is known."""
    report = Report("ok", runs=7, untried=2)
    report.mark(plan(), Verdict.SURVIVED)

    assert next(lines_of(report)).startswith("ok: clean as far as tried (1 point, 7 runs")


def test_another_answer_leads_over_what_is_simpler_to_show() -> None:
    """At one place, somebody else's answer is told first, a task that is left only as also."""
    left = finding("tasks left", "1 task still runs", plan())
    swallowed = finding("swallowed", "it was swallowed", plan())

    (group,) = groups([left, swallowed, mixed_up(plan(mode=Mode.GROUP, judge=Judge.CROWD3))])

    assert ["follow-up", "swallowed", "tasks left"] == [
        one.detector for one in (group.lead, *group.also)
    ]


def test_hint_never_leads_a_place_that_is_broken() -> None:
    """A hint may tell more, but the verdict is why the check fails."""
    hint = finding("follow-up", "x", plan(), "returned 1", "returned 2", severity="hint")
    noise = finding("noise", "y", plan())

    (group,) = groups([hint, noise])

    assert ("noise", True) == (group.lead.detector, group.broken)


def test_callbacks_are_a_place_of_their_own() -> None:
    """A run between callbacks is not told as one at the start of the scenario."""
    between = Point("root", (), 17)

    assert "between the loop's callbacks" == label(between, Instant.CALLBACK)
    assert "before callback 17" == moment(between, Instant.CALLBACK)
    assert "the start of the scenario" == label(Point("root"), Instant.UNSTARTED)


def test_start_of_a_task_is_known_by_its_function(report: Report) -> None:
    """A path such as root/1 says little; if the task parks later, its function is known."""
    report.mark(
        plan(point(("app.py:8 in fetch", "app.py:9 in get"), 1, "root/1")), Verdict.SURVIVED
    )

    assert "hint  the start of root/1 (fetch): the canceled scenario never ends" in text_of(report)
    assert any("the start of root/1 (fetch)" in plain(line) for line in matrix_lines(report))


def test_how_names_second_strikes_and_late_answers() -> None:
    """Everything that makes the run special is in its words."""
    one = RunPlan(point(), Instant.PARKED, Mode.ASYNCIO, Judge.STORM, 2, Held(3, Until.ENDED))

    assert (
        "by asyncio, again at suspension 2 of the cleanup, 12 times, then used again, "
        "with late answers on connection 3 alone, until the canceled one has ended" == how(one)
    )


def test_paths_of_packages_are_cut_where_the_package_begins() -> None:
    """Neither the environment's path nor Python's own is worth reading; several in one text too."""
    text = "a at /x y/lib/python3.11/site-packages/redis/c.py:7 in f, b at /v/dist-packages/p.py:1"

    # A space in a path cannot be told from the words around it: then more of it is left.
    assert "a at /x redis/c.py:7 in f, b at p.py:1" == brief(text)


def test_words_that_differ_are_told_apart() -> None:
    """Only what differs is marked, on both sides, and the parts make up the whole texts."""
    left, right = word_contrast("returned ['A', 'B']", "returned ['B', 'B']")

    assert [text for changed, text in left if changed] == ["A"]
    assert [text for changed, text in right if changed] == ["B"]
    assert "returned ['A', 'B']" == "".join(text for _, text in left)
    assert "returned ['B', 'B']" == "".join(text for _, text in right)


def test_long_lists_are_compared_item_by_item() -> None:
    """Of two long texts the lines that differ are shown, with those around them."""
    before = "returned [" + ", ".join(map(str, range(100))) + "]"
    after = before.replace(" 50,", " 51,", 1)

    assert [
        ("…", "48 equal"),
        (" ", "48,"),
        (" ", "49,"),
        ("-", "50,"),
        ("+", "51,"),
        (" ", "51,"),
        (" ", "52,"),
        ("…", "47 equal"),
    ] == line_contrast(before, after)


def test_multi_line_contrast_in_the_text() -> None:
    """Values that are too long for a line are shown as what was taken away and what came."""
    report = Report("x", runs=1)
    before = "returned {" + ", ".join(f"'key{number}': {number}" for number in range(20)) + "}"
    one = finding("follow-up", "the next use fails", plan(), before, before.replace(": 7,", ": 0,"))
    report.findings = report.confirmed = [one]
    report.mark(one.plan, Verdict.BROKEN)

    lines = list(lines_of(report))

    assert "              - 'key7': 7," in lines
    assert "              + 'key7': 0," in lines
    assert "              … 5 equal" in lines


def test_condensed_says_the_same_once_but_leaves_results_alone() -> None:
    """Equal items are counted; what a program returned is kept as it is."""
    assert "f at a.py:3 ×2, g at b.py:1" == condensed("f at a.py:3, f at a.py:3, g at b.py:1")
    assert "returned [0, 1, 1, 2]" == condensed("returned [0, 1, 1, 2]")


def test_json_has_these_keys(report: Report) -> None:
    """Other programs rely on them: they may become more, never fewer or different."""
    data = as_dict(report)

    assert {
        *("format", "rescind", "python", "target", "verdict", "findings", "groups"),
        *("matrix", "unresolved", "set_aside", "coverage", "totals"),
    } == data.keys()
    assert {
        *("detector", "class", "place", "own", "task", "stack", "visit", "instant", "mode"),
        *("judge", "second", "late_answers", "sentence", "expected", "seen", "remedy"),
        *("rate", "token"),
    } == data["findings"][0].keys()
    assert {
        *("place", "own", "task", "stack", "visit", "label", "instant", "mode"),
        *("verdict", "broke"),
    } == data["matrix"][0].keys()
    assert {"detector", "class", "judge", "sentence", "second", "late_answers"} == data["matrix"][
        0
    ]["broke"][0].keys()
    assert {"points", "runs", "seconds", "broken", "unresolved", "untried"} == data["totals"].keys()
    assert {"awaits", "percent", "files"} == data["coverage"].keys()
    assert 1 == data["format"]
    assert data == json.loads(json.dumps(data))


def test_json_says_once_what_many_runs_showed_in_a_cell(report: Report) -> None:
    """A cell lists what broke by judge, not by run."""
    report.findings += [*report.findings, mixed_up()]
    (cell,) = [
        cell
        for cell in as_dict(report)["matrix"]
        if (cell["mode"], cell["instant"], len(cell["stack"])) == ("asyncio", "parked", 3)
    ]

    assert ["follow-up", "tasks left"] == [one["detector"] for one in cell["broke"]]


def test_json_groups_point_at_their_findings(report: Report) -> None:
    """Each finding is in one group, in order."""
    data = as_dict(report)

    assert [[0, 1], [2]] == [group["findings"] for group in data["groups"]]
    assert ["broken", 1] == [data["verdict"], data["totals"]["broken"]]


HOSTILE = "\x1b[31mred\x1b[0m\r\n\x00\u202egnp.\u2028</script>"


def test_no_control_character_reaches_the_terminal() -> None:
    """A program's own names and values cannot move the cursor, nor turn the text around."""
    report = Report(f"x{HOSTILE}", runs=1)
    stack = (f"/site-packages/{HOSTILE}:3 in f{HOSTILE}",)
    one = finding(
        "follow-up",
        f"bad {HOSTILE}",
        plan(point(stack)),
        f"returned {HOSTILE}",
        f"returned 2{HOSTILE}" * 9,
        remedy=HOSTILE,
    )
    report.findings = report.confirmed = [one]
    report.mark(one.plan, Verdict.BROKEN)
    report.unresolved[plan(point(stack, 2))] = HOSTILE
    report.set_aside = {HOSTILE: HOSTILE}

    text = list(lines_of(report, matrix=True))

    assert all(line.isprintable() for line in text)
    assert visible("tab\tand ünïcode ✓") == "tab\\tand ünïcode ✓"


def drawn(report: Report, **options: object) -> str:
    """Return what is drawn in a terminal."""
    buffer = io.StringIO()
    console = Console(file=buffer, width=100, legacy_windows=False, **options)  # type: ignore[arg-type]
    draw(report, console)
    draw_coverage(report.coverage.files(), console)
    return buffer.getvalue()


def test_terminal_draws_the_same_text_in_color(report: Report) -> None:
    """Without its colors it is the plain text; markup in a name is no markup."""
    report.name = "[bold]app[/bold]"
    colored = drawn(report, force_terminal=True, color_system="truecolor")

    bare = re.sub(r"\x1b\[[0-9;]*m", "", colored)

    assert colored != bare
    assert bare == drawn(report)
    assert "\n".join(lines_of(report, matrix=True)) in bare


def test_terminal_that_knows_only_ascii_gets_ascii(report: Report) -> None:
    """The signs have a substitute each: a check does not fail for its own report."""

    class Ascii(io.StringIO):
        encoding = "ascii"  # type: ignore[assignment]

    buffer = Ascii()
    draw(report, Console(file=buffer, width=100))

    assert buffer.getvalue().isascii()
    assert "X?" in buffer.getvalue()


def test_report_without_points_can_be_told() -> None:
    """A sweep that was interrupted at once has nothing to show, and shows that."""
    report = Report("x", runs=2)

    assert ["x: clean (0 points, 2 runs, 0.0 s)"] == [plain(one) for one in report_lines(report)]
    assert [] == list(matrix_lines(report))
