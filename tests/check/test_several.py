"""Several targets as one: plain data that a worker can send, one page, one union of coverage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rescind.check.coverage import Mark
from rescind.check.points import Instant
from rescind.check.report import Report, Verdict
from rescind.check.several import Several, told
from tests.check.reports import GET, SLEEP, example, plan, point
from tests.check.test_html import data_of, needs_chromium, read, read_loosely, see


def clean(name: str = "app.py::other") -> Report:
    """Return a report on which nothing broke."""
    report = Report(name, runs=7, seconds=0.5)
    report.mark(plan(point(SLEEP)), Verdict.SURVIVED)
    report.coverage._mark(SLEEP, Mark.SEEN | Mark.CANCELED)
    return report


@pytest.fixture
def several(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Several:
    """Return one that broke, one that did not, and one that could not be checked."""
    monkeypatch.chdir(tmp_path)
    together = Several(left={"app.py::third": "it hangs <b>"})
    broken = example(tmp_path)
    for report in (clean(), broken):
        together.add(as_sent(told(report)))
    return together


def as_sent(data: dict[str, Any]) -> dict[str, Any]:
    """Send it through JSON, as it would come from a worker."""
    received: dict[str, Any] = json.loads(json.dumps(data))
    return received


def test_data_has_a_report_for_each_target_and_the_coverage_of_all(several: Several) -> None:
    """Each as it is written alone, but for its coverage: the union is beside them."""
    data = several.as_dict(several.coverage.files())

    assert data["format"] == 1
    assert data["verdict"] == "broken"
    assert ["app.py::other", "app.py::scenario"] == [one["target"] for one in data["reports"]]
    assert ["clean", "broken"] == [one["verdict"] for one in data["reports"]]
    assert all("coverage" not in one for one in data["reports"])
    assert [{"target": "app.py::third", "why": "it hangs <b>"}] == data["left"]
    (file,) = data["coverage"]["files"]
    states = {one["line"]: one["state"] for one in file["awaits"]}
    assert states[14] == "survived"
    assert states[13] == "broken"


@pytest.mark.parametrize(
    ("reports", "left", "verdict"),
    [
        ((), {}, "clean"),
        ((clean(),), {}, "clean"),
        ((clean(),), {"x": "why"}, "unresolved"),
    ],
)
def test_what_could_not_be_checked_is_no_pass(
    reports: tuple[Report, ...], left: dict[str, str], verdict: str
) -> None:
    """It leaves open whether all is well."""
    together = Several(left=left)
    for report in reports:
        together.add(told(report))

    assert verdict == together.verdict


def test_a_target_that_is_told_again_replaces_what_was_told(several: Several) -> None:
    """A test that is repeated is one target."""
    several.add(told(clean("app.py::scenario")))

    assert "unresolved" == several.verdict
    assert 2 == len(several.told)


def test_page_lists_all_targets_and_shows_the_source_once(several: Several) -> None:
    """What cannot run scripts gets the text of all."""
    page = several.as_html(several.coverage.files(), "3 targets")
    data = data_of(page)
    reader = read(page)

    assert [] == reader.open
    assert ["app.py::other", "app.py::scenario"] == [one["target"] for one in data["reports"]]
    assert ["app.py"] == [one["name"] for one in data["files"]]
    assert all("files" not in one for one in data["reports"])
    text = "".join(reader.text["pre"])
    assert "app.py::other: clean" in text
    assert "app.py::scenario: 1 place broken" in text
    assert "app.py::third: not checked: it hangs <b>" in text
    assert "<b>" not in page.replace("<b>rescind</b>", "")


def test_rows_are_in_the_order_of_the_source(tmp_path: Path) -> None:
    """Starts first, then the user's files by line and visit, then those of others."""
    report = Report("x")
    tenth = point(SLEEP, 10)
    for at, instant in (
        (point(GET), Instant.PARKED),
        (point((), 3), Instant.CALLBACK),
        (tenth, Instant.PARKED),
        (point(SLEEP, 2, "root/10"), Instant.PARKED),
        (point(SLEEP, 2), Instant.PARKED),
        (point(("app.py:13 in scenario",)), Instant.PARKED),
        (point((), 0, "root/2"), Instant.UNSTARTED),
        (point((), 0), Instant.UNSTARTED),
    ):
        report.mark(plan(at, instant), Verdict.SURVIVED)
    one = told(report)
    rows = [(row["place"], row["point"]) for row in one["page"]["matrix"]["rows"]]

    assert [
        ("the start of the scenario", ""),
        ("the start of root/2", "task root/2"),
        ("app.py:13 in scenario", "visit 1"),
        ("app.py:14 in scenario", "visit 2"),
        ("app.py:14 in scenario", "visit 10"),
        ("app.py:14 in scenario", "visit 2, task root/10"),
        ("lib/q.py:4 in Queue.get", "visit 1"),
        ("between the loop's callbacks", "visit 3"),
    ] == rows
    assert [(cell["task"], cell["visit"]) for cell in one["json"]["matrix"]][:2] == [
        ("root", 0),
        ("root/2", 0),
    ]


USE = """<script>
const seen = {};
const shown = (selector) => [...document.querySelectorAll(selector)].filter((one) => one.offsetParent !== null);
const texts = (selector) => shown(selector).map((one) => one.textContent);
const type = (text) => { const box = document.getElementById("search"); box.value = text; box.dispatchEvent(new Event("input")); };
const press = (where, key) => where.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const changed = () => new Promise((done) => addEventListener("hashchange", () => setTimeout(done), { once: true }));
const use = async () => {
  seen.title = texts("h1");
  seen.targets = texts(".targets th a");
  seen.nav = texts("#nav a");
  type("::other"); seen.searched = texts(".targets th a");
  press(document.body, "Escape"); seen.escaped = texts(".targets th a").length;
  let change = changed(); shown(".targets th a")[0].click(); await change;
  seen.one = [...texts("h1"), ...texts(".hero .target"), String(shown(".group").length), String(shown(".listing").length)];
  shown(".cell.b")[0].click(); seen.chosen = texts(".chip");
  change = changed(); shown(".back")[0].click(); await change;
  seen.back = texts("h1");
  change = changed(); shown(".listing .state button")[0].click(); await change;
  seen.fromSource = [...texts(".hero .target"), ...texts(".chip")];
  change = changed(); history.back(); await change;
  seen.history = texts("h1");
  seen.wide = document.documentElement.scrollWidth <= innerWidth;
};
use().catch((error) => wrong.push(String(error))).finally(() => {
  seen.wrong = window.wrong;
  const out = document.createElement("pre");
  out.id = "seen"; out.textContent = JSON.stringify(seen);
  document.body.append(out);
});
</script>"""  # noqa: E501 - it is another language


@needs_chromium
@pytest.mark.parametrize("width", [500, 1200])
def test_page_of_several_works_in_a_browser(several: Several, tmp_path: Path, width: int) -> None:
    """The worst comes first; each target is a view of its own, that one can go back from."""
    page = several.as_html(several.coverage.files(), "3 targets")
    dom, console = see(page, tmp_path, USE, width)

    assert {
        "title": ["1 of 3 targets broken"],
        "targets": ["app.py::scenario", "app.py::other"],
        "nav": ["Targets2", "Coverage1", "Not checked1"],
        "searched": ["app.py::other"],
        "escaped": 2,
        "one": ["1 place broken", "app.py::scenario", "2", "0"],
        "chosen": ["lib/q.py:4 in Queue.get under asyncio"],
        "back": ["1 of 3 targets broken"],
        "fromSource": ["app.py::scenario", "lib/q.py:4 in Queue.get"],
        "history": ["1 of 3 targets broken"],
        "wide": True,
        "wrong": [],
    } == json.loads(read_loosely(dom))
    assert "" == console
